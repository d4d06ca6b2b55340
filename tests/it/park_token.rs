//! The token of `std::thread::park` belongs to the user's code on a thread: no call of this crate
//! consumes one or leaves one behind.

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{LIMIT, PATIENCE, within};
use fast_async::flow::map_unordered;
use fast_async::topic::{Overflow, Receiver, Topic};
use fast_async::{
    Clock, LoopQueue, Pool, Resolver, Shutdown, Task, await_all, await_first, deferred, group,
    spawn,
};

/// Long enough for the waiting thread to fall asleep.
const NAP: Duration = Duration::from_millis(2);

fn slow() -> Task<u32> {
    spawn(|| {
        thread::sleep(NAP);
        1
    })
}

/// Settled by a thread that is none of a pool.
fn by_hand() -> Task<u32> {
    let (resolver, task) = deferred();
    settle_soon(resolver);
    task
}

fn settle_soon(resolver: Resolver<u32>) {
    thread::spawn(move || {
        thread::sleep(NAP);
        resolver.resolve(1)
    });
}

/// A receiver with room for one value.
fn topic() -> (Topic<u32>, Receiver<u32>) {
    let topic = Topic::new();
    let receiver = topic.receiver(1, Overflow::Block);
    (topic, receiver)
}

/// Another thread publishes a value and closes the topic.
fn publish_soon(topic: Topic<u32>) {
    thread::spawn(move || {
        thread::sleep(NAP);
        topic.publish(1).unwrap();
    });
}

fn never() -> Task<u32> {
    let (resolver, task) = deferred();
    std::mem::forget(resolver);
    task
}

fn pool() -> Pool {
    let pool = Pool::builder().core_threads(1).max_threads(1);
    pool.build().expect("a valid pool")
}

/// A pool whose queue is full for a moment.
fn full_pool() -> Pool {
    let pool = Pool::builder()
        .core_threads(1)
        .max_threads(1)
        .queue_limit(1);
    let pool = pool.build().expect("a valid pool");
    for _ in 0..2 {
        pool.spawn(|| thread::sleep(NAP)).detach();
    }
    pool
}

