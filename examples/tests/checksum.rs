//! The `checksum` example, run as its users run it: the built program over real files.
//!
//! `cargo test -p examples` builds the examples before it runs the tests;
//! `cargo test --test checksum` does not.

#![cfg(unix)]

#[path = "../checksum/hash.rs"]
mod hash;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A new folder, removed with its content when dropped. A crate for it would be built by the
/// README's first command too.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> io::Result<TempDir> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("checksum-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(TempDir(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A failed test says why it failed, and not that its folder is in use.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that opens a pipe without a writer would hang. The deadline makes that a failure.
const DEADLINE: Duration = Duration::from_secs(120);

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let path = profile.join("examples/checksum");
    assert!(
        path.exists(),
        "{} is missing: `cargo build --example checksum`",
        path.display()
    );
    path
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs to the end, or fails the test at the deadline.
fn run(command: &mut Command) -> Ran {
    run_into(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
}

/// The same, with the outputs as the command has them.
fn run_into(command: &mut Command) -> Ran {
    let child = command.stdin(Stdio::null()).spawn().unwrap();
    let id = child.id().to_string();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let Ok(output) = receiver.recv_timeout(DEADLINE) else {
        Command::new("kill").arg(id).status().unwrap();
        panic!("{command:?} did not end");
    };
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn checksum(tree: &Path, args: &[&str]) -> Ran {
    run(Command::new(program()).args(args).current_dir(tree))
}

/// The value of one line of the summary.
fn line<'a>(summary: &'a str, name: &str) -> &'a str {
    let line = summary.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no `{name}` in {summary}"))
        .trim_start()
}

