//! Time: `delay`, `delayed`, `timeout`, `timeout_or`, `within`, and the virtual clock.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    Drops, Gate, HOUR, LIMIT, Latch, Log, OnDrop, SECOND, expected, isolated, reports,
    virtual_pool, within,
};
use fast_async::combine::some;
use fast_async::{
    CancelOutcome, CancelToken, Clock, ErrorKind, LoopQueue, Pool, Shutdown, Status, Task, all,
    all_settled, any, deferred, delay, delay_until, race, spawn,
};

fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

mod delays {
    use super::*;

    // Contract: T1
    #[test]
    fn a_delay_is_never_early() {
        within(|| {
            for limit in [
                nanos(1),
                Duration::from_micros(1_500),
                Duration::from_millis(7),
            ] {
                let start = Instant::now();
                delay(limit).wait().unwrap();
                assert!(start.elapsed() >= limit);
                let deadline = Instant::now() + limit;
                delay_until(deadline).wait().unwrap();
                assert!(Instant::now() >= deadline);
            }
            let (clock, pool) = virtual_pool();
            // At the boundaries of what a wheel is made of.
            for bits in [0, 1, 19, 20, 21, 26, 32, 38, 44, 50, 56, 62] {
                let limit = nanos(1 << bits);
                let task = pool.delay(limit);
                clock.advance(limit - nanos(1));
                assert!(!task.is_settled(), "2^{bits}");
                clock.advance(nanos(1));
                assert!(task.is_settled(), "2^{bits}");
                task.wait().unwrap();
            }
        });
    }

