//! Shared tasks: many handles and branches of one value that is never cloned.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::support::{Drops, Gate, LIMIT, Latch, Log, When, every_case, expected, within};
use fast_async::{
    BoxError, CancelOutcome, ErrorKind, Resolver, SharedTask, Status, Task, TaskError, deferred,
    spawn,
};

/// Neither `Clone` nor `Copy`.
#[derive(Debug, PartialEq)]
struct Single(u32);

#[test]
fn every_branch_borrows_the_one_value() {
    within(|| {
        every_case(|case| {
            let sum = case.run(Ok(Single(7)), |task| {
                let shared = task.share();
                let place = |single: &Single| std::ptr::from_ref(single).addr();
                let branches = (0..5).map(|_| shared.then(place)).collect::<Vec<_>>();
                let through_clone = shared.clone().then(place);
                fast_async::all((fast_async::all(branches), through_clone))
                    .then(|(places, place)| (places.iter().filter(|p| **p == place).count(), 0))
                    .then(|(same, _)| same)
            });
            assert_eq!(sum.unwrap(), 5, "{case:?}");
        });
    });
}

#[test]
fn waiting_lends_the_value_repeatedly() {
    within(|| {
        let shared = spawn(|| Single(7)).share();
        let first = shared.wait().unwrap();
        let second = shared.wait().unwrap();
        assert!(std::ptr::eq(first, second));
        let clone = shared.clone();
        assert!(std::ptr::eq(clone.wait().unwrap(), first));
        assert_eq!(shared.try_wait().unwrap().unwrap(), &Single(7));
        assert_eq!(shared.wait_timeout(LIMIT).unwrap().unwrap(), &Single(7));
        assert_eq!(shared.status(), Status::Success);
    });
}

// Case: 16
#[test]
fn a_failure_reaches_every_branch_as_one_object() {
    within(|| {
        every_case(|case| {
            let source: Result<Single, BoxError> = Err("x".parse::<i32>().unwrap_err().into());
            let place = |error: &TaskError| {
                let own = error.downcast_ref::<std::num::ParseIntError>();
                std::ptr::from_ref(own.unwrap()).addr()
            };
            let places = case.run(source, |task| {
                let shared = task.share();
                let branches: Vec<Task<usize>> = vec![
                    shared.then(|_| 0).catch(move |error| place(&error)),
                    shared.handle(move |outcome| place(outcome.unwrap_err())),
                    spawn({
                        let shared = shared.clone();
                        move || place(&shared.wait().unwrap_err())
                    }),
                ];
                fast_async::all(branches)
            });
            let places = places.unwrap();
            assert_eq!(places[0], places[1], "{case:?}");
            assert_eq!(places[0], places[2], "{case:?}");
        });
    });
}

#[test]
fn cloned_returns_a_plain_task() {
    within(|| {
        every_case(|case| {
            let text = case.run(Ok("text".to_string()), |task| {
                let shared = task.share();
                fast_async::all([shared.cloned(), shared.cloned()]).then(|both| both.concat())
            });
            assert_eq!(text.unwrap(), "texttext", "{case:?}");
        });
    });
}

// Contract: D1, D2
#[test]
fn branches_start_in_their_order() {
    within(|| {
        every_case(|case| {
            if case.when == When::Before {
                // Branches of a task that is settled start as they are made.
                return;
            }
            let log = Log::new();
            let done = case.run(Ok(1), |task| {
                let shared = task.share();
                // The last is a branch: `all` does not wait for observers.
                let branches: Vec<Task<()>> = (0..7)
                    .map(|number| {
                        let log = log.clone();
                        if number % 2 == 0 {
                            shared.then(move |_| log.push(number))
                        } else {
                            shared.on_settled(move |_| log.push(number));
                            Task::ready(())
                        }
                    })
                    .collect();
                fast_async::all(branches)
            });
            done.unwrap();
            let seen = log.take();
            assert_eq!(seen, (0..7).collect::<Vec<_>>(), "{case:?}");
        });
    });
}

// Contract: D6. The value lives as long as a handle or a branch that needs it, and no longer.
#[test]
fn the_value_is_dropped_with_the_last_handle() {
    within(|| {
        let drops = Drops::new();
        let (resolver, task) = deferred();
        let shared = task.share();
        let clone = shared.clone();
        let branch = shared.then(|_| 1);
        resolver.resolve(drops.token()).ok().unwrap();
        assert_eq!(branch.wait().unwrap(), 1);
        drop(shared);
        assert_eq!(drops.count(), 0);
        drop(clone);
        assert_eq!(drops.count(), 1);
    });
}

// Contract: D6. With all handles gone, the value goes when the last branch has started.
#[test]
fn branches_keep_the_value_for_as_long_as_they_need_it() {
    within(|| {
        let drops = Drops::new();
        let (resolver, task) = deferred();
        let shared = task.share();
        let (one, two) = (shared.then(|_| 1), shared.then(|_| 2));
        drop(shared);
        resolver.resolve(drops.token()).ok().unwrap();
        assert_eq!(drops.count(), 1);
        assert_eq!(one.wait().unwrap() + two.wait().unwrap(), 3);
    });
}

