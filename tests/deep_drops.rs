//! Handles that hold each other, by way of values, closures and hooks, in lines as long as one
//! likes: dropped without recursion, on any thread and at any moment of its life.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fast_async::flow::map_unordered;
use fast_async::retry::Decision;
use fast_async::time::{Debounce, Throttle};
use fast_async::topic::{Overflow, Topic, Topics, Watch};
use fast_async::{
    CancelToken, Clock, Inline, Job, LoopQueue, Pool, Retry, Semaphore, Task, TaskError, TaskQueue,
    all, any, await_all, deferred,
    loop_queue::{LocalLoop, StateQueue},
    spawn,
};
use support::{Drops, OnDrop, expected, isolated};

/// The stack of the thread that drops a line. 64 drops inside each other need up to 200 KiB of it.
const STACK: usize = 512 << 10;
/// Links of a line: ten times as many as any row needs to overflow that stack when drops are not
/// put off and the list of settled tasks is not there (768, and 3,328 when optimised).
const LENGTH: usize = if cfg!(debug_assertions) {
    8_000
} else {
    40_000
};
/// Pools take longer to make, and overflow it sooner (400, and 1,536).
const POOLS: usize = LENGTH / 2;

/// What a link holds: the rest of the line.
type Held = Box<dyn Any + Send + Sync>;
/// Makes one more link.
type Link = fn(Held) -> Held;
/// The same of what stays on its thread.
type LocalHeld = Box<dyn Any>;
type LocalLink = fn(LocalHeld) -> LocalHeld;
/// Ends a line.
type Setting = (&'static str, fn(LocalHeld));

const HOUR: Duration = Duration::from_secs(3600);

/// Has a closure hold the rest of the line.
fn keep(_: &Held) {}

/// A pool that goes by this clock.
fn pool_with(clock: &Clock) -> Pool {
    let pool = Pool::builder().clock(clock);
    pool.build().expect("a valid pool")
}

/// An error that holds the rest of the line.
struct Wrapped(#[allow(dead_code, reason = "it is there to be dropped")] Held);

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapped")
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wrapped {}

/// A living thread, one whose thread-locals go, and one that unwinds.
const SETTINGS: [Setting; 3] = [
    ("on a living thread", drop_here),
    ("while thread-locals are destroyed", drop_at_the_end),
    ("while a panic unwinds", drop_in_a_panic),
];

fn drop_here(line: LocalHeld) {
    drop(line);
}

fn drop_at_the_end(line: LocalHeld) {
    thread_local! {
        static LAST: RefCell<Option<LocalHeld>> = const { RefCell::new(None) };
    }
    // Before this crate creates a thread-local on this thread, so that this one is destroyed later.
    LAST.with(|last| *last.borrow_mut() = Some(line));
    // Now the crate's thread-local exists.
    drop(Task::ready(Task::ready(1)).flatten());
    let (resolver, task) = deferred();
    task.then(|()| ()).detach();
    resolver.resolve(()).unwrap();
}

fn drop_in_a_panic(line: LocalHeld) {
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _line = line;
        expected("unwinds through the line");
    }));
    assert!(unwound.is_err());
}

fn flat(name: &str, length: usize, link: Link) {
    isolated(name, move || {
        for (setting, end) in SETTINGS {
            println!("{setting}");
            let drops = Drops::new();
            let mut line: Held = Box::new(std::sync::Mutex::new(drops.token()));
            for _ in 0..length {
                line = link(line);
            }
            let dropper = thread::Builder::new().stack_size(STACK);
            dropper.spawn(move || end(line)).unwrap().join().unwrap();
            // The pool drops some of them.
            drops.wait_for(1);
        }
    });
}

