//! Executors: which thread runs a chain, how long a choice sticks, and what becomes of a chain
//! whose executor fails it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::{
    Drops, Gate, LIMIT, Log, SECOND, assert_still_dispatches, every_case, expected, one_thread,
    within,
};
use fast_async::{
    ErrorKind, Executor, Inline, Job, LoopQueue, Pool, Retry, Semaphore, Shutdown, Status, Task,
    TaskQueue, deferred, spawn,
};

fn pool(name: &str) -> Pool {
    let pool = Pool::builder().name(name).max_threads(2).build();
    pool.expect("a valid pool")
}

/// The name of this thread up to the number.
fn place() -> String {
    let name = thread::current().name().unwrap_or("?").to_string();
    name.split('-').next().unwrap_or("?").to_string()
}

mod choice {
    use super::*;

    // What is chained on it runs where it would have run, and a limit goes by the pool's clock.
    // Contract: D3
    #[test]
    fn a_task_that_is_refused_for_its_arguments_belongs_to_its_pool() {
        within(|| {
            let own = pool("own");
            let queue = TaskQueue::builder().pool(&own).build().unwrap();
            let refused: [Task<()>; 5] = [
                own.retry(Retry::attempts(0), |_| Ok(())),
                own.hedge(SECOND, 0, |_| Ok(())),
                queue.when_below(0),
                Semaphore::with_pool(1, &own).acquire(2).then(drop),
                own.every(Duration::ZERO, || ()).into_task(),
            ];
            for task in refused {
                let place = task.handle(|outcome| {
                    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Rejected);
                    place()
                });
                assert_eq!(place.wait().unwrap(), "own");
            }
        });
    }

    // Case: 60
    #[test]
    fn a_choice_sticks_until_the_next_one() {
        within(|| {
            for late in [false, true] {
                let (left, right) = (pool("left"), pool("right"));
                let log = Log::new();
                let [a, b, c, d, e] = [(); 5].map(|()| {
                    let log = log.clone();
                    move || log.push(place())
                });
                let (resolver, task) = deferred();
                let mut resolver = Some(resolver);
                if !late {
                    resolver.take().unwrap().resolve(1).unwrap();
                }
                let task = task
                    .on(&left)
                    .then(move |n| {
                        a();
                        n
                    })
                    .inspect(move |_| b())
                    .and_then(|n| spawn(move || n + 1))
                    .then(move |n| {
                        c();
                        n
                    })
                    .on(&right)
                    .finally(d)
                    .catch(|_| 0)
                    .handle(move |outcome| {
                        e();
                        outcome.unwrap()
                    });
                if let Some(resolver) = resolver {
                    resolver.resolve(1).unwrap();
                }
                assert_eq!(task.wait().unwrap(), 2);
                assert_eq!(log.take(), ["left", "left", "left", "right", "right"]);
            }
        });
    }

    #[test]
    fn steps_registered_before_keep_their_executor() {
        within(|| {
            let other = pool("other");
            let (resolver, task) = deferred();
            let here = thread::current().id();
            let task = task
                .then(move |()| thread::current().id() == here)
                .on(&other)
                .then(move |before| (before, place()));
            resolver.resolve(()).unwrap();
            assert_eq!(task.wait().unwrap(), (true, "other".to_string()));
        });
    }

    #[test]
    fn observers_go_with_the_chain() {
        within(|| {
            let other = pool("other");
            for late in [false, true] {
                let (resolver, task) = deferred();
                let mut resolver = Some(resolver);
                if !late {
                    resolver.take().unwrap().resolve(()).unwrap();
                }
                let log = Log::new();
                let saw = log.clone();
                let task = task.on(&other);
                task.on_settled(move |_| saw.push(place()));
                if let Some(resolver) = resolver {
                    resolver.resolve(()).unwrap();
                }
                task.wait().unwrap();
                assert_eq!(log.take(), ["other"]);
            }
        });
    }

    #[test]
    fn a_task_of_a_pool_stays_in_its_pool() {
        within(|| {
            let home = pool("home");
            let hold = Gate::new();
            let pass = hold.clone();
            let task = home.spawn(move || pass.pass()).then(|()| place());
            hold.open();
            let settled = task.share();
            assert_eq!(settled.wait().unwrap(), "home");
            // Late branches and chains too.
            assert_eq!(settled.then(|_| place()).wait().unwrap(), "home");
            let task = home.spawn(|| ()).share();
            task.wait().unwrap();
            assert_eq!(task.cloned().then(|()| place()).wait().unwrap(), "home");
        });
    }

    #[test]
    fn every_kind_of_executor_runs_a_chain() {
        struct Counting(Arc<AtomicUsize>);
        impl Executor for Counting {
            fn execute(&self, job: Job) {
                self.0.fetch_add(1, Ordering::Relaxed);
                job.run();
            }
        }
        within(|| {
            let count = Arc::new(AtomicUsize::new(0));
            let shared: Arc<dyn Executor> = Arc::new(Counting(count.clone()));
            let task = Task::ready(1).on(&shared).then(|n| n + 1);
            assert_eq!(task.wait().unwrap(), 2);
            assert!(count.load(Ordering::Relaxed) > 0);

            let task = Task::ready(1).on(&Arc::new(Inline)).then(|n| n + 1);
            assert_eq!(task.status(), Status::Success);
            assert_eq!(task.wait().unwrap(), 2);

            let ran = count.clone();
            let closure: Arc<dyn Fn(Job) + Send + Sync> = Arc::new(move |job: Job| {
                ran.fetch_add(1, Ordering::Relaxed);
                job.run();
            });
            let before = count.load(Ordering::Relaxed);
            let task = Task::ready(1).on(&closure).then(|n| n + 1);
            assert_eq!(task.wait().unwrap(), 2);
            assert!(count.load(Ordering::Relaxed) > before);

            let not_clone = Mutex::new(0);
            let closure = Arc::new(move |job: Job| {
                *not_clone.lock().unwrap() += 1;
                job.run();
            });
            let task = Task::ready(1).on(&closure).then(|n| n + 1);
            assert_eq!(task.wait().unwrap(), 2);

            let task = Task::ready(1).on(&pool("arc")).on(&Arc::new(pool("arc")));
            assert_eq!(task.then(|_| place()).wait().unwrap(), "arc");
        });
    }
}

