//! What `#[make_async]` makes of a function: where it runs, what it carries, what its task holds.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fast_async::{
    BoxError, Clock, ErrorKind, Pool, Retry, Task, TaskError, TaskQueue, deferred, make_async,
};

/// Notes its name when it is dropped.
struct Noted(&'static str, Sender);

type Sender = mpsc::Sender<(&'static str, thread::ThreadId)>;

impl Drop for Noted {
    fn drop(&mut self) {
        // The test may have ended with the receiver.
        let _ = self.1.send((self.0, thread::current().id()));
    }
}

#[derive(Debug, PartialEq)]
struct Broken(u32);

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken {}", self.0)
    }
}

impl std::error::Error for Broken {}

mod free_functions {
    use super::*;

    #[make_async]
    fn add(a: u32, b: u32) -> u32 {
        a + b
    }

    #[make_async]
    fn send_thread(to: mpsc::Sender<thread::ThreadId>) {
        to.send(thread::current().id()).unwrap();
    }

    #[make_async]
    fn early(n: i32) -> &'static str {
        if n < 0 {
            return "negative";
        }
        "positive"
    }

    #[make_async]
    fn boxed(n: u8) -> Box<dyn Display + Send> {
        if n == 0 {
            return Box::new("zero");
        }
        Box::new(n)
    }

    #[make_async]
    fn diverging(n: u8) -> u8 {
        if n == 0 {
            return n;
        }
        panic!("{n} is not zero")
    }

    #[make_async]
    fn fibonacci(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = (fibonacci(n - 1), fibonacci(n - 2));
        a.wait().unwrap() + b.wait().unwrap()
    }

    #[test]
    fn give_a_task_with_their_value() {
        let task: Task<u32> = add(1, 2);
        assert_eq!(task.wait().unwrap(), 3);
        assert_eq!(early(-1).wait().unwrap(), "negative");
        assert_eq!(early(1).wait().unwrap(), "positive");
    }

    #[test]
    fn without_a_return_type_give_a_task_of_nothing() {
        let (to, threads) = mpsc::channel();
        let task: Task<()> = send_thread(to);
        // Received before any wait: the call alone has started the body.
        assert_ne!(threads.recv().unwrap(), thread::current().id());
        let () = task.wait().unwrap();
    }

    #[test]
    fn coerce_what_they_return() {
        assert_eq!(boxed(0).wait().unwrap().to_string(), "zero");
        assert_eq!(boxed(7).wait().unwrap().to_string(), "7");
    }

    #[test]
    fn may_diverge() {
        assert_eq!(diverging(0).wait().unwrap(), 0);
        let error = diverging(1).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
    }

    #[test]
    fn may_call_themselves() {
        assert_eq!(fibonacci(10).wait().unwrap(), 55);
    }
}

mod arguments {
    use super::*;

    struct Point {
        x: u32,
        y: u32,
    }

    #[make_async]
    fn patterns((a, b): (u32, u32), Point { x, y: up }: Point, [.., last]: [u32; 3]) -> Vec<u32> {
        vec![a, b, x, up, last]
    }

    #[make_async]
    fn rebound(mut list: Vec<u32>, all @ (first, _): (u32, u32), ref text: String) -> Vec<u32> {
        list.push(first);
        list.push(all.1);
        list.push(u32::try_from(text.len()).unwrap());
        list
    }

    /// The same function as a task and as it is.
    macro_rules! both {
        ($($function:tt)*) => {
            mod as_task {
                use super::*;

                #[make_async]
                pub(super) $($function)*
            }

            mod as_function {
                use super::*;

                pub(super) $($function)*
            }
        };
    }

    both! {
        fn unused(
            _: Noted,
            _named: Noted,
            (_, _second): (Noted, Noted),
            #[allow(unused_variables)] plain: Noted,
            done: Sender,
        ) {
            let _local = Noted("local", done.clone());
            done.send(("body", thread::current().id())).unwrap();
        }
    }

    #[make_async]
    fn raw(r#type: u32) -> u32 {
        r#type
    }

    #[make_async]
    fn conditional(a: u32, #[cfg(not(test))] absent: Absent, #[cfg(test)] b: u32) -> u32 {
        a + b
    }

    /// A closing expression whose temporary borrows an argument.
    #[make_async]
    fn locked(list: Arc<Mutex<Vec<u8>>>) -> usize {
        list.lock().unwrap().len()
    }

