//! What a topic keeps for subscribers to come.

use std::sync::Arc;
use std::thread;

use crate::support::{Count, Drops, until};

use super::{Log, Overflow, Topic, within};

// Contract: B7
#[test]
fn a_replay_comes_first_and_then_what_is_published() {
    within(|| {
        let topic = Topic::new().replay(3);
        for n in 0..10 {
            topic.publish(n).unwrap();
        }
        let receiver = topic.receiver(1, Overflow::Block);
        let mut newest = topic.receiver(2, Overflow::DropOldest);
        let log = Log::new();
        let own = log.clone();
        topic.subscribe(move |n: &u32| own.push(*n));
        let own = log.clone();
        let buffered = topic.buffer(1, Overflow::Block);
        buffered.subscribe(move |n: &u32| own.push(100 + *n));
        assert_eq!(receiver.pending(), 3, "beyond its limit");
        assert_eq!((newest.lost(), *newest.recv().unwrap()), (1, 8));
        let next = topic.next();
        topic.publish(10).unwrap();
        topic.flush().wait().unwrap();
        assert_eq!(*next.wait().unwrap(), 10);
        let mut all = log.take();
        assert!(all.iter().filter(|n| **n < 100).is_sorted());
        all.sort_unstable();
        assert_eq!(all, [7, 8, 9, 10, 107, 108, 109, 110]);
        topic.close();
        let seqs: Vec<_> = receiver.map(|it| (it.seq(), *it)).collect();
        assert_eq!(seqs, [(7, 7), (8, 8), (9, 9), (10, 10)]);
        // After the end, too.
        let late = topic.receiver(9, Overflow::Fail);
        assert_eq!(late.map(|it| *it).collect::<Vec<_>>(), [8, 9, 10]);
        let (own, drops) = (log.clone(), Drops::new());
        let token = drops.token();
        topic.subscribe(move |n| {
            token.hold();
            own.push(*n);
        });
        drops.wait_for(1);
        assert_eq!(log.take(), [8, 9, 10]);
    });
}

// Contract: B7
#[test]
fn between_a_replay_and_what_follows_there_is_no_gap_and_nothing_twice() {
    within(|| {
        for _ in 0..20 {
            let topic = Topic::new().replay(4);
            topic.publish(0).unwrap();
            let own = topic.clone();
            let publisher = thread::spawn(move || {
                for n in 1..200_u64 {
                    own.publish(n).unwrap();
                }
            });
            let receiver = topic.receiver(1000, Overflow::Fail);
            let (log, count) = (Log::new(), Count::default());
            let (own, counts) = (log.clone(), count.clone());
            topic.subscribe(move |n: &u64| {
                own.push(*n);
                if *n == 199 {
                    counts.add();
                }
            });
            publisher.join().unwrap();
            count.reach(1);
            topic.close();
            let called = log.take();
            let received: Vec<u64> = receiver.map(|it| *it).collect();
            for got in [called, received] {
                let expected: Vec<u64> = (got[0]..200).collect();
                assert_eq!(got, expected);
            }
        }
    });
}

// Case: 182
// Contract: B4
#[test]
fn what_is_held_goes_to_the_first_subscriber() {
    within(|| {
        let topic = Topic::new().hold(2);
        for n in [1, 2, 3] {
            assert_eq!(topic.publish(n).unwrap(), 0);
        }
        let next = topic.next();
        topic.publish(4).unwrap();
        assert_eq!(*next.wait().unwrap(), 4);
        let mut first = topic.receiver(8, Overflow::Block);
        let mut second = topic.receiver(8, Overflow::Block);
        topic.publish(5).unwrap();
        let got = |it: Option<_>| it.map(|it: fast_async::topic::Received<u32>| *it);
        let all = [0; 4].map(|_| got(first.try_recv()));
        assert_eq!(all, [Some(2), Some(3), Some(5), None]);
        assert_eq!(got(second.try_recv()), Some(5));
        drop((first, second));
        // It holds again.
        topic.publish(6).unwrap();
        assert_eq!(got(topic.receiver(8, Overflow::Block).try_recv()), Some(6));
    });
}

// Contract: B4, B7
#[test]
fn a_value_that_is_held_and_replayed_comes_once() {
    within(|| {
        let topic = Topic::new().replay(3).hold(2);
        let first = topic.receiver(8, Overflow::Block);
        topic.publish(1).unwrap();
        drop(first);
        topic.publish(2).unwrap();
        topic.publish(3).unwrap();
        let receiver = topic.receiver(8, Overflow::Block);
        let other = topic.receiver(8, Overflow::Block);
        topic.close();
        assert_eq!(receiver.map(|it| *it).collect::<Vec<u32>>(), [1, 2, 3]);
        assert_eq!(other.map(|it| *it).collect::<Vec<u32>>(), [1, 2, 3]);
    });
}

// Contract: B4
#[test]
fn no_more_is_kept_than_is_asked_for() {
    within(|| {
        let value = Arc::new(());
        let topic = Topic::new().replay(3).hold(2);
        for _ in 0..10 {
            topic.publish(value.clone()).unwrap();
        }
        assert_eq!(Arc::strong_count(&value), 4);
        let topic = topic.replay(1);
        assert_eq!(Arc::strong_count(&value), 3, "two are held");
        let topic = topic.hold(0).replay(0);
        assert_eq!(Arc::strong_count(&value), 1);
        topic.publish(value.clone()).unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
        drop(topic);
    });
}

// Contract: B2, B7
#[test]
fn who_unsubscribes_before_its_replay_drops_it() {
    within(|| {
        let value = Arc::new(());
        let topic = Topic::new().replay(1);
        topic.publish(value.clone()).unwrap();
        for _ in 0..100 {
            topic.subscribe(|_: &Arc<()>| ()).unsubscribe();
        }
        topic.flush().wait().unwrap();
        assert_eq!(topic.subscribers(), 0);
        drop(topic);
        until(|| Arc::strong_count(&value) == 1);
    });
}
