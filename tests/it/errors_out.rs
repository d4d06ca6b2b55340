//! Taking the user's own error out of a failure, and what an error of `anyhow` becomes.

use std::error::Error;
use std::io;

use fast_async::{BoxError, Task, TaskError, any, attempt, deferred, error::AggregateError, spawn};

fn missing() -> Result<u32, io::Error> {
    Err(io::Error::new(io::ErrorKind::NotFound, "no file"))
}

fn downcast(error: TaskError) -> Result<io::Error, TaskError> {
    error.downcast::<io::Error>()
}

#[test]
fn downcast_of_the_only_clone_returns_the_error_at_every_link() {
    let taken = |task: Task<u32>| downcast(task.wait().unwrap_err()).unwrap().to_string();
    assert_eq!(taken(attempt(|| Ok(missing()?))), "no file");
    assert_eq!(taken(spawn(|| 1).and_then(|_| Ok(missing()?))), "no file");
    assert_eq!(
        taken(attempt(|| Ok(missing()?)).then(|n| n).finally(|| ())),
        "no file"
    );
    assert_eq!(taken(attempt(|| attempt(|| Ok(missing()?)))), "no file");
    assert_eq!(taken(attempt(|| Ok(missing()?)).shielded()), "no file");
    assert_eq!(taken(Task::failed(missing().unwrap_err())), "no file");
    let (resolver, task) = deferred();
    assert!(resolver.reject(missing().unwrap_err()).is_ok());
    assert_eq!(taken(task), "no file");
    // An observer has looked before.
    let task = attempt(|| Ok(missing()?));
    task.on_settled(|_| ());
    assert_eq!(taken(task.inspect_err(|_| ())), "no file");
}

#[test]
fn a_continuation_takes_the_error_out() {
    let seen = attempt(|| Ok(missing()?))
        .handle(|outcome| downcast(outcome.unwrap_err()).unwrap().kind())
        .wait()
        .unwrap();
    assert_eq!(seen, io::ErrorKind::NotFound);
    let n = attempt(|| Ok(missing()?))
        .catch(|error| downcast(error).map_or(0, |_| 7))
        .wait();
    assert_eq!(n.unwrap(), 7);
}

#[test]
fn downcast_returns_the_error_of_a_boxed_failure() {
    let twice = attempt(|| Ok(attempt(|| Ok(missing()?)).wait()?));
    let error = downcast(twice.wait().unwrap_err()).unwrap();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let rethrown = attempt(|| Ok(missing()?)).or_else(|error| Err(BoxError::from(error)));
    assert!(downcast(rethrown.wait().unwrap_err()).is_ok());
}

#[test]
fn downcast_with_a_clone_or_another_type_returns_the_failure_unchanged() {
    let error = attempt(|| Ok(missing()?)).wait().unwrap_err();
    let clone = error.clone();
    let back = downcast(error).unwrap_err();
    assert!(back.is::<io::Error>(), "it is what it was: {back}");
    drop(clone);
    let back = back.downcast::<std::fmt::Error>().unwrap_err();
    assert_eq!(downcast(back).unwrap().kind(), io::ErrorKind::NotFound);

    let shared = attempt(|| Ok(missing()?)).share();
    let branch = shared.cloned().wait().unwrap_err();
    assert!(downcast(branch).is_err(), "the shared task keeps its own");

    let panicked = spawn(|| panic!("boom")).wait().unwrap_err();
    assert!(downcast(panicked).unwrap_err().into_panic().is_ok());
}

#[test]
fn an_aggregate_returns_its_failures() {
    let tasks = [attempt(|| Ok(missing()?)), Task::failed("2 is slow")];
    let error = any(tasks).wait().unwrap_err();
    let all = error.downcast::<AggregateError>().unwrap().into_errors();
    assert_eq!(all.len(), 2);
    let first = all.into_iter().next().unwrap();
    assert_eq!(downcast(first).unwrap().kind(), io::ErrorKind::NotFound);
}

fn is_among_the_sources(error: &TaskError) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn with_anyhow() -> anyhow::Result<u32> {
    Ok(missing()?)
}

/// `?` on an `anyhow::Error` boxes a type that is private to `anyhow`, so no downcast can find the
/// error in it, and its source is the source of the hidden error, not that error.
#[test]
fn an_error_of_anyhow_is_hidden_until_it_is_unwrapped() {
    let hidden = attempt(|| Ok(with_anyhow()?)).catch_as::<io::Error>(|_| 7);
    let error = hidden.wait().unwrap_err();
    assert!(error.to_string().starts_with("no file"));
    assert!(!is_among_the_sources(&error));

    let unwrap = |error: anyhow::Error| error.reallocate_into_boxed_dyn_error_without_backtrace();
    let found = attempt(move || with_anyhow().map_err(unwrap)).catch_as::<io::Error>(|_| 7);
    assert_eq!(found.wait().unwrap(), 7);
    let error = attempt(move || with_anyhow().map_err(unwrap)).wait();
    assert!(downcast(error.unwrap_err()).is_ok());

    // What a task of ours failed with comes out of it as itself, or not: the same rule.
    let ours = move || anyhow::Ok(attempt(|| Ok(missing()?)).wait()?);
    let passed = attempt(move || ours().map_err(unwrap)).catch_as::<io::Error>(|_| 7);
    assert_eq!(passed.wait().unwrap(), 7);
}

/// A source is not the error: what `catch_as` is given must be what failed.
#[test]
fn the_sources_of_an_error_are_not_caught() {
    let context = |error| anyhow::Error::new(error).context("reading the settings");
    let unwrap = |error: anyhow::Error| error.reallocate_into_boxed_dyn_error_without_backtrace();
    let task = attempt(move || missing().map_err(context).map_err(unwrap));
    let error = task.catch_as::<io::Error>(|_| 7).wait().unwrap_err();
    assert!(error.to_string().starts_with("reading the settings"));
    assert!(is_among_the_sources(&error));

    let task = attempt(move || {
        let error = match missing().map_err(context) {
            Ok(n) => return Ok(n),
            Err(error) => error,
        };
        match error.downcast::<io::Error>() {
            Ok(error) => Err(error.into()),
            Err(other) => Err(other.into()),
        }
    });
    assert_eq!(task.catch_as::<io::Error>(|_| 7).wait().unwrap(), 7);
}
