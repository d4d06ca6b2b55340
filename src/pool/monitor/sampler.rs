//! One sample of all workers: which are blocked, which need a processor, and which have jobs behind
//! a blocked one.

use std::collections::HashMap;

use super::history::WorkerHistory;
use super::os::{self, ThreadState};
use super::policy::Sample;
use crate::limits::{MAX_QUERIES, MAX_RECHECKS, MAX_STARTS_WHILE_BLOCKED};
use crate::pool::queue::{LocalQueue, Queues};
use crate::sync::{Arc, Duration, Instant, Ordering};

/// What is recorded between ticks.
pub(super) struct Sampler {
    own_id: u64,
    since: Instant,
    turn: usize,
    /// The number of jobs that the workers of the last tick had begun.
    started: Option<u64>,
    /// The last tick that found a job start, in nanoseconds; 0: never.
    picked_at: u64,
    /// By the address of the local queue. An address that is used again brings another count of
    /// jobs.
    workers: HashMap<usize, WorkerHistory>,
}

impl Sampler {
    pub(super) fn new() -> Sampler {
        Sampler {
            own_id: os::own_system_id(),
            since: Instant::now(),
            turn: 0,
            started: None,
            picked_at: 0,
            workers: HashMap::new(),
        }
    }

    /// The workers that were found asleep may have had no job.
    pub(super) fn forget(&mut self) {
        self.workers.values_mut().for_each(WorkerHistory::forget);
        self.picked_at = 0;
    }

    /// Whether a thread of the process, other than the calling one, is running or runnable.
    pub(super) fn any_thread_runs(&self) -> bool {
        os::any_thread_runs(self.own_id)
    }

    /// Samples the workers, of which `active` should be awake or blocked in a job, and marks the
    /// local queues of blocked ones.
    pub(super) fn look(
        &mut self,
        queues: &Queues,
        asks_system: bool,
        active: usize,
        core: usize,
    ) -> Sample {
        let (locals, started) = active_workers(queues);
        let busy = locals.iter().filter(|(_, is_busy)| *is_busy).count();
        let before = self.started.replace(started);
        let started_any = before.map_or(0, |before| started.saturating_sub(before));
        let mut sample = Sample {
            active,
            // An active worker without a job searches for one. No user code blocks it.
            runnable: active.saturating_sub(busy),
            maybe_lock_blocked: 0,
            flows: started_any > MAX_STARTS_WHILE_BLOCKED * active as u64,
            stalled: Duration::ZERO,
            system_tells: true,
        };
        let at = self.now();
        if started_any > 0 || self.picked_at == 0 {
            self.picked_at = at;
        }
        sample.stalled = Duration::from_nanos(at - self.picked_at);
        let mut round = Round {
            at,
            asks_system,
            core,
            has_others: locals.len() > 1,
            awake: sample.runnable,
            asked: 0,
            rechecked: 0,
            in_the_way: 0,
        };
        let mut workers = HashMap::with_capacity(locals.len());
        self.turn += 1;
        let first = self.turn.wrapping_mul(MAX_RECHECKS) % locals.len().max(1);
        let mut has_blocked_owner = false;
        for &(ref local, is_busy) in locals[first..].iter().chain(&locals[..first]) {
            let place = Arc::as_ptr(local) as usize;
            let mut history = self.workers.remove(&place).unwrap_or_default();
            has_blocked_owner |= round.look_at(local, is_busy, &mut history, &mut sample);
            workers.insert(place, history);
        }
        self.workers = workers;
        if has_blocked_owner {
            queues.note_blocked_owner();
        }
        sample
    }

    /// Nanoseconds; never 0, which says "never" to [`WorkerHistory`].
    fn now(&self) -> u64 {
        let age = Instant::now().saturating_duration_since(self.since);
        1 + u64::try_from(age.as_nanos()).unwrap_or(u64::MAX - 1)
    }
}

/// One round over the workers. Once as many are awake as there are cores, the others matter only
/// for the jobs in their local queues.
struct Round {
    at: u64,
    asks_system: bool,
    core: usize,
    has_others: bool,
    awake: usize,
    /// Threads that the system was asked about.
    asked: usize,
    /// Those of them that were known to be blocked.
    rechecked: usize,
    /// Those of them that mattered only for the jobs behind them.
    in_the_way: usize,
}

impl Round {
    /// Adds a worker to the sample. Returns whether it has jobs behind one that blocks it.
    fn look_at(
        &mut self,
        local: &LocalQueue,
        is_busy: bool,
        history: &mut WorkerHistory,
        sample: &mut Sample,
    ) -> bool {
        let started = local.started();
        let is_same = is_busy && history.is_same(started);
        let is_known = is_same && history.is_blocked();
        let has_jobs_behind = self.has_others && local.len() > 0;
        let is_in_the_way = is_same && has_jobs_behind && self.in_the_way < MAX_RECHECKS;
        let matters = self.awake < self.core || is_in_the_way;
        if matters && self.asked < MAX_QUERIES && !(is_known && self.rechecked >= MAX_RECHECKS) {
            self.asked += usize::from(is_busy);
            self.in_the_way += usize::from(self.awake >= self.core);
            self.rechecked += usize::from(is_known);
            let id = local.system_id.load(Ordering::Relaxed);
            let asks = self.asks_system && id > 0;
            // A worker at a job exists. Where nothing is known of it, no file could be opened.
            let told = is_busy.then(|| asks.then(|| os::query(id)).flatten());
            sample.system_tells &= told != Some(None);
            let told = told.map(|told| told.unwrap_or(ThreadState::UNKNOWN));
            history.note(self.at, started, told);
            self.awake += usize::from(is_busy && history.is_awake());
        } else if !is_same {
            history.note(self.at, started, None);
        }
        sample.runnable += usize::from(is_busy && !history.is_blocked());
        sample.maybe_lock_blocked += usize::from(is_busy && history.is_maybe_lock_blocked());
        let is_long_blocked =
            is_busy && history.is_long_blocked(self.at, started) && local.len() > 0;
        local
            .owner_blocked
            .store(is_long_blocked, Ordering::Relaxed);
        is_long_blocked
    }
}

/// The local queues of the workers that are not blocked in a `wait`, each with whether the worker
/// is at a job; and how many jobs all workers have begun so far.
fn active_workers(queues: &Queues) -> (Vec<(Arc<LocalQueue>, bool)>, u64) {
    let all = queues.locals();
    let started = all.iter().map(|local| local.started()).sum();
    let is_active = |local: &Arc<LocalQueue>| !local.blocked.load(Ordering::Relaxed);
    // Whether a worker is at a job is asked once: with short ones the answer changes all the time.
    let with_busy = |local: Arc<LocalQueue>| {
        let is_busy = local.busy.load(Ordering::Relaxed);
        (local, is_busy)
    };
    let locals = all.into_iter().filter(is_active).map(with_busy).collect();
    (locals, started)
}
