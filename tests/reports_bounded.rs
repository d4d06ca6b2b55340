//! The default report of unhandled failures: the exact lines, and their bounded number.

#[allow(dead_code, unused_imports, reason = "this binary uses a part of it")]
mod support;

use std::process::Output;
use std::time::{Duration, Instant};

use fast_async::{Pool, Resolver, Task, deferred, set_unhandled_hook};
use support::{child, is_child};

/// The lines of a child's stderr that the crate wrote, without the place of this file.
fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let ours = text.lines().filter(|line| line.starts_with("fast-async"));
    ours.map(|line| {
        let (line, place) = line.rsplit_once("at ").expect("every line says a place");
        assert!(
            place.contains(file!()) || place == "other places]",
            "{place}"
        );
        line.trim_end().to_owned()
    })
    .collect()
}

fn abandon(name: Option<&str>) {
    let pool = Pool::global();
    match name {
        None => drop(Task::<()>::failed("gone")),
        Some(name) => {
            let builder = Task::builder().name(name).pool(pool);
            drop(builder.attempt(|| Err::<(), _>("gone".into())));
        }
    }
}

fn rest() {
    assert!(Pool::global().wait_idle(Duration::MAX));
}

const FULL: &str = "fast-async: a task's failure was never looked at: gone [";

// Contract: C5
#[test]
fn one_failure_is_one_line() {
    const NAME: &str = "one_failure_is_one_line";
    if is_child(NAME) {
        abandon(None);
        return rest();
    }
    assert_eq!(said(&child(NAME)), [FULL]);
}

// Contract: C5
#[test]
fn two_failures_of_one_place_are_two_lines() {
    const NAME: &str = "two_failures_of_one_place_are_two_lines";
    if is_child(NAME) {
        let start = Instant::now();
        (0..2).for_each(|_| abandon(Some("load")));
        rest();
        println!("took {}", start.elapsed().as_secs());
        return;
    }
    let output = child(NAME);
    let (full, lines) = (format!("{FULL}task `load`,"), said(&output));
    let count = "fast-async: 1 more failure was never looked at [task `load`,";
    assert_eq!((lines.len(), &lines[0]), (2, &full));
    // On a machine that held the second one up for a second it is the first of its kind again.
    assert_eq!(lines[1], if took(&output) == 0 { count } else { &full });
}

/// What the counts of these lines add up to, the lines in full included.
fn sum(lines: &[String]) -> usize {
    let count = |line: &String| match line.strip_prefix("fast-async: a task's") {
        Some(_) => 1,
        None => line.split(' ').nth(1).unwrap().parse().unwrap(),
    };
    lines.iter().map(count).sum()
}

// Contract: C5
#[test]
fn a_thousand_failures_of_one_place_are_two_lines_or_one_more_a_second() {
    const NAME: &str = "a_thousand_failures_of_one_place_are_two_lines_or_one_more_a_second";
    if is_child(NAME) {
        let start = Instant::now();
        (0..1_000).for_each(|_| abandon(None));
        rest();
        println!("took {}", start.elapsed().as_secs());
        return;
    }
    let output = child(NAME);
    let lines = said(&output);
    assert_eq!(lines[0], FULL);
    assert_eq!(sum(&lines), 1_000);
    assert!(lines.len() <= 2 + took(&output), "{lines:?}");
    if took(&output) == 0 {
        assert_eq!(
            lines[1],
            "fast-async: 999 more failures were never looked at ["
        );
    }
}

/// The seconds that a child says it took.
fn took(output: &Output) -> usize {
    let text = String::from_utf8_lossy(&output.stdout);
    let seconds = text.lines().find_map(|line| {
        let at = line.find("took ")?;
        line[at + 5..].trim().parse().ok()
    });
    seconds.unwrap_or_else(|| panic!("{text}"))
}

