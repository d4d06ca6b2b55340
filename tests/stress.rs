//! Runs every kind of operation at once for a while: in every order each task settles once, and no
//! memory is left.
//!
//! `FAST_ASYNC_STRESS_SECONDS` sets the time, `FAST_ASYNC_STRESS_SEED` the run to repeat.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fast_async::{
    CancelOutcome, CancelToken, ErrorKind, Pool, Shutdown, Task, TaskError, all, any, deferred,
    set_unhandled_hook,
};
use support::{limit, threads_named, until, watched_for};

const DRIVERS: u64 = 3;

fn from_env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

/// A xorshift generator: the same seed, the same choices.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    /// Another generator, for a closure.
    fn split(&mut self) -> Dice {
        Dice(self.0.rotate_left(23) ^ self.roll(u64::MAX) | 1)
    }

    fn pause(&mut self) {
        match self.roll(8) {
            0 => thread::yield_now(),
            1..4 => (0..self.roll(300)).for_each(|_| std::hint::spin_loop()),
            _ => {}
        }
    }
}

/// What must be equal in the end.
#[derive(Default)]
struct Books {
    /// The number of observed tasks, and the number of observer calls.
    watched: AtomicU64,
    told: AtomicU64,
    /// `finally` closures registered, and run.
    finals: AtomicU64,
    finals_run: AtomicU64,
    /// Tokens captured by closures, and gone again.
    captured: AtomicU64,
    released: AtomicU64,
    /// Closures of tasks that began to run in each of the pools.
    began: [AtomicU64; 2],
    unseen: AtomicU64,
    operations: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

/// Captured by closures and carried in values; counts what is dropped.
struct Token(Arc<Books>);

impl Drop for Token {
    fn drop(&mut self) {
        add(&self.0.released);
    }
}

#[derive(Clone)]
struct World {
    books: Arc<Books>,
    pools: [Pool; 2],
}

#[derive(Debug)]
struct Planned;

impl std::fmt::Display for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("planned")
    }
}

impl std::error::Error for Planned {}

type Value = (u64, Token);

impl World {
    fn token(&self) -> Token {
        add(&self.books.captured);
        Token(self.books.clone())
    }

    /// A task that succeeds, fails, panics, waits for others or adopts another.
    fn start(&self, dice: &mut Dice, depth: u64) -> Task<Value> {
        let which = usize::from(dice.one_in(4));
        let (world, token, mut dice) = (self.clone(), self.token(), dice.split());
        let work = move || -> Result<Value, fast_async::BoxError> {
            add(&world.books.began[which]);
            let _token = token;
            dice.pause();
            match dice.roll(12) {
                0 => return Err(Planned.into()),
                1 => resume_unwind(Box::new("planned")),
                2..5 if depth > 0 => {
                    let inner: Vec<Task<Value>> = (0..dice.roll(4))
                        .map(|_| world.start(&mut dice, depth - 1))
                        .collect();
                    for task in inner {
                        planned(task.wait());
                    }
                }
                5 if depth > 0 => {
                    let task = world.start(&mut dice, depth - 1);
                    let wait = Duration::from_micros(dice.roll(200));
                    match task.wait_timeout(wait) {
                        Ok(outcome) => drop(planned(outcome)),
                        Err(task) => drop(task),
                    }
                }
                _ => {}
            }
            Ok((depth, world.token()))
        };
        self.pools[which].attempt(work)
    }

    /// Links at the end of a task.
    fn chain(&self, dice: &mut Dice, mut task: Task<Value>) -> Task<Value> {
        for _ in 0..dice.roll(5) {
            let (world, token, mut own) = (self.clone(), self.token(), dice.split());
            task = match dice.roll(8) {
                0 => task.catch(move |error| {
                    check(&error);
                    (0, token)
                }),
                1 => {
                    add(&self.books.finals);
                    task.finally(move || {
                        let _token = token;
                        add(&world.books.finals_run);
                    })
                }
                2 => task.and_then(move |_| {
                    drop(token);
                    world.start(&mut own, 1)
                }),
                3 => task.then(move |value| {
                    let _token = token;
                    if own.one_in(3) {
                        resume_unwind(Box::new("planned"));
                    }
                    value
                }),
                4 => task.on(&self.pools[1]),
                5 => task.shielded(),
                _ => {
                    let value = task.then(move |(n, _)| (n + 1, token));
                    self.watch(&value);
                    value
                }
            };
        }
        task
    }

