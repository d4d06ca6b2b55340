//! The engine within one process: what a server keeps, in memory.
//!
//! Values pass the codec here too, so that what does not survive the wire fails in tests.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::engine::{
    Answer, Consumer, ConsumerSettings, Dead, Delivery, Engine, Message, Pushed, Stored,
};
use crate::error::{RemoteError, RemoteErrorKind};
use crate::io::Io;
use crate::name::Place;
use crate::options::Limits;
use crate::pubsub::PubSub;

/// As of a server with its default settings.
const MAX_SIZE: usize = 1 << 20;

/// Within this time a push with the same id joins the first.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// Jobs, outcomes and dead letters of all queues.
#[derive(Debug)]
pub(crate) struct Local {
    state: Arc<Shared>,
    connections: watch::Sender<u64>,
    requests: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    broker: Mutex<Broker>,
    /// Something is due earlier than before.
    changed: Notify,
    messages: PubSub,
}

#[derive(Debug)]
struct Broker {
    limits: Limits,
    jobs: HashMap<u64, Job>,
    by_key: HashMap<String, u64>,
    /// The jobs of a function that wait for a worker, by number.
    ready: HashMap<(String, String), Ready>,
    pushed: HashMap<String, Instant>,
    outcomes: HashMap<String, (Vec<u8>, Instant)>,
    notes: HashMap<String, Vec<u8>>,
    dead: BTreeMap<u64, (String, String, Vec<u8>)>,
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    next: u64,
}

#[derive(Debug, Default)]
struct Ready {
    numbers: BTreeMap<u64, ()>,
    come: Arc<Notify>,
    lease: Option<Duration>,
}

#[derive(Debug)]
struct Job {
    place: Place,
    body: Vec<u8>,
    count: u32,
    /// Until when it is lent, or held back. `None`: it is ready.
    until: Option<Instant>,
    expires: Option<Instant>,
}

/// The number of a job, how often it was lent, its body and its key.
type LocalLent = (u64, u32, Vec<u8>, String);

impl Broker {
    fn function(&mut self, place: &Place) -> &mut Ready {
        let name = (place.queue.clone(), place.function.clone());
        self.ready.entry(name).or_default()
    }

    fn make_ready(&mut self, number: u64) {
        let Some(job) = self.jobs.get_mut(&number) else {
            return;
        };
        job.until = None;
        let place = job.place.clone();
        let ready = self.function(&place);
        ready.numbers.insert(number, ());
        ready.come.notify_one();
    }

    fn remove(&mut self, number: u64) {
        if let Some(job) = self.jobs.remove(&number) {
            self.by_key.remove(&job.place.key);
            self.function(&job.place).numbers.remove(&number);
        }
    }

