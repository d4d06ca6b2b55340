//! The way of an outcome: along the steps of its line, and on to other lines.

use super::{Machine, Phase, Step, Up, fold, mix, mix_input};
use crate::program::{Body, Deed, Ends, Line, Verb};
use crate::seen::{Failure, Kind, Outcome, Said, Saw};

impl Machine<'_> {
    /// The next thing that happens on a line.
    pub(crate) fn advance(&mut self, line: Line) {
        match self.at(line).phase {
            Phase::Queued(body) => self.call(line, body, false, None),
            Phase::Beginning(body, doomed, saw) => {
                self.at(line).phase = Phase::Running(body, doomed);
                self.begin(body, saw);
            }
            Phase::Running(body, doomed) => self.end(line, body, doomed),
            Phase::Skipping(..) => self.at(line).phase = Phase::Ready,
            _ => {
                let state = self.at(line);
                let doomed = state.doomed > 0;
                state.doomed -= usize::from(doomed);
                if let Some(step) = state.steps.pop_front() {
                    self.step(line, step, doomed);
                }
            }
        }
    }

    pub(super) fn step(&mut self, line: Line, step: Step, doomed: bool) {
        let (own, published) = (self.at(line).out, self.at(line).shared.value);
        let input = match doomed && !matches!(step, Step::Start(_)) {
            true => own.or(published),
            false => published.or(own),
        };
        let input = input.expect("an outcome for the step");
        match step {
            Step::Fold | Step::Published => {}
            Step::Cancelled => self.deliver(line, Err(Failure(Kind::Cancelled, line))),
            Step::Call(body) => {
                let verb = self.program.closures[body].verb;
                if !verb.wants(input.is_ok()) {
                    return self.skip(line, body, doomed);
                }
                let saw = (verb != Verb::Finally).then_some(input);
                self.call(line, body, doomed, saw);
            }
            Step::Start(branch) => self.start_branch(line, branch, input),
            Step::Publish => {
                let state = self.at(line);
                state.shared.value = state.out.take();
                state.steps.push_front(Step::Published);
                state.doomed += usize::from(doomed);
            }
            Step::Member(to, place) => {
                self.at(line).out = None;
                self.collect(to, place, input);
            }
            Step::Shield(to) => {
                self.at(line).out = None;
                if let (false, Err(failure)) = (self.settle(to, input), input) {
                    self.report(failure);
                }
            }
            Step::Into(to) => {
                self.at(line).out = None;
                if self.at(to).up == Some(Up::Line(line)) {
                    self.deliver(to, input);
                }
            }
        }
    }

    pub(super) fn start_branch(&mut self, source: Line, branch: Line, input: Outcome) {
        let Phase::Branch(body) = self.at(branch).phase else {
            return; // Cancelled, and about to be withdrawn.
        };
        let called = self.program.closures[body].verb.wants(input.is_ok());
        self.at(source).shared.consumers -= 1;
        self.at(source).shared.looked = true;
        self.deliver(branch, input);
        if called {
            self.call(branch, body, false, Some(input));
        } else {
            self.skip(branch, body, false);
        }
    }

    /// A closure is not wanted. Its step ends when the closure is dropped: the captures may cancel
    /// the line.
    pub(super) fn skip(&mut self, line: Line, body: Body, doomed: bool) {
        if self.holds_anything(body) {
            self.at(line).phase = Phase::Skipping(body, doomed);
        }
        self.drop_closure(body);
    }

    /// A closure is called, with what it will see.
    pub(super) fn call(&mut self, line: Line, body: Body, doomed: bool, saw: Saw) {
        let saw = saw.map(|outcome| outcome.map_err(Failure::shown));
        self.at(line).phase = Phase::Beginning(body, doomed, saw);
    }

    /// A called closure begins: that must have been seen, next on its line.
    pub(super) fn begin(&mut self, body: Body, saw: Saw) {
        let closure = self.program.closures[body];
        let place = self.state.told[closure.line];
        self.wrong |= self.seen.calls[closure.line].get(place) != Some(&(body, saw));
        self.state.told[closure.line] += 1;
        match closure.deed {
            Deed::Nothing => {}
            Deed::Resolve(line) => {
                self.settle(line, Ok(2000 + body as u32));
            }
            Deed::Unsubscribe(other) => {
                self.unsubscribe(other);
            }
            Deed::Cancel(_) | Deed::Detach(_) => self.let_go(closure.deed),
            Deed::Wait(awaited, _) => self.start(awaited),
            Deed::ResolveAndWait(resolved, awaited) => {
                self.settle(resolved, Ok(2000 + body as u32));
                self.start(awaited);
            }
        }
    }

    pub(super) fn end(&mut self, line: Line, body: Body, doomed: bool) {
        let closure = self.program.closures[body];
        self.end_wait(body);
        self.state.dropped[body] = true;
        self.at(line).phase = Phase::Ready;
        let panicked = Failure(Kind::Panicked, body);
        if closure.verb.is_observer() || doomed {
            if closure.ends == Ends::Panic {
                self.report(panicked);
            }
            return;
        }
        let input = mix_input(self.at(line).out);
        let out = match closure.ends {
            Ends::Value if closure.verb == Verb::Finally => return,
            Ends::Value => Ok(mix(input, body)),
            Ends::Error => Err(Failure(Kind::Failed, body)),
            Ends::Panic => Err(panicked),
            Ends::Task(inner) => return self.adopt(line, inner),
        };
        self.deliver(line, out);
    }

    /// A closure has what it has waited for.
    pub(super) fn end_wait(&mut self, body: Body) {
        if let Some(awaited) = self.program.closures[body].deed.awaits() {
            self.wrong |= self.take(awaited) == Said::Pending;
        }
    }

    pub(super) fn adopt(&mut self, outer: Line, inner: Line) {
        self.at(inner).handle = false;
        if self.at(inner).is_settled()
            && let Some(out) = self.at(inner).out.take()
        {
            self.deliver(outer, out);
        } else if self.is_stuck(inner, Some(outer)) {
            self.deliver(outer, Err(Failure(Kind::Cycle, outer)));
        } else {
            self.at(outer).phase = Phase::Following;
            self.at(outer).up = Some(Up::Line(inner));
            self.register(inner, Step::Into(outer));
        }
    }

    pub(super) fn follow(&mut self, outer: Line, inner: Line, wanted: bool) {
        if wanted && self.at(outer).phase == Phase::Open {
            return self.adopt(outer, inner);
        }
        match wanted {
            true => self.ignore(inner),
            false => self.release(inner),
        }
    }

    /// Whether a line cannot settle, or not before `other` has: the search begins with the lines
    /// that wait for nothing.
    pub(super) fn is_stuck(&self, line: Line, other: Option<Line>) -> bool {
        let mut goes_on = vec![false; self.state.lines.len()];
        loop {
            let next = |line: &Line| {
                !goes_on[*line] && Some(*line) != other && self.can_go_on(*line, &goes_on)
            };
            match (0..goes_on.len()).find(next) {
                Some(line) => goes_on[line] = true,
                None => return !goes_on[line],
            }
        }
    }

    /// Whether a line proceeds when the lines in `goes_on` do.
    fn can_go_on(&self, line: Line, goes_on: &[bool]) -> bool {
        let state = &self.state.lines[line];
        match state.up {
            None => true,
            Some(Up::Line(up) | Up::Shared(up) | Up::Shielded(up)) => goes_on[up],
            Some(Up::Members) => {
                let members = self.program.members(line).iter().zip(&state.parts);
                let mut missing = members
                    .filter(|(_, part)| part.is_none())
                    .map(|(member, _)| goes_on[*member])
                    .peekable();
                match self.program.is_all(line) || missing.peek().is_none() {
                    true => missing.all(|goes_on| goes_on),
                    false => missing.any(|goes_on| goes_on),
                }
            }
        }
    }

    /// One task of a combinator has settled.
    pub(super) fn collect(&mut self, to: Line, place: usize, out: Outcome) {
        let is_all = self.program.is_all(to);
        let group = self.at(to);
        if !group.gathers {
            return;
        }
        group.parts[place] = Some(out);
        let parts = group
            .parts
            .iter()
            .copied()
            .collect::<Option<Vec<Outcome>>>();
        let verdict = match (is_all, out) {
            (true, Ok(_)) => parts
                .and_then(|parts| parts.into_iter().collect::<Result<Vec<u32>, _>>().ok())
                .map(|values| Ok(fold(values))),
            (true, Err(_)) | (false, Ok(_)) => Some(out),
            (false, Err(_)) => parts.map(|_| Err(Failure(Kind::Aggregate, to))),
        };
        let is_stuck = || !is_all && out.is_err() && self.is_stuck(to, None);
        let cycle = || Err(Failure(Kind::Cycle, to));
        let Some(verdict) = verdict.or_else(|| is_stuck().then(cycle)) else {
            return;
        };
        self.at(to).gathers = false;
        self.settle(to, verdict);
        if is_all == verdict.is_err() {
            self.cancel_members(to);
        }
    }
}
