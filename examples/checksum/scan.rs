//! The scan, a task: every regular file becomes a task of its own, and the first ones run while the
//! walk goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fast_async::{CancelToken, Task, TaskContext, all, attempt};
use walkdir::WalkDir;

use crate::args::Args;
use crate::hash::{Checked, hash_file};
use crate::report::{Problem, Report};

/// A file that cannot be read is a result like any other, and stops nothing.
pub(crate) type Outcome = Result<Checked, Problem>;

/// Its progress is in bytes; the total is 0 until the walk is over.
pub(crate) fn scan(args: Args, interrupt: &CancelToken) -> Task<Report> {
    let builder = Task::builder().name("scan").cancel_token(interrupt);
    builder.attempt_with(move |ctx| {
        let mut report = Report::default();
        let tasks = walk(&args, ctx, &mut report);
        all(tasks).then(|outcomes| report.complete(outcomes))
    })
}

fn walk(args: &Args, ctx: &TaskContext, report: &mut Report) -> Vec<Task<Outcome>> {
    let tally = Arc::new(Tally::new(ctx));
    let mut tasks = Vec::new();
    let mut told = Instant::now();
    for entry in WalkDir::new(&args.root).same_file_system(args.one_file_system) {
        if ctx.is_cancelled() {
            break;
        }
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
            tally.found(size);
            tasks.push(checked(entry.into_path(), tally.clone()));
        } else if kind.is_symlink() {
            report.links += 1;
        } else if !kind.is_dir() {
            report.special += 1;
        }
        if told.elapsed() > Duration::from_millis(100) {
            told = Instant::now();
            ctx.message(format!("{} files,", tasks.len()));
        }
    }
    tally.walked();
    tasks
}

/// The task holds only a path until it starts, then an open file and a buffer.
fn checked(path: PathBuf, tally: Arc<Tally>) -> Task<Outcome> {
    let file = path.clone();
    attempt(move || Ok(hash_file(file, |bytes| tally.hashed(bytes))?))
        .then(Ok)
        .catch(move |err| Err(Problem::new(&path, &err)))
}

/// How many bytes were found and hashed: the progress of the scan.
struct Tally {
    scan: TaskContext,
    found: AtomicU64,
    hashed: AtomicU64,
    is_walked: AtomicBool,
}

impl Tally {
    fn new(scan: &TaskContext) -> Tally {
        Tally {
            scan: scan.clone(),
            found: AtomicU64::new(0),
            hashed: AtomicU64::new(0),
            is_walked: AtomicBool::new(false),
        }
    }

    fn found(&self, size: u64) {
        self.found.fetch_add(size, Ordering::Relaxed);
    }

    fn hashed(&self, bytes: u64) {
        self.report(self.hashed.fetch_add(bytes, Ordering::Relaxed) + bytes);
    }

    fn walked(&self) {
        self.is_walked.store(true, Ordering::Release);
        self.report(self.hashed.load(Ordering::Relaxed));
    }

    fn report(&self, hashed: u64) {
        let total = match self.is_walked.load(Ordering::Acquire) {
            true => self.found.load(Ordering::Relaxed),
            false => 0,
        };
        self.scan.progress(hashed, total);
    }
}
