//! What is known of a task from its start and never changes.

use std::panic::Location;

use smallvec::SmallVec;

use crate::cancel::{CancelToken, WeakToken};
use crate::error::{At, TaskError};
use crate::pool::Pool;
use crate::sync::{Arc, TakeOnce};
use crate::trace::TaskContext;
use crate::unhandled::{self, Overseen};

/// The name of a task, its pool, its tokens and the location of its spawn. Never changes.
pub(crate) struct TaskMeta {
    pub(crate) location: &'static Location<'static>,
    /// `None`: the global pool.
    pub(crate) pool: Option<Pool>,
    pub(crate) extra: Option<Box<ExtraMeta>>,
}

#[derive(Default)]
pub(crate) struct ExtraMeta {
    pub(crate) name: Option<Arc<str>>,
    /// Raised when the task is cancelled while its closure runs.
    pub(crate) token: Option<CancelToken>,
    /// Each of them cancels the task when it is raised.
    pub(crate) parents: SmallVec<[WeakToken; 1]>,
    /// Released with the closure.
    pub(crate) context: Option<TakeOnce<TaskContext>>,
    /// The group that the task was started in.
    pub(crate) overseer: Option<Overseen>,
}

impl TaskMeta {
    #[track_caller]
    pub(crate) fn here() -> TaskMeta {
        TaskMeta::new(Location::caller(), None)
    }

    /// For a task of `pool`; `None`: of the global one.
    pub(crate) fn new(location: &'static Location<'static>, pool: Option<Pool>) -> TaskMeta {
        TaskMeta {
            location,
            pool,
            extra: None,
        }
    }

    /// For a task at `location` that continues the chain of this one in another cell: with the
    /// name, the pool and the tokens of this one.
    pub(crate) fn continued(&self, location: &'static Location<'static>) -> TaskMeta {
        let mut meta = self.continued_unnamed(location);
        if let Some(name) = self.name() {
            meta.extra.get_or_insert_default().name = Some(name.clone());
        }
        meta
    }

    /// The same without the name.
    pub(crate) fn continued_unnamed(&self, location: &'static Location<'static>) -> TaskMeta {
        let mut meta = TaskMeta::new(location, self.pool.clone());
        let parents = self.parents();
        if !parents.is_empty() {
            meta.extra.get_or_insert_default().parents = parents.iter().cloned().collect();
        }
        meta
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.extra.as_ref()?.name.as_ref()
    }

    pub(crate) fn token(&self) -> Option<&CancelToken> {
        self.extra.as_ref()?.token.as_ref()
    }

    pub(crate) fn overseer(&self) -> Option<&Overseen> {
        self.extra.as_ref()?.overseer.as_ref()
    }

    /// Reports an unhandled failure of the task: to its group, if it has one.
    pub(crate) fn report(&self, error: TaskError) {
        let left = match self.overseer() {
            Some(overseen) => overseen.by.take_failure(error),
            None => Some(error),
        };
        if let Some(error) = left {
            unhandled::report(error);
        }
    }

    fn parents(&self) -> &[WeakToken] {
        let extra = self.extra.as_ref();
        extra.map_or(&[], |extra| &extra.parents)
    }

    fn pool_tokens(&self) -> &[CancelToken] {
        self.pool.as_ref().map_or(&[], Pool::cancel_tokens)
    }

    /// Returns true if the task has a token that may cancel it.
    #[inline]
    pub(crate) fn is_under_tokens(&self) -> bool {
        (self.extra.is_some() || self.pool.is_some())
            && !(self.parents().is_empty() && self.pool_tokens().is_empty())
    }

    /// Returns true if a token of the task is raised. The thread that raised it will cancel this
    /// task.
    pub(crate) fn is_token_cancelled(&self) -> bool {
        self.parents().iter().any(WeakToken::is_cancelled)
            || self.pool_tokens().iter().any(CancelToken::is_cancelled)
    }

    /// The tokens that cancel the task, each once.
    pub(crate) fn tokens(&self) -> SmallVec<[CancelToken; 1]> {
        let mut tokens: SmallVec<[CancelToken; 1]> = SmallVec::new();
        let own = self.parents().iter().filter_map(WeakToken::upgrade);
        for token in own.chain(self.pool_tokens().iter().cloned()) {
            if !tokens.iter().any(|other| other.is(&token)) {
                tokens.push(token);
            }
        }
        tokens
    }

    /// Every token that cancels this task cancels the other one too, and so does its group.
    pub(crate) fn is_covered_by(&self, other: &TaskMeta) -> bool {
        if let Some(own) = self.overseer()
            && !other
                .overseer()
                .is_some_and(|it| Arc::ptr_eq(&own.by, &it.by))
        {
            return false;
        }
        let covers = |token: &CancelToken| {
            let weak = token.downgrade();
            other.parents().iter().any(|own| own.is(&weak))
                || other.pool_tokens().iter().any(|own| own.is(token))
        };
        !self.is_under_tokens() || self.tokens().iter().all(covers)
    }

    /// The closure runs in this context.
    #[cold]
    pub(crate) fn set_context(&mut self, context: TaskContext) {
        let extra = self.extra.get_or_insert_default();
        extra.context = Some(TakeOnce::new(context));
    }

    /// The closure's tracing context, for the thread that runs or drops the closure.
    #[inline]
    pub(crate) fn take_context(&self) -> Option<TaskContext> {
        self.extra.as_ref()?.context.as_ref()?.take()
    }

    pub(crate) fn at(&self) -> At<'_> {
        At {
            location: self.location,
            task: self.name(),
        }
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.pool.as_ref().unwrap_or_else(|| Pool::global())
    }
}
