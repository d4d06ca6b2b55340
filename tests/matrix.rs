//! Every way to settle a task, with every way to use it, on every thread, settled before and after.
//!
//! Contract: S2, S3, S4, S5, D1, D3, D6, D7, W2, C2, C4, C5

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use fast_async::{
    BoxError, CancelOutcome, CancelToken, ErrorKind, Inline, Job, LoopQueue, Pool, Task, TaskError,
    all, any, deferred, error::AggregateError, set_unhandled_hook,
};
use support::{Drops, Gate, PATIENCE, Token, expected, within_time};

/// How the task settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Resolve,
    Reject,
    Panic,
    DropResolver,
    Cancel,
    AdoptReady,
    AdoptPending,
    AdoptFailed,
}

const SOURCES: [Source; 8] = [
    Source::Resolve,
    Source::Reject,
    Source::Panic,
    Source::DropResolver,
    Source::Cancel,
    Source::AdoptReady,
    Source::AdoptPending,
    Source::AdoptFailed,
];

/// Where continuations run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Default,
    Inline,
    Pool,
    Loop,
    Threads,
}

const PLACES: [Place; 5] = [
    Place::Default,
    Place::Inline,
    Place::Pool,
    Place::Loop,
    Place::Threads,
];

/// When the task settles: before something is done with it, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// The expected outcome of the consumer.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// The outcome of the source.
    Same,
    /// One more than the value of the source.
    More,
    Value(u32),
    /// The consumer's own error.
    Failed,
    Panicked,
    /// All tasks have failed: the source.
    Aggregate,
}

const VALUE: u32 = 7;
const OTHER: u32 = 20;

struct Use {
    name: &'static str,
    on_value: Runs,
    on_failure: Runs,
    /// True if a failure is unhandled.
    reports: bool,
    attach: Attach,
}

/// How often the consumer's closure runs, and what comes of it.
type Runs = (usize, Ends);

/// No closure runs, and the outcome of the source is passed on.
const PASSES: Runs = ends(Ends::Same);

const fn ends(ends: Ends) -> Runs {
    (0, ends)
}

const fn runs(ends: Ends) -> Runs {
    (1, ends)
}

enum Attach {
    /// A link of a chain, which runs the closure.
    Link(Link),
    Other(Other),
}

type Link = fn(Task<Value>, Closure) -> Task<Value>;
type Other = fn(Task<Value>, &Case) -> End;

/// Waits for what has come of it, on the thread of the test.
type End = Box<dyn FnOnce() -> Result<u32, TaskError>>;

impl Use {
    const fn new(name: &'static str, on_value: Runs, on_failure: Runs, attach: Attach) -> Use {
        Use {
            name,
            on_value,
            on_failure,
            reports: false,
            attach,
        }
    }

    /// Leaves an unhandled failure.
    const fn reported(self) -> Use {
        Use {
            reports: true,
            ..self
        }
    }

    fn attach(&self, task: Task<Value>, case: &Case) -> End {
        match self.attach {
            Attach::Link(attach) => wait(attach(task, case.closure())),
            Attach::Other(attach) => attach(task, case),
        }
    }
}

/// Runs its closure with a value.
const fn on_value(name: &'static str, comes_to: Ends, link: Link) -> Use {
    Use::new(name, runs(comes_to), PASSES, Attach::Link(link))
}

/// Runs its closure with a failure.
const fn on_failure(name: &'static str, comes_to: Ends, link: Link) -> Use {
    Use::new(name, PASSES, runs(comes_to), Attach::Link(link))
}

/// Runs its closure with either.
const fn on_both(name: &'static str, comes_to: Ends, link: Link) -> Use {
    Use::new(name, runs(comes_to), runs(comes_to), Attach::Link(link))
}

/// Waits for the outcome, and has no closure.
const fn waits(name: &'static str, wait: Other) -> Use {
    Use::new(name, PASSES, PASSES, Attach::Other(wait))
}

/// Runs its closure with a look at either, and the outcome stays.
const fn observes(name: &'static str, observe: Other) -> Use {
    let looked = runs(Ends::Same);
    Use::new(name, looked, looked, Attach::Other(observe))
}

const fn other(name: &'static str, on_value: Runs, on_failure: Runs, attach: Other) -> Use {
    Use::new(name, on_value, on_failure, Attach::Other(attach))
}

