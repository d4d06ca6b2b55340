//! Mistakes that compile, and what is said about them.

use std::io;
use std::time::Duration;

use crate::support::{child_command, is_child, passed, reports, until, within};
use fast_async::{LoopQueue, Pool, Task, TaskError, attempt, spawn, spawn_future};

/// How many reports name this line.
fn reports_at(line: u32, text: &str) -> usize {
    let pool = Pool::global();
    assert!(pool.wait_idle(Duration::MAX));
    reports(&format!("{text}`) [at {}:{line}:", file!()))
}

fn fallible() -> io::Result<u32> {
    Err(io::ErrorKind::NotFound.into())
}

fn ok() -> io::Result<u32> {
    Ok(7)
}

const LOST: &str = "or `spawn(f).flatten()";
const UNPOLLED: &str = "or return `spawn_future(..)` from `and_then";

// Contract: C5. The value of a task may be an `Err`, which no `catch` sees.
#[test]
fn an_err_that_is_a_value_is_reported_when_nothing_looks_at_it() {
    within(|| {
        // The mistake: `catch` handles the failures of the task, and there is none.
        let line = line!() + 1;
        let task = spawn(fallible).catch(|error: TaskError| {
            eprintln!("{error}");
            Ok(0)
        });
        drop(task);
        until(|| reports_at(line, LOST) == 1);

        let line = line!() + 1;
        spawn(fallible).detach();
        until(|| reports_at(line, LOST) == 1);

        // A value that is looked at, or is none, is not reported.
        let line = line!() + 1;
        let seen = spawn(fallible).wait().unwrap();
        assert!(seen.is_err());
        assert_eq!(reports_at(line, LOST), 0);
        let line = line!() + 1;
        let observed = spawn(fallible);
        observed.subscribe(|_| (), |_| ());
        drop(observed);
        assert_eq!(reports_at(line, LOST), 0);
        let line = line!() + 1;
        spawn(ok).detach();
        assert_eq!(reports_at(line, LOST), 0);
        let line = line!() + 1;
        let lent = spawn(fallible).share();
        assert!(lent.wait().unwrap().is_err());
        drop(lent);
        assert_eq!(reports_at(line, LOST), 0);
    });
}

#[test]
fn an_err_of_any_type_becomes_a_failure() {
    within(|| {
        let caught = spawn(fallible).flatten().catch_as::<io::Error>(|_| 1);
        assert_eq!(caught.wait().unwrap(), 1);
        let text = spawn(|| Err::<u32, _>("no")).flatten();
        assert_eq!(text.wait().unwrap_err().to_string(), "no");
        let hidden = spawn(|| -> anyhow::Result<u32> { Ok(fallible()?) }).flatten();
        assert!(hidden.wait().is_err());
        let same = spawn(|| Task::<u32>::failed("inner").wait()).flatten();
        let error = same.wait().unwrap_err();
        assert_eq!(error.to_string(), "inner");
        let linked = spawn(|| "8080").then(str::parse::<u16>).flatten();
        assert_eq!(linked.wait().unwrap(), 8080);
        let asked = attempt(|| Ok(fallible()?));
        assert!(asked.wait().unwrap_err().is::<io::Error>());
    });
}

// Contract: C5. rustc offers to wrap a future in a closure: then it is a value that nothing polls.
#[test]
fn a_future_that_is_a_value_is_reported_when_nothing_polls_it() {
    within(|| {
        let line = line!() + 1;
        spawn(|| async { unreachable!("nothing polls it") }).detach();
        until(|| reports_at(line, UNPOLLED) == 1);
        let line = line!() + 1;
        let task = spawn(|| 7).then(|n| async move { n + 1 });
        drop(task);
        until(|| reports_at(line, UNPOLLED) == 1);
        // As it should be.
        let n = spawn(|| 7).and_then(|n| spawn_future(async move { n + 1 }));
        assert_eq!(n.wait().unwrap(), 8);
    });
}

/// What a child has written to stderr, without the lines of others.
#[track_caller]
fn said(name: &str) -> Vec<String> {
    let output = passed(child_command(name).output().unwrap());
    let text = String::from_utf8(output.stderr).unwrap();
    let own = text.lines().filter(|line| line.starts_with("fast-async: "));
    own.map(str::to_owned).collect()
}

// Contract: W5. The thread that should turn the loop waits for what only the loop can do.
#[test]
fn a_wait_on_the_thread_that_owes_a_loop_its_turn_is_reported() {
    const NAME: &str = "a_wait_on_the_thread_that_owes_a_loop_its_turn_is_reported";
    if is_child(NAME) {
        let queue = LoopQueue::new();
        let task = spawn(|| 7).on(&queue).then(|n| n + 1);
        let own = queue.clone();
        let rescue = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1_500));
            own.run_pending();
        });
        assert_eq!(task.wait().unwrap(), 8);
        rescue.join().unwrap();
        return;
    }
    let lines = said(NAME);
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(
        line.contains("call `queue.run_until(task)` instead of `task.wait()`"),
        "{line}"
    );
    assert!(line.contains(file!()), "{line}");
}

// A wait that another thread's loop ends is none of its business.
#[test]
fn a_wait_for_the_loop_of_another_thread_is_not_reported() {
    const NAME: &str = "a_wait_for_the_loop_of_another_thread_is_not_reported";
    if is_child(NAME) {
        let queue = std::thread::spawn(LoopQueue::new).join().unwrap();
        let task = spawn(|| 7).on(&queue).then(|n| n + 1);
        let loops = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1_200));
            queue.run_pending();
        });
        assert_eq!(task.wait().unwrap(), 8);
        loops.join().unwrap();
        return;
    }
    assert!(said(NAME).is_empty());
}
