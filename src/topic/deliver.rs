//! The delivery: one thread at a time calls the entries of a topic with its values, in one order.
//!
//! The thread that publishes delivers, unless another one does, or this one does already further
//! down its stack: then the value is queued, and the delivery in progress delivers it. So there is
//! no recursion, and no lock is held while a listener runs.

use std::mem;

use super::entry::{Called, Contents, Entry, Home, Listener, Node};
use super::flush::{self, Flush};
use super::hub::{Delivery, Hub, Refused, Since, State, compact};
use super::source::Attached;
use crate::cell::deadlock::RunsForOthers;
use crate::cell::pieces::each_here;
use crate::sync::{Arc, thread_id};
use crate::task::TaskBuilder;
use crate::{guard, locals, nesting, room, unhandled};

/// What a delivery has to do next.
enum Next<T> {
    /// To call the entries with this.
    Value(Arc<T>),
    /// To drop the listeners that were removed since.
    Sweep,
    /// To call new listeners with the values that were kept for them.
    CatchUp,
    /// To tell these that the topic has ended.
    End(Vec<Entry<T>>),
    Nothing,
}

impl<T: Send + Sync + 'static> Hub<T> {
    /// Calls `entries` with `value`, and with all values that are queued during the calls. The
    /// calling thread is the delivering one, and has taken the entries. Its task locals are hidden
    /// from the listeners.
    pub(super) fn deliver(&self, mut entries: Vec<Entry<T>>, value: Option<Arc<T>>) {
        let _hidden = locals::hide();
        let _runs = RunsForOthers::begin();
        let mut next = value.map_or(Next::Nothing, Next::Value);
        loop {
            // Entries have taken themselves out.
            let mut has_left = false;
            match next {
                Next::Value(value) => {
                    has_left |= self.call_all(&mut entries, &value);
                    drop_value(value);
                }
                Next::Sweep => sweep(&mut entries),
                Next::CatchUp => {
                    for entry in &mut entries {
                        has_left |= self.count_out(entry.catch_up());
                    }
                }
                Next::End(ended) => has_left |= self.end_all(ended),
                Next::Nothing => {}
            }
            let mut flushed = Vec::new();
            let found = self.go_on(&mut entries, has_left, &mut flushed);
            flush::end_all(flushed);
            if has_left {
                self.tune();
            }
            match found {
                Some(found) => next = found,
                None => return,
            }
        }
    }

    /// Calls the entries with a value. True: some have taken themselves out.
    fn call_all(&self, entries: &mut [Entry<T>], value: &Arc<T>) -> bool {
        let (mut has_left, mut begun) = (false, 0);
        // One `catch` for all that return.
        while begun < entries.len() {
            let called = guard::catch(|| {
                for entry in &mut entries[begun..] {
                    begun += 1;
                    has_left |= self.count_out(entry.call(value));
                }
            });
            if let Err(payload) = called {
                has_left |= self.count_out(entries[begun - 1].panicked(payload));
            }
        }
        has_left
    }

    /// Counts an entry out that has taken itself out. A callback that comes after it in the list
    /// may ask how many there are.
    #[inline]
    fn count_out(&self, called: Called) -> bool {
        let leaves = called == Called::Leaves;
        if leaves {
            self.lock().live -= 1;
        }
        leaves
    }

    /// Takes all of them out, and then tells them: first the tasks that wait, for which the drop of
    /// another one may wait. Returns false if they were out before.
    fn end_all(&self, entries: Vec<Entry<T>>) -> bool {
        let take = |mut entry: Entry<T>| {
            let was_there = entry.node.leave().is_some();
            (was_there, entry.contents.take())
        };
        let mut taken: Vec<Ended<T>> = entries.into_iter().map(take).collect();
        let count = taken.iter().filter(|(was_there, _)| *was_there).count();
        self.lock().live -= count;
        let is_task = |it: &Contents<T>| it.listener.as_ref().is_some_and(|it| it.is_task());
        taken.sort_by_key(|(_, contents)| !is_task(contents));
        each_here(taken, end);
        count > 0
    }

    /// Returns what is next; `None`: the delivery has ended, and has returned the entries.
    fn go_on(
        &self,
        entries: &mut Vec<Entry<T>>,
        has_left: bool,
        flushed: &mut Vec<Arc<Flush>>,
    ) -> Option<Next<T>> {
        let mut state = self.lock();
        state.needs_sweep |= has_left;
        if state.is_delivered() {
            state.entries = mem::take(entries);
            state.delivery = Delivery::Idle;
            return None;
        }
        let to_come = state
            .queue
            .front()
            .map_or(state.next, |(number, _)| *number);
        if state.join(entries, to_come) {
            return Some(Next::CatchUp);
        }
        let done = state.flushes.partition_point(|(end, _)| *end <= to_come);
        room::give_back(&mut state.flushes);
        flushed.extend(state.flushes.drain(..done).map(|(_, flush)| flush));
        if let Some((_, value)) = state.queue.pop_front() {
            return Some(Next::Value(value));
        }
        if mem::take(&mut state.needs_sweep) {
            return Some(Next::Sweep);
        }
        if state.is_closed && !entries.is_empty() {
            return Some(Next::End(mem::take(entries)));
        }
        state.queue.shrink_to(64);
        state.entries = mem::take(entries);
        state.delivery = Delivery::Idle;
        None
    }

    /// Adds a listener; see [`Hub::add`]. A job of the pool delivers its backlog.
    pub(super) fn listen(
        self: &Arc<Self>,
        listener: Box<dyn Listener<T>>,
    ) -> Result<Arc<Node>, Box<dyn Listener<T>>> {
        let added = self.add(listener, Since::Kept);
        let (node, is_to_send) = added.map_err(Refused::into_listener)?;
        self.tune();
        if is_to_send {
            self.send();
        }
        Ok(node)
    }

    /// Adds the listener of a derived topic. A lock of that topic is held, so the rest is left.
    pub(super) fn attach(self: &Arc<Self>, listener: Box<dyn Listener<T>>, to: &mut Attached) {
        match self.add(listener, Since::Kept) {
            Ok((node, is_to_send)) => {
                to.nodes.push(node);
                match nesting::enter() {
                    Some(_level) => self.tune_one(&mut to.homes, &mut to.work),
                    // A long line of derived topics: the rest of it is attached without this lock.
                    None => to.homes.push(self.clone()),
                }
                if is_to_send {
                    let hub = self.clone();
                    to.work.after.push(Box::new(move || hub.send()));
                }
            }
            Err(refused) => {
                let listener = refused.into_listener();
                to.work.after.push(Box::new(move || listener.end()));
            }
        }
    }

    /// Has a job of the pool deliver.
    pub(super) fn send(self: &Arc<Self>) {
        let job = Sent(Some(self.clone()));
        let builder = TaskBuilder::of_pool(self.pool().cloned());
        builder.spawn(move || job.run()).detach();
    }
}

