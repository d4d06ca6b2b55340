//! The threads of a pool, which sleep, wake, block, retire and end (Contract: W1, P1, P4, C1).

use super::{Counted, Counter, explore, go};
use crate::sync::{Arc, Condvar, Duration, Mutex, wait_until};
use crate::{CancelOutcome, ErrorKind, Pool, Shutdown, deferred};

fn pool(core: usize, max: usize) -> Pool {
    Pool::builder()
        .core_threads(core)
        .max_threads(max)
        .build()
        .expect("neither is 0")
}

/// Lets one thread wait for another without the pool's knowledge.
#[derive(Clone)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn new() -> Gate {
        Gate(Arc::new((Mutex::new(false), Condvar::new())))
    }

    fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut open = self.0.0.lock();
        while !*open {
            wait_until(&self.0.1, &mut open, None);
        }
    }
}

/// No push may find the worker gone to sleep with the job unseen.
#[test]
fn a_push_wakes_a_worker_that_goes_to_sleep() {
    explore(["done"], || {
        let pool = pool(1, 1);
        for n in 0..3 {
            assert_eq!(pool.spawn(move || n).wait().unwrap(), n);
        }
        "done"
    });
}
