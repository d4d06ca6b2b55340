//! Subscribers with a buffer of their own: what they delay, what they lose, and that nothing waits
//! for itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fast_async::{ErrorKind, Job, LoopQueue, Pool, Shutdown, spawn};
use parking_lot::Mutex;

use crate::support::{LIMIT, Latch, pool_of, until};

use super::{
    Gate, Log, Overflow, PublishError, Topic, expected, logging, one_thread, reports, within,
};

// Case: 195
// Contract: B3
#[test]
fn a_slow_one_delays_no_other() {
    within(|| {
        let topic = Topic::new();
        let go_on = Gate::new();
        let (passes, slow) = (go_on.clone(), Log::new());
        let log = slow.clone();
        topic.on(Pool::global()).subscribe(move |n: &u32| {
            passes.pass();
            log.push(*n);
        });
        let fast = logging(&topic);
        let _idle = topic.receiver(8, Overflow::Block);
        for n in [1, 2, 3] {
            assert_eq!(topic.publish(n).unwrap(), 3);
        }
        assert_eq!(fast.take(), [1, 2, 3]);
        assert_eq!(slow.len(), 0);
        go_on.open();
        topic.flush().wait().unwrap();
        assert_eq!(slow.take(), [1, 2, 3]);
    });
}

// Contract: B3
#[test]
fn it_runs_on_its_executor_and_a_round_ends() {
    within(|| {
        let topic = Topic::new();
        let (window, here) = (LoopQueue::new(), thread::current().id());
        let (again, log) = (topic.clone(), Log::new());
        let own = log.clone();
        topic
            .on(&window)
            .buffer(2, Overflow::Block)
            .subscribe(move |n: &u32| {
                assert_eq!(thread::current().id(), here);
                own.push(*n);
                if *n < 10 {
                    again.publish(n + 1).unwrap();
                }
            });
        topic.publish(1).unwrap();
        assert_eq!(log.len(), 0);
        for turn in 1..=10 {
            assert_eq!(window.run_pending(), 1);
            assert_eq!(log.len(), turn, "later arrivals wait for the next round");
        }
        assert_eq!(window.run_pending(), 0);
        topic.close();
    });
}

// Contract: B3
#[test]
fn block_waits_for_room() {
    within(|| {
        let topic = Topic::new();
        let mut receiver = topic.receiver(3, Overflow::Block);
        let publisher = thread::spawn(move || {
            for n in 0..300_u32 {
                topic.publish(n).unwrap();
            }
        });
        for n in 0..300 {
            assert!(receiver.pending() <= 3);
            let got = receiver.recv().unwrap();
            assert_eq!((*got, got.seq()), (n, u64::from(n)));
        }
        publisher.join().unwrap();
        assert_eq!((receiver.lost(), receiver.next().is_none()), (0, true));
    });
}

// Case: 185
// Contract: B3
#[test]
fn a_receiver_that_leaves_is_waited_for_no_more() {
    within(|| {
        let topic = Topic::new();
        let first = topic.receiver(1, Overflow::Block);
        let second = topic.receiver(2, Overflow::Block);
        topic.publish(1).unwrap();
        let own = topic.clone();
        let publisher = thread::spawn(move || {
            for n in [2, 3, 4] {
                own.publish(n).unwrap();
            }
        });
        // The publisher waits for the first one.
        assert_eq!(second.pending(), 1);
        drop(first);
        // Now for the second one.
        until(|| second.pending() == 2);
        drop(second);
        publisher.join().unwrap();
        assert_eq!(topic.subscribers(), 0);
    });
}

// Case: 186
// Contract: B3
#[test]
fn the_thread_that_would_have_to_read_goes_over_the_limit() {
    within(|| {
        let topic = Topic::new();
        let mut receiver = topic.receiver(1, Overflow::Block);
        for n in [1, 2, 3] {
            topic.publish(n).unwrap();
        }
        assert_eq!(receiver.pending(), 3);
        let got: Vec<u32> = std::iter::from_fn(|| receiver.try_recv().map(|it| *it)).collect();
        assert_eq!((got, receiver.lost()), (vec![1, 2, 3], 0));

        // The thread of a loop, in a turn and between two.
        let (window, log) = (LoopQueue::new(), Log::new());
        let own = log.clone();
        let buffered = topic.on(&window).buffer(1, Overflow::Block);
        buffered.subscribe(move |n: &u32| own.push(*n));
        for n in [4, 5, 6] {
            topic.publish(n).unwrap();
        }
        assert_eq!(window.run_pending(), 1);
        for n in [7, 8, 9] {
            topic.publish(n).unwrap();
        }
        while window.run_pending() > 0 {}
        assert_eq!(log.take(), [4, 5, 6, 7, 8, 9]);
    });
}

