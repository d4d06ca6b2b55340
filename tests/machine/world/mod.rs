//! Performs a program with the crate itself, and writes down what can be seen.

mod closure;

use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fast_async::{
    CancelOutcome, Inline, Pool, Resolver, SharedTask, Status, Subscription, Task, TaskError, all,
    any, deferred,
};

use super::model::fold;
use super::program::{Body, Deed, Ends, Grip, Line, Op, Program, Verb};
use super::seen::{Failure, Said, Saw, Seen, Standing};
use closure::{Closure, Fault, Value, saw};
pub(crate) use closure::{PANIC, failure};

/// What the threads of a program share.
pub(crate) struct World {
    program: Program,
    pool: Pool,
    tasks: Vec<Slot<Task<Value>>>,
    resolvers: Vec<Slot<Resolver<Value>>>,
    grips: Vec<Slot<SharedTask<Value>>>,
    subscriptions: Vec<Slot<Subscription>>,
    calls: Mutex<Vec<Vec<(Body, Saw)>>>,
    /// How often each closure was dropped.
    drops: Mutex<Vec<u32>>,
    live: Arc<AtomicIsize>,
}

struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    fn many(count: usize) -> Vec<Slot<T>> {
        (0..count).map(|_| Slot(Mutex::new(None))).collect()
    }

    fn put(&self, thing: T) {
        *self.0.lock().unwrap() = Some(thing);
    }

    fn empty(&self) -> Option<T> {
        self.0.lock().unwrap().take()
    }

    fn take(&self) -> T {
        self.empty().expect("a program uses what it has")
    }

    /// Lends what is in the slot, without its lock: callbacks may run inside `f`.
    fn lend<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        let thing = self.take();
        let result = f(&thing);
        self.put(thing);
        result
    }
}

impl World {
    pub(crate) fn new(program: Program, pool: Pool) -> Arc<World> {
        Arc::new(World {
            pool,
            tasks: Slot::many(program.lines),
            resolvers: Slot::many(program.lines),
            grips: Slot::many(program.grips.len()),
            subscriptions: Slot::many(program.closures.len()),
            calls: Mutex::new(vec![Vec::new(); program.lines]),
            drops: Mutex::new(vec![0; program.closures.len()]),
            live: Arc::default(),
            program,
        })
    }

    fn value(&self, number: u32) -> Value {
        self.live.fetch_add(1, Ordering::Relaxed);
        Value(number, self.live.clone())
    }

    fn closure(self: &Arc<Self>, body: Body) -> Closure {
        let closure = self.program.closures[body];
        let mut made = Closure {
            body,
            world: self.clone(),
            resolver: None,
            guard: None,
            task: None,
            subscription: None,
            awaited: None,
            returns: None,
        };
        match closure.deed {
            Deed::Nothing => {}
            Deed::Resolve(line) => made.resolver = Some(self.resolvers[line].take()),
            Deed::Cancel(line) => made.guard = Some(self.tasks[line].take().cancel_on_drop()),
            Deed::Detach(line) => made.task = Some(self.tasks[line].take()),
            Deed::Unsubscribe(other) => made.subscription = Some(self.subscriptions[other].take()),
            Deed::Wait(line, _) => made.awaited = Some(self.tasks[line].take()),
            Deed::ResolveAndWait(resolver, line) => {
                made.resolver = Some(self.resolvers[resolver].take());
                made.awaited = Some(self.tasks[line].take());
            }
        }
        if let Ends::Task(line) = closure.ends {
            made.returns = Some(self.tasks[line].take());
        }
        made
    }

    // ---- operations
    // ------------------------------------------------------------

