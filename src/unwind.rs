//! What may be used on after a caught panic.
//!
//! A panic leaves none of these half changed. Their contents change under locks that no user code
//! runs under, and a panic in user code is caught before it reaches code that holds them. A handle
//! lends no user value that such code might have left half changed, except `SharedTask`, which is
//! as safe as a reference to its value.

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::cache::{Lazy, Memo};
use crate::cancel::{CancelCallback, CancelToken};
use crate::error::TaskError;
use crate::pool::Pool;
use crate::promise::{Resolver, SharedResolver};
use crate::retry::RetryBudget;
use crate::task::{SharedTask, Subscription, Task};
use crate::timer::Clock;
use crate::topic::{Receiver, Topic, Topics, Watch};

impl<T> UnwindSafe for Task<T> {}
impl<T> RefUnwindSafe for Task<T> {}

impl<T: RefUnwindSafe> UnwindSafe for SharedTask<T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for SharedTask<T> {}

impl<T: Send + 'static> UnwindSafe for Resolver<T> {}
impl<T: Send + 'static> RefUnwindSafe for Resolver<T> {}

impl<T: Send + 'static> UnwindSafe for SharedResolver<T> {}
impl<T: Send + 'static> RefUnwindSafe for SharedResolver<T> {}

// It lends the user's error, which can change only through a lock of its own.
impl UnwindSafe for TaskError {}
impl RefUnwindSafe for TaskError {}

impl UnwindSafe for Pool {}
impl RefUnwindSafe for Pool {}

impl UnwindSafe for CancelToken {}
impl RefUnwindSafe for CancelToken {}

impl UnwindSafe for CancelCallback {}
impl RefUnwindSafe for CancelCallback {}

impl UnwindSafe for Subscription {}
impl RefUnwindSafe for Subscription {}

impl UnwindSafe for Clock {}
impl RefUnwindSafe for Clock {}

impl UnwindSafe for RetryBudget {}
impl RefUnwindSafe for RetryBudget {}

impl<T: Send + Sync + 'static> UnwindSafe for Topic<T> {}
impl<T: Send + Sync + 'static> RefUnwindSafe for Topic<T> {}

impl<T: Send + Sync + 'static> UnwindSafe for Receiver<T> {}
impl<T: Send + Sync + 'static> RefUnwindSafe for Receiver<T> {}

impl<T: Send + Sync + 'static> UnwindSafe for Topics<T> {}
impl<T: Send + Sync + 'static> RefUnwindSafe for Topics<T> {}

impl<T: Send + Sync + 'static> UnwindSafe for Watch<T> {}
impl<T: Send + Sync + 'static> RefUnwindSafe for Watch<T> {}

// They lend values as a `SharedTask` does.
impl<K, T> UnwindSafe for Memo<K, T>
where
    K: Send + Sync + 'static,
    T: RefUnwindSafe + Send + Sync + 'static,
{
}
impl<K, T> RefUnwindSafe for Memo<K, T>
where
    K: Send + Sync + 'static,
    T: RefUnwindSafe + Send + Sync + 'static,
{
}

impl<T: RefUnwindSafe + Send + Sync + 'static> UnwindSafe for Lazy<T> {}
impl<T: RefUnwindSafe + Send + Sync + 'static> RefUnwindSafe for Lazy<T> {}
