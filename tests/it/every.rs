//! Intervals: when they come, what they do about late ones, and what ends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{
    Count, Drops, Gate, HOUR, LIMIT, Latch, Log, SECOND, expected, reports, virtual_pool, within,
};
use fast_async::time::Missed;
use fast_async::{BoxError, Clock, ErrorKind, Pool, Shutdown, Task, every};

/// Notes times since its making.
#[derive(Clone)]
struct Times {
    clock: Clock,
    start: Instant,
    log: Log<f64>,
}

impl Times {
    fn of(clock: &Clock) -> Times {
        Times {
            clock: clock.clone(),
            start: clock.now(),
            log: Log::new(),
        }
    }

    fn note(&self) {
        self.log.push((self.clock.now() - self.start).as_secs_f64());
    }
}

// Contract: T1, T6
#[test]
fn it_comes_at_the_multiples_of_its_period() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let times = Times::of(&clock);
        let noted = times.clone();
        let interval = pool.every(SECOND, move || noted.note());
        clock.advance(SECOND - Duration::from_nanos(1));
        assert_eq!(times.log.take(), []);
        clock.advance(SECOND * 4);
        assert_eq!(times.log.take(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(clock.pending(), 1);
        drop(interval);
        assert_eq!(clock.pending(), 0);
        clock.advance(HOUR);
        assert_eq!(times.log.take(), []);

        // What it returns may be a result or a task, which is awaited.
        let (noted, own) = (times.clone(), pool.clone());
        let start = clock.now();
        let tasks = pool.every(SECOND, move || {
            noted.note();
            own.delay(SECOND / 2)
        });
        let results = pool.every(HOUR, || Ok(()));
        clock.advance(SECOND * 3);
        let offset = (start - times.start).as_secs_f64();
        assert_eq!(times.log.take(), [1.0, 2.0, 3.0].map(|at| at + offset));
        drop((tasks, results));
    });
}

// Case: 136
// Contract: T6
#[test]
fn a_late_one_is_skipped_delayed_or_made_up_for() {
    within(|| {
        let late = [
            (Missed::Skip, vec![1.0, 5.0, 6.0, 7.0]),
            (Missed::Delay, vec![1.0, 5.5, 6.5, 7.5]),
            (Missed::Burst, vec![1.0, 4.5, 4.5, 4.5, 5.0, 6.0, 7.0]),
        ];
        for (missed, wanted) in late {
            let (clock, pool) = virtual_pool();
            let times = Times::of(&clock);
            let (noted, own, mut is_first) = (times.clone(), pool.clone(), true);
            let interval = pool.every(SECOND, move || {
                noted.note();
                let takes = if is_first {
                    SECOND * 7 / 2
                } else {
                    Duration::ZERO
                };
                is_first = false;
                own.delay(takes)
            });
            let interval = interval.missed(missed);
            clock.advance(SECOND * 15 / 2);
            assert_eq!(times.log.take(), wanted, "{missed:?}");
            assert!(format!("{interval:?}").contains(&format!("{missed:?}")));
        }
        // A call that ends when the next one is due is not late.
        for missed in [Missed::Skip, Missed::Delay, Missed::Burst] {
            let (clock, pool) = virtual_pool();
            let times = Times::of(&clock);
            let (noted, own) = (times.clone(), pool.clone());
            let interval = pool.every(SECOND, move || {
                noted.note();
                own.delay(SECOND)
            });
            let interval = interval.missed(missed);
            clock.advance(SECOND * 3);
            assert_eq!(times.log.take(), [1.0, 2.0, 3.0], "{missed:?}");
            drop(interval);
        }
    });
}

// Case: 136
// Contract: T1
#[test]
fn a_period_of_zero_is_refused_and_the_greatest_never_comes() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let drops = Drops::new();
        let token = drops.token();
        let interval = pool.every(Duration::ZERO, move || token.hold());
        let error = interval.into_task().wait().unwrap_err();
        assert_eq!((error.kind(), drops.count()), (ErrorKind::Rejected, 1));
        assert!(error.to_string().contains("above zero"), "{error}");

        let token = drops.token();
        let interval = pool.every(Duration::MAX, move || token.hold());
        clock.advance(HOUR);
        clock.advance(Duration::MAX);
        assert_eq!((clock.pending(), drops.count()), (0, 1));
        drop(interval);
        assert_eq!(drops.count(), 2);
    });
}

