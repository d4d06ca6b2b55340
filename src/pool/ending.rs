//! Waiting until a pool is idle, or until the threads of a closed one have ended.

use super::block::{Place, blocking};
use super::roster::Roster;
use super::shared::Shared;
use super::worker;
use crate::sync::{Arc, Instant, JoinHandle, MutexGuard, deadline_after, thread, wait_until};

impl Shared {
    pub(super) fn wait_idle(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        let own = worker::is_on(self);
        // One whose stop hook waits is not among the blocked.
        let counts = worker::counts_in(self);
        blocking(|place| {
            let mut roster = self.roster.lock();
            let seen = roster.rests;
            roster.idle_waiters += usize::from(counts);
            if own {
                // Another task that waits in here too may be what this one waits for.
                self.changed.notify_all();
            }
            let (mut roster, idle) = self.await_change(place, roster, deadline, |roster| {
                if own && roster.rests != seen {
                    return true;
                }
                // Those that wait in here are no work to one another, but they are to others.
                let is_quiet = roster.is_quiet() && (own || roster.blocked == 0);
                let rests = is_quiet && self.backlog() == 0;
                if own && rests {
                    roster.rests += 1;
                    self.changed.notify_all();
                }
                rests
            });
            roster.idle_waiters -= usize::from(counts);
            idle
        })
    }

    fn count_joined(&self, threads: usize) {
        self.roster.lock().joining -= threads;
        self.changed.notify_all();
    }

    /// Waits until `done`, which is asked whenever something may have changed, or until `deadline`;
    /// says whether it is done. `place` is that of the calling thread. Without a deadline the wait
    /// ends, not done, when the queued jobs need this very thread.
    fn await_change<'a>(
        &'a self,
        place: &Place,
        mut roster: MutexGuard<'a, Roster>,
        deadline: Option<Instant>,
        mut done: impl FnMut(&mut Roster) -> bool,
    ) -> (MutexGuard<'a, Roster>, bool) {
        let mut slice = None;
        let mut asked = false;
        loop {
            if done(&mut roster) {
                return (roster, true);
            }
            if !asked && place.is_deserted(&roster, self) {
                asked = true;
                drop(roster);
                let manned = place.keep_manned(deadline);
                roster = self.roster.lock();
                let Ok(pause) = manned else {
                    let done = done(&mut roster);
                    return (roster, done);
                };
                slice = pause.and_then(deadline_after);
                continue;
            }
            let until = deadline.into_iter().chain(slice.take()).min();
            let timed_out = wait_until(&self.changed, &mut roster, until);
            asked = false;
            if timed_out && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let done = done(&mut roster);
                return (roster, done);
            }
        }
    }
}

/// Waits until the threads of a closed pool have ended, the calling one and such as wait here too
/// not counted. Says how many have not by the deadline.
pub(super) fn await_end(shared: &Arc<Shared>, deadline: Option<Instant>) -> usize {
    let own = worker::is_on(shared);
    let counts = worker::counts_in(shared);
    blocking(|place| {
        let mut roster = shared.roster.lock();
        let seen = roster.ends;
        roster.idle_waiters += usize::from(counts);
        if own {
            roster.enders += 1;
            shared.changed.notify_all();
        }
        let (mut roster, over) = shared.await_change(place, roster, deadline, |roster| {
            if own && roster.ends != seen {
                return true;
            }
            let remain = if own { roster.enders } else { 0 };
            let over = roster.threads <= remain && roster.unrecorded == 0;
            if own && over {
                roster.ends += 1;
                shared.changed.notify_all();
            }
            over
        });
        let others = roster.threads.saturating_sub(roster.enders);
        roster.enders -= usize::from(own);
        roster.idle_waiters -= usize::from(counts);
        if !over {
            return others;
        }
        // A thread that has left already may not wait for the others' ends: they might wait for its.
        if !own && worker::is_made_for(shared) {
            return 0;
        }
        // They have left the books, and end within moments; their thread-local destructors run in
        // between.
        let handles = take_of_ended(shared, &mut roster, own);
        roster.joining += handles.len();
        drop(roster);
        join(shared, handles, deadline.is_some());
        // Somebody else may be joining others.
        let roster = shared.roster.lock();
        let is_joined = |roster: &mut Roster| roster.joining == 0;
        let (roster, _) = shared.await_change(place, roster, deadline, is_joined);
        roster.joining
    })
}

/// The handles of threads that have left. `own`: the caller is a thread of the pool; the monitor
/// outlives it.
fn take_of_ended(shared: &Shared, roster: &mut Roster, own: bool) -> Vec<JoinHandle<()>> {
    if roster.asked_for > 0 {
        return Vec::new();
    }
    let mut alive: Vec<_> = shared
        .lanes
        .lock()
        .iter()
        .map(|lane| lane.thread.id())
        .collect();
    if own {
        alive.extend(shared.monitor.thread().map(|thread| thread.id()));
    }
    let (kept, ended) = std::mem::take(&mut roster.handles)
        .into_iter()
        .partition(|handle| alive.contains(&handle.thread().id()));
    roster.handles = kept;
    ended
}

/// Joins threads that are counted as `joining`. `may_return`: the caller has no time for those that
/// take long, so another thread does it; where there is none to be had, they end by themselves.
fn join(shared: &Arc<Shared>, handles: Vec<JoinHandle<()>>, may_return: bool) {
    let joining = handles.len();
    let watched = shared.clone();
    let join_all = move || {
        for handle in handles {
            let _ = handle.join();
            watched.count_joined(1);
        }
    };
    if !may_return || joining == 0 {
        return join_all();
    }
    let builder = thread::Builder::new().name(format!("{}-joiner", shared.settings.name));
    if builder.spawn(join_all).is_err() {
        shared.count_joined(joining);
    }
}
