//! Spans and subscribers follow a closure to the thread that runs it, and are dropped when it ends.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fast_async::{
    CancelToken, Inline, LoopQueue, Pool, Task, all, attempt, deferred, spawn, spawn_with,
};
use support::{Count, Gate, until, watched};
use tracing::{Level, info, info_span, span};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Keeps what happens: an event with the name of the span around it that is no task's, the end of
/// such a span with its name, and the spans of tasks.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(String, String)>>>);

const CLOSED: &str = "closed";

/// The target of the spans of tasks.
const TASK: &str = "fast_async::task";

/// The fields of a span, and the message of an event, as a text.
#[derive(Default)]
struct Fields {
    all: String,
    message: String,
}

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.all += &format!(" {}={value:?}", field.name());
        }
    }
}

impl Log {
    /// A subscriber for this thread and for the threads that it starts.
    fn install(&self) -> tracing::subscriber::DefaultGuard {
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    fn push(&self, what: &str, span: &str) {
        self.0.lock().unwrap().push((what.into(), span.into()));
    }

    /// The span around the event with this text.
    #[track_caller]
    fn span_of(&self, event: &str) -> String {
        let log = self.0.lock().unwrap();
        let found: Vec<_> = log.iter().filter(|(what, _)| what == event).collect();
        match found[..] {
            [(_, span)] => span.clone(),
            _ => panic!("`{event}` is there {} times: {log:?}", found.len()),
        }
    }

    fn is_closed(&self, span: &str) -> bool {
        let log = self.0.lock().unwrap();
        log.iter().any(|(what, of)| what == CLOSED && of == span)
    }
}

impl<S> tracing_subscriber::Layer<S> for Log
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        let metadata = attributes.metadata();
        if metadata.target() == TASK {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            let outer = context.span(id).and_then(|span| span.parent());
            let outer = outer.map_or("-", |span| span.name());
            let what = format!("{} {}{}", metadata.level(), metadata.name(), fields.all);
            self.push(&what, outer);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut scope = context.event_scope(event).into_iter().flatten();
        let span = scope.find(|span| span.metadata().target() != TASK);
        self.push(&fields.message, span.map_or("", |span| span.name()));
        let metadata = event.metadata();
        if metadata.target().starts_with("fast_async") {
            let inside = context.event_span(event).map_or("", |span| span.name());
            let what = format!("{} {}", metadata.level(), metadata.target());
            self.push(&what, inside);
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id)
            && span.metadata().target() != TASK
        {
            self.push(CLOSED, span.name());
        }
    }
}

// Contract: P6
// Case: 61
#[test]
fn every_closure_runs_in_the_span_in_which_it_was_registered() {
    watched(|| {
        let log = Log::default();
        let _guard = log.install();
        let pool = Pool::new();
        let root = info_span!("root");
        let (resolver, task) = root.in_scope(deferred::<u32>);
        let task = info_span!("then").in_scope(|| {
            task.then(|n| {
                info!("in then");
                n
            })
        });
        let (own, task) = (pool.clone(), task);
        let task = info_span!("and_then").in_scope(|| {
            task.and_then(move |n| {
                info!("in and_then");
                // What it starts is in its span too.
                own.spawn(move || {
                    info!("in an inner task");
                    n
                })
            })
        });
        let task = info_span!("finally").in_scope(|| task.finally(|| info!("in finally")));
        let task = info_span!("inspect").in_scope(|| task.inspect(|_| info!("in inspect")));
        info_span!("subscribe").in_scope(|| {
            task.subscribe(|_| info!("in subscribe"), |_| ());
        });
        let task = info_span!("fails")
            .in_scope(|| task.and_then(|_| Task::<u32>::failed("no")))
            .then(|n| n);
        let task =
            info_span!("inspect_err").in_scope(|| task.inspect_err(|_| info!("in inspect_err")));
        let task = info_span!("or_else").in_scope(|| {
            task.or_else(|error| {
                info!("in or_else");
                Err(error.into())
            })
        });
        let task = info_span!("catch").in_scope(|| {
            task.catch(|_| {
                info!("in catch");
                1
            })
        });
        let task = info_span!("handle").in_scope(|| {
            task.handle(|outcome| {
                info!("in handle");
                outcome.unwrap()
            })
        });
        let shared = task.share();
        let branch = info_span!("branch").in_scope(|| shared.then(|_| info!("in branch")));
        info_span!("shared").in_scope(|| {
            shared.on_settled(|_| info!("in shared"));
        });
        resolver.resolve(1).unwrap();
        branch.wait().unwrap();
        shared.wait().unwrap();
        let late = info_span!("late").in_scope(|| shared.then(|_| info!("in late")));
        late.wait().unwrap();
        for span in [
            "then",
            "and_then",
            "finally",
            "inspect",
            "subscribe",
            "inspect_err",
            "or_else",
            "catch",
            "handle",
            "branch",
            "shared",
            "late",
        ] {
            assert_eq!(log.span_of(&format!("in {span}")), span);
        }
        assert_eq!(log.span_of("in an inner task"), "and_then");
    });
}

