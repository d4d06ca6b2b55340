//! `Retry`: what is tried again, how often, and after which pause.

use std::fmt;

use super::jitter::{Random, grown};
use super::{Attempt, RetryBudget};
use crate::error::{ErrorKind, TaskError};
use crate::flat::Flat;
use crate::sync::Duration;

/// What is to happen after a failure; returned by the closure of [`Retry::when`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The next call comes after the pause of the policy.
    Again,
    /// The next call comes after this pause, as a server may ask for.
    After(Duration),
    /// The failure is the outcome.
    Stop,
}

/// The policy of a [`retry`](crate::retry()): what is tried again, how often, and after which
/// pause.
///
/// Made by [`attempts`](Retry::attempts) or [`unlimited`](Retry::unlimited), for one retry: a
/// function that returns it serves many. Unless it says otherwise, there is no pause, and a panic,
/// a [`Cycle`](ErrorKind::Cycle) and a cancel are not tried again. A second call of a method
/// replaces what the first has set.
///
/// After a failed call the policy goes through these, in this order; the first that ends the retry
/// makes the failure the outcome: [`notify`](Retry::notify), the number of attempts,
/// [`when`](Retry::when), the pause, [`total`](Retry::total), [`budget`](Retry::budget).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::{retry, Retry};
///
/// fn policy() -> Retry {
///     Retry::attempts(5)
///         .exponential(Duration::from_millis(1), Duration::from_secs(1))
///         .total(Duration::from_secs(30))
///         .notify(|error, attempt| eprintln!("call {}: {error}", attempt.number()))
/// }
///
/// let port = retry(policy(), |_| Ok("8080".parse::<u16>()?));
/// assert_eq!(port.wait()?, 8080);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[must_use = "a policy does nothing until it is given to `retry`"]
pub struct Retry {
    pub(super) attempts: u32,
    pub(super) per_attempt: Option<Duration>,
    pub(super) total: Option<Duration>,
    pub(super) budget: Option<RetryBudget>,
    backoff: Backoff,
    random: Option<Random>,
    when: Option<When>,
    notify: Option<Notify>,
}

type When = Flat<Box<dyn FnMut(&TaskError, &Attempt) -> Decision + Send>>;
type Notify = Flat<Box<dyn FnMut(&TaskError, &Attempt) + Send>>;

/// How long the pauses are.
enum Backoff {
    None,
    Exponential {
        base: Duration,
        cap: Duration,
    },
    Given {
        durations: Flat<Box<dyn Iterator<Item = Duration> + Send>>,
        last: Duration,
    },
}

impl Retry {
    /// Returns a policy that calls the closure `attempts` times at the most, the first included.
    ///
    /// With 0 the retry fails as [`Rejected`](ErrorKind::Rejected), and nothing is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, Retry};
    ///
    /// let task = retry(Retry::attempts(3), |_| Err::<(), _>("no answer".into()));
    /// assert_eq!(task.wait().unwrap_err().attempts(), Some(3));
    /// ```
    pub fn attempts(attempts: u32) -> Retry {
        Retry {
            attempts,
            per_attempt: None,
            total: None,
            budget: None,
            backoff: Backoff::None,
            random: None,
            when: None,
            notify: None,
        }
    }

    /// Returns a policy that continues until the call succeeds, or until another setting ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{retry, Retry};
    ///
    /// let policy = Retry::unlimited().total(Duration::from_millis(2));
    /// assert!(retry(policy, |_| Err::<(), _>("no answer".into())).wait().is_err());
    /// ```
    pub fn unlimited() -> Retry {
        Retry::attempts(u32::MAX)
    }

    /// Sets the pauses: the first comes before the second call, and so on. After the end of
    /// `durations` the last one is used again. Default: no pause.
    ///
    /// A panic of the iterator is the outcome of the retry.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{retry, Retry};
    ///
    /// let fixed = Retry::attempts(4).backoff([Duration::from_millis(1)]);
    /// let growing = Retry::attempts(4).backoff((1..).map(Duration::from_micros));
    /// # for policy in [fixed, growing] {
    /// let task = retry(policy, |_| Err::<(), _>("no answer".into()));
    /// assert_eq!(task.wait().unwrap_err().attempts(), Some(4));
    /// # }
    /// ```
    pub fn backoff<I>(mut self, durations: I) -> Retry
    where
        I: IntoIterator<Item = Duration>,
        I::IntoIter: Send + 'static,
    {
        self.backoff = Backoff::Given {
            durations: Flat::new(Box::new(durations.into_iter())),
            last: Duration::ZERO,
        };
        self
    }

