//! Debounce and throttle: which calls become one run, when it comes, and who gets its outcome.

use std::time::{Duration, Instant};

use crate::support::{Drops, HOUR, LIMIT, Log, SECOND, expected, reports, virtual_pool, within};
use fast_async::time::{Debounce, Throttle};
use fast_async::{BoxError, Clock, ErrorKind, Pool, Shutdown, Task, deferred};

fn at(tenths: u32) -> Duration {
    SECOND * tenths / 10
}

/// A pool with a virtual clock, and the runs of a closure: when each began, and its argument.
struct Runs {
    clock: Clock,
    pool: Pool,
    start: Instant,
    log: Log<(Duration, u32)>,
}

impl Runs {
    fn new() -> Runs {
        let (clock, pool) = virtual_pool();
        Runs {
            start: clock.now(),
            pool,
            log: Log::new(),
            clock,
        }
    }

    /// A closure that notes its runs, and returns its argument.
    fn note(&self) -> impl FnMut(u32) -> Result<u32, BoxError> + Send + 'static {
        let (clock, start, log) = (self.clock.clone(), self.start, self.log.clone());
        move |argument| {
            log.push((clock.now() - start, argument));
            Ok(argument)
        }
    }

    fn debounce(&self, wait: Duration) -> Debounce<u32, u32> {
        self.pool.debounce(wait, self.note())
    }

    fn throttle(&self, period: Duration) -> Throttle<u32, u32> {
        self.pool.throttle(period, self.note())
    }

    /// Goes to this time since the start.
    fn go_to(&self, time: Duration) {
        let now = self.clock.now() - self.start;
        self.clock.advance(time - now);
    }

    /// Makes calls at these tenths of a second, with the number of the tenth.
    fn call_at(&self, tenths: &[u32], call: impl Fn(u32) -> Task<u32>) -> Vec<Task<u32>> {
        let calls = tenths.iter().map(|tenth| {
            self.go_to(at(*tenth));
            call(*tenth)
        });
        calls.collect()
    }

    /// The runs so far, by tenths of a second, after all that is to come.
    fn all(&self) -> Vec<(u32, u32)> {
        self.clock.advance(HOUR);
        assert_eq!(self.clock.pending(), 0, "no timer is left");
        let runs = self.log.take().into_iter();
        let tenths =
            |(time, argument): (Duration, u32)| ((time.as_millis() / 100) as u32, argument);
        runs.map(tenths).collect()
    }
}

fn values(tasks: Vec<Task<u32>>) -> Vec<u32> {
    let value = |task: Task<u32>| task.try_wait().expect("it is settled").expect("a value");
    tasks.into_iter().map(value).collect()
}

mod debounced {
    use super::*;

    // Case: 142
    // Contract: T7
    #[test]
    fn calls_that_come_close_together_are_one_run_with_the_last_argument() {
        within(|| {
            let runs = Runs::new();
            let save = runs.debounce(SECOND);
            let tasks = runs.call_at(&[0, 5, 9, 30, 50], |n| save.call(n));
            assert_eq!(runs.all(), [(19, 9), (40, 30), (60, 50)]);
            assert_eq!(values(tasks), [9, 9, 9, 30, 50]);

            // Of all that were merged, one is cancelled, and one is dropped.
            let mut tasks = runs.call_at(&[40_000, 40_001, 40_002], |n| save.call(n));
            tasks.remove(0).cancel();
            drop(tasks.remove(0));
            assert_eq!(runs.all(), [(40_012, 40_002)]);
            assert_eq!(values(tasks), [40_002]);
            // All are cancelled: it does not run.
            let tasks = [1, 2].map(|n| save.call(n));
            for task in &tasks {
                task.cancel();
            }
            assert_eq!(runs.all(), []);
            // All are dropped: it runs.
            save.call(3).detach();
            assert_eq!(runs.all().len(), 1);
        });
    }

    // Case: 144
    // Contract: T7
    #[test]
    fn a_call_at_the_very_end_comes_after_the_run() {
        within(|| {
            let runs = Runs::new();
            let save = runs.debounce(SECOND);
            // Due at the same moment: the one that was registered first comes first.
            let (early, late) = (save.clone(), save.clone());
            let before = runs.pool.delay(SECOND).and_then(move |()| early.call(1));
            let first = save.call(0);
            let after = runs.pool.delay(SECOND).and_then(move |()| late.call(2));
            // What is due is run before the call is looked at.
            assert_eq!(runs.all(), [(10, 0), (20, 2)]);
            assert_eq!(values(vec![first, before, after]), [0, 2, 2]);
        });
    }