    // Contract: T1, K1
    // Case: 134
    #[test]
    fn they_come_in_the_order_of_deadlines_and_then_of_calls() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let order = Log::new();
            let tasks: Vec<_> = [7_u64, 3, 7, 1, 3, 3_000_000_000, 7, 1 << 40]
                .into_iter()
                .enumerate()
                .map(|(number, after)| {
                    let (order, own) = (order.clone(), clock.clone());
                    let start = clock.now();
                    pool.delay(nanos(after)).then(move |()| {
                        assert_eq!(own.now() - start, nanos(after), "at its own time");
                        order.push(number);
                    })
                })
                .collect();
            clock.advance(nanos(1 << 41));
            assert_eq!(order.take(), [3, 1, 4, 0, 2, 6, 5, 7]);
            for task in tasks {
                task.wait().unwrap();
            }
        });
    }

    // Contract: T1
    #[test]
    fn zero_and_the_past_come_at_once_and_the_greatest_never() {
        within(|| {
            let (clock, pool) = virtual_pool();
            assert!(pool.delay(Duration::ZERO).is_settled());
            assert!(pool.delay_until(clock.now() - SECOND).is_settled());
            assert!(delay(Duration::ZERO).is_settled());
            assert!(delay_until(Instant::now() - SECOND).is_settled());
            // The continuation runs on the pool, never in the call.
            let here = thread::current().id();
            let ran_on = delay(Duration::ZERO).then(|()| thread::current().id());
            assert_ne!(ran_on.wait().unwrap(), here);

            for never in [
                Duration::MAX,
                Duration::from_secs(u64::MAX),
                HOUR * 24 * 366 * 600,
            ] {
                let task = pool.delay(never);
                let system = delay(never);
                assert_eq!(clock.pending(), 0, "there is nothing to wait for");
                assert_eq!(task.cancel(), CancelOutcome::Prevented);
                assert_eq!(system.cancel(), CancelOutcome::Prevented);
            }
        });
    }

    // Contract: T3
    #[test]
    fn a_cancel_disarms_the_timer() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let drops = Drops::new();
            let token = drops.token();
            let task = pool.delay(HOUR).then(move |()| token.hold());
            assert_eq!(clock.pending(), 1);
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            assert_eq!((clock.pending(), drops.count()), (0, 1));
            clock.advance(HOUR);
            assert!(task.wait().unwrap_err().is_cancelled());

            drop(pool.delay(HOUR).cancel_on_drop());
            assert_eq!(clock.pending(), 0);
            // A dropped handle cancels nothing.
            drop(pool.delay(HOUR));
            assert_eq!(clock.pending(), 1);
            clock.advance(HOUR);
            assert_eq!(clock.pending(), 0);
        });
    }

    // Contract: T3
    #[test]
    fn a_token_disarms_the_timers_of_its_pool() {
        within(|| {
            let (clock, token) = (Clock::manual(), CancelToken::new());
            let pool = Pool::builder().clock(&clock).cancel_token(&token);
            let pool = pool.build().unwrap();
            let task = pool.spawn(|| ()).delayed(HOUR);
            clock.advance(Duration::ZERO);
            assert_eq!(clock.pending(), 1);
            token.cancel();
            assert_eq!(clock.pending(), 0);
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: T2
    #[test]
    fn no_closure_runs_on_the_timers_thread() {
        within(|| {
            let name = |()| thread::current().name().map(str::to_owned);
            let (tell, told) = mpsc::channel();
            let (observed, dropped) = (tell.clone(), tell.clone());
            let last = OnDrop::new(move |_| dropped.send(name(())).unwrap());
            let task = delay(Duration::from_millis(2));
            task.on_settled(move |_| observed.send(name(())).unwrap());
            let ran = task.then(move |()| tell.send(name(())).unwrap());
            // Its closure is dropped unrun when the time is over.
            let (_resolver, never) = deferred::<u8>();
            let kept = never.then(move |_| drop(last));
            let kept = kept.timeout(Duration::from_millis(2));
            ran.wait().unwrap();
            kept.wait().unwrap_err();
            let names: Vec<_> = told.iter().take(3).collect();
            for name in names {
                let name = name.expect("a thread of a pool has a name");
                assert!(name.starts_with("fast-async-"), "{name}");
                assert_ne!(name, "fast-async-timer");
            }
        });
    }

    #[test]
    fn a_chain_runs_where_it_was_sent() {
        within(|| {
            let queue = LoopQueue::new();
            let here = thread::current().id();
            let task = delay(Duration::from_millis(1)).on(&queue);
            let task = task.then(move |()| thread::current().id() == here);
            assert!(queue.run_until(task).unwrap());
        });
    }

    #[test]
    fn delayed_holds_the_value_and_not_the_failure() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let value = pool.spawn(|| 7).delayed(SECOND);
            let failure = pool.attempt(|| Err::<u8, _>("no".into())).delayed(SECOND);
            clock.advance(SECOND - nanos(1));
            assert!(!value.is_settled());
            assert_eq!(failure.status(), Status::Failure);
            clock.advance(nanos(1));
            assert_eq!(value.wait().unwrap(), 7);
            assert!(failure.wait().unwrap_err().to_string().starts_with("no"));

            let drops = Drops::new();
            let token = drops.token();
            let value = pool.spawn(move || token).delayed(SECOND);
            clock.advance(Duration::ZERO);
            value.cancel();
            assert_eq!((drops.count(), clock.pending()), (1, 0));
        });
    }

    // Contract: T3
    // Case: 135
    #[test]
    fn a_million_disarmed_timers_leave_no_memory() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let count = if cfg!(debug_assertions) {
                100_000
            } else {
                1_000_000
            };
            for round in 0..3 {
                let tasks: Vec<_> = (0..count).map(|_| pool.delay(HOUR)).collect();
                assert_eq!(clock.pending(), count, "{round}");
                tasks
                    .iter()
                    .for_each(|task| assert_eq!(task.cancel(), CancelOutcome::Prevented));
                assert_eq!(clock.pending(), 0);
            }
        });
    }

    // Contract: T5
    #[test]
    fn a_pending_timer_delays_nothing() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let task = pool.delay(HOUR).then(|()| 7);
            assert!(pool.wait_idle(LIMIT));
            let report = pool.shutdown(Shutdown::Drain, LIMIT);
            assert!(report.is_complete());
            clock.advance(HOUR);
            assert_eq!(task.wait().unwrap(), 7, "on the global pool");

            let pool = Pool::new();
            let system = pool.delay(HOUR);
            assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
            system.cancel();
        });
    }

    // Contract: T5
    #[test]
    fn a_pending_timer_does_not_hold_up_the_end_of_the_process() {
        isolated(
            "delays::a_pending_timer_does_not_hold_up_the_end_of_the_process",
            || {
                delay(HOUR).then(|()| ()).detach();
                spawn(|| ()).timeout(HOUR).detach();
            },
        );
    }
}

