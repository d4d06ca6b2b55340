//! What a task is started with.

/// A closure that a task can be started with: every `FnOnce() -> T`, and nothing else.
///
/// A name for that bound, so that the compiler can say what to write in place of a future or a
/// value. A function of your own that takes a closure for [`spawn`](crate::spawn) asks for
/// `FnOnce() -> T + Send + 'static` as any other does.
///
/// # Examples
///
/// ```
/// use fast_async::{Task, spawn};
///
/// fn logged<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Task<T> {
///     spawn(move || {
///         println!("it begins");
///         f()
///     })
/// }
/// assert_eq!(logged(|| 7).wait()?, 7);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a task is started with a closure, and this is none: `{Self}`",
    label = "not a closure without arguments",
    note = "for a future: `spawn_future(future)`, or `attempt_future(future)` if it may fail; in a closure it would be a value that nothing polls",
    note = "for a value: `Task::ready(value)`, or `spawn(move || ..)` around the work that makes it"
)]
pub trait Closure<T>: FnOnce() -> T {}

// The compiler would else explain why this does not apply: with its own hint, to wrap a future in
// a closure.
#[diagnostic::do_not_recommend]
impl<T, F: FnOnce() -> T> Closure<T> for F {}
