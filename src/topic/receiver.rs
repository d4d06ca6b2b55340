//! `Receiver`: a subscriber that takes the values of a topic when it chooses.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::task::{Context, Poll};

use super::buffer::{Buffer, Taken};
use crate::error::{At, ErrorKind, TaskError};
use crate::limits::REFUSAL_PAUSE;
use crate::sync::{Arc, Duration, Instant, deadline_after};
use crate::{drop_queue, unhandled};

/// Takes the values of a topic when it chooses; see [`Topic::receiver`](super::Topic::receiver).
///
/// It has its own buffer, so it delays no other subscriber. As an iterator it blocks until the next
/// value is there, and ends when the topic is closed and the buffer is empty. Dropping it
/// unsubscribes.
///
/// # Examples
///
/// ```
/// use fast_async::topic::{Overflow, Topic};
///
/// let topic = Topic::new();
/// let receiver = topic.receiver(2, Overflow::DropOldest);
/// for n in 1..=5 {
///     topic.publish(n)?;
/// }
/// topic.close();
/// assert_eq!(receiver.lost(), 3);
/// let got: Vec<_> = receiver.map(|item| (item.seq(), *item)).collect();
/// assert_eq!(got, [(3, 4), (4, 5)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a receiver unsubscribes it"]
pub struct Receiver<T: Send + Sync + 'static>(Arc<Buffer<T>>);

impl<T: Send + Sync + 'static> Receiver<T> {
    pub(super) fn new(buffer: Arc<Buffer<T>>) -> Receiver<T> {
        Receiver(buffer)
    }

    /// Blocks until a value is there, and takes it.
    ///
    /// May be called anywhere, inside tasks too: the pool stays live.
    ///
    /// # Errors
    ///
    /// One of kind [`Abandoned`](ErrorKind::Abandoned) when the topic is closed and all values were
    /// taken. One of kind [`Rejected`](ErrorKind::Rejected) where [`Task::wait`](crate::Task::wait)
    /// fails so; nothing is lost then.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let mut receiver = topic.receiver(16, Overflow::Block);
    /// fast_async::spawn(move || topic.publish("now").is_ok()).detach();
    /// assert_eq!(*receiver.recv()?, "now");
    /// // The last handle of the topic is gone with the closure.
    /// assert!(receiver.recv().is_err());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    #[track_caller]
    pub fn recv(&mut self) -> Result<Received<T>, TaskError> {
        self.recv_until(None, Location::caller())
    }

    /// Blocks until a value is there or `timeout` is over.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Receiver::recv); or one of kind [`TimedOut`](ErrorKind::TimedOut).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::ErrorKind;
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::<u32>::new();
    /// let mut receiver = topic.receiver(16, Overflow::Block);
    /// let error = receiver.recv_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// ```
    #[track_caller]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received<T>, TaskError> {
        self.recv_until(deadline_after(timeout), Location::caller())
    }

    /// Takes a value if one is there; does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let mut receiver = topic.receiver(16, Overflow::Block);
    /// assert!(receiver.try_recv().is_none());
    /// topic.publish(7)?;
    /// assert_eq!(*receiver.try_recv().unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&mut self) -> Option<Received<T>> {
        match self.0.take() {
            Taken::Value(seq, value) => Some(Received { seq, value }),
            Taken::Nothing | Taken::Ended => None,
        }
    }

    /// Takes a value if one is there; if none is, has the task of `context` woken when one comes.
    /// Returns `None` when the topic is closed and all values were taken.
    ///
    /// With the feature `stream`, `into_stream` makes a stream of the values.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use fast_async::topic::{Overflow, Receiver, Topic};
    ///
    /// async fn sum(mut receiver: Receiver<u32>) -> u32 {
    ///     let mut sum = 0;
    ///     while let Some(n) = poll_fn(|context| receiver.poll_recv(context)).await {
    ///         sum += *n;
    ///     }
    ///     sum
    /// }
    /// # let topic = Topic::new();
    /// # let mut sum = std::pin::pin!(sum(topic.receiver(16, Overflow::Block)));
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # topic.publish(20)?;
    /// # assert!(sum.as_mut().poll(&mut context).is_pending());
    /// # topic.publish(22)?;
    /// # drop(topic);
    /// # assert_eq!(sum.as_mut().poll(&mut context), std::task::Poll::Ready(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Received<T>>> {
        loop {
            match self.0.take() {
                Taken::Value(seq, value) => return Poll::Ready(Some(Received { seq, value })),
                Taken::Ended => return Poll::Ready(None),
                Taken::Nothing => {}
            }
            if self.0.await_by(context.waker()) {
                return Poll::Pending;
            }
        }
    }

    /// Everything was taken, and nothing more comes.
    #[cfg(feature = "stream")]
    pub(super) fn is_over(&self) -> bool {
        self.0.is_over()
    }

    fn recv_until(
        &mut self,
        deadline: Option<Instant>,
        location: &'static Location<'static>,
    ) -> Result<Received<T>, TaskError> {
        let at = At {
            location,
            task: None,
        };
        loop {
            match self.0.take() {
                Taken::Value(seq, value) => return Ok(Received { seq, value }),
                Taken::Ended => {
                    let why = "the topic is closed";
                    return Err(TaskError::noted(ErrorKind::Abandoned, why, Some(at)));
                }
                Taken::Nothing => {}
            }
            if self.0.has_value_soon() {
                continue;
            }
            let Some(value) = self.0.await_value() else {
                continue;
            };
            let Some(deadline) = deadline else {
                value.wait_parked()?;
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if value.wait_timeout(left).is_err() && left.is_zero() {
                return Err(TaskError::of(ErrorKind::TimedOut, at));
            }
        }
    }

    /// Returns how many values were dropped for this receiver because its buffer was full.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let mut receiver = topic.receiver(1, Overflow::DropIncoming);
    /// topic.publish('a')?;
    /// topic.publish('b')?;
    /// assert_eq!(receiver.lost(), 1);
    /// assert_eq!(*receiver.recv()?, 'a');
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }

    /// Returns how many values are in the buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let receiver = topic.receiver(16, Overflow::Block);
    /// topic.publish(1)?;
    /// assert_eq!(receiver.pending(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pending(&self) -> usize {
        self.0.len()
    }
}

