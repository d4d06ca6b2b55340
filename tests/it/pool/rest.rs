//! Coming to rest: `wait_idle`.

use std::time::Duration;

use super::grind;
use crate::support::{Count, Gate, pool_of, until, within};
use fast_async::{Task, all, deferred};

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
            let (done, met, all_there) = (Count::default(), Count::default(), Gate::new());
            let waiters: Vec<Task<usize>> = (0..3)
                .map(|_| {
                    let (own, done, met) = (pool.clone(), done.clone(), met.clone());
                    let there = all_there.clone();
                    pool.spawn(move || {
                        // One that came later would find the pool busy with those that wait for it.
                        there.pass();
                        for _ in 0..10 {
                            let done = done.clone();
                            own.spawn(move || done.add()).detach();
                        }
                        assert!(own.wait_idle(Duration::MAX));
                        // The first to return may wait for the others: the pool was idle for all of
                        // them.
                        met.add();
                        met.reach(3);
                        done.get()
                    })
                })
                .collect();
            all_there.open();
            for seen in all(waiters).wait().unwrap() {
                assert!(seen >= 10, "its own ten jobs are done: {seen}");
            }
            assert_eq!(done.get(), 30);
        }
    });
}

// Contract: P4. Tasks that wait for the pool to be idle do not keep it busy; tasks that wait for
// something else do.
#[test]
fn a_task_that_waits_for_another_keeps_the_pool_busy() {
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
        // The other pool needs this one to become idle.
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
