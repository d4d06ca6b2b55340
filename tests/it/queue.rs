//! Queues: their order, limits, rates and ends; semaphores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{
    Count, Drops, Gate, Latch, Log, SECOND, expected, one_thread, pool_of, reports, virtual_pool,
    within,
};
use fast_async::{
    CancelOutcome, CancelToken, Clock, ErrorKind, Pool, Semaphore, Shutdown, Status, Task,
    TaskQueue, all, all_settled, spawn,
};

/// A queue whose only place is taken until the gate is open.
fn busy() -> (TaskQueue, Gate, Task<()>) {
    let (queue, gate) = (TaskQueue::serial(), Gate::new());
    let pass = gate.clone();
    let first = queue.spawn(move || pass.pass());
    (queue, gate, first)
}

/// A queue that goes by a virtual clock.
fn virtual_queue(rate: usize, per: Duration) -> (Clock, Pool, TaskQueue) {
    let (clock, pool) = virtual_pool();
    let queue = TaskQueue::builder().pool(&pool).rate(rate, per);
    let queue = queue.build().unwrap();
    (clock, pool, queue)
}

mod order {
    use super::*;

    // Contract: Q1, X4
    #[test]
    fn jobs_start_in_their_order_by_every_verb() {
        within(|| {
            let (queue, gate, first) = busy();
            let log = Log::new();
            let note = |name: &'static str| {
                let log = log.clone();
                move || log.push(name)
            };
            let (a, b, c, d) = (note("a"), note("b"), note("c"), note("d"));
            let jobs = [
                queue.spawn(a),
                queue.attempt(move || {
                    b();
                    Ok(())
                }),
                queue.spawn_with(move |ctx| {
                    assert!(!ctx.is_cancelled());
                    c();
                }),
                queue.attempt_with(move |ctx| {
                    d();
                    ctx.check()?;
                    Ok(())
                }),
            ];
            assert_eq!((queue.pending(), queue.running()), (4, 1));
            gate.open();
            all(jobs).wait().unwrap();
            first.wait().unwrap();
            assert_eq!(log.take(), ["a", "b", "c", "d"]);
        });
    }

    // Contract: Q1
    #[test]
    fn a_greater_priority_is_earlier_and_equal_ones_keep_their_order() {
        within(|| {
            let queue = TaskQueue::builder().limit(1).priority(1).paused().build();
            let queue = queue.unwrap();
            let log = Log::new();
            let jobs: Vec<_> = [0, 5, -3, 5, i32::MAX, 0, i32::MIN]
                .into_iter()
                .enumerate()
                .map(|(number, priority)| {
                    let log = log.clone();
                    queue.at(priority).spawn(move || log.push(number))
                })
                .collect();
            let by_default = log.clone();
            let last = queue.spawn(move || by_default.push(7));
            queue.resume();
            all(jobs).wait().unwrap();
            last.wait().unwrap();
            assert_eq!(log.take(), [4, 1, 3, 7, 0, 5, 2, 6]);
        });
    }

    // Contract: X4
    #[test]
    fn try_spawn_starts_at_once_or_returns_the_closure() {
        within(|| {
            let (queue, gate, first) = busy();
            let refused = queue.try_spawn(|| 1).unwrap_err();
            assert!(refused.is_full());
            assert_eq!(refused.into_inner()(), 1);
            gate.open();
            queue.when_idle().wait().unwrap();
            assert_eq!(queue.try_spawn(|| 2).unwrap().wait().unwrap(), 2);
            first.wait().unwrap();
            queue.when_idle().wait().unwrap();
            queue.pause();
            assert!(queue.try_spawn(|| 3).unwrap_err().is_full());

            let pool = pool_of(1);
            let queue = TaskQueue::builder().pool(&pool).build().unwrap();
            let _ = pool.shutdown(Shutdown::Drain, Duration::MAX);
            assert!(!queue.try_spawn(|| 4).unwrap_err().is_full());
            assert_eq!((queue.pending(), queue.running()), (0, 0));
        });
    }

    // Contract: X4, Q1
    #[test]
    fn a_chain_that_is_sent_to_a_queue_waits_for_its_turn() {
        within(|| {
            let (queue, gate, first) = busy();
            let log = Log::new();
            let (one, two) = (log.clone(), log.clone());
            let chain = Task::ready(1).on(&queue).then(move |n| {
                one.push("chain");
                n + 1
            });
            let job = queue.spawn(move || two.push("job"));
            assert_eq!(queue.pending(), 2);
            assert!(!chain.is_settled());
            gate.open();
            assert_eq!(chain.wait().unwrap(), 2);
            job.wait().unwrap();
            first.wait().unwrap();
            assert_eq!(log.take(), ["chain", "job"]);
            queue.when_idle().wait().unwrap();
        });
    }

    // Contract: Q1
    #[test]
    fn a_chain_that_is_cancelled_takes_no_place() {
        within(|| {
            let (queue, gate, first) = busy();
            let chain = Task::ready(1).on(&queue).then(|n| n + 1);
            assert_eq!(chain.cancel(), CancelOutcome::Prevented);
            gate.open();
            first.wait().unwrap();
            queue.when_idle().wait().unwrap();
            assert!(chain.wait().unwrap_err().is_cancelled());
        });
    }

    #[test]
    fn many_jobs_go_through_one_place() {
        within(|| {
            let queue = TaskQueue::serial();
            let sum = Arc::new(AtomicUsize::new(0));
            for _ in 0..20_000 {
                let sum = sum.clone();
                let add = move || {
                    // One at a time: no count is lost.
                    let before = sum.load(Ordering::Relaxed);
                    sum.store(before + 1, Ordering::Relaxed);
                };
                queue.spawn(add).detach();
            }
            queue.when_idle().wait().unwrap();
            assert_eq!(sum.load(Ordering::Relaxed), 20_000);
        });
    }
}

