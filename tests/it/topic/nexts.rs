//! Tasks for the next value, and flushes.

use std::sync::{Arc, mpsc};
use std::thread;

use fast_async::{CancelOutcome, ErrorKind, LoopQueue, Task};

use crate::support::{Drops, block_on};

use super::{Gate, Log, Overflow, Topic, expected, logging, within};

// Case: 190
// Contract: B6
#[test]
fn it_listens_from_the_call_on() {
    within(|| {
        let topic = Topic::new();
        topic.publish(1).unwrap();
        let (first, second) = (topic.next(), topic.next());
        assert_eq!(topic.subscribers(), 2);
        assert_eq!(topic.publish(2).unwrap(), 2);
        assert_eq!(topic.publish(3).unwrap(), 0, "both have their value");
        assert_eq!((*first.wait().unwrap(), *second.wait().unwrap()), (2, 2));
        // It is a future.
        let next = topic.next();
        topic.publish(4).unwrap();
        assert_eq!(*block_on(next).unwrap(), 4);
    });
}

// Contract: B6
#[test]
fn one_that_has_its_value_counts_no_more() {
    within(|| {
        let topic = Topic::new();
        let next = topic.next();
        let (own, log) = (topic.clone(), Log::new());
        let seen = log.clone();
        topic.subscribe(move |n: &u32| {
            seen.push(own.subscribers());
            if *n == 1 {
                seen.push(own.publish(2).unwrap());
            }
        });
        assert_eq!(topic.publish(1).unwrap(), 2);
        assert_eq!(log.take(), [1, 1, 1]);
        assert_eq!(*next.wait().unwrap(), 1);
        topic.close();
    });
}

// Contract: B6
#[test]
fn it_waits_for_what_the_predicate_wants() {
    within(|| {
        let topic = Topic::new();
        let even = topic.next_where(|n| n % 2 == 0);
        let bad = topic.next_where(|n: &u32| match n {
            2 => expected("a predicate"),
            _ => false,
        });
        for n in [1, 3] {
            assert_eq!(topic.publish(n).unwrap(), 2);
        }
        assert!(!even.is_settled());
        topic.publish(2).unwrap();
        assert_eq!(*even.wait().unwrap(), 2);
        assert!(bad.wait().unwrap_err().is_panic());
        assert_eq!(topic.subscribers(), 0);
    });
}

// Case: 190
// Contract: B6
#[test]
fn a_cancelled_one_leaves_nothing() {
    within(|| {
        let (topic, drops) = (Topic::<u32>::new(), Drops::new());
        let start = |_: usize| {
            let token = drops.token();
            topic.next_where(move |_| {
                token.hold();
                false
            })
        };
        let keeps = topic.next();
        let nexts: Vec<Task<_>> = (0..100_000).map(start).collect();
        assert_eq!(topic.subscribers(), 100_001);
        for next in nexts {
            assert_eq!(next.cancel(), CancelOutcome::Prevented);
        }
        assert_eq!((topic.subscribers(), drops.count()), (1, 100_000));
        drop(start(0).cancel_on_drop());
        assert_eq!((topic.subscribers(), drops.count()), (1, 100_001));
        // A dropped handle cancels nothing, as with any task.
        drop(start(0));
        assert_eq!(topic.publish(1).unwrap(), 2);
        assert_eq!(*keeps.wait().unwrap(), 1);
    });
}

// Contract: B6
#[test]
fn one_that_is_cancelled_during_a_delivery_leaves_nothing() {
    within(|| {
        let (topic, drops) = (Topic::new(), Drops::new());
        let own = topic.clone();
        let token = drops.token();
        let (send, later) = mpsc::channel::<Task<Arc<u32>>>();
        topic.subscribe(move |_: &u32| {
            for next in later.try_iter() {
                assert_eq!(next.cancel(), CancelOutcome::Prevented);
            }
            // Made and cancelled in the same callback.
            own.next().cancel();
        });
        let next = topic.next_where(move |_| {
            token.hold();
            true
        });
        send.send(next).unwrap();
        topic.publish(1).unwrap();
        assert_eq!((topic.subscribers(), drops.count()), (1, 1));
        topic.close();
    });
}

// Contract: B3, B6
#[test]
fn what_is_chained_on_it_does_not_hold_up_the_topic() {
    within(|| {
        let topic = Topic::new();
        let (go_on, here) = (Gate::new(), thread::current().id());
        let passes = go_on.clone();
        let next = topic.next().then(move |n| {
            passes.pass();
            (*n, thread::current().id() == here)
        });
        let log = logging(&topic);
        topic.publish(1).unwrap();
        topic.publish(2).unwrap();
        assert_eq!(log.take(), [1, 2]);
        go_on.open();
        assert_eq!(next.wait().unwrap(), (1, false));
    });
}

// Contract: B5
#[test]
fn a_flush_settles_when_the_callbacks_have_returned() {
    within(|| {
        let topic = Topic::new();
        // No subscriber is there.
        assert!(topic.flush().is_settled());
        let window = LoopQueue::new();
        let log = Log::new();
        let own = log.clone();
        topic.on(&window).subscribe(move |n: &u32| own.push(*n));
        let receiver = topic.receiver(8, Overflow::Block);
        assert!(topic.flush().is_settled(), "nothing is on its way");
        topic.publish(1).unwrap();
        let first = topic.flush();
        topic.publish(2).unwrap();
        let second = topic.flush();
        assert!(!first.is_settled() && !second.is_settled());
        // A round takes both.
        window.run_pending();
        assert_eq!(log.take(), [1, 2]);
        first.wait().unwrap();
        second.wait().unwrap();
        assert_eq!(receiver.pending(), 2, "no publisher waits for receivers");

        // What has left is waited for no more.
        let slow = topic.on(&window).subscribe(|_| ());
        topic.publish(3).unwrap();
        window.run_pending();
        topic.publish(4).unwrap();
        let flush = topic.flush();
        assert!(slow.unsubscribe());
        window.run_pending();
        flush.wait().unwrap();
    });
}

// Contract: B5
#[test]
fn a_flush_from_a_callback_is_a_cycle() {
    within(|| {
        let topic = Topic::new();
        let kinds = Log::new();
        let (own, log) = (topic.clone(), kinds.clone());
        topic.subscribe(move |_: &u32| {
            log.push(own.flush().wait().unwrap_err().kind());
        });
        topic.publish(1).unwrap();
        assert_eq!(kinds.take(), [ErrorKind::Cycle]);
        topic.close();
        let topic = Topic::new();
        let (own, log) = (topic.clone(), kinds.clone());
        topic.buffer(1, Overflow::Block).subscribe(move |_: &u32| {
            log.push(own.flush().wait().unwrap_err().kind());
        });
        topic.publish(1).unwrap();
        topic.flush().wait().unwrap();
        assert_eq!(kinds.take(), [ErrorKind::Cycle]);
        topic.close();
    });
}
