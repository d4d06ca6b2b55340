//! Caches: one load for all callers, what is kept and for how long, and who ends a load.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use crate::support::{
    Bomb, Count, Drops, Expected, Gate, LIMIT, OnDrop, Token, When, every_case, expected,
    one_thread, pool_of, reports, until, within,
};
use fast_async::{
    BoxError, CancelOutcome, Clock, ErrorKind, Lazy, Memo, Pool, SharedTask, Shutdown, Task,
    TaskQueue, attempt_with, spawn,
};

const SECOND: Duration = Duration::from_secs(1);

/// Counts the loads of a cache, and holds them up.
#[derive(Clone, Default)]
struct Loads {
    begun: Count,
    calls: Arc<AtomicUsize>,
    gate: Gate,
}

impl Loads {
    /// The number of the call, from 1.
    fn next(&self) -> usize {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.begun.add();
        number
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// A cache whose values are the numbers of their loads.
    fn memo(&self) -> Memo<u32, usize> {
        let own = self.clone();
        Memo::new(move |_: &u32| Ok(own.next()))
    }

    /// The same; a load ends when the gate is open.
    fn held(&self) -> Memo<u32, usize> {
        let own = self.clone();
        Memo::new(move |_: &u32| {
            let number = own.next();
            own.gate.pass();
            Ok(number)
        })
    }

    /// The same; odd loads fail.
    fn failing(&self) -> Memo<u32, usize> {
        let own = self.clone();
        Memo::new(move |_: &u32| match own.next() {
            number if number % 2 == 1 => Err(BoxError::from(format!("load {number}"))),
            number => Ok(number),
        })
    }

    /// The first load ends when the first gate is open, and so on.
    fn gated(&self, gates: &[Gate]) -> Memo<u32, usize> {
        let (own, gates) = (self.clone(), gates.to_vec());
        Memo::new(move |_: &u32| {
            let number = own.next();
            gates[number - 1].pass();
            Ok(number)
        })
    }
}

/// A pool that goes by a virtual clock.
fn virtual_pool() -> (Clock, Pool) {
    let clock = Clock::manual();
    let pool = Pool::builder().clock(&clock).max_threads(4).build();
    (clock, pool.unwrap())
}

fn value<T: Clone + Send + Sync + 'static>(task: SharedTask<T>) -> T {
    task.wait().unwrap().clone()
}

mod flights {
    use super::*;

    // Contract: H1
    #[test]
    fn many_callers_have_one_load() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.held();
            let first = memo.get(1);
            loads.begun.reach(1);
            let readers: Vec<_> = (0..8)
                .map(|_| {
                    let memo = memo.clone();
                    thread::spawn(move || value(memo.get(1)))
                })
                .collect();
            let inside = (0..8).map(|_| {
                let memo = memo.clone();
                spawn(move || value(memo.get(1)))
            });
            let inside: Vec<_> = inside.collect();
            loads.gate.open();
            assert_eq!(value(first), 1);
            for reader in readers {
                assert_eq!(reader.join().unwrap(), 1);
            }
            for reader in inside {
                assert_eq!(reader.wait().unwrap(), 1);
            }
            let again = memo.get(1);
            assert!(again.is_settled(), "it is kept");
            assert_eq!((value(again), loads.calls(), memo.len()), (1, 1, 1));
        });
    }

    /// From the first call on: none waits until the load has begun.
    // Contract: H1
    #[test]
    fn callers_that_come_at_once_have_one_load() {
        within(|| {
            for _ in 0..200 {
                let loads = Loads::default();
                let memo = loads.memo();
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        let memo = memo.clone();
                        thread::spawn(move || value(memo.get(1)))
                    })
                    .collect();
                for thread in threads {
                    assert_eq!(thread.join().unwrap(), 1);
                }
                assert_eq!(loads.calls(), 1);
            }
        });
    }

    // Contract: H1
    #[test]
    fn a_loader_returns_what_a_closure_may_return() {
        within(|| {
            every_case(|case| {
                let loads = Loads::default();
                let own = loads.clone();
                let memo = Memo::new(move |n: &u32| {
                    own.next();
                    let n = *n;
                    let task = match case.when {
                        When::Before => Task::ready(n),
                        When::After => spawn(move || n),
                    };
                    case.send(task).then(|n| n + 1)
                });
                let branch = case.send(memo.get(1).cloned()).then(|n| n * 10);
                assert_eq!(branch.wait().unwrap(), 20, "{case:?}");
                assert_eq!(value(memo.get(1)), 2, "{case:?}");
                assert_eq!(loads.calls(), 1, "{case:?}");
            });
            let shared = Memo::new(|n: &u32| Task::ready(*n).share());
            assert_eq!(value(shared.get(7)), 7);
            let result = Memo::new(|text: &&str| Ok(text.parse::<u32>()?));
            assert_eq!(value(result.get("7")), 7);
            assert!(result.get("x").wait().is_err());
        });
    }

    // Contract: H1
    #[test]
    fn keys_have_loads_of_their_own() {
        within(|| {
            let gate = Gate::new();
            let pass = gate.clone();
            let memo = Memo::new(move |n: &u32| {
                match n {
                    1 => pass.pass(),
                    _ => pass.open(),
                }
                Ok(*n)
            });
            let first = memo.get(1);
            assert_eq!((value(memo.get(2)), value(first)), (2, 1));
        });
    }

    // Contract: H1
    #[test]
    fn a_pool_is_where_loads_run() {
        within(|| {
            let pool = Pool::builder().name("loads").build().unwrap();
            let name = |_: &u32| Ok(thread::current().name().map(str::to_owned));
            let memo = Memo::new(name).pool(&pool);
            assert!(value(memo.get(1)).unwrap().starts_with("loads"));
            // Another executor: the loader returns the task of it.
            let queue = TaskQueue::serial();
            let memo = Memo::new(move |n: &u32| {
                let n = *n;
                queue.spawn(move || n + 1)
            });
            assert_eq!(value(memo.get(1)), 2);
        });
    }

    /// In a pool of one thread, inside its tasks.
    // Contract: H1, W1
    #[test]
    fn callers_in_a_full_pool_do_not_block_the_load() {
        within(|| {
            let pool = one_thread();
            let loads = Loads::default();
            let memo = loads.memo().pool(&pool);
            let callers = (0..10).map(|n| {
                let memo = memo.clone();
                pool.spawn(move || value(memo.get(n % 3)))
            });
            let callers: Vec<_> = callers.collect();
            for caller in callers {
                assert!(caller.wait().unwrap() <= 3);
            }
            assert_eq!(loads.calls(), 3);
        });
    }
}

