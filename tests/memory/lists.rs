//! The lists of a thread, when it has nothing on them any more.

use std::sync::mpsc::channel;
use std::thread;

use fast_async::{Task, deferred};

use crate::bytes::live_bytes;
use crate::support::isolated;
use crate::{comes_down_to, one_thread};

const MANY: usize = 100_000;

/// Has a callback on this thread settle many tasks at once.
fn settle_many() {
    let (first, task) = deferred::<()>();
    let others = (0..MANY).map(|_| deferred::<()>());
    let (resolvers, tasks): (Vec<_>, Vec<_>) = others.unzip();
    for task in tasks {
        task.on_settled(|_| ());
    }
    task.then(move |()| {
        for resolver in resolvers {
            let _ = resolver.resolve(());
        }
    })
    .detach();
    first.resolve(()).unwrap();
}

/// Drops a line of tasks with many others next to each: at some place of the line these are
/// deferred.
fn drop_many() {
    let line: Box<dyn Send> = Box::new(());
    let line = (0..100).fold(line, |line, _| {
        let beside: Vec<_> = (0..MANY / 10).map(Task::ready).collect();
        Box::new(Task::ready((beside, line)))
    });
    drop(line);
}

/// The thread is there, and does nothing, when the bytes are counted.
fn on_an_idle_thread(burst: fn()) {
    let (tell, told) = channel();
    let (end, ending) = channel::<()>();
    let before = live_bytes();
    let idle = thread::spawn(move || {
        burst();
        tell.send(()).unwrap();
        let _ = ending.recv();
    });
    told.recv().unwrap();
    comes_down_to(before);
    drop(end);
    idle.join().unwrap();
}

fn on_an_idle_worker(burst: fn()) {
    let pool = one_thread();
    pool.spawn(|| ()).wait().unwrap();
    let before = live_bytes();
    pool.spawn(burst).wait().unwrap();
    comes_down_to(before);
    assert_eq!(pool.metrics().threads, 1);
}

// Contract: D2
#[test]
fn a_thread_that_has_settled_many_at_once() {
    isolated("a_thread_that_has_settled_many_at_once", || {
        on_an_idle_thread(settle_many);
        on_an_idle_worker(settle_many);
    });
}

// Contract: D2
#[test]
fn a_thread_that_has_put_off_many_drops() {
    isolated("a_thread_that_has_put_off_many_drops", || {
        on_an_idle_thread(drop_many);
        on_an_idle_worker(drop_many);
    });
}
