//! The `scenario` example with short parts, run as its users run it.

#[allow(dead_code, reason = "this binary uses a part of it")]
mod support;

use std::process::Command;

use support::{Ran, line, program, run};

fn scenario(args: &[&str]) -> Ran {
    run(Command::new(program("scenario")).args(args))
}

/// The seconds of one row.
#[track_caller]
fn seconds(ran: &Ran, name: &str) -> f64 {
    let columns = line(&ran.stdout, name).split_whitespace().next();
    columns.unwrap().parse().unwrap()
}

/// The request is the slower part, by far: another load on the machine does not show.
#[test]
fn ours_takes_as_long_as_the_slower_part() {
    let ran = scenario(&[
        "--request=0.7",
        "--computation=0.15",
        "--runs=2",
        "--no-python",
        "--check=3",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stderr, "");
    let request = seconds(&ran, "the request alone");
    let in_turn = seconds(&ran, "one after the other");
    let ours = seconds(&ran, "fast-async");
    assert!(request >= 0.7 && in_turn > request, "{ran:?}");
    assert!(ours >= 0.7 && ours <= 1.03 * request + 0.001, "{ran:?}");
    assert!(seconds(&ran, "threads by hand") >= 0.7, "{ran:?}");
    assert!(!ran.stdout.contains("Python"), "{ran:?}");
}

#[test]
fn the_ways_in_python_are_there_if_python_is() {
    let has_python = Command::new("python3").arg("--version").output().is_ok();
    let ran = scenario(&["-r", "0.1", "-c", "0.05"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    if !has_python {
        return assert!(ran.stdout.contains("python3 was not found"), "{ran:?}");
    }
    for name in ["one after the other", "asyncio", "a thread each"] {
        let name = format!("Python: {name}");
        let row = ran.stdout.lines().find(|line| line.starts_with(&name));
        assert!(row.is_some_and(|row| row.ends_with(" %")), "{ran:?}");
    }
    assert!(seconds(&ran, "Python: asyncio") >= 0.1, "{ran:?}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for (args, reason) in [
        (&["--request", "0"][..], "--request 0: give seconds"),
        (&["--request", "soon"], "soon"),
        (&["-c", "NaN"], "--computation NaN: give seconds"),
        (&["--runs", "0"], "--runs 0: "),
        (&["--check", "-1"], "--check -1: "),
        (&["--frobnicate"], "--frobnicate"),
        (&["more"], "more"),
    ] {
        let ran = scenario(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(ran.stderr.starts_with("scenario: "), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(reason), "{args:?}: {ran:?}");
    }
    let ran = scenario(&["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("--check"));
}
