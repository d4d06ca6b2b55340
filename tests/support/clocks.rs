//! Virtual time.

use std::time::Duration;

use fast_async::{Clock, Pool};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A pool that goes by a virtual clock, and the clock.
pub(crate) fn virtual_pool() -> (Clock, Pool) {
    let clock = Clock::manual();
    let pool = Pool::builder().clock(&clock).max_threads(4).build();
    (clock, pool.expect("good settings"))
}
