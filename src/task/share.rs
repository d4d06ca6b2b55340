//! A task whose value many may borrow.

use std::fmt;
use std::panic::Location;
use std::task::Waker;

use super::link::{Consume, observe};
use super::subscribe::Subscription;
use super::wait::{self, End};
use super::{Status, Task};
use crate::cell::cancel::{CancelOutcome, Withdrawn, withdraw_all};
use crate::cell::node::{NoWork, Node, Returned};
use crate::cell::slot::{Outcome, Slot};
use crate::cell::state::{Phase, Role};
use crate::cell::step::{Step, Turn};
use crate::cell::{self, About, Cell, Extra, Tie, Upstream, with};
use crate::error::{At, ErrorKind, TaskError};
use crate::sync::{
    Arc, AtomicBool, AtomicUsize, Duration, Instant, OnceLock, Ordering, deadline_after,
};
use crate::{dispatch, trace, unhandled, waiting};

/// A task that can be cloned: every clone borrows the one value, which is dropped with the last of
/// them.
///
/// Made by [`Task::share`]. `T` need not be `Clone`, but it must be `Sync`.
///
/// # Examples
///
/// ```
/// use fast_async::spawn;
///
/// let text = spawn(|| "shared".to_string()).share();
/// let len = text.then(|text| text.len());
/// let upper = text.then(|text| text.to_uppercase());
/// assert_eq!((len.wait()?, upper.wait()?.as_str()), (6, "SHARED"));
/// assert_eq!(text.wait()?, "shared");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[must_use = "dropping a shared task detaches it"]
pub struct SharedTask<T> {
    shared: Arc<Shared<T>>,
}

pub(crate) struct Shared<T> {
    /// The cell whose outcome is published here; its later steps are this task's observers and
    /// branches.
    cell: Arc<dyn Cell>,
    value: OnceLock<Outcome<T>>,
    /// Handles, and branches that have not started.
    consumers: AtomicUsize,
    /// Somebody has received a failure, or a branch has it.
    looked: AtomicBool,
}

impl<T: Send + Sync + 'static> Task<T> {
    /// Makes the task one that can be cloned, borrowed and branched.
    pub fn share(self) -> SharedTask<T> {
        let cell = match self.into_cell() {
            Some(cell) => cell,
            None => Node::<NoWork<T>, T>::open(About::here()),
        };
        let shared = Arc::new(Shared {
            cell,
            value: OnceLock::new(),
            consumers: AtomicUsize::new(1),
            looked: AtomicBool::new(false),
        });
        let publish = {
            let shared = shared.clone();
            move |outcome: Outcome<T>| shared.publish(outcome)
        };
        // Branches and observers may come while the value is being published.
        Consume::and_go_on(publish).attach(&shared.cell);
        SharedTask { shared }
    }
}

impl<T> Shared<T> {
    fn publish(&self, outcome: Outcome<T>) {
        if self.value.set(outcome).is_err() {
            return;
        }
        // Written, not just read: so that this comes before or after each of the others' counts,
        // and either sees the last consumer gone or is seen by it. Else neither side might report a
        // failure.
        let consumers = if cfg!(planted = "plain_look") {
            self.consumers.load(Ordering::Acquire)
        } else {
            self.consumers.fetch_add(0, Ordering::AcqRel)
        };
        if consumers == 0 {
            self.report_unseen();
        }
    }

    fn report_unseen(&self) {
        if let Some(Err(error)) = self.value.get()
            && !error.is_cancelled()
            && !self.looked.swap(true, Ordering::AcqRel)
        {
            unhandled::report(error.clone());
        }
    }

