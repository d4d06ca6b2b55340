//! What carries jobs, outcomes and messages: one interface, two engines, one conformance suite.
//!
//! It is private: users choose by `Remote::connect` and `Remote::local`. Its futures run on the
//! I/O thread, and none of them runs user code.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::error::RemoteError;
use crate::name::Place;

pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(crate) type Answer<'a, T> = Pending<'a, Result<T, RemoteError>>;

/// What a push has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Stored,
    /// A job with this key is queued, or was within the duplicate window.
    Joined,
}

/// What storing an outcome has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    First,
    /// There was one already: this one is dropped.
    Late,
}

/// A message that was published, or a request that waits for its reply.
#[derive(Debug)]
pub(crate) struct Message {
    /// The subject without the namespace.
    pub(crate) subject: String,
    pub(crate) body: Vec<u8>,
    /// Where the reply of a request goes.
    pub(crate) reply: Option<String>,
}

/// The settings of a queue's consumer, which all its workers share.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerSettings {
    pub(crate) queue: String,
    pub(crate) function: String,
    pub(crate) lease: Duration,
}

/// A dead letter, with its number in the store.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) number: u64,
    pub(crate) body: Vec<u8>,
}

pub(crate) trait Engine: Send + Sync + 'static {
    /// The greatest size of a message.
    fn max_size(&self) -> usize;

    /// What the server is too old for.
    fn missing(&self) -> &[String];

    /// Changes with every new connection to the server.
    fn connections(&self) -> watch::Receiver<u64>;

    /// Messages that were dropped because a subscriber did not keep up.
    fn dropped(&self) -> u64;

    /// Stores a job. `unique`: the id of this push, for the duplicate window.
    fn push<'a>(
        &'a self,
        place: &'a Place,
        unique: &'a str,
        body: Vec<u8>,
        expires: Option<Duration>,
    ) -> Answer<'a, Pushed>;

    /// Returns true while the job is queued or runs.
    fn is_queued<'a>(&'a self, place: &'a Place) -> Answer<'a, bool>;

    /// Removes a job that is queued or runs.
    fn withdraw<'a>(&'a self, place: &'a Place) -> Answer<'a, ()>;

    /// Stores an outcome unless there is one, and publishes it as `o.KEY`.
    fn store<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Answer<'a, Stored>;

    fn outcome<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>>;

    /// Forgets the outcome and the note of a job that is to be pushed again.
    fn forget<'a>(&'a self, key: &'a str) -> Answer<'a, ()>;

    fn put_note<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Answer<'a, ()>;

    fn note<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>>;

    /// Stores a dead letter. A second one for the same delivery is dropped.
    fn put_dead<'a>(&'a self, place: &'a Place, unique: &'a str, body: Vec<u8>) -> Answer<'a, ()>;

    fn dead<'a>(&'a self, queue: &'a str) -> Answer<'a, Vec<Dead>>;

    fn remove_dead<'a>(&'a self, queue: &'a str, number: u64) -> Answer<'a, ()>;

    /// Makes the consumer of a function, or joins it.
    fn consumer<'a>(&'a self, settings: &'a ConsumerSettings) -> Answer<'a, Box<dyn Consumer>>;

    fn publish<'a>(&'a self, subject: &'a str, body: Vec<u8>) -> Answer<'a, ()>;

    /// Subscribes to a subject; `*` stands for one token of it. Of the subscribers of one group,
    /// one gets each message.
    fn subscribe<'a>(
        &'a self,
        subject: &'a str,
        group: Option<&'a str>,
    ) -> Answer<'a, mpsc::Receiver<Message>>;

    /// Asks one of the subscribers of a subject.
    fn request<'a>(
        &'a self,
        subject: &'a str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Answer<'a, Vec<u8>>;

    /// Answers a request.
    fn reply<'a>(&'a self, to: &'a str, body: Vec<u8>) -> Answer<'a, ()>;
}

/// Where the jobs of one function come from.
pub(crate) trait Consumer: Send + Sync {
    /// Asks for so many jobs, and sends them to `to` until `wait` is over.
    fn fetch<'a>(
        &'a self,
        count: usize,
        wait: Duration,
        to: mpsc::Sender<Box<dyn Delivery>>,
    ) -> Answer<'a, ()>;
}

/// A job that was lent to this worker.
pub(crate) trait Delivery: Send + Sync {
    fn body(&self) -> &[u8];

    /// The key of the job, as the store has it.
    fn key(&self) -> &str;

    /// How often it was delivered, this time included.
    fn count(&self) -> u32;

    /// A name of this job in the store, used once.
    fn unique(&self) -> String;

    /// Renews the lease, and returns when the server has confirmed it.
    fn beat(&self) -> Answer<'_, ()>;

    /// The job is done: the server removes it.
    fn ack(&self) -> Answer<'_, ()>;

    /// Hands the job back, to be delivered again after `pause`.
    fn hand_back(&self, pause: Duration) -> Answer<'_, ()>;
}
