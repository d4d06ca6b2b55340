//! Publishing: the one place where values get their numbers.

use super::buffer::{Buffer, Effect, Room};
use super::effect::{Piece, Rest};
use super::entry::Entry;
use super::hub::{Delivery, Hub, State};
use super::left::Callback;
use super::overflow::{Overflow, PublishError};
use crate::cell::pieces::each_here;
use crate::executor::Executor;
use crate::nesting::{self, Level};
use crate::sync::{Arc, MutexGuard, chaos_point, thread, thread_id};
use crate::task::TaskBuilder;
use crate::unhandled;

/// Whether a value may be published now.
enum Admission<T> {
    Free,
    Refused,
    /// This buffer is full.
    Wait(Arc<Buffer<T>>),
}

impl<T: Send + Sync + 'static> Hub<T> {
    /// Returns how many subscribers the value goes to.
    pub(super) fn publish(&self, value: T) -> Result<usize, PublishError<T>> {
        let state = match self.admit(true) {
            Ok(state) => state,
            Err(denied) => return Err(denied.error(value)),
        };
        let value = Arc::new(value);
        Ok(self.accept(state, value))
    }

    /// The same, if the value would get this number; else returns it.
    pub(super) fn publish_at(
        &self,
        number: u64,
        value: T,
    ) -> Result<Result<usize, PublishError<T>>, T> {
        let state = match self.admit(true) {
            Ok(state) => state,
            Err(denied) => return Ok(Err(denied.error(value))),
        };
        if state.next != number {
            drop(state);
            return Err(value);
        }
        let value = Arc::new(value);
        Ok(Ok(self.accept(state, value)))
    }

    /// Publishes a value of a source of this topic. A buffer that would refuse it counts it as
    /// lost. False: the topic is closed.
    pub(super) fn pass_on(&self, value: Arc<T>) -> bool {
        match self.admit(false) {
            Ok(state) => {
                self.accept(state, value);
                true
            }
            Err(_) => {
                unhandled::drop_reporting(value);
                false
            }
        }
    }

    /// Waits until the topic takes a value. It does so as long as the lock is held.
    fn admit(&self, may_refuse: bool) -> Result<MutexGuard<'_, State<T>>, Denied> {
        let mut waits = true;
        loop {
            let state = self.lock();
            if state.is_closed {
                return Err(Denied::Closed);
            }
            let full = match state.admission(waits) {
                Admission::Free => return Ok(state),
                Admission::Refused if may_refuse => return Err(Denied::Full),
                Admission::Refused => return Ok(state),
                Admission::Wait(buffer) => buffer,
            };
            drop(state);
            chaos_point();
            if !full.has_room_soon()
                && let Some(room) = full.await_room()
            {
                // Parked: this thread may hold what the subscriber needs. A wait that could not end
                // fails, and the value goes beyond the limit.
                waits = room.wait_parked().is_ok();
            }
            unhandled::drop_reporting(full);
        }
    }

    /// Numbers a value and hands it out.
    fn accept(&self, mut state: MutexGuard<'_, State<T>>, value: Arc<T>) -> usize {
        let live = state.live;
        let mut effects = std::mem::take(&mut state.spare);
        let (number, value) = state.hand_out(value, &mut effects);
        let is_idle = state.delivery == Delivery::Idle;
        if is_idle && state.entries.is_empty() && state.queue.is_empty() {
            // Nothing calls anything with it.
            self.let_go(state, effects, Rest::Nothing);
            unhandled::drop_reporting(value);
            return live;
        }
        // Behind foreign code, which may block; or behind what is to be delivered.
        let has_foreign = effects.iter().any(Effect::is_foreign);
        if !is_idle || has_foreign || !state.queue.is_empty() {
            state.queue.push_back((number, value));
            let rest = match is_idle && has_foreign {
                true => Rest::Deliver,
                false => Rest::Nothing,
            };
            self.let_go(state, effects, rest);
            return live;
        }
        match self.begin_delivery(&mut state) {
            Begun::Here((entries, _level)) => {
                let dropped = self.unlock(state, effects);
                self.deliver(entries, Some(value));
                self.drop_all(dropped);
            }
            Begun::ByJob(hub) => {
                state.queue.push_back((number, value));
                let dropped = self.unlock(state, effects);
                hub.send();
                self.drop_all(dropped);
            }
        }
        live
    }

    /// Does what follows from a change, without the lock, and drops what is to be dropped.
    fn let_go(&self, state: MutexGuard<'_, State<T>>, effects: Vec<Effect<T>>, rest: Rest) {
        if effects.is_empty() {
            return put_back(state, effects);
        }
        drop(state);
        self.carry_out(effects, rest);
    }

    /// The same for effects that are not foreign. Returns what is for [`drop_all`](Hub::drop_all).
    fn unlock(
        &self,
        state: MutexGuard<'_, State<T>>,
        mut effects: Vec<Effect<T>>,
    ) -> Vec<Effect<T>> {
        if effects.is_empty() {
            put_back(state, effects);
            return Vec::new();
        }
        drop(state);
        self.carry_out_all(&mut effects, Rest::Nothing);
        effects
    }

    /// Adds a buffer. Its subscriber gets what is published from now on.
    pub(super) fn add_buffer(
        &self,
        limit: (usize, Overflow),
        to: Option<(Arc<dyn Executor>, Callback<T>)>,
    ) -> Arc<Buffer<T>> {
        let mut effects = Vec::new();
        let mut state = self.lock();
        let buffer = Buffer::new(state.take_number(), limit, self.home(), to);
        buffer.fill(state.kept.backlog(), &mut effects);
        if state.is_closed {
            buffer.end(&mut effects);
        } else {
            state.live += 1;
            state.strict += usize::from(buffer.is_strict());
        }
        state.buffers.push(buffer.clone());
        drop(state);
        self.carry_out_all(&mut effects, Rest::Nothing);
        self.tune();
        self.drop_all(effects);
        buffer
    }

    /// Drops values, and keeps the list's room. It comes last: a drop is user code, which may wait
    /// for what else is done.
    fn drop_all(&self, mut effects: Vec<Effect<T>>) {
        if effects.capacity() == 0 {
            return;
        }
        effects.drain(..).for_each(unhandled::drop_reporting);
        if effects.capacity() <= 1024 {
            let mut state = self.lock();
            if state.spare.capacity() < effects.capacity() {
                std::mem::swap(&mut state.spare, &mut effects);
            }
        }
    }

    /// Does what is to be done without a lock, and then `rest`.
    pub(super) fn carry_out(&self, mut effects: Vec<Effect<T>>, rest: Rest) {
        self.carry_out_all(&mut effects, rest);
        self.drop_all(effects);
    }

    /// The same but for the drops of values: first what runs no user code, then what another thread
    /// can take over while one of them blocks.
    fn carry_out_all(&self, effects: &mut Vec<Effect<T>>, rest: Rest) {
        for effect in effects.extract_if(.., |effect| effect.is_ours()) {
            effect.carry_out();
        }
        if !effects.iter().any(Effect::is_foreign) {
            return self.finish(rest);
        }
        let foreign = effects.extract_if(.., |effect| effect.is_foreign());
        let mut pieces: Vec<_> = foreign.map(Piece::Effect).collect();
        if !matches!(rest, Rest::Nothing)
            && let Some(hub) = self.me().upgrade()
        {
            pieces.push(Piece::Rest(hub, rest));
        }
        if thread::panicking() {
            // The user's code would find that.
            let builder = TaskBuilder::of_pool(self.pool().cloned());
            let rest = builder.spawn(move || each_here(pieces, Piece::carry_out));
            return rest.detach();
        }
        each_here(pieces, Piece::carry_out);
    }

    pub(super) fn finish(&self, rest: Rest) {
        match rest {
            Rest::Nothing => {}
            Rest::Deliver => self.deliver_rest(),
            Rest::End => {
                self.deliver_rest();
                self.tune();
            }
        }
    }

    /// Ends the topic. What was published before is still delivered.
    pub(super) fn close(&self) {
        let mut effects = Vec::new();
        let Some(buffers) = self.shut(&mut effects) else {
            return;
        };
        self.carry_out_all(&mut effects, Rest::End);
        unhandled::drop_each(effects);
        unhandled::drop_each(buffers);
    }

    /// Takes no more values. Returns the buffers, which have ended, to be dropped without a lock.
    /// `None`: the topic was closed before. The caller carries out `effects`, and has the rest
    /// delivered.
    pub(super) fn shut(&self, effects: &mut Vec<Effect<T>>) -> Option<Vec<Arc<Buffer<T>>>> {
        let mut state = self.lock();
        if std::mem::replace(&mut state.is_closed, true) {
            return None;
        }
        // They stay in the list, for flushes.
        let buffers = state.buffers.clone();
        state.live -= buffers.len();
        state.strict = 0;
        drop(state);
        for buffer in &buffers {
            buffer.end(effects);
        }
        Some(buffers)
    }

    /// Takes a value without waiting for room: a buffer that blocks goes over its limit. Runs no
    /// user code: the caller carries out `effects`, and has the rest delivered.
    pub(super) fn feed(&self, value: Arc<T>, effects: &mut Vec<Effect<T>>) {
        let mut state = self.lock();
        if state.is_closed {
            return effects.push(Effect::Drop(value));
        }
        let (number, value) = state.hand_out(value, effects);
        if state.delivery == Delivery::Idle && state.entries.is_empty() {
            effects.push(Effect::Drop(value));
        } else {
            state.queue.push_back((number, value));
        }
    }

    /// Delivers what is queued, and the end, unless another thread does.
    pub(super) fn deliver_rest(&self) {
        let mut state = self.lock();
        let is_left = !state.queue.is_empty() || (state.is_closed && !state.entries.is_empty());
        if state.delivery != Delivery::Idle || !is_left {
            return;
        }
        let begun = self.begin_delivery(&mut state);
        drop(state);
        match begun {
            Begun::Here((entries, _level)) => self.deliver(entries, None),
            Begun::ByJob(hub) => hub.send(),
        }
    }

    /// Begins a delivery: on this thread, unless its stack is deep in deliveries of other topics
    /// already, as in a long line of derived ones, or it unwinds, which no callback is to find.
    /// Then a job of the pool is to do it.
    fn begin_delivery(&self, state: &mut State<T>) -> Begun<T> {
        let level = nesting::enter().filter(|_| !thread::panicking());
        if level.is_none()
            && let Some(hub) = self.me().upgrade()
        {
            state.delivery = Delivery::Sent;
            return Begun::ByJob(hub);
        }
        state.delivery = Delivery::By(thread_id());
        Begun::Here((state.take_entries(), level))
    }
}

