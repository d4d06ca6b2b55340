//! The buffer of a subscriber that takes its values at its own pace.

// Locks: the topic's -> a buffer's. No user code runs or is dropped under them, no task is settled,
// and no lock of a cell is taken.

use std::collections::VecDeque;

use super::entry::{Home, Work, tune};
use super::flush::{self, Flush};
use super::left::{Callback, Left};
use super::overflow::Overflow;
use super::reader::{Reader, dismiss};
use crate::cell::AnyCell;
use crate::executor::Executor;
use crate::promise::Resolver;
use crate::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering, ThreadId, Weak, thread_id};
use crate::task::Registration;
use crate::{room, unhandled};

/// A value with its number.
pub(super) type Numbered<T> = (u64, Arc<T>);

pub(super) struct Buffer<T> {
    pub(super) number: u64,
    pub(super) limit: usize,
    overflow: Overflow,
    home: Weak<dyn Home>,
    /// Where the callback runs; `None`: a receiver takes the values.
    pub(super) executor: Option<Arc<dyn Executor>>,
    /// How many values are in the queue, for publishers: a value goes in under the topic's lock
    /// alone, so what they read there is as many or too many. Written under the lock of `core`.
    // ORDERING: Relaxed. Who reads too many takes the lock and looks.
    pub(super) used: AtomicUsize,
    core: Mutex<Core<T>>,
}

pub(super) struct Core<T> {
    pub(super) queue: VecDeque<Numbered<T>>,
    lost: u64,
    /// No more values are added; values in the queue may still be taken.
    pub(super) is_ended: bool,
    /// The subscriber has left. Invariant: the queue is empty then, and no publisher waits for
    /// room.
    pub(super) has_left: bool,
    /// The thread that took a value last; before that, the one that subscribed.
    pub(super) consumer: ThreadId,
    /// The callback runs, on the thread of the consumer.
    pub(super) is_running: bool,
    /// A receiver that waits for a value.
    pub(super) reader: Option<Reader>,
    /// Publishers that wait for room.
    pub(super) rooms: Vec<Resolver<()>>,
    /// `None` while it is being called, and for a receiver.
    pub(super) callback: Option<Callback<T>>,
    /// A round is scheduled or running. Invariant: true while the queue of a callback is not empty.
    pub(super) is_scheduled: bool,
    /// The task of that round.
    pub(super) round: Option<Arc<dyn AnyCell>>,
    /// Each with the number of the first value that it does not wait for.
    flushes: VecDeque<(u64, Arc<Flush>)>,
}

/// What is to be done after a change, without a lock.
pub(super) enum Effect<T> {
    /// There is something to take, or the end.
    Wake(Reader),
    /// The callback of this buffer has values to take.
    Round(Arc<Buffer<T>>),
    /// A value was dropped.
    Drop(Arc<T>),
}

/// Whether a value may go into a buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// The publisher is to wait.
    Full,
    /// The value is to be refused.
    Refused,
}

/// What a consumer finds.
pub(super) enum Taken<T> {
    Value(u64, Arc<T>),
    Nothing,
    Ended,
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        drop(self.take_left());
    }
}