/// The same for a line that is made on the thread that drops it.
fn flat_at_home(name: &str, length: usize, link: LocalLink) {
    isolated(name, move || {
        for (setting, end) in SETTINGS {
            println!("{setting}");
            let drops = Drops::new();
            let token = drops.token();
            let dropper = thread::Builder::new().stack_size(STACK);
            let make_and_drop = move || {
                let first: LocalHeld = Box::new(token);
                end((0..length).fold(first, |line, _| link(line)));
            };
            dropper.spawn(make_and_drop).unwrap().join().unwrap();
            assert_eq!(drops.count(), 1, "the line is gone with its thread");
        }
    });
}

macro_rules! rows {
    ($check:ident: $($name:ident, $length:expr => $link:expr;)+) => {
        $(
            // Contract: D2
            #[test]
            fn $name() {
                $check(stringify!($name), $length, $link);
            }
        )+
    };
}

rows! { flat:
    state_queues_in_deliveries, LENGTH => |held| {
        let queue = StateQueue::<()>::new();
        Task::ready(()).deliver(&queue, move |_, ()| drop(held)).detach();
        Box::new(queue)
    };
    state_queues_in_deliveries_taken_up, LENGTH => |held| {
        let queue = StateQueue::<()>::new();
        Task::ready(()).deliver(&queue, move |_, ()| drop(held)).detach();
        queue.queue().run_pending();
        Box::new(queue)
    };
    state_queues_in_what_follows, LENGTH => |held| {
        let queue = StateQueue::<()>::new();
        let task = Task::ready(()).deliver(&queue, |_, ()| ());
        task.finally(move || drop(held)).detach();
        Box::new(queue)
    };
    tasks_in_values, LENGTH => |held| Box::new(Task::ready(held));
    tasks_in_errors, LENGTH => |held| Box::new(Task::<()>::failed(Wrapped(held)));
    tasks_in_closures, LENGTH => |held| Box::new(Task::new(move || drop(held)));
    tasks_in_results_of_groups, LENGTH => |held| Box::new(all(vec![Task::ready(held)]));
    shared_tasks_in_values, LENGTH => |held| Box::new(Task::ready(held).share());
    shared_tasks_in_errors, LENGTH => |held| Box::new(Task::<()>::failed(Wrapped(held)).share());
    resolvers_in_continuations, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        task.then(move |()| drop(held)).detach();
        Box::new(resolver)
    };
    shared_resolvers, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        task.then(move |()| drop(held)).detach();
        Box::new(resolver.shared())
    };
    resolvers_in_observers, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        task.on_settled(move |_| drop(held));
        Box::new(resolver)
    };
    guards_of_continuations, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        Box::new((task.then(move |()| drop(held)).cancel_on_drop(), resolver))
    };
    guards_of_closures, LENGTH => |held| Box::new(Task::new(move || drop(held)).cancel_on_drop());
    guards_of_observers, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        task.on_settled(move |_| drop(held));
        Box::new((task.cancel_on_drop(), resolver))
    };
    guards_of_values, LENGTH => |held| Box::new(Task::ready(held).cancel_on_drop());
    subscription_guards, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        let guard = task.on_settled(move |_| drop(held)).guard();
        Box::new((guard, task, resolver))
    };
    subscriptions, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        let subscription = task.on_settled(move |_| drop(held));
        Box::new((subscription, task, resolver))
    };
    tokens_in_callbacks, LENGTH => |held| {
        let token = CancelToken::new();
        token.on_cancel(move || drop(held));
        Box::new(token)
    };
    children_in_callbacks, LENGTH => |held| {
        let token = CancelToken::new().child();
        token.on_cancel(move || drop(held));
        Box::new(token)
    };
    executors_of_pending_tasks, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        Box::new((task.on(&executor(held)), resolver))
    };
    executors_of_settled_tasks, LENGTH => |held| Box::new(Task::ready(()).on(&executor(held)));
    queues_in_hooks, LENGTH => |held| {
        Box::new(LoopQueue::with_notify(move || {
            let _ = &held;
        }))
    };
    queues_in_jobs, LENGTH => |held| {
        let queue = LoopQueue::new();
        let task = Task::ready(()).on(&queue);
        task.then(move |()| drop(held)).detach();
        Box::new(queue)
    };
    pools_in_hooks, POOLS => |held| {
        let held = Arc::new(held);
        let (other, pool) = (held.clone(), Pool::builder());
        let pool = pool.on_thread_start(move |_| {
            let _ = &held;
        });
        let pool = pool.on_thread_stop(move |_| {
            let _ = &other;
        });
        Box::new(pool.build().expect("a valid pool"))
    };
    tokens_of_pools, POOLS => |held| {
        let token = CancelToken::new();
        token.on_cancel(move || drop(held));
        let pool = Pool::builder().cancel_token(&token);
        Box::new(pool.build().expect("a valid pool"))
    };
    pools_of_tasks, POOLS => |held| {
        let pool = Pool::builder().on_thread_start(move |_| {
            let _ = &held;
        });
        let pool = pool.build().expect("a valid pool");
        Box::new(Task::<()>::builder().pool(&pool))
    };
    builders_of_pools_in_hooks, LENGTH => |held| {
        let held = Arc::new(held);
        let (other, builder) = (held.clone(), Pool::builder());
        let builder = builder.on_thread_start(move |_| {
            let _ = &held;
        });
        Box::new(builder.on_thread_stop(move |_| {
            let _ = &other;
        }))
    };
    errors_in_errors, LENGTH => |held| Box::new(error_of(Task::<()>::failed(Wrapped(held))));
    errors_in_payloads, LENGTH => |held| {
        let task = Task::ready(()).on(&Inline).then(move |()| {
            resume_unwind(Box::new(held));
        });
        Box::new(error_of(task))
    };
    errors_in_aggregates, LENGTH => |held| {
        let failed = vec![Task::<()>::failed(Wrapped(held))];
        Box::new(any(failed).wait().unwrap_err())
    };
    topics_in_callbacks, LENGTH => |held| {
        let topic = Topic::<u8>::new();
        topic.subscribe(move |_| keep(&held));
        Box::new(topic)
    };
    topics_in_callbacks_behind_buffers, LENGTH => |held| {
        let topic = Topic::<u8>::new();
        let window = LoopQueue::new();
        topic.on(&window).subscribe(move |_| keep(&held));
        Box::new((topic, window))
    };
    topics_in_values, LENGTH => |held| {
        let topic = Topic::new().replay(1);
        let _ = topic.publish(held);
        Box::new(topic)
    };
    derived_topics, LENGTH => |held| Box::new(Topic::<u8>::new().map(move |_| keep(&held)));
    topics_by_subject, LENGTH => |held| {
        let topics = Topics::<u8>::new();
        topics.topic("a.*").expect("a valid pattern").subscribe(move |_| keep(&held));
        Box::new(topics)
    };
    watches, LENGTH => |held| Box::new(Watch::new(held));
    receivers, LENGTH => |held| {
        let topic = Topic::new();
        let receiver = topic.receiver(1, Overflow::Block);
        let _ = topic.publish(held);
        Box::new(receiver)
    };
    subscriptions_to_topics, LENGTH => |held| {
        let topic = Topic::<u8>::new();
        let subscription = topic.subscribe(move |_| keep(&held)).guard();
        Box::new((subscription, topic))
    };
    tasks_for_values_of_topics, LENGTH => |held| {
        let topic = Topic::<u8>::new();
        let next = topic.next().then(move |_| drop(held));
        Box::new((next, topic))
    };
    queues_in_jobs_that_wait, LENGTH => |held| {
        let queue = TaskQueue::builder().paused().build().expect("valid settings");
        queue.spawn(move || drop(held)).detach();
        Box::new(queue)
    };
    semaphores_in_tasks_that_wait, LENGTH => |held| {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.try_acquire(1);
        let waits = semaphore.acquire(1).then(move |_| drop(held)).cancel_on_drop();
        Box::new((waits, permit))
    };
    intervals, LENGTH => |held| {
        let clock = Clock::manual();
        let pool = pool_with(&clock);
        Box::new((pool.every(HOUR, move || keep(&held)), clock))
    };
    time_limits, LENGTH => |held| {
        let clock = Clock::manual();
        let (resolver, task) = deferred::<()>();
        let task = Task::builder().pool(&pool_with(&clock)).attempt(move || task);
        let task = task.timeout(HOUR).then(move |()| drop(held));
        Box::new((task.cancel_on_drop(), resolver, clock))
    };
    time_limits_that_hand_back, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        let task = task.within(HOUR).then(move |_| drop(held));
        Box::new((task.cancel_on_drop(), resolver))
    };
    resources, LENGTH => |held| {
        let (resolver, task) = deferred::<()>();
        let task = task.using(move |_: &mut ()| {
            drop(held);
            Ok(())
        }, |()| Ok(()));
        Box::new((task.cancel_on_drop(), resolver))
    };
    debounces, LENGTH => |held| Box::new(Debounce::<u8, ()>::new(HOUR, move |_| {
        keep(&held);
        Ok(())
    }));
    throttles, LENGTH => |held| Box::new(Throttle::<u8, ()>::new(HOUR, move |_| {
        keep(&held);
        Ok(())
    }));
    policies_that_decide, LENGTH => |held| {
        Box::new(std::sync::Mutex::new(Retry::attempts(2).when(move |_, _| {
            keep(&held);
            Decision::Stop
        })))
    };
    policies_that_tell, LENGTH => |held| {
        Box::new(std::sync::Mutex::new(Retry::attempts(2).notify(move |_, _| keep(&held))))
    };
    policies_with_pauses, LENGTH => |held| {
        let pauses = std::iter::repeat_with(move || {
            keep(&held);
            HOUR
        });
        Box::new(std::sync::Mutex::new(Retry::attempts(2).backoff(pauses)))
    };
    outcomes_that_are_not_read, LENGTH / 4 => |held| {
        let held = std::sync::Mutex::new(Some(held));
        let results = map_unordered(0..1, 1, move |_| Ok(held.lock().unwrap().take()));
        Box::new(std::sync::Mutex::new(results))
    };
}

