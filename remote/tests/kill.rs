//! Workers, servers and callers are killed, stopped and restarted, and no accepted job is lost.
//!
//! The promises are numbered as in `docs/OPERATING.md`.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use fast_async::Task;
use fast_async_remote::{Call, RemoteErrorKind};
use support::PATIENCE;
use support::fleet::{Fleet, failure, failure_kind, outcome, runs, value};
use support::names::{ABORT, BURN, ECHO, ENDLESS, FAIL, GATE, Run};
use support::program::Program;
use support::proxy::Proxy;
use support::server::{Server, Setup};

const LEASE: Duration = Duration::from_secs(2);

/// What a busy machine may add to a promise about time. The time itself is printed.
const SLACK: Duration = Duration::from_secs(10);

/// Pushes jobs with the numbers from 0, and their ids.
fn push(fleet: &Fleet, count: u64) -> Vec<Task<(u64, Run)>> {
    let queue = fleet.queue();
    let jobs = (0..count).map(|number| queue.push(&ECHO, number).id(format!("j{number}")).send());
    jobs.collect()
}

/// Waits for all of them, each with its own number.
#[track_caller]
fn all_done(tasks: Vec<Task<(u64, Run)>>) {
    for (number, task) in (0..).zip(tasks) {
        assert_eq!(value(task).0, number);
    }
}

/// The jobs that began more than once.
fn doubled(runs: &BTreeMap<String, usize>) -> usize {
    runs.values().filter(|count| **count > 1).count()
}

/// A worker is killed at a point of a job, five times, and a last worker does the rest.
fn killed_at(point: &str, most_doubled: usize) {
    const JOBS: u64 = 1000;
    const KILLS: usize = 5;
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let tasks = push(&fleet, JOBS);
    let mut workers = Vec::new();
    for number in 0..KILLS {
        let worker = fleet
            .worker(&format!("killed{number}"))
            .slots(1)
            .lease(LEASE);
        let mut worker = worker.only(&ECHO).stop_at(point).start();
        worker.wait_for(&format!("stopped at {point}"));
        worker.kill_9();
        workers.push(worker);
    }
    workers.push(fleet.worker("last").only(&ECHO).lease(LEASE).start());
    all_done(tasks);
    let runs = runs(&workers);
    let doubled = doubled(&runs);
    println!("killed at `{point}` {KILLS} times: {JOBS} jobs, 0 lost, {doubled} ran twice");
    assert_eq!(runs.len() as u64, JOBS, "every job ran");
    assert!(doubled <= most_doubled, "{doubled} jobs ran twice");
}

// Promise: S2
#[test]
fn a_job_survives_a_worker_that_is_killed_when_it_has_received_it() {
    killed_at("received", 0);
}

// Promise: S2
#[test]
fn a_job_survives_a_worker_that_is_killed_while_it_runs() {
    killed_at("running", 5);
}

// Promise: S2, S5
#[test]
fn a_job_whose_outcome_is_stored_is_not_run_again() {
    killed_at("stored", 0);
}

// Promise: S2, S5
#[test]
fn a_job_that_was_not_acknowledged_is_not_run_again() {
    killed_at("before_ack", 0);
}

// Promise: S3
#[test]
fn the_job_of_a_killed_worker_runs_elsewhere_soon() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let mut worst = Duration::ZERO;
    for round in 0..5 {
        let mut first = fleet
            .worker("first")
            .only(&GATE)
            .slots(1)
            .lease(LEASE)
            .start();
        let task = queue.push(&GATE, 0).id(format!("r{round}")).send();
        first.wait_for("begin");
        let mut second = fleet
            .worker("second")
            .only(&GATE)
            .slots(1)
            .lease(LEASE)
            .connected();
        let killed = Instant::now();
        first.kill_9();
        assert_eq!(second.wait_for("begin"), format!("begin r{round} 2"));
        worst = worst.max(killed.elapsed());
        second.send("open");
        assert_eq!(value(task), ("second".into(), 2));
        second.terminate();
        assert!(second.end().success());
    }
    println!("from the kill to the second run, worst of 5: {worst:?}, with a lease of {LEASE:?}");
    assert!(worst < LEASE + SLACK, "{worst:?}");
}

