//! Which jobs of a queue wait, which have a place, and what is to start next: plain data, changed
//! under the queue's lock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::job::QueuedJob;
use super::rate::{Rate, Room};
use super::watchers::Watchers;
use crate::cell::state::Phase;
use crate::cell::{AnyCell, deadlock, with_state};
use crate::promise::Resolver;
use crate::sync::{Arc, Instant, ThreadId};
use crate::task::Task;
use crate::{limits::SWEEP_FROM, room};

/// What a queue carries.
#[derive(Clone)]
pub(super) enum Entry {
    Task(Arc<dyn AnyCell>),
    /// The continuations of a chain that was sent here.
    Job(Arc<QueuedJob>),
}

/// A greater priority is earlier, and of equal ones the one that came first.
type Key = (Reverse<i32>, u64);

/// A job that has a place.
struct Placed {
    /// `None` while `try_spawn` makes the task.
    entry: Option<Entry>,
    /// Its closure has begun.
    has_begun: bool,
    /// The thread that runs the continuations of a chain.
    thread: Option<ThreadId>,
}

/// What is to be done when the lock is gone.
#[derive(Default)]
pub(super) struct Actions {
    pub(super) starts: Vec<Entry>,
    pub(super) told: Vec<Resolver<()>>,
    /// The time at which there is room again, if no timer is set for it.
    pub(super) wake_at: Option<Instant>,
    /// To be cancelled.
    pub(super) timer: Option<Task<()>>,
    /// To be dropped.
    pub(super) spent: Vec<Entry>,
}

impl Actions {
    fn is_empty(&self) -> bool {
        let is_idle = self.starts.is_empty() && self.told.is_empty() && self.spent.is_empty();
        is_idle && self.wake_at.is_none() && self.timer.is_none()
    }
}

pub(super) struct Line {
    limit: usize,
    rate: Option<Rate>,
    is_paused: bool,
    waiting: BTreeMap<Key, Entry>,
    /// The keys of `waiting` by the number of the job.
    keys: HashMap<u64, Key>,
    /// Invariant: a job is here from when it is taken out of `waiting` until it has ended.
    placed: HashMap<u64, Placed>,
    /// The number of waiting jobs from which on cancelled chains are searched for.
    sweep_at: usize,
    watchers: Watchers,
    /// When the timer fires, and what it is; the timer itself is `None` while it is being made.
    timer: Option<(Instant, Option<Task<()>>)>,
    /// The threads that act on this line: what one of them does may come here again.
    actors: Vec<ThreadId>,
}

