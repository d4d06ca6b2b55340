//! What both engines promise: one suite, run without a server and with one.
//!
//! The promises are numbered as in `docs/OPERATING.md`. `kill.rs` has those about processes.

#[path = "../support/mod.rs"]
mod support;

mod bed;
mod calls;
mod cancels;
mod failures;
mod hostile;
mod jobs;
mod slots;
mod topics;
