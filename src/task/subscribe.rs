//! Observers: any number of them borrow a task's outcome before its consumer takes it.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use super::Task;
use super::link::Observe;
use super::observed::{Observed, Registration};
use super::traced::traced;
use crate::cell::state::Role;
use crate::cell::step::Step;
use crate::cell::{self, AnyCell, with_state};
use crate::error::TaskError;
use crate::sync::Arc;
use crate::{drop_queue, unhandled};

impl<T: Send + 'static> Task<T> {
    /// Calls `on_success` or `on_failure` with a reference to the outcome when the task is settled.
    ///
    /// Any number of observers may subscribe. They run in the order in which they subscribed,
    /// before the consumer of the task. See [`Task`] for the thread. A failure that only observers
    /// see does not count as handled. A panic in an observer is reported and does not affect the
    /// others.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::spawn;
    ///
    /// let task = spawn(|| "text".to_string());
    /// task.subscribe(|text| println!("{}", text.len()), |err| eprintln!("{err}"));
    /// task.subscribe(|text| println!("{text}"), |_| ());
    /// let text = task.wait()?; // no clone was needed
    /// assert_eq!(text, "text");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
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

    /// Calls `f` with a reference to the outcome when the task is settled; like
    /// [`subscribe`](Task::subscribe) with one closure.
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::spawn(|| 7);
    /// task.on_settled(|outcome| println!("{outcome:?}"));
    /// task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn on_settled<F>(&self, f: F) -> Subscription
    where
        F: FnOnce(Result<&T, &TaskError>) + Send + 'static,
    {
        observe_with(self.cell(), observer(Location::caller(), f))
    }

    /// Calls `f` with a reference to the value, as an observer, and returns the task.
    ///
    /// A panic in `f` is reported and changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let n = fast_async::spawn(|| 7).inspect(|n| println!("got {n}")).wait()?;
    /// assert_eq!(n, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn inspect<F>(self, f: F) -> Task<T>
    where
        F: FnOnce(&T) + Send + 'static,
    {
        let step = observer(
            Location::caller(),
            move |outcome: Result<&T, &TaskError>| {
                if let Ok(value) = outcome {
                    f(value);
                }
            },
        );
        self.append(step, Role::Observer)
    }

    /// Calls `f` with a reference to the failure, as an observer, and returns the task.
    ///
    /// The failure does not count as handled. A panic in `f` is reported and changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let task: Task<u8> = Task::failed("no");
    /// assert_eq!(task.inspect_err(|err| eprintln!("{err}")).catch(|_| 0).wait()?, 0);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn inspect_err<F>(self, f: F) -> Task<T>
    where
        F: FnOnce(&TaskError) + Send + 'static,
    {
        let step = observer(
            Location::caller(),
            move |outcome: Result<&T, &TaskError>| {
                if let Err(error) = outcome {
                    f(error);
                }
            },
        );
        self.append(step, Role::Observer)
    }

    /// Blocks until the task is settled and calls one of the closures with the outcome, on the
    /// calling thread.
    ///
    /// The name tells it from [`subscribe`](Task::subscribe): it consumes the task, as
    /// [`wait`](Task::wait) does. Inside a task, the awaited task may run on the calling thread
    /// too.
    ///
    /// # Errors
    ///
    /// The failure, after `on_failure` has seen it.
    ///
    /// # Panics
    ///
    /// If the closure that is called panics: the panic reaches the caller, and the outcome is
    /// dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut seen = 0;
    /// fast_async::spawn(|| 7).subscribe_blocking(|n| seen = *n, |_| ())?;
    /// assert_eq!(seen, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn subscribe_blocking<S, F>(self, on_success: S, on_failure: F) -> Result<T, TaskError>
    where
        S: FnOnce(&T),
        F: FnOnce(&TaskError),
    {
        let outcome = self.wait();
        match &outcome {
            Ok(value) => on_success(value),
            Err(error) => on_failure(error),
        }
        outcome
    }
}

