//! Two who settle one task (Contract: S1, S3).

use super::{Log, explore, go, open};
use crate::{ErrorKind, Resolver};

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
