//! Closing, and what comes at the end.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use fast_async::{ErrorKind, LoopQueue};

use crate::support::Drops;

use super::{Gate, Log, Overflow, PublishError, Topic, logging, within};

// Case: 188
// Contract: B5
#[test]
fn buffered_values_come_first_then_the_end() {
    within(|| {
        let topic = Topic::new();
        let mut receiver = topic.receiver(4, Overflow::Block);
        let window = LoopQueue::new();
        let (log, drops) = (Log::new(), Drops::new());
        let (own, token) = (log.clone(), drops.token());
        topic.on(&window).subscribe(move |n: &u32| {
            token.hold();
            own.push(*n);
        });
        let token = drops.token();
        topic.subscribe(move |_| token.hold());
        topic.publish(1).unwrap();
        topic.publish(2).unwrap();
        let next = topic.next();
        topic.close();
        topic.close();
        assert_eq!(next.wait().unwrap_err().kind(), ErrorKind::Abandoned);
        assert_eq!(drops.count(), 1, "the callback without a buffer is gone");
        assert_eq!(topic.publish(3), Err(PublishError::Closed(3)));
        assert_eq!(topic.subscribers(), 0);

        assert_eq!(*receiver.recv().unwrap(), 1);
        assert_eq!(*receiver.recv_timeout(Duration::ZERO).unwrap(), 2);
        assert_eq!(receiver.recv().unwrap_err().kind(), ErrorKind::Abandoned);
        assert!(receiver.try_recv().is_none() && receiver.next().is_none());

        window.run_pending();
        window.run_pending();
        assert_eq!(log.take(), [1, 2]);
        assert_eq!(drops.count(), 2);
    });
}

// Contract: B5
#[test]
fn what_comes_after_the_end_ends_at_once() {
    within(|| {
        let (topic, drops) = (Topic::<u32>::new(), Drops::new());
        topic.close();
        let token = drops.token();
        assert!(!topic.subscribe(move |_| token.hold()).unsubscribe());
        assert_eq!(drops.count(), 1);
        let token = drops.token();
        let buffered = topic.buffer(1, Overflow::Block);
        buffered.subscribe(move |_| token.hold());
        drops.wait_for(2);
        assert!(topic.next().wait().is_err());
        assert!(topic.receiver(1, Overflow::Fail).next().is_none());
        topic.flush().wait().unwrap();
    });
}

// Contract: B5
#[test]
fn a_close_during_a_delivery_waits_for_what_is_queued() {
    within(|| {
        let topic = Topic::new();
        let own = topic.clone();
        let (tell, told) = mpsc::channel();
        topic.subscribe(move |n: &u32| {
            if *n == 1 {
                tell.send(own.next_where(|n| *n == 3)).unwrap();
                for n in [2, 3] {
                    own.publish(n).unwrap();
                }
                own.close();
                assert_eq!(own.publish(4), Err(PublishError::Closed(4)));
            }
        });
        let log = logging(&topic);
        topic.publish(1).unwrap();
        assert_eq!(log.take(), [1, 2, 3]);
        assert_eq!(*told.recv().unwrap().wait().unwrap(), 3);
    });
}

// Contract: B5
#[test]
fn a_flush_after_the_end_waits_for_what_is_buffered() {
    within(|| {
        let topic = Topic::new().replay(1);
        let (window, log) = (LoopQueue::new(), Log::new());
        let own = log.clone();
        topic.on(&window).subscribe(move |n: &u32| own.push(*n));
        topic.publish(1).unwrap();
        topic.close();
        // One that comes late gets what is replayed.
        let own = log.clone();
        topic.on(&window).subscribe(move |n| own.push(10 * n));
        let flush = topic.flush();
        assert!(!flush.is_settled());
        while window.run_pending() > 0 {}
        flush.wait().unwrap();
        assert_eq!(log.take(), [1, 10]);
        assert!(topic.flush().is_settled());
    });
}

// Contract: B5
#[test]
fn the_last_handle_closes_it() {
    within(|| {
        let topic = Topic::new();
        let mut receiver = topic.receiver(4, Overflow::Block);
        let next = topic.next_where(|n| *n == 2);
        let other = topic.clone();
        drop(topic);
        assert!(!other.is_closed());
        other.publish(1).unwrap();
        drop(other);
        assert_eq!(next.wait().unwrap_err().kind(), ErrorKind::Abandoned);
        assert_eq!(receiver.by_ref().map(|it| *it).collect::<Vec<u32>>(), [1]);
        assert!(receiver.next().is_none());
    });
}

// Case: 189
// Contract: B5
#[test]
fn it_does_not_end_because_its_receivers_left() {
    within(|| {
        let topic = Topic::new();
        drop(topic.receiver(1, Overflow::Block));
        topic.subscribe(|_| ()).unsubscribe();
        assert_eq!(topic.publish(1).unwrap(), 0);
        assert_eq!(topic.publish(2).unwrap(), 0);
        let mut receiver = topic.receiver(1, Overflow::Block);
        topic.publish(3).unwrap();
        let got = receiver.recv().unwrap();
        assert_eq!((*got, got.seq()), (3, 2));
    });
}

// Contract: B5
#[test]
fn a_close_wakes_who_waits() {
    within(|| {
        let topic = Topic::<u32>::new();
        let mut receiver = topic.receiver(1, Overflow::Block);
        let ready = Gate::new();
        let waits = ready.clone();
        let reader = thread::spawn(move || {
            assert!(receiver.recv_timeout(Duration::ZERO).is_err());
            waits.open();
            receiver.recv().unwrap_err().kind()
        });
        ready.pass();
        topic.close();
        assert_eq!(reader.join().unwrap(), ErrorKind::Abandoned);
    });
}

// Contract: B5
#[test]
fn a_handle_that_goes_with_its_own_callback_is_no_trouble() {
    within(|| {
        let topic = Topic::new();
        let (own, log) = (topic.clone(), Log::new());
        let seen = log.clone();
        let mut own = Some(own);
        topic.subscribe(move |n: &u32| {
            seen.push(*n);
            // The last handle but the one that publishes.
            own.take();
        });
        let (tell, told) = mpsc::channel();
        let keeps = Arc::new(());
        let weak = Arc::downgrade(&keeps);
        topic.subscribe(move |_| {
            let _ = (&keeps, tell.send(()));
        });
        topic.publish(1).unwrap();
        drop(topic);
        assert_eq!(log.take(), [1]);
        assert!(told.try_recv().is_ok() && told.try_recv().is_err());
        assert!(weak.upgrade().is_none(), "all is dropped");
    });
}
