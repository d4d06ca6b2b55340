//! Cycles: the call that closes one fails as `Cycle`, in every order; waits that form no cycle are
//! not affected; and the search takes steps in proportion to the size of the graph.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;

use crate::support::{Gate, isolated, pool_of, within};
use fast_async::{
    ErrorKind, LoopQueue, Pool, Resolver, SharedTask, Status, Task, all, any, await_all, deferred,
    loop_queue::LocalLoop, spawn,
};

fn kind<T>(outcome: Result<T, fast_async::TaskError>) -> Result<T, ErrorKind> {
    outcome.map_err(|error| error.kind())
}

/// Returns once a thread of the pool is blocked in a `wait`.
fn until_blocked(pool: &Pool, threads: usize) {
    while pool.metrics().blocked < threads {
        std::thread::yield_now();
    }
}

mod closed_by_an_adoption {
    use super::*;

    type Blocking = fn(SharedTask<u32>) -> Result<u32, ErrorKind>;

    /// The ways to block until a task is settled.
    const WAITS: [(&str, Blocking); 7] = [
        ("wait", |a| kind(a.cloned().wait())),
        ("a shared wait", |a| kind(a.wait().copied())),
        ("subscribe_blocking", |a| {
            kind(a.cloned().subscribe_blocking(|_| (), |_| ()))
        }),
        ("await_all", |a| {
            kind(await_all([a.cloned(), Task::ready(1)])).map(|both| both[0])
        }),
        ("await_first", |a| {
            kind(fast_async::await_first([a.cloned()]))
        }),
        ("run_until", |a| {
            kind(LoopQueue::new().run_until(a.cloned()))
        }),
        ("a continuation's wait", |a| kind(a.then(|n| n + 1).wait())),
    ];

    type Detour = fn(Task<u32>) -> Task<u32>;

    /// What may lie between the task that waits and the one that follows it.
    const DETOURS: [(&str, Detour); 9] = [
        ("the task itself", |b| b),
        ("a link", |b| b.then(|n| n + 1)),
        ("finally", |b| b.finally(|| ())),
        ("a branch", |b| b.share().cloned()),
        ("two branches", |b| {
            b.share().then(|n| n + 1).share().then(|n| n + 1)
        }),
        ("all", |b| {
            all([b, Task::ready(1)]).then(|both| both.iter().sum())
        }),
        ("any", |b| any([b])),
        ("a shield", |b| b.shielded()),
        ("a task that follows it", |b| {
            let (resolver, task) = deferred();
            assert!(resolver.settle_with(b).is_ok());
            task
        }),
    ];

    // Contract: S5, W3. A task waits for `a`; then `a` is settled with what waits for that task.
    #[test]
    fn a_wait_then_an_adoption() {
        within(|| {
            for (wait_name, wait) in WAITS {
                for (detour_name, detour) in DETOURS {
                    let pool = pool_of(4);
                    let (resolver, a) = deferred::<u32>();
                    let a = a.share();
                    let waited = a.clone();
                    let (tell, told) = mpsc::channel();
                    let b = pool.spawn(move || {
                        let outcome = wait(waited);
                        tell.send(outcome).unwrap();
                        7
                    });
                    until_blocked(&pool, 1);
                    assert!(resolver.settle_with(detour(b)).is_ok());
                    let outcome = told.recv().unwrap();
                    let name = format!("{wait_name}, through {detour_name}");
                    assert_eq!(outcome, Err(ErrorKind::Cycle), "{name}");
                    assert_eq!(kind(a.wait().copied()), Err(ErrorKind::Cycle), "{name}");
                }
            }
        });
    }

