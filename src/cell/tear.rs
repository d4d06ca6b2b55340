//! Drops what a cell leaves behind.

use super::About;
use super::head::Body;
use super::state::{Phase, State};
use crate::{teardown, unhandled};

/// What is left of a cell whose drop had to wait.
struct Remains {
    about: About,
    state: State,
    head: Box<dyn Body>,
}

impl Drop for Remains {
    fn drop(&mut self) {
        down(&mut self.about, &mut self.state, &mut *self.head);
    }
}

/// Drops what is in a cell, whose last reference has gone.
///
/// That may happen anywhere, even while a panic unwinds; a panicking `Drop` of the user's must not
/// get past here.
pub(super) fn down(about: &mut About, state: &mut State, head: &mut dyn Body) {
    let is_bare = about.extra.is_none() && about.pool.is_none();
    if is_bare && state.is_bare() && head.slot().is_some_and(|slot| slot.is_empty()) {
        return;
    }
    let Some(_level) = teardown::enter() else {
        let remains = Remains {
            about: About {
                location: about.location,
                extra: about.extra.take(),
                pool: about.pool.take(),
            },
            state: std::mem::replace(state, State::new(Phase::Gone)),
            head: head.take(),
        };
        return teardown::later(move || drop(remains));
    };
    unhandled::discard_by(&mut || head.clear());
    if let Some(step) = state.last.take() {
        unhandled::discard(step);
    }
    while let Some((step, _)) = state.steps.pop() {
        unhandled::discard(step);
    }
    unhandled::discard(state.waiter.take());
    // Executors, callbacks of tokens and hooks of pools are the user's too.
    unhandled::discard(state.take_rare());
    unhandled::discard(about.extra.take());
    unhandled::discard(about.pool.take());
}
