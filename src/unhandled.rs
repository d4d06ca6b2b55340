//! Reports of unhandled failures: each once, to a hook, to `tracing`, or to stderr.

mod places;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use places::{Count, Places};

use crate::error::TaskError;
use crate::sync::{
    Arc, AtomicBool, AtomicUsize, Duration, Instant, Mutex, Ordering, is_main_thread,
};
use crate::{drop_queue, guard};

type Hook = Arc<dyn Fn(&TaskError) + Send + Sync>;

/// Receives the unhandled failures of some tasks instead of the hook: the group of the tasks.
pub(crate) trait Overseer: Send + Sync {
    /// Takes a failure. Returns it when the group has ended: then it is reported like others.
    fn take_failure(&self, error: TaskError) -> Option<TaskError>;

    /// One of the tasks is settled, and no closure of it runs.
    fn leave(&self, number: u64);

    /// One of the tasks is settled, and leaves when closures that it has left running have
    /// returned.
    fn linger(self: Arc<Self>, number: u64);

    /// A task that was settled has more steps to run. `task` is the weak reference to its cell that
    /// the group was given first. False: the group has ended.
    fn rejoin(&self, number: u64, task: &dyn Any) -> bool;
}

/// The group of a task, and the task's number in it.
pub(crate) struct Overseen {
    pub(crate) by: Arc<dyn Overseer>,
    pub(crate) number: u64,
}

impl Overseen {
    pub(crate) fn leave(&self) {
        self.by.leave(self.number);
    }

    #[cold]
    pub(crate) fn linger(&self) {
        self.by.clone().linger(self.number);
    }
}

crate::sync::statics! {
    static HOOK: Mutex<Option<Hook>> = Mutex::new(None);

    /// The recent lines of the default report. No user code runs under the lock: lines are taken
    /// out, and written without it.
    static PLACES: Mutex<Places> = Mutex::new(Places::new());

    /// How many tasks have work to do and no handle, and were not detached explicitly.
    static DROPPED: AtomicUsize = AtomicUsize::new(0);

    /// `PLACES` has counts that were not written. Set under its lock. A hint for threads that go
    /// to sleep; if one misses it, the next thread writes the counts.
    static COUNTING: AtomicBool = AtomicBool::new(false);
}

crate::sync::thread_local! {
    static AT_EXIT: AtExit = const { AtExit };
}

/// Writes the counts that are left when the main thread ends, after which no code of the crate
/// runs.
struct AtExit;

impl Drop for AtExit {
    fn drop(&mut self) {
        if is_main_thread() {
            // A subscriber's thread-locals may have been destroyed.
            let lines = take(|places, due| places.take_all(Instant::now(), due));
            lines.iter().for_each(say_on_stderr);
            if let Some(line) = lost(DROPPED.load(Ordering::Relaxed)) {
                say_on_stderr(&line);
            }
        }
    }
}

/// What to tell the user if the program ends now, with so many tasks under way that have no handle.
fn lost(tasks: usize) -> Option<String> {
    let what = match tasks {
        0 => return None,
        1 => "a task whose handle was dropped has work to do, which is lost".to_owned(),
        more => format!("{more} tasks whose handles were dropped have work to do, which is lost"),
    };
    Some(format!(
        "the program ends while {what}; before `main` returns call `wait` or `Pool::wait_idle`, or \
         `detach` a task that may be lost"
    ))
}