// Promise: S4
#[test]
fn a_worker_keeps_a_job_however_long_and_however_busy_it_is() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let workers = ["first", "second"].map(|name| fleet.worker(name).lease(LEASE).connected());
    let millis = u64::try_from(LEASE.as_millis() * 10).unwrap();
    let run = value(fleet.queue().push(&BURN, millis).send());
    assert_eq!(run.1, 1, "it was the first attempt");
    assert_eq!(runs(&workers).into_values().collect::<Vec<_>>(), [1]);
}

// Promise: S5
#[test]
fn a_worker_that_was_stopped_past_its_lease_is_told_and_its_outcome_is_dropped() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let mut first = fleet
        .worker("first")
        .only(&GATE)
        .slots(1)
        .lease(LEASE)
        .start();
    let task = queue.push(&GATE, 0).id("one").send();
    first.wait_for("begin one 1");
    first.stop();
    let mut second = fleet
        .worker("second")
        .only(&GATE)
        .slots(1)
        .lease(LEASE)
        .start();
    second.wait_for("begin one 2");
    second.send("open");
    let second_run = ("second".to_owned(), 2);
    assert_eq!(value(task), second_run);
    first.cont();
    first.wait_for("told one");
    first.wait_for("end one");
    first.terminate();
    assert!(first.end().success());
    let report = first.wait_for("report");
    assert!(report.contains("superseded: 1"), "{report}");
    // Late, and from another connection: the same.
    assert_eq!(value(queue.attach(&GATE, "one")), second_run);
    assert_eq!(value(fleet.queue().attach(&GATE, "one")), second_run);
}

// Promise: S7
#[test]
fn a_job_that_kills_its_worker_becomes_a_dead_letter() {
    const ATTEMPTS: u32 = 3;
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let task = queue.push(&ABORT, ()).id("poison").send();
    let mut dead = Vec::new();
    let start = || {
        let worker = fleet.worker("victim").slots(1).lease(LEASE);
        worker.attempts(ATTEMPTS).start()
    };
    for attempt in 1..=ATTEMPTS {
        let mut worker = start();
        worker.wait_for(&format!("begin poison {attempt}"));
        assert_eq!(worker.end().code(), None, "it died of a signal");
        dead.push(worker);
    }
    let last = start();
    let error = failure(task);
    assert_eq!(*error.kind(), RemoteErrorKind::Attempts, "{error:?}");
    dead.push(last);
    assert_eq!(runs(&dead)["poison"], ATTEMPTS as usize);
    let letters = queue.dead_letters().unwrap();
    let [letter] = letters.as_slice() else {
        panic!("one dead letter: {letters:?}");
    };
    assert_eq!((letter.id(), letter.function()), ("poison", "abort-v1"));
    assert_eq!(letter.attempts(), ATTEMPTS);
    // The worker that wrote it goes on.
    assert_eq!(value(queue.push(&ECHO, 7).send()).0, 7);
}

// Promise: S7, S8
#[test]
fn a_job_that_fails_is_tried_as_often_as_asked_for() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let worker = fleet.worker("only").attempts(3).start();
    let error = failure(queue.push(&FAIL, ()).id("f").send());
    assert!(error.to_string().contains("broken on purpose"), "{error}");
    assert_eq!((error.worker(), error.attempt()), (Some("only"), 3));
    assert_eq!(worker.count("begin f"), 3);
    let letters = queue.dead_letters().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].attempts(), 3);
}

// Promise: S8
#[test]
fn a_value_of_another_shape_is_not_tried_again() {
    // The name of another call, as a program with a newer type of the same name would use it.
    const NEWER: Call<Vec<String>, (u64, Run)> = Call::new("echo-v1");
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let worker = fleet.worker("only").start();
    let kind = failure_kind(queue.push(&NEWER, vec!["x".into()]).id("n").send());
    assert_eq!(kind, RemoteErrorKind::Decode);
    assert_eq!(worker.count("begin n"), 0);
    assert_eq!(queue.dead_letters().unwrap()[0].attempts(), 1);
    assert_eq!(value(queue.push(&ECHO, 7).send()).0, 7);
}

