//! Meeting points of threads. All give up with a panic after the limit.

// Not the standard library's locks: the thread sanitizer does not see through them.
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

use super::PATIENCE;

/// Closed until it is opened, and open ever after. Clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate::default()
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.0.0.lock()
    }

    /// Blocks until the gate is open.
    #[track_caller]
    pub(crate) fn pass(&self) {
        let mut open = self.0.0.lock();
        self.0.1.wait_while_for(&mut open, |open| !*open, PATIENCE);
        assert!(*open, "the gate was not opened in time");
    }
}

/// Opens when it was counted down to zero.
#[derive(Clone)]
pub(crate) struct Latch(Arc<(Mutex<usize>, Condvar)>);

impl Latch {
    pub(crate) fn new(count: usize) -> Latch {
        Latch(Arc::new((Mutex::new(count), Condvar::new())))
    }

    pub(crate) fn count_down(&self) {
        let mut left = self.0.0.lock();
        *left = left.checked_sub(1).expect("counted down too often");
        self.0.1.notify_all();
    }

    #[track_caller]
    pub(crate) fn wait(&self) {
        let mut left = self.0.0.lock();
        self.0
            .1
            .wait_while_for(&mut left, |left| *left > 0, PATIENCE);
        let left = *left;
        assert_eq!(left, 0, "not all threads arrived");
    }
}

/// A number that only rises, to wait for. Clones are the same number.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<(Mutex<usize>, Condvar)>);

impl Count {
    pub(crate) fn add(&self) {
        *self.0.0.lock() += 1;
        self.0.1.notify_all();
    }

    pub(crate) fn get(&self) -> usize {
        *self.0.0.lock()
    }

    /// Blocks until the number is at least `wanted`.
    #[track_caller]
    pub(crate) fn reach(&self, wanted: usize) {
        let mut count = self.0.0.lock();
        self.0
            .1
            .wait_while_for(&mut count, |count| *count < wanted, PATIENCE);
        assert!(*count >= wanted, "counted to {count} of {wanted}");
    }
}

/// What happened, in order. Clones are the same log.
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    pub(crate) fn new() -> Log<T> {
        Log(Arc::new(Mutex::new(Vec::new())))
    }

    pub(crate) fn push(&self, entry: T) {
        self.0.lock().push(entry);
    }

    /// What was written so far; the log is empty after it.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Log<T> {
        Log(self.0.clone())
    }
}
