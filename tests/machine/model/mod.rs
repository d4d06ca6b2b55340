//! What fast-async promises, as a machine for one thread that takes one small step at a time.
//!
//! A task and what is chained to it are a *line*: an outcome that moves along steps. Where the
//! contract leaves an order open, each order is a way the machine may go; where it does not, there
//! is one. `search.rs` looks for a way that explains what was seen.

mod operations;
mod outcomes;
mod stopping;

use std::collections::VecDeque;

use super::program::{Body, Grip, Line, Program};
use super::seen::{Failure, Outcome, Saw, Seen};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    #[default]
    Unborn,
    Cold(Body),
    Queued(Body),
    /// Waits for the shared task whose branch it is.
    Branch(Body),
    /// Waits for its outcome.
    Open,
    Following,
    /// The outcome is in `out`, on its way along `steps`.
    Ready,
    /// The closure is due and has not begun. A cancel may come in between, and its effects may be
    /// seen first. `true`: the task was cancelled before the closure was due.
    Beginning(Body, bool, Saw),
    /// As in `Beginning`.
    Running(Body, bool),
    /// The closure is due and is dropped instead of called; as in `Beginning`.
    Skipping(Body, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Call(Body),
    /// The task is cancelled. Observers have already run with the outcome if there was one.
    Cancelled,
    /// Makes one value of the values that `all` has gathered.
    Fold,
    Start(Line),
    Publish,
    /// The value is there to be borrowed. A cancel may still come in between: steps that have not
    /// run are told of it.
    Published,
    /// Carries the outcome to a combinator, as that of its n-th task.
    Member(Line, usize),
    /// Carries the outcome to the task that shields this one.
    Shield(Line),
    /// Carries the outcome to the task that has adopted this one.
    Into(Line),
}

/// What a line waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Up {
    Line(Line),
    Shared(Line),
    Members,
    /// Not cancelled with what waits for it.
    Shielded(Line),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LineState {
    pub(crate) phase: Phase,
    pub(crate) out: Option<Outcome>,
    pub(crate) steps: VecDeque<Step>,
    /// The number of steps present when the task was cancelled. They are told of the cancel.
    doomed: usize,
    up: Option<Up>,
    pub(crate) handle: bool,
    /// The failure in `out` is handled.
    looked: bool,
    shared: Shared,
    /// Of a combinator: what has come in, and whether it still waits.
    parts: Vec<Option<Outcome>>,
    gathers: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Shared {
    value: Option<Outcome>,
    consumers: usize,
    looked: bool,
}

/// What an actor has begun and will continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Todo {
    /// A closure begins whose task was cancelled after it was due.
    Begin(Body, Saw),
    /// A closure ends whose task was cancelled while it ran.
    Zombie(Body),
    Drop(Body),
    Cancel(Line),
    /// The branch no longer wants the value of its source.
    Withdraw(Line, Line),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) lines: Vec<LineState>,
    pub(crate) todo: Vec<Todo>,
    /// How many of the calls on each line are explained.
    pub(crate) told: Vec<usize>,
    pub(crate) dropped: Vec<bool>,
    pub(crate) reports: Vec<Failure>,
    /// Failures that a task was asked for, and gave out: they need not be reported.
    pub(crate) excused: Vec<Failure>,
    /// How far each operation of the round has come.
    pub(crate) done: Vec<u8>,
}

impl LineState {
    pub(crate) fn is_settled(&self) -> bool {
        self.phase == Phase::Ready && self.steps.is_empty()
    }

    /// Its outcome will not change, though observers may yet look at it.
    fn is_decided(&self, program: &Program) -> bool {
        let is_link = |body: Body| !program.closures[body].verb.is_observer();
        let is_at_link = match self.phase {
            Phase::Ready => false,
            Phase::Beginning(body, doomed, _)
            | Phase::Running(body, doomed)
            | Phase::Skipping(body, doomed) => !doomed && is_link(body),
            _ => return false,
        };
        let link_to_come = self.steps.range(self.doomed..).any(|step| match step {
            Step::Call(body) => is_link(*body),
            Step::Cancelled | Step::Start(_) | Step::Into(_) => false,
            Step::Fold | Step::Publish | Step::Published | Step::Member(..) | Step::Shield(_) => {
                true
            }
        });
        !is_at_link && !link_to_come
    }
}

/// One state on its way to the next.
pub(crate) struct Machine<'a> {
    pub(crate) program: &'a Program,
    pub(crate) seen: &'a Seen,
    pub(crate) state: State,
    /// What was seen cannot have come this way.
    pub(crate) wrong: bool,
}

impl Machine<'_> {
    fn at(&mut self, line: Line) -> &mut LineState {
        &mut self.state.lines[line]
    }

    fn shared(&mut self, grip: Grip) -> &mut Shared {
        let line = self.program.grips[grip];
        &mut self.at(line).shared
    }

    fn is_decided(&self, line: Line) -> bool {
        self.state.lines[line].is_decided(self.program)
    }
}

/// What a closure makes of a value.
pub(crate) fn mix(value: u32, body: Body) -> u32 {
    value.wrapping_mul(31).wrapping_add(body as u32)
}

/// What a closure uses as its value: the outcome that it sees, or a new number.
pub(crate) fn mix_input(saw: Saw) -> u32 {
    saw.map_or(1, |outcome| outcome.unwrap_or(7))
}

/// One value made of many.
pub(crate) fn fold(values: Vec<u32>) -> u32 {
    let add = |sum: u32, value: u32| sum.wrapping_mul(7).wrapping_add(value);
    values.into_iter().fold(17, add)
}