/// The last handle of a task that has work to do was dropped.
pub(crate) fn note_dropped() {
    if HAS_EXIT {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Such a task has ended.
pub(crate) fn note_ended() {
    if HAS_EXIT {
        DROPPED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Models have neither an end of the process nor time to wait for.
const HAS_EXIT: bool = !cfg!(all(test, any(loom, shuttle)));

/// Has the counts that are left said when the calling thread ends, if it is the main thread.
pub(crate) fn watch_exit() {
    if HAS_EXIT {
        let _ = AT_EXIT.try_with(|_| ());
    }
}

/// Sets the hook that is called for each unhandled failure; replaces the one that was set before.
///
/// A failure is handled when a `catch`, `handle`, `or_else`, `wait` or `.await` received it, when
/// [`Task::error`](crate::Task::error) returned it, or when it was passed on to a continuation.
/// Observers do not count. It is reported when the last handle of its task is dropped, exactly
/// once, on the thread where that happens. Tasks that were cancelled are not reported.
///
/// The hook gets every failure. It also gets panics in observers and in the `Drop` of values, which
/// have no task to fail. A panic in the hook itself is dropped; a failure that the hook itself
/// leaves unhandled is reported as without a hook.
///
/// # Without a hook
///
/// The failure becomes a `tracing` error event, or, when no subscriber is installed, one line on
/// stderr. So that many failures do not bury those of other places, each place (the location and
/// the task's name) writes at most one line a second: the first failure in full, then the number of
/// further ones. A place that has been quiet for a second reports its next failure in full again. 8
/// names are counted separately at one location and 64 places at one time; further ones are counted
/// together.
///
/// No count is lost, but it may be written late. It is written with the next report, when a thread
/// of a pool goes to sleep or has slept until the second is over, by
/// [`Pool::wait_idle`](crate::Pool::wait_idle) and [`Pool::shutdown`](crate::Pool::shutdown), and
/// on stderr when the main thread ends, if that thread has made a pool or failed tasks itself. Only
/// `abort` and the like, and on some systems `exit` on another thread, prevent that.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use fast_async::{attempt, set_unhandled_hook, Task};
///
/// let (tell, told) = mpsc::channel();
/// set_unhandled_hook(move |err| tell.send(err.to_string()).unwrap());
///
/// let task: Task<()> = attempt(|| Err("disk full".into()));
/// drop(task); // only the hook sees the failure
/// assert!(told.recv()?.contains("disk full"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_unhandled_hook(hook: impl Fn(&TaskError) + Send + Sync + 'static) {
    let old = HOOK.lock().replace(Arc::new(hook));
    guard::drop_quietly(old);
}

/// Sets a hook that gets the one that was set before, to call it too: for code that only wants to
/// know, and leaves the reports to the program.
///
/// Without a hook, `before` reports as [`set_unhandled_hook`] says. Both hooks are exchanged at
/// once: no failure is missed, and no other call comes in between.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use fast_async::{attempt, set_unhandled_hook, unhandled::update_unhandled_hook, Task};
///
/// let (tell, told) = mpsc::channel();
/// let also = tell.clone();
/// set_unhandled_hook(move |err| tell.send(format!("first: {err}")).unwrap());
/// update_unhandled_hook(move |before, err| {
///     also.send(format!("second: {err}")).unwrap();
///     before(err);
/// });
///
/// let task: Task<()> = attempt(|| Err("disk full".into()));
/// drop(task);
/// assert!(told.recv()?.starts_with("second: disk full"));
/// assert!(told.recv()?.starts_with("first: disk full"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn update_unhandled_hook<F>(hook: F)
where
    F: Fn(&(dyn Fn(&TaskError) + Send + Sync), &TaskError) + Send + Sync + 'static,
{
    let hook = Chained::new(hook);
    // Nothing is dropped under the lock: the old hook is part of the new one.
    let mut place = HOOK.lock();
    let before = Chained::new(place.take());
    *place = Some(Arc::new(move |error| match &*before {
        Some(before) => hook(&**before, error),
        None => hook(&report_by_default, error),
    }));
}

/// A hook, or the one before it. A line of hooks may be long: it is dropped without recursion, and
/// a drop that panics keeps no other from being dropped.
struct Chained<V: 'static>(Option<V>);

impl<V: 'static> Chained<V> {
    fn new(value: V) -> Chained<V> {
        Chained(Some(value))
    }
}

impl<V: 'static> Deref for Chained<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.0.as_ref().expect("only its drop takes the value")
    }
}

impl<V: 'static> Drop for Chained<V> {
    fn drop(&mut self) {
        let value = self.0.take();
        drop_queue::flat(move || guard::drop_quietly(value));
    }
}

/// Removes the hook: unhandled failures go to `tracing` or stderr again.
///
/// # Examples
///
/// ```
/// fast_async::set_unhandled_hook(|err| eprintln!("lost: {err}"));
/// fast_async::unhandled::clear_unhandled_hook();
/// ```
pub fn clear_unhandled_hook() {
    let old = HOOK.lock().take();
    guard::drop_quietly(old);
}

