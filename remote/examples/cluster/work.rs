//! The job: hash one file. Both roles know its name and its types.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fast_async_remote::{Call, Job, Remote, Worker};
use serde::{Deserialize, Serialize};

use crate::hash::hash_file;

/// A path, as the system writes it, and what comes of it. A file that cannot be read is a result
/// like any other: no worker would read it better.
pub(crate) const HASH: Call<Vec<u8>, Result<Hashed, String>> = Call::new("hash-v1");

pub(crate) const QUEUE: &str = "cluster";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hashed {
    pub(crate) bytes: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) identity: Option<(u64, u64)>,
}

pub(crate) fn worker(remote: &Remote, slots: usize) -> Worker {
    let worker = remote.worker(QUEUE).slots(slots);
    let worker = worker
        .lease(Duration::from_secs(5))
        .grace(Duration::from_secs(2));
    worker.serve(&HASH, |job: Job, path| {
        let path = from_bytes(path);
        let total = path.metadata().map_or(0, |found| found.len());
        let mut done = 0;
        let mut told = Instant::now();
        let hashed = hash_file(path, |bytes| {
            done += bytes;
            if told.elapsed() > Duration::from_millis(100) {
                told = Instant::now();
                job.progress(done, total);
            }
        });
        Ok(hashed
            .map(|it| Hashed {
                bytes: it.bytes,
                hash: *it.hash.as_bytes(),
                identity: it.identity,
            })
            .map_err(|err| err.to_string()))
    })
}

#[cfg(unix)]
pub(crate) fn to_bytes(path: &std::path::Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
pub(crate) fn to_bytes(path: &std::path::Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
