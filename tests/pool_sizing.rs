//! How the pool sizes itself where the system does not tell what a thread does.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::thread;
use std::time::{Duration, Instant};

use fast_async::{Pool, Task, all, deferred};
use support::{Gate, Jam, child_command, is_child, passed, watched};

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn unseen(max_threads: usize) -> Pool {
    let builder = Pool::builder().max_threads(max_threads);
    builder.without_thread_states().build().unwrap()
}

/// Prints, past the test harness, that a test was not run.
fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped, and so not shown: {why}");
}

/// Jobs that block until all of them have begun. Each has a thread then, and no more threads were
/// made.
fn all_run_at_once(pool: &Pool, jobs: usize) {
    let jam = Jam::of(pool, jobs);
    jam.reach(jobs);
    assert_eq!(pool.metrics().peak_threads, jobs);
    jam.end();
}

fn few_threads_for_no_ops(pool: &Pool) {
    for _ in 0..200_000 {
        pool.spawn(|| ()).detach();
    }
    assert!(pool.wait_idle(Duration::MAX));
    let peak = pool.metrics().peak_threads;
    assert!(peak <= cores() + 2, "{peak}");
}

fn few_threads_for_computations(pool: &Pool) {
    let compute = || {
        let end = Instant::now() + Duration::from_millis(500);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    };
    let tasks: Vec<Task<()>> = (0..4 * cores()).map(|_| pool.spawn(compute)).collect();
    let behind: Vec<Task<()>> = (0..64).map(|_| pool.spawn(|| ())).collect();
    all(tasks).wait().unwrap();
    all(behind).wait().unwrap();
    // At most two above the cores, and one step more: where other processes come and go, the system
    // may leave a processor idle for as long as two probes take.
    let peak = pool.metrics().peak_threads;
    assert!(peak <= cores() + 4, "{peak}");
}

// Contract: P1
#[test]
fn jobs_that_block_all_run_at_once() {
    watched(|| all_run_at_once(&unseen(64), 64));
}

// Contract: P1. The bench `pool` has a million of them, ten times.
#[test]
fn a_flood_of_short_jobs_needs_few_threads() {
    watched(|| {
        for _ in 0..3 {
            few_threads_for_no_ops(&unseen(64));
        }
    });
}

// Contract: P1
#[test]
fn jobs_that_compute_need_few_threads() {
    watched(|| few_threads_for_computations(&unseen(64)));
}

#[cfg(target_os = "linux")]
mod on_linux {
    use super::*;
    use std::process::Command;

    /// Runs a test of this binary where `/proc` is empty. False when the system does not let it.
    fn run_without_proc(test: &str) -> bool {
        let hide = "mount -t tmpfs none /proc && exec \"$@\"";
        let unshare = ["--mount", "--propagation", "private", "sh", "-c"];
        let is_allowed = Command::new("unshare")
            .args(unshare)
            .args([hide, "sh", "true"])
            .output()
            .is_ok_and(|output| output.status.success());
        if !is_allowed {
            return false;
        }
        let test = child_command(test);
        let mut command = Command::new("unshare");
        command.args(unshare).args([hide, "sh"]);
        command.arg(test.get_program()).args(test.get_args());
        for (name, value) in test.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        passed(command.output().unwrap());
        true
    }

    /// Runs the test `name`, whose body is `body`, where `/proc` is empty.
    fn without_proc(name: &str, body: fn()) {
        if is_child(name) {
            assert!(std::fs::read_link("/proc/thread-self").is_err());
            watched(body);
        } else if !run_without_proc(name) {
            skipped("no mount namespace can be had");
        }
    }

    // Contract: P1
    #[test]
    fn without_proc_jobs_that_block_all_run_at_once() {
        without_proc(
            "on_linux::without_proc_jobs_that_block_all_run_at_once",
            // Of the default size.
            || all_run_at_once(&Pool::new(), 64),
        );
    }

    // Contract: P1
    #[test]
    fn without_proc_a_flood_needs_few_threads() {
        without_proc("on_linux::without_proc_a_flood_needs_few_threads", || {
            few_threads_for_no_ops(&Pool::new());
        });
    }

    // Contract: P1
    #[test]
    fn without_proc_jobs_that_compute_need_few_threads() {
        without_proc(
            "on_linux::without_proc_jobs_that_compute_need_few_threads",
            || few_threads_for_computations(&Pool::new()),
        );
    }

    // Contract: P1
    #[test]
    fn without_a_free_descriptor_a_job_that_frees_others_begins() {
        const NAME: &str = "on_linux::without_a_free_descriptor_a_job_that_frees_others_begins";
        if !is_child(NAME) {
            let test = child_command(NAME);
            let mut command = Command::new("sh");
            command.args(["-c", "ulimit -n 32 && exec \"$@\"", "sh"]);
            command.arg(test.get_program()).args(test.get_args());
            for (name, value) in test.get_envs() {
                command.env(name, value.unwrap_or_default());
            }
            passed(command.output().unwrap());
            return;
        }
        watched(|| {
            let mut open = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                open.push(file);
            }
            assert!(std::fs::read("/proc/self/stat").is_err());
            for max_threads in [5, 16] {
                let pool = Pool::builder().core_threads(2).max_threads(max_threads);
                let pool = pool.build().unwrap();
                let gate = Gate::default();
                let hold = |_| {
                    let gate = gate.clone();
                    pool.spawn(move || gate.pass())
                };
                let held: Vec<Task<()>> = (0..4).map(hold).collect();
                let (resolver, freed) = deferred::<()>();
                let opener = gate.clone();
                pool.spawn(move || {
                    opener.open();
                    resolver.resolve(()).unwrap();
                })
                .detach();
                freed.wait().unwrap();
                all(held).wait().unwrap();
            }
            drop(open);
        });
    }
}
