//! One delivery, from its arrival to its ack.
//!
//! The order is what the promises hang on: the outcome is stored first, then the job is acked. A
//! worker that dies in between leaves a job with an outcome, which the next one only acks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fast_async::TaskError;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::crew::{Crew, Running, Work, tell};
use super::notice::Notice;
use super::slots::Slot;
use super::stops::stop_at;
use crate::caller::is_passing;
use crate::codec::{self, Kind};
use crate::engine::{Answer, Delivery, Stored};
use crate::error::{RemoteError, RemoteErrorKind};
use crate::job::Run;
use crate::name::Place;
use crate::queue::{max_size, too_large};
use crate::record::{DeadRecord, Ending, JobRecord, Note, Outcome, ProgressRecord};

/// The pause before something is asked of the server again.
const PAUSE: Duration = Duration::from_millis(100);

/// Progress is sent at most so often.
const PROGRESS_PAUSE: Duration = Duration::from_millis(50);

/// What a run has come to.
type Ran = Result<Vec<u8>, RemoteError>;

/// A delivery and what is known of it.
struct Lent {
    crew: Arc<Crew>,
    delivery: Arc<dyn Delivery>,
    place: Place,
    notice: watch::Sender<Option<Notice>>,
    /// Deliveries that do not count.
    handed_back: u32,
    /// The number of this run.
    attempt: u32,
}

/// A future of the I/O thread that ends with its owner.
struct Aside(JoinHandle<()>);

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a job. The slot is given back when the job is acked and its closure has returned.
pub(super) async fn run(
    crew: Arc<Crew>,
    function: &'static str,
    work: Arc<Work>,
    delivery: Box<dyn Delivery>,
    slot: Slot,
) {
    stop_at("received");
    let mut lent = Lent::new(crew, function, delivery);
    let _beats = lent.beat_aside();
    let record = codec::open::<JobRecord>(Kind::Job, lent.delivery.body());
    let job = match record {
        Ok(job) if job.function == function => job,
        Ok(_) => {
            let why = "the job names another function than its place does";
            let error = RemoteError::new(RemoteErrorKind::Decode, why);
            return lent.bury("", error).await;
        }
        Err(error) => return lent.bury("", error).await,
    };
    let Some(last) = lent.look_back().await else {
        return;
    };
    if lent.attempt > lent.crew.attempts {
        lent.attempt -= 1;
        let why = format!("a worker died with the job, in attempt {}", lent.attempt);
        let error = last.unwrap_or_else(|| RemoteError::new(RemoteErrorKind::Attempts, why));
        return lent.bury(&job.id, error).await;
    }
    lent.perform(work, job, Arc::new(slot)).await;
}

/// Hands a job back that came when the worker was about to end.
pub(super) async fn decline(crew: Arc<Crew>, function: &'static str, delivery: Box<dyn Delivery>) {
    let mut lent = Lent::new(crew, function, delivery);
    // A moment later: this worker may still be asking.
    lent.hand_back(Duration::from_millis(300)).await;
}

impl Lent {
    fn new(crew: Arc<Crew>, function: &str, delivery: Box<dyn Delivery>) -> Lent {
        let place = Place {
            queue: crew.queue.clone(),
            function: function.to_owned(),
            key: delivery.key().to_owned(),
        };
        Lent {
            attempt: delivery.count(),
            notice: watch::Sender::new(None),
            handed_back: 0,
            crew,
            delivery: Arc::from(delivery),
            place,
        }
    }

    fn core(&self) -> &crate::caller::Core {
        &self.crew.core
    }

    /// Renews the lease from now on. When the lease may have been lost, it looks whether another
    /// run has finished the job.
    fn beat_aside(&self) -> Aside {
        let (crew, delivery) = (self.crew.clone(), self.delivery.clone());
        let notice = self.notice.clone();
        Aside(tokio::spawn(async move {
            let (lost, may_be_lost) = watch::channel(delivery.count() > 1);
            // Side by side: a question without an answer must not delay a beat.
            tokio::join!(
                beat(&crew, &*delivery, &lost),
                look_for_outcome(&crew, &*delivery, may_be_lost, &notice),
            );
        }))
    }

