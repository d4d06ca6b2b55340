//! A task settles once, even if the code that should settle it fails, and with the user's own
//! error.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::{
    Drops, Gate, Log, assert_still_dispatches, every_case, expected, one_thread, within,
};
use fast_async::{
    BoxError, CancelOutcome, ErrorKind, Job, Resolver, Shutdown, Status, Task, TaskError, all, any,
    attempt, deferred, error::AggregateError, spawn,
};

/// An error that can be told from every other, and cannot be cloned.
#[derive(Debug)]
struct Mine(u32);

impl fmt::Display for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mine {}", self.0)
    }
}

impl Error for Mine {}

mod once {
    use super::*;

    // Contract: S1. One of the racing settlers wins; the resolver that loses gets its value back,
    // and cancels that lose return `TooLate`. Case: 2
    #[test]
    fn of_racing_settlers_exactly_one_wins() {
        const ROUNDS: usize = 500;
        const CANCELLERS: usize = 3;
        within(|| {
            for round in 0..ROUNDS {
                let (resolver, task) = deferred::<usize>();
                // Every other task has an observer, who must see what comes out in the end.
                let seen = Log::new();
                if round % 2 == 0 {
                    let saw = seen.clone();
                    task.on_settled(move |outcome| {
                        saw.push(outcome.copied().map_err(TaskError::kind));
                    });
                }
                let winners = AtomicUsize::new(0);
                let start = Barrier::new(CANCELLERS + 1);
                thread::scope(|scope| {
                    let canceller = || {
                        start.wait();
                        match task.cancel() {
                            CancelOutcome::TooLate => {}
                            CancelOutcome::Prevented => {
                                winners.fetch_add(1, Ordering::Relaxed);
                            }
                            CancelOutcome::Signalled => panic!("nothing was running"),
                        }
                    };
                    let cancellers = [(); CANCELLERS].map(|()| scope.spawn(canceller));
                    start.wait();
                    match resolver.resolve(round) {
                        Ok(()) => {
                            winners.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(back) => assert_eq!(back, round),
                    }
                    // The scope would wait too, but unseen by the thread sanitizer.
                    for canceller in cancellers {
                        canceller.join().unwrap();
                    }
                });
                assert_eq!(winners.into_inner(), 1);
                let outcome = task.wait().map_err(|error| error.kind());
                assert!([Ok(round), Err(ErrorKind::Cancelled)].contains(&outcome));
                assert!(seen.take().iter().all(|seen| *seen == outcome));
            }
        });
    }

    // Contract: S1
    // Case: 7
    #[test]
    fn a_late_settle_returns_its_argument() {
        within(|| {
            let (resolver, task) = deferred::<String>();
            assert!(resolver.is_wanted());
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            assert!(!resolver.is_wanted());
            assert_eq!(resolver.resolve("late".into()), Err("late".to_string()));

            let (resolver, task) = deferred::<()>();
            task.cancel();
            let back = resolver.reject(Mine(1)).unwrap_err();
            assert_eq!(back.downcast_ref::<Mine>().map(|mine| mine.0), Some(1));

            let (resolver, task) = deferred::<u32>();
            task.cancel();
            let back = resolver.settle_with(Task::ready(7)).unwrap_err();
            assert_eq!(back.wait().unwrap(), 7);

            let (resolver, task) = deferred::<u32>();
            task.cancel();
            let back = resolver.settle_with(Ok::<u32, BoxError>(8)).unwrap_err();
            assert_eq!(back.unwrap(), 8);
        });
    }

    /// Has `settle` race with a cancel; returns whether it settled the task, and the answer of the
    /// cancel.
    fn race<R: Send + 'static>(
        settle: impl FnOnce(Resolver<u32>) -> Result<(), R> + Send + 'static,
    ) -> (Result<(), R>, CancelOutcome, Result<u32, TaskError>) {
        let (resolver, task) = deferred::<u32>();
        // A barrier wakes one thread long after the other: they spin until both are awake.
        let start = Arc::new((Barrier::new(2), AtomicUsize::new(0)));
        let meet = |start: &(Barrier, AtomicUsize)| {
            start.0.wait();
            start.1.fetch_add(1, Ordering::AcqRel);
            for _ in 0..5_000 {
                if start.1.load(Ordering::Acquire) == 2 {
                    break;
                }
                std::hint::spin_loop();
            }
        };
        let settler = thread::spawn({
            let start = start.clone();
            move || {
                meet(&start);
                settle(resolver)
            }
        });
        meet(&start);
        let cancelled = task.cancel();
        (settler.join().unwrap(), cancelled, task.wait())
    }

