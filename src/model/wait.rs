//! Threads that sleep until a task is settled, or for so long (Contract: W2, D7).

use std::sync::Arc;

use super::{Counter, explore, go, open};
use crate::cell::with;
use crate::sync::Duration;
use crate::{ErrorKind, Task, sync::Mutex};

#[test]
fn a_waiter_is_woken() {
    explore(&["woken"], || {
        let (resolver, task) = open();
        let settler = go(move || resolver.resolve(7).unwrap());
        assert_eq!(task.wait().unwrap(), 7);
        settler.join().unwrap();
        "woken"
    });
}

#[test]
fn a_waiter_comes_after_the_observers() {
    explore(&["woken"], || {
        let (resolver, task) = open();
        let seen = Counter::default();
        for _ in 0..2 {
            let calls = seen.clone();
            task.on_settled(move |_| calls.up());
        }
        let settler = go(move || resolver.resolve(7).unwrap());
        assert_eq!(task.wait().unwrap(), 7);
        assert_eq!(seen.get(), 2);
        settler.join().unwrap();
        "woken"
    });
}

#[test]
fn all_waiters_of_a_shared_task_are_woken() {
    explore(&["woken"], || {
        let (resolver, task) = open();
        let task = task.share();
        let other = task.clone();
        let settler = go(move || resolver.resolve(7).unwrap());
        let waiter = go(move || assert_eq!(other.wait().unwrap(), &7));
        assert_eq!(task.wait().unwrap(), &7);
        waiter.join().unwrap();
        settler.join().unwrap();
        "woken"
    });
}

#[test]
fn a_wait_that_times_out_leaves_no_trace() {
    explore(&["settled", "timed out"], || {
        let (resolver, task) = open();
        let settler = go(move || resolver.resolve(7).unwrap());
        let end = match task.wait_timeout(Duration::from_secs(1)) {
            Ok(outcome) => {
                assert_eq!(outcome.unwrap(), 7);
                "settled"
            }
            Err(task) => {
                let cell = task.cell().expect("a handle has a cell").clone();
                assert!(with(&*cell, |state, _| state.waiter.is_none()));
                assert_eq!(task.wait().unwrap(), 7);
                "timed out"
            }
        };
        settler.join().unwrap();
        end
    });
}

#[test]
fn a_wait_for_a_shared_task_that_times_out_leaves_no_trace() {
    explore(&["settled", "timed out"], || {
        let (resolver, task) = open();
        let cell = task.cell().expect("a handle has a cell").clone();
        let task = task.share();
        let settler = go(move || resolver.resolve(7).unwrap());
        let end = match task.wait_timeout(Duration::from_secs(1)) {
            Some(outcome) => {
                assert_eq!(outcome.unwrap(), &7);
                "settled"
            }
            None => "timed out",
        };
        settler.join().unwrap();
        let is_bare = with(&*cell, |state, _| {
            state.steps.is_empty() && state.waiter.is_none()
        });
        assert!(is_bare);
        assert_eq!(task.wait().unwrap(), &7);
        end
    });
}

/// Two threads run a task each, and each waits for the other's (Contract: W3).
#[test]
fn two_that_wait_for_each_other() {
    explore(&["the first returns", "the second returns"], || {
        let sleepers: Arc<[Mutex<Option<Task<usize>>>; 2]> = Arc::default();
        let mut resolvers = Vec::new();
        for place in 0..2 {
            let (resolver, task) = open::<usize>();
            let theirs = sleepers.clone();
            let told = task.then(move |_| {
                let other = theirs[1 - place].lock().take();
                other.is_some_and(|other| {
                    other.wait().map_err(|error| error.kind()) == Err(ErrorKind::Cycle)
                })
            });
            let told = told.share();
            let task = told.then(|told| usize::from(*told));
            *sleepers[place].lock() = Some(task);
            resolvers.push((resolver, told));
        }
        let (second, second_told) = resolvers.pop().unwrap();
        let (first, first_told) = resolvers.pop().unwrap();
        let other = go(move || second.resolve(2).unwrap());
        first.resolve(1).unwrap();
        other.join().unwrap();
        match (first_told.wait().unwrap(), second_told.wait().unwrap()) {
            (true, false) => "the first returns",
            (false, true) => "the second returns",
            other => panic!("{other:?}"),
        }
    });
}
