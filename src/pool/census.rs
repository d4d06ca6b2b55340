//! Asks the system whether a busy thread is running or asleep, and whether all cores are taken.
//!
//! On Linux the answer stands in `/proc`; elsewhere, and where `/proc` is closed, the answer is
//! "unknown".

use crate::sync::cores;

/// The system's number of the calling thread, or 0.
pub(super) fn own_system_id() -> u64 {
    if !cfg!(all(target_os = "linux", not(loom), not(shuttle))) {
        return 0;
    }
    // A link to "<process>/task/<thread>".
    std::fs::read_link("/proc/thread-self")
        .ok()
        .and_then(|link| link.file_name()?.to_str()?.parse().ok())
        .unwrap_or(0)
}

/// Whether the thread wants the processor: it runs, or would run if a core were free.
pub(super) fn wants_cpu(system_id: u64) -> Option<bool> {
    if system_id == 0 {
        return None;
    }
    let stat = std::fs::read_to_string(format!("/proc/self/task/{system_id}/stat")).ok()?;
    // "<number> (<name>) <state> ..."; the name may hold anything, parentheses too.
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    Some(state == 'R')
}

/// Whether fewer threads than there are cores want a processor in the whole system, the caller not
/// counted.
pub(super) fn a_core_is_idle() -> Option<bool> {
    if cfg!(not(target_os = "linux")) {
        return None;
    }
    // "<1 min> <5 min> <15 min> <running>/<all> <newest>"
    let load = std::fs::read_to_string("/proc/loadavg").ok()?;
    let running: usize = load.split(' ').nth(3)?.split('/').next()?.parse().ok()?;
    Some(running.saturating_sub(1) < cores())
}

#[cfg(all(test, target_os = "linux", not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Arc, mpsc};

    #[test]
    fn tells_a_spinning_thread_from_a_blocked_one() {
        let spinning = Arc::new((AtomicU64::new(0), AtomicBool::new(false)));
        let seen = spinning.clone();
        let spinner = std::thread::spawn(move || {
            seen.0.store(own_system_id(), Ordering::Release);
            while !seen.1.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
        });
        let (release, gate) = mpsc::channel::<()>();
        let blocked = Arc::new(AtomicU64::new(0));
        let told = blocked.clone();
        let sleeper = std::thread::spawn(move || {
            told.store(own_system_id(), Ordering::Release);
            let _ = gate.recv();
        });
        let id = |of: &AtomicU64| {
            while of.load(Ordering::Acquire) == 0 {
                std::thread::yield_now();
            }
            of.load(Ordering::Acquire)
        };
        assert_eq!(wants_cpu(id(&spinning.0)), Some(true));
        let sleeping = id(&blocked);
        while wants_cpu(sleeping) != Some(false) {
            std::thread::yield_now();
        }
        spinning.1.store(true, Ordering::Release);
        drop(release);
        spinner.join().unwrap();
        sleeper.join().unwrap();
        assert_eq!(
            wants_cpu(sleeping),
            None,
            "a thread that is gone is unknown"
        );
    }
}
