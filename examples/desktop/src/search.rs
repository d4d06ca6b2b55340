//! A search, a task: reads every file below a directory, a few at a time, and hands out the lines
//! that it finds as they come.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fast_async::{BoxError, Task, TaskContext, attempt_with, map_limit};
use walkdir::WalkDir;

/// How many files are read at a time.
const AT_ONCE: usize = 4;
/// A longer line is cut, in characters.
const WIDEST: usize = 200;
/// Lines between two looks whether the search is still wanted.
const LINES_PER_LOOK: usize = 1000;

/// A line with the text.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Relative to the directory.
    pub(crate) file: PathBuf,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) files: usize,
    pub(crate) hits: usize,
    /// Files and directories that cannot be read.
    pub(crate) unreadable: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines in {} files", self.hits, self.files)?;
        match self.unreadable {
            0 => Ok(()),
            unreadable => write!(f, ", {unreadable} could not be read"),
        }
    }
}

/// Searches for `needle` below `root`. Calls `found` on a thread of the pool with the hits of each
/// file that has some. The progress of the task is in files; while it looks for them, its messages
/// say how many there are so far.
pub(crate) fn search(
    root: PathBuf,
    needle: String,
    found: impl Fn(Vec<Hit>) + Send + Sync + 'static,
) -> Task<Summary> {
    attempt_with(move |ctx| {
        let (files, unreadable) = match files_below(&root, ctx) {
            Ok(found) => found,
            Err(error) => return Task::failed(error),
        };
        let total = files.len() as u64;
        let (ctx, read) = (ctx.clone(), Arc::new(AtomicU64::new(0)));
        let hits_of = move |file: PathBuf| {
            let hits = hits(&root, &file, &needle, &ctx);
            ctx.check()?;
            ctx.progress(read.fetch_add(1, Ordering::Relaxed) + 1, total);
            Ok(hits.ok().map(|hits| {
                let count = hits.len();
                if count > 0 {
                    found(hits);
                }
                count
            }))
        };
        map_limit(files, AT_ONCE, hits_of).then(move |counts| Summary {
            files: counts.len(),
            hits: counts.iter().flatten().sum(),
            unreadable: unreadable + counts.iter().filter(|count| count.is_none()).count(),
        })
    })
}

/// The regular files, and how many directories cannot be read.
fn files_below(root: &Path, ctx: &TaskContext) -> Result<(Vec<PathBuf>, usize), BoxError> {
    let (mut files, mut unreadable) = (Vec::new(), 0);
    for entry in WalkDir::new(root) {
        ctx.check()?;
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) if error.depth() == 0 => return Err(error.into()),
            Err(_) => unreadable += 1,
        }
        ctx.message(format!("{} files", files.len()));
    }
    Ok((files, unreadable))
}

/// The lines of a file with the text; none of a file that is not text. Ends early when the search
/// is cancelled.
fn hits(root: &Path, file: &Path, needle: &str, ctx: &TaskContext) -> io::Result<Vec<Hit>> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut hits = Vec::new();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let is_cancelled = line % LINES_PER_LOOK == 0 && ctx.is_cancelled();
        if is_cancelled || reader.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.contains(&0) {
            return Ok(Vec::new());
        }
        let text = String::from_utf8_lossy(&bytes);
        if text.contains(needle) {
            hits.push(Hit {
                file: file.strip_prefix(root).unwrap_or(file).to_owned(),
                line,
                text: text.trim().chars().take(WIDEST).collect(),
            });
        }
    }
    Ok(hits)
}
