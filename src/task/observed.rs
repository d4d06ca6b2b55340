//! The way from a subscription to the task that it observes.

use super::wrapped::{Around, Wrapped};
use crate::cell::AnyCell;
use crate::cell::step::Step;
use crate::sync::{Arc, Mutex, Weak};

/// From this size of a cell on, in bytes, a subscription has no weak reference to it.
const LARGE: usize = 512;

/// A weak reference keeps the cell's allocation, which contains the value. So for a large cell the
/// reference is dropped with the observer's step, which costs one allocation.
pub(super) enum Observed {
    Nothing,
    Small(Weak<dyn AnyCell>),
    Large(Way),
    /// Something else than a task is observed.
    Elsewhere(Arc<dyn Registration>),
}

/// What a subscription to something else than a task can take back.
pub(crate) trait Registration: Send + Sync {
    /// Removes the observer and drops it; false when it is running, or was removed before.
    fn remove(self: Arc<Self>) -> bool;
}

/// Invariant: empty once the step is dropped. No lock is taken under this one, and no step is
/// dropped.
type Way = Arc<Mutex<Option<Weak<dyn AnyCell>>>>;

impl Observed {
    #[inline]
    pub(super) fn is_large(cell: &Arc<dyn AnyCell>) -> bool {
        size_of_val(&**cell) >= LARGE
    }

    /// The way to a large `cell`, and the step to register there.
    pub(super) fn large(cell: &Arc<dyn AnyCell>, step: Box<dyn Step>) -> (Observed, Box<dyn Step>) {
        let way = Arc::new(Mutex::new(Some(Arc::downgrade(cell))));
        let step = Wrapped::new(Tied(way.clone()), step);
        (Observed::Large(way), Box::new(step))
    }

    /// `None` if the cell or the step is dropped.
    pub(super) fn cell(&self) -> Option<Arc<dyn AnyCell>> {
        match self {
            Observed::Nothing | Observed::Elsewhere(_) => None,
            Observed::Small(way) => way.upgrade(),
            Observed::Large(way) => way.lock().as_ref()?.upgrade(),
        }
    }
}

/// Clears the reference to a cell when it is dropped with the observer's step.
struct Tied(Way);

impl Around for Tied {}

impl Drop for Tied {
    fn drop(&mut self) {
        let way = self.0.lock().take();
        drop(way);
    }
}
