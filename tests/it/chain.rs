//! The verbs of a chain: what each makes of a value and of a failure, over every case of the table.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use crate::support::{Drops, Gate, LIMIT, Log, every_case, expected, within};
use fast_async::{
    BoxError, ErrorKind, Pool, Task, TaskError, attempt, deferred, spawn, spawn_with,
};

fn no() -> BoxError {
    "no".into()
}

fn is_no(error: &TaskError) -> bool {
    error.kind() == ErrorKind::Failed && error.to_string().starts_with("no")
}

mod success {
    use super::*;

    #[test]
    fn then_maps_a_value() {
        within(|| {
            every_case(|case| {
                let text = case.run(Ok(6), |task| task.then(|n| n * 7).then(|n| n.to_string()));
                assert_eq!(text.unwrap(), "42", "{case:?}");
            });
        });
    }

    // Case: 8, 29
    #[test]
    fn a_value_passes_handlers_of_failures() {
        within(|| {
            every_case(|case| {
                let called = Arc::new(AtomicUsize::new(0));
                let value = case.run(Ok(Box::new(6)), |task| {
                    let [one, two, three, four] = [(); 4].map(|()| {
                        let called = called.clone();
                        move || {
                            called.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                    task.catch(move |error| {
                        one();
                        panic!("{error}")
                    })
                    .or_else(move |error| {
                        two();
                        Err(error.into())
                    })
                    .catch_as(move |_: &io::Error| {
                        three();
                        Box::new(0)
                    })
                    .inspect_err(move |_| four())
                });
                assert_eq!(*value.unwrap(), 6, "{case:?}");
                assert_eq!(called.load(Ordering::Relaxed), 0, "{case:?}");
            });
        });
    }

    // The very same allocation comes out: nothing was cloned on the way.
    #[test]
    fn a_value_passes_as_it_is() {
        within(|| {
            every_case(|case| {
                let value = Box::new([7_u8; 32]);
                let place = value.as_ptr().addr();
                let value = case.run(Ok(value), |task| {
                    task.finally(|| ())
                        .inspect(|_| ())
                        .catch(|error| panic!("{error}"))
                        .and_then(Ok)
                        .and_then(Task::ready)
                        .then(|value| value)
                });
                let value = value.unwrap();
                assert_eq!(value.as_ptr().addr(), place, "{case:?}");
            });
        });
    }

    #[test]
    fn and_then_takes_results_and_tasks() {
        within(|| {
            every_case(|case| {
                let n = case.run(Ok("20"), |task| {
                    task.and_then(|text| Ok(text.parse::<u32>()?))
                        .and_then(|n| spawn(move || n + 1))
                        .and_then(|n| Task::ready(n).share())
                        .and_then(|n| Task::ready(n * 2))
                });
                assert_eq!(n.unwrap(), 42, "{case:?}");
            });
        });
    }

    // Case: 11
    #[test]
    fn and_then_fails_with_the_error_it_returns() {
        within(|| {
            every_case(|case| {
                let error = case.run(Ok("x"), |task| task.and_then(|s| Ok(s.parse::<u32>()?)));
                let error = error.unwrap_err();
                assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());

                let error = case.run(Ok(1), |task| task.and_then(|_| Task::<u32>::failed(no())));
                assert!(is_no(&error.unwrap_err()), "{case:?}");
            });
        });
    }

    #[test]
    fn handle_gets_either() {
        within(|| {
            every_case(|case| {
                let handle =
                    |task: Task<u32>| task.handle(|outcome| outcome.map_err(|error| is_no(&error)));
                assert_eq!(case.run(Ok(1), handle).unwrap(), Ok(1), "{case:?}");
                assert_eq!(case.run(Err(no()), handle).unwrap(), Err(true), "{case:?}");
            });
        });
    }
}

mod failure {
    use super::*;

    // Case: 8
    #[test]
    fn a_failure_passes_handlers_of_values() {
        within(|| {
            every_case(|case| {
                let called = Arc::new(AtomicUsize::new(0));
                let error = case.run(Err(no()), |task: Task<u32>| {
                    let [one, two, three] = [(); 3].map(|()| {
                        let called = called.clone();
                        move || {
                            called.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                    task.then(move |n| {
                        one();
                        n
                    })
                    .and_then(move |n| {
                        two();
                        Ok(n)
                    })
                    .inspect(move |_| three())
                });
                assert!(is_no(&error.unwrap_err()), "{case:?}");
                assert_eq!(called.load(Ordering::Relaxed), 0, "{case:?}");
            });
        });
    }

    #[test]
    fn catch_recovers() {
        within(|| {
            every_case(|case| {
                let n = case.run(Err(no()), |task: Task<u32>| {
                    task.catch(|error| u32::from(is_no(&error))).then(|n| n + 1)
                });
                assert_eq!(n.unwrap(), 2, "{case:?}");
            });
        });
    }

    #[test]
    fn or_else_takes_results_and_tasks() {
        within(|| {
            every_case(|case| {
                let n = case.run(Err(no()), |task: Task<u32>| {
                    task.or_else(|error| Err(error.into()))
                        .or_else(|error| Err(format!("{error}, again").into()))
                        .or_else(|error| spawn(move || error.to_string().len() as u32))
                });
                assert!(n.unwrap() > 5, "{case:?}");

                let n = case.run(Err(no()), |task: Task<u32>| task.or_else(|_| Ok(3)));
                assert_eq!(n.unwrap(), 3, "{case:?}");
            });
        });
    }

    // Case: 30
    #[test]
    fn catch_as_takes_its_own_kind_of_error_only() {
        within(|| {
            every_case(|case| {
                let missing = || BoxError::from(io::Error::from(io::ErrorKind::NotFound));
                let by_kind = |error: &io::Error| error.kind().to_string();

                let text = case.run(Err(missing()), |task| task.catch_as(by_kind));
                assert_eq!(text.unwrap(), "entity not found", "{case:?}");

                let text = case.run(Err(missing()), |task| {
                    task.catch_as(|_: &fmt::Error| "wrong".to_string())
                        .catch_as(by_kind)
                });
                assert_eq!(text.unwrap(), "entity not found", "{case:?}");

                let error = case.run(Err(no()), |task| task.catch_as(by_kind));
                assert!(is_no(&error.unwrap_err()), "{case:?}");

                // A panic is no error of that type.
                let error = case.run(Ok(()), |task| {
                    task.then(|()| -> String { expected("no error") })
                        .catch_as(by_kind)
                });
                assert_eq!(error.unwrap_err().kind(), ErrorKind::Panicked, "{case:?}");
            });
        });
    }

    // Case: 11, 30
    #[test]
    fn a_handler_that_panics_fails_with_its_panic() {
        within(|| {
            every_case(|case| {
                let kinds = Log::new();
                let saw = kinds.clone();
                let n = case.run(Err(no()), move |task: Task<u32>| {
                    let saw_too = saw.clone();
                    task.catch(|_| expected("in catch"))
                        .inspect_err(move |error| saw.push(error.kind()))
                        .or_else(|_| -> Result<u32, BoxError> { expected("in or_else") })
                        .inspect_err(move |error| saw_too.push(error.kind()))
                        .catch(|_| 1)
                });
                assert_eq!(n.unwrap(), 1, "{case:?}");
                assert_eq!(kinds.take(), [ErrorKind::Panicked; 2], "{case:?}");

                let missing = BoxError::from(io::Error::from(io::ErrorKind::NotFound));
                let error = case.run(Err(missing), |task: Task<u32>| {
                    task.catch_as(|_: &io::Error| expected("in catch_as"))
                });
                assert_eq!(error.unwrap_err().kind(), ErrorKind::Panicked, "{case:?}");
            });
        });
    }
}

mod always {
    use super::*;

    // Case: 25
    #[test]
    fn finally_runs_once_and_changes_nothing() {
        within(|| {
            every_case(|case| {
                let runs = Arc::new(AtomicUsize::new(0));
                let count = || {
                    let runs = runs.clone();
                    move || {
                        runs.fetch_add(1, Ordering::Relaxed);
                    }
                };
                let value = case.run(Ok(1), |task| task.finally(count()).finally(count()));
                assert_eq!(value.unwrap(), 1, "{case:?}");
                let error = case.run(Err(no()), |task: Task<u32>| task.finally(count()));
                assert!(is_no(&error.unwrap_err()), "{case:?}");
                assert_eq!(runs.load(Ordering::Relaxed), 3, "{case:?}");
            });
        });
    }

    // Case: 26
    #[test]
    fn a_panic_in_finally_replaces_the_outcome() {
        within(|| {
            every_case(|case| {
                let sources: [Result<u32, BoxError>; 2] = [Ok(1), Err(no())];
                for source in sources {
                    let error = case.run(source, |task| task.finally(|| expected("finally")));
                    assert_eq!(error.unwrap_err().kind(), ErrorKind::Panicked, "{case:?}");
                }
            });
        });
    }

    // Case: 52
    #[test]
    fn finally_runs_on_a_cancel() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let runs = Log::new();
            let saw = runs.clone();
            let task = task.then(|n| n + 1).finally(move || saw.push("finally"));
            task.cancel();
            assert_eq!(runs.take(), ["finally"]);
            assert!(task.wait().unwrap_err().is_cancelled());
            assert!(resolver.resolve(1).is_err());
        });
    }

    #[test]
    fn taps_change_no_outcome() {
        within(|| {
            every_case(|case| {
                let seen = Log::new();
                let saw = seen.clone();
                let value = case.run(Ok("value".to_string()), move |task| {
                    task.inspect(move |value| saw.push(value.clone()))
                        .inspect_err(|error| panic!("{error}"))
                });
                assert_eq!(value.unwrap(), "value", "{case:?}");
                assert_eq!(seen.take(), ["value"], "{case:?}");

                let saw = seen.clone();
                let error = case.run(Err(no()), move |task: Task<u32>| {
                    task.inspect(|n| panic!("{n}"))
                        .inspect_err(move |error| saw.push(is_no(error).to_string()))
                });
                assert!(is_no(&error.unwrap_err()), "{case:?}");
                assert_eq!(seen.take(), ["true"], "{case:?}");
            });
        });
    }

    // Contract: D4
    // Case: 28
    #[test]
    fn a_tap_that_panics_changes_nothing() {
        within(|| {
            every_case(|case| {
                let text = format!("a tap in {case:?}");
                let panics = text.clone();
                let value = case.run(Ok(1), move |task| {
                    task.inspect(move |_| expected(&panics)).then(|n| n + 1)
                });
                assert_eq!(value.unwrap(), 2, "{case:?}");
                assert_eq!(crate::support::reports(&text), 1, "{case:?}");

                let text = format!("a tap of failures in {case:?}");
                let panics = text.clone();
                let error = case.run(Err(no()), move |task: Task<u32>| {
                    task.inspect_err(move |_| expected(&panics))
                });
                assert!(is_no(&error.unwrap_err()), "{case:?}");
                assert_eq!(crate::support::reports(&text), 1, "{case:?}");
            });
        });
    }
}

mod flattening {
    use super::*;

    // Case: 13
    #[test]
    fn a_task_of_a_task_becomes_the_task_inside() {
        within(|| {
            every_case(|case| {
                let n = case.run(Ok(1), |task| task.then(|n| spawn(move || n + 1)).flatten());
                assert_eq!(n.unwrap(), 2, "{case:?}");

                let n = case.run(Ok(1), |task| {
                    task.then(|n| spawn(move || spawn(move || Task::ready(n + 1))))
                        .flatten()
                        .flatten()
                        .flatten()
                });
                assert_eq!(n.unwrap(), 2, "{case:?}");
            });
        });
    }

    #[test]
    fn a_task_of_a_result_becomes_the_result() {
        within(|| {
            every_case(|case| {
                let n = case.run(Ok(Ok::<_, BoxError>(1)), Task::flatten);
                assert_eq!(n.unwrap(), 1, "{case:?}");
                let error = case.run(Ok(Err::<u32, _>(no())), Task::flatten);
                assert!(is_no(&error.unwrap_err()), "{case:?}");
                let error = case.run(Err(no()), |task: Task<Task<u32>>| task.flatten());
                assert!(is_no(&error.unwrap_err()), "{case:?}");
            });
        });
    }
}

mod never_and_once {
    use super::*;

    // Case: 9
    #[test]
    fn nothing_runs_on_a_task_that_never_settles() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let runs = Log::new();
            let (a, b, c, d) = (runs.clone(), runs.clone(), runs.clone(), runs.clone());
            let task = task
                .then(move |n| a.push(n))
                .catch(move |_| b.push(0))
                .finally(move || c.push(1));
            task.on_settled(move |_| d.push(2));
            // Other work goes by.
            assert_eq!(spawn(|| 1).wait().unwrap(), 1);
            assert!(!task.is_settled());
            assert_eq!(runs.len(), 0);
            // Dropped, it would settle the task as abandoned.
            std::mem::forget(resolver);
        });
    }

    // Contract: S1, D1. Registering races with settling; the continuation runs once in either
    // order.
    // Case: 10
    #[test]
    fn a_continuation_that_races_with_settling_runs_once() {
        const ROUNDS: usize = 1000;
        within(|| {
            let start = Arc::new(Barrier::new(2));
            let (send, receive) = std::sync::mpsc::channel::<fast_async::Resolver<usize>>();
            let settler = thread::spawn({
                let start = start.clone();
                move || {
                    for (round, resolver) in receive.into_iter().enumerate() {
                        start.wait();
                        resolver.resolve(round).unwrap();
                    }
                }
            });
            for round in 0..ROUNDS {
                let runs = Arc::new(AtomicUsize::new(0));
                let (resolver, task) = deferred();
                send.send(resolver).unwrap();
                let count = runs.clone();
                start.wait();
                task.on_settled(|_| ());
                let task = task.then(move |n| {
                    count.fetch_add(1, Ordering::Relaxed);
                    n
                });
                assert_eq!(task.wait().unwrap(), round);
                assert_eq!(runs.load(Ordering::Relaxed), 1);
            }
            drop(send);
            settler.join().unwrap();
        });
    }
}

