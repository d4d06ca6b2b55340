//! What does it cost to join many pending tasks into one?
//!
//! N: 10, 1 000 and 100 000 tasks, joined while pending, then settled one after another by another
//! thread; the joined result is waited for. Threads: the one that makes, joins and waits; the one
//! that settles.

mod support;

use std::sync::mpsc;
use std::thread;

use fast_async::{Resolver, all, deferred};
use support::measure;

fn main() {
    let (settle, orders) = mpsc::channel::<Vec<Resolver<u64>>>();
    let settler = thread::spawn(move || {
        for resolvers in orders {
            for (value, resolver) in (0..).zip(resolvers) {
                resolver.resolve(value).expect("nobody else settles it");
            }
        }
    });
    let fanin = |n| {
        let (resolvers, tasks): (Vec<_>, Vec<_>) = (0..n).map(|_| deferred::<u64>()).unzip();
        let joined = all(tasks);
        settle.send(resolvers).expect("the settler listens");
        let values = joined.wait().expect("no task fails");
        assert_eq!(values.into_iter().sum::<u64>(), n * (n - 1) / 2);
    };
    measure("fanin", &[10, 1_000, 100_000], |n| n, fanin);
    drop(settle);
    settler.join().expect("the settler does not panic");
}
