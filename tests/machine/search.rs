//! Looks for a way of the model that explains what was seen.

use std::collections::HashSet;

use super::model::{LineState, Machine, Phase, State, Todo};
use super::program::{Body, Deed, Op, Program};
use super::seen::{Failure, Seen, Standing};

/// Every state in which a program may be, as far as what was seen of it tells.
pub(crate) struct Search<'p> {
    program: &'p Program,
    states: Vec<State>,
    /// How many states it has looked at.
    pub(crate) looked_at: usize,
}

enum Move {
    Op(usize),
    Line(usize),
    Todo(Todo),
}

impl<'p> Search<'p> {
    pub(crate) fn new(program: &'p Program) -> Search<'p> {
        let state = State {
            lines: vec![LineState::default(); program.lines],
            told: vec![0; program.lines],
            dropped: vec![false; program.closures.len()],
            ..State::default()
        };
        Search {
            program,
            states: vec![state],
            looked_at: 0,
        }
    }

    /// Goes on by one round. False: nothing that is promised explains what was seen.
    pub(crate) fn explain(&mut self, round: &[Op], seen: &Seen) -> bool {
        let mut open = std::mem::take(&mut self.states);
        for state in &mut open {
            state.done = vec![0; round.len()];
        }
        let mut known: HashSet<State> = open.iter().cloned().collect();
        while let Some(state) = open.pop() {
            self.looked_at += 1;
            let moves = self.moves(round, &state);
            if moves.is_empty() && is_as_seen(round, &state, seen) {
                self.states.push(state.clone());
            }
            for to in moves {
                if let Some(next) = self.go(state.clone(), to, round, seen)
                    && known.insert(next.clone())
                {
                    open.push(next);
                }
            }
        }
        !self.states.is_empty()
    }

    fn moves(&self, round: &[Op], state: &State) -> Vec<Move> {
        let ops = (0..round.len()).filter(|at| {
            let blocked = matches!(&round[*at], Op::Wait(line)
                if state.done[*at] == 1 && !state.lines[*line].is_settled());
            state.done[*at] < parts(&round[*at]) && !blocked
        });
        let lines = (0..state.lines.len()).filter(|line| {
            let line = &state.lines[*line];
            match line.phase {
                Phase::Queued(_) | Phase::Beginning(..) | Phase::Skipping(..) => true,
                Phase::Running(body, _) => !self.is_held_up(body, state),
                Phase::Ready => !line.steps.is_empty(),
                _ => false,
            }
        });
        let mut todo = state.todo.clone();
        todo.dedup();
        todo.retain(|todo| !matches!(*todo, Todo::Zombie(body) if self.is_held_up(body, state)));
        ops.map(Move::Op)
            .chain(lines.map(Move::Line))
            .chain(todo.into_iter().map(Move::Todo))
            .collect()
    }

    /// Whether a closure is still at dropping the observer that it has unsubscribed, or at waiting
    /// for a task.
    fn is_held_up(&self, body: Body, state: &State) -> bool {
        let deed = self.program.closures[body].deed;
        let is_dropping = match deed {
            Deed::Unsubscribe(other) => state.todo.contains(&Todo::Drop(other)),
            _ => false,
        };
        is_dropping
            || deed
                .awaits()
                .is_some_and(|line| !state.lines[line].is_settled())
    }

    fn go(&self, state: State, to: Move, round: &[Op], seen: &Seen) -> Option<State> {
        let mut machine = Machine {
            program: self.program,
            seen,
            state,
            wrong: false,
        };
        match to {
            Move::Op(at) => {
                let part = machine.state.done[at];
                machine.state.done[at] += 1;
                machine.perform(&round[at], part, seen.said[at]);
            }
            Move::Line(line) => machine.advance(line),
            Move::Todo(todo) => {
                let place = machine.state.todo.iter().position(|other| *other == todo)?;
                machine.state.todo.remove(place);
                machine.go_on(todo);
            }
        }
        machine.hurry();
        machine.report_unseen();
        machine.state.todo.sort_unstable();
        (!machine.wrong).then_some(machine.state)
    }

    /// Every closure is gone, as it must be in the end unless the program has tied a knot.
    pub(crate) fn is_clean(&self) -> bool {
        let mut states = self.states.iter();
        states.all(|state| state.dropped.iter().all(|dropped| *dropped))
    }
}

fn parts(op: &Op) -> u8 {
    match op {
        Op::Try(_) => 3,
        Op::Wait(_) | Op::Reject(_) | Op::Follow(..) => 2,
        _ => 1,
    }
}

/// Nothing more can happen in `state`: what has happened must be all that was seen.
fn is_as_seen(round: &[Op], state: &State, seen: &Seen) -> bool {
    let stands = |(line, standing): (&LineState, &Standing)| match standing {
        Standing::NoHandle => true,
        Standing::Pending => !line.is_settled(),
        Standing::Success => line.is_settled() && matches!(line.out, Some(Ok(_))),
        Standing::Failure => line.is_settled() && matches!(line.out, Some(Err(_))),
    };
    let excused: Vec<Failure> = state
        .excused
        .iter()
        .map(|failure| failure.shown())
        .collect();
    let told = |failure: &Failure| !excused.contains(failure);
    let reports = state.reports.iter().map(|failure| failure.shown());
    let mut reports: Vec<Failure> = reports.filter(told).collect();
    reports.sort_unstable();
    let seen_reports = seen.reports.iter().copied().filter(told);
    let mut told = state.told.iter().zip(&seen.calls);
    told.all(|(told, calls)| *told == calls.len())
        && state.dropped == seen.dropped
        && seen_reports.eq(reports)
        && state.lines.iter().zip(&seen.standing).all(stands)
        && (0..round.len()).all(|at| state.done[at] == parts(&round[at]))
}
