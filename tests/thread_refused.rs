//! A system that will not create threads: no panic, no job lost, nothing hangs.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::time::Duration;

use fast_async::time::Debounce;
use fast_async::topic::Topic;
use fast_async::{ErrorKind, Pool, Shutdown, Status, Task, all, deferred, delay};
use support::{Count, Gate, until, watched};

/// No system has room for such a stack.
const IMPOSSIBLE: usize = 1 << 46;

fn threadless() -> Pool {
    Pool::builder()
        .name("refused")
        .stack_size(IMPOSSIBLE)
        .build()
        .unwrap()
}

// Contract: P2
#[test]
fn without_any_thread_a_task_is_rejected() {
    watched(|| {
        let pool = threadless();
        let error = pool.spawn(|| 1).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("thread"), "{error}");
        assert_eq!(pool.metrics().threads, 0);
    });
}

// Contract: P2
#[test]
fn many_tasks_are_rejected_one_after_another_and_at_once() {
    watched(|| {
        let pool = threadless();
        for _ in 0..50 {
            let error = pool.spawn(|| 1).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
        }
        let tasks: Vec<Task<u32>> = (0..500).map(|n| pool.spawn(move || n)).collect();
        for task in tasks {
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
        }
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                std::thread::spawn(move || {
                    for _ in 0..50 {
                        assert!(pool.spawn(|| ()).wait().is_err());
                    }
                })
            })
            .collect();
        for spawner in spawners {
            spawner.join().unwrap();
        }
        assert_eq!(pool.metrics().queued, 0);
    });
}

// Contract: P2, C2
#[test]
fn a_chain_continues_with_the_rejection() {
    watched(|| {
        let pool = threadless();
        let finally = Count::default();
        let in_finally = finally.clone();
        let task = pool
            .spawn(|| 1)
            .then(|n| n + 1)
            .finally(move || in_finally.add())
            .catch(|error| {
                assert_eq!(error.kind(), ErrorKind::Rejected);
                7
            });
        assert_eq!(task.wait().unwrap(), 7);
        assert_eq!(finally.get(), 1);

        let shared = pool.spawn(|| 1).share();
        assert_eq!(shared.wait().unwrap_err().kind(), ErrorKind::Rejected);
        let both = all((pool.spawn(|| 1), Task::ready(2)));
        assert_eq!(both.wait().unwrap_err().kind(), ErrorKind::Rejected);

        // A chain that is sent there later, before and after it is settled.
        let late = Task::ready(1).on(&pool).then(|n| n + 1);
        assert_eq!(late.wait().unwrap_err().kind(), ErrorKind::Rejected);
        let (resolver, task) = deferred::<u32>();
        let task = task.on(&pool).then(|n| n + 1);
        resolver.resolve(1).unwrap();
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
    });
}

// Contract: S1, P2
#[test]
fn a_late_observer_takes_no_value_away() {
    watched(|| {
        let pool = threadless();
        let task = pool.spawn(|| 1).catch(|_| 7);
        until(|| task.is_settled());
        assert_eq!(task.status(), Status::Success);
        let observed = Count::default();
        let seen = observed.clone();
        // There is no thread to run it, yet the task was settled before it came.
        task.on_settled(move |_| seen.add());
        assert_eq!(task.wait().unwrap(), 7);
        assert_eq!(observed.get(), 1);
    });
}

// Contract: P2, P4
#[test]
fn a_pool_without_threads_becomes_idle_and_ends() {
    watched(|| {
        for mode in [Shutdown::Drain, Shutdown::Discard] {
            let pool = threadless();
            let tasks: Vec<Task<u32>> = (0..20).map(|n| pool.spawn(move || n)).collect();
            assert!(pool.wait_idle(Duration::MAX));
            let report = pool.shutdown(mode, Duration::MAX);
            assert!(report.is_complete(), "{report:?}");
            for task in tasks {
                assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
            }
        }
        let pool = threadless();
        let task = pool.spawn(|| 1);
        drop(pool);
        assert!(task.wait().is_err());
    });
}

// Contract: P2, P3
#[test]
fn rejected_jobs_release_their_slots_in_the_queue() {
    watched(|| {
        let pool = Pool::builder()
            .stack_size(IMPOSSIBLE)
            .queue_limit(2)
            .build()
            .unwrap();
        // Each waits for room.
        for _ in 0..50 {
            assert!(pool.spawn(|| ()).wait().is_err());
        }
        assert!(pool.try_spawn(|| ()).is_ok_and(|task| task.wait().is_err()));
    });
}

