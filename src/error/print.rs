//! How a failure is printed, and what it shows of the error in it.

use std::error::Error;
use std::fmt;

use super::{Cause, TaskError};

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cause {
            Cause::PassedOn(error) => return fmt::Display::fmt(error, f),
            Cause::First(error, others) => return display_first(error, others, f),
            Cause::Error(error) => display_error(&**error, f)?,
            Cause::Panic { message, .. } => write!(f, "panicked: {message}")?,
            Cause::Note(note) => write!(f, "{} ({note})", self.0.kind)?,
            Cause::Reason(reason) => {
                write!(f, "{}: ", self.0.kind)?;
                display_error(reason.error(), f)?;
            }
            Cause::None => write!(f, "{}", self.0.kind)?,
        }
        if !f.alternate() {
            return Ok(());
        }
        match (&self.0.task, self.0.location) {
            (Some(task), Some(at)) => write!(f, " [task `{task}`, at {at}]"),
            (Some(task), None) => write!(f, " [task `{task}`]"),
            (None, Some(at)) => write!(f, " [at {at}]"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cause {
            Cause::PassedOn(error) => return fmt::Debug::fmt(error, f),
            Cause::First(error, others) => return debug_first(error, others, f),
            _ => {}
        }
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
            Cause::Reason(reason) => {
                out.field("reason", &reason.error());
            }
            Cause::None | Cause::PassedOn(_) | Cause::First(..) => {}
        }
        if let Some(task) = &self.0.task {
            out.field("task", task);
        }
        if let Some(attempts) = self.attempts() {
            out.field("attempts", &attempts);
        }
        if let Some(location) = self.0.location {
            out.field("location", &format_args!("{location}"));
        }
        out.finish()
    }
}

impl Error for TaskError {
    /// The source of the user's error, or of the reason of a cancel: `Display` writes these
    /// themselves. [`TaskError::downcast_ref`] finds them.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.cause {
            Cause::Error(error) => error.source(),
            Cause::Reason(reason) => reason.error().source(),
            Cause::PassedOn(error) | Cause::First(error, _) => error.source(),
            _ => None,
        }
    }
}

/// The user's error. One that prints more when asked to does so here too.
fn display_error(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match f.alternate() {
        true => write!(f, "{error:#}"),
        false => write!(f, "{error}"),
    }
}

/// The first failure of a group, and how many came after it.
fn display_first(
    first: &TaskError,
    others: &[TaskError],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    fmt::Display::fmt(first, f)?;
    match others.len() {
        0 => Ok(()),
        1 => f.write_str(" (and 1 more failure in its group)"),
        more => write!(f, " (and {more} more failures in its group)"),
    }
}

fn debug_first(first: &TaskError, others: &[TaskError], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Debug::fmt(first, f)?;
    match others.len() {
        0 => Ok(()),
        _ => write!(f, " and {others:?}"),
    }
}
