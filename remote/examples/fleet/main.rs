//! A worker for the tests of several processes: it tells what it runs, and does harm on request.
//!
//! `fleet --url URL --namespace NAME --queue NAME --name NAME [--slots N] [--lease MS]
//! [--attempts N] [--grace MS] [--pause MS] [--serve FUNCTION,..]`
//!
//! It says `begin ID ATTEMPT` and `end ID` for each run, `told ID` when a token was raised, and
//! `report ..` at its end, which SIGTERM brings about. The line `open` on its input opens the gate.

#[path = "../../tests/support/names.rs"]
mod names;

use std::error::Error;
use std::io::stdin;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fast_async::{BoxError, CancelToken, spawn};
use fast_async_remote::{Job, Remote, RemoteError};
use names::{ABORT, BURN, ECHO, ENDLESS, FAIL, GATE, NAP, PANIC, Run};

/// What the command line says.
struct Args {
    url: String,
    namespace: String,
    queue: String,
    name: String,
    slots: usize,
    lease: Duration,
    attempts: u32,
    grace: Duration,
    pause: Duration,
    /// Empty: all.
    serve: String,
}

impl Args {
    fn serves(&self, function: &str) -> bool {
        self.serve.is_empty() || self.serve.split(',').any(|it| it == function)
    }
}

fn args() -> Result<Args, lexopt::Error> {
    use lexopt::prelude::*;
    let mut args = Args {
        url: String::new(),
        namespace: "fa".into(),
        queue: "test".into(),
        name: "worker".into(),
        slots: 8,
        lease: Duration::from_secs(15),
        attempts: 5,
        grace: Duration::from_secs(10),
        pause: Duration::from_millis(10),
        serve: String::new(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        let Long(name) = arg else {
            return Err(arg.unexpected());
        };
        let name = name.to_owned();
        let value = parser.value()?;
        let millis = || value.parse().map(Duration::from_millis);
        match name.as_str() {
            "url" => args.url = value.string()?,
            "namespace" => args.namespace = value.string()?,
            "queue" => args.queue = value.string()?,
            "name" => args.name = value.string()?,
            "slots" => args.slots = value.parse()?,
            "lease" => args.lease = millis()?,
            "attempts" => args.attempts = value.parse()?,
            "grace" => args.grace = millis()?,
            "pause" => args.pause = millis()?,
            "serve" => args.serve = value.string()?,
            _ => return Err(format!("there is no option --{name}").into()),
        }
    }
    Ok(args)
}

/// Opened once, by a line on the input.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Waits until it is open; false: the token was raised before.
    fn wait(self: &Arc<Gate>, token: &CancelToken) -> bool {
        let own = Arc::clone(self);
        let told = token.on_cancel(move || {
            // A waiter looks at the token under this lock.
            drop(own.is_open.lock().unwrap());
            own.changed.notify_all();
        });
        let is_open = self.is_open.lock().unwrap();
        let waits = |is_open: &mut bool| !*is_open && !token.is_cancelled();
        let was_open = *self.changed.wait_while(is_open, waits).unwrap();
        drop(told);
        was_open
    }
}

/// Says that a run begins and that it ends.
fn told<T>(job: &Job, name: &str, work: impl FnOnce(Run) -> T) -> T {
    println!("begin {} {}", job.id(), job.attempt());
    let value = work((name.to_owned(), job.attempt()));
    println!("end {}", job.id());
    value
}

/// Keeps every processor and every thread of the pool busy.
fn burn(until: Instant) {
    let spin = move || {
        let mut sum = 0_u64;
        while Instant::now() < until {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 7);
        }
        sum
    };
    // Half of them spin, the others block.
    let tasks: Vec<_> = (0..16)
        .map(|_| spawn(move || spawn(spin).wait().unwrap_or(0)))
        .collect();
    for task in tasks {
        task.wait().unwrap();
    }
}

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken on purpose")
    }
}

impl Error for Broken {}

/// Connects, also while the server is being restarted.
fn connect(args: &Args) -> Result<Remote, RemoteError> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let connected = Remote::options()
            .namespace(&args.namespace)
            .name(&args.name)
            .ping(Duration::from_secs(1))
            .connect_timeout(Duration::from_secs(10))
            .connect(&args.url);
        match connected {
            // A refusal comes at once: the server is given a moment.
            Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(100)),
            connected => return connected,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = args()?;
    let stop = CancelToken::new();
    let stopper = stop.clone();
    ctrlc::set_handler(move || {
        stopper.cancel();
    })?;
    let gate = Arc::new(Gate::default());
    let opener = gate.clone();
    thread::spawn(move || {
        for line in stdin().lines().map_while(Result::ok) {
            if line == "open" {
                opener.open();
            }
        }
    });
    let remote = connect(&args)?;
    println!("connected");
    let [echo, napping, gated, burning] = [(); 4].map(|()| args.name.clone());
    let mut worker = remote
        .worker(&args.queue)
        .name(&args.name)
        .slots(args.slots)
        .lease(args.lease)
        .attempts(args.attempts)
        .grace(args.grace)
        .pause(args.pause);
    if args.serves(ECHO.name()) {
        worker = worker.serve(&ECHO, move |job: Job, input: u64| -> Result<_, BoxError> {
            Ok(told(&job, &echo, |run| (input, run)))
        });
    }
    if args.serves(NAP.name()) {
        worker = worker.serve(
            &NAP,
            move |job: Job, (input, millis): (u64, u64)| -> Result<_, BoxError> {
                Ok(told(&job, &napping, |run| {
                    thread::sleep(Duration::from_millis(millis));
                    (input, run)
                }))
            },
        );
    }
    if args.serves(GATE.name()) {
        worker = worker.serve(&GATE, move |job: Job, _input: u64| -> Result<_, BoxError> {
            Ok(told(&job, &gated, |run| {
                if !gate.wait(job.token()) {
                    println!("told {}", job.id());
                }
                // It returns its value even then: the store has to refuse it.
                run
            }))
        });
    }
    if args.serves(BURN.name()) {
        worker = worker.serve(&BURN, move |job: Job, millis: u64| -> Result<_, BoxError> {
            Ok(told(&job, &burning, |run| {
                burn(Instant::now() + Duration::from_millis(millis));
                run
            }))
        });
    }
    if args.serves(ABORT.name()) {
        worker = worker.serve(&ABORT, |job: Job, ()| -> Result<(), BoxError> {
            told(&job, "", |_| std::process::abort())
        });
    }
    if args.serves(FAIL.name()) {
        worker = worker.serve(&FAIL, |job: Job, ()| -> Result<(), BoxError> {
            told(&job, "", |_| Err(Box::new(Broken) as BoxError))
        });
    }
    if args.serves(PANIC.name()) {
        worker = worker.serve(&PANIC, |job: Job, ()| -> Result<(), BoxError> {
            told(&job, "", |_| panic!("panicked on purpose"))
        });
    }
    if args.serves(ENDLESS.name()) {
        worker = worker.serve(&ENDLESS, |job: Job, ()| -> Result<(), BoxError> {
            told(&job, "", |_| {
                Arc::new(Gate::default()).wait(job.token());
                Ok(job.check()?)
            })
        });
    }
    let report = worker.run_until(&stop)?;
    println!("report {report:?}");
    Ok(())
}
