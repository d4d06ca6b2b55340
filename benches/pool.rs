//! How does the pool size itself, and what does it cost to wait in it?
//!
//! N: in each row; with `--test` a hundredth of it, and shorter pauses. Threads: a new pool for
//! each figure, with the default settings unless the row names others; fib runs on the global pool.
//!
//! The bounds are what a machine with little else to do keeps to. A task that is lost fails the
//! run; in a full run, so does a figure of the naps, the flood or the rest that is over its bound.
//! With `--counts` a time that is over its bound does not: something else may run beside.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fast_async::{Pool, Task, spawn};

/// A run that takes longer hangs: a thread waits for a lost task.
const LIMIT: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let has = |wanted: &str| std::env::args().any(|arg| arg == wanted);
    let short = has("--test");
    thread::spawn(|| {
        thread::sleep(LIMIT);
        eprintln!("still not done after {LIMIT:?}: a task is lost");
        std::process::exit(1);
    });
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut table = Table::start(short, has("--counts"));
    let scale = |n: usize| if short { n / 100 } else { n };

    naps(&mut table, Told);
    naps(&mut table, Untold);
    naps_beside_a_computation(&mut table);
    flood(&mut table, scale(1_000_000), cores, Told);
    for _ in 0..10 {
        flood(&mut table, scale(1_000_000), cores, Untold);
    }
    computations(&mut table, short, cores);
    no_ops_behind_naps(&mut table, scale(100_000));
    rest(&mut table, short, cores);
    nested(&mut table, scale(1_000));
    flapping(&mut table, scale(200_000));
    fib_inside_tasks(&mut table, if short { 10 } else { 25 });
    table.end()
}

/// What was measured, printed row by row.
struct Table {
    lost: usize,
    /// Demands that were not met.
    unmet: usize,
    short: bool,
    /// Times are not demanded.
    counts: bool,
}

impl Table {
    fn start(short: bool, counts: bool) -> Table {
        println!("{:<64} {:>10} {:>10}", "figure", "measured", "bound");
        Table {
            lost: 0,
            unmet: 0,
            short,
            counts,
        }
    }

    /// Prints whether the bound is kept.
    fn row(&mut self, figure: &str, measured: f64, bound: f64) -> bool {
        // What is done once weighs too much in a short run.
        let is_over = measured > bound && !self.short;
        let remark = if is_over { "  over" } else { "" };
        println!("{figure:<64} {measured:>10.0} {bound:>10.0}{remark}");
        !is_over
    }

    /// A row whose bound must be kept.
    fn demand(&mut self, figure: &str, measured: f64, bound: f64) {
        self.unmet += usize::from(!self.row(figure, measured, bound));
    }

    /// The same for a time.
    fn demand_time(&mut self, figure: &str, measured: f64, bound: f64) {
        let is_kept = self.row(figure, measured, bound);
        self.unmet += usize::from(!is_kept && !self.counts);
    }

    /// A figure without a bound: it says as much about the machine as about the pool.
    fn figure(&mut self, figure: &str, measured: f64) {
        println!("{figure:<64} {measured:>10.0} {:>10}", "-");
    }

    /// For figures that this system does not tell.
    fn demand_if_known(&mut self, figure: &str, measured: Option<usize>, bound: usize) {
        match measured {
            Some(measured) => self.demand(figure, measured as f64, bound as f64),
            None => println!("{figure:<64} {:>10} {bound:>10}", "unknown"),
        }
    }

    /// Waits for all, and counts the failures.
    fn gather(&mut self, tasks: Vec<Task<()>>) {
        let outcomes = tasks.into_iter().map(Task::wait);
        self.lost += outcomes.filter(Result::is_err).count();
    }

    fn end(self) -> ExitCode {
        println!("tasks lost: {}, bounds not kept: {}", self.lost, self.unmet);
        ExitCode::from(u8::from(self.lost + self.unmet > 0))
    }
}

/// Whether the pool may ask the system what threads do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Told,
    Untold,
}
use Mode::{Told, Untold};

impl Mode {
    fn pool(self) -> Pool {
        let builder = match self {
            Told => Pool::builder(),
            Untold => Pool::builder().without_thread_states(),
        };
        builder.build().expect("the settings are valid")
    }

