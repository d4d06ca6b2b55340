//! Cancelling, dropping, and unhandled failures.

use super::{Machine, Phase, Step, Todo, Up};
use crate::program::{Body, Deed, Ends, Line};
use crate::seen::{Failure, Kind, Outcome, Said};

impl Machine<'_> {
    pub(super) fn cancel(&mut self, line: Line) -> Said {
        if self.is_decided(line) {
            return Said::TooLate;
        }
        let program = self.program;
        let is_observer = |body: Body| program.closures[body].verb.is_observer();
        let cancelled = &mut self.state.lines[line];
        let observers = cancelled.steps.iter().take_while(|step| match **step {
            Step::Call(body) => is_observer(body),
            Step::Start(_) | Step::Into(_) => true,
            _ => false,
        });
        let observers = observers.count();
        // Observers that are due see the outcome that they subscribed to.
        let observing = match cancelled.phase {
            Phase::Beginning(body, doomed, _)
            | Phase::Running(body, doomed)
            | Phase::Skipping(body, doomed) => doomed || is_observer(body),
            Phase::Ready => observers > 0,
            _ => false,
        };
        // Links are dropped at once with their captures; the other steps run.
        let todo = &mut self.state.todo;
        cancelled.steps.retain(|step| match *step {
            Step::Call(body) if program.closures[body].verb.is_passed_over() => {
                todo.push(Todo::Drop(body));
                false
            }
            Step::Fold => false,
            _ => true,
        });
        if observing {
            cancelled.steps.insert(observers, Step::Cancelled);
        }
        cancelled.doomed = cancelled.steps.len();
        match cancelled.up {
            Some(Up::Line(up)) => todo.push(Todo::Cancel(up)),
            Some(Up::Shared(source)) => todo.push(Todo::Withdraw(line, source)),
            Some(Up::Members) => {
                cancelled.gathers = false;
                self.cancel_members(line);
            }
            Some(Up::Shielded(_)) | None => {}
        }
        if observing {
            return Said::Stopped;
        }
        match self.at(line).phase {
            Phase::Beginning(body, _, saw) => self.state.todo.push(Todo::Begin(body, saw)),
            Phase::Running(body, _) => self.state.todo.push(Todo::Zombie(body)),
            Phase::Cold(body) | Phase::Queued(body) | Phase::Branch(body) => {
                self.state.todo.push(Todo::Drop(body));
            }
            _ => {}
        }
        self.deliver(line, Err(Failure(Kind::Cancelled, line)));
        Said::Stopped
    }

    pub(super) fn cancel_members(&mut self, line: Line) {
        let members = self.program.members(line).iter();
        self.state
            .todo
            .extend(members.map(|member| Todo::Cancel(*member)));
    }

    pub(crate) fn go_on(&mut self, todo: Todo) {
        match todo {
            Todo::Drop(body) => self.drop_closure(body),
            Todo::Cancel(line) => {
                self.cancel(line);
            }
            Todo::Withdraw(branch, source) => {
                self.remove(source, Step::Start(branch));
                self.leave(source);
            }
            Todo::Begin(body, saw) => {
                self.begin(body, saw);
                self.state.todo.push(Todo::Zombie(body));
            }
            Todo::Zombie(body) => {
                let closure = self.program.closures[body];
                self.end_wait(body);
                self.state.dropped[body] = true;
                match closure.ends {
                    Ends::Panic if closure.verb.is_observer() => {
                        self.report(Failure(Kind::Panicked, body));
                    }
                    Ends::Task(inner) => self.ignore(inner),
                    _ => {}
                }
            }
        }
    }

    /// A consumer of a shared task is cancelled. True for the last, if the value is not there yet:
    /// the task has no consumer then, and its failure is not reported, though the outcome may come
    /// before the cancel.
    pub(super) fn leave(&mut self, source: Line) -> bool {
        let shared = &mut self.at(source).shared;
        shared.consumers -= 1;
        let is_unwanted = shared.consumers == 0 && shared.value.is_none();
        if is_unwanted {
            shared.looked = true;
            self.state.todo.push(Todo::Cancel(source));
        }
        is_unwanted
    }

    /// A task was passed to a consumer that does not want it. An outcome that it has already is
    /// dropped like any value.
    pub(super) fn ignore(&mut self, line: Line) {
        self.at(line).looked |= self.at(line).is_settled();
        self.release(line);
    }

    /// A closure goes without having been called, and with it what it has captured.
    pub(super) fn drop_closure(&mut self, body: Body) {
        let closure = self.program.closures[body];
        self.state.dropped[body] = true;
        self.let_go(closure.deed);
        if let Ends::Task(line) = closure.ends {
            self.release(line);
        }
    }

    pub(super) fn let_go(&mut self, deed: Deed) {
        match deed {
            Deed::Resolve(line) => self.abandon(line),
            Deed::Cancel(line) => self.give_up(line),
            Deed::Detach(line) | Deed::Wait(line, _) => self.release(line),
            Deed::ResolveAndWait(resolved, awaited) => {
                self.abandon(resolved);
                self.release(awaited);
            }
            Deed::Nothing | Deed::Unsubscribe(_) => {}
        }
    }

    pub(super) fn report(&mut self, failure: Failure) {
        if failure.0 == Kind::Cancelled {
            return;
        }
        if !self.state.reports.contains(&failure) {
            self.state.reports.push(failure);
            self.state.reports.sort_unstable();
        }
    }

    /// Does at once what has the same effect at every time, so that the search does not try every
    /// order.
    pub(crate) fn hurry(&mut self) {
        for line in 0..self.state.lines.len() {
            if self.is_left_alone(line) {
                self.advance(line);
            }
        }
        for todo in std::mem::take(&mut self.state.todo) {
            match self.is_idle(todo) {
                true => self.go_on(todo),
                false => self.state.todo.push(todo),
            }
        }
    }

    /// Whether it changes nothing elsewhere, now or later.
    fn is_idle(&self, todo: Todo) -> bool {
        match todo {
            Todo::Drop(body) => !self.holds_anything(body),
            // It is too late, and will be: only a handle could hang more links on it, and there is
            // none.
            Todo::Cancel(line) => self.is_decided(line),
            Todo::Begin(..) | Todo::Zombie(_) | Todo::Withdraw(..) => false,
        }
    }

    /// Whether the line is about to bring its outcome to a combinator that waits no more. It has
    /// neither a handle nor steps behind that one, so no observation can tell what is done to it in
    /// between.
    fn is_left_alone(&self, line: Line) -> bool {
        let line = &self.state.lines[line];
        match line.steps.front() {
            Some(Step::Member(to, _)) => {
                line.phase == Phase::Ready && !self.state.lines[*to].gathers
            }
            _ => false,
        }
    }

    /// Whether dropping the closure does anything elsewhere.
    pub(super) fn holds_anything(&self, body: Body) -> bool {
        let closure = self.program.closures[body];
        let is_idle = matches!(closure.deed, Deed::Nothing | Deed::Unsubscribe(_));
        !is_idle || matches!(closure.ends, Ends::Task(_))
    }

    /// Reports each failure that no handle and no step can handle any more.
    pub(crate) fn report_unseen(&mut self) {
        let is_unseen = |outcome: Option<Outcome>| outcome?.err();
        for line in 0..self.state.lines.len() {
            let state = self.at(line);
            let gone = state.is_settled() && !state.handle && !state.looked;
            let own = is_unseen(state.out).filter(|_| gone);
            state.looked |= own.is_some();
            let shared = &mut state.shared;
            let gone = shared.consumers == 0 && !shared.looked;
            let published = is_unseen(shared.value).filter(|_| gone);
            shared.looked |= published.is_some();
            own.into_iter().for_each(|failure| self.report(failure));
            published
                .into_iter()
                .for_each(|failure| self.report(failure));
        }
    }
}
