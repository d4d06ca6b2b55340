//! A hierarchical timing wheel: entries by deadline, armed and disarmed in constant time.
//!
//! The idea is scheme 7 of Varghese and Lauck, "Hashed and Hierarchical Timing Wheels: Data
//! Structures for the Efficient Implementation of a Timer Facility" (SOSP 1987): an entry is in a
//! slot of the coarsest level that distinguishes its deadline from the present, and moves to finer
//! levels as the deadline approaches. It differs in three points. The level is that of the highest
//! digit in which deadline and present differ, so no slot is ever behind the present and none is
//! used twice. Deadlines beyond the last level are in an ordered map. Entries of the present tick
//! are in a heap, which returns them in the exact order of their deadlines, and in the order of
//! arming for equal deadlines.
//!
//! Plain data: no lock, no clock, no user code. Points in time are nanoseconds since an origin of
//! the owner's choice.

#[cfg(all(test, not(loom), not(shuttle)))]
mod model_test;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A tick is 2^20 nanoseconds, about a millisecond.
const TICK_BITS: u32 = 20;
/// A level has 2^6 slots, as many as a word has bits.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 6;
/// Ticks beyond these bits are for the map: about two years and three months.
const RANGE_BITS: u32 = LEVEL_BITS * LEVELS as u32;
/// No entry.
const NONE: u32 = u32::MAX;
/// Places that an empty wheel keeps.
const KEPT: usize = 64;

/// Identifies an entry. A key whose entry was removed identifies none, because its sequence number
/// is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    sequence: u64,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In `soon`.
    Soon,
    /// In the list of a slot.
    Slot {
        level: u8,
        slot: u8,
        before: u32,
        after: u32,
    },
    /// In `far`.
    Far,
}

struct Entry<T> {
    /// `None`: the entry is vacant.
    item: Option<T>,
    deadline: u64,
    /// Higher than that of every entry armed before.
    sequence: u64,
    place: Place,
}

/// The order in which entries are popped.
type Order = (u64, u64);

struct Level {
    /// Bit n is set while the list of slot n has entries.
    occupied: u64,
    /// The first entry of each slot's list.
    heads: [u32; SLOTS],
}

/// Items by the time at which they are due.
pub(crate) struct Wheel<T> {
    entries: Vec<Entry<T>>,
    /// Indices of vacant entries. Some may lie beyond the end of `entries`, or be used again: they
    /// are skipped.
    vacant: Vec<u32>,
    len: usize,
    /// The present tick. Entries in slots have later ticks, with the same digits above
    /// `RANGE_BITS`; entries in `far` differ in these digits.
    tick: u64,
    levels: [Level; LEVELS],
    /// Those of the present tick or before it. May hold entries that were taken out since.
    soon: BinaryHeap<Reverse<(u64, u64, u32)>>,
    /// How many in `soon` were not taken out.
    soon_len: usize,
    far: BTreeMap<Order, u32>,
    next_sequence: u64,
}

impl<T> Wheel<T> {
    pub(crate) fn new() -> Wheel<T> {
        Wheel {
            entries: Vec::new(),
            vacant: Vec::new(),
            len: 0,
            tick: 0,
            levels: std::array::from_fn(|_| Level {
                occupied: 0,
                heads: [NONE; SLOTS],
            }),
            soon: BinaryHeap::new(),
            soon_len: 0,
            far: BTreeMap::new(),
            next_sequence: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an item that is due at `deadline`.
    ///
    /// # Errors
    ///
    /// Returns the item when there are as many as an index can tell apart.
    pub(crate) fn insert(&mut self, deadline: u64, item: T) -> Result<Key, T> {
        let Some(index) = self.take_vacant() else {
            return Err(item);
        };
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let entry = Entry {
            item: Some(item),
            deadline,
            sequence,
            place: Place::Soon,
        };
        match self.entries.get_mut(index as usize) {
            Some(vacant) => *vacant = entry,
            None => self.entries.push(entry),
        }
        self.len += 1;
        self.put(index);
        Ok(Key { index, sequence })
    }

    /// Returns an index for a new entry: of a vacant one, or the next after the last.
    fn take_vacant(&mut self) -> Option<u32> {
        while let Some(index) = self.vacant.pop() {
            let entry = self.entries.get(index as usize);
            if entry.is_some_and(|entry| entry.item.is_none()) {
                return Some(index);
            }
        }
        let index = u32::try_from(self.entries.len()).ok()?;
        (index != NONE).then_some(index)
    }

    /// Takes an item out. `None`: it is not there any more.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.sequence != key.sequence {
            return None;
        }
        entry.item.as_ref()?;
        match entry.place {
            Place::Soon => {
                self.soon_len -= 1;
                self.tidy_soon();
            }
            Place::Slot { .. } => self.unlink(key.index),
            Place::Far => {
                self.far.remove(&(entry.deadline, entry.sequence));
            }
        }
        self.vacate(key.index)
    }