    const RACES: u32 = 1000;

    // Contract: S1
    #[test]
    fn a_rejection_that_loses_the_race_returns_its_error() {
        within(|| {
            for round in 0..RACES {
                let (told, cancelled, outcome) = race(move |resolver| match round % 2 {
                    0 => resolver.reject(Mine(round)),
                    _ => resolver
                        .settle_with(Err(Mine(round).into()))
                        .map_err(|back| back.unwrap_err()),
                });
                let error = outcome.unwrap_err();
                match told {
                    Ok(()) => {
                        assert_eq!(cancelled, CancelOutcome::TooLate);
                        assert_eq!(error.downcast_ref::<Mine>().unwrap().0, round);
                    }
                    Err(back) => {
                        assert_eq!(cancelled, CancelOutcome::Prevented);
                        assert!(error.is_cancelled());
                        assert_eq!(back.downcast_ref::<Mine>().unwrap().0, round);
                    }
                }
            }
        });
    }

    // Contract: S1
    #[test]
    fn a_result_or_a_settled_task_that_loses_the_race_is_handed_back() {
        within(|| {
            for round in 0..RACES {
                let (told, cancelled, outcome) = race(move |resolver| match round % 2 {
                    0 => resolver
                        .settle_with(Ok::<_, BoxError>(round))
                        .map_err(Result::unwrap),
                    _ => resolver
                        .settle_with(Task::ready(round))
                        .map_err(|back| back.wait().unwrap()),
                });
                match told {
                    Ok(()) => {
                        assert_eq!(cancelled, CancelOutcome::TooLate);
                        assert_eq!(outcome.unwrap(), round);
                    }
                    Err(back) => {
                        assert_eq!(cancelled, CancelOutcome::Prevented);
                        assert!(outcome.unwrap_err().is_cancelled());
                        assert_eq!(back, round);
                    }
                }
            }
        });
    }

    // Contract: S1, C3. Either the task that lost is handed back, or it was followed and is
    // cancelled with its follower.
    #[test]
    fn a_task_that_loses_the_race_is_handed_back() {
        within(|| {
            for round in 0..RACES {
                let (source, inner) = deferred::<u32>();
                let (told, _, outcome) = race(move |resolver| match round % 2 {
                    0 => resolver.settle_with(inner),
                    _ => {
                        let back = resolver.settle_with(inner.share());
                        back.map_err(|shared| shared.cloned())
                    }
                });
                assert!(outcome.unwrap_err().is_cancelled());
                assert_eq!(source.is_wanted(), told.is_err(), "round {round}");
                if let Err(back) = told {
                    source.resolve(round).unwrap();
                    assert_eq!(back.wait().unwrap(), round);
                }
            }
        });
    }

