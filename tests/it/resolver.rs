//! Resolvers for callbacks of other libraries: shared by several callbacks, and settled by a thread
//! that must not run continuations.

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::support::{Drops, Gate, assert_still_dispatches, expected, isolated, within};
use fast_async::promise::{SharedResolver, deferred_with};
use fast_async::{CancelOutcome, ErrorKind, EventKind, Inline, Pool, Task, deferred, spawn};

/// A C-like API that may call back as often as it likes.
fn each(callback: impl FnMut(u32)) {
    (1..=3).for_each(callback);
}

/// A C-like API that calls one of two.
fn read(fails: bool, ok: impl FnOnce(u32), err: impl FnOnce(i32)) {
    if fails { err(-1) } else { ok(7) }
}

// Contract: S1
#[test]
fn a_callback_that_is_called_again_gets_its_value_back() {
    let (resolver, task) = deferred();
    let resolver = resolver.shared();
    let mut late = Vec::new();
    each(|n| late.extend(resolver.resolve(n).err()));
    assert_eq!(late, [2, 3]);
    assert!(!resolver.is_wanted());
    assert_eq!(resolver.reject("late").unwrap_err().to_string(), "late");
    let back = resolver.settle_with(Task::ready(9)).unwrap_err();
    assert_eq!(back.wait().unwrap(), 9);
    assert_eq!(task.wait().unwrap(), 1);
}

#[test]
fn one_of_two_callbacks_settles() {
    for fails in [false, true] {
        let (resolver, task) = deferred();
        let ok = resolver.shared();
        let err = ok.clone();
        read(
            fails,
            move |n| assert_eq!(ok.resolve(n), Ok(())),
            move |code| assert!(err.reject(format!("error {code}")).is_ok()),
        );
        match task.wait() {
            Ok(n) => assert_eq!((n, fails), (7, false)),
            Err(error) => assert!(fails && error.to_string().starts_with("error -1")),
        }
    }
}

// Contract: S3
#[test]
fn the_last_clone_dropped_abandons_the_task() {
    let (resolver, task) = deferred::<u32>();
    let one = resolver.shared();
    let other = one.clone();
    drop(one);
    assert!(!task.is_settled() && other.is_wanted());
    drop(other);
    assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Abandoned);
}

#[test]
fn a_cancelled_task_returns_every_outcome() {
    let (resolver, task) = deferred();
    let resolver = resolver.shared();
    task.cancel();
    assert!(!resolver.is_wanted());
    assert_eq!(resolver.resolve(7), Err(7));
    assert_eq!(resolver.clone().resolve(8), Err(8));
}

/// After the first call nothing of the task is kept by the other callbacks.
#[test]
fn a_clone_left_over_does_not_keep_the_task() {
    let drops = Drops::new();
    let (resolver, task) = deferred();
    let resolver = resolver.shared();
    let left_over = resolver.clone();
    assert!(resolver.resolve(drops.token()).is_ok());
    drop(task);
    assert_eq!(drops.count(), 1);
    drop(left_over);
}

/// The conversion of an error is the user's code.
#[test]
fn a_conversion_may_settle_the_very_task() {
    struct Sly(SharedResolver<u32>);
    impl From<Sly> for fast_async::BoxError {
        fn from(sly: Sly) -> fast_async::BoxError {
            assert_eq!(sly.0.resolve(7), Ok(()));
            "too late".into()
        }
    }
    within(|| {
        let (resolver, task) = deferred();
        let resolver = resolver.shared();
        let error = resolver.reject(Sly(resolver.clone())).unwrap_err();
        assert_eq!(error.to_string(), "too late");
        assert_eq!(task.wait().unwrap(), 7);
    });
}

// Contract: S1
#[test]
fn of_many_threads_one_wins_and_the_others_have_their_values_back() {
    const THREADS: usize = 8;
    for _ in 0..200 {
        let (resolver, task) = deferred();
        let resolver = resolver.shared();
        let start = Arc::new(Barrier::new(THREADS));
        let racers: Vec<_> = (0..THREADS)
            .map(|n| {
                let (resolver, start) = (resolver.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    resolver.resolve(n)
                })
            })
            .collect();
        drop(resolver);
        let mut missing: Vec<usize> = (0..THREADS).collect();
        for racer in racers {
            if let Err(back) = racer.join().unwrap() {
                missing.retain(|n| *n != back);
            }
        }
        assert_eq!(missing, [task.wait().unwrap()]);
    }
}

/// A thread that brings two values; what follows the first one waits for the second.
// Contract: W1
#[test]
fn a_thread_that_settles_twice_is_not_delayed_by_the_steps_of_the_first() {
    isolated(
        "a_thread_that_settles_twice_is_not_delayed_by_the_steps_of_the_first",
        || {
            let (r1, t1) = deferred();
            let (r2, t2) = deferred::<u32>();
            let (r1, r2) = (r1.on_pool(), r2.on_pool());
            let sum = t1.then(move |n: u32| n + t2.wait().unwrap());
            thread::spawn(move || {
                assert_eq!(r1.resolve(1), Ok(()));
                assert_eq!(r2.resolve(2), Ok(()));
            })
            .join()
            .unwrap();
            assert_eq!(sum.wait().unwrap(), 3);
        },
    );
}

