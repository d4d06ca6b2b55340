//! `CallRequest`: a call that is made at most once.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use fast_async::Task;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caller::open;
use crate::codec::{self, Kind};
use crate::error::RemoteError;
use crate::name::Call;
use crate::queue::check_size;
use crate::record::CallRecord;
use crate::remote::Remote;

/// A call that is about to be made; see [`Remote::call`].
///
/// A call asks a worker that is there now, and is made at most once: it is not stored, not
/// repeated, and lost with the worker that has it. In any case its task settles when its
/// time is over.
#[must_use = "nothing is called before `send`"]
pub struct CallRequest<Out> {
    remote: Remote,
    function: &'static str,
    input: Result<Vec<u8>, RemoteError>,
    timeout: Duration,
    _type: PhantomData<fn() -> Out>,
}

impl<Out: DeserializeOwned + Send + 'static> CallRequest<Out> {
    pub(crate) fn new<In: Serialize>(
        remote: Remote,
        call: &Call<In, Out>,
        input: &In,
    ) -> CallRequest<Out> {
        CallRequest {
            remote,
            function: call.name(),
            input: codec::encode(input),
            timeout: Duration::from_secs(30),
            _type: PhantomData,
        }
    }

    /// Sets how long the call may take, 30 s unless set. The worker knows it too, and asks a run
    /// that takes longer to end.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Makes the call, and returns the task of its result. Never blocks.
    ///
    /// The task fails as [`NoWorker`](crate::RemoteErrorKind::NoWorker) at once if no worker serves
    /// the function. A cancel of the task asks the run to end.
    #[track_caller]
    pub fn send(self) -> Task<Out> {
        let number = self.remote.core.number();
        let id = format!("{}.{number}", self.remote.core.caller());
        let record = self.input.and_then(|input| {
            let record = CallRecord {
                id: id.clone(),
                input,
                timeout: self.timeout,
            };
            let body = codec::seal(Kind::Call, &record)?;
            check_size(&self.remote, body.len())?;
            Ok(body)
        });
        let body = match record {
            Ok(body) => body,
            Err(error) => return Task::failed(error),
        };
        let (task, context, mailbox) = open::task(&self.remote);
        let cancels = format!("k.{}", self.function);
        let (core, io) = (self.remote.core.clone(), Arc::downgrade(&self.remote.io));
        context.token().on_cancel(move || {
            let Some(io) = io.upgrade() else { return };
            io.run(async move {
                if let Ok(body) = codec::seal(Kind::Cancel, &id) {
                    let _ = core.engine.publish(&cancels, body).await;
                }
            });
        });
        let core = self.remote.core.clone();
        let (subject, limit) = (format!("x.{}", self.function), self.timeout);
        self.remote.io.run(async move {
            let reply = core.engine.request(&subject, body, limit).await;
            mailbox.settle(reply.and_then(|body| codec::open(Kind::Outcome, &body)));
        });
        task
    }
}

impl<Out> fmt::Debug for CallRequest<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRequest")
            .field("function", &self.function)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
