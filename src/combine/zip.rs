//! Two tasks as one.

use super::all::all;
use crate::task::{IntoTask, Task};

impl<T: Send + 'static> Task<T> {
    /// Returns a task for the values of this one and of `other`; it fails when one of them fails.
    ///
    /// The same as [`all`]`((self, other))`: on a failure the other is cancelled, unless it is
    /// [shielded](Task::shielded).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::spawn;
    ///
    /// let person = spawn(|| "Ada").zip(spawn(|| 36)).then(|(name, age)| format!("{name}, {age}"));
    /// assert_eq!(person.wait()?, "Ada, 36");
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn zip<R: IntoTask>(self, other: R) -> Task<(T, R::Output)> {
        all((self, other))
    }
}
