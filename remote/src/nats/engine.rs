//! The interface of both engines, on NATS.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::{self, stream::LastRawMessageErrorKind as RawMessageErrorKind};
use async_nats::{Client, HeaderMap};
use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};

use super::api::{self, Refusal, STREAM_NOT_FOUND};
use super::connect::Signs;
use super::consumer::Pull;
use super::layout::{self, Names};
use crate::engine::{Answer, Consumer, ConsumerSettings, Dead, Engine, Message, Pushed, Stored};
use crate::error::{RemoteError, RemoteErrorKind};
use crate::name::Place;
use crate::options::Limits;

/// What waits between the client's buffer and a reader here.
const READ_AHEAD: usize = 256;

/// So many requests wait for the server at one time.
const REQUESTS: usize = 512;

pub(crate) struct Nats {
    client: Client,
    streams: jetstream::Context,
    names: Names,
    limits: Limits,
    signs: Arc<Signs>,
    missing: Vec<String>,
    has_ttl: bool,
    /// The streams that were found as they should be.
    ensured: Mutex<HashSet<String>>,
    /// One looks at a time: a burst of pushes asks once.
    looks: tokio::sync::Mutex<()>,
    /// For requests: the server drops all that wait if they are too many.
    room: Semaphore,
}

impl Nats {
    pub(super) fn new(
        client: Client,
        names: Names,
        limits: Limits,
        signs: Arc<Signs>,
        missing: Vec<String>,
        has_ttl: bool,
    ) -> Nats {
        let streams = jetstream::new(client.clone());
        Nats {
            client,
            streams,
            names,
            limits,
            signs,
            missing,
            has_ttl,
            ensured: Mutex::new(HashSet::new()),
            looks: tokio::sync::Mutex::new(()),
            room: Semaphore::new(REQUESTS),
        }
    }

    async fn ensure(&self, wanted: Value) -> Result<(), RemoteError> {
        let name = wanted["name"].as_str().unwrap_or_default();
        if self.ensured.lock().contains(name) {
            return Ok(());
        }
        let _one = self.looks.lock().await;
        if self.ensured.lock().contains(name) {
            return Ok(());
        }
        layout::ensure_stream(&self.client, &wanted).await?;
        self.ensured.lock().insert(name.to_owned());
        Ok(())
    }

    async fn ensure_queue(&self, queue: &str) -> Result<(), RemoteError> {
        let wanted = layout::queue(&self.names, queue, &self.limits, self.has_ttl);
        self.ensure(wanted).await
    }

    async fn ensure_results(&self) -> Result<(), RemoteError> {
        self.ensure(layout::results(&self.names, &self.limits))
            .await
    }

    async fn ensure_notes(&self) -> Result<(), RemoteError> {
        self.ensure(layout::notes(&self.names, &self.limits)).await
    }

    async fn ensure_dead(&self, queue: &str) -> Result<(), RemoteError> {
        self.ensure(layout::dead(&self.names, queue, &self.limits))
            .await
    }

    /// Publishes to a stream. Returns whether the server took it for a duplicate.
    async fn put(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Result<bool, Refusal>, RemoteError> {
        let _room = self.room.acquire().await;
        let reply = api::ask(&self.client, subject, body, Some(headers)).await;
        let reply = reply.inspect_err(|err| {
            if *err.kind() == RemoteErrorKind::Server {
                // The subject has no listener: the stream is gone, and is looked for again.
                self.ensured.lock().clear();
            }
        })?;
        let answer = api::read(&reply.payload)?;
        Ok(answer.map(|it| it["duplicate"] == json!(true)))
    }

    /// Returns the last message on a subject, from the leader of the stream.
    async fn last(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<Option<(u64, Vec<u8>)>, RemoteError> {
        self.get(stream, |it| it.last_by_subject(subject)).await
    }

    async fn get(
        &self,
        stream: &str,
        which: impl FnOnce(
            jetstream::stream::RawMessageBuilder<jetstream::stream::WithHeaders>,
        )
            -> jetstream::stream::RawMessageBuilder<jetstream::stream::WithHeaders>,
    ) -> Result<Option<(u64, Vec<u8>)>, RemoteError> {
        let _room = self.room.acquire().await;
        let stream = self.streams.get_stream_no_info(stream).await;
        let stream = stream.map_err(|err| api::server(err.to_string()))?;
        let asked = async { Ok::<_, Infallible>(which(stream.raw_message_builder()).send().await) };
        match api::within("a look into a stream", asked).await? {
            Ok(message) => Ok(Some((message.sequence, message.payload.to_vec()))),
            Err(err) => match err.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(refusal)
                    if refusal.error_code().0 == STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                _ => Err(api::server(err.to_string())),
            },
        }
    }

    async fn delete(&self, stream: &str, sequence: u64) -> Result<(), RemoteError> {
        let _room = self.room.acquire().await;
        api::delete(&self.client, stream, sequence).await
    }

    fn job_subject(&self, place: &Place) -> String {
        let Place {
            queue,
            function,
            key,
        } = place;
        self.names.subject(&format!("q.{queue}.{function}.{key}"))
    }
}

/// A header that lets the server drop a second copy.
fn unique_header(id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    headers
}

/// A short digest of a body.
fn digest(body: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, body);
    digest.as_ref()[..8]
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect()
}

