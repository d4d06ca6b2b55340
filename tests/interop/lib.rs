//! Compiles and runs the programs of the guide's chapter on async code, windows and rayon.

#![doc(test(attr(deny(warnings))))]

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/src/interop.md")]
mod interop {}
