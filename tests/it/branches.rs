//! Branches of a shared task that are sent to an executor: their order, and where they run.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::{Gate, Log, isolated, within};
use fast_async::{ErrorKind, Job, LoopQueue, Pool, SharedTask, Task, deferred, spawn};

/// Sends three branches of a settled shared task to one queue, and says in which order they ran.
fn three_branches(queue: &LoopQueue) -> Vec<u32> {
    let log = Log::new();
    let shared = Task::ready(0).share();
    let branches: Vec<_> = (0..3)
        .map(|n| {
            let log = log.clone();
            shared.cloned().on(queue).then(move |_| log.push(n))
        })
        .collect();
    for branch in branches {
        queue.run_until(branch).unwrap();
    }
    log.take()
}

// Contract: D1. On a loop of one's own, as Promises/A+ asks in 2.2.6.
#[test]
fn branches_run_on_their_executor_in_the_order_of_registration() {
    within(|| {
        let queue = LoopQueue::new();
        for round in 0..20_000 {
            assert_eq!(three_branches(&queue), [0, 1, 2], "round {round}");
        }
    });
}

// Contract: D1. The thread that starts the branches is held up after it has started them.
#[test]
fn a_branch_that_is_sent_late_does_not_overtake_earlier_ones() {
    within(|| {
        let (queue, log) = (LoopQueue::new(), Log::new());
        let (resolver, task) = deferred();
        let shared = task.share();
        let note = |n: u32| {
            let log = log.clone();
            move |()| log.push(n)
        };
        let first = shared.then(|_| ()).on(&queue).then(note(1));
        let late = shared.then(|_| ());
        let (started, go_on) = (Gate::new(), Gate::new());
        let held = shared.then({
            let (started, go_on) = (started.clone(), go_on.clone());
            move |_: &u32| {
                started.open();
                go_on.pass();
            }
        });
        let settler = thread::spawn(move || resolver.resolve(7).unwrap());
        started.pass();
        assert!(late.is_settled());
        let late = late.on(&queue).then(note(2));
        go_on.open();
        settler.join().unwrap();
        queue.run_until(first).unwrap();
        queue.run_until(late).unwrap();
        held.wait().unwrap();
        assert_eq!(log.take(), [1, 2]);
    });
}

// Contract: D1. While the second branch starts, the first is in its executor's hands already.
#[test]
fn a_branch_is_handed_to_its_executor_before_the_next_one_starts() {
    within(|| {
        let (tell, told) = mpsc::channel();
        let hand_over = move |job: Job| {
            tell.send("handed").unwrap();
            job.run();
        };
        let executor: Arc<dyn Fn(Job) + Send + Sync> = Arc::new(hand_over);
        let (resolver, task) = deferred();
        let shared = task.share();
        let one = shared.cloned().on(&executor).then(|n: u32| n);
        let two = shared.then(move |_| told.try_recv().ok());
        resolver.resolve(7).unwrap();
        assert_eq!(two.wait().unwrap(), Some("handed"));
        assert_eq!(one.wait().unwrap(), 7);
    });
}

/// Whether `f` runs on the thread that turns the queue, chained on a branch after the queue ran.
#[test]
fn a_branch_runs_where_its_source_was_sent_in_either_order() {
    within(|| {
        let queue = LoopQueue::new();
        let here = thread::current().id();
        for chained_first in [true, false] {
            let shared = Task::ready(0).on(&queue).share();
            let branches: [Task<i32>; 3] = [
                shared.cloned(),
                shared.then(|n| *n),
                shared.handle(|n| *n.unwrap()),
            ];
            let chain = |branch: Task<i32>| branch.then(|_| thread::current().id());
            let ids: Vec<Task<_>> = if chained_first {
                let ids = branches.map(chain);
                queue.run_pending();
                ids.into()
            } else {
                queue.run_pending();
                assert!(branches.iter().all(Task::is_settled));
                branches.map(chain).into()
            };
            for id in ids {
                assert_eq!(queue.run_until(id).unwrap(), here, "{chained_first}");
            }
        }
    });
}

/// A verb that makes a task of a branch of a shared task.
type Verb = fn(&SharedTask<i32>) -> Task<i32>;

