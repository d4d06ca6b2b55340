//! The tokens that one task is under.

use smallvec::SmallVec;

use super::token::{CancelToken, Member};
use crate::sync::{Arc, AtomicU64, Ordering};

/// The tokens that one task is under as long as it is not settled. Dropping it takes the task out
/// of them.
///
/// Holds the tokens: one of them may be a child that has no other handle. The tokens hold the task
/// weakly.
pub(crate) struct Membership {
    number: u64,
    tokens: SmallVec<[CancelToken; 1]>,
}

impl Membership {
    /// For a task that is about to [join](Membership::join) these.
    pub(crate) fn new(tokens: SmallVec<[CancelToken; 1]>) -> Membership {
        crate::sync::statics! {
            static NUMBER: AtomicU64 = AtomicU64::new(0);
        }
        Membership {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            tokens,
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Removes `token`. False: it is not a member, so its raise has reached the task already.
    pub(crate) fn forget(&mut self, token: &CancelToken) -> bool {
        let place = self.tokens.iter().position(|own| own.is(token));
        // The caller has another handle: this drop drops no callback.
        place.map(|place| self.tokens.remove(place)).is_some()
    }

    /// Returns a raised token whose raise has not reached the task.
    pub(crate) fn raised(&self) -> Option<CancelToken> {
        let mut tokens = self.tokens.iter();
        tokens.find(|token| token.is_cancelled()).cloned()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        for token in &self.tokens {
            let task = token.0.tree.lock().members.remove(&self.number);
            drop(task);
        }
    }
}

impl CancelToken {
    /// Has a raise of this token call `task` off. False: it is raised already.
    ///
    /// The task must have its [`Membership`] already: a raise on another thread searches it for the
    /// token.
    pub(crate) fn join(&self, number: u64, task: &Arc<dyn Member>) -> bool {
        let mut tree = self.0.tree.lock();
        // Looked at under the lock: a concurrent raise sees the task, or the task sees it.
        let is_raised = self.is_cancelled();
        if !is_raised {
            tree.members.insert(number, Arc::downgrade(task));
        }
        !is_raised
    }
}