    // Contract: S5, W3. The same with a shared task for the resolver to follow.
    #[test]
    fn a_wait_then_an_adoption_of_a_shared_task() {
        within(|| {
            let pool = pool_of(2);
            let (resolver, a) = deferred::<u32>();
            let a = a.share();
            let waited = a.clone();
            let b = pool
                .spawn(move || kind(waited.wait().copied()).unwrap_or(0))
                .share();
            until_blocked(&pool, 1);
            assert!(resolver.settle_with(b.clone()).is_ok());
            assert_eq!(b.wait().unwrap(), &0);
            assert_eq!(kind(a.wait().copied()), Err(ErrorKind::Cycle));
        });
    }

    // Contract: S5, W3. The other order: the wait comes last, and fails; `a` then gets the value of
    // the task.
    #[test]
    fn an_adoption_then_a_wait() {
        within(|| {
            for (wait_name, wait) in WAITS {
                for (detour_name, detour) in DETOURS {
                    let pool = pool_of(4);
                    let (resolver, a) = deferred::<u32>();
                    let a = a.share();
                    let waited = a.clone();
                    let go = Gate::new();
                    let held = go.clone();
                    let (tell, told) = mpsc::channel();
                    let b = pool.spawn(move || {
                        held.pass();
                        let outcome = wait(waited);
                        tell.send(outcome).unwrap();
                        7
                    });
                    let adopted = detour(b);
                    assert!(resolver.settle_with(adopted).is_ok());
                    go.open();
                    let outcome = told.recv().unwrap();
                    let name = format!("{wait_name}, through {detour_name}");
                    assert_eq!(outcome, Err(ErrorKind::Cycle), "{name}");
                    assert!(a.wait().is_ok(), "{name}");
                }
            }
        });
    }

    // Contract: S5, W3. Three tasks that wait, each for what the next one settles; adoptions close
    // the cycle.
    #[test]
    fn a_cycle_of_waits_and_adoptions() {
        within(|| {
            const LENGTH: usize = 5;
            let pool = pool_of(LENGTH);
            let (resolvers, tasks): (Vec<Resolver<u32>>, Vec<_>) =
                (0..LENGTH).map(|_| deferred::<u32>()).unzip();
            let failures = Arc::new(AtomicUsize::new(0));
            let (tell, told) = mpsc::channel();
            let waiting: Vec<Task<u32>> = tasks
                .into_iter()
                .map(|task| {
                    let (failures, tell) = (failures.clone(), tell.clone());
                    pool.spawn(move || {
                        let outcome = kind(task.wait());
                        failures.fetch_add(usize::from(outcome.is_err()), Ordering::SeqCst);
                        tell.send(outcome).unwrap();
                        1
                    })
                })
                .collect();
            until_blocked(&pool, LENGTH);
            let mut next = waiting;
            next.rotate_left(1);
            for (resolver, task) in resolvers.into_iter().zip(next) {
                assert!(resolver.settle_with(task).is_ok());
            }
            let outcomes: Vec<_> = told.iter().take(LENGTH).collect();
            let told = outcomes
                .iter()
                .filter(|outcome| **outcome == Err(ErrorKind::Cycle));
            assert_eq!(told.count(), 1, "{outcomes:?}");
            assert_eq!(failures.load(Ordering::SeqCst), 1);
        });
    }

    // Contract: S5, W3. A job of a loop runs the loop until a task is settled that begins to wait
    // for that job.
    #[test]
    fn a_loop_that_runs_in_one_of_its_jobs() {
        within(|| {
            for adopts_first in [false, true] {
                let queue = LoopQueue::new();
                let (resolver, a) = deferred::<u32>();
                let turned = queue.clone();
                let (send, receive) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
                let job = Task::ready(())
                    .on(&queue)
                    .then(move |()| {
                        let before: Box<dyn FnOnce() + Send> = receive.recv().unwrap();
                        // As a job of the loop it runs while the loop is turned.
                        let inside = Task::ready(()).on(&turned).then(move |()| before());
                        inside.detach();
                        kind(turned.run_until(a))
                    })
                    .share();
                let follow = job.then(|_| 7);
                let close = move || assert!(resolver.settle_with(follow).is_ok());
                if adopts_first {
                    close();
                    send.send(Box::new(|| ())).unwrap();
                } else {
                    send.send(Box::new(close)).unwrap();
                }
                queue.run_pending();
                assert_eq!(
                    job.wait().unwrap(),
                    &Err(ErrorKind::Cycle),
                    "{adopts_first}"
                );
            }
        });
    }
}

