//! Unhandled failures: what counts as handling one, and that each is reported once.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::process::Output;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use fast_async::{
    CancelToken, ErrorKind, Inline, Pool, Shutdown, Task, TaskError, all, any, attempt, deferred,
    set_unhandled_hook, spawn,
    unhandled::{clear_unhandled_hook, update_unhandled_hook},
};
use support::{Count, Gate, block_on, child, is_child, until, watched};

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

static REPORTS: Mutex<Vec<TaskError>> = Mutex::new(Vec::new());

/// Makes the hook of this process one that keeps every report. Tests that look at them hold the
/// guard: the hook is global to the process.
struct Reports(#[allow(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Reports {
    fn collect() -> Reports {
        static ONE_AT_A_TIME: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
        let guard = ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        set_unhandled_hook(|error| {
            REPORTS
                .lock()
                .unwrap_or_else(|broken| broken.into_inner())
                .push(error.clone());
        });
        REPORTS
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
            .clear();
        Reports(guard)
    }

    /// Returns what was reported until the pools were idle.
    fn take(&self, pool: &Pool) -> Vec<TaskError> {
        assert!(pool.wait_idle(Duration::MAX) && Pool::global().wait_idle(Duration::MAX));
        std::mem::take(&mut *REPORTS.lock().unwrap_or_else(|broken| broken.into_inner()))
    }
}

/// A task that has yet to fail, and what makes it.
struct Doomed {
    task: Task<u32>,
    fail: Box<dyn FnOnce() + Send>,
}

