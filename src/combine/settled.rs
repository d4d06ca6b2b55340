//! The outcomes of all tasks, failures among them.

use super::all::{All, all};
use crate::cell::slot::Outcome;
use crate::error::TaskError;
use crate::task::Task;

/// Returns a task for the outcomes of all `tasks`, in their order; it does not fail.
///
/// Settles when the last of them has settled. No thread is blocked. A failure that is delivered in
/// the list counts as handled. Cancelling the returned task cancels those that are not settled,
/// except [shielded](Task::shielded) ones. An empty list settles as an empty list. Takes a `Vec`,
/// an array, or a tuple of up to eight tasks of different types.
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
pub fn all_settled<A: AllSettled>(tasks: A) -> Task<A::Output> {
    tasks.all_settled()
}

/// What [`all_settled`] takes: lists of tasks, and tuples of them. No other type can be.
#[diagnostic::on_unimplemented(
    message = "`all_settled` takes a `Vec` or array of tasks, or a tuple of 2 to 8 of them, not `{Self}`",
    note = "collect an iterator first: `all_settled(tasks.collect::<Vec<_>>())`"
)]
pub trait AllSettled: sealed::Sealed {
    /// The outcomes of all tasks.
    type Output: Send + 'static;

    /// Returns a task for all of them; see [`all_settled`].
    #[track_caller]
    fn all_settled(self) -> Task<Self::Output>;
}

mod sealed {
    pub trait Sealed {}
}

/// Makes the outcome of `task` its value.
#[track_caller]
fn settled<T: Send + 'static>(task: Task<T>) -> Task<Outcome<T>> {
    task.handle(std::convert::identity)
}

impl<T> sealed::Sealed for Vec<Task<T>> {}

impl<T: Send + 'static> AllSettled for Vec<Task<T>> {
    type Output = Vec<Result<T, TaskError>>;

    #[track_caller]
    fn all_settled(self) -> Task<Self::Output> {
        all(self.into_iter().map(settled).collect::<Vec<_>>())
    }
}

impl<T, const N: usize> sealed::Sealed for [Task<T>; N] {}

impl<T: Send + 'static, const N: usize> AllSettled for [Task<T>; N] {
    type Output = Vec<Result<T, TaskError>>;

    #[track_caller]
    fn all_settled(self) -> Task<Self::Output> {
        Vec::from(self).all_settled()
    }
}

macro_rules! tuple {
    ($($name:ident $part:tt),+) => {
        impl<$($name),+> sealed::Sealed for ($(Task<$name>,)+) {}

        impl<$($name: Send + 'static),+> AllSettled for ($(Task<$name>,)+) {
            type Output = ($(Result<$name, TaskError>,)+);

            #[track_caller]
            fn all_settled(self) -> Task<Self::Output> {
                ($(settled(self.$part),)+).all()
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
