//! What happens to a value that finds a buffer full.

use std::error::Error;
use std::fmt;

/// What happens to a value that finds the buffer of a subscriber full.
///
/// What is dropped is counted for that subscriber; see [`Receiver::lost`](super::Receiver::lost).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The publisher waits for room, and so do threads that wait for the publisher.
    ///
    /// A wait inside a task keeps the pool live. Where only the publishing thread could make room,
    /// or where the wait could not end, the value goes into the buffer beyond its limit.
    Block,
    /// The oldest value in the buffer is dropped.
    DropOldest,
    /// The value that is published is dropped, for this subscriber.
    DropIncoming,
    /// The value is refused: [`publish`](super::Topic::publish) returns it, and no subscriber gets
    /// it.
    Fail,
}

/// A value that was not published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PublishError<T> {
    /// The topic is closed.
    Closed(T),
    /// A subscriber with [`Overflow::Fail`] has no room.
    Full(T),
}

impl<T> PublishError<T> {
    /// Returns the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::Topic;
    ///
    /// let topic = Topic::new();
    /// topic.close();
    /// assert_eq!(topic.publish(7).unwrap_err().into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            PublishError::Closed(value) | PublishError::Full(value) => value,
        }
    }
}

impl<T> fmt::Debug for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PublishError::Closed(_) => "Closed(..)",
            PublishError::Full(_) => "Full(..)",
        })
    }
}

impl<T> fmt::Display for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PublishError::Closed(_) => "the topic is closed",
            PublishError::Full(_) => "the buffer of a subscriber is full",
        })
    }
}

impl<T> Error for PublishError<T> {}