fn write(path: PathBuf, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Two pairs of duplicates, one of them with a hard link beside it, and everything that is no
/// regular file.
fn tree() -> TempDir {
    let tree = TempDir::new().unwrap();
    let at = |name: &str| tree.path().join(name);
    write(at("a/big.bin"), &vec![7; 300_000]);
    write(at("b/big copy.bin"), &vec![7; 300_000]);
    write(at("b/one"), b"one");
    write(at("c-1"), b"twelve bytes");
    write(at("z"), b"twelve bytes");
    write(at("empty"), b"");
    write(at("a/empty too"), b"");
    fs::hard_link(at("z"), at("zz hard link")).unwrap();
    symlink("nowhere", at("broken link")).unwrap();
    symlink("..", at("a/loop")).unwrap();
    symlink("z", at("a link")).unwrap();
    let made = Command::new("mkfifo").arg(at("a/pipe")).status().unwrap();
    assert!(made.success());
    tree
}

#[test]
fn the_summary_counts_files_duplicates_and_what_was_skipped() {
    let tree = tree();
    let ran = checksum(tree.path(), &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(line(&ran.stdout, "files"), "8");
    assert!(
        line(&ran.stdout, "bytes").starts_with("600.04 kB in "),
        "{ran:?}"
    );
    assert!(line(&ran.stdout, "bytes").ends_with(" MB/s"), "{ran:?}");
    assert_eq!(
        line(&ran.stdout, "duplicates"),
        "groups: 2, wasted: 300.01 kB"
    );
    assert!(
        ran.stdout.contains(
            "largest     2 files of 300.00 kB: a/big.bin\n            2 files of 12 B: c-1\n"
        ),
        "{ran:?}"
    );
    assert_eq!(
        line(&ran.stdout, "skipped"),
        "symbolic links: 3, special files: 1"
    );
    assert_eq!(line(&ran.stdout, "errors"), "0");
    assert!(line(&ran.stdout, "threads").parse::<usize>().unwrap() >= 1);
    assert_eq!(ran.stderr, "", "no bar without a terminal");
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
}

#[test]
fn list_prints_what_b3sum_would_sorted_by_path() {
    let tree = tree();
    write(tree.path().join("new\nline"), b"n");
    write(tree.path().join("back\\slash"), b"s");
    let ran = checksum(tree.path(), &["--list"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let expected = [
        ("", "a/big.bin", "a/big.bin"),
        ("", "a/empty too", "a/empty too"),
        ("", "b/big copy.bin", "b/big copy.bin"),
        ("", "b/one", "b/one"),
        ("\\", "back\\slash", "back\\\\slash"),
        ("", "c-1", "c-1"),
        ("", "empty", "empty"),
        ("\\", "new\nline", "new\\nline"),
        ("", "z", "z"),
        ("", "zz hard link", "zz hard link"),
    ];
    let lines = expected.map(|(mark, path, shown)| {
        let hash = blake3::hash(&fs::read(tree.path().join(path)).unwrap());
        format!("{mark}{hash}  {shown}\n")
    });
    assert_eq!(ran.stdout, lines.concat());
    assert_eq!(line(&ran.stderr, "files"), "10");
    // The hash of nothing, from the BLAKE3 paper's test vectors.
    assert!(
        ran.stdout
            .contains("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262  empty\n")
    );
}

#[test]
fn duplicates_are_grouped_and_sorted() {
    let tree = tree();
    let ran = checksum(tree.path(), &["-d"]);
    let big = blake3::hash(&vec![7; 300_000]);
    let small = blake3::hash(b"twelve bytes");
    assert_eq!(
        ran.stdout,
        format!(
            "{big}: 2 files of 300.00 kB\n  a/big.bin\n  b/big copy.bin\n\
             {small}: 2 files of 12 B\n  c-1\n  z\n"
        )
    );
    assert_eq!(
        line(&ran.stderr, "duplicates"),
        "groups: 2, wasted: 300.01 kB"
    );
}

#[test]
fn threads_change_nothing_but_their_number() {
    let tree = tree();
    let one = checksum(tree.path(), &["--threads", "1", "--list"]);
    let many = checksum(tree.path(), &["-t8", "--list"]);
    assert_eq!(line(&one.stderr, "threads"), "1");
    assert!(line(&many.stderr, "threads").parse::<usize>().unwrap() <= 8);
    assert_eq!((one.code, many.code), (Some(0), Some(0)));
    assert_eq!(one.stdout, many.stdout);
}

#[test]
fn one_file_is_a_tree_of_one_and_a_link_to_a_tree_is_that_tree() {
    let tree = tree();
    let one = checksum(tree.path(), &["-l", "b/one"]);
    assert_eq!(one.stdout, format!("{}  b/one\n", blake3::hash(b"one")));
    let linked = checksum(tree.path(), &["-l", "a link"]);
    assert_eq!(
        linked.stdout,
        format!("{}  a link\n", blake3::hash(b"twelve bytes"))
    );
    symlink("b", tree.path().join("to b")).unwrap();
    let linked = checksum(tree.path(), &["to b"]);
    assert_eq!(line(&linked.stdout, "files"), "2");
    assert_eq!(
        line(&linked.stdout, "skipped"),
        "symbolic links: 0, special files: 0"
    );
}

#[test]
fn an_empty_directory_is_fine() {
    let tree = TempDir::new().unwrap();
    let ran = checksum(tree.path(), &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(line(&ran.stdout, "files"), "0");
    assert_eq!(line(&ran.stdout, "errors"), "0");
}

/// A path beyond the system's limit: the walk lists the file, and no user, root included, can open
/// it by that path.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_opened_is_reported_and_stops_no_other() {
    const LIMIT: usize = 4096;
    let tree = tree();
    let depth = (LIMIT - 120 - tree.path().as_os_str().len()) / 101;
    let nested = |depth| tree.path().join(["d"; 99][..depth].join("/"));
    let name = "f".repeat(220);
    write(nested(depth).join(&name), b"out of reach");
    // From the inside out, so that each renaming still has a short path.
    for level in (1..=depth).rev() {
        fs::rename(nested(level), nested(level - 1).join("d".repeat(100))).unwrap();
    }

    let root = tree.path().to_str().unwrap();
    let ran = checksum(tree.path(), &[root]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let [complaint] = ran.stderr.lines().collect::<Vec<_>>()[..] else {
        panic!("{}", ran.stderr)
    };
    assert!(
        complaint.starts_with(&format!("checksum: {root}/ddd")),
        "{complaint}"
    );
    assert!(
        complaint.contains(&format!("/{name}: File name too long (os error ")),
        "{complaint}"
    );
    assert_eq!(line(&ran.stdout, "files"), "8");
    assert_eq!(line(&ran.stdout, "errors"), "1");
}

/// This file opens and then refuses every read.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_fails_while_it_is_read_is_reported() {
    let ran = checksum(Path::new("/"), &["/proc/self/mem"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr
            .starts_with("checksum: /proc/self/mem: Input/output error"),
        "{ran:?}"
    );
    assert_eq!(line(&ran.stdout, "files"), "0");
    assert_eq!(line(&ran.stdout, "errors"), "1");
}

/// Between the walk that found a file and the task that opens it, anything may take its place.
#[test]
fn a_file_that_has_become_a_pipe_is_no_wait_but_an_error() {
    let tree = tree();
    let hash = |name: &str| {
        let (sender, receiver) = mpsc::channel();
        let path = tree.path().join(name);
        thread::spawn(move || sender.send(hash::hash_file(path, |_| ())));
        receiver
            .recv_timeout(DEADLINE)
            .expect("it waits for a writer")
    };
    let error = hash("a/pipe").err().unwrap();
    assert_eq!(error.to_string(), "no regular file any more");
    assert!(hash("a").is_err());
    let one = hash("b/one").unwrap();
    assert_eq!((one.path, one.bytes), (tree.path().join("b/one"), 3));
    assert_eq!(one.hash, blake3::hash(b"one"));
    let (z, other_name) = (hash("z").unwrap(), hash("zz hard link").unwrap());
    assert!(z.identity.is_some() && z.identity == other_name.identity);
}

#[test]
fn a_file_without_read_permission_is_reported() {
    let tree = tree();
    let at = |name: &str| tree.path().join(name);
    write(at("locked"), b"secret");
    write(at("y/inside"), b"secret");
    write(at("zz locked"), b"secret");
    let allow = |name, mode| fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
    allow("", 0o755);
    for name in ["locked", "y", "zz locked"] {
        allow(name, 0o000);
    }

    // Root may read everything: then another user runs the program, from a folder that user can
    // reach.
    let privileged = File::open(at("locked")).is_ok();
    let ran = if privileged {
        let elsewhere = TempDir::new().unwrap();
        fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o755)).unwrap();
        let copy = elsewhere.path().join("checksum");
        fs::copy(program(), &copy).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        run(command.arg(copy).current_dir(tree.path()))
    } else {
        checksum(tree.path(), &[])
    };
    allow("y", 0o755);

    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        ran.stderr,
        "checksum: locked: Permission denied (os error 13)\n\
         checksum: y: Permission denied (os error 13)\n\
         checksum: zz locked: Permission denied (os error 13)\n"
    );
    assert_eq!(line(&ran.stdout, "files"), "8");
    assert_eq!(line(&ran.stdout, "errors"), "3");
}

/// The program on a terminal, with a large file that takes a while, until `is_there` holds for what
/// it has written; then Ctrl-C. Returns all that it has written, as the terminal shows it, and its
/// exit code.
#[cfg(target_os = "linux")]
fn interrupted(is_there: impl Fn(&str) -> bool) -> Option<(String, Option<i32>)> {
    use std::io::{Read, Write};

    let tree = TempDir::new().unwrap();
    // It has no blocks: read at the speed of the hash.
    let large = File::create(tree.path().join("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    // `exec`: a shell that stayed would get the interrupt too, and print a line or end before it.
    let command = format!("exec {} {}", program().display(), tree.path().display());
    let mut script = Command::new("script")
        .args(["--quiet", "--flush", "--return"])
        .args(["--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let (mut keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            sender.send(bytes[..count].to_vec()).unwrap();
        }
    });
    let (mut written, mut is_pressed) = (Vec::new(), false);
    while let Ok(more) = receiver.recv_timeout(DEADLINE) {
        written.extend(more);
        if !is_pressed && is_there(&String::from_utf8_lossy(&written)) {
            keys.write_all(b"\x03").unwrap();
            is_pressed = true;
        }
    }
    assert!(is_pressed, "{}", String::from_utf8_lossy(&written));
    drop(keys);
    let code = script.wait().unwrap().code();
    Some((String::from_utf8_lossy(&written).into_owned(), code))
}

/// The bar is drawn from the events of the scan. An interrupt clears it, and ends at once.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_leaves_a_clean_line() {
    let Some((written, code)) = interrupted(|screen| screen.contains("of 1.10 TB")) else {
        eprintln!("skipped: no `script` to make a terminal");
        return;
    };
    assert_eq!(code, Some(130), "{written:?}");
    let (before, after) = written
        .split_once("checksum: interrupted")
        .unwrap_or_else(|| panic!("it does not say so: {written:?}"));
    // The last that was done to the line of the bar is to clear it.
    assert!(
        before.ends_with("\x1b[2K") || before.ends_with("\x1b[2K\r"),
        "{before:?}"
    );
    assert_eq!(after.trim_end(), "", "{after:?}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let tree = tree();
    for (args, reason) in [
        (&["--threads", "0"][..], "--threads 0: "),
        (&["--threads", "many"], "many"),
        (&["--threads"], "--threads"),
        (&["--frobnicate"], "--frobnicate"),
        (&["a", "b"], "\"b\""),
        (&[""], "the path is empty"),
        (&["", "a"], "the path is empty"),
        (&["missing"], "missing: No such file"),
        (
            &["a/pipe"],
            "a/pipe: neither a directory nor a regular file",
        ),
    ] {
        let ran = checksum(tree.path(), args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(ran.stderr.starts_with("checksum: "), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(reason), "{args:?}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{args:?}: {ran:?}");
    }
}

#[test]
fn help_names_every_option() {
    let ran = checksum(Path::new("/"), &["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for option in ["--list", "--duplicates", "--threads", "--one-file-system"] {
        assert!(ran.stdout.contains(option), "{option}");
    }
}

/// A pipe whose reader is gone.
fn closed() -> io::PipeWriter {
    io::pipe().unwrap().1
}

#[test]
fn a_reader_that_left_is_no_failure_and_no_panic() {
    let tree = tree();
    for (args, code) in [
        (&["--list"][..], 0),
        (&["--duplicates"], 0),
        (&[], 0),
        (&["--help"], 0),
        (&["missing"], 2),
    ] {
        let mut command = Command::new(program());
        command.args(args).current_dir(tree.path());
        let ran = run_into(command.stdout(closed()).stderr(closed()));
        assert_eq!(ran.code, Some(code), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    let tree = tree();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(program());
    command.arg("--list").current_dir(tree.path());
    let ran = run_into(command.stdout(full).stderr(Stdio::piped()));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let reason = "checksum: standard output: No space left on device";
    assert!(ran.stderr.contains(reason), "{ran:?}");
}

/// A file is open only while its task runs, however many wait.
#[test]
fn queued_files_are_not_open() {
    let tree = TempDir::new().unwrap();
    for n in 0..500 {
        write(tree.path().join(n.to_string()), b"content");
    }
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 40 && exec \"$0\" --threads 8"])
        .arg(program())
        .current_dir(tree.path());
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(line(&ran.stdout, "files"), "500");
    assert_eq!(
        line(&ran.stdout, "duplicates"),
        "groups: 1, wasted: 3.49 kB"
    );
}
