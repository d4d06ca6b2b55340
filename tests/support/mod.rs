//! What the tests share: a watchdog, latches and gates, counters of drops, values that panic when
//! dropped, and the table of cases.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

mod cases;
mod drops;
mod gate;
mod isolate;
mod panics;

pub(crate) use cases::{Case, Place, When, every_case};
pub(crate) use drops::{Bomb, Drops, OnDrop, Token};
pub(crate) use gate::{Gate, Latch, Log};
pub(crate) use isolate::isolated;
pub(crate) use panics::{Expected, expected, quiet, reports};

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use fast_async::deferred;

/// Longer than any test takes on a busy machine: only a hang gets here.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// After this the meeting points give up: before the test does, so that it can say where it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(50);

/// Runs a test on a thread of its own and fails it when it is not done in time.
pub(crate) fn within<R: Send + 'static>(
    limit: Duration,
    test: impl FnOnce() -> R + Send + 'static,
) -> R {
    quiet();
    let (tell, told) = channel();
    let runner = thread::Builder::new()
        .name("test".into())
        .spawn(move || {
            let result = test();
            // The test may have been given up.
            let _ = tell.send(());
            result
        })
        .expect("a thread for the test");
    if let Err(RecvTimeoutError::Timeout) = told.recv_timeout(limit) {
        panic!("still running after {limit:?}: a hang");
    }
    match runner.join() {
        Ok(result) => result,
        Err(payload) if panics::is_expected(&*payload) => {
            panic!("a panic that the crate should have caught came through")
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// Panics unless the calling thread still runs what it settles: a panic that slipped through the
/// dispatcher would have left it closed.
#[track_caller]
pub(crate) fn assert_still_dispatches() {
    let (resolver, task) = deferred();
    let task = task.then(|n: i32| n + 1);
    assert!(resolver.resolve(1).is_ok());
    assert!(
        task.is_settled(),
        "this thread no longer runs the continuations of what it settles"
    );
    assert_eq!(task.wait().expect("it was resolved"), 2);
}
