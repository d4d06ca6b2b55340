//! The `pubsub` example over a real directory, which changes while it runs.

#![cfg(unix)]

#[allow(dead_code, reason = "this binary uses a part of it")]
mod support;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use support::{DEADLINE, TempDir, line, program, run, start};

/// The program, at work.
struct Watching {
    tree: TempDir,
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    /// What it has printed so far.
    printed: Vec<String>,
}

/// How it ended.
struct Ended {
    code: Option<i32>,
    printed: Vec<String>,
    stderr: String,
}

/// The lines of an output, as they come.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(from).lines();
        lines
            .map_while(Result::ok)
            .all(|line| send.send(line).is_ok())
    });
    lines
}

impl Watching {
    /// Returns when the directory is watched.
    fn start(args: &[&str], change: impl FnOnce(&mut Command)) -> Watching {
        let tree = TempDir::new().unwrap();
        let mut command = Command::new(program("pubsub"));
        command.args(args).current_dir(tree.path());
        change(&mut command);
        let mut child = start(&mut command);
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let watching = Watching {
            tree,
            child,
            out: lines(out),
            err: lines(err),
            printed: Vec::new(),
        };
        let first = watching.err.recv_timeout(DEADLINE).expect("it starts");
        assert_eq!(first, "pubsub: watching .");
        watching
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.tree.path().join(name), content).unwrap();
    }

    /// Reads what is printed, up to a line that begins so.
    #[track_caller]
    fn until(&mut self, wanted: &str) {
        loop {
            match self.out.recv_timeout(DEADLINE) {
                Ok(line) => self.printed.push(line),
                Err(_) => panic!("no `{wanted}` in {:#?}", self.printed),
            }
            if self
                .printed
                .last()
                .is_some_and(|line| line.starts_with(wanted))
            {
                return;
            }
        }
    }

    /// Waits until a file with this content is hashed.
    #[track_caller]
    fn hashed(&mut self, name: &str, content: &str) {
        self.until(&hashed(name, content));
    }

    /// Has it end, as Ctrl-C does.
    fn end(mut self) -> Ended {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        // Its outputs end with it.
        self.printed.extend(rest(&self.out));
        let stderr = rest(&self.err).join("\n");
        Ended {
            code: self.child.wait().unwrap().code(),
            printed: self.printed,
            stderr,
        }
    }
}

fn hashed(name: &str, content: &str) -> String {
    format!("{}  {name}", blake3::hash(content.as_bytes()))
}

/// All lines to the end of the output.
fn rest(lines: &Receiver<String>) -> Vec<String> {
    let mut rest = Vec::new();
    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(line) => rest.push(line),
            Err(error) => {
                assert_eq!(
                    error,
                    std::sync::mpsc::RecvTimeoutError::Disconnected,
                    "{rest:?}"
                );
                return rest;
            }
        }
    }
}

/// The numbers of one line of the summary.
fn numbers(summary: &str, name: &str) -> Vec<u64> {
    let parts = line(summary, name).split(|c: char| !c.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}

#[test]
fn what_changes_is_printed_at_once_and_hashed_when_it_is_quiet() {
    let mut watching = Watching::start(&["--wait", "20"], |_| ());
    watching.write("a", "one");
    watching.until("created a");
    watching.hashed("a", "one");
    watching.write("a", "two");
    watching.until("changed a");
    watching.hashed("a", "two");
    // A file that comes together with its directory.
    fs::create_dir(watching.tree.path().join("sub")).unwrap();
    watching.write("sub/b", "three");
    watching.until("created sub");
    watching.hashed("sub/b", "three");
    let at = |name: &str| watching.tree.path().join(name);
    fs::rename(at("a"), at("c")).unwrap();
    watching.until("removed a");
    watching.until("created c");
    watching.hashed("c", "two");
    fs::remove_file(watching.tree.path().join("c")).unwrap();
    watching.until("removed c");

    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let changes = numbers(&ended.stderr, "changes");
    let shown = numbers(&ended.stderr, "shown");
    assert_eq!(shown, [changes.iter().sum(), 0]);
    assert_eq!(numbers(&ended.stderr, "commands"), [0, 0]);
    assert_eq!(line(&ended.stderr, "hashed").rsplit(' ').next(), Some("0"));
}

#[test]
fn the_end_hashes_what_has_changed() {
    let mut watching = Watching::start(&["-w", "3600000"], |_| ());
    for name in ["a", "b"] {
        watching.write(name, name);
        watching.until(&format!("changed {name}"));
    }
    fs::remove_file(watching.tree.path().join("b")).unwrap();
    watching.until("removed b");
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.printed.last(), Some(&hashed("a", "a")));
    assert_eq!(numbers(&ended.stderr, "hashed"), [1, 1, 0]);
}

