//! Futures that a pool polls: `spawn_future` and `attempt_future`.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::support::{
    Bomb, Count, Drops, Gate, Log, OnDrop, every_case, expected, isolated, one_thread, pool_of,
    reports, until, within,
};
use fast_async::{
    CancelOutcome, CancelToken, Clock, ErrorKind, Inline, LoopQueue, Pool, Shutdown, Task,
    attempt_future, deferred, delay, spawn, spawn_future,
};

fn fails(message: &str) {
    expected(message)
}

/// A future that counts its polls and is ready once it was told, and what tells it.
#[derive(Clone, Default)]
struct Signal(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    polls: usize,
    is_ready: bool,
    waker: Option<Waker>,
}

impl Signal {
    fn polls(&self) -> usize {
        self.0.lock().unwrap().polls
    }

    fn waker(&self) -> Waker {
        self.0.lock().unwrap().waker.clone().expect("it was polled")
    }

    /// Blocks until the future was polled so often.
    fn polled(&self, times: usize) {
        until(|| self.polls() >= times);
    }

    /// Wakes it without a reason.
    fn nudge(&self) {
        self.waker().wake();
    }

    fn make_ready(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.is_ready = true;
            state.waker.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Signal {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let mut state = self.0.lock().unwrap();
        state.polls += 1;
        let before = state.waker.replace(context.waker().clone());
        let polled = match state.is_ready {
            true => Poll::Ready(state.polls),
            false => Poll::Pending,
        };
        drop(state);
        drop(before);
        polled
    }
}

// Contract: A1
#[test]
fn a_future_is_polled_by_the_pool() {
    within(|| {
        let here = thread::current().id();
        let there = spawn_future(async { thread::current().id() });
        assert_ne!(there.wait().unwrap(), here);
        let pool = Pool::builder().name("async").build().unwrap();
        let name = pool.spawn_future(async { thread::current().name().map(str::to_owned) });
        assert!(name.wait().unwrap().unwrap().starts_with("async-"));
        let built = Task::builder().name("built").pool(&pool);
        let task = built.spawn_future(async { thread::current().name().map(str::to_owned) });
        assert_eq!(task.name(), Some("built"));
        assert!(task.wait().unwrap().unwrap().starts_with("async-"));
    });
}

// Contract: A1. Any number of pending futures, and one thread that is free.
#[test]
fn a_pending_future_holds_no_thread() {
    within(|| {
        let pool = one_thread();
        let signals: Vec<Signal> = (0..1000).map(|_| Signal::default()).collect();
        let tasks: Vec<_> = signals
            .iter()
            .map(|signal| pool.spawn_future(signal.clone()))
            .collect();
        for signal in &signals {
            signal.polled(1);
        }
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
        // And none of them is polled without a cause.
        assert!(signals.iter().all(|signal| signal.polls() == 1));
        for signal in &signals {
            signal.make_ready();
        }
        for task in tasks {
            assert_eq!(task.wait().unwrap(), 2);
        }
    });
}

// Contract: A1
#[test]
fn each_wake_up_brings_one_poll() {
    within(|| {
        let pool = one_thread();
        let signal = Signal::default();
        let task = pool.spawn_future(signal.clone());
        for times in 1..10 {
            signal.polled(times);
            until(|| pool.wait_idle(Duration::ZERO));
            assert_eq!(signal.polls(), times);
            signal.nudge();
        }
        signal.polled(10);
        // Several before the poll are one.
        let gate = Gate::new();
        let held = gate.clone();
        pool.spawn(move || held.pass()).detach();
        for _ in 0..5 {
            signal.nudge();
        }
        gate.open();
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(signal.polls(), 11);
        signal.make_ready();
        assert_eq!(task.wait().unwrap(), 12);
    });
}

// Contract: A1
#[test]
fn a_wake_up_inside_the_poll_is_not_lost_and_lets_others_run() {
    within(|| {
        let pool = one_thread();
        let log = Log::new();
        let mut left = 3;
        let order = log.clone();
        let task = pool.spawn_future(poll_fn(move |context| {
            order.push("poll");
            left -= 1;
            if left == 0 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            let by_value = context.waker().clone();
            by_value.wake();
            Poll::Pending
        }));
        task.wait().unwrap();
        assert_eq!(log.take(), ["poll"; 3]);

        // One that wakes itself without end does not starve the pool, and a cancel ends it.
        let endless = pool.spawn_future(poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        for n in 0..100 {
            assert_eq!(pool.spawn(move || n).wait().unwrap(), n);
        }
        endless.cancel();
        endless.stopped().wait().unwrap();
    });
}

// Contract: A1
#[test]
fn a_wake_up_after_the_end_does_nothing() {
    within(|| {
        let signal = Signal::default();
        let task = spawn_future(signal.clone());
        signal.polled(1);
        let waker = signal.waker();
        signal.make_ready();
        assert_eq!(task.wait().unwrap(), 2);
        waker.wake_by_ref();
        waker.wake();
        assert!(Pool::global().wait_idle(Duration::MAX));
        assert_eq!(signal.polls(), 2);
    });
}

// Contract: A1. Two threads wake at once, while the future is polled.
#[test]
fn wake_ups_that_race_with_polls_are_not_lost() {
    within(|| {
        let pool = pool_of(4);
        for _ in 0..500 {
            let signal = Signal::default();
            let task = pool.spawn_future(signal.clone());
            let (one, two) = (signal.clone(), signal);
            let threads = [
                thread::spawn(move || one.make_ready()),
                thread::spawn(move || two.make_ready()),
            ];
            assert!(task.wait().unwrap() >= 1);
            for thread in threads {
                thread.join().unwrap();
            }
        }
    });
}

#[test]
fn a_future_may_await_tasks_and_a_task_futures() {
    within(|| {
        let sum = spawn_future(async {
            let mut sum = 0;
            for n in 0..100 {
                sum += spawn(move || n).await.unwrap();
            }
            sum
        });
        let chained = sum
            .and_then(|sum| spawn_future(async move { sum + 1 }))
            .then(|n| n + 1);
        assert_eq!(chained.wait().unwrap(), 4952);
    });
}

#[test]
fn its_task_is_a_task_like_others() {
    within(|| {
        every_case(|case| {
            let signal = Signal::default();
            let task = case.send(spawn_future(signal.clone())).then(|n| n * 10);
            signal.polled(1);
            signal.make_ready();
            assert_eq!(task.wait().unwrap(), 20, "{case:?}");
        });
        let seen = Count::default();
        let count = seen.clone();
        let task = spawn_future(ready(7));
        task.subscribe(move |_| count.add(), |_| ());
        let shared = task.share();
        assert_eq!(shared.wait().unwrap(), &7);
        assert_eq!(seen.get(), 1);
        assert_eq!(spawn_future(ready(7)).on(&Inline).wait().unwrap(), 7);
        let queue = LoopQueue::new();
        let task = spawn_future(ready(7)).on(&queue).then(|n| n + 1);
        assert_eq!(queue.run_until(task).unwrap(), 8);
    });
}

#[test]
#[allow(
    clippy::async_yields_async,
    reason = "a task is returned, to be adopted"
)]
fn an_output_is_a_value_or_an_outcome() {
    within(|| {
        let value = spawn_future(async { "x".parse::<i32>() });
        assert!(value.wait().unwrap().is_err(), "a value like others");

        let failed = attempt_future(async { Ok("x".parse::<i32>()?) });
        let error = failed.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(error.is::<std::num::ParseIntError>());

        let adopted = attempt_future(async { spawn(|| 7) });
        assert_eq!(adopted.wait().unwrap(), 7);
        let (resolver, inner) = deferred();
        let adopted = attempt_future(async move { inner });
        resolver.resolve(8).unwrap();
        assert_eq!(adopted.wait().unwrap(), 8);
        let pool = one_thread();
        let named = Task::builder().name("named").pool(&pool);
        let failed = named.attempt_future(async { Err::<(), _>("no".into()) });
        assert_eq!(failed.wait().unwrap_err().task_name(), Some("named"));
        assert_eq!(pool.attempt_future(async { Ok(1) }).wait().unwrap(), 1);
    });
}