// Contract: S1. Sharing is another way to hold a task, not another task.
#[test]
fn a_settled_task_stays_settled_when_it_is_shared() {
    within(|| {
        let shared = Task::ready(Single(7)).share();
        assert_eq!(shared.status(), Status::Success);
        assert_eq!(shared.try_wait().map(|outcome| outcome.unwrap().0), Some(7));
    });
}

// Contract: W2
// Case: 56
#[test]
fn many_threads_wait_for_one_task() {
    const WAITERS: usize = 16;
    within(|| {
        let (resolver, task) = deferred::<Single>();
        let shared = task.share();
        let waiting = Latch::new(WAITERS);
        let threads: Vec<_> = (0..WAITERS)
            .map(|_| {
                let (shared, waiting) = (shared.clone(), waiting.clone());
                thread::spawn(move || {
                    waiting.count_down();
                    shared.wait().unwrap().0
                })
            })
            .collect();
        waiting.wait();
        resolver.resolve(Single(7)).unwrap();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 7);
        }
    });
}

// Contract: W2
#[test]
fn waiting_that_races_with_settling_loses_no_wake_up() {
    const ROUNDS: usize = 300;
    const WAITERS: usize = 3;
    within(|| {
        for round in 0..ROUNDS {
            let (resolver, task) = deferred();
            let shared = task.share();
            let start = Barrier::new(WAITERS + 1);
            thread::scope(|scope| {
                let waiter = || {
                    start.wait();
                    assert_eq!(*shared.wait().unwrap(), round);
                };
                let waiters = [(); WAITERS].map(|()| scope.spawn(waiter));
                start.wait();
                resolver.resolve(round).unwrap();
                // The scope would wait too, but unseen by the thread sanitizer.
                for waiter in waiters {
                    waiter.join().unwrap();
                }
            });
        }
    });
}

// Contract: W2
#[test]
fn a_timed_wait_that_expires_affects_no_other_waiter() {
    within(|| {
        let (resolver, task) = deferred();
        let shared = task.share();
        assert!(shared.wait_timeout(Duration::from_millis(1)).is_none());
        assert!(shared.wait_timeout(Duration::ZERO).is_none());
        assert!(!shared.is_settled());
        resolver.resolve(Single(7)).unwrap();
        assert_eq!(shared.wait_timeout(LIMIT).unwrap().unwrap(), &Single(7));
    });
}

// Contract: D7. Observers that subscribed before run first; later ones do not hold the waiter up.
#[test]
fn a_waiter_comes_after_the_observers_before_it() {
    within(|| {
        let (resolver, task) = deferred();
        let shared = task.share();
        let (running, go_on) = (Gate::new(), Gate::new());
        let finished = Arc::new(AtomicUsize::new(0));
        shared.on_settled({
            let (running, go_on, finished) = (running.clone(), go_on.clone(), finished.clone());
            move |_| {
                running.open();
                go_on.pass();
                finished.fetch_add(1, Ordering::Release);
            }
        });
        let settler = thread::spawn(move || resolver.resolve(Single(1)).unwrap());
        running.pass();
        let waiter = thread::spawn({
            let (shared, finished) = (shared.clone(), finished.clone());
            move || {
                shared.wait().unwrap();
                finished.load(Ordering::Acquire)
            }
        });
        go_on.open();
        assert_eq!(waiter.join().unwrap(), 1);
        settler.join().unwrap();
    });
}

// Contract: S2
#[test]
fn a_branch_that_panics_fails_alone() {
    within(|| {
        every_case(|case| {
            let kinds = case.run(Ok(Single(1)), |task| {
                let shared = task.share();
                let bad = shared.then(|_| -> u32 { expected("in a branch") });
                let good = shared.then(|single| single.0);
                fast_async::all((bad.handle(|outcome| outcome.unwrap_err().kind()), good))
            });
            assert_eq!(kinds.unwrap(), (ErrorKind::Panicked, 1), "{case:?}");
        });
    });
}

// Contract: D8
#[test]
fn a_branch_may_wait_for_and_branch_off_its_own_source() {
    within(|| {
        every_case(|case| {
            let n = case.run(Ok(Single(1)), |task| {
                let shared = task.share();
                let own = shared.clone();
                shared
                    .then(move |single| {
                        let again = own.try_wait().unwrap().unwrap().0;
                        (single.0 + again, own.then(|single| single.0))
                    })
                    .and_then(|(sum, more)| more.then(move |n| sum + n))
            });
            assert_eq!(n.unwrap(), 3, "{case:?}");
        });
    });
}

