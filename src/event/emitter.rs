//! The emitter of a task: hands its events to its listeners, in one order.

// Lock order: the cell's -> none; the emitter's -> that of the source of its progress, and those of
// its listeners. No user code runs or is dropped under it.

use smallvec::SmallVec;

use super::current::Within;
use super::kind::{About, EventKind, TaskEvent};
use crate::error::TaskError;
use crate::limits::PROGRESS_PAUSE;
use crate::sync::{Arc, AtomicBool, Duration, Instant, Mutex, OnceLock, Ordering, Weak};
use crate::timer::TimeSource;
use crate::{room, unhandled};

/// Gets the events of a task.
pub(crate) trait Listener: Send + Sync {
    /// Takes an event. The lock of the emitter is held: no user code may run or be dropped.
    fn put(&self, event: Arc<TaskEvent>);

    /// The task tells no more. The lock of the emitter is held.
    fn end_of_task(&self);

    /// The pool is gone, and with it all of its tasks. No lock is held.
    fn end_of_pool(&self) {}

    /// Passes on what was put. No lock is held.
    fn deliver(&self);
}

/// Where the progress of a task is kept, with or without a listener.
pub(crate) trait ProgressSource: Send + Sync {
    fn counts(&self) -> Counts;
}

/// A progress. Zeros: none was reported.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) done: u64,
    pub(crate) total: u64,
}

impl Counts {
    /// Of numbers of tasks.
    pub(crate) fn of(done: usize, total: usize) -> Counts {
        Counts {
            done: done as u64,
            total: total as u64,
        }
    }

    fn kind(self) -> Option<EventKind> {
        let Counts { done, total } = self;
        (self != Counts::default()).then_some(EventKind::Progress { done, total })
    }
}

/// How far the closure of a task has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is no closure that has yet to begin, or has begun.
    None,
    Queued,
    Started,
}

impl Stage {
    fn kind(self) -> Option<EventKind> {
        match self {
            Stage::None => None,
            Stage::Queued => Some(EventKind::Queued),
            Stage::Started => Some(EventKind::Started),
        }
    }
}

/// Tells the events of one task, or of one group. Made by the first listener.
pub(crate) struct Emitter {
    about: Arc<About>,
    time: TimeSource,
    /// Weak: the source holds the emitter.
    source: OnceLock<Weak<dyn ProgressSource>>,
    /// There are listeners. Written under the lock.
    // ORDERING: Relaxed. A listener that comes in the same moment as an event does not get it; a
    // progress it gets with the next one.
    is_heard: AtomicBool,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    /// The last progress of the source, as the emitter knows it.
    counts: Counts,
    /// When a progress was told last.
    told: Option<Instant>,
    /// In the order of their numbers.
    entries: Vec<Entry>,
    next: u64,
    /// Of a group that has ended. The listeners of a task end one by one, each where it stands in
    /// the chain.
    outcome: Option<Option<TaskError>>,
}

/// A listener of one task.
struct Entry {
    number: u64,
    listener: Arc<dyn Listener>,
    /// The progress that it has got.
    seen: Counts,
}

/// What was told, for the time when the lock is released: what is dropped may be the user's.
struct Told<'a> {
    about: &'a Arc<About>,
    now: Instant,
    /// Those that were put something.
    listeners: SmallVec<[Arc<dyn Listener>; 2]>,
    events: SmallVec<[Arc<TaskEvent>; 2]>,
    source: Option<Arc<dyn ProgressSource>>,
}

impl Told<'_> {
    fn event(&mut self, kind: EventKind) -> Arc<TaskEvent> {
        let event = Arc::new(TaskEvent::new(self.about.clone(), self.now, kind));
        self.events.push(event.clone());
        event
    }

    fn deliver(self) {
        for listener in &self.listeners {
            listener.deliver();
        }
        unhandled::drop_reporting((self.listeners, self.events, self.source));
    }
}

impl Emitter {
    pub(crate) fn new(about: About, time: TimeSource, stage: Stage) -> Arc<Emitter> {
        Arc::new(Emitter {
            about: Arc::new(about),
            time,
            source: OnceLock::new(),
            is_heard: AtomicBool::new(false),
            state: Mutex::new(State {
                stage,
                counts: Counts::default(),
                told: None,
                entries: Vec::new(),
                next: 0,
                outcome: None,
            }),
        })
    }

    /// Names the place where the progress is kept. Later calls name the same and do nothing.
    pub(crate) fn set_source(&self, source: Weak<dyn ProgressSource>) {
        let _ = self.source.set(source);
    }

