//! One call after the other: `reduce` and `repeat_while`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Count, Drops, Gate, expected, one_thread, pool_of, within};
use fast_async::flow::{reduce, repeat_while};
use fast_async::{Clock, ErrorKind, Pool, Task, deferred, spawn};

// Contract: F6
#[test]
fn each_call_gets_what_the_call_before_has_returned() {
    within(|| {
        let text = reduce(1..=5, String::new(), |text, n| Ok(format!("{text}{n}")));
        assert_eq!(text.wait().unwrap(), "12345");
        let sum = reduce(0..100_u64, 0, |sum, n| spawn(move || sum + n));
        assert_eq!(sum.wait().unwrap(), 4950);
        let none = reduce(std::iter::empty::<u8>(), 7, |_, _| Err("not called".into()));
        assert_eq!(none.wait().unwrap(), 7);
        let calls = Count::default();
        let count = calls.clone();
        let loops = repeat_while(move || {
            count.add();
            Ok(count.get() < 4)
        });
        loops.wait().unwrap();
        assert_eq!(calls.get(), 4);
    });
}

// Case: 43
// Contract: F6
#[test]
fn a_million_calls_are_a_flat_loop() {
    within(|| {
        const COUNT: u64 = 1_000_000;
        let sum = reduce(0..COUNT, 0, |sum, n| Ok(sum + n)).wait().unwrap();
        assert_eq!(sum, COUNT * (COUNT - 1) / 2);
        let pool = one_thread();
        let own = pool.clone();
        let mut left = 20_000;
        let tasks = pool.repeat_while(move || {
            left -= 1;
            own.spawn(move || left > 0)
        });
        tasks.wait().unwrap();
    });
}

// Case: 103
// Contract: F6, S2
#[test]
fn the_first_failure_or_panic_ends_it() {
    within(|| {
        let pulled = Count::default();
        let count = pulled.clone();
        let numbers = (0..9).inspect(move |_| count.add());
        let failed = reduce(numbers, 0, |sum, n| match n {
            3 => Err("three".into()),
            _ => Ok(sum + n),
        });
        let error = failed.wait().unwrap_err();
        assert!(error.to_string().starts_with("three"), "{error}");
        assert_eq!(pulled.get(), 4);

        let later = reduce(0..9, 0, |_, n: i32| match n {
            3 => Task::failed("later"),
            _ => spawn(move || n),
        });
        assert!(later.wait().unwrap_err().to_string().starts_with("later"));
        let call = |_, _| -> Task<i32> { expected("in a call") };
        let panics = reduce(0..9, 0, call);
        assert_eq!(panics.wait().unwrap_err().kind(), ErrorKind::Panicked);
        let broken = (0..9).inspect(|_| expected("in the iterator"));
        let panics = reduce(broken, 0, |sum, n: i32| Ok(sum + n));
        let error = panics.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert!(format!("{error:#}").contains("serial.rs"), "{error:#}");
        assert!(repeat_while(|| Err("no".into())).wait().is_err());
    });
}

// Contract: F6, C3, D6
#[test]
fn a_cancel_ends_it_between_two_calls_and_while_it_waits() {
    within(|| {
        let drops = Drops::new();
        let token = drops.token();
        let (begun, gate) = (Gate::new(), Gate::new());
        let (tell, pass) = (begun.clone(), gate.clone());
        let calls = Count::default();
        let count = calls.clone();
        let endless = pool_of(2).repeat_while(move || {
            token.hold();
            count.add();
            tell.open();
            pass.pass();
            // Longer than a loop runs before other jobs get their turn.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(5) {}
            Ok(true)
        });
        begun.pass();
        endless.cancel();
        let stopped = endless.stopped();
        assert!(!stopped.is_settled());
        gate.open();
        stopped.wait().unwrap();
        assert_eq!((calls.get(), drops.count()), (1, 1));
        assert!(endless.wait().unwrap_err().is_cancelled());

        let (resolver, task) = deferred();
        let pool = one_thread();
        let mut task = Some(task);
        let token = drops.token();
        let waits = pool.reduce(0..9, 0, move |_, _| {
            token.hold();
            task.take().unwrap()
        });
        pool.wait_idle(Duration::MAX);
        waits.cancel();
        assert!(!resolver.is_wanted());
        assert_eq!(drops.count(), 2);
    });
}

// Contract: F6, D5
#[test]
fn other_jobs_run_in_between_and_calls_stay_on_the_pool() {
    within(|| {
        let pool = Pool::builder()
            .name("serial")
            .core_threads(1)
            .max_threads(1);
        let pool = pool.build().unwrap();
        let (other_ran, begun) = (Gate::new(), Gate::new());
        let (seen, tell) = (other_ran.clone(), begun.clone());
        let endless = pool.repeat_while(move || {
            tell.open();
            Ok(!seen.is_open())
        });
        begun.pass();
        pool.spawn(move || other_ran.open()).wait().unwrap();
        endless.wait().unwrap();

        let elsewhere = Arc::new(AtomicUsize::new(0));
        let count = elsewhere.clone();
        let loops = pool.reduce(0..20, 0, move |_, n| {
            let own = thread::current()
                .name()
                .is_some_and(|name| name.starts_with("serial"));
            count.fetch_add(usize::from(!own), Ordering::Relaxed);
            let (resolver, task) = deferred();
            thread::spawn(move || resolver.resolve(n).unwrap());
            task
        });
        assert_eq!(loops.wait().unwrap(), 19);
        assert_eq!(elsewhere.load(Ordering::Relaxed), 0);
    });
}

// Contract: F6
#[test]
fn a_loop_with_pauses_goes_by_the_clock_of_its_pool() {
    within(|| {
        let clock = Clock::manual();
        let pool = Pool::builder()
            .clock(&clock)
            .max_threads(2)
            .build()
            .unwrap();
        let own = pool.clone();
        let calls = Count::default();
        let count = calls.clone();
        let hour = Duration::from_secs(3600);
        let loops = pool.repeat_while(move || {
            count.add();
            let goes_on = count.get() < 3;
            own.delay(hour).then(move |()| goes_on)
        });
        pool.wait_idle(Duration::MAX);
        clock.advance(hour * 2);
        assert_eq!((calls.get(), loops.is_settled()), (3, false));
        clock.advance(hour);
        loops.wait().unwrap();
    });
}