    #[make_async]
    fn late(
        lookup: for<'a> fn(&'a str) -> &'a str,
        call: Box<dyn Fn(&str) -> usize + Send>,
    ) -> usize {
        call(lookup("  four"))
    }

    #[make_async]
    fn hidden(
        f: impl Fn(u32) -> u32 + Send + 'static,
        text: impl Into<String> + Send + 'static,
    ) -> String {
        format!("{}{}", text.into(), f(1))
    }

    #[test]
    fn may_be_patterns() {
        let made = patterns((1, 2), Point { x: 3, y: 4 }, [0, 0, 5]);
        assert_eq!(made.wait().unwrap(), [1, 2, 3, 4, 5]);
        let made = rebound(vec![1], (2, 3), "four".into());
        assert_eq!(made.wait().unwrap(), [1, 2, 3, 4]);
    }

    /// What the function returned, and who was dropped on which thread, in this order.
    #[allow(clippy::type_complexity)]
    fn dropped_by<R>(
        function: fn(Noted, Noted, (Noted, Noted), Noted, Sender) -> R,
    ) -> (R, Vec<&'static str>, Vec<thread::ThreadId>) {
        let (to, notes) = mpsc::channel();
        let noted = |name| Noted(name, to.clone());
        let pair = (noted("pair.0"), noted("pair.1"));
        let returned = function(
            noted("wild"),
            noted("named"),
            pair,
            noted("plain"),
            to.clone(),
        );
        let (names, threads) = notes.iter().take(7).unzip();
        (returned, names, threads)
    }

    #[test]
    fn are_dropped_by_the_task_as_a_function_drops_them() {
        let ((), plainly, _) = dropped_by(as_function::unused);
        let (task, names, threads) = dropped_by(as_task::unused);
        assert_eq!(names, plainly);
        assert!(threads.iter().all(|&id| id != thread::current().id()));
        task.wait().unwrap();
    }

    #[test]
    fn may_have_a_keyword_for_a_name() {
        assert_eq!(raw(1).wait().unwrap(), 1);
    }

    #[test]
    fn may_depend_on_the_configuration() {
        assert_eq!(conditional(1, 2).wait().unwrap(), 3);
    }

    #[test]
    fn may_be_borrowed_by_the_closing_expression() {
        assert_eq!(locked(Arc::default()).wait().unwrap(), 0);
    }

    #[test]
    fn may_be_callables_that_borrow_later() {
        assert_eq!(late(str::trim, Box::new(str::len)).wait().unwrap(), 4);
    }

    #[test]
    fn may_have_hidden_types() {
        assert_eq!(hidden(|n| n + 1, "n = ").wait().unwrap(), "n = 2");
    }
}

mod methods {
    use super::*;

    struct Counter {
        count: u32,
        note: Noted,
    }

    fn counter() -> (Counter, mpsc::Receiver<(&'static str, thread::ThreadId)>) {
        let (to, notes) = mpsc::channel();
        let note = Noted("counter", to);
        (Counter { count: 1, note }, notes)
    }

    impl Counter {
        #[make_async]
        fn new(count: u32, note: Noted) -> Self {
            Self { count, note }
        }

        #[make_async]
        fn field(self) -> u32 {
            self.count
        }

        #[make_async]
        fn add(mut self, n: u32) -> Self {
            self.count += n;
            self
        }

        #[make_async]
        fn shared(self: Arc<Self>, n: u32) -> u32 {
            self.count + n
        }

        #[make_async]
        fn boxed(mut self: Box<Self>) -> u32 {
            self.count += 1;
            self.count
        }
    }

    trait Load: Sized + Send + 'static {
        type Loaded: Send + 'static;

        fn load(self) -> Task<Self::Loaded>;

        #[make_async]
        fn load_twice(self) -> [Self::Loaded; 2]
        where
            Self: Clone,
        {
            [self.clone(), self].map(|one| one.load().wait().unwrap())
        }
    }

    impl Load for &'static str {
        type Loaded = String;

