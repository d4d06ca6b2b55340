//! A cancel races the thread that settles or runs the task (Contract: C1, D6, S1).

use super::{Counted, Counter, explore, go, open};
use crate::cell::call_off::enlist;
use crate::cell::state::Phase;
use crate::cell::task_cell::{Returned, TaskCell};
use crate::cell::{AnyCell, ExtraMeta, TaskMeta};
use crate::error::At;
use crate::executor::Runnable;
use crate::sync::{Arc, AtomicBool, Ordering};
use crate::{CancelOutcome, CancelToken, Task};

#[test]
fn a_cancel_or_a_value_but_not_both() {
    explore(&["value", "cancelled before", "cancelled amid"], || {
        let (resolver, task) = open();
        let (seen, ran) = (Counter::default(), Counter::default());
        let dropped = Counter::default();
        let calls = seen.clone();
        task.on_settled(move |_| calls.up());
        let (calls, captured) = (ran.clone(), Counted(dropped.clone()));
        let task = task.then(move |n: u32| {
            let _captured = captured;
            calls.up();
            n + 1
        });
        let settler = go(move || resolver.resolve(6));
        let cancelled = task.cancel();
        let settled = settler.join().unwrap();
        let outcome = task.wait();
        assert_eq!((seen.get(), dropped.get()), (1, 1));
        match outcome {
            Ok(value) => {
                assert_eq!(cancelled, CancelOutcome::TooLate);
                assert_eq!((value, ran.get(), settled), (7, 1, Ok(())));
                "value"
            }
            Err(error) => {
                assert!(error.is_cancelled());
                assert_ne!(cancelled, CancelOutcome::TooLate);
                if settled.is_ok() {
                    // The closure may have run, but its result has no consumer.
                    "cancelled amid"
                } else {
                    assert_eq!(ran.get(), 0);
                    "cancelled before"
                }
            }
        }
    });
}

#[test]
fn two_cancels_are_one() {
    explore(&["mine", "theirs"], || {
        let (resolver, task) = open::<u8>();
        let task = Arc::new(task);
        let seen = Counter::default();
        let calls = seen.clone();
        task.on_settled(move |_| calls.up());
        let other = task.clone();
        let rival = go(move || other.cancel());
        let mine = task.cancel();
        let theirs = rival.join().unwrap();
        assert_eq!(seen.get(), 1);
        assert!(resolver.resolve(7).is_err());
        match (mine, theirs) {
            (CancelOutcome::Prevented, CancelOutcome::TooLate) => "mine",
            (CancelOutcome::TooLate, CancelOutcome::Prevented) => "theirs",
            both => panic!("{both:?}"),
        }
    });
}

/// A thread of the model runs the closure as a worker would; no pool has a part in it.
#[test]
fn a_closure_that_is_cancelled_before_it_starts_never_runs() {
    explore(&["prevented", "signalled", "too late"], || {
        let (ran, captured) = (Counter::default(), Counter::default());
        let returned = Counter::default();
        let (calls, own, value) = (ran.clone(), Counted(captured.clone()), returned.clone());
        let work = move |_: &At<'_>| {
            let _own = own;
            calls.up();
            Returned::Outcome(Ok(Counted(value)))
        };
        let node = TaskCell::new(TaskMeta::here(), Phase::Queued, work);
        let task = Task::<Counted>::from_cell(node.clone() as Arc<dyn AnyCell>);
        let worker = go(move || node.run());
        let cancelled = task.cancel();
        let dropped_at_once = captured.get();
        worker.join().unwrap();
        let outcome = task.wait();
        assert_eq!(outcome.is_ok(), cancelled == CancelOutcome::TooLate);
        let kept = usize::from(outcome.is_ok());
        assert_eq!(returned.get(), ran.get() - kept);
        drop(outcome);
        assert_eq!((captured.get(), returned.get()), (1, ran.get()));
        match cancelled {
            CancelOutcome::Prevented => {
                assert_eq!((ran.get(), dropped_at_once), (0, 1));
                "prevented"
            }
            CancelOutcome::Signalled => "signalled",
            CancelOutcome::TooLate => "too late",
        }
    });
}