type Ending = (&'static str, ErrorKind, fn(&Pool) -> Doomed);

/// A task of the pool that continues when `fail` is called.
fn gated<R>(pool: &Pool, f: impl FnOnce() -> R + Send + 'static) -> Doomed
where
    R: fast_async::IntoTask<Output = u32> + 'static,
{
    let gate = Gate::default();
    let held = gate.clone();
    let task = Task::builder().name("doomed").pool(pool).attempt(move || {
        held.pass();
        f()
    });
    Doomed {
        task,
        fail: Box::new(move || gate.open()),
    }
}

fn resolved(chain: impl FnOnce(Task<u32>) -> Task<u32>) -> Doomed {
    let (resolver, task) = deferred::<u32>();
    Doomed {
        task: chain(task),
        // A look may have cancelled it.
        fail: Box::new(move || {
            let _ = resolver.resolve(1);
        }),
    }
}

/// Every way for a task to fail that is not a cancellation.
const ENDINGS: &[Ending] = &[
    ("an error", ErrorKind::Failed, |pool| {
        gated(pool, || Err(Broken.into()))
    }),
    ("a panic", ErrorKind::Panicked, |pool| {
        gated(pool, || -> Task<u32> { panic!("boom") })
    }),
    ("reject", ErrorKind::Failed, |_| {
        let (resolver, task) = deferred();
        Doomed {
            task,
            fail: Box::new(move || drop(resolver.reject(Broken))),
        }
    }),
    ("a resolver dropped", ErrorKind::Abandoned, |_| {
        let (resolver, task) = deferred();
        Doomed {
            task,
            fail: Box::new(move || drop(resolver)),
        }
    }),
    ("settled with a failed task", ErrorKind::Failed, |_| {
        let (resolver, task) = deferred();
        Doomed {
            task,
            fail: Box::new(move || {
                if let Err(failed) = resolver.settle_with(Task::failed(Broken)) {
                    drop(failed.error());
                }
            }),
        }
    }),
    ("a continuation's error", ErrorKind::Failed, |_| {
        resolved(|task| task.and_then(|_| Err(Broken.into())))
    }),
    ("a continuation's panic", ErrorKind::Panicked, |_| {
        resolved(|task| task.then(|_| panic!("boom")))
    }),
    ("a panic in finally", ErrorKind::Panicked, |_| {
        resolved(|task| task.finally(|| panic!("boom")))
    }),
    ("a panic in catch", ErrorKind::Panicked, |_| {
        let (resolver, task) = deferred::<u32>();
        Doomed {
            task: task.catch(|_| panic!("boom")),
            fail: Box::new(move || drop(resolver)),
        }
    }),
    ("an error passed by", ErrorKind::Failed, |pool| {
        let doomed = gated(pool, || Err(Broken.into()));
        Doomed {
            task: doomed.task.then(|n| n + 1).finally(|| ()).then(|n| n + 1),
            fail: doomed.fail,
        }
    }),
    ("an adopted task's error", ErrorKind::Failed, |pool| {
        let inner = gated(pool, || Err(Broken.into()));
        Doomed {
            task: attempt(move || inner.task),
            fail: inner.fail,
        }
    }),
    ("a closed pool", ErrorKind::Rejected, |_| {
        let pool = Pool::new();
        assert!(pool.shutdown(Shutdown::Drain, Duration::MAX).is_complete());
        let task = Task::new(|| ()).and_then(move |()| pool.spawn(|| 1));
        resolved(move |start| start.and_then(move |_| task))
    }),
    (
        "an executor that drops its job",
        ErrorKind::Rejected,
        |_| {
            let refuse = |job: fast_async::Job| drop(job);
            resolved(move |task| task.on(&refuse).then(|n| n))
        },
    ),
];

enum Look {
    /// Returns only when the task is settled.
    Blocks(fn(Task<u32>)),
    /// Returns at once, before the task is settled too.
    Passes(fn(Task<u32>)),
}

/// What is done with the task, and how many reports follow when that is done before the failure and
/// after it.
const LOOKS: &[(&str, Look, usize, usize)] = &[
    ("wait", Look::Blocks(|task| drop(task.wait())), 0, 0),
    (
        "wait_timeout",
        Look::Blocks(|task| drop(task.wait_timeout(Duration::MAX))),
        0,
        0,
    ),
    (
        "wait_timeout that expires, then wait",
        Look::Blocks(|task| match task.wait_timeout(Duration::ZERO) {
            Ok(outcome) => drop(outcome),
            Err(task) => drop(task.wait()),
        }),
        0,
        0,
    ),
    (
        "subscribe_blocking",
        Look::Blocks(|task| drop(task.subscribe_blocking(|_| (), |_| ()))),
        0,
        0,
    ),
    ("await", Look::Blocks(|task| drop(block_on(task))), 0, 0),
    (
        "shared and waited for",
        Look::Blocks(|task| drop(task.share().wait())),
        0,
        0,
    ),
    (
        "one branch waited for, the other one caught",
        Look::Blocks(|task| {
            let task = task.share();
            drop(task.cloned().catch(|_| 0));
            drop(task.then(|n| *n).wait());
        }),
        0,
        0,
    ),
    (
        "all, waited for",
        Look::Blocks(|task| drop(all(vec![Task::ready(1), task]).wait())),
        0,
        0,
    ),
    (
        "shielded and waited for",
        Look::Blocks(|task| drop(task.shielded().wait())),
        0,
        0,
    ),
    (
        "adopted and waited for",
        Look::Blocks(|task| drop(attempt(move || task).wait())),
        0,
        0,
    ),
    (
        "waited for inside another task",
        Look::Blocks(|task| drop(spawn(move || task.wait().is_err()).wait())),
        0,
        0,
    ),
    ("dropped", Look::Passes(drop), 1, 1),
    ("detached", Look::Passes(Task::detach), 1, 1),
    (
        "wait_timeout that expires, then dropped",
        Look::Passes(|task| drop(task.wait_timeout(Duration::ZERO))),
        1,
        0,
    ),
    ("try_wait", Look::Passes(|task| drop(task.try_wait())), 1, 0),
    ("error", Look::Passes(|task| drop(task.error())), 1, 0),
    (
        "only asked whether it is settled",
        Look::Passes(|task| {
            let _ = (task.is_settled(), task.status(), format!("{task:?}"));
        }),
        1,
        1,
    ),
    (
        "polled once and dropped",
        Look::Passes(|task| {
            let mut context = Context::from_waker(Waker::noop());
            let _ = pin!(task).poll(&mut context);
        }),
        1,
        0,
    ),
    ("catch", Look::Passes(|task| drop(task.catch(|_| 0))), 0, 0),
    (
        "or_else",
        Look::Passes(|task| drop(task.or_else(|_| Ok(0)))),
        0,
        0,
    ),
    (
        "or_else with the same failure again",
        Look::Passes(|task| drop(task.or_else(|error| Err(error.into())))),
        1,
        1,
    ),
    (
        "handle",
        Look::Passes(|task| drop(task.handle(|_| ()))),
        0,
        0,
    ),
    (
        "catch_as of another type",
        Look::Passes(|task| drop(task.catch_as(|_: &fmt::Error| 0))),
        1,
        1,
    ),
    ("then", Look::Passes(|task| drop(task.then(|n| n))), 1, 1),
    (
        "then and catch",
        Look::Passes(|task| drop(task.then(|n| n).and_then(Ok).catch(|_| 0))),
        0,
        0,
    ),
    (
        "finally",
        Look::Passes(|task| drop(task.finally(|| ()))),
        1,
        1,
    ),
    (
        "observers only",
        Look::Passes(|task| {
            task.subscribe(|_| (), |_| ());
            task.on_settled(|_| ());
            drop(task.inspect_err(|_| ()).inspect(|_| ()));
        }),
        1,
        1,
    ),
    (
        "observed and caught",
        Look::Passes(|task| {
            task.on_settled(|_| ());
            drop(task.inspect_err(|_| ()).catch(|_| 0));
        }),
        0,
        0,
    ),
    (
        "on an executor, dropped",
        Look::Passes(|task| drop(task.on(&Inline).then(|n| n))),
        1,
        1,
    ),
    (
        "shared and dropped",
        Look::Passes(|task| drop(task.share())),
        1,
        1,
    ),
    (
        "shared and observed",
        Look::Passes(|task| {
            let task = task.share();
            task.subscribe(|_| (), |_| ());
            drop(task.clone());
        }),
        1,
        1,
    ),
    (
        "two branches, both dropped",
        Look::Passes(|task| {
            let task = task.share();
            drop((task.then(|n| *n), task.cloned().finally(|| ())));
        }),
        1,
        1,
    ),
    (
        "two branches, one caught",
        Look::Passes(|task| {
            let task = task.share();
            drop((task.cloned().catch(|_| 0), task.then(|n| *n)));
        }),
        1,
        1,
    ),
    (
        "two branches, both caught",
        Look::Passes(|task| {
            let task = task.share();
            drop((task.cloned().catch(|_| 0), task.handle(|_| ())));
        }),
        0,
        0,
    ),
    (
        "all, dropped",
        Look::Passes(|task| drop(all((task, Task::ready(1))))),
        1,
        1,
    ),
    (
        "all, caught",
        Look::Passes(|task| drop(all(vec![task]).catch(|_| Vec::new()))),
        0,
        0,
    ),
    (
        "any without one, dropped",
        Look::Passes(|task| drop(any(vec![task, Task::failed("also")]))),
        1,
        1,
    ),
    (
        "any without one, caught",
        Look::Passes(|task| drop(any(vec![task, Task::failed("also")]).catch(|_| 0))),
        0,
        0,
    ),
    (
        "shielded and dropped",
        Look::Passes(|task| drop(task.shielded())),
        1,
        1,
    ),
    (
        "adopted and dropped",
        Look::Passes(|task| drop(attempt(move || task))),
        1,
        1,
    ),
    (
        "adopted and caught",
        Look::Passes(|task| drop(Task::ready(()).and_then(move |()| task).catch(|_| 0))),
        0,
        0,
    ),
    (
        "flattened and dropped",
        Look::Passes(|task| drop(spawn(move || task).flatten())),
        1,
        1,
    ),
];

// Contract: C5, C4
// Case: 66
#[test]
fn every_ending_and_every_look() {
    watched(|| {
        let reports = Reports::collect();
        let mut wrong = Vec::new();
        for (ending, kind, start) in ENDINGS {
            for (look, act, before, after) in LOOKS {
                for late in [false, true] {
                    let pool = Pool::builder().max_threads(2).build().unwrap();
                    let Doomed { task, fail } = start(&pool);
                    if late {
                        fail();
                        until(|| task.is_settled());
                        assert!(reports.take(&pool).is_empty(), "the handle is still there");
                        let (Look::Blocks(act) | Look::Passes(act)) = act;
                        act(task);
                    } else {
                        match *act {
                            Look::Blocks(act) => {
                                let looker = thread::spawn(move || act(task));
                                fail();
                                looker.join().unwrap();
                            }
                            Look::Passes(act) => {
                                act(task);
                                fail();
                            }
                        }
                    }
                    let found = reports.take(&pool);
                    let expected = if late { *after } else { *before };
                    let kinds: Vec<ErrorKind> = found.iter().map(TaskError::kind).collect();
                    let combined = look.starts_with("any");
                    if found.len() != expected
                        || !(combined || kinds.iter().all(|found| found == kind))
                    {
                        let when = if late { "after" } else { "before" };
                        wrong.push(format!(
                            "{ending}; {look} {when} that: {expected} expected, got {kinds:?}"
                        ));
                    }
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{} cases:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    });
}

// Contract: C5
#[test]
fn a_cancellation_is_no_failure_to_report() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::new();
        for (look, act, ..) in LOOKS {
            let token = CancelToken::new();
            let task = Task::builder().cancel_token(&token).spawn_with(|context| {
                until(|| context.is_cancelled());
                1
            });
            match *act {
                Look::Blocks(act) => {
                    let looker = thread::spawn(move || act(task));
                    token.cancel();
                    looker.join().unwrap();
                }
                Look::Passes(act) => {
                    act(task);
                    token.cancel();
                }
            }
            let found = reports.take(&pool);
            let expected = usize::from(look.starts_with("any without one, dropped"));
            assert_eq!(found.len(), expected, "{look}: {found:?}");
        }
        let (_resolver, task) = deferred::<u32>();
        drop(task.then(|n| n).cancel_on_drop());
        assert!(reports.take(&pool).is_empty());
    });
}

// Contract: C5
#[test]
fn a_report_names_the_task_and_its_place() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::new();
        let builder = Task::builder().name("loader").pool(&pool);
        let line = line!() + 1;
        drop(builder.attempt(|| Err::<(), _>(Broken.into())));
        let found = reports.take(&pool);
        let [error] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(error.task_name(), Some("loader"));
        assert!(error.is::<Broken>());
        let place = error.location().unwrap();
        assert_eq!((place.file(), place.line()), (file!(), line));
        assert_eq!(error.to_string(), "broken");
        let text = format!("{error:#}");
        let expected = format!("broken [task `loader`, at {}:{line}:", file!());
        assert!(text.starts_with(&expected), "{text}");
    });
}

