//! What is said when a program's main thread ends: the counts of failures that are left, and that
//! tasks are lost. Without the test harness, which would run a test on another thread.

use std::process::{Command, exit};
use std::thread;

use fast_async::{Pool, Task, deferred};

const ROLE: &str = "FAST_ASYNC_REPORTS_AT_EXIT";

/// A program, and the line that it says last.
type Case = (&'static str, fn(), &'static str);

const CASES: &[Case] = &[
    (
        "the main thread has failed tasks itself",
        || (0..1_000).for_each(|_| drop(deferred::<u32>())),
        "fast-async: 999 more failures were never looked at [at ",
    ),
    (
        "tasks failed on the pool",
        || {
            let tasks: Vec<Task<()>> = (0..10)
                .map(|_| Pool::global().attempt(|| Err("gone".into())))
                .collect();
            while !tasks.iter().all(Task::is_settled) {
                thread::yield_now();
            }
            thread::spawn(move || drop(tasks)).join().unwrap();
        },
        "fast-async: 9 more failures were never looked at [at ",
    ),
    (
        "it ends by `exit`",
        || {
            (0..2).for_each(|_| drop(deferred::<u32>()));
            exit(0);
        },
        "fast-async: 1 more failure was never looked at [at ",
    ),
    (
        "they are dropped by the thread-locals of the main thread",
        || {
            thread_local! {
                static KEPT: std::cell::RefCell<Vec<fast_async::Resolver<u32>>> =
                    const { std::cell::RefCell::new(Vec::new()) };
            }
            KEPT.with_borrow_mut(|kept| kept.extend((0..50).map(|_| deferred().0)));
        },
        "fast-async: 49 more failures were never looked at [at ",
    ),
];

/// A program that ends while a task has work to do, and the beginning of the line that it says.
type Lost = (&'static str, fn(), Option<&'static str>);

/// Starts a task that never ends, and returns when it runs.
fn endless() -> Task<()> {
    let (tell, told) = std::sync::mpsc::channel();
    let task = Pool::global().spawn(move || {
        tell.send(()).unwrap();
        loop {
            thread::park();
        }
    });
    told.recv().unwrap();
    task
}

// Contract: C6
const LOST: &[Lost] = &[
    (
        "a handle is dropped by the end of main",
        || {
            let _task = endless();
        },
        Some("fast-async: the program ends while a task whose handle was dropped has work to do"),
    ),
    (
        "handles are dropped at once",
        || (0..3).for_each(|_| drop(endless().then(|()| ()))),
        Some("fast-async: the program ends while 3 tasks whose handles were dropped have work"),
    ),
    ("a task is detached", || endless().detach(), None),
    (
        "a task that was dropped has ended",
        || {
            drop(Pool::global().spawn(|| ()));
            assert!(Pool::global().wait_idle(std::time::Duration::MAX));
        },
        None,
    ),
    (
        "a task that was dropped was cancelled",
        || {
            let token = fast_async::CancelToken::new();
            let builder = Task::builder().cancel_token(&token);
            drop(builder.spawn(|| {
                loop {
                    thread::park();
                }
            }));
            token.cancel();
        },
        None,
    ),
    (
        "what was dropped waits for something else",
        || {
            drop(fast_async::delay(std::time::Duration::from_secs(3600)));
            let (resolver, task) = deferred::<()>();
            drop(task);
            std::mem::forget(resolver);
        },
        None,
    ),
];

fn check_lost() {
    for (name, _, line) in LOST {
        let output = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, name)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {text}");
        match line {
            None => assert_eq!(text, "", "{name}"),
            Some(line) => {
                assert!(text.starts_with(line), "{name}: {text}");
                assert_eq!(text.lines().count(), 1, "{name}: {text}");
            }
        }
        println!("{name}: ok");
    }
}

fn main() {
    if let Ok(role) = std::env::var(ROLE)
        && let Some((_, program, _)) = LOST.iter().find(|(name, ..)| *name == role)
    {
        return program();
    }
    if let Ok(role) = std::env::var(ROLE) {
        let case = CASES.iter().find(|(name, ..)| *name == role);
        return case.expect("a program of this name").1();
    }
    // Test runners ask for the names of the tests before they run them.
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    if asked("--list") || asked("--ignored") {
        if !asked("--ignored") {
            println!("reports_at_exit: test");
        }
        return;
    }
    check_lost();
    for (name, _, last) in CASES {
        let output = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, name)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().collect();
        assert!(output.status.success(), "{name}: {text}");
        assert_eq!(lines.len(), 2, "{name}: {text}");
        assert!(lines[0].starts_with("fast-async: a task's failure was never looked at: "));
        assert!(lines[1].starts_with(last), "{name}: {text}");
        println!("{name}: ok");
    }
}
