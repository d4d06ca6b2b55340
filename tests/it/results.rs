//! Results in the order in which they come: `map_unordered`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{
    Count, Drops, Gate, Log, Token, expected, isolated, one_thread, pool_of, within,
};
use fast_async::flow::map_unordered;
use fast_async::{ErrorKind, Pool, Resolver, deferred, set_unhandled_hook};

// Contract: F3
#[test]
fn outcomes_come_as_they_come_and_then_the_end() {
    within(|| {
        let resolvers = Log::<Resolver<u32>>::new();
        let keep = resolvers.clone();
        let pool = one_thread();
        let mut results = pool.map_unordered(0..4, 4, move |_| {
            let (resolver, task) = deferred();
            keep.push(resolver);
            task
        });
        pool.wait_idle(Duration::MAX);
        let mut resolvers = resolvers.take();
        let first = results.next_task();
        assert!(!first.is_settled());
        resolvers.remove(2).resolve(2).unwrap();
        assert_eq!(first.wait().unwrap().unwrap().unwrap(), 2);
        resolvers.remove(0).reject("zero").unwrap();
        let failed = results.next().unwrap().unwrap_err();
        assert!(failed.to_string().starts_with("zero"), "{failed}");
        for resolver in resolvers {
            resolver.resolve(7).unwrap();
        }
        assert_eq!(results.by_ref().flatten().collect::<Vec<_>>(), [7, 7]);
        assert!(results.next().is_none());
        assert!(results.next_task().wait().unwrap().is_none());
    });
}

// Contract: F3
#[test]
fn many_come_through_from_several_threads() {
    within(|| {
        let mut all: Vec<u64> = map_unordered(0..20_000, 3, Ok)
            .map(Result::unwrap)
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..20_000).collect::<Vec<_>>());
        assert_eq!(map_unordered(0..0, 2, |n: u8| Ok(n)).count(), 0);
    });
}

// Case: 107
// Contract: F3, X2
#[test]
fn what_runs_and_what_is_unread_are_bounded_apart() {
    const LIMIT: usize = 2;
    const AHEAD: usize = 5;
    within(|| {
        let pulled = Count::default();
        let (count, inside) = (pulled.clone(), Arc::new(AtomicUsize::new(0)));
        let pool = pool_of(4);
        let numbers = (0..50).inspect(move |_| count.add());
        let mut results = pool
            .map_unordered(numbers, LIMIT, move |n| {
                assert!(inside.fetch_add(1, Ordering::SeqCst) < LIMIT);
                inside.fetch_sub(1, Ordering::SeqCst);
                Ok(n)
            })
            .read_ahead(AHEAD);
        for read in 0..20 {
            // Work goes on to the bound without a read, and not beyond it.
            pulled.reach(read + AHEAD);
            pool.wait_idle(Duration::MAX);
            assert_eq!(pulled.get(), read + AHEAD);
            results.next().unwrap().unwrap();
        }
        assert_eq!(results.flatten().count(), 30);
    });
}

// Case: 108
// Contract: F3
#[test]
fn work_goes_on_while_the_reader_is_busy() {
    within(|| {
        let done = Count::default();
        let count = done.clone();
        let results = pool_of(2).map_unordered(0..100, 3, move |n| {
            count.add();
            Ok(n)
        });
        let mut read = 0;
        for result in results {
            result.unwrap();
            read += 1;
            // Busy until all that may be done without a further read is done.
            done.reach((read + 6).min(100));
        }
        assert_eq!(read, 100);
    });
}

