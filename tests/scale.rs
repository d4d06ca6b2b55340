//! Scale: a million of everything, in constant stack and, where that is promised, in constant
//! memory.
//!
//! `cargo test --release --test scale -- --nocapture` prints times and memory.

#[path = "support/bytes.rs"]
mod bytes;
#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use fast_async::{
    Inline, Job, Pool, Resolver, Task, all, any, attempt, await_all, deferred, spawn,
};
use support::{Drops, LIMIT, isolated, within_time};

const MILLION: usize = 1_000_000;

/// What takes a pool's round trip each is done less often without optimisation, to keep the suite
/// quick.
const ROUNDS: usize = if cfg!(debug_assertions) {
    100_000
} else {
    MILLION
};

/// Bytes in use now.
fn live() -> usize {
    bytes::live_bytes().unsigned_abs()
}

/// Bytes in use, and the most that a look at them has found.
struct Memory {
    before: usize,
    most: AtomicUsize,
}

impl Memory {
    fn watch() -> Arc<Memory> {
        Arc::new(Memory {
            before: live(),
            most: AtomicUsize::new(0),
        })
    }

    fn look(&self) -> usize {
        let more = live().saturating_sub(self.before);
        self.most.fetch_max(more, Ordering::Relaxed);
        more
    }

    fn most(&self) -> usize {
        self.look();
        self.most.load(Ordering::Relaxed)
    }

    #[track_caller]
    fn assert_below(&self, limit: usize, name: &str) {
        let most = self.most();
        assert!(most < limit, "{name}: {most} bytes at the most");
    }
}

const MIB: usize = 1 << 20;

/// Runs a test on a thread with a small stack, by itself: the allocator counts for the whole
/// process.
fn alone(name: &'static str, test: impl FnOnce(&Arc<Memory>) + Send + 'static) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let turn: MutexGuard<'_, ()> = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    within_time(LIMIT * 2, move || {
        let small = thread::Builder::new()
            .stack_size(2 * MIB)
            .spawn(move || {
                let memory = Memory::watch();
                let start = Instant::now();
                test(&memory);
                let (time, most) = (start.elapsed(), memory.most());
                eprintln!("{name}: {time:.2?}, {:.2} MiB", most as f64 / MIB as f64);
            })
            .unwrap();
        if let Err(payload) = small.join() {
            std::panic::resume_unwind(payload);
        }
    });
    drop(turn);
}

/// Runs a test in a new process too, because a mistake would overflow the stack.
fn by_itself(name: &'static str, test: impl FnOnce(&Arc<Memory>) + Send + 'static) {
    isolated(name, move || alone(name, test));
}

fn links(count: usize) -> (Resolver<usize>, Task<usize>) {
    let (resolver, mut task) = deferred();
    for _ in 0..count {
        task = task.then(|n| n + 1);
    }
    (resolver, task)
}

mod chains {
    use super::*;

    // Contract: D2
    // Case: 62
    #[test]
    fn a_million_links_settle() {
        alone("a million links settle", |memory| {
            let (resolver, task) = links(MILLION);
            memory.look();
            resolver.resolve(0).unwrap();
            assert_eq!(task.wait().unwrap(), MILLION);
        });
    }

    // Contract: D2. The budget of a worker hands the rest over again and again.
    #[test]
    fn a_million_links_settle_on_a_worker() {
        alone("a million links settle on a worker", |memory| {
            let (resolver, task) = links(MILLION);
            memory.look();
            let pool = Pool::builder().core_threads(1).max_threads(1);
            let pool = pool.build().unwrap();
            pool.spawn(move || resolver.resolve(0).unwrap())
                .wait()
                .unwrap();
            assert_eq!(task.wait().unwrap(), MILLION);
        });
    }

    // Contract: D2. Each link finds the task settled.
    // Case: 21
    #[test]
    fn a_million_inline_links_on_a_settled_task() {
        alone("a million inline links on a settled task", |_| {
            let mut task = Task::ready(0).on(&Inline);
            for _ in 0..MILLION {
                task = task.then(|n| n + 1);
            }
            assert_eq!(task.wait().unwrap(), MILLION);
        });
    }

    // Contract: D2, S3. A failure passes them all.
    // Case: 62
    #[test]
    fn a_million_links_whose_resolver_is_dropped() {
        alone("a million links whose resolver is dropped", |memory| {
            let (resolver, task) = links(MILLION);
            memory.look();
            drop(resolver);
            assert!(task.wait().is_err());
        });
    }

