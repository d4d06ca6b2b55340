//! Wakers are foreign code: what they may do, and whom they may delay.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use fast_async::topic::{Receiver, Topics, Watch};
use fast_async::{LoopQueue, deferred};
use parking_lot::Mutex;

use super::{Log, Overflow, Topic, expected, logging, reports, within};

/// Does this once, when it wakes.
struct Deed(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Deed {
    fn wake(self: Arc<Self>) {
        let deed = self.0.lock().take();
        if let Some(deed) = deed {
            deed();
        }
    }
}

/// Polls, finds nothing, and leaves a waker that does this.
fn leave<T: Send + Sync>(receiver: &mut Receiver<T>, deed: impl FnOnce() + Send + 'static) {
    let waker = Waker::from(Arc::new(Deed(Mutex::new(Some(Box::new(deed))))));
    assert!(
        receiver
            .poll_recv(&mut Context::from_waker(&waker))
            .is_pending()
    );
}

fn all<T: Copy + Send + Sync>(receiver: &mut Receiver<T>) -> Vec<T> {
    std::iter::from_fn(|| receiver.try_recv().map(|it| *it)).collect()
}

// Contract: B2, B12
#[test]
fn a_panic_of_a_waker_is_reported_and_stops_no_other() {
    within(|| {
        let topic = Topic::new();
        let mut receivers = [(); 3].map(|()| topic.receiver(4, Overflow::Block));
        let woken = Log::new();
        for (number, receiver) in (0..).zip(&mut receivers) {
            let own = woken.clone();
            leave(receiver, move || {
                own.push(number);
                expected("one of three wakers of a topic");
            });
        }
        let (window, log) = (LoopQueue::new(), logging(&topic));
        let own = woken.clone();
        topic.on(&window).subscribe(move |_| own.push(9));
        assert_eq!(topic.publish(1_u32), Ok(5));
        assert_eq!(log.take(), [1]);
        window.run_pending();
        assert_eq!(woken.take(), [0, 1, 2, 9]);
        assert_eq!(reports("one of three wakers of a topic"), 3);
        for receiver in &mut receivers {
            assert_eq!(all(receiver), [1]);
        }
        // At the end too, and in a receiver that is dropped.
        leave(&mut receivers[0], || expected("a waker at the end"));
        topic.close();
        assert_eq!(reports("a waker at the end"), 1);
        assert!(receivers[0].next().is_none());
    });
}

// Contract: B1, B12
#[test]
fn a_waker_may_publish_subscribe_and_leave() {
    within(|| {
        let topic = Topic::new();
        let (log, late) = (logging(&topic), Log::new());
        let mut receiver = topic.receiver(4, Overflow::Block);
        let (own, seen) = (topic.clone(), late.clone());
        let other = topic.receiver(4, Overflow::Block);
        leave(&mut receiver, move || {
            drop(other);
            own.subscribe(move |n| seen.push(*n));
            own.publish(2_u32).unwrap();
        });
        topic.publish(1).unwrap();
        assert_eq!(log.take(), [1, 2]);
        assert_eq!(late.take(), [2], "1 was in progress");
        assert_eq!(all(&mut receiver), [1, 2]);
        assert_eq!(topic.subscribers(), 3);
    });
}

// Contract: B3, B12
#[test]
fn a_waker_that_waits_delays_no_other() {
    within(|| {
        let topic = Topic::new();
        let (by_callback, called) = deferred();
        let (by_waker, woken) = deferred();
        let [mut first, mut second] = [(); 2].map(|()| topic.receiver(4, Overflow::Block));
        leave(&mut first, move || {
            called.wait().unwrap();
            woken.wait().unwrap();
        });
        leave(&mut second, move || by_waker.resolve(()).unwrap());
        let mut by_callback = Some(by_callback);
        topic.subscribe(move |_| {
            if let Some(resolver) = by_callback.take() {
                resolver.resolve(()).unwrap();
            }
        });
        topic.publish(1_u32).unwrap();
        // And one that waits for the callbacks to return.
        let log = logging(&topic);
        let (own, seen) = (topic.clone(), Log::new());
        let told = seen.clone();
        assert_eq!((all(&mut first), all(&mut second)), (vec![1], vec![1]));
        leave(&mut first, move || {
            own.flush().wait().unwrap();
            told.push(log.take());
        });
        topic.publish(2).unwrap();
        assert_eq!(seen.take(), [[2]]);
    });
}

// Contract: B5, B12
#[test]
fn a_waker_may_drop_the_last_handle() {
    within(|| {
        let (from, to) = (Topic::new(), Topic::new());
        from.pipe(&to);
        let log = logging(&to);
        let mut receiver = to.receiver(4, Overflow::Block);
        leave(&mut receiver, move || drop(to));
        from.publish(1).unwrap();
        assert_eq!(log.take(), [1]);
        assert_eq!(all(&mut receiver), [1]);
        let polled = receiver.poll_recv(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(None)));
    });
}

// Contract: B8, B10, B12
#[test]
fn wakers_of_a_watch_and_of_subjects_may_do_so_too() {
    within(|| {
        let watch = Watch::new(1);
        let mut receiver = watch.receiver();
        assert_eq!(all(&mut receiver), [1]);
        let own = watch.clone();
        leave(&mut receiver, move || {
            own.set(3).unwrap();
            expected("a waker of a watch");
        });
        watch.set(2).unwrap();
        assert_eq!((all(&mut receiver), *watch.get()), (vec![3], 3));
        assert_eq!(reports("a waker of a watch"), 1);

        let topics = Topics::new();
        let [mut one, mut all] =
            ["a.b", "a.>"].map(|it| topics.topic(it).unwrap().receiver(4, Overflow::Block));
        let own = topics.clone();
        leave(&mut one, move || {
            own.publish("a.c", 2).unwrap();
            expected("a waker of subjects");
        });
        topics.publish("a.b", 1).unwrap();
        let got = std::iter::from_fn(|| all.try_recv().map(|it| **it));
        assert_eq!(got.collect::<Vec<_>>(), [1, 2]);
        assert_eq!(reports("a waker of subjects"), 1);
        assert!(one.try_recv().is_some_and(|it| **it == 1));
    });
}

#[cfg(feature = "stream")]
// Contract: B12
#[test]
fn a_waker_of_a_stream_may_panic() {
    use futures_core::Stream;
    within(|| {
        let topic = Topic::new();
        let mut stream = topic.receiver(4, Overflow::Block).into_stream();
        let deed: Box<dyn FnOnce() + Send> = Box::new(|| expected("a waker of a stream"));
        let waker = Waker::from(Arc::new(Deed(Mutex::new(Some(deed)))));
        let mut context = Context::from_waker(&waker);
        assert!(
            std::pin::Pin::new(&mut stream)
                .poll_next(&mut context)
                .is_pending()
        );
        topic.publish(1).unwrap();
        assert_eq!(reports("a waker of a stream"), 1);
        assert_eq!(*stream.into_inner().recv().unwrap(), 1);
    });
}
