//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use fast_async::BoxError;
use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value, ValueExt};

pub(crate) const HELP: &str = "\
Download a list of files, some at a time.

Usage: fetch [OPTIONS] LIST

  LIST               a file with a line for each file, `-` for standard input:
                     [SHA256] URL [NAME]
  -o, --output DIR   put the files there (default: the current directory)
  -j, --jobs N       download N files at a time (default: 4)
  -t, --tries N      give up a file after N tries in a row that brought nothing
                     of it (default: 5)
  -p, --pause SECS   pause at most SECS seconds before the second try, twice
                     that before the third, and so on (default: 1)
      --stall SECS   give up a try when nothing comes for SECS seconds
                     (default: 30)
      --limit SECS   give up a file after SECS seconds (default: never)
  -h, --help         print this help

Without a NAME, a file is called as in its URL. What has come of a file is in
NAME.part until all is there; another run, and another try, goes on from there,
if the server can. With a SHA256, what came is compared with it. A file that is
there already is not downloaded again, unless it has another SHA256. Lines that
are empty or begin with # are skipped.

Ctrl-C ends all downloads and keeps what has come; a second one ends at once.

Exit status: 0 all files are there, 1 some are not, 2 the command line or the
list makes no sense, 130 it was interrupted.
";

pub(crate) struct Args {
    pub(crate) list: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) jobs: usize,
    pub(crate) tries: u32,
    pub(crate) pause: Duration,
    pub(crate) stall: Duration,
    pub(crate) limit: Option<Duration>,
}

/// `None` when the help text is wanted.
pub(crate) fn parse() -> Result<Option<Args>, BoxError> {
    let mut list = None;
    let mut args = Args {
        list: PathBuf::new(),
        output: ".".into(),
        jobs: 4,
        tries: 5,
        pause: Duration::from_secs(1),
        stall: Duration::from_secs(30),
        limit: None,
    };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Short('o') | Long("output") => args.output = parser.value()?.into(),
            Short('j') | Long("jobs") => args.jobs = parser.value()?.parse()?,
            Short('t') | Long("tries") => args.tries = parser.value()?.parse()?,
            Short('p') | Long("pause") => args.pause = seconds(&mut parser, "--pause", 0.0)?,
            Long("stall") => args.stall = seconds(&mut parser, "--stall", 0.001)?,
            Long("limit") => args.limit = Some(seconds(&mut parser, "--limit", 0.001)?),
            Value(path) if list.is_none() => list = Some(path),
            other => return Err(other.unexpected().into()),
        }
    }
    args.list = list.ok_or("no LIST was given")?.into();
    if args.jobs == 0 {
        return Err("--jobs 0: nothing would be downloaded".into());
    }
    if args.tries == 0 {
        return Err("--tries 0: nothing would be downloaded".into());
    }
    Ok(Some(args))
}

/// At most a day: a longer time is a mistake.
fn seconds(parser: &mut Parser, option: &str, least: f64) -> Result<Duration, BoxError> {
    let seconds: f64 = parser.value()?.parse()?;
    if (least..=86_400.0).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(format!("{option} {seconds}: give seconds from {least} to 86400").into())
}
