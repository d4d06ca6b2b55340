//! Virtual clocks: waits that only a clock can end.

use std::thread;
use std::time::Duration;

use crate::support::{Count, Gate, HOUR, LIMIT, Latch, Log, SECOND, virtual_pool, within};
use fast_async::{Clock, ErrorKind, Pool, Task, TaskError, all, any, deferred};

/// A pool with a virtual clock that has no patience.
fn hasty_pool() -> (Clock, Pool) {
    let (clock, pool) = virtual_pool();
    clock.set_patience(Duration::ZERO);
    (clock, pool)
}

/// Makes a task that waits for time.
type Make = fn(&Pool) -> Task<()>;

#[track_caller]
fn assert_stopped(error: &TaskError, due: &str) {
    assert_eq!(error.kind(), ErrorKind::Abandoned, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("call `Clock::advance`") && text.contains(due),
        "{text}"
    );
}

// Case: 148
// Contract: K3
#[test]
fn a_wait_that_only_a_stopped_clock_can_end_fails() {
    within(|| {
        let (clock, pool) = hasty_pool();
        let make: [(&str, Make); 5] = [
            ("due in 3600s", |pool| pool.delay(HOUR)),
            ("due in 3600s", |pool| {
                pool.delay(HOUR).then(|()| ()).delayed(HOUR)
            }),
            ("due in 3600s", |pool| pool.delay(2 * HOUR).timeout(HOUR)),
            ("due in 1s", |pool| {
                all([pool.delay(SECOND), pool.delay(HOUR)]).then(drop)
            }),
            ("due in 1s", |pool| {
                any([pool.delay(HOUR).timeout(HOUR), pool.delay(SECOND)])
            }),
        ];
        for (due, make) in make {
            assert_stopped(&make(&pool).wait().unwrap_err(), due);
            // What was waited for is still there.
            clock.advance(3 * HOUR);
            assert_eq!(clock.pending(), 0);
        }
        let shared = pool.delay(HOUR).share();
        assert_stopped(&shared.wait().unwrap_err(), "due in 3600s");
        clock.advance(HOUR);
        assert!(shared.wait().is_ok(), "the wait failed, and not the task");
        let never = pool.delay(Duration::MAX);
        let (tell, told) = std::sync::mpsc::channel();
        let pending = never.wait_timeout(Duration::from_millis(1));
        tell.send(pending.is_err()).unwrap();
        assert!(told.recv().unwrap(), "a wait with a limit ends by it");

        // Inside a task of the pool.
        let own = pool.clone();
        let task = pool.spawn(move || own.delay(HOUR).wait());
        assert_stopped(&task.wait().unwrap().unwrap_err(), "due in 3600s");
    });
}

// Case: 148
// Contract: K3
#[test]
fn a_wait_that_something_else_may_end_goes_on() {
    within(|| {
        for _ in 0..20 {
            let (_clock, pool) = hasty_pool();
            let own = pool.clone();
            // A resolver, a closure of another pool, and one of the two beside a timer.
            let (first, by_hand) = deferred::<u32>();
            let (second, beside) = deferred::<u32>();
            let (third, in_time) = deferred::<u32>();
            let gate = Latch::new(1);
            let opened = gate.clone();
            let elsewhere = Pool::new().spawn(move || {
                opened.wait();
                7
            });
            let late = own.delay(HOUR).then(|()| 0);
            let tasks = [
                pool.spawn(|| by_hand).flatten(),
                pool.spawn(|| elsewhere).flatten(),
                any([late, beside]),
                pool.spawn(|| in_time).flatten().timeout(HOUR),
            ];
            let waits = tasks.map(|task| thread::spawn(move || task.wait()));
            for _ in 0..50 {
                thread::yield_now();
            }
            gate.count_down();
            for resolver in [first, second, third] {
                resolver.resolve(7).unwrap();
            }
            for wait in waits {
                assert_eq!(wait.join().unwrap().unwrap(), 7);
            }
        }
    });
}

