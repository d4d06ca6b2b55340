//! A topic whose publishers, subscribers, timers and end meet.
//!
//! Contract: B1, B2, B3, B5, B7, B11, B12.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{Counter, Log, explore, go, reports};
use crate::sync::{Arc, Thread, ThreadId, thread, thread_id};
use crate::topic::{Overflow, Topic};

/// Subscribes a callback that writes what it gets into the log.
fn logging(topic: &Topic<u8>) -> Log<u8> {
    let log = Log::new();
    let own = log.clone();
    topic.subscribe(move |n: &u8| own.add(*n));
    log
}

/// Publishes these on a thread of its own, which returns how many the topic has taken.
fn publishing(topic: &Topic<u8>, values: &'static [u8]) -> crate::sync::JoinHandle<usize> {
    let own = topic.clone();
    go(move || values.iter().filter(|n| own.publish(**n).is_ok()).count())
}

#[test]
fn two_that_publish_have_one_order_for_all() {
    explore(&["first", "last"], || {
        let topic = Topic::new();
        let (one, two) = (logging(&topic), logging(&topic));
        let other = publishing(&topic, &[2]);
        assert_eq!(topic.publish(1), Ok(2));
        assert_eq!(other.join().unwrap(), 1);
        let got = one.take();
        assert_eq!(got, two.take());
        match got[..] {
            [1, 2] => "first",
            [2, 1] => "last",
            _ => panic!("{got:?}"),
        }
    });
}

#[test]
fn one_that_subscribes_gets_what_is_published_afterwards() {
    explore(&["not the other's", "before", "after"], || {
        let topic = Topic::new();
        topic.subscribe(|_| ());
        let other = publishing(&topic, &[1]);
        topic.publish(2).unwrap();
        let log = logging(&topic);
        topic.publish(3).unwrap();
        other.join().unwrap();
        let got = log.take();
        match got[..] {
            [3] => "not the other's",
            [1, 3] => "before",
            [3, 1] => "after",
            _ => panic!("{got:?}"),
        }
    });
}