/// The thread that runs a continuation, for every way to settle.
#[test]
fn the_steps_run_on_the_pool_for_every_way_of_settling() {
    within(|| {
        type Settle = fn(fast_async::Resolver<u32>);
        let ways: [(&str, Settle); 7] = [
            ("a value", |r| assert_eq!(r.resolve(1), Ok(()))),
            ("a failure", |r| drop(r.reject("no"))),
            ("dropped", drop),
            ("a settled task", |r| drop(r.settle_with(Task::ready(1)))),
            ("a task that settles later", |r| {
                let (later, task) = deferred();
                assert!(r.settle_with(task).is_ok());
                let _ = later.resolve(1);
            }),
            ("shared", |r| assert_eq!(r.shared().resolve(1), Ok(()))),
            ("the last clone", |r| drop(r.shared().clone())),
        ];
        for (way, settle) in ways {
            let here = thread::current().id();
            let gate = Gate::new();
            let (resolver, task) = deferred::<u32>();
            let held = gate.clone();
            let ran_on = task.handle(move |_| {
                held.pass();
                thread::current().id()
            });
            // It returns though what follows is held up.
            settle(resolver.on_pool());
            assert!(!ran_on.is_settled(), "{way}");
            gate.open();
            assert_ne!(ran_on.wait().unwrap(), here, "{way}");
        }
    });
}

#[test]
fn inside_a_callback_the_steps_are_handed_over_at_once() {
    within(|| {
        let (first, start) = deferred();
        let (resolver, task) = deferred();
        let resolver = resolver.on_pool();
        let (tell, told) = channel();
        task.then(move |n: u32| tell.send(n).unwrap()).detach();
        let done = start.then(move |()| {
            assert_eq!(resolver.resolve(7), Ok(()));
            told.recv_timeout(Duration::from_secs(30))
        });
        assert_eq!(first.resolve(()), Ok(()));
        assert_eq!(done.wait().unwrap(), Ok(7));
    });
}

#[test]
fn without_steps_it_settles_at_once() {
    let (resolver, task) = deferred();
    assert_eq!(resolver.on_pool().resolve(7), Ok(()));
    assert!(task.is_settled());
    assert_eq!(task.wait().unwrap(), 7);
    // A waiter is woken.
    let (resolver, task) = deferred();
    let resolver = resolver.on_pool();
    let waiter = thread::spawn(move || task.wait());
    assert_eq!(resolver.resolve(8), Ok(()));
    assert_eq!(waiter.join().unwrap().unwrap(), 8);
    // Cancelled before.
    let (resolver, task) = deferred();
    task.cancel();
    assert_eq!(resolver.on_pool().resolve(9), Err(9));
}

/// The consumer's choice comes after the resolver's.
#[test]
fn the_choice_of_the_consumer_holds() {
    within(|| {
        let pool = Pool::builder().name("mine").build().unwrap();
        let (resolver, task) = deferred();
        let name = task
            .on(&pool)
            .then(|()| thread::current().name().unwrap().to_owned());
        assert_eq!(resolver.on_pool().resolve(()), Ok(()));
        assert!(name.wait().unwrap().starts_with("mine-"));

        let (resolver, task) = deferred();
        let ran_on = task.on(&Inline).then(|()| thread::current().id());
        assert_eq!(resolver.on_pool().resolve(()), Ok(()));
        assert_ne!(ran_on.wait().unwrap(), thread::current().id());
    });
}

/// Cancelled on its way to the pool: the value and the closures go, once.
#[test]
fn a_cancel_races_the_late_hand_off() {
    within(|| {
        let drops = Drops::new();
        let (resolver, task) = deferred();
        let (value, captured) = (drops.token(), drops.token());
        let task = task.then(move |value| drop((value, captured)));
        assert!(resolver.on_pool().resolve(value).is_ok());
        task.cancel();
        let _ = task.wait();
        assert!(Pool::global().wait_idle(Duration::MAX));
        assert_eq!(drops.count(), 2);
    });
}

// Contract: S2, S3. The thread lives on, and the task has the panic.
#[test]
fn a_closure_that_settles_a_task_may_panic() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let line = line!() + 1;
        resolver.resolve_by(|| expected("in a call"));
        let error = task.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert_eq!(error.panic_message(), Some("expected: in a call"));
        assert_eq!(error.location().map(|place| place.line()), Some(line));

        let (resolver, task) = deferred::<u32>();
        resolver
            .shared()
            .settle_by(|| -> Task<u32> { expected("in a call") });
        assert!(task.wait().unwrap_err().into_panic().is_ok());

        let (resolver, task) = deferred();
        resolver.resolve_by(|| 7);
        assert_eq!(task.wait().unwrap(), 7);
        let (resolver, task) = deferred();
        resolver.settle_by(|| Ok("8080".parse::<u16>()?));
        assert_eq!(task.wait().unwrap(), 8080);
        let (resolver, task) = deferred();
        resolver.settle_by(|| spawn(|| 9));
        assert_eq!(task.wait().unwrap(), 9);
        assert_still_dispatches();
    });
}

