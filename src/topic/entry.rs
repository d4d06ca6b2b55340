//! What a topic calls with its values: the entries of its list, and how one is taken out.

use std::any::Any;
use std::panic::Location;

use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::Upstream;
use crate::cell::pieces::each_here;
use crate::error::{At, TaskError};
use crate::guard::Payload;
use crate::sync::{Arc, AtomicUsize, Ordering, Weak, is_sole};
use crate::task::Registration;
use crate::{guard, unhandled};

/// Called with the values of a topic, by one thread at a time.
pub(super) trait Listener<T>: Send + 'static {
    /// False: it wants no more. A panic is the caller's to catch and to report.
    fn hear(&mut self, value: &Arc<T>) -> bool;

    /// Where it was made, for the report of a panic. By default somewhere: most call no user code,
    /// or catch its panics themselves.
    fn location(&self) -> &'static Location<'static> {
        Location::caller()
    }

    /// The topic has ended.
    fn end(self: Box<Self>);

    /// A task waits for the next value, and its end settles that task.
    fn is_task(&self) -> bool {
        false
    }
}

/// Where entries and buffers are taken out.
pub(super) trait Home: Send + Sync {
    /// What a task with an entry here waits for. `None`: no task has one.
    fn upstream(self: Arc<Self>) -> Option<Arc<dyn Upstream>> {
        None
    }

    fn remove_entry(&self, node: &Node) -> Removed;

    /// The buffer with this number gets no more values.
    fn remove_buffer(&self, number: u64);

    /// Attaches a derived topic to its sources, or detaches it, after a subscriber was added or
    /// removed. Adds to `homes` the sources that it was detached from: the caller must call this
    /// for them too.
    fn tune_one(&self, homes: &mut Vec<Arc<dyn Home>>, work: &mut Work);
}

/// An entry that was taken out.
pub(super) struct Removed {
    /// It was there, and is not being called.
    pub(super) is_idle: bool,
    /// What it held, for the caller to drop without a lock; none if the thread that delivers has
    /// it, and drops it.
    pub(super) contents: Option<Box<dyn Any + Send>>,
}

/// What is left to do when no lock is held.
#[derive(Default)]
#[must_use = "it is yet to be done"]
pub(super) struct Work {
    /// To be dropped. It is the user's, or the last reference to what is.
    pub(super) left: Vec<Box<dyn Any + Send>>,
    /// To be called after that.
    pub(super) after: Vec<Box<dyn FnOnce() + Send>>,
}

impl Work {
    /// In this order; while one blocks, another thread does the rest.
    pub(super) fn finish(self) {
        let left = self.left.into_iter().map(Piece::Left);
        let pieces = left.chain(self.after.into_iter().map(Piece::Call));
        each_here(pieces.collect(), |piece| match piece {
            Piece::Left(left) => unhandled::drop_reporting(left),
            Piece::Call(call) => call(),
        });
    }
}

enum Piece {
    Left(Box<dyn Any + Send>),
    Call(Box<dyn FnOnce() + Send>),
}

/// Calls [`Home::tune_one`] for a topic with a subscriber more or less, and for its sources.
pub(super) fn tune(home: Arc<dyn Home>, work: &mut Work) {
    let mut homes = vec![home];
    while let Some(home) = homes.pop() {
        home.tune_one(&mut homes, work);
        // It may be the last reference to the topic.
        work.left.push(Box::new(home));
    }
}

/// The state of a node that was taken out.
const GONE: usize = usize::MAX;

/// What an entry shares with the subscription that can take it out.
pub(super) struct Node {
    pub(super) number: u64,
    /// How many calls the thread that delivers has begun; once it is `GONE`, by the thread that
    /// then counts the entry out, no other begins.
    ///
    /// Not counted are the calls of an entry that nothing but the thread itself can take out.
    begun: AtomicUsize,
    /// How many of them have ended. Written by the thread that delivers.
    ended: AtomicUsize,
    home: Weak<dyn Home>,
}

/// A call of a listener.
#[derive(Clone, Copy)]
enum Call {
    /// The entry was taken out.
    None,
    /// Nothing can take it out meanwhile.
    Alone,
    /// The call with this number.
    Counted(usize),
}

impl Node {
    pub(super) fn new(number: u64, home: Weak<dyn Home>) -> Node {
        Node {
            number,
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            home,
        }
    }

    /// Takes the entry out: `None` when it was out, else whether it is being called.
    pub(super) fn leave(&self) -> Option<bool> {
        match self.begun.swap(GONE, Ordering::AcqRel) {
            GONE => None,
            // ORDERING: acquires what a call that has ended has done.
            begun => Some(self.ended.load(Ordering::Acquire) != begun),
        }
    }

    pub(super) fn home(&self) -> Option<Arc<dyn Home>> {
        self.home.upgrade()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == GONE
    }

    #[inline]
    fn begin(self: &Arc<Self>) -> Call {
        let is_alone = is_sole(self);
        let before = self.begun.load(Ordering::Relaxed);
        if before == GONE {
            return Call::None;
        }
        if is_alone {
            return Call::Alone;
        }
        // No other thread writes anything but `GONE`.
        let number = match before + 1 {
            GONE => 0,
            next => next,
        };
        // ORDERING: a thread that takes the entry out either keeps the call from beginning, or sees
        // that it has begun.
        let begun =
            (self.begun).compare_exchange(before, number, Ordering::AcqRel, Ordering::Acquire);
        match begun {
            Ok(_) => Call::Counted(number),
            Err(_) => Call::None,
        }
    }

