//! Jobs that are pushed, joined, kept, and run for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fast_async_remote::{Remote, RemoteErrorKind, RemoteOptions};

use crate::bed::{
    Bed, ECHO, Gate, failure, failure_kind, for_both_engines, start, told, until, value,
};

for_both_engines! {
    a_job_has_a_value;
    a_job_that_was_pushed_before_its_worker_came_is_run;
    one_id_is_one_job;
    ids_are_any_text;
    a_finished_job_is_joined;
    a_job_of_ten_leases_runs_once;
    an_outcome_that_is_gone_is_told with short_results;
    a_job_that_never_was_is_told;
    a_full_queue_refuses with few_jobs;
    a_job_expires;
    a_run_has_a_limit;
    progress_comes_in_order_and_before_the_outcome;
    a_caller_that_blocks_delays_nobody;
    names_are_checked_before_anything_is_sent;
    an_ended_worker_hands_back;
    a_worker_with_another_lease_is_refused;
}

// Promise: S1
fn a_job_has_a_value(bed: &Bed) {
    let remote = bed.remote();
    let _worker = start(remote.worker("q").serve(&ECHO, |_, n| Ok(n)));
    let (receipt, task) = bed.remote().queue("q").push(&ECHO, 7).stored();
    assert!(!value(receipt).joined());
    assert_eq!(value(task.then(|n| n + 1)), 8);
    let tasks: Vec<_> = (0..100)
        .map(|n| remote.queue("q").push(&ECHO, n).send())
        .collect();
    for (n, task) in (0..).zip(tasks) {
        assert_eq!(value(task), n);
    }
}

// Promise: S2
fn a_job_that_was_pushed_before_its_worker_came_is_run(bed: &Bed) {
    let caller = bed.remote();
    let (receipt, task) = caller.queue("q").push(&ECHO, 7).stored();
    value(receipt);
    let worker = start(bed.remote().worker("q").serve(&ECHO, |_, n| Ok(n)));
    assert_eq!(value(task), 7);
    assert_eq!(worker.end().done, 1);
}

// Promise: S6
fn one_id_is_one_job(bed: &Bed) {
    let runs = Arc::new(AtomicU32::new(0));
    let (gate, count) = (Gate::default(), runs.clone());
    let held = gate.clone();
    let _worker = start(bed.remote().worker("q").slots(4).serve(&ECHO, move |_, n| {
        held.pass();
        count.fetch_add(1, Ordering::Relaxed);
        Ok(n)
    }));
    let callers = [bed.remote(), bed.remote(), bed.remote()];
    let pushed: Vec<_> = (0..99)
        .map(|n| {
            callers[n % 3]
                .queue("q")
                .push(&ECHO, 5)
                .id("the one")
                .stored()
        })
        .collect();
    let mut stored = 0;
    let mut tasks = Vec::new();
    for (receipt, task) in pushed {
        stored += u32::from(!value(receipt).joined());
        tasks.push(task);
    }
    gate.open();
    for task in tasks {
        assert_eq!(value(task), 5);
    }
    assert_eq!((stored, runs.load(Ordering::Relaxed)), (1, 1));
}

/// An id is never a part of a subject.
// Promise: S6
fn ids_are_any_text(bed: &Bed) {
    let remote = bed.remote();
    let (tell, ran) = told();
    let _worker = start(remote.worker("q").serve(&ECHO, move |job, n| {
        tell.tell(job.id().to_owned());
        Ok(n)
    }));
    let long = "x".repeat(4096);
    let ids = [
        "a.b", "*", ">", "", " ", "a\r\nb", "fa.r.>", "ä/ö", "h-1", &long,
    ];
    for (n, id) in (0..).zip(ids) {
        assert_eq!(
            value(remote.queue("q").push(&ECHO, n).id(id).send()),
            n,
            "{id:?}"
        );
        assert_eq!(ran.next(), id);
        assert_eq!(value(remote.queue("q").attach(&ECHO, id)), n, "{id:?}");
    }
    assert!(ran.all().is_empty());
}

// Promise: S5, S6
fn a_finished_job_is_joined(bed: &Bed) {
    let worker = start(bed.remote().worker("q").serve(&ECHO, |_, n| Ok(n)));
    assert_eq!(
        value(bed.remote().queue("q").push(&ECHO, 7).id("a").send()),
        7
    );
    // With another input: the first job counts.
    let (receipt, task) = bed.remote().queue("q").push(&ECHO, 8).id("a").stored();
    assert!(value(receipt).joined());
    assert_eq!(value(task), 7);
    assert_eq!(value(bed.remote().queue("q").attach(&ECHO, "a")), 7);
    assert_eq!(worker.end().done, 1);
    assert_eq!(value(bed.remote().queue("q").attach(&ECHO, "a")), 7);
}

