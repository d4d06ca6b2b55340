//! Injects a fault at each place where user code is called or dropped. After each fault every task
//! settles, no call hangs, no thread is lost, and threads still dispatch the tasks that they
//! settle.
//!
//! Contract: S2, S3, D2, D4, C5, P1, P2

mod closures;
mod executors;
mod families;
mod ground;
mod pools;
mod reporting;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;
mod values;
mod verbs;
mod wakers;
