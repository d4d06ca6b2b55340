//! How often and how much each operation allocates, counted over the whole process.
//!
//! Scenarios without a pool are exact: they run once, after a run that fills the caches of the
//! thread. In scenarios with a pool, threads that start or search may allocate too, but no run
//! allocates less than the work itself does: the figure is the minimum of several counts, of many
//! on a busy machine.

use std::alloc::System;
use std::process::ExitCode;
use std::time::Duration;

use fast_async::topic::{Overflow, Topic};
use fast_async::{
    Inline, Memo, Pool, Resolver, Subscription, Task, TaskContext, all, deferred, delay,
    set_max_threads, spawn, spawn_with,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Operations in a run.
const N: usize = 1_000;
/// How often a list of `N` entries may be made and grow, each time to twice its size.
const GROWTH: usize = 2 + N.ilog2() as usize;
/// Runs of a scenario with a pool: at least and at most. What is wrong with the code is wrong in
/// all of them.
const ROUNDS: (usize, usize) = (20, 2_000);
/// A pool that is not at rest after this time hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// The figures of the measured part of a scenario.
#[derive(Clone, Copy)]
struct Spent {
    /// Blocks asked for, and blocks asked to be made larger or smaller.
    calls: usize,
    /// Bytes in use at its end, minus the bytes in use at its beginning.
    bytes: isize,
}

fn live() -> isize {
    let stats = COUNTED.stats();
    stats.bytes_allocated.cast_signed() - stats.bytes_deallocated.cast_signed()
}

fn calls() -> usize {
    let stats = COUNTED.stats();
    stats.allocations + stats.reallocations
}

/// Runs the measured part of a scenario.
fn count<R>(part: impl FnOnce() -> R) -> (Spent, R) {
    let before = (calls(), live());
    let result = part();
    let spent = Spent {
        calls: calls() - before.0,
        bytes: live() - before.1,
    };
    (spent, result)
}

struct Scenario {
    what: &'static str,
    operations: usize,
    /// Fewer allocations than this: the scenario does not measure what it says.
    least: usize,
    most: usize,
    /// How many bytes each operation may leave in use at the end of the measured part.
    bytes: Option<isize>,
    rounds: (usize, usize),
    run: fn() -> Spent,
}

impl Scenario {
    const fn exact(what: &'static str, allocations: usize, run: fn() -> Spent) -> Scenario {
        Scenario {
            what,
            operations: N,
            least: allocations * N,
            most: allocations * N,
            bytes: None,
            rounds: (1, 1),
            run,
        }
    }

    /// Grows lists too: a few allocations more than one per operation.
    const fn growing(self, lists: usize) -> Scenario {
        Scenario {
            most: self.most + lists * GROWTH,
            ..self
        }
    }

    /// Other than `N` operations; to be said before `growing`.
    const fn of(self, operations: usize) -> Scenario {
        Scenario {
            operations,
            least: self.least / N * operations,
            most: self.most / N * operations,
            ..self
        }
    }

    const fn leaves(self, bytes: isize) -> Scenario {
        Scenario {
            bytes: Some(bytes),
            ..self
        }
    }

    const fn pooled(self) -> Scenario {
        Scenario {
            rounds: ROUNDS,
            ..self
        }
    }

    /// Runs it, prints its row, and tells what is wrong.
    fn check(&self) -> Option<&'static str> {
        (self.run)();
        let (mut spent, mut left) = self.round();
        let (least, most) = self.rounds;
        for round in 1..most {
            if round >= least && self.wrong(spent, left).is_none() {
                break;
            }
            let (now_spent, now_left) = self.round();
            if now_spent.calls < spent.calls {
                spent = now_spent;
            }
            if now_left.abs() < left.abs() {
                left = now_left;
            }
        }
        let operations = self.operations as f64;
        println!(
            "{:<46} {:>6} {:>7} {:>9.3} {:>7} {:>8.1} {:>6}",
            self.what,
            self.operations,
            spent.calls,
            spent.calls as f64 / operations,
            self.most,
            spent.bytes as f64 / operations,
            left,
        );
        self.wrong(spent, left)
    }

    /// One run, and how many bytes more are in use after it.
    fn round(&self) -> (Spent, isize) {
        let before = live();
        let spent = (self.run)();
        (spent, live() - before)
    }

    fn wrong(&self, spent: Spent, left: isize) -> Option<&'static str> {
        let takes_too_much = |bytes| spent.bytes > bytes * self.operations.cast_signed();
        if spent.calls > self.most {
            Some("allocates more often than it may")
        } else if spent.calls < self.least {
            Some("allocates less often than it must: nothing is measured")
        } else if self.bytes.is_some_and(takes_too_much) {
            Some("takes more memory than it may")
        } else if left != 0 {
            Some("leaves memory in use, or frees what it did not allocate")
        } else {
            None
        }
    }
}

