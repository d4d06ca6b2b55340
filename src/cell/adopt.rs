//! A task returned from a continuation: the outer task takes over its outcome.
//!
//! The inner task gets one more subscriber, which forwards its outcome to the outer one. A loop
//! that returns its next round from `and_then` would build a line of forwarders, one for each
//! round. So an outer task without a handle that only forwards is skipped: its own forwarder moves
//! to the inner task. An inner task that only follows a third one is skipped too. The line stays
//! one task long (path compression, as in Scala's promises).

use super::deadlock::{self, Graph};
use super::removed::{DropLater, Removed};
use super::slot::Slot;
use super::state::{Arrival, Duty, Phase, Progress, Registered, Role, State};
use super::step::{Flow, Follow, Step};
use super::{AnyCell, UpstreamRef, address, enqueue, raise, stopped, with, with_state};
use crate::error::{ErrorKind, TaskError};
use crate::sync::{Arc, Ordering, chaos_point};
use crate::{dispatch, turning};

enum Adopted {
    /// The inner task will deliver.
    Yes(Registered),
    /// The outer task was cancelled while its continuation ran.
    Superseded,
    /// The task that was to get the outcome of this task was cancelled.
    Unwanted(Arc<dyn AnyCell>),
    /// The inner task waits for the outer one, or is it.
    Cycle(Arrival),
}

/// The driver of `outer` stops driving it until `inner` is settled. `held` is the step whose output
/// will have the outcome; `None`: the head's slot will.
pub(crate) fn follow(
    outer: &Arc<dyn AnyCell>,
    epoch: u32,
    held: Option<Box<dyn Step>>,
    progress: Progress,
    follow: Follow,
) {
    let Follow { inner } = follow;
    // Dropped when the locks are gone.
    let mut removed = Removed::default();
    let adopted = {
        // This lock excludes other adoptions and new waits: the search for a cycle and the new edge
        // must be one atomic act. Only adoptions of unsettled tasks come here.
        let mut graph = deadlock::lock();
        let link = Link {
            outer,
            epoch,
            inner: &inner,
        };
        attach(&mut graph, &link, held, progress, &mut removed)
    };
    chaos_point();
    turning::unpark();
    match adopted {
        Adopted::Yes(Registered::Pending) => {}
        Adopted::Yes(Registered::Late) => schedule(inner),
        Adopted::Yes(Registered::Cold) => enqueue(&inner),
        Adopted::Superseded => {
            // As if the cancel had come after the adoption.
            raise::withdraw_all(Some(upstream(&inner)));
            super::release(&*inner);
            drop(removed);
            stopped::driver_has_left(outer, inner);
        }
        Adopted::Unwanted(source) => {
            raise::withdraw_all(Some(upstream(&source)));
        }
        Adopted::Cycle(arrival) => {
            super::release(&*inner);
            arrival.proceed(outer.clone());
        }
    }
}

/// Has the steps of a task whose phase is `HandedOff` run from this thread's list, or by their
/// route.
fn schedule(cell: Arc<dyn AnyCell>) {
    match with_state(&*cell, |state| state.leaves()) {
        true => dispatch::hand_over_now(cell),
        false => dispatch::later(cell),
    }
}

/// The two tasks of an adoption.
struct Link<'a> {
    outer: &'a Arc<dyn AnyCell>,
    /// The epoch of the outer task's driver.
    epoch: u32,
    inner: &'a Arc<dyn AnyCell>,
}

fn attach(
    graph: &mut Graph,
    link: &Link<'_>,
    held: Option<Box<dyn Step>>,
    progress: Progress,
    removed: &mut Removed,
) -> Adopted {
    let only_carries = match hold(graph, link, held, progress, removed) {
        Held::No => return Adopted::Superseded,
        Held::Cycle(arrival) => return Adopted::Cycle(arrival),
        Held::Yes { only_carries } => only_carries,
    };
    if !only_carries && let Some(registered) = register_at_once(link) {
        if link.outer.is_outlived() {
            stopped::forget_stopped(&**link.outer);
        }
        return Adopted::Yes(registered);
    }
    compress(link, removed.skipped.get_or_insert_default())
}

/// Skips tasks that only forward, and registers a forwarder between those that are left.
#[inline(never)]
fn compress(link: &Link<'_>, removed: &mut DropLater) -> Adopted {
    let (target, forwarder) = compress_outer(link.outer, removed);
    let forwarder = forwarder.unwrap_or_else(|| forward(target.clone(), link.epoch));
    let (source, forwarder) = compress_inner(link.inner, forwarder, removed);
    let wanted = with_state(&*target, |state| {
        if state.phase() != Phase::Following {
            return false;
        }
        removed.ties.push(state.set_upstream(upstream(&source)));
        if !removed.behind.is_empty() {
            state.leave_behind(removed.behind.drain(..));
            target.note_outlived(state);
        }
        true
    });
    if target.is_outlived() {
        stopped::forget_stopped(&*target);
    }
    removed.cells.push(target);
    let registered = match forwarder {
        Some(forwarder) => register(link.inner, forwarder, wanted, removed),
        None => Registered::Pending,
    };
    if wanted {
        removed.cells.push(source);
        Adopted::Yes(registered)
    } else {
        Adopted::Unwanted(source)
    }
}

