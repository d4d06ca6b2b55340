//! What the handles of a cache share: it finds values, starts loads and notes their ends.

// Lock order: `state` -> that of a virtual clock. No user code runs under `state`, and nothing of
// the user's is dropped: a key is hashed before and compared after, for which calls take the lock
// twice and look whether something has changed in between.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::panic::Location;

use super::key::Key;
use super::state::{Placed, Seen, State, Tending};
use super::table::{Id, Load, Removed, Wanted};
use crate::pool::Pool;
use crate::sync::{Arc, Duration, Mutex};
use crate::task::{Flight, Given, IntoTask, SharedTask, Task};
use crate::time::delay_until;
use crate::{drop_queue, unhandled};

type Loader<K, T> = Arc<dyn Fn(&K) -> Given<T> + Send + Sync>;

pub(super) struct Core<K: Send + Sync + 'static, T: Send + Sync + 'static> {
    /// `None` only in `drop`.
    loader: Option<Loader<K, T>>,
    /// Where the loader was given.
    location: &'static Location<'static>,
    hasher: RandomState,
    state: Mutex<State<K, T>>,
}

/// The handle of a load that is not started. A drop cancels it: it would never settle.
struct Unstarted<T: Send + Sync + 'static>(Option<SharedTask<T>>);

impl<K, T> Core<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    pub(super) fn new<R, F>(location: &'static Location<'static>, loader: F) -> Arc<Core<K, T>>
    where
        F: Fn(&K) -> R + Send + Sync + 'static,
        R: IntoTask<Output = T>,
    {
        let load = move |key: &K| Given::call(location, || loader(key));
        Arc::new(Core {
            loader: Some(Arc::new(load)),
            location,
            hasher: RandomState::new(),
            state: Mutex::new(State::default()),
        })
    }

    pub(super) fn get(self: &Arc<Self>, key: K) -> SharedTask<T> {
        let hash = self.hasher.hash_one(&key);
        let mut seen = self.look(hash, &key, Wanted::Use);
        match seen.task.take() {
            Some(task) => task,
            None => self.load(hash, Key::new(key), seen, Wanted::Use),
        }
    }

    pub(super) fn refresh(self: &Arc<Self>, key: K) -> SharedTask<T> {
        let hash = self.hasher.hash_one(&key);
        let mut seen = self.look(hash, &key, Wanted::Load);
        match seen.task.take() {
            Some(task) => task,
            None => self.load(hash, Key::new(key), seen, Wanted::Load),
        }
    }

    pub(super) fn peek<Q>(self: &Arc<Self>, key: &Q) -> Option<SharedTask<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.look(self.hasher.hash_one(key), key, Wanted::Look).task
    }

    pub(super) fn forget<Q>(self: &Arc<Self>, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let seen = self.look(self.hasher.hash_one(key), key, Wanted::Nothing);
        let remove = |id| self.with(|state, removed| state.table.remove(id, removed));
        seen.own.is_some_and(remove)
    }

    /// Finds the entry of a key, and what is wanted of it.
    fn look<Q>(self: &Arc<Self>, hash: u64, key: &Q, wanted: Wanted) -> Seen<T>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let (keys, first) = self.with(|state, _| {
            let keys = state.table.keys(hash);
            // Almost always the only one is the right one. A value may be taken before that is
            // known. A load may not: it would have a consumer more, if only for a moment.
            let first = match &keys[..] {
                [(id, _)] => state.early_value(*id, wanted),
                _ => None,
            };
            (keys, first)
        });
        let own = keys.iter().find(|(_, own)| {
            let own: &Q = own.get().borrow();
            own == key
        });
        let own = own.map(|(id, _)| *id);
        let task = match own {
            Some(_) if first.is_some() => first,
            Some(id) => self.with(|state, _| state.task(id, wanted)),
            None => None,
        };
        let ids = keys.iter().map(|(id, _)| *id).collect();
        Seen { ids, own, task }
    }

    /// Starts a load, unless another call has done so since `seen`.
    #[cold]
    fn load(
        self: &Arc<Self>,
        hash: u64,
        key: Key<K>,
        mut seen: Seen<T>,
        wanted: Wanted,
    ) -> SharedTask<T> {
        // Before it is known whether it is needed: the spans that it notes are foreign code, which
        // cannot run under the lock.
        let (mut load, handle) = self.prepare(hash, key.clone());
        loop {
            let place = |state: &mut State<K, T>, removed: &mut Removed<K, T>| {
                state.place(hash, &key, &seen, wanted, load, removed)
            };
            match self.with(place) {
                Placed::Begun => return handle.start(),
                Placed::Unneeded(task, load) => {
                    drop(load);
                    return task;
                }
                Placed::Changed(again) => load = again,
            }
            seen = self.look(hash, key.get(), Wanted::Nothing);
        }
    }

    /// Makes a load of `key`, and the handle of its first caller.
    fn prepare(self: &Arc<Self>, hash: u64, key: Key<K>) -> (Load<T>, Unstarted<T>) {
        let (id, pool) = {
            let mut state = self.state.lock();
            (state.table.next_id(), state.pool.clone())
        };
        let loader = self.loader.clone().expect("only a drop takes it");
        let core = Arc::downgrade(self);
        let ended = move || {
            if let Some(core) = core.upgrade() {
                core.ended(hash, id);
            }
        };
        let work = move || loader(key.get());
        let (task, handle) = Flight::new(pool, self.location, work, ended);
        (Load { id, task }, Unstarted(Some(handle)))
    }

    /// A load has its outcome.
    fn ended(self: &Arc<Self>, hash: u64, load: Id) {
        self.with(|state, removed| {
            let now = state.ttl.map(|_| state.now());
            let expires = now.zip(state.ttl);
            let expires = expires.and_then(|(now, ttl)| now.checked_add(ttl));
            state.table.finish(hash, load, expires, removed);
            if let Some(now) = now {
                // Some live for no time.
                state.table.expire(now, removed);
            }
            state.table.evict(state.capacity, removed);
        });
    }
}

