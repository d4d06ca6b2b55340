//! The cell itself: a task's closure and its head outcome with their types, beside the state that
//! has none.

use super::cancel::{self, CancelOutcome, Withdrawn};
use super::drive::{self, Hands, Next, drive, drive_from};
use super::fail::{Reason, fail_head};
pub(crate) use super::head::Returned;
use super::head::{Head, Instead, in_context};
use super::slot::{Outcome, Slot};
use super::state::{Phase, Progress, Registered, Role, Stage, State};
use super::step::Step;
use super::{About, Cell, Upstream, adopt, stop, with};
use crate::error::{At, ErrorKind, TaskError};
use crate::executor::{HandedOut, Ran, Runnable};
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, thread_id};
use crate::{dispatch, guard, teardown, unhandled};

/// A cell whose closure is an `F`. `F` gives the head outcome; the steps make of it what they will.
pub(crate) struct Node<F: 'static, T: 'static> {
    about: About,
    idle: AtomicBool,
    inner: Mutex<Inner<F, T>>,
}

struct Inner<F, T> {
    state: State,
    head: Head<F, T>,
}

/// The closure of a cell that has none: its outcome comes from outside.
pub(crate) type NoWork<T> = fn(&At<'_>) -> Returned<T>;

enum Claim<F, T> {
    Work(F),
    Held(Box<dyn Step>),
    Value(Option<Outcome<T>>),
}

impl<F, T> Node<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    pub(crate) fn new(about: About, phase: Phase, work: F) -> Arc<Self> {
        Arc::new(Node {
            about,
            idle: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                state: State::new(phase),
                head: Head::Work(work),
            }),
        })
    }

    /// Under the lock: what the driver does next.
    #[inline(always)]
    fn advance(&self, inner: &mut Inner<F, T>, hands: &mut Hands<'_>, epoch: u32) -> Next {
        let next = drive::next(&mut inner.state, inner.head.slot(), hands, epoch);
        if next.is_the_end() {
            self.idle.store(true, Ordering::Release);
        }
        next
    }

    /// Runs the closure and then the steps.
    fn run_work(self: Arc<Self>, work: F, epoch: u32) -> Ran {
        let at = self.about.at();
        let context = self.about.take_context();
        let returned = match guard::catch(|| in_context(context, work, &at)) {
            Ok(returned) => returned,
            Err(payload) => Returned::Outcome(Err(TaskError::panicked(payload, at))),
        };
        match returned {
            Returned::Outcome(outcome) => self.finish(outcome, epoch),
            Returned::Task(follow) => {
                let cell: Arc<dyn Cell> = self;
                dispatch::scope_of_job(|| {
                    adopt::follow(&cell, epoch, None, Progress::default(), follow);
                });
                Ran::Completed
            }
        }
    }

    /// The head has its outcome: settle, or run the steps that wait for it.
    fn finish(self: Arc<Self>, outcome: Outcome<T>, epoch: u32) -> Ran {
        let ran = if outcome.is_ok() {
            Ran::Completed
        } else {
            Ran::Failed
        };
        let mut local = Some(outcome);
        let mut hands = Hands::of_head(&mut local);
        let mut inner = self.inner.lock();
        let inner_now = &mut *inner;
        inner_now.state.stage.finish();
        if dispatch::is_open()
            && !inner_now.state.steps.is_empty()
            && inner_now.state.epoch == epoch
        {
            // A step of another task runs this closure: the steps wait for their turn in the list,
            // or the stack would grow with every fork.
            hands.local.move_into(inner_now.head.slot());
            let arrival = inner_now.state.outcome_is_in();
            drop(inner);
            arrival.proceed(self);
            return ran;
        }
        let next = self.advance(inner_now, &mut hands, epoch);
        drop(inner);
        let ran = match next {
            Next::Superseded => {
                drop(hands);
                unhandled::discard(local.take());
                let cell: Arc<dyn Cell> = self;
                stop::driver_is_back(&cell);
                return Ran::Cancelled;
            }
            Next::Settled => {
                hands.duty.carry_out();
                ran
            }
            next => {
                let cell: Arc<dyn Cell> = self;
                dispatch::scope_of_job(|| drive_from(&cell, epoch, hands, next));
                ran
            }
        };
        // Whatever a superseded driver still holds.
        unhandled::discard(local);
        ran
    }
}

