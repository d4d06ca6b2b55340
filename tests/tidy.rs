//! The sources keep their order: which names a file may use, which files it may import, and what it
//! looks like.
//!
//! The files are parsed with `syn`. Comments, strings and the tests inside the sources do not
//! count, except in tests that name them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

/// The modules from the ground up. A module may use itself and the modules on earlier lines;
/// modules on one line may use each other.
const ORDER: &[&[&str]] = &[
    &["sync"],
    &["limits"],
    &["room"],
    &["guard"],
    &["drop_queue"],
    &["locals"],
    &["trace"],
    &["error"],
    &["executor"],
    &["unhandled"],
    &["flat"],
    &["nesting"],
    &["thread_waker"],
    &["turning"],
    &["timer"],
    &["event"],
    &["cancel"],
    &["dispatch"],
    &["pool"],
    &["cell"],
    &["promise", "task"],
    &["combine", "flow", "loop_queue"],
    &["future"],
    &["time"],
    &["retry"],
    &["group"],
    &["queue"],
    &["topic"],
    &["cache"],
    &["listen"],
    &["unwind"],
    &["prelude"],
    &["private"],
];

/// Uses that go up today: the file, and the module it uses.
const UPWARD: &[(&str, &str)] = &[];

/// Files that import each other: each circle, sorted. A circle may go, none may come.
const CIRCLES: &[&[&str]] = &[
    // A cell holds steps, and a step may hold a cell: docs/DESIGN.md, "Why do eight files of
    // `cell` name each other?".
    &[
        "cell/shell.rs",
        "cell/state.rs",
        "cell/state/interrupt.rs",
        "cell/state/stopped.rs",
        "cell/step.rs",
        "cell/steps/list.rs",
        "cell/steps/mod.rs",
        "cell/upstream.rs",
    ],
];

/// What only `sync.rs`, and the files under `sync/`, may name.
const FOR_SYNC_ONLY: &[&str] = &[
    "std::sync",
    "parking_lot",
    "crossbeam_channel",
    "std::thread",
    "std::time::Instant",
    "core::sync",
];

/// Lines that are no documentation: examples may be as many as help.
const LONGEST: usize = 400;

/// Files that are longer, and why.
const LONGER: &[(&str, &str)] = &[];

/// The widest line of a document or a comment. Tables and addresses may be wider.
const WIDEST: usize = 100;

/// No file says these, not even in its comments.
const NEVER: &[&str] = &["todo!", "unimplemented!", "FIXME", "TODO", "XXX", "dbg!"];

struct File {
    /// Under `src`, with `/` between the parts.
    path: String,
    text: String,
    parsed: syn::File,
}

impl File {
    /// The items that are no tests, without comments.
    fn tokens(&self) -> TokenStream {
        tokens(&self.parsed)
    }

    fn is_of_sync(&self) -> bool {
        self.path == "sync.rs" || self.path.starts_with("sync/")
    }

    /// Programs for the model checkers: tests, in files of their own.
    fn is_model(&self) -> bool {
        self.path.starts_with("model/")
    }

