//! Combinators: `race`, `some`, `zip`, maps, and shared tasks in place of tasks.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use crate::support::{Bomb, Drops, Token, assert_still_dispatches, expected, isolated, within};
use fast_async::combine::{race, some};
use fast_async::error::AggregateError;
use fast_async::{
    ErrorKind, LoopQueue, Resolver, SharedTask, Status, Task, all, all_settled, any, await_first,
    deferred, set_unhandled_hook, spawn,
};

fn many<T: Send + 'static, const N: usize>() -> ([Resolver<T>; N], Vec<Task<T>>) {
    let (resolvers, tasks): (Vec<_>, Vec<_>) = (0..N).map(|_| deferred()).unzip();
    let resolvers = <[Resolver<T>; N]>::try_from(resolvers);
    (resolvers.expect("as many as asked for"), tasks)
}

/// Counts the failures that this process reports.
fn count_reports() -> Arc<AtomicUsize> {
    let reports = Arc::new(AtomicUsize::new(0));
    let counted = reports.clone();
    set_unhandled_hook(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    reports
}

mod race_of {
    use super::*;

    // Case: 32
    // Contract: M2
    #[test]
    fn nothing_to_race_is_a_clear_error() {
        within(|| {
            let none = race(Vec::<Task<u32>>::new());
            assert_eq!(none.status(), Status::Failure);
            let error = none.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Empty);
            assert!(error.to_string().contains("`race` at least one"), "{error}");
        });
    }

    // Contract: M1, M3
    #[test]
    fn the_first_outcome_decides_and_the_others_are_cancelled() {
        within(|| {
            let ([one, two, three], tasks) = many::<u32, 3>();
            let first = race(tasks);
            assert!(!first.is_settled());
            two.resolve(2).unwrap();
            assert_eq!(first.status(), Status::Success);
            assert_eq!(one.resolve(1), Err(1));
            assert_eq!(three.resolve(3), Err(3));
            assert_eq!(first.wait().unwrap(), 2);

            let ([one, two], tasks) = many::<u32, 2>();
            let first = race(tasks);
            two.reject("two").unwrap();
            assert!(!one.is_wanted(), "a failure decides too");
            let error = first.wait().unwrap_err();
            assert!(error.to_string().starts_with("two"), "{error}");
        });
    }

    // Case: 38
    // Contract: M1
    #[test]
    fn of_several_that_are_ready_the_first_in_the_list_wins() {
        within(|| {
            let (_never, pending) = deferred();
            let first = race([pending, Task::ready(1), Task::failed("no"), Task::ready(2)]);
            assert_eq!(first.status(), Status::Success);
            assert_eq!(first.wait().unwrap(), 1);
            let first = race([Task::failed("no"), Task::ready(1)]);
            assert_eq!(first.wait().unwrap_err().kind(), ErrorKind::Failed);
        });
    }

    // Contract: M3
    #[test]
    fn a_shielded_loser_continues() {
        within(|| {
            let (kept, shielded) = deferred::<u32>();
            let first = race([shielded.shielded(), Task::ready(1)]);
            assert_eq!(first.wait().unwrap(), 1);
            kept.resolve(2).unwrap();
        });
    }

    // Contract: M3
    #[test]
    fn cancelling_the_race_cancels_its_runners() {
        within(|| {
            let (resolvers, tasks) = many::<u32, 3>();
            let first = race(tasks);
            first.cancel();
            assert!(resolvers.iter().all(|resolver| !resolver.is_wanted()));
            assert!(first.wait().unwrap_err().is_cancelled());
        });
    }

    // Case: 41, 65
    // Contract: M3
    #[test]
    fn losers_leave_no_step_on_a_task_that_never_settles() {
        within(|| {
            let (never, task) = deferred::<u32>();
            let never_settles = task.share();
            let drops = Drops::new();
            for round in 0..100_000 {
                let token = drops.token();
                let loser = never_settles.then(move |n| {
                    token.hold();
                    *n
                });
                let first = race([loser, Task::ready(round)]);
                assert_eq!(first.wait().unwrap(), round);
            }
            assert_eq!(drops.count(), 100_000);
            assert!(never.is_wanted());
        });
    }

    // Case: 42
    // Contract: S1
    #[test]
    fn tasks_that_settle_at_once_have_one_winner() {
        const ROUNDS: usize = 100;
        const THREADS: usize = 4;
        within(|| {
            let start = Arc::new(Barrier::new(THREADS));
            for _ in 0..ROUNDS {
                let drops = Drops::new();
                let (resolvers, tasks) = many::<Token, THREADS>();
                let racing = thread::scope(|scope| {
                    for resolver in resolvers {
                        let (start, drops) = (start.clone(), drops.clone());
                        scope.spawn(move || {
                            start.wait();
                            let _ = resolver.resolve(drops.token());
                        });
                    }
                    race(tasks)
                });
                drop(racing.wait().unwrap());
                assert_eq!(drops.count(), THREADS);
            }
        });
    }

    // Case: 101
    // Contract: M4
    #[test]
    fn failures_that_come_too_late_are_not_reported() {
        let name = "race_of::failures_that_come_too_late_are_not_reported";
        isolated(name, || {
            let reports = count_reports();
            let late = || Task::<u32>::failed("too late");
            assert_eq!(race([Task::ready(1), late(), late()]).wait().unwrap(), 1);
            assert_eq!(any([Task::ready(1), late()]).wait().unwrap(), 1);
            assert!(all([late(), late()]).wait().is_err());
            assert_eq!(some(1, [Task::ready(1), late()]).wait().unwrap(), [(0, 1)]);
            assert_eq!(reports.load(Ordering::Relaxed), 0);
            drop(race([late(), late()]));
            assert_eq!(reports.load(Ordering::Relaxed), 1, "it is unhandled");
        });
    }

    // Contract: D2, S2
    #[test]
    fn values_and_errors_that_panic_when_dropped_affect_no_task() {
        within(|| {
            let drops = Drops::new();
            let bomb = || Task::ready(drops.bomb());
            let kept: Bomb = race([bomb(), bomb(), bomb()]).wait().unwrap();
            std::mem::forget(kept);
            let failed = || Task::<Bomb>::failed(drops.bomb());
            assert!(race([failed(), failed()]).wait().is_err());
            assert_eq!(some(0, [bomb(), failed()]).wait().unwrap().len(), 0);
            assert_still_dispatches();
        });
    }
}

