//! Cancelling: what it stops, what it tells, how far it reaches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::{Count, Dropped, Gate, until, within};
use fast_async::{
    CancelOutcome, CancelToken, ErrorKind, LoopQueue, Pool, Task, TaskContext, all, any, attempt,
    deferred, spawn, spawn_with,
};

/// A pool whose only thread is held by the gate.
fn held_pool() -> (Pool, Gate) {
    let pool = Pool::builder().max_threads(1).build().unwrap();
    let (running, gate) = (Count::default(), Gate::default());
    let (begun, held) = (running.clone(), gate.clone());
    pool.spawn(move || {
        begun.add();
        held.pass();
    })
    .detach();
    running.reach(1);
    (pool, gate)
}

/// Signals that it runs, and returns when it sees the cancel.
fn until_told(running: &Count) -> impl FnOnce(&TaskContext) -> u32 + Send + 'static {
    let running = running.clone();
    move |context| {
        running.add();
        until(|| context.is_cancelled());
        7
    }
}

mod outcome {
    use super::*;

    // Contract: C1
    // Case: 55
    #[test]
    fn a_task_not_started_never_runs_and_drops_its_closure_at_once() {
        within(|| {
            let (pool, gate) = held_pool();
            let (ran, freed) = (Count::default(), Count::default());
            let (run, captured) = (ran.clone(), Dropped(freed.clone()));
            let task = pool.spawn(move || {
                let _captured = captured;
                run.add();
            });
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            assert_eq!(freed.get(), 1, "what it captured is dropped at once");
            assert!(task.is_settled());
            assert_eq!(task.cancel(), CancelOutcome::TooLate);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Cancelled);
            gate.open();
            assert!(pool.wait_idle(Duration::MAX));
            assert_eq!(ran.get(), 0);
        });
    }

    // Contract: C1
    #[test]
    fn a_cold_task_never_starts() {
        let freed = Count::default();
        let captured = Dropped(freed.clone());
        let task = Task::new(move || drop(captured));
        assert_eq!(task.cancel(), CancelOutcome::Prevented);
        assert_eq!(freed.get(), 1);
        task.run();
        assert!(task.wait().unwrap_err().is_cancelled());
    }

    // Contract: C1
    #[test]
    fn a_running_task_is_signalled_and_its_result_is_dropped() {
        within(|| {
            let pool = Pool::new();
            let (running, leave, freed) = (Count::default(), Gate::default(), Count::default());
            let (begun, held, result) = (running.clone(), leave.clone(), Dropped(freed.clone()));
            let (tell, told) = mpsc::channel();
            let task = pool.spawn_with(move |context| {
                begun.add();
                held.pass();
                tell.send((context.is_cancelled(), context.check().is_err()))
                    .unwrap();
                result
            });
            running.reach(1);
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            assert!(task.is_settled(), "now, not when the closure returns");
            assert_eq!(task.cancel(), CancelOutcome::TooLate);
            assert!(task.wait().err().unwrap().is_cancelled());
            assert_eq!(freed.get(), 0);
            leave.open();
            assert_eq!(told.recv().unwrap(), (true, true));
            assert!(pool.wait_idle(Duration::MAX));
            assert_eq!(freed.get(), 1, "a value without a consumer is dropped");
        });
    }

    // Contract: C1
    // Case: 49
    #[test]
    fn a_settled_task_is_unchanged() {
        within(|| {
            let task = Task::ready(String::from("kept"));
            assert_eq!(task.cancel(), CancelOutcome::TooLate);
            assert_eq!(task.wait().unwrap(), "kept");

            let task = spawn(|| 1).then(|n| n + 1);
            until(|| task.is_settled());
            assert_eq!(task.cancel(), CancelOutcome::TooLate);
            assert_eq!(task.wait().unwrap(), 2);

            let task: Task<u32> = attempt(|| Err("its own".into()));
            until(|| task.is_settled());
            assert_eq!(task.cancel(), CancelOutcome::TooLate);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Failed);
        });
    }

    // Contract: C1
    #[test]
    fn the_resolver_of_a_cancelled_task_gets_its_value_back() {
        let (resolver, task) = deferred::<String>();
        assert!(resolver.is_wanted());
        assert_eq!(task.cancel(), CancelOutcome::Prevented);
        assert!(!resolver.is_wanted());
        assert_eq!(resolver.resolve("mine".into()), Err("mine".to_owned()));

        let (resolver, task) = deferred::<u32>();
        task.cancel();
        assert_eq!(resolver.reject("no").unwrap_err().to_string(), "no");

        let (resolver, task) = deferred::<u32>();
        task.cancel();
        let (_inner, other) = deferred::<u32>();
        assert!(resolver.settle_with(other).is_err());
    }

    // Contract: C1
    #[test]
    fn a_continuation_that_runs_is_signalled_too() {
        within(|| {
            let (running, leave) = (Count::default(), Gate::default());
            let (begun, held) = (running.clone(), leave.clone());
            let skipped = Count::default();
            let skip = skipped.clone();
            let task = spawn(|| 1)
                .then(move |n| {
                    begun.add();
                    held.pass();
                    n + 1
                })
                .then(move |n| {
                    skip.add();
                    n
                });
            running.reach(1);
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            assert!(task.wait().unwrap_err().is_cancelled());
            leave.open();
            assert!(Pool::global().wait_idle(Duration::MAX));
            assert_eq!(skipped.get(), 0);
        });
    }

    // Contract: C1
    #[test]
    fn a_closure_that_panics_after_it_was_cancelled_changes_nothing() {
        within(|| {
            let pool = Pool::new();
            let running = Count::default();
            let begun = running.clone();
            let task = pool.spawn_with(move |context| -> u32 {
                begun.add();
                until(|| context.is_cancelled());
                panic!("too late to matter")
            });
            running.reach(1);
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            assert!(pool.wait_idle(Duration::MAX));
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        });
    }

    // Contract: C1
    #[test]
    fn a_waiting_thread_wakes_at_once() {
        within(|| {
            let token = CancelToken::new();
            let begun = Count::default();
            let task = Task::builder()
                .cancel_token(&token)
                .spawn_with(until_told(&begun));
            let waiter = thread::spawn(move || task.wait());
            token.cancel();
            assert!(waiter.join().unwrap().unwrap_err().is_cancelled());
        });
    }
}

