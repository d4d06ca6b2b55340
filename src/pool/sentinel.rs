//! The thread that watches a backlog, and adds workers when the ones there are block.
//!
//! It exists only while it is needed: started by the first push that finds every worker busy,
//! asleep without a timer while there is no backlog.

use super::census;
use super::shared::Shared;
use crate::sync::{Arc, AtomicBool, Duration, Mutex, Ordering, Thread, Weak, fence, thread};

/// How often it looks while there is a backlog.
const TICK: Duration = Duration::from_millis(1);
/// Looks without a backlog before it goes to sleep.
const PATIENCE: u32 = 20;
/// Looks in a row that must find too few workers that want a processor, while a core lies idle.
const STRIKES: u32 = 2;
/// The same while every core is taken. A worker that waits for a lock whose holder lost its
/// processor looks blocked then, for some time slices.
const STRIKES_WHEN_BUSY: u32 = 16;
/// Looks between two growths while every core is taken.
const PACE_WHEN_BUSY: u32 = 4;
/// How many busy threads it asks the system about in one look.
const SAMPLE: usize = 8;
/// Jobs picked up per worker in one look above which the queue flows well enough, whatever the
/// workers do in between.
const FLOWING: u64 = 4;

pub(super) struct Sentinel {
    /// True from the push that wakes it until it decides to sleep.
    awake: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Sentinel {
    pub(super) fn new() -> Sentinel {
        Sentinel {
            awake: AtomicBool::new(false),
            thread: Mutex::new(None),
        }
    }

    /// There is a backlog and every worker is busy: watch it.
    pub(super) fn kick(&self, shared: &Arc<Shared>) {
        if self.awake.load(Ordering::Relaxed) || cfg!(any(loom, shuttle)) {
            return;
        }
        self.rouse(shared);
    }

    #[cold]
    fn rouse(&self, shared: &Arc<Shared>) {
        if self.awake.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut thread = self.thread.lock();
        if let Some(thread) = &*thread {
            thread.unpark();
            return;
        }
        let watched = Arc::downgrade(shared);
        let started = thread::Builder::new()
            .name(format!("{}-sentinel", shared.settings.name))
            .stack_size(128 << 10)
            .spawn(move || watch(&watched));
        match started {
            Ok(handle) => *thread = Some(handle.thread().clone()),
            // Without it the pool works on with the threads it has; the next push asks again.
            Err(_) => self.awake.store(false, Ordering::SeqCst),
        }
    }

    pub(super) fn stop(&self) {
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}

/// What it remembers between two looks.
#[derive(Default)]
struct Memory {
    started: u64,
    strikes: u32,
    quiet: u32,
    step: usize,
}

fn watch(shared: &Weak<Shared>) {
    let mut memory = Memory::default();
    loop {
        // While it rests it holds nothing, so that a forgotten pool can go.
        let rests = match shared.upgrade() {
            None => return,
            Some(shared) => {
                let over =
                    shared.closed.load(Ordering::Acquire) && shared.roster.lock().threads == 0;
                if over {
                    return;
                }
                look(&shared, &mut memory)
            }
        };
        if rests {
            thread::park();
            memory = Memory::default();
        } else {
            thread::park_timeout(TICK);
        }
    }
}

/// One look; true when there is nothing to watch.
fn look(shared: &Arc<Shared>, memory: &mut Memory) -> bool {
    if shared.backlog() == 0 {
        memory.quiet += 1;
        memory.strikes = 0;
        if memory.quiet < PATIENCE {
            return false;
        }
        shared.sentinel.awake.store(false, Ordering::SeqCst);
        // Pairs with the fence in `notify`: a push that saw it awake is seen here.
        fence(Ordering::SeqCst);
        let rests = shared.backlog() == 0;
        if !rests {
            shared.sentinel.awake.store(true, Ordering::SeqCst);
        }
        memory.quiet = 0;
        return rests;
    }
    memory.quiet = 0;

    if offer_shy_jobs(shared) {
        shared.recruit();
    }
    let started = shared.totals().started;
    let picked = started.saturating_sub(memory.started);
    memory.started = started;
    let active = shared.roster.lock().active;
    let core = shared.settings.core;
    let wanting = if picked > FLOWING * active.max(1) as u64 {
        core
    } else {
        wanting(shared, active, picked)
    };
    if wanting >= core {
        memory.strikes = 0;
        memory.step = 0;
        return false;
    }
    memory.strikes += 1;
    if memory.strikes < STRIKES {
        return false;
    }
    // Where the system does not tell, jobs that are not picked up are what counts.
    let busy = !census::a_core_is_idle().unwrap_or(true);
    if busy {
        if memory.strikes < STRIKES_WHEN_BUSY {
            return false;
        }
        memory.strikes -= PACE_WHEN_BUSY;
    }
    // Twice as many each time, for as long as it does not help.
    memory.step = match memory.step {
        0 if wanting == 0 => active.max(1),
        0 => core - wanting,
        step => step.saturating_mul(2),
    };
    grow(shared, memory.step);
    false
}

/// Jobs that their lanes' owners have not taken back since the last look are for everybody.
fn offer_shy_jobs(shared: &Shared) -> bool {
    let lanes = shared.lanes.lock();
    let shy = lanes
        .iter()
        .filter(|lane| lane.len() > 0 && lane.shy.swap(false, Ordering::SeqCst));
    shy.count() > 0
}

/// How many workers want a processor: they run, or would if a core were free. While these are fewer
/// than the cores, another worker would use what lies idle.
fn wanting(shared: &Shared, active: usize, picked: u64) -> usize {
    let busy: Vec<u64> = shared
        .lanes
        .lock()
        .iter()
        .rev()
        .filter(|lane| lane.busy.load(Ordering::Relaxed) && !lane.blocked.load(Ordering::Relaxed))
        .map(|lane| lane.system_id.load(Ordering::Relaxed))
        .collect();
    let step = (busy.len() / SAMPLE).max(1);
    // An active worker without a job is on its way to one, whatever keeps it: no job of the user's.
    let mut wanting = active.saturating_sub(busy.len());
    for &thread in busy.iter().step_by(step) {
        match census::wants_cpu(thread) {
            Some(wants) => wanting += usize::from(wants) * step,
            // Without the system's word: no job was picked up since the last look.
            None if picked == 0 => {}
            None => return shared.settings.core,
        }
    }
    wanting
}

fn grow(shared: &Arc<Shared>, by: usize) {
    {
        let mut roster = shared.roster.lock();
        let wanted = roster.active.saturating_add(by);
        roster.target = wanted.min(roster.max).max(roster.target.min(roster.max));
        shared.mirror(&roster);
    }
    for _ in 0..by {
        if !shared.recruit() {
            return;
        }
    }
}
