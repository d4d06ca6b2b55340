//! Runs the program as a user does, at its short size: whether its processes find each other.

use std::process::{Command, Output};

fn rivals(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rivals"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn said(output: Output) -> String {
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{why}");
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn every_contestant_answers_from_its_process() {
    let said = said(rivals(&["--short", "--only", "chain,late", "--json"]));
    for name in ["floor", "fast-async", "tokio tasks", "promisery"] {
        assert!(said.contains(&format!("\"name\": \"{name}\"")), "{said}");
    }
    assert!(!said.contains("\"rounds\": []"), "{said}");
}

#[test]
fn from_rest_each_round_is_a_process() {
    let said = said(rivals(&[
        "--short", "--only", "mix_room", "--rounds", "2", "--json",
    ]));
    assert_eq!(
        said.matches("\"name\": \"blocking, as it comes\"").count(),
        1
    );
}

#[test]
fn an_unknown_contestant_is_rejected() {
    assert!(
        !rivals(&["--serve", "chain", "no-such-contestant"])
            .status
            .success()
    );
}
