//! Blocking for a task: inside other tasks, from many threads at once, with a time limit, for
//! oneself.

use std::cell::Cell;
use std::process::Command;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::{Count, Gate, pool_of, until, within};
use fast_async::{
    CancelToken, ErrorKind, Pool, SharedTask, Task, TaskError, all, attempt, deferred, spawn,
};

/// A task that waits for a task that waits for a task, `depth` times.
fn nested(pool: &Pool, depth: u32) -> Task<u32> {
    let own = pool.clone();
    pool.spawn(move || match depth {
        0 => 0,
        _ => nested(&own, depth - 1).wait().unwrap() + 1,
    })
}

// Contract: W1
// Case: 57
#[test]
fn a_thousand_nested_waits_at_one_thread() {
    within(|| {
        let pool = pool_of(1);
        assert_eq!(nested(&pool, 1_000).wait().unwrap(), 1_000);
        assert!(
            pool.metrics().peak_threads < 100,
            "awaited work runs on the waiter's stack, not on a thread for each wait: {:?}",
            pool.metrics()
        );
    });
}

// Contract: W1
#[test]
fn nested_waits_that_cross_two_pools_of_one_thread() {
    fn ping(here: &Pool, there: &Pool, depth: u32) -> Task<u32> {
        let (next, after) = (there.clone(), here.clone());
        here.spawn(move || match depth {
            0 => 0,
            _ => ping(&next, &after, depth - 1).wait().unwrap() + 1,
        })
    }
    within(|| {
        let (one, two) = (pool_of(1), pool_of(1));
        assert_eq!(ping(&one, &two, 200).wait().unwrap(), 200);
    });
}

// Contract: W1
#[test]
fn work_that_has_not_started_runs_on_the_thread_that_waits_for_it() {
    within(|| {
        let pool = pool_of(1);
        let own = pool.clone();
        let (outer, inner) = pool
            .spawn(move || {
                let inner = own.spawn(|| thread::current().id()).wait().unwrap();
                (thread::current().id(), inner)
            })
            .wait()
            .unwrap();
        assert_eq!(outer, inner);
    });
}

// Contract: W1
#[test]
fn a_cold_task_is_started_by_waiting_for_it_inside_a_task() {
    within(|| {
        let inner = pool_of(1).spawn(|| Task::new(|| 7).wait().unwrap());
        assert_eq!(inner.wait().unwrap(), 7);
    });
}

// Contract: W1
#[test]
fn a_worker_waits_below_forty_diamonds() {
    within(|| {
        let pool = pool_of(1);
        let (resolver, source) = deferred::<u64>();
        let mut shared = source.share();
        for _ in 0..40 {
            let both = (shared.then(|n| n + 1), shared.then(|n| n + 2));
            shared = all(both).then(|(one, two)| two.max(one)).share();
        }
        let (running, begun) = (Count::default(), Count::default());
        let (told, tail) = (running.clone(), shared.clone());
        let waits = pool.spawn(move || {
            told.add();
            tail.wait().copied().unwrap()
        });
        running.reach(1);
        // Another job's turn comes when the first has looked at all it waits for.
        let counted = begun.clone();
        pool.spawn(move || counted.add()).detach();
        begun.reach(1);
        resolver.resolve(1).unwrap();
        assert_eq!(waits.wait().unwrap(), 81);
    });
}

/// The sum of a tree of tasks whose inner nodes all wait for their children.
fn tree(pool: &Pool, width: usize, depth: u32) -> Task<usize> {
    let own = pool.clone();
    pool.spawn(move || {
        if depth == 0 {
            return 1;
        }
        let children: Vec<Task<usize>> = (0..width).map(|_| tree(&own, width, depth - 1)).collect();
        children
            .into_iter()
            .map(|child| child.wait().unwrap())
            .sum()
    })
}

// Contract: W1
#[test]
fn trees_of_tasks_that_wait_for_their_children() {
    within(|| {
        for max in [1, 2, 64] {
            let pool = pool_of(max);
            assert_eq!(tree(&pool, 4, 6).wait().unwrap(), 4096, "at {max} threads");
        }
    });
}

