//! The tokens directly below one.

use crate::limits::CHILDREN_KEPT;
use crate::sync::{Arc, Weak};

/// A dead token keeps its allocation for as long as its entry is here.
///
/// Invariant: of the entries, at most `CHILDREN_KEPT` plus one half are of dropped tokens.
pub(super) struct Children<T> {
    list: Vec<Weak<T>>,
    /// Tokens that have died since the last sweep. Some of them may have left the list already.
    dead: usize,
}

impl<T> Default for Children<T> {
    fn default() -> Children<T> {
        Children {
            list: Vec::new(),
            dead: 0,
        }
    }
}

impl<T> Children<T> {
    pub(super) fn add(&mut self, child: &Arc<T>) {
        if self.list.len() == self.list.capacity() {
            self.sweep();
        }
        self.list.push(Arc::downgrade(child));
    }

    /// A child is being dropped. Constant time on average: a sweep visits at most twice as many
    /// entries as there were calls since the last one.
    pub(super) fn count_dead(&mut self) {
        self.dead += 1;
        if self.dead > CHILDREN_KEPT && self.dead > self.list.len() / 2 {
            self.sweep();
            if self.list.len() < self.list.capacity() / 4 {
                self.list.shrink_to(2 * self.list.len());
            }
        }
    }

    fn sweep(&mut self) {
        self.list.retain(|child| child.strong_count() > 0);
        self.dead = 0;
    }

    pub(super) fn alive(&self) -> impl DoubleEndedIterator<Item = Arc<T>> {
        self.list.iter().filter_map(Weak::upgrade)
    }
}
