//! A receiver that waits for a value: a thread, or a future.

use std::task::Waker;

use crate::promise::Resolver;
use crate::{thread_waker, unhandled};

/// What ends the wait of a receiver. It is called, and dropped, without a lock.
pub(super) enum Reader {
    /// Settles the task that the thread waits for.
    Thread(Resolver<()>),
    Future(Waker),
}

impl Reader {
    /// There is something to take, or the end.
    pub(super) fn wake(self) {
        match self {
            Reader::Thread(resolver) => {
                let _ = resolver.resolve(());
            }
            Reader::Future(waker) => thread_waker::wake(waker),
        }
    }
}

/// A reader that waits no more: its time was over, or it waits anew.
pub(super) fn dismiss(reader: Option<Reader>) {
    match reader {
        // Dropped, it would report its task as abandoned.
        Some(reader @ Reader::Thread(_)) => reader.wake(),
        reader => unhandled::drop_reporting(reader),
    }
}