const USES: &[Use] = &[
    waits("wait", |task, _| wait(task)),
    waits("wait_timeout", |task, _| {
        Box::new(|| number(task.wait_timeout(PATIENCE).expect("it settles in time")))
    }),
    waits("wait_timeout, twice", |task, _| {
        Box::new(|| match task.wait_timeout(Duration::ZERO) {
            Ok(outcome) => number(outcome),
            Err(task) => number(task.wait()),
        })
    }),
    waits("try_wait", |task, _| {
        Box::new(|| {
            let mut task = task;
            loop {
                match task.try_wait() {
                    Ok(outcome) => return number(outcome),
                    Err(back) => task = back,
                }
                thread::yield_now();
            }
        })
    }),
    waits("await", |task, _| {
        Box::new(|| number(LoopQueue::new().run_until(task)))
    }),
    on_value("then", Ends::More, |task, call| {
        task.then(move |value| call.with(value).more())
    }),
    on_value("then, a panic", Ends::Panicked, |task, call| {
        task.then(move |value| -> Value { call.with(value).panic() })
    }),
    on_value("and_then, a value", Ends::More, |task, call| {
        task.and_then(move |value| Ok::<_, BoxError>(call.with(value).more()))
    }),
    on_value("and_then, an error", Ends::Failed, |task, call| {
        task.and_then(move |value| Err::<Value, BoxError>(call.with(value).error()))
    }),
    on_value("and_then, a ready task", Ends::More, |task, call| {
        task.and_then(move |value| Task::ready(call.with(value).more()))
    }),
    on_value("and_then, a pending task", Ends::More, |task, call| {
        task.and_then(move |value| {
            let more = call.with(value).more();
            HELPER.spawn(move || more)
        })
    }),
    on_failure("catch", Ends::Value(OTHER), |task, call| {
        task.catch(move |error| call.with(error).value(OTHER))
    }),
    on_failure("or_else, a value", Ends::Value(OTHER), |task, call| {
        task.or_else(move |error| Ok::<_, BoxError>(call.with(error).value(OTHER)))
    }),
    on_failure("or_else, a pending task", Ends::Failed, |task, call| {
        task.or_else(move |error| {
            let error = call.with(error).error();
            HELPER.attempt(move || Err::<Value, _>(error))
        })
    }),
    on_both("handle", Ends::Value(OTHER), |task, call| {
        task.handle(move |outcome| call.with(outcome).value(OTHER))
    }),
    on_both("finally", Ends::Same, |task, call| {
        task.finally(move || drop(call.with(())))
    }),
    on_both("finally, a panic", Ends::Panicked, |task, call| {
        task.finally(move || call.with(()).panic())
    }),
    on_value("inspect", Ends::Same, |task, call| {
        task.inspect(move |_| drop(call.with(())))
    }),
    on_failure("inspect_err", Ends::Same, |task, call| {
        task.inspect_err(move |_| drop(call.with(())))
    }),
    on_value("share, a branch", Ends::More, |task, call| {
        task.share()
            .then(move |value| call.with(()).value(value.0 + 1))
    }),
    observes("share, two handles and an observer", |task, case| {
        let call = case.closure();
        let shared = task.share();
        let other = shared.clone();
        shared.on_settled(move |_| drop(call.with(())));
        Box::new(move || {
            drop(shared);
            other.wait().map(|value| value.0)
        })
    }),
    observes("subscribe", |task, case| {
        let (success, failure) = (case.closure(), case.closure());
        task.subscribe(
            move |_| drop(success.with(())),
            move |_| drop(failure.with(())),
        );
        wait(task)
    }),
    observes("subscribe_blocking", |task, case| {
        let (success, failure) = (case.closure(), case.closure());
        success.expects_the_test();
        Box::new(move || {
            number(task.subscribe_blocking(|_| drop(success.with(())), |_| drop(failure.with(()))))
        })
    }),
    other(
        "drop",
        ends(Ends::Value(OTHER)),
        ends(Ends::Value(OTHER)),
        |task, _| {
            drop(task);
            Box::new(|| Ok(OTHER))
        },
    )
    .reported(),
    other(
        "detach, with an observer",
        runs(Ends::Value(OTHER)),
        runs(Ends::Value(OTHER)),
        |task, case| {
            let call = case.closure();
            let gate = Gate::new();
            let seen = gate.clone();
            task.on_settled(move |_| {
                drop(call.with(()));
                seen.open();
            });
            task.detach();
            Box::new(move || {
                gate.pass();
                Ok(OTHER)
            })
        },
    )
    .reported(),
    other("all", ends(Ends::More), PASSES, |task, case| {
        let tasks = all(vec![task, Task::ready(case.value(1))]);
        Box::new(|| Ok(tasks.wait()?.iter().map(|value| value.0).sum()))
    }),
    other("any", PASSES, ends(Ends::Aggregate), |task, _| {
        wait(any([task]))
    }),
    other(
        "any, with one that never settles",
        PASSES,
        ends(Ends::Value(OTHER)),
        |task, case| {
            let (resolver, other) = deferred();
            let value = case.value(OTHER);
            // The second task is settled only when the first has failed.
            let task = task.inspect_err(move |_| drop(resolver.resolve(value)));
            wait(any([task, other]))
        },
    ),
    waits("shielded", |task, _| wait(task.shielded())),
    waits("cancel_on_drop", |task, _| {
        let guard = task.cancel_on_drop();
        Box::new(|| number(guard.wait()))
    }),
];