mod limits {
    use super::*;

    // Contract: X2, Q1
    // Case: 160
    #[test]
    fn a_cancelled_closure_holds_its_place_until_it_has_returned() {
        within(|| {
            for cancels in [true, false] {
                let queue = TaskQueue::serial();
                let (began, gate) = (Gate::new(), Gate::new());
                let (begin, pass) = (began.clone(), gate.clone());
                let running = queue.spawn(move || {
                    begin.open();
                    pass.pass();
                });
                began.pass();
                let next = queue.spawn(|| 1);
                let running = match cancels {
                    true => {
                        assert_eq!(running.cancel(), CancelOutcome::Signalled);
                        running
                    }
                    false => running.timeout(Duration::ZERO),
                };
                running.wait().unwrap_err();
                assert_eq!((queue.running(), queue.pending()), (1, 1));
                assert!(!next.is_settled());
                gate.open();
                assert_eq!(next.wait().unwrap(), 1);
            }
        });
    }

    // Contract: Q1
    // Case: 161
    #[test]
    fn a_job_that_is_cancelled_in_the_line_frees_its_place_at_once() {
        within(|| {
            let (queue, gate, first) = busy();
            let drops = Drops::new();
            let token = drops.token();
            let job = queue.spawn(move || token.hold());
            let below = queue.when_below(1);
            assert_eq!(job.cancel(), CancelOutcome::Prevented);
            assert_eq!((queue.pending(), drops.count()), (0, 1));
            below.wait().unwrap();

            let token = CancelToken::new();
            let pool = Pool::builder().cancel_token(&token).build().unwrap();
            let paused = TaskQueue::builder().pool(&pool).paused().build().unwrap();
            let called_off = paused.spawn(|| ());
            token.cancel();
            assert_eq!(paused.pending(), 0);
            assert!(called_off.wait().unwrap_err().is_cancelled());
            let late = paused.spawn(|| ());
            assert!(late.wait().unwrap_err().is_cancelled());
            assert!(paused.try_spawn(|| ()).is_err());
            gate.open();
            first.wait().unwrap();
        });
    }

    // Contract: Q1
    #[test]
    fn a_hundred_thousand_cancelled_jobs_leave_a_flat_stack() {
        within(|| {
            let (queue, gate, first) = busy();
            let jobs: Vec<_> = (0..100_000).map(|_| queue.spawn(|| ())).collect();
            assert_eq!(queue.pending(), 100_000);
            for job in &jobs {
                job.cancel();
            }
            assert_eq!(queue.pending(), 0);
            gate.open();
            first.wait().unwrap();
        });
    }

