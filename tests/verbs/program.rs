//! Random programs over the verbs that are made of tasks: time limits, combinators, retries,
//! groups, queues and permits. A program is a list of bytes; what they mean depends on what is
//! there.

use crate::reference::{Line, Part, Reference};

/// The bytes of one operation.
pub(crate) type Raw = [u8; 6];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    All,
    Any,
    Race,
    Settled,
}

/// One operation. Those that make a task say which line it is. Times are seconds.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A closure that returns a task, the first part of the line.
    Call(Line),
    /// The same in the queue, with this priority.
    Job(Line, i32),
    /// The same with so many permits.
    Acquire(Line, usize),
    /// So many calls, with a pause between them.
    Retry(Line, u32, u64),
    Timeout(Line, Line, u64),
    Combine(Line, Verb, Vec<Line>),
    /// A group of so many calls, which are the lines that follow. `true`: it keeps going.
    Group(Line, usize, bool, Option<u64>),
    CancelGroup(Line),
    Idle(Line),
    Below(Line, usize),
    /// Settles a part, with a value or with an error.
    Settle(Part, bool),
    Cancel(Line),
    Detach(Line),
    Limit(usize),
    Pause,
    Resume,
    Clear,
    Advance(u64),
}

/// Groups have a thread each.
const MOST_GROUPS: usize = 3;
const MOST_LINES: usize = 40;

/// Reads an operation, as far as there is something that it can act on. `busy`: what the other
/// operation of the same round acts on.
pub(crate) fn read(raw: &Raw, now: &Reference, busy: Option<&Op>) -> Option<Op> {
    let new = now.lines();
    let taken = |line: Line| busy.is_some_and(|op| op.touches(line));
    let handles: Vec<Line> = now.handles().filter(|line| !taken(*line)).collect();
    let pick = |byte: u8| pick(&handles, byte);
    let amount = |byte: u8| u64::from(byte % 4) + 1;
    let is_alone = busy.is_none();
    let has_room = new < MOST_LINES && is_alone;
    Some(match raw[0] % 36 {
        0..=3 if has_room => Op::Call(new),
        4..=8 if has_room => Op::Job(new, i32::from(raw[1] % 3)),
        9..=11 if has_room => Op::Acquire(new, usize::from(raw[1] % 8).div_ceil(3).max(1)),
        12..=13 if has_room => Op::Retry(new, u32::from(raw[1] % 3) + 1, u64::from(raw[2] % 3)),
        14..=16 if has_room => Op::Timeout(new, pick(raw[1])?, amount(raw[2])),
        17..=19 if has_room => {
            let verb = [Verb::All, Verb::Any, Verb::Race, Verb::Settled][usize::from(raw[1] % 4)];
            let mut members: Vec<Line> = Vec::new();
            for byte in &raw[2..=2 + usize::from(raw[5] % 3)] {
                members.extend(pick(*byte).filter(|line| !members.contains(line)));
            }
            (!members.is_empty()).then_some(Op::Combine(new, verb, members))?
        }
        20 if has_room && now.group_lines().count() < MOST_GROUPS => {
            let limit = raw[3].is_multiple_of(2).then(|| amount(raw[4]));
            Op::Group(
                new,
                usize::from(raw[1] % 4),
                raw[2].is_multiple_of(2),
                limit,
            )
        }
        21 => Op::CancelGroup(now.open_group().filter(|group| !taken(*group))?),
        22 if has_room && raw[1].is_multiple_of(3) => Op::Idle(new),
        22 if has_room => Op::Below(new, usize::from(raw[1] % 4)),
        23..=28 => {
            let parts: Vec<Part> = now.open_parts().filter(|part| !taken(part.0)).collect();
            Op::Settle(self::pick(&parts, raw[1])?, !raw[2].is_multiple_of(3))
        }
        29 | 30 => Op::Cancel(pick(raw[1])?),
        31 => Op::Detach(pick(raw[1])?),
        32 => Op::Limit(usize::from(raw[1] % 3) + 1),
        33 if raw[1].is_multiple_of(3) => Op::Pause,
        33 => Op::Resume,
        34 if raw[1].is_multiple_of(2) => Op::Clear,
        34 | 35 if is_alone => Op::Advance(amount(raw[1])),
        _ => return None,
    })
}

/// One of them; 0 is the last.
fn pick<T: Copy>(from: &[T], byte: u8) -> Option<T> {
    let last = from.len().checked_sub(1)?;
    Some(from[last - usize::from(byte) % from.len()])
}

impl Op {
    /// Whether it uses the handle or a part of this line.
    fn touches(&self, line: Line) -> bool {
        match self {
            Op::Timeout(_, inner, _) => *inner == line,
            Op::Combine(_, _, members) => members.contains(&line),
            Op::CancelGroup(group) => *group == line,
            Op::Settle(part, _) => part.0 == line,
            Op::Cancel(own) | Op::Detach(own) => *own == line,
            _ => false,
        }
    }

    /// Whether another operation may be done at the same time. Those that make a line are numbered
    /// in their order, and time goes on from one deadline to the next.
    pub(crate) fn may_meet_another(&self) -> bool {
        !matches!(self, Op::Advance(_) | Op::Group(..))
    }
}
