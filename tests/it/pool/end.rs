//! Coming to an end: `shutdown`, and the last handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Count, Dropped, Gate, Jam, isolated, pool_of, threads_named, until, within};
use fast_async::{ErrorKind, Pool, Shutdown, Task, all, deferred, spawn};

/// A pool of one thread, held by a gate, with `queued` jobs behind it that count.
fn jammed(queued: usize) -> (Pool, Jam, Count, Vec<Task<()>>) {
    let pool = pool_of(1);
    let ran = Count::default();
    let jam = Jam::of(&pool, 1);
    jam.reach(1);
    let tasks = (0..queued)
        .map(|_| {
            let ran = ran.clone();
            pool.spawn(move || ran.add())
        })
        .collect();
    (pool, jam, ran, tasks)
}

// Contract: P4
#[test]
fn drain_runs_all_that_was_accepted() {
    within(|| {
        let (pool, jam, ran, tasks) = jammed(100);
        let closing = pool.clone();
        let closer = thread::spawn(move || closing.shutdown(Shutdown::Drain, Duration::MAX));
        jam.open();
        let report = closer.join().unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!((report.discarded, report.queued, report.threads), (0, 0, 0));
        assert_eq!(ran.get(), 100);
        all(tasks).wait().unwrap();
        assert_eq!(pool.metrics().threads, 0);
        assert!(
            pool.wait_idle(Duration::ZERO),
            "no thread is counted any more"
        );
    });
}

// Contract: P4
#[test]
fn discard_cancels_what_has_not_started() {
    within(|| {
        let (pool, jam, ran, tasks) = jammed(100);
        let freed = Count::default();
        let captured = Dropped(freed.clone());
        let last = pool.spawn(move || drop(captured));
        let seen = Count::default();
        let (caught, finished) = (seen.clone(), seen.clone());
        let recovered = pool
            .spawn(|| 1)
            .then(|n| n + 1)
            .catch(move |error| {
                assert!(error.is_cancelled());
                caught.add();
                7
            })
            .finally(move || finished.add());
        // Its entry in the queue stays, and is no task any more.
        let cancelled = pool.spawn(|| ());
        cancelled.cancel();
        let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
        assert_eq!((report.discarded, report.queued), (102, 0), "{report:?}");
        assert_eq!(report.threads, 1, "one job still runs");
        assert_eq!(freed.get(), 1, "what it captured is dropped at once");
        assert_eq!(recovered.wait().unwrap(), 7);
        assert_eq!(seen.get(), 2);
        for task in tasks.into_iter().chain([last]) {
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        }
        jam.open();
        assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
        assert_eq!(ran.get(), 0);
    });
}

// Contract: P4
#[test]
fn a_deadline_that_passes_is_reported_and_the_rest_continues() {
    within(|| {
        let (pool, jam, ran, tasks) = jammed(10);
        let report = pool.shutdown(Shutdown::Drain, Duration::from_millis(5));
        assert!(!report.is_complete());
        assert_eq!((report.queued, report.threads), (10, 1), "{report:?}");
        jam.open();
        all(tasks).wait().unwrap();
        assert_eq!(ran.get(), 10);
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
    });
}

// Contract: P4
#[test]
fn shutdown_from_inside_a_task() {
    within(|| {
        for max in [1, 3] {
            let pool = pool_of(max);
            let ran = Count::default();
            let go = Gate::default();
            let (own, held) = (pool.clone(), go.clone());
            let closer = pool.spawn(move || {
                held.pass();
                let report = own.shutdown(Shutdown::Drain, Duration::MAX);
                (report.is_complete(), own.spawn(|| ()).wait().is_err())
            });
            for _ in 0..50 {
                let ran = ran.clone();
                pool.spawn(move || ran.add()).detach();
            }
            go.open();
            assert_eq!(closer.wait().unwrap(), (true, true));
            assert_eq!(ran.get(), 50);
            until(|| pool.metrics().threads == 0);
        }
    });
}

// Contract: P4
#[test]
fn two_threads_shut_a_pool_down_at_once() {
    within(|| {
        let (pool, jam, ran, _tasks) = jammed(20);
        let closers = [Shutdown::Drain, Shutdown::Drain].map(|mode| {
            let pool = pool.clone();
            thread::spawn(move || pool.shutdown(mode, Duration::MAX))
        });
        jam.open();
        for closer in closers {
            assert!(closer.join().unwrap().is_complete());
        }
        assert_eq!(ran.get(), 20);
    });
}

