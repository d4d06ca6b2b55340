//! Performs a program with the crate itself, and looks at what can be seen.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fast_async::error::AggregateError;
use fast_async::group::Group;
use fast_async::retry::Attempt;
use fast_async::{
    Clock, ErrorKind, Pool, Resolver, Retry, Semaphore, Task, TaskError, TaskQueue, all,
    all_settled, any, deferred, race,
};

use crate::program::{Op, Verb};
use crate::programs::LIMIT;
use crate::reference::{Line, NO_VALUE, Outcome, PERMITS, PLACES, Part, Seen, fold, value};

/// The error of a part.
#[derive(Debug)]
struct Fault(u64);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}", self.0)
    }
}

impl Error for Fault {}

/// What a group has come to.
type Ended = Result<(), TaskError>;

pub(crate) struct World {
    pool: Pool,
    clock: Clock,
    queue: TaskQueue,
    semaphore: Semaphore,
    parts: Mutex<BTreeMap<Part, Resolver<u64>>>,
    tasks: Mutex<BTreeMap<Line, Task<u64>>>,
    groups: Mutex<BTreeMap<Line, (Group, Receiver<Ended>)>>,
}

impl World {
    pub(crate) fn new() -> Arc<World> {
        let clock = Clock::manual();
        let pool = Pool::builder().name("verbs").max_threads(3).clock(&clock);
        let pool = pool.build().expect("a valid pool");
        let queue = TaskQueue::builder().pool(&pool).limit(PLACES);
        Arc::new(World {
            queue: queue.build().expect("a valid queue"),
            semaphore: Semaphore::with_pool(PERMITS, &pool),
            pool,
            clock,
            parts: Mutex::default(),
            tasks: Mutex::default(),
            groups: Mutex::default(),
        })
    }

    fn part(&self, part: Part) -> Task<u64> {
        let (resolver, task) = deferred();
        let before = self.parts.lock().unwrap().insert(part, resolver);
        assert!(before.is_none(), "a call is made once");
        task.on(&self.pool)
    }

