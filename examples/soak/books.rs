//! The books: what was begun, and what has come to its end.

use std::alloc::System;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use fast_async::Task;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

pub(crate) static TASKS: Account = Account::new("tasks: started, settled");
pub(crate) static OBSERVERS: Account = Account::new("observers: subscribed, called");
pub(crate) static VALUES: Account = Account::new("values: made, dropped");
pub(crate) static CLOSURES: Account = Account::new("closures: made, dropped");
pub(crate) static DELIVERIES: Account = Account::new("topics: owed, delivered or lost");
pub(crate) static UNSEEN: Account = Account::new("unseen failures: made, reported");
pub(crate) static OUT_OF_TURN: AtomicU64 = AtomicU64::new(0);
pub(crate) static WRONG: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(crate) static ACCOUNTS: [&Account; 6] =
    [&TASKS, &OBSERVERS, &VALUES, &CLOSURES, &DELIVERIES, &UNSEEN];

pub(crate) struct Account {
    pub(crate) name: &'static str,
    pub(crate) debit: AtomicU64,
    pub(crate) credit: AtomicU64,
}

impl Account {
    const fn new(name: &'static str) -> Account {
        Account {
            name,
            debit: AtomicU64::new(0),
            credit: AtomicU64::new(0),
        }
    }

    pub(crate) fn open(&self) {
        self.debit.fetch_add(1, Relaxed);
    }

    pub(crate) fn owe(&self, count: u64) {
        self.debit.fetch_add(count, Relaxed);
    }

    pub(crate) fn close(&self) {
        self.credit.fetch_add(1, Relaxed);
    }

    pub(crate) fn balances(&self) -> bool {
        self.debit.load(Relaxed) == self.credit.load(Relaxed)
    }
}

pub(crate) fn wrong(what: String) {
    WRONG.lock().unwrap().push(what);
}

/// A value that is on the books as long as it lives, with some memory of its own.
pub(crate) struct Value(pub(crate) u64, Vec<u8>);

impl Value {
    pub(crate) fn new(number: u64) -> Value {
        VALUES.open();
        Value(number, vec![0; (number % 64) as usize])
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        VALUES.close();
        self.0 += self.1.len() as u64;
    }
}

/// What every closure holds.
pub(crate) struct Held;

impl Held {
    pub(crate) fn new() -> Held {
        CLOSURES.open();
        Held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        CLOSURES.close();
    }
}

/// Puts a task on the books, with some observers.
pub(crate) fn book<T: Send + 'static>(task: Task<T>, observers: u64) -> Task<T> {
    TASKS.open();
    let turn = Arc::new(AtomicU64::new(0));
    for own in 0..observers {
        OBSERVERS.open();
        let (turn, held) = (turn.clone(), Held::new());
        task.on_settled(move |_| {
            let _held = held;
            OBSERVERS.close();
            if turn.fetch_add(1, Relaxed) != own {
                OUT_OF_TURN.fetch_add(1, Relaxed);
            }
        });
    }
    task.on_settled(|_| TASKS.close());
    task
}

pub(crate) fn live_bytes() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}
