//! Calls that settle or drop several things: all of it is taken out before user code runs, so user
//! code may wait for any of it. No user code runs on a thread that unwinds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use fast_async::topic::{Overflow, Topic};
use fast_async::{
    CancelToken, Clock, Executor, Inline, Job, LoopQueue, Pool, Shutdown, Task, TaskError,
    TaskQueue, deferred,
};

use crate::support::{Gate, Jam, Log, OnDrop, expected, isolated, one_thread, pool_of, within};

/// A paused queue, and its pool of one thread.
fn paused() -> (TaskQueue, Pool) {
    let pool = one_thread();
    let queue = TaskQueue::builder().pool(&pool).limit(1).paused();
    (queue.build().unwrap(), pool)
}

/// Where a later task goes, for user code that waits for it.
fn later<T>() -> (Sender<T>, impl FnOnce() -> T) {
    let (send, receive) = unbounded();
    (send, move || receive.recv().unwrap())
}

/// The failure of a continuation that waits for `receive`'s task.
fn waiting<T: Send + 'static>(
    task: Task<T>,
    receive: impl FnOnce() -> Task<()> + Send + 'static,
) -> Task<TaskError> {
    let (tell, told) = deferred();
    task.handle(move |_| drop(tell.resolve(receive().wait().unwrap_err())))
        .detach();
    told
}

mod queues {
    use super::*;

    // Contract: Q4, W1
    #[test]
    fn what_a_cleared_job_causes_may_wait_for_a_later_one() {
        within(|| {
            let (queue, _pool) = paused();
            let (send, receive) = later();
            let first = waiting(queue.spawn(|| ()), receive);
            let second = queue.spawn(|| ()).then(|()| ());
            send.send(second).unwrap();
            assert_eq!(queue.clear(), 2);
            assert!(first.wait().unwrap().is_cancelled());
        });
    }

    // Contract: Q4, W1
    #[test]
    fn the_drop_of_a_cleared_job_may_wait_for_a_later_one() {
        within(|| {
            let (queue, _pool) = paused();
            let (send, receive) = later::<Task<()>>();
            let waits = OnDrop::new(move |_| drop(receive().wait()));
            queue.spawn(move || waits.hold()).detach();
            send.send(queue.spawn(|| ())).unwrap();
            assert_eq!(queue.clear(), 2);
        });
    }

    // Contract: Q4, W1
    #[test]
    fn what_a_cleared_job_causes_may_wait_for_a_chain_and_for_the_line() {
        within(|| {
            let (queue, _pool) = paused();
            let (send, receive) = later();
            let first = waiting(queue.spawn(|| ()), receive);
            let chain = Task::ready(()).on(&queue).then(|()| ());
            let idle = queue.when_idle();
            send.send(chain.catch(|_| ()).and_then(move |()| {
                idle.wait()?;
                Err::<(), _>("the line is empty".into())
            }))
            .unwrap();
            assert_eq!(queue.clear(), 2);
            let error = first.wait().unwrap();
            assert!(error.to_string().contains("the line is empty"), "{error}");
        });
    }

    // Contract: Q4, W1
    #[test]
    fn a_paused_queue_may_go_with_jobs_that_wait_for_each_other() {
        within(|| {
            let (queue, _pool) = paused();
            let (send, receive) = later();
            let first = waiting(queue.spawn(|| ()), receive);
            send.send(queue.spawn(|| ()).then(|()| ())).unwrap();
            drop(queue);
            assert!(!first.wait().unwrap().is_cancelled(), "it is abandoned");
        });
    }

    // Contract: Q1, W1
    #[test]
    fn what_a_refused_job_causes_may_wait_for_a_later_one() {
        within(|| {
            let (queue, pool) = paused();
            for limit in [1, 2] {
                queue.pause();
                queue.set_limit(limit).unwrap();
                let (send, receive) = later();
                let first = waiting(queue.spawn(|| ()), receive);
                send.send(queue.spawn(|| ()).then(|()| ())).unwrap();
                let _ = pool.shutdown(Shutdown::Drain, Duration::MAX);
                queue.resume();
                assert!(!first.wait().unwrap().is_cancelled(), "it is rejected");
            }
        });
    }