    fn first_part(self: &Arc<Self>, line: Line) -> impl FnOnce() -> Task<u64> + Send + 'static {
        let world = self.clone();
        move || world.part((line, 1))
    }

    fn take(&self, line: Line) -> Task<u64> {
        let task = self.tasks.lock().unwrap().remove(&line);
        task.expect("a program uses what it has")
    }

    fn put(&self, line: Line, task: Task<u64>) {
        self.tasks.lock().unwrap().insert(line, task);
    }

    pub(crate) fn perform(self: &Arc<Self>, op: &Op) {
        match *op {
            Op::Call(line) => self.put(line, self.pool.attempt(self.first_part(line))),
            Op::Job(line, priority) => {
                let queue = self.queue.at(priority);
                self.put(line, queue.attempt(self.first_part(line)));
            }
            Op::Acquire(line, permits) => {
                let call = self.first_part(line);
                let task = self.semaphore.acquire(permits);
                let task = task.and_then(move |permit| call().finally(move || drop(permit)));
                self.put(line, task);
            }
            Op::Retry(line, calls, pause) => {
                let world = self.clone();
                let mut policy = Retry::attempts(calls);
                if pause > 0 {
                    policy = policy.backoff([Duration::from_secs(pause)]);
                }
                let call = move |attempt: &Attempt| world.part((line, attempt.number()));
                self.put(line, self.pool.retry(policy, call));
            }
            Op::Timeout(line, inner, limit) => {
                let task = self.take(inner).timeout(Duration::from_secs(limit));
                self.put(line, task);
            }
            Op::Combine(line, verb, ref members) => {
                let members: Vec<_> = members.iter().map(|line| self.take(*line)).collect();
                self.put(line, combine(verb, members));
            }
            Op::Group(line, children, keeps_going, limit) => {
                self.group(line, children, keeps_going, limit);
            }
            Op::CancelGroup(line) => {
                let group = self.groups.lock().unwrap()[&line].0.clone();
                group.cancel();
            }
            Op::Idle(line) => self.put(line, self.queue.when_idle().then(|()| 0)),
            Op::Below(line, jobs) => self.put(line, self.queue.when_below(jobs).then(|()| 0)),
            Op::Settle(part, is_value) => {
                let resolver = self.parts.lock().unwrap().remove(&part);
                let resolver = resolver.expect("it is open");
                match is_value {
                    true => drop(resolver.resolve(value(part))),
                    false => drop(resolver.reject(Fault(value(part)))),
                }
            }
            Op::Cancel(line) => {
                // Not under the lock: what follows may look for a part.
                let task = self.take(line);
                task.cancel();
                self.put(line, task);
            }
            Op::Detach(line) => self.take(line).detach(),
            Op::Limit(jobs) => self.queue.set_limit(jobs).expect("it is not 0"),
            Op::Pause => self.queue.pause(),
            Op::Resume => self.queue.resume(),
            Op::Clear => drop(self.queue.clear()),
            Op::Advance(seconds) => self.clock.advance(Duration::from_secs(seconds)),
        }
    }

    fn group(self: &Arc<Self>, line: Line, children: usize, keeps_going: bool, limit: Option<u64>) {
        let mut builder = Group::builder().pool(&self.pool);
        if keeps_going {
            builder = builder.keep_going();
        }
        if let Some(limit) = limit {
            builder = builder.timeout(Duration::from_secs(limit));
        }
        let (world, (begin, begun), (end, ended)) = (self.clone(), channel(), channel());
        thread::spawn(move || {
            let outcome = builder.run(|group| {
                for child in 0..children {
                    let call = world.first_part(line + 1 + child);
                    group.attempt(call).detach();
                }
                begin.send(group.clone()).expect("it is waited for");
            });
            drop(world);
            // The program may have failed.
            let _ = end.send(outcome);
        });
        let group = begun.recv().expect("its block runs");
        self.groups.lock().unwrap().insert(line, (group, ended));
    }

    /// Blocks until nothing moves any more.
    pub(crate) fn rest(&self) {
        // From one pool to the other and back.
        for _ in 0..2 {
            assert!(self.pool.wait_idle(Duration::MAX));
            assert!(Pool::global().wait_idle(Duration::MAX));
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        let tasks = self.tasks.lock().unwrap();
        let outcomes = tasks.iter().map(|(line, task)| {
            let out = task
                .is_settled()
                .then(|| task.error().as_ref().map_or(Outcome::Value(0), failure));
            (*line, out)
        });
        let parts = self.parts.lock().unwrap();
        let open = parts.iter().filter(|(_, resolver)| resolver.is_wanted());
        Seen {
            outcomes: outcomes.collect(),
            parts: open.map(|(part, _)| *part).collect(),
            waiting: self.queue.pending(),
            running: self.queue.running(),
            permits: self.semaphore.available(),
            in_line: self.semaphore.waiting(),
            timers: self.clock.pending(),
        }
    }

    /// The outcome of a group. `is_expected`: it is waited for.
    pub(crate) fn ended(&self, line: Line, is_expected: bool) -> Option<Outcome> {
        let groups = self.groups.lock().unwrap();
        let (_, ended) = groups.get(&line)?;
        let outcome = match is_expected {
            true => Some(
                ended
                    .recv_timeout(LIMIT)
                    .expect("a group ends with its last task"),
            ),
            false => match ended.try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => panic!("a group ends without an outcome"),
            },
        };
        outcome.map(|outcome| {
            outcome
                .as_ref()
                .map_or_else(failure, |()| Outcome::Value(0))
        })
    }

    /// The outcome of a task that has settled, with its value.
    pub(crate) fn outcome(&self, line: Line) -> Outcome {
        let outcome = self.take(line).try_wait().expect("it has settled");
        outcome
            .as_ref()
            .map_or_else(failure, |value| Outcome::Value(*value))
    }
}

fn combine(verb: Verb, members: Vec<Task<u64>>) -> Task<u64> {
    match verb {
        Verb::All => all(members).then(fold),
        Verb::Any => any(members),
        Verb::Race => race(members),
        Verb::Settled => all_settled(members).then(|outcomes| {
            let outcomes = outcomes.into_iter();
            fold(outcomes.map(|outcome| outcome.unwrap_or(NO_VALUE)))
        }),
    }
}

fn failure(error: &TaskError) -> Outcome {
    match error.kind() {
        ErrorKind::Failed if error.is::<AggregateError>() => Outcome::Aggregate,
        ErrorKind::Failed => match error.downcast_ref::<Fault>() {
            Some(fault) => Outcome::Failed(fault.0),
            None => panic!("no error of the program: {error:#}"),
        },
        ErrorKind::Cancelled => Outcome::Cancelled,
        ErrorKind::TimedOut => Outcome::TimedOut,
        ErrorKind::Rejected => Outcome::Rejected,
        _ => panic!("no failure of the program: {error:#}"),
    }
}
