//! A virtual clock that moves by itself: its thread, and the guards that hold it.

// Lock order: `state` alone. No pool is waited for, and nothing fires, under it.

use std::fmt;

use super::Due;
use super::clock::{Auto, Clock};
use super::wheel::Key;
use crate::guard;
use crate::sync::{Duration, Instant, deadline_after, thread, wait_until};

/// How often the thread looks while a call moves the clock.
const LOOK: Duration = Duration::from_micros(200);

impl Clock {
    /// Makes a clock that goes to the next deadline by itself, each time that its pools are still:
    /// no job is queued or runs, and no continuation. It begins at the present.
    ///
    /// For tests that wait for a result, and not for a time. A thread that is not of the pools may
    /// be at work between two calls while the clock moves: it [holds](Clock::hold) the clock as
    /// long as it must stand still. A timer that is armed again each time, as that of
    /// [`every`](crate::every()), keeps the clock moving until it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::auto();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let (start, hour) = (clock.now(), Duration::from_secs(3600));
    /// pool.delay(hour).wait()?; // takes no hour
    /// assert_eq!(clock.now() - start, hour);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn auto() -> Clock {
        Clock::make(Some(Auto::default()))
    }

    /// Holds an [automatic](Clock::auto) clock until the guard is dropped: it does not move by
    /// itself meanwhile. A manual clock is not affected.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    ///
    /// let clock = Clock::auto();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let second = Duration::from_secs(1);
    /// let hold = clock.hold();
    /// let slow = pool.delay(2 * second).then(|()| "slow");
    /// let fast = pool.delay(second).then(|()| "fast"); // it counts from the same moment
    /// drop(hold);
    /// assert_eq!(fast_async::race([slow, fast]).wait()?, "fast");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold(&self) -> ClockHold {
        if let Some(auto) = &mut self.0.state.lock().auto {
            auto.holds += 1;
        }
        ClockHold(self.clone())
    }
}

/// Keeps an automatic clock from moving by itself; made by [`Clock::hold`].
#[must_use = "the clock moves again as soon as the guard is dropped"]
pub struct ClockHold(Clock);

impl Drop for ClockHold {
    fn drop(&mut self) {
        if let Some(auto) = &mut self.0.0.state.lock().auto {
            auto.holds -= 1;
        }
        self.0.0.released.notify_all();
    }
}

impl fmt::Debug for ClockHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClockHold").field(&self.0).finish()
    }
}

/// As [`SystemTimers::arm`](super::system::SystemTimers::arm).
pub(super) fn arm(
    clock: &Clock,
    deadline: Instant,
    due: Box<dyn Due>,
) -> Result<Option<Key>, Box<dyn Due>> {
    let Some(key) = clock.arm(deadline, due)? else {
        return Ok(None);
    };
    let starts = match &mut clock.0.state.lock().auto {
        Some(auto) => !std::mem::replace(&mut auto.has_thread, true),
        None => false,
    };
    if starts {
        let own = clock.clone();
        let builder = thread::Builder::new().name("fast-async-clock".into());
        if builder.spawn(move || drive(&own)).is_err() {
            let mut state = clock.0.state.lock();
            if let Some(auto) = &mut state.auto {
                auto.has_thread = false;
            }
            if let Some(due) = state.wheel.remove(key) {
                return Err(due);
            }
        }
    }
    Ok(Some(key))
}

/// The life of the thread: as long as there are timers.
fn drive(clock: &Clock) {
    loop {
        clock.await_still();
        let due = {
            let mut state = clock.0.state.lock();
            let is_moved = state.target.is_some();
            let Some(auto) = &mut state.auto else { return };
            if auto.holds > 0 || is_moved {
                let until = if is_moved { deadline_after(LOOK) } else { None };
                wait_until(&clock.0.released, &mut state, until);
                // The pools may be at work again.
                continue;
            }
            let due = state.step_alone();
            if due.is_none()
                && let Some(auto) = &mut state.auto
            {
                auto.has_thread = false;
                return;
            }
            due
        };
        // It runs no user code. The catch keeps the thread alive if something else panics.
        if let Some(due) = due
            && let Err(payload) = guard::catch(|| due.fire())
        {
            guard::drop_quietly(payload);
        }
    }
}
