//! Several values or closures of the user's that are dropped together: one that panics keeps none
//! of the others from its drop, and each panic is reported.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::flow::{filter_map, map_settled, map_unordered};
use fast_async::loop_queue::{LocalLoop, StateQueue};
use fast_async::topic::{Overflow, Topic, Topics};
use fast_async::{
    CancelToken, LoopQueue, Memo, Pool, Shutdown, Task, TaskLocal, TaskQueue, all, all_settled,
    combine, deferred, delay, map_limit, spawn,
};

use super::held;
use crate::ground::{Grenade, Ground, stand};
use crate::support::{Gate, PATIENCE, reports};

type Grenades = [Grenade; 3];

/// Puts three of them into one place, and has that place dropped.
type Place = (&'static str, fn(&Ground, Grenades));

/// It is cancelled with what waits for it.
fn never<T: Send + 'static>() -> Task<T> {
    delay(Duration::MAX).then(|()| unreachable!("its time never comes"))
}

static ONE: TaskLocal<Grenade> = TaskLocal::inherited();
static TWO: TaskLocal<Grenade> = TaskLocal::inherited();
static THREE: TaskLocal<Grenade> = TaskLocal::inherited();

const COMBINED: &[Place] = &[
    ("all, cancelled", |_, grenades| {
        let tasks = grenades.map(Task::ready).into_iter();
        all(tasks.chain([never()])).cancel();
    }),
    ("all, failed", |_, grenades| {
        let tasks = grenades.map(Task::ready).into_iter();
        let whole = all(tasks.chain([Task::failed("the last one fails")]));
        assert!(whole.wait().is_err());
    }),
    ("all of a tuple", |_, [one, two, three]| {
        let tasks = (Task::ready(one), Task::ready(two), Task::ready(three));
        all((tasks.0, tasks.1, tasks.2, never::<u8>())).cancel();
    }),
    ("all of a map", |_, grenades| {
        let tasks = grenades.map(Task::ready).into_iter().chain([never()]);
        all(tasks.enumerate().collect::<BTreeMap<_, _>>()).cancel();
    }),
    ("all_settled, cancelled", |_, grenades| {
        let tasks = grenades.map(Task::ready).into_iter();
        all_settled(tasks.chain([never()])).cancel();
    }),
    ("some, cancelled", |_, grenades| {
        let tasks = grenades.map(Task::ready).into_iter();
        combine::some(4, tasks.chain([never()])).cancel();
    }),
    ("map_limit, failed", |_, grenades| {
        let whole: Task<Vec<Grenade>> = map_limit(
            grenades.map(Some).into_iter().chain([None]),
            1,
            |grenade: Option<Grenade>| grenade.ok_or("the last one fails".into()),
        );
        assert!(whole.wait().is_err());
    }),
    ("map_settled, cancelled", |_, grenades| {
        let (gate, pass) = (Gate::new(), Gate::new());
        let (reached, wait) = (gate.clone(), pass.clone());
        let whole = map_settled(
            grenades.map(Some).into_iter().chain([None]),
            1,
            move |grenade: Option<Grenade>| {
                if grenade.is_none() {
                    reached.open();
                    wait.pass();
                }
                Ok(grenade)
            },
        );
        gate.pass();
        whole.cancel();
        pass.open();
    }),
    ("filter_map, failed", |_, grenades| {
        let whole: Task<Vec<Grenade>> = filter_map(
            grenades.map(Some).into_iter().chain([None]),
            1,
            |grenade: Option<Grenade>| match grenade {
                Some(grenade) => Ok(Some(grenade)),
                None => Err("the last one fails".into()),
            },
        );
        assert!(whole.wait().is_err());
    }),
    ("results that are not read", |_, grenades| {
        let last = Gate::new();
        let called = last.clone();
        let elements = grenades.into_iter().enumerate();
        let results = map_unordered(elements, 3, move |(number, grenade)| {
            // From now on the iterator, which is the user's, has none.
            if number == 2 {
                called.open();
            }
            Ok(grenade)
        });
        last.pass();
        drop(results);
    }),
];