/// A worker that the raise of a token has unblocked reaches the next task before the raise does.
#[test]
fn a_cancel_starts_no_step_that_it_prevents() {
    explore(&["told", "prevented", "ran"], || {
        let token = CancelToken::new();
        let ran = Counter::default();
        let calls = ran.clone();
        let extra = ExtraMeta {
            parents: [token.downgrade()].into_iter().collect(),
            ..ExtraMeta::default()
        };
        let meta = TaskMeta {
            extra: Some(Box::new(extra)),
            ..TaskMeta::here()
        };
        let node = TaskCell::new(meta, Phase::Queued, move |_: &At<'_>| {
            calls.up();
            Returned::Outcome(Ok(()))
        });
        let task = Task::<()>::from_cell(node.clone() as Arc<dyn AnyCell>);
        enlist(&(node.clone() as Arc<dyn AnyCell>));
        // The flag tells the tasks under the token itself, before any callback.
        let told = token.clone();
        let worker = go(move || {
            let was_told = told.is_cancelled();
            node.run();
            was_told
        });
        token.cancel();
        let was_told = worker.join().unwrap();
        let outcome = task.wait();
        if was_told {
            assert_eq!(ran.get(), 0);
        }
        match (outcome, was_told) {
            (Ok(()), false) => "ran",
            (Err(error), _) if ran.get() == 1 => {
                // It had begun.
                assert!(error.is_cancelled());
                "ran"
            }
            (outcome, _) => {
                assert!(outcome.unwrap_err().is_cancelled());
                if was_told { "told" } else { "prevented" }
            }
        }
    });
}

/// A closure that returns races a cancel and a `stopped`, which settles once and after the closure.
#[test]
fn stopped_settles_when_a_cancelled_closure_has_returned() {
    explore(&["before", "signalled", "too late"], || {
        let (ran, dropped) = (Counter::default(), Counter::default());
        let (calls, captured) = (ran.clone(), Counted(dropped.clone()));
        let inside = Arc::new(AtomicBool::new(false));
        let mark = inside.clone();
        let work = move |_: &At<'_>| {
            let _captured = captured;
            calls.up();
            mark.store(true, Ordering::Release);
            mark.store(false, Ordering::Release);
            Returned::Outcome(Ok(7))
        };
        let node = TaskCell::new(TaskMeta::here(), Phase::Queued, work);
        let task = Arc::new(Task::<u32>::from_cell(node.clone() as Arc<dyn AnyCell>));
        let worker = go(move || node.run());
        let asker = {
            let task = task.clone();
            let (told, dropped) = (Counter::default(), dropped.clone());
            let count = told.clone();
            let cell = task.cell().expect("a handle has a cell").clone();
            let ask = go(move || {
                let tell = Box::new(move || {
                    assert!(!inside.load(Ordering::Acquire), "the closure runs");
                    assert_eq!(dropped.get(), 1, "the closure has not returned");
                    count.up();
                });
                if let Some(tell) = crate::cell::stopped::when_stopped(cell, tell) {
                    tell();
                }
            });
            (ask, told)
        };
        let cancelled = task.cancel();
        worker.join().unwrap();
        asker.0.join().unwrap();
        assert_eq!(asker.1.get(), 1);
        match cancelled {
            CancelOutcome::Prevented => {
                assert_eq!(ran.get(), 0);
                "before"
            }
            CancelOutcome::Signalled => "signalled",
            CancelOutcome::TooLate => "too late",
        }
    });
}

/// A link that has seen the token raised starts no other link: the raise reaches the task, or its
/// driver applies it.
#[test]
fn no_link_begins_behind_one_that_has_seen_the_raise() {
    explore(&["stopped", "ran"], || {
        let token = CancelToken::new();
        let extra = ExtraMeta {
            parents: [token.downgrade()].into_iter().collect(),
            ..ExtraMeta::default()
        };
        let meta = TaskMeta {
            extra: Some(Box::new(extra)),
            ..TaskMeta::here()
        };
        let node = TaskCell::new(meta, Phase::Queued, move |_: &At<'_>| {
            Returned::Outcome(Ok(false))
        });
        let cell: Arc<dyn AnyCell> = node.clone();
        enlist(&cell);
        let seen = token.clone();
        let task = Task::<bool>::from_cell(cell)
            .then(move |_| seen.is_cancelled())
            .then(|was_raised| {
                assert!(!was_raised);
                was_raised
            });
        let worker = go(move || node.run());
        token.cancel();
        worker.join().unwrap();
        match task.wait() {
            Ok(_) => "ran",
            Err(error) => {
                assert!(error.is_cancelled());
                "stopped"
            }
        }
    });
}

/// Whether the cancel of a task comes before or after its closure has returned another one, that
/// one is cancelled too.
#[test]
fn what_is_returned_beside_a_cancel_is_cancelled_too() {
    explore(&["never returned", "cancelled"], || {
        let (first, task) = open::<()>();
        let (resolver, inner) = open::<u32>();
        let returned = Counter::default();
        let returns = returned.clone();
        let task = task.and_then(move |()| {
            returns.up();
            inner
        });
        let settler = go(move || first.resolve(()));
        assert_ne!(task.cancel(), CancelOutcome::TooLate);
        let _ = settler.join().unwrap();
        assert!(task.wait().unwrap_err().is_cancelled());
        match returned.get() {
            0 => "never returned",
            _ => {
                assert!(!resolver.is_wanted());
                "cancelled"
            }
        }
    });
}
