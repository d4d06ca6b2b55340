//! Loops: turns inside turns, waits on the thread that a loop relies on, a budget of time, and
//! closures that stay on their thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::support::{Count, Gate, Log, OnDrop, isolated, pool_of, until, within};
use fast_async::{
    CancelToken, ErrorKind, Executor, Inline, Job, LoopQueue, Pool, Task, attempt, deferred,
    loop_queue::LocalLoop, spawn,
};

/// Ten times as deep as calls may stand inside each other.
const DEEP: usize = 640;

/// Runs `body` on a stack of half a MiB in a new process.
fn on_a_small_stack(name: &str, body: impl FnOnce() + Send + 'static) {
    isolated(name, || {
        let small = thread::Builder::new().stack_size(512 << 10);
        small.spawn(body).unwrap().join().unwrap();
    });
}

/// Queues a job.
fn post(queue: &LoopQueue, job: impl FnOnce() + Send + 'static) {
    Task::ready(()).on(queue).then(|()| job()).detach();
}

mod nesting {
    use super::*;

    #[test]
    fn jobs_that_run_their_own_loop_have_bounded_nesting() {
        let name = "nesting::jobs_that_run_their_own_loop_have_bounded_nesting";
        on_a_small_stack(name, || {
            let queue = LoopQueue::new();
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..DEEP {
                let (inner, ran) = (queue.clone(), ran.clone());
                post(&queue, move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                    inner.run_pending();
                    inner.run_pending_for(Duration::from_secs(1));
                });
            }
            while queue.run_pending() > 0 {}
            assert_eq!(ran.load(Ordering::Relaxed), DEEP);
        });
    }

    #[test]
    fn jobs_that_need_much_stack_nest_less() {
        fn job(queue: &LoopQueue) -> usize {
            let frame = [1_u8; 64 << 10];
            std::hint::black_box(&frame);
            queue.run_pending()
        }
        let name = "nesting::jobs_that_need_much_stack_nest_less";
        on_a_small_stack(name, || {
            let queue = LoopQueue::new();
            for _ in 0..DEEP {
                let inner = queue.clone();
                post(&queue, move || {
                    job(&inner);
                });
            }
            while queue.run_pending() > 0 {}
        });
    }

    #[test]
    fn jobs_that_run_their_own_loop_fit_on_a_workers_small_stack() {
        fn job(queue: &LoopQueue) {
            let frame = [1_u8; 4 << 10];
            std::hint::black_box(&frame);
            queue.run_pending();
            std::hint::black_box(&frame);
        }
        /// Uses some of the stack before.
        fn deeper(left: usize, f: &mut dyn FnMut()) {
            let frame = [1_u8; 8 << 10];
            std::hint::black_box(&frame);
            match left {
                0 => f(),
                _ => deeper(left - 1, f),
            }
            std::hint::black_box(&frame);
        }
        let name = "nesting::jobs_that_run_their_own_loop_fit_on_a_workers_small_stack";
        isolated(name, || {
            for (size, before) in [(192 << 10, 0), (256 << 10, 8)] {
                let pool = Pool::builder().max_threads(1).stack_size(size);
                let pool = pool.build().unwrap();
                let ran = pool.spawn(move || {
                    let queue = LoopQueue::new();
                    for _ in 0..DEEP {
                        let inner = queue.clone();
                        post(&queue, move || job(&inner));
                    }
                    deeper(before, &mut || while queue.run_pending() > 0 {});
                });
                ran.wait().unwrap();
            }
        });
    }

    #[test]
    fn jobs_that_run_their_own_loop_until_a_task_settles_get_its_value() {
        let name = "nesting::jobs_that_run_their_own_loop_until_a_task_settles_get_its_value";
        on_a_small_stack(name, || {
            let queue = LoopQueue::new();
            let log = Log::new();
            for n in 0..DEEP {
                let (inner, log) = (queue.clone(), log.clone());
                post(&queue, move || {
                    log.push(inner.run_until(spawn(move || n)).unwrap());
                });
            }
            while queue.run_pending() > 0 {}
            let mut log = log.take();
            log.sort_unstable();
            assert!(log.into_iter().eq(0..DEEP));
        });
    }

    #[test]
    fn a_run_too_deep_for_what_it_waits_for_fails_as_a_cycle() {
        let name = "nesting::a_run_too_deep_for_what_it_waits_for_fails_as_a_cycle";
        on_a_small_stack(name, || {
            let queue = LoopQueue::new();
            let log = Log::new();
            let mut resolvers = Vec::new();
            for _ in 0..DEEP {
                let (resolver, task) = deferred();
                resolvers.push(resolver);
                let (inner, log) = (queue.clone(), log.clone());
                post(&queue, move || {
                    log.push(inner.run_until(task).map_err(|error| error.kind()));
                });
            }
            for resolver in resolvers {
                post(&queue, move || resolver.resolve(()).unwrap_or_default());
            }
            while queue.run_pending() > 0 {}
            let log = log.take();
            assert_eq!(log.len(), DEEP);
            assert!(
                log.iter()
                    .all(|it| matches!(it, Ok(()) | Err(ErrorKind::Cycle)))
            );
            assert!(log.contains(&Ok(())) && log.contains(&Err(ErrorKind::Cycle)));
        });
    }

    #[test]
    fn loops_that_run_each_other_have_bounded_nesting() {
        let name = "nesting::loops_that_run_each_other_have_bounded_nesting";
        on_a_small_stack(name, || {
            let loops: Vec<_> = (0..DEEP).map(|_| LoopQueue::new()).collect();
            for pair in loops.windows(2) {
                let next = pair[1].clone();
                post(&pair[0], move || {
                    next.run_pending();
                });
            }
            post(&loops[DEEP - 1], || ());
            loops[0].run_pending();
            for queue in loops {
                queue.run_pending();
                assert_eq!(queue.pending(), 0);
            }
        });
    }

    #[test]
    fn a_notice_that_runs_the_loop_has_bounded_nesting() {
        let name = "nesting::a_notice_that_runs_the_loop_has_bounded_nesting";
        on_a_small_stack(name, || {
            static QUEUE: OnceLock<LoopQueue> = OnceLock::new();
            fn job(left: usize, ran: Arc<AtomicUsize>) {
                ran.fetch_add(1, Ordering::Relaxed);
                if left > 0 {
                    post(QUEUE.get().unwrap(), move || job(left - 1, ran));
                }
            }
            let queue = LoopQueue::with_notify(|| {
                if let Some(queue) = QUEUE.get() {
                    queue.run_pending();
                }
            });
            QUEUE.set(queue).unwrap();
            let ran = Arc::new(AtomicUsize::new(0));
            job(DEEP, ran.clone());
            while QUEUE.get().unwrap().run_pending() > 0 {}
            assert_eq!(ran.load(Ordering::Relaxed), DEEP + 1);
        });
    }

    /// A callback that registers the next one on a settled task.
    fn again<E>(executor: E, left: usize, ran: Arc<AtomicUsize>)
    where
        E: fast_async::Executor + Clone + 'static,
    {
        ran.fetch_add(1, Ordering::Relaxed);
        if left > 0 {
            let next = executor.clone();
            Task::ready(())
                .on(&executor)
                .then(move |()| again(next, left - 1, ran))
                .detach();
        }
    }

    #[test]
    fn callbacks_that_register_inline_do_not_nest_without_bound() {
        let name = "nesting::callbacks_that_register_inline_do_not_nest_without_bound";
        on_a_small_stack(name, || {
            let ran = Arc::new(AtomicUsize::new(0));
            again(Inline, DEEP, ran.clone());
            assert_eq!(ran.load(Ordering::Relaxed), DEEP + 1);
        });
    }

    #[test]
    fn executors_that_run_at_once_do_not_nest_without_bound() {
        let name = "nesting::executors_that_run_at_once_do_not_nest_without_bound";
        on_a_small_stack(name, || {
            let ran = Arc::new(AtomicUsize::new(0));
            again(|job: Job| job.run(), DEEP, ran.clone());
            assert_eq!(ran.load(Ordering::Relaxed), DEEP + 1);
        });
    }

    // Contract: D2
    #[test]
    fn callbacks_that_register_on_a_raised_token_do_not_nest_without_bound() {
        const LENGTH: usize = 100_000;
        fn again(token: CancelToken, left: usize, ran: Count) {
            ran.add();
            if left > 0 {
                let next = token.clone();
                token.on_cancel(move || again(next, left - 1, ran));
            }
        }
        let name = "nesting::callbacks_that_register_on_a_raised_token_do_not_nest_without_bound";
        on_a_small_stack(name, || {
            let token = CancelToken::new();
            token.cancel();
            let ran = Count::default();
            again(token.clone(), LENGTH, ran.clone());
            assert_eq!(ran.get(), LENGTH + 1);
            // In a callback of a task too.
            let ran = Count::default();
            let (inner, own) = (ran.clone(), token.clone());
            let (resolver, task) = deferred();
            let task = task.then(move |()| again(own, LENGTH, inner));
            resolver.resolve(()).unwrap();
            task.wait().unwrap();
            ran.reach(LENGTH + 1);
            // A callback is called at once, unless calls stand deep inside each other.
            let (resolver, task) = deferred();
            let task = task.then(move |()| {
                let ran = Count::default();
                let inner = ran.clone();
                token.on_cancel(move || inner.add());
                ran.get()
            });
            resolver.resolve(()).unwrap();
            assert_eq!(task.wait().unwrap(), 1);
        });
    }

    #[test]
    fn a_hook_with_unhandled_failures_of_its_own_has_bounded_nesting() {
        let name = "nesting::a_hook_with_unhandled_failures_of_its_own_has_bounded_nesting";
        on_a_small_stack(name, || {
            let calls = Arc::new(AtomicUsize::new(0));
            let count = calls.clone();
            fast_async::set_unhandled_hook(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                drop(Task::<()>::failed("in the hook"));
            });
            drop(Task::<()>::failed("no"));
            assert_eq!(calls.load(Ordering::Relaxed), 1, "its own are not for it");
        });
    }
}