mod downstream {
    use super::*;

    // Contract: C2
    #[test]
    fn then_is_skipped_catch_and_finally_run() {
        within(|| {
            let token = CancelToken::new();
            let (pool, gate) = held_pool();
            let log = Arc::new(Mutex::new(Vec::new()));
            let note = |what: &'static str| {
                let log = log.clone();
                move || log.lock().unwrap().push(what)
            };
            let (then, finally, catch, tail) =
                (note("then"), note("finally"), note("catch"), note("tail"));
            let task = Task::builder()
                .pool(&pool)
                .cancel_token(&token)
                .spawn(|| 1)
                .then(move |n| {
                    then();
                    n
                })
                .finally(finally)
                .inspect_err(|error| assert!(error.is_cancelled()))
                .catch(move |error| {
                    assert_eq!(error.kind(), ErrorKind::Cancelled);
                    catch();
                    7
                })
                .then(move |n| {
                    tail();
                    n + 1
                });
            assert!(token.cancel());
            assert_eq!(task.wait().unwrap(), 8);
            assert_eq!(*log.lock().unwrap(), ["finally", "catch", "tail"]);
            gate.open();
        });
    }

    // Contract: C2
    // Case: 52
    #[test]
    fn a_cancelled_tail_runs_finally_and_observers_and_drops_the_rest() {
        let (resolver, task) = deferred::<u32>();
        let freed = Count::default();
        let [one, two, three] = [(); 3].map(|()| Dropped(freed.clone()));
        let (finally, observed, other) = (Count::default(), Count::default(), Count::default());
        let (in_finally, in_observer) = (finally.clone(), observed.clone());
        let (in_then, in_catch) = (other.clone(), other.clone());
        let task = task
            .then(move |n| {
                in_then.add();
                drop(one);
                n
            })
            .catch(move |_| {
                in_catch.add();
                drop(two);
                0
            })
            .finally(move || {
                drop(three);
                in_finally.add();
            });
        task.on_settled(move |outcome| {
            assert!(outcome.unwrap_err().is_cancelled());
            in_observer.add();
        });
        assert_eq!(task.cancel(), CancelOutcome::Prevented);
        assert_eq!((finally.get(), observed.get(), other.get()), (1, 1, 0));
        assert_eq!(freed.get(), 3, "what the closures captured is gone");
        assert!(!resolver.is_wanted());
        assert!(task.wait().unwrap_err().is_cancelled());
    }

    // Contract: C2, S2
    // Case: 52
    #[test]
    fn panics_in_finally_and_in_drops_stay_inside_a_cancel() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                if !thread::panicking() {
                    panic!("in a drop");
                }
            }
        }
        let (_resolver, task) = deferred::<u32>();
        let bomb = Bomb;
        let last = Count::default();
        let reached = last.clone();
        let task = task
            .then(move |n| {
                let _bomb = &bomb;
                n
            })
            .finally(|| panic!("in finally"))
            .finally(move || reached.add());
        let outcome = catch_unwind(AssertUnwindSafe(|| task.cancel()));
        assert_eq!(outcome.unwrap(), CancelOutcome::Prevented);
        assert_eq!(last.get(), 1, "one failure starves no other");
        assert!(task.wait().unwrap_err().is_cancelled());
    }

    // Contract: C2
    #[test]
    fn a_subscriber_that_comes_after_the_cancel_sees_it() {
        within(|| {
            let (_resolver, task) = deferred::<u32>();
            task.cancel();
            let seen = Count::default();
            let observed = seen.clone();
            task.on_settled(move |outcome| {
                assert!(outcome.unwrap_err().is_cancelled());
                observed.add();
            });
            assert_eq!(task.catch(|_| 7).wait().unwrap(), 7);
            assert_eq!(seen.get(), 1);
        });
    }
}

