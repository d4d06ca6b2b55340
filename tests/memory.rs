//! What is over leaves no memory behind in queues, subscriptions and tokens that live on.
//!
//! Counts the bytes of the whole process, so the tests here run one at a time.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard};

use fast_async::{CancelToken, Pool, Subscription, Task, deferred};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{Gate, until, watched};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What lists and the harness may keep.
const SLACK: isize = 256 << 10;

fn live_bytes() -> isize {
    let stats = ALLOCATOR.stats();
    isize::try_from(stats.bytes_allocated).unwrap()
        - isize::try_from(stats.bytes_deallocated).unwrap()
}

fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|broken| broken.into_inner())
}

/// Does `round` so many times; the memory in use must not grow with it.
#[track_caller]
fn stays_small(rounds: usize, mut round: impl FnMut()) {
    for _ in 0..rounds / 20 {
        round();
    }
    let before = live_bytes();
    for _ in 0..rounds {
        round();
    }
    let grown = live_bytes() - before;
    assert!(grown < SLACK, "{grown} bytes more after {rounds} rounds");
}

fn one_thread() -> Pool {
    Pool::builder().max_threads(1).build().unwrap()
}

// Contract: W1
#[test]
fn children_awaited_in_the_order_of_their_spawns() {
    let _alone = alone();
    for children in [4, 12, 40] {
        watched(move || {
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
        });
    }
}

// Contract: W1
#[test]
fn children_awaited_in_no_order() {
    let _alone = alone();
    watched(|| {
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
    let _alone = alone();
    watched(|| {
        let pool = one_thread();
        let gate = Gate::default();
        let held = gate.clone();
        pool.spawn(move || held.pass()).detach();
        let captured = [1_u8; 256];
        // One that stays, in front of all the others.
        let kept = pool.spawn(|| 1);
        stays_small(20_000, || {
            pool.spawn(move || captured.len()).cancel();
        });
        // Continuations that were sent there.
        let source = Task::ready(0).share();
        stays_small(20_000, || {
            source.cloned().on(&pool).then(|n| n + 1).cancel();
        });
        gate.open();
        assert_eq!(kept.wait().unwrap(), 1);
    });
}

// Contract: C3
#[test]
fn jobs_cancelled_in_a_workers_own_queue() {
    let _alone = alone();
    watched(|| {
        let pool = one_thread();
        let inner = pool.clone();
        let job = pool.spawn(move || {
            let captured = [1_u8; 256];
            stays_small(20_000, || {
                inner.spawn(move || captured.len()).cancel();
            });
        });
        job.wait().unwrap();
    });
}

// Contract: C1
#[test]
fn a_queue_that_was_long_gives_its_room_back_before_it_is_empty() {
    let _alone = alone();
    watched(|| {
        let pool = one_thread();
        let before = live_bytes();
        let (first, last) = (Gate::default(), Gate::default());
        let held = first.clone();
        pool.spawn(move || held.pass()).detach();
        let flood: Vec<_> = (0..100_000).map(|n| pool.spawn(move || n)).collect();
        let held = last.clone();
        pool.spawn(move || held.pass()).detach();
        let behind: Vec<_> = (0..300).map(|n| pool.spawn(move || n)).collect();
        first.open();
        for task in flood {
            task.wait().unwrap();
        }
        until(|| live_bytes() - before < SLACK);
        last.open();
        for task in behind {
            task.wait().unwrap();
        }
    });
}

/// A subscription to a task that is gone.
fn to_what_is_gone<T: Send + 'static>(value: T) -> Subscription {
    let (resolver, task) = deferred::<T>();
    let subscription = task.on_settled(|_| ());
    assert!(resolver.resolve(value).is_ok());
    drop(task.wait());
    subscription
}

#[test]
fn subscriptions_to_tasks_that_are_gone() {
    let _alone = alone();
    watched(|| {
        let before = live_bytes();
        let mut kept = Vec::new();
        for _ in 0..100 {
            kept.push(to_what_is_gone(Box::new([0_u8; 1 << 20])));
        }
        for _ in 0..100 {
            kept.push(to_what_is_gone([0_u8; 16 << 10]));
            let (resolver, task) = deferred::<[u8; 16 << 10]>();
            kept.push(task.on_settled(|_| ()));
            task.cancel();
            drop(resolver);
            // A closure that captures much.
            let captured = [0_u8; 16 << 10];
            let task = Task::new(move || captured.len());
            kept.push(task.on_settled(|_| ()));
            task.wait().unwrap();
            let shared = Task::ready([0_u8; 16 << 10]).share();
            kept.push(shared.on_settled(|_| ()));
            shared.wait().unwrap();
        }
        until(|| live_bytes() - before < SLACK);
        assert!(kept.into_iter().all(|it| !it.unsubscribe()));
    });
}

// Contract: D6
#[test]
fn a_subscription_to_a_large_value_can_be_ended() {
    let _alone = alone();
    watched(|| {
        let (resolver, task) = deferred::<[u8; 16 << 10]>();
        let subscription = task.on_settled(|_| panic!("never called"));
        let (tell, told) = std::sync::mpsc::channel();
        task.on_settled(move |value| tell.send(value.unwrap()[0]).unwrap());
        assert!(subscription.unsubscribe());
        assert!(resolver.resolve([7; 16 << 10]).is_ok());
        assert_eq!(told.recv().unwrap(), 7);
        assert_eq!(task.wait().unwrap()[0], 7);
    });
}

// Contract: C1
#[test]
fn tokens_that_were_many() {
    let _alone = alone();
    watched(|| {
        let token = CancelToken::new();
        let before = live_bytes();
        let children: Vec<_> = (0..100_000).map(|_| token.child()).collect();
        let one = children[500].clone();
        drop(children);
        let grown = live_bytes() - before;
        assert!(grown < SLACK, "{grown} bytes are held");
        // A line of them that goes from its end, with branches.
        let mut line = token.child();
        for _ in 0..50_000 {
            let branch = line.child();
            line = line.child();
            drop(branch);
        }
        drop(line);
        let grown = live_bytes() - before;
        assert!(grown < SLACK, "{grown} bytes are held");
        token.cancel();
        assert!(one.is_cancelled());
    });
}

// Contract: D4
#[test]
fn a_thread_that_has_settled_many_at_once() {
    let _alone = alone();
    watched(|| {
        let before = live_bytes();
        let (first, task) = deferred::<()>();
        let others: Vec<_> = (0..100_000).map(|_| deferred::<()>()).collect();
        let (resolvers, tasks): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        for task in tasks {
            task.on_settled(|_| ());
        }
        task.then(move |()| {
            for resolver in resolvers {
                let _ = resolver.resolve(());
            }
        })
        .detach();
        first.resolve(()).unwrap();
        let grown = live_bytes() - before;
        assert!(grown < SLACK, "{grown} bytes are held by an idle thread");
    });
}