// Contract: K3
#[test]
fn a_wait_is_patient_while_the_clock_is_moved() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let task = pool.delay(100 * SECOND).then(|()| 7);
        let waiting = thread::spawn(move || task.wait());
        for _ in 0..100 {
            clock.advance(SECOND);
        }
        assert_eq!(waiting.join().unwrap().unwrap(), 7);
        clock.set_patience(Duration::MAX);
        let task = pool.delay(SECOND);
        let waiting = thread::spawn(move || task.wait());
        clock.advance(SECOND);
        waiting.join().unwrap().unwrap();
        assert!(pool.wait_idle(LIMIT));
    });
}

/// A pool with a clock that moves by itself.
fn auto_pool() -> (Clock, Pool) {
    let clock = Clock::auto();
    let pool = Pool::builder().clock(&clock).max_threads(4).build();
    (clock, pool.expect("good settings"))
}

// Case: 147
// Contract: K2
#[test]
fn an_automatic_clock_goes_from_deadline_to_deadline() {
    within(|| {
        let (clock, pool) = auto_pool();
        let (start, own, log) = (clock.now(), pool.clone(), Log::new());
        let (at, told) = (clock.clone(), log.clone());
        let task = pool.delay(HOUR).and_then(move |()| {
            told.push(at.now() - start);
            own.delay(HOUR).then(move |()| told.push(at.now() - start))
        });
        task.wait().unwrap();
        assert_eq!(log.take(), [HOUR, 2 * HOUR]);
        // Its thread ends with the last timer, and another one starts with the next.
        for n in 3..20 {
            pool.delay(HOUR).wait().unwrap();
            assert_eq!(clock.now() - start, n * HOUR);
        }
        // A worker that waits does not keep it from moving.
        let own = pool.clone();
        let task = pool.spawn(move || own.delay(HOUR).wait());
        assert!(task.wait().unwrap().is_ok());
        let calls = Count::default();
        let counted = calls.clone();
        let interval = pool.every(SECOND, move || counted.add());
        calls.reach(10);
        drop(interval);
        assert_eq!(clock.pending(), 0);
    });
}

// Case: 147
// Contract: K2
#[test]
fn a_guard_holds_an_automatic_clock() {
    within(|| {
        for _ in 0..20 {
            let (clock, pool) = auto_pool();
            let start = clock.now();
            let (hold, other) = (clock.hold(), clock.hold());
            let log = Log::new();
            let delay = |seconds: u32| {
                let log = log.clone();
                pool.delay(seconds * SECOND)
                    .then(move |()| log.push(seconds))
            };
            let late = delay(2);
            for _ in 0..20 {
                assert!(pool.wait_idle(LIMIT));
                thread::yield_now();
            }
            let early = delay(1);
            drop(other);
            assert!(pool.wait_idle(LIMIT));
            assert_eq!(clock.now(), start);
            // A call moves it all the same.
            clock.advance(SECOND / 2);
            assert_eq!(clock.now() - start, SECOND / 2);
            drop(hold);
            all([early, late]).wait().unwrap();
            assert_eq!(log.take(), [1, 2]);
            assert_eq!(clock.now() - start, 2 * SECOND);
        }
    });
}

// Case: 147
// Contract: K2
#[test]
fn an_automatic_clock_stands_while_a_job_runs() {
    within(|| {
        let (clock, pool) = auto_pool();
        let (gate, began) = (Gate::new(), Latch::new(1));
        let (pass, begins, at) = (gate.clone(), began.clone(), clock.clone());
        let start = clock.now();
        let task = pool.spawn(move || {
            begins.count_down();
            pass.pass();
            at.now() - start
        });
        began.wait();
        let delayed = pool.delay(HOUR);
        for _ in 0..100 {
            thread::yield_now();
        }
        gate.open();
        assert_eq!(task.wait().unwrap(), Duration::ZERO);
        delayed.wait().unwrap();
        assert_eq!(clock.now() - start, HOUR);
    });
}

// Case: 148
// Contract: K3
#[test]
fn a_wait_for_an_automatic_clock_that_is_held_fails() {
    within(|| {
        let (clock, pool) = auto_pool();
        clock.set_patience(Duration::ZERO);
        let hold = clock.hold();
        assert_stopped(&pool.delay(HOUR).wait().unwrap_err(), "due in 3600s");
        drop(hold);
        pool.delay(HOUR).wait().unwrap();
    });
}
