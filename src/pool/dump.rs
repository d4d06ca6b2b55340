//! What the threads of a pool do, as a text.

use std::fmt;

use super::PoolMetrics;
use super::registry::Registry;
use crate::executor::Origin;
use crate::sync::{Arc, Duration, Instant, Ordering, ThreadId};

/// The number of queued jobs that are listed.
const LISTED: usize = 8;

/// What each thread of a pool did at one moment; made by [`Pool::dump`](crate::Pool::dump).
///
/// `Display` writes a line for each thread and for each of the oldest queued jobs. The text is for
/// people, and its form may change.
#[derive(Clone, Debug)]
pub struct PoolDump {
    name: String,
    metrics: PoolMetrics,
    threads: Vec<ThreadDump>,
    /// The oldest jobs.
    queued: Vec<Option<Origin>>,
}

#[derive(Clone, Debug)]
struct ThreadDump {
    number: usize,
    id: ThreadId,
    doing: Doing,
}

#[derive(Clone, Debug)]
enum Doing {
    Nothing,
    Runs {
        /// `None`: a job of no task.
        task: Option<Origin>,
        time: Duration,
        /// It is blocked in a wait of this crate.
        is_blocked: bool,
        waits_for: Option<Awaited>,
    },
}

/// What a blocked thread waits for.
#[derive(Clone, Debug)]
pub(crate) struct Awaited {
    pub(crate) task: Origin,
    pub(crate) status: &'static str,
    /// The thread that runs it.
    pub(crate) thread: Option<ThreadId>,
}

impl PoolDump {
    pub(super) fn of(registry: &Arc<Registry>) -> PoolDump {
        let now = Instant::now();
        let threads = registry.queues.locals().into_iter().map(|local| {
            let is_blocked = local.blocked.load(Ordering::Relaxed);
            let (present, _) = local.look(0);
            let doing = match local.busy.load(Ordering::Relaxed) {
                false => Doing::Nothing,
                true => Doing::Runs {
                    task: present.origin,
                    time: now.saturating_duration_since(present.since),
                    is_blocked,
                    waits_for: None,
                },
            };
            ThreadDump {
                number: local.number,
                id: local.thread.id(),
                doing,
            }
        });
        let mut threads: Vec<ThreadDump> = threads.collect();
        threads.sort_by_key(|thread| thread.number);
        PoolDump {
            name: registry.settings.name.clone(),
            metrics: PoolMetrics::of(registry),
            threads,
            queued: registry.queues.origins(LISTED),
        }
    }

    /// Adds what the blocked threads wait for.
    pub(crate) fn add_waits(&mut self, awaited_by: impl Fn(ThreadId) -> Option<Awaited>) {
        for thread in &mut self.threads {
            if let Doing::Runs { waits_for, .. } = &mut thread.doing {
                *waits_for = awaited_by(thread.id);
            }
        }
    }

    fn name_of(&self, id: ThreadId) -> Option<String> {
        let thread = self.threads.iter().find(|thread| thread.id == id)?;
        Some(format!("{}-{}", self.name, thread.number))
    }
}

impl fmt::Display for PoolDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolMetrics {
            threads,
            idle,
            blocked,
            queued,
            ..
        } = self.metrics;
        write!(f, "pool `{}`: {}, ", self.name, Counted(threads, "thread"))?;
        write!(f, "{idle} idle, {blocked} blocked; ")?;
        write!(f, "{} queued", Counted(queued, "job"))?;
        for thread in &self.threads {
            write!(f, "\n    {}-{}: ", self.name, thread.number)?;
            match &thread.doing {
                Doing::Nothing => f.write_str("idle")?,
                Doing::Runs {
                    task,
                    time,
                    is_blocked,
                    waits_for,
                } => {
                    write_task(f, task.as_ref())?;
                    write!(f, ", for {time:.1?}")?;
                    self.write_wait(f, *is_blocked, waits_for.as_ref())?;
                }
            }
        }
        for job in &self.queued {
            f.write_str("\n    queued: ")?;
            write_task(f, job.as_ref())?;
        }
        let more = self.metrics.queued.saturating_sub(self.queued.len());
        match more {
            0 => Ok(()),
            more => write!(f, "\n    and {more} more in the queues"),
        }
    }
}

impl PoolDump {
    fn write_wait(
        &self,
        f: &mut fmt::Formatter<'_>,
        is_blocked: bool,
        waits_for: Option<&Awaited>,
    ) -> fmt::Result {
        let Some(Awaited {
            task,
            status,
            thread,
        }) = waits_for
        else {
            return f.write_str(if is_blocked {
                "; blocked in a wait"
            } else {
                ""
            });
        };
        write!(f, "; waits for {task} ({status}")?;
        match thread.and_then(|thread| self.name_of(thread)) {
            Some(name) => write!(f, " on {name})"),
            None => f.write_str(")"),
        }
    }
}

fn write_task(f: &mut fmt::Formatter<'_>, task: Option<&Origin>) -> fmt::Result {
    match task {
        Some(task) => write!(f, "{task}"),
        None => f.write_str("a job of no task"),
    }
}

/// A number of things.
struct Counted(usize, &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}
