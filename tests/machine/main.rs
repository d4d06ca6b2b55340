//! Random programs against a model. The programs act on tasks in random order from several threads;
//! each observation must be explained by small steps that the contract allows.
//!
//! Contract: S1-S5, D1-D4, D6-D8, W2, C1-C5, as far as a caller can see them.
//!
//! `FAST_ASYNC_PROGRAMS` is another number of programs, `FAST_ASYNC_SEED` another seed. A longer
//! run, of some minutes:
//!
//! ```sh
//! FAST_ASYNC_PROGRAMS=1000000 FAST_ASYNC_SEED=$RANDOM \
//!     cargo test --release --test machine -- --nocapture
//! ```
//!
//! A program that cannot be explained is shrunk and printed. The tests in `found` are such
//! programs.

mod found;
mod model;
mod plan;
mod program;
#[path = "../support/programs.rs"]
mod programs;
mod search;
mod seen;
mod world;

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use fast_async::{Pool, set_unhandled_hook};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;

use plan::plan;
use program::{Op, Program};
use search::Search;
use seen::{Failure, Said};
use world::{PANIC, World, failure};

const PROGRAMS: u32 = 10_000;
const LONGEST: usize = 24;

static REPORTS: Mutex<Vec<Failure>> = Mutex::new(Vec::new());

/// Threads that perform the operations of one round at the same time.
struct Crew {
    posts: Vec<(Sender<Work>, Receiver<Said>)>,
}

type Work = (Arc<World>, Op, Arc<AtomicUsize>);

impl Crew {
    fn new(size: usize) -> Crew {
        let hire = |_| {
            let (give, given) = channel::<Work>();
            let (answer, answered) = channel();
            thread::spawn(move || {
                for (world, op, missing) in given {
                    meet(&missing);
                    if answer.send(world.perform(&op)).is_err() {
                        return;
                    }
                }
            });
            (give, answered)
        };
        Crew {
            posts: (0..size).map(hire).collect(),
        }
    }

    fn perform(&self, world: &Arc<World>, round: &[Op]) -> Vec<Said> {
        let (last, others) = round.split_last().expect("a round is not empty");
        let missing = Arc::new(AtomicUsize::new(round.len()));
        for (op, (give, _)) in others.iter().zip(&self.posts) {
            let work = (world.clone(), op.clone(), missing.clone());
            give.send(work).expect("the crew is there");
        }
        meet(&missing);
        let own = world.perform(last);
        let answers = self.posts[..others.len()].iter();
        let answers = answers.map(|(_, answered)| answered.recv().expect("a thread of the crew"));
        answers.chain([own]).collect()
    }
}

/// A spinning barrier: lets all threads pass at once, as close together as two cores allow.
fn meet(missing: &AtomicUsize) {
    missing.fetch_sub(1, Ordering::AcqRel);
    let mut looks = 0;
    while missing.load(Ordering::Acquire) > 0 {
        looks += 1;
        if looks < 64 {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

/// Runs one program; says what cannot be explained.
fn check(program: &Program, crew: &Crew, pool: &Pool) -> Result<usize, String> {
    REPORTS.lock().unwrap().clear();
    let world = World::new(program.clone(), pool.clone());
    let mut search = Search::new(program);
    for (number, round) in program.rounds.iter().enumerate() {
        let said = crew.perform(&world, round);
        world.rest();
        let seen = world.seen(said, REPORTS.lock().unwrap().clone());
        if !search.explain(round, &seen) {
            world.clear();
            return Err(format!("round {number} {round:?} cannot be: {seen:?}"));
        }
    }
    if search.is_clean() && world.live_values() != 0 {
        return Err(format!("{} values are left", world.live_values()));
    }
    Ok(search.looked_at)
}

/// The tests of this file share the hooks of the process, so each has them for itself.
fn alone() -> MutexGuard<'static, ()> {
    programs::alone(quiet)
}

fn quiet() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>();
        if !message.is_some_and(|message| message.starts_with(PANIC)) {
            before(info);
        }
    }));
    set_unhandled_hook(|error| REPORTS.lock().unwrap().push(failure(error)));
}

fn pool() -> Pool {
    let pool = Pool::builder()
        .name("machine")
        .core_threads(2)
        .max_threads(4);
    pool.build().expect("a valid pool")
}

#[test]
fn random_programs_do_what_the_contract_allows() {
    let _alone = alone();
    let count = programs::count_or(PROGRAMS);
    let rounds = Arc::new(AtomicUsize::new(0));
    let seen = rounds.clone();
    let states = programs::watched(move |begun| {
        let (crew, pool) = (Crew::new(2), pool());
        let strategy = vec(any::<plan::Raw>(), 1..LONGEST).prop_map(|raws| plan(&raws));
        programs::run(count, strategy, begun, |program| {
            seen.fetch_add(program.rounds.len(), Ordering::Relaxed);
            check(program, &crew, &pool)
        })
    });
    let rounds = rounds.load(Ordering::Relaxed);
    println!("{count} programs, {rounds} rounds, {states} states");
}
