//! One cancel, in two passes: first all that it reaches is taken, then user code runs.

use std::any::Any;

use super::callback::Callback;
use crate::error::Reason;
use crate::sync::Arc;

/// What [`Task::cancel`](crate::Task::cancel) achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CancelOutcome {
    /// Nothing was running: what had not started never will, and what it captured is dropped.
    Prevented,
    /// A closure was running: the task is settled as cancelled now and the closure's
    /// [token](crate::CancelToken) is raised. What it returns is dropped.
    Signalled,
    /// The task was settled already; nothing has changed.
    TooLate,
}

/// Something that a task waits for, seen by a cancel.
pub(crate) trait Withdraw: Send + Sync {
    /// The task no longer wants it. `step_id` is the id of its step here.
    ///
    /// Part of the first pass: no user code runs or is dropped in it. The user code, and further
    /// upstreams that are no longer wanted, are added to `sweep`.
    fn withdraw(self: Arc<Self>, step_id: u64, sweep: &mut Sweep) -> CancelOutcome;
}

/// A token, seen by a raise.
pub(crate) trait Raise: Send + Sync {
    /// The first pass of a raise, for this token alone; the tokens and tasks below it are added to
    /// `sweep`. `None`: it was raised before. True: it has callbacks to run.
    fn flag(self: Arc<Self>, sweep: &mut Sweep) -> Option<bool>;

    /// Takes the next callback of a raised token.
    fn take_callback(&self) -> Option<Callback>;
}

/// The work list of the first pass.
pub(super) trait Reach: Send {
    /// Comes to the next one, after putting the rest into `sweep` again: what that one brings in is
    /// reached before the rest.
    fn reach(self: Box<Self>, sweep: &mut Sweep);
}

/// What the first pass has not visited yet.
enum Pending {
    Unwanted(Arc<dyn Withdraw>, u64),
    Raised(Arc<dyn Raise>),
    Others(Box<dyn Reach>),
}

/// A piece of the second pass.
type After = Box<dyn FnOnce() + Send>;

/// A cancel in progress.
///
/// Invariant: no user code runs and no user value is dropped between the first
/// [`take_all`](Sweep::take_all) and its end. So the code that the second pass calls finds
/// everything cancelled.
#[must_use = "its second pass is yet to come"]
pub(crate) struct Sweep {
    pub(crate) why: Option<Reason>,
    /// Last in, first out.
    pending: Vec<Pending>,
    /// References to everything visited. They may be the last ones, and dropping them may drop user
    /// values.
    passed: Vec<Box<dyn Any + Send>>,
    after: Vec<After>,
    /// Tokens whose callbacks have yet to run, in their order.
    raised: Vec<Arc<dyn Raise>>,
    /// The greatest effect on what was no longer wanted.
    outcome: Option<CancelOutcome>,
}

impl Sweep {
    pub(crate) fn new(why: Option<Reason>) -> Sweep {
        Sweep {
            why,
            pending: Vec::new(),
            passed: Vec::new(),
            after: Vec::new(),
            raised: Vec::new(),
            outcome: None,
        }
    }

    /// Adds upstreams that are no longer wanted; the first one is visited first.
    pub(crate) fn unwanted<I>(&mut self, ties: I)
    where
        I: IntoIterator<Item = (Arc<dyn Withdraw>, u64)>,
        I::IntoIter: DoubleEndedIterator,
    {
        let ties = ties.into_iter().rev();
        self.pending
            .extend(ties.map(|(to, step_id)| Pending::Unwanted(to, step_id)));
    }

    /// This token is to be raised.
    pub(crate) fn raise(&mut self, token: impl Into<Arc<dyn Raise>>) {
        self.pending.push(Pending::Raised(token.into()));
    }

    /// Adds work that is visited before all earlier work.
    pub(super) fn reach_later(&mut self, others: Box<dyn Reach>) {
        self.pending.push(Pending::Others(others));
    }

    /// Raises one token; the tokens and tasks below it follow in [`take_all`](Sweep::take_all).
    /// False: it was raised before.
    pub(crate) fn raise_now(&mut self, token: impl Into<Arc<dyn Raise>>) -> bool {
        let token = token.into();
        let raised = token.clone().flag(self);
        if raised == Some(true) {
            self.raised.push(token);
        } else {
            self.keep(token);
        }
        raised.is_some()
    }

    /// User code, for the second pass.
    pub(crate) fn later(&mut self, f: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(f));
    }

    /// Keeps something alive until the second pass.
    pub(crate) fn keep(&mut self, passed: impl Any + Send) {
        self.passed.push(Box::new(passed));
    }

    /// The same for what may be there.
    pub(crate) fn keep_some(&mut self, passed: Option<impl Any + Send>) {
        if let Some(passed) = passed {
            self.keep(passed);
        }
    }

    /// The first pass: a loop, for any length of a line of tasks or tokens. Returns the greatest
    /// effect on the upstreams that were no longer wanted.
    pub(crate) fn take_all(&mut self) -> Option<CancelOutcome> {
        while let Some(next) = self.pending.pop() {
            match next {
                Pending::Unwanted(to, step_id) => {
                    self.keep(to.clone());
                    let outcome = to.withdraw(step_id, self);
                    self.note(outcome);
                }
                Pending::Raised(token) => {
                    let _ = self.raise_now(token);
                }
                Pending::Others(others) => others.reach(self),
            }
        }
        self.outcome
    }

    fn note(&mut self, outcome: CancelOutcome) {
        self.outcome = match (self.outcome, outcome) {
            (Some(CancelOutcome::Signalled), _) => self.outcome,
            // A task further up was settled already; its dependents were not.
            (Some(CancelOutcome::Prevented), CancelOutcome::TooLate) => self.outcome,
            (_, outcome) => Some(outcome),
        };
    }

    /// The second pass: what is to be done in this order, the tokens whose callbacks are to run
    /// after that, and what is to be dropped in the end.
    pub(crate) fn into_parts(self) -> (Vec<After>, Vec<Arc<dyn Raise>>, impl Send + 'static) {
        (self.after, self.raised, (self.passed, self.why))
    }
}