mod failures {
    use super::*;

    // Contract: H1
    // Case: 176
    #[test]
    fn a_failure_reaches_all_callers_and_is_not_kept() {
        within(|| {
            for later in [false, true] {
                let (calls, gate) = (AtomicUsize::new(0), Gate::new());
                let pass = gate.clone();
                let memo = Memo::new(move |_: &u32| {
                    let call = calls.fetch_add(1, Ordering::SeqCst);
                    pass.pass();
                    let text = if call == 0 { "x" } else { "7" };
                    match later {
                        true => spawn(move || text).and_then(|text| Ok(text.parse::<u32>()?)),
                        false => Task::ready(text).and_then(|text| Ok(text.parse::<u32>()?)),
                    }
                });
                let tasks = [memo.get(1), memo.get(1), memo.get(1)];
                gate.open();
                for task in tasks {
                    let error = task.wait().unwrap_err();
                    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
                }
                assert!(memo.is_empty() && memo.peek(&1).is_none());
                assert_eq!(value(memo.get(1)), 7);
            }
        });
    }

    // Contract: H1
    // Case: 174
    #[test]
    fn a_panic_reaches_all_callers_and_the_next_call_loads_anew() {
        within(|| {
            let loads = Loads::default();
            let own = loads.clone();
            let memo = Memo::new(move |_: &u32| {
                let number = own.next();
                own.gate.pass();
                if number == 1 {
                    std::panic::panic_any(Expected(1));
                }
                Ok(number)
            });
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    let task = memo.get(1);
                    thread::spawn(move || task.wait().unwrap_err())
                })
                .collect();
            loads.gate.open();
            for reader in readers {
                assert_eq!(reader.join().unwrap().kind(), ErrorKind::Panicked);
            }
            assert!(memo.is_empty());
            assert_eq!(value(memo.get(1)), 2);
        });
    }

    /// A caller that finds its task failed calls again: the cache may not have removed it yet.
    // Contract: H1
    #[test]
    fn a_call_after_a_failure_never_gets_that_failure() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.failing();
            for round in 0..500 {
                let task = memo.get(1);
                until(|| task.is_settled());
                assert!(task.error().is_some(), "round {round}");
                assert_eq!(value(memo.get(1)), 2 * round + 2);
                assert!(memo.forget(&1));
            }
        });
    }

    // Contract: H1, P4
    #[test]
    fn a_pool_that_is_shut_down_fails_the_load_and_nothing_is_kept() {
        within(|| {
            let pool = Pool::new();
            let memo = Loads::default().memo().pool(&pool);
            assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
            let error = memo.get(1).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(memo.is_empty());
        });
    }

    // Contract: H1, C5
    #[test]
    fn a_failure_without_a_caller_is_reported_once() {
        within(|| {
            let begun = Count::default();
            let count = begun.clone();
            let memo = Memo::<u32, u32>::new(move |_| {
                count.add();
                Err("the failure of a load without callers".into())
            });
            drop(memo.get(1));
            begun.reach(1);
            until(|| memo.is_empty());
            until(|| reports("the failure of a load without callers") == 1);
        });
    }

    // Contract: H1, S4
    #[test]
    fn an_error_names_the_place_of_the_loader() {
        within(|| {
            let line = line!() + 1;
            let memo = Memo::<u32, u32>::new(|_| Err("no".into()));
            let error = memo.get(1).wait().unwrap_err();
            assert_eq!(error.location().map(|place| place.line()), Some(line));
        });
    }
}

mod cancels {
    use super::*;

