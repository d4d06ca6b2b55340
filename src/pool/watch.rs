//! The monitor's thread, for threads that wake it.

// Lock: `thread`. It may be taken under the lock of the counts, and no other lock under it.

use std::io;

use crate::sync::{AtomicBool, AtomicU64, JoinHandle, Mutex, Ordering, Thread, thread_id};

pub(super) struct Watch {
    /// Set by the push that wakes the monitor, cleared by the monitor before it sleeps.
    awake: AtomicBool,
    /// `None`: there is no such thread.
    thread: Mutex<Option<Thread>>,
    /// The number of ticks of the monitor, for workers that ask whether time has passed.
    // ORDERING: relaxed, for each access. It is a hint.
    ticks: AtomicU64,
}

impl Watch {
    pub(super) fn new() -> Watch {
        Watch {
            awake: AtomicBool::new(false),
            thread: Mutex::new(None),
            ticks: AtomicU64::new(0),
        }
    }

    pub(super) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// The monitor ticks.
    pub(super) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    // ORDERING: relaxed, for each access to `awake`. The monitor clears it, and then counts the
    // jobs under the lock of each queue. A push queues its job under such a lock, and then reads
    // `awake`. Either the monitor counts the job, or the lock makes the cleared flag visible to the
    // push.

    pub(super) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::Relaxed)
    }

    /// Returns true for the one caller that found the flag cleared: it wakes the monitor.
    pub(super) fn set_awake(&self) -> bool {
        !self.awake.swap(true, Ordering::Relaxed)
    }

    pub(super) fn clear_awake(&self) {
        self.awake.store(false, Ordering::Relaxed);
    }

    /// Wakes the thread if there is one, and starts one with `start` otherwise. Returns the handle
    /// of a thread that was started.
    pub(super) fn wake_or_start(
        &self,
        start: impl FnOnce() -> io::Result<JoinHandle<()>>,
    ) -> io::Result<Option<JoinHandle<()>>> {
        let mut thread = self.thread.lock();
        if let Some(thread) = &*thread {
            thread.unpark();
            return Ok(None);
        }
        let handle = start()?;
        *thread = Some(handle.thread().clone());
        Ok(Some(handle))
    }

    /// Has the monitor examine the pool now, if its thread exists. Without effect on the monitor's
    /// own thread, which does that anyway.
    pub(super) fn unpark(&self) {
        let thread = self.thread.lock();
        if let Some(thread) = thread.as_ref().filter(|thread| thread.id() != thread_id()) {
            thread.unpark();
        }
    }

    /// The thread is about to end.
    pub(super) fn remove_thread(&self) {
        *self.thread.lock() = None;
    }

    pub(super) fn thread(&self) -> Option<Thread> {
        self.thread.lock().clone()
    }
}
