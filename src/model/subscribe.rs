//! Observers that come and go while a task is settled and dispatched (Contract: D1, D4, D6, S3).

use super::{Counted, Counter, Log, explore, go, open};
use crate::ErrorKind;
use crate::sync::{Arc, AtomicBool, Ordering};

#[test]
fn a_late_observer_runs_after_earlier_ones() {
    explore(&["the settler ran it", "the subscriber ran it"], || {
        let (resolver, task) = open();
        let seen = Log::new();
        for name in ["first", "second"] {
            let log = seen.clone();
            task.on_settled(move |outcome| log.add((name, outcome.map(|n| *n).ok())));
        }
        let settler = go(move || resolver.resolve(7).unwrap());
        let log = seen.clone();
        let here = crate::sync::thread_id();
        let where_it_ran = Log::new();
        let ran = where_it_ran.clone();
        task.on_settled(move |outcome| {
            log.add(("late", outcome.map(|n| *n).ok()));
            ran.add(crate::sync::thread_id() == here);
        });
        settler.join().unwrap();
        let order = ["first", "second", "late"].map(|name| (name, Some(7)));
        assert_eq!(seen.take(), order);
        match where_it_ran.take()[..] {
            [true] => "the subscriber ran it",
            _ => "the settler ran it",
        }
    });
}

#[test]
fn observers_run_one_after_another() {
    explore(&["done"], || {
        let (resolver, task) = open();
        let task = Arc::new(task);
        let inside = Arc::new(AtomicBool::new(false));
        let seen = Counter::default();
        let subscribe = {
            let (task, seen) = (task.clone(), seen.clone());
            move || {
                let (inside, seen) = (inside.clone(), seen.clone());
                task.on_settled(move |_| {
                    let alone = !inside.swap(true, Ordering::AcqRel);
                    assert!(alone, "two observers at once");
                    seen.up();
                    inside.store(false, Ordering::Release);
                });
            }
        };
        subscribe();
        let settler = go(move || resolver.resolve(7).unwrap());
        let rival = go(subscribe.clone());
        subscribe();
        settler.join().unwrap();
        rival.join().unwrap();
        assert_eq!(seen.get(), 3);
        "done"
    });
}

#[test]
fn an_observer_may_look_at_its_task() {
    explore(&["done"], || {
        let (resolver, task) = open();
        let task = Arc::new(task);
        let seen = Log::new();
        let (log, weak) = (seen.clone(), Arc::downgrade(&task));
        task.on_settled(move |outcome| {
            let task = weak.upgrade().expect("held until the end");
            let again = log.clone();
            task.on_settled(move |_| again.add("again"));
            log.add(match outcome {
                Ok(_) if task.is_settled() => "settled",
                _ => "not settled",
            });
        });
        let settler = go(move || resolver.resolve(7).unwrap());
        let settled_early = task.is_settled();
        settler.join().unwrap();
        assert!(task.is_settled() || !settled_early);
        assert_eq!(seen.take(), ["settled", "again"]);
        "done"
    });
}

#[test]
fn an_observer_unsubscribed_in_time_is_never_called() {
    explore(&["in time", "too late"], || {
        let (resolver, task) = open();
        let (leaving, staying) = (Counter::default(), Counter::default());
        let dropped = Counter::default();
        let (calls, captured) = (leaving.clone(), Counted(dropped.clone()));
        let subscription = task.on_settled(move |_| {
            let _captured = captured;
            calls.up();
        });
        let calls = staying.clone();
        task.on_settled(move |_| calls.up());
        let settler = go(move || resolver.resolve(7).unwrap());
        let in_time = subscription.unsubscribe();
        settler.join().unwrap();
        assert_eq!(leaving.get(), usize::from(!in_time));
        assert_eq!((staying.get(), dropped.get()), (1, 1));
        assert_eq!(task.wait().unwrap(), 7);
        if in_time { "in time" } else { "too late" }
    });
}

#[test]
fn a_subscriber_is_told_of_a_dropped_resolver() {
    explore(&["done"], || {
        let (resolver, task) = open::<u8>();
        let settler = go(move || drop(resolver));
        let seen = Log::new();
        let log = seen.clone();
        task.on_settled(move |outcome| log.add(outcome.map_err(|error| error.kind()).err()));
        settler.join().unwrap();
        assert_eq!(seen.take(), [Some(ErrorKind::Abandoned)]);
        assert!(task.error().is_some());
        "done"
    });
}
