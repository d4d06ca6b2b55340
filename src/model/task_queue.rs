//! A queue whose places become free while jobs come and leave, and while its end is awaited
//! (Contract: Q1, Q2, Q4).

use super::pool::pool;
use super::{Counter, explore, go};
use crate::sync::{Arc, AtomicBool, Ordering};
use crate::{CancelOutcome, Pool, TaskQueue};

fn serial(pool: &Pool) -> TaskQueue {
    let queue = TaskQueue::builder().limit(1).pool(pool);
    queue.build().expect("it is not 0")
}

/// A job that finds the only place taken is started by the end of the one that has it.
#[test]
fn a_job_that_comes_meets_the_end_of_another() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let queue = serial(&pool);
        let is_busy = Arc::new(AtomicBool::new(false));
        let job = |n: u32| {
            let is_busy = is_busy.clone();
            move || {
                assert!(!is_busy.swap(true, Ordering::SeqCst), "one at a time");
                is_busy.store(false, Ordering::SeqCst);
                n
            }
        };
        let first = queue.spawn(job(1));
        let (own, second) = (queue.clone(), job(2));
        let other = go(move || own.spawn(second).wait().unwrap());
        assert_eq!(first.wait().unwrap(), 1);
        assert_eq!(other.join().unwrap(), 2);
        "done"
    });
}

/// A job is cancelled as it gets its place. The one behind it runs in any case.
#[test]
fn a_cancel_meets_the_start_of_a_job() {
    explore(&["cancelled", "ran"], || {
        let pool = pool(1, 1);
        let queue = serial(&pool);
        let runs = Counter::default();
        let count = runs.clone();
        let first = queue.spawn(|| 1);
        let second = queue.spawn(move || count.up());
        let third = queue.spawn(|| 3);
        let outcome = second.cancel();
        assert_eq!(first.wait().unwrap(), 1);
        assert_eq!(third.wait().unwrap(), 3);
        match second.wait() {
            Ok(()) => {
                assert_eq!((outcome, runs.get()), (CancelOutcome::TooLate, 1));
                "ran"
            }
            Err(error) => {
                assert!(error.is_cancelled() && outcome != CancelOutcome::TooLate);
                "cancelled"
            }
        }
    });
}

/// `when_idle` is asked for as the last job ends.
#[test]
fn a_wait_for_the_end_meets_the_end() {
    explore(&["idle already", "waited"], || {
        let pool = pool(1, 1);
        let queue = serial(&pool);
        let job = queue.spawn(|| 1);
        let idle = queue.when_idle();
        let end = match idle.is_settled() {
            true => "idle already",
            false => "waited",
        };
        idle.wait().unwrap();
        assert!(job.is_settled());
        assert_eq!((queue.pending(), queue.running()), (0, 0));
        end
    });
}

/// A paused queue is resumed as a job comes.
#[test]
fn a_resume_meets_a_job_that_comes() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let queue = serial(&pool);
        queue.pause();
        let own = queue.clone();
        let resumer = go(move || own.resume());
        assert_eq!(queue.spawn(|| 7).wait().unwrap(), 7);
        resumer.join().unwrap();
        "done"
    });
}
