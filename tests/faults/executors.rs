//! Executors that drop jobs, keep them, or panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::{ErrorKind, Inline, Job, LoopQueue, Task, TaskError, all, any, deferred, spawn};

use crate::ground::stand;
use crate::support::{Log, PATIENCE, expected};
use crate::verbs::{Source, settle};

/// What an executor does with its jobs, and what becomes of a link behind it.
type Bad = (&'static str, Option<ErrorKind>, fn(Job, &Log<Job>));

const BADS: &[Bad] = &[
    ("drops", Some(ErrorKind::Rejected), |job, _| drop(job)),
    ("panics before", Some(ErrorKind::Rejected), |_job, _| {
        expected("before the job");
    }),
    ("panics after", None, |job, _| {
        job.run();
        expected("after the job");
    }),
    ("panics, and keeps the job", None, |job, jobs| {
        jobs.push(job);
        expected("with the job kept");
    }),
    ("delays", None, |job, jobs| jobs.push(job)),
    ("runs elsewhere", None, |job, _| {
        thread::spawn(move || job.run());
    }),
    ("drops elsewhere", Some(ErrorKind::Rejected), |job, _| {
        thread::spawn(move || drop(job));
    }),
    (
        "loses in a panic elsewhere",
        Some(ErrorKind::Rejected),
        |job, _| {
            thread::spawn(move || {
                let _job = job;
                expected("elsewhere");
            });
        },
    ),
];

#[test]
fn an_executor_that_does_its_worst() {
    stand("executor", |ground| {
        for pending in [false, true] {
            for &(name, fails, bad) in BADS {
                let jobs = Log::new();
                let kept = jobs.clone();
                let source = Source::new(pending, true);
                let task = source.task.on(&move |job: Job| bad(job, &kept));
                let task = task.then(|n| n + 1);
                // After the bad executor the chain continues with the outcome of its link.
                let after = task
                    .on(&ground.pool)
                    .handle(|outcome| outcome.map_err(kind));
                if let Some(resolver) = source.resolver {
                    settle(resolver, true);
                }
                let running = jobs.clone();
                let keeper = thread::spawn(move || run_all(&running));
                let outcome = after.wait_timeout(PATIENCE);
                let outcome = outcome.unwrap_or_else(|_| panic!("{name}: never settled"));
                let wanted = fails.map_or(Ok(8), Err);
                assert_eq!(outcome.unwrap(), wanted, "{name}, pending {pending}");
                keeper.join().unwrap();
                run_all(&jobs);
            }
        }
    });
}

/// Other steps behind an executor; each returns its outcome.
type Rest = (&'static str, fn(Task<u32>) -> Task<u32>);

const RESTS: &[Rest] = &[
    ("a branch", |task| task.share().then(|n| n + 1)),
    ("a clone", |task| task.share().cloned()),
    ("a wait for a shared task", |task| {
        let shared = task.share();
        let waiter = shared.clone();
        let branch = spawn(move || waiter.wait().copied());
        branch.and_then(|outcome| outcome.map_err(Into::into))
    }),
    ("adopted by a resolver", |task| {
        let (resolver, outer) = deferred();
        assert!(resolver.settle_with(task).is_ok());
        outer
    }),
    ("adopted by a link", |task| spawn(|| ()).and_then(|()| task)),
    ("all", |task| all([task]).then(|all| all[0])),
    ("any", |task| any([task])),
    ("shielded", Task::shielded),
    ("finally", |task| task.finally(|| ())),
    ("an observer", |task| task.inspect(|_| ())),
    ("nothing", |task| task),
];

// Contract: S3. With or without a link behind the executor, every task settles.
#[test]
fn steps_behind_an_executor_that_misbehaves() {
    stand("behind", |ground| {
        for pending in [false, true] {
            for (&(name, _, bad), (rest, hang)) in BADS
                .iter()
                .flat_map(|bad| RESTS.iter().map(move |rest| (bad, rest)))
            {
                let jobs = Log::new();
                let kept = jobs.clone();
                let source = Source::new(pending, true);
                let task = hang(source.task.on(&move |job: Job| bad(job, &kept)));
                if let Some(resolver) = source.resolver {
                    settle(resolver, true);
                }
                let task = task.on(&ground.pool);
                let Some(outcome) = outcome(task, &jobs) else {
                    panic!("{name}, {rest}, pending {pending}: never settled");
                };
                // `any` gathers the failures of its tasks in a new one.
                let kind = outcome.err().map(|error| error.kind());
                let may_be = [None, Some(ErrorKind::Rejected), Some(ErrorKind::Failed)];
                assert!(may_be.contains(&kind), "{name}, {rest}: {kind:?}");
            }
        }
    });
}

/// Returns the outcome of the task; runs the kept jobs until there is one.
fn outcome(mut task: Task<u32>, jobs: &Log<Job>) -> Option<Result<u32, TaskError>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        run_all(jobs);
        match task.wait_timeout(Duration::from_millis(1)) {
            Ok(outcome) => return Some(outcome),
            Err(back) => task = back,
        }
    }
    None
}

fn kind(error: TaskError) -> ErrorKind {
    error.kind()
}

fn run_all(jobs: &Log<Job>) {
    for job in jobs.take() {
        job.run();
    }
}

#[test]
fn a_panic_while_a_job_is_lost_in_a_panic() {
    stand("lost", |_| {
        let task = Task::ready(1)
            .on(&|_: Job| expected("the executor"))
            .then(|n| n + 1)
            .catch(|_| -> u32 { expected("while the executor unwinds") })
            .or_else(|_| Ok(9));
        assert_eq!(task.wait().unwrap(), 9);
    });
}

#[test]
fn an_executor_that_panics_when_it_is_dropped() {
    stand("executor's drop", |ground| {
        for pending in [false, true] {
            let source = Source::new(pending, true);
            let shelter = Arc::new(ground.grenade());
            let first = shelter.clone();
            let task = source.task.on(&move |job: Job| {
                let _ = &first;
                job.run();
            });
            drop(shelter);
            let task = task.then(|n| n + 1).on(&Inline).then(|n| n + 1);
            if let Some(resolver) = source.resolver {
                settle(resolver, true);
            }
            assert_eq!(task.wait().unwrap(), 9);
        }
        ground.drops.wait_for(2);
        // Without a replacement it is dropped with its task.
        let grenade = Arc::new(ground.grenade());
        let task = ground.pool.spawn(|| 1).on(&move |job: Job| {
            let _ = &grenade;
            job.run();
        });
        assert_eq!(task.then(|n| n + 1).wait().unwrap(), 2);
        ground.drops.wait_for(3);
    });
}

#[test]
fn a_notify_that_panics() {
    stand("notify", |ground| {
        let grenade = ground.grenade();
        let queue = LoopQueue::with_notify(move || {
            let _ = &grenade;
            expected("notify");
        });
        let task = ground.pool.spawn(|| 1).on(&queue).then(|n| n + 1);
        let task = task.on(&ground.pool).then(|n| n + 1).on(&queue);
        assert_eq!(queue.run_until(task.then(|n| n + 1)).unwrap(), 4);
        let late = Task::ready(1).on(&queue).then(|n| n + 1);
        assert_eq!(queue.run_pending(), 1);
        assert_eq!(late.wait().unwrap(), 2);
        let _ = catch_unwind(AssertUnwindSafe(|| drop(queue)));
        ground.drops.wait_for(1);
    });
}
