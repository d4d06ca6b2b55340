//! The state of a topic: its subscribers, and the undelivered values.

// Locks: `deadlock::GRAPH` -> the topic's -> a buffer's. No user code runs or is dropped under
// them, and no task is settled. What is to be done after a change is put into a list first.

use std::any::Any;
use std::collections::VecDeque;

use super::buffer::{Buffer, Effect, Numbered};
use super::entry::{Contents, Entry, Home, Listener, Node, Removed, Work, tune};
use super::flush::Flush;
use super::kept::Kept;
use super::source::Source;
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::Upstream;
use crate::pool::Pool;
use crate::sync::{Arc, Mutex, MutexGuard, OnceLock, ThreadId, Weak};
use crate::{room, unhandled};

/// The number of removed entries that a list of any length may keep.
const DEAD_KEPT: usize = 16;
/// Places that an empty list keeps.
const ENTRIES_KEPT: usize = 64;

/// What the handles of a topic share.
pub(super) struct Hub<T> {
    state: Mutex<State<T>>,
    me: Weak<Hub<T>>,
    /// The pool that delivers what no publisher does; `None`: the global one.
    pool: Option<Pool>,
    /// Of a derived topic.
    source: OnceLock<Source>,
}

/// From when on a listener gets values.
#[derive(Clone, Copy)]
pub(super) enum Since {
    Now,
    /// Those that are kept come first.
    Kept,
    /// Now, if this is the number of the next value.
    Number(u64),
}

/// A listener that was not added.
pub(super) enum Refused<T> {
    Closed(Box<dyn Listener<T>>),
    /// The next value has another number.
    Outdated(Box<dyn Listener<T>>),
}

impl<T> Refused<T> {
    pub(super) fn into_listener(self) -> Box<dyn Listener<T>> {
        match self {
            Refused::Closed(listener) | Refused::Outdated(listener) => listener,
        }
    }
}

/// How the values are delivered to the entries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Idle,
    /// A job is on its way to the pool.
    Sent,
    /// It has taken the entries.
    By(ThreadId),
}

pub(super) struct State<T> {
    /// The number of the next value.
    pub(super) next: u64,
    pub(super) is_closed: bool,
    pub(super) delivery: Delivery,
    /// In the order of their numbers. Empty while a thread delivers, which has them.
    pub(super) entries: Vec<Entry<T>>,
    /// How many of `entries` have no listener any more.
    dead: usize,
    /// Those that came while a delivery was under way, in their order.
    pub(super) joining: VecDeque<Entry<T>>,
    /// What was published while a delivery was under way.
    pub(super) queue: VecDeque<Numbered<T>>,
    /// In the order of their numbers. After the end those whose subscribers have not finished.
    pub(super) buffers: Vec<Arc<Buffer<T>>>,
    /// How many of `buffers` may refuse a value or have its publisher wait.
    pub(super) strict: usize,
    /// Entries and buffers that want values.
    pub(super) live: usize,
    /// Entries were taken out that the delivering thread has.
    pub(super) needs_sweep: bool,
    /// Flushes that wait for the entries, each with the number of the first value that it is not
    /// about.
    pub(super) flushes: VecDeque<(u64, Arc<Flush>)>,
    pub(super) kept: Kept<T>,
    last_number: u64,
    /// An empty list that has room.
    pub(super) spare: Vec<Effect<T>>,
}

impl<T: Send + Sync + 'static> Hub<T> {
    pub(super) fn new(pool: Option<Pool>) -> Arc<Hub<T>> {
        Arc::new_cyclic(|me| Hub {
            me: me.clone(),
            pool,
            source: OnceLock::new(),
            state: Mutex::new(State {
                next: 0,
                is_closed: false,
                delivery: Delivery::Idle,
                entries: Vec::new(),
                dead: 0,
                joining: VecDeque::new(),
                queue: VecDeque::new(),
                buffers: Vec::new(),
                strict: 0,
                live: 0,
                needs_sweep: false,
                flushes: VecDeque::new(),
                kept: Kept::new(),
                last_number: 0,
                spare: Vec::new(),
            }),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock()
    }

    pub(super) fn me(&self) -> Weak<Hub<T>> {
        self.me.clone()
    }

    pub(super) fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// Makes the state of a topic that is derived from this one.
    pub(super) fn derived<U: Send + Sync + 'static>(&self) -> Arc<Hub<U>> {
        Hub::new(self.pool.clone())
    }

    /// Makes it a derived topic.
    pub(super) fn set_source(&self, source: Source) {
        let set = self.source.set(source);
        debug_assert!(set.is_ok(), "it is derived once");
    }

    /// A subscriber was added or removed.
    pub(super) fn tune(&self) {
        if self.source.get().is_none() {
            return;
        }
        if let Some(me) = self.me.upgrade() {
            let mut work = Work::default();
            tune(me, &mut work);
            work.finish();
        }
    }

    pub(super) fn home(&self) -> Weak<dyn Home> {
        self.me.clone()
    }

    /// Adds a listener. It gets the values published from now on, and before them its backlog of
    /// kept values, where `since` asks for it. True: no thread delivers, and the caller must have
    /// the backlog delivered. The caller calls [`tune`](Hub::tune) in any case.
    pub(super) fn add(
        &self,
        listener: Box<dyn Listener<T>>,
        since: Since,
    ) -> Result<(Arc<Node>, bool), Refused<T>> {
        let mut state = self.lock();
        let backlog = match since {
            Since::Kept => state.kept.backlog(),
            Since::Now => Vec::new(),
            Since::Number(next) if next == state.next => Vec::new(),
            Since::Number(_) => return Err(Refused::Outdated(listener)),
        };
        if state.is_closed && backlog.is_empty() {
            return Err(Refused::Closed(listener));
        }
        let node = Arc::new(Node::new(state.take_number(), self.home()));
        let backlog = backlog.into_iter().map(|(_, value)| value).collect();
        let entry = Entry::new(node.clone(), state.next, backlog, listener);
        state.live += 1;
        // What is queued comes before it.
        let is_idle = state.delivery == Delivery::Idle && state.queue.is_empty();
        let is_to_send = is_idle && !entry.contents.backlog.is_empty();
        if is_idle && !is_to_send {
            state.entries.push(entry);
        } else {
            state.joining.push_back(entry);
        }
        if is_to_send {
            state.delivery = Delivery::Sent;
        }
        Ok((node, is_to_send))
    }
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        unhandled::drop_each(self.queue.drain(..));
        unhandled::drop_each(self.buffers.drain(..));
    }
}

