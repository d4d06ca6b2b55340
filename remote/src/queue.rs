//! `Queue`: jobs that survive, pushed and joined.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use fast_async::{Task, deferred};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caller::{NewJob, open};
use crate::codec::{self, Kind};
use crate::dead::{self, DeadLetter};
use crate::engine::Engine;
use crate::error::{RemoteError, RemoteErrorKind};
use crate::name::{self, Call, Place};
use crate::record::JobRecord;
use crate::remote::Remote;

/// What a message takes beside the value: headers, the subject, and, for a dead letter, the failure.
const OVERHEAD: usize = 24 << 10;

/// A queue of jobs; see [`Remote::queue`].
#[derive(Clone, Debug)]
pub struct Queue {
    remote: Remote,
    name: String,
}

impl Queue {
    pub(crate) fn new(remote: Remote, name: &str) -> Queue {
        Queue {
            remote,
            name: name.to_owned(),
        }
    }

    /// Prepares a job, which [`Push::send`] pushes. It runs at least once, on any worker that
    /// serves the function, and has one outcome.
    pub fn push<In, Out>(&self, call: &Call<In, Out>, input: In) -> Push<Out>
    where
        In: Serialize,
        Out: DeserializeOwned + Send + 'static,
    {
        Push {
            queue: self.clone(),
            function: call.name(),
            input: codec::encode(&input),
            id: None,
            expires: None,
            time_limit: None,
            _type: PhantomData,
        }
    }

    /// Returns a task that settles as the job with this id does, which a program has pushed.
    ///
    /// It fails as [`ResultExpired`](RemoteErrorKind::ResultExpired) if there is no such job, and
    /// no outcome of it. A cancel of the task cancels the job.
    #[track_caller]
    pub fn attach<In, Out>(&self, call: &Call<In, Out>, id: &str) -> Task<Out>
    where
        Out: DeserializeOwned + Send + 'static,
    {
        let named = name::queue(&self.name).and_then(|()| name::id(id));
        if let Err(error) = named {
            return Task::failed(error);
        }
        let place = Place::named(&self.name, call.name(), id);
        let (task, context, mailbox) = open::task(&self.remote);
        let number = self.remote.core.number();
        cancel_with(&self.remote, &context, &place, number);
        let attaching = self.remote.core.clone().attach(place, number, mailbox);
        self.remote.io.run(attaching);
        task
    }

    /// Returns the jobs that are not tried any more, the oldest first. Blocks until the server
    /// answers.
    ///
    /// # Errors
    ///
    /// A [`RemoteError`], if the server does not answer.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, RemoteError> {
        name::queue(&self.name)?;
        dead::list(&self.remote, &self.name)
    }
}

/// The cancel of a task reaches its job.
fn cancel_with(remote: &Remote, context: &fast_async::TaskContext, place: &Place, number: u64) {
    let (core, io) = (remote.core.clone(), std::sync::Arc::downgrade(&remote.io));
    let place = place.clone();
    context.token().on_cancel(move || {
        if let Some(own) = io.upgrade() {
            let io = own.clone();
            io.run(async move {
                core.cancel(place, number).await;
                // The task that was cancelled may have been the last thing that kept the thread.
                drop(own);
            });
        }
    });
}

/// A job that is about to be pushed; see [`Queue::push`].
#[must_use = "nothing is pushed before `send`"]
pub struct Push<Out> {
    queue: Queue,
    function: &'static str,
    input: Result<Vec<u8>, RemoteError>,
    id: Option<String>,
    expires: Option<Duration>,
    time_limit: Option<Duration>,
    _type: PhantomData<fn() -> Out>,
}

/// What the server said of a push; see [`Push::stored`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    joined: bool,
}

impl Receipt {
    pub(crate) fn new(joined: bool) -> Receipt {
        Receipt { joined }
    }

    /// Returns true if the job was there already, or its outcome.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.joined
    }
}

