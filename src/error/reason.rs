//! Why a task was cancelled, in the words of the code that cancelled it.

use std::error::Error;

use super::BoxError;
use crate::sync::Arc;
use crate::{drop_queue, guard};

/// One reason for any number of tasks.
#[derive(Clone)]
pub(crate) struct Reason(Arc<Given>);

/// `None` only while it is dropped.
struct Given(Option<BoxError>);

impl Reason {
    pub(crate) fn new(error: impl Into<BoxError>) -> Reason {
        Reason(Arc::new(Given(Some(error.into()))))
    }

    pub(super) fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &**self.0.0.as_ref().expect("it is taken out only by the drop")
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        // The drop of the user's error may panic, and this may be the last clone, on any thread.
        let error = self.0.take();
        drop_queue::flat(move || guard::drop_quietly(error));
    }
}
