//! Elements of an iterator, at most a given number at a time: what the verbs for many elements
//! share.
//!
//! *Runners* are jobs on the pool. Each pulls an element, calls the closure with it, and continues
//! with the next. A *place* is held by an element from before it is pulled until its closure has
//! returned; and if the closure returns a task that is pending, until the closures of that task
//! have returned too. A runner that is queued or looks for an element is a *seeker*.

// Lock order: `control`, and no other lock with it. No user code runs, and nothing of the user's is
// dropped, under it: that is left to `After`.

mod upstream;

use std::marker::PhantomData;

use super::control::{After, Collect, Control, Turn, Whole};
use super::elements::{Elements, Gate, Ran};
use crate::cell::call_off::enlist;
use crate::cell::pieces::Deferred;
use crate::cell::raise::withdraw_all;
use crate::cell::slot::Outcome;
use crate::cell::step::Follow;
use crate::cell::stopped::{driver_is_back, leave_running, when_stopped};
use crate::cell::task_cell::{NoWork, Returned, TaskCell};
use crate::cell::{AnyCell, TaskMeta, UpstreamRef, deadlock, with_state};
use crate::error::{ErrorKind, TaskError};
use crate::event::Emitter;
use crate::executor::{RunResult, Runnable};
use crate::limits::{RUNNER_LOOKS, RUNNER_PAUSE, RUNNER_SLICE, SPARE_RUNNERS};
use crate::pool::Pool;
use crate::promise::Resolver;
use crate::sync::{Arc, Instant, Mutex, OnceLock, spin_hint, thread_id};
use crate::task::{Sink, Task};
use crate::{dispatch, turning, unhandled};

pub(super) struct Runners<U: Send + 'static, C: Collect<U>> {
    meta: TaskMeta,
    /// The number of places, at least 1.
    limit: usize,
    /// Tells how many elements have an outcome, if the task of the whole has a listener.
    emitter: OnceLock<Arc<Emitter>>,
    control: Mutex<Control<U, C>>,
}

/// Starts the runners of `elements`; returns the task of the whole.
pub(super) fn start<U: Send + 'static, C: Collect<U>>(
    meta: TaskMeta,
    limit: usize,
    elements: Arc<dyn Elements<U>>,
    collect: C,
) -> Task<C::Output> {
    start_ahead(meta, limit, usize::MAX, elements, collect).0
}

/// The task of the whole, and what is told of each read. `None`: nothing can run.
type Started<U, C> = (Task<<C as Collect<U>>::Output>, Option<Arc<Runners<U, C>>>);

/// Starts the runners of `elements`, of which at most `ahead` are pulled and not read.
pub(super) fn start_ahead<U: Send + 'static, C: Collect<U>>(
    meta: TaskMeta,
    limit: usize,
    ahead: usize,
    elements: Arc<dyn Elements<U>>,
    collect: C,
) -> Started<U, C> {
    let location = meta.location;
    let pool = meta.pool.clone();
    let outer: Arc<dyn AnyCell> =
        TaskCell::<NoWork<C::Output>, C::Output>::open(TaskMeta::new(location, pool));
    let task = Task::from_cell(outer.clone());
    let resolver = Resolver::new(outer.clone());
    if limit == 0 {
        let why = "a limit of 0 lets nothing run; give at least 1";
        let error = TaskError::noted(ErrorKind::Rejected, why, Some(outer.meta().at()));
        let _ = resolver.settle(collect.fail(error));
        unhandled::drop_reporting(elements);
        return (task, None);
    }
    let whole = Whole {
        collect,
        resolver,
        _elements: PhantomData,
    };
    let runners = Arc::new(Runners {
        meta,
        limit,
        emitter: OnceLock::new(),
        control: Mutex::new(Control::new(elements, ahead, whole)),
    });
    with_state(&*outer, |state| {
        let to = runners.clone();
        let _ = state.set_upstream(UpstreamRef { to, step_id: 0 });
    });
    if outer.meta().is_under_tokens() {
        enlist(&outer);
    }
    runners.submit();
    (task, Some(runners))
}

fn unwanted(task: Arc<dyn AnyCell>) -> UpstreamRef {
    UpstreamRef {
        to: task,
        step_id: 0,
    }
}

