//! What the tests share: a watchdog, gates and counts, values that tell when they are dropped or
//! panic then, processes of their own, virtual time, and the table of cases.

mod cases;
mod clocks;
mod drops;
mod futures;
mod gate;
mod isolate;
mod jam;
mod panics;
mod pools;
mod threads;
mod watch;

pub(crate) use cases::{Case, Place, When, every_case};
pub(crate) use clocks::{HOUR, SECOND, virtual_pool};
pub(crate) use drops::{Bomb, Dropped, Drops, OnDrop, Token};
pub(crate) use futures::{Counted, block_on, poll};
pub(crate) use gate::{Count, Gate, Latch, Log};
pub(crate) use isolate::{as_child, child, child_command, is_child, isolated, passed};
pub(crate) use jam::Jam;
pub(crate) use panics::{Expected, expected, quiet, reports};
pub(crate) use pools::{one_thread, pool_of};
pub(crate) use threads::{thread_names, threads_named};
pub(crate) use watch::{LIMIT, PATIENCE, limit, until, watched, watched_for, within, within_time};

use fast_async::deferred;

/// Panics unless the calling thread still runs what it settles: a panic that slipped through the
/// dispatcher would have left it closed.
#[track_caller]
pub(crate) fn assert_still_dispatches() {
    let (resolver, task) = deferred();
    let task = task.then(|n: i32| n + 1);
    assert!(resolver.resolve(1).is_ok());
    assert!(
        task.is_settled(),
        "this thread no longer runs the continuations of what it settles"
    );
    assert_eq!(task.wait().expect("it was resolved"), 2);
}