impl<T: Send + Sync + 'static> Iterator for Receiver<T> {
    type Item = Received<T>;

    fn next(&mut self) -> Option<Received<T>> {
        loop {
            match self.recv() {
                Ok(received) => return Some(received),
                Err(error) if error.kind() == ErrorKind::Abandoned => return None,
                // The system grants the pool no thread. It is no end, and a wait with a limit
                // continues.
                Err(_) => {
                    if let Ok(received) = self.recv_timeout(REFUSAL_PAUSE) {
                        return Some(received);
                    }
                }
            }
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Receiver<T> {
    fn drop(&mut self) {
        let buffer = self.0.clone();
        drop_queue::flat(move || unhandled::drop_reporting(buffer.leave()));
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("pending", &self.pending())
            .field("lost", &self.lost())
            .finish()
    }
}

/// A value that a [`Receiver`] has taken. It dereferences to the value, which other subscribers
/// have too.
#[derive(Debug)]
pub struct Received<T> {
    seq: u64,
    value: Arc<T>,
}

impl<T> Received<T> {
    /// Returns the number of the value: how many values were published before it. A gap between two
    /// of them is what was dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// topic.publish("before")?;
    /// let mut receiver = topic.receiver(16, Overflow::Block);
    /// topic.publish("now")?;
    /// assert_eq!(receiver.recv()?.seq(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{Overflow, Topic};
    ///
    /// let topic = Topic::new();
    /// let mut receiver = topic.receiver(16, Overflow::Block);
    /// topic.publish("now")?;
    /// assert_eq!(*receiver.recv()?.into_arc(), "now");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_arc(self) -> Arc<T> {
        self.value
    }
}

impl<T: fmt::Display> fmt::Display for Received<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.value, f)
    }
}

impl<T> Deref for Received<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Received<T> {
    fn clone(&self) -> Received<T> {
        Received {
            seq: self.seq,
            value: self.value.clone(),
        }
    }
}
