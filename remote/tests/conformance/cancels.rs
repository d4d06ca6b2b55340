//! Cancels: what is queued, what runs, and what ends in the same moment.

use fast_async::CancelOutcome;
use fast_async_remote::RemoteErrorKind;

use crate::bed::{Bed, ECHO, failure_kind, for_both_engines, outcome, start, told, value};

for_both_engines! {
    a_queued_job_is_cancelled_and_never_runs;
    a_running_job_is_told;
    a_cancel_and_a_completion_have_one_outcome;
}

// Promise: S10
fn a_queued_job_is_cancelled_and_never_runs(bed: &Bed) {
    let caller = bed.remote();
    let queue = caller.queue("q");
    let (receipt, task) = queue.push(&ECHO, 1).id("a").stored();
    value(receipt);
    let other = bed.remote().queue("q").attach(&ECHO, "a");
    // The answer does not wait for the network, so it does not know that nothing had begun.
    assert_eq!(task.cancel(), CancelOutcome::Signalled);
    assert!(task.wait().unwrap_err().is_cancelled());
    assert_eq!(failure_kind(other), RemoteErrorKind::Cancelled);
    let (tell, ran) = told();
    let _worker = start(bed.remote().worker("q").serve(&ECHO, move |_, n| {
        tell.tell(n);
        Ok(n)
    }));
    assert_eq!(value(queue.push(&ECHO, 2).send()), 2);
    assert_eq!(ran.all(), [2]);
    // A retry finds the cancel.
    assert_eq!(
        failure_kind(queue.push(&ECHO, 1).id("a").send()),
        RemoteErrorKind::Cancelled
    );
}

// Promise: S10
fn a_running_job_is_told(bed: &Bed) {
    let (tell, begun) = told();
    let worker = start(bed.remote().worker("q").serve(&ECHO, move |job, n| {
        tell.tell("begun");
        while !job.is_cancelled() {
            std::thread::yield_now();
        }
        tell.tell("told");
        Ok(n)
    }));
    let task = bed.remote().queue("q").push(&ECHO, 1).id("a").send();
    assert_eq!(begun.next(), "begun");
    assert_eq!(task.cancel(), CancelOutcome::Signalled);
    assert!(task.is_settled());
    assert_eq!(begun.next(), "told");
    let attached = bed.remote().queue("q").attach(&ECHO, "a");
    assert_eq!(failure_kind(attached), RemoteErrorKind::Cancelled);
    let report = worker.end();
    assert_eq!((report.done, report.superseded), (0, 1));
}

/// All who ask later see one outcome, and the caller has not seen another value.
// Promise: S5, S10
fn a_cancel_and_a_completion_have_one_outcome(bed: &Bed) {
    let rounds = if bed.server().is_some() { 300 } else { 2000 };
    let caller = bed.remote();
    let worker = start(bed.remote().worker("q").slots(2).serve(&ECHO, |_, n| Ok(n)));
    let queue = caller.queue("q");
    let (mut done, mut cancelled) = (0, 0);
    for n in 0..rounds {
        let id = format!("j{n}");
        let (receipt, task) = queue.push(&ECHO, n).id(&id).stored();
        if n % 2 == 0 {
            value(receipt);
        }
        let answer = task.cancel();
        let own = outcome(task);
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(match outcome(queue.attach(&ECHO, &id)) {
                Ok(value) => Some(value),
                Err(error) => {
                    let error = error.downcast_ref::<fast_async_remote::RemoteError>();
                    match error.unwrap().kind() {
                        RemoteErrorKind::Cancelled => None,
                        // The cancel is on its way, and the job was never stored.
                        RemoteErrorKind::ResultExpired => None,
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        assert_eq!(seen[0], seen[1]);
        match (answer, own) {
            (CancelOutcome::TooLate, Ok(value)) => assert_eq!(seen[0], Some(value)),
            (CancelOutcome::Signalled, Err(error)) => assert!(error.is_cancelled()),
            other => panic!("{other:?}"),
        }
        match seen[0] {
            Some(value) => {
                assert_eq!(value, n);
                done += 1;
            }
            None => cancelled += 1,
        }
    }
    println!("{rounds} races: {done} done, {cancelled} cancelled");
    worker.end();
}