mod limits {
    use super::*;

    // Case: 44, 46
    // Contract: T3, T4
    #[test]
    fn it_fires_or_is_taken_back() {
        within(|| {
            let (clock, pool) = virtual_pool();
            // The value is there at the call: no timer.
            let ready = pool.spawn(|| 7);
            clock.advance(Duration::ZERO);
            let ready = ready.timeout(SECOND);
            assert_eq!(clock.pending(), 0);
            assert_eq!(ready.wait().unwrap(), 7);
            // The value, or a failure, comes in time.
            for fails in [false, true] {
                let gate = Gate::new();
                let pass = gate.clone();
                let outcome = move || if fails { Err("no".into()) } else { Ok(7) };
                let task = pool.attempt(move || {
                    pass.pass();
                    outcome()
                });
                let task = task.timeout(SECOND);
                assert_eq!(clock.pending(), 1);
                gate.open();
                clock.advance(Duration::ZERO);
                assert_eq!(clock.pending(), 0, "taken back");
                assert_eq!(task.wait().is_err(), fails);
            }
            // Nothing comes.
            let (resolver, never) = deferred_on(&pool);
            let task = never.timeout(SECOND);
            clock.advance(SECOND - nanos(1));
            assert!(!task.is_settled());
            clock.advance(nanos(1));
            let error = task.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(!error.is_cancelled());
            assert!(!resolver.is_wanted(), "what was waited for is cancelled");
        });
    }

    /// A task of `pool` that is settled by hand.
    fn deferred_on(pool: &Pool) -> (fast_async::Resolver<u32>, Task<u32>) {
        let (resolver, task) = deferred();
        (resolver, pool.spawn(|| task).flatten())
    }

    // Contract: T1
    // Case: 128
    #[test]
    fn the_value_wins_at_the_same_moment() {
        within(|| {
            for _ in 0..50 {
                let (clock, pool) = virtual_pool();
                let after = pool.delay(SECOND).timeout(SECOND);
                let chained = pool.delay(SECOND).then(|()| 7).timeout(SECOND);
                // The limit was registered first, and is due first.
                let early = pool.spawn(|| ());
                let (resolver, task) = deferred();
                let task = pool.spawn(|| task).flatten().timeout(SECOND);
                let late = pool.delay(SECOND).then(move |()| resolver.resolve(7));
                clock.advance(SECOND);
                assert!(after.wait().is_ok());
                assert_eq!(chained.wait().unwrap(), 7);
                assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
                assert!(late.wait().unwrap().is_err());
                early.wait().unwrap();
            }
        });
    }

    // Contract: T1
    #[test]
    fn zero_takes_what_is_there_and_the_greatest_is_no_limit() {
        within(|| {
            assert_eq!(Task::ready(7).timeout(Duration::ZERO).wait().unwrap(), 7);
            let drops = Drops::new();
            let token = drops.token();
            // It never starts.
            let cold = Task::new(move || {
                token.hold();
                unreachable!("it is cancelled before")
            });
            let task: Task<()> = cold.timeout(Duration::ZERO);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
            drops.wait_for(1);

            let past = Instant::now() - SECOND;
            let (_resolver, never) = deferred::<u8>();
            let error = never.timeout_at(past).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let task = spawn(|| 7).timeout(Duration::MAX);
            assert_eq!(task.wait().unwrap(), 7);
            let cold = Task::new(|| 7).timeout(HOUR);
            assert_eq!(cold.wait().unwrap(), 7, "a limit starts a cold task");
        });
    }

