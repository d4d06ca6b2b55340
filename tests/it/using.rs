//! A resource that is released on every way out: `Task::using`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Gate, Log, expected, isolated, one_thread, pool_of, within};
use fast_async::{
    BoxError, CancelOutcome, ErrorKind, Pool, Resolver, Shutdown, Task, deferred,
    set_unhandled_hook, spawn,
};

/// A body that has a value.
fn twice(n: &mut u32) -> Result<u32, BoxError> {
    *n *= 2;
    Ok(*n)
}

/// A release that writes down what it gets.
fn note(log: &Log<u32>) -> impl FnOnce(u32) -> Result<(), BoxError> + use<> {
    let log = log.clone();
    move |n| {
        log.push(n);
        Ok(())
    }
}

// Contract: F4
#[test]
fn the_value_is_released_once_on_every_outcome() {
    within(|| {
        let log = Log::new();
        let task = spawn(|| 1).using(twice, note(&log));
        assert_eq!(task.wait().unwrap(), 2);
        assert_eq!(log.take(), [2], "as the body has left it");

        let task = spawn(|| 1).using(|_| Err::<(), _>("no".into()), note(&log));
        assert!(task.wait().unwrap_err().to_string().starts_with("no"));
        assert_eq!(log.take(), [1]);

        let panics = |_: &mut u32| -> Task<()> { expected("in the body") };
        let task = spawn(|| 1).using(panics, note(&log));
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Panicked);
        assert_eq!(log.take(), [1]);

        let settled = Task::ready(3).using(twice, note(&log));
        assert_eq!(settled.wait().unwrap(), 6);
        assert_eq!(log.take(), [6]);
    });
}

// Contract: F4
#[test]
fn it_is_released_after_the_task_of_the_body() {
    within(|| {
        let log = Log::new();
        let (resolver, task) = deferred();
        let pool = one_thread();
        let whole = pool.spawn(|| 1).using(move |_| task, note(&log));
        pool.wait_idle(Duration::MAX);
        assert_eq!((log.len(), whole.is_settled()), (0, false));
        resolver.resolve("done").unwrap();
        assert_eq!(whole.wait().unwrap(), "done");
        assert_eq!(log.take(), [1]);

        // And the whole settles after the task of the release.
        let (resolver, task) = deferred();
        let whole = pool.spawn(|| 1).using(twice, move |_| task);
        pool.wait_idle(Duration::MAX);
        assert!(!whole.is_settled());
        resolver.resolve(()).unwrap();
        assert_eq!(whole.wait().unwrap(), 2);
    });
}

// Case: 177
// Contract: F4
#[test]
fn a_value_that_was_not_acquired_is_not_released() {
    within(|| {
        let log = Log::new();
        let task = Task::<u32>::failed("no").using(twice, note(&log));
        assert!(task.wait().unwrap_err().to_string().starts_with("no"));
        let panics = spawn(|| expected("while acquiring"));
        let task = panics.using(twice, note(&log));
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Panicked);
        assert_eq!(log.len(), 0);
    });
}

// Case: 177
// Contract: F4
#[test]
fn a_value_that_comes_after_a_cancel_is_released_as_it_comes() {
    within(|| {
        let log = Log::new();
        let (resolver, task) = deferred();
        let body = |_: &mut u32| -> Task<()> { expected("not wanted") };
        let whole = task.using(body, note(&log));
        assert_eq!(whole.cancel(), CancelOutcome::Signalled);
        let stopped = whole.stopped();
        assert!(!stopped.is_settled());
        assert!(resolver.is_wanted(), "a cancel does not reach it");
        resolver.resolve(7).unwrap();
        stopped.wait().unwrap();
        assert_eq!(log.take(), [7]);
        assert!(whole.wait().unwrap_err().is_cancelled());
    });
}

// Contract: F4
#[test]
fn a_cancel_while_the_body_runs_releases_after_its_return() {
    within(|| {
        let log = Log::new();
        let (begun, gate) = (Gate::new(), Gate::new());
        let (tell, pass) = (begun.clone(), gate.clone());
        let body = move |n: &mut u32| {
            tell.open();
            pass.pass();
            twice(n)
        };
        let whole = pool_of(2).spawn(|| 1).using(body, note(&log));
        begun.pass();
        whole.cancel();
        assert!(whole.is_settled());
        let stopped = whole.stopped();
        assert_eq!((log.len(), stopped.is_settled()), (0, false));
        gate.open();
        stopped.wait().unwrap();
        assert_eq!(log.take(), [2]);
        assert!(whole.wait().unwrap_err().is_cancelled());

        // The task of a body is cancelled.
        let (resolver, task): (Resolver<()>, _) = deferred();
        let pool = one_thread();
        let whole = pool.spawn(|| 5).using(move |_| task, note(&log));
        pool.wait_idle(Duration::MAX);
        whole.cancel();
        assert!(!resolver.is_wanted());
        whole.stopped().wait().unwrap();
        assert_eq!(log.take(), [5]);
    });
}

// Case: 177
// Contract: F4, C5
#[test]
fn the_failure_of_the_body_wins_over_that_of_the_release() {
    let name = "the_failure_of_the_body_wins_over_that_of_the_release";
    isolated(name, || {
        let reports = Arc::new(AtomicUsize::new(0));
        let counted = reports.clone();
        set_unhandled_hook(move |error| {
            assert!(error.to_string().starts_with("release"), "{error}");
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let fails = |_: u32| Err::<(), BoxError>("release".into());
        let error = spawn(|| 1).using(twice, fails).wait().unwrap_err();
        assert!(error.to_string().starts_with("release"), "{error}");
        let error = spawn(|| 1).using(twice, |_| -> Task<()> { expected("release") });
        assert_eq!(error.wait().unwrap_err().kind(), ErrorKind::Panicked);
        assert_eq!(reports.load(Ordering::Relaxed), 0);

        let body = |_: &mut u32| Err::<(), BoxError>("body".into());
        let error = spawn(|| 1).using(body, fails).wait().unwrap_err();
        assert!(error.to_string().starts_with("body"), "{error}");
        assert_eq!(reports.load(Ordering::Relaxed), 1);
        let (resolver, task) = deferred();
        let whole = task.using(twice, fails);
        whole.cancel();
        resolver.resolve(1).unwrap();
        whole.stopped().wait().unwrap();
        assert_eq!(reports.load(Ordering::Relaxed), 2);
    });
}

// Contract: F4
#[test]
fn a_pool_that_is_shut_down_releases_too() {
    within(|| {
        let log = Log::new();
        let pool: Pool = one_thread();
        let (begun, gate) = (Gate::new(), Gate::new());
        let (tell, pass) = (begun.clone(), gate.clone());
        let acquire = pool.spawn(move || {
            tell.open();
            pass.pass();
            9
        });
        let whole = acquire.using(twice, note(&log));
        begun.pass();
        let _ = pool.shutdown(Shutdown::Discard, Duration::ZERO);
        gate.open();
        let _ = whole.wait();
        assert_eq!(log.len(), 1);
    });
}
