//! One file: whether it is there already, and the tries to get it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use fast_async::retry::{Attempt, Decision};
use fast_async::{BoxError, CancelToken, Pool, Retry, Task, TaskContext, TaskError};
use ureq::Agent;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, RustlsConnector, TcpConnector,
};

use crate::args::Args;
use crate::bars::Bars;
use crate::failure::Failure;
use crate::list::Entry;
use crate::part::{Part, sha256};
use crate::report::reason;
use crate::watch::Watch;

/// No pause between two tries is longer, unless the user or the server asks for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a name may take to resolve, and a connection to open.
const CONNECT: Duration = Duration::from_secs(10);

/// What all files have in common.
pub(crate) struct Fetcher {
    pub(crate) agent: Agent,
    folder: PathBuf,
    tries: u32,
    pause: Duration,
    limit: Option<Duration>,
    stop: CancelToken,
    pool: Pool,
    pub(crate) bars: Bars,
    received: AtomicU64,
}

/// How a file has come to be there.
pub(crate) enum Saved {
    Fetched,
    /// It was there before.
    Kept,
}

impl Fetcher {
    pub(crate) fn new(args: &Args, files: usize, stop: &CancelToken, pool: &Pool) -> Fetcher {
        Fetcher {
            agent: agent(args.stall, stop),
            folder: args.output.clone(),
            tries: args.tries,
            pause: args.pause,
            limit: args.limit,
            stop: stop.clone(),
            pool: pool.clone(),
            bars: Bars::new(files),
            received: AtomicU64::new(0),
        }
    }

    /// How many bytes have come, of all files.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Starts to fetch a file. The task ends soon after a Ctrl-C, or after the time limit.
    pub(crate) fn fetch(self: &Arc<Self>, entry: Entry) -> Task<Saved> {
        let (bars, name) = (self.bars.clone(), entry.name.clone());
        let bar = bars.begin(&name);
        let shown = bar.clone();
        let download = Arc::new(Download {
            part: Part::new(&self.folder, &name),
            fetcher: self.clone(),
            received: AtomicU64::new(0),
            entry,
        });
        let mut task = Task::builder()
            .name(&name)
            .pool(&self.pool)
            .cancel_token(&self.stop)
            .attempt_with(move |context| match download.is_there(context) {
                Ok(true) => Task::ready(Saved::Kept),
                Ok(false) => {
                    let task = download.retry();
                    task.on_event(move |event| shown.show(event));
                    task
                }
                Err(err) => Task::failed(err),
            });
        if let Some(limit) = self.limit {
            task = task.timeout(limit);
        }
        task.on_settled(move |outcome| {
            let problem = outcome.err().filter(|err| !err.is_cancelled());
            bars.end(&bar, problem.map(|err| format!("{name}: {}", reason(err))));
        });
        task
    }
}

/// The client, with connections that a cancel ends.
fn agent(stall: Duration, stop: &CancelToken) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .user_agent(concat!("fetch/", env!("CARGO_PKG_VERSION")))
        .build();
    let stop = stop.clone();
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(Watch { stop, stall })
            .chain(RustlsConnector::default());
    Agent::with_parts(config, connector, DefaultResolver::default())
}

/// One file on its way.
pub(crate) struct Download {
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) entry: Entry,
    pub(crate) part: Part,
    received: AtomicU64,
}

impl Download {
    /// True when the file is there, and is what the list says.
    fn is_there(&self, context: &TaskContext) -> Result<bool, BoxError> {
        let target = &self.part.target;
        if !fs::metadata(target).is_ok_and(|found| found.is_file()) {
            return Ok(false);
        }
        match self.entry.sha256 {
            None => Ok(true),
            Some(expected) => Ok(sha256(target, || context.check())? == expected),
        }
    }

    /// Tries until the file is there, or until too many tries in a row have brought nothing.
    fn retry(self: &Arc<Self>) -> Task<Saved> {
        let Fetcher { pool, pause, .. } = &*self.fetcher;
        let (job, judge) = (self.clone(), self.clone());
        let (mut in_vain, mut before) = (0, 0);
        let policy = Retry::unlimited()
            .exponential(*pause, LONGEST_PAUSE.max(*pause))
            .when(move |error, _| {
                let received = judge.received.load(Relaxed);
                in_vain = if received > before { 1 } else { in_vain + 1 };
                before = received;
                judge.decide(error, in_vain)
            });
        pool.retry(policy, move |attempt: &Attempt| job.attempt(attempt))
    }

    fn decide(&self, error: &TaskError, in_vain: u32) -> Decision {
        let failure = error.downcast_ref::<Failure>();
        if error.is_panic() || failure.is_some_and(Failure::is_final) {
            return Decision::Stop;
        }
        match failure {
            _ if in_vain >= self.fetcher.tries => Decision::Stop,
            Some(Failure::Status {
                pause: Some(pause), ..
            }) => Decision::After(*pause),
            _ => Decision::Again,
        }
    }

    /// Some bytes have come.
    pub(crate) fn note(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
        self.fetcher.received.fetch_add(bytes as u64, Relaxed);
    }
}