mod waits {
    use super::*;

    /// Queues `job`, runs the loop on this thread once, and returns the outcome of the job.
    fn in_a_job<R: Send + 'static>(
        queue: &LoopQueue,
        job: impl FnOnce(LoopQueue) -> R + Send + 'static,
    ) -> R {
        let inner = queue.clone();
        let task = Task::ready(()).on(queue).then(move |()| job(inner));
        assert_eq!(queue.run_pending(), 1);
        task.try_wait().expect("one job has run").unwrap()
    }

    /// Runs `job` as a job of the loop, on the one worker of `pool`: its metrics tell when `job`
    /// waits.
    fn in_a_job_of<R: Send + 'static>(
        pool: &Pool,
        queue: &LoopQueue,
        job: impl FnOnce(LoopQueue) -> R + Send + 'static,
    ) -> R {
        let queue = queue.clone();
        pool.spawn(move || in_a_job(&queue, job)).wait().unwrap()
    }

    /// Calls `then` on another thread when the one worker of `pool` waits.
    fn when_it_waits(pool: &Pool, then: impl FnOnce() + Send + 'static) {
        let pool = pool.clone();
        thread::spawn(move || {
            until(|| pool.metrics().blocked == 1);
            then();
        });
    }

    /// Leaves no job in the queue. A worker may still be handing over one that a wait has run in
    /// its stead: it would count in the next turn.
    fn drain(queue: &LoopQueue, pool: &Pool) {
        assert!(pool.wait_idle(Duration::MAX));
        while queue.run_pending() > 0 {}
    }

    // Contract: W1
    #[test]
    fn a_job_may_wait_for_a_task_that_was_sent_to_its_own_loop() {
        within(|| {
            let (queue, pool) = (LoopQueue::new(), pool_of(1));
            for round in 0..200 {
                let inner = pool.clone();
                let n = in_a_job(&queue, move |queue| {
                    let there = inner.spawn(move || round).on(&queue);
                    there.then(|n| n + 1).wait()
                });
                assert_eq!(n.unwrap(), round + 1);
                drain(&queue, &pool);
            }
        });
    }

    /// An executor of the user's own that passes its jobs on to a loop.
    fn before(queue: &LoopQueue) -> impl Executor + Clone + 'static {
        let queue = queue.clone();
        move |job: Job| queue.execute(job)
    }

    // Contract: W1
    #[test]
    fn a_job_may_wait_for_a_task_that_another_executor_passed_to_its_own_loop() {
        within(|| {
            let (queue, pool) = (LoopQueue::new(), pool_of(1));
            for round in 0..200 {
                let inner = pool.clone();
                let n = in_a_job(&queue, move |queue| {
                    let there = inner.spawn(move || round).on(&before(&queue));
                    there.then(|n| n + 1).wait()
                });
                assert_eq!(n.unwrap(), round + 1);
                drain(&queue, &pool);
            }
            // And for jobs that are queued there while it waits.
            let (resolver, task) = deferred();
            when_it_waits(&pool, move || resolver.resolve(1).unwrap());
            let n = in_a_job_of(&pool, &queue, |queue| {
                task.on(&before(&queue)).then(|n| n + 1).wait()
            });
            assert_eq!(n.unwrap(), 2);
            let here = LocalLoop::new();
            let task = spawn(|| 1).on(&before(here.queue())).then(|n| n + 1);
            assert_eq!(task.wait().unwrap(), 2);
        });
    }

    thread_local! {
        static BORROWED: RefCell<u32> = const { RefCell::new(0) };
    }

    /// True if no other closure of this thread holds the value.
    fn is_free() -> bool {
        BORROWED.with(|value| value.try_borrow_mut().is_ok())
    }

    // Contract: W1, W3. Only that thread could run the task, and a parked wait runs nothing.
    #[test]
    fn a_wait_that_parks_runs_nothing_on_the_thread_of_a_loop() {
        type Wait = fn(Task<bool>) -> Result<bool, ErrorKind>;
        let waits: [Wait; 3] = [
            |task| task.wait_parked().map_err(|error| error.kind()),
            |task| {
                let free = task.share().wait_parked().copied();
                free.map_err(|error| error.kind())
            },
            |task| {
                let outcome = task.wait_timeout(Duration::MAX).unwrap();
                outcome.map_err(|error| error.kind())
            },
        ];
        for wait in waits {
            within(move || {
                let queue = LoopQueue::new();
                let end = in_a_job(&queue, move |queue| {
                    BORROWED.with(|mine| {
                        let _borrowed = mine.borrow_mut();
                        wait(Task::ready(()).on(&queue).then(|()| is_free()))
                    })
                });
                assert_eq!(end, Err(ErrorKind::Cycle));
                while queue.run_pending() > 0 {}
                // What comes to the loop while it waits.
                let (pool, (resolver, task)) = (pool_of(1), deferred());
                when_it_waits(&pool, move || resolver.resolve(()).unwrap_or_default());
                let end = in_a_job_of(&pool, &queue, move |queue| {
                    BORROWED.with(|mine| {
                        let _borrowed = mine.borrow_mut();
                        wait(task.on(&queue).then(|()| is_free()))
                    })
                });
                assert_eq!(end, Err(ErrorKind::Cycle));
                while queue.run_pending() > 0 {}
            });
        }
    }

    // Contract: W3
    #[test]
    fn a_cycle_through_another_executor_and_a_loop_is_found() {
        within(|| {
            let queue = LoopQueue::new();
            let kind = in_a_job(&queue, |queue| {
                let there = Task::ready(()).on(&before(&queue)).then(|()| ());
                let gate = Gate::new();
                let held = gate.clone();
                let other = spawn(move || {
                    held.open();
                    there.wait().map_err(|error| error.kind())
                });
                gate.pass();
                other.wait().unwrap_or_else(|error| Err(error.kind()))
            });
            assert_eq!(kind, Err(ErrorKind::Cycle));
            while queue.run_pending() > 0 {}
        });
    }

    #[test]
    fn a_job_that_waits_runs_nothing_else_of_its_loop() {
        within(|| {
            let queue = LoopQueue::new();
            let log = Log::new();
            let (first, second) = (log.clone(), log.clone());
            let stranger = queue.clone();
            post(&queue, move || {
                let strange = second.clone();
                post(&stranger, move || strange.push("stranger"));
                let awaited = spawn(|| ()).on(&stranger).then({
                    let log = second.clone();
                    move |()| log.push("awaited")
                });
                awaited.wait().unwrap();
                second.push("job");
            });
            while queue.run_pending() > 0 {}
            assert_eq!(first.take(), ["awaited", "job", "stranger"]);
        });
    }

    #[test]
    fn a_job_may_wait_for_a_task_that_is_sent_to_its_own_loop_later() {
        within(|| {
            let queue = LoopQueue::new();
            let pool = pool_of(1);
            let gate = Gate::new();
            let passed = gate.clone();
            when_it_waits(&pool, move || gate.open());
            let n = in_a_job_of(&pool, &queue, |queue| {
                let there = Task::ready(1).on(&queue).then(|n| n + 1);
                // It follows `there` only after this thread has begun to wait.
                let task = spawn(move || passed.pass()).and_then(move |()| there);
                task.wait()
            });
            assert_eq!(n.unwrap(), 2);
            while queue.run_pending() > 0 {}
            let shared = in_a_job(&queue, |queue| {
                let there = spawn(|| 1).on(&queue).then(|n| n + 1).share();
                let branch = there.then(|n| n + 1);
                (there.wait().copied(), branch.wait())
            });
            assert_eq!((shared.0.unwrap(), shared.1.unwrap()), (2, 3));
        });
    }

    #[test]
    fn a_job_that_waits_for_a_thread_that_waits_for_its_loop_is_in_a_cycle() {
        within(|| {
            let queue = LoopQueue::new();
            for waits_first in [true, false] {
                let outer = pool_of(1);
                let waiter = outer.clone();
                let kind = in_a_job_of(&outer, &queue, move |queue| {
                    let there = Task::ready(()).on(&queue).then(|()| ());
                    let (waiting, go) = (Gate::new(), Gate::new());
                    let (begun, may) = (waiting.clone(), go.clone());
                    let pool = pool_of(1);
                    let other = pool.spawn(move || {
                        begun.open();
                        may.pass();
                        there.wait().map_err(|error| error.kind())
                    });
                    waiting.pass();
                    if waits_first {
                        when_it_waits(&waiter, move || go.open());
                    } else {
                        go.open();
                        until(|| pool.metrics().blocked == 1);
                    }
                    match other.wait() {
                        Ok(inner) => inner,
                        Err(error) => Err(error.kind()),
                    }
                });
                assert_eq!(kind, Err(ErrorKind::Cycle), "{waits_first}");
                while queue.run_pending() > 0 {}
            }
        });
    }

    #[test]
    fn the_thread_of_a_local_loop_may_wait_for_a_task_that_was_sent_there() {
        within(|| {
            let here = LocalLoop::new();
            let queue = here.queue();
            let id = thread::current().id();
            let task = spawn(|| 1).on(queue).then(|_| thread::current().id());
            assert_eq!(task.wait().unwrap(), id);
            let rc = Rc::new(2);
            let own = here.then(spawn(|| 1), move |n| n + *rc);
            assert_eq!(own.wait().unwrap(), 3);
            while queue.run_pending() > 0 {}
        });
    }

    #[test]
    fn a_wait_with_a_limit_runs_nothing_of_the_loop() {
        within(|| {
            let queue = LoopQueue::new();
            in_a_job(&queue, |queue| {
                let there = spawn(|| 1).on(&queue).then(|n| n + 1);
                let there = there.wait_timeout(Duration::from_millis(10)).unwrap_err();
                assert_eq!(there.wait().unwrap(), 2);
            });
        });
    }
}

