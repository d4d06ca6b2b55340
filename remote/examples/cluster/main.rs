//! Hashes every file below a directory on many machines, and finds the duplicates among them.
//!
//! The machines share the files, by NFS for example. The summary is that of `checksum`, whose
//! modules these are.

mod args;
#[path = "../../../examples/checksum/hash.rs"]
mod hash;
#[path = "../../../examples/checksum/report.rs"]
#[allow(dead_code)]
mod report;
mod scan;
#[path = "../../../examples/checksum/shown.rs"]
mod shown;
mod work;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use fast_async::{BoxError, CancelToken};
use fast_async_remote::Remote;

use args::{Args, Role};

/// As a shell says of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let done = match args::parse() {
        Ok(Some(args)) => run(args),
        Ok(None) => {
            print!("{}", args::HELP);
            Ok(ExitCode::SUCCESS)
        }
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
    let interrupt = CancelToken::new();
    let raised = interrupt.clone();
    ctrlc::set_handler(move || {
        raised.cancel();
    })?;
    let remote = match &args.server {
        Some(url) => Remote::options().name("cluster").connect(url)?,
        None => Remote::local(),
    };
    for missing in remote.missing() {
        complain(missing);
    }
    match args.role {
        Role::Worker => {
            let report = work::worker(&remote, args.slots).run_until(&interrupt)?;
            println!("hashed {}, handed back {}", report.done, report.handed_back);
            Ok(ExitCode::SUCCESS)
        }
        Role::Submit(root) => {
            // Without a server this program is its own worker.
            let own = args.server.is_none().then(|| {
                let stop = CancelToken::new();
                let (worker, told) = (work::worker(&remote, args.slots), stop.clone());
                (stop, std::thread::spawn(move || worker.run_until(&told)))
            });
            let ended = submit(&remote, root, &interrupt);
            if let Some((stop, worker)) = own {
                stop.cancel();
                worker.join().map_err(|_| "the worker panicked")??;
            }
            ended
        }
    }
}

fn submit(
    remote: &Remote,
    root: std::path::PathBuf,
    interrupt: &CancelToken,
) -> Result<ExitCode, BoxError> {
    let started = Instant::now();
    let Some(report) = scan::scan(remote, root, interrupt)? else {
        // The jobs go on, and the next call finds what they have brought.
        complain("interrupted: the same command goes on from here");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    report.problems.iter().for_each(complain);
    report.summary(&mut io::stdout().lock(), started.elapsed())?;
    match report.problems.len() {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

fn complain(what: impl Display) {
    let _ = writeln!(io::stderr(), "cluster: {what}");
}
