//! A queue of a pool, and entries in it whose jobs were done by other means (Contract: C1, S3).

use super::pool::pool;
use super::{Counter, explore, go, open};

/// The entry of a cancelled task may be swept out by the next push. A late observer queues the task
/// again, and that entry must stay.
#[test]
fn a_late_observer_meets_the_sweep_of_what_is_done() {
    explore(&["cancelled", "ran"], || {
        let pool = pool(1, 1);
        let task = pool.spawn(|| 1);
        let other = pool.clone();
        let pusher = go(move || other.spawn(|| 2).wait().unwrap());
        let _ = task.cancel();
        let (resolver, told) = open();
        let calls = Counter::default();
        let count = calls.clone();
        task.on_settled(move |outcome| {
            count.up();
            resolver.resolve(outcome.is_ok()).unwrap();
        });
        let is_value = told.wait().unwrap();
        assert_eq!(pusher.join().unwrap(), 2);
        assert_eq!(calls.get(), 1);
        match is_value {
            true => "ran",
            false => "cancelled",
        }
    });
}