rows! { flat_at_home:
    loops_in_local_closures, LENGTH => |held| {
        let window = LocalLoop::new();
        let (resolver, task) = deferred::<()>();
        window.then(task, move |()| drop(held)).detach();
        Box::new((window, resolver))
    };
    loops_with_jobs_in_local_closures, LENGTH => |held| {
        let window = LocalLoop::new();
        window.then(Task::ready(()), move |()| drop(held)).detach();
        Box::new(window)
    };
}

/// As many as a program may have.
const DEEP: usize = 100_000;

// Contract: D2
#[test]
fn closures_that_wait_for_the_next() {
    isolated("closures_that_wait_for_the_next", || {
        for (setting, end) in SETTINGS {
            println!("{setting}");
            let drops = Drops::new();
            let token = drops.token();
            let mut line = Task::new(move || token.hold());
            for _ in 0..DEEP {
                let next = line;
                line = Task::new(move || next.wait().unwrap());
            }
            let dropper = thread::Builder::new().stack_size(STACK);
            let dropped = dropper.spawn(move || end(Box::new(line)));
            dropped.unwrap().join().unwrap();
            drops.wait_for(1);
        }
    });
}

// Contract: D2, W1
#[test]
fn the_interface_works_while_thread_locals_are_destroyed() {
    isolated(
        "the_interface_works_while_thread_locals_are_destroyed",
        || {
            let drops = Drops::new();
            let token = drops.token();
            // Its drop is the scene.
            let scene = OnDrop::new(move |_| {
                // Settling a line of tasks, each of which settles the next.
                let (first, mut next) = deferred::<usize>();
                for _ in 0..DEEP {
                    let (resolver, task) = deferred();
                    next.on_settled(move |outcome| {
                        resolver.resolve(*outcome.unwrap() + 1).unwrap();
                    });
                    next = task;
                }
                first.resolve(0).unwrap();
                assert_eq!(next.wait().unwrap(), DEEP);
                // A long chain, and a round of adoptions.
                let chain = (0..DEEP).fold(spawn(|| 0), |task, _| task.then(|n| n + 1));
                assert_eq!(chain.wait().unwrap(), DEEP);
                let adopted = (0..DEEP).fold(Task::ready(0), |task, _| {
                    let outer = Task::ready(task);
                    outer.flatten()
                });
                assert_eq!(adopted.wait().unwrap(), 0);
                // Many tasks, and one that is cancelled.
                let all = await_all((0..1_000).map(|n| spawn(move || n)).collect::<Vec<_>>());
                assert_eq!(all.unwrap().len(), 1_000);
                let shared = spawn(|| 1).share();
                let branch = shared.then(|n| n + 1);
                assert_eq!((*shared.wait().unwrap(), branch.wait().unwrap()), (1, 2));
                let (_resolver, never) = deferred::<()>();
                assert!(never.wait_timeout(Duration::from_millis(1)).is_err());
                drop(token);
            });
            let dropper = thread::Builder::new().stack_size(STACK);
            dropper
                .spawn(|| drop_at_the_end(Box::new(scene)))
                .unwrap()
                .join()
                .unwrap();
            assert_eq!(drops.count(), 1, "the scene was played to its end");
        },
    );
}

