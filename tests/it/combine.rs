//! Combinators: `all`, `all_settled`, `any`, `await_all`, `await_first`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::support::{
    Drops, Gate, Latch, Log, assert_still_dispatches, expected, isolated, within,
};
use fast_async::{
    ErrorKind, Inline, LoopQueue, Pool, Resolver, Status, Task, all, all_settled, any, await_all,
    await_first, deferred, error::AggregateError, set_unhandled_hook, spawn,
};

fn many<T: Send + 'static>(count: usize) -> (Vec<Resolver<T>>, Vec<Task<T>>) {
    (0..count).map(|_| deferred()).unzip()
}

mod all_of {
    use super::*;

    // Case: 32
    // Contract: M2
    #[test]
    fn nothing_to_wait_for_is_nothing() {
        within(|| {
            let none = all(Vec::<Task<u32>>::new());
            assert_eq!(none.status(), Status::Success);
            assert!(none.wait().unwrap().is_empty());
            assert!(await_all(Vec::<Task<u32>>::new()).unwrap().is_empty());
            assert!(await_all([] as [Task<u32>; 0]).unwrap().is_empty());
        });
    }

    // Case: 33
    // Contract: M1
    #[test]
    fn values_come_in_the_order_of_the_tasks() {
        const COUNT: usize = 50;
        within(|| {
            for backwards in [false, true] {
                let (mut resolvers, tasks) = many(COUNT);
                let whole = all(tasks);
                let mut numbers: Vec<usize> = (0..COUNT).collect();
                if backwards {
                    resolvers.reverse();
                    numbers.reverse();
                }
                for (resolver, number) in resolvers.into_iter().zip(numbers) {
                    assert!(!whole.is_settled());
                    resolver.resolve(number).unwrap();
                }
                assert_eq!(whole.wait().unwrap(), (0..COUNT).collect::<Vec<_>>());
            }
        });
    }

    #[test]
    fn values_come_in_order_from_a_pool_too() {
        within(|| {
            let tasks: Vec<_> = (0..200).map(|n| spawn(move || n)).collect();
            assert_eq!(await_all(tasks).unwrap(), (0..200).collect::<Vec<_>>());
        });
    }

    // Contract: M1
    #[test]
    fn iterators_are_taken_as_they_are() {
        within(|| {
            let squares = (1..=40).map(|n| spawn(move || n * n));
            let expected: Vec<u32> = (1..=40).map(|n| n * n).collect();
            assert_eq!(all(squares).wait().unwrap(), expected);
            assert_eq!(await_all(Some(Task::ready(7))).unwrap(), [7]);
            let none = all(std::iter::empty::<Task<u32>>());
            assert_eq!(none.wait().unwrap(), []);
        });
    }

