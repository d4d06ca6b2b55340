//! A timer that is armed, taken back and fired while its thread comes and goes, and a time limit
//! against the outcome (Contract: T1, T2, T3, T4).

// The thread of the timers ends in each execution: a timed wait of a model always ends.

#[cfg(shuttle)]
use super::open;
use super::{Counted, Counter, explore, go};
use crate::sync::{Arc, AtomicBool, Duration, Ordering, Thread, thread};
use crate::timer::{Armed, Due, TimeSource};
#[cfg(shuttle)]
use crate::{CancelOutcome, ErrorKind, Pool};

const MOMENT: Duration = Duration::from_millis(1);

/// Wakes a thread when it is due.
struct Call {
    fired: Arc<AtomicBool>,
    thread: Thread,
    dropped: Counted,
}

/// A timer of the calling thread.
struct Timer {
    fired: Arc<AtomicBool>,
    dropped: Counter,
    armed: Armed,
}

impl Due for Call {
    fn fire(self: Box<Self>) {
        // It is called once.
        assert!(!self.fired.swap(true, Ordering::SeqCst));
        let thread = self.thread.clone();
        drop(self);
        thread.unpark();
    }

    fn refuse(self: Box<Self>) {
        drop(self.dropped);
        panic!("a checker refuses no thread");
    }
}

impl Timer {
    fn after(duration: Duration) -> Timer {
        let (fired, dropped) = (Arc::new(AtomicBool::new(false)), Counter::default());
        let call = Call {
            fired: fired.clone(),
            thread: thread::current(),
            dropped: Counted(dropped.clone()),
        };
        let time = TimeSource::System;
        let deadline = time.deadline_after(duration).expect("it comes");
        let armed = time.arm(deadline, Box::new(call));
        Timer {
            fired,
            dropped,
            armed: armed.expect("it is to come"),
        }
    }

    fn wait(&self) {
        while !self.fired.load(Ordering::SeqCst) {
            thread::current().park();
        }
    }

    /// Takes it back. False: it fires, or has fired.
    fn take_back(&self) -> bool {
        self.armed.disarm().is_some()
    }
}

/// The thread may end at any moment without a timer; a timer that is armed at that moment still
/// fires.
#[test]
fn one_that_is_armed_while_the_thread_ends_is_fired() {
    explore(&["fired"], || {
        let other = go(|| Timer::after(MOMENT).wait());
        Timer::after(MOMENT).wait();
        Timer::after(MOMENT).wait();
        other.join().unwrap();
        TimeSource::join_thread();
        "fired"
    });
}

#[test]
fn one_that_is_taken_back_has_fired_or_never_does() {
    explore(&["fired", "taken back"], || {
        let timer = Timer::after(MOMENT);
        // Its entry may be that of the first one, which is named by an old key.
        let other = go(|| Timer::after(MOMENT).wait());
        let is_taken_back = timer.take_back();
        other.join().unwrap();
        assert!(!timer.take_back());
        if !is_taken_back {
            timer.wait();
        }
        TimeSource::join_thread();
        if is_taken_back {
            assert!(!timer.fired.load(Ordering::SeqCst));
            assert_eq!(timer.dropped.get(), 1);
            "taken back"
        } else {
            assert_eq!(timer.dropped.get(), 1);
            "fired"
        }
    });
}

/// The outcome, the end of the limit and a cancel race at one task. Not under `loom`: with the pool
/// there are more threads than it supports.
#[cfg(shuttle)]
#[test]
fn a_limit_against_the_outcome_and_a_cancel() {
    explore(&["value", "timed out", "cancelled"], || {
        let (resolver, inner) = open();
        let dropped = Counter::default();
        let value = Counted(dropped.clone());
        let task = inner.timeout(MOMENT);
        let settler = go(move || resolver.resolve(value).is_ok());
        let cancelled = task.cancel();
        let is_settled = settler.join().unwrap();
        let end = match task.wait() {
            Ok(value) => {
                assert!(is_settled && cancelled == CancelOutcome::TooLate);
                drop(value);
                "value"
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                assert_eq!(cancelled, CancelOutcome::TooLate);
                "timed out"
            }
            Err(error) => {
                assert!(error.is_cancelled() && cancelled != CancelOutcome::TooLate);
                "cancelled"
            }
        };
        TimeSource::join_thread();
        Pool::close_global();
        // What came too late may be dropped by the pool, which has yet to end.
        assert!(dropped.get() <= 1);
        end
    });
}
