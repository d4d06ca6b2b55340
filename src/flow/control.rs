//! What runners share, under one lock: the places, the elements and the outcomes.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use smallvec::SmallVec;

use super::elements::Elements;
use crate::cell::AnyCell;
use crate::cell::slot::Outcome;
use crate::error::TaskError;
use crate::event::Counts;
use crate::promise::Resolver;
use crate::sync::{Arc, ThreadId};
use crate::unhandled;

/// What becomes of the outcomes.
pub(super) trait Collect<U>: Send + 'static {
    /// The value of the whole.
    type Output: Send + 'static;
    /// What is to be done after an outcome was kept.
    type Effect: Send;

    /// Keeps the outcome of an element. Only moves: it is called under a lock.
    ///
    /// # Errors
    ///
    /// Returns a failure that is the outcome of the whole.
    fn put(&mut self, index: usize, outcome: Outcome<U>)
    -> Result<Option<Self::Effect>, TaskError>;

    /// Does what follows, without the lock. Returns how many outcomes were read in it.
    fn act(effect: Self::Effect) -> usize;

    /// All outcomes are in.
    fn finish(self) -> Self::Output;

    /// The whole has failed. Returns its outcome.
    fn fail(self, error: TaskError) -> Outcome<Self::Output>
    where
        Self: Sized,
    {
        unhandled::drop_reporting(self);
        Err(error)
    }
}

pub(super) struct Control<U: Send + 'static, C: Collect<U>> {
    /// `None` once no element starts any more.
    pub(super) elements: Option<Arc<dyn Elements<U>>>,
    /// How many elements there are; 0 if the iterator does not tell.
    pub(super) count: usize,
    /// A runner pulls an element.
    pub(super) is_pulling: bool,
    /// The number of places that are taken.
    pub(super) busy: usize,
    /// Invariant: at least 1 while an element may start.
    pub(super) seekers: usize,
    /// How many runners hold a place in the queue of a pool that has a limit. 0 once the whole is
    /// decided: they find nothing to do.
    pub(super) queued: usize,
    /// The number of elements that were pulled.
    pub(super) started: usize,
    /// The number of elements whose outcome was read. 0 where outcomes are not read one by one.
    pub(super) read: usize,
    /// How many elements may be pulled and not read.
    pub(super) ahead: usize,
    /// The number of elements that were pulled and have no outcome.
    pub(super) missing: usize,
    /// `None` once the outcome of the whole is decided.
    pub(super) whole: Option<Whole<U, C>>,
    /// The threads on which runners serve, so that user code runs there or may run next.
    pub(super) threads: SmallVec<[ThreadId; 2]>,
    /// The tasks that closures have returned and that are not settled, by the index of the element.
    pub(super) tasks: BTreeMap<usize, Arc<dyn AnyCell>>,
    /// The task of the whole, if it was decided while closures ran: it has stopped when they have
    /// returned.
    pub(super) left: Option<Arc<dyn AnyCell>>,
}

pub(super) struct Whole<U, C: Collect<U>> {
    pub(super) collect: C,
    pub(super) resolver: Resolver<C::Output>,
    pub(super) _elements: PhantomData<fn(U)>,
}

/// What a seeker does next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Pull,
    /// Another runner pulls.
    Wait,
    /// Let other jobs of the pool run first.
    Requeue,
    /// It is no seeker any more.
    Leave,
}