    fn watch<T: Send + 'static>(&self, task: &Task<T>) {
        add(&self.books.watched);
        let (books, token) = (self.books.clone(), self.token());
        task.on_settled(move |_| {
            drop(token);
            add(&books.told);
        });
    }

    /// What becomes of a task in the end.
    fn finish(&self, dice: &mut Dice, task: Task<Value>) {
        self.watch(&task);
        dice.pause();
        match dice.roll(10) {
            0 => drop(task),
            1 => {
                let outcome = task.cancel();
                match (outcome, task.wait()) {
                    (CancelOutcome::TooLate, outcome) => drop(planned(outcome)),
                    (_, Err(error)) => assert_eq!(error.kind(), ErrorKind::Cancelled),
                    (outcome, Ok(_)) => panic!("{outcome:?}, and yet it has a value"),
                }
            }
            2 => drop(task.cancel_on_drop()),
            3 => match task.wait_timeout(Duration::from_micros(dice.roll(500))) {
                Ok(outcome) => drop(planned(outcome)),
                Err(task) => drop(planned(task.wait())),
            },
            4 => self.share(dice, task),
            5 => match task.try_wait() {
                Ok(outcome) => drop(planned(outcome)),
                Err(task) => task.detach(),
            },
            _ => drop(planned(task.wait())),
        }
    }

    fn share(&self, dice: &mut Dice, task: Task<Value>) {
        let shared = task.share();
        let mut kept = Vec::new();
        for _ in 0..dice.roll(6) {
            let token = self.token();
            let branch = shared.then(move |(n, _)| (*n, token));
            self.watch(&branch);
            match dice.roll(4) {
                0 => {
                    branch.cancel();
                }
                1 => drop(branch),
                _ => kept.push(branch),
            }
        }
        if dice.one_in(2) {
            let shared = shared.clone();
            if let Err(error) = shared.wait() {
                check(&error);
            }
        }
        match dice.roll(2) {
            0 => drop(shared),
            _ => drop(shared.cancel()),
        }
        for branch in kept {
            planned(branch.wait());
        }
    }

    fn group(&self, dice: &mut Dice) {
        let members: Vec<Task<Value>> =
            (0..dice.roll(6) + 1).map(|_| self.start(dice, 2)).collect();
        if dice.one_in(2) {
            let whole = all(members);
            self.watch(&whole);
            dice.pause();
            match dice.roll(3) {
                0 => {
                    whole.cancel();
                }
                _ => drop(planned(whole.wait())),
            }
        } else {
            let first = any(members);
            self.watch(&first);
            if let Err(error) = first.wait() {
                assert!(matches!(
                    error.kind(),
                    ErrorKind::Failed | ErrorKind::Cancelled
                ));
            }
        }
    }

    fn with_token(&self, dice: &mut Dice) {
        let token = CancelToken::new();
        let child = token.child();
        let tasks: Vec<Task<Value>> = (0..dice.roll(5) + 1)
            .map(|n| {
                let which = usize::from(n % 2 == 1);
                let (world, captured) = (self.clone(), self.token());
                let mut own = dice.split();
                let task = Task::builder()
                    .pool(&self.pools[which])
                    .cancel_token(&child)
                    .spawn_with(move |context| {
                        add(&world.books.began[which]);
                        own.pause();
                        (u64::from(context.is_cancelled()), captured)
                    });
                self.watch(&task);
                task
            })
            .collect();
        dice.pause();
        token.cancel();
        for task in tasks {
            planned(task.wait());
        }
    }

    fn hand_settled(&self, dice: &mut Dice) {
        let (resolver, task) = deferred::<Value>();
        let (world, mut own) = (self.clone(), dice.split());
        let which = usize::from(dice.one_in(4));
        let settler = self.pools[which].spawn(move || {
            add(&world.books.began[which]);
            own.pause();
            match own.roll(4) {
                0 => drop(resolver),
                1 => drop(resolver.reject(Planned)),
                2 => drop(resolver.settle_with(world.start(&mut own, 1))),
                _ => drop(resolver.resolve((0, world.token()))),
            }
        });
        let task = self.chain(dice, task);
        self.finish(dice, task);
        settler.wait().unwrap();
    }

    fn drive(&self, dice: &mut Dice, until: Instant) {
        while Instant::now() < until {
            add(&self.books.operations);
            match dice.roll(10) {
                0 => self.group(dice),
                1 => self.with_token(dice),
                2 => self.hand_settled(dice),
                _ => {
                    let task = self.start(dice, 3);
                    let task = self.chain(dice, task);
                    self.finish(dice, task);
                }
            }
        }
    }
}