/// Appends an observer, with the tracing context of the caller if a subscriber is installed.
pub(crate) fn observe_with(cell: Option<&Arc<dyn AnyCell>>, step: Box<dyn Step>) -> Subscription {
    let Some(cell) = cell else {
        return Subscription::none();
    };
    let step = traced(step);
    if Observed::is_large(cell) {
        return observe_large(cell, step);
    }
    Subscription {
        number: cell::register(cell, step, Role::Observer),
        observed: Observed::Small(Arc::downgrade(cell)),
    }
}

#[cold]
fn observe_large(cell: &Arc<dyn AnyCell>, step: Box<dyn Step>) -> Subscription {
    let (observed, step) = Observed::large(cell, step);
    Subscription {
        number: cell::register(cell, step, Role::Observer),
        observed,
    }
}

fn observer<T, F>(location: &'static Location<'static>, work: F) -> Box<dyn Step>
where
    T: Send + 'static,
    F: FnOnce(Result<&T, &TaskError>) + Send + 'static,
{
    Box::new(Observe {
        work: Some(work),
        location,
        _type: PhantomData,
    })
}

/// The registration of an observer. Dropping it leaves the observer in place;
/// [`unsubscribe`](Subscription::unsubscribe) takes it out, [`guard`](Subscription::guard) does so
/// on drop.
pub struct Subscription {
    observed: Observed,
    number: u64,
}

impl Subscription {
    pub(crate) fn none() -> Subscription {
        Subscription {
            observed: Observed::Nothing,
            number: 0,
        }
    }

    /// A subscription to something else than a task.
    pub(crate) fn elsewhere(to: Arc<dyn Registration>) -> Subscription {
        Subscription {
            observed: Observed::Elsewhere(to),
            number: 0,
        }
    }

    /// Removes the observer and drops its closures. Returns false when it has run, is running, or
    /// can no longer run. An observer of a [topic](crate::topic) that is running when it is removed
    /// is not called again.
    ///
    /// The observer is found by bisection: the cost grows with the logarithm of their number.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// let subscription = task.on_settled(|_| panic!("never called"));
    /// assert!(subscription.unsubscribe());
    /// resolver.resolve(1).unwrap();
    /// assert_eq!(task.wait()?, 1);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn unsubscribe(self) -> bool {
        if let Observed::Elsewhere(to) = self.observed {
            return to.remove();
        }
        let Some(cell) = self.observed.cell() else {
            return false;
        };
        let step = with_state(&*cell, |state| state.remove(self.number));
        let was_there = step.is_some();
        unhandled::drop_reporting(step);
        was_there
    }

    /// Returns a guard that unsubscribes when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// {
    ///     let _listening = task.on_settled(|_| panic!("never called")).guard();
    /// }
    /// resolver.resolve(1).unwrap();
    /// assert_eq!(task.wait()?, 1);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn guard(self) -> SubscriptionGuard {
        SubscriptionGuard(Some(self))
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// A subscription that ends with its scope; made by [`Subscription::guard`].
///
/// [`into_inner`](SubscriptionGuard::into_inner) takes the subscription out again.
#[derive(Debug)]
#[must_use = "the observer is unsubscribed as soon as the guard is dropped"]
pub struct SubscriptionGuard(Option<Subscription>);

impl SubscriptionGuard {
    /// Returns the subscription, which a drop no longer ends.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred();
    /// let guard = task.on_settled(|outcome| println!("{outcome:?}")).guard();
    /// let subscription = guard.into_inner();
    /// assert!(subscription.unsubscribe());
    /// # let _ = resolver.resolve(1);
    /// ```
    pub fn into_inner(mut self) -> Subscription {
        self.0.take().unwrap_or_else(Subscription::none)
    }
}

impl Drop for SubscriptionGuard {
    fn drop(&mut self) {
        if let Some(subscription) = self.0.take() {
            drop_queue::flat(move || {
                subscription.unsubscribe();
            });
        }
    }
}
