//! The way of one task, as a listener hears it: in order, to the last progress, and to the end.

use fast_async::{ErrorKind, Job, Retry, Shutdown, TaskError};

use super::{
    Gate, LIMIT, Latch, Log, Pool, Task, deferred, expected, gated, line, lines, next_lines,
    one_thread, pool_of, sending, spawn, spawn_with, until, virtual_pool, within,
};

// Contract: E2
// Case: 197
#[test]
fn events_come_in_their_order() {
    within(|| {
        let (_clock, pool) = virtual_pool();
        pool.set_max_threads(1).unwrap();
        let (first, before) = gated(&pool, |_| ());
        let task = pool.spawn_with(|ctx| {
            ctx.progress(1, 3);
            ctx.message("halfway");
            ctx.progress(2, 3);
            ctx.progress(3, 3);
        });
        let mut events = task.events();
        assert_eq!(next_lines(&mut events, 1), ["queued"]);
        first.open();
        let rest = ["started", "1 of 3", "halfway", "3 of 3", "settled"];
        assert_eq!(lines(events), rest);
        before.wait().unwrap();
        task.wait().unwrap();
    });
}

/// How a closure ends that has reported twice.
#[derive(Clone, Copy, Debug)]
enum End {
    Value,
    Failure,
    Panic,
    Cancel,
}

// Contract: E2
// Case: 197
#[test]
fn the_last_progress_comes_before_the_end_and_nothing_after_it() {
    within(|| {
        for (end, last) in [
            (End::Value, "settled"),
            (End::Failure, "settled: Failed"),
            (End::Panic, "settled: Panicked"),
            (End::Cancel, "settled: Cancelled"),
        ] {
            let (_clock, pool) = virtual_pool();
            let (go, reported, goes_on) = (Gate::new(), Latch::new(1), Gate::new());
            let (passes, counts, waits) = (go.clone(), reported.clone(), goes_on.clone());
            let task = pool.attempt_with(move |ctx| {
                passes.pass();
                ctx.progress(1, 9);
                ctx.progress(2, 9);
                counts.count_down();
                match end {
                    End::Value => Ok(()),
                    End::Failure => Err("no".into()),
                    End::Panic => expected("no"),
                    End::Cancel => {
                        waits.pass();
                        ctx.progress(3, 9);
                        ctx.message("too late");
                        Ok(())
                    }
                }
            });
            until(|| task.thread().is_some());
            let (events, (hear, heard)) = (task.events(), sending());
            task.on_event(hear);
            go.open();
            reported.wait();
            if let End::Cancel = end {
                task.cancel();
            }
            goes_on.open();
            let told = ["started", "1 of 9", "2 of 9", last];
            assert_eq!(lines(events), told, "{end:?}");
            assert_eq!(heard.iter().collect::<Vec<_>>(), told, "{end:?}");
            task.stopped().wait().unwrap();
            // Also not with its next event: there is none.
            assert_eq!(lines(task.events()).last().unwrap(), last);
            let _ = task.wait();
        }
    });
}

