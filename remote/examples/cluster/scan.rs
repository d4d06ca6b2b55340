//! The walk: every regular file becomes a job, and the first ones run while the walk goes on.

use std::fs::Metadata;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use fast_async::{BoxError, CancelToken, Task, all};
use fast_async_remote::{Queue, Remote};
use walkdir::WalkDir;

use crate::hash::Checked;
use crate::report::{Problem, Report};
use crate::work::{HASH, Hashed, QUEUE, to_bytes};

/// A file that cannot be read is a result like any other, and stops nothing.
pub(crate) type Outcome = Result<Checked, Problem>;

/// `None`: it was interrupted. The jobs go on then.
pub(crate) fn scan(
    remote: &Remote,
    root: PathBuf,
    interrupt: &CancelToken,
) -> Result<Option<Report>, BoxError> {
    let queue = remote.queue(QUEUE);
    let mut report = Report::default();
    let mut tasks = Vec::new();
    for entry in WalkDir::new(&root) {
        if interrupt.is_cancelled() {
            return Ok(leave(tasks));
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(err) => {
                let path = err.path().unwrap_or(&root);
                report.problems.push(Problem::new(path, &err));
                continue;
            }
        };
        let kind = entry.file_type();
        if kind.is_file() {
            let found = entry.metadata().ok();
            tasks.push(checked(&queue, entry.into_path(), found.as_ref()));
        } else if kind.is_symlink() {
            report.links += 1;
        } else if !kind.is_dir() {
            report.special += 1;
        }
    }
    let total = tasks.len();
    // Shielded: an interrupt leaves the jobs alone.
    let every = all(tasks.into_iter().map(Task::shielded).collect::<Vec<_>>());
    let events = every.events();
    let every = Task::builder()
        .cancel_token(interrupt)
        .attempt(move || every);
    let shows = io::stderr().is_terminal();
    let mut told = Instant::now();
    for event in events {
        if let Some((done, _)) = event.progress()
            && shows
            && told.elapsed() > Duration::from_millis(100)
        {
            told = Instant::now();
            let _ = write!(io::stderr(), "\r{done} of {total} files ");
        }
    }
    if shows {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    match every.wait() {
        Ok(outcomes) => Ok(Some(report.complete(outcomes))),
        Err(err) if err.is_cancelled() => Ok(None),
        Err(err) => Err(err.into()),
    }
}

fn leave(tasks: Vec<Task<Outcome>>) -> Option<Report> {
    tasks.into_iter().for_each(Task::detach);
    None
}

/// The id of a job is the file as it is now: the same file is the same job, also when another
/// `submit` pushes it.
fn checked(queue: &Queue, path: PathBuf, found: Option<&Metadata>) -> Task<Outcome> {
    let push = queue.push(&HASH, to_bytes(&path)).id(id(&path, found));
    let file = path.clone();
    push.send()
        .then(move |hashed| match hashed {
            Ok(hashed) => Ok(done(path, &hashed)),
            Err(why) => Err(Problem::new(&path, &io::Error::other(why))),
        })
        .catch(move |err| Err(Problem::new(&file, &err)))
}

fn done(path: PathBuf, hashed: &Hashed) -> Checked {
    Checked {
        path,
        bytes: hashed.bytes,
        hash: blake3::Hash::from_bytes(hashed.hash),
        identity: hashed.identity,
    }
}

fn id(path: &Path, found: Option<&Metadata>) -> String {
    let size = found.map_or(0, Metadata::len);
    let time = found.and_then(|it| it.modified().ok());
    let time = time.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    let nanos = time.unwrap_or_default().as_nanos();
    format!("{size}:{nanos}:{}", hex(&to_bytes(path)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
