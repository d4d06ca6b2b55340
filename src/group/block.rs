//! What the block of a group may return.

use crate::error::BoxError;

/// What the block of a [`group`](crate::group()) returns: nothing, or a result. No other type can
/// be.
#[diagnostic::on_unimplemented(
    message = "the block of a group cannot return `{Self}`",
    label = "returns `{Self}`, which is neither `()` nor `Result<_, BoxError>`",
    note = "a plain value: write `Ok(value)`",
    note = "a result with another error type: write `Ok(result?)`"
)]
pub trait Block: sealed::Sealed {
    /// The value that the group returns.
    type Value;

    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Value, BoxError>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<T> Sealed for Result<T, crate::BoxError> {}
}

impl Block for () {
    type Value = ();

    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<T> Block for Result<T, BoxError> {
    type Value = T;

    fn into_result(self) -> Result<T, BoxError> {
        self
    }
}
