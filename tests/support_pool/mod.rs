//! Gates, counts and a watchdog for the tests of waiting, pools and cancelling.

#![allow(dead_code, reason = "each test binary uses the part it needs")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Output};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// A test that takes longer hangs. Generous, for the machine may be busy; `FAST_ASYNC_TEST_LIMIT`
/// is another number of seconds.
pub(crate) fn limit() -> Duration {
    let seconds = std::env::var("FAST_ASYNC_TEST_LIMIT").map(|seconds| seconds.parse());
    Duration::from_secs(seconds.map_or(120, |seconds| seconds.expect("a number of seconds")))
}

/// Runs `body` on a thread of its own, and fails instead of hanging.
#[track_caller]
pub(crate) fn within<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    within_time(limit(), body)
}

/// The same, with another limit.
#[track_caller]
pub(crate) fn within_time<R: Send + 'static>(
    limit: Duration,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (tell, told) = mpsc::channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    thread::Builder::new()
        .name(name)
        .spawn(move || tell.send(catch_unwind(AssertUnwindSafe(body))))
        .unwrap();
    match told.recv_timeout(limit) {
        Ok(Ok(result)) => result,
        Ok(Err(payload)) => resume_unwind(payload),
        Err(_) => panic!("still not done after {limit:?}: it hangs"),
    }
}

/// Looks again and again until `condition` holds; for what no latch can tell. The watchdog bounds
/// it.
pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::park_timeout(Duration::from_micros(200));
    }
}

/// Shut until it is opened, for ever open then.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn pass(&self) {
        let shut = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(shut, |open| !*open).unwrap());
    }
}

/// A number that only rises, to wait for.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<(Mutex<usize>, Condvar)>);

impl Count {
    pub(crate) fn add(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    pub(crate) fn get(&self) -> usize {
        *self.0.0.lock().unwrap()
    }

    pub(crate) fn reach(&self, wanted: usize) {
        let count = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(count, |count| *count < wanted).unwrap());
    }
}

/// Adds to its count when it is dropped.
pub(crate) struct Dropped(pub(crate) Count);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add();
    }
}

const ROLE: &str = "FAST_ASYNC_TEST_CHILD";

/// True in the process that [`child`] has started for this test.
pub(crate) fn is_child(test: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|role| role == test)
}

/// The command that runs one test of this binary in a process of its own, where [`is_child`] is
/// true.
pub(crate) fn child_command(test: &str) -> Command {
    as_child(Command::new(std::env::current_exe().unwrap()), test)
}

/// Adds what the test binary needs to run one test as a child.
pub(crate) fn as_child(mut command: Command, test: &str) -> Command {
    // With one test thread the harness runs the test on its main thread.
    command
        .args([
            "--exact",
            test,
            "--nocapture",
            "--test-threads=1",
            "--include-ignored",
        ])
        .env(ROLE, test);
    command
}

/// Runs one test of this binary in a process of its own and demands that it passes there.
#[track_caller]
pub(crate) fn child(test: &str) -> Output {
    passed(child_command(test).output().unwrap())
}

/// Demands that a child has run one test, and has passed it.
#[track_caller]
pub(crate) fn passed(output: Output) -> Output {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{}\n--- stdout ---\n{stdout}\n--- stderr ---\n{stderr}",
        output.status
    );
    output
}

/// The names of this process's threads, as far as the system tells: cut to 15 bytes.
pub(crate) fn thread_names() -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect()
}

/// How many threads have names that start so.
pub(crate) fn threads_named(prefix: &str) -> usize {
    thread_names()
        .iter()
        .filter(|name| name.starts_with(prefix))
        .count()
}
