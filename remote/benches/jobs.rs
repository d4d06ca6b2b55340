//! Question: what do jobs cost, beside the same by hand on the same server?
//!
//! N jobs of 128 bytes in and 8 bytes out, the outcome always read back. By hand: publish and wait
//! for the confirmation, pull, publish the outcome and wait for its confirmation, ack and wait; the
//! caller subscribes to the outcomes. That is the least that keeps the promises S1 and S2. Caller
//! and worker are threads of this process with a connection each, the server is a process of its
//! own. Rounds of both are interleaved, and the best of each is printed, with the ratio.
//!
//! `cargo bench -p fast-async-remote --bench jobs`; `-- --test` runs a few jobs of each.
//! `FAST_ASYNC_SYNC=always` has the server write each message to the disk before it confirms it.

#[path = "../tests/support/mod.rs"]
mod support;

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer, stream};
use async_nats::{Client, HeaderMap, Subscriber};
use fast_async::{CancelToken, Task, await_all};
use fast_async_remote::{Call, Queue, Remote};
use futures_util::StreamExt;
use support::server::{Server, Setup, resident};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, Semaphore, oneshot};

const WORK: Call<Vec<u8>, u64> = Call::new("work-v1");

/// What a handler does.
#[derive(Clone, Copy)]
struct Scenario {
    slots: usize,
    nap: Duration,
}

/// Pushes jobs, and waits for what comes of them.
trait Contender {
    /// Pushes so many jobs at once, and waits until the server has confirmed them.
    fn push(&self, count: usize);

    /// Pushes so many jobs at once, and waits for their outcomes.
    fn run(&self, count: usize);
}

fn body() -> Vec<u8> {
    vec![7; 128]
}

/// The library.
struct Ours {
    queue: Queue,
    stop: CancelToken,
    worker: Option<JoinHandle<()>>,
}

impl Ours {
    fn start(url: &str, namespace: &str, scenario: Option<Scenario>) -> Ours {
        let connect = || {
            let options = Remote::options().namespace(namespace);
            options
                .storage_limits(1 << 28, 1 << 28)
                .connect(url)
                .unwrap()
        };
        let stop = CancelToken::new();
        let worker = scenario.map(|Scenario { slots, nap }| {
            let (remote, token) = (connect(), stop.clone());
            thread::spawn(move || {
                let worker = remote.worker("work").slots(slots);
                let worker = worker.serve(&WORK, move |_job, _input| {
                    if !nap.is_zero() {
                        thread::sleep(nap);
                    }
                    Ok(7)
                });
                worker.run_until(&token).unwrap();
            })
        });
        Ours {
            queue: connect().queue("work"),
            stop,
            worker,
        }
    }
}

impl Contender for Ours {
    fn push(&self, count: usize) {
        let pushed: Vec<_> = (0..count)
            .map(|_| self.queue.push(&WORK, body()).stored())
            .collect();
        let (receipts, outcomes): (Vec<_>, Vec<Task<u64>>) = pushed.into_iter().unzip();
        await_all(receipts).unwrap();
        // Their jobs stay in the queue.
        outcomes.into_iter().for_each(Task::detach);
    }

    fn run(&self, count: usize) {
        let jobs: Vec<_> = (0..count)
            .map(|_| self.queue.push(&WORK, body()).send())
            .collect();
        let outcomes = await_all(jobs).unwrap();
        assert!(outcomes.iter().all(|it| *it == 7));
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(worker) = self.worker.take() {
            worker.join().unwrap();
        }
    }
}

