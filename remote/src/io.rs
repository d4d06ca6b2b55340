//! The hidden runtime: one thread that talks to the server, and runs no user code.

use std::future::Future;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::{RemoteError, RemoteErrorKind};

/// Keeps the I/O thread alive. Dropped, it ends the thread, without waiting for it.
#[derive(Debug)]
pub(crate) struct Io {
    handle: Handle,
    /// The thread runs until this is dropped.
    _alive: oneshot::Sender<()>,
}

impl Io {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Arc<Io>, RemoteError> {
        let failed = |err: std::io::Error| {
            let why = format!("the I/O thread does not start: {err}");
            RemoteError::new(RemoteErrorKind::Disconnected, why)
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        thread::Builder::new()
            .name("fast-async-remote".into())
            .spawn(move || {
                let _ = runtime.block_on(ended);
                // What is left is dropped here, on this thread.
                drop(runtime);
            })
            .map_err(failed)?;
        Ok(Arc::new(Io {
            handle,
            _alive: alive,
        }))
    }

    /// Has the I/O thread run a future.
    pub(crate) fn run(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(future));
    }

    /// Has the I/O thread run a future, and blocks until it has a result. Never on that thread.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, RemoteError> {
        let (resolver, task) = fast_async::deferred();
        self.run(async move {
            let _ = resolver.on_pool().resolve(future.await);
        });
        // A wait of this kind lets the pool go on, if this is one of its threads.
        task.wait().map_err(|_| {
            let why = "the I/O thread has ended";
            RemoteError::new(RemoteErrorKind::Disconnected, why)
        })
    }
}