// Contract: C5, D4
#[test]
fn a_panic_in_an_observer_is_reported_and_changes_nothing() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::new();
        let seen = Count::default();
        let (one, two) = (seen.clone(), seen.clone());
        let (resolver, task) = deferred::<u32>();
        task.on_settled(move |_| one.add());
        let line = line!() + 1;
        task.on_settled(|_| panic!("in an observer"));
        task.on_settled(move |_| two.add());
        resolver.resolve(7).unwrap();
        assert_eq!(task.inspect(|_| panic!("in inspect")).wait().unwrap(), 7);
        assert_eq!(seen.get(), 2);
        let found = reports.take(&pool);
        let messages: Vec<_> = found.iter().map(TaskError::panic_message).collect();
        assert_eq!(messages, [Some("in an observer"), Some("in inspect")]);
        assert_eq!(found[0].location().unwrap().line(), line);

        // On a failing task too: its own failure is a second report.
        let (resolver, task) = deferred::<u32>();
        task.on_settled(|_| panic!("in an observer"));
        drop(task.share());
        resolver.reject(Broken).unwrap();
        assert_eq!(reports.take(&pool).len(), 2);
    });
}

// Contract: C5
#[test]
fn failures_left_by_a_race() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::new();
        let (resolver, slow) = deferred::<u32>();
        let failed = Task::failed(Broken);
        let winner = any(vec![failed, slow, Task::ready(7)]);
        assert_eq!(winner.wait().unwrap(), 7);
        until(|| !resolver.is_wanted());
        assert!(resolver.reject(Broken).is_err(), "no consumer is left");
        assert!(reports.take(&pool).is_empty());
    });
}

