//! What beginners write first. Where the compiler takes a mistake, `tests/it/traps.rs` has what is
//! said at run time.

use std::fs;
use std::io;
use std::time::Duration;

use fast_async::{Pool, Task, TaskError, TaskQueue, all, attempt, group, spawn};

fn fallible() -> io::Result<u32> {
    Ok(7)
}

async fn load() -> u32 {
    7
}

fn futures_instead_of_closures() {
    let _ = spawn(async { 7 });
    let _ = spawn(load());
    let _ = attempt(async { Ok(fallible()?) });
    let _ = Pool::global().spawn(async { 7 });
    let _ = Task::<()>::builder().name("load").spawn(load());
    let _ = TaskQueue::serial().spawn(load());
    let _ = group(|g| drop(g.spawn(load())));
}

fn a_call_instead_of_a_closure() {
    let _ = spawn(fallible());
    let _ = spawn(7);
}

fn a_closure_that_takes_something() {
    let _ = spawn(|n: u32| n + 1);
}

fn futures_from_closures_that_may_fail() {
    let _ = attempt(|| load());
    let _ = spawn(|| 7).and_then(|n| async move { n + 1 });
}

fn a_task_from_then() -> Result<u32, TaskError> {
    spawn(|| 7).then(|n| spawn(move || n + 1)).wait()
}

fn a_chain_behind_a_task_from_then() {
    let _ = spawn(|| 7).then(|n| spawn(move || n + 1)).then(|n| n + 1);
}

fn a_question_mark_in_spawn() {
    let _ = spawn(|| fs::read_to_string("notes.txt")?.len());
    let _ = spawn(|| 7).then(|n| fallible()? + n);
}

fn a_question_mark_in_spawn_with_ok() {
    let _ = spawn(|| Ok(fallible()?));
}

fn an_error_that_catch_cannot_see() {
    let _ = spawn(fallible).catch(|_| 0);
}

fn a_second_wait() {
    let task = spawn(|| 7);
    let _ = task.wait();
    let _ = task.wait();
}

fn two_branches() {
    let task = spawn(|| 7);
    let _ = task.then(|n| n + 1);
    let _ = task.and_then(|n| Ok(n + 2));
}

fn a_wait_through_a_reference(tasks: &[Task<u32>]) {
    let _ = tasks[0].wait();
}

fn a_value_where_it_is_only_promised() -> u32 {
    spawn(|| 7)
}

fn tasks_of_several_types() {
    let _ = all(vec![spawn(|| 7), spawn(|| "seven")]);
}

fn a_time_without_a_unit() {
    let _ = spawn(|| 7).timeout(5);
    let _ = spawn(|| 7).timeout(Duration::from_secs(5));
}

fn main() {}
