//! The entries of a cache, by key, by use and by expiry: plain data.
//!
//! Nothing here calls user code, compares keys or drops anything of the user's: what is taken out
//! is added to a [`Removed`], which the caller drops without its lock.

use std::collections::{BTreeSet, HashMap};

use smallvec::SmallVec;

use super::key::{ByNumber, Key};
use crate::sync::Instant;
use crate::task::{Flight, SharedTask};

/// Identifies an entry, or a load. None is used twice.
pub(super) type Id = u64;

/// The entries of one hash. Almost always there is one at the most.
pub(super) type Ids = SmallVec<[Id; 1]>;

/// Room that an empty map may not keep, and that a small one may.
const KEPT: usize = 64;

/// What there is for a key: a value, a load, or both while a value is loaded anew.
struct Entry<K, T> {
    key: Key<K>,
    hash: u64,
    value: Option<Value<T>>,
    load: Option<Load<T>>,
    /// The neighbours in the order of use, in which entries with a value are.
    before: Option<Id>,
    after: Option<Id>,
}

/// A value that was loaded.
struct Value<T> {
    task: Flight<T>,
    /// `None`: never.
    expires: Option<Instant>,
}

/// A load that has not ended.
pub(super) struct Load<T> {
    pub(super) id: Id,
    pub(super) task: Flight<T>,
}

/// What is to be dropped without the lock.
pub(super) struct Removed<K, T> {
    entries: Vec<Entry<K, T>>,
    values: Vec<Value<T>>,
    loads: Vec<Load<T>>,
}

impl<K, T> Default for Removed<K, T> {
    fn default() -> Removed<K, T> {
        Removed {
            entries: Vec::new(),
            values: Vec::new(),
            loads: Vec::new(),
        }
    }
}

/// What a call wants of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The value, or else the load. The value counts as used.
    Use,
    /// The value, or else the load.
    Look,
    /// The load, though there may be a value.
    Load,
    /// To know whether it is there.
    Nothing,
}

impl Wanted {
    /// A value will do.
    pub(super) fn is_current(self) -> bool {
        matches!(self, Wanted::Use | Wanted::Look)
    }
}

pub(super) struct Table<K, T> {
    entries: HashMap<Id, Entry<K, T>, ByNumber>,
    by_hash: HashMap<u64, Ids, ByNumber>,
    /// The values that expire, the first one first.
    expiring: BTreeSet<(Instant, Id)>,
    /// The ends of the order of use.
    oldest: Option<Id>,
    newest: Option<Id>,
    /// The number of values.
    values: usize,
    next: Id,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Table<K, T> {
        Table {
            entries: HashMap::with_hasher(ByNumber),
            by_hash: HashMap::with_hasher(ByNumber),
            expiring: BTreeSet::new(),
            oldest: None,
            newest: None,
            values: 0,
            next: 0,
        }
    }
}