// Contract: C5
#[test]
fn a_thousand_names_are_counted_separately_up_to_a_bound() {
    const NAME: &str = "a_thousand_names_are_counted_separately_up_to_a_bound";
    if is_child(NAME) {
        let start = Instant::now();
        (0..1_000).for_each(|n| {
            abandon(Some(&format!("request {n}")));
            rest();
        });
        println!("took {}", start.elapsed().as_secs());
        return;
    }
    let output = child(NAME);
    let lines = said(&output);
    assert_eq!(sum(&lines), 1_000, "{lines:?}");
    assert_eq!(lines[0], format!("{FULL}task `request 0`,"));
    // `rest` says what was counted until then, so all that are counted have a line each.
    let full = lines.iter().filter(|line| line.starts_with(FULL)).count();
    assert!(full <= 9 * (1 + took(&output)), "{lines:?}");
}

macro_rules! many {
    ($fail:ident: $($name:literal)*) => { $($fail($name);)* };
}

// Contract: C5
#[test]
fn a_thousand_places_are_a_bounded_number_of_lines() {
    const NAME: &str = "a_thousand_places_are_a_bounded_number_of_lines";
    if is_child(NAME) {
        #[track_caller]
        fn fail(error: &'static str) {
            drop(Task::<()>::failed(error));
        }
        let start = Instant::now();
        for name in 0..125 {
            let fail_named = |error: &'static str| {
                let pool = Pool::global();
                let builder = Task::builder().name(format!("{name}")).pool(pool);
                drop(builder.attempt(move || Err::<(), _>(error.into())));
            };
            many!(fail_named: "a" "b" "c" "d");
            many!(fail: "a" "b" "c" "d");
        }
        rest();
        println!("took {}", start.elapsed().as_secs());
        return;
    }
    let output = child(NAME);
    let lines = said(&output);
    assert_eq!(sum(&lines), 1_000, "{lines:?}");
    assert!(lines.len() <= 70 * (1 + took(&output)), "{lines:?}");
}

/// A million dropped resolvers whose tasks have no consumer.
#[test]
fn a_million_dropped_resolvers_are_a_handful_of_lines() {
    const NAME: &str = "a_million_dropped_resolvers_are_a_handful_of_lines";
    if is_child(NAME) {
        let start = Instant::now();
        for _ in 0..1_000_000 {
            let (resolver, task) = deferred::<u32>();
            drop(task);
            drop(resolver);
        }
        println!("took {}", start.elapsed().as_secs());
        return rest();
    }
    let output = child(NAME);
    let lines = said(&output);
    assert_eq!(sum(&lines), 1_000_000, "{lines:?}");
    assert!(lines.len() <= 2 + took(&output), "{lines:?}");
    assert!(took(&output) < 60);
}

/// On a pool that has nothing else to do the count comes when its second is over.
#[test]
fn an_idle_pool_reports_the_count_by_itself() {
    const NAME: &str = "an_idle_pool_reports_the_count_by_itself";
    if is_child(NAME) {
        for _ in 0..3 {
            drop(Pool::global().attempt(|| Err::<(), _>("gone".into())));
        }
        // Until the parent has read the count, and ends it.
        loop {
            std::thread::park();
        }
    }
    use std::io::{BufRead, BufReader};
    let mut running = support::child_command(NAME)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(running.stderr.take().unwrap()).lines();
    let ours = lines
        .map(Result::unwrap)
        .filter(|line| line.starts_with("fast-async"));
    let two: Vec<String> = ours.take(2).collect();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(two[0].starts_with(FULL), "{two:?}");
    let expected = "fast-async: 2 more failures were never looked at [";
    assert!(two[1].starts_with(expected), "{two:?}");
}

// Contract: C5
#[test]
fn the_hook_gets_each() {
    const NAME: &str = "the_hook_gets_each";
    if is_child(NAME) {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        set_unhandled_hook(|_| {
            COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        let pairs = (0..1_000).map(|_| deferred::<u32>().0);
        pairs.for_each(drop::<Resolver<u32>>);
        assert_eq!(COUNT.load(std::sync::atomic::Ordering::Relaxed), 1_000);
        return;
    }
    assert_eq!(said(&child(NAME)), [""; 0]);
}
