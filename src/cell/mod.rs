//! The cell of a task: its closure, its outcome and its subscriber list, in one allocation.
//!
//! A `Task` has one consumer, so a chain of `then`s is a line. The derived task of a link needs no
//! new cell: it is the same cell with one more step in its list. A new cell begins at a fork
//! (`share`).

// Map for maintainers, from the ground up: a file imports files that stand before it.
//   meta.rs       what never changes              slot.rs      an outcome without its type
//   head.rs       a closure, then its outcome     rank.rs      ranks for the search for cycles
//   unseen.rs     values that ask to be looked at
// The types of a cell. These import each other: a cell holds steps, and a step may hold a cell.
//   shell.rs      a cell without its types: its parts, its lock, the trait
//   state.rs      phases and transitions, as a table; state/ the parts of it
//   steps/        the list of steps               step.rs      an entry of it
//   register, below: adds a step to a cell in any state, as `then` does
//   upstream.rs   what a task waits for
// What is done with a cell:
//   listen.rs     listeners to events
//   submit.rs     gives work to the pool          tear.rs      last handle, last reference
//   pieces.rs     user code that is left for the end
//   raise.rs      tokens; second pass of a cancel stopped.rs   counts closures left running
//   displaced.rs  takes a closure out             call_off.rs  a token meets the driver
//   deadlock/     finds cycles of waiting         adopt.rs     follows a returned task
//   removed.rs    what an adoption has taken out
//   driver.rs     decides what the driver does    drive.rs     does it: runs the steps
//   settle.rs     an outcome from outside
//   cancel.rs     a cancel meets the driver       fail.rs      fails what a queue rejected
//   work.rs       calls or drops a closure        hand_off.rs  has steps run where they belong
//   task_cell.rs  the cell with its types         timed.rs     settles on the timers' thread
//   reach.rs      the cell as cancels and searches see it    queued.rs  as queues see it
//
// Locks: deadlock::GRAPH -> one cell's lock. No thread holds the locks of two cells, and no user
// code runs or is dropped under either.

pub(crate) mod adopt;
pub(crate) mod call_off;
pub(crate) mod cancel;
pub(crate) mod deadlock;
mod displaced;
pub(crate) mod drive;
pub(crate) mod driver;
mod fail;
mod hand_off;
mod head;
pub(crate) mod listen;
mod meta;
pub(crate) mod pieces;
mod queued;
pub(crate) mod raise;
mod rank;
mod reach;
mod removed;
pub(crate) mod settle;
mod shell;
pub(crate) mod slot;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod steps;
pub(crate) mod stopped;
mod submit;
pub(crate) mod task_cell;
mod tear;
pub(crate) mod timed;
mod unseen;
mod upstream;
mod work;

pub(crate) use meta::{ExtraMeta, TaskMeta};
pub(crate) use shell::{AnyCell, address, with, with_state};
pub(crate) use submit::{enqueue, enqueue_in, queue, submit_continuation, take_place};
pub(crate) use tear::{forget, release};
pub(crate) use upstream::{Upstream, UpstreamRef};

use crate::sync::{Arc, thread_id};
use crate::unhandled::Overseen;
use state::{Phase, Registered, Role};
use step::Step;

/// True while the calling thread runs the closure or a step of `cell`.
pub(crate) fn is_driven_here(cell: &dyn AnyCell) -> bool {
    with_state(cell, |state| {
        state.phase() == Phase::Driving && state.driver == Some(thread_id())
    })
}

/// Registers a step and ensures that it will run. Returns its number. For functions that are
/// compiled once.
#[inline(always)]
pub(crate) fn register(cell: &Arc<dyn AnyCell>, step: Box<dyn Step>, role: Role) -> u64 {
    let (number, registered) = cell.shell().push(step, role);
    if registered != Registered::Pending {
        begin_again(cell, registered);
    }
    number
}

/// Ensures that a thread runs a step registered on a task without a driver.
#[inline(never)]
fn begin_again(cell: &Arc<dyn AnyCell>, registered: Registered) {
    match registered {
        Registered::Pending => {}
        Registered::Late => {
            if cell.meta().is_under_tokens() {
                call_off::enlist_again(cell);
            }
            if let Some(overseen) = cell.meta().overseer() {
                rejoin(cell, overseen);
            }
            cell.clone().hand_off();
        }
        Registered::Cold => enqueue(cell),
    }
}

/// The group of a task waits for it again, unless the group has ended.
#[cold]
fn rejoin(cell: &Arc<dyn AnyCell>, overseen: &Overseen) {
    let task = Arc::downgrade(cell);
    if !overseen.by.rejoin(overseen.number, &task) {
        return;
    }
    let joins = with_state(&**cell, |state| {
        // Its steps may have run meanwhile, or another thread has registered a step too.
        let joins = state.phase() != Phase::Settled && !state.overseen;
        state.overseen |= joins;
        joins
    });
    if !joins {
        overseen.leave();
    }
}