const SCENARIOS: [Scenario; 31] = [
    Scenario::exact("deferred", 1, a_deferred_task),
    Scenario::exact("Task::ready", 1, a_ready_task),
    Scenario::exact("resolve", 0, resolving),
    Scenario::exact("wait, settled", 0, waiting_for_settled_tasks),
    Scenario::exact("then, the first of each task", 1, a_first_link),
    Scenario::exact("then, a pending chain", 1, a_pending_chain::<N>).growing(1),
    Scenario::exact(
        "then, a chain whose list is full",
        1,
        a_pending_chain::<1_024>,
    )
    .of(1_024)
    .growing(2)
    .leaves(96),
    Scenario::exact(
        "then, a chain whose list has just grown",
        1,
        a_pending_chain::<1_025>,
    )
    .of(1_025)
    .growing(2)
    .leaves(96),
    // A driver counts references to each piece of the list that it works through.
    Scenario::exact("settling a chain of thens", 0, settling_a_chain).growing(1),
    Scenario::exact("then on a settled task, Inline", 1, a_late_link),
    Scenario::exact("catch, a pending chain", 1, a_chain_of_catches).growing(1),
    Scenario::exact("finally, a pending chain", 1, a_chain_of_finallies).growing(1),
    Scenario::exact("subscribe, the first of each task", 1, a_first_observer),
    Scenario::exact("subscribe, all on one task", 1, observers).growing(1),
    Scenario::exact("settling a task with observers", 0, settling_observers).growing(1),
    // A list of which most was removed is made anew, half as long each time.
    Scenario::exact("subscribe + unsubscribe", 1, unsubscribing)
        .growing(6)
        .leaves(0),
    Scenario::exact("all, pending tasks", 1, joining).growing(2),
    Scenario::exact("all, settling its tasks", 0, settling_the_joined).growing(1),
    Scenario::exact("and_then that returns a pending task", 2, adopting),
    Scenario::exact("then on a shared task", 3, branching).growing(1),
    Scenario::exact("cancel, a pending task", 1, cancelling),
    // Its cell, what it waits for, the timer's entry and the failure.
    Scenario::exact("delay + cancel", 5, cancelling_delays).pooled(),
    Scenario::exact("Memo::get of a value that is there", 0, finding_in_a_cache).pooled(),
    Scenario::exact("publish to 100 callbacks", 1, publishing_to_callbacks),
    Scenario::exact("publish to 100 receivers", 1, publishing_to_receivers),
    // Contract: E3
    Scenario::exact("progress without a listener", 0, reporting).pooled(),
    Scenario::exact("message without a listener", 0, telling).pooled(),
    Scenario::exact("spawn, all waited for later", 1, spawning)
        .growing(1)
        .pooled(),
    Scenario::exact("spawn + wait, one by one", 1, round_trips)
        .growing(1)
        .pooled(),
    Scenario::exact(
        "spawn + then, all waited for later",
        2,
        spawning_with_a_link,
    )
    .growing(1)
    .pooled(),
    Scenario::exact("spawn + wait inside a task", 1, forking_and_joining)
        .growing(1)
        .pooled(),
];

