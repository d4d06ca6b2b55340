//! A closure that waits for the `stopped` of its own task, directly or through other tasks.
// Contract: W3

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use crate::support::{Gate, within};
use fast_async::{
    CancelOutcome, CancelToken, ErrorKind, Pool, Task, all, any, attempt, deferred, spawn,
    spawn_with,
};

fn kind(waited: Result<(), fast_async::TaskError>) -> Result<(), ErrorKind> {
    waited.map_err(|error| error.kind())
}

/// Returns once that number of the pool's threads is blocked in a `wait`.
fn until_blocked(pool: &Pool, threads: usize) {
    while pool.metrics().blocked < threads {
        thread::yield_now();
    }
}

type Detour = fn(Task<()>) -> Task<()>;

const DETOURS: [(&str, Detour); 5] = [
    ("the task itself", |stopped| stopped),
    ("a link", |stopped| stopped.then(|()| ())),
    ("a branch", |stopped| stopped.share().cloned()),
    ("all", |stopped| all([stopped, Task::ready(())]).then(drop)),
    ("any", |stopped| any([stopped])),
];

#[test]
fn a_cancelled_closure_sees_its_cancel() {
    for (name, detour) in DETOURS {
        within(move || {
            let (tell, told) = mpsc::channel();
            let (hand, given) = mpsc::channel::<Task<()>>();
            let (started, gate) = (Gate::new(), Gate::new());
            let (begun, held) = (started.clone(), gate.clone());
            let task = spawn(move || {
                let me = given.recv().unwrap();
                begun.open();
                held.pass();
                tell.send(kind(me.wait())).unwrap();
            });
            let stopped = task.stopped();
            hand.send(detour(task.stopped())).unwrap();
            started.pass();
            task.cancel();
            gate.open();
            assert_eq!(told.recv().unwrap(), Err(ErrorKind::Cycle), "{name}");
            stopped.wait().unwrap();
        });
    }
}

/// The closure has the handle of its task, and asks when it has seen the cancel.
#[test]
fn a_closure_that_waits_for_its_stop_after_the_cancel_fails() {
    within(|| {
        let (tell, told) = mpsc::channel();
        let me = Arc::new(Mutex::new(None::<Task<()>>));
        let own = me.clone();
        let started = Gate::new();
        let begun = started.clone();
        let task = spawn_with(move |ctx| {
            begun.open();
            while !ctx.is_cancelled() {
                thread::yield_now();
            }
            let stopped = own.lock().unwrap().as_ref().unwrap().stopped();
            tell.send(kind(stopped.wait())).unwrap();
        });
        started.pass();
        let mut held = me.lock().unwrap();
        task.cancel();
        *held = Some(task);
        drop(held);
        assert_eq!(told.recv().unwrap(), Err(ErrorKind::Cycle));
        let task = me.lock().unwrap().take().unwrap();
        task.stopped().wait().unwrap();
    });
}

/// What a cancel before the beginning drops waits until it is dropped.
#[test]
fn a_closure_whose_drop_waits_for_its_own_stop_fails() {
    struct Waits(
        mpsc::Receiver<Task<()>>,
        mpsc::Sender<Result<(), ErrorKind>>,
    );
    impl Drop for Waits {
        fn drop(&mut self) {
            let stopped = self.0.recv().unwrap();
            self.1.send(kind(stopped.wait())).unwrap();
        }
    }
    let ways: [fn(Task<()>); 3] = [
        |task| assert_eq!(task.cancel(), CancelOutcome::Prevented),
        |task| drop(task.cancel_on_drop()),
        |task| assert!(spawn(move || task.cancel()).wait().is_ok()),
    ];
    for way in ways {
        within(move || {
            let (tell, told) = mpsc::channel();
            let (hand, given) = mpsc::channel::<Task<()>>();
            let waits = Waits(given, tell);
            let task = Task::new(move || drop(waits));
            hand.send(task.stopped()).unwrap();
            let stopped = task.stopped();
            way(task);
            assert_eq!(told.recv().unwrap(), Err(ErrorKind::Cycle));
            stopped.wait().unwrap();
        });
    }
    // The same when a token does it.
    within(move || {
        let (tell, told) = mpsc::channel();
        let (hand, given) = mpsc::channel::<Task<()>>();
        let waits = Waits(given, tell);
        let (token, gate) = (CancelToken::new(), Gate::new());
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let held = gate.clone();
        pool.spawn(move || held.pass()).detach();
        let task = Task::builder().cancel_token(&token).pool(&pool);
        let task = task.spawn(move || drop(waits));
        hand.send(task.stopped()).unwrap();
        token.cancel();
        assert_eq!(told.recv().unwrap(), Err(ErrorKind::Cycle));
        gate.open();
        task.stopped().wait().unwrap();
    });
}