// Contract: P4
#[test]
fn shutdown_joins_its_threads() {
    within(|| {
        let pool = Pool::builder().name("joined").build().unwrap();
        let jam = Jam::of(&pool, 20);
        jam.reach(20);
        jam.open();
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?} without a deadline");
        // The system may list a thread for a moment after it was joined.
        until(|| threads_named("joined") == 0);
    });
}

// Contract: P4
#[test]
fn shutdown_ends_a_worker_that_is_idle_over_the_target() {
    within(|| {
        let pool = Pool::builder()
            .max_threads(1)
            .keep_alive(Duration::from_millis(50))
            .build()
            .unwrap();
        let (resolver, task) = deferred::<()>();
        // The first worker blocks in a wait, a spare takes its place and the queue.
        let waits = pool.spawn(move || task.wait().unwrap());
        let ran = Count::default();
        let jam = Jam::of(&pool, 1);
        jam.reach(1);
        for _ in 0..5 {
            let ran = ran.clone();
            pool.spawn(move || ran.add()).detach();
        }
        let report = pool.shutdown(Shutdown::Drain, Duration::from_millis(1));
        assert_eq!((report.queued, report.threads), (5, 2), "{report:?}");
        // The first worker comes back: one too many, with work in the queue that the spare will
        // see to.
        resolver.resolve(()).unwrap();
        waits.wait().unwrap();
        until(|| pool.metrics().idle == 1 || pool.metrics().threads == 1);
        jam.open();
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(ran.get(), 5);
    });
}

// Contract: P4
#[test]
fn a_closed_pool_rejects() {
    within(|| {
        let pool = pool_of(2);
        assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
        let freed = Count::default();
        let captured = Dropped(freed.clone());
        let tasks = [
            pool.spawn(move || {
                drop(captured);
                1
            }),
            pool.attempt(|| Ok(1)),
            pool.spawn_with(|_| 1),
            Task::builder().pool(&pool).spawn(|| 1),
        ];
        for task in tasks {
            let error = task.then(|n| n + 1).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("shut down"), "{error}");
        }
        assert_eq!(freed.get(), 1);
        let back = pool.try_spawn(|| 7).unwrap_err();
        assert!(!back.is_full(), "{back}");
        assert_eq!(back.into_inner()(), 7, "the closure comes back and works");
        let report = pool.shutdown(Shutdown::Discard, Duration::MAX);
        assert!(report.is_complete(), "a second time does nothing");
    });
}

// Contract: P4
#[test]
fn spawns_that_race_a_shutdown_all_settle() {
    within(|| {
        for round in 0..300 {
            let pool = pool_of(2);
            let spawning = pool.clone();
            let spawner = thread::spawn(move || {
                (0..20)
                    .map(|n| spawning.spawn(move || n))
                    .collect::<Vec<Task<u32>>>()
            });
            for _ in 0..round % 40 {
                thread::yield_now();
            }
            let mode = match round % 2 {
                0 => Shutdown::Drain,
                _ => Shutdown::Discard,
            };
            let report = pool.shutdown(mode, Duration::MAX);
            assert!(report.is_complete(), "{report:?} without a deadline");
            for (n, task) in spawner.join().unwrap().into_iter().enumerate() {
                match task.wait() {
                    Ok(value) => assert_eq!(value as usize, n),
                    Err(error) => assert!(
                        matches!(error.kind(), ErrorKind::Rejected | ErrorKind::Cancelled),
                        "{error}"
                    ),
                }
            }
        }
    });
}

// Contract: P4
#[test]
fn continuations_run_after_their_pool_is_shut_down() {
    within(|| {
        let pool = pool_of(1);
        let settled = pool.spawn(|| 1);
        until(|| settled.is_settled());
        let (resolver, pending) = deferred::<u32>();
        let adopting = pool.attempt(move || pending);
        until(|| adopting.thread().is_some());
        pool.wait_idle(Duration::MAX);
        assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
        let seen = Count::default();
        let observed = seen.clone();
        settled.on_settled(move |_| observed.add());
        assert_eq!(settled.then(|n| n + 1).wait().unwrap(), 2);
        assert_eq!(seen.get(), 1);
        let adopting = adopting.then(|n| n * 2);
        resolver.resolve(21).unwrap();
        assert_eq!(adopting.wait().unwrap(), 42);
    });
}

