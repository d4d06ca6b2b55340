//! Random programs over time limits, combinators, retries, groups, queues and permits, against a
//! reference that does one operation after the other. Where two operations run at the same time,
//! what is seen must be that of one order of both.
//!
//! Contract: T1, T3, T4, K1, M1, M3, R1, R3, G1, G2, Q1, Q3, Q4.
//!
//! `FAST_ASYNC_PROGRAMS` is another number of programs, of which a twentieth is run;
//! `FAST_ASYNC_SEED` is another seed:
//!
//! ```sh
//! FAST_ASYNC_PROGRAMS=1000000 FAST_ASYNC_SEED=$RANDOM \
//!     cargo test --release --test verbs -- --nocapture
//! ```
//!
//! A program that fails is shrunk and printed.

mod program;
#[path = "../support/programs.rs"]
mod programs;
mod reference;
mod world;

use std::fmt::Write;
use std::sync::{Arc, Barrier};
use std::thread;

use fast_async::set_unhandled_hook;
use proptest::collection::vec;
use proptest::prelude::any;

use program::{Op, Raw};
use reference::{Order, Reference};
use world::World;

const PROGRAMS: u32 = 20_000;
/// A program takes as long as so many of `tests/machine`, and a number for both is meant so.
const PER_PROGRAM: u32 = 20;
const LONGEST: usize = 60;

/// One run of a program: the crate, and each state in which it may be.
struct Run {
    world: Arc<World>,
    states: Vec<Reference>,
    /// What was done, for the message.
    told: String,
}

impl Run {
    fn new() -> Run {
        Run {
            world: World::new(),
            states: vec![Reference::new()],
            told: String::new(),
        }
    }

    /// Does one operation, or two at the same time.
    fn round(&mut self, ops: &[Op]) -> Result<(), String> {
        let _ = writeln!(self.told, "  {ops:?}");
        match ops {
            [one] => self.world.perform(one),
            [one, other] => {
                let start = Barrier::new(2);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        start.wait();
                        self.world.perform(other);
                    });
                    start.wait();
                    self.world.perform(one);
                });
            }
            _ => unreachable!("a round has one or two"),
        }
        self.world.rest();
        let mut next: Vec<Reference> = Vec::new();
        for state in &self.states {
            for turns in [[0, 1], [1, 0]].iter().take(ops.len()) {
                for order in [Order::Queue, Order::Consumer] {
                    let mut state = state.clone();
                    let ops = turns.iter().filter_map(|at| ops.get(*at));
                    ops.for_each(|op| state.perform(op, order));
                    if !next.contains(&state) {
                        next.push(state);
                    }
                }
            }
        }
        let now = self.now();
        let had_ended = |line| line < now.lines() && now.out(line).is_some();
        let first = next[0].clone();
        for line in first.group_lines().filter(|line| !had_ended(*line)) {
            let outcome = self.world.ended(line, first.out(line).is_some());
            next.retain(|state| state.out(line) == outcome);
        }
        let seen = self.world.seen();
        let expected: Vec<_> = next.iter().map(Reference::seen).collect();
        next.retain(|state| state.seen() == seen);
        self.states = next;
        match self.states.is_empty() {
            true => Err(format!(
                "after\n{}it is\n  {seen:?}\nand should be one of\n  {expected:?}",
                self.told
            )),
            false => Ok(()),
        }
    }

    fn now(&self) -> &Reference {
        &self.states[0]
    }

    /// Lets everything come to its end, and looks at the values.
    fn finish(mut self) -> Result<usize, String> {
        self.round(&[Op::Resume])?;
        loop {
            let part = self.now().open_parts().next();
            match part {
                Some(part) => self.round(&[Op::Settle(part, true)])?,
                None if self.now().has_timers() => self.round(&[Op::Advance(5)])?,
                None => break,
            }
        }
        let lines: Vec<_> = self.now().handles().collect();
        for line in lines {
            let outcome = self.now().out(line).map(|_| self.world.outcome(line));
            let expected: Vec<_> = self.states.iter().map(|state| state.out(line)).collect();
            self.states.retain(|state| state.out(line) == outcome);
            if self.states.is_empty() {
                return Err(format!(
                    "after\n{}task {line} has {outcome:?} and should have one of {expected:?}",
                    self.told
                ));
            }
        }
        Ok(self.now().lines())
    }
}

/// Runs one program; says where it differs from the reference.
fn check(raws: &[Raw]) -> Result<usize, String> {
    let mut run = Run::new();
    let mut raws = raws.iter().peekable();
    while let Some(raw) = raws.next() {
        let Some(op) = program::read(raw, run.now(), None) else {
            continue;
        };
        let beside = raws.next_if(|raw| raw[5].is_multiple_of(3) && op.may_meet_another());
        let beside = beside.and_then(|raw| program::read(raw, run.now(), Some(&op)));
        let ops: Vec<Op> = [op].into_iter().chain(beside).collect();
        run.round(&ops)?;
    }
    run.finish()
}

#[test]
fn programs_do_what_the_reference_does() {
    let _alone = programs::alone(|| set_unhandled_hook(|_| ()));
    let count = (programs::count_or(PROGRAMS) / PER_PROGRAM).max(1);
    let tasks = programs::watched(move |begun| {
        programs::run(count, vec(any::<Raw>(), 1..LONGEST), begun, |raws| {
            check(raws)
        })
    });
    println!("{count} programs, {tasks} tasks");
}
