//! Random programs: the operations on tasks, round by round, and the closures registered on them.
//!
//! The operations of one round run at the same time, each on its own thread, and use different
//! handles; they race for the tasks behind the handles.

use std::fmt;

/// A task and everything chained to it. The number of a line also names its handle and its
/// resolver, of which there is at most one each.
pub(crate) type Line = usize;
/// A closure, and the subscription it was registered with, if any.
pub(crate) type Body = usize;
/// One of the handles of a shared task.
pub(crate) type Grip = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Start,
    Then,
    AndThen,
    Catch,
    OrElse,
    Handle,
    Finally,
    Inspect,
    InspectErr,
    Observe,
    BranchThen,
    BranchHandle,
}

impl Verb {
    pub(crate) fn is_observer(self) -> bool {
        matches!(self, Verb::Inspect | Verb::InspectErr | Verb::Observe)
    }

    /// Whether its closure is dropped when its task is cancelled before it is due.
    pub(crate) fn is_passed_over(self) -> bool {
        !self.is_observer() && self != Verb::Finally
    }

    /// Whether a closure of this verb is called with a value, or with a failure.
    pub(crate) fn wants(self, value: bool) -> bool {
        match self {
            Verb::Then | Verb::AndThen | Verb::Inspect | Verb::BranchThen => value,
            Verb::Catch | Verb::OrElse | Verb::InspectErr => !value,
            _ => true,
        }
    }
}

/// What a closure returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Value,
    Error,
    Panic,
    /// It returns the task it has captured.
    Task(Line),
}

/// What a closure does with something it has captured; when it is dropped without being called,
/// that is dropped with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Nothing,
    Resolve(Line),
    /// Drops a `CancelOnDrop`.
    Cancel(Line),
    Detach(Line),
    Unsubscribe(Body),
    /// Waits for a task that settles without the closure's help; `true`: with a time limit.
    Wait(Line, bool),
    /// Resolves the first line and waits for the second, which settles by that.
    ResolveAndWait(Line, Line),
}

impl Deed {
    /// The task that the closure waits for.
    pub(crate) fn awaits(self) -> Option<Line> {
        match self {
            Deed::Wait(line, _) | Deed::ResolveAndWait(_, line) => Some(line),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Closure {
    pub(crate) verb: Verb,
    pub(crate) ends: Ends,
    pub(crate) deed: Deed,
    /// The line on which it is called: for a branch that of the shared task.
    pub(crate) line: Line,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Deferred(Line),
    Ready(Line),
    Failed(Line),
    Spawn(Line, Body),
    Cold(Line, Body),
    Link(Line, Body),
    OnInline(Line),
    OnPool(Line),
    Observe(Line, Body),
    Unsubscribe(Body),
    Resolve(Line),
    Reject(Line),
    Abandon(Line),
    /// The resolver of the first line is settled with the task of the second.
    Follow(Line, Line),
    Cancel(Line),
    Detach(Line),
    Look(Line),
    /// Takes the outcome if it is there; cancels the task if it is not.
    Try(Line),
    Wait(Line),
    Share(Line, Grip),
    Clone(Grip, Grip),
    Branch(Grip, Line, Body),
    ObserveShared(Grip, Body),
    CancelShared(Grip),
    DropShared(Grip),
    TryShared(Grip),
    All(Line),
    Any(Line),
    /// The first line shields the second.
    Shield(Line, Line),
}

#[derive(Clone, Default)]
pub(crate) struct Program {
    pub(crate) rounds: Vec<Vec<Op>>,
    pub(crate) closures: Vec<Closure>,
    pub(crate) lines: usize,
    /// The line of each grip.
    pub(crate) grips: Vec<Line>,
    /// The lines that a combinator gathers, by the line it makes, and whether that is `all`.
    pub(crate) gathered: Vec<(Line, bool, Vec<Line>)>,
}

impl Program {
    fn gathering(&self, line: Line) -> Option<&(Line, bool, Vec<Line>)> {
        self.gathered.iter().find(|(made, ..)| *made == line)
    }

    pub(crate) fn is_all(&self, line: Line) -> bool {
        self.gathering(line).is_some_and(|(_, is_all, _)| *is_all)
    }

    pub(crate) fn members(&self, line: Line) -> &[Line] {
        self.gathering(line).map_or(&[], |(.., members)| members)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for (number, round) in self.rounds.iter().enumerate() {
            writeln!(f, "  round {number}: {round:?}")?;
        }
        for (number, closure) in self.closures.iter().enumerate() {
            writeln!(f, "  closure {number}: {closure:?}")?;
        }
        writeln!(f, "  gathered: {:?}", self.gathered)
    }
}
