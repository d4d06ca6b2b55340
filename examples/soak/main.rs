//! Runs every kind of operation at once for a given time, then checks: each task has settled, each
//! observer was called once and in order, each value of a topic was delivered or counted as lost,
//! no memory is left, and the threads have ended.

mod actors;
mod books;
mod run;
mod topics;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use fast_async::{ErrorKind, LoopQueue, Pool, TaskError, pool::PoolBuilder, set_unhandled_hook};
use lexopt::prelude::{Long, Short, ValueExt};

use actors::{ACTIONS, Dice, Stage};
use books::{ACCOUNTS, OUT_OF_TURN, UNSEEN, WRONG, live_bytes, wrong};
use run::{ACTORS, play, settle, threads_at_rest, watch};

const HELP: &str = "\
Do everything with tasks at once, and see whether the books balance in the end.

Usage: soak [OPTIONS]

  -s, --seconds N  play for N seconds (default: 10)
      --seed S     draw other actions, from 0 to 2^64 - 1 (default: 1)
  -h, --help       print this help

One second more goes before that, to warm up. What the threads come to depends
on the moment too: a seed gives the same actions, not the same run.

Exit status: 0 the books balance, 1 they do not, or nothing moved any more,
2 the command line makes no sense.
";

/// Bytes that may be live in the end beyond those that were before: what threads, channels and the
/// standard streams keep for their own use. A leak of one byte a task would be far more.
const TOLERANCE: i64 = 128 << 10;
/// How long threads above the core count stay.
const KEEP_ALIVE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let args = match parse_args() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("soak: {error} (try --help)");
            return ExitCode::from(2);
        }
    };
    match soak(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Args {
    seconds: u64,
    seed: u64,
}

/// `None` when the help text is wanted.
fn parse_args() -> Result<Option<Args>, lexopt::Error> {
    let mut args = Args {
        seconds: 10,
        seed: 1,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Short('s') | Long("seconds") => args.seconds = parser.value()?.parse()?,
            Long("seed") => args.seed = parser.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(args))
}

/// True when the books balance.
fn soak(args: &Args) -> io::Result<bool> {
    static WARMING: [AtomicU64; ACTIONS.len()] = [const { AtomicU64::new(0) }; ACTIONS.len()];
    static COUNTS: [AtomicU64; ACTIONS.len()] = [const { AtomicU64::new(0) }; ACTIONS.len()];

    set_unhandled_hook(note_report);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (settler, resolvers) = channel();
    let stage = Stage {
        pool: build(pool("soak")),
        narrow: build(
            pool("narrow")
                .core_threads(1)
                .max_threads(4)
                .queue_limit(16),
        ),
        main_loop: LoopQueue::new(),
        settler,
    };
    let pools = [
        (&stage.pool, cores),
        (&stage.narrow, 1),
        (Pool::global(), cores),
    ];
    let settling = thread::spawn({
        let dice = Dice::new(args.seed, ACTORS as u64);
        move || settle(resolvers, dice)
    });
    let watched: Vec<Pool> = pools.iter().map(|(pool, _)| (*pool).clone()).collect();
    thread::spawn(move || watch(&watched));

    play(&stage, Duration::from_secs(1), !args.seed, &WARMING);
    threads_at_rest(&pools);
    let bytes_before = live_bytes();
    play(
        &stage,
        Duration::from_secs(args.seconds),
        args.seed,
        &COUNTS,
    );
    let (threads, core) = threads_at_rest(&pools);
    let kept = live_bytes() - bytes_before;

    let mut report = Report {
        out: io::stdout().lock(),
        is_fine: true,
    };
    let Args { seconds, seed } = args;
    writeln!(
        report.out,
        "{seconds} s, seed {seed}, {cores} cores, {ACTORS} actors\n"
    )?;
    for ((name, _), count) in ACTIONS.iter().zip(&COUNTS) {
        writeln!(report.out, "  {name:<34} {:>12}", count.load(Relaxed))?;
    }
    writeln!(report.out)?;
    for account in ACCOUNTS {
        let (debit, credit) = (account.debit.load(Relaxed), account.credit.load(Relaxed));
        let (debit, credit) = (debit as i64, credit as i64);
        report.row(account.name, debit, credit, debit == credit)?;
    }
    let out_of_turn = OUT_OF_TURN.load(Relaxed) as i64;
    report.row(
        "observers called out of turn",
        out_of_turn,
        0,
        out_of_turn == 0,
    )?;
    let (threads, core) = (threads as i64, core as i64);
    report.row("threads: there, core", threads, core, threads <= core)?;
    report.row(
        "live bytes: more, allowed",
        kept,
        TOLERANCE,
        kept <= TOLERANCE,
    )?;
    let metrics = stage.pool.metrics();
    let (spares, peak) = (metrics.spares as i64, metrics.peak_threads as i64);
    report.row("spares, peak threads", spares, peak, true)?;
    let wrongs = std::mem::take(&mut *WRONG.lock().unwrap());
    for what in wrongs.iter().take(10) {
        writeln!(report.out, "  WRONG: {what}")?;
    }
    let is_fine = report.is_fine && wrongs.is_empty();

    drop(stage);
    settling.join().expect("the settler ends with the stage");
    Ok(is_fine)
}

fn pool(name: &str) -> PoolBuilder {
    Pool::builder().name(name).keep_alive(KEEP_ALIVE)
}

fn build(builder: PoolBuilder) -> Pool {
    builder.build().expect("a valid pool")
}

/// Counts an unhandled failure: some actors leave one, and some settle tasks without a waiter.
fn note_report(error: &TaskError) {
    match (error.panic_message(), error.kind()) {
        (Some("unseen"), _) => UNSEEN.close(),
        (None, ErrorKind::Abandoned) => {}
        (None, ErrorKind::Failed) if error.to_string().starts_with("rejected") => {}
        _ => wrong(format!("a report of what is no secret: {error}")),
    }
}

struct Report<W> {
    out: W,
    is_fine: bool,
}

impl<W: Write> Report<W> {
    fn row(&mut self, name: &str, one: i64, other: i64, is_fine: bool) -> io::Result<()> {
        self.is_fine &= is_fine;
        let verdict = if is_fine { "ok" } else { "WRONG" };
        writeln!(self.out, "  {name:<34} {one:>12} {other:>12}  {verdict}")
    }
}
