//! A user's value that a struct of this crate holds outside of a task: dropped without recursion,
//! and a panic in that is reported.

use std::ops::{Deref, DerefMut};

use crate::drop_queue;
use crate::unhandled::drop_reporting;

/// The value. Its drop may happen on any thread, and passes no panic on.
pub(crate) struct Flat<V: 'static>(Option<V>);

impl<V: 'static> Flat<V> {
    pub(crate) fn new(value: V) -> Flat<V> {
        Flat(Some(value))
    }

    pub(crate) fn into_inner(mut self) -> V {
        self.0.take().expect("only its drop takes the value")
    }
}

impl<V: 'static> Deref for Flat<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.0.as_ref().expect("only its drop takes the value")
    }
}

impl<V: 'static> DerefMut for Flat<V> {
    fn deref_mut(&mut self) -> &mut V {
        self.0.as_mut().expect("only its drop takes the value")
    }
}

impl<V: 'static> Drop for Flat<V> {
    fn drop(&mut self) {
        if std::mem::needs_drop::<V>()
            && let Some(value) = self.0.take()
        {
            drop_queue::flat(move || drop_reporting(value));
        }
    }
}
