//! What a builder sets, and the hooks of its threads.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::{Count, Gate, isolated, pool_of, threads_named, within};
use fast_async::{Pool, Shutdown, deferred, spawn};

#[test]
fn a_pool_handle_may_cross_catch_unwind() {
    fn is_unwind_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
    is_unwind_safe(&Pool::new());
    let builder = fast_async::pool::PoolBuilder::default();
    assert_eq!(builder.build().unwrap().max_threads(), 64);
    assert_eq!(HashSet::from([Shutdown::Drain, Shutdown::Drain]).len(), 1);
}

// Contract: P1
#[test]
fn threads_carry_the_pools_name_and_a_number() {
    within(|| {
        let pool = Pool::builder().name("ren\0der").build().unwrap();
        assert_eq!(pool.name(), "render");
        let name = pool.spawn(|| thread::current().name().map(str::to_owned));
        assert_eq!(name.wait().unwrap().as_deref(), Some("render-1"));
        let debug = format!("{pool:?} {:?}", Pool::builder().queue_limit(9));
        assert!(debug.contains("render") && debug.contains('9'), "{debug}");
    });
}

// Contract: P1
#[test]
fn the_stack_is_as_large_as_asked_for() {
    fn deep(levels: usize) -> usize {
        let frame = std::hint::black_box([1_u8; 1 << 20]);
        match levels {
            0 => 0,
            _ => deep(levels - 1) + usize::from(std::hint::black_box(&frame)[levels]),
        }
    }
    within(|| {
        // Ten times what a thread has otherwise.
        let pool = Pool::builder().stack_size(64 << 20).build().unwrap();
        assert_eq!(pool.spawn(|| deep(20)).wait().unwrap(), 20);
    });
}

// Contract: P7
#[test]
fn a_blocked_pool_does_not_affect_other_pools() {
    within(|| {
        let gate = Gate::default();
        let jammed = pool_of(1);
        let held = gate.clone();
        jammed.spawn(move || held.pass()).detach();
        let behind = jammed.spawn(|| 1);
        let free = pool_of(1);
        assert_eq!(free.spawn(|| 2).wait().unwrap(), 2);
        assert_eq!(spawn(|| 3).wait().unwrap(), 3);
        assert!(!behind.is_settled());
        gate.open();
        assert_eq!(behind.wait().unwrap(), 1);
    });
}

// Contract: P1
#[test]
fn hooks_run_on_every_thread_before_its_first_and_after_its_last_job() {
    within(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let note = |what: &'static str| {
            let log = log.clone();
            move |number: usize| {
                let name = thread::current().name().unwrap().to_owned();
                assert_eq!(name, format!("hooked-{number}"));
                log.lock().unwrap().push((what, number));
            }
        };
        let pool = Pool::builder()
            .name("hooked")
            .max_threads(4)
            .on_thread_start(note("start"))
            .on_thread_stop(note("stop"))
            .build()
            .unwrap();
        let (running, gate) = (Count::default(), Gate::default());
        for _ in 0..4 {
            let (running, gate, log) = (running.clone(), gate.clone(), log.clone());
            pool.spawn(move || {
                let name = thread::current().name().unwrap().to_owned();
                let number = name.rsplit('-').next().unwrap().parse().unwrap();
                log.lock().unwrap().push(("job", number));
                running.add();
                gate.pass();
            })
            .detach();
        }
        running.reach(4);
        gate.open();
        assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
        let log = log.lock().unwrap();
        let numbers: HashSet<usize> = log.iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers.len(), 4, "{log:?}");
        for number in numbers {
            let of_it = log.iter().filter(|(_, other)| *other == number);
            let what: Vec<&str> = of_it.map(|(what, _)| *what).collect();
            assert_eq!(what, ["start", "job", "stop"]);
        }
    });
}

// Contract: S2
#[test]
fn hooks_that_panic_stop_no_thread() {
    isolated("hooks_that_panic_stop_no_thread", || {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let told = reports.clone();
        fast_async::set_unhandled_hook(move |error| {
            told.lock().unwrap().push((
                error.panic_message().unwrap_or_default().to_owned(),
                error.task_name().unwrap_or_default().to_owned(),
            ));
        });
        let pool = Pool::builder()
            .name("brittle")
            .max_threads(1)
            .on_thread_start(|_| panic!("at start"))
            .on_thread_stop(|_| panic!("at stop"))
            .build()
            .unwrap();
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7);
        assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
        let expected = [("at start", "brittle-1"), ("at stop", "brittle-1")]
            .map(|(message, name)| (message.to_owned(), name.to_owned()));
        assert_eq!(*reports.lock().unwrap(), expected);
    });
}

// Contract: S2
#[test]
fn a_thread_survives_jobs_that_panic() {
    within(|| {
        let pool = pool_of(1);
        let first = pool.spawn(|| thread::current().id()).wait().unwrap();
        for _ in 0..20 {
            let error = pool.spawn(|| panic!("boom")).wait().unwrap_err();
            assert_eq!(error.panic_message(), Some("boom"));
        }
        assert_eq!(pool.spawn(|| thread::current().id()).wait().unwrap(), first);
    });
}

// Contract: P7
#[test]
fn the_global_pool_starts_with_its_first_use_and_stays_as_it_is() {
    isolated(
        "the_global_pool_starts_with_its_first_use_and_stays_as_it_is",
        || {
            pool_of(3).spawn(|| ()).wait().unwrap();
            let (resolver, task) = deferred::<u32>();
            let task = task.then(|n| n + 1);
            resolver.resolve(1).unwrap();
            task.wait().unwrap();
            assert_eq!(threads_named("fast-async"), 0, "it has not been used yet");
            spawn(|| ()).wait().unwrap();
            let global = Pool::global();
            assert_eq!((global.name(), global.max_threads()), ("fast-async", 64));
            fast_async::set_max_threads(3).unwrap();
            let other = pool_of(9);
            other.set_max_threads(8).unwrap();
            assert_eq!(global.max_threads(), 3);
            // It cannot be closed: a shutdown only brings it to rest.
            let ran = Count::default();
            let counted = ran.clone();
            spawn(move || counted.add()).detach();
            assert!(
                global
                    .shutdown(Shutdown::Drain, Duration::MAX)
                    .is_complete()
            );
            assert_eq!(ran.get(), 1);
            assert_eq!(spawn(|| 7).wait().unwrap(), 7);
        },
    );
}
