//! The emitter of a task's events, and where listeners to them run.

use super::{HeadState, State, UpstreamRef};
use crate::cell::step::Route;
use crate::event::{Emitter, Stage};
use crate::executor::Executor;
use crate::sync::Arc;

impl State {
    /// Returns the emitter; the first call makes it by `make`. `has_closure`: the closure is in the
    /// cell.
    pub(crate) fn emitter(
        &mut self,
        has_closure: bool,
        make: impl FnOnce(Stage) -> Arc<Emitter>,
    ) -> Arc<Emitter> {
        let stage = match self.head_state {
            HeadState::Running | HeadState::Ran => Stage::Started,
            HeadState::Waiting if self.has_begun_elsewhere() => Stage::Started,
            HeadState::Waiting if has_closure => Stage::Queued,
            HeadState::Waiting | HeadState::Over => Stage::None,
        };
        let rare = self.rare.get_or_insert_default();
        rare.emitter.get_or_insert_with(|| make(stage)).clone()
    }

    /// The closure begins. Returns what the task waited for, and what tells its listeners.
    #[inline]
    pub(crate) fn take_to_begin(&mut self) -> (Option<UpstreamRef>, Option<Arc<Emitter>>) {
        match &mut self.rare {
            None => (None, None),
            Some(rare) => (rare.upstream.take(), rare.emitter.clone()),
        }
    }

    /// The work for the resolver of an open task begins. Returns what tells the listeners, for the
    /// first call.
    pub(crate) fn begin_elsewhere(&mut self) -> Option<Arc<Emitter>> {
        let rare = self.rare.get_or_insert_default();
        let is_first = !std::mem::replace(&mut rare.begun_elsewhere, true);
        rare.emitter.clone().filter(|_| is_first)
    }

    pub(crate) fn has_begun_elsewhere(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.begun_elsewhere)
    }

    /// Returns the executor of listeners to the events. `None`: the pool.
    pub(crate) fn hears_on(&self) -> Option<Arc<dyn Executor>> {
        self.rare.as_ref()?.hears.clone()
    }

    /// The chain is sent to `route`. Returns the previous executor of listeners.
    pub(super) fn hear_on(&mut self, route: &Route) -> Option<Arc<dyn Executor>> {
        let hears = match route {
            Route::Executor(executor) => Some(executor.clone()),
            Route::Pool | Route::Inline => None,
        };
        match &mut self.rare {
            None if hears.is_none() => None,
            rare => std::mem::replace(&mut rare.get_or_insert_default().hears, hears),
        }
    }
}
