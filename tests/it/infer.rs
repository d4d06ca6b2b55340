//! Inference: what a user writes compiles without type annotations, and `?` works in every function
//! that has an error type.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use crate::support::{Log, within};
use fast_async::{
    Pool, Task, TaskError, all, any, attempt, await_all, deferred, spawn, spawn_with,
};

// The expression of the contract, word for word but for the path.
#[test]
fn the_expression_of_the_guide() {
    within(|| -> Result<(), TaskError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        fs::write(&path, "GET /\nGET /favicon.ico\n").unwrap();
        let done = Log::new();
        let tell = done.clone();
        let lines = attempt(move || Ok(fs::read_to_string(path)?))
            .then(|text| text.lines().count())
            .and_then(|n| spawn(move || n * 2))
            .catch(|err| {
                eprintln!("{err}");
                0
            })
            .finally(move || tell.push("done"))
            .wait()?;
        assert_eq!(lines, 4);
        assert_eq!(done.take(), ["done"]);
        Ok(())
    })
    .unwrap();
}

// The expression in which the rules of inference were first asked for, word for word.
#[test]
fn a_flow_of_values_errors_and_tasks() {
    fn flow(p: PathBuf) -> Task<usize> {
        attempt(|| Ok(std::fs::read_to_string(p)?))
            .then(|s| s.len())
            .and_then(|n| {
                if n > 9 {
                    return Err("big".into());
                }
                Ok(n)
            })
            .and_then(|n| spawn(move || n + 1))
    }
    within(|| {
        let dir = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let path = dir.path().join(text);
            fs::write(&path, text).unwrap();
            path
        };
        assert_eq!(flow(file("four")).wait().unwrap(), 5);
        let error = flow(file("more than nine")).wait().unwrap_err();
        assert!(error.to_string().starts_with("big"), "{error}");
        let error = flow(dir.path().join("none")).wait().unwrap_err();
        assert!(error.is::<std::io::Error>(), "{error}");
    });
}

#[test]
fn the_question_mark_in_functions_with_their_own_error_type() {
    fn boxed() -> Result<u32, Box<dyn Error>> {
        let task = spawn(|| 1);
        Ok(task.wait()?)
    }
    fn boxed_send_sync() -> Result<u32, Box<dyn Error + Send + Sync>> {
        let task = attempt(|| Ok("2".parse::<u32>()?));
        Ok(task.wait()?)
    }
    fn through_anyhow() -> anyhow::Result<u32> {
        let task = attempt(|| Ok("x".parse::<u32>()?));
        let n = task.wait()?;
        Ok(n)
    }
    fn plain() -> Result<u32, TaskError> {
        let task = spawn(|| 4);
        let n = task.wait()?;
        Ok(n)
    }
    within(|| {
        assert_eq!(boxed().unwrap(), 1);
        assert_eq!(boxed_send_sync().unwrap(), 2);
        let error = through_anyhow().unwrap_err();
        let task_error = error.downcast_ref::<TaskError>().unwrap();
        assert!(
            task_error
                .downcast_ref::<std::num::ParseIntError>()
                .is_some()
        );
        assert_eq!(plain().unwrap(), 4);
    });
}

// `?` inside the closures takes errors of several types in one body, failures of tasks and
// `anyhow`'s errors among them.
#[test]
fn the_question_mark_in_closures() {
    within(|| {
        let n = attempt(|| {
            let n = "1".parse::<u32>()?;
            let text = String::from_utf8(vec![b'2'])?;
            let m: u32 = text.parse()?;
            let waited = spawn(|| 3).wait()?;
            let context: u32 = anyhow::Context::context(Some(4), "there is none")?;
            Ok(n + m + waited + context)
        })
        .and_then(|n| {
            if n > 100 {
                return Err("too many".into());
            }
            if n > 50 {
                Err(format!("{n} are many"))?;
            }
            Ok(n)
        })
        .or_else(|error| match error.kind() {
            fast_async::ErrorKind::TimedOut => Ok(0),
            _ => Err(error)?,
        });
        assert_eq!(n.wait().unwrap(), 10);
    });
}

#[test]
fn closures_that_return_tasks_of_any_making() {
    #[cfg(feature = "macros")]
    #[fast_async::make_async]
    fn double(n: u32) -> u32 {
        n * 2
    }
    #[cfg(not(feature = "macros"))]
    fn double(n: u32) -> Task<u32> {
        spawn(move || n * 2)
    }
    within(|| {
        let n = spawn(|| 1)
            .and_then(|n| spawn(move || n + 1))
            .and_then(double)
            .and_then(|n| attempt(move || Ok(n + 1)))
            .and_then(|n| Task::ready(n).share())
            .and_then(|n| {
                let (resolver, task) = deferred();
                resolver.resolve(n).map_err(|_| "cancelled").unwrap();
                task
            })
            .and_then(|n| all((spawn(move || n), spawn(|| 1))))
            .then(|(a, b)| a + b)
            .and_then(|n| any([spawn(move || n), spawn(move || n)]));
        assert_eq!(n.wait().unwrap(), 6);
    });
}

#[test]
fn methods_and_constructors_as_arguments() {
    within(|| {
        let len = spawn(|| "four").then(str::len);
        let text = spawn(|| 5).then(|n: i32| n.to_string()).then(Some);
        let twice = spawn(|| spawn(|| 1)).flatten();
        let sum = await_all((0..3).map(|n| spawn(move || n)).collect::<Vec<_>>());
        assert_eq!(len.wait().unwrap(), 4);
        assert_eq!(text.wait().unwrap().as_deref(), Some("5"));
        assert_eq!(twice.wait().unwrap(), 1);
        assert_eq!(sum.unwrap().iter().sum::<i32>(), 3);
    });
}

#[test]
fn observers_and_contexts_need_no_types() {
    within(|| {
        let pool = Pool::new();
        let task = pool.spawn(|| vec![1, 2, 3]);
        task.subscribe(|v| assert_eq!(v.len(), 3), |err| panic!("{err}"));
        task.on_settled(|outcome| assert!(outcome.is_ok()));
        let shared = task.inspect(|v| assert_eq!(v[0], 1)).share();
        let first = shared.then(|v| v.first().copied());
        let checked = Task::builder()
            .name("checked")
            .attempt_with(|ctx| {
                ctx.check()?;
                Ok("done")
            })
            .catch_as(|err: &std::io::Error| match err.kind() {
                std::io::ErrorKind::NotFound => "none",
                _ => "error",
            });
        let cancelled = spawn_with(|ctx| ctx.is_cancelled());
        assert_eq!(first.wait().unwrap(), Some(1));
        assert_eq!(checked.wait().unwrap(), "done");
        assert!(!cancelled.wait().unwrap());
    });
}

#[test]
fn catch_as_takes_the_type_of_the_error_by_name() {
    within(|| {
        let task = attempt(|| Ok(fs::read_to_string("/no/such/file")?))
            .catch_as::<std::num::ParseIntError>(|_| unreachable!())
            .catch_as::<std::io::Error>(|error| error.kind().to_string());
        assert_eq!(task.wait().unwrap(), "entity not found");
    });
}
