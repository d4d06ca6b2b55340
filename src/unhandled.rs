//! Failures that nobody looked at: reported once, to a hook, to `tracing`, or to stderr.

use std::fmt;

use crate::error::TaskError;
use crate::guard;
use crate::sync::{Arc, Mutex};

type Hook = Arc<dyn Fn(&TaskError) + Send + Sync>;

crate::sync::statics! {
    static HOOK: Mutex<Option<Hook>> = Mutex::new(None);
}

/// Sets what happens to a failure that nobody looked at; replaces what was set before.
///
/// A failure has been looked at when a `catch`, `handle`, `or_else`, `wait` or `.await` received
/// it, when [`Task::error`](crate::Task::error) gave it out, or when it was handed on to a
/// continuation. Observers do not count. It is reported when the last handle of its task goes,
/// exactly once, on the thread where that happens. Tasks that were cancelled are not reported.
///
/// Without a hook the failure becomes a `tracing` error event, or, when no subscriber is installed,
/// one line on stderr. Panics in observers and in the `Drop` of values, which have no task to fail,
/// take the same way. A panic in the hook itself is dropped.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use fast_async::{attempt, set_unhandled_hook, Pool, Task};
///
/// let (tell, told) = mpsc::channel();
/// set_unhandled_hook(move |err| tell.send(err.to_string()).unwrap());
///
/// let task: Task<()> = attempt(|| Err("disk full".into()));
/// drop(task); // nobody will ever know, but for the hook
/// assert!(told.recv()?.contains("disk full"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_unhandled_hook(hook: impl Fn(&TaskError) + Send + Sync + 'static) {
    let old = HOOK.lock().replace(Arc::new(hook));
    guard::discard(old);
}

/// Goes back to `tracing` or stderr.
pub fn clear_unhandled_hook() {
    let old = HOOK.lock().take();
    guard::discard(old);
}

/// Reports a failure, unless it has been reported already.
pub(crate) fn report(error: TaskError) {
    if !error.claim_report() {
        return;
    }
    let hook = HOOK.lock().clone();
    // The hook, a tracing subscriber and the `Display` of the user's error are user code.
    let reported = guard::catch(|| match hook {
        Some(hook) => hook(&error),
        None => say(
            format_args!("a task's failure was never looked at: {error}"),
            true,
        ),
    });
    if let Err(payload) = reported {
        guard::discard(payload);
    }
}

/// Drops a user's value, closure or executor. A panic in that has no task to fail, so it is reported.
pub(crate) fn discard<V>(value: V) {
    if let Err(payload) = guard::drop_caught(value) {
        report(TaskError::panicked_in_drop(payload));
    }
}

/// Says something about the pool that its user should know.
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    let said = guard::catch(|| say(message, false));
    if let Err(payload) = said {
        guard::discard(payload);
    }
}

fn say(message: fmt::Arguments<'_>, is_error: bool) {
    if !crate::trace::is_heard() {
        use std::io::Write;
        // Not `eprintln!`: it panics when stderr is closed.
        let _ = writeln!(std::io::stderr(), "fast-async: {message}");
    } else if is_error {
        tracing::error!(target: "fast_async", "{message}");
    } else {
        tracing::warn!(target: "fast_async", "{message}");
    }
}