mod budget {
    use super::*;

    #[test]
    fn a_run_with_a_budget_runs_arriving_jobs_until_none_is_left() {
        within(|| {
            let queue = LoopQueue::new();
            let next = queue.clone();
            post(&queue, move || post(&next, || ()));
            assert_eq!(queue.run_pending_for(Duration::MAX), 2);
            assert_eq!(queue.run_pending_for(Duration::MAX), 0);
            assert_eq!(queue.pending(), 0);
        });
    }

    #[test]
    fn a_run_without_time_runs_one_job() {
        within(|| {
            let queue = LoopQueue::new();
            for _ in 0..3 {
                post(&queue, || ());
            }
            assert_eq!(queue.run_pending_for(Duration::ZERO), 1);
            assert_eq!(queue.pending(), 2);
        });
    }

    #[test]
    fn a_run_of_the_loop_ends_with_its_budget() {
        const BUDGET: Duration = Duration::from_millis(1);
        within(|| {
            let queue = LoopQueue::new();
            for _ in 0..3 {
                // It begins after the turn, and takes the whole budget.
                post(&queue, || {
                    let begun = Instant::now();
                    until(|| begun.elapsed() >= BUDGET);
                });
            }
            assert_eq!(queue.run_pending_for(BUDGET), 1);
            assert_eq!(queue.pending(), 2);
        });
    }
}

