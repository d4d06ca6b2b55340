//! Closures that panic when they are called, or when they are dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fast_async::{CancelOutcome, CancelToken, ErrorKind, Job, Pool, Shutdown, Task, deferred};

use crate::ground::{Grenade, stand};
use crate::support::{Gate, Log, PATIENCE, assert_still_dispatches, expected};
use crate::verbs::{Charge, Hits, STARTS, Source, VERBS, Verb, When, settle};

#[test]
fn a_panic_where_a_task_starts() {
    stand("start", |ground| {
        for (verb, start) in STARTS {
            for charge in ground.charges() {
                let ends = Arc::new(AtomicUsize::new(0));
                let end = ends.clone();
                let task = start(&ground.pool, charge).finally(move || {
                    end.fetch_add(1, Ordering::Relaxed);
                });
                let error = task.wait().expect_err(verb);
                assert_eq!(error.kind(), ErrorKind::Panicked, "{verb}");
                assert_eq!(ends.load(Ordering::Relaxed), 1, "{verb}");
            }
        }
        ground.drops.wait_for(2 * STARTS.len());
    });
}

#[test]
fn a_panic_in_the_closure_of_every_verb() {
    stand("verb", |ground| {
        for when in [When::Before, When::AfterHere, When::AfterElsewhere] {
            for verb in VERBS {
                for charge in ground.charges() {
                    check(when, verb, charge);
                }
            }
        }
        ground.drops.wait_for(2 * 3 * VERBS.len());
    });
}

fn check(when: When, &(name, on_value, hits, hang): &Verb, charge: Charge) {
    let case = format!("{name}, settled {when:?}");
    let seen = Log::new();
    let source = Source::new(!matches!(when, When::Before), on_value);
    let before = seen.clone();
    source.task.on_settled(move |_| before.push("before"));
    let task = hang(source.task, charge);
    let after = seen.clone();
    task.on_settled(move |_| after.push("after"));
    let task = task.handle(|outcome| outcome.map_err(|error| error.kind()));
    match (when, source.resolver) {
        (When::AfterHere, Some(resolver)) => settle(resolver, on_value),
        (_, Some(resolver)) => {
            thread::spawn(move || {
                settle(resolver, on_value);
                assert_still_dispatches();
            })
            .join()
            .expect("a thread that still dispatches");
        }
        _ => {}
    }
    let outcome = task.wait().expect("handled");
    let wanted = match (hits, on_value) {
        (Hits::Task, _) => Err(ErrorKind::Panicked),
        (Hits::NoTask, true) => Ok(7),
        (Hits::NoTask, false) => Err(ErrorKind::Failed),
    };
    assert_eq!(outcome, wanted, "{case}");
    assert_eq!(seen.take(), ["before", "after"], "{case}");
}

// What a closure has captured is dropped when it is passed over: at the cost of the link, for it
// ran as far as its verb goes.
#[test]
fn a_closure_that_is_passed_over() {
    stand("passed over", |ground| {
        for when in [When::Before, When::AfterHere, When::AfterElsewhere] {
            for verb in VERBS.iter().filter(|verb| is_passed_over(verb)) {
                let (name, on_value, hits, hang) = *verb;
                let flipped = (name, !on_value, hits, hang);
                check(when, &flipped, Charge::Capture(ground.grenade()));
            }
        }
    });
}

/// `handle`, `finally` and similar verbs take every outcome.
fn is_passed_over((name, ..): &Verb) -> bool {
    !matches!(
        *name,
        "handle" | "finally" | "on_settled" | "share, handle" | "share, on_settled"
    )
}

#[test]
fn a_closure_that_is_cancelled_before_it_starts() {
    stand("cancelled", |ground| {
        for (name, _, _, hang) in VERBS {
            let (resolver, task) = deferred();
            let task = hang(task, Charge::Capture(ground.grenade()));
            let seen = Log::new();
            let after = seen.clone();
            task.on_settled(move |_| after.push("after"));
            assert_eq!(task.cancel(), CancelOutcome::Prevented, "{name}");
            assert!(task.wait().unwrap_err().is_cancelled(), "{name}");
            assert_eq!(seen.take(), ["after"], "{name}");
            assert!(resolver.resolve(7).is_err(), "{name}");
        }
        ground.drops.wait_for(VERBS.len());
        ground.check_reports(VERBS.len());
    });
}