impl<U: Send + 'static, C: Collect<U>> Runners<U, C> {
    /// Puts a runner, which counts as a seeker, behind the other jobs of the pool.
    fn submit(self: &Arc<Self>) {
        let pool: &Pool = self.meta.pool();
        if let Err(rejected) = pool.submit_continuation(self.clone()) {
            rejected.settle();
        }
    }

    /// Does what follows from a change, without the lock.
    fn carry_out(self: &Arc<Self>, after: After<U, C>) {
        if after.needs_runner {
            self.submit();
        }
        self.release_places(after.unqueued);
        if after.is_progress
            && let Some(emitter) = self.emitter.get()
        {
            emitter.report();
        }
        if let Some(effect) = after.effect {
            self.note_read(C::act(effect));
        }
        unhandled::drop_reporting(after.elements);
        unhandled::drop_reporting(after.outcome);
        if let Some((whole, failure)) = after.whole {
            let Whole {
                collect, resolver, ..
            } = whole;
            match failure {
                None => unhandled::drop_reporting(resolver.resolve(collect.finish())),
                Some(error) => {
                    let outcome = collect.fail(error);
                    if let Some(cell) = resolver.cell().and_then(|cell| self.leave(cell)) {
                        driver_is_back(&cell);
                    }
                    let _ = resolver.settle(outcome);
                }
            }
        }
        if !after.tasks.is_empty() {
            withdraw_all(after.tasks.into_values().map(unwanted));
        }
        if let Some(cell) = after.left {
            driver_is_back(&cell);
        }
    }

    /// Gives places in the queue of the pool back.
    fn release_places(&self, count: usize) {
        (0..count).for_each(|_| self.meta.pool().release_place());
    }

    /// The whole of `cell` is decided. Returns the cell if no closure runs any more.
    fn leave(&self, cell: Arc<dyn AnyCell>) -> Option<Arc<dyn AnyCell>> {
        leave_running(&*cell, None);
        let mut control = self.control.lock();
        if control.busy == 0 {
            return Some(cell);
        }
        control.left = Some(cell);
        None
    }

    /// Changes what the lock guards, and does what follows from that.
    fn change(self: &Arc<Self>, f: impl FnOnce(&mut Control<U, C>, &mut After<U, C>)) {
        let mut after = After::default();
        {
            let mut control = self.control.lock();
            f(&mut control, &mut after);
            control.look(self.limit, &mut after);
        }
        self.carry_out(after);
    }

    /// Serves elements on this thread, until there are none, or no place, or others wait for the
    /// thread.
    fn serve(self: &Arc<Self>) {
        let me = thread_id();
        let (elements, whole) = {
            let mut control = self.control.lock();
            control.threads.push(me);
            let whole = control.whole.as_ref();
            let whole = whole.and_then(|whole| whole.resolver.cell());
            (control.elements.clone(), whole)
        };
        if let Some(whole) = whole {
            deadlock::note_runs_for(&*whole);
        }
        let (is_over_time, mut after) = self.serve_from(elements.as_deref());
        // Before the whole settles, if this runner is the last. The whole waits for that.
        unhandled::drop_reporting(elements);
        unhandled::drop_reporting(after.elements.take());
        self.control.lock().forget_thread(me);
        // No closure may bring the next outcome any more: who reads may be in a cycle.
        turning::unpark();
        self.carry_out(after);
        if is_over_time {
            self.submit();
        }
    }

    /// Returns true if the runner is a seeker yet, and is to be queued again; and what is left to
    /// be done.
    fn serve_from(self: &Arc<Self>, elements: Option<&dyn Elements<U>>) -> (bool, After<U, C>) {
        let begun = Instant::now();
        let mut done = None;
        loop {
            let is_over_time = begun.elapsed() >= RUNNER_SLICE;
            let (turn, after) = self.next_turn(done.take(), is_over_time);
            let Some(elements) = elements.filter(|_| turn == Turn::Pull) else {
                return (turn == Turn::Requeue, after);
            };
            self.carry_out(after);
            match elements.run_next(&Begins(self)) {
                Ran::Returned(index, Returned::Outcome(outcome)) => done = Some((index, outcome)),
                Ran::Returned(index, Returned::Task(task)) => self.follow(index, task),
                Ran::End(failure) => return (false, self.end(failure)),
            }
        }
    }

    /// The next step of a runner, which has an outcome, or is a seeker.
    fn next_turn(
        &self,
        mut done: Option<(usize, Outcome<U>)>,
        is_over_time: bool,
    ) -> (Turn, After<U, C>) {
        let mut after = After::default();
        let mut looks = RUNNER_LOOKS;
        loop {
            let mut control = self.control.lock();
            if let Some((index, outcome)) = done.take() {
                control.busy -= 1;
                control.seekers += 1;
                control.put(index, outcome, &mut after);
            }
            let turn = control.turn(self.limit, looks > 0, is_over_time);
            control.look(self.limit, &mut after);
            drop(control);
            if turn != Turn::Wait {
                return (turn, after);
            }
            looks -= 1;
            (0..RUNNER_PAUSE).for_each(|_| spin_hint());
        }
    }

    /// There are no more elements, or the one that was pulled is not wanted.
    fn end(&self, failure: Option<TaskError>) -> After<U, C> {
        let mut after = After::default();
        let mut control = self.control.lock();
        control.is_pulling = false;
        control.busy -= 1;
        control.seekers -= 1;
        match failure {
            Some(failure) => control.decide(Some(failure), &mut after),
            None => after.elements = control.elements.take(),
        }
        control.look(self.limit, &mut after);
        after
    }

    /// The closure of an element has returned a task, which keeps the place. The runner is a
    /// seeker again.
    fn follow(self: &Arc<Self>, index: usize, task: Follow) {
        let task = task.inner;
        let is_wanted = {
            let mut control = self.control.lock();
            control.seekers += 1;
            if control.whole.is_some() {
                control.tasks.insert(index, task.clone());
            }
            control.whole.is_some()
        };
        let runners = self.clone();
        let stopped = Box::new(move || runners.free_place());
        if let Some(stopped) = when_stopped(task.clone(), stopped) {
            stopped();
        }
        let runners = self.clone();
        Sink::new(move |outcome| runners.settle_task(index, outcome)).attach(&task);
        if !is_wanted {
            withdraw_all([unwanted(task)]);
        }
    }

    /// The task that the closure of an element returned is settled.
    fn settle_task(self: &Arc<Self>, index: usize, outcome: Outcome<U>) {
        let mut task = None;
        self.change(|control, after| {
            task = control.tasks.remove(&index);
            control.put(index, outcome, after);
        });
        unhandled::drop_reporting(task);
    }

    /// The closures of a task have returned.
    fn free_place(self: &Arc<Self>) {
        self.change(|control, _| control.busy -= 1);
    }

    /// One element runs at a time.
    pub(super) fn is_serial(&self) -> bool {
        self.limit == 1
    }

    /// A closure may be running, or will be.
    pub(super) fn is_served(&self) -> bool {
        let control = self.control.lock();
        !control.threads.is_empty() || (control.seekers > 0 && control.may_start(self.limit))
    }

    /// So many outcomes were read.
    pub(super) fn note_read(self: &Arc<Self>, count: usize) {
        self.change(|control, _| control.read += count);
    }

    /// At most `ahead` elements are pulled and not read from now on.
    pub(super) fn set_ahead(self: &Arc<Self>, ahead: usize) {
        self.change(|control, _| control.ahead = ahead);
    }
}

