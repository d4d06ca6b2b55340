//! Tokens that are raised while others hang something on them.

use super::{Counted, Counter, explore, go};
use crate::CancelToken;

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