// Contract: C5
#[test]
fn a_shielded_failure_that_comes_after_the_cancel() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::new();
        let (resolver, task) = deferred::<u32>();
        let outer = task.shielded();
        outer.cancel();
        // The source continues, and fails; its steps are gone.
        resolver.reject(Broken).unwrap();
        assert_eq!(reports.take(&pool).len(), 1);
    });
}

// Contract: C5
#[test]
fn many_failures_at_once_are_reported_once_each() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::builder().max_threads(8).build().unwrap();
        for round in 0..200 {
            let tasks: Vec<Task<u32>> = (0..10)
                .map(|_| pool.attempt(|| Err(Broken.into())))
                .collect();
            for _ in 0..round % 50 {
                std::hint::spin_loop();
            }
            // Dropped at any moment around the failure, from here and from branches.
            for (number, task) in tasks.into_iter().enumerate() {
                match number % 3 {
                    0 => drop(task),
                    1 => drop(task.share()),
                    _ => {
                        let task = task.share();
                        let branch = task.then(|n| n + 1);
                        thread::yield_now();
                        drop(task);
                        drop(branch);
                    }
                }
            }
            let found = reports.take(&pool);
            assert_eq!(found.len(), 10, "in round {round}");
        }
    });
}

// Contract: C5
#[test]
fn a_hook_that_panics_is_survived() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let calls = Count::default();
        let counted = calls.clone();
        set_unhandled_hook(move |_| {
            counted.add();
            panic!("in the hook")
        });
        drop(pool.spawn(|| panic!("first")));
        drop(pool.spawn(|| panic!("second")));
        drop(Task::<()>::failed("third"));
        assert_eq!(pool.spawn(|| 7).wait().unwrap(), 7, "its thread lives on");
        assert!(pool.wait_idle(Duration::MAX));
        assert_eq!(calls.get(), 3);
        drop(reports);
    });
}