    // Contract: H2, C3
    // Case: 172
    #[test]
    fn cancelled_by_one_caller_it_goes_on_for_the_others() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.held();
            let (first, second) = (memo.get(1), memo.get(1));
            let branch = memo.get(1).then(|n| *n);
            loads.begun.reach(1);
            assert_eq!(first.cancel(), None);
            assert_eq!(branch.cancel(), CancelOutcome::Prevented);
            loads.gate.open();
            assert_eq!(value(second), 1);
            assert_eq!((value(memo.get(1)), loads.calls()), (1, 1));
        });
    }

    /// The closure of the cancelled load still runs when the next one has a value.
    // Contract: H2, C1
    // Case: 172
    #[test]
    fn cancelled_by_the_last_caller_it_is_cancelled_and_a_newcomer_starts_afresh() {
        within(|| {
            let (loads, raised) = (Loads::default(), Count::default());
            let (own, count) = (loads.clone(), raised.clone());
            let memo = Memo::new(move |_: &u32| {
                let (own, count) = (own.clone(), count.clone());
                attempt_with(move |ctx| {
                    let number = own.next();
                    if number == 1 {
                        own.gate.pass();
                        ctx.is_cancelled().then(|| count.add());
                    }
                    Ok(number)
                })
            });
            let (first, second) = (memo.get(1), memo.get(1));
            loads.begun.reach(1);
            let branch = first.then(|n| *n);
            drop(first);
            assert_eq!(second.cancel(), None);
            branch.cancel();
            assert!(branch.wait().unwrap_err().is_cancelled());
            assert_eq!(value(memo.get(1)), 2);
            assert_eq!(raised.get(), 0, "it still runs");
            loads.gate.open();
            raised.reach(1);
            assert_eq!((value(memo.get(1)), loads.calls()), (2, 2));
        });
    }

    // Contract: H2, C1
    // Case: 172
    #[test]
    fn cancelled_before_it_begins_it_never_does() {
        within(|| {
            let (pool, gate) = (one_thread(), Gate::new());
            let pass = gate.clone();
            let held = pool.spawn(move || pass.pass());
            let loads = Loads::default();
            let memo = loads.memo().pool(&pool);
            let task = memo.get(1);
            assert!(memo.peek(&1).is_some_and(|task| !task.is_settled()));
            assert_eq!(task.cancel(), Some(CancelOutcome::Prevented));
            assert!(memo.is_empty(), "nothing is left of it");
            let task = memo.get(1);
            gate.open();
            held.wait().unwrap();
            assert_eq!((value(task), loads.calls()), (1, 1));
        });
    }

    // Contract: H2, C4
    #[test]
    fn a_load_whose_callers_are_gone_goes_on_and_can_be_joined() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.held();
            drop(memo.get(1));
            loads.begun.reach(1);
            let task = memo.get(1);
            loads.gate.open();
            assert_eq!((value(task), loads.calls()), (1, 1));
            drop(memo.get(2));
            until(|| memo.peek(&2).is_some_and(|task| task.is_settled()));
            assert_eq!(value(memo.get(2)), 2);
        });
    }

    /// One that comes while the last one leaves.
    // Contract: H2
    // Case: 172
    #[test]
    fn a_newcomer_never_gets_a_cancelled_load() {
        within(|| {
            let pool = pool_of(2);
            for round in 0..2_000 {
                let memo = Memo::new(|n: &u32| Ok(*n)).pool(&pool);
                let last = memo.get(round);
                let canceller = thread::spawn(move || last.cancel());
                assert_eq!(value(memo.get(round)), round);
                canceller.join().unwrap();
            }
        });
    }

    /// The token of a pool reaches the loads as it does other tasks.
    // Contract: H2
    #[test]
    fn a_load_that_the_pool_cancels_is_not_kept() {
        within(|| {
            let token = fast_async::CancelToken::new();
            let pool = Pool::builder().cancel_token(&token).build().unwrap();
            let loads = Loads::default();
            let memo = loads.held().pool(&pool);
            let task = memo.get(1);
            loads.begun.reach(1);
            token.cancel();
            assert!(task.wait().unwrap_err().is_cancelled());
            assert!(memo.is_empty());
            loads.gate.open();
            assert!(memo.get(1).wait().unwrap_err().is_cancelled(), "at once");
        });
    }
}

mod forgetting {
    use super::*;

    // Contract: H2
    // Case: 173
    #[test]
    fn the_end_of_a_forgotten_load_does_not_touch_the_new_one() {
        within(|| {
            type Forget = fn(&Memo<u32, usize>);
            let ways: [Forget; 2] = [|memo| assert!(memo.forget(&1)), Memo::clear];
            for forget in ways {
                // Which of the two ends first.
                for order in [[0, 1], [1, 0]] {
                    let (loads, gates) = (Loads::default(), [Gate::new(), Gate::new()]);
                    let memo = loads.gated(&gates);
                    let old = memo.get(1);
                    loads.begun.reach(1);
                    forget(&memo);
                    assert!(memo.is_empty());
                    let new = memo.get(1);
                    loads.begun.reach(2);
                    for (number, task) in order.map(|at| (at + 1, [&old, &new][at])) {
                        gates[number - 1].open();
                        assert_eq!(*task.wait().unwrap(), number);
                        // The new load, or its value, is there all the time.
                        let found = memo.peek(&1).expect("the new one");
                        assert_eq!(found.is_settled(), order[0] == 1 || number == 2);
                    }
                    assert_eq!((value(memo.get(1)), memo.len()), (2, 1));
                    assert_eq!(loads.calls(), 2);
                }
            }
        });
    }

    // Contract: H2
    // Case: 173
    #[test]
    fn the_failure_of_a_forgotten_load_does_not_touch_the_new_one() {
        within(|| {
            let (gates, loads) = ([Gate::new(), Gate::new()], Loads::default());
            let (own, pass) = (loads.clone(), gates.clone());
            let memo = Memo::new(move |_: &u32| {
                let number = own.next();
                pass[number - 1].pass();
                match number {
                    1 => Err(BoxError::from("no")),
                    number => Ok(number),
                }
            });
            let old = memo.get(1);
            loads.begun.reach(1);
            assert!(memo.forget(&1));
            let new = memo.get(1);
            gates[0].open();
            assert!(old.wait().is_err());
            assert!(memo.peek(&1).is_some_and(|task| !task.is_settled()));
            gates[1].open();
            assert_eq!((value(new), value(memo.get(1))), (2, 2));
        });
    }

