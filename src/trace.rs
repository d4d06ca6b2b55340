//! Carries the `tracing` context of the place where a closure was registered to the thread that
//! runs it.

use tracing::{Dispatch, Span, dispatcher};

/// The span and the subscriber that were current where a closure was registered.
pub(crate) struct Captured {
    dispatch: Dispatch,
    span: Span,
}

/// The context of a task's closure.
pub(crate) struct TaskContext {
    captured: Captured,
    /// A named task has its own span within.
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

/// The current context. Without a subscriber `None`, at the cost of one load.
#[inline]
pub(crate) fn capture() -> Option<Captured> {
    if is_listening() { capture_now() } else { None }
}

#[cold]
fn capture_now() -> Option<Captured> {
    let dispatch = dispatcher::get_default(Dispatch::clone);
    let span = Span::current();
    (!span.is_none() || !is_none(&dispatch)).then_some(Captured { dispatch, span })
}

impl Captured {
    /// Runs `f` in this context. The span and the subscriber are dropped when `f` returns or
    /// panics, before any task is settled.
    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        let Captured { dispatch, span } = self;
        dispatcher::with_default(&dispatch, || span.in_scope(f))
    }

    /// Runs `f` in this context, which stays for further calls.
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, || self.span.in_scope(f))
    }

    /// For the closure of a task, which has its own span if the task is named.
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
}

impl TaskContext {
    /// Like [`Captured::run`]; `name` is the task's.
    pub(crate) fn run(self, name: Option<&str>, f: &mut dyn FnMut()) {
        let name = name.filter(|_| self.has_span);
        self.captured.run(|| match name {
            Some(name) => tracing::info_span!("task", name).in_scope(f),
            None => f(),
        });
    }
}