// Contract: E2
#[test]
fn a_late_listener_gets_the_state_as_it_stands() {
    within(|| {
        let (_clock, pool) = virtual_pool();
        let (reported, goes_on) = (Latch::new(1), Gate::new());
        let (counts, waits) = (reported.clone(), goes_on.clone());
        let task = pool.spawn_with(move |ctx| {
            ctx.progress(1, 9);
            ctx.progress(2, 9);
            counts.count_down();
            waits.pass();
        });
        reported.wait();
        let (mut early, mut late) = (task.events(), task.events());
        for events in [&mut early, &mut late] {
            assert_eq!(next_lines(events, 2), ["started", "2 of 9"]);
        }
        goes_on.open();
        assert_eq!(lines(early), ["settled"]);
        assert_eq!(lines(late), ["settled"]);
        let told = ["started", "2 of 9", "settled"];
        assert_eq!(lines(task.events()), told);
        let (hear, heard) = sending();
        task.on_event(hear);
        assert_eq!(heard.iter().collect::<Vec<_>>(), told);
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn a_task_without_a_closure_tells_its_end() {
    within(|| {
        let (resolver, task) = deferred();
        let events = task.events();
        resolver.resolve(7).unwrap();
        assert_eq!(lines(events), ["settled"]);
        assert_eq!(lines(task.events()), ["settled"]);
        assert_eq!(task.wait().unwrap(), 7);
        assert_eq!(lines(Task::ready(7).events()), ["settled"]);
        let failed = Task::<u8>::failed("no");
        assert_eq!(lines(failed.events()), ["settled: Failed"]);
        // To hear of a failure is not to handle it, but this is. The listener may still be leaving
        // its thread, and `error` would see no failure then.
        assert!(failed.wait().is_err());
        let (resolver, task) = deferred::<u8>();
        let events = task.events();
        drop(resolver);
        assert_eq!(lines(events), ["settled: Abandoned"]);
        assert!(task.wait().is_err());
    });
}

// Contract: E2
#[test]
fn a_task_that_never_begins_tells_that() {
    within(|| {
        let pool = one_thread();
        let (gate, before) = gated(&pool, |_| ());
        let task = pool.spawn(|| ());
        let events = task.events();
        task.cancel();
        gate.open();
        assert_eq!(lines(events), ["queued", "settled: Cancelled"]);
        before.wait().unwrap();
        assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
        let refused = pool.spawn(|| ());
        assert_eq!(lines(refused.events()), ["settled: Rejected"]);
        let (hear, heard) = sending();
        refused.on_event(hear);
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["settled: Rejected"]);
        assert!(refused.wait().is_err());
    });
}

// Contract: E2
#[test]
fn a_listener_starts_a_cold_task() {
    within(|| {
        let task = Task::new(|| 7);
        assert_eq!(lines(task.events()).last().unwrap(), "settled");
        assert_eq!(task.wait().unwrap(), 7);
        let task = Task::new(|| 7);
        let (hear, heard) = sending();
        task.on_event(hear);
        assert_eq!(heard.iter().last().unwrap(), "settled");
        assert_eq!(task.wait().unwrap(), 7);
    });
}

// Contract: E2
#[test]
fn the_end_is_that_of_the_place_in_the_chain() {
    within(|| {
        let pool = pool_of(2);
        let (gate, task) = gated(&pool, |ctx| ctx.progress(1, 1));
        let head = task.events();
        let task = task.and_then(|()| Err::<u8, _>("no".into()));
        let middle = task.events();
        let task = task.catch(|_| 7);
        let tail = task.events();
        gate.open();
        assert_eq!(lines(head).last().unwrap(), "settled");
        assert_eq!(lines(middle).last().unwrap(), "settled: Failed");
        let tail = lines(tail);
        assert_eq!(tail.last().unwrap(), "settled");
        assert!(tail.contains(&"1 of 1".to_owned()), "{tail:?}");
        assert_eq!(task.wait().unwrap(), 7);
    });
}

// Contract: E2
#[test]
fn a_shared_task_tells_the_same() {
    within(|| {
        let pool = pool_of(2);
        let (gate, task) = gated(&pool, |ctx| ctx.progress(1, 1));
        until(|| task.thread().is_some());
        let before = task.events();
        let shared = task.share();
        let other = shared.clone();
        let (hear, heard) = sending();
        other.on_event(hear);
        let after = shared.events();
        gate.open();
        let told = ["started", "1 of 1", "settled"];
        for lines in [lines(before), lines(after), heard.iter().collect()] {
            assert_eq!(lines, told);
        }
        shared.wait().unwrap();
        assert_eq!(lines(shared.events()), told);
        let failed = pool.attempt(|| Err::<u8, _>("no".into())).share();
        let failure = failed.events();
        assert_eq!(lines(failure).last().unwrap(), "settled: Failed");
        assert!(failed.wait().is_err());
    });
}

// Contract: E2
#[test]
fn what_a_context_tells_after_the_end_is_not_heard() {
    within(|| {
        let task = spawn_with(Clone::clone);
        let events = task.events();
        let context = task.share();
        let context = context.wait().unwrap();
        context.progress(1, 2);
        context.message("late");
        let told = lines(events);
        assert_eq!(told.last().unwrap(), "settled");
        assert!(!told.contains(&"late".to_owned()));
    });
}

// Contract: E2
#[test]
fn a_listener_whose_executor_drops_its_jobs_ends_too() {
    within(|| {
        let (resolver, task) = deferred();
        let task = task.on(&|job: Job| drop(job));
        let events = task.events();
        resolver.resolve(7).unwrap();
        // The step that would tell was dropped with the job.
        assert_eq!(lines(events), Vec::<String>::new());
        assert_eq!(task.wait().unwrap(), 7);
    });
}

// Contract: E2
#[test]
fn a_retry_tells_of_each_call_that_is_made_again() {
    within(|| {
        let (clock, pool) = virtual_pool();
        for limit in [None, Some(std::time::Duration::from_secs(60))] {
            let second = std::time::Duration::from_secs(1);
            let mut policy = Retry::attempts(3).backoff([second]);
            if let Some(limit) = limit {
                policy = policy.per_attempt(limit);
            }
            let (gate, log) = (Gate::new(), Log::new());
            let (passes, own) = (gate.clone(), log.clone());
            let task = pool.retry(policy, move |attempt| {
                passes.pass();
                attempt.message(format!("begins {}", attempt.number()));
                attempt.progress(u64::from(attempt.number()), 3);
                match attempt.is_last() {
                    true => Ok(7),
                    false => Err("no".into()),
                }
            });
            until(|| task.thread().is_some());
            task.on_event(move |event| own.push(line(event)));
            gate.open();
            clock.advance(10 * second);
            until(|| log.len() == 10);
            let told = log.take();
            let told: Vec<&str> = told
                .iter()
                .map(|line| line.rsplit("; ").next().unwrap())
                .collect();
            assert_eq!(
                told,
                [
                    "started",
                    "begins 1",
                    "1 of 3",
                    "again in 1s",
                    "begins 2",
                    "2 of 3",
                    "again in 1s",
                    "begins 3",
                    "3 of 3",
                    "settled",
                ]
            );
            assert_eq!(task.wait().unwrap(), 7);
        }
    });
}

// Contract: E2
#[test]
fn what_an_event_says_of_its_task() {
    within(|| {
        let builder = Task::builder().name("load");
        let here = line!() + 1;
        let task = builder.attempt(|| Err::<u8, _>("no".into()));
        let (one, two): (Vec<_>, Vec<_>) = (task.events().collect(), task.events().collect());
        let last = one.last().unwrap();
        assert_eq!((last.name(), last.location().line()), (Some("load"), here));
        assert_eq!(last.location().file(), file!());
        assert!(one.iter().chain(&two).all(|event| event.id() == last.id()));
        assert!(one.is_sorted_by_key(|event| event.time()));
        assert_eq!(last.parent(), None);
        assert!(
            last.to_string().starts_with("load: settled: no"),
            "{}",
            **last
        );
        assert!(format!("{:?}", **last).contains("load"));
        let other = spawn(|| ());
        let other = other.events().last().unwrap();
        assert_ne!(other.id(), last.id());
        assert_eq!(other.to_string(), format!("{}: settled", other.id()));
        let failure = task.wait().unwrap_err();
        assert_eq!(TaskError::kind(&failure), ErrorKind::Failed);
    });
}

/// A pool is not needed: the closure may run on the thread that waits.
// Contract: E2
#[test]
fn a_task_that_runs_inside_a_wait_tells_the_same() {
    within(|| {
        let pool = one_thread();
        let own: Pool = pool.clone();
        let told = pool.spawn(move || {
            let inner = own.spawn_with(|ctx| ctx.progress(1, 1));
            let events = inner.events();
            inner.wait().unwrap();
            lines(events)
        });
        let told = told.wait().unwrap();
        assert_eq!(told, ["queued", "started", "1 of 1", "settled"]);
    });
}
