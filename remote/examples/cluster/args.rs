//! The command line.

use std::path::PathBuf;

use fast_async::BoxError;
use lexopt::prelude::{Long, Short, Value, ValueExt};

pub(crate) const HELP: &str = "\
Hash every file below a directory on many machines and find the duplicates.

Usage: cluster worker [OPTIONS]
       cluster submit [OPTIONS] DIR

  -s, --server URL  a server of NATS with JetStream, as nats://10.0.0.1:4222;
                    without it, `submit` is its own worker
  -j, --slots N     hash N files at once (default: one for each processor)
  -h, --help        print this help

Workers open the files by the paths that `submit` has found, so all machines must
have them. An interrupted or killed `submit` is called again: what was hashed in
the last hour is not hashed again, unless its size or time has changed.

Exit status: 0 all is well, 1 something could not be read, 2 the command line
makes no sense, 130 it was interrupted.
";

pub(crate) struct Args {
    pub(crate) role: Role,
    pub(crate) server: Option<String>,
    pub(crate) slots: usize,
}

pub(crate) enum Role {
    Worker,
    Submit(PathBuf),
}

/// `None` when the help text is wanted.
pub(crate) fn parse() -> Result<Option<Args>, BoxError> {
    let mut words: Vec<std::ffi::OsString> = Vec::new();
    let mut server = None;
    let mut slots = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Short('s') | Long("server") => server = Some(parser.value()?.string()?),
            Short('j') | Long("slots") => slots = parser.value()?.parse()?,
            Value(word) if words.len() < 2 => words.push(word),
            _ => return Err(arg.unexpected().into()),
        }
    }
    let mut words = words.into_iter();
    let role = match words.next().as_deref().and_then(|it| it.to_str()) {
        Some("worker") => Role::Worker,
        Some("submit") => match words.next() {
            Some(root) => Role::Submit(std::path::absolute(root)?),
            None => return Err("which directory?".into()),
        },
        _ => return Err("`worker` or `submit`?".into()),
    };
    if matches!(role, Role::Worker) && server.is_none() {
        return Err("a worker needs a server".into());
    }
    if words.next().is_some() {
        return Err("a worker takes no directory".into());
    }
    Ok(Some(Args {
        role,
        server,
        slots,
    }))
}