mod inline {
    use super::*;

    #[test]
    fn inline_runs_on_the_thread_that_settles_or_registers() {
        within(|| {
            let (resolver, task) = deferred();
            let task = task.on(&Inline).then(|()| thread::current().id());
            let settler = thread::spawn(move || {
                resolver.resolve(()).unwrap();
                thread::current().id()
            });
            assert_eq!(task.wait().unwrap(), settler.join().unwrap());

            let here = Task::ready(())
                .on(&Inline)
                .then(|()| thread::current().id());
            assert_eq!(here.wait().unwrap(), thread::current().id());
        });
    }

    // A continuation that is registered inside another one runs inside the call there as well.
    #[test]
    fn inline_chains_nest() {
        within(|| {
            let log = Log::new();
            let (outer, inner, after) = (log.clone(), log.clone(), log.clone());
            let task = Task::ready(1).on(&Inline).then(move |n| {
                outer.push("outer");
                let nested = Task::ready(n).on(&Inline).then(move |n| {
                    inner.push("inner");
                    n + 1
                });
                after.push("after");
                nested.wait().unwrap()
            });
            assert_eq!(task.wait().unwrap(), 2);
            assert_eq!(log.take(), ["outer", "inner", "after"]);
        });
    }
}

mod failing {
    use super::*;

    // Contract: S3
    // Case: 59
    #[test]
    fn a_refused_link_fails_and_what_follows_can_recover() {
        within(|| {
            every_case(|case| {
                let drops = Drops::new();
                let token = drops.token();
                let n = case.run(Ok(1), |task| {
                    task.on(&|job: Job| drop(job))
                        .then(move |n| {
                            token.hold();
                            n
                        })
                        .catch(|error| match error.kind() {
                            ErrorKind::Rejected => 2,
                            other => panic!("{other}"),
                        })
                        .then(|n| n + 1)
                });
                assert_eq!(n.unwrap(), 3, "{case:?}");
                assert_eq!(drops.count(), 1, "{case:?}");
            });
        });
    }

    // Contract: S3, S2
    // Case: 59
    #[test]
    fn an_executor_that_panics_fails_its_link_only() {
        within(|| {
            every_case(|case| {
                let n = case.run(Ok(1), |task| {
                    task.on(&|job: Job| {
                        let _lost = job;
                        expected("in an executor")
                    })
                    .then(|n| n + 1)
                    .catch(|error| u32::from(error.kind() == ErrorKind::Rejected) * 10)
                });
                assert_eq!(n.unwrap(), 10, "{case:?}");
            });
            assert_still_dispatches();
        });
    }

    // The job has run; what the executor does afterwards is its own affair.
    #[test]
    fn an_executor_that_panics_after_the_job_changes_nothing() {
        within(|| {
            every_case(|case| {
                let n = case.run(Ok(1), |task| {
                    task.on(&|job: Job| {
                        job.run();
                        expected("after the job")
                    })
                    .then(|n| n + 1)
                });
                assert_eq!(n.unwrap(), 2, "{case:?}");
            });
            assert_still_dispatches();
        });
    }

