//! Every way of these verbs to call a closure of the user's.

use std::iter;
use std::sync::Mutex;
use std::time::Duration;

use fast_async::error::AggregateError;
use fast_async::flow::{self, map_unordered};
use fast_async::retry::Decision;
use fast_async::{BoxError, Lazy, Memo, Pool, Retry, Semaphore, Task, TaskQueue, group::Group};

use crate::support::HOUR;
use crate::verbs::Charge;

/// Starts something that calls a closure with this charge.
pub(super) type Call = (&'static str, fn(&Pool, Charge) -> Task<u32>);

/// Goes off at the first call.
fn fuse(charge: Charge) -> impl Fn() -> u32 + Send + Sync + 'static {
    let charge = Mutex::new(Some(charge));
    move || {
        let charge = charge.lock().expect("no panic under it").take();
        charge.map_or(7, Charge::go)
    }
}

fn failing() -> Result<u32, BoxError> {
    Err("no".into())
}

fn first(task: Task<Vec<u32>>) -> Task<u32> {
    task.then(|values| values.first().copied().unwrap_or(7))
}

/// An iterator whose first pull goes off, and which is empty if that returns.
fn elements(charge: Charge) -> impl Iterator<Item = u32> + Send + 'static {
    let go = fuse(charge);
    iter::from_fn(move || (go() != 7).then_some(1))
}

fn queue(pool: &Pool) -> TaskQueue {
    let queue = TaskQueue::builder().pool(pool).limit(1).build();
    queue.expect("good settings")
}

