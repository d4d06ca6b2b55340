//! One order for all subscribers and publishers, and which subscribers are called.

use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread;

use fast_async::task::SubscriptionGuard;
use fast_async::{Subscription, Task, deferred, delay};

use super::{Gate, Log, OnDrop, Overflow, Topic, expected, logging, reports, within};

// Case: 178
// Contract: B1
#[test]
fn a_publish_from_a_callback_is_queued_behind_the_value_in_progress() {
    within(|| {
        let topic = Topic::new();
        let again = topic.clone();
        let first = Log::new();
        let log = first.clone();
        topic.subscribe(move |n: &u32| {
            log.push(*n);
            if *n < 3 {
                // It goes to both subscribers, later.
                assert_eq!(again.publish(n + 1).unwrap(), 2);
            }
        });
        let second = logging(&topic);
        topic.publish(1).unwrap();
        assert_eq!(first.take(), [1, 2, 3]);
        assert_eq!(second.take(), [1, 2, 3], "not 3, 2, 1");
        topic.close();
    });
}

// Case: 179
// Contract: B1
#[test]
fn racing_publishers_have_one_order_for_all() {
    within(|| {
        let topic = Topic::new();
        let (first, second) = (logging(&topic), logging(&topic));
        let mut receiver = topic.receiver(10_000, Overflow::Fail);
        let publishers: Vec<_> = (0..4_u32)
            .map(|publisher| {
                let topic = topic.clone();
                thread::spawn(move || {
                    for n in 0..500 {
                        assert_eq!(topic.publish(publisher * 1000 + n).unwrap(), 3);
                    }
                })
            })
            .collect();
        for publisher in publishers {
            publisher.join().unwrap();
        }
        topic.flush().wait().unwrap();
        let got = first.take();
        assert_eq!(got, second.take());
        let received: Vec<u32> = std::iter::from_fn(|| receiver.try_recv().map(|it| *it)).collect();
        assert_eq!(got, received);
        // No value is lost, and the values of one publisher keep their order.
        for publisher in 0..4 {
            let own: Vec<u32> = got
                .iter()
                .copied()
                .filter(|n| n / 1000 == publisher)
                .collect();
            assert_eq!(
                own,
                (0..500).map(|n| publisher * 1000 + n).collect::<Vec<_>>()
            );
        }
    });
}

// Contract: B1
#[test]
fn who_publishes_beside_a_delivery_does_not_wait_for_it() {
    within(|| {
        let topic = Topic::new();
        let (inside, go_on) = (Gate::new(), Gate::new());
        let (entered, passes) = (inside.clone(), go_on.clone());
        let here = Log::new();
        let log = here.clone();
        topic.subscribe(move |n: &u32| {
            log.push((*n, thread::current().id()));
            if *n == 1 {
                entered.open();
                passes.pass();
            }
        });
        let own = topic.clone();
        let deliverer = thread::spawn(move || own.publish(1).unwrap());
        inside.pass();
        // It returns although the callback does not.
        assert_eq!(topic.publish(2).unwrap(), 1);
        assert_eq!(here.len(), 1);
        let flush = topic.flush();
        assert!(!flush.is_settled());
        go_on.open();
        flush.wait().unwrap();
        let by = deliverer.thread().id();
        deliverer.join().unwrap();
        assert_eq!(here.take(), [(1, by), (2, by)]);
    });
}

// Contract: B1
#[test]
fn a_callback_that_publishes_without_end_needs_no_stack() {
    within(|| {
        let topic = Topic::new();
        let again = topic.clone();
        topic.subscribe(move |n: &u32| {
            if *n > 0 {
                again.publish(n - 1).unwrap();
            }
        });
        let log = logging(&topic);
        let own = topic.clone();
        let small = thread::Builder::new().stack_size(128 << 10);
        let publisher = small.spawn(move || own.publish(50_000).unwrap());
        publisher.unwrap().join().unwrap();
        assert_eq!(log.len(), 50_001);
        topic.close();
    });
}

