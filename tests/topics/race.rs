//! Random programs over one topic for several threads, and the threads that perform them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use fast_async::topic::{Overflow, PublishError, Receiver, Topic};
use fast_async::{ErrorKind, Pool, Subscription, Task};
use parking_lot::Mutex;

use crate::history::{Ends, Got, History, Interval, Kind, Listened, Next, Published};
use crate::programs::LIMIT;

/// The bytes of one operation.
pub(crate) type Raw = [u8; 4];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Publish,
    /// A callback without a buffer; it publishes itself in so many of its first calls.
    Subscribe(usize),
    /// A callback on the pool.
    Buffered(usize, Overflow),
    Unsubscribe(usize),
    Receive(usize, Overflow),
    /// A receiver that a thread of its own reads to its end, so that no publisher waits without
    /// end for this one.
    Drained(usize),
    Take(usize),
    Leave(usize),
    Next,
    Cancel(usize),
    Close,
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) replay: usize,
    pub(crate) threads: Vec<Vec<Op>>,
}

impl Program {
    pub(crate) fn read(first: [u8; 2], threads: &[Vec<Raw>]) -> Program {
        let replay = if first[0].is_multiple_of(2) {
            0
        } else {
            usize::from(first[1] % 4)
        };
        let threads = threads.iter();
        Program {
            replay,
            threads: threads.map(|raws| raws.iter().map(op).collect()).collect(),
        }
    }
}

fn op(raw: &Raw) -> Op {
    let pick = usize::from(raw[1]);
    let limit = 1 + pick % 3;
    let overflow = match raw[2] % 4 {
        0 => Overflow::DropOldest,
        1 => Overflow::DropIncoming,
        2 => Overflow::Fail,
        _ => Overflow::Block,
    };
    match raw[0] % 32 {
        0..=11 => Op::Publish,
        12..=14 => Op::Subscribe(pick % 3),
        15..=16 => Op::Buffered(limit, overflow),
        17..=19 => Op::Unsubscribe(pick),
        // Who would read from a full one with `Block` is its own thread, which may publish.
        20..=22 if overflow == Overflow::Block => Op::Drained(limit),
        20..=22 => Op::Receive(limit, overflow),
        23 => Op::Drained(limit),
        24..=25 => Op::Take(pick),
        26 => Op::Leave(pick),
        27..=28 => Op::Next,
        29 => Op::Cancel(pick),
        30 if raw[3].is_multiple_of(3) => Op::Close,
        _ => Op::Publish,
    }
}

/// What the threads share.
struct Stage {
    topic: Topic<u32>,
    pool: Pool,
    time: AtomicU64,
    values: AtomicU32,
    history: Mutex<History>,
}

impl Stage {
    fn now(&self) -> u64 {
        self.time.fetch_add(1, Ordering::SeqCst)
    }

    /// Does something, and returns when that began and ended.
    fn timed<R>(&self, f: impl FnOnce() -> R) -> (Interval, R) {
        let begin = self.now();
        let result = f();
        let end = self.now();
        (Interval { begin, end }, result)
    }

    fn publish(&self) {
        let value = self.values.fetch_add(1, Ordering::Relaxed);
        let (at, outcome) = self.timed(|| self.topic.publish(value));
        let outcome = match outcome {
            Ok(count) => Ok(count),
            Err(PublishError::Closed(_)) => Err(Ends::Closed),
            Err(PublishError::Full(_)) => Err(Ends::Full),
        };
        self.history
            .lock()
            .published
            .push(Published { value, at, outcome });
    }
}

/// A callback, from when it is made.
struct Callback {
    got: Arc<Mutex<Vec<Got>>>,
    record: Listened,
    subscription: Option<Subscription>,
}

/// A receiver, from when it is made.
struct Reader {
    record: Listened,
    receiver: Receiver<u32>,
}

/// What one thread has made.
#[derive(Default)]
struct Own {
    callbacks: Vec<Callback>,
    readers: Vec<Reader>,
    drained: Vec<JoinHandle<Listened>>,
    nexts: Vec<(Next, Task<Arc<u32>>)>,
}

/// Performs a program; returns how many values it has published, or what is wrong.
pub(crate) fn run(program: &Program, pool: &Pool) -> Result<usize, String> {
    let stage = Arc::new(Stage {
        topic: Topic::new().replay(program.replay),
        pool: pool.clone(),
        time: AtomicU64::new(0),
        values: AtomicU32::new(0),
        history: Mutex::new(History::new(program.replay)),
    });
    let all = stage.topic.receiver(usize::MAX, Overflow::Fail);
    let missing = Arc::new(AtomicUsize::new(program.threads.len()));
    let threads = program.threads.iter().map(|ops| {
        let (stage, missing, ops) = (stage.clone(), missing.clone(), ops.clone());
        thread::spawn(move || {
            missing.fetch_sub(1, Ordering::AcqRel);
            while missing.load(Ordering::Acquire) > 0 {
                thread::yield_now();
            }
            let mut own = Own::default();
            for op in ops {
                own.perform(op, &stage);
            }
            own
        })
    });
    let threads: Vec<_> = threads.collect();
    let owns: Vec<Own> = threads
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .collect();
    let (at, ()) = stage.timed(|| stage.topic.close());
    stage.history.lock().closed.push(at);
    let flushed = stage.topic.flush().wait_timeout(LIMIT);
    assert!(
        flushed.is_ok_and(|it| it.is_ok()),
        "the callbacks do not end"
    );
    for own in owns {
        own.end(&stage);
    }
    let mut history = stage.history.lock();
    history.order = all.map(|it| (it.seq(), *it)).collect();
    history.check()?;
    Ok(history.order.len())
}

