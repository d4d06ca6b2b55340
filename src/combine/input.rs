//! What `all` and `all_settled` take: every list of tasks, and tuples of them.

use crate::task::Task;

/// Stands for every `IntoIterator` of tasks.
#[derive(Debug)]
pub enum List {}

/// Stands for tuples of tasks.
#[derive(Debug)]
pub enum Tuple {}

/// Implemented for what a combinator takes, and for nothing else.
///
/// `Kind` is [`List`] or [`Tuple`]. Without it the two implementations would overlap: the standard
/// library could make a tuple iterable. The compiler infers it, because each type has one kind.
pub trait Sealed<Kind> {}

impl<I, T> Sealed<List> for I where I: IntoIterator<Item = Task<T>> {}

macro_rules! tuple {
    ($($name:ident),+) => {
        impl<$($name),+> Sealed<Tuple> for ($(Task<$name>,)+) {}
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
tuple!(A, B, C, D, E);
tuple!(A, B, C, D, E, F);
tuple!(A, B, C, D, E, F, G);
tuple!(A, B, C, D, E, F, G, H);
