//! A cancel against whoever settles or runs the task (Contract: C1, D6, S1).

use super::{Counted, Counter, explore, go, open};
use crate::cell::node::{Node, Returned};
use crate::cell::state::Phase;
use crate::cell::{About, Cell};
use crate::error::At;
use crate::executor::Runnable;
use crate::sync::Arc;
use crate::{CancelOutcome, Task};

#[test]
fn a_cancel_or_a_value_but_not_both() {
    explore(10, || {
        let (resolver, task) = open();
        let (seen, ran, dropped) = (Counter::default(), Counter::default(), Counter::default());
        let calls = seen.clone();
        task.on_settled(move |_| calls.up());
        let (calls, captured) = (ran.clone(), Counted(dropped.clone()));
        let task = task.then(move |n: u32| {
            let _captured = captured;
            calls.up();
            n + 1
        });
        let settler = go(move || resolver.resolve(6));
        let cancelled = task.cancel();
        let settled = settler.join().unwrap();
        match task.wait() {
            Ok(value) => {
                assert_eq!(
                    (value, cancelled, ran.get()),
                    (7, CancelOutcome::TooLate, 1)
                );
                assert!(settled.is_ok());
            }
            Err(error) => {
                assert!(error.is_cancelled());
                assert_ne!(cancelled, CancelOutcome::TooLate);
                // In between the closure may run, but nobody gets what it returns.
                assert!(settled.is_ok() || ran.get() == 0);
            }
        }
        assert_eq!((seen.get(), dropped.get()), (1, 1));
    });
}

#[test]
fn two_cancels_are_one() {
    explore(10, || {
        let (resolver, task) = open::<u8>();
        let task = Arc::new(task);
        let seen = Counter::default();
        let calls = seen.clone();
        task.on_settled(move |_| calls.up());
        let other = task.clone();
        let rival = go(move || other.cancel());
        let mine = task.cancel();
        let outcomes = [mine, rival.join().unwrap()];
        let took_it = outcomes
            .iter()
            .filter(|outcome| **outcome == CancelOutcome::Prevented);
        assert_eq!(took_it.count(), 1, "{outcomes:?}");
        assert_eq!(seen.get(), 1);
        assert!(resolver.resolve(7).is_err());
    });
}

/// A task whose closure a thread of the model runs as a worker would: without a pool.
#[test]
fn a_closure_that_is_cancelled_before_its_turn_never_runs() {
    explore(10, || {
        let (ran, captured, returned) =
            (Counter::default(), Counter::default(), Counter::default());
        let (calls, own, value) = (ran.clone(), Counted(captured.clone()), returned.clone());
        let work = move |_: &At<'_>| {
            let _own = own;
            calls.up();
            Returned::Outcome(Ok(Counted(value)))
        };
        let node = Node::new(About::here(), Phase::Queued, work);
        let task = Task::<Counted>::from_cell(node.clone() as Arc<dyn Cell>);
        let worker = go(move || node.run());
        let cancelled = task.cancel();
        let dropped_at_once = captured.get();
        worker.join().unwrap();
        let outcome = task.wait();
        match cancelled {
            CancelOutcome::Prevented => {
                assert_eq!((ran.get(), dropped_at_once, returned.get()), (0, 1, 0));
                assert!(outcome.is_err());
            }
            CancelOutcome::Signalled => {
                assert_eq!((ran.get(), returned.get()), (1, 1));
                assert!(outcome.is_err());
            }
            CancelOutcome::TooLate => {
                assert_eq!((ran.get(), returned.get()), (1, 0));
                assert!(outcome.is_ok());
            }
        }
        drop(outcome);
        assert_eq!((captured.get(), returned.get()), (1, ran.get()));
    });
}