impl Own {
    fn perform(&mut self, op: Op, stage: &Arc<Stage>) {
        match op {
            Op::Publish => stage.publish(),
            Op::Subscribe(echoes) => self.subscribe(echoes, stage),
            Op::Buffered(limit, overflow) => self.buffered(limit, overflow, stage),
            Op::Unsubscribe(pick) => {
                let Some(own) = pick.checked_rem(self.callbacks.len()) else {
                    return;
                };
                let callback = &mut self.callbacks[own];
                if let Some(subscription) = callback.subscription.take() {
                    let (at, is_idle) = stage.timed(|| subscription.unsubscribe());
                    callback.record.left = Some((at, is_idle));
                }
            }
            Op::Receive(limit, overflow) => {
                let (at, receiver) = stage.timed(|| stage.topic.receiver(limit, overflow));
                let record = Listened::new(kind(overflow), at);
                self.readers.push(Reader { record, receiver });
            }
            Op::Drained(limit) => {
                let make = || stage.topic.receiver(limit, Overflow::Block);
                let (at, receiver) = stage.timed(make);
                let drain = move || {
                    Reader {
                        record: Listened::new(Kind::Whole, at),
                        receiver,
                    }
                    .drain()
                };
                self.drained.push(thread::spawn(drain));
            }
            Op::Take(pick) => {
                let Some(own) = pick.checked_rem(self.readers.len()) else {
                    return;
                };
                let reader = &mut self.readers[own];
                let got = reader
                    .receiver
                    .try_recv()
                    .map(|it| Got::of(*it, stage.now()));
                reader.record.got.extend(got);
            }
            Op::Leave(pick) => {
                let Some(own) = pick.checked_rem(self.readers.len()) else {
                    return;
                };
                let Reader {
                    mut record,
                    receiver,
                } = self.readers.remove(own);
                let (at, ()) = stage.timed(|| drop(receiver));
                record.left = Some((at, true));
                stage.history.lock().listened.push(record);
            }
            Op::Next => {
                let (at, task) = stage.timed(|| stage.topic.next());
                self.nexts.push((Next::new(at), task));
            }
            Op::Cancel(pick) => {
                let Some(own) = pick.checked_rem(self.nexts.len()) else {
                    return;
                };
                let (_, task) = &self.nexts[own];
                task.cancel();
            }
            Op::Close => {
                let (at, ()) = stage.timed(|| stage.topic.close());
                stage.history.lock().closed.push(at);
            }
        }
    }

    fn subscribe(&mut self, echoes: usize, stage: &Arc<Stage>) {
        let got = Arc::new(Mutex::new(Vec::new()));
        let (log, own) = (got.clone(), Arc::downgrade(stage));
        let mut left = echoes;
        let (at, subscription) = stage.timed(|| {
            stage.topic.subscribe(move |value: &u32| {
                let Some(stage) = own.upgrade() else { return };
                log.lock().push(Got::of(*value, stage.now()));
                if left > 0 {
                    left -= 1;
                    stage.publish();
                }
            })
        });
        self.push(got, Kind::Whole, at, subscription);
    }

    fn buffered(&mut self, limit: usize, overflow: Overflow, stage: &Arc<Stage>) {
        let got = Arc::new(Mutex::new(Vec::new()));
        let (log, own) = (got.clone(), Arc::downgrade(stage));
        let (at, subscription) = stage.timed(|| {
            let buffered = stage.topic.on(&stage.pool).buffer(limit, overflow);
            buffered.subscribe(move |value: &u32| {
                let Some(stage) = own.upgrade() else { return };
                log.lock().push(Got::of(*value, stage.now()));
            })
        });
        // What a callback has lost is not told.
        let kind = match kind(overflow) {
            Kind::Whole => Kind::Whole,
            _ => Kind::Some,
        };
        self.push(got, kind, at, subscription);
    }

    fn push(
        &mut self,
        got: Arc<Mutex<Vec<Got>>>,
        kind: Kind,
        at: Interval,
        subscription: Subscription,
    ) {
        self.callbacks.push(Callback {
            got,
            record: Listened::new(kind, at),
            subscription: Some(subscription),
        });
    }

    /// All is delivered: what was got is written down.
    fn end(self, stage: &Stage) {
        let mut listened: Vec<Listened> = Vec::new();
        for callback in self.callbacks {
            let mut record = callback.record;
            record.got = std::mem::take(&mut *callback.got.lock());
            listened.push(record);
        }
        listened.extend(self.readers.into_iter().map(Reader::drain));
        let drained = self.drained.into_iter();
        listened.extend(drained.map(|thread| thread.join().expect("no panic")));
        let mut history = stage.history.lock();
        history.listened.extend(listened);
        for (mut next, task) in self.nexts {
            next.got = match task.wait() {
                Ok(value) => Ok(*value),
                Err(error) if error.kind() == ErrorKind::Abandoned => Err(Ends::Closed),
                Err(_) => Err(Ends::Cancelled),
            };
            history.nexts.push(next);
        }
    }
}

impl Reader {
    /// Reads to the end.
    fn drain(mut self) -> Listened {
        for value in self.receiver.by_ref() {
            self.record.got.push(Got::of(*value, 0));
        }
        self.record.lost = self.receiver.lost();
        self.record
    }
}

fn kind(overflow: Overflow) -> Kind {
    match overflow {
        Overflow::DropOldest => Kind::Latest,
        Overflow::DropIncoming => Kind::Earliest,
        Overflow::Block | Overflow::Fail => Kind::Whole,
    }
}