mod no_cycle {
    use super::*;

    // Contract: W3. A wait that ends by itself closes no cycle, and neither does an adoption behind
    // it.
    #[test]
    fn through_a_wait_with_a_time_limit() {
        within(|| {
            for adopts_first in [false, true] {
                let pool = pool_of(2);
                let (resolver, a) = deferred::<u32>();
                let a = a.share();
                let waited = a.clone();
                let go = Gate::new();
                let held = go.clone();
                let b = pool.spawn(move || {
                    if adopts_first {
                        held.pass();
                    }
                    let limit = Duration::from_millis(if adopts_first { 1 } else { 200 });
                    u32::from(waited.wait_timeout(limit).is_none())
                });
                if !adopts_first {
                    until_blocked(&pool, 1);
                }
                assert!(resolver.settle_with(b).is_ok());
                go.open();
                assert_eq!(a.wait().unwrap(), &1, "timed out, and continued");
            }
        });
    }

    // Contract: W3. `any` continues with the other one.
    #[test]
    fn through_one_of_any() {
        within(|| {
            let pool = pool_of(2);
            let (own, handed) = mpsc::channel::<Task<u32>>();
            let (resolver, other) = deferred::<u32>();
            let b = pool.spawn(move || kind(any([handed.recv().unwrap(), other]).wait()));
            let b = b.share();
            own.send(b.then(|_| 1)).unwrap();
            until_blocked(&pool, 1);
            resolver.resolve(2).unwrap();
            assert_eq!(b.wait().unwrap(), &Ok(2));
        });
    }

    // Contract: W3, S5. Both of any lead back: the first does no harm, the second closes the cycle.
    #[test]
    fn until_all_of_any_lead_back() {
        within(|| {
            let pool = pool_of(2);
            let (own, handed) = mpsc::channel::<Task<u32>>();
            let (resolver, other) = deferred::<u32>();
            let b = pool.spawn(move || {
                let error = any([handed.recv().unwrap(), other]).wait().unwrap_err();
                // The failure of `other` is one of two: the first one continues.
                error.kind()
            });
            let b = b.share();
            own.send(b.then(|_| 1)).unwrap();
            until_blocked(&pool, 1);
            assert!(resolver.settle_with(b.then(|_| 2)).is_ok());
            assert_eq!(b.wait().unwrap(), &ErrorKind::Cycle);
        });
    }

    // Contract: W3. The wait is over, though the observers behind it have yet to run.
    #[test]
    fn through_a_shared_wait_that_is_over() {
        within(|| {
            for _ in 0..200 {
                let pool = pool_of(2);
                let (resolver, a) = deferred::<u32>();
                let a = a.share();
                let waited = a.clone();
                let b = pool.spawn(move || *waited.wait().unwrap()).share();
                until_blocked(&pool, 1);
                let last = b.clone();
                let seen = a.then(move |_| kind(last.wait().copied()));
                resolver.resolve(7).unwrap();
                assert_eq!(seen.wait().unwrap(), Ok(7));
            }
        });
    }

    // Contract: W1, W3. What a callback has settled does not wait for that callback.
    #[test]
    fn because_two_callbacks_share_one_stack() {
        within(|| {
            let (first, t1) = deferred::<()>();
            let (second, t2) = deferred::<()>();
            let one = t1
                .then(move |()| {
                    second.resolve(()).unwrap();
                    spawn(|| std::thread::sleep(Duration::from_millis(20)))
                        .wait()
                        .unwrap();
                    1
                })
                .share();
            let awaited = one.clone();
            let after = spawn(move || kind(awaited.wait().map(|n| n + 1)));
            let two = t2.then(move |()| kind(after.wait()));
            first.resolve(()).unwrap();
            assert_eq!(two.wait().unwrap(), Ok(Ok(2)));
        });
    }
}

