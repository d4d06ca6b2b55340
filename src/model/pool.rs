//! The threads of a pool, which sleep, wake, block, retire and end (Contract: W1, P1, P3, P4, C1).
//!
//! The monitor has no part in these models: what it would repair late shows here as a hang.

use super::{Counted, Counter, explore, go, open};
use crate::sync::Duration;
use crate::{CancelOutcome, ErrorKind, Pool, Shutdown};

pub(super) fn pool(core: usize, max: usize) -> Pool {
    let builder = Pool::builder().core_threads(core).max_threads(max);
    builder.build().expect("neither is 0")
}

/// Ends a pool, and the global one, where what it has rejected continues.
#[cfg(shuttle)]
pub(super) fn close(pool: &Pool) {
    let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
    assert!(report.is_complete(), "{report:?}");
    Pool::close_global();
}

#[test]
fn a_push_wakes_a_worker_that_is_about_to_sleep() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let other = pool.clone();
        let rival = go(move || other.spawn(|| 1).wait().unwrap());
        for n in 0..2 {
            assert_eq!(pool.spawn(move || n).wait().unwrap(), n);
        }
        assert_eq!(rival.join().unwrap(), 1);
        "done"
    });
}

/// A notification arrives late for a worker whose sleeper was removed while the worker counted the
/// jobs again. It belongs to this sleep and to no other.
#[test]
fn a_call_is_heard_once() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        for n in 0..3 {
            assert_eq!(pool.spawn(move || n).wait().unwrap(), n);
        }
        "done"
    });
}

#[test]
fn a_worker_retires_or_is_called() {
    explore(&["retired", "stayed"], || {
        let pool = pool(1, 2);
        let (resolver, held) = open();
        let waiting = pool.spawn(move || held.wait().unwrap());
        let settling = pool.spawn(move || resolver.resolve(7).unwrap());
        assert_eq!(waiting.wait().unwrap(), 7);
        settling.wait().unwrap();
        assert_eq!(pool.spawn(|| 1).wait().unwrap(), 1);
        match pool.metrics().threads {
            1 => "retired",
            // Or is about to leave.
            2 => "stayed",
            threads => panic!("{threads} threads"),
        }
    });
}

#[test]
fn a_job_that_blocks_leaves_its_place_to_another() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let (resolver, held) = open();
        let waiting = pool.spawn(move || held.wait().unwrap());
        let settling = pool.spawn(move || resolver.resolve(7).unwrap());
        assert_eq!(waiting.wait().unwrap(), 7);
        settling.wait().unwrap();
        "done"
    });
}

#[test]
fn a_job_may_wait_for_another_of_its_pool() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let own = pool.clone();
        let outer = pool.spawn(move || own.spawn(|| 7).wait().unwrap());
        let beside = pool.spawn(|| 1);
        assert_eq!(outer.wait().unwrap(), 7);
        assert_eq!(beside.wait().unwrap(), 1);
        "done"
    });
}

#[test]
fn a_job_is_run_or_cancelled() {
    explore(&["prevented", "signalled", "too late"], || {
        let pool = pool(1, 1);
        let (ran, dropped) = (Counter::default(), Counter::default());
        let (calls, captured) = (ran.clone(), Counted(dropped.clone()));
        let task = pool.spawn(move || {
            let _captured = captured;
            calls.up();
        });
        let cancelled = task.cancel();
        let outcome = task.wait();
        // The remains of the cancelled job must not block the next job.
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
        assert_eq!(dropped.get(), 1);
        assert_eq!(outcome.is_ok(), cancelled == CancelOutcome::TooLate);
        match cancelled {
            CancelOutcome::Prevented => {
                assert_eq!(ran.get(), 0);
                "prevented"
            }
            CancelOutcome::Signalled => "signalled",
            CancelOutcome::TooLate => "too late",
        }
    });
}

/// A thread that leaves counts as leaving also while its stop hook waits (Contract: W1, P4).
#[cfg(shuttle)]
#[test]
fn a_stop_hook_waits() {
    explore(&["done"], || {
        let (resolver, held) = open();
        let held = held.share();
        let builder = Pool::builder().core_threads(1).max_threads(1);
        let builder = builder.on_thread_stop(move |_| assert_eq!(*held.wait().unwrap(), 7));
        let pool = builder.build().expect("none is 0");
        pool.spawn(|| ()).detach();
        let settling = go(move || resolver.resolve(7).unwrap());
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
        settling.join().unwrap();
        assert_eq!(pool.metrics().blocked, 0);
        "done"
    });
}

/// The outcome of a job that was pushed while the pool was being closed.
fn push_against(mode: Shutdown) -> &'static str {
    let pool = pool(1, 1);
    let closed = pool.clone();
    let over = Counter::default();
    let end = over.clone();
    let closer = go(move || {
        let report = closed.shutdown(mode, Duration::MAX);
        end.up();
        report
    });
    let (ran, dropped) = (Counter::default(), Counter::default());
    let (calls, captured) = (ran.clone(), Counted(dropped.clone()));
    let task = pool.spawn(move || {
        let _captured = captured;
        calls.up();
        assert_eq!(over.get(), 0, "a job began after the end of its pool");
    });
    let outcome = task.wait();
    let report = closer.join().unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(
        (ran.get(), dropped.get()),
        (usize::from(outcome.is_ok()), 1)
    );
    match outcome.map_err(|error| error.kind()) {
        Ok(()) => "ran",
        Err(ErrorKind::Rejected) => "rejected",
        Err(ErrorKind::Cancelled) => "discarded",
        Err(kind) => panic!("{kind:?}"),
    }
}

