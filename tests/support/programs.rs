//! Runs random programs: their seed, their shrinking, and a watchdog.

use std::env;
use std::fmt::Debug;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// No program takes that long, on however busy a machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// The number of programs that the environment names, or this one.
pub(crate) fn count_or(programs: u32) -> u32 {
    number("FAST_ASYNC_PROGRAMS").map_or(programs, |count| count as u32)
}

fn seed() -> u64 {
    number("FAST_ASYNC_SEED").unwrap_or(1)
}

/// The tests of one file share the hooks of the process, so each has them for itself. The first
/// one sets them, by `quiet`.
pub(crate) fn alone(quiet: fn()) -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static ONCE: Once = Once::new();
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    ONCE.call_once(quiet);
    guard
}

/// Runs so many programs; `check` says how much it has seen of one. Returns the sum.
pub(crate) fn run<P: Clone + Debug>(
    count: u32,
    programs: impl Strategy<Value = P>,
    begun: &Sender<P>,
    check: impl Fn(&P) -> Result<usize, String>,
) -> usize {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed().to_le_bytes());
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
            panic!("{reason}\nin the program {program:#?}\n(seed {})", seed())
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Fails when a program hangs.
pub(crate) fn watched<P: Clone + Debug + Send + 'static>(
    run: impl FnOnce(&Sender<P>) -> usize + Send + 'static,
) -> usize {
    let (begin, begun) = channel();
    let runner = thread::spawn(move || run(&begin));
    let mut latest = None;
    loop {
        match begun.recv_timeout(LIMIT) {
            Ok(program) => latest = Some(program),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("hangs in {latest:#?}\n(seed {})", seed()),
        }
    }
    match runner.join() {
        Ok(seen) => seen,
        Err(payload) => panic::resume_unwind(payload),
    }
}
