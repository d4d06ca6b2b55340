//! The life of one thread of a pool.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use super::builder::Hook;
use super::counts::Sleeper;
use super::grow::Counted;
use super::local_queue::LocalQueue;
use super::os;
use super::registry::Registry;
use super::stack::Stack;
use crate::error::{At, TaskError};
use crate::executor::{RunResult, Runnable};
use crate::sync::{Arc, AtomicBool, JoinHandle, Ordering, spin_hint, thread};
use crate::{dispatch, guard, unhandled};

/// Looks before a worker without work goes to sleep, with a pause before each: some twenty
/// microseconds in all. To a model checker one says it all.
const LOOKS: u32 = if cfg!(shuttle) { 1 } else { 12 };
const PAUSE: u32 = if cfg!(shuttle) { 1 } else { 32 };
const YIELD_FROM: u32 = 9;

/// What a thread knows about being a worker.
pub(super) struct Worker {
    pub(super) registry: Arc<Registry>,
    pub(super) local: Arc<LocalQueue>,
    pub(super) stack: Stack,
    pub(super) stage: Cell<WorkerStage>,
}

/// Where a worker is in its life. User code runs, and may block, in each of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerStage {
    /// Its start hook runs. It counts as active.
    Starting,
    Working,
    /// Its stop hook runs. It counts as leaving, and is no longer active.
    Leaving,
}

crate::sync::thread_local! {
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
    /// The address of the pool that this thread was made for. It is kept when `CURRENT` is cleared:
    /// callbacks of refused jobs and destructors of thread locals run after that.
    static MADE_FOR: Cell<usize> = const { Cell::new(0) };
}

/// Calls `f` with this thread's worker, if it is one.
pub(super) fn with_current<R>(f: impl FnOnce(&Rc<Worker>) -> R) -> Option<R> {
    CURRENT
        .try_with(|current| current.borrow().as_ref().map(f))
        .ok()
        .flatten()
}

/// True on a thread of this very pool.
pub(super) fn is_on(registry: &Arc<Registry>) -> bool {
    with_current(|worker| Arc::ptr_eq(&worker.registry, registry)).unwrap_or(false)
}

/// True on a worker of this very pool that `active` or `blocked` counts.
pub(super) fn counts_in(registry: &Arc<Registry>) -> bool {
    let counts = |worker: &Rc<Worker>| {
        Arc::ptr_eq(&worker.registry, registry) && worker.stage.get() != WorkerStage::Leaving
    };
    with_current(counts).unwrap_or(false)
}

/// True on a thread that was made for this very pool, also after it has left the counts.
pub(super) fn is_made_for(registry: &Arc<Registry>) -> bool {
    let address = MADE_FOR.try_with(Cell::get).unwrap_or(0);
    address == Arc::as_ptr(registry).addr()
}

/// Where a job went.
pub(super) enum Pushed {
    /// Into this worker's own local queue, where others may take it.
    Stealable,
    /// Into this worker's own local queue, which most likely takes it back in a moment.
    Reserved,
    /// Nowhere: this is no worker of that pool.
    NotHere(Arc<dyn Runnable>),
}

/// Puts `job` into this worker's own local queue.
pub(super) fn push_local(registry: &Arc<Registry>, job: Arc<dyn Runnable>) -> Pushed {
    let mut job = Some(job);
    let stealable = with_current(|worker| {
        if !Arc::ptr_eq(&worker.registry, registry) {
            return None;
        }
        job.take().map(|job| worker.local.push(job))
    });
    match (stealable.flatten(), job) {
        (Some(true), _) => Pushed::Stealable,
        (_, Some(job)) => Pushed::NotHere(job),
        (_, None) => Pushed::Reserved,
    }
}

/// Runs a job that this worker pushed a moment ago and now waits for. False when it is not in this
/// worker's local queue any more.
pub(crate) fn run_inline(job: *const ()) -> bool {
    let Some(taken) = try_unpush(job) else {
        return false;
    };
    note(taken.run());
    true
}

