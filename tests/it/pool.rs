//! The pool: how it grows and shrinks, what it refuses, how it comes to rest and to an end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::{Count, Dropped, Gate, child, is_child, threads_named, until, within};
use fast_async::{ErrorKind, Pool, Shutdown, Task, all, deferred, spawn};

fn pool_of(max_threads: usize) -> Pool {
    Pool::builder()
        .name("pool")
        .max_threads(max_threads)
        .build()
        .unwrap()
}

/// How many run at once, and the most there ever were.
#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl Crowd {
    fn during<R>(&self, f: impl FnOnce() -> R) -> R {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        let result = f();
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }
}

/// Some work for the processor.
fn grind(rounds: u64) -> u64 {
    (0..rounds).fold(1, |sum, n| {
        std::hint::black_box(sum * 31 + n % 7) % 1_000_003
    })
}

mod size {
    use super::*;

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
            let (running, gate) = (Count::default(), Gate::default());
            let tasks: Vec<Task<()>> = (0..64)
                .map(|_| {
                    let (running, gate) = (running.clone(), gate.clone());
                    pool.spawn(move || {
                        running.add();
                        gate.pass();
                    })
                })
                .collect();
            running.reach(64);
            let metrics = pool.metrics();
            assert_eq!((metrics.running, metrics.queued), (64, 0), "{metrics:?}");
            gate.open();
            all(tasks).wait().unwrap();
        });
    }

    // Contract: P1
    #[test]
    fn jobs_that_block_do_not_hold_up_those_spawned_by_jobs() {
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
    fn jobs_behind_one_that_blocks_come_before_what_is_queued_later_without_end() {
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
        // The other worker never runs out of work of its own.
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
                let (running, gate) = (Count::default(), Gate::default());
                for _ in 0..30 {
                    let (running, gate) = (running.clone(), gate.clone());
                    pool.spawn(move || {
                        running.add();
                        gate.pass();
                    })
                    .detach();
                }
                running.reach(30);
                gate.open();
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
            let (running, gate) = (Count::default(), Gate::default());
            for _ in 0..8 {
                let (running, gate) = (running.clone(), gate.clone());
                pool.spawn(move || {
                    running.add();
                    gate.pass();
                })
                .detach();
            }
            running.reach(1);
            pool.set_max_threads(8).unwrap();
            assert_eq!(pool.max_threads(), 8);
            running.reach(8);
            gate.open();
            assert!(pool.wait_idle(Duration::MAX));
        });
    }

    // Contract: P1
    #[test]
    fn it_grows_after_a_long_jam() {
        within(|| {
            let pool = Pool::builder()
                .core_threads(2)
                .max_threads(2)
                .build()
                .unwrap();
            let (running, gate) = (Count::default(), Gate::default());
            let tasks: Vec<Task<()>> = (0..8)
                .map(|_| {
                    let (running, gate) = (running.clone(), gate.clone());
                    pool.spawn(move || {
                        running.add();
                        gate.pass();
                    })
                })
                .collect();
            running.reach(2);
            // The jam itself: the pool looks at it again and again and may not grow.
            let tasks = all(tasks).wait_timeout(Duration::from_millis(400));
            let tasks = tasks.unwrap_err();
            pool.set_max_threads(8).unwrap();
            running.reach(8);
            gate.open();
            tasks.wait().unwrap();
        });
    }

    // Contract: P1
    #[test]
    fn the_maximum_is_lowered_while_jobs_run() {
        within(|| {
            let pool = pool_of(16);
            let (running, gate) = (Count::default(), Gate::default());
            let crowd = Crowd::default();
            let first: Vec<Task<()>> = (0..16)
                .map(|_| {
                    let (running, gate) = (running.clone(), gate.clone());
                    pool.spawn(move || {
                        running.add();
                        gate.pass();
                    })
                })
                .collect();
            running.reach(16);
            pool.set_max_threads(2).unwrap();
            // They finish; what is queued behind them keeps to the new maximum once they have.
            gate.open();
            all(first).wait().unwrap();
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
    fn a_worker_that_leaves_takes_no_job_with_it() {
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
            let (running, gate) = (Count::default(), Gate::default());
            for _ in 0..4 {
                let (running, gate) = (running.clone(), gate.clone());
                pool.spawn(move || {
                    running.add();
                    gate.pass();
                })
                .detach();
            }
            running.reach(4);
            gate.open();
            // They sleep without a timer: there are no more than the core threads.
            until(|| pool.metrics().idle == 4);
            pool.set_max_threads(1).unwrap();
            until(|| pool.metrics().threads == 1);
            assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
        });
    }

    // Contract: P1
    #[test]
    fn a_stop_hook_that_takes_long_keeps_no_place() {
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
            let (running, go) = (Count::default(), Gate::default());
            for _ in 0..2 {
                let (running, go) = (running.clone(), go.clone());
                pool.spawn(move || {
                    running.add();
                    go.pass();
                })
                .detach();
            }
            running.reach(2);
            go.open();
            stopping.reach(1);
            assert!(pool.wait_idle(Duration::MAX), "no job runs");
            assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
            gate.open();
            until(|| pool.metrics().threads == 1);
        });
    }
}

