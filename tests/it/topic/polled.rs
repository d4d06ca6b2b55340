//! Receivers in async code: polled, and as streams.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use fast_async::topic::Receiver;

use crate::support::{Counted, Drops, block_on};

use super::{Log, Overflow, Topic, expected, reports, within};

/// Polls once, with a waker that counts.
fn poll(receiver: &mut Receiver<u32>, waker: &Arc<Counted>) -> Poll<Option<u32>> {
    let waker = Waker::from(waker.clone());
    let polled = receiver.poll_recv(&mut Context::from_waker(&waker));
    polled.map(|value| value.map(|it| *it))
}

// Contract: B12
#[test]
fn a_poll_takes_what_is_there_or_is_woken_by_the_next_value() {
    within(|| {
        let (topic, drops) = (Topic::new(), Drops::new());
        let mut receiver = topic.receiver(4, Overflow::Block);
        let (first, second) = (Counted::new(&drops), Counted::new(&drops));
        topic.publish(1).unwrap();
        assert_eq!(poll(&mut receiver, &first), Poll::Ready(Some(1)));
        assert_eq!(poll(&mut receiver, &first), Poll::Pending);
        // The latest waker counts.
        assert_eq!(poll(&mut receiver, &second), Poll::Pending);
        assert_eq!(Arc::strong_count(&first), 1, "the earlier one is dropped");
        topic.publish(2).unwrap();
        topic.publish(3).unwrap();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        assert_eq!(poll(&mut receiver, &second), Poll::Ready(Some(2)));
        assert_eq!(*receiver.recv().unwrap(), 3);

        // The end wakes, and stays the end.
        assert_eq!(poll(&mut receiver, &first), Poll::Pending);
        drop(topic);
        assert_eq!(first.wakes(), 1);
        for _ in 0..2 {
            assert_eq!(poll(&mut receiver, &first), Poll::Ready(None));
        }
    });
}

// Contract: B12
#[test]
fn a_waker_goes_with_its_receiver() {
    within(|| {
        let (topic, drops) = (Topic::new(), Drops::new());
        let mut receiver = topic.receiver(4, Overflow::Block);
        let waker = Counted::new(&drops);
        assert_eq!(poll(&mut receiver, &waker), Poll::Pending);
        drop(receiver);
        assert_eq!((waker.wakes(), Arc::strong_count(&waker)), (0, 1));
        // A thread that waits takes the place of a future.
        let mut receiver = topic.receiver(4, Overflow::Block);
        assert_eq!(poll(&mut receiver, &waker), Poll::Pending);
        let own = topic.clone();
        let publisher = thread::spawn(move || own.publish(1).unwrap());
        assert_eq!(*receiver.recv().unwrap(), 1);
        publisher.join().unwrap();
        assert_eq!(Arc::strong_count(&waker), 1);
    });
}

// Contract: B3, B12
#[test]
fn a_future_and_a_publisher_that_waits_for_room_go_on_in_turns() {
    within(|| {
        let topic = Topic::new();
        let mut receiver = topic.receiver(2, Overflow::Block);
        let publisher = thread::spawn(move || (0..300_u32).all(|n| topic.publish(n).is_ok()));
        let sum = async move {
            let mut sum = 0;
            while let Some(n) = poll_fn(|context| receiver.poll_recv(context)).await {
                sum += *n;
            }
            sum
        };
        assert_eq!(block_on(sum), 44_850);
        assert!(publisher.join().unwrap());
    });
}

/// Uses the topic, and may panic.
struct Rude(Topic<u32>, Log<u32>);

impl Wake for Rude {
    fn wake(self: Arc<Self>) {
        self.1.push(self.0.subscribers() as u32);
        let mut own = self.0.receiver(1, Overflow::Fail);
        self.0.publish(2).unwrap();
        self.1.push(*own.recv().unwrap());
        expected("a waker of a topic");
    }
}

// Contract: B2, B12
#[test]
fn a_waker_may_use_the_topic_and_panic() {
    within(|| {
        let (topic, log) = (Topic::new(), Log::new());
        let mut receiver = topic.receiver(4, Overflow::Block);
        let waker = Waker::from(Arc::new(Rude(topic.clone(), log.clone())));
        let polled = receiver.poll_recv(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(waker);
        assert_eq!(topic.publish(1).unwrap(), 1);
        assert_eq!(log.take(), [1, 2]);
        assert_eq!(reports("a waker of a topic"), 1);
        let got: Vec<u32> = std::iter::from_fn(|| receiver.try_recv().map(|it| *it)).collect();
        assert_eq!(got, [1, 2]);
    });
}

#[cfg(feature = "stream")]
mod streamed {
    use std::pin::Pin;

    use futures_core::{FusedStream, Stream};

    use super::*;

    // Contract: B4, B12
    #[test]
    fn a_receiver_is_a_stream_that_ends_with_the_topic() {
        within(|| {
            let topic = Topic::new();
            let mut stream = topic.receiver(2, Overflow::DropOldest).into_stream();
            for n in 0..5_u32 {
                topic.publish(n).unwrap();
            }
            assert_eq!(stream.size_hint(), (2, None));
            assert_eq!(stream.get_ref().lost(), 3);
            drop(topic);
            let all = async move {
                let mut all = Vec::new();
                while let Some(item) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
                    all.push((item.seq(), *item));
                }
                (all, stream)
            };
            let (all, stream) = block_on(all);
            assert_eq!(all, [(3, 3), (4, 4)]);
            assert!(stream.is_terminated());
            assert!(stream.into_inner().next().is_none());
        });
    }

    // Contract: B12
    #[test]
    fn it_is_not_over_while_values_may_come() {
        within(|| {
            let topic = Topic::new();
            let stream = topic.receiver(2, Overflow::Block).into_stream();
            topic.publish(1).unwrap();
            assert!(!stream.is_terminated());
            topic.close();
            assert!(!stream.is_terminated(), "a value is there");
            assert_eq!(*stream.into_inner().recv().unwrap(), 1);
        });
    }
}