    /// The first item that is due by `now`, in the order of deadlines and then of arming.
    pub(crate) fn pop(&mut self, now: u64) -> Option<T> {
        self.turn(now >> TICK_BITS);
        let index = self.peek_soon()?;
        if self.entries[index as usize].deadline > now {
            return None;
        }
        self.soon.pop();
        self.soon_len -= 1;
        self.vacate(index)
    }

    /// When to call [`pop`](Wheel::pop) again: not later than the first deadline. `None`: there is
    /// none.
    ///
    /// It is earlier than the first deadline while that is more than a tick away.
    pub(crate) fn next_look(&mut self) -> Option<u64> {
        if let Some(index) = self.peek_soon() {
            return Some(self.entries[index as usize].deadline);
        }
        if let Some((level, slot)) = self.first_slot() {
            return Some(self.start_of(level, slot) << TICK_BITS);
        }
        let (deadline, _) = self.far.keys().next()?;
        Some(*deadline)
    }

    /// The first deadline. Looks at all entries of a slot.
    pub(crate) fn first_deadline(&mut self) -> Option<u64> {
        if self.soon_len > 0 {
            return self.next_look();
        }
        let Some((level, slot)) = self.first_slot() else {
            return self.next_look();
        };
        let mut first = u64::MAX;
        let mut next = self.levels[level].heads[slot];
        while let Some(entry) = self.entries.get(next as usize) {
            first = first.min(entry.deadline);
            let Place::Slot { after, .. } = entry.place else {
                break;
            };
            next = after;
        }
        Some(first)
    }

    /// The last deadline. Looks at all entries.
    pub(crate) fn last_deadline(&self) -> Option<u64> {
        let armed = self.entries.iter().filter(|entry| entry.item.is_some());
        armed.map(|entry| entry.deadline).max()
    }

    /// Moves to tick `to`: entries of slots that the present reaches move to finer levels.
    fn turn(&mut self, to: u64) {
        loop {
            if let Some((level, slot)) = self.first_slot() {
                let start = self.start_of(level, slot);
                if start > to {
                    break;
                }
                self.tick = start;
                self.empty_slot(level, slot);
            } else if let Some((deadline, _)) = self.far.keys().next() {
                let start = (deadline >> TICK_BITS) >> RANGE_BITS << RANGE_BITS;
                if start > to {
                    break;
                }
                // It may have come into range while others were in slots.
                self.tick = self.tick.max(start);
                self.take_in(self.tick);
            } else {
                break;
            }
        }
        self.tick = self.tick.max(to);
    }

    /// Moves what is in the range of `tick` from the map to slots.
    fn take_in(&mut self, tick: u64) {
        while let Some(first) = self.far.first_entry() {
            if (first.key().0 >> TICK_BITS) >> RANGE_BITS > tick >> RANGE_BITS {
                return;
            }
            let index = first.remove();
            self.put(index);
        }
    }

