//! Where a failure came by after it happened: a bounded list, for [`Trace`](super::Trace).

use std::panic::Location;

type Place = &'static Location<'static>;

/// The number of steps that are kept: the first ones and the last ones.
const KEPT: usize = 16;

/// What a failure came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A continuation that was skipped.
    Link(Place),
    /// A further task that failed with it.
    Task(Place),
    /// A thread waited for it.
    Wait(Place),
}

/// The way of a failure. Empty, it has allocated nothing; else once.
#[derive(Default)]
pub(super) struct Way {
    /// Where the task was made in which it happened, if it has left that task.
    pub(super) begun: Option<Place>,
    steps: Vec<Step>,
    /// The number of steps that were left out, in the middle of `steps`.
    left_out: u64,
}

impl Way {
    pub(super) fn add(&mut self, step: Step) {
        if self.steps.last() == Some(&step) {
            return;
        }
        if self.steps.is_empty() {
            self.steps.reserve_exact(KEPT);
        }
        if self.steps.len() == KEPT {
            self.steps.remove(KEPT / 2);
            self.left_out += 1;
        }
        self.steps.push(step);
    }

    /// A task that was made at `place` has failed with it.
    pub(super) fn add_task(&mut self, place: Place) {
        match self.begun {
            None => self.begun = Some(place),
            Some(begun) if begun == place => {}
            Some(_) => self.add(Step::Task(place)),
        }
    }

    /// The steps, and how many were left out before which of them.
    pub(super) fn steps(&self) -> impl Iterator<Item = (u64, Step)> {
        let left_out = self.left_out;
        self.steps.iter().enumerate().map(move |(number, step)| {
            let before = if number == KEPT / 2 { left_out } else { 0 };
            (before, *step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn here() -> Place {
        Location::caller()
    }

    #[test]
    fn a_long_way_keeps_its_ends() {
        let (one, two) = (here(), here());
        let mut way = Way::default();
        for n in 0..100 {
            way.add(Step::Link(if n % 2 == 0 { one } else { two }));
        }
        assert_eq!(way.steps.capacity(), KEPT);
        let steps: Vec<_> = way.steps().collect();
        assert_eq!(steps.len(), KEPT);
        assert_eq!(steps[0], (0, Step::Link(one)));
        assert_eq!(steps[KEPT / 2].0, 100 - 16);
        assert_eq!(steps[KEPT - 1], (0, Step::Link(two)));
    }

    #[test]
    fn a_task_counts_once() {
        let (one, two) = (here(), here());
        let mut way = Way::default();
        for place in [one, one, two, two, one] {
            way.add_task(place);
        }
        assert_eq!(way.begun, Some(one));
        let steps: Vec<_> = way.steps().collect();
        assert_eq!(steps, [(0, Step::Task(two))]);
    }
}
