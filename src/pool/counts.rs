//! The counts of a pool's threads: plain data, changed under one lock.

use crate::limits::{REFUSAL_GRACE, REFUSAL_PAUSE};
use crate::sync::{Arc, AtomicBool, Duration, Instant, JoinHandle, Ordering, Thread};

use super::bound;

/// Invariant: `threads == active + idle.len() + blocked + leaving`.
///
/// `active` and `target` are mirrored in atomics of [`Idle`](super::idle::Idle), written under this
/// lock, for the push path.
pub(super) struct ThreadCounts {
    /// Threads that exist, or are being created.
    pub(super) threads: usize,
    /// Those of them that the system has been asked for and that have not begun to live; counted as
    /// active. Each takes itself off.
    pub(super) starting: usize,
    /// Threads that have decided to end: they take no job any more, and are about to leave.
    pub(super) leaving: usize,
    /// Threads that run a job or search for one.
    pub(super) active: usize,
    /// Threads asleep without work, the most recent last.
    pub(super) idle: Vec<Arc<Sleeper>>,
    /// Threads blocked in a `wait` inside a job; spares may replace them.
    pub(super) blocked: usize,
    /// The number of blocked threads that are in their start hooks. At most `max` of them are
    /// replaced, because each new thread would call the same hook.
    pub(super) blocked_at_start: usize,
    /// How many of the blocked wait for the pool to become idle, or for its other threads to end.
    pub(super) idle_waiters: usize,
    /// How many threads wait for the other threads of the closed pool to end. They are blocked, or
    /// leaving while their stop hooks wait.
    pub(super) shutdown_waiters: usize,
    /// Incremented when the pool became idle, or its other threads had ended. Waiters compare it
    /// with the value at entry, so all return, even if the first of them is back at work.
    pub(super) idle_epoch: u64,
    pub(super) shutdown_epoch: u64,
    /// How many threads should be active: the core count, more while jobs block, never above `max`.
    pub(super) target: usize,
    pub(super) max: usize,
    /// The greatest number of threads that were alive at once.
    pub(super) peak: usize,
    /// Spares created or woken for blocked threads so far.
    pub(super) spares: u64,
    pub(super) spare_rate: RateLimit,
    pub(super) next_number: usize,
    /// No thread is created before this moment, because the system refused the last one asked for.
    pub(super) refused_until: Option<Instant>,
    /// When the first thread was refused since one was granted.
    pub(super) refused_since: Option<Instant>,
    /// The last was refused because the process has as many threads as it may.
    pub(super) refused_for_good: bool,
    /// Handles of the workers and of the monitor. Handles of ended threads are removed from time to
    /// time.
    pub(super) handles: Vec<JoinHandle<()>>,
    /// The number of handles that are not in `handles`: of threads just created, and of threads
    /// that another thread is joining.
    pub(super) unstored_handles: usize,
    pub(super) joining: usize,
}

impl ThreadCounts {
    pub(super) fn new(target: usize, max: usize) -> ThreadCounts {
        ThreadCounts {
            threads: 0,
            starting: 0,
            leaving: 0,
            active: 0,
            idle: Vec::new(),
            blocked: 0,
            blocked_at_start: 0,
            idle_waiters: 0,
            shutdown_waiters: 0,
            idle_epoch: 0,
            shutdown_epoch: 0,
            target,
            max,
            peak: 0,
            spares: 0,
            spare_rate: RateLimit::default(),
            next_number: 0,
            refused_until: None,
            refused_since: None,
            refused_for_good: false,
            handles: Vec::new(),
            unstored_handles: 0,
            joining: 0,
        }
    }

    /// Claims a worker to fill a shortage: a sleeper or a new thread. Counts it as active.
    pub(super) fn claim(&mut self) -> Claim {
        let is_spare = self.blocked > 0;
        if let Some(sleeper) = self.idle.pop() {
            self.active += 1;
            self.spares += u64::from(is_spare);
            return Claim::Wake(sleeper);
        }
        // A new thread would block in the same hook.
        if self.blocked_at_start >= self.max {
            return Claim::None;
        }
        if self.threads >= self.max && bound::is_reached() {
            self.reject(Instant::now(), true);
            return Claim::None;
        }
        // Refuse.1
        if self.is_refused() {
            return Claim::Refused {
                has_threads: self.threads > 0,
            };
        }
        // A model has no monitor, and no program with as many threads.
        if is_spare && !self.spare_rate.take(Instant::now()) && !cfg!(any(loom, shuttle)) {
            return Claim::Later;
        }
        self.threads += 1;
        self.starting += 1;
        self.unstored_handles += 1;
        self.active += 1;
        self.spares += u64::from(is_spare);
        self.next_number += 1;
        Claim::Start {
            number: self.next_number,
            is_spare,
        }
    }

