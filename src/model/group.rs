//! A group that ends while its tasks start, end and fail (Contract: G1, G2).

use super::pool::pool;
use super::{Counted, Counter, explore, go};
#[cfg(shuttle)]
use super::{open, pool::close};
use crate::{BoxError, ErrorKind, Task};

/// The call waits for the last closure, however late it looks.
#[test]
fn the_wait_of_a_group_meets_the_end_of_its_last_task() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let dropped = Counter::default();
        let captured = Counted(dropped.clone());
        let ended = pool.group(|group| group.spawn(move || drop(captured)).detach());
        ended.unwrap();
        assert_eq!(dropped.get(), 1);
        "done"
    });
}

/// A task that starts as the group is cancelled is cancelled too, or never starts.
#[test]
fn a_cancel_meets_a_task_that_starts() {
    explore(&["ran", "cancelled", "rejected"], || {
        let pool = pool(1, 1);
        let dropped = Counter::default();
        let captured = Counted(dropped.clone());
        let mut started = None;
        let ended = pool.group(|group| {
            let own = group.clone();
            let canceller = go(move || own.cancel());
            started = Some(group.spawn(move || drop(captured)));
            canceller.join().unwrap();
        });
        assert!(ended.is_ok());
        // The closure is gone when the call returns.
        assert_eq!(dropped.get(), 1);
        match started.expect("the block has run").wait() {
            Ok(()) => "ran",
            Err(error) if error.is_cancelled() => "cancelled",
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Rejected);
                "rejected"
            }
        }
    });
}

/// No task of it is left waiting for what never comes, and the call with it. Not under `loom`: the
/// global pool may have a part in it, whose threads outlive an execution.
#[cfg(shuttle)]
#[test]
fn a_cancelled_group_overlooks_no_task() {
    explore(&["cancelled", "rejected"], || {
        let pool = pool(1, 1);
        let (resolver, never) = open::<()>();
        let mut started = None;
        let ended = pool.group(|group| {
            let own = group.clone();
            let canceller = go(move || own.cancel());
            started = Some(group.attempt(move || never));
            canceller.join().unwrap();
        });
        assert!(ended.is_ok());
        let _ = resolver.resolve(());
        let error = started.expect("the block has run").wait().unwrap_err();
        close(&pool);
        match error.kind() {
            ErrorKind::Rejected => "rejected",
            kind => {
                assert_eq!(kind, ErrorKind::Cancelled);
                "cancelled"
            }
        }
    });
}

/// A failure cancels the others, and is that of the group, whether they have begun or not.
#[test]
fn a_failure_meets_the_others() {
    explore(&["ran", "cancelled", "rejected"], || {
        let pool = pool(2, 2);
        let runs = Counter::default();
        let mut other = None;
        let ended = pool.group(|group| {
            let failing: Task<()> = group.attempt(|| Err(BoxError::from("no")));
            failing.detach();
            let count = runs.clone();
            other = Some(group.spawn(move || count.up()));
        });
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Failed);
        match other.expect("the block has run").wait() {
            Ok(()) => {
                assert_eq!(runs.get(), 1);
                "ran"
            }
            Err(error) if error.is_cancelled() => "cancelled",
            Err(error) => {
                assert_eq!((error.kind(), runs.get()), (ErrorKind::Rejected, 0));
                "rejected"
            }
        }
    });
}