    /// Does something until the server has done it. `None`: the worker ends before.
    async fn insist<'a, T>(&'a self, mut what: impl FnMut() -> Answer<'a, T>) -> Option<T> {
        loop {
            match what().await {
                Ok(done) => return Some(done),
                Err(error) => {
                    tracing::warn!(key = self.place.key, %error, "tried again");
                    if self.crew.is_ending() || !is_passing(&error) {
                        return None;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn ack(&self) {
        stop_at("before_ack");
        self.insist(|| self.delivery.ack()).await;
    }

    /// Learns of earlier runs. Returns their last failure. `None`: there is nothing to run.
    async fn look_back(&mut self) -> Option<Option<RemoteError>> {
        let again = self.delivery.count() > 1;
        if again || self.place.is_named() || self.crew.was_cancelled(&self.place.key) {
            let key = &self.place.key;
            let outcome = self.insist(|| self.core().engine.outcome(key)).await?;
            if outcome.is_some() {
                self.crew.counts.superseded.fetch_add(1, Ordering::Relaxed);
                self.ack().await;
                return None;
            }
        }
        if !again {
            return Some(None);
        }
        let key = &self.place.key;
        let note = self.insist(|| self.core().engine.note(key)).await?;
        let note = self.read_note(note);
        self.handed_back = note.handed_back;
        self.attempt = self
            .delivery
            .count()
            .saturating_sub(note.handed_back)
            .max(1);
        Some(note.error)
    }

    async fn perform(mut self, work: Arc<Work>, job: JobRecord, slot: Arc<Slot>) {
        let crew = self.crew.clone();
        let run = Run::new(job.id.clone(), self.attempt);
        let number = crew.enter(Running {
            key: self.place.key.clone(),
            run: run.clone(),
            notice: self.notice.clone(),
        });
        if crew.is_ending() {
            tell(&self.notice, Notice::HandBack);
        }
        if crew.was_cancelled(&self.place.key) {
            tell(&self.notice, Notice::Superseded);
        }
        let progress = self.tell_progress_aside(run.clone());
        let ran = start(&crew, &run, &*work, job.input, slot.clone());
        stop_at("running");
        let (mut ran, mut notices) = (ran, self.notice.subscribe());
        let limit = job.time_limit.into_iter().chain(job.expires).min();
        let told = async {
            let notice = notices.wait_for(Option::is_some).await.ok();
            notice.and_then(|it| *it).unwrap_or(Notice::HandBack)
        };
        let first = tokio::select! {
            biased;
            ended = &mut ran => Ok(ended),
            notice = told => Err(notice),
            () = sleep_or_never(limit) => Err(Notice::OutOfTime),
        };
        if let Err(notice) = first {
            notice.raise(run.token(), &crew.signals);
        }
        drop(progress);
        match first {
            Ok(Ok(result)) => self.settle(&job.id, result, run.last_progress()).await,
            // The pool has dropped the job.
            Ok(Err(_)) | Err(Notice::HandBack) => self.hand_back(Duration::ZERO).await,
            Err(Notice::Superseded | Notice::Cancelled) => {
                crew.counts.superseded.fetch_add(1, Ordering::Relaxed);
                self.ack().await;
            }
            Err(Notice::OutOfTime) => {
                let why = format!("the run took longer than {:?}", limit.unwrap_or_default());
                let error = RemoteError::new(RemoteErrorKind::TimedOut, why);
                self.fail(&job.id, error).await;
            }
        }
        crew.leave(number);
        drop(slot);
    }

    fn tell_progress_aside(&self, run: Arc<Run>) -> Aside {
        let (core, key) = (self.crew.core.clone(), self.place.key.clone());
        Aside(tokio::spawn(async move {
            let subject = format!("p.{key}");
            loop {
                run.news.notified().await;
                if let Some((done, total)) = run.last_progress()
                    && let Ok(body) = codec::seal(Kind::Progress, &ProgressRecord { done, total })
                {
                    let _ = core.engine.publish(&subject, body).await;
                }
                sleep(PROGRESS_PAUSE).await;
            }
        }))
    }

    /// The handler has returned.
    async fn settle(&mut self, id: &str, result: Ran, progress: Option<(u64, u64)>) {
        let value = match result {
            Ok(value) => value,
            Err(error) => return self.fail(id, error).await,
        };
        let outcome = Outcome {
            ending: Ending::Value(value),
            progress,
            worker: Some(self.crew.name.clone()),
            attempt: self.attempt,
        };
        let max = max_size(&*self.core().engine);
        match codec::seal(Kind::Outcome, &outcome) {
            Ok(body) if body.len() > max => self.bury(id, too_large(body.len(), max)).await,
            Ok(body) => {
                let key = &self.place.key;
                let stored = self
                    .insist(|| self.core().engine.store(key, body.clone()))
                    .await;
                stop_at("stored");
                let counts = &self.crew.counts;
                match stored {
                    Some(Stored::First) => counts.done.fetch_add(1, Ordering::Relaxed),
                    Some(Stored::Late) => counts.superseded.fetch_add(1, Ordering::Relaxed),
                    // Another worker will have the job.
                    None => return,
                };
                self.ack().await;
            }
            Err(error) => self.bury(id, error).await,
        }
    }

    /// The run has failed: the job is tried again, or is dead.
    async fn fail(&mut self, id: &str, error: RemoteError) {
        let error = error.at(&self.crew.name, self.attempt);
        if !error.is_retryable() || self.attempt >= self.crew.attempts {
            return self.bury(id, error).await;
        }
        let doubled = self.attempt.saturating_sub(1).min(16);
        let pause = self.crew.pause.saturating_mul(1 << doubled);
        let note = Note {
            of: self.delivery.unique(),
            handed_back: self.handed_back,
            error: Some(error),
        };
        self.give_back(&note, pause.min(Duration::from_secs(60)))
            .await;
        self.crew.counts.retried.fetch_add(1, Ordering::Relaxed);
    }

    /// The worker ends: another one runs the job, and this attempt does not count.
    async fn hand_back(&mut self, pause: Duration) {
        let key = &self.place.key;
        let note = self.core().engine.note(key).await.ok().flatten();
        let mut note = self.read_note(note);
        note.handed_back += 1;
        self.give_back(&note, pause).await;
        self.crew.counts.handed_back.fetch_add(1, Ordering::Relaxed);
    }

    fn read_note(&self, body: Option<Vec<u8>>) -> Note {
        let of = self.delivery.unique();
        let note = body.and_then(|body| codec::open::<Note>(Kind::Note, &body).ok());
        let note = note.filter(|note| note.of == of);
        note.unwrap_or_else(|| Note {
            of,
            ..Note::default()
        })
    }

    async fn give_back(&self, note: &Note, pause: Duration) {
        let key = &self.place.key;
        if let Ok(body) = codec::seal(Kind::Note, note) {
            self.insist(|| self.core().engine.put_note(key, body.clone()))
                .await;
        }
        self.insist(|| self.delivery.hand_back(pause)).await;
    }

    /// The job is not tried any more: its letter is stored, then its outcome, then it is acked.
    async fn bury(&self, id: &str, error: RemoteError) {
        let error = match error.worker() {
            None => error.at(&self.crew.name, self.attempt),
            Some(_) => error,
        };
        let key = &self.place.key;
        let letter = DeadRecord {
            body: self.delivery.body().to_vec(),
            id: if id.is_empty() {
                key.clone()
            } else {
                id.to_owned()
            },
            key: key.clone(),
            function: self.place.function.clone(),
            error: error.clone(),
            attempts: self.attempt,
        };
        let unique = format!("{key}:{}", self.delivery.unique());
        let outcome = Outcome::failure(error.last());
        let sealed = codec::seal(Kind::Dead, &letter)
            .and_then(|letter| Ok((letter, codec::seal(Kind::Outcome, &outcome)?)));
        let Ok((letter, outcome)) = sealed else {
            return;
        };
        let engine = &self.core().engine;
        let put = self.insist(|| engine.put_dead(&self.place, &unique, letter.clone()));
        if put.await.is_none() {
            return;
        }
        if self
            .insist(|| engine.store(key, outcome.clone()))
            .await
            .is_none()
        {
            return;
        }
        self.crew.counts.dead.fetch_add(1, Ordering::Relaxed);
        self.ack().await;
    }
}

/// Renews a lease, and tells when it may have been lost: this process was stopped, or the server
/// was not heard in time. That the connection stays says nothing, because it outlives a partition
/// that takes a lease.
async fn beat(crew: &Crew, delivery: &dyn Delivery, lost: &watch::Sender<bool>) {
    let connections = crew.core.engine.connections();
    let connection = *connections.borrow();
    let pause = crew.lease / 3;
    let mut beats = interval_at(Instant::now() + pause, pause);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renewed = Instant::now();
    loop {
        beats.tick().await;
        // The server renews it at the earliest now.
        let asked = Instant::now();
        let confirmed = timeout(pause, delivery.beat()).await;
        let is_late = renewed.elapsed() >= crew.lease.mul_f32(0.9);
        if is_late || *connections.borrow() != connection {
            lost.send_replace(true);
        }
        if let Ok(Ok(())) = confirmed {
            renewed = asked;
        }
    }
}

/// Looks for the outcome of another run, from when the lease may have been lost.
async fn look_for_outcome(
    crew: &Crew,
    delivery: &dyn Delivery,
    mut may_be_lost: watch::Receiver<bool>,
    notice: &watch::Sender<Option<Notice>>,
) {
    if may_be_lost.wait_for(|it| *it).await.is_err() {
        return;
    }
    loop {
        sleep(crew.lease / 3).await;
        if let Ok(Some(_)) = crew.core.engine.outcome(delivery.key()).await {
            return tell(notice, Notice::Superseded);
        }
    }
}

async fn sleep_or_never(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Starts a handler on the pool. What it comes to is sent; the slot is dropped when its closure has
/// returned.
pub(super) fn start(
    crew: &Crew,
    run: &Arc<Run>,
    work: &Work,
    input: Vec<u8>,
    slot: Arc<Slot>,
) -> oneshot::Receiver<Ran> {
    let (tell, told) = oneshot::channel();
    let task = work(&crew.pool, run, input);
    let stopped = task.stopped();
    // What a failure says is code of the user: it is asked on the pool.
    let home = |error: TaskError| RemoteError::of_task(&error);
    task.handle(move |outcome| {
        let _ = tell.send(outcome.map_err(home));
    })
    .detach();
    stopped.handle(move |_| drop(slot)).detach();
    told
}
