//! Wakes threads that wait while they own a loop, when a job is sent to that loop.

// Locks: EARS alone. Only threads of this crate's waits are woken, and without the lock.

use std::cell::Cell;
use std::task::Waker;

use crate::sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering};
use crate::thread_waker;

crate::sync::thread_local! {
    /// The number of runs of loops on this thread, and of loops that only it may run.
    static LOOPS: Cell<u32> = const { Cell::new(0) };
}

crate::sync::statics! {
    static EARS: Mutex<Vec<Arc<Ear>>> = Mutex::new(Vec::new());
    /// A loop's queue was made, at some time. A hint for long waits.
    static HAS_LOOPS: AtomicBool = AtomicBool::new(false);
    /// The number of listeners. Raised before the thread checks what it waits for.
    static LISTENING: AtomicUsize = AtomicUsize::new(0);
}

/// A loop runs on this thread, or can run on no other.
pub(crate) struct Turning(());

impl Turning {
    pub(crate) fn begin() -> Turning {
        let _ = LOOPS.try_with(|loops| loops.set(loops.get() + 1));
        Turning(())
    }
}

impl Drop for Turning {
    fn drop(&mut self) {
        let _ = LOOPS.try_with(|loops| loops.set(loops.get() - 1));
    }
}

/// A loop's queue was made.
pub(crate) fn note_loop() {
    HAS_LOOPS.store(true, Ordering::Relaxed);
}

/// True once a loop's queue was made in this process.
pub(crate) fn has_loops() -> bool {
    HAS_LOOPS.load(Ordering::Relaxed)
}

/// True when a loop relies on this thread.
pub(crate) fn is_relied_on() -> bool {
    LOOPS.try_with(Cell::get).unwrap_or(0) > 0
}

struct Ear {
    is_nudged: AtomicBool,
    waker: Waker,
}

/// A waiting thread that a loop relies on.
pub(crate) struct Listener(Arc<Ear>);

/// From now on `waker` is called for everything that might be for this thread to run. `None`: no
/// loop relies on it.
pub(crate) fn listen(waker: impl FnOnce() -> Waker) -> Option<Listener> {
    if !is_relied_on() {
        return None;
    }
    let ear = Arc::new(Ear {
        is_nudged: AtomicBool::new(false),
        waker: waker(),
    });
    EARS.lock().push(ear.clone());
    // ORDERING: relaxed is enough. A change and the read of it by this thread are both under the
    // lock of a cell. Either this thread sees the change, or the change comes later and its author
    // sees the count.
    LISTENING.fetch_add(1, Ordering::Relaxed);
    Some(Listener(ear))
}

impl Listener {
    /// Returns true if a job or adoption has arrived since the last call.
    pub(crate) fn is_nudged(&self) -> bool {
        // ORDERING: acquires what was sent before the unpark.
        self.0.is_nudged.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENING.fetch_sub(1, Ordering::Relaxed);
        let mut ears = EARS.lock();
        ears.retain(|ear| !Arc::ptr_eq(ear, &self.0));
    }
}

/// Something was sent to a loop, or a task waits for another than before. Call it after the change,
/// without a lock.
pub(crate) fn unpark() {
    // ORDERING: see `listen`.
    if LISTENING.load(Ordering::Relaxed) > 0 {
        nudge_all();
    }
}

#[cold]
fn nudge_all() {
    let ears = EARS.lock().clone();
    for ear in ears {
        // ORDERING: releases what was sent before. A swap, as in `is_nudged`: none of the two can
        // be lost on the other.
        ear.is_nudged.swap(true, Ordering::AcqRel);
        thread_waker::wake(ear.waker.clone());
    }
}
