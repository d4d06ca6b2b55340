//! A closure that stays on its loop's thread, whichever thread cancels its task (Contract: D6).

use super::{Counted, Counter, explore, go, open};
use crate::LocalLoop;

#[test]
fn a_local_closure_that_is_cancelled_is_dropped_in_a_turn() {
    explore(&["in the turn", "in the next"], || {
        let here = LocalLoop::new();
        let (_resolver, task) = open::<u8>();
        let dropped = Counter::default();
        let token = Counted(dropped.clone());
        let task = here.then(task, move |n| {
            let _token = &token;
            n
        });
        let rival = go(move || {
            let _ = task.cancel();
        });
        here.queue().run_pending();
        let in_the_turn = dropped.get() == 1;
        rival.join().unwrap();
        here.queue().run_pending();
        assert_eq!(dropped.get(), 1);
        if in_the_turn {
            "in the turn"
        } else {
            "in the next"
        }
    });
}
