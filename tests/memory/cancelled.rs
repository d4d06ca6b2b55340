//! What is cancelled, unsubscribed or given up on.

use std::time::Duration;

use fast_async::{CancelToken, Resolver, SharedTask, Task, all, any, deferred};

use crate::support::isolated;
use crate::{ROUNDS, WAITS, one_thread, stays_small};

/// A task that is not settled while its resolver lives.
fn never() -> (Resolver<[u8; 64]>, SharedTask<[u8; 64]>) {
    let (resolver, task) = deferred();
    (resolver, task.share())
}

// Contract: C3, D6
// Case: 54
#[test]
fn cancelled_branches() {
    isolated("cancelled_branches", || {
        let (_resolver, never) = never();
        let captured = [1_u8; 256];
        stays_small(ROUNDS, || {
            let branch = never.then(move |value| value.len() + captured.len());
            branch.then(|n| n + 1).cancel();
        });
        // With one that stays, in front of all the others.
        let kept = never.then(|value| value.len());
        stays_small(ROUNDS, || {
            never.cloned().cancel();
        });
        kept.cancel();
    });
}

// Contract: C3
#[test]
fn cancelled_groups() {
    isolated("cancelled_groups", || {
        let (_resolver, never) = never();
        stays_small(ROUNDS, || {
            all((never.cloned(), never.then(|_| 1))).cancel();
        });
        // The losers of a race leave by themselves.
        stays_small(WAITS, || {
            let winner = any(vec![never.cloned(), Task::ready([0; 64])]);
            assert!(winner.wait().is_ok());
        });
    });
}

// Contract: C3
#[test]
fn cancelled_adopters() {
    isolated("cancelled_adopters", || {
        let (_resolver, never) = never();
        stays_small(ROUNDS, || {
            let (resolver, outer) = deferred();
            assert!(resolver.settle_with(never.cloned()).is_ok());
            outer.cancel();
        });
    });
}

// Contract: D6
#[test]
fn observers_that_leave() {
    isolated("observers_that_leave", || {
        let (_resolver, task) = deferred::<u32>();
        let captured = [1_u8; 256];
        stays_small(ROUNDS, || {
            let subscription = task.on_settled(move |_| assert_eq!(captured.len(), 256));
            assert!(subscription.unsubscribe());
        });
        task.cancel();
    });
}

// Contract: W2
#[test]
fn timed_waits_that_expire() {
    isolated("timed_waits_that_expire", || {
        let (_resolver, never) = never();
        stays_small(WAITS, || {
            assert!(never.wait_timeout(Duration::ZERO).is_none())
        });
        let (_resolver, task) = deferred::<u32>();
        let mut task = Some(task);
        stays_small(WAITS, || {
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
    isolated("tokens_of_tasks_that_are_done", || {
        let token = CancelToken::new();
        let pool = one_thread();
        let builder = Task::builder().pool(&pool).cancel_token(&token);
        stays_small(WAITS, || builder.clone().spawn(|| ()).wait().unwrap());
        stays_small(ROUNDS, || drop(token.child()));
        stays_small(ROUNDS, || drop(token.child().child()));
        let builder = Task::builder().pool(&pool);
        stays_small(WAITS, || {
            let builder = builder.clone().cancel_token(&token.child().child());
            builder.spawn(|| ()).wait().unwrap();
        });
        stays_small(ROUNDS, || assert!(token.on_cancel(|| ()).unregister()));
        assert!(!token.is_cancelled());
    });
}
