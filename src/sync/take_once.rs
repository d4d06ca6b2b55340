//! A value that is taken once, by the first caller.

#[cfg(not(all(test, any(loom, shuttle))))]
use super::Mutex;
#[cfg(all(test, any(loom, shuttle)))]
use super::model::Mutex;

/// Holds a value for the first of many callers. The others get `None`, without waiting.
///
/// `take` is a `try_lock` whose guard is never released: a locked mutex means that the value is
/// taken. That costs one atomic operation, half of a lock.
pub(crate) struct TakeOnce<T>(Mutex<Option<T>>);

impl<T> TakeOnce<T> {
    pub(crate) fn new(value: T) -> TakeOnce<T> {
        TakeOnce(Mutex::new(Some(value)))
    }

    /// The value, for the first who asks.
    #[cfg(not(all(test, any(loom, shuttle))))]
    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        let mut value = self.0.try_lock()?;
        let taken = value.take();
        std::mem::forget(value);
        taken
    }

    /// True after a thread has taken the value.
    #[cfg(not(all(test, any(loom, shuttle))))]
    pub(crate) fn is_taken(&self) -> bool {
        self.0.is_locked()
    }

    // To a checker a lock is cheap, but one that is never given back is a fault.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().take()
    }

    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn is_taken(&self) -> bool {
        self.0.lock().is_none()
    }

    /// The value, for its only owner.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut Option<T> {
        self.0.get_mut()
    }
}