    /// True when that was the last.
    fn drop_consumer(&self) -> bool {
        self.consumers.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

impl<T: Send + Sync + 'static> SharedTask<T> {
    /// Calls `f` with a reference to the value; gives a task for what it returns. A failure passes
    /// by.
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn(|| vec![3, 1, 2]).share();
    /// let max = shared.then(|v| v.iter().max().copied());
    /// assert_eq!(max.wait()?, Some(3));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn then<U, F>(&self, f: F) -> Task<U>
    where
        F: FnOnce(&T) -> U + Send + 'static,
        U: Send + 'static,
    {
        self.branch(Location::caller(), move |outcome| {
            outcome.map(f).map_err(TaskError::clone)
        })
    }

    /// Calls `f` with a reference to the outcome, whichever it is.
    #[track_caller]
    pub fn handle<U, F>(&self, f: F) -> Task<U>
    where
        F: FnOnce(Result<&T, &TaskError>) -> U + Send + 'static,
        U: Send + 'static,
    {
        self.branch(Location::caller(), move |outcome| Ok(f(outcome)))
    }

    /// A task for a clone of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = fast_async::spawn(|| "text".to_string()).share();
    /// let own: fast_async::Task<String> = shared.cloned();
    /// assert_eq!(own.wait()?, "text");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn cloned(&self) -> Task<T>
    where
        T: Clone,
    {
        self.branch(Location::caller(), |outcome| {
            outcome.cloned().map_err(TaskError::clone)
        })
    }

    /// Calls one of the closures when the task is settled; see [`Task::subscribe`].
    #[track_caller]
    pub fn subscribe<S, F>(&self, on_success: S, on_failure: F) -> Subscription
    where
        S: FnOnce(&T) + Send + 'static,
        F: FnOnce(&TaskError) + Send + 'static,
    {
        self.on_settled(move |outcome| match outcome {
            Ok(value) => on_success(value),
            Err(error) => on_failure(error),
        })
    }

    /// Calls `f` with a reference to the outcome when the task is settled; see
    /// [`Task::on_settled`].
    #[track_caller]
    pub fn on_settled<F>(&self, f: F) -> Subscription
    where
        F: FnOnce(Result<&T, &TaskError>) + Send + 'static,
    {
        let location = Location::caller();
        let shared = self.shared.clone();
        let step: Box<dyn Step> = match trace::capture() {
            None => Box::new(Look {
                shared,
                work: Some(f),
                location,
            }),
            Some(context) => Box::new(Look {
                shared,
                work: Some(move |outcome: Result<&T, &TaskError>| context.run(|| f(outcome))),
                location,
            }),
        };
        Subscription::new(
            &self.shared.cell,
            cell::register(&self.shared.cell, step, Role::Observer),
        )
    }

    /// Blocks until the task is settled and lends its value. May be called as often as one likes,
    /// from any number of threads.
    ///
    /// # Errors
    ///
    /// The task's failure; see [`Task::wait`].
    pub fn wait(&self) -> Result<&T, TaskError> {
        match self.wait_until(None) {
            Some(outcome) => outcome,
            None => Err(TaskError::of(
                ErrorKind::TimedOut,
                self.shared.cell.about().at(),
            )),
        }
    }

    /// Blocks until the task is settled or `timeout` is over; `None` then.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<&T, TaskError>> {
        match deadline_after(timeout) {
            Some(deadline) => self.wait_until(Some(deadline)),
            None => Some(self.wait()),
        }
    }

    /// The outcome, if the task is settled.
    pub fn try_wait(&self) -> Option<Result<&T, TaskError>> {
        self.shared.value.get().map(|outcome| self.give(outcome))
    }

    fn give<'a>(&self, outcome: &'a Outcome<T>) -> Result<&'a T, TaskError> {
        outcome.as_ref().map_err(|error| {
            self.shared.looked.store(true, Ordering::Release);
            error.clone()
        })
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Option<Result<&T, TaskError>> {
        let cell = &self.shared.cell;
        if !cell.idle().load(Ordering::Acquire) || self.shared.value.get().is_none() {
            // A place in the list: the wait is over when everybody who subscribed before has had
            // its turn (Contract: D7).
            let turn = Arc::new(AtomicBool::new(false));
            let done = || turn.load(Ordering::Acquire);
            let number = cell::register(
                cell,
                Box::new(Wake {
                    turn: turn.clone(),
                    sleeper: Some(waiting::own_waker()),
                }),
                Role::Observer,
            );
            let end = wait::block_on(cell, &done, deadline, |waiter| {
                if waiter.is_none() {
                    let step = with(&**cell, |state, _| state.remove(number));
                    drop(step);
                }
                !done()
            });
            match end {
                End::Settled => {}
                End::TimedOut => return None,
                End::Cycle => {
                    let step = with(&**cell, |state, _| state.remove(number));
                    drop(step);
                    let error = TaskError::of(ErrorKind::Cycle, cell.about().at());
                    return Some(Err(error));
                }
            }
        }
        self.shared.value.get().map(|outcome| self.give(outcome))
    }

    /// Gives up this handle's interest; the task itself is cancelled when nobody else is left who
    /// wants it.
    pub fn cancel(self) -> CancelOutcome {
        if self.is_settled() {
            return CancelOutcome::TooLate;
        }
        let shared = self.shared.clone();
        // The count of this handle goes below, with the question whether it was the last.
        shared.consumers.fetch_add(1, Ordering::Relaxed);
        drop(self);
        withdraw_all(shared.withdraw(0).next).unwrap_or(CancelOutcome::Prevented)
    }

    fn branch<U, F>(&self, location: &'static Location<'static>, f: F) -> Task<U>
    where
        F: FnOnce(Result<&T, &TaskError>) -> Outcome<U> + Send + 'static,
        U: Send + 'static,
    {
        let source = self.shared.cell.about();
        let about = About {
            location,
            pool: source.pool.clone(),
            extra: source.name().map(|name| {
                Box::new(Extra {
                    name: Some(name.clone()),
                    token: None,
                })
            }),
        };
        let shared = self.shared.clone();
        let work = move |_: &At<'_>| {
            // From here on this branch is no consumer that could be waited for.
            shared.drop_consumer();
            let outcome = match shared.value.get() {
                Some(outcome) => {
                    // A failure that is handed on is looked at by whoever gets it.
                    shared.looked.store(true, Ordering::Release);
                    f(outcome.as_ref())
                }
                None => Err(TaskError::of(
                    ErrorKind::Abandoned,
                    shared.cell.about().at(),
                )),
            };
            Returned::Outcome(outcome)
        };
        let branch: Arc<dyn Cell> = match trace::capture() {
            None => Node::new(about, Phase::Open, work),
            Some(context) => Node::new(about, Phase::Open, move |at: &At<'_>| {
                context.run(|| work(at))
            }),
        };
        self.shared.consumers.fetch_add(1, Ordering::Relaxed);
        let ticket = cell::register(
            &self.shared.cell,
            Box::new(Start {
                branch: Some(branch.clone()),
            }),
            Role::Observer,
        );
        with(&*branch, |state, _| {
            if state.phase == Phase::Open {
                let _ = state.tie_to(Tie {
                    to: self.shared.clone(),
                    ticket,
                });
            }
        });
        Task::from_cell(branch)
    }
}

