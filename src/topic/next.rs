//! Tasks for the next value of a topic.

use std::panic::Location;

use super::entry::{Listener, Node};
use super::hub::{Hub, Since};
use crate::cell::call_off::enlist;
use crate::cell::state::Phase;
use crate::cell::{UpstreamRef, with_state};
use crate::error::{At, ErrorKind, TaskError};
use crate::guard;
use crate::promise::{Resolver, deferred_in};
use crate::sync::Arc;
use crate::task::Task;

/// Settles a task with the first value that the predicate is true for.
pub(super) struct Waiter<T: Send + Sync + 'static, P> {
    /// `None` once it has settled the task.
    resolver: Option<Resolver<Arc<T>>>,
    predicate: P,
    location: &'static Location<'static>,
}

impl<T: Send + Sync + 'static, P> Waiter<T, P> {
    /// Makes one, and its task.
    #[track_caller]
    pub(super) fn new(hub: &Hub<T>, predicate: P) -> (Waiter<T, P>, Task<Arc<T>>) {
        let location = Location::caller();
        // Continuations of the task must not delay the topic: they run on its pool.
        let (resolver, task) = deferred_in(hub.pool(), location);
        let waiter = Waiter {
            resolver: Some(resolver),
            predicate,
            location,
        };
        (waiter, task)
    }

    fn at(&self) -> At<'static> {
        At {
            location: self.location,
            task: None,
        }
    }

    fn settle(&mut self, outcome: Result<Arc<T>, TaskError>) {
        if let Some(resolver) = self.resolver.take() {
            // It was cancelled if it is too late.
            let _ = resolver.settle(outcome);
        }
    }
}

impl<T, P> Listener<T> for Waiter<T, P>
where
    T: Send + Sync + 'static,
    P: FnMut(&T) -> bool + Send + 'static,
{
    fn hear(&mut self, value: &Arc<T>) -> bool {
        let outcome = match guard::catch(|| (self.predicate)(value)) {
            Ok(false) => return true,
            Ok(true) => Ok(value.clone()),
            Err(payload) => Err(TaskError::panicked(payload, self.at())),
        };
        self.settle(outcome);
        false
    }

    fn end(mut self: Box<Self>) {
        let why = "the topic was closed before the value came";
        let at = Some(self.at());
        self.settle(Err(TaskError::noted(ErrorKind::Abandoned, why, at)));
    }

    fn is_task(&self) -> bool {
        true
    }
}

/// Returns a task for the next value that `predicate` is true for.
#[track_caller]
pub(super) fn next<T, P>(hub: &Hub<T>, predicate: P) -> Task<Arc<T>>
where
    T: Send + Sync + 'static,
    P: FnMut(&T) -> bool + Send + 'static,
{
    let (waiter, task) = Waiter::new(hub, predicate);
    match hub.add(Box::new(waiter), Since::Now) {
        Ok((node, _)) => {
            tie(&task, node);
            hub.tune();
        }
        Err(refused) => refused.into_listener().end(),
    }
    task
}

/// Has a cancel of the task take its waiter out, also one by the tokens of the topic's pool.
pub(super) fn tie<T>(task: &Task<Arc<T>>, node: Arc<Node>) {
    let Some(cell) = task.cell() else { return };
    with_state(&**cell, |state| {
        if state.phase() == Phase::Open {
            let (to, step_id) = (node, 0);
            let _ = state.set_upstream(UpstreamRef { to, step_id });
        }
    });
    if cell.meta().is_under_tokens() {
        enlist(cell);
    }
}
