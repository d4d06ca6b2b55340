//! What a task does: queued, running, waiting, settled, and how.

use std::future::pending;
use std::time::Duration;

use crate::support::{Gate, expected, one_thread, until, within};
use fast_async::{
    Inline, LoopQueue, Status, Task, TaskQueue, deferred, delay, spawn, spawn_future,
};

// Contract: I1
#[test]
fn a_task_from_cold_to_its_end() {
    within(|| {
        let cold = Task::new(|| 7);
        assert_eq!(cold.status(), Status::Cold);
        let pool = one_thread();
        let (inside, gate) = (Gate::new(), Gate::new());
        let (tell, held) = (inside.clone(), gate.clone());
        let running = pool.spawn(move || {
            tell.open();
            held.pass();
        });
        let queued = pool.spawn(|| 7);
        inside.pass();
        assert_eq!(running.status(), Status::Running);
        assert_eq!(queued.status(), Status::Queued);
        // A chain on it is the same task.
        let chain = queued.then(|n| n + 1);
        assert_eq!(chain.status(), Status::Queued);
        gate.open();
        until(|| running.is_settled() && chain.is_settled());
        assert_eq!(running.status(), Status::Success);
        assert_eq!(chain.status(), Status::Success);
    });
}

// Contract: I1
#[test]
fn a_task_that_waits_for_something_else() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        assert_eq!(task.status(), Status::Waiting);
        let shared = task.share();
        assert_eq!(shared.status(), Status::Waiting);
        let branch = shared.then(|n| *n);
        assert_eq!(branch.status(), Status::Waiting);
        let (inner, followed) = deferred::<u32>();
        let follows = Task::ready(()).on(&Inline).and_then(move |()| followed);
        assert_eq!(follows.status(), Status::Waiting);
        assert_eq!(delay(Duration::from_secs(3600)).status(), Status::Waiting);
        let queue = TaskQueue::serial();
        let (release, held) = deferred::<u32>();
        let (first, second) = (queue.attempt(move || held), queue.spawn(|| 1));
        assert_eq!(second.status(), Status::Waiting);
        release.resolve(1).unwrap();
        until(|| first.is_settled() && second.is_settled());
        inner.resolve(1).unwrap();
        resolver.resolve(2).unwrap();
        assert_eq!(shared.status(), Status::Success);
        until(|| follows.status() == Status::Success);
        // A future waits between its polls, and runs in one.
        let (inside, gate) = (Gate::new(), Gate::new());
        let (tell, held) = (inside.clone(), gate.clone());
        let (resolver, reply) = deferred::<()>();
        let future = spawn_future(async move {
            tell.open();
            held.pass();
            reply.await.unwrap();
        });
        inside.pass();
        assert_eq!(future.status(), Status::Running);
        gate.open();
        until(|| future.status() == Status::Waiting);
        resolver.resolve(()).unwrap();
        until(|| future.status() == Status::Success);
        // A continuation waits for its executor.
        let queue = LoopQueue::new();
        let sent = Task::ready(1).on(&queue).then(|n| n);
        assert_eq!(sent.status(), Status::Queued);
        queue.run_pending();
        assert_eq!(sent.status(), Status::Success);
    });
}

// Contract: I1
#[test]
fn a_failure_and_a_cancel_are_told_apart() {
    within(|| {
        assert_eq!(Task::<()>::failed("no").status(), Status::Failure);
        let panics = spawn(|| -> u32 { expected("status") });
        until(|| panics.is_settled());
        assert_eq!(panics.status(), Status::Failure);
        assert!(panics.error().is_some());

        let (_resolver, task) = deferred::<u32>();
        task.cancel();
        assert_eq!(task.status(), Status::Cancelled);
        // Down a chain it stays a cancellation, until something is made of it.
        let task = task.on(&Inline).then(|n| n);
        assert_eq!(task.status(), Status::Cancelled);
        let task = task.catch(|_| 0);
        assert_eq!(task.status(), Status::Success);

        let (gate, inside) = (Gate::new(), Gate::new());
        let (held, tell) = (gate.clone(), inside.clone());
        let running = spawn(move || {
            tell.open();
            held.pass();
        });
        inside.pass();
        running.cancel();
        assert_eq!(
            running.status(),
            Status::Cancelled,
            "its closure still runs"
        );
        gate.open();
        let future = spawn_future(pending::<()>());
        future.cancel();
        assert_ne!(future.status(), Status::Success);
    });
}

// Contract: I1. Seen by an observer, while the driver holds the outcome.
#[test]
fn an_observer_sees_how_its_task_was_settled() {
    within(|| {
        for (fails, status) in [(false, Status::Success), (true, Status::Failure)] {
            let (resolver, task) = deferred::<u32>();
            let task = std::sync::Arc::new(task);
            let (tell, told) = std::sync::mpsc::channel();
            let own = std::sync::Arc::downgrade(&task);
            task.on_settled(move |_| tell.send(own.upgrade().unwrap().status()).unwrap());
            match fails {
                true => assert!(resolver.reject("no").is_ok()),
                false => assert!(resolver.resolve(1).is_ok()),
            }
            assert_eq!(told.recv().unwrap(), status);
            assert_eq!(task.status(), status);
            let _ = task.error();
        }
    });
}