fn wait(task: Task<Value>) -> End {
    Box::new(|| number(task.wait()))
}

fn number(outcome: Result<Value, TaskError>) -> Result<u32, TaskError> {
    outcome.map(|value| value.0)
}

#[derive(Debug)]
struct Fault(u32);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}", self.0)
    }
}

impl Error for Fault {}

/// A value whose drop is counted.
#[derive(Debug)]
struct Value(u32, #[allow(dead_code, reason = "counts its drop")] Token);

/// Counts what was made, and what of it was dropped.
#[derive(Clone, Default)]
struct Tokens {
    made: Arc<AtomicUsize>,
    dropped: Drops,
}

impl Tokens {
    fn token(&self) -> Token {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.dropped.token()
    }
}

struct Case {
    number: u32,
    source: Source,
    place: Place,
    when: When,
    tokens: Tokens,
    /// The threads on which the consumer's closures ran.
    calls: Arc<Mutex<Vec<Call>>>,
    expects_the_test: Arc<Mutex<bool>>,
}

#[derive(Clone, Debug)]
struct Call {
    thread: ThreadId,
    name: String,
}

/// What the closure of a consumer holds.
struct Closure {
    number: u32,
    tokens: Tokens,
    calls: Arc<Mutex<Vec<Call>>>,
    expects_the_test: Arc<Mutex<bool>>,
    _token: Token,
}

/// A closure that was called.
struct Called<V> {
    closure: Closure,
    input: V,
}

impl Closure {
    fn with<V>(self, input: V) -> Called<V> {
        let thread = thread::current();
        self.calls.lock().unwrap().push(Call {
            thread: thread.id(),
            name: thread.name().unwrap_or_default().to_owned(),
        });
        Called {
            closure: self,
            input,
        }
    }

    /// It runs on the thread of the test, not where the chain runs.
    fn expects_the_test(&self) {
        *self.expects_the_test.lock().unwrap() = true;
    }
}

impl<V> Called<V> {
    fn value(self, number: u32) -> Value {
        Value(number, self.closure.tokens.token())
    }

    fn error(self) -> BoxError {
        Fault(self.closure.number + 1).into()
    }

    fn panic(self) -> ! {
        expected(&format!("consumer of case {}", self.closure.number))
    }
}

impl Called<Value> {
    fn more(self) -> Value {
        let number = self.input.0 + 1;
        self.value(number)
    }
}

static HELPER: LazyLock<Pool> = LazyLock::new(|| named_pool("helper"));
static PLACE: LazyLock<Pool> = LazyLock::new(|| named_pool("place"));

fn named_pool(name: &str) -> Pool {
    let pool = Pool::builder().name(name).max_threads(4);
    pool.build().expect("a valid pool")
}

/// A thread with its own loop.
static LOOP: LazyLock<(LoopQueue, ThreadId)> = LazyLock::new(|| {
    let queue = LoopQueue::new();
    let own = queue.clone();
    let thread = thread::spawn(move || {
        loop {
            own.wait_pending(Duration::MAX);
            own.run_pending();
        }
    });
    (queue, thread.thread().id())
});

/// A pool whose only thread is kept busy until the end: what is spawned on it does not start.
static BUSY: LazyLock<Pool> = LazyLock::new(|| {
    let pool = Pool::builder().name("busy").core_threads(1).max_threads(1);
    let pool = pool.build().expect("a valid pool");
    let (started, ended) = (Gate::new(), Gate::new());
    let start = started.clone();
    pool.spawn(move || {
        start.open();
        ended.pass();
    })
    .detach();
    started.pass();
    pool
});

static REPORTS: Mutex<Vec<ErrorKind>> = Mutex::new(Vec::new());
static REPORTED: Condvar = Condvar::new();

impl Case {
    fn closure(&self) -> Closure {
        Closure {
            number: self.number,
            tokens: self.tokens.clone(),
            calls: self.calls.clone(),
            expects_the_test: self.expects_the_test.clone(),
            _token: self.tokens.token(),
        }
    }

    fn value(&self, number: u32) -> Value {
        Value(number, self.tokens.token())
    }

    /// The kind of the source's failure.
    fn failure(&self) -> Option<ErrorKind> {
        match self.source {
            Source::Resolve | Source::AdoptReady | Source::AdoptPending => None,
            Source::Reject | Source::AdoptFailed => Some(ErrorKind::Failed),
            Source::Panic => Some(ErrorKind::Panicked),
            Source::DropResolver => Some(ErrorKind::Abandoned),
            Source::Cancel => Some(ErrorKind::Cancelled),
        }
    }

    /// The task, and what settles it on the thread that calls it. A cancel is one of the handle
    /// before, and one by a token after.
    fn make(&self) -> (Task<Value>, Box<dyn FnOnce() + Send>) {
        let value = self.value(VALUE);
        if self.source == Source::Cancel && self.when == When::Before {
            let (resolver, task) = deferred();
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            return (task, Box::new(|| assert!(resolver.resolve(value).is_err())));
        }
        if self.source == Source::Cancel {
            let token = CancelToken::new();
            let builder = Task::<()>::builder().pool(&BUSY).cancel_token(&token);
            let task = builder.spawn(move || value);
            return (task, Box::new(move || assert!(token.cancel())));
        }
        let (resolver, task) = deferred();
        let fault = Fault(self.number);
        match self.source {
            Source::Resolve => (task, Box::new(|| resolver.resolve(value).unwrap())),
            Source::Reject => (task, Box::new(|| resolver.reject(fault).unwrap())),
            Source::DropResolver => (task, Box::new(|| drop(resolver))),
            Source::AdoptReady => (
                task,
                Box::new(|| assert!(resolver.settle_with(Task::ready(value)).is_ok())),
            ),
            Source::AdoptFailed => (
                task,
                Box::new(|| assert!(resolver.settle_with(Task::failed(fault)).is_ok())),
            ),
            Source::AdoptPending => {
                let (inner, followed) = deferred();
                assert!(resolver.settle_with(followed).is_ok());
                (task, Box::new(|| inner.resolve(value).unwrap()))
            }
            Source::Panic => {
                let number = self.number;
                let panics = move |_: Value| expected(&format!("source of case {number}"));
                let task = task.then(panics);
                (task, Box::new(|| resolver.resolve(value).unwrap()))
            }
            Source::Cancel => unreachable!("made above"),
        }
    }

    fn send(&self, task: Task<Value>) -> Task<Value> {
        match self.place {
            Place::Default => task,
            Place::Inline => task.on(&Inline),
            Place::Pool => task.on(&*PLACE),
            Place::Loop => task.on(&LOOP.0),
            Place::Threads => task.on(&|job: Job| {
                let thread = thread::Builder::new().name("job".into());
                thread.spawn(move || job.run()).expect("a thread");
            }),
        }
    }

    fn run(&self, consumer: &Use) {
        let (task, settle) = self.make();
        let test = thread::current().id();
        let (outcome, settler) = match self.when {
            When::Before => {
                settle();
                let end = consumer.attach(self.send(task), self);
                (end(), test)
            }
            When::After => {
                let end = consumer.attach(self.send(task), self);
                let settler = thread::spawn(settle);
                let id = settler.thread().id();
                let outcome = end();
                settler.join().expect("settling does not panic");
                (outcome, id)
            }
        };
        let (calls, ends) = match self.failure() {
            None => consumer.on_value,
            Some(_) => consumer.on_failure,
        };
        self.check_outcome(ends, outcome);
        self.tokens
            .dropped
            .wait_for(self.tokens.made.load(Ordering::Relaxed));
        let ran = self.calls.lock().unwrap().clone();
        assert_eq!(ran.len(), calls, "calls");
        for call in ran {
            self.check_thread(&call, test, settler);
        }
        let reported = self.failure().filter(|_| consumer.reports);
        self.check_reports(reported.filter(|kind| *kind != ErrorKind::Cancelled));
    }

    fn check_outcome(&self, ends: Ends, outcome: Result<u32, TaskError>) {
        let fault = |error: &TaskError| error.downcast_ref::<Fault>().map(|fault| fault.0);
        match (ends, outcome) {
            (Ends::Same, Ok(value)) => {
                assert_eq!(self.failure(), None);
                assert_eq!(value, VALUE);
            }
            (Ends::Same, Err(error)) => self.check_failure(&error),
            (Ends::More, Ok(value)) => assert_eq!(value, VALUE + 1),
            (Ends::Value(wanted), Ok(value)) => assert_eq!(value, wanted),
            (Ends::Failed, Err(error)) => assert_eq!(fault(&error), Some(self.number + 1)),
            (Ends::Panicked, Err(error)) => {
                let message = error.panic_message().expect("a panic");
                assert!(message.ends_with(&format!("consumer of case {}", self.number)));
            }
            (Ends::Aggregate, Err(error)) => {
                let all = error.downcast_ref::<AggregateError>().expect("all of them");
                assert_eq!(all.errors().len(), 1);
                self.check_failure(all.first());
            }
            (ends, outcome) => panic!("{ends:?} expected, but the outcome is {outcome:?}"),
        }
    }

    /// It is the failure of the source, itself.
    fn check_failure(&self, error: &TaskError) {
        assert_eq!(Some(error.kind()), self.failure());
        let fault = error.downcast_ref::<Fault>().map(|fault| fault.0);
        let is_fault = error.kind() == ErrorKind::Failed;
        assert_eq!(fault, is_fault.then_some(self.number));
        if let Some(message) = error.panic_message() {
            assert!(message.ends_with(&format!("source of case {}", self.number)));
        }
    }

    fn check_thread(&self, call: &Call, test: ThreadId, settler: ThreadId) {
        if *self.expects_the_test.lock().unwrap() {
            return assert_eq!(call.thread, test);
        }
        match (self.place, self.when) {
            (Place::Default, When::Before) => assert_ne!(call.thread, test),
            (Place::Default | Place::Inline, When::After) => assert_eq!(call.thread, settler),
            (Place::Inline, When::Before) => assert_eq!(call.thread, test),
            (Place::Pool, _) => assert!(call.name.starts_with("place-"), "{call:?}"),
            (Place::Loop, _) => assert_eq!(call.thread, LOOP.1),
            (Place::Threads, _) => assert_eq!(call.name, "job"),
        }
    }

    fn check_reports(&self, wanted: Option<ErrorKind>) {
        let reports = REPORTS.lock().unwrap();
        let count = usize::from(wanted.is_some());
        let (mut reports, _) = REPORTED
            .wait_timeout_while(reports, PATIENCE, |reports| reports.len() < count)
            .unwrap();
        let reported = std::mem::take(&mut *reports);
        drop(reports);
        assert_eq!(reported, Vec::from_iter(wanted), "reports");
    }
}

#[test]
fn every_outcome_with_every_use_in_every_place_before_and_after() {
    within_time(Duration::from_secs(300), || {
        set_unhandled_hook(|error| {
            REPORTS.lock().unwrap().push(error.kind());
            REPORTED.notify_all();
        });
        let mut number = 0;
        for source in SOURCES {
            for consumer in USES {
                for place in PLACES {
                    for when in [When::Before, When::After] {
                        number += 2;
                        let case = Case {
                            number,
                            source,
                            place,
                            when,
                            tokens: Tokens::default(),
                            calls: Arc::default(),
                            expects_the_test: Arc::default(),
                        };
                        let named = Named(format!(
                            "{source:?}, {} ({place:?}, settled {when:?})",
                            consumer.name
                        ));
                        case.run(consumer);
                        drop(named);
                    }
                }
            }
        }
        for pool in [&*HELPER, &*PLACE, Pool::global()] {
            assert!(pool.wait_idle(PATIENCE));
        }
        assert!(REPORTS.lock().unwrap().is_empty(), "late reports");
        println!("{} cases", number / 2);
    });
}

/// Prints the case when a check panics.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("in the case: {}", self.0);
        }
    }
}
