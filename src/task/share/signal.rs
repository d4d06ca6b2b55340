//! A step that signals that the steps before it are done, for every outcome.

use crate::cell;
use crate::cell::slot::Slot;
use crate::cell::state::Role;
use crate::cell::step::{Flow, Step};
use crate::error::TaskError;
use crate::sync::Arc;
use crate::task::Task;

/// Calls its closure once: when the steps before it have run, or when none of them ever will.
///
/// The closure is the crate's own: it does not panic.
pub(super) struct Signal<F>(Option<F>);

impl<F: FnOnce() + Send> Signal<F> {
    pub(super) fn new(call: F) -> Signal<F> {
        Signal(Some(call))
    }

    fn send(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

impl<T> Task<T> {
    /// Calls `call`, which does not panic, when the task has ended. Unlike an observer it carries
    /// nothing of the context of the caller, who may be long gone by then.
    pub(crate) fn signal(&self, call: impl FnOnce() + Send + 'static) {
        if let Some(cell) = self.cell() {
            cell::register(cell, Box::new(Signal::new(call)), Role::Observer);
        }
    }
}

impl<F: FnOnce() + Send> Step for Signal<F> {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        self.send();
        Flow::Observed
    }

    fn cancel(&mut self, _: &TaskError) {
        self.send();
    }

    fn reject(&mut self, _: &TaskError) {
        self.send();
    }
}
