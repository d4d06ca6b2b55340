//! Every regular file becomes a task, and the first ones run while the walk goes on.

use std::path::PathBuf;

use fast_async::{Task, attempt};
use indicatif::ProgressBar;
use walkdir::WalkDir;

use crate::args::Args;
use crate::hash::{Checked, hash_file};
use crate::report::{Problem, Report};

/// A file that cannot be read is a result like any other, and stops nothing.
pub(crate) type Outcome = Result<Checked, Problem>;

pub(crate) fn walk(args: &Args, bar: &ProgressBar, report: &mut Report) -> Vec<Task<Outcome>> {
    let mut tasks = Vec::new();
    for entry in WalkDir::new(&args.root).same_file_system(args.one_file_system) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(err) => {
                let path = err.path().unwrap_or(&args.root);
                report.problems.push(Problem::new(path, &err));
                continue;
            }
        };
        let kind = match entry.depth() {
            0 => args.root_kind,
            _ => entry.file_type(),
        };
        if kind.is_file() {
            let size = entry.metadata().map_or(0, |found| found.len());
            tasks.push(checked(entry.into_path(), size, bar));
        } else if kind.is_symlink() {
            report.links += 1;
        } else if !kind.is_dir() {
            report.special += 1;
        }
    }
    tasks
}

/// The task holds only a path until it starts, then an open file and a buffer.
fn checked(path: PathBuf, size: u64, bar: &ProgressBar) -> Task<Outcome> {
    let file = path.clone();
    let hashing = attempt(move || Ok(hash_file(file)?));

    bar.inc_length(size);
    let bar = bar.clone();
    hashing.on_settled(move |_| bar.inc(size));

    hashing
        .then(Ok)
        .catch(move |err| Err(Problem::new(&path, &err)))
}
