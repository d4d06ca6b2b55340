//! What the threads of a program have done and got, and whether one order of all values explains
//! it.
//!
//! Contract: B1, B2, B3, B4, B5, B6, B7.

use std::collections::HashMap;

/// From a moment before something was done to one after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

impl Interval {
    fn is_before(self, other: Interval) -> bool {
        self.end < other.begin
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Closed,
    Full,
    Cancelled,
}

#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) value: u32,
    pub(crate) at: Interval,
    pub(crate) outcome: Result<usize, Ends>,
}

/// A value, and when it was got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Got {
    value: u32,
    time: u64,
}

impl Got {
    pub(crate) fn of(value: u32, time: u64) -> Got {
        Got { value, time }
    }
}

/// What a subscriber gets of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All of them.
    Whole,
    /// Some, and the first of them.
    Earliest,
    /// Some, and the last of them.
    Latest,
    /// Some; how many were lost is not known.
    Some,
}

/// A callback or a receiver.
#[derive(Debug)]
pub(crate) struct Listened {
    kind: Kind,
    joined: Interval,
    /// When it was removed, and whether it was idle then.
    pub(crate) left: Option<(Interval, bool)>,
    pub(crate) got: Vec<Got>,
    pub(crate) lost: u64,
}

impl Listened {
    pub(crate) fn new(kind: Kind, joined: Interval) -> Listened {
        Listened {
            kind,
            joined,
            left: None,
            got: Vec::new(),
            lost: 0,
        }
    }
}

/// A task for the next value.
#[derive(Debug)]
pub(crate) struct Next {
    asked: Interval,
    pub(crate) got: Result<u32, Ends>,
}

impl Next {
    pub(crate) fn new(asked: Interval) -> Next {
        let got = Err(Ends::Cancelled);
        Next { asked, got }
    }
}

#[derive(Debug)]
pub(crate) struct History {
    replay: usize,
    /// All values, as a receiver got them that was there from the start.
    pub(crate) order: Vec<(u64, u32)>,
    pub(crate) published: Vec<Published>,
    pub(crate) closed: Vec<Interval>,
    pub(crate) listened: Vec<Listened>,
    pub(crate) nexts: Vec<Next>,
}

/// The numbers of the values before which something may have happened: from the one to the other.
#[derive(Clone, Copy, Debug)]
struct Window {
    earliest: usize,
    latest: usize,
}

impl History {
    pub(crate) fn new(replay: usize) -> History {
        History {
            replay,
            order: Vec::new(),
            published: Vec::new(),
            closed: Vec::new(),
            listened: Vec::new(),
            nexts: Vec::new(),
        }
    }

    /// Says what cannot be.
    pub(crate) fn check(&self) -> Result<(), String> {
        let numbers = self.numbers()?;
        self.check_published(&numbers)?;
        for listened in &self.listened {
            let wrong = self.check_listened(listened, &numbers);
            wrong.map_err(|why| format!("{why}: {listened:?}\nin {self:#?}"))?;
        }
        for next in &self.nexts {
            let window = self.window(next.asked, &numbers);
            let number = match next.got {
                Ok(value) => number(&numbers, value)?,
                Err(Ends::Closed) => self.order.len(),
                Err(_) => continue,
            };
            if !(window.earliest..=window.latest).contains(&number) {
                return Err(format!(
                    "not the next value: {next:?}, {window:?}\nin {self:#?}"
                ));
            }
        }
        Ok(())
    }

    /// The number of each value.
    fn numbers(&self) -> Result<HashMap<u32, usize>, String> {
        let mut numbers = HashMap::new();
        for (place, (number, value)) in self.order.iter().enumerate() {
            if *number != place as u64 || numbers.insert(*value, place).is_some() {
                return Err(format!("no order: {:?}", self.order));
            }
        }
        Ok(numbers)
    }