        #[make_async]
        fn load(self) -> String {
            self.to_uppercase()
        }
    }

    #[test]
    fn take_self() {
        let (made, _notes) = counter();
        let made = Counter::new(made.count, made.note).wait().unwrap();
        assert_eq!(made.add(2).wait().unwrap().field().wait().unwrap(), 3);
    }

    #[test]
    fn take_the_whole_of_self() {
        let (made, notes) = counter();
        let task = made.field();
        let (_, dropped_on) = notes.recv().unwrap();
        assert_ne!(dropped_on, thread::current().id());
        assert_eq!(task.wait().unwrap(), 1);
    }

    #[test]
    fn take_self_behind_a_pointer() {
        let (made, _notes) = counter();
        let made = Arc::new(made);
        assert_eq!(Arc::clone(&made).shared(1).wait().unwrap(), 2);
        let made = Arc::into_inner(made);
        assert_eq!(made.map(|made| made.count), Some(1));

        let (made, _notes) = counter();
        assert_eq!(Box::new(made).boxed().wait().unwrap(), 2);
    }

    #[test]
    fn implement_traits() {
        assert_eq!("a".load().wait().unwrap(), "A");
        assert_eq!("a".load_twice().wait().unwrap(), ["A", "A"]);
    }
}

mod generics {
    use super::*;

    #[make_async]
    fn repeat<T: Clone + Send + 'static, const N: usize>(item: T) -> [T; N] {
        std::array::from_fn(|_| item.clone())
    }

    #[make_async]
    fn joined<I, T>(items: I) -> String
    where
        I: IntoIterator<Item = T> + Send + 'static,
        T: Display,
    {
        items.into_iter().map(|item| item.to_string()).collect()
    }

    struct Holder<T>(T);

    impl<T: Send + 'static> Holder<T> {
        #[make_async]
        fn map<U>(self, f: impl FnOnce(T) -> U + Send + 'static) -> Holder<U>
        where
            U: Send + 'static,
        {
            Holder(f(self.0))
        }
    }

    macro_rules! functions {
        ($($name:ident: $argument:ident: $ty:ty => $out:ty $body:block)*) => {
            $(#[make_async] fn $name($argument: $ty) -> $out $body)*
        };
    }

    functions! {
        length: text: String => usize { text.len() }
        parsed: text: String => Result<u8, std::num::ParseIntError> { text.parse() }
    }

    #[test]
    fn stay() {
        assert_eq!(repeat::<_, 2>("a").wait().unwrap(), ["a", "a"]);
        assert_eq!(joined([1, 2, 3]).wait().unwrap(), "123");
        let held = Holder(1).map(|n| n.to_string()).wait().unwrap();
        assert_eq!(held.0, "1");
    }

    #[test]
    fn a_macro_may_write_the_function() {
        assert_eq!(length("four".into()).wait().unwrap(), 4);
        assert_eq!(parsed("4".into()).wait().unwrap(), 4);
        assert!(parsed("four".into()).wait().is_err());
    }
}

mod results {
    use super::*;

    /// An error that cannot leave its thread, but turns into one that can.
    struct Local(Rc<Cell<u32>>);

    impl From<Local> for BoxError {
        fn from(local: Local) -> Self {
            Box::new(Broken(local.0.get()))
        }
    }

    type Fallible<T> = Result<T, Broken>;

    #[make_async]
    fn named(n: u32) -> Result<u32, Broken> {
        if n == 0 { Ok(n) } else { Err(Broken(n)) }
    }

    #[make_async]
    fn alias(path: &'static str) -> io::Result<String> {
        let text = std::fs::read_to_string(path)?;
        Ok(text)
    }

    #[make_async]
    fn text() -> Result<(), String> {
        Err("plain text".into())
    }

    #[make_async]
    fn boxed(n: u32) -> Result<u32, BoxError> {
        Err(Broken(n))?;
        Ok(n)
    }

    #[make_async]
    fn local(n: u32) -> Result<u32, Local> {
        Err(Local(Rc::new(Cell::new(n))))
    }

    #[make_async]
    fn passed_on(n: u32) -> Result<u32, fast_async::TaskError> {
        named(n).wait()
    }

    #[make_async(result = true)]
    fn other_name(n: u32) -> Fallible<u32> {
        Err(Broken(n))
    }

    #[make_async(result = false)]
    fn kept(n: u32) -> Result<u32, Broken> {
        Err(Broken(n))
    }

    #[make_async(result = false)]
    fn kept_alias() -> fmt::Result {
        Err(fmt::Error)
    }

    #[test]
    fn an_ok_is_the_value() {
        let task: Task<u32> = named(0);
        assert_eq!(task.wait().unwrap(), 0);
    }