mod local {
    use super::*;

    /// Records the thread on which it is dropped.
    fn tells_where() -> (impl Sized, mpsc::Receiver<ThreadId>) {
        let (tell, told) = mpsc::channel();
        let token = OnDrop::new(move |_| tell.send(thread::current().id()).unwrap_or_default());
        (Rc::new(token), told)
    }

    #[test]
    fn a_closure_that_is_not_send_runs_and_is_dropped_on_its_loops_thread() {
        within(|| {
            let here = LocalLoop::new();
            let id = thread::current().id();
            let label = Rc::new(RefCell::new(String::new()));
            let (token, dropped) = tells_where();
            let shown = here.then(spawn(|| "text".to_string()), {
                let label = label.clone();
                move |text| {
                    let _token = &token;
                    *label.borrow_mut() = text;
                    thread::current().id()
                }
            });
            assert_eq!(here.queue().run_until(shown).unwrap(), id);
            assert_eq!(*label.borrow(), "text");
            assert_eq!(dropped.try_recv().unwrap(), id);
        });
    }

    // Contract: S5, C2
    #[test]
    fn a_closure_that_is_not_send_may_fail_or_return_a_task() {
        within(|| {
            let here = LocalLoop::new();
            let mine = thread::current().id();
            let scale = Rc::new(3);
            for settles_first in [true, false] {
                let (resolver, source) = deferred();
                let mut resolver = Some(resolver);
                if settles_first {
                    resolver.take().unwrap().resolve(7).unwrap();
                }
                let own = scale.clone();
                let task = here.and_then(source, move |n| {
                    assert_eq!(thread::current().id(), mine);
                    let width = n * *own;
                    spawn(move || width * width)
                });
                // What follows runs in the queue too.
                let task = task.then(move |n| (n, thread::current().id() == mine));
                if let Some(resolver) = resolver {
                    resolver.resolve(7).unwrap();
                }
                assert_eq!(here.queue().run_until(task).unwrap(), (441, true));
            }

            let own = scale.clone();
            let failed = here.and_then(Task::ready(7), move |n| match n % *own {
                0 => Ok(n),
                _ => Err("not divisible".into()),
            });
            let error = here.queue().run_until(failed).unwrap_err();
            assert!(error.to_string().contains("not divisible"), "{error}");

            let (token, dropped) = tells_where();
            let passed_by = here.and_then(Task::<u8>::failed("no"), move |n| {
                drop(token);
                Ok(n)
            });
            let error = here.queue().run_until(passed_by).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Failed);
            assert_eq!(dropped.try_recv().unwrap(), mine);
            assert_eq!(Rc::strong_count(&scale), 1);
        });
    }

    // Contract: W1, S3. Its own jobs are rejected before closures are dropped.
    #[test]
    fn the_drop_of_a_closure_may_wait_for_a_job_of_its_loop() {
        within(|| {
            let here = LocalLoop::new();
            let (_resolver, open) = deferred::<()>();
            let job = Task::ready(()).on(here.queue()).then(|()| ());
            let waits = OnDrop::new(move |_| assert!(job.wait().is_err()));
            here.then(open, move |()| waits.hold()).detach();
            drop(here);
        });
    }

    #[test]
    fn failures_pass_by_and_the_closure_is_dropped_on_its_loops_thread() {
        within(|| {
            let here = LocalLoop::new();
            let (token, dropped) = tells_where();
            let failed = attempt(|| Err::<u8, _>("no".into()));
            let task = here.then(failed, move |_| drop(token));
            let error = here.queue().run_until(task).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Failed);
            assert_eq!(dropped.try_recv().unwrap(), thread::current().id());

            let rc = Rc::new(1);
            let handled = here.handle(attempt(|| Err::<u8, _>("no".into())), move |outcome| {
                outcome.map_err(|error| error.kind()).unwrap_err();
                *rc
            });
            assert_eq!(here.queue().run_until(handled).unwrap(), 1);
        });
    }

    #[test]
    fn a_panic_fails_the_task() {
        within(|| {
            let here = LocalLoop::new();
            let rc = Rc::new(1);
            let task = here.then(Task::ready(1), move |_| -> u8 {
                let _rc = &rc;
                crate::support::expected("in the loop")
            });
            let error = here.queue().run_until(task).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Panicked);
        });
    }

    #[test]
    fn a_cancelled_closure_is_dropped_by_the_next_run_of_the_loop() {
        within(|| {
            let here = LocalLoop::new();
            let (token, dropped) = tells_where();
            let (_resolver, task) = deferred::<()>();
            let task = here.then(task, move |()| drop(token));
            thread::spawn(move || {
                let _ = task.cancel();
            })
            .join()
            .unwrap();
            assert!(dropped.try_recv().is_err(), "not by another thread");
            here.queue().run_pending();
            assert_eq!(dropped.try_recv().unwrap(), thread::current().id());
        });
    }

    #[test]
    fn a_dropped_loop_drops_its_closures_and_rejects_their_tasks() {
        within(|| {
            let here = LocalLoop::new();
            let (resolver, pending) = deferred();
            let (one, one_dropped) = tells_where();
            let (two, two_dropped) = tells_where();
            let settled = here.then(Task::ready(1), move |_| drop(one));
            let pending = here.then(pending, move |_: u8| drop(two));
            let queue = here.queue().clone();
            drop(here);
            let id = thread::current().id();
            assert_eq!(one_dropped.try_recv().unwrap(), id);
            assert_eq!(two_dropped.try_recv().unwrap(), id);
            assert_eq!(settled.wait().unwrap_err().kind(), ErrorKind::Rejected);
            resolver.resolve(7).unwrap();
            assert_eq!(pending.wait().unwrap_err().kind(), ErrorKind::Rejected);
            let late = Task::ready(1).on(&queue).then(|n| n + 1);
            assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::Rejected);
        });
    }

    #[test]
    fn only_the_thread_of_a_local_loop_runs_its_jobs() {
        within(|| {
            let here = LocalLoop::new();
            let id = thread::current().id();
            let task = here.then(Task::ready(()), |()| thread::current().id());
            let queue = here.queue().clone();
            let elsewhere = thread::spawn(move || {
                assert_eq!(queue.run_pending(), 0);
                assert_eq!(queue.run_pending_for(Duration::from_secs(1)), 0);
                let task = Task::ready(()).on(&queue).then(|()| thread::current().id());
                queue.run_until(task).unwrap()
            });
            assert_eq!(here.queue().run_until(task).unwrap(), id);
            while !elsewhere.is_finished() {
                here.queue().wait_pending(Duration::from_millis(1));
                here.queue().run_pending();
            }
            assert_eq!(elsewhere.join().unwrap(), id);
        });
    }

    #[test]
    fn a_loop_in_a_thread_local_goes_with_its_thread() {
        within(|| {
            thread_local!(static HERE: LocalLoop = LocalLoop::new());
            let (resolver, pending) = deferred();
            let task = thread::spawn(move || {
                let rc = Rc::new(1);
                HERE.with(|here| here.then(pending, move |n: i32| n + *rc))
            });
            let task = task.join().unwrap();
            resolver.resolve(7).unwrap();
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
        });
    }
}

