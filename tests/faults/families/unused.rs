//! Closures, arguments and iterators that are never used: their drop is the caller's at no place.

use std::iter;
use std::time::Duration;

use fast_async::flow::{filter_map, map_settled, map_unordered};
use fast_async::retry::{Decision, hedge};
use fast_async::time::{Debounce, Throttle};
use fast_async::{Lazy, Memo, Retry, Task, TaskQueue, deferred, every, flow, map_limit, retry};

use super::{check, held};
use crate::ground::{Grenade, Ground, stand};
use crate::support::HOUR;

/// Makes something with a grenade in it, and lets it go.
type Unused = (&'static str, fn(&Ground, Grenade));

const UNUSED: &[Unused] = &[
    ("Debounce", |_, grenade| {
        drop(Debounce::new(HOUR, move |()| held(&grenade)));
    }),
    ("Pool::debounce", |ground, grenade| {
        drop(ground.pool.debounce(HOUR, move |()| held(&grenade)));
    }),
    ("Throttle", |_, grenade| {
        drop(Throttle::new(HOUR, move |()| held(&grenade)));
    }),
    ("Throttle, after a call", |ground, grenade| {
        let throttle = ground.pool.throttle(HOUR, move |()| held(&grenade));
        assert_eq!(throttle.call(()).wait().unwrap(), 7);
        // The thread of the run lets it go last, or this one.
        drop(throttle);
    }),
    ("Debounce, an argument that waits", |ground, grenade| {
        let debounce = ground.pool.debounce(Duration::MAX, |_: Grenade| Ok(7));
        debounce.call(grenade).detach();
    }),
    (
        "Debounce, an argument that is cancelled",
        |ground, grenade| {
            let debounce = ground.pool.debounce(HOUR, |_: Grenade| Ok(7));
            debounce.call(grenade).detach();
            assert!(debounce.cancel());
        },
    ),
    (
        "Debounce, an argument that is replaced",
        |ground, grenade| {
            let debounce = ground.pool.debounce(HOUR, |_: Option<Grenade>| Ok(7));
            debounce.call(Some(grenade)).detach();
            debounce.call(None).detach();
            assert!(debounce.cancel());
        },
    ),
    (
        "Debounce, an argument whose call is cancelled",
        |ground, grenade| {
            let debounce = ground.pool.debounce(HOUR, |_: Grenade| Ok(7));
            debounce.call(grenade).cancel();
            assert!(debounce.flush());
        },
    ),
    ("Debounce, an argument without a run", |ground, grenade| {
        let debounce = ground.pool.debounce(HOUR, |_: Grenade| Ok(7));
        let call = debounce.trailing(false).call(grenade);
        assert!(call.wait().is_err());
    }),
    ("retry of no attempts", |_, grenade| {
        let task = retry(Retry::attempts(0), move |_| held(&grenade));
        assert!(task.wait().is_err());
    }),
    ("retry of no attempts, its policy", |_, grenade| {
        let policy = Retry::attempts(0).notify(move |_, _| {
            let _ = held(&grenade);
        });
        assert!(retry(policy, |_| Ok(7)).wait().is_err());
    }),
    ("Retry::when", |_, grenade| {
        drop(Retry::attempts(2).when(move |_, _| {
            let _ = held(&grenade);
            Decision::Stop
        }));
    }),
    ("Retry::when, replaced", |_, grenade| {
        let policy = Retry::attempts(2).when(move |_, _| {
            let _ = held(&grenade);
            Decision::Stop
        });
        drop(policy.when(|_, _| Decision::Stop));
    }),
    ("Retry::backoff", |_, grenade| {
        let pauses = iter::from_fn(move || held(&grenade).ok().map(|_| HOUR));
        drop(Retry::attempts(2).backoff(pauses));
    }),
    ("hedge of no calls", |_, grenade| {
        let task = hedge(HOUR, 0, move |_| held(&grenade));
        assert!(task.wait().is_err());
    }),
    ("hedge of one call", |ground, grenade| {
        let task = ground.pool.hedge(HOUR, 1, move |_| held(&grenade));
        assert_eq!(task.wait().unwrap(), 7);
    }),
    ("every without a period", |_, grenade| {
        drop(every(Duration::ZERO, move || drop(held(&grenade))));
    }),
    ("every that never comes", |ground, grenade| {
        drop(ground.pool.every(HOUR, move || drop(held(&grenade))));
    }),
    ("map_limit of 0", |_, grenade| {
        assert!(map_limit([1], 0, move |_| held(&grenade)).wait().is_err());
    }),
    ("map_limit of 0, its iterator", |_, grenade| {
        let elements = iter::from_fn(move || held(&grenade).ok());
        assert!(map_limit(elements, 0, |_| Ok(7)).wait().is_err());
    }),
    ("map_limit of none", |ground, grenade| {
        let task = ground.pool.map_limit([1; 0], 2, move |_| held(&grenade));
        assert!(task.wait().is_ok());
    }),
    ("map_settled of 0", |_, grenade| {
        assert!(map_settled([1], 0, move |_| held(&grenade)).wait().is_err());
    }),
    ("filter_map of 0", |_, grenade| {
        let task = filter_map([1], 0, move |_| held(&grenade).map(Some));
        assert!(task.wait().is_err());
    }),
    ("each of 0", |_, grenade| {
        let task = flow::each([1], 0, move |_| held(&grenade).map(|_| ()));
        assert!(task.wait().is_err());
    }),
    ("map_unordered of 0", |_, grenade| {
        drop(map_unordered([1], 0, move |_| held(&grenade)));
    }),
    ("a job that is cleared", |ground, grenade| {
        let queue = paused(ground);
        let job = queue.spawn(move || held(&grenade).ok());
        assert_eq!(queue.clear(), 1);
        assert!(job.wait().is_err());
    }),
    ("a job that is cancelled", |ground, grenade| {
        let queue = paused(ground);
        let job = queue.spawn(move || held(&grenade).ok());
        job.cancel();
        assert_eq!(queue.pending(), 0);
    }),
    ("a job whose queue is gone", |ground, grenade| {
        let queue = paused(ground);
        let job = queue.spawn(move || held(&grenade).ok());
        drop(queue);
        assert!(job.wait().is_err());
    }),
    ("a task of a cancelled group", |ground, grenade| {
        let ended = ground.pool.group(|g| {
            g.cancel();
            drop(g.spawn(move || held(&grenade).ok()));
        });
        ended.unwrap();
    }),
    ("a task of an ended group", |ground, grenade| {
        let mut kept = None;
        let ended = ground.pool.group(|g| kept = Some(g.clone()));
        ended.unwrap();
        let group = kept.expect("it was called");
        let late = group.spawn(move || held(&grenade).ok());
        assert!(late.wait().is_err());
    }),
    ("Lazy", |_, grenade| drop(Lazy::new(move || held(&grenade)))),
    ("Memo", |_, grenade| {
        drop(Memo::new(move |_: &u32| held(&grenade)));
    }),
    ("using, its body", |_, grenade| {
        let task = none().using(move |_| held(&grenade), |_| Ok(()));
        assert!(task.wait().is_err());
    }),
    ("using, its release", |_, grenade| {
        let release = move |_| held(&grenade).map(|_| ());
        assert!(none().using(|n| Ok(*n), release).wait().is_err());
    }),
    ("timeout_or", |ground, grenade| {
        let task = ground.pool.spawn(|| None);
        let value = task.timeout_or(HOUR, Some(grenade)).wait();
        assert!(value.unwrap().is_none());
    }),
    ("timeout_or, cancelled", |_, grenade| {
        let (_resolver, task) = deferred();
        task.timeout_or(HOUR, grenade).cancel();
    }),
];

fn none() -> Task<u32> {
    Task::failed(std::io::Error::other("no"))
}

fn paused(ground: &Ground) -> TaskQueue {
    let queue = TaskQueue::builder().pool(&ground.pool).build();
    let queue = queue.expect("good settings");
    queue.pause();
    queue
}

// Contract: S2
#[test]
fn what_is_never_called_goes_off_at_no_caller() {
    stand("unused", |ground| {
        for (count, (name, leave)) in UNUSED.iter().enumerate() {
            // Shown if it fails.
            println!("{name}");
            leave(ground, ground.grenade());
            check(ground, count + 1, count + 1);
        }
    });
}

// One that goes off does not keep the others from being dropped.
#[test]
fn several_that_are_never_called() {
    stand("several", |ground| {
        let policy = Retry::attempts(0)
            .when({
                let grenade = ground.grenade();
                move |_, _| {
                    let _ = held(&grenade);
                    Decision::Stop
                }
            })
            .notify({
                let grenade = ground.grenade();
                move |_, _| drop(held(&grenade))
            });
        let grenade = ground.grenade();
        assert!(retry(policy, move |_| held(&grenade)).wait().is_err());
        check(ground, 3, 3);

        let grenade = ground.grenade();
        let work = move |_: Grenade| held(&grenade);
        let debounce = ground.pool.debounce(Duration::MAX, work);
        let calls = [debounce.call(ground.grenade())];
        drop(debounce);
        for call in calls {
            assert!(call.wait().is_err(), "it is abandoned");
        }
        check(ground, 5, 5);

        let (grenade, element) = (ground.grenade(), ground.grenade());
        let elements = iter::from_fn(move || held(&element).ok());
        let task: Task<Vec<u32>> = map_limit(elements, 0, move |_| held(&grenade));
        assert!(task.wait().is_err());
        check(ground, 7, 7);
    });
}