mod settings {
    use super::*;

    #[test]
    fn a_pool_may_cross_a_wall_around_panics() {
        fn is_unwind_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
        is_unwind_safe(&Pool::new());
        let builder = fast_async::PoolBuilder::default();
        assert_eq!(builder.build().unwrap().max_threads(), 64);
        assert_eq!(HashSet::from([Shutdown::Drain, Shutdown::Drain]).len(), 1);
    }

    // Contract: P1
    #[test]
    fn threads_carry_the_pools_name_and_a_number() {
        within(|| {
            let pool = Pool::builder().name("ren\0der").build().unwrap();
            assert_eq!(pool.name(), "render");
            let name = pool.spawn(|| thread::current().name().map(str::to_owned));
            assert_eq!(name.wait().unwrap().as_deref(), Some("render-1"));
            let debug = format!("{pool:?} {:?}", Pool::builder().queue_limit(9));
            assert!(debug.contains("render") && debug.contains('9'), "{debug}");
        });
    }

    // Contract: P1
    #[test]
    fn the_stack_is_as_large_as_asked_for() {
        fn deep(levels: usize) -> usize {
            let frame = std::hint::black_box([1_u8; 1 << 20]);
            match levels {
                0 => 0,
                _ => deep(levels - 1) + usize::from(std::hint::black_box(&frame)[levels]),
            }
        }
        within(|| {
            // Ten times what a thread has otherwise.
            let pool = Pool::builder().stack_size(64 << 20).build().unwrap();
            assert_eq!(pool.spawn(|| deep(20)).wait().unwrap(), 20);
        });
    }

    // Contract: P7
    #[test]
    fn a_jammed_pool_leaves_the_others_alone() {
        within(|| {
            let gate = Gate::default();
            let jammed = pool_of(1);
            let held = gate.clone();
            jammed.spawn(move || held.pass()).detach();
            let behind = jammed.spawn(|| 1);
            let free = pool_of(1);
            assert_eq!(free.spawn(|| 2).wait().unwrap(), 2);
            assert_eq!(spawn(|| 3).wait().unwrap(), 3);
            assert!(!behind.is_settled());
            gate.open();
            assert_eq!(behind.wait().unwrap(), 1);
        });
    }

