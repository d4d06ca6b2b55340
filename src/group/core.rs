//! What the handles and the tasks of a group share: who is in it, and what has failed.

// Lock order: `inner` -> nothing. The graph of waits may be locked before it. Nothing is settled,
// cancelled or dropped under it.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::Location;

use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::call_off::call_off_overseen;
use crate::cell::{AnyCell, Upstream, UpstreamRef, raise, stopped};
use crate::error::{At, ErrorKind, Reason, TaskError};
use crate::event::{self, About, Counts, Emitter, ProgressSource, Stage};
use crate::pool::Pool;
use crate::promise::{Resolver, deferred_in};
use crate::sync::{Arc, AtomicU64, Mutex, OnceLock, Ordering, Weak};
use crate::task::{Task, tie};
use crate::time::time_of;
use crate::unhandled::Overseer;

/// Failures that a group keeps besides the first. Further ones are reported at once.
const OTHERS_KEPT: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Open,
    /// No task starts in it any more.
    Cancelled,
    /// Its call has returned, or is about to.
    Ended,
}

pub(super) struct Core {
    /// `None`: the global pool.
    pub(super) pool: Option<Pool>,
    pub(super) keeps_going: bool,
    location: &'static Location<'static>,
    /// Tells how many tasks have ended, once there was a listener.
    emitter: OnceLock<Arc<Emitter>>,
    numbers: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    status: Status,
    /// Tasks that were started in it.
    started: usize,
    /// Tasks that are not settled, or whose closures run.
    live: usize,
    /// The tasks that have not left, by their numbers. An entry keeps the allocation of its task,
    /// which contains the value.
    children: BTreeMap<u64, Child>,
    /// In the order of time.
    failures: Vec<TaskError>,
    /// Told when `live` falls to 0.
    waiter: Option<Resolver<()>>,
}

struct Child {
    task: Weak<dyn AnyCell>,
    /// How often it has joined and not left: two late steps may meet.
    joined: u32,
}

impl Inner {
    fn add(&mut self, number: u64, task: Weak<dyn AnyCell>) {
        let child = self.children.entry(number);
        child.or_insert(Child { task, joined: 0 }).joined += 1;
        self.live += 1;
    }

    fn alive(&self) -> impl Iterator<Item = Arc<dyn AnyCell>> {
        self.children
            .values()
            .filter_map(|child| child.task.upgrade())
    }

    /// A task has left. Its entry is to be dropped without the lock.
    fn remove(&mut self, number: u64) -> Option<Child> {
        let child = self.children.get_mut(&number)?;
        child.joined -= 1;
        match child.joined {
            0 => self.children.remove(&number),
            _ => None,
        }
    }

    /// Starts no more tasks. Returns the present ones, to be cancelled.
    fn cancel(&mut self) -> Vec<Arc<dyn AnyCell>> {
        if self.status != Status::Open {
            return Vec::new();
        }
        self.status = Status::Cancelled;
        self.alive().collect()
    }
}

impl Core {
    pub(super) fn new(
        pool: Option<Pool>,
        keeps_going: bool,
        location: &'static Location<'static>,
    ) -> Arc<Core> {
        let inner = Inner {
            status: Status::Open,
            started: 0,
            live: 0,
            children: BTreeMap::new(),
            failures: Vec::new(),
            waiter: None,
        };
        Arc::new(Core {
            pool,
            keeps_going,
            location,
            emitter: OnceLock::new(),
            numbers: AtomicU64::new(0),
            inner: Mutex::new(inner),
        })
    }

    /// What tells the events of the group. Made by the first listener.
    pub(super) fn emitter(self: &Arc<Self>) -> &Arc<Emitter> {
        if self.emitter.get().is_none() {
            let about = About::new(None, self.location, event::current());
            let emitter = Emitter::new(about, time_of(self.pool.as_ref()), Stage::None);
            let source: Weak<Core> = Arc::downgrade(self);
            emitter.set_source(source);
            let _ = self.emitter.set(emitter);
        }
        self.emitter.get().expect("it is set")
    }

    /// More tasks were started, or have ended.
    fn report(&self) {
        if let Some(emitter) = self.emitter.get() {
            emitter.report();
        }
    }

    /// The call of the group returns.
    pub(super) fn tell_settled(&self, failure: Option<&TaskError>) {
        if let Some(emitter) = self.emitter.get() {
            emitter.settle_all(failure.cloned());
        }
    }