    // Contract: S3, P4
    #[test]
    fn a_closed_pool_rejects_what_is_sent_to_it() {
        within(|| {
            every_case(|case| {
                let closed = pool("closed");
                assert!(closed.shutdown(Shutdown::Drain, LIMIT).is_complete());
                let kind = case.run(Ok(1), |task| {
                    task.on(&closed)
                        .then(|n| n + 1)
                        .handle(|outcome| outcome.unwrap_err().kind())
                });
                assert_eq!(kind.unwrap(), ErrorKind::Rejected, "{case:?}");
            });
        });
    }

    // A task outlives the pool it ran on: its late continuations are not lost.
    #[test]
    fn late_continuations_run_after_the_pool_of_their_task_is_gone() {
        within(|| {
            let home = pool("home");
            let task = home.spawn(|| 1).share();
            task.wait().unwrap();
            assert!(home.shutdown(Shutdown::Drain, LIMIT).is_complete());
            assert_eq!(task.then(|n| n + 1).wait().unwrap(), 2);
        });
    }

    // Contract: S3. A job may be run on any thread, and long after.
    #[test]
    fn a_job_that_is_dropped_late_still_settles() {
        within(|| {
            let jobs = Log::new();
            let executor = {
                let jobs = jobs.clone();
                move |job: Job| jobs.push(job)
            };
            let (ran, dropped) = (
                Task::ready(1).on(&executor).then(|n| n + 1),
                Task::ready(1).on(&executor).then(|n| n + 1),
            );
            let mut kept = jobs.take().into_iter();
            let (first, second) = (kept.next().unwrap(), kept.next().unwrap());
            thread::spawn(move || first.run()).join().unwrap();
            thread::spawn(move || drop(second)).join().unwrap();
            assert_eq!(ran.wait().unwrap(), 2);
            assert_eq!(dropped.wait().unwrap_err().kind(), ErrorKind::Rejected);
        });
    }

