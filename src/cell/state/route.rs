//! Where the steps of a task run, and how they are handed over.

use super::{Handoff, Phase, Registered, Role, State, UpstreamRef};
use crate::cell::step::{Route, Step};
use crate::executor::{Executor, Place};
use crate::sync::Arc;

/// What a chain that is sent elsewhere leaves: the previous route, and the previous executor of
/// listeners.
pub(crate) type Sent = (Option<Route>, Option<Arc<dyn Executor>>);

impl State {
    /// Where the steps run when they cannot run on the thread that settled the task.
    pub(crate) fn route(&self) -> &Route {
        self.rare.as_ref().map_or(&Route::Pool, |rare| &rare.route)
    }

    /// The steps run neither on the thread that settled the task nor on its pool.
    pub(crate) fn belongs_elsewhere(&self) -> bool {
        matches!(self.route(), Route::Executor(_))
    }

    /// Has the steps run on the pool from now on, not on the thread that delivers the outcome.
    pub(crate) fn run_on_pool(&mut self) {
        self.rare.get_or_insert_default().on_pool = true;
    }

    /// Returns true if the thread that delivers the outcome must not run the steps.
    pub(crate) fn is_on_pool(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.on_pool)
    }

    /// Returns true if the thread that delivers the outcome hands the steps over. It runs them from
    /// its list if they were sent to [`Inline`](crate::Inline), on the pool or not.
    pub(crate) fn leaves(&self) -> bool {
        match self.route() {
            Route::Executor(_) => true,
            Route::Pool => self.is_on_pool(),
            Route::Inline => false,
        }
    }

    /// Returns the id of the last hand-off.
    pub(crate) fn last_handoff(&self) -> Option<u32> {
        self.rare.as_ref().map(|rare| rare.handoff)
    }

    /// Begins to hand the waiting steps over by their route.
    pub(crate) fn begin_handoff(&mut self) -> Handoff {
        if self.phase != Phase::HandedOff {
            return Handoff::Taken;
        }
        let Some(rare) = &mut self.rare else {
            return Handoff::Pool;
        };
        match &rare.route {
            Route::Pool => Handoff::Pool,
            Route::Inline => Handoff::Inline,
            Route::Executor(executor) => {
                rare.arrived = false;
                rare.handoff = rare.handoff.wrapping_add(1);
                rare.queue = None;
                Handoff::Executor(executor.clone(), rare.handoff)
            }
        }
    }

    /// Returns true if the waiting steps may run now: on the pool or inline, on the list of a
    /// thread that works for their executor, or as the job of the last hand-off.
    pub(crate) fn may_run(&self, handoff: Option<u32>) -> bool {
        let given = self.rare.as_ref().map(|rare| rare.handoff);
        match handoff {
            None => !self.belongs_elsewhere() || self.rare.as_ref().is_some_and(|it| it.arrived),
            Some(_) => self.belongs_elsewhere() && handoff == given,
        }
    }

    /// Returns the executor that has the steps in its queue.
    pub(crate) fn sent_to(&self) -> Option<&Arc<dyn Executor>> {
        match self.route() {
            Route::Executor(executor) if self.phase == Phase::HandedOff => {
                let queue = self.rare.as_ref().and_then(|rare| rare.queue.as_ref());
                queue.or(Some(executor))
            }
            _ => None,
        }
    }

    /// Records that the job with the id `handoff` is in the queue of a loop.
    pub(crate) fn note_queue(&mut self, handoff: u32, queue: Arc<dyn Executor>) {
        if self.phase == Phase::HandedOff
            && let Some(rare) = &mut self.rare
            && rare.handoff == handoff
        {
            rare.queue = Some(queue);
        }
    }

    /// The job with the id `handoff` waits in a queue of this crate. Returns what is to be dropped.
    pub(crate) fn wait_in_line(
        &mut self,
        handoff: u32,
        queue: Option<UpstreamRef>,
    ) -> Option<UpstreamRef> {
        match queue {
            Some(queue) if self.is_job(handoff) => self.set_upstream(queue),
            queue => queue,
        }
    }

    /// The job with the id `handoff` waits in no queue any more. Returns what is to be dropped.
    pub(crate) fn leave_line(&mut self, handoff: u32) -> Option<UpstreamRef> {
        self.is_job(handoff).then(|| self.take_upstream()).flatten()
    }

    fn is_job(&self, handoff: u32) -> bool {
        self.phase == Phase::HandedOff && self.last_handoff() == Some(handoff)
    }

    /// Records that the job with the id `handoff` has a place in a queue. False: it was used, or is
    /// not the latest.
    pub(crate) fn note_place(&mut self, handoff: u32, place: Arc<dyn Place>) -> bool {
        let is_due = self.is_job(handoff);
        if is_due && let Some(rare) = &mut self.rare {
            rare.place = Some(place);
        }
        is_due
    }

    /// The steps are taken from the job that has them: returns its place.
    pub(crate) fn take_job_place(&mut self) -> Option<Arc<dyn Place>> {
        self.rare.as_mut()?.place.take()
    }

    pub(crate) fn set_route(&mut self, route: Route) -> Route {
        match (&mut self.rare, route) {
            (None, Route::Pool) => Route::Pool,
            (rare, route) => {
                let rare = rare.get_or_insert_default();
                rare.arrived = false;
                rare.sent = true;
                std::mem::replace(&mut rare.route, route)
            }
        }
    }

    /// Sends the steps that are registered from now on elsewhere: sets the route of a settled task,
    /// or else registers the step that `hop` makes of the route. Returns what is to be dropped
    /// without the lock.
    pub(crate) fn send(
        &mut self,
        route: Route,
        hop: impl FnOnce(Route) -> Box<dyn Step>,
    ) -> (Sent, Registered) {
        let hears = self.hear_on(&route);
        if self.phase == Phase::Settled {
            let left = Some(self.set_route(route));
            return ((left, hears), Registered::Pending);
        }
        let (_, registered) = self.register(hop(route), Role::Observer);
        self.rare.get_or_insert_default().sent = true;
        ((None, hears), registered)
    }

    /// True when the chain was sent elsewhere, or will be before a step that is registered now.
    pub(crate) fn is_sent(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.sent)
    }

    /// Records that steps registered from now on may get another route.
    pub(crate) fn expect_route(&mut self) {
        self.rare.get_or_insert_default().sent = true;
    }

    /// Records that the calling thread works for `route`, which is the route of the steps unless
    /// they were sent elsewhere already.
    pub(crate) fn arrive_at(&mut self, route: Route) -> Option<Route> {
        if matches!(route, Route::Pool) || !matches!(self.route(), Route::Pool) {
            return Some(route);
        }
        let before = self.set_route(route);
        self.rare.get_or_insert_default().arrived = true;
        Some(before)
    }

    /// The steps have a driver: clears the record of their hand-off.
    pub(crate) fn depart(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.arrived = false;
        }
    }
}