// Promise: S4
fn a_job_of_ten_leases_runs_once(bed: &Bed) {
    const LEASE: Duration = Duration::from_millis(200);
    let (tell, ran) = told();
    let serve = |tell: crate::bed::Tell<u32>| {
        bed.remote()
            .worker("q")
            .lease(LEASE)
            .slots(2)
            .serve(&ECHO, move |job, n| {
                tell.tell(job.attempt());
                fast_async::delay(LEASE * 10).wait()?;
                Ok(n)
            })
    };
    let _workers = [start(serve(tell.clone())), start(serve(tell))];
    assert_eq!(value(bed.remote().queue("q").push(&ECHO, 7).send()), 7);
    assert_eq!(ran.all(), [1]);
}

fn short_results(options: RemoteOptions) -> RemoteOptions {
    options.result_ttl(Duration::from_secs(1))
}

// Promise: S14
fn an_outcome_that_is_gone_is_told(bed: &Bed) {
    let remote = bed.remote();
    let _worker = start(remote.worker("q").serve(&ECHO, |_, n| Ok(n)));
    let queue = remote.queue("q");
    assert_eq!(value(queue.push(&ECHO, 7).id("a").send()), 7);
    until(|| match fast_async::Task::wait(queue.attach(&ECHO, "a")) {
        Ok(n) => n != 7,
        Err(error) => {
            let error = error
                .downcast_ref::<fast_async_remote::RemoteError>()
                .unwrap();
            assert_eq!(*error.kind(), RemoteErrorKind::ResultExpired);
            true
        }
    });
}

// Promise: S14
fn a_job_that_never_was_is_told(bed: &Bed) {
    let queue = bed.remote().queue("q");
    assert_eq!(
        failure_kind(queue.attach(&ECHO, "a")),
        RemoteErrorKind::ResultExpired
    );
}

fn few_jobs(options: RemoteOptions) -> RemoteOptions {
    options.max_jobs(3)
}

// Promise: S12
fn a_full_queue_refuses(bed: &Bed) {
    let remote = bed.remote();
    let queue = remote.queue("q");
    let tasks: Vec<_> = (0..3)
        .map(|n| {
            let (receipt, task) = queue.push(&ECHO, n).stored();
            value(receipt);
            task
        })
        .collect();
    let (receipt, task) = queue.push(&ECHO, 3).id("late").stored();
    assert_eq!(failure_kind(receipt), RemoteErrorKind::Full);
    assert_eq!(failure_kind(task), RemoteErrorKind::Full);
    let _worker = start(remote.worker("q").serve(&ECHO, |_, n| Ok(n)));
    for (n, task) in (0..).zip(tasks) {
        assert_eq!(value(task), n);
    }
    assert_eq!(value(queue.push(&ECHO, 3).id("late").send()), 3);
}

// Promise: S9, S14
fn a_job_expires(bed: &Bed) {
    let caller = bed.remote();
    let queue = caller.queue("q");
    let push = queue.push(&ECHO, 1).id("a").expires(Duration::from_secs(1));
    assert_eq!(failure_kind(push.send()), RemoteErrorKind::Expired);
    // Others see the same, and no worker runs it.
    let attached = bed.remote().queue("q").attach(&ECHO, "a");
    assert_eq!(failure_kind(attached), RemoteErrorKind::Expired);
    let worker = start(bed.remote().worker("q").serve(&ECHO, |_, n| Ok(n)));
    assert_eq!(value(queue.push(&ECHO, 2).send()), 2);
    assert_eq!(worker.end().done, 1);
}

// Promise: S9
fn a_run_has_a_limit(bed: &Bed) {
    let remote = bed.remote();
    let (tell, ran) = told();
    let worker = remote
        .worker("q")
        .attempts(2)
        .pause(Duration::from_millis(10));
    let _worker = start(worker.serve(&ECHO, move |job, n| {
        while !job.is_cancelled() {
            std::thread::yield_now();
        }
        tell.tell(job.check().unwrap_err().to_string());
        Ok(n)
    }));
    let push = remote
        .queue("q")
        .push(&ECHO, 1)
        .time_limit(Duration::from_millis(100));
    let error = failure(push.send());
    assert_eq!(*error.kind(), RemoteErrorKind::TimedOut);
    assert_eq!(error.attempt(), 2);
    for _ in 0..2 {
        let why = ran.next();
        assert!(why.contains("longer than it may"), "{why}");
    }
}

