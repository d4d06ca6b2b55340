//! What a running job is told from outside.

use fast_async::{CancelToken, Pool};

/// Why a run is not wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// There is an outcome already: of a cancel, or of another run.
    Superseded,
    /// The caller of a call does not want it.
    Cancelled,
    /// Its time is over.
    OutOfTime,
    /// The worker ends.
    HandBack,
}

impl Notice {
    /// Raises the token of the run. Its callbacks are code of the user: a thread of `pool` calls
    /// them, not this one.
    pub(super) fn raise(self, token: &CancelToken, pool: &Pool) {
        let why = match self {
            Notice::Superseded => "the job was cancelled, or another run has finished it",
            Notice::Cancelled => "the call was cancelled",
            Notice::OutOfTime => "the run has taken longer than it may",
            Notice::HandBack => "the worker ends, and hands the job back",
        };
        let token = token.clone();
        pool.spawn(move || token.cancel_with(why)).detach();
    }
}
