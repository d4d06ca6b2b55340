//! Values that are dropped unseen although they ask to be looked at: an `Err`, a future.
//!
//! A task holds values of any type, and there no bound can tell a `Result` from others. So this
//! goes by the name of the type, and by the number of the variant as it is printed. Neither is
//! guaranteed by the language: where they are different, no such value is reported.

use std::any::type_name;
use std::fmt::{self, Write};
use std::mem::discriminant;

const ERROR: &str = "its value was an `Err` that nothing looked at: to fail the task with it, \
                     write `attempt(|| Ok(f()?))` or `spawn(f).flatten()`";

const FUTURE: &str = "its value was a future that nothing polled: start it with `spawn_future`, or \
                      return `spawn_future(..)` from `and_then`";

/// What to tell the user about a value that is dropped unseen. `None`: nothing.
pub(super) fn look<T>(value: &T) -> Option<&'static str> {
    let name = type_name::<T>();
    if is_future(name) {
        return Some(FUTURE);
    }
    let is_error = is_result(name) && is_second(format_args!("{:?}", discriminant(value)));
    is_error.then_some(ERROR)
}

fn is_result(name: &str) -> bool {
    name.starts_with("core::result::Result<")
}

/// An async block, or the future of an async function, also in a box. A closure has such a name
/// too, and is of no use unseen either.
fn is_future(name: &str) -> bool {
    name.ends_with("::{{closure}}")
        || name.starts_with("core::pin::Pin<alloc::boxed::Box<dyn core::future::future::Future")
}

/// `Err` is the second variant.
fn is_second(printed: fmt::Arguments<'_>) -> bool {
    /// Compares what is written with what is left of the text.
    struct Rest(&'static str);
    impl Write for Rest {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest("Discriminant(1)");
    rest.write_fmt(printed).is_ok() && rest.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_err_is_told_from_other_values() {
        assert_eq!(look(&Err::<u32, _>(fmt::Error)), Some(ERROR));
        assert_eq!(look(&Err::<(), _>("no".to_string())), Some(ERROR));
        assert_eq!(look(&Ok::<u32, fmt::Error>(7)), None);
        assert_eq!(look(&Some(Err::<u32, _>(fmt::Error))), None);
        assert_eq!(look(&7), None);
        assert_eq!(look(&None::<u32>), None);
    }

    #[test]
    fn a_future_is_told_from_other_values() {
        async fn function() {}
        assert_eq!(look(&async {}), Some(FUTURE));
        assert_eq!(look(&function()), Some(FUTURE));
        let boxed: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {});
        assert_eq!(look(&boxed), Some(FUTURE));
        assert_eq!(look(&vec![1]), None);
    }
}
