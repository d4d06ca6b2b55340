//! What a cancel has left running, and who waits for the end of it.

use crate::cell::AnyCell;
use crate::sync::{Arc, ThreadId};

/// The function to call when a task has stopped. Dropped uncalled if the task can never run.
pub(crate) type OnStop = Box<dyn FnOnce() + Send>;

/// The closures that a cancel left running.
#[derive(Default)]
pub(crate) struct Stop {
    /// Superseded drivers that have not returned.
    pub(crate) drivers: u32,
    /// The threads of those drivers, where a thread is known: the search for cycles follows them.
    ///
    /// Invariant: a thread is here only while it runs user code that `stopped` waits for.
    pub(crate) threads: Threads,
    /// Tasks whose closures may run on and belong to this one: the task that was followed when the
    /// cancel came, or that the closure returned later, and was cancelled with this one; those
    /// that a time limit has cancelled.
    pub(crate) followed: Vec<Arc<dyn AnyCell>>,
    /// Called when `drivers` falls to 0. Empty while it is 0.
    pub(crate) waiting: Vec<OnStop>,
    /// The group of the task is told when `drivers` falls to 0.
    pub(crate) tells_overseer: bool,
}

/// Whether a task has stopped.
pub(crate) enum Answer {
    Waits,
    Stopped(OnStop),
    /// This task has stopped, but perhaps not those that it followed.
    Ask(Vec<Arc<dyn AnyCell>>, OnStop),
}

impl Stop {
    /// `thread`: the one that runs the driver. `None`: no thread does yet.
    pub(crate) fn leave_driver(&mut self, thread: Option<ThreadId>) {
        self.drivers += 1;
        self.threads.extend(thread);
    }

    pub(crate) fn leave_followed(&mut self, followed: impl IntoIterator<Item = Arc<dyn AnyCell>>) {
        self.followed.extend(followed);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.drivers > 0 || !self.followed.is_empty()
    }

    /// The task is settled: returns true if its group must wait for drivers.
    pub(crate) fn note_overseen(&mut self) -> bool {
        self.tells_overseer = self.drivers > 0;
        self.tells_overseer
    }

    pub(crate) fn ask(&mut self, told: OnStop) -> Answer {
        if self.drivers > 0 {
            self.waiting.push(told);
            return Answer::Waits;
        }
        match self.followed.is_empty() {
            false => Answer::Ask(self.followed.clone(), told),
            true => Answer::Stopped(told),
        }
    }
}

/// A few threads, commonly one at the most.
#[derive(Default)]
pub(crate) struct Threads {
    first: Option<ThreadId>,
    others: Vec<ThreadId>,
}

impl Threads {
    pub(crate) fn extend(&mut self, thread: Option<ThreadId>) {
        match self.first {
            None => self.first = thread,
            Some(_) => self.others.extend(thread),
        }
    }

    /// Takes out one entry of this thread, if there is one.
    pub(crate) fn remove(&mut self, thread: ThreadId) {
        if self.first == Some(thread) {
            self.first = self.others.pop();
        } else if let Some(place) = self.others.iter().position(|other| *other == thread) {
            self.others.swap_remove(place);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ThreadId> {
        self.first.into_iter().chain(self.others.iter().copied())
    }
}