// Contract: A2, S2
#[test]
fn a_panic_of_a_poll_is_the_failure() {
    within(|| {
        let drops = Drops::new();
        let token = drops.token();
        let first = spawn_future(async move {
            token.hold();
            fails("in the first poll");
        });
        let error = first.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert_eq!(error.panic_message(), Some("expected: in the first poll"));
        assert_eq!(drops.count(), 1, "dropped before the task is settled");

        let signal = Signal::default();
        let own = signal.clone();
        let later = spawn_future(async move {
            own.await;
            fails("in a later poll");
        });
        signal.polled(1);
        signal.make_ready();
        assert!(later.wait().unwrap_err().is_panic());

        // In the drop of the future, after it was ready.
        let bomb = Drops::new().bomb();
        let task = spawn_future(poll_fn(move |_| {
            bomb.hold();
            Poll::Ready(7)
        }));
        assert!(task.wait().unwrap_err().is_panic());
    });
}

// Contract: A2. The future, and what it holds, is dropped before a continuation runs.
#[test]
fn a_future_is_dropped_before_its_task_is_settled() {
    within(|| {
        let drops = Drops::new();
        let (token, seen) = (drops.token(), drops.clone());
        let signal = Signal::default();
        let own = signal.clone();
        let task = spawn_future(async move {
            own.await;
            token.hold();
        });
        let task = task.then(move |()| seen.count());
        signal.polled(1);
        signal.make_ready();
        assert_eq!(task.wait().unwrap(), 1);
    });
}

