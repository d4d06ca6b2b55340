//! The thread that watches a backlog, and adds workers when the ones there are block.
//!
//! It exists only while it is needed: started by the first push that finds every worker busy,
//! asleep without a timer while there is no backlog, ended with the last worker of a closed pool.

// Map for maintainers, from the ground up:
//   os.rs       asks the system what a thread does
//   history.rs  what one worker did from tick to tick
//   sampler.rs  examines the workers at a tick
//   probe.rs    whether a processor is idle, where the system does not tell what a thread does
//   policy.rs   by how much the pool grows
//   mod.rs      the main loop

mod history;
mod os;
mod policy;
mod probe;
mod sampler;

use policy::GrowthPolicy;
use sampler::Sampler;

pub(super) use os::own_system_id;

use super::registry::Registry;
use crate::limits::{MONITOR_IDLE_TICKS, MONITOR_LONG_TICK, MONITOR_TICK};
use crate::sync::{Arc, Weak, thread};

/// What it records between two ticks.
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

/// The time of the next tick.
enum Next {
    Soon,
    Later,
    /// When a thread notifies the monitor.
    WhenNotified,
    /// Never: the thread ends, because the system grants no other and a worker is needed more.
    Resign,
}

pub(super) fn monitor_main(registry: &Weak<Registry>) {
    let me = thread::current();
    let mut state = MonitorState::new();
    loop {
        // While it sleeps it holds no handle, so that a pool without handles is dropped.
        let next = match registry.upgrade() {
            Some(registry) if !registry.is_over() => tick(&registry, &mut state),
            _ => return,
        };
        match next {
            Next::Soon => me.park_timeout(MONITOR_TICK),
            Next::Resign => return,
            Next::Later => me.park_timeout(MONITOR_LONG_TICK),
            Next::WhenNotified => {
                me.park();
                state = MonitorState::new();
            }
        }
    }
}

fn tick(registry: &Arc<Registry>, state: &mut MonitorState) -> Next {
    registry.watch.tick();
    let backlog = registry.queues.len();
    if backlog == 0 {
        return idle_tick(registry, state);
    }
    state.quiet = 0;
    // Reserve.2
    registry.queues.release_reserved();
    let (active, target, max) = restore_target(registry, backlog);
    if active < target {
        // The system refuses threads, or all the spares there may be are there.
        state.futile += 1;
        if state.futile >= MONITOR_IDLE_TICKS && registry.idle.lock().lacks_a_worker() {
            // The system may grant a worker in its place.
            registry.watch.remove_thread();
            registry.resign_monitor();
            return Next::Resign;
        }
        return if state.futile < MONITOR_IDLE_TICKS {
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
    let sample = state.sampler.look(
        &registry.queues,
        registry.settings.asks_system,
        active,
        core,
    );
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

/// A tick that finds no backlog.
fn idle_tick(registry: &Arc<Registry>, state: &mut MonitorState) -> Next {
    state.policy.relax();
    state.sampler.forget();
    state.quiet += 1;
    if state.quiet < MONITOR_IDLE_TICKS {
        return Next::Soon;
    }
    state.quiet = 0;
    // A push that sees it awake is counted here, as in `notify`.
    // Tick.1
    registry.watch.clear_awake();
    // Tick.2
    if registry.queues.count() == 0 {
        return Next::WhenNotified;
    }
    registry.watch.set_awake();
    Next::Soon
}

/// Wakes or creates the workers that are missing: a thread may have been refused, or deferred.
/// Returns how many workers are active, the target, and the maximum.
fn restore_target(registry: &Arc<Registry>, backlog: usize) -> (usize, usize, usize) {
    let size = || {
        let counts = registry.idle.lock();
        (counts.threads, (counts.active, counts.target, counts.max))
    };
    let (threads, (active, target, _)) = size();
    // Where there is no thread at all, a push creates the first.
    if threads > 0 {
        let missing = target.saturating_sub(active).min(backlog);
        let _ = (0..missing).all(|_| registry.wake_or_spawn());
    }
    size().1
}

fn grow(registry: &Arc<Registry>, by: usize) {
    registry.idle.raise_target(by);
    let _ = (0..by).all(|_| registry.wake_or_spawn());
}
