//! `Topics`: values by subject, and topics of the subjects that match a pattern.

// Locks: that of the trie alone, for as long as it is looked into.

use std::any::Any;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::ops::Deref;

use super::entry::{Home, Listener, Node, Removed, Work};
use super::handle::Topic;
use super::hub::Hub;
use super::source::{Attached, Source};
use super::trie::Trie;
use crate::cell::pieces::each_here;
use crate::pool::Pool;
use crate::sync::{Arc, Mutex, Weak};
use crate::{room, unhandled};

/// Values that are published under subjects, for subscribers of some of them.
///
/// A subject is a list of tokens with dots between, as `"house.kitchen.light"`. In a pattern `*`
/// stands for any one token, and `>`, at its end, for one or more. Subjects that match no pattern
/// of a subscriber cost a look into a trie.
///
/// Cloning gives another handle. When the last one is dropped, all topics made of it end.
///
/// # Examples
///
/// ```
/// use fast_async::topic::{Overflow, Topics};
///
/// let house = Topics::new();
/// let lights = house.topic("house.*.light")?.receiver(16, Overflow::Block);
/// let all = house.topic("house.>")?.receiver(16, Overflow::Block);
/// house.publish("house.kitchen.light", 1)?;
/// house.publish("house.kitchen.oven", 2)?;
/// drop(house);
/// assert_eq!(lights.map(|message| **message).collect::<Vec<_>>(), [1]);
/// assert_eq!(all.map(|message| message.subject().len()).collect::<Vec<_>>(), [19, 18]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Topics<T: Send + Sync + 'static> {
    /// All values, for the one listener that looks where they go.
    all: Topic<Message<T>>,
    router: Arc<Router<T>>,
}

/// A value with its subject. It dereferences to the value.
#[derive(Debug)]
pub struct Message<T> {
    subject: Box<str>,
    value: T,
}

/// A subject or a pattern that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectError {
    /// There is nothing before the first dot, between two dots, or after the last one.
    EmptyToken,
    /// `>` is not the last token.
    NotAtTheEnd,
    /// A value is published under a pattern.
    Wildcard,
    /// The topics are closed.
    Closed,
}

/// Passes values on to the topics of the patterns that they match.
struct Router<T: Send + Sync + 'static> {
    state: Mutex<State<T>>,
    me: Weak<Router<T>>,
}

struct State<T: Send + Sync + 'static> {
    trie: Trie<Arc<Hub<Message<T>>>>,
    /// The pattern of each entry of the trie.
    patterns: HashMap<u64, Arc<str>>,
    last_number: u64,
    has_ended: bool,
}

impl<T: Send + Sync + 'static> Topics<T> {
    /// Makes one without subscribers.
    ///
    /// # Examples
    ///
    /// ```
    /// let topics = fast_async::topic::Topics::new();
    /// topics.publish("a.b", 7)?;
    /// # Ok::<(), fast_async::topic::SubjectError>(())
    /// ```
    pub fn new() -> Topics<T> {
        Topics::in_pool(None)
    }

    pub(super) fn in_pool(pool: Option<Pool>) -> Topics<T> {
        let router = Arc::new_cyclic(|me| Router {
            state: Mutex::new(State {
                trie: Trie::new(),
                patterns: HashMap::new(),
                last_number: 0,
                has_ended: false,
            }),
            me: me.clone(),
        });
        let all = Topic::in_pool(pool);
        let added = all.hub().listen(Box::new(Routing(router.clone())));
        debug_assert!(added.is_ok(), "it is open");
        Topics { all, router }
    }

    /// Publishes a value under a subject.
    ///
    /// Subscribers whose patterns match get it in one order; which callbacks run on this thread is
    /// as for [`Topic::publish`]. Of several topics the one that got its first subscriber earlier
    /// gets it first.
    ///
    /// # Errors
    ///
    /// [`SubjectError`], and the value is dropped, if `subject` has an empty token or a wildcard,
    /// or after [`close`](Topics::close).
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{SubjectError, Topics};
    ///
    /// let topics = Topics::new();
    /// let next = topics.topic("a.*")?.next();
    /// topics.publish("a.b", 7)?;
    /// assert_eq!(next.wait().unwrap().subject(), "a.b");
    /// assert_eq!(topics.publish("a.*", 8), Err(SubjectError::Wildcard));
    /// # Ok::<(), SubjectError>(())
    /// ```
    pub fn publish(&self, subject: &str, value: T) -> Result<(), SubjectError> {
        check(subject)?;
        if subject.split('.').any(|token| token == "*" || token == ">") {
            return Err(SubjectError::Wildcard);
        }
        let subject = subject.into();
        match self.all.publish(Message { subject, value }) {
            Ok(_) => Ok(()),
            Err(_) => Err(SubjectError::Closed),
        }
    }

    /// Returns a topic of the values whose subjects match `pattern`.
    ///
    /// It is a [derived topic](super#derived-topics): it costs nothing while it has no subscribers,
    /// and ends when the last `Topics` is dropped or [closed](Topics::close).
    ///
    /// # Errors
    ///
    /// [`SubjectError`] if `pattern` has an empty token, or a `>` that is not its last one.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{SubjectError, Topics};
    ///
    /// let topics = Topics::<u32>::new();
    /// topics.topic("a.>")?.subscribe(|message| println!("{}", message.subject()));
    /// topics.publish("a.b.c", 1)?;
    /// assert_eq!(topics.topic("a..b").unwrap_err(), SubjectError::EmptyToken);
    /// # Ok::<(), SubjectError>(())
    /// ```
    pub fn topic(&self, pattern: &str) -> Result<Topic<Message<T>>, SubjectError> {
        check(pattern)?;
        let (router, pattern): (_, Arc<str>) = (self.router.clone(), pattern.into());
        let hub = self.all.hub().derived();
        let me = hub.me();
        hub.set_source(Source::new(move |attached: &mut Attached| {
            if let Some(hub) = me.upgrade() {
                router.attach(&pattern, hub, attached);
            }
        }));
        Ok(Topic::of_hub(hub))
    }

    /// Ends all topics that were made of it; see [`Topic::close`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{SubjectError, Topics};
    ///
    /// let topics = Topics::new();
    /// topics.close();
    /// assert_eq!(topics.publish("a", 1), Err(SubjectError::Closed));
    /// ```
    pub fn close(&self) {
        self.all.close();
    }
}

