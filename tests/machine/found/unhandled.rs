//! Unhandled failures.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;
use std::thread;

use fast_async::{CancelOutcome, Inline, Pool, Resolver, Task, all, any, deferred, spawn};

use super::{LONG, panics, reports};
use crate::seen::{Failure, Kind};
use crate::{alone, meet};

// Contract: C5
#[test]
fn a_failure_of_a_task_that_a_cancelled_task_continued_with_is_reported() {
    let _alone = alone();
    let (_resolver, task) = deferred::<u32>();
    let (resolver, next) = deferred::<u32>();
    task.cancel();
    reports();
    let task = task.on(&Inline).or_else(move |_| next);
    drop(resolver);
    drop(task);
    assert_eq!(reports(), [Failure(Kind::Abandoned, 0)]);
}

// Contract: C5
#[test]
fn a_failure_that_comes_after_a_cancel_is_reported() {
    let _alone = alone();
    let (_resolver, task) = deferred::<u32>();
    task.cancel();
    reports();
    drop(task.on(&Inline).catch(|_| panics()));
    assert_eq!(reports(), [Failure(Kind::Panicked, 0)]);
}

// Contract: C5
#[test]
fn a_failure_after_a_handled_one_is_reported() {
    let _alone = alone();
    let task: Task<u32> = Task::failed("looked at");
    assert!(task.error().is_some());
    reports();
    drop(task.on(&Inline).catch(|_| panics()));
    assert_eq!(reports(), [Failure(Kind::Panicked, 0)]);
}

// Contract: C5. Cancelling what has failed already is too late, so the failure is still unhandled.
#[test]
fn a_failure_is_reported_when_a_cancel_drops_its_last_shared_handle() {
    let _alone = alone();
    let (resolver, task) = deferred::<u32>();
    let shared = task.share();
    reports();
    drop(resolver);
    assert_eq!(shared.cancel(), Some(CancelOutcome::TooLate));
    assert_eq!(reports(), [Failure(Kind::Abandoned, 0)]);
}

// Contract: C5. A failure that a caller has received is handled, for any later outcome of the task.
#[test]
fn a_failure_that_was_asked_for_is_not_reported() {
    let _alone = alone();
    reports();
    let failed = || {
        let task: Task<u32> = Task::failed("asked for");
        assert!(task.error().is_some());
        task
    };
    drop(failed());
    drop(failed().share());
    drop(failed().on(&Inline).then(|n| n + 1));
    drop(spawn(failed).flatten());
    assert!(Pool::global().wait_idle(LONG));
    assert_eq!(reports(), []);
}

// Contract: C5. The branch that goes last takes the source with it before its closure is dropped:
// what that does to the source comes too late.
#[test]
fn the_source_is_cancelled_before_the_closure_of_the_last_branch_is_dropped() {
    let _alone = alone();
    let (resolver, task) = deferred::<u32>();
    let shared = task.share();
    // The source would be abandoned when the closure is dropped, which is in the second pass of the
    // cancel.
    let branch = shared.then(move |_| drop(resolver));
    drop(shared);
    reports();
    assert_eq!(branch.cancel(), CancelOutcome::Prevented);
    assert_eq!(reports(), []);
}

// Contract: C5. A failing task that is consumed at any moment has a consumer that handles its
// failure.
#[test]
fn a_failure_is_not_reported_while_the_task_is_being_consumed() {
    let _alone = alone();
    reports();
    let (give, given) = channel::<(Resolver<u32>, Arc<AtomicUsize>)>();
    let settler = thread::spawn(move || {
        for (resolver, missing) in given {
            meet(&missing);
            drop(resolver);
        }
    });
    for round in 0..3000 {
        let (resolver, task) = deferred::<u32>();
        let task = task.then(|n| n + 1);
        let missing = Arc::new(AtomicUsize::new(2));
        give.send((resolver, missing.clone())).unwrap();
        meet(&missing);
        let failed = match round % 4 {
            0 => task.share().wait().is_err(),
            1 => all(vec![task]).wait().is_err(),
            2 => any(vec![task]).wait().is_err(),
            _ => task.shielded().wait().is_err(),
        };
        assert!(failed);
    }
    drop(give);
    settler.join().unwrap();
    assert_eq!(reports(), []);
}
