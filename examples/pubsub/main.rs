//! Prints what changes below a directory, and hashes it again: one topic of changes, and three
//! subscribers of it that take their own time.
//!
//! A callback counts, at once. A receiver that loses the oldest changes and counts them prints, and
//! runs a command. A debounced one hashes, when nothing changes any more. None of them holds up
//! another one, nor the thread that tells of the changes.

mod args;
#[allow(dead_code, reason = "`checksum` uses the rest")]
#[path = "../checksum/hash.rs"]
mod hash;
mod print;
mod rehash;
#[path = "../checksum/shown.rs"]
mod shown;
mod watch;

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use fast_async::topic::{Overflow, Receiver, Topic};
use fast_async::{BoxError, TaskError};
use indicatif::DecimalBytes;

use args::Args;
use print::{Unwritten, complain, print};
use rehash::{Hashed, rehash};
use shown::shown;
use watch::{Change, What, watch};

fn main() -> ExitCode {
    let done = match args::parse() {
        Ok(Some(args)) => run(&args),
        Ok(None) => print(|out| write!(out, "{}", args::HELP)).map(|()| ExitCode::SUCCESS),
        Err(err) => {
            complain(format_args!("{err} (try --help)"));
            return ExitCode::from(2);
        }
    };
    done.or_else(end).unwrap_or_else(|err| {
        complain(err);
        ExitCode::FAILURE
    })
}

/// A reader of the output that has left is an end like another one.
fn end(err: BoxError) -> Result<ExitCode, BoxError> {
    let own = err
        .downcast_ref::<TaskError>()
        .and_then(|err| err.downcast_ref());
    match own
        .or_else(|| err.downcast_ref())
        .is_some_and(Unwritten::is_end)
    {
        true => Ok(ExitCode::SUCCESS),
        false => Err(err),
    }
}

fn run(args: &Args) -> Result<ExitCode, BoxError> {
    let changes = Topic::new();
    let counts = count(&changes);
    let hashing = rehash(&changes, args);
    // It fails when its output cannot be written.
    let all = changes.clone();
    hashing.on_settled(move |_| all.close());
    let shows = changes.receiver(args.keep, Overflow::DropOldest);
    let watcher = watch(&args.root, &changes)?;
    end_on_signals(&changes)?;
    complain(format_args!("watching {}", shown(&args.root)));

    // Until the topic is closed.
    let showed = show(shows, args);
    changes.close();
    drop(watcher);
    let hashed = hashing.wait()?;
    let showed = showed?;

    summary(&mut io::stderr(), &counts, &showed, &hashed);
    match counts.of(What::Trouble) + showed.failed + hashed.failed {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

/// The first signal closes the topic, so that each subscriber comes to its end; the second one ends
/// the process.
fn end_on_signals(changes: &Topic<Change>) -> Result<(), BoxError> {
    let (changes, again) = (changes.clone(), AtomicBool::new(false));
    ctrlc::set_handler(move || match again.swap(true, Relaxed) {
        false => changes.close(),
        true => std::process::exit(130),
    })?;
    Ok(())
}

/// How many changes there were of each kind.
#[derive(Default)]
struct Counts([AtomicU64; 4]);

impl Counts {
    fn of(&self, what: What) -> u64 {
        self.0[what as usize].load(Relaxed)
    }
}

/// The fast subscriber: it is called by the thread that tells of the changes.
fn count(changes: &Topic<Change>) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let own = counts.clone();
    changes.subscribe(move |change| {
        own.0[change.what as usize].fetch_add(1, Relaxed);
        if change.what == What::Trouble {
            complain(format_args!("{}: {}", shown(&change.path), change.why));
        }
    });
    counts
}

#[derive(Default)]
struct Showed {
    lines: u64,
    lost: u64,
    run: u64,
    failed: u64,
}

/// The slow subscriber. It has a buffer of its own, and says what it has lost.
fn show(mut changes: Receiver<Change>, args: &Args) -> Result<Showed, BoxError> {
    let mut showed = Showed::default();
    while let Some(change) = changes.next() {
        let lost = changes.lost() - showed.lost;
        if lost > 0 {
            showed.lost += lost;
            print(|out| writeln!(out, "... {lost} lost"))?;
        }
        let what = match change.what {
            What::Created => "created",
            What::Changed => "changed",
            What::Removed => "removed",
            What::Trouble => continue,
        };
        print(|out| writeln!(out, "{what} {}", shown(&change.path)))?;
        showed.lines += 1;
        if let Some(command) = &args.command {
            showed.run += 1;
            if let Err(err) = run_command(Command::new(command).arg(&change.path)) {
                showed.failed += 1;
                complain(format_args!(
                    "{} {}: {err}",
                    shown(Path::new(command)),
                    shown(&change.path)
                ));
            }
        }
    }
    Ok(showed)
}

fn run_command(command: &mut Command) -> Result<(), BoxError> {
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(status.to_string().into()),
    }
}

fn summary(out: &mut dyn Write, counts: &Counts, showed: &Showed, hashed: &Hashed) {
    // The reader may have left.
    let _ = write!(
        out,
        "changes     created: {}, changed: {}, removed: {}\n\
         shown       {}, lost: {}\n\
         commands    {}, failed: {}\n\
         hashed      files: {}, {}, failed: {}\n",
        counts.of(What::Created),
        counts.of(What::Changed),
        counts.of(What::Removed),
        showed.lines,
        showed.lost,
        showed.run,
        showed.failed,
        hashed.files,
        DecimalBytes(hashed.bytes),
        hashed.failed,
    );
}
