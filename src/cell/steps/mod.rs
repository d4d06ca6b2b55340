//! The subscriber list: first in, first out, with removal of any entry.

mod list;
#[cfg(all(test, not(loom), not(shuttle)))]
mod model_test;

use smallvec::SmallVec;

use list::List;

pub(crate) use list::Frozen;

use super::state::Role;
use super::step::Step;
use crate::sync::Arc;

/// Steps in the order of registration.
///
/// Each step has a number, which identifies it for removal. Numbers only rise. One step, the common
/// case, needs no list.
pub(crate) struct Steps {
    /// The only step. Its number is the last one assigned. Empty while there is a list.
    one: Option<Box<dyn Step>>,
    many: Option<Box<List>>,
    /// The next number to assign, while there is no list; a list has its own.
    next: u32,
    /// The role of the only step.
    role: Role,
}

/// Steps that one driver works through without the cell's lock.
pub(crate) struct Batch {
    pub(crate) steps: Arc<Frozen>,
    /// The index of its first step.
    pub(crate) from: usize,
    /// The role of all of them.
    pub(crate) role: Role,
}

impl Steps {
    pub(crate) fn new() -> Steps {
        Steps {
            one: None,
            many: None,
            next: 0,
            role: Role::Observer,
        }
    }

    /// Appends a step and returns its number.
    #[inline(always)]
    pub(crate) fn push(&mut self, step: Box<dyn Step>, role: Role) -> u64 {
        if let Some(list) = &mut self.many {
            return list.append_one(step, role);
        }
        if self.one.is_some() || self.next == u32::MAX {
            return self.list().append_one(step, role);
        }
        let number = self.next;
        self.next = number + 1;
        self.one = Some(step);
        self.role = role;
        u64::from(number)
    }

    /// Returns the list, creating it from the only step if there is none.
    #[cold]
    fn list(&mut self) -> &mut List {
        let (one, role, next) = (self.one.take(), self.role, u64::from(self.next));
        self.many.get_or_insert_with(|| {
            let mut list = Box::new(List::from_number(next));
            if let Some(one) = one {
                list.push(next - 1, one, role);
            }
            list
        })
    }

    /// Returns an empty list whose numbers continue from here.
    fn fresh(&self) -> Steps {
        let mut fresh = Steps {
            next: self.next,
            ..Steps::new()
        };
        if let Some(list) = &self.many {
            fresh.many = Some(Box::new(List::from_number(list.next())));
            fresh.drop_empty_list();
        }
        fresh
    }

