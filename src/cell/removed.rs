//! What an adoption has taken out of cells, to be dropped without a lock.

use smallvec::SmallVec;

use super::deadlock::Trail;
use super::state::State;
use super::step::Step;
use super::{AnyCell, UpstreamRef};
use crate::sync::Arc;
use crate::unhandled::Overseer;

#[derive(Default)]
pub(super) struct Removed {
    pub(super) tie: Option<UpstreamRef>,
    pub(super) step: Option<Box<dyn Step>>,
    /// The cells that a search for a cycle has visited; most adoptions need no search.
    pub(super) trail: Option<Box<Trail>>,
    /// What was skipped; most adoptions skip no task.
    pub(super) skipped: Option<DropLater>,
}

/// What paths that were made shorter have left.
#[derive(Default)]
pub(super) struct DropLater {
    pub(super) cells: SmallVec<[Arc<dyn AnyCell>; 4]>,
    pub(super) ties: SmallVec<[Option<UpstreamRef>; 2]>,
    pub(super) steps: SmallVec<[Box<dyn Step>; 2]>,
    /// What tasks have left behind that another one has taken the place of.
    pub(super) behind: SmallVec<[Arc<dyn AnyCell>; 1]>,
    /// The groups of tasks that another one has taken the place of.
    pub(super) left: SmallVec<[Leaves; 1]>,
}

impl DropLater {
    /// Another task, of the same group, has taken the place of `cell`.
    pub(super) fn note_replaced(&mut self, cell: &dyn AnyCell, state: &mut State) {
        if cell.is_outlived() {
            self.behind.extend(state.take_left());
        }
        if std::mem::take(&mut state.overseen) {
            let overseen = cell.meta().overseer();
            self.left
                .extend(overseen.map(|it| Leaves(it.by.clone(), it.number)));
        }
    }
}

/// Tells a group, when it is dropped, that a task has left it.
pub(super) struct Leaves(Arc<dyn Overseer>, u64);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}
