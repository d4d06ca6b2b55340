//! The inputs of a combinator: what its task waits for, and the results they have delivered.

use smallvec::SmallVec;

use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::raise::withdraw_all;
use crate::cell::{AnyCell, Upstream, UpstreamRef, with_state};
use crate::event::{Counts, Emitter, ProgressSource};
use crate::sync::{Arc, AtomicBool, Mutex, OnceLock, Ordering, Weak};

/// The tasks whose outcomes a combinator collects, and its partial result.
pub(super) struct Group<P> {
    /// False where one member's outcome may be enough.
    needs_all: bool,
    /// The combinator's own task may be among what its members wait for.
    at_risk: AtomicBool,
    /// Tells how many have settled, if the combinator's task has a listener.
    emitter: OnceLock<Arc<Emitter>>,
    inner: Mutex<Inner<P>>,
}

struct Inner<P> {
    parts: P,
    /// How many inputs there are, once each has its step, and how many have settled.
    counts: Counts,
    /// One member has decided the outcome. The combinator's task waits for no other, though it is
    /// settled only after this lock is free.
    is_decided: bool,
    /// One entry per input, in order, once each has its step; `None` after it has settled.
    members: Vec<Option<Arc<dyn AnyCell>>>,
    /// The indices of inputs that settled before `members` was filled.
    early: Vec<usize>,
    /// Inputs that have settled, to be dropped in batches of `DROP_BATCH`: an allocator that merges
    /// free blocks does so once for a batch.
    settled: Vec<Arc<dyn AnyCell>>,
}

/// The number of settled inputs that are dropped at once.
const DROP_BATCH: usize = 128;

impl<P: Send + 'static> Group<P> {
    pub(super) fn new(needs_all: bool, parts: P) -> Arc<Group<P>> {
        Arc::new(Group {
            needs_all,
            at_risk: AtomicBool::new(false),
            emitter: OnceLock::new(),
            inner: Mutex::new(Inner {
                parts,
                counts: Counts::default(),
                is_decided: false,
                members: Vec::new(),
                early: Vec::new(),
                settled: Vec::new(),
            }),
        })
    }

    /// Every member has its step. Some may have settled since.
    pub(super) fn fill(&self, members: Vec<Arc<dyn AnyCell>>) {
        let mut members: Vec<_> = members.into_iter().map(Some).collect();
        let mut inner = self.inner.lock();
        inner.counts.total = members.len() as u64;
        let early = std::mem::take(&mut inner.early);
        let settled: Vec<_> = early.iter().map(|index| members[*index].take()).collect();
        inner.settled.reserve_exact(members.len().min(DROP_BATCH));
        inner.members = members;
        drop(inner);
        drop(settled);
    }

    /// The member at `index` has settled: calls `f`, which only moves, with what has come in.
    pub(super) fn settle_one<R>(&self, index: usize, f: impl FnOnce(&mut P) -> R) -> R {
        self.remove(index, |inner| f(&mut inner.parts))
    }

    /// The member at `index` has settled, and its outcome is enough. It is no loser itself.
    pub(super) fn decide(&self, index: usize) {
        self.remove(index, |inner| inner.is_decided = true);
    }

    /// The member at `index` has settled: calls `f`, which only moves, with what has come in. If it
    /// returns something, that is the outcome.
    pub(super) fn decide_by<R>(
        &self,
        index: usize,
        f: impl FnOnce(&mut P) -> Option<R>,
    ) -> Option<R> {
        self.remove(index, |inner| {
            let outcome = f(&mut inner.parts);
            inner.is_decided |= outcome.is_some();
            outcome
        })
    }

    fn remove<R>(&self, index: usize, f: impl FnOnce(&mut Inner<P>) -> R) -> R {
        let mut inner = self.inner.lock();
        let result = f(&mut inner);
        inner.counts.done += 1;
        match inner.members.get_mut(index).map(Option::take) {
            Some(member) => inner.settled.extend(member),
            None => inner.early.push(index),
        }
        if inner.settled.len() >= DROP_BATCH {
            let settled: SmallVec<[_; DROP_BATCH]> = inner.settled.drain(..).collect();
            drop(inner);
            drop(settled);
        } else {
            drop(inner);
        }
        if let Some(emitter) = self.emitter.get() {
            emitter.report_now();
        }
        result
    }

    /// True when the members that are left may all wait for the combinator's own task. Ask after
    /// one of them has settled.
    pub(super) fn is_at_risk(&self) -> bool {
        // ORDERING: Relaxed. The thread that sets the mark reads the members afterwards, under
        // their lock, which the caller has held since: each sees what the other has done.
        self.at_risk.load(Ordering::Relaxed)
    }

    /// Cancels the members that are not settled.
    pub(super) fn cancel(&self) {
        withdraw_all(self.take());
    }

    fn take(&self) -> impl DoubleEndedIterator<Item = UpstreamRef> + use<P> {
        let (members, settled) = self.take_all();
        drop(settled);
        members
    }

    /// The inputs that are not settled, and those that are.
    fn take_all(
        &self,
    ) -> (
        impl DoubleEndedIterator<Item = UpstreamRef> + use<P>,
        Vec<Arc<dyn AnyCell>>,
    ) {
        let (members, settled) = {
            let mut inner = self.inner.lock();
            (
                std::mem::take(&mut inner.members),
                std::mem::take(&mut inner.settled),
            )
        };
        let members = members.into_iter().flatten().map(|member| UpstreamRef {
            to: member,
            step_id: 0,
        });
        (members, settled)
    }

    /// Lets the members go.
    pub(super) fn clear(&self) {
        drop(self.take());
    }
}

impl<P: Send + 'static> Withdraw for Group<P> {
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        let (members, settled) = self.take_all();
        sweep.keep(settled);
        sweep.unwanted(members.map(UpstreamRef::parts));
        CancelOutcome::Prevented
    }
}

impl<P: Send + 'static> ProgressSource for Group<P> {
    fn counts(&self) -> Counts {
        self.inner.lock().counts
    }
}

impl<P: Send + 'static> Upstream for Group<P> {
    fn connect(self: Arc<Self>, emitter: &Arc<Emitter>) {
        let source: Weak<Self> = Arc::downgrade(&self);
        emitter.set_source(source);
        // Behind it the emitter reads the counts under the lock, so none is missed.
        let _ = self.emitter.set(emitter.clone());
    }

    fn needs_all(&self) -> bool {
        self.needs_all
    }

    fn mark_at_risk(&self) {
        // ORDERING: Relaxed, see `is_at_risk`.
        self.at_risk.store(true, Ordering::Relaxed);
    }

    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let inner = self.inner.lock();
        if inner.is_decided {
            return;
        }
        // A search takes from the end of `found`, so it visits the inputs in their order.
        for member in inner.members.iter().flatten().rev() {
            found.push(member.clone());
        }
    }
}

/// Makes `group` what the task of `cell` waits for, unless that is settled already.
pub(super) fn bind<P: Send + 'static>(cell: &dyn AnyCell, group: &Arc<Group<P>>) {
    let bound = with_state(cell, |state| {
        let open = state.phase() == crate::cell::state::Phase::Open;
        if open {
            let _ = state.set_upstream(UpstreamRef {
                to: group.clone(),
                step_id: 0,
            });
        }
        open
    });
    if !bound {
        group.clear();
    }
}