    // Contract: P1
    #[test]
    fn hooks_run_on_every_thread_before_its_first_and_after_its_last_job() {
        within(|| {
            let log = Arc::new(Mutex::new(Vec::new()));
            let note = |what: &'static str| {
                let log = log.clone();
                move |number: usize| {
                    let name = thread::current().name().unwrap().to_owned();
                    assert_eq!(name, format!("hooked-{number}"));
                    log.lock().unwrap().push((what, number));
                }
            };
            let pool = Pool::builder()
                .name("hooked")
                .max_threads(4)
                .on_thread_start(note("start"))
                .on_thread_stop(note("stop"))
                .build()
                .unwrap();
            let (running, gate) = (Count::default(), Gate::default());
            for _ in 0..4 {
                let (running, gate, log) = (running.clone(), gate.clone(), log.clone());
                pool.spawn(move || {
                    let name = thread::current().name().unwrap().to_owned();
                    let number = name.rsplit('-').next().unwrap().parse().unwrap();
                    log.lock().unwrap().push(("job", number));
                    running.add();
                    gate.pass();
                })
                .detach();
            }
            running.reach(4);
            gate.open();
            assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
            let log = log.lock().unwrap();
            let numbers: HashSet<usize> = log.iter().map(|(_, number)| *number).collect();
            assert_eq!(numbers.len(), 4, "{log:?}");
            for number in numbers {
                let of_it = log.iter().filter(|(_, other)| *other == number);
                let what: Vec<&str> = of_it.map(|(what, _)| *what).collect();
                assert_eq!(what, ["start", "job", "stop"]);
            }
        });
    }

    // Contract: S2
    #[test]
    fn hooks_that_panic_stop_no_thread() {
        if !is_child("settings::hooks_that_panic_stop_no_thread") {
            child("settings::hooks_that_panic_stop_no_thread");
            return;
        }
        within(|| {
            let reports = Arc::new(Mutex::new(Vec::new()));
            let told = reports.clone();
            fast_async::set_unhandled_hook(move |error| {
                told.lock().unwrap().push((
                    error.panic_message().unwrap_or_default().to_owned(),
                    error.task_name().unwrap_or_default().to_owned(),
                ));
            });
            let pool = Pool::builder()
                .name("brittle")
                .max_threads(1)
                .on_thread_start(|_| panic!("at start"))
                .on_thread_stop(|_| panic!("at stop"))
                .build()
                .unwrap();
            assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
            assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
            let expected = [("at start", "brittle-1"), ("at stop", "brittle-1")]
                .map(|(message, name)| (message.to_owned(), name.to_owned()));
            assert_eq!(*reports.lock().unwrap(), expected);
        });
    }

    // Contract: S2
    #[test]
    fn a_thread_outlives_jobs_that_panic() {
        within(|| {
            let pool = pool_of(1);
            let first = pool.spawn(|| thread::current().id()).wait().unwrap();
            for _ in 0..20 {
                let error = pool.spawn(|| panic!("boom")).wait().unwrap_err();
                assert_eq!(error.panic_message(), Some("boom"));
            }
            assert_eq!(pool.spawn(|| thread::current().id()).wait().unwrap(), first);
        });
    }

    // Contract: P7
    #[test]
    fn the_global_pool_starts_with_its_first_use_and_stays_as_it_is() {
        if !is_child("settings::the_global_pool_starts_with_its_first_use_and_stays_as_it_is") {
            child("settings::the_global_pool_starts_with_its_first_use_and_stays_as_it_is");
            return;
        }
        within(|| {
            pool_of(3).spawn(|| ()).wait().unwrap();
            let (resolver, task) = deferred::<u32>();
            let task = task.then(|n| n + 1);
            resolver.resolve(1).unwrap();
            task.wait().unwrap();
            assert_eq!(threads_named("fast-async"), 0, "nobody has used it yet");
            spawn(|| ()).wait().unwrap();
            let global = Pool::global();
            assert_eq!((global.name(), global.max_threads()), ("fast-async", 64));
            fast_async::set_max_threads(3).unwrap();
            let other = pool_of(9);
            other.set_max_threads(8).unwrap();
            assert_eq!(global.max_threads(), 3);
            // It cannot be closed: a shutdown only brings it to rest.
            let ran = Count::default();
            let counted = ran.clone();
            spawn(move || counted.add()).detach();
            assert!(
                global
                    .shutdown(Shutdown::Drain, Duration::MAX)
                    .is_complete()
            );
            assert_eq!(ran.get(), 1);
            assert_eq!(spawn(|| 7).wait().unwrap(), 7);
        });
    }
}

mod rest {
    use super::*;

    // Contract: P4
    #[test]
    fn wait_idle_waits_for_queued_running_and_dispatching_work() {
        within(|| {
            for max in [1, 2, 16] {
                let pool = pool_of(max);
                let done = Count::default();
                for n in 0..200_u32 {
                    let (own, jobs, links) = (pool.clone(), done.clone(), done.clone());
                    let task = pool.spawn(move || {
                        let inner = jobs.clone();
                        own.spawn(move || inner.add()).detach();
                        jobs.add();
                    });
                    task.then(move |()| {
                        grind(500);
                        links.add();
                    })
                    .detach();
                    if n % 50 == 0 {
                        assert!(pool.wait_idle(Duration::MAX));
                        assert_eq!(done.get() as u32, (n + 1) * 3);
                    }
                }
                assert!(pool.wait_idle(Duration::MAX));
                assert_eq!(done.get(), 600);
            }
        });
    }