mod upstream {
    use super::*;

    // Contract: C3
    // Case: 50
    #[test]
    fn the_tail_cancels_the_running_head() {
        within(|| {
            let running = Count::default();
            let task = spawn_with(until_told(&running))
                .then(|n| n + 1)
                .and_then(|n| Ok(n * 2))
                .finally(|| ())
                .catch(|_| 0);
            running.reach(1);
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            assert!(task.wait().unwrap_err().is_cancelled());
            // Returns only because the head was told.
            assert!(Pool::global().wait_idle(Duration::MAX));
        });
    }

    // Contract: C3
    // Case: 50
    #[test]
    fn an_adopted_task_is_cancelled_with_its_adopter() {
        within(|| {
            let pool = Pool::new();
            let running = Count::default();
            let inner = pool.spawn_with(until_told(&running));
            let outer = pool.attempt(move || inner).then(|n| n + 1).and_then(Ok);
            running.reach(1);
            // The adoption is over when the closure that returned the inner task is.
            until(|| outer.thread().is_some() && pool.metrics().completed == 1);
            assert_eq!(outer.cancel(), CancelOutcome::Signalled);
            assert!(pool.wait_idle(Duration::MAX), "the inner task was told");

            let (resolver, inner) = deferred::<u32>();
            let outer = Task::ready(()).and_then(move |()| inner).then(|n| n + 1);
            until(|| outer.thread().is_some());
            assert!(Pool::global().wait_idle(Duration::MAX));
            assert_eq!(outer.cancel(), CancelOutcome::Prevented);
            assert_eq!(resolver.resolve(1), Err(1));
        });
    }

    // Contract: C2, C3
    #[test]
    fn an_adopted_task_that_is_cancelled_fails_its_adopter() {
        within(|| {
            let token = CancelToken::new();
            let running = Count::default();
            let inner = Task::builder()
                .cancel_token(&token)
                .spawn_with(until_told(&running));
            let outer = attempt(move || inner).catch(|error| {
                assert!(error.is_cancelled());
                9
            });
            running.reach(1);
            token.cancel();
            assert_eq!(outer.wait().unwrap(), 9);
        });
    }

    // Contract: C3
    #[test]
    fn the_members_of_all_are_cancelled_with_it() {
        within(|| {
            let pool = Pool::new();
            let running = Count::default();
            let (resolver, open) = deferred::<u32>();
            let task = all((
                pool.spawn_with(until_told(&running)),
                open,
                pool.spawn_with(until_told(&running)),
            ));
            running.reach(2);
            assert_eq!(
                task.cancel(),
                CancelOutcome::Signalled,
                "two closures were running"
            );
            assert!(task.wait().unwrap_err().is_cancelled());
            assert!(!resolver.is_wanted());
            assert!(pool.wait_idle(Duration::MAX), "both were told");
        });
    }

