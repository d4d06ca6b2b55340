//! Topics whose values come less often, `debounce` and `throttle`, and topics of a pool.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::topic::{Receiver, Watch};
use fast_async::{CancelToken, Clock, ErrorKind, Pool, Shutdown};

use crate::support::{Drops, HOUR, LIMIT, SECOND, until, virtual_pool};

use super::{Gate, Log, Overflow, Topic, reports, within};

/// A topic of a pool with a virtual clock, and when the values of a derived one come.
struct Paced {
    clock: Clock,
    pool: Pool,
    start: Instant,
    topic: Topic<u32>,
    log: Log<(Duration, u32)>,
}

impl Paced {
    fn new(derive: impl FnOnce(&Topic<u32>) -> Topic<u32>) -> Paced {
        let (clock, pool) = virtual_pool();
        let (topic, log, start) = (pool.topic(), Log::new(), clock.now());
        let (own, now) = (log.clone(), clock.clone());
        derive(&topic).subscribe(move |n| own.push((now.now() - start, *n)));
        Paced {
            clock,
            pool,
            start,
            topic,
            log,
        }
    }

    /// Publishes at these tenths of a second, with the number of the tenth.
    fn publish_at(&self, tenths: &[u32]) {
        for tenth in tenths {
            let now = self.clock.now() - self.start;
            self.clock.advance(SECOND * *tenth / 10 - now);
            self.topic.publish(*tenth).unwrap();
        }
    }

    /// The values so far, by tenths of a second, after all that is to come.
    fn all(&self) -> Vec<(u32, u32)> {
        self.clock.advance(HOUR);
        assert_eq!(self.clock.pending(), 0, "no timer is left");
        let tenths = |(time, n): (Duration, u32)| ((time.as_millis() / 100) as u32, n);
        self.log.take().into_iter().map(tenths).collect()
    }
}

fn values(receiver: Receiver<u32>) -> Vec<u32> {
    receiver.map(|it| *it).collect()
}

// Contract: B11
#[test]
fn a_debounce_passes_on_what_nothing_follows() {
    within(|| {
        let paced = Paced::new(|topic| topic.debounce(SECOND));
        paced.publish_at(&[0, 5, 9, 30, 50]);
        assert_eq!(paced.all(), [(19, 9), (40, 30), (60, 50)]);
        // One that comes when the earlier one is due comes after it.
        let paced = Paced::new(|topic| topic.debounce(SECOND));
        paced.publish_at(&[0, 10, 20]);
        assert_eq!(paced.all(), [(10, 0), (20, 10), (30, 20)]);
        assert!(paced.pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
    });
}

// Case: 143
// Contract: B11
#[test]
fn a_throttle_passes_on_one_in_a_period_and_loses_no_last_one() {
    within(|| {
        let paced = Paced::new(|topic| topic.throttle(SECOND));
        paced.publish_at(&[0, 3, 6, 12, 15, 18, 50]);
        assert_eq!(paced.all(), [(0, 0), (10, 6), (20, 18), (50, 50)]);
        let paced = Paced::new(|topic| topic.throttle(SECOND));
        paced.publish_at(&[0, 9, 10, 11, 19, 20, 21]);
        assert_eq!(paced.all(), [(0, 0), (10, 9), (20, 19), (30, 21)]);
    });
}

// Case: 140, 143
// Contract: B5, B11
#[test]
fn what_waits_at_the_end_comes_before_it() {
    within(|| {
        let (clock, pool) = virtual_pool();
        for closes in [true, false] {
            let topic = pool.topic();
            let slow = topic.debounce(SECOND).receiver(8, Overflow::Block);
            let once = topic.throttle(SECOND).receiver(8, Overflow::Block);
            let next = topic.debounce(SECOND).next();
            let none = topic.debounce(SECOND).next_where(|n| *n > 3);
            for n in [1, 2, 3] {
                topic.publish(n).unwrap();
            }
            match closes {
                true => topic.close(),
                false => drop(topic),
            }
            assert_eq!((values(slow), values(once)), (vec![3], vec![1, 3]));
            assert_eq!(*next.wait().unwrap(), 3);
            assert_eq!(none.wait().unwrap_err().kind(), ErrorKind::Abandoned);
            assert_eq!(clock.pending(), 0);
        }
        // Nothing waits.
        let topic = pool.topic::<u32>();
        let slow = topic.debounce(SECOND).receiver(8, Overflow::Block);
        topic.publish(1).unwrap();
        clock.advance(SECOND);
        topic.close();
        assert_eq!(values(slow), [1]);
        assert!(topic.debounce(SECOND).next().wait().is_err());
    });
}

// Contract: B9, B11
#[test]
fn what_waits_goes_with_the_last_subscriber() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let topic = pool.topic();
        let value = Arc::new(());
        for derived in [topic.debounce(SECOND), topic.throttle(SECOND)] {
            let first = derived.subscribe(|_: &Arc<()>| ());
            let second = derived.receiver(8, Overflow::Block);
            topic.publish(value.clone()).unwrap();
            topic.publish(value.clone()).unwrap();
            assert_eq!((clock.pending(), topic.subscribers()), (1, 1));
            drop(first.guard());
            drop(second);
            assert_eq!((clock.pending(), topic.subscribers()), (0, 0));
            assert_eq!(Arc::strong_count(&value), 1);
            // One that comes later does not get it, and begins anew.
            let mut late = derived.receiver(8, Overflow::Block);
            clock.advance(HOUR);
            assert!(late.try_recv().is_none());
            topic.publish(value.clone()).unwrap();
            clock.advance(HOUR);
            assert!(late.try_recv().is_some() && late.try_recv().is_none());
        }
    });
}

