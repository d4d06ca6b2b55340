//! A future that is woken, cancelled or given up while a pool polls it (Contract: A1, A2).

use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

use super::pool::pool;
use super::{Counted, Counter, explore, go};
use crate::sync::{Arc, Mutex};
use crate::{CancelOutcome, CancelToken, ErrorKind, Pool, Task, deferred};

/// A wake-up before, in and after the poll that registers for it.
#[test]
fn a_wake_up_brings_another_poll() {
    explore(&["ready at once", "woken"], || {
        let pool = pool(1, 1);
        let (resolver, reply) = deferred();
        let polls = Counter::default();
        let count = polls.clone();
        let mut reply = Box::pin(reply);
        let task = pool.spawn_future(poll_fn(move |context| {
            count.up();
            reply.as_mut().poll(context).map(Result::unwrap)
        }));
        let waker = go(move || resolver.resolve(7).unwrap());
        assert_eq!(task.wait().unwrap(), 7);
        waker.join().unwrap();
        match polls.get() {
            1 => "ready at once",
            2 => "woken",
            polls => panic!("{polls} polls"),
        }
    });
}

/// What a future leaves for the thread that wakes it.
#[derive(Default)]
struct Slot {
    waker: Option<Waker>,
    is_done: bool,
}

/// Two wake-ups, of which one may be for the last poll.
#[test]
fn two_wake_ups_bring_no_poll_too_many() {
    explore(&["1 poll", "2 polls", "3 polls"], || {
        let pool = pool(1, 1);
        let (slot, polls) = (Arc::new(Mutex::new(Slot::default())), Counter::default());
        let (own, count) = (slot.clone(), polls.clone());
        let task = pool.spawn_future(poll_fn(move |context| {
            count.up();
            let mut slot = own.lock();
            let before = slot.waker.replace(context.waker().clone());
            let is_done = slot.is_done;
            drop(slot);
            drop(before);
            match is_done {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
        let rival = go(move || {
            // Without a cause, and with one.
            for is_done in [false, true] {
                let mut slot = slot.lock();
                slot.is_done = is_done;
                let waker = slot.waker.clone();
                drop(slot);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        });
        task.wait().unwrap();
        rival.join().unwrap();
        match polls.get() {
            1 => "1 poll",
            2 => "2 polls",
            3 => "3 polls",
            polls => panic!("{polls} polls"),
        }
    });
}

/// The future is dropped once, and `stopped` waits for that.
#[test]
fn a_cancel_drops_the_future_once() {
    explore(&["prevented", "signalled", "too late"], || {
        let pool = pool(1, 1);
        let drops = Counter::default();
        let counted = Counted(drops.clone());
        let mut polls = 0;
        let task = pool.spawn_future(poll_fn(move |context| {
            let _ = &counted;
            polls += 1;
            if polls == 2 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        let outcome = task.cancel();
        task.stopped().wait().unwrap();
        assert_eq!(drops.get(), 1);
        let is_cancelled = task.wait().is_err();
        match outcome {
            CancelOutcome::Prevented if is_cancelled => "prevented",
            CancelOutcome::Signalled if is_cancelled => "signalled",
            CancelOutcome::TooLate if !is_cancelled => "too late",
            other => panic!("{other:?}"),
        }
    });
}

/// A cancel meets the end of a poll. The waker is kept, so nothing but the cancel drops the future.
#[test]
fn a_cancel_drops_a_future_whose_waker_is_kept() {
    explore(&["in the poll", "after it"], || {
        let pool = pool(1, 1);
        let slot = Arc::new(Mutex::new(Slot::default()));
        let drops = Counter::default();
        let (own, counted) = (slot.clone(), Counted(drops.clone()));
        let (tell, told) = deferred();
        let mut tell = Some(tell);
        let task = pool.spawn_future(poll_fn(move |context| {
            let _ = &counted;
            own.lock().waker = Some(context.waker().clone());
            if let Some(tell) = tell.take() {
                tell.resolve(()).unwrap();
            }
            Poll::<()>::Pending
        }));
        told.wait().unwrap();
        let outcome = task.cancel();
        task.stopped().wait().unwrap();
        assert_eq!(drops.get(), 1);
        drop(slot);
        match outcome {
            CancelOutcome::Signalled => "in the poll",
            CancelOutcome::Prevented => "after it",
            CancelOutcome::TooLate => panic!("it is pending"),
        }
    });
}

/// The last waker is dropped while the poll ends, or after it.
#[test]
fn a_future_without_a_waker_is_given_up() {
    explore(&["abandoned"], || {
        let pool = pool(1, 1);
        let slot = Arc::new(Mutex::new(Slot::default()));
        let drops = Counter::default();
        let (own, counted) = (slot.clone(), Counted(drops.clone()));
        let (tell, told) = deferred();
        let mut tell = Some(tell);
        let task = pool.spawn_future(poll_fn(move |context| {
            let _ = &counted;
            own.lock().waker = Some(context.waker().clone());
            if let Some(tell) = tell.take() {
                tell.resolve(()).unwrap();
            }
            Poll::<()>::Pending
        }));
        told.wait().unwrap();
        let waker = slot.lock().waker.take();
        drop(waker);
        let error = task.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Abandoned);
        assert_eq!(drops.get(), 1);
        "abandoned"
    });
}

/// A future is cancelled while it is queued in a pool with a limit.
#[test]
fn a_cancel_meets_the_queueing_of_a_future() {
    explore(&["cancelled", "polled"], || {
        let builder = Pool::builder().core_threads(1).max_threads(1);
        let pool = builder.queue_limit(1).build().expect("neither is 0");
        let token = CancelToken::new();
        let raised = token.clone();
        let raising = go(move || raised.cancel());
        let builder = Task::builder().pool(&pool).cancel_token(&token);
        let task = builder.spawn_future(async {});
        assert!(raising.join().unwrap());
        let end = match task.wait() {
            Ok(()) => "polled",
            Err(_) => "cancelled",
        };
        // The pool's thread may be giving the place back yet. If it is lost, this does not return.
        pool.spawn(|| ()).wait().unwrap();
        assert_eq!(pool.try_acquire_place(), Some(true), "it is lost");
        assert_eq!(pool.try_acquire_place(), None, "there is one more");
        pool.release_place();
        end
    });
}