// Contract: D1. The same for branches and verbs that return or wait for another task.
#[test]
fn late_steps_behind_any_verb_run_where_the_source_was_sent() {
    const VERBS: [(&str, Verb); 8] = [
        ("and_then", |shared| shared.and_then(|n| Ok(*n))),
        ("and_then a task", |shared| {
            let n = shared.clone();
            shared.and_then(move |_| spawn(move || *n.wait().unwrap()))
        }),
        ("and_handle", |shared| {
            shared.and_handle(|n| Ok(n.copied().unwrap_or(1)))
        }),
        ("shielded", |shared| shared.cloned().shielded()),
        ("delayed", |shared| shared.cloned().delayed(Duration::ZERO)),
        ("timeout", |shared| shared.cloned().timeout(Duration::MAX)),
        ("within", |shared| {
            let within = shared.cloned().within(Duration::MAX);
            within.then(|outcome| outcome.unwrap_or(1))
        }),
        ("share", |shared| shared.cloned().share().cloned()),
    ];
    within(|| {
        let queue = LoopQueue::new();
        let here = thread::current().id();
        let mut wrong = Vec::new();
        for (name, verb) in VERBS {
            for chained_first in [true, false] {
                let shared = Task::ready(0).on(&queue).share();
                let task = verb(&shared);
                let chain = |task: Task<i32>| task.then(|_| thread::current().id());
                let id = match chained_first {
                    true => chain(task),
                    false => {
                        while !task.is_settled() {
                            queue.wait_pending(Duration::from_micros(200));
                            queue.run_pending();
                        }
                        chain(task)
                    }
                };
                if queue.run_until(id).unwrap() != here {
                    wrong.push((name, chained_first));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    });
}

// Contract: D1
#[test]
fn late_steps_of_a_branch_on_an_executor_run_there() {
    within(|| {
        let (source, queue) = (LoopQueue::new(), LoopQueue::new());
        let here = thread::current().id();
        let shared = Task::ready(0).on(&source).share();
        source.run_pending();
        let on = shared.on(&queue);
        let branch = on.then(|_| thread::current().id());
        while !branch.is_settled() {
            queue.wait_pending(Duration::from_micros(200));
            queue.run_pending();
        }
        let late = branch.then(|first| (first, thread::current().id()));
        assert_eq!(source.pending(), 0);
        assert_eq!(queue.run_until(late).unwrap(), (here, here));
    });
}

#[test]
fn a_clone_of_a_settled_value_stays_where_its_source_was_sent() {
    within(|| {
        let queue = LoopQueue::new();
        let here = thread::current().id();
        let shared = Task::ready(0).on(&queue).share();
        queue.run_pending();
        assert!(shared.is_settled());
        let id = shared.cloned().then(|_| thread::current().id());
        assert_eq!(queue.run_until(id).unwrap(), here);
    });
}

#[test]
fn a_branch_that_adopts_returns_to_where_its_source_was_sent() {
    within(|| {
        let queue = LoopQueue::new();
        let here = thread::current().id();
        let shared = Task::ready(0).on(&queue).share();
        let (resolver, inner) = deferred();
        let id = shared
            .then(|_| ())
            .and_then(move |()| inner)
            .then(|()| thread::current().id());
        queue.run_pending();
        thread::spawn(move || resolver.resolve(()).unwrap());
        assert_eq!(queue.run_until(id).unwrap(), here);
    });
}

#[test]
fn a_branch_may_be_sent_elsewhere_than_its_source() {
    within(|| {
        let (one, two) = (LoopQueue::new(), LoopQueue::new());
        let shared = Task::ready(0).on(&one).share();
        let branch = shared.cloned().on(&two).then(|n| n + 1);
        let back = shared.cloned().on(Pool::global()).then(|n| n + 2);
        one.run_pending();
        assert!(!branch.is_settled());
        assert_eq!(two.run_pending(), 1);
        assert_eq!(branch.wait().unwrap(), 1);
        assert_eq!(back.wait().unwrap(), 2);
    });
}

// Contract: D2. Each executor runs its job on the spot, and the job starts the next branch.
#[test]
fn a_line_of_branches_on_executors_that_run_at_once_does_not_nest() {
    isolated(
        "a_line_of_branches_on_executors_that_run_at_once_does_not_nest",
        || {
            let (resolver, task) = deferred();
            let at_once = |job: Job| job.run();
            let line = (0..20_000).fold(task.share(), |shared, _| {
                shared.cloned().on(&at_once).then(|n: u32| n + 1).share()
            });
            let small = thread::Builder::new().stack_size(256 << 10);
            let settler = small.spawn(move || resolver.resolve(7).unwrap());
            settler.unwrap().join().unwrap();
            assert_eq!(*line.wait().unwrap(), 20_007);
        },
    );
}

#[test]
fn a_clone_that_panics_fails_its_branch() {
    #[derive(Debug)]
    struct Fragile;
    impl Clone for Fragile {
        fn clone(&self) -> Fragile {
            crate::support::expected("in clone")
        }
    }
    within(|| {
        let shared = Task::ready(Fragile).share();
        let error = shared.cloned().wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert!(shared.wait().is_ok());
    });
}
