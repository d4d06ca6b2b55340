//! How often progress is told, and what a listener that does not keep up gets.

use std::time::Duration;

use super::{Gate, Latch, gated, line, lines, pool_of, spawn_with, until, virtual_pool, within};

const MILLI: Duration = Duration::from_millis(1);

// Contract: E2
// Case: 197
#[test]
fn progress_is_told_at_most_once_in_a_while_by_the_clock_of_the_pool() {
    within(|| {
        let (clock, pool) = virtual_pool();
        let (go, own) = (Gate::new(), pool.clone());
        let passes = go.clone();
        let task = pool.spawn_with(move |ctx| {
            passes.pass();
            for done in 1..=12 {
                ctx.progress(done, 12);
                own.delay(10 * MILLI).wait().unwrap();
            }
        });
        let (events, start) = (task.events(), clock.now());
        go.open();
        clock.advance(Duration::from_secs(1));
        let told: Vec<_> = events
            .filter_map(|event| Some((event.progress()?.0, event.time() - start)))
            .collect();
        let at = [(1, 0), (6, 50), (11, 100), (12, 120)];
        assert_eq!(told, at.map(|(done, millis)| (done, millis * MILLI)));
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn a_kept_progress_is_told_before_the_next_event() {
    within(|| {
        let (_clock, pool) = virtual_pool();
        let (gate, task) = gated(&pool, |ctx| {
            for done in 1..=1000 {
                ctx.progress(done, 0);
            }
            ctx.message("one");
            ctx.message("two");
            ctx.progress(1000, 0);
        });
        until(|| task.thread().is_some());
        let events = task.events();
        gate.open();
        assert_eq!(
            lines(events),
            ["started", "1", "1000", "one", "two", "settled"]
        );
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn a_listener_that_does_not_keep_up_loses_the_oldest() {
    within(|| {
        let pool = pool_of(2);
        let (gate, task) = gated(&pool, |ctx| {
            for number in 0..5_000 {
                ctx.message(number.to_string());
            }
        });
        until(|| task.thread().is_some());
        let mut events = task.events();
        assert_eq!(line(&events.next().unwrap()), "started");
        gate.open();
        task.stopped().wait().unwrap();
        until(|| events.lost() == 5_001 - 1_024);
        assert_eq!(events.pending(), 1_024);
        let first = events.next().unwrap();
        assert_eq!(line(&first), (5_001_usize - 1_024).to_string());
        assert_eq!(lines(events).last().unwrap(), "settled");
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn threads_that_report_together_are_told_in_one_order() {
    within(|| {
        let task = spawn_with(|ctx| {
            let meet = Latch::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    let (ctx, meet) = (ctx.clone(), meet.clone());
                    scope.spawn(move || {
                        meet.count_down();
                        meet.wait();
                        for done in 1..=10_000 {
                            ctx.progress(done, 10_000);
                        }
                    });
                }
            });
            ctx.progress(10_001, 10_001);
        });
        let (one, two) = (task.events(), task.events());
        let progress = |events| {
            let told = lines(events);
            assert_eq!(told.last().unwrap(), "settled");
            told[told.len() - 2].clone()
        };
        assert_eq!(
            (progress(one), progress(two)),
            ("10001 of 10001".into(), "10001 of 10001".into())
        );
        task.wait().unwrap();
    });
}