/// By hand.
struct Raw {
    runtime: Runtime,
    client: Client,
    namespace: String,
    outcomes: Mutex<Subscriber>,
    next: AtomicU64,
    stop: Option<oneshot::Sender<()>>,
    worker: Option<JoinHandle<()>>,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

impl Raw {
    fn start(url: &str, namespace: &str, scenario: Option<Scenario>) -> Raw {
        let own = runtime();
        let (client, outcomes) = own.block_on(async {
            let client = async_nats::connect(url).await.unwrap();
            let streams = jetstream::new(client.clone());
            let queue = stream::Config {
                name: format!("{namespace}-work"),
                subjects: vec![format!("{namespace}.q.>")],
                retention: stream::RetentionPolicy::WorkQueue,
                discard: stream::DiscardPolicy::New,
                max_bytes: 1 << 28,
                ..Default::default()
            };
            streams.create_stream(queue).await.unwrap();
            let results = stream::Config {
                name: format!("{namespace}-results"),
                subjects: vec![format!("{namespace}.r.>")],
                discard: stream::DiscardPolicy::New,
                discard_new_per_subject: true,
                max_messages_per_subject: 1,
                max_bytes: 1 << 28,
                republish: Some(stream::Republish {
                    source: format!("{namespace}.r.>"),
                    destination: format!("{namespace}.o.>"),
                    headers_only: false,
                }),
                ..Default::default()
            };
            streams.create_stream(results).await.unwrap();
            let outcomes = client.subscribe(format!("{namespace}.o.>")).await.unwrap();
            client.flush().await.unwrap();
            (client, outcomes)
        });
        let (stop, stopped) = oneshot::channel();
        let worker = scenario.map(|scenario| {
            let (url, namespace) = (url.to_owned(), namespace.to_owned());
            thread::spawn(move || {
                runtime().block_on(async {
                    tokio::select! {
                        () = work(&url, &namespace, scenario) => {}
                        _ = stopped => {}
                    }
                });
            })
        });
        Raw {
            runtime: own,
            client,
            namespace: namespace.to_owned(),
            outcomes: Mutex::new(outcomes),
            next: AtomicU64::new(0),
            stop: Some(stop),
            worker,
        }
    }

    async fn publish(&self, count: usize) {
        let streams = jetstream::new(self.client.clone());
        let mut confirmations = Vec::new();
        for _ in 0..count {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let subject = format!("{}.q.work.{number}", self.namespace);
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", number.to_string().as_str());
            let sent = streams.publish_with_headers(subject, headers, body().into());
            confirmations.push(sent.await.unwrap());
        }
        for confirmation in confirmations {
            confirmation.await.unwrap();
        }
    }
}

/// Runs jobs, as many at once as there are slots.
async fn work(url: &str, namespace: &str, scenario: Scenario) {
    let client = async_nats::connect(url).await.unwrap();
    let streams = jetstream::new(client);
    let queue = streams
        .get_stream(format!("{namespace}-work"))
        .await
        .unwrap();
    let settings = consumer::pull::Config {
        durable_name: Some("work".to_owned()),
        ack_wait: Duration::from_secs(15),
        max_ack_pending: -1,
        ..Default::default()
    };
    let pull = queue.create_consumer(settings).await.unwrap();
    let batch = pull.stream().max_messages_per_batch(scenario.slots);
    let mut jobs = batch.messages().await.unwrap();
    let slots = Arc::new(Semaphore::new(scenario.slots));
    while let Some(Ok(job)) = jobs.next().await {
        let slot = slots.clone().acquire_owned().await.unwrap();
        let streams = streams.clone();
        let subject = job.subject.replacen(".q.", ".r.", 1);
        tokio::spawn(async move {
            if !scenario.nap.is_zero() {
                tokio::time::sleep(scenario.nap).await;
            }
            let outcome = 7_u64.to_be_bytes().to_vec();
            let stored = streams.publish(subject, outcome.into()).await.unwrap();
            stored.await.unwrap();
            job.double_ack().await.unwrap();
            drop(slot);
        });
    }
}

impl Contender for Raw {
    fn push(&self, count: usize) {
        self.runtime.block_on(self.publish(count));
    }

