//! What random programs have found, each as the smallest program that shows it.

mod cancels;
mod searches;
mod unhandled;

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use fast_async::{Task, deferred};

use super::seen::Failure;
use super::{PANIC, REPORTS};

const LONG: Duration = Duration::from_secs(20);

fn reports() -> Vec<Failure> {
    std::mem::take(&mut *REPORTS.lock().unwrap())
}

/// A panic that is not printed, like the panics of programs.
fn panics<T>() -> T {
    panic!("{}0", PANIC)
}

/// A task whose settling thread waits in its first observer for a signal.
fn held_up() -> (Task<u32>, impl FnOnce(), Receiver<()>) {
    let (resolver, task) = deferred::<u32>();
    let (tell, told) = channel();
    let (go, gate) = channel::<()>();
    task.on_settled(move |_| {
        tell.send(()).unwrap();
        gate.recv().unwrap();
    });
    let settler = thread::spawn(move || resolver.resolve(1).is_ok());
    let go_on = move || {
        go.send(()).unwrap();
        assert!(settler.join().expect("settling does not panic"));
    };
    (task, go_on, told)
}
