//! Tests in a process of their own: a stack overflow or an abort fails the test, not the whole
//! file.

use std::env;
use std::process::Command;

use super::{LIMIT, within};

const CHILD: &str = "FAST_ASYNC_TEST_CHILD";

/// Runs `body` in another process, as the test with this very name.
#[track_caller]
pub(crate) fn isolated(name: &str, body: impl FnOnce() + Send + 'static) {
    if env::var_os(CHILD).is_some_and(|child| child == name) {
        return within(LIMIT, body);
    }
    let output = Command::new(env::current_exe().expect("the path of this test"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .expect("a child process");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name} ended with {}\n{stdout}\n{stderr}",
        output.status
    );
    assert!(
        stdout.contains("1 passed"),
        "there is no test named {name}:\n{stdout}"
    );
}