fn main() -> ExitCode {
    // Test runners ask for the names of the tests before they run them.
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    if asked("--list") || asked("--ignored") {
        if !asked("--ignored") {
            println!("allocations: test");
        }
        return ExitCode::SUCCESS;
    }
    println!(
        "{:<46} {:>6} {:>7} {:>9} {:>7} {:>8} {:>6}",
        "operation", "number", "blocks", "each", "at most", "bytes", "left"
    );
    // Threads that come and go allocate as well.
    set_max_threads(2).expect("it is not 0");
    let mut failed = 0;
    for scenario in &SCENARIOS {
        if let Some(wrong) = scenario.check() {
            println!("  FAILED: {wrong}");
            failed += 1;
        }
    }
    println!(
        "bytes: still in use by each operation when the last is done. left: in use when everything is dropped."
    );
    println!(
        "allocations: {} passed, {failed} failed",
        SCENARIOS.len() - failed
    );
    ExitCode::from(u8::from(failed > 0))
}

/// Pending tasks in a list that does not grow while others are counted.
fn pending(n: usize) -> (Vec<Resolver<u64>>, Vec<Task<u64>>) {
    let (mut resolvers, mut tasks) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for _ in 0..n {
        let (resolver, task) = deferred();
        resolvers.push(resolver);
        tasks.push(task);
    }
    (resolvers, tasks)
}

fn resolve_all(resolvers: Vec<Resolver<u64>>) {
    for resolver in resolvers {
        resolver.resolve(1).expect("no other resolver settles it");
    }
}

fn wait_for_all(tasks: Vec<Task<u64>>) {
    let sum: u64 = tasks
        .into_iter()
        .map(|task| task.wait().expect("it has a value"))
        .sum();
    assert!(sum > 0);
}

fn a_deferred_task() -> Spent {
    let mut made = Vec::with_capacity(N);
    let (spent, ()) = count(|| made.extend((0..N).map(|_| deferred::<u64>())));
    for (resolver, task) in made {
        resolver.resolve(1).expect("no other resolver settles it");
        assert_eq!(task.wait().expect("it has a value"), 1);
    }
    spent
}

fn a_ready_task() -> Spent {
    let mut made = Vec::with_capacity(N);
    let (spent, ()) = count(|| made.extend((0..N).map(|_| Task::ready(1))));
    wait_for_all(made);
    spent
}

fn resolving() -> Spent {
    let (resolvers, tasks) = pending(N);
    let (spent, ()) = count(|| resolve_all(resolvers));
    wait_for_all(tasks);
    spent
}

fn waiting_for_settled_tasks() -> Spent {
    let (resolvers, tasks) = pending(N);
    resolve_all(resolvers);
    count(|| wait_for_all(tasks)).0
}

/// A closure of one word: what a link commonly captures.
fn adding(word: u64) -> impl FnOnce(u64) -> u64 + Send {
    move |value| value + word
}

fn a_first_link() -> Spent {
    let (resolvers, tasks) = pending(N);
    let mut linked = Vec::with_capacity(N);
    let (spent, ()) = count(|| linked.extend(tasks.into_iter().map(|task| task.then(adding(1)))));
    resolve_all(resolvers);
    wait_for_all(linked);
    spent
}

fn a_pending_chain<const LINKS: usize>() -> Spent {
    let (resolver, task) = deferred::<u64>();
    let (spent, end) = count(|| (0..LINKS).fold(task, |task, _| task.then(adding(1))));
    resolver.resolve(0).expect("no other resolver settles it");
    assert_eq!(end.wait().expect("no link fails"), LINKS as u64);
    spent
}

fn settling_a_chain() -> Spent {
    let (resolver, task) = deferred::<u64>();
    let end = (0..N).fold(task, |task, _| task.then(adding(1)));
    let (spent, value) = count(|| {
        resolver.resolve(0).expect("no other resolver settles it");
        end.wait().expect("no link fails")
    });
    assert_eq!(value, N as u64);
    spent
}

