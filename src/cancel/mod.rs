//! A flag that can be raised once, with those who want to know about it below it: a tree of tokens.

// Lock order: a thread holds the lock of one token at a time. Raising a token takes what hangs on
// it out under the lock and goes on without it.

mod callback;

use std::fmt;

use callback::Callbacks;
pub use callback::CancelCallback;

use crate::sync::{Arc, AtomicBool, Mutex, Ordering, Weak};
use crate::{teardown, unhandled};

/// Says whether work is still wanted.
///
/// Cloning gives another handle of the same token. A [child](CancelToken::child) is raised with its
/// parent, but not the other way round. Raising is for ever.
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
pub struct CancelToken(Arc<Inner>);

struct Inner {
    cancelled: AtomicBool,
    /// Held, so that a token in the middle of the tree lives as long as one below it: what is raised
    /// at the top comes all the way down.
    parent: Option<Arc<Inner>>,
    tree: Mutex<Tree>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let callbacks = std::mem::take(&mut self.tree.get_mut().callbacks);
        if !callbacks.is_empty() {
            teardown::flat(move || unhandled::discard(callbacks));
        }
        // A loop, not recursion: the tree may be as deep as it likes.
        let mut parent = self.parent.take();
        while let Some(mut token) = parent.and_then(Arc::into_inner) {
            parent = token.parent.take();
        }
    }
}

#[derive(Default)]
struct Tree {
    /// Those raised with this one. Dead entries are cleared out as the list grows.
    children: Vec<Weak<Inner>>,
    callbacks: Callbacks,
}

impl CancelToken {
    /// A token that is not raised.
    pub fn new() -> CancelToken {
        CancelToken::below(None)
    }

    fn below(parent: Option<Arc<Inner>>) -> CancelToken {
        CancelToken(Arc::new(Inner {
            cancelled: AtomicBool::new(false),
            parent,
            tree: Mutex::new(Tree::default()),
        }))
    }

    /// A token that is raised when this one is; raised from the start if this one is already.
    ///
    /// The child keeps this token alive. A token that nobody holds, no task and no child of it
    /// either, is gone, and the callbacks registered with it are dropped.
    pub fn child(&self) -> CancelToken {
        let child = CancelToken::below(Some(self.0.clone()));
        {
            let mut tree = self.0.tree.lock();
            // Looked at under the lock: a concurrent `cancel` sees the child, or the child sees it.
            if self.is_cancelled() {
                drop(tree);
                child.cancel();
                return child;
            }
            if tree.children.len() == tree.children.capacity() {
                tree.children.retain(|child| child.strong_count() > 0);
            }
            tree.children.push(Arc::downgrade(&child.0));
        }
        child
    }

    /// Raises the token and those below it, and then runs their callbacks on this thread. True for
    /// the call that did it.
    ///
    /// # Panics
    ///
    /// Never: a callback that panics is reported as an unhandled failure.
    pub fn cancel(&self) -> bool {
        let mut pending = vec![self.0.clone()];
        let mut first = true;
        let mut did_it = false;
        // Called when all of them are raised: what the first ones set free must not begin what the
        // later ones are to prevent.
        let mut callbacks = Vec::new();
        // A list, not recursion: the tree may be as deep as it likes.
        while let Some(token) = pending.pop() {
            let tree = {
                let mut tree = token.tree.lock();
                if token.cancelled.swap(true, Ordering::AcqRel) {
                    Tree::default()
                } else {
                    did_it |= first;
                    std::mem::take(&mut *tree)
                }
            };
            first = false;
            pending.extend(tree.children.iter().filter_map(Weak::upgrade));
            callbacks.extend(tree.callbacks.into_ordered());
        }
        callbacks.into_iter().for_each(callback::call);
        did_it
    }

    pub(crate) fn downgrade(&self) -> WeakToken {
        WeakToken(Arc::downgrade(&self.0))
    }

    /// True once the token is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Calls `f` once when the token is raised, on the thread that raises it; at once, on this
    /// thread, if it is raised already.
    ///
    /// Dropping what is returned does not take `f` back; [`CancelCallback::unregister`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use fast_async::CancelToken;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let token = CancelToken::new();
    /// token.on_cancel(move || tell.send("stop").unwrap());
    /// token.cancel();
    /// assert_eq!(told.recv()?, "stop");
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    pub fn on_cancel(&self, f: impl FnOnce() + Send + 'static) -> CancelCallback {
        let mut f: Option<Box<dyn FnOnce() + Send>> = Some(Box::new(f));
        let number = {
            let mut tree = self.0.tree.lock();
            if self.is_cancelled() {
                None
            } else {
                f.take().map(|f| tree.callbacks.add(f))
            }
        };
        if let Some(f) = f {
            callback::call(f);
        }
        CancelCallback {
            token: Arc::downgrade(&self.0),
            number,
        }
    }
}

/// A token, seen by who does not keep it.
pub(crate) struct WeakToken(Weak<Inner>);

impl WeakToken {
    /// False when it is gone.
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
