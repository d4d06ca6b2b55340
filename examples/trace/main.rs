//! Counts words with a chain of tasks for each file, and writes a trace of it for Perfetto.
//!
//! ```sh
//! cargo run --release -p examples --features trace --example trace -- --output trace.json src
//! ```
//!
//! Open <https://ui.perfetto.dev> and drop `trace.json` onto the page; or open `chrome://tracing`
//! in Chromium, and load it there. Each thread has a row. A slice `chain` is a time in which a
//! closure of a file's chain ran there, and the slices in it are its steps. Select one: arrows lead
//! from it to the closure that continued it, mostly on another thread.
//!
//! A program of your own needs three things for that:
//!
//! - a subscriber: `tracing_chrome`'s layer, as in `main`;
//! - a span for each chain, in which the chain is made: every closure then runs in it, on whichever
//!   thread that is, see `words_of`;
//! - a span for each step that is to be seen, see `read` and `count`. A task with a
//!   [name](fast_async::TaskBuilder::name) has one of its own.
//!
//! `tracing_chrome` writes spans, not arrows: `arrows.rs` adds these.

mod arrows;
mod words;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fast_async::{BoxError, all_settled};
use lexopt::prelude::{Long, Short, Value};
use tracing_chrome::ChromeLayerBuilder;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use walkdir::WalkDir;

use words::{Words, words_of};

const HELP: &str = "\
Count the words of all files below a directory, and write a trace of it.

Usage: trace [OPTIONS] [PATH]

  PATH               a directory, or one file (default: the current directory)
  -o, --output FILE  write the trace to FILE (default: trace.json)
  -h, --help         print this help

Drop the trace onto https://ui.perfetto.dev, or load it in chrome://tracing.

Exit status: 0 all is well, 1 something could not be read or written,
2 the command line makes no sense.
";

fn main() -> ExitCode {
    let args = match parse_args() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(err) => {
            eprintln!("trace: {err} (try --help)");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("trace: {err}");
            ExitCode::FAILURE
        }
    }
}

struct Args {
    root: PathBuf,
    output: PathBuf,
}

/// `None` when the help text is wanted.
fn parse_args() -> Result<Option<Args>, lexopt::Error> {
    let mut root = None;
    let mut output = PathBuf::from("trace.json");
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Short('o') | Long("output") => output = parser.value()?.into(),
            Value(path) if root.is_none() => root = Some(PathBuf::from(path)),
            other => return Err(other.unexpected()),
        }
    }
    let root = root.unwrap_or_else(|| ".".into());
    Ok(Some(Args { root, output }))
}

/// False when a file could not be read.
fn run(args: &Args) -> Result<bool, BoxError> {
    // The layer would panic, on another thread, if it could not create the file.
    File::create(&args.output).map_err(|err| format!("{}: {err}", args.output.display()))?;
    let (layer, writer) = ChromeLayerBuilder::new()
        .file(&args.output)
        .include_args(true)
        .build();
    tracing_subscriber::registry().with(layer).init();

    let tree = Tree::count(&args.root)?;
    // Writes what is left.
    drop(writer);
    let arrows = arrows::add(&args.output)?;

    for problem in &tree.problems {
        eprintln!("trace: {problem}");
    }
    let (files, words) = (tree.files, tree.words.total());
    println!("files   {files}\nwords   {words}\narrows  {arrows}");
    for (word, count) in tree.words.most(5) {
        println!("{count:>7} {word}");
    }
    Ok(tree.problems.is_empty())
}

/// What was found below a directory.
#[derive(Default)]
struct Tree {
    files: usize,
    words: Words,
    problems: Vec<BoxError>,
}

impl Tree {
    /// Waits for the chains of all files.
    fn count(root: &Path) -> Result<Tree, BoxError> {
        let (mut tree, mut chains) = (Tree::default(), Vec::new());
        for entry in WalkDir::new(root).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    chains.push(words_of(entry.into_path()));
                }
                Ok(_) => {}
                Err(err) => tree.problems.push(err.into()),
            }
        }
        tree.files = chains.len();
        for outcome in all_settled(chains).wait()? {
            match outcome {
                Ok(words) => tree.words.merge(words),
                Err(err) => tree.problems.push(err.into()),
            }
        }
        Ok(tree)
    }
}
