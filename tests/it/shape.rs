//! Shapes: sizes and auto traits of what users hold, which a change must not alter unseen.

use std::cell::{Cell, RefCell};
use std::mem::size_of;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::AtomicU8;

use crate::support::within;
use fast_async::topic::{Receiver, Topic};
use fast_async::{
    BoxError, CancelOutcome, CancelToken, ErrorKind, Executor, Inline, Job, Lazy, LoopQueue, Memo,
    Pool, Resolver, SharedTask, Status, Subscription, Task, TaskBuilder, TaskContext, TaskError,
    TaskEvent, TaskLocal, cancel::CancelCallback, error::AggregateError, promise::SharedResolver,
    task::CancelOnDrop, task::SubscriptionGuard,
};
use static_assertions::{
    assert_eq_size, assert_impl_all, assert_not_impl_any, assert_obj_safe, const_assert,
    const_assert_eq,
};

const POINTER: usize = size_of::<usize>();

// An outcome costs one pointer more than its value at most, and nothing where the value has room.
const_assert_eq!(size_of::<TaskError>(), POINTER);
assert_eq_size!(Option<TaskError>, TaskError);
assert_eq_size!(Result<(), TaskError>, usize);
assert_eq_size!(Result<Box<u8>, TaskError>, [usize; 2]);

// A handle is a pointer to an erased type, for every type of value.
const_assert_eq!(size_of::<Task<()>>(), 2 * POINTER);
assert_eq_size!(Task<()>, Task<[u64; 100]>);
const_assert_eq!(size_of::<SharedTask<[u64; 100]>>(), POINTER);
assert_eq_size!(SharedTask<()>, Option<SharedTask<()>>);
const_assert_eq!(size_of::<Resolver<[u64; 100]>>(), 2 * POINTER);
const_assert!(size_of::<CancelOnDrop<()>>() <= 3 * POINTER);
const_assert_eq!(size_of::<Pool>(), POINTER);
const_assert_eq!(size_of::<CancelToken>(), POINTER);
const_assert_eq!(size_of::<LoopQueue>(), POINTER);
const_assert_eq!(size_of::<Job>(), 3 * POINTER);
const_assert_eq!(size_of::<Inline>(), 0);
const_assert_eq!(size_of::<ErrorKind>(), 1);
const_assert_eq!(size_of::<Status>(), 1);
const_assert_eq!(size_of::<CancelOutcome>(), 1);

// A handle is `Send`, `Sync` and `Unpin` for every type of value, because only one thread takes the
// value.
assert_impl_all!(Task<u8>: Send, Sync, Unpin);
assert_impl_all!(Task<Cell<u8>>: Send, Sync, Unpin);
assert_impl_all!(Task<std::marker::PhantomPinned>: Send, Sync, Unpin);
assert_impl_all!(Resolver<Cell<u8>>: Send, Sync, Unpin);
assert_impl_all!(SharedResolver<Cell<u8>>: Clone, Send, Sync, Unpin);
assert_impl_all!(CancelOnDrop<Cell<u8>>: Send, Sync, Unpin);
assert_not_impl_any!(Task<u8>: Clone, Copy);
assert_not_impl_any!(Resolver<u8>: Clone, Copy);

// Many threads borrow a shared value at once: it must be `Sync`, and `Send` because any of them may
// drop it.
assert_impl_all!(SharedTask<u8>: Clone, Send, Sync, Unpin);
assert_not_impl_any!(SharedTask<Cell<u8>>: Send, Sync);
assert_not_impl_any!(SharedTask<u8>: Copy);

assert_impl_all!(TaskError: std::error::Error, Clone, Send, Sync, Unpin, Into<BoxError>);
assert_impl_all!(AggregateError: std::error::Error, Clone, Send, Sync, Unpin);
assert_impl_all!(ErrorKind: Copy, Eq, std::hash::Hash, Send, Sync, UnwindSafe);
assert_impl_all!(Status: Copy, Eq, std::hash::Hash, Send, Sync, UnwindSafe);

assert_impl_all!(Job: Send, Sync, Unpin);
assert_impl_all!(Pool: Executor, Clone, Default, Send, Sync, Unpin);
assert_impl_all!(LoopQueue: Executor, Clone, Default, Send, Sync, Unpin);
assert_impl_all!(Inline: Executor, Copy, Default, Send, Sync, Unpin);
assert_impl_all!(std::sync::Arc<dyn Executor>: Executor);
type Function = fn(Job);
assert_impl_all!(Function: Executor);
assert_impl_all!(std::sync::Arc<dyn Fn(Job) + Send + Sync>: Executor, Clone);
assert_obj_safe!(Executor);