mod two_loops {
    use super::*;
    use fast_async::{all, await_all, await_first, group};
    use std::sync::Barrier;

    // Contract: W1, W3
    #[test]
    fn whose_jobs_wait_for_tasks_of_each_other() {
        within(|| {
            let queues = [LoopQueue::new(), LoopQueue::new()];
            let (met, ends) = (Arc::new(Barrier::new(2)), [deferred(), deferred()]);
            let (resolvers, ends) = {
                let [(one, first), (two, second)] = ends;
                ([one, two], all([first, second]).share())
            };
            let runs: Vec<_> = resolvers
                .into_iter()
                .enumerate()
                .map(|(at, resolver)| {
                    let (own, other) = (queues[at].clone(), queues[1 - at].clone());
                    let (met, ends) = (met.clone(), ends.cloned());
                    thread::spawn(move || {
                        let job = Task::ready(()).on(&own).then(move |()| {
                            met.wait();
                            let task = Task::ready(7).on(&other).then(|n| n);
                            task.wait().map_err(|error| error.kind())
                        });
                        let end = own.run_until(job).unwrap();
                        resolver.resolve(()).unwrap();
                        own.run_until(ends).unwrap();
                        end
                    })
                })
                .collect();
            let ends: Vec<_> = runs.into_iter().map(|run| run.join().unwrap()).collect();
            assert!(ends.contains(&Err(ErrorKind::Cycle)), "{ends:?}");
            let others = ends.iter().filter(|end| end.is_ok());
            assert!(others.count() <= 1);
        });
    }

    type Waits = fn(Task<u32>) -> u32;

    // Contract: W1. A loop's job waits by any call for tasks that were sent to its own loop.
    #[test]
    fn a_job_waits_by_each_call_for_tasks_of_its_loop() {
        let waits: [(&str, Waits); 7] = [
            ("wait", |task| task.wait().unwrap()),
            ("wait of a shared task", |task| {
                *task.share().wait().unwrap()
            }),
            ("await_all", |task| await_all([task]).unwrap()[0]),
            ("await_first", |task| await_first([task]).unwrap()),
            ("subscribe_blocking", |task| {
                task.subscribe_blocking(|_| (), |_| ()).unwrap()
            }),
            ("run_until of another loop", |task| {
                LoopQueue::new().run_until(task).unwrap()
            }),
            ("group", |task| {
                group(move |g| {
                    let child = g.attempt(move || task);
                    Ok(child.wait()?)
                })
                .unwrap()
            }),
        ];
        for (name, wait) in waits {
            println!("{name}");
            within(move || {
                let queue = LoopQueue::new();
                let own = queue.clone();
                let job = Task::ready(()).on(&queue).then(move |()| {
                    let task = Task::ready(6).on(&own).then(|n| n + 1);
                    wait(task)
                });
                assert_eq!(queue.run_until(job).unwrap(), 7);
            });
        }
    }
}

/// Continuations that get the state of the loop's owner.
mod delivered {
    use super::*;
    use crate::support::{Drops, PATIENCE, expected};
    use fast_async::loop_queue::StateQueue;
    use fast_async::{CancelOutcome, Status, TaskError, TaskLocal};

    #[derive(Default)]
    struct App {
        lines: Vec<String>,
        errors: usize,
    }

    // Contract: L1
    #[test]
    fn a_value_comes_to_the_state() {
        within(|| {
            let queue = StateQueue::<App>::new();
            let mut app = App::default();
            let here = thread::current().id();
            let task = spawn(|| "loaded".to_string()).deliver(&queue, move |app, line| {
                assert_eq!(thread::current().id(), here);
                app.lines.push(line);
                app.lines.len()
            });
            let next = task.then(move |n| (n, thread::current().id() == here));
            assert_eq!(queue.run_until(&mut app, next).unwrap(), (1, true));
            assert_eq!(app.lines, ["loaded"]);
            // Settled already: it still waits for the loop.
            let task = Task::ready("ready".to_string()).deliver(&queue, |app, line| {
                app.lines.push(line);
            });
            assert!(!task.is_settled());
            assert_eq!(queue.run_pending(&mut app), 1);
            assert!(task.is_settled());
            assert_eq!(app.lines, ["loaded", "ready"]);
            // A cold task is started.
            let cold = Task::new(|| "cold".to_string());
            let task = cold.deliver(&queue, |app, line| app.lines.push(line));
            queue.run_until(&mut app, task).unwrap();
            assert_eq!(app.lines.len(), 3);
        });
    }

