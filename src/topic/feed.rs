//! A topic whose values come from something else than a topic, while it has subscribers.

use std::any::Any;
use std::mem;

use super::buffer::{Buffer, Effect};
use super::effect::Rest;
use super::entry::{Home, Node, Removed, Work};
use super::handle::Topic;
use super::hub::Hub;
use super::source::{Attached, Source};
use crate::sync::{Arc, Mutex, Weak};
use crate::unhandled;

/// The way from a source to the subscribers of a topic.
///
/// Its users put a value under their own lock, so that the order of the values is theirs, and call
/// [`deliver`](Feed::deliver) without it.
pub(crate) struct Feed<T: Send + Sync + 'static> {
    /// The source keeps the topic alive as long as it feeds it.
    hub: Arc<Hub<T>>,
    /// What was put and is not delivered. Lock order: this one -> the topic's.
    left: Mutex<Left<T>>,
    /// No other lock is taken under it, and nothing is dropped.
    place: Mutex<Place>,
}

/// What is to be done after a change.
struct Left<T> {
    effects: Vec<Effect<T>>,
    buffers: Vec<Arc<Buffer<T>>>,
    has_ended: bool,
}

/// A feed in its source.
enum Place {
    /// The source is about to get it.
    New,
    /// The source has it, until this is dropped.
    There(Box<dyn Any + Send>),
    /// The topic has no subscribers any more.
    Gone,
}

impl<T: Send + Sync + 'static> Feed<T> {
    /// Adds a value. Runs and drops no user code.
    pub(crate) fn put(&self, value: Arc<T>) {
        let mut left = self.left.lock();
        self.hub.feed(value, &mut left.effects);
    }

    /// Ends the topic behind what was put. Runs and drops no user code.
    pub(crate) fn end(&self) {
        let mut left = self.left.lock();
        if let Some(buffers) = self.hub.shut(&mut left.effects) {
            left.buffers.extend(buffers);
            left.has_ended = true;
        }
    }

    /// Passes on what was put: wakes receivers, and calls callbacks, on this thread or where they
    /// belong.
    pub(crate) fn deliver(&self) {
        let (effects, buffers, has_ended) = {
            let mut left = self.left.lock();
            let effects = mem::take(&mut left.effects);
            let buffers = mem::take(&mut left.buffers);
            (effects, buffers, mem::take(&mut left.has_ended))
        };
        let rest = match has_ended {
            true => Rest::End,
            false => Rest::Deliver,
        };
        self.hub.carry_out(effects, rest);
        unhandled::drop_each(buffers);
    }

    /// Gives the feed to its source. No lock is held.
    fn begin(self: Arc<Self>, source: &dyn Fn(Arc<Feed<T>>) -> Box<dyn Any + Send>) {
        let there = source(self.clone());
        let mut place = self.place.lock();
        if matches!(*place, Place::New) {
            *place = Place::There(there);
        } else {
            drop(place);
            unhandled::drop_reporting(there);
        }
    }
}

impl<T: Send + Sync + 'static> Home for Feed<T> {
    fn remove_entry(&self, node: &Node) -> Removed {
        let place = mem::replace(&mut *self.place.lock(), Place::Gone);
        let contents = match place {
            Place::There(there) => Some(there),
            Place::New | Place::Gone => None,
        };
        Removed {
            is_idle: node.leave().is_some(),
            contents,
        }
    }

    fn remove_buffer(&self, _number: u64) {}

    fn tune_one(&self, _homes: &mut Vec<Arc<dyn Home>>, _work: &mut Work) {}
}

impl<T: Send + Sync + 'static> Topic<T> {
    /// A topic that `source` feeds: called with the first subscriber, without a lock, and again
    /// with the first one after the last one has left. It feeds until what it returns is dropped.
    pub(crate) fn fed(
        source: impl Fn(Arc<Feed<T>>) -> Box<dyn Any + Send> + Send + Sync + 'static,
    ) -> Topic<T> {
        let source = Arc::new(source);
        let hub = Hub::new(None);
        let me = hub.me();
        hub.set_source(Source::new(move |attached: &mut Attached| {
            let Some(hub) = me.upgrade() else { return };
            let feed = Arc::new(Feed {
                hub,
                left: Mutex::new(Left {
                    effects: Vec::new(),
                    buffers: Vec::new(),
                    has_ended: false,
                }),
                place: Mutex::new(Place::New),
            });
            let home: Weak<Feed<T>> = Arc::downgrade(&feed);
            attached.nodes.push(Arc::new(Node::new(0, home)));
            let source = source.clone();
            let begin = move || feed.begin(&*source);
            attached.work.after.push(Box::new(begin));
        }));
        Topic::of_hub(hub)
    }
}
