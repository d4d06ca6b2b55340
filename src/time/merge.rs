//! Calls that are merged into one: what `Debounce` and `Throttle` have in common.
//!
//! A call joins a batch. A batch that is due is run: its latest argument is given to the closure,
//! and every call of it gets the outcome. One batch runs at a time; batches that become due during
//! a run are merged.

// Lock order: `state` of a merger -> that of a task which waits for it. No user code runs, and
// nothing of the user's is dropped, under `state`: arguments that are not needed are passed out.

use std::panic::Location;

use super::alarm::{self, Alarm, Rung};
use super::batch::{Argument, Batch, merge, settle_all, settle_with};
use super::present_run::PresentRun;
use super::rule::{Moment, Rule};
use super::time_of;
use crate::cell::UpstreamRef;
use crate::cell::slot::Outcome;
use crate::error::{At, ErrorKind, TaskError};
use crate::pool::Pool;
use crate::promise::{Resolver, deferred_in};
use crate::sync::{Arc, Instant, Mutex};
use crate::task::{Given, IntoTask, Task, TaskBuilder, TaskContext, tie};
use crate::{drop_queue, locals, trace, unhandled};

/// The closure of the user's.
pub(super) type Work<A, T> = Box<dyn FnMut(A) -> Given<T> + Send>;

/// Merges calls.
pub(super) struct Merger<A: 'static, T: Send + 'static> {
    state: Mutex<State<A, T>>,
    /// What every call waits for.
    run: Arc<PresentRun>,
    pool: Option<Pool>,
    location: &'static Location<'static>,
}

struct State<A, T: Send + 'static> {
    rule: Rule,
    /// `None` while it is called.
    work: Option<Work<A, T>>,
    /// The calls whose time is to come.
    waiting: Option<Batch<A, T>>,
    /// Those that are due while others run.
    queued: Option<Batch<A, T>>,
    /// The calls that get the outcome of the present run. `None`: nothing runs.
    running: Option<Vec<Resolver<T>>>,
    /// The last outcome, for calls that no run of their own follows.
    last: Option<Arc<Outcome<T>>>,
    /// Until then a call joins the earlier ones.
    quiet: Moment,
    alarm: Alarm,
}

/// What is to be done without the lock.
struct Effects<A> {
    /// A batch begins to run, with this argument.
    run: Option<Argument<A>>,
    /// The alarm is to be armed for then; its number.
    arm: Option<(Instant, u64)>,
    /// Arguments that later ones have replaced.
    replaced: [Option<Argument<A>>; 2],
}

/// The effect of a call, to be applied without the lock.
struct Joined<A, T: Send + 'static> {
    /// The call gets an outcome that is there.
    settles: Option<(Resolver<T>, Arc<Outcome<T>>)>,
    /// The argument that is not needed.
    replaced: Option<Argument<A>>,
    /// An outcome that no call gets any more.
    stale: Option<Arc<Outcome<T>>>,
}

impl<A, T: Send + 'static> Joined<A, T> {
    fn replacing(replaced: Option<Argument<A>>) -> Joined<A, T> {
        Joined {
            settles: None,
            replaced,
            stale: None,
        }
    }
}

/// Makes a merger of calls of `f`; `pool` runs them. `None`: the global pool.
#[track_caller]
pub(super) fn merge_calls<A, R, F>(
    rule: Rule,
    pool: Option<Pool>,
    f: F,
) -> Arc<Merger<A, R::Output>>
where
    A: Send + 'static,
    F: FnMut(A) -> R + Send + 'static,
    R: IntoTask,
    R::Output: Clone + Sync,
{
    let location = Location::caller();
    let mut f = f;
    let work = move |argument| Given::call(location, || f(argument));
    Merger::new(rule, Box::new(work), pool, location)
}

