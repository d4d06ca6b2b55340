//! Tasks for the next value, and flushes.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use fast_async::{CancelOutcome, CancelToken, ErrorKind, LoopQueue, Pool, Task, all, spawn};

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

/// Calls `f` in a callback of the topic, which another thread publishes to.
fn in_a_callback(topic: &Topic<u32>, f: impl FnOnce(&Topic<u32>) + Send + 'static) {
    let (own, mut f) = (topic.clone(), Some(f));
    let (say, called) = mpsc::channel();
    topic.subscribe(move |_| {
        if let Some(f) = f.take() {
            f(&own);
            say.send(()).unwrap();
        }
    });
    let own = topic.clone();
    let publisher = thread::spawn(move || own.publish(1).unwrap());
    called.recv().unwrap();
    publisher.join().unwrap();
}

// Contract: B1, D8
#[test]
fn a_callback_that_waits_for_the_next_value_is_in_a_cycle() {
    type Wait = fn(&Topic<u32>) -> ErrorKind;
    let waits: [(&str, Wait); 5] = [
        ("next", |topic| topic.next().wait().unwrap_err().kind()),
        ("next_where", |topic| {
            let next = topic.next_where(|n| *n > 7).then(|n| *n);
            next.wait_parked().unwrap_err().kind()
        }),
        ("a task that waits for it", |topic| {
            let own = topic.clone();
            let task = spawn(move || own.next().wait()).flatten();
            task.wait_parked().unwrap_err().kind()
        }),
        ("all of several", |topic| {
            let several = all([topic.next(), topic.next()]);
            several.wait().unwrap_err().kind()
        }),
        ("a loop", |topic| {
            let queue = LoopQueue::new();
            queue.run_until(topic.next()).unwrap_err().kind()
        }),
    ];
    within(move || {
        for (name, wait) in waits {
            let (topic, kinds) = (Topic::new(), Log::new());
            let log = kinds.clone();
            in_a_callback(&topic, move |topic| log.push(wait(topic)));
            assert_eq!(kinds.take(), [ErrorKind::Cycle], "{name}");
            // The topic is not affected.
            let next = topic.next();
            topic.publish(9).unwrap();
            assert_eq!(*next.wait().unwrap(), 9, "{name}");
        }
    });
}

// Contract: B1, D8
#[test]
fn a_callback_of_a_derived_topic_that_waits_for_the_source_is_in_a_cycle() {
    within(|| {
        let (topic, kinds) = (Topic::<u32>::new(), Log::new());
        let derived = topic.map(|n| n + 1);
        let (own, log) = (topic.clone(), kinds.clone());
        derived.subscribe(move |_| log.push(own.next().wait().unwrap_err().kind()));
        topic.publish(1).unwrap();
        assert_eq!(kinds.take(), [ErrorKind::Cycle]);
    });
}

// Contract: B5, D8
#[test]
fn a_callback_that_waits_for_a_flush_of_another_thread_is_in_a_cycle() {
    within(|| {
        let (topic, kinds) = (Topic::<u32>::new(), Log::new());
        let log = kinds.clone();
        in_a_callback(&topic, move |topic| {
            let own = topic.clone();
            let flush = thread::spawn(move || own.flush()).join().unwrap();
            log.push(flush.wait().unwrap_err().kind());
        });
        assert_eq!(kinds.take(), [ErrorKind::Cycle]);
        topic.flush().wait().unwrap();
        // The same behind a buffer.
        let topic = Topic::<u32>::new();
        let (own, log) = (topic.clone(), kinds.clone());
        topic.buffer(4, Overflow::Block).subscribe(move |_| {
            let own = own.clone();
            let flush = thread::spawn(move || own.flush()).join().unwrap();
            log.push(flush.wait().unwrap_err().kind());
        });
        topic.publish(1).unwrap();
        topic.flush().wait().unwrap();
        assert_eq!(kinds.take(), [ErrorKind::Cycle]);
        topic.close();
    });
}

/// What another thread can still do is no cycle.
// Contract: B3, B5, D8
#[test]
fn a_callback_may_wait_for_what_comes_without_its_topic() {
    within(|| {
        let (topic, other) = (Topic::<u32>::new(), Topic::<u32>::new());
        let log = Log::new();
        let (source, seen) = (other.clone(), log.clone());
        in_a_callback(&topic, move |topic| {
            // The next value of another topic.
            let next = source.next();
            let publisher = thread::spawn(move || source.publish(2).unwrap());
            seen.push(*next.wait().unwrap());
            publisher.join().unwrap();
            // The value that a buffer of this one gets.
            let mut receiver = topic.receiver(1, Overflow::Block);
            let own = topic.clone();
            let publisher = thread::spawn(move || own.publish(3).unwrap());
            seen.push(*receiver.recv().unwrap());
            publisher.join().unwrap();
            // One of this topic, up to a time limit.
            let next = topic.next().timeout(Duration::from_millis(1));
            seen.push(next.wait().map_or(4, |n| *n));
            // One that is cancelled.
            let next = topic.next();
            next.cancel();
            seen.push(next.wait().map_or(5, |n| *n));
        });
        assert_eq!(log.take(), [2, 3, 4, 5]);
    });
}

// Contract: B6, C1
#[test]
fn a_token_of_the_pool_cancels_those_that_wait() {
    within(|| {
        let token = CancelToken::new();
        let pool = Pool::builder().cancel_token(&token).build().unwrap();
        let (topic, watch) = (pool.topic::<u32>(), pool.watch(1));
        let waiting = [
            topic.next(),
            topic.next_where(|n| *n > 7),
            watch.changed(),
            watch.wait_for(|n| *n > 7),
        ];
        let there = watch.wait_for(|n| *n == 1);
        assert_eq!((topic.subscribers(), token.cancel()), (2, true));
        for task in waiting {
            assert!(task.wait().unwrap_err().is_cancelled());
        }
        assert_eq!(*there.wait().unwrap(), 1);
        assert_eq!(topic.subscribers(), 0);
        assert!(topic.next().wait().unwrap_err().is_cancelled());
    });
}
