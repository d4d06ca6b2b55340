//! How many jobs a worker holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fast_async_remote::Call;

use crate::bed::{Bed, ECHO, Gate, for_both_engines, start, told, value};

for_both_engines! {
    a_worker_holds_as_many_jobs_as_it_has_slots;
    a_slow_worker_hoards_nothing;
    a_job_that_waits_for_jobs_gives_its_slot_back;
    a_job_that_returns_the_task_of_a_job_gives_its_slot_back;
    two_functions_share_the_slots;
}

// Promise: S12
fn a_worker_holds_as_many_jobs_as_it_has_slots(bed: &Bed) {
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (running, peak) = (now.clone(), most.clone());
    let remote = bed.remote();
    let _worker = start(remote.worker("q").slots(3).serve(&ECHO, move |_, n| {
        peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for _ in 0..100 {
            std::thread::yield_now();
        }
        running.fetch_sub(1, Ordering::SeqCst);
        Ok(n)
    }));
    let tasks: Vec<_> = (0..100)
        .map(|n| remote.queue("q").push(&ECHO, n).send())
        .collect();
    for (n, task) in (0..).zip(tasks) {
        assert_eq!(value(task), n);
    }
    let most = most.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most), "{most}");
}

// Promise: S12
fn a_slow_worker_hoards_nothing(bed: &Bed) {
    let gate = Gate::default();
    let held = gate.clone();
    let (tell, begun) = told();
    let slow = bed.remote().worker("q").slots(1).serve(&ECHO, move |_, n| {
        tell.tell(n);
        held.pass();
        Ok(n)
    });
    let slow = start(slow);
    let caller = bed.remote();
    let mut tasks: Vec<_> = (0..20)
        .map(|n| caller.queue("q").push(&ECHO, n).send())
        .collect();
    let stuck = begun.next();
    let fast = start(bed.remote().worker("q").slots(1).serve(&ECHO, |_, n| Ok(n)));
    let last = tasks.remove(usize::try_from(stuck).unwrap());
    for (n, task) in (0..20).filter(|n| *n != stuck).zip(tasks) {
        assert_eq!(value(task), n);
    }
    assert_eq!(fast.end().done, 19);
    gate.open();
    assert_eq!(value(last), stuck);
    assert_eq!(slow.end().done, 1);
}

const FIB: Call<u64, u64> = Call::new("fib");

// Promise: S13
fn a_job_that_waits_for_jobs_gives_its_slot_back(bed: &Bed) {
    let remote = bed.remote();
    let queue = remote.queue("q");
    let own = queue.clone();
    let _worker = start(bed.remote().worker("q").slots(1).serve(&FIB, move |_, n| {
        if n < 2 {
            return Ok(n);
        }
        let (one, two) = (own.push(&FIB, n - 1).send(), own.push(&FIB, n - 2).send());
        Ok(one.wait()? + two.wait()?)
    }));
    assert_eq!(value(queue.push(&FIB, 10).send()), 55);
}

// Promise: S13
fn a_job_that_returns_the_task_of_a_job_gives_its_slot_back(bed: &Bed) {
    let remote = bed.remote();
    let queue = remote.queue("q");
    let own = queue.clone();
    let _worker = start(bed.remote().worker("q").slots(1).serve(&FIB, move |_, n| {
        if n < 2 {
            return fast_async::Task::ready(n);
        }
        let two = own.push(&FIB, n - 2).send();
        own.push(&FIB, n - 1)
            .send()
            .zip(two)
            .then(|(one, two)| one + two)
    }));
    assert_eq!(value(queue.push(&FIB, 8).send()), 21);
}

fn two_functions_share_the_slots(bed: &Bed) {
    const OTHER: Call<u64, u64> = Call::new("other");
    let remote = bed.remote();
    let worker = remote.worker("q").slots(1);
    let worker = worker
        .serve(&ECHO, |_, n| Ok(n))
        .serve(&OTHER, |_, n| Ok(n + 1));
    let worker = start(worker);
    let queue = remote.queue("q");
    for n in 0..5 {
        let (one, two) = (queue.push(&ECHO, n).send(), queue.push(&OTHER, n).send());
        assert_eq!((value(one), value(two)), (n, n + 1));
    }
    assert_eq!(worker.end().done, 10);
}
