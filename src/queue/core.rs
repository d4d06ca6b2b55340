//! What the handles of a queue share: it starts jobs as places become free, and settles the tasks
//! that wait for that.

// Lock order: `line` -> the lock of one `QueuedJob`, of one cell, or of the clock. The graph of
// waits may be locked before `line`. Nothing is started, settled or dropped under `line`.

use super::job::{Host, QueuedJob};
use super::line::{Actions, Entry, Line};
use super::rate::Rate;
use crate::cancel::{CancelOutcome, Sweep, Withdraw};
use crate::cell::pieces::each_here;
use crate::cell::state::Role;
use crate::cell::{self, AnyCell, Upstream, UpstreamRef, stopped};
use crate::error::{ErrorKind, TaskError};
use crate::executor::{Job, Runnable};
use crate::pool::{ConfigError, Pool};
use crate::sync::{Arc, AtomicU64, Instant, Mutex, Ordering, ThreadId, thread_id};
use crate::task::{expect_dependents, start, tie};
use crate::{dispatch, unhandled};

pub(super) const ZERO_LIMIT: ConfigError = ConfigError::new(
    "a queue with a limit of 0 would start nothing: it must be 1 or more; to stop it, call `pause`",
);

pub(super) struct Queue {
    /// `None`: the global pool.
    pub(super) pool: Option<Pool>,
    pub(super) has_rate: bool,
    numbers: AtomicU64,
    line: Mutex<Line>,
}

impl Entry {
    /// Nothing is left to do for it: a chain that was cancelled while its job waited.
    pub(super) fn is_spent(&self) -> bool {
        match self {
            Entry::Task(_) => false,
            Entry::Job(job) => job.is_spent(),
        }
    }

    fn start(self, queue: &Queue) {
        match self {
            Entry::Task(cell) => start(cell),
            Entry::Job(job) => {
                let refused = queue.pool().submit_continuation(job).err();
                if let Some(refused) = refused {
                    refused.settle();
                }
            }
        }
    }

    fn reject(self, kind: ErrorKind, why: &'static str) -> bool {
        match self {
            Entry::Task(cell) => cell.reject(kind, why),
            Entry::Job(job) => job.reject(kind, why),
        }
    }
}

impl Queue {
    pub(super) fn new(pool: Option<Pool>, limit: usize, rate: Option<Rate>) -> Arc<Queue> {
        Arc::new(Queue {
            pool,
            has_rate: rate.is_some(),
            numbers: AtomicU64::new(0),
            line: Mutex::new(Line::new(limit, rate)),
        })
    }

    pub(super) fn pool(&self) -> &Pool {
        self.pool.as_ref().unwrap_or_else(|| Pool::global())
    }

