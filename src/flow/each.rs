//! A closure for each element, whose effect is all that counts.

use std::panic::Location;

use super::collect::Nothing;
use super::elements::elements;
use super::runners::start;
use crate::cell::TaskMeta;
use crate::pool::Pool;
use crate::task::{IntoTask, Task};

/// Calls `f` with each element of `iter`, at most `limit` at a time; returns a task that settles
/// when all are done.
///
/// Like [`map_limit`](crate::map_limit), for closures without a value. Keeps nothing of an element,
/// so its memory does not grow with the iterator.
///
/// # Errors
///
/// As for [`map_limit`](crate::map_limit).
///
/// # Examples
///
/// ```
/// use fast_async::flow::each;
///
/// # let folder = std::env::temp_dir();
/// let files = (1..=3).map(move |n| folder.join(format!("fast-async-doc-each-{n}.tmp")));
/// each(files, 2, |file| {
///     std::fs::write(&file, "some text")?;
///     Ok(std::fs::remove_file(&file)?)
/// })
/// .wait()?;
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn each<I, F, R>(iter: I, limit: usize, f: F) -> Task<()>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: IntoTask<Output = ()>,
{
    let meta = TaskMeta::here();
    let elements = elements(iter, f, meta.location);
    start(meta, limit, elements, Nothing)
}

impl Pool {
    /// Calls `f` with each element of `iter` on this pool, at most `limit` at a time; see
    /// [`flow::each`](crate::flow::each).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = fast_async::Pool::new();
    /// pool.each(1..=3, 2, |n| Ok(println!("{n}"))).wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn each<I, F, R>(&self, iter: I, limit: usize, f: F) -> Task<()>
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoTask<Output = ()>,
    {
        let meta = TaskMeta::new(Location::caller(), Some(self.clone()));
        let elements = elements(iter, f, meta.location);
        start(meta, limit, elements, Nothing)
    }
}
