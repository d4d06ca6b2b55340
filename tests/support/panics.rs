//! Panics that tests ask for: kept off the screen, and collected where they are reported.

use std::any::Any;
use std::panic;
use std::sync::Once;

// Not the standard library's: the thread sanitizer does not see through it.
use parking_lot::Mutex;

use fast_async::set_unhandled_hook;

/// What every expected panic message begins with.
const MARK: &str = "expected: ";

/// A panic payload of a type of the tests' own, which is not printed either.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expected(pub(crate) u32);

/// Panics without noise.
#[track_caller]
pub(crate) fn expected(message: &str) -> ! {
    panic!("{MARK}{message}");
}

/// Silences expected panics and unhandled failures in this process.
pub(crate) fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_expected(info.payload()) {
                before(info);
            }
        }));
        set_unhandled_hook(|error| REPORTS.lock().push(format!("{error:#}")));
    });
}

/// True for the payload of a panic that a test asked for.
pub(crate) fn is_expected(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Expected>()
        || payload.is::<super::Bomb>()
        || text_of(payload).is_some_and(|text| text.starts_with(MARK))
}

fn text_of(payload: &(dyn Any + Send)) -> Option<&str> {
    match payload.downcast_ref::<String>() {
        Some(text) => Some(text),
        None => payload.downcast_ref::<&'static str>().copied(),
    }
}

static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// How many failures that contain `text` were reported as unhandled. Tests share the process, so
/// the text must be a test's own.
pub(crate) fn reports(text: &str) -> usize {
    quiet();
    let reports = REPORTS.lock();
    reports.iter().filter(|line| line.contains(text)).count()
}
