//! Jobs that a pool or a queue rejects, several at a time, while other threads wait for them and
//! cancel them (Contract: D8, P4, Q4, W1).

use super::gate::Gate;
use super::pool::close;
use super::{Counted, Counter, explore, go, open};
use crate::sync::Duration;
use crate::{CancelOutcome, ErrorKind, Pool, Shutdown, TaskQueue};

/// A pool whose one thread waits until the resolver is used.
fn held_up() -> (Pool, crate::Resolver<()>) {
    let builder = Pool::builder().core_threads(1).max_threads(1);
    let pool = builder.build().expect("none is 0");
    let (resolver, held) = open::<()>();
    let begun = pool.spawn(move || held.wait_parked().unwrap());
    begun.detach();
    (pool, resolver)
}

/// The catch of the first job waits for the second, which is discarded with it. The pool's one
/// thread is blocked without its knowledge, so no other takes its place and runs the second.
#[test]
fn what_a_discarded_job_causes_waits_for_a_later_one() {
    explore(&["discarded"], || {
        let builder = Pool::builder().core_threads(1).max_threads(1);
        let pool = builder.build().expect("none is 0");
        let (begun, gate) = (Gate::new(), Gate::new());
        let (begins, held) = (begun.clone(), gate.clone());
        pool.spawn(move || {
            begins.open();
            held.pass();
        })
        .detach();
        begun.pass();
        let (give, second) = open::<()>();
        let first = pool.spawn(|| ()).handle(move |outcome| {
            let _ = second.wait();
            outcome.map_err(|error| error.kind())
        });
        assert!(give.settle_with(pool.spawn(|| ())).is_ok());
        let _ = pool.shutdown(Shutdown::Discard, Duration::ZERO);
        gate.open();
        let outcome = first.wait().unwrap();
        close(&pool);
        assert_eq!(outcome, Err(ErrorKind::Cancelled));
        "discarded"
    });
}

/// `stopped` waits until the closure of a rejected task is dropped.
#[test]
fn a_rejected_closure_is_dropped_before_its_task_has_stopped() {
    explore(&["done"], || {
        let (pool, release) = held_up();
        let dropped = Counter::default();
        let captured = Counted(dropped.clone());
        let task = pool.spawn(move || drop(captured));
        let closing = pool.clone();
        let closer = go(move || closing.shutdown(Shutdown::Discard, Duration::ZERO));
        let _ = task.stopped().wait();
        assert_eq!(dropped.get(), 1);
        release.resolve(()).unwrap();
        let _ = closer.join().unwrap();
        close(&pool);
        "done"
    });
}

/// A job is settled once, and its closure dropped once, by the one or the other.
#[test]
fn a_clear_meets_a_cancel() {
    explore(&["cleared", "cancelled"], || {
        let builder = Pool::builder().core_threads(1).max_threads(1);
        let pool = builder.build().expect("none is 0");
        let queue = TaskQueue::builder().pool(&pool).paused();
        let queue = queue.build().expect("none is 0");
        let (dropped, told) = (Counter::default(), Counter::default());
        let captured = Counted(dropped.clone());
        let job = queue.spawn(move || drop(captured));
        let tell = told.clone();
        job.on_settled(move |outcome| {
            assert!(outcome.unwrap_err().is_cancelled());
            tell.up();
        });
        let clearing = queue.clone();
        let clearer = go(move || clearing.clear());
        let outcome = job.cancel();
        let count = clearer.join().unwrap();
        assert!(job.wait().unwrap_err().is_cancelled());
        assert_eq!((dropped.get(), told.get(), queue.pending()), (1, 1, 0));
        drop(queue);
        close(&pool);
        match (outcome, count) {
            (CancelOutcome::TooLate, 1) => "cleared",
            (CancelOutcome::Prevented, 0) => "cancelled",
            other => panic!("{other:?}"),
        }
    });
}
