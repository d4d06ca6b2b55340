//! User code that is left for the end of a call that settles several tasks. It runs from the work
//! list of the thread, so while one piece of it blocks, other threads run the rest.

use std::collections::VecDeque;

use crate::dispatch;
use crate::error::ErrorKind;
use crate::executor::{RunResult, Runnable};
use crate::pool::Pool;
use crate::sync::{Arc, Mutex};

/// One piece, for the work list.
pub(crate) struct Deferred<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Deferred<F> {
    pub(crate) fn new(f: F) -> Arc<Deferred<F>> {
        Arc::new(Deferred(Mutex::new(Some(f))))
    }
}

impl<F: FnOnce() + Send + 'static> Runnable for Deferred<F> {
    fn run(self: Arc<Self>) -> RunResult {
        let f = self.0.lock().take();
        if let Some(f) = f {
            f();
        }
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        on_the_pool(self);
    }

    fn reject(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
        dispatch::later_here(self);
        false
    }
}

/// Pieces that are run one after the other, each taken when the one before has returned.
pub(crate) trait Pieces: Send + Sync + 'static {
    type Piece;

    /// Takes the next one.
    fn next(&self) -> Option<Self::Piece>;

    /// Runs one.
    fn call(&self, piece: Self::Piece);
}

/// Runs the pieces on the thread that runs this. While a call blocks in a wait, another thread
/// takes the rest.
pub(crate) struct InTurn<S>(pub(crate) S);

impl<S: Pieces> Runnable for InTurn<S> {
    fn run(self: Arc<Self>) -> RunResult {
        let mut next = self.0.next();
        if next.is_none() {
            return RunResult::Other;
        }
        dispatch::scope(|| {
            // If a call blocks, this entry goes to the pool. Otherwise it finds nothing left.
            let rest: Arc<dyn Runnable> = self.clone();
            dispatch::later(rest.clone());
            while let Some(piece) = next {
                self.0.call(piece);
                next = self.0.next();
            }
            // An outer scope may stay open for long.
            dispatch::take_back(&rest);
        });
        RunResult::Other
    }

    fn hand_off(self: Arc<Self>) {
        on_the_pool(self);
    }

    fn reject(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
        dispatch::later_here(self);
        false
    }
}

/// Calls `f` with each of the pieces on this thread, in their order. While a call blocks in a wait,
/// another thread takes the rest.
pub(crate) fn each_here<P: Send + 'static>(pieces: Vec<P>, f: fn(P)) {
    if pieces.len() <= 1 {
        return pieces.into_iter().for_each(f);
    }
    let rest = Mutex::new(pieces.into());
    Arc::new(InTurn(Listed { rest, f })).run();
}

/// Pieces that are all there.
struct Listed<P> {
    /// Those that no thread has taken.
    rest: Mutex<VecDeque<P>>,
    f: fn(P),
}

impl<P: Send + 'static> Pieces for Listed<P> {
    type Piece = P;

    fn next(&self) -> Option<P> {
        self.rest.lock().pop_front()
    }

    fn call(&self, piece: P) {
        (self.f)(piece);
    }
}

/// Runs `work` on the global pool, which never closes, or here if the system grants no thread.
pub(super) fn on_the_pool(work: Arc<dyn Runnable>) {
    if let Err(rejected) = Pool::global().submit_continuation(work) {
        rejected.settle();
    }
}
