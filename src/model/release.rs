//! The last handle goes while the task is being settled (Contract: C5).

use super::{Counter, explore, go, open, reports};

#[test]
fn an_unhandled_failure_is_reported_once() {
    explore(&["reported"], || {
        let reports = reports();
        let (resolver, task) = open::<u8>();
        let settler = go(move || resolver.reject("no").unwrap());
        drop(task);
        settler.join().unwrap();
        assert_eq!(reports.get(), 1);
        "reported"
    });
}

#[test]
fn it_is_reported_once_with_observers_too() {
    explore(&["reported"], || {
        let (reports, seen) = (reports(), Counter::default());
        let (resolver, task) = open::<u8>();
        let calls = seen.clone();
        task.on_settled(move |_| calls.up());
        let settler = go(move || resolver.reject("no").unwrap());
        drop(task);
        settler.join().unwrap();
        assert_eq!((reports.get(), seen.get()), (1, 1));
        "reported"
    });
}

#[test]
fn the_last_of_two_handles_reports_it() {
    explore(&["reported"], || {
        let reports = reports();
        let (resolver, task) = open::<u8>();
        let task = task.share();
        let other = task.clone();
        let settler = go(move || resolver.reject("no").unwrap());
        let rival = go(move || drop(other));
        drop(task);
        rival.join().unwrap();
        settler.join().unwrap();
        assert_eq!(reports.get(), 1);
        "reported"
    });
}

#[test]
fn a_failure_with_a_waiter_is_not_reported() {
    explore(&["seen"], || {
        let reports = reports();
        let (resolver, task) = open::<u8>();
        let settler = go(move || resolver.reject("no").unwrap());
        assert!(task.wait().is_err());
        settler.join().unwrap();
        assert_eq!(reports.get(), 0);
        "seen"
    });
}
