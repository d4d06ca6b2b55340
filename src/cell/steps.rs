//! The subscriber list: first in, first out, with removal of any entry.

use smallvec::SmallVec;

use super::state::Role;
use super::step::Step;

/// A list of steps in the order in which they were registered.
///
/// Each step has a number, by which it can be removed. Numbers only rise. One step, the common
/// case, needs no list.
pub(crate) struct Steps {
    /// The only step; its number is the last one given out. Empty while there is a list.
    one: Option<Box<dyn Step>>,
    /// What the only step is.
    role: Role,
    many: Option<Box<List>>,
    /// The next number to give out.
    next: u32,
}

/// More than one step. Entries are found by bisection of their numbers, wherever they have moved.
struct List {
    entries: SmallVec<[Entry; 4]>,
    /// Entries before this one have been taken.
    head: usize,
    /// Removed entries that still take a place between `head` and the end.
    gaps: usize,
}

struct Entry {
    number: u32,
    role: Role,
    step: Option<Box<dyn Step>>,
}

impl Steps {
    pub(crate) fn new() -> Steps {
        Steps {
            one: None,
            role: Role::Observer,
            many: None,
            next: 0,
        }
    }

    /// Appends a step and returns its number.
    #[inline]
    pub(crate) fn push(&mut self, step: Box<dyn Step>, role: Role) -> u32 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        match &mut self.many {
            Some(list) => list.push(number, step, role),
            None if self.one.is_none() => {
                self.one = Some(step);
                self.role = role;
            }
            None => self.spill(number, step, role),
        }
        number
    }

    fn spill(&mut self, number: u32, step: Box<dyn Step>, role: Role) {
        let mut list = Box::new(List::new());
        if let Some(one) = self.one.take() {
            list.push(number.wrapping_sub(1), one, self.role);
        }
        list.push(number, step, role);
        self.many = Some(list);
    }

    /// Takes the oldest step.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Box<dyn Step>, Role)> {
        match &mut self.many {
            None => self.one.take().map(|one| (one, self.role)),
            Some(list) => {
                let step = list.pop();
                if list.is_empty() {
                    self.many = None;
                }
                step
            }
        }
    }

    /// Removes the step with this number, if it is still there. Its closure is the caller's to
    /// drop.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Box<dyn Step>> {
        match &mut self.many {
            None if number.wrapping_add(1) == self.next => self.one.take(),
            None => None,
            Some(list) => {
                let step = list.remove(number);
                if list.is_empty() {
                    self.many = None;
                }
                step
            }
        }
    }

    /// True when an observer is to have its turn next.
    pub(crate) fn begins_with_observer(&self) -> bool {
        let first = match &self.many {
            None => self.one.as_ref().map(|_| self.role),
            Some(list) => list.first(),
        };
        first == Some(Role::Observer)
    }

    /// Takes the observers that stand before the first step that decides an outcome.
    pub(crate) fn take_leading_observers(&mut self) -> Steps {
        let mut taken = Steps {
            next: self.next,
            ..Steps::new()
        };
        match &mut self.many {
            None if self.role == Role::Observer => taken.one = self.one.take(),
            None => {}
            Some(list) => {
                let mut observers = List::new();
                while list.first() == Some(Role::Observer) {
                    observers.entries.extend(list.pop_entry());
                }
                if list.is_empty() {
                    self.many = None;
                }
                if !observers.is_empty() {
                    taken.many = Some(Box::new(observers));
                }
            }
        }
        taken
    }

    /// Puts steps that were registered later behind these.
    pub(crate) fn append(&mut self, mut later: Steps) {
        if later.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = later;
            return;
        }
        let next = self.next;
        let list = self.many.get_or_insert_with(|| Box::new(List::new()));
        if let Some(one) = self.one.take() {
            list.push(next.wrapping_sub(1), one, self.role);
        }
        if let Some(one) = later.one.take() {
            list.push(later.next.wrapping_sub(1), one, later.role);
        }
        while let Some(entry) = later.many.as_mut().and_then(|many| many.pop_entry()) {
            list.entries.push(entry);
        }
        self.next = later.next;
    }

    /// Takes all steps. Numbers go on from where they were.
    pub(crate) fn take(&mut self) -> Steps {
        let fresh = Steps {
            next: self.next,
            ..Steps::new()
        };
        std::mem::replace(self, fresh)
    }

    /// Takes the links out, which on a cancel have nothing more to do than to be dropped.
    pub(crate) fn take_links(&mut self) -> Vec<Box<dyn Step>> {
        match &mut self.many {
            None if self.role == Role::Link => self.one.take().into_iter().collect(),
            None => Vec::new(),
            Some(list) => {
                let links = list
                    .entries
                    .iter_mut()
                    .filter(|entry| entry.role == Role::Link)
                    .filter_map(|entry| entry.step.take())
                    .collect::<Vec<_>>();
                list.gaps += links.len();
                list.tidy();
                if list.is_empty() {
                    self.many = None;
                }
                links
            }
        }
    }

    /// Puts another step into the place of the only one, under its number.
    pub(crate) fn replace_only(&mut self, step: Box<dyn Step>) -> Option<Box<dyn Step>> {
        match &mut self.many {
            None => self.one.as_mut().map(|one| std::mem::replace(one, step)),
            Some(list) => list.entries[list.head..]
                .iter_mut()
                .find_map(|entry| entry.step.as_mut())
                .map(|one| std::mem::replace(one, step)),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.one.is_none() && self.many.is_none()
    }

    /// The step, if there is just one.
    pub(crate) fn only(&self) -> Option<&dyn Step> {
        match &self.many {
            None => self.one.as_deref(),
            Some(list) if list.len() == 1 => list.entries[list.head..]
                .iter()
                .find_map(|entry| entry.step.as_deref()),
            Some(_) => None,
        }
    }
}

