//! What has come of a file: `NAME.part`, which becomes `NAME` when all is there.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use fast_async::{BoxError, TaskError};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::list;

/// A download that has begun, or will. One thread at a time uses it.
pub(crate) struct Part {
    pub(crate) target: PathBuf,
    pub(crate) data: PathBuf,
    /// Which version of the file it is a part of: what the server has called it, if anything.
    version: PathBuf,
}

impl Part {
    pub(crate) fn new(folder: &Path, name: &str) -> Part {
        Part {
            target: folder.join(name),
            data: folder.join(format!("{name}.part")),
            version: folder.join(format!("{name}.part.version")),
        }
    }

    /// How many bytes have come.
    pub(crate) fn len(&self) -> u64 {
        fs::metadata(&self.data).map_or(0, |found| found.len())
    }

    pub(crate) fn version(&self) -> Option<String> {
        fs::read_to_string(&self.version).ok()
    }

    /// Begins anew, with this version.
    pub(crate) fn restart(&self, version: Option<&str>) -> Result<File, Failure> {
        // In this order: no version is ever beside the bytes of another one.
        let file = File::create(&self.data).map_err(of(&self.data))?;
        match version {
            Some(version) => fs::write(&self.version, version).map_err(of(&self.version))?,
            None => remove(&self.version)?,
        }
        Ok(file)
    }

    pub(crate) fn resume(&self) -> Result<File, Failure> {
        let mut options = File::options();
        options
            .append(true)
            .open(&self.data)
            .map_err(of(&self.data))
    }

    pub(crate) fn write(&self, file: &mut File, bytes: &[u8]) -> Result<(), Failure> {
        file.write_all(bytes).map_err(of(&self.data))
    }

    pub(crate) fn discard(&self) -> Result<(), Failure> {
        remove(&self.data)?;
        remove(&self.version)
    }

    /// All is there.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        fs::rename(&self.data, &self.target).map_err(of(&self.target))?;
        remove(&self.version)
    }
}

/// Names the file in an error.
fn of(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_path_buf();
    |err| Failure::File(path, err)
}

/// A file that is not there needs no removal.
fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != ErrorKind::NotFound => Err(of(path)(err)),
        _ => Ok(()),
    }
}

/// The hash of a file. `check` may end it between two pieces.
pub(crate) fn sha256(
    path: &Path,
    check: impl Fn() -> Result<(), TaskError>,
) -> Result<list::Sha256, BoxError> {
    let mut file = File::open(path).map_err(of(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        check()?;
        match file.read(&mut buffer).map_err(of(path))? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
