//! What runs on the stack of a thread that waits: the awaited task alone, where there is room and
//! nothing forbids it.

use std::cell::RefCell;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use fast_async::{Pool, Task, TaskError, deferred, spawn};

use super::pool_of;
use crate::support::{OnDrop, expected, isolated, within};

/// A frame of 64 KiB, and a wait for the next.
fn frames(n: u32) -> u32 {
    let frame = [n as u8; 64 << 10];
    black_box(&frame);
    let below = match n {
        0 => 0,
        _ => 1 + spawn(move || frames(n - 1)).wait().unwrap(),
    };
    black_box(&frame);
    below
}

// Contract: W1
#[test]
fn waits_nest_with_frames_of_any_size() {
    isolated("waits_nest_with_frames_of_any_size", || {
        assert_eq!(spawn(|| frames(100)).wait().unwrap(), 100);
    });
}

// Contract: W1
#[test]
fn a_task_finds_three_quarters_of_its_stack() {
    const STACK: usize = 1 << 20;
    /// Uses up some stack.
    fn use_up(bytes: usize) {
        let frame = [1_u8; 16 << 10];
        black_box(&frame);
        if bytes > frame.len() {
            use_up(bytes - frame.len());
        }
        black_box(&frame);
    }
    fn nest(pool: &Pool, depth: u32) {
        let frame = [depth as u8; 8 << 10];
        black_box(&frame);
        // As much as a task may rely on, but for the frames of the crate itself.
        use_up(STACK / 4 * 3 - (64 << 10));
        if depth > 0 {
            let own = pool.clone();
            pool.spawn(move || nest(&own, depth - 1)).wait().unwrap();
        }
        black_box(&frame);
    }
    isolated("a_task_finds_three_quarters_of_its_stack", || {
        let pool = Pool::builder().max_threads(1).stack_size(STACK);
        let pool = pool.build().unwrap();
        let own = pool.clone();
        pool.spawn(move || nest(&own, 300)).wait().unwrap();
    });
}

thread_local! {
    static BORROWED: RefCell<u32> = const { RefCell::new(0) };
}

/// Borrows a thread-local while `wait` waits for a task that borrows it too.
fn borrow_and(
    pool: &Pool,
    wait: fn(Task<()>) -> Result<(), TaskError>,
) -> Result<Result<(), TaskError>, TaskError> {
    let own = pool.clone();
    let outer = pool.spawn(move || {
        BORROWED.with(|mine| {
            let _borrowed = mine.borrow_mut();
            wait(own.spawn(|| {
                BORROWED.with(|theirs| match theirs.try_borrow_mut() {
                    Ok(mut theirs) => *theirs += 1,
                    Err(_) => expected("it runs inside the other"),
                });
            }))
        })
    });
    outer.wait()
}

// Contract: W1
#[test]
fn a_thread_local_may_be_borrowed_over_a_wait_that_parks() {
    within(|| {
        for _ in 0..20 {
            let pool = pool_of(1);
            borrow_and(&pool, Task::wait_parked).unwrap().unwrap();
            borrow_and(&pool, |task| task.share().wait_parked().copied())
                .unwrap()
                .unwrap();
            borrow_and(&pool, |task| {
                let without_end = std::time::Duration::MAX;
                task.wait_timeout(without_end).map_err(drop).unwrap()
            })
            .unwrap()
            .unwrap();
        }
    });
}

// Contract: W1
#[test]
fn a_thread_local_may_be_borrowed_over_any_wait_of_a_pool_that_says_so() {
    within(|| {
        for _ in 0..20 {
            let pool = Pool::builder().max_threads(1).inline_waits(false);
            let pool = pool.build().unwrap();
            borrow_and(&pool, Task::wait).unwrap().unwrap();
            borrow_and(&pool, |task| task.share().wait().copied())
                .unwrap()
                .unwrap();
            borrow_and(&pool, |task| fast_async::await_all(vec![task]).map(drop))
                .unwrap()
                .unwrap();
        }
    });
}

// Contract: W1. As its documentation says: at one thread, a lone task that has not started runs
// here.
#[test]
fn a_wait_may_run_the_task_on_the_calling_thread() {
    within(|| {
        let pool = pool_of(1);
        let failure = borrow_and(&pool, Task::wait).unwrap().unwrap_err();
        assert!(
            failure.to_string().contains("inside the other"),
            "{failure}"
        );
    });
}

// Contract: W1
#[test]
fn no_task_runs_on_a_thread_that_unwinds() {
    within(|| {
        let pool = pool_of(1);
        let (tell, told) = std::sync::mpsc::channel();
        let own = pool.clone();
        let task: Task<()> = pool.spawn(move || {
            let _guard = OnDrop::new(move |_| {
                let ready = Task::ready(1).share();
                let tasks = [
                    own.spawn(thread::panicking),
                    own.spawn(|| ()).then(|()| thread::panicking()),
                    ready.then(|_| thread::panicking()),
                    Task::new(thread::panicking),
                    fast_async::all(vec![own.spawn(thread::panicking)]).then(|all| all[0]),
                ];
                for task in tasks {
                    tell.send(task.wait().unwrap()).unwrap();
                }
            });
            expected("the guard is dropped while this unwinds");
        });
        task.wait().unwrap_err();
        assert_eq!(told.iter().collect::<Vec<_>>(), [false; 5]);
    });
}

// Contract: W1, S3. Settling is no wait, but it starts the work of other tasks too.
#[test]
fn no_continuation_runs_on_a_thread_that_unwinds() {
    within(|| {
        for resolves in [false, true] {
            let (resolver, task) = deferred::<u32>();
            let found = task.handle(|_| thread::panicking());
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let _guard = OnDrop::new(move |_| {
                    if resolves {
                        resolver.resolve(1).unwrap();
                    }
                });
                expected("the resolver goes while this unwinds");
            }));
            assert!(unwound.is_err());
            assert!(!found.wait().unwrap());
        }
    });
}