fn a_late_link() -> Spent {
    let task = Task::ready(0).on(&Inline);
    let (spent, end) = count(|| (0..N).fold(task, |task, _| task.then(adding(1))));
    assert_eq!(end.wait().expect("no link fails"), N as u64);
    spent
}

fn a_chain_of_catches() -> Spent {
    let (resolver, task) = deferred::<u64>();
    let (spent, end) = count(|| (0..N as u64).fold(task, |task, i| task.catch(move |_| i)));
    resolver.resolve(1).expect("no other resolver settles it");
    assert_eq!(end.wait().expect("it has a value"), 1);
    spent
}

fn a_chain_of_finallies() -> Spent {
    let (resolver, task) = deferred::<u64>();
    let (spent, end) = count(|| {
        (0..N as u64).fold(task, |task, i| {
            task.finally(move || {
                std::hint::black_box(i);
            })
        })
    });
    resolver.resolve(1).expect("no other resolver settles it");
    assert_eq!(end.wait().expect("it has a value"), 1);
    spent
}

fn observe(task: &Task<u64>, word: u64) -> Subscription {
    task.subscribe(
        move |value| {
            std::hint::black_box(value + word);
        },
        |error| panic!("it has a value: {error}"),
    )
}

fn a_first_observer() -> Spent {
    let (resolvers, tasks) = pending(N);
    let (spent, ()) = count(|| {
        for task in &tasks {
            observe(task, 1);
        }
    });
    resolve_all(resolvers);
    wait_for_all(tasks);
    spent
}

fn observers() -> Spent {
    let (resolver, task) = deferred::<u64>();
    let (spent, ()) = count(|| {
        for i in 0..N as u64 {
            observe(&task, i);
        }
    });
    resolver.resolve(1).expect("no other resolver settles it");
    assert_eq!(task.wait().expect("it has a value"), 1);
    spent
}

fn settling_observers() -> Spent {
    let (resolver, task) = deferred::<u64>();
    for i in 0..N as u64 {
        observe(&task, i);
    }
    let (spent, value) = count(|| {
        resolver.resolve(1).expect("no other resolver settles it");
        task.wait().expect("it has a value")
    });
    assert_eq!(value, 1);
    spent
}

/// The task stays pending all the while: the memory comes back with the subscriptions, not with the
/// task.
fn unsubscribing() -> Spent {
    let (resolver, task) = deferred::<u64>();
    let mut subscriptions = Vec::with_capacity(N);
    let (spent, ()) = count(|| {
        subscriptions.extend((0..N as u64).map(|i| observe(&task, i)));
        for subscription in subscriptions.drain(..) {
            assert!(subscription.unsubscribe());
        }
    });
    resolver.resolve(1).expect("no other resolver settles it");
    assert_eq!(task.wait().expect("it has a value"), 1);
    spent
}

fn joining() -> Spent {
    let (resolvers, tasks) = pending(N);
    let (spent, joined) = count(|| all(tasks));
    resolve_all(resolvers);
    assert_eq!(joined.wait().expect("no task fails").len(), N);
    spent
}

fn settling_the_joined() -> Spent {
    let (resolvers, tasks) = pending(N);
    let joined = all(tasks);
    let (spent, values) = count(|| {
        resolve_all(resolvers);
        joined.wait().expect("no task fails")
    });
    assert_eq!(values.len(), N);
    spent
}

/// The link and the two tasks are made before.
fn adopting() -> Spent {
    let (inner, adopted) = pending(N);
    let (outer, tasks) = pending(N);
    let linked: Vec<Task<u64>> = tasks
        .into_iter()
        .zip(adopted)
        .map(|(task, adopted)| task.and_then(move |_| adopted))
        .collect();
    let (spent, ()) = count(|| {
        resolve_all(outer);
        resolve_all(inner);
    });
    wait_for_all(linked);
    spent
}