    // Contract: L1. A failure needs no loop, unless the closure takes outcomes.
    #[test]
    fn a_failure_passes_by_or_is_delivered() {
        within(|| {
            let queue = StateQueue::<App>::new();
            let drops = Drops::new();
            let token = drops.token();
            let failed = attempt(|| Err::<u32, _>("no".into())).deliver(&queue, move |_, _| {
                token.hold();
            });
            assert_eq!(failed.wait().unwrap_err().to_string(), "no");
            assert_eq!(drops.count(), 1);
            assert_eq!(queue.run_pending(&mut App::default()), 0);

            let mut app = App::default();
            let task = Task::<u32>::failed("no").deliver_outcome(&queue, |app, outcome| {
                app.errors += usize::from(outcome.is_err());
            });
            queue.run_until(&mut app, task).unwrap();
            assert_eq!(app.errors, 1);

            let panics = Task::ready(()).deliver(&queue, |_, ()| -> u32 { expected("delivered") });
            let error = queue.run_until(&mut app, panics).unwrap_err();
            assert_eq!(error.panic_message(), Some("expected: delivered"));
        });
    }

    // Contract: L1. Deliveries and jobs are one line.
    #[test]
    fn everything_runs_in_the_order_of_arrival() {
        within(|| {
            let queue = StateQueue::<Vec<u32>>::new();
            let jobs = Log::new();
            for n in 0..6 {
                if n % 2 == 0 {
                    let task = Task::ready(n);
                    let log = jobs.clone();
                    let task = task.deliver(&queue, move |list, n| {
                        list.push(n);
                        log.push(n);
                    });
                    task.detach();
                } else {
                    let log = jobs.clone();
                    let task = Task::ready(n).on(queue.queue());
                    task.then(move |n| log.push(n)).detach();
                }
            }
            let mut list = Vec::new();
            assert_eq!(queue.run_pending_for(&mut list, Duration::MAX), 6);
            assert_eq!(jobs.take(), [0, 1, 2, 3, 4, 5]);
            assert_eq!(list, [0, 2, 4]);
        });
    }

    // Contract: C1, D6
    #[test]
    fn a_cancelled_delivery_is_dropped_uncalled() {
        within(|| {
            let queue = StateQueue::<App>::new();
            let drops = Drops::new();
            // While the task before it runs.
            let (resolver, task) = deferred::<u32>();
            let token = drops.token();
            let task = task.deliver(&queue, move |_, _| token.hold());
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            assert_eq!(resolver.resolve(1), Err(1), "the cancel goes up");
            assert_eq!(drops.count(), 1);
            // While it is queued.
            let token = drops.token();
            let task = Task::ready(1).deliver(&queue, move |_, _| token.hold());
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            assert_eq!(drops.count(), 2);
            queue.run_pending(&mut App::default());
            assert!(task.wait().unwrap_err().is_cancelled());
            // While it runs: `stopped` waits for its end.
            let (handle, taken) = mpsc::channel::<Task<()>>();
            let (tell, told) = mpsc::channel();
            let task = Task::ready(1).deliver(&queue, move |app, _| {
                let own: Task<()> = taken.recv().unwrap();
                assert_eq!(own.cancel(), CancelOutcome::Signalled);
                let stopped = own.stopped();
                assert!(!stopped.is_settled());
                app.errors += 1;
                tell.send(stopped).unwrap();
            });
            handle.send(task).unwrap();
            let mut app = App::default();
            queue.run_pending(&mut app);
            assert_eq!(app.errors, 1);
            told.recv().unwrap().wait().unwrap();
        });
    }