/// Two closures that wait for each other, one for the other's return: the second wait fails.
#[test]
fn two_tasks_fail_in_either_order() {
    for asks_first in [true, false] {
        within(move || {
            let pool = Pool::builder().max_threads(4).build().unwrap();
            let (tell, told) = mpsc::channel();
            let (go_a, go_b, started) = (Gate::new(), Gate::new(), Gate::new());
            let (hand, given) = mpsc::channel::<Task<()>>();
            let held = go_a.clone();
            let seen = tell.clone();
            let a = pool.spawn(move || {
                let b_stopped = given.recv().unwrap();
                held.pass();
                seen.send(("a", kind(b_stopped.wait()))).unwrap();
            });
            let (begun, held) = (started.clone(), go_b.clone());
            let b = pool.spawn(move || {
                begun.open();
                held.pass();
                tell.send(("b", kind(a.wait()))).unwrap();
            });
            started.pass();
            hand.send(b.stopped()).unwrap();
            b.cancel();
            let (first, second) = match asks_first {
                true => (go_a, go_b),
                false => (go_b, go_a),
            };
            first.open();
            until_blocked(&pool, 1);
            second.open();
            let last = if asks_first { "b" } else { "a" };
            assert_eq!(told.recv().unwrap(), (last, Err(ErrorKind::Cycle)));
            assert!(told.recv().unwrap().1.is_ok());
            b.stopped().wait().unwrap();
        });
    }
}

/// The task that was followed, and is cancelled with the one that follows it, waits for the stop
/// of both.
#[test]
fn a_followed_task_that_waits_for_both_stops_fails() {
    within(|| {
        let (tell, told) = mpsc::channel();
        let (hand, given) = mpsc::channel::<Task<()>>();
        let (started, gate) = (Gate::new(), Gate::new());
        let (begun, held) = (started.clone(), gate.clone());
        let inner = spawn(move || {
            begun.open();
            held.pass();
            tell.send(kind(given.recv().unwrap().wait())).unwrap();
        });
        started.pass();
        let (resolver, outer) = deferred();
        assert!(resolver.settle_with(inner).is_ok());
        let stopped = outer.stopped();
        outer.cancel();
        hand.send(outer.stopped()).unwrap();
        gate.open();
        assert_eq!(told.recv().unwrap(), Err(ErrorKind::Cycle));
        stopped.wait().unwrap();
    });
}

#[test]
fn a_closure_that_returns_its_own_stop_fails() {
    within(|| {
        let (hand, given) = mpsc::channel::<Task<()>>();
        let task = attempt(move || given.recv().unwrap());
        hand.send(task.stopped()).unwrap();
        assert_eq!(kind(task.wait()), Err(ErrorKind::Cycle));
    });
}

/// A cancelled closure that waits for something else, and one that has returned, are no cycle.
#[test]
fn waiting_for_another_task_is_no_cycle() {
    within(|| {
        let pool = Pool::builder().max_threads(4).build().unwrap();
        let (resolver, awaited) = deferred::<()>();
        let b = pool.spawn(move || awaited.wait().unwrap());
        until_blocked(&pool, 1);
        b.cancel();
        let stopped = b.stopped();
        let a = pool.spawn(move || kind(stopped.wait()));
        until_blocked(&pool, 2);
        // The thread of `b` runs other work now, which may wait for it.
        resolver.resolve(()).unwrap();
        assert_eq!(a.wait().unwrap(), Ok(()));
        let asks: Vec<_> = (0..100)
            .map(|_| {
                let stopped = b.stopped();
                pool.spawn(move || kind(stopped.wait()))
            })
            .collect();
        asks.into_iter()
            .for_each(|ask| assert_eq!(ask.wait().unwrap(), Ok(())));
    });
}
