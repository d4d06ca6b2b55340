//! Topics: publishers on several threads, and subscribers of every kind that stay, or come and go.

use std::time::Duration;

use fast_async::Task;
use fast_async::topic::{Overflow, Topic};

use crate::actors::Actor;
use crate::books::{DELIVERIES, Held, Value, book, wrong};

const OVERFLOWS: [Overflow; 4] = [
    Overflow::Block,
    Overflow::DropOldest,
    Overflow::DropIncoming,
    Overflow::Fail,
];

impl Actor {
    /// Each value that the topic has taken goes to each subscriber that stays, or is counted there
    /// as lost.
    pub(crate) fn topics(&mut self) {
        let replay = self.dice.roll(3) as usize;
        let topic = Topic::new().replay(replay);
        let callbacks = self.callbacks(&topic);
        let readers = OVERFLOWS.map(|overflow| self.reader(&topic, overflow));
        let staying = callbacks + readers.len() as u64;

        let publishers: Vec<_> = (0..1 + self.dice.roll(3))
            .map(|_| self.publisher(&topic))
            .collect();
        for _ in 0..self.dice.roll(30) {
            self.come_and_go(&topic);
        }
        let published = publishers.into_iter().map(ended).sum::<u64>();
        DELIVERIES.owe(published * staying);
        topic.close();
        if let Err(error) = topic.flush().wait() {
            wrong(format!("a flush: {error}"));
        }
        for reader in readers {
            ended(reader);
        }
    }

    /// Subscribes some callbacks; returns how many get all values.
    fn callbacks(&mut self, topic: &Topic<Value>) -> u64 {
        let (plain, buffered) = (self.dice.roll(3), self.dice.roll(3));
        for _ in 0..plain {
            let held = Held::new();
            topic.subscribe(move |_| {
                let _ = &held;
                DELIVERIES.close();
            });
        }
        for _ in 0..buffered {
            let held = Held::new();
            let limit = 1 + self.dice.roll(8) as usize;
            // What a callback loses is not told.
            let overflow = [Overflow::Block, Overflow::Fail][self.dice.roll(2) as usize];
            let on = topic.on(&self.stage.pool).buffer(limit, overflow);
            on.subscribe(move |_| {
                let _ = &held;
                DELIVERIES.close();
            });
        }
        // How many values these get is a matter of time.
        let pause = Duration::from_micros(self.dice.roll(300));
        for paced in [topic.throttle(pause), topic.debounce(pause)] {
            paced.subscribe(holding(Held::new()));
        }
        plain + buffered
    }

    fn reader(&mut self, topic: &Topic<Value>, overflow: Overflow) -> Task<u64> {
        let mut receiver = topic.receiver(1 + self.dice.roll(8) as usize, overflow);
        let held = Held::new();
        let read = move || {
            let _held = held;
            let taken = receiver.by_ref().inspect(|_| DELIVERIES.close()).count();
            (0..receiver.lost()).for_each(|_| DELIVERIES.close());
            taken as u64
        };
        book(self.stage.pool.spawn(read), 0)
    }

    /// Publishes on the pool; returns how many values the topic has taken.
    fn publisher(&mut self, topic: &Topic<Value>) -> Task<u64> {
        let (topic, count, held) = (topic.clone(), self.dice.roll(100), Held::new());
        let publish = move || {
            let _held = held;
            let taken = (0..count).filter(|n| topic.publish(Value::new(*n)).is_ok());
            taken.count() as u64
        };
        book(self.stage.pool.spawn(publish), 1)
    }

    fn come_and_go(&mut self, topic: &Topic<Value>) {
        let held = Held::new();
        match self.dice.roll(5) {
            0 => drop(topic.subscribe(holding(held)).guard()),
            1 => {
                let own = topic.map(|value| Value::new(value.0));
                drop(own.subscribe(holding(held)).guard());
            }
            2 => {
                let overflow = OVERFLOWS[self.dice.roll(4) as usize];
                let mut receiver = topic.receiver(1, overflow);
                if self.dice.roll(2) == 0 {
                    drop(receiver.recv_timeout(Duration::from_micros(20)));
                }
            }
            3 => {
                let next = book(topic.next().then(move |_| drop(held)), 1);
                match self.dice.roll(3) {
                    0 => drop(next.cancel()),
                    1 => drop(next.wait_timeout(Duration::from_micros(20))),
                    _ => drop(next),
                }
            }
            _ => {
                let buffered = topic.buffer(2, Overflow::DropIncoming);
                buffered.subscribe(holding(held)).unsubscribe();
            }
        }
    }
}

/// A callback that does nothing, and is on the books.
fn holding(held: Held) -> impl FnMut(&Value) + Send {
    move |_| {
        let _ = &held;
    }
}

/// Waits for a task that nothing fails or cancels.
fn ended(task: Task<u64>) -> u64 {
    task.wait().unwrap_or_else(|error| {
        wrong(format!("a task of a topic: {error}"));
        0
    })
}