impl<K, T: Send + Sync + 'static> Table<K, T> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first moment at which a value expires.
    pub(super) fn first_expiry(&self) -> Option<Instant> {
        self.expiring.first().map(|(expires, _)| *expires)
    }

    /// The keys with this hash.
    pub(super) fn keys(&self, hash: u64) -> SmallVec<[(Id, Key<K>); 1]> {
        let ids = self.by_hash.get(&hash).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.entries.get(id)?.key.clone())))
            .collect()
    }

    /// The value of an entry.
    pub(super) fn value(&self, id: Id) -> Option<SharedTask<T>> {
        self.entries.get(&id)?.value.as_ref()?.task.join()
    }

    /// What a call is to get of an entry. `None`: there is no value of it, nor a load to join.
    pub(super) fn task(&self, id: Id, wanted: Wanted) -> Option<SharedTask<T>> {
        if wanted.is_current()
            && let Some(value) = self.value(id)
        {
            return Some(value);
        }
        let load = self.entries.get(&id)?.load.as_ref()?;
        // One that has failed, or that its last consumer has cancelled, is about to be removed.
        if wanted == Wanted::Nothing || load.task.is_lost() {
            return None;
        }
        load.task.join()
    }

    /// A number for a load.
    pub(super) fn next_id(&mut self) -> Id {
        self.next += 1;
        self.next
    }

    /// True if the entries of this hash are these.
    pub(super) fn still_has(&self, hash: u64, ids: &[Id]) -> bool {
        self.by_hash.get(&hash).map_or(&[][..], |own| &own[..]) == ids
    }

    /// Puts a load into a new entry, for a key that has none.
    pub(super) fn insert(&mut self, hash: u64, key: Key<K>, load: Load<T>) {
        let id = self.next_id();
        let entry = Entry {
            key,
            hash,
            value: None,
            load: Some(load),
            before: None,
            after: None,
        };
        self.entries.insert(id, entry);
        self.by_hash.entry(hash).or_default().push(id);
    }

    /// Puts a load into an entry. Returns an earlier one, which its last consumer has cancelled, or
    /// which has failed.
    pub(super) fn begin(&mut self, id: Id, load: Load<T>, removed: &mut Removed<K, T>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            removed.loads.extend(entry.load.replace(load));
        }
    }

    /// A load has ended. Its value replaces an earlier one; without a value the entry is as it was
    /// before. Nothing changes if the entry was removed meanwhile, or has another load.
    pub(super) fn finish(
        &mut self,
        hash: u64,
        load: Id,
        expires: Option<Instant>,
        removed: &mut Removed<K, T>,
    ) {
        let mut ids = self.by_hash.get(&hash).into_iter().flatten().copied();
        let entries = &mut self.entries;
        let found = ids.find_map(|id| {
            let ended = entries.get_mut(&id)?.load.take_if(|own| own.id == load)?;
            Some((id, ended))
        });
        let Some((id, ended)) = found else {
            return;
        };
        if ended.task.is_lost() {
            removed.loads.push(ended);
            return self.remove_if_empty(id, removed);
        }
        self.take_value(id, removed);
        if let Some(entry) = self.entries.get_mut(&id) {
            let task = ended.task;
            entry.value = Some(Value { task, expires });
            self.values += 1;
            self.expiring.extend(expires.map(|expires| (expires, id)));
            self.append(id);
        }
    }

    /// Removes the values whose time is over.
    pub(super) fn expire(&mut self, now: Instant, removed: &mut Removed<K, T>) {
        while let Some((expires, id)) = self.expiring.first().copied()
            && expires <= now
        {
            self.take_value(id, removed);
            self.remove_if_empty(id, removed);
        }
    }

    /// Removes the values that were not used for the longest time, until there are no more than
    /// `capacity`.
    pub(super) fn evict(&mut self, capacity: usize, removed: &mut Removed<K, T>) {
        while self.values > capacity
            && let Some(id) = self.oldest
        {
            self.take_value(id, removed);
            self.remove_if_empty(id, removed);
        }
    }

    /// Removes an entry, with its load. False: it was removed before.
    pub(super) fn remove(&mut self, id: Id, removed: &mut Removed<K, T>) -> bool {
        self.take_value(id, removed);
        let Some(entry) = self.entries.remove(&id) else {
            return false;
        };
        if let Some(ids) = self.by_hash.get_mut(&entry.hash) {
            ids.retain(|own| *own != id);
            if ids.is_empty() {
                self.by_hash.remove(&entry.hash);
            }
        }
        removed.entries.push(entry);
        self.shrink();
        true
    }

    /// Removes all entries.
    pub(super) fn clear(&mut self, removed: &mut Removed<K, T>) {
        let next = self.next;
        let before = std::mem::take(self);
        self.next = next;
        removed.entries.extend(before.entries.into_values());
    }

    pub(super) fn is_newest(&self, id: Id) -> bool {
        self.newest == Some(id)
    }

    /// The value of this entry is the most recently used one.
    pub(super) fn touch(&mut self, id: Id) {
        if !self.is_newest(id) && self.entries.get(&id).is_some_and(|it| it.value.is_some()) {
            self.detach(id);
            self.append(id);
        }
    }

    fn remove_if_empty(&mut self, id: Id, removed: &mut Removed<K, T>) {
        let is_empty = |entry: &Entry<K, T>| entry.value.is_none() && entry.load.is_none();
        if self.entries.get(&id).is_some_and(is_empty) {
            self.remove(id, removed);
        }
    }

    fn take_value(&mut self, id: Id, removed: &mut Removed<K, T>) {
        let value = self.entries.get_mut(&id).and_then(|it| it.value.take());
        let Some(value) = value else {
            return;
        };
        self.values -= 1;
        if let Some(expires) = value.expires {
            self.expiring.remove(&(expires, id));
        }
        self.detach(id);
        removed.values.push(value);
    }

    /// Puts an entry at the end of the order of use.
    fn append(&mut self, id: Id) {
        let before = self.newest.replace(id);
        self.link(before, Some(id));
        self.link(Some(id), None);
    }

    /// Takes an entry out of the order of use.
    fn detach(&mut self, id: Id) {
        if let Some(entry) = self.entries.get_mut(&id) {
            let (before, after) = (entry.before.take(), entry.after.take());
            self.link(before, after);
        }
    }

    /// Makes two entries neighbours in the order of use. `None`: its beginning, or its end.
    fn link(&mut self, before: Option<Id>, after: Option<Id>) {
        match before.and_then(|id| self.entries.get_mut(&id)) {
            Some(entry) => entry.after = after,
            None => self.oldest = after,
        }
        match after.and_then(|id| self.entries.get_mut(&id)) {
            Some(entry) => entry.before = before,
            None => self.newest = before,
        }
    }

    /// Frees the room of what was removed: all of it when nothing is left, and most of it when
    /// little is.
    fn shrink(&mut self) {
        let len = self.entries.len();
        if len == 0 {
            let next = self.next;
            *self = Table::default();
            self.next = next;
        } else if self.entries.capacity() > KEPT && len < self.entries.capacity() / 8 {
            self.entries.shrink_to(2 * len);
            self.by_hash.shrink_to(2 * len);
        }
    }
}