impl<F, T> Node<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    /// Does what is to be done and whose turn it is: the closure, or the steps of a settled task.
    /// A queue's entry may come by late: it does not run what belongs to an executor by now, and an
    /// executor's job runs nothing but what its `pass` was given out for.
    /// `None`: there was nothing to do.
    fn claim(self: Arc<Self>, pass: Option<u32>) -> Option<Ran> {
        let mut inner = self.inner.lock();
        let inner_now = &mut *inner;
        let state = &mut inner_now.state;
        let claim = match state.phase {
            // An open cell with a closure is a branch of a shared task whose value is there.
            Phase::Queued | Phase::Cold | Phase::Open if pass.is_none() => {
                inner_now.head.take_work().map(Claim::Work)
            }
            Phase::Handed if state.may_run(pass) => Some(match state.last.take() {
                Some(step) => Claim::Held(step),
                None => Claim::Value(inner_now.head.slot().take()),
            }),
            _ => None,
        };
        let claim = claim?;
        state.phase = Phase::Driving;
        let mut untied = None;
        if let Claim::Work(_) = claim {
            state.driver = Some(thread_id());
            state.note_driven();
            state.stage = Stage::Running;
            untied = state.untie();
        } else {
            state.drive_here();
            state.depart();
            // Observers may be first: a cancel leaves them to this driver.
            state.observing = true;
        }
        let epoch = state.epoch;
        drop(inner);
        unhandled::discard(untied);
        let mut local: Option<Outcome<T>> = None;
        let held = match claim {
            Claim::Work(work) => return Some(self.run_work(work, epoch)),
            Claim::Held(step) => Some(step),
            Claim::Value(value) => {
                local = value;
                None
            }
        };
        let cell: Arc<dyn Cell> = self;
        let go_on = || drive(&cell, epoch, Hands::new(&mut local, held));
        match pass {
            None => dispatch::scope_of_job(go_on),
            // Whatever closure has run an executor's job on this thread goes on after it.
            Some(_) => dispatch::scope(go_on),
        }
        unhandled::discard(local);
        Some(Ran::Other)
    }
}

impl<T: Send + 'static> Node<NoWork<T>, T> {
    /// A cell that waits for an outcome from outside.
    pub(crate) fn open(about: About) -> Arc<Self> {
        Node::without_work(about, Phase::Open, None)
    }

    /// A cell that is settled from the start.
    pub(crate) fn settled(about: About, outcome: Outcome<T>) -> Arc<Self> {
        Node::without_work(about, Phase::Settled, Some(outcome))
    }

    fn without_work(about: About, phase: Phase, value: Option<Outcome<T>>) -> Arc<Self> {
        let mut state = State::new(phase);
        state.open = u32::from(value.is_none());
        Arc::new(Node {
            about,
            idle: AtomicBool::new(value.is_some()),
            inner: Mutex::new(Inner {
                state,
                head: Head::Outcome(value),
            }),
        })
    }
}

impl<F, T> Cell for Node<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn about(&self) -> &About {
        &self.about
    }

    fn idle(&self) -> &AtomicBool {
        &self.idle
    }

    fn push(&self, step: Box<dyn Step>, role: Role) -> (u64, Registered) {
        let mut inner = self.inner.lock();
        let pushed = inner.state.register(step, role);
        if pushed.1 == Registered::Late {
            self.idle.store(false, Ordering::Relaxed);
        }
        pushed
    }

    fn settle(&self, hands: &mut Hands<'_>) -> Option<(u32, Next)> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        if inner.state.phase != Phase::Open || inner.state.is_on_pool() {
            return None;
        }
        inner.state.phase = Phase::Driving;
        inner.state.stage.finish();
        inner.state.drive_here();
        let epoch = inner.state.epoch;
        let next = self.advance(inner, hands, epoch);
        Some((epoch, next))
    }

    fn next(&self, hands: &mut Hands<'_>, epoch: u32) -> Next {
        self.advance(&mut self.inner.lock(), hands, epoch)
    }

    fn visit(&self, f: &mut dyn FnMut(&mut State, &mut dyn Slot)) {
        let mut inner = self.inner.lock();
        let inner_now = &mut *inner;
        let mut instead = Instead(None);
        match &mut inner_now.head {
            Head::Outcome(outcome) => return f(&mut inner_now.state, outcome),
            Head::Work(_) => f(&mut inner_now.state, &mut instead),
        }
        if let Some(error) = instead.0 {
            let work = inner_now.head.take_work();
            inner_now.head = Head::Outcome(Some(Err(error)));
            drop(inner);
            unhandled::discard(work);
            unhandled::discard(self.about.take_context());
        }
    }

    fn alone(&mut self) -> Option<(&mut State, &mut dyn Slot)> {
        let inner = self.inner.get_mut();
        match &mut inner.head {
            Head::Outcome(outcome) => Some((&mut inner.state, outcome)),
            Head::Work(_) => None,
        }
    }

    fn shed(&self, outcome: bool) {
        let (work, value) = {
            let mut inner = self.inner.lock();
            match &mut inner.head {
                Head::Outcome(value) if outcome => (None, value.take()),
                Head::Outcome(_) => (None, None),
                Head::Work(_) => (inner.head.take_work(), None),
            }
        };
        if work.is_some() {
            unhandled::discard(self.about.take_context());
        }
        unhandled::discard(work);
        unhandled::discard(value);
    }

    fn cancel_head(self: Arc<Self>) -> CancelOutcome {
        let error = TaskError::of(ErrorKind::Cancelled, self.about.at());
        fail_head(self, error, Reason::Cancelled)
    }
}

