//! Gives back the memory of lists that were long.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// Places that a list keeps, however short it is.
const KEPT: usize = 64;

pub(crate) trait List {
    fn len(&self) -> usize;

    fn capacity(&self) -> usize;

    fn shrink_to(&mut self, places: usize);
}

/// For a list that an entry was taken out of: it keeps at most four times the room that it needs.
/// Constant time on average.
#[inline]
pub(crate) fn give_back(list: &mut impl List) {
    if list.capacity() > KEPT && list.len() < list.capacity() / 4 {
        list.shrink_to((2 * list.len()).max(KEPT / 4));
    }
}

impl<T> List for Vec<T> {
    fn len(&self) -> usize {
        self.len()
    }

    fn capacity(&self) -> usize {
        self.capacity()
    }

    fn shrink_to(&mut self, places: usize) {
        self.shrink_to(places);
    }
}

impl<T> List for VecDeque<T> {
    fn len(&self) -> usize {
        self.len()
    }

    fn capacity(&self) -> usize {
        self.capacity()
    }

    fn shrink_to(&mut self, places: usize) {
        self.shrink_to(places);
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> List for HashMap<K, V, S> {
    fn len(&self) -> usize {
        self.len()
    }

    fn capacity(&self) -> usize {
        self.capacity()
    }

    fn shrink_to(&mut self, places: usize) {
        self.shrink_to(places);
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_list_frees_memory_when_most_entries_are_gone() {
        let mut list: Vec<u32> = (0..4_000).collect();
        list.truncate(2_000);
        give_back(&mut list);
        assert!(list.capacity() >= 4_000, "they may come again");
        list.truncate(3);
        give_back(&mut list);
        assert!(list.capacity() < 64 && list == [0, 1, 2]);
    }

    #[test]
    fn a_queue_and_a_map_do_too() {
        let mut queue: VecDeque<u32> = (0..4_000).collect();
        let mut map: HashMap<u32, u32> = (0..4_000).map(|n| (n, n)).collect();
        for n in 3..4_000 {
            assert_eq!(
                (queue.pop_back().is_some(), map.remove(&n)),
                (true, Some(n))
            );
            give_back(&mut queue);
            give_back(&mut map);
        }
        assert!(queue.capacity() <= 64 && map.capacity() <= 64);
        assert_eq!((queue.len(), map.len()), (3, 3));
    }
}
