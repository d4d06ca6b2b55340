//! Every blocking call in every place where user code runs: other threads run the steps of what
//! that code has settled while it blocks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fast_async::flow::map_unordered;
use fast_async::loop_queue::{LocalLoop, StateQueue};
use fast_async::retry::Decision;
use fast_async::time::Debounce;
use fast_async::topic::{Overflow, Topic};
use fast_async::{
    CancelToken, Clock, Job, LoopQueue, Memo, Pool, Retry, Semaphore, Shutdown, Task, TaskQueue,
    await_all, await_first, deferred, group, map_limit, retry, set_unhandled_hook, spawn,
};
use parking_lot::Mutex;

use super::pool_of;
use crate::support::{Gate, Latch, OnDrop, PATIENCE, expected, isolated, within};

/// What user code does in a place: settles a task, and blocks until the continuation of that task
/// has run.
#[derive(Clone)]
struct Deed {
    blocks: fn(&Ground),
    over: Latch,
}

/// What a blocking call blocks on. All of it comes when the gate is open.
struct Ground {
    gate: Gate,
    /// Settled when the gate is open.
    task: Mutex<Option<Task<()>>>,
    /// Its only thread is busy until the gate is open; its queue is full.
    busy: Pool,
    queue: LoopQueue,
}

impl Ground {
    /// `gate` opens when the callback of another task has run.
    fn new(gate: Gate) -> Ground {
        let busy = Pool::builder().max_threads(1).queue_limit(1);
        let busy = busy.build().expect("a valid pool");
        let began = Gate::new();
        busy.spawn({
            let (gate, began) = (gate.clone(), began.clone());
            move || {
                began.open();
                gate.pass();
            }
        })
        .detach();
        began.pass();
        busy.spawn(|| ()).detach();
        // Settled by a thread that no pool knows.
        let (resolver, task) = deferred();
        thread::spawn({
            let gate = gate.clone();
            move || {
                gate.pass();
                resolver.resolve(()).unwrap();
            }
        });
        Ground {
            gate,
            task: Mutex::new(Some(task)),
            busy,
            queue: LoopQueue::new(),
        }
    }

    fn task(&self) -> Task<()> {
        self.task.lock().take().expect("one blocking call")
    }
}

impl Deed {
    fn perform(&self) {
        let (resolver, task) = deferred::<()>();
        let gate = Gate::new();
        let ground = Ground::new(gate.clone());
        task.then(move |()| gate.open()).detach();
        // In a callback this is put on the thread's list. Elsewhere it runs here and now, so that
        // other threads never have to.
        resolver.resolve(()).unwrap();
        (self.blocks)(&ground);
        assert!(ground.gate.is_open());
        self.over.count_down();
    }
}

