//! From options to a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;

use super::engine::Nats;
use super::layout::Names;
use crate::error::{RemoteError, RemoteErrorKind};
use crate::options::{Credentials, RemoteOptions};
use crate::pubsub::BUFFER;

/// What the callback of the connection notes.
#[derive(Debug)]
pub(super) struct Signs {
    pub(super) connections: watch::Sender<u64>,
    pub(super) dropped: AtomicU64,
    is_cut: AtomicBool,
}

impl Signs {
    fn note(&self, event: &Event) {
        match event {
            Event::Disconnected => self.is_cut.store(true, Ordering::Relaxed),
            Event::Connected if self.is_cut.swap(false, Ordering::Relaxed) => {
                self.connections.send_modify(|it| *it += 1);
            }
            Event::SlowConsumer(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

fn failed(why: impl std::fmt::Display) -> RemoteError {
    let why = format!("no connection: {why}");
    RemoteError::new(RemoteErrorKind::Disconnected, why)
}

/// Connects, and looks what the server can do.
pub(crate) async fn connect(options: RemoteOptions, url: String) -> Result<Nats, RemoteError> {
    let addresses: Result<Vec<ServerAddr>, _> =
        url.split(',').map(|it| it.trim().parse()).collect();
    let addresses = addresses.map_err(|err| failed(format!("`{url}`: {err}")))?;
    let signs = Arc::new(Signs {
        connections: watch::Sender::new(0),
        dropped: AtomicU64::new(0),
        is_cut: AtomicBool::new(false),
    });
    let own = signs.clone();
    let mut wish = ConnectOptions::new()
        .ping_interval(options.ping)
        .connection_timeout(options.connect_timeout)
        .subscription_capacity(BUFFER)
        .require_tls(options.tls)
        .max_reconnects(None)
        .reconnect_delay_callback(|tries| {
            let doubled = 20_u64 << tries.min(6);
            Duration::from_millis(doubled.min(1000))
        })
        .event_callback(move |event| {
            tracing::info!(%event, "nats");
            own.note(&event);
            async {}
        });
    if let Some(name) = &options.name {
        wish = wish.name(name);
    }
    if let Some(roots) = options.roots.clone() {
        wish = wish.add_root_certificates(roots);
    }
    wish = match options.credentials.clone() {
        None => wish,
        Some(Credentials::Password(user, password)) => wish.user_and_password(user, password),
        Some(Credentials::Token(token)) => wish.token(token),
    };
    let connected = tokio::time::timeout(options.connect_timeout, wish.connect(addresses));
    let client = match connected.await {
        Ok(Ok(client)) => client,
        Ok(Err(err)) => return Err(failed(format!("`{url}`: {err}"))),
        Err(_) => {
            let limit = options.connect_timeout;
            return Err(failed(format!("`{url}`: no answer within {limit:?}")));
        }
    };
    let version = client.server_info().version;
    let has_ttl = client.is_server_compatible(2, 11, 0);
    let mut missing = Vec::new();
    if !has_ttl {
        missing.push(format!(
            "`expires` needs a server of version 2.11, and this is {version}"
        ));
    }
    let names = Names {
        namespace: options.namespace,
    };
    Ok(Nats::new(
        client,
        names,
        options.limits,
        signs,
        missing,
        has_ttl,
    ))
}
