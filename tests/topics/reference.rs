//! What a program must come to: topics for one thread, as plainly as they can be written.
//!
//! Contract: B1, B2, B4, B5, B6, B7, B9.

use std::collections::VecDeque;
use std::mem;

use fast_async::topic::Overflow;

use crate::program::{Deed, Event, Fate, Program, Script, Which, derived};

const SOURCE: usize = 0;
const DERIVED: usize = 1;

#[derive(Default)]
pub(crate) struct Reference {
    topics: [Topic; 2],
    entries: Vec<Entry>,
    /// The entry of each callback; `None`: its topic was closed.
    subscriptions: Vec<Option<usize>>,
    /// False: `unsubscribe` was called.
    held: Vec<bool>,
    scripts: Vec<Script>,
    calls: Vec<usize>,
    receivers: Vec<Receiver>,
    /// Each with its entry.
    nexts: Vec<(Option<usize>, Fate)>,
    published: u32,
    pub(crate) panics: usize,
    trace: Vec<Event>,
}

#[derive(Default)]
struct Topic {
    next: u64,
    is_closed: bool,
    is_delivering: bool,
    entries: Vec<usize>,
    joining: VecDeque<usize>,
    queue: VecDeque<(u64, u32)>,
    live: usize,
    replay: usize,
    hold: usize,
    last: VecDeque<(u64, u32)>,
    held: VecDeque<(u64, u32)>,
    /// Of the derived topic: it has subscribers; its entry in the source, unless that was closed.
    attached: Option<Option<usize>>,
}

#[derive(Clone, Copy)]
enum Hears {
    Callback(usize),
    Next(usize),
    Derived,
}

struct Entry {
    topic: usize,
    hears: Hears,
    from: u64,
    backlog: Vec<u32>,
    is_alive: bool,
    is_called: bool,
}

struct Receiver {
    topic: usize,
    limit: usize,
    overflow: Overflow,
    queue: VecDeque<(u64, u32)>,
    lost: u64,
    /// It gets values.
    is_live: bool,
    is_there: bool,
}

/// A step of a delivery.
enum Step {
    Value(u32),
    CatchUp,
    End(Vec<usize>),
    Nothing,
}

fn number(which: Which) -> usize {
    match which {
        Which::Source => SOURCE,
        Which::Derived => DERIVED,
    }
}

impl Reference {
    pub(crate) fn new(program: &Program) -> Reference {
        let mut reference = Reference::default();
        (
            reference.topics[SOURCE].replay,
            reference.topics[SOURCE].hold,
        ) = program.kept;
        reference
    }

    /// Does what the program does, and returns what is seen of it.
    pub(crate) fn perform(&mut self, deed: &Deed) -> Vec<Event> {
        self.act(deed);
        self.stand();
        mem::take(&mut self.trace)
    }

    fn stand(&mut self) {
        let [source, derived] = &self.topics;
        let there = self.receivers.iter().filter(|it| it.is_there);
        self.trace.push(Event::Stands(
            [source.live, derived.live],
            [source.is_closed, derived.is_closed],
            there.map(|it| (it.queue.len(), it.lost)).collect(),
        ));
    }

    fn act(&mut self, deed: &Deed) {
        match deed {
            Deed::Publish(which) => {
                self.published += 1;
                let value = self.published;
                let outcome = self.publish(number(*which), value);
                self.trace.push(Event::Published(value, outcome));
            }
            Deed::Subscribe(which, script) => {
                let own = self.subscriptions.len();
                self.subscriptions.push(None);
                self.held.push(true);
                self.scripts.push(script.clone());
                self.calls.push(0);
                let topic = number(*which);
                let backlog = self.backlog(topic);
                // In its place before a call can look for it.
                let entry = self.entries.len();
                self.subscriptions[own] = Some(entry);
                if !self.add(topic, Hears::Callback(own), backlog) {
                    self.subscriptions[own] = None;
                }
            }
            Deed::Unsubscribe(pick) => self.unsubscribe(*pick),
            Deed::Receive(which, limit, overflow) => {
                self.receive(number(*which), *limit, *overflow);
            }
            Deed::Take(pick) => {
                if let Some(own) = self.receiver(*pick) {
                    let taken = self.receivers[own].queue.pop_front();
                    self.trace.push(Event::Took(own, taken));
                }
            }
            Deed::Leave(pick) => {
                if let Some(own) = self.receiver(*pick) {
                    self.receivers[own].is_there = false;
                    let topic = self.receivers[own].topic;
                    if mem::take(&mut self.receivers[own].is_live) {
                        self.topics[topic].live -= 1;
                    }
                    self.tune(topic);
                }
            }
            Deed::Next(which) => {
                let own = self.nexts.len();
                self.nexts.push((Some(self.entries.len()), Fate::Pending));
                if !self.add(number(*which), Hears::Next(own), Vec::new()) {
                    self.nexts[own] = (None, Fate::Abandoned);
                }
            }
            Deed::Cancel(pick) => self.cancel(*pick),
            Deed::Look(pick) => {
                if let Some(own) = pick.checked_rem(self.nexts.len()) {
                    let fate = self.nexts[own].1;
                    self.trace.push(Event::Looked(own, fate));
                    if fate != Fate::Pending {
                        self.nexts[own].1 = Fate::Taken;
                    }
                }
            }
            Deed::Close(which) => self.close(number(*which)),
            Deed::Panic => self.panics += 1,
        }
    }