    // Contract: H2
    #[test]
    fn forget_says_whether_there_was_something() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.held();
            assert!(!memo.forget(&1));
            let task = memo.get(1);
            assert!(memo.forget(&1), "a load");
            loads.gate.open();
            assert_eq!(value(task), 1);
            value(memo.get(1));
            assert!(memo.forget(&1), "a value");
            assert!(!memo.forget(&1) && memo.is_empty());
        });
    }

    // Contract: H3
    #[test]
    fn a_value_is_dropped_with_its_last_task() {
        within(|| {
            let drops = Drops::new();
            let own = drops.clone();
            let memo = Memo::new(move |_: &u32| Ok(own.token()));
            let task = memo.get(1);
            task.wait().unwrap();
            memo.clear();
            assert_eq!(drops.count(), 0);
            task.wait().unwrap().hold();
            drop(task);
            assert_eq!(drops.count(), 1);
        });
    }
}

mod cycles {
    use super::*;

    fn kind(task: SharedTask<u32>) -> ErrorKind {
        task.wait().unwrap_err().kind()
    }

    // Contract: H2, W3
    #[test]
    fn a_loader_that_waits_for_its_own_key_fails() {
        within(|| {
            static MEMO: LazyLock<Memo<u32, u32>> =
                LazyLock::new(|| Memo::new(|n: &u32| Ok(MEMO.get(*n).wait()? + 1)));
            for _ in 0..3 {
                assert_eq!(kind(MEMO.get(1)), ErrorKind::Cycle);
                assert!(MEMO.is_empty());
            }
        });
    }

    // Contract: H2, S5
    #[test]
    fn a_loader_that_returns_its_own_task_fails() {
        within(|| {
            static MEMO: LazyLock<Memo<u32, u32>> =
                LazyLock::new(|| Memo::new(|n: &u32| MEMO.get(*n)));
            assert_eq!(kind(MEMO.get(1)), ErrorKind::Cycle);
            assert_eq!(kind(MEMO.refresh(1)), ErrorKind::Cycle);
            assert!(MEMO.is_empty());
        });
    }

    /// By way of two other keys, of which each waits, or returns a task.
    // Contract: H2, W3
    #[test]
    fn loaders_that_wait_for_each_other_fail() {
        within(|| {
            static MEMO: LazyLock<Memo<u32, u32>> = LazyLock::new(|| {
                Memo::new(|n: &u32| match n % 3 {
                    0 => MEMO.get(n + 1).cloned(),
                    1 => Task::from(MEMO.get(n + 1).wait().copied()),
                    _ => MEMO.get(n - 2).then(|n| n + 1),
                })
            });
            for key in 0..3 {
                assert_eq!(kind(MEMO.get(key)), ErrorKind::Cycle);
                until(|| MEMO.is_empty());
            }
        });
    }

    // Contract: H1
    #[test]
    fn a_loader_may_ask_for_other_keys() {
        within(|| {
            static SUMS: LazyLock<Memo<u64, u64>> = LazyLock::new(|| {
                Memo::new(|n: &u64| match n {
                    0 => Ok(0),
                    n => Ok(n + SUMS.get(n - 1).wait()?),
                })
            });
            assert_eq!(value(SUMS.get(200)), 20_100);
            assert_eq!(SUMS.len(), 201);
        });
    }
}

mod time {
    use super::*;

