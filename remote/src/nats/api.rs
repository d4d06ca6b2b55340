//! Requests to the server, and what its failures mean here.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use async_nats::client::RequestErrorKind as Failed;
use async_nats::{Client, HeaderMap, Message, Request};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::error::{RemoteError, RemoteErrorKind};

/// How long the server may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A failure that the server has reported.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: u64,
    pub(super) why: String,
}

/// No stream, no consumer, no message of that name.
pub(super) const STREAM_NOT_FOUND: u64 = 10_059;
pub(super) const CONSUMER_NOT_FOUND: u64 = 10_014;
/// A limit of the stream refuses the message.
pub(super) const STORE_FAILED: u64 = 10_077;

pub(super) fn server(why: impl Into<String>) -> RemoteError {
    RemoteError::new(RemoteErrorKind::Server, why)
}

/// Waits for something that the connection has to do, at most as long as the server may take. The
/// client itself waits without a bound: while it connects again, and while its queue is full.
pub(super) async fn within<T, E: Display>(
    what: &str,
    done: impl Future<Output = Result<T, E>>,
) -> Result<T, RemoteError> {
    match tokio::time::timeout(TIMEOUT, done).await {
        Ok(done) => done.map_err(|err| server(err.to_string())),
        Err(_) => {
            let why = format!("{what}: not done within {TIMEOUT:?}");
            Err(RemoteError::new(RemoteErrorKind::Disconnected, why))
        }
    }
}

/// Sends a request and returns the reply.
pub(super) async fn request(
    client: &Client,
    subject: &str,
    body: Vec<u8>,
    headers: Option<HeaderMap>,
    timeout: Option<Duration>,
) -> Result<Message, RemoteError> {
    let size = body.len();
    let limit = timeout.unwrap_or(TIMEOUT);
    // The limit of the client begins when the request is queued, which may take as long as a
    // connection does.
    let mut request = Request::new().payload(Bytes::from(body)).timeout(None);
    if let Some(headers) = headers {
        request = request.headers(headers);
    }
    let sent = client.send_request(subject.to_owned(), request);
    let Ok(reply) = tokio::time::timeout(limit, sent).await else {
        let why = format!("`{subject}`: no reply within {limit:?}");
        return Err(RemoteError::new(RemoteErrorKind::TimedOut, why));
    };
    reply.map_err(|err| {
        let kind = match err.kind() {
            Failed::TimedOut => RemoteErrorKind::TimedOut,
            Failed::NoResponders => RemoteErrorKind::NoWorker,
            Failed::InvalidSubject => RemoteErrorKind::BadName,
            Failed::MaxPayloadExceeded => RemoteErrorKind::TooLarge {
                size,
                max: client.max_payload(),
            },
            Failed::Other => RemoteErrorKind::Disconnected,
        };
        RemoteError::new(kind, format!("`{subject}`: {err}"))
    })
}

/// The same where only the server can answer.
pub(super) async fn ask(
    client: &Client,
    subject: &str,
    body: Vec<u8>,
    headers: Option<HeaderMap>,
) -> Result<Message, RemoteError> {
    let reply = request(client, subject, body, headers, None).await;
    reply.map_err(|err| match err.kind() {
        RemoteErrorKind::NoWorker => server(format!("`{subject}`: no JetStream answers")),
        RemoteErrorKind::TimedOut => RemoteError::new(RemoteErrorKind::Disconnected, err.message()),
        _ => err,
    })
}

/// Asks JetStream for something. What it refuses is returned inside.
pub(super) async fn api(
    client: &Client,
    what: &str,
    body: &Value,
) -> Result<Result<Value, Refusal>, RemoteError> {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let reply = ask(client, &format!("$JS.API.{what}"), body, None).await?;
    read(&reply.payload)
}

/// Deletes a message of a stream, if it is there.
pub(super) async fn delete(
    client: &Client,
    stream: &str,
    sequence: u64,
) -> Result<(), RemoteError> {
    let what = format!("STREAM.MSG.DELETE.{stream}");
    let body = json!({"seq": sequence, "no_erase": true});
    match api(client, &what, &body).await? {
        Ok(_) => Ok(()),
        // It is gone already.
        Err(refusal) if matches!(refusal.code, 10_057 | 10_037 | STREAM_NOT_FOUND) => Ok(()),
        Err(refusal) => Err(refusal.into_error()),
    }
}

/// Reads a reply of JetStream.
pub(super) fn read(body: &[u8]) -> Result<Result<Value, Refusal>, RemoteError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|err| server(format!("the server's answer is no JSON: {err}")))?;
    Ok(match value.get("error") {
        None => Ok(value),
        Some(error) => Err(Refusal {
            code: error.get("err_code").and_then(Value::as_u64).unwrap_or(0),
            why: match error.get("description").and_then(Value::as_str) {
                Some(why) => why.to_owned(),
                None => error.to_string(),
            },
        }),
    })
}

impl Refusal {
    /// Another try may succeed: the server starts, or has no leader.
    pub(super) fn into_error(self) -> RemoteError {
        server(format!("the server refuses: {} ({})", self.why, self.code))
    }

    /// The subject has its one message already.
    pub(super) fn is_second(&self) -> bool {
        self.code == STORE_FAILED && self.why.contains("per subject")
    }
}