    fn check_published(&self, numbers: &HashMap<u32, usize>) -> Result<(), String> {
        let accepted = self.published.iter().filter(|it| it.outcome.is_ok());
        let accepted: Vec<&Published> = accepted.collect();
        if accepted.len() != self.order.len() {
            return Err(format!("lost or invented: {self:#?}"));
        }
        for one in &accepted {
            let own = number(numbers, one.value)?;
            for other in &accepted {
                if one.at.is_before(other.at) && own > number(numbers, other.value)? {
                    return Err(format!("{one:?} after {other:?}: {self:#?}"));
                }
            }
            let (least, most) = self.subscribers(one.at);
            if !(least..=most).contains(&one.outcome.unwrap_or_default()) {
                return Err(format!("{one:?} goes to {least} to {most}: {self:#?}"));
            }
        }
        for published in &self.published {
            let is_late = |closed: &Interval| closed.is_before(published.at);
            let is_early = |closed: &Interval| published.at.is_before(*closed);
            let is_wrong = match published.outcome {
                Ok(_) | Err(Ends::Full) => self.closed.iter().any(is_late),
                Err(_) => self.closed.iter().all(is_early),
            };
            if is_wrong {
                return Err(format!("{published:?} and the end: {self:#?}"));
            }
        }
        Ok(())
    }

    /// How many subscribers there were at the least and at the most.
    fn subscribers(&self, at: Interval) -> (usize, usize) {
        // The one that all values go to.
        let (mut least, mut most) = (1, 1);
        for listened in &self.listened {
            let was_there = listened.joined.is_before(at);
            let is_to_come = at.is_before(listened.joined);
            let (stayed, had_left) = listened.left.map_or((true, false), |(left, _)| {
                (at.is_before(left), left.is_before(at))
            });
            least += usize::from(was_there && stayed);
            most += usize::from(!is_to_come && !had_left);
        }
        let asked = self.nexts.iter().filter(|next| !at.is_before(next.asked));
        (least, most + asked.count())
    }

    /// Where in the order something was done: behind all values that were published before it
    /// began, and before those whose publishing began after its end.
    fn window(&self, at: Interval, numbers: &HashMap<u32, usize>) -> Window {
        let mut window = Window {
            earliest: 0,
            latest: self.order.len(),
        };
        for published in self.published.iter().filter(|it| it.outcome.is_ok()) {
            let number = numbers[&published.value];
            if published.at.is_before(at) {
                window.earliest = window.earliest.max(number + 1);
            }
            if at.is_before(published.at) {
                window.latest = window.latest.min(number);
            }
        }
        window
    }

    fn check_listened(
        &self,
        listened: &Listened,
        numbers: &HashMap<u32, usize>,
    ) -> Result<(), String> {
        let mut got = Vec::new();
        for value in &listened.got {
            got.push(number(numbers, value.value)?);
        }
        if !got.is_sorted_by(|one, other| one < other) {
            return Err("out of order, or twice".to_owned());
        }
        if listened.kind == Kind::Whole && got.windows(2).any(|two| two[0] + 1 != two[1]) {
            return Err("a gap".to_owned());
        }
        // The first value that it may have had to get, with those that are replayed.
        let joined = self.window(listened.joined, numbers);
        let earliest = joined.earliest.saturating_sub(self.replay);
        let firsts = earliest..=joined.latest.saturating_sub(self.replay);
        let end = self.order.len();
        let first = got.first().copied();
        if first.is_some_and(|first| first < earliest) {
            return Err("a value of before".to_owned());
        }
        let begins = matches!(listened.kind, Kind::Whole | Kind::Earliest);
        if begins && first.is_some_and(|first| !firsts.contains(&first)) {
            return Err(format!("the first is none of {firsts:?}"));
        }
        match listened.left {
            Some((left, is_idle)) => {
                let late = |it: &Got| it.time > left.end;
                if is_idle && listened.got.iter().any(late) {
                    return Err("called after it had left".to_owned());
                }
                let last = got.last().map_or(0, |last| last + 1);
                if last > self.window(left, numbers).latest {
                    return Err("a value of after it had left".to_owned());
                }
            }
            None => {
                let count = got.len() + listened.lost as usize;
                let is_counted = listened.kind != Kind::Some;
                if is_counted && !(count <= end && firsts.contains(&(end - count))) {
                    return Err(format!("{count} to the end, and not from {firsts:?}"));
                }
                let ends = matches!(listened.kind, Kind::Whole | Kind::Latest);
                if ends && got.last().is_some_and(|last| last + 1 != end) {
                    return Err("the last one is missing".to_owned());
                }
            }
        }
        Ok(())
    }
}

fn number(numbers: &HashMap<u32, usize>, value: u32) -> Result<usize, String> {
    let found = numbers.get(&value).copied();
    found.ok_or_else(|| format!("{value} was never published"))
}