impl<T: Send + Sync + 'static> Buffer<T> {
    /// `backlog` is what it holds from the start, beyond its limit or not.
    pub(super) fn new(
        number: u64,
        (limit, overflow): (usize, Overflow),
        home: Weak<dyn Home>,
        to: Option<(Arc<dyn Executor>, Callback<T>)>,
    ) -> Arc<Buffer<T>> {
        let (executor, callback) = to.unzip();
        Arc::new(Buffer {
            number,
            limit: limit.max(1),
            overflow,
            home,
            executor,
            used: AtomicUsize::new(0),
            core: Mutex::new(Core {
                queue: VecDeque::new(),
                lost: 0,
                is_ended: false,
                has_left: false,
                consumer: thread_id(),
                is_running: false,
                reader: None,
                rooms: Vec::new(),
                callback,
                is_scheduled: false,
                round: None,
                flushes: VecDeque::new(),
            }),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Core<T>> {
        self.core.lock()
    }

    /// It may refuse a value, or have its publisher wait.
    pub(super) fn is_strict(&self) -> bool {
        matches!(self.overflow, Overflow::Block | Overflow::Fail)
    }

    /// The topic's lock is held, so the room that is found remains.
    pub(super) fn room(&self) -> Room {
        if !self.is_strict() || self.used.load(Ordering::Relaxed) < self.limit {
            return Room::Free;
        }
        let executor = self.executor.as_ref();
        // Of a loop, which may know more than who subscribed.
        let turner = executor.and_then(|executor| executor.expected_turner());
        let core = self.lock();
        if core.has_left || core.queue.len() < self.limit {
            return Room::Free;
        }
        if self.overflow == Overflow::Fail {
            return Room::Refused;
        }
        // A pool makes room by another thread, or the wait finds that it cannot end.
        let has_threads = executor.is_some_and(|executor| executor.has_threads());
        match has_threads || turner.unwrap_or(core.consumer) != thread_id() {
            true => Room::Full,
            false => Room::Free,
        }
    }

    /// Puts a value in. Values come in the order of their numbers, under the topic's lock.
    pub(super) fn push(
        self: &Arc<Self>,
        number: u64,
        value: &Arc<T>,
        is_backlog: bool,
        effects: &mut Vec<Effect<T>>,
    ) {
        let mut core = self.lock();
        if core.has_left || core.is_ended {
            return;
        }
        if core.queue.len() >= self.limit {
            match self.overflow {
                Overflow::DropIncoming => {
                    core.lost += 1;
                    return;
                }
                Overflow::DropOldest => {
                    core.lost += 1;
                    let dropped = core.queue.pop_front();
                    effects.extend(dropped.map(|(_, value)| Effect::Drop(value)));
                }
                // Of a derived topic, which cannot return the value to a publisher.
                Overflow::Fail if !is_backlog => {
                    core.lost += 1;
                    return;
                }
                // Beyond the limit: see `room`.
                Overflow::Block | Overflow::Fail => {}
            }
        }
        core.queue.push_back((number, value.clone()));
        self.note(&core);
        self.rouse(&mut core, effects);
    }

    /// Puts in what was published before the subscriber came. It goes beyond the limit where the
    /// overflow drops nothing.
    pub(super) fn fill(self: &Arc<Self>, backlog: Vec<Numbered<T>>, effects: &mut Vec<Effect<T>>) {
        for (number, value) in &backlog {
            self.push(*number, value, true, effects);
        }
        effects.extend(backlog.into_iter().map(|(_, value)| Effect::Drop(value)));
    }

    /// The queue has changed.
    fn note(&self, core: &Core<T>) {
        self.used.store(core.queue.len(), Ordering::Relaxed);
    }

    /// There is something to take.
    fn rouse(self: &Arc<Self>, core: &mut Core<T>, effects: &mut Vec<Effect<T>>) {
        if self.executor.is_none() {
            effects.extend(core.reader.take().map(Effect::Wake));
        } else if !core.is_scheduled {
            core.is_scheduled = true;
            effects.push(Effect::Round(self.clone()));
        }
    }

    /// No more values come.
    pub(super) fn end(self: &Arc<Self>, effects: &mut Vec<Effect<T>>) {
        let mut core = self.lock();
        if !core.is_ended && !core.has_left {
            core.is_ended = true;
            self.rouse(&mut core, effects);
        }
    }

    /// Takes the oldest value; the previous one is finished. Publishers that wait for room
    /// continue.
    pub(super) fn take(&self) -> Taken<T> {
        let mut core = self.lock();
        core.consumer = thread_id();
        let flushed = core.flushed();
        let taken = match core.queue.pop_front() {
            Some((number, value)) => {
                room::give_back(&mut core.queue);
                self.note(&core);
                Taken::Value(number, value)
            }
            None if core.is_ended || core.has_left => Taken::Ended,
            None => Taken::Nothing,
        };
        // All of them: one alone may find another buffer full, and leave this room unused.
        let has_room = core.queue.len() < self.limit;
        let rooms = match has_room && !core.rooms.is_empty() {
            true => std::mem::take(&mut core.rooms),
            false => Vec::new(),
        };
        drop(core);
        flush::end_all(flushed);
        wake(rooms);
        taken
    }

    /// A flush of the values before `end`. False: the callback runs on this thread.
    pub(super) fn mark(&self, end: u64, flush: &Arc<Flush>) -> bool {
        let mut core = self.lock();
        if core.is_running && core.consumer == thread_id() {
            return false;
        }
        // A flush does not wait for the values that a receiver has not taken.
        if core.is_scheduled && self.executor.is_some() {
            core.flushes.push_back((end, flush.clone()));
        }
        true
    }

    /// This flush waits for values in the queue, or for the callback that runs.
    pub(super) fn is_marked(&self, flush: &Weak<Flush>) -> bool {
        let core = self.lock();
        let mut flushes = core.flushes.iter();
        flushes.any(|(_, it)| Arc::as_ptr(it) == flush.as_ptr())
    }

    /// Everything was taken, and nothing more comes.
    #[cfg(feature = "stream")]
    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over()
    }

    /// The subscriber leaves, and gets no more values.
    pub(super) fn leave(&self) -> Left<T> {
        let mut work = Work::default();
        if let Some(home) = self.home.upgrade() {
            home.remove_buffer(self.number);
            tune(home, &mut work);
        }
        let mut core = self.lock();
        let left = core.take_left();
        core.has_left = true;
        self.note(&core);
        let flushes = std::mem::take(&mut core.flushes);
        let (rooms, reader) = (std::mem::take(&mut core.rooms), core.reader.take());
        drop(core);
        wake(rooms);
        // Before what is left is dropped: a drop may wait for a flush.
        flush::end_all(flushes.into_iter().map(|(_, flush)| flush).collect());
        dismiss(reader);
        work.finish();
        left
    }

    /// Nothing is to come, now or later: no flush has to look at it.
    pub(super) fn retire(&self) {
        if let Some(home) = self.home.upgrade() {
            home.remove_buffer(self.number);
            unhandled::drop_reporting(home);
        }
    }

    /// How many values were dropped.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    pub(super) fn len(&self) -> usize {
        self.lock().queue.len()
    }
}

