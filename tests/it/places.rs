//! Places that are kept until what holds them has ended: a time limit or a cancel settles a task,
//! and its closure runs on.

use std::sync::Mutex;
use std::time::Duration;

use crate::support::{Count, Gate, HOUR, SECOND, pool_of, virtual_pool, within};
use fast_async::group::Group;
use fast_async::{CancelToken, Clock, ErrorKind, Pool, Semaphore, Task, TaskQueue};

/// A closure that runs until the gate is open, on a thread that the virtual clock does not wait
/// for.
struct Busy {
    clock: Clock,
    pool: Pool,
    side: Pool,
    started: Gate,
    gate: Gate,
}

impl Busy {
    fn new() -> Busy {
        let (clock, pool) = virtual_pool();
        Busy {
            clock,
            pool,
            side: pool_of(4),
            started: Gate::new(),
            gate: Gate::new(),
        }
    }

    /// Makes the task of the closure, whose limits go by the virtual clock.
    fn task(&self) -> impl FnOnce() -> Task<()> + Send + 'static {
        let (side, start, end) = (self.side.clone(), self.started.clone(), self.gate.clone());
        let pool = self.pool.clone();
        move || {
            let first = pool.spawn(|| ());
            first.and_then(move |()| {
                side.spawn(move || {
                    start.open();
                    end.pass();
                })
            })
        }
    }
}

