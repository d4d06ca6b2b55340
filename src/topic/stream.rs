//! A receiver as a stream, for async code.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use super::receiver::{Received, Receiver};

/// A stream of the values of a topic, with the feature `stream`; made by
/// [`Receiver::into_stream`].
///
/// It ends when the topic is closed and all values were taken. Dropping it unsubscribes. It needs
/// no runtime: any executor can poll it, and the thread that publishes wakes its task.
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use std::pin::Pin;
/// use fast_async::topic::{Overflow, ReceiverStream, Topic};
/// use futures_core::Stream;
///
/// async fn sum(mut numbers: ReceiverStream<u32>) -> u32 {
///     let mut sum = 0;
///     // With `StreamExt` of the crate `futures`: `numbers.next().await`.
///     while let Some(n) = poll_fn(|context| Pin::new(&mut numbers).poll_next(context)).await {
///         sum += *n;
///     }
///     sum
/// }
/// # let topic = Topic::new();
/// # let mut sum = std::pin::pin!(sum(topic.receiver(16, Overflow::Block).into_stream()));
/// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// # topic.publish(20)?;
/// # assert!(sum.as_mut().poll(&mut context).is_pending());
/// # topic.publish(22)?;
/// # drop(topic);
/// # assert_eq!(sum.as_mut().poll(&mut context), std::task::Poll::Ready(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a receiver unsubscribes it"]
pub struct ReceiverStream<T: Send + Sync + 'static>(Receiver<T>);

impl<T: Send + Sync + 'static> Receiver<T> {
    /// Makes a stream of the values, for async code, with the feature `stream`.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let stream = topic.receiver(16, Overflow::DropOldest).into_stream();
    /// topic.publish(7)?;
    /// assert_eq!(*stream.into_inner().recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_stream(self) -> ReceiverStream<T> {
        ReceiverStream(self)
    }
}

impl<T: Send + Sync + 'static> ReceiverStream<T> {
    /// Returns the receiver, for what it [has lost](Receiver::lost).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let stream = topic.receiver(1, Overflow::DropOldest).into_stream();
    /// topic.publish(7)?;
    /// topic.publish(8)?;
    /// assert_eq!(stream.get_ref().lost(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_ref(&self) -> &Receiver<T> {
        &self.0
    }

    /// Returns the receiver, with the values that were not taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::<u32>::new();
    /// let stream = topic.receiver(16, Overflow::Block).into_stream();
    /// let receiver = stream.into_inner();
    /// assert_eq!(receiver.pending(), 0);
    /// ```
    pub fn into_inner(self) -> Receiver<T> {
        self.0
    }
}

impl<T: Send + Sync + 'static> Stream for ReceiverStream<T> {
    type Item = Received<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Received<T>>> {
        self.get_mut().0.poll_recv(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.pending(), None)
    }
}

impl<T: Send + Sync + 'static> FusedStream for ReceiverStream<T> {
    fn is_terminated(&self) -> bool {
        self.0.is_over()
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for ReceiverStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReceiverStream").field(&self.0).finish()
    }
}
