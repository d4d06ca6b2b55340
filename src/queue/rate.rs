//! How many jobs may begin within a time: plain data, without a clock.

use std::collections::VecDeque;

use crate::sync::{Duration, Instant};

/// No more than `limit` jobs begin in any time as long as `per`.
pub(super) struct Rate {
    limit: usize,
    per: Duration,
    /// The times at which jobs began, oldest first, except times that are outside of every window.
    begun: VecDeque<Instant>,
    /// Jobs that were started and that no thread has begun yet.
    started: usize,
}

/// Whether one more job may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Now,
    At(Instant),
    /// A job that was started must begin or be cancelled first, or the time never comes.
    Unknown,
}

impl Rate {
    pub(super) fn new(limit: usize, per: Duration) -> Rate {
        Rate {
            limit,
            per,
            begun: VecDeque::new(),
            started: 0,
        }
    }

    pub(super) fn room(&mut self, now: Instant) -> Room {
        while let Some(first) = self.begun.front()
            && self.end_of(*first).is_some_and(|end| end <= now)
        {
            self.begun.pop_front();
        }
        let Some(surplus) = (self.begun.len() + self.started).checked_sub(self.limit) else {
            return Room::Now;
        };
        // So many, and one more, must leave the window.
        let last = self.begun.get(surplus);
        match last.and_then(|last| self.end_of(*last)) {
            Some(end) => Room::At(end),
            None => Room::Unknown,
        }
    }

    fn end_of(&self, begun: Instant) -> Option<Instant> {
        begun.checked_add(self.per)
    }

    pub(super) fn start(&mut self) {
        self.started += 1;
    }

    /// A job that was started has begun.
    pub(super) fn begin(&mut self, now: Instant) {
        self.started -= 1;
        self.begun.push_back(now);
    }

    /// A job that was started never begins: it was cancelled first.
    pub(super) fn give_back(&mut self) {
        self.started -= 1;
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn no_window_has_more_than_its_number() {
        let start = Instant::now();
        let mut rate = Rate::new(2, 10 * MS);
        for at in [start, start + 7 * MS] {
            assert_eq!(rate.room(at), Room::Now);
            rate.start();
            rate.begin(at);
        }
        assert_eq!(rate.room(start + 9 * MS), Room::At(start + 10 * MS));
        assert_eq!(rate.room(start + 10 * MS), Room::Now);
        rate.start();
        rate.begin(start + 10 * MS);
        assert_eq!(rate.room(start + 10 * MS), Room::At(start + 17 * MS));
    }

    #[test]
    fn a_start_counts_until_the_thread_begins_or_is_refused() {
        let start = Instant::now();
        let mut rate = Rate::new(2, 10 * MS);
        rate.start();
        rate.start();
        assert_eq!(rate.room(start + 100 * MS), Room::Unknown);
        rate.begin(start + 100 * MS);
        assert_eq!(rate.room(start + 100 * MS), Room::At(start + 110 * MS));
        rate.give_back();
        assert_eq!(rate.room(start + 100 * MS), Room::Now);
    }

    #[test]
    fn a_window_without_end_is_never_left() {
        let start = Instant::now();
        let mut rate = Rate::new(1, Duration::MAX);
        rate.start();
        rate.begin(start);
        assert_eq!(rate.room(start + 1000 * MS), Room::Unknown);
    }
}
