//! Loops of one thread: closures that stay there when any thread cancels their task (Contract: D6),
//! and waits of that thread.

use super::{Counted, Counter, explore, go, open};
use crate::loop_queue::{LocalLoop, StateQueue};
#[cfg(shuttle)]
use crate::{ErrorKind, Pool};
use crate::{Executor, Job};

#[test]
fn a_cancelled_local_closure_is_dropped_by_a_run_of_the_loop() {
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

/// The closure is called in the turn or dropped with the loop, on this thread, and its task is
/// settled either way. Another handle of the queue is left. Not under `loom`: that the closure runs
/// takes more preemptions than its bound.
#[cfg(shuttle)]
#[test]
fn a_local_closure_meets_the_end_of_its_loop() {
    explore(&["ran", "rejected"], || {
        let here = LocalLoop::new();
        let _queue = here.queue().clone();
        let (resolver, task) = open::<u8>();
        let dropped = Counter::default();
        let token = Counted(dropped.clone());
        let task = here.then(task, move |n| {
            let _token = &token;
            n + 1
        });
        let rival = go(move || resolver.resolve(7).unwrap());
        here.queue().run_pending();
        drop(here);
        assert_eq!(dropped.get(), 1);
        let outcome = task.wait();
        rival.join().unwrap();
        // A task that is rejected fails there.
        Pool::close_global();
        match outcome.map_err(|error| error.kind()) {
            Ok(8) => "ran",
            Err(ErrorKind::Rejected) => "rejected",
            other => panic!("{other:?}"),
        }
    });
}

/// An executor passes a job on to the loop while the loop's thread waits for that job, or is about
/// to: the job runs in the wait (Contract: W1).
#[test]
fn a_job_that_is_passed_on_meets_the_wait_of_its_loops_thread() {
    explore(&["done"], || {
        let here = LocalLoop::new();
        let queue = here.queue().clone();
        let passes_on = move |job: Job| queue.execute(job);
        let (resolver, task) = open::<u8>();
        let task = task.on(&passes_on).then(|n| n + 1);
        let rival = go(move || resolver.resolve(7).unwrap());
        assert_eq!(task.wait().unwrap(), 8);
        rival.join().unwrap();
        "done"
    });
}

/// The closure of an element returns a task that is sent to the loop whose thread reads, or is
/// about to: the runner that has served it leaves, and the task runs in the wait (Contract: W1).
/// Two elements may run at once, so that the reader does not know which it waits for.
#[cfg(shuttle)]
#[test]
fn a_reader_meets_an_element_that_is_sent_to_its_loop() {
    explore(&["done"], || {
        let here = LocalLoop::new();
        let queue = here.queue().clone();
        let pool = super::pool::pool(1, 1);
        let sent = move |n: u8| crate::Task::ready(n).on(&queue).then(|n| n + 1);
        let mut results = pool.map_unordered(0..1, 2, sent);
        assert_eq!(results.next().unwrap().unwrap(), 1);
        assert!(results.next().is_none());
        drop(results);
        super::pool::close(&pool);
        "done"
    });
}

/// Another thread runs the plain queue of a state while the owner of the state waits: whichever of
/// them takes the job up, the closure is called with the state (Contract: L1).
#[test]
fn a_delivery_that_another_thread_takes_up_wakes_the_owner() {
    explore(&["done"], || {
        let queue = StateQueue::<u8>::new();
        let (resolver, task) = open::<u8>();
        let task = task.deliver(&queue, |sum, n| *sum += n);
        let plain = queue.queue().clone();
        let other = go(move || {
            resolver.resolve(7).unwrap();
            plain.run_pending();
        });
        let mut sum = 0;
        queue.run_until(&mut sum, task).unwrap();
        assert_eq!(sum, 7);
        other.join().unwrap();
        "done"
    });
}