/// A future that never is ready, and tells on which thread it is dropped.
fn held(pool: &Pool) -> (Task<()>, Log<thread::ThreadId>) {
    let log = Log::new();
    let own = log.clone();
    let on_drop = OnDrop::new(move |thread| own.push(thread));
    let signal = Signal::default();
    let polled = signal.clone();
    let task = pool.spawn_future(async move {
        polled.await;
        on_drop.hold();
    });
    signal.polled(1);
    (task, log)
}

// Contract: A2, C1
#[test]
fn a_cancel_drops_the_future_on_a_thread_of_the_pool() {
    within(|| {
        let pool = one_thread();
        let own = pool.spawn(|| thread::current().id()).wait().unwrap();
        let (task, log) = held(&pool);
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(task.cancel(), CancelOutcome::Prevented);
        let stopped = task.stopped();
        assert!(task.wait().unwrap_err().is_cancelled());
        stopped.wait().unwrap();
        assert_eq!(log.take(), [own]);
    });
}

// Contract: A2, C1
#[test]
fn a_cancel_while_it_is_polled_or_queued() {
    within(|| {
        let pool = one_thread();
        let (inside, gate) = (Gate::new(), Gate::new());
        let drops = Drops::new();
        let (tell, wait, token) = (inside.clone(), gate.clone(), drops.token());
        let task = pool.spawn_future(async move {
            tell.open();
            wait.pass();
            token.hold();
            7
        });
        inside.pass();
        assert_eq!(task.cancel(), CancelOutcome::Signalled);
        assert!(task.is_settled());
        let stopped = task.stopped();
        assert!(!stopped.is_settled());

        // Behind it in the queue.
        let behind = drops.token();
        let queued = pool.spawn_future(async move { behind.hold() });
        assert_eq!(queued.cancel(), CancelOutcome::Prevented);
        let stopped_too = queued.stopped();
        gate.open();
        stopped.wait().unwrap();
        stopped_too.wait().unwrap();
        assert_eq!(drops.count(), 2);
        assert!(task.wait().unwrap_err().is_cancelled());
        assert!(queued.wait().unwrap_err().is_cancelled());

        let done = pool.spawn_future(ready(1));
        until(|| done.is_settled());
        assert_eq!(done.cancel(), CancelOutcome::TooLate);
    });
}

// Contract: A2, C3
#[test]
fn cancels_of_every_kind_reach_the_future() {
    within(|| {
        let pool = pool_of(2);
        // A link behind it.
        let (task, log) = held(&pool);
        let task = task.then(|()| 1);
        task.cancel();
        until(|| log.len() == 1);
        // A task that follows it.
        let (inner, log) = held(&pool);
        let task = Task::ready(()).on(&Inline).and_then(move |()| inner);
        task.cancel();
        until(|| log.len() == 1);
        // A token, the handle of a guard, a time limit.
        let token = CancelToken::new();
        let drops = Drops::new();
        let (own, signal) = (drops.token(), Signal::default());
        let polled = signal.clone();
        let task = Task::builder()
            .cancel_token(&token)
            .spawn_future(async move {
                polled.await;
                own.hold();
            });
        signal.polled(1);
        token.cancel();
        drops.wait_for(1);
        assert!(task.wait().unwrap_err().is_cancelled());
        let (task, log) = held(&pool);
        drop(task.cancel_on_drop());
        until(|| log.len() == 1);
        let (task, log) = held(&pool);
        let error = task.timeout(Duration::from_millis(1)).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        until(|| log.len() == 1);
        // A token that is raised already: it is never polled.
        let signal = Signal::default();
        let late = Task::builder()
            .cancel_token(&token)
            .spawn_future(signal.clone());
        assert!(late.wait().unwrap_err().is_cancelled());
        assert!(Pool::global().wait_idle(Duration::MAX));
        assert_eq!(signal.polls(), 0);
    });
}

