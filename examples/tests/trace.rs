//! The `trace` example: what it writes is a trace that viewers can read.

#[allow(dead_code, reason = "this binary uses a part of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;
use support::{Ran, TempDir, line, program, run};

fn trace(folder: &TempDir, args: &[&str]) -> Ran {
    let mut command = Command::new(program("trace"));
    run(command.args(args).current_dir(folder.path()))
}

#[test]
fn each_closure_of_a_chain_is_a_slice_and_arrows_join_them() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("texts")).unwrap();
    for (name, text) in [("a", "one two two"), ("b", "two, three."), ("c", "")] {
        fs::write(folder.path().join("texts").join(name), text).unwrap();
    }
    let ran = trace(&folder, &["texts"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(
        (line(&ran.stdout, "files"), line(&ran.stdout, "words")),
        ("3", "5")
    );
    assert!(
        ran.stdout
            .contains("      3 two\n      1 one\n      1 three\n"),
        "{ran:?}"
    );

    let trace = fs::read(folder.path().join("trace.json")).unwrap();
    let events: Vec<Value> = serde_json::from_slice(&trace).unwrap();
    let mut open: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    let mut steps: BTreeMap<&str, usize> = BTreeMap::new();
    let mut arrows: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for event in &events {
        let (thread, name) = (event["tid"].as_u64(), event["name"].as_str());
        match event["ph"].as_str().unwrap() {
            "B" => {
                let outer = open.entry(thread.unwrap()).or_default();
                assert_eq!(outer.is_empty(), name == Some("chain"), "{event}");
                outer.push(name.unwrap());
                *steps.entry(name.unwrap()).or_default() += 1;
            }
            "E" => drop(open.get_mut(&thread.unwrap()).unwrap().pop().unwrap()),
            "s" | "f" => {
                let ends = arrows.entry(event["id"].as_u64().unwrap()).or_default();
                ends.insert(event["ph"].as_str().unwrap());
            }
            _ => {}
        }
    }
    assert!(open.values().all(Vec::is_empty), "each slice ends");
    assert_eq!((steps["read"], steps["count"], steps["merge"]), (3, 6, 3));
    assert!(
        arrows.values().all(|ends| ends.len() == 2),
        "from one slice to another"
    );
    let count = arrows.len().to_string();
    assert_eq!(line(&ran.stdout, "arrows"), count);
    // From a reading to each counting at least.
    assert!(arrows.len() >= 6, "{count}");
}

#[test]
fn what_cannot_be_read_or_written_is_said() {
    let folder = TempDir::new().unwrap();
    let ran = trace(&folder, &["missing"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("missing"), "{ran:?}");
    let ran = trace(&folder, &["--output", "no/such/folder"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.starts_with("trace: no/such/folder: "), "{ran:?}");
    for args in [&["a", "b"][..], &["--frobnicate"], &["--output"]] {
        let ran = trace(&folder, args);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
    let ran = trace(&folder, &["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("--output"));
}
