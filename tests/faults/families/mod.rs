//! The same for the verbs that start more than one closure: retries, flows, groups, queues, caches
//! and what waits for a time.

mod calls;
mod reentrant;
mod several;
mod starts;
mod turns;
mod unused;
mod values;

use fast_async::BoxError;

use crate::ground::{Grenade, Ground};
use crate::support::{reports, until};

/// A closure that was called has this.
fn held(_: &Grenade) -> Result<u32, BoxError> {
    Ok(7)
}

/// Waits until so many grenades went off, and so many were reported.
fn check(ground: &Ground, dropped: usize, reported: usize) {
    ground.drops.wait_for(dropped);
    let text = format!("{} went off", ground.name);
    until(|| reports(&text) >= reported);
    ground.check_reports(reported);
}
