//! The house keeps its order: who may name what, who may use whom, and what a file looks like.
//!
//! It reads the sources as text. Comments and the tests inside the sources do not count, except where the text says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the ground up. A module may use those before its own line, and itself; those on one line may use each other.
const ORDER: &[&[&str]] = &[
    &["sync"],
    &["guard"],
    &["drop_queue"],
    &["error"],
    &["executor"],
    &["trace"],
    &["unhandled"],
    &["nesting"],
    &["thread_waker"],
    &["turning"],
    &["cancel"],
    &["dispatch"],
    &["pool"],
    &["cell"],
    &["promise", "task"],
    &["combine", "loop_queue"],
    &["unwind"],
    &["private"],
];

/// Uses that go up today: the file, and the module it uses.
const UPWARD: &[(&str, &str)] = &[];

/// What only `sync.rs`, and the files under `sync/`, may name.
const FOR_SYNC_ONLY: &[&str] = &[
    "std::sync",
    "parking_lot",
    "crossbeam_channel",
    "std::thread",
    "std::time::Instant",
    "core::sync",
];

/// What may be named elsewhere all the same: the file, and the text.
const NAMED_ELSEWHERE: &[(&str, &str)] = &[];

/// Lines that are no documentation: examples may be as many as help.
const LONGEST: usize = 400;

/// Files that are longer, and why.
const LONGER: &[(&str, &str)] = &[];

/// No file says these, not even in its comments.
const NEVER: &[&str] = &["todo!", "unimplemented!", "FIXME", "TODO", "XXX", "dbg!"];

struct File {
    /// Under `src`, with `/` between the parts.
    path: String,
    text: String,
    /// Without comments, strings and the tests at its end.
    code: String,
}

impl File {
    fn is_of_sync(&self) -> bool {
        self.path == "sync.rs" || self.path.starts_with("sync/")
    }

    /// Programs for the model checkers: tests, in files of their own.
    fn is_model(&self) -> bool {
        self.path.starts_with("model/")
    }

    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(read(&root, path));
            }
        }
    }
    assert!(files.len() > 20, "the sources are there");
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn read(root: &Path, path: PathBuf) -> File {
    let text = fs::read_to_string(&path).expect("a source file");
    let under = path.strip_prefix(root).expect("a path under src");
    let parts: Vec<_> = under.iter().map(|part| part.to_string_lossy()).collect();
    File {
        path: parts.join("/"),
        code: code(&text),
        text,
    }
}

/// The text without line comments, without what is in quotes, and without the tests at its end.
fn code(text: &str) -> String {
    let mut lines = Vec::new();
    let mut all = text.lines().peekable();
    while let Some(line) = all.next() {
        let is_test = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        if is_test
            && all
                .peek()
                .is_some_and(|next| next.starts_with("mod tests {"))
        {
            break;
        }
        lines.push(without_comment(line));
    }
    lines.join("\n")
}

fn without_comment(line: &str) -> String {
    let mut kept = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' if quoted => drop(chars.next()),
            '"' => quoted = !quoted,
            '/' if !quoted && chars.peek() == Some(&'/') => break,
            _ if quoted => {}
            other => kept.push(other),
        }
    }
    kept
}

/// Fails with all that is wrong, not just the first of it.
#[track_caller]
fn nothing_wrong(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn only_sync_names_locks_threads_and_clocks() {
    let mut wrong = Vec::new();
    let mut used = Vec::new();
    for file in sources() {
        if file.is_of_sync() || file.is_model() {
            continue;
        }
        for (number, line) in file.code.lines().enumerate() {
            let mut line = line.to_string();
            for exception in NAMED_ELSEWHERE {
                if exception.0 == file.path && line.contains(exception.1) {
                    line = line.replace(exception.1, "");
                    used.push(exception);
                }
            }
            for name in FOR_SYNC_ONLY.iter().filter(|name| line.contains(**name)) {
                wrong.push(format!("{}:{}: names {name}", file.path, number + 1));
            }
        }
    }
    for exception in NAMED_ELSEWHERE.iter().filter(|it| !used.contains(it)) {
        wrong.push(format!("{exception:?} is no exception any more"));
    }
    nothing_wrong(wrong);
}

/// The crate's names at its root, and the modules they come from.
fn exports(lib: &File) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for statement in lib.code.split(';') {
        let Some((_, path)) = statement.split_once("pub use ") else {
            continue;
        };
        let (module, names) = path.split_once("::").expect("a path");
        for name in names.split([',', '{', '}']) {
            let name = name.rsplit("::").next().unwrap_or_default().trim();
            if !name.is_empty() {
                exports.insert(name.to_string(), module.trim().to_string());
            }
        }
    }
    exports
}