type Call = (&'static str, fn(&Ground));

const CALLS: [Call; 28] = [
    ("wait", |ground| ground.task().wait().unwrap()),
    ("wait_parked", |ground| ground.task().wait_parked().unwrap()),
    ("wait_timeout", |ground| {
        ground.task().wait_timeout(PATIENCE).unwrap().unwrap();
    }),
    ("wait for a new task", |ground| {
        let gate = ground.gate.clone();
        spawn(move || gate.pass()).wait().unwrap();
    }),
    ("wait of a shared task", |ground| {
        let shared = ground.task().share();
        shared.wait().unwrap();
    }),
    ("wait_timeout of a shared task", |ground| {
        let shared = ground.task().share();
        shared.wait_timeout(PATIENCE).unwrap().unwrap();
    }),
    ("subscribe_blocking", |ground| {
        ground.task().subscribe_blocking(|()| (), |_| ()).unwrap();
    }),
    ("await_all", |ground| {
        await_all(vec![ground.task(), spawn(|| ())]).unwrap();
    }),
    ("await_first", |ground| {
        await_first(vec![Task::failed("no"), ground.task()]).unwrap();
    }),
    ("wait_idle", |ground| {
        assert!(ground.busy.wait_idle(PATIENCE))
    }),
    ("shutdown", |ground| {
        assert!(
            ground
                .busy
                .shutdown(Shutdown::Drain, PATIENCE)
                .is_complete()
        );
    }),
    ("run_until", |ground| {
        ground.queue.run_until(ground.task()).unwrap();
    }),
    ("wait_pending", |ground| {
        let queue = &ground.queue;
        ground.task().on(queue).then(|()| ()).detach();
        assert!(queue.wait_pending(PATIENCE));
        queue.run_pending();
    }),
    ("wait_parked of a shared task", |ground| {
        ground.task().share().wait_parked().unwrap();
    }),
    ("group", |ground| {
        let task = ground.task();
        group(move |g| {
            g.attempt(move || task).detach();
            Ok(())
        })
        .unwrap();
    }),
    ("next of some results", |ground| {
        let task = Mutex::new(Some(ground.task()));
        let mut results = map_unordered(0..1, 1, move |_| task.lock().take().unwrap());
        results.next().unwrap().unwrap();
    }),
    ("recv", |ground| {
        let topic = Topic::new();
        let mut receiver = topic.receiver(1, Overflow::Block);
        let task = ground.task();
        task.then(move |()| topic.publish(()).is_ok()).detach();
        receiver.recv().unwrap();
    }),
    ("recv_timeout", |ground| {
        let topic = Topic::new();
        let mut receiver = topic.receiver(1, Overflow::Block);
        let task = ground.task();
        task.then(move |()| topic.publish(()).is_ok()).detach();
        receiver.recv_timeout(PATIENCE).unwrap();
    }),
    ("publish to a full receiver", |ground| {
        let topic = Topic::new();
        // The thread that made it could not take from it while it publishes.
        let maker = topic.clone();
        let maker = thread::spawn(move || maker.receiver(1, Overflow::Block));
        let mut receiver = maker.join().unwrap();
        topic.publish(()).unwrap();
        let task = ground.task();
        task.then(move |()| receiver.recv().is_ok()).detach();
        topic.publish(()).unwrap();
    }),
    ("advance of a clock", |ground| {
        let clock = Clock::manual();
        let pool = Pool::builder().clock(&clock).build().unwrap();
        let gate = ground.gate.clone();
        pool.spawn(move || gate.pass()).detach();
        clock.advance(Duration::from_secs(1));
    }),
    ("run_until with a state", |ground| {
        let queue = StateQueue::<()>::new();
        queue.run_until(&mut (), ground.task()).unwrap();
    }),
    ("run_until of a local loop", |ground| {
        let window = LocalLoop::new();
        window.queue().run_until(ground.task()).unwrap();
    }),
    ("stopped", |ground| ground.task().stopped().wait().unwrap()),
    ("flush", |ground| {
        let topic = Topic::new();
        let gate = ground.gate.clone();
        topic
            .on(Pool::global())
            .subscribe(move |_: &u8| gate.pass());
        topic.publish(1).unwrap();
        topic.flush().wait().unwrap();
    }),
    ("when_idle", |ground| {
        let (queue, gate) = (TaskQueue::serial(), ground.gate.clone());
        queue.spawn(move || gate.pass()).detach();
        queue.when_idle().wait().unwrap();
    }),
    ("a permit", |ground| {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.try_acquire(1);
        ground.task().then(move |()| drop(permit)).detach();
        drop(semaphore.acquire(1).wait().unwrap());
    }),
    ("run_until of what is delivered", |ground| {
        let queue = StateQueue::<()>::new();
        let shown = ground.task().deliver(&queue, |_, ()| ());
        queue.run_until(&mut (), shown).unwrap();
    }),
    ("run_pending, and jobs that block", |ground| {
        // The crate does not know that a gate blocks.
        let gate = ground.gate.clone();
        let sent = Task::ready(()).on(&ground.queue);
        sent.then(move |()| gate.pass()).detach();
        comes_to(&ground.queue);
        ground.queue.run_pending();
        jobs_settle_and_block();
    }),
];

/// A thread that unwinds calls no executor: a thread of the pool sends the job.
fn comes_to(queue: &LoopQueue) {
    if thread::panicking() {
        assert!(queue.wait_pending(PATIENCE));
    }
}

/// Each job and closure of a loop may block on what an earlier one has settled.
fn jobs_settle_and_block() {
    let (queue, local) = (StateQueue::<()>::new(), LocalLoop::new());
    let (state_gate, gate) = (Gate::new(), Gate::new());
    let settles = |opens: &Gate| {
        let (resolver, task) = deferred::<()>();
        let opens = opens.clone();
        task.then(move |()| opens.open()).detach();
        move || resolver.resolve(()).unwrap()
    };
    let settle = settles(&gate);
    let first = Task::ready(()).on(queue.queue());
    first.then(move |()| settle()).detach();
    comes_to(queue.queue());
    let settle = settles(&state_gate);
    Task::ready(())
        .deliver(&queue, move |_, ()| {
            gate.pass();
            settle();
        })
        .detach();
    Task::ready(())
        .deliver(&queue, move |_, ()| state_gate.pass())
        .detach();
    queue.run_pending_for(&mut (), Duration::MAX);
    // A closure that is only dropped in a turn.
    let gate = Gate::new();
    let settle = settles(&gate);
    let waits = OnDrop::new(move |_| gate.pass());
    let (_resolver, never) = deferred::<()>();
    let cancelled = local.then(never, move |()| waits.hold());
    let cancels = thread::spawn(move || cancelled.cancel());
    cancels.join().unwrap();
    settle();
    local.queue().run_pending();
}

/// Blocks only where it may: not on the workers of any pool.
fn full_queue(ground: &Ground) {
    ground.busy.spawn(|| ()).detach();
    // On a worker `spawn` goes over the limit instead.
    ground.gate.pass();
}

/// Settles a task on this thread, whose callbacks run here.
fn settle_here(hang: impl FnOnce(Task<()>)) {
    let (resolver, task) = deferred();
    hang(task);
    resolver.resolve(()).unwrap();
}

fn fail_here(hang: impl FnOnce(Task<()>)) {
    let (resolver, task) = deferred::<()>();
    hang(task);
    resolver.reject("expected").unwrap();
}

/// Runs `f` in a callback on this thread, so that what it settles is put on the thread's list.
fn in_callback(f: impl FnOnce() + Send + 'static) {
    settle_here(|task| task.then(move |()| f()).detach());
}

type Place = (&'static str, fn(Deed));

/// Places on the thread that calls.
const HERE: [Place; 8] = [
    ("then", |deed| in_callback(move || deed.perform())),
    ("on_settled", |deed| {
        settle_here(|task| {
            task.on_settled(move |_| deed.perform());
            task.detach();
        });
    }),
    ("subscribe", |deed| {
        settle_here(|task| {
            task.subscribe(move |()| deed.perform(), |_| ());
            task.detach();
        });
    }),
    ("finally", |deed| {
        settle_here(|task| task.finally(move || deed.perform()).detach());
    }),
    ("catch", |deed| {
        fail_here(|task| task.catch(move |_| deed.perform()).detach());
    }),
    ("a branch of a shared task", |deed| {
        settle_here(|task| task.share().then(move |()| deed.perform()).detach());
    }),
    ("on_cancel", |deed| {
        in_callback(move || {
            let token = CancelToken::new();
            token.on_cancel(move || deed.perform());
            token.cancel();
        });
    }),
    ("the drop of what a closure captured", |deed| {
        settle_here(|task| {
            let guard = OnDrop::new(move |_| deed.perform());
            task.catch(move |_| guard.hold()).detach();
        });
    }),
];

/// Places that bring their own thread.
const ELSEWHERE: [Place; 21] = [
    ("a closure on a worker", |deed| {
        pool_of(1).spawn(move || deed.perform()).detach();
    }),
    ("a chain on a worker", |deed| {
        let started = pool_of(1).spawn(|| ());
        started.then(move |()| deed.perform()).detach();
    }),
    ("a job of a pool", |deed| {
        let sent = Task::ready(()).on(&pool_of(1));
        sent.then(move |()| deed.perform()).detach();
    }),
    ("a job of an executor", |deed| {
        let sent = Task::ready(()).on(&|job: Job| {
            thread::spawn(move || job.run());
        });
        sent.then(move |()| deed.perform()).detach();
    }),
    ("a job of a loop", |deed| {
        let queue = LoopQueue::new();
        let sent = Task::ready(()).on(&queue);
        sent.then(move |()| deed.perform()).detach();
        queue.run_pending();
    }),
    ("a hook at a thread's start", |deed| {
        let hook = move |number| {
            let deed = deed.clone();
            // Threads that stand in for the first one have hooks too.
            if number == 1 {
                in_callback(move || deed.perform());
            }
        };
        let pool = Pool::builder().max_threads(1).core_threads(1);
        let pool = pool.on_thread_start(hook).build().unwrap();
        pool.spawn(|| ()).wait().unwrap();
    }),
    ("a hook at a thread's stop", |deed| {
        let hook = move |number| {
            let deed = deed.clone();
            // Threads that stand in for the first one have hooks too.
            if number == 1 {
                in_callback(move || deed.perform());
            }
        };
        let pool = Pool::builder().max_threads(1).core_threads(1);
        let pool = pool.on_thread_stop(hook).build().unwrap();
        pool.spawn(|| ()).wait().unwrap();
        assert!(pool.shutdown(Shutdown::Drain, PATIENCE).is_complete());
    }),
    ("a drop while a panic unwinds", |deed| {
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _guard = OnDrop::new(move |_| deed.perform());
            expected("the guard is dropped while this unwinds");
        }));
        assert!(unwound.is_err());
    }),
    ("a drop while a callback unwinds", |deed| {
        in_callback(move || {
            let _guard = OnDrop::new(move |_| deed.perform());
            expected("the guard is dropped while this unwinds");
        });
    }),
    ("an executor", |deed| {
        in_callback(move || {
            let deed = Arc::new(Mutex::new(Some(deed)));
            let executor = move |job: Job| {
                let deed = deed.lock().take();
                if let Some(deed) = deed {
                    deed.perform();
                }
                job.run();
            };
            Task::ready(()).on(&executor).then(|()| ()).detach();
        });
    }),
    ("the notice of a loop", |deed| {
        in_callback(move || {
            let deed = Mutex::new(Some(deed));
            let queue = LoopQueue::with_notify(move || {
                let deed = deed.lock().take();
                if let Some(deed) = deed {
                    deed.perform();
                }
            });
            Task::ready(()).on(&queue).then(|()| ()).detach();
            queue.run_pending();
        });
    }),
    ("a callback of a topic", |deed| {
        in_callback(move || {
            let topic = Topic::new();
            topic.subscribe(move |_: &()| deed.perform());
            topic.publish(()).unwrap();
        });
    }),
    ("the closure of a derived topic", |deed| {
        in_callback(move || {
            let topic = Topic::new();
            let derived = topic.map(move |_: &()| deed.perform());
            derived.subscribe(|_| ());
            topic.publish(()).unwrap();
        });
    }),
    ("a delivery to a state", |deed| {
        let queue = StateQueue::<()>::new();
        Task::ready(())
            .deliver(&queue, move |_, ()| deed.perform())
            .detach();
        queue.run_pending(&mut ());
    }),
    ("a closure of a local loop", |deed| {
        let window = LocalLoop::new();
        window
            .then(Task::ready(()), move |()| deed.perform())
            .detach();
        window.queue().run_pending();
    }),
    ("a loader", |deed| {
        let memo = Memo::new(move |_: &u8| {
            deed.perform();
            Ok(())
        });
        memo.get(1).wait().unwrap();
    }),
    ("an element of a flow", |deed| {
        let flow = map_limit(0..1, 1, move |_| {
            deed.perform();
            Ok(())
        });
        flow.wait().unwrap();
    }),
    ("an iterator of a flow", |deed| {
        let mut deed = Some(deed);
        let iter = std::iter::from_fn(move || deed.take().map(|deed| deed.perform()));
        map_limit(iter, 1, |()| Ok(())).wait().unwrap();
    }),
    ("the policy of a retry", |deed| {
        let policy = Retry::attempts(2).when(move |_, _| {
            deed.perform();
            Decision::Stop
        });
        retry(policy, |_| Err::<(), _>("expected".into()))
            .wait()
            .unwrap_err();
    }),
    ("the release of a resource", |deed| {
        let used = Task::ready(()).using(
            |_: &mut ()| Ok(()),
            move |()| {
                deed.perform();
                Ok(())
            },
        );
        used.wait().unwrap();
    }),
    ("a merged call", |deed| {
        let save = Debounce::<(), ()>::new(Duration::ZERO, move |()| {
            deed.perform();
            Ok(())
        });
        save.call(()).wait().unwrap();
    }),
];

