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

/// Keeps what happens: an event with the name of the span around it, the end of a span with its
/// name.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(String, String)>>>);

const CLOSED: &str = "closed";

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
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let span = context.event_span(event).map_or("", |span| span.name());
        self.push(&text.0, span);
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let name = context.span(&id).map_or("?", |span| span.name());
        self.push(CLOSED, name);
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
            assert_eq!(log.len(), 200, "all of its own events, on every thread");
            assert!(log.iter().all(|(event, _)| event.starts_with(name)));
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
            assert_eq!(at_settling.get(), 1, "{name}: closed before it settled");
            // The handle lived longer than the span.
            drop(task.error());
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

// Contract: P6
#[test]
fn a_named_task_has_its_own_span() {
    watched(|| {
        let log = Log::default();
        let _guard = log.install();
        let around = info_span!("around");
        let task = around.in_scope(|| {
            let builder = Task::builder().name("report");
            builder.spawn(|| info!("inside")).then(|()| info!("behind"))
        });
        task.wait().unwrap();
        assert_eq!(log.span_of("inside"), "task");
        assert_eq!(log.span_of("behind"), "around");
        until(|| log.is_closed("task"));
        assert!(!log.is_closed("around"), "the test holds it");
    });
}
