//! The way from the I/O thread to a task: progress and outcome, brought by the pool in order.

use std::sync::Arc;

use fast_async::promise::Resolver;
use fast_async::{Pool, TaskContext};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::RemoteError;
use crate::io::Io;
use crate::job::Child;
use crate::record::{Ending, Outcome};

/// What becomes of a remote job, as far as its task is concerned.
pub(crate) type Settled = Result<Outcome, RemoteError>;

/// Takes what comes for one task. Called on the pool, one call at a time.
pub(crate) trait Sink: Send {
    fn progress(&mut self, done: u64, total: u64);

    fn settle(self: Box<Self>, settled: Settled);
}

/// Keeps the last progress and the outcome until a thread of the pool brings them.
pub(crate) struct Mailbox {
    mail: Mutex<Mail>,
}

struct Mail {
    progress: Option<(u64, u64)>,
    settled: Option<Settled>,
    /// `None`: the carrier has it, or it has its outcome.
    sink: Option<Box<dyn Sink>>,
    /// A thread of the pool brings the mail, or is about to.
    is_carried: bool,
}

impl Mailbox {
    pub(crate) fn new(sink: Box<dyn Sink>) -> Arc<Mailbox> {
        Arc::new(Mailbox {
            mail: Mutex::new(Mail {
                progress: None,
                settled: None,
                sink: Some(sink),
                is_carried: false,
            }),
        })
    }

    pub(crate) fn progress(self: &Arc<Self>, done: u64, total: u64) {
        self.put(|mail| {
            if mail.settled.is_none() {
                mail.progress = Some((done, total));
            }
        });
    }

    pub(crate) fn settle(self: &Arc<Self>, settled: Settled) {
        self.put(|mail| {
            if mail.settled.is_none() {
                if let Ok(outcome) = &settled {
                    mail.progress = outcome.progress.or(mail.progress);
                }
                mail.settled = Some(settled);
            }
        });
    }

    fn put(self: &Arc<Self>, change: impl FnOnce(&mut Mail)) {
        let mut mail = self.mail.lock();
        change(&mut mail);
        if std::mem::replace(&mut mail.is_carried, true) {
            return;
        }
        drop(mail);
        let own = self.clone();
        Pool::global().spawn(move || own.carry()).detach();
    }

    fn carry(&self) {
        loop {
            let (progress, settled, sink) = {
                let mut mail = self.mail.lock();
                let progress = mail.progress.take();
                let settled = mail.settled.take();
                if progress.is_none() && settled.is_none() {
                    mail.is_carried = false;
                    return;
                }
                (progress, settled, mail.sink.take())
            };
            let Some(mut sink) = sink else { return };
            if let Some((done, total)) = progress {
                sink.progress(done, total);
            }
            match settled {
                Some(settled) => return sink.settle(settled),
                None => self.mail.lock().sink = Some(sink),
            }
        }
    }
}

impl Drop for Mailbox {
    /// The task was cancelled, or the I/O thread ends. What the task holds is the user's.
    fn drop(&mut self) {
        if let Some(sink) = self.mail.get_mut().sink.take() {
            Pool::global().spawn(move || drop(sink)).detach();
        }
    }
}

/// Settles a task whose value is a `T`.
pub(crate) struct TaskSink<T: Send + 'static> {
    pub(crate) resolver: Resolver<T>,
    pub(crate) context: TaskContext,
    /// The I/O thread lives as long as a task waits for it.
    pub(crate) _io: Arc<Io>,
    /// The job that waits for this one.
    pub(crate) child: Option<Child>,
}

impl<T: DeserializeOwned + Send + 'static> Sink for TaskSink<T> {
    fn progress(&mut self, done: u64, total: u64) {
        self.context.progress(done, total);
    }

    fn settle(self: Box<Self>, settled: Settled) {
        let own = *self;
        drop(own.child);
        let value = settled.and_then(|outcome| match outcome.ending {
            Ending::Value(bytes) => codec::decode(&bytes),
            Ending::Failure(error) => Err(error),
        });
        let _ = match value {
            Ok(value) => own.resolver.resolve(value).map_err(drop),
            Err(error) => own.resolver.reject(error).map_err(drop),
        };
    }
}