    // Contract: C3
    #[test]
    fn all_and_any_cancel_what_they_no_longer_need() {
        within(|| {
            let pool = Pool::new();
            let running = Count::default();
            let (resolver, bad) = deferred::<u32>();
            let task = all(vec![pool.spawn_with(until_told(&running)), bad]);
            running.reach(1);
            resolver.reject("no").unwrap();
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Failed);
            assert!(pool.wait_idle(Duration::MAX), "the other one was told");

            let (kept, shielded) = deferred::<u32>();
            let (lost, loser) = deferred::<u32>();
            let task = any(vec![shielded.shielded(), loser, Task::ready(3)]);
            assert_eq!(task.wait().unwrap(), 3);
            until(|| !lost.is_wanted());
            assert!(kept.is_wanted(), "shielded");
        });
    }

    // Contract: C3
    #[test]
    fn nested_groups_are_cancelled_to_the_bottom() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let mut tower = task;
            for _ in 0..200 {
                tower = all(vec![tower, Task::ready(1)]).then(|parts| parts[0]);
            }
            assert_eq!(tower.cancel(), CancelOutcome::Prevented);
            assert!(!resolver.is_wanted());
        });
    }

    // Contract: C3
    // Case: 51
    #[test]
    fn a_shared_source_is_dropped_with_its_last_consumer() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            let (one, two) = (shared.then(|n| n + 1), shared.then(|n| n + 2));
            let other = shared.clone();
            assert_eq!(one.cancel(), CancelOutcome::Prevented);
            assert_eq!(one.cancel(), CancelOutcome::TooLate);
            assert!(resolver.is_wanted(), "three consumers are left");
            shared.cancel();
            assert!(resolver.is_wanted(), "a handle and a branch are left");
            two.cancel();
            assert!(resolver.is_wanted(), "a handle is left");
            other.cancel();
            assert!(!resolver.is_wanted(), "no consumer is left");
            assert_eq!(resolver.resolve(1), Err(1));

            let running = Count::default();
            let shared = spawn_with(until_told(&running)).share();
            running.reach(1);
            let branch = shared.then(|n| *n).finally(|| ()).then(|n| n);
            drop(shared);
            assert_eq!(branch.cancel(), CancelOutcome::Signalled);
            assert!(Pool::global().wait_idle(Duration::MAX));
        });
    }

    // Contract: C3, C4
    #[test]
    fn consumers_that_detach_keep_their_source_alive() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            let ran = Count::default();
            let counted = ran.clone();
            shared.then(move |_| counted.add()).detach();
            let branch = shared.then(|n| *n);
            drop(shared);
            branch.cancel();
            assert!(resolver.is_wanted(), "the detached branch still wants it");
            resolver.resolve(1).unwrap();
            assert_eq!(ran.get(), 1);
        });
    }

    // Contract: C3
    // Case: 51
    #[test]
    fn one_branch_is_cancelled_the_others_get_the_value() {
        within(|| {
            let (resolver, task) = deferred::<String>();
            let shared = task.share();
            let freed = Count::default();
            let captured = Dropped(freed.clone());
            let gone = shared.then(move |_| drop(captured));
            let kept = shared.then(String::len);
            gone.cancel();
            assert_eq!(freed.get(), 1);
            resolver.resolve("four".into()).unwrap();
            assert_eq!(kept.wait().unwrap(), 4);
            assert_eq!(shared.wait().unwrap(), "four");
            assert!(gone.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: C3
    #[test]
    fn a_shield_stops_it() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let ran = Count::default();
            let counted = ran.clone();
            let source = task.then(move |n| {
                counted.add();
                n
            });
            let tail = source.shielded().then(|n| n + 1);
            assert_eq!(tail.cancel(), CancelOutcome::Prevented);
            assert!(resolver.is_wanted());
            resolver.resolve(1).unwrap();
            assert_eq!(ran.get(), 1, "the source continues");
            assert!(tail.wait().unwrap_err().is_cancelled());

            // Without a cancel a shield changes nothing.
            assert_eq!(spawn(|| 1).shielded().wait().unwrap(), 1);
            let failed = Task::<u32>::failed("no").shielded();
            assert_eq!(failed.wait().unwrap_err().kind(), ErrorKind::Failed);
        });
    }

    // Contract: C4
    #[test]
    fn dropping_a_handle_cancels_nothing() {
        within(|| {
            let ran = Count::default();
            let (one, two, three) = (ran.clone(), ran.clone(), ran.clone());
            drop(spawn(move || one.add()));
            let (resolver, task) = deferred::<u32>();
            drop(task.then(move |_| two.add()));
            assert!(resolver.is_wanted());
            resolver.resolve(1).unwrap();
            let shared = spawn(|| 1).share();
            drop(shared.then(move |_| three.add()));
            drop(shared);
            ran.reach(3);
        });
    }

    #[test]
    fn a_pool_attempts_with_a_context() {
        within(|| {
            let pool = Pool::new();
            let running = Gate::default();
            let runs = running.clone();
            let task = pool.attempt_with(move |context| {
                runs.open();
                loop {
                    context.check()?;
                    thread::park_timeout(Duration::from_micros(200));
                }
                #[allow(unreachable_code)]
                Ok(())
            });
            running.pass();
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            assert!(task.wait().unwrap_err().is_cancelled());
            let on = pool.attempt_with(|_| Ok(thread::current().name().map(str::to_string)));
            let name = on.wait().unwrap().unwrap();
            assert!(name.starts_with(pool.name()), "{name}");
        });
    }

    // Contract: C4
    #[test]
    fn cancel_on_drop_is_the_opposite() {
        let (resolver, task) = deferred::<u32>();
        let guard = task.then(|n| n + 1).cancel_on_drop();
        assert!(!guard.is_settled(), "the guard gives access to the task");
        drop(guard);
        assert!(!resolver.is_wanted());

        let (resolver, task) = deferred::<u32>();
        let task = task.cancel_on_drop().into_task();
        resolver.resolve(1).unwrap();
        assert_eq!(task.wait().unwrap(), 1);
        assert_eq!(Task::ready(2).cancel_on_drop().wait().unwrap(), 2);
    }

    // Contract: C1, C3
    #[test]
    fn a_chain_that_waits_for_its_executor_is_cancelled_there() {
        let queue = LoopQueue::new();
        let freed = Count::default();
        let captured = Dropped(freed.clone());
        let task = Task::ready(1).on(&queue).then(move |n| {
            drop(captured);
            n
        });
        assert_eq!(task.cancel(), CancelOutcome::Prevented);
        assert_eq!(freed.get(), 1);
        queue.run_pending();
        assert!(task.wait().unwrap_err().is_cancelled());
    }
}

