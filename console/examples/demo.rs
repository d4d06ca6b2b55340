//! A program with something to see: chains, retries, groups, failures, and a console to watch them.
//!
//! ```sh
//! cargo run --release -p fast-async-console --example demo
//! ```

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::{
    BoxError, Pool, Retry, Task, TaskBuilder, TaskContext, all, attempt, map_limit, retry, spawn,
};
use fast_async_console::Console;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const HELP: &str = "\
Run tasks of all kinds, and show them on a page.

Usage: demo [SECONDS]

  SECONDS  how long to go on (default: 300)
";

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = match std::env::args().nth(1) {
        None => 300,
        Some(arg) => match arg.parse() {
            Ok(seconds) => seconds,
            Err(_) => {
                print!("{HELP}");
                return Ok(());
            }
        },
    };
    let disk = Pool::builder().name("disk").max_threads(8).build()?;
    let console = Console::builder()
        .pool(Pool::global())
        .pool(&disk)
        .serve("127.0.0.1:0")?;
    tracing_subscriber::registry().with(console.layer()).init();
    println!("open {} (it goes on for {seconds} s)", console.url());

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut round = 0;
    while Instant::now() < end {
        round += 1;
        let tasks = vec![report(round), pictures(round), upload(round), sync(&disk)];
        // What fails was handled there, or is meant to be seen.
        let _ = all(tasks).wait();
    }
    Ok(())
}

/// Uses a processor for so many milliseconds.
fn compute(millis: u64) -> u64 {
    let end = Instant::now() + Duration::from_millis(millis);
    let mut sum = 1_u64;
    while Instant::now() < end {
        sum = (0..1000).fold(sum, |sum, n| sum.rotate_left(5) ^ n);
    }
    sum
}

/// Waits for something else for so many milliseconds.
fn block(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

/// A chain of named steps; every third fails, and nothing handles that.
fn report(round: u64) -> Task<()> {
    let draft = TaskBuilder::new().name("draft").spawn(|| compute(60));
    let proof = TaskBuilder::new()
        .name("proof")
        .attempt(move || match round.is_multiple_of(3) {
            true => Err(BoxError::from("the proof has a hole")),
            false => Ok(compute(40)),
        });
    drop(proof);
    draft.then(|_| ())
}

/// Many elements, four at a time, with progress.
fn pictures(round: u64) -> Task<()> {
    let shrink = |ctx: &TaskContext| {
        for done in 1..=20 {
            ctx.progress(done, 20);
            block(15);
        }
    };
    let task = TaskBuilder::new().name("shrink").spawn_with(shrink);
    let pictures = map_limit(0..12_u64, 4, move |n| Ok(compute(5 + (n * round) % 20)));
    task.zip(pictures).then(|_| ())
}

/// Is tried again until it works.
fn upload(round: u64) -> Task<()> {
    let policy = Retry::attempts(4).backoff([Duration::from_millis(120)]);
    retry(policy, move |attempt| {
        block(30);
        match attempt.number() > round as u32 % 4 {
            true => Ok(()),
            false => Err("the line is busy".into()),
        }
    })
    .catch(|_| ())
}

/// Tasks that spawn tasks, on a pool of their own.
fn sync(disk: &Pool) -> Task<()> {
    let own = disk.clone();
    let scan = TaskBuilder::new().name("scan").pool(disk);
    scan.attempt(move || {
        let files = (1..=6).map(|n| {
            let name = format!("file {n}");
            let task = TaskBuilder::new().name(name).pool(&own);
            task.spawn(move || block(20 * n))
        });
        let files: Vec<Task<()>> = files.collect();
        let hash = attempt(|| Ok(compute(30)));
        all(files).zip(hash).zip(spawn(|| block(10)))
    })
    .then(|_| ())
}