// Contract: C1
#[test]
fn a_closure_is_dropped_uncalled_when_its_task_was_cancelled() {
    within(|| {
        let drops = Drops::new();
        let (resolver, task) = deferred::<u32>();
        task.cancel();
        let token = drops.token();
        resolver.resolve_by(move || {
            token.hold();
            unreachable!("it is cancelled")
        });
        assert_eq!(drops.count(), 1);
        // While it runs: what it returns is dropped.
        let (resolver, task) = deferred();
        let task = Arc::new(task);
        let own = task.clone();
        let token = drops.token();
        resolver.resolve_by(move || {
            own.cancel();
            token
        });
        assert_eq!(drops.count(), 2);
        assert!(task.error().unwrap().is_cancelled());
    });
}

// Contract: C1. With and without steps, at the tail and from below.
#[test]
fn a_cancel_says_whether_the_work_has_begun_elsewhere() {
    use CancelOutcome::{Prevented, Signalled};
    for (begun, outcome) in [(false, Prevented), (true, Signalled)] {
        let open = || {
            let (resolver, task) = deferred::<u32>();
            assert!(!begun || (resolver.begin() && resolver.begin()));
            (resolver, task)
        };
        let (resolver, task) = open();
        assert_eq!(task.cancel(), outcome);
        assert!(!resolver.begin(), "it is not wanted");
        assert_eq!(task.cancel(), CancelOutcome::TooLate);

        let (_resolver, task) = open();
        task.on_settled(|_| {});
        assert_eq!(task.cancel(), outcome);

        let (_resolver, task) = open();
        assert_eq!(task.then(|n| n + 1).cancel(), outcome);

        let (resolver, task) = open();
        let _resolver = resolver.shared();
        assert_eq!(task.cancel(), outcome);
    }
    let (resolver, task) = deferred::<u32>();
    let resolver = resolver.shared();
    assert!(resolver.begin());
    assert_eq!(task.cancel(), Signalled);
    assert!(!resolver.begin());
}

/// The work is told of the cancel also before it has begun, and before the task has steps.
// Contract: C1
#[test]
fn a_cancel_raises_the_token_of_a_deferred_task() {
    for (begun, steps) in [(false, false), (false, true), (true, false), (true, true)] {
        let (resolver, ctx, task) = deferred_with::<u32>();
        assert!(!begun || resolver.begin());
        if steps {
            task.on_settled(|_| {});
        }
        assert!(!ctx.is_cancelled());
        task.cancel_with("no longer needed");
        assert!(ctx.is_cancelled(), "begun: {begun}, steps: {steps}");
        let reason = ctx.reason().unwrap();
        assert!(reason.to_string().contains("no longer needed"));
        assert_eq!(resolver.resolve(7), Err(7));
    }
    // Settled before: nothing is left to be told.
    let (resolver, ctx, task) = deferred_with();
    assert_eq!(resolver.resolve(7), Ok(()));
    assert_eq!(task.cancel(), CancelOutcome::TooLate);
    assert!(!ctx.is_cancelled());
}

#[test]
fn listeners_hear_of_work_that_goes_on_elsewhere() {
    let kinds = |task: &Task<u32>| task.events().map(|event| event.kind().to_string());
    // A listener from the start, and one that comes late.
    let (resolver, ctx, task) = deferred_with();
    let early = kinds(&task);
    assert!(resolver.begin());
    ctx.progress(3, 10);
    let late = kinds(&task);
    assert!(resolver.begin(), "and is told once");
    ctx.progress(10, 10);
    assert_eq!(resolver.resolve(7), Ok(()));
    for events in [early.collect::<Vec<_>>(), late.collect()] {
        assert_eq!(
            events
                .iter()
                .filter(|it| **it == EventKind::Started.to_string())
                .count(),
            1
        );
        assert_eq!(events[0], EventKind::Started.to_string());
        assert_eq!(events[events.len() - 2..], ["10 of 10", "settled"]);
    }
}

// Contract: C1. The work begins, or the cancel has prevented it: never both, never neither.
#[test]
fn a_cancel_and_a_begin_agree() {
    for round in 0..500 {
        let (resolver, ctx, task) = deferred_with::<u32>();
        let start = Arc::new(Barrier::new(2));
        let other = start.clone();
        let worker = thread::spawn(move || {
            other.wait();
            (resolver.begin(), resolver)
        });
        if round % 2 == 0 {
            task.on_settled(|_| {});
        }
        start.wait();
        let answer = task.cancel();
        let (begun, resolver) = worker.join().unwrap();
        let expected = match begun {
            true => CancelOutcome::Signalled,
            false => CancelOutcome::Prevented,
        };
        assert_eq!(answer, expected);
        assert!(ctx.is_cancelled());
        assert_eq!(resolver.resolve(7), Err(7));
    }
}