// Contract: P6
#[test]
fn every_way_to_start_keeps_the_span() {
    watched(|| {
        let log = Log::default();
        let _guard = log.install();
        let pool = Pool::new();
        let queue = LoopQueue::new();
        let note = |name: &'static str| move || info!("{name}");
        let noted = |name: &'static str| {
            move || {
                info!("{name}");
                Ok(())
            }
        };
        let span = info_span!("start");
        let tasks = span.in_scope(|| {
            vec![
                spawn(note("spawn")),
                attempt(noted("attempt")),
                spawn_with(|_| info!("spawn_with")),
                pool.spawn(note("pool.spawn")),
                pool.attempt(noted("pool.attempt")),
                pool.spawn_with(|_| info!("pool.spawn_with")),
                pool.try_spawn(note("try_spawn")).ok().unwrap(),
                Task::builder().spawn(note("builder")),
                Task::builder()
                    .cancel_token(&CancelToken::new())
                    .attempt_with(|_| {
                        info!("builder with a token");
                        Ok(())
                    }),
                Task::new(note("cold")),
                Task::ready(()).on(&Inline).then(|()| info!("inline")),
                Task::ready(()).on(&queue).then(|()| info!("queue")),
            ]
        });
        let own = queue.clone();
        let all = all(tasks);
        own.run_until(all).unwrap();
        for name in [
            "spawn",
            "attempt",
            "spawn_with",
            "pool.spawn",
            "pool.attempt",
            "pool.spawn_with",
            "try_spawn",
            "builder",
            "builder with a token",
            "cold",
            "inline",
            "queue",
        ] {
            assert_eq!(log.span_of(name), "start", "{name}");
        }
    });
}

// Contract: P6
#[test]
fn subscribers_of_two_threads_do_not_mix() {
    watched(|| {
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let logs: Vec<_> = ["left", "right"]
            .map(|name| {
                let pool = pool.clone();
                std::thread::spawn(move || {
                    let log = Log::default();
                    let _guard = log.install();
                    for n in 0..100 {
                        let task = pool.spawn(move || info!("{name} {n}"));
                        task.then(move |()| info!("{name} then {n}"))
                            .wait()
                            .unwrap();
                    }
                    log
                })
            })
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        for (log, name) in logs.iter().zip(["left", "right"]) {
            let log = log.0.lock().unwrap();
            let events = log.iter().filter(|(what, _)| !what.contains(" task "));
            let events: Vec<_> = events.collect();
            assert_eq!(events.len(), 200, "all of its own events, on every thread");
            assert!(events.iter().all(|(event, _)| event.starts_with(name)));
        }
        // A job without a context leaves none behind, and finds none.
        let outside = pool.spawn(|| tracing::enabled!(Level::INFO));
        assert!(!outside.wait().unwrap());
    });
}

