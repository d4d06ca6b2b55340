//! Two who settle one task (Contract: S1, S3).

use super::{Log, explore, go, open};
use crate::sync::Arc;
use crate::{CancelOutcome, ErrorKind, Resolver};

#[test]
fn one_winner() {
    explore(&["one", "other"], || {
        let (one, task) = open::<&str>();
        let cell = task.cell().expect("a handle has a cell").clone();
        let other = Resolver::<&str>::new(cell);
        let rival = go(move || other.resolve("other"));
        let mine = one.resolve("one");
        let theirs = rival.join().unwrap();
        let winner = match (mine, theirs) {
            (Ok(()), Err("other")) => "one",
            (Err("one"), Ok(())) => "other",
            both => panic!("the loser has its value back: {both:?}"),
        };
        assert_eq!(task.wait().unwrap(), winner);
        winner
    });
}

#[test]
fn a_resolver_that_goes_against_one_that_settles() {
    explore(&["value", "abandoned"], || {
        let (one, task) = open::<u8>();
        let cell = task.cell().expect("a handle has a cell").clone();
        let other = Resolver::<u8>::new(cell);
        let seen = Log::new();
        let log = seen.clone();
        task.on_settled(move |outcome| log.add(outcome.is_ok()));
        let rival = go(move || drop(other));
        let settled = one.resolve(7);
        rival.join().unwrap();
        let outcome = task.wait();
        assert_eq!(seen.take(), [settled.is_ok()]);
        match outcome {
            Ok(value) => {
                assert_eq!((value, settled), (7, Ok(())));
                "value"
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Abandoned);
                assert_eq!(settled, Err(7));
                "abandoned"
            }
        }
    });
}

#[test]
fn one_winner_among_clones_of_a_resolver() {
    explore(&["one", "other", "cancelled"], || {
        let (resolver, task) = open::<&str>();
        let one = resolver.shared();
        let other = one.clone();
        let rival = go(move || other.resolve("other"));
        let task = Arc::new(task);
        let target = task.clone();
        let canceller = go(move || target.cancel());
        let mine = one.resolve("one");
        let theirs = rival.join().unwrap();
        let cancelled = canceller.join().unwrap();
        let task = Arc::into_inner(task).expect("the other threads are gone");
        match (mine, theirs, task.wait()) {
            (Ok(()), Err("other"), Ok("one")) => "one",
            (Err("one"), Ok(()), Ok("other")) => "other",
            (_, _, Err(error)) => {
                assert!(error.is_cancelled() && cancelled != CancelOutcome::TooLate);
                "cancelled"
            }
            all => panic!("{all:?}"),
        }
    });
}

/// The one step runs once, on the pool's thread or on that of the call that came late, and never on
/// the settling one while that is settling.
#[test]
fn steps_left_to_the_pool_race_a_subscribe_and_a_cancel() {
    explore(&["value", "cancelled"], || {
        let (resolver, task) = open::<u8>();
        let resolver = resolver.on_pool();
        let seen = Log::new();
        let log = seen.clone();
        task.on_settled(move |outcome| log.add(outcome.is_ok()));
        let settler = go(move || resolver.resolve(7));
        let task = task.then(|n| n + 1);
        task.cancel();
        let settled = settler.join().unwrap();
        match task.wait() {
            Ok(value) => {
                assert_eq!((value, settled, seen.take()), (8, Ok(()), vec![true]));
                "value"
            }
            Err(error) => {
                assert!(error.is_cancelled());
                assert_eq!(seen.take().len(), 1);
                "cancelled"
            }
        }
    });
}
