//! The timers of the process, and the one thread that fires them.
//!
//! The first timer starts the thread. It sleeps until the next deadline, and ends when there has
//! been no timer for a while.

// Lock order: `inner` alone.

use super::Due;
use super::wheel::{Key, Wheel};
use crate::guard;
use crate::sync::{
    Condvar, Duration, Instant, Mutex, MutexGuard, OnceLock, deadline_after, thread, wait_until,
};

/// How long the thread stays when there is no timer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The timers of the process.
pub(super) struct SystemTimers {
    /// Deadlines are nanoseconds since then.
    origin: Instant,
    inner: Mutex<Inner>,
    /// Signalled when the thread must look earlier than planned.
    changed: Condvar,
}

struct Inner {
    wheel: Wheel<Box<dyn Due>>,
    /// The thread exists. Invariant: while it does not, the wheel is empty.
    has_thread: bool,
    /// The thread sleeps until then, unless it is signalled. `None`: it is awake and looks before
    /// it sleeps.
    sleeps_until: Option<u64>,
    /// A model waits for the thread before its execution ends.
    #[cfg(all(test, any(loom, shuttle)))]
    thread: Option<crate::sync::JoinHandle<()>>,
}

crate::sync::statics! {
    static TIMERS: OnceLock<SystemTimers> = OnceLock::new();
}

/// Those of the process.
pub(super) fn timers() -> &'static SystemTimers {
    TIMERS.get_or_init(SystemTimers::new)
}

impl SystemTimers {
    fn new() -> SystemTimers {
        SystemTimers {
            origin: Instant::now(),
            inner: Mutex::new(Inner {
                wheel: Wheel::new(),
                has_thread: false,
                sleeps_until: None,
                #[cfg(all(test, any(loom, shuttle)))]
                thread: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// The moment as the wheel counts it. `None`: beyond what it can count, which is 584 years.
    fn nanos(&self, moment: Instant) -> Option<u64> {
        let since = moment.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).ok()
    }

    /// Adds a timer. `Ok(None)`: it never fires.
    ///
    /// # Errors
    ///
    /// Returns `due` when there is no thread to fire it and none can be created.
    pub(super) fn arm(
        &'static self,
        deadline: Instant,
        due: Box<dyn Due>,
    ) -> Result<Option<Key>, Box<dyn Due>> {
        let Some(deadline) = self.nanos(deadline) else {
            return Ok(None);
        };
        let mut inner = self.inner.lock();
        let key = inner.wheel.insert(deadline, due)?;
        if !inner.has_thread {
            if let Some(due) = self.start(&mut inner, key) {
                return Err(due);
            }
        } else if inner.sleeps_until.is_some_and(|until| deadline < until) {
            // Later calls need not signal the thread again before it wakes.
            inner.sleeps_until = None;
            drop(inner);
            self.changed.notify_one();
        }
        Ok(Some(key))
    }

    /// Starts the thread. Returns what was armed with `key` if the system grants no thread. The
    /// lock is held throughout, so that no other timer relies on a thread that does not start.
    #[cold]
    fn start(&'static self, inner: &mut Inner, key: Key) -> Option<Box<dyn Due>> {
        let builder = thread::Builder::new().name("fast-async-timer".into());
        match builder.spawn(|| self.fire_all()) {
            Ok(_handle) => {
                inner.has_thread = true;
                #[cfg(all(test, any(loom, shuttle)))]
                {
                    inner.thread = Some(_handle);
                }
                None
            }
            Err(_) => inner.wheel.remove(key),
        }
    }

    /// Waits until the thread has ended, for models.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(super) fn join(&self) {
        let thread = self.inner.lock().thread.take();
        if let Some(thread) = thread {
            thread.join().expect("it does not panic");
        }
    }

    /// Takes a timer back. `None`: it is firing, or has fired.
    pub(super) fn disarm(&self, key: Key) -> Option<Box<dyn Due>> {
        self.inner.lock().wheel.remove(key)
    }

    /// The life of the thread.
    fn fire_all(&self) {
        let mut inner = self.inner.lock();
        loop {
            // A moment too late for the wheel to count is later than every deadline.
            let now = self.nanos(Instant::now()).unwrap_or(u64::MAX);
            inner = self.fire_due(inner, now);
            let next = inner.wheel.next_look();
            if next.is_some_and(|next| next <= now) {
                continue;
            }
            inner.sleeps_until = Some(next.unwrap_or(u64::MAX));
            let until = match next {
                Some(next) => self.origin.checked_add(Duration::from_nanos(next)),
                None => deadline_after(KEEP_ALIVE),
            };
            let is_over = wait_until(&self.changed, &mut inner, until);
            inner.sleeps_until = None;
            // A timer that came between the end of the sleep and the lock relies on this thread.
            let is_needed = !inner.wheel.is_empty();
            if is_over && next.is_none() && !is_needed {
                inner.has_thread = false;
                return;
            }
        }
    }

    /// Fires what is due by `now`, in its order.
    fn fire_due<'a>(&'a self, mut inner: MutexGuard<'a, Inner>, now: u64) -> MutexGuard<'a, Inner> {
        while let Some(due) = inner.wheel.pop(now) {
            drop(inner);
            // It runs no user code. The catch keeps the thread alive if something else panics.
            if let Err(payload) = guard::catch(|| due.fire()) {
                guard::drop_quietly(payload);
            }
            inner = self.inner.lock();
        }
        inner
    }
}