// Promise: S11
fn progress_comes_in_order_and_before_the_outcome(bed: &Bed) {
    let remote = bed.remote();
    let gate = Gate::default();
    let held = gate.clone();
    let _worker = start(bed.remote().worker("q").serve(&ECHO, move |job, n| {
        held.pass();
        for done in 1..=n {
            job.progress(done, n);
        }
        Ok(n)
    }));
    let task = remote.queue("q").push(&ECHO, 1000).send();
    let events = task.events();
    gate.open();
    let kinds: Vec<String> = events.map(|event| event.kind().to_string()).collect();
    let seen: Vec<u64> = kinds
        .iter()
        .filter_map(|kind| kind.split_once(" of ")?.0.parse().ok())
        .collect();
    assert!(seen.is_sorted(), "{kinds:?}");
    assert_eq!(seen.last(), Some(&1000), "{kinds:?}");
    assert_eq!(kinds.last().map(String::as_str), Some("settled"));
    assert_eq!(value(task), 1000);
}

/// What follows a job blocks, and other jobs settle all the same.
// Promise: S20
fn a_caller_that_blocks_delays_nobody(bed: &Bed) {
    let remote = bed.remote();
    let worker = remote
        .worker("q")
        .lease(Duration::from_millis(300))
        .slots(4);
    let (tell, ran) = told();
    let _worker = start(worker.serve(&ECHO, move |job, n| {
        tell.tell((
            job.attempt(),
            std::thread::current().name().unwrap_or_default().to_owned(),
        ));
        Ok(n)
    }));
    let gate = Gate::default();
    let held = gate.clone();
    let blocked = remote.queue("q").push(&ECHO, 1).send().then(move |n| {
        held.pass();
        (
            n,
            std::thread::current().name().unwrap_or_default().to_owned(),
        )
    });
    for n in 0..50 {
        assert_eq!(value(remote.queue("q").push(&ECHO, n).send()), n);
    }
    gate.open();
    let (n, thread) = value(blocked);
    assert_eq!(n, 1);
    assert_ne!(thread, "fast-async-remote");
    let ran = ran.all();
    assert_eq!(ran.len(), 51);
    for (attempt, thread) in ran {
        assert_eq!(attempt, 1);
        assert!(thread.starts_with("remote-q"), "{thread}");
    }
}

fn names_are_checked_before_anything_is_sent(bed: &Bed) {
    let remote = bed.remote();
    for name in ["", "a.b", "a*", ">", "a b"] {
        let queue = remote.queue(name);
        assert_eq!(
            failure_kind(queue.push(&ECHO, 1).send()),
            RemoteErrorKind::BadName
        );
        assert_eq!(
            failure_kind(queue.attach(&ECHO, "a")),
            RemoteErrorKind::BadName
        );
        assert_eq!(
            *queue.dead_letters().unwrap_err().kind(),
            RemoteErrorKind::BadName
        );
        assert!(remote.topic::<u64>(name).is_err() || name == "a.b");
        let stop = fast_async::CancelToken::new();
        stop.cancel();
        let refused = remote.worker(name).run_until(&stop).unwrap_err();
        assert_eq!(*refused.kind(), RemoteErrorKind::BadName);
    }
    let push = remote.queue("q").push(&ECHO, 1).id("x".repeat(4097));
    assert_eq!(failure_kind(push.send()), RemoteErrorKind::BadName);
    assert!(Remote::options().namespace("a.b").local().is_err());
}

// Promise: S17
fn an_ended_worker_hands_back(bed: &Bed) {
    let (tell, began) = told();
    let serve = |name: &str, waits: bool| {
        let tell = tell.clone();
        let worker = bed
            .remote()
            .worker("q")
            .name(name)
            .slots(4)
            .grace(Duration::ZERO);
        worker.serve(&ECHO, move |job, n| {
            tell.tell((job.attempt(), n));
            while waits && !job.is_cancelled() {
                std::thread::yield_now();
            }
            Ok(n)
        })
    };
    let first = start(serve("first", true));
    let caller = bed.remote();
    let tasks: Vec<_> = (0..4)
        .map(|n| caller.queue("q").push(&ECHO, n).send())
        .collect();
    for _ in 0..4 {
        assert_eq!(began.next().0, 1);
    }
    let report = first.end();
    assert_eq!((report.handed_back, report.done), (4, 0));
    let _second = start(serve("second", false));
    for (n, task) in (0..).zip(tasks) {
        assert_eq!(value(task), n);
    }
    let again = began.all();
    assert_eq!(again.len(), 4);
    assert!(again.iter().all(|(attempt, _)| *attempt == 1), "{again:?}");
}

fn a_worker_with_another_lease_is_refused(bed: &Bed) {
    let serve = |lease| {
        let worker = bed.remote().worker("q").lease(lease);
        worker.serve(&ECHO, |_, n| Ok(n))
    };
    let _worker = start(serve(Duration::from_secs(2)));
    assert_eq!(value(bed.remote().queue("q").push(&ECHO, 1).send()), 1);
    let stop = fast_async::CancelToken::new();
    stop.cancel();
    let refused = serve(Duration::from_secs(3)).run_until(&stop).unwrap_err();
    assert_eq!(*refused.kind(), RemoteErrorKind::Configuration, "{refused}");
    assert!(refused.message().contains("consumer"), "{refused}");
}