    // Contract: Q1, X2
    // Case: 162
    #[test]
    fn the_limit_may_change_at_any_time() {
        within(|| {
            let (queue, gate) = (TaskQueue::serial(), Gate::new());
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let began = Count::default();
            let job = |gate: &Gate| {
                let (running, most) = (running.clone(), most.clone());
                let (gate, began) = (gate.clone(), began.clone());
                queue.spawn(move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    began.add();
                    gate.pass();
                    running.fetch_sub(1, Ordering::SeqCst);
                })
            };
            let first: Vec<_> = (0..4).map(|_| job(&gate)).collect();
            began.reach(1);
            assert_eq!((queue.running(), queue.pending()), (1, 3));
            queue.set_limit(4).unwrap();
            began.reach(4);
            assert_eq!((queue.running(), queue.pending()), (4, 0));

            queue.set_limit(2).unwrap();
            let second = Gate::new();
            let rest: Vec<_> = (0..4).map(|_| job(&second)).collect();
            assert_eq!((queue.running(), queue.pending()), (4, 4));
            gate.open();
            all(first).wait().unwrap();
            began.reach(6);
            assert_eq!((queue.running(), queue.pending()), (2, 2));
            most.store(0, Ordering::SeqCst);
            second.open();
            all(rest).wait().unwrap();
            assert!(most.load(Ordering::SeqCst) <= 2);

            let error = queue.set_limit(0).unwrap_err();
            assert!(error.to_string().contains("`pause`"), "{error}");
            assert_eq!(queue.limit(), 2);
        });
    }

    // Contract: Q1
    #[test]
    fn settings_that_would_start_nothing_are_refused() {
        let refused = |builder: fast_async::queue::TaskQueueBuilder| {
            let error = builder.build().unwrap_err();
            error.to_string()
        };
        let builder = TaskQueue::builder;
        assert!(refused(builder().limit(0)).contains("1 or more"));
        assert!(refused(builder().rate(0, SECOND)).contains("1 or more"));
        assert!(refused(builder().rate(5, Duration::ZERO)).contains("longer than zero"));
        assert!(builder().rate(1, Duration::MAX).build().is_ok());
    }

    // Contract: X2
    #[test]
    fn a_job_that_is_refused_gives_its_place_back_without_recursion() {
        within(|| {
            let pool = pool_of(1);
            let queue = TaskQueue::builder().pool(&pool).limit(1).paused().build();
            let queue = queue.unwrap();
            let jobs: Vec<_> = (0..20_000).map(|_| queue.spawn(|| ())).collect();
            let _ = pool.shutdown(Shutdown::Drain, Duration::MAX);
            queue.resume();
            assert_eq!((queue.running(), queue.pending()), (0, 0));
            for job in all_settled(jobs).wait().unwrap() {
                assert_eq!(job.unwrap_err().kind(), ErrorKind::Rejected);
            }
            let error = queue.spawn(|| ()).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
        });
    }

    // Contract: X2
    #[test]
    fn a_job_that_fails_or_panics_gives_its_place_back() {
        within(|| {
            let queue = TaskQueue::serial();
            let failed: Task<()> = queue.attempt(|| Err("no".into()));
            let panicked = queue.spawn(|| expected("in a job"));
            assert_eq!(queue.spawn(|| 1).wait().unwrap(), 1);
            assert_eq!(failed.wait().unwrap_err().kind(), ErrorKind::Failed);
            assert!(panicked.wait().unwrap_err().is_panic());
        });
    }

    #[test]
    fn a_bounded_pool_does_not_block_the_caller() {
        within(|| {
            let pool = Pool::builder().max_threads(1).queue_limit(1).build();
            let pool = pool.unwrap();
            let queue = TaskQueue::builder().pool(&pool).limit(8).build().unwrap();
            let gate = Gate::new();
            let jobs: Vec<_> = (0..8)
                .map(|_| {
                    let gate = gate.clone();
                    queue.spawn(move || gate.pass())
                })
                .collect();
            gate.open();
            all(jobs).wait().unwrap();
        });
    }

    #[test]
    fn queues_of_one_pool_share_its_one_thread() {
        within(|| {
            let pool = one_thread();
            let queues = [(); 3].map(|()| {
                let queue = TaskQueue::builder().pool(&pool).limit(1).build();
                queue.unwrap()
            });
            let jobs: Vec<_> = (0..300).map(|n| queues[n % 3].spawn(move || n)).collect();
            let sum: usize = all(jobs).wait().unwrap().iter().sum();
            assert_eq!(sum, 299 * 300 / 2);
        });
    }
}