    /// Takes the oldest step.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Box<dyn Step>, Role)> {
        let Some(list) = &mut self.many else {
            return self.one.take().map(|one| (one, self.role));
        };
        let popped = list.pop();
        self.drop_empty_list();
        popped.map(|(_, step, role)| (step, role))
    }

    /// Takes the oldest step if it only sends the rest elsewhere. Returns `None` after a driver has
    /// begun with the front, where it checks each step as it takes it.
    pub(crate) fn pop_hop(&mut self) -> Option<Box<dyn Step>> {
        let Some(list) = &mut self.many else {
            return self.one.take_if(|one| one.is_hop());
        };
        match list.begins_with_hop() {
            true => self.pop().map(|(hop, _)| hop),
            false => None,
        }
    }

    /// Returns the steps of one role that a driver may run as a batch, if they are enough.
    pub(crate) fn run(&mut self) -> Option<Batch> {
        let (steps, from) = self.many.as_mut()?.front()?;
        Some(Batch {
            role: steps.role(from)?,
            steps: steps.clone(),
            from,
        })
    }

    /// Records that the driver has taken all steps of its batch before `place`.
    pub(crate) fn advance(&mut self, place: usize) {
        if let Some(list) = &mut self.many {
            list.advance(place);
            self.drop_empty_list();
        }
    }

    /// Removes the step with this number, if it is still there. The caller drops its closure
    /// without the lock.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Box<dyn Step>> {
        let Some(list) = &mut self.many else {
            let is_the_one = number + 1 == u64::from(self.next);
            return self.one.take_if(|_| is_the_one);
        };
        let step = list.remove(number);
        self.drop_empty_list();
        step
    }

    /// Returns true if the next step is an observer.
    pub(crate) fn begins_with_observer(&mut self) -> bool {
        let first = match &mut self.many {
            None => self.one.as_ref().map(|_| self.role),
            Some(list) => list.first(),
        };
        first == Some(Role::Observer)
    }

    /// Takes the observers before the first step that decides an outcome.
    pub(crate) fn take_leading_observers(&mut self) -> Steps {
        let mut taken = self.fresh();
        match &mut self.many {
            None if self.role == Role::Observer => taken.one = self.one.take(),
            None => {}
            Some(list) => {
                taken.many = Some(Box::new(list.take_leading(Role::Observer)));
                taken.drop_empty_list();
                self.drop_empty_list();
            }
        }
        taken
    }

    /// Appends steps that were registered later.
    pub(crate) fn append(&mut self, mut later: Steps) {
        if later.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = later;
            return;
        }
        let list = self.list();
        match &mut later.many {
            Some(many) => list.append(many),
            None => {
                let next = u64::from(later.next);
                if let Some(one) = later.one.take() {
                    list.push(next - 1, one, later.role);
                }
                list.go_on_from(next);
            }
        }
    }

    /// Takes all steps. Later numbers continue from here.
    pub(crate) fn take(&mut self) -> Steps {
        let fresh = self.fresh();
        let mut taken = std::mem::replace(self, fresh);
        if let Some(list) = &mut taken.many {
            // The driver of the front must find no step in it.
            list.thaw();
        }
        taken
    }

    /// Takes the links out, which a cancel only drops.
    pub(crate) fn take_links(&mut self) -> SmallVec<[Box<dyn Step>; 1]> {
        let Some(list) = &mut self.many else {
            let is_link = self.role == Role::Link;
            let link = self.one.take_if(|_| is_link);
            return link.map_or_else(SmallVec::new, |link| SmallVec::from_buf([link]));
        };
        let links = list.take_all(Role::Link);
        self.drop_empty_list();
        SmallVec::from_vec(links)
    }

    /// Replaces the only step, keeping its number.
    pub(crate) fn replace_only(&mut self, step: Box<dyn Step>) -> Option<Box<dyn Step>> {
        self.only_mut().map(|one| std::mem::replace(one, step))
    }

    #[inline(always)]
    pub(crate) fn is_empty(&mut self) -> bool {
        match self.many {
            None => self.one.is_none(),
            Some(_) => self.has_empty_list(),
        }
    }

    fn has_empty_list(&mut self) -> bool {
        self.drop_empty_list();
        match &mut self.many {
            None => self.one.is_none(),
            Some(list) => list.is_empty(),
        }
    }

    /// Returns the step if there is exactly one.
    pub(crate) fn only(&mut self) -> Option<&dyn Step> {
        self.only_mut().map(|one| &**one)
    }

    fn only_mut(&mut self) -> Option<&mut Box<dyn Step>> {
        match &mut self.many {
            None => self.one.as_mut(),
            Some(list) => list.only(),
        }
    }

    #[inline]
    fn drop_empty_list(&mut self) {
        if let Some(list) = &mut self.many
            && list.is_empty()
            // A list stays if its numbers do not fit into `next`.
            && let Ok(next) = u32::try_from(list.next())
        {
            self.next = next;
            self.many = None;
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::cell::slot::Slot;
    use crate::cell::step::Flow;
    use crate::error::TaskError;
    use crate::sync::Arc;

    struct Numbered(#[allow(dead_code, reason = "gives the step a size")] usize);

    impl Step for Numbered {
        fn run(&mut self, _: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
            Flow::Observed
        }
        fn cancel(&mut self, _: &TaskError) {}
    }

    #[test]
    fn removal_keeps_the_order_and_frees_memory() {
        let mut steps = Steps::new();
        let numbers: Vec<u64> = (0..1000)
            .map(|i| steps.push(Box::new(Numbered(i)), Role::Observer))
            .collect();
        for number in numbers.iter().filter(|number| *number % 10 != 0) {
            assert!(steps.remove(*number).is_some());
            assert!(
                steps.remove(*number).is_none(),
                "a second removal finds nothing"
            );
        }
        let (steps_left, capacity) = steps.many.as_ref().unwrap().places();
        assert_eq!(steps_left, 100);
        assert!(capacity <= 4 * 100 + 1, "{capacity}");
        assert!(steps.pop().is_some());
        assert!(
            steps.remove(0).is_none(),
            "what was taken cannot be removed"
        );
        assert!(steps.remove(10).is_some());
        assert_eq!(std::iter::from_fn(|| steps.pop()).count(), 98);
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
        let (steps_left, capacity) = steps.many.as_ref().unwrap().places();
        assert_eq!(steps_left, 2);
        assert!(capacity <= 64, "{capacity}");
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
