//! The outcomes of all tasks, failures among them.

use super::all::{All, all};
use super::input::{List, Sealed, Tuple, tasks_of};
use crate::cell::slot::Outcome;
use crate::error::TaskError;
use crate::task::{IntoTask, Task};

/// Returns a task for the outcomes of all `tasks`, in their order; it does not fail.
///
/// Settles when the last of them has settled. No thread is blocked. A failure that is delivered in
/// the list counts as handled. Cancelling the returned task cancels those that are not settled,
/// except [shielded](Task::shielded) ones. An empty list settles as an empty list. Takes
/// what [`all`] takes.
///
/// # Examples
///
/// ```
/// use fast_async::{all_settled, spawn, Task};
///
/// let outcomes = all_settled(vec![spawn(|| 1), Task::failed("disk full"), spawn(|| 3)]).wait()?;
/// let sum: i32 = outcomes.iter().flatten().sum();
/// assert_eq!(sum, 4);
/// assert_eq!(outcomes[1].as_ref().unwrap_err().to_string().matches("disk full").count(), 1);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[track_caller]
pub fn all_settled<A: AllSettled<Kind>, Kind>(tasks: A) -> Task<A::Output> {
    tasks.all_settled()
}

/// What [`all_settled`] takes: iterators, lists, tuples and maps of tasks. No other type can be.
///
/// The compiler infers `Kind`, which tells lists, tuples and maps apart.
#[diagnostic::on_unimplemented(
    message = "`all_settled` takes an iterator of tasks, a tuple of 2 to 8 of them, or a map with tasks as values, not `{Self}`",
    note = "an iterator, a `Vec` and an array must contain values of type `Task<_>` or `SharedTask<_>`"
)]
pub trait AllSettled<Kind>: Sealed<Kind> {
    /// The outcomes of all tasks.
    type Output: Send + 'static;

    /// Returns a task for all of them; see [`all_settled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{spawn, combine::AllSettled};
    ///
    /// let (one, two) = (spawn(|| 1), spawn(|| "two")).all_settled().wait()?;
    /// assert_eq!((one?, two?), (1, "two"));
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    fn all_settled(self) -> Task<Self::Output>;
}

/// Makes the outcome of `task` its value.
#[track_caller]
pub(super) fn settled<T: Send + 'static>(task: Task<T>) -> Task<Outcome<T>> {
    task.handle(std::convert::identity)
}

impl<I> AllSettled<List> for I
where
    I: IntoIterator,
    I::Item: IntoTask,
{
    type Output = Vec<Result<<I::Item as IntoTask>::Output, TaskError>>;

    #[track_caller]
    fn all_settled(self) -> Task<Self::Output> {
        all(tasks_of(self).into_iter().map(settled))
    }
}

macro_rules! tuple {
    ($($name:ident $part:tt),+) => {
        impl<$($name: IntoTask),+> AllSettled<Tuple> for ($($name,)+) {
            type Output = ($(Result<$name::Output, TaskError>,)+);

            #[track_caller]
            fn all_settled(self) -> Task<Self::Output> {
                ($(settled(self.$part.into_task()),)+).all()
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
