//! `RemoteError`: what went wrong elsewhere, or on the way there.

use std::error::Error;
use std::fmt;

use fast_async::{BoxError, ErrorKind, TaskError};
use serde::{Deserialize, Serialize};

/// Why a remote call or job failed, in one word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RemoteErrorKind {
    /// The handler returned an error.
    Failed,
    /// The handler panicked.
    Panicked,
    /// A time limit of the run, of the call or of the connection ended.
    TimedOut,
    /// The job was cancelled, here or elsewhere.
    Cancelled,
    /// The job was not done within the time that [`expires`](crate::Push::expires) gave it.
    Expired,
    /// No worker serves the function that was called.
    NoWorker,
    /// The outcome was dropped after its time, or there never was such a job.
    ResultExpired,
    /// A value is larger than the server lets pass. It was not sent.
    TooLarge {
        /// The size of the encoded value, in bytes.
        size: usize,
        /// The greatest size.
        max: usize,
    },
    /// A value does not have the expected form, or cannot be encoded.
    Decode,
    /// The value was written by a version of this crate that this one does not know.
    Version,
    /// It is not known whether the server has stored the job. The same id may be pushed again.
    Rejected,
    /// The queue is full.
    Full,
    /// There is no connection to the server.
    Disconnected,
    /// The server is too old.
    Unsupported,
    /// A stream or a consumer exists with other settings.
    Configuration,
    /// A name has characters that it must not have.
    BadName,
    /// The job has used up its attempts, and is among the dead letters.
    Attempts,
    /// The server answered something unexpected.
    Server,
}

/// A failure of a remote call or job: rebuilt from the wire, or of the way there.
///
/// In a chain it is found by [`TaskError::downcast_ref`], for every kind of the task's failure.
///
/// # Examples
///
/// ```
/// use fast_async_remote::{Call, Remote, RemoteError, RemoteErrorKind};
///
/// const PING: Call<(), u32> = Call::new("ping-v1");
/// let remote = Remote::local();
/// let error = remote.call(&PING, ()).send().wait().unwrap_err();
/// let error = error.downcast_ref::<RemoteError>().unwrap();
/// assert_eq!(*error.kind(), RemoteErrorKind::NoWorker);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteError {
    kind: RemoteErrorKind,
    message: String,
    chain: Vec<String>,
    worker: Option<String>,
    attempt: u32,
    retryable: bool,
}

impl RemoteError {
    pub(crate) fn new(kind: RemoteErrorKind, message: impl Into<String>) -> RemoteError {
        let retryable = matches!(
            kind,
            RemoteErrorKind::Failed
                | RemoteErrorKind::Panicked
                | RemoteErrorKind::TimedOut
                | RemoteErrorKind::Rejected
                | RemoteErrorKind::Full
                | RemoteErrorKind::Disconnected
                | RemoteErrorKind::NoWorker
        );
        RemoteError {
            kind,
            message: cut(message.into(), MESSAGE),
            chain: Vec::new(),
            worker: None,
            attempt: 0,
            retryable,
        }
    }

    /// The failure of a handler, on its way home.
    pub(crate) fn of_task(error: &TaskError) -> RemoteError {
        if let Some(permanent) = error.downcast_ref::<Permanent>() {
            if let Some(inner) = permanent.0.downcast_ref::<RemoteError>() {
                return RemoteError {
                    retryable: false,
                    ..inner.clone()
                };
            }
            let mut own = RemoteError::new(RemoteErrorKind::Failed, permanent.0.to_string());
            own.chain = sources(&*permanent.0);
            own.retryable = false;
            return own;
        }
        let kind = match error.kind() {
            ErrorKind::Panicked => RemoteErrorKind::Panicked,
            ErrorKind::TimedOut => RemoteErrorKind::TimedOut,
            ErrorKind::Cancelled => RemoteErrorKind::Cancelled,
            _ => RemoteErrorKind::Failed,
        };
        let mut own = RemoteError::new(kind, error.to_string());
        own.chain = sources(error);
        own.retryable = true;
        own
    }

    /// Notes which run failed.
    #[must_use]
    pub(crate) fn at(mut self, worker: &str, attempt: u32) -> RemoteError {
        self.worker = Some(worker.to_owned());
        self.attempt = attempt;
        self
    }

    /// The same failure, after which no attempt is left.
    #[must_use]
    pub(crate) fn last(mut self) -> RemoteError {
        self.retryable = false;
        self
    }

    /// Returns why it failed, in one word.
    #[must_use]
    pub fn kind(&self) -> &RemoteErrorKind {
        &self.kind
    }

    /// Returns what the failure said where it happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the messages of its sources, the nearest first.
    #[must_use]
    pub fn chain(&self) -> &[String] {
        &self.chain
    }

    /// Returns the name of the worker whose run failed. `None`: no worker had it.
    #[must_use]
    pub fn worker(&self) -> Option<&str> {
        self.worker.as_deref()
    }

    /// Returns the number of the run that failed; the first is 1. 0: there was none.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns true if the same request may succeed at another time.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(worker) = &self.worker {
            write!(f, " (worker `{worker}`, attempt {})", self.attempt)?;
        }
        Ok(())
    }
}

impl Error for RemoteError {}

/// A text has no more bytes than this: the failure of a job must fit where its value had to.
const MESSAGE: usize = 4096;

/// The same of a source, and how many of them are kept.
const SOURCE: usize = 512;
const CHAIN: usize = 8;

fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push_str(" ..");
    }
    text
}

/// The messages of the sources of an error.
fn sources(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut chain = Vec::new();
    let mut next = error.source();
    while let Some(source) = next.filter(|_| chain.len() < CHAIN) {
        chain.push(cut(source.to_string(), SOURCE));
        next = source.source();
    }
    chain
}

/// An error after which a job is not tried again: `Err(Permanent(err.into()))?` in a handler.
///
/// # Examples
///
/// ```
/// use fast_async_remote::Permanent;
///
/// fn parse(text: &str) -> Result<u32, Permanent> {
///     text.parse().map_err(|err| Permanent(Box::new(err)))
/// }
/// assert!(parse("x").is_err());
/// ```
#[derive(Debug)]
pub struct Permanent(pub BoxError);

impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Permanent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_at_a_letter() {
        let error = RemoteError::new(RemoteErrorKind::Failed, "ä".repeat(5000));
        assert!(error.message().len() <= MESSAGE + 3);
        assert!(error.message().ends_with("ä .."));
        assert_eq!(cut("short".into(), 5), "short");
    }
}