    // Contract: S1, C5. What is handed back is as it was: a failure in it is still to be looked at.
    #[test]
    fn a_returned_failed_task_is_reported_when_it_is_dropped() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            task.cancel();
            let failed = Task::<u32>::failed("handed back unseen");
            let back = resolver.settle_with(failed).unwrap_err();
            assert_eq!(back.status(), Status::Failure);
            assert_eq!(crate::support::reports("handed back unseen"), 0);
            drop(back);
            assert_eq!(crate::support::reports("handed back unseen"), 1);
        });
    }

    // Contract: S1
    #[test]
    fn a_failure_that_is_handed_back_is_itself() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            task.cancel();
            let failure = attempt(|| Err::<(), _>(Mine(1).into())).wait().unwrap_err();
            let back = resolver.reject(failure).unwrap_err();
            assert!(back.downcast_ref::<TaskError>().unwrap().is::<Mine>());
        });
    }

    // Contract: S1
    #[test]
    fn a_settled_task_keeps_its_outcome() {
        within(|| {
            let (resolver, task) = deferred();
            resolver.resolve(5).unwrap();
            for _ in 0..2 {
                assert_eq!(task.cancel(), CancelOutcome::TooLate);
                assert_eq!(task.status(), Status::Success);
            }
            let seen = Log::new();
            for _ in 0..3 {
                let seen = seen.clone();
                task.on_settled(move |outcome| seen.push(outcome.ok().copied()));
            }
            assert_eq!(task.wait().unwrap(), 5);
            assert_eq!(seen.take(), [Some(5), Some(5), Some(5)]);
        });
    }

    // Contract: S1
    // Case: 3
    #[test]
    fn a_panic_after_settling_changes_nothing() {
        within(|| {
            let (resolver, task) = deferred();
            let settler = spawn(move || {
                resolver.resolve(1).unwrap();
                expected("after it has resolved");
            });
            assert_eq!(task.wait().unwrap(), 1);
            assert_eq!(settler.wait().unwrap_err().kind(), ErrorKind::Panicked);
        });
    }

    // Contract: S1. Following another task is not being settled; only a cancel can come in between.
    #[test]
    fn a_task_that_follows_another_is_pending_until_that_settles() {
        within(|| {
            let (outer, task) = deferred::<u32>();
            let (inner, followed) = deferred::<u32>();
            assert!(outer.settle_with(followed).is_ok());
            assert!(!task.is_settled());
            inner.resolve(9).unwrap();
            assert_eq!(task.status(), Status::Success);
            assert_eq!(task.cancel(), CancelOutcome::TooLate);
            assert_eq!(task.wait().unwrap(), 9);
        });
    }

    // Contract: S1. A refused observer cannot be run; the value that it was to look at is not to
    // blame.
    #[test]
    fn an_executor_that_refuses_an_observer_leaves_the_outcome_alone() {
        within(|| {
            let refuse = |job: Job| drop(job);
            let task = Task::ready(5).on(&refuse);
            assert_eq!(task.status(), Status::Success);
            task.subscribe(|_| (), |_| ());
            assert_eq!(task.status(), Status::Success);
            assert_eq!(task.wait().unwrap(), 5);
        });
    }

    // Contract: S1. The source has settled with a value: a cancel of what was made of it comes too
    // late to tell its observers otherwise.
    #[test]
    fn all_observers_of_a_task_see_the_same_outcome() {
        within(|| {
            let (resolver, source) = deferred();
            let seen = Log::new();
            let (running, go_on) = (Gate::new(), Gate::new());
            source.on_settled({
                let (seen, running, go_on) = (seen.clone(), running.clone(), go_on.clone());
                move |outcome| {
                    seen.push(outcome.is_ok());
                    running.open();
                    go_on.pass();
                }
            });
            source.on_settled({
                let seen = seen.clone();
                move |outcome| seen.push(outcome.is_ok())
            });
            let tail = source.then(|n: i32| n + 1);
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            running.pass();
            tail.cancel();
            go_on.open();
            settler.join().unwrap();
            assert!(tail.wait().unwrap_err().is_cancelled());
            assert_eq!(seen.take(), [true, true]);
        });
    }
}

mod lost {
    use super::*;

