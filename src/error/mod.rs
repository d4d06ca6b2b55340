//! `TaskError`, the failure of a task: the user's own error, a panic, or one of the crate's own.

// Map for maintainers: kind.rs why, in one word    reason.rs why it was cancelled
//   way.rs        where it came by, a bounded list        trace.rs  the same as a text
//   aggregate.rs  several as one     group.rs  of a group     print.rs  Display, Debug, source

mod aggregate;
mod group;
mod kind;
mod print;
mod reason;
mod trace;
mod way;

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::panic::Location;

pub use aggregate::AggregateError;
pub use kind::ErrorKind;
pub(crate) use reason::Reason;
pub use trace::Trace;
use way::{Step, Way};

use crate::sync::{Arc, AtomicBool, AtomicU32, Mutex, Ordering};
use crate::trace::{self as tracing_context, Captured};
use crate::{drop_queue, guard};

/// Any error that a task may fail with. Inside [`attempt`](crate::attempt) and
/// [`and_then`](crate::Task::and_then) the `?` operator converts errors into it.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// The failure of a task.
///
/// Cheap to clone (one pointer); every subscriber of one failure sees the same object. The user's
/// error stays what it was: [`downcast_ref`](TaskError::downcast_ref) finds it at every link
/// of a chain.
///
/// | format | writes |
/// |---|---|
/// | `{err}` | what happened, for any reader |
/// | `{err:#}` | the same, with the name of the task and the place in the source where the task or the continuation that failed was registered |
/// | `{err:?}` | all that is known, as a struct |
/// | `{}` of [`err.trace()`](TaskError::trace) | the way of the failure, a line for each place |
///
/// `Display` writes the user's error, so [`source`](Error::source) returns the source of that
/// error, and code that prints a whole chain says nothing twice. `downcast_ref` finds the error
/// itself.
///
/// # Examples
///
/// ```standalone_crate
/// use fast_async::{ErrorKind, Task};
///
/// let port = Task::builder().name("port").attempt(|| Ok("x".parse::<u16>()?));
/// let err = port.wait().unwrap_err();
/// assert_eq!(err.kind(), ErrorKind::Failed);
/// assert!(err.downcast_ref::<std::num::ParseIntError>().is_some());
/// assert_eq!(format!("{err}"), "invalid digit found in string");
/// let place = format!("{err:#}");
/// assert!(place.starts_with("invalid digit found in string [task `port`, at src/"), "{place}");
/// ```
#[derive(Clone)]
pub struct TaskError(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    cause: Cause,
    task: Option<Arc<str>>,
    location: Option<&'static Location<'static>>,
    /// Set by the thread that reports this failure as unhandled, so that branches of one source
    /// report it once.
    reported: AtomicBool,
    /// How often a retry called its closure before it gave up with this failure. 0: none has.
    attempts: AtomicU32,
    /// The tracing context in which it happened, for its report.
    context: Option<Box<Captured>>,
    /// Where it came by. No other lock is taken under this one.
    way: Mutex<Way>,
}

enum Cause {
    None,
    Error(BoxError),
    Panic {
        message: Box<str>,
        /// Behind a lock because a payload is `Send` but not `Sync`.
        payload: Mutex<Option<Box<dyn Any + Send>>>,
    },
    Note(Cow<'static, str>),
    /// Why it was cancelled.
    Reason(Reason),
    /// User code has received this failure of another task, and has failed with it.
    PassedOn(TaskError),
    /// The first failure of a group, and those that came after it.
    First(TaskError, Box<[TaskError]>),
}

/// The location at which a closure was registered, and the name of its task, for its errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) location: &'static Location<'static>,
    pub(crate) task: Option<&'a Arc<str>>,
}

impl TaskError {
    fn build(kind: ErrorKind, cause: Cause, at: Option<At<'_>>) -> TaskError {
        let context = match kind {
            // It is not reported.
            ErrorKind::Cancelled => None,
            _ => tracing_context::capture_tracing().map(Box::new),
        };
        TaskError(Arc::new(Inner {
            kind,
            cause,
            task: at.and_then(|at| at.task.cloned()),
            location: at.map(|at| at.location),
            reported: AtomicBool::new(false),
            attempts: AtomicU32::new(0),
            context,
            way: Mutex::default(),
        }))
    }