// Contract: A2. A waker is dropped under a lock of foreign code, and it is the last.
#[test]
fn a_future_that_nothing_can_wake_fails() {
    within(|| {
        // It kept no waker at all.
        let drops = Drops::new();
        let token = drops.token();
        let task = spawn_future(async move {
            token.hold();
            pending::<()>().await;
        });
        let error = task.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Abandoned);
        assert!(error.to_string().contains("dropped its waker"), "{error}");
        assert_eq!(drops.count(), 1);

        let (task, log) = {
            let log = Log::new();
            let own = log.clone();
            let on_drop = OnDrop::new(move |thread| own.push(thread));
            let signal = Signal::default();
            let polled = signal.clone();
            let task = spawn_future(async move {
                poll_fn(|context| Pin::new(&mut polled.clone()).poll(context)).await;
                on_drop.hold();
            });
            signal.polled(1);
            assert!(Pool::global().wait_idle(Duration::MAX));
            assert!(!task.is_settled());
            let waker = signal.0.lock().unwrap().waker.take();
            drop(waker);
            (task, log)
        };
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Abandoned);
        assert_ne!(log.take(), [thread::current().id()]);
    });
}

// Contract: C4, C5
#[test]
fn dropping_the_handle_detaches_it() {
    within(|| {
        let (signal, done) = (Signal::default(), Gate::new());
        let (own, open) = (signal.clone(), done.clone());
        drop(spawn_future(async move {
            own.await;
            open.open();
        }));
        signal.polled(1);
        signal.make_ready();
        done.pass();
        drop(attempt_future(async {
            Err::<(), _>("a future lost".into())
        }));
        until(|| reports("a future lost") == 1);
    });
}

// Contract: W1. In a pool of one thread.
#[test]
fn a_task_may_wait_for_a_future() {
    within(|| {
        let pool = one_thread();
        let own = pool.clone();
        let waits = pool.spawn(move || {
            let (resolver, task) = deferred();
            let future = own.spawn_future(async move { task.await.unwrap() + 1 });
            own.spawn(move || resolver.resolve(7).unwrap()).detach();
            future.wait().unwrap()
        });
        assert_eq!(waits.wait().unwrap(), 8);
        // And the other way round: a poll may block.
        let own = pool.clone();
        let blocks = pool.spawn_future(async move { own.spawn(|| 7).wait().unwrap() });
        assert_eq!(blocks.wait().unwrap(), 7);
    });
}

// Contract: W3
#[test]
fn a_poll_that_waits_for_its_own_task_is_a_cycle() {
    within(|| {
        let (hand, handed) = std::sync::mpsc::channel::<Task<()>>();
        let errors = Log::new();
        let log = errors.clone();
        let task = spawn_future(async move {
            let own = handed.recv().unwrap();
            log.push(own.wait().unwrap_err().kind());
        });
        hand.send(task).unwrap();
        until(|| errors.len() == 1);
        assert_eq!(errors.take(), [ErrorKind::Cycle]);
    });
}

// Contract: A3
#[test]
fn pending_futures_hold_up_no_end_of_a_pool() {
    within(|| {
        let pool = pool_of(2);
        let signal = Signal::default();
        let task = pool.spawn_future(signal.clone());
        signal.polled(1);
        assert!(pool.wait_idle(Duration::MAX));
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete());
        // It goes on where continuations do.
        signal.make_ready();
        assert_eq!(task.wait().unwrap(), 2);

        let late = pool.spawn_future(ready(1));
        assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::Rejected);
    });
}

