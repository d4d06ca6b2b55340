//! A driver works through a run of steps without the lock while others take some away from it
//! (Contract: D1, D5, D6, C1).

use super::{Counted, Counter, Log, explore, go, open};
use crate::{CancelOutcome, Pool};

#[test]
fn observers_keep_their_order_during_a_cancel() {
    explore(
        &["all saw the value", "some were told of the cancel"],
        || {
            let (resolver, task) = open();
            let seen = Log::new();
            for name in 0..4 {
                let log = seen.clone();
                task.on_settled(move |outcome| log.add((name, outcome.is_ok())));
            }
            // With a link behind them the outcome is not decided while they look.
            let task = task.then(|n: u32| n + 1);
            let settler = go(move || {
                let _ = resolver.resolve(7);
            });
            let _ = task.cancel();
            settler.join().unwrap();
            let seen = seen.take();
            let names: Vec<_> = seen.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [0, 1, 2, 3]);
            assert!(
                seen.is_sorted_by_key(|(_, value)| !value),
                "the value is not seen after the cancel: {seen:?}"
            );
            match seen.iter().all(|(_, value)| *value) {
                true => "all saw the value",
                false => "some were told of the cancel",
            }
        },
    );
}

#[test]
fn a_subscriber_removed_from_the_middle_is_called_or_dropped() {
    explore(&["called", "dropped"], || {
        let (resolver, task) = open();
        let (calls, drops) = (Counter::default(), Counter::default());
        let subscriptions = [(); 3].map(|()| {
            let (calls, captured) = (calls.clone(), Counted(drops.clone()));
            task.on_settled(move |_| {
                let _captured = &captured;
                calls.up();
            })
        });
        let [_, middle, _] = subscriptions;
        let settler = go(move || resolver.resolve(7).unwrap());
        let was_there = middle.unsubscribe();
        settler.join().unwrap();
        assert_eq!(calls.get(), 3 - usize::from(was_there));
        assert_eq!(drops.get(), 3);
        assert_eq!(task.wait().unwrap(), 7);
        if was_there { "dropped" } else { "called" }
    });
}

#[test]
fn a_cancel_removes_the_links_that_have_not_run() {
    explore(&["value", "cancelled"], || {
        let (resolver, task) = open();
        let (runs, drops) = (Counter::default(), Counter::default());
        let task = (0..3).fold(task, |task, _| {
            let (runs, captured) = (runs.clone(), Counted(drops.clone()));
            task.then(move |n: u32| {
                let _captured = &captured;
                runs.up();
                n + 1
            })
        });
        let settler = go(move || {
            let _ = resolver.resolve(0);
        });
        let outcome = task.cancel();
        let ran_by_then = runs.get();
        settler.join().unwrap();
        // One may have been on its way when the cancel came.
        assert!(
            runs.get() <= ran_by_then + 1,
            "{} {ran_by_then}",
            runs.get()
        );
        assert_eq!(drops.get(), 3);
        match (outcome, task.wait()) {
            (CancelOutcome::TooLate, Ok(3)) => "value",
            (CancelOutcome::Prevented | CancelOutcome::Signalled, Err(error)) => {
                assert!(error.is_cancelled());
                "cancelled"
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_chain_yields_to_another_job_and_continues() {
    explore(&["done"], || {
        let pool = Pool::builder().core_threads(1).max_threads(1);
        let pool = pool.build().unwrap();
        let seen = Log::new();
        let chain = (0..5).fold(pool.spawn(|| 0), |task, link| {
            let log = seen.clone();
            task.then(move |n| {
                log.add(link);
                n + 1
            })
        });
        let other = pool.spawn(|| 1);
        assert_eq!(chain.wait().unwrap() + other.wait().unwrap(), 6);
        assert_eq!(seen.take(), [0, 1, 2, 3, 4]);
        drop(pool);
        "done"
    });
}
