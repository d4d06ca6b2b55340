//! A bounded queue: who waits for room in it, and who does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::{Count, Gate, Jam, until, within};
use fast_async::{ErrorKind, Pool, Shutdown, Task, all, any, race};

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
fn try_spawn_returns_the_closure_when_the_queue_is_full() {
    within(|| {
        let pool = limited(2);
        let jam = Jam::of(&pool, 1);
        jam.reach(1);
        let queued: Vec<Task<u32>> = (0..2)
            .map(|n| pool.try_spawn(move || n).ok().unwrap())
            .collect();
        let owned = String::from("mine");
        let back = pool.try_spawn(move || owned).unwrap_err();
        assert!(back.is_full(), "{back}");
        assert_eq!(back.into_inner()(), "mine", "untouched");
        assert_eq!(pool.metrics().queued, 2);
        jam.open();
        assert_eq!(all(queued).wait().unwrap(), [0, 1]);
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(pool.try_spawn(|| 7).ok().unwrap().wait().unwrap(), 7);
    });
}

// Contract: P3. The thread ends with the job in its own queue, because the other one is busy.
#[test]
fn a_job_spawned_by_a_stop_hook_releases_its_slot() {
    within(|| {
        let (hooked, ran) = (Arc::new(Mutex::new(None::<Pool>)), Count::default());
        let (own, ends) = (hooked.clone(), ran.clone());
        let pool = Pool::builder()
            .core_threads(1)
            .max_threads(2)
            .queue_limit(1)
            .keep_alive(Duration::from_millis(1))
            .on_thread_stop(move |_| {
                if let Some(pool) = own.lock().unwrap().take() {
                    let ends = ends.clone();
                    pool.spawn(move || ends.add()).detach();
                }
            })
            .build()
            .unwrap();
        let (begun, gates) = (Count::default(), [Gate::default(), Gate::default()]);
        for gate in gates.clone() {
            let begun = begun.clone();
            pool.spawn(move || {
                begun.add();
                gate.pass();
            })
            .detach();
        }
        begun.reach(2);
        pool.set_max_threads(1).unwrap();
        *hooked.lock().unwrap() = Some(pool.clone());
        gates[0].open();
        until(|| pool.metrics().threads == 1);
        gates[1].open();
        ran.reach(1);
        assert!(pool.wait_idle(Duration::MAX));
        assert!(pool.try_spawn(|| ()).is_ok(), "the queue is empty");
    });
}

// Contract: P3. Work that continues an accepted task never waits for a slot, but it takes one.
#[test]
fn a_late_continuation_fills_the_queue_too() {
    within(|| {
        let pool = limited(1);
        let task = pool.spawn(|| 1);
        assert!(pool.wait_idle(Duration::MAX));
        let jam = Jam::of(&pool, 1);
        jam.reach(1);
        let task = task.then(|n| n + 1);
        let back = pool.try_spawn(|| 7);
        assert!(back.is_err(), "the continuation has the only place");
        jam.open();
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
fn a_worker_exceeds_the_limit_instead_of_waiting() {
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
fn try_spawn_on_a_worker_frees_its_place() {
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
fn jobs_cancelled_in_the_queue_release_their_slots_in_the_end() {
    within(|| {
        let pool = limited(2);
        let jam = Jam::of(&pool, 1);
        jam.reach(1);
        for _ in 0..2 {
            pool.spawn(|| ()).cancel();
        }
        jam.open();
        // Waits for a slot, which is free as soon as the worker pops a job.
        for n in 0..10 {
            assert_eq!(pool.spawn(move || n).wait().unwrap(), n);
        }
    });
}

// Contract: P3, P4
#[test]
fn a_shutdown_wakes_threads_that_wait_for_capacity() {
    within(|| {
        let pool = limited(1);
        let jam = Jam::of(&pool, 1);
        jam.reach(1);
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
        jam.open();
    });
}

// Contract: P3, P4. The worker is held, so no slot becomes free, and no call waits for one.
#[test]
fn a_cancelling_shutdown_wakes_threads_that_wait_for_capacity() {
    within(|| {
        for _ in 0..5 {
            let pool = limited(1);
            let jam = Jam::of(&pool, 1);
            jam.reach(1);
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
            jam.open();
            assert_eq!(queued.wait().unwrap(), 7);
        }
    });
}

// Contract: P3, C1
#[test]
fn a_flow_that_is_cancelled_gives_the_places_of_its_runners_back() {
    type Ends = fn(Task<Vec<()>>);
    let ends: [(&str, Ends); 3] = [
        ("cancel", |task| {
            task.cancel();
        }),
        ("a time limit", |task| {
            assert!(task.timeout(Duration::ZERO).wait().is_err());
        }),
        ("a guard", |task| drop(task.cancel_on_drop())),
    ];
    within(move || {
        for (name, end) in ends {
            let pool = limited(1);
            let jam = Jam::of(&pool, 1);
            jam.reach(1);
            let task = pool.map_limit(0..9, 3, |_| Ok(()));
            assert!(pool.try_spawn(|| ()).is_err(), "{name}: the queue is full");
            end(task);
            let next = pool.try_spawn(|| ());
            jam.open();
            next.unwrap_or_else(|_| panic!("{name} keeps the place"))
                .wait()
                .unwrap();
            jam.end();
            // The runner that was left in the queue gives nothing back a second time.
            assert_eq!(pool.metrics().queued, 0);
        }
    });
}

// Contract: P3, C1, M3
#[test]
fn each_way_to_cancel_a_queued_job_gives_its_place_back() {
    type Ends = fn(&Pool, Task<()>);
    let ends: [(&str, Ends); 6] = [
        ("cancel", |_, task| {
            task.cancel();
        }),
        ("a time limit", |_, task| {
            let limited = task.timeout(Duration::ZERO);
            assert!(limited.wait().is_err());
        }),
        ("race", |_, task| {
            race([Task::ready(()), task]).wait().unwrap();
        }),
        ("any", |_, task| {
            any([Task::ready(()), task]).wait().unwrap()
        }),
        ("a guard", |_, task| drop(task.cancel_on_drop())),
        ("a group", |pool, task| {
            task.cancel();
            let ended = pool.group(|g| {
                g.spawn(|| ()).detach();
                g.cancel();
                Ok(())
            });
            ended.unwrap();
        }),
    ];
    within(move || {
        for (name, end) in ends {
            let pool = Pool::builder().max_threads(1).queue_limit(1);
            let pool = pool.build().unwrap();
            let (began, gate) = (Gate::new(), Gate::new());
            let (begin, pass) = (began.clone(), gate.clone());
            let job = pool.spawn(move || {
                begin.open();
                pass.pass();
            });
            began.pass();
            let task = pool.spawn(|| ());
            assert!(pool.try_spawn(|| ()).is_err(), "{name}: the queue is full");
            end(&pool, task);
            let next = pool.try_spawn(|| ());
            gate.open();
            next.unwrap_or_else(|_| panic!("{name} keeps the place"))
                .wait()
                .unwrap();
            job.wait().unwrap();
        }
    });
}