// Contract: A3
#[test]
fn a_shutdown_discards_what_was_never_polled() {
    within(|| {
        let pool = one_thread();
        let (gate, inside) = (Gate::new(), Gate::new());
        let (held, tell) = (gate.clone(), inside.clone());
        pool.spawn(move || {
            tell.open();
            held.pass();
        })
        .detach();
        inside.pass();
        let drops = Drops::new();
        let token = drops.token();
        let task = pool.spawn_future(async move { token.hold() });
        let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
        assert_eq!(report.discarded, 1);
        assert!(task.wait().unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
        gate.open();
    });
}

// Contract: P3
#[test]
fn a_full_queue_delays_the_first_poll_and_no_other() {
    within(|| {
        let pool = Pool::builder()
            .core_threads(1)
            .max_threads(1)
            .queue_limit(1);
        let pool = pool.build().unwrap();
        let signals: Vec<Signal> = (0..20).map(|_| Signal::default()).collect();
        let tasks: Vec<_> = signals
            .iter()
            .map(|signal| pool.spawn_future(signal.clone()))
            .collect();
        for signal in &signals {
            signal.polled(1);
        }
        for signal in &signals {
            signal.make_ready();
        }
        for task in tasks {
            assert_eq!(task.wait().unwrap(), 2);
        }
        // No place is lost or gained: one job more than the limit waits.
        let gate = Gate::new();
        let (held, inside) = (gate.clone(), Gate::new());
        let tell = inside.clone();
        let first = pool.spawn(move || {
            tell.open();
            held.pass();
        });
        inside.pass();
        let second = pool.try_spawn(|| ()).ok().unwrap();
        assert!(pool.try_spawn(|| ()).is_err());
        gate.open();
        first.wait().unwrap();
        second.wait().unwrap();
    });
}

// Contract: K2
#[test]
fn a_virtual_clock_waits_for_polls() {
    within(|| {
        let clock = Clock::manual();
        let pool = Pool::builder().clock(&clock).build().unwrap();
        let own = pool.clone();
        let second = Duration::from_secs(1);
        let task = pool.spawn_future(async move {
            for _ in 0..10 {
                own.delay(second).await.unwrap();
            }
        });
        let start = clock.now();
        until(|| clock.pending() == 1);
        clock.advance(second * 20);
        task.wait().unwrap();
        assert_eq!(clock.now(), start + second * 20);
    });
}

#[test]
fn delays_and_cancels_meet_in_async_code() {
    within(|| {
        let slow = delay(Duration::from_secs(3600));
        let task = spawn_future(async move { slow.await.is_ok() });
        task.cancel();
        task.stopped().wait().unwrap();
        assert!(task.wait().is_err());
    });
}

// Contract: D2. A waker that is dropped, or woken, under a lock that the future takes.
#[test]
fn wakers_may_be_used_under_foreign_locks() {
    struct Locks(Arc<Mutex<Option<Waker>>>);
    impl Drop for Locks {
        fn drop(&mut self) {
            drop(self.0.lock().unwrap());
        }
    }
    within(|| {
        let slot = Arc::new(Mutex::new(None));
        let (own, locks) = (slot.clone(), Locks(slot.clone()));
        let task = spawn_future(poll_fn(move |context| {
            let _ = &locks;
            let before = own.lock().unwrap().replace(context.waker().clone());
            drop(before);
            Poll::<()>::Pending
        }));
        until(|| slot.lock().unwrap().is_some());
        assert!(Pool::global().wait_idle(Duration::MAX));
        // The last waker is dropped under the lock that the drop of the future takes.
        let mut held = slot.lock().unwrap();
        held.take();
        thread::sleep(Duration::from_millis(1));
        drop(held);
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Abandoned);
    });
}

// Contract: S2. The drop of a cancelled future panics.
#[test]
fn a_bomb_in_a_cancelled_future_is_reported() {
    within(|| {
        let pool = one_thread();
        let bomb: Bomb = Drops::new().bomb();
        let signal = Signal::default();
        let own = signal.clone();
        let task = pool.spawn_future(async move {
            own.await;
            bomb.hold();
        });
        signal.polled(1);
        task.cancel();
        task.stopped().wait().unwrap();
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
    });
}

// Contract: P5
#[test]
fn polls_are_counted_by_their_outcome() {
    within(|| {
        let pool = one_thread();
        let signal = Signal::default();
        let task = pool.spawn_future(signal.clone());
        signal.polled(1);
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(pool.metrics().completed, 0);
        signal.make_ready();
        task.wait().unwrap();
        let failed = pool.spawn_future(async { fails("counted") });
        assert!(failed.wait().is_err());
        assert!(pool.wait_idle(Duration::MAX));
        let metrics = pool.metrics();
        assert_eq!((metrics.completed, metrics.failed), (1, 1));
    });
}

// Contract: A1. A future of many polls leaves no memory behind, and a million finished ones none.
#[test]
fn a_hundred_thousand_futures_leave_nothing_behind() {
    isolated("a_hundred_thousand_futures_leave_nothing_behind", || {
        let pool = pool_of(2);
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let tasks: Vec<_> = (0..1000)
                .map(|n| {
                    let polls = polls.clone();
                    let mut left = 3;
                    pool.spawn_future(poll_fn(move |context| {
                        polls.fetch_add(1, Ordering::Relaxed);
                        left -= 1;
                        context.waker().wake_by_ref();
                        if left == 0 {
                            Poll::Ready(n)
                        } else {
                            Poll::Pending
                        }
                    }))
                })
                .collect();
            let sum: u64 = fast_async::await_all(tasks).unwrap().into_iter().sum();
            assert_eq!(sum, 499_500);
        }
        assert_eq!(polls.load(Ordering::Relaxed), 300_000);
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(pool.metrics().queued, 0);
    });
}