    /// Does what is due, and returns when the next is.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        while let Some(Reverse((at, number))) = self.due.peek().copied() {
            if at > now {
                return Some(at);
            }
            self.due.pop();
            let Some(job) = self.jobs.get(&number) else {
                continue;
            };
            if job.expires.is_some_and(|at| at <= now) {
                self.remove(number);
            } else if job.until.is_some_and(|at| at <= now) {
                self.make_ready(number);
            }
        }
        None
    }

    fn lend(&mut self, name: &(String, String), lease: Duration) -> Option<LocalLent> {
        let (&number, ()) = self.ready.get(name)?.numbers.first_key_value()?;
        self.ready.get_mut(name)?.numbers.remove(&number);
        let until = Instant::now() + lease;
        let job = self.jobs.get_mut(&number)?;
        job.count += 1;
        job.until = Some(until);
        let lent = (number, job.count, job.body.clone(), job.place.key.clone());
        self.due.push(Reverse((until, number)));
        Some(lent)
    }

    /// Lends a job until then, if it is still this delivery.
    fn hold(&mut self, number: u64, count: u32, until: Instant) {
        if let Some(job) = self.jobs.get_mut(&number)
            && job.count == count
            && job.until.is_some()
        {
            job.until = Some(until);
            self.due.push(Reverse((until, number)));
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Local {
    pub(crate) fn start(io: &Io, limits: Limits) -> Local {
        let state = Arc::new(Shared {
            broker: Mutex::new(Broker {
                limits,
                jobs: HashMap::new(),
                by_key: HashMap::new(),
                ready: HashMap::new(),
                pushed: HashMap::new(),
                outcomes: HashMap::new(),
                notes: HashMap::new(),
                dead: BTreeMap::new(),
                due: BinaryHeap::new(),
                next: 0,
            }),
            changed: Notify::new(),
            messages: PubSub::default(),
        });
        let weak = Arc::downgrade(&state);
        io.run(async move {
            while let Some(state) = weak.upgrade() {
                let next = state.broker.lock().turn(Instant::now());
                let at = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
                let at = at.min(Instant::now() + Duration::from_secs(1));
                tokio::select! {
                    () = sleep_until(at) => {}
                    () = state.changed.notified() => {}
                }
            }
        });
        Local {
            state,
            connections: watch::Sender::new(0),
            requests: AtomicU64::new(0),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Broker) -> T) -> T {
        let result = f(&mut self.state.broker.lock());
        self.state.changed.notify_one();
        result
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

fn failed<'a, T: Send + 'a>(kind: RemoteErrorKind, why: &str) -> Answer<'a, T> {
    Box::pin(std::future::ready(Err(RemoteError::new(kind, why))))
}

impl Engine for Local {
    fn max_size(&self) -> usize {
        MAX_SIZE
    }

    fn missing(&self) -> &[String] {
        &[]
    }

    fn connections(&self) -> watch::Receiver<u64> {
        self.connections.subscribe()
    }

    fn dropped(&self) -> u64 {
        self.state.messages.dropped()
    }

    fn push<'a>(
        &'a self,
        place: &'a Place,
        unique: &'a str,
        body: Vec<u8>,
        expires: Option<Duration>,
    ) -> Answer<'a, Pushed> {
        let pushed = self.with(|broker| {
            let now = Instant::now();
            broker.pushed.retain(|_, at| now - *at < DUPLICATE_WINDOW);
            if broker.by_key.contains_key(&place.key) || broker.pushed.contains_key(unique) {
                return Some(Pushed::Joined);
            }
            let waiting = broker
                .jobs
                .values()
                .filter(|it| it.place.queue == place.queue);
            if let Some(max) = broker.limits.max_jobs
                && waiting.count() as u64 >= max
            {
                return None;
            }
            let number = broker.number();
            let expires = expires.map(|time| now + time);
            broker.jobs.insert(
                number,
                Job {
                    place: place.clone(),
                    body,
                    count: 0,
                    until: None,
                    expires,
                },
            );
            broker.by_key.insert(place.key.clone(), number);
            broker.pushed.insert(unique.to_owned(), now);
            if let Some(at) = expires {
                broker.due.push(Reverse((at, number)));
            }
            broker.make_ready(number);
            Some(Pushed::Stored)
        });
        match pushed {
            Some(pushed) => ready(pushed),
            None => failed(RemoteErrorKind::Full, "the queue is full"),
        }
    }

    fn is_queued<'a>(&'a self, place: &'a Place) -> Answer<'a, bool> {
        ready(self.with(|broker| broker.by_key.contains_key(&place.key)))
    }

    fn withdraw<'a>(&'a self, place: &'a Place) -> Answer<'a, ()> {
        self.with(|broker| {
            if let Some(&number) = broker.by_key.get(&place.key) {
                broker.remove(number);
            }
        });
        ready(())
    }

    fn store<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Answer<'a, Stored> {
        let stored = self.with(|broker| {
            let now = Instant::now();
            let until = now + broker.limits.result_ttl;
            broker.outcomes.retain(|_, (_, until)| *until > now);
            if broker.outcomes.contains_key(key) {
                return Stored::Late;
            }
            broker
                .outcomes
                .insert(key.to_owned(), (body.clone(), until));
            Stored::First
        });
        if stored == Stored::First {
            self.state
                .messages
                .publish(&format!("o.{key}"), &body, None);
        }
        ready(stored)
    }

    fn outcome<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        let now = Instant::now();
        ready(self.with(|broker| {
            let (body, until) = broker.outcomes.get(key)?;
            (*until > now).then(|| body.clone())
        }))
    }

    fn forget<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.with(|broker| {
            broker.outcomes.remove(key);
            broker.notes.remove(key);
        });
        ready(())
    }

    fn put_note<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Answer<'a, ()> {
        self.with(|broker| broker.notes.insert(key.to_owned(), body));
        ready(())
    }

    fn note<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        ready(self.with(|broker| broker.notes.get(key).cloned()))
    }

    fn put_dead<'a>(&'a self, place: &'a Place, unique: &'a str, body: Vec<u8>) -> Answer<'a, ()> {
        self.with(|broker| {
            if broker.dead.values().any(|(_, own, _)| own == unique) {
                return;
            }
            let number = broker.number();
            let letter = (place.queue.clone(), unique.to_owned(), body);
            broker.dead.insert(number, letter);
        });
        ready(())
    }

    fn dead<'a>(&'a self, queue: &'a str) -> Answer<'a, Vec<Dead>> {
        ready(self.with(|broker| {
            let own = broker.dead.iter().filter(|(_, (of, ..))| of == queue);
            own.map(|(number, (_, _, body))| Dead {
                number: *number,
                body: body.clone(),
            })
            .collect()
        }))
    }

    fn remove_dead<'a>(&'a self, _: &'a str, number: u64) -> Answer<'a, ()> {
        self.with(|broker| broker.dead.remove(&number));
        ready(())
    }

    fn consumer<'a>(&'a self, settings: &'a ConsumerSettings) -> Answer<'a, Box<dyn Consumer>> {
        let name = (settings.queue.clone(), settings.function.clone());
        let own = self.with(|broker| {
            let ready = broker.ready.entry(name.clone()).or_default();
            *ready.lease.get_or_insert(settings.lease)
        });
        if own != settings.lease {
            let why = format!(
                "the consumer of `{}` in queue `{}` exists with a lease of {own:?}, and this worker \
                 asks for {:?}",
                settings.function, settings.queue, settings.lease
            );
            return failed(RemoteErrorKind::Configuration, &why);
        }
        let consumer = LocalConsumer {
            state: self.state.clone(),
            name,
            lease: settings.lease,
        };
        ready(Box::new(consumer) as Box<dyn Consumer>)
    }

    fn publish<'a>(&'a self, subject: &'a str, body: Vec<u8>) -> Answer<'a, ()> {
        self.state.messages.publish(subject, &body, None);
        ready(())
    }

    fn subscribe<'a>(
        &'a self,
        subject: &'a str,
        group: Option<&'a str>,
    ) -> Answer<'a, mpsc::Receiver<Message>> {
        ready(self.state.messages.subscribe(subject, group))
    }

    fn request<'a>(
        &'a self,
        subject: &'a str,
        body: Vec<u8>,
        limit: Duration,
    ) -> Answer<'a, Vec<u8>> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let inbox = format!("inbox.{number}");
        let mut replies = self.state.messages.subscribe(&inbox, None);
        if self.state.messages.publish(subject, &body, Some(&inbox)) == 0 {
            return failed(RemoteErrorKind::NoWorker, "no worker serves this call");
        }
        Box::pin(async move {
            match timeout(limit, replies.recv()).await {
                Ok(Some(reply)) => Ok(reply.body),
                _ => Err(RemoteError::new(
                    RemoteErrorKind::TimedOut,
                    format!("no reply within {limit:?}"),
                )),
            }
        })
    }

    fn reply<'a>(&'a self, to: &'a str, body: Vec<u8>) -> Answer<'a, ()> {
        self.publish(to, body)
    }
}

