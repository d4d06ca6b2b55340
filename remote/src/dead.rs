//! `DeadLetter`: a job that is not tried any more.

use std::fmt;

use crate::codec::{self, Kind};
use crate::engine::Pushed;
use crate::error::{RemoteError, RemoteErrorKind};
use crate::name::Place;
use crate::record::{DeadRecord, JobRecord};
use crate::remote::Remote;

/// A job that has used up its attempts, or that no attempt can help; see
/// [`Queue::dead_letters`](crate::Queue::dead_letters).
pub struct DeadLetter {
    remote: Remote,
    place: Place,
    number: u64,
    record: DeadRecord,
    /// A name for the new push.
    unique: String,
}

/// Asks for the dead letters of a queue.
pub(crate) fn list(remote: &Remote, queue: &str) -> Result<Vec<DeadLetter>, RemoteError> {
    let (core, name) = (remote.core.clone(), queue.to_owned());
    let all = remote
        .io
        .block_on(async move { core.engine.dead(&name).await })??;
    let letters = all.into_iter().filter_map(|dead| {
        let record: DeadRecord = codec::open(Kind::Dead, &dead.body).ok()?;
        Some(DeadLetter {
            remote: remote.clone(),
            place: Place {
                queue: queue.to_owned(),
                function: record.function.clone(),
                key: record.key.clone(),
            },
            number: dead.number,
            unique: format!("{}:again:{}", record.key, dead.number),
            record,
        })
    });
    Ok(letters.collect())
}

impl DeadLetter {
    /// Returns the id of the job.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// Returns the name of its function.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.record.function
    }

    /// Returns the number of its runs.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.record.attempts
    }

    /// Returns its last failure.
    #[must_use]
    pub fn error(&self) -> &RemoteError {
        &self.record.error
    }

    /// Pushes the job again, with all its attempts, and removes the letter. Blocks until the
    /// server has done it. Its outcome is that of the new runs;
    /// [`attach`](crate::Queue::attach) waits for it.
    ///
    /// # Errors
    ///
    /// A [`RemoteError`]. The letter is still there then.
    pub fn requeue(self) -> Result<(), RemoteError> {
        let io = self.remote.io.clone();
        io.block_on(async move {
            let engine = &self.remote.core.engine;
            let expires = codec::open::<JobRecord>(Kind::Job, &self.record.body)
                .ok()
                .and_then(|job| job.expires);
            engine.forget(&self.place.key).await?;
            let body = self.record.body.clone();
            let pushed = engine.push(&self.place, &self.unique, body, expires);
            if pushed.await? == Pushed::Joined && !engine.is_queued(&self.place).await? {
                let why = "the same letter was pushed again a moment ago";
                return Err(RemoteError::new(RemoteErrorKind::Rejected, why));
            }
            engine.remove_dead(&self.place.queue, self.number).await
        })?
    }

    /// Removes the letter. Blocks until the server has done it.
    ///
    /// # Errors
    ///
    /// A [`RemoteError`]. The letter is still there then.
    pub fn discard(self) -> Result<(), RemoteError> {
        let io = self.remote.io.clone();
        io.block_on(async move {
            let engine = &self.remote.core.engine;
            engine.remove_dead(&self.place.queue, self.number).await
        })?
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.record.id)
            .field("function", &self.record.function)
            .field("attempts", &self.record.attempts)
            .field("error", &self.record.error)
            .finish_non_exhaustive()
    }
}
