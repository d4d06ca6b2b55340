//! The subscriber list: first in, first out, with removal of any entry.

use smallvec::SmallVec;

use super::step::Step;

/// A list of steps in the order in which they were registered.
///
/// Each entry carries the number it was registered under. Numbers only rise, so an entry is found by bisection wherever it has moved.
pub(crate) struct Steps {
    entries: SmallVec<[Entry; 1]>,
    /// Entries before this one have been taken.
    head: u32,
    /// The next number to give out.
    next: u32,
    /// Removed entries that still take a place between `head` and the end.
    gaps: u32,
}

struct Entry {
    number: u32,
    step: Option<Box<dyn Step>>,
}

impl Steps {
    pub(crate) fn new() -> Steps {
        Steps {
            entries: SmallVec::new(),
            head: 0,
            next: 0,
            gaps: 0,
        }
    }

    /// Appends a step and returns its number.
    pub(crate) fn push(&mut self, step: Box<dyn Step>) -> u32 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.entries.push(Entry {
            number,
            step: Some(step),
        });
        number
    }

    /// Takes the oldest step.
    pub(crate) fn pop(&mut self) -> Option<Box<dyn Step>> {
        while let Some(entry) = self.entries.get_mut(self.head as usize) {
            self.head += 1;
            match entry.step.take() {
                Some(step) => {
                    if self.head as usize == self.entries.len() {
                        self.reset();
                    }
                    return Some(step);
                }
                None => self.gaps -= 1,
            }
        }
        self.reset();
        None
    }

    /// Removes the step with this number, if it is still there. Its closure is the caller's to drop.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Box<dyn Step>> {
        let waiting = &mut self.entries[self.head as usize..];
        let place = waiting
            .binary_search_by_key(&number, |entry| entry.number)
            .ok()?;
        let step = waiting[place].step.take()?;
        self.gaps += 1;
        self.tidy();
        Some(step)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.head as usize - self.gaps as usize
    }

    /// The step, if the list holds just one.
    pub(crate) fn only(&self) -> Option<&dyn Step> {
        if self.len() != 1 {
            return None;
        }
        self.entries[self.head as usize..]
            .iter()
            .find_map(|entry| entry.step.as_deref())
    }

    /// Gives places of removed entries free again: at the end at once, elsewhere when they are the greater part.
    fn tidy(&mut self) {
        while self.entries.len() > self.head as usize
            && self
                .entries
                .last()
                .is_some_and(|entry| entry.step.is_none())
        {
            self.entries.pop();
            self.gaps -= 1;
        }
        if self.gaps > 16 && self.gaps as usize > self.len() {
            self.entries.retain(|entry| entry.step.is_some());
            self.head = 0;
            self.gaps = 0;
        }
        if self.is_empty() {
            self.reset();
        }
        if self.entries.spilled()
            && self.entries.capacity() > 64
            && self.entries.len() * 4 < self.entries.capacity()
        {
            self.entries.shrink_to_fit();
        }
    }

    fn reset(&mut self) {
        self.entries.clear();
        self.head = 0;
        self.gaps = 0;
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::cell::slot::Slot;
    use crate::cell::step::Turn;
    use crate::error::TaskError;
    use crate::sync::Arc;

    struct Numbered(#[allow(dead_code, reason = "gives the step a size")] usize);

    impl Step for Numbered {
        fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Turn {
            Turn::Looked
        }
        fn cancel(&mut self, _: &TaskError) {}
    }

    #[test]
    fn removal_keeps_the_order_and_gives_memory_back() {
        let mut steps = Steps::new();
        let numbers: Vec<u32> = (0..1000)
            .map(|i| steps.push(Box::new(Numbered(i))))
            .collect();
        for number in numbers.iter().filter(|number| *number % 3 != 0) {
            assert!(steps.remove(*number).is_some());
            assert!(
                steps.remove(*number).is_none(),
                "a second removal finds nothing"
            );
        }
        assert_eq!(steps.len(), 334);
        assert!(steps.entries.len() <= 2 * 334 + 1);
        assert!(steps.pop().is_some());
        assert!(
            steps.remove(0).is_none(),
            "what was taken cannot be removed"
        );
        assert!(steps.remove(3).is_some());
        assert_eq!(std::iter::from_fn(|| steps.pop()).count(), 332);
        assert!(steps.is_empty());
    }

    #[test]
    fn a_window_that_slides_over_a_long_lived_first_entry_stays_small() {
        let mut steps = Steps::new();
        steps.push(Box::new(Numbered(0)));
        let mut before = steps.push(Box::new(Numbered(1)));
        for i in 0..100_000 {
            let new = steps.push(Box::new(Numbered(i)));
            steps.remove(before);
            before = new;
        }
        assert_eq!(steps.len(), 2);
        assert!(steps.entries.capacity() <= 64);
    }

    #[test]
    fn numbers_are_never_given_out_twice() {
        let mut steps = Steps::new();
        let first = steps.push(Box::new(Numbered(0)));
        assert!(steps.pop().is_some());
        let second = steps.push(Box::new(Numbered(1)));
        assert_ne!(first, second);
        assert!(steps.remove(first).is_none());
        assert_eq!(steps.len(), 1);
    }
}
