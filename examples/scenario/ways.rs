//! The ways to have both parts done.

use std::thread;

use fast_async::{BoxError, attempt, spawn};

use crate::parts::Parts;

/// Returns what both parts came to.
pub(crate) type Way = fn(Parts) -> Result<(String, u64), BoxError>;

pub(crate) const OURS: &str = "fast-async";

pub(crate) const WAYS: [(&str, Way); 3] = [
    ("one after the other", in_turn),
    ("threads by hand", by_hand),
    (OURS, with_tasks),
];

fn in_turn(parts: Parts) -> Result<(String, u64), BoxError> {
    Ok((parts.request()?, parts.compute()))
}

fn by_hand(parts: Parts) -> Result<(String, u64), BoxError> {
    let request = thread::spawn(move || parts.request());
    let computation = thread::spawn(move || parts.compute());
    let text = request.join().map_err(|_| "the request panicked")??;
    let number = computation.join().map_err(|_| "the computation panicked")?;
    Ok((text, number))
}

fn with_tasks(parts: Parts) -> Result<(String, u64), BoxError> {
    let request = attempt(move || parts.request());
    let computation = spawn(move || parts.compute());
    Ok(request.zip(computation).wait()?)
}
