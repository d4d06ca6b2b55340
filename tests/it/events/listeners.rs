//! Where listeners run, what they delay, and how they leave.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;

use fast_async::{CancelOutcome, EventKind, LoopQueue, Shutdown};
use parking_lot::Mutex;

use super::{
    Drops, Gate, LIMIT, Latch, Log, Task, deferred, expected, gated, line, lines, next_lines,
    one_thread, pool_of, reports, sending, spawn_with, until, within,
};

// Contract: E2
#[test]
fn a_slow_listener_delays_no_other() {
    within(|| {
        let pool = pool_of(2);
        let (gate, task) = gated(&pool, |ctx| ctx.progress(1, 1));
        until(|| task.thread().is_some());
        let (blocks, slow) = (Gate::new(), Log::new());
        let (passes, own) = (blocks.clone(), slow.clone());
        task.on_event(move |event| {
            passes.pass();
            own.push(line(event));
        });
        let (hear, heard) = sending();
        task.on_event(hear);
        gate.open();
        let told = ["started", "1 of 1", "settled"];
        assert_eq!(heard.iter().collect::<Vec<_>>(), told);
        task.wait().unwrap();
        assert_eq!(slow.len(), 0);
        blocks.open();
        until(|| slow.len() == 3);
        assert_eq!(slow.take(), told);
    });
}

