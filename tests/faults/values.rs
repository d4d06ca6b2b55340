//! Values, errors and payloads that panic when they are dropped.

use std::panic::panic_any;

use fast_async::{CancelOutcome, ErrorKind, Job, LoopQueue, Task, all, any, deferred};

use crate::ground::{Grenade, Ground, stand};
use crate::support::{Gate, PATIENCE, assert_still_dispatches, expected};

/// Settles a task with a grenade in one of the ways that leave it without a consumer.
type Waste = (&'static str, fn(&Ground, Grenade));

const WASTES: &[Waste] = &[
    ("a ready task", |_, grenade| drop(Task::ready(grenade))),
    ("a failed task", |_, grenade| {
        drop(Task::<()>::failed(grenade));
    }),
    ("detached before", |_, grenade| {
        let (resolver, task) = deferred();
        drop(task);
        assert!(resolver.resolve(grenade).is_ok());
    }),
    ("detached on a pool", |ground, grenade| {
        drop(ground.pool.spawn(move || grenade));
    }),
    ("an error that is caught", |_, grenade| {
        let task = Task::<u32>::failed(grenade).catch(|_| 7);
        assert_eq!(task.wait().unwrap(), 7);
    }),
    ("an error that is handled later", |_, grenade| {
        let (resolver, task) = deferred::<u32>();
        let task = task.catch(|_| 7);
        assert!(resolver.reject(grenade).is_ok());
        assert_eq!(task.wait().unwrap(), 7);
    }),
    ("an error that passes by", |_, grenade| {
        let (resolver, task) = deferred::<u32>();
        let task = task.then(|n| n + 1).and_then(|n| Ok(n + 1));
        assert!(resolver.reject(grenade).is_ok());
        assert!(task.wait().is_err());
    }),
    ("replaced by a panic", |_, grenade| {
        let (resolver, task) = deferred();
        let task = task.finally(|| expected("finally"));
        assert!(resolver.resolve(grenade).is_ok());
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Panicked);
    }),
    ("refused by an executor", |_, grenade| {
        let (resolver, task) = deferred();
        let task = task.on(&|job: Job| drop(job)).then(|grenade| grenade);
        assert!(resolver.resolve(grenade).is_ok());
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
    }),
    ("cancelled with a link to come", |_, grenade| {
        let queue = LoopQueue::new();
        let task = Task::ready(grenade).on(&queue).then(|grenade| grenade);
        assert_eq!(task.cancel(), CancelOutcome::Prevented);
        assert!(task.wait().unwrap_err().is_cancelled());
        queue.run_pending();
    }),
    ("returned after a cancel", |ground, grenade| {
        let (started, gate) = (Gate::new(), Gate::new());
        let (start, end) = (started.clone(), gate.clone());
        let task = ground.pool.spawn(move || {
            start.open();
            end.pass();
            grenade
        });
        started.pass();
        assert_eq!(task.cancel(), CancelOutcome::Signalled);
        gate.open();
        assert!(task.wait().unwrap_err().is_cancelled());
    }),
    ("shielded from a cancel", |_, grenade| {
        let (resolver, task) = deferred();
        task.shielded().cancel();
        assert!(resolver.resolve(grenade).is_ok());
    }),
    ("shared", |_, grenade| drop(Task::ready(grenade).share())),
    ("shared, settled later", |_, grenade| {
        let (resolver, task) = deferred();
        let shared = task.share();
        let branch = shared.then(|_| 7);
        drop(shared);
        assert!(resolver.resolve(grenade).is_ok());
        assert_eq!(branch.wait().unwrap(), 7);
    }),
    ("all, when another fails", |_, grenade| {
        let (resolver, task) = deferred::<Grenade>();
        let tasks = all(vec![Task::ready(grenade), task]);
        drop(resolver);
        assert_eq!(tasks.wait().unwrap_err().kind(), ErrorKind::Abandoned);
    }),
    ("all, after another has failed", |_, grenade| {
        let (resolver, task) = deferred();
        let task = task.shielded();
        let tasks = all(vec![task, Task::failed("first")]);
        assert!(tasks.wait().is_err());
        // Cancelling the shield left the source alone.
        assert!(resolver.resolve(grenade).is_ok());
    }),
    ("all, cancelled in between", |_, grenade| {
        let (_resolver, task) = deferred::<Grenade>();
        let tasks = all((Task::ready(grenade), task));
        assert_eq!(tasks.cancel(), CancelOutcome::Prevented);
    }),
    ("all, cancelled at the last moment", |_, grenade| {
        let (resolver, task) = deferred();
        let tasks = all(vec![task]);
        let queue = LoopQueue::new();
        let tasks = tasks.on(&queue).then(|grenades| grenades);
        assert!(resolver.resolve(grenade).is_ok());
        assert_eq!(tasks.cancel(), CancelOutcome::Prevented);
        queue.run_pending();
    }),
    ("any, the second", |_, grenade| {
        let (first, one) = deferred();
        let (second, other) = deferred();
        // The second is settled, but its observer runs after the first has won.
        let one = one.inspect(move |_: &Option<Grenade>| {
            assert!(second.resolve(Some(grenade)).is_ok());
        });
        let winner = any([one, other]);
        assert!(first.resolve(None).is_ok());
        assert!(winner.wait().unwrap().is_none());
    }),
    ("any, an error of a loser", |_, grenade| {
        let winner = any([Task::failed(grenade), Task::ready(7)]);
        assert_eq!(winner.wait().unwrap(), 7);
    }),
    ("adopted by a cancelled task", |_, grenade| {
        let (outer, task) = deferred::<Grenade>();
        let (inner, followed) = deferred();
        assert!(outer.settle_with(followed).is_ok());
        assert_eq!(task.cancel(), CancelOutcome::Prevented);
        let _ = inner.resolve(grenade).map_err(std::mem::forget);
    }),
    ("left in a loop's queue", |_, grenade| {
        let queue = LoopQueue::new();
        let task = Task::ready(grenade).on(&queue).then(drop);
        drop(queue);
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
    }),
    ("a panic's payload", |ground, grenade| {
        let task = ground.pool.spawn(move || -> u32 { panic_any(grenade) });
        drop(task.catch(|_| 7));
    }),
    ("a payload that is looked at", |ground, grenade| {
        let task = ground.pool.spawn(move || -> u32 { panic_any(grenade) });
        let error = task.wait().unwrap_err();
        let other = error.clone();
        let payload = error.into_panic().expect("a panic");
        std::mem::forget(payload);
        drop(other);
    }),
];

// Each on a thread of the user's own, where a panic that came through would be seen.
#[test]
fn a_value_or_an_error_without_a_consumer() {
    stand("value", |ground| {
        for (name, waste) in WASTES {
            let before = ground.drops.count();
            waste(ground, ground.grenade());
            assert_still_dispatches();
            let forgotten = matches!(
                *name,
                "adopted by a cancelled task" | "a payload that is looked at"
            );
            if !forgotten {
                ground.drops.wait_for(before + 1);
            }
        }
    });
}

// The same on a worker: it is none the worse for it.
#[test]
fn a_value_or_an_error_without_a_consumer_on_a_worker() {
    stand("value on a worker", |ground| {
        for (name, waste) in WASTES {
            let inner = Ground {
                pool: ground.pool.clone(),
                name: ground.name,
                drops: ground.drops.clone(),
            };
            let task = ground.pool.spawn(move || {
                waste(&inner, inner.grenade());
                assert_still_dispatches();
            });
            let outcome = task.wait_timeout(PATIENCE).expect(name);
            outcome.expect(name);
        }
    });
}
