//! `Pool::dump`: who runs what, since when, and waiting for what.

use super::status::{self, Status};
use crate::cell::deadlock;
use crate::executor::Origin;
use crate::pool::{Awaited, Pool, PoolDump};
use crate::sync::ThreadId;

impl Pool {
    /// Returns what the threads of the pool do now, to be printed: which task each of them runs,
    /// where that was made, for how long, and for which task a blocked one waits; and the oldest
    /// queued jobs.
    ///
    /// For a program that hangs, or that is busy with something unknown. It may be called from any
    /// thread, also while all threads of the pool are blocked. A time is exact to some
    /// milliseconds. What the threads wait for outside of this crate (a lock, a socket) is not
    /// known. A wait with a time limit is shown as one without a task.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// use fast_async::{Pool, Task};
    ///
    /// let pool = Pool::builder().name("io").build()?;
    /// let (go, wait) = std::sync::mpsc::channel::<()>();
    /// let load = Task::builder().name("load").pool(&pool).spawn(move || wait.recv());
    /// while pool.metrics().running == 0 {
    ///     std::thread::yield_now();
    /// }
    /// let text = pool.dump().to_string();
    /// assert!(text.starts_with("pool `io`: 1 thread, 0 idle, 0 blocked; 0 jobs queued"));
    /// assert!(text.contains("io-1: task `load`, made at src/"), "{text}");
    /// # drop(go);
    /// # let _ = load.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dump(&self) -> PoolDump {
        let mut dump = self.look();
        dump.add_waits(awaited_by);
        dump
    }
}

/// What a thread waits for that is blocked in a wait without a time limit.
fn awaited_by(thread: ThreadId) -> Option<Awaited> {
    let cell = deadlock::awaited_by(thread)?;
    let meta = cell.meta();
    let status = status::of(&*cell);
    let thread = match status {
        Status::Running => super::thread_of(&*cell),
        _ => None,
    };
    Some(Awaited {
        task: Origin {
            location: meta.location,
            name: meta.name().cloned(),
        },
        status: word(status),
        thread,
    })
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Cold => "not started",
        Status::Queued => "queued",
        Status::Running => "running",
        Status::Waiting => "waiting",
        Status::Success | Status::Failure | Status::Cancelled => "settled",
    }
}