    /// The path of its module, without the crate's.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let parts = path.split('/').filter(|part| *part != "lib");
        parts.collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `folder` that end so.
fn files_below(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        // Programs that do not compile: their lines are numbered in what the compiler says.
        if path.ends_with("tests/ui") {
            continue;
        }
        if path.is_dir() {
            found.extend(files_below(&path, end));
        } else if path.extension().is_some_and(|is| is == end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<File> {
    let root = root().join("src");
    let files: Vec<File> = files_below(&root, "rs")
        .into_iter()
        .map(|path| read(&root, &path))
        .collect();
    assert!(files.len() > 20, "the sources are there");
    files
}

fn read(root: &Path, path: &Path) -> File {
    let text = fs::read_to_string(path).expect("a source file");
    let under = path.strip_prefix(root).expect("a path under src");
    let parts: Vec<_> = under.iter().map(|part| part.to_string_lossy()).collect();
    File {
        path: parts.join("/"),
        parsed: syn::parse_file(&text).expect("a source file parses"),
        text,
    }
}

fn tokens(file: &syn::File) -> TokenStream {
    let items = file.items.iter().filter(|item| !is_test(item));
    items.map(ToTokens::to_token_stream).collect()
}

fn is_test(item: &syn::Item) -> bool {
    let syn::Item::Mod(module) = item else {
        return false;
    };
    module.attrs.iter().any(|attribute| {
        let said = attribute.to_token_stream().to_string().replace(' ', "");
        said.starts_with("#[cfg(test)") || said.starts_with("#[cfg(all(test")
    })
}

/// The paths in a source, of at least two names. Each path of a `use` list counts by itself.
fn paths(tokens: TokenStream) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    collect_paths(tokens, &[], &mut found);
    found
}

/// `prefix` is the path in front of the braces whose content is in `tokens`.
fn collect_paths(tokens: TokenStream, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = prefix.to_vec();
    // Colons since the last name.
    let mut colons = 0;
    let end = |path: &mut Vec<String>, found: &mut Vec<Vec<String>>| {
        if path.len() > prefix.len().max(1) {
            found.push(path.clone());
        }
        path.truncate(prefix.len());
    };
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if colons != 2 {
                    end(&mut path, found);
                }
                path.push(name.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && colons == 2 => {
                collect_paths(group.stream(), &path, found);
                path.truncate(prefix.len());
                colons = 0;
            }
            TokenTree::Group(group) => {
                end(&mut path, found);
                collect_paths(group.stream(), &[], found);
                colons = 0;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                end(&mut path, found);
                colons = 0;
            }
        }
    }
    end(&mut path, found);
}

/// Fails with all that is wrong, not just the first of it.
#[track_caller]
fn nothing_wrong(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn only_sync_names_locks_threads_and_clocks() {
    let mut wrong = Vec::new();
    for file in sources() {
        if file.is_of_sync() || file.is_model() {
            continue;
        }
        for path in paths(file.tokens()) {
            let path = path.join("::");
            let is_in = |name: &&&str| path == **name || path.starts_with(&format!("{name}::"));
            if FOR_SYNC_ONLY.iter().any(|name| is_in(&name)) {
                wrong.push(format!("{} names {path}", file.path));
            }
        }
    }
    nothing_wrong(wrong);
}

/// The files by module, and where names that are exported again come from.
struct Tree {
    files: BTreeMap<Vec<String>, String>,
    /// By the module that exports and the name, the path that it exports.
    exports: BTreeMap<(Vec<String>, String), Vec<String>>,
}

impl Tree {
    fn new(sources: &[File]) -> Tree {
        let owned = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect();
        let mut tree = Tree {
            files: BTreeMap::new(),
            exports: BTreeMap::new(),
        };
        for file in sources {
            tree.files.insert(owned(file.module()), file.path.clone());
        }
        for file in sources {
            let module: Vec<String> = owned(file.module());
            for item in &file.parsed.items {
                let syn::Item::Use(import) = item else {
                    continue;
                };
                if matches!(import.vis, syn::Visibility::Inherited) {
                    continue;
                }
                for path in paths(import.tree.to_token_stream()) {
                    let name = path.last().expect("a path has a name").clone();
                    tree.exports.insert((module.clone(), name), path);
                }
            }
        }
        tree
    }

    /// The file that defines what `path` names in `module`; `None`: it is of no file of ours.
    fn file(&self, module: &[String], path: &[String]) -> Option<&String> {
        let mut at = module.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => at.clear(),
            "self" | "super" => {}
            // A child of the module, or another crate.
            child => {
                at.push(child.to_owned());
                if !self.files.contains_key(&at) {
                    return None;
                }
            }
        }
        rest = &rest[1..];
        if path[0] == "super" {
            at.pop();
        }
        while let Some((name, further)) = rest.split_first() {
            if name == "super" {
                at.pop();
            } else {
                let mut child = at.clone();
                child.push(name.clone());
                if self.files.contains_key(&child) {
                    at = child;
                } else if let Some(path) = self.exports.get(&(at.clone(), name.clone())) {
                    return self.file(&at, path);
                } else {
                    break;
                }
            }
            rest = further;
        }
        self.files.get(&at)
    }
}

/// The files of ours that each file names.
fn imports(sources: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let tree = Tree::new(sources);
    let mut imports = BTreeMap::new();
    for file in sources.iter().filter(|file| !file.is_model()) {
        if file.path == "lib.rs" {
            continue;
        }
        let module: Vec<String> = file.module().into_iter().map(str::to_owned).collect();
        let mut targets = BTreeSet::new();
        for item in file.parsed.items.iter().filter(|item| !is_test(item)) {
            // What a file only exports again it does not use.
            if matches!(item, syn::Item::Use(import) if !matches!(import.vis, syn::Visibility::Inherited))
            {
                continue;
            }
            for path in paths(item.to_token_stream()) {
                targets.extend(tree.file(&module, &path).cloned());
            }
        }
        targets.remove(&file.path);
        targets.remove("lib.rs");
        imports.insert(file.path.clone(), targets);
    }
    imports
}

fn top(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or_default();
    first.trim_end_matches(".rs")
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

#[test]
fn imports_go_down() {
    let mut wrong = Vec::new();
    let mut used = Vec::new();
    for (file, targets) in imports(&sources()) {
        let Some(own) = rank(top(&file)) else {
            wrong.push(format!("{file} has no place in the order"));
            continue;
        };
        for target in targets {
            let module = top(&target);
            let exception = UPWARD
                .iter()
                .find(|(path, up)| *path == file && *up == module);
            match rank(module) {
                _ if exception.is_some() => used.extend(exception),
                Some(theirs) if theirs <= own => {}
                Some(_) => wrong.push(format!("{file} uses {target}, which is above it")),
                None => wrong.push(format!("{file} uses {target}, of no known place")),
            }
        }
    }
    for exception in UPWARD.iter().filter(|it| !used.contains(it)) {
        wrong.push(format!("{exception:?} is no exception any more"));
    }
    nothing_wrong(wrong);
}

/// The files that `from` needs, directly or by way of others.
fn reachable<'a>(
    imports: &'a BTreeMap<String, BTreeSet<String>>,
    from: &'a str,
) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut pending = vec![from];
    while let Some(file) = pending.pop() {
        for target in imports.get(file).into_iter().flatten() {
            if seen.insert(target.as_str()) {
                pending.push(target);
            }
        }
    }
    seen
}

