//! What a topic calls with its values: the entries of its list, and how one is taken out.

use std::any::Any;

use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::Upstream;
use crate::cell::pieces::each_here;
use crate::sync::{Arc, AtomicUsize, Ordering, Weak};
use crate::task::Registration;
use crate::unhandled;

/// Called with the values of a topic, by one thread at a time.
pub(super) trait Listener<T>: Send + 'static {
    /// False: it wants no more.
    fn hear(&mut self, value: &Arc<T>) -> bool;

    /// The topic has ended.
    fn end(self: Box<Self>);

    /// A task waits for the next value, and its end settles that task.
    fn is_task(&self) -> bool {
        false
    }
}

/// Where entries and buffers are taken out.
pub(super) trait Home: Send + Sync {
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

// The states of a node.
const IDLE: usize = 0;
const CALLED: usize = 1;
const GONE: usize = 2;

/// What an entry shares with the subscription that can take it out.
pub(super) struct Node {
    pub(super) number: u64,
    /// `IDLE -> CALLED -> IDLE` by the thread that delivers; anything `-> GONE` once, by the thread
    /// that then counts the entry out.
    ///
    /// Invariant: no call begins once it is `GONE`.
    state: AtomicUsize,
    home: Weak<dyn Home>,
}

impl Node {
    pub(super) fn new(number: u64, home: Weak<dyn Home>) -> Node {
        Node {
            number,
            state: AtomicUsize::new(IDLE),
            home,
        }
    }

    /// Takes the entry out: `None` when it was out, else whether it is being called.
    pub(super) fn leave(&self) -> Option<bool> {
        // ORDERING: acquires what a call that has ended has done.
        match self.state.swap(GONE, Ordering::AcqRel) {
            GONE => None,
            state => Some(state == CALLED),
        }
    }

    pub(super) fn home(&self) -> Option<Arc<dyn Home>> {
        self.home.upgrade()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.state.load(Ordering::Relaxed) == GONE
    }

    /// False: it was taken out.
    fn begin(&self) -> bool {
        self.change(IDLE, CALLED)
    }

    /// False: it was removed during the call.
    fn finish(&self, state: usize) -> bool {
        self.change(CALLED, state)
    }

    fn change(&self, from: usize, to: usize) -> bool {
        // ORDERING: releases what the call has done to a thread that takes the entry out.
        let changed = (self.state).compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        changed.is_ok()
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
    fn above(&self, _: &mut Vec<Arc<dyn Upstream>>) {}
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
    /// Earlier values that it gets first.
    pub(super) backlog: Vec<Arc<T>>,
    /// `None`: it was taken out.
    pub(super) listener: Option<Box<dyn Listener<T>>>,
}

impl<T: Send + Sync + 'static> Entry<T> {
    /// Calls the listener, unless it was taken out.
    #[inline]
    pub(super) fn call(&mut self, value: &Arc<T>) -> Called {
        let Some(listener) = &mut self.listener else {
            return Called::Stays;
        };
        if !self.node.begin() {
            unhandled::drop_reporting(self.take());
            return Called::Stays;
        }
        let stays = listener.hear(value);
        let state = if stays { IDLE } else { GONE };
        let is_ours = self.node.finish(state);
        if is_ours && stays {
            return Called::Stays;
        }
        unhandled::drop_reporting(self.take());
        // Who takes it out counts it out.
        match is_ours {
            true => Called::Leaves,
            false => Called::Stays,
        }
    }

    /// Calls the listener with its backlog.
    pub(super) fn catch_up(&mut self) -> Called {
        for value in std::mem::take(&mut self.backlog) {
            let called = self.call(&value);
            unhandled::drop_reporting(value);
            if called == Called::Leaves {
                return called;
            }
        }
        Called::Stays
    }

    /// Takes what is to be dropped of an entry that was taken out.
    pub(super) fn take_if_gone(&mut self) -> Option<Contents<T>> {
        let is_left = self.listener.is_some() && self.node.is_gone();
        is_left.then(|| self.take())
    }
}

/// What an entry holds that is the user's.
pub(super) type Contents<T> = (Option<Box<dyn Listener<T>>>, Vec<Arc<T>>);

impl<T> Entry<T> {
    pub(super) fn take(&mut self) -> Contents<T> {
        (self.listener.take(), std::mem::take(&mut self.backlog))
    }
}