// Case: 180
// Contract: B2
#[test]
fn who_subscribes_during_a_delivery_misses_the_value_in_progress() {
    within(|| {
        let topic = Topic::new();
        let (own, late) = (topic.clone(), Log::new());
        let log = late.clone();
        let mut nexts = Vec::new();
        let (tell, told) = mpsc::channel();
        topic.subscribe(move |n: &u32| {
            if *n == 1 {
                // Queued before any other subscriber.
                own.publish(2).unwrap();
                let log = log.clone();
                own.subscribe(move |n| log.push(*n));
                tell.send(own.next()).unwrap();
            }
        });
        topic.publish(1).unwrap();
        assert_eq!(late.take(), [], "1 was in progress, and 2 published before");
        topic.publish(3).unwrap();
        assert_eq!(late.take(), [3]);
        nexts.extend(
            told.try_iter()
                .map(|next: Task<Arc<u32>>| *next.wait().unwrap()),
        );
        assert_eq!(nexts, [3]);
        topic.close();
    });
}

// Case: 180
// Contract: B2
#[test]
fn who_is_removed_during_a_delivery_is_not_called() {
    within(|| {
        let topic = Topic::new();
        let place: Arc<Mutex<Option<Subscription>>> = Arc::default();
        let (taken, answer) = (place.clone(), Log::new());
        let log = answer.clone();
        topic.subscribe(move |_: &u32| {
            let subscription = taken.lock().unwrap().take();
            log.push(subscription.map(Subscription::unsubscribe));
        });
        let called = Log::new();
        let (log, dropped) = (called.clone(), Log::new());
        let drops = dropped.clone();
        let on_drop = OnDrop::new(move |_| drops.push(()));
        let subscription = topic.subscribe(move |n| {
            on_drop.hold();
            log.push(*n);
        });
        *place.lock().unwrap() = Some(subscription);
        let last = logging(&topic);
        topic.publish(1).unwrap();
        assert_eq!(answer.take(), [Some(true)]);
        assert_eq!(called.take(), []);
        assert_eq!(dropped.len(), 1, "what it captured is gone");
        assert_eq!((last.take(), topic.subscribers()), (vec![1], 2));
    });
}

// Contract: B2
#[test]
fn one_that_is_removed_while_it_runs_is_called_no_more() {
    within(|| {
        let topic = Topic::new();
        let (inside, go_on) = (Gate::new(), Gate::new());
        let (entered, passes, log) = (inside.clone(), go_on.clone(), Log::new());
        let own = log.clone();
        let subscription = topic.subscribe(move |n: &u32| {
            own.push(*n);
            entered.open();
            passes.pass();
        });
        let own = topic.clone();
        let publisher = thread::spawn(move || own.publish(1).unwrap());
        inside.pass();
        topic.publish(2).unwrap();
        // It runs, so the answer is no; the second value is in the queue.
        assert!(!subscription.unsubscribe());
        assert_eq!(topic.subscribers(), 0);
        go_on.open();
        publisher.join().unwrap();
        topic.flush().wait().unwrap();
        assert_eq!(log.take(), [1]);

        // One that removes itself.
        let place: Arc<Mutex<Option<Subscription>>> = Arc::default();
        let (own, answer) = (place.clone(), Log::new());
        let log = answer.clone();
        let subscription = topic.subscribe(move |_| {
            let subscription = own.lock().unwrap().take();
            log.push(subscription.map(Subscription::unsubscribe));
        });
        *place.lock().unwrap() = Some(subscription);
        topic.publish(3).unwrap();
        topic.publish(4).unwrap();
        assert_eq!(answer.take(), [Some(false)]);
    });
}

// Contract: B2
#[test]
fn a_guard_unsubscribes_and_a_dropped_subscription_does_not() {
    within(|| {
        let topic = Topic::new();
        let log = Log::new();
        {
            let own = log.clone();
            let _listening = topic.subscribe(move |n: &u32| own.push(*n)).guard();
            topic.publish(1).unwrap();
        }
        topic.publish(2).unwrap();
        assert_eq!(log.take(), [1]);
        let own = log.clone();
        drop(topic.subscribe(move |n| own.push(*n)));
        topic.publish(3).unwrap();
        assert_eq!(log.take(), [3]);
        // Many that come and go, in every order.
        let mut subscriptions: Vec<_> = (0..1000).map(|_| topic.subscribe(|_| ())).collect();
        while let Some(subscription) = subscriptions.pop() {
            assert!(subscription.unsubscribe());
            if !subscriptions.is_empty() {
                let middle = subscriptions.len() / 2;
                assert!(subscriptions.remove(middle).unsubscribe());
            }
        }
        assert_eq!(topic.subscribers(), 1);
        topic.publish(4).unwrap();
        assert_eq!(log.take(), [4]);
    });
}

