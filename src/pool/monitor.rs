//! The thread that watches a backlog, and adds workers when the ones there are block.
//!
//! It exists only while it is needed: started by the first push that finds every worker busy,
//! asleep without a timer while there is no backlog, gone with the last worker of a closed pool.

// Locks: `Monitor::thread` may be taken under the counts's lock, and no other lock under it.

use super::local_queue::LocalQueue;
use super::policy::GrowthPolicy;
use super::probe;
use super::registry::Registry;
use super::sampler::Sampler;
use crate::sync::{Arc, AtomicBool, Duration, Mutex, Ordering, Thread, Weak, thread, thread_id};

/// How often it looks while there is a backlog.
const TICK: Duration = Duration::from_millis(1);
/// How often while it can do nothing about it: the pool is as large as it may be.
const LONG_TICK: Duration = Duration::from_millis(16);
/// Looks without a backlog before it goes to sleep, and such as could do nothing before they become
/// rarer.
const IDLE_TICKS: u32 = 20;

pub(super) struct Monitor {
    /// True from the push that wakes it until it decides to sleep.
    awake: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Monitor {
    pub(super) fn new() -> Monitor {
        Monitor {
            awake: AtomicBool::new(false),
            thread: Mutex::new(None),
        }
    }

    /// There is a backlog that nobody may come to by himself: watch it. Call it behind the lock of
    /// the queue in which it is. False when the system refuses the thread.
    pub(super) fn notify(&self, registry: &Arc<Registry>) -> bool {
        if cfg!(any(loom, shuttle)) {
            // In the models it is a look at the reserved jobs and no more, so that whatever else it
            // would repair late shows as a hang.
            if cfg!(shuttle) && release_reserved(registry) {
                registry.wake_or_spawn();
            }
            return true;
        }
        self.awake.load(Ordering::Relaxed) || self.start(registry)
    }

    #[cold]
    fn start(&self, registry: &Arc<Registry>) -> bool {
        // On a closed pool without threads it would have nothing to watch, and nobody to join it.
        if registry.is_over() || self.awake.swap(true, Ordering::SeqCst) {
            return true;
        }
        let lacks_a_worker = registry.counts.lock().lacks_a_worker();
        let mut thread = self.thread.lock();
        if let Some(thread) = &*thread {
            thread.unpark();
            return true;
        }
        // The next thread that the system grants is better a worker.
        if lacks_a_worker {
            drop(thread);
            return self.resign(registry);
        }
        let weak = Arc::downgrade(registry);
        // Its stack is an ordinary one: the last thread that the system refuses settles tasks here.
        let started = thread::Builder::new()
            .name(format!("{}-monitor", registry.settings.name))
            .spawn(move || monitor_main(&weak));
        match started {
            Ok(handle) => {
                *thread = Some(handle.thread().clone());
                drop(thread);
                registry.counts.lock().handles.push(handle);
                true
            }
            Err(_) => {
                drop(thread);
                self.resign(registry)
            }
        }
    }

    /// There will be no monitor for now. The pool works on with the threads it has; the next push
    /// asks again. Others may have relied on this one.
    fn resign(&self, registry: &Arc<Registry>) -> bool {
        // Refuse.2
        self.awake.store(false, Ordering::SeqCst);
        if release_reserved(registry) {
            registry.wake_or_spawn();
        }
        registry.unpark_blocked();
        false
    }

    /// Has it look now, if it exists. It does not unpark itself: its next look comes anyway.
    pub(super) fn unpark(&self) {
        let thread = self.thread.lock();
        if let Some(thread) = thread.as_ref().filter(|thread| thread.id() != thread_id()) {
            thread.unpark();
        }
    }

    pub(super) fn thread(&self) -> Option<Thread> {
        self.thread.lock().clone()
    }
}

/// What it remembers between two looks.
struct MonitorState {
    quiet: u32,
    futile: u32,
    sampler: Sampler,
    policy: GrowthPolicy,
}

impl MonitorState {
    fn new() -> MonitorState {
        MonitorState {
            quiet: 0,
            futile: 0,
            sampler: Sampler::new(),
            policy: GrowthPolicy::new(),
        }
    }
}

/// When to look again.
enum Next {
    Soon,
    Later,
    /// When somebody asks for it.
    WhenNotified,
    /// It is in the way.
    Resign,
}

fn monitor_main(registry: &Weak<Registry>) {
    let me = thread::current();
    let mut state = MonitorState::new();
    loop {
        // While it rests it holds nothing, so that a forgotten pool can go.
        let next = match registry.upgrade() {
            Some(registry) if !registry.is_over() => tick(&registry, &mut state),
            _ => return,
        };
        match next {
            Next::Soon => me.park_timeout(TICK),
            Next::Resign => return,
            Next::Later => me.park_timeout(LONG_TICK),
            Next::WhenNotified => {
                me.park();
                state = MonitorState::new();
            }
        }
    }
}

fn tick(registry: &Arc<Registry>, state: &mut MonitorState) -> Next {
    let backlog = registry.backlog();
    if backlog == 0 {
        return idle_tick(registry, state);
    }
    state.quiet = 0;
    // Reserve.2
    release_reserved(registry);
    let (active, target, max) = restore_target(registry, backlog);
    if active < target {
        // The system refuses threads, or all the spares there may be are there.
        state.futile += 1;
        if state.futile >= IDLE_TICKS && registry.counts.lock().lacks_a_worker() {
            // Perhaps a worker could be had in its place.
            *registry.monitor.thread.lock() = None;
            registry.monitor.resign(registry);
            return Next::Resign;
        }
        return if state.futile < IDLE_TICKS {
            Next::Soon
        } else {
            Next::Later
        };
    }
    state.futile = 0;
    let core = match target < max {
        true => registry.settings.core.min(max),
        // The pool cannot grow, so it does not matter how many workers are awake.
        false => 0,
    };
    let sample = state.sampler.look(registry, active, core);
    if target >= max {
        state.policy.relax();
        return Next::Later;
    }
    let any_thread_runs = || state.sampler.any_thread_runs();
    let by = state
        .policy
        .growth(core, &sample, any_thread_runs, probe::has_idle_processor);
    if by > 0 {
        grow(registry, by);
    }
    Next::Soon
}

/// A look that finds no backlog.
fn idle_tick(registry: &Arc<Registry>, state: &mut MonitorState) -> Next {
    state.policy.relax();
    state.sampler.forget();
    state.quiet += 1;
    if state.quiet < IDLE_TICKS {
        return Next::Soon;
    }
    state.quiet = 0;
    // A push that sees it awake is counted here, as in `notify`.
    // Tick.1
    registry.monitor.awake.store(false, Ordering::SeqCst);
    // Tick.2
    if registry.count_backlog() == 0 {
        return Next::WhenNotified;
    }
    registry.monitor.awake.store(true, Ordering::SeqCst);
    Next::Soon
}

/// Jobs that their local queues' owners have not taken back since the last look are for everybody.
fn release_reserved(registry: &Registry) -> bool {
    let locals = registry.locals.lock();
    let is_reserved =
        |local: &&Arc<LocalQueue>| local.len() > 0 && local.reserved.swap(false, Ordering::SeqCst);
    locals.iter().filter(is_reserved).count() > 0
}

/// Recruits whoever is missing: a thread may have been refused, or put off. Says how many are
/// active, and how many should and could be.
fn restore_target(registry: &Arc<Registry>, backlog: usize) -> (usize, usize, usize) {
    let size = || {
        let counts = registry.counts.lock();
        (counts.threads, (counts.active, counts.target, counts.max))
    };
    let (threads, (active, target, _)) = size();
    // Where there is no thread at all, whoever pushes sees to the first.
    if threads > 0 {
        let missing = target.saturating_sub(active).min(backlog);
        let _ = (0..missing).all(|_| registry.wake_or_spawn());
    }
    size().1
}

fn grow(registry: &Arc<Registry>, by: usize) {
    {
        let mut counts = registry.counts.lock();
        let wanted = counts.active.saturating_add(by);
        counts.target = wanted.min(counts.max).max(counts.target.min(counts.max));
        registry.publish_counts(&counts);
    }
    let _ = (0..by).all(|_| registry.wake_or_spawn());
}
