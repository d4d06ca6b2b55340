//! The task whose closure the calling thread runs, if that task tells events.

use std::cell::Cell;

use super::kind::TaskId;

crate::sync::thread_local! {
    static CURRENT: Cell<Option<TaskId>> = const { Cell::new(None) };
}

/// The innermost such task on this thread's stack.
pub(crate) fn current() -> Option<TaskId> {
    CURRENT.try_with(Cell::get).ok().flatten()
}

/// The closure of a task runs on this thread, until this is dropped.
pub(crate) struct Within {
    before: Option<TaskId>,
}

impl Within {
    pub(super) fn enter(id: TaskId) -> Within {
        let before = CURRENT.try_with(|current| current.replace(Some(id)));
        Within {
            before: before.ok().flatten(),
        }
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.set(self.before));
    }
}