// Case: 137
// Contract: T6
#[test]
fn it_never_overlaps_itself() {
    within(|| {
        let pool = Pool::new();
        let (inside, most, calls) = (
            AtomicUsize::new(0),
            Arc::new(AtomicUsize::new(0)),
            Count::default(),
        );
        let (noted, counted) = (most.clone(), calls.clone());
        let interval = pool.every(Duration::from_micros(50), move || {
            noted.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            counted.add();
        });
        let interval = interval.missed(Missed::Burst);
        calls.reach(100);
        interval.stop().wait().unwrap();
        let made = calls.get();
        assert!(pool.wait_idle(LIMIT));
        assert_eq!((most.load(Ordering::SeqCst), calls.get()), (1, made));
    });
}

// Case: 137
// Contract: T6, C1
#[test]
fn it_ends_with_its_handle_also_while_it_runs() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let drops = Drops::new();
        let (token, gate, began) = (drops.token(), Gate::new(), Latch::new(1));
        let (pass, begins) = (gate.clone(), began.clone());
        let interval = pool.every(SECOND, move || {
            token.hold();
            begins.count_down();
            pass.pass();
        });
        let own = clock.clone();
        let mover = std::thread::spawn(move || own.advance(HOUR));
        began.wait();
        let stopped = interval.stop();
        assert!(!stopped.is_settled());
        gate.open();
        stopped.wait().unwrap();
        assert_eq!(drops.count(), 1);
        mover.join().unwrap();
        assert_eq!(clock.pending(), 0);

        // From inside.
        let place = Arc::new(parking_lot::Mutex::new(None));
        let (own, calls) = (place.clone(), Count::default());
        let counted = calls.clone();
        let interval = pool.every(SECOND, move || {
            counted.add();
            let interval = own.lock().take();
            drop(interval);
        });
        *place.lock() = Some(interval);
        clock.advance(HOUR);
        assert_eq!((calls.get(), clock.pending()), (1, 0));
    });
}

// Contract: T6, S2
#[test]
fn a_failure_ends_it() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let mut left = 3;
        let fails = pool.every(SECOND, move || {
            left -= 1;
            if left > 0 {
                Ok(())
            } else {
                Err("enough".into())
            }
        });
        let panics = pool.every(SECOND, || -> Result<(), BoxError> {
            expected("a late tick")
        });
        let tasks = pool.every(SECOND, || Task::<()>::failed("no"));
        clock.advance(HOUR);
        assert_eq!(clock.pending(), 0);
        let error = fails.into_task().wait().unwrap_err();
        assert!(error.to_string().starts_with("enough"), "{error}");
        assert!(tasks.into_task().wait().is_err());
        drop(panics);
        assert_eq!(reports("a late tick"), 1);
    });
}

// Case: 138
// Contract: T5, T6
#[test]
fn it_holds_up_nothing_and_goes_on_detached() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let calls = Count::default();
        let counted = calls.clone();
        pool.every(SECOND, move || counted.add()).detach();
        assert!(pool.wait_idle(LIMIT));
        clock.advance(SECOND * 3);
        assert_eq!(calls.get(), 3);
        assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());

        let counted = calls.clone();
        let interval = every(Duration::from_micros(100), move || counted.add());
        calls.reach(6);
        drop(interval);
    });
}

// Case: 149
// Contract: K1
#[test]
fn a_move_to_the_end_of_time_comes_to_an_end() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let times = Times::of(&clock);
        let noted = times.clone();
        let _interval = pool.every(SECOND, move || noted.note());
        let last = pool.delay(SECOND * 3);
        clock.advance(Duration::ZERO);
        clock.advance(Duration::MAX);
        assert!(last.is_settled());
        assert_eq!(times.log.take(), [1.0, 2.0, 3.0]);
        last.wait().unwrap();
    });
}