/// A destructor begins the first wait. Where one stack is full, the next thread goes on.
// Contract: D2, W1
#[test]
fn waits_nest_while_thread_locals_are_destroyed() {
    fn level(left: usize) -> usize {
        match left {
            0 => 0,
            _ => 1 + spawn(move || level(left - 1)).wait().unwrap(),
        }
    }
    isolated("waits_nest_while_thread_locals_are_destroyed", || {
        // With assertions a stack has room for fewer.
        let depth = if cfg!(debug_assertions) {
            DEEP / 5
        } else {
            DEEP
        };
        let (tell, told) = std::sync::mpsc::channel();
        let scene = OnDrop::new(move |_| tell.send(level(depth)).unwrap());
        let dropper = thread::Builder::new().stack_size(STACK);
        dropper
            .spawn(|| drop_at_the_end(Box::new(scene)))
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(told.recv().unwrap(), depth);
    });
}

fn error_of(task: Task<()>) -> TaskError {
    task.wait().unwrap_err()
}

fn executor(held: Held) -> impl fast_async::Executor + Clone + 'static {
    let held = Arc::new(held);
    move |job: Job| {
        let _ = &held;
        job.run();
    }
}

// Contract: D2
#[test]
fn hooks_that_hold_the_one_before() {
    use fast_async::unhandled::{clear_unhandled_hook, update_unhandled_hook};
    isolated("hooks_that_hold_the_one_before", || {
        let dropper = thread::Builder::new().stack_size(STACK);
        let dropped = dropper.spawn(|| {
            let drops = Drops::new();
            for _ in 0..LENGTH {
                let token = drops.token();
                update_unhandled_hook(move |before, error| {
                    token.hold();
                    before(error);
                });
            }
            clear_unhandled_hook();
            assert_eq!(drops.count(), LENGTH);
            // One that panics in its drop keeps no other.
            for n in 0..LENGTH {
                let (token, bomb) = (drops.token(), (n % 100 == 0).then(|| drops.bomb()));
                update_unhandled_hook(move |before, error| {
                    token.hold();
                    bomb.iter().for_each(|bomb| bomb.hold());
                    before(error);
                });
            }
            clear_unhandled_hook();
            assert_eq!(drops.count(), 2 * LENGTH + LENGTH / 100);
        });
        dropped.unwrap().join().unwrap();
    });
}
