//! A list of more than one step, which grows at its end while a driver runs its front.

use std::collections::VecDeque;

use super::{Role, Step};
use crate::sync::{Arc, TakeOnce};

/// A driver takes a batch from this many steps on. Fewer in a model.
const MIN_BATCH: usize = if cfg!(any(loom, shuttle)) { 2 } else { 4 };
/// The entries of the smallest chunk and of the largest.
const MIN_CHUNK: usize = 4;
const MAX_CHUNK: usize = 512;
/// The list is not compacted for fewer holes than this.
const MIN_HOLES: usize = 16;

/// Steps in the order of their numbers.
///
/// A list of chunks: it copies no entry when it grows, and frees chunks that are done. A driver
/// gets the chunk in front, and takes one step after the other from it without the cell's lock. A
/// thread that holds that lock may take steps from the front too. Each step is taken once.
pub(super) struct List {
    front: Option<Front>,
    /// No chunk is empty.
    chunks: VecDeque<Vec<Entry>>,
    /// Entries of the first chunk before this one have been taken.
    head: usize,
    /// The number of steps in the chunks.
    waiting: usize,
    /// The number of entries after `head` whose step was removed.
    holes: usize,
    /// The next number to assign.
    next: u64,
}

struct Front {
    steps: Arc<Frozen>,
    /// All steps before this one have been taken; later ones may have been.
    from: usize,
}

/// A chunk that several threads may take steps from. No step is added to it.
pub(crate) struct Frozen(Vec<Entry>);

pub(super) struct Entry {
    /// Emptied when the step is taken or removed.
    step: TakeOnce<Box<dyn Step>>,
    label: Label,
}

/// A step's number and role, in one word.
#[derive(Clone, Copy)]
struct Label(u64);

impl Label {
    fn new(number: u64, role: Role) -> Label {
        Label(number << 2 | role as u64)
    }

    fn number(self) -> u64 {
        self.0 >> 2
    }

    fn role(self) -> Role {
        match self.0 & 3 {
            0 => Role::Link,
            1 => Role::Closing,
            _ => Role::Observer,
        }
    }
}

impl Entry {
    fn new(number: u64, step: Box<dyn Step>, role: Role) -> Entry {
        Entry {
            step: TakeOnce::new(step),
            label: Label::new(number, role),
        }
    }

    /// Moves the step into an entry of its own, if it has not been taken.
    fn move_out(&self) -> Option<Entry> {
        Some(Entry {
            step: TakeOnce::new(self.step.take()?),
            label: self.label,
        })
    }

    fn is_there(&mut self) -> bool {
        self.step.get_mut().is_some()
    }
}

impl Frozen {
    #[inline]
    pub(crate) fn role(&self, place: usize) -> Option<Role> {
        self.0.get(place).map(|entry| entry.label.role())
    }

