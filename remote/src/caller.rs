//! The caller's half: jobs that were pushed, and the tasks that wait for their outcomes.
//!
//! All of this runs on the I/O thread, except where it says otherwise.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fast_async::Resolver;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::codec::{self, Kind};
use crate::engine::{Engine, Message, Pushed, Stored};
use crate::error::{RemoteError, RemoteErrorKind};
use crate::io::Io;
use crate::mailbox::Mailbox;
use crate::name::Place;
use crate::options::RemoteOptions;
use crate::queue::Receipt;
use crate::record::{Outcome, ProgressRecord};

/// A job is looked up when nothing was heard of it for so long.
const LOOK_AFTER: Duration = Duration::from_secs(10);

/// So many are looked up at one time.
const LOOKS: usize = 256;

/// The pause before something is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// A cancel is repeated for so long.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(30);

/// What all handles of one connection share.
pub(crate) struct Core {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) name: String,
    caller: String,
    next: AtomicU64,
    push_timeout: Duration,
    /// By key. The lock is held for a moment, and not across an await.
    waiting: Mutex<HashMap<String, Waiting>>,
    /// Set when this caller hears of the outcomes of its numbered jobs.
    hears: OnceCell<()>,
}

/// The tasks that wait for one job.
struct Waiting {
    place: Place,
    entries: Vec<Entry>,
    /// What hears of a job with an id of the user.
    listener: Option<AbortHandle>,
    looked: Instant,
}

struct Entry {
    number: u64,
    /// The server has the job, as far as is known, so it may be looked up.
    is_stored: bool,
    is_push: bool,
    mailbox: Arc<Mailbox>,
}

/// Why a task waits for a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Pushes,
    /// It was attached to a job that was pushed elsewhere, or earlier.
    Attached,
    /// It was attached while a push of this process was on its way.
    AttachedToPush,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

/// A job that is to be pushed.
pub(crate) struct NewJob {
    pub(crate) place: Place,
    pub(crate) body: Vec<u8>,
    pub(crate) expires: Option<Duration>,
    pub(crate) number: u64,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) receipt: Option<Resolver<Receipt>>,
}

impl Core {
    pub(crate) fn start(io: &Io, engine: Box<dyn Engine>, options: &RemoteOptions) -> Arc<Core> {
        let caller = unique_name();
        let name = options
            .name
            .clone()
            .unwrap_or_else(|| format!("{}-{}", std::process::id(), &caller[..6]));
        let core = Arc::new(Core {
            engine,
            name,
            caller,
            next: AtomicU64::new(1),
            push_timeout: options.push_timeout,
            waiting: Mutex::new(HashMap::new()),
            hears: OnceCell::new(),
        });
        io.run(watch(Arc::downgrade(&core)));
        core
    }

