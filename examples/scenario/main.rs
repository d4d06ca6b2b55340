//! A slow request beside an expensive computation, in several ways: the benchmark of FastAsync for
//! Python, with a server of its own.

mod args;
mod parts;
mod python;
mod ways;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::BoxError;

use args::Args;
use parts::Parts;
use ways::{OURS, WAYS};

fn main() -> ExitCode {
    let done = match args::parse() {
        Ok(Some(args)) => run(&args, &mut io::stdout()),
        Ok(None) => io::stdout()
            .write_all(args::HELP.as_bytes())
            .map_err(Into::into),
        Err(err) => {
            eprintln!("scenario: {err} (try --help)");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that left early (`| head`) has what it wanted.
        Err(err) if is_broken_pipe(&err) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("scenario: {err}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(err: &BoxError) -> bool {
    let err = err.downcast_ref::<io::Error>();
    err.is_some_and(|err| err.kind() == ErrorKind::BrokenPipe)
}

fn run(args: &Args, out: &mut dyn Write) -> Result<(), BoxError> {
    let parts = Parts {
        server: parts::serve(args.request)?,
        rounds: parts::rounds_in(args.computation),
    };
    let mut table = Table::new(args, out)?;
    table.part("the request alone", best(args, || parts.request())?)?;
    table.part("the computation alone", best(args, || Ok(parts.compute()))?)?;

    let mut ours = 0.0;
    for (name, way) in WAYS {
        let beyond = table.way(name, best(args, || way(parts))?)?;
        if name == OURS {
            ours = beyond;
        }
    }
    if args.python {
        python::run(args, parts.server, &mut table)?;
    }
    match args.check {
        Some(most) if ours > most => {
            Err(format!("{OURS} is {ours:.1} % beyond the slower part, more than {most} %").into())
        }
        _ => Ok(()),
    }
}

/// Returns the shortest time of all runs. A run that fails ends the program.
fn best<T>(args: &Args, run: impl Fn() -> Result<T, BoxError>) -> Result<Duration, BoxError> {
    let mut best = Duration::MAX;
    for _ in 0..args.runs {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

/// Prints each row as soon as it is measured.
struct Table<'a> {
    out: &'a mut dyn Write,
    /// The time of the slower part, for the ways below it.
    slower: Option<Duration>,
}

impl<'a> Table<'a> {
    fn new(args: &Args, out: &'a mut dyn Write) -> io::Result<Table<'a>> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        writeln!(
            out,
            "a request of {:?} beside a computation of {:?}; processors: {cores}, best of: {}\n",
            args.request, args.computation, args.runs
        )?;
        writeln!(
            out,
            "{:<36} {:>8}   beyond the slower part",
            "way", "seconds"
        )?;
        out.flush()?;
        Ok(Table { out, slower: None })
    }

    /// Forgets the parts of another language.
    fn restart(&mut self) -> io::Result<()> {
        self.slower = None;
        writeln!(self.out)
    }

    fn part(&mut self, name: &str, time: Duration) -> io::Result<()> {
        self.slower = self.slower.max(Some(time));
        writeln!(self.out, "{name:<36} {:>8.3}", time.as_secs_f64())?;
        self.out.flush()
    }

    /// Returns by how many percent the way is longer than the slower part.
    fn way(&mut self, name: &str, time: Duration) -> io::Result<f64> {
        let slower = self.slower.unwrap_or(time);
        let beyond = 100.0 * (time.as_secs_f64() / slower.as_secs_f64() - 1.0);
        let time = time.as_secs_f64();
        writeln!(self.out, "{name:<36} {time:>8.3}   {beyond:>+6.1} %")?;
        self.out.flush()?;
        Ok(beyond)
    }
}
