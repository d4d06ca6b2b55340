//! Retry: how often, after which pauses, and what ends it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    Count, Drops, Gate, HOUR, LIMIT, Latch, Log, SECOND, expected, pool_of, virtual_pool, within,
};
use fast_async::error::AggregateError;
use fast_async::retry::{Decision, RetryBudget, hedge};
use fast_async::{
    BoxError, CancelOutcome, Clock, ErrorKind, Pool, Retry, Shutdown, Task, TaskError, any,
    deferred, retry,
};

/// An error of the user's, of the call of this number.
#[derive(Debug, PartialEq, Eq)]
struct No(u32);

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no, for the time {}", self.0)
    }
}

impl std::error::Error for No {}

fn no(number: u32) -> Result<u32, BoxError> {
    Err(No(number).into())
}

/// The calls of a retry, by the time since its start.
struct Calls {
    clock: Clock,
    start: Instant,
    log: Log<Duration>,
}

impl Calls {
    fn of(clock: &Clock) -> (Calls, impl Fn() + Clone + Send + 'static) {
        let (start, log) = (clock.now(), Log::new());
        let calls = Calls {
            clock: clock.clone(),
            start,
            log: log.clone(),
        };
        let clock = clock.clone();
        (calls, move || log.push(clock.now() - start))
    }

    /// When they were made, after `time` has passed.
    fn after(&self, time: Duration) -> Vec<Duration> {
        self.clock.advance(time);
        assert_eq!(self.clock.now() - self.start, time);
        self.log.take()
    }
}

/// The failure of a task that is settled.
#[track_caller]
fn failure<T: Send + fmt::Debug + 'static>(task: Task<T>) -> TaskError {
    let outcome = task.try_wait().expect("it is settled");
    outcome.expect_err("it has failed")
}

mod bounds {
    use super::*;

    // Case: 113, 114
    // Contract: R1, S4
    #[test]
    fn so_many_attempts_are_so_many_calls() {
        within(|| {
            for attempts in [1, 2, 5] {
                for has_pauses in [false, true] {
                    let (clock, pool) = virtual_pool();
                    let (calls, note) = Calls::of(&clock);
                    let mut policy = Retry::attempts(attempts);
                    if has_pauses {
                        policy = policy.backoff([SECOND]);
                    }
                    let task = pool.retry(policy, move |attempt| {
                        note();
                        assert_eq!(attempt.is_last(), attempt.number() == attempts);
                        no(attempt.number())
                    });
                    assert_eq!(calls.after(HOUR).len(), attempts as usize);
                    let error = failure(task);
                    assert_eq!(error.attempts(), Some(attempts));
                    assert_eq!(error.kind(), ErrorKind::Failed);
                    assert!(format!("{error:?}").contains("attempts: "), "{error:?}");
                    assert_eq!(error.downcast::<No>().unwrap(), No(attempts));
                }
            }
            let plain = Task::<u8>::failed("no").wait().unwrap_err();
            assert_eq!(plain.attempts(), None);
        });
    }

