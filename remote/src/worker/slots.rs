//! How many jobs a worker holds.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The slots of one worker. A job that waits for others lends its slot: then more are taken than
/// there are, until it goes on.
pub(super) struct Slots {
    total: usize,
    state: Mutex<State>,
    /// A slot was given back, a job has begun, or it is another taker's turn.
    pub(super) changed: Notify,
}

#[derive(Default)]
struct State {
    used: usize,
    /// Those of them with which takers wait that had nothing to do the last time.
    idle: usize,
    /// Those who found nothing free, in their order. The first of them is served first.
    hungry: VecDeque<usize>,
    /// The same of those that had nothing to do the last time. Their waits end together, at the
    /// latest when a connection is new: without turns, the first to wake would always have all.
    idlers: VecDeque<usize>,
}

impl State {
    /// Whether this taker may take: nobody came before it.
    fn is_turn(&self, number: usize, queues: bool) -> bool {
        let first = match queues {
            true => self.hungry.front(),
            // One that has nothing to do stands in no other's way.
            false => self.hungry.front().or(self.idlers.front()),
        };
        first.is_none_or(|first| *first == number)
    }

    /// Those who stand where this taker does. It leaves the others.
    fn line(&mut self, number: usize, queues: bool) -> &mut VecDeque<usize> {
        let (own, other) = match queues {
            true => (&mut self.hungry, &mut self.idlers),
            false => (&mut self.idlers, &mut self.hungry),
        };
        other.retain(|it| *it != number);
        own
    }
}

/// A slot that is taken, until it is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    is_idle: bool,
}

/// Who asks for slots.
#[derive(Clone, Copy)]
pub(super) struct Taker {
    pub(super) number: usize,
    /// How many there are.
    pub(super) of: usize,
    /// It had nothing to do the last time. Such takers wait with half of the slots, together, so
    /// that the others have the rest.
    pub(super) is_idle: bool,
}

impl Slots {
    pub(super) fn new(total: usize) -> Arc<Slots> {
        Arc::new(Slots {
            total,
            state: Mutex::new(State::default()),
            changed: Notify::new(),
        })
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Takes a share of what is free. `lent`: the jobs that only wait. Empty: nothing is free, or
    /// it is the turn of another.
    pub(super) fn take(self: &Arc<Self>, taker: Taker, lent: usize) -> Vec<Slot> {
        let Taker {
            number,
            of,
            is_idle,
        } = taker;
        let mut state = self.state.lock();
        let mut free = (self.total + lent).saturating_sub(state.used);
        if is_idle {
            let most = (self.total / 2).max(1);
            free = free.min(most.saturating_sub(state.idle)).min(1);
        }
        let queues = !is_idle || self.total == 1;
        let line = state.line(number, queues);
        if !line.contains(&number) {
            line.push_back(number);
        }
        if free == 0 || !state.is_turn(number, queues) {
            return Vec::new();
        }
        state.line(number, queues).pop_front();
        let count = free.div_ceil(of);
        state.used += count;
        state.idle += if is_idle { count } else { 0 };
        let others_may = !(state.hungry.is_empty() && state.idlers.is_empty());
        drop(state);
        if others_may {
            self.changed.notify_waiters();
        }
        let take = || Slot {
            slots: self.clone(),
            is_idle,
        };
        std::iter::repeat_with(take).take(count).collect()
    }

    /// A slot for one thing beside the jobs.
    pub(super) fn one() -> Option<Slot> {
        let taker = Taker {
            number: 0,
            of: 1,
            is_idle: false,
        };
        Slots::new(1).take(taker, 0).pop()
    }
}

impl Slot {
    /// There is a job for it.
    pub(super) fn work(&mut self) {
        if std::mem::take(&mut self.is_idle) {
            self.slots.state.lock().idle -= 1;
            self.slots.changed.notify_waiters();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.state.lock();
        state.used -= 1;
        state.idle -= usize::from(self.is_idle);
        drop(state);
        self.slots.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taker(number: usize, of: usize) -> Taker {
        Taker {
            number,
            of,
            is_idle: false,
        }
    }

    #[test]
    fn a_share_leaves_something_to_the_others() {
        let slots = Slots::new(4);
        let first = slots.take(taker(0, 2), 0);
        assert_eq!((first.len(), slots.take(taker(0, 1), 0).len()), (2, 2));
        assert_eq!(slots.take(taker(0, 1), 0).len(), 2, "those were given back");
        drop(first);
        let all = slots.take(taker(0, 1), 0);
        assert_eq!(all.len(), 4);
        assert_eq!(slots.take(taker(0, 1), 1).len(), 1, "one job waits");
        assert_eq!(slots.take(taker(0, 1), 0).len(), 0);
    }

    #[test]
    fn one_slot_is_taken_in_turn() {
        let slots = Slots::new(1);
        for is_idle in [false, true, true] {
            let [one, two] = [0, 1].map(|number| Taker {
                is_idle,
                ..taker(number, 2)
            });
            let held = slots.take(one, 0);
            assert_eq!((held.len(), slots.take(two, 0).len()), (1, 0));
            drop(held);
            assert_eq!(slots.take(one, 0).len(), 0, "the other one waits longer");
            let held = slots.take(two, 0);
            assert_eq!(held.len(), 1);
            drop(held);
            // As at the beginning.
            slots.state.lock().hungry.clear();
        }
    }

    #[test]
    fn those_with_nothing_to_do_leave_half_to_the_others() {
        let slots = Slots::new(4);
        let idle = |number| {
            let taker = Taker {
                is_idle: true,
                ..taker(number, 8)
            };
            slots.take(taker, 0)
        };
        let mut held: Vec<_> = (0..8).flat_map(idle).collect();
        assert_eq!(held.len(), 2);
        let busy = [slots.take(taker(8, 8), 0), slots.take(taker(8, 8), 0)];
        assert_eq!(busy.map(|it| it.len()), [1, 1]);
        held[0].work();
        assert_eq!(idle(3).len(), 0, "another one waits longer");
        assert_eq!(idle(2).len(), 1, "of those that are free again");
    }

    #[test]
    fn those_with_nothing_to_do_take_turns() {
        let slots = Slots::new(8);
        let mut served = [0; 8];
        for _ in 0..8 {
            // Their waits end together, and the one that wakes first asks again and again. Whoever
            // finds nothing is woken by the next change.
            let mut held = Vec::new();
            for number in [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7].repeat(2) {
                let taker = Taker {
                    is_idle: true,
                    ..taker(number, 8)
                };
                let taken = slots.take(taker, 0);
                served[number] += taken.len();
                held.extend(taken);
            }
            assert_eq!(held.len(), 4, "half of the slots");
        }
        assert!(served.iter().all(|it| *it >= 3), "{served:?}");
    }
}