mod token {
    use super::*;

    // Contract: C1
    #[test]
    fn a_raise_reaches_children_only() {
        let root = CancelToken::new();
        let (left, right) = (root.child(), root.child());
        let leaf = left.child();
        assert!(left.cancel());
        assert!(!left.cancel(), "only the first time");
        assert!(leaf.is_cancelled());
        assert!(!root.is_cancelled() && !right.is_cancelled());
        assert!(left.child().is_cancelled(), "from the start");
        assert!(root.clone().cancel());
        assert!(right.is_cancelled());
        assert!(format!("{root:?}").contains("true"));
        assert!(!CancelToken::default().is_cancelled());
    }

    // Contract: C1
    #[test]
    fn a_deep_tree_and_a_wide_one() {
        let root = CancelToken::new();
        let mut deep = vec![root.child()];
        for _ in 0..100_000 {
            let next = deep.last().unwrap().child();
            deep.push(next);
        }
        let wide: Vec<CancelToken> = (0..10_000).map(|_| root.child()).collect();
        root.cancel();
        assert!(deep.last().unwrap().is_cancelled());
        assert!(wide.iter().all(CancelToken::is_cancelled));
    }

    // Contract: C1
    #[test]
    fn inner_tokens_without_a_handle_pass_the_cancel_on() {
        let root = CancelToken::new();
        let mut leaf = root.child();
        for _ in 0..100_000 {
            leaf = leaf.child();
        }
        let other = leaf.clone();
        root.cancel();
        assert!(leaf.is_cancelled());
        // The whole line goes with its last token, without recursion.
        drop((leaf, other));

        let root = CancelToken::new();
        let leaf = (0..100_000).fold(root.child(), |leaf, _| leaf.child());
        drop((root, leaf));
    }

