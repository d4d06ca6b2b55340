//! Caches that are empty again, and loads that left no value.

use std::time::Duration;

use fast_async::{Clock, Memo, Pool, TaskLocal, spawn};

use crate::bytes::live_bytes;
use crate::support::isolated;
use crate::{WAITS, comes_down_to, one_thread, stays_small};

/// As many values as take megabytes.
const VALUES: usize = 20_000;

/// Loads so many values, forgets them by `empty`, and demands their memory back.
#[track_caller]
fn empties(memo: &Memo<usize, [usize; 16]>, empty: impl Fn(&Memo<usize, [usize; 16]>)) {
    let fill = |values| {
        for n in 0..values {
            memo.get(n).wait().unwrap();
        }
    };
    // What a pool and its threads keep.
    fill(100);
    empty(memo);
    let before = live_bytes();
    fill(VALUES);
    let held = live_bytes() - before;
    assert!(held > 1 << 20, "{held} bytes are held");
    empty(memo);
    assert!(memo.is_empty());
    comes_down_to(before);
}

// Contract: H3
#[test]
fn caches_that_are_emptied() {
    isolated("caches_that_are_emptied", || {
        let pool = one_thread();
        let memo = Memo::new(|n: &usize| Ok([*n; 16])).pool(&pool);
        empties(&memo, Memo::clear);
        empties(&memo, |memo| {
            for n in 0..VALUES {
                memo.forget(&n);
            }
        });
    });
}

// Contract: H3
#[test]
fn caches_whose_values_have_expired() {
    isolated("caches_whose_values_have_expired", || {
        let clock = Clock::manual();
        let builder = Pool::builder().clock(&clock).max_threads(1);
        let pool = builder.build().unwrap();
        let memo = Memo::new(|n: &usize| Ok([*n; 16])).pool(&pool);
        let memo = memo.ttl(Duration::from_secs(1));
        empties(&memo, |_| clock.advance(Duration::from_secs(1)));
    });
}

// Contract: H3
#[test]
fn caches_of_which_little_is_left() {
    isolated("caches_of_which_little_is_left", || {
        let pool = one_thread();
        let memo = Memo::new(|n: &usize| Ok([*n; 16])).pool(&pool);
        let fill = || {
            for n in 0..VALUES {
                memo.get(n).wait().unwrap();
            }
        };
        let most = || (1..VALUES).for_each(|n| assert!(memo.forget(&n)));
        memo.get(0).wait().unwrap();
        let before = live_bytes();
        fill();
        most();
        comes_down_to(before);
    });
}

// Contract: H1, H2
#[test]
fn loads_that_leave_no_value() {
    isolated("loads_that_leave_no_value", || {
        let pool = one_thread();
        let failing = Memo::<usize, usize>::new(|_| Err("no".into())).pool(&pool);
        let mut key = 0;
        stays_small(WAITS, || {
            key += 1;
            assert!(failing.get(key).wait().is_err());
        });
        let memo = Memo::new(|n: &usize| Ok(*n)).pool(&pool);
        stays_small(WAITS, || {
            key += 1;
            memo.get(key).cancel();
            memo.get(key).wait().unwrap();
            memo.forget(&key);
        });
        let flights = memo.capacity(0);
        stays_small(WAITS, || {
            key += 1;
            flights.get(key).wait().unwrap();
        });
        let limited = flights.capacity(10);
        stays_small(WAITS, || {
            key += 1;
            limited.get(key).wait().unwrap();
            limited.refresh(key).wait().unwrap();
        });
    });
}

// Contract: E1
#[test]
fn scopes_of_task_locals_that_are_over() {
    static TEXT: TaskLocal<[u8; 256]> = TaskLocal::inherited();

    isolated("scopes_of_task_locals_that_are_over", || {
        stays_small(WAITS, || {
            let task = TEXT.scope([1; 256], || {
                spawn(|| TEXT.get()).then(|text| text.is_some())
            });
            assert!(task.wait().unwrap());
        });
    });
}