#[cfg(target_os = "linux")]
mod by_limit {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::process::Command;
    use std::sync::atomic::{AtomicU32, Ordering};

    use fast_async::spawn;

    use super::*;
    use crate::support::{as_child, is_child, passed, thread_names};

    /// Runs a test of this binary as a user who may have only `threads` threads. False when the
    /// system offers no way to.
    fn run_limited(test: &str, threads: usize) -> bool {
        // The binary may lie where another user cannot read it.
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let program = dir.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();

        // A privileged user has no limit, and the limit counts all threads of a user: it takes one
        // with no others.
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            skipped("only a privileged user can become one without processes");
            return false;
        }
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let user = 1_000_000 + std::process::id() * 16 + RUNS.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new("timeout");
        command
            .args(["--signal=KILL", "60", "setpriv", "--clear-groups"])
            .args([format!("--reuid={user}"), format!("--regid={user}")])
            .args(["prlimit", &format!("--nproc={threads}")])
            .arg(&program)
            .current_dir(dir.path());
        let tools = ["timeout", "setpriv", "prlimit"].map(|tool| {
            let asked = Command::new(tool).arg("--version").output();
            asked.is_ok_and(|output| output.status.success())
        });
        if tools.contains(&false) {
            skipped("`timeout`, `setpriv` or `prlimit` is missing");
            return false;
        }
        passed(as_child(command, test).output().unwrap());
        true
    }

    /// Prints past the test harness, which captures the output of successful tests.
    fn skipped(why: &str) {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "skipped, and so not shown: {why}");
    }

    /// Whether one more thread can be had right now.
    fn can_have_a_thread() -> bool {
        let asked = std::thread::Builder::new().spawn(|| ());
        asked.map(|thread| thread.join().unwrap()).is_ok()
    }

    // Contract: P2
    #[test]
    fn no_thread_at_all() {
        const NAME: &str = "by_limit::no_thread_at_all";
        if !is_child(NAME) {
            run_limited(NAME, 1);
            return;
        }
        assert!(!can_have_a_thread(), "the limit has no effect");
        let pool = Pool::builder().max_threads(4).build().unwrap();
        for _ in 0..50 {
            for task in [pool.spawn(|| 1), spawn(|| 1)] {
                assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
            }
        }
        let tasks: Vec<Task<u32>> = (0..100).map(|n| pool.spawn(move || n)).collect();
        for task in tasks {
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
        }
        assert!(pool.wait_idle(Duration::MAX));
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
        // Continuations that need no thread run even so.
        let (resolver, task) = deferred::<u32>();
        let task = task.then(|n| n + 1);
        resolver.resolve(1).unwrap();
        assert_eq!(task.wait().unwrap(), 2);
    }

    // Contract: P2
    #[test]
    fn a_few_threads() {
        const NAME: &str = "by_limit::a_few_threads";
        if !is_child(NAME) {
            // Two are the test's own.
            for threads in [3, 4, 6] {
                if !run_limited(NAME, threads) {
                    return;
                }
            }
            return;
        }
        assert!(can_have_a_thread());
        let pool = Pool::builder()
            .core_threads(16)
            .max_threads(64)
            .build()
            .unwrap();
        // What is queued runs on the threads there are.
        for _ in 0..20 {
            let tasks: Vec<Task<u32>> = (0..200)
                .map(|n| {
                    let own = pool.clone();
                    pool.spawn(move || own.spawn(move || n).wait().unwrap())
                })
                .collect();
            assert_eq!(all(tasks).wait().unwrap().iter().sum::<u32>(), 19_900);
        }
        // A task is counted when its thread is done with it, a moment after it has settled.
        assert!(pool.wait_idle(Duration::MAX));
        let metrics = pool.metrics();
        assert!(
            (1..=4).contains(&metrics.peak_threads),
            "no more than four can have lived at once: {metrics:?}"
        );
        assert_eq!(metrics.completed + metrics.failed, 8_000);
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
    }

    // Contract: P2, T2
    #[test]
    fn a_timer_without_a_thread_fails_and_the_next_may_not() {
        const NAME: &str = "by_limit::a_timer_without_a_thread_fails_and_the_next_may_not";
        if !is_child(NAME) {
            // Two are the test's own; the others are a worker and the timers' thread.
            run_limited(NAME, 4);
            return;
        }
        let moment = Duration::from_millis(1);
        let gates = [Gate::default(), Gate::default()];
        let hogs = gates
            .clone()
            .map(|gate| std::thread::spawn(move || gate.pass()));
        assert!(!can_have_a_thread(), "the limit has no effect");
        let error = delay(moment).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("timers"), "{error}");
        let (resolver, reply) = deferred::<u8>();
        let error = reply.timeout(moment).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(
            resolver.resolve(7).is_err(),
            "a wait without a limit does not end"
        );
        let merged = Debounce::new(moment, |n: u8| Ok(n)).call(7);
        assert_eq!(merged.wait().unwrap_err().kind(), ErrorKind::Rejected);
        // A value of a topic comes early rather than never.
        let topic = Topic::new();
        let next = topic.debounce(moment).next();
        topic.publish(7).unwrap();
        assert_eq!(*next.wait().unwrap(), 7);
        // What needs no timer is not refused.
        assert!(delay(Duration::ZERO).wait().is_ok());
        assert_eq!(Task::ready(7).timeout(moment).wait().unwrap(), 7);

        gates.iter().for_each(Gate::open);
        for hog in hogs {
            hog.join().unwrap();
        }
        delay(moment).wait().unwrap();
    }

    // Contract: P2, W1
    #[test]
    fn a_refusal_that_passes() {
        const NAME: &str = "by_limit::a_refusal_that_passes";
        if !is_child(NAME) {
            // Two are the test's own.
            run_limited(NAME, 4);
            return;
        }
        for is_late in [false, true] {
            // The system tells of a thread's end before it has counted it out.
            until(|| thread_names().len() == 2);
            let gate = Gate::default();
            let held = gate.clone();
            let hog = std::thread::spawn(move || held.pass());
            let pool = Pool::builder().max_threads(1).build().unwrap();
            let (resolver, source) = deferred::<u32>();
            let (running, go) = (Count::default(), Gate::default());
            let (begun, ready) = (running.clone(), go.clone());
            let waits = pool.spawn(move || {
                begun.add();
                ready.pass();
                source.wait().unwrap()
            });
            running.reach(1);
            assert!(!can_have_a_thread(), "the limit has no effect");
            // The only thread blocks, before or after the job comes that it waits for.
            if is_late {
                go.open();
                until(|| pool.metrics().blocked == 1);
            }
            pool.spawn(move || resolver.resolve(7).unwrap()).detach();
            go.open();
            until(|| pool.metrics().blocked == 1);
            assert_eq!(pool.metrics().queued, 1);
            gate.open();
            hog.join().unwrap();
            assert_eq!(waits.wait().unwrap(), 7);
            let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
            assert!(report.is_complete(), "{report:?}");
        }
    }

    // Contract: P2, W1
    #[test]
    fn a_refusal_that_lasts() {
        const NAME: &str = "by_limit::a_refusal_that_lasts";
        if !is_child(NAME) {
            // Two are the test's own.
            run_limited(NAME, 6);
            return;
        }
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let (resolver, gate) = deferred::<u32>();
        let gate = gate.share();
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let gate = gate.clone();
                pool.spawn(move || gate.wait().copied())
            })
            .collect();
        let own = pool.clone();
        // This one waits for all queued jobs, and for the waiting ones.
        let idles = pool.spawn(move || own.wait_idle(Duration::MAX));
        pool.spawn(move || resolver.resolve(7).unwrap()).detach();
        let mut failed = 0;
        for task in waiting {
            match task.wait().unwrap() {
                Ok(value) => assert_eq!(value, 7),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
                    assert!(error.to_string().contains("and_then"), "{error}");
                    failed += 1;
                }
            }
        }
        // Four threads wait at most, and all of them wait before the gate is settled: workers take
        // jobs by the batch, so the wait for an idle pool may be among these.
        let was_idle = idles.wait().unwrap();
        assert!(failed > 0 || !was_idle);
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
    }

    // Contract: P2, W1
    #[test]
    fn the_watcher_has_the_last_thread() {
        const NAME: &str = "by_limit::the_watcher_has_the_last_thread";
        if !is_child(NAME) {
            // Two are the test's own.
            run_limited(NAME, 4);
            return;
        }
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let (resolver, source) = deferred::<u32>();
        let (running, go) = (Count::default(), Gate::default());
        let (begun, ready) = (running.clone(), go.clone());
        let waits = pool.spawn(move || {
            begun.add();
            ready.pass();
            source.wait().unwrap()
        });
        running.reach(1);
        // There is a backlog now, and who watches it takes the last thread.
        pool.spawn(move || resolver.resolve(7).unwrap()).detach();
        until(|| !can_have_a_thread());
        go.open();
        assert_eq!(waits.wait().unwrap(), 7);
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
    }
}
