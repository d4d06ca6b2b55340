//! Downloads a list of files, some at a time: tries again what fails, goes on where a download
//! ended, and checks what came.

mod args;
mod attempt;
mod bars;
mod failure;
mod fetcher;
mod list;
mod part;
mod report;
mod watch;

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use fast_async::{BoxError, CancelToken, Pool};

use args::Args;
use fetcher::Fetcher;
use list::Entry;
use report::Report;

/// What a shell reports for a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let (args, entries) = match prepare() {
        Ok(Some(prepared)) => prepared,
        Ok(None) => {
            // A reader that left early (`| head`) has what it wanted.
            let _ = io::stdout().write_all(args::HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(err) => {
            complain(format_args!("{err} (try --help)"));
            return ExitCode::from(2);
        }
    };
    run(&args, entries).unwrap_or_else(|err| {
        complain(err);
        ExitCode::FAILURE
    })
}

/// `None` when the help text is wanted.
fn prepare() -> Result<Option<(Args, Vec<Entry>)>, BoxError> {
    let Some(args) = args::parse()? else {
        return Ok(None);
    };
    let entries = list::read(&args.list)?;
    Ok(Some((args, entries)))
}

fn run(args: &Args, entries: Vec<Entry>) -> Result<ExitCode, BoxError> {
    let started = Instant::now();
    fs::create_dir_all(&args.output).map_err(|err| format!("{}: {err}", args.output.display()))?;
    let stop = CancelToken::new();
    stop_on_ctrl_c(&stop)?;
    // Downloads block their threads; what is chained on them needs some too.
    let pool = Pool::builder()
        .name("fetch")
        .max_threads(args.jobs.saturating_add(4))
        .build()?;
    let fetcher = Arc::new(Fetcher::new(args, entries.len(), &stop, &pool));

    let all = fetcher.clone();
    let outcomes = pool
        .map_settled(entries, args.jobs, move |entry| all.fetch(entry))
        .wait()?;

    fetcher.bars.clear();
    let report = Report::new(outcomes);
    let _ = report.summary(&mut io::stdout(), fetcher.received(), started.elapsed());
    Ok(if stop.is_cancelled() {
        complain("interrupted: the same command goes on from here");
        ExitCode::from(INTERRUPTED)
    } else if report.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The first Ctrl-C lets the tasks end: each file keeps what has come of it. The second one ends
/// the program.
fn stop_on_ctrl_c(stop: &CancelToken) -> Result<(), ctrlc::Error> {
    let stop = stop.clone();
    ctrlc::set_handler(move || {
        if stop.is_cancelled() {
            process::exit(INTERRUPTED.into());
        }
        stop.cancel_with("interrupted");
    })
}

/// Unlike `eprintln!`, it does not panic when the other end is closed.
fn complain(what: impl Display) {
    let _ = writeln!(io::stderr(), "fetch: {what}");
}