    /// Calls `f` with the state, and then delivers what it has put.
    fn change<R>(&self, f: impl FnOnce(&mut State, &mut Told<'_>) -> R) -> R {
        let mut told = Told {
            about: &self.about,
            now: self.time.now(),
            listeners: SmallVec::new(),
            events: SmallVec::new(),
            source: self.source.get().and_then(Weak::upgrade),
        };
        let result = {
            let mut state = self.state.lock();
            if let Some(source) = &told.source {
                // Under the lock, so that of two reports the later one is told later.
                state.counts = source.counts();
            }
            let result = f(&mut state, &mut told);
            self.note(&state);
            result
        };
        told.deliver();
        result
    }

    /// Notes whether there are listeners.
    fn note(&self, state: &State) {
        self.is_heard
            .store(!state.entries.is_empty(), Ordering::Relaxed);
    }

    /// Adds a listener, which first gets the state as it stands. Returns its number.
    pub(crate) fn add(&self, listener: Arc<dyn Listener>) -> u64 {
        self.change(|state, told| {
            let now = [state.stage.kind(), state.counts.kind()];
            for kind in now.into_iter().flatten() {
                listener.put(told.event(kind));
            }
            told.listeners.push(listener.clone());
            let number = state.next;
            state.next += 1;
            let entry = Entry {
                number,
                listener,
                seen: state.counts,
            };
            match state.outcome.clone() {
                Some(failure) => entry.settle(state.counts, failure, told),
                None => state.entries.push(entry),
            }
            number
        })
    }

    /// Removes a listener. It does not hear of that.
    pub(crate) fn remove(&self, number: u64) {
        let removed = {
            let mut state = self.state.lock();
            let removed = state.take(number);
            self.note(&state);
            removed
        };
        unhandled::drop_reporting(removed.map(|entry| entry.listener));
    }

    /// The closure begins, on this thread, and runs until what is returned is dropped.
    pub(crate) fn start(&self) -> Within {
        self.change(|state, told| {
            state.stage = Stage::Started;
            state.put(EventKind::Started, told);
        });
        Within::enter(self.about.id())
    }

    /// The source has a new progress. It is told at once, unless one was told just before: then
    /// with the next event, at the latest with the last.
    #[inline]
    pub(crate) fn report(&self) {
        if self.is_heard.load(Ordering::Relaxed) {
            self.report_now();
        }
    }

    /// The same also without listeners: the source may be gone when the first one comes.
    #[cold]
    pub(crate) fn report_now(&self) {
        self.change(|state, told| {
            let since = |told_at: Instant| told.now.saturating_duration_since(told_at);
            let pause = state.told.map_or(Duration::MAX, since);
            if pause >= PROGRESS_PAUSE {
                state.put_progress(told);
            }
        });
    }

    /// Tells an event of the closure.
    pub(crate) fn emit(&self, kind: EventKind) {
        if self.is_heard.load(Ordering::Relaxed) {
            self.emit_now(kind);
        }
    }

    #[cold]
    fn emit_now(&self, kind: EventKind) {
        self.change(|state, told| {
            state.put_progress(told);
            state.put(kind, told);
        });
    }

    /// The task is settled, as the listener with this number sees it.
    pub(crate) fn settle(&self, number: u64, failure: Option<TaskError>) {
        // Not dropped under the lock if the listener was removed.
        let mut failure = failure;
        self.change(|state, told| {
            if let Some(entry) = state.take(number) {
                told.listeners.push(entry.listener.clone());
                entry.settle(state.counts, failure.take(), told);
            }
        });
    }

    /// The listener with this number can never learn how the task settles.
    pub(crate) fn abandon(&self, number: u64) {
        self.change(|state, told| {
            if let Some(entry) = state.take(number) {
                entry.listener.end_of_task();
                told.listeners.push(entry.listener);
            }
        });
    }

    /// The group has ended, for all listeners, and for later ones.
    pub(crate) fn settle_all(&self, failure: Option<TaskError>) {
        self.change(|state, told| {
            for entry in std::mem::take(&mut state.entries) {
                told.listeners.push(entry.listener.clone());
                entry.settle(state.counts, failure.clone(), told);
            }
            state.outcome = Some(failure);
        });
    }
}

impl State {
    /// Puts an event to all.
    fn put(&self, kind: EventKind, told: &mut Told<'_>) {
        let event = told.event(kind);
        for entry in &self.entries {
            entry.listener.put(event.clone());
            told.listeners.push(entry.listener.clone());
        }
    }

    /// Puts the progress to those that have not got it.
    fn put_progress(&mut self, told: &mut Told<'_>) {
        let counts = self.counts;
        let Some(kind) = counts.kind() else { return };
        if self.entries.iter().all(|entry| entry.seen == counts) {
            return;
        }
        let event = told.event(kind);
        for entry in self.entries.iter_mut().filter(|it| it.seen != counts) {
            entry.seen = counts;
            entry.listener.put(event.clone());
            told.listeners.push(entry.listener.clone());
        }
        self.told = Some(told.now);
    }

    fn take(&mut self, number: u64) -> Option<Entry> {
        let place = self.entries.binary_search_by_key(&number, |it| it.number);
        let taken = place.ok().map(|place| self.entries.remove(place));
        room::give_back(&mut self.entries);
        taken
    }
}

impl Entry {
    /// Puts what is left to be told. The caller keeps a reference to the listener, and has it
    /// deliver.
    fn settle(self, counts: Counts, failure: Option<TaskError>, told: &mut Told<'_>) {
        if self.seen != counts
            && let Some(kind) = counts.kind()
        {
            self.listener.put(told.event(kind));
        }
        self.listener
            .put(told.event(EventKind::Settled { failure }));
        self.listener.end_of_task();
    }
}
