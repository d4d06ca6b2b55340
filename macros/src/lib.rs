//! The `#[make_async]` attribute of fast-async.

#![forbid(unsafe_code)]

// For maintainers: a decorated function goes read -> model -> refuse -> emit. What cannot be read
// comes back as it was; what was read and refused comes back as a fallback, next to the reasons.
// Generated code names one module only, `::fast_async::__private`.

mod borrow;
mod duration;
mod emit;
mod fallback;
mod head;
mod model;
mod read;
mod refuse;

use proc_macro::TokenStream;
use syn::parse::Parser;

/// Makes a function start a task instead of making its caller wait.
///
/// `fn f(a: A) -> T` becomes `fn f(a: A) -> Task<T>`: a call moves the arguments to a thread of the
/// pool, runs the body there and returns at once. The rest of the head stays as it is:
/// documentation, other attributes, visibility, generics and `where` clauses.
///
/// | written | made |
/// |---|---|
/// | `fn f(a: A)` | `fn f(a: A) -> Task<()>` |
/// | `fn f(a: A) -> T` | `fn f(a: A) -> Task<T>` |
/// | `fn f(a: A) -> Result<T, E>` | `fn f(a: A) -> Task<T>`, and an `Err` is the failure of the task |
/// | `fn f(self, ..)`, `fn f(self: Arc<Self>, ..)` | a method, with the same rules |
///
/// **Arguments** belong to the task. They are `Send + 'static`, they may be patterns, and they are
/// dropped as a function drops its arguments, on the thread that ran the body. Generic parameters
/// need these bounds written out, and so does an `impl Trait` argument: `impl Fn() + Send +
/// 'static`.
///
/// **A `Result`** is known by its name, for an attribute sees no types: the last segment of the
/// path is `Result`, with one or two type arguments. So `io::Result<T>` counts, and makes a
/// `Task<T>` as well.
///
/// **The location** of the task, which its errors show, is the place of the call.
///
/// **The crate** must be known as `fast_async`, for the generated code names `::fast_async`. Where
/// `Cargo.toml` renames the dependency, to `fa` say, the root of the crate needs `extern crate fa
/// as fast_async;`.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `name = "load"` | the name of the task; any expression that is `Into<String>` |
/// | `pool = &POOL` | the pool to run on, an expression of type `&Pool`; without it the global pool |
/// | `queue = &QUEUE` | the body is a job of this queue, an expression of type `&TaskQueue` |
/// | `timeout = "30s"` | the task fails as `TimedOut` after this time: an integer with `ms`, `s`, `min` or `h`, or an expression of type `Duration` |
/// | `retry = 3` | the body is called again after a failure, three times in all; or a policy, an expression of type `Retry` |
/// | `result = false` | `Task<Result<T, E>>`: an `Err` is a value like any other |
/// | `result = true` | the return type is a `Result` by another name; its first type argument is the value |
///
/// The expressions run in the caller, before the arguments leave it, and may use `self` and the
/// arguments that have a plain name.
///
/// **The time limit** is `Task::timeout` around all the rest: it begins with the call, and includes
/// the wait in a queue and all calls of the body. **With `retry`** each call of the body gets
/// clones of the arguments, which are `Clone` then, and borrows `self`. The task fails with the
/// last error. **A job** of a queue has the pool of the queue and no name, and its body is called
/// once.
///
/// # Errors
///
/// The task fails with what the body returns as `Err`, converted by `Into<BoxError>`: any
/// `std::error::Error` that is `Send + Sync + 'static`, a `String`, a `&str`, a `BoxError` or
/// another task's error. It keeps its type, and `TaskError::downcast_ref` finds it.
///
/// # Panics
///
/// The generated function panics only if an expression among its options does. A panic of the body
/// is the failure of its task.
///
/// # What is refused
///
/// The compiler says why, and what to write instead: `async`, `const`, `unsafe` and `extern`
/// functions; arguments and results that borrow (`&T`, `&self`, `Cow<'a, str>`), except for
/// `'static`; `impl Trait` arguments without `Send` and `'static` among their bounds; `impl Trait`
/// results; methods without a body.
///
/// # Examples
///
/// ```
/// use fast_async::make_async;
///
/// /// Builds a greeting.
/// #[make_async]
/// pub fn greet(name: String) -> String {
///     format!("hello {name}")
/// }
///
/// let greeting = greet("world".into()).then(|text| text.len()).wait()?;
/// assert_eq!(greeting, 11);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
///
/// A body that may fail:
///
/// ```
/// use fast_async::make_async;
/// use std::path::PathBuf;
/// use std::{fs, io};
///
/// #[make_async]
/// fn lines(path: PathBuf) -> io::Result<usize> {
///     Ok(fs::read_to_string(path)?.lines().count())
/// }
///
/// let error = lines("/no/such/file".into()).wait().unwrap_err();
/// let error = error.downcast_ref::<io::Error>().unwrap();
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// ```
///
/// A method on a pool of its own, with a name for each task:
///
/// ```
/// use fast_async::{Pool, make_async};
/// use std::sync::Arc;
///
/// struct Store {
///     pool: Pool,
///     pages: Vec<String>,
/// }
///
/// impl Store {
///     #[make_async(pool = &self.pool, name = format!("page {number}"))]
///     fn words(self: Arc<Self>, number: usize) -> usize {
///         self.pages[number].split_whitespace().count()
///     }
/// }
///
/// let pages = vec!["one two".to_owned()];
/// let store = Arc::new(Store { pool: Pool::new(), pages });
/// let words = Arc::clone(&store).words(0);
/// assert_eq!(words.name(), Some("page 0"));
/// assert_eq!(words.wait()?, 2);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
///
/// One that is tried three times, in ten seconds together:
///
/// ```
/// use fast_async::make_async;
/// use std::{fs, io};
///
/// #[make_async(retry = 3, timeout = "10s")]
/// fn size(path: String) -> io::Result<u64> {
///     Ok(fs::metadata(path)?.len())
/// }
///
/// let error = size("/no/such/file".into()).wait().unwrap_err();
/// assert_eq!(error.attempts(), Some(3));
/// ```
///
/// One call at a time:
///
/// ```
/// use fast_async::{TaskQueue, all, make_async};
/// use std::sync::LazyLock;
///
/// static PRINTER: LazyLock<TaskQueue> = LazyLock::new(TaskQueue::serial);
///
/// #[make_async(queue = &PRINTER)]
/// fn print(page: u32) -> u32 {
///     page
/// }
///
/// assert_eq!(all([print(1), print(2)]).wait()?, [1, 2]);
/// # Ok::<(), fast_async::TaskError>(())
/// ```
#[proc_macro_attribute]
pub fn make_async(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(options.into(), item.into()).into()
}