mod some_of {
    use super::*;

    // Case: 39
    // Contract: M1, M3
    #[test]
    fn the_values_come_in_their_own_order_with_their_places() {
        within(|| {
            let ([one, two, three, four], tasks) = many::<&str, 4>();
            let first = some(2, tasks);
            three.resolve("three").unwrap();
            two.reject("two").unwrap();
            assert!(!first.is_settled());
            one.resolve("one").unwrap();
            assert_eq!(first.status(), Status::Success);
            assert!(!four.is_wanted());
            assert_eq!(first.wait().unwrap(), [(2, "three"), (0, "one")]);
        });
    }

    // Case: 39
    // Contract: M2
    #[test]
    fn exactly_enough_are_enough_and_none_is_nothing() {
        within(|| {
            let whole = some(3, [spawn(|| 1), spawn(|| 2), spawn(|| 3)]);
            let mut values = whole.wait().unwrap();
            values.sort_unstable();
            assert_eq!(values, [(0, 1), (1, 2), (2, 3)]);

            assert!(some(0, Vec::<Task<u32>>::new()).wait().unwrap().is_empty());
            let (unused, task) = deferred::<u32>();
            let none = some(0, [task]);
            assert_eq!(none.status(), Status::Success);
            assert!(!unused.is_wanted());
            assert!(none.wait().unwrap().is_empty());
        });
    }