// Contract: B3, W1
#[test]
fn a_job_that_publishes_does_not_wait_for_its_own_worker() {
    within(|| {
        let pool = one_thread();
        let topic = Topic::new();
        let log = Log::new();
        let own = log.clone();
        let buffered = topic.on(&pool).buffer(1, Overflow::Block);
        buffered.subscribe(move |n: &u32| own.push(*n));
        let publisher = topic.clone();
        let job = pool.spawn(move || {
            for n in 0..100 {
                publisher.publish(n).unwrap();
            }
        });
        job.wait().unwrap();
        topic.flush().wait().unwrap();
        assert_eq!(log.take(), (0..100).collect::<Vec<_>>());
        assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
    });
}

// Contract: B3
#[test]
fn a_callback_that_publishes_to_its_own_full_buffer_goes_over_the_limit() {
    within(|| {
        for pool in [one_thread(), pool_of(4)] {
            let topic = Topic::new();
            let (again, log) = (topic.clone(), Log::new());
            let own = log.clone();
            let buffered = topic.on(&pool).buffer(1, Overflow::Block);
            buffered.subscribe(move |n: &u32| {
                own.push(*n);
                if *n < 4 {
                    // Twice as many each time.
                    again.publish(n + 1).unwrap();
                    again.publish(n + 1).unwrap();
                }
            });
            topic.publish(0).unwrap();
            until(|| log.len() == 31);
            topic.close();
            assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
        }
    });
}

// Contract: B3
#[test]
fn two_topics_that_fill_each_other_go_on() {
    within(|| {
        for pool in [one_thread(), pool_of(4)] {
            let (ping, pong) = (Topic::new(), Topic::new());
            let done = Latch::new(62);
            for (from, to) in [(&ping, &pong), (&pong, &ping)] {
                let (to, done) = (to.clone(), done.clone());
                let buffered = from.on(&pool).buffer(1, Overflow::Block);
                buffered.subscribe(move |n: &u32| {
                    if *n < 4 {
                        to.publish(n + 1).unwrap();
                        to.publish(n + 1).unwrap();
                    }
                    done.count_down();
                });
            }
            ping.publish(0).unwrap();
            pong.publish(0).unwrap();
            done.wait();
            ping.close();
            pong.close();
            assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
        }
    });
}

// Contract: B3, W1
#[test]
fn a_receiver_in_a_job_leaves_its_worker_to_others() {
    within(|| {
        let pool = one_thread();
        let topic = Topic::new();
        let receiver = topic.receiver(1, Overflow::Block);
        let sum = pool.spawn(move || receiver.map(|n| *n).sum::<u32>());
        let publisher = pool.spawn(move || (1..=100).all(|n| topic.publish(n).is_ok()));
        assert!(publisher.wait().unwrap());
        assert_eq!(sum.wait().unwrap(), 5050);
    });
}

// Case: 187
// Contract: B4
#[test]
fn losses_are_counted_exactly_and_per_receiver() {
    within(|| {
        let topic = Topic::new();
        let mut oldest = topic.receiver(3, Overflow::DropOldest);
        let mut incoming = topic.receiver(2, Overflow::DropIncoming);
        let all = topic.receiver(100, Overflow::Block);
        for n in 0..10_u64 {
            assert_eq!(topic.publish(n).unwrap(), 3);
        }
        assert_eq!((oldest.lost(), incoming.lost(), all.lost()), (7, 8, 0));
        // It continues at the oldest value that was kept.
        let got = oldest.recv().unwrap();
        assert_eq!((*got, got.seq()), (7, 7));
        assert_eq!(*incoming.recv().unwrap(), 0);
        topic.publish(10).unwrap();
        topic.publish(11).unwrap();
        assert_eq!((oldest.lost(), incoming.lost()), (8, 9));
        topic.close();
        assert_eq!(oldest.map(|it| *it).collect::<Vec<_>>(), [9, 10, 11]);
        assert_eq!(incoming.map(|it| *it).collect::<Vec<_>>(), [1, 10]);
        assert_eq!(all.count(), 12);
    });
}