impl<T> Core<T> {
    fn take_left(&mut self) -> Left<T> {
        Left {
            is_idle: !self.has_left && !self.is_running,
            queue: std::mem::take(&mut self.queue),
            callback: self.callback.take(),
            round: self.round.take(),
        }
    }

    /// A round begins on this thread.
    pub(super) fn begin(&mut self, thread: ThreadId) {
        (self.consumer, self.is_running) = (thread, true);
    }

    /// How many values are in the queue.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The flushes that no value in the queue is about.
    pub(super) fn flushed(&mut self) -> Vec<Arc<Flush>> {
        if self.flushes.is_empty() {
            return Vec::new();
        }
        let next = self.queue.front().map_or(u64::MAX, |(number, _)| *number);
        let done = self.flushes.partition_point(|(end, _)| *end <= next);
        let flushed = self.flushes.drain(..done).map(|(_, flush)| flush);
        let flushed = flushed.collect();
        room::give_back(&mut self.flushes);
        flushed
    }

    /// Nothing is to come, now or later.
    pub(super) fn is_over(&self) -> bool {
        self.has_left || (self.is_ended && self.queue.is_empty())
    }
}

impl<T: Send + Sync + 'static> Registration for Buffer<T> {
    fn remove(self: Arc<Self>) -> bool {
        let left = self.leave();
        let is_idle = left.is_idle;
        unhandled::drop_reporting(left);
        is_idle
    }
}

/// Settles the tasks of these. A resolver that is dropped would report its task as abandoned.
pub(super) fn wake(waiting: impl IntoIterator<Item = Resolver<()>>) {
    for resolver in waiting {
        let _ = resolver.resolve(());
    }
}
