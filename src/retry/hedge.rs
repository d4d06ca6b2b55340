//! `hedge`: further calls while the first one takes long; the first success is the outcome.

use std::panic::Location;

use super::Attempt;
use crate::cancel::CancelToken;
use crate::combine::any;
use crate::error::{AggregateError, At, TaskError};
use crate::flat::Flat;
use crate::pool::Pool;
use crate::promise::deferred_in;
use crate::sync::{Arc, Duration};
use crate::task::{Given, IntoTask, Task, TaskBuilder};
use crate::time::sleep;
use crate::unhandled;

/// Calls `f` on threads of the [global pool](Pool::global), and once more each time that no call
/// has succeeded for another `delay`, up to `calls` times. The first success is the outcome, and
/// the other calls are cancelled.
///
/// For calls that now and then take much longer than usual, and may be made twice. Further calls
/// run beside the earlier ones. A call that fails starts the next one at once. With a delay of zero
/// all calls start at once. The delay goes by the clock of the pool; see [`time`](crate::time). The
/// token of the [`Attempt`] tells a call that another one has succeeded.
///
/// # Errors
///
/// If all calls fail, an [`AggregateError`] of their failures, in the order of the calls. With 0
/// calls, an error of kind [`Rejected`](crate::ErrorKind::Rejected).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fast_async::{delay, retry::hedge};
///
/// let hour = Duration::from_secs(3600);
/// // The first call hangs.
/// let reply = hedge(Duration::from_millis(2), 3, move |call| match call.number() {
///     1 => delay(hour).then(|()| "late"),
///     _ => delay(Duration::ZERO).then(|()| "in time"),
/// });
/// assert_eq!(reply.wait()?, "in time");
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn hedge<R, F>(delay: Duration, calls: u32, f: F) -> Task<R::Output>
where
    F: Fn(&Attempt) -> R + Send + Sync + 'static,
    R: IntoTask,
{
    start(None, delay, calls, f)
}

impl Pool {
    /// Calls `f` on threads of this pool, and once more each time that no call has succeeded for
    /// another `delay`, up to `calls` times; see [`hedge`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let (second, own) = (Duration::from_secs(1), pool.clone());
    /// let reply = pool.hedge(second, 2, move |call| {
    ///     let takes = if call.is_last() { second } else { 60 * second };
    ///     let number = call.number();
    ///     own.delay(takes).then(move |()| number)
    /// });
    /// clock.advance(2 * second);
    /// assert!(reply.is_settled());
    /// assert_eq!(reply.wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn hedge<R, F>(&self, delay: Duration, calls: u32, f: F) -> Task<R::Output>
    where
        F: Fn(&Attempt) -> R + Send + Sync + 'static,
        R: IntoTask,
    {
        start(Some(self.clone()), delay, calls, f)
    }
}

/// What the calls of one hedge share.
struct Hedge<F: 'static> {
    /// The last of those that share it may be the caller, or any thread.
    f: Flat<F>,
    delay: Duration,
    calls: u32,
    pool: Option<Pool>,
    location: &'static Location<'static>,
    /// Raised when the outcome is there: it reaches calls that begin at that moment.
    token: CancelToken,
}

#[track_caller]
fn start<R, F>(pool: Option<Pool>, delay: Duration, calls: u32, f: F) -> Task<R::Output>
where
    F: Fn(&Attempt) -> R + Send + Sync + 'static,
    R: IntoTask,
{
    let location = Location::caller();
    if calls == 0 {
        unhandled::drop_reporting(f);
        return Task::rejected(pool.as_ref(), location, "give `hedge` at least 1 call");
    }
    let token = CancelToken::new();
    let hedge = Arc::new(Hedge {
        f: Flat::new(f),
        delay,
        calls,
        pool,
        location,
        token: token.clone(),
    });
    let task = begin(hedge, 1);
    let task = task.or_else(move |error| Given::Outcome(Err(flat(error, calls, location))));
    task.finally(move || {
        token.cancel();
    })
}

/// Makes the call of this number, and later ones if it takes long or fails.
#[track_caller]
fn begin<R, F>(hedge: Arc<Hedge<F>>, number: u32) -> Task<R::Output>
where
    F: Fn(&Attempt) -> R + Send + Sync + 'static,
    R: IntoTask,
{
    let own = hedge.clone();
    let (pool, location) = (hedge.pool.clone(), hedge.location);
    let mut builder = TaskBuilder::of_pool(pool.clone());
    if hedge.calls > 1 {
        // An only call is the task of the whole: the raise would reach its own chain.
        builder = builder.cancel_token(&hedge.token);
    }
    let call = builder.attempt_at(location, move |context| {
        let attempt = Attempt {
            number,
            most: own.calls,
            context: context.clone(),
            whole: context.clone(),
        };
        Given::call(location, || (own.f)(&attempt))
    });
    if number == hedge.calls {
        return call;
    }
    let (resolver, failed) = deferred_in(pool.as_ref(), location);
    call.on_settled(move |outcome| {
        if outcome.is_err() {
            let _ = resolver.resolve(());
        }
    });
    let long = sleep(hedge.delay, &hedge.token, pool, location);
    let next = any([long, failed]).and_then(move |()| begin(hedge, number + 1));
    any([call, next])
}

/// Makes one list of the failures: that of each call but the last stands beside a list of those
/// after it.
fn flat(mut error: TaskError, calls: u32, location: &'static Location<'static>) -> TaskError {
    let (mut errors, mut first) = (Vec::new(), None);
    let at = At {
        location,
        task: None,
    };
    for _ in 1..calls {
        // Borrowed: the thread that has settled it may hold another handle for a moment.
        let Some(both) = error.downcast_ref::<AggregateError>() else {
            // Something else than the calls has failed.
            return error.passed_on();
        };
        let [own, rest] = both.errors() else {
            return error.passed_on();
        };
        if both.first == 0 {
            first.get_or_insert(errors.len());
        }
        errors.push(own.clone());
        error = rest.clone();
    }
    errors.push(error);
    let all = AggregateError {
        first: first.unwrap_or(errors.len() - 1),
        of: errors.len(),
        errors,
    };
    TaskError::failed(Box::new(all), at)
}
