//! All that the console knows, and the text of it for a page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use fast_async::Pool;

use crate::failures::Failures;
use crate::json::Json;
use crate::tasks::Tasks;
use crate::timeline::Timeline;

pub(crate) struct Shared {
    /// Times are seconds since then.
    origin: Instant,
    pub(crate) pools: Vec<Pool>,
    pub(crate) tasks: Tasks,
    pub(crate) timeline: Timeline,
    pub(crate) failures: Failures,
    pub(crate) end: End,
}

impl Shared {
    pub(crate) fn new(pools: Vec<Pool>) -> Shared {
        Shared {
            origin: Instant::now(),
            pools,
            tasks: Tasks::default(),
            timeline: Timeline::default(),
            failures: Failures::default(),
            end: End::default(),
        }
    }

    pub(crate) fn now(&self) -> f64 {
        self.origin.elapsed().as_secs_f64()
    }

    /// Returns everything as it stands, and of the timeline what is new since `cursor`.
    pub(crate) fn snapshot(&self, cursor: &mut u64) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.key("now").seconds(self.now());
            json.key("process").number(std::process::id());
            self.tasks.write(json);
            self.failures.write(json);
            self.timeline.write(cursor, json);
            json.key("pools").array(|json| {
                for pool in &self.pools {
                    write_pool(pool, json);
                }
            });
        });
        json.into_text()
    }
}

fn write_pool(pool: &Pool, json: &mut Json) {
    let metrics = pool.metrics();
    json.object(|json| {
        json.key("name").text(pool.name());
        json.key("max").number(pool.max_threads());
        json.key("threads").number(metrics.threads);
        json.key("idle").number(metrics.idle);
        json.key("blocked").number(metrics.blocked);
        json.key("queued").number(metrics.queued);
        json.key("running").number(metrics.running);
        json.key("completed").number(metrics.completed);
        json.key("failed").number(metrics.failed);
        json.key("cancelled").number(metrics.cancelled);
    });
}

/// The end of the console, for which its threads wait.
#[derive(Default)]
pub(crate) struct End {
    /// Written under the lock.
    has_come: AtomicBool,
    lock: Mutex<()>,
    news: Condvar,
}

impl End {
    pub(crate) fn come(&self) {
        let _lock = self.lock.lock().unwrap();
        self.has_come.store(true, Ordering::Relaxed);
        self.news.notify_all();
    }

    pub(crate) fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Relaxed)
    }

    /// Waits for the end, at most so long; returns true when it has come.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let lock = self.lock.lock().unwrap();
        let goes_on = |(): &mut ()| !self.has_come();
        let _waited = self.news.wait_timeout_while(lock, at_most, goes_on);
        self.has_come()
    }
}