fn perform(call: &str, blocks: fn(&Ground), place: &str, run: impl FnOnce(Deed) + Send + 'static) {
    println!("{call} in {place}");
    within(move || {
        let deed = Deed {
            blocks,
            over: Latch::new(1),
        };
        let over = deed.over.clone();
        run(deed);
        over.wait();
    });
}

// Contract: W1
#[test]
fn every_blocking_call_in_every_callback_on_a_thread_of_no_pool() {
    for (call, blocks) in CALLS
        .into_iter()
        .chain([("spawn", full_queue as fn(&Ground))])
    {
        for (place, run) in HERE {
            perform(call, blocks, place, run);
        }
    }
}

// Contract: W1
#[test]
fn every_blocking_call_in_every_callback_on_the_only_worker() {
    for (call, blocks) in CALLS {
        for (place, run) in HERE {
            perform(call, blocks, place, move |deed| {
                pool_of(1).spawn(move || run(deed)).wait().unwrap();
            });
        }
    }
}

// Contract: W1
#[test]
fn every_blocking_call_in_every_place_with_a_new_thread() {
    for (call, blocks) in CALLS {
        for (place, run) in ELSEWHERE {
            perform(call, blocks, place, run);
        }
    }
}

// Contract: W1, C5
#[test]
fn every_blocking_call_in_the_hook_for_unhandled_failures() {
    // The hook is that of the process.
    isolated(
        "every_blocking_call_in_the_hook_for_unhandled_failures",
        || {
            let in_the_hook = |deed: Deed| {
                let deed = Mutex::new(Some(deed));
                set_unhandled_hook(move |_| {
                    let deed = deed.lock().take();
                    deed.expect("one failure").perform();
                });
                in_callback(|| drop(Task::<()>::failed("expected")));
            };
            for (call, blocks) in CALLS {
                let place = "the hook for unhandled failures";
                perform(call, blocks, place, in_the_hook);
                perform(call, blocks, place, move |deed| {
                    let on_worker = pool_of(1).spawn(move || in_the_hook(deed));
                    on_worker.wait().unwrap();
                });
            }
        },
    );
}
