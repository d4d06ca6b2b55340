//! Asks the system what a thread is doing: whether it sleeps and in which call, and how much
//! processor time it has used or waited for.
//!
//! On Linux the answer is in `/proc`; on other systems, and without access to `/proc`, it is
//! "unknown".

use std::fs;

/// What the system reports about one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadState {
    /// It neither runs nor is ready to.
    pub(super) asleep: bool,
    /// It sleeps, possibly until another thread of this process releases a lock.
    pub(super) may_wait_for_lock: bool,
    /// The time that it has run or been ready to run so far, in nanoseconds. Not every kernel
    /// counts it.
    pub(super) wanted: Option<u64>,
}

impl ThreadState {
    /// What is supposed of a worker at a job where the system does not tell: that it sleeps.
    /// Whether it does then shows in the idle processors.
    pub(super) const UNKNOWN: ThreadState = ThreadState {
        asleep: true,
        may_wait_for_lock: false,
        wanted: None,
    };
}

/// The system calls in which threads wait for one another: those behind locks, condition variables
/// and parked threads, and those that change the memory map of the process, which run one at a
/// time. A thread asleep in any other call waits for something outside this process.
const LOCK_SYSCALLS: &[u64] = if cfg!(target_arch = "x86_64") {
    // futex; mmap, mprotect, munmap, brk, mremap, madvise; futex_waitv, futex_wait
    &[202, 9, 10, 11, 12, 25, 28, 449, 455]
} else if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) {
    // The same.
    &[98, 222, 226, 215, 214, 216, 233, 449, 455]
} else {
    &[]
};

/// The system's number of the calling thread, or 0.
pub(crate) fn own_system_id() -> u64 {
    if !cfg!(all(target_os = "linux", not(loom), not(shuttle))) {
        return 0;
    }
    // A link to "<process>/task/<thread>".
    fs::read_link("/proc/thread-self")
        .ok()
        .and_then(|link| link.file_name()?.to_str()?.parse().ok())
        .unwrap_or(0)
}

pub(super) fn query(system_id: u64) -> Option<ThreadState> {
    let folder = format!("/proc/self/task/{system_id}");
    let asleep = !is_runnable(&format!("{folder}/stat"))?;
    // "<ran> <waited for a processor> <time slices>"
    let times = asleep.then(|| fs::read_to_string(format!("{folder}/schedstat")).ok());
    let wanted = times.flatten().and_then(|times| {
        let mut times = times.split_whitespace().map(str::parse::<u64>);
        Some(times.next()?.ok()? + times.next()?.ok()?)
    });
    let may_wait_for_lock = asleep && waits_outside(&format!("{folder}/syscall")) != Some(true);
    Some(ThreadState {
        asleep,
        may_wait_for_lock,
        wanted,
    })
}

/// Whether a thread sleeps in a call that no other thread of this process has a part in. `None`: it
/// is in no call, or the system does not tell.
fn waits_outside(syscall: &str) -> Option<bool> {
    let syscall = fs::read_to_string(syscall).ok()?;
    // "<number> <arguments>", "-1 .." outside of calls, "running"
    let number: u64 = syscall.split_whitespace().next()?.parse().ok()?;
    (!LOCK_SYSCALLS.is_empty()).then(|| !LOCK_SYSCALLS.contains(&number))
}

/// Whether a thread of this process, other than `except`, runs or is ready to. What sleeping
/// threads wait for may be a lock that such a thread holds.
pub(super) fn any_thread_runs(except: u64) -> bool {
    let Ok(threads) = fs::read_dir("/proc/self/task") else {
        return true;
    };
    let own = except.to_string();
    threads.flatten().any(|thread| {
        let stat = thread.path().join("stat");
        thread.file_name() != *own.as_str() && is_runnable(&stat.to_string_lossy()).unwrap_or(false)
    })
}

fn is_runnable(stat: &str) -> Option<bool> {
    let stat = fs::read_to_string(stat).ok()?;
    // "<number> (<name>) <state> ..."; the name may hold anything, parentheses too.
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    Some(state == 'R')
}

#[cfg(all(test, target_os = "linux", not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Arc, mpsc};

    #[test]
    fn distinguishes_a_spinning_thread_from_a_blocked_one() {
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
        assert!(!query(id(&spinning.0)).unwrap().asleep);
        assert!(any_thread_runs(own_system_id()), "the spinner does");
        let sleeping = id(&blocked);
        while !query(sleeping).unwrap().asleep {
            std::thread::yield_now();
        }
        assert!(
            query(sleeping).unwrap().may_wait_for_lock,
            "it waits for a channel"
        );
        spinning.1.store(true, Ordering::Release);
        drop(release);
        spinner.join().unwrap();
        sleeper.join().unwrap();
        // A thread that has ended is unknown; the system forgets it a moment after it can be
        // joined.
        while query(sleeping).is_some() {
            std::thread::yield_now();
        }
    }
}
