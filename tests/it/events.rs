//! Events: what a task, a group and a pool tell while they run, to whom and when.

mod limits;
mod listeners;
mod many;
mod pools;
mod stages;

use std::sync::mpsc::{Receiver as Inbox, channel};

use crate::support::{
    Drops, Gate, LIMIT, Latch, Log, expected, one_thread, pool_of, reports, until, within,
};

use fast_async::topic::{Overflow, Receiver};
use fast_async::{
    Clock, EventKind, Pool, Task, TaskContext, TaskEvent, deferred, spawn, spawn_with,
};

/// A pool that goes by a virtual clock.
fn virtual_pool() -> (Clock, Pool) {
    let clock = Clock::manual();
    let pool = Pool::builder().clock(&clock).max_threads(4).build();
    (clock, pool.expect("good settings"))
}

/// What has happened, in words.
fn line(event: &TaskEvent) -> String {
    match event.kind() {
        // Its words say where and why; tests look at its kind.
        EventKind::Settled {
            failure: Some(error),
        } => format!("settled: {:?}", error.kind()),
        kind => kind.to_string(),
    }
}

/// All events to the end.
fn lines(events: Receiver<TaskEvent>) -> Vec<String> {
    events.map(|event| line(&event)).collect()
}

/// The next `count` events, which come or have come.
fn next_lines(events: &mut Receiver<TaskEvent>, count: usize) -> Vec<String> {
    events.take(count).map(|event| line(&event)).collect()
}

/// Runs `f` in a task of `pool` that waits until its listeners are there.
fn gated<T: Send + 'static>(
    pool: &Pool,
    f: impl FnOnce(&TaskContext) -> T + Send + 'static,
) -> (Gate, Task<T>) {
    let gate = Gate::new();
    let passes = gate.clone();
    let task = pool.spawn_with(move |ctx| {
        passes.pass();
        f(ctx)
    });
    (gate, task)
}

/// Sends each event in words to the test.
fn sending() -> (impl FnMut(&TaskEvent) + Send + 'static, Inbox<String>) {
    let (tell, told) = channel();
    let send = move |event: &TaskEvent| {
        let _ = tell.send(line(event));
    };
    (send, told)
}
