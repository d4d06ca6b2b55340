//! Waiting until a pool is idle, or until the threads of a closed one have ended.

use super::blocking::{BlockedSection, blocking};
use super::counts::ThreadCounts;
use super::current;
use super::registry::Registry;
use crate::sync::{Arc, Instant, JoinHandle, MutexGuard, deadline_after, thread};

pub(super) fn wait_idle(registry: &Arc<Registry>, deadline: Option<Instant>) -> bool {
    let own = current::is_on(registry);
    // One whose stop hook waits is not among the blocked.
    let is_counted = current::counts_in(registry);
    blocking(|place| {
        let mut counts = registry.idle.lock();
        let seen = counts.idle_epoch;
        // End.2
        counts.idle_waiters += usize::from(is_counted);
        if own {
            // Another task that waits in here too may be what this one waits for.
            registry.idle.notify_changed();
        }
        let (mut counts, idle) = await_change(registry, place, counts, deadline, |counts| {
            if own && counts.idle_epoch != seen {
                return true;
            }
            // Those that wait in here are no work to one another, but they are to others.
            let is_quiet = counts.is_quiet() && (own || counts.blocked == 0);
            let idle_epoch = is_quiet && registry.queues.len() == 0;
            if own && idle_epoch {
                counts.idle_epoch += 1;
                registry.idle.notify_changed();
            }
            idle_epoch
        });
        counts.idle_waiters -= usize::from(is_counted);
        idle
    })
}

/// Waits until `done`, which is checked after each change, or until `deadline`. Returns whether it
/// is done. `place` is the calling thread's. Without a deadline the wait ends, not done, when the
/// queued jobs need this very thread.
pub(super) fn await_change<'a>(
    registry: &'a Registry,
    place: &BlockedSection,
    mut counts: MutexGuard<'a, ThreadCounts>,
    deadline: Option<Instant>,
    mut done: impl FnMut(&mut ThreadCounts) -> bool,
) -> (MutexGuard<'a, ThreadCounts>, bool) {
    place.wait_unseen();
    let mut slice = None;
    let mut asked = false;
    loop {
        if done(&mut counts) {
            return (counts, true);
        }
        if !asked && place.has_no_worker(&counts, registry) {
            asked = true;
            drop(counts);
            let manned = place.ensure_worker(deadline);
            counts = registry.idle.lock();
            let Ok(pause) = manned else {
                let done = done(&mut counts);
                return (counts, done);
            };
            slice = pause.and_then(deadline_after);
            continue;
        }
        let until = deadline.into_iter().chain(slice.take()).min();
        let timed_out = registry.idle.wait(&mut counts, until);
        asked = false;
        if timed_out && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let done = done(&mut counts);
            return (counts, done);
        }
    }
}

/// Waits until the threads of a closed pool have ended, except the calling one and others that wait
/// here too. Returns the number of threads that have not ended at the deadline.
pub(super) fn await_end(registry: &Arc<Registry>, deadline: Option<Instant>) -> usize {
    let own = current::is_on(registry);
    let is_counted = current::counts_in(registry);
    blocking(|place| {
        let mut counts = registry.idle.lock();
        let seen = counts.shutdown_epoch;
        counts.idle_waiters += usize::from(is_counted);
        if own {
            // End.1
            counts.shutdown_waiters += 1;
            registry.idle.notify_changed();
        }
        let (mut counts, over) = await_change(registry, place, counts, deadline, |counts| {
            if own && counts.shutdown_epoch != seen {
                return true;
            }
            let remain = if own { counts.shutdown_waiters } else { 0 };
            let over = counts.threads <= remain && counts.unstored_handles == 0;
            if own && over {
                counts.shutdown_epoch += 1;
                registry.idle.notify_changed();
            }
            over
        });
        let others = counts.threads.saturating_sub(counts.shutdown_waiters);
        counts.shutdown_waiters -= usize::from(own);
        counts.idle_waiters -= usize::from(is_counted);
        if !over {
            return others;
        }
        // A thread that has left already may not wait for the others' ends: they might wait for
        // its.
        if !own && current::is_made_for(registry) {
            return 0;
        }
        // They have left the books, and end within moments; their thread-local destructors run in
        // between.
        // End.3
        let handles = take_of_ended(registry, &mut counts, own);
        counts.joining += handles.len();
        drop(counts);
        join(registry, handles, deadline.is_some());
        // Another thread may be joining the rest.
        let counts = registry.idle.lock();
        let is_joined = |counts: &mut ThreadCounts| counts.joining == 0;
        let (counts, _) = await_change(registry, place, counts, deadline, is_joined);
        counts.joining
    })
}

/// The handles of threads that have left. `own`: the caller is a thread of the pool; the monitor
/// outlives it.
fn take_of_ended(registry: &Registry, counts: &mut ThreadCounts, own: bool) -> Vec<JoinHandle<()>> {
    if counts.starting > 0 {
        return Vec::new();
    }
    let locals = registry.queues.locals();
    let mut alive: Vec<_> = locals.iter().map(|local| local.thread.id()).collect();
    if own {
        alive.extend(registry.watch.thread().map(|thread| thread.id()));
    }
    let (kept, ended) = std::mem::take(&mut counts.handles)
        .into_iter()
        .partition(|handle| alive.contains(&handle.thread().id()));
    counts.handles = kept;
    ended
}

/// Joins threads that are counted as `joining`. `may_return`: the caller must not wait for slow
/// threads, so another thread joins them. If the system grants no thread, they are not joined.
fn join(registry: &Arc<Registry>, handles: Vec<JoinHandle<()>>, may_return: bool) {
    let joining = handles.len();
    let joined = registry.clone();
    let join_all = move || {
        for handle in handles {
            let _ = handle.join();
            count_joined(&joined, 1);
        }
    };
    if !may_return || joining == 0 {
        return join_all();
    }
    let builder = thread::Builder::new().name(format!("{}-joiner", registry.settings.name));
    if builder.spawn(join_all).is_err() {
        count_joined(registry, joining);
    }
}

fn count_joined(registry: &Registry, threads: usize) {
    registry.idle.lock().joining -= threads;
    registry.idle.notify_changed();
}