    /// Sets pauses that grow, with full jitter: each is random, between zero and a bound. The bound
    /// is `base` before the second call, twice that before the third, and so on; it never passes
    /// `cap`.
    ///
    /// So callers that have failed together do not come again together.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{retry, Retry};
    ///
    /// let policy = Retry::attempts(4)
    ///     .exponential(Duration::from_micros(100), Duration::from_millis(1));
    /// let task = retry(policy, |attempt| match attempt.is_last() {
    ///     true => Ok(7),
    ///     false => Err("no answer".into()),
    /// });
    /// assert_eq!(task.wait()?, 7);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn exponential(mut self, base: Duration, cap: Duration) -> Retry {
        self.backoff = Backoff::Exponential { base, cap };
        self
    }

    /// Sets from which number the random pauses follow, for tests. Default: another one each time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{retry, Retry};
    ///
    /// let policy = Retry::attempts(2)
    ///     .exponential(Duration::from_millis(1), Duration::from_secs(1))
    ///     .seed(7);
    /// assert!(retry(policy, |_| Err::<(), _>("no answer".into())).wait().is_err());
    /// ```
    pub fn seed(mut self, seed: u64) -> Retry {
        self.random = Some(Random::seeded(seed));
        self
    }

    /// Sets a time limit for each call, which then fails as [`TimedOut`](ErrorKind::TimedOut) and
    /// is tried again.
    ///
    /// The limit ends a task that the closure has returned, as [`timeout`](crate::Task::timeout)
    /// does. It also raises the token of the [`Attempt`]. The closure is never called twice at a
    /// time: if it is running when its time is over, the next call comes when it has returned. With
    /// this setting each call is a new task, and its time begins when that is queued.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{delay, retry, Retry};
    ///
    /// let hour = Duration::from_secs(3600);
    /// let policy = Retry::attempts(2).per_attempt(Duration::from_millis(2));
    /// let task = retry(policy, move |attempt| match attempt.number() {
    ///     1 => delay(hour).then(|()| "late"),
    ///     _ => delay(Duration::ZERO).then(|()| "in time"),
    /// });
    /// assert_eq!(task.wait()?, "in time");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn per_attempt(mut self, limit: Duration) -> Retry {
        self.per_attempt = Some(limit);
        self
    }

    /// Sets how long the retry may continue: no pause begins that would end later. The time begins
    /// with the call of [`retry`](crate::retry()).
    ///
    /// It does not cut a call that is running. To limit that too, put a
    /// [`timeout`](crate::Task::timeout) behind the retry. Only where
    /// [`per_attempt`](Retry::per_attempt) has timed a call out whose closure does not return, the
    /// retry ends at this time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{retry, Retry};
    ///
    /// let hour = Duration::from_secs(3600);
    /// let policy = Retry::attempts(5).backoff([hour]).total(hour / 2);
    /// let task = retry(policy, |_| Err::<(), _>("no answer".into()));
    /// assert_eq!(task.wait().unwrap_err().attempts(), Some(1)); // at once
    /// ```
    pub fn total(mut self, limit: Duration) -> Retry {
        self.total = Some(limit);
        self
    }

    /// Has `f` decide about each failure but a cancel and the one of the last attempt. Default:
    /// [`Again`](Decision::Again), and [`Stop`](Decision::Stop) for a panic and a
    /// [`Cycle`](ErrorKind::Cycle).
    ///
    /// A panic in `f` is the outcome of the retry.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use fast_async::{retry, retry::Decision, Retry};
    ///
    /// let policy = Retry::attempts(5).when(|error, _| match error.downcast_ref::<io::Error>() {
    ///     Some(error) if error.kind() == io::ErrorKind::NotFound => Decision::Stop,
    ///     _ => Decision::Again,
    /// });
    /// let task = retry(policy, |_| Ok(std::fs::read("/no/such/file")?));
    /// assert_eq!(task.wait().unwrap_err().attempts(), Some(1));
    /// ```
    pub fn when<F>(mut self, f: F) -> Retry
    where
        F: FnMut(&TaskError, &Attempt) -> Decision + Send + 'static,
    {
        self.when = Some(Flat::new(Box::new(f)));
        self
    }

    /// Calls `f` after each call that failed, the last included, before anything is decided. A
    /// cancel is not told.
    ///
    /// A panic in `f` is the outcome of the retry.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use fast_async::{retry, Retry};
    ///
    /// let (tell, told) = mpsc::channel();
    /// let policy = Retry::attempts(2)
    ///     .notify(move |_, attempt| tell.send(attempt.number()).unwrap());
    /// assert!(retry(policy, |_| Err::<(), _>("no answer".into())).wait().is_err());
    /// assert_eq!(told.iter().collect::<Vec<_>>(), [1, 2]);
    /// ```
    pub fn notify<F>(mut self, f: F) -> Retry
    where
        F: FnMut(&TaskError, &Attempt) + Send + 'static,
    {
        self.notify = Some(Flat::new(Box::new(f)));
        self
    }

    /// Takes each retry from `budget`, which other retries share.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, retry::RetryBudget, Retry};
    ///
    /// let spent = RetryBudget::new(10, 0);
    /// let task = retry(Retry::attempts(5).budget(&spent), |_| Err::<(), _>("down".into()));
    /// assert_eq!(task.wait().unwrap_err().attempts(), Some(1));
    /// ```
    pub fn budget(mut self, budget: &RetryBudget) -> Retry {
        self.budget = Some(budget.clone());
        self
    }

    /// Calls the hook with a failure, and returns the pause before the next call. `None`: there is
    /// none. Calls user code.
    pub(super) fn pause(&mut self, error: &TaskError, attempt: &Attempt) -> Option<Duration> {
        if let Some(notify) = &mut self.notify {
            notify(error, attempt);
        }
        if attempt.number >= self.attempts {
            return None;
        }
        let decision = match &mut self.when {
            Some(when) => when(error, attempt),
            None => match error.kind() {
                ErrorKind::Panicked | ErrorKind::Cycle => Decision::Stop,
                _ => Decision::Again,
            },
        };
        match decision {
            Decision::Again => Some(self.next_pause(attempt.number)),
            Decision::After(pause) => Some(pause),
            Decision::Stop => None,
        }
    }

    /// Returns the pause after `calls` calls.
    fn next_pause(&mut self, calls: u32) -> Duration {
        match &mut self.backoff {
            Backoff::None => Duration::ZERO,
            Backoff::Exponential { base, cap } => {
                let most = grown(*base, *cap, calls.saturating_sub(1));
                self.random.get_or_insert_with(Random::new).up_to(most)
            }
            Backoff::Given { durations, last } => {
                if let Some(next) = durations.next() {
                    *last = next;
                }
                *last
            }
        }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("per_attempt", &self.per_attempt)
            .field("total", &self.total)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
