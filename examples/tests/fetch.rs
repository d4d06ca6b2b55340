//! The `fetch` example against a server that fails, stalls and redirects on purpose.

#![cfg(unix)]

#[allow(dead_code, reason = "this binary uses a part of it")]
mod support;

#[path = "support/server.rs"]
mod server;

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use server::{Request, Server, file, part, status, until_closed};
use sha2::{Digest, Sha256};
use support::{DEADLINE, Ran, TempDir, end, line, program, run, start};

/// The program, in a folder that has the list as `list`.
fn command(folder: &TempDir, list: &str, args: &[&str]) -> Command {
    fs::write(folder.path().join("list"), list).unwrap();
    let mut command = Command::new(program("fetch"));
    command.current_dir(folder.path()).args(args).arg("list");
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

/// Pauses are short.
fn fetch(folder: &TempDir, list: &str, args: &[&str]) -> Ran {
    run(command(folder, list, args).args(["--pause", "0.01"]))
}

fn content(folder: &TempDir, name: &str) -> Vec<u8> {
    let path = folder.path().join(name);
    fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

fn is_there(folder: &TempDir, name: &str) -> bool {
    folder.path().join(name).exists()
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 251) as u8).collect()
}

fn sha256(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server with one file for all paths.
fn server_of(content: Vec<u8>) -> Server {
    Server::start(move |request, out| file(request, out, &content))
}

#[test]
fn files_are_saved_and_not_asked_for_again() {
    let folder = TempDir::new().unwrap();
    let big = bytes(300_000);
    let server = server_of(big.clone());
    let list = format!(
        "# three files\n\n{}\n{} {}\n  {}   other\n",
        server.url("/a/one.bin?version=2"),
        sha256(&big).to_uppercase(),
        server.url("/two.bin"),
        server.url("/three/"),
    );
    let ran = fetch(&folder, &list, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(line(&ran.stdout, "fetched"), "3");
    assert_eq!(line(&ran.stdout, "kept"), "0");
    assert!(
        line(&ran.stdout, "received").starts_with("900.00 kB in "),
        "{ran:?}"
    );
    for name in ["one.bin", "two.bin", "other"] {
        assert!(content(&folder, name) == big, "{name}");
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        4,
        "and the list"
    );

    let ran = fetch(&folder, &list, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(line(&ran.stdout, "kept"), "3");
    assert_eq!(server.requests("/two.bin").len(), 1);

    // One that is not what the list says comes again; `--output` makes its folder.
    fs::write(folder.path().join("two.bin"), "old").unwrap();
    let ran = fetch(&folder, &list, &[]);
    assert_eq!(line(&ran.stdout, "fetched"), "1", "{ran:?}");
    assert!(content(&folder, "two.bin") == big);
    let ran = fetch(&folder, &list, &["--output", "new/folder"]);
    assert_eq!(line(&ran.stdout, "fetched"), "3", "{ran:?}");
    assert!(content(&folder, "new/folder/other") == big);
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(|request, out| match request.number {
        1 => status(out, "503 Service Unavailable", "Retry-After: 0\r\n"),
        2 => status(out, "429 Too Many Requests", "Retry-After: tomorrow\r\n"),
        _ => file(request, out, b"at last"),
    });
    let ran = fetch(&folder, &server.url("/file"), &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(content(&folder, "file"), b"at last");
    assert_eq!(server.requests("/file").len(), 3);
}

/// The number of tries counts from the last bytes that came.
#[test]
fn a_download_that_breaks_off_goes_on_where_it_ended() {
    let folder = TempDir::new().unwrap();
    let whole = bytes(1000);
    let served = whole.clone();
    let server = Server::start(move |request, out| part(request, out, &served, 150));
    let list = format!("{} {}", sha256(&whole), server.url("/file"));
    let ran = fetch(&folder, &list, &["--tries", "1"]);
    assert_eq!(ran.code, Some(1), "the first end is the last: {ran:?}");
    assert_eq!(content(&folder, "file.part"), whole[..150]);

    let ran = fetch(&folder, &list, &["--tries", "2"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert!(content(&folder, "file") == whole);
    let requests = server.requests("/file");
    let from: Vec<_> = requests.iter().map(|it| it.from.unwrap_or(0)).collect();
    assert_eq!(from, [0, 150, 300, 450, 600, 750, 900]);
    assert!(requests[1].if_range.is_some(), "also in another run");
    assert!(!is_there(&folder, "file.part") && !is_there(&folder, "file.part.version"));
}

#[test]
fn a_file_that_has_changed_begins_anew() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(|request, out| match request.number {
        1 => part(request, out, &[b'a'; 100], 50),
        _ => file(request, out, &[b'b'; 80]),
    });
    let ran = fetch(&folder, &server.url("/file"), &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(content(&folder, "file"), [b'b'; 80]);
    let requests = server.requests("/file");
    assert_eq!((requests.len(), requests[1].from), (2, Some(50)));
}

/// A part of which nothing is known, and no hash that would find out.
#[test]
fn a_part_of_unknown_origin_is_not_used_without_a_hash() {
    let folder = TempDir::new().unwrap();
    let server = server_of(bytes(100));
    fs::write(folder.path().join("file.part"), "something").unwrap();
    let ran = fetch(&folder, &server.url("/file"), &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(content(&folder, "file") == bytes(100));
    assert_eq!(server.requests("/file")[0].from, None);
}

#[test]
fn a_part_that_is_wrong_is_found_out_by_its_hash() {
    for wrong in [&b"something"[..], &[0; 100], &[0; 200]] {
        let folder = TempDir::new().unwrap();
        let server = server_of(bytes(100));
        fs::write(folder.path().join("file.part"), wrong).unwrap();
        let list = format!("{} {}", sha256(&bytes(100)), server.url("/file"));
        let ran = fetch(&folder, &list, &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(content(&folder, "file") == bytes(100));
        let requests = server.requests("/file");
        let from: Vec<_> = requests.iter().map(|it| it.from).collect();
        assert_eq!(from, [Some(wrong.len()), None]);
    }
}

/// All bytes had come when the program was ended.
#[test]
fn a_part_that_is_complete_only_gets_its_name() {
    let folder = TempDir::new().unwrap();
    let server = server_of(bytes(100));
    fs::write(folder.path().join("file.part"), bytes(100)).unwrap();
    let list = format!("{} {}", sha256(&bytes(100)), server.url("/file"));
    let ran = fetch(&folder, &list, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        line(&ran.stdout, "received").starts_with("0 B in "),
        "{ran:?}"
    );
    assert!(content(&folder, "file") == bytes(100));
    assert_eq!(server.requests("/file").len(), 1);
}

#[test]
fn what_is_not_what_the_list_says_is_not_saved() {
    let folder = TempDir::new().unwrap();
    let server = server_of(bytes(100));
    let list = format!("{} {}", sha256(b"other"), server.url("/file"));
    let ran = fetch(&folder, &list, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let found = sha256(&bytes(100));
    let said =
        format!("fetch: file: what came is not what the list says: its SHA-256 is {found}\n");
    assert_eq!(ran.stderr, said);
    assert_eq!(server.requests("/file").len(), 1, "another try is no use");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the list");
}

#[test]
fn a_server_that_falls_silent_is_left() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(|request, out| match (&*request.path, request.number) {
        // After half of the file, and before the first byte of an answer.
        ("/half", 1) => part(request, out, &bytes(100), 50).and_then(|()| until_closed(out)),
        ("/none", 1) => until_closed(out),
        _ => file(request, out, &bytes(100)),
    });
    let list = format!("{}\n{}\n", server.url("/half"), server.url("/none"));
    let ran = fetch(&folder, &list, &["--stall", "0.2"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert!(content(&folder, "half") == bytes(100) && content(&folder, "none") == bytes(100));
    assert_eq!(server.requests("/half")[1].from, Some(50));
    assert_eq!(server.requests("/none").len(), 2);

    let server = Server::start(|_, out| until_closed(out));
    let ran = fetch(
        &folder,
        &server.url("/silent"),
        &["--stall=0.1", "--tries=2"],
    );
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        ran.stderr,
        "fetch: silent: nothing came for 100ms (2 tries)\n"
    );
}

#[test]
fn redirects_are_followed_to_an_end() {
    let folder = TempDir::new().unwrap();
    let to = |out: &mut TcpStream, path| status(out, "302 Found", &format!("Location: {path}\r\n"));
    let server = Server::start(move |request, out| match request.path.as_str() {
        "/moved" => to(out, "/here"),
        "/circle" => to(out, "/circle"),
        _ => file(request, out, b"found"),
    });
    let list = format!("{}\n{}\n", server.url("/moved"), server.url("/circle"));
    let ran = fetch(&folder, &list, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.stderr, "fetch: circle: too many redirects\n");
    assert_eq!(content(&folder, "moved"), b"found");
    assert!(server.requests("/circle").len() < 20, "no second try");
}

#[test]
fn a_file_that_cannot_be_had_stops_no_other() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(|request, out| match request.path.as_str() {
        "/gone" => status(out, "404 Not Found", ""),
        "/broken" => status(out, "500 Internal Server Error", ""),
        _ => file(request, out, b"content"),
    });
    fs::create_dir(folder.path().join("taken")).unwrap();
    let urls = ["/gone", "/broken", "/taken", "/good"].map(|path| server.url(path));
    let nowhere = "http://127.0.0.1:1/nowhere";
    let list = format!("{}\n{nowhere}\n", urls.join("\n"));
    let ran = fetch(&folder, &list, &["--tries", "3", "-j2"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(line(&ran.stdout, "fetched"), "1");
    assert_eq!(line(&ran.stdout, "failed"), "4");
    assert_eq!(content(&folder, "good"), b"content");
    assert_eq!(
        line(&ran.stderr, "fetch: gone:"),
        "the server answered 404 Not Found"
    );
    assert_eq!(server.requests("/gone").len(), 1, "another try is no use");
    let broken = "the server answered 500 Internal Server Error (3 tries)";
    assert_eq!(line(&ran.stderr, "fetch: broken:"), broken);
    assert_eq!(server.requests("/broken").len(), 3);
    assert!(
        line(&ran.stderr, "fetch: taken:").starts_with("./taken: "),
        "{ran:?}"
    );
    let refused = line(&ran.stderr, "fetch: nowhere:");
    assert!(refused.starts_with("Connection refused"), "{refused}");
    assert!(refused.ends_with("(3 tries)"), "{refused}");
}

#[test]
fn as_many_come_at_a_time_as_asked_for() {
    let folder = TempDir::new().unwrap();
    let (now, peak) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    // Passes when there are two.
    let (most, pair) = (peak.clone(), Barrier::new(2));
    let server = Server::start(move |request, out| {
        most.fetch_max(1 + now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        pair.wait();
        now.fetch_sub(1, Ordering::SeqCst);
        file(request, out, b"content")
    });
    let urls: Vec<String> = (0..8).map(|n| server.url(&format!("/{n}"))).collect();
    let ran = fetch(&folder, &urls.join("\n"), &["--jobs", "2"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(line(&ran.stdout, "fetched"), "8");
    assert_eq!(peak.load(Ordering::SeqCst), 2);
}

#[test]
fn a_file_may_take_so_long_and_no_longer() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(|_, out| until_closed(out));
    let ran = fetch(&folder, &server.url("/file"), &["--limit", "0.2"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        ran.stderr,
        "fetch: file: it took longer than --limit allows\n"
    );
}

/// One file is on its way, one has yet to begin.
#[test]
fn ctrl_c_keeps_what_has_come() {
    let folder = TempDir::new().unwrap();
    let hold = |request: &Request, out: &mut TcpStream| match (&*request.path, request.number) {
        ("/file", 1) => part(request, out, &bytes(100), 50).and_then(|()| until_closed(out)),
        _ => file(request, out, &bytes(100)),
    };
    let server = Server::start(hold);
    let list = format!("{}\n{}\n", server.url("/file"), server.url("/next"));
    let child = start(&mut command(&folder, &list, &["-j", "1"]));
    let part = folder.path().join("file.part");
    wait_for(&part, 50);

    let began = Instant::now();
    let mut kill = Command::new("kill");
    assert!(
        kill.arg("-INT")
            .arg(child.id().to_string())
            .status()
            .unwrap()
            .success()
    );
    let ran = end(child);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(
        began.elapsed().as_secs() < 10,
        "soon, and not after the silence of 30 s"
    );
    assert_eq!(
        ran.stderr,
        "fetch: interrupted: the same command goes on from here\n"
    );
    assert_eq!(line(&ran.stdout, "interrupted"), "2");
    assert!(server.requests("/next").is_empty());

    let ran = fetch(&folder, &list, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(server.requests("/file")[1].from, Some(50));
    assert!(content(&folder, "file") == bytes(100));
}

/// Waits until the program has written so many bytes.
fn wait_for(path: &Path, bytes: u64) {
    let start = Instant::now();
    while !fs::metadata(path).is_ok_and(|found| found.len() == bytes) {
        assert!(
            start.elapsed() < DEADLINE,
            "{} did not come",
            path.display()
        );
        thread::yield_now();
    }
}

#[test]
fn a_command_line_or_list_that_makes_no_sense_is_refused() {
    let folder = TempDir::new().unwrap();
    let good = "http://localhost/file";
    let hash = "0".repeat(63);
    for (list, args, reason) in [
        (good, &["--jobs", "0"][..], "--jobs 0: "),
        (good, &["--tries", "none"], "none"),
        (
            good,
            &["--limit", "0"],
            "--limit 0: give seconds from 0.001",
        ),
        (good, &["--frobnicate"], "--frobnicate"),
        (good, &["missing"], "\"list\""),
        (
            "http://localhost/",
            &[],
            "list:1: http://localhost/: write the name",
        ),
        (
            "\nftp://localhost/a",
            &[],
            "list:2: ftp://localhost/a: a URL begins with http",
        ),
        (
            "http://localhost/a ../b",
            &[],
            "list:1: ../b: a name has no slashes",
        ),
        ("http://localhost/a/..", &[], "list:1: ..: this is no name"),
        (
            "http://local host/a b",
            &[],
            "list:1: there are too many words",
        ),
        (&format!("{hash} {good}"), &[], "list:1: 000"),
        (
            "http://a/x\nhttp://b/x",
            &[],
            "list:2: line 1 has a file x too",
        ),
    ] {
        let ran = fetch(&folder, list, args);
        assert_eq!(ran.code, Some(2), "{list} {args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{list} {args:?}");
        assert!(
            ran.stderr.starts_with("fetch: "),
            "{list} {args:?}: {ran:?}"
        );
        assert!(ran.stderr.contains(reason), "{list} {args:?}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{list} {args:?}: {ran:?}");
    }
    let ran = run(&mut Command::new(program("fetch")));
    assert_eq!(ran.stderr, "fetch: no LIST was given (try --help)\n");
    let ran = run(Command::new(program("fetch")).arg("/no/such/list"));
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.starts_with("fetch: /no/such/list: No such file"),
        "{ran:?}"
    );
    let ran = run(Command::new(program("fetch")).arg("--help"));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for option in [
        "--output", "--jobs", "--tries", "--pause", "--stall", "--limit",
    ] {
        assert!(ran.stdout.contains(option), "{option}");
    }
}

#[test]
fn an_empty_list_is_fine() {
    let folder = TempDir::new().unwrap();
    let ran = fetch(&folder, "# nothing\n", &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(line(&ran.stdout, "fetched"), "0");
}
