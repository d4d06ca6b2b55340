//! Tests in a process of their own: a stack overflow or an abort fails the test, not the whole
//! binary, and what belongs to the process is the test's own.

use std::env;
use std::panic::Location;
use std::process::{Command, Output};

use super::within;

const CHILD: &str = "FAST_ASYNC_TEST_CHILD";

/// The name that the test harness knows the test `name` of the calling file by: the file of a
/// module comes first.
#[track_caller]
fn full_name(name: &str) -> String {
    let file = Location::caller().file().replace('\\', "/");
    let path = file.rsplit_once("tests/").map_or(&*file, |(_, path)| path);
    // The first part is the binary.
    let inner = path.split_once('/').map_or("", |(_, inner)| inner);
    let module = inner.trim_end_matches(".rs").trim_end_matches("mod");
    let module = module.trim_end_matches('/');
    match module {
        "" | "main" => name.to_owned(),
        module => format!("{}::{name}", module.replace('/', "::")),
    }
}

/// True in the process that [`child`] has started for the test `name` of the calling file.
#[track_caller]
pub(crate) fn is_child(name: &str) -> bool {
    let name = full_name(name);
    env::var(CHILD).is_ok_and(|child| child == name)
}

/// The command that runs one test of the calling file in a new process, where [`is_child`] is true.
#[track_caller]
pub(crate) fn child_command(name: &str) -> Command {
    as_child(Command::new(env::current_exe().unwrap()), name)
}

/// Adds what the test binary needs to run one test of the calling file as a child.
#[track_caller]
pub(crate) fn as_child(mut command: Command, name: &str) -> Command {
    let name = full_name(name);
    // With one test thread the harness runs the test on its main thread.
    command
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .arg("--include-ignored")
        .env(CHILD, &name);
    command
}

/// Runs one test of the calling file in a new process and demands that it passes there.
#[track_caller]
pub(crate) fn child(name: &str) -> Output {
    passed(child_command(name).output().unwrap())
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

/// Runs `body` in a new process, as the test `name` of the calling file.
#[track_caller]
pub(crate) fn isolated(name: &str, body: impl FnOnce() + Send + 'static) {
    if is_child(name) {
        within(body);
    } else {
        child(name);
    }
}
