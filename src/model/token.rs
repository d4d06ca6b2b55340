//! Tokens that are raised while others hang something on them.

use super::{Counted, Counter, explore, go};
use crate::cancel::CancelCallback;
use crate::cell::call_off::enlist;
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, ExtraMeta, TaskMeta};
use crate::sync::Arc;
use crate::{CancelToken, Task};

#[test]
fn a_child_is_raised_with_its_parent() {
    explore(&["raised"], || {
        let parent = CancelToken::new();
        let elder = parent.child();
        let raised = parent.clone();
        let raiser = go(move || raised.cancel());
        let child = parent.child();
        assert!(raiser.join().unwrap());
        assert!(elder.is_cancelled() && child.is_cancelled());
        "raised"
    });
}

#[test]
fn a_token_is_raised_by_one() {
    explore(&["mine", "theirs"], || {
        let token = CancelToken::new();
        let seen = Counter::default();
        let calls = seen.clone();
        token.on_cancel(move || calls.up());
        let raised = token.clone();
        let rival = go(move || raised.cancel());
        let mine = token.cancel();
        let theirs = rival.join().unwrap();
        assert!(mine ^ theirs);
        assert_eq!(seen.get(), 1);
        if mine { "mine" } else { "theirs" }
    });
}

#[test]
fn a_callback_runs_once() {
    explore(&["ran"], || {
        let token = CancelToken::new();
        let (seen, dropped) = (Counter::default(), Counter::default());
        let raised = token.clone();
        let raiser = go(move || raised.cancel());
        let (calls, captured) = (seen.clone(), Counted(dropped.clone()));
        token.on_cancel(move || {
            let _captured = captured;
            calls.up();
        });
        raiser.join().unwrap();
        assert_eq!((seen.get(), dropped.get()), (1, 1));
        "ran"
    });
}

#[test]
fn a_callback_that_is_taken_back_in_time_never_runs() {
    explore(&["in time", "too late"], || {
        let token = CancelToken::new();
        let (seen, dropped) = (Counter::default(), Counter::default());
        let (calls, captured) = (seen.clone(), Counted(dropped.clone()));
        let callback = token.on_cancel(move || {
            let _captured = captured;
            calls.up();
        });
        let raised = token.clone();
        let raiser = go(move || raised.cancel());
        let in_time = callback.unregister();
        raiser.join().unwrap();
        assert_eq!((seen.get(), dropped.get()), (usize::from(!in_time), 1));
        if in_time { "in time" } else { "too late" }
    });
}

/// One callback takes the next one back while the token is raised; another thread tries the same.
#[test]
fn a_callback_that_is_taken_back_while_another_runs_never_runs() {
    explore(&["by the callback", "by the thread", "ran"], || {
        let token = CancelToken::new();
        let (seen, dropped) = (Counter::default(), Counter::default());
        let inside = Counter::default();
        let place = std::sync::Arc::new(std::sync::Mutex::new(None::<CancelCallback>));
        let (own, took) = (place.clone(), inside.clone());
        token.on_cancel(move || {
            let later = own.lock().unwrap().take();
            if let Some(later) = later {
                assert!(later.unregister(), "it has not been called");
                took.up();
            }
        });
        let (calls, captured) = (seen.clone(), Counted(dropped.clone()));
        let later = token.on_cancel(move || {
            let _captured = captured;
            calls.up();
        });
        *place.lock().unwrap() = Some(later);
        let raised = token.clone();
        let raiser = go(move || raised.cancel());
        // A place for a checker to switch threads at; there is none while the lock is held.
        let _ = token.is_cancelled();
        let mine = place.lock().unwrap().take();
        let outside = mine.is_some_and(CancelCallback::unregister);
        raiser.join().unwrap();
        let back = inside.get() + usize::from(outside);
        assert_eq!((seen.get() + back, dropped.get()), (1, 1));
        match (inside.get(), outside) {
            (1, _) => "by the callback",
            (_, true) => "by the thread",
            _ => "ran",
        }
    });
}

/// A child, a callback and a task are added to a token that is being raised.
#[test]
fn a_callback_registered_during_a_cancel_is_called() {
    explore(&["heard"], || {
        let token = CancelToken::new();
        let raised = token.clone();
        let raiser = go(move || raised.cancel());
        let extra = ExtraMeta {
            parents: [token.downgrade()].into_iter().collect(),
            ..ExtraMeta::default()
        };
        let meta = TaskMeta {
            extra: Some(Box::new(extra)),
            ..TaskMeta::here()
        };
        let cell: Arc<dyn AnyCell> = TaskCell::<NoWork<()>, ()>::open(meta);
        let task = Task::<()>::from_cell(cell.clone());
        enlist(&cell);
        let child = token.child();
        let seen = Counter::default();
        let calls = seen.clone();
        child.on_cancel(move || calls.up());
        assert!(raiser.join().unwrap());
        assert_eq!(seen.get(), 1);
        assert!(task.is_settled() && child.is_cancelled());
        assert!(task.wait().unwrap_err().is_cancelled());
        "heard"
    });
}

/// A callback raises another token, which another thread raises too, and whose callback raises the
/// first one again.
#[test]
fn tokens_that_raise_each_other_are_raised_once() {
    explore(&["by the callback", "by the thread"], || {
        let (one, two) = (CancelToken::new(), CancelToken::new());
        let (calls_one, calls_two) = (Counter::default(), Counter::default());
        let inside = Counter::default();
        let (other, calls, did_it) = (two.clone(), calls_one.clone(), inside.clone());
        one.on_cancel(move || {
            calls.up();
            if other.cancel() {
                did_it.up();
            }
            assert!(other.is_cancelled());
        });
        let (other, calls) = (one.clone(), calls_two.clone());
        two.on_cancel(move || {
            calls.up();
            other.cancel();
        });
        let raised = two.clone();
        let rival = go(move || raised.cancel());
        one.cancel();
        let theirs = rival.join().unwrap();
        assert_eq!((calls_one.get(), calls_two.get()), (1, 1));
        assert!(theirs ^ (inside.get() == 1));
        if theirs {
            "by the thread"
        } else {
            "by the callback"
        }
    });
}