    /// The load takes longer than its value is kept.
    // Contract: H3
    // Case: 176
    #[test]
    fn the_time_of_a_value_counts_from_the_end_of_its_load() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let loads = Loads::default();
            let (own, delays) = (loads.clone(), pool.clone());
            let memo = Memo::new(move |_: &u32| {
                let own = own.clone();
                delays.delay(10 * SECOND).then(move |()| own.next())
            });
            let memo = memo.pool(&pool).ttl(5 * SECOND);
            let task = memo.get(1);
            clock.advance(10 * SECOND);
            assert_eq!(value(task), 1);
            clock.advance(SECOND * 49 / 10);
            assert!(memo.peek(&1).is_some());
            clock.advance(SECOND / 10);
            assert!(memo.peek(&1).is_none());
            let task = memo.get(1);
            clock.advance(10 * SECOND);
            assert_eq!(value(task), 2);
        });
    }

    // Contract: H3, T5
    // Case: 176
    #[test]
    fn a_value_goes_when_its_time_is_over_though_no_call_comes() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (drops, keys) = (Drops::new(), Drops::new());
            let own = drops.clone();
            let memo = Memo::new(move |_: &Tagged| Ok(own.token()));
            let memo = memo.pool(&pool).ttl(SECOND);
            for n in 0..3 {
                drop(memo.get(Tagged(n, keys.token())));
                // One after the other: they expire so too.
                clock.advance(SECOND / 4);
            }
            assert_eq!(clock.pending(), 1, "one timer for all values");
            for gone in 1..=3 {
                assert_eq!(drops.count(), gone - 1);
                clock.advance(SECOND / 4);
                assert_eq!(drops.count(), gone);
                assert_eq!(keys.count(), gone);
            }
            assert_eq!((clock.pending(), memo.len()), (0, 0));
        });
    }

    // Contract: H3
    // Case: 176
    #[test]
    fn no_time_is_a_single_flight() {
        within(|| {
            let (clock, pool) = virtual_pool();
            type Limit = fn(Memo<u32, usize>) -> Memo<u32, usize>;
            let ways: [Limit; 2] = [|memo| memo.ttl(Duration::ZERO), |memo| memo.capacity(0)];
            for way in ways {
                let loads = Loads::default();
                let memo = way(loads.held().pool(&pool));
                let tasks = [memo.get(1), memo.get(1)];
                loads.gate.open();
                for task in tasks {
                    assert_eq!(value(task), 1);
                }
                assert!(memo.is_empty(), "it is not kept");
                assert_eq!(value(memo.get(1)), 2);
                assert!(memo.is_empty());
            }
            assert_eq!(clock.pending(), 0);
        });
    }

    // Contract: H3, T1
    #[test]
    fn a_time_beyond_the_clock_never_ends() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let loads = Loads::default();
            let memo = loads.memo().pool(&pool).ttl(Duration::MAX);
            value(memo.get(1));
            assert_eq!(clock.pending(), 0);
            clock.advance(1_000_000_000 * SECOND);
            assert_eq!((value(memo.get(1)), loads.calls()), (1, 1));
        });
    }

    // Contract: H3
    #[test]
    fn a_task_outlives_the_time_of_its_value() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let memo = Loads::default().memo().pool(&pool).ttl(SECOND);
            let task = memo.get(1);
            value(task.clone());
            clock.advance(SECOND);
            assert!(memo.is_empty());
            assert_eq!((value(task), value(memo.get(1))), (1, 2));
        });
    }

    // Contract: H3
    // Case: 176
    #[test]
    fn a_value_that_expires_while_it_is_loaded_anew_leaves_the_load() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (loads, delays) = (Loads::default(), pool.clone());
            let own = loads.clone();
            let memo = Memo::new(move |_: &u32| {
                let own = own.clone();
                delays.delay(SECOND).then(move |()| own.next())
            });
            let memo = memo.pool(&pool).ttl(2 * SECOND);
            drop(memo.get(1));
            clock.advance(SECOND * 5 / 2);
            // The value goes at 3.0 and the load ends at 3.5 seconds.
            let new = memo.refresh(1);
            assert_eq!(value(memo.get(1)), 1);
            clock.advance(SECOND / 2);
            let joined = memo.get(1);
            assert!(!joined.is_settled());
            clock.advance(SECOND / 2);
            assert_eq!((value(new), value(joined), loads.calls()), (2, 2, 2));
        });
    }

    // Contract: H3
    #[test]
    fn a_new_load_begins_the_time_anew_and_a_failed_one_does_not() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let loads = Loads::default();
            let own = loads.clone();
            let memo = Memo::new(move |_: &u32| match own.next() {
                3 => Err("no".into()),
                number => Ok(number),
            });
            let memo = memo.pool(&pool).ttl(10 * SECOND);
            value(memo.get(1));
            clock.advance(9 * SECOND);
            value(memo.refresh(1));
            clock.advance(9 * SECOND);
            assert_eq!(value(memo.get(1)), 2);
            assert!(memo.refresh(1).wait().is_err());
            assert_eq!(value(memo.get(1)), 2);
            clock.advance(SECOND);
            assert_eq!(value(memo.get(1)), 4);
        });
    }

    // Contract: H3
    #[test]
    fn an_empty_cache_has_no_timer() {
        within(|| {
            let (clock, pool) = virtual_pool();
            type Empty = fn(Memo<u32, usize>);
            let ways: [Empty; 4] = [
                |memo| memo.clear(),
                |memo| (0..100).for_each(|n| assert!(memo.forget(&n))),
                |memo| drop(memo.capacity(0)),
                drop,
            ];
            for empty in ways {
                let memo = Loads::default().memo().pool(&pool).ttl(SECOND);
                let tasks: Vec<_> = (0..100).map(|n| memo.get(n)).collect();
                tasks
                    .into_iter()
                    .map(value)
                    .for_each(|number| assert!(number > 0));
                assert_eq!(clock.pending(), 1);
                empty(memo);
                assert_eq!(clock.pending(), 0);
            }
        });
    }

    /// Values that came under a longer time stay longer than later ones.
    // Contract: H3
    #[test]
    fn a_shorter_time_is_for_values_to_come() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let memo = Loads::default().memo().pool(&pool).ttl(10 * SECOND);
            value(memo.get(1));
            let memo = memo.ttl(SECOND);
            value(memo.get(2));
            assert_eq!(clock.next_deadline(), Some(clock.now() + SECOND));
            clock.advance(SECOND);
            assert!(memo.peek(&2).is_none() && memo.peek(&1).is_some());
            clock.advance(9 * SECOND);
            assert!(memo.is_empty());
        });
    }

    /// The system's time, and the global pool.
    // Contract: H3
    #[test]
    fn values_expire_by_the_time_of_the_system() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.memo().ttl(Duration::from_millis(5));
            value(memo.get(1));
            until(|| memo.is_empty());
            assert_eq!(value(memo.get(1)), 2);
        });
    }

    /// A key that tells when it is dropped.
    struct Tagged(u32, Token);

    impl PartialEq for Tagged {
        fn eq(&self, other: &Tagged) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Tagged {}

    impl Hash for Tagged {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.1.hold();
            self.0.hash(state);
        }
    }
}

