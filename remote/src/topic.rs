//! `RemoteTopic`: a topic whose subscribers are on many machines.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use fast_async::Pool;
use fast_async::topic::Topic;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::codec::{self, Kind};
use crate::error::{RemoteError, RemoteErrorKind};
use crate::name;
use crate::queue::check_size;
use crate::remote::Remote;

/// As many values wait to be sent, and as many to be brought to subscribers.
const BUFFER: usize = 65_536;

/// A topic that all programs share which are connected to the server; see [`Remote::topic`].
///
/// [`topic`](RemoteTopic::topic) is the local end: subscribe there. The values of one publisher
/// come in their order. A value that is published without a subscriber is gone, and one that does
/// not reach a subscriber because it is too slow is [counted](RemoteTopic::dropped).
///
/// # Examples
///
/// ```
/// use fast_async_remote::Remote;
///
/// let remote = Remote::local();
/// let prices = remote.topic::<f64>("prices.eur")?;
/// let next = prices.topic().next();
/// prices.publish(&1.25)?;
/// assert_eq!(*next.wait()?, 1.25);
/// # Ok::<(), fast_async::BoxError>(())
/// ```
pub struct RemoteTopic<T: Send + Sync + 'static> {
    remote: Remote,
    inbox: Arc<Inbox<T>>,
    to: mpsc::Sender<Vec<u8>>,
    _type: PhantomData<fn(T)>,
}

/// Values on their way to the local subscribers. A thread of the pool brings them, in order.
struct Inbox<T: Send + Sync + 'static> {
    topic: Topic<T>,
    queue: Mutex<Waiting>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    values: VecDeque<Vec<u8>>,
    /// A thread of the pool brings them, or is about to.
    is_carried: bool,
}

impl<T: DeserializeOwned + Send + Sync + 'static> Inbox<T> {
    fn put(self: &Arc<Self>, value: Vec<u8>) {
        let mut queue = self.queue.lock();
        if queue.values.len() >= BUFFER {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.values.push_back(value);
        if std::mem::replace(&mut queue.is_carried, true) {
            return;
        }
        drop(queue);
        let own = self.clone();
        Pool::global().spawn(move || own.carry()).detach();
    }

    fn carry(&self) {
        loop {
            let value = {
                let mut queue = self.queue.lock();
                let value = queue.values.pop_front();
                queue.is_carried = value.is_some();
                value
            };
            let Some(value) = value else { return };
            let decode =
                || codec::open::<Vec<u8>>(Kind::Value, &value).and_then(|it| codec::decode(&it));
            // A panic of the user's code ends one value, not the topic.
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode)) {
                Ok(Ok(value)) => drop(self.topic.publish(value)),
                _ => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl<T> RemoteTopic<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn open(remote: Remote, topic: &str) -> Result<RemoteTopic<T>, RemoteError> {
        name::topic(topic)?;
        let subject = format!("t.{topic}");
        let inbox = Arc::new(Inbox {
            topic: Topic::new(),
            queue: Mutex::new(Waiting::default()),
            dropped: AtomicU64::new(0),
        });
        let (to, mut from) = mpsc::channel::<Vec<u8>>(BUFFER);
        let core = remote.core.clone();
        let (own, weak) = (subject.clone(), Arc::downgrade(&inbox));
        let subscribed = async move {
            let mut values = core.engine.subscribe(&own, None).await?;
            tokio::spawn(async move {
                while let Some(message) = values.recv().await {
                    let Some(inbox) = Weak::upgrade(&weak) else {
                        return;
                    };
                    inbox.put(message.body);
                    drop_elsewhere(inbox);
                }
            });
            Ok::<(), RemoteError>(())
        };
        remote.io.block_on(subscribed)??;
        let core = remote.core.clone();
        remote.io.run(async move {
            // One future, so that they keep their order.
            while let Some(value) = from.recv().await {
                let _ = core.engine.publish(&subject, value).await;
            }
        });
        Ok(RemoteTopic {
            remote,
            inbox,
            to,
            _type: PhantomData,
        })
    }

    /// Publishes a value to all that are subscribed, here and elsewhere. Does not block.
    ///
    /// # Errors
    ///
    /// [`Decode`](RemoteErrorKind::Decode) if it cannot be encoded,
    /// [`TooLarge`](RemoteErrorKind::TooLarge), and [`Full`](RemoteErrorKind::Full) if 65,536
    /// values wait for the connection.
    pub fn publish(&self, value: &T) -> Result<(), RemoteError> {
        let body = codec::seal(Kind::Value, &codec::encode(value)?)?;
        check_size(&self.remote, body.len())?;
        self.to.try_send(body).map_err(|_| {
            let why = "too many values wait for the connection";
            RemoteError::new(RemoteErrorKind::Full, why)
        })
    }

    /// Returns the local end, which gets what is published anywhere. What is published to it
    /// directly stays in this process.
    #[must_use]
    pub fn topic(&self) -> &Topic<T> {
        &self.inbox.topic
    }

    /// Returns how many values did not reach the local end: too many were waiting, or they were
    /// no `T`.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inbox.dropped.load(Ordering::Relaxed) + self.remote.core.engine.dropped()
    }
}

/// The last owner of an inbox drops what subscribers hold, which is the user's.
fn drop_elsewhere<T: Send + Sync + 'static>(inbox: Arc<Inbox<T>>) {
    if Arc::strong_count(&inbox) == 1 {
        Pool::global().spawn(move || drop(inbox)).detach();
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for RemoteTopic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTopic").finish_non_exhaustive()
    }
}