    // Case: 144
    // Contract: T7, D2
    #[test]
    fn it_may_be_called_by_its_own_closure() {
        within(|| {
            let runs = Runs::new();
            let place = std::sync::Arc::new(std::sync::OnceLock::<Debounce<u32, u32>>::new());
            let (own, mut note) = (place.clone(), runs.note());
            let save = runs.pool.debounce(SECOND, move |n| {
                if n > 0 {
                    own.get().expect("it is there").call(n - 1).detach();
                }
                note(n)
            });
            place.set(save.clone()).expect("it was empty");
            let task = save.call(2);
            assert_eq!(runs.all(), [(10, 2), (20, 1), (30, 0)]);
            assert_eq!(values(vec![task]), [2]);
        });
    }

    // Case: 141
    // Contract: T7
    #[test]
    fn the_longest_wait_ends_by_itself_and_what_follows_is_no_first_call() {
        within(|| {
            let runs = Runs::new();
            let save = runs.debounce(SECOND).max_wait(SECOND * 2);
            let tasks = runs.call_at(&[0, 6, 12, 18, 24, 30], |n| save.call(n));
            assert_eq!(runs.all(), [(20, 18), (40, 30)]);
            assert_eq!(values(tasks), [18, 18, 18, 18, 30, 30]);

            let runs = Runs::new();
            let save = runs.debounce(SECOND).max_wait(SECOND * 2).leading(true);
            let tasks = runs.call_at(&[0, 6, 12, 18, 24, 30, 36], |n| save.call(n));
            // The first at once; 6 to 24 after two seconds; the rest after them.
            assert_eq!(runs.all(), [(0, 0), (26, 24), (46, 36)]);
            assert_eq!(values(tasks), [0, 24, 24, 24, 24, 36, 36]);
        });
    }

    // Case: 141
    // Contract: T7
    #[test]
    fn a_flush_runs_what_waits_and_a_cancel_settles_it() {
        within(|| {
            let runs = Runs::new();
            let drops = Drops::new();
            let save = runs.debounce(SECOND);
            assert!(!save.flush() && !save.cancel() && !save.is_pending());
            let tasks = runs.call_at(&[0, 5], |n| save.call(n));
            assert!(save.is_pending() && save.flush());
            assert!(!save.is_pending() && !save.flush());
            assert_eq!(runs.clock.pending(), 0);
            assert_eq!(runs.all(), [(5, 5)]);
            assert_eq!(values(tasks), [5, 5]);

            let tasks = [1, 2].map(|n| save.call(n));
            assert!(save.cancel());
            assert_eq!((runs.clock.pending(), save.is_pending()), (0, false));
            for task in tasks {
                assert!(task.wait().unwrap_err().is_cancelled());
            }
            assert_eq!(runs.all(), []);
            // Arguments are dropped when others replace them, and with a cancel.
            let hold = runs.pool.debounce(SECOND, |_argument| Ok(()));
            hold.call(drops.token()).detach();
            hold.call(drops.token()).detach();
            assert_eq!(drops.count(), 1);
            hold.cancel();
            assert_eq!(drops.count(), 2);
        });
    }