mod capacity {
    use super::*;

    fn kept(memo: &Memo<u32, usize>, keys: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let is_kept = |key: &u32| memo.peek(key).is_some();
        keys.into_iter().filter(is_kept).collect()
    }

    // Contract: H3
    #[test]
    fn the_value_that_was_not_used_for_the_longest_time_goes() {
        within(|| {
            let memo = Loads::default().memo().capacity(3);
            for key in [1, 2, 3] {
                value(memo.get(key));
            }
            // Uses: of 1, and of 2 by a new load. A look is none.
            value(memo.get(1));
            value(memo.refresh(2));
            assert!(memo.peek(&3).is_some());
            value(memo.get(4));
            assert_eq!(kept(&memo, 1..=4), [1, 2, 4]);
            value(memo.get(5));
            assert_eq!(kept(&memo, 1..=5), [2, 4, 5]);
            value(memo.get(4));
            value(memo.get(4));
            value(memo.get(6));
            assert_eq!(kept(&memo, 1..=6), [4, 5, 6]);
            assert!(memo.forget(&5));
            value(memo.get(7));
            value(memo.get(8));
            assert_eq!(kept(&memo, 1..=8), [6, 7, 8]);
        });
    }

    // Contract: H3
    #[test]
    fn loads_under_way_do_not_count_and_are_not_removed() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.held().capacity(1);
            let tasks: Vec<_> = (0..5).map(|key| memo.get(key)).collect();
            assert_eq!(memo.len(), 5);
            let more: Vec<_> = (0..5).map(|key| memo.get(key)).collect();
            loads.gate.open();
            let values: HashSet<_> = tasks.into_iter().map(value).collect();
            assert_eq!(values.len(), 5);
            assert!(more.into_iter().map(value).all(|one| values.contains(&one)));
            assert_eq!((memo.len(), loads.calls()), (1, 5));
        });
    }

    // Contract: H3
    #[test]
    fn a_value_that_goes_while_it_is_loaded_anew_leaves_the_load() {
        within(|| {
            let (loads, gate) = (Loads::default(), Gate::new());
            let (own, pass) = (loads.clone(), gate.clone());
            let memo = Memo::new(move |_: &u32| {
                let number = own.next();
                if number == 2 {
                    pass.pass();
                }
                Ok(number)
            });
            let memo = memo.capacity(1);
            value(memo.get(1));
            let new = memo.refresh(1);
            loads.begun.reach(2);
            value(memo.get(2));
            assert_eq!(memo.len(), 2, "a value and a load");
            let joined = memo.get(1);
            assert!(!joined.is_settled());
            gate.open();
            assert_eq!((value(new), value(joined)), (2, 2));
            assert_eq!(kept(&memo, 1..=2), [1]);
            assert_eq!(loads.calls(), 3);
        });
    }

    // Contract: H3
    #[test]
    fn a_smaller_capacity_removes_at_once() {
        within(|| {
            let memo = Loads::default().memo();
            for key in 0..10 {
                value(memo.get(key));
            }
            let memo = memo.capacity(4);
            assert_eq!(kept(&memo, 0..10), [6, 7, 8, 9]);
            assert!(memo.capacity(0).is_empty());
        });
    }

    /// Against a model that is a list, with keys that collide.
    // Contract: H3
    #[test]
    fn many_keys_keep_their_order() {
        /// All keys have one of three hashes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        struct Poor(u32);

        impl Hash for Poor {
            fn hash<H: Hasher>(&self, state: &mut H) {
                (self.0 % 3).hash(state);
            }
        }

        within(|| {
            let pool = pool_of(2);
            let memo = Memo::new(|key: &Poor| Ok(key.0)).pool(&pool).capacity(10);
            let mut model: Vec<u32> = Vec::new();
            let mut seed = 1_u32;
            for _ in 0..5_000 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (key, act) = ((seed >> 16) & 31, (seed >> 24) & 7);
                let at = model.iter().position(|known| *known == key);
                match act {
                    0 => {
                        assert_eq!(memo.forget(&Poor(key)), at.is_some());
                        model.retain(|known| *known != key);
                    }
                    1 => assert_eq!(memo.peek(&Poor(key)).is_some(), at.is_some()),
                    _ => {
                        assert_eq!(value(memo.get(Poor(key))), key);
                        model.retain(|known| *known != key);
                        model.push(key);
                        if model.len() > 10 {
                            model.remove(0);
                        }
                    }
                }
                assert_eq!(memo.len(), model.len());
            }
            for key in 0..32 {
                let is_kept = memo.peek(&Poor(key)).is_some();
                assert_eq!(is_kept, model.contains(&key), "{key}");
            }
        });
    }
}

mod refreshing {
    use super::*;

    // Contract: H1
    #[test]
    fn the_earlier_value_is_there_until_the_new_one_is() {
        within(|| {
            let gates = [Gate::new(), Gate::new()];
            let loads = Loads::default();
            let memo = loads.gated(&gates);
            gates[0].open();
            value(memo.get(1));
            let new = memo.refresh(1);
            loads.begun.reach(2);
            let same = memo.refresh(1);
            assert_eq!(value(memo.get(1)), 1);
            gates[1].open();
            assert_eq!((value(new), value(same), value(memo.get(1))), (2, 2, 2));
            assert_eq!((loads.calls(), memo.len()), (2, 1));
        });
    }

