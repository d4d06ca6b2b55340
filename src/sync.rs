//! The only file that names locks, atomics, threads, channels and clocks, so that a model checker's
//! twins can take their place.
//!
//! Everything has the shape of `parking_lot`: `lock()` returns a guard, never a `Result`.

#[cfg(not(all(test, any(loom, shuttle))))]
mod real {
    pub(crate) use crossbeam_channel::{Receiver, Sender, unbounded};
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::sync::OnceLock;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use std::thread_local;
    pub(crate) use std::time::Instant;

    /// True if nothing else refers to the value. There must be no `Weak` to it: so nothing else
    /// ever will, and what those have done that did is visible.
    #[inline]
    pub(crate) fn is_sole<T>(value: &std::sync::Arc<T>) -> bool {
        let is_sole = std::sync::Arc::strong_count(value) == 1;
        // ORDERING: a reference that is dropped counts itself out with Release.
        std::sync::atomic::fence(Ordering::Acquire);
        is_sole
    }

    /// What `thread.rs` builds on.
    pub(super) use std::thread as system;

    /// Values that live as long as the process.
    macro_rules! statics {
        ($($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;)+) => {
            $($(#[$attr])* static $name: $type = $init;)+
        };
    }
    pub(crate) use statics;

    /// Hints to the processor that this is a wait loop.
    pub(crate) fn spin_hint() {
        std::hint::spin_loop();
    }

    pub(crate) use std::thread::yield_now;

    /// Waits on `condvar` until `deadline`; true when the deadline has passed.
    pub(crate) fn wait_until<T>(
        condvar: &Condvar,
        guard: &mut MutexGuard<'_, T>,
        deadline: Option<Instant>,
    ) -> bool {
        match deadline {
            None => {
                condvar.wait(guard);
                false
            }
            Some(deadline) => condvar.wait_until(guard, deadline).timed_out(),
        }
    }

    /// True on the thread that `main` runs on; may be asked while its thread-locals are destroyed.
    pub(crate) fn is_main_thread() -> bool {
        std::thread::current().name() == Some("main")
    }

    /// The calling thread's id, without touching a reference count after the first call.
    pub(crate) fn thread_id() -> std::thread::ThreadId {
        use std::thread::ThreadId;
        std::thread_local! {
            static ID: std::cell::OnceCell<ThreadId> = const { std::cell::OnceCell::new() };
        }
        ID.try_with(|id| *id.get_or_init(|| std::thread::current().id()))
            .unwrap_or_else(|_| std::thread::current().id())
    }
}

// Only in test builds, because a checker is a dependency of tests.
#[cfg(all(test, any(loom, shuttle)))]
#[path = "sync/model.rs"]
pub(crate) mod model;
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) use model::*;
#[cfg(not(all(test, any(loom, shuttle))))]
pub(crate) use real::*;

mod take_once;
pub(crate) use take_once::TakeOnce;
pub(crate) mod thread;
pub(crate) use thread::{JoinHandle, Thread, ThreadId};

// The counts of an `Arc` are the standard library's in every build: the checkers' own `Arc` cannot
// hold a `dyn`.
pub(crate) use std::sync::{Arc, Weak};
pub(crate) use std::time::Duration;

/// A place where two threads race; in builds with `--cfg chaos` a thread is delayed here, elsewhere
/// it costs nothing.
#[inline(always)]
pub(crate) fn chaos_point() {
    #[cfg(chaos)]
    chaos::inject_delay();
    #[cfg(all(test, shuttle))]
    model::inject_long_delay();
}

#[cfg(chaos)]
mod chaos {
    use std::cell::Cell;

    std::thread_local! {
        static SEED: Cell<u64> = const { Cell::new(0x9E37_79B9_7F4A_7C15) };
    }

    /// Yields one time in four and sleeps one time in 256, by a xorshift generator of this thread.
    pub(super) fn inject_delay() {
        let roll = SEED
            .try_with(|seed| {
                let mut x = seed.get() ^ (std::ptr::from_ref(seed) as u64).rotate_left(17);
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                seed.set(x);
                x
            })
            .unwrap_or(0);
        if roll % 256 == 0 {
            std::thread::sleep(std::time::Duration::from_micros(200));
        } else if roll % 4 == 0 {
            std::thread::yield_now();
        }
    }
}

/// How many threads can run at the same time.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
}

/// Returns the moment `duration` from now, or `None` (no limit) if the clock cannot represent it.
pub(crate) fn deadline_after(duration: Duration) -> Option<Instant> {
    Instant::now().checked_add(duration)
}