// Contract: C5, D8
#[test]
fn a_hook_may_use_the_crate() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let (tell, told) = mpsc::channel();
        let own = pool.clone();
        set_unhandled_hook(move |error| {
            let kind = error.kind();
            let n = own.spawn(|| 7).wait().unwrap();
            // A hook that replaces itself: the next report is another's.
            let tell = tell.clone();
            set_unhandled_hook(move |_| tell.send((n, kind)).unwrap());
        });
        drop(pool.spawn(|| panic!("on the only worker")));
        assert!(pool.wait_idle(Duration::MAX));
        drop(Task::<()>::failed("next"));
        assert_eq!(told.recv().unwrap(), (7, ErrorKind::Panicked));
        drop(reports);
    });
}

// Contract: C5
#[test]
fn a_hook_may_call_the_one_before() {
    watched(|| {
        let reports = Reports::collect();
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let (tell, told) = mpsc::channel();
        for name in ["inner", "outer"] {
            let tell = tell.clone();
            update_unhandled_hook(move |before, error| {
                tell.send(name).unwrap();
                before(error);
                if name == "outer" {
                    panic!("after all others were called");
                }
            });
        }
        drop(Task::<()>::failed("seen by three"));
        assert_eq!(reports.take(&pool).len(), 1);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["outer", "inner"]);

        // Removed with those that it calls, and while it runs.
        update_unhandled_hook(move |before, error| {
            clear_unhandled_hook();
            before(error);
        });
        drop(Task::<()>::failed("the last one"));
        assert_eq!(reports.take(&pool).len(), 1);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["outer", "inner"]);
        // Their closures are gone, and with them all senders but this one.
        drop(tell);
        assert!(told.recv().is_err());
        drop(reports);
    });
}