    /// The number of a task that is about to join.
    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn at(&self) -> At<'static> {
        At {
            location: self.location,
            task: None,
        }
    }

    pub(super) fn status(&self) -> Status {
        self.inner.lock().status
    }

    pub(super) fn live(&self) -> usize {
        self.inner.lock().live
    }

    /// Takes in a new task, unless the group starts none any more.
    pub(super) fn join(&self, number: u64, cell: &Arc<dyn AnyCell>) -> Status {
        let mut inner = self.inner.lock();
        if inner.status == Status::Open {
            inner.started += 1;
            inner.add(number, Arc::downgrade(cell));
        }
        let status = inner.status;
        drop(inner);
        self.report();
        status
    }

    /// Cancels the tasks of the group, with the reason `why`.
    pub(super) fn cancel(&self, why: Option<Reason>) {
        let children = self.inner.lock().cancel();
        cancel_all(children, why);
    }

    /// Notes the failure of the block.
    pub(super) fn fail(&self, error: TaskError) {
        let children = {
            let mut inner = self.inner.lock();
            // Not when it was the group that has cancelled what the block waited for.
            let is_echo = error.is_cancelled() && !inner.failures.is_empty();
            if !is_echo {
                inner.failures.push(error.clone());
            }
            match self.keeps_going {
                true => Vec::new(),
                false => inner.cancel(),
            }
        };
        cancel_all(children, Some(Reason::new(error)));
    }

    /// Makes the group what a task waits for: a search for a cycle sees its tasks, and a cancel of
    /// that task cancels them.
    pub(super) fn bind(self: &Arc<Self>, task: &Task<()>) {
        if let Some(cell) = task.cell() {
            let to = self.clone();
            tie(cell, UpstreamRef { to, step_id: 0 });
        }
    }

    /// Blocks until no task of the group is left, and ends it.
    pub(super) fn wait_for_all(self: &Arc<Self>) -> Result<(), TaskError> {
        loop {
            let (resolver, task) = deferred_in(self.pool.as_ref(), self.location);
            self.bind(&task);
            let mut resolver = Some(resolver);
            {
                let mut inner = self.inner.lock();
                match inner.live {
                    0 => inner.status = Status::Ended,
                    _ => inner.waiter = resolver.take(),
                }
            }
            if let Some(resolver) = resolver {
                let _ = resolver.resolve(());
                return Ok(());
            }
            if let Err(error) = task.wait() {
                // This thread must not wait for them: they wait for it, or no thread is left.
                self.cancel(Some(Reason::new(error.clone())));
                self.inner.lock().status = Status::Ended;
                return Err(error);
            }
        }
    }

    /// The failure of the group, which has ended.
    pub(super) fn take_failures(&self) -> Option<TaskError> {
        let mut failures = std::mem::take(&mut self.inner.lock().failures).into_iter();
        let first = failures.next()?;
        Some(first.followed_by(failures.collect()))
    }
}

/// Cancels tasks in one sweep: first all of them are taken, then user code runs.
fn cancel_all(children: Vec<Arc<dyn AnyCell>>, why: Option<Reason>) {
    if children.is_empty() {
        return;
    }
    let mut sweep = Sweep::new(why);
    call_off_all(children, &mut sweep);
    sweep.take_all();
    raise::carry_out(sweep);
}

fn call_off_all(children: Vec<Arc<dyn AnyCell>>, sweep: &mut Sweep) {
    for child in &children {
        call_off_overseen(child, sweep);
    }
    sweep.keep(children);
}

impl Overseer for Core {
    fn take_failure(&self, error: TaskError) -> Option<TaskError> {
        let children = {
            let mut inner = self.inner.lock();
            if inner.status == Status::Ended || inner.failures.len() > OTHERS_KEPT {
                return Some(error);
            }
            if !error.claim_report() {
                return None;
            }
            inner.failures.push(error.clone());
            match self.keeps_going {
                true => Vec::new(),
                false => inner.cancel(),
            }
        };
        cancel_all(children, Some(Reason::new(error)));
        None
    }

    fn leave(&self, number: u64) {
        let left;
        let told = {
            let mut inner = self.inner.lock();
            inner.live -= 1;
            left = inner.remove(number);
            match inner.live {
                0 => inner.waiter.take(),
                _ => None,
            }
        };
        drop(left);
        self.report();
        if let Some(resolver) = told {
            let _ = resolver.resolve(());
        }
    }

    fn linger(self: Arc<Self>, number: u64) {
        let inner = self.inner.lock();
        let child = inner.children.get(&number);
        let task = child.and_then(|child| child.task.upgrade());
        drop(inner);
        let leave = Box::new(move || self.leave(number));
        match task {
            Some(task) => {
                if let Some(leave) = stopped::when_stopped(task, leave) {
                    leave();
                }
            }
            None => leave(),
        }
    }

    fn rejoin(&self, number: u64, task: &dyn Any) -> bool {
        let Some(task) = task.downcast_ref::<Weak<dyn AnyCell>>() else {
            return false;
        };
        let mut inner = self.inner.lock();
        let is_on = inner.status != Status::Ended;
        if is_on {
            inner.add(number, task.clone());
        }
        is_on
    }
}

impl ProgressSource for Core {
    fn counts(&self) -> Counts {
        let inner = self.inner.lock();
        Counts::of(inner.started.saturating_sub(inner.live), inner.started)
    }
}

/// The time limit of a group has ended, or a token of its pool is raised.
impl Withdraw for Core {
    fn withdraw(self: Arc<Self>, _ticket: u64, sweep: &mut Sweep) -> CancelOutcome {
        let children = {
            let mut inner = self.inner.lock();
            if inner.status == Status::Ended {
                return CancelOutcome::TooLate;
            }
            inner.cancel()
        };
        call_off_all(children, sweep);
        CancelOutcome::Signalled
    }
}

impl Upstream for Core {
    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let inner = self.inner.lock();
        found.extend(inner.alive().map(|child| child as Arc<dyn Upstream>));
    }
}

/// The failure of a group whose time is over.
pub(super) fn timed_out(core: &Core) -> TaskError {
    TaskError::of(ErrorKind::TimedOut, core.at())
}
