//! `Worker`: runs the jobs of a queue.

// Map for maintainers, from the ground up:
//   slots.rs    how many jobs this worker holds
//   crew.rs     what all runs of one worker share
//   notice.rs   what a running job is told: cancelled, superseded, to be handed back
//   run.rs      one delivery, from its arrival to its ack
//   calls.rs    calls that are made at most once
//   pull.rs     the loops that bring deliveries, and the end of them

mod calls;
mod crew;
mod notice;
mod pull;
mod run;
mod slots;
mod stops;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fast_async::{BoxError, CancelToken, IntoTask, Pool, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Permanent, RemoteError, RemoteErrorKind};
use crate::job::{Job, Run};
use crate::name::{self, Call};
use crate::remote::Remote;
pub use crew::WorkerReport;
use crew::{Crew, Served};

/// Runs the jobs of a queue; see [`Remote::worker`].
///
/// Handlers run on a pool of the worker's own, and the leases of their jobs are renewed by a
/// thread that runs no handler. So a job keeps its lease however long it takes, and however busy
/// the processors are.
#[must_use = "a worker does nothing before `run_until`"]
pub struct Worker {
    remote: Remote,
    queue: String,
    name: Option<String>,
    slots: usize,
    lease: Duration,
    attempts: u32,
    grace: Duration,
    pause: Duration,
    served: Vec<Served>,
}

impl Worker {
    pub(crate) fn new(remote: Remote, queue: &str) -> Worker {
        Worker {
            remote,
            queue: queue.to_owned(),
            name: None,
            slots: std::thread::available_parallelism().map_or(1, usize::from),
            lease: Duration::from_secs(15),
            attempts: 5,
            grace: Duration::from_secs(10),
            pause: Duration::from_secs(1),
            served: Vec::new(),
        }
    }

    /// Sets the name that failures and outcomes give; that of the connection unless set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how many jobs it runs at once, at least one; as many as there are processors unless
    /// set. It asks the server for a job only when a slot is free. A job that waits for jobs of its
    /// own gives its slot back until it goes on.
    pub fn slots(mut self, count: usize) -> Self {
        self.slots = count.max(1);
        self
    }

    /// Sets how long a job stays with a worker that gives no sign of life, 15 s unless set. All
    /// workers of a queue must say the same.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time.max(Duration::from_millis(50));
        self
    }

    /// Sets how often a job is tried, 5 times unless set. A worker that dies with a job counts.
    pub fn attempts(mut self, count: u32) -> Self {
        self.attempts = count.max(1);
        self
    }

    /// Sets how long running jobs may go on when the worker is to end, 10 s unless set. What has
    /// not ended then is handed back, and that attempt does not count.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Sets the pause before a failed job is tried again, 1 s unless set. It doubles with every
    /// attempt, up to a minute.
    pub fn pause(mut self, time: Duration) -> Self {
        self.pause = time;
        self
    }

    /// Has `handler` run the jobs and calls of this function. It may be called on many threads at
    /// once.
    ///
    /// It returns a result or a task. A failure is tried again, unless it is [`Permanent`]. An
    /// input that cannot be decoded is permanent too.
    pub fn serve<In, Out, R, F>(mut self, call: &Call<In, Out>, handler: F) -> Self
    where
        In: DeserializeOwned + 'static,
        Out: Serialize + Send + 'static,
        R: IntoTask<Output = Out> + 'static,
        F: Fn(Job, In) -> R + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let work = move |pool: &Pool, run: &Arc<Run>, input: Vec<u8>| {
            let (handler, own) = (handler.clone(), run.clone());
            let builder = Task::builder().pool(pool).cancel_token(run.token());
            let task = builder.attempt(move || match codec::decode::<In>(&input) {
                Ok(input) => own.enter(|job| handler(job, input).into_task()),
                Err(error) => Task::failed(Permanent(Box::new(error))),
            });
            task.and_then(|out| match codec::encode(&out) {
                Ok(bytes) => Ok(bytes),
                Err(error) => Err(Box::new(Permanent(Box::new(error))) as BoxError),
            })
        };
        self.served.push(Served {
            function: call.name(),
            work: Arc::new(work),
        });
        self
    }

    /// Runs jobs until the token is raised, and blocks as long. Then it takes no new jobs, gives
    /// those that run their [grace](Worker::grace), and hands the rest back.
    ///
    /// # Errors
    ///
    /// [`Configuration`](RemoteErrorKind::Configuration) if the queue exists with other settings,
    /// and says which; [`BadName`](RemoteErrorKind::BadName); a failure of the connection before it
    /// has begun. Later ones are waited out.
    pub fn run_until(self, stop: &CancelToken) -> Result<WorkerReport, RemoteError> {
        name::queue(&self.queue)?;
        let pool = Pool::builder()
            .name(format!("remote-{}", self.queue))
            .core_threads(self.slots)
            .max_threads(self.slots.max(Pool::global().max_threads()))
            .build()
            .map_err(|err| RemoteError::new(RemoteErrorKind::Configuration, err.to_string()))?;
        let io = self.remote.io.clone();
        let core = self.remote.core.clone();
        let crew = Crew {
            name: self.name.unwrap_or_else(|| core.name.clone()),
            core,
            queue: self.queue,
            lease: self.lease,
            attempts: self.attempts,
            grace: self.grace,
            pause: self.pause,
            served: self.served,
            ..Crew::new(self.remote.core.clone(), pool, self.slots)
        };
        let crew = Arc::new(crew);
        let told = crew.clone();
        let callback = stop.on_cancel(move || told.drain());
        let result = io.block_on(pull::run(crew.clone()));
        callback.unregister();
        result??;
        Ok(crew.report())
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("queue", &self.queue)
            .field("slots", &self.slots)
            .field("lease", &self.lease)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
