//! The command line.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use fast_async::BoxError;
use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::shown::shown;

pub(crate) const HELP: &str = "\
Print what changes below a directory, and the BLAKE3 hashes of the files that
have changed, once nothing changes any more.

Usage: pubsub [OPTIONS] [DIR]

  DIR               a directory (default: the current directory)
  -w, --wait MS     hash when nothing has changed for so long (default: 200)
  -t, --threads N   hash at most N files at once (default: one per processor)
  -e, --exec CMD    run `CMD PATH` for each change, one at a time
  -k, --keep N      keep N changes for a slow CMD, or a slow reader of the
                    output; of more the oldest are lost and counted
                    (default: 1000)
  -h, --help        print this help

A change is one line: `created PATH`, `changed PATH` or `removed PATH`; a hash is
`hash  PATH`, as b3sum prints it. Where changes are missing, a line says how many.
Neither a slow CMD nor a slow reader holds up the hashes. SIGINT (Ctrl-C) and
SIGTERM end the program: it hashes what has changed, and prints a summary to
standard error.

Exit status: 0 all is well, 1 something could not be read, watched, run or
written, 2 the command line makes no sense.
";

pub(crate) struct Args {
    pub(crate) root: PathBuf,
    pub(crate) wait: Duration,
    pub(crate) threads: usize,
    pub(crate) command: Option<OsString>,
    pub(crate) keep: usize,
}

/// `None` when the help text is wanted.
pub(crate) fn parse() -> Result<Option<Args>, BoxError> {
    let mut root = None;
    let mut args = Args {
        root: PathBuf::from("."),
        wait: Duration::from_millis(200),
        threads: thread::available_parallelism().map_or(1, usize::from),
        command: None,
        keep: 1000,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Short('w') | Long("wait") => {
                args.wait = Duration::from_millis(parser.value()?.parse()?);
            }
            Short('t') | Long("threads") => args.threads = parser.value()?.parse()?,
            Short('e') | Long("exec") => args.command = Some(parser.value()?),
            Short('k') | Long("keep") => args.keep = parser.value()?.parse()?,
            Value(path) if path.is_empty() => return Err("the path is empty".into()),
            Value(path) if root.is_none() => root = Some(PathBuf::from(path)),
            _ => return Err(arg.unexpected().into()),
        }
    }
    for (option, number) in [("threads", args.threads), ("keep", args.keep)] {
        if number == 0 {
            return Err(format!("--{option} 0: one or more").into());
        }
    }
    args.root = root.unwrap_or(args.root);
    match fs::metadata(&args.root) {
        Ok(found) if found.is_dir() => Ok(Some(args)),
        Ok(_) => Err(format!("{}: not a directory", shown(&args.root)).into()),
        Err(err) => Err(format!("{}: {err}", shown(&args.root)).into()),
    }
}
