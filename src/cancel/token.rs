//! A flag that can be raised once, with tokens, tasks and callbacks below it: a tree of tokens.

// Lock order: a thread holds the lock of one token at a time, and no other lock with it. No token
// is dropped under that lock: its drop takes the lock of its parent.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoValues;
use std::fmt;
use std::panic::Location;

use super::callback::{Callback, Callbacks};
use super::children::Children;
use super::sweep::{Raise, Reach, Sweep};
use crate::error::{At, Reason, TaskError};
use crate::event::{Counts, Emitter, ProgressSource, Reporter};
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, Weak};
use crate::{drop_queue, unhandled};

/// A flag that tells running work that it is no longer wanted, and cancels the tasks under it.
///
/// A clone is another handle of the same token. A [child](CancelToken::child) is raised with its
/// parent, but not the other way round. A token that is raised stays raised.
///
/// # What a raise does, and in which order
///
/// A raise has two passes. The first runs no user code: it raises this token and all tokens below
/// it, and cancels all tasks under any of them, with the tasks that only these wait for. The second
/// runs the user code that this causes, on the same thread: `finally` closures, observers, other
/// continuations and drops of the cancelled tasks, then the callbacks of the tokens, each token's
/// in the order in which they were registered. So each of them finds everything cancelled, may wait
/// for any of the tasks, and may remove ([`CancelCallback::unregister`]) a callback that has not
/// run. The call that raises the token returns after the second pass. Inside a callback (a
/// continuation, an observer, a callback of a token) it returns after the first: the second comes
/// after that callback has returned. The stack stays flat, for any number of cancels that call each
/// other. While one of these closures blocks in a wait, other threads of the pool run the rest. On
/// a thread that unwinds, as in the drop of a guard, the call returns after the first pass too, and
/// the second is done by the global pool: none of the closures finds `thread::panicking()`.
///
/// # Examples
///
/// ```
/// use fast_async::CancelToken;
///
/// let all = CancelToken::new();
/// let one = all.child();
/// one.cancel();
/// assert!(one.is_cancelled() && !all.is_cancelled());
/// all.cancel();
/// assert!(all.child().is_cancelled());
/// ```
#[derive(Clone)]
pub struct CancelToken(pub(super) Arc<Inner>);

pub(super) struct Inner {
    cancelled: AtomicBool,
    /// Held, so that an inner token of the tree lives as long as its children: a raise at the top
    /// reaches all tokens below.
    parent: Option<Arc<Inner>>,
    /// Of the task whose own token this is.
    reporter: Reporter,
    pub(super) tree: Mutex<Tree>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut callbacks = std::mem::take(&mut self.tree.get_mut().callbacks);
        if !callbacks.is_empty() {
            let callbacks = std::iter::from_fn(move || callbacks.take_next());
            drop_queue::flat(move || unhandled::drop_each(callbacks));
        }
        // A loop, not recursion: the tree may have any depth.
        let mut parent = self.parent.take();
        while let Some(token) = parent {
            token.tree.lock().children.count_dead();
            parent = Arc::into_inner(token).and_then(|mut token| token.parent.take());
        }
    }
}

/// A task that a token cancels.
pub(crate) trait Member: Send + Sync {
    /// `token` is raised: fails the task at its current link. Part of the first pass, as
    /// [`withdraw`](super::Withdraw::withdraw) is.
    fn call_off(self: Arc<Self>, token: &CancelToken, sweep: &mut Sweep);
}

/// The tasks under one token, in the order in which they were registered anywhere.
type Members = BTreeMap<u64, Weak<dyn Member>>;

#[derive(Default)]
pub(super) struct Tree {
    /// Those raised with this one.
    children: Children<Inner>,
    /// Tasks that are cancelled with it.
    pub(super) members: Members,
    /// Those that have not run. A raise leaves them here and takes one at a time.
    callbacks: Callbacks,
    /// Written by the raise, before the flag.
    why: Option<Reason>,
}