mod starting {
    use super::*;

    #[test]
    fn spawn_starts_at_once() {
        within(|| {
            let started = Gate::new();
            let open = started.clone();
            let task = spawn(move || open.open());
            started.pass();
            task.wait().unwrap();
        });
    }

    #[test]
    fn attempt_takes_what_and_then_takes() {
        within(|| {
            assert_eq!(attempt(|| Ok(1)).wait().unwrap(), 1);
            assert_eq!(attempt(|| spawn(|| 2)).wait().unwrap(), 2);
            assert_eq!(attempt(|| spawn(|| 3).share()).wait().unwrap(), 3);
            assert!(is_no(&attempt(|| Err::<(), _>(no())).wait().unwrap_err()));
        });
    }

    #[test]
    fn a_cold_task_starts_when_it_is_asked_to() {
        within(|| {
            type Start = fn(Task<u32>) -> u32;
            let starters: [(&str, Start); 9] = [
                ("wait", |task| task.wait().unwrap()),
                ("run", |task| {
                    task.run();
                    task.run();
                    task.wait().unwrap()
                }),
                ("then", |task| task.then(|n| n).wait().unwrap()),
                ("finally", |task| task.finally(|| ()).wait().unwrap()),
                ("on_settled", |task| {
                    let seen = Gate::new();
                    let open = seen.clone();
                    task.on_settled(move |_| open.open());
                    seen.pass();
                    task.wait().unwrap()
                }),
                ("share", |task| *task.share().wait().unwrap()),
                ("wait_timeout", |task| {
                    task.wait_timeout(LIMIT).unwrap().unwrap()
                }),
                ("adoption", |task| {
                    Task::ready(()).and_then(|()| task).wait().unwrap()
                }),
                ("all", |task| {
                    fast_async::await_all(vec![task]).unwrap().remove(0)
                }),
            ];
            for (name, start) in starters {
                let runs = Arc::new(AtomicUsize::new(0));
                let count = runs.clone();
                let task = Task::new(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                    5
                });
                assert_eq!(runs.load(Ordering::Relaxed), 0, "{name}: not asked yet");
                assert_eq!(start(task), 5, "{name}");
                assert_eq!(runs.load(Ordering::Relaxed), 1, "{name}");
            }
        });
    }

    // Contract: D6
    #[test]
    fn a_cold_task_that_is_dropped_never_runs() {
        within(|| {
            let drops = Drops::new();
            let token = drops.token();
            let task = Task::new(move || -> () {
                token.hold();
                panic!("it was dropped cold")
            });
            drop(task);
            assert_eq!(drops.count(), 1);
        });
    }

    #[test]
    fn a_task_knows_its_name_its_pool_and_its_thread() {
        within(|| {
            let pool = Pool::builder()
                .name("named")
                .max_threads(1)
                .build()
                .unwrap();
            let task = Task::builder().name("load").pool(&pool).spawn(|| {
                (
                    thread::current().id(),
                    thread::current().name().map(str::to_string),
                )
            });
            assert_eq!(task.name(), Some("load"));
            let shared = task.share();
            let (id, name) = shared.wait().unwrap();
            assert!(name.as_ref().unwrap().starts_with("named-"), "{name:?}");
            assert_ne!(*id, thread::current().id());
            assert_eq!(shared.name(), Some("load"));

            let task = Task::builder().name("fail").attempt(|| Err::<(), _>(no()));
            let error = task.then(|()| 1).wait().unwrap_err();
            assert_eq!(error.task_name(), Some("fail"));

            let task = spawn_with(|ctx| (ctx.is_cancelled(), thread::current().id()));
            let done = Gate::new();
            let open = done.clone();
            task.on_settled(move |_| open.open());
            done.pass();
            let ran_on = task.thread();
            let (cancelled, thread) = task.wait().unwrap();
            assert!(!cancelled);
            assert_eq!(ran_on, Some(thread));
        });
    }

    #[test]
    fn a_task_remembers_the_thread_of_its_closure_wherever_its_continuations_run() {
        within(|| {
            let pool = |name| Pool::builder().name(name).max_threads(1).build().unwrap();
            let (first, second) = (pool("first"), pool("second"));
            let (log, registered) = (Log::new(), Gate::new());
            let (here, there, pass) = (log.clone(), log.clone(), registered.clone());
            let task = first
                .spawn(move || {
                    pass.pass();
                    here.push(thread::current().id());
                })
                .on(&second)
                .then(move |()| there.push(thread::current().id()));
            let done = Gate::new();
            let open = done.clone();
            task.on_settled(move |_| open.open());
            registered.open();
            done.pass();
            let [closure, continuation] = log.take()[..] else {
                panic!("each has run once");
            };
            assert_ne!(closure, continuation);
            assert_eq!(task.thread(), Some(closure));

            // One without a closure has only its continuations.
            let task = Task::ready(())
                .on(&second)
                .then(|()| thread::current().id());
            let shared = task.share();
            let thread = *shared.wait().unwrap();
            assert_eq!(shared.thread(), Some(thread));
        });
    }
}
