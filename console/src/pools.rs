//! Notes the events of a pool.

use std::sync::{Arc, Weak};

use fast_async::task::SubscriptionGuard;
use fast_async::{EventKind, Pool, TaskError, TaskEvent};

use crate::shared::Shared;
use crate::tasks::{About, Noted, State};

/// Notes the events of the pool with this number, until what is returned is dropped.
pub(crate) fn watch(number: usize, pool: &Pool, shared: &Arc<Shared>) -> SubscriptionGuard {
    // The pool may outlive the console.
    let shared: Weak<Shared> = Arc::downgrade(shared);
    let events = pool.events();
    let subscription = events.subscribe(move |event| {
        if let Some(shared) = shared.upgrade() {
            note(number, event, &shared);
        }
    });
    subscription.guard()
}

fn note(pool: usize, event: &TaskEvent, shared: &Shared) {
    let about = About {
        id: event.id().as_u64(),
        pool,
        name: event.name(),
        location: event.location(),
        parent: event.parent().map(|parent| parent.as_u64()),
    };
    // Calls the `Display` of users' errors: without a lock.
    let text = match event.kind() {
        EventKind::Retrying { .. } => Some(event.kind().to_string()),
        EventKind::Settled { failure } => failure.as_ref().map(ToString::to_string),
        _ => None,
    };
    shared.tasks.note(about, shared.now(), |task| {
        tell(task, event.kind(), text.as_deref());
    });
}

fn tell(task: &mut Noted<'_>, kind: &EventKind, text: Option<&str>) {
    match kind {
        EventKind::Started => task.started(),
        EventKind::Progress { done, total } => task.progress(*done, *total),
        EventKind::Message(message) => task.message(message),
        EventKind::Retrying { .. } => task.retrying(text.unwrap_or_default()),
        EventKind::Settled { failure } => {
            let is_cancelled = failure.as_ref().map(TaskError::is_cancelled);
            let state = match is_cancelled {
                None => State::Succeeded,
                Some(true) => State::Cancelled,
                Some(false) => State::Failed,
            };
            task.ended(state, text);
        }
        _ => {}
    }
}