/// Only what was planned may go wrong.
#[track_caller]
fn check(error: &TaskError) {
    match error.kind() {
        ErrorKind::Failed => assert!(error.is::<Planned>(), "{error:?}"),
        ErrorKind::Panicked => assert_eq!(error.panic_message(), Some("planned"), "{error:?}"),
        ErrorKind::Cancelled | ErrorKind::Abandoned => {}
        _ => panic!("{error:?}"),
    }
}

#[track_caller]
fn planned<T>(outcome: Result<T, TaskError>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            check(&error);
            None
        }
    }
}

// Contract: S1, S2, W1, C1, C3, C5, D6, P1, P4, P5
#[test]
fn everything_at_once() {
    let span = Duration::from_secs(from_env("FAST_ASYNC_STRESS_SECONDS").unwrap_or(5));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = from_env("FAST_ASYNC_STRESS_SEED").unwrap_or(now.subsec_nanos().into());
    println!("repeat with FAST_ASYNC_STRESS_SEED={seed}");
    watched_for(span + limit(), move || run(seed, span));
}

fn run(seed: u64, span: Duration) {
    let books = Arc::new(Books::default());
    let hooked = books.clone();
    set_unhandled_hook(move |error| {
        add(&hooked.unseen);
        check(error);
    });
    let build = |name: &str, max| {
        Pool::builder()
            .name(name)
            .max_threads(max)
            .keep_alive(Duration::from_millis(2))
            .build()
            .unwrap()
    };
    let world = World {
        books: books.clone(),
        pools: [build("stress-wide", 64), build("stress-one", 1)],
    };
    let stop = Arc::new(AtomicBool::new(false));
    let flapper = {
        let (pool, stop) = (world.pools[0].clone(), stop.clone());
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                pool.set_max_threads(1 + dice.roll(64) as usize).unwrap();
                // As fast as it can, and yet not all of a core.
                thread::park_timeout(Duration::from_micros(dice.roll(500)));
            }
        })
    };
    let end = Instant::now() + span;
    let drivers: Vec<_> = (1..=DRIVERS)
        .map(|number| {
            let world = world.clone();
            let mut dice = Dice((seed + number).wrapping_mul(0xD134_2543_DE82_EF95) | 1);
            thread::spawn(move || world.drive(&mut dice, end))
        })
        .collect();
    for driver in drivers {
        driver.join().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    flapper.join().unwrap();

    let [wide, one] = world.pools.clone();
    // Each may start work in the other, and late continuations run on the global pool.
    let at_rest = || {
        [&wide, &one, Pool::global()]
            .iter()
            .all(|pool| pool.wait_idle(Duration::ZERO))
    };
    until(|| (0..3).all(|_| at_rest()));
    for (number, pool) in [&wide, &one].into_iter().enumerate() {
        let metrics = pool.metrics();
        let counted = metrics.completed + metrics.failed + metrics.cancelled;
        assert_eq!(counted, read(&books.began[number]), "{metrics:?}");
        assert_eq!(
            (metrics.queued, metrics.running, metrics.blocked),
            (0, 0, 0)
        );
    }
    drop(world);
    for (pool, name) in [(wide, "stress-wide"), (one, "stress-one")] {
        let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(pool.metrics().threads, 0);
        // The system lists a thread for a moment after its end.
        until(|| threads_named(name) == 0);
    }
    let pairs = [
        ("ends told", &books.watched, &books.told),
        ("finally closures run", &books.finals, &books.finals_run),
        ("captures released", &books.captured, &books.released),
    ];
    for (what, expected, found) in pairs {
        assert_eq!(read(found), read(expected), "{what}");
    }
    println!(
        "{} operations, {} tasks begun, {} ends told, {} failures unseen",
        read(&books.operations),
        read(&books.began[0]) + read(&books.began[1]),
        read(&books.told),
        read(&books.unseen),
    );
}
