//! An executor for a thread with its own loop: a window, a game, a test.

// Map for maintainers, from the ground up: store.rs closures that never leave the thread of their
// loop queue.rs the queue and its runs local.rs the loop of one thread, which calls them

mod local;
mod queue;
mod store;

pub use local::LocalLoop;
pub use queue::LoopQueue;