    // Contract: H1
    #[test]
    fn a_failed_and_a_cancelled_load_leave_the_earlier_value() {
        within(|| {
            let loads = Loads::default();
            let own = loads.clone();
            let memo = Memo::new(move |_: &u32| match own.next() {
                2 => Err(BoxError::from("no")),
                3 => {
                    own.gate.pass();
                    Ok(3)
                }
                number => Ok(number),
            });
            value(memo.get(1));
            assert!(memo.refresh(1).wait().is_err());
            assert_eq!(value(memo.get(1)), 1);
            let third = memo.refresh(1);
            loads.begun.reach(3);
            assert!(third.cancel().is_some());
            assert_eq!(value(memo.get(1)), 1);
            assert_eq!(value(memo.refresh(1)), 4);
            loads.gate.open();
            assert_eq!((value(memo.get(1)), memo.len()), (4, 1));
        });
    }

    // Contract: H1
    #[test]
    fn without_a_value_it_is_a_load_like_others() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.held();
            let tasks = [memo.refresh(1), memo.get(1), memo.refresh(1)];
            loads.gate.open();
            for task in tasks {
                assert_eq!(value(task), 1);
            }
            assert_eq!(loads.calls(), 1);
        });
    }

    // Contract: H2
    #[test]
    fn forget_removes_the_value_and_the_new_load() {
        within(|| {
            let gates = [Gate::new(), Gate::new(), Gate::new()];
            let loads = Loads::default();
            let memo = loads.gated(&gates);
            gates[0].open();
            value(memo.get(1));
            let second = memo.refresh(1);
            loads.begun.reach(2);
            assert!(memo.forget(&1));
            let third = memo.get(1);
            gates[1].open();
            assert_eq!(value(second), 2);
            assert!(!third.is_settled());
            gates[2].open();
            assert_eq!((value(third), value(memo.get(1))), (3, 3));
        });
    }
}

mod lazy {
    use super::*;

    // Contract: H1, H2
    #[test]
    fn loads_its_value_once() {
        within(|| {
            let loads = Loads::default();
            let own = loads.clone();
            let lazy = Lazy::new(move || match own.next() {
                1 => Err(BoxError::from("no")),
                number => Ok(number),
            });
            assert!(lazy.peek().is_none() && !lazy.forget());
            assert!(lazy.get().wait().is_err());
            let other = lazy.clone();
            assert_eq!((value(lazy.get()), value(other.get())), (2, 2));
            assert_eq!(value(other.refresh()), 3);
            assert_eq!(value(lazy.get()), 3);
            assert!(lazy.forget());
            assert_eq!(value(lazy.get()), 4);
        });
    }

    // Contract: H3
    #[test]
    fn its_value_expires() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let loads = Loads::default();
            let own = loads.clone();
            let lazy = Lazy::new(move || Ok(own.next())).pool(&pool).ttl(SECOND);
            value(lazy.get());
            clock.advance(SECOND);
            assert_eq!(format!("{lazy:?}"), "Lazy { is_empty: true, .. }");
            assert_eq!(value(lazy.get()), 2);
        });
    }

    // Contract: H2, W3
    #[test]
    fn one_that_asks_for_itself_fails() {
        within(|| {
            static LAZY: LazyLock<Lazy<u32>> = LazyLock::new(|| Lazy::new(|| LAZY.get()));
            let error = LAZY.get().wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cycle);
        });
    }
}

mod user_code {
    use super::*;

    /// A key and a value that call the cache each time that code of theirs runs.
    struct Nosy(u32);

    static NOSY: LazyLock<Memo<Nosy, Nosy>> =
        LazyLock::new(|| Memo::new(|nosy: &Nosy| Ok(Nosy(nosy.0))));

    impl Nosy {
        fn look(&self) {
            assert!(NOSY.len() <= 4);
            // Keys 0 and 1 have a hash of their own, and look no further.
            if self.0 == 3 {
                drop(NOSY.peek(&Nosy(0)));
            }
        }
    }

    impl PartialEq for Nosy {
        fn eq(&self, other: &Nosy) -> bool {
            self.look();
            self.0 == other.0
        }
    }

    impl Eq for Nosy {}