mod steps {
    use super::*;

    /// How many tasks searches for cycles and threads that wait look at while `f` runs.
    fn searched(f: impl FnOnce()) -> u64 {
        use fast_async::__private::{looked_at_by_waits, searched_for_cycles};
        let steps = || searched_for_cycles() + looked_at_by_waits();
        let before = steps();
        f();
        steps() - before
    }

    /// Asks that the steps are in proportion to the size. The searches are counted for the whole
    /// process.
    #[track_caller]
    fn linear(name: &str, f: fn(usize)) {
        linear_from(name, 1_000, f);
    }

    #[track_caller]
    fn linear_from(name: &str, size: usize, f: fn(usize)) {
        isolated(name, move || {
            for size in [size, 10 * size] {
                let steps = searched(|| f(size));
                println!("{steps} steps at {size}");
                assert!(steps <= 40 * size as u64, "{steps} steps at {size}");
            }
        });
    }

    /// Opens a gate for each of `n` requests, each of which then follows what `inner` makes.
    fn requests(
        n: usize,
        waits_inside: bool,
        order: fn(usize, usize) -> usize,
        inner: fn(&SharedTask<Vec<usize>>) -> Task<Vec<usize>>,
    ) {
        let (gates, requests): (Vec<_>, Vec<_>) = (0..n).map(|_| deferred::<()>()).unzip();
        let (resolvers, parts): (Vec<_>, Vec<_>) = (0..n).map(|_| deferred::<usize>()).unzip();
        let ready = all(parts).share();
        let requests: Vec<_> = requests
            .into_iter()
            .map(|gate| {
                let ready = ready.clone();
                gate.and_then(move |()| inner(&ready)).then(|all| all.len())
            })
            .collect();
        let collected = all(requests);
        let pool = pool_of(2);
        let waiting = if waits_inside {
            let waiting = pool.spawn(move || collected.wait());
            until_blocked(&pool, 1);
            waiting.then(Result::unwrap)
        } else {
            collected
        };
        let mut gates: Vec<_> = gates.into_iter().map(Some).collect();
        for place in 0..n {
            let gate = gates[order(place, n)].take().unwrap();
            gate.resolve(()).unwrap();
        }
        for (n, resolver) in resolvers.into_iter().enumerate() {
            resolver.resolve(n).unwrap();
        }
        assert_eq!(waiting.wait().unwrap(), vec![n; n]);
    }

    // Contract: S5
    #[test]
    fn many_adopt_one_wide_task() {
        linear("steps::many_adopt_one_wide_task", |n| {
            requests(n, false, |place, _| place, SharedTask::cloned)
        });
    }

    // Contract: S5
    #[test]
    fn many_adopt_one_wide_task_in_the_other_order() {
        linear("steps::many_adopt_one_wide_task_in_the_other_order", |n| {
            requests(n, false, |place, n| n - 1 - place, SharedTask::cloned)
        });
    }

    // Contract: S5
    #[test]
    fn many_adopt_one_wide_task_while_a_task_waits_for_them() {
        linear(
            "steps::many_adopt_one_wide_task_while_a_task_waits_for_them",
            |n| requests(n, true, |place, _| place, SharedTask::cloned),
        );
    }

    // Contract: S5
    #[test]
    fn many_adopt_a_task_that_adopts_one_wide_task() {
        linear("steps::many_adopt_a_task_that_adopts_one_wide_task", |n| {
            requests(
                n,
                true,
                |place, n| n - 1 - place,
                |ready| {
                    let ready = ready.clone();
                    Task::new(|| ()).and_then(move |()| ready.cloned())
                },
            );
        });
    }