impl<U: Send + 'static, C: Collect<U>> Control<U, C> {
    /// What the first runner, which is about to be submitted, begins with.
    pub(super) fn new(elements: Arc<dyn Elements<U>>, ahead: usize, whole: Whole<U, C>) -> Self {
        Control {
            count: elements.count(),
            elements: Some(elements),
            is_pulling: false,
            busy: 0,
            seekers: 1,
            queued: 0,
            started: 0,
            read: 0,
            ahead,
            missing: 0,
            whole: Some(whole),
            threads: SmallVec::new(),
            tasks: BTreeMap::new(),
            left: None,
        }
    }

    /// How many elements have an outcome, and how many there are, if that is known.
    pub(super) fn counts(&self) -> Counts {
        let total = match &self.elements {
            Some(_) => self.count,
            None => self.started,
        };
        Counts::of(self.started - self.missing, total)
    }

    pub(super) fn turn(&mut self, limit: usize, waits: bool, is_over_time: bool) -> Turn {
        if !self.may_start(limit) {
            self.seekers -= 1;
            return Turn::Leave;
        }
        if is_over_time {
            return Turn::Requeue;
        }
        if self.is_pulling {
            if waits {
                return Turn::Wait;
            }
            // The one that pulls is a seeker, and starts another.
            self.seekers -= 1;
            return Turn::Leave;
        }
        self.is_pulling = true;
        self.busy += 1;
        Turn::Pull
    }

    /// A runner has ended. One thread may run two, of which one runs inside the other.
    pub(super) fn forget_thread(&mut self, thread: ThreadId) {
        let place = self.threads.iter().rposition(|other| *other == thread);
        if let Some(place) = place {
            self.threads.swap_remove(place);
        }
    }

    /// The outcome of an element is in.
    pub(super) fn put(&mut self, index: usize, outcome: Outcome<U>, after: &mut After<U, C>) {
        self.missing -= 1;
        match &mut self.whole {
            None => after.outcome = Some(outcome),
            Some(whole) => match whole.collect.put(index, outcome) {
                Ok(effect) => after.effect = effect,
                Err(error) => self.decide(Some(error), after),
            },
        }
    }

    /// Decides the whole: by a failure, or because all outcomes are in.
    pub(super) fn decide(&mut self, failure: Option<TaskError>, after: &mut After<U, C>) {
        if let Some(whole) = self.whole.take() {
            after.whole = Some((whole, failure));
        }
        if let Some(elements) = self.elements.take() {
            after.elements = Some(elements);
        }
        after.tasks = std::mem::take(&mut self.tasks);
        after.unqueued += std::mem::take(&mut self.queued);
    }

    /// An element may be pulled.
    pub(super) fn may_start(&self, limit: usize) -> bool {
        let unread = self.started.saturating_sub(self.read);
        self.elements.is_some() && self.busy < limit && unread < self.ahead
    }

    /// Looks for what follows from a change.
    pub(super) fn look(&mut self, limit: usize, after: &mut After<U, C>) {
        if self.seekers == 0 && self.may_start(limit) {
            self.seekers += 1;
            after.needs_runner = true;
        }
        if self.whole.is_some() && self.elements.is_none() && self.missing == 0 {
            self.decide(None, after);
        }
        if self.busy == 0 {
            after.left = self.left.take();
        }
    }
}

/// What is to be done without the lock.
pub(super) struct After<U: Send + 'static, C: Collect<U>> {
    pub(super) elements: Option<Arc<dyn Elements<U>>>,
    pub(super) effect: Option<C::Effect>,
    /// An outcome that came too late.
    pub(super) outcome: Option<Outcome<U>>,
    pub(super) whole: Option<(Whole<U, C>, Option<TaskError>)>,
    /// To be cancelled.
    pub(super) tasks: BTreeMap<usize, Arc<dyn AnyCell>>,
    /// A task of closures that have now returned.
    pub(super) left: Option<Arc<dyn AnyCell>>,
    pub(super) needs_runner: bool,
    /// How many places in the queue of the pool are to be given back.
    pub(super) unqueued: usize,
    /// One more element has an outcome.
    pub(super) is_progress: bool,
}

impl<U: Send + 'static, C: Collect<U>> Default for After<U, C> {
    fn default() -> Self {
        After {
            elements: None,
            effect: None,
            outcome: None,
            whole: None,
            tasks: BTreeMap::new(),
            left: None,
            needs_runner: false,
            unqueued: 0,
            is_progress: false,
        }
    }
}
