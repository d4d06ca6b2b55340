//! Awaiting: a task is a future for any executor of futures.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::support::{
    Counted, Drops, Gate, Token, assert_still_dispatches, block_on, every_case, expected, poll,
    within,
};
use fast_async::{ErrorKind, Status, Subscription, Task, attempt, deferred, spawn};

#[test]
fn awaiting_gives_what_waiting_would() {
    within(|| {
        every_case(|case| {
            let n = case.run(Ok(1), |task| {
                let awaited = thread::spawn(move || block_on(task.then(|n| n + 1)));
                spawn(move || awaited.join().unwrap().unwrap())
            });
            assert_eq!(n.unwrap(), 2, "{case:?}");
        });
        let error = block_on(attempt(|| Ok("x".parse::<i32>()?))).unwrap_err();
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        let error = block_on(spawn(|| -> u32 { expected("in a task") })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
    });
}

#[test]
fn the_question_mark_works_in_async_code() {
    async fn sum() -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
        let (one, two) = (spawn(|| 1), spawn(|| 2));
        Ok(one.await? + two.await?)
    }
    within(|| assert_eq!(block_on(sum()).unwrap(), 3));
}

#[test]
fn a_cold_task_is_started_by_the_first_poll() {
    within(|| {
        assert_eq!(block_on(Task::new(|| 5)).unwrap(), 5);
    });
}

// Contract: W2
#[test]
fn the_last_waker_is_woken_once() {
    within(|| {
        let drops = Drops::new();
        let (first, second) = (Counted::new(&drops), Counted::new(&drops));
        let (resolver, mut task) = deferred();
        assert!(poll(&mut task, &first).is_pending());
        assert!(poll(&mut task, &second).is_pending());
        drop(first);
        assert_eq!(drops.count(), 1, "a replaced waker is dropped");
        assert!(poll(&mut task, &second).is_pending());
        resolver.resolve(1).unwrap();
        assert_eq!(second.wakes(), 1);
        match poll(&mut task, &second) {
            Poll::Ready(outcome) => assert_eq!(outcome.unwrap(), 1),
            Poll::Pending => panic!("it was woken"),
        }
        assert_eq!(second.wakes(), 1);
    });
}

// Contract: W2
#[test]
fn polling_that_races_with_settling_loses_no_wake_up() {
    within(|| {
        let (send, receive) = mpsc::channel::<fast_async::Resolver<u32>>();
        let settler = thread::spawn(move || {
            for (number, resolver) in (0..).zip(receive) {
                resolver.resolve(number).unwrap();
            }
        });
        for number in 0..2000 {
            let (resolver, task) = deferred();
            send.send(resolver).unwrap();
            assert_eq!(block_on(task).unwrap(), number);
        }
        drop(send);
        settler.join().unwrap();
    });
}

// Contract: D7
#[test]
fn a_future_is_ready_when_the_observers_have_run() {
    within(|| {
        let drops = Drops::new();
        let waker = Counted::new(&drops);
        let (resolver, mut task) = deferred();
        let (running, go_on) = (Gate::new(), Gate::new());
        task.on_settled({
            let (running, go_on) = (running.clone(), go_on.clone());
            move |_| {
                running.open();
                go_on.pass();
            }
        });
        let settler = thread::spawn(move || resolver.resolve(1).unwrap());
        running.pass();
        assert_eq!(task.status(), Status::Success);
        assert!(poll(&mut task, &waker).is_pending());
        go_on.open();
        settler.join().unwrap();
        assert_eq!(waker.wakes(), 1);
        assert!(poll(&mut task, &waker).is_ready());
    });
}

#[test]
fn a_future_that_is_polled_again_fails_and_does_not_hang() {
    within(|| {
        let drops = Drops::new();
        let waker = Counted::new(&drops);
        let mut task = Task::ready(1);
        assert!(matches!(poll(&mut task, &waker), Poll::Ready(Ok(1))));
        let Poll::Ready(Err(error)) = poll(&mut task, &waker) else {
            panic!("there is nothing left to give")
        };
        assert_eq!(error.kind(), ErrorKind::Abandoned);
        assert!(task.wait().is_err());

        let mut task = Task::ready(1);
        assert!(poll(&mut task, &waker).is_ready());
        assert!(task.then(|n| n + 1).wait().is_err());
    });
}

// Contract: C4
#[test]
fn a_task_that_is_cancelled_on_drop_may_be_awaited() {
    within(|| {
        let guard = spawn(|| 1).cancel_on_drop();
        assert_eq!(block_on(guard).unwrap(), 1);

        let (resolver, task) = deferred::<u32>();
        let mut guard = task.cancel_on_drop();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut guard).poll(&mut context).is_pending());
        assert!(resolver.is_wanted());
        drop(guard);
        assert_eq!(resolver.resolve(1), Err(1));
    });
}