/// Every station of a ring fans out, waits for its fan, and then for its neighbour; the last one
/// waits for a task that the first one starts.
fn ring_of_fans(max_threads: usize, stations: usize) {
    let pool = pool_of(max_threads);
    let (close, closed) = deferred::<usize>();
    let mut next: SharedTask<usize> = closed.share();
    for station in 0..stations {
        let (own, neighbour) = (pool.clone(), next.clone());
        next = pool
            .spawn(move || {
                let fan: Vec<Task<usize>> = (0..8).map(|n| own.spawn(move || n)).collect();
                let sum: usize = fan.into_iter().map(|one| one.wait().unwrap()).sum();
                assert_eq!(sum, 28, "the fan of station {station}");
                *neighbour.wait().unwrap() + 1
            })
            .share();
    }
    let (own, neighbour) = (pool.clone(), next);
    let first = pool.spawn(move || {
        own.spawn(move || close.resolve(0).unwrap()).detach();
        *neighbour.wait().unwrap()
    });
    assert_eq!(first.wait().unwrap(), stations);
}

// Contract: W1
#[test]
fn a_cycle_of_fans_that_all_wait() {
    within(|| {
        for max in [1, 2, 8] {
            ring_of_fans(max, 40);
        }
    });
}

fn fib(pool: &Pool, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (left, right) = (pool.clone(), pool.clone());
    let left = pool.spawn(move || fib(&left, n - 1));
    let right = pool.spawn(move || fib(&right, n - 2));
    left.wait().unwrap() + right.wait().unwrap()
}

// Contract: W1
#[test]
fn naive_fib() {
    // Without optimisation the large one takes too long.
    let (n, expected) = if cfg!(debug_assertions) {
        (20, 6_765)
    } else {
        (25, 75_025)
    };
    within(move || {
        for max in [1, 2, 64] {
            let pool = pool_of(max);
            let own = pool.clone();
            let result = pool.spawn(move || fib(&own, n)).wait().unwrap();
            assert_eq!(result, expected, "at {max} threads");
        }
    });
}

// Contract: W1
#[test]
fn all_is_waited_for_inside_a_worker() {
    within(|| {
        let pool = pool_of(1);
        let own = pool.clone();
        let sum = pool.spawn(move || {
            let parts: Vec<Task<u32>> = (0..100)
                .map(|n| own.spawn(move || n).then(|n| n + 1))
                .collect();
            let pair = all((own.spawn(|| 1), own.spawn(|| 2)));
            let parts: u32 = all(parts).wait().unwrap().iter().sum();
            let (one, two) = pair.wait().unwrap();
            parts + one + two
        });
        assert_eq!(sum.wait().unwrap(), 5053);
    });
}

// Contract: W1
#[test]
fn waiting_for_a_task_that_only_an_unrelated_job_settles() {
    thread_local! {
        static WAITING: Cell<bool> = const { Cell::new(false) };
    }
    within(|| {
        let pool = pool_of(1);
        let own = pool.clone();
        let (resolver, task) = deferred::<bool>();
        let nested = pool
            .spawn(move || {
                // Queued before the wait, and not what is waited for: it must not run on this
                // stack.
                own.spawn(move || resolver.resolve(WAITING.get()).unwrap())
                    .detach();
                WAITING.set(true);
                let nested = task.wait().unwrap();
                WAITING.set(false);
                nested
            })
            .wait()
            .unwrap();
        assert!(!nested, "an unrelated job ran on the stack of a wait");
        let metrics = pool.metrics();
        assert!(
            metrics.spares > 0,
            "a thread must have stood in: {metrics:?}"
        );
    });
}

// Contract: W1
#[test]
fn a_timed_wait_on_the_only_worker_lets_another_take_its_place() {
    within(|| {
        let pool = pool_of(1);
        let own = pool.clone();
        let outer = pool.spawn(move || {
            own.spawn(|| 7)
                .wait_timeout(crate::support::limit())
                .expect("the pool has starved")
                .unwrap()
        });
        assert_eq!(outer.wait().unwrap(), 7);
    });
}

// Contract: W1
#[test]
fn waits_in_every_kind_of_callback_at_one_thread() {
    within(|| {
        let pool = pool_of(1);
        let start = |n: u32| {
            let own = pool.clone();
            move || own.spawn(move || n).wait().unwrap()
        };
        let seen = Count::default();
        let (then, and_then, catch, finally, handle, look) =
            (start(1), start(2), start(3), start(4), start(5), start(6));
        let in_observer = seen.clone();
        let task = pool
            .spawn(|| 10)
            .then(move |n| n + then())
            .and_then(move |n| Task::<u32>::failed(format!("{}", n + and_then())))
            .catch(move |error| {
                assert_eq!(error.kind(), ErrorKind::Failed);
                catch()
            })
            .finally(move || assert_eq!(finally(), 4));
        task.on_settled(move |_| {
            assert_eq!(look(), 6);
            in_observer.add();
        });
        let result = task.handle(move |outcome| outcome.unwrap() * 100 + handle());
        assert_eq!(result.wait().unwrap(), 305);
        assert_eq!(seen.get(), 1);
    });
}

