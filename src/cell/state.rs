//! The states of a task, and the transitions between them: plain data, changed under the cell's
//! lock.
//!
//! A transition never calls user code and never drops a user's value; it returns what the caller
//! must do after it has released the lock.
//!
//! | phase | who acts next | the outcome is in | left by |
//! |---|---|---|---|
//! | `Cold` | no thread, until a step is registered | - | `run`, a step, cancel |
//! | `Queued` | a pool thread, or a waiter that claims it | - | claim, cancel, rejection |
//! | `Open` | the owner of the resolver, or what is upstream | - | resolve, resolver dropped, cancel |
//! | `Driving` | the driver: the one thread that runs steps | the driver's stack | settle, follow, hand-off, cancel |
//! | `Following` | the task that was adopted | - | delivery, cancel, path compression (`Forwarded`) |
//! | `HandedOff` | a thread that takes the hand-off | `last`, or the head's slot | claim, cancel, rejection |
//! | `Settled` | no thread: all steps have run | `last`, or the head's slot | a late step (`HandedOff`) |
//! | `Forwarded` | no thread: its steps were moved away | - | never |

mod duty;
mod events;
mod head_state;
mod interrupt;
mod left;
mod route;
mod stopped;
mod transitions;

use std::task::Waker;

pub(crate) use duty::Duty;
pub(crate) use head_state::HeadState;
pub(crate) use interrupt::DeferredCancel;
use interrupt::DeferredFailure;
pub(super) use stopped::Answer;
pub(crate) use stopped::OnStop;
use stopped::Stop;

use super::slot::Slot;
use super::step::{Route, Step};
use super::steps::Steps;
use super::{AnyCell, UpstreamRef, rank};
use crate::cancel::Membership;
use crate::dispatch;
use crate::error::{ErrorKind, TaskError};
use crate::event::Emitter;
use crate::executor::{Executor, Place};
use crate::sync::{Arc, ThreadId, thread_id};
use crate::unhandled;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Cold,
    Queued,
    Open,
    Driving,
    Following,
    HandedOff,
    Settled,
    Forwarded,
}

pub(crate) struct State {
    /// Written by this file and by `transitions`.
    phase: Phase,
    /// No handle is left, or a consumer has taken it: no further consumer will come.
    pub(crate) detached: bool,
    /// A consumer has received the outcome, or will: a failure needs no report.
    pub(crate) handled: bool,
    /// The outcome is the failure with which a cancel settled this task.
    pub(crate) cancelled: bool,
    /// A cancel reached this task at some time: a failure of kind `Cancelled` is not reported.
    pub(crate) called_off: bool,
    /// It holds a place in the queue of a pool that has a limit.
    pub(crate) placed: bool,
    /// The kind of the failure that the outcome was when the driver last stored its progress: for
    /// `status` while the driver has the outcome on its stack.
    pub(crate) failure: Option<ErrorKind>,
    /// The group of the task waits for its end.
    pub(crate) overseen: bool,
    /// Other tasks may wait for it, by a step in its list. Otherwise only a thread that waits for
    /// it can make it part of a cycle.
    pub(crate) has_dependents: bool,
    /// At least the rank of everything that the task waits for; see `rank`. Changed under
    /// `GRAPH`.
    pub(super) rank: u32,
    /// The progress of the head.
    pub(crate) head_state: HeadState,
    /// Links that have not run, the head included. At 0 the outcome is final, though observers may
    /// still run.
    pub(crate) pending_links: u32,
    /// The driver runs observers, with the outcome or with a cancel.
    pub(crate) observing: bool,
    /// An observer has seen the outcome, at some time.
    pub(crate) observed: bool,
    /// Its last handle was dropped while it had work to do, and not by `detach`: it counts among
    /// the tasks that the end of the program would lose.
    pub(crate) dropped: bool,
    /// `driver` polls the future of the task, while the phase is `Open`.
    polled: bool,
    /// Raised when a cancel takes the task from its driver: a driver with an older epoch drops what
    /// it has.
    pub(crate) epoch: u32,
    pub(crate) steps: Steps,
    /// The step whose output is the outcome; `None`: the outcome is in the head's slot.
    pub(crate) last: Option<Box<dyn Step>>,
    /// Wakes what waits for this task: a thread in `wait`, or a future.
    pub(crate) waiter: Option<Waker>,
    /// Fields that most tasks never need.
    rare: Option<Box<Rare>>,
    /// The most recent driver, or the thread that ran the closure if there was no other.
    pub(crate) driver: Option<ThreadId>,
}

