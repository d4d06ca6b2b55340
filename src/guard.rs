//! The wall around user code: a panic on the far side becomes a value on this side.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic carried.
pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// Runs user code. What it captured is dropped inside as well.
///
/// `AssertUnwindSafe` is right because the crate borrows no state mutably across the catch: a
/// closure owns what it changes.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops a user's value; hands back the payload if that panicked.
pub(crate) fn drop_caught<V>(value: V) -> Result<(), Payload> {
    if std::mem::needs_drop::<V>() {
        catch(move || drop(value))
    } else {
        Ok(())
    }
}

/// Drops a user's value, and the payload if that drop panics.
pub(crate) fn drop_quietly<V>(value: V) {
    if let Err(payload) = drop_caught(value) {
        // A payload may panic when dropped too. After several such panics the payload is leaked.
        if let Err(again) = drop_caught(payload) {
            std::mem::forget(again);
        }
    }
}