pub(super) const CALLS: &[Call] = &[
    ("retry", |pool, charge| {
        let go = fuse(charge);
        pool.retry(Retry::attempts(3), move |_| Ok(go()))
    }),
    ("retry, per_attempt", |pool, charge| {
        let go = fuse(charge);
        let policy = Retry::attempts(3).per_attempt(HOUR);
        pool.retry(policy, move |_| Ok(go()))
    }),
    ("retry, a task", |pool, charge| {
        let go = fuse(charge);
        pool.retry(Retry::attempts(3), move |_| Task::ready(go()))
    }),
    ("Retry::when", |pool, charge| {
        let go = fuse(charge);
        let policy = Retry::attempts(3).when(move |_, _| {
            go();
            Decision::Stop
        });
        pool.retry(policy, |_| failing())
    }),
    ("Retry::notify", |pool, charge| {
        let go = fuse(charge);
        let policy = Retry::attempts(3).notify(move |_, _| {
            go();
        });
        pool.retry(policy, |_| failing())
    }),
    ("Retry::backoff", |pool, charge| {
        let go = fuse(charge);
        let pauses = iter::from_fn(move || Some(Duration::from_nanos(go().into())));
        pool.retry(Retry::attempts(3).backoff(pauses), |_| failing())
    }),
    ("hedge", |pool, charge| {
        let go = fuse(charge);
        let task = pool.hedge(HOUR, 1, move |_| Ok(go()));
        task.or_else(|error| {
            let all = error.downcast_ref::<AggregateError>();
            let first = all.map_or(error.clone(), |all| all.errors()[0].clone());
            Err(first.into())
        })
    }),
    ("map_limit", |pool, charge| {
        let go = fuse(charge);
        first(pool.map_limit([1, 2, 3], 2, move |_| Ok(go())))
    }),
    ("map_limit, its iterator", |pool, charge| {
        first(pool.map_limit(elements(charge), 2, Ok))
    }),
    ("filter_map", |pool, charge| {
        let go = fuse(charge);
        first(pool.filter_map([1, 2, 3], 2, move |_| Ok(Some(go()))))
    }),
    ("filter_map, its iterator", |pool, charge| {
        first(pool.filter_map(elements(charge), 2, |n| Ok(Some(n))))
    }),
    ("map_settled", |pool, charge| {
        let go = fuse(charge);
        let task = pool.map_settled([1], 1, move |_| Ok(go()));
        task.and_then(|mut outcomes| Ok(outcomes.pop().expect("one element")?))
    }),
    ("map_settled, its iterator", |pool, charge| {
        let task = pool.map_settled(elements(charge), 2, Ok);
        task.then(|_| 7)
    }),
    ("map_unordered", |pool, charge| {
        let go = fuse(charge);
        let results = pool.map_unordered([1], 1, move |_| Ok(go()));
        let next = results.next_task();
        next.and_then(move |next| {
            drop(results);
            Ok(next.expect("one element")?)
        })
    }),
    ("map_unordered, its iterator", |_, charge| {
        let results = map_unordered(elements(charge), 2, Ok);
        let next = results.next_task();
        next.and_then(move |next| {
            drop(results);
            Ok(next.expect("the failure of the whole")?)
        })
    }),
    ("each", |pool, charge| {
        let go = fuse(charge);
        let each = pool.each([1, 2, 3], 2, move |_| {
            go();
            Ok(())
        });
        each.then(|()| 7)
    }),
    ("reduce", |pool, charge| {
        let go = fuse(charge);
        pool.reduce([1, 2, 3], 0, move |_, _| Ok(go()))
    }),
    ("reduce, its iterator", |pool, charge| {
        pool.reduce(elements(charge), 0, |_, n| Ok(n))
    }),
    ("repeat_while", |pool, charge| {
        let go = fuse(charge);
        pool.repeat_while(move || Ok(go() != 7)).then(|()| 7)
    }),
    ("flow::repeat_while, a task", |_, charge| {
        let go = fuse(charge);
        flow::repeat_while(move || Task::ready(go() != 7)).then(|()| 7)
    }),
    ("using, its body", |pool, charge| {
        let go = fuse(charge);
        pool.spawn(|| 7).using(move |_| Ok(go()), |_| Ok(()))
    }),
    ("using, its release", |pool, charge| {
        let go = fuse(charge);
        pool.spawn(|| 7).using(
            |n| Ok(*n),
            move |_| {
                go();
                Ok(())
            },
        )
    }),
    ("every", |pool, charge| {
        let go = fuse(charge);
        let every = pool.every(Duration::from_nanos(1), move || {
            go();
            Err("the end".into())
        });
        every.into_task().then(|()| 7)
    }),
    ("debounce", |pool, charge| {
        let go = fuse(charge);
        let debounce = pool.debounce(HOUR, move |()| Ok(go()));
        debounce.leading(true).call(())
    }),
    ("throttle", |pool, charge| {
        let go = fuse(charge);
        pool.throttle(HOUR, move |()| Ok(go())).call(())
    }),
    ("a job", |pool, charge| {
        queue(pool).spawn(move || charge.go())
    }),
    ("a job that may fail", |pool, charge| {
        queue(pool).attempt_with(move |_| Ok(charge.go()))
    }),
    ("a chain in a queue", |pool, charge| {
        let chain = pool.spawn(|| 7).on(&queue(pool));
        chain.then(move |_| charge.go())
    }),
    ("what follows a permit", |pool, charge| {
        let permit = Semaphore::with_pool(1, pool).acquire(1);
        permit.then(move |_permit| charge.go())
    }),
    ("a group, its block", |pool, charge| {
        let own = pool.clone();
        pool.attempt(move || Ok(own.group(move |_| Ok(charge.go()))?))
    }),
    ("a group, a task", |pool, charge| {
        let own = pool.clone();
        pool.attempt(move || {
            let ended = Group::builder().pool(&own).run(|g| {
                g.spawn(move || charge.go()).detach();
            });
            Ok(ended.map(|()| 7)?)
        })
    }),
    ("Lazy", |pool, charge| {
        let go = fuse(charge);
        Lazy::new(move || Ok(go())).pool(pool).get().cloned()
    }),
    ("Memo", |pool, charge| {
        let go = fuse(charge);
        let memo = Memo::new(move |_: &u32| Ok(go())).pool(pool);
        memo.get(1).cloned()
    }),
    ("timeout", |pool, charge| {
        pool.spawn(move || charge.go()).timeout(HOUR)
    }),
    ("within", |pool, charge| {
        let task = pool.spawn(move || charge.go()).within(HOUR);
        task.and_then(|inner| match inner {
            Ok(value) => Task::ready(value),
            Err(late) => late,
        })
    }),
    ("delayed", |pool, charge| {
        let task = pool.spawn(|| 7).delayed(Duration::from_nanos(1));
        task.then(move |_| charge.go())
    }),
];
