//! What a topic keeps of its values for subscribers to come.

use std::collections::VecDeque;
use std::mem;

use super::buffer::Numbered;

/// Values for subscribers to come, by number.
pub(super) struct Kept<T> {
    /// How many of the last values each subscriber gets first.
    replay: usize,
    /// How many of them are kept at the least.
    least: usize,
    /// How many values are held for the first subscriber.
    hold: usize,
    /// Invariant: at most `replay` of them.
    last: VecDeque<Numbered<T>>,
    /// Values published without a subscriber. Invariant: at most `hold` of them.
    held: VecDeque<Numbered<T>>,
}

impl<T> Kept<T> {
    pub(super) fn new() -> Kept<T> {
        Kept {
            replay: 0,
            least: 0,
            hold: 0,
            last: VecDeque::new(),
            held: VecDeque::new(),
        }
    }

    /// Returns what is too much now, for the caller to drop without a lock.
    pub(super) fn set_replay(&mut self, count: usize) -> Vec<Numbered<T>> {
        self.replay = count.max(self.least);
        let excess = self.last.len().saturating_sub(self.replay);
        self.last.drain(..excess).collect()
    }

    /// Returns what is too much now, for the caller to drop without a lock.
    pub(super) fn set_hold(&mut self, count: usize) -> Vec<Numbered<T>> {
        self.hold = count;
        let excess = self.held.len().saturating_sub(count);
        self.held.drain(..excess).collect()
    }

    /// Keeps a value, and passes the values that it displaces to `dropped`.
    pub(super) fn keep(
        &mut self,
        value: &Numbered<T>,
        is_alone: bool,
        mut dropped: impl FnMut(Numbered<T>),
    ) {
        let mut keep = |list: &mut VecDeque<Numbered<T>>, limit: usize| {
            if limit > 0 {
                if list.len() == limit
                    && let Some(oldest) = list.pop_front()
                {
                    dropped(oldest);
                }
                list.push_back(value.clone());
            }
        };
        keep(&mut self.last, self.replay);
        if is_alone {
            keep(&mut self.held, self.hold);
        }
    }

    /// What a subscriber gets first: what was held, which only one gets, and the last values.
    pub(super) fn backlog(&mut self) -> Vec<Numbered<T>> {
        let held = mem::take(&mut self.held);
        let first_held = held.front().map_or(u64::MAX, |(number, _)| *number);
        let last = self.last.iter().cloned();
        let mut backlog: Vec<_> = last
            .take_while(|(number, _)| *number < first_held)
            .collect();
        backlog.extend(held);
        backlog
    }

    /// Keeps the last value from now on, also when `set_replay` says 0.
    pub(super) fn keep_one(&mut self) {
        self.least = 1;
    }

    /// The last value, where values are replayed.
    pub(super) fn latest(&self) -> Option<&Numbered<T>> {
        self.last.back()
    }
}