    // Contract: S4
    #[test]
    fn an_error_keeps_its_type() {
        for task in [named(1), boxed(1), local(1), passed_on(1), other_name(1)] {
            let error = task.wait().unwrap_err();
            assert_eq!(error.downcast_ref::<Broken>(), Some(&Broken(1)), "{error}");
        }
        let error = alias("/no/such/file").wait().unwrap_err();
        let error = error.downcast_ref::<io::Error>().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn text_is_an_error() {
        let error = text().wait().unwrap_err();
        assert!(error.to_string().contains("plain text"), "{error}");
    }

    #[test]
    fn a_result_can_be_the_value() {
        let task: Task<Result<u32, Broken>> = kept(1);
        assert_eq!(task.wait().unwrap(), Err(Broken(1)));
        assert_eq!(kept_alias().wait().unwrap(), Err(fmt::Error));
    }
}

mod options {
    use super::*;

    static POOL: LazyLock<Pool> = LazyLock::new(|| pool("shared"));

    fn pool(name: &str) -> Pool {
        Pool::builder().name(name).build().unwrap()
    }

    fn thread_name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    #[make_async(name = "load")]
    fn literal() {}

    #[make_async(name = format!("load {id}"))]
    fn expression(id: u32) -> u32 {
        id
    }

    #[make_async]
    fn nameless() {}

    #[make_async(pool = &POOL)]
    fn on_static() -> String {
        thread_name()
    }

    struct Owner {
        pool: Pool,
    }

    impl Owner {
        #[make_async(pool = &self.pool, name = "owned",)]
        fn on_own(self) -> (Self, String) {
            (self, thread_name())
        }
    }

    #[make_async(pool = pool)]
    fn on_given(pool: &'static Pool) -> Result<String, Broken> {
        let _ = pool;
        Ok(thread_name())
    }

    static SERIAL: LazyLock<TaskQueue> = LazyLock::new(TaskQueue::serial);
    static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::manual);
    static TIMED: LazyLock<Pool> = LazyLock::new(|| {
        let builder = Pool::builder().name("timed").clock(&CLOCK);
        builder.build().unwrap()
    });

    #[make_async(queue = &SERIAL)]
    fn in_turn(running: Arc<AtomicUsize>) -> usize {
        let others = running.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        running.fetch_sub(1, Ordering::SeqCst);
        others
    }

    struct Printer {
        queue: TaskQueue,
    }

    impl Printer {
        #[make_async(queue = &self.queue.at(priority), timeout = Duration::from_secs(100))]
        fn print(self: Arc<Self>, page: u32, priority: i32) -> Result<u32, Broken> {
            match page {
                0 => Err(Broken(priority.unsigned_abs())),
                page => Ok(page),
            }
        }
    }

    #[make_async(pool = &TIMED, timeout = "2min")]
    fn limited(source: Task<u32>) -> Result<u32, TaskError> {
        source.wait()
    }

    #[make_async(pool = &TIMED, timeout = limit)]
    fn limited_by(source: Task<u32>, limit: Duration) -> Duration {
        let _ = source.wait();
        limit
    }

    /// Fails as long as there are numbers left.
    #[make_async(retry = 3, name = "again")]
    fn again(
        left: Arc<Mutex<Vec<u32>>>,
        (a, _): (u32, Noted),
        text: String,
    ) -> Result<String, Broken> {
        match left.lock().unwrap().pop() {
            Some(n) => Err(Broken(n)),
            None => Ok(format!("{text} {a}")),
        }
    }

    impl Clone for Noted {
        fn clone(&self) -> Noted {
            Noted(self.0, self.1.clone())
        }
    }

    struct Tries(AtomicUsize);