/// Each call of the interface that may block, as it blocks.
const CALLS: &[(&str, fn())] = &[
    ("wait for a job", || {
        slow().wait().unwrap();
    }),
    ("wait for a resolver", || {
        by_hand().wait().unwrap();
    }),
    ("wait for a chain", || {
        let task = slow().then(|n| n + 1).on(&pool()).then(|n| n + 1);
        task.wait().unwrap();
    }),
    ("wait for an adopted task", || {
        let task = by_hand().and_then(|_| slow());
        task.wait().unwrap();
    }),
    ("wait for a shielded task", || {
        by_hand().shielded().wait().unwrap();
    }),
    ("wait for a task that is cancelled", || {
        let token = fast_async::CancelToken::new();
        let builder = Task::builder().cancel_token(&token);
        let task = builder.spawn(|| thread::sleep(2 * NAP));
        thread::spawn(move || {
            thread::sleep(NAP);
            token.cancel();
        });
        task.wait().ok();
    }),
    ("wait_parked", || {
        by_hand().wait_parked().unwrap();
    }),
    ("wait_parked of a shared task", || {
        by_hand().share().wait_parked().unwrap();
    }),
    ("wait_timeout in time", || {
        by_hand().wait_timeout(LIMIT).unwrap().unwrap();
    }),
    ("wait_timeout too short", || {
        never().wait_timeout(NAP).unwrap_err().detach();
    }),
    ("try_wait", || {
        let mut task = by_hand();
        while let Err(pending) = task.try_wait() {
            task = pending;
            thread::yield_now();
        }
    }),
    ("wait of a shared task", || {
        by_hand().share().wait().unwrap();
    }),
    ("wait of a branch", || {
        by_hand().share().cloned().wait().unwrap();
    }),
    ("wait_timeout of a shared task in time", || {
        by_hand().share().wait_timeout(LIMIT).unwrap().unwrap();
    }),
    ("wait_timeout of a shared task too short", || {
        assert!(never().share().wait_timeout(NAP).is_none());
    }),
    ("wait of a guard", || {
        by_hand().cancel_on_drop().wait().unwrap();
    }),
    ("subscribe_blocking", || {
        by_hand().subscribe_blocking(|_| (), |_| ()).unwrap();
    }),
    ("await_all", || {
        await_all(vec![by_hand(), slow()]).unwrap();
    }),
    ("await_first", || {
        await_first(vec![never(), by_hand()]).unwrap();
    }),
    ("run_until", || {
        let queue = LoopQueue::new();
        let task = by_hand().on(&queue).then(|n| n + 1);
        queue.run_until(task).unwrap();
    }),
    ("wait_pending in time", || {
        let queue = LoopQueue::new();
        let task = by_hand().on(&queue).then(|n| n + 1);
        assert!(queue.wait_pending(LIMIT));
        queue.run_pending();
        task.wait().unwrap();
    }),
    ("wait_pending too short", || {
        assert!(!LoopQueue::new().wait_pending(NAP));
    }),
    ("wait_idle", || {
        let pool = pool();
        pool.spawn(|| thread::sleep(NAP)).detach();
        assert!(pool.wait_idle(LIMIT));
    }),
    ("shutdown that drains", || {
        let pool = pool();
        pool.spawn(|| thread::sleep(NAP)).detach();
        assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
    }),
    ("shutdown that discards, without a limit", || {
        let pool = pool();
        pool.spawn(|| thread::sleep(NAP)).detach();
        let report = pool.shutdown(Shutdown::Discard, Duration::MAX);
        assert!(report.is_complete());
    }),
    ("spawn at a queue limit", || {
        let pool = full_pool();
        pool.spawn(|| ()).detach();
        assert!(pool.wait_idle(LIMIT));
    }),
    ("attempt at a queue limit", || {
        full_pool().attempt(|| Ok(())).wait().unwrap();
    }),
    ("spawn_with of a builder at a queue limit", || {
        let pool = full_pool();
        let task = Task::builder().pool(&pool).spawn_with(|_| ());
        task.wait().unwrap();
    }),
    ("the end of a group", || {
        group(|g| {
            g.spawn(|| thread::sleep(NAP)).detach();
            Ok(())
        })
        .unwrap();
    }),
    ("the end of a group of a full pool", || {
        let pool = full_pool();
        pool.group(|g| {
            g.attempt_with(|_| Ok(())).detach();
            Ok(())
        })
        .unwrap();
    }),
    ("the next of some results", || {
        let results = map_unordered(0..2, 1, |_| slow());
        assert_eq!(results.filter(Result::is_ok).count(), 2);
    }),
    ("recv", || {
        let (topic, mut receiver) = topic();
        publish_soon(topic);
        assert_eq!(*receiver.recv().unwrap(), 1);
        assert!(receiver.recv().is_err());
    }),
    ("recv_timeout in time", || {
        let (topic, mut receiver) = topic();
        publish_soon(topic);
        assert_eq!(*receiver.recv_timeout(LIMIT).unwrap(), 1);
    }),
    ("recv_timeout too short", || {
        let (_topic, mut receiver) = topic();
        receiver.recv_timeout(NAP).unwrap_err();
    }),
    ("the items of a receiver", || {
        let (topic, receiver) = topic();
        publish_soon(topic);
        assert_eq!(receiver.count(), 1);
    }),
    ("publish to a full receiver", || {
        let (topic, mut receiver) = topic();
        topic.publish(1).unwrap();
        let reader = thread::spawn(move || {
            thread::sleep(NAP);
            [*receiver.recv().unwrap(), *receiver.recv().unwrap()]
        });
        topic.publish(2).unwrap();
        assert_eq!(reader.join().unwrap(), [1, 2]);
    }),
    ("a move of a clock", || {
        let clock = Clock::manual();
        let pool = Pool::builder().clock(&clock).build().expect("a valid pool");
        let task = pool.delay(LIMIT).then(|()| thread::sleep(NAP));
        clock.advance(LIMIT);
        assert!(task.is_settled());
    }),
    ("set_max_threads", || {
        let pool = pool();
        pool.spawn(|| ()).wait().unwrap();
        pool.set_max_threads(3).unwrap();
        pool.spawn(|| ()).wait().unwrap();
    }),
];