#[test]
fn no_files_import_each_other() {
    let imports = imports(&sources());
    let needs: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|file| (file.as_str(), reachable(&imports, file)))
        .collect();
    let mut circles = BTreeSet::new();
    for (file, targets) in &needs {
        if targets.contains(file) {
            let back = |other: &&&str| needs[**other].contains(file);
            circles.insert(targets.iter().filter(back).copied().collect::<Vec<_>>());
        }
    }
    let known: BTreeSet<Vec<&str>> = CIRCLES.iter().map(|circle| circle.to_vec()).collect();
    let mut wrong = Vec::new();
    for circle in circles.difference(&known) {
        wrong.push(format!("these import each other: {circle:?}"));
        for file in circle {
            let within = imports[*file].iter().map(String::as_str);
            let within: Vec<&str> = within.filter(|target| circle.contains(target)).collect();
            wrong.push(format!("    {file} imports {within:?}"));
        }
    }
    for circle in known.difference(&circles) {
        wrong.push(format!("{circle:?} is no circle any more"));
    }
    nothing_wrong(wrong);
}

#[test]
fn the_order_is_that_of_the_map() {
    let lib = read(&root().join("src"), &root().join("src/lib.rs"));
    let known: Vec<&str> = ORDER.iter().flat_map(|line| line.iter().copied()).collect();
    let mut wrong = Vec::new();
    for item in &lib.parsed.items {
        if let syn::Item::Mod(module) = item
            && module.content.is_none()
        {
            let name = module.ident.to_string();
            let is_known = known.contains(&name.trim_start_matches('_'));
            if name != "model" && !is_known {
                wrong.push(format!("{name} is not in the order"));
            }
        }
    }
    let is_of_map = |line: &&str| line.starts_with("//   ");
    let map: Vec<&str> = lib.text.lines().filter(is_of_map).collect();
    for module in &known {
        let (file, folder) = (format!("{module}.rs"), format!("{module}/"));
        let names_it = |line: &&str| line.contains(&file) || line.contains(&folder);
        if !map.iter().any(names_it) {
            wrong.push(format!("{module} is not on the map in lib.rs"));
        }
    }
    nothing_wrong(wrong);
}