mod rates {
    use super::*;

    // Contract: Q1
    // Case: 168
    #[test]
    fn no_window_has_more_than_its_number() {
        within(|| {
            let (clock, _pool, queue) = virtual_queue(3, SECOND);
            let start = clock.now();
            let began = Log::new();
            let job = |queue: &TaskQueue| {
                let (began, clock) = (began.clone(), clock.clone());
                queue.spawn(move || began.push(clock.now() - start))
            };
            // Idle for long: that saves nothing up.
            clock.advance(10 * SECOND);
            let mut jobs = vec![job(&queue)];
            clock.advance(SECOND / 2);
            jobs.extend((0..6).map(|_| job(&queue)));
            clock.advance(5 * SECOND);
            all(jobs).wait().unwrap();
            let ms: Vec<_> = began.take().iter().map(Duration::as_millis).collect();
            assert_eq!(ms, [10_000, 10_500, 10_500, 11_000, 11_500, 11_500, 12_000]);
            assert_eq!(clock.pending(), 0, "no timer is left");
        });
    }

    // Contract: Q1
    #[test]
    fn a_window_counts_from_when_closures_begin() {
        within(|| {
            let clock = Clock::manual();
            let pool = Pool::builder().clock(&clock).core_threads(1).max_threads(1);
            let pool = pool.build().unwrap();
            let queue = TaskQueue::builder().pool(&pool).rate(2, SECOND).build();
            let queue = queue.unwrap();
            let start = clock.now();
            let began = Log::new();
            let job = || {
                let (began, clock) = (began.clone(), clock.clone());
                queue.spawn(move || began.push((clock.now() - start).as_millis()))
            };
            let turn = Semaphore::with_pool(1, &pool);
            let held = turn.try_acquire(1);
            // The only thread sleeps in a wait, and two jobs have a place.
            let blocker = turn.acquire(1);
            let blocks = pool.spawn(move || drop(blocker.wait_parked()));
            let jobs: Vec<_> = (0..4).map(|_| job()).collect();
            clock.advance(3 * SECOND / 4);
            drop(held);
            blocks.wait().unwrap();
            clock.advance(2 * SECOND);
            all(jobs).wait().unwrap();
            let began = began.take();
            assert!(
                began[2] >= began[0] + 1000 && began[3] >= began[1] + 1000,
                "{began:?}"
            );
        });
    }

    // Contract: Q1
    // Case: 161
    #[test]
    fn a_job_that_never_begins_is_not_charged() {
        within(|| {
            let (clock, _pool, queue) = virtual_queue(1, SECOND);
            let first = queue.spawn(|| 1);
            assert_eq!(first.wait().unwrap(), 1);
            let (second, third) = (queue.spawn(|| 2), queue.spawn(|| 3));
            second.cancel();
            assert_eq!(queue.pending(), 1);
            clock.advance(SECOND);
            assert_eq!(third.wait().unwrap(), 3);
            assert_eq!(clock.pending(), 0);

            // The last one that waits takes the timer with it.
            let fourth = queue.spawn(|| 4);
            assert_eq!(clock.pending(), 1);
            fourth.cancel();
            assert_eq!(clock.pending(), 0);
            let fifth = queue.spawn(|| 5);
            queue.pause();
            assert_eq!(clock.pending(), 0);
            clock.advance(SECOND);
            assert!(!fifth.is_settled());
            queue.resume();
            assert_eq!(fifth.wait().unwrap(), 5);
        });
    }

    // Contract: Q4
    // Case: 163
    #[test]
    fn the_time_of_a_rate_wakes_threads_that_wait_for_a_short_queue() {
        within(|| {
            let (clock, _pool, queue) = virtual_queue(1, SECOND);
            queue.spawn(|| ()).wait().unwrap();
            let jobs = [queue.spawn(|| ()), queue.spawn(|| ())];
            let below = queue.when_below(2);
            assert!(!below.is_settled());
            clock.advance(SECOND);
            below.wait().unwrap();
            clock.advance(SECOND);
            all(jobs).wait().unwrap();
        });
    }