    // Contract: D2, C4
    // Case: 62
    #[test]
    fn a_million_links_without_a_handle() {
        alone("a million links without a handle", |memory| {
            let drops = Drops::new();
            let (resolver, mut task) = deferred::<usize>();
            for _ in 0..MILLION {
                let token = drops.token();
                task = task.then(move |n| {
                    token.hold();
                    n
                });
            }
            memory.look();
            drop(task);
            assert_eq!(drops.count(), 0);
            drop(resolver);
            assert_eq!(drops.count(), MILLION);
        });
    }

    // Contract: D2, D6
    #[test]
    fn a_million_links_that_are_cancelled() {
        alone("a million links that are cancelled", |memory| {
            let (resolver, task) = links(MILLION);
            memory.look();
            task.cancel();
            assert!(resolver.resolve(0).is_err());
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: D2. Their resolvers are gone, so no code can settle them.
    #[test]
    fn a_million_links_of_a_cold_task_on_a_pool_that_is_shut_down() {
        alone("a million links of a job that its pool discards", |_| {
            let pool = Pool::builder().core_threads(1).max_threads(1);
            let pool = pool.build().unwrap();
            let hold = support::Gate::new();
            let pass = hold.clone();
            let blocker = pool.spawn(move || pass.pass());
            let mut task = pool.spawn(|| 0);
            for _ in 0..MILLION {
                task = task.then(|n| n + 1);
            }
            let _ = pool.shutdown(fast_async::Shutdown::Discard, Duration::ZERO);
            assert!(task.wait().unwrap_err().is_cancelled());
            hold.open();
            blocker.wait().unwrap();
        });
    }
}

mod holders {
    use super::*;

    /// Each closure holds the task before.
    // Contract: D2
    #[test]
    fn a_million_closures_that_hold_each_other_are_dropped() {
        alone("closures that hold tasks", |_| {
            let mut task = Task::ready(0);
            for _ in 0..MILLION {
                let before = task;
                task = Task::new(move || before.wait().unwrap_or(0));
            }
            drop(task);
        });
    }

    /// So does each value.
    // Contract: D2
    #[test]
    fn a_million_values_that_hold_each_other_are_dropped() {
        alone("values that hold tasks", |_| {
            let mut value: Box<dyn std::any::Any + Send> = Box::new(());
            for _ in 0..MILLION {
                value = Box::new(Task::ready(value));
            }
            drop(value);
        });
    }
}

mod forks {
    use super::*;

    const FORKS: usize = if cfg!(debug_assertions) {
        100_000
    } else {
        MILLION
    };

    /// Every link is a fork with a new cell.
    fn forks() -> (Resolver<usize>, Task<usize>) {
        let (resolver, mut task) = deferred();
        for _ in 0..FORKS {
            task = task.share().then(|n| n + 1);
        }
        (resolver, task)
    }

    // Contract: D2
    #[test]
    fn a_line_of_forks_settles() {
        by_itself("forks::a_line_of_forks_settles", |memory| {
            let (resolver, task) = forks();
            memory.look();
            resolver.resolve(0).unwrap();
            assert_eq!(task.wait().unwrap(), FORKS);
        });
    }

    // Contract: D2, S3
    #[test]
    fn a_line_of_forks_is_dropped() {
        by_itself("forks::a_line_of_forks_is_dropped", |memory| {
            let (resolver, task) = forks();
            drop(resolver);
            assert!(task.wait().is_err());
            let (resolver, task) = forks();
            drop(task);
            drop(resolver);
            memory.assert_below(usize::MAX, "forks");
            assert!(memory.look() < MIB, "all of it was given back");
        });
    }

    // Contract: D2, C3
    #[test]
    fn a_line_of_forks_is_cancelled() {
        by_itself("forks::a_line_of_forks_is_cancelled", |memory| {
            let (resolver, task) = forks();
            task.cancel();
            assert!(!resolver.is_wanted(), "it reached the root");
            drop((resolver, task));
            assert!(memory.look() < MIB, "all of it was given back");
        });
    }
}

mod adoption {
    use super::*;

    /// A round of a loop that ends with the next round, looked at from time to time.
    fn repeat(
        memory: &Arc<Memory>,
        left: usize,
        start: impl Fn(usize) -> Task<usize> + Clone + Send + 'static,
    ) -> Task<usize> {
        let memory = memory.clone();
        start(left).and_then(move |left| {
            if left % 1000 == 0 {
                memory.look();
            }
            if left == 0 {
                Task::ready(0)
            } else {
                repeat(&memory, left - 1, start)
            }
        })
    }

    // Contract: S5
    // Case: 63
    #[test]
    fn a_loop_of_spawned_rounds_runs_in_constant_memory() {
        alone("a loop of spawned rounds", |memory| {
            let end = repeat(memory, ROUNDS, |left| spawn(move || left));
            assert_eq!(end.wait().unwrap(), 0);
            memory.assert_below(MIB, "spawned rounds");
        });
    }

    // Contract: S5
    // Case: 63
    #[test]
    fn a_loop_of_ready_rounds_runs_in_constant_memory() {
        alone("a loop of ready rounds", |memory| {
            let end = repeat(memory, ROUNDS, Task::ready);
            assert_eq!(end.wait().unwrap(), 0);
            memory.assert_below(MIB, "ready rounds");
        });
    }

    // Contract: S5. Each round is settled by another thread, after it was adopted.
    #[test]
    fn a_loop_of_rounds_that_settle_late_runs_in_constant_memory() {
        alone("a loop of rounds that settle late", |memory| {
            let (send, receive) = std::sync::mpsc::channel::<(Resolver<usize>, usize)>();
            let settler = thread::spawn(move || {
                for (resolver, left) in receive {
                    resolver.resolve(left).unwrap();
                }
            });
            let end = repeat(memory, ROUNDS, move |left| {
                let (resolver, task) = deferred();
                send.send((resolver, left)).unwrap();
                task
            });
            assert_eq!(end.wait().unwrap(), 0);
            settler.join().unwrap();
            memory.assert_below(MIB, "late rounds");
        });
    }

    // Contract: S5
    #[test]
    fn a_loop_through_branches_runs_in_constant_memory() {
        alone("a loop through branches of shared tasks", |memory| {
            let end = repeat(memory, ROUNDS / 4, |left| {
                spawn(move || left).share().cloned()
            });
            assert_eq!(end.wait().unwrap(), 0);
            memory.assert_below(MIB, "branches");
        });
    }

    // Contract: S5. The retry loop: the next attempt is what a failure is turned into.
    #[test]
    fn a_loop_of_retries_runs_in_constant_memory() {
        fn retry(memory: &Arc<Memory>, left: usize) -> Task<usize> {
            let memory = memory.clone();
            let tried = attempt(move || {
                if left == 0 {
                    Ok(0)
                } else {
                    Err("again".into())
                }
            });
            tried.or_else(move |_| {
                memory.look();
                retry(&memory, left - 1)
            })
        }
        alone("a loop of retries", |memory| {
            assert_eq!(retry(memory, ROUNDS / 4).wait().unwrap(), 0);
            memory.assert_below(MIB, "retries");
        });
    }

    // Contract: S5. A resolver that follows the next one, and so on.
    #[test]
    fn a_line_of_resolvers_runs_in_constant_memory() {
        alone("a line of resolvers", |memory| {
            let (first, end) = deferred::<usize>();
            let mut resolver = first;
            for _ in 0..ROUNDS {
                let (next, task) = deferred();
                assert!(resolver.settle_with(task).is_ok());
                resolver = next;
            }
            memory.assert_below(MIB, "resolvers");
            resolver.resolve(7).unwrap();
            assert_eq!(end.wait().unwrap(), 7);
        });
    }

    // Contract: S5. The same the other way round: each task follows one that follows already.
    #[test]
    fn a_line_that_is_built_from_its_end_runs_in_constant_memory() {
        alone("a line built from its end", |memory| {
            let (end, mut task) = deferred::<usize>();
            for _ in 0..ROUNDS {
                let (resolver, longer) = deferred();
                assert!(resolver.settle_with(task).is_ok());
                task = longer;
            }
            memory.assert_below(MIB, "followers");
            end.resolve(7).unwrap();
            assert_eq!(task.wait().unwrap(), 7);
        });
    }

    // Contract: S5. A loop that runs on another executor is a loop as well.
    fn on_an_executor(name: &'static str, send: fn(Task<usize>, &Pool) -> Task<usize>) {
        by_itself(name, move |memory| {
            let pool = Pool::builder().name("loop").max_threads(1).build().unwrap();
            let home = pool.clone();
            let end = repeat(memory, ROUNDS, move |left| {
                send(home.spawn(move || left), &home)
            });
            assert_eq!(end.wait().unwrap(), 0);
            memory.assert_below(MIB, name);
        });
    }

    // Contract: S5
    #[test]
    fn a_loop_on_a_pool_runs_in_constant_memory() {
        on_an_executor(
            "adoption::a_loop_on_a_pool_runs_in_constant_memory",
            |task, pool| task.on(pool),
        );
    }

    // Contract: S5
    #[test]
    fn an_inline_loop_runs_in_constant_memory() {
        on_an_executor(
            "adoption::an_inline_loop_runs_in_constant_memory",
            |task, _| task.on(&Inline),
        );
    }

    // Contract: S5
    #[test]
    fn a_loop_on_a_custom_executor_runs_in_constant_memory() {
        on_an_executor(
            "adoption::a_loop_on_a_custom_executor_runs_in_constant_memory",
            |task, _| task.on(&|job: Job| job.run()),
        );
    }
}

mod subscribers {
    use super::*;

    // Contract: D1
    // Case: 64
    #[test]
    fn a_million_observers_run_in_their_order() {
        alone("a million observers", |memory| {
            let (resolver, task) = deferred::<usize>();
            let next = Arc::new(AtomicUsize::new(0));
            for number in 0..MILLION {
                let next = next.clone();
                task.on_settled(move |_| {
                    // The observers run in order, so this one is next.
                    if next.load(Ordering::Relaxed) == number {
                        next.store(number + 1, Ordering::Relaxed);
                    }
                });
            }
            memory.look();
            resolver.resolve(7).unwrap();
            assert_eq!(next.load(Ordering::Relaxed), MILLION);
            assert_eq!(task.wait().unwrap(), 7);
        });
    }

    // Contract: D1, D3
    #[test]
    fn a_million_observers_of_a_settled_task_run_in_their_order() {
        alone("a million late observers", |_| {
            let task = Task::ready(7);
            let next = Arc::new(AtomicUsize::new(0));
            for number in 0..MILLION {
                let next = next.clone();
                task.on_settled(move |_| {
                    if next.load(Ordering::Relaxed) == number {
                        next.store(number + 1, Ordering::Relaxed);
                    }
                });
            }
            assert_eq!(task.wait().unwrap(), 7);
            assert_eq!(next.load(Ordering::Relaxed), MILLION);
        });
    }

    // Contract: D6. In any order, each at the same cost.
    #[test]
    fn a_million_observers_unsubscribe() {
        alone("a million observers that unsubscribe", |memory| {
            let (resolver, task) = deferred::<usize>();
            let mut subscriptions: Vec<_> = (0..MILLION)
                .map(|_| Some(task.on_settled(|_| panic!("it was taken out"))))
                .collect();
            memory.look();
            // A step that has no factor in common with their number meets each of them once.
            let mut place = 0;
            for _ in 0..MILLION {
                place = (place + 700_001) % MILLION;
                assert!(subscriptions[place].take().unwrap().unsubscribe());
            }
            drop(subscriptions);
            resolver.resolve(7).unwrap();
            assert_eq!(task.wait().unwrap(), 7);
        });
    }

    // Contract: D1, D6
    #[test]
    fn many_branches_of_one_source() {
        const BRANCHES: usize = 200_000;
        alone("branches of one source", |memory| {
            let (resolver, task) = deferred::<usize>();
            let shared = task.share();
            let branches: Vec<_> = (0..BRANCHES)
                .map(|number| shared.then(move |n| n + number))
                .collect();
            memory.look();
            resolver.resolve(1).unwrap();
            for (number, branch) in branches.into_iter().enumerate() {
                assert_eq!(branch.wait().unwrap(), number + 1);
            }
        });
    }
}

mod garbage {
    use super::*;

    const TIMES: usize = 100_000;

    // Contract: D6. What was cancelled leaves nothing on a source that never settles.
    // Case: 54
    #[test]
    fn cancelled_branches_leave_no_memory() {
        alone("cancelled branches", |memory| {
            let (never, task) = deferred::<usize>();
            let source = task.share();
            for _ in 0..TIMES {
                let branch = source.then(|n| n + 1).then(|n| n + 1);
                branch.cancel();
            }
            memory.assert_below(MIB, "cancelled branches");
            drop(never);
        });
    }

    #[test]
    fn unsubscribed_observers_leave_no_memory() {
        alone("unsubscribed observers", |memory| {
            let (never, task) = deferred::<usize>();
            task.on_settled(|_| ());
            for _ in 0..TIMES {
                let subscription = task.on_settled(|_| ());
                subscription.unsubscribe();
            }
            memory.assert_below(MIB, "unsubscribed observers");
            drop(never);
        });
    }

    // Contract: W2
    #[test]
    fn timed_waits_that_expire_leave_no_memory() {
        alone("expired waits", |memory| {
            let (never, task) = deferred::<usize>();
            let shared = task.share();
            for _ in 0..TIMES / 10 {
                assert!(shared.wait_timeout(Duration::ZERO).is_none());
            }
            memory.assert_below(MIB, "expired waits");
            drop(never);
        });
    }

    // Case: 65
    #[test]
    fn races_against_a_source_that_never_settles_leave_nothing() {
        alone("lost races", |memory| {
            let (never, task) = deferred::<usize>();
            let source = task.share();
            for round in 0..TIMES {
                let (resolver, winner) = deferred();
                let first = any([source.cloned(), winner]);
                resolver.resolve(round).unwrap();
                assert_eq!(first.wait().unwrap(), round);
            }
            memory.assert_below(MIB, "lost races");
            drop(never);
        });
    }

    // A detached task that is done is gone.
    #[test]
    fn detached_tasks_leave_no_memory() {
        alone("detached tasks", |memory| {
            let pool = Pool::builder().name("detached").max_threads(2).build();
            let pool = pool.unwrap();
            for _ in 0..TIMES / 1000 {
                for _ in 0..1000 {
                    pool.spawn(|| vec![0_u8; 16]).then(drop).detach();
                }
                assert!(pool.wait_idle(LIMIT));
            }
            memory.assert_below(2 * MIB, "detached tasks");
        });
    }
}

mod nests {
    use super::*;

    /// Many times what a stack of 2 MiB has room for, were it to recurse.
    const DEPTH: usize = if cfg!(debug_assertions) {
        20_000
    } else {
        100_000
    };

    type Nest = fn(Task<usize>) -> Task<usize>;

    /// Each task is the one member of a combinator, or the one thing behind a shield, of the next.
    fn nest(deeper: Nest) -> (Resolver<usize>, Task<usize>) {
        let (resolver, mut task) = deferred();
        for _ in 0..DEPTH {
            task = deeper(task);
        }
        (resolver, task)
    }

    fn ends_without_recursion(name: &'static str, deeper: Nest) {
        by_itself(name, move |memory| {
            let (resolver, task) = nest(deeper);
            memory.look();
            resolver.resolve(7).unwrap();
            assert_eq!(task.wait().unwrap(), 7);

            let (resolver, task) = nest(deeper);
            drop(task);
            drop(resolver);

            let (resolver, task) = nest(deeper);
            drop(resolver);
            assert!(task.wait().is_err());

            let (resolver, task) = nest(deeper);
            task.cancel();
            drop((resolver, task));
        });
    }

    // Contract: D2
    #[test]
    fn all_of_all_of_all_ends_without_recursion() {
        ends_without_recursion("nests::all_of_all_of_all_ends_without_recursion", |task| {
            all(vec![task, Task::ready(0)]).then(|values| values[0])
        });
    }

    // Contract: D2
    #[test]
    fn any_of_any_of_any_ends_without_recursion() {
        ends_without_recursion("nests::any_of_any_of_any_ends_without_recursion", |task| {
            any(vec![task, Task::failed("no")])
        });
    }

    // Contract: D2
    #[test]
    fn nested_shields_are_dropped_without_recursion() {
        ends_without_recursion(
            "nests::nested_shields_are_dropped_without_recursion",
            |task| task.shielded(),
        );
    }
}

mod crowds {
    use super::*;

    const CROWD: usize = 100_000;

    #[test]
    fn all_of_a_crowd() {
        alone("all of a crowd", |memory| {
            let tasks: Vec<_> = (0..CROWD).map(|n| spawn(move || n)).collect();
            memory.look();
            assert_eq!(await_all(tasks).unwrap().len(), CROWD);

            let (resolvers, tasks): (Vec<_>, Vec<_>) = (0..CROWD).map(|_| deferred()).unzip();
            let whole = all(tasks);
            for (n, resolver) in resolvers.into_iter().enumerate() {
                resolver.resolve(n).unwrap();
            }
            assert_eq!(whole.wait().unwrap().len(), CROWD);
        });
    }

    #[test]
    fn any_of_a_crowd() {
        alone("any of a crowd", |memory| {
            let (mut resolvers, tasks): (Vec<_>, Vec<_>) =
                (0..CROWD).map(|_| deferred::<usize>()).unzip();
            let first = any(tasks);
            memory.look();
            resolvers.pop().unwrap().resolve(7).unwrap();
            assert!(resolvers.iter().all(|resolver| !resolver.is_wanted()));
            assert_eq!(first.wait().unwrap(), 7);
        });
    }

    // The last one's failure is what all the others wait for.
    #[test]
    fn a_crowd_that_fails_is_cancelled() {
        alone("a crowd that fails", |_| {
            let (mut resolvers, tasks): (Vec<_>, Vec<_>) =
                (0..CROWD).map(|_| deferred::<usize>()).unzip();
            let whole = all(tasks);
            assert!(resolvers.pop().unwrap().reject("no").is_ok());
            assert!(resolvers.iter().all(|resolver| !resolver.is_wanted()));
            assert!(whole.wait().is_err());
        });
    }
}
