//! A fault at every place where user code is called or dropped, in turn. Whatever it is: what
//! should settle settles, nothing hangs, no thread is lost, and threads go on to dispatch what they
//! settle.
//!
//! Contract: S2, S3, D2, D4, C5, P1, P2

mod closures;
mod executors;
mod ground;
mod pools;
mod reporting;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;
mod values;
mod verbs;
mod wakers;