    // Contract: M2
    #[test]
    fn more_than_there_are_is_an_error_at_once() {
        within(|| {
            let (unused, task) = deferred::<u32>();
            let whole = some(2, [task]);
            assert_eq!(whole.status(), Status::Failure);
            assert!(!unused.is_wanted());
            let error = whole.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Empty);
            assert!(error.to_string().contains("as many tasks"), "{error}");
            let error = some(1, Vec::<Task<u32>>::new()).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Empty);
        });
    }

    // Case: 39
    // Contract: M2, M4
    #[test]
    fn it_fails_as_soon_as_too_few_are_left() {
        within(|| {
            let ([one, two, three, four], tasks) = many::<u32, 4>();
            let whole = some(3, tasks);
            four.reject("four").unwrap();
            one.resolve(1).unwrap();
            assert!(!whole.is_settled(), "three are left");
            two.reject("two").unwrap();
            assert_eq!(whole.status(), Status::Failure);
            assert!(!three.is_wanted());
            let error = whole.wait().unwrap_err();
            assert!(
                error.to_string().starts_with("2 of 4 tasks failed"),
                "{error}"
            );
            let all = error.downcast_ref::<AggregateError>().unwrap();
            let texts: Vec<_> = all.errors().iter().map(ToString::to_string).collect();
            assert!(texts[0].starts_with("two"), "in the order of the tasks");
            assert!(texts[1].starts_with("four"));
            assert!(all.first().to_string().starts_with("four"), "in time");
        });
    }

    // Case: 40
    #[test]
    fn values_go_when_it_fails_and_when_it_is_cancelled() {
        within(|| {
            let drops = Drops::new();
            let ([one, two, three], tasks) = many::<Token, 3>();
            let whole = some(2, tasks);
            one.resolve(drops.token()).unwrap();
            two.reject("two").unwrap();
            assert_eq!(drops.count(), 0);
            three.reject("three").unwrap();
            assert_eq!(drops.count(), 1, "with the outcome still held");
            assert!(whole.wait().is_err());

            let ([one, two], tasks) = many::<Token, 2>();
            let whole = some(2, tasks);
            one.resolve(drops.token()).unwrap();
            whole.cancel();
            assert!(!two.is_wanted());
            assert_eq!(drops.count(), 2);
            assert!(whole.wait().unwrap_err().is_cancelled());
        });
    }

    // What is left leads back to the whole: no value can come any more.
    // Contract: W3
    #[test]
    fn a_member_that_waits_for_the_whole_is_a_cycle_once_no_other_is_left() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let (other, second) = deferred::<u32>();
            let (whole_is, whole_there) = deferred::<SharedTask<Vec<(usize, u32)>>>();
            let leads_back = whole_there.and_then(|whole| whole.then(|values| values[0].1));
            let whole = some(2, [task, leads_back, second]).share();
            whole_is
                .resolve(whole.clone())
                .map_err(|_| "taken")
                .unwrap();
            resolver.resolve(1).unwrap();
            assert!(!whole.is_settled());
            other.reject("no").unwrap();
            assert_eq!(whole.wait().unwrap_err().kind(), ErrorKind::Cycle);
        });
    }
}

mod zip_of {
    use super::*;

    // Contract: M1, M3
    #[test]
    fn both_values_or_the_first_failure() {
        within(|| {
            let both = spawn(|| "one").zip(spawn(|| 2));
            assert_eq!(both.wait().unwrap(), ("one", 2));

            let (never, pending) = deferred::<u32>();
            let failed = pending.zip(Task::<u8>::failed("no"));
            assert_eq!(failed.status(), Status::Failure);
            assert!(!never.is_wanted());
            assert!(failed.wait().is_err());
        });
    }

    #[test]
    fn with_a_shared_task() {
        within(|| {
            let shared = spawn(|| 2).share();
            let both = spawn(|| "one").zip(shared.clone()).wait().unwrap();
            assert_eq!(both, ("one", 2));
            assert_eq!(*shared.wait().unwrap(), 2);
        });
    }
}

mod shared_ones {
    use super::*;

    // Case: 35
    // Contract: M1
    #[test]
    fn they_are_accepted_in_place_of_tasks() {
        within(|| {
            let shared = spawn(|| 7).share();
            let both = || [shared.clone(), shared.clone()];
            assert_eq!(all(both()).wait().unwrap(), [7, 7]);
            assert_eq!(
                all((shared.clone(), Task::ready("x"))).wait().unwrap(),
                (7, "x")
            );
            assert_eq!(any(both()).wait().unwrap(), 7);
            assert_eq!(await_first(both()).unwrap(), 7);
            assert_eq!(race(both()).wait().unwrap(), 7);
            assert_eq!(some(1, both()).wait().unwrap(), [(0, 7)]);
            let outcomes = all_settled(both()).wait().unwrap();
            assert_eq!(outcomes.into_iter().flatten().collect::<Vec<_>>(), [7, 7]);
            let (one, two) = all_settled((shared.clone(), Task::<u8>::failed("no")))
                .wait()
                .unwrap();
            assert_eq!((one.unwrap(), two.is_err()), (7, true));
        });
    }

