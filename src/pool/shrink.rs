//! Lists of threads free unused memory.

/// A list whose threads have ended keeps at most four times the capacity that it needs.
pub(super) fn give_room_back<T>(list: &mut Vec<T>) {
    if list.capacity() > 64 && list.len() < list.capacity() / 4 {
        list.shrink_to((2 * list.len()).max(16));
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::give_room_back;

    #[test]
    fn a_list_frees_memory_when_most_entries_are_gone() {
        let mut list: Vec<u32> = (0..4_000).collect();
        list.truncate(2_000);
        give_room_back(&mut list);
        assert!(list.capacity() >= 4_000, "they may come again");
        list.truncate(3);
        give_room_back(&mut list);
        assert!(list.capacity() < 64 && list == [0, 1, 2]);
    }
}