// Promise: S9
#[test]
fn a_wrong_clock_of_a_worker_changes_nothing() {
    let server = Server::start();
    for clock in ["+1h", "-1h"] {
        let fleet = Fleet::new(server.url());
        let queue = fleet.queue();
        let worker = fleet.worker("wrong").attempts(1).clock(clock).connected();
        let job = queue.push(&ECHO, 1).expires(Duration::from_secs(60));
        let task = job.time_limit(Duration::from_secs(60)).send();
        assert_eq!(value(task).0, 1, "{clock}");
        let limit = Duration::from_millis(500);
        let task = queue.push(&ENDLESS, ()).time_limit(limit).send();
        assert_eq!(failure_kind(task), RemoteErrorKind::TimedOut, "{clock}");
        assert_eq!(worker.count("begin"), 2);
        // No worker serves this queue.
        let other = fleet.remote().queue("other");
        let task = other.push(&ECHO, 2).expires(Duration::from_secs(1)).send();
        assert_eq!(failure_kind(task), RemoteErrorKind::Expired, "{clock}");
    }
}

/// Counts, and waits until it has counted enough.
#[derive(Default)]
struct Counter {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Counter {
    fn add(&self) {
        *self.count.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    #[track_caller]
    fn wait_for(&self, count: usize) {
        let now = self.count.lock().unwrap();
        let (now, _) = self
            .changed
            .wait_timeout_while(now, PATIENCE, |now| *now < count)
            .unwrap();
        assert!(*now >= count, "{} of {count}", *now);
    }
}

// Promise: S15
#[test]
fn a_server_that_is_killed_and_restarted_loses_no_outcome() {
    const ROUNDS: usize = 20;
    const JOBS: usize = 50;
    let mut server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let worker = fleet.worker("only").only(&ECHO).lease(LEASE).connected();
    let settled = Arc::new(Counter::default());
    let mut tasks = Vec::new();
    for round in 0..ROUNDS {
        // Half of the jobs before the kill, half while there is no server.
        let mut push = |numbers: std::ops::Range<usize>| {
            for number in numbers {
                let number = (round * JOBS + number) as u64;
                let counter = settled.clone();
                let task = queue.push(&ECHO, number).id(format!("j{number}")).send();
                tasks.push(task.finally(move || counter.add()));
            }
        };
        push(0..JOBS / 2);
        // In the middle of it.
        settled.wait_for(round * JOBS + JOBS / 4);
        server.kill_9();
        push(JOBS / 2..JOBS);
        server.restart();
    }
    for (number, task) in (0..).zip(tasks) {
        assert_eq!(value(task).0, number);
    }
    assert_eq!(
        *settled.count.lock().unwrap(),
        ROUNDS * JOBS,
        "each settled once"
    );
    let runs = runs(&[worker]);
    println!(
        "{ROUNDS} kills of the server: {} jobs, 0 lost, {} ran twice",
        runs.len(),
        doubled(&runs)
    );
    assert_eq!(runs.len(), ROUNDS * JOBS);
}

// Promise: S15
#[test]
fn a_worker_goes_on_when_the_server_has_forgotten_that_it_lent_a_job() {
    let mut server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let worker = fleet.worker("only").only(&GATE).slots(1).lease(LEASE);
    let mut worker = worker.start();
    let first = queue.push(&GATE, 0).id("first").send();
    worker.wait_for("begin first");
    server.kill_9();
    // As if it had not yet written down that the job is lent.
    let stream = format!("{}-test", fleet.namespace.to_uppercase());
    let consumer = format!("store/jetstream/$G/streams/{stream}/obs/{}", GATE.name());
    std::fs::remove_file(server.path().join(consumer).join("o.dat")).unwrap();
    server.restart();
    worker.send("open");
    value(first);
    value(queue.push(&GATE, 1).id("second").send());
}

// Promise: S15
#[test]
fn a_server_that_stops_for_longer_than_a_lease_loses_no_outcome() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let mut worker = fleet.worker("only").lease(LEASE).start();
    let gated = queue.push(&GATE, 0).id("gated").send();
    worker.wait_for("begin gated");
    server.stop();
    // The job ends while the server hears nothing.
    worker.send("open");
    worker.wait_for("end gated");
    let late = queue.push(&ECHO, 1).send();
    let Err(late) = late.wait_timeout(LEASE + LEASE / 2) else {
        panic!("nothing settles early");
    };
    server.cont();
    assert_eq!(value(gated).0, "only");
    assert_eq!(value(late).0, 1);
}

// Promise: S1, S6
#[test]
fn a_push_whose_confirmation_was_lost_can_be_repeated() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let proxy = Proxy::new(server.address());
    let cut_off = fleet.options().push_timeout(Duration::from_secs(2));
    let queue = cut_off.connect(&proxy.url()).unwrap().queue("test");
    // The first confirmed push has made the streams.
    let (stored, first) = queue.push(&GATE, 0).id("first").stored();
    value(stored);
    // The server stores it, and what it says of it does not arrive.
    proxy.hold_answer_to(&format!("PUB {}.q.", fleet.namespace));
    let (unsure, lost) = queue.push(&GATE, 1).id("second").stored();
    outcome(unsure).expect_err("the confirmation did not come");
    assert_eq!(failure_kind(lost), RemoteErrorKind::Rejected);
    proxy.cut();
    proxy.heal();
    let (joined, again) = queue.push(&GATE, 1).id("second").stored();
    assert!(value(joined).joined(), "the first one was stored");
    let mut worker = fleet.worker("only").connected();
    worker.send("open");
    value(first);
    value(again);
    assert_eq!(runs(&[worker])["second"], 1, "there was one job");
}