    // Contract: S5, W3
    #[test]
    fn a_line_of_tasks_each_adopted_by_the_next() {
        fn line(n: usize) {
            let pool = pool_of(1);
            let inner = pool.clone();
            let last = pool.spawn(move || {
                let first = Task::new(|| 0);
                let line = (0..n).fold(first, |line, _| {
                    inner.spawn(move || line).flatten().then(|n| n + 1)
                });
                line.wait().unwrap()
            });
            assert_eq!(last.wait().unwrap(), n);
        }
        linear("steps::a_line_of_tasks_each_adopted_by_the_next", line);
    }

    // Contract: W1, W2. The jobs of a loop that run in the wait of its thread: the members of a
    // fan, and a line.
    #[test]
    fn a_wait_that_runs_many_jobs_of_a_loop() {
        linear("steps::a_wait_that_runs_many_jobs_of_a_loop", |n| {
            let here = LocalLoop::new();
            let member = |n| Task::ready(n).on(here.queue()).then(|n| n);
            let whole = all((0..n).map(member).collect::<Vec<_>>());
            assert_eq!(here.queue().pending(), n);
            assert_eq!(whole.wait().unwrap().len(), n);
            let line = (0..n).fold(Task::ready(0), |line, _| {
                let (resolver, next) = deferred();
                let next = next.on(here.queue()).then(|n| n + 1);
                assert!(resolver.settle_with(line).is_ok());
                next
            });
            assert_eq!(line.wait().unwrap(), n);
        });
    }

    // Contract: S5, W3. The links are closed from the middle outwards, from both ends, and in a
    // shuffled order.
    #[test]
    fn a_line_that_is_closed_in_any_order() {
        fn line(n: usize) {
            let orders: [fn(usize, usize) -> usize; 4] = [
                |place, _| place,
                |place, n| n - 1 - place,
                |place, n| {
                    if place < n / 2 {
                        2 * place + 1
                    } else {
                        2 * (place - n / 2)
                    }
                },
                |place, n| (place * 7919) % n,
            ];
            for order in orders {
                let (resolvers, tasks): (Vec<_>, Vec<_>) =
                    (0..=n).map(|_| deferred::<usize>()).unzip();
                let mut resolvers: Vec<_> = resolvers.into_iter().map(Some).collect();
                let mut tasks: Vec<_> = tasks
                    .into_iter()
                    .map(|task| Some(task.then(|n| n + 1).finally(|| ())))
                    .collect();
                for place in 0..n {
                    let follower = order(place, n);
                    let (Some(resolver), Some(followed)) =
                        (resolvers[follower].take(), tasks[follower + 1].take())
                    else {
                        panic!("the order is no permutation")
                    };
                    assert!(resolver.settle_with(followed).is_ok());
                }
                resolvers[n].take().unwrap().resolve(0).unwrap();
                assert_eq!(tasks[0].take().unwrap().wait().unwrap(), n + 1);
            }
        }
        linear("steps::a_line_that_is_closed_in_any_order", line);
    }

    // Contract: W2, W3. A wait with a time limit looks for no cycle.
    #[test]
    fn waits_with_a_time_limit_inside_a_task() {
        within(|| {
            let (resolvers, parts): (Vec<_>, Vec<_>) =
                (0..10_000).map(|_| deferred::<usize>()).unzip();
            let steps = searched(|| {
                let mut whole = all(parts);
                let waited = spawn(move || {
                    for _ in 0..100 {
                        whole = whole.wait_timeout(Duration::ZERO).unwrap_err();
                    }
                });
                waited.wait().unwrap();
            });
            assert_eq!(steps, 0);
            drop(resolvers);
        });
    }