    impl Hash for Nosy {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.look();
            (self.0 / 2).hash(state);
        }
    }

    impl Drop for Nosy {
        fn drop(&mut self) {
            self.look();
        }
    }

    // Contract: H3, D2
    #[test]
    fn keys_and_values_may_call_the_cache() {
        within(|| {
            for _ in 0..3 {
                for n in 0..4 {
                    assert_eq!(NOSY.get(Nosy(n)).wait().unwrap().0, n);
                }
                assert!(NOSY.forget(&Nosy(1)));
                assert_eq!(NOSY.refresh(Nosy(2)).wait().unwrap().0, 2);
                NOSY.clear();
            }
        });
    }

    /// Panics where it is told to.
    #[derive(Clone, Copy)]
    struct Bad {
        in_hash: bool,
        in_eq: bool,
    }

    impl PartialEq for Bad {
        fn eq(&self, other: &Bad) -> bool {
            if self.in_eq || other.in_eq {
                expected("in eq");
            }
            true
        }
    }

    impl Eq for Bad {}

    impl Hash for Bad {
        fn hash<H: Hasher>(&self, state: &mut H) {
            if self.in_hash {
                expected("in hash");
            }
            1.hash(state);
        }
    }

    const GOOD: Bad = Bad {
        in_hash: false,
        in_eq: false,
    };

    // Contract: H1, S2
    #[test]
    fn a_panic_in_a_key_reaches_the_caller_and_changes_nothing() {
        within(|| {
            let loads = Loads::default();
            let own = loads.clone();
            let memo = Memo::new(move |_: &Bad| Ok(own.next()));
            value(memo.get(GOOD));
            let bad = [
                Bad {
                    in_hash: true,
                    ..GOOD
                },
                Bad {
                    in_eq: true,
                    ..GOOD
                },
            ];
            for bad in bad {
                assert!(catch_unwind(|| memo.get(bad)).is_err());
                assert!(catch_unwind(|| memo.peek(&bad)).is_err());
                assert!(catch_unwind(|| memo.forget(&bad)).is_err());
                assert!(catch_unwind(|| memo.refresh(bad)).is_err());
                assert_eq!((value(memo.get(GOOD)), memo.len()), (1, 1));
            }
            assert_eq!(loads.calls(), 1);
        });
    }

    /// A key whose drop panics.
    struct Heavy(u32, #[allow(dead_code, reason = "it is dropped")] Bomb);

    impl PartialEq for Heavy {
        fn eq(&self, other: &Heavy) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Heavy {}

    impl Hash for Heavy {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    // Contract: H3, S2
    #[test]
    fn drops_that_panic_are_reported_and_the_others_happen() {
        within(|| {
            let (keys, values) = (Drops::new(), Drops::new());
            let own = values.clone();
            let memo = Memo::new(move |_: &Heavy| Ok(own.bomb()));
            for n in 0..10 {
                memo.get(Heavy(n, keys.bomb())).wait().unwrap();
            }
            memo.clear();
            keys.wait_for(10);
            values.wait_for(10);
            memo.get(Heavy(1, keys.bomb())).wait().unwrap();
            drop(memo);
            keys.wait_for(11);
            values.wait_for(11);
        });
    }

    // Contract: H2, D8
    #[test]
    fn a_value_may_load_another_when_it_is_dropped() {
        within(|| {
            let loads = Loads::default();
            let memo = loads.memo();
            let other = memo.clone();
            let values = Memo::new(move |_: &u32| {
                let other = other.clone();
                Ok(OnDrop::new(move |_| assert_eq!(value(other.get(1)), 1)))
            });
            values.get(1).wait().unwrap().hold();
            values.clear();
            assert_eq!((value(memo.get(1)), loads.calls()), (1, 1));
        });
    }
}

mod ends {
    use super::*;

    // Contract: H2, H3
    #[test]
    fn a_load_outlives_its_cache() {
        within(|| {
            let (loads, drops) = (Loads::default(), Drops::new());
            let (own, token) = (loads.clone(), drops.token());
            let memo = Memo::new(move |_: &u32| {
                token.hold();
                let number = own.next();
                own.gate.pass();
                Ok(number)
            });
            let task = memo.get(1);
            loads.begun.reach(1);
            drop(memo);
            assert_eq!(drops.count(), 0, "the loader runs");
            loads.gate.open();
            assert_eq!(value(task), 1);
            drops.wait_for(1);
        });
    }

    // Contract: H3
    #[test]
    fn a_cache_drops_what_it_holds() {
        within(|| {
            let (values, loader) = (Drops::new(), Drops::new());
            let (own, token) = (values.clone(), loader.token());
            let memo = Memo::new(move |_: &u32| {
                token.hold();
                Ok(own.token())
            });
            for n in 0..100 {
                memo.get(n).wait().unwrap().hold();
            }
            let other = memo.clone();
            drop(memo);
            assert_eq!((values.count(), loader.count()), (0, 0));
            drop(other);
            assert_eq!((values.count(), loader.count()), (100, 1));
        });
    }

    /// A value that holds the cache of another.
    struct Link(#[allow(dead_code, reason = "it is dropped")] Option<Memo<u32, Link>>);

    // Contract: H3, D2
    #[test]
    fn caches_that_hold_each_other_are_dropped_without_recursion() {
        within(|| {
            let mut last = None;
            for _ in 0..30_000 {
                let held = std::sync::Mutex::new(last.take());
                let memo = Memo::new(move |_: &u32| {
                    let inner = held.lock().unwrap().take();
                    Ok(Link(inner))
                });
                memo.get(1).wait().unwrap();
                last = Some(memo);
            }
            drop(last);
        });
    }

    // Contract: H1
    #[test]
    fn a_full_queue_holds_a_load_up_and_loses_none() {
        within(|| {
            let builder = Pool::builder().core_threads(1).max_threads(1);
            let pool = builder.queue_limit(1).build().unwrap();
            let loads = Loads::default();
            let memo = loads.memo().pool(&pool);
            let callers: Vec<_> = (0..4)
                .map(|caller| {
                    let memo = memo.clone();
                    thread::spawn(move || {
                        let keys = (0..100).map(|n| (n + 25 * caller) % 100);
                        keys.map(|key| memo.get(key)).map(value).count()
                    })
                })
                .collect();
            for caller in callers {
                assert_eq!(caller.join().unwrap(), 100);
            }
            assert_eq!((loads.calls(), memo.len()), (100, 100));
        });
    }

    // Contract: H1
    #[test]
    fn debug_output_says_how_much_there_is() {
        within(|| {
            let memo = Loads::default().memo();
            value(memo.get(1));
            assert_eq!(format!("{memo:?}"), "Memo { len: 1, .. }");
        });
    }
}
