//! What the ancestor of this crate, a Python package of the same name, got wrong: each row of that
//! list, done right.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::{Gate, LIMIT, Log, expected, isolated, within};
use fast_async::{
    ErrorKind, Pool, Status, Task, attempt, await_all, await_first, deferred, set_max_threads,
    spawn,
};

#[derive(Debug)]
struct NoSuchUser(u32);

impl fmt::Display for NoSuchUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such user: {}", self.0)
    }
}

impl std::error::Error for NoSuchUser {}

fn finished() -> Task<u32> {
    let (resolver, task) = deferred();
    resolver.resolve(7).unwrap();
    task
}

// There: spins without end.
#[test]
fn waiting_for_a_finished_task_returns() {
    within(|| {
        assert_eq!(finished().wait().unwrap(), 7);
        let shared = finished().share();
        for _ in 0..3 {
            assert_eq!(*shared.wait().unwrap(), 7);
        }
    });
}

// There: the callback never runs.
// Contract: D3
#[test]
fn subscribing_to_a_finished_task_calls_back() {
    within(|| {
        let seen = Gate::new();
        let open = seen.clone();
        let task = finished();
        task.subscribe(
            move |n| {
                assert_eq!(*n, 7);
                open.open();
            },
            |error| panic!("{error}"),
        );
        seen.pass();
        assert_eq!(task.wait().unwrap(), 7);
    });
}

// There: the second subscriber replaces the first.
// Contract: D1
#[test]
fn both_of_two_subscribers_are_called_in_their_order() {
    within(|| {
        let log = Log::new();
        let (resolver, task) = deferred();
        for name in ["first", "second"] {
            let log = log.clone();
            task.subscribe(move |_: &u32| log.push(name), |error| panic!("{error}"));
        }
        resolver.resolve(1).unwrap();
        assert_eq!(log.take(), ["first", "second"]);
        assert_eq!(task.wait().unwrap(), 1);
    });
}

// There: `blocks=True`, which runs the callbacks on the caller's thread.
#[test]
fn blocking_callbacks_run_on_the_callers_thread_and_may_capture_what_stays_there() {
    within(|| {
        let here = thread::current().id();
        // Neither `Send` nor `'static`.
        let seen = RefCell::new(Vec::new());
        let count = Rc::new(Cell::new(0));
        for task in [spawn(|| 7), Task::failed(NoSuchUser(7))] {
            let (ok, err) = (count.clone(), count.clone());
            let outcome = task.subscribe_blocking(
                |n| {
                    ok.set(ok.get() + 1);
                    seen.borrow_mut().push((Some(*n), thread::current().id()));
                },
                |error| {
                    assert!(error.is::<NoSuchUser>());
                    err.set(err.get() + 1);
                    seen.borrow_mut().push((None, thread::current().id()));
                },
            );
            assert_eq!(outcome.ok(), seen.borrow().last().unwrap().0);
        }
        assert_eq!(seen.into_inner(), [(Some(7), here), (None, here)]);
        assert_eq!(count.get(), 2);
    });
}

// There: a deadlock. In a new process, because the limit applies to the whole process.
// Contract: W1
#[test]
fn a_task_may_wait_for_a_task_with_one_thread() {
    isolated("a_task_may_wait_for_a_task_with_one_thread", || {
        set_max_threads(1).unwrap();
        let sum = spawn(|| {
            let inner = spawn(|| spawn(|| 1).wait().unwrap() + 1);
            inner.wait().unwrap() + 1
        });
        assert_eq!(sum.wait().unwrap(), 3);

        // What is waited for may be queued behind what waits.
        let (hand, take) = std::sync::mpsc::channel::<Task<u32>>();
        let first = spawn(move || take.recv().unwrap().wait().unwrap() + 1);
        hand.send(spawn(|| 1)).unwrap();
        assert_eq!(first.wait().unwrap(), 2);
    });
}

// There: hangs.
#[test]
fn fifty_tasks_that_do_nothing_are_awaited() {
    within(|| {
        for _ in 0..20 {
            let tasks: Vec<_> = (0..50).map(|_| spawn(|| ())).collect();
            assert_eq!(await_all(tasks).unwrap().len(), 50);
        }
    });
}

