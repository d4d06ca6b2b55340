//! What each test runs on: an engine, and workers that end with the test.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fast_async::{CancelToken, Task};
use fast_async_remote::{
    Call, Remote, RemoteError, RemoteErrorKind, RemoteOptions, Worker, WorkerReport,
};

use crate::support::PATIENCE;
use crate::support::server::Server;

pub(crate) const ECHO: Call<u64, u64> = Call::new("echo-v1");

/// The engine of one test.
pub(crate) struct Bed {
    server: Option<Server>,
    options: RemoteOptions,
    /// The engine without a server is shared by its handles.
    local: Option<Remote>,
}

impl Bed {
    pub(crate) fn local(options: RemoteOptions) -> Bed {
        let local = options.clone().local().unwrap();
        Bed {
            server: None,
            options,
            local: Some(local),
        }
    }

    pub(crate) fn nats(options: RemoteOptions) -> Bed {
        Bed {
            server: Some(Server::start()),
            options,
            local: None,
        }
    }

    /// Another program that uses the same engine.
    pub(crate) fn remote(&self) -> Remote {
        match (&self.server, &self.local) {
            (Some(server), _) => self.options.clone().connect(&server.url()).unwrap(),
            (None, Some(local)) => local.clone(),
            (None, None) => unreachable!("one of them is there"),
        }
    }

    pub(crate) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }
}

/// A worker that runs on a thread of this process, until it is told to end or dropped.
pub(crate) struct Running {
    stop: CancelToken,
    thread: Option<JoinHandle<Result<WorkerReport, RemoteError>>>,
}

pub(crate) fn start(worker: Worker) -> Running {
    let stop = CancelToken::new();
    let own = stop.clone();
    let thread = std::thread::spawn(move || worker.run_until(&own));
    Running {
        stop,
        thread: Some(thread),
    }
}

impl Running {
    pub(crate) fn end(mut self) -> WorkerReport {
        self.stop.cancel();
        let thread = self.thread.take().unwrap();
        thread.join().unwrap().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// Returns the outcome, and fails the test if there is none.
#[track_caller]
pub(crate) fn outcome<T: Send + 'static>(task: Task<T>) -> Result<T, fast_async::TaskError> {
    match task.wait_timeout(PATIENCE) {
        Ok(outcome) => outcome,
        Err(task) => panic!("still not settled after {PATIENCE:?}: {task:?}"),
    }
}

#[track_caller]
pub(crate) fn value<T: Send + 'static>(task: Task<T>) -> T {
    outcome(task).unwrap_or_else(|error| panic!("{error:#}"))
}

#[track_caller]
pub(crate) fn failure<T: Send + 'static>(task: Task<T>) -> RemoteError {
    let Err(error) = outcome(task) else {
        panic!("it has a value")
    };
    match error.downcast_ref::<RemoteError>() {
        Some(error) => error.clone(),
        None => panic!("no remote error: {error:#}"),
    }
}

#[track_caller]
pub(crate) fn failure_kind<T: Send + 'static>(task: Task<T>) -> RemoteErrorKind {
    failure(task).kind().clone()
}

/// Something that handlers wait for.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn pass(&self) {
        let is_closed = |open: &mut bool| !*open;
        let open = self.0.0.lock().unwrap();
        let (open, _) = self
            .0
            .1
            .wait_timeout_while(open, PATIENCE, is_closed)
            .unwrap();
        assert!(*open, "the gate was not opened");
    }
}

/// What handlers tell the test.
pub(crate) fn told<T>() -> (Tell<T>, Told<T>) {
    let (to, from) = mpsc::channel();
    (Tell(Arc::new(Mutex::new(to))), Told(from))
}

pub(crate) struct Tell<T>(Arc<Mutex<Sender<T>>>);

impl<T> Clone for Tell<T> {
    fn clone(&self) -> Self {
        Tell(self.0.clone())
    }
}

impl<T> Tell<T> {
    pub(crate) fn tell(&self, what: T) {
        let _ = self.0.lock().unwrap().send(what);
    }
}

pub(crate) struct Told<T>(Receiver<T>);

impl<T> Told<T> {
    #[track_caller]
    pub(crate) fn next(&self) -> T {
        self.0.recv_timeout(PATIENCE).expect("the handler tells it")
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.try_iter().collect()
    }
}

/// Asks until it is so.
#[track_caller]
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never became so");
        let _ = fast_async::delay(Duration::from_millis(10)).wait();
    }
}

/// Makes a test for each engine of a function that takes a `Bed`.
macro_rules! for_both_engines {
    ($($name:ident $(with $options:ident)?;)+) => {
        mod local {
            $(#[test] fn $name() {
                let options = fast_async_remote::Remote::options();
                $(let options = super::$options(options);)?
                super::$name(&crate::bed::Bed::local(options));
            })+
        }
        mod nats {
            $(#[test] fn $name() {
                let options = fast_async_remote::Remote::options();
                $(let options = super::$options(options);)?
                super::$name(&crate::bed::Bed::nats(options));
            })+
        }
    };
}
pub(crate) use for_both_engines;
