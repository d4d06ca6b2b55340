//! The progress of a task's head: its closure, or the resolver that settles it.

/// The progress of a task's head: its closure, or the resolver that settles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadState {
    Waiting,
    /// The closure was claimed.
    Running,
    /// The closure has run. The head has its outcome, or follows another task.
    Ran,
    /// The head was settled without a closure, or before its closure was claimed.
    Over,
}

impl HeadState {
    pub(crate) fn finish(&mut self) {
        *self = if self.had_closure() {
            HeadState::Ran
        } else {
            HeadState::Over
        };
    }

    pub(crate) fn is_over(self) -> bool {
        matches!(self, HeadState::Ran | HeadState::Over)
    }

    pub(super) fn had_closure(self) -> bool {
        matches!(self, HeadState::Running | HeadState::Ran)
    }
}