fn branching() -> Spent {
    let (resolver, task) = deferred::<u64>();
    let shared = task.share();
    let mut branches = Vec::with_capacity(N);
    let (spent, ()) = count(|| {
        branches.extend((0..N as u64).map(|i| shared.then(move |value| value + i)));
    });
    resolver.resolve(1).expect("no other resolver settles it");
    wait_for_all(branches);
    spent
}

fn cancelling() -> Spent {
    let (resolvers, tasks) = pending(N);
    let (spent, ()) = count(|| {
        for task in tasks {
            task.cancel();
        }
    });
    for resolver in resolvers {
        assert!(resolver.resolve(1).is_err(), "it was cancelled");
    }
    spent
}

fn cancelling_delays() -> Spent {
    let cancelled = || delay(LIMIT).cancel();
    // The first one starts the thread of the timers.
    cancelled();
    count(|| {
        for _ in 0..N {
            cancelled();
        }
    })
    .0
}

fn finding_in_a_cache() -> Spent {
    let memo = Memo::new(|n: &u64| Ok(*n)).capacity(16);
    let memo = memo.ttl(LIMIT);
    for n in 0..16 {
        memo.get(n).wait().expect("its loader does not fail");
    }
    rest();
    let (spent, ()) = count(|| {
        for n in 0..N as u64 {
            assert!(memo.get(n % 16).is_settled());
        }
    });
    spent
}

/// The workers have dropped all references.
fn rest() {
    assert!(Pool::global().wait_idle(LIMIT), "the pool hangs");
}

fn publishing_to_callbacks() -> Spent {
    let topic = Topic::new();
    for _ in 0..100 {
        topic.subscribe(|n: &usize| assert!(*n < N));
    }
    count(|| (0..N).for_each(|n| assert_eq!(topic.publish(n), Ok(100)))).0
}

fn publishing_to_receivers() -> Spent {
    let topic = Topic::new();
    let receivers = (0..100).map(|_| topic.receiver(2, Overflow::DropOldest));
    let mut receivers: Vec<_> = receivers.collect();
    // Makes room in the queues.
    topic.publish(0).expect("it is open");
    count(|| {
        for n in 0..N {
            assert_eq!(topic.publish(n), Ok(100));
            for receiver in &mut receivers {
                assert!(receiver.try_recv().is_some());
            }
        }
    })
    .0
}

/// The context of a task that is settled: it tells what a context tells.
fn context() -> TaskContext {
    spawn_with(TaskContext::clone)
        .wait()
        .expect("it has a value")
}

fn reporting() -> Spent {
    let context = context();
    count(|| (0..N as u64).for_each(|done| context.progress(done, N as u64))).0
}

fn telling() -> Spent {
    let context = context();
    count(|| (0..N).for_each(|_| context.message("a message"))).0
}

fn spawning() -> Spent {
    let mut tasks = Vec::with_capacity(N);
    let (spent, ()) = count(|| {
        tasks.extend((0..N as u64).map(|i| spawn(move || i)));
        wait_for_all(std::mem::take(&mut tasks));
    });
    rest();
    spent
}

fn round_trips() -> Spent {
    let (spent, sum) = count(|| {
        (0..N as u64)
            .map(|i| spawn(move || i).wait().expect("it does not fail"))
            .sum::<u64>()
    });
    assert!(sum > 0);
    rest();
    spent
}

fn spawning_with_a_link() -> Spent {
    let mut tasks = Vec::with_capacity(N);
    let (spent, ()) = count(|| {
        tasks.extend((0..N as u64).map(|i| spawn(move || i).then(adding(1))));
        wait_for_all(std::mem::take(&mut tasks));
    });
    rest();
    spent
}

fn forking_and_joining() -> Spent {
    let task = spawn(|| {
        let (spent, sum) = count(|| {
            (0..N as u64)
                .map(|i| spawn(move || i).wait().expect("it does not fail"))
                .sum::<u64>()
        });
        assert!(sum > 0);
        spent
    });
    let spent = task.wait().expect("it does not fail");
    rest();
    spent
}