    // Contract: W3. Many waits, one after the other, for the first of two: an event, and a wide
    // task that is still to come.
    #[test]
    fn many_waits_for_an_event_or_a_wide_task() {
        fn events(n: usize) {
            let (resolvers, parts): (Vec<_>, Vec<_>) = (0..n).map(|_| deferred::<()>()).unzip();
            let stop = all(parts).share();
            let pool = pool_of(1);
            let (ask, asked) = mpsc::channel::<Resolver<usize>>();
            let waiting = pool.spawn(move || {
                for _ in 0..n {
                    let (resolver, event) = deferred();
                    ask.send(resolver).unwrap();
                    any([stop.then(|_| 0), event]).wait().unwrap();
                }
            });
            for resolver in asked {
                // So that some of them sleep.
                until_blocked(&pool, 1);
                resolver.resolve(1).unwrap();
            }
            waiting.wait().unwrap();
            drop(resolvers);
        }
        linear_from("steps::many_waits_for_an_event_or_a_wide_task", 40, events);
    }
}

/// Random graphs, in which each adoption is compared with a search that knows no ranks.
mod random {
    use super::*;

    const TASKS: usize = 40;

    /// A generator whose numbers are the same on every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 33).unwrap_or(0) % sides
        }
    }

    #[derive(Default)]
    struct Twin {
        /// What each task waits for.
        waits: Vec<Vec<usize>>,
        failed: Vec<bool>,
    }

    impl Twin {
        fn reaches(&self, from: usize, to: usize) -> bool {
            let mut pending = vec![from];
            let mut seen = [false; TASKS];
            while let Some(task) = pending.pop() {
                if task == to {
                    return true;
                }
                if !std::mem::replace(&mut seen[task], true) {
                    pending.extend(&self.waits[task]);
                }
            }
            false
        }

        /// A failure is that of all who wait for it.
        fn fail(&mut self, task: usize) {
            let mut pending = vec![task];
            while let Some(task) = pending.pop() {
                if !std::mem::replace(&mut self.failed[task], true) {
                    let waits = self.waits.iter().enumerate();
                    pending.extend(
                        waits
                            .filter(|(_, on)| on.contains(&task))
                            .map(|(who, _)| who),
                    );
                }
            }
        }
    }

    // Contract: S5
    #[test]
    fn every_adoption_that_closes_a_cycle_is_refused_and_no_other() {
        for seed in 1..400 {
            let mut dice = Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
            let (resolvers, tasks): (Vec<Resolver<usize>>, Vec<_>) =
                (0..TASKS).map(|_| deferred::<usize>()).unzip();
            let mut resolvers: Vec<_> = resolvers.into_iter().map(Some).collect();
            let tasks: Vec<SharedTask<usize>> =
                tasks.into_iter().map(|task| task.share()).collect();
            let mut twin = Twin {
                waits: vec![Vec::new(); TASKS],
                failed: vec![false; TASKS],
            };
            for _ in 0..2 * TASKS {
                let outer = dice.roll(TASKS);
                let width = 1 + dice.roll(3);
                let inner: Vec<usize> = (0..width).map(|_| dice.roll(TASKS)).collect();
                if twin.failed[outer] || inner.iter().any(|inner| twin.failed[*inner]) {
                    continue;
                }
                let Some(resolver) = resolvers[outer].take() else {
                    continue;
                };
                let followed: Vec<_> = inner.iter().map(|inner| tasks[*inner].cloned()).collect();
                let followed = all(followed).then(|values| values.len());
                if inner.iter().any(|inner| twin.reaches(*inner, outer)) {
                    twin.fail(outer);
                } else {
                    twin.waits[outer] = inner;
                }
                assert!(resolver.settle_with(followed).is_ok());
                for (place, task) in tasks.iter().enumerate() {
                    let is_failed = task.status() == Status::Failure;
                    let status = (is_failed, task.is_settled());
                    let expected = (twin.failed[place], twin.failed[place]);
                    assert_eq!(status, expected, "task {place} of graph {seed}");
                    if let Some(error) = task.error() {
                        assert_eq!(error.kind(), ErrorKind::Cycle);
                    }
                }
            }
            for resolver in resolvers.into_iter().flatten() {
                let _ = resolver.resolve(0);
            }
        }
    }
}