// Contract: D8. The sibling's turn comes after that of the branch that waits for it, on the same
// thread.
fn first_branch_waits_for_the_second(settle: impl FnOnce(Resolver<Single>)) {
    let (resolver, task) = deferred();
    let shared = task.share();
    let (hand, sibling) = std::sync::mpsc::channel::<Task<u32>>();
    let first = shared.then(move |single: &Single| {
        let sibling = sibling.recv().unwrap();
        single.0 + sibling.wait().unwrap()
    });
    hand.send(shared.then(|single| single.0 * 10)).unwrap();
    settle(resolver);
    assert_eq!(first.wait().unwrap(), 11);
}

// Contract: D8
#[test]
fn on_a_worker_a_branch_may_wait_for_a_sibling_that_comes_after_it() {
    within(|| {
        first_branch_waits_for_the_second(|resolver| {
            spawn(move || resolver.resolve(Single(1)).unwrap()).detach();
        });
    });
}

// Contract: D8
#[test]
fn on_any_thread_a_branch_may_wait_for_a_sibling_that_comes_after_it() {
    within(|| {
        first_branch_waits_for_the_second(|resolver| resolver.resolve(Single(1)).unwrap());
    });
}

// Contract: C3
// Case: 51
#[test]
fn the_source_continues_until_the_last_consumer_cancels() {
    within(|| {
        let (resolver, task) = deferred::<Single>();
        let shared = task.share();
        let (one, two) = (
            shared.then(|single| single.0),
            shared.then(|single| single.0),
        );
        assert_eq!(one.cancel(), CancelOutcome::Prevented);
        assert!(resolver.is_wanted());
        assert_eq!(shared.cancel(), None);
        assert!(resolver.is_wanted(), "the other branch wants it");
        two.cancel();
        assert!(!resolver.is_wanted());
        assert_eq!(resolver.resolve(Single(1)), Err(Single(1)));
        assert!(one.wait().unwrap_err().is_cancelled());
        assert!(two.wait().unwrap_err().is_cancelled());
    });
}

// Contract: C1, C3
#[test]
fn cancel_on_a_shared_handle_returns_the_outcome_of_the_cancel() {
    within(|| {
        let (resolver, task) = deferred::<Single>();
        let one = task.share();
        let (two, three) = (one.clone(), one.clone());
        assert_eq!(one.cancel(), None, "two others want it");
        assert_eq!(two.cancel(), None, "another one wants it");
        assert!(resolver.is_wanted());
        assert_eq!(three.cancel(), Some(CancelOutcome::Prevented));
        assert!(!resolver.is_wanted());

        let settled = Task::ready(Single(1)).share();
        let other = settled.clone();
        assert_eq!(settled.cancel(), Some(CancelOutcome::TooLate));
        assert_eq!(other.cancel(), Some(CancelOutcome::TooLate));

        let (started, held) = (Gate::new(), Gate::new());
        let (starts, holds) = (started.clone(), held.clone());
        let running = spawn(move || {
            starts.open();
            holds.pass();
            Single(1)
        });
        let running = running.share();
        started.pass();
        assert_eq!(running.cancel(), Some(CancelOutcome::Signalled));
        held.open();
    });
}

// Contract: C5
#[test]
fn a_shared_failure_that_was_asked_for_is_looked_at() {
    within(|| {
        let (resolver, task) = deferred::<Single>();
        let shared = task.share();
        assert!(shared.error().is_none(), "not settled");
        resolver.reject("asked for by many").unwrap();
        let error = shared.error().unwrap();
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(error.to_string().starts_with("asked for by many"));
        drop(shared);
        assert_eq!(crate::support::reports("asked for by many"), 0);
        assert!(Task::ready(Single(1)).share().error().is_none());
    });
}

#[test]
fn a_shared_task_knows_its_thread() {
    within(|| {
        let shared = spawn(|| thread::current().id()).share();
        let ran_on = *shared.wait().unwrap();
        assert_eq!(shared.thread(), Some(ran_on));
        let (_resolver, task) = deferred::<Single>();
        assert_eq!(task.share().thread(), None);
    });
}

// A handle is `Send` and `Sync`, and a task that adopts it gets a clone of the value.
#[test]
fn a_shared_task_may_be_returned() {
    within(|| {
        let shared: SharedTask<String> = spawn(|| "text".to_string()).share();
        let adopted = Task::ready(()).and_then({
            let shared = shared.clone();
            move |()| shared
        });
        assert_eq!(adopted.wait().unwrap(), "text");
        assert_eq!(shared.wait().unwrap(), "text");
    });
}

// Contract: S3
#[test]
fn an_abandoned_source_fails_every_branch_and_waiter() {
    within(|| {
        let (resolver, task) = deferred::<Single>();
        let shared = task.share();
        let branch = shared.then(|single| single.0);
        drop(resolver);
        assert_eq!(branch.wait().unwrap_err().kind(), ErrorKind::Abandoned);
        assert_eq!(shared.wait().unwrap_err().kind(), ErrorKind::Abandoned);
        assert_eq!(shared.status(), Status::Failure);
    });
}
