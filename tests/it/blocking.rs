//! A callback that blocks delays no other task: other threads dispatch the tasks that it has
//! settled, in every blocking call and on every thread.

mod places;
mod stack;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Gate, HOUR, Log, PATIENCE, pool_of, within};
use fast_async::{
    ErrorKind, Inline, Job, LoopQueue, Pool, Shutdown, Task, all, await_first, deferred, spawn,
};

/// A short limit of a wait that must time out.
const SHORT: Duration = Duration::from_millis(20);

// Contract: W1
#[test]
fn a_limit_holds_after_the_callback_has_settled_other_tasks() {
    within(|| {
        let (first, one) = deferred::<()>();
        let (second, two) = deferred::<()>();
        let (_never, never) = deferred::<()>();
        let gate = Gate::new();
        let held = gate.clone();
        let two = two.then(move |()| held.pass());
        let task = one.then(move |()| {
            second.resolve(()).unwrap();
            // The other callback lasts until this one is over.
            let timed_out = never.wait_timeout(SHORT).is_err();
            gate.open();
            timed_out
        });
        first.resolve(()).unwrap();
        assert!(task.wait().unwrap());
        two.wait().unwrap();
    });
}

// Contract: W1, W3
#[test]
fn no_cycle_is_reported_where_waits_form_none() {
    within(|| {
        let (first, one) = deferred::<()>();
        let (second, two) = deferred::<()>();
        let gate = Gate::new();
        let held = gate.clone();
        let one = one
            .then(move |()| {
                second.resolve(()).unwrap();
                spawn(move || held.pass()).wait().unwrap();
                1
            })
            .share();
        let after = spawn({
            let one = one.clone();
            move || one.wait().map(|n| n + 1)
        });
        let two = two.then(move |()| {
            gate.open();
            after.wait().unwrap().map_err(|error| error.kind())
        });
        first.resolve(()).unwrap();
        assert_eq!(two.wait().unwrap(), Ok(2));
    });
}

// Contract: W1
#[test]
fn steps_of_an_executor_are_handed_over_at_once() {
    let sends: [fn(Task<u32>) -> Task<u32>; 3] = [
        |task| task.on(Pool::global()),
        |task| task.on(&pool_of(1)),
        |task| {
            task.on(&|job: Job| {
                thread::spawn(move || job.run());
            })
        },
    ];
    within(move || {
        for send in sends {
            let (first, one) = deferred::<()>();
            let (second, two) = deferred::<u32>();
            let (tell, told) = mpsc::channel();
            send(two).then(move |n| tell.send(n).unwrap()).detach();
            let task = one.then(move |()| {
                second.resolve(1).unwrap();
                // The crate does not know that this blocks.
                told.recv_timeout(PATIENCE)
            });
            first.resolve(()).unwrap();
            assert_eq!(task.wait().unwrap(), Ok(1));
        }
    });
}

/// Tasks that stand between are settled by their own steps, which wait with the others: until the
/// callback blocks in a wait of ours, or has returned.
// Contract: W1
#[test]
fn steps_of_an_executor_behind_another_task_are_handed_over_by_a_wait() {
    let sends: [fn(Task<u32>) -> Task<u32>; 4] = [
        |task| task.shielded().on(Pool::global()),
        |task| task.share().cloned().on(Pool::global()),
        |task| task.timeout(HOUR).on(Pool::global()),
        |task| all([task]).on(Pool::global()).then(|all| all[0]),
    ];
    within(move || {
        for send in sends {
            for waits in [false, true] {
                let (first, one) = deferred::<()>();
                let (second, two) = deferred::<u32>();
                let sent = send(two).then(|n| n + 1);
                let task = one.then(move |()| {
                    second.resolve(1).unwrap();
                    match waits {
                        true => Task::from(sent.wait()),
                        false => sent,
                    }
                });
                first.resolve(()).unwrap();
                assert_eq!(task.wait().unwrap().wait().unwrap(), 2);
            }
        }
    });
}

// Contract: D2. An executor that runs its jobs on the spot, and is called again by them.
#[test]
fn a_line_of_inline_hand_offs_needs_no_deep_stack() {
    const N: u32 = 100_000;
    let run = || {
        let on_the_spot = |job: Job| job.run();
        let (resolver, task) = deferred::<u32>();
        let mut task = task;
        for _ in 0..N {
            task = task.on(&on_the_spot).then(|n| n + 1);
        }
        resolver.resolve(0).unwrap();
        assert_eq!(task.wait().unwrap(), N, "along a chain");

        let (first, task) = deferred::<u32>();
        let mut last = task;
        for _ in 0..N {
            let (resolver, next) = deferred::<u32>();
            let settles = last.on(&on_the_spot);
            settles.then(move |n| resolver.resolve(n + 1)).detach();
            last = next;
        }
        first.resolve(0).unwrap();
        assert_eq!(last.wait().unwrap(), N, "from task to task");
    };
    crate::support::isolated(
        "a_line_of_inline_hand_offs_needs_no_deep_stack",
        move || {
            let small = thread::Builder::new().stack_size(256 << 10);
            small.spawn(run).unwrap().join().unwrap();
        },
    );
}