// Case: 109
// Contract: F3, D6
#[test]
fn a_drop_half_way_drops_everything_and_cancels_the_rest() {
    within(|| {
        let drops = Drops::new();
        let (iter, closure, values) = (drops.token(), drops.token(), drops.clone());
        let resolvers = Log::<Resolver<Token>>::new();
        let keep = resolvers.clone();
        let pool = one_thread();
        let numbers = (0..).inspect(move |_: &u32| iter.hold());
        let results = pool.map_unordered(numbers, 2, move |n| {
            closure.hold();
            let (resolver, task) = deferred();
            match n {
                0..3 => drop(resolver.resolve(values.token())),
                _ => keep.push(resolver),
            }
            task
        });
        let results = results.read_ahead(5);
        pool.wait_idle(Duration::MAX);
        let waiting = resolvers.take();
        assert_eq!((waiting.len(), drops.count()), (2, 0));
        drop(results);
        assert_eq!(
            drops.count(),
            5,
            "three values, the iterator and the closure"
        );
        assert!(waiting.iter().all(|resolver| !resolver.is_wanted()));
    });
}

// Case: 111
// Contract: F2, S2
#[test]
fn panics_are_items_and_that_of_the_iterator_is_the_last() {
    within(|| {
        let numbers = (0..9).inspect(|n| {
            if *n == 5 {
                expected("in the iterator");
            }
        });
        let results = map_unordered(numbers, 1, |n| match n {
            2 => expected("in an element"),
            _ => Ok(n),
        });
        let outcomes: Vec<_> = results.map(|result| result.map_err(|e| e.kind())).collect();
        let panicked = Err(ErrorKind::Panicked);
        assert_eq!(outcomes, [Ok(0), Ok(1), panicked, Ok(3), Ok(4), panicked]);
    });
}

// Case: 104
// Contract: F1
#[test]
fn a_limit_of_0_is_an_error_also_for_nothing() {
    within(|| {
        for count in [0, 3] {
            let mut results = map_unordered(0..count, 0, Ok);
            let error = results.next().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(results.next().is_none());
        }
    });
}

// Contract: F3
#[test]
fn a_reader_that_is_cancelled_takes_nothing_and_others_keep_their_order() {
    within(|| {
        let gate = Gate::new();
        let pass = gate.clone();
        let results = one_thread().map_unordered(0..3, 1, move |n| {
            pass.pass();
            Ok(n)
        });
        let [one, two, three] = [(); 3].map(|()| results.next_task());
        one.cancel();
        gate.open();
        let value = |task: fast_async::Task<Option<Result<i32, _>>>| match task.wait().unwrap() {
            Some(Ok(n)) => n,
            _ => panic!("a value is missing"),
        };
        assert_eq!((value(two), value(three)), (0, 1));
        let last = results.next_task();
        let never = results.next_task();
        assert_eq!(value(last), 2);
        assert!(never.wait().unwrap().is_none());
    });
}

// A chain behind a reader may wait for the next outcome.
// Contract: F3, W1
#[test]
fn a_continuation_of_a_reader_that_blocks_holds_up_nothing() {
    within(|| {
        let gate = Gate::new();
        let pass = gate.clone();
        let pool = pool_of(2);
        let results = pool.map_unordered(0..3, 1, move |n| {
            pass.pass();
            Ok(n)
        });
        let results = Arc::new(results);
        let others = results.clone();
        let sum = results.next_task().then(move |first| {
            let second = others.next_task().wait().unwrap();
            first.unwrap().unwrap() + second.unwrap().unwrap()
        });
        gate.open();
        assert_eq!(sum.wait().unwrap(), 1);
    });
}

// Contract: M4
#[test]
fn failures_among_results_are_not_reported() {
    let name = "failures_among_results_are_not_reported";
    isolated(name, || {
        let reports = Arc::new(AtomicUsize::new(0));
        let counted = reports.clone();
        set_unhandled_hook(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let fails = |_| Err::<(), fast_async::BoxError>("no".into());
        assert_eq!(map_unordered(0..4, 2, fails).count(), 4);
        drop(map_unordered(0..4, 2, fails));
        assert_eq!(map_unordered(0..4, 0, fails).count(), 1);
        assert!(Pool::global().wait_idle(Duration::MAX));
        assert_eq!(reports.load(Ordering::Relaxed), 0);
    });
}