const TOPICS: &[Place] = &[
    ("what a receiver has not taken", |_, grenades| {
        let topic = Topic::new();
        let receiver = topic.receiver(8, Overflow::Fail);
        let _ = grenades.map(|grenade| topic.publish(grenade).unwrap());
        drop(receiver);
    }),
    ("what a topic replays", |_, grenades| {
        let topic = Topic::new().replay(3);
        let _ = grenades.map(|grenade| topic.publish(grenade).unwrap());
    }),
    ("what a topic replays no more", |_, grenades| {
        let topic = Topic::new().replay(3);
        let _ = grenades.map(|grenade| topic.publish(grenade).unwrap());
        drop(topic.replay(0));
    }),
    ("what a topic holds", |_, grenades| {
        let topic = Topic::new().hold(3);
        let _ = grenades.map(|grenade| topic.publish(grenade).unwrap());
    }),
    ("what a topic holds no more", |_, grenades| {
        let topic = Topic::new().hold(3);
        let _ = grenades.map(|grenade| topic.publish(grenade).unwrap());
        drop(topic.hold(0));
    }),
    ("what a callback on a loop has not had", |_, grenades| {
        let (topic, window) = (Topic::new(), LoopQueue::new());
        let subscription = topic.on(&window).subscribe(|_: &Grenade| ());
        let _ = grenades.map(|grenade| topic.publish(grenade).unwrap());
        assert!(subscription.unsubscribe());
    }),
    ("the same, and the loop is dropped", |_, grenades| {
        let (topic, window) = (Topic::new(), LoopQueue::new());
        topic.on(&window).subscribe(|_: &Grenade| ());
        let _ = grenades.map(|grenade| topic.publish(grenade).unwrap());
        drop(window);
    }),
    ("what a callback has left in the queue", |_, grenades| {
        let topic = Topic::new();
        let (own, mut left) = (topic.clone(), Some(grenades));
        topic.subscribe(move |first: &Option<Grenade>| {
            assert!(first.is_none() || left.is_none());
            for grenade in left.take().into_iter().flatten() {
                own.publish(Some(grenade)).unwrap();
            }
        });
        topic.publish(None).unwrap();
        topic.close();
    }),
    ("callbacks of a topic", |_, grenades| {
        let topic = Topic::<u8>::new();
        for grenade in grenades {
            topic.subscribe(move |_| drop(held(&grenade)));
        }
    }),
    ("callbacks behind buffers", |ground, grenades| {
        let topic = Topic::<u8>::new();
        for grenade in grenades {
            topic
                .on(&ground.pool)
                .subscribe(move |_| drop(held(&grenade)));
        }
    }),
    ("predicates of tasks for a value", |_, grenades| {
        let topic = Topic::<u8>::new();
        let waiting = grenades.map(|grenade| topic.next_where(move |_| held(&grenade).is_err()));
        drop(topic);
        for task in waiting {
            assert!(task.wait().is_err());
        }
    }),
    ("closures of derived topics", |_, grenades| {
        let topic = Topic::<u8>::new();
        let derived = grenades.map(|grenade| topic.map(move |_| held(&grenade).unwrap()));
        for derived in &derived {
            derived.subscribe(|_| ());
        }
        drop((topic, derived));
    }),
    ("a chunk that is not full", |_, grenades| {
        let topic = Topic::new();
        let subscription = topic.chunks(8).subscribe(|_| ());
        let _ = grenades.map(|grenade| topic.publish(grenade).unwrap());
        assert!(subscription.unsubscribe());
    }),
    ("values by subject", |_, grenades| {
        let topics = Topics::new();
        let receiver = topics.topic(">").unwrap().receiver(8, Overflow::Fail);
        for (subject, grenade) in ["a", "b", "c"].into_iter().zip(grenades) {
            topics.publish(subject, grenade).unwrap();
        }
        drop((topics, receiver));
    }),
];

const QUEUES: &[Place] = &[
    ("jobs of a queue that is cleared", |ground, grenades| {
        let queue = TaskQueue::builder().pool(&ground.pool).build().unwrap();
        queue.pause();
        let jobs = grenades.map(|grenade| queue.spawn(move || held(&grenade)));
        queue.clear();
        for job in jobs {
            assert!(job.wait().is_err());
        }
    }),
    ("jobs of a queue that is dropped", |ground, grenades| {
        let queue = TaskQueue::builder().pool(&ground.pool).build().unwrap();
        queue.pause();
        let jobs = grenades.map(|grenade| queue.spawn(move || held(&grenade)));
        drop(queue);
        for job in jobs {
            assert!(job.wait().is_err());
        }
    }),
    ("closures of a local loop", |_, grenades| {
        let here = LocalLoop::new();
        let tasks = grenades.map(|grenade| here.then(Task::ready(()), move |()| drop(grenade)));
        drop(here);
        for task in tasks {
            assert!(task.wait().is_err());
        }
    }),
    ("deliveries to a state", |_, grenades| {
        let queue = StateQueue::<u8>::new();
        let tasks =
            grenades.map(|grenade| Task::ready(()).deliver(&queue, move |_, ()| drop(grenade)));
        drop(queue);
        for task in tasks {
            assert!(task.wait().is_err());
        }
    }),
    ("jobs of a pool that is shut down", |_, grenades| {
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let (began, pass) = (Gate::new(), Gate::new());
        let (begin, wait) = (began.clone(), pass.clone());
        let running = pool.spawn(move || {
            begin.open();
            wait.pass();
        });
        began.pass();
        let jobs = grenades.map(|grenade| pool.spawn(move || drop(grenade)));
        let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
        assert!(!report.is_complete());
        pass.open();
        for job in jobs {
            assert!(job.wait().is_err());
        }
        running.wait().unwrap();
    }),
    ("values of a cache", |_, grenades| {
        let grenades = Mutex::new(grenades.map(Some));
        let memo = Memo::new(move |n: &usize| {
            Ok(grenades.lock().unwrap()[*n]
                .take()
                .expect("each is loaded once"))
        });
        for n in 0..3 {
            assert!(memo.get(n).wait().is_ok());
        }
        drop(memo);
    }),
    ("values of a cache that is cleared", |_, grenades| {
        let grenades = Mutex::new(grenades.map(Some));
        let memo = Memo::new(move |n: &usize| {
            Ok(grenades.lock().unwrap()[*n]
                .take()
                .expect("each is loaded once"))
        });
        for n in 0..3 {
            assert!(memo.get(n).wait().is_ok());
        }
        memo.clear();
    }),
];

