//! Combinators of maps: the results have the keys of their tasks.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::all::{All, all_of};
use super::input::Map;
use super::settled::{AllSettled, settled};
use crate::error::TaskError;
use crate::task::{IntoTask, Task};

/// Takes a map apart: its keys, and its tasks in the same order.
#[track_caller]
fn parts<K, R: IntoTask>(
    map: impl ExactSizeIterator<Item = (K, R)>,
) -> (Vec<K>, Vec<Task<R::Output>>) {
    let mut keys = Vec::with_capacity(map.len());
    let mut tasks = Vec::with_capacity(map.len());
    for (key, task) in map {
        keys.push(key);
        tasks.push(task.into_task());
    }
    (keys, tasks)
}

/// Puts the values of `tasks` behind their keys. The code of the keys runs as a continuation.
#[track_caller]
fn under_keys<K, T, M>(keys: Vec<K>, tasks: Vec<Task<T>>) -> Task<M>
where
    K: Send + 'static,
    T: Send + 'static,
    M: Default + FromIterator<(K, T)> + Send + 'static,
{
    if keys.is_empty() {
        return Task::ready(M::default());
    }
    all_of(tasks).then(|values| keys.into_iter().zip(values).collect())
}

macro_rules! map {
    ($map:ident<K, _ $(, $more:ident)?> where $($bounds:tt)+) => {
        impl<K, R: IntoTask $(, $more)?> All<Map> for $map<K, R $(, $more)?>
        where
            $($bounds)+
        {
            type Output = $map<K, R::Output $(, $more)?>;

            #[track_caller]
            fn all(self) -> Task<Self::Output> {
                let (keys, tasks) = parts(self.into_iter());
                under_keys(keys, tasks)
            }
        }

        impl<K, R: IntoTask $(, $more)?> AllSettled<Map> for $map<K, R $(, $more)?>
        where
            $($bounds)+
        {
            type Output = $map<K, Result<R::Output, TaskError> $(, $more)?>;

            #[track_caller]
            fn all_settled(self) -> Task<Self::Output> {
                let (keys, tasks) = parts(self.into_iter());
                under_keys(keys, tasks.into_iter().map(settled).collect())
            }
        }
    };
}

map!(HashMap<K, _, S> where K: Eq + Hash + Send + 'static, S: BuildHasher + Default + Send + 'static);
map!(BTreeMap<K, _> where K: Ord + Send + 'static);
