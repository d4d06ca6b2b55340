//! The watchdog: a test that hangs fails with a message.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::panics::{is_expected, quiet};

/// A limit for one wait. Longer than any takes on a busy machine: only a hang gets here.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// After this the meeting points give up: before the test does, so that it can say where it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(50);

/// A test that takes longer hangs. `FAST_ASYNC_TEST_LIMIT` is another number of seconds.
pub(crate) fn limit() -> Duration {
    let seconds = std::env::var("FAST_ASYNC_TEST_LIMIT").map(|seconds| seconds.parse());
    Duration::from_secs(seconds.map_or(120, |seconds| seconds.expect("a number of seconds")))
}

/// Runs a test on a new thread and fails it if it is not done in time. Expected panics and
/// unhandled failures are not printed from here on.
#[track_caller]
pub(crate) fn within<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    within_time(limit(), test)
}

/// The same, with another limit.
#[track_caller]
pub(crate) fn within_time<R: Send + 'static>(
    limit: Duration,
    test: impl FnOnce() -> R + Send + 'static,
) -> R {
    quiet();
    watched_for(limit, test)
}

/// Like [`within`], for tests that look at the reports of the process.
#[track_caller]
pub(crate) fn watched<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    watched_for(limit(), test)
}

/// The same, with another limit.
#[track_caller]
pub(crate) fn watched_for<R: Send + 'static>(
    limit: Duration,
    test: impl FnOnce() -> R + Send + 'static,
) -> R {
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
        panic!("still not done after {limit:?}: it hangs");
    }
    match runner.join() {
        Ok(result) => result,
        Err(payload) if is_expected(&*payload) => {
            panic!("a panic that the crate should have caught came through")
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// Looks again and again until `condition` holds; for what no latch can tell. The watchdog bounds
/// it.
pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::park_timeout(Duration::from_micros(200));
    }
}