// Contract: S3
#[test]
fn a_chain_sent_to_a_closed_pool_is_rejected() {
    within(|| {
        let pool = pool_of(1);
        assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
        let error = Task::ready(1).on(&pool).then(|n| n + 1).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
    });
}

// Contract: P4
#[test]
fn dropping_the_last_handle_finishes_the_work_and_does_not_block() {
    within(|| {
        let pool = Pool::builder()
            .name("dropped")
            .max_threads(2)
            .build()
            .unwrap();
        let (gate, ran) = (Gate::default(), Count::default());
        for _ in 0..50 {
            let (held, ran) = (gate.clone(), ran.clone());
            pool.spawn(move || {
                held.pass();
                ran.add();
            })
            .detach();
        }
        // Returns although every job is held.
        drop(pool);
        assert_eq!(ran.get(), 0);
        gate.open();
        ran.reach(50);
        until(|| threads_named("dropped") == 0);
    });
}

// Contract: P4
#[test]
fn the_last_handle_is_dropped_inside_a_task() {
    within(|| {
        let pool = Pool::builder().name("inner").build().unwrap();
        let (gate, ran) = (Gate::default(), Count::default());
        let (own, held, counted) = (pool.clone(), gate.clone(), ran.clone());
        pool.spawn(move || {
            held.pass();
            for _ in 0..10 {
                let ran = counted.clone();
                own.spawn(move || ran.add()).detach();
            }
        })
        .detach();
        drop(pool);
        gate.open();
        ran.reach(10);
        until(|| threads_named("inner") == 0);
    });
}

// Contract: P4
#[test]
fn drain_runs_accepted_chains_to_their_end() {
    within(|| {
        let pool = pool_of(1);
        let (running, gate) = (Count::default(), Gate::default());
        let (begun, held) = (running.clone(), gate.clone());
        let name = || thread::current().name().map(str::to_owned);
        let chain = pool
            .spawn(move || {
                begun.add();
                held.pass();
            })
            .on(&pool)
            .then(move |()| name());
        // More links than one dispatch may run while others wait: the rest is handed on.
        let (own, links) = (pool.clone(), Count::default());
        let counted = links.clone();
        let long = chain.then(move |name| {
            for _ in 0..3 {
                own.spawn(|| ()).detach();
            }
            name
        });
        let long = (0..3_000).fold(long, |task, _| {
            let links = counted.clone();
            task.then(move |name| {
                links.add();
                name
            })
        });
        running.reach(1);
        let closing = pool.clone();
        let closer = thread::spawn(move || closing.shutdown(Shutdown::Drain, Duration::MAX));
        until(|| pool.try_spawn(|| ()).is_err());
        gate.open();
        assert!(closer.join().unwrap().is_complete());
        assert!(long.is_settled() && links.get() == 3_000, "it is over");
        let name = long.wait().unwrap().unwrap();
        assert!(name.starts_with("pool-"), "{name}");
    });
}

// Contract: P4, D8
#[test]
fn two_tasks_shut_their_pool_down_at_once() {
    within(|| {
        for _ in 0..20 {
            let pool = Pool::builder().core_threads(2).build().unwrap();
            let (running, ended) = (Count::default(), Count::default());
            let enders = [0, 1].map(|_| {
                let (own, running, ended) = (pool.clone(), running.clone(), ended.clone());
                pool.spawn(move || {
                    running.add();
                    running.reach(2);
                    let report = own.shutdown(Shutdown::Drain, Duration::MAX);
                    // The first to return may wait for the other: both see the end.
                    ended.add();
                    ended.reach(2);
                    report.is_complete()
                })
            });
            running.reach(2);
            assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
            for ender in enders {
                assert!(ender.wait().unwrap());
            }
        }
    });
}

// Contract: P4, D8
#[test]
fn one_task_ends_the_pool_while_another_waits_for_it_to_be_idle() {
    within(|| {
        let pool = Pool::builder().core_threads(2).build().unwrap();
        let (own, other, running) = (pool.clone(), pool.clone(), Count::default());
        let (one, two) = (running.clone(), running.clone());
        let ends = pool.spawn(move || {
            one.add();
            one.reach(2);
            own.shutdown(Shutdown::Drain, Duration::MAX).is_complete()
        });
        let rests = pool.spawn(move || {
            two.add();
            two.reach(2);
            other.wait_idle(Duration::MAX)
        });
        assert!(ends.wait().unwrap() && rests.wait().unwrap());
    });
}