const CORE: &[Place] = &[
    ("observers that are dropped", |_, grenades| {
        let (resolver, task) = deferred::<u8>();
        for grenade in grenades {
            task.subscribe(move |_| drop(held(&grenade)), |_| ());
        }
        drop((resolver, task));
    }),
    ("links that are dropped", |_, [one, two, three]| {
        let (resolver, task) = deferred::<u8>();
        let task = task.then(move |_| drop(one)).then(move |()| drop(two));
        task.then(move |()| drop(three)).cancel();
        drop(resolver);
    }),
    ("branches that are dropped", |_, grenades| {
        let (resolver, task) = deferred::<u8>();
        let shared = task.share();
        let branches = grenades.map(|grenade| shared.then(move |_| drop(held(&grenade))));
        for branch in &branches {
            branch.cancel();
        }
        drop((branches, shared, resolver));
    }),
    ("callbacks of a token", |_, grenades| {
        let token = CancelToken::new();
        for grenade in grenades {
            let _callback = token.on_cancel(move || drop(held(&grenade)));
        }
        drop(token);
    }),
    ("listeners to events", |_, grenades| {
        let (gate, pass) = (Gate::new(), Gate::new());
        let wait = gate.clone();
        let task = spawn(move || wait.pass());
        for grenade in grenades {
            task.on_event(move |_| drop(held(&grenade)));
        }
        gate.open();
        pass.open();
        task.wait().unwrap();
    }),
    (
        "task locals that a closure carries",
        |_, [one, two, three]| {
            let task = ONE.scope(one, || {
                TWO.scope(two, || THREE.scope(three, || never().then(|()| ())))
            });
            task.cancel();
        },
    ),
    ("hooks of a pool", |_, [one, two, three]| {
        let pool = Pool::builder()
            .on_thread_start(move |_| drop(held(&one)))
            .on_thread_stop(move |_| drop(held(&two)));
        let token = CancelToken::new();
        let _callback = token.on_cancel(move || drop(held(&three)));
        drop((pool.build().unwrap(), token));
    }),
];

/// Those that the places keep from going off, or that are not reported.
fn wrong(ground: &Ground, places: &[Place]) -> Vec<String> {
    let text = format!("{} went off", ground.name);
    let mut wrong = Vec::new();
    for (name, put) in places {
        let (dropped, reported) = (ground.drops.count(), reports(&text));
        println!("{name}");
        put(ground, [(); 3].map(|()| ground.grenade()));
        ground.drops.wait_for(dropped + 3);
        let deadline = Instant::now() + PATIENCE / 16;
        while reports(&text) < reported + 3 && Instant::now() < deadline {
            thread::yield_now();
        }
        let more = reports(&text) - reported;
        if more != 3 {
            wrong.push(format!("{name}: {more} of 3"));
        }
    }
    wrong
}

#[test]
fn values_of_combined_tasks() {
    stand("combined", |ground| {
        assert_eq!(wrong(ground, COMBINED), [""; 0])
    });
}

#[test]
fn values_and_callbacks_of_topics() {
    stand("topics", |ground| {
        assert_eq!(wrong(ground, TOPICS), [""; 0])
    });
}

#[test]
fn jobs_of_queues_and_values_of_caches() {
    stand("queues", |ground| {
        assert_eq!(wrong(ground, QUEUES), [""; 0])
    });
}

#[test]
fn closures_of_tasks_and_tokens() {
    stand("core", |ground| assert_eq!(wrong(ground, CORE), [""; 0]));
}

// The panic of the drop is the failure of the continuation.
#[test]
fn continuations_of_a_loop_that_is_dropped() {
    stand("loop", |ground| {
        let window = LoopQueue::new();
        let tasks = [(); 3].map(|()| {
            let grenade = ground.grenade();
            Task::ready(()).on(&window).then(move |()| drop(grenade))
        });
        drop(window);
        for task in tasks {
            assert!(task.wait().unwrap_err().is_panic());
        }
        ground.drops.wait_for(3);
    });
}
