//! The values of task locals: those that the code on this thread sees, and those that a closure
//! carries.
//!
//! Where no value is set, a closure that is registered and a dispatch that begins cost one load of
//! a thread-local each.

// No locks. Nothing of the user's is dropped while `Local::current` is borrowed.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use crate::sync::Arc;

/// The value of a key. A panic of its drop is reported there.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// Which closures see a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The one that it is set for.
    Own,
    /// That one, and those that are registered while it runs.
    Inherited,
}

/// Values by the addresses of their keys. A change makes a copy, so a reference is all that a
/// closure carries, and there are never more values than keys.
#[derive(Clone)]
pub(crate) struct Values(Arc<[(usize, Value)]>);

impl Values {
    fn get(&self, key: usize) -> Option<&Value> {
        let found = self.0.iter().find(|(own, _)| *own == key);
        found.map(|(_, value)| value)
    }

    /// These values, and this one in place of an earlier one of its key.
    fn with(before: Option<&Values>, key: usize, value: Value) -> Values {
        let others = before.map_or(&[][..], |before| &*before.0);
        let others = others.iter().filter(|(own, _)| *own != key).cloned();
        Values(others.chain([(key, value)]).collect())
    }
}

/// What the code on a thread sees.
#[derive(Clone)]
struct Current {
    own: Option<Values>,
    inherited: Option<Values>,
}

impl Current {
    const NOTHING: Current = Current {
        own: None,
        inherited: None,
    };

    fn of(&mut self, reach: Reach) -> &mut Option<Values> {
        match reach {
            Reach::Own => &mut self.own,
            Reach::Inherited => &mut self.inherited,
        }
    }
}

struct Local {
    /// `current` has values.
    is_set: Cell<bool>,
    /// Invariant: without values while no [`Entered`] is on the stack of this thread.
    current: ManuallyDrop<RefCell<Current>>,
}

crate::sync::thread_local! {
    /// Nothing in it needs a destructor, so it is there as long as its thread runs, and a look at
    /// `is_set` is a plain load.
    static LOCAL: Local = const { Local {
        is_set: Cell::new(false),
        current: ManuallyDrop::new(RefCell::new(Current::NOTHING)),
    } };
}

/// True if code on this thread sees the value of any key.
#[inline]
pub(crate) fn is_set() -> bool {
    LOCAL.try_with(|local| local.is_set.get()).unwrap_or(false)
}

/// What a closure carries that is registered now.
pub(crate) fn inherited() -> Option<Values> {
    let inherited = LOCAL.try_with(|local| local.current.borrow().inherited.clone());
    inherited.ok().flatten()
}

/// The value of a key that code on this thread sees.
pub(crate) fn find(reach: Reach, key: usize) -> Option<Value> {
    if !is_set() {
        return None;
    }
    let found = LOCAL.try_with(|local| {
        let mut current = local.current.borrow_mut();
        current.of(reach).as_ref()?.get(key).cloned()
    });
    found.ok().flatten()
}

/// Sets the value of a key, until the guard is dropped.
pub(crate) fn set(reach: Reach, key: usize, value: Value) -> Entered {
    let current = LOCAL.try_with(|local| local.current.borrow().clone());
    let mut current = current.unwrap_or(Current::NOTHING);
    let values = current.of(reach);
    *values = Some(Values::with(values.as_ref(), key, value));
    replace(current)
}

/// Has code on this thread see these values alone, until the guard is dropped. `None`: there is
/// nothing to see and nothing to hide.
#[inline]
pub(crate) fn enter(inherited: Option<Values>) -> Option<Entered> {
    if inherited.is_none() && !is_set() {
        return None;
    }
    let own = None;
    Some(replace(Current { own, inherited }))
}

/// Hides what the calling code sees from other code that runs on its stack.
#[inline]
pub(crate) fn hide() -> Option<Entered> {
    enter(None)
}

/// Has code on this thread see other values than before, until it is dropped.
#[must_use = "a drop brings the earlier values back"]
pub(crate) struct Entered(Option<Current>);

#[cold]
fn replace(current: Current) -> Entered {
    let mut current = Some(current);
    let before = LOCAL.try_with(|local| current.take().map(|current| local.swap(current)));
    Entered(before.ok().flatten())
}

impl Local {
    fn swap(&self, current: Current) -> Current {
        let is_set = current.own.is_some() || current.inherited.is_some();
        self.is_set.set(is_set);
        self.current.replace(current)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            drop(replace(before).0.take());
        }
    }
}