assert_impl_all!(Subscription: Send, Sync, Unpin);
assert_impl_all!(Topic<AtomicU8>: Clone, Default, Send, Sync, Unpin);
assert_impl_all!(Receiver<AtomicU8>: Iterator, Send, Sync, Unpin);
assert_impl_all!(Memo<u8, AtomicU8>: Clone, Send, Sync, Unpin);
assert_impl_all!(Lazy<AtomicU8>: Clone, Send, Sync, Unpin);
assert_impl_all!(TaskLocal<AtomicU8>: Default, Send, Sync, Unpin);
assert_impl_all!(TaskEvent: Clone, Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_impl_all!(SubscriptionGuard: Send, Sync, Unpin);
assert_impl_all!(CancelToken: Clone, Default, Send, Sync, Unpin);
assert_impl_all!(TaskContext: Clone, Send, Sync, Unpin);
assert_impl_all!(TaskBuilder: Clone, Default, Send, Sync, Unpin);

// What may be used after a caught panic: handles for every type of value, a shared value only if a
// reference to it may be.
assert_impl_all!(Task<RefCell<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Resolver<RefCell<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(SharedResolver<RefCell<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(CancelOnDrop<RefCell<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(SharedTask<u8>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(SharedTask<RefCell<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Memo<u8, u8>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Lazy<u8>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(TaskLocal<u8>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(TaskError: UnwindSafe, RefUnwindSafe);
assert_impl_all!(AggregateError: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Pool: UnwindSafe, RefUnwindSafe);
assert_impl_all!(CancelToken: UnwindSafe, RefUnwindSafe);
assert_impl_all!(CancelCallback: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Subscription: UnwindSafe, RefUnwindSafe);
assert_impl_all!(SubscriptionGuard: UnwindSafe, RefUnwindSafe);
assert_impl_all!(TaskContext: UnwindSafe, RefUnwindSafe);
assert_impl_all!(TaskBuilder: UnwindSafe, RefUnwindSafe);

// What can be awaited.
assert_impl_all!(Task<Cell<u8>>: std::future::Future);
assert_impl_all!(CancelOnDrop<Cell<u8>>: std::future::Future);

// What can be printed, with any value: `Debug` of a task does not ask for `Debug` of its value.
struct Opaque;
assert_impl_all!(Task<Opaque>: std::fmt::Debug);
assert_impl_all!(SharedTask<Opaque>: std::fmt::Debug);
assert_impl_all!(Resolver<Opaque>: std::fmt::Debug);
assert_impl_all!(SharedResolver<Opaque>: std::fmt::Debug);
assert_impl_all!(Pool: std::fmt::Debug);
assert_impl_all!(Job: std::fmt::Debug);
assert_impl_all!(TaskError: std::fmt::Debug, std::fmt::Display);

/// A value that is neither `Clone` nor `Sync` nor `Debug` goes through every verb that moves it or
/// lends it to one thread.
#[test]
fn a_value_needs_only_send() {
    struct Plain(RefCell<Vec<u8>>);
    within(|| {
        let task = fast_async::spawn(|| Plain(RefCell::new(vec![1])));
        task.subscribe(|plain| plain.0.borrow_mut().push(2), |_| ());
        let task = task
            .inspect(|plain| plain.0.borrow_mut().push(3))
            .then(|plain| plain)
            .and_then(Ok)
            .and_then(Task::ready)
            .finally(|| ())
            .catch(|error| panic!("{error}"))
            .or_else(|error| Err(error.into()))
            .catch_as(|error: &std::fmt::Error| panic!("{error}"))
            .on(&Inline)
            .shielded()
            .cancel_on_drop()
            .into_task();
        let whole = fast_async::all((fast_async::any([task]), Task::ready(())));
        let (plain, ()) = whole.wait().ok().unwrap();
        assert_eq!(plain.0.into_inner(), [1, 2, 3]);
    });
}

/// A task may be looked at from many threads while one of them holds it.
#[test]
fn a_task_of_a_value_that_is_not_sync_is_shared_between_threads() {
    within(|| {
        let (resolver, task) = fast_async::deferred::<Cell<u8>>();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    task.on_settled(|outcome| {
                        let cell = outcome.unwrap();
                        cell.set(cell.get() + 1);
                    });
                });
            }
        });
        resolver.resolve(Cell::new(0)).unwrap();
        assert_eq!(task.wait().unwrap().get(), 3);
    });
}