    /// Any thread may call it.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn caller(&self) -> &str {
        &self.caller
    }

    /// Has the mailbox get what comes for the job.
    async fn enlist(
        self: &Arc<Self>,
        place: &Place,
        number: u64,
        mailbox: &Arc<Mailbox>,
        role: Role,
    ) -> Result<(), RemoteError> {
        let listener = self.listen(place).await?;
        let mut waiting = self.waiting.lock();
        let own = waiting.entry(place.key.clone()).or_insert_with(|| Waiting {
            place: place.clone(),
            entries: Vec::new(),
            listener: None,
            looked: Instant::now(),
        });
        if let Some(listener) = listener {
            match &own.listener {
                None => own.listener = Some(listener),
                Some(_) => listener.abort(),
            }
        }
        own.entries.push(Entry {
            number,
            is_stored: role == Role::Attached,
            is_push: role == Role::Pushes,
            mailbox: mailbox.clone(),
        });
        Ok(())
    }

    /// Subscribes to outcome and progress, unless that was done before.
    async fn listen(self: &Arc<Self>, place: &Place) -> Result<Option<AbortHandle>, RemoteError> {
        if place.is_named() {
            if self.waiting.lock().contains_key(&place.key) {
                return Ok(None);
            }
            return Ok(Some(self.hear(&place.key).await?));
        }
        let all = format!("a.{}.*", self.caller);
        let heard = self.hears.get_or_try_init(|| async {
            self.hear(&all).await?;
            Ok::<(), RemoteError>(())
        });
        heard.await?;
        Ok(None)
    }

    async fn hear(self: &Arc<Self>, keys: &str) -> Result<AbortHandle, RemoteError> {
        let mut outcomes = self.engine.subscribe(&format!("o.{keys}"), None).await?;
        let mut progress = self.engine.subscribe(&format!("p.{keys}"), None).await?;
        let core = Arc::downgrade(self);
        let heard = tokio::spawn(async move {
            loop {
                // First what was sent first: an outcome comes after its progress.
                tokio::select! {
                    biased;
                    Some(message) = progress.recv() => {
                        let Some(core) = core.upgrade() else { return };
                        core.note_progress(&message);
                    }
                    Some(message) = outcomes.recv() => {
                        let Some(core) = core.upgrade() else { return };
                        core.note_outcome(&message);
                    }
                    else => return,
                }
            }
        });
        Ok(heard.abort_handle())
    }

    fn note_progress(&self, message: &Message) {
        let Some(key) = message.subject.strip_prefix("p.") else {
            return;
        };
        let Ok(progress) = codec::open::<ProgressRecord>(Kind::Progress, &message.body) else {
            tracing::warn!(key, "a progress that is none was dropped");
            return;
        };
        for mailbox in self.mailboxes(key) {
            mailbox.progress(progress.done, progress.total);
        }
    }

    fn mailboxes(&self, key: &str) -> Vec<Arc<Mailbox>> {
        let waiting = self.waiting.lock();
        let own = waiting.get(key).map(|it| it.entries.iter());
        own.into_iter()
            .flatten()
            .map(|entry| entry.mailbox.clone())
            .collect()
    }

    fn note_outcome(&self, message: &Message) {
        let Some(key) = message.subject.strip_prefix("o.") else {
            return;
        };
        match codec::open::<Outcome>(Kind::Outcome, &message.body) {
            Ok(outcome) => self.settle(key, Ok(outcome)),
            // From a stranger. What is stored counts, and will be looked up.
            Err(error) => tracing::warn!(key, %error, "an outcome that is none was dropped"),
        }
    }

    /// Settles all tasks that wait for the job.
    fn settle(&self, key: &str, settled: Result<Outcome, RemoteError>) {
        let Some(mut waiting) = self.waiting.lock().remove(key) else {
            return;
        };
        for entry in std::mem::take(&mut waiting.entries) {
            entry.mailbox.settle(settled.clone());
        }
    }

    fn leave(&self, key: &str, number: u64) -> Option<Arc<Mailbox>> {
        let mut waiting = self.waiting.lock();
        let own = waiting.get_mut(key)?;
        let place = own.entries.iter().position(|it| it.number == number)?;
        let entry = own.entries.swap_remove(place);
        let ended = own.entries.is_empty().then(|| waiting.remove(key));
        drop(waiting);
        drop(ended);
        Some(entry.mailbox)
    }

    fn is_waiting(&self, key: &str, number: u64) -> bool {
        let waiting = self.waiting.lock();
        let own = waiting.get(key);
        own.is_some_and(|it| it.entries.iter().any(|entry| entry.number == number))
    }

    /// Settles the tasks of a job that has an outcome, or can have none any more.
    async fn look(&self, place: &Place) -> Result<(), RemoteError> {
        // A job that is stored in the meantime may not be seen, and must not be taken for gone.
        let stored = self.stored(place);
        for round in 0..2 {
            if let Some(body) = self.engine.outcome(&place.key).await? {
                let outcome = codec::open::<Outcome>(Kind::Outcome, &body);
                self.settle(&place.key, outcome);
                return Ok(());
            }
            // The job may end between the two questions: then there is an outcome.
            if round == 0 && self.engine.is_queued(place).await? {
                return Ok(());
            }
        }
        let why = "the job is neither queued nor is its outcome kept";
        let error = RemoteError::new(RemoteErrorKind::ResultExpired, why);
        for number in stored {
            if let Some(mailbox) = self.leave(&place.key, number) {
                mailbox.settle(Err(error.clone()));
            }
        }
        Ok(())
    }

    /// Returns the tasks of a job that the server has, and notes that it is looked up.
    fn stored(&self, place: &Place) -> Vec<u64> {
        let mut waiting = self.waiting.lock();
        let Some(own) = waiting.get_mut(&place.key) else {
            return Vec::new();
        };
        own.looked = Instant::now();
        let stored = own.entries.iter().filter(|it| it.is_stored);
        stored.map(|it| it.number).collect()
    }

    /// The server has the job, or will never have it from here.
    fn note_stored(&self, place: &Place) {
        if let Some(own) = self.waiting.lock().get_mut(&place.key) {
            own.looked = Instant::now();
            own.entries.iter_mut().for_each(|it| it.is_stored = true);
        }
    }

    /// A push of this job is on its way.
    fn is_being_pushed(&self, place: &Place) -> bool {
        let waiting = self.waiting.lock();
        let own = waiting.get(&place.key);
        let is_open = |entry: &Entry| entry.is_push && !entry.is_stored;
        own.is_some_and(|it| it.entries.iter().any(is_open))
    }

    /// Looks until the server answers, for as long as it takes it to come back.
    async fn look_long(&self, place: &Place) {
        for _ in 0..50 {
            match self.look(place).await {
                Ok(()) => return,
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    pub(crate) async fn push(self: Arc<Self>, job: NewJob) {
        let NewJob {
            place,
            body,
            expires,
            number,
            mailbox,
            receipt,
        } = job;
        let told = |joined: Result<bool, RemoteError>| {
            if let Some(receipt) = receipt {
                let receipt = receipt.on_pool();
                let _ = match joined {
                    Ok(joined) => receipt.resolve(Receipt::new(joined)).map_err(drop),
                    Err(error) => receipt.reject(error).map_err(drop),
                };
            }
        };
        match self
            .store_job(&place, body, expires, number, &mailbox)
            .await
        {
            Ok(pushed) => {
                told(Ok(pushed == Pushed::Joined));
                if !self.is_waiting(&place.key, number) {
                    // Cancelled in between, or done already.
                    return self.withdraw_if_done(&place).await;
                }
                if pushed == Pushed::Joined {
                    self.look_long(&place).await;
                }
                if let Some(time) = expires {
                    sleep(time).await;
                    self.expire(&place, number, time).await;
                }
            }
            Err(error) => {
                told(Err(error.clone()));
                // It may not have been enlisted.
                drop(self.leave(&place.key, number));
                mailbox.settle(Err(error));
                if !self.is_being_pushed(&place) {
                    // Tasks that were attached to this push.
                    self.note_stored(&place);
                    self.look_long(&place).await;
                }
            }
        }
    }

    async fn store_job(
        self: &Arc<Self>,
        place: &Place,
        body: Vec<u8>,
        expires: Option<Duration>,
        number: u64,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Pushed, RemoteError> {
        let end = Instant::now() + self.push_timeout;
        let mut enlisted = false;
        loop {
            let result = async {
                if !enlisted {
                    self.enlist(place, number, mailbox, Role::Pushes).await?;
                    enlisted = true;
                }
                if place.is_named() && self.engine.outcome(&place.key).await?.is_some() {
                    return Ok(Pushed::Joined);
                }
                let pushed = self.engine.push(place, &place.key, body.clone(), expires);
                pushed.await
            };
            match result.await {
                Ok(pushed) => {
                    self.note_stored(place);
                    return Ok(pushed);
                }
                Err(error) if !is_passing(&error) => return Err(error),
                Err(error) if Instant::now() >= end => {
                    let why = format!(
                        "it is not known whether the server has stored the job, push the same id \
                         again: {error}"
                    );
                    return Err(RemoteError::new(RemoteErrorKind::Rejected, why));
                }
                Err(_) => sleep(PAUSE).await,
            }
            if enlisted && !self.is_waiting(&place.key, number) {
                // Cancelled. The cancel has stored its outcome.
                let why = "the job was cancelled before it was stored";
                return Err(RemoteError::new(RemoteErrorKind::Cancelled, why));
            }
        }
    }

    /// A job that has an outcome is not to be run.
    async fn withdraw_if_done(&self, place: &Place) {
        if let Ok(Some(_)) = self.engine.outcome(&place.key).await {
            let _ = self.engine.withdraw(place).await;
        }
    }

    /// The time of a job is over.
    async fn expire(&self, place: &Place, number: u64, time: Duration) {
        let error = RemoteError::new(
            RemoteErrorKind::Expired,
            format!("the job was not done within {time:?}"),
        );
        while self.is_waiting(&place.key, number) {
            let stored = self.end_by(place, error.clone()).await;
            let looked = self.look(place).await;
            if stored.is_err() || looked.is_err() {
                sleep(PAUSE).await;
            }
        }
    }

    /// Stores a failure as the outcome, unless there is one, and then removes the job.
    async fn end_by(&self, place: &Place, error: RemoteError) -> Result<(), RemoteError> {
        let body = codec::seal(Kind::Outcome, &Outcome::failure(error.last()))?;
        if self.engine.store(&place.key, body).await? == Stored::First {
            let key = codec::seal(Kind::Cancel, &place.key)?;
            self.engine
                .publish(&format!("c.{}", place.queue), key)
                .await?;
            // Last, because the server answers it: then it has got the message before it too.
            self.engine.withdraw(place).await?;
        }
        Ok(())
    }

    /// The task was cancelled: so is the job, unless it has an outcome.
    pub(crate) async fn cancel(self: Arc<Self>, place: Place, number: u64) {
        let end = Instant::now() + CANCEL_TIMEOUT;
        drop(self.leave(&place.key, number));
        let error = RemoteError::new(RemoteErrorKind::Cancelled, "the job was cancelled");
        while self.end_by(&place, error.clone()).await.is_err() && Instant::now() < end {
            sleep(PAUSE).await;
        }
    }

    /// Joins a job that was pushed before.
    pub(crate) async fn attach(self: Arc<Self>, place: Place, number: u64, mailbox: Arc<Mailbox>) {
        let end = Instant::now() + self.push_timeout;
        let mut enlisted = false;
        loop {
            let result = async {
                if !enlisted {
                    let joins = self.is_being_pushed(&place);
                    let role = if joins {
                        Role::AttachedToPush
                    } else {
                        Role::Attached
                    };
                    self.enlist(&place, number, &mailbox, role).await?;
                    enlisted = true;
                    if joins {
                        return Ok(());
                    }
                }
                self.look(&place).await
            };
            match result.await {
                Ok(()) => return,
                Err(error) if !is_passing(&error) || Instant::now() >= end => {
                    drop(self.leave(&place.key, number));
                    return mailbox.settle(Err(error));
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// The jobs that nothing was heard of for a while; all of them after a new connection.
    fn to_look_up(&self, all: bool) -> Vec<Place> {
        let waiting = self.waiting.lock();
        let is_due = |it: &&Waiting| {
            let is_stored = it.entries.iter().any(|entry| entry.is_stored);
            is_stored && (all || it.looked.elapsed() >= LOOK_AFTER)
        };
        let mut due: Vec<&Waiting> = waiting.values().filter(is_due).collect();
        due.sort_by_key(|it| it.looked);
        let count = if all { due.len() } else { due.len().min(LOOKS) };
        due[..count].iter().map(|it| it.place.clone()).collect()
    }
}

/// Returns true for a failure that another try may not meet.
pub(crate) fn is_passing(error: &RemoteError) -> bool {
    matches!(
        error.kind(),
        RemoteErrorKind::Disconnected | RemoteErrorKind::TimedOut | RemoteErrorKind::Server
    )
}

/// Looks up jobs whose outcome may have been missed: after a new connection, and now and then.
async fn watch(core: Weak<Core>) {
    let Some(mut connections) = core.upgrade().map(|it| it.engine.connections()) else {
        return;
    };
    loop {
        let is_new = tokio::select! {
            changed = connections.changed() => match changed {
                Ok(()) => true,
                Err(_) => return,
            },
            () = sleep(LOOK_AFTER / 4) => false,
        };
        let Some(core) = core.upgrade() else { return };
        for place in core.to_look_up(is_new) {
            core.look_long(&place).await;
        }
    }
}

/// Returns a name that no other connection has.
fn unique_name() -> String {
    use ring::rand::SecureRandom;
    let mut bytes = [0; 12];
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default();
        let seed = now.as_nanos() ^ u128::from(std::process::id()) << 64;
        bytes.copy_from_slice(&seed.to_le_bytes()[..12]);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens a task for a job, and has its cancel reach the job.
pub(crate) mod open {
    use fast_async::promise::deferred_with;
    use fast_async::{Task, TaskContext};
    use serde::de::DeserializeOwned;
    use std::sync::Arc;

    use crate::job::Child;
    use crate::mailbox::{Mailbox, TaskSink};
    use crate::remote::Remote;

    /// Returns the task, its context, and the mailbox for what becomes of the job. From now on work
    /// may begin elsewhere.
    #[track_caller]
    pub(crate) fn task<T>(remote: &Remote) -> (Task<T>, TaskContext, Arc<Mailbox>)
    where
        T: DeserializeOwned + Send + 'static,
    {
        let (resolver, context, task) = deferred_with::<T>();
        let resolver = resolver.on_pool();
        resolver.begin();
        let sink = TaskSink {
            resolver,
            context: context.clone(),
            _io: remote.io.clone(),
            child: Child::of_current(),
        };
        (task, context, Mailbox::new(Box::new(sink)))
    }
}
