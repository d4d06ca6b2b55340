//! The state of a cache, and what is decided under its lock: which task a call gets, what becomes
//! of a load, and when the timer comes.

use super::key::Key;
use super::table::{Id, Ids, Load, Removed, Table, Wanted};
use crate::pool::Pool;
use crate::sync::{Duration, Instant};
use crate::task::{SharedTask, Task};
use crate::time::time_of;

pub(super) struct State<K, T> {
    pub(super) table: Table<K, T>,
    pub(super) ttl: Option<Duration>,
    pub(super) capacity: usize,
    /// `None`: the global pool.
    pub(super) pool: Option<Pool>,
    /// Invariant, outside of the lock: there is one if and only if a value expires, and it comes no
    /// later than that.
    pub(super) timer: Option<Timer>,
    /// The number of the last timer.
    timers: u64,
}

/// The one timer of a cache. It removes the values whose time is over.
pub(super) struct Timer {
    pub(super) at: Instant,
    pub(super) number: u64,
    /// `None` while it is being made.
    pub(super) task: Option<Task<()>>,
}

/// What is to be done about the timer without the lock.
pub(super) struct Tending {
    pub(super) stale: Option<Timer>,
    pub(super) arm: Option<(Instant, u64, Option<Pool>)>,
}

/// What a call has found for its key.
pub(super) struct Seen<T> {
    /// The entries that have the hash of the key.
    pub(super) ids: Ids,
    /// The one of the key.
    pub(super) own: Option<Id>,
    /// What was wanted of it.
    pub(super) task: Option<SharedTask<T>>,
}

/// What has become of a load.
pub(super) enum Placed<T> {
    /// It is that of its key.
    Begun,
    /// There is a value by now, or another load.
    Unneeded(SharedTask<T>, Load<T>),
    /// There are other entries by now, and their keys must be compared.
    Changed(Load<T>),
}

impl<K, T> Default for State<K, T> {
    fn default() -> State<K, T> {
        State {
            table: Table::default(),
            ttl: None,
            capacity: usize::MAX,
            pool: None,
            timer: None,
            timers: 0,
        }
    }
}

impl<K, T: Send + Sync + 'static> State<K, T> {
    /// The time by the clock of the pool.
    pub(super) fn now(&self) -> Instant {
        time_of(self.pool.as_ref()).now()
    }

    /// The value of an entry for a call that is yet to compare the keys; `None` also if the value
    /// would have to be noted as used.
    pub(super) fn early_value(&self, id: Id, wanted: Wanted) -> Option<SharedTask<T>> {
        let may_take = match wanted {
            Wanted::Use => !self.is_limited() || self.table.is_newest(id),
            wanted => wanted.is_current(),
        };
        may_take.then(|| self.table.value(id)).flatten()
    }

    /// What a call gets of an entry.
    pub(super) fn task(&mut self, id: Id, wanted: Wanted) -> Option<SharedTask<T>> {
        if wanted == Wanted::Use && self.is_limited() {
            self.table.touch(id);
        }
        self.table.task(id, wanted)
    }

    /// The order of use matters only then.
    fn is_limited(&self) -> bool {
        self.capacity < usize::MAX
    }

    /// Makes a load that of `key`, if it is needed and `seen` still holds.
    pub(super) fn place(
        &mut self,
        hash: u64,
        key: &Key<K>,
        seen: &Seen<T>,
        wanted: Wanted,
        load: Load<T>,
        removed: &mut Removed<K, T>,
    ) -> Placed<T> {
        if !self.table.still_has(hash, &seen.ids) {
            return Placed::Changed(load);
        }
        let Some(id) = seen.own else {
            self.table.insert(hash, key.clone(), load);
            return Placed::Begun;
        };
        if let Some(task) = self.task(id, wanted) {
            return Placed::Unneeded(task, load);
        }
        self.table.begin(id, load, removed);
        Placed::Begun
    }

    /// Has the timer come no later than the first value expires. An earlier one looks again then.
    pub(super) fn tend_timer(&mut self) -> Option<Tending> {
        let first = self.table.first_expiry();
        let is_right = match (first, &self.timer) {
            (None, None) => true,
            (Some(first), Some(timer)) => timer.at <= first,
            _ => false,
        };
        if is_right {
            return None;
        }
        let stale = self.timer.take();
        let arm = first.map(|at| {
            self.timers += 1;
            let number = self.timers;
            let task = None;
            self.timer = Some(Timer { at, number, task });
            (at, number, self.pool.clone())
        });
        Some(Tending { stale, arm })
    }
}
