//! The subscriber that waits until nothing changes any more, and hashes what has changed.

use std::collections::BTreeSet;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fast_async::topic::{Overflow, Topic};
use fast_async::{BoxError, Task, attempt, map_limit};
use walkdir::{DirEntry, WalkDir};

use crate::args::Args;
use crate::hash::hash_file;
use crate::print::{complain, print};
use crate::shown::{listed, shown};
use crate::watch::{Change, What};

#[derive(Default)]
pub(crate) struct Hashed {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) failed: u64,
}

/// Returns a task that ends with the topic.
pub(crate) fn rehash(changes: &Topic<Change>, args: &Args) -> Task<Hashed> {
    let dirty: Arc<Mutex<BTreeSet<PathBuf>>> = Arc::default();
    let marked = dirty.clone();
    changes.subscribe(move |change| {
        let mut dirty = marked.lock().expect("nothing panics with the lock");
        match change.what {
            What::Created | What::Changed => dirty.insert(change.path.clone()),
            What::Removed => dirty.remove(&change.path),
            What::Trouble => false,
        };
    });
    // One is enough: the paths are in the set.
    let quiet = changes
        .debounce(args.wait)
        .receiver(1, Overflow::DropOldest);
    let threads = args.threads;
    attempt(move || {
        let mut hashed = Hashed::default();
        for _ in quiet {
            let paths = mem::take(&mut *dirty.lock().expect("nothing panics with the lock"));
            hash(paths, threads, &mut hashed)?;
        }
        Ok(hashed)
    })
}

/// Hashes the files among these, and those in new directories: a file that comes together with its
/// directory may come before the system watches that.
fn hash(paths: BTreeSet<PathBuf>, threads: usize, hashed: &mut Hashed) -> Result<(), BoxError> {
    let below = paths.iter().flat_map(WalkDir::new).filter_map(Result::ok);
    let files = below.filter(|entry| entry.file_type().is_file());
    let files: BTreeSet<PathBuf> = files.map(DirEntry::into_path).collect();
    let outcomes = map_limit(files, threads, |path| {
        let outcome = hash_file(path.clone(), |_| {});
        Ok(outcome.map_err(|err| (path, err)))
    });
    for outcome in outcomes.wait()? {
        match outcome {
            Ok(file) => {
                hashed.files += 1;
                hashed.bytes += file.bytes;
                print(|out| listed(out, &file.hash, &file.path))?;
            }
            Err((path, err)) if path.exists() => {
                hashed.failed += 1;
                complain(format_args!("{}: {err}", shown(&path)));
            }
            // It went while it was read.
            Err(_) => {}
        }
    }
    Ok(())
}
