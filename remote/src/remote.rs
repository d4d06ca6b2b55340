//! `Remote`: one connection, and the thread behind it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::CallRequest;
use crate::caller::Core;
use crate::engine::Engine;
use crate::error::RemoteError;
use crate::io::Io;
use crate::local::Local;
use crate::name::{self, Call};
use crate::nats;
use crate::options::RemoteOptions;
use crate::queue::Queue;
use crate::topic::RemoteTopic;
use crate::worker::Worker;

/// A connection to a server, over which jobs, calls and messages go; or the same without a server.
///
/// A clone is another handle of the same connection. One thread serves it, which runs no code of
/// the user: handlers run on a pool of their worker, continuations on the global pool.
///
/// # Examples
///
/// ```
/// use fast_async::CancelToken;
/// use fast_async_remote::{Call, Remote};
///
/// const SQUARE: Call<u64, u64> = Call::new("square-v1");
///
/// let remote = Remote::local(); // or Remote::connect("nats://10.0.0.1:4222")?
/// let stop = CancelToken::new();
/// let worker = remote.worker("numbers").serve(&SQUARE, |_job, n| Ok(n * n));
/// let worker = std::thread::spawn({
///     let stop = stop.clone();
///     move || worker.run_until(&stop)
/// });
/// let sum = remote.queue("numbers").push(&SQUARE, 7).send().then(|n| n + 1);
/// assert_eq!(sum.wait()?, 50);
/// stop.cancel();
/// assert_eq!(worker.join().unwrap()?.done, 1);
/// # Ok::<(), fast_async::BoxError>(())
/// ```
#[derive(Clone)]
pub struct Remote {
    pub(crate) core: Arc<Core>,
    pub(crate) io: Arc<Io>,
}

impl Remote {
    /// Connects to a server of NATS with JetStream, or to the servers of a cluster, with commas
    /// between. It reconnects by itself for as long as it lives.
    ///
    /// # Errors
    ///
    /// [`Disconnected`](crate::RemoteErrorKind::Disconnected) if there is no connection within the
    /// [time for it](RemoteOptions::connect_timeout), or the server refuses the credentials.
    pub fn connect(url: &str) -> Result<Remote, RemoteError> {
        Remote::options().connect(url)
    }

    /// Returns a `Remote` without a server, for tests and for programs that need one machine only.
    /// Values pass the codec as on the wire. Its jobs end with the process.
    ///
    /// # Panics
    ///
    /// If the system refuses a thread; [`RemoteOptions::local`] returns that as an error.
    #[must_use]
    pub fn local() -> Remote {
        match Remote::options().local() {
            Ok(remote) => remote,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns the options of a connection, to be changed.
    pub fn options() -> RemoteOptions {
        RemoteOptions::new()
    }

    pub(crate) fn open(options: RemoteOptions, url: Option<&str>) -> Result<Remote, RemoteError> {
        name::queue(&options.namespace)?;
        let io = Io::start()?;
        let engine: Box<dyn Engine> = match url {
            None => Box::new(Local::start(&io, options.limits.clone())),
            Some(url) => {
                let connecting = nats::connect(options.clone(), url.to_owned());
                Box::new(io.block_on(connecting)??)
            }
        };
        let core = Core::start(&io, engine, &options);
        Ok(Remote { core, io })
    }

    /// Returns the queue with this name: letters, digits, `-` and `_`. What is pushed to a queue
    /// with another name fails as [`BadName`](crate::RemoteErrorKind::BadName).
    #[must_use]
    pub fn queue(&self, name: &str) -> Queue {
        Queue::new(self.clone(), name)
    }

    /// Prepares a call that is made at most once. It is sent by [`CallRequest::send`].
    pub fn call<In, Out>(&self, call: &Call<In, Out>, input: In) -> CallRequest<Out>
    where
        In: Serialize,
        Out: DeserializeOwned + Send + 'static,
    {
        CallRequest::new(self.clone(), call, &input)
    }

    /// Returns the topic with this name: names with dots between. Every subscriber that is
    /// connected gets what is published; nothing is kept.
    ///
    /// # Errors
    ///
    /// [`BadName`](crate::RemoteErrorKind::BadName), or
    /// [`Disconnected`](crate::RemoteErrorKind::Disconnected).
    pub fn topic<T>(&self, name: &str) -> Result<RemoteTopic<T>, RemoteError>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        RemoteTopic::open(self.clone(), name)
    }

    /// Returns a worker for the queue with this name, to be given functions and run.
    pub fn worker(&self, queue: &str) -> Worker {
        Worker::new(self.clone(), queue)
    }

    /// Returns what the server is too old for, in words. Empty: for nothing.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        self.core.engine.missing()
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("name", &self.core.name)
            .finish_non_exhaustive()
    }
}
