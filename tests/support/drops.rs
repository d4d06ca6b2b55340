//! Values that tell when they are dropped, and values that do worse.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};

use super::{Count, PATIENCE, expected};

/// Counts the drops of its tokens. Clones are the same counter.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<(Mutex<usize>, Condvar)>);

impl Drops {
    pub(crate) fn new() -> Drops {
        Drops::default()
    }

    pub(crate) fn token(&self) -> Token {
        Token(self.clone())
    }

    pub(crate) fn bomb(&self) -> Bomb {
        Bomb(self.token())
    }

    pub(crate) fn count(&self) -> usize {
        *self.0.0.lock().unwrap()
    }

    /// Blocks until `count` tokens were dropped.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) {
        let dropped = self.0.0.lock().unwrap();
        let (dropped, _) = self
            .0
            .1
            .wait_timeout_while(dropped, PATIENCE, |dropped| *dropped < count)
            .unwrap();
        let dropped = *dropped;
        assert_eq!(dropped, count, "drops");
    }
}

/// Counts its drop.
pub(crate) struct Token(Drops);

impl Token {
    /// Makes a closure capture the whole token.
    pub(crate) fn hold(&self) {}
}

impl Drop for Token {
    fn drop(&mut self) {
        *self.0.0.0.lock().unwrap() += 1;
        self.0.0.1.notify_all();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Panics when it is dropped, after counting that.
#[derive(Debug)]
pub(crate) struct Bomb(Token);

impl Bomb {
    /// Makes a closure capture the whole bomb.
    pub(crate) fn hold(&self) {
        self.0.hold();
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        // While another panic unwinds, a second one would end the process, and rightly so: that is
        // not what is tested.
        if !thread::panicking() {
            expected("a bomb went off");
        }
    }
}

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error that panics when it is dropped")
    }
}

impl std::error::Error for Bomb {}

/// Adds to its count when it is dropped.
pub(crate) struct Dropped(pub(crate) Count);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Calls a closure when it is dropped, with the thread it happens on.
pub(crate) struct OnDrop<F: FnOnce(ThreadId)>(Option<F>);

impl<F: FnOnce(ThreadId)> OnDrop<F> {
    pub(crate) fn new(f: F) -> OnDrop<F> {
        OnDrop(Some(f))
    }

    /// Makes a closure capture the whole of it.
    pub(crate) fn hold(&self) {}
}

impl<F: FnOnce(ThreadId)> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f(thread::current().id());
        }
    }
}

impl<F: FnOnce(ThreadId)> fmt::Debug for OnDrop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnDrop")
    }
}