/// Another folder, with a command that waits until it may go on, and what it waits for.
fn slow_command() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let script = format!(
        "#!/bin/sh\n[ -e '{0}/open' ] || read line <'{0}/pipe'\n",
        folder.path().display()
    );
    fs::write(at("slow"), script).unwrap();
    fs::set_permissions(at("slow"), Permissions::from_mode(0o755)).unwrap();
    let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    let path = at("slow").to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn a_slow_command_loses_changes_and_says_so_and_holds_up_no_hash() {
    let (folder, slow) = slow_command();
    let args = ["--keep", "1", "--wait", "20", "--exec", &slow];
    let mut watching = Watching::start(&args, |_| ());
    // It comes as a whole, so that one change is told: a second one could take the place of it.
    let whole = folder.path().join("first");
    fs::write(&whole, "first").unwrap();
    fs::rename(&whole, watching.tree.path().join("first")).unwrap();
    watching.until("created first");
    // The command runs now, and waits.
    let mut pipe = OpenOptions::new()
        .write(true)
        .open(folder.path().join("pipe"))
        .unwrap();
    for n in 0..20 {
        watching.write(&format!("file {n}"), "content");
    }
    watching.hashed("file 19", "content");
    File::create(folder.path().join("open")).unwrap();
    writeln!(pipe, "go on").unwrap();
    drop(pipe);
    watching.until("... ");

    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let changes: u64 = numbers(&ended.stderr, "changes").iter().sum();
    let [shown, lost] = numbers(&ended.stderr, "shown")[..] else {
        panic!("{}", ended.stderr);
    };
    assert_eq!(
        (shown + lost, lost >= 39),
        (changes, true),
        "{}",
        ended.stderr
    );
    assert_eq!(numbers(&ended.stderr, "commands"), [shown, 0]);
    let told = ended
        .printed
        .iter()
        .filter_map(|line| line.strip_prefix("... "));
    let told: u64 = told
        .map(|line| line.trim_end_matches(" lost").parse::<u64>().unwrap())
        .sum();
    assert_eq!(told, lost);
}

#[test]
fn a_command_that_fails_is_told_and_is_a_failure() {
    for (command, reason) in [("false", "exit status: 1"), ("/missing", "No such file")] {
        let mut watching = Watching::start(&["-e", command], |_| ());
        watching.write("a", "");
        watching.until("created a");
        let ended = watching.end();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let told = format!("pubsub: {command} a: {reason}");
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    }
}

#[test]
fn a_reader_that_left_ends_it() {
    let gone = || io::pipe().unwrap().1;
    let tree = TempDir::new().unwrap();
    let mut command = Command::new(program("pubsub"));
    command
        .stdin(Stdio::null())
        .stdout(gone())
        .stderr(Stdio::piped());
    let mut child = command.current_dir(tree.path()).spawn().unwrap();
    let err = lines(child.stderr.take().unwrap());
    assert_eq!(err.recv_timeout(DEADLINE).unwrap(), "pubsub: watching .");
    fs::write(tree.path().join("a"), "a").unwrap();
    assert_eq!(rest(&err), [""; 0]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let tree = TempDir::new().unwrap();
    fs::write(tree.path().join("file"), "").unwrap();
    for (args, reason) in [
        (&["--threads", "0"][..], "--threads 0: "),
        (&["--keep", "0"], "--keep 0: "),
        (&["--wait", "long"], "long"),
        (&["--frobnicate"], "--frobnicate"),
        (&["a", "b"], "\"b\""),
        (&[""], "the path is empty"),
        (&["missing"], "missing: No such file"),
        (&["file"], "file: not a directory"),
    ] {
        let ran = run(Command::new(program("pubsub"))
            .args(args)
            .current_dir(tree.path()));
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(ran.stderr.starts_with("pubsub: "), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(reason), "{args:?}: {ran:?}");
    }
}

#[test]
fn help_names_every_option() {
    let ran = run(Command::new(program("pubsub"))
        .arg("--help")
        .current_dir(Path::new("/")));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for option in ["--wait", "--threads", "--exec", "--keep"] {
        assert!(ran.stdout.contains(option), "{option}");
    }
}