    // Contract: T7
    #[test]
    fn the_first_call_may_run_at_once_and_alone() {
        within(|| {
            let runs = Runs::new();
            let save = runs.debounce(SECOND).leading(true);
            let tasks = runs.call_at(&[0, 30, 35], |n| save.call(n));
            assert_eq!(runs.all(), [(0, 0), (30, 30), (45, 35)]);
            assert_eq!(values(tasks), [0, 30, 35]);

            // Without the last one the later calls get the outcome of the first.
            let runs = Runs::new();
            let save = runs.debounce(SECOND).leading(true).trailing(false);
            let tasks = runs.call_at(&[0, 5, 12, 22], |n| save.call(n));
            assert_eq!(runs.all(), [(0, 0), (22, 22)]);
            assert_eq!(values(tasks), [0, 0, 0, 22]);
            // With neither there is nothing that would run.
            let save = runs.debounce(SECOND).leading(false).trailing(false);
            let error = save.call(1).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("leading"), "{error}");
        });
    }

    // Case: 140
    // Contract: T7, C5
    #[test]
    fn a_failure_reaches_all_and_is_reported_if_unhandled() {
        within(|| {
            let runs = Runs::new();
            let fail = |n: u32| -> Result<u32, BoxError> {
                match n {
                    0 => Err("the debounce fails".into()),
                    1 => expected("the debounce panics"),
                    n => Ok(n),
                }
            };
            let save = runs.pool.debounce(SECOND, fail);
            for n in [0, 1] {
                let tasks = [n, n].map(|n| save.call(n));
                runs.all();
                for task in tasks {
                    let error = task.wait().unwrap_err();
                    assert!(error.to_string().contains("the debounce"), "{error}");
                    assert_eq!(error.is_panic(), n == 1);
                }
                save.call(n).detach();
                save.call(n).detach();
                runs.all();
            }
            assert_eq!(reports("the debounce fails"), 1);
            assert_eq!(reports("the debounce panics"), 1);
            // It works on.
            let task = save.call(7);
            runs.all();
            assert_eq!(values(vec![task]), [7]);
        });
    }

    // Case: 140
    // Contract: T7, C4
    #[test]
    fn what_waits_outlives_the_handles() {
        within(|| {
            let runs = Runs::new();
            let save = runs.debounce(SECOND);
            let task = save.call(1);
            drop(save);
            assert_eq!(runs.all(), [(10, 1)]);
            assert_eq!(values(vec![task]), [1]);

            // A pool that was shut down refuses the run, and nothing hangs.
            let save = runs.debounce(SECOND);
            assert!(runs.pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
            for _ in 0..2 {
                let task = save.call(1);
                runs.clock.advance(SECOND);
                assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
            }
        });
    }

    // Contract: T7
    #[test]
    fn runs_do_not_overlap_and_those_that_are_due_meanwhile_are_one() {
        within(|| {
            let runs = Runs::new();
            let (own, mut note) = (runs.pool.clone(), runs.note());
            // Each takes five seconds, as a task.
            let save = runs.pool.debounce(SECOND, move |n| {
                let _ = note(n);
                own.delay(5 * SECOND).then(move |()| n)
            });
            let tasks = runs.call_at(&[0, 20, 40, 80], |n| save.call(n));
            assert_eq!(runs.all(), [(10, 0), (60, 40), (110, 80)]);
            assert_eq!(values(tasks), [0, 40, 40, 80]);
        });
    }

    // Contract: T7
    #[test]
    fn waits_of_zero_and_without_end_are_defined() {
        within(|| {
            let runs = Runs::new();
            let now = runs.debounce(Duration::ZERO);
            let task = now.call(1);
            assert_eq!(runs.all(), [(0, 1)]);
            assert_eq!(values(vec![task]), [1]);
            let never = runs.debounce(Duration::MAX);
            let task = never.call(2);
            assert_eq!(runs.all(), []);
            assert!(never.flush());
            runs.clock.advance(Duration::ZERO);
            assert_eq!(values(vec![task]), [2]);
            let soon = runs.debounce(Duration::MAX).max_wait(SECOND);
            let task = soon.call(3);
            runs.clock.advance(SECOND);
            assert_eq!(values(vec![task]), [3]);
        });
    }

    /// A value whose clone panics.
    #[derive(Debug)]
    struct Fragile;

    impl Clone for Fragile {
        fn clone(&self) -> Fragile {
            expected("a clone")
        }
    }

    // Contract: T7, S2
    #[test]
    fn a_clone_that_panics_fails_the_calls_that_need_it() {
        within(|| {
            let runs = Runs::new();
            let save = runs.pool.debounce(SECOND, |()| Ok(Fragile));
            let tasks = [save.call(()), save.call(())];
            runs.all();
            let outcomes = tasks.map(Task::wait);
            assert!(outcomes[0].as_ref().unwrap_err().is_panic());
            assert!(outcomes[1].is_ok(), "the last one gets the value itself");
        });
    }
}

mod throttled {
    use super::*;

