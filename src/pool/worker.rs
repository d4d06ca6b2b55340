//! The main loop of a worker.

use std::cell::Cell;
use std::rc::Rc;

use super::counts::Sleeper;
use super::current::{self, Worker, WorkerStage};
use super::idle::Reason;
use super::monitor::own_system_id;
use super::queue::{LocalQueue, Work};
use super::registry::Registry;
use super::settings::Hook;
use super::stack::Stack;
use crate::error::{At, TaskError};
use crate::limits::{SEARCH_ROUNDS, SPINS_PER_ROUND};
use crate::sync::{Arc, AtomicBool, Instant, Ordering, spin_hint, thread};
use crate::{dispatch, guard, nesting, unhandled};

/// True on a worker whose pool has jobs queued.
fn is_wanted_elsewhere() -> bool {
    current::with_current(|worker| worker.registry.queues.len() > 0).unwrap_or(false)
}

pub(super) fn worker_main(registry: &Arc<Registry>, number: usize) {
    let local = Arc::new(LocalQueue::new(number));
    local.system_id.store(own_system_id(), Ordering::Relaxed);
    registry.idle.register(|| registry.queues.add(&local));
    let worker = Rc::new(Worker {
        registry: registry.clone(),
        local: local.clone(),
        stack: Stack::begins_here(registry.settings.stack_bytes()),
        stage: Cell::new(WorkerStage::Starting),
    });
    nesting::stack_begins_here(registry.settings.stack_bytes());
    dispatch::ask_for_other_jobs(is_wanted_elsewhere);
    current::enter(worker.clone());
    call_hook(registry, number, registry.settings.on_start.as_ref());

    let sleeper = Arc::new(Sleeper {
        thread: thread::current(),
        notified: AtomicBool::new(false),
    });
    worker.stage.set(WorkerStage::Working);
    main_loop(registry, &local, &sleeper);

    worker.stage.set(WorkerStage::Leaving);
    call_hook(registry, number, registry.settings.on_stop.as_ref());
    current::leave();
    drop(worker);
    deregister(registry, &local);
}

/// Runs jobs until the worker is to end.
fn main_loop(registry: &Arc<Registry>, local: &Arc<LocalQueue>, sleeper: &Arc<Sleeper>) {
    let mut turn = 0;
    let mut clock = Clock::new(registry);
    // Pushes that woke this worker, or saw it searching, have left the rest of the queue to it.
    let mut must_pass_on = true;
    loop {
        turn += 1;
        if registry.idle.is_over_target() {
            if !sleep(registry, sleeper, Reason::OverTarget) {
                return;
            }
            must_pass_on = true;
            clock.look();
        }
        let job = registry.find(local, turn, clock.now()).or_else(|| {
            must_pass_on = true;
            clock.look();
            search(registry, local, turn, &clock)
        });
        match job {
            Some(job) => {
                if std::mem::take(&mut must_pass_on) {
                    registry.pass_on();
                }
                run(local, job);
            }
            None => {
                if !sleep(registry, sleeper, Reason::NoJob) {
                    return;
                }
                clock.look();
            }
        }
    }
}

/// A worker's idea of the time, for people who look at the pool. To read the system's clock for
/// each job would cost a tenth of a short one. A job that takes long leaves a backlog behind, or an
/// idle worker. So it is enough to read it after a sleep, before a search, and when the monitor,
/// which ticks while there is a backlog, has ticked.
struct Clock<'a> {
    registry: &'a Registry,
    now: Instant,
    ticks: u64,
}

impl<'a> Clock<'a> {
    fn new(registry: &'a Registry) -> Clock<'a> {
        Clock {
            registry,
            now: Instant::now(),
            ticks: registry.watch.ticks(),
        }
    }

    fn now(&mut self) -> Instant {
        if self.ticks != self.registry.watch.ticks() {
            self.look();
        }
        self.now
    }

    #[cold]
    fn look(&mut self) {
        self.now = Instant::now();
        self.ticks = self.registry.watch.ticks();
    }
}

/// Searches for a job a little while before the worker sleeps. One worker does at a time.
fn search(
    registry: &Arc<Registry>,
    local: &LocalQueue,
    turn: u64,
    clock: &Clock<'_>,
) -> Option<Work> {
    if cfg!(loom) || !registry.idle.begin_search() {
        return None;
    }
    let mut job = None;
    for _ in 0..SEARCH_ROUNDS {
        // A search takes the queue's cache lines away from the pushing threads, so each follows a
        // pause.
        for _ in 0..SPINS_PER_ROUND {
            spin_hint();
        }
        job = registry.find(local, turn, clock.now);
        if job.is_some() || registry.is_closed() {
            break;
        }
    }
    registry.idle.end_search();
    job
}

/// A worker has ended.
fn deregister(registry: &Arc<Registry>, local: &Arc<LocalQueue>) {
    // Its stop hook may have spawned tasks.
    while let Some(job) = local.pop() {
        registry.inject_beyond(job);
    }
    registry.idle.deregister(|| {
        registry.queues.remove(local);
        registry.is_closed()
    });
    if registry.is_over() {
        registry.watch.unpark();
    }
    // Close.5
    // A push may have counted on this thread.
    if registry.queues.count() > 0 && !(registry.is_closed() && registry.reject_if_no_workers()) {
        registry.notify();
    }
}

/// A worker sleeps until it is woken. False: it is to end.
fn sleep(registry: &Arc<Registry>, sleeper: &Arc<Sleeper>, reason: Reason) -> bool {
    // Calls the user's subscriber, so not on a thread that counts as idle.
    unhandled::say_due();
    let must_end = || registry.is_closed() && registry.queues.count() == 0;
    registry
        .idle
        .go_idle(sleeper, reason, must_end, || match reason {
            Reason::NoJob => registry.queues.count_stealable() > 0,
            // The worker may have been woken for these jobs, and the others may be about to block.
            Reason::OverTarget => {
                if registry.queues.count() > 0 {
                    registry.notify_monitor();
                }
                false
            }
        })
}

fn run(local: &LocalQueue, job: Work) {
    local.counters.count_start();
    local.busy.store(true, Ordering::Relaxed);
    // Jobs catch the panics of user code. This keeps the thread alive if anything else panics.
    match guard::catch(|| job.run()) {
        Ok(ran) => local.counters.count(ran),
        Err(payload) => guard::drop_quietly(payload),
    }
    local.busy.store(false, Ordering::Relaxed);
    local.reserved.store(false, Ordering::Relaxed);
}

fn call_hook(registry: &Registry, number: usize, hook: Option<&Hook>) {
    let Some(hook) = hook else { return };
    if let Err(payload) = guard::catch(|| hook.call(number)) {
        let name: Arc<str> = format!("{}-{number}", registry.settings.name).into();
        let at = At {
            location: std::panic::Location::caller(),
            task: Some(&name),
        };
        unhandled::report(TaskError::panicked(payload, at));
    }
}