    // Contract: Q4, W1
    #[test]
    fn who_is_told_may_wait_for_the_next_that_is_told() {
        within(|| {
            let (queue, _pool) = paused();
            let job = queue.spawn(|| ());
            let (send, receive) = later::<Task<()>>();
            let at_once = |job: Job| job.run();
            let first = queue
                .when_below(1)
                .on(&at_once)
                .then(move |()| receive().wait().unwrap());
            send.send(queue.when_below(1)).unwrap();
            job.cancel();
            first.wait().unwrap();
        });
    }

    // Contract: D2
    #[test]
    fn a_line_of_queues_that_clear_each_other_needs_no_stack() {
        isolated(
            "queues::a_line_of_queues_that_clear_each_other_needs_no_stack",
            || {
                const LONG: usize = 20_000;
                let pool = one_thread();
                let made = move || {
                    let queue = TaskQueue::builder().pool(&pool).paused().build();
                    queue.unwrap()
                };
                let line = thread::Builder::new().stack_size(512 << 10);
                let cleared = line.spawn(move || {
                    let last = made();
                    let end = last.spawn(|| ());
                    let mut next = last;
                    for _ in 0..LONG {
                        let (queue, after) = (made(), next);
                        let job = queue.spawn(|| ());
                        job.finally(move || assert_eq!(after.clear(), 1)).detach();
                        next = queue;
                    }
                    next.clear();
                    end.is_settled()
                });
                assert!(cleared.unwrap().join().unwrap());
            },
        );
    }
}

mod pools {
    use super::*;

    // Contract: P4, W1
    #[test]
    fn what_a_discarded_job_causes_may_wait_for_a_later_one() {
        within(|| {
            let pool = pool_of(1);
            let jam = Jam::of(&pool, 1);
            jam.reach(1);
            let (send, receive) = later();
            let first = waiting(pool.spawn(|| ()), receive);
            let (ran, last) = (Log::new(), Log::new());
            let (run, end) = (ran.clone(), last.clone());
            let second = pool.spawn(move || run.push(()));
            send.send(second.then(move |()| end.push(()))).unwrap();
            let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
            assert_eq!(report.discarded, 2);
            assert!(first.wait().unwrap().is_cancelled());
            jam.end();
            assert_eq!((ran.len(), last.len()), (0, 0));
        });
    }

    // Contract: P4, W1
    #[test]
    fn the_drop_of_a_discarded_job_may_wait_for_a_later_one() {
        within(|| {
            let pool = pool_of(1);
            let jam = Jam::of(&pool, 1);
            jam.reach(1);
            let (send, receive) = later::<Task<()>>();
            let waits = OnDrop::new(move |_| drop(receive().wait()));
            pool.spawn(move || waits.hold()).detach();
            send.send(pool.spawn(|| ())).unwrap();
            let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
            assert_eq!(report.discarded, 2);
            jam.end();
        });
    }

    // Contract: F2, W1. Elements of a flow are jobs of the pool too.
    #[test]
    fn what_a_discarded_flow_drops_may_wait_for_a_later_job() {
        within(|| {
            let pool = pool_of(1);
            let jam = Jam::of(&pool, 1);
            jam.reach(1);
            let (send, receive) = later::<Task<()>>();
            let waits = OnDrop::new(move |_| drop(receive().wait()));
            let flow = pool.map_limit(0..3, 1, move |n| {
                waits.hold();
                Ok(n)
            });
            send.send(pool.spawn(|| ())).unwrap();
            let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
            assert_eq!(report.discarded, 2);
            assert!(flow.wait().unwrap_err().is_cancelled());
            jam.end();
        });
    }

