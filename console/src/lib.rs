//! A console for programs that use [`fast_async`]: a page in the browser on which one sees the
//! tasks live, what the threads are doing, failures that nothing has handled, and the counters of
//! the pools.
//!
//! ```
//! use fast_async_console::Console;
//!
//! let console = Console::serve("127.0.0.1:0")?;
//! println!("open {}", console.url());
//! // .. the program; the page is there until `console` is dropped
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The page shows tasks that are spawned after this call on the global pool; [`Console::builder`]
//! adds other pools. The timeline of the threads comes from `tracing` spans, if the program has the
//! console's [`layer`](Console::layer):
//!
//! ```
//! use fast_async::TaskBuilder;
//! use fast_async_console::Console;
//! use tracing_subscriber::layer::SubscriberExt;
//! use tracing_subscriber::util::SubscriberInitExt;
//!
//! let console = Console::serve("127.0.0.1:0")?;
//! tracing_subscriber::registry().with(console.layer()).init();
//!
//! // A task with a name has a span of its own.
//! let sum = TaskBuilder::new().name("sum").spawn(|| (1..=100).sum::<u32>());
//! assert_eq!(sum.wait()?, 5050);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it may do
//!
//! The page reads, and nothing on it changes the program. It is one document without anything from
//! elsewhere. The server listens on a loopback address only, unless
//! [`expose`](ConsoleBuilder::expose) allows another; it refuses requests whose `Host` or `Origin`
//! is not its own, so that no other page in the browser can read it. It is meant for development:
//! names of tasks and texts of failures are on it, without a password.
//!
//! # What it costs
//!
//! A thread that accepts connections, and one for each open page. The events of tasks are noted on
//! the threads where they happen; `cargo run --release -p fast-async-console --example cost` says
//! what that costs. Memory is bounded: 20,000 tasks that have not ended, the last 500 that have, 100
//! places of failures, 4,096 slices of the timeline. What is beyond that is counted.

#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]

// Map for maintainers, from the ground up:
//   json.rs      writes JSON                       http.rs     reads a request, writes an answer
//   tasks.rs     the tasks of all pools            timeline.rs what ran on which thread
//   failures.rs  failures that nothing received    shared.rs   all of it, and the text for a page
//   pools.rs     notes the events of a pool        layer.rs    feeds the timeline
//   access.rs    who may connect, and ask          server.rs   threads and connections
//   console.rs   Console and its builder           thread.rs   names the calling thread

mod access;
mod console;
mod failures;
mod http;
mod json;
mod layer;
mod pools;
mod server;
mod shared;
mod tasks;
mod thread;
mod timeline;

pub use console::{Console, ConsoleBuilder};
pub use layer::ConsoleLayer;