impl<F, T> Runnable for Node<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Arc<Self>) -> Ran {
        if self.about.is_called_off() && with(&*self, |state, _| state.phase == Phase::Queued) {
            // A thread that the raise has set free is here before the raise is.
            self.clone().cancel_head();
        }
        self.claim(None).unwrap_or(Ran::Other)
    }

    fn hand_over(self: Arc<Self>) {
        super::hand_over(self);
    }

    fn hand_off(self: Arc<Self>) {
        super::hand_off(self);
    }

    fn refuse(self: Arc<Self>, kind: ErrorKind, why: &'static str) -> bool {
        let error = TaskError::noted(kind, why, Some(self.about.at()));
        fail_head(self, error, Reason::RefusedByPool) != CancelOutcome::TooLate
    }
}

impl<F, T> HandedOut for Node<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn run_with(self: Arc<Self>, pass: u32) -> bool {
        self.claim(Some(pass)).is_some()
    }

    fn refuse_with(self: Arc<Self>, pass: u32, kind: ErrorKind, why: &'static str) -> bool {
        let error = TaskError::noted(kind, why, Some(self.about.at()));
        fail_head(self, error, Reason::RefusedByExecutor(pass)) != CancelOutcome::TooLate
    }
}

impl<F, T> Upstream for Node<F, T>
where
    F: FnOnce(&At<'_>) -> Returned<T> + Send + 'static,
    T: Send + 'static,
{
    fn withdraw(self: Arc<Self>, _ticket: u64) -> Withdrawn {
        let cell: Arc<dyn Cell> = self;
        cancel::cancel(&cell, None)
    }

    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let tie = with(self, |state, _| state.upstream().cloned());
        found.extend(tie.map(|tie| tie.to));
    }

    fn cell(self: Arc<Self>) -> Option<Arc<dyn Cell>> {
        Some(self)
    }
}

impl<F: 'static, T: 'static> Drop for Node<F, T> {
    fn drop(&mut self) {
        // The last reference may go anywhere, even while a panic unwinds; a panicking `Drop` of the
        // user's must not get past here.
        let inner = self.inner.get_mut();
        let is_bare = self.about.extra.is_none() && self.about.pool.is_none();
        if is_bare && inner.head.is_empty() && inner.state.is_bare() {
            return;
        }
        let Some(_level) = teardown::enter() else {
            let state = std::mem::replace(&mut inner.state, State::new(Phase::Gone));
            let head = std::mem::replace(&mut inner.head, Head::Outcome(None));
            let (extra, pool) = (self.about.extra.take(), self.about.pool.take());
            let about = About {
                location: self.about.location,
                extra,
                pool,
            };
            let remains = Node {
                about,
                idle: AtomicBool::new(false),
                inner: Mutex::new(Inner { state, head }),
            };
            return teardown::later(move || drop(remains));
        };
        unhandled::discard(inner.head.take_work());
        unhandled::discard(inner.head.slot().take());
        if let Some(step) = inner.state.last.take() {
            unhandled::discard(step);
        }
        while let Some((step, _)) = inner.state.steps.pop() {
            unhandled::discard(step);
        }
        unhandled::discard(inner.state.waiter.take());
        // Executors, callbacks of tokens and hooks of pools are the user's too.
        unhandled::discard(inner.state.take_rare());
        unhandled::discard(self.about.extra.take());
        unhandled::discard(self.about.pool.take());
    }
}
