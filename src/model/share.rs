//! Branches of a shared task that come and go while it is settled (Contract: C3, C5, D1).

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Wake, Waker};

use super::{Counter, Log, explore, go, open, reports};
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
fn the_last_branch_to_be_cancelled_cancels_the_source() {
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
        assert!(!resolver.is_wanted(), "no consumer is left");
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

/// The one is sent to the queue before or after it is started, the other likewise.
#[test]
fn branches_that_are_sent_to_one_queue_keep_their_order() {
    explore(&["started before", "started after"], || {
        let (resolver, task) = open();
        let task = task.share();
        let (queue, log) = (LoopQueue::new(), Log::new());
        let settler = go(move || resolver.resolve(7).unwrap());
        let first = task.then(|n| *n);
        let started = first.is_settled();
        let branches = [first, task.then(|n| *n)];
        let sent = [1, 2].into_iter().zip(branches).map(|(place, branch)| {
            let log = log.clone();
            branch.on(&queue).then(move |_| log.add(place))
        });
        let sent: Vec<_> = sent.collect();
        settler.join().unwrap();
        while queue.run_pending() > 0 {}
        assert!(sent.iter().all(|task| task.is_settled()));
        assert_eq!(log.take(), [1, 2]);
        if started {
            "started before"
        } else {
            "started after"
        }
    });
}

/// The branch continues where its source was sent, whether that has run before or runs after.
#[test]
fn a_branch_goes_on_where_its_source_was_sent() {
    explore(&["chained before", "chained after"], || {
        let queue = LoopQueue::new();
        let (resolver, task) = open();
        let branch = task.on(&queue).share().then(|n| *n);
        resolver.resolve(7).unwrap();
        let (ran, on_loop) = (Counter::default(), queue.clone());
        let turner = go(move || {
            // The rest of the branch may come as a second job, from the other thread.
            while on_loop.run_pending() > 0 {}
            crate::sync::thread_id()
        });
        let was_settled = branch.is_settled();
        let count = ran.clone();
        let task = branch.then(move |n| {
            count.up();
            (n, crate::sync::thread_id())
        });
        let turner = turner.join().unwrap();
        let here = crate::sync::thread_id();
        let (n, place) = queue.run_until(task).unwrap();
        assert_eq!((n, ran.get()), (7, 1));
        assert!(place == turner || place == here, "a thread that turns it");
        if was_settled {
            "chained after"
        } else {
            "chained before"
        }
    });
}

/// Polls the task as a runtime would, and sleeps in the queue until the waker is called.
#[test]
fn a_polled_task_wakes_its_waker() {
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

/// Counts its calls.
struct Calls(Counter);

impl Wake for Calls {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.up();
    }
}

/// A second poll leaves another waker while the step of the first is run.
// Contract: W2
#[test]
fn a_future_is_ready_or_its_last_waker_is_called() {
    explore(&["at once", "at the second poll", "woken"], || {
        let (resolver, task) = open::<u8>();
        let task = task.share();
        let settler = go(move || resolver.resolve(7).unwrap());
        let mut future = (&task).into_future();
        let mut poll = |calls: &Counter| {
            let waker = Waker::from(std::sync::Arc::new(Calls(calls.clone())));
            let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
            polled.is_ready()
        };
        let (first, second) = (Counter::default(), Counter::default());
        let (at_once, then) = (poll(&first), poll(&second));
        settler.join().unwrap();
        match (at_once, then) {
            (true, _) => "at once",
            (false, true) => {
                assert_eq!((first.get(), second.get()), (1, 0));
                "at the second poll"
            }
            (false, false) => {
                assert_eq!((first.get(), second.get()), (0, 1));
                assert!(poll(&second));
                "woken"
            }
        }
    });
}
