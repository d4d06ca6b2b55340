//! `RemoteOptions`: how to connect, and what streams look like that do not exist yet.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::RemoteError;
use crate::remote::Remote;

/// What a store keeps, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) result_ttl: Duration,
    pub(crate) queue_bytes: i64,
    pub(crate) result_bytes: i64,
    pub(crate) max_jobs: Option<u64>,
    pub(crate) replicas: usize,
}

/// How to prove to the server who this is.
#[derive(Clone)]
pub(crate) enum Credentials {
    Password(String, String),
    Token(String),
}

/// Options of a [`Remote`]; see [`Remote::options`].
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use fast_async_remote::Remote;
///
/// let remote = Remote::options()
///     .name("thumbnails")
///     .user_and_password("app", "secret")
///     .require_tls(true)
///     .result_ttl(Duration::from_secs(600))
///     .connect("tls://nats.example:4222")?;
/// # Ok::<(), fast_async_remote::RemoteError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct RemoteOptions {
    pub(crate) name: Option<String>,
    pub(crate) namespace: String,
    pub(crate) ping: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) push_timeout: Duration,
    pub(crate) limits: Limits,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) roots: Option<PathBuf>,
    pub(crate) tls: bool,
}

impl std::fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteOptions")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl RemoteOptions {
    pub(crate) fn new() -> RemoteOptions {
        RemoteOptions {
            name: None,
            namespace: "fa".into(),
            ping: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            push_timeout: Duration::from_secs(30),
            limits: Limits {
                result_ttl: Duration::from_secs(3600),
                queue_bytes: 1 << 30,
                result_bytes: 1 << 30,
                max_jobs: None,
                replicas: 1,
            },
            credentials: None,
            roots: None,
            tls: false,
        }
    }

    /// Sets the name under which the server lists this connection, and failures name its workers.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the first token of all subjects, and the prefix of all streams; `fa` unless set.
    /// Programs with different namespaces share a server and nothing else.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets the time between two signs of life, 5 s unless set. A connection that is cut without a
    /// word is noticed after two to three of them.
    pub fn ping(mut self, interval: Duration) -> Self {
        self.ping = interval;
        self
    }

    /// Sets how long [`connect`](RemoteOptions::connect) may take, 5 s unless set.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets how long a push is repeated until the server has confirmed it, 30 s unless set. It
    /// should be shorter than the two minutes in which the server knows duplicates.
    pub fn push_timeout(mut self, limit: Duration) -> Self {
        self.push_timeout = limit.min(Duration::from_secs(110));
        self
    }

    /// Sets how long outcomes are kept, 1 h unless set. Later, [`attach`](crate::Queue::attach)
    /// fails as [`ResultExpired`](crate::RemoteErrorKind::ResultExpired).
    pub fn result_ttl(mut self, time: Duration) -> Self {
        self.limits.result_ttl = time;
        self
    }

    /// Sets how many bytes a queue, and the store of all outcomes, may hold: 1 GiB each unless set.
    pub fn storage_limits(mut self, queue_bytes: u64, result_bytes: u64) -> Self {
        self.limits.queue_bytes = queue_bytes.min(i64::MAX as u64) as i64;
        self.limits.result_bytes = result_bytes.min(i64::MAX as u64) as i64;
        self
    }

    /// Sets how many jobs a queue may hold. A push to a full queue fails as
    /// [`Full`](crate::RemoteErrorKind::Full).
    pub fn max_jobs(mut self, count: u64) -> Self {
        self.limits.max_jobs = Some(count);
        self
    }

    /// Sets on how many servers of a cluster each stream is kept; 1 unless set.
    pub fn replicas(mut self, count: usize) -> Self {
        self.limits.replicas = count;
        self
    }

    /// Proves who this is by a name and a password.
    pub fn user_and_password(
        mut self,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.credentials = Some(Credentials::Password(user.into(), password.into()));
        self
    }

    /// Proves who this is by a token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::Token(token.into()));
        self
    }

    /// Trusts the certificates in this file, in the PEM format, beside those of the system.
    pub fn root_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots = Some(path.into());
        self
    }

    /// Refuses a connection without TLS.
    pub fn require_tls(mut self, required: bool) -> Self {
        self.tls = required;
        self
    }

    /// Connects to a server, or to the servers of a cluster, with commas between.
    ///
    /// # Errors
    ///
    /// See [`Remote::connect`].
    pub fn connect(self, url: &str) -> Result<Remote, RemoteError> {
        Remote::open(self, Some(url))
    }

    /// Returns a `Remote` without a server; see [`Remote::local`].
    ///
    /// # Errors
    ///
    /// If the system refuses a thread.
    pub fn local(self) -> Result<Remote, RemoteError> {
        Remote::open(self, None)
    }
}
