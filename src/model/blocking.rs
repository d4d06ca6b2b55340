//! Callbacks that block when they have settled something (Contract: W1, D8).

use super::{Counter, Log, explore, go, open};
use crate::Pool;

// What is handed off goes to the global pool here, which has to end with the model.

/// The callback waits for what the continuation of another task gives, which it has settled itself.
#[test]
fn a_callback_waits_for_a_task_that_it_has_settled() {
    explore(&["done"], || {
        let (first, one) = open();
        let (second, two) = open();
        let (third, three) = open();
        two.then(move |n: u32| third.resolve(n + 1).unwrap())
            .detach();
        let one = one.then(move |n: u32| {
            second.resolve(n + 1).unwrap();
            three.wait().unwrap()
        });
        first.resolve(1).unwrap();
        assert_eq!(one.wait().unwrap(), 3);
        Pool::close_global();
        "done"
    });
}

/// Two tasks are on the list when the callback blocks, and the second waits for the first.
#[test]
fn tasks_settled_by_a_callback_continue_while_it_waits() {
    explore(&["done"], || {
        let (first, one) = open();
        let (second, two) = open();
        let (third, three) = open();
        let runs = Counter::default();
        let calls = runs.clone();
        let two = two.then(move |n: u32| {
            calls.up();
            n + 1
        });
        let calls = runs.clone();
        let three = three.then(move |n: u32| {
            calls.up();
            n + two.wait().unwrap()
        });
        let one = one.then(move |n: u32| {
            third.resolve(n).unwrap();
            second.resolve(n).unwrap();
            three.wait().unwrap()
        });
        first.resolve(1).unwrap();
        assert_eq!(one.wait().unwrap(), 3);
        assert_eq!(runs.get(), 2);
        Pool::close_global();
        "done"
    });
}

/// A blocking thread hands a task off while another thread settles what the first waits for, or
/// cancels it.
#[test]
fn a_handed_off_step_runs_once_or_is_cancelled() {
    explore(&["ran", "cancelled"], || {
        let (first, one) = open();
        let (second, two) = open();
        let (third, three) = open();
        let runs = Counter::default();
        let calls = runs.clone();
        let two = two.then(move |n: u32| {
            calls.up();
            n + 1
        });
        let one = one.then(move |n: u32| {
            // The cancel may have come before.
            let _ = second.resolve(n);
            three.wait().unwrap()
        });
        let rival = go(move || {
            two.cancel();
            third.resolve(7).unwrap();
            two.wait().map_err(|error| assert!(error.is_cancelled()))
        });
        first.resolve(1).unwrap();
        assert_eq!(one.wait().unwrap(), 7);
        let outcome = rival.join().unwrap();
        Pool::close_global();
        match (outcome, runs.get()) {
            (Ok(2), 1) => "ran",
            // The closure may have been at work when the cancel came.
            (Err(()), 0 | 1) => "cancelled",
            other => panic!("{other:?}"),
        }
    });
}

/// Another thread ends the wait, and does so only when what the callback has settled before has
/// run.
#[test]
fn a_settle_that_waits_for_handed_off_steps() {
    explore(&["done"], || {
        let (first, one) = open();
        let (second, two) = open();
        let (third, three) = open();
        let two = two.then(|n: u32| n + 1);
        let one = one.then(move |n: u32| {
            second.resolve(n).unwrap();
            three.wait().unwrap()
        });
        let rival = go(move || third.resolve(two.wait().unwrap() + 1).unwrap());
        first.resolve(1).unwrap();
        assert_eq!(one.wait().unwrap(), 3);
        rival.join().unwrap();
        Pool::close_global();
        "done"
    });
}

/// The wait may be over before it begins: then nothing is handed off.
#[test]
fn handed_off_steps_race_the_settle_that_ends_the_wait() {
    explore(&["on the pool", "behind the callback"], || {
        let (first, one) = open();
        let (second, two) = open();
        let (third, three) = open();
        let log = Log::new();
        let two = ["first", "second"].into_iter().fold(two, |two, name| {
            let log = log.clone();
            two.then(move |n: u32| {
                log.add((name, crate::sync::thread_id()));
                n + 1
            })
        });
        let one = one.then(move |n: u32| {
            second.resolve(n).unwrap();
            three.wait().unwrap()
        });
        let rival = go(move || third.resolve(7).unwrap());
        first.resolve(1).unwrap();
        assert_eq!(one.wait().unwrap(), 7);
        assert_eq!(two.wait().unwrap(), 3);
        rival.join().unwrap();
        Pool::close_global();
        let here = crate::sync::thread_id();
        match log.take()[..] {
            [("first", at), ("second", _)] if at == here => "behind the callback",
            [("first", _), ("second", _)] => "on the pool",
            ref other => panic!("{other:?}"),
        }
    });
}