    // Contract: S3, W1. The executor of a job is dropped with a loop that is gone.
    #[test]
    fn the_drop_of_a_loop_may_wait_for_its_jobs() {
        within(|| {
            let window = LoopQueue::new();
            let (send, receive) = later::<Task<()>>();
            let waits = OnDrop::new(move |_| drop(receive().wait()));
            let value = Task::ready(waits).on(&window);
            value.then(|waits| waits.hold()).detach();
            send.send(Task::ready(()).on(&window).then(|()| ()))
                .unwrap();
            drop(window);
        });
    }
}

mod topics {
    use super::*;

    // Contract: B5, W1
    #[test]
    fn a_callback_dropped_by_the_end_may_wait_for_a_later_task() {
        within(|| {
            for closes in [true, false] {
                let topic = Topic::<u32>::new();
                let (send, receive) = later();
                let waits = OnDrop::new(move |_| {
                    let next: Task<_> = receive();
                    next.wait().unwrap_err();
                });
                topic.subscribe(move |_| waits.hold());
                send.send(topic.next()).unwrap();
                match closes {
                    true => topic.close(),
                    false => drop(topic),
                }
            }
        });
    }

    // Contract: B5, W1
    #[test]
    fn a_callback_dropped_by_the_end_may_wait_for_another_callbacks_drop() {
        within(|| {
            let topic = Topic::<u32>::new();
            let (tell, told) = deferred::<()>();
            let waits = OnDrop::new(move |_| told.wait().unwrap());
            let tells = OnDrop::new(move |_| tell.resolve(()).unwrap());
            topic.subscribe(move |_| waits.hold());
            topic.subscribe(move |_| tells.hold());
            topic.close();
        });
    }

    // Contract: B3, W1
    #[test]
    fn a_value_that_is_displaced_may_wait_for_a_reader() {
        within(|| {
            let topic = Topic::new();
            let (tell, told) = deferred::<()>();
            let _full = topic.receiver(1, Overflow::DropOldest);
            let waits = OnDrop::new(move |_| told.wait().unwrap());
            topic.publish(Some(waits)).unwrap();
            let mut reader = topic.receiver(1, Overflow::Block);
            let next = topic.next();
            let reading = thread::spawn(move || {
                assert!(reader.recv().unwrap().is_none());
                tell.resolve(()).unwrap();
            });
            topic.publish(None).unwrap();
            reading.join().unwrap();
            assert!(next.wait().unwrap().is_none());
        });
    }

    // Contract: B3, W1
    #[test]
    fn a_value_that_is_displaced_may_wait_for_a_task() {
        within(|| {
            let topic = Topic::new();
            let (send, receive) = later::<Task<_>>();
            let _full = topic.receiver(1, Overflow::DropOldest);
            let waits = OnDrop::new(move |_| drop(receive().wait()));
            topic.publish(Some(waits)).unwrap();
            send.send(topic.next().then(|value| value.is_none()))
                .unwrap();
            topic.publish(None).unwrap();
        });
    }

    // Contract: B3, W1
    #[test]
    fn a_value_that_a_receiver_leaves_may_wait_for_a_flush() {
        within(|| {
            let topic = Topic::new();
            let window = LoopQueue::new();
            let subscription = topic
                .on(&window)
                .buffer(4, Overflow::Block)
                .subscribe(|_: &OnDrop<_>| ());
            let (send, receive) = later::<Task<()>>();
            let waits = OnDrop::new(move |_| receive().wait().unwrap());
            topic.publish(waits).unwrap();
            send.send(topic.flush()).unwrap();
            subscription.unsubscribe();
        });
    }
}

mod unwinding {
    use super::*;

    /// Drops `guard` while a panic unwinds, on this thread.
    fn unwind_through<G>(guard: G) {
        let unwound = catch_unwind(AssertUnwindSafe(move || {
            let _guard = guard;
            expected("it unwinds through the guard");
        }));
        assert!(unwound.is_err());
    }