/// Whether the outer task follows the inner one from now on.
enum Held {
    /// `only_carries`: it has no handle, and its only step is a forwarder.
    Yes { only_carries: bool },
    /// It has another driver.
    No,
    /// It would wait for itself, and has failed.
    Cycle(Arrival),
}

/// Has the outer task follow the inner one, unless that closes a cycle.
fn hold(
    graph: &mut Graph,
    link: &Link<'_>,
    mut held: Option<Box<dyn Step>>,
    progress: Progress,
    removed: &mut Removed,
) -> Held {
    let Link {
        outer,
        epoch,
        inner,
    } = *link;
    // `None`: not known yet.
    let mut is_cycle = (address(&**outer) == address(&**inner)).then_some(true);
    loop {
        let now = with(&**outer, |state, head| {
            if state.epoch != epoch {
                removed.step = held.take();
                return Some(Held::No);
            }
            if is_cycle.is_none() && graph.is_awaited(&**outer, state) {
                return None;
            }
            state.note(progress);
            state.last = held.take();
            if is_cycle == Some(true) {
                // The upstream that was set before is not followed.
                removed.tie = state.take_upstream();
                let error = TaskError::of(ErrorKind::Cycle, outer.meta().at());
                state.outcome(head).fail(error);
                return Some(Held::Cycle(state.outcome_is_in()));
            }
            removed.tie = state.follow(upstream(inner));
            let only_carries = state.detached
                && (state.steps.only()).is_some_and(|step| step.forwards_to().is_some());
            Some(Held::Yes { only_carries })
        });
        if let Some(now) = now {
            return now;
        }
        // The search locks other cells.
        is_cycle = Some(graph.adoption_closes_a_cycle(outer, inner, &mut removed.trail));
    }
}

/// Registers a forwarder to the outer task in the inner one, unless that may only follow a third.
///
/// The outer task may have been cancelled since it began to follow. Then its cancel reaches the
/// inner task, and the forwarder delivers nothing.
fn register_at_once(link: &Link<'_>) -> Option<Registered> {
    with_state(&**link.inner, |state| {
        if state.phase() == Phase::Following && state.steps.is_empty() {
            return None;
        }
        let forwarder = forward(link.outer.clone(), link.epoch);
        Some(add(link.inner, state, forwarder))
    })
}

/// Registers the forwarder in the inner task, unless its outcome is unwanted.
fn register(
    inner: &Arc<dyn AnyCell>,
    forwarder: Box<dyn Step>,
    wanted: bool,
    removed: &mut DropLater,
) -> Registered {
    with_state(&**inner, |state| {
        if !wanted {
            state.detached = true;
            removed.steps.push(forwarder);
            return Registered::Pending;
        }
        add(inner, state, forwarder)
    })
}

fn add(inner: &Arc<dyn AnyCell>, state: &mut State, forwarder: Box<dyn Step>) -> Registered {
    state.detached = true;
    if state.phase() == Phase::Settled {
        // ORDERING: Relaxed, see `Shell::settled`.
        inner.settled_flag().store(false, Ordering::Relaxed);
    }
    state.has_dependents = true;
    state.register(forwarder, Role::Observer).1
}

/// If `inner` only follows a third task and has no other subscriber, skips it, so that a line built
/// from its end stays one long too. Returns the task to follow, and the forwarder unless it is
/// installed already.
fn compress_inner(
    inner: &Arc<dyn AnyCell>,
    forwarder: Box<dyn Step>,
    removed: &mut DropLater,
) -> (Arc<dyn AnyCell>, Option<Box<dyn Step>>) {
    let followed = with_state(&**inner, |state| {
        // A raise of one of its tokens must find the task that the outcome is for.
        let is_covered = || {
            let target = forwarder.forwards_to();
            target.is_some_and(|target| inner.meta().is_covered_by(target.meta()))
        };
        let only_follows =
            state.phase() == Phase::Following && state.steps.is_empty() && is_covered();
        let upstream = state.upstream().filter(|_| only_follows)?;
        Some((upstream.to.clone(), state.epoch))
    });
    let followed = followed.and_then(|(upstream, epoch)| upstream.cell().map(|cell| (cell, epoch)));
    let Some((source, epoch)) = followed else {
        return (inner.clone(), Some(forwarder));
    };
    // One forwarder replaces the other under one lock. Without a subscriber in between, a failure
    // of the source would be reported as unhandled.
    let mut forwarder = Some(forwarder);
    with_state(&*source, |state| {
        let carries_to_inner = state
            .steps
            .only()
            .and_then(Step::forwards_to)
            .is_some_and(|target| address(&**target) == address(&**inner));
        state.has_dependents |= carries_to_inner;
        if carries_to_inner && let Some(forwarder) = forwarder.take() {
            removed.steps.extend(state.steps.replace_only(forwarder));
        }
    });
    if forwarder.is_some() {
        removed.cells.push(source);
        return (inner.clone(), forwarder);
    }
    // A cancel of the inner task before this point cancels the source with it.
    with_state(&**inner, |state| {
        if state.phase() == Phase::Following && state.epoch == epoch {
            let (tie, step) = state.forward();
            removed.ties.push(tie);
            removed.steps.extend(step);
            removed.note_replaced(&**inner, state);
        }
    });
    (source, None)
}

