//! The rounds of a callback behind a buffer: each a job of its executor.
//!
//! A round takes what was in the buffer when it began, so that an executor gets to its other jobs
//! between two rounds. There is one at a time.

use std::panic::Location;

use super::buffer::{Buffer, Taken};
use super::flush;
use super::left::Callback;
use crate::error::{At, TaskError};
use crate::promise::deferred;
use crate::sync::{Arc, thread_id};
use crate::{guard, locals, unhandled};

/// Calls a subscriber. Its panic fails no task, so it is reported.
#[inline]
pub(super) fn call(location: &'static Location<'static>, f: impl FnOnce()) {
    if let Err(payload) = guard::catch(f) {
        let task = None;
        unhandled::report(TaskError::panicked(payload, At { location, task }));
    }
}

/// Has a round of `buffer` run by its executor.
pub(super) fn schedule<T: Send + Sync + 'static>(buffer: Arc<Buffer<T>>) {
    let Some(executor) = buffer.executor.clone() else {
        return;
    };
    // The callback is not the publisher's: it does not see what that has set.
    let _hidden = locals::hide();
    let (begin, task) = deferred();
    let round = Round(Some(buffer.clone()));
    let task = task.on_shared(executor).then(move |()| round.run());
    // A publisher that waits for room waits for it: known before it begins.
    let before = std::mem::replace(&mut buffer.lock().round, task.cell().cloned());
    drop(before);
    task.detach();
    let _ = begin.resolve(());
}

/// A round that is to come.
struct Round<T: Send + Sync + 'static>(Option<Arc<Buffer<T>>>);

impl<T: Send + Sync + 'static> Round<T> {
    fn run(mut self) {
        let Some(buffer) = self.0.take() else {
            return;
        };
        let (callback, len) = {
            let mut core = buffer.lock();
            core.begin(thread_id());
            (core.callback.take(), core.len())
        };
        if let Some(mut callback) = callback {
            for _ in 0..len {
                let Taken::Value(_, value) = buffer.take() else {
                    break;
                };
                callback(&value);
                unhandled::drop_reporting(value);
            }
            if end(&buffer, callback) {
                schedule(buffer);
            }
        }
    }
}

/// True if there is to be another round.
fn end<T: Send + Sync + 'static>(buffer: &Buffer<T>, callback: Callback<T>) -> bool {
    let mut callback = Some(callback);
    let mut core = buffer.lock();
    core.is_running = false;
    let flushed = core.flushed();
    let goes_on = core.len() > 0;
    let mut round = None;
    if !core.is_over() {
        core.callback = callback.take();
    }
    if !goes_on {
        core.is_scheduled = false;
        round = core.round.take();
    }
    let is_over = core.is_over();
    drop(core);
    // The drop of the callback may wait for a flush.
    flush::end_all(flushed);
    if is_over {
        buffer.retire();
    }
    unhandled::drop_reporting((callback, round));
    goes_on
}

impl<T: Send + Sync + 'static> Drop for Round<T> {
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            // The executor has dropped the job: its task fails.
            unhandled::drop_reporting(buffer.leave());
        }
    }
}
