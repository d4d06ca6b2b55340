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
    let said = said(rivals(&[
        "--short",
        "--rust-only",
        "--only",
        "chain,late",
        "--json",
    ]));
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
fn contestants_in_other_languages_take_part_where_their_tools_are() {
    let output = rivals(&["--short", "--only", "fanout", "--json"]);
    let missing = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = said(output);
    for (tool, name) in [
        ("java", "JVM CompletableFuture"),
        ("node", "Node"),
        ("go", "Go"),
    ] {
        let takes_part = said.contains(&format!("\"name\": \"{name}\""));
        let is_missing = missing.contains(&format!("no `{tool}` here"));
        assert!(takes_part != is_missing, "{name}: {missing}");
    }
    let said = self::said(rivals(&[
        "--short",
        "--rust-only",
        "--only",
        "fanout",
        "--json",
    ]));
    assert!(!said.contains("other language"), "{said}");
}

#[test]
fn each_heap_has_its_table() {
    let args = [
        "--short",
        "--rust-only",
        "--only",
        "late",
        "--heap",
        "default,kept",
    ];
    let said = said(rivals(&args));
    assert!(
        said.contains("ns per continuation, the C library's heap as it comes"),
        "{said}"
    );
    assert!(
        said.contains("ns per continuation, the C library's heap, kept"),
        "{said}"
    );
    assert_eq!(
        said.matches("With the C library's heap").count(),
        2,
        "{said}"
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
