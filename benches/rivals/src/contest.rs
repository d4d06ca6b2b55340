//! What is compared: a workload, its sizes, and who takes part.

use std::time::Duration;

use crate::foreign::Language;

/// One run: does `n` operations and says how long they took, without what was set up before.
pub(crate) type Run = fn(usize) -> Duration;

/// The part a contestant plays in the ratios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// fast-async.
    Ours,
    /// Does the same job: may be the best peer.
    Peer,
    /// One boxed closure per operation, on one thread: the least such a job can cost.
    Floor,
    /// Does less than the job, or another one: shown, never the best peer.
    Reference,
    /// In another language: shown, never the best peer.
    Foreign,
}

/// The program that a contestant's process runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// This one, started once more.
    Own(Run),
    Foreign(Language),
}

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) program: Program,
    /// The largest `n` it can do, or can do in reasonable time.
    pub(crate) most: usize,
    /// Why it stops at `most`.
    pub(crate) stops: Option<&'static str>,
    /// What to know when reading its figures: why it is a reference, what limits it.
    pub(crate) note: Option<&'static str>,
    /// Runs without the limit on threads that the environment sets for the `blocking` crate.
    pub(crate) as_it_comes: bool,
}

impl Contestant {
    const fn new(name: &'static str, kind: Kind, program: Program) -> Self {
        Self {
            name,
            kind,
            program,
            most: usize::MAX,
            stops: None,
            note: None,
            as_it_comes: false,
        }
    }

    pub(crate) const fn ours(run: Run) -> Self {
        Self::new("fast-async", Kind::Ours, Program::Own(run))
    }

    pub(crate) const fn floor(run: Run) -> Self {
        Self::new("floor", Kind::Floor, Program::Own(run))
    }

    pub(crate) const fn peer(name: &'static str, run: Run) -> Self {
        Self::new(name, Kind::Peer, Program::Own(run))
    }

    pub(crate) const fn reference(name: &'static str, why: &'static str, run: Run) -> Self {
        Self::variant(name, run).noted(why)
    }

    /// fast-async under another condition.
    pub(crate) const fn variant(name: &'static str, run: Run) -> Self {
        Self::new(name, Kind::Reference, Program::Own(run))
    }

    pub(crate) const fn foreign(name: &'static str, language: Language) -> Self {
        Self::new(name, Kind::Foreign, Program::Foreign(language))
    }

    pub(crate) const fn noted(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    pub(crate) const fn as_it_comes(mut self) -> Self {
        self.as_it_comes = true;
        self
    }

    pub(crate) const fn at_most(mut self, n: usize, why: &'static str) -> Self {
        self.most = n;
        self.stops = Some(why);
        self
    }

    /// The size it runs at when the others run at `n`, one of `sizes`; `None` when it sits this one
    /// out.
    ///
    /// Beyond its limit it runs again, at the limit, unless it has done that size already.
    pub(crate) fn size(&self, n: usize, sizes: &[usize]) -> Option<usize> {
        if n <= self.most {
            return Some(n);
        }
        let first_beyond = sizes.iter().copied().find(|&size| size > self.most);
        (first_beyond == Some(n) && !sizes.contains(&self.most)).then_some(self.most)
    }
}

/// Which of a workload's sizes to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Those the tables are about.
    Table,
    /// Enough of them to draw a line.
    Sweep,
    /// One small size, to see that everything works.
    Short,
}

/// One question, and who answers it.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    /// What one operation is: the unit of every figure is nanoseconds per this.
    pub(crate) operation: &'static str,
    pub(crate) table: &'static [usize],
    pub(crate) sweep: &'static [usize],
    pub(crate) short: &'static [usize],
    /// How many operations a run at size `n` does.
    pub(crate) operations: fn(usize) -> usize,
    /// Runs are repeated within a round until they have done this many operations.
    pub(crate) fill: usize,
    /// Each round has a new process without a warm-up, because the figure is how a pool grows, and
    /// a grown pool takes up to ten seconds to shrink.
    pub(crate) from_rest: bool,
    /// What to know when reading the figures, said below them; a line each, of a picture's width.
    pub(crate) reading: &'static [&'static str],
    pub(crate) contestants: &'static [Contestant],
}

impl Workload {
    pub(crate) const fn sizes(&self, size: Size) -> &'static [usize] {
        match size {
            Size::Table => self.table,
            Size::Sweep => self.sweep,
            Size::Short => self.short,
        }
    }
}

/// One operation per unit of size, as in most workloads.
pub(crate) const fn one_each(n: usize) -> usize {
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capped() -> Contestant {
        Contestant::peer("slow", |_| Duration::ZERO).at_most(2_000, "one thread each")
    }

    #[test]
    fn within_its_limit_a_contestant_takes_the_size_as_it_is() {
        assert_eq!(capped().size(2_000, &[10, 2_000]), Some(2_000));
    }

    #[test]
    fn beyond_its_limit_it_runs_at_the_limit_once() {
        let sizes = [10, 10_000, 200_000];
        assert_eq!(capped().size(10_000, &sizes), Some(2_000));
        assert_eq!(capped().size(200_000, &sizes), None);
    }

    #[test]
    fn a_limit_among_the_sizes_is_not_run_twice() {
        assert_eq!(capped().size(10_000, &[2_000, 10_000]), None);
    }
}