// Contract: W1
// Case: 58
#[test]
fn a_continuation_waits_for_a_task_whose_continuation_is_on_its_own_work_list() {
    fn go() -> u32 {
        let (first, task) = deferred::<u32>();
        let (second, other) = deferred::<u32>();
        let other = other.then(|n| n + 1).and_then(|n| Ok(n * 10));
        let task = task.then(move |n| {
            // Settled here, so its `then` is on this thread's list, behind the closure that runs
            // now.
            second.resolve(n).unwrap();
            other.wait().unwrap()
        });
        first.resolve(4).unwrap();
        task.wait().unwrap()
    }
    within(|| {
        assert_eq!(go(), 50, "on a thread of no pool");
        assert_eq!(pool_of(1).spawn(go).wait().unwrap(), 50, "on a worker");
    });
}

// Contract: W1
#[test]
fn a_continuation_waits_for_a_branch_of_a_task_it_has_just_settled() {
    fn go() -> usize {
        let (first, task) = deferred::<()>();
        let (second, other) = deferred::<String>();
        let other = other.share();
        let branches: Vec<Task<usize>> = (0..10).map(|_| other.then(String::len)).collect();
        let task = task.then(move |()| {
            second.resolve("four".into()).unwrap();
            let lengths = branches.into_iter().map(|branch| branch.wait().unwrap());
            lengths.sum::<usize>() + other.wait().unwrap().len()
        });
        first.resolve(()).unwrap();
        task.wait().unwrap()
    }
    within(|| {
        assert_eq!(go(), 44, "on a thread of no pool");
        assert_eq!(pool_of(1).spawn(go).wait().unwrap(), 44, "on a worker");
    });
}

// Contract: W1, D8
#[test]
fn a_branch_waits_for_a_later_branch_of_the_same_task() {
    /// What the first branch got for the second, and how often the second one ran.
    fn go() -> (Result<u32, ErrorKind>, usize) {
        let (resolver, source) = deferred::<u32>();
        let source = source.share();
        let (hand_over, handed) = mpsc::channel::<Task<u32>>();
        let first = source.then(move |_| handed.recv().unwrap().wait().map_err(|e| e.kind()));
        let runs = Count::default();
        let counted = runs.clone();
        let second = source.then(move |n| {
            counted.add();
            n + 1
        });
        hand_over.send(second).unwrap();
        resolver.resolve(1).unwrap();
        (first.wait().unwrap(), runs.get())
    }
    within(|| {
        for (result, runs) in [go(), pool_of(1).spawn(go).wait().unwrap()] {
            assert_eq!(result, Ok(2));
            assert_eq!(runs, 1, "the second branch is the source's to run, once");
        }
    });
}

/// A task that gets a handle to itself after it was made, and the result of its wait for
/// `of(handle)`.
fn waits_for_itself<U: Send + 'static>(
    of: impl FnOnce(Task<()>) -> Task<U> + Send + 'static,
) -> ErrorKind {
    let (hand_over, handed) = mpsc::channel::<Task<()>>();
    let (tell, told) = mpsc::channel();
    let task = spawn(move || {
        let outcome = of(handed.recv().unwrap()).wait();
        tell.send(outcome.map(|_| ()).map_err(|e| e.kind()))
            .unwrap();
    });
    hand_over.send(task).unwrap();
    told.recv().unwrap().unwrap_err()
}

// Contract: W3
#[test]
fn waiting_for_oneself_fails_with_a_remedy() {
    const REMEDY: &str =
        "waits for itself (return the task or chain it with `and_then` instead of waiting for it)";
    within(|| {
        for share in [false, true] {
            let (hand_over, handed) = mpsc::channel::<Task<()>>();
            let (tell, told) = mpsc::channel();
            let task = spawn(move || {
                let me = handed.recv().unwrap();
                let error = match share {
                    false => me.wait().unwrap_err(),
                    true => me.share().wait().unwrap_err(),
                };
                tell.send(error.to_string()).unwrap();
            });
            hand_over.send(task).unwrap();
            let text = told.recv().unwrap();
            assert!(text.starts_with(REMEDY), "{text}");
        }
    });
}

