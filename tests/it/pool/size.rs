//! How many threads a pool has: how it grows and shrinks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::{Crowd, grind};
use crate::support::{Count, Gate, Jam, pool_of, threads_named, until, within};
use fast_async::{Pool, Task, all};

// Contract: P1
#[test]
fn no_thread_before_there_is_work() {
    within(|| {
        let pool = Pool::builder().name("lazy").build().unwrap();
        let asleep = pool.clone();
        assert_eq!(asleep.metrics().threads, 0);
        assert_eq!(threads_named("lazy"), 0);
        pool.spawn(|| ()).wait().unwrap();
        assert_eq!(pool.metrics().threads, 1, "one job needs one thread");
    });
}

// Contract: P1
#[test]
fn sixty_four_jobs_that_block_all_run_at_once() {
    within(|| {
        let pool = Pool::new();
        assert_eq!(pool.max_threads(), 64, "the default");
        let jam = Jam::of(&pool, 64);
        jam.reach(64);
        let metrics = pool.metrics();
        assert_eq!((metrics.running, metrics.queued), (64, 0), "{metrics:?}");
        jam.end();
    });
}

// Contract: P1
#[test]
fn jobs_that_block_do_not_delay_jobs_spawned_by_jobs() {
    within(|| {
        let pool = pool_of(64);
        let (running, gate) = (Count::default(), Gate::default());
        // Each job queues the next in its own local queue and blocks.
        fn step(pool: Pool, left: usize, running: Count, gate: Gate) {
            running.add();
            if left > 0 {
                let (own, next) = (pool.clone(), gate.clone());
                pool.spawn(move || step(own, left - 1, running, next))
                    .detach();
            }
            gate.pass();
        }
        let (own, count, shut) = (pool.clone(), running.clone(), gate.clone());
        pool.spawn(move || step(own, 40, count, shut)).detach();
        running.reach(41);
        gate.open();
        assert!(pool.wait_idle(Duration::MAX));
    });
}

/// A task that spawns another, and so on until it is over.
fn go_on(pool: &Pool, is_over: &Arc<AtomicBool>) {
    let (own, over) = (pool.clone(), is_over.clone());
    let next = move || {
        if !over.load(Ordering::Relaxed) {
            go_on(&own, &over);
        }
    };
    pool.spawn(next).detach();
}

#[test]
fn jobs_behind_a_blocked_one_run_before_an_endless_queue() {
    // On one core the worker that never runs out is enough to keep it busy.
    within(|| (1..=2).for_each(jobs_behind_one_that_blocks));
}

fn jobs_behind_one_that_blocks(cores: usize) {
    let pool = Pool::builder().core_threads(cores).max_threads(2);
    let pool = pool.build().unwrap();
    let (running, gate, behind) = (Count::default(), Gate::default(), Count::default());
    for _ in 0..2 {
        let (running, gate) = (running.clone(), gate.clone());
        let hold = move || {
            running.add();
            gate.pass();
        };
        pool.spawn(hold).detach();
    }
    running.reach(2);
    // Whichever worker takes the first of these takes some of the others with it.
    let all = behind.clone();
    let blocks = pool.spawn(move || all.reach(40));
    for _ in 0..40 {
        let behind = behind.clone();
        pool.spawn(move || behind.add()).detach();
    }
    // The other worker always has jobs in its local queue.
    let is_over = Arc::new(AtomicBool::new(false));
    go_on(&pool, &is_over);
    gate.open();
    blocks.wait().unwrap();
    is_over.store(true, Ordering::Relaxed);
    assert!(pool.wait_idle(Duration::MAX));
}

// Contract: P1
#[test]
fn the_maximum_is_respected() {
    within(|| {
        let pool = pool_of(3);
        let (crowd, running, gate) = (Crowd::default(), Count::default(), Gate::default());
        let tasks: Vec<Task<()>> = (0..60)
            .map(|_| {
                let (crowd, running, gate) = (crowd.clone(), running.clone(), gate.clone());
                pool.spawn(move || {
                    crowd.during(|| {
                        running.add();
                        gate.pass();
                        grind(1_000);
                    });
                })
            })
            .collect();
        running.reach(3);
        gate.open();
        all(tasks).wait().unwrap();
        assert_eq!(crowd.peak(), 3);
        assert_eq!(pool.metrics().peak_threads, 3);
    });
}