/// The upstream references and the route of a task that is not alone on the global pool.
#[derive(Default)]
struct Rare {
    upstream: Option<UpstreamRef>,
    route: Route,
    /// The id of the last hand-off to an executor: only the job with this id may run.
    handoff: u32,
    /// The loop that holds the job with that id, if another executor passed the job on.
    queue: Option<Arc<dyn Executor>>,
    /// The place of that job in the queue of a pool.
    place: Option<Arc<dyn Place>>,
    deferred_cancel: Option<DeferredCancel>,
    /// The route is not the pool, or a registered step will set another.
    sent: bool,
    /// The steps are on the work list of a thread that runs a job of their executor, so they need
    /// no hand-off.
    arrived: bool,
    deferred_failure: Option<DeferredFailure>,
    /// The tokens that cancel the task. `None` once it is settled.
    membership: Option<Box<Membership>>,
    /// The thread that ran the closure, if another has been the driver since.
    thread: Option<ThreadId>,
    /// The steps run on the pool, not on the thread that delivers the outcome. Set by the resolver.
    on_pool: bool,
    /// The work for the resolver has begun, on another machine for example. Set by the resolver.
    begun_elsewhere: bool,
    /// The closures that were still running when a cancel took the task.
    stop: Stop,
    /// Tells the events of the task, once it has had a listener.
    emitter: Option<Arc<Emitter>>,
    /// Where listeners to its events run: the executor that the chain was sent to last.
    hears: Option<Arc<dyn Executor>>,
}

/// What runs the steps of a task after a hand-off.
pub(crate) enum Handoff {
    Pool,
    Inline,
    Executor(Arc<dyn Executor>, u32),
    /// Nothing: another thread has taken the steps.
    Taken,
}

/// The steps that a driver has run without the lock.
#[derive(Clone, Copy, Default)]
pub(crate) struct Progress {
    /// Links that have run, the head included.
    pub(crate) links: u32,
    /// The index in the front of the list. All steps before it are taken.
    pub(crate) place: usize,
}

/// Where the steps of a task run after its outcome was delivered.
#[must_use = "the steps never run otherwise"]
pub(crate) struct Arrival {
    /// They run elsewhere than on this thread.
    leaves: bool,
    /// The previous route, to be dropped without the lock.
    left: Route,
}

impl Arrival {
    /// Has the steps run from this thread's list, or by the executor that they were sent to. The
    /// executor gets them before the next branch of a shared task starts, so branches that are sent
    /// to one executor arrive there in their order (Contract: D1).
    pub(crate) fn proceed(self, cell: Arc<dyn AnyCell>) {
        crate::unhandled::drop_reporting(self.left);
        match self.leaves {
            true => dispatch::hand_over_now(cell),
            false => dispatch::later(cell),
        }
    }

    /// Returns the previous route, for a caller that runs the steps by other means.
    pub(super) fn into_left(self) -> Route {
        self.left
    }

    /// The same on a thread that must run none of them: the pool gets the steps that the list would
    /// run.
    pub(crate) fn proceed_elsewhere(self, cell: Arc<dyn AnyCell>) {
        crate::unhandled::drop_reporting(self.left);
        cell.hand_off_to_pool();
    }
}

/// The effect of a step on the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It produces a new outcome. On a cancel it is dropped.
    Link,
    /// It produces or takes the outcome, and also runs on a cancel.
    Closing,
    /// It borrows the outcome.
    Observer,
}

/// What the caller that registered a step must do after it has released the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the step may never run otherwise"]
pub(crate) enum Registered {
    /// Nothing: a thread will run the step.
    Pending,
    /// The task was settled: hand it off, so that the step runs.
    Late,
    /// The task is cold: start it.
    Cold,
}