#[test]
fn a_job_is_run_or_refused_by_a_pool_that_drains() {
    explore(&["ran", "rejected"], || push_against(Shutdown::Drain));
}

#[test]
fn a_job_is_run_or_refused_by_a_pool_that_discards() {
    explore(&["ran", "rejected", "discarded"], || {
        push_against(Shutdown::Discard)
    });
}

/// Threads that have ended before their creators record that they were created.
#[cfg(shuttle)]
#[test]
fn threads_that_come_and_go_are_counted() {
    explore(&["done"], || {
        let pool = pool(2, 2);
        let spawners = [0, 1].map(|n| {
            let pool = pool.clone();
            go(move || pool.spawn(move || n).wait())
        });
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
        for (n, spawner) in spawners.into_iter().enumerate() {
            match spawner.join().unwrap() {
                Ok(value) => assert_eq!(value, n),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Rejected),
            }
        }
        let metrics = pool.metrics();
        // Two for the jobs, and one for each that is about to leave.
        assert!(
            metrics.threads == 0 && metrics.peak_threads <= 4,
            "{metrics:?}"
        );
        "done"
    });
}

/// Two tasks shut their own pool down, and each continues afterwards (Contract: P4, D8).
#[cfg(shuttle)]
#[test]
fn two_tasks_end_their_pool() {
    explore(&["done"], || {
        let pool = pool(2, 2);
        let enders = [0, 1].map(|_| {
            let own = pool.clone();
            pool.spawn(move || own.shutdown(Shutdown::Drain, Duration::MAX))
        });
        let outside = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(outside.is_complete(), "{outside:?}");
        for ender in enders {
            match ender.wait() {
                Ok(report) => assert!(report.is_complete(), "{report:?}"),
                // The other has closed it before.
                Err(error) => assert_eq!(error.kind(), ErrorKind::Rejected),
            }
        }
        "done"
    });
}

/// Accepted work continues in a pool that was closed since (Contract: P4).
#[test]
fn an_accepted_chain_is_run_to_its_end() {
    explore(&["ran", "rejected"], || {
        let pool = pool(1, 1);
        let closed = pool.clone();
        let closer = go(move || closed.shutdown(Shutdown::Drain, Duration::MAX));
        let (resolver, settled) = open();
        let chain = settled.on(&pool).then(|n: i32| n + 1);
        let begins = pool.spawn(move || resolver.resolve(6).unwrap());
        let outcome = chain.wait();
        assert!(closer.join().unwrap().is_complete());
        assert_eq!(outcome.is_ok(), begins.wait().is_ok());
        // Work that the closed pool has rejected continues there.
        Pool::close_global();
        if outcome.is_ok() { "ran" } else { "rejected" }
    });
}

#[test]
fn a_pool_without_handles_finishes_what_it_has() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let first = pool.spawn(|| 1);
        let second = pool.spawn(|| 2);
        drop(pool);
        assert_eq!(first.wait().unwrap(), 1);
        assert_eq!(second.wait().unwrap(), 2);
        "done"
    });
}

#[test]
fn wait_idle_is_woken_when_the_pool_is_idle() {
    explore(&["done"], || {
        let pool = pool(1, 1);
        let ran = Counter::default();
        let calls = ran.clone();
        pool.spawn(move || calls.up()).detach();
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(ran.get(), 1);
        "done"
    });
}

#[test]
fn a_released_slot_wakes_a_thread_that_waits_for_capacity() {
    explore(&["done"], || {
        let builder = Pool::builder().core_threads(1).max_threads(1);
        let pool = builder.queue_limit(1).build().expect("none is 0");
        let tasks = [0, 1, 2].map(|n| pool.spawn(move || n));
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.wait().unwrap(), n);
        }
        "done"
    });
}

/// A chain is cancelled while it is handed over to a pool with a limit, or while a worker takes its
/// job. Its place is given back, and once.
#[test]
fn a_cancel_meets_the_hand_over_to_a_full_queue() {
    explore(&["cancelled", "ran"], || {
        let builder = Pool::builder().core_threads(1).max_threads(1);
        let pool = builder.queue_limit(1).build().expect("neither is 0");
        let (resolver, task) = open();
        let task = task.on(&pool).then(|n: u32| n);
        let settling = go(move || drop(resolver.resolve(7)));
        task.cancel();
        let end = match task.wait() {
            Ok(_) => "ran",
            Err(_) => "cancelled",
        };
        settling.join().unwrap();
        // The pool's thread may be giving the place back yet. If it is lost, this does not return.
        pool.spawn(|| ()).wait().unwrap();
        assert_eq!(pool.try_acquire_place(), Some(true), "it is lost");
        assert_eq!(pool.try_acquire_place(), None, "there is one more");
        pool.release_place();
        end
    });
}