/// Every token has a character, and only the last may be `>`.
fn check(pattern: &str) -> Result<(), SubjectError> {
    let mut is_over = false;
    for token in pattern.split('.') {
        if token.is_empty() {
            return Err(SubjectError::EmptyToken);
        }
        if is_over {
            return Err(SubjectError::NotAtTheEnd);
        }
        is_over = token == ">";
    }
    Ok(())
}

impl<T: Send + Sync + 'static> Router<T> {
    fn attach(&self, pattern: &Arc<str>, hub: Arc<Hub<Message<T>>>, attached: &mut Attached) {
        let mut state = self.state.lock();
        if state.has_ended {
            attached.work.after.push(Box::new(move || hub.close()));
            return;
        }
        state.last_number += 1;
        let number = state.last_number;
        state.trie.insert(pattern, number, hub);
        state.patterns.insert(number, pattern.clone());
        attached
            .nodes
            .push(Arc::new(Node::new(number, self.me.clone())));
    }

    fn end(&self) {
        let mut state = self.state.lock();
        state.has_ended = true;
        let hubs = state.trie.take_all();
        let patterns = std::mem::take(&mut state.patterns);
        drop(state);
        drop(patterns);
        each_here(hubs, |hub| {
            hub.close();
            unhandled::drop_reporting(hub);
        });
    }
}

impl<T: Send + Sync + 'static> Home for Router<T> {
    fn remove_entry(&self, node: &Node) -> Removed {
        let mut state = self.state.lock();
        let pattern = state.patterns.remove(&node.number);
        room::give_back(&mut state.patterns);
        let hub = pattern.and_then(|pattern| state.trie.remove(&pattern, node.number));
        drop(state);
        Removed {
            is_idle: hub.is_some(),
            contents: hub.map(|it| Box::new(it) as Box<dyn Any + Send>),
        }
    }

    // The topics of a router have no buffers in it, and it has no source.
    fn remove_buffer(&self, _number: u64) {}

    fn tune_one(&self, _homes: &mut Vec<Arc<dyn Home>>, _work: &mut Work) {}
}

/// The listener that a router has in the topic of all values.
struct Routing<T: Send + Sync + 'static>(Arc<Router<T>>);

impl<T: Send + Sync + 'static> Listener<Message<T>> for Routing<T> {
    fn hear(&mut self, message: &Arc<Message<T>>) -> bool {
        let hubs = self.0.state.lock().trie.find(&message.subject);
        for hub in hubs {
            hub.pass_on(message.clone());
            unhandled::drop_reporting(hub);
        }
        true
    }

    fn end(self: Box<Self>) {
        self.0.end();
    }
}

impl<T> Message<T> {
    /// Returns the subject that the value was published under.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::topic::{SubjectError, Topics};
    ///
    /// let topics = Topics::new();
    /// let next = topics.topic("a.>")?.next();
    /// topics.publish("a.b", 7)?;
    /// let message = next.wait().unwrap();
    /// assert_eq!((message.subject(), **message), ("a.b", 7));
    /// # Ok::<(), SubjectError>(())
    /// ```
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl<T> Deref for Message<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Send + Sync + 'static> Clone for Topics<T> {
    fn clone(&self) -> Topics<T> {
        Topics {
            all: self.all.clone(),
            router: self.router.clone(),
        }
    }
}

impl<T: Send + Sync + 'static> Default for Topics<T> {
    fn default() -> Topics<T> {
        Topics::new()
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Topics<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.router.state.lock().patterns.len();
        f.debug_struct("Topics")
            .field("patterns", &patterns)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SubjectError::EmptyToken => "the subject has an empty token; write `a.b`, not `a..b`",
            SubjectError::NotAtTheEnd => "`>` is not the last token; write `a.*.b` or `a.>`",
            SubjectError::Wildcard => "a value is published under a subject without `*` and `>`",
            SubjectError::Closed => "the topics are closed",
        })
    }
}

impl Error for SubjectError {}