    // Case: 143
    // Contract: T7
    #[test]
    fn it_runs_once_in_a_period_and_the_last_call_is_not_lost() {
        within(|| {
            let runs = Runs::new();
            let draw = runs.throttle(SECOND);
            let tasks = runs.call_at(&[0, 3, 6, 12, 15, 18, 50], |n| draw.call(n));
            assert_eq!(runs.all(), [(0, 0), (10, 6), (20, 18), (50, 50)]);
            assert_eq!(values(tasks), [0, 6, 6, 18, 18, 18, 50]);
            // No two runs are closer than a period, whenever the calls come.
            let runs = Runs::new();
            let draw = runs.throttle(SECOND);
            let tasks = runs.call_at(&[0, 9, 10, 11, 19, 20, 21], |n| draw.call(n));
            let times: Vec<_> = runs.all().into_iter().map(|(time, _)| time).collect();
            assert_eq!(times, [0, 10, 20, 30]);
            assert_eq!(values(tasks).last(), Some(&21));
        });
    }

    // Contract: T7
    #[test]
    fn either_end_of_the_period_may_be_left_out() {
        within(|| {
            let runs = Runs::new();
            let draw = runs.throttle(SECOND).leading(false);
            let tasks = runs.call_at(&[0, 3, 12], |n| draw.call(n));
            assert_eq!(runs.all(), [(10, 3), (20, 12)]);
            assert_eq!(values(tasks), [3, 3, 12]);

            let runs = Runs::new();
            let draw = runs.throttle(SECOND).trailing(false);
            let tasks = runs.call_at(&[0, 3, 9, 10, 12], |n| draw.call(n));
            assert_eq!(runs.all(), [(0, 0), (10, 10)]);
            assert_eq!(values(tasks), [0, 0, 0, 10, 10]);
        });
    }

    // Contract: T7
    #[test]
    fn a_flush_begins_a_period_and_a_cancel_ends_it() {
        within(|| {
            let runs = Runs::new();
            let draw = runs.throttle(SECOND);
            let mut tasks = runs.call_at(&[0, 3], |n| draw.call(n));
            assert!(draw.flush());
            tasks.extend(runs.call_at(&[5], |n| draw.call(n)));
            assert_eq!(runs.all(), [(0, 0), (3, 3), (13, 5)]);
            assert_eq!(values(tasks), [0, 3, 5]);

            let runs = Runs::new();
            let draw = runs.throttle(SECOND);
            let mut tasks = runs.call_at(&[0, 3], |n| draw.call(n));
            assert!(draw.cancel() && format!("{draw:?}").contains("pending: false"));
            assert!(tasks.pop().unwrap().wait().unwrap_err().is_cancelled());
            tasks.extend(runs.call_at(&[5], |n| draw.call(n)));
            assert_eq!(runs.all(), [(0, 0), (5, 5)]);
            assert_eq!(values(tasks), [0, 5]);
        });
    }

    // Contract: T7
    #[test]
    fn a_period_of_zero_runs_each_call_and_one_without_end_the_first() {
        within(|| {
            let runs = Runs::new();
            let draw = runs.throttle(Duration::ZERO);
            let tasks = runs.call_at(&[0, 1, 2], |n| draw.call(n));
            assert_eq!(runs.all(), [(0, 0), (1, 1), (2, 2)]);
            assert_eq!(values(tasks), [0, 1, 2]);
            let draw = runs.throttle(Duration::MAX);
            let tasks: Vec<_> = [1, 2].map(|n| draw.call(n)).into();
            assert_eq!(runs.all().len(), 1);
            assert!(draw.flush());
            runs.clock.advance(Duration::ZERO);
            assert_eq!(values(tasks), [1, 2]);
        });
    }

    // Contract: T7, W1
    #[test]
    fn a_continuation_that_blocks_delays_no_other_call() {
        within(|| {
            let runs = Runs::new();
            let (resolver, gate) = deferred::<()>();
            let draw = runs.throttle(SECOND);
            draw.call(0).detach();
            let first = draw
                .call(1)
                .and_then(move |n| gate.wait().map(|()| n).map_err(Into::into));
            let second = draw.call(2);
            runs.clock.advance(SECOND);
            assert_eq!(second.wait().unwrap(), 2);
            resolver.resolve(()).unwrap();
            assert_eq!(first.wait().unwrap(), 2);
        });
    }
}