    // Contract: M3
    #[test]
    fn a_loser_with_other_consumers_continues() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            assert_eq!(
                race([shared.clone().cloned(), Task::ready(1)])
                    .wait()
                    .unwrap(),
                1
            );
            assert!(resolver.is_wanted());
            assert!(
                all([shared.clone(), Task::failed("no").share()])
                    .wait()
                    .is_err()
            );
            assert!(resolver.is_wanted());
            resolver.resolve(3).unwrap();
            assert_eq!(*shared.wait().unwrap(), 3);
        });
    }
}

mod maps {
    use super::*;

    // Contract: M1, M2
    #[test]
    fn values_come_with_their_keys() {
        within(|| {
            let lengths: HashMap<&str, Task<usize>> = ["one", "three"]
                .into_iter()
                .map(|text| (text, spawn(move || text.len())))
                .collect();
            let lengths = all(lengths).wait().unwrap();
            assert_eq!((lengths["one"], lengths["three"]), (3, 5));

            let shared = spawn(|| 'a').share();
            let letters = BTreeMap::from([(2, shared.clone()), (1, shared)]);
            let letters = all(letters).wait().unwrap();
            assert_eq!(letters, BTreeMap::from([(1, 'a'), (2, 'a')]));

            let none = all(HashMap::<u8, Task<u8>>::new());
            assert_eq!(none.status(), Status::Success);
            assert!(none.wait().unwrap().is_empty());
        });
    }

    // Contract: M3, M4
    #[test]
    fn the_first_failure_or_every_outcome() {
        within(|| {
            let (never, pending) = deferred::<u32>();
            let whole = all(BTreeMap::from([("a", pending), ("b", Task::failed("no"))]));
            assert!(whole.wait().unwrap_err().to_string().starts_with("no"));
            assert!(!never.is_wanted());

            let tasks = BTreeMap::from([("a", Task::ready(1)), ("b", Task::failed("no"))]);
            let outcomes = all_settled(tasks).wait().unwrap();
            assert_eq!(*outcomes["a"].as_ref().unwrap(), 1);
            assert_eq!(
                outcomes["b"].as_ref().unwrap_err().kind(),
                ErrorKind::Failed
            );

            let ([one, two], tasks) = many::<u32, 2>();
            let whole = all_settled((0..).zip(tasks).collect::<HashMap<_, _>>());
            whole.cancel();
            assert!(!one.is_wanted() && !two.is_wanted());
            assert!(whole.wait().unwrap_err().is_cancelled());
        });
    }

    /// A key whose comparison panics.
    struct Wild;

    /// They panic from now on.
    static WILD: AtomicBool = AtomicBool::new(false);

    impl PartialEq for Wild {
        fn eq(&self, other: &Wild) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl Eq for Wild {}

    impl PartialOrd for Wild {
        fn partial_cmp(&self, other: &Wild) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Wild {
        fn cmp(&self, _: &Wild) -> std::cmp::Ordering {
            match WILD.load(Ordering::Relaxed) {
                true => expected("in a comparison"),
                false => std::cmp::Ordering::Less,
            }
        }
    }

    // Contract: S2
    #[test]
    fn a_key_that_panics_fails_the_whole() {
        within(|| {
            let tasks = BTreeMap::from([(Wild, Task::ready(1)), (Wild, Task::ready(2))]);
            WILD.store(true, Ordering::Relaxed);
            let error = all(tasks).wait().err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Panicked);
        });
    }
}

// No user code runs in the collecting: it needs no turn of a loop.
#[test]
fn collecting_settled_tasks_does_not_go_through_their_executor() {
    within(|| {
        let queue = LoopQueue::new();
        let ready = || {
            let task = Task::ready(1).on(&queue).then(|n| n + 1);
            queue.run_pending();
            task
        };
        assert_eq!(race([ready()]).status(), Status::Success);
        assert_eq!(some(1, [ready()]).status(), Status::Success);
        assert_eq!(ready().zip(ready()).status(), Status::Success);
    });
}