/// A task that settles before the closure of `busy` has returned.
type Limit = (&'static str, fn(&Pool, Task<()>) -> Task<()>);

const LIMITS: &[Limit] = &[
    ("timeout", |_, busy| busy.timeout(SECOND)),
    ("a caught timeout", |_, busy| {
        busy.timeout(SECOND).catch(|_| ())
    }),
    ("timeout_or", |_, busy| busy.timeout_or(SECOND, ())),
    ("two limits", |_, busy| busy.timeout(SECOND).timeout(HOUR)),
    ("a limit that is over at once", |pool, busy| {
        let second = pool.delay(SECOND);
        second.and_then(move |()| busy.timeout(Duration::ZERO))
    }),
    ("what a caught timeout returns", |pool, busy| {
        let pool = pool.clone();
        busy.timeout(SECOND)
            .or_else(move |_| pool.delay(Duration::ZERO))
    }),
    ("a returned timeout", |pool, busy| {
        pool.attempt(move || busy.timeout(SECOND))
    }),
    ("a timeout that is returned twice", |pool, busy| {
        let own = pool.clone();
        let task = pool.attempt(move || own.attempt(move || busy.timeout(SECOND)));
        task.catch(|_| ())
    }),
    ("a cancel behind a limit", |pool, busy| {
        let limited = busy.timeout(HOUR);
        pool.delay(SECOND).and_then(move |()| {
            limited.cancel();
            limited
        })
    }),
    ("a cancel without a limit", |pool, busy| {
        pool.delay(SECOND).and_then(move |()| {
            busy.cancel();
            busy
        })
    }),
];

/// Calls `check` with each limit. It gets a function that returns once the limit has ended.
fn each_limit(check: impl Fn(&str, &Busy, Box<dyn FnOnce() -> Task<()> + Send>)) {
    for (name, limit) in LIMITS {
        println!("{name}");
        let busy = Busy::new();
        let (pool, task) = (busy.pool.clone(), busy.task());
        check(name, &busy, Box::new(move || limit(&pool, task())));
        busy.gate.open();
    }
}

impl Busy {
    fn end_the_limit(&self) {
        self.started.pass();
        self.clock.advance(SECOND);
    }
}

// Contract: X2, Q1
#[test]
fn a_job_keeps_its_place_while_what_it_has_returned_runs_on() {
    within(|| {
        each_limit(|name, busy, limited| {
            let queue = TaskQueue::builder().pool(&busy.pool).limit(1);
            let queue = queue.build().unwrap();
            let job = queue.attempt(limited);
            let next = queue.spawn(|| 7);
            busy.end_the_limit();
            assert!(job.is_settled(), "{name}");
            assert_eq!((queue.running(), queue.pending()), (1, 1), "{name}");
            busy.gate.open();
            assert_eq!(next.wait().unwrap(), 7, "{name}");
            let _ = job.wait();
        });
    });
}

// Contract: X2, F5
#[test]
fn an_element_keeps_its_place_while_what_it_has_returned_runs_on() {
    within(|| {
        each_limit(|name, busy, limited| {
            let calls = Count::default();
            let (counted, limited) = (calls.clone(), Mutex::new(Some(limited)));
            let whole = busy.pool.map_settled([0, 1], 1, move |_| {
                counted.add();
                let limited = limited.lock().unwrap().take();
                limited.map_or_else(|| Task::ready(()), |limited| limited())
            });
            busy.end_the_limit();
            assert_eq!(calls.get(), 1, "{name}");
            assert!(!whole.is_settled(), "{name}");
            busy.gate.open();
            assert_eq!(whole.wait().unwrap().len(), 2, "{name}");
            assert_eq!(calls.get(), 2, "{name}");
        });
    });
}

// Contract: X2, G1
#[test]
fn a_group_waits_while_what_a_task_has_returned_runs_on() {
    within(|| {
        each_limit(|name, busy, limited| {
            let pool = busy.pool.clone();
            let left = Count::default();
            let counted = left.clone();
            let group = busy.side.spawn(move || {
                let ended = Group::builder().pool(&pool).run(|g| {
                    g.attempt(limited).detach();
                });
                counted.add();
                ended.is_ok()
            });
            busy.end_the_limit();
            assert_eq!(left.get(), 0, "{name}");
            busy.gate.open();
            group.wait().unwrap();
        });
    });
}

// Contract: C1, X2
#[test]
fn a_limited_task_has_stopped_when_its_closure_has_returned() {
    within(|| {
        each_limit(|name, busy, limited| {
            let task = limited();
            let before = task.stopped();
            busy.end_the_limit();
            assert!(task.is_settled(), "{name}");
            let after = task.stopped();
            busy.clock.advance(Duration::ZERO);
            assert!(!before.is_settled() && !after.is_settled(), "{name}");
            busy.gate.open();
            before.wait().unwrap();
            after.wait().unwrap();
            let _ = task.wait();
        });
        // A cancel before the end of the limit.
        let busy = Busy::new();
        let task = busy.task()().timeout(HOUR);
        busy.started.pass();
        task.cancel();
        let stopped = task.stopped();
        busy.clock.advance(Duration::ZERO);
        assert!(!stopped.is_settled());
        busy.gate.open();
        stopped.wait().unwrap();
    });
}

// Contract: X2, Q3
#[test]
fn a_permit_may_be_kept_until_limited_work_has_stopped() {
    within(|| {
        let busy = Busy::new();
        let semaphore = Semaphore::with_pool(1, &busy.pool);
        let limited = busy.task();
        let task = semaphore.acquire(1).and_then(move |permit| {
            let task = limited().timeout(SECOND);
            task.finally_stopped(move || drop(permit))
        });
        busy.end_the_limit();
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(semaphore.available(), 0);
        let next = semaphore.acquire(1);
        busy.gate.open();
        drop(next.wait().unwrap());
    });
}

// Contract: X2
#[test]
fn a_job_keeps_its_place_when_a_token_has_called_off_what_it_has_returned() {
    within(|| {
        let busy = Busy::new();
        let queue = TaskQueue::builder().pool(&busy.pool).limit(1);
        let queue = queue.build().unwrap();
        let (token, side) = (CancelToken::new(), busy.side.clone());
        let (raised, start, end) = (token.clone(), busy.started.clone(), busy.gate.clone());
        let job = queue.attempt(move || {
            let builder = Task::<()>::builder().pool(&side).cancel_token(&raised);
            builder.spawn(move || {
                start.open();
                end.pass();
            })
        });
        let next = queue.spawn(|| 7);
        busy.started.pass();
        assert!(token.cancel());
        assert!(job.wait().unwrap_err().is_cancelled());
        assert_eq!((queue.running(), queue.pending()), (1, 1));
        busy.gate.open();
        assert_eq!(next.wait().unwrap(), 7);
    });
}

// Contract: X2, D2
#[test]
fn what_has_stopped_is_forgotten_in_a_long_line_of_limits() {
    fn round(pool: &Pool, left: u32) -> Task<u32> {
        let own = pool.clone();
        match left {
            0 => Task::ready(0),
            _ => {
                let late = pool.delay(HOUR).then(|()| 1);
                let late = late.timeout(Duration::from_millis(1));
                late.or_else(move |_| round(&own, left - 1))
            }
        }
    }
    within(|| {
        let (clock, pool) = virtual_pool();
        let task = round(&pool, 1_000);
        let stopped = task.stopped();
        clock.advance(HOUR);
        assert_eq!(task.wait().unwrap(), 0);
        stopped.wait().unwrap();
    });
}