    fn name(self) -> &'static str {
        match self {
            Told => "",
            Untold => ", without thread states",
        }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn spawn_naps(pool: &Pool, length: Duration) -> Vec<Task<()>> {
    (0..64)
        .map(|_| pool.spawn(move || thread::sleep(length)))
        .collect()
}

fn naps(table: &mut Table, mode: Mode) {
    let pool = mode.pool();
    let start = Instant::now();
    table.gather(spawn_naps(&pool, Duration::from_millis(100)));
    let bound = if mode == Told { 160.0 } else { 200.0 };
    let what = format!("64 sleeps of 100 ms{}", mode.name());
    table.demand_time(&format!("{what}: ms"), milliseconds(start), bound);
    let peak = pool.metrics().peak_threads;
    table.demand(&format!("{what}: threads"), peak as f64, 64.0);
}

/// 64 queued jobs that compute for a second get few threads without a hint.
fn computations(table: &mut Table, short: bool, cores: usize) {
    let length = Duration::from_millis(if short { 50 } else { 1_000 });
    let pool = Untold.pool();
    let compute = move || {
        let start = Instant::now();
        while start.elapsed() < length {
            std::hint::spin_loop();
        }
    };
    let tasks = (0..64).map(|_| pool.spawn(compute)).collect();
    // Enough of them to see what the pool grows to; the others need not run.
    thread::sleep(6 * length);
    let peak = pool.metrics().peak_threads;
    let what = format!(
        "64 computations of {} ms{}",
        length.as_millis(),
        Untold.name()
    );
    table.demand(&format!("{what}: threads"), peak as f64, (cores + 2) as f64);
    drop::<Vec<Task<()>>>(tasks);
    let _ = pool.shutdown(fast_async::Shutdown::Discard, LIMIT);
}

/// A thread that computes takes no processor from jobs that sleep: the pool grows as it does
/// without.
fn naps_beside_a_computation(table: &mut Table) {
    let pool = Pool::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let start = Instant::now();
        table.gather(spawn_naps(&pool, Duration::from_millis(100)));
        let took = milliseconds(start);
        is_over.store(true, Ordering::Relaxed);
        table.demand_time("64 sleeps of 100 ms, a thread computes: ms", took, 180.0);
    });
}

fn flood(table: &mut Table, n: usize, cores: usize, mode: Mode) {
    let pool = mode.pool();
    let start = Instant::now();
    for _ in 0..n {
        pool.spawn(|| ()).detach();
    }
    pool.wait_idle(LIMIT);
    let each = milliseconds(start) * 1e6 / n as f64;
    table.lost += n.abs_diff(pool.metrics().completed as usize);
    let peak = pool.metrics().peak_threads;
    table.demand(
        &format!("{n} no-ops{}: threads", mode.name()),
        peak as f64,
        (cores + 2) as f64,
    );
    table.figure(&format!("{n} no-ops{}: ns per no-op", mode.name()), each);
}

fn no_ops_behind_naps(table: &mut Table, n: usize) {
    const NAP: Duration = Duration::from_millis(50);
    let pool = Pool::new();
    let naps = spawn_naps(&pool, NAP);
    let start = Instant::now();
    let tasks = (0..n).map(|_| pool.spawn(|| ())).collect();
    table.gather(tasks);
    let each = milliseconds(start) * 1e6 / n as f64;
    table.gather(naps);
    // All threads nap: none is done before the first nap is over, which is 500 ns of the figure.
    table.row(
        &format!("{n} no-ops behind 64 naps of 50 ms: ns per no-op"),
        each,
        1_500.0,
    );
}