/// The first names of the paths that begin with `crate::`.
fn first_names(code: &str) -> Vec<String> {
    let name_at = |text: &str| -> String {
        let end = text.find(|char: char| !char.is_alphanumeric() && char != '_');
        text[..end.unwrap_or(text.len())].to_string()
    };
    let mut names = Vec::new();
    for (place, _) in code.match_indices("crate::") {
        let rest = &code[place + "crate::".len()..];
        if !rest.starts_with('{') {
            names.push(name_at(rest));
            continue;
        }
        // A list: the names at its first level.
        let (mut depth, mut expects) = (0, false);
        for (at, char) in rest.char_indices() {
            match char {
                '{' => (depth, expects) = (depth + 1, true),
                '}' => depth -= 1,
                ',' => expects = true,
                _ if char.is_whitespace() => {}
                _ if expects => {
                    expects = false;
                    if depth == 1 {
                        names.push(name_at(&rest[at..]));
                    }
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

#[test]
fn imports_go_down() {
    let files = sources();
    let lib = files.iter().find(|file| file.path == "lib.rs");
    let exports = exports(lib.expect("lib.rs"));
    assert_eq!(exports.get("Task").map(String::as_str), Some("task"));
    let mut wrong = Vec::new();
    let mut used = Vec::new();
    for file in &files {
        if file.path == "lib.rs" || file.is_model() {
            continue;
        }
        let Some(own) = rank(file.module()) else {
            wrong.push(format!("{} has no place in the order", file.path));
            continue;
        };
        for name in first_names(&file.code) {
            let module = exports.get(&name).unwrap_or(&name);
            let exception = UPWARD
                .iter()
                .find(|(path, up)| *path == file.path && up == module);
            match rank(module) {
                _ if exception.is_some() => used.extend(exception),
                Some(theirs) if theirs <= own => {}
                Some(_) => wrong.push(format!("{} uses {module}, which is above it", file.path)),
                None => wrong.push(format!("{} uses {name}, of no known place", file.path)),
            }
        }
    }
    for exception in UPWARD.iter().filter(|it| !used.contains(it)) {
        wrong.push(format!("{exception:?} is no exception any more"));
    }
    wrong.dedup();
    nothing_wrong(wrong);
}

#[test]
fn the_order_is_that_of_the_map() {
    let files = sources();
    let lib = files
        .iter()
        .find(|file| file.path == "lib.rs")
        .expect("lib.rs");
    let known: Vec<&str> = ORDER.iter().flat_map(|line| line.iter().copied()).collect();
    let mut wrong = Vec::new();
    for line in lib.code.lines() {
        let name = line.trim().strip_prefix("mod ");
        let name = name.and_then(|name| name.strip_suffix(';'));
        if let Some(name) = name.filter(|name| *name != "model" && !known.contains(name)) {
            wrong.push(format!("{name} is not in the order"));
        }
    }
    let map: Vec<&str> = lib
        .text
        .lines()
        .filter(|line| line.starts_with("//   "))
        .collect();
    for module in &known {
        let as_file = format!("{module}.rs");
        let as_folder = format!("{module}/");
        if !map
            .iter()
            .any(|line| line.contains(&as_file) || line.contains(&as_folder))
        {
            wrong.push(format!("{module} is not on the map in lib.rs"));
        }
    }
    nothing_wrong(wrong);
}

#[test]
fn every_file_says_what_it_is_and_is_short() {
    let mut wrong = Vec::new();
    for file in sources() {
        let first = file.text.lines().next().unwrap_or_default();
        let head: Vec<&str> = file
            .text
            .lines()
            .take_while(|line| line.starts_with("//! "))
            .collect();
        if !first.starts_with("//! ") {
            wrong.push(format!("{} does not begin with its sentence", file.path));
        } else if !head.join(" ").trim_end().ends_with(['.', ':', '!', '?']) {
            wrong.push(format!("{}: its first words are no sentence", file.path));
        }
        let is_documentation = |line: &&str| {
            let line = line.trim_start();
            line.starts_with("///") || line.starts_with("//!")
        };
        let lines = file
            .text
            .lines()
            .filter(|line| !is_documentation(line))
            .count();
        let is_listed = LONGER.iter().any(|(path, _)| *path == file.path);
        if lines > LONGEST && !is_listed {
            wrong.push(format!("{} has {lines} lines", file.path));
        }
        if lines <= LONGEST && is_listed {
            wrong.push(format!("{} is short enough now", file.path));
        }
    }
    nothing_wrong(wrong);
}

#[test]
fn nothing_is_left_undone_or_unsafe() {
    let mut wrong = Vec::new();
    for file in sources() {
        for word in NEVER.iter().filter(|word| file.text.contains(**word)) {
            wrong.push(format!("{} says {word}", file.path));
        }
        let is_unsafe = |word: &str| word == "unsafe";
        let mut words = file
            .code
            .split(|char: char| !char.is_alphanumeric() && char != '_');
        if words.any(is_unsafe) {
            wrong.push(format!("{} is unsafe", file.path));
        }
    }
    nothing_wrong(wrong);
}

#[test]
fn the_reader_reads_as_it_should() {
    assert_eq!(without_comment("let a = \"// no\"; // yes"), "let a = ; ");
    let names = "use crate::{a::{b, c}, d};\nuse crate::e::F;\ncrate::G::h()";
    assert_eq!(first_names(names), ["a", "d", "e", "G"]);
    let tests = "mod a;\n#[cfg(all(test, not(loom)))]\nmod tests {\n    mod b;\n}\n";
    assert_eq!(code(tests), "mod a;");
}