    // Contract: T4
    // Case: 129
    #[test]
    fn it_fires_behind_a_full_pool() {
        within(|| {
            let pool = Pool::builder().max_threads(1).build().unwrap();
            let gate = Gate::new();
            let (pass, began) = (gate.clone(), Latch::new(1));
            let begins = began.clone();
            let running = pool.spawn(move || {
                begins.count_down();
                pass.pass();
            });
            began.wait();
            let drops = Drops::new();
            let token = drops.token();
            let queued = pool.spawn(move || token.hold());
            let error = queued.timeout(Duration::from_millis(2)).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            // The global pool drops what the closure holds.
            drops.wait_for(1);
            gate.open();
            running.wait().unwrap();
        });
    }

    // Contract: T4
    // Case: 132
    #[test]
    fn an_outcome_after_the_limit_is_dropped_once() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let drops = Drops::new();
            let (began, tell) = (Latch::new(1), Log::new());
            let (begins, told, token) = (began.clone(), tell.clone(), drops.token());
            let other = Pool::new();
            let inner = other.clone();
            // It runs on another pool: the clock does not wait for it.
            let task = pool.spawn(move || {
                inner.spawn_with(move |ctx| {
                    begins.count_down();
                    while !ctx.is_cancelled() {
                        thread::yield_now();
                    }
                    told.push(ctx.reason().map(|reason| reason.to_string()));
                    token
                })
            });
            let task = task.flatten().timeout(SECOND);
            began.wait();
            clock.advance(SECOND);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
            drops.wait_for(1);
            let reason = tell.take().pop().flatten().expect("a reason");
            assert!(reason.contains("timed out"), "{reason}");
        });
    }

    // Contract: T4
    #[test]
    fn a_shielded_task_continues() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let drops = Drops::new();
            let token = drops.token();
            let (resolver, task) = deferred();
            let task = pool.spawn(|| task).flatten();
            let error = task.shielded().timeout(SECOND);
            clock.advance(SECOND);
            assert_eq!(error.wait().unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(resolver.resolve(token).is_ok(), "it is wanted");
            drops.wait_for(1);
        });
    }

    // Case: 47
    // Contract: T3
    #[test]
    fn a_cancel_reaches_the_limited_task_and_takes_the_timer() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (resolver, task) = deferred::<u8>();
            let task = pool
                .spawn(|| task)
                .flatten()
                .timeout(HOUR)
                .timeout_or(HOUR, 7);
            clock.advance(Duration::ZERO);
            assert_eq!(clock.pending(), 2);
            task.cancel();
            assert_eq!(clock.pending(), 0);
            assert!(resolver.resolve(1).is_err());
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: T4
    // Case: 131
    #[test]
    fn an_unhandled_failure_is_reported() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (_resolver, never) = deferred::<u8>();
            let never = pool.spawn(|| never).flatten();
            let never = Task::builder()
                .name("the forgotten limit")
                .pool(&pool)
                .attempt(|| Ok(never));
            drop(never.and_then(|task| task).timeout(SECOND));
            clock.advance(SECOND);
            assert_eq!(reports("the forgotten limit"), 1);
        });
    }

    // Contract: T4
    #[test]
    fn the_failure_names_the_task_and_the_place() {
        within(|| {
            let (_resolver, never) = deferred::<u8>();
            let task = Task::builder().name("slow").attempt(|| Ok(never));
            let line = line!() + 1;
            let error = task.and_then(|it| it).timeout(nanos(1)).wait().unwrap_err();
            assert_eq!(error.task_name(), Some("slow"));
            assert_eq!(error.location().map(|at| at.line()), Some(line));
        });
    }

    /// The end meets the registration of the step that is to get the outcome.
    #[test]
    fn a_limit_that_ends_at_once_finds_an_outcome_of_its_type() {
        within(|| {
            for n in 0..2_000 {
                let (_resolver, never) = deferred::<u8>();
                let task = Task::ready(never).and_then(|task| task);
                let error = task.timeout(nanos(n % 300)).wait().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TimedOut);
            }
        });
    }

    #[test]
    fn the_value_instead_is_taken_for_the_own_limit_only() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let drops = Drops::new();
            let inner = pool.delay(HOUR).then(|()| 1).timeout(SECOND);
            let outer = inner.timeout_or(2 * SECOND, 2);
            let slow = pool.delay(HOUR).then(|()| 1).timeout_or(SECOND, 2);
            let (spare, token) = (drops.token(), drops.token());
            let quick = pool.spawn(move || token).timeout_or(SECOND, spare);
            clock.advance(2 * SECOND);
            assert_eq!(outer.wait().unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(slow.wait().unwrap(), 2);
            assert_eq!(drops.count(), 1, "the value that was not needed");
            drop(quick.wait().unwrap());
            assert_eq!((drops.count(), clock.pending()), (2, 0));
        });
    }

    #[test]
    fn a_task_is_handed_back() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (resolver, task) = deferred();
            let task = pool.spawn(|| task).flatten().within(SECOND);
            clock.advance(SECOND);
            let late = task.wait().unwrap().unwrap_err();
            assert!(!late.is_settled());
            assert_eq!(clock.pending(), 0);
            // Again, and this time it comes.
            let late = late.within(SECOND);
            resolver.resolve(7).unwrap();
            assert_eq!(late.wait().unwrap().unwrap(), 7);
            assert_eq!(clock.pending(), 0);
            assert_eq!(Task::ready(7).within(SECOND).wait().unwrap().unwrap(), 7);
            let failed: Task<u8> = Task::failed("no");
            assert!(failed.within(SECOND).wait().is_err());

            // The task that was handed back is cancelled by itself.
            let (resolver, task) = deferred::<u8>();
            let task = pool.spawn(|| task).flatten().within(SECOND);
            clock.advance(SECOND);
            let late = task.wait().unwrap().unwrap_err();
            assert!(resolver.is_wanted());
            late.cancel();
            assert!(!resolver.is_wanted());
            assert!(late.wait().unwrap_err().is_cancelled());
            // So is the one that waits.
            let (resolver, task) = deferred::<u8>();
            let task = pool.spawn(|| task).flatten().within(SECOND);
            clock.advance(Duration::ZERO);
            task.cancel();
            assert!(!resolver.is_wanted());
            assert_eq!(clock.pending(), 0);
        });
    }

    #[test]
    fn a_chain_runs_where_the_limited_task_was_sent() {
        within(|| {
            let here = thread::current().id();
            let is_here = move || thread::current().id() == here;
            for comes in [true, false] {
                let queue = LoopQueue::new();
                let (resolver, task) = deferred();
                if comes {
                    thread::spawn(move || resolver.resolve(7))
                        .join()
                        .unwrap()
                        .unwrap();
                } else {
                    std::mem::forget(resolver);
                }
                let limit = if comes {
                    HOUR
                } else {
                    Duration::from_millis(2)
                };
                let task = task.on(&queue).then(|n| n + 1).timeout(limit);
                let task = task.handle(move |outcome| (outcome.is_ok(), is_here()));
                assert_eq!(queue.run_until(task).unwrap(), (comes, true));
            }
        });
    }

    #[test]
    fn late_steps_run_where_the_chain_was_sent_through_any_number_of_limits() {
        within(|| {
            let here = thread::current().id();
            for limits in 1..=3 {
                let queue = LoopQueue::new();
                let (resolver, task) = deferred();
                let task = task.on(&queue).then(|n: u32| n + 1);
                let task = (0..limits).fold(task, |task, _| task.timeout(HOUR));
                resolver.resolve(7).unwrap();
                while !task.is_settled() {
                    queue.run_pending();
                }
                let id = task.then(|_| thread::current().id());
                assert_eq!(queue.run_until(id).unwrap(), here, "{limits} limits");
            }
        });
    }

    // Contract: W3
    #[test]
    fn a_wait_that_the_limit_ends_is_no_cycle() {
        within(|| {
            let (give, own) = mpsc::channel::<Task<u8>>();
            let task = spawn(move || {
                let own = own.recv().unwrap();
                own.timeout(Duration::from_millis(5))
                    .wait()
                    .unwrap_err()
                    .kind()
            });
            let task = task.share();
            give.send(task.then(|_| 0)).unwrap();
            assert_eq!(*task.wait().unwrap(), ErrorKind::TimedOut);
        });
    }

    // Contract: T1
    // Case: 130
    #[test]
    fn many_short_limits_over_long_delays_all_fire() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let count = 500;
            let tasks: Vec<_> = (0..count)
                .map(|_| pool.delay(SECOND).timeout(SECOND / 20))
                .collect();
            assert_eq!(clock.pending(), 2 * count);
            clock.advance(SECOND);
            for task in tasks {
                assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
            }
            assert_eq!(clock.pending(), 0);
        });
    }

    // Contract: T1, T4
    #[test]
    fn limits_on_the_systems_time_all_end() {
        within(|| {
            let start = Instant::now();
            let limits = |n: u64| Duration::from_micros(500 + n % 7 * 900);
            let tasks: Vec<_> = (0..2_000)
                .map(|n| (n, delay(HOUR).timeout(limits(n))))
                .collect();
            for (n, task) in tasks {
                assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
                assert!(start.elapsed() >= limits(n));
            }
        });
    }

    // Contract: T2
    #[test]
    fn a_future_that_awaits_a_limit_is_woken() {
        struct Tells(mpsc::Sender<()>);
        impl Wake for Tells {
            fn wake(self: Arc<Self>) {
                self.0.send(()).unwrap();
            }
        }
        within(|| {
            let (tell, told) = mpsc::channel();
            let waker = Waker::from(Arc::new(Tells(tell)));
            let mut context = Context::from_waker(&waker);
            let mut task = pin!(delay(HOUR).timeout(Duration::from_millis(2)));
            while task.as_mut().poll(&mut context).is_pending() {
                told.recv().unwrap();
            }
        });
    }

    // Contract: T2
    #[test]
    fn a_panic_in_a_drop_at_the_end_stops_no_timer() {
        within(|| {
            let drops = Drops::new();
            let bomb = drops.bomb();
            let (_resolver, never) = deferred::<u8>();
            let task = never
                .then(move |_| drop(bomb))
                .finally(|| expected("at the end"));
            let task = task.timeout(Duration::from_millis(1));
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
            drops.wait_for(1);
            delay(Duration::from_millis(1)).wait().unwrap();
        });
    }
}

