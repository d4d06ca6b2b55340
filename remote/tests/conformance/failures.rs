//! Jobs that fail: attempts, dead letters, values that cannot be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use fast_async_remote::{Call, Permanent, RemoteErrorKind};
use serde::{Deserialize, Serialize};

use crate::bed::{Bed, ECHO, failure, failure_kind, for_both_engines, start, value};

for_both_engines! {
    a_failing_job_is_tried_and_then_dead;
    a_permanent_failure_is_not_tried_again;
    a_panic_is_a_failure;
    a_value_of_another_version_is_dead_at_once;
    a_value_that_is_too_large_is_not_sent;
    a_result_that_is_too_large_is_dead;
    a_dead_letter_is_requeued;
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no page number")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

// Promise: S7, S8
fn a_failing_job_is_tried_and_then_dead(bed: &Bed) {
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let worker = bed.remote().worker("q").name("w").attempts(3);
    let worker = worker
        .pause(Duration::from_millis(10))
        .serve(&ECHO, move |job, _| {
            let run = count.fetch_add(1, Ordering::Relaxed) + 1;
            assert_eq!(job.attempt(), run);
            "x".parse::<u64>().map_err(|err| Outer(err).into())
        });
    let worker = start(worker);
    let caller = bed.remote();
    let error = failure(caller.queue("q").push(&ECHO, 1).id("a").send());
    assert_eq!(*error.kind(), RemoteErrorKind::Failed);
    assert!(error.message().contains("no page number"), "{error}");
    assert!(
        error.chain().iter().any(|it| it.contains("invalid digit")),
        "{error:?}"
    );
    assert_eq!((error.worker(), error.attempt()), (Some("w"), 3));
    assert!(!error.is_retryable());
    assert_eq!(runs.load(Ordering::Relaxed), 3);
    let letters = caller.queue("q").dead_letters().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].id(), letters[0].function()), ("a", "echo-v1"));
    assert_eq!(letters[0].attempts(), 3);
    assert!(letters[0].error().message().contains("no page number"));
    let report = worker.end();
    assert_eq!((report.retried, report.dead, report.done), (2, 1, 0));
    for letter in letters {
        letter.discard().unwrap();
    }
    assert!(caller.queue("q").dead_letters().unwrap().is_empty());
}

// Promise: S7
fn a_permanent_failure_is_not_tried_again(bed: &Bed) {
    let remote = bed.remote();
    let worker = start(remote.worker("q").serve(&ECHO, |_, n| -> Result<u64, _> {
        Err(Permanent(format!("{n} is odd").into()).into())
    }));
    let error = failure(remote.queue("q").push(&ECHO, 3).send());
    assert_eq!((error.message(), error.attempt()), ("3 is odd", 1));
    assert_eq!(worker.end().dead, 1);
}

// Promise: S8
fn a_panic_is_a_failure(bed: &Bed) {
    let remote = bed.remote();
    let worker = remote.worker("q").attempts(1);
    let _worker = start(worker.serve(&ECHO, |_, n| match n {
        1 => std::panic::panic_any("expected: one"),
        n => Ok(n),
    }));
    let error = failure(remote.queue("q").push(&ECHO, 1).send());
    assert_eq!(*error.kind(), RemoteErrorKind::Panicked);
    assert!(error.message().contains("expected: one"), "{error}");
    assert_eq!(
        value(remote.queue("q").push(&ECHO, 2).send()),
        2,
        "the worker lives"
    );
}