    fn in_drop(f: impl FnOnce()) -> OnDrop<impl FnOnce(thread::ThreadId)> {
        OnDrop::new(move |_| f())
    }

    /// Tells whether the calling thread unwinds.
    fn tell(found: &Log<bool>) -> impl FnOnce() + Send + 'static {
        let found = found.clone();
        move || found.push(thread::panicking())
    }

    /// Checks that `count` closures have run, none of them on a thread that unwinds.
    #[track_caller]
    fn all_calm(found: &Log<bool>, count: usize) {
        crate::support::until(|| found.len() == count);
        assert_eq!(found.take(), vec![false; count]);
    }

    // Contract: W1, D8
    #[test]
    fn a_guard_cancels_its_task() {
        within(|| {
            let found = Log::new();
            let (_resolver, open) = deferred::<()>();
            unwind_through(open.finally(tell(&found)).cancel_on_drop());
            all_calm(&found, 1);
            // One that has an upstream, and one whose closure is dropped.
            let (_resolver, open) = deferred::<()>();
            let above = open.share();
            unwind_through(above.cloned().finally(tell(&found)).cancel_on_drop());
            all_calm(&found, 1);
            let cold = Task::new(|| ());
            unwind_through(cold.finally(tell(&found)).cancel_on_drop());
            all_calm(&found, 1);
        });
    }

    // Contract: W1, D8
    #[test]
    fn a_guard_raises_a_token() {
        within(|| {
            let (found, order) = (Log::new(), Log::new());
            let token = CancelToken::new();
            let (_resolver, open) = deferred::<()>();
            let builder = Task::builder().cancel_token(&token);
            let task = builder.attempt(move || open).finally(tell(&found));
            for n in 0..3 {
                let (tell, order) = (tell(&found), order.clone());
                token.on_cancel(move || {
                    tell();
                    order.push(n);
                });
            }
            unwind_through(in_drop(move || assert!(token.cancel())));
            all_calm(&found, 4);
            assert_eq!(order.take(), [0, 1, 2]);
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: W1, Q4, P4
    #[test]
    fn a_guard_discards_jobs() {
        within(|| {
            let found = Log::new();
            let (queue, _pool) = paused();
            for _ in 0..3 {
                queue.spawn(|| ()).finally(tell(&found)).detach();
            }
            unwind_through(in_drop(move || assert_eq!(queue.clear(), 3)));
            all_calm(&found, 3);

            let pool = pool_of(1);
            let jam = Jam::of(&pool, 1);
            jam.reach(1);
            for _ in 0..3 {
                pool.spawn(|| ()).finally(tell(&found)).detach();
            }
            unwind_through(in_drop(move || {
                let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
                assert_eq!(report.discarded, 3);
            }));
            all_calm(&found, 3);
            jam.end();
        });
    }

    // Contract: W1. A task's closure, and a resolver whose chain runs where it is settled.
    #[test]
    fn inside_a_task() {
        within(|| {
            let found = Log::new();
            let (told, own) = (tell(&found), Pool::global().clone());
            let task: Task<()> = own.spawn(move || {
                let (_resolver, open) = deferred::<()>();
                let _guard = open.finally(told).cancel_on_drop();
                expected("it unwinds through the guard");
            });
            assert!(task.wait().unwrap_err().is_panic());
            all_calm(&found, 1);
            let (resolver, task) = deferred::<()>();
            task.on(&Inline).finally(tell(&found)).detach();
            unwind_through(resolver.on_pool());
            all_calm(&found, 1);
        });
    }

    // Contract: T4. The rest of a virtual clock's work.
    #[test]
    fn a_guard_ends_a_time_limit() {
        within(|| {
            let found = Log::new();
            let clock = Clock::manual();
            let pool = Pool::builder().clock(&clock).build().unwrap();
            let (_resolver, open) = deferred::<()>();
            let limited = pool.attempt(move || open).timeout(Duration::from_secs(1));
            unwind_through(limited.finally(tell(&found)).cancel_on_drop());
            all_calm(&found, 1);
        });
    }

    /// An executor that runs its jobs where they are handed over.
    fn at_once(job: Job) {
        job.run();
    }

    // Contract: W1, D8. The executor is user code, and would run the step here.
    #[test]
    fn a_guard_settles_a_task_of_an_executor_that_runs_at_once() {
        within(|| {
            let found = Log::new();
            let (resolver, task) = deferred::<()>();
            task.on(&at_once).then(drop).finally(tell(&found)).detach();
            unwind_through(in_drop(move || resolver.resolve(()).unwrap()));
            all_calm(&found, 1);
            let (resolver, task) = deferred::<()>();
            let task = task.on(&at_once).finally(tell(&found));
            unwind_through(resolver);
            assert!(task.wait().is_err());
            all_calm(&found, 1);
            let executor = {
                let found = found.clone();
                move |job: Job| {
                    found.push(thread::panicking());
                    Pool::global().execute(job);
                }
            };
            let (resolver, task) = deferred::<()>();
            let task = task.on(&executor).finally(tell(&found));
            unwind_through(in_drop(move || resolver.resolve(()).unwrap()));
            task.wait().unwrap();
            all_calm(&found, 2);
        });
    }

    // Contract: W1, D3
    #[test]
    fn a_guard_registers_a_late_step() {
        within(|| {
            let found = Log::new();
            let told = tell(&found);
            unwind_through(in_drop(move || {
                Task::ready(()).on(&Inline).finally(told).detach();
            }));
            all_calm(&found, 1);
            let told = tell(&found);
            unwind_through(in_drop(move || {
                Task::ready(()).on(&at_once).finally(told).detach();
            }));
            all_calm(&found, 1);
            let (token, told) = (CancelToken::new(), tell(&found));
            unwind_through(in_drop(move || {
                let task = Task::builder().cancel_token(&token).spawn(|| ());
                crate::support::until(|| task.is_settled());
                task.on(&Inline).finally(told).detach();
            }));
            all_calm(&found, 1);
        });
    }

    // Contract: W1, D8. Inside a callback of another task, which catches the panic.
    #[test]
    fn a_guard_in_a_callback_settles_tasks() {
        within(|| {
            let found = Log::new();
            let (resolver, task) = deferred::<()>();
            let (first, second) = (deferred::<()>(), deferred::<()>());
            first.1.on(&at_once).finally(tell(&found)).detach();
            second.1.on(&Inline).finally(tell(&found)).detach();
            let (first, second, told) = (first.0, second.0, tell(&found));
            let task = task.then(move |()| {
                unwind_through(in_drop(move || {
                    first.resolve(()).unwrap();
                    second.resolve(()).unwrap();
                    Task::ready(()).on(&Inline).finally(told).detach();
                }));
            });
            resolver.resolve(()).unwrap();
            task.wait().unwrap();
            all_calm(&found, 3);
        });
    }
}

mod order {
    use super::*;

    // Contract: D8. Those that another thread runs, because one blocks, keep their order.
    #[test]
    fn callbacks_behind_one_that_blocks_run_in_their_order() {
        within(|| {
            for _ in 0..20 {
                let token = CancelToken::new();
                let (tell, told) = deferred::<()>();
                let (log, gate) = (Log::new(), Gate::new());
                token.on_cancel(move || told.wait().unwrap());
                for n in 0..4 {
                    let log = log.clone();
                    token.on_cancel(move || log.push(n));
                }
                let open = gate.clone();
                token.on_cancel(move || {
                    open.open();
                    tell.resolve(()).unwrap();
                });
                assert!(token.cancel());
                gate.pass();
                assert_eq!(log.take(), [0, 1, 2, 3]);
            }
        });
    }
}