    // Contract: R1
    #[test]
    fn it_ends_with_the_first_success() {
        within(|| {
            let calls = Arc::new(AtomicU32::new(0));
            for wanted in [1, 3] {
                let counted = calls.clone();
                let task = retry(Retry::attempts(5), move |attempt| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    match attempt.number() == wanted {
                        true => Ok(wanted),
                        false => no(attempt.number()),
                    }
                });
                assert_eq!(task.wait().unwrap(), wanted);
                assert_eq!(calls.swap(0, Ordering::Relaxed), wanted);
            }
        });
    }

    // Contract: R1, S4
    #[test]
    fn a_task_is_awaited_and_tried_again_too() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let own = pool.clone();
            let (calls, note) = Calls::of(&clock);
            let task = pool.retry(Retry::attempts(4).backoff([SECOND]), move |attempt| {
                note();
                let number = attempt.number();
                own.delay(2 * SECOND).and_then(move |()| match number {
                    1 => Err(No(number).into()),
                    2 => expected("no"),
                    _ => Ok(number),
                })
            });
            // A panic is not tried again.
            assert_eq!(calls.after(HOUR), [0, 3].map(Duration::from_secs));
            let error = failure(task);
            assert!(error.is_panic());
            assert_eq!(error.attempts(), Some(2));

            // A failure that is there at once, of a task that is.
            let task = retry(Retry::attempts(3), |attempt| match attempt.number() {
                3 => Task::ready(3),
                number => Task::failed(No(number)),
            });
            assert_eq!(task.wait().unwrap(), 3);
        });
    }

    // Contract: R1
    #[test]
    fn settings_that_make_no_sense_are_refused_or_end_it() {
        within(|| {
            let drops = Drops::new();
            let token = drops.token();
            let task = retry(Retry::attempts(0), move |_| {
                token.hold();
                no(0)
            });
            let error = failure(task);
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("at least 1"), "{error}");
            assert_eq!((error.attempts(), drops.count()), (None, 1));

            let (clock, pool) = virtual_pool();
            // A pause that would never end does not begin.
            let forever = Retry::attempts(3).backoff([Duration::MAX]);
            let later = Retry::attempts(3).when(|_, _| Decision::After(Duration::MAX));
            let empty = Retry::attempts(3).backoff([]);
            let no_time = Retry::unlimited().backoff([SECOND]).total(Duration::ZERO);
            let much_time = Retry::attempts(3).total(Duration::MAX);
            let long_calls = Retry::attempts(3).per_attempt(Duration::MAX);
            let policies = [forever, later, empty, no_time, much_time, long_calls];
            let calls = policies.map(|policy| {
                let task = pool.retry(policy, |attempt| no(attempt.number()));
                clock.advance(Duration::ZERO);
                let error = failure(task);
                assert!(error.is::<No>());
                error.attempts().unwrap()
            });
            assert_eq!(calls, [1, 1, 3, 1, 3, 3]);
            assert_eq!(clock.pending(), 0);

            // No call has any time: each ends before it can return.
            let policy = Retry::attempts(2).per_attempt(Duration::ZERO);
            let task = pool.retry(policy, |attempt| {
                while !attempt.is_cancelled() {
                    thread::yield_now();
                }
                no(1)
            });
            let error = task.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!(error.attempts(), Some(2));
        });
    }

    // Contract: R1
    #[test]
    fn many_calls_need_no_stack_and_no_memory() {
        within(|| {
            let drops = Drops::new();
            let token = drops.token();
            let task = retry(Retry::unlimited(), move |attempt| {
                token.hold();
                match attempt.number() {
                    20_000 => Ok(20_000),
                    number => no(number),
                }
            });
            assert_eq!(task.wait().unwrap(), 20_000);
            drops.wait_for(1);
        });
    }

    #[test]
    fn the_failure_names_the_place_of_the_retry() {
        within(|| {
            let policy = || Retry::attempts(2);
            let line = line!() + 1;
            let plain = retry(policy(), |attempt| no(attempt.number()));
            let panics: Task<u8> = retry(policy(), |_| -> Task<u8> { expected("no") });
            let late = retry(policy().per_attempt(SECOND / 500), |_| deferred::<u32>().1);
            for (place, error) in [
                (line, plain.wait().unwrap_err()),
                (line + 1, panics.wait().unwrap_err()),
                (line + 2, late.wait().unwrap_err()),
            ] {
                let at = error.location().expect("it has a place");
                assert_eq!((at.line(), at.file()), (place, file!()), "{error}");
            }
        });
    }
}

mod pauses {
    use super::*;

    // Contract: R2
    #[test]
    fn they_are_those_of_the_policy() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (calls, note) = Calls::of(&clock);
            let pauses = [1, 3].map(Duration::from_secs);
            let task = pool.retry(Retry::attempts(5).backoff(pauses), move |attempt| {
                note();
                no(attempt.number())
            });
            // The last one is used again.
            assert_eq!(calls.after(HOUR), [0, 1, 4, 7, 10].map(Duration::from_secs));
            assert_eq!(failure(task).attempts(), Some(5));

