//! Second calls of settings: what each setter's documentation says of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fast_async::flow::map_unordered;
use fast_async::group::Group;
use fast_async::retry::{Decision, RetryBudget};
use fast_async::time::{Debounce, Missed, Throttle};
use fast_async::topic::{Overflow, Topic};
use fast_async::{Clock, ErrorKind, Lazy, LoopQueue, Memo, Pool, Retry, TaskQueue, retry};

use crate::support::{Count, Gate, Log, until, within};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A pool that goes by a new virtual clock.
fn with_clock() -> (Clock, Pool) {
    let clock = Clock::manual();
    let pool = Pool::builder().clock(&clock).max_threads(2).build();
    (clock, pool.unwrap())
}

type Check = fn();

/// The setter, and a test that sets it twice.
const SETTERS: &[(&str, Check)] = &[
    ("PoolBuilder::clock", || {
        let (first, second) = (Clock::manual(), Clock::manual());
        let pool = Pool::builder()
            .clock(&first)
            .clock(&second)
            .build()
            .unwrap();
        let due = pool.delay(HOUR);
        first.advance(HOUR);
        assert!(!due.is_settled());
        second.advance(HOUR);
        due.wait().unwrap();
    }),
    ("PoolBuilder::inline_waits", || {
        for inline in [true, false] {
            let builder = Pool::builder().inline_waits(!inline).inline_waits(inline);
            let pool = builder.max_threads(1).build().unwrap();
            let inner = pool.clone();
            let same = pool.spawn(move || {
                let there = inner.spawn(|| thread::current().id()).wait();
                there.unwrap() == thread::current().id()
            });
            assert_eq!(same.wait().unwrap(), inline);
        }
    }),
    ("TaskQueueBuilder::limit", || {
        let queue = TaskQueue::builder().limit(0).limit(2).build().unwrap();
        assert_eq!(queue.limit(), 2);
    }),
    ("TaskQueueBuilder::rate", || {
        let (clock, pool) = with_clock();
        let builder = TaskQueue::builder()
            .pool(&pool)
            .rate(0, HOUR)
            .rate(1, SECOND);
        let queue = builder.build().unwrap();
        let jobs = [queue.spawn(|| ()), queue.spawn(|| ())];
        clock.advance(SECOND);
        assert!(jobs.iter().all(|job| job.is_settled()));
    }),
    ("TaskQueueBuilder::priority", || {
        let queue = TaskQueue::builder()
            .limit(1)
            .priority(9)
            .priority(1)
            .paused();
        let (queue, log) = (queue.build().unwrap(), Log::new());
        let (one, two) = (log.clone(), log.clone());
        queue.spawn(move || one.push("by default")).detach();
        queue.at(5).spawn(move || two.push("at 5")).detach();
        queue.resume();
        queue.when_idle().wait().unwrap();
        assert_eq!(log.take(), ["at 5", "by default"]);
    }),
    ("TaskQueueBuilder::pool", || {
        let named = |name: &str| Pool::builder().name(name).build().unwrap();
        let queue = TaskQueue::builder().pool(&named("one")).pool(&named("two"));
        let name = queue.build().unwrap().spawn(|| {
            let thread = thread::current();
            thread.name().map(str::to_owned)
        });
        assert!(name.wait().unwrap().unwrap().starts_with("two-"));
    }),
    ("TaskQueueBuilder::paused", || {
        let queue = TaskQueue::builder().paused().paused().build().unwrap();
        let job = queue.spawn(|| 7);
        assert!(queue.is_paused() && !job.is_settled());
        queue.resume();
        assert_eq!(job.wait().unwrap(), 7);
    }),
    ("GroupBuilder::pool", || {
        let named = |name: &str| Pool::builder().name(name).build().unwrap();
        let group = Group::builder().pool(&named("one")).pool(&named("two"));
        let name = group.run(|g| {
            let name = g.spawn(|| thread::current().name().map(str::to_owned));
            Ok(name.wait()?)
        });
        assert!(name.unwrap().unwrap().starts_with("two-"));
    }),
    ("GroupBuilder::keep_going", || {
        let (tell, told) = mpsc::channel();
        let ended = Group::builder().keep_going().keep_going().run(|g| {
            let gate = Gate::new();
            let held = gate.clone();
            g.attempt(move || {
                held.pass();
                tell.send(()).unwrap();
                Ok(())
            })
            .detach();
            let failed = g.attempt(|| Err::<(), _>("no".into()));
            until(|| failed.is_settled());
            drop(failed);
            gate.open();
        });
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Failed);
        told.recv().unwrap();
    }),
    ("GroupBuilder::timeout", || {
        for (first, second) in [(HOUR, Duration::ZERO), (Duration::ZERO, HOUR)] {
            let group = Group::builder().timeout(first).timeout(second);
            let ended = group.run(|g| {
                let waits = second.is_zero();
                g.spawn_with(move |ctx| until(|| !waits || ctx.is_cancelled()))
                    .detach();
            });
            let kind = ended.map_err(|error| error.kind());
            match second.is_zero() {
                true => assert_eq!(kind, Err(ErrorKind::TimedOut)),
                false => kind.unwrap(),
            }
        }
    }),
    ("Retry, pauses", || {
        let (clock, pool) = with_clock();
        let policies = [
            Retry::attempts(2)
                .exponential(HOUR, HOUR)
                .backoff([HOUR])
                .backoff([SECOND]),
            Retry::attempts(2)
                .backoff([HOUR])
                .exponential(HOUR, HOUR)
                .exponential(SECOND, SECOND),
        ];
        for policy in policies {
            let task = pool.retry(policy, |_| Err::<(), _>("no".into()));
            assert!(pool.wait_idle(Duration::MAX));
            clock.advance(SECOND);
            assert!(task.is_settled());
            assert_eq!(task.wait().unwrap_err().attempts(), Some(2));
        }
    }),
    ("Retry, bounds", || {
        let (clock, pool) = with_clock();
        let spent = RetryBudget::new(0, 0);
        let policy = Retry::attempts(3)
            .budget(&spent)
            .budget(&RetryBudget::new(9, 9))
            .total(Duration::ZERO)
            .total(HOUR)
            .per_attempt(Duration::ZERO)
            .per_attempt(HOUR)
            .seed(1)
            .seed(2)
            .backoff([SECOND]);
        let task = pool.retry(policy, |_| Err::<(), _>("no".into()));
        assert!(pool.wait_idle(Duration::MAX));
        clock.advance(2 * SECOND);
        assert_eq!(task.wait().unwrap_err().attempts(), Some(3));
    }),
    ("Retry, hooks", || {
        let (forgotten, told) = (Count::default(), Count::default());
        let (forget, tell) = (forgotten.clone(), told.clone());
        let policy = Retry::attempts(5)
            .notify(move |_, _| forget.add())
            .notify(move |_, _| tell.add())
            .when(|_, _| Decision::Again)
            .when(|_, attempt| match attempt.number() {
                2 => Decision::Stop,
                _ => Decision::Again,
            });
        let task = retry(policy, |_| Err::<(), _>("no".into()));
        assert_eq!(task.wait().unwrap_err().attempts(), Some(2));
        assert_eq!((forgotten.get(), told.get()), (0, 2));
    }),
    ("Debounce", || {
        let (clock, pool) = with_clock();
        let calls = Count::default();
        let count = calls.clone();
        let debounce: Debounce<u32, u32> = pool.debounce(HOUR, move |n| {
            count.add();
            Ok(n)
        });
        let debounce = debounce.max_wait(HOUR).max_wait(SECOND);
        let debounce = debounce
            .leading(true)
            .leading(false)
            .trailing(false)
            .trailing(true);
        let call = debounce.call(7);
        clock.advance(SECOND);
        assert!(call.is_settled());
        assert_eq!((call.wait().unwrap(), calls.get()), (7, 1));
        // For all handles.
        let other = debounce.clone().leading(true);
        clock.advance(2 * HOUR);
        assert_eq!(debounce.call(8).wait().unwrap(), 8);
        drop(other);
    }),
    ("Throttle", || {
        let (clock, pool) = with_clock();
        let throttle: Throttle<u32, u32> = pool.throttle(SECOND, Ok);
        let throttle = throttle
            .leading(true)
            .leading(false)
            .trailing(false)
            .trailing(true);
        let call = throttle.call(7);
        assert!(pool.wait_idle(Duration::MAX) && !call.is_settled());
        clock.advance(SECOND);
        assert_eq!(call.wait().unwrap(), 7);
    }),
    ("Interval::missed", || {
        let (clock, pool) = with_clock();
        let calls = Log::new();
        let (log, own) = (calls.clone(), clock.clone());
        let begin = clock.now();
        let (gate, begun) = (Gate::new(), Count::default());
        let (held, begin_one) = (gate.clone(), begun.clone());
        let interval = pool.every(SECOND, move || {
            log.push((own.now() - begin).as_secs());
            begin_one.add();
            held.pass();
        });
        let interval = interval.missed(Missed::Delay).missed(Missed::Burst);
        let moving = clock.clone();
        let mover = thread::spawn(move || moving.advance(3 * SECOND));
        begun.reach(1);
        gate.open();
        mover.join().unwrap();
        // One at each second: nothing was late by the clock, which waits for the calls.
        assert_eq!(calls.take(), [1, 2, 3]);
        drop(interval);
    }),
    ("Topic::replay", || {
        let topic = Topic::new().replay(3);
        (1..=4).for_each(|n| assert_eq!(topic.publish(n), Ok(0)));
        let topic = topic.replay(1).replay(2);
        topic.publish(5).unwrap();
        let late = topic.receiver(8, Overflow::Fail);
        topic.close();
        assert_eq!(late.map(|n| *n).collect::<Vec<_>>(), [4, 5]);
    }),
    ("Topic::hold", || {
        let topic = Topic::new().hold(3);
        (1..=4).for_each(|n| assert_eq!(topic.publish(n), Ok(0)));
        let topic = topic.hold(1).hold(2);
        topic.publish(5).unwrap();
        let first = topic.receiver(8, Overflow::Fail);
        topic.close();
        assert_eq!(first.map(|n| *n).collect::<Vec<_>>(), [4, 5]);
    }),
    ("TopicOn", || {
        let topic = Topic::new();
        let (forgotten, queue) = (LoopQueue::new(), LoopQueue::new());
        let log = Log::new();
        let own = log.clone();
        topic
            .on(&forgotten)
            .on(&queue)
            .buffer(8, Overflow::Fail)
            .buffer(1, Overflow::DropOldest)
            .subscribe(move |n: &u32| own.push(*n));
        for n in [1, 2, 3] {
            topic.publish(n).unwrap();
        }
        assert_eq!((forgotten.pending(), queue.run_pending()), (0, 1));
        assert_eq!(log.take(), [3]);
    }),
    ("Results::read_ahead", || {
        let started = Count::default();
        let count = started.clone();
        let results = map_unordered(0..100, 1, move |n| {
            count.add();
            Ok(n)
        });
        let mut results = results.read_ahead(50).read_ahead(60);
        started.reach(60);
        assert_eq!(results.by_ref().count(), 100);
    }),
    ("Memo::ttl", || {
        let (clock, pool) = with_clock();
        let memo = Memo::new(|n: &u32| Ok(*n)).pool(&pool);
        let memo = memo.ttl(HOUR).ttl(SECOND);
        memo.get(1).wait().unwrap();
        clock.advance(SECOND);
        assert!(memo.is_empty());
    }),
    ("Memo::capacity", || {
        let memo = Memo::new(|n: &u32| Ok(*n)).capacity(1).capacity(2);
        for n in [1, 2, 3] {
            memo.get(n).wait().unwrap();
        }
        assert_eq!(memo.len(), 2);
    }),
    ("Memo::pool", || {
        let named = |name: &str| Pool::builder().name(name).build().unwrap();
        let memo = Memo::new(|_: &u32| Ok(thread::current().name().map(str::to_owned)));
        let memo = memo.pool(&named("one")).pool(&named("two"));
        let name = memo.get(1).wait().unwrap().clone();
        assert!(name.unwrap().starts_with("two-"));
    }),
    ("Lazy::ttl", || {
        let (clock, pool) = with_clock();
        let lazy = Lazy::new(|| Ok(1)).pool(&pool).ttl(HOUR).ttl(SECOND);
        lazy.get().wait().unwrap();
        clock.advance(SECOND);
        assert!(lazy.peek().is_none());
    }),
    ("Lazy::pool", || {
        let named = |name: &str| Pool::builder().name(name).build().unwrap();
        let lazy = Lazy::new(|| Ok(thread::current().name().map(str::to_owned)));
        let lazy = lazy.pool(&named("one")).pool(&named("two"));
        let name = lazy.get().wait().unwrap().clone();
        assert!(name.unwrap().starts_with("two-"));
    }),
];

#[test]
fn a_second_call_does_what_the_documentation_says() {
    let failed: Vec<&str> = SETTERS
        .iter()
        .filter(|(name, check)| {
            println!("{name}");
            catch_unwind(AssertUnwindSafe(|| within(check))).is_err()
        })
        .map(|(name, _)| *name)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}
