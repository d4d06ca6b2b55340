//! A closure that stays on its loop's thread while its task is settled, and the loop goes (Contract: D6).

use super::{Counted, Counter, explore, go, open};
use crate::{ErrorKind, LocalLoop};

#[test]
fn a_local_closure_runs_or_goes_with_its_loop() {
    explore(&["ran", "rejected"], || {
        let here = LocalLoop::new();
        let (resolver, task) = open();
        let dropped = Counter::default();
        let token = Counted(dropped.clone());
        let task = here.then(task, move |n: u8| {
            let _token = &token;
            n + 1
        });
        let settler = go(move || resolver.resolve(7).unwrap());
        here.queue().run_pending();
        drop(here);
        assert_eq!(dropped.get(), 1, "here, in a turn or with the loop");
        settler.join().unwrap();
        match task.try_wait() {
            Ok(Ok(n)) => {
                assert_eq!(n, 8);
                "ran"
            }
            Ok(Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Rejected);
                "rejected"
            }
            Err(task) => {
                // The pool settles it.
                assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
                "rejected"
            }
        }
    });
}

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