/// An element was pulled.
struct Begins<'a, U: Send + 'static, C: Collect<U>>(&'a Arc<Runners<U, C>>);

impl<U: Send + 'static, C: Collect<U>> Gate for Begins<'_, U, C> {
    fn begin(&self) -> Option<usize> {
        let limit = self.0.limit;
        let mut begun = None;
        self.0.change(|control, after| {
            if control.elements.is_none() {
                return;
            }
            control.is_pulling = false;
            control.seekers -= 1;
            begun = Some(control.started);
            control.started += 1;
            control.missing += 1;
            if control.may_start(limit) && control.seekers < SPARE_RUNNERS {
                control.seekers += 1;
                after.needs_runner = true;
            }
        });
        begun
    }
}

impl<U: Send + 'static, C: Collect<U>> Runnable for Runners<U, C> {
    fn run(self: Arc<Self>) -> RunResult {
        self.serve();
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        self.submit();
    }

    fn reject(self: Arc<Self>, kind: ErrorKind, why: &'static str) -> bool {
        let error = TaskError::noted(kind, why, Some(self.meta.at()));
        let mut after = After::default();
        let is_first = {
            let mut control = self.control.lock();
            control.seekers -= 1;
            let is_first = control.whole.is_some();
            control.decide(Some(error), &mut after);
            control.look(self.limit, &mut after);
            is_first
        };
        dispatch::later(Deferred::new(move || self.carry_out(after)));
        is_first
    }

    fn take_place(&self) {
        let is_over = {
            let mut control = self.control.lock();
            let is_over = control.whole.is_none();
            control.queued += usize::from(!is_over);
            is_over
        };
        if is_over {
            self.release_places(1);
        }
    }

    fn give_place_back(&self) -> bool {
        let mut control = self.control.lock();
        let had = control.queued > 0;
        control.queued -= usize::from(had);
        had
    }
}
