//! What is done, again and again, by many threads at once.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::{CancelToken, Inline, LoopQueue, Pool, Resolver, Task, all, any, deferred, spawn};

use crate::books::{Held, UNSEEN, Value, book, wrong};

/// What the actors share.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) pool: Pool,
    /// Takes few jobs at a time.
    pub(crate) narrow: Pool,
    pub(crate) main_loop: LoopQueue,
    /// The thread that settles each resolver sent here.
    pub(crate) settler: Sender<Resolver<Value>>,
}

pub(crate) struct Actor {
    pub(crate) stage: Stage,
    pub(crate) dice: Dice,
}

pub(crate) struct Dice(u64);

impl Dice {
    /// Each number gives other dice from one seed.
    pub(crate) fn new(seed: u64, number: u64) -> Dice {
        let mixed = (seed.rotate_left(8) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // It would stay at 0.
        Dice(mixed | 1)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

pub(crate) type Action = (&'static str, fn(&mut Actor));

pub(crate) const ACTIONS: &[Action] = &[
    ("chain", Actor::chain),
    ("share and branch", Actor::share),
    ("nested waits", Actor::nest),
    ("panic, caught", Actor::panic_caught),
    ("panic, unseen", Actor::panic_unseen),
    ("cancel", Actor::cancel),
    ("cancel a tree", Actor::cancel_tree),
    ("all", Actor::gather_all),
    ("any", Actor::gather_any),
    ("timed wait", Actor::timed_wait),
    ("main loop", Actor::through_the_loop),
    ("settled elsewhere", Actor::settled_elsewhere),
    ("a full queue", Actor::full_queue),
    ("a loop of tasks", Actor::loop_of_tasks),
    ("observers come and go", Actor::observers),
    ("topics", Actor::topics),
];

/// Work of some microseconds, sometimes a short sleep.
pub(crate) fn work(amount: u64) -> Value {
    if amount.is_multiple_of(97) {
        thread::sleep(Duration::from_micros(300));
    }
    let sum = (0..amount * 7).fold(amount, |sum, n| sum.rotate_left(3) ^ n);
    Value::new(std::hint::black_box(sum))
}

impl Actor {
    fn spawn(&mut self) -> Task<Value> {
        let (amount, held) = (self.dice.roll(200), Held::new());
        let run = move || {
            let _held = held;
            work(amount)
        };
        let observers = self.dice.roll(4);
        match self.dice.roll(3) {
            0 => book(spawn(run), observers),
            1 => book(self.stage.narrow.spawn(run), observers),
            _ => book(self.stage.pool.spawn(run), observers),
        }
    }

    /// Waits for a task, or lets it go.
    fn end<T: Send + 'static>(&mut self, task: Task<T>) {
        if self.dice.roll(4) > 0 {
            let _ = task.wait();
        }
    }

    fn chain(&mut self) {
        let mut task = self.spawn();
        for _ in 0..self.dice.roll(12) {
            let held = Held::new();
            task = match self.dice.roll(7) {
                0 => task.on(&Inline),
                1 => task.on(&self.stage.pool),
                2 => task.and_then(move |value| {
                    let _held = held;
                    spawn(move || value)
                }),
                3 => task.and_then(move |value| {
                    let _held = held;
                    Ok(value)
                }),
                4 => task.finally(move || drop(held)),
                5 => task.inspect(move |_| drop(held)),
                _ => task.then(move |value| {
                    let _held = held;
                    Value::new(value.0 + 1)
                }),
            };
        }
        self.end(task);
    }

    fn share(&mut self) {
        let shared = self.spawn().share();
        let mut branches = Vec::new();
        for _ in 0..self.dice.roll(6) {
            let held = Held::new();
            branches.push(book(
                shared.then(move |value| {
                    let _held = held;
                    Value::new(value.0)
                }),
                1,
            ));
        }
        for branch in branches {
            match self.dice.roll(4) {
                0 => drop(branch),
                1 => drop(branch.cancel()),
                _ => drop(branch.wait()),
            }
        }
        match self.dice.roll(3) {
            0 => drop(shared.cancel()),
            1 => drop(shared.wait().map(|value| value.0)),
            _ => {}
        }
    }

    fn nest(&mut self) {
        fn level(stage: &Stage, depth: u64, width: u64) -> u64 {
            if depth == 0 {
                return work(width * 10).0 & 1;
            }
            let tasks: Vec<Task<u64>> = (0..width)
                .map(|_| {
                    let (inner, held) = (stage.clone(), Held::new());
                    // From another pool than the waiting one, so that no waiter can run it.
                    let pool = [&stage.pool, Pool::global()][(depth % 2) as usize];
                    let task = pool.spawn(move || {
                        let _held = held;
                        level(&inner, depth - 1, width)
                    });
                    book(task, 0)
                })
                .collect();
            let one = |task: Task<u64>| task.wait().expect("no one cancels it");
            tasks.into_iter().map(one).sum()
        }
        let (stage, depth, width) = (
            self.stage.clone(),
            1 + self.dice.roll(4),
            1 + self.dice.roll(3),
        );
        let task = self.stage.pool.spawn(move || level(&stage, depth, width));
        if let Err(error) = book(task, 0).wait() {
            wrong(format!("a nested wait failed: {error}"));
        }
    }

    fn panic_caught(&mut self) {
        let held = Held::new();
        let task = self.spawn().then(move |_| -> Value {
            let _held = held;
            std::panic::resume_unwind(Box::new("caught"))
        });
        let task = task.then(|value| Value::new(value.0)).catch(|error| {
            if !error.is_panic() {
                wrong(format!("a panic became {error}"));
            }
            Value::new(1)
        });
        self.end(task);
    }

    fn panic_unseen(&mut self) {
        UNSEEN.open();
        let task = self.spawn();
        if self.dice.roll(2) == 0 {
            drop(task.then(|_| std::panic::resume_unwind(Box::new("unseen"))));
        } else {
            task.on_settled(|_| std::panic::resume_unwind(Box::new("unseen")));
        }
    }

    fn cancel(&mut self) {
        let held = Held::new();
        let task = self.stage.pool.spawn_with(move |context| {
            let _held = held;
            let start = Instant::now();
            while !context.is_cancelled() && start.elapsed() < Duration::from_millis(1) {
                thread::yield_now();
            }
            Value::new(1)
        });
        let task = book(task, self.dice.roll(3)).then(|value| Value::new(value.0));
        let task = task.finally(|| ());
        for _ in 0..self.dice.roll(50) {
            std::hint::spin_loop();
        }
        task.cancel();
        match task.catch(|_| Value::new(2)).wait() {
            Ok(_) => {}
            Err(error) => wrong(format!("it was recovered from, but failed: {error}")),
        }
    }

    fn cancel_tree(&mut self) {
        let root = CancelToken::new();
        let tasks: Vec<Task<Value>> = (0..5)
            .map(|_| {
                let (token, amount) = (root.child(), self.dice.roll(100));
                let builder = Task::<()>::builder().pool(&self.stage.pool);
                book(builder.cancel_token(&token).spawn(move || work(amount)), 1)
            })
            .collect();
        root.cancel();
        for task in tasks {
            let _ = task.wait();
        }
    }

    fn gather_all(&mut self) {
        let count = 1 + self.dice.roll(8);
        let mut tasks: Vec<Task<Value>> = (0..count).map(|_| self.spawn()).collect();
        let fails = self.dice.roll(3) == 0;
        if fails {
            tasks.push(book(Task::failed("one of them"), 1));
        }
        match all(tasks).wait() {
            Ok(values) if !fails && values.len() as u64 == count => {}
            Err(_) if fails => {}
            outcome => wrong(format!("all: {:?}", outcome.map(|values| values.len()))),
        }
    }

    fn gather_any(&mut self) {
        let mut tasks: Vec<Task<Value>> =
            (0..1 + self.dice.roll(4)).map(|_| self.spawn()).collect();
        tasks.insert(0, book(Task::failed("not this one"), 1));
        if let Err(error) = any(tasks).wait() {
            wrong(format!("any: {error}"));
        }
    }

    fn timed_wait(&mut self) {
        let timeout = Duration::from_micros(self.dice.roll(200));
        match self.spawn().wait_timeout(timeout) {
            Ok(_) => {}
            Err(task) => match self.dice.roll(3) {
                0 => drop(task),
                1 => drop(task.cancel()),
                _ => drop(task.wait()),
            },
        }
    }

    fn through_the_loop(&mut self) {
        let held = Held::new();
        let task = self.spawn().on(&self.stage.main_loop).then(move |value| {
            let _held = held;
            Value::new(value.0 ^ 1)
        });
        let task = task.on(&self.stage.pool).then(|value| Value::new(value.0));
        self.end(task);
    }

    fn settled_elsewhere(&mut self) {
        let (resolver, task) = deferred();
        let task = book(task, self.dice.roll(4));
        // The settler lives as long as the stage does.
        let _ = self.stage.settler.send(resolver);
        match self.dice.roll(4) {
            0 => drop(task.cancel()),
            1 => drop(task.wait_timeout(Duration::from_micros(self.dice.roll(100)))),
            _ => drop(task.wait()),
        }
    }

    fn full_queue(&mut self) {
        for _ in 0..20 {
            match self.stage.narrow.try_spawn(|| Value::new(3)) {
                Ok(task) => drop(book(task, 0)),
                Err(back) => drop(back.into_inner()()),
            }
        }
    }

    fn loop_of_tasks(&mut self) {
        fn round(stage: Stage, left: u64) -> Task<u64> {
            if left == 0 {
                return Task::ready(0);
            }
            let task = stage.pool.spawn(|| ());
            task.and_then(move |()| round(stage, left - 1))
        }
        let task = book(round(self.stage.clone(), self.dice.roll(200)), 1);
        if let Err(error) = task.wait() {
            wrong(format!("a loop of tasks: {error}"));
        }
    }

    fn observers(&mut self) {
        let task = self.spawn();
        let subscriptions: Vec<_> = (0..8)
            .map(|_| {
                let held = Held::new();
                task.on_settled(move |_| drop(held))
            })
            .collect();
        for subscription in subscriptions {
            if self.dice.roll(2) == 0 {
                subscription.unsubscribe();
            }
        }
        self.end(task);
    }
}