/// A closure waits for what only its own return would bring.
mod of_families {
    use super::*;
    use fast_async::flow::Results;
    use fast_async::time::Debounce;
    use fast_async::{Clock, TaskQueue};
    use std::sync::OnceLock;

    /// Something that a closure gets after it has been made.
    struct Later<T>(mpsc::Sender<T>, Mutex<mpsc::Receiver<T>>);

    impl<T> Later<T> {
        fn new() -> Arc<Later<T>> {
            let (tell, told) = mpsc::channel();
            Arc::new(Later(tell, Mutex::new(told)))
        }

        fn put(&self, value: T) {
            self.0.send(value).unwrap();
        }

        fn take(&self) -> T {
            self.1.lock().recv().unwrap()
        }
    }

    // Contract: W3
    #[test]
    fn the_closure_of_an_element_waits_for_the_whole() {
        within(|| {
            for limit in [1, 3] {
                let pool = pool_of(4);
                let (own, met) = (Later::new(), Later::new());
                let (whole, told) = (own.clone(), met.clone());
                let flow = pool.map_limit(0..1, limit, move |_| {
                    let whole: Task<Vec<()>> = whole.take();
                    told.put(kind(whole.wait()));
                    Ok(())
                });
                own.put(flow);
                assert_eq!(met.take(), Err(ErrorKind::Cycle));

                let (own, met) = (Later::new(), Later::new());
                let (whole, told) = (own.clone(), met.clone());
                let flow = pool.each(0..1, limit, move |_| {
                    let whole: Task<()> = whole.take();
                    // By way of another task.
                    let other = spawn(|| ()).and_then(move |()| whole);
                    told.put(kind(other.wait()));
                    Ok(())
                });
                own.put(flow);
                assert_eq!(met.take(), Err(ErrorKind::Cycle));
            }
        });
    }

    // Contract: W3
    #[test]
    fn the_closure_of_an_element_waits_for_the_next_result() {
        within(|| {
            let pool = pool_of(4);
            let (own, met) = (Later::new(), Later::new());
            let (results, told) = (own.clone(), met.clone());
            let flow = pool.map_unordered(0..1, 1, move |_| {
                let results: Arc<OnceLock<Results<()>>> = results.take();
                let next = results.get().unwrap().next_task();
                told.put(kind(next.wait()).map(|_| ()));
                Ok(())
            });
            let place = Arc::new(OnceLock::new());
            assert!(place.set(flow).is_ok());
            own.put(place.clone());
            assert_eq!(met.take(), Err(ErrorKind::Cycle));

            // Where another element may come first it is none.
            let (first, second) = (Gate::new(), Gate::new());
            let (began, pass) = (first.clone(), second.clone());
            let (own, met) = (Later::new(), Later::new());
            let (results, told) = (own.clone(), met.clone());
            let flow = pool.map_unordered(0..2, 2, move |n| {
                if n == 1 {
                    pass.pass();
                    return Ok(n);
                }
                began.open();
                let results: Arc<OnceLock<Results<u32>>> = results.take();
                let next = results.get().unwrap().next_task();
                told.put(kind(next.wait()));
                Ok(n)
            });
            first.pass();
            let place = Arc::new(OnceLock::new());
            assert!(place.set(flow).is_ok());
            own.put(place.clone());
            until_blocked(&pool, 1);
            second.open();
            let next = met.take().unwrap().unwrap();
            assert_eq!(next.unwrap(), 1);
        });
    }

