//! Random programs over a topic and one that is derived from it, for one thread.

use fast_async::topic::Overflow;

/// The bytes of one operation.
pub(crate) type Raw = [u8; 8];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Source,
    Derived,
}

/// What a program does, and what a callback does. A number picks one of the things that are there,
/// in the order in which they were made.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Publish(Which),
    Subscribe(Which, Script),
    Unsubscribe(usize),
    Receive(Which, usize, Overflow),
    Take(usize),
    Leave(usize),
    Next(Which),
    Cancel(usize),
    Look(usize),
    Close(Which),
    /// Of a callback alone.
    Panic,
}

/// What a callback does, and in which of its calls.
pub(crate) type Script = Vec<(usize, Deed)>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// How many values the source replays and holds.
    pub(crate) kept: (usize, usize),
    pub(crate) deeds: Vec<Deed>,
}

impl Program {
    /// What is kept is delivered by a job, beside the thread of the program. So a program with it
    /// has one topic, and waits after each deed; and no publisher waits for this thread to read.
    pub(crate) fn keeps(&self) -> bool {
        self.kept != (0, 0)
    }

    pub(crate) fn read(first: [u8; 2], raws: &[Raw]) -> Program {
        let mut program = Program::default();
        if first[0].is_multiple_of(3) {
            program.kept = (usize::from(first[1] % 4), usize::from(first[1] / 4 % 4));
        }
        let keeps = program.keeps();
        program.deeds = raws.iter().map(|raw| deed(raw, keeps, 0)).collect();
        program
    }
}

/// Reads what is done in a callback of this depth; 0: by the program.
fn deed(raw: &[u8], keeps: bool, depth: usize) -> Deed {
    let number = |at: usize| usize::from(raw[at % raw.len()]);
    let which = match number(1) % 3 == 0 && !keeps {
        true => Which::Derived,
        false => Which::Source,
    };
    match number(0) % 32 {
        0..=8 => Deed::Publish(which),
        9..=13 if depth < 2 => Deed::Subscribe(which, script(&raw[2..], keeps, depth + 1)),
        14..=16 => Deed::Unsubscribe(number(2)),
        17..=19 => Deed::Receive(which, number(2) % 3, overflow(number(3), keeps)),
        20..=22 => Deed::Take(number(2)),
        23 => Deed::Leave(number(2)),
        24..=26 => Deed::Next(which),
        27 => Deed::Cancel(number(2)),
        28 => Deed::Look(number(2)),
        29 if number(3) % 3 == 0 => Deed::Close(which),
        30 if depth > 0 => Deed::Panic,
        _ => Deed::Publish(which),
    }
}

fn script(raw: &[u8], keeps: bool, depth: usize) -> Script {
    let count = usize::from(raw[0] % 4);
    let deeds = (0..count).map(|number| {
        let mut raw = raw.to_vec();
        raw.rotate_left(number + 1);
        (usize::from(raw[0] % 3), deed(&raw, keeps, depth))
    });
    deeds.collect()
}

fn overflow(number: usize, keeps: bool) -> Overflow {
    match number % if keeps { 3 } else { 4 } {
        0 => Overflow::DropOldest,
        1 => Overflow::DropIncoming,
        2 => Overflow::Fail,
        _ => Overflow::Block,
    }
}

/// What can be seen of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A callback, and the value that it got.
    Called(usize, u32),
    /// A value, and how many subscribers it goes to.
    Published(u32, Result<usize, &'static str>),
    Unsubscribed(usize, bool),
    Took(usize, Option<(u64, u32)>),
    Cancelled(usize, String),
    Looked(usize, Fate),
    /// After a deed of the program: the subscribers of both topics, whether they are closed, and
    /// what the receivers have and have lost.
    Stands([usize; 2], [bool; 2], Vec<(usize, u64)>),
}

/// What has become of a task for the next value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pending,
    Value(u32),
    Abandoned,
    Cancelled,
    /// Its outcome was taken.
    Taken,
}

/// What the derived topic makes of a value.
pub(crate) fn derived(value: u32) -> u32 {
    value + 1_000_000
}
