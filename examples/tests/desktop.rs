//! The search of the program `desktop`, without its window, whose libraries take minutes to build.

#[path = "../desktop/src/search.rs"]
mod search;
#[allow(dead_code, reason = "this binary uses a part of it")]
mod support;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use fast_async::Task;
use search::{Hit, Summary, search};
use support::{DEADLINE, TempDir};

/// A tree with two files that have the text, one that has it behind a zero byte, and one without.
fn tree() -> TempDir {
    let tree = TempDir::new().unwrap();
    fs::create_dir(tree.path().join("inner")).unwrap();
    let files: [(&str, &[u8]); 4] = [
        ("one", b"nothing\n  a needle, \xff and more\n"),
        ("inner/two", b"needle\nneedle"),
        ("binary", b"\0\nneedle\n"),
        ("other", b"hay\n"),
    ];
    for (name, content) in files {
        fs::write(tree.path().join(name), content).unwrap();
    }
    tree
}

fn end(task: Task<Summary>) -> Summary {
    let ended = task.wait_timeout(DEADLINE);
    ended.expect("it ends in time").unwrap()
}

#[test]
fn every_line_is_found_with_its_place() {
    let tree = tree();
    let (send, found) = channel();
    let task = search(tree.path().to_owned(), "needle".into(), move |hits| {
        send.send(hits).unwrap();
    });
    let summary = end(task);
    let mut hits: Vec<Hit> = found.into_iter().flatten().collect();
    hits.sort_by_key(|hit| (hit.file.clone(), hit.line));
    let places: Vec<_> = hits
        .iter()
        .map(|hit| (hit.file.as_path(), hit.line))
        .collect();
    let two = Path::new("inner/two");
    assert_eq!(places, [(two, 1), (two, 2), (Path::new("one"), 2)]);
    assert_eq!(hits[2].text, "a needle, \u{fffd} and more");
    let expected = Summary {
        files: 4,
        hits: 3,
        unreadable: 0,
    };
    assert_eq!(summary, expected);
    assert_eq!(summary.to_string(), "3 lines in 4 files");
}

#[test]
fn a_directory_that_is_not_there_is_the_failure() {
    let tree = TempDir::new().unwrap();
    let task = search(tree.path().join("none"), "needle".into(), |_| ());
    let outcome = task.wait_timeout(DEADLINE).expect("it ends in time");
    assert!(outcome.unwrap_err().to_string().contains("none"));
}

/// A search whose callbacks wait until the sender is dropped.
fn held(tree: &TempDir) -> (Task<Summary>, Sender<()>) {
    let (open, opened) = channel();
    let opened = Mutex::new(opened);
    let task = search(tree.path().to_owned(), "needle".into(), move |_| {
        let _ = opened.lock().unwrap().recv();
    });
    (task, open)
}

/// The last progress is that of the whole search.
#[test]
fn its_progress_is_in_files() {
    let tree = tree();
    let (task, open) = held(&tree);
    let events = task.events();
    drop(open);
    end(task);
    let progress = events.filter_map(|event| event.progress()).last();
    assert_eq!(progress, Some((4, 4)));
}

/// When it has stopped nothing of it runs, and the callback is dropped.
#[test]
fn a_cancel_ends_it() {
    let tree = tree();
    let (task, open) = held(&tree);
    let stopped = task.stopped();
    task.cancel();
    drop(open);
    let stopped = stopped.wait_timeout(DEADLINE).expect("it stops in time");
    stopped.unwrap();
    assert!(task.wait().is_err_and(|error| error.is_cancelled()));
}