/// Returns the task that gets the outcome in the end, and its forwarder if tasks that only forward
/// were skipped.
fn compress_outer(
    outer: &Arc<dyn AnyCell>,
    removed: &mut DropLater,
) -> (Arc<dyn AnyCell>, Option<Box<dyn Step>>) {
    let mut target = outer.clone();
    let mut forwarder: Option<Box<dyn Step>> = None;
    loop {
        let own_carrier = with_state(&*target, |state| {
            let only_carries = state.phase() == Phase::Following
                && state.detached
                && state
                    .steps
                    .only()
                    .and_then(Step::forwards_to)
                    // A raise of one of its tokens must find the task that the outcome is for.
                    .is_some_and(|next| target.meta().is_covered_by(next.meta()));
            if !only_carries {
                return None;
            }
            let (tie, step) = state.forward();
            removed.ties.push(tie);
            removed.steps.extend(step);
            removed.note_replaced(&*target, state);
            state.steps.pop().map(|(forwarder, _)| forwarder)
        });
        let Some(own_carrier) = own_carrier else {
            return (target, forwarder);
        };
        if let Some(next) = own_carrier.forwards_to().cloned() {
            removed.cells.push(std::mem::replace(&mut target, next));
        }
        removed.steps.extend(forwarder.replace(own_carrier));
    }
}

fn upstream(inner: &Arc<dyn AnyCell>) -> UpstreamRef {
    UpstreamRef {
        to: inner.clone(),
        step_id: 0,
    }
}

/// The subscriber that forwards an inner task's outcome to the task that adopted it.
///
/// `IntoTask` and `Resolver` ensure that both have the same type, which is not known here.
struct Forwarder {
    target: Arc<dyn AnyCell>,
    /// The target's epoch when it began to follow. A cancel raises it: this step then delivers
    /// nothing.
    epoch: u32,
}

/// Makes the forwarder.
fn forward(target: Arc<dyn AnyCell>, epoch: u32) -> Box<dyn Step> {
    Box::new(Forwarder { target, epoch })
}

impl Forwarder {
    /// `put` fills the slot of the target, unless the target was cancelled in between.
    fn deliver(&self, put: impl FnOnce(&mut dyn Slot)) {
        let target = &self.target;
        let mut duty = Duty::default();
        let delivered = with(&**target, |state, head| {
            if state.phase() != Phase::Following || state.epoch != self.epoch {
                return None;
            }
            let slot = state.outcome(head);
            put(slot);
            // A failure has a way to note, and a raised token comes before a value.
            let is_plain = slot.failure().is_none() && !target.meta().is_under_tokens();
            // A task that follows has no other upstream than a cell.
            let source = state
                .take_upstream()
                .and_then(|upstream| upstream.to.cell());
            let left = source.as_ref().filter(|source| source.is_outlived());
            let is_outlived = left.is_some();
            if is_outlived {
                state.leave_behind(left.cloned());
                target.note_outlived(state);
            }
            if is_outlived || !is_plain || !state.settle_delivered(&mut duty) {
                return Some((source, is_outlived, Some(state.outcome_is_in())));
            }
            // ORDERING: Release, see `Shell::settled`.
            target.settled_flag().store(true, Ordering::Release);
            Some((source, false, None))
        });
        match delivered {
            None => {}
            Some((_source, is_outlived, Some(arrival))) => {
                if is_outlived {
                    stopped::forget_stopped(&**target);
                }
                arrival.proceed(target.clone());
            }
            Some((source, _, None)) => {
                drop(source);
                duty.carry_out(target.meta());
            }
        }
    }
}

impl Step for Forwarder {
    fn run(&mut self, input: &mut dyn Slot, _: Option<&Arc<str>>) -> Flow {
        if input.is_empty() {
            input.fail(TaskError::taken(Some(self.target.meta().at())));
        }
        self.deliver(|slot| {
            input.move_into(slot);
        });
        // The target did not take the outcome.
        input.clear();
        Flow::Observed
    }

    fn cancel(&mut self, error: &TaskError) {
        self.deliver(|slot| slot.fail(error.clone()));
    }

    fn reject(&mut self, error: &TaskError) {
        self.deliver(|slot| slot.fail(error.clone()));
    }

    fn takes_outcome(&self) -> bool {
        true
    }

    fn forwards_to(&self) -> Option<&Arc<dyn AnyCell>> {
        Some(&self.target)
    }
}
