//! `Program`: a child process whose lines are read, and that gets signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::PATIENCE;

/// The lines of both outputs, in the order in which they were read.
///
/// A wait that fails its test panics with the lock held. The threads that read go on: the lock is
/// one that knows no poison.
#[derive(Default)]
struct Lines {
    lines: Vec<(Instant, String)>,
    /// Outputs that are at their end.
    closed: usize,
}

type Shared = Arc<(Mutex<Lines>, Condvar)>;

/// A child process. Dropped, it is killed.
pub(crate) struct Program {
    pub(crate) name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Shared,
}

/// The example of this name, which `cargo test -p fast-async-remote` has built;
/// `cargo test --test NAME` does not build it.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo build -p fast-async-remote --example {name}`",
        path.display()
    );
    path
}

impl Program {
    pub(crate) fn start(name: &str, command: &mut Command) -> Program {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|err| panic!("{name} does not start: {err}: {command:?}"));
        let lines = Shared::default();
        read(child.stdout.take().unwrap(), lines.clone());
        read(child.stderr.take().unwrap(), lines.clone());
        Program {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            lines,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far, and when each was read.
    pub(crate) fn lines(&self) -> Vec<(Instant, String)> {
        self.lines.0.lock().lines.clone()
    }

    /// How many lines so far contain `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        let lines = self.lines.0.lock();
        lines.lines.iter().filter(|it| it.1.contains(text)).count()
    }

    /// Waits for a line that contains `text`, and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_for_nth(1, text)
    }

    /// Waits for so many lines that contain `text`, and returns the last of them.
    #[track_caller]
    pub(crate) fn wait_for_nth(&self, nth: usize, text: &str) -> String {
        let (lock, changed) = &*self.lines;
        let deadline = Instant::now() + PATIENCE;
        let mut lines = lock.lock();
        loop {
            let mut found = lines.lines.iter().filter(|it| it.1.contains(text));
            if let Some(line) = found.nth(nth - 1) {
                return line.1.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                lines.closed < 2 && !left.is_zero(),
                "{} has not said `{text}` {nth} times, but\n{}",
                self.name,
                last(&lines.lines)
            );
            changed.wait_for(&mut lines, left);
        }
    }

    /// Writes a line to the program's input.
    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the input is open");
        writeln!(stdin, "{line}").unwrap();
    }

    /// Sends a signal, by its name without `SIG`. The program may have ended.
    pub(crate) fn signal(&self, name: &str) {
        // Its id is not given to another process before `wait` has returned its end.
        let kill = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        kill.expect("the program `kill` runs");
    }

    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }

    pub(crate) fn cont(&self) {
        self.signal("CONT");
    }

    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Kills the program as `kill -9` does, and returns when it is gone. All that it wrote can be
    /// read then.
    pub(crate) fn kill_9(&mut self) {
        self.child.kill().expect("a program of ours can be killed");
        self.child.wait().expect("a killed program ends");
        self.until_read();
    }

    /// Returns true once the program has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end, or fails the test at the deadline.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        // Both outputs close at the end, since the programs of these tests have no children.
        self.until_read();
        self.child.wait().unwrap()
    }

    #[track_caller]
    fn until_read(&self) {
        let (lock, changed) = &*self.lines;
        let mut lines = lock.lock();
        let timed_out = changed.wait_while_for(&mut lines, |it| it.closed < 2, PATIENCE);
        let name = &self.name;
        assert!(
            !timed_out.timed_out(),
            "{name} has not ended, but\n{}",
            last(&lines.lines)
        );
    }
}

/// What a failed test shows of a program.
fn last(lines: &[(Instant, String)]) -> String {
    let last = &lines[lines.len().saturating_sub(20)..];
    let texts: Vec<&str> = last.iter().map(|it| it.1.as_str()).collect();
    texts.join("\n")
}

fn read(output: impl Read + Send + 'static, to: Shared) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            to.0.lock().lines.push((Instant::now(), text));
            to.1.notify_all();
        }
        to.0.lock().closed += 1;
        to.1.notify_all();
    });
}

impl Drop for Program {
    fn drop(&mut self) {
        // A stopped program dies of this too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end; its output when it has failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|err| format!("{command:?}: {err}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?}: {said}"))
}

/// Asks again until it is so, at most until the deadline. For what has no line and no event: the
/// state of a server that is asked over the network, each question of which waits for its answer.
#[track_caller]
pub(crate) fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} has not come about");
        thread::yield_now();
    }
}