impl Engine for Nats {
    fn max_size(&self) -> usize {
        self.client.max_payload()
    }

    fn missing(&self) -> &[String] {
        &self.missing
    }

    fn connections(&self) -> watch::Receiver<u64> {
        self.signs.connections.subscribe()
    }

    fn dropped(&self) -> u64 {
        self.signs.dropped.load(Ordering::Relaxed)
    }

    fn push<'a>(
        &'a self,
        place: &'a Place,
        unique: &'a str,
        body: Vec<u8>,
        expires: Option<Duration>,
    ) -> Answer<'a, Pushed> {
        Box::pin(async move {
            if expires.is_some() && !self.has_ttl {
                let why = self.missing.join("; ");
                return Err(RemoteError::new(RemoteErrorKind::Unsupported, why));
            }
            self.ensure_results().await?;
            self.ensure_queue(&place.queue).await?;
            let mut headers = unique_header(unique);
            if let Some(time) = expires {
                let seconds = time.as_millis().div_ceil(1000).max(1);
                headers.insert("Nats-TTL", format!("{seconds}s").as_str());
            }
            match self.put(&self.job_subject(place), headers, body).await? {
                Ok(false) => Ok(Pushed::Stored),
                Ok(true) => Ok(Pushed::Joined),
                Err(refusal) if refusal.is_second() => Ok(Pushed::Joined),
                Err(refusal) if refusal.code == api::STORE_FAILED => {
                    let why = format!("the queue is full: {}", refusal.why);
                    Err(RemoteError::new(RemoteErrorKind::Full, why))
                }
                Err(refusal) => Err(refusal.into_error()),
            }
        })
    }

    fn is_queued<'a>(&'a self, place: &'a Place) -> Answer<'a, bool> {
        Box::pin(async move {
            let stream = self.names.queue(&place.queue);
            let found = self.last(&stream, &self.job_subject(place)).await?;
            Ok(found.is_some())
        })
    }

    fn withdraw<'a>(&'a self, place: &'a Place) -> Answer<'a, ()> {
        Box::pin(async move {
            let stream = self.names.queue(&place.queue);
            match self.last(&stream, &self.job_subject(place)).await? {
                Some((sequence, _)) => self.delete(&stream, sequence).await,
                None => Ok(()),
            }
        })
    }

    fn store<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Answer<'a, Stored> {
        Box::pin(async move {
            self.ensure_results().await?;
            // A second try of the same store is a duplicate, and not late.
            let headers = unique_header(&format!("{key}:{}", digest(&body)));
            let subject = self.names.subject(&format!("r.{key}"));
            match self.put(&subject, headers, body).await? {
                Ok(_) => Ok(Stored::First),
                Err(refusal) if refusal.is_second() => Ok(Stored::Late),
                Err(refusal) => Err(refusal.into_error()),
            }
        })
    }

    fn outcome<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let subject = self.names.subject(&format!("r.{key}"));
            let found = self.last(&self.names.results(), &subject).await?;
            Ok(found.map(|(_, body)| body))
        })
    }

    fn forget<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            for (stream, kind) in [(self.names.results(), "r"), (self.names.notes(), "h")] {
                let subject = self.names.subject(&format!("{kind}.{key}"));
                if let Some((sequence, _)) = self.last(&stream, &subject).await? {
                    self.delete(&stream, sequence).await?;
                }
            }
            Ok(())
        })
    }

    fn put_note<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(async move {
            self.ensure_notes().await?;
            let subject = self.names.subject(&format!("h.{key}"));
            let put = self.put(&subject, HeaderMap::new(), body).await?;
            put.map(drop).map_err(Refusal::into_error)
        })
    }

    fn note<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let subject = self.names.subject(&format!("h.{key}"));
            let found = self.last(&self.names.notes(), &subject).await?;
            Ok(found.map(|(_, body)| body))
        })
    }

    fn put_dead<'a>(&'a self, place: &'a Place, unique: &'a str, body: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(async move {
            self.ensure_dead(&place.queue).await?;
            let Place {
                queue,
                function,
                key,
            } = place;
            let subject = self.names.subject(&format!("d.{queue}.{function}.{key}"));
            let put = self.put(&subject, unique_header(unique), body).await?;
            put.map(drop).map_err(Refusal::into_error)
        })
    }

    fn dead<'a>(&'a self, queue: &'a str) -> Answer<'a, Vec<Dead>> {
        Box::pin(async move {
            let stream = self.names.dead(queue);
            let subject = self.names.subject(&format!("d.{queue}.>"));
            let mut letters = Vec::new();
            let mut next = 1;
            loop {
                let found = self.get(&stream, |it| it.sequence(next).next_by_subject(&subject));
                let Some((number, body)) = found.await? else {
                    return Ok(letters);
                };
                next = number + 1;
                letters.push(Dead { number, body });
            }
        })
    }

    fn remove_dead<'a>(&'a self, queue: &'a str, number: u64) -> Answer<'a, ()> {
        Box::pin(async move { self.delete(&self.names.dead(queue), number).await })
    }

    fn consumer<'a>(&'a self, settings: &'a ConsumerSettings) -> Answer<'a, Box<dyn Consumer>> {
        Box::pin(async move {
            self.ensure_results().await?;
            self.ensure_notes().await?;
            self.ensure_queue(&settings.queue).await?;
            self.ensure_dead(&settings.queue).await?;
            layout::ensure_consumer(&self.client, &self.names, settings).await?;
            Ok(Box::new(Pull {
                client: self.client.clone(),
                names: self.names.clone(),
                settings: settings.clone(),
            }) as Box<dyn Consumer>)
        })
    }

    fn publish<'a>(&'a self, subject: &'a str, body: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(async move {
            let sent = self
                .client
                .publish(self.names.subject(subject), body.into());
            sent.await.map_err(|err| api::server(err.to_string()))
        })
    }

    fn subscribe<'a>(
        &'a self,
        subject: &'a str,
        group: Option<&'a str>,
    ) -> Answer<'a, mpsc::Receiver<Message>> {
        Box::pin(async move {
            let own = self.names.subject(subject);
            let subscribed = async {
                match group {
                    Some(group) => self.client.queue_subscribe(own, group.to_owned()).await,
                    None => self.client.subscribe(own).await,
                }
            };
            let mut messages = api::within("a subscription", subscribed).await?;
            let (to, from) = mpsc::channel(READ_AHEAD);
            let prefix = self.names.subject("");
            tokio::spawn(async move {
                loop {
                    let next = tokio::select! {
                        next = messages.next() => next,
                        () = to.closed() => return,
                    };
                    let Some(message) = next else { return };
                    let Some(subject) = message.subject.strip_prefix(prefix.as_str()) else {
                        continue;
                    };
                    let message = Message {
                        subject: subject.to_owned(),
                        body: message.payload.to_vec(),
                        reply: message.reply.map(|it| it.to_string()),
                    };
                    if to.send(message).await.is_err() {
                        return;
                    }
                }
            });
            Ok(from)
        })
    }

    fn request<'a>(
        &'a self,
        subject: &'a str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let subject = self.names.subject(subject);
            let reply = api::request(&self.client, &subject, body, None, Some(timeout)).await;
            let reply = reply.map_err(|err| match err.kind() {
                RemoteErrorKind::NoWorker => {
                    RemoteError::new(RemoteErrorKind::NoWorker, "no worker serves this call")
                }
                RemoteErrorKind::TimedOut => {
                    let why = format!("no reply within {timeout:?}");
                    RemoteError::new(RemoteErrorKind::TimedOut, why)
                }
                _ => err,
            })?;
            Ok(reply.payload.to_vec())
        })
    }

    fn reply<'a>(&'a self, to: &'a str, body: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(async move {
            let sent = self.client.publish(to.to_owned(), body.into());
            sent.await.map_err(|err| api::server(err.to_string()))
        })
    }
}
