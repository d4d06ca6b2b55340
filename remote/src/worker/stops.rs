//! Points at which a test stops a worker, to kill it there. Not in builds for use.

use std::sync::OnceLock;

/// Stops the calling thread for good if the environment names this point.
pub(super) fn stop_at(point: &str) {
    static STOP: OnceLock<Option<String>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return;
    }
    let stop = STOP.get_or_init(|| std::env::var("FAST_ASYNC_REMOTE_STOP").ok());
    if stop.as_deref() == Some(point) {
        eprintln!("stopped at {point}");
        loop {
            std::thread::park();
        }
    }
}
