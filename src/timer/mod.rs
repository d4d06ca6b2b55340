//! Timers: what is due at a time is called then, on a thread that runs no user code.
//!
//! [`TimeSource`] is the interface: the system's time, or a virtual [`Clock`].

// Map for maintainers:
//   mod.rs      what a timer calls             source.rs   which time a pool uses
//   wheel.rs    the entries, by deadline       system.rs   the system's time, and its one thread
//   clock.rs    a virtual clock                auto.rs     one that moves by itself
//
// Lock order: the lock of one wheel, and no other lock under it. Due timers are called and removed
// timers are dropped without it.

mod auto;
mod clock;
mod source;
mod system;
mod wheel;

pub use auto::ClockHold;
pub use clock::Clock;
pub(crate) use source::{Armed, TimeSource};

/// What a timer calls.
pub(crate) trait Due: Send {
    /// The timer fires. Runs no user code, drops no user value, and does not block: other timers
    /// wait for its return.
    fn fire(self: Box<Self>);

    /// The timer cannot fire: the system refuses the thread for it. Called by the thread that arms
    /// the timer.
    fn refuse(self: Box<Self>);
}

/// What a virtual clock waits for before it moves: a pool.
pub(crate) trait Still: Send + Sync {
    /// Blocks until no job is queued or runs, except on threads that sleep in waits of this crate.
    /// Returns true if it had to wait.
    fn await_still(&self) -> bool;

    /// The same without a wait: true if it is so at this moment.
    fn is_still(&self) -> bool;
}