// Contract: W3
#[test]
fn waiting_for_oneself() {
    within(|| {
        assert_eq!(waits_for_itself(|me| me), ErrorKind::Cycle);
        assert_eq!(waits_for_itself(|me| me.then(|()| 7)), ErrorKind::Cycle);
        assert_eq!(waits_for_itself(|me| me.finally(|| ())), ErrorKind::Cycle);
        assert_eq!(
            waits_for_itself(|me| me.share().then(|_| 7).then(|n| n + 1)),
            ErrorKind::Cycle,
            "through a branch"
        );
        assert_eq!(
            waits_for_itself(|me| all(vec![Task::ready(()), me])),
            ErrorKind::Cycle,
            "through one of many"
        );
        assert_eq!(
            waits_for_itself(|me| {
                let adopting = attempt(move || me);
                // Adopted before it is waited for, so that only the link is left to see.
                until(|| adopting.thread().is_some());
                adopting
            }),
            ErrorKind::Cycle,
            "through adoption"
        );
    });
}

/// Tasks that all run before each waits for the next one, which waits for the one after it, and so
/// on around. What each of them got.
fn wait_in_a_ring(
    length: usize,
    pool: &Pool,
    of: fn(Task<usize>) -> Task<usize>,
) -> Vec<Result<usize, ErrorKind>> {
    let running = Arc::new(Barrier::new(length));
    let (handles, seats): (Vec<_>, Vec<_>) = (0..length).map(|_| mpsc::channel()).unzip();
    let (tell, told) = mpsc::channel();
    let tasks: Vec<_> = seats
        .into_iter()
        .enumerate()
        .map(|(place, next): (usize, mpsc::Receiver<Task<usize>>)| {
            let (running, tell) = (running.clone(), tell.clone());
            pool.spawn(move || {
                let next = next.recv().unwrap();
                running.wait();
                let outcome = of(next).wait().map_err(|error| error.kind());
                tell.send(outcome).unwrap();
                place
            })
        })
        .collect();
    for (place, task) in tasks.into_iter().enumerate() {
        handles[(place + length - 1) % length].send(task).unwrap();
    }
    told.iter().take(length).collect()
}

// Contract: W3. The last wait fails, which frees the others.
#[test]
fn running_tasks_that_wait_for_each_other() {
    within(|| {
        let pool = pool_of(5);
        let links: [fn(Task<usize>) -> Task<usize>; 4] = [
            |task| task,
            |task| task.then(|n| n),
            |task| task.share().then(|n| *n),
            |task| all(vec![task, Task::ready(0)]).then(|values| values[0]),
        ];
        for length in [2, 5] {
            for of in links {
                for _ in 0..50 {
                    let outcomes = wait_in_a_ring(length, &pool, of);
                    let told = outcomes
                        .iter()
                        .filter(|outcome| **outcome == Err(ErrorKind::Cycle));
                    assert_eq!(told.count(), 1, "{outcomes:?}");
                    assert!(
                        outcomes.iter().all(
                            |outcome| !matches!(outcome, Err(kind) if *kind != ErrorKind::Cycle)
                        )
                    );
                }
            }
        }
    });
}

// Contract: W3
#[test]
fn waiting_for_oneself_in_a_continuation() {
    within(|| {
        let (hand_over, handed) = mpsc::channel::<Task<()>>();
        let (tell, told) = mpsc::channel();
        let (resolver, task) = deferred::<()>();
        let task = task.then(move |()| {
            let error = handed.recv().unwrap().wait().unwrap_err();
            tell.send(error.kind()).unwrap();
        });
        hand_over.send(task).unwrap();
        resolver.resolve(()).unwrap();
        assert_eq!(told.recv().unwrap(), ErrorKind::Cycle);
    });
}