// Case: 194
// Contract: B2
#[test]
fn no_call_begins_after_the_owner_of_a_guard_is_gone() {
    struct Owner {
        log: Log<u32>,
        _listening: SubscriptionGuard,
    }

    within(|| {
        let topic = Topic::new();
        let place: Arc<Mutex<Option<Arc<Owner>>>> = Arc::default();
        let own = place.clone();
        topic.subscribe(move |n: &u32| {
            if *n == 2 {
                drop(own.lock().unwrap().take());
            }
        });
        let log = Log::new();
        let owner = Arc::new_cyclic(|me: &Weak<Owner>| {
            let me = me.clone();
            let listens = move |n: &u32| me.upgrade().expect("it owns the guard").log.push(*n);
            Owner {
                log: log.clone(),
                _listening: topic.subscribe(listens).guard(),
            }
        });
        *place.lock().unwrap() = Some(owner);
        for (n, live) in [(1, 2), (2, 2), (3, 1)] {
            assert_eq!(topic.publish(n).unwrap(), live);
        }
        assert_eq!(log.take(), [1], "it goes during the delivery of the second");
    });
}

// Case: 181
// Contract: B2
#[test]
fn one_that_panics_stops_no_other_and_stays() {
    within(|| {
        let topic = Topic::new();
        let before = logging(&topic);
        topic.subscribe(|n: &u32| expected(&format!("topic value {n}")));
        let buffered = Log::new();
        let log = buffered.clone();
        topic.buffer(4, Overflow::Block).subscribe(move |n| {
            log.push(*n);
            expected("behind a topic's buffer");
        });
        let after = logging(&topic);
        for n in [1, 2] {
            assert_eq!(topic.publish(n).unwrap(), 4);
        }
        topic.flush().wait().unwrap();
        assert_eq!((before.take(), after.take()), (vec![1, 2], vec![1, 2]));
        assert_eq!(buffered.take(), [1, 2]);
        let reported = |text| reports(text);
        assert_eq!(
            (reported("topic value 1"), reported("topic value 2")),
            (1, 1)
        );
        assert_eq!(reported("behind a topic's buffer"), 2);
    });
}

// Contract: B2
#[test]
fn no_lock_is_held_while_user_code_runs_or_is_dropped() {
    /// Uses its topic when it is dropped.
    struct Nosy(Topic<Nosy>, Log<usize>);

    impl Drop for Nosy {
        fn drop(&mut self) {
            self.1.push(self.0.subscribers());
            self.0.next().cancel();
            self.0.flush().detach();
        }
    }

    within(|| {
        let topic: Topic<Nosy> = Topic::new();
        let log = Log::new();
        let nosy = || Nosy(topic.clone(), log.clone());
        let publish = || topic.publish(nosy()).is_ok();
        // Dropped by the publisher, by the delivery, by an overflow, and with its buffer.
        assert!(publish());
        let own = topic.clone();
        topic.subscribe(move |_| {
            own.next().cancel();
            own.subscribe(|_| ()).unsubscribe();
            drop(own.receiver(1, Overflow::Fail));
        });
        assert!(publish());
        let oldest = topic.receiver(1, Overflow::DropOldest);
        let incoming = topic.receiver(1, Overflow::DropIncoming);
        for _ in 0..3 {
            assert!(publish());
        }
        drop((oldest, incoming));
        // A closure that was subscribed.
        let held = nosy();
        assert!(
            topic
                .subscribe(move |_| {
                    let _ = &held;
                })
                .unsubscribe()
        );
        // A value that is refused.
        let full = topic.receiver(1, Overflow::Fail);
        assert!(publish());
        drop(topic.publish(nosy()).unwrap_err());
        topic.close();
        drop(topic.publish(nosy()).unwrap_err());
        drop(full);
        assert_eq!(log.len(), 9);
    });
}

// Contract: B2, W1
#[test]
fn a_callback_may_wait() {
    within(|| {
        let topic = Topic::new();
        let (resolver, answer) = deferred();
        let mut answer = Some(answer);
        let log = Log::new();
        let own = log.clone();
        topic.subscribe(move |n: &u32| {
            if let Some(answer) = answer.take() {
                own.push(n + answer.wait().unwrap());
                delay(std::time::Duration::from_millis(1)).wait().unwrap();
            }
        });
        let own = topic.clone();
        let publisher = thread::spawn(move || own.publish(1).unwrap());
        resolver.resolve(41).unwrap();
        publisher.join().unwrap();
        assert_eq!(log.take(), [42]);
    });
}
