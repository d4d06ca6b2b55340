//! Queues of a pool: jobs that were done by other means, and room that was needed once.

use std::time::Duration;

use fast_async::Task;

use crate::bytes::live_bytes;
use crate::support::{Count, Gate, isolated};
use crate::{ROUNDS, comes_down_to, one_thread, stays_small};

// Contract: W1
#[test]
fn children_awaited_in_the_order_of_their_spawns() {
    isolated("children_awaited_in_the_order_of_their_spawns", || {
        for children in [4, 12, 40] {
            let pool = one_thread();
            let inner = pool.clone();
            let job = pool.spawn(move || {
                stays_small(40_000 / children, || {
                    let spawn = |n| inner.spawn(move || n);
                    let tasks: Vec<_> = (0..children).map(spawn).collect();
                    for (n, task) in tasks.into_iter().enumerate() {
                        assert_eq!(task.wait().unwrap(), n);
                    }
                });
            });
            job.wait().unwrap();
        }
    });
}

// Contract: W1
#[test]
fn children_awaited_in_no_order() {
    isolated("children_awaited_in_no_order", || {
        let pool = one_thread();
        let inner = pool.clone();
        let job = pool.spawn(move || {
            stays_small(1_000, || {
                let spawn = |n| inner.spawn(move || n);
                let mut tasks: Vec<_> = (0..40).map(spawn).collect();
                while !tasks.is_empty() {
                    let middle = tasks.len() / 2;
                    tasks.remove(middle).wait().unwrap();
                }
            });
        });
        job.wait().unwrap();
    });
}

// Contract: C3
#[test]
fn jobs_cancelled_in_the_queue_of_a_pool_that_is_held_up() {
    isolated(
        "jobs_cancelled_in_the_queue_of_a_pool_that_is_held_up",
        || {
            let pool = one_thread();
            let (begun, gate) = (Count::default(), Gate::default());
            let (counted, held) = (begun.clone(), gate.clone());
            let hold = move || {
                counted.add();
                held.pass();
            };
            pool.spawn(hold).detach();
            // A worker that comes later takes a batch of what follows into its own queue.
            begun.reach(1);
            let captured = [1_u8; 256];
            // One that stays, in front of all the others.
            let kept = pool.spawn(|| 1);
            stays_small(ROUNDS, || {
                pool.spawn(move || captured.len()).cancel();
            });
            // Continuations that were sent there.
            let source = Task::ready(0).share();
            stays_small(ROUNDS, || {
                source.cloned().on(&pool).then(|n| n + 1).cancel();
            });
            gate.open();
            assert_eq!(kept.wait().unwrap(), 1);
        },
    );
}

// Contract: C3
#[test]
fn jobs_cancelled_in_a_workers_own_queue() {
    isolated("jobs_cancelled_in_a_workers_own_queue", || {
        let pool = one_thread();
        let inner = pool.clone();
        let job = pool.spawn(move || {
            let captured = [1_u8; 256];
            stays_small(ROUNDS, || {
                inner.spawn(move || captured.len()).cancel();
            });
        });
        job.wait().unwrap();
    });
}

// Contract: C1
#[test]
fn a_long_queue_frees_memory_before_it_is_empty() {
    isolated("a_long_queue_frees_memory_before_it_is_empty", || {
        let pool = one_thread();
        let before = live_bytes();
        let (first, last) = (Gate::default(), Gate::default());
        let held = first.clone();
        pool.spawn(move || held.pass()).detach();
        let flood: Vec<_> = (0..100_000).map(|n| pool.spawn(move || n)).collect();
        let held = last.clone();
        pool.spawn(move || held.pass()).detach();
        // So many that the queue is not empty when the worker has taken its batch of them.
        let behind: Vec<_> = (0..300).map(|n| pool.spawn(move || n)).collect();
        first.open();
        for task in flood {
            task.wait().unwrap();
        }
        // Those behind are still there.
        comes_down_to(before + 300 * 256);
        last.open();
        for task in behind {
            task.wait().unwrap();
        }
    });
}

// Contract: C1
#[test]
fn jobs_cancelled_in_a_queue_are_removed_by_the_next_pop() {
    isolated(
        "jobs_cancelled_in_a_queue_are_removed_by_the_next_pop",
        || {
            let pool = one_thread();
            let flood = || {
                let gate = Gate::default();
                let held = gate.clone();
                pool.spawn(move || held.pass()).detach();
                let captured = [1_u8; 1024];
                for _ in 0..ROUNDS / 5 {
                    pool.spawn(move || captured.len()).cancel();
                }
                gate.open();
                assert!(pool.wait_idle(Duration::MAX));
            };
            // The queue keeps the room it once needed.
            flood();
            let before = live_bytes();
            for _ in 0..3 {
                flood();
            }
            comes_down_to(before);
        },
    );
}
