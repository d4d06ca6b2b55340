//! The number and the name of the calling thread.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Calls `f` with the number and the name of the calling thread. Not called when the thread is
/// about to end.
pub(crate) fn with_thread(f: impl FnOnce(u64, &Arc<str>)) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static OWN: OnceCell<(u64, Arc<str>)> = const { OnceCell::new() };
    }
    let _ = OWN.try_with(|own| {
        let (number, name) = own.get_or_init(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = thread::current().name().map(Arc::from);
            (
                number,
                name.unwrap_or_else(|| format!("thread {number}").into()),
            )
        });
        f(*number, name);
    });
}