    fn receiver(&self, pick: usize) -> Option<usize> {
        let own = pick.checked_rem(self.receivers.len())?;
        self.receivers[own].is_there.then_some(own)
    }

    fn unsubscribe(&mut self, pick: usize) {
        let Some(own) = pick.checked_rem(self.subscriptions.len()) else {
            return;
        };
        if mem::take(&mut self.held[own]) {
            let entry = self.subscriptions[own];
            let removed = entry.is_some_and(|entry| self.remove(entry));
            self.trace.push(Event::Unsubscribed(own, removed));
        }
    }

    fn cancel(&mut self, pick: usize) {
        let Some(own) = pick.checked_rem(self.nexts.len()) else {
            return;
        };
        let (entry, fate) = self.nexts[own];
        if fate == Fate::Taken {
            return;
        }
        let mut outcome = "TooLate";
        if fate == Fate::Pending {
            outcome = "Prevented";
            self.nexts[own].1 = Fate::Cancelled;
            self.remove(entry.expect("it waits"));
        }
        self.trace.push(Event::Cancelled(own, outcome.to_owned()));
    }

    /// What a subscriber gets first.
    fn backlog(&mut self, topic: usize) -> Vec<(u64, u32)> {
        let topic = &mut self.topics[topic];
        let held = mem::take(&mut topic.held);
        let first = held.front().map_or(u64::MAX, |(number, _)| *number);
        let last = topic.last.iter().copied();
        let last = last.filter(|(number, _)| *number < first);
        last.chain(held.iter().copied()).collect()
    }

    /// False: the topic is closed.
    fn add(&mut self, topic: usize, hears: Hears, backlog: Vec<(u64, u32)>) -> bool {
        let own = self.entries.len();
        let state = &mut self.topics[topic];
        if state.is_closed && backlog.is_empty() {
            return false;
        }
        let is_idle = !state.is_delivering;
        let is_late = !backlog.is_empty();
        self.entries.push(Entry {
            topic,
            hears,
            from: state.next,
            backlog: backlog.into_iter().map(|(_, value)| value).collect(),
            is_alive: true,
            is_called: false,
        });
        state.live += 1;
        match is_idle && !is_late {
            true => state.entries.push(own),
            false => state.joining.push_back(own),
        }
        self.tune(topic);
        if is_idle && is_late {
            self.deliver(topic, Step::Nothing);
        }
        true
    }

    /// True: it was there, and is not being called.
    fn remove(&mut self, own: usize) -> bool {
        let entry = &mut self.entries[own];
        if !mem::take(&mut entry.is_alive) {
            return false;
        }
        let (topic, is_idle) = (entry.topic, !entry.is_called);
        self.topics[topic].live -= 1;
        self.topics[topic].joining.retain(|it| *it != own);
        self.tune(topic);
        is_idle
    }

    fn receive(&mut self, topic: usize, limit: usize, overflow: Overflow) {
        let is_live = !self.topics[topic].is_closed;
        self.receivers.push(Receiver {
            topic,
            limit: limit.max(1),
            overflow,
            queue: VecDeque::new(),
            lost: 0,
            is_live: true,
            is_there: true,
        });
        let backlog = self.backlog(topic);
        let own = self.receivers.last_mut().expect("it was pushed");
        for value in backlog {
            own.push(value, true);
        }
        own.is_live = is_live;
        self.topics[topic].live += usize::from(is_live);
        self.tune(topic);
    }