            // An iterator without end is asked only when there is a pause.
            let (calls, note) = Calls::of(&clock);
            let asked = Log::new();
            let log = asked.clone();
            let growing = (1..)
                .inspect(move |n| log.push(*n))
                .map(Duration::from_secs);
            let task = pool.retry(Retry::attempts(3).backoff(growing), move |attempt| {
                note();
                no(attempt.number())
            });
            assert_eq!(calls.after(HOUR), [0, 1, 3].map(Duration::from_secs));
            assert_eq!(asked.take(), [1, 2]);
            assert!(failure(task).is::<No>());
        });
    }

    // Case: 48, 115, 121
    // Contract: R2
    #[test]
    fn jitter_never_passes_the_bound_nor_the_cap() {
        within(|| {
            for seed in 0..5 {
                let (clock, pool) = virtual_pool();
                let (calls, note) = Calls::of(&clock);
                let (base, cap) = (SECOND, 10 * SECOND);
                let policy = Retry::attempts(40).exponential(base, cap).seed(seed);
                let task = pool.retry(policy, move |attempt| {
                    note();
                    no(attempt.number())
                });
                let times = calls.after(HOUR);
                assert_eq!(times.len(), 40);
                let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
                let gaps: Vec<_> = gaps.collect();
                for (retry, gap) in gaps.iter().enumerate() {
                    let bound = cap.min(base * 2_u32.pow(retry.min(20) as u32));
                    assert!(*gap <= bound, "{retry}: {gap:?}");
                }
                assert!(gaps.iter().any(|gap| *gap > cap / 2), "{gaps:?}");
                assert!(gaps.iter().any(|gap| *gap < cap / 2), "{gaps:?}");
                assert!(failure(task).is::<No>());
            }
            // The cap is below the base; it is zero; the bound overflows.
            for (base, cap) in [
                (HOUR, SECOND),
                (HOUR, Duration::ZERO),
                (Duration::ZERO, HOUR),
                (Duration::MAX, Duration::from_nanos(1)),
            ] {
                let (clock, pool) = virtual_pool();
                let (calls, note) = Calls::of(&clock);
                let policy = Retry::attempts(60).exponential(base, cap);
                let task = pool.retry(policy, move |attempt| {
                    note();
                    no(attempt.number())
                });
                let times = calls.after(HOUR);
                assert_eq!(times.len(), 60);
                let most = cap.min(base);
                let within_cap = |pair: &[Duration]| pair[1] - pair[0] <= most;
                assert!(times.windows(2).all(within_cap), "{times:?}");
                assert_eq!(failure(task).attempts(), Some(60));
            }
        });
    }

    // Case: 121
    // Contract: R2
    #[test]
    fn the_ten_thousandth_pause_is_no_longer_than_the_cap() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (calls, note) = Calls::of(&clock);
            let policy = Retry::attempts(10_000)
                .exponential(Duration::from_nanos(1), SECOND)
                .when(|_, attempt| match attempt.number() {
                    9_991.. => Decision::Again,
                    _ => Decision::After(Duration::ZERO),
                });
            let task = pool.retry(policy, move |attempt| {
                if attempt.number() > 9_990 {
                    note();
                }
                no(attempt.number())
            });
            let times = calls.after(10 * SECOND);
            assert_eq!(times.len(), 10);
            assert!(
                times[9] > Duration::from_millis(1),
                "it has grown: {times:?}"
            );
            let within_cap = |pair: &[Duration]| pair[1] - pair[0] <= SECOND;
            assert!(times.windows(2).all(within_cap), "{times:?}");
            assert_eq!(failure(task).attempts(), Some(10_000));
        });
    }

    #[test]
    fn a_seed_repeats_the_pauses() {
        within(|| {
            let times = |seed| {
                let (clock, pool) = virtual_pool();
                let (calls, note) = Calls::of(&clock);
                let policy = Retry::attempts(9).exponential(SECOND, HOUR).seed(seed);
                let task = pool.retry(policy, move |attempt| {
                    note();
                    no(attempt.number())
                });
                let times = calls.after(HOUR);
                task.cancel();
                times
            };
            assert_eq!(times(1), times(1));
            assert_ne!(times(1), times(2));
        });
    }

    // Case: 116
    // Contract: R2
    #[test]
    fn no_pause_begins_that_ends_after_the_total_time() {
        within(|| {
            // Calls of a second, and pauses of a second: they begin at 0, 2, 4, ..
            for (total, calls_made) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
                let (clock, pool) = virtual_pool();
                let own = pool.clone();
                let (calls, note) = Calls::of(&clock);
                let policy = Retry::unlimited()
                    .backoff([SECOND])
                    .total(Duration::from_secs(total));
                let task = pool.retry(policy, move |attempt| {
                    note();
                    let number = attempt.number();
                    own.delay(SECOND).and_then(move |()| no(number))
                });
                // It ends with the last call, and not with the total time.
                let over = Duration::from_secs(2 * calls_made - 1);
                assert_eq!(calls.after(over).len() as u64, calls_made, "{total}");
                let error = failure(task);
                assert_eq!(error.downcast_ref(), Some(&No(calls_made as u32)));
                assert_eq!(clock.pending(), 0);
            }
        });
    }

    // Case: 116
    // Contract: R2
    #[test]
    fn the_total_time_counts_the_closure_and_the_hook() {
        within(|| {
            for (total, calls_made) in [(3_000, 1), (3_500, 2)] {
                let (clock, pool) = virtual_pool();
                let (call, hook) = (clock.clone(), clock.clone());
                let policy = Retry::unlimited()
                    .backoff([SECOND])
                    .total(Duration::from_millis(total))
                    .notify(move |_, attempt| {
                        if attempt.number() == 1 {
                            hook.advance(SECOND * 3 / 2);
                        }
                    });
                let task = pool.retry(policy, move |attempt| {
                    if attempt.number() == 1 {
                        call.advance(SECOND);
                    }
                    no(attempt.number())
                });
                // Its threads move the clock during the call.
                assert!(pool.wait_idle(LIMIT));
                clock.advance(SECOND);
                assert_eq!(failure(task).attempts(), Some(calls_made));
            }
        });
    }

    // Case: 122
    // Contract: R2
    #[test]
    fn a_pause_that_the_error_asks_for_comes_instead() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (calls, note) = Calls::of(&clock);
            let policy = Retry::attempts(5)
                .backoff((1..).map(Duration::from_secs))
                .when(|error, attempt| match error.downcast_ref() {
                    Some(No(number)) if *number == attempt.number() => match number {
                        1 => Decision::After(7 * SECOND),
                        2 => Decision::After(Duration::ZERO),
                        _ => Decision::Again,
                    },
                    _ => Decision::Stop,
                });
            let task = pool.retry(policy, move |attempt| {
                note();
                no(attempt.number())
            });
            assert_eq!(calls.after(HOUR), [0, 7, 7, 8, 10].map(Duration::from_secs));
            assert_eq!(failure(task).attempts(), Some(5));

            // It may be too long for the total time.
            let policy = Retry::attempts(5).total(SECOND);
            let policy = policy.when(|_, _| Decision::After(2 * SECOND));
            let task = pool.retry(policy, |attempt| no(attempt.number()));
            clock.advance(Duration::ZERO);
            assert_eq!(failure(task).downcast::<No>().unwrap(), No(1));
        });
    }

    // Contract: R4, T5
    #[test]
    fn a_pause_holds_no_thread_and_holds_up_nothing() {
        within(|| {
            let clock = Clock::manual();
            let pool = Pool::builder().clock(&clock).max_threads(1);
            let pool = pool.build().unwrap();
            let policy = || Retry::attempts(2).backoff([HOUR]);
            let tasks: Vec<_> = (0..500)
                .map(|_| {
                    pool.retry(policy(), |attempt| match attempt.is_last() {
                        true => Ok(7),
                        false => no(1),
                    })
                })
                .collect();
            assert!(pool.wait_idle(LIMIT));
            assert_eq!(clock.pending(), 500);
            assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
            clock.advance(HOUR);
            for task in tasks {
                assert_eq!(task.wait().unwrap(), 7);
            }
            let asleep = pool.retry(policy(), |attempt| no(attempt.number()));
            assert!(pool.wait_idle(LIMIT));
            assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
            assert_eq!(asleep.cancel(), CancelOutcome::Prevented);
            assert_eq!(clock.pending(), 0);
        });
    }
}