impl<K: Send + Sync + 'static, T: Send + Sync + 'static> Core<K, T> {
    /// Calls `f` with the state, from which it may remove entries. Those whose time is over are
    /// gone before.
    fn with<R>(self: &Arc<Self>, f: impl FnOnce(&mut State<K, T>, &mut Removed<K, T>) -> R) -> R {
        let mut removed = Removed::default();
        let (result, tending) = {
            let mut state = self.state.lock();
            if state.table.first_expiry().is_some() {
                let now = state.now();
                state.table.expire(now, &mut removed);
            }
            let result = f(&mut state, &mut removed);
            (result, state.tend_timer())
        };
        drop(removed);
        if let Some(tending) = tending {
            self.tend(tending);
        }
        result
    }

    pub(super) fn set_ttl(self: &Arc<Self>, ttl: Duration) {
        self.with(|state, _| state.ttl = Some(ttl));
    }

    pub(super) fn set_capacity(self: &Arc<Self>, capacity: usize) {
        self.with(|state, removed| {
            state.capacity = capacity;
            state.table.evict(capacity, removed);
        });
    }

    pub(super) fn set_pool(self: &Arc<Self>, pool: &Pool) {
        let before = self.with(|state, _| state.pool.replace(pool.clone()));
        drop(before);
    }

    pub(super) fn clear(self: &Arc<Self>) {
        self.with(|state, removed| state.table.clear(removed));
    }

    pub(super) fn len(self: &Arc<Self>) -> usize {
        self.with(|state, _| state.table.len())
    }

    #[cold]
    fn tend(self: &Arc<Self>, tending: Tending) {
        cancel(tending.stale.and_then(|timer| timer.task));
        let Some((at, number, pool)) = tending.arm else {
            return;
        };
        let task = match pool {
            Some(pool) => pool.delay_until(at),
            None => delay_until(at),
        };
        let core = Arc::downgrade(self);
        task.signal(move || {
            if let Some(core) = core.upgrade() {
                core.time_has_come(number);
            }
        });
        let unneeded = {
            let mut state = self.state.lock();
            match &mut state.timer {
                Some(timer) if timer.number == number => timer.task.replace(task),
                _ => Some(task),
            }
        };
        cancel(unneeded);
    }

    /// The task of a timer has ended. If that was a cancel, or there is no thread for timers, its
    /// time has not come, and calls alone remove what has expired.
    fn time_has_come(self: &Arc<Self>, number: u64) {
        let over = self.with(|state, _| {
            let now = state.now();
            let timer = &mut state.timer;
            timer.take_if(|timer| timer.number == number && timer.at <= now)
        });
        drop(over);
    }
}

impl<T: Send + Sync + 'static> Unstarted<T> {
    fn start(mut self) -> SharedTask<T> {
        let handle = self.0.take().expect("only this and a drop take it");
        Flight::start(&handle);
        handle
    }
}

impl<T: Send + Sync + 'static> Drop for Unstarted<T> {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.cancel();
        }
    }
}

fn cancel(task: Option<Task<()>>) {
    if let Some(task) = task {
        task.cancel();
    }
}

impl<K: Send + Sync + 'static, T: Send + Sync + 'static> Drop for Core<K, T> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let timer = state.timer.take();
        let table = std::mem::take(&mut state.table);
        let (loader, pool) = (self.loader.take(), state.pool.take());
        // Keys, values and the loader may hold other caches.
        drop_queue::flat(move || {
            cancel(timer.and_then(|timer| timer.task));
            drop(table);
            unhandled::drop_reporting((loader, pool));
        });
    }
}