// Promise: S6
#[test]
fn pushers_of_one_id_share_its_run() {
    let mut server = Server::with(Setup {
        sync_always: true,
        ..Setup::default()
    });
    let fleet = Fleet::new(server.url());
    let [one, other] = [fleet.queue(), fleet.queue()];
    let (stored, first) = one.push(&GATE, 0).id("same").stored();
    value(stored);
    server.kill_9();
    server.restart();
    let mut tasks = vec![first];
    for number in 0..100 {
        let queue = if number % 2 == 0 { &one } else { &other };
        tasks.push(queue.push(&GATE, 0).id("same").send());
    }
    let mut worker = fleet.worker("only").start();
    worker.wait_for("begin same");
    worker.send("open");
    let outcomes: Vec<Run> = tasks.into_iter().map(value).collect();
    assert!(outcomes.iter().all(|it| *it == outcomes[0]), "{outcomes:?}");
    assert_eq!(value(other.push(&GATE, 0).id("same").send()), outcomes[0]);
    assert_eq!(runs(&[worker])["same"], 1);
}

// Promise: S17
#[test]
fn a_worker_that_is_told_to_end_hands_its_jobs_back() {
    let grace = Duration::from_millis(500);
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    // A lease that would not end in time: the jobs are given back.
    let lease = Duration::from_secs(100);
    let worker = |name| {
        fleet
            .worker(name)
            .only(&GATE)
            .slots(8)
            .lease(lease)
            .grace(grace)
    };
    let mut first = worker("first").start();
    let tasks: Vec<_> = (0..8)
        .map(|number| queue.push(&GATE, number).id(format!("j{number}")).send())
        .collect();
    first.wait_for_nth(8, "begin");
    let mut second = worker("second").connected();
    let told = Instant::now();
    first.terminate();
    second.wait_for_nth(8, "begin");
    let took = told.elapsed();
    println!("from SIGTERM to the eighth run elsewhere: {took:?}, with {grace:?} of grace");
    assert!(took < grace + SLACK, "{took:?}");
    assert!(first.end().success());
    second.send("open");
    for task in tasks {
        // No attempt was counted.
        assert_eq!(value(task), ("second".into(), 1));
    }
    let report = first.wait_for("report");
    assert!(report.contains("handed_back: 8"), "{report}");
}

// Promise: S17
#[test]
fn a_worker_that_is_told_to_end_finishes_what_it_can() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let mut worker: Program = fleet.worker("only").slots(1).grace(PATIENCE).start();
    let running = queue.push(&GATE, 0).id("running").send();
    worker.wait_for("begin running");
    let waiting = queue.push(&ECHO, 1).id("waiting").send();
    worker.terminate();
    worker.send("open");
    assert_eq!(value(running), ("only".into(), 1));
    assert!(worker.end().success());
    assert_eq!(worker.count("begin waiting"), 0, "it takes no new job");
    let _other = fleet.worker("other").start();
    assert_eq!(value(waiting), (1, ("other".into(), 1)));
}

// Promise: S17
#[test]
fn a_worker_that_is_told_to_end_without_a_server_ends() {
    let mut server = Server::start();
    let fleet = Fleet::new(server.url());
    let grace = Duration::from_millis(500);
    let worker = fleet.worker("only").only(&GATE).slots(1).grace(grace);
    let mut worker = worker.start();
    let task = fleet.queue().push(&GATE, 0).send();
    worker.wait_for("begin");
    server.kill_9();
    let told = Instant::now();
    worker.terminate();
    assert!(worker.end().success());
    println!(
        "from SIGTERM to the end, without a server: {:?}",
        told.elapsed()
    );
    drop(task);
}
