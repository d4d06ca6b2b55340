//! What is sent and stored: jobs, outcomes, notes, dead letters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::RemoteError;

/// A job, as it is stored in its queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    /// The id as the user wrote it; for a job without one, its key.
    pub(crate) id: String,
    pub(crate) function: String,
    pub(crate) input: Vec<u8>,
    /// Whole life, from the time when the server stored it.
    pub(crate) expires: Option<Duration>,
    /// Of one run.
    pub(crate) time_limit: Option<Duration>,
}

/// A call that is made at most once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    pub(crate) id: String,
    pub(crate) input: Vec<u8>,
    pub(crate) timeout: Duration,
}

/// How a job has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    Value(Vec<u8>),
    Failure(RemoteError),
}

/// The outcome of a job. The first one that is stored counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    /// The last progress, so that it is told before the outcome, also when it was lost on its way.
    pub(crate) progress: Option<(u64, u64)>,
    /// `None`: a caller has stored it.
    pub(crate) worker: Option<String>,
    pub(crate) attempt: u32,
}

impl Outcome {
    /// An outcome that no worker has brought about.
    pub(crate) fn failure(error: RemoteError) -> Outcome {
        Outcome {
            ending: Ending::Failure(error),
            progress: None,
            worker: None,
            attempt: 0,
        }
    }
}

/// What is known of the earlier attempts of a job that is queued again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The job in the store that it is about: another one may come to have the same key.
    pub(crate) of: String,
    /// Deliveries that count as no attempt: they were handed back.
    pub(crate) handed_back: u32,
    /// The last failure.
    pub(crate) error: Option<RemoteError>,
}

/// A job that is not tried any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeadRecord {
    /// The body of the job, which may be no job at all.
    pub(crate) body: Vec<u8>,
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) function: String,
    pub(crate) error: RemoteError,
    pub(crate) attempts: u32,
}

/// A progress on its way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ProgressRecord {
    pub(crate) done: u64,
    pub(crate) total: u64,
}
