//! Checks the wheel against an ordered map.

use std::collections::BTreeMap;

use super::{Key, TICK_BITS, Wheel};

/// A generator of numbers (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A duration of any magnitude: each number of bits is as likely as the others.
    fn duration(&mut self) -> u64 {
        let bits = self.below(64);
        self.next() >> bits
    }
}

/// A wheel and a plain map, by deadline and number.
struct Checked {
    wheel: Wheel<u64>,
    plain: BTreeMap<(u64, u64), Key>,
    /// Keys of popped items.
    stale: Vec<Key>,
    next: u64,
    now: u64,
}

impl Checked {
    fn new() -> Checked {
        Checked {
            wheel: Wheel::new(),
            plain: BTreeMap::new(),
            stale: Vec::new(),
            next: 0,
            now: 0,
        }
    }

    fn arm(&mut self, deadline: u64) {
        let key = self
            .wheel
            .insert(deadline, self.next)
            .expect("there is room");
        self.plain.insert((deadline, self.next), key);
        self.next += 1;
    }

    fn disarm(&mut self, order: (u64, u64)) {
        let key = self.plain.remove(&order).expect("it is there");
        assert_eq!(self.wheel.remove(key), Some(order.1));
        self.stale.push(key);
    }

    fn disarm_stale(&mut self, place: usize) {
        assert_eq!(self.wheel.remove(self.stale[place]), None);
    }

    /// Goes on to `now`, and takes out what is due, all or some of it.
    fn go_to(&mut self, now: u64, at_most: u64) {
        self.now = self.now.max(now);
        for _ in 0..at_most {
            let first = self.plain.first_key_value();
            let first = first.map(|(order, _)| *order);
            let due = first.filter(|(deadline, _)| *deadline <= self.now);
            assert_eq!(self.wheel.pop(self.now), due.map(|(_, number)| number));
            let Some(order) = due else { return };
            self.stale.extend(self.plain.remove(&order));
        }
    }

    fn check(&mut self) {
        assert_eq!(self.wheel.len(), self.plain.len());
        assert_eq!(self.wheel.is_empty(), self.plain.is_empty());
        let first = self.plain.keys().next().map(|(deadline, _)| *deadline);
        let last = self.plain.keys().next_back().map(|(deadline, _)| *deadline);
        assert_eq!(self.wheel.first_deadline(), first);
        assert_eq!(self.wheel.last_deadline(), last);
        let look = self.wheel.next_look();
        assert_eq!(look.is_some(), first.is_some());
        if let (Some(look), Some(first)) = (look, first) {
            assert!(look <= first, "{look} is later than {first}");
            let is_near = first.saturating_sub(self.now) < 1 << TICK_BITS;
            assert!(!is_near || first - look < 1 << TICK_BITS);
        }
    }
}

/// `span`: how far the deadlines are, where they are not of any magnitude.
fn program(seed: u64, steps: usize, span: Option<u64>) {
    let mut chance = Chance(seed);
    let mut checked = Checked::new();
    if chance.below(2) == 0 {
        // From somewhere in the middle of all levels.
        let somewhere = chance.duration() / 2;
        checked.go_to(somewhere, u64::MAX);
    }
    for _ in 0..steps {
        match chance.below(10) {
            0..=4 => {
                let from_now = match span {
                    Some(span) => chance.below(span),
                    None => chance.duration(),
                };
                let deadline = match chance.below(8) {
                    // Past, equal to another, or at the boundary of a tick.
                    0 => checked.now.saturating_sub(from_now),
                    1 => match checked.plain.keys().next_back() {
                        Some((deadline, _)) => *deadline,
                        None => checked.now,
                    },
                    2 => checked.now.saturating_add(from_now) >> TICK_BITS << TICK_BITS,
                    _ => checked.now.saturating_add(from_now),
                };
                checked.arm(deadline);
            }
            5 | 6 if !checked.plain.is_empty() => {
                let place = chance.below(checked.plain.len() as u64) as usize;
                let order = *checked.plain.keys().nth(place).expect("it is there");
                checked.disarm(order);
            }
            7 if !checked.stale.is_empty() => {
                let place = chance.below(checked.stale.len() as u64) as usize;
                checked.disarm_stale(place);
            }
            8 => {
                // Like a thread that sleeps until it must look.
                let look = checked.wheel.next_look().unwrap_or(checked.now);
                checked.go_to(look, 1 + chance.below(4));
            }
            _ => {
                let by = match span {
                    Some(span) => chance.below(span),
                    None => chance.duration() >> chance.below(20),
                };
                let at_most = 1 + chance.below(16);
                let to = checked.now.saturating_add(by);
                checked.go_to(to, at_most);
            }
        }
        checked.check();
    }
    checked.go_to(u64::MAX, u64::MAX);
    checked.check();
    assert!(checked.wheel.is_empty());
    for place in 0..checked.stale.len() {
        checked.disarm_stale(place);
    }
}

fn seed_of(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[test]
fn random_programs_agree_with_an_ordered_map() {
    for seed in 1..=300 {
        program(seed_of(seed), 300, None);
    }
}

#[test]
fn programs_of_near_deadlines_agree_with_an_ordered_map() {
    // Within one tick, some ticks, one level, two.
    for (number, bits) in [10, 21, 24, 27, 33].into_iter().enumerate() {
        for seed in 1..=60 {
            let seed = seed_of(seed + 1_000 * number as u64);
            program(seed, 300, Some(1 << bits));
        }
    }
}

#[test]
fn equal_deadlines_come_in_the_order_of_arming() {
    for deadline in [5, 1 << 20, 3 << 30, 7 << 45, u64::MAX] {
        let mut wheel = Wheel::new();
        for number in 0..100 {
            wheel.insert(deadline, number).unwrap();
        }
        assert_eq!(wheel.pop(deadline - 1), None, "never early");
        let all: Vec<_> = std::iter::from_fn(|| wheel.pop(deadline)).collect();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn a_disarmed_timer_leaves_no_memory() {
    let mut wheel = Wheel::new();
    let hour = 3_600_000_000_000;
    let keys: Vec<_> = (0..100_000)
        .map(|n| wheel.insert(hour + n, n).unwrap())
        .collect();
    for key in &keys {
        assert!(wheel.remove(*key).is_some());
        assert!(wheel.remove(*key).is_none());
    }
    assert!(wheel.entries.capacity() <= 64 && wheel.vacant.capacity() <= 64);
    // In the present tick, where they are in a heap.
    for n in 0..100_000 {
        let key = wheel.insert(1_000 + n % 7, n).unwrap();
        assert_eq!(wheel.remove(key), Some(n));
    }
    assert!(wheel.soon.capacity() <= 1_024);
}

#[test]
fn a_steady_state_does_not_grow() {
    let mut wheel = Wheel::new();
    for n in 0..10_000 {
        wheel.insert(1 << 40 | n << 22, n).unwrap();
    }
    let room = (wheel.entries.capacity(), wheel.vacant.capacity());
    let mut first = None;
    for n in 0..100_000 {
        let key = wheel.insert(1 << 41 | n, n).unwrap();
        wheel.remove(key).unwrap();
        first.get_or_insert((wheel.entries.capacity(), wheel.vacant.capacity()));
    }
    let last = (wheel.entries.capacity(), wheel.vacant.capacity());
    assert_eq!(first, Some(last));
    assert!(last.0 <= 2 * room.0);
}
