//! Failures on the page, and the hook of the program beside it: a process of its own, which has one
//! hook.

#[allow(dead_code, reason = "this binary uses a part of it")]
mod support;

use std::sync::mpsc;

use fast_async::{Task, attempt, set_unhandled_hook};
use fast_async_console::Console;
use support::{Events, PATIENCE};

#[test]
fn failures_that_nothing_handles_are_shown_and_reported_as_before() {
    let (tell, told) = mpsc::channel();
    set_unhandled_hook(move |error| tell.send(error.to_string()).unwrap());
    let console = Console::serve("127.0.0.1:0").unwrap();
    let mut events = Events::of(&console);
    for _ in 0..2 {
        let task: Task<()> = attempt(|| Err("lost <b>and</b> \"quoted\"".into()));
        drop(task);
    }
    for _ in 0..2 {
        assert!(told.recv_timeout(PATIENCE).unwrap().contains("lost"));
    }
    let message = events.until(|message| message["failures"][0]["count"] == 2);
    let failure = &message["failures"][0];
    let text = failure["text"].as_str().unwrap();
    assert!(text.contains("lost <b>and</b> \"quoted\""), "{text}");
    assert!(failure["at"].as_str().unwrap().contains("failures.rs:"));

    // The hook stays when the console goes.
    drop(console);
    let task: Task<()> = attempt(|| Err("later".into()));
    drop(task);
    assert!(told.recv_timeout(PATIENCE).unwrap().contains("later"));
}