// Contract: P6
#[test]
fn a_span_ends_with_its_closure_before_the_task_is_settled() {
    watched(|| {
        let log = Log::default();
        let _guard = log.install();
        let pool = Pool::new();
        for (name, start) in [("value", false), ("panic", true)] {
            let span = match name {
                "value" => info_span!("value"),
                _ => info_span!("panic"),
            };
            let gate = Gate::default();
            let held = gate.clone();
            let task = span.in_scope(|| {
                pool.spawn(move || {
                    held.pass();
                    assert!(!start, "as asked for");
                })
            });
            drop(span);
            assert!(!log.is_closed(name), "the closure has yet to run");
            let at_settling = Count::default();
            let (seen, look) = (at_settling.clone(), log.clone());
            task.on_settled(move |_| {
                if look.is_closed(name) {
                    seen.add();
                }
            });
            gate.open();
            until(|| task.is_settled());
            assert!(pool.wait_idle(Duration::MAX));
            // A failure keeps the span for its report.
            let expected = if start { 0 } else { 1 };
            assert_eq!(
                at_settling.get(),
                expected,
                "{name}: closed before it settled"
            );
            // The handle lived longer than the span.
            drop(task.error());
            drop(task);
            assert!(log.is_closed(name));
        }
    });
}

// Contract: P6, D6
#[test]
fn a_span_ends_with_a_closure_that_will_not_run() {
    watched(|| {
        let log = Log::default();
        let _guard = log.install();
        // A `then` that a failure passes by.
        let (resolver, task) = deferred::<u32>();
        let span = info_span!("skipped");
        let task = span.in_scope(|| task.then(|n| n));
        drop(span);
        assert!(!log.is_closed("skipped"));
        resolver.reject("no").unwrap();
        assert!(log.is_closed("skipped"));
        drop(task.error());

        // A cancelled task.
        let (_resolver, task) = deferred::<u32>();
        let span = info_span!("cancelled");
        let task = span.in_scope(|| task.then(|n| n));
        drop(span);
        task.cancel();
        assert!(log.is_closed("cancelled"));
        drop(task);

        // An observer that leaves.
        let (_resolver, task) = deferred::<u32>();
        let span = info_span!("unsubscribed");
        let subscription = span.in_scope(|| task.on_settled(|_| ()));
        drop(span);
        assert!(!log.is_closed("unsubscribed"));
        assert!(subscription.unsubscribe());
        assert!(log.is_closed("unsubscribed"));
        task.cancel();

        // A job of a pool that is shut down.
        let pool = Pool::builder().max_threads(1).build().unwrap();
        let (running, gate) = (Count::default(), Gate::default());
        let (begun, held) = (running.clone(), gate.clone());
        pool.spawn(move || {
            begun.add();
            held.pass();
        })
        .detach();
        running.reach(1);
        let span = info_span!("discarded");
        let task = span.in_scope(|| pool.spawn(|| ()));
        drop(span);
        let report = pool.shutdown(fast_async::Shutdown::Discard, Duration::ZERO);
        assert_eq!(report.discarded, 1);
        assert!(log.is_closed("discarded"));
        assert!(task.wait().unwrap_err().is_cancelled());
        gate.open();
    });
}

// Contract: P6
#[test]
fn the_context_is_removed_from_the_thread_afterwards() {
    watched(|| {
        let pool = Pool::builder().max_threads(1).build().unwrap();
        {
            let log = Log::default();
            let _guard = log.install();
            let span = info_span!("before");
            let ok = span.in_scope(|| pool.spawn(|| tracing::Span::current().is_none()));
            assert!(!ok.wait().unwrap());
            let panics = span.in_scope(|| pool.spawn(|| panic!("in a span")));
            assert!(panics.wait().unwrap_err().is_panic());
        }
        let bare = pool.spawn(|| tracing::Span::current().is_none());
        assert!(bare.wait().unwrap());
    });
}

