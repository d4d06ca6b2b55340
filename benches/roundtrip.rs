//! How long does it take to start one closure and have its result?
//!
//! N: 1 closure from outside of the pool, waited for before the next; 1 000 in the same way from
//! inside a task. Threads: outside, the caller and the worker that it wakes each time; inside, the
//! worker itself, unless another is quicker.

mod support;

use fast_async::spawn;
use support::measure;

fn main() {
    measure("roundtrip", &[1], |n| n, roundtrips);
    let from_a_worker = |n| {
        let all = spawn(move || roundtrips(n));
        all.wait().expect("it does not fail");
    };
    measure("roundtrip_worker", &[1_000], |n| n, from_a_worker);
}

fn roundtrips(n: u64) {
    for i in 0..n {
        assert_eq!(spawn(move || i).wait().expect("it does not fail"), i);
    }
}