// Contract: W2
#[test]
fn polling_again_after_the_outcome_panics_with_a_message() {
    fn spent() -> Task<u32> {
        let mut task = Task::ready(1);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut task).poll(&mut context).is_ready());
        task
    }
    within(|| {
        let long = Duration::from_secs(3600);
        let shared = spent().share();
        let errors = [
            ("wait", spent().wait().unwrap_err()),
            ("try_wait", spent().try_wait().unwrap().unwrap_err()),
            (
                "wait_timeout",
                spent().wait_timeout(long).unwrap().unwrap_err(),
            ),
            ("await", block_on(spent()).unwrap_err()),
            ("share, wait", spent().share().wait().unwrap_err()),
            ("share, then", shared.then(|n| *n).wait().unwrap_err()),
            ("share, try_wait", shared.try_wait().unwrap().unwrap_err()),
            (
                "and_then",
                Task::ready(()).and_then(|()| spent()).wait().unwrap_err(),
            ),
            ("all", fast_async::all([spent()]).wait().unwrap_err()),
        ];
        for (how, error) in errors {
            assert_eq!(error.kind(), ErrorKind::Abandoned, "{how}");
            let text = error.to_string();
            let note = "(its outcome was taken before, when it was awaited)";
            assert!(text.contains(note), "{how}: {text}");
        }
    });
}

#[test]
fn a_task_that_was_polled_may_be_waited_for_or_chained() {
    within(|| {
        let drops = Drops::new();
        let waker = Counted::new(&drops);
        for chained in [false, true] {
            let (resolver, mut task) = deferred::<u32>();
            assert!(poll(&mut task, &waker).is_pending());
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            let n = if chained {
                task.then(|n| n + 1).wait()
            } else {
                task.wait().map(|n| n + 1)
            };
            assert_eq!(n.unwrap(), 2);
            settler.join().unwrap();
        }
        drop(waker);
        assert_eq!(drops.count(), 1, "no waker is left behind");
    });
}

// Contract: D6. An async task that was dropped must not live on in a task that it once polled.
#[test]
fn a_dropped_future_drops_its_waker() {
    within(|| {
        let drops = Drops::new();
        let waker = Counted::new(&drops);
        let (resolver, mut task) = deferred::<u32>();
        assert!(poll(&mut task, &waker).is_pending());
        drop(task);
        drop(waker);
        assert_eq!(drops.count(), 1, "with the task unsettled");
        resolver.resolve(1).unwrap();
    });
}

// Contract: C4
#[test]
fn dropping_a_future_detaches_its_task() {
    within(|| {
        let ran = Gate::new();
        let (hold, open) = (Gate::new(), ran.clone());
        let pass = hold.clone();
        let mut task = spawn(move || {
            pass.pass();
            open.open();
        });
        let drops = Drops::new();
        assert!(poll(&mut task, &Counted::new(&drops)).is_pending());
        drop(task);
        hold.open();
        ran.pass();
    });
}

// Contract: S2. A waker is foreign code.
#[test]
fn a_waker_that_panics_affects_no_other_waiter() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            expected("in a waker");
        }
    }
    within(|| {
        let (resolver, mut task) = deferred();
        let waker = Waker::from(Arc::new(Panics));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut task).poll(&mut context).is_pending());
        resolver.resolve(1).unwrap();
        assert_still_dispatches();
        assert_eq!(task.wait().unwrap(), 1);
    });
}

/// A waker that takes the lock of a task when it is dropped.
struct CallsBack {
    way_in: Mutex<Option<Subscription>>,
    _token: Token,
}

impl Wake for CallsBack {
    fn wake(self: Arc<Self>) {}
}

impl Drop for CallsBack {
    fn drop(&mut self) {
        if let Some(way_in) = self.way_in.lock().unwrap().take() {
            way_in.unsubscribe();
        }
    }
}

fn polled_by_one_that_calls_back(drops: &Drops) -> (fast_async::Resolver<u32>, Task<u32>) {
    let (resolver, mut task) = deferred();
    let way_in = task.on_settled(|_| ());
    let waker = Waker::from(Arc::new(CallsBack {
        way_in: Mutex::new(Some(way_in)),
        _token: drops.token(),
    }));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut task).poll(&mut context).is_pending());
    (resolver, task)
}

// Contract: D2
#[test]
fn a_waker_that_another_one_replaces_is_dropped_outside_the_lock() {
    within(|| {
        let drops = Drops::new();
        let (_resolver, mut task) = polled_by_one_that_calls_back(&drops);
        let stage = thread::spawn(move || {
            let counted = Counted::new(&Drops::new());
            assert!(poll(&mut task, &counted).is_pending());
        });
        drops.wait_for(1);
        stage.join().unwrap();
    });
}

// Contract: D2
#[test]
fn a_waker_that_a_waiting_thread_replaces_is_dropped_outside_the_lock() {
    within(|| {
        let drops = Drops::new();
        let (resolver, task) = polled_by_one_that_calls_back(&drops);
        let waiter = thread::spawn(move || task.wait());
        drops.wait_for(1);
        resolver.resolve(1).unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), 1);
    });
}

// Contract: D8
#[test]
fn a_waker_may_poll_on_the_thread_that_wakes_it() {
    struct Polls(Mutex<Option<Task<u32>>>, mpsc::Sender<u32>);
    impl Wake for Polls {
        fn wake(self: Arc<Self>) {
            let mut task = self.0.lock().unwrap().take().unwrap();
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut task).poll(&mut context) {
                Poll::Ready(outcome) => self.1.send(outcome.unwrap()).unwrap(),
                Poll::Pending => panic!("it was woken"),
            }
        }
    }
    within(|| {
        let (send, receive) = mpsc::channel();
        let (resolver, mut task) = deferred();
        let polls = Arc::new(Polls(Mutex::new(None), send));
        let waker = Waker::from(polls.clone());
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut task).poll(&mut context).is_pending());
        *polls.0.lock().unwrap() = Some(task);
        resolver.resolve(7).unwrap();
        assert_eq!(receive.recv().unwrap(), 7);
    });
}
