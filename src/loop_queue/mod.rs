//! An executor for a thread with its own loop: a window, a game, a test.

// Map for maintainers, from the ground up:
//   turners.rs  which threads run a loop
//   store.rs  closures that never leave the thread of their loop
//   queue.rs  the queue and its runs
//   kept.rs  what others hold of it
//   local.rs  the loop of one thread, which calls them
//   delivery.rs  closures on their way to a state
//   state.rs  the queue of a loop that has one

mod delivery;
mod kept;
mod lenders;
mod local;
mod queue;
mod state;
mod store;
mod turners;

pub use local::LocalLoop;
pub use queue::LoopQueue;
pub use state::StateQueue;
