//! Topics that are made of others: lazy, and gone with their last subscriber.

use std::sync::Arc;
use std::thread;

use fast_async::topic::Received;
use fast_async::{Subscription, deferred};
use parking_lot::Mutex;

use crate::support::{Count, Drops, isolated, until};

use super::{Log, Overflow, Topic, expected, logging, reports, within};

/// What a receiver has now.
fn now<T: Copy + Send + Sync>(receiver: &mut fast_async::topic::Receiver<T>) -> Vec<T> {
    std::iter::from_fn(|| receiver.try_recv().map(|it: Received<T>| *it)).collect()
}

// Case: 192
// Contract: B9
#[test]
fn it_is_lazy_and_lets_its_source_go_with_the_last_subscriber() {
    within(|| {
        let topic = Topic::new();
        let calls = Count::default();
        let counts = calls.clone();
        let doubled = topic.map(move |n: &u32| {
            counts.add();
            n * 2
        });
        topic.publish(1).unwrap();
        assert_eq!((calls.get(), topic.subscribers()), (0, 0));
        let log = Log::new();
        let own = log.clone();
        let first = doubled.subscribe(move |n| own.push(*n));
        let mut second = doubled.receiver(8, Overflow::Block);
        let next = doubled.next();
        assert_eq!((topic.subscribers(), doubled.subscribers()), (1, 3));
        topic.publish(2).unwrap();
        assert_eq!(calls.get(), 1, "once for all");
        assert_eq!(
            (log.take(), now(&mut second), *next.wait().unwrap()),
            (vec![4], vec![4], 4)
        );
        assert!(first.unsubscribe());
        assert_eq!(topic.subscribers(), 1);
        drop(second);
        assert_eq!(topic.subscribers(), 0);
        // A task that is settled, and one that is cancelled.
        let next = doubled.next();
        topic.publish(3).unwrap();
        assert_eq!((*next.wait().unwrap(), topic.subscribers()), (6, 0));
        doubled.next().cancel();
        assert_eq!((topic.subscribers(), topic.publish(4).unwrap()), (0, 0));
        assert_eq!(calls.get(), 2);
    });
}

// Case: 192
// Contract: B7, B9
#[test]
fn one_that_leaves_during_its_replay_lets_the_source_go() {
    within(|| {
        let topic = Topic::new().replay(3);
        for n in [1, 2, 3] {
            topic.publish(n).unwrap();
        }
        let place: Arc<Mutex<Option<Subscription>>> = Arc::default();
        let (own, log) = (place.clone(), Log::new());
        let seen = log.clone();
        // The job that replays waits until the subscription is in its place.
        let mut held = place.lock();
        let doubled = topic.map(|n: &u32| n * 2);
        let subscription = doubled.subscribe(move |n| {
            seen.push(*n);
            let subscription = own.lock().take();
            if let Some(subscription) = subscription {
                subscription.unsubscribe();
            }
        });
        *held = Some(subscription);
        drop(held);
        until(|| topic.subscribers() == 0);
        topic.flush().wait().unwrap();
        assert_eq!(log.take(), [2]);
        // The others get all of it.
        let receiver = doubled.receiver(8, Overflow::Block);
        topic.close();
        assert_eq!(receiver.map(|it| *it).collect::<Vec<_>>(), [2, 4, 6]);
    });
}

// Contract: B9
#[test]
fn a_chain_of_them_comes_and_goes_as_one() {
    within(|| {
        let (topic, drops) = (Topic::new(), Drops::new());
        let token = drops.token();
        let log = Log::new();
        let own = log.clone();
        // No handle of what is between is kept.
        let chain = topic.filter(|n: &u32| n.is_multiple_of(2)).map(move |n| {
            token.hold();
            n + 1
        });
        let subscription = chain.subscribe(move |n| own.push(*n));
        drop(chain);
        for n in 0..6 {
            assert_eq!(topic.publish(n).unwrap(), 1);
        }
        assert_eq!((log.take(), drops.count()), (vec![1, 3, 5], 0));
        assert!(subscription.unsubscribe());
        assert_eq!((topic.subscribers(), drops.count()), (0, 1));

        // The end of the source goes through.
        let mut receiver = topic
            .filter(|_| true)
            .map(|n| *n)
            .receiver(8, Overflow::Block);
        let next = topic.map(|n| *n).next();
        topic.publish(7).unwrap();
        drop(topic);
        assert_eq!(*receiver.recv().unwrap(), 7);
        assert!(receiver.recv().is_err());
        assert_eq!(*next.wait().unwrap(), 7);
    });
}

// Contract: B9
#[test]
fn what_is_derived_from_one_that_has_ended_ends_at_once() {
    within(|| {
        let topic = Topic::<u32>::new();
        let before = topic.map(|n| *n);
        topic.close();
        assert!(before.receiver(1, Overflow::Block).next().is_none());
        assert!(before.is_closed());
        // The end comes through topics that were attached for it alone.
        let (root, log) = (Topic::<u32>::new(), Log::<u32>::new());
        let end = root.filter(|_| true).map(|n| *n).merge(&root).take(3);
        root.close();
        let own = log.clone();
        end.subscribe(move |n| own.push(*n));
        assert!(end.is_closed());
        assert!(topic.filter(|_| true).next().wait().is_err());
        assert!(
            topic
                .merge(&Topic::new().take(0))
                .receiver(1, Overflow::Block)
                .next()
                .is_none()
        );
    });
}

