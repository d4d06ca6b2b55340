//! The model checkers' twins of what `sync.rs` names: the same shape over `loom` or over `shuttle`.
//!
//! Time is simulated here. It moves only when a timed wait times out, so a wait with a deadline can
//! end at any moment of an execution, for any length of the deadline.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::ops::{Add, Deref, DerefMut, Sub};
use std::sync::PoisonError;

#[cfg(loom)]
use loom as checker;
#[cfg(shuttle)]
use shuttle as checker;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use checker::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
/// The base of `thread.rs`. Not the checkers' own parking: `loom` loses a wake-up that arrives
/// while the thread waits for a lock.
pub(super) use checker::thread as system;
pub(crate) use checker::thread::yield_now;

/// True if nothing else refers to the value. `loom` does not know what the counts of an `Arc`
/// order.
pub(crate) fn is_sole<T>(value: &Arc<T>) -> bool {
    cfg!(shuttle) && Arc::strong_count(value) == 1
}

/// Values that live as long as the process; here: as long as one execution.
macro_rules! statics {
    ($($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;)+) => {
        $crate::sync::model::checked::lazy_static! { $($(#[$attr])* static ref $name: $type = $init;)+ }
    };
}
pub(crate) use statics;

/// Each thread's own; a thread of the checker is none of the system's.
macro_rules! local_keys {
    ($($(#[$attr:meta])* static $name:ident: $type:ty = const { $init:expr };)+) => {
        $crate::sync::model::thread_local! { $($(#[$attr])* static $name: $type = $init;)+ }
    };
    ($($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;)+) => {
        $($(#[$attr])* static $name: $crate::sync::model::LocalKey<$type> = {
            $crate::sync::model::checked::thread_local! { static KEY: $type = $init; }
            $crate::sync::model::LocalKey(&KEY)
        };)+
    };
}
pub(crate) use local_keys as thread_local;

/// What the macros above find the checker by.
pub(crate) mod checked {
    pub(crate) use crate::sync::model::checker::{lazy_static, thread_local};
}

pub(crate) struct LocalKey<T: 'static>(pub(crate) &'static checker::thread::LocalKey<T>);

impl<T: 'static> LocalKey<T> {
    pub(crate) fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(f)
    }

    pub(crate) fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, Gone> {
        self.0.try_with(f).map_err(|_| Gone)
    }
}

impl<T: Copy> LocalKey<Cell<T>> {
    pub(crate) fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }
}

/// The thread-locals are destroyed already.
#[derive(Debug)]
pub(crate) struct Gone;

#[derive(Default)]
pub(crate) struct Mutex<T: ?Sized>(checker::sync::Mutex<T>);

pub(crate) struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// `None` only while a wait on a condition has let it go.
    held: Option<checker::sync::MutexGuard<'a, T>>,
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(checker::sync::Mutex::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Mutex<T> {
    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            held: Some(self.take()),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn take(&self) -> checker::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("held outside of waits")
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("held outside of waits")
    }
}

/// Written once. A thread that finds the value sees what was done before the write.
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    // ORDERING: Release and Acquire, which is what the real one promises and no more. The checker
    // does not see through the real one.
    is_there: AtomicBool,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> OnceLock<T> {
        OnceLock {
            value: std::sync::OnceLock::new(),
            is_there: AtomicBool::new(false),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        let is_there = self.is_there.load(Ordering::Acquire);
        if is_there { self.value.get() } else { None }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.is_there.store(true, Ordering::Release);
        Ok(())
    }

    /// `init` must not be a place for the checker to switch threads at.
    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        let value = self.value.get_or_init(init);
        self.is_there.store(true, Ordering::Release);
        value
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        self.value.take()
    }
}

pub(crate) struct Condvar(checker::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar(checker::sync::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Waits on `condvar` until `deadline`; true when the deadline has passed. With a deadline it
/// always passes, sooner or later.
pub(crate) fn wait_until<T>(
    condvar: &Condvar,
    guard: &mut MutexGuard<'_, T>,
    deadline: Option<Instant>,
) -> bool {
    let held = guard.held.take().expect("held outside of waits");
    match deadline {
        None => {
            let held = condvar.0.wait(held);
            guard.held = Some(held.unwrap_or_else(PoisonError::into_inner));
            false
        }
        Some(deadline) => {
            drop(held);
            inject_delay();
            Instant::move_to(deadline);
            guard.held = Some(guard.mutex.take());
            true
        }
    }
}

/// A queue without a bound. Its length is read without its lock, as in the real one.
struct Channel<T> {
    items: Mutex<VecDeque<T>>,
    // ORDERING: SeqCst, as the real one reads its two ends.
    len: AtomicUsize,
}

pub(crate) struct Sender<T>(Arc<Channel<T>>);
pub(crate) struct Receiver<T>(Arc<Channel<T>>);

/// There is nothing to receive.
#[derive(Debug)]
pub(crate) struct Empty;

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel {
        items: Mutex::new(VecDeque::new()),
        len: AtomicUsize::new(0),
    });
    (Sender(channel.clone()), Receiver(channel))
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, item: T) -> Result<(), Infallible> {
        let mut items = self.0.items.lock();
        items.push_back(item);
        self.0.len.store(items.len(), Ordering::SeqCst);
        Ok(())
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, Empty> {
        if self.is_empty() {
            return Err(Empty);
        }
        let mut items = self.0.items.lock();
        let item = items.pop_front();
        self.0.len.store(items.len(), Ordering::SeqCst);
        item.ok_or(Empty)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len.load(Ordering::SeqCst)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place where the scheduler sometimes delays a thread for long. A failure that needs two long
/// pauses at particular places is too rare if each step is random by itself.
#[cfg(shuttle)]
pub(super) fn inject_long_delay() {
    let mut chance = shuttle::rand::thread_rng();
    if shuttle::rand::Rng::gen_bool(&mut chance, 0.125) {
        for _ in 0..shuttle::rand::Rng::gen_range(&mut chance, 0..100) {
            shuttle::thread::yield_now();
        }
    }
}

/// Lets others act for a while. How long is a matter of chance under `shuttle`; `loom` puts the
/// steps of others here by itself.
fn inject_delay() {
    #[cfg(shuttle)]
    while shuttle::rand::Rng::gen_bool(&mut shuttle::rand::thread_rng(), 0.5) {
        shuttle::thread::yield_now();
    }
}

/// A wait loop that does not let others act would never end.
pub(crate) fn spin_hint() {
    checker::thread::yield_now();
}

/// The calling thread's id.
pub(crate) fn thread_id() -> checker::thread::ThreadId {
    checker::thread::current().id()
}

std::thread_local! {
    /// All threads of one execution run on one thread of the system, and so share this. Above zero,
    /// so that `Duration::MAX` from now is out of reach.
    static NOW: Cell<Duration> = const { Cell::new(Duration::from_nanos(1)) };
}

/// A moment of the model's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(unreachable_pub, reason = "public functions take and return it")]
pub struct Instant(Duration);

/// In a model no code runs at the end of the process.
pub(crate) fn is_main_thread() -> bool {
    false
}

impl Instant {
    pub(crate) fn now() -> Instant {
        Instant(NOW.get())
    }

    pub(crate) fn checked_add(self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    pub(crate) fn saturating_duration_since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn elapsed(self) -> Duration {
        Instant::now().saturating_duration_since(self)
    }

    fn move_to(moment: Instant) {
        NOW.set(NOW.get().max(moment.0));
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(duration))
    }
}