// Promise: S8
fn a_value_of_another_version_is_dead_at_once(bed: &Bed) {
    #[derive(Serialize, Deserialize)]
    struct Page {
        url: String,
    }
    #[derive(Serialize, Deserialize)]
    struct Pages {
        urls: Vec<String>,
    }
    const V1: Call<Page, u64> = Call::new("load");
    const V2: Call<Pages, u64> = Call::new("load");
    let remote = bed.remote();
    let worker = start(
        remote
            .worker("q")
            .serve(&V1, |_, page| Ok(page.url.len() as u64)),
    );
    let queue = remote.queue("q");
    let error = failure(queue.push(&V2, Pages { urls: vec![] }).send());
    assert_eq!(
        (error.kind(), error.attempt()),
        (&RemoteErrorKind::Decode, 1),
        "{error}"
    );
    assert!(error.message().contains("Page"), "{error}");
    assert_eq!(queue.dead_letters().unwrap().len(), 1);
    assert_eq!(value(queue.push(&V1, Page { url: "/".into() }).send()), 1);
    let report = worker.end();
    assert_eq!((report.dead, report.done, report.retried), (1, 1, 0));
    // And on the way back.
    const WRONG: Call<Page, Vec<String>> = Call::new("load");
    let _worker = start(
        remote
            .worker("q")
            .serve(&V1, |_, page| Ok(page.url.len() as u64)),
    );
    let task = queue.push(&WRONG, Page { url: "/".into() }).send();
    assert_eq!(failure_kind(task), RemoteErrorKind::Decode);
}

// Promise: S16
fn a_value_that_is_too_large_is_not_sent(bed: &Bed) {
    const BYTES: Call<Vec<u8>, u64> = Call::new("bytes");
    let remote = bed.remote();
    let task = remote.queue("q").push(&BYTES, vec![7; 2 << 20]).send();
    assert!(task.is_settled(), "before anything is sent");
    let error = failure(task);
    let RemoteErrorKind::TooLarge { size, max } = *error.kind() else {
        panic!("{error:?}")
    };
    assert!(size > 2 << 20 && max <= 1 << 20, "{size} {max}");
    assert!(!error.is_retryable());
    let task = remote.call(&BYTES, vec![7; 2 << 20]).send();
    assert!(matches!(
        failure_kind(task),
        RemoteErrorKind::TooLarge { .. }
    ));
    let topic = remote.topic::<Vec<u8>>("t").unwrap();
    let error = topic.publish(&vec![7; 2 << 20]).unwrap_err();
    assert!(matches!(error.kind(), RemoteErrorKind::TooLarge { .. }));
}

// Promise: S16
fn a_result_that_is_too_large_is_dead(bed: &Bed) {
    const GROW: Call<u64, Vec<u8>> = Call::new("grow");
    let remote = bed.remote();
    let _worker = start(
        remote
            .worker("q")
            .serve(&GROW, |_, n| Ok(vec![7; n as usize])),
    );
    let error = failure(remote.queue("q").push(&GROW, 2 << 20).send());
    assert!(
        matches!(error.kind(), RemoteErrorKind::TooLarge { .. }),
        "{error:?}"
    );
    assert_eq!(error.attempt(), 1);
    let task = remote.call(&GROW, 2 << 20).send();
    assert!(matches!(
        failure_kind(task),
        RemoteErrorKind::TooLarge { .. }
    ));
    assert_eq!(value(remote.queue("q").push(&GROW, 3).send()), [7; 3]);
}

// Promise: S7
fn a_dead_letter_is_requeued(bed: &Bed) {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let worker = bed.remote().worker("q").attempts(1);
    let _worker = start(worker.serve(&ECHO, move |job, n| {
        assert_eq!(job.attempt(), 1, "the attempts begin anew");
        match is_mended.load(Ordering::Relaxed) {
            true => Ok(n),
            false => Err("broken".into()),
        }
    }));
    let queue = bed.remote().queue("q");
    assert_eq!(
        failure_kind(queue.push(&ECHO, 7).id("a").send()),
        RemoteErrorKind::Failed
    );
    mended.store(true, Ordering::Relaxed);
    let letter = queue.dead_letters().unwrap().pop().unwrap();
    letter.requeue().unwrap();
    assert_eq!(value(queue.attach(&ECHO, "a")), 7);
    assert!(queue.dead_letters().unwrap().is_empty());
}
