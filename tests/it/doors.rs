//! Verbs that flatten, outcomes that are passed on, and a `finally` that takes its time.

use crate::support::{Gate, expected, within};
use fast_async::{BoxError, CancelOutcome, ErrorKind, Task, attempt, deferred, spawn};

fn failed(text: &'static str) -> Task<u8> {
    Task::failed(text)
}

#[test]
fn a_branch_flattens_what_its_closure_returns() {
    within(|| {
        let shared = Task::ready("7".to_string()).share();
        let parsed = shared.and_then(|text| Ok(text.parse::<u8>()?));
        let more = shared.and_then(|text| {
            let len = text.len();
            spawn(move || len + 1)
        });
        assert_eq!((parsed.wait().unwrap(), more.wait().unwrap()), (7, 2));
        let bad = shared.and_then(|_| Err::<u8, BoxError>("no".into()));
        assert_eq!(bad.wait().unwrap_err().kind(), ErrorKind::Failed);
        let panics = shared.and_then(|_| -> Task<u8> { expected("in a branch") });
        assert_eq!(panics.wait().unwrap_err().kind(), ErrorKind::Panicked);
        let shared = failed("source").share();
        let passes = shared.and_then(|_| -> Task<u8> { unreachable!("there is no value") });
        assert!(passes.wait().unwrap_err().to_string().contains("source"));
    });
}

#[test]
fn a_branch_that_follows_another_task_is_cancelled_with_it() {
    within(|| {
        let (inner_resolver, inner) = deferred::<u8>();
        let (resolver, task) = deferred();
        let shared = task.share();
        let branch = shared.and_then(move |()| inner);
        resolver.resolve(()).unwrap();
        assert!(shared.is_settled() && inner_resolver.is_wanted());
        assert_eq!(branch.cancel(), CancelOutcome::Prevented);
        assert!(!inner_resolver.is_wanted());
    });
}

#[test]
fn an_outcome_is_passed_on() {
    within(|| {
        let value = Task::ready(7).and_handle(Task::from);
        assert_eq!(value.wait().unwrap(), 7);
        let error = failed("no").and_handle(Task::from).wait().unwrap_err();
        assert!(error.to_string().contains("no"));
        let other = failed("no").and_handle(|outcome| {
            assert!(outcome.is_err());
            spawn(|| "other")
        });
        assert_eq!(other.wait().unwrap(), "other");
        let shared = failed("no").share();
        let error = shared.and_handle(|it| Task::from(it)).wait().unwrap_err();
        assert!(error.to_string().contains("no"));
    });
}

#[test]
fn a_finally_that_returns_a_task_is_awaited() {
    within(|| {
        let (resolver, after) = deferred();
        let task = Task::ready(7).and_finally(move || after);
        let task = task
            .wait_timeout(std::time::Duration::from_millis(10))
            .unwrap_err();
        resolver.resolve("closed").unwrap();
        assert_eq!(task.wait().unwrap(), 7);

        let error = failed("first")
            .and_finally(|| spawn(|| ()))
            .wait()
            .unwrap_err();
        assert!(error.to_string().contains("first"));
        let error = Task::ready(7)
            .and_finally(|| failed("close"))
            .wait()
            .unwrap_err();
        assert!(error.to_string().contains("close"));
        let error = failed("first")
            .and_finally(|| failed("close"))
            .wait()
            .unwrap_err();
        assert!(error.to_string().contains("close"));
        let panics = Task::ready(7).and_finally(|| -> Task<()> { expected("in finally") });
        assert_eq!(panics.wait().unwrap_err().kind(), ErrorKind::Panicked);
        let ok = attempt(|| Ok(7)).and_finally(|| Ok(()));
        assert_eq!(ok.wait().unwrap(), 7);
    });
}

#[test]
fn a_finally_that_returns_a_task_runs_on_a_cancellation() {
    within(|| {
        let (_resolver, task) = deferred::<u8>();
        let ran = Gate::new();
        let task = task.and_finally({
            let ran = ran.clone();
            move || spawn(move || ran.open())
        });
        let _ = task.cancel();
        ran.pass();
    });
}
