//! What a pool is made from: plain data.

use std::error::Error;
use std::fmt;

use crate::cancel::CancelToken;
use crate::sync::{Arc, Duration, cores};
use crate::timer::Clock;
use crate::{drop_queue, unhandled};

/// A hook that runs on a worker thread; it gets the thread's number.
#[derive(Clone)]
pub(super) struct Hook(Option<Arc<Call>>);

type Call = dyn Fn(usize) + Send + Sync;

impl Hook {
    pub(super) fn new(hook: impl Fn(usize) + Send + Sync + 'static) -> Hook {
        Hook(Some(Arc::new(hook)))
    }

    pub(super) fn call(&self, number: usize) {
        if let Some(hook) = &self.0 {
            hook(number);
        }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        // What it has captured is the user's, and may hold the last handle of another pool, or
        // another builder.
        let hook = self.0.take();
        drop_queue::flat(move || unhandled::drop_reporting(hook));
    }
}

/// The settings of one pool. [`PoolBuilder`](super::PoolBuilder) documents each of them.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) core: usize,
    pub(super) max: usize,
    pub(super) keep_alive: Duration,
    pub(super) stack_size: Option<usize>,
    pub(super) inline_waits: bool,
    pub(super) queue_limit: Option<usize>,
    pub(super) cancel_tokens: Vec<CancelToken>,
    /// `None`: the pool uses the system's time.
    pub(super) clock: Option<Clock>,
    /// Whether the monitor asks the system what threads do.
    pub(super) asks_system: bool,
    pub(super) on_start: Option<Hook>,
    pub(super) on_stop: Option<Hook>,
}

impl Settings {
    /// Returns the stack of a thread in bytes: the standard library's default if none was set.
    pub(super) fn stack_bytes(&self) -> usize {
        const DEFAULT: usize = 2 << 20;
        self.stack_size.unwrap_or_else(|| {
            let asked = std::env::var("RUST_MIN_STACK").ok();
            asked
                .and_then(|bytes| bytes.parse().ok())
                .unwrap_or(DEFAULT)
        })
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            name: "fast-async".into(),
            core: cores(),
            max: 64,
            keep_alive: Duration::from_secs(1),
            stack_size: None,
            inline_waits: true,
            queue_limit: None,
            cancel_tokens: Vec::new(),
            clock: None,
            asks_system: true,
            on_start: None,
            on_stop: None,
        }
    }
}

/// A setting that no pool, or no [queue](crate::queue), can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    message: &'static str,
}

impl ConfigError {
    pub(crate) const fn new(message: &'static str) -> ConfigError {
        ConfigError { message }
    }

    pub(super) const ZERO_THREADS: ConfigError = ConfigError {
        message: "a pool needs at least one thread: the number of threads must be 1 or more",
    };
    pub(super) const ZERO_QUEUE: ConfigError = ConfigError {
        message: "a queue limit of 0 would accept no job: it must be 1 or more, or be left out",
    };
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for ConfigError {}