mod policies {
    use super::*;

    // Case: 117
    // Contract: R1
    #[test]
    fn the_hook_comes_before_the_predicate_and_at_the_last_call_too() {
        within(|| {
            for attempts in [1, 3] {
                let log = Log::new();
                let (told, asked) = (log.clone(), log.clone());
                let policy = Retry::attempts(attempts)
                    .notify(move |error, attempt| {
                        assert_eq!(error.downcast_ref(), Some(&No(attempt.number())));
                        told.push(("told", attempt.number()));
                    })
                    .when(move |error, attempt| {
                        assert_eq!(error.downcast_ref(), Some(&No(attempt.number())));
                        asked.push(("asked", attempt.number()));
                        Decision::Again
                    });
                let task = retry(policy, |attempt| no(attempt.number()));
                assert!(task.wait().unwrap_err().is::<No>());
                let expected = [
                    ("told", 1),
                    ("asked", 1),
                    ("told", 2),
                    ("asked", 2),
                    ("told", 3),
                ];
                let last = expected.len() - 2 * (3 - attempts as usize);
                assert_eq!(log.take(), expected[..last]);
            }
        });
    }

    // Case: 114
    // Contract: R1, S4
    #[test]
    fn the_predicate_ends_it_with_the_users_error() {
        within(|| {
            let policy = Retry::attempts(9).when(|_, attempt| match attempt.number() {
                2 => Decision::Stop,
                _ => Decision::Again,
            });
            let error = retry(policy, |attempt| no(attempt.number())).wait();
            assert_eq!(error.unwrap_err().downcast::<No>().unwrap(), No(2));
        });
    }