/// Puts the empty list back.
fn put_back<T>(mut state: MutexGuard<'_, State<T>>, effects: Vec<Effect<T>>) {
    if effects.capacity() > state.spare.capacity() {
        state.spare = effects;
    }
}

/// Where a delivery is done.
enum Begun<T> {
    /// With the entries that were taken for it.
    Here((Vec<Entry<T>>, Option<Level>)),
    /// The caller must send it.
    ByJob(Arc<Hub<T>>),
}

/// Why a value is not published.
enum Denied {
    Closed,
    Full,
}

impl Denied {
    fn error<T>(self, value: T) -> PublishError<T> {
        match self {
            Denied::Closed => PublishError::Closed(value),
            Denied::Full => PublishError::Full(value),
        }
    }
}

impl<T: Send + Sync + 'static> State<T> {
    /// Numbers a value, puts it into the buffers, and keeps it if it is to be kept.
    fn hand_out(&mut self, value: Arc<T>, effects: &mut Vec<Effect<T>>) -> (u64, Arc<T>) {
        let number = self.next;
        self.next += 1;
        for buffer in &self.buffers {
            buffer.push(number, &value, false, effects);
        }
        let value = (number, value);
        let is_alone = self.live == 0;
        self.kept.keep(&value, is_alone, |(_, value)| {
            effects.push(Effect::Drop(value))
        });
        value
    }

    /// Whether all buffers take a value. Without `waits` the buffers that would make the publisher
    /// wait take it beyond their limits.
    fn admission(&self, waits: bool) -> Admission<T> {
        let mut full = None;
        if self.strict == 0 {
            return Admission::Free;
        }
        for buffer in &self.buffers {
            match buffer.room() {
                Room::Free => {}
                Room::Refused => return Admission::Refused,
                Room::Full => full = full.or(Some(buffer)),
            }
        }
        match full {
            Some(buffer) if waits => Admission::Wait(buffer.clone()),
            _ => Admission::Free,
        }
    }
}