// Contract: W3
#[test]
fn a_cycle_of_tasks_that_wait_for_each_other_on_one_thread() {
    within(|| {
        let pool = pool_of(1);
        const LENGTH: usize = 5;
        // Each task waits for the next; they are queued when the first one begins.
        let (send, receive): (Vec<_>, Vec<_>) =
            (0..LENGTH).map(|_| mpsc::channel::<Task<usize>>()).unzip();
        let kinds = Arc::new(Mutex::new(Vec::new()));
        let go = Gate::default();
        let held = go.clone();
        pool.spawn(move || held.pass()).detach();
        let tasks: Vec<Task<usize>> = receive
            .into_iter()
            .map(|next| {
                let kinds = kinds.clone();
                pool.spawn(move || match next.recv().unwrap().wait() {
                    Ok(n) => n + 1,
                    Err(error) => {
                        kinds.lock().unwrap().push(error.kind());
                        0
                    }
                })
            })
            .collect();
        for (position, task) in tasks.into_iter().enumerate() {
            send[(position + LENGTH - 1) % LENGTH].send(task).unwrap();
        }
        go.open();
        pool.wait_idle(Duration::MAX);
        assert_eq!(*kinds.lock().unwrap(), [ErrorKind::Cycle]);
    });
}

// Contract: W3
#[test]
fn a_task_that_another_thread_cancels_is_no_cycle() {
    within(|| {
        let pool = pool_of(1);
        let token = CancelToken::new();
        let (_resolver, inner) = deferred::<()>();
        let (in_finally, leave) = (Gate::default(), Gate::default());
        let (entered, left) = (in_finally.clone(), leave.clone());
        // Its closure runs on the only worker, which is free again afterwards.
        let task = Task::builder()
            .pool(&pool)
            .cancel_token(&token)
            .attempt(move || inner)
            .finally(move || {
                entered.open();
                left.pass();
            });
        pool.wait_idle(Duration::MAX);
        // This thread cancels it and stays in the middle of that.
        let canceller = thread::spawn(move || token.cancel());
        in_finally.pass();
        // The worker that once ran the closure now waits for the task.
        let waits = pool.spawn(move || task.wait().map_err(|error| error.kind()));
        until(|| pool.metrics().blocked == 1 || waits.is_settled());
        leave.open();
        assert_eq!(waits.wait().unwrap(), Err(ErrorKind::Cancelled));
        canceller.join().unwrap();
    });
}

// Contract: W2
// Case: 56
#[test]
fn many_waiters_on_a_shared_task() {
    within(|| {
        for _ in 0..50 {
            let (resolver, task) = deferred::<String>();
            let task = task.share();
            let ready = Arc::new(Barrier::new(9));
            let waiters: Vec<_> = (0..8)
                .map(|number| {
                    let (task, ready) = (task.clone(), ready.clone());
                    thread::spawn(move || {
                        ready.wait();
                        if number % 2 == 0 {
                            task.wait_timeout(crate::support::limit()).unwrap().unwrap();
                        }
                        // A second wait, on the settled task.
                        std::ptr::from_ref(task.wait().unwrap()) as usize
                    })
                })
                .collect();
            ready.wait();
            resolver.resolve("one value".into()).unwrap();
            let own = std::ptr::from_ref(task.wait().unwrap()) as usize;
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap(), own, "all borrow one value");
            }
        }
    });
}

// Contract: W1, W2
#[test]
fn many_tasks_wait_for_a_shared_task_at_one_thread() {
    within(|| {
        let pool = pool_of(1);
        let own = pool.clone();
        let (resolver, source) = deferred::<u32>();
        let source = source.share();
        let waiters: Vec<Task<u32>> = (0..100)
            .map(|_| {
                let source = source.clone();
                pool.spawn(move || *source.wait().unwrap())
            })
            .collect();
        // Last in the queue: all the others block before it runs.
        own.spawn(move || resolver.resolve(3).unwrap()).detach();
        assert_eq!(all(waiters).wait().unwrap().into_iter().sum::<u32>(), 300);
    });
}