    // Case: 48, 118
    // Contract: R3, S2
    #[test]
    fn a_panic_in_the_policy_is_the_outcome() {
        within(|| {
            let policies = [
                Retry::attempts(5).when(|_, _| expected("in the predicate")),
                Retry::attempts(5).notify(|_, _| expected("in the hook")),
                Retry::attempts(1).notify(|_, _| expected("in the last hook")),
                Retry::attempts(5).backoff(std::iter::from_fn(|| expected("in the iterator"))),
                Retry::attempts(5)
                    .per_attempt(HOUR)
                    .when(|_, _| expected("in the predicate")),
            ];
            for policy in policies {
                let drops = Drops::new();
                let (token, calls) = (drops.token(), Count::default());
                let counted = calls.clone();
                let task = retry(policy, move |attempt| {
                    token.hold();
                    counted.add();
                    no(attempt.number())
                });
                let error = task.wait().unwrap_err();
                let message = error.panic_message().expect("it is a panic");
                assert!(message.contains("expected: in the"), "{message}");
                assert_eq!((error.attempts(), calls.get()), (Some(1), 1));
                drops.wait_for(1);
            }
        });
    }

    // Case: 48
    // Contract: R1, S2
    #[test]
    fn a_panic_of_the_closure_is_tried_again_if_the_policy_says_so() {
        within(|| {
            let call = |number| match number {
                3 => Ok(7),
                _ => expected("in the closure"),
            };
            let task = retry(Retry::attempts(5), move |attempt| call(attempt.number()));
            let error = task.wait().unwrap_err();
            assert!(error.is_panic());
            assert_eq!(error.attempts(), Some(1));
            for limit in [None, Some(HOUR)] {
                let mut policy = Retry::attempts(5).when(|error, _| {
                    assert!(error.is_panic());
                    Decision::Again
                });
                if let Some(limit) = limit {
                    policy = policy.per_attempt(limit);
                }
                let task = retry(policy, move |attempt| call(attempt.number()));
                assert_eq!(task.wait().unwrap(), 7);
            }
        });
    }

    // Case: 123
    // Contract: R1
    #[test]
    fn a_budget_bounds_the_retries_of_all() {
        within(|| {
            let pool = pool_of(4);
            let budget = RetryBudget::new(10, 5);
            let calls = Count::default();
            let tasks: Vec<_> = (0..100)
                .map(|_| {
                    let calls = calls.clone();
                    pool.retry(Retry::attempts(10).budget(&budget), move |attempt| {
                        calls.add();
                        no(attempt.number())
                    })
                })
                .collect();
            let made: u32 = tasks
                .into_iter()
                .map(|task| {
                    let error = task.wait().unwrap_err();
                    assert!(error.is::<No>());
                    error.attempts().unwrap()
                })
                .sum();
            assert_eq!(made as usize, calls.get());
            // The reserve, and one for ten calls.
            assert!((105..=115).contains(&made), "{made}");

            // One after another: 10 calls earn the retry of the tenth.
            let budget = RetryBudget::new(10, 0);
            let attempts = (0..20).map(|_| {
                let task = retry(Retry::attempts(3).budget(&budget), |_| no(1));
                task.wait().unwrap_err().attempts().unwrap()
            });
            let attempts: Vec<_> = attempts.collect();
            let twice: Vec<_> = (0..20).filter(|n| attempts[*n] == 2).collect();
            assert_eq!(twice, [9, 19], "{attempts:?}");
            assert_eq!(budget.available(), 0);
            // A success takes nothing, and what is full stays full.
            let budget = RetryBudget::new(u32::MAX, 3);
            let task = retry(Retry::attempts(3).budget(&budget), |_| Ok(7));
            assert_eq!(task.wait().unwrap(), 7);
            assert_eq!(budget.available(), 3);
            // It is asked last: what is not tried again takes nothing.
            let policy = Retry::attempts(3).when(|_, _| Decision::Stop);
            let task = retry(policy.budget(&budget), |_| no(1));
            assert!(task.wait().is_err());
            assert_eq!(budget.available(), 3);
        });
    }
}

mod cancels {
    use super::*;

