//! Models: tiny programs, one property each, whose interleavings a checker goes through.
//!
//! `loom` explores every interleaving up to a bound of preemptions, including the effects of weak
//! memory orders. It is limited to five threads and has no notion of time. `shuttle` explores a
//! given number of random interleavings, without weak memory orders, and supports more threads and
//! timed waits.
//!
//! ```text
//! RUSTFLAGS="--cfg loom"    cargo test -p fast-async --lib --release
//! RUSTFLAGS="--cfg shuttle" cargo test -p fast-async --lib --release
//! ```
//!
//! `LOOM_MAX_PREEMPTIONS` (2) bounds the former, `LOOM_MAX_DURATION` (seconds) stops it.
//! `MODEL_RUNS` says how many interleavings the latter tries with each of its two schedulers,
//! `SHUTTLE_RANDOM_SEED` which, and `MODEL_REPLAY` gives it the one schedule that a failure has
//! printed.

// A model that never fails proves nothing: `.ci/planted` plants one bug after the other, a patch of
// `.ci/planted.d`, and asks that a model finds it.

mod adopt;
mod blocking;
mod cache;
mod cancel;
mod combine;
mod cycle;
mod event;
#[cfg(shuttle)]
mod gate;
mod group;
mod local;
mod polled;
mod pool;
mod queue;
#[cfg(shuttle)]
mod reject;
mod release;
mod run;
#[cfg(shuttle)]
mod search;
mod semaphore;
mod settle;
mod share;
mod subscribe;
mod task_queue;
mod timer;
mod token;
mod topic;
mod wait;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use crate::cell::step::Route;
use crate::cell::with;
use crate::sync::{JoinHandle, thread};
use crate::{Resolver, Task, deferred};

/// Runs `model` in as many interleavings as the local queue is made for. The model says how each of
/// them came out; all of `ends` must be reached, or its threads never met where they should.
fn explore<F>(ends: &'static [&'static str], model: F)
where
    F: Fn() -> &'static str + Send + Sync + 'static,
{
    watch_panics();
    let start = std::time::Instant::now();
    let counts: Arc<[Counter]> = ends.iter().map(|_| Counter::default()).collect();
    let count = counts.clone();
    check(move || {
        let end = model();
        match ends.iter().position(|known| *known == end) {
            Some(place) => count[place].up(),
            None => panic!("the model ended as {end:?}"),
        }
        assert_eq!(PANICS.get(), 0, "a panic behind the wall around user code");
    });
    let runs: usize = counts.iter().map(Counter::get).sum();
    let each: Vec<String> = std::iter::zip(ends, &*counts)
        .map(|(end, count)| format!("{end} {}", count.get()))
        .collect();
    let name = std::any::type_name::<F>();
    let name = name.trim_start_matches("fast_async::model::");
    let name = name.trim_end_matches("::{{closure}}");
    say(format_args!(
        "model {name}: {runs} executions ({}) in {:.2} s{}",
        each.join(", "),
        start.elapsed().as_secs_f64(),
        if is_over(start) { ", then stopped" } else { "" },
    ));
    let is_whole = std::env::var_os("MODEL_REPLAY").is_none();
    for (end, count) in std::iter::zip(ends, &*counts) {
        assert!(
            !is_whole || count.get() > 0,
            "{name}: no execution ended as {end:?}"
        );
    }
    assert!(!is_whole || runs > 1, "{name}: its threads never met");
}

/// The checker had to stop before it had seen everything up to its bound.
fn is_over(start: std::time::Instant) -> bool {
    let limit = std::env::var("LOOM_MAX_DURATION").ok();
    let limit = limit.and_then(|seconds| seconds.parse().ok());
    cfg!(loom) && limit.is_some_and(|seconds| start.elapsed().as_secs() >= seconds)
}

#[cfg(loom)]
fn check(model: impl Fn() + Send + Sync + 'static) {
    // Not `loom::model`: it installs a tracing subscriber, and tasks would carry their spans about.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = builder.max_branches.max(20_000);
    // How often it looks whether its time is over (`LOOM_MAX_DURATION`).
    builder.checkpoint_interval = 1_000;
    builder.check(model);
}

#[cfg(shuttle)]
fn check(model: impl Fn() + Send + Sync + 'static) {
    use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
    use shuttle::{Config, MaxSteps, Runner};

    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = MaxSteps::FailAfter(50_000);
    config.silence_warnings = true;
    if let Ok(schedule) = std::env::var("MODEL_REPLAY") {
        let replay = ReplayScheduler::new_from_encoded(schedule.trim());
        Runner::new(replay, config).run(model);
        return;
    }
    let runs = std::env::var("MODEL_RUNS").map_or(4_000, |runs| {
        runs.parse().expect("MODEL_RUNS is not a number")
    });
    let model = Arc::new(model);
    // The one wanders about; the other leaves threads standing for long, and finds what takes a
    // long pause at one place.
    let random = RandomScheduler::new_from_seed(1, runs);
    let again = model.clone();
    Runner::new(random, config.clone()).run(move || again());
    let stubborn = PctScheduler::new_from_seed(1, 3, runs);
    Runner::new(stubborn, config).run(move || model());
}

std::thread_local! {
    /// Panics on this thread of the system, on which all threads of its model run.
    static PANICS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts panics, because a wall around user code also catches failed assertions and what the
/// checkers throw. No model panics on purpose.
fn watch_panics() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let _ = PANICS.try_with(|panics| panics.set(panics.get() + 1));
            report(info);
        }));
    });
}

/// Writes past the test harness, which captures the output of successful tests.
fn say(message: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// Starts a thread of the model.
fn go<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new()
        .spawn(f)
        .expect("a checker refuses no thread")
}

/// A task to settle by hand, whose late subscribers run where they subscribe: no pool has a part in
/// it.
fn open<T: Send + 'static>() -> (Resolver<T>, Task<T>) {
    let (resolver, task) = deferred();
    if let Some(cell) = task.cell() {
        let _ = with(&**cell, |state, _| state.set_route(Route::Inline));
    }
    (resolver, task)
}

/// Counts reports of unhandled failures, until the end of the execution.
fn reports() -> Counter {
    let reports = Counter::default();
    let count = reports.clone();
    crate::set_unhandled_hook(move |_| count.up());
    reports
}

/// Counts; no place for a checker to switch threads at.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Something captured or returned, whose drops are counted.
struct Counted(Counter);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.up();
    }
}

/// What happened, in its order; no place for a checker to switch threads at.
struct Log<T>(Arc<std::sync::Mutex<Vec<T>>>);

impl<T> Log<T> {
    fn new() -> Log<T> {
        Log(Arc::default())
    }

    fn add(&self, entry: T) {
        self.0.lock().expect("only ever pushed to").push(entry);
    }

    fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().expect("only ever pushed to"))
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Log<T> {
        Log(self.0.clone())
    }
}