impl<Out: DeserializeOwned + Send + 'static> Push<Out> {
    /// Names the job: any text of at most 4,096 bytes. A push of the same function with the same id joins this job while
    /// it is queued or runs, for two minutes, and as long as its outcome is kept.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the whole life of the job, by the server's clock. When it is over, the job is removed
    /// and its task fails as [`Expired`](RemoteErrorKind::Expired). Without it, a job waits for a
    /// worker as long as it takes.
    ///
    /// The server must know a time to live for messages, as of 2.11. At least a second.
    pub fn expires(mut self, time: Duration) -> Self {
        self.expires = Some(time);
        self
    }

    /// Sets how long one run may take, by the worker's monotonic clock. A run that takes longer is
    /// asked to end, and counts as failed.
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.time_limit = Some(time);
        self
    }

    /// Pushes the job, and returns the task of its outcome. Never blocks.
    ///
    /// The task fails with a [`RemoteError`]; of kind [`Rejected`](RemoteErrorKind::Rejected) if
    /// the server has not confirmed that it has stored the job. A cancel of the task cancels the
    /// job: it answers [`Signalled`](fast_async::CancelOutcome::Signalled), because the job may
    /// have begun elsewhere.
    #[track_caller]
    pub fn send(self) -> Task<Out> {
        self.start(false).1
    }

    /// Like [`send`](Push::send), and returns a second task before: it settles when the server has
    /// stored the job.
    #[track_caller]
    pub fn stored(self) -> (Task<Receipt>, Task<Out>) {
        let (receipt, task) = self.start(true);
        let none = || Task::failed(RemoteError::new(RemoteErrorKind::Rejected, "no receipt"));
        (receipt.unwrap_or_else(none), task)
    }

    #[track_caller]
    fn start(self, confirmed: bool) -> (Option<Task<Receipt>>, Task<Out>) {
        let remote = self.queue.remote.clone();
        let number = remote.core.number();
        let (place, body) = match self.encode(&remote, number) {
            Ok(encoded) => encoded,
            Err(error) => {
                let receipt = confirmed.then(|| Task::failed(error.clone()));
                return (receipt, Task::failed(error));
            }
        };
        let (receipt, confirmation) = match confirmed {
            true => {
                let (resolver, task) = deferred();
                (Some(resolver), Some(task))
            }
            false => (None, None),
        };
        let (task, context, mailbox) = open::task(&remote);
        cancel_with(&remote, &context, &place, number);
        remote.io.run(remote.core.clone().push(NewJob {
            place,
            body,
            expires: self.expires,
            number,
            mailbox,
            receipt,
        }));
        (confirmation, task)
    }

    fn encode(&self, remote: &Remote, number: u64) -> Result<(Place, Vec<u8>), RemoteError> {
        let queue = &self.queue.name;
        name::queue(queue)?;
        let place = match &self.id {
            Some(id) => {
                name::id(id)?;
                Place::named(queue, self.function, id)
            }
            None => Place::numbered(queue, self.function, remote.core.caller(), number),
        };
        let record = JobRecord {
            id: self.id.clone().unwrap_or_else(|| place.key.clone()),
            function: self.function.to_owned(),
            input: self.input.clone()?,
            expires: self.expires,
            time_limit: self.time_limit,
        };
        let body = codec::seal(Kind::Job, &record)?;
        check_size(remote, body.len())?;
        Ok((place, body))
    }
}

/// Fails for what the server would refuse.
pub(crate) fn check_size(remote: &Remote, size: usize) -> Result<(), RemoteError> {
    let max = max_size(&*remote.core.engine);
    if size <= max {
        return Ok(());
    }
    Err(too_large(size, max))
}

/// The greatest size of what is sent or stored.
pub(crate) fn max_size(engine: &dyn Engine) -> usize {
    engine.max_size().saturating_sub(OVERHEAD)
}

pub(crate) fn too_large(size: usize, max: usize) -> RemoteError {
    let why = format!("the value takes {size} bytes, and {max} may pass");
    RemoteError::new(RemoteErrorKind::TooLarge { size, max }, why)
}

impl<Out> fmt::Debug for Push<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("queue", &self.queue.name)
            .field("function", &self.function)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