    pub(crate) fn perform(self: &Arc<Self>, op: &Op) -> Said {
        match *op {
            Op::Deferred(line) => {
                let (resolver, task) = deferred();
                self.resolvers[line].put(resolver);
                self.tasks[line].put(task);
            }
            Op::Ready(line) => self.tasks[line].put(Task::ready(self.value(line as u32))),
            Op::Failed(line) => self.tasks[line].put(Task::failed(Fault(1000 + line))),
            Op::Spawn(line, body) => self.tasks[line].put(self.spawn(body)),
            Op::Cold(line, body) => {
                let closure = self.closure(body);
                self.tasks[line].put(Task::new(move || closure.value(None)));
            }
            Op::Link(line, body) => {
                let task = self.tasks[line].take();
                self.tasks[line].put(self.link(task, body));
            }
            Op::OnInline(line) => self.tasks[line].put(self.tasks[line].take().on(&Inline)),
            Op::OnPool(line) => self.tasks[line].put(self.tasks[line].take().on(&self.pool)),
            Op::Observe(line, body) => {
                let closure = self.closure(body);
                let subscription = self.tasks[line]
                    .lend(|task| task.on_settled(move |outcome| closure.observe(saw(outcome))));
                self.subscriptions[body].put(subscription);
            }
            Op::Unsubscribe(body) => {
                return Said::Was(self.subscriptions[body].take().unsubscribe());
            }
            Op::Resolve(line) => {
                let value = self.value(1000 + line as u32);
                return Said::Was(self.resolvers[line].take().resolve(value).is_ok());
            }
            Op::Reject(line) => {
                let fault = Fault(1000 + line);
                return Said::Was(self.resolvers[line].take().reject(fault).is_ok());
            }
            Op::Abandon(line) => drop(self.resolvers[line].take()),
            Op::Follow(outer, inner) => {
                let inner = self.tasks[inner].take();
                return Said::Was(self.resolvers[outer].take().settle_with(inner).is_ok());
            }
            Op::Cancel(line) => return cancelled(self.tasks[line].lend(Task::cancel)),
            Op::Detach(line) => drop(self.tasks[line].take()),
            Op::Look(line) => {
                let error = self.tasks[line].lend(Task::error);
                return error.map_or(Said::Nothing, |error| Said::Outcome(Err(failure(&error))));
            }
            Op::Try(line) => match self.tasks[line].take().try_wait() {
                Ok(outcome) => return told(outcome.as_ref()),
                Err(task) => {
                    task.cancel();
                    return Said::Pending;
                }
            },
            Op::Wait(line) => return told(self.tasks[line].take().wait().as_ref()),
            Op::Share(line, grip) => self.grips[grip].put(self.tasks[line].take().share()),
            Op::Clone(grip, clone) => self.grips[clone].put(self.grips[grip].lend(Clone::clone)),
            Op::Branch(grip, line, body) => {
                let branch = self.branch(grip, body);
                self.tasks[line].put(branch);
            }
            Op::ObserveShared(grip, body) => {
                let closure = self.closure(body);
                let subscription = self.grips[grip]
                    .lend(|shared| shared.on_settled(move |outcome| closure.observe(saw(outcome))));
                self.subscriptions[body].put(subscription);
            }
            Op::CancelShared(grip) => {
                return self.grips[grip]
                    .take()
                    .cancel()
                    .map_or(Said::Wanted, cancelled);
            }
            Op::DropShared(grip) => drop(self.grips[grip].take()),
            Op::TryShared(grip) => {
                let tried = |shared: &SharedTask<Value>| match shared.try_wait() {
                    None => Said::Pending,
                    Some(outcome) => told(outcome.as_ref().copied()),
                };
                return self.grips[grip].lend(tried);
            }
            Op::All(line) => {
                let live = self.live.clone();
                let gathered = all(self.members(line)).then(move |values| {
                    live.fetch_add(1, Ordering::Relaxed);
                    let value = fold(values.iter().map(|value| value.0).collect());
                    Value(value, live)
                });
                self.tasks[line].put(gathered);
            }
            Op::Any(line) => self.tasks[line].put(any(self.members(line))),
            Op::Shield(line, inner) => {
                let shielded = self.tasks[inner].take().shielded();
                self.tasks[line].put(shielded);
            }
        }
        Said::Nothing
    }

    fn members(&self, line: Line) -> Vec<Task<Value>> {
        let members = self.program.members(line).iter();
        members.map(|member| self.tasks[*member].take()).collect()
    }

