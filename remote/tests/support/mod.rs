//! What the tests of several processes share: servers, programs, and networks that fail on demand.
//!
//! Nothing here sleeps to wait for something: lines, connections and ends are waited for, and each
//! wait fails its test at a deadline.

// Each test is a program of its own and uses a part.
#![allow(dead_code)]

pub(crate) mod fleet;
pub(crate) mod names;
pub(crate) mod netns;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long anything may take, however busy the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("the folder of the target").to_owned()
}

/// A number that no other caller in this process gets.
pub(crate) fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A new folder, removed with its content when dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        let name = format!("remote-{}-{}", std::process::id(), number());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        // A test of an older process with this id may have been killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder below the target");
        TempDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A failed test says why it failed, and not that its folder is in use.
        let _ = fs::remove_dir_all(&self.0);
    }
}