impl<A: Send + 'static, T: Clone + Send + Sync + 'static> Merger<A, T> {
    fn new(
        rule: Rule,
        work: Work<A, T>,
        pool: Option<Pool>,
        location: &'static Location<'static>,
    ) -> Arc<Merger<A, T>> {
        Arc::new(Merger {
            state: Mutex::new(State {
                rule,
                work: Some(work),
                waiting: None,
                queued: None,
                running: None,
                last: None,
                quiet: Moment::Past,
                alarm: Alarm::default(),
            }),
            run: Arc::default(),
            pool,
            location,
        })
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Rule)) {
        change(&mut self.state.lock().rule);
    }

    pub(super) fn is_pending(&self) -> bool {
        let state = self.state.lock();
        state.waiting.is_some() || state.queued.is_some()
    }

    fn now(&self) -> Instant {
        time_of(self.pool.as_ref()).now()
    }

    pub(super) fn call(
        self: &Arc<Self>,
        value: A,
        location: &'static Location<'static>,
    ) -> Task<T> {
        let context = trace::capture();
        let argument = Argument { value, context };
        let (resolver, task) = deferred_in(self.pool.as_ref(), location);
        if let Some(cell) = task.cell() {
            let to = self.run.clone();
            tie(cell, UpstreamRef { to, step_id: 0 });
        }
        let now = self.now();
        let (joined, effects) = {
            let mut state = self.state.lock();
            if !state.rule.leading && !state.rule.trailing {
                drop(state);
                let at = At {
                    location,
                    task: None,
                };
                let note = "turn on its leading or its trailing run: nothing would be called";
                let error = TaskError::noted(ErrorKind::Rejected, note, Some(at));
                let _ = resolver.settle(Err(error));
                unhandled::drop_reporting(argument);
                return task;
            }
            let before = state.take_due(now);
            let mut joined = state.join(argument, resolver, now);
            let replaced = joined.replaced.take();
            (joined, state.go_on([before, replaced]))
        };
        self.carry_out(effects);
        if let Some((resolver, last)) = joined.settles {
            settle_with(resolver, &last);
        }
        unhandled::drop_reporting(joined.stale);
        task
    }

    /// Runs what waits, now. False: nothing does.
    pub(super) fn flush(self: &Arc<Self>) -> bool {
        let now = self.now();
        let (had, timer, effects) = {
            let mut state = self.state.lock();
            let had = state.waiting.is_some();
            let replaced = state.queue_waiting(now);
            let timer = state.alarm.take_back();
            (had, timer, state.go_on([replaced, None]))
        };
        alarm::cancel(timer);
        self.carry_out(effects);
        had
    }

    /// Cancels what waits; the next call is the first. False: nothing waits.
    pub(super) fn cancel(&self) -> bool {
        let (batches, timer) = {
            let mut state = self.state.lock();
            state.quiet = Moment::Past;
            let batches = [state.waiting.take(), state.queued.take()];
            (batches, state.alarm.take_back())
        };
        alarm::cancel(timer);
        let mut had = false;
        for batch in batches.into_iter().flatten() {
            had = true;
            let at = At {
                location: self.location,
                task: None,
            };
            let error = TaskError::cancelled(at, None);
            // The caller of `cancel` asked for it: it is not reported.
            let _ = error.claim_report();
            batch.fail(&error);
        }
        had
    }

    /// The alarm rings.
    fn rung(self: &Arc<Self>, number: u64, how: Rung) {
        let now = self.now();
        let (own, failed, effects) = {
            let mut state = self.state.lock();
            if !state.alarm.is_current(number) {
                return;
            }
            // It is this very task, which ends.
            let own = state.alarm.take_back();
            let (mut failed, mut replaced) = (None, None);
            match how {
                Rung::InTime => replaced = state.take_due(now),
                Rung::Refused(error) => {
                    failed = state.waiting.take().map(|batch| (batch, error));
                }
                // The pool takes no more: it says so to the calls.
                Rung::Cancelled => replaced = state.queue_waiting(now),
            }
            (own, failed, state.go_on([replaced, None]))
        };
        drop(own);
        if let Some((batch, error)) = failed {
            batch.fail(&error);
        }
        self.carry_out(effects);
    }

    fn carry_out(self: &Arc<Self>, effects: Effects<A>) {
        if let Some((due, number)) = effects.arm {
            let own = self.clone();
            let ring = move |how| own.rung(number, how);
            let task = alarm::ring_at(due, self.pool.clone(), self.location, ring);
            if let Some(task) = task {
                let unneeded = self.state.lock().alarm.keep(number, task);
                alarm::cancel(unneeded);
            }
        }
        if let Some(argument) = effects.run {
            self.run(argument);
        }
        for replaced in effects.replaced {
            unhandled::drop_reporting(replaced);
        }
    }

    /// Calls the closure. One run at a time comes here.
    fn run(self: &Arc<Self>, argument: Argument<A>) {
        let (own, core) = (self.clone(), self.clone());
        let Argument { value, context } = argument;
        let location = self.location;
        let builder = TaskBuilder::of_pool(self.pool.clone());
        // What enters a span is foreign code: a panic of it is one of the closure.
        let work = move |_: &TaskContext| match context {
            Some(context) => context.run(|| own.call_work(value)),
            None => own.call_work(value),
        };
        let task = {
            // This thread may have those of another call, or of a flush.
            let _hidden = locals::hide();
            builder.attempt_at(location, work)
        };
        self.run.set(task.cell());
        task.handle(move |outcome| core.finish(outcome)).detach();
    }

    fn call_work(&self, argument: A) -> Given<T> {
        let work = self.state.lock().work.take();
        let Some(mut work) = work else {
            let at = At {
                location: self.location,
                task: None,
            };
            let note = "an earlier call, which was cancelled, has not returned";
            let error = TaskError::noted(ErrorKind::Rejected, note, Some(at));
            return Given::Outcome(Err(error));
        };
        // It catches panics.
        let given = work(argument);
        self.state.lock().work = Some(work);
        given
    }

    fn finish(self: &Arc<Self>, outcome: Outcome<T>) {
        let outcome = Arc::new(outcome);
        let (callers, before, effects) = {
            let mut state = self.state.lock();
            let callers = state.running.take();
            let keeps = !state.rule.trailing;
            let last = keeps.then(|| outcome.clone());
            let before = std::mem::replace(&mut state.last, last);
            (callers, before, state.go_on([None, None]))
        };
        unhandled::drop_reporting(before);
        // The next run does not wait for what follows this one.
        self.carry_out(effects);
        settle_all(callers.unwrap_or_default(), outcome);
    }
}

