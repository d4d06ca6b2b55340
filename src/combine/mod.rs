//! Combinators: one task out of many.

mod all;
mod any;
mod group;
mod input;
mod settled;

pub use all::{All, all, await_all};
pub use any::{any, await_first};
pub use settled::{AllSettled, all_settled};