type Body = Box<dyn FnOnce() + Send>;
type Setting = (&'static str, fn(Body));

/// Threads and moments from which the calls are made.
const SETTINGS: &[Setting] = &[
    ("on a thread of the user's", |f| f()),
    ("on a worker", |f| pool().spawn(f).wait().unwrap()),
    ("on a worker of the global pool", |f| {
        spawn(f).wait().unwrap();
    }),
    ("in a continuation", |f| {
        let (resolver, task) = deferred();
        let task = task.then(move |()| f());
        resolver.resolve(()).unwrap();
        task.wait().unwrap();
    }),
    ("while thread-locals are destroyed", |f| {
        struct Last(Option<Body>);
        impl Drop for Last {
            fn drop(&mut self) {
                self.0.take().expect("dropped once")();
            }
        }
        thread_local! {
            static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
        }
        let runner = thread::spawn(move || {
            // Before this crate creates a thread-local, so that this one is destroyed later.
            LAST.with(|last| *last.borrow_mut() = Some(Last(Some(f))));
            slow().wait().unwrap();
        });
        runner.join().unwrap();
    }),
];

/// Checks every call in every setting. A check that fails in a destructor of a thread-local would
/// end the process, so the checks say what is wrong instead.
#[track_caller]
fn everywhere(check: fn(fn()) -> Result<(), &'static str>) {
    let mut wrong = Vec::new();
    for (setting, run) in SETTINGS {
        for (name, call) in CALLS {
            let (tell, told) = mpsc::channel();
            run(Box::new(move || tell.send(check(*call)).unwrap()));
            match told.recv().expect("the setting runs the check") {
                Ok(()) => {}
                Err(what) => wrong.push(format!("{name}, {setting}: {what}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Takes the calling thread's token; false when none comes in time.
fn take_token(limit: Duration) -> bool {
    let start = Instant::now();
    thread::park_timeout(limit);
    start.elapsed() < limit
}

// Contract: W1. The caller may hold a token for its own later `park`.
#[test]
fn no_blocking_call_takes_the_callers_token() {
    within(|| {
        everywhere(|call| {
            thread::current().unpark();
            call();
            take_token(PATIENCE / 50)
                .then_some(())
                .ok_or("the token is gone")
        });
    });
}

// Contract: W1. A token that is left behind would end a later `park` of the caller's at once.
#[test]
fn no_blocking_call_leaves_a_token_behind() {
    within(|| {
        everywhere(|call| {
            take_token(Duration::ZERO);
            call();
            let left = take_token(NAP);
            (!left).then_some(()).ok_or("a token was left behind")
        });
    });
}

// Contract: W1. Any owner of a thread's handle may unpark it at any time.
#[test]
fn no_blocking_call_ends_with_a_foreign_unpark() {
    within(|| {
        everywhere(|call| {
            let caller = thread::current();
            let (stop, stopped) = mpsc::channel::<()>();
            let prodder = thread::spawn(move || {
                let timeout = Err(mpsc::RecvTimeoutError::Timeout);
                while stopped.recv_timeout(NAP / 40) == timeout {
                    caller.unpark();
                }
            });
            // The calls check their own outcome.
            call();
            drop(stop);
            prodder.join().unwrap();
            take_token(Duration::ZERO);
            Ok(())
        });
    });
}

// Contract: P1. Between two jobs a worker sleeps; the token that one job has left is there for the
// next.
#[test]
fn a_worker_that_sleeps_leaves_the_token_alone() {
    within(|| {
        let pool = pool();
        let set = || thread::current().unpark();
        pool.spawn(set).wait().unwrap();
        for _ in 0..20 {
            while pool.metrics().idle == 0 {
                thread::yield_now();
            }
            // Asleep by then, most likely.
            thread::sleep(NAP);
            let there = pool.spawn(|| {
                let there = take_token(PATIENCE / 50);
                thread::current().unpark();
                there
            });
            assert!(there.wait().unwrap(), "the sleep took it");
        }
        // The wake-up itself is none.
        let pool = self::pool();
        pool.spawn(|| ()).wait().unwrap();
        for threads in 1..50 {
            pool.set_max_threads(threads).unwrap();
            let left = pool.spawn(|| take_token(Duration::from_micros(100)));
            assert!(!left.wait().unwrap(), "the wake-up left one");
        }
    });
}
