//! The inputs of a combinator, as what its task waits for.

use crate::cell::cancel::{Withdrawn, withdraw_all};
use crate::cell::{Cell, Tie, Upstream, with};
use crate::sync::{Arc, Mutex};

/// The tasks whose outcomes a combinator collects. Emptied when its task is settled.
#[derive(Default)]
pub(super) struct Group {
    members: Mutex<Vec<Arc<dyn Cell>>>,
}

impl Group {
    pub(super) fn fill(&self, members: Vec<Arc<dyn Cell>>) {
        *self.members.lock() = members;
    }

    /// Cancels the members that are not settled.
    pub(super) fn cancel(&self) {
        withdraw_all(self.take());
    }

    fn take(&self) -> impl Iterator<Item = Tie> + use<> {
        let members = std::mem::take(&mut *self.members.lock());
        members.into_iter().map(|member| Tie {
            to: member,
            ticket: 0,
        })
    }

    /// Lets the members go.
    pub(super) fn clear(&self) {
        let members = std::mem::take(&mut *self.members.lock());
        drop(members);
    }
}

impl Upstream for Group {
    fn withdraw(self: Arc<Self>, _ticket: u64) -> Withdrawn {
        Withdrawn::passing(self.take())
    }

    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let members = self.members.lock();
        // Last in, first out: whoever works through `found` meets the members in their order.
        for member in members.iter().rev() {
            found.push(member.clone());
        }
    }
}

/// Makes `group` what the task of `cell` waits for, unless that is settled already.
pub(super) fn bind(cell: &dyn Cell, group: &Arc<Group>) {
    let bound = with(cell, |state, _| {
        let open = state.phase == crate::cell::state::Phase::Open;
        if open {
            let _ = state.tie_to(Tie {
                to: group.clone(),
                ticket: 0,
            });
        }
        open
    });
    if !bound {
        group.clear();
    }
}