    // Contract: Q1
    #[test]
    fn a_chain_is_charged_to_the_rate() {
        within(|| {
            let (clock, _pool, queue) = virtual_queue(1, SECOND);
            let first = Task::ready(1).on(&queue).then(|n| n);
            assert_eq!(first.wait().unwrap(), 1);
            let second = Task::ready(2).on(&queue).then(|n| n);
            assert!(!second.is_settled());
            clock.advance(SECOND);
            assert_eq!(second.wait().unwrap(), 2);
        });
    }
}

mod serial {
    use super::*;

    // Contract: Q2
    #[test]
    fn a_job_holds_the_place_while_it_waits() {
        within(|| {
            let queue = TaskQueue::serial();
            let (began, gate) = (Gate::new(), Gate::new());
            let (begin, pass) = (began.clone(), gate.clone());
            let inner = spawn(move || pass.pass());
            let first = queue.spawn(move || {
                begin.open();
                inner.wait().unwrap();
            });
            let second = queue.spawn(|| ());
            began.pass();
            assert_eq!((queue.running(), queue.pending()), (1, 1));
            gate.open();
            first.wait().unwrap();
            second.wait().unwrap();
        });
    }

    // Contract: Q2
    #[test]
    fn a_task_that_a_job_returns_is_part_of_it() {
        within(|| {
            let queue = TaskQueue::serial();
            let (resolver, inner) = fast_async::deferred();
            let first = queue.attempt(move || inner);
            let second = queue.spawn(|| 2);
            let runs = queue.clone();
            let third = queue.spawn(move || runs.running());
            assert!(!second.is_settled());
            assert_eq!(queue.running(), 1);
            resolver.resolve(1).unwrap();
            assert_eq!(first.wait().unwrap(), 1);
            assert_eq!(second.wait().unwrap(), 2);
            assert_eq!(third.wait().unwrap(), 1);
        });
    }