    // Contract: S3
    #[test]
    fn what_is_left_when_the_queue_goes_is_rejected() {
        within(|| {
            let queue = StateQueue::<App>::new();
            let other = queue.clone();
            let task = Task::ready(1).deliver(&queue, |_, n| n);
            let (resolver, late) = deferred();
            let late = late.deliver(&queue, |_, n: u32| n);
            drop(queue);
            assert_eq!(task.status(), Status::Waiting);
            // A job that ran without a state, by way of the plain queue.
            assert_eq!(other.queue().run_pending(), 1);
            assert!(!task.is_settled());
            drop(other);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
            resolver.resolve(2).unwrap();
            assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::Rejected);
        });
    }

    // Contract: W3. The state is lent already: no other run could serve the wait.
    #[test]
    fn a_wait_in_a_run_for_a_delivery_is_a_cycle() {
        within(|| {
            let queue = StateQueue::<App>::new();
            let own = queue.clone();
            let task = Task::ready(1).deliver(&queue, move |_, _| {
                let other = Task::ready(2).deliver(&own, |_, n| n);
                other.wait().unwrap_err().kind()
            });
            let mut app = App::default();
            let kind = queue.run_until(&mut app, task).unwrap();
            assert_eq!(kind, ErrorKind::Cycle);
            // A nested run with the same state is none.
            let own = queue.clone();
            let task = Task::ready(1).deliver(&queue, move |app, _| {
                let other = spawn(|| 2).deliver(&own, |app: &mut App, n| {
                    app.errors += 1;
                    n
                });
                own.run_until(app, other).unwrap()
            });
            assert_eq!(queue.run_until(&mut app, task).unwrap(), 2);
            assert_eq!(app.errors, 1);
        });
    }

    /// Runs a loop inside a run that lends the state, until a delivery to that state has come.
    fn run_inside(run: fn(&StateQueue<App>, Task<u32>) -> Result<u32, TaskError>) -> ErrorKind {
        let queue = StateQueue::<App>::new();
        let own = queue.clone();
        let task = Task::ready(1).deliver(&queue, move |_, _| {
            let other = spawn(|| 2).deliver(&own, |_, n| n);
            run(&own, other).unwrap_err().kind()
        });
        queue.run_until(&mut App::default(), task).unwrap()
    }

    // Contract: W3. Only the run that has lent the state can call it, when this one has returned.
    #[test]
    fn a_run_inside_that_does_not_lend_the_state_is_a_cycle_for_a_delivery() {
        type Run = fn(&StateQueue<App>, Task<u32>) -> Result<u32, TaskError>;
        let runs: [Run; 5] = [
            |queue, task| queue.queue().run_until(task),
            |_, task| LoopQueue::new().run_until(task),
            |_, task| StateQueue::new().run_until(&mut 0, task),
            |queue, task| {
                let task = fast_async::all([task.then(|n| n + 1)]);
                queue.queue().run_until(task).map(|values| values[0])
            },
            |queue, task| {
                let plain = queue.queue().clone();
                let inside = Task::ready(()).on(queue.queue());
                let inside = inside.and_then(move |()| plain.run_until(task).map_err(Into::into));
                queue.queue().run_until(inside)
            },
        ];
        for (number, run) in runs.into_iter().enumerate() {
            within(move || {
                assert_eq!(run_inside(run), ErrorKind::Cycle, "{number}");
                let on_a_worker = spawn(move || run_inside(run));
                assert_eq!(on_a_worker.wait().unwrap(), ErrorKind::Cycle, "{number}");
            });
        }
    }

    // Contract: W3. A state that is lent later, by another thread, is no reason to fail.
    #[test]
    fn a_run_without_a_state_waits_for_one_that_another_thread_will_lend() {
        within(|| {
            for on_a_worker in [false, true] {
                let (queue, pool) = (StateQueue::<u32>::new(), pool_of(1));
                let task = Task::ready(7).deliver(&queue, |sum, n| *sum += n);
                let plain = queue.queue().clone();
                let taken_up = queue.clone();
                let run = move || plain.run_until(task).unwrap();
                let (own, ended) = (pool.clone(), mpsc::channel());
                let (tell, ended) = ended;
                let runner = thread::spawn(move || {
                    match on_a_worker {
                        true => own.spawn(run).wait().unwrap(),
                        false => run(),
                    }
                    tell.send(()).unwrap();
                });
                until(|| taken_up.queue().pending() == 0);
                let mut sum = 0;
                queue.run_pending(&mut sum);
                while ended.try_recv().is_err() {
                    // It may have been taken up after the first run had looked.
                    queue.run_pending(&mut sum);
                    thread::yield_now();
                }
                runner.join().unwrap();
                assert_eq!(sum, 7);
            }
        });
    }

    // Contract: L1. The state needs to be neither `Send` nor `'static` data of a thread.
    #[test]
    fn the_state_may_stay_on_its_thread() {
        within(|| {
            let queue = StateQueue::<std::rc::Rc<std::cell::Cell<u32>>>::new();
            let mut state = std::rc::Rc::new(std::cell::Cell::new(1));
            let seen = state.clone();
            let task = spawn(|| 6).deliver(&queue, |state, n| state.set(state.get() + n));
            queue.run_until(&mut state, task).unwrap();
            assert_eq!(seen.get(), 7);
        });
    }

    // Contract: L1
    #[test]
    fn many_threads_deliver_to_one_state() {
        within(|| {
            let queue = StateQueue::<u64>::new();
            let tasks: Vec<_> = (0..1000_u64)
                .map(|n| spawn(move || n).deliver(&queue, |sum, n| *sum += n))
                .collect();
            let mut sum = 0;
            queue.run_until(&mut sum, fast_async::all(tasks)).unwrap();
            assert_eq!(sum, 499_500);
        });
    }

    // Contract: S3, D8
    #[test]
    fn what_a_rejected_delivery_causes_may_wait_for_any_other() {
        // How many of the two have left the plain queue, and wait for the state.
        for taken in 0..3 {
            for waits_for_later in [true, false] {
                within(move || {
                    let queue = StateQueue::<()>::new();
                    let (send, receive) = mpsc::channel::<Task<()>>();
                    let (tell, told) = mpsc::channel();
                    let waiting = |task: Task<()>| {
                        task.finally(move || {
                            let other = receive.recv().unwrap();
                            tell.send(other.wait().map_err(|error| error.kind()))
                                .unwrap();
                        })
                        .detach();
                    };
                    let one = Task::ready(()).deliver(&queue, |_, ()| ());
                    if taken > 0 {
                        assert_eq!(queue.queue().run_pending(), 1);
                    }
                    let two = Task::ready(()).deliver(&queue, |_, ()| ());
                    if taken > 1 {
                        assert_eq!(queue.queue().run_pending(), 1);
                    }
                    let (waits, other) = match waits_for_later {
                        true => (one, two),
                        false => (two, one),
                    };
                    waiting(waits);
                    send.send(other).unwrap();
                    drop(queue);
                    assert_eq!(told.recv().unwrap(), Err(ErrorKind::Rejected));
                });
            }
        }
    }

    // Contract: D8
    #[test]
    fn the_drop_of_a_rejected_delivery_may_wait_for_a_later_one() {
        within(|| {
            let queue = StateQueue::<()>::new();
            let (send, receive) = mpsc::channel::<Task<()>>();
            let waits = OnDrop::new(move |_| {
                let later = receive.recv().unwrap();
                assert_eq!(later.wait().unwrap_err().kind(), ErrorKind::Rejected);
            });
            let first = Task::ready(()).deliver(&queue, move |_, ()| waits.hold());
            send.send(Task::ready(()).deliver(&queue, |_, ()| ()))
                .unwrap();
            drop(queue);
            assert_eq!(first.wait().unwrap_err().kind(), ErrorKind::Rejected);
        });
    }

    // Contract: S2
    #[test]
    fn a_delivered_closure_that_panics_when_it_is_dropped_harms_no_other() {
        within(|| {
            for taken in [false, true] {
                let (queue, drops) = (StateQueue::<()>::new(), Drops::new());
                let bomb = drops.bomb();
                let task = Task::ready(()).deliver(&queue, move |_, ()| bomb.hold());
                let behind = Task::ready(()).deliver(&queue, |_, ()| ());
                if taken {
                    queue.queue().run_pending();
                }
                drop(queue);
                for task in [task, behind] {
                    assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
                }
            }
            // A failure passes by such a closure.
            let (queue, drops) = (StateQueue::<()>::new(), Drops::new());
            let bomb = drops.bomb();
            let task = Task::<()>::failed("no").deliver(&queue, move |_, ()| bomb.hold());
            assert_eq!(task.wait().unwrap_err().to_string(), "no");
        });
    }

    // Contract: L1
    #[test]
    fn a_run_with_a_state_calls_what_a_run_without_one_has_taken_up() {
        within(|| {
            let queue = StateQueue::<u32>::new();
            let mut sum = 0;
            let send = || {
                let task = Task::ready(7).deliver(&queue, |sum, n| *sum += n);
                assert_eq!(queue.queue().run_pending(), 1);
                task
            };
            let task = send();
            assert_eq!(queue.run_pending(&mut sum), 0);
            assert!(task.is_settled());
            let task = send();
            queue.run_pending_for(&mut sum, Duration::from_secs(1));
            assert!(task.is_settled());
            queue.run_until(&mut sum, send()).unwrap();
            assert_eq!(sum, 21);
        });
    }

    // Contract: L1. Another thread runs the plain queue while the owner sleeps.
    #[test]
    fn a_state_that_sleeps_is_woken_by_a_run_of_another_thread() {
        within(|| {
            for _ in 0..20 {
                let (queue, pool) = (StateQueue::<u32>::new(), pool_of(1));
                let (resolver, task) = deferred();
                let task = task.deliver(&queue, |sum, n: u32| *sum += n);
                let plain = queue.queue().clone();
                let metrics = pool.clone();
                let other = thread::spawn(move || {
                    until(|| metrics.metrics().blocked == 1);
                    resolver.resolve(7).unwrap();
                    plain.run_pending();
                });
                let sum = pool.spawn(move || {
                    let mut sum = 0;
                    queue.run_until(&mut sum, task).unwrap();
                    sum
                });
                assert_eq!(sum.wait().unwrap(), 7);
                other.join().unwrap();
            }
        });
    }

    // Contract: L1
    #[test]
    fn a_run_of_another_thread_gives_notice_to_the_owner_of_the_state() {
        within(|| {
            let (wake, woken) = mpsc::channel();
            let queue = StateQueue::<u32>::with_notify(move || wake.send(()).unwrap());
            let task = Task::ready(7).deliver(&queue, |sum, n| *sum += n);
            woken.recv().unwrap();
            assert_eq!(queue.queue().run_pending(), 1);
            woken.recv().unwrap();
            let mut sum = 0;
            queue.run_pending(&mut sum);
            assert!(task.is_settled());
            // A run with a state calls it itself.
            Task::ready(7).deliver(&queue, |sum, n| *sum += n).detach();
            woken.recv().unwrap();
            queue.run_pending(&mut sum);
            assert!(woken.try_recv().is_err());
            assert_eq!(sum, 14);
        });
    }

    // Contract: W3, D2
    #[test]
    fn a_run_too_deep_for_a_delivery_fails_as_a_cycle() {
        fn again(app: &mut App, queue: &StateQueue<App>, left: usize) -> ErrorKind {
            let own = queue.clone();
            let next = Task::ready(()).deliver(queue, move |app: &mut App, ()| match left {
                0 => panic!("calls stand too deep inside each other"),
                _ => again(app, &own, left - 1),
            });
            queue
                .run_until(app, next)
                .unwrap_or_else(|error| error.kind())
        }
        let name = "delivered::a_run_too_deep_for_a_delivery_fails_as_a_cycle";
        on_a_small_stack(name, || {
            let (queue, mut app) = (StateQueue::<App>::new(), App::default());
            assert_eq!(again(&mut app, &queue, DEEP), ErrorKind::Cycle);
        });
    }

    static REQUEST: TaskLocal<u32> = TaskLocal::inherited();

    // Contract: E1
    #[test]
    fn a_delivery_does_not_see_the_scope_that_runs_the_loop() {
        within(|| {
            let queue = StateQueue::<()>::new();
            let seen = Task::ready(()).deliver(&queue, |_, ()| REQUEST.get());
            REQUEST.scope(7, || queue.run_pending(&mut ()));
            assert_eq!(seen.wait().unwrap(), None);
            let seen = REQUEST.scope(8, || Task::ready(()).deliver(&queue, |_, ()| REQUEST.get()));
            REQUEST.scope(7, || queue.run_pending(&mut ()));
            assert_eq!(seen.wait().unwrap(), Some(8));
        });
    }

    // Contract: W1
    #[test]
    fn a_delivery_is_handed_over_at_once() {
        within(|| {
            let queue = StateQueue::<()>::new();
            let (first, one) = deferred::<()>();
            let (second, two) = deferred::<u32>();
            let (tell, told) = mpsc::channel();
            let shown = two.deliver(&queue, move |_, n| tell.send(n).unwrap());
            let window = thread::spawn(move || queue.run_until(&mut (), shown).unwrap());
            let task = one.then(move |()| {
                second.resolve(1).unwrap();
                // The crate does not know that this blocks.
                told.recv_timeout(PATIENCE)
            });
            first.resolve(()).unwrap();
            assert_eq!(task.wait().unwrap(), Ok(1));
            window.join().unwrap();
        });
    }

    // Contract: C2, C4
    #[test]
    fn a_token_of_the_task_or_of_its_pool_cancels_a_delivery() {
        within(|| {
            for of_pool in [false, true] {
                for is_queued in [false, true] {
                    let (token, drops) = (CancelToken::new(), Drops::new());
                    let mut pool = Pool::builder().max_threads(1);
                    if of_pool {
                        pool = pool.cancel_token(&token);
                    }
                    let pool = pool.build().unwrap();
                    let mut builder = Task::builder().pool(&pool);
                    if !of_pool {
                        builder = builder.cancel_token(&token);
                    }
                    let gate = Gate::new();
                    let held = gate.clone();
                    let task = builder.spawn(move || held.pass());
                    let queue = StateQueue::<()>::new();
                    let captured = drops.token();
                    let task = task.deliver(&queue, move |_, ()| captured.hold());
                    if is_queued {
                        gate.open();
                        until(|| queue.queue().pending() == 1);
                    }
                    token.cancel();
                    assert!(task.wait().unwrap_err().is_cancelled());
                    gate.open();
                    drops.wait_for(1);
                    queue.run_pending(&mut ());
                }
            }
        });
    }

    // Contract: C2
    #[test]
    fn a_raised_token_cancels_a_late_delivery() {
        within(|| {
            let token = CancelToken::new();
            let pool = Pool::builder().max_threads(1).cancel_token(&token);
            let pool = pool.build().unwrap();
            let task = pool.spawn(|| ());
            until(|| task.is_settled());
            token.cancel();
            let queue = StateQueue::<()>::new();
            let task = task.deliver(&queue, |_, ()| ());
            assert!(task.is_settled());
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }
}