    // Contract: W3
    #[test]
    fn a_job_waits_until_its_own_queue_is_idle() {
        within(|| {
            for limit in [1, 3] {
                let queue = TaskQueue::builder().limit(limit).build().unwrap();
                let own = queue.clone();
                let job = queue.spawn(move || kind(own.when_idle().wait()));
                assert_eq!(job.wait().unwrap(), Err(ErrorKind::Cycle));
                // A chain that was sent there.
                let own = queue.clone();
                let sent = Task::ready(()).on(&queue);
                let sent = sent.then(move |()| kind(own.when_idle().wait()));
                assert_eq!(sent.wait().unwrap(), Err(ErrorKind::Cycle));
            }
            let queue = TaskQueue::serial();
            let (own, gate) = (queue.clone(), Gate::new());
            let pass = gate.clone();
            let job = queue.spawn(move || {
                pass.pass();
                kind(own.when_below(1).wait())
            });
            let behind = queue.spawn(|| 7);
            gate.open();
            assert_eq!(job.wait().unwrap(), Err(ErrorKind::Cycle));
            assert_eq!(behind.wait().unwrap(), 7);
            // Another's queue is no cycle, and a full one may get shorter.
            let two = TaskQueue::builder().limit(2).build().unwrap();
            let (own, began, gate) = (two.clone(), Gate::new(), Gate::new());
            let (begin, pass) = (began.clone(), gate.clone());
            two.spawn(move || pass.pass()).detach();
            let job = two.spawn(move || {
                begin.open();
                own.spawn(|| ()).detach();
                kind(own.when_below(1).wait())
            });
            began.pass();
            gate.open();
            assert_eq!(job.wait().unwrap(), Ok(()));
        });
    }

    // Contract: W3, T7
    #[test]
    fn a_merged_call_waits_for_another_of_its_own() {
        within(|| {
            let clock = Clock::manual();
            let pool = Pool::builder().clock(&clock).build().unwrap();
            let place = Arc::new(OnceLock::<Debounce<u32, Result<u32, ErrorKind>>>::new());
            let own = place.clone();
            let save = pool.debounce(Duration::from_secs(1), move |n| match n {
                0 => Ok(Ok(0)),
                n => Ok(kind(own.get().unwrap().call(n - 1).wait()).and_then(|inner| inner)),
            });
            assert!(place.set(save.clone()).is_ok());
            let call = save.call(1);
            clock.advance(Duration::from_secs(1));
            assert_eq!(call.wait().unwrap(), Err(ErrorKind::Cycle));
        });
    }

    // Contract: W1. The tasks of the elements were sent to the loop of the thread that reads.
    #[test]
    fn a_reader_runs_what_its_loop_owes() {
        within(|| {
            for limit in [1, 2] {
                let pool = pool_of(2);
                let queue = LoopQueue::new();
                let (own, sent) = (pool.clone(), queue.clone());
                let job = Task::ready(()).on(&queue).then(move |()| {
                    let results = own
                        .map_unordered(0..3, limit, move |n| Task::ready(n).on(&sent).then(|n| n));
                    results.map(Result::unwrap).sum::<u32>()
                });
                assert_eq!(queue.run_until(job).unwrap(), 3);
            }
        });
    }

    // Contract: P3. The worker waits for the loop, and the loop's thread would wait for the worker.
    #[test]
    fn a_loop_starts_work_beyond_the_limit() {
        within(|| {
            let full = Pool::builder().max_threads(1).queue_limit(1);
            let full = full.build().unwrap();
            let queue = LoopQueue::new();
            let (resolver, owed) = deferred::<u32>();
            let owed = owed.on(&queue).then(|n| n + 1);
            let worker = full.spawn(move || owed.wait());
            until_blocked(&full, 1);
            let own = full.clone();
            let job = Task::ready(()).on(&queue).then(move |()| {
                for _ in 0..3 {
                    own.spawn(|| ()).detach();
                }
                resolver.resolve(1).unwrap();
            });
            queue.run_until(job).unwrap();
            assert_eq!(queue.run_until(worker).unwrap().unwrap(), 2);
            assert!(full.wait_idle(Duration::MAX));
        });
    }
}
