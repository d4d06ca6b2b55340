//! Results in the order in which they come.

use std::fmt;
use std::panic::Location;

use super::elements::{Elements, elements};
use super::next_outcome::NextOutcome;
use super::runners::{Runners, start_ahead};
use super::stream::{IntoStream, Stream};
use crate::cell::{TaskMeta, UpstreamRef};
use crate::error::TaskError;
use crate::pool::Pool;
use crate::promise::deferred;
use crate::sync::Arc;
use crate::task::{IntoTask, Task, tie};

/// Calls `f` with each element of `iter`, at most `limit` at a time; returns the outcomes one by
/// one, in the order in which they come.
///
/// Like [`map_limit`](crate::map_limit), but goes on after a failure, which is an item of
/// [`Results`]. Work goes on while nothing is read, until [`read_ahead`](Results::read_ahead)
/// elements are started and not read. So an iterator of any length takes constant memory.
///
/// If the iterator panics, and if the limit is 0, the last item is that failure.
///
/// # Examples
///
/// ```
/// use fast_async::flow::map_unordered;
///
/// let mut sum = 0;
/// for square in map_unordered(1..=10_u64, 4, |n| Ok(n * n)) {
///     sum += square?;
/// }
/// assert_eq!(sum, 385);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn map_unordered<I, F, R>(iter: I, limit: usize, f: F) -> Results<R::Output>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: IntoTask,
{
    let meta = TaskMeta::here();
    let elements = elements(iter, f, meta.location);
    Results::start(meta, limit, elements)
}

impl Pool {
    /// Calls `f` with each element of `iter` on this pool, at most `limit` at a time; see
    /// [`flow::map_unordered`](crate::flow::map_unordered).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// let mut lengths: Vec<usize> = pool
    ///     .map_unordered(["a", "bc"], 2, |text| Ok(text.len()))
    ///     .collect::<Result<_, _>>()?;
    /// lengths.sort();
    /// assert_eq!(lengths, [1, 2]);
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn map_unordered<I, F, R>(&self, iter: I, limit: usize, f: F) -> Results<R::Output>
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoTask,
    {
        let meta = TaskMeta::new(Location::caller(), Some(self.clone()));
        let elements = elements(iter, f, meta.location);
        Results::start(meta, limit, elements)
    }
}

/// The outcomes of [`map_unordered`], in the order in which they come.
///
/// An iterator, whose `next` blocks until there is an outcome;
/// [`next_task`](Results::next_task) does not block. Dropping it ends the pulling, cancels the
/// tasks that closures have returned, and drops what was not read.
#[must_use = "dropped, it cancels the work"]
pub struct Results<U: Send + 'static> {
    /// Of the whole. Its failure is in the stream.
    task: Task<()>,
    stream: Arc<Stream<U>>,
    /// `None`: nothing can run.
    runners: Option<Arc<Runners<U, IntoStream<U>>>>,
    /// A wait has failed, and would fail again.
    is_broken: bool,
}

impl<U: Send + 'static> Results<U> {
    fn start(meta: TaskMeta, limit: usize, elements: Arc<dyn Elements<U>>) -> Results<U> {
        let stream = Stream::new();
        let into = IntoStream(stream.clone());
        let ahead = limit.saturating_mul(2);
        let (task, runners) = start_ahead(meta, limit, ahead, elements, into);
        let end = stream.clone();
        // An observer runs on every outcome.
        let _ = task.on_settled(move |outcome| {
            end.end(outcome.err().cloned());
        });
        Results {
            task,
            stream,
            runners,
            is_broken: false,
        }
    }

    /// Sets how many elements may be started and not read, at least 1. Default: twice the limit.
    ///
    /// Those that run count too, so fewer than the limit run if this is less. May be called at any
    /// time; what has started is not affected. A second call replaces the number.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::flow::map_unordered;
    ///
    /// let pages = map_unordered(1..=100, 4, |n| Ok(n)).read_ahead(32);
    /// assert_eq!(pages.count(), 100);
    /// ```
    pub fn read_ahead(self, elements: usize) -> Results<U> {
        if let Some(runners) = &self.runners {
            runners.set_ahead(elements.max(1));
        }
        self
    }

    /// Returns a task for the next outcome, or for `None` at the end.
    ///
    /// What is chained on it runs on the global pool. If the task is cancelled before the outcome
    /// comes, the next reader gets that. Several such tasks are served in the order of the calls.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::flow::map_unordered;
    ///
    /// let results = map_unordered([7], 1, |n| Ok(n));
    /// assert_eq!(results.next_task().wait()?.unwrap()?, 7);
    /// assert!(results.next_task().wait()?.is_none());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn next_task(&self) -> Task<Option<Result<U, TaskError>>> {
        let (resolver, task) = deferred();
        if let (Some(runners), Some(cell)) = (&self.runners, resolver.cell()) {
            let to = Arc::new(NextOutcome(Arc::downgrade(runners)));
            tie(&cell, UpstreamRef { to, step_id: 0 });
        }
        // A runner that delivers an outcome has more to do than what is chained on it.
        self.note_read(self.stream.read_by(resolver.on_pool()));
        task
    }

    fn note_read(&self, count: usize) {
        if let Some(runners) = self.runners.as_ref().filter(|_| count > 0) {
            runners.note_read(count);
        }
    }
}

/// Blocks until there is an outcome. `None`: all were read.
impl<U: Send + 'static> Iterator for Results<U> {
    type Item = Result<U, TaskError>;

    fn next(&mut self) -> Option<Result<U, TaskError>> {
        match self.stream.take() {
            Ok(outcome) => {
                self.note_read(1);
                return Some(outcome);
            }
            Err(is_over) if is_over || self.is_broken => return None,
            Err(_) => {}
        }
        self.next_task().wait().unwrap_or_else(|error| {
            self.is_broken = true;
            Some(Err(error))
        })
    }
}

impl<U: Send + 'static> Drop for Results<U> {
    fn drop(&mut self) {
        self.stream.close();
        self.task.cancel();
    }
}

impl<U: Send + 'static> fmt::Debug for Results<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").finish_non_exhaustive()
    }
}