/// Takes a job out of this worker's local queue again, because it will be run by other means.
fn try_unpush(job: *const ()) -> Option<Arc<dyn Runnable>> {
    with_current(|worker| {
        let taken = worker.local.try_unpush(job)?;
        if !worker.local.reserved.load(Ordering::Relaxed) {
            worker.local.reserved.store(true, Ordering::Relaxed);
            // Reserve.1
            // What is left was stealable. Those who were called for it find nothing now.
            if worker.local.len() > 0 && !cfg!(planted = "reserved_leftover") {
                worker.registry.monitor.notify(&worker.registry);
            }
        }
        Some(taken)
    })
    .flatten()
}

/// Counts a task that this worker ran by other means than its queue.
pub(crate) fn note(ran: RunResult) {
    with_current(|worker| worker.local.counters.count(ran));
}

/// True on a worker whose pool has jobs queued.
fn is_wanted_elsewhere() -> bool {
    with_current(|worker| worker.registry.backlog() > 0).unwrap_or(false)
}

/// Starts a worker thread, which `counted` counts.
pub(super) fn spawn(
    registry: &Arc<Registry>,
    number: usize,
    counted: Counted,
) -> io::Result<JoinHandle<()>> {
    let builder = thread::Builder::new()
        .name(format!("{}-{number}", registry.settings.name))
        .stack_size(registry.settings.stack_bytes());
    let registry = registry.clone();
    builder.spawn(move || {
        let _counted = counted;
        worker_main(&registry, number);
    })
}

fn worker_main(registry: &Arc<Registry>, number: usize) {
    let local = Arc::new(LocalQueue::new());
    local
        .system_id
        .store(os::own_system_id(), Ordering::Relaxed);
    registry.register_worker(&local);
    let worker = Rc::new(Worker {
        registry: registry.clone(),
        local: local.clone(),
        stack: Stack::begins_here(registry.settings.stack_bytes()),
        stage: Cell::new(WorkerStage::Starting),
    });
    MADE_FOR.set(Arc::as_ptr(registry).addr());
    dispatch::ask_for_other_jobs(is_wanted_elsewhere);
    CURRENT.with(|current| *current.borrow_mut() = Some(worker.clone()));
    call_hook(registry, number, registry.settings.on_start.as_ref());

    let sleeper = Arc::new(Sleeper {
        thread: thread::current(),
        notified: AtomicBool::new(false),
    });
    worker.stage.set(WorkerStage::Working);
    main_loop(registry, &local, &sleeper);

    worker.stage.set(WorkerStage::Leaving);
    call_hook(registry, number, registry.settings.on_stop.as_ref());
    CURRENT.with(|current| *current.borrow_mut() = None);
    drop(worker);
    registry.deregister_worker(&local);
}

/// Runs jobs until there is nothing left to live for.
fn main_loop(registry: &Arc<Registry>, local: &Arc<LocalQueue>, sleeper: &Arc<Sleeper>) {
    let mut turn = 0;
    // Pushes that called this worker, or saw it searching, have left the rest of the queue to it.
    let mut owes_a_look = true;
    loop {
        turn += 1;
        if registry.is_over_target() {
            if !registry.go_idle(sleeper, true) {
                return;
            }
            owes_a_look = true;
        }
        let job = registry.find(local, turn).or_else(|| {
            owes_a_look = true;
            search(registry, local, turn)
        });
        match job {
            Some(job) => {
                if std::mem::take(&mut owes_a_look) {
                    registry.pass_on();
                }
                run(local, job);
            }
            None => {
                if !registry.go_idle(sleeper, false) {
                    return;
                }
            }
        }
    }
}

/// A short look around before sleeping, by one worker at a time.
fn search(registry: &Arc<Registry>, local: &LocalQueue, turn: u64) -> Option<Arc<dyn Runnable>> {
    if cfg!(loom) || !registry.begin_search() {
        return None;
    }
    let mut job = None;
    for round in 0..LOOKS {
        // Looking takes the queue's cache lines away from whoever pushes, so a look is paid for
        // with a pause.
        for _ in 0..PAUSE {
            spin_hint();
        }
        if round > YIELD_FROM {
            thread::yield_now();
        }
        job = registry.find(local, turn);
        if job.is_some() || registry.closed.load(Ordering::Relaxed) {
            break;
        }
    }
    registry.end_search();
    job
}

fn run(local: &LocalQueue, job: Arc<dyn Runnable>) {
    local.counters.count_start();
    local.busy.store(true, Ordering::Relaxed);
    // Jobs catch what user code throws; this wall keeps the thread if anything else does.
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
