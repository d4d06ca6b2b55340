//! Compiles and runs the programs of two pages: the guide's chapter on async code, windows and
//! rayon, and `docs/ASYNC.md`.

#![doc(test(attr(deny(warnings))))]

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/src/interop.md")]
mod interop {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/ASYNC.md")]
mod async_code {}