    // Contract: Q2, X2
    #[test]
    fn a_cancelled_job_holds_the_place_until_what_it_returned_has_stopped() {
        within(|| {
            let pool = one_thread();
            let queue = TaskQueue::builder().pool(&pool).limit(1).build().unwrap();
            let (began, gate) = (Gate::new(), Gate::new());
            let (begin, pass) = (began.clone(), gate.clone());
            let inner = spawn(move || {
                begin.open();
                pass.pass();
            });
            began.pass();
            let first = queue.attempt(move || inner);
            // The pool's only thread has ended the closure: the job follows what that returned.
            pool.spawn(|| ()).wait().unwrap();
            first.cancel();
            let second = queue.spawn(|| ());
            assert_eq!((queue.running(), queue.pending()), (1, 1));
            gate.open();
            second.wait().unwrap();
            assert!(first.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: Q2, W3
    #[test]
    fn a_job_that_waits_for_one_behind_it_fails_as_a_cycle() {
        within(|| {
            let queue = TaskQueue::serial();
            let own = queue.clone();
            let waits = queue.spawn(move || own.spawn(|| 1).wait().unwrap_err().kind());
            assert_eq!(waits.wait().unwrap(), ErrorKind::Cycle);
            // By way of another task.
            let own = queue.clone();
            let waits = queue.spawn(move || {
                let behind = own.spawn(|| 1);
                spawn(|| ())
                    .and_then(move |()| behind)
                    .wait()
                    .unwrap_err()
                    .kind()
            });
            assert_eq!(waits.wait().unwrap(), ErrorKind::Cycle);
            // And by returning it.
            let own = queue.clone();
            let returns = queue.attempt(move || own.spawn(|| 1));
            assert_eq!(returns.wait().unwrap_err().kind(), ErrorKind::Cycle);
            queue.when_idle().wait().unwrap();
        });
    }

    // Contract: Q2, W3
    #[test]
    fn jobs_that_all_wait_for_those_behind_them_are_a_cycle() {
        within(|| {
            let queue = TaskQueue::builder().limit(2).build().unwrap();
            let both = Latch::new(2);
            let jobs = [(); 2].map(|()| {
                let (queue, both) = (queue.clone(), both.clone());
                queue.clone().spawn(move || {
                    both.count_down();
                    both.wait();
                    queue.spawn(|| 1).wait()
                })
            });
            let kinds: Vec<_> = all(jobs).wait().unwrap();
            let failed = kinds.iter().filter(|it| it.is_err()).count();
            assert_eq!(
                failed, 1,
                "the other continues when this one has ended: {kinds:?}"
            );
            // One that leads elsewhere is none.
            let gate = Gate::new();
            let pass = gate.clone();
            let elsewhere = queue.spawn(move || pass.pass());
            let own = queue.clone();
            let waits = queue.spawn(move || {
                let behind = own.spawn(|| 7);
                gate.open();
                behind.wait().unwrap()
            });
            assert_eq!(waits.wait().unwrap(), 7);
            elsewhere.wait().unwrap();
        });
    }

    // Contract: Q2, W3
    #[test]
    fn a_chain_in_a_queue_that_waits_for_a_job_behind_it_fails_as_a_cycle() {
        within(|| {
            let queue = TaskQueue::serial();
            let own = queue.clone();
            let chain = Task::ready(()).on(&queue);
            let chain = chain.then(move |()| own.spawn(|| 1).wait().unwrap_err().kind());
            assert_eq!(chain.wait().unwrap(), ErrorKind::Cycle);
            let own = queue.clone();
            let job = queue.spawn(move || {
                let chain = Task::ready(()).on(&own).then(|()| 1);
                chain.wait().unwrap_err().kind()
            });
            assert_eq!(job.wait().unwrap(), ErrorKind::Cycle);
        });
    }

    // Contract: Q2
    #[test]
    fn a_paused_queue_is_no_cycle() {
        within(|| {
            let queue = TaskQueue::serial();
            let (own, paused) = (queue.clone(), Gate::new());
            let told = paused.clone();
            let job = queue.spawn(move || {
                own.pause();
                own.set_limit(2).unwrap();
                let behind = own.spawn(|| 1);
                told.open();
                behind.wait().unwrap()
            });
            paused.pass();
            queue.resume();
            assert_eq!(job.wait().unwrap(), 1);
        });
    }

    // Contract: Q2
    #[test]
    fn jobs_of_a_job_run_after_it() {
        within(|| {
            let queue = TaskQueue::serial();
            let log = Log::new();
            let (own, outer) = (queue.clone(), log.clone());
            let task = queue.spawn(move || {
                let inner = outer.clone();
                let task = own.spawn(move || inner.push("inner"));
                outer.push("outer");
                task
            });
            task.wait().unwrap().wait().unwrap();
            assert_eq!(log.take(), ["outer", "inner"]);
        });
    }

    // Contract: Q2
    #[test]
    fn continuations_of_a_job_are_no_part_of_it() {
        within(|| {
            let queue = TaskQueue::serial();
            let own = queue.clone();
            let task = queue
                .spawn(|| 1)
                .then(move |n| own.spawn(move || n + 1).wait());
            assert_eq!(task.wait().unwrap().unwrap(), 2);
        });
    }
}

mod ends {
    use super::*;

    type Act = fn(&TaskQueue, &[Task<()>]);

    // Contract: Q4
    // Case: 164
    #[test]
    fn clear_settles_what_it_drops() {
        within(|| {
            let (queue, gate, first) = busy();
            let drops = Drops::new();
            let jobs: Vec<_> = (0..3)
                .map(|_| {
                    let token = drops.token();
                    queue.spawn(move || token.hold())
                })
                .collect();
            let token = drops.token();
            let chain = Task::ready(()).on(&queue).then(move |()| token.hold());
            let idle = queue.when_idle();
            assert_eq!(queue.clear(), 4);
            assert_eq!(queue.pending(), 0);
            drops.wait_for(4);
            for job in jobs {
                assert!(job.wait().unwrap_err().is_cancelled());
            }
            assert!(chain.wait().unwrap_err().is_cancelled());
            assert_eq!(queue.clear(), 0);
            assert!(!idle.is_settled());
            gate.open();
            first.wait().unwrap();
            idle.wait().unwrap();
        });
    }

    // Contract: Q4
    // Case: 163
    #[test]
    fn every_cause_wakes_all_threads_that_wait_for_a_short_queue() {
        within(|| {
            let by: [(&str, Act); 5] = [
                ("clear", |queue, _| {
                    queue.clear();
                }),
                ("cancel", |_, jobs| {
                    jobs[0].cancel();
                }),
                ("limit", |queue, _| queue.set_limit(9).unwrap()),
                ("timeout", |_, _| {}),
                ("start", |_, _| {}),
            ];
            for (cause, act) in by {
                let (queue, gate, first) = busy();
                let mut jobs = vec![queue.spawn(|| ()), queue.spawn(|| ())];
                let waits: Vec<_> = (0..3).map(|_| queue.when_below(2)).collect();
                assert!(waits.iter().all(|wait| !wait.is_settled()), "{cause}");
                act(&queue, &jobs);
                match cause {
                    "start" => gate.open(),
                    "timeout" => {
                        let late = jobs.remove(0).timeout(Duration::from_millis(1));
                        assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::TimedOut);
                    }
                    _ => {}
                }
                all(waits).wait().unwrap();
                gate.open();
                first.wait().unwrap();
                let _ = all_settled(jobs).wait();
            }
        });
    }

    // Contract: Q4
    #[test]
    fn what_is_so_already_need_not_be_waited_for() {
        within(|| {
            let queue = TaskQueue::serial();
            assert!(queue.when_idle().is_settled());
            assert!(queue.when_below(1).is_settled());
            let error = queue.when_below(0).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("when_below(1)"), "{error}");
        });
    }

    // Contract: Q4
    #[test]
    fn waiting_tasks_may_be_cancelled() {
        within(|| {
            let (queue, gate, first) = busy();
            queue.spawn(|| ()).detach();
            let kept = queue.when_below(1);
            for _ in 0..10_000 {
                queue.when_below(1).cancel();
                queue.when_idle().cancel();
            }
            gate.open();
            kept.wait().unwrap();
            first.wait().unwrap();
        });
    }

    // Contract: Q1
    #[test]
    fn accepted_jobs_run_after_the_last_handle_is_dropped() {
        within(|| {
            let (queue, gate, first) = busy();
            let job = queue.spawn(|| 1);
            drop(queue);
            gate.open();
            assert_eq!(job.wait().unwrap(), 1);
            first.wait().unwrap();
        });
    }

    // Contract: Q4
    #[test]
    fn a_paused_queue_fails_its_jobs_with_the_last_handle() {
        within(|| {
            let drops = Drops::new();
            let queue = TaskQueue::builder().limit(1).paused().build().unwrap();
            let token = drops.token();
            let job = queue.at(3).spawn(move || token.hold());
            let chain = Task::ready(1).on(&queue).then(|n| n);
            drop(queue);
            assert_eq!(job.wait().unwrap_err().kind(), ErrorKind::Abandoned);
            assert_eq!(chain.wait().unwrap_err().kind(), ErrorKind::Abandoned);
            assert_eq!(drops.count(), 1);
        });
    }

    // Contract: Q4
    #[test]
    fn a_queue_that_has_run_keeps_no_memory() {
        within(|| {
            let drops = Drops::new();
            let queue = TaskQueue::serial();
            for _ in 0..3 {
                let token = drops.token();
                queue.spawn(move || token).wait().map(drop).unwrap();
            }
            let token = drops.token();
            let task = queue.spawn(|| ()).then(move |()| token.hold());
            task.wait().unwrap();
            drop(queue);
            drops.wait_for(4);
        });
    }

    #[test]
    fn a_failure_of_a_cleared_job_is_not_reported() {
        within(|| {
            let (queue, gate, first) = busy();
            let job = Task::<()>::ready(());
            drop(job);
            drop(queue.spawn(|| ()));
            queue.clear();
            gate.open();
            first.wait().unwrap();
            assert_eq!(reports("queue was cleared"), 0);
        });
    }
}

mod semaphores {
    use super::*;

    // Contract: Q3
    // Case: 166
    #[test]
    fn a_large_acquire_is_not_passed_by_small_ones() {
        within(|| {
            let semaphore = Semaphore::new(3);
            let (one, two) = (semaphore.try_acquire(1), semaphore.try_acquire(1));
            let large = semaphore.acquire(3);
            let small = semaphore.acquire(1);
            assert!(semaphore.try_acquire(1).is_none(), "though one is there");
            drop(one);
            assert!(!large.is_settled() && !small.is_settled());
            drop(two);
            let permit = large.wait().unwrap();
            assert_eq!((permit.permits(), semaphore.available()), (3, 0));
            assert!(!small.is_settled());
            drop(permit);
            assert_eq!(small.wait().unwrap().permits(), 1);
            assert_eq!(semaphore.available(), 3);
        });
    }

    // Contract: Q3
    // Case: 166
    #[test]
    fn more_than_there_are_is_an_error() {
        within(|| {
            let semaphore = Semaphore::new(2);
            let error = semaphore.acquire(3).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("`capacity()`"), "{error}");
            assert!(semaphore.try_acquire(3).is_none());
            let none = Semaphore::new(0);
            assert_eq!(
                none.acquire(1).wait().unwrap_err().kind(),
                ErrorKind::Rejected
            );
            assert_eq!(none.acquire(0).wait().unwrap().permits(), 0);
        });
    }

    // Contract: Q3
    // Case: 167
    #[test]
    fn a_cancelled_acquire_leaves_the_queue_and_loses_no_permit() {
        within(|| {
            let semaphore = Semaphore::new(2);
            let held = semaphore.try_acquire(1);
            let large = semaphore.acquire(2);
            let chained = semaphore.acquire(2).then(drop);
            let small = semaphore.acquire(1);
            assert_eq!(semaphore.waiting(), 3);
            assert_eq!(chained.cancel(), CancelOutcome::Prevented);
            assert_eq!(large.cancel(), CancelOutcome::Prevented);
            assert!(small.is_settled(), "it is the first now");
            drop((held, small.wait()));
            assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
            // Handed over, and then not wanted.
            let permit = semaphore.try_acquire(2);
            let late = semaphore.acquire(2);
            drop(permit);
            assert_eq!(late.cancel(), CancelOutcome::TooLate);
            assert_eq!(semaphore.available(), 0);
            drop(late);
            assert_eq!(semaphore.available(), 2);
        });
    }

    // Contract: Q3
    // Case: 167
    #[test]
    fn cancels_that_race_the_hand_off_lose_and_repeat_no_step() {
        within(|| {
            for _ in 0..300 {
                let semaphore = Semaphore::new(1);
                let held = semaphore.try_acquire(1).unwrap();
                let tasks: Vec<_> = (0..4).map(|_| semaphore.acquire(1)).collect();
                let gives = std::thread::spawn(move || drop(held));
                for task in &tasks[..3] {
                    task.cancel();
                }
                let mut tasks = tasks.into_iter();
                let cancelled: Vec<_> = tasks.by_ref().take(3).collect();
                drop(cancelled);
                let permit = tasks.next().unwrap().wait().unwrap();
                assert_eq!(semaphore.available(), 0);
                gives.join().unwrap();
                drop(permit);
                assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
            }
        });
    }

    // Contract: Q3
    #[test]
    fn permits_without_a_taker_are_released_on_a_flat_stack() {
        within(|| {
            let semaphore = Semaphore::new(1);
            let held = semaphore.try_acquire(1);
            for _ in 0..50_000 {
                drop(semaphore.acquire(1));
            }
            assert_eq!(semaphore.waiting(), 50_000);
            drop(held);
            assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
        });
    }

    // Contract: Q3
    #[test]
    fn a_task_that_waits_for_a_permit_runs_on_the_pool() {
        within(|| {
            let semaphore = Semaphore::new(1);
            let permit = semaphore.try_acquire(1);
            let here = std::thread::current().id();
            let ran = semaphore.acquire(1).then(|_| std::thread::current().id());
            drop(permit);
            assert_ne!(ran.wait().unwrap(), here);
        });
    }

    // Contract: Q3
    #[test]
    fn a_panic_releases_the_permit() {
        within(|| {
            let semaphore = Semaphore::new(1);
            let task = semaphore
                .acquire(1)
                .then(|_permit| expected("with a permit"));
            assert!(task.wait().unwrap_err().is_panic());
            assert_eq!(semaphore.acquire(1).wait().unwrap().permits(), 1);
        });
    }

    // Contract: Q3
    #[test]
    fn a_token_of_the_pool_cancels_waiting_tasks() {
        within(|| {
            let token = CancelToken::new();
            let pool = Pool::builder().cancel_token(&token).build().unwrap();
            let semaphore = Semaphore::with_pool(1, &pool);
            let held = semaphore.try_acquire(1);
            let waits = semaphore.acquire(1);
            token.cancel();
            assert_eq!(semaphore.waiting(), 0);
            assert!(waits.wait().unwrap_err().is_cancelled());
            let late = semaphore.acquire(1);
            assert_eq!(semaphore.waiting(), 0);
            assert_eq!(late.status(), Status::Cancelled);
            drop(held);
            assert_eq!(semaphore.available(), 1);
        });
    }
}
