//! The command line.

use std::time::Duration;

use fast_async::BoxError;
use lexopt::Parser;
use lexopt::prelude::{Long, Short, ValueExt};

pub(crate) const HELP: &str = "\
Make a slow request and an expensive computation in several ways, and compare.

Usage: scenario [OPTIONS]

  -r, --request SECS      answer the request after SECS seconds (default: 3)
  -c, --computation SECS  compute for about SECS seconds (default: 5)
  -n, --runs N            measure each way N times, print the best (default: 1)
      --check PERCENT     fail when fast-async takes more than PERCENT percent
                          longer than the slower of the two parts
      --no-python         leave out the ways in Python
  -h, --help              print this help

The request goes to a server that the program starts. The ways in Python need
`python3`; they are left out, with a line that says so, where there is none.

Exit status: 0 all is well, 1 something failed or --check did, 2 the command
line makes no sense.
";

pub(crate) struct Args {
    pub(crate) request: Duration,
    pub(crate) computation: Duration,
    pub(crate) runs: u32,
    /// How many percent longer than the slower part ours may take.
    pub(crate) check: Option<f64>,
    pub(crate) python: bool,
}

/// `None` when the help text is wanted.
pub(crate) fn parse() -> Result<Option<Args>, BoxError> {
    let mut args = Args {
        request: Duration::from_secs(3),
        computation: Duration::from_secs(5),
        runs: 1,
        check: None,
        python: true,
    };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Short('r') | Long("request") => args.request = seconds(&mut parser, "--request")?,
            Short('c') | Long("computation") => {
                args.computation = seconds(&mut parser, "--computation")?;
            }
            Short('n') | Long("runs") => args.runs = parser.value()?.parse()?,
            Long("check") => args.check = Some(percent(&mut parser)?),
            Long("no-python") => args.python = false,
            other => return Err(other.unexpected().into()),
        }
    }
    match args.runs {
        0 => Err("--runs 0: measure at least once".into()),
        _ => Ok(Some(args)),
    }
}

/// At least a millisecond, at most a day: another time is a mistake.
fn seconds(parser: &mut Parser, option: &str) -> Result<Duration, BoxError> {
    let seconds: f64 = parser.value()?.parse()?;
    if (0.001..=86_400.0).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(format!("{option} {seconds}: give seconds from 0.001 to 86400").into())
}

fn percent(parser: &mut Parser) -> Result<f64, BoxError> {
    let percent: f64 = parser.value()?.parse()?;
    if percent >= 0.0 {
        return Ok(percent);
    }
    Err(format!("--check {percent}: give a number from 0").into())
}