    /// The time, where it matters.
    fn now(&self) -> Option<Instant> {
        self.has_rate.then(|| self.pool().time().now())
    }

    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        f(&mut self.line.lock())
    }

    /// Reserves a place for a job that is not made yet. False: it would have to wait.
    pub(super) fn try_place(&self, number: u64) -> bool {
        let mut line = self.line.lock();
        line.try_place(number, self.now())
    }

    /// Takes in a new task. `placed`: it was given a place before.
    pub(super) fn admit(
        self: &Arc<Self>,
        number: u64,
        priority: i32,
        placed: bool,
        cell: &Arc<dyn AnyCell>,
    ) {
        // Those behind it.
        expect_dependents(cell);
        let entry = Entry::Task(cell.clone());
        let placed = self.take_in(number, priority, placed, entry);
        let queue = self.clone();
        // Before any step of the user. The task may have settled already: the step runs even so.
        let told = stopped::step(cell, Box::new(move || queue.end(number)));
        cell::register(cell, told, Role::Observer);
        if placed {
            return start(cell.clone());
        }
        tie(
            cell,
            UpstreamRef {
                to: self.clone(),
                step_id: number,
            },
        );
        self.act();
    }

    /// True if it has a place.
    fn take_in(&self, number: u64, priority: i32, placed: bool, entry: Entry) -> bool {
        let mut line = self.line.lock();
        let placed = placed || line.try_place(number, self.now());
        let mut spent = Vec::new();
        match placed {
            true => line.fill(number, entry),
            false => spent = line.push(number, priority, entry),
        }
        drop(line);
        unhandled::drop_reporting(spent);
        placed
    }

    pub(super) fn execute(self: &Arc<Self>, priority: i32, job: Job) {
        let number = self.next_number();
        let job = QueuedJob::new(self.clone(), number, job);
        let entry = Entry::Job(job.clone());
        if self.take_in(number, priority, false, entry.clone()) {
            return entry.start(self);
        }
        drop(entry);
        job.wait(&UpstreamRef {
            to: self.clone(),
            step_id: number,
        });
        if job.is_spent() {
            // A cancel has come before the chain knew where it waits.
            let removed = self.with(|line| line.remove_waiting(number));
            unhandled::drop_reporting(removed);
        } else if job.is_stuck()
            && let Some(entry) = self.with(|line| line.remove_waiting(number))
        {
            // A job that has a place began to wait for the chain before the chain came here.
            entry.reject(
                ErrorKind::Cycle,
                "it can run in its queue only after a job that waits for it",
            );
        }
        self.act();
    }

    /// Starts jobs and settles waiting tasks until there is nothing to do.
    pub(super) fn act(self: &Arc<Self>) {
        self.act_after(|| ());
    }

    /// Calls `f`, which changes the line, and then does what follows from it.
    ///
    /// A loop, and not recursion: a job that is refused as it starts comes here again. In a scope,
    /// so that all are refused before user code runs.
    fn act_after<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        let me = thread_id();
        let is_outermost = self.line.lock().enter(me);
        dispatch::scope(|| {
            let result = f();
            if is_outermost {
                while let Some(actions) = self.next_actions(me) {
                    self.carry_out(actions, me);
                }
            }
            result
        })
    }

    fn next_actions(&self, me: ThreadId) -> Option<Actions> {
        let mut line = self.line.lock();
        line.next_actions(me, self.now())
    }

    fn carry_out(self: &Arc<Self>, actions: Actions, me: ThreadId) {
        if let Some(timer) = actions.timer {
            timer.cancel();
        }
        for entry in actions.starts {
            entry.start(self);
        }
        if let Some(at) = actions.wake_at {
            self.set_timer(at);
        }
        if !actions.told.is_empty() {
            // What is chained on them may run here, change the line, and wait for what follows.
            self.with(|line| line.leave(me));
            each_here(actions.told, |resolver| {
                let _ = resolver.resolve(());
            });
            self.with(|line| line.enter(me));
        }
        unhandled::drop_reporting(actions.spent);
    }

    fn set_timer(self: &Arc<Self>, at: Instant) {
        let queue = self.clone();
        let timer = self.pool().delay_until(at);
        let timer = timer.handle(move |outcome| queue.time_is_over(at, outcome));
        let unneeded = self.with(|line| line.keep_timer(at, timer));
        if let Some(timer) = unneeded {
            timer.cancel();
        }
    }

    fn time_is_over(self: &Arc<Self>, at: Instant, outcome: Result<(), TaskError>) {
        let timer = self.with(|line| line.forget_timer(at));
        drop(timer);
        match outcome {
            Ok(()) => self.act(),
            // A token of the pool, which cancels the jobs too.
            Err(error) if error.is_cancelled() => {}
            Err(_) => {
                self.reject_waiting(
                    ErrorKind::Rejected,
                    "the system would not create the thread that the rate of its queue needs",
                );
            }
        }
    }

    /// Settles all waiting jobs; user code runs when all are settled, and what waits for the line
    /// is told. Returns their number.
    pub(super) fn reject_waiting(self: &Arc<Self>, kind: ErrorKind, why: &'static str) -> usize {
        let reject_all = || {
            let entries = self.with(Line::take_waiting);
            let rejected = entries.into_iter().map(|entry| entry.reject(kind, why));
            rejected.filter(|was_there| *was_there).count()
        };
        dispatch::scope_of_many(|| self.act_after(reject_all))
    }
}

impl Host for Queue {
    fn begin(self: Arc<Self>, number: u64, thread: Option<ThreadId>) {
        {
            let mut line = self.line.lock();
            line.begin(number, thread, self.now());
        }
        if self.has_rate {
            // Now it is known when there is room again.
            self.act();
        }
    }

    fn end(self: Arc<Self>, number: u64) {
        let ended = self.with(|line| line.end(number));
        drop(ended);
        self.act();
    }
}

/// What a job that waits in the line, waits for.
impl Withdraw for Queue {
    fn withdraw(self: Arc<Self>, number: u64, sweep: &mut Sweep) -> CancelOutcome {
        let removed = self.with(|line| line.remove_waiting(number));
        if removed.is_some() {
            sweep.keep_some(removed);
            sweep.later(move || self.act());
        }
        CancelOutcome::Prevented
    }
}

impl Upstream for Queue {
    fn needs_all(&self) -> bool {
        self.with(|line| line.limit() == 1)
    }

    fn above(&self, found: &mut Vec<Arc<dyn Upstream>>) {
        let cells = self.with(|line| line.in_the_way());
        found.extend(cells.into_iter().map(|cell| cell as Arc<dyn Upstream>));
    }

    fn left_running(&self, found: &mut Vec<ThreadId>) {
        found.extend(self.with(|line| line.chain_thread()));
    }
}
