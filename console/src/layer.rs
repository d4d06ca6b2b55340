//! The layer that draws the timeline: which thread is in which span.

use std::fmt;
use std::sync::{Arc, Weak};

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::shared::Shared;
use crate::tasks::shortened;

/// Shows on the page which thread is in which span; see [`Console::layer`](crate::Console::layer).
pub struct ConsoleLayer {
    /// Weak: the subscriber lives as long as the program, and the console need not.
    pub(crate) shared: Weak<Shared>,
}

/// What the page calls a span.
struct Label(Arc<str>);

impl<S> Layer<S> for ConsoleLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut name = Name(None);
        attributes.record(&mut name);
        let label = match name.0 {
            Some(name) => shortened(&name),
            None => span.name().into(),
        };
        span.extensions_mut().replace(Label(label.into()));
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let (Some(shared), Some(span)) = (self.shared.upgrade(), context.span(id)) else {
            return;
        };
        if let Some(Label(label)) = span.extensions().get() {
            shared
                .timeline
                .enter(id.into_u64(), label.clone(), shared.now());
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.timeline.exit(id.into_u64(), shared.now());
        }
    }
}

/// The field `name` of a span: that of a task says more than that it is one.
struct Name(Option<String>);

impl Visit for Name {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "name" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "name" {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

impl fmt::Debug for ConsoleLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleLayer").finish_non_exhaustive()
    }
}
