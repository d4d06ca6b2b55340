//! What the threads of one pool share, and the wake and grow protocols.

// Locks, in the order in which they may be taken together: roster -> lanes -> one lane, and
// injector -> one lane. No user code runs, and no job is dropped, under any of them.

use super::builder::PoolBuilder;
use super::injector::Injector;
use super::lane::Lane;
use super::metrics::{PoolMetrics, Totals};
use super::roster::{Roster, Seat};
use super::sentinel::Sentinel;
use super::worker::{self, Pushed};
use crate::error::ErrorKind;
use crate::executor::Runnable;
use crate::sync::{
    Arc, AtomicBool, AtomicUsize, Condvar, Duration, Instant, Mutex, Ordering, chaos_point, fence,
    wait_until,
};

/// How many threads beyond the maximum may stand in for blocked ones.
const SPARE_CAP: usize = 256;
/// How long no thread is asked for after the system refused one.
const REFUSAL_PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Shared {
    pub(super) settings: PoolBuilder,
    injector: Injector,
    /// The lanes of all threads alive.
    pub(super) lanes: Mutex<Vec<Arc<Lane>>>,
    pub(super) roster: Mutex<Roster>,
    /// Signalled when the pool may have become quiet, or a thread has ended.
    pub(super) changed: Condvar,
    /// `roster.active` and `roster.target`, for the push path.
    active: AtomicUsize,
    target: AtomicUsize,
    /// Workers that are awake and looking for a job: at most one, and it looks again after it has
    /// stopped being one.
    searching: AtomicUsize,
    pub(super) closed: AtomicBool,
    pub(super) sentinel: Sentinel,
    room: Option<Room>,
}

/// The bound on queued jobs.
struct Room {
    limit: usize,
    queued: Mutex<usize>,
    freed: Condvar,
}

/// Work that the pool would not take.
pub(crate) struct Refused {
    pub(crate) work: Arc<dyn Runnable>,
}

impl Refused {
    /// Settles whatever hangs on the work.
    pub(crate) fn settle(self) {
        self.work.refuse(
            ErrorKind::Rejected,
            "its pool is shut down; spawn it on an open pool",
        );
    }
}

impl Shared {
    pub(super) fn new(settings: PoolBuilder) -> Arc<Shared> {
        let target = settings.core.clamp(1, settings.max);
        Arc::new(Shared {
            injector: Injector::new(),
            lanes: Mutex::new(Vec::new()),
            roster: Mutex::new(Roster::new(target, settings.max)),
            changed: Condvar::new(),
            active: AtomicUsize::new(0),
            target: AtomicUsize::new(target),
            searching: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            sentinel: Sentinel::new(),
            room: settings.queue_limit.map(|limit| Room {
                limit,
                queued: Mutex::new(0),
                freed: Condvar::new(),
            }),
            settings,
        })
    }

    // ---- push ----