    // Case: 48, 119
    // Contract: R3
    #[test]
    fn a_cancel_during_a_call_is_the_end() {
        within(|| {
            for limit in [None, Some(HOUR)] {
                let pool = pool_of(2);
                let mut policy = Retry::attempts(5);
                if let Some(limit) = limit {
                    policy = policy.per_attempt(limit);
                }
                let hook = Log::new();
                let told = hook.clone();
                policy = policy.notify(move |error, _| told.push(error.kind()));
                let drops = Drops::new();
                let (token, gate, began) = (drops.token(), Gate::new(), Latch::new(1));
                let (pass, begins, calls) = (gate.clone(), began.clone(), Count::default());
                let (counted, raised) = (calls.clone(), Log::new());
                let log = raised.clone();
                let task = pool.retry(policy, move |attempt| {
                    token.hold();
                    counted.add();
                    begins.count_down();
                    pass.pass();
                    log.push((attempt.is_cancelled(), attempt.check().is_err()));
                    no(attempt.number())
                });
                began.wait();
                assert_eq!(task.cancel(), CancelOutcome::Signalled);
                assert!(failure(task).is_cancelled());
                gate.open();
                drops.wait_for(1);
                assert!(pool.wait_idle(LIMIT));
                assert_eq!((calls.get(), raised.take()), (1, vec![(true, true)]));
                assert_eq!(hook.take(), []);
            }
        });
    }

    // Contract: R3, T3
    #[test]
    fn a_cancel_during_a_pause_is_the_end() {
        within(|| {
            for limit in [None, Some(HOUR)] {
                let (clock, pool) = virtual_pool();
                let mut policy = Retry::attempts(5).backoff([HOUR]);
                if let Some(limit) = limit {
                    policy = policy.per_attempt(limit);
                }
                let drops = Drops::new();
                let token = drops.token();
                let (calls, note) = Calls::of(&clock);
                let task = pool.retry(policy, move |attempt| {
                    token.hold();
                    note();
                    no(attempt.number())
                });
                assert_eq!(calls.after(HOUR * 3 / 2).len(), 2);
                assert_eq!((clock.pending(), drops.count()), (1, 0));
                assert_eq!(task.cancel(), CancelOutcome::Prevented);
                assert_eq!((clock.pending(), drops.count()), (0, 1));
                assert!(failure(task).is_cancelled());
            }
        });
    }

    // Contract: R3
    #[test]
    fn a_cancel_before_the_first_call_prevents_it() {
        within(|| {
            let pool = pool_of(1);
            let (gate, began) = (Gate::new(), Latch::new(1));
            let (pass, begins) = (gate.clone(), began.clone());
            let running = pool.spawn(move || {
                begins.count_down();
                pass.pass();
            });
            began.wait();
            let task = pool.retry(Retry::attempts(5), |_| -> Result<u8, BoxError> {
                unreachable!("it was cancelled")
            });
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            gate.open();
            running.wait().unwrap();
            assert!(failure(task).is_cancelled());
        });
    }

    // Case: 119
    // Contract: R3
    #[test]
    fn a_cancel_of_what_the_closure_returned_is_not_tried_again() {
        within(|| {
            let policy = Retry::attempts(5).when(|_, _| Decision::Again);
            let task = retry(policy, |_| {
                let (_resolver, task) = deferred::<u32>();
                task.cancel_with("by another thread");
                task
            });
            let error = task.wait().unwrap_err();
            assert!(error.is_cancelled());
            assert!(error.to_string().contains("by another thread"), "{error}");
            assert_eq!(error.attempts(), Some(1));
        });
    }

    // Contract: R3, X3
    #[test]
    fn a_limit_inside_is_tried_again_and_one_outside_is_the_end() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let own = pool.clone();
            let (calls, note) = Calls::of(&clock);
            let task = pool.retry(Retry::attempts(3), move |_| {
                note();
                own.delay(HOUR).timeout(SECOND)
            });
            assert_eq!(calls.after(HOUR), [0, 1, 2].map(Duration::from_secs));
            let error = failure(task);
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!(error.attempts(), Some(3));

            let own = pool.clone();
            let (calls, note) = Calls::of(&clock);
            let policy = Retry::attempts(9).backoff([SECOND]);
            let task = pool.retry(policy, move |attempt| {
                note();
                let number = attempt.number();
                own.delay(SECOND).and_then(move |()| no(number))
            });
            let task = task.timeout(SECOND * 7 / 2);
            assert_eq!(calls.after(HOUR), [0, 2].map(Duration::from_secs));
            let error = failure(task);
            assert_eq!(
                (error.kind(), error.attempts()),
                (ErrorKind::TimedOut, None)
            );
            assert_eq!(clock.pending(), 0);
        });
    }
}

