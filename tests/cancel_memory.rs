//! What is cancelled, unsubscribed or given up on leaves no memory behind in what lives on.
//!
//! Counts the bytes of the whole process, so the tests here run one at a time.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use fast_async::{CancelToken, Pool, SharedTask, Task, all, any, deferred};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{Gate, until, watched};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 10_000;
/// What lists and the harness may keep: less than five bytes a round. The least that a list keeps
/// of what it forgets to take out is a pointer.
const SLACK: isize = 48 << 10;

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

/// Does `round` many times; the memory in use must not grow with it.
#[track_caller]
fn stays_small(mut round: impl FnMut()) {
    for _ in 0..1_000 {
        round();
    }
    let before = live_bytes();
    for _ in 0..ROUNDS {
        round();
    }
    let grown = live_bytes() - before;
    assert!(grown < SLACK, "{grown} bytes more after {ROUNDS} rounds");
}

/// A task that is not settled while its resolver lives.
fn never() -> (fast_async::Resolver<[u8; 64]>, SharedTask<[u8; 64]>) {
    let (resolver, task) = deferred();
    (resolver, task.share())
}

// Contract: C3, D6
// Case: 54
#[test]
fn cancelled_branches() {
    let _alone = alone();
    watched(|| {
        let (_resolver, never) = never();
        let captured = [1_u8; 256];
        stays_small(|| {
            let branch = never.then(move |value| value.len() + captured.len());
            branch.then(|n| n + 1).cancel();
        });
        // With one that stays, in front of all the others.
        let kept = never.then(|value| value.len());
        stays_small(|| {
            never.cloned().cancel();
        });
        kept.cancel();
    });
}

// Contract: C3
#[test]
fn cancelled_groups() {
    let _alone = alone();
    watched(|| {
        let (_resolver, never) = never();
        stays_small(|| {
            all((never.cloned(), never.then(|_| 1))).cancel();
        });
        // The losers of a race leave by themselves.
        stays_small(|| {
            let winner = any(vec![never.cloned(), Task::ready([0; 64])]);
            assert!(winner.wait().is_ok());
        });
    });
}

// Contract: C3
#[test]
fn cancelled_adopters() {
    let _alone = alone();
    watched(|| {
        let (_resolver, never) = never();
        stays_small(|| {
            let (resolver, outer) = deferred();
            assert!(resolver.settle_with(never.cloned()).is_ok());
            outer.cancel();
        });
    });
}

// Contract: D6
#[test]
fn observers_that_leave() {
    let _alone = alone();
    watched(|| {
        let (_resolver, task) = deferred::<u32>();
        let captured = [1_u8; 256];
        stays_small(|| {
            let subscription = task.on_settled(move |_| assert_eq!(captured.len(), 256));
            assert!(subscription.unsubscribe());
        });
        task.cancel();
    });
}

// Contract: W2
#[test]
fn timed_waits_that_expire() {
    let _alone = alone();
    watched(|| {
        let (_resolver, never) = never();
        stays_small(|| assert!(never.wait_timeout(Duration::ZERO).is_none()));
        let (_resolver, task) = deferred::<u32>();
        let mut task = Some(task);
        stays_small(|| {
            task = task
                .take()
                .map(|task| task.wait_timeout(Duration::ZERO).unwrap_err());
        });
        task.unwrap().cancel();
    });
}

// Contract: C1
#[test]
fn tokens_of_tasks_that_are_done() {
    let _alone = alone();
    watched(|| {
        let token = CancelToken::new();
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let builder = Task::builder().pool(&pool).cancel_token(&token);
        stays_small(|| builder.clone().spawn(|| ()).wait().unwrap());
        stays_small(|| drop(token.child()));
        stays_small(|| drop(token.child().child()));
        let builder = Task::builder().pool(&pool);
        stays_small(|| {
            let builder = builder.clone().cancel_token(&token.child().child());
            builder.spawn(|| ()).wait().unwrap();
        });
        stays_small(|| assert!(token.on_cancel(|| ()).unregister()));
        assert!(!token.is_cancelled());
    });
}

// Contract: C1
#[test]
fn jobs_cancelled_in_a_queue_are_gone_when_it_moves_on() {
    let _alone = alone();
    watched(|| {
        let pool = Pool::builder().max_threads(1).build().unwrap();
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
        until(|| live_bytes() - before < SLACK);
    });
}
