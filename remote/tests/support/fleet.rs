//! `Fleet`: one queue on a server, its caller in this process, and workers in others.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fast_async::{Task, TaskError};
use fast_async_remote::{Call, Queue, Remote, RemoteError, RemoteErrorKind, RemoteOptions};

use super::netns::Netns;
use super::program::{Program, example};
use super::{PATIENCE, number};

/// A namespace on a server. The queue in it is called `test`.
pub(crate) struct Fleet {
    pub(crate) url: String,
    pub(crate) namespace: String,
}

/// How a worker is started.
pub(crate) struct WorkerCommand {
    name: String,
    args: Vec<OsString>,
    envs: Vec<(&'static str, OsString)>,
    netns: Option<String>,
}

impl Fleet {
    pub(crate) fn new(url: String) -> Fleet {
        let namespace = format!("t{}", number());
        Fleet { url, namespace }
    }

    pub(crate) fn options(&self) -> RemoteOptions {
        Remote::options()
            .namespace(&self.namespace)
            .ping(Duration::from_secs(1))
            .connect_timeout(PATIENCE)
    }

    pub(crate) fn remote(&self) -> Remote {
        self.options().connect(&self.url).unwrap()
    }

    pub(crate) fn queue(&self) -> Queue {
        self.remote().queue("test")
    }

    pub(crate) fn worker(&self, name: &str) -> WorkerCommand {
        let worker = WorkerCommand {
            name: name.to_owned(),
            args: Vec::new(),
            envs: Vec::new(),
            netns: None,
        };
        worker
            .arg("--url", &self.url)
            .arg("--namespace", &self.namespace)
            .arg("--name", name)
    }
}

impl WorkerCommand {
    fn arg(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.args.extend([name.into(), value.into()]);
        self
    }

    pub(crate) fn slots(self, count: usize) -> Self {
        self.arg("--slots", count.to_string())
    }

    pub(crate) fn attempts(self, count: u32) -> Self {
        self.arg("--attempts", count.to_string())
    }

    pub(crate) fn lease(self, lease: Duration) -> Self {
        self.arg("--lease", lease.as_millis().to_string())
    }

    pub(crate) fn grace(self, grace: Duration) -> Self {
        self.arg("--grace", grace.as_millis().to_string())
    }

    pub(crate) fn pause(self, pause: Duration) -> Self {
        self.arg("--pause", pause.as_millis().to_string())
    }

    /// Serves one function. A worker with one slot and several would have to deal it out.
    pub(crate) fn only<In, Out>(self, call: &Call<In, Out>) -> Self {
        self.arg("--serve", call.name())
    }

    /// Goes another way to the server.
    pub(crate) fn url(self, url: &str) -> Self {
        self.arg("--url", url)
    }

    /// Stops at this point of its first job, says `stopped at`, and waits to be killed.
    pub(crate) fn stop_at(mut self, point: &str) -> Self {
        self.envs.push(("FAST_ASYNC_REMOTE_STOP", point.into()));
        self
    }

    /// Has a wall clock that is wrong by so much, as `faketime` writes it.
    pub(crate) fn clock(mut self, offset: &str) -> Self {
        let library = faketime();
        self.envs.extend([
            ("LD_PRELOAD", library.into()),
            ("FAKETIME", offset.into()),
            // Clocks that only go forward are right on every machine.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]);
        self
    }

    pub(crate) fn inside(mut self, netns: &Netns) -> Self {
        self.netns = Some(netns.name().to_owned());
        self
    }

    /// Starts the program; does not wait for anything.
    pub(crate) fn start(self) -> Program {
        let program = example("fleet");
        let mut command = match &self.netns {
            None => Command::new(program),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program);
                command
            }
        };
        command.args(&self.args).envs(self.envs);
        Program::start(&self.name, &mut command)
    }

    /// Starts the program, and returns when it is connected.
    pub(crate) fn connected(self) -> Program {
        let program = self.start();
        program.wait_for("connected");
        program
    }
}

/// Where Debian has the library of `faketime`, which `.ci/nats` installs. The program of that name
/// would be a process between.
fn faketime() -> &'static str {
    let places = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    ];
    let found = places.into_iter().find(|it| Path::new(it).exists());
    found.expect("faketime is installed: run `.ci/nats`")
}

/// The outcome, or the test fails at the deadline.
#[track_caller]
pub(crate) fn outcome<T: Send + 'static>(task: Task<T>) -> Result<T, TaskError> {
    let outcome = task.wait_timeout(PATIENCE);
    outcome.unwrap_or_else(|_| panic!("the task is not settled after {PATIENCE:?}"))
}

#[track_caller]
pub(crate) fn value<T: Send + 'static>(task: Task<T>) -> T {
    outcome(task).unwrap_or_else(|err| panic!("{err:?}"))
}

/// The failure as it came from elsewhere.
#[track_caller]
pub(crate) fn failure<T: Send + std::fmt::Debug + 'static>(task: Task<T>) -> RemoteError {
    let error = outcome(task).expect_err("the task fails");
    let remote = error.downcast_ref::<RemoteError>();
    remote
        .unwrap_or_else(|| panic!("{error:?} is not remote"))
        .clone()
}

#[track_caller]
pub(crate) fn failure_kind<T: Send + std::fmt::Debug + 'static>(task: Task<T>) -> RemoteErrorKind {
    failure(task).kind().clone()
}

/// How often each job began, by its id, in all these programs.
pub(crate) fn runs(programs: &[Program]) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in programs.iter().flat_map(Program::lines) {
        if let Some(begin) = line.1.strip_prefix("begin ") {
            let (id, _attempt) = begin.rsplit_once(' ').expect("an id and an attempt");
            *runs.entry(id.to_owned()).or_default() += 1;
        }
    }
    runs
}
