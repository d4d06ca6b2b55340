//! Hashes every file below a directory, one task per file, and finds the duplicates among them.

mod args;
mod bar;
mod hash;
mod report;
mod scan;
mod shown;

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Instant;

use fast_async::{BoxError, CancelToken};

use args::{Args, Output};
use bar::Bar;
use scan::scan;

/// As a shell says of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let done = match args::parse() {
        Ok(Some(args)) => run(args),
        Ok(None) => print(|out| write!(out, "{}", args::HELP)).map(|()| ExitCode::SUCCESS),
        Err(err) => {
            complain(format_args!("{err} (try --help)"));
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|err| {
        complain(err);
        ExitCode::FAILURE
    })
}

fn run(args: Args) -> Result<ExitCode, BoxError> {
    let started = Instant::now();
    let output = args.output;
    let interrupt = CancelToken::new();
    let raised = interrupt.clone();
    ctrlc::set_handler(move || {
        raised.cancel();
    })?;

    let scan = scan(args, &interrupt);
    if let Some(bar) = Bar::new() {
        for event in scan.events() {
            bar.show(&event);
        }
    }
    let report = match scan.wait() {
        Err(err) if err.is_cancelled() => {
            complain("interrupted");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        scanned => scanned?,
    };

    let elapsed = started.elapsed();
    report.problems.iter().for_each(complain);
    match output {
        Output::Summary => print(|out| report.summary(out, elapsed))?,
        Output::List => print(|out| report.list(out))?,
        Output::Duplicates => print(|out| report.duplicates(out))?,
    }
    if output != Output::Summary {
        let _ = report.summary(&mut io::stderr(), elapsed);
    }
    match report.problems.len() {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

// Printing: unlike `println!` and `eprintln!`, nothing here panics when the other end is closed.

/// A reader that leaves early (`| head`) has what it wanted: that is no failure.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), BoxError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(err) if err.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|err| format!("standard output: {err}").into()),
    }
}

fn complain(what: impl Display) {
    let _ = writeln!(io::stderr(), "checksum: {what}");
}
