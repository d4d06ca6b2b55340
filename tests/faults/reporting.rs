//! User code that gets failures and fails itself: the hook, the `Display` of an error, a tracing
//! subscriber.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fast_async::{ErrorKind, Pool, Task, deferred, set_unhandled_hook, spawn};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};

use crate::ground::{Ground, stand};
use crate::support::{PATIENCE, expected, isolated};

/// A `Display` that panics.
#[derive(Debug)]
struct Speechless;

impl fmt::Display for Speechless {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        expected("Display")
    }
}

impl Error for Speechless {}

/// Failures of every origin, none of which is looked at.
fn fail_unseen(ground: &Ground) {
    drop(Task::<u32>::failed(Speechless));
    drop(ground.pool.attempt(|| Err::<u32, _>(Speechless.into())));
    drop(ground.pool.spawn(|| -> u32 { expected("unseen") }));
    drop(
        Task::ready(1)
            .share()
            .then(|_| -> u32 { expected("unseen") }),
    );
    let (resolver, task) = deferred::<u32>();
    task.on_settled(|_| expected("in an observer"));
    drop(resolver);
    drop(task);
    drop(Task::ready(ground.grenade()));
    let (resolver, task) = deferred::<u32>();
    drop(task.then(|n| n + 1));
    assert!(resolver.reject(Speechless).is_ok());
}

#[test]
fn an_unhandled_hook_that_panics() {
    isolated("an_unhandled_hook_that_panics", || {
        stand("hook", |ground| {
            let calls = Arc::new(AtomicUsize::new(0));
            let (count, grenade) = (calls.clone(), ground.grenade());
            set_unhandled_hook(move |_| {
                let _ = &grenade;
                count.fetch_add(1, Ordering::Relaxed);
                expected("the hook");
            });
            fail_unseen(ground);
            assert!(ground.pool.wait_idle(PATIENCE));
            assert!(Pool::global().wait_idle(PATIENCE));
            // Every unhandled failure, the observer and the task it observed, and the drop of the
            // value.
            assert_eq!(calls.load(Ordering::Relaxed), 8);
            // The hook that goes panics too.
            set_unhandled_hook(|_| ());
            ground.drops.wait_for(2);
            fail_unseen(ground);
        });
    });
}

#[test]
fn a_display_that_panics() {
    isolated("a_display_that_panics", || {
        stand("display", |ground| {
            fast_async::unhandled::clear_unhandled_hook();
            fail_unseen(ground);
            fail_unseen(ground);
        });
    });
}

/// A layer that panics at a given place.
struct Grump(&'static str);

const PLACES: [&str; 6] = ["enabled", "new_span", "event", "enter", "exit", "close"];

thread_local! {
    /// Not on the thread that makes spans for its own use.
    static SPARED: Cell<bool> = const { Cell::new(false) };
}

impl Grump {
    fn at(&self, place: &str) {
        // While another panic unwinds a second one would end the process.
        if self.0 == place && !SPARED.get() && !thread::panicking() {
            expected(place);
        }
    }
}

impl<S: Subscriber> Layer<S> for Grump {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>, _: layer::Context<'_, S>) -> bool {
        self.at("enabled");
        true
    }

    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: layer::Context<'_, S>) {
        self.at("new_span");
    }

    fn on_event(&self, _: &Event<'_>, _: layer::Context<'_, S>) {
        self.at("event");
    }

    fn on_enter(&self, _: &Id, _: layer::Context<'_, S>) {
        self.at("enter");
    }

    fn on_exit(&self, _: &Id, _: layer::Context<'_, S>) {
        self.at("exit");
    }

    fn on_close(&self, _: Id, _: layer::Context<'_, S>) {
        self.at("close");
    }
}

#[test]
fn a_tracing_subscriber_that_panics() {
    isolated("a_tracing_subscriber_that_panics", || {
        for place in PLACES {
            stand("subscriber", move |ground| grumble(ground, place));
        }
    });
}

fn grumble(ground: &Ground, place: &'static str) {
    fast_async::unhandled::clear_unhandled_hook();
    let subscriber = tracing_subscriber::registry().with(Grump(place));
    SPARED.set(true);
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!("outer");
        let tasks: Vec<Task<u32>> = span.in_scope(|| {
            // Calls of the subscriber on the caller's own thread are excluded.
            let (resolver, task) = deferred();
            let seen = task.inspect(|_| ()).finally(|| ());
            let tasks = vec![
                ground.pool.spawn(|| 1),
                ground
                    .pool
                    .spawn(|| 1)
                    .then(|n| n + 1)
                    .and_then(|n| spawn(move || n)),
                Task::ready(1).share().then(|n| n + 1),
                seen.then(|n: u32| n + 1),
            ];
            thread::spawn(move || resolver.resolve(1).is_ok());
            drop(ground.pool.spawn(|| -> u32 { expected("unseen") }));
            tasks
        });
        for task in tasks {
            // Well or panicked: it settles.
            let outcome = task.wait_timeout(PATIENCE);
            match outcome.unwrap_or_else(|_| panic!("{place}: never settled")) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::Panicked, "{place}"),
            }
        }
    });
}
