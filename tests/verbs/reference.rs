//! What the verbs promise, as plain data for one thread: each operation is done at once and whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::{Op, Verb};

/// A task of the program, by the order in which they are made.
pub(crate) type Line = usize;

/// A task that a closure of a line returns, and which of its calls that was.
pub(crate) type Part = (Line, u32);

pub(crate) const PERMITS: usize = 2;
pub(crate) const PLACES: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Value(u64),
    Failed(u64),
    Cancelled,
    TimedOut,
    Rejected,
    Aggregate,
}

impl Outcome {
    fn is_value(self) -> bool {
        matches!(self, Outcome::Value(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Job(i32),
    Acquire(usize),
    /// How many calls are left, and the pause before each.
    Retry(u32, u64),
    Timeout,
    Combine(Verb),
    /// Whether it keeps going, its first failure, and whether its time is over.
    Group(bool, Option<Outcome>, bool),
    Idle,
    Below(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Task {
    kind: Kind,
    handle: bool,
    out: Option<Outcome>,
    /// The tasks that it waits for.
    inputs: Vec<Line>,
    /// The task that waits for it.
    consumer: Option<Line>,
    /// The number of its last call, and whether what that has returned is still open.
    call: u32,
    is_open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    tasks: Vec<Task>,
    now: u64,
    /// By their deadlines, and then in the order in which they were set.
    timers: BTreeMap<(u64, usize), Line>,
    timers_set: usize,
    limit: usize,
    is_paused: bool,
    /// By priority, the greatest first, and then in the order of the calls.
    waiting: BTreeSet<(i32, Line)>,
    running: BTreeSet<Line>,
    permits: usize,
    in_line: BTreeSet<Line>,
    order: Order,
}

/// Which is told first of the end of a job: those that wait for the queue, or the task that waits
/// for the job. Nothing promises the one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Queue,
    Consumer,
}

/// What can be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The outcome of each task with a handle, without its value.
    pub(crate) outcomes: Vec<(Line, Option<Outcome>)>,
    pub(crate) parts: Vec<Part>,
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) permits: usize,
    pub(crate) in_line: usize,
    pub(crate) timers: usize,
}

/// What a part is settled with.
pub(crate) fn value(part: Part) -> u64 {
    part.0 as u64 * 100 + u64::from(part.1)
}

/// One value made of many.
pub(crate) fn fold(values: impl IntoIterator<Item = u64>) -> u64 {
    let add = |sum: u64, value: u64| sum.wrapping_mul(31).wrapping_add(value);
    values.into_iter().fold(17, add)
}

/// What stands for a failure where outcomes are values.
pub(crate) const NO_VALUE: u64 = 7;

impl Reference {
    pub(crate) fn new() -> Reference {
        Reference {
            tasks: Vec::new(),
            now: 0,
            timers: BTreeMap::new(),
            timers_set: 0,
            limit: PLACES,
            is_paused: false,
            waiting: BTreeSet::new(),
            running: BTreeSet::new(),
            permits: PERMITS,
            in_line: BTreeSet::new(),
            order: Order::Queue,
        }
    }

    pub(crate) fn lines(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = Line> {
        (0..self.tasks.len()).filter(|line| self.tasks[*line].handle)
    }

    pub(crate) fn open_parts(&self) -> impl Iterator<Item = Part> {
        let parts = self.tasks.iter().enumerate();
        parts.filter_map(|(line, task)| task.is_open.then_some((line, task.call)))
    }

    pub(crate) fn group_lines(&self) -> impl Iterator<Item = Line> {
        let is_group = |line: &Line| matches!(self.tasks[*line].kind, Kind::Group(..));
        (0..self.tasks.len()).filter(is_group)
    }

    /// The last group that has not ended.
    pub(crate) fn open_group(&self) -> Option<Line> {
        self.group_lines()
            .filter(|line| self.out(*line).is_none())
            .last()
    }

    pub(crate) fn has_timers(&self) -> bool {
        !self.timers.is_empty()
    }

    pub(crate) fn out(&self, line: Line) -> Option<Outcome> {
        self.tasks[line].out
    }

    pub(crate) fn seen(&self) -> Seen {
        let shown = |out: Outcome| match out {
            Outcome::Value(_) => Outcome::Value(0),
            out => out,
        };
        Seen {
            outcomes: self
                .handles()
                .map(|line| (line, self.out(line).map(shown)))
                .collect(),
            parts: self.open_parts().collect(),
            waiting: self.waiting.len(),
            running: self.running.len(),
            permits: self.permits,
            in_line: self.in_line.len(),
            timers: self.timers.len(),
        }
    }

    pub(crate) fn perform(&mut self, op: &Op, order: Order) {
        // So that equal states are equal.
        self.order = order;
        self.do_it(op);
        self.order = Order::Queue;
    }

    fn do_it(&mut self, op: &Op) {
        match *op {
            Op::Call(_) => {
                let line = self.make(Kind::Call, Vec::new());
                self.call(line);
            }
            Op::Job(_, priority) => {
                let line = self.make(Kind::Job(priority), Vec::new());
                self.waiting.insert((-priority, line));
            }
            Op::Acquire(_, permits) => {
                let line = self.make(Kind::Acquire(permits), Vec::new());
                match permits > PERMITS {
                    true => self.settle(line, Outcome::Rejected),
                    false => drop(self.in_line.insert(line)),
                }
            }
            Op::Retry(_, calls, pause) => {
                let line = self.make(Kind::Retry(calls, pause), Vec::new());
                self.call_again(line);
            }
            Op::Timeout(_, inner, limit) => {
                let line = self.make(Kind::Timeout, vec![inner]);
                self.set_timer(line, limit);
                self.look_at_inputs(line);
            }
            Op::Combine(_, verb, ref members) => {
                let line = self.make(Kind::Combine(verb), members.clone());
                self.look_at_inputs(line);
            }
            Op::Group(_, children, keeps_going, limit) => {
                let line = self.make(Kind::Group(keeps_going, None, false), Vec::new());
                if let Some(limit) = limit {
                    self.set_timer(line, limit);
                }
                for _ in 0..children {
                    let child = self.make(Kind::Call, Vec::new());
                    self.tasks[child].handle = false;
                    self.tasks[child].consumer = Some(line);
                    self.tasks[line].inputs.push(child);
                    self.call(child);
                }
                self.end_group(line);
            }
            Op::CancelGroup(group) => self.cancel_inputs(group),
            Op::Idle(_) => drop(self.make(Kind::Idle, Vec::new())),
            Op::Below(_, jobs) => {
                let line = self.make(Kind::Below(jobs), Vec::new());
                if jobs == 0 {
                    self.settle(line, Outcome::Rejected);
                }
            }
            Op::Settle(part, is_value) => self.settle_part(part, is_value),
            Op::Cancel(line) => self.cancel(line),
            Op::Detach(line) => self.tasks[line].handle = false,
            Op::Limit(jobs) => self.limit = jobs,
            Op::Pause => self.is_paused = true,
            Op::Resume => self.is_paused = false,
            Op::Clear => {
                for (_, line) in std::mem::take(&mut self.waiting) {
                    self.settle(line, Outcome::Cancelled);
                }
            }
            Op::Advance(seconds) => return self.advance(seconds),
        }
        self.go_on();
    }

    fn make(&mut self, kind: Kind, inputs: Vec<Line>) -> Line {
        let line = self.tasks.len();
        for input in &inputs {
            self.tasks[*input].handle = false;
            self.tasks[*input].consumer = Some(line);
        }
        // A group is no task, and has no handle.
        let handle = !matches!(kind, Kind::Group(..));
        self.tasks.push(Task {
            kind,
            handle,
            out: None,
            inputs,
            consumer: None,
            call: 0,
            is_open: false,
        });
        line
    }

    fn call(&mut self, line: Line) {
        self.tasks[line].call += 1;
        self.tasks[line].is_open = true;
    }

    fn call_again(&mut self, line: Line) {
        if let Kind::Retry(left, _) = &mut self.tasks[line].kind {
            *left -= 1;
        }
        self.call(line);
    }

    fn set_timer(&mut self, line: Line, after: u64) {
        self.timers
            .insert((self.now + after, self.timers_set), line);
        self.timers_set += 1;
    }

    fn settle_part(&mut self, part: Part, is_value: bool) {
        let line = part.0;
        let task = &mut self.tasks[line];
        if !task.is_open || task.call != part.1 {
            return; // It was cancelled meanwhile.
        }
        task.is_open = false;
        let out = match is_value {
            true => Outcome::Value(value(part)),
            false => Outcome::Failed(value(part)),
        };
        match task.kind {
            Kind::Retry(left, pause) if left > 0 && !is_value => match pause {
                0 => self.call_again(line),
                _ => self.set_timer(line, pause),
            },
            _ => self.settle(line, out),
        }
    }

    fn settle(&mut self, line: Line, out: Outcome) {
        let task = &mut self.tasks[line];
        if task.out.is_some() {
            return;
        }
        task.out = Some(out);
        task.is_open = false;
        let consumer = task.consumer;
        self.timers.retain(|_, own| *own != line);
        if let Kind::Job(priority) = self.tasks[line].kind {
            self.waiting.remove(&(-priority, line));
            self.running.remove(&line);
        }
        if let Kind::Acquire(permits) = self.tasks[line].kind
            && permits <= PERMITS
            && !self.in_line.remove(&line)
        {
            self.permits += permits;
        }
        if self.order == Order::Queue && matches!(self.tasks[line].kind, Kind::Job(_)) {
            self.go_on();
        }
        if let Some(consumer) = consumer {
            self.look_at_input(consumer, line);
        }
    }

    fn cancel(&mut self, line: Line) {
        if self.tasks[line].out.is_none() {
            self.settle(line, Outcome::Cancelled);
            self.cancel_inputs(line);
        }
    }

    fn cancel_inputs(&mut self, line: Line) {
        for input in self.tasks[line].inputs.clone() {
            self.cancel(input);
        }
        self.end_group(line);
    }

    /// A new task looks at the tasks that it waits for, in their order.
    fn look_at_inputs(&mut self, line: Line) {
        for input in self.tasks[line].inputs.clone() {
            if self.tasks[input].out.is_some() {
                self.look_at_input(line, input);
            }
        }
    }

    /// One of the tasks that it waits for has settled.
    fn look_at_input(&mut self, line: Line, input: Line) {
        let out = self.tasks[input].out.expect("it has settled");
        if self.tasks[line].out.is_some() {
            return;
        }
        let inputs = self.tasks[line].inputs.iter();
        let outs: Option<Vec<Outcome>> = inputs.map(|input| self.tasks[*input].out).collect();
        let or_no_value = |out: Outcome| match out {
            Outcome::Value(value) => value,
            _ => NO_VALUE,
        };
        let folded = || {
            let outs = outs.clone()?;
            Some(Outcome::Value(fold(outs.into_iter().map(or_no_value))))
        };
        let all = |is_so: fn(Outcome) -> bool| {
            let outs = outs.as_ref();
            outs.is_some_and(|outs| outs.iter().copied().all(is_so))
        };
        let verdict = match &mut self.tasks[line].kind {
            Kind::Timeout => Some(out),
            Kind::Combine(Verb::Race) => Some(out),
            Kind::Combine(Verb::Settled) => folded(),
            Kind::Combine(Verb::All) => match out.is_value() {
                true => folded().filter(|_| all(Outcome::is_value)),
                false => Some(out),
            },
            Kind::Combine(Verb::Any) => match out.is_value() {
                true => Some(out),
                false => all(|out| !out.is_value()).then_some(Outcome::Aggregate),
            },
            Kind::Group(keeps_going, failure, _) => {
                let is_failure = matches!(out, Outcome::Failed(_));
                if is_failure && failure.is_none() {
                    *failure = Some(out);
                }
                let goes_on = *keeps_going || !is_failure;
                return match goes_on {
                    true => self.end_group(line),
                    false => self.cancel_inputs(line),
                };
            }
            _ => unreachable!("it waits for no task"),
        };
        if let Some(verdict) = verdict {
            self.settle(line, verdict);
            self.cancel_inputs(line);
        }
    }

    fn end_group(&mut self, line: Line) {
        let Kind::Group(_, failure, is_late) = self.tasks[line].kind else {
            return;
        };
        let mut inputs = self.tasks[line].inputs.iter();
        if inputs.all(|input| self.tasks[*input].out.is_some()) {
            let out = match is_late {
                true => Outcome::TimedOut,
                false => failure.unwrap_or(Outcome::Value(0)),
            };
            self.settle(line, out);
        }
    }

    /// Starts what there is room for, and tells those that wait for it.
    fn go_on(&mut self) {
        while !self.is_paused && self.running.len() < self.limit {
            let Some((_, line)) = self.waiting.pop_first() else {
                break;
            };
            self.running.insert(line);
            self.call(line);
        }
        while let Some(line) = self.in_line.first().copied()
            && let Kind::Acquire(permits) = self.tasks[line].kind
            && permits <= self.permits
        {
            self.in_line.remove(&line);
            self.permits -= permits;
            self.call(line);
        }
        let is_idle = self.waiting.is_empty() && self.running.is_empty();
        for line in 0..self.tasks.len() {
            let is_reached = match self.tasks[line].kind {
                Kind::Idle => is_idle,
                Kind::Below(jobs) => self.waiting.len() < jobs,
                _ => false,
            };
            if is_reached && self.tasks[line].out.is_none() {
                self.settle(line, Outcome::Value(0));
                // Something may have been waiting for that.
                return self.go_on();
            }
        }
    }

    fn advance(&mut self, seconds: u64) {
        let end = self.now + seconds;
        while let Some((&(at, _), _)) = self.timers.first_key_value()
            && at <= end
            && let Some((_, line)) = self.timers.pop_first()
        {
            self.now = at;
            match &mut self.tasks[line].kind {
                Kind::Retry(..) => self.call_again(line),
                Kind::Group(_, _, is_late) => {
                    *is_late = true;
                    self.cancel_inputs(line);
                }
                _ => {
                    self.settle(line, Outcome::TimedOut);
                    self.cancel_inputs(line);
                }
            }
            self.go_on();
        }
        self.now = end;
    }
}