// Contract: E2
#[test]
fn calls_go_before_the_jobs_that_wait() {
    within(|| {
        let pool = one_thread();
        let (gate, task) = gated(&pool, |ctx| ctx.progress(1, 1));
        until(|| task.thread().is_some());
        let log = Log::new();
        let jobs: Vec<_> = (0..100)
            .map(|_| {
                let log = log.clone();
                pool.spawn(move || log.push("job".to_owned()))
            })
            .collect();
        let own = log.clone();
        task.on_event(move |event| own.push(line(event)));
        gate.open();
        for job in jobs {
            job.wait().unwrap();
        }
        let told = log.take();
        assert_eq!(told[..4], ["started", "1 of 1", "settled", "job"]);
        assert_eq!(told.len(), 103);
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn calls_run_where_the_chain_was_sent() {
    within(|| {
        let (window, here) = (LoopQueue::new(), thread::current().id());
        let (gate, task) = gated(&pool_of(2), |ctx| ctx.progress(1, 1));
        until(|| task.thread().is_some());
        let task = task.on(&window);
        let log = Log::new();
        let own = log.clone();
        task.on_event(move |event| {
            assert_eq!(thread::current().id(), here);
            own.push(line(event));
        });
        gate.open();
        assert_eq!(log.len(), 0, "it is for the loop to say when");
        until(|| {
            window.run_pending();
            log.len() == 3
        });
        assert_eq!(log.take(), ["started", "1 of 1", "settled"]);
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn a_listener_that_panics_is_called_again() {
    within(|| {
        let (gate, task) = gated(&pool_of(2), |ctx| ctx.progress(1, 1));
        until(|| task.thread().is_some());
        let log = Log::new();
        let own = log.clone();
        task.on_event(move |event| {
            own.push(line(event));
            expected("no")
        });
        gate.open();
        until(|| log.len() == 3);
        assert_eq!(log.take(), ["started", "1 of 1", "settled"]);
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn a_listener_that_leaves_is_not_called_and_is_dropped() {
    within(|| {
        let (resolver, task) = deferred();
        let drops = Drops::new();
        for _ in 0..1000 {
            let token = drops.token();
            let subscription = task.on_event(move |_| {
                token.hold();
                unreachable!("it has left before anything happened")
            });
            assert!(subscription.unsubscribe());
        }
        assert_eq!(drops.count(), 1000);
        {
            let token = drops.token();
            let _guard = task.on_event(move |_| token.hold()).guard();
            assert_eq!(drops.count(), 1000);
        }
        assert_eq!(drops.count(), 1001);
        drop(task.events());
        let events = task.events();
        resolver.resolve(7).unwrap();
        assert_eq!(lines(events), ["settled"]);
        assert_eq!(task.wait().unwrap(), 7);
    });
}

// Contract: E2
#[test]
fn a_listener_is_dropped_with_the_last_event() {
    within(|| {
        let drops = Drops::new();
        let (resolver, task) = deferred();
        let token = drops.token();
        let subscription = task.on_event(move |_| token.hold());
        let task = task.then(|n: u32| n + 1);
        resolver.resolve(6).unwrap();
        assert_eq!(task.wait().unwrap(), 7);
        drops.wait_for(1);
        subscription.unsubscribe();
    });
}

// Contract: E2
#[test]
fn a_listener_may_cancel_and_leave_and_drop_inside_its_call() {
    within(|| {
        let (reported, ends) = (Gate::new(), Gate::new());
        let (tells, waits) = (reported.clone(), ends.clone());
        let task = spawn_with(move |ctx| {
            tells.pass();
            ctx.progress(1, 9);
            waits.pass();
            ctx.is_cancelled()
        });
        let task = Arc::new(Mutex::new(Some(task)));
        let (own, place) = (task.clone(), Arc::new(Mutex::new(None)));
        let (mine, outcome) = (place.clone(), Log::new());
        let log = outcome.clone();
        let subscription = task.lock().as_ref().unwrap().on_event(move |event| {
            if !matches!(event.kind(), EventKind::Progress { .. }) {
                return;
            }
            let task: Task<bool> = own.lock().take().unwrap();
            log.push(task.cancel());
            drop(task);
            let subscription: fast_async::Subscription = mine.lock().take().unwrap();
            subscription.unsubscribe();
        });
        *place.lock() = Some(subscription);
        reported.open();
        until(|| outcome.len() == 1);
        assert_eq!(outcome.take(), [CancelOutcome::Signalled]);
        ends.open();
        until(|| place.lock().is_none());
    });
}

// Contract: E2
#[test]
fn a_listener_may_wait_for_its_task() {
    within(|| {
        let pool = one_thread();
        let (gate, task) = gated(&pool, |ctx| {
            ctx.progress(1, 1);
            7
        });
        let shared = task.share();
        let (own, got) = (shared.clone(), Log::new());
        let log = got.clone();
        shared.on_event(move |event| {
            if event.progress().is_some() {
                log.push(*own.wait().unwrap());
            }
        });
        gate.open();
        until(|| got.len() == 1);
        assert_eq!(got.take(), [7]);
        assert_eq!(*shared.wait().unwrap(), 7);
    });
}

// Contract: E2
#[test]
fn calls_outlive_their_pool() {
    within(|| {
        let pool = one_thread();
        let (gate, task) = gated(&pool, |ctx| ctx.progress(1, 1));
        until(|| task.thread().is_some());
        let (hear, heard) = sending();
        task.on_event(hear);
        let begun = Latch::new(1);
        let counts = begun.clone();
        let closer = thread::spawn(move || {
            counts.count_down();
            pool.shutdown(Shutdown::Discard, LIMIT).is_complete()
        });
        begun.wait();
        gate.open();
        assert!(closer.join().unwrap());
        let told: Vec<_> = heard.iter().collect();
        assert_eq!(told, ["started", "1 of 1", "settled"]);
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn a_receiver_that_is_dropped_leaves_the_others() {
    within(|| {
        let (gate, task) = gated(&pool_of(2), |ctx| ctx.progress(1, 1));
        until(|| task.thread().is_some());
        let (mut one, other) = (task.events(), task.events());
        assert_eq!(next_lines(&mut one, 1), ["started"]);
        drop(one);
        gate.open();
        assert_eq!(lines(other), ["started", "1 of 1", "settled"]);
        task.wait().unwrap();
    });
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        expected("a waker of a listener");
    }
}

// Contract: E2
#[test]
fn a_panic_of_a_listeners_waker_does_not_reach_the_task() {
    within(|| {
        let pool = pool_of(2);
        let (gate, task) = gated(&pool, |ctx| ctx.message("half"));
        until(|| task.thread().is_some());
        let mut events = task.events();
        let waker = Waker::from(Arc::new(Panics));
        let mut context = Context::from_waker(&waker);
        while events.poll_recv(&mut context).is_ready() {}
        gate.open();
        until(|| reports("a waker of a listener") == 1);
        assert_eq!(lines(events), ["half", "settled"]);
        task.wait().unwrap();
    });
}
