#![deny(unused_must_use)]

use fast_async::{Task, TaskError, make_async, spawn};

#[make_async]
#[must_use = "the page is loaded for a reader"]
fn load() -> u8 {
    1
}

#[make_async]
fn touch() {}

fn a_task_that_nothing_joins() -> Result<(), TaskError> {
    spawn(|| 1).then(|n| spawn(move || drop(n))).wait()?;
    Ok(())
}

fn main() {
    spawn(|| 1);
    spawn(|| 1).then(|n| n + 1);
    spawn(|| 1).share();
    spawn(|| 1).wait();
    Task::new(|| 1);
    Task::builder().name("never started");
    load();
    touch();
}