// Contract: B11
#[test]
fn durations_of_zero_and_without_end_are_defined() {
    within(|| {
        let now = Paced::new(|topic| topic.debounce(Duration::ZERO));
        now.publish_at(&[0, 1]);
        assert_eq!(now.all(), [(0, 0), (1, 1)]);
        let each = Paced::new(|topic| topic.throttle(Duration::ZERO));
        each.publish_at(&[0, 0, 0, 1]);
        assert_eq!(each.all(), [(0, 0), (0, 0), (0, 0), (1, 1)]);
        let never = Paced::new(|topic| topic.debounce(Duration::MAX));
        never.publish_at(&[1, 2]);
        assert_eq!(never.all(), []);
        never.topic.close();
        let last = never.log.take();
        assert_eq!(last.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [2]);
        let once = Paced::new(|topic| topic.throttle(Duration::MAX));
        once.publish_at(&[1, 2]);
        assert_eq!(once.all(), [(1, 1)]);
    });
}

// Contract: B3, B11
#[test]
fn a_slow_subscriber_holds_up_no_publisher_and_gets_the_latest() {
    within(|| {
        let topic = Topic::new();
        let (inside, go_on, log) = (Gate::new(), Gate::new(), Log::new());
        let (entered, passes, own) = (inside.clone(), go_on.clone(), log.clone());
        topic.debounce(Duration::ZERO).subscribe(move |n: &u32| {
            own.push(*n);
            entered.open();
            passes.pass();
        });
        topic.publish(1).unwrap();
        inside.pass();
        for n in 2..=100 {
            topic.publish(n).unwrap();
        }
        assert_eq!(log.len(), 1, "one at a time");
        topic.close();
        go_on.open();
        until(|| log.len() > 1);
        assert_eq!(log.take(), [1, 100]);
    });
}

// Contract: B1, B11
#[test]
fn what_comes_is_in_the_order_of_the_source_and_the_last_is_there() {
    within(|| {
        for wait in [Duration::ZERO, Duration::from_micros(20)] {
            let topic = Topic::new();
            let all = topic.receiver(10_000, Overflow::Fail);
            let some = [
                topic.debounce(wait).receiver(10_000, Overflow::Fail),
                topic.throttle(wait).receiver(10_000, Overflow::Fail),
            ];
            let publishers = [0, 1000].map(|base| {
                let topic = topic.clone();
                thread::spawn(move || (0..500).all(|n| topic.publish(base + n).is_ok()))
            });
            drop(topic);
            for publisher in publishers {
                assert!(publisher.join().unwrap());
            }
            let all = values(all);
            let place = |n: u32| all.iter().position(|own| *own == n).unwrap();
            for some in some {
                let places: Vec<_> = values(some).into_iter().map(place).collect();
                assert!(places.is_sorted_by(|one, other| one < other));
                assert_eq!(places.last(), Some(&999));
            }
        }
    });
}

