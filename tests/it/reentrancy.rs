//! What a callback may do to its own task, and to others: everything.

use std::sync::{Arc, Mutex};

use crate::support::{Drops, Log, every_case, within};
use fast_async::{CancelOutcome, ErrorKind, Subscription, Task, deferred, spawn};

/// A task that its own callbacks can get at.
type Slot<T> = Arc<Mutex<Option<T>>>;

fn slot<T>() -> Slot<T> {
    Arc::new(Mutex::new(None))
}

// Contract: D8
// Case: 22, 23
#[test]
fn a_callback_may_drop_the_last_handle_of_its_own_task() {
    within(|| {
        let (resolver, task) = deferred::<crate::support::Token>();
        let drops = Drops::new();
        let handle = slot();
        let log = Log::new();
        task.on_settled({
            let (handle, log) = (handle.clone(), log.clone());
            move |_| {
                let last: Option<Task<crate::support::Token>> = handle.lock().unwrap().take();
                drop(last);
                log.push("first");
            }
        });
        let second = log.clone();
        task.on_settled(move |outcome| {
            assert!(outcome.is_ok());
            second.push("second");
        });
        *handle.lock().unwrap() = Some(task);
        resolver.resolve(drops.token()).unwrap();
        assert_eq!(log.take(), ["first", "second"]);
        assert_eq!(drops.count(), 1, "without a consumer the value is dropped");
    });
}

// Contract: D8
#[test]
fn a_callback_may_cancel_its_own_task() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let tail = slot::<Task<u32>>();
        let seen = Log::new();
        task.on_settled({
            let (tail, seen) = (tail.clone(), seen.clone());
            move |_| {
                let outcome = tail.lock().unwrap().as_ref().unwrap().cancel();
                seen.push(outcome);
            }
        });
        *tail.lock().unwrap() = Some(task.then(|_| panic!("it was cancelled")));
        resolver.resolve(1).unwrap();
        assert_eq!(seen.take(), [CancelOutcome::Signalled]);
        let tail = tail.lock().unwrap().take().unwrap();
        assert!(tail.wait().unwrap_err().is_cancelled());

        // Nothing is left to be cancelled when the last one runs.
        let (resolver, task) = deferred::<u32>();
        let handle = slot::<Task<u32>>();
        task.on_settled({
            let (handle, seen) = (handle.clone(), seen.clone());
            move |_| seen.push(handle.lock().unwrap().as_ref().unwrap().cancel())
        });
        *handle.lock().unwrap() = Some(task);
        resolver.resolve(1).unwrap();
        assert_eq!(seen.take(), [CancelOutcome::TooLate]);
        let task = handle.lock().unwrap().take().unwrap();
        assert_eq!(task.wait().unwrap(), 1);
    });
}

// Contract: D8
#[test]
fn a_callback_may_settle_another_task_and_that_runs_after_it() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let (other, waiting) = deferred::<u32>();
        let log = Log::new();
        let inner = log.clone();
        let waiting = waiting.then(move |n| {
            inner.push("other");
            n
        });
        let (first, second) = (log.clone(), log.clone());
        task.on_settled(move |_| {
            other.resolve(2).unwrap();
            first.push("first");
        });
        task.on_settled(move |_| second.push("second"));
        resolver.resolve(1).unwrap();
        assert_eq!(log.take(), ["first", "second", "other"]);
        assert_eq!(waiting.wait().unwrap(), 2);
        assert_eq!(task.wait().unwrap(), 1);
    });
}

// Contract: D8
#[test]
fn a_callback_may_share_chain_and_wait_for_other_tasks() {
    within(|| {
        every_case(|case| {
            let n = case.run(Ok(1), |task| {
                task.then(|n| {
                    let settled = Task::ready(n + 1).share();
                    let branch = settled.then(|n| n + 1);
                    let pending = spawn(|| 10).then(|n| n + 1);
                    branch.wait().unwrap() + settled.wait().unwrap() + pending.wait().unwrap()
                })
            });
            assert_eq!(n.unwrap(), 3 + 2 + 11, "{case:?}");
        });
    });
}

// Contract: D8. What it waits for is later in this thread's own list.
// Case: 58
#[test]
fn a_callback_may_wait_for_a_task_that_its_own_thread_dispatches_later() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let (other, waiting) = deferred::<u32>();
        let waiting = waiting.then(|n| n + 1).then(|n| n + 1);
        let task = task.then(move |n| {
            other.resolve(n).unwrap();
            waiting.wait().unwrap()
        });
        resolver.resolve(1).unwrap();
        assert_eq!(task.wait().unwrap(), 3);
    });
}

// Contract: D8, W3
#[test]
fn a_callback_that_waits_for_its_own_task_fails() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let tail = slot::<Task<u32>>();
        let task = task.then({
            let tail = tail.clone();
            move |n| {
                let own = tail.lock().unwrap().take().unwrap();
                match own.wait() {
                    Err(error) if error.kind() == ErrorKind::Cycle => n + 100,
                    other => panic!("{other:?}"),
                }
            }
        });
        let seen = Log::new();
        let saw = seen.clone();
        task.on_settled(move |outcome| saw.push(outcome.ok().copied()));
        *tail.lock().unwrap() = Some(task);
        resolver.resolve(1).unwrap();
        assert_eq!(seen.take(), [Some(101)]);
    });
}

// Contract: D8
#[test]
fn a_callback_may_unsubscribe_others_and_itself() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let (own, other) = (slot::<Subscription>(), slot::<Subscription>());
        let seen = Log::new();
        let first = task.on_settled({
            let (own, other, seen) = (own.clone(), other.clone(), seen.clone());
            move |_| {
                let own = own.lock().unwrap().take().unwrap();
                let other = other.lock().unwrap().take().unwrap();
                seen.push(own.unsubscribe());
                seen.push(other.unsubscribe());
            }
        });
        let second = task.on_settled(|_| panic!("it was taken out"));
        *own.lock().unwrap() = Some(first);
        *other.lock().unwrap() = Some(second);
        resolver.resolve(1).unwrap();
        assert_eq!(seen.take(), [false, true]);
        assert_eq!(task.wait().unwrap(), 1);
    });
}

// Contract: D8
#[test]
fn a_closure_may_settle_its_own_chain_through_a_resolver() {
    within(|| {
        let (outer, outcome) = deferred::<u32>();
        let outcome = outcome.then(|n| n * 2);
        let task = spawn(move || {
            outer.resolve(4).unwrap();
            outcome.wait().unwrap()
        });
        assert_eq!(task.wait().unwrap(), 8);
    });
}