#[test]
fn no_call_begins_after_an_unsubscribe() {
    explore(&["called", "prevented", "met"], || {
        let topic = Topic::new();
        let (calls, is_gone) = (Counter::default(), Arc::new(AtomicBool::new(false)));
        let (count, gone) = (calls.clone(), is_gone.clone());
        let subscription = topic.subscribe(move |_| {
            assert!(!gone.load(Ordering::SeqCst));
            count.up();
        });
        let other = publishing(&topic, &[1]);
        let is_idle = subscription.unsubscribe();
        is_gone.store(is_idle, Ordering::SeqCst);
        other.join().unwrap();
        // It is in no list any more.
        assert_eq!(topic.publish(2), Ok(0));
        match (is_idle, calls.get()) {
            (true, 0) => "prevented",
            (true, 1) => "called",
            (false, 1) => "met",
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn what_a_topic_takes_before_it_is_closed_is_delivered() {
    explore(&["none", "one", "both"], || {
        let topic = Topic::new();
        let log = logging(&topic);
        let mut receiver = topic.receiver(8, Overflow::Fail);
        let other = publishing(&topic, &[1]);
        let own = topic.clone();
        let closer = go(move || own.close());
        let taken = usize::from(topic.publish(2).is_ok()) + other.join().unwrap();
        closer.join().unwrap();
        let received: Vec<u8> = receiver.by_ref().map(|it| *it).collect();
        assert_eq!(received, log.take());
        assert_eq!(received.len(), taken);
        ["none", "one", "both"][taken]
    });
}

#[test]
fn a_replay_has_no_gap_and_nothing_twice() {
    explore(&["early", "between", "late"], || {
        let topic = Topic::new().replay(1);
        topic.publish(0).unwrap();
        let other = publishing(&topic, &[1, 2]);
        let receiver = topic.receiver(8, Overflow::Fail);
        other.join().unwrap();
        topic.close();
        let got: Vec<u8> = receiver.map(|it| *it).collect();
        match got[..] {
            [0, 1, 2] => "early",
            [1, 2] => "between",
            [2] => "late",
            _ => panic!("{got:?}"),
        }
    });
}

#[test]
fn a_publisher_that_waits_for_room_goes_on() {
    explore(&["all"], || {
        let reports = reports();
        let topic = Topic::new();
        let receiver = topic.receiver(1, Overflow::Block);
        let other = publishing(&topic, &[1, 2, 3]);
        drop(topic);
        let got: Vec<u8> = receiver.map(|it| *it).collect();
        assert_eq!(got, [1, 2, 3]);
        assert_eq!(other.join().unwrap(), 3);
        assert_eq!(reports.get(), 0, "no wait is reported");
        "all"
    });
}

/// A value that is displaced waits, as it is dropped, until a reader has the value that displaces
/// it.
#[test]
fn a_displaced_value_waits_for_a_reader() {
    explore(&["done"], || {
        struct Waits(Option<crate::SharedTask<()>>);
        impl Drop for Waits {
            fn drop(&mut self) {
                if let Some(told) = &self.0 {
                    told.wait().unwrap();
                }
            }
        }
        let topic = Topic::new();
        let (tell, told) = super::open();
        let full = topic.receiver(1, Overflow::DropOldest);
        topic.publish(Waits(Some(told.share()))).ok().unwrap();
        let mut reader = topic.receiver(1, Overflow::Block);
        let reading = go(move || {
            let value = reader.recv();
            tell.resolve(()).unwrap();
            value.is_ok()
        });
        topic.publish(Waits(None)).ok().unwrap();
        assert!(reading.join().unwrap());
        drop(full);
        "done"
    });
}

/// Says which thread drops it.
struct Tells(Log<ThreadId>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.add(thread_id());
    }
}

#[test]
fn the_last_handle_ends_it_after_what_was_published() {
    explore(&["here", "there"], || {
        let (topic, ended) = (Topic::new(), Log::new());
        let log = logging(&topic);
        let tells = Tells(ended.clone());
        topic.subscribe(move |_| {
            let _ = &tells;
        });
        let receiver = topic.receiver(8, Overflow::Fail);
        let other = publishing(&topic, &[1]);
        topic.publish(2).unwrap();
        drop(topic);
        let mut got: Vec<u8> = receiver.map(|it| *it).collect();
        assert_eq!(other.join().unwrap(), 1);
        assert_eq!(got, log.take());
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        match ended.take()[..] {
            [by] if by == thread_id() => "here",
            [_] => "there",
            _ => panic!("the callbacks are dropped with the topic, once"),
        }
    });
}

/// Wakes a thread that polls.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_poll_that_finds_nothing_is_woken() {
    explore(&["at once", "woken"], || {
        let topic = Topic::new();
        let mut receiver = topic.receiver(8, Overflow::Fail);
        let other = publishing(&topic, &[1]);
        drop(topic);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let (mut got, mut end) = (Vec::new(), "at once");
        loop {
            match receiver.poll_recv(&mut Context::from_waker(&waker)) {
                Poll::Ready(Some(value)) => got.push(*value),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    end = "woken";
                    thread::current().park();
                }
            }
        }
        assert_eq!(got, [1]);
        assert_eq!(other.join().unwrap(), 1);
        end
    });
}

/// The time of a value and the end of the source meet. Not under `loom`: with the timers and the
/// pool there are more threads than it supports.
#[cfg(shuttle)]
#[test]
fn a_throttle_keeps_the_order_and_loses_no_last_value() {
    use crate::Pool;
    use crate::sync::Duration;
    use crate::timer::TimeSource;

    explore(&["merged", "each"], || {
        let topic = Topic::new();
        let throttled = topic.throttle(Duration::from_millis(1));
        let receiver = throttled.receiver(8, Overflow::Fail);
        let other = publishing(&topic, &[1, 2, 3]);
        drop(topic);
        let got: Vec<u8> = receiver.map(|it| *it).collect();
        assert_eq!(other.join().unwrap(), 3);
        TimeSource::join_thread();
        Pool::close_global();
        match got[..] {
            [1, 3] => "merged",
            [1, 2, 3] => "each",
            _ => panic!("{got:?}"),
        }
    });
}
