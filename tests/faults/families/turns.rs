//! What is told, and then waits for what is told after it. Pools of their own: one that waits is
//! replaced, which leaves another number of threads.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use fast_async::flow::Results;
use fast_async::queue::Permit;
use fast_async::{BoxError, ErrorKind, Job, Semaphore, Task, TaskQueue, deferred};

use crate::ground::stand;
use crate::support::{Gate, HOUR, OnDrop, PATIENCE, pool_of};

/// An executor that runs its jobs where they are handed over.
fn at_once(job: Job) {
    job.run();
}

/// A task whose outcome, once it is there, another one waits for.
fn after<T: Send + 'static, U: Send + 'static>(
    task: Task<T>,
    later: mpsc::Receiver<Task<U>>,
) -> Task<bool> {
    let wait = move || later.recv().unwrap().wait_timeout(PATIENCE).is_ok();
    task.on(&at_once).handle(move |_| wait())
}

// Contract: Q3, D8
#[test]
fn who_gets_a_permit_may_wait_for_the_next_one() {
    stand("permit", |_| {
        let semaphore = Semaphore::with_pool(2, &pool_of(2));
        let both = semaphore.try_acquire(2).unwrap();
        let (send, later) = mpsc::channel::<Task<Permit>>();
        let first = after(semaphore.acquire(1), later);
        send.send(semaphore.acquire(1)).unwrap();
        drop(both);
        assert!(first.wait().unwrap());
    });
}

// Contract: D8
#[test]
fn a_merged_call_may_wait_for_another() {
    stand("merged", |_| {
        let pool = pool_of(2);
        for is_cancelled in [true, false] {
            let save = pool.debounce(HOUR, Ok::<u32, BoxError>);
            let (send, later) = mpsc::channel();
            let first = after(save.call(1), later);
            send.send(save.call(2)).unwrap();
            let begun = match is_cancelled {
                true => save.cancel(),
                false => save.flush(),
            };
            assert!(begun);
            assert!(first.wait().unwrap());
        }
    });
}

// Contract: D8
#[test]
fn what_follows_a_run_may_wait_for_the_next_run() {
    stand("run", |_| {
        let (started, gate) = (Gate::new(), Gate::new());
        let (start, end) = (started.clone(), gate.clone());
        let save = pool_of(2).debounce(HOUR, move |n: u32| {
            start.open();
            end.pass();
            Ok(n)
        });
        let (send, later) = mpsc::channel();
        let first = after(save.call(1), later);
        assert!(save.flush());
        started.pass();
        send.send(save.call(2)).unwrap();
        assert!(save.flush());
        gate.open();
        assert!(first.wait().unwrap());
    });
}

// Contract: D8
#[test]
fn a_reader_of_dropped_results_may_wait_for_another_reader() {
    stand("reader", |_| {
        let (_resolver, never) = deferred::<u32>();
        let never = Mutex::new(Some(never));
        let take = move || never.lock().unwrap().take().unwrap();
        let results: Results<u32> = pool_of(2).map_unordered(0..1, 1, move |_| take());
        let (send, later) = mpsc::channel();
        let first = after(results.next_task(), later);
        send.send(results.next_task()).unwrap();
        drop(results);
        assert!(first.wait().unwrap());
    });
}

// Contract: Q4
#[test]
fn what_a_queue_tells_may_change_it_and_wait_for_it() {
    stand("told", |_| {
        let queue = TaskQueue::builder().pool(&pool_of(2)).limit(1);
        let queue = queue.build().unwrap();
        let (started, gate) = (Gate::new(), Gate::new());
        let (start, end) = (started.clone(), gate.clone());
        let running = queue.spawn(move || {
            start.open();
            end.pass();
        });
        started.pass();
        let waiting = queue.spawn(|| ());
        let own = queue.clone();
        let told = queue.when_below(1).on(&at_once).then(move |()| {
            let job = own.spawn(|| 7);
            own.pause();
            own.set_limit(2).unwrap();
            own.resume();
            job.wait_timeout(PATIENCE).is_ok()
        });
        waiting.cancel();
        assert!(told.wait().unwrap());
        gate.open();
        running.wait().unwrap();
    });
}

// Contract: W3
#[test]
fn what_a_flow_drops_at_its_end_waits_for_the_flow() {
    stand("captured", |_| {
        let (own, whole) = mpsc::channel::<Task<Vec<()>>>();
        let (tell, told) = mpsc::channel();
        let whole = Mutex::new(whole);
        let waits = OnDrop::new(move |_| {
            let whole = whole.lock().unwrap().recv().unwrap();
            tell.send(whole.wait().map(drop).map_err(|error| error.kind()))
                .unwrap();
        });
        let flow = pool_of(2).map_limit(0..1, 1, move |_| {
            waits.hold();
            Ok(())
        });
        own.send(flow).unwrap();
        let told = told.recv_timeout(Duration::from_secs(50)).unwrap();
        assert_eq!(told, Err(ErrorKind::Cycle));
    });
}