impl<T> SharedTask<T> {
    /// Where the task stands.
    pub fn status(&self) -> Status {
        match self.shared.value.get() {
            None => Status::Pending,
            Some(Ok(_)) => Status::Success,
            Some(Err(_)) => Status::Failure,
        }
    }

    /// True once the outcome is decided.
    pub fn is_settled(&self) -> bool {
        self.shared.value.get().is_some()
    }

    /// The name it was given by [`TaskBuilder::name`](crate::TaskBuilder::name).
    pub fn name(&self) -> Option<&str> {
        self.shared.cell.about().name().map(|name| &**name)
    }
}

impl<T> Clone for SharedTask<T> {
    fn clone(&self) -> SharedTask<T> {
        self.shared.consumers.fetch_add(1, Ordering::Relaxed);
        SharedTask {
            shared: self.shared.clone(),
        }
    }
}

impl<T> Drop for SharedTask<T> {
    fn drop(&mut self) {
        if self.shared.drop_consumer() {
            self.shared.report_unseen();
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        unhandled::discard(self.value.take());
    }
}

impl<T> fmt::Debug for SharedTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTask")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}

impl<T: Send + Sync + 'static> Upstream for Shared<T> {
    fn withdraw(self: Arc<Self>, ticket: u32) -> Withdrawn {
        let step = with(&*self.cell, |state, _| {
            (ticket > 0).then(|| state.remove(ticket)).flatten()
        });
        unhandled::discard(step);
        let was_last = self.drop_consumer();
        if was_last {
            // What it waited for may have failed meanwhile: dropping a closure can do that.
            self.report_unseen();
        }
        let next = was_last.then(|| Tie {
            to: self.cell.clone(),
            ticket: 0,
        });
        Withdrawn::passing(next)
    }

    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        found.push(self.cell.clone());
    }

    fn is_ready(&self) -> bool {
        self.value.get().is_some()
    }
}

/// Lets an observer look at the published outcome.
struct Look<T, F> {
    shared: Arc<Shared<T>>,
    work: Option<F>,
    location: &'static Location<'static>,
}

impl<T, F> Step for Look<T, F>
where
    T: Send + Sync,
    F: FnOnce(Result<&T, &TaskError>) + Send,
{
    fn run(&mut self, _: &mut dyn Slot, name: Option<&Arc<str>>) -> Turn {
        if let (Some(outcome), Some(work)) = (self.shared.value.get(), self.work.take()) {
            observe(self.location, name, || work(outcome.as_ref()));
        }
        Turn::Looked
    }

    fn cancel(&mut self, error: &TaskError) {
        if let Some(work) = self.work.take() {
            observe(self.location, None, || work(Err(error)));
        }
    }
}

/// Starts a branch: its closure runs in its turn, the rest of it when this dispatch has come to an
/// end.
struct Start {
    branch: Option<Arc<dyn Cell>>,
}

impl Start {
    fn go(&mut self) {
        let Some(branch) = self.branch.take() else {
            return;
        };
        let starts = with(&*branch, |state, _| {
            let starts = state.phase == Phase::Open;
            if starts {
                state.phase = Phase::Queued;
            }
            (starts, state.untie())
        });
        if starts.0 {
            dispatch::scope(|| branch.run());
        }
    }
}

impl Step for Start {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Turn {
        self.go();
        Turn::Looked
    }

    fn cancel(&mut self, _: &TaskError) {
        self.go();
    }

    fn refuse(&mut self, error: &TaskError) {
        if let Some(branch) = self.branch.take() {
            branch.refuse(
                error.kind(),
                "the executor of its shared task dropped the job",
            );
        }
    }
}

/// Wakes a thread when its turn has come.
struct Wake {
    turn: Arc<AtomicBool>,
    sleeper: Option<Waker>,
}

impl Wake {
    fn call(&mut self) {
        self.turn.store(true, Ordering::Release);
        if let Some(sleeper) = self.sleeper.take() {
            waiting::wake(sleeper);
        }
    }
}

impl Step for Wake {
    fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Turn {
        self.call();
        Turn::Looked
    }

    fn cancel(&mut self, _: &TaskError) {
        self.call();
    }

    fn refuse(&mut self, _: &TaskError) {
        self.call();
    }
}
