//! Streams and consumers: how they must be, and how they are.
//!
//! One that exists with other settings is reported with the difference. It is not used, because a
//! promise may hang on the setting, and not changed, because a person may have meant it.

use std::time::Duration;

use async_nats::Client;
use serde_json::{Map, Value, json};

use super::api::{self, CONSUMER_NOT_FOUND, STREAM_NOT_FOUND};
use crate::engine::ConsumerSettings;
use crate::error::{RemoteError, RemoteErrorKind};
use crate::options::Limits;

/// Within this time the server takes a push with the same id for the first.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// Notes of jobs are kept for so long: longer than a job can reasonably wait for its next attempt.
const NOTES_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2)
}

/// The names of streams and subjects under one namespace.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) namespace: String,
}

impl Names {
    pub(super) fn subject(&self, rest: &str) -> String {
        format!("{}.{rest}", self.namespace)
    }

    pub(super) fn queue(&self, queue: &str) -> String {
        format!("{}-{queue}", self.namespace.to_uppercase())
    }

    pub(super) fn results(&self) -> String {
        self.queue("RESULTS")
    }

    pub(super) fn notes(&self) -> String {
        self.queue("NOTES")
    }

    pub(super) fn dead(&self, queue: &str) -> String {
        self.queue(&format!("DEAD-{queue}"))
    }
}

/// The settings of the stream that holds the jobs of a queue.
pub(super) fn queue(names: &Names, queue: &str, limits: &Limits, has_ttl: bool) -> Value {
    let mut config = json!({
        "name": names.queue(queue),
        "subjects": [names.subject(&format!("q.{queue}.>"))],
        "retention": "workqueue",
        "storage": "file",
        "discard": "new",
        "discard_new_per_subject": true,
        "max_msgs_per_subject": 1,
        "max_msgs": limits.max_jobs.and_then(|it| i64::try_from(it).ok()).unwrap_or(-1),
        "max_bytes": limits.queue_bytes,
        "duplicate_window": nanos(DUPLICATE_WINDOW),
        "num_replicas": limits.replicas,
    });
    if has_ttl {
        config["allow_msg_ttl"] = json!(true);
    }
    config
}

/// The settings of the stream that holds one outcome a job.
pub(super) fn results(names: &Names, limits: &Limits) -> Value {
    json!({
        "name": names.results(),
        "subjects": [names.subject("r.>")],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "discard_new_per_subject": true,
        "max_msgs_per_subject": 1,
        "max_bytes": limits.result_bytes,
        "max_age": nanos(limits.result_ttl),
        "duplicate_window": nanos(DUPLICATE_WINDOW.min(limits.result_ttl)),
        "republish": {"src": names.subject("r.>"), "dest": names.subject("o.>")},
        "num_replicas": limits.replicas,
    })
}

/// The settings of the stream that holds what is known of earlier attempts.
pub(super) fn notes(names: &Names, limits: &Limits) -> Value {
    json!({
        "name": names.notes(),
        "subjects": [names.subject("h.>")],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_msgs_per_subject": 1,
        "max_bytes": limits.result_bytes,
        "max_age": nanos(NOTES_AGE),
        "num_replicas": limits.replicas,
    })
}

/// The settings of the stream of dead letters: with limits, so that tools can look into it.
pub(super) fn dead(names: &Names, queue: &str, limits: &Limits) -> Value {
    json!({
        "name": names.dead(queue),
        "subjects": [names.subject(&format!("d.{queue}.>"))],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_bytes": limits.queue_bytes,
        "duplicate_window": nanos(DUPLICATE_WINDOW),
        "num_replicas": limits.replicas,
    })
}

/// The settings of the consumer of a function.
fn consumer(names: &Names, settings: &ConsumerSettings) -> Value {
    let ConsumerSettings {
        queue,
        function,
        lease,
    } = settings;
    json!({
        "durable_name": function,
        "filter_subject": names.subject(&format!("q.{queue}.{function}.>")),
        "ack_policy": "explicit",
        "ack_wait": nanos(*lease),
        "deliver_policy": "all",
        "replay_policy": "instant",
        // Attempts are counted here: a server that stops to deliver tells no caller.
        "max_deliver": -1,
        // The default stalls a large fleet in silence.
        "max_ack_pending": -1,
        "max_waiting": 16_384,
    })
}