/// Reports a failure, unless it has been reported already.
pub(crate) fn report(error: TaskError) {
    if !error.claim_report() {
        return;
    }
    // The hook, a tracing subscriber and the `Display` of the user's error are user code, and may
    // leave failures unhandled themselves. Failures from a hook are reported as without a hook,
    // failures from the others are not reported.
    let Some(level) = Reporting::begin() else {
        return;
    };
    let hook = match level.is_first() {
        true => HOOK.lock().clone(),
        false => None,
    };
    let reported = guard::catch(|| {
        // The span of the task, for the event and for what the hook logs.
        error.in_its_context(|| match hook {
            Some(hook) => hook(&error),
            None => report_by_default(&error),
        });
    });
    if let Err(payload) = reported {
        guard::drop_quietly(payload);
    }
}

fn report_by_default(error: &TaskError) {
    let (name, heard) = (error.task(), crate::trace::is_heard());
    let mut is_new = false;
    let counts = take(|places, due| {
        is_new = places.note(Instant::now(), error.location(), name, heard, due);
    });
    if !is_new {
        watch_exit();
    }
    say_counts(&counts);
    if is_new {
        say(format_args!(
            "a task's failure was never looked at: {error:#}"
        ));
    }
}

/// Has `f` take counts out of the places.
fn take(f: impl FnOnce(&mut Places, &mut Vec<Count>)) -> Vec<Count> {
    let mut due = Vec::new();
    let mut places = PLACES.lock();
    f(&mut places, &mut due);
    COUNTING.store(places.is_counting(), Ordering::Relaxed);
    due
}

/// Reports the counts whose second is over.
pub(crate) fn say_due() {
    if HAS_EXIT && COUNTING.load(Ordering::Relaxed) {
        say_counts(&take(|places, due| places.take_due(Instant::now(), due)));
    }
}

/// Reports all counts, for a caller that has waited until no task runs.
pub(crate) fn say_all() {
    if HAS_EXIT && COUNTING.load(Ordering::Relaxed) {
        say_counts(&take(|places, due| places.take_all(Instant::now(), due)));
    }
}

/// How long until a count is due; `None` when there is none.
pub(crate) fn due_in() -> Option<Duration> {
    if HAS_EXIT && COUNTING.load(Ordering::Relaxed) {
        return PLACES.lock().due_in(Instant::now());
    }
    None
}

fn say_counts(counts: &[Count]) {
    for count in counts {
        let said = guard::catch(|| say(format_args!("{count}")));
        if let Err(payload) = said {
            guard::drop_quietly(payload);
        }
    }
}

/// How many reports may nest on one thread.
const MAX_REPORTS: u32 = 2;

crate::sync::thread_local! {
    static REPORTS: Cell<u32> = const { Cell::new(0) };
}

/// A report in progress, with the number of nested reports on this thread.
struct Reporting(u32);

impl Reporting {
    /// `None`: the code that reports has itself failed [`MAX_REPORTS`] times, nested.
    fn begin() -> Option<Reporting> {
        let before = REPORTS.try_with(Cell::get).unwrap_or(0);
        if before == MAX_REPORTS {
            return None;
        }
        let _ = REPORTS.try_with(|reports| reports.set(before + 1));
        Some(Reporting(before))
    }

    fn is_first(&self) -> bool {
        self.0 == 0
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        let _ = REPORTS.try_with(|reports| reports.set(self.0));
    }
}

/// Drops a user's value, closure or executor. A panic in that has no task to fail, so it is
/// reported.
pub(crate) fn drop_reporting<V>(value: V) {
    if let Err(payload) = guard::drop_caught(value) {
        report(TaskError::panicked_in_drop(payload));
    }
}

/// Drops each of several values of the user's: one that panics keeps no other from being dropped.
pub(crate) fn drop_each<V>(values: impl IntoIterator<Item = V>) {
    values.into_iter().for_each(drop_reporting);
}

/// The same for a function that drops user values.
pub(crate) fn discard_by(f: &mut dyn FnMut()) {
    if let Err(payload) = guard::catch(f) {
        report(TaskError::panicked_in_drop(payload));
    }
}

fn say(message: fmt::Arguments<'_>) {
    if !crate::trace::is_heard() {
        say_on_stderr(&message);
    } else {
        tracing::error!(target: crate::trace::UNHANDLED, "{message}");
    }
}

fn say_on_stderr(message: &impl fmt::Display) {
    use std::io::Write;
    // Not `eprintln!`: it panics when stderr is closed. One write: lines of several threads and
    // processes stay whole.
    let line = format!("fast-async: {message}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
