//! Why a task failed, in one word.

use std::fmt;

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
    /// No outcome can come any more: the [`Resolver`](crate::Resolver) was dropped before it
    /// settled its task, or the outcome was taken before.
    Abandoned,
    /// The task would have had to wait for itself.
    Cycle,
    /// No thread or executor accepted the task.
    Rejected,
    /// There was too little to choose from: an empty list where at least one task is needed, or
    /// fewer tasks than [`some`](crate::combine::some) is to take.
    Empty,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::Failed => "failed",
            ErrorKind::Panicked => "panicked",
            ErrorKind::Cancelled => "was cancelled",
            ErrorKind::TimedOut => "timed out",
            ErrorKind::Abandoned => "was abandoned",
            ErrorKind::Cycle => "waits for itself",
            ErrorKind::Rejected => "was rejected",
            ErrorKind::Empty => "had too few tasks to choose from",
        })
    }
}
