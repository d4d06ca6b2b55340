//! The loops that bring deliveries to a worker, and the end of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::calls;
use super::crew::{Crew, Served, Stage};
use super::notice::Notice;
use super::run;
use super::slots::{Slot, Taker};
use crate::codec::{self, Kind};
use crate::engine::{Consumer, ConsumerSettings, Delivery};
use crate::error::RemoteError;

/// How long a worker with one function waits for jobs at a time; with more, the slots are dealt
/// out again so often.
const WAIT: Duration = Duration::from_secs(5);
const SHORT_WAIT: Duration = Duration::from_millis(250);

/// How often it is looked whether jobs wait for other jobs, while all slots are taken.
const TICK: Duration = Duration::from_millis(5);

/// After the last wish a job may still be on its way here for so long.
const LINGER: Duration = Duration::from_millis(200);

/// Works until the worker is to end, and everything has ended.
pub(super) async fn run(crew: Arc<Crew>) -> Result<(), RemoteError> {
    let mut sources: Vec<(Served, Arc<dyn Consumer>)> = Vec::new();
    for served in &crew.served {
        let settings = ConsumerSettings {
            queue: crew.queue.clone(),
            function: served.function.to_owned(),
            lease: crew.lease,
        };
        let consumer = crew.core.engine.consumer(&settings).await?;
        sources.push((served.clone(), Arc::from(consumer)));
    }
    let mut aside = JoinSet::new();
    let mut answers = JoinSet::new();
    aside.spawn(hear_cancels(crew.clone(), format!("c.{}", crew.queue)));
    for served in &crew.served {
        let limit = crew.slots.total();
        aside.spawn(hear_cancels(crew.clone(), format!("k.{}", served.function)));
        answers.spawn(calls::answer(crew.clone(), served.clone(), limit));
    }
    let mut pulls = JoinSet::new();
    let of = sources.len().max(1);
    for (number, (served, consumer)) in sources.into_iter().enumerate() {
        let taker = Taker {
            number,
            of,
            is_idle: false,
        };
        pulls.spawn(pull(crew.clone(), served, consumer, taker));
    }
    is_over(&mut crew.stage.subscribe()).await;
    drop(answers);
    let end = Instant::now() + crew.grace;
    while crew.is_busy() && Instant::now() < end {
        sleep(TICK).await;
    }
    crew.end();
    while pulls.join_next().await.is_some() {}
    while crew.is_busy() {
        sleep(TICK).await;
    }
    Ok(())
}

/// Waits until no new jobs are wanted.
async fn is_over(stage: &mut watch::Receiver<Stage>) {
    let _ = stage.wait_for(|stage| *stage != Stage::Working).await;
}

async fn hear_cancels(crew: Arc<Crew>, subject: String) {
    let mut cancels = loop {
        match crew.core.engine.subscribe(&subject, None).await {
            Ok(cancels) => break cancels,
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    };
    let notice = match subject.starts_with("k.") {
        true => Notice::Cancelled,
        false => Notice::Superseded,
    };
    while let Some(message) = cancels.recv().await {
        match codec::open::<String>(Kind::Cancel, &message.body) {
            Ok(key) => crew.note_cancel(&key, notice),
            Err(error) => tracing::warn!(subject, %error, "a cancel that is none was dropped"),
        }
    }
}

/// Asks for jobs whenever slots are free.
async fn pull(crew: Arc<Crew>, served: Served, consumer: Arc<dyn Consumer>, mut taker: Taker) {
    let wait = if taker.of == 1 { WAIT } else { SHORT_WAIT };
    let idle = Arc::new(AtomicBool::new(false));
    let mut fetches = JoinSet::new();
    while crew.is_working() {
        let changed = crew.slots.changed.notified();
        let mut stage = crew.stage.subscribe();
        taker.is_idle = taker.of > 1 && idle.load(Ordering::Relaxed);
        let slots = crew.slots.take(taker, crew.waiting());
        if !slots.is_empty() {
            let fetch = fetch(crew.clone(), served.clone(), consumer.clone(), slots, wait);
            let idle = idle.clone();
            fetches.spawn(async move { idle.store(!fetch.await, Ordering::Relaxed) });
        }
        let tick = async {
            match crew.has_running() {
                true => sleep(TICK).await,
                false => sleep(WAIT).await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = tick => {}
            () = is_over(&mut stage) => {}
            _ = fetches.join_next(), if !fetches.is_empty() => {}
        }
    }
    while fetches.join_next().await.is_some() {}
}

/// A delivery that is not acked yet.
struct Active(Arc<Crew>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks for as many jobs as there are slots, and runs what comes. Returns true if something came.
async fn fetch(
    crew: Arc<Crew>,
    served: Served,
    consumer: Arc<dyn Consumer>,
    mut slots: Vec<Slot>,
    wait: Duration,
) -> bool {
    let (to, mut from) = mpsc::channel::<Box<dyn Delivery>>(slots.len());
    let count = slots.len();
    let mut connections = crew.core.engine.connections();
    connections.mark_unchanged();
    let mut stage = crew.stage.subscribe();
    let asking = async { consumer.fetch(count, wait, to).await };
    tokio::pin!(asking);
    let mut asked = false;
    loop {
        tokio::select! {
            biased;
            delivery = from.recv() => match delivery {
                Some(delivery) => begin(&crew, &served, delivery, slots.pop()),
                None => break,
            },
            () = is_over(&mut stage) => break,
            // What the old connection was asked for does not come.
            _ = connections.changed() => {
                while let Ok(delivery) = from.try_recv() {
                    begin(&crew, &served, delivery, slots.pop());
                }
                return slots.len() < count;
            }
            answer = &mut asking, if !asked => {
                asked = true;
                if let Err(error) = answer {
                    tracing::warn!(%error, queue = crew.queue, "no jobs");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    // Jobs that are on their way are handed back, and not left to their lease.
    let end = Instant::now() + LINGER;
    while !asked && !slots.is_empty() {
        tokio::select! {
            biased;
            delivery = timeout(end.saturating_duration_since(Instant::now()), from.recv()) => {
                match delivery {
                    Ok(Some(delivery)) => begin(&crew, &served, delivery, slots.pop()),
                    _ => break,
                }
            }
            _ = &mut asking => break,
        }
    }
    slots.len() < count
}

fn begin(crew: &Arc<Crew>, served: &Served, delivery: Box<dyn Delivery>, slot: Option<Slot>) {
    let Some(mut slot) = slot else {
        // More than was asked for: it goes to another worker when its lease ends.
        tracing::warn!(
            queue = crew.queue,
            "the server sent more jobs than it was asked for"
        );
        return;
    };
    slot.work();
    let (crew, served) = (crew.clone(), served.clone());
    crew.active.fetch_add(1, Ordering::Relaxed);
    tokio::spawn(async move {
        let _active = Active(crew.clone());
        if crew.is_working() {
            run::run(crew, served.function, served.work, delivery, slot).await;
        } else {
            run::decline(crew, served.function, delivery).await;
        }
    });
}
