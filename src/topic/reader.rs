//! A receiver that waits for a value: a thread, or a future.

use std::task::Waker;

use crate::error::TaskError;
use crate::promise::Resolver;
use crate::{guard, unhandled};

/// What ends the wait of a receiver. It is called, and dropped, without a lock.
pub(super) enum Reader {
    /// Settles the task that the thread waits for.
    Thread(Resolver<()>),
    Future(Waker),
}

impl Reader {
    /// There is something to take, or the end. A panic is reported: a waker is foreign code.
    pub(super) fn wake(self) {
        match self {
            Reader::Thread(resolver) => {
                let _ = resolver.resolve(());
            }
            Reader::Future(waker) => {
                if let Err(payload) = guard::catch(|| waker.wake()) {
                    unhandled::report(TaskError::panicked_in_drop(payload));
                }
            }
        }
    }

    /// Its end runs foreign code.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self, Reader::Future(_))
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