    // Contract: P4
    #[test]
    fn wait_idle_gives_up_when_its_time_is_over() {
        within(|| {
            let pool = pool_of(2);
            assert!(pool.wait_idle(Duration::ZERO), "a new pool is idle");
            let gate = Gate::default();
            let held = gate.clone();
            pool.spawn(move || held.pass()).detach();
            assert!(!pool.wait_idle(Duration::from_millis(5)), "one job runs");
            gate.open();
            assert!(pool.wait_idle(Duration::MAX));
        });
    }

    // Contract: P4
    #[test]
    fn wait_idle_inside_tasks_of_the_same_pool() {
        within(|| {
            for max in [1, 4] {
                let pool = pool_of(max);
                let (done, met) = (Count::default(), Count::default());
                let waiters: Vec<Task<usize>> = (0..3)
                    .map(|_| {
                        let (own, done, met) = (pool.clone(), done.clone(), met.clone());
                        pool.spawn(move || {
                            for _ in 0..10 {
                                let done = done.clone();
                                own.spawn(move || done.add()).detach();
                            }
                            assert!(own.wait_idle(Duration::MAX));
                            // The first to go on may wait for the others: the pool has come to rest
                            // for all of them.
                            met.add();
                            met.reach(3);
                            done.get()
                        })
                    })
                    .collect();
                for seen in all(waiters).wait().unwrap() {
                    assert!(seen >= 10, "its own ten jobs are done: {seen}");
                }
                assert_eq!(done.get(), 30);
            }
        });
    }

    // Contract: P4. Tasks that wait for the pool's rest do not keep it from it, those that wait for
    // something else do.
    #[test]
    fn a_task_that_waits_for_another_keeps_the_pool_from_its_rest() {
        within(|| {
            let pool = pool_of(4);
            let rests = |limit| {
                let own = pool.clone();
                pool.spawn(move || own.wait_idle(limit)).wait().unwrap()
            };
            assert!(rests(Duration::MAX));
            let (resolver, awaited) = deferred::<u32>();
            let waiter = pool.spawn(move || awaited.wait());
            until(|| pool.metrics().blocked == 1);
            assert!(!rests(Duration::ZERO));
            resolver.resolve(7).unwrap();
            assert_eq!(waiter.wait().unwrap().unwrap(), 7);
            assert!(rests(Duration::MAX));
        });
    }

    // Contract: P4
    #[test]
    fn wait_idle_for_another_pool_inside_a_task() {
        within(|| {
            let (here, there) = (pool_of(1), pool_of(1));
            let (home, gate) = (here.clone(), Gate::default());
            let held = gate.clone();
            // The other pool needs this one to come to rest.
            there
                .spawn(move || {
                    held.pass();
                    home.spawn(|| ()).wait().unwrap();
                })
                .detach();
            let other = there.clone();
            let waiter = here.spawn(move || {
                gate.open();
                other.wait_idle(Duration::MAX)
            });
            assert!(waiter.wait().unwrap());
        });
    }
}

mod end {
    use super::*;

    /// A pool of one thread, held by a gate, with `queued` jobs behind it that count.
    fn jammed(queued: usize) -> (Pool, Gate, Count, Vec<Task<()>>) {
        let pool = pool_of(1);
        let (running, gate, ran) = (Count::default(), Gate::default(), Count::default());
        let (begun, held) = (running.clone(), gate.clone());
        pool.spawn(move || {
            begun.add();
            held.pass();
        })
        .detach();
        running.reach(1);
        let tasks = (0..queued)
            .map(|_| {
                let ran = ran.clone();
                pool.spawn(move || ran.add())
            })
            .collect();
        (pool, gate, ran, tasks)
    }

