//! Pulls jobs, each with its lease.

use std::time::Duration;

use async_nats::{Client, Message};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::api;
use super::layout::{self, Names};
use crate::engine::{Answer, Consumer, ConsumerSettings, Delivery};
use crate::error::RemoteError;

/// The server's answer to a wish may be late by so much.
const LATE: Duration = Duration::from_secs(2);

pub(super) struct Pull {
    pub(super) client: Client,
    pub(super) names: Names,
    pub(super) settings: ConsumerSettings,
}

impl Consumer for Pull {
    fn fetch<'a>(
        &'a self,
        count: usize,
        wait: Duration,
        to: mpsc::Sender<Box<dyn Delivery>>,
    ) -> Answer<'a, ()> {
        Box::pin(self.pull(count, wait, to))
    }
}

impl Pull {
    async fn pull(
        &self,
        count: usize,
        wait: Duration,
        to: mpsc::Sender<Box<dyn Delivery>>,
    ) -> Result<(), RemoteError> {
        let inbox = self.client.new_inbox();
        let subscribed = self.client.subscribe(inbox.clone()).await;
        let mut jobs = subscribed.map_err(|err| api::server(err.to_string()))?;
        let stream = self.names.queue(&self.settings.queue);
        let subject = format!(
            "$JS.API.CONSUMER.MSG.NEXT.{stream}.{}",
            self.settings.function
        );
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX / 2);
        let wish = json!({"batch": count, "expires": nanos}).to_string();
        let sent = self.client.publish_with_reply(subject, inbox, wish.into());
        sent.await.map_err(|err| api::server(err.to_string()))?;
        let end = Instant::now() + wait + LATE;
        let mut left = count;
        while left > 0 {
            let Ok(Some(message)) = timeout_at(end, jobs.next()).await else {
                return Ok(());
            };
            match message.status.map(u16::from) {
                None => {}
                // A sign of life.
                Some(100) => continue,
                // Nothing came in this time.
                Some(404 | 408) => return Ok(()),
                Some(503) => {
                    // The consumer is gone, or the server not there yet.
                    layout::ensure_consumer(&self.client, &self.names, &self.settings).await?;
                    return Err(api::server("no consumer answers for the queue"));
                }
                Some(status) => {
                    let why = message.description.unwrap_or_default();
                    return Err(api::server(format!("{status} {why}")));
                }
            }
            let prefix = self.names.subject(&format!(
                "q.{}.{}.",
                self.settings.queue, self.settings.function
            ));
            let Some(job) = Pulled::new(self.client.clone(), message, &prefix) else {
                continue;
            };
            left -= 1;
            if to.send(Box::new(job)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

struct Pulled {
    client: Client,
    key: String,
    stream: String,
    /// Where an ack goes.
    reply: String,
    body: Vec<u8>,
    count: u32,
    sequence: u64,
}

impl Pulled {
    /// `None`: it is not a job of this consumer.
    fn new(client: Client, message: Message, prefix: &str) -> Option<Pulled> {
        let key = message.subject.strip_prefix(prefix)?.to_owned();
        let reply = message.reply?.to_string();
        // $JS.ACK.STREAM.CONSUMER.COUNT.SEQUENCE.. or $JS.ACK.DOMAIN.ACCOUNT.STREAM.CONSUMER..
        let tokens: Vec<&str> = reply.split('.').collect();
        let at = match tokens.len() {
            9 => 4,
            11.. => 6,
            _ => return None,
        };
        let count = tokens[at].parse().ok()?;
        let sequence = tokens[at + 1].parse().ok()?;
        let stream = tokens[at - 2].to_owned();
        Some(Pulled {
            client,
            key,
            body: message.payload.to_vec(),
            count,
            sequence,
            stream,
            reply,
        })
    }

    async fn say(&self, what: String) -> Result<(), RemoteError> {
        let sent = self.client.publish(self.reply.clone(), what.into());
        api::within("a word on a job", sent).await
    }
}

impl Delivery for Pulled {
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
        self.sequence.to_string()
    }

    fn beat(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let asked = api::ask(&self.client, &self.reply, b"+WPI".to_vec(), None);
            asked.await.map(drop)
        })
    }

    fn ack(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let reply = api::ask(&self.client, &self.reply, b"+ACK".to_vec(), None).await;
            if reply.is_ok_and(|reply| reply.status.is_none()) {
                return Ok(());
            }
            // A server that was killed may not know that it has lent the job: it writes that down
            // late. It never answers the ack then, and would lend the job again.
            api::delete(&self.client, &self.stream, self.sequence).await
        })
    }

    fn hand_back(&self, pause: Duration) -> Answer<'_, ()> {
        let nanos = pause.as_nanos();
        let what = match nanos {
            0 => "-NAK".to_owned(),
            _ => format!("-NAK {{\"delay\":{nanos}}}"),
        };
        Box::pin(async move {
            self.say(what).await?;
            api::within("a job is handed back", self.client.flush()).await
        })
    }
}