// Contract: P1
#[test]
fn a_flood_of_short_jobs_uses_about_one_thread_per_core() {
    fn flood() -> usize {
        let pool = Pool::builder().core_threads(2).build().unwrap();
        let done = Count::default();
        for _ in 0..20_000 {
            let done = done.clone();
            pool.spawn(move || {
                grind(200);
                done.add();
            })
            .detach();
        }
        done.reach(20_000);
        pool.metrics().peak_threads
    }
    within(|| {
        let peaks: Vec<usize> = (0..5).map(|_| flood()).collect();
        assert!(
            peaks.iter().all(|peak| *peak <= 4),
            "{peaks:?} threads for 2 cores, of 64 allowed"
        );
    });
}

// Contract: P1
#[test]
fn it_shrinks_to_its_core_threads_when_idle() {
    within(|| {
        let pool = Pool::builder()
            .core_threads(2)
            .keep_alive(Duration::from_millis(5))
            .build()
            .unwrap();
        for _ in 0..3 {
            let jam = Jam::of(&pool, 30);
            jam.reach(30);
            jam.open();
            until(|| pool.metrics().threads <= 2);
        }
        assert!(pool.metrics().peak_threads >= 30);
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7, "it works on");
    });
}

// Contract: P1
#[test]
fn the_maximum_is_raised_while_jobs_block() {
    within(|| {
        let pool = pool_of(1);
        let jam = Jam::of(&pool, 8);
        jam.reach(1);
        pool.set_max_threads(8).unwrap();
        assert_eq!(pool.max_threads(), 8);
        jam.reach(8);
        jam.open();
        assert!(pool.wait_idle(Duration::MAX));
    });
}

// Contract: P1
#[test]
fn the_pool_grows_after_a_long_blockage() {
    within(|| {
        let pool = Pool::builder()
            .core_threads(2)
            .max_threads(2)
            .build()
            .unwrap();
        let jam = Jam::of(&pool, 8);
        jam.reach(2);
        // The jam itself: the pool looks at it again and again and may not grow.
        assert!(!pool.wait_idle(Duration::from_millis(400)));
        pool.set_max_threads(8).unwrap();
        jam.reach(8);
        jam.end();
    });
}

// Contract: P1
#[test]
fn the_maximum_is_lowered_while_jobs_run() {
    within(|| {
        let pool = pool_of(16);
        let jam = Jam::of(&pool, 16);
        let crowd = Crowd::default();
        jam.reach(16);
        pool.set_max_threads(2).unwrap();
        // They finish; what is queued behind them keeps to the new maximum once they have.
        jam.end();
        until(|| pool.metrics().threads - pool.metrics().idle <= 2);
        let second: Vec<Task<u64>> = (0..500)
            .map(|_| {
                let crowd = crowd.clone();
                pool.spawn(move || crowd.during(|| grind(2_000)))
            })
            .collect();
        all(second).wait().unwrap();
        assert!(crowd.peak() <= 2, "{} at once", crowd.peak());
    });
}

// Contract: P1
#[test]
fn a_changing_maximum_loses_no_job() {
    within(|| {
        let pool = pool_of(1);
        let ran = Count::default();
        let flapping = pool.clone();
        let (stop, stopped) = mpsc::channel::<()>();
        let flapper = thread::spawn(move || {
            for max in [64, 1, 7, 2, 33, 1, 16].into_iter().cycle() {
                flapping.set_max_threads(max).unwrap();
                if stopped.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
                    return;
                }
                thread::yield_now();
            }
        });
        for _ in 0..2_000 {
            let (own, ran) = (pool.clone(), ran.clone());
            pool.spawn(move || {
                let inner = ran.clone();
                own.spawn(move || inner.add()).wait().unwrap();
                ran.add();
            })
            .detach();
        }
        ran.reach(4_000);
        drop(stop);
        flapper.join().unwrap();
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(ran.get(), 4_000);
    });
}

// Contract: P1
#[test]
fn a_worker_that_ends_loses_no_job() {
    within(|| {
        let pool = Pool::builder()
            .core_threads(2)
            .max_threads(2)
            .keep_alive(Duration::from_millis(1))
            .build()
            .unwrap();
        let (running, gate, leave) = (Count::default(), Gate::default(), Gate::default());
        let (begun, held) = (running.clone(), gate.clone());
        pool.spawn(move || {
            begun.add();
            held.pass();
        })
        .detach();
        // The other worker queues jobs in its own local queue; when it is done it is one too
        // many.
        let (own, begun, held) = (pool.clone(), running.clone(), leave.clone());
        let queued = pool.spawn(move || {
            let tasks: Vec<Task<u32>> = (0..3).map(|n| own.spawn(move || n)).collect();
            begun.add();
            held.pass();
            tasks
        });
        running.reach(2);
        pool.set_max_threads(1).unwrap();
        leave.open();
        let tasks = all(queued.wait().unwrap());
        // Long enough for it to go, while the one that stays is held.
        let tasks = tasks.wait_timeout(Duration::from_millis(100)).unwrap_err();
        gate.open();
        assert_eq!(tasks.wait().unwrap(), [0, 1, 2]);
    });
}