impl List {
    fn new() -> List {
        List {
            entries: SmallVec::new(),
            head: 0,
            gaps: 0,
        }
    }

    /// What the step is whose turn is next.
    fn first(&self) -> Option<Role> {
        let mut waiting = self.entries[self.head..].iter();
        let first = waiting.find(|entry| entry.step.is_some())?;
        Some(first.role)
    }

    fn push(&mut self, number: u32, step: Box<dyn Step>, role: Role) {
        self.entries.push(Entry {
            number,
            role,
            step: Some(step),
        });
    }

    fn pop(&mut self) -> Option<(Box<dyn Step>, Role)> {
        let entry = self.pop_entry()?;
        Some((entry.step?, entry.role))
    }

    fn pop_entry(&mut self) -> Option<Entry> {
        while let Some(entry) = self.entries.get_mut(self.head) {
            self.head += 1;
            let Entry { number, role, .. } = *entry;
            match entry.step.take() {
                None => self.gaps -= 1,
                step => return Some(Entry { number, role, step }),
            }
        }
        None
    }

    fn remove(&mut self, number: u32) -> Option<Box<dyn Step>> {
        let waiting = &mut self.entries[self.head..];
        let place = waiting
            .binary_search_by_key(&number, |entry| entry.number)
            .ok()?;
        let step = waiting[place].step.take()?;
        self.gaps += 1;
        self.tidy();
        Some(step)
    }

    /// Gives places of removed entries free again: at the end at once, elsewhere when they are the
    /// greater part.
    fn tidy(&mut self) {
        while self.entries.len() > self.head
            && self
                .entries
                .last()
                .is_some_and(|entry| entry.step.is_none())
        {
            self.entries.pop();
            self.gaps -= 1;
        }
        if self.gaps > 16 && self.gaps > self.len() {
            self.entries.retain(|entry| entry.step.is_some());
            self.head = 0;
            self.gaps = 0;
        }
        if self.entries.spilled()
            && self.entries.capacity() > 64
            && self.entries.len() * 4 < self.entries.capacity()
        {
            self.entries.shrink_to_fit();
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.entries.len() - self.head - self.gaps
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
            .map(|i| steps.push(Box::new(Numbered(i)), Role::Observer))
            .collect();
        for number in numbers.iter().filter(|number| *number % 3 != 0) {
            assert!(steps.remove(*number).is_some());
            assert!(
                steps.remove(*number).is_none(),
                "a second removal finds nothing"
            );
        }
        let list = steps.many.as_ref().unwrap();
        assert_eq!(list.len(), 334);
        assert!(list.entries.len() <= 2 * 334 + 1);
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
        steps.push(Box::new(Numbered(0)), Role::Observer);
        let mut before = steps.push(Box::new(Numbered(1)), Role::Observer);
        for i in 0..100_000 {
            let new = steps.push(Box::new(Numbered(i)), Role::Observer);
            steps.remove(before);
            before = new;
        }
        let list = steps.many.as_ref().unwrap();
        assert_eq!(list.len(), 2);
        assert!(list.entries.capacity() <= 64);
    }

    #[test]
    fn numbers_are_never_given_out_twice() {
        let mut steps = Steps::new();
        let first = steps.push(Box::new(Numbered(0)), Role::Observer);
        assert!(steps.pop().is_some());
        let second = steps.push(Box::new(Numbered(1)), Role::Observer);
        assert_ne!(first, second);
        assert!(steps.remove(first).is_none());
        assert!(steps.only().is_some());
    }
}
