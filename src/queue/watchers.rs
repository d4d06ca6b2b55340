//! Those who wait until the line of a queue is short: plain data, changed under the queue's lock.

use std::collections::BTreeMap;

use crate::promise::Resolver;

const WATCHERS_KEPT: usize = 16;

/// Those who wait until the line is short.
#[derive(Default)]
pub(super) struct Watchers {
    /// Until no job waits or runs.
    idle: Vec<Resolver<()>>,
    /// Until fewer than this number of jobs wait.
    below: BTreeMap<usize, Vec<Resolver<()>>>,
    count: usize,
    /// The length from which on cancelled entries are searched for.
    kept: usize,
}

impl Watchers {
    pub(super) fn add(&mut self, below: Option<usize>, resolver: Resolver<()>) {
        match below {
            None => self.idle.push(resolver),
            Some(below) => self.below.entry(below).or_default().push(resolver),
        }
        self.count += 1;
    }

    /// Removes cancelled entries, when there may be many.
    pub(super) fn sweep(&mut self) -> Vec<Resolver<()>> {
        let mut cancelled = Vec::new();
        if self.count >= self.kept {
            let is_cancelled = |resolver: &mut Resolver<()>| !resolver.is_wanted();
            cancelled.extend(self.idle.extract_if(.., is_cancelled));
            for list in self.below.values_mut() {
                cancelled.extend(list.extract_if(.., is_cancelled));
            }
            self.below.retain(|_, list| !list.is_empty());
            self.count -= cancelled.len();
            self.kept = WATCHERS_KEPT.max(2 * self.count);
        }
        cancelled
    }

    pub(super) fn take_reached(&mut self, waiting: usize, is_idle: bool) -> Vec<Resolver<()>> {
        if self.count == 0 {
            return Vec::new();
        }
        let reached = self.below.split_off(&(waiting + 1));
        let mut told: Vec<_> = reached.into_values().flatten().collect();
        if is_idle {
            told.extend(std::mem::take(&mut self.idle));
        }
        self.count -= told.len();
        told
    }
}
