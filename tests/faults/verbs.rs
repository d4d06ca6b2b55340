//! Every way to hang a closure on a task, and what may go wrong in one.

use std::panic::panic_any;

use fast_async::{BoxError, Pool, Resolver, Task, deferred, spawn};

use crate::ground::Grenade;
use crate::support::{Bomb, Expected, expected};

/// What is put into a closure.
pub(crate) enum Charge {
    Text(&'static str),
    Typed,
    /// The payload itself panics when it is dropped.
    Payload(Bomb),
    /// The closure is fine; what it has captured panics when it is dropped.
    Capture(#[allow(dead_code, reason = "it is there to be dropped")] Grenade),
}

impl Charge {
    pub(crate) fn go_off(self) {
        self.go();
    }

    pub(crate) fn go(self) -> u32 {
        match self {
            Charge::Text(name) => expected(name),
            Charge::Typed => panic_any(Expected(1)),
            Charge::Payload(bomb) => panic_any(bomb),
            Charge::Capture(_) => 7,
        }
    }
}

/// Whose panic it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hits {
    Task,
    /// It is reported, and the outcome stays what it was.
    NoTask,
}

/// How the source of a chain gets its outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Before,
    AfterHere,
    AfterElsewhere,
}

/// A chain that will be settled with 7, or with an error.
pub(crate) struct Source {
    pub(crate) task: Task<u32>,
    pub(crate) resolver: Option<Resolver<u32>>,
}

impl Source {
    pub(crate) fn new(pending: bool, value: bool) -> Source {
        if pending {
            let (resolver, task) = deferred();
            return Source {
                task,
                resolver: Some(resolver),
            };
        }
        let task = match value {
            true => Task::ready(7),
            false => Task::failed(std::io::Error::other("no")),
        };
        Source {
            task,
            resolver: None,
        }
    }
}

pub(crate) fn settle(resolver: Resolver<u32>, value: bool) {
    match value {
        true => assert!(resolver.resolve(7).is_ok()),
        false => assert!(resolver.reject(std::io::Error::other("no")).is_ok()),
    }
}

/// A verb with a closure: whether it is called with a value, which task its panic fails, and how it
/// is registered on a task.
pub(crate) type Verb = (&'static str, bool, Hits, fn(Task<u32>, Charge) -> Task<u32>);

pub(crate) const VERBS: &[Verb] = &[
    ("then", true, Hits::Task, |task, charge| {
        task.then(move |_| charge.go())
    }),
    ("and_then", true, Hits::Task, |task, charge| {
        task.and_then(move |_| Ok::<_, BoxError>(charge.go()))
    }),
    ("and_then, a task", true, Hits::Task, |task, charge| {
        task.and_then(move |_| Task::ready(charge.go()))
    }),
    ("catch", false, Hits::Task, |task, charge| {
        task.catch(move |_| charge.go())
    }),
    ("catch_as", false, Hits::Task, |task, charge| {
        task.catch_as(move |_: &std::io::Error| charge.go())
    }),
    ("or_else", false, Hits::Task, |task, charge| {
        task.or_else(move |_| Ok::<_, BoxError>(charge.go()))
    }),
    ("handle", true, Hits::Task, |task, charge| {
        task.handle(move |_| charge.go())
    }),
    ("finally", true, Hits::Task, |task, charge| {
        task.finally(move || charge.go_off())
    }),
    ("share, then", true, Hits::Task, |task, charge| {
        task.share().then(move |_| charge.go())
    }),
    ("share, handle", true, Hits::Task, |task, charge| {
        task.share().handle(move |_| charge.go())
    }),
    ("inspect", true, Hits::NoTask, |task, charge| {
        task.inspect(move |_| charge.go_off())
    }),
    ("inspect_err", false, Hits::NoTask, |task, charge| {
        task.inspect_err(move |_| charge.go_off())
    }),
    ("subscribe, success", true, Hits::NoTask, |task, charge| {
        task.subscribe(move |_| charge.go_off(), |_| ());
        task
    }),
    ("subscribe, failure", false, Hits::NoTask, |task, charge| {
        task.subscribe(|_| (), move |_| charge.go_off());
        task
    }),
    ("on_settled", true, Hits::NoTask, |task, charge| {
        task.on_settled(move |_| charge.go_off());
        task
    }),
    ("share, on_settled", true, Hits::NoTask, |task, charge| {
        let shared = task.share();
        shared.on_settled(move |_| charge.go_off());
        shared.cloned()
    }),
];

/// Ways to start a closure.
pub(crate) type Start = (&'static str, fn(&Pool, Charge) -> Task<u32>);

pub(crate) const STARTS: &[Start] = &[
    ("spawn", |_, charge| spawn(move || charge.go())),
    ("Pool::spawn", |pool, charge| {
        pool.spawn(move || charge.go())
    }),
    ("Pool::attempt", |pool, charge| {
        pool.attempt(move || Ok::<_, BoxError>(charge.go()))
    }),
    ("Pool::attempt, a task", |pool, charge| {
        pool.attempt(move || Task::ready(charge.go()))
    }),
    ("Pool::spawn_with", |pool, charge| {
        pool.spawn_with(move |_| charge.go())
    }),
    ("Pool::try_spawn", |pool, charge| {
        pool.try_spawn(move || charge.go()).expect("room")
    }),
    ("builder", |pool, charge| {
        let builder = Task::<()>::builder().name("named").pool(pool);
        builder.attempt_with(move |_| Ok::<_, BoxError>(charge.go()))
    }),
    ("cold", |_, charge| Task::new(move || charge.go())),
    ("cold, run", |_, charge| {
        let task = Task::new(move || charge.go());
        task.run();
        task
    }),
];