    /// The user's error; or, if the box contains a `TaskError`, that one itself.
    pub(crate) fn failed(error: BoxError, at: At<'_>) -> TaskError {
        match error.downcast::<TaskError>() {
            Ok(same) => same.passed_on(),
            Err(error) => TaskError::build(ErrorKind::Failed, Cause::Error(error), Some(at)),
        }
    }

    /// A caught panic.
    pub(crate) fn panicked(payload: Box<dyn Any + Send>, at: At<'_>) -> TaskError {
        TaskError::caught(payload, Some(at))
    }

    fn caught(payload: Box<dyn Any + Send>, at: Option<At<'_>>) -> TaskError {
        // The payload of `panic_any(task_error)`, or of a re-raised failure, is that failure.
        let payload = match payload.downcast::<TaskError>() {
            Ok(same) => return same.passed_on(),
            Err(payload) => payload,
        };
        let message = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a value that is not a string")
            .into();
        let payload = Mutex::new(Some(payload));
        TaskError::build(ErrorKind::Panicked, Cause::Panic { message, payload }, at)
    }

    /// A panic in the `Drop` of a user's value, which happened after its task was settled.
    pub(crate) fn panicked_in_drop(payload: Box<dyn Any + Send>) -> TaskError {
        TaskError::caught(payload, None)
    }

    /// A failure of the crate's own making.
    pub(crate) fn of(kind: ErrorKind, at: At<'_>) -> TaskError {
        TaskError::build(kind, Cause::None, Some(at))
    }

    /// The failure of a task whose closure has failed with it: equal for a user. A cancel is
    /// marked, so that it is not taken for a cancel of that task itself.
    pub(crate) fn passed_on(self) -> TaskError {
        if !self.is_cancelled() || self.is_passed_on() {
            return self;
        }
        let reported = self.0.reported.load(Ordering::Relaxed);
        let attempts = self.0.attempts.load(Ordering::Relaxed);
        TaskError(Arc::new(Inner {
            kind: self.0.kind,
            task: self.0.task.clone(),
            location: self.0.location,
            reported: AtomicBool::new(reported),
            attempts: AtomicU32::new(attempts),
            context: None,
            way: Mutex::default(),
            cause: Cause::PassedOn(self),
        }))
    }

    /// A task has failed with it because user code received it from another task, or from a token:
    /// it does not mean that the task itself was cancelled.
    pub(crate) fn is_passed_on(&self) -> bool {
        matches!(self.0.cause, Cause::PassedOn(_))
    }

    /// The failure of a task that is cancelled, for this reason.
    pub(crate) fn cancelled(at: At<'_>, why: Option<&Reason>) -> TaskError {
        let cause = why.map_or(Cause::None, |why| Cause::Reason(why.clone()));
        TaskError::build(ErrorKind::Cancelled, cause, Some(at))
    }

    /// A failure of the crate's own making, with what to know about it.
    pub(crate) fn noted(
        kind: ErrorKind,
        note: impl Into<Cow<'static, str>>,
        at: Option<At<'_>>,
    ) -> TaskError {
        TaskError::build(kind, Cause::Note(note.into()), at)
    }

    /// The failure of a second consumer: the outcome was taken when the task was awaited.
    #[cold]
    pub(crate) fn taken(at: Option<At<'_>>) -> TaskError {
        TaskError::noted(
            ErrorKind::Abandoned,
            "its outcome was taken before, when it was awaited",
            at,
        )
    }

