//! Has the actors play for some time, and waits until everything has come to rest.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::{BoxError, Pool, Resolver, spawn};

use crate::actors::{ACTIONS, Actor, Dice, Stage};
use crate::books::{ACCOUNTS, TASKS, Value};

/// How long everything may take to come to rest, however busy the machine.
const REST: Duration = Duration::from_secs(30);
/// Longer than any single step takes, and than the rest.
const STALL: Duration = Duration::from_secs(60);
pub(crate) const ACTORS: usize = 6;
static ACTIONS_DONE: AtomicU64 = AtomicU64::new(0);

/// Settles what it is sent, in one way or another.
pub(crate) fn settle(resolvers: Receiver<Resolver<Value>>, mut dice: Dice) {
    for resolver in resolvers {
        match dice.roll(5) {
            0 => drop(resolver.reject("rejected")),
            1 => drop(resolver),
            2 => drop(resolver.settle_with(spawn(|| Value::new(4)))),
            3 => drop(resolver.settle_with(Ok::<_, BoxError>(Value::new(5)))),
            _ => drop(resolver.resolve(Value::new(6))),
        }
    }
}

/// Plays for some time, and comes to rest again.
pub(crate) fn play(stage: &Stage, time: Duration, seed: u64, counts: &'static [AtomicU64]) {
    let end = Instant::now() + time;
    let over = AtomicBool::new(false);
    let left = AtomicUsize::new(ACTORS);
    thread::scope(|scope| {
        for number in 0..ACTORS {
            let (stage, left) = (stage.clone(), &left);
            scope.spawn(move || {
                let dice = Dice::new(seed, number as u64);
                let mut actor = Actor { stage, dice };
                while Instant::now() < end {
                    let choice = actor.dice.roll(ACTIONS.len() as u64) as usize;
                    ACTIONS[choice].1(&mut actor);
                    counts[choice].fetch_add(1, Relaxed);
                    ACTIONS_DONE.fetch_add(1, Relaxed);
                }
                left.fetch_sub(1, Relaxed);
            });
        }
        let flapped = stage.pool.clone();
        let flaps_over = &over;
        scope.spawn(move || {
            let mut dice = Dice::new(seed, ACTORS as u64 + 1);
            while !flaps_over.load(Relaxed) {
                let max = [1, 2, 3, 8, 64][dice.roll(5) as usize];
                flapped.set_max_threads(max).expect("more than none");
                thread::sleep(Duration::from_millis(1 + dice.roll(10)));
            }
            flapped.set_max_threads(64).expect("more than none");
        });
        // This thread is the one with the loop.
        while left.load(Relaxed) > 0 {
            stage.main_loop.wait_pending(Duration::from_millis(5));
            stage.main_loop.run_pending();
        }
        over.store(true, Relaxed);
    });
    // Tasks that were let go of are on their way still, through the loop too.
    let rest = Instant::now() + REST;
    while Instant::now() < rest
        && !(ACCOUNTS.iter().all(|account| account.balances()) && is_idle(stage))
    {
        stage.main_loop.wait_pending(Duration::from_millis(2));
        stage.main_loop.run_pending();
    }
}

pub(crate) fn is_idle(stage: &Stage) -> bool {
    [&stage.pool, &stage.narrow, Pool::global()]
        .iter()
        .all(|pool| pool.wait_idle(Duration::ZERO))
}

/// Waits until no pool has more threads than its core; says how many there are and should be.
pub(crate) fn threads_at_rest(pools: &[(&Pool, usize)]) -> (usize, usize) {
    let core = pools.iter().map(|(_, core)| core).sum();
    let threads = || -> usize { pools.iter().map(|(pool, _)| pool.metrics().threads).sum() };
    let patience = Instant::now() + Duration::from_secs(10);
    while threads() > core && Instant::now() < patience {
        thread::sleep(Duration::from_millis(20));
    }
    (threads(), core)
}

/// Ends the process when nothing moves for too long.
pub(crate) fn watch(pools: &[Pool]) {
    let mut last = (0, Instant::now());
    loop {
        thread::sleep(Duration::from_millis(500));
        let done = ACTIONS_DONE.load(Relaxed) + TASKS.credit.load(Relaxed);
        if done != last.0 {
            last = (done, Instant::now());
        } else if last.1.elapsed() > STALL {
            eprintln!("nothing has moved for {STALL:?}");
            for pool in pools {
                eprintln!("{pool:?}");
            }
            std::process::exit(1);
        }
    }
}
