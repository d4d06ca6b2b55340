//! What can be seen of a program from outside.

use super::program::Body;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Failed,
    Panicked,
    Abandoned,
    Cancelled,
    Cycle,
    /// What `any` fails with.
    Aggregate,
    /// What no program should see.
    Other,
}

/// A failure. The number distinguishes failures of the same kind: it is known for failures that the
/// program made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Failure(pub(crate) Kind, pub(crate) usize);

impl Failure {
    /// As it can be seen.
    pub(crate) fn shown(self) -> Failure {
        match self.0 {
            Kind::Failed | Kind::Panicked => self,
            kind => Failure(kind, 0),
        }
    }
}

pub(crate) type Outcome = Result<u32, Failure>;

/// What a closure was called with: nothing, or an outcome.
pub(crate) type Saw = Option<Outcome>;

/// The answer of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    Pending,
    Was(bool),
    Stopped,
    Wanted,
    TooLate,
    Outcome(Outcome),
}

impl Said {
    pub(crate) fn shown(self) -> Said {
        match self {
            Said::Outcome(outcome) => Said::Outcome(outcome.map_err(Failure::shown)),
            other => other,
        }
    }
}

/// Where a task stands, when everything is at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    NoHandle,
    Pending,
    Success,
    Failure,
}

/// What was seen up to the end of a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The calls of closures on each line, in their order.
    pub(crate) calls: Vec<Vec<(Body, Saw)>>,
    /// The answers of the operations of this round.
    pub(crate) said: Vec<Said>,
    /// Which closures are gone.
    pub(crate) dropped: Vec<bool>,
    /// The failures that were reported as unhandled, sorted.
    pub(crate) reports: Vec<Failure>,
    /// Each line's task.
    pub(crate) standing: Vec<Standing>,
}