/// Runs `block` in a callback that has settled a task before, for whose continuation a job of
/// `pool` waits.
fn beside_a_job_of(pool: &Pool, block: impl FnOnce(&Pool) -> bool + Send + 'static) {
    let (first, one) = deferred::<()>();
    let (second, two) = deferred::<()>();
    let gate = Gate::new();
    let opens = gate.clone();
    two.then(move |()| opens.open()).detach();
    let began = Gate::new();
    let begins = began.clone();
    pool.spawn(move || {
        begins.open();
        gate.pass();
    })
    .detach();
    began.pass();
    let own = pool.clone();
    let task = one.then(move |()| {
        second.resolve(()).unwrap();
        block(&own)
    });
    first.resolve(()).unwrap();
    assert!(task.wait().unwrap());
}

// Contract: W1, P3, P4
#[test]
fn a_callback_may_wait_for_a_pool_whose_job_waits_for_what_it_has_settled() {
    within(|| {
        beside_a_job_of(&pool_of(1), |pool| pool.wait_idle(PATIENCE));
        beside_a_job_of(&pool_of(1), |pool| {
            pool.shutdown(Shutdown::Drain, PATIENCE).is_complete()
        });
        let full = Pool::builder().max_threads(1).queue_limit(1).build();
        beside_a_job_of(&full.unwrap(), |pool| {
            pool.spawn(|| ()).detach();
            pool.spawn(|| true).wait().unwrap()
        });
    });
}

// Contract: W1, P3, P4
#[test]
fn a_callback_may_wait_for_a_pool_whose_job_waits_by_a_call_of_ours() {
    let blocks: [fn(&Pool) -> bool; 3] = [
        |pool| pool.wait_idle(PATIENCE),
        |pool| pool.shutdown(Shutdown::Drain, PATIENCE).is_complete(),
        |pool| {
            pool.spawn(|| ()).detach();
            pool.spawn(|| true).wait().unwrap()
        },
    ];
    within(move || {
        for block in blocks {
            let pool = Pool::builder().max_threads(1).queue_limit(1);
            let pool = pool.build().unwrap();
            let (first, one) = deferred::<()>();
            let (second, two) = deferred::<()>();
            let began = Gate::new();
            let begins = began.clone();
            let job = pool.spawn(move || {
                begins.open();
                two.wait()
            });
            began.pass();
            let own = pool.clone();
            let task = one.then(move |()| {
                second.resolve(()).unwrap();
                block(&own)
            });
            first.resolve(()).unwrap();
            assert!(task.wait().unwrap());
            job.wait().unwrap().unwrap();
        }
    });
}

// Contract: W1
#[test]
fn a_loop_that_runs_in_a_callback_delays_no_task() {
    within(|| {
        let queue = LoopQueue::new();
        let (first, one) = deferred::<()>();
        let (second, two) = deferred::<()>();
        let gate = Gate::new();
        let opens = gate.clone();
        two.then(move |()| opens.open()).detach();
        let job = Task::ready(()).on(&queue).then(move |()| gate.pass());
        let task = one.then(move |()| {
            second.resolve(()).unwrap();
            // The job lasts until the other callback has run.
            queue.run_until(job).unwrap();
        });
        first.resolve(()).unwrap();
        task.wait().unwrap();
    });
}

// Contract: W1. Where the callback would run is gone from this thread, so the pool has it.
#[test]
fn a_pending_inline_continuation_moves_to_the_pool() {
    within(|| {
        let (first, one) = deferred::<()>();
        let (second, two) = deferred::<()>();
        let gate = Gate::new();
        let opens = gate.clone();
        let two = two.on(&Inline).then(move |()| opens.open());
        let task = one.then(move |()| {
            second.resolve(()).unwrap();
            spawn(move || gate.pass()).wait().unwrap();
        });
        first.resolve(()).unwrap();
        task.wait().unwrap();
        two.wait().unwrap();
    });
}

// Contract: W1. What the awaited task has settled is no part of it.
#[test]
fn steps_settled_by_awaited_work_do_not_delay_the_waiter() {
    within(|| {
        let pool = pool_of(1);
        let own = pool.clone();
        let task = pool.spawn(move || {
            let (resolver, other) = deferred::<()>();
            let (gate, over) = (Gate::new(), Gate::new());
            let held = gate.clone();
            let ends = over.clone();
            other
                .then(move |()| {
                    held.pass();
                    ends.open();
                })
                .detach();
            own.spawn(|| ())
                .then(move |()| resolver.resolve(()).unwrap())
                .wait()
                .unwrap();
            gate.open();
            over.pass();
        });
        task.wait().unwrap();
    });
}

