//! Topics: one order for all subscribers, buffers, closing, waiting for the next value, what is
//! derived.

mod buffers;
mod derived;
mod ends;
mod kept;
mod nexts;
mod order;
mod pace;
mod polled;
mod subjects;
mod surroundings;
mod wakers;
mod watch;

use crate::support::{Gate, Log, OnDrop, expected, one_thread, reports, within};

use fast_async::topic::{Overflow, PublishError, Topic};

/// Subscribes a callback that writes what it gets into the log.
fn logging(topic: &Topic<u32>) -> Log<u32> {
    let log = Log::new();
    let own = log.clone();
    topic.subscribe(move |n| own.push(*n));
    log
}
