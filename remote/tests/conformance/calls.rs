//! Calls that are made at most once.

use std::time::{Duration, Instant};

use fast_async_remote::RemoteErrorKind;

use crate::bed::{Bed, ECHO, failure, failure_kind, for_both_engines, start, told, until, value};

for_both_engines! {
    a_call_has_a_value;
    without_a_worker_a_call_fails_at_once;
    a_call_that_takes_too_long_is_told;
    a_failed_call_is_not_repeated;
    a_cancelled_call_is_told;
}

fn a_call_has_a_value(bed: &Bed) {
    let worker = start(bed.remote().worker("q").serve(&ECHO, |_, n| Ok(n)));
    let caller = bed.remote();
    served(&caller);
    let tasks: Vec<_> = (0..50).map(|n| caller.call(&ECHO, n).send()).collect();
    for (n, task) in (0..).zip(tasks) {
        assert_eq!(value(task), n);
    }
    assert!(worker.end().calls >= 50);
}

/// Waits until a worker serves calls.
fn served(caller: &fast_async_remote::Remote) {
    until(|| caller.call(&ECHO, 0).send().wait().is_ok());
}

// Promise: S14
fn without_a_worker_a_call_fails_at_once(bed: &Bed) {
    let start = Instant::now();
    let task = bed
        .remote()
        .call(&ECHO, 1)
        .timeout(Duration::from_secs(600))
        .send();
    assert_eq!(failure_kind(task), RemoteErrorKind::NoWorker);
    assert!(start.elapsed() < Duration::from_secs(60));
}

fn a_call_that_takes_too_long_is_told(bed: &Bed) {
    let (tell, ended) = told();
    let _worker = start(
        bed.remote()
            .worker("q")
            .slots(2)
            .serve(&ECHO, move |job, n| {
                while n == 1 && !job.is_cancelled() {
                    std::thread::yield_now();
                }
                if n == 1 {
                    tell.tell(job.check().unwrap_err().to_string());
                }
                Ok(n)
            }),
    );
    let caller = bed.remote();
    served(&caller);
    let task = caller
        .call(&ECHO, 1)
        .timeout(Duration::from_millis(200))
        .send();
    assert_eq!(failure_kind(task), RemoteErrorKind::TimedOut);
    let why = ended.next();
    assert!(why.contains("longer than it may"), "{why}");
    assert_eq!(value(caller.call(&ECHO, 2).send()), 2);
}

fn a_failed_call_is_not_repeated(bed: &Bed) {
    let (tell, ran) = told();
    let worker = bed.remote().worker("q").name("w");
    let _worker = start(worker.serve(&ECHO, move |_, n| match n {
        0 => Ok(n),
        n => {
            tell.tell(n);
            Err("no such page".into())
        }
    }));
    let caller = bed.remote();
    served(&caller);
    let error = failure(caller.call(&ECHO, 1).send());
    assert!(error.message().contains("no such page"), "{error}");
    assert_eq!((error.worker(), error.attempt()), (Some("w"), 1));
    assert_eq!(ran.all(), [1]);
    assert!(caller.queue("q").dead_letters().unwrap().is_empty());
}

// Promise: S10
fn a_cancelled_call_is_told(bed: &Bed) {
    let (tell, begun) = told();
    let _worker = start(bed.remote().worker("q").serve(&ECHO, move |job, n| {
        if n == 1 {
            tell.tell("begun");
        }
        while n == 1 && !job.is_cancelled() {
            std::thread::yield_now();
        }
        if n == 1 {
            tell.tell("told");
        }
        Ok(n)
    }));
    let caller = bed.remote();
    served(&caller);
    let task = caller
        .call(&ECHO, 1)
        .timeout(Duration::from_secs(600))
        .send();
    assert_eq!(begun.next(), "begun");
    assert_eq!(task.cancel(), fast_async::CancelOutcome::Signalled);
    assert!(task.wait().unwrap_err().is_cancelled());
    assert_eq!(begun.next(), "told");
}