    /// False: it was removed during the call, as far as is known.
    #[inline]
    fn finish(&self, call: Call) -> bool {
        if let Call::Counted(number) = call {
            // ORDERING: releases what the call has done to a thread that takes the entry out.
            self.ended.store(number, Ordering::Release);
        }
        !self.is_gone()
    }
}

impl Registration for Node {
    fn remove(self: Arc<Self>) -> bool {
        let Some(home) = self.home.upgrade() else {
            return false;
        };
        let removed = home.remove_entry(&self);
        let mut work = Work::default();
        work.left.extend(removed.contents);
        tune(home, &mut work);
        work.finish();
        removed.is_idle
    }
}

/// For a task that waits for a value: a cancel takes its entry out.
impl Withdraw for Node {
    fn withdraw(self: Arc<Self>, _step_id: u64, sweep: &mut Sweep) -> CancelOutcome {
        if let Some(home) = self.home.upgrade() {
            let removed = home.remove_entry(&self);
            let mut work = Work::default();
            work.left.extend(removed.contents);
            tune(home, &mut work);
            sweep.keep(work.left);
            for call in work.after {
                sweep.later(call);
            }
        }
        CancelOutcome::Prevented
    }
}

impl Upstream for Node {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        // An entry that was taken out is told, and waits for no delivery.
        if !self.is_gone() {
            found.extend(self.home.upgrade().and_then(Home::upstream));
        }
    }
}

/// What came of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    Stays,
    /// It has taken itself out, and is to be counted out.
    Leaves,
}

/// A listener in the list of a topic.
pub(super) struct Entry<T> {
    pub(super) node: Arc<Node>,
    /// The number of the first value that it gets, besides its backlog.
    pub(super) from: u64,
    pub(super) contents: Contents<T>,
    /// The call that is in progress, or was the last one.
    call: Call,
}

impl<T> Entry<T> {
    pub(super) fn new(
        node: Arc<Node>,
        from: u64,
        backlog: Vec<Arc<T>>,
        listener: Box<dyn Listener<T>>,
    ) -> Entry<T> {
        Entry {
            node,
            from,
            contents: Contents {
                listener: Some(listener),
                backlog,
            },
            call: Call::None,
        }
    }
}

impl<T: Send + Sync + 'static> Entry<T> {
    /// Calls the listener, unless it was taken out. If it panics, the caller catches that and calls
    /// [`panicked`](Entry::panicked).
    #[inline]
    pub(super) fn call(&mut self, value: &Arc<T>) -> Called {
        let Some(listener) = &mut self.contents.listener else {
            return Called::Stays;
        };
        self.call = self.node.begin();
        if let Call::None = self.call {
            drop(self.contents.take());
            return Called::Stays;
        }
        match listener.hear(value) && self.node.finish(self.call) {
            true => Called::Stays,
            false => self.leave(),
        }
    }

    /// A call has panicked.
    #[cold]
    pub(super) fn panicked(&mut self, payload: Payload) -> Called {
        if let Some(listener) = &self.contents.listener {
            let (location, task) = (listener.location(), None);
            unhandled::report(TaskError::panicked(payload, At { location, task }));
        }
        match self.node.finish(self.call) {
            true => Called::Stays,
            false => self.leave(),
        }
    }

    /// It wants no more, or was taken out during its call.
    #[cold]
    fn leave(&mut self) -> Called {
        let is_ours = self.node.leave().is_some();
        self.node.finish(self.call);
        drop(self.contents.take());
        // Who takes it out counts it out.
        match is_ours {
            true => Called::Leaves,
            false => Called::Stays,
        }
    }

    /// Calls the listener with its backlog.
    pub(super) fn catch_up(&mut self) -> Called {
        for value in std::mem::take(&mut self.contents.backlog) {
            let called = match guard::catch(|| self.call(&value)) {
                Ok(called) => called,
                Err(payload) => self.panicked(payload),
            };
            unhandled::drop_reporting(value);
            if called == Called::Leaves {
                return called;
            }
        }
        Called::Stays
    }

    /// Takes what is to be dropped of an entry that was taken out.
    pub(super) fn take_if_gone(&mut self) -> Option<Contents<T>> {
        let is_left = self.contents.listener.is_some() && self.node.is_gone();
        is_left.then(|| self.contents.take())
    }
}

/// What an entry holds that is the user's. Its drop passes no panic on.
pub(super) struct Contents<T> {
    /// `None`: it was taken out.
    pub(super) listener: Option<Box<dyn Listener<T>>>,
    /// Earlier values that the listener gets first.
    pub(super) backlog: Vec<Arc<T>>,
}

impl<T> Contents<T> {
    pub(super) fn take(&mut self) -> Contents<T> {
        Contents {
            listener: self.listener.take(),
            backlog: std::mem::take(&mut self.backlog),
        }
    }
}

impl<T> Drop for Contents<T> {
    fn drop(&mut self) {
        unhandled::drop_reporting(self.listener.take());
        unhandled::drop_each(self.backlog.drain(..));
    }
}
