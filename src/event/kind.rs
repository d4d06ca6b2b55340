//! What is told: an event, its kind, and the number of its task.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use crate::error::TaskError;
use crate::sync::{Arc, AtomicU64, Duration, Instant, Ordering};

crate::sync::statics! {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
}

/// The number of a task, or of a group, that tells events; it is used once in a process.
///
/// A task gets it with its first listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

impl TaskId {
    fn next() -> TaskId {
        TaskId(NEXT_ID.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns it as a number, for logs and other programs.
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::spawn(|| 7);
    /// let id = task.events().next().unwrap().id();
    /// assert_eq!(id.to_string(), format!("#{}", id.as_u64()));
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What all events of one task have in common.
pub(crate) struct About {
    id: TaskId,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
    parent: Option<TaskId>,
}

impl About {
    pub(crate) fn new(
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
        parent: Option<TaskId>,
    ) -> About {
        let id = TaskId::next();
        About {
            id,
            name,
            location,
            parent,
        }
    }

    pub(super) fn id(&self) -> TaskId {
        self.id
    }
}

/// Something that has happened to a task; see the [module](crate::event) for how to hear of it.
///
/// A clone is cheap. `Display` writes one line, for a log.
///
/// # Examples
///
/// ```
/// let task = fast_async::Task::builder().name("load").spawn(|| 7);
/// let lines: Vec<String> = task.events().map(|event| event.to_string()).collect();
/// assert_eq!(lines.last().unwrap(), "load: settled");
/// # task.wait()?;
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[derive(Clone)]
pub struct TaskEvent {
    about: Arc<About>,
    time: Instant,
    kind: EventKind,
}

/// What has happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// The closure of the task waits for a thread, or for its place in a
    /// [`TaskQueue`](crate::TaskQueue).
    Queued,
    /// The closure of the task has begun.
    Started,
    /// So much is done, of so much. A `total` of 0 is not known yet.
    Progress {
        /// What [`TaskContext::progress`](crate::TaskContext::progress) was given; for a combined
        /// task, and for a group, the number of tasks that are settled.
        done: u64,
        /// The same of the whole.
        total: u64,
    },
    /// What [`TaskContext::message`](crate::TaskContext::message) was given.
    Message(Cow<'static, str>),
    /// A call of a [`retry`](crate::retry()) has failed, and is made again after the pause.
    Retrying {
        /// The number of the call that has failed; the first is 1.
        attempt: u32,
        /// Its failure.
        error: TaskError,
        /// The time until the next call.
        pause: Duration,
    },
    /// The task is settled: the last event.
    Settled {
        /// `None`: with a value.
        failure: Option<TaskError>,
    },
}

impl TaskEvent {
    pub(super) fn new(about: Arc<About>, time: Instant, kind: EventKind) -> TaskEvent {
        TaskEvent { about, time, kind }
    }

    /// Returns what has happened.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::EventKind;
    ///
    /// let task = fast_async::spawn(|| 7);
    /// let last = task.events().last().unwrap();
    /// assert!(matches!(last.kind(), EventKind::Settled { failure: None }));
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// Returns how much is done, and of how much, for an event of kind
    /// [`Progress`](EventKind::Progress).
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::spawn_with(|ctx| ctx.progress(3, 10));
    /// let seen: Vec<_> = task.events().filter_map(|event| event.progress()).collect();
    /// assert_eq!(seen, [(3, 10)]);
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn progress(&self) -> Option<(u64, u64)> {
        match self.kind {
            EventKind::Progress { done, total } => Some((done, total)),
            _ => None,
        }
    }

    /// Returns the number of the task, the same in all of its events.
    ///
    /// # Examples
    ///
    /// ```
    /// let (one, two) = (fast_async::spawn(|| 1), fast_async::spawn(|| 2));
    /// let ids = [&one, &two].map(|task| task.events().next().unwrap().id());
    /// assert_ne!(ids[0], ids[1]);
    /// # one.wait()?;
    /// # two.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn id(&self) -> TaskId {
        self.about.id
    }

    /// Returns the name that [`TaskBuilder::name`](crate::TaskBuilder::name) set.
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::Task::builder().name("load").spawn(|| 7);
    /// assert_eq!(task.events().next().unwrap().name(), Some("load"));
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.about.name.as_deref()
    }

    /// Returns the place in the source where the task was made.
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::spawn(|| 7);
    /// let event = task.events().next().unwrap();
    /// println!("spawned in line {}", event.location().line());
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.about.location
    }

    /// Returns the number of the task whose closure has spawned this one. `None`: no task has, or
    /// it is not known. It is known if the pool had a [listener](crate::Pool::events) when either
    /// was spawned.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{Pool, topic::Overflow};
    ///
    /// let pool = Pool::new();
    /// let events = pool.events().receiver(100, Overflow::DropOldest);
    /// let own = pool.clone();
    /// pool.spawn(move || own.spawn(|| 7).wait()).wait()??;
    /// let mut parents = events.filter_map(|event| event.parent());
    /// assert!(parents.next().is_some());
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn parent(&self) -> Option<TaskId> {
        self.about.parent
    }

    /// Returns when it was told, by the clock of the task's pool.
    ///
    /// # Examples
    ///
    /// ```
    /// let task = fast_async::spawn(|| 7);
    /// let times: Vec<_> = task.events().map(|event| event.time()).collect();
    /// assert!(times.is_sorted());
    /// # task.wait()?;
    /// # Ok::<(), fast_async::TaskError>(())
    /// ```
    pub fn time(&self) -> Instant {
        self.time
    }
}

impl fmt::Debug for TaskEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskEvent")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TaskEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}: {}", self.kind),
            None => write!(f, "{}: {}", self.about.id, self.kind),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Queued => f.write_str("queued"),
            EventKind::Started => f.write_str("started"),
            EventKind::Progress { done, total: 0 } => write!(f, "{done}"),
            EventKind::Progress { done, total } => write!(f, "{done} of {total}"),
            EventKind::Message(message) => f.write_str(message),
            EventKind::Retrying {
                attempt,
                error,
                pause,
            } => write!(f, "call {attempt}: {error}; again in {pause:?}"),
            EventKind::Settled { failure: None } => f.write_str("settled"),
            EventKind::Settled {
                failure: Some(error),
            } => write!(f, "settled: {error}"),
        }
    }
}
