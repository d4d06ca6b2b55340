//! What is done to tasks.

use super::{LineState, Machine, Phase, Step, Todo, Up};
use crate::program::{Body, Line, Op};
use crate::seen::{Failure, Kind, Outcome, Said};

impl Machine<'_> {
    /// Does one part of an operation. `said` is the answer of the whole operation.
    pub(crate) fn perform(&mut self, op: &Op, part: u8, said: Said) {
        let result = match *op {
            Op::Deferred(line) => {
                self.born(line, Phase::Open);
                Said::Nothing
            }
            Op::Ready(line) => {
                self.born_settled(line, Ok(line as u32));
                Said::Nothing
            }
            Op::Failed(line) => {
                self.born_settled(line, Err(Failure(Kind::Failed, 1000 + line)));
                Said::Nothing
            }
            Op::Spawn(line, body) => {
                self.born(line, Phase::Queued(body));
                Said::Nothing
            }
            Op::Cold(line, body) => {
                self.born(line, Phase::Cold(body));
                Said::Nothing
            }
            Op::Link(line, body) | Op::Observe(line, body) => {
                self.register(line, Step::Call(body));
                Said::Nothing
            }
            Op::OnInline(line) | Op::OnPool(line) => {
                self.start(line);
                Said::Nothing
            }
            Op::Unsubscribe(body) => Said::Was(self.unsubscribe(body)),
            Op::Resolve(line) => Said::Was(self.settle(line, Ok(1000 + line as u32))),
            Op::Reject(line) => match part {
                0 => Said::Was(self.at(line).phase == Phase::Open),
                _ => {
                    self.settle(line, Err(Failure(Kind::Failed, 1000 + line)));
                    return;
                }
            },
            Op::Abandon(line) => {
                self.abandon(line);
                Said::Nothing
            }
            Op::Follow(outer, inner) => match part {
                0 => Said::Was(self.at(outer).phase == Phase::Open),
                _ => return self.follow(outer, inner, said == Said::Was(true)),
            },
            Op::Cancel(line) => self.cancel(line),
            Op::Detach(line) => {
                self.release(line);
                Said::Nothing
            }
            Op::Look(line) => self.look(line),
            Op::Try(line) => match part {
                0 => return self.start(line),
                1 => self.take(line),
                _ => return self.give_up(line),
            },
            Op::Wait(line) => match part {
                0 => return self.start(line),
                _ => self.take(line),
            },
            Op::Share(line, _) => {
                self.at(line).handle = false;
                self.at(line).shared.consumers = 1;
                {
                    self.register(line, Step::Publish);
                    Said::Nothing
                }
            }
            Op::Clone(grip, _) => {
                self.shared(grip).consumers += 1;
                Said::Nothing
            }
            Op::Branch(grip, line, body) => {
                self.born(line, Phase::Branch(body));
                self.at(line).up = Some(Up::Shared(self.program.grips[grip]));
                self.shared(grip).consumers += 1;
                {
                    self.register(self.program.grips[grip], Step::Start(line));
                    Said::Nothing
                }
            }
            Op::ObserveShared(grip, body) => {
                self.register(self.program.grips[grip], Step::Call(body));
                Said::Nothing
            }
            Op::CancelShared(grip) => {
                let is_there = self.shared(grip).value.is_some();
                match self.leave(self.program.grips[grip]) {
                    true => Said::Stopped,
                    false if is_there => Said::TooLate,
                    false => Said::Wanted,
                }
            }
            Op::DropShared(grip) => {
                self.shared(grip).consumers -= 1;
                Said::Nothing
            }
            Op::TryShared(grip) => {
                let shared = self.shared(grip);
                shared.looked |= matches!(shared.value, Some(Err(_)));
                shared.value.map_or(Said::Pending, Said::Outcome)
            }
            Op::All(line) | Op::Any(line) => {
                self.gather(line);
                Said::Nothing
            }
            Op::Shield(line, inner) => {
                self.born(line, Phase::Open);
                self.at(line).up = Some(Up::Shielded(inner));
                self.at(inner).handle = false;
                {
                    self.register(inner, Step::Shield(line));
                    Said::Nothing
                }
            }
        };
        self.wrong |= result.shown() != said;
    }

    pub(super) fn born(&mut self, line: Line, phase: Phase) {
        *self.at(line) = LineState {
            phase,
            handle: true,
            ..LineState::default()
        };
    }

    pub(super) fn born_settled(&mut self, line: Line, out: Outcome) {
        self.born(line, Phase::Ready);
        self.at(line).out = Some(out);
    }

    pub(super) fn start(&mut self, line: Line) {
        if let Phase::Cold(body) = self.at(line).phase {
            self.at(line).phase = Phase::Queued(body);
        }
    }

    pub(super) fn register(&mut self, line: Line, step: Step) {
        self.at(line).steps.push_back(step);
        self.start(line);
    }

    pub(super) fn unsubscribe(&mut self, body: Body) -> bool {
        let line = self.program.closures[body].line;
        let was_there = self.remove(line, Step::Call(body));
        if was_there {
            // It is dropped when the list's lock is gone: others may come in between.
            self.state.todo.push(Todo::Drop(body));
        }
        was_there
    }

    pub(super) fn remove(&mut self, line: Line, step: Step) -> bool {
        let line = self.at(line);
        // Steps that are being told of a cancel are no longer in the list.
        let taken = match line.steps.contains(&Step::Cancelled) {
            true => 0,
            false => line.doomed,
        };
        let place = line
            .steps
            .iter()
            .skip(taken)
            .position(|other| *other == step);
        let Some(place) = place.map(|place| place + taken) else {
            return false;
        };
        line.doomed -= usize::from(place < line.doomed);
        line.steps.remove(place).is_some()
    }

    pub(super) fn settle(&mut self, line: Line, out: Outcome) -> bool {
        let open = self.at(line).phase == Phase::Open;
        if open {
            self.deliver(line, out);
        }
        open
    }

    pub(super) fn deliver(&mut self, line: Line, out: Outcome) {
        let line = self.at(line);
        (line.phase, line.out, line.up, line.looked) = (Phase::Ready, Some(out), None, false);
    }

    pub(super) fn abandon(&mut self, line: Line) {
        self.settle(line, Err(Failure(Kind::Abandoned, line)));
    }

    pub(super) fn release(&mut self, line: Line) {
        self.at(line).handle = false;
        if let Phase::Cold(body) = self.at(line).phase {
            self.at(line).phase = Phase::Unborn;
            self.state.todo.push(Todo::Drop(body));
        }
    }

    pub(super) fn look(&mut self, line: Line) -> Said {
        let state = self.at(line);
        let failure = state.out.and_then(Result::err);
        let Some(failure) = failure.filter(|_| state.is_settled()) else {
            return Said::Nothing;
        };
        self.state.excused.push(failure);
        Said::Outcome(Err(failure))
    }

    pub(super) fn take(&mut self, line: Line) -> Said {
        let line = self.at(line);
        match line.out {
            Some(out) if line.is_settled() => {
                (line.out, line.handle) = (None, false);
                Said::Outcome(out)
            }
            _ => Said::Pending,
        }
    }

    pub(super) fn give_up(&mut self, line: Line) {
        if self.at(line).handle {
            self.cancel(line);
            self.release(line);
        }
    }

    pub(super) fn gather(&mut self, line: Line) {
        self.born(line, Phase::Open);
        let is_all = self.program.is_all(line);
        let members = self.program.members(line);
        let gathering = self.at(line);
        (gathering.up, gathering.gathers) = (Some(Up::Members), true);
        gathering.parts = vec![None; members.len()];
        gathering.steps.extend(is_all.then_some(Step::Fold));
        for (place, member) in members.iter().enumerate() {
            self.at(*member).handle = false;
            self.register(*member, Step::Member(line, place));
        }
    }
}