// Contract: W1. Any of several may do, so none of them is run on the waiter's stack.
#[test]
fn a_worker_that_waits_for_the_first_of_several_runs_none_of_them() {
    within(|| {
        let pool = pool_of(1);
        let own = pool.clone();
        let task = pool.spawn(move || {
            let gate = Gate::new();
            let held = gate.clone();
            // The oldest job, so that the thread which stands in begins with it.
            let quick = own.spawn(|| 2);
            let slow = own.spawn(move || {
                held.pass();
                1
            });
            let slow = slow.share();
            let first = await_first(vec![quick, slow.cloned()]);
            gate.open();
            assert_eq!(slow.wait().unwrap(), &1);
            first.unwrap()
        });
        assert_eq!(task.wait().unwrap(), 2);
    });
}

// Contract: W1
#[test]
fn a_timed_wait_does_not_run_the_branch_itself() {
    for on_worker in [false, true] {
        within(move || {
            let go = || {
                let (resolver, source) = deferred::<u32>();
                let source = source.share();
                let (hand_over, handed) = mpsc::channel::<Task<u32>>();
                let first = source.then(move |_| {
                    let later = handed.recv().unwrap();
                    later.wait_timeout(PATIENCE).map_err(drop).unwrap()
                });
                hand_over.send(source.then(|n| n + 1)).unwrap();
                resolver.resolve(1).unwrap();
                first.wait().unwrap().unwrap()
            };
            let n = match on_worker {
                true => pool_of(1).spawn(go).wait().unwrap(),
                false => go(),
            };
            assert_eq!(n, 2);
        });
    }
}

// Contract: W1. A chain that was sent to a pool is waited for by the only worker of that pool.
#[test]
fn a_worker_waits_for_a_chain_that_was_sent_to_its_own_pool() {
    within(|| {
        let pool = pool_of(1);
        let own = pool.clone();
        let sent = move || own.spawn(|| 1).on(&own).then(|n| n + 1).wait();
        let in_job = Task::ready(()).on(&pool).then({
            let sent = sent.clone();
            move |()| sent().unwrap()
        });
        assert_eq!(in_job.wait().unwrap(), 2, "in a job of it");
        let in_closure = pool.spawn(sent.clone());
        assert_eq!(in_closure.wait().unwrap().unwrap(), 2, "in a closure");
        let in_callback = pool.spawn(|| ()).then(move |()| sent().unwrap());
        assert_eq!(in_callback.wait().unwrap(), 2, "in a callback");
    });
}

// Contract: W1, D1. The steps behind the one that blocks are the task's own, and stay behind it.
#[test]
fn the_steps_of_a_task_keep_their_order_when_one_of_them_blocks() {
    within(|| {
        let (resolver, task) = deferred::<()>();
        let log = Log::new();
        for n in 0..1_000 {
            let log = log.clone();
            task.on_settled(move |_| {
                if n % 100 == 0 {
                    spawn(|| ()).wait().unwrap();
                }
                log.push(n);
            });
        }
        resolver.resolve(()).unwrap();
        task.wait().unwrap();
        assert_eq!(log.take(), (0..1_000).collect::<Vec<_>>());
    });
}

// Contract: W3. The documented way out of waits that do close a ring.
#[test]
fn a_later_callback_that_waits_for_its_own_task_fails_too() {
    within(|| {
        let (hand_over, handed) = mpsc::channel::<Task<()>>();
        let (first, one) = deferred::<()>();
        let (second, two) = deferred::<()>();
        let two = two.then(|()| ());
        let (tell, told) = mpsc::channel();
        let one = one.then(move |()| {
            second.resolve(()).unwrap();
            let own: Task<()> = handed.recv().unwrap();
            tell.send(own.wait_parked().unwrap_err().kind()).unwrap();
        });
        hand_over.send(one).unwrap();
        first.resolve(()).unwrap();
        assert_eq!(told.recv().unwrap(), ErrorKind::Cycle);
        two.wait().unwrap();
    });
}

// Contract: W1. The measure of a limit that holds is the clock.
#[test]
fn a_limit_does_not_end_late() {
    within(|| {
        let (first, one) = deferred::<()>();
        let task = one.then(move |()| {
            let begun = Instant::now();
            let slow = spawn(|| thread::sleep(Duration::from_secs(2)));
            let timed_out = slow.wait_timeout(SHORT).is_err();
            (timed_out, begun.elapsed())
        });
        first.resolve(()).unwrap();
        let (timed_out, took) = task.wait().unwrap();
        assert!(timed_out && took < Duration::from_secs(2), "{took:?}");
    });
}