mod clocks {
    use super::*;

    // Contract: T1, K1
    // Case: 134
    #[test]
    fn a_continuation_may_cancel_and_make_neighbours_of_the_same_moment() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (give, neighbour) = mpsc::channel::<Task<()>>();
            let (order, own) = (Log::new(), pool.clone());
            let note = |number: u32| {
                let order = order.clone();
                move |()| order.push(number)
            };
            let (first, again) = (note(1), note(4));
            let task = pool.delay(SECOND).and_then(move |()| {
                first(());
                let neighbour = neighbour.recv().unwrap();
                assert_eq!(neighbour.cancel(), CancelOutcome::Prevented);
                own.delay(Duration::ZERO).then(again)
            });
            give.send(pool.delay(SECOND).then(note(2))).unwrap();
            let third = pool.delay(SECOND).then(note(3));
            clock.advance(SECOND);
            // A duration of zero fires at once, before what is due and has not fired.
            assert_eq!(order.take(), [1, 4, 3]);
            assert_eq!(clock.pending(), 0);
            task.wait().unwrap();
            third.wait().unwrap();
        });
    }

    // Contract: K1
    // Case: 145
    #[test]
    fn a_timer_made_by_a_callback_fires_at_its_own_time() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let times = Log::new();
            let start = clock.now();
            for each in 1..=3_u32 {
                let (own, at, log) = (pool.clone(), clock.clone(), times.clone());
                let note = move |step: u32| log.push((each, step, at.now() - start));
                let task = pool.delay(SECOND * each).and_then(move |()| {
                    note(1);
                    own.delay(SECOND).then(move |()| note(2))
                });
                task.detach();
            }
            clock.advance(SECOND * 10);
            let at = |seconds| SECOND * seconds;
            let expected = [
                (1, 1, at(1)),
                (2, 1, at(2)),
                (1, 2, at(2)),
                (3, 1, at(3)),
                (2, 2, at(3)),
                (3, 2, at(4)),
            ];
            assert_eq!(times.take(), expected);
            assert_eq!(clock.now() - start, at(10));
        });
    }

    // Contract: K2
    #[test]
    fn stillness_waits_for_running_jobs_and_not_for_blocked_ones() {
        within(|| {
            for _ in 0..50 {
                let (clock, pool) = virtual_pool();
                let log = Log::new();
                let (own, told, at) = (pool.clone(), log.clone(), clock.clone());
                let start = clock.now();
                // Its thread sleeps in a wait of ours, again and again.
                let task = pool.spawn(move || {
                    for _ in 0..5 {
                        own.delay(SECOND).wait().unwrap();
                        told.push(at.now() - start);
                    }
                });
                clock.advance(SECOND * 7);
                assert_eq!(log.take(), [1, 2, 3, 4, 5].map(|n| SECOND * n));
                assert!(task.is_settled());
                task.wait().unwrap();
            }
        });
    }

    // Contract: K2
    #[test]
    fn it_waits_for_a_job_that_blocks_elsewhere() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (gate, began) = (Gate::new(), Latch::new(1));
            let (pass, begins, at) = (gate.clone(), began.clone(), clock.clone());
            let start = clock.now();
            let task = pool.spawn(move || {
                begins.count_down();
                pass.pass();
                at.now() - start
            });
            began.wait();
            let moving = clock.clone();
            let mover = thread::spawn(move || moving.advance(HOUR));
            gate.open();
            mover.join().unwrap();
            assert_eq!(task.wait().unwrap(), Duration::ZERO);
            assert_eq!(clock.now() - start, HOUR);
        });
    }

    // Contract: K1
    // Case: 150
    #[test]
    fn two_pools_with_two_clocks_do_not_meet() {
        within(|| {
            let both = [virtual_pool(), virtual_pool()];
            let tasks = both.each_ref().map(|(_, pool)| pool.delay(SECOND));
            both[0].0.advance(SECOND);
            assert!(tasks[0].is_settled() && !tasks[1].is_settled());
            both[1].0.advance(SECOND);
            assert!(tasks[1].is_settled());
        });
    }

    // Contract: K1
    #[test]
    fn two_pools_with_one_clock_take_turns() {
        within(|| {
            let (clock, one) = virtual_pool();
            let other = Pool::builder().clock(&clock).build().unwrap();
            let log = Log::new();
            let start = clock.now();
            fn ping(pools: [Pool; 2], left: u32, at: Clock, log: Log<Duration>, start: Instant) {
                if left > 0 {
                    let [one, other] = pools;
                    one.delay(SECOND)
                        .then(move |()| {
                            log.push(at.now() - start);
                            ping([other, one], left - 1, at, log, start);
                        })
                        .detach();
                }
            }
            ping([one, other], 6, clock.clone(), log.clone(), start);
            clock.advance(SECOND * 6);
            assert_eq!(log.take(), [1, 2, 3, 4, 5, 6].map(|n| SECOND * n));
        });
    }

    // Contract: K1
    #[test]
    fn it_may_be_moved_from_a_task_and_by_two_at_once() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let own = clock.clone();
            let delayed = pool.delay(SECOND);
            let task = pool.spawn(move || {
                own.advance(SECOND);
                own.now()
            });
            let then = task.wait().unwrap();
            assert!(delayed.is_settled());
            assert_eq!(clock.now(), then);
            // A call while another is under way only adds to it.
            let start = clock.now();
            let own = clock.clone();
            let task = pool.delay(SECOND).then(move |()| own.advance(SECOND));
            clock.advance(SECOND);
            task.wait().unwrap();
            assert_eq!(clock.now() - start, 2 * SECOND);
        });
    }

    // Contract: K1
    #[test]
    fn a_move_beyond_the_range_ends_at_the_last_deadline() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let start = clock.now();
            let own = pool.clone();
            let last = pool.delay(HOUR);
            let beyond = pool.delay(SECOND).and_then(move |()| own.delay(HOUR));
            clock.advance(Duration::MAX);
            assert!(last.is_settled() && !beyond.is_settled());
            assert_eq!(clock.now() - start, HOUR);
            clock.advance(Duration::MAX);
            assert!(beyond.is_settled());
            clock.advance(Duration::MAX);
            assert_eq!(clock.now() - start, HOUR + SECOND);
            last.wait().unwrap();
            beyond.wait().unwrap();
        });
    }

    // Contract: K1
    #[test]
    fn a_combined_task_goes_by_the_clock_of_its_first_input() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let late = || pool.delay(HOUR);
            let combined = [
                all([late(), late()]).then(drop),
                all((late(), late())).then(drop),
                all_settled([late(), late()]).then(drop),
                some(1, [late(), late()]).then(drop),
                any([late(), late()]),
                race([late(), late()]),
            ];
            let limited = combined.map(|task| task.timeout(SECOND));
            clock.advance(SECOND);
            for task in limited {
                assert!(task.is_settled());
                assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
            }
            assert_eq!(clock.pending(), 0);
        });
    }

    #[test]
    fn a_pool_that_is_gone_is_not_waited_for() {
        within(|| {
            let (clock, pool) = virtual_pool();
            pool.spawn(|| ()).wait().unwrap();
            let task = pool.delay(SECOND);
            drop(pool);
            clock.advance(SECOND);
            task.wait().unwrap();
            clock.advance(SECOND);
            assert_eq!(clock.next_deadline(), None);
        });
    }

    #[test]
    fn deadlines_are_reported() {
        let (clock, pool) = virtual_pool();
        let tasks = [3, 1, 2].map(|n| pool.delay(SECOND * n));
        assert_eq!(clock.next_deadline(), Some(clock.now() + SECOND));
        assert_eq!(clock.pending(), 3);
        assert!(format!("{clock:?}").contains("timers: 3"), "{clock:?}");
        tasks
            .iter()
            .for_each(|task| assert_eq!(task.cancel(), CancelOutcome::Prevented));
        assert_eq!((clock.next_deadline(), clock.pending()), (None, 0));
    }
}

/// How often `wake` was called.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_waker_that_is_not_needed_is_not_called() {
    let (clock, pool) = virtual_pool();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut task = Box::pin(pool.delay(SECOND));
    let mut context = Context::from_waker(&waker);
    assert!(task.as_mut().poll(&mut context).is_pending());
    drop(task);
    clock.advance(SECOND);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
}