    // Contract: P4
    #[test]
    fn drain_runs_all_that_was_accepted() {
        within(|| {
            let (pool, gate, ran, tasks) = jammed(100);
            let closing = pool.clone();
            let closer = thread::spawn(move || closing.shutdown(Shutdown::Drain, Duration::MAX));
            gate.open();
            let report = closer.join().unwrap();
            assert!(report.is_complete(), "{report:?}");
            assert_eq!((report.discarded, report.queued, report.threads), (0, 0, 0));
            assert_eq!(ran.get(), 100);
            all(tasks).wait().unwrap();
            assert_eq!(pool.metrics().threads, 0);
            assert!(
                pool.wait_idle(Duration::ZERO),
                "nobody is left in its books"
            );
        });
    }

    // Contract: P4
    #[test]
    fn discard_cancels_what_has_not_started() {
        within(|| {
            let (pool, gate, ran, tasks) = jammed(100);
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
            gate.open();
            assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
            assert_eq!(ran.get(), 0);
        });
    }

    // Contract: P4
    #[test]
    fn a_deadline_that_passes_is_reported_and_the_rest_goes_on() {
        within(|| {
            let (pool, gate, ran, tasks) = jammed(10);
            let report = pool.shutdown(Shutdown::Drain, Duration::from_millis(5));
            assert!(!report.is_complete());
            assert_eq!((report.queued, report.threads), (10, 1), "{report:?}");
            gate.open();
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
            let (pool, gate, ran, _tasks) = jammed(20);
            let closers = [Shutdown::Drain, Shutdown::Drain].map(|mode| {
                let pool = pool.clone();
                thread::spawn(move || pool.shutdown(mode, Duration::MAX))
            });
            gate.open();
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
            let (running, gate) = (Count::default(), Gate::default());
            for _ in 0..20 {
                let (running, gate) = (running.clone(), gate.clone());
                pool.spawn(move || {
                    running.add();
                    gate.pass();
                })
                .detach();
            }
            running.reach(20);
            gate.open();
            let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
            assert!(report.is_complete(), "{report:?} without a deadline");
            // The system may list a thread for a moment after it was joined.
            until(|| threads_named("joined") == 0);
        });
    }

