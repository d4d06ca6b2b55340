//! The place of an executor's job in the queue of a pool that has a limit.
//!
//! The job belongs to a task that knows nothing of this pool, so the place is an object of its own.
//! A cancel of that task gives it back at once; the job stays in the queue, and does nothing.

use super::registry::Registry;
use crate::error::ErrorKind;
use crate::executor::{Job, Origin, Place, RunResult, Runnable};
use crate::sync::{Arc, AtomicU32, Ordering, Weak, chaos_point};

/// The job is not in the queue yet.
const FREE: u32 = 0;
const TAKEN: u32 = 1;
/// It was given back, or is not wanted any more.
const LEFT: u32 = 2;

pub(super) struct Seat {
    /// `FREE`, `TAKEN` or `LEFT`. `LEFT` is final: the thread that writes it over `TAKEN`, or that
    /// would write `TAKEN` over it, releases the place.
    state: AtomicU32,
    registry: Weak<Registry>,
}

impl Seat {
    pub(super) fn new(registry: &Arc<Registry>) -> Arc<Seat> {
        Arc::new(Seat {
            state: AtomicU32::new(FREE),
            registry: Arc::downgrade(registry),
        })
    }

    /// The queue has counted the job.
    fn take(&self) {
        // Only this state guards anything, so the order of other memory does not matter.
        let took = self
            .state
            .compare_exchange(FREE, TAKEN, Ordering::Relaxed, Ordering::Relaxed);
        if took.is_err() {
            self.release();
        }
    }

    /// True: the caller releases the place.
    fn leave(&self) -> bool {
        self.state.swap(LEFT, Ordering::Relaxed) == TAKEN
    }

    fn release(&self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.release_place();
        }
    }
}

impl Place for Seat {
    fn give_back(&self) {
        chaos_point();
        if self.leave() {
            self.release();
        }
    }
}

/// A job with its place.
pub(super) struct Seated {
    job: Arc<dyn Runnable>,
    seat: Arc<Seat>,
}

impl Seated {
    pub(super) fn runnable(job: Job, seat: Arc<Seat>) -> Arc<dyn Runnable> {
        if !job.note_place(seat.clone()) {
            // It was cancelled before, and needs no place.
            seat.give_back();
        }
        let job = job.into_work();
        Arc::new(Seated { job, seat })
    }
}

impl Runnable for Seated {
    fn run(self: Arc<Self>) -> RunResult {
        self.job.clone().run()
    }

    fn hand_off(self: Arc<Self>) {
        self.job.clone().hand_off();
    }

    fn hand_off_to_pool(self: Arc<Self>) {
        self.job.clone().hand_off_to_pool();
    }

    fn reject(self: Arc<Self>, kind: ErrorKind, why: &'static str) -> bool {
        self.job.clone().reject(kind, why)
    }

    fn take_place(&self) {
        self.seat.take();
    }

    fn give_place_back(&self) -> bool {
        self.seat.leave()
    }

    fn is_spent(&self) -> bool {
        self.job.is_spent()
    }

    fn origin(&self) -> Option<Origin> {
        self.job.origin()
    }
}