    /// Queues a job: on a worker of this pool in its own lane, elsewhere in the injector.
    ///
    /// `roomed`: the caller holds a place from `wait_for_room` or `try_room`; work that goes on
    /// rather than begins has none and needs none.
    pub(super) fn submit(
        self: &Arc<Self>,
        work: Arc<dyn Runnable>,
        roomed: bool,
    ) -> Result<(), Refused> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Refused { work });
        }
        let mut shy = false;
        match worker::push_local(self, work) {
            Pushed::OnOffer => {}
            Pushed::Shy => shy = true,
            Pushed::NotHere(work) => {
                if let (false, Some(room)) = (roomed, &self.room) {
                    *room.queued.lock() += 1;
                }
                self.injector.push(work);
            }
        }
        chaos_point();
        if shy {
            self.sentinel.kick(self);
        } else {
            self.notify();
        }
        if self.closed.load(Ordering::Relaxed) {
            self.sweep_if_deserted();
        }
        Ok(())
    }

    /// Sees to it that somebody will look at a job that was just queued.
    ///
    /// The fence pairs with the one in `settle_down`: either this thread sees that a worker has
    /// stopped being active or searching, or that worker sees the job.
    fn notify(self: &Arc<Self>) {
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::Relaxed) > 0 {
            return;
        }
        let short = self.active.load(Ordering::Relaxed) < self.target.load(Ordering::Relaxed);
        if !(short && self.recruit()) {
            self.sentinel.kick(self);
        }
    }

    /// A worker that was called, created, or searching has found a job: it sees to the rest of the
    /// queue, because pushes relied on it.
    pub(super) fn pass_on(self: &Arc<Self>) {
        if self.on_offer() > 0 {
            self.notify();
        }
    }

    // ---- find ----

    /// The next job for the owner of `own`: its own oldest, then one from outside, then another
    /// worker's oldest.
    pub(super) fn find(&self, own: &Lane, turn: u64) -> Option<Arc<dyn Runnable>> {
        // Now and then the outside comes first, so that tasks which spawn tasks for ever cannot
        // shut it out.
        let job = if turn.is_multiple_of(64) {
            self.take_injected(Some(own)).or_else(|| own.pop())
        } else {
            own.pop().or_else(|| self.take_injected(Some(own)))
        };
        job.or_else(|| self.steal(own))
    }

    /// The oldest job from outside; with a lane to put them in, some of those behind it too.
    fn take_injected(&self, lane: Option<&Lane>) -> Option<Arc<dyn Runnable>> {
        match lane {
            // With a limit every job counts until a worker begins it.
            Some(lane) if self.room.is_none() => self.injector.pop_batch(lane),
            _ => {
                let job = self.injector.pop()?;
                self.free_room();
                Some(job)
            }
        }
    }

    fn steal(&self, own: &Lane) -> Option<Arc<dyn Runnable>> {
        let lanes = self.lanes.lock();
        lanes
            .iter()
            .filter(|lane| !std::ptr::eq(&***lane, own))
            .find_map(|lane| lane.steal())
    }

    /// Jobs that a worker which looks for one could take.
    pub(super) fn on_offer(&self) -> usize {
        self.injector.len()
            + self
                .lanes
                .lock()
                .iter()
                .map(|lane| lane.on_offer())
                .sum::<usize>()
    }

    /// Jobs queued anywhere in the pool.
    pub(super) fn backlog(&self) -> usize {
        let injected = self.injector.len();
        injected
            + self
                .lanes
                .lock()
                .iter()
                .map(|lane| lane.len())
                .sum::<usize>()
    }

    // ---- grow ----

    /// Wakes or creates one worker, if fewer are active than should be.
    pub(super) fn recruit(self: &Arc<Self>) -> bool {
        let mut roster = self.roster.lock();
        if roster.active >= roster.target {
            return false;
        }
        if roster.blocked > 0 {
            roster.spares += 1;
        }
        if let Some(seat) = roster.idle.pop() {
            roster.active += 1;
            self.mirror(&roster);
            drop(roster);
            seat.call();
            return true;
        }
        if roster.threads >= roster.max.saturating_add(SPARE_CAP) {
            if !std::mem::replace(&mut roster.capped, true) {
                drop(roster);
                crate::unhandled::warn(format_args!(
                    "pool `{}`: {SPARE_CAP} tasks beyond its maximum wait for other tasks at once; further ones wait without a stand-in. Chain with \
                     `and_then` instead of waiting inside tasks",
                    self.settings.name
                ));
            }
            return false;
        }
        if roster
            .refused_until
            .is_some_and(|until| Instant::now() < until)
        {
            return false;
        }
        roster.threads += 1;
        roster.active += 1;
        roster.peak = roster.peak.max(roster.threads);
        roster.next_number += 1;
        let number = roster.next_number;
        self.mirror(&roster);
        drop(roster);
        self.start(number)
    }

    fn start(self: &Arc<Self>, number: usize) -> bool {
        match worker::spawn(self, number) {
            Ok(handle) => {
                let mut roster = self.roster.lock();
                roster.handles.retain(|handle| !handle.is_finished());
                roster.handles.push(handle);
                true
            }
            Err(_) => {
                let mut roster = self.roster.lock();
                roster.threads -= 1;
                roster.active -= 1;
                roster.refused_until = Some(Instant::now() + REFUSAL_PAUSE);
                let deserted = roster.threads == 0;
                self.mirror(&roster);
                drop(roster);
                self.changed.notify_all();
                if deserted {
                    // Pairs with the fence in `notify`: whoever counted on this thread has its job
                    // in the queue by now.
                    fence(Ordering::SeqCst);
                    self.refuse_queued(
                        ErrorKind::Rejected,
                        "the system would not create a thread for it, and its pool has none",
                    );
                }
                false
            }
        }
    }

    /// Writes the counts that the push path reads. Call it before the lock is released whenever
    /// they changed.
    pub(super) fn mirror(&self, roster: &Roster) {
        self.active.store(roster.active, Ordering::Relaxed);
        self.target.store(roster.target, Ordering::Relaxed);
    }

    pub(super) fn set_max(self: &Arc<Self>, max: usize) {
        let mut roster = self.roster.lock();
        roster.max = max;
        roster.target = self.base_target(max);
        self.mirror(&roster);
        drop(roster);
        while self.backlog() > 0 && self.recruit() {}
    }

    fn base_target(&self, max: usize) -> usize {
        self.settings.core.clamp(1, max)
    }

    pub(super) fn max(&self) -> usize {
        self.roster.lock().max
    }

    // ---- sleep and shrink ----

    /// True for the one worker that may look around a little before it sleeps.
    pub(super) fn begin_search(&self) -> bool {
        self.searching
            .compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    /// Ends the search. Whoever pushed meanwhile relied on the searcher: it passes on, or looks
    /// again before it sleeps.
    pub(super) fn end_search(&self) {
        self.searching.store(0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// More workers are active than should be.
    pub(super) fn is_crowded(&self) -> bool {
        self.active.load(Ordering::Relaxed) > self.target.load(Ordering::Relaxed)
    }

    /// A worker without work, or one too many, sleeps until it is called. False: it shall end.
    pub(super) fn settle_down(self: &Arc<Self>, seat: &Arc<Seat>, crowded: bool) -> bool {
        let mut roster = self.roster.lock();
        if crowded && roster.active <= roster.target {
            return true;
        }
        if self.closed.load(Ordering::Acquire) && self.backlog() == 0 {
            return false;
        }
        seat.called.store(false, Ordering::Relaxed);
        roster.active -= 1;
        roster.idle.push(seat.clone());
        if !crowded {
            roster.target = roster
                .target
                .saturating_sub(1)
                .max(self.base_target(roster.max));
        }
        self.mirror(&roster);
        if roster.is_quiet() {
            self.changed.notify_all();
        }
        drop(roster);
        chaos_point();

        // Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        if crowded {
            // It may have been called for this backlog; the others may be about to block.
            if self.backlog() > 0 {
                self.sentinel.kick(self);
            }
        } else if self.on_offer() > 0 {
            let mut roster = self.roster.lock();
            if roster.unseat(seat) {
                roster.active += 1;
                self.mirror(&roster);
                return true;
            }
            // Somebody has taken the seat and counted this worker as active. Its call must be heard
            // here: left over, it would end the next sleep while the seat is on the list, and a
            // call spent on a seat whose owner is awake wakes nobody.
        }
        self.sleep(seat)
    }

    fn sleep(&self, seat: &Arc<Seat>) -> bool {
        loop {
            let surplus = {
                let roster = self.roster.lock();
                roster.threads > self.base_target(roster.max)
            };
            if seat.called.load(Ordering::Acquire) {
                return true;
            }
            if !surplus {
                crate::sync::thread::park();
                continue;
            }
            crate::sync::thread::park_timeout(self.settings.keep_alive);
            if seat.called.load(Ordering::Acquire) {
                return true;
            }
            let mut roster = self.roster.lock();
            if roster.threads > self.base_target(roster.max) && roster.unseat(seat) {
                // `leave` takes an active thread off the books.
                roster.active += 1;
                self.mirror(&roster);
                return false;
            }
        }
    }

    /// A worker has ended.
    pub(super) fn leave(self: &Arc<Self>, lane: &Arc<Lane>) {
        // The lane and its counters change hands under both locks, so that sums never miss or
        // double them.
        let mut roster = self.roster.lock();
        self.lanes.lock().retain(|other| !Arc::ptr_eq(other, lane));
        roster.past.add(&lane.tally);
        roster.threads -= 1;
        roster.active -= 1;
        self.mirror(&roster);
        drop(roster);
        self.changed.notify_all();
        // A push may have counted on this thread.
        fence(Ordering::SeqCst);
        if self.backlog() > 0 {
            if self.closed.load(Ordering::Relaxed) {
                self.sweep_if_deserted();
            } else {
                self.notify();
            }
        }
    }

    // ---- close ----

    /// Accepts nothing more; threads end when the queues are empty.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let seats = {
            let mut roster = self.roster.lock();
            let seats = std::mem::take(&mut roster.idle);
            roster.active += seats.len();
            self.mirror(&roster);
            seats
        };
        for seat in seats {
            seat.call();
        }
        self.sentinel.stop();
        if let Some(room) = &self.room {
            room.freed.notify_all();
        }
    }

    /// On a closed pool without threads nobody would ever look at what was queued at the last
    /// moment.
    fn sweep_if_deserted(&self) {
        if self.roster.lock().threads == 0 {
            self.refuse_queued(
                ErrorKind::Rejected,
                "its pool is shut down; spawn it on an open pool",
            );
        }
    }

    /// Takes every queued job out, settles its task with the given reason, and says how many there
    /// were.
    pub(super) fn refuse_queued(&self, kind: ErrorKind, why: &'static str) -> usize {
        let mut refused = 0;
        loop {
            let job = self
                .take_injected(None)
                .or_else(|| self.lanes.lock().iter().find_map(|lane| lane.pop()));
            match job {
                Some(job) => job.refuse(kind, why),
                None => return refused,
            }
            refused += 1;
        }
    }

    pub(super) fn wait_idle(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        let wait = |counted: bool| {
            let mut roster = self.roster.lock();
            roster.idle_waiters += usize::from(counted);
            let idle = loop {
                if roster.is_quiet() && self.backlog() == 0 {
                    break true;
                }
                if wait_until(&self.changed, &mut roster, deadline) {
                    break roster.is_quiet() && self.backlog() == 0;
                }
            };
            roster.idle_waiters -= usize::from(counted);
            idle
        };
        // Another task that waits in here too may be what this one waits for.
        if worker::is_on(self) {
            super::blocking(|| {
                self.changed.notify_all();
                wait(true)
            })
        } else {
            wait(false)
        }
    }

    // ---- room ----

    pub(super) fn wait_for_room(self: &Arc<Self>) {
        let Some(room) = &self.room else { return };
        if worker::is_on(self) {
            return;
        }
        let mut queued = room.queued.lock();
        while *queued >= room.limit && !self.closed.load(Ordering::Acquire) {
            wait_until(&room.freed, &mut queued, None);
        }
        *queued += 1;
    }

    pub(super) fn try_room(&self) -> bool {
        if self.closed.load(Ordering::Acquire) {
            return false;
        }
        let Some(room) = &self.room else { return true };
        let mut queued = room.queued.lock();
        let free = *queued < room.limit;
        *queued += usize::from(free);
        free
    }

    fn free_room(&self) {
        if let Some(room) = &self.room {
            let mut queued = room.queued.lock();
            *queued = queued.saturating_sub(1);
            drop(queued);
            room.freed.notify_one();
        }
    }

    // ---- look ----

    pub(super) fn totals(&self) -> Totals {
        let roster = self.roster.lock();
        let mut totals = roster.past;
        for lane in self.lanes.lock().iter() {
            totals.add(&lane.tally);
        }
        totals
    }

    pub(super) fn metrics(&self) -> PoolMetrics {
        let totals = self.totals();
        let running = self
            .lanes
            .lock()
            .iter()
            .filter(|lane| lane.busy.load(Ordering::Relaxed))
            .count();
        let queued = self.backlog();
        let roster = self.roster.lock();
        PoolMetrics {
            threads: roster.threads,
            peak_threads: roster.peak,
            idle: roster.idle.len(),
            blocked: roster.blocked,
            queued,
            running,
            completed: totals.completed,
            failed: totals.failed,
            cancelled: totals.cancelled,
            spares: roster.spares,
        }
    }
}