/// Makes a stream unless it is there, with these settings.
pub(super) async fn ensure_stream(client: &Client, wanted: &Value) -> Result<(), RemoteError> {
    let name = wanted["name"].as_str().unwrap_or_default();
    for _ in 0..2 {
        match api::api(client, &format!("STREAM.INFO.{name}"), &Value::Null).await? {
            Ok(info) => return compare("stream", name, wanted, &info["config"]),
            Err(refusal) if refusal.code == STREAM_NOT_FOUND => {}
            Err(refusal) => return Err(refusal.into_error()),
        }
        match api::api(client, &format!("STREAM.CREATE.{name}"), wanted).await? {
            Ok(info) => return compare("stream", name, wanted, &info["config"]),
            // Another one was faster: compare with that.
            Err(refusal) if refusal.code == 10_058 => {}
            Err(refusal) => return Err(unmade("stream", name, &refusal)),
        }
    }
    Err(api::server(format!("the stream `{name}` comes and goes")))
}

fn unmade(what: &str, name: &str, refusal: &api::Refusal) -> RemoteError {
    let why = format!(
        "the {what} `{name}` cannot be made: {} ({})",
        refusal.why, refusal.code
    );
    // Without a leader or while it starts the server answers by 503 of its own kind.
    match refusal.code {
        10_008 | 10_005 | 10_009 | 10_024 | 10_039 => api::server(why),
        _ => RemoteError::new(RemoteErrorKind::Configuration, why),
    }
}

/// Makes a consumer unless it is there, with these settings.
pub(super) async fn ensure_consumer(
    client: &Client,
    names: &Names,
    settings: &ConsumerSettings,
) -> Result<(), RemoteError> {
    let stream = names.queue(&settings.queue);
    let name = &settings.function;
    let wanted = consumer(names, settings);
    let place = format!("{stream}.{name}");
    for _ in 0..2 {
        match api::api(client, &format!("CONSUMER.INFO.{place}"), &Value::Null).await? {
            Ok(info) => return compare("consumer", &place, &wanted, &info["config"]),
            Err(refusal) if refusal.code == CONSUMER_NOT_FOUND => {}
            Err(refusal) => return Err(refusal.into_error()),
        }
        let body = json!({"stream_name": stream, "config": wanted, "action": "create"});
        let made = api::api(client, &format!("CONSUMER.DURABLE.CREATE.{place}"), &body).await?;
        match made {
            // Read again: an old server has changed one that another worker has just made.
            Ok(_) => {}
            Err(refusal) if matches!(refusal.code, 10_148 | 10_013) => {}
            Err(refusal) => return Err(unmade("consumer", &place, &refusal)),
        }
    }
    Ok(())
}

/// Compares the settings that matter with those that are.
fn compare(what: &str, name: &str, wanted: &Value, own: &Value) -> Result<(), RemoteError> {
    let none = Map::new();
    let wanted = wanted.as_object().unwrap_or(&none);
    let mut differences = Vec::new();
    for (setting, wish) in wanted {
        let has = &own[setting.as_str()];
        if !is_same(wish, has) {
            differences.push(format!("`{setting}` is {has} and should be {wish}"));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let why = format!(
        "the {what} `{name}` exists with other settings, and was neither used nor changed: {}",
        differences.join("; ")
    );
    Err(RemoteError::new(RemoteErrorKind::Configuration, why))
}

/// The server leaves out what is false, zero or without bound.
fn is_same(wish: &Value, has: &Value) -> bool {
    let is_none = |it: &Value| {
        it.is_null()
            || it == &json!(false)
            || it == &json!(0)
            || it == &json!(-1)
            || it == &json!("")
    };
    match (wish, has) {
        (Value::Object(wish), Value::Object(has)) => wish
            .iter()
            .all(|(name, it)| is_same(it, has.get(name).unwrap_or(&Value::Null))),
        _ => wish == has || (is_none(wish) && is_none(has)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named() {
        let names = Names {
            namespace: "fa".into(),
        };
        let limits = crate::options::RemoteOptions::new().limits;
        let wanted = results(&names, &limits);
        let mut own = wanted.clone();
        own["sealed"] = json!(false);
        assert!(compare("stream", "x", &wanted, &own).is_ok());
        own["max_age"] = json!(1_000_000_000);
        own["republish"] = Value::Null;
        let error = compare("stream", "x", &wanted, &own).unwrap_err();
        assert_eq!(*error.kind(), RemoteErrorKind::Configuration);
        let text = error.to_string();
        assert!(
            text.contains("`max_age` is 1000000000 and should be 3600000000000"),
            "{text}"
        );
        assert!(text.contains("`republish` is null"), "{text}");
        assert!(!text.contains("max_bytes"), "{text}");
    }
}