    /// Returns why the task failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{ErrorKind, Task};
    ///
    /// let err = Task::<u32>::failed("no answer").wait().unwrap_err();
    /// match err.kind() {
    ///     ErrorKind::Failed => eprintln!("{err}"),
    ///     other => panic!("it {other}"),
    /// }
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns true for [`ErrorKind::Cancelled`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, task) = fast_async::deferred::<u32>();
    /// task.cancel();
    /// assert!(task.wait().unwrap_err().is_cancelled());
    /// # drop(resolver);
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.kind == ErrorKind::Cancelled
    }

    /// Returns true for [`ErrorKind::Panicked`].
    ///
    /// # Examples
    ///
    /// ```
    /// let err = fast_async::spawn(|| -> u32 { panic!("no disk") }).wait().unwrap_err();
    /// assert!(err.is_panic());
    /// ```
    pub fn is_panic(&self) -> bool {
        self.0.kind == ErrorKind::Panicked
    }

    /// Returns the user's error, or the reason of a cancel, if it is an `E`.
    ///
    /// Compares the error itself, not its [`source`](Error::source)s: an error that has an `E`
    /// for a cause is another error, and handling it as an `E` would hide what it adds. To search
    /// the sources, walk them from `err.source()`.
    ///
    /// An `anyhow::Error` that `?` turns into a [`BoxError`] is hidden in a type that is private to
    /// that crate, so it is no `E` either; see [`IntoTask`](crate::IntoTask) for what to write.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{fs, io};
    ///
    /// let read = fast_async::attempt(|| Ok(fs::read("/no/such/file")?));
    /// let err = read.wait().unwrap_err();
    /// let err = err.downcast_ref::<io::Error>().unwrap();
    /// assert_eq!(err.kind(), io::ErrorKind::NotFound);
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &self.0.cause {
            Cause::Error(error) => error.downcast_ref::<E>(),
            Cause::Reason(reason) => reason.error().downcast_ref::<E>(),
            Cause::PassedOn(error) | Cause::First(error, _) => error.downcast_ref::<E>(),
            _ => None,
        }
    }

    /// Returns the user's error by value, if it is an `E` and this is the only clone of the
    /// failure.
    ///
    /// Compares the error itself, as [`downcast_ref`](TaskError::downcast_ref) does.
    ///
    /// # Errors
    ///
    /// Returns the failure unchanged when the error is no `E`, or while a clone of the failure
    /// exists.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{fs, io};
    ///
    /// let read = fast_async::attempt(|| Ok(fs::read("/no/such/file")?));
    /// match read.wait().unwrap_err().downcast::<io::Error>() {
    ///     Ok(err) => assert_eq!(err.kind(), io::ErrorKind::NotFound),
    ///     Err(other) => panic!("it failed with another error: {other}"),
    /// }
    /// ```
    pub fn downcast<E: Error + 'static>(self) -> Result<E, TaskError> {
        if !self.is::<E>() {
            return Err(self);
        }
        let error = self.into_cause()?;
        match error.downcast::<E>() {
            Ok(error) => Ok(*error),
            // Its type was checked above.
            Err(_) => unreachable!("an error does not change its type"),
        }
    }

    /// The user's error in its box, if this is the only clone.
    pub(crate) fn into_cause(mut self) -> Result<BoxError, TaskError> {
        let Some(inner) = Arc::get_mut(&mut self.0) else {
            return Err(self);
        };
        match std::mem::replace(&mut inner.cause, Cause::None) {
            Cause::Error(error) => Ok(error),
            Cause::First(error, others) => match error.into_cause() {
                Ok(error) => Ok(error),
                Err(error) => {
                    inner.cause = Cause::First(error, others);
                    Err(self)
                }
            },
            other => {
                inner.cause = other;
                Err(self)
            }
        }
    }

    /// Returns true when the user's error, or the reason of a cancel, is an `E`; see
    /// [`downcast_ref`](TaskError::downcast_ref).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::ParseIntError;
    ///
    /// let err = fast_async::attempt(|| Ok("x".parse::<i32>()?)).wait().unwrap_err();
    /// assert!(err.is::<ParseIntError>());
    /// assert!(!err.is::<std::io::Error>());
    /// ```
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.downcast_ref::<E>().is_some()
    }

    /// Returns the payload of the panic, for [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Errors
    ///
    /// Returns the error unchanged when it is no panic, or when a clone of it has returned the
    /// payload already.
    ///
    /// # Examples
    ///
    /// ```
    /// let err = fast_async::spawn(|| -> u32 { panic!("no disk") }).wait().unwrap_err();
    /// match err.into_panic() {
    ///     Ok(payload) => assert_eq!(payload.downcast_ref(), Some(&"no disk")),
    ///     Err(err) => panic!("it failed without a panic: {err}"),
    /// }
    /// ```
    pub fn into_panic(self) -> Result<Box<dyn Any + Send + 'static>, TaskError> {
        self.take_payload().ok_or(self)
    }

    fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        match &self.0.cause {
            Cause::Panic { payload, .. } => payload.lock().take(),
            Cause::First(error, _) => error.take_payload(),
            _ => None,
        }
    }

    /// Returns the text of the panic. `None` if the failure is no panic, or its payload no text.
    ///
    /// # Examples
    ///
    /// ```
    /// let err = fast_async::spawn(|| -> u32 { panic!("no disk") }).wait().unwrap_err();
    /// assert_eq!(err.panic_message(), Some("no disk"));
    /// ```
    pub fn panic_message(&self) -> Option<&str> {
        match &self.0.cause {
            Cause::Panic { message, .. } => Some(message),
            Cause::First(error, _) => error.panic_message(),
            _ => None,
        }
    }

    /// Returns how often [`retry`](crate::retry()) called its closure before it gave up with this
    /// failure. `None`: no retry has.
    ///
    /// Where one failure has ended several retries, the last of them counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, Retry};
    ///
    /// let port = retry(Retry::attempts(3), |_| Ok("x".parse::<u16>()?));
    /// assert_eq!(port.wait().unwrap_err().attempts(), Some(3));
    /// ```
    pub fn attempts(&self) -> Option<u32> {
        let attempts = self.0.attempts.load(Ordering::Relaxed);
        (attempts > 0).then_some(attempts)
    }

    /// A retry ends with this failure, after `calls` calls.
    pub(crate) fn set_attempts(&self, attempts: u32) {
        self.0.attempts.store(attempts, Ordering::Relaxed);
    }

    /// Returns the name of the task in which it happened, if that has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Task;
    ///
    /// let load = Task::builder().name("load").attempt(|| Ok("x".parse::<i32>()?));
    /// assert_eq!(load.wait().unwrap_err().task_name(), Some("load"));
    /// ```
    pub fn task_name(&self) -> Option<&str> {
        self.0.task.as_deref()
    }

    pub(crate) fn task(&self) -> Option<&Arc<str>> {
        self.0.task.as_ref()
    }

    /// Returns the place in the source where the task or the continuation that failed was
    /// registered.
    ///
    /// # Examples
    ///
    /// ```
    /// let line = line!() + 1;
    /// let task = fast_async::attempt(|| Ok("x".parse::<u32>()?));
    /// let at = task.wait().unwrap_err().location();
    /// assert_eq!(at.map(|at| at.line()), Some(line));
    /// ```
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.0.location
    }

    /// The aggregate in it, if this is its last clone.
    fn aggregate_mut(&mut self) -> Option<&mut AggregateError> {
        match &mut Arc::get_mut(&mut self.0)?.cause {
            Cause::Error(error) => error.downcast_mut(),
            _ => None,
        }
    }

    fn way(&self) -> &Mutex<Way> {
        match &self.0.cause {
            Cause::PassedOn(error) | Cause::First(error, _) => error.way(),
            _ => &self.0.way,
        }
    }

    /// A continuation that was registered at `place` was skipped because of it.
    #[cold]
    pub(crate) fn passed(&self, place: &'static Location<'static>) {
        self.way().lock().add(Step::Link(place));
    }

    /// A task that was made at `place` has failed with it.
    #[cold]
    pub(crate) fn failed_task(&self, place: &'static Location<'static>) {
        self.way().lock().add_task(place);
    }

    /// A thread that called at `place` has waited for it.
    #[cold]
    pub(crate) fn waited_for(&self, place: &'static Location<'static>) {
        self.way().lock().add(Step::Wait(place));
    }

    /// Calls `f` in the tracing context in which it happened.
    pub(crate) fn in_its_context<V>(&self, f: impl FnOnce() -> V) -> V {
        match (&self.0.context, &self.0.cause) {
            (Some(context), _) => context.enter(f),
            (None, Cause::PassedOn(error) | Cause::First(error, _)) => match &error.0.context {
                Some(context) => context.enter(f),
                None => f(),
            },
            (None, _) => f(),
        }
    }

    /// Returns true the first time only: that caller reports the failure.
    pub(crate) fn claim_report(&self) -> bool {
        !self.0.reported.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The drop of the user's error or payload, or of a span, may panic, and this may be the
        // last clone, on any thread.
        guard::drop_quietly(self.context.take());
        match std::mem::replace(&mut self.cause, Cause::None) {
            Cause::Error(error) => drop_queue::flat(move || guard::drop_quietly(error)),
            Cause::Panic { payload, .. } => {
                drop_queue::flat(move || guard::drop_quietly(payload.into_inner()));
            }
            Cause::None
            | Cause::Note(_)
            | Cause::Reason(_)
            | Cause::PassedOn(_)
            | Cause::First(..) => {}
        }
    }
}