impl<T> State<T> {
    /// Numbers of entries and buffers, each once.
    pub(super) fn take_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Moves the listeners into `entries` that joined before the value with this number. True: some
    /// of them have a backlog.
    pub(super) fn join(&mut self, entries: &mut Vec<Entry<T>>, number: u64) -> bool {
        if self.joining.is_empty() {
            return false;
        }
        let before = entries.len();
        let ready = self.joining.partition_point(|entry| entry.from <= number);
        entries.extend(self.joining.drain(..ready));
        self.joining.shrink_to(ENTRIES_KEPT);
        entries[before..]
            .iter()
            .any(|it| !it.contents.backlog.is_empty())
    }

    /// Takes all entries, for the thread that delivers.
    pub(super) fn take_entries(&mut self) -> Vec<Entry<T>> {
        if std::mem::take(&mut self.dead) > 0 {
            compact(&mut self.entries);
        }
        std::mem::take(&mut self.entries)
    }

    /// Takes an entry out of the lists, if it is there. It was counted out.
    fn take_entry(&mut self, number: u64) -> Option<Contents<T>> {
        let place = |entry: &Entry<T>| entry.node.number.cmp(&number);
        if let Ok(place) = self.entries.binary_search_by(place) {
            let contents = self.entries[place].contents.take();
            self.dead += 1;
            if self.dead > DEAD_KEPT && self.dead > self.entries.len() / 2 {
                self.dead = 0;
                compact(&mut self.entries);
            }
            return Some(contents);
        }
        match self.joining.binary_search_by(place) {
            Ok(place) => self
                .joining
                .remove(place)
                .map(|mut entry| entry.contents.take()),
            Err(_) => {
                self.needs_sweep = true;
                None
            }
        }
    }
}

/// Takes the entries without a listener out.
pub(super) fn compact<T>(entries: &mut Vec<Entry<T>>) {
    entries.retain(|entry| entry.contents.listener.is_some());
    if entries.capacity() > ENTRIES_KEPT.max(4 * entries.len()) {
        entries.shrink_to(ENTRIES_KEPT.max(2 * entries.len()));
    }
}

/// It is no step of a task: the entries are what a cancel takes out.
impl<T: Send + Sync + 'static> Withdraw for Hub<T> {
    fn withdraw(self: Arc<Self>, _step_id: u64, _: &mut Sweep) -> CancelOutcome {
        CancelOutcome::Prevented
    }
}

/// For the tasks that wait for its next value: no value comes before the callbacks have returned
/// that a thread is calling now.
impl<T: Send + Sync + 'static> Upstream for Hub<T> {
    fn above(&self, _found: &mut Vec<Arc<dyn Upstream>>) {}

    fn left_running(&self, found: &mut Vec<ThreadId>) {
        if let Delivery::By(thread) = self.lock().delivery {
            found.push(thread);
        }
    }
}

impl<T: Send + Sync + 'static> Home for Hub<T> {
    fn upstream(self: Arc<Self>) -> Option<Arc<dyn Upstream>> {
        Some(self)
    }

    fn remove_entry(&self, node: &Node) -> Removed {
        let mut state = self.lock();
        let Some(is_called) = node.leave() else {
            return Removed {
                is_idle: false,
                contents: None,
            };
        };
        state.live -= 1;
        let contents = state.take_entry(node.number);
        drop(state);
        Removed {
            is_idle: !is_called,
            contents: contents.map(|it| Box::new(it) as Box<dyn Any + Send>),
        }
    }

    fn remove_buffer(&self, number: u64) {
        let mut state = self.lock();
        let place = state.buffers.binary_search_by_key(&number, |it| it.number);
        let removed = place.ok().map(|place| state.buffers.remove(place));
        room::give_back(&mut state.buffers);
        // The end has counted all of them out.
        if let Some(buffer) = &removed
            && !state.is_closed
        {
            state.live -= 1;
            state.strict -= usize::from(buffer.is_strict());
        }
        drop(state);
    }

    fn tune_one(&self, homes: &mut Vec<Arc<dyn Home>>, work: &mut Work) {
        if let Some(source) = self.source.get() {
            let is_wanted = || {
                let state = self.lock();
                state.live > 0 && !state.is_closed
            };
            source.tune(is_wanted, homes, work);
        }
    }
}