impl CancelToken {
    /// Makes a token that is not raised.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = fast_async::CancelToken::new();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn new() -> CancelToken {
        CancelToken::below(None)
    }

    fn below(parent: Option<Arc<Inner>>) -> CancelToken {
        CancelToken(Arc::new(Inner {
            cancelled: AtomicBool::new(false),
            parent,
            reporter: Reporter::new(),
            tree: Mutex::new(Tree::default()),
        }))
    }

    /// Returns a token that is raised when this one is. It is raised from the start if this one is.
    ///
    /// The child keeps this token alive. When no handle, task or child refers to a token any more,
    /// the callbacks registered with it are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let program = fast_async::CancelToken::new();
    /// let request = program.child();
    /// program.cancel();
    /// assert!(request.is_cancelled());
    /// ```
    pub fn child(&self) -> CancelToken {
        let child = CancelToken::below(Some(self.0.clone()));
        {
            let mut tree = self.0.tree.lock();
            // Looked at under the lock: a concurrent `cancel` sees the child, or the child sees it.
            if self.is_cancelled() {
                let why = tree.why.clone();
                drop(tree);
                // Nothing is below it yet, so there is no second pass.
                let _ = child.0.clone().flag(&mut Sweep::new(why));
                return child;
            }
            tree.children.add(&child.0);
        }
        child
    }

    /// True when they are the same token.
    pub(crate) fn is(&self, other: &CancelToken) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Why it was raised, if a reason was given.
    pub(crate) fn why(&self) -> Option<Reason> {
        self.0.tree.lock().why.clone()
    }

    /// Returns the failure with which this token settles the tasks under it: of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled), with the reason that was given to
    /// [`cancel_with`](CancelToken::cancel_with), if any. `None` while it is not raised.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = fast_async::CancelToken::new();
    /// assert!(token.reason().is_none());
    /// token.cancel_with("the window was closed");
    /// let reason = token.reason().unwrap();
    /// assert!(reason.is_cancelled());
    /// assert!(reason.to_string().contains("the window was closed"));
    /// ```
    #[track_caller]
    pub fn reason(&self) -> Option<TaskError> {
        if !self.is_cancelled() {
            return None;
        }
        let at = At {
            location: Location::caller(),
            task: None,
        };
        Some(TaskError::cancelled(at, self.why().as_ref()))
    }

    /// Where the task whose own token this is keeps its progress.
    #[inline]
    pub(crate) fn reporter(&self) -> &Reporter {
        &self.0.reporter
    }

    /// Has what is reported from now on told by `emitter`.
    pub(crate) fn connect(&self, emitter: &Arc<Emitter>) {
        let source: Weak<Inner> = Arc::downgrade(&self.0);
        self.0.reporter.connect(emitter, source);
    }

    pub(crate) fn downgrade(&self) -> WeakToken {
        WeakToken(Arc::downgrade(&self.0))
    }

    /// Returns true once the token is raised. Reads one atomic; cheap enough for an inner loop.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = fast_async::CancelToken::new();
    /// let other = token.clone();
    /// std::thread::spawn(move || other.cancel());
    /// while !token.is_cancelled() {
    ///     std::thread::yield_now(); // or a piece of work
    /// }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Registers a callback. Returns it too if the token is raised already: the caller has to call
    /// it.
    pub(crate) fn add_callback(&self, f: Callback) -> (CancelCallback, Option<Callback>) {
        let mut f = Some(f);
        let number = {
            let mut tree = self.0.tree.lock();
            if self.is_cancelled() {
                None
            } else {
                f.take().map(|f| tree.callbacks.add(f))
            }
        };
        let token = Arc::downgrade(&self.0);
        (CancelCallback { token, number }, f)
    }
}

impl ProgressSource for Inner {
    fn counts(&self) -> Counts {
        self.reporter.counts()
    }
}

impl Raise for Inner {
    fn flag(self: Arc<Self>, sweep: &mut Sweep) -> Option<bool> {
        let (members, children, has_callbacks) = {
            let mut tree = self.tree.lock();
            // ORDERING: release, for threads that see the flag without the lock: they find what was
            // written before the raise.
            if self.cancelled.swap(true, Ordering::AcqRel) {
                return None;
            }
            tree.why = sweep.why.clone();
            (
                std::mem::take(&mut tree.members),
                std::mem::take(&mut tree.children),
                !tree.callbacks.is_empty(),
            )
        };
        // Tokens first, so that fewer tasks begin. The last added is visited first.
        if !members.is_empty() {
            sweep.reach_later(Box::new(CallOff {
                token: CancelToken(self),
                members: members.into_values(),
            }));
        }
        for child in children.alive().rev() {
            sweep.raise(CancelToken(child));
        }
        Some(has_callbacks)
    }

    fn take_callback(&self) -> Option<Callback> {
        self.tree.lock().callbacks.take_next()
    }
}

impl From<CancelToken> for Arc<dyn Raise> {
    fn from(token: CancelToken) -> Arc<dyn Raise> {
        token.0
    }
}

/// The members of a raised token that have yet to be called off.
struct CallOff {
    token: CancelToken,
    members: IntoValues<u64, Weak<dyn Member>>,
}

impl Reach for CallOff {
    fn reach(mut self: Box<Self>, sweep: &mut Sweep) {
        let token = self.token.clone();
        let Some(task) = self.members.by_ref().find_map(|task| task.upgrade()) else {
            return sweep.keep(token);
        };
        sweep.reach_later(self);
        sweep.keep(task.clone());
        task.call_off(&token, sweep);
    }
}

/// A callback registered with [`CancelToken::on_cancel`]. Dropping it leaves the callback in place.
pub struct CancelCallback {
    token: Weak<Inner>,
    /// `None`: it was called when it was registered.
    number: Option<u64>,
}

impl CancelCallback {
    /// Takes the callback back and drops it. Returns false when it has run, or is running.
    ///
    /// It may be called while the token is being raised, also by another callback of it: a callback
    /// that has not begun is removed and never runs.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = fast_async::CancelToken::new();
    /// let callback = token.on_cancel(|| panic!("never called"));
    /// assert!(callback.unregister());
    /// token.cancel();
    /// ```
    pub fn unregister(self) -> bool {
        let (Some(token), Some(number)) = (self.token.upgrade(), self.number) else {
            return false;
        };
        let callback = token.tree.lock().callbacks.remove(number);
        let was_there = callback.is_some();
        unhandled::drop_reporting(callback);
        was_there
    }
}

impl fmt::Debug for CancelCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelCallback").finish_non_exhaustive()
    }
}

/// A token, seen by who does not keep it.
#[derive(Clone)]
pub(crate) struct WeakToken(Weak<Inner>);

impl WeakToken {
    pub(crate) fn upgrade(&self) -> Option<CancelToken> {
        self.0.upgrade().map(CancelToken)
    }

    pub(crate) fn is(&self, other: &WeakToken) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }

    /// False if the token is dropped.
    pub(crate) fn is_cancelled(&self) -> bool {
        let token = self.0.upgrade().map(CancelToken);
        token.is_some_and(|token| token.is_cancelled())
    }
}

impl Default for CancelToken {
    fn default() -> CancelToken {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}
