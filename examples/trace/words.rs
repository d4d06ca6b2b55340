//! The chain of one file: read it, count the words of its halves on two threads, and merge them.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fast_async::{BoxError, Task, attempt, spawn};
use tracing::info_span;

/// How often each word is there.
#[derive(Default)]
pub(crate) struct Words(HashMap<String, u64>);

impl Words {
    pub(crate) fn merge(&mut self, other: Words) {
        for (word, count) in other.0 {
            *self.0.entry(word).or_default() += count;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The commonest, which come first; those that are as common in the order of the alphabet.
    pub(crate) fn most(&self, count: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(word, n)| (word.as_str(), *n)).collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(count);
        all
    }
}

/// All closures of the chain run in its span, because they are registered in it.
pub(crate) fn words_of(path: PathBuf) -> Task<Words> {
    let chain = info_span!("chain", file = %path.display());
    chain.in_scope(|| {
        attempt(move || read(&path))
            .and_then(|text| {
                let (middle, text) = (middle(&text), Arc::new(text));
                let rest = text.clone();
                let left = spawn(move || count(&text[..middle]));
                left.zip(spawn(move || count(&rest[middle..])))
            })
            .then(|(left, right)| merge(left, right))
    })
}

/// Bytes that are no text are left out.
fn read(path: &Path) -> Result<String, BoxError> {
    let _step = info_span!("read").entered();
    let bytes = fs::read(path).map_err(|err| name(path, err))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn name(path: &Path, err: io::Error) -> io::Error {
    io::Error::new(err.kind(), format!("{}: {err}", path.display()))
}

/// The start of the first word behind the middle.
fn middle(text: &str) -> usize {
    let half = (0..=text.len() / 2)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let half = half.unwrap_or_default();
    let is_end = |c: char| !c.is_alphanumeric();
    text[half..]
        .find(is_end)
        .map_or(text.len(), |end| half + end)
}

fn count(text: &str) -> Words {
    let _step = info_span!("count", bytes = text.len()).entered();
    let mut words = Words::default();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        if !word.is_empty() {
            *words.0.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    words
}

fn merge(mut left: Words, right: Words) -> Words {
    let _step = info_span!("merge").entered();
    left.merge(right);
    left
}