    // Contract: C5, M4
    #[test]
    fn a_panic_of_the_iterator_loses_no_failure() {
        isolated("all_of::a_panic_of_the_iterator_loses_no_failure", || {
            let reports = Arc::new(AtomicUsize::new(0));
            let counted = reports.clone();
            set_unhandled_hook(move |error| {
                assert!(error.to_string().starts_with("lost"), "{error}");
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let tasks = || {
                (0..3).map(|n| match n {
                    2 => std::panic::panic_any(()),
                    _ => Task::<u32>::failed("lost"),
                })
            };
            let caught = |f: &dyn Fn()| {
                let f = std::panic::AssertUnwindSafe(f);
                assert!(std::panic::catch_unwind(f).is_err());
            };
            caught(&|| drop(all(tasks())));
            caught(&|| drop(all_settled(tasks())));
            caught(&|| drop(any(tasks())));
            assert_eq!(reports.load(Ordering::Relaxed), 6);
        });
    }

    #[test]
    fn tuples_keep_their_types() {
        within(|| {
            let (first, a) = deferred::<&str>();
            let whole = all((a, spawn(|| 2_u8), Task::ready(Box::new(3))));
            first.resolve("one").unwrap();
            assert_eq!(whole.wait().unwrap(), ("one", 2, Box::new(3)));

            let wide = await_all((
                spawn(|| 1_u8),
                spawn(|| 2_u16),
                spawn(|| 3_u32),
                spawn(|| 4_u64),
                spawn(|| 5_i8),
                spawn(|| 6_i16),
                spawn(|| 7_i32),
                spawn(|| 8_i64),
            ));
            assert_eq!(wide.unwrap(), (1, 2, 3, 4, 5, 6, 7, 8));
        });
    }

    // Case: 34
    #[test]
    fn the_first_failure_in_time_wins() {
        within(|| {
            let (resolvers, tasks) = many::<u32>(3);
            let whole = all(tasks);
            let mut resolvers = resolvers.into_iter();
            let (one, two, three) = (
                resolvers.next().unwrap(),
                resolvers.next().unwrap(),
                resolvers.next().unwrap(),
            );
            one.resolve(1).unwrap();
            assert!(three.reject("third").is_ok());
            assert_eq!(
                whole.status(),
                Status::Failure,
                "without waiting for the rest"
            );
            assert!(two.reject("second").is_err(), "it was cancelled");
            let error = whole.wait().unwrap_err();
            assert!(error.to_string().starts_with("third"), "{error}");
        });
    }

    #[test]
    fn a_tuple_fails_at_once_too() {
        within(|| {
            let (never, pending) = deferred::<u32>();
            let (failing, other) = deferred::<&str>();
            let whole = all((pending, other));
            assert!(failing.reject("no").is_ok());
            assert_eq!(whole.wait().unwrap_err().kind(), ErrorKind::Failed);
            assert!(!never.is_wanted(), "it was cancelled");
        });
    }

    #[test]
    fn a_shielded_task_continues_when_another_one_fails() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let seen = Log::new();
            let saw = seen.clone();
            let kept = task.inspect(move |n| saw.push(*n)).shielded();
            let whole = all([kept, Task::failed("no")]);
            assert_eq!(whole.wait().unwrap_err().kind(), ErrorKind::Failed);
            assert!(resolver.is_wanted());
            resolver.resolve(5).unwrap();
            assert_eq!(seen.take(), [5]);
        });
    }

    // Case: 35
    #[test]
    fn one_source_may_be_listed_repeatedly() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            let whole = all((0..10).map(|_| shared.cloned()).collect::<Vec<_>>());
            resolver.resolve(3).unwrap();
            assert_eq!(whole.wait().unwrap(), [3; 10]);

            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            let whole = all((0..10).map(|_| shared.cloned()).collect::<Vec<_>>());
            assert!(resolver.reject("no").is_ok());
            assert_eq!(whole.wait().unwrap_err().kind(), ErrorKind::Failed);
        });
    }

    // Case: 36
    #[test]
    fn settled_inputs_are_used_at_once() {
        within(|| {
            let ready = || (0..100).map(Task::ready).collect::<Vec<_>>();
            assert_eq!(await_all(ready()).unwrap(), (0..100).collect::<Vec<_>>());

            let mut with_failure = ready();
            with_failure[50] = Task::failed("no");
            assert_eq!(
                await_all(with_failure).unwrap_err().kind(),
                ErrorKind::Failed
            );
        });
    }

    #[test]
    fn a_task_that_panics_fails_the_whole() {
        within(|| {
            let whole = all(vec![spawn(|| 1), spawn(|| expected("in one of many"))]);
            assert_eq!(whole.wait().unwrap_err().kind(), ErrorKind::Panicked);
        });
    }

    // The losers of a failed whole give up what they hold, and so does the whole.
    // Case: 40
    #[test]
    fn delivered_values_are_dropped_when_the_result_fails() {
        within(|| {
            let drops = Drops::new();
            let (resolvers, tasks) = many::<crate::support::Token>(4);
            let whole = all(tasks);
            let mut resolvers = resolvers.into_iter();
            for resolver in resolvers.by_ref().take(2) {
                resolver.resolve(drops.token()).unwrap();
            }
            assert_eq!(drops.count(), 0);
            assert!(resolvers.next().unwrap().reject("no").is_ok());
            assert_eq!(drops.count(), 2, "with the outcome of the whole still held");
            assert!(resolvers.next().unwrap().resolve(drops.token()).is_err());
            assert_eq!(drops.count(), 3);
            assert!(whole.wait().is_err());
        });
    }

    // Contract: S1. Every order of N threads settling N tasks gives one whole outcome.
    #[test]
    fn tasks_that_settle_concurrently_make_one_result() {
        const ROUNDS: usize = 100;
        const THREADS: usize = 4;
        within(|| {
            let start = Arc::new(Barrier::new(THREADS));
            for round in 0..ROUNDS {
                let (resolvers, tasks) = many::<usize>(THREADS);
                let whole = all(tasks);
                let settled = Arc::new(AtomicUsize::new(0));
                let count = settled.clone();
                whole.on_settled(move |_| {
                    count.fetch_add(1, Ordering::Relaxed);
                });
                thread::scope(|scope| {
                    for (number, resolver) in resolvers.into_iter().enumerate() {
                        let start = start.clone();
                        scope.spawn(move || {
                            start.wait();
                            if round % 3 == 0 && number == 0 {
                                let _ = resolver.reject("no");
                            } else {
                                let _ = resolver.resolve(number);
                            }
                        });
                    }
                });
                match whole.wait() {
                    Ok(values) => assert_eq!(values, (0..THREADS).collect::<Vec<_>>()),
                    Err(error) => {
                        assert_eq!(round % 3, 0);
                        assert_eq!(error.kind(), ErrorKind::Failed);
                    }
                }
                assert_eq!(settled.load(Ordering::Relaxed), 1);
            }
        });
    }

    // Contract: W1. On the only thread of its pool.
    #[test]
    fn awaiting_many_inside_a_task_needs_no_second_thread() {
        within(|| {
            let pool = Pool::builder().core_threads(1).max_threads(1);
            let pool = pool.build().unwrap();
            let inner = pool.clone();
            let sum = pool.spawn(move || {
                let tasks: Vec<_> = (0..50).map(|n| inner.spawn(move || n)).collect();
                await_all(tasks).unwrap().iter().sum::<u32>()
            });
            assert_eq!(sum.wait().unwrap(), (0..50).sum::<u32>());
        });
    }
}

