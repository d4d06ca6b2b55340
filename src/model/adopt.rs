//! Tasks that take over the outcomes of others (Contract: S5, C3).

use super::{Counter, Log, explore, go, open, reports};
use crate::{CancelOutcome, ErrorKind, Job};

#[test]
fn the_outer_task_gets_the_outcome_of_the_inner() {
    explore(&["delivered"], || {
        let (outer, task) = open();
        let (inner, adopted) = open();
        let settler = go(move || inner.resolve(7).unwrap());
        let adopter = go(move || assert!(outer.settle_with(adopted).is_ok()));
        assert_eq!(task.wait().unwrap(), 7);
        settler.join().unwrap();
        adopter.join().unwrap();
        "delivered"
    });
}

#[test]
fn two_that_adopt_each_other_find_the_cycle() {
    explore(&["found"], || {
        let reports = reports();
        let (resolver, task) = open::<u8>();
        let (other_resolver, other) = open::<u8>();
        let seen = Log::new();
        for task in [&task, &other] {
            let log = seen.clone();
            task.on_settled(move |outcome| log.add(outcome.map_err(|error| error.kind()).err()));
        }
        let rival = go(move || assert!(other_resolver.settle_with(task).is_ok()));
        assert!(resolver.settle_with(other).is_ok());
        rival.join().unwrap();
        assert_eq!(seen.take(), [Some(ErrorKind::Cycle); 2]);
        // Both handles are gone into the ring.
        assert_eq!(reports.get(), 1);
        "found"
    });
}

#[test]
fn a_line_of_adoptions_passes_the_outcome_on() {
    explore(&["delivered"], || {
        let (first, task) = open();
        let (second, middle) = open();
        let (third, last) = open();
        let one = go(move || assert!(first.settle_with(middle).is_ok()));
        let two = go(move || assert!(second.settle_with(last).is_ok()));
        third.resolve(7).unwrap();
        assert_eq!(task.wait().unwrap(), 7);
        one.join().unwrap();
        two.join().unwrap();
        "delivered"
    });
}

#[test]
fn a_follower_of_a_follower_meets_the_settler() {
    explore(&["delivered"], || {
        let reports = reports();
        let (first, task) = open();
        let (second, middle) = open();
        let (third, last) = open();
        assert!(second.settle_with(last).is_ok());
        let settler = go(move || third.resolve(7).unwrap());
        assert!(first.settle_with(middle).is_ok());
        assert_eq!(task.wait().unwrap(), 7);
        settler.join().unwrap();
        assert_eq!(reports.get(), 0);
        "delivered"
    });
}

#[test]
fn a_follower_of_a_follower_is_cancelled() {
    explore(&["delivered", "cancelled"], || {
        let (first, task) = open();
        let (second, middle) = open();
        let (third, last) = open();
        assert!(second.settle_with(last).is_ok());
        let adopter = go(move || first.settle_with(middle).is_ok());
        let settler = go(move || third.resolve(7).is_ok());
        let cancelled = task.cancel();
        let adopted = adopter.join().unwrap();
        let settled = settler.join().unwrap();
        match task.wait() {
            Ok(value) => {
                assert_eq!(cancelled, CancelOutcome::TooLate);
                assert_eq!((value, adopted, settled), (7, true, true));
                "delivered"
            }
            Err(error) => {
                assert!(error.is_cancelled());
                assert_ne!(cancelled, CancelOutcome::TooLate);
                "cancelled"
            }
        }
    });
}

#[test]
fn a_cancel_reaches_the_adopted_task_or_is_too_late() {
    explore(&["delivered", "cancelled"], || {
        let (outer, task) = open();
        let (inner, adopted) = open();
        let seen = Counter::default();
        let calls = seen.clone();
        task.on_settled(move |_| calls.up());
        let adopter = go(move || outer.settle_with(adopted).is_ok());
        let settler = go(move || inner.resolve(7).is_ok());
        let cancelled = task.cancel();
        adopter.join().unwrap();
        let settled = settler.join().unwrap();
        let outcome = task.wait();
        assert_eq!(seen.get(), 1);
        match outcome {
            Ok(value) => {
                assert_eq!(cancelled, CancelOutcome::TooLate);
                assert_eq!((value, settled), (7, true));
                "delivered"
            }
            Err(error) => {
                assert!(error.is_cancelled());
                assert_ne!(cancelled, CancelOutcome::TooLate);
                "cancelled"
            }
        }
    });
}

/// The inner task settles on its executor while it is adopted.
#[test]
fn a_task_adopted_late_is_handed_to_its_executor() {
    explore(&["done"], || {
        let (inner, adopted) = open::<u32>();
        let adopted = adopted.on(&|job: Job| job.run());
        let (outer, task) = open::<()>();
        let task = task.and_then(move |()| adopted);
        let settler = go(move || inner.resolve(7).unwrap());
        outer.resolve(()).unwrap();
        assert_eq!(task.wait().unwrap(), 7);
        settler.join().unwrap();
        "done"
    });
}