// Contract: W2
// Case: 56
#[test]
fn a_wait_races_a_settle_without_a_lost_wake_up() {
    within(|| {
        let (hand_over, handed) = mpsc::channel::<fast_async::Resolver<u32>>();
        let settler = thread::spawn(move || {
            for (round, resolver) in handed.into_iter().enumerate() {
                for _ in 0..round % 97 {
                    std::hint::spin_loop();
                }
                resolver.resolve(7).unwrap();
            }
        });
        for round in 0..20_000_u32 {
            let (resolver, task) = deferred::<u32>();
            let task = if round % 3 == 0 {
                task.then(|n| n)
            } else {
                task
            };
            hand_over.send(resolver).unwrap();
            let n = match round % 4 {
                // Expires at any moment around the settle.
                0 => match task.wait_timeout(Duration::from_micros(u64::from(round % 50))) {
                    Ok(outcome) => outcome,
                    Err(task) => task.wait(),
                },
                1 => task.share().wait().copied(),
                2 => {
                    let task = task.share();
                    let early = task.wait_timeout(Duration::from_micros(u64::from(round % 50)));
                    early.unwrap_or_else(|| task.wait()).copied()
                }
                _ => task.wait(),
            };
            assert_eq!(n.unwrap(), 7);
        }
        drop(hand_over);
        settler.join().unwrap();
    });
}

// Contract: W2
// Case: 56
#[test]
fn a_timed_wait_that_expires_returns_the_task_unchanged() {
    within(|| {
        let (resolver, mut task) = deferred::<u32>();
        for _ in 0..100 {
            task = task.wait_timeout(Duration::from_micros(1)).unwrap_err();
            task = task.try_wait().unwrap_err();
            assert!(!task.is_settled());
        }
        let observed = Count::default();
        let seen = observed.clone();
        task.on_settled(move |_| seen.add());
        task = task.wait_timeout(Duration::ZERO).unwrap_err();
        resolver.resolve(5).unwrap();
        assert_eq!(observed.get(), 1);
        assert_eq!(task.wait_timeout(Duration::MAX).unwrap().unwrap(), 5);

        let (resolver, task) = deferred::<u32>();
        let task = task.share();
        for _ in 0..100 {
            assert!(task.wait_timeout(Duration::from_micros(1)).is_none());
            assert!(task.try_wait().is_none());
        }
        resolver.resolve(6).unwrap();
        assert_eq!(task.wait_timeout(Duration::MAX).unwrap().unwrap(), &6);
        assert_eq!(task.try_wait().unwrap().unwrap(), &6);
    });
}

// Contract: W2
#[test]
fn every_kind_of_failure_wakes_the_waiter() {
    fn outcome_of(start: impl FnOnce(Gate) -> Task<u32>) -> TaskError {
        let gate = Gate::default();
        let task = start(gate.clone());
        let waiter = thread::spawn(move || task.wait());
        gate.open();
        waiter.join().unwrap().unwrap_err()
    }
    within(|| {
        let panicked = outcome_of(|gate| {
            spawn(move || {
                gate.pass();
                panic!("boom")
            })
        });
        assert_eq!(panicked.kind(), ErrorKind::Panicked);
        let failed = outcome_of(|gate| {
            attempt(move || {
                gate.pass();
                Err("no".into())
            })
        });
        assert_eq!(failed.kind(), ErrorKind::Failed);
        let abandoned = outcome_of(|gate| {
            let (resolver, task) = deferred();
            thread::spawn(move || {
                gate.pass();
                drop(resolver);
            });
            task
        });
        assert_eq!(abandoned.kind(), ErrorKind::Abandoned);
        let cancelled = outcome_of(|gate| {
            let token = CancelToken::new();
            let task = Task::builder().cancel_token(&token).spawn(|| {
                thread::park();
                0
            });
            thread::spawn(move || {
                gate.pass();
                token.cancel();
            });
            task
        });
        assert_eq!(cancelled.kind(), ErrorKind::Cancelled);
    });
}

// Contract: W1
#[test]
fn a_job_next_to_an_awaited_one_is_run() {
    within(|| {
        for _ in 0..50 {
            let pool = Pool::builder().core_threads(4).build().unwrap();
            let own = pool.clone();
            let task = pool.spawn(move || {
                let (tell, told) = mpsc::channel();
                let beside = own.spawn(move || tell.send(7).unwrap());
                own.spawn(|| ()).wait().unwrap();
                // The pool does not know that this blocks.
                let got = told.recv().unwrap();
                beside.wait().unwrap();
                got
            });
            assert_eq!(task.wait().unwrap(), 7);
        }
    });
}

