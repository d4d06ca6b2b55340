//! How a receiver waits for a value in its buffer, and a publisher for room in one.

// Locks: see `buffer.rs`. Waiters are entered under the lock of the buffer.

use std::task::Waker;

use super::buffer::{Buffer, wake};
use super::reader::{Reader, dismiss};
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::state::Phase;
use crate::cell::{Upstream, UpstreamRef, with_state};
use crate::limits::TURNS_OF_OTHERS;
use crate::promise::deferred;
use crate::sync::{Arc, Ordering, thread_id, yield_now};
use crate::task::Task;

impl<T: Send + Sync + 'static> Buffer<T> {
    /// Looks for a moment whether there is room.
    pub(super) fn has_room_soon(&self) -> bool {
        self.comes_soon(|used| used < self.limit)
    }

    /// Looks for a moment whether there is something to take.
    pub(super) fn has_value_soon(&self) -> bool {
        self.comes_soon(|used| used > 0)
    }

    /// Lets the other side have the processor a few times: to sleep, and to be woken, takes both of
    /// them longer than most values do. What it finds is a hint.
    fn comes_soon(&self, is_there: impl Fn(usize) -> bool) -> bool {
        (0..TURNS_OF_OTHERS).any(|_| {
            yield_now();
            is_there(self.used.load(Ordering::Relaxed))
        })
    }

    /// Returns a task that settles when there may be room; `None`: there is.
    pub(super) fn await_room(self: &Arc<Self>) -> Option<Task<()>> {
        let (resolver, room) = deferred();
        let mut core = self.lock();
        if core.has_left || core.queue.len() < self.limit {
            drop(core);
            wake([resolver]);
            return None;
        }
        core.rooms.push(resolver);
        drop(core);
        // A search for cycles finds the thread that makes room.
        if let Some(cell) = room.cell() {
            with_state(&**cell, |state| {
                if state.phase() == Phase::Open {
                    let (to, step_id) = (self.clone(), 0);
                    let _ = state.set_upstream(UpstreamRef { to, step_id });
                }
            });
        }
        Some(room)
    }

    /// Returns a task that settles when there may be something to take; `None`: there is.
    pub(super) fn await_value(&self) -> Option<Task<()>> {
        let (resolver, value) = deferred();
        let mut core = self.lock();
        core.consumer = thread_id();
        if !core.queue.is_empty() || core.is_ended || core.has_left {
            drop(core);
            wake([resolver]);
            return None;
        }
        let before = core.reader.replace(Reader::Thread(resolver));
        drop(core);
        dismiss(before);
        Some(value)
    }

    /// Has `waker` called when there may be something to take. False: there is.
    pub(super) fn await_by(&self, waker: &Waker) -> bool {
        // A clone is foreign code, so it is made without the lock.
        let mut reader = Some(Reader::Future(waker.clone()));
        let mut core = self.lock();
        core.consumer = thread_id();
        let is_to_wait = core.queue.is_empty() && !core.is_ended && !core.has_left;
        if is_to_wait {
            std::mem::swap(&mut core.reader, &mut reader);
        }
        drop(core);
        dismiss(reader);
        is_to_wait
    }
}

/// For a publisher that waits for room, which is never cancelled.
impl<T: Send + Sync + 'static> Withdraw for Buffer<T> {
    fn withdraw(self: Arc<Self>, _step_id: u64, _: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

impl<T: Send + Sync + 'static> Upstream for Buffer<T> {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let round = self.lock().round.clone();
        found.extend(round.map(|round| round as Arc<dyn Upstream>));
    }
}