    fn run(&self, count: usize) {
        self.runtime.block_on(async {
            let mut outcomes = self.outcomes.lock().await;
            let heard = async {
                for _ in 0..count {
                    let outcome = outcomes.next().await.unwrap();
                    assert_eq!(outcome.payload.len(), 8);
                }
            };
            tokio::join!(self.publish(count), heard);
        });
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Without a worker the receiver is gone.
        let _ = self.stop.take().expect("it is dropped once").send(());
        if let Some(worker) = self.worker.take() {
            worker.join().unwrap();
        }
    }
}

/// Rounds of one contender beside those of the other.
struct Row {
    what: &'static str,
    /// Of each, by hand first: the figure of each round.
    rounds: [Vec<f64>; 2],
    /// The best is the greatest.
    is_rate: bool,
}

impl Row {
    fn print(&self) {
        let better = if self.is_rate { f64::max } else { f64::min };
        let best = |rounds: &[f64]| rounds.iter().copied().reduce(better).unwrap();
        let [raw, ours] = [0, 1].map(|of| best(&self.rounds[of]));
        let cost = if self.is_rate { raw / ours } else { ours / raw };
        println!("{:<44} {raw:>10.0} {ours:>10.0} {cost:>8.2}", self.what);
    }
}

fn measure(
    server: &Server,
    what: &'static str,
    scenario: Option<Scenario>,
    rounds: usize,
    is_rate: bool,
    mut round: impl FnMut(&dyn Contender) -> f64,
) -> Row {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut row = Row {
        what,
        rounds: [Vec::new(), Vec::new()],
        is_rate,
    };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let raw = Raw::start(&server.url(), &format!("raw{number}"), scenario);
    let ours = Ours::start(&server.url(), &format!("ours{number}"), scenario);
    let both: [&dyn Contender; 2] = [&raw, &ours];
    if scenario.is_some() {
        // Streams, consumers and connections are there.
        both.iter().for_each(|it| it.run(1));
    }
    for _ in 0..rounds {
        for (figures, contender) in row.rounds.iter_mut().zip(both) {
            figures.push(round(contender));
        }
    }
    row
}

fn rate(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    count as f64 / start.elapsed().as_secs_f64()
}

/// The time of one job, in microseconds, of which so many in a hundred take no longer.
fn latency(count: usize, part: usize, contender: &dyn Contender) -> f64 {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            contender.run(1);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[count * part / 100].as_secs_f64() * 1e6
}

fn main() {
    let is_test = env::args().any(|it| it == "--test");
    let (jobs, naps, single, rounds) = if is_test {
        (20, 20, 5, 1)
    } else {
        (5000, 2000, 500, 5)
    };
    let sync_always = env::var("FAST_ASYNC_SYNC").is_ok_and(|it| it == "always");
    let server = Server::with(Setup {
        sync_always,
        ..Setup::default()
    });
    let slots = |slots, millis| {
        let nap = Duration::from_millis(millis);
        Some(Scenario { slots, nap })
    };
    println!(
        "fsync: {}",
        if sync_always {
            "each message"
        } else {
            "as the server does"
        }
    );
    println!("{:<44} {:>10} {:>10} {:>8}", "", "by hand", "ours", "cost");
    let row = |what, scenario, is_rate, round: &mut dyn FnMut(&dyn Contender) -> f64| {
        measure(&server, what, scenario, rounds, is_rate, round).print();
    };
    row("pushes confirmed, 1/s", None, true, &mut |it| {
        rate(jobs, || it.push(jobs))
    });
    row("no-op jobs, 1 slot, 1/s", slots(1, 0), true, &mut |it| {
        rate(jobs / 5, || it.run(jobs / 5))
    });
    row("no-op jobs, 8 slots, 1/s", slots(8, 0), true, &mut |it| {
        rate(jobs, || it.run(jobs))
    });
    row(
        "10 ms naps, 64 slots, 1/s",
        slots(64, 10),
        true,
        &mut |it| rate(naps, || it.run(naps)),
    );
    row(
        "one job at a time, median, us",
        slots(1, 0),
        false,
        &mut |it| latency(single, 50, it),
    );
    row(
        "one job at a time, 99 of 100, us",
        slots(1, 0),
        false,
        &mut |it| latency(single, 99, it),
    );
    let (own, of_server) = (resident(std::process::id()), server.resident());
    println!("resident, KiB: {own} of all contenders, {of_server} of the server");
}
