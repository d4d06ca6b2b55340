//! Performs a program for one thread with the topics themselves.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

// Not the standard library's: the thread sanitizer does not see through it.
use parking_lot::Mutex;

use fast_async::topic::{PublishError, Receiver, Topic};
use fast_async::{ErrorKind, Pool, Subscription, Task};

use crate::PANIC;
use crate::program::{Deed, Event, Fate, Program, Script, Which, derived};
use crate::programs::LIMIT;

/// A value that is counted as long as it is there.
pub(crate) struct Value(u32, Arc<()>);

pub(crate) struct World {
    topics: [Topic<Value>; 2],
    items: Mutex<Items>,
    trace: Mutex<Vec<Event>>,
    published: AtomicU32,
    values: Arc<()>,
    /// What is kept is delivered by a job of this pool.
    pool: Option<Pool>,
}

/// What was made so far; `None`: it was used up. No topic is called under its lock in a way that
/// may call back.
#[derive(Default)]
struct Items {
    subscriptions: Vec<Option<Subscription>>,
    receivers: Vec<Option<Receiver<Value>>>,
    nexts: Vec<Option<Task<Arc<Value>>>>,
}

impl World {
    pub(crate) fn new(program: &Program, pool: &Pool) -> Arc<World> {
        let pool = program.keeps().then(|| pool.clone());
        let source = pool.as_ref().map_or_else(Topic::new, Pool::topic);
        let source = source.replay(program.kept.0).hold(program.kept.1);
        let map = source.map(|value: &Value| Value(derived(value.0), value.1.clone()));
        Arc::new(World {
            topics: [source, map],
            items: Mutex::default(),
            trace: Mutex::default(),
            published: AtomicU32::new(0),
            values: Arc::new(()),
            pool,
        })
    }

    fn topic(&self, which: Which) -> &Topic<Value> {
        &self.topics[which as usize]
    }

    /// Does what the program does, and returns what is seen of it.
    pub(crate) fn perform(self: &Arc<Self>, deed: &Deed) -> Vec<Event> {
        self.act(deed);
        self.rest();
        let stands = {
            let items = self.items.lock();
            let there = items.receivers.iter().flatten();
            Event::Stands(
                self.topics.each_ref().map(Topic::subscribers),
                self.topics.each_ref().map(Topic::is_closed),
                there.map(|it| (it.pending(), it.lost())).collect(),
            )
        };
        self.note(stands);
        mem::take(&mut *self.trace.lock())
    }

    /// Waits for the jobs that deliver.
    fn rest(&self) {
        if let Some(pool) = &self.pool {
            assert!(pool.wait_idle(LIMIT), "the pool does not come to rest");
        }
    }

    fn note(&self, event: Event) {
        self.trace.lock().push(event);
    }

    fn act(self: &Arc<Self>, deed: &Deed) {
        match deed {
            Deed::Publish(which) => {
                let n = 1 + self.published.fetch_add(1, Ordering::Relaxed);
                let published = self.topic(*which).publish(Value(n, self.values.clone()));
                let outcome = published.map_err(|error| match error {
                    PublishError::Closed(_) => "closed",
                    PublishError::Full(_) => "full",
                });
                self.note(Event::Published(n, outcome));
            }
            Deed::Subscribe(which, script) => self.subscribe(*which, script.clone()),
            Deed::Unsubscribe(pick) => {
                let taken = take(&mut self.items.lock().subscriptions, *pick);
                if let Some((own, subscription)) = taken {
                    self.note(Event::Unsubscribed(own, subscription.unsubscribe()));
                }
            }
            Deed::Receive(which, limit, overflow) => {
                let receiver = self.topic(*which).receiver(*limit, *overflow);
                self.items.lock().receivers.push(Some(receiver));
            }
            Deed::Take(pick) => {
                let taken = take(&mut self.items.lock().receivers, *pick);
                if let Some((own, mut receiver)) = taken {
                    let value = receiver.try_recv().map(|it| (it.seq(), it.0));
                    self.items.lock().receivers[own] = Some(receiver);
                    self.note(Event::Took(own, value));
                }
            }
            Deed::Leave(pick) => {
                let taken = take(&mut self.items.lock().receivers, *pick);
                drop(taken);
            }
            Deed::Next(which) => {
                let next = self.topic(*which).next();
                self.items.lock().nexts.push(Some(next));
            }
            Deed::Cancel(pick) => {
                let taken = take(&mut self.items.lock().nexts, *pick);
                if let Some((own, next)) = taken {
                    let outcome = format!("{:?}", next.cancel());
                    self.items.lock().nexts[own] = Some(next);
                    self.note(Event::Cancelled(own, outcome));
                }
            }
            Deed::Look(pick) => self.look(*pick),
            Deed::Close(which) => self.topic(*which).close(),
            Deed::Panic => panic!("{PANIC}"),
        }
    }

    fn subscribe(self: &Arc<Self>, which: Which, script: Script) {
        // A job may call the callback at once, which may look for its subscription.
        let mut items = self.items.lock();
        let (world, own) = (self.clone(), items.subscriptions.len());
        let mut calls = 0;
        let subscription = self.topic(which).subscribe(move |value: &Value| {
            world.note(Event::Called(own, value.0));
            let call = calls;
            calls += 1;
            for (_, deed) in script.iter().filter(|(wanted, _)| *wanted == call) {
                world.act(deed);
            }
        });
        items.subscriptions.push(Some(subscription));
    }

    fn look(&self, pick: usize) {
        let mut items = self.items.lock();
        let Some(own) = pick.checked_rem(items.nexts.len()) else {
            return;
        };
        let fate = match items.nexts[own].take().map(Task::try_wait) {
            None => Fate::Taken,
            Some(Err(next)) => {
                items.nexts[own] = Some(next);
                Fate::Pending
            }
            Some(Ok(Ok(value))) => Fate::Value(value.0),
            Some(Ok(Err(error))) if error.kind() == ErrorKind::Abandoned => Fate::Abandoned,
            Some(Ok(Err(error))) => {
                assert!(error.is_cancelled(), "{error}");
                Fate::Cancelled
            }
        };
        drop(items);
        self.note(Event::Looked(own, fate));
    }

    /// Ends the topics, and lets everything go. Says what is left.
    pub(crate) fn finish(self: Arc<Self>) -> Result<(), String> {
        self.topics.iter().for_each(Topic::close);
        self.rest();
        let items = mem::take(&mut *self.items.lock());
        drop(items);
        self.rest();
        let values = self.values.clone();
        let Ok(world) = Arc::try_unwrap(self) else {
            return Err("a callback is left".to_owned());
        };
        drop(world);
        match Arc::strong_count(&values) {
            1 => Ok(()),
            count => Err(format!("{} values are left", count - 1)),
        }
    }
}

/// Takes one of the items that are there.
fn take<T>(items: &mut [Option<T>], pick: usize) -> Option<(usize, T)> {
    let own = pick.checked_rem(items.len())?;
    Some((own, items[own].take()?))
}
