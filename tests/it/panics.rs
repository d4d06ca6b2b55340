//! Panics of users' code, their `Drop`s included: each fails its own task, and harms no thread.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Barrier, Mutex};
use std::thread;

use crate::support::{
    Drops, Expected, Gate, assert_still_dispatches, every_case, expected, one_thread, within,
};
use fast_async::{
    BoxError, CancelOutcome, ErrorKind, Resolver, Task, all, any, attempt, deferred, spawn,
};

#[derive(Debug)]
struct Mine;

impl fmt::Display for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mine")
    }
}

impl Error for Mine {}

/// The line of the call, and what the call returns.
macro_rules! here {
    ($call:expr) => {
        (line!(), $call)
    };
}

// Contract: S2
#[test]
fn a_panic_fails_the_task_with_its_payload_and_place() {
    within(|| {
        let failed = || Task::<u32>::failed(Mine);
        let table: Vec<(&str, (u32, Task<u32>))> = vec![
            ("spawn", here!(spawn(|| expected("boom")))),
            (
                "attempt",
                here!(attempt(|| -> Result<u32, BoxError> { expected("boom") })),
            ),
            ("then", here!(Task::ready(1).then(|_| expected("boom")))),
            (
                "and_then",
                here!(Task::ready(1).and_then(|_| -> Task<u32> { expected("boom") })),
            ),
            ("catch", here!(failed().catch(|_| expected("boom")))),
            (
                "or_else",
                here!(failed().or_else(|_| -> Task<u32> { expected("boom") })),
            ),
            (
                "catch_as",
                here!(failed().catch_as(|_: &Mine| expected("boom"))),
            ),
            ("handle", here!(failed().handle(|_| expected("boom")))),
            (
                "finally on success",
                here!(Task::ready(1).finally(|| expected("boom"))),
            ),
            (
                "finally on failure",
                here!(failed().finally(|| expected("boom"))),
            ),
            (
                "a shared branch",
                here!(Task::ready(1).share().then(|_| expected("boom"))),
            ),
        ];
        for (verb, (line, task)) in table {
            let error = task.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Panicked, "{verb}");
            assert_eq!(error.panic_message(), Some("expected: boom"), "{verb}");
            let at = error.location().expect(verb);
            assert!(at.file().ends_with("panics.rs"), "{verb}: {at}");
            // rustfmt may put the call on the line after `here!`.
            assert!((line..=line + 1).contains(&at.line()), "{verb}: {at}");
            let payload = error.into_panic().expect(verb);
            assert_eq!(
                payload.downcast_ref::<String>().map(String::as_str),
                Some("expected: boom"),
                "{verb}"
            );
        }
    });
}

// Contract: S2. Any payload, not only text; only one clone of the failure can have it.
#[test]
fn a_payload_of_any_type_comes_out() {
    within(|| {
        let error = spawn(|| panic_any(Expected(7))).wait().map(|()| 0);
        let error = error.unwrap_err();
        let clone = error.clone();
        let payload = error.into_panic().unwrap();
        assert_eq!(payload.downcast_ref(), Some(&Expected(7)));
        assert_eq!(clone.into_panic().unwrap_err().kind(), ErrorKind::Panicked);
    });
}

// Contract: S2
#[test]
fn every_case_survives_a_panic_in_a_continuation() {
    within(|| {
        every_case(|case| {
            let recovered = case.run(Ok(1), |task| {
                task.then(|_| -> u32 { expected("in a continuation") })
                    .catch(|error| match error.kind() {
                        ErrorKind::Panicked => 2,
                        other => panic!("{other}"),
                    })
            });
            assert_eq!(recovered.unwrap(), 2, "{case:?}");
        });
    });
}