/// The lines of a child's stderr that the crate wrote.
fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let ours = text.lines().filter(|line| line.starts_with("fast-async"));
    ours.map(str::to_owned).collect()
}

fn fail_unseen(name: &str) {
    let pool = Pool::new();
    drop(
        Task::builder()
            .name(name)
            .pool(&pool)
            .attempt(|| Err::<(), _>(Broken.into())),
    );
    assert!(pool.wait_idle(Duration::MAX));
}

// Contract: C5
#[test]
fn without_hook_and_subscriber_it_is_a_line_on_stderr() {
    const NAME: &str = "without_hook_and_subscriber_it_is_a_line_on_stderr";
    if is_child(NAME) {
        fail_unseen("first");
        set_unhandled_hook(|_| ());
        fail_unseen("hidden by a hook");
        clear_unhandled_hook();
        fail_unseen("second");
        update_unhandled_hook(|before, error| before(error));
        fail_unseen("third");
        return;
    }
    let lines = said(&child(NAME));
    let [first, second, third] = &lines[..] else {
        panic!("{lines:?}")
    };
    let expected = "never looked at: broken [task `first`, at ";
    assert!(first.contains(expected), "{first}");
    assert!(first.contains(file!()), "{first}");
    assert!(second.contains("`second`"), "{second}");
    assert!(third.contains("`third`"), "{third}");
}

/// Keeps the text of every error event of this crate.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Errors {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn fmt::Debug) {
                self.0 = format!("{value:?}");
            }
        }
        let about = event.metadata();
        if *about.level() == tracing::Level::ERROR && about.target() == "fast_async::unhandled" {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

// Contract: C5
#[test]
fn with_a_subscriber_it_is_an_error_event() {
    use tracing_subscriber::layer::SubscriberExt;

    const NAME: &str = "with_a_subscriber_it_is_an_error_event";
    if is_child(NAME) {
        let errors = Errors::default();
        let subscriber = tracing_subscriber::registry().with(errors.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        fail_unseen("traced");
        {
            let found = errors.0.lock().unwrap();
            let [one] = &found[..] else {
                panic!("{found:?}")
            };
            assert!(one.contains("broken") && one.contains("`traced`"), "{one}");
        }
        // A hook comes first.
        set_unhandled_hook(|_| ());
        fail_unseen("hooked");
        assert_eq!(errors.0.lock().unwrap().len(), 1);
        return;
    }
    assert_eq!(said(&child(NAME)), [""; 0], "nothing on stderr then");
}

// Contract: C5, P6
#[test]
fn a_subscriber_of_one_thread_swallows_no_report() {
    use tracing_subscriber::layer::SubscriberExt;

    const NAME: &str = "a_subscriber_of_one_thread_swallows_no_report";
    if is_child(NAME) {
        let errors = Errors::default();
        let subscriber = tracing_subscriber::registry().with(errors.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        // Reported on a thread of the pool, where no subscriber is set.
        fail_unseen("in between");
        println!("events: {}", errors.0.lock().unwrap().len());
        drop(guard);
        fail_unseen("afterwards");
        return;
    }
    let output = child(NAME);
    let lines = said(&output);
    let afterwards = lines.iter().filter(|line| line.contains("afterwards"));
    assert_eq!(afterwards.count(), 1, "the subscriber is gone: {lines:?}");
    let as_event = usize::from(String::from_utf8_lossy(&output.stdout).contains("events: 1"));
    let later = lines.iter().filter(|line| line.contains("in between"));
    assert_eq!(as_event + later.count(), 1, "reported once: {lines:?}");
}
