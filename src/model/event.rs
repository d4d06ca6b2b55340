//! A task that reports, a listener that comes meanwhile, and the end (Contract: E2).

use super::{explore, go};
use crate::cell::step::Route;
use crate::cell::task_cell::{NoWork, TaskCell};
use crate::cell::{AnyCell, ExtraMeta, TaskMeta, with};
use crate::event::{EventKind, TaskEvent};
use crate::sync::Arc;
use crate::task::own_token;
use crate::topic::Receiver;
use crate::{Resolver, Task, TaskContext, all, deferred};

/// A task to settle by hand that has a context, as a closure has. No pool has a part in it.
fn reporting() -> (Resolver<u8>, TaskContext, Task<u8>) {
    let (token, context) = own_token();
    let extra = ExtraMeta {
        token: Some(token),
        ..ExtraMeta::default()
    };
    let meta = TaskMeta {
        extra: Some(Box::new(extra)),
        ..TaskMeta::here()
    };
    let cell: Arc<dyn AnyCell> = TaskCell::<NoWork<u8>, u8>::open(meta);
    let _ = with(&*cell, |state, _| state.set_route(Route::Inline));
    (Resolver::new(cell.clone()), context, Task::from_cell(cell))
}

/// The end, among the numbers of the progress.
const END: u64 = 9;

/// What was told, to the end. A listener that comes before the first count, or in the middle of the
/// first report, may get that nothing is done.
fn told(events: Receiver<TaskEvent>) -> Vec<u64> {
    let number = |event: &TaskEvent| match event.kind() {
        EventKind::Progress { done, .. } if *done > 0 => Some(*done),
        EventKind::Settled { .. } => Some(END),
        _ => None,
    };
    events.filter_map(|event| number(&event)).collect()
}

#[test]
fn the_last_progress_is_told_before_the_end() {
    explore(&["all", "the last"], || {
        let (resolver, context, task) = reporting();
        let reporter = go(move || {
            context.progress(1, 2);
            context.progress(2, 2);
            resolver.resolve(7).unwrap();
        });
        let events = task.events();
        reporter.join().unwrap();
        match told(events)[..] {
            [1, 2, END] => "all",
            [2, END] => "the last",
            ref told => panic!("{told:?}"),
        }
    });
}

#[test]
fn nothing_is_told_after_the_end() {
    explore(&["none", "one", "both"], || {
        let (resolver, context, task) = reporting();
        let reporter = go(move || {
            context.progress(1, 2);
            context.message("between");
            context.progress(2, 2);
        });
        let events = task.events();
        task.cancel();
        reporter.join().unwrap();
        drop(resolver);
        match told(events)[..] {
            [END] => "none",
            [1, END] | [2, END] => "one",
            [1, 2, END] => "both",
            ref told => panic!("{told:?}"),
        }
    });
}

#[test]
fn a_combined_task_tells_of_its_last_input() {
    explore(&["late", "at the end", "before"], || {
        let ((one, left), (two, right)) = (deferred::<u8>(), deferred::<u8>());
        let whole = all([left, right]);
        if let Some(cell) = whole.cell() {
            let _ = with(&**cell, |state, _| state.set_route(Route::Inline));
        }
        let resolver = go(move || {
            one.resolve(1).unwrap();
            two.resolve(2).unwrap();
        });
        let events = whole.events();
        resolver.join().unwrap();
        match told(events)[..] {
            [END] => "late",
            [2, END] => "at the end",
            [1, 2, END] => "before",
            ref told => panic!("{told:?}"),
        }
    });
}
