//! The hash of one file.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub(crate) struct Checked {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) hash: blake3::Hash,
    pub(crate) identity: Option<(u64, u64)>,
}

/// Reads in chunks of a fixed size, however big the file is, and passes the size of each to
/// `on_read`.
pub(crate) fn hash_file(path: PathBuf, on_read: impl FnMut(u64)) -> io::Result<Checked> {
    let file = open(&path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("no regular file any more"));
    }
    let identity = identity(&found);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Counting { file, on_read })?;
    Ok(Checked {
        path,
        bytes: hasher.count(),
        hash: hasher.finalize(),
        identity,
    })
}

struct Counting<F> {
    file: File,
    on_read: F,
}

impl<F: FnMut(u64)> Read for Counting<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(bytes)?;
        (self.on_read)(count as u64);
        Ok(count)
    }
}

/// Does not wait for a writer if the file has become a pipe since it was found.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(O_NONBLOCK);
    }
    options.read(true).open(path)
}

/// The standard library has no name for it, and a dependency for one number is too much. On systems
/// that are not listed it is 0: there such a pipe is waited for.
#[cfg(unix)]
const O_NONBLOCK: i32 = if cfg!(all(
    any(target_os = "linux", target_os = "android"),
    any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
)) {
    0o4000
} else if cfg!(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)) {
    4
} else {
    0
};

/// What all hard links to one file have in common, where the system tells.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}
