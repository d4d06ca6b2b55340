//! What a console with an open page costs a program that runs 10,000 tasks a second on two cores.
//!
//! ```sh
//! cargo run --release -p fast-async-console --example cost
//! ```

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::{Pool, Task, all};
use fast_async_console::Console;

const TASKS: usize = 20_000;
/// Of a processor, for each task.
const WORK: Duration = Duration::from_micros(200);
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = rounds_in(WORK);
    let (mut without, mut with) = (Duration::MAX, Duration::MAX);
    let mut read = 0;
    for _ in 0..ROUNDS {
        let pool = Pool::new();
        without = without.min(run(&pool, rounds)?);
        drop(pool);

        let pool = Pool::new();
        let console = Console::builder().pool(&pool).serve("127.0.0.1:0")?;
        let page = open(&console)?;
        with = with.min(run(&pool, rounds)?);
        drop(console);
        read += page.join().expect("it does not panic")?;
    }
    let rate = TASKS as f64 / without.as_secs_f64();
    let more = 100.0 * (with.as_secs_f64() / without.as_secs_f64() - 1.0);
    println!("tasks a second           {rate:.0}");
    println!("without console, best    {without:.3?}");
    println!("with an open page, best  {with:.3?}, {more:+.1} %");
    println!("the page has got         {} kB", read / 1000);
    Ok(())
}

/// Reads what a page gets, on a thread, until the console is dropped; returns how much it was.
fn open(console: &Console) -> std::io::Result<thread::JoinHandle<std::io::Result<usize>>> {
    let host = console.address();
    let mut page = TcpStream::connect(host)?;
    write!(page, "GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    Ok(thread::spawn(move || {
        let mut text = Vec::new();
        page.read_to_end(&mut text)
    }))
}

fn run(pool: &Pool, rounds: u64) -> Result<Duration, fast_async::TaskError> {
    let start = Instant::now();
    let tasks: Vec<Task<u64>> = (0..TASKS)
        .map(|_| pool.spawn(move || mix(rounds)))
        .collect();
    all(tasks).wait()?;
    Ok(start.elapsed())
}

/// Returns how many rounds of work take about `time`.
fn rounds_in(time: Duration) -> u64 {
    let many = 100_000_000;
    let start = Instant::now();
    mix(many);
    (many as f64 * time.as_secs_f64() / start.elapsed().as_secs_f64()) as u64
}

fn mix(rounds: u64) -> u64 {
    black_box((0..rounds).fold(1_u64, |sum, n| {
        (sum ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }))
}