// Contract: S2
#[test]
fn the_thread_survives() {
    within(|| {
        let pool = one_thread();
        let before = pool.spawn(|| thread::current().id()).wait().unwrap();
        for _ in 0..100 {
            let error = pool.spawn(|| expected("in a task")).wait().map(|()| 0);
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Panicked);
        }
        let after = pool.spawn(|| thread::current().id()).wait().unwrap();
        assert_eq!(before, after);
        pool.spawn(assert_still_dispatches).wait().unwrap();
    });
}

// Contract: S2. `handle` gets a value whose drop panics, and its closure returns nothing that holds
// it.
#[test]
fn a_value_that_panics_when_dropped_fails_the_link_that_dropped_it() {
    within(|| {
        every_case(|case| {
            let drops = Drops::new();
            let bomb = drops.bomb();
            let kind = case.run(Ok(bomb), |task| {
                task.then(drop)
                    .handle(|outcome| outcome.unwrap_err().kind())
            });
            assert_eq!(kind.unwrap(), ErrorKind::Panicked, "{case:?}");
            assert_eq!(drops.count(), 1, "{case:?}");
        });
    });
}

// Contract: S2
#[test]
fn a_closure_that_panics_when_dropped_unrun_fails_its_link_only() {
    within(|| {
        every_case(|case| {
            let drops = Drops::new();
            let bomb = drops.bomb();
            let outcome = case.run(Err(Mine.into()), |task: Task<u32>| {
                task.then(move |n| {
                    bomb.hold();
                    n
                })
                .handle(|outcome| outcome.is_err())
            });
            assert!(outcome.unwrap(), "{case:?}");
            drops.wait_for(1);
        });
        assert_still_dispatches();
    });
}

// Contract: S2
#[test]
fn an_error_or_a_payload_that_panics_when_dropped_does_no_harm() {
    within(|| {
        let pool = one_thread();
        let drops = Drops::new();
        let (bad_error, bad_payload) = (drops.bomb(), drops.bomb());
        pool.attempt(move || Err::<(), _>(bad_error.into()))
            .catch(drop)
            .wait()
            .unwrap();
        pool.spawn(move || -> () { panic_any(bad_payload) })
            .catch(drop)
            .wait()
            .unwrap();
        assert_eq!(drops.count(), 2);
        // These are unhandled: they are dropped with the last handle.
        let (bad_error, bad_payload) = (drops.bomb(), drops.bomb());
        pool.attempt(move || Err::<(), _>(bad_error.into()))
            .detach();
        pool.spawn(move || -> () { panic_any(bad_payload) })
            .detach();
        drops.wait_for(4);
        pool.spawn(assert_still_dispatches).wait().unwrap();
    });
}

// Contract: S2. The crate drops values without a consumer on the thread that settles.
#[test]
fn a_value_without_a_consumer_may_panic_when_dropped() {
    within(|| {
        let drops = Drops::new();

        let (resolver, task) = deferred();
        drop(task);
        resolver.resolve(drops.bomb()).unwrap();
        assert_eq!(drops.count(), 1, "a detached task");
        assert_still_dispatches();

        let (resolver, task) = deferred();
        let bomb = drops.bomb();
        let task = task.then(move |()| bomb).finally(|| expected("replaces"));
        resolver.resolve(()).unwrap();
        assert_eq!(drops.count(), 2, "a value replaced by a panic");
        assert_still_dispatches();
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Panicked);

        let (resolver, task) = deferred();
        let shared = task.share();
        resolver.resolve(SyncBomb(Mutex::new(drops.bomb()))).ok();
        drop(shared);
        assert_eq!(drops.count(), 3, "a shared value");
        assert_still_dispatches();
    });
}

struct SyncBomb(
    #[allow(dead_code, reason = "it is there to be dropped")] Mutex<crate::support::Bomb>,
);

