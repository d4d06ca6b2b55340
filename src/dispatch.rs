//! The per-thread work list: settled tasks whose subscribers this thread has yet to run.
//!
//! Running them from a list instead of from the settling call is what keeps the stack flat, however
//! long a chain is (a trampoline).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::executor::Runnable;
use crate::pool;
use crate::sync::Arc;

/// Subscribers that a worker runs in one dispatch before it asks whether other jobs wait. If some
/// do, the rest is handed over, so that a long chain cannot hold a worker from them. A thread of
/// the user's own has no other jobs: it runs what it has settled. A model checker's is small, so
/// that it is used up.
const BUDGET: u32 = if cfg!(any(loom, shuttle)) { 2 } else { 1024 };

/// What is on the list.
enum Item {
    Run(Arc<dyn Runnable>),
    /// For its executor. Called from the list, not from a step, because an executor may run the job
    /// on the spot, and the job may come to the next executor.
    HandOver(Arc<dyn Runnable>),
}

struct Local {
    list: RefCell<VecDeque<Item>>,
    /// True while a `scope` is open on this thread: what is put on the list will be run by it.
    open: Cell<bool>,
    /// True while a `hand_over_now` is on this thread's stack: an executor may run what it is given
    /// on the spot, and that must not nest.
    handing: Cell<bool>,
    budget: Cell<u32>,
}

crate::sync::thread_local! {
    static LOCAL: Local = const { Local {
        list: RefCell::new(VecDeque::new()),
        open: Cell::new(false),
        handing: Cell::new(false),
        budget: Cell::new(0),
    } };
}

/// Calls `f`, then runs what it put on this thread's list. Inside another scope it only calls `f`.
pub(crate) fn scope<R>(f: impl FnOnce() -> R) -> R {
    let outermost = LOCAL
        .try_with(|local| {
            let outermost = !local.open.replace(true);
            if outermost {
                local.budget.set(BUDGET);
            }
            outermost
        })
        // A thread whose locals are gone has no list; `later` runs things at once there.
        .unwrap_or(false);
    // Nothing in here should panic, but a list that stays open would never be run again.
    let _closes = outermost.then(|| Close);
    let result = f();
    if outermost {
        drain();
    }
    result
}

struct Close;

impl Drop for Close {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| local.open.set(false));
    }
}

/// True while a scope is open on this thread.
pub(crate) fn is_open() -> bool {
    LOCAL.try_with(|local| local.open.get()).unwrap_or(false)
}

/// Puts a task on this thread's list, or runs it now when no scope is open.
pub(crate) fn later(work: Arc<dyn Runnable>) {
    if let Some(Item::Run(work)) = put(Item::Run(work)) {
        scope(|| work.run());
    }
}

/// Has a task handed over when this thread's list comes to it, or now when no scope is open.
pub(crate) fn hand_over_later(work: Arc<dyn Runnable>) {
    if let Some(Item::HandOver(work)) = put(Item::HandOver(work)) {
        work.hand_over();
    }
}

/// Has a task handed over before anything else happens on this thread. Inside another such call
/// only when the list comes to it: executors that run their jobs on the spot would nest.
pub(crate) fn hand_over_now(work: Arc<dyn Runnable>) {
    let is_outermost = LOCAL.try_with(|local| !local.handing.replace(true));
    if !is_outermost.unwrap_or(true) {
        return hand_over_later(work);
    }
    let _ends = Handing;
    work.hand_over();
}

struct Handing;

impl Drop for Handing {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| local.handing.set(false));
    }
}

/// Gives the item back when no scope is open.
fn put(item: Item) -> Option<Item> {
    let mut item = Some(item);
    let _ = LOCAL.try_with(|local| {
        if local.open.get() {
            local.list.borrow_mut().extend(item.take());
        }
    });
    item
}

/// Takes one subscriber's worth from this dispatch's budget; false when it is used up and other
/// jobs wait for this worker.
#[inline]
pub(crate) fn spend() -> bool {
    LOCAL
        .try_with(|local| {
            let left = local.budget.get();
            if left == 0 {
                // The first step is asked for before its scope is open.
                return !local.open.get() || renew(local);
            }
            local.budget.set(left - 1);
            true
        })
        .unwrap_or(true)
}

/// Takes up to so many subscribers' worth from this dispatch's budget; says how many. None: it is
/// used up and other jobs wait for this worker.
pub(crate) fn grant(wanted: usize) -> usize {
    LOCAL
        .try_with(|local| {
            let mut left = local.budget.get();
            if left == 0 {
                // The first step is asked for before its scope is open.
                if local.open.get() && !renew(local) {
                    return 0;
                }
                left = BUDGET;
            }
            let granted = left.min(u32::try_from(wanted).unwrap_or(u32::MAX));
            local.budget.set(left - granted);
            granted as usize
        })
        .unwrap_or(wanted)
}

#[cold]
fn renew(local: &Local) -> bool {
    let renewed = !pool::is_wanted_elsewhere();
    if renewed {
        local.budget.set(BUDGET);
    }
    renewed
}

/// Runs one task of this thread's list; false when there is none. For a thread that is about to
/// wait inside a callback.
pub(crate) fn run_one() -> bool {
    match next() {
        Some(Item::Run(work)) => {
            work.run();
        }
        Some(Item::HandOver(work)) => work.hand_over(),
        None => return false,
    }
    true
}

fn drain() {
    while let Some(item) = next() {
        match item {
            Item::Run(work) if spend() => {
                work.run();
            }
            Item::Run(work) | Item::HandOver(work) => work.hand_over(),
        }
    }
}

fn next() -> Option<Item> {
    LOCAL
        .try_with(|local| local.list.borrow_mut().pop_front())
        .ok()
        .flatten()
}

/// Has everything on this thread's list done elsewhere; false when there is nothing. For a thread
/// whose stack is too deep to run it.
pub(crate) fn hand_over_all() -> bool {
    let mut some = false;
    while let Some(Item::Run(work) | Item::HandOver(work)) = next() {
        work.hand_over();
        some = true;
    }
    some
}