// Contract: P4
#[test]
fn a_thread_that_will_not_end_is_left_at_the_deadline() {
    struct Slow(Gate);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.pass();
        }
    }
    thread_local! {
        static SLOW: std::cell::RefCell<Option<Slow>> = const { std::cell::RefCell::new(None) };
    }
    within(|| {
        let (pool, gate) = (pool_of(1), Gate::default());
        let held = Slow(gate.clone());
        pool.spawn(move || SLOW.set(Some(held))).wait().unwrap();
        let report = pool.shutdown(Shutdown::Drain, Duration::from_millis(20));
        assert_eq!((report.queued, report.threads), (0, 1), "{report:?}");
        // One caller waits for it without a deadline; the others must return.
        let pools = [pool.clone(), pool.clone()];
        let closers =
            pools.map(|pool| thread::spawn(move || pool.shutdown(Shutdown::Drain, Duration::MAX)));
        let report = pool.shutdown(Shutdown::Drain, Duration::from_millis(20));
        assert_eq!(report.threads, 1, "{report:?}");
        assert!(closers.iter().all(|closer| !closer.is_finished()));
        gate.open();
        for closer in closers {
            assert!(closer.join().unwrap().is_complete());
        }
    });
}

// Contract: P4
#[test]
fn the_thread_that_watches_a_backlog_ends_with_its_pool() {
    within(|| {
        let pool = Pool::builder().name("w").max_threads(1).build().unwrap();
        let running = Count::default();
        let gates = [Gate::default(), Gate::default()];
        for gate in gates.clone() {
            let begun = running.clone();
            pool.spawn(move || {
                begun.add();
                gate.pass();
            })
            .detach();
        }
        running.reach(1);
        until(|| threads_named("w-monitor") == 1);
        gates[0].open();
        running.reach(2);
        let report = pool.shutdown(Shutdown::Drain, Duration::ZERO);
        assert_eq!(report.threads, 1, "{report:?}");
        // There is no backlog any more: long enough for it to go to sleep without a timer.
        let (_resolver, never) = deferred::<()>();
        assert!(never.wait_timeout(Duration::from_millis(100)).is_err());
        gates[1].open();
        until(|| threads_named("w-") == 0);
        assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
    });
}

// Contract: P4, S2
#[test]
fn hooks_that_panic_as_they_are_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped with its pool");
        }
    }
    within(|| {
        let (one, two) = (Bomb, Bomb);
        let pool = Pool::builder()
            .on_thread_start(move |_| {
                let _keeps = &one;
            })
            .on_thread_stop(move |_| {
                let _keeps = &two;
            })
            .build()
            .unwrap();
        drop(pool);
    });
}

// Contract: P4, P7
#[test]
fn the_global_pool_discards_queued_jobs_only() {
    const NAME: &str = "the_global_pool_discards_queued_jobs_only";
    isolated(NAME, || {
        fast_async::set_max_threads(1).unwrap();
        let jam = Jam::of(Pool::global(), 1);
        jam.reach(1);
        let queued = spawn(|| ());
        // Each that is cancelled spawns the next.
        fn again(left: Arc<AtomicUsize>) {
            let next = left.clone();
            spawn(|| ())
                .catch(move |_| {
                    if left.fetch_sub(1, Ordering::SeqCst) > 0 {
                        again(next);
                    }
                })
                .detach();
        }
        let left = Arc::new(AtomicUsize::new(100_000));
        again(left.clone());
        let report = Pool::global().shutdown(Shutdown::Discard, Duration::ZERO);
        assert_eq!((report.discarded, report.threads), (2, 1), "{report:?}");
        assert!(queued.wait().unwrap_err().is_cancelled());
        assert_eq!(left.load(Ordering::SeqCst), 99_999);
        jam.end();

        // A task of the pool itself is not counted.
        fast_async::set_max_threads(2).unwrap();
        let jam = Jam::of(Pool::global(), 1);
        jam.reach(1);
        let report = || spawn(|| Pool::global().shutdown(Shutdown::Drain, Duration::ZERO));
        assert_eq!(report().wait().unwrap().threads, 1);
        // One that waits is.
        let (resolver, awaited) = deferred::<()>();
        let waiter = spawn(move || awaited.wait());
        until(|| Pool::global().metrics().blocked == 1);
        assert_eq!(report().wait().unwrap().threads, 2);
        resolver.resolve(()).unwrap();
        waiter.wait().unwrap().unwrap();
        jam.open();
    });
}