impl<A, T: Send + 'static> State<A, T> {
    /// A call comes.
    fn join(&mut self, argument: Argument<A>, resolver: Resolver<T>, now: Instant) -> Joined<A, T> {
        let is_first = self.quiet.is_over(now);
        if let Some(quiet) = self.rule.quiet_after_call(is_first, now) {
            self.quiet = quiet;
        }
        if !is_first && !self.rule.trailing {
            // The run of the first call is that of this one.
            if let Some(callers) = &mut self.running {
                callers.push(resolver);
                return Joined::replacing(Some(argument));
            }
            if let Some(queued) = &mut self.queued {
                queued.callers.push(resolver);
                return Joined::replacing(Some(argument));
            }
            if let Some(last) = &self.last {
                let settles = Some((resolver, last.clone()));
                let replaced = Some(argument);
                return Joined {
                    settles,
                    replaced,
                    stale: None,
                };
            }
        }
        let mut batch = Batch {
            argument,
            callers: vec![resolver],
            since: now,
            due: Moment::Past,
        };
        if is_first && self.rule.leading || !self.rule.trailing {
            return Joined {
                settles: None,
                stale: self.last.take(),
                replaced: merge(&mut self.queued, batch),
            };
        }
        batch.since = self.waiting.as_ref().map_or(now, |batch| batch.since);
        batch.due = self.rule.due(batch.since, now, self.quiet);
        Joined::replacing(merge(&mut self.waiting, batch))
    }

    /// What waits is due by now.
    fn take_due(&mut self, now: Instant) -> Option<Argument<A>> {
        let is_due = self
            .waiting
            .as_ref()
            .is_some_and(|batch| batch.due.is_over(now));
        if is_due {
            self.queue_waiting(now)
        } else {
            None
        }
    }

    fn queue_waiting(&mut self, now: Instant) -> Option<Argument<A>> {
        let batch = self.waiting.take()?;
        if let Some(quiet) = self.rule.quiet_after_run(now) {
            self.quiet = quiet;
        }
        merge(&mut self.queued, batch)
    }

    /// What is to be done after a change.
    fn go_on(&mut self, mut replaced: [Option<Argument<A>>; 2]) -> Effects<A> {
        let mut run = None;
        if self.running.is_none()
            && let Some(batch) = self.queued.take()
        {
            if batch.callers.iter().any(Resolver::is_wanted) {
                self.running = Some(batch.callers);
                run = Some(batch.argument);
            } else {
                // At most one of them is taken: what was queued was not replaced then.
                let free = replaced.iter_mut().find(|place| place.is_none());
                if let Some(free) = free {
                    *free = Some(batch.argument);
                }
            }
        }
        let due = self.waiting.as_ref().map(|batch| batch.due);
        let arm = match due {
            Some(Moment::At(due)) => self.alarm.set().map(|number| (due, number)),
            _ => None,
        };
        Effects { run, arm, replaced }
    }
}

impl<A: 'static, T: Send + 'static> Drop for Merger<A, T> {
    /// The last handle may go on any thread, and calls may wait for a time that never comes.
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let (work, last) = (state.work.take(), state.last.take());
        let batches = [state.waiting.take(), state.queued.take()];
        // They may hold handles of other mergers.
        drop_queue::flat(move || {
            for Batch {
                argument, callers, ..
            } in batches.into_iter().flatten()
            {
                drop(callers);
                unhandled::drop_reporting(argument);
            }
            unhandled::drop_reporting(work);
            unhandled::drop_reporting(last);
        });
    }
}
