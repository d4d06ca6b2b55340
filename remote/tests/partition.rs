//! Networks fail in silence: nothing settles early, and what was running is done elsewhere.
//!
//! The promises are numbered as in `docs/OPERATING.md`.

mod support;

use std::time::{Duration, Instant};

use support::fleet::{Fleet, value};
use support::names::{ECHO, GATE};
use support::netns;
use support::proxy::Proxy;
use support::server::{Server, Setup};

const LEASE: Duration = Duration::from_secs(2);

/// What a busy machine may add to a promise about time. The time itself is printed.
const SLACK: Duration = Duration::from_secs(10);

// Promise: S3, S5, S15
#[test]
fn the_job_of_a_worker_that_is_cut_off_is_done_elsewhere_once() {
    let (Some(near), Some(far)) = (netns::new(), netns::new()) else {
        return;
    };
    let server = Server::with(Setup {
        address: near.here(),
        ..Setup::default()
    });
    let fleet = Fleet::new(server.url());
    let queue = fleet.queue();
    let worker = |name| fleet.worker(name).slots(1).lease(LEASE);
    let mut first = worker("first").inside(&near).start();
    let task = queue.push(&GATE, 0).id("one").send();
    first.wait_for("begin one 1");
    let mut second = worker("second").inside(&far).connected();
    let cut = Instant::now();
    near.cut();
    second.wait_for("begin one 2");
    let took = cut.elapsed();
    println!("from the cut to the second run: {took:?}, with a lease of {LEASE:?}");
    assert!(took < LEASE + SLACK, "{took:?}");
    second.send("open");
    let second_run = ("second".to_owned(), 2);
    assert_eq!(value(task), second_run);
    near.heal();
    // It hears of the outcome when it is connected again.
    first.wait_for("told one");
    first.wait_for("end one");
    assert_eq!(value(queue.attach(&GATE, "one")), second_run);
    // The healed worker works.
    second.terminate();
    assert!(second.end().success());
    assert_eq!(value(queue.push(&ECHO, 5).send()), (5, ("first".into(), 1)));
    first.terminate();
    assert!(first.end().success());
}

// Promise: S5
#[test]
fn a_worker_whose_connection_outlives_its_lease_is_told() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let proxy = Proxy::new(server.address());
    let queue = fleet.queue();
    let worker = |name| fleet.worker(name).only(&GATE).slots(1).lease(LEASE);
    let mut first = worker("first").url(&proxy.url()).start();
    let task = queue.push(&GATE, 0).id("one").send();
    first.wait_for("begin one 1");
    let mut second = worker("second").connected();
    // For longer than a lease, and not so long that the worker gives the connection up.
    proxy.hold_all();
    second.wait_for("begin one 2");
    proxy.heal();
    second.send("open");
    assert_eq!(value(task), ("second".into(), 2));
    first.wait_for("told one");
    first.wait_for("end one");
    first.terminate();
    assert!(first.end().success());
    let report = first.wait_for("report");
    assert!(report.contains("superseded: 1"), "{report}");
}

// Promise: S15
#[test]
fn a_caller_that_is_cut_off_gets_the_outcomes_later() {
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let proxy = Proxy::new(server.address());
    let queue = fleet.options().connect(&proxy.url()).unwrap().queue("test");
    let mut worker = fleet.worker("only").start();
    let tasks: Vec<_> = (0..8)
        .map(|number| queue.push(&GATE, number).send())
        .collect();
    worker.wait_for_nth(8, "begin");
    proxy.hold_all();
    worker.send("open");
    worker.wait_for_nth(8, "end");
    // Settled at the server, and nothing comes here, for longer than the signs of life take.
    let mut early = Vec::new();
    let start = Instant::now();
    for task in tasks {
        let left = Duration::from_secs(4).saturating_sub(start.elapsed());
        early.push(task.wait_timeout(left).expect_err("nothing settles early"));
    }
    proxy.cut();
    proxy.heal();
    for task in early {
        assert_eq!(value(task), ("only".into(), 1));
    }
}

// Promise: S3, S5, S15
#[test]
fn links_that_break_and_heal_all_the_time_lose_no_outcome() {
    const ROUNDS: u64 = 10;
    const JOBS: u64 = 40;
    let server = Server::start();
    let fleet = Fleet::new(server.url());
    let [mine, first, second] = [(); 3].map(|()| Proxy::new(server.address()));
    for proxy in [&mine, &first, &second] {
        proxy.delay(Duration::from_millis(2));
    }
    let queue = fleet.options().connect(&mine.url()).unwrap().queue("test");
    let workers = [("first", &first), ("second", &second)].map(|(name, proxy)| {
        let worker = fleet.worker(name).url(&proxy.url());
        worker.lease(LEASE).attempts(100).connected()
    });
    for round in 0..ROUNDS {
        let jobs = round * JOBS..(round + 1) * JOBS;
        let tasks: Vec<_> = jobs
            .clone()
            .map(|number| queue.push(&ECHO, number).send())
            .collect();
        let proxy = [&mine, &first, &second][(round % 3) as usize];
        if round % 2 == 0 {
            proxy.cut();
        } else {
            proxy.hold_all();
        }
        // One worker is left, unless it is the caller who was cut off.
        if round % 3 != 0 {
            for (number, task) in jobs.clone().zip(tasks) {
                // A job that the worker held while it was cut off takes a lease longer.
                assert_eq!(value(task).0, number);
            }
            proxy.heal();
        } else {
            proxy.heal();
            for (number, task) in jobs.zip(tasks) {
                assert_eq!(value(task).0, number);
            }
        }
    }
    let runs = support::fleet::runs(&workers);
    let doubled = runs.values().filter(|count| **count > 1).count();
    println!(
        "{ROUNDS} cuts: {} jobs, 0 lost, {doubled} ran twice",
        runs.len()
    );
    assert_eq!(runs.len() as u64, ROUNDS * JOBS);
}