fn expand(
    options: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> proc_macro2::TokenStream {
    let (options, mut reasons) = read::options(options);
    let function = match read::function.parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            reasons.push(error);
            let errors = reasons.iter().map(syn::Error::to_compile_error);
            return errors.chain([item]).collect();
        }
    };
    reasons.extend(refuse::reasons(&function, &options));
    if reasons.is_empty() {
        return emit::function(&function, &options);
    }
    let errors = reasons.iter().map(syn::Error::to_compile_error);
    errors
        .chain([fallback::function(&function, options.result)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::expand;
    use quote::quote;

    /// The head of what comes out, up to the body.
    fn head(item: proc_macro2::TokenStream) -> String {
        let text = expand(quote!(), item).to_string();
        text.split(" {").next().unwrap().to_owned()
    }

    #[test]
    fn the_head_stays() {
        let made = head(quote! {
            /// Loads it.
            #[must_use = "or else"]
            #[cfg(all())]
            pub(crate) fn load<'s, T: Load<'s>, const N: usize>(mut self, item: T, (a, _): [u8; N]) -> T
            where
                T: Send + 'static
            {
                item
            }
        });
        let wanted = quote! {
            /// Loads it.
            #[must_use = "or else"]
            #[cfg(all())]
            #[track_caller]
            pub(crate) fn load<'s, T: Load<'s>, const N: usize>(mut self, item: T, argument1: [u8; N])
                -> ::fast_async::__private::Task<T>
            where
                T: Send + 'static
        };
        assert_eq!(made, wanted.to_string());
    }

    #[test]
    fn a_second_track_caller_is_not_added() {
        let made = head(quote!(
            #[track_caller]
            fn f() {}
        ));
        assert_eq!(made.matches("track_caller").count(), 1);
    }

    #[test]
    fn only_the_hidden_module_is_named() {
        let made = expand(
            quote!(name = "n", pool = &POOL),
            quote! {
                fn f(self: Arc<Self>, a: u8, (b, c): (u8, u8)) -> Result<u8, E> { body }
            },
        );
        names_it_alone(&made.to_string());
        let item = quote!(
            fn f(a: u8) -> Result<u8, E> {
                body
            }
        );
        let made = expand(quote!(retry = 3, timeout = "10s"), item.clone());
        names_it_alone(&made.to_string());
        let made = expand(quote!(queue = &QUEUE, timeout = LIMIT), item);
        names_it_alone(&made.to_string());
    }

    fn names_it_alone(made: &str) {
        assert!(!made.contains("compile_error"), "{made}");
        assert!(made.matches("fast_async").count() > 0);
        assert_eq!(
            made.matches("fast_async").count(),
            made.matches(":: fast_async :: __private ::").count()
        );
    }

    #[test]
    fn what_is_no_function_comes_back() {
        let item = quote!(
            struct Page(u8);
        );
        let made = expand(quote!(), item.clone()).to_string();
        assert!(made.contains("compile_error"));
        assert!(made.ends_with(&item.to_string()));
    }
}