// Contract: S2
#[test]
fn a_value_that_a_combinator_has_no_use_for_may_panic_when_dropped() {
    within(|| {
        let drops = Drops::new();
        let (first, a) = deferred::<crate::support::Bomb>();
        let (second, b) = deferred();
        let whole = all(vec![a, b]);
        first.resolve(drops.bomb()).unwrap();
        assert!(second.reject(Mine).is_ok());
        assert!(whole.wait().unwrap_err().downcast_ref::<Mine>().is_some());
        assert_eq!(drops.count(), 1, "a part of a whole that failed");
        assert_still_dispatches();
    });
}

// Contract: S2. Of several values at once one wins; the crate drops values that are too late to be
// returned.
#[test]
fn a_late_winner_may_panic_when_dropped() {
    const ROUNDS: usize = 300;
    const THREADS: usize = 3;
    within(|| {
        let start = Barrier::new(THREADS);
        for _ in 0..ROUNDS {
            let drops = Drops::new();
            let (resolvers, tasks): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| deferred()).unzip();
            let winner = any(tasks);
            let settlers: Vec<_> = thread::scope(|scope| {
                let settle = |resolver: Resolver<crate::support::Bomb>| {
                    let (start, drops) = (&start, &drops);
                    scope.spawn(move || {
                        start.wait();
                        if let Err(back) = resolver.resolve(drops.bomb()) {
                            std::mem::forget(back);
                        }
                        assert_still_dispatches();
                    })
                };
                let settlers: Vec<_> = resolvers.into_iter().map(settle).collect();
                settlers.into_iter().map(|settler| settler.join()).collect()
            });
            assert!(settlers.iter().all(Result::is_ok));
            std::mem::forget(winner.wait().unwrap());
        }
    });
}

// Contract: S2. The driver finds the task taken from it and has a value in its hands.
#[test]
fn a_value_that_a_cancel_makes_superfluous_may_panic_when_dropped() {
    within(|| {
        let drops = Drops::new();
        let bomb = drops.bomb();
        let (running, go_on) = (Gate::new(), Gate::new());
        let (resolver, task) = deferred();
        let task = task.then(move |()| bomb).inspect({
            let (running, go_on) = (running.clone(), go_on.clone());
            move |_| {
                running.open();
                go_on.pass();
            }
        });
        let task = task.then(std::mem::forget);
        let settler = thread::spawn(move || {
            resolver.resolve(()).unwrap();
            assert_still_dispatches();
        });
        running.pass();
        assert_eq!(task.cancel(), CancelOutcome::Signalled);
        go_on.open();
        settler.join().expect("the settling thread continues");
        assert_eq!(drops.count(), 1);
        assert!(task.wait().unwrap_err().is_cancelled());
    });
}

// Contract: S2
#[test]
fn a_value_that_comes_after_a_cancel_may_panic_when_dropped() {
    within(|| {
        let pool = one_thread();
        let drops = Drops::new();
        let bomb = drops.bomb();
        let (running, go_on) = (Gate::new(), Gate::new());
        let task = pool.spawn({
            let (running, go_on) = (running.clone(), go_on.clone());
            move || {
                running.open();
                go_on.pass();
                bomb
            }
        });
        running.pass();
        assert_eq!(task.cancel(), CancelOutcome::Signalled);
        go_on.open();
        drops.wait_for(1);

        let (resolver, task) = deferred();
        let shielded = task.shielded();
        shielded.cancel();
        resolver.resolve(drops.bomb()).unwrap();
        drops.wait_for(2);
        assert_still_dispatches();
        pool.spawn(assert_still_dispatches).wait().unwrap();
    });
}

// The one callback that runs in the call of the user's own code, and so does its panic.
#[test]
fn a_panic_in_a_blocking_callback_reaches_the_caller() {
    within(|| {
        let drops = Drops::new();
        let token = drops.token();
        let task = spawn(move || token);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            task.subscribe_blocking(|_| expected("in a blocking callback"), |_| ())
        }));
        assert!(caught.is_err());
        assert_eq!(drops.count(), 1, "the outcome is lost");
        assert_still_dispatches();
    });
}
