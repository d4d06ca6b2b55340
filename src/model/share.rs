//! Branches of a shared task that come and go while it is settled (Contract: C3, C5, D1).

use super::{Counter, explore, go, open, reports};
use crate::sync::Arc;
use crate::{CancelOutcome, LoopQueue};

#[test]
fn a_branch_gets_the_value_once() {
    explore(&["done"], || {
        let (resolver, task) = open();
        let task = task.share();
        let other = task.clone();
        let ran = Counter::default();
        let calls = ran.clone();
        let settler = go(move || resolver.resolve(7).unwrap());
        let rival = go(move || {
            let branch = other.then(move |n| {
                calls.up();
                n + 1
            });
            assert_eq!(branch.wait().unwrap(), 8);
        });
        let branch = task.then(|n| n + 2);
        drop(task);
        assert_eq!(branch.wait().unwrap(), 9);
        settler.join().unwrap();
        rival.join().unwrap();
        assert_eq!(ran.get(), 1);
        "done"
    });
}

#[test]
fn the_last_branch_to_be_cancelled_takes_the_source_with_it() {
    explore(&["done"], || {
        let (resolver, task) = open::<u8>();
        let task = task.share();
        let (one, two) = (task.then(|n| n + 1), task.then(|n| n + 2));
        drop(task);
        let two = Arc::new(two);
        let cancelled = two.clone();
        let rival = go(move || cancelled.cancel());
        let wanted_early = resolver.is_wanted();
        let _ = one.cancel();
        rival.join().unwrap();
        assert!(wanted_early || !resolver.is_wanted());
        assert!(!resolver.is_wanted(), "nobody is left who wants it");
        "done"
    });
}

#[test]
fn a_branch_is_cancelled_or_gets_the_value() {
    explore(&["value", "cancelled"], || {
        let (resolver, task) = open();
        let task = task.share();
        let branch = task.then(|n| n + 1);
        let settler = go(move || resolver.resolve(7).unwrap());
        let _ = branch.cancel();
        assert_eq!(task.wait().unwrap(), &7, "another consumer is left");
        settler.join().unwrap();
        match branch.wait() {
            Ok(value) => {
                assert_eq!(value, 8);
                "value"
            }
            Err(error) => {
                assert!(error.is_cancelled());
                "cancelled"
            }
        }
    });
}

#[test]
fn the_last_handle_is_cancelled_or_its_failure_is_reported() {
    explore(&["cancelled", "reported"], || {
        let reports = reports();
        let (resolver, task) = open::<u8>();
        let task = task.share();
        let settler = go(move || {
            let _ = resolver.reject("no");
        });
        let outcome = task.cancel();
        settler.join().unwrap();
        match (outcome, reports.get()) {
            (Some(CancelOutcome::TooLate), 1) => "reported",
            (Some(CancelOutcome::Prevented | CancelOutcome::Signalled), 0) => "cancelled",
            other => panic!("{other:?}"),
        }
    });
}

/// Polls the task as a runtime would, and sleeps in the queue until the waker is called.
#[test]
fn whoever_polls_a_task_is_woken() {
    explore(&["woken"], || {
        let (resolver, task) = open();
        let here = LoopQueue::new();
        let settler = go(move || resolver.resolve(7).unwrap());
        let task = task.on(&here).then(|n| n + 1);
        assert_eq!(here.run_until(task).unwrap(), 8);
        settler.join().unwrap();
        "woken"
    });
}