    // Contract: S3
    // Case: 6
    #[test]
    fn a_dropped_resolver_abandons_its_task() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let line = line!() - 1;
            let task = task.then(|n| n + 1);
            drop(resolver);
            assert_eq!(task.status(), Status::Failure);
            let error = task.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Abandoned);
            assert_eq!(error.location().unwrap().line(), line);
        });
    }

    // Contract: S3. The drop happens while a panic unwinds, and what it sets off panics too.
    #[test]
    fn a_panic_that_drops_a_resolver_fails_its_task() {
        crate::support::isolated("lost::a_panic_that_drops_a_resolver_fails_its_task", || {
            let (resolver, task) = deferred::<u32>();
            let task = task
                .then(|n| n + 1)
                .catch(|error| {
                    assert_eq!(error.kind(), ErrorKind::Panicked);
                    let text = "panicked (its resolver was dropped by a panic on thread `db`)";
                    assert_eq!(error.to_string(), text);
                    expected("while another panic unwinds")
                })
                .catch(|error| {
                    assert_eq!(error.kind(), ErrorKind::Panicked);
                    3
                });
            let unlucky = thread::Builder::new().name("db".into()).spawn(move || {
                let _held = resolver;
                expected("holding a resolver");
            });
            assert!(unlucky.unwrap().join().is_err());
            assert_eq!(task.wait().unwrap(), 3);
        });
    }

    // Contract: S3. A thread that ends drops its locals when the crate's own may be gone already.
    #[test]
    fn a_thread_that_ends_with_a_resolver_in_its_locals_abandons_its_task() {
        thread_local! {
            static EARLY: Mutex<Option<Resolver<u32>>> = const { Mutex::new(None) };
            static LATE: Mutex<Option<Resolver<u32>>> = const { Mutex::new(None) };
        }
        crate::support::isolated(
            "lost::a_thread_that_ends_with_a_resolver_in_its_locals_abandons_its_task",
            || {
                let (first, early) = deferred::<u32>();
                let (second, late) = deferred::<u32>();
                let early = early.then(|n| n).catch(|_| 1).share();
                let late = late.then(|n| n).catch(|_| 2).share();
                let branch = early.then(|n| n + 10);
                thread::spawn(move || {
                    // Locals are dropped in some order of first use; the crate's list is first used
                    // in between.
                    EARLY.with(|slot| *slot.lock().unwrap() = Some(first));
                    assert_still_dispatches();
                    LATE.with(|slot| *slot.lock().unwrap() = Some(second));
                })
                .join()
                .unwrap();
                assert_eq!(*early.wait().unwrap(), 1);
                assert_eq!(*late.wait().unwrap(), 2);
                assert_eq!(branch.wait().unwrap(), 11);
            },
        );
    }

    // Contract: S3
    // Case: 59
    #[test]
    fn a_job_that_an_executor_drops_rejects_its_task() {
        within(|| {
            let refuse = |job: Job| drop(job);
            for task in [Task::ready(1).on(&refuse), spawn(|| 1).on(&refuse)] {
                let drops = Drops::new();
                let token = drops.token();
                let task = task.then(move |n| {
                    token.hold();
                    n
                });
                let error = task.wait().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Rejected);
                drops.wait_for(1);
            }
        });
    }

    // Contract: S3. The executor lost the job in its own panic.
    // Case: 59
    #[test]
    fn a_job_that_an_executor_loses_in_a_panic_rejects_its_task() {
        within(|| {
            let panics = |job: Job| {
                let _lost = job;
                expected("in an executor");
            };
            let task = Task::ready(1).on(&panics).then(|n| n + 1);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
            assert_still_dispatches();
        });
    }

    // Contract: S3. An executor may let the job lie around and drop it much later.
    #[test]
    fn a_job_that_is_never_run_settles_its_task_when_dropped() {
        within(|| {
            let jobs = Log::new();
            let keep = {
                let jobs = jobs.clone();
                move |job: Job| jobs.push(job)
            };
            let task = Task::ready(1).on(&keep).then(|n| n + 1);
            assert!(!task.is_settled());
            let mut kept = jobs.take();
            assert_eq!(kept.len(), 1);
            drop(kept.pop());
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
        });
    }

    // Contract: S3
    // Case: 59
    #[test]
    fn a_job_that_its_pool_discards_settles_its_task() {
        within(|| {
            let pool = one_thread();
            let (running, go_on) = (Gate::new(), Gate::new());
            let busy = pool.spawn({
                let (running, go_on) = (running.clone(), go_on.clone());
                move || {
                    running.open();
                    go_on.pass();
                }
            });
            running.pass();
            let queued = pool.spawn(|| 1).then(|n| n + 1);
            let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
            assert_eq!(report.discarded, 1);
            assert!(queued.wait().unwrap_err().is_cancelled());
            go_on.open();
            busy.wait().unwrap();
        });
    }
}

mod errors {
    use super::*;

    /// Where the user's error lives: the same at every link, or it was copied or wrapped.
    fn place_of(error: &TaskError) -> usize {
        let mine = error.downcast_ref::<Mine>().expect("the user's own error");
        assert_eq!(mine.0, 7);
        std::ptr::from_ref(mine).addr()
    }