impl State {
    pub(crate) fn new(phase: Phase) -> State {
        State {
            phase,
            detached: false,
            handled: false,
            cancelled: false,
            called_off: false,
            placed: false,
            failure: None,
            overseen: false,
            has_dependents: false,
            rank: rank::UNRANKED,
            head_state: HeadState::Waiting,
            pending_links: 1,
            observing: false,
            observed: false,
            dropped: false,
            polled: false,
            epoch: 0,
            steps: Steps::new(),
            last: None,
            waiter: None,
            rare: None,
            driver: None,
        }
    }

    #[inline(always)]
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Appends a step. Returns its number and what the caller must do.
    #[inline(always)]
    pub(crate) fn register(&mut self, step: Box<dyn Step>, role: Role) -> (u64, Registered) {
        debug_assert!(
            self.phase != Phase::Forwarded,
            "a task without handles gets no steps"
        );
        self.pending_links += u32::from(role != Role::Observer);
        if role == Role::Closing {
            // A step that takes the outcome comes from a method that consumed the handle.
            self.detached |= step.takes_outcome();
            self.has_dependents = true;
        }
        let number = self.steps.push(step, role);
        if matches!(self.phase, Phase::Settled | Phase::Cold) {
            return (number, self.wake_up());
        }
        (number, Registered::Pending)
    }

    /// A step was registered on a task without a driver.
    #[cold]
    fn wake_up(&mut self) -> Registered {
        if self.phase == Phase::Settled {
            self.phase = Phase::HandedOff;
            Registered::Late
        } else {
            self.phase = Phase::Queued;
            Registered::Cold
        }
    }

    /// `links` links, or the head, have produced a new outcome: resets what was recorded about the
    /// previous one.
    #[inline]
    pub(crate) fn decide(&mut self, links: u32) {
        if links > 0 {
            self.cancelled = false;
            self.handled = false;
            self.pending_links -= links;
        }
    }

    /// The head, or the link that followed another task, has an outcome, which is in the cell. The
    /// caller must have the steps run, as [`Arrival`] says. If all of them were sent to one
    /// executor, they are handed to it now.
    pub(crate) fn outcome_is_in(&mut self) -> Arrival {
        self.head_state.finish();
        self.decide(1);
        self.phase = Phase::HandedOff;
        let hop = self.steps.pop_hop();
        let left = match hop.and_then(|mut hop| hop.route()) {
            Some(route) => self.set_route(route),
            None => Route::Pool,
        };
        Arrival {
            leaves: self.leaves(),
            left,
        }
    }

    /// Records what the driver has done since it last held the lock.
    #[inline]
    pub(crate) fn note(&mut self, progress: Progress) {
        self.decide(progress.links);
        if progress.place > 0 {
            self.steps.advance(progress.place);
        }
    }

    /// Returns the slot of the outcome while no driver holds it. `head` is the head's slot.
    pub(crate) fn outcome<'a>(&'a mut self, head: &'a mut dyn Slot) -> &'a mut dyn Slot {
        match self.last.as_mut().and_then(|step| step.output()) {
            Some(slot) => slot,
            None => head,
        }
    }

    /// The calling thread becomes the driver.
    #[inline]
    pub(crate) fn drive_here(&mut self) {
        let me = Some(thread_id());
        if self.head_state.had_closure() && self.driver != me {
            self.remember_thread();
        }
        self.driver = me;
        self.note_driven();
    }

    /// The calling thread has become the driver.
    #[inline]
    pub(super) fn note_driven(&self) {
        if self.rank != rank::UNRANKED {
            rank::note_driven(self.rank);
        }
    }

    /// The task was taken from its driver, and has no other yet.
    pub(crate) fn drive_nowhere(&mut self) {
        if self.head_state.had_closure() {
            self.remember_thread();
        }
        self.driver = None;
    }

    #[cold]
    fn remember_thread(&mut self) {
        let before = self.driver;
        let rare = self.rare.get_or_insert_default();
        rare.thread = rare.thread.or(before);
    }

    /// The thread that ran the closure, or, without one, the last driver.
    pub(crate) fn thread(&self) -> Option<ThreadId> {
        let rare = self.rare.as_ref();
        rare.and_then(|rare| rare.thread).or(self.driver)
    }

