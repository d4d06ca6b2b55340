//! Outcomes on their way from the runners to a reader.

// Lock order: the lock of the runners -> that of the stream. Only moves are made under it.

use std::collections::VecDeque;

use super::control::Collect;
use crate::cell::pieces::each_here;
use crate::cell::slot::Outcome;
use crate::error::TaskError;
use crate::promise::Resolver;
use crate::sync::{Arc, Mutex};
use crate::{drop_queue, unhandled};

pub(super) struct Stream<U: Send + 'static>(Mutex<Inner<U>>);

struct Inner<U: Send + 'static> {
    /// In the order in which they came.
    ready: VecDeque<Outcome<U>>,
    /// The readers that wait. Invariant: empty while something is ready, except until `deliver`.
    readers: VecDeque<Resolver<Option<Outcome<U>>>>,
    /// No more outcomes come.
    is_over: bool,
    /// No outcome is read any more.
    is_closed: bool,
}

impl<U: Send + 'static> Stream<U> {
    pub(super) fn new() -> Arc<Stream<U>> {
        Arc::new(Stream(Mutex::new(Inner {
            ready: VecDeque::new(),
            readers: VecDeque::new(),
            is_over: false,
            is_closed: false,
        })))
    }

    /// Takes what has come first. `Err`: nothing is there; true if nothing will be.
    pub(super) fn take(&self) -> Result<Outcome<U>, bool> {
        let mut inner = self.0.lock();
        inner.ready.pop_front().ok_or(inner.is_over)
    }

    /// Has `reader` settled with the next outcome, or with `None` at the end. Returns how many
    /// outcomes have been read in it.
    pub(super) fn read_by(&self, reader: Resolver<Option<Outcome<U>>>) -> usize {
        self.0.lock().readers.push_back(reader);
        self.deliver()
    }

    /// Keeps a failure of the whole, unless no outcome is read any more.
    fn put_last(&self, error: TaskError) {
        let mut inner = self.0.lock();
        if !inner.is_closed {
            inner.ready.push_back(Err(error));
            return;
        }
        drop(inner);
        drop(error);
    }

    /// No more outcomes come, after that of the whole.
    pub(super) fn end(&self, failure: Option<TaskError>) -> usize {
        {
            let mut inner = self.0.lock();
            inner.is_over = true;
            if let Some(error) = failure
                && !inner.is_closed
            {
                inner.ready.push_back(Err(error));
            }
        }
        self.deliver()
    }

    /// No outcome is read any more.
    pub(super) fn close(&self) {
        let ready = {
            let mut inner = self.0.lock();
            inner.is_closed = true;
            inner.is_over = true;
            std::mem::take(&mut inner.ready)
        };
        drop_all(ready);
        self.deliver();
    }

    fn deliver(&self) -> usize {
        let mut read = 0;
        loop {
            let (reader, next) = {
                let mut inner = self.0.lock();
                if inner.ready.is_empty() {
                    let left = match inner.is_over {
                        true => Vec::from(std::mem::take(&mut inner.readers)),
                        false => Vec::new(),
                    };
                    drop(inner);
                    // What follows one of them may wait for another.
                    each_here(left, |reader| drop(reader.settle(Ok(None))));
                    return read;
                }
                let Some(reader) = inner.readers.pop_front() else {
                    return read;
                };
                (reader, inner.ready.pop_front())
            };
            let is_outcome = next.is_some();
            match reader.settle(Ok(next)) {
                Ok(()) => read += usize::from(is_outcome),
                // The reader was cancelled: the outcome is the next one again.
                Err(Ok(Some(outcome))) => self.0.lock().ready.push_front(outcome),
                Err(_) => {}
            }
        }
    }
}

impl<U: Send + 'static> Drop for Stream<U> {
    /// An outcome may have come between the end of the reading and that of the work.
    fn drop(&mut self) {
        drop_all(std::mem::take(&mut self.0.get_mut().ready));
    }
}

/// No thread reads them.
fn drop_all<U: 'static>(ready: VecDeque<Outcome<U>>) {
    drop_queue::flat(move || unhandled::drop_each(ready));
}

/// Puts outcomes into a stream.
pub(super) struct IntoStream<U: Send + 'static>(pub(super) Arc<Stream<U>>);

impl<U: Send + 'static> Collect<U> for IntoStream<U> {
    type Output = ();
    type Effect = Arc<Stream<U>>;

    fn put(&mut self, _: usize, outcome: Outcome<U>) -> Result<Option<Arc<Stream<U>>>, TaskError> {
        let mut inner = self.0.0.lock();
        inner.ready.push_back(outcome);
        Ok((!inner.readers.is_empty()).then(|| self.0.clone()))
    }

    fn act(stream: Arc<Stream<U>>) -> usize {
        stream.deliver()
    }

    fn finish(self) {}

    /// The reader receives the failure: the task of the whole has none that could be reported.
    fn fail(self, error: TaskError) -> Outcome<()> {
        self.0.put_last(error);
        Ok(())
    }
}
