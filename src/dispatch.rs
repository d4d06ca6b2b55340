//! The per-thread work list: settled tasks whose subscribers this thread has yet to run.
//!
//! Running them from a list instead of from the settling call keeps the stack flat for any length
//! of a chain (a trampoline).
//!
//! Only this thread runs the list, so a thread that is about to block hands it off first
//! ([`hand_off_all`], Contract: W1).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;

use crate::executor::Runnable;
use crate::limits::{DISPATCH_BUDGET, DISPATCH_KEPT};
use crate::locals;
use crate::sync::{Arc, thread};

/// What is on the list.
enum Item {
    Run(Arc<dyn Runnable>),
    /// For its executor, which is being called on this thread: see `hand_over_now`.
    HandOff(Arc<dyn Runnable>),
}

struct Local {
    /// Empty whenever this thread blocks. Invariant: when it is empty and no scope is open, it has
    /// no more room than `kept`.
    list: ManuallyDrop<RefCell<VecDeque<Item>>>,
    kept: Cell<usize>,
    /// True while a `scope` is open on this thread: what is put on the list will be run by it.
    open: Cell<bool>,
    budget: Cell<u32>,
    /// This thread waits, and runs awaited work in the wait. The waiter hands off what that work
    /// leaves on the list.
    waits: Cell<bool>,
    /// A `hand_over_now` is on this thread's stack: an executor may run a job inside the call, and
    /// that must not nest.
    handing: Cell<bool>,
    /// Work of the list is being given to other threads.
    giving: Cell<bool>,
    /// Whether other jobs wait for this thread.
    is_wanted: Cell<fn() -> bool>,
}

crate::sync::thread_local! {
    /// Nothing in it needs a destructor, so it is there as long as its thread runs: also while the
    /// other thread-locals are destroyed.
    static LOCAL: Local = const { Local {
        list: ManuallyDrop::new(RefCell::new(VecDeque::new())),
        kept: Cell::new(DISPATCH_KEPT),
        open: Cell::new(false),
        budget: Cell::new(0),
        waits: Cell::new(false),
        handing: Cell::new(false),
        giving: Cell::new(false),
        is_wanted: Cell::new(never),
    } };
}

fn never() -> bool {
    false
}

/// A pool's worker registers how to find out whether other jobs wait for it.
pub(crate) fn ask_for_other_jobs(is_wanted: fn() -> bool) {
    let _ = LOCAL.try_with(|local| local.is_wanted.set(is_wanted));
}

crate::sync::thread_local! {
    static SWEEPER: Sweeper = const { Sweeper };
}

/// Frees the list's memory at the end of its thread.
struct Sweeper;

impl Drop for Sweeper {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(keep_nothing);
    }
}

/// The thread is about to end.
fn keep_nothing(local: &Local) {
    local.kept.set(0);
    give_back(local);
}

/// Calls `f`, then runs what it put on this thread's list. Inside another scope it only calls `f`.
/// The steps that run here do not see the task locals of the calling code.
pub(crate) fn scope<R>(f: impl FnOnce() -> R) -> R {
    let _hidden = locals::hide();
    let outermost = open();
    // Nothing in here should panic, but a list that stays open would never be run again.
    let _closes = outermost.then(|| Close);
    let result = f();
    if outermost {
        drain();
    }
    result
}

/// Like `scope`, for a call that settles several tasks: `f` takes all of them, and puts the user
/// code that this causes on the list. In the outermost scope all of the list is done when this
/// returns, without a budget.
pub(crate) fn scope_of_many<R>(f: impl FnOnce() -> R) -> R {
    let outermost = !is_open();
    scope(|| {
        let result = f();
        if outermost && !thread::panicking() {
            run_all();
        }
        result
    })
}

