//! Chaos: four workers and a server, of which one is killed, stopped, continued or restarted every
//! second, and at the end every job has exactly one outcome.
//!
//! `FAST_ASYNC_CHAOS_SECONDS` and `FAST_ASYNC_CHAOS_JOBS` say how long and how many, 20 s and 4,000
//! unless set; `FAST_ASYNC_SEED` repeats the decisions of another run. Run with `--nocapture` for
//! the figures.
//!
//! The promises are numbered as in `docs/OPERATING.md`.

mod support;

use std::collections::BTreeMap;
use std::env;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fast_async::Task;
use support::fleet::{Fleet, value};
use support::names::{NAP, Run};
use support::program::Program;
use support::server::Server;

const WORKERS: usize = 4;

const LEASE: Duration = Duration::from_secs(2);

/// One decision a second, as the promise says.
const BEAT: Duration = Duration::from_secs(1);

/// How long a job takes, so that faults find some that run.
const MILLIS: u64 = 50;

/// The pace of the load and of the faults, which is what this test is. Nothing is waited for.
fn pace(until: Instant) {
    thread::sleep(until.saturating_duration_since(Instant::now()));
}

fn setting(name: &str, default: u64) -> u64 {
    let set = env::var(name).ok().map(|it| it.parse().expect("a number"));
    set.unwrap_or(default)
}

/// Decisions that a seed repeats: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        for shift in [13, -7, 17_i32] {
            let it = self.0;
            self.0 ^= if shift > 0 { it << shift } else { it >> -shift };
        }
        (self.0 % bound as u64) as usize
    }
}

/// A worker that may be gone or stopped.
struct Place {
    program: Program,
    is_stopped: bool,
    is_gone: bool,
}

/// When a worker was killed or stopped, with jobs that it was running.
struct Fault {
    at: Instant,
    /// The worker, and its lines until then.
    ids: Vec<String>,
}

struct Chaos {
    fleet: Fleet,
    server: Server,
    server_is_stopped: bool,
    places: Vec<Place>,
    /// Workers that were replaced.
    gone: Vec<Program>,
    faults: Vec<Fault>,
    random: Random,
    started: usize,
    done: BTreeMap<&'static str, usize>,
}

/// The jobs that began in a program and did not end there.
fn open_jobs(program: &Program) -> Vec<String> {
    let mut open = Vec::new();
    for (_, line) in program.lines() {
        if let Some(begin) = line.strip_prefix("begin ") {
            open.push(begin.rsplit_once(' ').unwrap().0.to_owned());
        } else if let Some(end) = line.strip_prefix("end ") {
            open.retain(|id| id != end);
        }
    }
    open
}

impl Chaos {
    fn new(seed: u64) -> Chaos {
        let server = Server::start();
        let fleet = Fleet::new(server.url());
        let mut chaos = Chaos {
            fleet,
            server,
            server_is_stopped: false,
            places: Vec::new(),
            gone: Vec::new(),
            faults: Vec::new(),
            random: Random(seed | 1),
            started: 0,
            done: BTreeMap::new(),
        };
        for _ in 0..WORKERS {
            let program = chaos.start();
            chaos.places.push(Place {
                program,
                is_stopped: false,
                is_gone: false,
            });
        }
        chaos
    }

    fn start(&mut self) -> Program {
        self.started += 1;
        let name = format!("w{}", self.started);
        // Faults are no failures of the job: there are attempts enough for all of them.
        let worker = self
            .fleet
            .worker(&name)
            .only(&NAP)
            .slots(8)
            .lease(LEASE)
            .attempts(1000);
        worker.grace(Duration::from_millis(200)).start()
    }

