//! The first successes of many tasks, or the failures that leave too few: what `any` and `some`
//! share.

use super::group::{Group, bind};
use crate::cell::slot::Outcome;
use crate::cell::{AnyCell, deadlock};
use crate::error::{AggregateError, ErrorKind, TaskError};
use crate::flat::Flat;
use crate::promise::Resolver;
use crate::sync::{Arc, Mutex};
use crate::task::{Sink, Task};
use crate::unhandled;

/// An input's value, with the index of the input.
type Value<T> = (usize, T);

/// What the steps on the inputs share.
struct First<T: Send + 'static, V: Send + 'static> {
    group: Arc<Group<Parts<T>>>,
    resolver: Mutex<Option<Resolver<V>>>,
    /// Makes the result from the values; the last one is a separate argument.
    finish: fn(Vec<Value<T>>, Value<T>) -> V,
}

struct Parts<T: 'static> {
    /// The number of values that are missing. The thread that delivers the last one settles the
    /// task.
    missing: usize,
    /// The number of failures after which too few inputs are left.
    failures_left: usize,
    /// The values in the order of arrival, without the last.
    values: Flat<Vec<Value<T>>>,
    /// The index of the earliest failure.
    first: Option<usize>,
    errors: Vec<Option<TaskError>>,
}

/// Settles the task of `resolver` by `finish` when `count` of `tasks` have succeeded, and cancels
/// the others; fails it as soon as fewer can. `count` is at least 1, and at most the number of
/// tasks.
pub(super) fn settle_by_first<T: Send + 'static, V: Send + 'static>(
    count: usize,
    tasks: Vec<Task<T>>,
    resolver: Resolver<V>,
    finish: fn(Vec<Value<T>>, Value<T>) -> V,
) {
    let cells: Vec<Arc<dyn AnyCell>> = tasks.into_iter().filter_map(Task::into_cell).collect();
    let parts = Parts {
        missing: count,
        failures_left: cells.len() + 1 - count,
        values: Flat::new(Vec::new()),
        first: None,
        errors: cells.iter().map(|_| None).collect(),
    };
    let group = Group::new(false, parts);
    if let Some(cell) = resolver.cell() {
        bind(&*cell, &group);
    }
    let first = Arc::new(First {
        group,
        resolver: Mutex::new(Some(resolver)),
        finish,
    });
    for (index, cell) in cells.iter().enumerate() {
        let first = first.clone();
        Sink::new(move |outcome: Outcome<T>| first.settle_one(index, outcome)).attach(cell);
    }
    first.group.fill(cells);
    if first.resolver.lock().is_none() {
        // Decided already: the others are not needed.
        first.group.cancel();
    }
}

impl<T: Send + 'static, V: Send + 'static> First<T, V> {
    fn settle_one(&self, index: usize, outcome: Outcome<T>) {
        match outcome {
            Ok(value) => self.succeed(index, value),
            Err(error) => self.fail(index, error),
        }
    }

    fn succeed(&self, index: usize, value: T) {
        let mut value = Some((index, value));
        let whole = self.group.decide_by(index, |parts| {
            parts.missing = parts.missing.checked_sub(1)?;
            let value = value.take()?;
            if parts.missing > 0 {
                parts.values.push(value);
                return None;
            }
            Some((std::mem::take(&mut *parts.values), value))
        });
        let Some((values, last)) = whole else {
            // A wanted value, or a later success, whose value is dropped here.
            unhandled::drop_reporting(value);
            return self.give_up_in_a_cycle();
        };
        let resolver = self.resolver.lock().take();
        if let Some(resolver) = resolver {
            unhandled::drop_reporting(resolver.resolve((self.finish)(values, last)));
            self.group.cancel();
        }
    }

    fn fail(&self, index: usize, error: TaskError) {
        let all = self.group.decide_by(index, |parts| {
            parts.errors[index] = Some(error);
            let first = *parts.first.get_or_insert(index);
            parts.failures_left = parts.failures_left.checked_sub(1)?;
            if parts.failures_left > 0 || parts.missing == 0 {
                return None;
            }
            parts.missing = 0;
            let of = parts.errors.len();
            let before = parts.errors[..first].iter().flatten().count();
            let errors = std::mem::take(&mut parts.errors);
            parts.errors.resize_with(of, || None);
            let all = AggregateError {
                errors: errors.into_iter().flatten().collect(),
                first: before,
                of,
            };
            Some((all, std::mem::take(&mut *parts.values)))
        });
        let Some((all, values)) = all else {
            return self.give_up_in_a_cycle();
        };
        unhandled::drop_each(values);
        let resolver = self.resolver.lock().take();
        if let Some(resolver) = resolver {
            let _ = resolver.reject(all);
            self.group.cancel();
        }
    }

    /// An input has settled, and decided nothing. If all that are left wait for the task of this
    /// combinator, none of them can settle, and the task fails as `Cycle`.
    fn give_up_in_a_cycle(&self) {
        if !self.group.is_at_risk() {
            return;
        }
        let cell = self.resolver.lock().as_ref().and_then(Resolver::cell);
        let Some(cell) = cell.filter(deadlock::is_in_a_cycle) else {
            return;
        };
        let error = TaskError::of(ErrorKind::Cycle, cell.meta().at());
        if let Some(resolver) = self.resolver.lock().take() {
            let _ = resolver.settle(Err(error));
            self.group.clear();
        }
    }
}
