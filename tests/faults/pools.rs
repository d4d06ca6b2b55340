//! Hooks and threads of pools.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use fast_async::{ErrorKind, Inline, Pool, Resolver, Shutdown, Task, all, deferred};

use crate::ground::stand;
use crate::support::{Gate, PATIENCE, assert_still_dispatches, expected};

#[test]
fn hooks_of_a_pool_that_panic() {
    stand("hooks", |ground| {
        for round in 0..3 {
            let (start, stop) = (Arc::new(ground.grenade()), Arc::new(ground.grenade()));
            let pool = Pool::builder()
                .core_threads(2)
                .max_threads(2)
                .on_thread_start(move |_| {
                    let _ = &start;
                    expected("at the start");
                })
                .on_thread_stop(move |_| {
                    let _ = &stop;
                    expected("at the end");
                })
                .build()
                .unwrap();
            let tasks: Vec<_> = (0..20).map(|n| pool.spawn(move || n)).collect();
            let sum: i32 = all(tasks).wait().unwrap().iter().sum();
            assert_eq!(sum, 190);
            match round {
                0 => {
                    let report = pool.shutdown(Shutdown::Drain, PATIENCE);
                    assert!(report.is_complete(), "{report:?}");
                }
                1 => assert!(pool.wait_idle(PATIENCE)),
                _ => {}
            }
            // The hooks go with the last of the pool, which may be this handle: then their panic is
            // the user's.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(pool)));
        }
    });
}

// A pool at its maximum whose threads stay blocked: its monitor asks for more threads repeatedly
// and gets none.
#[test]
fn a_pool_that_was_blocked_for_long_still_grows() {
    stand("blocked", |_| {
        let pool = Pool::builder().name("stuck").core_threads(1);
        let pool = pool.max_threads(1).build().unwrap();
        let gate = Gate::new();
        let end = gate.clone();
        let blocked = pool.spawn(move || {
            end.pass();
        });
        let waiting = pool.spawn(|| ());
        // For the watcher to look many times; there is nothing that would tell how often it has.
        thread::sleep(Duration::from_millis(250));
        pool.set_max_threads(3).unwrap();
        let meet = Arc::new(Barrier::new(2));
        let tasks = [meet.clone(), meet].map(|meet| {
            pool.spawn(move || {
                meet.wait();
            })
        });
        for task in tasks {
            let outcome = task.wait_timeout(PATIENCE);
            assert!(outcome.is_ok(), "no thread was added");
        }
        gate.open();
        blocked.wait().unwrap();
        waiting.wait().unwrap();
    });
}

#[test]
fn a_worker_that_waits_for_panics() {
    stand("waits", |ground| {
        let pool = ground.pool.clone();
        let name = ground.name;
        let outer = ground.pool.spawn(move || {
            let mut kinds = Vec::new();
            for depth in 0..50_u32 {
                let task = pool.spawn(move || -> u32 { expected(name) });
                let task = task.then(move |n| n + depth);
                kinds.push(task.wait().unwrap_err().kind());
            }
            kinds
        });
        let kinds = outer.wait().unwrap();
        assert!(kinds.iter().all(|kind| *kind == ErrorKind::Panicked));
    });
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Settles, waits and spawns when its thread's locals go.
struct Last {
    resolver: Option<Resolver<u32>>,
    pool: Pool,
    tell: std::sync::mpsc::Sender<u32>,
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(resolver) = self.resolver.take() {
            resolver.resolve(1).unwrap();
        }
        let late = Task::ready(2).on(&Inline).then(|n| n + 1);
        let waited = self.pool.spawn(|| 4).then(|n| n + 1);
        let sum = late.wait().unwrap() + waited.wait().unwrap();
        self.tell.send(sum).unwrap();
    }
}

#[test]
fn a_thread_whose_locals_are_going() {
    stand("locals", |ground| {
        let last = |resolver, tell| Last {
            resolver: Some(resolver),
            pool: ground.pool.clone(),
            tell,
        };
        let (tell, told) = std::sync::mpsc::channel();
        let (resolver, task) = deferred();
        let first = last(resolver, tell.clone());
        // One thread whose locals are destroyed after the crate's, and one where they are destroyed
        // before.
        let task = task.then(|n| n + 1).then(|n| n * 10);
        thread::spawn(move || {
            LAST.set(Some(first));
            assert_still_dispatches();
            Task::ready(1).then(|n| n + 1).wait().unwrap();
        })
        .join()
        .unwrap();
        assert_eq!(task.wait().unwrap(), 20);
        let (resolver, task) = deferred();
        let second = last(resolver, tell);
        thread::spawn(move || {
            assert_still_dispatches();
            Task::ready(1).then(|n| n + 1).wait().unwrap();
            LAST.set(Some(second));
        })
        .join()
        .unwrap();
        assert_eq!(task.then(|n| n + 1).wait().unwrap(), 2);
        assert_eq!([told.recv(), told.recv()], [Ok(8), Ok(8)]);
    });
}
