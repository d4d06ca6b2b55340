//! Hashes every file below a directory, one task per file, and finds the duplicates among them.

mod args;
mod hash;
mod report;
mod walk;

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fast_async::{BoxError, all};
use indicatif::{ProgressBar, ProgressStyle};

use args::{Args, Output};
use report::Report;
use walk::walk;

const BAR: &str =
    "{elapsed_precise} [{bar:30}] {decimal_bytes} of {decimal_total_bytes}, {eta} left";

fn main() -> ExitCode {
    let done = match args::parse() {
        Ok(Some(args)) => run(&args),
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

fn run(args: &Args) -> Result<ExitCode, BoxError> {
    let started = Instant::now();
    let bar = progress_bar();
    let mut report = Report::default();
    let tasks = walk(args, &bar, &mut report);

    let report = all(tasks)
        .then(move |outcomes| report.complete(outcomes))
        .finally(move || bar.finish_and_clear())
        .wait()?;

    let elapsed = started.elapsed();
    report.problems.iter().for_each(complain);
    match args.output {
        Output::Summary => print(|out| report.summary(out, elapsed))?,
        Output::List => print(|out| report.list(out))?,
        Output::Duplicates => print(|out| report.duplicates(out))?,
    }
    if args.output != Output::Summary {
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

fn progress_bar() -> ProgressBar {
    if !io::stdout().is_terminal() || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(BAR).expect("a fixed template"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
