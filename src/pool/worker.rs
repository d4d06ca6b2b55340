//! The life of one thread of a pool.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::lane::Lane;
use super::roster::Seat;
use super::shared::Shared;
use super::{block, census};
use crate::error::{At, TaskError};
use crate::executor::{Ran, Runnable};
use crate::sync::{Arc, AtomicBool, JoinHandle, Ordering, spin_hint, thread};
use crate::{guard, unhandled};

/// Looks before a worker without work goes to sleep: some spinning, then some yielding, a few microseconds in all.
const SPINS: u32 = 128;
const YIELDS: u32 = 8;

/// What a thread knows about being a worker.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: Arc<Lane>,
}

crate::sync::thread_local! {
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

/// Calls `f` with this thread's worker, if it is one.
pub(super) fn with_current<R>(f: impl FnOnce(&Rc<Worker>) -> R) -> Option<R> {
    CURRENT
        .try_with(|current| current.borrow().as_ref().map(f))
        .ok()
        .flatten()
}

/// True on a thread of this very pool.
pub(super) fn is_on(shared: &Arc<Shared>) -> bool {
    with_current(|worker| Arc::ptr_eq(&worker.shared, shared)).unwrap_or(false)
}

/// Puts `job` into this worker's own lane; gives it back on any other thread.
pub(super) fn push_local(
    shared: &Arc<Shared>,
    job: Arc<dyn Runnable>,
) -> Option<Arc<dyn Runnable>> {
    let mut job = Some(job);
    with_current(|worker| {
        if Arc::ptr_eq(&worker.shared, shared)
            && let Some(job) = job.take()
        {
            worker.lane.push(job);
        }
    });
    job
}

/// Takes a job that this worker pushed a moment ago out of its lane again, because it will be run by other means.
pub(crate) fn retract(job: *const ()) {
    let taken = with_current(|worker| worker.lane.take_back(job)).flatten();
    // Dropped here, outside of the lane's lock.
    drop(taken);
}

/// Counts a task that this worker ran by other means than its queue.
pub(crate) fn note(ran: Ran) {
    with_current(|worker| worker.lane.tally.count(ran));
}

/// True on a worker whose pool has jobs queued.
pub(crate) fn is_wanted_elsewhere() -> bool {
    with_current(|worker| worker.shared.backlog() > 0).unwrap_or(false)
}

/// Starts a worker thread.
pub(super) fn spawn(shared: &Arc<Shared>, number: usize) -> io::Result<JoinHandle<()>> {
    let mut builder = thread::Builder::new().name(format!("{}-{number}", shared.settings.name));
    if let Some(bytes) = shared.settings.stack_size {
        builder = builder.stack_size(bytes);
    }
    let shared = shared.clone();
    builder.spawn(move || live(&shared, number))
}

fn live(shared: &Arc<Shared>, number: usize) {
    let lane = Arc::new(Lane::new());
    lane.system_id
        .store(census::own_system_id(), Ordering::Relaxed);
    shared.lanes.lock().push(lane.clone());
    let worker = Rc::new(Worker {
        shared: shared.clone(),
        lane: lane.clone(),
    });
    CURRENT.with(|current| *current.borrow_mut() = Some(worker));
    call_hook(shared, number, shared.settings.on_start.as_deref());

    let seat = Arc::new(Seat {
        thread: thread::current(),
        called: AtomicBool::new(false),
    });
    work(shared, &lane, &seat);

    call_hook(shared, number, shared.settings.on_stop.as_deref());
    CURRENT.with(|current| *current.borrow_mut() = None);
    shared.leave(&lane);
}

/// Runs jobs until there is nothing left to live for.
fn work(shared: &Arc<Shared>, lane: &Arc<Lane>, seat: &Arc<Seat>) {
    let mut turn = 0;
    // Pushes that called this worker, or saw it searching, have left the rest of the queue to it.
    let mut owes_a_look = true;
    loop {
        turn += 1;
        if shared.is_crowded() {
            if !shared.settle_down(seat, true) {
                return;
            }
            owes_a_look = true;
        }
        let job = shared.find(lane, turn).or_else(|| {
            owes_a_look = true;
            search(shared, lane, turn)
        });
        match job {
            Some(job) => {
                if std::mem::take(&mut owes_a_look) {
                    shared.pass_on();
                }
                run(lane, job);
            }
            None => {
                if !shared.settle_down(seat, false) {
                    return;
                }
            }
        }
    }
}

/// A short look around before sleeping, by one worker at a time.
fn search(shared: &Arc<Shared>, lane: &Lane, turn: u64) -> Option<Arc<dyn Runnable>> {
    if cfg!(any(loom, shuttle)) || !shared.begin_search() {
        return None;
    }
    let mut job = None;
    for round in 0..SPINS + YIELDS {
        job = shared.find(lane, turn);
        if job.is_some() || shared.closed.load(Ordering::Relaxed) {
            break;
        }
        if round < SPINS {
            spin_hint();
        } else {
            thread::yield_now();
        }
    }
    shared.end_search();
    job
}

fn run(lane: &Lane, job: Arc<dyn Runnable>) {
    lane.tally.count_start();
    lane.busy.store(true, Ordering::Relaxed);
    // Jobs catch what user code throws; this wall keeps the thread if anything else does.
    match guard::catch(|| job.run()) {
        Ok(ran) => lane.tally.count(ran),
        Err(payload) => guard::discard(payload),
    }
    lane.busy.store(false, Ordering::Relaxed);
    block::reset();
}

fn call_hook(shared: &Shared, number: usize, hook: Option<&(dyn Fn(usize) + Send + Sync)>) {
    let Some(hook) = hook else { return };
    if let Err(payload) = guard::catch(|| hook(number)) {
        let name: Arc<str> = format!("{}-{number}", shared.settings.name).into();
        let at = At {
            location: std::panic::Location::caller(),
            task: Some(&name),
        };
        unhandled::report(TaskError::panicked(payload, at));
    }
}