/// After a burst the pool gives its threads back, and then does nothing at all.
fn rest(table: &mut Table, short: bool, cores: usize) {
    let keep_alive = Duration::from_millis(if short { 50 } else { 1_000 });
    let pause = 2 * if short { 3 * keep_alive } else { keep_alive };
    let pool = Pool::builder()
        .keep_alive(keep_alive)
        .build()
        .expect("the settings are valid");
    table.gather(spawn_naps(&pool, Duration::from_millis(50)));
    thread::sleep(pause);
    let what = format!("{} ms after a burst of 64 threads", pause.as_millis());
    let threads = pool.metrics().threads;
    table.demand(
        &format!("{what}: threads of the pool"),
        threads as f64,
        cores as f64,
    );
    // This one, the one that ends a run that hangs, and the pool's monitor.
    table.demand_if_known(
        &format!("{what}: threads of the process"),
        threads_of_the_process(),
        cores + 3,
    );
    let before = processor_ticks();
    thread::sleep(pause);
    let ticks = processor_ticks()
        .zip(before)
        .map(|(after, before)| after - before);
    table.demand_if_known(
        &format!("idle process, {} ms: processor ticks", pause.as_millis()),
        ticks,
        1,
    );
}

fn threads_of_the_process() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// Processor time of the whole process so far; a tick is commonly 10 ms.
fn processor_ticks() -> Option<usize> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name before the parenthesis may hold spaces. User time is the 14th field, system time the
    // 15th.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<usize>().ok();
    Some(next()? + next()?)
}

fn nested(table: &mut Table, depth: usize) {
    fn nest(pool: &Pool, depth: usize) -> Task<usize> {
        let inner = pool.clone();
        pool.spawn(move || match depth {
            0 => 0,
            _ => 1 + nest(&inner, depth - 1).wait().unwrap_or(0),
        })
    }
    let pool = Pool::builder()
        .max_threads(1)
        .build()
        .expect("the settings are valid");
    let start = Instant::now();
    let reached = nest(&pool, depth).wait().unwrap_or(0);
    let spent = milliseconds(start);
    table.lost += depth - reached;
    let what = format!("{depth} waits, one inside the other, max_threads = 1");
    table.row(&format!("{what}: ms"), spent, 100.0);
    // One stack carries 64 of them.
    let peak = pool.metrics().peak_threads;
    table.row(
        &format!("{what}: threads"),
        peak as f64,
        (depth / 64 + 2) as f64,
    );
}

/// Raises and lowers the maximum all the while; every 64th task naps, so that the pool wants to
/// grow.
fn flapping(table: &mut Table, n: usize) {
    let pool = Pool::new();
    let over = Arc::new(AtomicBool::new(false));
    let flapper = {
        let (pool, over) = (pool.clone(), over.clone());
        thread::spawn(move || {
            let mut changes = 0;
            while !over.load(Ordering::Relaxed) {
                changes += 1;
                let max = if changes % 2 == 0 {
                    1
                } else {
                    1 + changes % 64
                };
                pool.set_max_threads(max).expect("it is not 0");
                thread::yield_now();
            }
            changes
        })
    };
    let tasks: Vec<Task<()>> = (0..n)
        .map(|i| {
            pool.spawn(move || {
                if i % 64 == 0 {
                    thread::sleep(Duration::from_micros(50));
                }
            })
        })
        .collect();
    pool.wait_idle(LIMIT);
    over.store(true, Ordering::Relaxed);
    let changes = flapper.join().expect("it does not panic");
    // The pool is at rest: a task that has no value by now will never have one.
    let lost = tasks.iter().filter(|task| !task.is_settled()).count();
    table.lost += lost;
    table.row(
        &format!("{n} tasks, set_max_threads called {changes} times: lost"),
        lost as f64,
        0.0,
    );
}

fn fib_inside_tasks(table: &mut Table, n: usize) {
    fn fib(n: usize) -> Task<usize> {
        spawn(move || {
            if n < 2 {
                return n;
            }
            let (a, b) = (fib(n - 1), fib(n - 2));
            a.wait().unwrap_or(0) + b.wait().unwrap_or(0)
        })
    }
    let number = |n| (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0;
    let calls = 2 * number(n + 1) - 1;
    let start = Instant::now();
    let result = fib(n).wait().unwrap_or(0);
    let spent = milliseconds(start);
    // Every task at the bottom adds one.
    table.lost += number(n) - result;
    let what = format!("fib({n}), {calls} tasks, each waits inside its parent");
    table.figure(&format!("{what}: ms"), spent);
    table.figure(&format!("{what}: ns per task"), spent * 1e6 / calls as f64);
}
