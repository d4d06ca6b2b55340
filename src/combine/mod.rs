//! One task out of many.

mod all;
mod any;
mod group;

pub use all::{All, all, await_all};
pub use any::{any, await_first};