// Contract: B9
#[test]
fn take_ends_after_so_many() {
    within(|| {
        let topic = Topic::new();
        let two = topic.take(2);
        topic.publish(0).unwrap();
        let log = logging(&two);
        let receiver = two.receiver(8, Overflow::Block);
        for n in 1..=4 {
            topic.publish(n).unwrap();
        }
        assert_eq!((log.take(), topic.subscribers()), (vec![1, 2], 0));
        assert_eq!(receiver.map(|it| *it).collect::<Vec<u32>>(), [1, 2]);
        assert!(topic.take(0).is_closed());
    });
}

// Contract: B1, B9
#[test]
fn a_merge_has_one_order_for_all_and_ends_with_the_last() {
    within(|| {
        let (left, right) = (Topic::new(), Topic::new());
        let both = left.merge(&right);
        let log = logging(&both);
        let receiver = both.receiver(1000, Overflow::Fail);
        let publishers: Vec<_> = [(left, 0), (right, 1000)]
            .map(|(topic, base)| {
                thread::spawn(move || (0..200).all(|n| topic.publish(base + n).is_ok()))
            })
            .into();
        for publisher in publishers {
            assert!(publisher.join().unwrap());
        }
        // Both have ended.
        let received: Vec<u32> = receiver.map(|it| *it).collect();
        assert_eq!((received.len(), log.take()), (400, received));
    });
}

// Contract: B9
#[test]
fn until_ends_with_a_task() {
    within(|| {
        let topic = Topic::new();
        let (resolver, stop) = deferred();
        let receiver = topic.until(stop).receiver(8, Overflow::Block);
        topic.publish(1).unwrap();
        resolver.resolve(()).unwrap();
        assert_eq!((topic.publish(2).unwrap(), topic.subscribers()), (0, 0));
        assert_eq!(receiver.map(|it| *it).collect::<Vec<u32>>(), [1]);
        // A failure ends it too, and counts as handled.
        let (resolver, stop) = deferred::<()>();
        let ended = topic.until(stop);
        resolver.reject("a failed end of a topic").unwrap();
        assert!(ended.is_closed());
        assert_eq!(reports("a failed end of a topic"), 0);
    });
}

// Contract: B9
#[test]
fn chunks_are_full_but_the_last() {
    within(|| {
        let topic = Topic::new();
        let receiver = topic.chunks(3).receiver(8, Overflow::Block);
        for n in 0..7 {
            topic.publish(n).unwrap();
        }
        topic.close();
        let chunks = receiver.map(|chunk| chunk.iter().map(|n| **n).collect::<Vec<u32>>());
        assert_eq!(
            chunks.collect::<Vec<_>>(),
            [vec![0, 1, 2], vec![3, 4, 5], vec![6]]
        );
    });
}

// Contract: B9
#[test]
fn a_closure_that_panics_leaves_one_value_out() {
    within(|| {
        let topic = Topic::new();
        let mapped = topic.map(|n: &u32| match n {
            2 => expected("a derived topic"),
            n => n * 10,
        });
        let log = logging(&mapped);
        for n in [1, 2, 3] {
            topic.publish(n).unwrap();
        }
        assert_eq!((log.take(), reports("a derived topic")), (vec![10, 30], 1));
    });
}

// Contract: B4, B9
#[test]
fn what_a_full_subscriber_would_refuse_is_counted_there() {
    within(|| {
        let topic = Topic::new();
        let same = topic.filter(|_: &u32| true);
        let mut strict = same.receiver(1, Overflow::Fail);
        let log = logging(&same);
        for n in [1, 2, 3] {
            topic.publish(n).unwrap();
        }
        assert_eq!(
            (log.take(), strict.lost(), now(&mut strict)),
            (vec![1, 2, 3], 2, vec![1])
        );
    });
}

// Contract: B9
#[test]
fn topics_and_tasks_are_piped_into_one() {
    within(|| {
        let (from, to) = (Topic::new(), Topic::new());
        let log = logging(&to);
        let subscription = from.pipe(&to);
        from.publish(1).unwrap();
        assert!(subscription.unsubscribe());
        from.publish(2).unwrap();
        let (resolver, task) = deferred();
        to.publish_from(task);
        resolver.resolve(4).unwrap();
        assert_eq!(log.take(), [1, 4]);
        from.pipe(&to);
        to.close();
        assert_eq!(
            (from.publish(5).unwrap(), from.subscribers()),
            (1, 0),
            "it leaves"
        );
    });
}

// Contract: D2, B9
#[test]
fn a_long_line_of_them_delivers_and_ends_on_a_small_stack() {
    isolated(
        "a_long_line_of_them_delivers_and_ends_on_a_small_stack",
        || {
            let small = thread::Builder::new().stack_size(512 << 10);
            let line = small.spawn(|| {
                let topic = Topic::new();
                let last = (0..20_000).fold(topic.clone(), |topic, _| topic.map(|n: &u32| n + 1));
                let log = Log::new();
                let own = log.clone();
                let subscription = last.subscribe(move |n| own.push(*n));
                let next = last.next();
                let ends = last.next_where(|n| *n == 0);
                for n in 0..3 {
                    topic.publish(n).unwrap();
                }
                assert_eq!(*next.wait().unwrap(), 20_000);
                until(|| log.len() == 3);
                assert_eq!(log.take(), [20_000, 20_001, 20_002]);
                topic.close();
                assert!(ends.wait().is_err());
                drop(subscription);
            });
            line.unwrap().join().unwrap();
        },
    );
}
