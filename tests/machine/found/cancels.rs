//! Cancels, and which steps are due.

use std::sync::mpsc::channel;
use std::thread;

use fast_async::{
    CancelOutcome, ErrorKind, Inline, Job, LoopQueue, Pool, Status, Subscription, Task, all, any,
    deferred, spawn,
};

use super::{LONG, held_up, panics, reports};
use crate::alone;

// Contract: D6, S5. A subscription that a cancel has consumed refers to no step, even after more
// are registered.
#[test]
fn a_used_up_subscription_removes_nothing_that_came_after_a_cancel() {
    let _alone = alone();
    let queue = LoopQueue::new();
    let (_resolver, task) = deferred::<u32>();
    let subscription = task.on_settled(|_| ());
    assert_eq!(task.cancel(), CancelOutcome::Prevented);
    let task = task.on(&queue).catch(|_| 5);
    assert!(!subscription.unsubscribe(), "its observer has run");
    queue.run_pending();
    let outcome = task.wait_timeout(LONG).expect("a settled task");
    assert_eq!(outcome.ok(), Some(5));
}

// Contract: C2
#[test]
fn a_cancelled_task_that_was_recovered_from_is_a_success() {
    let _alone = alone();
    let (_resolver, task) = deferred::<u32>();
    task.cancel();
    let task = task.on(&Inline).catch(|_| 5);
    assert_eq!(task.status(), Status::Success);
    assert_eq!(task.wait().ok(), Some(5));
}

// Contract: C2
#[test]
fn a_cancelled_task_that_continues_with_another_is_a_success() {
    let _alone = alone();
    let (_resolver, task) = deferred::<u32>();
    let (resolver, next) = deferred::<u32>();
    task.cancel();
    let task = task.on(&Inline).or_else(move |_| next);
    assert!(resolver.resolve(5).is_ok());
    assert_eq!(task.status(), Status::Success);
    assert_eq!(task.wait().ok(), Some(5));
}

// Contract: C3
#[test]
fn a_branch_that_panicked_is_no_consumer_of_its_source() {
    let _alone = alone();
    let shared = Task::ready(1).share();
    let branch = shared.then(|_| panics::<()>());
    assert_eq!(branch.wait().unwrap_err().kind(), ErrorKind::Panicked);
    assert_eq!(shared.cancel(), Some(CancelOutcome::TooLate));
}

// Contract: S5
#[test]
fn a_cycle_through_a_shield_is_found() {
    let _alone = alone();
    let (resolver, task) = deferred::<u32>();
    assert!(resolver.settle_with(task.shielded()).is_ok());
    let (resolver, task) = deferred::<u32>();
    let shared = task.share();
    let branch = shared.then(|n| n + 1).shielded();
    assert!(resolver.settle_with(branch).is_ok());
    let outcome = shared.wait_timeout(LONG).expect("a settled task");
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cycle);
}

// Contract: S1, C1. What a cancelled task followed has no say in what it follows later.
#[test]
fn a_task_that_was_followed_before_a_cancel_delivers_nothing_after_it() {
    let _alone = alone();
    let (told, tell) = (channel(), channel::<()>());
    let (started, gate) = (told, tell);
    let (first, followed) = deferred::<u32>();
    // Keeps the first task's dispatch from coming to the one that follows it.
    followed.on_settled(move |_| {
        started.0.send(()).unwrap();
        gate.1.recv().unwrap();
    });
    let (outer, task) = deferred::<u32>();
    assert!(outer.settle_with(followed).is_ok());
    let dispatcher = spawn(move || first.resolve(1).is_ok());
    started.1.recv().unwrap();
    assert_eq!(task.cancel(), CancelOutcome::Prevented);

    let (second, next) = deferred::<u32>();
    let task = task.on(&Inline).or_else(move |_| next);
    gate.0.send(()).unwrap();
    assert!(dispatcher.wait().unwrap());
    let task = task.try_wait().expect_err("it follows the second task");
    assert!(second.resolve(2).is_ok());
    assert_eq!(task.wait().ok(), Some(2));
}

// Contract: P3. Room taken on a worker is given back when the job begins.
#[test]
fn try_spawn_on_a_worker_releases_its_slot() {
    let _alone = alone();
    let pool = Pool::builder().name("room").queue_limit(2).build().unwrap();
    let inner = pool.clone();
    let spawned = pool.spawn(move || (0..4).filter(|_| inner.try_spawn(|| ()).is_ok()).count());
    assert!(spawned.wait().unwrap() >= 2);
    assert!(pool.wait_idle(LONG));
    assert!(pool.try_spawn(|| ()).is_ok(), "the queue is empty");
}

// Contract: D1. A step that is to be told of a cancel is told, also if there is another cancel.
#[test]
fn a_second_cancel_removes_no_step() {
    let _alone = alone();
    let (task, go_on, held) = held_up();
    let (seen, saw) = channel();
    let other = seen.clone();
    held.recv().unwrap();
    task.on_settled(move |outcome| other.send(outcome.is_ok()).unwrap());
    let task = task.then(|n| n + 1);
    task.on_settled(move |outcome| seen.send(outcome.is_ok()).unwrap());
    task.cancel();
    let task = task.catch(|_| 5);
    task.cancel();
    go_on();
    assert!(task.wait().unwrap_err().is_cancelled());
    assert_eq!(saw.iter().collect::<Vec<_>>(), [true, false]);
}