    // Contract: C1
    #[test]
    fn a_task_holds_the_token_that_cancels_it() {
        within(|| {
            let root = CancelToken::new();
            let (running, pool) = (Count::default(), Pool::new());
            let builder = Task::builder().pool(&pool);
            let tasks: Vec<Task<u32>> = [root.child(), root.child().child()]
                .iter()
                .map(|token| builder.clone().cancel_token(token))
                .map(|builder| builder.spawn_with(until_told(&running)))
                .collect();
            running.reach(2);
            root.cancel();
            for task in tasks {
                assert!(task.wait().unwrap_err().is_cancelled());
            }
        });
    }

    // Contract: C1, D8
    // Case: 49
    #[test]
    fn callbacks_run_once_in_order_or_not_at_all() {
        let token = CancelToken::new();
        let log = Arc::new(Mutex::new(Vec::new()));
        let note = |what: &'static str| {
            let log = log.clone();
            move || log.lock().unwrap().push(what)
        };
        let freed = Count::default();
        let captured = Dropped(freed.clone());
        token.on_cancel(note("first"));
        let second = token.on_cancel(note("second"));
        let third = token.on_cancel(move || drop(captured));
        assert!(third.unregister());
        assert_eq!(freed.get(), 1);
        token.child().on_cancel(note("below a token that is gone"));
        let child = token.child();
        let own = token.clone();
        let again = note("inside a callback");
        child.on_cancel(move || {
            // Registering on a raised token runs at once, here too.
            own.on_cancel(again);
        });
        token.cancel();
        token.cancel();
        assert!(!second.unregister(), "it has run");
        token.on_cancel(note("late"));
        assert_eq!(
            *log.lock().unwrap(),
            ["first", "second", "inside a callback", "late"]
        );
    }

    // Contract: C1
    #[test]
    fn a_builders_token_cancels_many_tasks() {
        within(|| {
            let (pool, gate) = held_pool();
            let token = CancelToken::new();
            let running = Count::default();
            let free = Pool::new();
            let builder = Task::builder().cancel_token(&token);
            let runs = builder
                .clone()
                .pool(&free)
                .name("runs")
                .spawn_with(until_told(&running));
            let queued: Vec<Task<u32>> = (0..100)
                .map(|n| builder.clone().pool(&pool).spawn(move || n))
                .collect();
            running.reach(1);
            assert!(token.cancel());
            for task in queued.into_iter().chain([runs]) {
                assert!(task.is_settled(), "at once");
                assert!(task.wait().unwrap_err().is_cancelled());
            }
            let ran = Count::default();
            let run = ran.clone();
            let late = builder.spawn(move || run.add());
            assert!(late.wait().unwrap_err().is_cancelled());
            gate.open();
            assert!(pool.wait_idle(Duration::MAX) && free.wait_idle(Duration::MAX));
            assert!(Pool::global().wait_idle(Duration::MAX));
            assert_eq!(ran.get(), 0, "raised before the start");
        });
    }

    #[test]
    fn a_pools_token_cancels_the_tasks_of_the_pool_and_no_others() {
        within(|| {
            let quit = CancelToken::new();
            let pool = Pool::builder().max_threads(1).cancel_token(&quit);
            let pool = pool.build().unwrap();
            let running = Count::default();
            let at_work = pool.spawn_with(until_told(&running));
            running.reach(1);
            let queued = pool.spawn(|| 7);
            let other = spawn(|| 7);
            quit.cancel();
            assert!(at_work.wait().unwrap_err().is_cancelled());
            assert!(queued.wait().unwrap_err().is_cancelled());
            assert!(pool.spawn(|| 7).wait().unwrap_err().is_cancelled());
            assert_eq!(other.wait().unwrap(), 7);
        });
    }

    /// Raises `quit`, which reaches the first of two tasks, and the second after the thread that it
    /// unblocks has emptied its queue. `held`: the place of the first one's callback.
    fn free_a_thread_in_the_middle_of(
        quit: &CancelToken,
        held: &CancelToken,
        pool: &Pool,
        tokens: [&CancelToken; 2],
    ) {
        let (running, ran, gate) = (Count::default(), Count::default(), Gate::default());
        let builder = |token: &CancelToken| Task::builder().pool(pool).cancel_token(token);
        let at_work = builder(tokens[0]).spawn_with(until_told(&running));
        running.reach(1);
        let until_open = gate.clone();
        held.on_cancel(move || until_open.pass());
        let run = ran.clone();
        let queued = builder(tokens[1]).spawn(move || run.add());
        let behind = pool.spawn(|| ());
        let opened = behind.finally(move || gate.open());
        quit.cancel();
        assert!(at_work.wait().unwrap_err().is_cancelled());
        assert!(queued.wait().unwrap_err().is_cancelled());
        let _ = opened.wait();
        assert_eq!(ran.get(), 0, "raised before the start");
    }

    // Contract: C1
    #[test]
    fn a_cancel_starts_no_step_that_it_prevents() {
        within(|| {
            let one_thread = || Pool::builder().max_threads(1);
            let (quit, pool) = (CancelToken::new(), one_thread().build().unwrap());
            free_a_thread_in_the_middle_of(&quit, &quit, &pool, [&quit, &quit]);
            for (one, other) in [(0, 1), (1, 0)] {
                let quit = CancelToken::new();
                let children = [quit.child(), quit.child()];
                let tokens = [&children[one], &children[other]];
                free_a_thread_in_the_middle_of(&quit, tokens[0], &pool, tokens);
            }
            let (quit, other) = (CancelToken::new(), CancelToken::new());
            let pool = one_thread().cancel_token(&quit).build().unwrap();
            free_a_thread_in_the_middle_of(&quit, &quit, &pool, [&other, &other]);
        });
    }

    // Contract: C1
    #[test]
    fn a_builders_token_leaves_settled_tasks_alone() {
        within(|| {
            let token = CancelToken::new();
            let task = Task::builder().cancel_token(&token).spawn(|| 1);
            until(|| task.is_settled());
            token.cancel();
            assert_eq!(task.then(|n| n + 1).wait().unwrap(), 2);

            // A task is settled when its last continuation is: one that runs is cancelled with it.
            let token = CancelToken::new();
            let (running, leave) = (Count::default(), Gate::default());
            let (begun, held) = (running.clone(), leave.clone());
            let task = Task::builder()
                .cancel_token(&token)
                .spawn(|| 1)
                .then(move |n| {
                    begun.add();
                    held.pass();
                    n + 1
                });
            running.reach(1);
            token.cancel();
            leave.open();
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: C1
    #[test]
    fn a_tasks_own_token_reaches_other_code() {
        within(|| {
            let (hand_over, handed) = mpsc::channel::<CancelToken>();
            let leave = Gate::default();
            let held = leave.clone();
            let task = Task::builder().attempt_with(move |context| {
                hand_over.send(context.token().clone()).unwrap();
                held.pass();
                context.check()?;
                Ok(1)
            });
            let token = handed.recv().unwrap();
            let told = Count::default();
            let tell = told.clone();
            token.on_cancel(move || tell.add());
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            assert_eq!(told.get(), 1);
            assert!(token.is_cancelled());
            leave.open();
        });
    }
}

mod race {
    use super::*;

    /// Calls both at once, many times; each gets its own number as a delay.
    fn rounds(mut round: impl FnMut(u32, &Barrier, &mpsc::Sender<Job>)) {
        let (send, jobs) = mpsc::channel::<Job>();
        let other = thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        let meet = Barrier::new(2);
        for number in 0..4_000 {
            round(number, &meet, &send);
        }
        drop(send);
        other.join().unwrap();
    }

    type Job = Box<dyn FnOnce() + Send>;

    fn dawdle(rounds: u32) {
        for _ in 0..rounds {
            std::hint::spin_loop();
        }
    }

    // Contract: C1, S1
    // Case: 53
    #[test]
    fn cancel_against_resolve_has_one_winner() {
        within(|| {
            let (mut cancels, mut settles) = (0, 0);
            rounds(|number, _, other| {
                let (resolver, task) = deferred::<u32>();
                let (tell, told) = mpsc::channel();
                let met = Arc::new(Barrier::new(2));
                let theirs = met.clone();
                other
                    .send(Box::new(move || {
                        theirs.wait();
                        dawdle(number % 31);
                        tell.send(resolver.resolve(number)).unwrap();
                    }))
                    .unwrap();
                met.wait();
                dawdle(number % 29);
                let cancelled = task.cancel();
                let resolved = told.recv().unwrap();
                match (cancelled, resolved, task.wait()) {
                    (CancelOutcome::Prevented, Err(back), Err(error)) => {
                        assert!(back == number && error.is_cancelled());
                        cancels += 1;
                    }
                    (CancelOutcome::TooLate, Ok(()), Ok(value)) => {
                        assert_eq!(value, number);
                        settles += 1;
                    }
                    odd => panic!("{odd:?}"),
                }
            });
            assert_eq!(cancels + settles, 4_000);
        });
    }

    // Contract: C1, C2
    // Case: 53
    #[test]
    fn cancel_against_a_chain_has_one_outcome() {
        within(|| {
            let pool = Pool::builder().max_threads(2).build().unwrap();
            for number in 0..4_000_u32 {
                let finally = Count::default();
                let settled = Count::default();
                let (in_finally, observed) = (finally.clone(), settled.clone());
                let task = pool
                    .spawn(move || number)
                    .then(|n| n + 1)
                    .finally(move || in_finally.add())
                    .then(|n| n + 1);
                task.on_settled(move |_| observed.add());
                dawdle(number % 400);
                match (task.cancel(), task.wait()) {
                    (CancelOutcome::TooLate, Ok(n)) => assert_eq!(n, number + 2),
                    (CancelOutcome::Prevented | CancelOutcome::Signalled, Err(error)) => {
                        assert!(error.is_cancelled());
                    }
                    odd => panic!("{odd:?}"),
                }
                assert!(pool.wait_idle(Duration::MAX));
                assert_eq!((finally.get(), settled.get()), (1, 1), "round {number}");
            }
        });
    }

    // Contract: C1
    #[test]
    fn many_cancels_at_once_have_one_winner() {
        within(|| {
            for _ in 0..300 {
                let token = CancelToken::new();
                let (begun, freed) = (Count::default(), Count::default());
                let captured = Dropped(freed.clone());
                let wait = until_told(&begun);
                let task = Task::builder()
                    .cancel_token(&token)
                    .spawn_with(move |context| {
                        let _captured = captured;
                        wait(context)
                    });
                let task = Arc::new(task);
                let start = Arc::new(Barrier::new(4));
                let cancellers: Vec<_> = (0..4)
                    .map(|number| {
                        let (task, token, start) = (task.clone(), token.clone(), start.clone());
                        thread::spawn(move || {
                            start.wait();
                            match number {
                                0 => {
                                    token.cancel();
                                    false
                                }
                                _ => task.cancel() != CancelOutcome::TooLate,
                            }
                        })
                    })
                    .collect();
                let winners = cancellers
                    .into_iter()
                    .filter_map(|canceller| canceller.join().unwrap().then_some(()))
                    .count();
                assert!(winners <= 1, "{winners} were told that it was them");
                let task = Arc::into_inner(task).unwrap();
                assert!(task.wait().unwrap_err().is_cancelled());
                freed.reach(1);
            }
        });
    }

    // Contract: C3
    #[test]
    fn cancelling_the_last_branches_against_the_settling_source() {
        within(|| {
            rounds(|number, _, other| {
                let (resolver, task) = deferred::<u32>();
                let shared = task.share();
                let (one, two) = (shared.then(|n| n + 1), shared.then(|n| n + 1));
                drop(shared);
                let met = Arc::new(Barrier::new(2));
                let theirs = met.clone();
                let (tell, told) = mpsc::channel();
                other
                    .send(Box::new(move || {
                        theirs.wait();
                        dawdle(number % 31);
                        tell.send(resolver.resolve(number).is_ok()).unwrap();
                    }))
                    .unwrap();
                met.wait();
                one.cancel();
                dawdle(number % 29);
                let second = two.cancel();
                let resolved = told.recv().unwrap();
                match two.wait() {
                    Ok(n) => {
                        assert!(resolved && n == number + 1 && second == CancelOutcome::TooLate)
                    }
                    Err(error) => assert!(error.is_cancelled()),
                }
                if let Ok(n) = one.wait() {
                    assert_eq!(n, number + 1);
                }
            });
        });
    }
}