    impl Tries {
        #[make_async(
            pool = &TIMED,
            retry = Retry::attempts(u32::MAX).backoff([Duration::from_secs(60)]),
            timeout = "150s"
        )]
        fn fail(self: Arc<Self>) -> Result<(), Broken> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Err(Broken(1))
        }
    }

    #[test]
    fn a_queue_is_where_the_body_waits() {
        let running = Arc::default();
        let tasks = (0..20).map(|_| in_turn(Arc::clone(&running)));
        let alone = fast_async::await_all(tasks.collect::<Vec<_>>()).unwrap();
        assert_eq!(alone, [0; 20]);

        let queue = TaskQueue::serial();
        queue.pause();
        let printer = Arc::new(Printer { queue });
        let page = Arc::clone(&printer).print(7, 0);
        let empty = Arc::clone(&printer).print(0, 1);
        assert_eq!(printer.queue.pending(), 2);
        printer.queue.resume();
        assert_eq!(page.wait().unwrap(), 7);
        let error = empty.wait().unwrap_err();
        assert_eq!(error.downcast_ref::<Broken>(), Some(&Broken(1)));
    }

    // Contract: T4
    #[test]
    fn a_time_limit_ends_the_task() {
        let second = Duration::from_secs(1);
        let (resolver, source) = deferred();
        let (other, never) = deferred();
        let (short, long) = (limited_by(never, 60 * second), limited(source));
        CLOCK.advance(60 * second);
        assert_eq!(short.wait().unwrap_err().kind(), ErrorKind::TimedOut);
        CLOCK.advance(59 * second);
        assert!(!long.is_settled());
        CLOCK.advance(second);
        assert_eq!(long.wait().unwrap_err().kind(), ErrorKind::TimedOut);
        drop((resolver, other));
        assert_eq!(limited(Task::ready(7)).wait().unwrap(), 7);

        let tries = Arc::new(Tries(AtomicUsize::new(0)));
        let task = Arc::clone(&tries).fail();
        CLOCK.advance(200 * second);
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::TimedOut);
        // At 0, 60 and 120 seconds.
        assert_eq!(tries.0.load(Ordering::SeqCst), 3);
    }

    // Contract: R1
    #[test]
    fn a_body_is_called_again_after_a_failure() {
        let (to, notes) = mpsc::channel();
        let noted = |name| Noted(name, to.clone());
        let left = Arc::new(Mutex::new(vec![1, 2]));
        let task = again(Arc::clone(&left), (5, noted("first")), "text".into());
        assert_eq!(task.name(), Some("again"));
        assert_eq!(task.wait().unwrap(), "text 5");
        left.lock().unwrap().extend([1, 2, 3, 4]);
        let error = again(Arc::clone(&left), (5, noted("second")), String::new())
            .wait()
            .unwrap_err();
        assert_eq!(error.downcast_ref::<Broken>(), Some(&Broken(2)));
        assert_eq!(error.attempts(), Some(3));
        // A clone for each of the six calls, and the two originals.
        drop(to);
        assert_eq!(notes.iter().count(), 8);
    }

    #[test]
    fn a_name_is_the_name_of_the_task() {
        assert_eq!(literal().name(), Some("load"));
        let task = expression(7);
        assert_eq!(task.name(), Some("load 7"));
        assert_eq!(task.wait().unwrap(), 7);
        assert_eq!(nameless().name(), None);
    }

    #[test]
    fn a_pool_is_where_the_body_runs() {
        let name = on_static().wait().unwrap();
        assert!(name.starts_with("shared"), "{name}");
        let name = on_given(&POOL).wait().unwrap();
        assert!(name.starts_with("shared"), "{name}");

        let task = Owner { pool: pool("own") }.on_own();
        assert_eq!(task.name(), Some("owned"));
        let (_owner, name) = task.wait().unwrap();
        assert!(name.starts_with("own"), "{name}");
    }
}

mod head {
    use super::*;

    mod inner {
        use super::*;

        #[make_async]
        pub(in super::super) fn visible() -> u8 {
            1
        }
    }

    #[make_async]
    fn fails() -> Result<(), Broken> {
        Err(Broken(0))
    }

    #[make_async]
    #[cfg(not(test))]
    fn absent() -> Absent {}

    #[make_async]
    fn with_inner_attributes() -> u8 {
        #![allow(unused_variables)]
        let unread = 1;
        2
    }

    #[test]
    fn keeps_visibility() {
        assert_eq!(inner::visible().wait().unwrap(), 1);
    }

    #[test]
    fn keeps_inner_attributes() {
        assert_eq!(with_inner_attributes().wait().unwrap(), 2);
    }

    #[test]
    fn a_task_is_located_where_the_function_is_called() {
        let line = line!() + 1;
        let error = fails().wait().unwrap_err();
        let location = error.location().unwrap();
        assert_eq!(location.file(), file!());
        assert_eq!(location.line(), line);
    }
}