impl<T> State<T> {
    /// Nothing has come meanwhile.
    #[inline]
    fn is_delivered(&self) -> bool {
        let is_quiet = self.joining.is_empty() && self.flushes.is_empty() && !self.needs_sweep;
        is_quiet && self.queue.capacity() <= 64 && self.queue.is_empty() && !self.is_closed
    }
}

/// A delivery that is to come.
struct Sent<T: Send + Sync + 'static>(Option<Arc<Hub<T>>>);

impl<T: Send + Sync + 'static> Sent<T> {
    fn run(mut self) {
        self.deliver();
    }

    fn deliver(&mut self) {
        let Some(hub) = self.0.take() else {
            return;
        };
        let entries = {
            let mut state = hub.lock();
            state.delivery = Delivery::By(thread_id());
            state.take_entries()
        };
        hub.deliver(entries, None);
        unhandled::drop_reporting(hub);
    }
}

impl<T: Send + Sync + 'static> Drop for Sent<T> {
    fn drop(&mut self) {
        // The pool has dropped the job.
        self.deliver();
    }
}

/// Drops a value, which is the user's.
#[inline]
fn drop_value<T>(value: Arc<T>) {
    match mem::needs_drop::<T>() {
        true => unhandled::drop_reporting(value),
        false => drop(value),
    }
}

/// Drops the listeners that were taken out.
fn sweep<T: Send + Sync + 'static>(entries: &mut Vec<Entry<T>>) {
    for entry in &mut *entries {
        drop(entry.take_if_gone());
    }
    compact(entries);
}

/// True: it was not out before.
type Ended<T> = (bool, Contents<T>);

fn end<T: Send + Sync + 'static>((was_there, mut contents): Ended<T>) {
    if was_there && let Some(listener) = contents.listener.take() {
        let mut listener = Some(listener);
        // It drops what is the user's.
        unhandled::discard_by(&mut || {
            if let Some(listener) = listener.take() {
                listener.end();
            }
        });
    }
}