    // Contract: P4
    #[test]
    fn shutdown_ends_a_worker_that_lies_idle_because_there_were_too_many() {
        within(|| {
            let pool = Pool::builder()
                .max_threads(1)
                .keep_alive(Duration::from_millis(50))
                .build()
                .unwrap();
            let (resolver, task) = deferred::<()>();
            // The first worker blocks in a wait, a spare takes its place and the queue.
            let waits = pool.spawn(move || task.wait().unwrap());
            let (running, gate, ran) = (Count::default(), Gate::default(), Count::default());
            let (begun, held) = (running.clone(), gate.clone());
            pool.spawn(move || {
                begun.add();
                held.pass();
            })
            .detach();
            running.reach(1);
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
            gate.open();
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
            assert_eq!(back(), 7, "the closure comes back and works");
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
                        // The first to go on may wait for the other: both are told of the end.
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
            // Somebody waits for it without a deadline, others must not follow.
            let pools = [pool.clone(), pool.clone()];
            let closers = pools
                .map(|pool| thread::spawn(move || pool.shutdown(Shutdown::Drain, Duration::MAX)));
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
    fn the_global_pool_discards_what_is_there_and_no_more() {
        const NAME: &str = "end::the_global_pool_discards_what_is_there_and_no_more";
        if !is_child(NAME) {
            child(NAME);
            return;
        }
        within(|| {
            fast_async::set_max_threads(1).unwrap();
            let (running, gate) = (Count::default(), Gate::default());
            let (begun, held) = (running.clone(), gate.clone());
            let first = spawn(move || {
                begun.add();
                held.pass();
            });
            running.reach(1);
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
            gate.open();
            first.wait().unwrap();

            // A task of its own is not among those left.
            fast_async::set_max_threads(2).unwrap();
            let (running, gate) = (Count::default(), Gate::default());
            let (begun, held) = (running.clone(), gate.clone());
            spawn(move || {
                begun.add();
                held.pass();
            })
            .detach();
            running.reach(1);
            let report = || spawn(|| Pool::global().shutdown(Shutdown::Drain, Duration::ZERO));
            assert_eq!(report().wait().unwrap().threads, 1);
            // One that waits is.
            let (resolver, awaited) = deferred::<()>();
            let waiter = spawn(move || awaited.wait());
            until(|| Pool::global().metrics().blocked == 1);
            assert_eq!(report().wait().unwrap().threads, 2);
            resolver.resolve(()).unwrap();
            waiter.wait().unwrap().unwrap();
            gate.open();
        });
    }
}

mod room {
    use super::*;

    fn limited(limit: usize) -> Pool {
        Pool::builder()
            .name("room")
            .max_threads(1)
            .queue_limit(limit)
            .build()
            .unwrap()
    }

    // Contract: P3
    #[test]
    fn try_spawn_hands_the_closure_back_when_the_queue_is_full() {
        within(|| {
            let pool = limited(2);
            let (running, gate) = (Count::default(), Gate::default());
            let (begun, held) = (running.clone(), gate.clone());
            pool.spawn(move || {
                begun.add();
                held.pass();
            })
            .detach();
            running.reach(1);
            let queued: Vec<Task<u32>> = (0..2)
                .map(|n| pool.try_spawn(move || n).ok().unwrap())
                .collect();
            let owned = String::from("mine");
            let back = pool.try_spawn(move || owned).unwrap_err();
            assert_eq!(back(), "mine", "untouched");
            assert_eq!(pool.metrics().queued, 2);
            gate.open();
            assert_eq!(all(queued).wait().unwrap(), [0, 1]);
            assert!(pool.wait_idle(Duration::MAX));
            assert_eq!(pool.try_spawn(|| 7).ok().unwrap().wait().unwrap(), 7);
        });
    }

    // Contract: P3. What goes on with accepted work never waits for room, but it takes some.
    #[test]
    fn a_late_continuation_fills_the_queue_too() {
        within(|| {
            let pool = limited(1);
            let task = pool.spawn(|| 1);
            assert!(pool.wait_idle(Duration::MAX));
            let (running, gate) = (Count::default(), Gate::default());
            let (begun, held) = (running.clone(), gate.clone());
            pool.spawn(move || {
                begun.add();
                held.pass();
            })
            .detach();
            running.reach(1);
            let task = task.then(|n| n + 1);
            let back = pool.try_spawn(|| 7);
            assert!(back.is_err(), "the continuation has the only place");
            gate.open();
            assert_eq!(task.wait().unwrap(), 2);
            assert!(pool.wait_idle(Duration::MAX));
            assert_eq!(pool.try_spawn(|| 7).ok().unwrap().wait().unwrap(), 7);
        });
    }

    // Contract: P3
    #[test]
    fn spawn_waits_for_room() {
        within(|| {
            let pool = limited(3);
            let seen = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<Task<()>> = (0..2_000)
                .map(|_| {
                    let (own, seen) = (pool.clone(), seen.clone());
                    pool.spawn(move || {
                        seen.fetch_max(own.metrics().queued, Ordering::SeqCst);
                    })
                })
                .collect();
            all(tasks).wait().unwrap();
            let most = seen.load(Ordering::SeqCst);
            assert!((1..=3).contains(&most), "{most} jobs were queued at once");
        });
    }

    // Contract: P3
    #[test]
    fn several_spawners_wait_for_room() {
        within(|| {
            let pool = limited(1);
            let ran = Count::default();
            let spawners: Vec<_> = (0..4)
                .map(|_| {
                    let (pool, ran) = (pool.clone(), ran.clone());
                    thread::spawn(move || {
                        for _ in 0..200 {
                            let ran = ran.clone();
                            pool.spawn(move || ran.add()).detach();
                        }
                    })
                })
                .collect();
            for spawner in spawners {
                spawner.join().unwrap();
            }
            ran.reach(800);
        });
    }

    // Contract: P3
    #[test]
    fn a_worker_goes_over_the_limit_instead_of_waiting() {
        within(|| {
            let pool = limited(1);
            let own = pool.clone();
            let sum = pool.spawn(move || {
                let parts: Vec<Task<u32>> = (0..50).map(|n| own.spawn(move || n)).collect();
                all(parts).wait().unwrap().iter().sum::<u32>()
            });
            assert_eq!(sum.wait().unwrap(), 1225);
        });
    }

    // Contract: P3
    #[test]
    fn workers_of_two_full_pools_spawn_into_each_other() {
        within(|| {
            let (one, two) = (limited(1), limited(1));
            let ran = Count::default();
            // Each worker is busy filling the other's queue, which only the other could empty.
            let fill = |here: &Pool, there: &Pool| {
                let (there, ran) = (there.clone(), ran.clone());
                here.spawn(move || {
                    for _ in 0..10 {
                        let ran = ran.clone();
                        there.spawn(move || ran.add()).detach();
                    }
                })
            };
            let both = [fill(&one, &two), fill(&two, &one)];
            all(both).wait().unwrap();
            ran.reach(20);
        });
    }

    // Contract: P3
    #[test]
    fn try_spawn_on_a_worker_gives_its_place_back() {
        within(|| {
            let pool = limited(2);
            let own = pool.clone();
            let ran = Count::default();
            let counted = ran.clone();
            pool.spawn(move || {
                for _ in 0..2 {
                    let ran = counted.clone();
                    let task = own.try_spawn(move || ran.add());
                    assert!(task.is_ok(), "the queue is empty");
                }
            })
            .wait()
            .unwrap();
            ran.reach(2);
            assert!(pool.wait_idle(Duration::MAX));
            assert!(
                pool.try_spawn(|| ()).is_ok(),
                "the queue is empty again, but counts as full"
            );
        });
    }

    // Contract: P3
    #[test]
    fn jobs_cancelled_in_the_queue_free_their_places_in_the_end() {
        within(|| {
            let pool = limited(2);
            let (running, gate) = (Count::default(), Gate::default());
            let (begun, held) = (running.clone(), gate.clone());
            pool.spawn(move || {
                begun.add();
                held.pass();
            })
            .detach();
            running.reach(1);
            for _ in 0..2 {
                pool.spawn(|| ()).cancel();
            }
            gate.open();
            // Waits for room; there is some as soon as the worker comes by.
            for n in 0..10 {
                assert_eq!(pool.spawn(move || n).wait().unwrap(), n);
            }
        });
    }

    // Contract: P3, P4
    #[test]
    fn a_shutdown_frees_those_who_wait_for_room() {
        within(|| {
            let pool = limited(1);
            let (running, gate) = (Count::default(), Gate::default());
            let (begun, held) = (running.clone(), gate.clone());
            pool.spawn(move || {
                begun.add();
                held.pass();
            })
            .detach();
            running.reach(1);
            let queued = pool.spawn(|| ());
            let spawning = pool.clone();
            // Full: this one waits, now or after the shutdown.
            let spawner = thread::spawn(move || spawning.spawn(|| ()).wait());
            let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
            assert!(report.discarded >= 1, "{report:?}");
            assert!(queued.wait().unwrap_err().is_cancelled());
            let error = spawner.join().unwrap().unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Rejected | ErrorKind::Cancelled),
                "{error}"
            );
            gate.open();
        });
    }

    // Contract: P3, P4. The worker is held, so there will be no room; nobody waits for that.
    #[test]
    fn a_shutdown_that_runs_nothing_frees_those_who_wait_for_room_too() {
        within(|| {
            for _ in 0..5 {
                let pool = limited(1);
                let (running, gate) = (Count::default(), Gate::default());
                let (begun, held) = (running.clone(), gate.clone());
                pool.spawn(move || {
                    begun.add();
                    held.pass();
                })
                .detach();
                running.reach(1);
                let queued = pool.spawn(|| 7);
                let coming = Count::default();
                let spawners = [0; 8].map(|_| {
                    let (spawning, coming) = (pool.clone(), coming.clone());
                    thread::spawn(move || {
                        coming.add();
                        spawning.spawn(|| ()).wait()
                    })
                });
                coming.reach(8);
                // Some of them wait by now, the others find the pool closed.
                thread::yield_now();
                let report = pool.shutdown(Shutdown::Drain, Duration::ZERO);
                assert_eq!((report.queued, report.threads), (1, 1), "{report:?}");
                for spawner in spawners {
                    let error = spawner.join().unwrap().unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Rejected);
                }
                gate.open();
                assert_eq!(queued.wait().unwrap(), 7);
            }
        });
    }
}