    /// Takes back a `Claim::Start`: the system has refused the thread.
    pub(super) fn unclaim(&mut self, is_spare: bool) {
        self.threads -= 1;
        self.starting -= 1;
        self.unstored_handles -= 1;
        self.active -= 1;
        self.spares -= u64::from(is_spare);
        self.reject(Instant::now(), false);
    }

    /// A worker is about to sleep. `found_nothing`: it has searched for a job, so fewer workers
    /// than so far will do; `base` is the least target.
    pub(super) fn add_sleeper(&mut self, sleeper: &Arc<Sleeper>, found_nothing: bool, base: usize) {
        self.active -= 1;
        self.idle.push(sleeper.clone());
        if found_nothing {
            self.target = self.target.saturating_sub(1).max(base);
        }
    }

    /// All sleepers, which count as active from now on. The caller wakes them.
    pub(super) fn take_sleepers(&mut self) -> Vec<Arc<Sleeper>> {
        let sleepers = std::mem::take(&mut self.idle);
        self.active += sleepers.len();
        sleepers
    }

    /// Takes a sleeper off the idle list. False: another thread has taken it already, and counted
    /// it as active.
    pub(super) fn remove_sleeper(&mut self, sleeper: &Arc<Sleeper>) -> bool {
        match self
            .idle
            .iter()
            .position(|other| Arc::ptr_eq(other, sleeper))
        {
            Some(place) => {
                self.idle.remove(place);
                true
            }
            None => false,
        }
    }

    /// Returns true if there are more threads than `core`, not counting threads that are about to
    /// leave. Two idle threads that time out at the same moment must not both rely on the other to
    /// stay.
    pub(super) fn is_over_core(&self, core: usize) -> bool {
        self.threads - self.leaving > core
    }

    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn adds_up(&self) -> bool {
        self.active <= self.threads
            && self.threads == self.active + self.idle.len() + self.blocked + self.leaving
    }

    /// The system has refused a thread a moment ago.
    pub(super) fn is_refused(&self) -> bool {
        let until = self.refused_until;
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Threads have been refused for so long, and still are, that a thread which blocks must not
    /// count on one.
    pub(super) fn is_hopeless(&self) -> bool {
        let since = self.refused_since;
        let is_long = since
            .is_some_and(|since| Instant::now().saturating_duration_since(since) >= REFUSAL_GRACE);
        (is_long || self.refused_for_good) && self.is_refused()
    }

    /// Notes that a thread was refused at `now`. `for_good`: asking again will not help.
    pub(super) fn reject(&mut self, now: Instant, for_good: bool) {
        let last = self.refused_until;
        let is_recent =
            last.is_some_and(|last| now.saturating_duration_since(last) < REFUSAL_GRACE);
        let since = self.refused_since.filter(|_| is_recent);
        self.refused_since = since.or(Some(now));
        self.refused_for_good = for_good;
        self.refused_until = now.checked_add(REFUSAL_PAUSE);
    }

    /// A thread was granted.
    pub(super) fn grant(&mut self) {
        self.refused_until = None;
        self.refused_since = None;
    }

    /// No worker is active because the system refused a thread. The next thread must be a worker.
    pub(super) fn lacks_a_worker(&self) -> bool {
        self.active == 0 && self.threads > 0 && self.refused_until.is_some()
    }

    /// Returns the number of live threads. Threads that are starting do not count.
    pub(super) fn alive(&self) -> usize {
        self.threads - self.starting
    }

    /// No job is running, except jobs that wait for that themselves. With empty queues this is the
    /// condition of `wait_idle`.
    pub(super) fn is_quiet(&self) -> bool {
        self.active == 0 && self.blocked <= self.idle_waiters
    }
}

/// How to fill a shortage of one worker.
pub(super) enum Claim {
    /// No worker is missing, or none may be added.
    None,
    /// This one is to be woken.
    Wake(Arc<Sleeper>),
    /// A thread is to be created.
    Start { number: usize, is_spare: bool },
    /// The monitor creates a thread at one of its next ticks.
    Later,
    /// The system has refused a thread a moment ago.
    Refused { has_threads: bool },
}

/// The number of spares that may be created in a time window. The monitor creates the others at its
/// next ticks.
#[derive(Default)]
pub(super) struct RateLimit {
    /// When the present while began.
    since: Option<Instant>,
    used: usize,
}

impl RateLimit {
    const WINDOW: Duration = Duration::from_millis(1);
    const PER_WINDOW: usize = 16;

