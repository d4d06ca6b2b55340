//! `Trace`, the way of a failure as a text.

use std::fmt;

use super::TaskError;
use super::way::Step;

/// What happened, where, and where it came by; made by [`TaskError::trace`].
///
/// `Display` writes it, a line for each place: where the task was made, where the closure that
/// failed was registered, the continuations that were skipped, the tasks that failed with it, and
/// the call that waited. Of a long way the first and the last places are kept. Branches of a shared
/// task have one failure, and so one trace, with the places of all of them in the order in which it
/// came there.
pub struct Trace<'a>(&'a TaskError);

impl TaskError {
    /// Returns the way of the failure, to be printed.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// use fast_async::spawn;
    ///
    /// let error = spawn(|| "x")
    ///     .and_then(|text| Ok(text.parse::<u16>()?))
    ///     .then(|port| port + 1)
    ///     .wait()
    ///     .unwrap_err();
    /// let trace = error.trace().to_string();
    /// let lines: Vec<&str> = trace.lines().map(str::trim).collect();
    /// assert_eq!(lines[0], "invalid digit found in string");
    /// assert!(lines[1].starts_with("task made at src/"));
    /// assert!(lines[2].starts_with("failed at src/"));
    /// assert!(lines[3].starts_with("passed src/"));
    /// assert!(lines[4].starts_with("waited for at src/"));
    /// ```
    pub fn trace(&self) -> Trace<'_> {
        Trace(self)
    }
}

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        write!(f, "{error}")?;
        // The formatter is foreign code, so it is not called under the lock.
        let (begun, steps) = {
            let way = error.way().lock();
            (way.begun, way.steps().collect::<Vec<_>>())
        };
        if let Some(begun) = begun.or(error.location()) {
            match error.task_name() {
                Some(name) => write!(f, "\n    task `{name}`, made at {begun}")?,
                None => write!(f, "\n    task made at {begun}")?,
            }
            if let Some(location) = error.location().filter(|location| *location != begun) {
                write!(f, "\n    failed at {location}")?;
            }
        }
        for (left_out, step) in steps {
            if left_out > 0 {
                write!(f, "\n    passed {left_out} more places")?;
            }
            match step {
                Step::Link(place) => write!(f, "\n    passed {place}")?,
                Step::Task(place) => write!(f, "\n    passed to the task made at {place}")?,
                Step::Wait(place) => write!(f, "\n    waited for at {place}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
