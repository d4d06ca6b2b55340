//! Threads, and where each of them sleeps until another wakes it.
//!
//! Not `std::thread::park`: its token belongs to the code that the user runs on the thread. A token
//! that this code holds must survive a `wait`, and none may be left over from one.

use std::cell::OnceCell;
use std::io;
use std::task::{Wake, Waker};

use super::{
    Arc, Condvar, Duration, Instant, Mutex, deadline_after, system, thread_id, wait_until,
};
pub(crate) use std::thread::panicking;
pub(crate) use system::{ThreadId, yield_now};

/// Holds at most one call, as the token of `std::thread::park` does.
struct Parker {
    state: Mutex<ParkerState>,
    called: Condvar,
}

#[derive(Default)]
struct ParkerState {
    /// Set by a call, taken by the thread that sleeps here.
    is_called: bool,
    /// The thread sleeps, or has been called and is yet to wake.
    is_parked: bool,
}

impl Parker {
    fn new() -> Arc<Parker> {
        Arc::new(Parker {
            state: Mutex::new(ParkerState::default()),
            called: Condvar::new(),
        })
    }

    fn call(&self) {
        self.state.lock().is_called = true;
        self.called.notify_one();
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.call();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call();
    }
}

super::thread_local! {
    static OWN: OnceCell<Arc<Parker>> = const { OnceCell::new() };
}

/// A thread, for threads that wake it.
#[derive(Clone)]
pub(crate) struct Thread {
    id: ThreadId,
    parker: Arc<Parker>,
}

/// The calling thread.
///
/// After the thread-locals are destroyed, each call returns a new handle: sleep by the handle that
/// other threads were given.
pub(crate) fn current() -> Thread {
    let own = OWN.try_with(|own| own.get_or_init(Parker::new).clone());
    Thread {
        id: thread_id(),
        parker: own.unwrap_or_else(|_| Parker::new()),
    }
}

/// The name of the calling thread, if it has one.
pub(crate) fn current_name() -> Option<String> {
    system::current().name().map(str::to_owned)
}

impl Thread {
    pub(crate) fn id(&self) -> ThreadId {
        self.id
    }

    /// Wakes the thread, or ends its next sleep at once.
    pub(crate) fn unpark(&self) {
        self.parker.call();
    }

    /// What wakes the thread.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.parker.clone())
    }

    /// True while the thread sleeps here and no call is under way to it.
    pub(crate) fn is_asleep(&self) -> bool {
        let state = self.parker.state.lock();
        state.is_parked && !state.is_called
    }

    /// Sleeps until it is woken. Only the thread itself calls it.
    pub(crate) fn park(&self) {
        self.park_until(None);
    }

    /// Sleeps until it is woken or `limit` is over. Only the thread itself calls it.
    pub(crate) fn park_timeout(&self, limit: Duration) {
        self.park_until(deadline_after(limit));
    }

    fn park_until(&self, deadline: Option<Instant>) {
        let mut state = self.parker.state.lock();
        state.is_parked = true;
        while !state.is_called {
            if wait_until(&self.parker.called, &mut state, deadline) {
                break;
            }
        }
        // A wake-up that arrives at the deadline is consumed with it.
        *state = ParkerState::default();
    }
}

pub(crate) struct JoinHandle<T> {
    handle: system::JoinHandle<T>,
    thread: Thread,
}

impl<T> JoinHandle<T> {
    pub(crate) fn join(self) -> std::thread::Result<T> {
        self.handle.join()
    }

    pub(crate) fn thread(&self) -> &Thread {
        &self.thread
    }

    /// The model checkers cannot tell: there it is always false, and an ended thread may be joined
    /// as well.
    pub(crate) fn is_finished(&self) -> bool {
        #[cfg(not(all(test, any(loom, shuttle))))]
        return self.handle.is_finished();
        #[cfg(all(test, any(loom, shuttle)))]
        false
    }
}

pub(crate) struct Builder(system::Builder);

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder(system::Builder::new())
    }

    pub(crate) fn name(self, name: String) -> Builder {
        Builder(self.0.name(name))
    }

    /// Under a model checker it does nothing: its stacks are as large as the models need.
    pub(crate) fn stack_size(self, bytes: usize) -> Builder {
        #[cfg(not(all(test, any(loom, shuttle))))]
        return Builder(self.0.stack_size(bytes));
        #[cfg(all(test, any(loom, shuttle)))]
        {
            let _ = bytes;
            self
        }
    }

    pub(crate) fn spawn<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let parker = Parker::new();
        let own = parker.clone();
        let handle = self.0.spawn(move || {
            OWN.with(|place| drop(place.set(own)));
            f()
        })?;
        let id = handle.thread().id();
        let thread = Thread { id, parker };
        Ok(JoinHandle { handle, thread })
    }
}
