//! Checks the subscriber list against a plain one.

use super::{Role, Step, Steps};
use crate::cell::slot::{Outcome, Slot, cast};
use crate::cell::step::Flow;
use crate::error::TaskError;
use crate::sync::Arc;

/// A step that returns its mark when it runs.
struct Marked(u64);

impl Step for Marked {
    fn run(&mut self, input: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        *cast::<u64>(input) = Some(Ok(self.0));
        Flow::Observed
    }
    fn cancel(&mut self, _: &TaskError) {}
}

fn mark(mut step: Box<dyn Step>) -> u64 {
    let mut slot: Option<Outcome<u64>> = None;
    let _ = step.run(&mut slot, None);
    slot.and_then(Result::ok).expect("it tells its mark")
}

/// A list of steps, and a plain list with the expected marks. Each step's mark is its number.
struct Checked {
    steps: Steps,
    plain: Vec<(u64, Role)>,
}

impl Checked {
    fn new(next: u32) -> Checked {
        Checked {
            steps: Steps {
                next,
                ..Steps::new()
            },
            plain: Vec::new(),
        }
    }

    fn push(&mut self, number: u64, role: Role) {
        assert_eq!(self.steps.push(Box::new(Marked(number)), role), number);
        self.plain.push((number, role));
    }

    fn pop(&mut self) {
        let first = (!self.plain.is_empty()).then(|| self.plain.remove(0));
        let popped = self.steps.pop().map(|(step, role)| (mark(step), role));
        assert_eq!(popped, first);
    }

    fn remove(&mut self, number: u64) {
        let place = self.plain.iter().position(|(there, _)| *there == number);
        let expected = place.map(|place| self.plain.remove(place).0);
        assert_eq!(self.steps.remove(number).map(mark), expected);
    }

    /// Runs the front like a driver, while `unsubscribed` is removed from it.
    fn drive(&mut self, most: usize, unsubscribed: u64) {
        let Some(run) = self.steps.run() else { return };
        for place in run.from..run.steps.len().min(run.from + most) {
            if run.steps.role(place) != Some(run.role) {
                break;
            }
            if let Some(step) = run.steps.take(place) {
                assert_eq!((mark(step), run.role), self.plain.remove(0));
            }
            self.remove(unsubscribed);
            // Some drivers record their progress; for others the list is used before they do.
            if unsubscribed.is_multiple_of(2) {
                self.steps.advance(place + 1);
            }
        }
    }

    /// Returns the marks in the plain list for which `wanted` holds.
    fn split(&mut self, wanted: impl Fn(&Role) -> bool) -> Vec<u64> {
        let (taken, left) = self.plain.iter().partition(|(_, role)| wanted(role));
        self.plain = left;
        let taken: Vec<(u64, Role)> = taken;
        taken.into_iter().map(|(number, _)| number).collect()
    }

    fn check(&mut self) {
        assert_eq!(self.steps.is_empty(), self.plain.is_empty());
        let first = self.plain.first().map(|(_, role)| *role);
        assert_eq!(
            self.steps.begins_with_observer(),
            first == Some(Role::Observer)
        );
        if let Some(list) = &mut self.steps.many {
            let [there, counted] = list.counts();
            assert_eq!(there, counted);
        }
    }
}

#[test]
fn a_list_equals_a_plain_one_after_any_operations() {
    // Also near the end of the `u32` numbers: a list counts beyond them.
    for (seed, start) in (1..=200).zip([0, u32::MAX - 100].into_iter().cycle()) {
        let mut random: u64 = seed * 0x9e37_79b9;
        let mut below = move |limit: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % limit
        };
        let mut number = u64::from(start);
        let (mut twin, mut before) = (Checked::new(start), Checked::new(start));
        for _ in 0..300 {
            let some = number - below(20).min(number);
            match below(24) {
                0..=8 => {
                    // Mostly runs of one role.
                    let role =
                        [Role::Link, Role::Closing, Role::Observer][(number / 7 % 3) as usize];
                    twin.push(number, if below(9) > 0 { role } else { Role::Observer });
                    number += 1;
                }
                9 | 10 => twin.pop(),
                11..=13 => twin.remove(some),
                14..=16 => twin.drive(below(9) as usize, some),
                17 => {
                    let length = twin
                        .plain
                        .iter()
                        .take_while(|(_, role)| *role == Role::Observer);
                    let expected: Vec<_> = twin.plain.drain(..length.count()).collect();
                    let mut taken = twin.steps.take_leading_observers();
                    let taken = std::iter::from_fn(|| taken.pop());
                    let taken: Vec<_> = taken.map(|(step, role)| (mark(step), role)).collect();
                    assert_eq!(taken, expected);
                }
                18 => {
                    let links = twin.steps.take_links().into_iter().map(mark);
                    let links: Vec<_> = links.collect();
                    assert_eq!(links, twin.split(|role| *role == Role::Link));
                }
                19 => {
                    before.steps.append(twin.steps.take());
                    before.plain.append(&mut twin.plain);
                }
                20 => before.pop(),
                21 => before.remove(some),
                22 => before.drive(below(9) as usize, some),
                _ => {
                    let only = match twin.plain[..] {
                        [(number, _)] => Some(number),
                        _ => None,
                    };
                    let replaced = twin.steps.replace_only(Box::new(Marked(only.unwrap_or(0))));
                    assert_eq!(replaced.map(mark), only);
                }
            }
            twin.check();
            before.check();
        }
    }
}
