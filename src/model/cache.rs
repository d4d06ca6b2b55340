//! A cache whose callers come and leave while a load ends (Contract: H1, H2).

use super::pool::pool;
use super::{Counter, explore, go, open};
use crate::task::Flight;
use crate::{BoxError, Memo};

/// The last consumer leaves and another one comes: it has a part in the load, or it finds that the
/// load is cancelled. It is never left with a load that is cancelled under it.
#[test]
fn a_newcomer_joins_a_load_or_finds_it_cancelled() {
    explore(&["joined", "cancelled"], || {
        let (resolver, task) = open::<u8>();
        let last = task.share();
        let flight = Flight::of(&last);
        let canceller = go(move || last.cancel());
        let joined = flight.join();
        canceller.join().unwrap();
        match joined {
            Some(task) => {
                resolver.resolve(7).expect("the newcomer wants it");
                assert_eq!(task.wait().unwrap(), &7);
                "joined"
            }
            None => {
                assert!(!resolver.is_wanted() && flight.is_lost());
                "cancelled"
            }
        }
    });
}

/// The same while the load ends by itself.
#[test]
fn a_newcomer_gets_the_value_that_the_last_consumer_leaves() {
    explore(&["joined", "cancelled"], || {
        let (resolver, task) = open::<u8>();
        let last = task.share();
        let flight = Flight::of(&last);
        let canceller = go(move || last.cancel());
        let settler = go(move || resolver.resolve(7).is_ok());
        let joined = flight.join();
        let end = match joined {
            Some(task) => {
                assert_eq!(task.wait().unwrap(), &7);
                "joined"
            }
            None => "cancelled",
        };
        canceller.join().unwrap();
        settler.join().unwrap();
        end
    });
}

/// Through the cache: a newcomer always gets a value.
#[test]
fn a_newcomer_starts_afresh_or_joins() {
    explore(&["joined", "afresh"], || {
        let pool = pool(1, 1);
        let loads = Counter::default();
        let count = loads.clone();
        let memo = Memo::new(move |n: &u8| {
            count.up();
            Ok(*n)
        });
        let memo = memo.pool(&pool);
        let last = memo.get(7);
        let own = memo.clone();
        let newcomer = go(move || *own.get(7).wait().unwrap());
        let _ = last.cancel();
        assert_eq!(newcomer.join().unwrap(), 7);
        assert_eq!(memo.len(), 1);
        match loads.get() {
            1 => "joined",
            2 => "afresh",
            loads => panic!("{loads} loads"),
        }
    });
}

/// The second load fails. If the end of the first one is taken for its own, it is kept.
#[test]
fn the_end_of_a_forgotten_load_meets_the_next_one() {
    explore(&["under way", "ended"], || {
        let pool = pool(1, 1);
        let loads = Counter::default();
        let memo = Memo::new(move |_: &u8| {
            loads.up();
            match loads.get() {
                2 => Err(BoxError::from("no")),
                load => Ok(load),
            }
        });
        let memo = memo.pool(&pool);
        let first = memo.get(7);
        let had_ended = first.is_settled();
        assert!(memo.forget(&7));
        let second = memo.get(7);
        assert_eq!(first.wait().unwrap(), &1);
        assert!(second.wait().is_err());
        assert_eq!(memo.get(7).wait().unwrap(), &3);
        match had_ended {
            true => "ended",
            false => "under way",
        }
    });
}

/// Two calls find no entry, and one of them makes it.
#[test]
fn two_first_calls_have_one_load() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let loads = Counter::default();
        let count = loads.clone();
        let memo = Memo::new(move |n: &u8| {
            count.up();
            Ok(*n)
        });
        let memo = memo.pool(&pool);
        let own = memo.clone();
        let other = go(move || *own.get(7).wait().unwrap());
        assert_eq!(memo.get(7).wait().unwrap(), &7);
        assert_eq!(other.join().unwrap(), 7);
        assert_eq!((loads.get(), memo.len()), (1, 1));
        "done"
    });
}