    /// Takes the step at this index, if it has not been taken.
    #[inline]
    pub(crate) fn take(&self, place: usize) -> Option<Box<dyn Step>> {
        self.0.get(place)?.step.take()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Front {
    /// Returns the index of the first step that has not been taken.
    fn skip_taken(&mut self) -> Option<usize> {
        while self.steps.0.get(self.from)?.step.is_taken() {
            self.from += 1;
        }
        Some(self.from)
    }
}

impl List {
    pub(super) fn from_number(next: u64) -> List {
        List {
            next,
            front: None,
            chunks: VecDeque::new(),
            head: 0,
            waiting: 0,
            holes: 0,
        }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn go_on_from(&mut self, next: u64) {
        self.next = next;
    }

    /// Appends a step and returns its number.
    #[inline(always)]
    pub(super) fn append_one(&mut self, step: Box<dyn Step>, role: Role) -> u64 {
        let number = self.next;
        self.next += 1;
        self.push(number, step, role);
        number
    }

    #[inline(always)]
    pub(super) fn push(&mut self, number: u64, step: Box<dyn Step>, role: Role) {
        self.push_entry(Entry::new(number, step, role));
    }

    #[inline(always)]
    fn push_entry(&mut self, entry: Entry) {
        self.waiting += 1;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < chunk.capacity() => chunk.push(entry),
            _ => self.begin_piece(entry),
        }
    }

    #[cold]
    fn begin_piece(&mut self, entry: Entry) {
        // As large as all before it together, while none is removed.
        let room = self.waiting.next_power_of_two();
        let mut chunk = Vec::with_capacity(room.clamp(MIN_CHUNK, MAX_CHUNK));
        chunk.push(entry);
        self.chunks.push_back(chunk);
    }

    /// Takes the oldest step.
    pub(super) fn pop(&mut self) -> Option<(u64, Box<dyn Step>, Role)> {
        while let Some(place) = self.front_place() {
            let entry = self.front.as_ref()?.steps.0.get(place)?;
            if let Some(step) = entry.step.take() {
                return Some((entry.label.number(), step, entry.label.role()));
            }
        }
        loop {
            let chunk = self.chunks.front_mut()?;
            let entry = chunk.get_mut(self.head)?;
            let (label, step) = (entry.label, entry.step.get_mut().take());
            self.head += 1;
            if self.head == chunk.len() {
                self.chunks.pop_front();
                self.head = 0;
            }
            match step {
                None => self.holes -= 1,
                Some(step) => {
                    self.waiting -= 1;
                    return Some((label.number(), step, label.role()));
                }
            }
        }
    }

    /// Returns the front and the index at which its driver continues, if there are enough steps for
    /// a batch.
    pub(super) fn front(&mut self) -> Option<(&Arc<Frozen>, usize)> {
        if self.front_place().is_none() {
            self.freeze()?;
        }
        let front = self.front.as_ref()?;
        Some((&front.steps, front.from))
    }

    /// Makes the first chunk the front.
    fn freeze(&mut self) -> Option<()> {
        let chunk = self.chunks.front()?;
        let mut roles = chunk[self.head..].iter().map(|entry| entry.label.role());
        let is_a_run = roles.next() == roles.next();
        if self.waiting < MIN_BATCH || !is_a_run {
            return None;
        }
        let mut chunk = self.chunks.pop_front()?;
        chunk.drain(..std::mem::take(&mut self.head));
        self.close_holes(&mut chunk);
        self.waiting -= chunk.len();
        self.front = Some(Front {
            steps: Arc::new(Frozen(chunk)),
            from: 0,
        });
        Some(())
    }

    fn close_holes(&mut self, chunk: &mut Vec<Entry>) {
        if self.holes > 0 {
            let before = chunk.len();
            chunk.retain_mut(Entry::is_there);
            self.holes -= before - chunk.len();
        }
    }

    /// Records that the driver has taken all steps of the front before `place`.
    pub(super) fn advance(&mut self, place: usize) {
        if let Some(front) = &mut self.front {
            front.from = front.from.max(place);
        }
    }

    /// Returns the index of the first step of the front that has not been taken. Drops an empty
    /// front.
    fn front_place(&mut self) -> Option<usize> {
        let place = self.front.as_mut()?.skip_taken();
        if place.is_none() {
            self.front = None;
        }
        place
    }

    /// Returns the role of the next step.
    pub(super) fn first(&mut self) -> Option<Role> {
        if let Some(place) = self.front_place() {
            return self.front.as_ref()?.steps.role(place);
        }
        let mut behind = self.chunks.iter_mut().flatten().skip(self.head);
        behind.find_map(|entry| entry.is_there().then_some(entry.label.role()))
    }

    /// Returns true if the next step only sends the rest elsewhere. False while there is a front.
    pub(super) fn begins_with_hop(&mut self) -> bool {
        if self.front_place().is_some() {
            return false;
        }
        let mut steps = self.chunks.iter_mut().flatten().skip(self.head);
        let first = steps.find_map(|entry| entry.step.get_mut().as_deref());
        first.is_some_and(Step::is_hop)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Box<dyn Step>> {
        if let Some(front) = &self.front
            && let Some(place) = find(&front.steps.0, number)
        {
            return front.steps.take(place);
        }
        let begins_before = |chunk: &Vec<Entry>| chunk[0].label.number() <= number;
        let index = match self.chunks.get(1) {
            Some(second) if begins_before(second) => self.chunks.partition_point(begins_before) - 1,
            _ => 0,
        };
        let chunk = self.chunks.get_mut(index)?;
        let place = find(chunk, number)?;
        let step = chunk[place].step.get_mut().take()?;
        self.waiting -= 1;
        self.holes += 1;
        if index == 0 && place == self.head {
            self.pass_holes();
        }
        self.compact();
        Some(step)
    }

    /// Passes the holes before the first step.
    fn pass_holes(&mut self) {
        while let Some(chunk) = self.chunks.front_mut()
            && let Some(entry) = chunk.get_mut(self.head)
            && !entry.is_there()
        {
            self.head += 1;
            self.holes -= 1;
            if self.head == chunk.len() {
                self.chunks.pop_front();
                self.head = 0;
            }
        }
    }

    /// Moves all steps, including those of the front, into chunks without holes. The driver of the
    /// front finds it empty.
    pub(super) fn thaw(&mut self) {
        let mut left = Vec::new();
        if let Some(front) = self.front.take() {
            // From the end, so that the driver can only take steps before the moved ones.
            let entries = front.steps.0[front.from..].iter().rev();
            left.extend(entries.filter_map(Entry::move_out));
        }
        self.rebuild(left.into_iter().rev());
    }

    /// Builds new chunks from `first` and the present entries.
    fn rebuild(&mut self, first: impl Iterator<Item = Entry>) {
        let before = std::mem::take(&mut self.chunks);
        let behind = before.into_iter().flatten().skip(self.head);
        (self.head, self.waiting, self.holes) = (0, 0, 0);
        for mut entry in first.chain(behind) {
            if entry.is_there() {
                self.push_entry(entry);
            }
        }
    }

    /// Takes the steps before the first that is not `wanted`.
    pub(super) fn take_leading(&mut self, wanted: Role) -> List {
        let mut taken = List::from_number(self.next);
        // The driver of the front must lose its steps before the list is split: otherwise it could
        // run a step after one that is taken here.
        self.thaw();
        while self.first() == Some(wanted) {
            if let Some((number, step, role)) = self.pop() {
                taken.push(number, step, role);
            }
        }
        taken
    }

    /// Takes the steps that are `unwanted` out.
    pub(super) fn take_all(&mut self, unwanted: Role) -> Vec<Box<dyn Step>> {
        self.thaw();
        let entries = self.chunks.iter_mut().flatten();
        let taken: Vec<_> = entries
            .filter(|entry| entry.label.role() == unwanted)
            .filter_map(|entry| entry.step.get_mut().take())
            .collect();
        // Closes the holes, and counts again.
        self.thaw();
        taken
    }

    /// Appends the steps of a later list.
    pub(super) fn append(&mut self, later: &mut List) {
        later.thaw();
        self.next = later.next;
        self.waiting += std::mem::take(&mut later.waiting);
        self.chunks.append(&mut later.chunks);
    }

    /// Returns the only step, to inspect or replace it.
    pub(super) fn only(&mut self) -> Option<&mut Box<dyn Step>> {
        // Stops at the second step.
        let in_front = self.front.as_ref().map_or(0, |front| {
            let left = front.steps.0[front.from..].iter();
            left.filter(|entry| !entry.step.is_taken()).take(2).count()
        });
        if in_front + self.waiting != 1 {
            return None;
        }
        self.thaw();
        let only = self.chunks.front_mut()?.first_mut()?;
        only.step.get_mut().as_mut()
    }

    #[inline]
    pub(super) fn is_empty(&mut self) -> bool {
        self.waiting == 0 && self.front_place().is_none()
    }

    /// Closes holes: those at the end at once, others when they are the majority.
    fn compact(&mut self) {
        while let Some(chunk) = self.chunks.back_mut()
            && chunk.last_mut().is_some_and(|last| !last.is_there())
        {
            chunk.pop();
            self.holes -= 1;
            let taken = if self.chunks.len() == 1 { self.head } else { 0 };
            if self.chunks.back().is_some_and(|chunk| chunk.len() == taken) {
                self.chunks.pop_back();
                self.head -= taken;
            }
        }
        if self.holes > MIN_HOLES && self.holes > self.waiting {
            self.rebuild(std::iter::empty());
        }
    }

    #[cfg(all(test, not(loom), not(shuttle)))]
    pub(super) fn places(&self) -> (usize, usize) {
        let places = self.chunks.iter().map(Vec::capacity).sum();
        (self.waiting, places)
    }

    /// Returns the steps and holes in the chunks: as they are, and as the counters say.
    #[cfg(all(test, not(loom), not(shuttle)))]
    pub(super) fn counts(&mut self) -> [(usize, usize); 2] {
        let behind = self.chunks.iter_mut().flatten().skip(self.head);
        let there: Vec<bool> = behind.map(Entry::is_there).collect();
        let steps = there.iter().filter(|there| **there).count();
        [(steps, there.len() - steps), (self.waiting, self.holes)]
    }
}

/// Returns the index of the entry with this number.
fn find(entries: &[Entry], number: u64) -> Option<usize> {
    let first = entries.first()?.label.number();
    // Numbers follow one another where no hole was closed.
    let place = usize::try_from(number.checked_sub(first)?).ok()?;
    match entries.get(place) {
        Some(entry) if entry.label.number() == number => Some(place),
        _ => entries
            .binary_search_by_key(&number, |entry| entry.label.number())
            .ok(),
    }
}
