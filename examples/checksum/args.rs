//! The command line.

use std::fs::{self, FileType};
use std::path::PathBuf;

use fast_async::{BoxError, set_max_threads};
use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::shown::shown;

pub(crate) const HELP: &str = "\
Hash every file below a directory with BLAKE3 and find the duplicates.

Usage: checksum [OPTIONS] [PATH]

  PATH                   a directory, or one file (default: the current directory)
  -l, --list             print `hash  path` for every file, as b3sum does
  -d, --duplicates       print the files of equal content, group by group
  -t, --threads N        use at most N threads
  -x, --one-file-system  stay on the file system of PATH
  -h, --help             print this help

Output is sorted by path. The summary goes to standard output, or to standard
error beside --list and --duplicates. Symbolic links are not followed; pipes,
sockets and devices are not opened; the summary counts both. Empty files waste
nothing and are no duplicates; nor, on Unix, are further hard links to a file.

Exit status: 0 all is well, 1 something could not be read or written,
2 the command line makes no sense, 130 it was interrupted.
";

pub(crate) struct Args {
    pub(crate) root: PathBuf,
    /// With links resolved: a link on the command line stands for its target.
    pub(crate) root_kind: FileType,
    pub(crate) one_file_system: bool,
    pub(crate) output: Output,
}

/// What goes to standard output.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Output {
    Summary,
    List,
    Duplicates,
}

/// `None` when the help text is wanted.
pub(crate) fn parse() -> Result<Option<Args>, BoxError> {
    let mut root = None;
    let mut one_file_system = false;
    let mut output = Output::Summary;
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Short('x') | Long("one-file-system") => one_file_system = true,
            Short('l') | Long("list") => output = Output::List,
            Short('d') | Long("duplicates") => output = Output::Duplicates,
            Short('t') | Long("threads") => {
                let threads = parser.value()?.parse()?;
                set_max_threads(threads).map_err(|err| format!("--threads {threads}: {err}"))?;
            }
            Value(path) if path.is_empty() => return Err("the path is empty".into()),
            Value(path) if root.is_none() => root = Some(PathBuf::from(path)),
            _ => return Err(arg.unexpected().into()),
        }
    }
    let root = root.unwrap_or_else(|| ".".into());
    let root_kind = match fs::metadata(&root) {
        Ok(found) => found.file_type(),
        Err(err) => return Err(format!("{}: {err}", shown(&root)).into()),
    };
    if !root_kind.is_dir() && !root_kind.is_file() {
        return Err(format!("{}: neither a directory nor a regular file", shown(&root)).into());
    }
    Ok(Some(Args {
        root,
        root_kind,
        one_file_system,
        output,
    }))
}
