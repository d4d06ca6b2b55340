//! What a task fails with: the user's own error, a panic, or a reason of the crate's own.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::Location;

use crate::sync::{Arc, AtomicBool, Mutex, Ordering};

/// Any error a task may fail with: what `?` turns errors into inside [`attempt`](crate::attempt)
/// and [`and_then`](crate::Task::and_then).
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// Why a task failed, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The user's code returned an error.
    Failed,
    /// The user's code panicked.
    Panicked,
    /// The task was cancelled.
    Cancelled,
    /// A time limit ran out.
    TimedOut,
    /// The [`Resolver`](crate::Resolver) was dropped before it settled its task.
    Abandoned,
    /// The task would have had to wait for itself.
    Cycle,
    /// No thread or executor would take the task.
    Rejected,
    /// There was nothing to choose from: an empty list was given where at least one task is needed.
    Empty,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::Failed => "failed",
            ErrorKind::Panicked => "panicked",
            ErrorKind::Cancelled => "was cancelled",
            ErrorKind::TimedOut => "timed out",
            ErrorKind::Abandoned => "was abandoned: its resolver was dropped before settling it",
            ErrorKind::Cycle => "waits for itself",
            ErrorKind::Rejected => "was rejected",
            ErrorKind::Empty => "had nothing to choose from: the list of tasks was empty",
        })
    }
}

/// The failure of a task.
///
/// Cheap to clone (one pointer); every subscriber of one failure sees the same object. The user's
/// error stays what it was: [`downcast_ref`](TaskError::downcast_ref) gives it back at every link
/// of a chain.
///
/// `Display` says what happened, in which task, and where that task was started.
///
/// # Examples
///
/// ```
/// use fast_async::{attempt, ErrorKind};
///
/// let err = attempt(|| Ok("x".parse::<i32>()?)).wait().unwrap_err();
/// assert_eq!(err.kind(), ErrorKind::Failed);
/// assert!(err.downcast_ref::<std::num::ParseIntError>().is_some());
/// ```
#[derive(Clone)]
pub struct TaskError(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    cause: Cause,
    task: Option<Arc<str>>,
    location: Option<&'static Location<'static>>,
    /// Set by whoever reports this failure as unhandled, so that branches of one source report it
    /// once.
    reported: AtomicBool,
}

enum Cause {
    None,
    Error(BoxError),
    Panic {
        message: Box<str>,
        /// Behind a lock because a payload is `Send` but not `Sync`.
        payload: Mutex<Option<Box<dyn Any + Send>>>,
    },
    Note(&'static str),
}

/// Where a piece of user code belongs: what its errors will say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) location: &'static Location<'static>,
    pub(crate) task: Option<&'a Arc<str>>,
}

impl TaskError {
    fn build(kind: ErrorKind, cause: Cause, at: Option<At<'_>>) -> TaskError {
        TaskError(Arc::new(Inner {
            kind,
            cause,
            task: at.and_then(|at| at.task.cloned()),
            location: at.map(|at| at.location),
            reported: AtomicBool::new(false),
        }))
    }

    /// The user's error, or the very same `TaskError` when that is what travelled through the box.
    pub(crate) fn failed(error: BoxError, at: At<'_>) -> TaskError {
        match error.downcast::<TaskError>() {
            Ok(same) => *same,
            Err(error) => TaskError::build(ErrorKind::Failed, Cause::Error(error), Some(at)),
        }
    }

    /// A caught panic.
    pub(crate) fn panicked(payload: Box<dyn Any + Send>, at: At<'_>) -> TaskError {
        TaskError::caught(payload, Some(at))
    }

    fn caught(payload: Box<dyn Any + Send>, at: Option<At<'_>>) -> TaskError {
        // `panic_any(task_error)` and a re-raised failure come out as themselves.
        let payload = match payload.downcast::<TaskError>() {
            Ok(same) => return *same,
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

    /// A failure of the crate's own making, with what to know about it.
    pub(crate) fn noted(kind: ErrorKind, note: &'static str, at: Option<At<'_>>) -> TaskError {
        TaskError::build(kind, Cause::Note(note), at)
    }

    /// Why the task failed.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// True for [`ErrorKind::Cancelled`].
    pub fn is_cancelled(&self) -> bool {
        self.0.kind == ErrorKind::Cancelled
    }

    /// True for [`ErrorKind::Panicked`].
    pub fn is_panic(&self) -> bool {
        self.0.kind == ErrorKind::Panicked
    }

    /// The user's error, if it is an `E`.
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
            _ => None,
        }
    }