// Contract: W1, D2
#[test]
fn callbacks_that_each_wait_for_the_next_need_no_deep_stack() {
    const N: usize = 3_000;
    within(|| {
        let (start, started) = deferred::<()>();
        let mut resolvers = Vec::new();
        let mut next: Option<Task<usize>> = None;
        for _ in 0..N {
            let (resolver, task) = deferred::<()>();
            resolvers.push(resolver);
            let last = next.take();
            next = Some(task.then(move |()| 1 + last.map_or(0, |last| last.wait().unwrap())));
        }
        let first = started.then(move |()| {
            for resolver in resolvers.into_iter().rev() {
                resolver.resolve(()).unwrap();
            }
        });
        start.resolve(()).unwrap();
        first.wait().unwrap();
        assert_eq!(next.unwrap().wait().unwrap(), N);
    });
}

/// Nanoseconds on a processor so far, of the thread with this directory.
#[cfg(target_os = "linux")]
fn cpu_time(thread: &std::path::Path) -> Option<u64> {
    let stat = std::fs::read_to_string(thread.join("schedstat")).ok()?;
    stat.split(' ').next()?.parse().ok()
}

// Contract: W4
#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_waits_long_sleeps() {
    within(|| {
        let pool = Pool::builder()
            .name("sleepy")
            .max_threads(4)
            .build()
            .unwrap();
        let span = Duration::from_millis(400);
        // The wait itself is measured; the task never settles.
        let (_resolver, never) = deferred::<()>();
        let wait = |shared: SharedTask<()>| {
            move || {
                let me = std::path::Path::new("/proc/thread-self");
                let before = cpu_time(me);
                shared.wait_timeout(span);
                Some(cpu_time(me)? - before?)
            }
        };
        let never = never.share();
        let on_worker = pool.spawn(wait(never.clone()));
        let outside = wait(never.clone())();
        let on_worker = on_worker.wait().unwrap();
        let (Some(outside), Some(on_worker)) = (outside, on_worker) else {
            eprintln!("skipped: the system does not tell a thread's processor time");
            return;
        };
        for spent in [outside, on_worker] {
            let spent = Duration::from_nanos(spent);
            assert!(spent < span / 50, "{spent:?} of processor time in {span:?}");
        }
        // Idle workers do not look around all the time either.
        let idle: Vec<_> = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .map(|task| task.unwrap().path())
            .filter(|task| {
                std::fs::read_to_string(task.join("comm"))
                    .is_ok_and(|name| name.starts_with("sleepy-"))
            })
            .collect();
        assert!(!idle.is_empty());
        let spent = || idle.iter().filter_map(|task| cpu_time(task)).sum::<u64>();
        let before = spent();
        assert!(never.wait_timeout(span).is_none());
        let spent = Duration::from_nanos(spent().saturating_sub(before));
        assert!(spent < span / 50, "{spent:?} of idle threads in {span:?}");
        // Nor does the one that watches a backlog about which nothing can be done.
        let gate = Gate::default();
        let jammed = Pool::builder()
            .name("jammed")
            .max_threads(1)
            .build()
            .unwrap();
        for _ in 0..2 {
            let held = gate.clone();
            jammed.spawn(move || held.pass()).detach();
        }
        let watching = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let mut tasks = tasks.map(|task| task.unwrap().path());
            tasks.find(|task| {
                std::fs::read_to_string(task.join("comm"))
                    .is_ok_and(|name| name.starts_with("jammed-moni"))
            })
        };
        until(|| watching().is_some());
        let monitor = watching().unwrap();
        let before = cpu_time(&monitor).unwrap();
        assert!(never.wait_timeout(span).is_none());
        let spent = Duration::from_nanos(cpu_time(&monitor).unwrap() - before);
        assert!(spent < span / 50, "{spent:?} of the monitor in {span:?}");
        gate.open();
    });
}

/// What `.ci/extended hangs` looks for: a check that never sees a hang proves nothing.
#[ignore = "it hangs"]
#[test]
fn a_wait_that_never_ends() {
    let (_resolver, task) = deferred::<()>();
    assert!(task.wait().is_ok());
}

// Contract: W4
#[cfg(target_os = "linux")]
#[test]
fn everything_here_on_one_cpu() {
    const NAME: &str = "wait::everything_here_on_one_cpu";
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let Some(cpu) = allowed.and_then(|list| list.trim().split([',', '-']).next()) else {
        eprintln!("skipped: the system does not name its processors");
        return;
    };
    let pinned = Command::new("taskset")
        .args(["-c", cpu])
        .arg(std::env::current_exe().unwrap())
        .args(["wait::", "--skip", NAME])
        .output();
    let Ok(output) = pinned else {
        eprintln!("skipped: there is no `taskset`");
        return;
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("test result: ok"),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
