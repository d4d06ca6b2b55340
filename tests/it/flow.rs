//! Many elements, some at a time: `map_limit`, `map_settled`, `each`, `filter_map`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::{
    Count, Drops, Gate, Log, assert_still_dispatches, expected, isolated, one_thread, pool_of,
    until, within,
};
use fast_async::flow::{each, filter_map, map_settled};
use fast_async::{
    BoxError, CancelOutcome, CancelToken, ErrorKind, LoopQueue, Pool, Resolver, Shutdown, Status,
    Task, attempt, deferred, map_limit, set_unhandled_hook, spawn,
};

/// Counts the failures that this process reports.
fn count_reports() -> Arc<AtomicUsize> {
    let reports = Arc::new(AtomicUsize::new(0));
    let counted = reports.clone();
    set_unhandled_hook(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    reports
}

/// How many are inside at once, and how many were at most.
#[derive(Clone, Default)]
struct Crowd(Arc<(AtomicUsize, AtomicUsize)>);

impl Crowd {
    fn enter(&self) {
        let inside = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(inside, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

mod values {
    use super::*;

    // Contract: F1
    #[test]
    fn they_come_in_the_order_of_the_elements() {
        within(|| {
            for limit in [1, 2, 7, usize::MAX] {
                let squares = map_limit(0..500_u64, limit, |n| Ok(n * n)).wait().unwrap();
                assert_eq!(squares, (0..500).map(|n| n * n).collect::<Vec<u64>>());
            }
            assert!(map_limit(0..0, 3, |n: u8| Ok(n)).wait().unwrap().is_empty());
            let pool = pool_of(3);
            let twice = pool.map_limit(vec![1, 2, 3], 2, |n| spawn(move || n * 2));
            assert_eq!(twice.wait().unwrap(), [2, 4, 6]);
            let words = filter_map(0..100, 4, |n| Ok((n % 10 == 0).then(|| n.to_string())));
            let words = words.wait().unwrap();
            assert_eq!(words.len(), 10);
            assert_eq!(words[9], "90");
        });
    }

    // They settle in the opposite order.
    // Contract: F1
    #[test]
    fn so_do_those_of_tasks() {
        within(|| {
            let resolvers = Log::<Resolver<usize>>::new();
            let keep = resolvers.clone();
            let pool = one_thread();
            let all = pool.map_limit(0..5, 5, move |n| {
                let (resolver, task) = deferred();
                keep.push(resolver);
                task.then(move |m: usize| (n, m))
            });
            pool.wait_idle(Duration::MAX);
            let mut resolvers = resolvers.take();
            assert_eq!(resolvers.len(), 5);
            for m in (0..5).rev() {
                assert!(!all.is_settled());
                resolvers.pop().unwrap().resolve(m).unwrap();
            }
            assert_eq!(all.wait().unwrap(), [0, 1, 2, 3, 4].map(|n| (n, n)));
        });
    }

    // Case: 43
    // Contract: F1
    #[test]
    fn one_at_a_time_is_a_loop() {
        within(|| {
            let order = Log::new();
            let (begins, ends) = (order.clone(), order.clone());
            let numbers = (0..1000).inspect(move |n| begins.push((*n, "pulled")));
            each(numbers, 1, move |n| {
                ends.push((n, "called"));
                Ok(())
            })
            .wait()
            .unwrap();
            let order = order.take();
            let expected = (0..1000).flat_map(|n| [(n, "pulled"), (n, "called")]);
            assert_eq!(order, expected.collect::<Vec<_>>());
        });
    }

    // Contract: F1, F5, X2
    #[test]
    fn no_more_run_and_no_more_are_pulled_than_the_limit() {
        const LIMIT: usize = 3;
        within(|| {
            let (pulled, running, begun) = (Count::default(), Crowd::default(), Count::default());
            let gate = Gate::new();
            let pool = pool_of(8);
            let all = {
                let (pulled, running) = (pulled.clone(), running.clone());
                let (begun, gate) = (begun.clone(), gate.clone());
                let numbers = (0..20).inspect(move |_| pulled.add());
                pool.map_limit(numbers, LIMIT, move |n| {
                    running.enter();
                    begun.add();
                    gate.pass();
                    running.leave();
                    Ok(n)
                })
            };
            // In parallel, up to the limit.
            begun.reach(LIMIT);
            assert_eq!(pulled.get(), LIMIT);
            gate.open();
            assert_eq!(all.wait().unwrap().len(), 20);
            assert_eq!(running.most(), LIMIT);
        });
    }

    // Contract: F1, F5, X2
    #[test]
    fn a_pending_task_holds_its_place() {
        within(|| {
            let resolvers = Log::<Resolver<u8>>::new();
            let keep = resolvers.clone();
            let pool = pool_of(2);
            let all = pool.map_limit(0..6, 2, move |_| {
                let (resolver, task) = deferred();
                keep.push(resolver);
                task
            });
            for round in 0..3 {
                pool.wait_idle(Duration::MAX);
                let pair = resolvers.take();
                assert_eq!(pair.len(), 2, "in round {round}");
                for resolver in pair {
                    resolver.resolve(round).unwrap();
                }
            }
            assert_eq!(all.wait().unwrap(), [0, 0, 1, 1, 2, 2]);
        });
    }

    // Of the closures, and of what settles the tasks that they return, none is on the caller's
    // thread or on a thread of another pool.
    // Contract: F1
    #[test]
    fn closures_run_on_the_pool_that_was_given() {
        within(|| {
            let pool = Pool::builder().name("flow").max_threads(2).build().unwrap();
            let name = || thread::current().name().unwrap_or_default().to_owned();
            let (tell, told) = mpsc::channel::<Resolver<()>>();
            let outside = thread::spawn(move || {
                for resolver in told {
                    resolver.resolve(()).unwrap();
                }
            });
            let names = pool.map_limit(0..50, 3, move |n| {
                let here = name();
                let (resolver, task) = deferred();
                match n % 2 {
                    0 => tell.send(resolver).unwrap(),
                    _ => resolver.resolve(()).unwrap(),
                }
                task.then(move |()| here)
            });
            let names: BTreeSet<String> = names.wait().unwrap().into_iter().collect();
            assert!(
                names.iter().all(|name| name.starts_with("flow-")),
                "{names:?}"
            );
            outside.join().unwrap();
        });
    }

    // A million elements: neither the stack nor, for `each`, the memory grows with them.
    // Case: 43
    // Contract: F1
    #[test]
    fn a_million_elements_are_a_flat_loop() {
        within(|| {
            const COUNT: usize = 1_000_000;
            let sum = Arc::new(AtomicUsize::new(0));
            let add = sum.clone();
            each(0..COUNT, 2, move |n| {
                add.fetch_add(n, Ordering::Relaxed);
                Ok(())
            })
            .wait()
            .unwrap();
            assert_eq!(sum.load(Ordering::Relaxed), COUNT * (COUNT - 1) / 2);
            let ready = map_limit(0..100_000, 1, Task::ready);
            assert_eq!(ready.wait().unwrap().len(), 100_000);
        });
    }

    // Contract: F1, D5
    #[test]
    fn a_long_flow_lets_other_jobs_of_its_pool_run() {
        within(|| {
            let pool = one_thread();
            let other_ran = Gate::new();
            let (seen, begun) = (other_ran.clone(), Gate::new());
            let tell = begun.clone();
            // Endless, until another job has run on the only thread.
            let numbers = (0..).take_while(move |_| !seen.is_open());
            let flow = pool.each(numbers, 1, move |_: u64| {
                tell.open();
                Ok(())
            });
            begun.pass();
            pool.spawn(move || other_ran.open()).wait().unwrap();
            flow.wait().unwrap();
        });
    }

    // The flow needs a thread only for what runs.
    // Contract: W1
    #[test]
    fn waiting_for_a_flow_inside_a_task_needs_no_second_thread() {
        within(|| {
            let pool = one_thread();
            let inner = pool.clone();
            let sum = pool.spawn(move || {
                let nested = inner.clone();
                let sums = inner.map_limit(0..10_u32, 3, move |n| {
                    let inner = nested.map_limit(0..n, 2, Ok).wait()?;
                    Ok(inner.iter().sum::<u32>())
                });
                sums.wait().unwrap().iter().sum::<u32>()
            });
            assert_eq!(
                sum.wait().unwrap(),
                (0..10).map(|n| (0..n).sum::<u32>()).sum()
            );
        });
    }
}

mod failures {
    use super::*;

    // Case: 104
    // Contract: F1
    #[test]
    fn a_limit_of_0_is_an_error_also_for_nothing() {
        within(|| {
            let pulled = Count::default();
            let count = pulled.clone();
            let numbers = (0..3).inspect(move |_| count.add());
            let flow = map_limit(numbers, 0, Ok);
            assert_eq!(flow.status(), Status::Failure);
            let error = flow.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("give at least 1"), "{error}");
            assert!(format!("{error:#}").contains("flow.rs"), "{error:#}");
            assert_eq!(pulled.get(), 0);
            let none = || std::iter::empty::<u8>();
            assert!(map_limit(none(), 0, Ok).wait().is_err());
            assert!(map_settled(none(), 0, Ok).wait().is_err());
            assert!(each(none(), 0, |_| Ok(())).wait().is_err());
            assert!(filter_map(none(), 0, |n| Ok(Some(n))).wait().is_err());
        });
    }

    // Case: 103, 110
    // Contract: F2
    #[test]
    fn the_first_failure_ends_the_pulling_and_cancels_the_rest() {
        within(|| {
            let pulled = Count::default();
            let count = pulled.clone();
            let resolvers = Log::<Resolver<u32>>::new();
            let keep = resolvers.clone();
            let pool = one_thread();
            let numbers = (0..100).inspect(move |_| count.add());
            let flow = pool.map_limit(numbers, 3, move |n| match n {
                2 => Task::failed("the second"),
                _ => {
                    let (resolver, task) = deferred();
                    keep.push(resolver);
                    task
                }
            });
            pool.wait_idle(Duration::MAX);
            assert_eq!(flow.status(), Status::Failure);
            assert_eq!(pulled.get(), 3);
            let left = resolvers.take();
            assert_eq!(left.len(), 2);
            assert!(left.iter().all(|resolver| !resolver.is_wanted()));
            let error = flow.wait().unwrap_err();
            assert!(error.to_string().starts_with("the second"), "{error}");
        });
    }

    // Case: 106
    // Contract: F2, S2
    #[test]
    fn a_panic_in_the_closure_or_the_iterator_is_a_failure() {
        within(|| {
            let (never, pending) = deferred::<u32>();
            let log = Log::new();
            log.push(pending);
            let pending = log;
            let flow = one_thread().map_limit(0..9, 2, move |n| match n {
                0 => pending.take().remove(0),
                _ => expected("in an element"),
            });
            assert_eq!(flow.wait().unwrap_err().kind(), ErrorKind::Panicked);
            // The rest is cancelled after the whole has failed.
            until(|| !never.is_wanted());

            let broken = || {
                (0..9).inspect(|n| {
                    if *n == 4 {
                        expected("in the iterator");
                    }
                })
            };
            let flow = map_limit(broken(), 2, Ok);
            assert_eq!(flow.wait().unwrap_err().kind(), ErrorKind::Panicked);
            let flow = map_settled(broken(), 2, Ok);
            assert_eq!(flow.wait().unwrap_err().kind(), ErrorKind::Panicked);
            assert_still_dispatches();
        });
    }

    // Case: 105
    // Contract: F2
    #[test]
    fn a_flow_that_goes_on_has_every_outcome_in_its_place() {
        within(|| {
            let outcomes = map_settled(0..6, 2, |n| match n {
                1 => Err("one".into()),
                3 => expected("three"),
                4 => attempt(|| Err::<u32, BoxError>("four".into()))
                    .wait()
                    .map_err(Into::into),
                _ => Ok(n),
            });
            let outcomes = outcomes.wait().unwrap();
            let kinds: Vec<_> = outcomes
                .iter()
                .map(|outcome| outcome.as_ref().map_err(|error| error.kind()).copied())
                .collect();
            let failed = Err(ErrorKind::Failed);
            let panicked = Err(ErrorKind::Panicked);
            assert_eq!(kinds, [Ok(0), failed, Ok(2), panicked, failed, Ok(5)]);
        });
    }

    // Case: 101
    // Contract: M4
    #[test]
    fn failures_in_a_list_or_too_late_for_it_are_not_reported() {
        let name = "failures::failures_in_a_list_or_too_late_for_it_are_not_reported";
        isolated(name, || {
            let reports = count_reports();
            let pool = pool_of(4);
            let (begun, gate) = (Count::default(), Gate::new());
            let (arrive, pass) = (begun.clone(), gate.clone());
            let flow = pool.each(0..4, 4, move |n| {
                arrive.add();
                arrive.reach(4);
                if n != 2 {
                    pass.pass();
                }
                Err(format!("no {n}").into())
            });
            let error = flow.wait().unwrap_err();
            assert!(error.to_string().starts_with("no 2"), "{error}");
            gate.open();
            pool.wait_idle(Duration::MAX);
            drop(map_settled(0..3, 2, |_| Err::<(), BoxError>("in the list".into())).wait());
            assert_eq!(reports.load(Ordering::Relaxed), 0);
            drop(map_limit(0..3, 1, |_| Err::<(), BoxError>("alone".into())));
            assert!(Pool::global().wait_idle(Duration::MAX));
            assert_eq!(reports.load(Ordering::Relaxed), 1, "no caller asked for it");
        });
    }

    // Contract: F2
    #[test]
    fn a_pool_that_is_shut_down_fails_the_flow() {
        within(|| {
            let pool = one_thread();
            let (begun, gate) = (Gate::new(), Gate::new());
            let (tell, pass) = (begun.clone(), gate.clone());
            let busy = pool.spawn(move || {
                tell.open();
                pass.pass();
            });
            begun.pass();
            let queued = pool.map_limit(0..3, 1, Ok);
            let _ = pool.shutdown(Shutdown::Discard, Duration::ZERO);
            assert!(queued.wait().unwrap_err().is_cancelled());
            gate.open();
            busy.wait().unwrap();
            let error = pool.map_limit(0..3, 1, Ok).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
        });
    }

    // Contract: D2, S2
    #[test]
    fn iterators_closures_and_values_that_panic_as_they_are_dropped_disturb_nothing() {
        within(|| {
            let drops = Drops::new();
            let (bomb, held) = (drops.bomb(), drops.bomb());
            let numbers = (0..3).inspect(move |_| bomb.hold());
            let flow = each(numbers, 1, move |_| {
                held.hold();
                Ok(())
            });
            assert_eq!(flow.wait().unwrap_err().kind(), ErrorKind::Panicked);
            drops.wait_for(2);
            let bombs = drops.clone();
            let flow = map_limit(0..4, 1, move |n| match n {
                3 => Err("no".into()),
                _ => Ok(bombs.bomb()),
            });
            assert_eq!(flow.wait().err().unwrap().kind(), ErrorKind::Failed);
            drops.wait_for(5);
            assert_still_dispatches();
        });
    }
}

mod cancels {
    use super::*;

    // Contract: F2, C3, D6
    #[test]
    fn a_cancel_drops_what_has_not_started_and_cancels_what_has() {
        within(|| {
            let drops = Drops::new();
            let (one, two) = (drops.token(), drops.token());
            let resolvers = Log::<Resolver<u32>>::new();
            let keep = resolvers.clone();
            let pool = one_thread();
            let numbers = (0..10).inspect(move |_| one.hold());
            let flow = pool.map_limit(numbers, 2, move |_| {
                two.hold();
                let (resolver, task) = deferred();
                keep.push(resolver);
                task
            });
            pool.wait_idle(Duration::MAX);
            flow.cancel();
            assert_eq!(drops.count(), 2);
            let left = resolvers.take();
            assert_eq!(left.len(), 2);
            assert!(left.iter().all(|resolver| !resolver.is_wanted()));
            assert!(flow.wait().unwrap_err().is_cancelled());
        });
    }

    // Also when the whole has failed: `stopped` waits for the closures that run.
    // Case: 160
    // Contract: F5, X2
    #[test]
    fn stopped_waits_for_the_closures_that_run() {
        within(|| {
            for fails in [false, true] {
                let pool = pool_of(3);
                let (begun, decided, gate) = (Count::default(), Gate::new(), Gate::new());
                let flow = {
                    let (begun, pass) = (begun.clone(), gate.clone());
                    pool.each(0..2, 2, move |n| {
                        begun.add();
                        begun.reach(2);
                        if fails && n == 0 {
                            Err("no")?;
                        }
                        pass.pass();
                        Ok(())
                    })
                };
                let tell = decided.clone();
                flow.on_settled(move |_| tell.open());
                begun.reach(2);
                if !fails {
                    assert_eq!(flow.cancel(), CancelOutcome::Signalled);
                }
                decided.pass();
                let stopped = flow.stopped();
                assert!(!stopped.is_settled(), "fails: {fails}");
                gate.open();
                stopped.wait().unwrap();
                assert!(flow.wait().is_err());
            }
        });
    }

    // Case: 160
    // Contract: F5, X2
    #[test]
    fn a_cancelled_closure_keeps_its_place_until_it_has_returned() {
        within(|| {
            let pool = pool_of(4);
            let token = CancelToken::new();
            let (begun, gate, running) = (Count::default(), Gate::new(), Crowd::default());
            let flow = {
                let (token, pool) = (token.clone(), pool.clone());
                let (begun, gate, running) = (begun.clone(), gate.clone(), running.clone());
                pool.clone().map_settled(0..3, 1, move |n| {
                    let (begun, gate, running) = (begun.clone(), gate.clone(), running.clone());
                    let work = Task::builder().pool(&pool).cancel_token(&token);
                    work.spawn(move || {
                        running.enter();
                        begun.add();
                        if n == 0 {
                            gate.pass();
                        }
                        running.leave();
                    })
                })
            };
            begun.reach(1);
            token.cancel();
            // Nothing starts in its place while it runs.
            let others = pool.each(0..100, 2, |_| Ok(()));
            others.wait().unwrap();
            assert_eq!(begun.get(), 1);
            gate.open();
            let outcomes = flow.wait().unwrap();
            assert_eq!(running.most(), 1);
            assert!(outcomes[0].as_ref().unwrap_err().is_cancelled());
        });
    }

    // Contract: F2
    #[test]
    fn a_flow_whose_closures_return_tasks_of_a_loop_goes_through_no_turn_of_it() {
        within(|| {
            let queue = LoopQueue::new();
            let own = queue.clone();
            let pool = one_thread();
            let flow = pool.map_limit(0..3, 1, move |n| Task::ready(n).on(&own).then(|n| n + 1));
            for _ in 0..3 {
                pool.wait_idle(Duration::MAX);
                assert_eq!(queue.run_pending(), 1);
            }
            assert_eq!(flow.wait().unwrap(), [1, 2, 3]);
        });
    }

    // Contract: C4
    #[test]
    fn dropping_the_task_of_a_flow_cancels_nothing() {
        within(|| {
            let done = Count::default();
            let count = done.clone();
            each(0..10, 2, move |_| {
                count.add();
                Ok(())
            })
            .detach();
            done.reach(10);
        });
    }
}