#[test]
fn a_closure_that_is_abandoned_with_its_executor() {
    stand("refused", |ground| {
        for (name, on_value, _, hang) in VERBS {
            let source = Source::new(false, *on_value);
            let task = source.task.on(&|job: Job| drop(job));
            let task = hang(task, Charge::Capture(ground.grenade()));
            // Whether it is the refusal or the panic of a closure that saw the refusal.
            let outcome = task.handle(|_| ()).wait_timeout(PATIENCE);
            assert!(outcome.is_ok_and(|outcome| outcome.is_ok()), "{name}");
        }
        ground.drops.wait_for(VERBS.len());
    });
}

#[test]
fn a_closure_that_is_taken_back() {
    stand("taken back", |ground| {
        let (resolver, task) = deferred::<u32>();
        let grenade = ground.grenade();
        let subscription = task.on_settled(move |_| drop(grenade));
        assert!(subscription.unsubscribe());
        let grenade = ground.grenade();
        drop(task.on_settled(move |_| drop(grenade)).guard());
        let token = CancelToken::new();
        let grenade = ground.grenade();
        assert!(token.on_cancel(move || drop(grenade)).unregister());
        resolver.resolve(1).unwrap();
        assert_eq!(task.wait().unwrap(), 1);
        ground.drops.wait_for(3);
        ground.check_reports(3);
    });
}

#[test]
fn a_closure_that_never_starts() {
    stand("never started", |ground| {
        let busy = Pool::builder().core_threads(1).max_threads(1);
        let busy = busy.build().unwrap();
        let (started, gate) = (Gate::new(), Gate::new());
        let (start, end) = (started.clone(), gate.clone());
        let blocker = busy.spawn(move || {
            start.open();
            end.pass();
        });
        started.pass();

        let cancelled = busy.spawn(hold(ground.grenade()));
        assert_eq!(cancelled.cancel(), CancelOutcome::Prevented);
        let token = CancelToken::new();
        let builder = Task::<()>::builder().pool(&busy).cancel_token(&token);
        let raised = builder.spawn(hold(ground.grenade()));
        assert!(token.cancel());
        let discarded = busy.spawn(hold(ground.grenade()));
        drop(Task::new(hold(ground.grenade())));
        let report = busy.shutdown(Shutdown::Discard, Duration::ZERO);
        assert_eq!(report.threads, 1);
        let rejected = busy.spawn(hold(ground.grenade()));
        gate.open();
        blocker.wait().unwrap();

        for (task, kind) in [
            (cancelled, ErrorKind::Cancelled),
            (raised, ErrorKind::Cancelled),
            (discarded, ErrorKind::Cancelled),
            (rejected, ErrorKind::Rejected),
        ] {
            assert_eq!(task.wait().unwrap_err().kind(), kind);
        }
        ground.drops.wait_for(5);
        ground.check_reports(5);
    });
}

fn hold(grenade: Grenade) -> impl FnOnce() + Send + 'static {
    move || drop(grenade)
}

#[test]
fn a_panic_in_a_cancel_callback() {
    stand("callback", |ground| {
        let token = CancelToken::new();
        let seen = Log::new();
        for place in 0..3 {
            let seen = seen.clone();
            token.on_cancel(move || {
                seen.push(place);
                expected("in a callback");
            });
        }
        let grenade = ground.grenade();
        token.on_cancel(move || drop(grenade));
        let below = token.child();
        let last = seen.clone();
        below.on_cancel(move || last.push(3));
        let gate = Gate::new();
        let end = gate.clone();
        let task = Task::<()>::builder()
            .pool(&ground.pool)
            .cancel_token(&token)
            .spawn(move || end.pass());
        assert!(token.cancel());
        gate.open();
        assert_eq!(seen.take(), [0, 1, 2, 3]);
        assert!(task.wait().is_err_and(|error| error.is_cancelled()));
        // At once, because the token is raised.
        let grenade = ground.grenade();
        token.on_cancel(move || drop(grenade));
        ground.drops.wait_for(2);
        ground.check_reports(2);
    });
}

#[test]
fn a_cancel_callback_dropped_with_its_token() {
    stand("token", |ground| {
        let grenade = ground.grenade();
        let task = ground.pool.spawn_with(move |context| {
            context.token().on_cancel(move || drop(grenade));
        });
        task.wait().unwrap();
        ground.drops.wait_for(1);
        // Those of a token of the user's own may go where the user drops it.
        let token = CancelToken::new();
        let grenade = ground.grenade();
        token.on_cancel(move || drop(grenade));
        let _ = catch_unwind(AssertUnwindSafe(|| drop(token)));
        ground.drops.wait_for(2);
    });
}