// There: `on_error` is called as well, and the success turns into a failure.
// Contract: D4
#[test]
fn a_panic_in_on_success_is_reported_and_the_success_stays() {
    within(|| {
        let failed = Arc::new(AtomicUsize::new(0));
        let count = failed.clone();
        let (resolver, task) = deferred();
        task.subscribe(
            |_: &u32| expected("in on_success"),
            move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            },
        );
        resolver.resolve(7).unwrap();
        assert_eq!(task.status(), Status::Success);
        assert_eq!(task.wait().unwrap(), 7);
        assert_eq!(failed.load(Ordering::Relaxed), 0);
        assert_eq!(crate::support::reports("in on_success"), 1);
    });
}

// There: an IndexError.
#[test]
fn the_first_success_wins_though_others_fail() {
    within(|| {
        for _ in 0..20 {
            let tasks = vec![
                attempt(|| Err(NoSuchUser(1).into())),
                spawn(|| 2),
                spawn(|| 3),
            ];
            let first = await_first(tasks).unwrap();
            assert!([2, 3].contains(&first));
        }
        let (one, first) = deferred();
        let (two, second) = deferred();
        // Cold: it starts when it is registered, which is after the others.
        let third = Task::new(move || -> u32 {
            assert!(two.reject(NoSuchUser(2)).is_ok());
            assert!(one.reject(NoSuchUser(1)).is_ok());
            expected("the last to fail")
        });
        let error = await_first(vec![first, second, third]).unwrap_err();
        let user = error.downcast_ref::<NoSuchUser>().map(|user| user.0);
        assert_eq!(user, Some(2), "the first failure, in time");
    });
}

// There: an AttributeError.
#[test]
fn the_first_of_nothing_is_a_clear_error() {
    within(|| {
        let error = await_first(Vec::<Task<u32>>::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Empty);
        assert!(error.to_string().contains("at least one task"), "{error}");
    });
}

// There: raises when the slow one is done.
#[test]
fn awaiting_all_fails_with_the_first_failure_at_once() {
    within(|| {
        let (hold, running) = (Gate::new(), Gate::new());
        let (pass, open) = (hold.clone(), running.clone());
        let slow = spawn(move || {
            open.open();
            pass.pass();
            1
        });
        running.pass();
        let fails = attempt(|| Err(NoSuchUser(2).into()));
        let error = await_all(vec![slow, fails]).unwrap_err();
        assert!(error.downcast_ref::<NoSuchUser>().is_some());
        assert!(!hold.is_open(), "the slow one is still running");
        hold.open();
    });
}

// There: slots of the pool leak, until it has none.
// Contract: P1
#[test]
fn thousands_of_tiny_tasks_leave_the_pool_as_it_was() {
    within(|| {
        let pool = Pool::builder().name("tiny").core_threads(2).max_threads(2);
        let pool = pool.build().unwrap();
        for _ in 0..5 {
            let tasks: Vec<_> = (0..2000)
                .map(|n| {
                    pool.attempt(move || match n % 3 {
                        0 => Ok(n),
                        1 => Err(NoSuchUser(n).into()),
                        _ => expected("one of many"),
                    })
                })
                .collect();
            let failed = tasks.into_iter().filter_map(|task| task.wait().err());
            assert_eq!(failed.count(), 1333);
        }
        // Both threads are there: each of these tasks needs the other one to be running.
        let (one, two) = (Gate::new(), Gate::new());
        let meet = |mine: &Gate, other: &Gate| {
            let (mine, other) = (mine.clone(), other.clone());
            pool.spawn(move || {
                mine.open();
                other.pass();
            })
        };
        let both = vec![meet(&one, &two), meet(&two, &one)];
        await_all(both).unwrap();
        assert!(pool.wait_idle(LIMIT));
        let metrics = pool.metrics();
        assert_eq!((metrics.queued, metrics.running), (0, 0));
    });
}

// There: every error becomes a text.
// Contract: S4
#[test]
fn an_error_keeps_its_type() {
    within(|| {
        let error = attempt(|| -> Result<u32, _> { Err(NoSuchUser(5).into()) })
            .then(|n| n + 1)
            .finally(|| ())
            .wait()
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<NoSuchUser>().map(|user| user.0),
            Some(5)
        );
    });
}