mod any_of {
    use super::*;

    // Case: 32
    // Contract: M2
    #[test]
    fn nothing_to_choose_from_is_a_clear_error() {
        within(|| {
            let error = any(Vec::<Task<u32>>::new()).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Empty);
            let error = await_first(Vec::<Task<u32>>::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Empty);
            assert!(error.to_string().contains("at least one task"), "{error}");
        });
    }

    // Contract: M1
    #[test]
    fn the_first_value_in_time_wins() {
        within(|| {
            let (resolvers, tasks) = many::<u32>(3);
            let first = any(tasks);
            let [one, two, three] = <[Resolver<u32>; 3]>::try_from(resolvers).unwrap();
            assert!(one.reject("first").is_ok());
            assert!(!first.is_settled(), "a failure does not decide");
            three.resolve(3).unwrap();
            assert_eq!(first.status(), Status::Success);
            assert_eq!(two.resolve(2), Err(2), "the loser was cancelled");
            assert_eq!(first.wait().unwrap(), 3);
        });
    }

    // Case: 38
    #[test]
    fn of_several_values_that_are_there_the_first_in_the_list_wins() {
        within(|| {
            // On an executor that runs jobs in their order.
            let queue = LoopQueue::new();
            let on_queue = |n| Task::ready(n).on(&queue);
            let first = any([on_queue(1), on_queue(2), on_queue(3)]);
            assert_eq!(queue.run_until(first).unwrap(), 1);

            let mixed = any([Task::failed("no"), Task::ready(2)]);
            assert_eq!(mixed.wait().unwrap(), 2);
        });
    }

    // Case: 37
    #[test]
    fn if_all_fail_every_failure_is_listed_in_the_order_of_the_tasks() {
        within(|| {
            let (resolvers, tasks) = many::<u32>(3);
            let first = any(tasks);
            let [one, two, three] = <[Resolver<u32>; 3]>::try_from(resolvers).unwrap();
            assert!(two.reject("two").is_ok());
            drop(three);
            assert!(one.reject("one").is_ok());
            let error = first.wait().unwrap_err();
            let all = error.downcast_ref::<AggregateError>().unwrap();
            let kinds: Vec<_> = all.errors().iter().map(|error| error.kind()).collect();
            assert_eq!(
                kinds,
                [ErrorKind::Failed, ErrorKind::Failed, ErrorKind::Abandoned]
            );
            assert!(all.errors()[0].to_string().starts_with("one"));
            assert!(all.errors()[1].to_string().starts_with("two"));
            assert!(all.first().to_string().starts_with("two"), "in time");
        });
    }

    // `Display` has the first failure, so a walk along `source()` goes on behind it.
    #[test]
    fn the_sources_of_an_aggregate_are_those_of_the_first_failure() {
        use std::error::Error;

        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("no number")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }

        within(|| {
            let (mut resolvers, tasks) = many::<u32>(2);
            let first = any(tasks);
            let inner = "x".parse::<u32>().unwrap_err();
            let outer = Outer(inner.clone());
            resolvers.pop().unwrap().reject(outer).unwrap();
            resolvers.pop().unwrap().reject("the other").unwrap();
            let error = first.wait().unwrap_err();
            let text = error.to_string();
            assert_eq!(text, "all 2 tasks failed; the first failure: no number");
            let mut sources = Vec::new();
            let mut next = error.source();
            while let Some(source) = next {
                sources.push(source.to_string());
                next = source.source();
            }
            assert_eq!(sources, [inner.to_string()]);
        });
    }

    #[test]
    fn await_first_gives_the_failure_that_came_first() {
        within(|| {
            let (one, a) = deferred::<u32>();
            let (two, b) = deferred();
            let (registered, end) = (Gate::new(), Gate::new());
            // Cold: it starts when it is registered, which is after the others.
            let last = Task::new({
                let (registered, end) = (registered.clone(), end.clone());
                move || {
                    registered.open();
                    end.pass();
                    expected("the last one")
                }
            });
            let waiter = thread::spawn(move || await_first([a, b, last]));
            registered.pass();
            assert!(two.reject("two").is_ok());
            assert!(one.reject("one").is_ok());
            end.open();
            let error = waiter.join().unwrap().unwrap_err();
            assert!(error.to_string().starts_with("two"), "{error}");
        });
    }

    // Case: 35
    #[test]
    fn one_source_may_be_listed_repeatedly() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            let first = any((0..10).map(|_| shared.cloned()));
            resolver.resolve(3).unwrap();
            assert_eq!(first.wait().unwrap(), 3);

            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            let first = any((0..10).map(|_| shared.cloned()));
            assert!(resolver.reject("no").is_ok());
            let error = first.wait().unwrap_err();
            let all = error.downcast_ref::<AggregateError>().unwrap();
            assert_eq!(all.errors().len(), 10);
        });
    }

    // What a loser waits for is cancelled with it, but not what others want as well.
    // Contract: M3
    #[test]
    fn losers_are_cancelled_up_to_tasks_with_other_consumers() {
        within(|| {
            let (shared_source, task) = deferred::<u32>();
            let (own_source, own) = deferred::<u32>();
            let (shielded_source, shielded) = deferred::<u32>();
            let shared = task.share();
            let drops = Drops::new();
            let held = || {
                let token = drops.token();
                move |n: u32| {
                    token.hold();
                    n
                }
            };
            let (one, two) = (held(), held());
            let first = any([
                shared.then(move |n| one(*n)),
                own.then(two),
                shielded.shielded(),
                Task::ready(7),
            ]);
            assert_eq!(first.wait().unwrap(), 7);
            // The thread that settled the winner cancels the losers, perhaps a moment later.
            drops.wait_for(2);
            assert!(!own_source.is_wanted());
            assert!(shared_source.is_wanted(), "the shared handle wants it");
            assert!(shielded_source.is_wanted());
            drop(shared);
        });
    }

    // A source that never settles does not collect the losers of every race it was in.
    // Case: 41
    // Contract: M3
    #[test]
    fn losers_leave_no_step_on_a_long_lived_source() {
        within(|| {
            let (never, task) = deferred::<u32>();
            let never_settles = task.share();
            let drops = Drops::new();
            for round in 0..1000 {
                let token = drops.token();
                let loser = never_settles.then(move |n| {
                    token.hold();
                    *n
                });
                let (resolver, winner) = deferred();
                let first = any([loser, winner]);
                resolver.resolve(round).unwrap();
                assert_eq!(first.wait().unwrap(), round);
                assert_eq!(
                    drops.count(),
                    round as usize + 1,
                    "the loser's closure is gone"
                );
            }
            drop(never);
        });
    }

    // The winner settles while the race is being put together.
    // Case: 42
    #[test]
    fn a_race_that_is_won_while_it_begins_leaves_nothing_on_its_losers() {
        const ROUNDS: usize = 1000;
        within(|| {
            let (never, task) = deferred::<u32>();
            let never_settles = task.share();
            let drops = Drops::new();
            let start = Arc::new(Barrier::new(2));
            let (hand, take) = std::sync::mpsc::channel::<Resolver<u32>>();
            let settler = thread::spawn({
                let start = start.clone();
                move || {
                    for resolver in take {
                        start.wait();
                        resolver.resolve(7).unwrap();
                    }
                }
            });
            for round in 0..ROUNDS {
                let loser = || {
                    let token = drops.token();
                    never_settles.then(move |n| {
                        token.hold();
                        *n
                    })
                };
                let (resolver, winner) = deferred();
                let race = [loser(), winner, loser()];
                hand.send(resolver).unwrap();
                start.wait();
                assert_eq!(any(race).wait().unwrap(), 7);
                // The last thread to arrive cancels the losers, perhaps a moment later.
                drops.wait_for(2 * (round + 1));
            }
            drop(hand);
            settler.join().unwrap();
            assert!(never.is_wanted());
        });
    }

    // Contract: S1
    #[test]
    fn tasks_that_settle_at_once_have_one_winner() {
        const ROUNDS: usize = 100;
        const THREADS: usize = 4;
        within(|| {
            let start = Arc::new(Barrier::new(THREADS));
            for _ in 0..ROUNDS {
                let drops = Drops::new();
                let (resolvers, tasks) = many::<crate::support::Token>(THREADS);
                let first = any(tasks);
                thread::scope(|scope| {
                    for resolver in resolvers {
                        let start = start.clone();
                        let drops = drops.clone();
                        scope.spawn(move || {
                            start.wait();
                            // A loser gets its value back, or it is dropped as a late one.
                            let _ = resolver.resolve(drops.token());
                        });
                    }
                });
                assert_eq!(drops.count(), THREADS - 1);
                drop(first.wait().unwrap());
                assert_eq!(drops.count(), THREADS);
            }
        });
    }
}