// Contract: D1, S1. Those who come after one that has gone do not move up to an outcome that was
// not theirs.
#[test]
fn an_unsubscribed_observer_leaves_no_gap_in_a_cancel() {
    let _alone = alone();
    let (task, go_on, held) = held_up();
    let (seen, saw) = channel();
    held.recv().unwrap();
    let subscription = task.on_settled(|_| ());
    let task = task.then(|n| n.to_string());
    task.on_settled(move |outcome| seen.send(outcome.is_ok()).unwrap());
    task.cancel();
    assert!(subscription.unsubscribe());
    go_on();
    assert!(task.wait().unwrap_err().is_cancelled());
    assert_eq!(saw.iter().collect::<Vec<_>>(), [false]);
}

// Contract: D1. A driver that an earlier cancel has superseded has no part in a later one.
#[test]
fn a_link_that_ends_late_does_not_disturb_a_second_cancel() {
    let _alone = alone();
    let (began, started) = channel();
    let (end, ending) = channel::<()>();
    let (resolver, task) = deferred();
    let task = task.then(move |n: u32| {
        began.send(()).unwrap();
        ending.recv().unwrap();
        n
    });
    let late = thread::spawn(move || resolver.resolve(1).is_ok());
    started.recv().unwrap();
    assert_eq!(task.cancel(), CancelOutcome::Signalled);

    let (tell, held) = channel();
    let (go, gate) = channel::<()>();
    let (seen, saw) = channel();
    let other = seen.clone();
    task.on_settled(move |_| {
        tell.send(()).unwrap();
        gate.recv().unwrap();
    });
    held.recv().unwrap();
    task.on_settled(move |outcome| other.send(outcome.is_err()).unwrap());
    let task = task.catch(|_| 5);
    task.on_settled(move |outcome| seen.send(outcome.is_err()).unwrap());
    task.cancel();
    end.send(()).unwrap();
    assert!(late.join().unwrap());
    assert!(saw.try_recv().is_err(), "another step is due");
    go.send(()).unwrap();
    assert!(task.wait().unwrap_err().is_cancelled());
    assert_eq!(saw.iter().collect::<Vec<_>>(), [true, true]);
}

// Contract: S3, C1. The cancel was left to the thread that would run the job.
#[test]
fn a_cancelled_task_whose_executor_drops_the_job_settles() {
    let _alone = alone();
    let (send, jobs) = channel::<Job>();
    let (resolver, task) = deferred::<u32>();
    let task = task.on(&move |job| send.send(job).unwrap());
    let (seen, saw) = channel();
    task.on_settled(move |outcome| seen.send(outcome.is_err()).unwrap());
    let task = task.then(|n| n + 1);
    assert!(resolver.resolve(1).is_ok());
    assert_eq!(task.cancel(), CancelOutcome::Prevented);
    drop(jobs.recv().unwrap());
    let outcome = task.wait_timeout(LONG).expect("a settled task");
    assert!(outcome.unwrap_err().is_cancelled());
    assert_eq!(saw.iter().collect::<Vec<_>>(), [true]);
}

// Contract: C1, D1. The same, with a second cancel before a driver came.
#[test]
fn a_second_cancel_before_the_executor_runs_removes_no_step() {
    let _alone = alone();
    let queue = LoopQueue::new();
    let (resolver, task) = deferred::<u32>();
    let task = task.on(&queue);
    let (seen, saw) = channel();
    let other = seen.clone();
    task.on_settled(move |outcome| other.send(outcome.is_ok()).unwrap());
    let task = task.then(|n| n + 1);
    assert!(resolver.resolve(1).is_ok());
    task.cancel();
    let task = task.catch(|_| 5);
    task.on_settled(move |outcome| seen.send(outcome.is_ok()).unwrap());
    task.cancel();
    queue.run_pending();
    let outcome = task.wait_timeout(LONG).expect("a settled task");
    assert!(outcome.unwrap_err().is_cancelled());
    assert_eq!(saw.iter().collect::<Vec<_>>(), [true, false]);
}

// Contract: D2. A step that has not run can be removed, also while a deferred cancel waits for the
// driver.
#[test]
fn an_observer_unsubscribes_others_after_a_cancel() {
    let _alone = alone();
    let (task, go_on, held) = held_up();
    held.recv().unwrap();
    let (give, given) = channel::<Subscription>();
    let (tell, told) = channel();
    task.on_settled(move |_| {
        let gone = given.iter().map(Subscription::unsubscribe);
        tell.send(gone.collect::<Vec<_>>()).unwrap();
    });
    give.send(task.on_settled(|_| panics())).unwrap();
    let task = task.then(|n| n + 1);
    give.send(task.on_settled(|_| panics())).unwrap();
    drop(give);
    reports();
    task.cancel();
    go_on();
    assert!(task.wait().unwrap_err().is_cancelled());
    assert_eq!(told.recv().unwrap(), [true, true]);
    assert_eq!(reports(), []);
}

// Contract: C1. What a combinator gathers may be settled; that does not make it too late to cancel
// the combinator.
#[test]
fn cancelling_a_task_that_also_waits_for_a_settled_one_is_not_too_late() {
    let _alone = alone();
    let (resolver, task) = deferred::<u32>();
    let shared = any([task, Task::failed("no")]).share();
    assert_eq!(shared.cancel(), Some(CancelOutcome::Prevented));
    assert_eq!(resolver.resolve(1), Err(1));

    let (resolver, task) = deferred::<u32>();
    let shared = all([task, Task::ready(2)]).share();
    assert_eq!(shared.cancel(), Some(CancelOutcome::Prevented));
    assert_eq!(resolver.resolve(1), Err(1));
}