    fn note(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Does one harm, or undoes one.
    fn step(&mut self) {
        // What was done to the server lasts for one beat, so that jobs get on.
        if !self.server.is_running() {
            self.server.restart();
            return self.note("server restarted");
        }
        if self.server_is_stopped {
            self.server.cont();
            self.server_is_stopped = false;
            return self.note("server continued");
        }
        match self.random.below(12) {
            0 => {
                self.server.kill_9();
                self.note("server killed");
            }
            1 => {
                self.server.stop();
                self.server_is_stopped = true;
                self.note("server stopped");
            }
            choice => {
                let number = self.random.below(WORKERS);
                self.harm(number, choice);
            }
        }
    }

    fn harm(&mut self, number: usize, choice: usize) {
        if self.places[number].is_gone {
            let next = self.start();
            let place = &mut self.places[number];
            self.gone.push(std::mem::replace(&mut place.program, next));
            place.is_gone = false;
            return self.note("worker restarted");
        }
        let place = &mut self.places[number];
        if place.is_stopped {
            place.program.cont();
            place.is_stopped = false;
            return self.note("worker continued");
        }
        let ids = open_jobs(&place.program);
        let at = Instant::now();
        let what = match choice % 3 {
            0 => {
                place.program.kill_9();
                place.is_gone = true;
                "worker killed"
            }
            1 => {
                place.program.stop();
                place.is_stopped = true;
                "worker stopped"
            }
            _ => {
                place.program.terminate();
                place.is_gone = true;
                "worker ended"
            }
        };
        self.faults.push(Fault { at, ids });
        self.note(what);
    }

    /// Undoes everything.
    fn heal(&mut self) {
        if !self.server.is_running() {
            self.server.restart();
        }
        if self.server_is_stopped {
            self.server.cont();
        }
        for number in 0..WORKERS {
            if self.places[number].is_gone || self.places[number].is_stopped {
                self.harm(number, 0);
            }
        }
    }
}

/// What has become of the jobs.
struct Books {
    jobs: usize,
    /// Jobs that began more than once, and runs beyond the first of each.
    doubled: usize,
    more_runs: usize,
    /// From a fault to the next run of each job that it stopped, sorted.
    recoveries: Vec<Duration>,
}

fn books(programs: &[Program], faults: &[Fault]) -> Books {
    let mut begins: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
    for (at, line) in programs.iter().flat_map(Program::lines) {
        if let Some(begin) = line.strip_prefix("begin ") {
            let id = begin.rsplit_once(' ').unwrap().0.to_owned();
            begins.entry(id).or_default().push(at);
        }
    }
    let mut recoveries = Vec::new();
    for fault in faults {
        for id in &fault.ids {
            // A job that ended in the same moment has no other run.
            let next = begins[id].iter().filter(|at| **at > fault.at).min();
            recoveries.extend(next.map(|at| *at - fault.at));
        }
    }
    recoveries.sort();
    Books {
        jobs: begins.len(),
        doubled: begins.values().filter(|it| it.len() > 1).count(),
        more_runs: begins.values().map(|it| it.len() - 1).sum(),
        recoveries,
    }
}

// Promise: S2, S3, S5, S15
#[test]
fn every_job_has_one_outcome_when_everything_fails_in_turn() {
    let seconds = setting("FAST_ASYNC_CHAOS_SECONDS", 20);
    let jobs = setting("FAST_ASYNC_CHAOS_JOBS", 4000);
    let seed = setting("FAST_ASYNC_SEED", u64::from(std::process::id()));
    println!("chaos: seed {seed}, {jobs} jobs in {seconds} s, {WORKERS} workers, lease {LEASE:?}");
    let mut chaos = Chaos::new(seed);
    // Pushes go on while there is no server.
    let queue = chaos.fleet.options().push_timeout(support::PATIENCE);
    let queue = queue.connect(&chaos.fleet.url).unwrap().queue("test");
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let (pushed, pushes) = mpsc::channel::<(u64, Task<(u64, Run)>)>();
    let pusher = queue.clone();
    let pushing = thread::spawn(move || {
        for number in 0..jobs {
            // Spread over the time; what is late is pushed at once.
            pace(start + Duration::from_secs(seconds) * number as u32 / jobs as u32);
            let task = pusher
                .push(&NAP, (number, MILLIS))
                .id(format!("j{number}"))
                .send();
            pushed.send((number, task)).unwrap();
        }
    });
    let mut next = start + BEAT;
    while next < end {
        pace(next);
        chaos.step();
        next += BEAT;
    }
    pushing.join().unwrap();
    chaos.heal();
    let healed = Instant::now();
    let mut outcomes = Vec::new();
    for (number, task) in pushes {
        let (echoed, run) = value(task);
        assert_eq!(echoed, number, "the outcome of another job");
        outcomes.push(run);
    }
    assert_eq!(outcomes.len() as u64, jobs, "each job has an outcome");
    println!("all outcomes {:?} after the last harm", healed.elapsed());
    // Another waiter sees the same outcome, of the same run.
    let later = chaos.fleet.queue();
    let again: Vec<_> = (0..jobs)
        .map(|n| later.attach(&NAP, &format!("j{n}")))
        .collect();
    for ((number, task), run) in (0..).zip(again).zip(&outcomes) {
        assert_eq!(value(task), (number, run.clone()));
    }
    assert!(later.dead_letters().unwrap().is_empty());
    let mut programs = chaos.gone;
    programs.extend(chaos.places.into_iter().map(|it| it.program));
    let books = books(&programs, &chaos.faults);
    for (what, count) in &chaos.done {
        println!("{count} x {what}");
    }
    let (doubled, more) = (books.doubled, books.more_runs);
    println!("jobs: {}, lost: 0, with two outcomes: 0", books.jobs);
    println!("jobs that ran more than once: {doubled}, runs too many: {more}");
    let found = books.recoveries;
    let at = |part: usize| found.get(found.len() * part / 100).or(found.last());
    println!(
        "jobs that a fault stopped: {}, until they ran elsewhere: median {:?}, worst {:?}",
        found.len(),
        at(50),
        at(100)
    );
    assert_eq!(books.jobs as u64, jobs, "each job ran");
    let stopped = chaos.faults.iter().map(|it| it.ids.len()).sum::<usize>();
    println!(
        "executions: {jobs} jobs, {} faults, {stopped} jobs in them",
        chaos.faults.len()
    );
}
