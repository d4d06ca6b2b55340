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

/// What a pool says it does.
mod dump {
    use super::*;
    use crate::support::one_thread;
    use fast_async::{Job, Shutdown, deferred};

    // Contract: I2
    #[test]
    fn a_dump_says_who_runs_what_and_waits_for_what() {
        within(|| {
            let pool = Pool::builder()
                .name("io")
                .core_threads(2)
                .max_threads(2)
                .build()
                .unwrap();
            assert_eq!(
                pool.dump().to_string(),
                "pool `io`: 0 threads, 0 idle, 0 blocked; 0 jobs queued"
            );
            let (inside, gate) = (Gate::new(), Gate::new());
            let (tell, held) = (inside.clone(), gate.clone());
            let line = line!() + 1;
            let slow = Task::builder().name("slow").pool(&pool).spawn(move || {
                tell.open();
                held.pass();
            });
            inside.pass();
            let waits = pool.spawn(move || slow.wait());
            until(|| pool.metrics().blocked == 1);
            until(|| pool.dump().to_string().contains("waits for"));
            let text = pool.dump().to_string();
            let place = format!("{}:{line}:", file!());
            let wanted = format!(": task `slow`, made at {place}");
            assert!(text.contains(&wanted), "{text}");
            let wanted = format!("; waits for task `slow`, made at {place}");
            assert!(text.contains(&wanted), "{text}");
            assert!(text.contains("(running on io-1)"), "{text}");
            assert!(text.contains(", for "), "{text}");
            gate.open();
            waits.wait().unwrap().unwrap();
            until(|| pool.dump().to_string().contains("idle"));
        });
    }

    // Contract: I2. What is queued, the oldest first, and what waits without a task.
    #[test]
    fn a_dump_lists_the_oldest_jobs() {
        within(|| {
            let pool = one_thread();
            let (inside, gate) = (Gate::new(), Gate::new());
            let (tell, held) = (inside.clone(), gate.clone());
            pool.spawn(move || {
                tell.open();
                held.pass();
            })
            .detach();
            inside.pass();
            for n in 0..12 {
                let builder = Task::builder().name(format!("job {n}")).pool(&pool);
                builder.spawn(|| ()).detach();
            }
            let text = pool.dump().to_string();
            let queued: Vec<&str> = text
                .lines()
                .filter(|line| line.contains("queued: "))
                .collect();
            assert_eq!(queued.len(), 8, "{text}");
            for (n, line) in queued.iter().enumerate() {
                assert!(line.contains(&format!("task `job {n}`")), "{text}");
            }
            assert!(text.ends_with("and 4 more in the queues"), "{text}");
            gate.open();
            assert!(pool.wait_idle(Duration::MAX));
            // Within the call, from a job of the pool itself, and while it is closed.
            let own = pool.clone();
            let text = pool.spawn(move || own.dump().to_string()).wait().unwrap();
            assert!(text.contains("one-1: a task made at "), "{text}");
            let _ = pool.shutdown(Shutdown::Drain, Duration::MAX);
            assert!(pool.dump().to_string().contains(": 0 threads"));
        });
    }

    // Contract: I2. A wait for what an executor holds.
    #[test]
    fn a_dump_says_that_a_task_waits_for_its_executor() {
        within(|| {
            let pool = one_thread();
            let (keep, kept) = std::sync::mpsc::channel();
            let executor = move |job: Job| keep.send(job).unwrap();
            let (resolver, task) = deferred();
            let task = task.on(&executor).then(|()| ());
            let waits = pool.spawn(move || task.wait());
            until(|| pool.dump().to_string().contains("(waiting)"));
            resolver.resolve(()).unwrap();
            let job = kept.recv().unwrap();
            until(|| pool.dump().to_string().contains("(queued)"));
            job.run();
            waits.wait().unwrap().unwrap();
        });
    }
}