    /// All steps have run. `failure` is the failure in the outcome's slot.
    pub(crate) fn settle(&mut self, failure: Option<&TaskError>) -> Duty {
        let mut duty = Duty::default();
        self.settle_with(failure, &mut duty);
        duty
    }

    /// Like `settle`. Adds to `duty` what the caller must do, which is mostly nothing.
    #[inline]
    pub(super) fn settle_with(&mut self, failure: Option<&TaskError>, duty: &mut Duty) {
        self.phase = Phase::Settled;
        let rare = self.rare.as_ref();
        let is_tied = rare.is_some_and(|rare| rare.upstream.is_some() || rare.membership.is_some());
        let is_counted = self.overseen || self.dropped;
        if failure.is_some() || is_tied || self.waiter.is_some() || is_counted {
            self.note_duty(failure, duty);
        }
    }

    fn note_duty(&mut self, failure: Option<&TaskError>, duty: &mut Duty) {
        if let Some(error) = failure
            && self.detached
            && !self.handled
            && !self.was_asked_for(error)
        {
            self.handled = true;
            duty.report = Some(error.clone());
        }
        if let Some(rare) = &mut self.rare {
            duty.detached = rare.upstream.take();
            duty.left = rare.membership.take();
        }
        if std::mem::take(&mut self.overseen) {
            let stop = self.rare.as_mut().map(|rare| &mut rare.stop);
            duty.lingers = stop.as_ref().is_some_and(|stop| !stop.followed.is_empty());
            duty.leaves = !stop.is_some_and(|stop| stop.note_overseen());
        }
        duty.wake = self.waiter.take();
        self.count_as_ended();
    }

    /// The end of the program does not lose it any more.
    pub(super) fn count_as_ended(&mut self) {
        if std::mem::take(&mut self.dropped) {
            unhandled::note_ended();
        }
    }

    /// Like `settle`, for a value that comes from outside to a task that [is bare](State::is_bare):
    /// nothing is left to do.
    #[inline]
    pub(super) fn settle_alone(&mut self) {
        self.head_state.finish();
        self.drive_here();
        self.decide(1);
        self.phase = Phase::Settled;
    }

    /// Settles a task that has followed another, whose value is in the cell, if there is no step to
    /// run and nothing that interrupts it. Adds to `duty`. False: nothing was done.
    pub(super) fn settle_delivered(&mut self, duty: &mut Duty) -> bool {
        if !self.steps.is_empty() || self.leaves() || self.is_interrupted() {
            return false;
        }
        self.head_state.finish();
        self.drive_here();
        self.decide(1);
        self.settle_with(None, duty);
        true
    }

    /// What this task waits for, to be cancelled with it.
    pub(crate) fn upstream(&self) -> Option<&UpstreamRef> {
        self.rare.as_ref()?.upstream.as_ref()
    }

    /// Sets what the task waits for from now on. Returns the previous reference.
    pub(crate) fn set_upstream(&mut self, upstream: UpstreamRef) -> Option<UpstreamRef> {
        self.rare.get_or_insert_default().upstream.replace(upstream)
    }

    pub(crate) fn take_upstream(&mut self) -> Option<UpstreamRef> {
        self.rare.as_mut()?.upstream.take()
    }

    pub(super) fn stop(&mut self) -> Option<&mut Stop> {
        self.rare.as_mut().map(|rare| &mut rare.stop)
    }

    /// Removes a step by its number.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Box<dyn Step>> {
        self.steps.remove(number).or_else(|| {
            let deferred_cancel = self.rare.as_mut()?.deferred_cancel.as_mut()?;
            let before = deferred_cancel.before.remove(number);
            before.or_else(|| deferred_cancel.steps.remove(number))
        })
    }

    /// Returns true if the state owns nothing that must be dropped.
    #[inline]
    pub(crate) fn is_bare(&mut self) -> bool {
        let holds_none = self.last.is_none() && self.waiter.is_none() && self.rare.is_none();
        holds_none && self.steps.is_empty()
    }

    /// Returns what must be dropped with the cell.
    pub(crate) fn take_rare(&mut self) -> Option<impl Sized + use<>> {
        self.rare.take()
    }

    /// The outcome is decided: users see the task as settled.
    pub(crate) fn is_decided(&self) -> bool {
        self.pending_links == 0
    }
}