/// Like `scope`, for the steps of a task that this thread came by as a job. Of awaited work that a
/// waiter runs (see `apart`), the rest of the list is left to the waiter.
pub(crate) fn scope_of_job<R>(f: impl FnOnce() -> R) -> R {
    let _hidden = locals::hide();
    let outermost = open();
    let _closes = outermost.then(|| Close);
    let result = f();
    if outermost && !LOCAL.try_with(|local| local.waits.get()).unwrap_or(false) {
        drain();
    }
    result
}

/// Opens a scope, unless one is open. True when it did.
fn open() -> bool {
    LOCAL
        .try_with(|local| {
            let outermost = !local.open.replace(true);
            if outermost {
                local.budget.set(DISPATCH_BUDGET);
            }
            outermost
        })
        // If the system destroys thread-locals even so, `later` runs its work at once.
        .unwrap_or(false)
}

struct Close;

impl Drop for Close {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| {
            local.open.set(false);
            let room = local.list.borrow().capacity();
            if room > local.kept.get() {
                give_back(local);
            }
        });
    }
}

/// Calls `f`, which runs awaited work inside a wait, as if at the bottom of the stack: the work
/// opens a new scope. The caller is waiting: of the list that is left, it runs what it waits for
/// and hands off the rest.
///
/// The list must be empty, or have only awaited work.
pub(crate) fn apart<R>(f: impl FnOnce() -> R) -> R {
    let before = LOCAL.try_with(|local| Before {
        open: local.open.replace(false),
        waits: local.waits.replace(true),
        handing: local.handing.replace(false),
        budget: local.budget.get(),
    });
    let _restores = before.ok();
    f()
}

/// What is put back when awaited work has run.
struct Before {
    open: bool,
    waits: bool,
    handing: bool,
    budget: u32,
}

impl Drop for Before {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| {
            local.open.set(self.open);
            local.waits.set(self.waits);
            local.handing.set(self.handing);
            local.budget.set(self.budget);
        });
    }
}

/// Releases the capacity that a burst has left behind.
#[cold]
fn give_back(local: &Local) {
    let mut list = local.list.borrow_mut();
    if list.is_empty() {
        *list = VecDeque::new();
    }
}

/// True while a scope is open on this thread.
pub(crate) fn is_open() -> bool {
    LOCAL.try_with(|local| local.open.get()).unwrap_or(false)
}

/// Puts a task on this thread's list, or runs it now when no scope is open. A thread that unwinds
/// runs nothing: the pool gets the task.
pub(crate) fn later(work: Arc<dyn Runnable>) {
    if let Some(Item::Run(work)) = put(Item::Run(work)) {
        match thread::panicking() {
            true => work.hand_off_to_pool(),
            false => {
                scope(|| work.run());
            }
        }
    }
}

/// Takes work off this thread's list that `later` has put there, if nothing has come after it.
pub(crate) fn take_back(work: &Arc<dyn Runnable>) {
    let taken = LOCAL.try_with(|local| {
        let mut list = local.list.borrow_mut();
        match list.back() {
            Some(Item::Run(last)) if Arc::ptr_eq(last, work) => list.pop_back(),
            _ => None,
        }
    });
    drop(taken);
}

/// Like `later`, for work that a pool has rejected. If that happens while this thread gives its
/// list away, no other thread can run the work, and this one does at once.
pub(crate) fn later_here(work: Arc<dyn Runnable>) {
    match LOCAL.try_with(|local| local.giving.get()).unwrap_or(false) {
        true => {
            work.run();
        }
        false => later(work),
    }
}

/// Gives work of this thread's list to another thread.
fn give(work: Arc<dyn Runnable>, hand_off: fn(Arc<dyn Runnable>)) {
    let before = LOCAL.try_with(|local| local.giving.replace(true));
    hand_off(work);
    let _ = LOCAL.try_with(|local| local.giving.set(before.unwrap_or(false)));
}

