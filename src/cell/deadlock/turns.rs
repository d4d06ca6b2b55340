//! What a waiting thread serves.

/// What a thread does of its loops while it waits: what that serves does not wait for the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    /// It runs none of them.
    No,
    /// It runs the jobs of its loops.
    Jobs,
    /// It also calls closures with the state that has this key.
    Lends(usize),
}

impl Turns {
    pub(super) fn run_jobs(self) -> bool {
        self != Turns::No
    }

    pub(super) fn lend(self, state: usize) -> bool {
        self == Turns::Lends(state)
    }
}