mod limited {
    use super::*;

    // Contract: R1, T4
    #[test]
    fn each_call_has_its_time() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let own = pool.clone();
            let (calls, note) = Calls::of(&clock);
            let kinds = Log::new();
            let told = kinds.clone();
            let policy = Retry::attempts(3)
                .per_attempt(5 * SECOND)
                .backoff([SECOND])
                .notify(move |error, _| told.push(error.kind()));
            let task = pool.retry(policy, move |attempt| {
                note();
                let takes = if attempt.is_last() { SECOND } else { HOUR };
                own.delay(takes).then(|()| 7)
            });
            assert_eq!(
                calls.after(13 * SECOND),
                [0, 6, 12].map(Duration::from_secs)
            );
            assert_eq!(task.try_wait().unwrap().unwrap(), 7);
            assert_eq!(clock.pending(), 0, "what came too late is cancelled");
            assert_eq!(kinds.take(), [ErrorKind::TimedOut; 2]);
        });
    }

    // Contract: R1, R3
    #[test]
    fn the_closure_is_never_called_twice_at_a_time() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (resolver, slow) = deferred::<()>();
            let (calls, note) = Calls::of(&clock);
            let mut slow = Some(slow);
            let raised = Log::new();
            let log = raised.clone();
            let policy = Retry::attempts(3).per_attempt(SECOND).backoff([SECOND]);
            let task = pool.retry(policy, move |attempt| {
                note();
                if let Some(slow) = slow.take() {
                    // The clock moves while it sleeps.
                    slow.wait()?;
                    log.push(attempt.is_cancelled());
                }
                Ok(attempt.number())
            });
            assert_eq!(calls.after(10 * SECOND), [Duration::ZERO]);
            assert!(!task.is_settled());
            resolver.resolve(()).unwrap();
            assert!(pool.wait_idle(LIMIT));
            // The pause was over: the next call came at once.
            assert_eq!(task.wait().unwrap(), 2);
            assert_eq!(calls.log.take(), [10 * SECOND]);
            assert_eq!(raised.take(), [true]);
        });
    }

    // Case: 114
    // Contract: R2, S4
    #[test]
    fn a_closure_that_does_not_return_holds_it_up_to_the_total_time_only() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let drops = Drops::new();
            let token = drops.token();
            let (resolver, slow) = deferred::<()>();
            let mut slow = Some(slow);
            let policy = Retry::attempts(3).per_attempt(SECOND).total(5 * SECOND);
            let task = pool.retry(policy, move |_| {
                token.hold();
                slow.take().expect("it is called once").wait()?;
                Ok(7)
            });
            clock.advance(5 * SECOND - Duration::from_nanos(1));
            assert!(!task.is_settled());
            clock.advance(Duration::from_nanos(1));
            let error = failure(task);
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!((error.attempts(), drops.count()), (Some(1), 0));
            resolver.resolve(()).unwrap();
            drops.wait_for(1);
        });
    }
}

mod hedged {
    use super::*;

    /// The calls of a list of failures, in its order, and the call that failed earliest.
    fn calls_of(error: &TaskError) -> (Vec<u32>, u32) {
        let number = |error: &TaskError| error.downcast_ref::<No>().expect("a failure of ours").0;
        let all = error.downcast_ref::<AggregateError>();
        let all = all.unwrap_or_else(|| panic!("no list: {error:?}"));
        assert!(error.to_string().starts_with("all "), "{error}");
        (
            all.errors().iter().map(number).collect(),
            number(all.first()),
        )
    }

    // Contract: R5
    #[test]
    fn a_further_call_starts_while_the_earlier_ones_take_long() {
        within(|| {
            for takes in [[9, 9, 9], [9, 1, 9], [3, 9, 9], [9, 9, 1]] {
                let (clock, pool) = virtual_pool();
                let (calls, note) = Calls::of(&clock);
                let own = pool.clone();
                let task = pool.hedge(SECOND, 3, move |call| {
                    note();
                    let number = call.number();
                    assert_eq!(call.is_last(), number == 3);
                    let takes = Duration::from_secs(takes[number as usize - 1]);
                    own.delay(takes).then(move |()| number)
                });
                let ends = (0..3).map(|n| n + takes[n as usize]);
                let (end, winner) = ends.zip(1..).min().unwrap();
                let made = calls.after(Duration::from_secs(end));
                assert_eq!(task.try_wait().unwrap().unwrap(), winner);
                // The delay of a second, and the success of the second call, come at one time.
                let wanted: Vec<_> = (0..3).map(Duration::from_secs).collect();
                assert!(wanted.starts_with(&made), "{made:?}");
                let at_least = wanted.iter().filter(|at| at.as_secs() < end).count();
                assert!(made.len() >= at_least, "{made:?}");
                assert_eq!(clock.pending(), 0, "the others are cancelled");
            }
        });
    }

