//! Closures that panic where these verbs call them, and those that come to no call.

use std::time::Duration;

use fast_async::{ErrorKind, Inline, Job, Pool, Shutdown, Task};

use super::starts::CALLS;
use crate::ground::stand;
use crate::support::{Gate, PATIENCE, expected, one_thread};
use crate::verbs::Charge;

// Contract: S2, S3
#[test]
fn a_panic_where_a_closure_is_called() {
    stand("called", |ground| {
        for (name, call) in CALLS {
            println!("{name}");
            for charge in ground.charges() {
                let error = call(&ground.pool, charge).wait_timeout(PATIENCE);
                let error = error.expect("it settles").expect_err(name);
                assert_eq!(error.kind(), ErrorKind::Panicked, "{name}");
            }
        }
        ground.drops.wait_for(2 * CALLS.len());
    });
}

#[test]
fn a_closure_for_a_pool_that_is_shut_down() {
    stand("closed", |ground| {
        let closed = Pool::builder().max_threads(1).build().unwrap();
        let _ = closed.shutdown(Shutdown::Drain, PATIENCE);
        for (name, call) in CALLS {
            println!("{name}");
            let task = call(&closed, Charge::Capture(ground.grenade()));
            let outcome = task.wait_timeout(PATIENCE).expect("it settles");
            assert!(outcome.is_err(), "{name}");
        }
        ground.drops.wait_for(CALLS.len());
    });
}

#[test]
fn a_closure_that_is_discarded_with_its_pool() {
    stand("discarded", |ground| {
        for (name, call) in CALLS {
            println!("{name}");
            let (busy, gate, blocker) = blocked();
            let task = call(&busy, Charge::Capture(ground.grenade()));
            let _ = busy.shutdown(Shutdown::Discard, Duration::ZERO);
            gate.open();
            let outcome = task.wait_timeout(PATIENCE).expect("it settles");
            assert!(outcome.is_err(), "{name}");
            blocker.wait().unwrap();
        }
        ground.drops.wait_for(CALLS.len());
    });
}

#[test]
fn a_closure_that_is_cancelled_before_its_call() {
    stand("cancelled early", |ground| {
        for (name, call) in CALLS {
            println!("{name}");
            let (busy, gate, blocker) = blocked();
            let task = call(&busy, Charge::Capture(ground.grenade()));
            task.cancel();
            gate.open();
            let outcome = task.wait_timeout(PATIENCE).expect("it settles");
            assert!(outcome.is_err(), "{name}");
            blocker.wait().unwrap();
        }
        ground.drops.wait_for(CALLS.len());
    });
}

/// A pool whose only thread is busy until the gate is open.
fn blocked() -> (Pool, Gate, Task<()>) {
    let (busy, started, gate) = (one_thread(), Gate::new(), Gate::new());
    let (start, end) = (started.clone(), gate.clone());
    let blocker = busy.spawn(move || {
        start.open();
        end.pass();
    });
    started.pass();
    (busy, gate, blocker)
}

// What is chained on the task of each, where an executor drops it or panics.
#[test]
fn an_executor_that_drops_the_job_or_panics() {
    stand("executor", |ground| {
        for (name, call) in CALLS {
            println!("{name}");
            for panics in [false, true] {
                let executor = move |job: Job| match panics {
                    false => drop(job),
                    true => expected("in an executor"),
                };
                let task = call(&ground.pool, Charge::Capture(ground.grenade()));
                let task = task.on(&executor).handle(|_| 7);
                let task = task.timeout(Duration::from_secs(3600)).on(&Inline);
                // With a refusal, or with what has become of it.
                let _outcome = task.wait_timeout(PATIENCE).expect("it settles");
            }
        }
        ground.drops.wait_for(2 * CALLS.len());
    });
}
