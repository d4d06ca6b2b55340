//! What all runs of one worker share.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fast_async::{Pool, Task};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::notice::Notice;
use super::slots::Slots;
use crate::caller::Core;
use crate::job::Run;

/// Cancels that came before their job are known for so many more.
const CANCELS_KEPT: usize = 4096;

/// What a worker has done; see [`Worker::run_until`](super::Worker::run_until).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerReport {
    /// Jobs that succeeded here.
    pub done: u64,
    /// Runs that failed and are to be tried again.
    pub retried: u64,
    /// Jobs that became dead letters here.
    pub dead: u64,
    /// Runs whose result was dropped, because the job had an outcome: cancelled, or of another run.
    pub superseded: u64,
    /// Jobs that were handed back when the worker ended.
    pub handed_back: u64,
    /// Calls that were answered.
    pub calls: u64,
}

/// The same while it counts.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) done: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) dead: AtomicU64,
    pub(super) superseded: AtomicU64,
    pub(super) handed_back: AtomicU64,
    pub(super) calls: AtomicU64,
}

/// Runs a handler: decodes, calls, encodes, all on the pool.
pub(super) type Work = dyn Fn(&Pool, &Arc<Run>, Vec<u8>) -> Task<Vec<u8>> + Send + Sync;

/// A function and its handler.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) function: &'static str,
    pub(super) work: Arc<Work>,
}

/// How far a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Working,
    /// No new jobs.
    Draining,
    /// What still runs is handed back.
    Ending,
}

/// A run, as others see it.
pub(super) struct Running {
    pub(super) key: String,
    pub(super) run: Arc<Run>,
    pub(super) notice: watch::Sender<Option<Notice>>,
}

pub(super) struct Crew {
    pub(super) core: Arc<Core>,
    pub(super) queue: String,
    pub(super) name: String,
    pub(super) lease: Duration,
    pub(super) attempts: u32,
    pub(super) grace: Duration,
    pub(super) pause: Duration,
    pub(super) served: Vec<Served>,
    pub(super) pool: Pool,
    /// Raises tokens, also when all threads of the other pool are busy.
    pub(super) signals: Pool,
    pub(super) slots: Arc<Slots>,
    pub(super) counts: Counts,
    pub(super) stage: watch::Sender<Stage>,
    /// Deliveries that are not acked yet.
    pub(super) active: AtomicUsize,
    pub(super) running: Mutex<HashMap<u64, Running>>,
    pub(super) next: AtomicU64,
    pub(super) cancels: Mutex<VecDeque<String>>,
}

impl Crew {
    pub(super) fn new(core: Arc<Core>, pool: Pool, slots: usize) -> Crew {
        Crew {
            core,
            queue: String::new(),
            name: String::new(),
            lease: Duration::ZERO,
            attempts: 1,
            grace: Duration::ZERO,
            pause: Duration::ZERO,
            served: Vec::new(),
            pool,
            signals: Pool::new(),
            slots: Slots::new(slots),
            counts: Counts::default(),
            stage: watch::Sender::new(Stage::Working),
            active: AtomicUsize::new(0),
            running: Mutex::new(HashMap::new()),
            next: AtomicU64::new(0),
            cancels: Mutex::new(VecDeque::new()),
        }
    }

    pub(super) fn report(&self) -> WorkerReport {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WorkerReport {
            done: get(&self.counts.done),
            retried: get(&self.counts.retried),
            dead: get(&self.counts.dead),
            superseded: get(&self.counts.superseded),
            handed_back: get(&self.counts.handed_back),
            calls: get(&self.counts.calls),
        }
    }

    /// No new jobs from now on. Any thread may call it.
    pub(super) fn drain(&self) {
        self.stage.send_if_modified(|stage| {
            let is_new = *stage == Stage::Working;
            *stage = (*stage).max(Stage::Draining);
            is_new
        });
    }

    pub(super) fn is_working(&self) -> bool {
        *self.stage.borrow() == Stage::Working
    }

    pub(super) fn is_ending(&self) -> bool {
        *self.stage.borrow() == Stage::Ending
    }

    /// Notes a run, so that it can be told something. Returns its number.
    pub(super) fn enter(&self, running: Running) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.running.lock().insert(number, running);
        self.slots.changed.notify_waiters();
        number
    }

    pub(super) fn leave(&self, number: u64) {
        let left = self.running.lock().remove(&number);
        drop(left);
    }

    pub(super) fn has_running(&self) -> bool {
        !self.running.lock().is_empty()
    }

    /// There are jobs or calls that have not ended, as far as the server is concerned.
    pub(super) fn is_busy(&self) -> bool {
        self.active.load(Ordering::Relaxed) > 0 || self.has_running()
    }

    /// A job was cancelled by its caller.
    pub(super) fn note_cancel(&self, key: &str, notice: Notice) {
        for running in self.running.lock().values().filter(|it| it.key == key) {
            tell(&running.notice, notice);
        }
        let mut cancels = self.cancels.lock();
        if cancels.len() == CANCELS_KEPT {
            cancels.pop_front();
        }
        cancels.push_back(key.to_owned());
    }

    pub(super) fn was_cancelled(&self, key: &str) -> bool {
        self.cancels.lock().iter().any(|it| it == key)
    }

    /// All that still runs is handed back.
    pub(super) fn end(&self) {
        self.stage.send_replace(Stage::Ending);
        for running in self.running.lock().values() {
            tell(&running.notice, Notice::HandBack);
        }
    }

    /// The jobs that only wait, for others: their slots are free.
    pub(super) fn waiting(&self) -> usize {
        let running = self.running.lock();
        let returned = running.values().filter(|it| it.run.only_waits()).count();
        drop(running);
        self.pool.metrics().blocked + returned
    }
}

/// The first notice counts.
pub(super) fn tell(to: &watch::Sender<Option<Notice>>, notice: Notice) {
    to.send_if_modified(|own| {
        let is_new = own.is_none();
        *own = own.or(Some(notice));
        is_new
    });
}
