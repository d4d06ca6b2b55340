//! Listeners to the events of a task: what tells them, and the step that tells them last.

use super::slot::Slot;
use super::state::Role;
use super::step::{Flow, Step};
use super::{AnyCell, register};
use crate::error::TaskError;
use crate::event::{self, About, Emitter, Listener, TaskId};
use crate::pool::Pool;
use crate::sync::Arc;
use crate::timer::TimeSource;
use crate::unhandled;

/// Adds a listener to the events of a task. The caller registers the step that is returned, which
/// tells the listener how the task has settled. `parent`: the task that has spawned this one, if it
/// is known.
pub(crate) fn listen(
    cell: &Arc<dyn AnyCell>,
    listener: Arc<dyn Listener>,
    parent: Option<TaskId>,
) -> TellSettled {
    let emitter = emitter_of(cell, parent);
    let number = emitter.add(listener);
    TellSettled {
        emitter,
        number,
        failure: None,
        is_told: false,
    }
}

/// The task of `cell` is about to be queued in a pool that has listeners.
#[cold]
pub(crate) fn announce(pool: &Pool, cell: &Arc<dyn AnyCell>) {
    for listener in pool.listeners().all() {
        let step = listen(cell, listener, event::current());
        register(cell, Box::new(step), Role::Observer);
    }
}

/// The emitter of a task; the first call makes it.
fn emitter_of(cell: &Arc<dyn AnyCell>, parent: Option<TaskId>) -> Arc<Emitter> {
    let meta = cell.meta();
    let time = meta.pool.as_ref().map_or(TimeSource::System, Pool::time);
    let (emitter, upstream) = {
        let mut inner = cell.shell().inner.lock();
        let has_closure = inner.head.slot().is_none();
        let emitter = inner.state.emitter(has_closure, |stage| {
            let about = About::new(meta.name().cloned(), meta.location, parent);
            Emitter::new(about, time, stage)
        });
        let upstream = inner.state.upstream().map(|upstream| upstream.to.clone());
        (emitter, upstream)
    };
    match (meta.token(), &upstream) {
        (Some(token), _) => token.connect(&emitter),
        (None, Some(upstream)) => upstream.clone().connect(&emitter),
        (None, None) => {}
    }
    // It may be the last reference, to values of the user.
    unhandled::drop_reporting(upstream);
    emitter
}

/// Finds the failure of a task whose outcome is not in its cell. `None`: it has a value.
pub(crate) type FailureOf = Box<dyn Fn() -> Option<TaskError> + Send>;

/// The step that tells a listener how the task has settled.
pub(crate) struct TellSettled {
    emitter: Arc<Emitter>,
    /// The listener's.
    number: u64,
    failure: Option<FailureOf>,
    is_told: bool,
}

impl TellSettled {
    /// For a shared task.
    pub(crate) fn by(mut self, failure: FailureOf) -> TellSettled {
        self.failure = Some(failure);
        self
    }

    /// Returns the emitter, and the number of the listener.
    pub(crate) fn listener(&self) -> (Arc<Emitter>, u64) {
        (self.emitter.clone(), self.number)
    }

    fn tell(&mut self, failure: Option<TaskError>) {
        self.is_told = true;
        self.emitter.settle(self.number, failure);
    }
}

impl Step for TellSettled {
    fn run(&mut self, input: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        let failure = match &self.failure {
            Some(failure) => failure(),
            None => input.failure().cloned(),
        };
        self.tell(failure);
        Flow::Observed
    }

    fn cancel(&mut self, error: &TaskError) {
        self.tell(Some(error.clone()));
    }
}

impl Drop for TellSettled {
    /// An executor has dropped its job, or the listener has left.
    fn drop(&mut self) {
        if !self.is_told {
            self.emitter.abandon(self.number);
        }
    }
}