// Contract: B11, D8
#[test]
fn a_subscriber_may_publish_and_unsubscribe_itself() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let topic = pool.topic();
        let (again, log) = (topic.clone(), Log::new());
        let own = log.clone();
        topic.debounce(SECOND).subscribe(move |n: &u32| {
            own.push(*n);
            if *n < 3 {
                again.publish(n + 1).unwrap();
            }
        });
        let (own, twice) = (log.clone(), topic.throttle(SECOND).take(2));
        twice.subscribe(move |n| own.push(100 + n));
        topic.publish(1).unwrap();
        clock.advance(HOUR);
        assert_eq!(log.take(), [101, 1, 102, 2, 3]);
        assert_eq!((topic.subscribers(), clock.pending()), (1, 0));
        topic.close();
    });
}

// Contract: B2, B11
#[test]
fn a_value_that_panics_when_it_is_dropped_stops_nothing() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let (topic, drops) = (pool.topic(), Drops::new());
        let mut receiver = topic.debounce(SECOND).receiver(8, Overflow::Block);
        for _ in 0..3 {
            topic.publish(drops.bomb()).unwrap();
        }
        assert_eq!(drops.count(), 2, "they were replaced");
        clock.advance(SECOND);
        std::mem::forget(receiver.try_recv().unwrap());
        assert!(reports("a bomb went off") >= 2);
    });
}

// Contract: B11
#[test]
fn a_pool_that_takes_no_more_loses_no_value() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let topic = pool.topic();
        let next = topic.debounce(SECOND).next();
        topic.publish(1).unwrap();
        assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
        clock.advance(SECOND);
        assert_eq!(*next.wait().unwrap(), 1);

        // A timer that is cancelled with its pool comes early.
        let token = CancelToken::new();
        let builder = Pool::builder().clock(&clock).cancel_token(&token);
        let topic = builder.build().unwrap().topic();
        for n in [2, 3] {
            let mut receiver = topic.debounce(SECOND).receiver(1, Overflow::Fail);
            topic.publish(n).unwrap();
            token.cancel();
            assert_eq!(*receiver.recv().unwrap(), n);
        }
    });
}

// Contract: B11, T4
#[test]
fn a_topic_of_a_pool_uses_its_threads_and_its_clock() {
    within(|| {
        let clock = Clock::manual();
        let pool = Pool::builder().name("topical").clock(&clock);
        let pool = pool.max_threads(2).build().unwrap();
        let topic = pool.topic().replay(1);
        topic.publish(1).unwrap();
        let log = Log::new();
        let here = move |log: &Log<bool>| {
            let thread = thread::current();
            log.push(thread.name().is_some_and(|it| it.starts_with("topical")));
        };
        // What is replayed, what is buffered, and what is chained; of a derived one too.
        let own = log.clone();
        topic.subscribe(move |_: &u32| here(&own));
        let own = log.clone();
        topic
            .map(|n| *n)
            .buffer(4, Overflow::Block)
            .subscribe(move |_| here(&own));
        topic.flush().wait().unwrap();
        until(|| log.len() == 2);
        let own = log.clone();
        let (next, late) = (
            topic.next().then(move |_| here(&own)),
            topic.next_where(|_| false),
        );
        let late = late.timeout(SECOND);
        topic.publish(2).unwrap();
        next.wait().unwrap();
        until(|| log.len() == 5);
        // The one without a buffer ran here, on the publishing thread.
        let mut all = log.take();
        all.sort_unstable();
        assert_eq!(all, [false, true, true, true, true]);
        clock.advance(SECOND);
        assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::TimedOut);

        let watch: Watch<u32> = pool.watch(1);
        let slow = watch.wait_for(|n| *n == 2).timeout(SECOND);
        let topics = pool.topics::<u32>();
        let none = topics.topic("a.*").unwrap().next().timeout(SECOND);
        clock.advance(SECOND);
        assert_eq!(slow.wait().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(none.wait().unwrap_err().kind(), ErrorKind::TimedOut);
    });
}