    /// Returns the first slot with entries: finer levels are earlier, and within a level lower
    /// numbers.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let mut levels = self.levels.iter().enumerate();
        let (level, first) = levels.find(|(_, level)| level.occupied != 0)?;
        Some((level, first.occupied.trailing_zeros() as usize))
    }

    /// The first tick of a slot.
    fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = LEVEL_BITS * level as u32;
        let above = self.tick >> shift >> LEVEL_BITS << LEVEL_BITS << shift;
        above | ((slot as u64) << shift)
    }

    /// The present has reached a slot: its entries move to finer levels, in their order.
    fn empty_slot(&mut self, level: usize, slot: usize) {
        let mut next = std::mem::replace(&mut self.levels[level].heads[slot], NONE);
        self.levels[level].occupied &= !(1 << slot);
        while next != NONE {
            let index = next;
            let Place::Slot { after, .. } = self.entries[index as usize].place else {
                return;
            };
            next = after;
            self.put(index);
        }
    }

    /// Puts an entry where its deadline belongs, seen from the present tick.
    fn put(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        let tick = entry.deadline >> TICK_BITS;
        if tick <= self.tick {
            entry.place = Place::Soon;
            let order = (entry.deadline, entry.sequence, index);
            self.soon.push(Reverse(order));
            self.soon_len += 1;
            return;
        }
        let highest = (tick ^ self.tick).ilog2();
        let level = (highest / LEVEL_BITS) as usize;
        let Some(list) = self.levels.get_mut(level) else {
            entry.place = Place::Far;
            self.far.insert((entry.deadline, entry.sequence), index);
            return;
        };
        let slot = (tick >> (LEVEL_BITS * level as u32)) as usize % SLOTS;
        let after = std::mem::replace(&mut list.heads[slot], index);
        list.occupied |= 1 << slot;
        entry.place = Place::Slot {
            level: level as u8,
            slot: slot as u8,
            before: NONE,
            after,
        };
        self.set_before(after, index);
    }

    /// Takes an entry from the list of its slot.
    fn unlink(&mut self, index: u32) {
        let Place::Slot {
            level,
            slot,
            before,
            after,
        } = self.entries[index as usize].place
        else {
            return;
        };
        self.set_before(after, before);
        if let Some(entry) = self.entries.get_mut(before as usize) {
            if let Place::Slot { after: link, .. } = &mut entry.place {
                *link = after;
            }
            return;
        }
        let level = &mut self.levels[usize::from(level)];
        level.heads[usize::from(slot)] = after;
        if after == NONE {
            level.occupied &= !(1 << slot);
        }
    }

    fn set_before(&mut self, index: u32, to: u32) {
        if let Some(entry) = self.entries.get_mut(index as usize)
            && let Place::Slot { before, .. } = &mut entry.place
        {
            *before = to;
        }
    }

    /// The first entry of `soon`.
    fn peek_soon(&mut self) -> Option<u32> {
        while let Some(Reverse((_, sequence, index))) = self.soon.peek() {
            if self.is_armed(*index, *sequence) {
                return Some(*index);
            }
            self.soon.pop();
        }
        None
    }

    fn is_armed(&self, index: u32, sequence: u64) -> bool {
        let entry = self.entries.get(index as usize);
        entry.is_some_and(|entry| entry.sequence == sequence && entry.item.is_some())
    }

    /// Entries that were taken out of `soon` are cleared away when they are the greater part of it.
    fn tidy_soon(&mut self) {
        if self.soon.len() > 2 * self.soon_len + KEPT {
            let mut soon = std::mem::take(&mut self.soon);
            soon.retain(|Reverse((_, sequence, index))| self.is_armed(*index, *sequence));
            // The one that is about to be vacated is among them.
            self.soon = soon;
        }
    }

    /// Makes an entry vacant, which no list has any more.
    fn vacate(&mut self, index: u32) -> Option<T> {
        let item = self.entries[index as usize].item.take();
        self.len -= 1;
        if index as usize + 1 == self.entries.len() {
            while self.entries.last().is_some_and(|last| last.item.is_none()) {
                self.entries.pop();
            }
        } else {
            self.vacant.push(index);
        }
        self.give_back();
        item
    }

    /// Frees memory if little of it is used.
    fn give_back(&mut self) {
        let used = self.entries.len();
        if self.entries.capacity() > KEPT && used < self.entries.capacity() / 4 {
            self.entries.shrink_to((2 * used).max(KEPT));
            let armed = |index: &u32| (*index as usize) < used;
            self.vacant.retain(armed);
            self.vacant.shrink_to((2 * used).max(KEPT));
        }
        if self.soon.capacity() > KEPT && self.soon.len() < self.soon.capacity() / 4 {
            self.soon.shrink_to((2 * self.soon.len()).max(KEPT));
        }
    }
}