    // Contract: S4
    // Case: 15, 16
    #[test]
    fn the_users_error_passes_every_link_as_it_is() {
        within(|| {
            every_case(|case| {
                let seen = Log::new();
                let look = |_: &Task<u32>| {
                    let seen = seen.clone();
                    move |error: &TaskError| seen.push(place_of(error))
                };
                let error = case.run(Err(Mine(7).into()), |task: Task<u32>| {
                    let saw = look(&task);
                    task.on_settled(move |outcome| saw(outcome.unwrap_err()));
                    let task = task.then(|n| n + 1);
                    let saw = look(&task);
                    let task = task.inspect_err(saw).and_then(Task::ready);
                    let saw = look(&task);
                    let task = task.inspect_err(saw).finally(|| ()).inspect(|_| ());
                    let saw = look(&task);
                    let task = task.inspect_err(saw).catch_as(|_: &fmt::Error| 0);
                    let saw = look(&task);
                    // Given back by a handler, through a `BoxError`.
                    let task = task
                        .inspect_err(saw)
                        .or_else(|error| Err::<u32, BoxError>(error.into()));
                    let saw = look(&task);
                    let task = task.inspect_err(saw).shielded();
                    let saw = look(&task);
                    // Adopted.
                    let task = task.inspect_err(saw);
                    let task = Task::ready(()).and_then(move |()| task);
                    let saw = look(&task);
                    let shared = task.inspect_err(saw).share();
                    let saw = look(&shared.cloned());
                    shared
                        .then(|n| *n)
                        .inspect_err(saw)
                        .cancel_on_drop()
                        .into_task()
                });
                let place = place_of(&error.unwrap_err());
                let seen = seen.take();
                assert_eq!(seen.len(), 9, "{case:?}");
                assert!(seen.iter().all(|seen| *seen == place), "{case:?}: {seen:?}");
            });
        });
    }

    // Contract: S4
    #[test]
    fn the_users_error_passes_combinators_as_it_is() {
        within(|| {
            let failing = || Task::<u32>::failed(Mine(7));
            let error = all(vec![Task::ready(1), failing()]).wait().unwrap_err();
            place_of(&error);
            let error = all((Task::ready("one"), failing())).wait().unwrap_err();
            place_of(&error);
            let error = any(vec![failing(), failing()]).wait().unwrap_err();
            let both = error.downcast_ref::<AggregateError>().unwrap();
            both.errors().iter().for_each(|error| {
                place_of(error);
            });
            place_of(&fast_async::await_first(vec![failing()]).unwrap_err());
        });
    }

    // Contract: S4. `?` on the outcome of a task inside another one's closure.
    #[test]
    fn a_failure_converted_to_a_boxed_error_is_unchanged() {
        within(|| {
            let (resolver, abandoned) = deferred::<u32>();
            drop(resolver);
            let outer = attempt(move || Ok(abandoned.wait()? + 1));
            assert_eq!(outer.wait().unwrap_err().kind(), ErrorKind::Abandoned);

            let inner = Task::<u32>::failed(Mine(7));
            let outer = Task::ready(1).and_then(move |n| Ok(n + inner.wait()?));
            place_of(&outer.wait().unwrap_err());

            let twice = Task::<u32>::failed(Task::<u32>::failed(Mine(7)).wait().unwrap_err());
            place_of(&twice.wait().unwrap_err());
        });
    }

    // Contract: S4. Also one that was thrown.
    #[test]
    fn a_panic_with_a_failure_fails_with_that_failure() {
        within(|| {
            let task = spawn(|| -> u32 {
                match Task::<u32>::failed(Mine(7)).wait() {
                    Ok(n) => n,
                    Err(error) => std::panic::resume_unwind(Box::new(error)),
                }
            });
            place_of(&task.wait().unwrap_err());
        });
    }

    #[test]
    fn a_reporter_that_prints_the_chain_prints_the_users_error_once() {
        within(|| {
            let error = Task::<()>::failed(Mine(7)).wait().unwrap_err();
            assert!(error.source().is_none(), "`Mine` has none");
            assert_eq!(error.to_string(), "mine 7");
            assert_eq!(format!("{:#}", anyhow::Error::from(error)), "mine 7");
        });
    }

