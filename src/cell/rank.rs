//! The ranks of tasks, which keep the search for cycles short; see `deadlock/search.rs`.

use std::cell::Cell;

/// The rank of a task that no wide search has visited.
///
/// Invariant: a task's rank is never lower than that of anything it waits for. So a search for a
/// task ends at each task of a lower rank. Ranks only fall. See `search`.
pub(super) const UNRANKED: u32 = u32::MAX;

crate::sync::thread_local! {
    /// The lowest rank of the ranked tasks that this thread has begun to drive.
    static LOWEST_DRIVEN: Cell<u32> = const { Cell::new(UNRANKED) };
    /// The number of [`RunsForOthers`] on the stack of this thread.
    static FOR_OTHERS: Cell<u32> = const { Cell::new(0) };
}

/// While it lives, the calling thread runs user code for which tasks of any rank may wait, though
/// it drives none of them: the callbacks of a topic, for the tasks that wait for its next value.
pub(crate) struct RunsForOthers(());

impl RunsForOthers {
    #[inline]
    pub(crate) fn begin() -> RunsForOthers {
        let _ = FOR_OTHERS.try_with(|count| count.set(count.get() + 1));
        RunsForOthers(())
    }
}

impl Drop for RunsForOthers {
    #[inline]
    fn drop(&mut self) {
        let _ = FOR_OTHERS.try_with(|count| count.set(count.get() - 1));
    }
}

/// True while a [`RunsForOthers`] is on the stack of this thread.
pub(super) fn runs_for_others() -> bool {
    FOR_OTHERS.try_with(Cell::get).unwrap_or(0) > 0
}

/// The calling thread has become the driver of a ranked task.
#[cold]
pub(super) fn note_driven(rank: u32) {
    // A thread without thread-locals is ending, and does not wait for tasks that it drives.
    let _ = LOWEST_DRIVEN.try_with(|lowest| lowest.set(lowest.get().min(rank)));
}

/// The lowest rank of the ranked tasks that the calling thread has begun to drive.
pub(super) fn lowest_driven() -> u32 {
    LOWEST_DRIVEN.try_with(Cell::get).unwrap_or(0)
}