impl Log {
    /// The spans of tasks, without the places in the source, each with the span around it.
    fn tasks(&self) -> Vec<(String, String)> {
        let log = self.0.lock().unwrap();
        let tasks = log.iter().filter(|(what, _)| what.contains(" task "));
        tasks
            .map(|(what, outer)| {
                let (fields, place) = what.split_once("at=").expect("the place of the task");
                assert!(place.starts_with(file!()), "{what}");
                (fields.trim_end().to_owned(), outer.clone())
            })
            .collect()
    }
}

// Contract: P6, P8
#[test]
fn each_task_has_its_own_span() {
    watched(|| {
        let log = Log::default();
        let _guard = log.install();
        let around = info_span!("around");
        let task = around.in_scope(|| {
            let builder = Task::builder().name("report");
            builder.spawn(|| info!("inside")).then(|()| info!("behind"))
        });
        task.wait().unwrap();
        assert_eq!(log.span_of("inside"), "around");
        assert_eq!(log.span_of("behind"), "around");
        let report = ("INFO task name=\"report\"".to_owned(), "around".to_owned());
        assert_eq!(log.tasks(), std::slice::from_ref(&report));
        assert!(!log.is_closed("around"), "the test holds it");
        // A task without a name, inside another, and a future.
        let outer = around.in_scope(|| spawn(|| spawn(|| info!("innermost"))).flatten());
        outer.wait().unwrap();
        let future = around.in_scope(|| {
            fast_async::spawn_future(async {
                info!("polled");
                spawn(|| ()).await.unwrap();
                info!("polled again");
            })
        });
        future.wait().unwrap();
        assert_eq!(log.span_of("polled"), "around");
        assert_eq!(log.span_of("polled again"), "around");
        let unnamed = |outer: &str| ("DEBUG task".to_owned(), outer.to_owned());
        let expected = [
            report,
            unnamed("around"),
            unnamed("task"),
            unnamed("around"),
            unnamed("task"),
        ];
        assert_eq!(log.tasks(), expected);
    });
}

// Contract: P8. A request's span has the failure of its task that nothing handled.
#[test]
fn an_unhandled_failure_is_reported_in_the_span_of_its_task() {
    watched(|| {
        let log = Log::default();
        let _guard = log.install();
        let pool = Pool::new();
        for (name, way) in [("fails", 0), ("panics", 1), ("link", 2), ("future", 3)] {
            let request = match way {
                0 => info_span!("fails"),
                1 => info_span!("panics"),
                2 => info_span!("link"),
                _ => info_span!("future"),
            };
            let task: Task<()> = request.in_scope(|| match way {
                0 => pool.attempt(|| Err("lost".into())),
                1 => pool.spawn(|| std::panic::panic_any("lost")),
                2 => pool.spawn(|| ()).and_then(|()| Err("lost".into())),
                _ => pool.attempt_future(async { Err("lost".into()) }),
            });
            drop(request);
            // Dropped outside of it, by another thread.
            until(|| task.is_settled());
            std::thread::spawn(move || drop(task)).join().unwrap();
            assert!(pool.wait_idle(Duration::MAX));
            until(|| log.is_closed(name));
        }
        let events = log.0.lock().unwrap();
        let reports: Vec<_> = events
            .iter()
            .filter(|(what, _)| what == "ERROR fast_async::unhandled")
            .collect();
        let inside: Vec<&str> = reports.iter().map(|(_, span)| &**span).collect();
        assert_eq!(inside, ["task", "task", "link", "task"]);
        let texts = events.iter().filter(|(what, _)| what.contains("lost"));
        let around: Vec<&str> = texts.map(|(_, span)| &**span).collect();
        assert_eq!(around, ["fails", "panics", "link", "future"]);
    });
}
