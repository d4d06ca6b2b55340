//! What does a task cost whose parent is a task and waits for it?
//!
//! N: the argument of naive fib, 20 to 25: 21 891 to 242 785 calls, every one of them a task,
//! waited for by the call above. Threads: 2 workers, and the one outside; up to 64 in pools that
//! grow. Contestants: executors of futures, where the parent is suspended; the crates that start a
//! thread for every promise, at 15, which is 1 973 threads. `rayon::join` is a reference: it makes
//! no task objects. Pools whose waiters block their thread would never return. The floor makes a
//! boxed closure of every call, and runs it on the spot.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ::fast_async::spawn;
use ::futures::FutureExt;
use ::futures::executor::block_on;
use ::futures::future::BoxFuture;

use crate::contest::{Contestant, Workload};
use crate::foreign::Language;
use crate::peer::{Peer, async_executor, futures, rayon, threads, tokio};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "forkjoin",
    question: "What does a task cost whose parent is a task and waits for it?",
    operation: "task",
    table: &[20, 25],
    sweep: &[5, 10, 15, 20, 22, 25],
    short: &[10],
    operations: calls,
    fill: super::FILL,
    from_rest: false,
    reading: &[],
    contestants: &[
        Contestant::floor(floor),
        Contestant::ours(fast_async),
        Contestant::peer("tokio spawn", tokio),
        Contestant::peer("async-executor", async_executor),
        Contestant::peer("futures ThreadPool", futures),
        Contestant::peer("promisery", blocking::<threads::Promisery>).at_most(15, threads::WHY),
        Contestant::peer("poll-promise", blocking::<threads::PollPromise>)
            .at_most(15, threads::WHY),
        Contestant::reference("rayon::join", "no task objects", rayon_join),
        Contestant::foreign("JVM RecursiveTask", Language::Jvm),
        Contestant::foreign("Go", Language::Go),
    ],
};

/// How many calls naive fib makes, the first included.
const fn calls(n: usize) -> usize {
    2 * fib(n + 1) as usize - 1
}

const fn fib(n: usize) -> u64 {
    let (mut this, mut next, mut left) = (0, 1, n);
    while left > 0 {
        (this, next, left) = (next, this + next, left - 1);
    }
    this
}

fn fast_async(n: usize) -> Duration {
    fn call(n: usize) -> u64 {
        if n < 2 {
            return n as u64;
        }
        let (a, b) = (spawn(move || call(n - 1)), spawn(move || call(n - 2)));
        a.wait().expect("no call fails") + b.wait().expect("no call fails")
    }
    let start = Instant::now();
    let result = spawn(move || call(n)).wait().expect("no call fails");
    checked(n, result, start)
}

fn tokio(n: usize) -> Duration {
    fn call(n: usize) -> BoxFuture<'static, u64> {
        async move {
            if n < 2 {
                return n as u64;
            }
            let (a, b) = (::tokio::spawn(call(n - 1)), ::tokio::spawn(call(n - 2)));
            a.await.expect("no call fails") + b.await.expect("no call fails")
        }
        .boxed()
    }
    let start = Instant::now();
    let first = tokio::runtime().spawn(call(n));
    let result = tokio::runtime().block_on(first).expect("no call fails");
    checked(n, result, start)
}

fn async_executor(n: usize) -> Duration {
    fn call(n: usize) -> BoxFuture<'static, u64> {
        async move {
            if n < 2 {
                return n as u64;
            }
            let pool = async_executor::pool();
            let (a, b) = (pool.spawn(call(n - 1)), pool.spawn(call(n - 2)));
            a.await + b.await
        }
        .boxed()
    }
    let start = Instant::now();
    let result = block_on(async_executor::pool().spawn(call(n)));
    checked(n, result, start)
}

fn futures(n: usize) -> Duration {
    fn call(n: usize) -> BoxFuture<'static, u64> {
        async move {
            if n < 2 {
                return n as u64;
            }
            let pool = futures::pool();
            let a = futures::spawn_on(pool, call(n - 1));
            let b = futures::spawn_on(pool, call(n - 2));
            a.await + b.await
        }
        .boxed()
    }
    let start = Instant::now();
    let result = block_on(futures::spawn_on(futures::pool(), call(n)));
    checked(n, result, start)
}

/// The parent's thread waits for the children's.
fn blocking<P: Peer>(n: usize) -> Duration {
    fn call<P: Peer>(n: usize) -> u64 {
        if n < 2 {
            return n as u64;
        }
        let (a, b) = (
            P::spawn(move || call::<P>(n - 1)),
            P::spawn(move || call::<P>(n - 2)),
        );
        P::wait([a, b])
    }
    let start = Instant::now();
    let result = P::wait([P::spawn(move || call::<P>(n))]);
    checked(n, result, start)
}

fn rayon_join(n: usize) -> Duration {
    fn call(n: usize) -> u64 {
        if n < 2 {
            return n as u64;
        }
        let (a, b) = ::rayon::join(|| call(n - 1), || call(n - 2));
        a + b
    }
    let start = Instant::now();
    let result = rayon::pool().install(|| call(n));
    checked(n, result, start)
}

fn floor(n: usize) -> Duration {
    struct Stack(Vec<Call>);
    type Call = Box<dyn FnOnce(&mut Stack) -> u64>;
    fn call(n: usize) -> Call {
        black_box(Box::new(move |stack| {
            if n < 2 {
                return n as u64;
            }
            stack.0.push(call(n - 1));
            stack.0.push(call(n - 2));
            stack.run() + stack.run()
        }))
    }
    impl Stack {
        fn run(&mut self) -> u64 {
            self.0.pop().map_or(0, |call| call(self))
        }
    }
    let start = Instant::now();
    let result = Stack(vec![call(n)]).run();
    checked(n, result, start)
}

fn checked(n: usize, result: u64, start: Instant) -> Duration {
    let spent = start.elapsed();
    assert_eq!(result, fib(n));
    spent
}

#[cfg(test)]
mod tests {
    #[test]
    fn calls_are_counted_as_fib_makes_them() {
        fn count(n: usize) -> usize {
            if n < 2 {
                1
            } else {
                1 + count(n - 1) + count(n - 2)
            }
        }
        assert_eq!(super::calls(20), count(20));
        assert_eq!(super::calls(1), 1);
    }
}
