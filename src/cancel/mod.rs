//! Tokens that cancel the tasks under them, and the two passes of a cancel.

// Map for maintainers, from the ground up:
//   callback.rs    user code under a token   children.rs    the tokens under one
//   sweep.rs       the two passes of a cancel
//   token.rs       the token and its tree
//   membership.rs  the tokens that one task is under
// Raising a token, with its second pass, is in `cell/raise.rs`: it needs the work list.

mod callback;
mod children;
mod membership;
mod sweep;
mod token;

pub(crate) use callback::Callback;
pub(crate) use membership::Membership;
pub use sweep::CancelOutcome;
pub(crate) use sweep::{Raise, Sweep, Withdraw};
pub use token::{CancelCallback, CancelToken};
pub(crate) use token::{Member, WeakToken};
