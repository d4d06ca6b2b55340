//! Random programs over topics. Those for one thread, whose callbacks use the topics themselves,
//! are compared with a reference, event by event. Those for several threads leave a history, which
//! must be that of one order of all values.
//!
//! `FAST_ASYNC_PROGRAMS` is another number of programs, `FAST_ASYNC_SEED` another seed:
//!
//! ```sh
//! FAST_ASYNC_PROGRAMS=1000000 FAST_ASYNC_SEED=$RANDOM \
//!     cargo test --release --test topics -- --nocapture
//! ```
//!
//! A program that fails is shrunk and printed.

mod history;
mod program;
mod race;
mod reference;
mod world;

use std::env;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

use fast_async::{Pool, set_unhandled_hook};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use program::Program;
use reference::Reference;
use world::World;

const PROGRAMS: u32 = 5_000;
/// A program of threads takes as long as some others.
const PER_RACE: u32 = 10;
/// No program takes that long, on however busy a machine.
const LIMIT: Duration = Duration::from_secs(60);
/// The message of panics that programs ask for.
const PANIC: &str = "a callback of a program";

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Runs one program for one thread; says where it differs from the reference.
fn compare(program: &Program, pool: &Pool) -> Result<usize, String> {
    PANICS.store(0, Ordering::SeqCst);
    let world = World::new(program, pool);
    let mut reference = Reference::new(program);
    let mut events = 0;
    for (number, deed) in program.deeds.iter().enumerate() {
        let (seen, expected) = (world.perform(deed), reference.perform(deed));
        if seen != expected {
            return Err(format!(
                "deed {number}, {deed:?}, came to\n  {seen:?}\nand should come to\n  {expected:?}"
            ));
        }
        events += seen.len();
    }
    world.finish()?;
    match PANICS.load(Ordering::SeqCst) {
        reported if reported == reference.panics => Ok(events),
        reported => Err(format!(
            "{reported} of {} panics reported",
            reference.panics
        )),
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// The tests of this file share the hooks of the process, so each has them for itself.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static ONCE: Once = Once::new();
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    ONCE.call_once(quiet);
    guard
}

fn quiet() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| info.payload().downcast_ref().copied());
        if message != Some(PANIC) {
            before(info);
        }
    }));
    set_unhandled_hook(|error| {
        if error.panic_message() == Some(PANIC) {
            PANICS.fetch_add(1, Ordering::SeqCst);
        }
    });
}

/// Runs so many programs; `check` says how much it has seen of one.
fn run_programs<P: Clone + std::fmt::Debug>(
    count: u32,
    programs: impl Strategy<Value = P>,
    begun: &Sender<P>,
    check: impl Fn(&P) -> Result<usize, String>,
) -> usize {
    let seed = number("FAST_ASYNC_SEED").unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let total = AtomicUsize::new(0);
    let result = runner.run(&programs, |program| {
        // The watchdog may have given up.
        let _ = begun.send(program.clone());
        let seen = check(&program).map_err(TestCaseError::fail)?;
        total.fetch_add(seen, Ordering::Relaxed);
        Ok(())
    });
    match result {
        Ok(()) => total.into_inner(),
        Err(TestError::Fail(reason, program)) => {
            panic!("{reason}\nin the program {program:#?}\n(seed {seed})")
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Fails when a program hangs.
fn watched<P: Clone + std::fmt::Debug + Send + 'static>(
    run: impl FnOnce(&Sender<P>) -> usize + Send + 'static,
) -> usize {
    let (begin, begun) = channel();
    let runner = thread::spawn(move || run(&begin));
    let mut latest = None;
    loop {
        match begun.recv_timeout(LIMIT) {
            Ok(program) => latest = Some(program),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("hangs in {latest:#?}"),
        }
    }
    match runner.join() {
        Ok(seen) => seen,
        Err(payload) => panic::resume_unwind(payload),
    }
}

fn count() -> u32 {
    number("FAST_ASYNC_PROGRAMS").map_or(PROGRAMS, |count| count as u32)
}

fn pool() -> Pool {
    let pool = Pool::builder().name("topics").max_threads(4);
    pool.build().expect("a valid pool")
}

#[test]
fn programs_for_one_thread_do_what_the_reference_does() {
    let _alone = alone();
    let events = watched(|begun| {
        let pool = pool();
        let raws = (any::<[u8; 2]>(), vec(any::<program::Raw>(), 1..40));
        let programs = raws.prop_map(|(first, raws)| Program::read(first, &raws));
        run_programs(count(), programs, begun, |program| compare(program, &pool))
    });
    println!("{} programs, {events} events", count());
}

#[test]
fn programs_for_several_threads_have_one_order() {
    let _alone = alone();
    let count = (count() / PER_RACE).max(1);
    let values = watched(move |begun| {
        let pool = pool();
        let threads = vec(vec(any::<race::Raw>(), 1..12), 2..5);
        let raws = (any::<[u8; 2]>(), threads);
        let programs = raws.prop_map(|(first, threads)| race::Program::read(first, &threads));
        run_programs(count, programs, begun, |program| race::run(program, &pool))
    });
    println!("{count} programs for several threads, {values} values");
}