    // What happened, for any reader; where it did, for the author.
    #[test]
    fn the_text_of_a_failure() {
        let place = |line: u32, column: u32| format!("at {}:{line}:{column}", file!());
        within(move || {
            let line = line!() + 1;
            let (resolver, task) = deferred::<u32>();
            drop(resolver);
            let error = task.wait().unwrap_err();
            let text = "was abandoned (its resolver was dropped before settling it)";
            assert_eq!(error.to_string(), text);
            assert_eq!(
                format!("{error:#}"),
                format!("{text} [{}]", place(line, 36))
            );

            let line = line!() + 1;
            let task = Task::ready(()).and_then(|()| Err::<(), _>("no".into()));
            let error = task.wait().unwrap_err();
            assert_eq!(error.to_string(), "no");
            assert_eq!(format!("{error:#}"), format!("no [{}]", place(line, 40)));

            let task = Task::builder().name("named");
            let line = line!() + 1;
            let task = task.attempt(|| Err::<(), _>("no".into()));
            let error = task.wait().unwrap_err();
            assert_eq!(error.to_string(), "no");
            let text = format!("no [task `named`, {}]", place(line, 29));
            assert_eq!(format!("{error:#}"), text);

            let panicked = spawn(|| -> u32 { expected("no disk") });
            let panicked = panicked.wait().unwrap_err();
            assert_eq!(panicked.to_string(), "panicked: expected: no disk");

            let task = Task::ready(()).on(&|job: Job| drop(job)).then(|()| ());
            let text = task.wait().unwrap_err().to_string();
            assert!(text.contains("an executor must call `Job::run`"), "{text}");
        });
    }

    #[test]
    fn the_trace_of_a_failure() {
        let place = |line: u32, column: u32| format!("{}:{line}:{column}", file!());
        within(move || {
            let first = line!() + 1;
            let task = Task::builder()
                .name("load")
                .spawn(|| "x")
                .and_then(|text| Ok(text.parse::<u16>()?))
                .then(|port| port + 1)
                .finally(|| ());
            let last = line!() + 1;
            let error = task.wait().unwrap_err();
            let lines = [
                "invalid digit found in string".to_owned(),
                format!("    task `load`, made at {}", place(first + 2, 18)),
                format!("    failed at {}", place(first + 3, 18)),
                format!("    passed {}", place(first + 4, 18)),
                format!("    passed {}", place(first + 5, 18)),
                format!("    waited for at {}", place(last, 30)),
            ];
            assert_eq!(error.trace().to_string(), lines.join("\n"));
        });
    }

    // A failure goes from task to task: adopted, combined, shared, waited for and thrown again.
    #[test]
    fn the_trace_of_a_failure_that_leaves_its_task() {
        let place = |line: u32, column: u32| format!("{}:{line}:{column}", file!());
        within(move || {
            let first = line!() + 1;
            let inner = attempt(|| Err::<(), _>("no".into()));
            let outer = line!() + 1;
            let task = spawn(|| ()).and_then(move |()| inner);
            let both = line!() + 1;
            let task = fast_async::all([task]);
            let error = task.wait().unwrap_err();
            let trace = error.trace().to_string();
            let lines: Vec<&str> = trace.lines().map(str::trim).collect();
            assert_eq!(lines[0], "no");
            assert_eq!(lines[1], format!("task made at {}", place(first, 25)));
            assert_eq!(
                lines[2],
                format!("passed to the task made at {}", place(outer, 24))
            );
            assert_eq!(
                lines[3],
                format!("passed to the task made at {}", place(both, 24))
            );
            assert!(lines[4].starts_with("waited for at "), "{trace}");
            assert_eq!(lines.len(), 5, "{trace}");
        });
    }

    #[test]
    fn the_trace_of_a_long_chain_is_bounded() {
        within(|| {
            let mut task = Task::<u32>::failed("no");
            for _ in 0..10_000 {
                // Two places, so that no two in a row are the same.
                task = task.then(|n| n).then(|n| n);
            }
            let trace = task.wait().unwrap_err().trace().to_string();
            assert!(trace.lines().count() < 25, "{trace}");
            assert!(trace.contains("more places"), "{trace}");
        });
    }

    // Contract: S4. Cloning a failure clones a pointer.
    // Case: 16
    #[test]
    fn clones_of_a_failure_share_the_users_error() {
        within(|| {
            let error = Task::<()>::failed(Mine(7)).wait().unwrap_err();
            assert_eq!(place_of(&error.clone()), place_of(&error));
            let held = Arc::new(error);
            assert_eq!(place_of(&held), place_of(&(*held).clone()));
        });
    }
}