struct LocalConsumer {
    state: Arc<Shared>,
    name: (String, String),
    lease: Duration,
}

impl Consumer for LocalConsumer {
    fn fetch<'a>(
        &'a self,
        count: usize,
        wait: Duration,
        to: mpsc::Sender<Box<dyn Delivery>>,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let end = Instant::now() + wait;
            let come = {
                let mut broker = self.state.broker.lock();
                let ready = broker.ready.entry(self.name.clone()).or_default();
                ready.come.clone()
            };
            let mut left = count;
            while left > 0 {
                let lent = self.state.broker.lock().lend(&self.name, self.lease);
                let Some((number, count, body, key)) = lent else {
                    if timeout(end - Instant::now(), come.notified())
                        .await
                        .is_err()
                    {
                        return Ok(());
                    }
                    continue;
                };
                self.state.changed.notify_one();
                // Another one that waits may find more.
                come.notify_one();
                left -= 1;
                let delivery = LocalDelivery {
                    state: self.state.clone(),
                    number,
                    count,
                    body,
                    key,
                    lease: self.lease,
                };
                if to.send(Box::new(delivery)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(())
        })
    }
}

struct LocalDelivery {
    state: Arc<Shared>,
    number: u64,
    count: u32,
    body: Vec<u8>,
    key: String,
    lease: Duration,
}

impl LocalDelivery {
    fn hold(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut broker = self.state.broker.lock();
        broker.hold(self.number, self.count, until);
        drop(broker);
        self.state.changed.notify_one();
    }
}

impl Delivery for LocalDelivery {
    fn body(&self) -> &[u8] {
        &self.body
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn count(&self) -> u32 {
        self.count
    }

    fn unique(&self) -> String {
        self.number.to_string()
    }

    fn beat(&self) -> Answer<'_, ()> {
        self.hold(self.lease);
        ready(())
    }

    fn ack(&self) -> Answer<'_, ()> {
        self.state.broker.lock().remove(self.number);
        ready(())
    }

    fn hand_back(&self, pause: Duration) -> Answer<'_, ()> {
        self.hold(pause);
        ready(())
    }
}