/// Has a task handed to its executor: at once, because it is not this thread's to run.
///
/// An executor may run the job inside the call, and that job may call the next executor. So a call
/// that would nest in another one on this thread goes to the list instead: calls nest once, for any
/// length of the chain.
pub(crate) fn hand_over_now(work: Arc<dyn Runnable>) {
    let begins = LOCAL.try_with(|local| !local.open.get() || !local.handing.replace(true));
    if begins.unwrap_or(true) {
        let _ends = Handing;
        work.hand_off();
    } else if let Err(work) = hand_off_later(work) {
        work.hand_off();
    }
}

/// Adds a task to this thread's list, to be handed off from there. Returns it if no scope is open.
pub(crate) fn hand_off_later(work: Arc<dyn Runnable>) -> Result<(), Arc<dyn Runnable>> {
    match put(Item::HandOff(work)) {
        Some(Item::Run(work) | Item::HandOff(work)) => Err(work),
        None => Ok(()),
    }
}

struct Handing;

impl Drop for Handing {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| local.handing.set(false));
    }
}

/// Returns the item if no scope is open.
fn put(item: Item) -> Option<Item> {
    let mut item = Some(item);
    let _ = LOCAL.try_with(|local| {
        if local.open.get() {
            let mut list = local.list.borrow_mut();
            if list.capacity() == 0 && SWEEPER.try_with(|_| ()).is_err() {
                local.kept.set(0);
            }
            list.extend(item.take());
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

/// Takes up to `wanted` subscribers from this dispatch's budget, and returns how many. None: the
/// budget is used up and other jobs wait for this worker.
pub(crate) fn grant(wanted: usize) -> usize {
    LOCAL
        .try_with(|local| {
            let mut left = local.budget.get();
            if left == 0 {
                // The first step is asked for before its scope is open.
                if local.open.get() && !renew(local) {
                    return 0;
                }
                left = DISPATCH_BUDGET;
            }
            let granted = left.min(u32::try_from(wanted).unwrap_or(u32::MAX));
            local.budget.set(left - granted);
            granted as usize
        })
        .unwrap_or(wanted)
}

#[cold]
fn renew(local: &Local) -> bool {
    let renewed = !local.is_wanted.get()();
    if renewed {
        local.budget.set(DISPATCH_BUDGET);
    }
    renewed
}

/// Runs what is on this thread's list, without a budget.
fn run_all() {
    while let Some(item) = next() {
        match item {
            Item::Run(work) => {
                work.run();
            }
            Item::HandOff(work) => give(work, hand_over_now),
        }
    }
}

fn drain() {
    let mut item = next();
    if item.is_some() && thread::panicking() {
        // User code that runs here would find `thread::panicking()`.
        return hand_off_from(item);
    }
    while let Some(now) = item {
        match now {
            Item::Run(work) if spend() => {
                work.run();
            }
            Item::Run(work) | Item::HandOff(work) => give(work, hand_over_now),
        }
        item = next();
    }
}

fn next() -> Option<Item> {
    LOCAL
        .try_with(|local| local.list.borrow_mut().pop_front())
        .ok()
        .flatten()
}

/// Has everything on this thread's list done by other threads. For a thread that is about to block,
/// or to run work that may take long, inside a callback.
///
/// Steps that were sent to an executor are handed to it; an executor that runs jobs inline does so
/// here.
pub(crate) fn hand_off_all() {
    hand_off_from(next());
}

/// The same, with `item`, which was first on the list.
fn hand_off_from(mut item: Option<Item>) {
    while let Some(Item::Run(work) | Item::HandOff(work)) = item {
        give(work, |work| work.hand_off_to_pool());
        item = next();
    }
}

/// The same, except for `awaited`, which this thread is about to run itself.
pub(crate) fn hand_off_others(awaited: *const ()) {
    let mut kept = None;
    while let Some(item) = next() {
        match item {
            Item::Run(work) if Arc::as_ptr(&work).cast() == awaited => kept = Some(work),
            Item::Run(work) | Item::HandOff(work) => give(work, |work| work.hand_off_to_pool()),
        }
    }
    if let Some(work) = kept {
        let _ = LOCAL.try_with(|local| local.list.borrow_mut().push_front(Item::Run(work)));
    }
}