impl Line {
    pub(super) fn new(limit: usize, rate: Option<Rate>) -> Line {
        Line {
            limit,
            rate,
            is_paused: false,
            waiting: BTreeMap::new(),
            keys: HashMap::new(),
            placed: HashMap::new(),
            sweep_at: SWEEP_FROM,
            watchers: Watchers::default(),
            timer: None,
            actors: Vec::new(),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn running(&self) -> usize {
        self.placed.len()
    }

    /// Returns true if a job may start now, apart from other waiting jobs.
    fn room(&mut self, now: Option<Instant>) -> Room {
        if self.is_paused || self.placed.len() >= self.limit {
            return Room::Unknown;
        }
        match (&mut self.rate, now) {
            (Some(rate), Some(now)) => rate.room(now),
            _ => Room::Now,
        }
    }

    /// Reserves a place for a new job, if one is free and no other job waits for it. `now`: the
    /// time, if there is a rate.
    pub(super) fn try_place(&mut self, number: u64, now: Option<Instant>) -> bool {
        let is_free = self.waiting.is_empty() && self.room(now) == Room::Now;
        if is_free {
            self.place(number, None);
        }
        is_free
    }

    fn place(&mut self, number: u64, entry: Option<Entry>) {
        if let Some(rate) = &mut self.rate {
            rate.start();
        }
        let placed = Placed {
            entry,
            has_begun: false,
            thread: None,
        };
        self.placed.insert(number, placed);
    }

    /// Names the job that a place was given to.
    pub(super) fn fill(&mut self, number: u64, entry: Entry) {
        if let Some(placed) = self.placed.get_mut(&number) {
            placed.entry = Some(entry);
        }
    }

    /// Adds a job after the others of its priority. Returns cancelled chains that were taken out.
    #[must_use = "they are to be dropped without the lock"]
    pub(super) fn push(&mut self, number: u64, priority: i32, entry: Entry) -> Vec<Entry> {
        let key = (Reverse(priority), number);
        self.keys.insert(number, key);
        let spent = self.sweep();
        self.waiting.insert(key, entry);
        spent
    }

    /// Takes out cancelled chains, when there may be many. A push visits two jobs on average.
    fn sweep(&mut self) -> Vec<Entry> {
        if self.waiting.len() < self.sweep_at {
            return Vec::new();
        }
        let spent = self.waiting.iter().filter(|(_, entry)| entry.is_spent());
        let spent: Vec<u64> = spent.map(|(key, _)| key.1).collect();
        let spent = spent
            .into_iter()
            .filter_map(|number| self.remove_waiting(number));
        let spent = spent.collect();
        self.sweep_at = SWEEP_FROM.max(2 * self.waiting.len());
        spent
    }

    /// Takes out a job that waits.
    pub(super) fn remove_waiting(&mut self, number: u64) -> Option<Entry> {
        let key = self.keys.remove(&number)?;
        room::give_back(&mut self.keys);
        self.waiting.remove(&key)
    }

    /// A job has ended, or will never run. To be dropped by the caller.
    pub(super) fn end(&mut self, number: u64) -> Option<Entry> {
        if let Some(placed) = self.placed.remove(&number) {
            room::give_back(&mut self.placed);
            if let Some(rate) = &mut self.rate
                && !placed.has_begun
            {
                rate.give_back();
            }
            return placed.entry;
        }
        self.remove_waiting(number)
    }

    /// The closure of a job begins. `thread`: the one that runs it, for a chain.
    pub(super) fn begin(&mut self, number: u64, thread: Option<ThreadId>, now: Option<Instant>) {
        let Some(placed) = self.placed.get_mut(&number) else {
            return;
        };
        placed.thread = thread;
        if !placed.has_begun
            && let (Some(rate), Some(now)) = (&mut self.rate, now)
        {
            rate.begin(now);
        }
        placed.has_begun = true;
    }

    /// Takes out all that wait, in their order.
    pub(super) fn take_waiting(&mut self) -> Vec<Entry> {
        self.keys = HashMap::new();
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    fn is_reached(&self, below: Option<usize>) -> bool {
        match below {
            Some(below) => self.waiting.len() < below,
            None => self.is_idle(),
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.placed.is_empty()
    }

    /// Adds a waiting task. Returns the resolver if it need not wait, and the cancelled entries.
    pub(super) fn watch(
        &mut self,
        below: Option<usize>,
        resolver: Resolver<()>,
    ) -> (Option<Resolver<()>>, Vec<Resolver<()>>) {
        if self.is_reached(below) {
            return (Some(resolver), Vec::new());
        }
        let cancelled = self.watchers.sweep();
        self.watchers.add(below, resolver);
        (None, cancelled)
    }

    /// The calling thread is about to act. False: it does already.
    pub(super) fn enter(&mut self, thread: ThreadId) -> bool {
        let is_new = !self.actors.contains(&thread);
        if is_new {
            self.actors.push(thread);
        }
        is_new
    }

    /// The calling thread acts no longer.
    pub(super) fn leave(&mut self, thread: ThreadId) {
        self.actors.retain(|actor| *actor != thread);
    }

    /// What is to be done now. `None`: nothing, and the calling thread acts no longer.
    pub(super) fn next_actions(
        &mut self,
        thread: ThreadId,
        now: Option<Instant>,
    ) -> Option<Actions> {
        let mut actions = Actions::default();
        let room = self.start_all(now, &mut actions);
        self.set_timer(room, &mut actions);
        let is_idle = self.is_idle();
        actions.told = self.watchers.take_reached(self.waiting(), is_idle);
        if !actions.is_empty() {
            return Some(actions);
        }
        self.leave(thread);
        None
    }

    fn start_all(&mut self, now: Option<Instant>, actions: &mut Actions) -> Room {
        loop {
            let room = self.room(now);
            if room != Room::Now {
                return room;
            }
            let Some((key, entry)) = self.waiting.pop_first() else {
                return room;
            };
            self.keys.remove(&key.1);
            room::give_back(&mut self.keys);
            if entry.is_spent() {
                actions.spent.push(entry);
                continue;
            }
            self.place(key.1, Some(entry.clone()));
            actions.starts.push(entry);
        }
    }

    /// Sets a timer for the time at which there is room, or takes back one that is not needed.
    fn set_timer(&mut self, room: Room, actions: &mut Actions) {
        let set = self.timer.as_ref().map(|(at, _)| *at);
        match room {
            Room::At(at) if !self.waiting.is_empty() => {
                if set != Some(at) {
                    actions.timer = self.timer.take().and_then(|(_, timer)| timer);
                    self.timer = Some((at, None));
                    actions.wake_at = Some(at);
                }
            }
            _ => actions.timer = self.timer.take().and_then(|(_, timer)| timer),
        }
    }

    /// Keeps the timer that was made for `at`. Returns it if it is not needed any more.
    pub(super) fn keep_timer(&mut self, at: Instant, timer: Task<()>) -> Option<Task<()>> {
        match &mut self.timer {
            Some((set, place @ None)) if *set == at => {
                *place = Some(timer);
                None
            }
            _ => Some(timer),
        }
    }

    /// The timer for `at` has fired. Returns it, to be dropped.
    pub(super) fn forget_timer(&mut self, at: Instant) -> Option<Task<()>> {
        let (_, timer) = self.timer.take_if(|(set, _)| *set == at)?;
        timer
    }

    /// What a job that waits, waits for: the running jobs, if one of them must end. Empty: time
    /// that passes, or a call.
    pub(super) fn in_the_way(&self) -> Vec<Arc<dyn AnyCell>> {
        if self.is_paused || self.placed.len() < self.limit {
            return Vec::new();
        }
        let cell = |placed: &Placed| match &placed.entry {
            Some(Entry::Task(cell)) => Some(cell.clone()),
            _ => None,
        };
        let cells: Vec<_> = self.placed.values().filter_map(cell).collect();
        // The task that asks may itself have a place by now, and then no other is in its way.
        let is_starting = |cell: &Arc<dyn AnyCell>| {
            with_state(&**cell, |state| {
                matches!(state.phase(), Phase::Cold | Phase::Queued | Phase::Open)
            })
        };
        if cells.iter().any(is_starting) {
            return Vec::new();
        }
        match cells.len() == self.placed.len() {
            true => cells,
            // It is not known what the others wait for.
            false => Vec::new(),
        }
    }

    /// The jobs with a place that must end before the line can be that short, as far as that is
    /// known: with several places it may be any of them that ends next.
    fn in_the_way_of(&self, below: Option<usize>) -> impl Iterator<Item = &Placed> {
        let all = below.is_none() || !self.is_paused && self.limit == 1;
        self.placed.values().filter(move |_| all)
    }

    /// Their tasks.
    pub(super) fn must_end(&self, below: Option<usize>) -> Vec<Arc<dyn AnyCell>> {
        let cell = |placed: &Placed| match &placed.entry {
            Some(Entry::Task(cell)) => Some(cell.clone()),
            _ => None,
        };
        self.in_the_way_of(below).filter_map(cell).collect()
    }

    /// The threads of those that are continuations of a chain.
    pub(super) fn must_return(&self, below: Option<usize>) -> Vec<ThreadId> {
        let thread = |placed: &Placed| placed.thread;
        self.in_the_way_of(below).filter_map(thread).collect()
    }

    /// The only job that has a place, where none starts before it has ended.
    fn only_placed(&self) -> Option<&Placed> {
        if self.is_paused || self.limit != 1 || self.placed.len() != 1 {
            return None;
        }
        self.placed.values().next()
    }

    /// The thread of that job, if it is a chain's: a task tells its own.
    pub(super) fn chain_thread(&self) -> Option<ThreadId> {
        self.only_placed()?.thread
    }

    /// The thread of that job.
    pub(super) fn holder(&self) -> Option<ThreadId> {
        let placed = self.only_placed()?;
        match &placed.entry {
            Some(Entry::Task(cell)) => with_state(&**cell, |state| deadlock::driver(state)),
            _ => placed.thread,
        }
    }
}
