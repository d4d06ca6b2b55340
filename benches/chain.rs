//! What does a link of a long chain cost, and does it depend on the length?
//!
//! N: 10, 1 000 and 100 000 continuations, each adding one, hung on one pending task that is then
//! settled; the end is waited for. Threads: the one that builds, settles and waits.

mod support;

use fast_async::deferred;
use support::measure;

fn main() {
    measure("chain", &[10, 1_000, 100_000], |n| n, chain);
}

fn chain(n: u64) {
    let (resolver, task) = deferred::<u64>();
    let end = (0..n).fold(task, |task, _| task.then(|value| value + 1));
    resolver.resolve(0).expect("nobody else settles it");
    assert_eq!(end.wait().expect("no link fails"), n);
}
