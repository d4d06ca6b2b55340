//! Adoption: a task that is returned, or settled with, delivers the outcome; a cycle of tasks
//! fails.

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use crate::support::{Drops, Gate, Latch, Log, every_case, expected, within};
use fast_async::{
    BoxError, ErrorKind, Executor, Inline, Job, Pool, Resolver, Task, TaskError, all, deferred,
    error::AggregateError, spawn,
};

/// A task that callbacks can get at.
type Slot<T> = Arc<Mutex<Option<T>>>;

fn slot<T>() -> Slot<T> {
    Arc::new(Mutex::new(None))
}

fn put<T>(slot: &Slot<T>, value: T) {
    *slot.lock().unwrap() = Some(value);
}

fn take<T>(slot: &Slot<T>) -> T {
    slot.lock().unwrap().take().expect("it was put there")
}

/// What the observers of a task will see.
fn watch(task: &Task<u32>) -> Log<Result<u32, ErrorKind>> {
    let log = Log::new();
    let saw = log.clone();
    task.on_settled(move |outcome| saw.push(outcome.copied().map_err(TaskError::kind)));
    log
}

mod outcome {
    use super::*;

    // Contract: S5
    // Case: 12
    #[test]
    fn a_returned_task_is_adopted_in_every_state() {
        within(|| {
            every_case(|case| {
                let n = case.run(Ok(1), |task| task.and_then(|n| Task::ready(n + 1)));
                assert_eq!(n.unwrap(), 2, "a value that is there, {case:?}");

                let n = case.run(Ok(1), |task| task.and_then(|n| spawn(move || n + 1)));
                assert_eq!(n.unwrap(), 2, "a value that comes, {case:?}");

                let (resolver, inner) = deferred();
                let late = move |task: Task<u32>| {
                    task.inspect(move |n| {
                        let n = *n;
                        thread::spawn(move || resolver.resolve(n + 1).unwrap());
                    })
                    .and_then(|_| inner)
                };
                assert_eq!(case.run(Ok(1), late).unwrap(), 2, "from outside, {case:?}");

                let error = case.run(Ok(1), |task| task.and_then(|_| Task::<u32>::failed("no")));
                assert_eq!(error.unwrap_err().kind(), ErrorKind::Failed, "{case:?}");

                let error = case.run(Ok(1), |task| {
                    task.and_then(|_| spawn(|| -> u32 { expected("in the inner task") }))
                });
                assert_eq!(error.unwrap_err().kind(), ErrorKind::Panicked, "{case:?}");

                let (abandoned, inner) = deferred::<u32>();
                drop(abandoned);
                let error = case.run(Ok(1), |task| task.and_then(|_| inner));
                assert_eq!(error.unwrap_err().kind(), ErrorKind::Abandoned, "{case:?}");

                let n = case.run(Ok(1), |task| task.and_then(|n| Task::new(move || n + 1)));
                assert_eq!(n.unwrap(), 2, "a cold one is started, {case:?}");
            });
        });
    }

    // Contract: S5
    // Case: 13
    #[test]
    fn adoption_may_be_of_any_depth() {
        within(|| {
            every_case(|case| {
                let n = case.run(Ok(1), |task| {
                    task.and_then(|n| {
                        spawn(move || n + 1).and_then(|n| {
                            spawn(move || n + 1).and_then(|n| Task::ready(n + 1).then(|n| n + 1))
                        })
                    })
                });
                assert_eq!(n.unwrap(), 5, "{case:?}");
            });
        });
    }

    #[test]
    fn recovery_adopts_as_well() {
        within(|| {
            every_case(|case| {
                let source: Result<u32, BoxError> = Err("no".into());
                let n = case.run(source, |task| {
                    task.or_else(|_| spawn(|| 1).and_then(|n| spawn(move || n + 1)))
                });
                assert_eq!(n.unwrap(), 2, "{case:?}");
            });
        });
    }

    #[test]
    fn a_resolver_may_settle_with_a_task() {
        within(|| {
            for late in [false, true] {
                let (outer, task) = deferred::<u32>();
                let (inner, followed) = deferred::<u32>();
                let task = task.then(|n| n + 1);
                let followed = followed.then(|n| n * 10);
                if late {
                    assert!(outer.settle_with(followed).is_ok());
                    inner.resolve(1).unwrap();
                } else {
                    inner.resolve(1).unwrap();
                    assert!(outer.settle_with(followed).is_ok());
                }
                assert_eq!(task.wait().unwrap(), 11);
            }
        });
    }