    fn publish(&mut self, topic: usize, value: u32) -> Result<usize, &'static str> {
        if self.topics[topic].is_closed {
            return Err("closed");
        }
        let mut strict = self
            .receivers
            .iter()
            .filter(|it| it.topic == topic && it.is_live && it.overflow == Overflow::Fail);
        if strict.any(|it| it.queue.len() >= it.limit) {
            return Err("full");
        }
        Ok(self.accept(topic, value))
    }

    fn accept(&mut self, topic: usize, value: u32) -> usize {
        let state = &mut self.topics[topic];
        let number = state.next;
        state.next += 1;
        let live = state.live;
        for receiver in &mut self.receivers {
            if receiver.topic == topic && receiver.is_live {
                receiver.push((number, value), false);
            }
        }
        keep(&mut state.last, state.replay, (number, value));
        if live == 0 {
            keep(&mut state.held, state.hold, (number, value));
        }
        if state.is_delivering {
            state.queue.push_back((number, value));
        } else if !state.entries.is_empty() {
            self.deliver(topic, Step::Value(value));
        }
        live
    }

    fn close(&mut self, topic: usize) {
        if mem::replace(&mut self.topics[topic].is_closed, true) {
            return;
        }
        for receiver in &mut self.receivers {
            if receiver.topic == topic && mem::take(&mut receiver.is_live) {
                self.topics[topic].live -= 1;
            }
        }
        if !self.topics[topic].is_delivering {
            self.deliver(topic, Step::Nothing);
        }
        self.tune(topic);
    }

    fn deliver(&mut self, topic: usize, mut step: Step) {
        self.topics[topic].is_delivering = true;
        loop {
            let mut has_left = false;
            match step {
                Step::Value(value) => {
                    for entry in self.topics[topic].entries.clone() {
                        has_left |= self.call(entry, value);
                    }
                }
                Step::CatchUp => {
                    for entry in self.topics[topic].entries.clone() {
                        for value in mem::take(&mut self.entries[entry].backlog) {
                            has_left |= self.call(entry, value);
                        }
                    }
                }
                Step::End(entries) => {
                    for entry in entries {
                        has_left |= self.end(entry);
                    }
                }
                Step::Nothing => {}
            }
            let found = self.go_on(topic);
            if has_left {
                self.tune(topic);
            }
            match found {
                Some(found) => step = found,
                None => return,
            }
        }
    }

    fn go_on(&mut self, topic: usize) -> Option<Step> {
        let state = &mut self.topics[topic];
        let to_come = state.queue.front().map_or(state.next, |(it, _)| *it);
        let mut is_late = false;
        while let Some(own) = state.joining.front()
            && self.entries[*own].from <= to_come
        {
            is_late |= !self.entries[*own].backlog.is_empty();
            state.entries.extend(state.joining.pop_front());
        }
        if is_late {
            return Some(Step::CatchUp);
        }
        if let Some((_, value)) = state.queue.pop_front() {
            return Some(Step::Value(value));
        }
        if state.is_closed && !state.entries.is_empty() {
            return Some(Step::End(mem::take(&mut state.entries)));
        }
        state.is_delivering = false;
        None
    }

    /// True: it has left by itself.
    fn call(&mut self, own: usize, value: u32) -> bool {
        if !self.entries[own].is_alive {
            return false;
        }
        self.entries[own].is_called = true;
        let stays = match self.entries[own].hears {
            Hears::Callback(callback) => {
                self.trace.push(Event::Called(callback, value));
                let call = self.calls[callback];
                self.calls[callback] += 1;
                for (_, deed) in self.scripts[callback]
                    .clone()
                    .iter()
                    .filter(|it| it.0 == call)
                {
                    self.act(deed);
                    if matches!(deed, Deed::Panic) {
                        break;
                    }
                }
                true
            }
            Hears::Next(next) => {
                self.nexts[next].1 = Fate::Value(value);
                false
            }
            Hears::Derived => {
                let is_open = !self.topics[DERIVED].is_closed;
                if is_open {
                    self.accept(DERIVED, derived(value));
                }
                is_open
            }
        };
        self.entries[own].is_called = false;
        if stays || !mem::take(&mut self.entries[own].is_alive) {
            return false;
        }
        let topic = self.entries[own].topic;
        self.topics[topic].live -= 1;
        true
    }

    fn end(&mut self, own: usize) -> bool {
        if !mem::take(&mut self.entries[own].is_alive) {
            return false;
        }
        let topic = self.entries[own].topic;
        self.topics[topic].live -= 1;
        match self.entries[own].hears {
            Hears::Callback(_) => {}
            Hears::Next(next) => self.nexts[next].1 = Fate::Abandoned,
            Hears::Derived => self.close(DERIVED),
        }
        true
    }

    /// The derived topic has an entry in the source while it has subscribers.
    fn tune(&mut self, topic: usize) {
        let state = &self.topics[topic];
        let is_wanted = state.live > 0 && !state.is_closed;
        if topic != DERIVED || is_wanted == state.attached.is_some() {
            return;
        }
        if let Some(entry) = self.topics[DERIVED].attached.take() {
            if let Some(entry) = entry {
                self.remove(entry);
            }
            return;
        }
        let entry = self.entries.len();
        let backlog = self.backlog(SOURCE);
        // In its place before a value comes through it.
        self.topics[DERIVED].attached = Some(Some(entry));
        if !self.add(SOURCE, Hears::Derived, backlog) {
            self.topics[DERIVED].attached = Some(None);
            self.close(DERIVED);
        }
    }
}

impl Receiver {
    fn push(&mut self, value: (u64, u32), is_backlog: bool) {
        if self.queue.len() >= self.limit {
            match self.overflow {
                Overflow::Block => {}
                Overflow::Fail if is_backlog => {}
                Overflow::Fail | Overflow::DropIncoming => {
                    self.lost += 1;
                    return;
                }
                Overflow::DropOldest => {
                    self.lost += 1;
                    self.queue.pop_front();
                }
            }
        }
        self.queue.push_back(value);
    }
}

fn keep(list: &mut VecDeque<(u64, u32)>, limit: usize, value: (u64, u32)) {
    if limit > 0 {
        if list.len() == limit {
            list.pop_front();
        }
        list.push_back(value);
    }
}