#[test]
fn every_file_says_what_it_is_and_is_short() {
    let mut wrong = Vec::new();
    for file in sources() {
        let is_head = |line: &&str| line.starts_with("//! ");
        let head: Vec<&str> = file.text.lines().take_while(is_head).collect();
        if head.is_empty() {
            wrong.push(format!("{} does not begin with its sentence", file.path));
        } else if !head.join(" ").trim_end().ends_with(['.', ':', '!', '?']) {
            wrong.push(format!("{}: its first words are no sentence", file.path));
        }
        let is_documentation = |line: &&str| {
            let line = line.trim_start();
            line.starts_with("///") || line.starts_with("//!")
        };
        let lines = file.text.lines().filter(|line| !is_documentation(line));
        let lines = lines.count();
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
fn lines_are_no_wider_than_a_page() {
    let mut texts: Vec<PathBuf> = ["src", "tests", "docs", "macros", "benches", "examples"]
        .iter()
        .flat_map(|folder| {
            let folder = root().join(folder);
            let mut files = files_below(&folder, "rs");
            files.extend(files_below(&folder, "md"));
            files
        })
        .collect();
    texts.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let mut wrong = Vec::new();
    for path in texts {
        let text = fs::read_to_string(&path).expect("a text");
        let is_source = path.extension().is_some_and(|end| end == "rs");
        for (number, line) in text.lines().enumerate() {
            if is_source && !line.trim_start().starts_with("//") {
                continue;
            }
            let start = line.trim_start_matches([' ', '/', '!']);
            let may = start.starts_with('|') || line.contains("://");
            if line.chars().count() > WIDEST && !may {
                let path = path.strip_prefix(root()).expect("a path of ours");
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    nothing_wrong(wrong);
}

/// Words without a subject that a reader can name: write which thread, task or step is meant.
const VAGUE: &[&str] = &[
    "whoever",
    "whatever",
    "nobody",
    "somebody",
    "for ever",
    "shall",
    "has its turn",
    "had its turn",
    "have their turn",
    "had their turn",
];

#[test]
fn sentences_name_their_subject() {
    let mut texts: Vec<PathBuf> = ["src", "tests", "docs", "macros/src", "benches", "examples"]
        .iter()
        .flat_map(|folder| {
            let folder = root().join(folder);
            let mut files = files_below(&folder, "rs");
            files.extend(files_below(&folder, "md"));
            files
        })
        .collect();
    texts.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    // This file lists them.
    texts.retain(|path| !path.ends_with("tests/tidy.rs"));
    let mut wrong = Vec::new();
    for path in texts {
        let text = fs::read_to_string(&path).expect("a text");
        for (number, line) in text.lines().enumerate() {
            let is_letter = |c: char| c.is_alphabetic();
            let words: Vec<String> = line
                .split(|c| !is_letter(c))
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect();
            let line = format!(" {} ", words.join(" "));
            for vague in VAGUE.iter().filter(|it| line.contains(&format!(" {it} "))) {
                let path = path.strip_prefix(root()).expect("a path of ours");
                wrong.push(format!("{}:{} says `{vague}`", path.display(), number + 1));
            }
        }
    }
    nothing_wrong(wrong);
}

/// Each file that a drawing names is in `src`.
#[test]
fn drawings_name_files_that_exist() {
    let mut wrong = Vec::new();
    for path in files_below(&root().join("docs/drawings"), "svg") {
        let text = fs::read_to_string(&path).expect("a text");
        let words = text.split(|c: char| !(c.is_alphanumeric() || "_/.".contains(c)));
        for file in words.filter(|word| word.ends_with(".rs")) {
            if !root().join("src").join(file).exists() {
                wrong.push(format!("{} names {file}", path.display()));
            }
        }
    }
    nothing_wrong(wrong);
}

/// Each chapter of the guide is in the book and in the documentation.
#[test]
fn every_chapter_of_the_guide_is_shown() {
    let chapters = root().join("docs/guide/src");
    let book = fs::read_to_string(chapters.join("SUMMARY.md")).expect("the list of chapters");
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("the crate");
    let mut wrong = Vec::new();
    for path in files_below(&chapters, "md") {
        let name = path.file_name().expect("a name").to_string_lossy();
        if name == "SUMMARY.md" {
            continue;
        }
        if !book.contains(&format!("]({name})")) {
            wrong.push(format!("SUMMARY.md has no line for {name}"));
        }
        if !lib.contains(&format!("page!(\"guide/src/{name}\")")) {
            wrong.push(format!("lib.rs has no page for {name}"));
        }
    }
    nothing_wrong(wrong);
}

/// What the links of a document lead to: `[text](target)`, and the definitions `[label]: target`
/// of `[text][label]`.
fn link_targets(text: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if is_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            targets.extend(rest.split_once(')').map(|it| it.0));
        }
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            targets.push(target);
        }
    }
    targets
}

#[test]
fn links_lead_to_files_that_exist() {
    let mut texts = files_below(&root().join("docs"), "md");
    texts.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in texts {
        let text = fs::read_to_string(&path).expect("a text");
        for target in link_targets(&text) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            count += 1;
            if !path.with_file_name(file).exists() {
                let path = path.strip_prefix(root()).expect("a path of ours");
                wrong.push(format!("{} links to {target}", path.display()));
            }
        }
    }
    assert!(count > 50, "links are found");
    nothing_wrong(wrong);
}

/// A public function or method that users call, with its attributes.
struct PublicFn<'a> {
    name: String,
    attributes: &'a [syn::Attribute],
}