    // Contract: D7. The observers of the inner task are ahead of the outer one.
    #[test]
    fn observers_of_the_inner_task_see_its_value_first() {
        within(|| {
            every_case(|case| {
                let log = Log::new();
                let (resolver, inner) = deferred();
                let saw = log.clone();
                inner.on_settled(move |outcome| saw.push(("inner", outcome.ok().copied())));
                let after = log.clone();
                let n = case.run(Ok(1), move |task| {
                    task.and_then(move |n| {
                        resolver.resolve(n + 1).unwrap();
                        inner
                    })
                    .inspect(move |n| after.push(("outer", Some(*n))))
                });
                assert_eq!(n.unwrap(), 2, "{case:?}");
                assert_eq!(
                    log.take(),
                    [("inner", Some(2)), ("outer", Some(2))],
                    "{case:?}"
                );
            });
        });
    }

    // A chain stays on its executor, for any thread on which the adopted task ran.
    #[test]
    fn the_outer_chain_keeps_its_executor() {
        within(|| {
            let pool = Pool::builder().name("outer").build().unwrap();
            let (resolver, inner) = deferred::<u32>();
            let adopted = Gate::new();
            let open = adopted.clone();
            let task = Task::ready(())
                .on(&pool)
                .and_then(move |()| {
                    open.open();
                    inner
                })
                .then(|n| (n, thread::current().name().map(str::to_string)));
            adopted.pass();
            resolver.resolve(1).unwrap();
            let (n, name) = task.wait().unwrap();
            assert_eq!(n, 1);
            assert!(name.unwrap().starts_with("outer-"));
        });
    }

    // Contract: D6
    #[test]
    fn the_closure_is_dropped_while_the_adopted_task_is_awaited() {
        within(|| {
            let drops = Drops::new();
            let token = drops.token();
            let (resolver, inner) = deferred::<u32>();
            let task = Task::ready(()).on(&Inline).and_then(move |()| {
                token.hold();
                inner
            });
            assert!(!task.is_settled());
            assert_eq!(drops.count(), 1);
            resolver.resolve(1).unwrap();
            assert_eq!(task.wait().unwrap(), 1);
        });
    }

    // Contract: S5. An inner task that follows another has links and observers of its own. They run
    // too.
    #[test]
    fn steps_of_an_adopted_task_that_follows_another_run() {
        within(|| {
            let (source, first) = deferred::<u32>();
            let (inner, second) = deferred::<u32>();
            let (outer, third) = deferred::<u32>();
            assert!(inner.settle_with(first).is_ok());
            let seen = watch(&second);
            assert!(outer.settle_with(second.then(|n| n + 1)).is_ok());
            source.resolve(1).unwrap();
            assert_eq!(seen.take(), [Ok(1)]);
            assert_eq!(third.wait().unwrap(), 2);
        });
    }

    // Contract: S5, C3. A line built from its end: a task that only forwards is left out of the
    // line without a visible effect.
    #[test]
    fn a_line_built_from_its_end_forwards_values_and_cancels() {
        let line = || {
            let (source, first) = deferred::<u32>();
            let (inner, second) = deferred::<u32>();
            let (outer, third) = deferred::<u32>();
            assert!(inner.settle_with(first).is_ok());
            assert!(outer.settle_with(second).is_ok());
            (source, third)
        };
        within(move || {
            let (source, task) = line();
            source.resolve(7).unwrap();
            assert_eq!(task.wait().unwrap(), 7);

            let (source, task) = line();
            task.cancel();
            assert_eq!(source.resolve(7), Err(7), "no consumer is left");

            let (source, task) = line();
            let seen = watch(&task);
            assert!(source.settle_with(task).is_ok());
            assert_eq!(seen.take(), [Err(ErrorKind::Cycle)]);
        });
    }

    /// Keeps its jobs. A task that was sent to one holds it, so its count of references tells what
    /// is still there.
    #[derive(Default)]
    struct Hoard(Mutex<Vec<Job>>);

    impl Executor for Hoard {
        fn execute(&self, job: Job) {
            self.0.lock().unwrap().push(job);
        }
    }

    // Contract: S5. A task that only forwards an outcome is dropped, or a loop of adoptions would
    // grow.
    #[test]
    fn a_task_that_only_forwards_is_skipped() {
        within(|| {
            for follows_first in [false, true] {
                let hoard = Arc::new(Hoard::default());
                let (source, awaited) = deferred::<u32>();
                let (outer, task) = deferred::<u32>();
                let inner = Task::ready(()).on(&hoard).and_then(|()| awaited);
                let job = hoard.0.lock().unwrap().pop().unwrap();
                if follows_first {
                    job.run();
                    assert!(outer.settle_with(inner).is_ok());
                } else {
                    assert!(outer.settle_with(inner).is_ok());
                    job.run();
                }
                assert_eq!(Arc::strong_count(&hoard), 1, "the task between is released");
                source.resolve(7).unwrap();
                assert_eq!(task.wait().unwrap(), 7);
            }
        });
    }

