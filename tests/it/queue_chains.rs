//! Chains that were sent to a queue, and jobs of that queue that wait for them.

use std::time::Duration;

use crate::support::{Drops, Gate, Latch, PATIENCE, pool_of, until, virtual_pool, within};
use fast_async::{ErrorKind, Resolver, Task, TaskQueue, all, all_settled, deferred};

/// A chain of the queue whose head settles with the resolver.
fn chain(queue: &TaskQueue) -> (Resolver<u32>, Task<u32>) {
    let (resolver, task) = deferred();
    (resolver, task.on(queue).then(|n| n + 1))
}

fn kind<T: Send + 'static>(task: Task<T>) -> ErrorKind {
    let outcome = task.wait_timeout(PATIENCE);
    let Ok(outcome) = outcome else {
        panic!("it hangs")
    };
    outcome.map(|_| ()).unwrap_err().kind()
}

// Contract: Q2, W3
#[test]
fn a_job_that_returns_a_chain_of_its_own_queue_fails_as_a_cycle() {
    within(|| {
        // The chain is in the line when it is returned.
        let queue = TaskQueue::serial();
        let own = queue.clone();
        let job = queue.attempt(move || {
            let (resolver, chain) = chain(&own);
            resolver.resolve(1).unwrap();
            chain
        });
        assert_eq!(kind(job), ErrorKind::Cycle);
        queue.when_idle().wait().unwrap();

        // It comes there later.
        let (clock, pool) = virtual_pool();
        let queue = TaskQueue::builder().pool(&pool).limit(1).build().unwrap();
        let (resolver, late) = chain(&queue);
        let job = queue.attempt(move || late);
        clock.advance(Duration::ZERO);
        assert!(!job.is_settled());
        resolver.resolve(1).unwrap();
        assert_eq!(kind(job), ErrorKind::Cycle);
        queue.when_idle().wait().unwrap();
    });
}

/// What a wide search for a cycle has passed is remembered, so that the next one is short. A chain
/// that comes to a queue after that waits for more than it did then.
// Contract: Q2, W3
#[test]
fn a_chain_that_comes_to_its_queue_after_a_wide_search_is_found() {
    within(|| {
        let (pool, queue) = (pool_of(3), TaskQueue::serial());
        let (resolver, late) = chain(&queue);
        let open: Vec<_> = (0..100).map(|_| deferred::<u32>()).collect();
        let (resolvers, others): (Vec<_>, Vec<_>) = open.into_iter().unzip();
        let gathered = all([late].into_iter().chain(others).collect::<Vec<_>>()).share();
        // Searches the whole, and finds no cycle.
        let own = gathered.clone();
        let first = pool.spawn(move || own.wait().map(Vec::len));
        until(|| pool.metrics().blocked == 1);
        let (begun, go_on) = (Gate::new(), Gate::new());
        let (begin, pass) = (begun.clone(), go_on.clone());
        let job = queue.spawn(move || {
            begin.open();
            pass.pass();
            gathered.wait().map(Vec::len).map_err(|error| error.kind())
        });
        begun.pass();
        resolver.resolve(1).unwrap();
        until(|| queue.pending() == 1);
        go_on.open();
        let ended = job.wait_timeout(PATIENCE);
        let Ok(ended) = ended else { panic!("it hangs") };
        assert_eq!(ended.unwrap(), Err(ErrorKind::Cycle));
        // The others still get what they wait for.
        for resolver in resolvers {
            resolver.resolve(2).unwrap();
        }
        assert_eq!(first.wait().unwrap().unwrap(), 101);
    });
}

// Contract: Q2, W3
#[test]
fn a_job_that_waits_for_a_chain_of_its_own_queue_fails_as_a_cycle() {
    within(|| {
        for is_chain in [false, true] {
            let queue = TaskQueue::serial();
            let ((resolver, late), waits) = (chain(&queue), Gate::new());
            let wait = waits.clone();
            let work = move || {
                wait.open();
                late.wait().unwrap_err().kind()
            };
            let job = match is_chain {
                true => Task::ready(()).on(&queue).then(move |()| work()),
                false => queue.spawn(work),
            };
            waits.pass();
            resolver.resolve(1).unwrap();
            let seen = job.wait_timeout(PATIENCE).expect("it ends");
            assert_eq!(seen.unwrap(), ErrorKind::Cycle);
            queue.when_idle().wait().unwrap();
        }
    });
}

// Contract: Q2
#[test]
fn a_chain_that_another_job_makes_room_for_is_no_cycle() {
    within(|| {
        let queue = TaskQueue::builder().limit(2).build().unwrap();
        let (other, gate) = (Latch::new(1), Gate::new());
        let (began, pass) = (other.clone(), gate.clone());
        let elsewhere = queue.spawn(move || {
            began.count_down();
            pass.pass();
        });
        other.wait();
        let (resolver, late) = chain(&queue);
        let job = queue.attempt(move || late);
        resolver.resolve(1).unwrap();
        gate.open();
        assert_eq!(job.wait().unwrap(), 2);
        elsewhere.wait().unwrap();

        // Two jobs that both return one: the last to come is the one too many.
        let ((first, one), (second, two)) = (chain(&queue), chain(&queue));
        let jobs = [one, two].map(|late| queue.attempt(move || late));
        first.resolve(1).unwrap();
        second.resolve(2).unwrap();
        let outcomes = all_settled(jobs).wait_timeout(PATIENCE).expect("they end");
        let failed = outcomes.unwrap().into_iter().filter_map(Result::err);
        for error in failed {
            assert_eq!(error.kind(), ErrorKind::Cycle);
        }
        queue.when_idle().wait().unwrap();
    });
}

// Contract: Q1, C1
#[test]
fn a_cancelled_chain_leaves_the_line_and_is_dropped_at_once() {
    within(|| {
        let (queue, gate, drops) = (TaskQueue::serial(), Gate::new(), Drops::new());
        let pass = gate.clone();
        let first = queue.spawn(move || pass.pass());
        for _ in 0..3 {
            let (value, captured) = (drops.token(), drops.token());
            let chain = Task::ready(value).on(&queue);
            let chain = chain.then(move |_| captured.hold());
            assert_eq!(queue.pending(), 1);
            chain.cancel();
            assert_eq!(queue.pending(), 0);
        }
        drops.wait_for(6);
        // Those that wait beside it run.
        let next = Task::ready(1).on(&queue).then(|n| n + 1);
        let cancelled = Task::ready(1).on(&queue).then(|n| n + 1);
        let last = Task::ready(2).on(&queue).then(|n| n + 1);
        cancelled.cancel();
        gate.open();
        first.wait().unwrap();
        assert_eq!((next.wait().unwrap(), last.wait().unwrap()), (2, 3));
    });
}
