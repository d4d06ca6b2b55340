//! Values that panic when they are dropped, where these verbs drop them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fast_async::combine::some;
use fast_async::error::AggregateError;
use fast_async::{BoxError, ErrorKind, Memo, Task, TaskQueue, all, deferred, race};

use super::check;
use crate::ground::{Grenade, Ground, stand};
use crate::support::{Gate, HOUR, PATIENCE};

/// What drops values, and how many.
type Waste = (&'static str, usize, fn(&Ground));

const WASTES: &[Waste] = &[
    ("map_limit that fails", 2, |ground| {
        let task = ground.pool.map_limit(two(ground), 1, present);
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Failed);
    }),
    ("filter_map that fails", 2, |ground| {
        let f = |element| present(element).map(Some);
        let task = ground.pool.filter_map(two(ground), 1, f);
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Failed);
    }),
    ("map_settled, cancelled", 1, |ground| {
        let (_resolver, pending) = deferred();
        let pending = Mutex::new(Some(pending));
        let elements = [Some(ground.grenade()), None];
        let task = ground.pool.map_settled(elements, 2, move |element| {
            element.map_or_else(|| take(&pending), Task::ready)
        });
        assert!(ground.pool.wait_idle(PATIENCE));
        task.cancel();
    }),
    ("Results, unread", 3, |ground| {
        let elements = two(ground).chain([Some(ground.grenade())]);
        let results = ground.pool.map_unordered(elements, 1, present);
        let results = results.read_ahead(9);
        assert!(ground.pool.wait_idle(PATIENCE));
        drop(results);
    }),
    ("Results, a reader that is cancelled", 1, |ground| {
        let elements = [Some(ground.grenade())];
        let results = ground.pool.map_unordered(elements, 1, present);
        results.next_task().cancel();
        assert!(ground.pool.wait_idle(PATIENCE));
    }),
    ("timeout, a value that comes late", 1, |ground| {
        let (gate, grenade) = (Gate::new(), ground.grenade());
        let end = gate.clone();
        let task = ground.pool.spawn(move || {
            end.pass();
            grenade
        });
        let late = task.timeout(Duration::ZERO).wait().map(|_| ());
        gate.open();
        assert!(late.is_err());
    }),
    ("delayed, cancelled", 1, |ground| {
        Task::ready(ground.grenade()).delayed(HOUR).cancel();
    }),
    ("race, the second", 1, |ground| {
        let tasks = [Task::ready(None), Task::ready(Some(ground.grenade()))];
        assert!(race(tasks).wait().unwrap().is_none());
    }),
    ("some, too few", 2, |ground| {
        let (resolver, last) = deferred();
        let tasks = [(); 2].map(|()| Task::ready(ground.grenade()));
        let [one, two] = tasks;
        let task = some(3, [one, two, last]);
        assert!(resolver.reject(std::io::Error::other("no")).is_ok());
        let error = task.wait().map(drop).unwrap_err();
        assert!(error.is::<AggregateError>(), "{error}");
    }),
    ("all, one that fails", 1, |ground| {
        let failing = Task::failed(std::io::Error::other("no"));
        let task = all([Task::ready(ground.grenade()), failing]);
        assert!(task.wait().map(drop).is_err());
    }),
    ("a group, the value of its block", 1, |ground| {
        let ended = ground.pool.group(|g| {
            let failing: Task<()> = g.attempt(|| Err("no".into()));
            drop(failing);
            Ok(ground.grenade())
        });
        assert!(ended.map(drop).is_err());
    }),
    ("a job, its value", 1, |ground| {
        let queue = TaskQueue::builder().pool(&ground.pool).build().unwrap();
        let grenade = ground.grenade();
        drop(queue.spawn(move || grenade));
    }),
    ("Memo, forgotten", 1, |ground| {
        let memo = memo(ground);
        assert!(memo.get(1).wait().is_ok());
        assert!(memo.forget(&1));
    }),
    ("Memo, with the last handle", 1, |ground| {
        assert!(memo(ground).get(1).wait().is_ok());
    }),
    ("debounce, its callers gone", 1, |ground| {
        let (started, gate) = (Gate::new(), Gate::new());
        let (start, end) = (started.clone(), gate.clone());
        let debounce = ground.pool.debounce(HOUR, move |value: Option<_>| {
            start.open();
            end.pass();
            Ok(value)
        });
        let debounce = debounce.leading(true);
        let call = debounce.call(Some(Arc::new(ground.grenade())));
        started.pass();
        call.cancel();
        let next = debounce.call(None);
        assert!(debounce.flush());
        gate.open();
        let next = next.wait_timeout(PATIENCE).expect("its run comes");
        assert!(next.unwrap().is_none());
    }),
];

fn two(ground: &Ground) -> impl Iterator<Item = Option<Grenade>> + Send + use<> {
    let grenades = [(); 2].map(|()| Some(ground.grenade()));
    grenades.into_iter().chain([None])
}

fn present(element: Option<Grenade>) -> Result<Grenade, BoxError> {
    element.ok_or_else(|| "no".into())
}

fn take<T>(place: &Mutex<Option<T>>) -> T {
    let value = place.lock().expect("no panic under it").take();
    value.expect("it is taken once")
}

fn memo(ground: &Ground) -> Memo<u32, Grenade> {
    let grenade = Mutex::new(Some(ground.grenade()));
    Memo::new(move |_| Ok(take(&grenade))).pool(&ground.pool)
}

// Contract: S2, D2
#[test]
fn a_value_that_is_dropped() {
    stand("value", |ground| {
        let mut dropped = 0;
        for (name, count, waste) in WASTES {
            println!("{name}");
            waste(ground);
            dropped += count;
            check(ground, dropped, dropped);
        }
    });
}
