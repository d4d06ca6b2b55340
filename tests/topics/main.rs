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
#[path = "../support/programs.rs"]
mod programs;
mod race;
mod reference;
mod world;

use std::panic;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicUsize, Ordering};

use fast_async::{Pool, set_unhandled_hook};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;

use program::Program;
use reference::Reference;
use world::World;

const PROGRAMS: u32 = 5_000;
/// A program of threads takes as long as some others.
const PER_RACE: u32 = 10;
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

/// The tests of this file share the hooks of the process, so each has them for itself.
fn alone() -> MutexGuard<'static, ()> {
    programs::alone(quiet)
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

fn count() -> u32 {
    programs::count_or(PROGRAMS)
}

fn pool() -> Pool {
    let pool = Pool::builder().name("topics").max_threads(4);
    pool.build().expect("a valid pool")
}

#[test]
fn programs_for_one_thread_do_what_the_reference_does() {
    let _alone = alone();
    let events = programs::watched(|begun| {
        let pool = pool();
        let raws = (any::<[u8; 2]>(), vec(any::<program::Raw>(), 1..40));
        let strategy = raws.prop_map(|(first, raws)| Program::read(first, &raws));
        programs::run(count(), strategy, begun, |program| compare(program, &pool))
    });
    println!("{} programs, {events} events", count());
}

#[test]
fn programs_for_several_threads_have_one_order() {
    let _alone = alone();
    let count = (count() / PER_RACE).max(1);
    let values = programs::watched(move |begun| {
        let pool = pool();
        let threads = vec(vec(any::<race::Raw>(), 1..12), 2..5);
        let raws = (any::<[u8; 2]>(), threads);
        let strategy = raws.prop_map(|(first, threads)| race::Program::read(first, &threads));
        programs::run(count, strategy, begun, |program| race::run(program, &pool))
    });
    println!("{count} programs for several threads, {values} values");
}