    // Contract: C3. The task was cancelled while it followed one whose observer still looks; when
    // that one delivers, it is to another life of the task.
    #[test]
    fn a_task_followed_before_a_cancel_does_not_settle_what_is_followed_after() {
        within(|| {
            let (looking, go_on) = (Gate::new(), Gate::new());
            let (at, until) = (looking.clone(), go_on.clone());
            let (before, inner) = deferred::<u32>();
            inner.on_settled(move |_| {
                at.open();
                until.pass();
            });
            let (outer, task) = deferred::<u32>();
            assert!(outer.settle_with(inner).is_ok());
            let settler = thread::spawn(move || before.resolve(1));
            looking.pass();
            task.cancel();
            let (after, other) = deferred::<u32>();
            let task = task.on(&Inline).or_else(|_| other);
            go_on.open();
            settler.join().unwrap().unwrap();
            assert!(!task.is_settled());
            after.resolve(2).unwrap();
            assert_eq!(task.wait().unwrap(), 2);
        });
    }

    // The handle of an adopted task is gone, what was registered on it is not.
    #[test]
    fn an_adopted_task_may_be_cancelled_from_outside() {
        within(|| {
            let (outer, task) = deferred::<u32>();
            let (inner, followed) = deferred::<u32>();
            let shared = followed.share();
            assert!(outer.settle_with(shared.cloned()).is_ok());
            shared.cancel();
            assert!(!task.is_settled(), "the outer one still wants it");
            inner.resolve(1).unwrap();
            assert_eq!(task.wait().unwrap(), 1);
        });
    }
}

mod rings {
    use super::*;