mod both {
    use super::*;

    // Collecting runs no user code: it needs no executor, and no loop that is not running.
    #[test]
    fn collecting_settled_tasks_does_not_go_through_their_executor() {
        within(|| {
            type Collect = fn(Task<u32>) -> Task<u32>;
            let table: [(&str, Collect); 5] = [
                ("all", |task| all([task]).on(&Inline).then(|all| all[0])),
                ("a tuple", |task| {
                    all((task, Task::ready(()))).on(&Inline).then(|all| all.0)
                }),
                ("any", |task| any([task])),
                ("a shield", |task| task.shielded()),
                ("adoption", |task| Task::ready(()).and_then(move |()| task)),
            ];
            for (name, collect) in table {
                let queue = LoopQueue::new();
                let task = Task::ready(1).on(&queue).then(|n| n + 1);
                assert_eq!(queue.run_pending(), 1);
                assert_eq!(task.status(), Status::Success);
                match collect(task).wait_timeout(Duration::from_secs(5)) {
                    Ok(outcome) => assert_eq!(outcome.unwrap(), 2, "{name}"),
                    Err(_) => panic!("{name} waits for a turn of the loop"),
                }
            }
        });
    }

    // Contract: C3
    #[test]
    fn cancelling_the_whole_cancels_the_parts() {
        within(|| {
            let (resolvers, tasks) = many::<u32>(3);
            let whole = all(tasks);
            whole.cancel();
            assert!(resolvers.iter().all(|resolver| !resolver.is_wanted()));
            assert!(whole.wait().unwrap_err().is_cancelled());

            let (resolvers, tasks) = many::<u32>(3);
            let first = any(tasks);
            first.cancel();
            assert!(resolvers.iter().all(|resolver| !resolver.is_wanted()));
            assert!(first.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: C4
    #[test]
    fn dropping_the_whole_cancels_nothing() {
        within(|| {
            let (resolvers, tasks) = many::<u32>(2);
            let seen = Latch::new(2);
            for task in &tasks {
                let seen = seen.clone();
                task.on_settled(move |_| seen.count_down());
            }
            drop(all(tasks));
            for resolver in resolvers {
                resolver.resolve(1).unwrap();
            }
            seen.wait();
        });
    }

    // Contract: D2, D8. The observers of the whole run on the thread that brings the last part, and
    // may do what they like.
    #[test]
    fn callbacks_of_the_whole_may_call_back() {
        within(|| {
            let (resolvers, tasks) = many::<u32>(2);
            let nested = all(tasks).and_then(|values| {
                let sum: u32 = values.iter().sum();
                all((Task::ready(sum), any([spawn(move || sum + 1)])))
            });
            for resolver in resolvers {
                resolver.resolve(2).unwrap();
            }
            assert_eq!(nested.wait().unwrap(), (4, 5));
            assert_still_dispatches();
        });
    }

    // Observers of the parts are not lost when a combinator consumes them.
    #[test]
    fn observers_of_the_parts_run_before_the_whole_settles() {
        within(|| {
            let (resolvers, tasks) = many::<u32>(2);
            let log = Log::new();
            for task in &tasks {
                let log = log.clone();
                task.on_settled(move |_| log.push("part"));
            }
            let whole = all(tasks);
            let saw = log.clone();
            whole.on_settled(move |_| saw.push("whole"));
            for resolver in resolvers {
                resolver.resolve(1).unwrap();
            }
            assert_eq!(whole.wait().unwrap(), [1, 1]);
            assert_eq!(log.take(), ["part", "part", "whole"]);
        });
    }
}

mod all_settled_of {
    use super::*;

    // Contract: M2
    #[test]
    fn nothing_is_an_empty_list() {
        within(|| {
            let none = all_settled(Vec::<Task<u32>>::new());
            assert_eq!(none.status(), Status::Success);
            assert_eq!(none.wait().unwrap().len(), 0);
        });
    }

    // Contract: M1
    #[test]
    fn outcomes_come_in_the_order_of_the_tasks() {
        within(|| {
            for settled_first in [false, true] {
                let (mut resolvers, tasks) = many::<usize>(3);
                let mut tasks = Some(tasks);
                let mut whole = (!settled_first).then(|| all_settled(tasks.take().unwrap()));
                resolvers.pop().unwrap().resolve(2).unwrap();
                resolvers.pop().unwrap().reject("one").unwrap();
                if let Some(whole) = &whole {
                    assert!(!whole.is_settled());
                }
                resolvers.pop().unwrap().resolve(0).unwrap();
                let whole = whole
                    .take()
                    .unwrap_or_else(|| all_settled(tasks.take().unwrap()));
                let outcomes = whole.wait().unwrap();
                assert_eq!(*outcomes[0].as_ref().unwrap(), 0);
                assert!(
                    outcomes[1]
                        .as_ref()
                        .unwrap_err()
                        .to_string()
                        .contains("one")
                );
                assert_eq!(*outcomes[2].as_ref().unwrap(), 2);
            }
        });
    }

    // Contract: M1
    #[test]
    fn a_tuple_keeps_its_types() {
        within(|| {
            let tasks = (spawn(|| 1_u8), Task::<String>::failed("no"));
            let (number, text) = all_settled(tasks).wait().unwrap();
            assert_eq!(number.unwrap(), 1);
            assert_eq!(text.unwrap_err().kind(), ErrorKind::Failed);
        });
    }

    // Contract: M1, S2
    #[test]
    fn panics_and_cancellations_are_outcomes() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            task.cancel();
            let panics = spawn(|| -> u32 { expected("in one of all") });
            let outcomes = all_settled([panics, task]).wait().unwrap();
            let kinds = outcomes
                .iter()
                .map(|outcome| outcome.as_ref().unwrap_err().kind());
            let kinds: Vec<ErrorKind> = kinds.collect();
            assert_eq!(kinds, [ErrorKind::Panicked, ErrorKind::Cancelled]);
            drop(resolver);
        });
    }

    // Contract: M3
    #[test]
    fn a_cancel_reaches_the_tasks_that_are_not_settled() {
        within(|| {
            let (resolvers, tasks) = many::<u32>(2);
            let whole = all_settled(tasks);
            whole.cancel();
            for resolver in resolvers {
                assert_eq!(resolver.resolve(1), Err(1));
            }
        });
    }

    // Contract: M4
    #[test]
    fn a_failure_in_the_list_is_not_reported() {
        let name = "all_settled_of::a_failure_in_the_list_is_not_reported";
        isolated(name, || {
            let reported = Arc::new(AtomicUsize::new(0));
            let counted = reported.clone();
            set_unhandled_hook(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let outcomes = all_settled([Task::<u32>::failed("seen")]).wait().unwrap();
            drop(outcomes);
            assert_eq!(reported.load(Ordering::Relaxed), 0);
            drop(all_settled([Task::<u32>::failed("dropped with the list")]));
            assert_eq!(reported.load(Ordering::Relaxed), 0);
            drop(Task::<u32>::failed("dropped alone"));
            assert_eq!(reported.load(Ordering::Relaxed), 1, "the hook works");
        });
    }
}
