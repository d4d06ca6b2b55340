//! What was found, and how it is told.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fast_async::Pool;
use indicatif::DecimalBytes;

use crate::hash::Checked;
use crate::scan::Outcome;
use crate::shown::{listed, shown};

/// How many groups of duplicates the summary names.
const LARGEST: usize = 3;

/// Everything that was found, sorted by path.
#[derive(Default)]
pub(crate) struct Report {
    files: Vec<Checked>,
    /// Files of equal content, as indices of `files`.
    groups: Vec<Vec<usize>>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) links: usize,
    pub(crate) special: usize,
}

impl Report {
    pub(crate) fn complete(mut self, outcomes: Vec<Outcome>) -> Report {
        for outcome in outcomes {
            match outcome {
                Ok(file) => self.files.push(file),
                Err(problem) => self.problems.push(problem),
            }
        }
        self.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.problems.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.groups = group(&self.files);
        self
    }

    pub(crate) fn list(&self, out: &mut dyn Write) -> io::Result<()> {
        for file in &self.files {
            listed(out, &file.hash, &file.path)?;
        }
        Ok(())
    }

    pub(crate) fn duplicates(&self, out: &mut dyn Write) -> io::Result<()> {
        for group in &self.groups {
            let Checked { hash, bytes, .. } = &self.files[group[0]];
            let size = DecimalBytes(*bytes);
            writeln!(out, "{hash}: {} files of {size}", group.len())?;
            for &file in group {
                writeln!(out, "  {}", shown(&self.files[file].path))?;
            }
        }
        Ok(())
    }

    pub(crate) fn summary(&self, out: &mut dyn Write, elapsed: Duration) -> io::Result<()> {
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        let wasted: u64 = self.groups.iter().map(|group| self.wasted_by(group)).sum();
        write!(
            out,
            "files       {files}\n\
             bytes       {size} in {elapsed:.2?}, {speed:.1} MB/s\n\
             duplicates  groups: {groups}, wasted: {wasted}\n",
            files = self.files.len(),
            size = DecimalBytes(bytes),
            speed = bytes as f64 / 1e6 / elapsed.as_secs_f64(),
            groups = self.groups.len(),
            wasted = DecimalBytes(wasted),
        )?;
        self.largest(out)?;
        write!(
            out,
            "skipped     symbolic links: {links}, special files: {special}\n\
             errors      {errors}\n\
             threads     {threads}\n",
            links = self.links,
            special = self.special,
            errors = self.problems.len(),
            threads = Pool::global().metrics().peak_threads,
        )
    }

    /// The groups that waste most, each by its first path.
    fn largest(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut groups: Vec<&Vec<usize>> = self.groups.iter().collect();
        groups.sort_by_key(|group| Reverse(self.wasted_by(group)));
        for (place, group) in groups.into_iter().take(LARGEST).enumerate() {
            let first = &self.files[group[0]];
            writeln!(
                out,
                "{name:<11} {count} files of {size}: {path}",
                name = if place == 0 { "largest" } else { "" },
                count = group.len(),
                size = DecimalBytes(first.bytes),
                path = shown(&first.path),
            )?;
        }
        Ok(())
    }

    /// What the files of a group take beyond the first of them.
    fn wasted_by(&self, group: &[usize]) -> u64 {
        self.files[group[0]].bytes * (group.len() as u64 - 1)
    }
}

/// An empty file and a second name of the same file waste nothing: they join no group.
fn group(files: &[Checked]) -> Vec<Vec<usize>> {
    let mut seen = HashSet::new();
    let mut by_hash = HashMap::<_, Vec<usize>>::new();
    for (index, file) in files.iter().enumerate() {
        if file.bytes > 0 && file.identity.is_none_or(|identity| seen.insert(identity)) {
            by_hash.entry(file.hash).or_default().push(index);
        }
    }
    let mut groups: Vec<_> = by_hash.into_values().collect();
    groups.retain(|group| group.len() > 1);
    groups.sort_unstable();
    groups
}

/// Something that could not be read, and why.
pub(crate) struct Problem {
    path: PathBuf,
    cause: String,
}

impl Problem {
    /// Behind the walk's error is the system's own, which says all there is to say. A task's prints
    /// it itself.
    pub(crate) fn new(path: &Path, err: &dyn Error) -> Problem {
        Problem {
            path: path.to_path_buf(),
            cause: err.source().unwrap_or(err).to_string(),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.path), self.cause)
    }
}
