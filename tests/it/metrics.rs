//! The counters of a pool agree with what was done.

use std::time::Duration;

use crate::support::{Count, Gate, until, within};
use fast_async::{CancelOutcome, Pool, Task, all};

// Contract: P5
#[test]
fn a_new_pool_counts_nothing() {
    let metrics = Pool::new().metrics();
    assert_eq!(metrics, fast_async::pool::PoolMetrics::default());
}

// Contract: P5
#[test]
fn counters_agree_after_a_mixed_run() {
    within(|| {
        for max in [1, 2, 16] {
            let pool = Pool::builder().max_threads(max).build().unwrap();
            let mut tasks: Vec<Task<()>> = Vec::new();
            let signalled = Count::default();
            for _ in 0..100 {
                // Succeeds; one that waits for another makes two.
                let own = pool.clone();
                tasks.push(pool.spawn(move || own.spawn(|| ()).wait().unwrap()));
                // Succeeds for any outcome of its continuations, which are not counted.
                let links = pool.spawn(|| ()).then(|()| panic!("in a continuation"));
                tasks.push(links.catch(|_| ()));
                // Adopts a task that fails: the closure itself succeeds.
                let own = pool.clone();
                let adopts = pool.attempt(move || own.attempt(|| Err::<(), _>("no".into())));
                tasks.push(adopts.catch(|_| ()));
                tasks.push(pool.spawn(|| panic!("boom")).catch(|_| ()));
            }
            for _ in 0..10 {
                let (running, told) = (Count::default(), signalled.clone());
                let begun = running.clone();
                let task = pool.spawn_with(move |context| {
                    begun.add();
                    until(|| context.is_cancelled());
                    told.add();
                });
                running.reach(1);
                assert_eq!(task.cancel(), CancelOutcome::Signalled);
                tasks.push(task.catch(|_| ()));
            }
            all(tasks).wait().unwrap();
            assert!(pool.wait_idle(Duration::MAX));
            let metrics = pool.metrics();
            // Per hundred: two, one and one succeed; the adopted one and the panic fail.
            assert_eq!(metrics.completed, 400, "{metrics:?}");
            assert_eq!(metrics.failed, 200, "{metrics:?}");
            assert_eq!(metrics.cancelled, 10, "{metrics:?}");
            assert_eq!(
                (metrics.queued, metrics.running, metrics.blocked),
                (0, 0, 0)
            );
            assert_eq!(metrics.idle, metrics.threads, "{metrics:?}");
            assert!(metrics.peak_threads >= metrics.threads.max(1));
            assert!(signalled.get() == 10);
        }
    });
}

// Contract: P5
#[test]
fn gauges_show_the_present_state() {
    within(|| {
        let pool = Pool::builder()
            .core_threads(2)
            .max_threads(2)
            .build()
            .unwrap();
        let (running, gate) = (Count::default(), Gate::default());
        let tasks: Vec<Task<()>> = (0..7)
            .map(|_| {
                let (running, gate) = (running.clone(), gate.clone());
                pool.spawn(move || {
                    running.add();
                    gate.pass();
                })
            })
            .collect();
        running.reach(2);
        let metrics = pool.metrics();
        assert_eq!((metrics.threads, metrics.running), (2, 2), "{metrics:?}");
        assert_eq!((metrics.queued, metrics.idle), (5, 0), "{metrics:?}");
        assert_eq!((metrics.completed, metrics.blocked), (0, 0), "{metrics:?}");
        gate.open();
        all(tasks).wait().unwrap();

        // A task that waits for another is blocked, and a thread may stand in for it.
        let (resolver, source) = fast_async::deferred::<()>();
        let waits = pool.spawn(move || source.wait().unwrap());
        until(|| pool.metrics().blocked == 1);
        resolver.resolve(()).unwrap();
        waits.wait().unwrap();
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(pool.metrics().completed, 8);
    });
}

// Contract: P5
#[test]
fn jobs_cancelled_before_they_start_are_not_counted() {
    within(|| {
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let (running, gate) = (Count::default(), Gate::default());
        let (begun, held) = (running.clone(), gate.clone());
        let first = pool.spawn(move || {
            begun.add();
            held.pass();
        });
        running.reach(1);
        for _ in 0..20 {
            assert_eq!(pool.spawn(|| ()).cancel(), CancelOutcome::Prevented);
        }
        gate.open();
        first.wait().unwrap();
        assert!(pool.wait_idle(Duration::MAX));
        let metrics = pool.metrics();
        assert_eq!(
            (metrics.completed, metrics.failed, metrics.cancelled),
            (1, 0, 0),
            "{metrics:?}"
        );
        assert_eq!(metrics.queued, 0);
    });
}

// Contract: P5
#[test]
fn counters_are_kept_after_their_threads_end() {
    within(|| {
        let pool = Pool::builder()
            .core_threads(1)
            .keep_alive(Duration::from_millis(1))
            .build()
            .unwrap();
        for round in 1..=3_u64 {
            let (running, gate) = (Count::default(), Gate::default());
            for _ in 0..10 {
                let (running, gate) = (running.clone(), gate.clone());
                pool.spawn(move || {
                    running.add();
                    gate.pass();
                })
                .detach();
            }
            running.reach(10);
            gate.open();
            until(|| pool.metrics().threads <= 1);
            assert!(pool.wait_idle(Duration::MAX));
            assert_eq!(pool.metrics().completed, round * 10);
        }
    });
}

// Contract: P5
#[test]
fn polling_while_the_pool_works_sees_no_impossible_numbers() {
    within(|| {
        let pool = Pool::builder().max_threads(8).build().unwrap();
        let tasks: Vec<Task<u64>> = (0..20_000_u64).map(|n| pool.spawn(move || n)).collect();
        let mut last = 0;
        let whole = all(tasks);
        while !whole.is_settled() {
            let metrics = pool.metrics();
            assert!(metrics.completed >= last, "it never goes back");
            assert!(metrics.completed <= 20_000 && metrics.queued <= 20_000);
            assert!(metrics.idle + metrics.blocked <= metrics.threads);
            assert!(metrics.threads <= 8 && metrics.threads <= metrics.peak_threads);
            last = metrics.completed;
        }
        assert_eq!(whole.wait().unwrap().len(), 20_000);
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(pool.metrics().completed, 20_000);
    });
}
