//! Carries the context of the place where a closure was registered to the thread that runs it: the
//! `tracing` span and subscriber, and the inherited task locals. Makes the spans of tasks.

use std::panic::Location;

use tracing::{Dispatch, Span, dispatcher};

use crate::locals::{self, Values};

/// The target of the spans of tasks. Documented in `docs/TRACING.md`, as are the names below.
const TASK: &str = "fast_async::task";

/// The target of the events that report unhandled failures.
pub(crate) const UNHANDLED: &str = "fast_async::unhandled";

/// What was current where a closure was registered.
pub(crate) struct Captured {
    tracing: Option<Tracing>,
    locals: Option<Values>,
}

struct Tracing {
    dispatch: Dispatch,
    span: Span,
}

/// The context of a task's closure.
pub(crate) struct TaskContext {
    captured: Captured,
    /// The task has its own span within.
    has_span: bool,
}

/// True once any subscriber was set in this process, for all threads or for one.
pub(crate) fn is_listening() -> bool {
    dispatcher::has_been_set()
}

/// True when a subscriber is current on this thread.
pub(crate) fn is_heard() -> bool {
    is_listening() && dispatcher::get_default(|dispatch| !is_none(dispatch))
}

fn is_none(dispatch: &Dispatch) -> bool {
    dispatch.is::<tracing::subscriber::NoSubscriber>()
}

/// The current context. Without a subscriber and a task local `None`, at the cost of two loads.
#[inline]
pub(crate) fn capture() -> Option<Captured> {
    if is_listening() || locals::is_set() {
        capture_now()
    } else {
        None
    }
}

#[cold]
fn capture_now() -> Option<Captured> {
    let captured = Captured {
        tracing: is_listening().then(Tracing::capture).flatten(),
        locals: locals::inherited(),
    };
    (captured.tracing.is_some() || captured.locals.is_some()).then_some(captured)
}

/// The tracing context alone, for a failure: without a subscriber `None`.
pub(crate) fn capture_tracing() -> Option<Captured> {
    if !is_listening() {
        return None;
    }
    let tracing = Tracing::capture()?;
    Some(Captured {
        tracing: Some(tracing),
        locals: None,
    })
}

impl Tracing {
    fn capture() -> Option<Tracing> {
        let dispatch = dispatcher::get_default(Dispatch::clone);
        let span = Span::current();
        (!span.is_none() || !is_none(&dispatch)).then_some(Tracing { dispatch, span })
    }

    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, || self.span.in_scope(f))
    }
}

/// The span of a task. Named tasks are for people, unnamed ones for those who look closely.
fn task_span(name: Option<&str>, location: &'static Location<'static>) -> Span {
    match name {
        Some(name) => tracing::info_span!(target: TASK, "task", name, at = %location),
        None => tracing::debug_span!(target: TASK, "task", at = %location),
    }
}

impl Captured {
    /// Runs `f` in this context. The span, the subscriber and the task locals are dropped when `f`
    /// returns or panics, before any task is settled.
    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        let Captured { tracing, locals } = self;
        let _entered = locals::enter(locals);
        match &tracing {
            Some(tracing) => tracing.enter(f),
            None => f(),
        }
    }

    /// Runs `f` in this context, which stays for further calls.
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = locals::enter(self.locals.clone());
        match &self.tracing {
            Some(tracing) => tracing.enter(f),
            None => f(),
        }
    }

    /// For the closure of a task, which has its own span.
    pub(crate) fn of_task(self) -> TaskContext {
        TaskContext {
            captured: self,
            has_span: true,
        }
    }

    /// For the closure of a task that is part of another.
    pub(crate) fn of_branch(self) -> TaskContext {
        TaskContext {
            captured: self,
            has_span: false,
        }
    }

    /// The context within the span of a task, for code of that task that is called several times.
    pub(crate) fn within_task(
        mut self,
        name: Option<&str>,
        location: &'static Location<'static>,
    ) -> Captured {
        if let Some(tracing) = &mut self.tracing {
            let span = tracing.enter(|| task_span(name, location));
            if !span.is_disabled() {
                tracing.span = span;
            }
        }
        self
    }
}

impl Drop for Tracing {
    /// A subscriber may end the spans around this one by way of the current subscriber.
    fn drop(&mut self) {
        let span = std::mem::replace(&mut self.span, Span::none());
        dispatcher::with_default(&self.dispatch, || drop(span));
    }
}

impl TaskContext {
    /// Like [`Captured::run`]; `name` and `location` are the task's.
    pub(crate) fn run(
        self,
        name: Option<&str>,
        location: &'static Location<'static>,
        f: &mut dyn FnMut(),
    ) {
        let has_span = self.has_span && self.captured.tracing.is_some();
        self.captured.run(|| match has_span {
            true => task_span(name, location).in_scope(f),
            false => f(),
        });
    }
}