    // Contract: S5
    // Case: 14
    #[test]
    fn a_task_that_is_settled_with_itself_is_a_cycle() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let seen = watch(&task);
            assert!(resolver.settle_with(task).is_ok());
            assert_eq!(seen.take(), [Err(ErrorKind::Cycle)]);
        });
    }

    // Contract: S5
    // Case: 14
    #[test]
    fn a_continuation_that_returns_its_own_task_is_a_cycle() {
        within(|| {
            every_case(|case| {
                let own = slot::<Task<u32>>();
                let ready = Gate::new();
                let (resolver, source) = deferred();
                let task = case.send(source).and_then({
                    let (own, ready) = (own.clone(), ready.clone());
                    move |()| {
                        ready.pass();
                        take(&own)
                    }
                });
                let (settled, seen) = (Gate::new(), watch(&task));
                let open = settled.clone();
                task.on_settled(move |_| open.open());
                put(&own, task);
                ready.open();
                resolver.resolve(()).unwrap();
                settled.pass();
                assert_eq!(seen.take(), [Err(ErrorKind::Cycle)], "{case:?}");
            });
        });
    }

    // Contract: S5. The chain of a task is one thing with it: its tail waits for its head.
    #[test]
    fn a_task_that_is_settled_with_its_own_continuation_is_a_cycle() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let tail = task.then(|n| n + 1);
            let seen = watch(&tail);
            assert!(resolver.settle_with(tail).is_ok());
            assert_eq!(seen.take(), [Err(ErrorKind::Cycle)]);
        });
    }

    // Contract: S5
    // Case: 14
    #[test]
    fn a_cycle_of_any_size_is_found() {
        within(|| {
            for size in [2_usize, 3, 100] {
                let (resolvers, tasks): (Vec<_>, Vec<_>) =
                    (0..size).map(|_| deferred::<u32>()).unzip();
                let settled = Latch::new(size);
                let seen: Vec<_> = tasks
                    .iter()
                    .map(|task| {
                        let seen = watch(task);
                        let settled = settled.clone();
                        task.on_settled(move |_| settled.count_down());
                        seen
                    })
                    .collect();
                // Each follows the next one, the last the first.
                let mut next = tasks;
                next.rotate_left(1);
                for (resolver, task) in resolvers.into_iter().zip(next) {
                    assert!(resolver.settle_with(task).is_ok());
                }
                settled.wait();
                for seen in seen {
                    assert_eq!(seen.take(), [Err(ErrorKind::Cycle)], "a ring of {size}");
                }
            }
        });
    }

    // Contract: S5. Rings through what is no plain link: a branch of a shared task, a shield, a
    // combinator.
    #[test]
    fn a_cycle_through_a_branch_a_shield_or_a_combinator_is_found() {
        within(|| {
            type Detour = fn(Task<u32>) -> Task<u32>;
            let table: [(&str, Detour); 6] = [
                ("a branch", |task| task.share().then(|n| n + 1)),
                ("two branches", |task| {
                    task.share().cloned().share().then(|n| n + 1)
                }),
                ("all", |task| {
                    all(vec![Task::ready(1), task]).then(|both| both.iter().sum())
                }),
                ("a tuple of all", |task| {
                    all((task, Task::ready("other"))).then(|(n, _)| n)
                }),
                ("any", |task| {
                    fast_async::any([task]).or_else(|error| {
                        let all = error.downcast_ref::<AggregateError>().unwrap();
                        Err(all.first().clone().into())
                    })
                }),
                ("a shield", |task| task.shielded()),
            ];
            for (name, detour) in table {
                let (resolver, task) = deferred::<u32>();
                let detour = detour(task);
                let seen = watch(&detour);
                assert!(resolver.settle_with(detour).is_ok());
                assert_eq!(seen.take(), [Err(ErrorKind::Cycle)], "{name}");
            }
        });
    }

    // Contract: S5. Where the task in the cycle has a list of steps, `all` is told of its failure
    // while its own step is in that list. `all` then drops its inputs, but not the task that it was
    // to be settled with.
    #[test]
    fn a_cycle_through_a_task_with_many_steps_is_found() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let task = task.inspect(|_| ()).inspect_err(|_| ()).finally(|| ());
            let sum = all([task]).then(|all| all.iter().sum());
            let seen = watch(&sum);
            assert!(resolver.settle_with(sum).is_ok());
            assert_eq!(seen.take(), [Err(ErrorKind::Cycle)]);
        });
    }

    // Contract: S5. The last two links of a ring are closed at once, and one of them must see it.
    #[test]
    fn a_cycle_that_two_threads_close_at_once_is_found() {
        const ROUNDS: usize = 500;
        within(|| {
            type Half = (Resolver<u32>, Task<u32>);
            let start = Arc::new(Barrier::new(2));
            let (send, receive) = std::sync::mpsc::channel::<Half>();
            let other = thread::spawn({
                let start = start.clone();
                move || {
                    for (resolver, task) in receive {
                        start.wait();
                        assert!(resolver.settle_with(task).is_ok());
                    }
                }
            });
            for _ in 0..ROUNDS {
                let (first, a) = deferred::<u32>();
                let (second, b) = deferred::<u32>();
                let settled = Latch::new(2);
                let seen = [watch(&a), watch(&b)];
                for task in [&a, &b] {
                    let settled = settled.clone();
                    task.on_settled(move |_| settled.count_down());
                }
                send.send((second, a)).unwrap();
                start.wait();
                assert!(first.settle_with(b).is_ok());
                settled.wait();
                for seen in seen {
                    assert_eq!(seen.take(), [Err(ErrorKind::Cycle)]);
                }
            }
            drop(send);
            other.join().unwrap();
        });
    }

    // Contract: S5. That an observer keeps the line from being shortened must not hide the ring.
    #[test]
    fn a_cycle_through_an_observed_task_is_found() {
        within(|| {
            let (source, first) = deferred::<u32>();
            let (inner, second) = deferred::<u32>();
            let (outer, third) = deferred::<u32>();
            let seen = [watch(&first), watch(&third)];
            assert!(inner.settle_with(first).is_ok());
            assert!(outer.settle_with(second).is_ok());
            assert!(source.settle_with(third).is_ok());
            for seen in seen {
                assert_eq!(seen.take(), [Err(ErrorKind::Cycle)]);
            }
        });
    }

    // No ring: each follows the next one, and the links are closed in an order in which every task
    // that begins to follow is followed already, or follows one that does so.
    #[test]
    fn a_line_is_no_cycle() {
        within(|| {
            let (mut resolvers, tasks): (Vec<_>, Vec<_>) =
                (0..4).map(|_| deferred::<u32>()).unzip();
            let seen: Vec<_> = tasks.iter().map(watch).collect();
            let mut next: Vec<_> = tasks.into_iter().map(Some).collect();
            let last = resolvers.pop().unwrap();
            let mut resolvers: Vec<_> = resolvers.into_iter().map(Some).collect();
            for follower in [0, 2, 1] {
                let resolver = resolvers[follower].take().unwrap();
                let followed = next[follower + 1].take().unwrap();
                assert!(resolver.settle_with(followed).is_ok());
            }
            last.resolve(7).unwrap();
            for seen in seen {
                assert_eq!(seen.take(), [Ok(7)]);
            }
        });
    }

    // No ring: the same shared task reached by two ways.
    #[test]
    fn two_ways_to_one_task_are_no_cycle() {
        within(|| {
            let (resolver, source) = deferred::<u32>();
            let source = source.share();
            let (left, right) = (source.then(|n| n + 1), source.then(|n| n + 2));
            let (outer, task) = deferred();
            assert!(outer.settle_with(all([left, right])).is_ok());
            resolver.resolve(1).unwrap();
            assert_eq!(task.wait().unwrap(), [2, 3]);
        });
    }
}
