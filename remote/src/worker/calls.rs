//! Calls that are made at most once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::crew::{Crew, Running, Served};
use super::notice::Notice;
use super::run;
use super::slots::Slots;
use crate::codec::{self, Kind};
use crate::engine::Message;
use crate::error::{RemoteError, RemoteErrorKind};
use crate::job::Run;
use crate::queue::{max_size, too_large};
use crate::record::{CallRecord, Ending, Outcome};

/// Answers the calls of one function, as many at once as the worker has slots, beside its jobs.
pub(super) async fn answer(crew: Arc<Crew>, served: Served, limit: usize) {
    let subject = format!("x.{}", served.function);
    let mut calls = loop {
        match crew.core.engine.subscribe(&subject, Some("workers")).await {
            Ok(calls) => break calls,
            Err(_) => sleep(std::time::Duration::from_millis(100)).await,
        }
    };
    let room = Arc::new(Semaphore::new(limit));
    while let Some(message) = calls.recv().await {
        let (crew, served, room) = (crew.clone(), served.clone(), room.clone());
        tokio::spawn(async move {
            let Some(reply) = message.reply.clone() else {
                return;
            };
            let ended = call(&crew, &served, &message, &room).await;
            let outcome = ended.map(|ending| Outcome {
                ending,
                progress: None,
                worker: Some(crew.name.clone()),
                attempt: 1,
            });
            if let Some(outcome) = outcome
                && let Ok(body) = seal(&crew, &outcome)
            {
                let _ = crew.core.engine.reply(&reply, body).await;
                crew.counts.calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

fn seal(crew: &Crew, outcome: &Outcome) -> Result<Vec<u8>, RemoteError> {
    let body = codec::seal(Kind::Outcome, outcome)?;
    let max = max_size(&*crew.core.engine);
    if body.len() <= max {
        return Ok(body);
    }
    let error = too_large(body.len(), max).at(&crew.name, 1);
    codec::seal(Kind::Outcome, &Outcome::failure(error))
}

/// `None`: no caller waits for the answer any more.
async fn call(
    crew: &Arc<Crew>,
    served: &Served,
    message: &Message,
    room: &Semaphore,
) -> Option<Ending> {
    let record = match codec::open::<CallRecord>(Kind::Call, &message.body) {
        Ok(record) => record,
        Err(error) => return Some(Ending::Failure(error.at(&crew.name, 1))),
    };
    let run = Run::new(record.id.clone(), 1);
    let notice = watch::Sender::new(None);
    let mut notices = notice.subscribe();
    let number = crew.enter(Running {
        key: record.id.clone(),
        run: run.clone(),
        notice,
    });
    let limit = record.timeout;
    let answered = timeout(limit, async {
        let _room = room.acquire().await.ok()?;
        // A slot of its own, beside those of jobs.
        let slot = Slots::one().map(Arc::new)?;
        let ran = run::start(crew, &run, &*served.work, record.input, slot);
        let told = async {
            let notice = notices.wait_for(Option::is_some).await.ok();
            notice.and_then(|it| *it).unwrap_or(Notice::HandBack)
        };
        tokio::select! {
            biased;
            ended = ran => Some(Ok(ended)),
            notice = told => Some(Err(notice)),
        }
    });
    let answered = answered.await;
    crew.leave(number);
    let failed = |kind, why: &str| {
        let error = RemoteError::new(kind, why);
        Some(Ending::Failure(error.at(&crew.name, 1)))
    };
    let notice = match answered {
        Ok(Some(Ok(Ok(Ok(value))))) => return Some(Ending::Value(value)),
        Ok(Some(Ok(Ok(Err(error))))) => return Some(Ending::Failure(error.at(&crew.name, 1))),
        Ok(Some(Ok(Err(_))) | None) => {
            return failed(RemoteErrorKind::Failed, "the worker has dropped the call");
        }
        Ok(Some(Err(notice))) => notice,
        Err(_) => Notice::OutOfTime,
    };
    notice.raise(run.token(), &crew.signals);
    match notice {
        Notice::HandBack => failed(RemoteErrorKind::Failed, "the worker has ended"),
        // No caller waits for the answer any more.
        Notice::Cancelled | Notice::Superseded | Notice::OutOfTime => None,
    }
}