    /// True when the user's error is an `E`.
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.downcast_ref::<E>().is_some()
    }

    /// The payload of the panic, for [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Errors
    ///
    /// Gives the error back when it is no panic, or when a clone of it has given the payload away
    /// already.
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
        let payload = match &self.0.cause {
            Cause::Panic { payload, .. } => payload.lock().take(),
            _ => None,
        };
        payload.ok_or(self)
    }

    /// The text of the panic, when it was a panic.
    pub fn panic_message(&self) -> Option<&str> {
        match &self.0.cause {
            Cause::Panic { message, .. } => Some(message),
            _ => None,
        }
    }

    /// The name of the task it happened in, when it has one.
    pub fn task_name(&self) -> Option<&str> {
        self.0.task.as_deref()
    }

    /// Where the task or the continuation that failed was registered.
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

    /// True the first time only: whoever gets it reports the failure.
    pub(crate) fn claim_report(&self) -> bool {
        !self.0.reported.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The user's error or payload may panic when it goes, and this may be the last clone, on
        // any thread.
        match std::mem::replace(&mut self.cause, Cause::None) {
            Cause::Error(error) => crate::guard::discard(error),
            Cause::Panic { payload, .. } => crate::guard::discard(payload.into_inner()),
            Cause::None | Cause::Note(_) => {}
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cause {
            Cause::Error(error) => write!(f, "{error}")?,
            Cause::Panic { message, .. } => write!(f, "panicked: {message}")?,
            Cause::Note(note) => write!(f, "{} ({note})", self.0.kind)?,
            Cause::None => write!(f, "{}", self.0.kind)?,
        }
        match (&self.0.task, self.0.location) {
            (Some(task), Some(at)) => write!(f, " [task `{task}`, started at {at}]"),
            (Some(task), None) => write!(f, " [task `{task}`]"),
            (None, Some(at)) => write!(f, " [task started at {at}]"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TaskError");
        out.field("kind", &self.0.kind);
        match &self.0.cause {
            Cause::Error(error) => {
                out.field("error", error);
            }
            Cause::Panic { message, .. } => {
                out.field("message", message);
            }
            Cause::Note(note) => {
                out.field("note", note);
            }
            Cause::None => {}
        }
        if let Some(task) = &self.0.task {
            out.field("task", task);
        }
        if let Some(location) = self.0.location {
            out.field("location", &format_args!("{location}"));
        }
        out.finish()
    }
}

impl Error for TaskError {
    /// The user's own error, so that code which walks an error's sources finds it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.cause {
            Cause::Error(error) => Some(&**error),
            _ => None,
        }
    }
}

/// What [`any`](crate::any) fails with when every task failed: all failures, in the order of the
/// tasks.
#[derive(Clone)]
pub struct AggregateError {
    pub(crate) errors: Vec<TaskError>,
    pub(crate) first: usize,
}

impl AggregateError {
    /// Every failure, in the order in which the tasks were given.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{any, AggregateError, Task};
    ///
    /// let mirrors = [Task::<u32>::failed("1 is down"), Task::failed("2 is slow")];
    /// let err = any(mirrors).wait().unwrap_err();
    /// let all = err.downcast_ref::<AggregateError>().unwrap();
    /// for err in all.errors() {
    ///     eprintln!("{err}");
    /// }
    /// assert!(all.errors()[1].to_string().starts_with("2 is slow"));
    /// ```
    pub fn errors(&self) -> &[TaskError] {
        &self.errors
    }

    /// The failure that came first in time.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{any, deferred, AggregateError};
    ///
    /// let (one, first) = deferred::<u32>();
    /// let (two, second) = deferred();
    /// let task = any([first, second]);
    /// two.reject("2 is slow").unwrap();
    /// one.reject("1 is down").unwrap();
    /// let err = task.wait().unwrap_err();
    /// let all = err.downcast_ref::<AggregateError>().unwrap();
    /// assert!(all.first().to_string().starts_with("2 is slow"));
    /// ```
    pub fn first(&self) -> &TaskError {
        &self.errors[self.first]
    }
}

/// An aggregate may hold another one, and so on, as deep as `any` was nested. None of the following
/// calls itself for it.
impl Drop for AggregateError {
    fn drop(&mut self) {
        let mut pending = std::mem::take(&mut self.errors);
        while let Some(mut error) = pending.pop() {
            if let Some(inner) = error.aggregate_mut() {
                pending.append(&mut inner.errors);
            }
        }
    }
}

impl fmt::Display for AggregateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = self.first();
        while let Some(inner) = first.downcast_ref::<AggregateError>() {
            first = inner.first();
        }
        write!(
            f,
            "all {} tasks failed; the first failure: {first}",
            self.errors.len(),
        )
    }
}

impl fmt::Debug for AggregateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for error in &self.errors {
            match error.downcast_ref::<AggregateError>() {
                Some(inner) => list.entry(&format_args!("{inner}")),
                None => list.entry(error),
            };
        }
        list.finish()
    }
}

impl Error for AggregateError {}
