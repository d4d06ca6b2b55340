//! What a topic keeps of its values for subscribers to come.

use std::collections::VecDeque;
use std::mem;

use super::buffer::Numbered;
use crate::{drop_queue, room, unhandled};

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
    /// Drops the rest. A value may hold the last handle of another topic.
    drop_flat: fn(&mut Kept<T>),
}

impl<T: Send + Sync + 'static> Kept<T> {
    pub(super) fn new() -> Kept<T> {
        Kept {
            replay: 0,
            least: 0,
            hold: 0,
            last: VecDeque::new(),
            held: VecDeque::new(),
            drop_flat: Kept::drop_flat,
        }
    }

    fn drop_flat(&mut self) {
        let (last, held) = (mem::take(&mut self.last), mem::take(&mut self.held));
        if !(last.is_empty() && held.is_empty()) {
            drop_queue::flat(move || unhandled::drop_each(last.into_iter().chain(held)));
        }
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        (self.drop_flat)(self);
    }
}

impl<T> Kept<T> {
    /// Returns what is too much now, for the caller to drop without a lock.
    pub(super) fn set_replay(&mut self, count: usize) -> Vec<Numbered<T>> {
        self.replay = count.max(self.least);
        let excess = self.last.len().saturating_sub(self.replay);
        let excess = self.last.drain(..excess).collect();
        room::give_back(&mut self.last);
        excess
    }

    /// Returns what is too much now, for the caller to drop without a lock.
    pub(super) fn set_hold(&mut self, count: usize) -> Vec<Numbered<T>> {
        self.hold = count;
        let excess = self.held.len().saturating_sub(count);
        let excess = self.held.drain(..excess).collect();
        room::give_back(&mut self.held);
        excess
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