// Contract: B4
#[test]
fn a_refused_value_goes_to_no_subscriber() {
    within(|| {
        let topic = Topic::new();
        let log = logging(&topic);
        let mut first = topic.receiver(2, Overflow::Block);
        let mut strict = topic.receiver(1, Overflow::Fail);
        topic.publish(1).unwrap();
        assert_eq!(topic.publish(2), Err(PublishError::Full(2)));
        assert_eq!(
            (log.take(), first.pending(), strict.lost()),
            (vec![1], 1, 0)
        );
        assert_eq!(*strict.recv().unwrap(), 1);
        topic.publish(3).unwrap();
        let seqs: Vec<_> = [first.recv(), first.recv()]
            .map(|it| it.unwrap().seq())
            .into();
        assert_eq!(seqs, [0, 1], "a value that is refused has no number");
    });
}

// Case: 182
// Contract: B4
#[test]
fn without_subscribers_nothing_blocks_and_nothing_is_kept() {
    within(|| {
        let topic = Topic::new();
        let value = Arc::new(());
        for _ in 0..10 {
            assert_eq!(topic.publish(value.clone()).unwrap(), 0);
        }
        assert_eq!(Arc::strong_count(&value), 1);
        let mut receiver = topic.receiver(1, Overflow::Block);
        assert!(receiver.try_recv().is_none());
        topic.publish(value.clone()).unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

// Contract: B3
#[test]
fn an_executor_that_drops_its_job_ends_its_subscriber_alone() {
    within(|| {
        let topic = Topic::new();
        let jobs: Arc<Mutex<VecDeque<Job>>> = Arc::default();
        let queue = jobs.clone();
        let executor = move |job: Job| queue.lock().push_back(job);
        let buffered = topic.on(&executor).buffer(1, Overflow::Block);
        let subscription = buffered.subscribe(|_: &u32| expected("never called"));
        let log = logging(&topic);
        topic.publish(1).unwrap();
        let flush = topic.flush();
        let own = topic.clone();
        // It waits for room.
        let publisher = thread::spawn(move || own.publish(2).unwrap());
        let job = jobs.lock().pop_front();
        drop(job);
        publisher.join().unwrap();
        flush.wait().unwrap();
        assert_eq!((log.take(), topic.subscribers()), (vec![1, 2], 1));
        assert!(!subscription.unsubscribe());
        until(|| reports("the executor dropped the job") > 0);
    });
}

// Contract: B2, B3
#[test]
fn one_behind_a_buffer_that_is_removed_is_called_no_more() {
    within(|| {
        let topic = Topic::new();
        let (inside, go_on, log) = (Gate::new(), Gate::new(), Log::new());
        let (entered, passes, own) = (inside.clone(), go_on.clone(), log.clone());
        let subscription = topic.on(Pool::global()).subscribe(move |n: &u32| {
            own.push(*n);
            entered.open();
            passes.pass();
        });
        topic.publish(1).unwrap();
        topic.publish(2).unwrap();
        inside.pass();
        assert!(!subscription.unsubscribe(), "it runs");
        go_on.open();
        assert_eq!((topic.publish(3).unwrap(), log.take()), (0, vec![1]));
        let idle = topic.on(Pool::global()).subscribe(|_| ());
        assert!(idle.unsubscribe());
    });
}

// Contract: B3
#[test]
fn a_receiver_waits_no_longer_than_it_is_told() {
    within(|| {
        let topic = Topic::new();
        let mut receiver = topic.receiver(1, Overflow::Block);
        let short = Duration::from_millis(2);
        for _ in 0..2 {
            let error = receiver.recv_timeout(short).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
        topic.publish(1).unwrap();
        assert_eq!(*receiver.recv_timeout(short).unwrap(), 1);
        let own = topic.clone();
        spawn(move || own.publish(2).is_ok()).detach();
        assert_eq!(*receiver.recv_timeout(Duration::MAX).unwrap(), 2);
        assert!(receiver.recv_timeout(short).is_err());
        drop(receiver);
        assert_eq!(
            reports("src/topic/buffer.rs"),
            0,
            "a wait that is over is no failure"
        );
    });
}
