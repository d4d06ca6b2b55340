//! The tests agree with `docs/CONTRACT.md` and `docs/CASES.md`: each rule is cited by a test, and
//! each citation names a rule or a case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rules of the document, by name, with the files that it says check them.
fn rules() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("docs/CONTRACT.md")).expect("the contract");
    let mut rules = BTreeMap::new();
    for section in text.split("\n### ").skip(1) {
        let name = section.split_whitespace().next().expect("a rule's name");
        let checked_by = section.split("Checked by: ").nth(1).unwrap_or_default();
        let end = checked_by.find("\n\n").unwrap_or(checked_by.len());
        let files = checked_by[..end].split('`').skip(1).step_by(2);
        let files = files.map(str::to_owned).collect();
        assert!(
            rules.insert(name.to_owned(), files).is_none(),
            "{name} stands twice"
        );
    }
    rules
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `cited` finds in a line, and the files in which it does.
fn citations(cited_in: fn(&str) -> Vec<String>) -> BTreeMap<String, BTreeSet<String>> {
    let mut cited: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut folders: Vec<PathBuf> = ["tests", "src"].map(|name| root().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("tests/contract.rs") {
                // Its strings would count as citations.
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let file = path.strip_prefix(root()).expect("a path of ours");
                let file = file.to_string_lossy().replace('\\', "/");
                for rule in text.lines().flat_map(cited_in) {
                    cited.entry(rule).or_default().insert(file.clone());
                }
            }
        }
    }
    cited
}

/// The rules that a line cites: `// Contract: D2, W1`. Prose may follow.
fn cited_in(line: &str) -> Vec<String> {
    names_after(line, "Contract: ", |name| {
        let digits = name.trim_start_matches(|char: char| char.is_ascii_uppercase());
        digits.len() + 1 == name.len() && is_number(digits)
    })
}

/// The cases that a line cites: `// Case: 8, 29`.
fn cases_in(line: &str) -> Vec<String> {
    names_after(line, "Case: ", is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_digit())
}

fn names_after(line: &str, mark: &str, is_name: impl Fn(&str) -> bool) -> Vec<String> {
    let Some((_, rest)) = line.split_once(mark) else {
        return Vec::new();
    };
    let names = rest.split(", ").map(|name| {
        let end = name.find(|char: char| !char.is_ascii_alphanumeric());
        &name[..end.unwrap_or(name.len())]
    });
    let names = names.take_while(|name| is_name(name));
    names.map(str::to_owned).collect()
}

#[test]
fn every_rule_has_a_test_and_every_citation_a_rule() {
    let (rules, mut citations) = (rules(), citations(cited_in));
    let mut wrong = Vec::new();
    for (rule, files) in &citations {
        if !rules.contains_key(rule) {
            wrong.push(format!("{rule} is cited in {files:?}, and is no rule"));
        }
    }
    // Sources may refer to a rule, but only tests and models check it.
    for files in citations.values_mut() {
        files.retain(|file| file.starts_with("tests/") || file.starts_with("src/model/"));
    }
    for (rule, listed) in &rules {
        match citations.get(rule) {
            None => wrong.push(format!("no test cites {rule}")),
            Some(files) if files.is_empty() => wrong.push(format!("no test cites {rule}")),
            Some(files) if files != listed => {
                let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
                wrong.push(format!(
                    "{rule}, in docs/CONTRACT.md: Checked by: {}",
                    files.join(", ")
                ));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_case_that_is_cited_is_listed() {
    let text = fs::read_to_string(root().join("docs/CASES.md")).expect("the cases");
    let numbers = text.lines().filter_map(|line| line.split_once(". "));
    let listed: BTreeSet<&str> = numbers.map(|(number, _)| number).collect();
    assert!(listed.len() > 60, "{listed:?}");
    for (case, files) in citations(cases_in) {
        assert!(
            listed.contains(&*case),
            "no case {case}, cited in {files:?}"
        );
    }
}

#[test]
fn citations_are_read_as_they_are_written() {
    assert_eq!(cited_in("    // Contract: D2, W1"), ["D2", "W1"]);
    assert_eq!(cited_in("/// .. without recursing (Contract: D2):"), ["D2"]);
    assert_eq!(cited_in("// Contract: D2, also before it"), ["D2"]);
    assert_eq!(cited_in("// The contract has it."), [""; 0]);
    assert_eq!(cases_in("// Case: 8, 29. Prose"), ["8", "29"]);
}