// Contract: P1
#[test]
fn a_stray_unpark_does_not_end_an_idle_thread() {
    within(|| {
        let pool = Pool::builder()
            .name("stray")
            .core_threads(1)
            .max_threads(8)
            .keep_alive(Duration::from_secs(3600))
            .build()
            .unwrap();
        let names = || {
            let (running, gate) = (Count::default(), Gate::default());
            let tasks: Vec<Task<Option<String>>> = (0..8)
                .map(|_| {
                    let (running, gate) = (running.clone(), gate.clone());
                    pool.spawn(move || {
                        running.add();
                        gate.pass();
                        // As the waker of a wait that has ended may do.
                        thread::current().unpark();
                        thread::current().name().map(str::to_owned)
                    })
                })
                .collect();
            running.reach(8);
            gate.open();
            let names: HashSet<_> = all(tasks).wait().unwrap().into_iter().collect();
            assert!(pool.wait_idle(Duration::MAX));
            names
        };
        let before = names();
        for _ in 0..5 {
            assert_eq!(names(), before, "the same eight threads each time");
        }
    });
}

// Contract: P1
#[test]
fn zero_is_refused_and_changes_nothing() {
    let pool = pool_of(5);
    let error = pool.set_max_threads(0).unwrap_err();
    assert!(error.to_string().contains("1 or more"), "{error}");
    assert_eq!(pool.max_threads(), 5);
    assert_eq!(fast_async::set_max_threads(0), Err(error));
    assert!(Pool::builder().max_threads(0).build().is_err());
    assert!(Pool::builder().core_threads(0).build().is_err());
    assert!(Pool::builder().queue_limit(0).build().is_err());
    assert_eq!(pool.spawn(|| 1).wait().unwrap(), 1);
}

// Contract: P1
#[test]
fn one_job_that_computes_does_not_stop_the_growth() {
    within(|| {
        let pool = Pool::builder().core_threads(2).build().unwrap();
        let (running, gate) = (Count::default(), Gate::default());
        let over = Arc::new(AtomicUsize::new(0));
        let seen = over.clone();
        pool.spawn(move || {
            while seen.load(Ordering::Relaxed) == 0 {
                grind(1_000);
            }
        })
        .detach();
        for _ in 0..200 {
            let (running, gate) = (running.clone(), gate.clone());
            pool.spawn(move || {
                running.add();
                gate.pass();
            })
            .detach();
        }
        running.reach(63);
        over.store(1, Ordering::Relaxed);
        gate.open();
        assert!(pool.wait_idle(Duration::MAX));
    });
}

// Contract: P1
#[test]
fn idle_threads_go_when_the_maximum_falls() {
    within(|| {
        let pool = Pool::builder()
            .core_threads(4)
            .keep_alive(Duration::from_millis(5))
            .build()
            .unwrap();
        let jam = Jam::of(&pool, 4);
        jam.reach(4);
        jam.open();
        // They sleep without a timer: there are no more than the core threads.
        until(|| pool.metrics().idle == 4);
        pool.set_max_threads(1).unwrap();
        until(|| pool.metrics().threads == 1);
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
    });
}

// Contract: P1
#[test]
fn a_slow_stop_hook_holds_no_slot() {
    within(|| {
        let (stopping, gate) = (Count::default(), Gate::default());
        let (told, held) = (stopping.clone(), gate.clone());
        let pool = Pool::builder()
            .core_threads(1)
            .max_threads(2)
            .keep_alive(Duration::from_millis(1))
            .on_thread_stop(move |_| {
                told.add();
                held.pass();
            })
            .build()
            .unwrap();
        let jam = Jam::of(&pool, 2);
        jam.reach(2);
        jam.open();
        stopping.reach(1);
        assert!(pool.wait_idle(Duration::MAX), "no job runs");
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
        gate.open();
        until(|| pool.metrics().threads == 1);
    });
}