    fn spawn(self: &Arc<Self>, body: Body) -> Task<Value> {
        let closure = self.closure(body);
        match self.program.closures[body].ends {
            Ends::Task(_) => self.pool.attempt(move || closure.call_for_task(None)),
            Ends::Error => self.pool.attempt(move || closure.call(None)),
            Ends::Value | Ends::Panic => self.pool.spawn(move || closure.value(None)),
        }
    }

    fn link(self: &Arc<Self>, task: Task<Value>, body: Body) -> Task<Value> {
        let made = self.closure(body);
        let closure = self.program.closures[body];
        let gives_task = matches!(closure.ends, Ends::Task(_));
        match closure.verb {
            Verb::Then => task.then(move |value| made.value(saw(Ok(&value)))),
            Verb::AndThen if gives_task => {
                task.and_then(move |value| made.call_for_task(saw(Ok(&value))))
            }
            Verb::AndThen => task.and_then(move |value| made.call(saw(Ok(&value)))),
            Verb::Catch => task.catch(move |error| made.value(saw(Err(&error)))),
            Verb::OrElse if gives_task => {
                task.or_else(move |error| made.call_for_task(saw(Err(&error))))
            }
            Verb::OrElse => task.or_else(move |error| made.call(saw(Err(&error)))),
            Verb::Handle => task.handle(move |outcome| made.value(saw(outcome.as_ref()))),
            Verb::Finally => task.finally(move || made.observe(None)),
            Verb::Inspect => task.inspect(move |value| made.observe(saw(Ok(value)))),
            Verb::InspectErr => task.inspect_err(move |error| made.observe(saw(Err(error)))),
            verb => unreachable!("{verb:?} is no link"),
        }
    }

    fn branch(self: &Arc<Self>, grip: Grip, body: Body) -> Task<Value> {
        let made = self.closure(body);
        let verb = self.program.closures[body].verb;
        self.grips[grip].lend(|shared| match verb {
            Verb::BranchThen => shared.then(move |value| made.value(saw(Ok(value)))),
            _ => shared.handle(move |outcome| made.value(saw(outcome))),
        })
    }

    // ---- looking
    // ------------------------------------------------------------

    /// Blocks until nothing moves any more.
    pub(crate) fn rest(&self) {
        // A chain goes from one pool to the other and back as often as it hops, which is twice at
        // most.
        for _ in 0..3 {
            assert!(self.pool.wait_idle(Duration::MAX));
            assert!(Pool::global().wait_idle(Duration::MAX));
        }
    }

    /// What was seen until now, everything being at rest.
    pub(crate) fn seen(&self, said: Vec<Said>, mut reports: Vec<Failure>) -> Seen {
        reports.sort_unstable();
        let drops = self.drops.lock().unwrap();
        assert!(
            drops.iter().all(|drops| *drops <= 1),
            "a closure is dropped once"
        );
        let standing = |task: &Slot<Task<Value>>| match &*task.0.lock().unwrap() {
            None => Standing::NoHandle,
            Some(task) => match task.status() {
                status if !status.is_settled() => Standing::Pending,
                Status::Success => Standing::Success,
                _ => Standing::Failure,
            },
        };
        Seen {
            calls: self.calls.lock().unwrap().clone(),
            said,
            dropped: drops.iter().map(|drops| *drops == 1).collect(),
            reports,
            standing: self.tasks.iter().map(standing).collect(),
        }
    }

    /// Lets everything go, so that what is left of a program that was given up cannot disturb the
    /// next.
    pub(crate) fn clear(&self) {
        drop(self.resolvers.iter().map(Slot::empty).collect::<Vec<_>>());
        drop(self.tasks.iter().map(Slot::empty).collect::<Vec<_>>());
        drop(self.grips.iter().map(Slot::empty).collect::<Vec<_>>());
        self.rest();
    }

    pub(crate) fn live_values(&self) -> isize {
        self.live.load(Ordering::Relaxed)
    }
}

fn told(outcome: Result<&Value, &TaskError>) -> Said {
    Said::Outcome(outcome.map(|value| value.0).map_err(failure))
}

fn cancelled(outcome: CancelOutcome) -> Said {
    match outcome {
        CancelOutcome::TooLate => Said::TooLate,
        CancelOutcome::Prevented | CancelOutcome::Signalled => Said::Stopped,
    }
}