    // A job of a task that was cancelled since has nothing to do.
    #[test]
    fn a_job_of_a_cancelled_task_runs_no_step() {
        within(|| {
            let jobs = Log::new();
            let executor = {
                let jobs = jobs.clone();
                move |job: Job| jobs.push(job)
            };
            let task = Task::ready(1)
                .on(&executor)
                .then(|_| panic!("it was cancelled"));
            task.cancel();
            for job in jobs.take() {
                job.run();
            }
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }
}

mod loop_queue {
    use super::*;

    #[test]
    fn jobs_run_on_the_loops_thread_in_their_order() {
        within(|| {
            let queue = LoopQueue::new();
            let here = thread::current().id();
            let log = Log::new();
            let tasks: Vec<_> = (0..5)
                .map(|number| {
                    let log = log.clone();
                    Task::ready(()).on(&queue).then(move |()| {
                        log.push((number, thread::current().id()));
                    })
                })
                .collect();
            assert_eq!(log.len(), 0, "nothing runs before the loop turns");
            assert_eq!(queue.run_pending(), 5);
            let expected: Vec<_> = (0..5).map(|number| (number, here)).collect();
            assert_eq!(log.take(), expected);
            for task in tasks {
                task.wait().unwrap();
            }
        });
    }

    #[test]
    fn a_run_of_the_loop_runs_the_jobs_queued_at_its_start() {
        within(|| {
            let queue = LoopQueue::new();
            let log = Log::new();
            let (outer, inner, again) = (log.clone(), log.clone(), queue.clone());
            let task = Task::ready(()).on(&queue).then(move |()| {
                outer.push("first turn");
                Task::ready(())
                    .on(&again)
                    .then(move |()| inner.push("second turn"))
                    .detach();
            });
            assert_eq!(queue.run_pending(), 1);
            assert_eq!(log.take(), ["first turn"]);
            assert_eq!(queue.run_pending(), 1);
            assert_eq!(log.take(), ["second turn"]);
            assert_eq!(queue.run_pending(), 0);
            task.wait().unwrap();
        });
    }

    #[test]
    fn run_until_runs_the_loop_and_sleeps_in_between() {
        within(|| {
            let queue = LoopQueue::new();
            let here = thread::current().id();
            let task = spawn(|| 1)
                .on(&queue)
                .then(move |n| (n, thread::current().id() == here))
                .on(&pool("elsewhere"))
                .then(|(n, was_here)| (n + 1, was_here, place()))
                .on(&queue)
                .then(move |(n, was_here, between)| {
                    (n, was_here, between, thread::current().id() == here)
                });
            let outcome = queue.run_until(task).unwrap();
            assert_eq!(outcome, (2, true, "elsewhere".to_string(), true));

            // Settled elsewhere, without any job in this queue.
            assert_eq!(queue.run_until(spawn(|| 3)).unwrap(), 3);
            assert_eq!(queue.run_until(Task::ready(4)).unwrap(), 4);
            let failed = queue.run_until(Task::<()>::failed("no"));
            assert_eq!(failed.unwrap_err().kind(), ErrorKind::Failed);
        });
    }

    /// A job that queues itself again, for as long as it is asked to.
    fn again(queue: LoopQueue, ended: Gate) {
        let next = queue.clone();
        Task::ready(())
            .on(&queue)
            .then(move |()| {
                if !ended.is_open() {
                    again(next, ended);
                }
            })
            .detach();
    }

    #[test]
    fn run_until_ends_though_jobs_queue_themselves_again() {
        within(|| {
            let queue = LoopQueue::new();
            let ended = Gate::new();
            again(queue.clone(), ended.clone());
            // The job would hold the queue in a circle.
            let _ends = crate::support::OnDrop::new({
                let ended = ended.clone();
                move |_| ended.open()
            });
            assert_eq!(queue.run_until(spawn(|| 3)).unwrap(), 3);
            assert_eq!(queue.run_until(Task::ready(4)).unwrap(), 4);
            ended.open();
            while queue.run_pending() > 0 {}
        });
    }

    // Contract: W1
    #[test]
    fn a_worker_that_runs_a_loop_leaves_its_place_to_another() {
        within(|| {
            let one = one_thread();
            let own = one.clone();
            let task = one.spawn(move || {
                let queue = LoopQueue::new();
                let task = own.spawn(|| 1).on(&queue).then(|n| n + 1);
                let first = queue.run_until(task).unwrap();
                let _job = own.spawn(|| 1).on(&queue).then(|n| n + 1);
                (
                    first,
                    queue.wait_pending(Duration::MAX),
                    queue.run_pending(),
                )
            });
            assert_eq!(task.wait().unwrap(), (2, true, 1));
        });
    }

    // Contract: W1, D8
    #[test]
    fn a_loop_in_a_callback_runs_the_steps_that_its_thread_has_settled() {
        within(|| {
            let (outer, done) = deferred();
            let done = done.then(|()| {
                let queue = LoopQueue::new();
                let (resolver, task) = deferred();
                let task = task.then(|n: u32| n + 1);
                resolver.resolve(1).unwrap();
                let first = queue.run_until(task).unwrap();
                let (resolver, task) = deferred();
                let _job = task.on(&queue).then(|n: u32| n + 1);
                resolver.resolve(1).unwrap();
                (
                    first,
                    queue.wait_pending(Duration::MAX),
                    queue.run_pending(),
                )
            });
            outer.resolve(()).unwrap();
            assert_eq!(done.wait().unwrap(), (2, true, 1));
        });
    }

    #[test]
    fn the_loop_is_notified_of_every_job() {
        within(|| {
            let told = Log::new();
            let (tell, rung) = (told.clone(), Gate::new());
            let ring = rung.clone();
            let queue = LoopQueue::with_notify(move || {
                tell.push(thread::current().id());
                ring.open();
            });
            assert!(!queue.wait_pending(Duration::ZERO));
            let (resolver, task) = deferred();
            let task = task.on(&queue).then(|n: u32| n + 1);
            assert_eq!(told.len(), 0);
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            let by = settler.thread().id();
            assert!(queue.wait_pending(LIMIT));
            rung.pass();
            assert_eq!(told.take(), [by], "on the thread that brings the job");
            assert_eq!(queue.run_pending(), 1);
            assert_eq!(task.wait().unwrap(), 2);
            settler.join().unwrap();
        });
    }

    // Contract: S3
    #[test]
    fn jobs_that_are_queued_when_the_queue_goes_are_rejected() {
        within(|| {
            let queue = LoopQueue::new();
            let drops = Drops::new();
            let token = drops.token();
            let queued = Task::ready(1).on(&queue).then(move |_| token.hold());
            let (resolver, later) = deferred::<u32>();
            let later = later.on(&queue).then(|n| n + 1);
            drop(queue);
            drops.wait_for(1);
            assert_eq!(queued.wait().unwrap_err().kind(), ErrorKind::Rejected);
            resolver.resolve(1).unwrap();
            assert_eq!(later.wait().unwrap_err().kind(), ErrorKind::Rejected);
        });
    }

    // Contract: S2
    #[test]
    fn a_panic_in_a_job_does_not_reach_the_loop() {
        within(|| {
            let queue = LoopQueue::new();
            let task = Task::ready(())
                .on(&queue)
                .then(|()| -> u32 { expected("in the loop") });
            assert_eq!(queue.run_pending(), 1);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Panicked);
            assert_still_dispatches();
        });
    }

    // Contract: S2
    #[test]
    fn a_notify_that_panics_loses_no_job() {
        within(|| {
            let queue = LoopQueue::with_notify(|| expected("in notify"));
            let task = Task::ready(1).on(&queue).then(|n| n + 1);
            assert_eq!(queue.run_pending(), 1);
            assert_eq!(task.wait().unwrap(), 2);
        });
    }
}