    // Contract: R5
    #[test]
    fn a_call_that_fails_starts_the_next_at_once() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let (calls, note) = Calls::of(&clock);
            let own = pool.clone();
            let task = pool.hedge(4 * SECOND, 4, move |call| {
                note();
                let number = call.number();
                let takes = [2, 9, 1, 1][number as usize - 1];
                own.delay(takes * SECOND).and_then(move |()| no(number))
            });
            // The third starts four seconds after the second, the fourth with its failure.
            assert_eq!(calls.after(HOUR), [0, 2, 6, 7].map(Duration::from_secs));
            assert_eq!(calls_of(&failure(task)), (vec![1, 2, 3, 4], 1));
            assert_eq!(clock.pending(), 0);
        });
    }

    // Contract: R5
    #[test]
    fn the_numbers_of_calls_and_the_delays_have_no_gaps() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let task = pool.hedge(SECOND, 0, |_| no(1));
            let error = failure(task);
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("at least 1"), "{error}");
            let task = pool.hedge(SECOND, 1, |_| no(1));
            clock.advance(Duration::ZERO);
            assert_eq!(calls_of(&failure(task)), (vec![1], 1));
            // All at once, and only one that is made.
            for (delay, calls_made) in [(Duration::ZERO, 5), (Duration::MAX, 1)] {
                let (calls, note) = Calls::of(&clock);
                let own = pool.clone();
                let task = pool.hedge(delay, 5, move |_| {
                    note();
                    own.delay(SECOND)
                });
                assert_eq!(calls.after(SECOND), vec![Duration::ZERO; calls_made]);
                assert!(task.try_wait().unwrap().is_ok());
            }
            assert_eq!(clock.pending(), 0);
            // A list that a call itself has failed with stays whole.
            let task = hedge(HOUR, 2, |call| match call.number() {
                1 => Task::failed(No(1)),
                _ => any([Task::<u32>::failed(No(2)), Task::failed(No(3))]),
            });
            let error = task.wait().unwrap_err();
            let all = error.downcast_ref::<AggregateError>().unwrap();
            assert_eq!(all.errors().len(), 2);
            assert_eq!(calls_of(&all.errors()[1]).0, [2, 3]);
        });
    }

    // Contract: R5, C3
    #[test]
    fn a_cancel_reaches_all_calls_and_a_panic_is_a_failure() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let drops = Drops::new();
            let (token, own) = (drops.token(), pool.clone());
            let task = pool.hedge(SECOND, 5, move |_| {
                token.hold();
                own.delay(HOUR)
            });
            clock.advance(2 * SECOND);
            // Three calls, and the delay before the next.
            assert_eq!(clock.pending(), 4);
            task.cancel();
            assert_eq!((clock.pending(), drops.count()), (0, 1));
            assert!(failure(task).is_cancelled());
            let task = hedge(HOUR, 2, |call| match call.number() {
                1 => expected("the first call"),
                _ => Ok(7),
            });
            assert_eq!(task.wait().unwrap(), 7);
        });
    }

    // Contract: R5
    #[test]
    fn calls_that_block_run_beside_each_other() {
        within(|| {
            let pool = pool_of(4);
            let (begun, gate, told) = (Gate::new(), Gate::new(), Log::new());
            let (begin, pass, log) = (begun.clone(), gate.clone(), told.clone());
            let task = pool.hedge(Duration::from_millis(1), 2, move |call| {
                match call.number() {
                    1 => {
                        begin.open();
                        pass.pass();
                        log.push(call.is_cancelled());
                    }
                    // One that is cancelled before it begins would not be called.
                    _ => begin.pass(),
                }
                Ok(call.number())
            });
            assert_eq!(task.wait().unwrap(), 2);
            gate.open();
            assert!(pool.wait_idle(LIMIT));
            assert_eq!(told.take(), [true]);
        });
    }
}