    /// Takes one; false when there is none left for now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_new = self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= RateLimit::WINDOW);
        if is_new {
            self.since = Some(now);
            self.used = 0;
        }
        self.used += 1;
        self.used <= RateLimit::PER_WINDOW
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn threads_beyond_the_core_are_too_many_unless_they_leave() {
        let mut counts = ThreadCounts::new(2, 8);
        let mut surplus = |threads, leaving| {
            (counts.threads, counts.leaving) = (threads, leaving);
            counts.is_over_core(2)
        };
        assert!(!surplus(1, 0) && !surplus(2, 0) && surplus(3, 0));
        assert!(!surplus(3, 1) && surplus(4, 1));
    }

    #[test]
    fn a_refusal_holds_for_a_while() {
        let mut counts = ThreadCounts::new(2, 8);
        assert!(!counts.is_refused());
        counts.refused_until = Some(Instant::now() + Duration::from_secs(1_000));
        assert!(counts.is_refused());
        counts.refused_until = Some(Instant::now());
        assert!(!counts.is_refused(), "it is over");
    }

    #[test]
    fn it_is_hopeless_when_threads_are_refused_for_long_or_for_good() {
        let mut counts = ThreadCounts::new(2, 8);
        let now = Instant::now();
        counts.reject(now, false);
        assert!(!counts.is_hopeless(), "it may pass");
        counts.reject(now, true);
        assert!(counts.is_hopeless());
        counts.reject(now, false);
        counts.refused_since = now.checked_sub(REFUSAL_GRACE);
        assert!(counts.is_hopeless());
        // An earlier refusal has passed, whether a thread was granted since or not.
        counts.reject(now + REFUSAL_GRACE + REFUSAL_PAUSE, false);
        assert!(!counts.is_hopeless());
        counts.grant();
        assert!(!counts.is_refused() && counts.refused_since.is_none());
    }

    #[test]
    fn a_worker_is_missing_where_one_was_refused_and_none_is_active() {
        let mut counts = ThreadCounts::new(2, 8);
        let mut lacks = |threads, active, is_refused: bool| {
            (counts.threads, counts.active) = (threads, active);
            counts.refused_until = is_refused.then(Instant::now);
            counts.lacks_a_worker()
        };
        assert!(lacks(1, 0, true));
        assert!(!lacks(0, 0, true) && !lacks(1, 1, true) && !lacks(1, 0, false));
    }

    #[test]
    fn it_is_idle_when_only_idle_waiters_are_active() {
        let mut counts = ThreadCounts::new(2, 8);
        counts.idle_waiters = 3;
        let mut is_quiet = |active, blocked| {
            (counts.active, counts.blocked) = (active, blocked);
            counts.is_quiet()
        };
        assert!(is_quiet(0, 3) && is_quiet(0, 0));
        assert!(!is_quiet(0, 4) && !is_quiet(1, 0));
    }

    #[test]
    fn a_thread_is_alive_when_it_has_started() {
        let mut counts = ThreadCounts::new(2, 8);
        (counts.threads, counts.starting) = (5, 2);
        assert_eq!(counts.alive(), 3);
    }

    #[test]
    fn an_allowance_is_renewed() {
        let mut spare_rate = RateLimit::default();
        let start = Instant::now();
        let mut taken = |at| (0..100).filter(|_| spare_rate.take(at)).count();
        assert_eq!(taken(start), 16);
        assert_eq!(taken(start + RateLimit::WINDOW / 2), 0);
        assert_eq!(taken(start + RateLimit::WINDOW), 16);
    }
}

/// Where one thread sleeps.
pub(super) struct Sleeper {
    pub(super) thread: Thread,
    /// Set by the thread that took the sleeper off the idle list. The owner sleeps until it is set.
    pub(super) notified: AtomicBool,
}

impl Sleeper {
    /// Wakes the sleeper. Call it after the sleeper was taken off the idle list, without holding
    /// the lock.
    pub(super) fn wake(&self) {
        // Wake.1
        // ORDERING: release, paired with `is_notified`: what the waker did before is visible to the
        // woken thread.
        self.notified.store(true, Ordering::Release);
        self.thread.unpark();
    }

    pub(super) fn is_notified(&self) -> bool {
        // ORDERING: acquire, paired with `wake`.
        self.notified.load(Ordering::Acquire)
    }

    /// Waits for the wake-up of a thread that has taken the sleeper off the idle list and counted
    /// the owner as active. Only the owner calls it.
    pub(super) fn consume(&self) {
        // Wake.2 Left over, the wake-up would end the next sleep while the sleeper is on the list.
        // A later wake-up would then go to a thread that is awake, and be lost.
        while !self.is_notified() {
            self.thread.park();
        }
    }
}
