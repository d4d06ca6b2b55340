use fast_async::{TaskQueue, make_async};
use std::sync::LazyLock;

static QUEUE: LazyLock<TaskQueue> = LazyLock::new(TaskQueue::serial);

struct Unclonable;

#[make_async(timeout = 5)]
fn without_unit() {}

#[make_async(timeout = "5 sec")]
fn unknown_unit() {}

#[make_async(timeout = "0s")]
fn no_time() {}

#[make_async(timeout, retry =)]
fn without_value() -> Result<(), String> {
    Ok(())
}

#[make_async(retry = "3")]
fn not_a_number() -> Result<(), String> {
    Ok(())
}

#[make_async(retry = 0)]
fn no_call() -> Result<(), String> {
    Ok(())
}

#[make_async(retry = 5_000_000_000)]
fn too_many_calls() -> Result<(), String> {
    Ok(())
}

#[make_async(retry = 3)]
fn cannot_fail() -> u32 {
    7
}

#[make_async(queue = "QUEUE")]
fn not_a_queue() {}

#[make_async(queue = &QUEUE, pool = &POOL)]
fn two_pools() {}

#[make_async(name = "job", queue = &QUEUE)]
fn job_with_a_name() {}

#[make_async(queue = &QUEUE, retry = 3)]
fn job_that_is_called_again() -> Result<(), String> {
    Ok(())
}

// These go through, and the compiler sees what is wrong.
#[make_async(queue = QUEUE)]
fn not_a_reference() {}

#[make_async(timeout = LIMIT)]
fn not_a_duration() {}

const LIMIT: u64 = 5;

#[make_async(retry = LIMIT)]
fn not_a_policy() -> Result<(), String> {
    Ok(())
}

#[make_async(retry = 2)]
fn carried_once(unclonable: Unclonable) -> Result<(), String> {
    drop(unclonable);
    Ok(())
}

fn main() {
    let _ = (without_unit(), unknown_unit(), no_time(), without_value(), not_a_number());
    let _ = (no_call(), too_many_calls(), cannot_fail(), not_a_queue(), two_pools());
    let _ = (job_with_a_name(), job_that_is_called_again());
}