/// The public functions of a file, its public inherent methods, and the methods of its public
/// traits. What is `doc(hidden)` is not for users.
fn public_functions(file: &syn::File) -> Vec<PublicFn<'_>> {
    let is_public = |vis: &syn::Visibility| matches!(vis, syn::Visibility::Public(_));
    let is_hidden = |attributes: &[syn::Attribute]| {
        let mut said = attributes.iter().map(|it| it.to_token_stream().to_string());
        said.any(|it| it.contains("doc (hidden)"))
    };
    let mut found = Vec::new();
    let mut note = |name: String, attributes| {
        if !is_hidden(attributes) {
            found.push(PublicFn { name, attributes });
        }
    };
    for item in &file.items {
        match item {
            syn::Item::Fn(it) if is_public(&it.vis) => note(it.sig.ident.to_string(), &it.attrs),
            syn::Item::Impl(block) if block.trait_.is_none() => {
                let of = block.self_ty.to_token_stream().to_string().replace(' ', "");
                for item in &block.items {
                    if let syn::ImplItem::Fn(it) = item
                        && is_public(&it.vis)
                    {
                        note(format!("{of}::{}", it.sig.ident), &it.attrs);
                    }
                }
            }
            syn::Item::Trait(block) if is_public(&block.vis) && !is_hidden(&block.attrs) => {
                for item in &block.items {
                    if let syn::TraitItem::Fn(it) = item {
                        note(format!("{}::{}", block.ident, it.sig.ident), &it.attrs);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The documentation of an item, as rustdoc reads it.
fn documentation(attributes: &[syn::Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(literal) = &pair.value
            && let syn::Lit::Str(line) = &literal.lit
        {
            text.push_str(&line.value());
            text.push('\n');
        }
    }
    text
}

/// Run with `--nocapture` for the count.
#[test]
fn every_public_function_has_an_example() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in sources() {
        if file.is_model() || file.is_of_sync() || file.path == "private.rs" {
            continue;
        }
        for function in public_functions(&file.parsed) {
            count += 1;
            if !documentation(function.attributes).contains("```") {
                wrong.push(format!("{}: {}", file.path, function.name));
            }
        }
    }
    println!("{count} public functions, {} without example", wrong.len());
    nothing_wrong(wrong);
}

#[test]
fn nothing_is_left_undone_or_unsafe() {
    let mut wrong = Vec::new();
    for file in sources() {
        for word in NEVER.iter().filter(|word| file.text.contains(**word)) {
            wrong.push(format!("{} says {word}", file.path));
        }
        if has_ident(file.tokens(), "unsafe") {
            wrong.push(format!("{} is unsafe", file.path));
        }
    }
    nothing_wrong(wrong);
}

/// A planted bug, as `.ci/planted` applies it.
struct Planted {
    name: String,
    /// The lines before the first hunk.
    head: Vec<String>,
    /// By file: the lines that a hunk expects, and those that it leaves.
    hunks: Vec<(String, [String; 2])>,
}

impl Planted {
    fn read(path: &Path) -> Planted {
        let text = fs::read_to_string(path).expect("a patch");
        let mut planted = Planted {
            name: path.file_stem().expect("a name").to_string_lossy().into(),
            head: Vec::new(),
            hunks: Vec::new(),
        };
        let mut file = None;
        for line in text.lines() {
            if let Some(path) = line.strip_prefix("--- a/") {
                file = Some(path);
            } else if let Some(file) = file {
                if line.starts_with("@@ ") {
                    planted.hunks.push((file.to_owned(), Default::default()));
                } else if let Some((_, [before, after])) = planted.hunks.last_mut()
                    && !line.starts_with("+++ b/")
                {
                    let (sign, line) = line.split_at(line.len().min(1));
                    let is_in = |hunk: &mut String, other| {
                        if sign != other {
                            *hunk += line;
                            hunk.push('\n');
                        }
                    };
                    is_in(before, "+");
                    is_in(after, "-");
                }
            } else {
                planted.head.push(line.to_owned());
            }
        }
        planted
    }

    /// What is wrong with the patch, as the sources are now.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let models = self.head.iter().filter_map(|line| {
            let (checker, model) = line.strip_prefix("Found by: ")?.split_once(' ')?;
            let (module, name) = model.split_once("::")?;
            let path = root().join(format!("src/model/{module}.rs"));
            let text = fs::read_to_string(path).unwrap_or_default();
            let is_there = text.contains(&format!("fn {name}()"));
            Some(is_there && ["loom", "shuttle"].contains(&checker))
        });
        let models: Vec<bool> = models.collect();
        if models.is_empty() || models.contains(&false) {
            wrong.push("names no model, or none that is there".to_owned());
        }
        if !self.head.first().is_some_and(|line| line.ends_with('.')) {
            wrong.push("does not begin with the sentence that says what is wrong".to_owned());
        }
        if self.hunks.is_empty() {
            wrong.push("changes nothing".to_owned());
        }
        for (file, [before, after]) in &self.hunks {
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            // Whole lines, and once: elsewhere it would be another bug.
            let count = format!("\n{text}").matches(&format!("\n{before}")).count();
            if count != 1 || before == after {
                wrong.push(format!(
                    "does not apply to {file}: found {count} times\n{before}"
                ));
            }
        }
        wrong
    }
}

#[test]
fn every_planted_bug_can_be_planted() {
    let mut wrong = Vec::new();
    let patches = files_below(&root().join(".ci/planted.d"), "patch");
    assert!(patches.len() > 20, "the patches are there");
    for planted in patches.iter().map(|path| Planted::read(path)) {
        let name = &planted.name;
        wrong.extend(planted.wrong().iter().map(|it| format!("{name} {it}")));
    }
    nothing_wrong(wrong);
}

fn has_ident(tokens: TokenStream, wanted: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == wanted,
        TokenTree::Group(group) => has_ident(group.stream(), wanted),
        _ => false,
    })
}

#[test]
fn the_reader_reads_as_it_should() {
    let found = |text: &str| -> Vec<String> {
        let file = syn::parse_file(text).expect("a text parses");
        let paths = paths(tokens(&file)).into_iter();
        paths.map(|path| path.join("::")).collect()
    };
    assert_eq!(
        found(
            "use crate::{a::{b, c}, d};\nuse super::e::F;\nfn f() { crate::G::h(\"x::y\") } // i::j"
        ),
        [
            "crate::a::b",
            "crate::a::c",
            "crate::d",
            "super::e::F",
            "crate::G::h"
        ]
    );
    let tests = "use a::b;\n#[cfg(all(test, not(loom)))]\nmod tests {\n    use c::d;\n}\n";
    assert_eq!(found(tests), ["a::b"]);
    let in_a_macro = "crate::sync::statics! { static A: crate::b::C = x::y(); }";
    assert_eq!(
        found(in_a_macro),
        ["crate::sync::statics", "crate::b::C", "x::y"]
    );
}
