//! When a cancelled task's closures have returned: `stopped` and `finally_stopped`.

use std::thread;
use std::time::Duration;

use crate::support::{Count, Drops, Gate, HOUR, Log, expected, until, within};
use fast_async::loop_queue::StateQueue;
use fast_async::{
    CancelOutcome, CancelToken, ErrorKind, Pool, Task, attempt, deferred, spawn, spawn_with,
};

/// A task whose closure runs until the gate is opened, cancelled or not.
fn running(log: &Log<&'static str>, gate: &Gate) -> Task<u32> {
    let started = Gate::new();
    let (tell, held, log) = (started.clone(), gate.clone(), log.clone());
    let task = spawn(move || {
        tell.open();
        held.pass();
        log.push("returned");
        7
    });
    started.pass();
    task
}

/// A cancelled writer writes once more: its file must be removed after that.
// Contract: C1
#[test]
fn a_step_after_stopped_runs_after_the_last_write() {
    within(|| {
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let path = file.to_path_buf();
        let (started, gate) = (Gate::new(), Gate::new());
        let (tell, held, written) = (started.clone(), gate.clone(), path.clone());
        let remove = path.clone();
        let task = spawn_with(move |ctx| {
            tell.open();
            while !ctx.is_cancelled() {
                thread::yield_now();
            }
            held.pass();
            std::fs::write(written, "last").unwrap();
        })
        .finally_stopped(move || std::fs::remove_file(remove).unwrap());
        started.pass();
        assert_eq!(task.cancel(), CancelOutcome::Signalled);
        let stopped = task.stopped();
        // C1 stays: it is settled now.
        assert!(task.is_settled() && task.wait().unwrap_err().is_cancelled());
        assert!(!stopped.is_settled());
        gate.open();
        stopped.wait().unwrap();
        assert!(!path.exists());
        let _ = file.keep();
    });
}

#[test]
fn asked_before_while_and_after() {
    within(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let task = running(&log, &gate);
        let before = task.stopped();
        assert_eq!(task.cancel(), CancelOutcome::Signalled);
        let amid = task.stopped();
        let other = task.stopped();
        assert!(!before.is_settled() && !amid.is_settled() && !other.is_settled());
        assert!(task.wait().unwrap_err().is_cancelled());
        drop(other);
        let after = log.clone();
        let told = before.then(move |()| after.push("told"));
        gate.open();
        told.wait().unwrap();
        amid.wait().unwrap();
        assert_eq!(log.take(), ["returned", "told"]);
    });
}

#[test]
fn asked_after_the_return_it_is_there() {
    within(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let task = running(&log, &gate);
        task.cancel();
        gate.open();
        task.stopped().wait().unwrap();
        assert!(task.stopped().is_settled());

        let task = spawn(|| 7);
        let stopped = task.stopped();
        assert_eq!(task.wait().unwrap(), 7);
        stopped.wait().unwrap();
        assert!(Task::ready(1).stopped().is_settled());
        assert!(
            Task::<u32>::failed("no")
                .catch(|_| 0)
                .stopped()
                .wait()
                .is_ok()
        );
    });
}

// Contract: C1, D6
#[test]
fn captures_and_result_are_dropped_before_stopped_settles() {
    within(|| {
        let drops = Drops::new();
        let (captured, returned) = (drops.token(), drops.token());
        let (started, gate) = (Gate::new(), Gate::new());
        let (tell, held) = (started.clone(), gate.clone());
        let task = spawn(move || {
            captured.hold();
            tell.open();
            held.pass();
            returned
        });
        started.pass();
        task.cancel();
        let seen = drops.clone();
        let count = task.stopped().then(move |()| seen.count());
        gate.open();
        assert_eq!(count.wait().unwrap(), 2);
    });
}

#[test]
fn cancelled_before_it_began_and_never_begun() {
    within(|| {
        let cold = Task::new(|| 7);
        let stopped = cold.stopped();
        assert!(!stopped.is_settled(), "asking does not start it");
        assert_eq!(cold.cancel(), CancelOutcome::Prevented);
        assert!(stopped.is_settled());
        stopped.wait().unwrap();

        let cold = Task::new(|| 7);
        let stopped = cold.stopped();
        drop(cold);
        stopped.wait().expect("it never runs");

        let cold = Task::new(|| 7);
        let stopped = cold.stopped();
        cold.run();
        stopped.wait().unwrap();
        assert_eq!(cold.wait().unwrap(), 7);

        let (resolver, task) = deferred::<u32>();
        let stopped = task.stopped();
        task.cancel();
        stopped.wait().unwrap();
        drop(resolver);
    });
}

#[test]
fn a_closure_that_panics_has_returned() {
    within(|| {
        let (started, gate) = (Gate::new(), Gate::new());
        let (tell, held) = (started.clone(), gate.clone());
        let task: Task<u32> = spawn(move || {
            tell.open();
            held.pass();
            expected("boom")
        });
        started.pass();
        task.cancel();
        let stopped = task.stopped();
        gate.open();
        stopped.wait().unwrap();
    });
}

#[test]
fn a_link_that_runs_when_the_cancel_comes_counts() {
    within(|| {
        let (started, gate, log) = (Gate::new(), Gate::new(), Log::new());
        let (tell, held, seen) = (started.clone(), gate.clone(), log.clone());
        let (resolver, task) = deferred();
        let task = task.then(move |n: u32| {
            tell.open();
            held.pass();
            seen.push("returned");
            n
        });
        let settler = thread::spawn(move || resolver.resolve(1));
        started.pass();
        assert_eq!(task.cancel(), CancelOutcome::Signalled);
        let seen = log.clone();
        let told = task.stopped().then(move |()| seen.push("told"));
        assert!(!told.is_settled());
        gate.open();
        told.wait().unwrap();
        settler.join().unwrap().unwrap();
        assert_eq!(log.take(), ["returned", "told"]);
    });
}

/// A token cancels the head, and `catch` recovers: the task settles with a value while the closure
/// runs.
#[test]
fn a_head_that_a_token_cancels_counts_though_the_chain_recovers() {
    within(|| {
        let (token, started, gate) = (CancelToken::new(), Gate::new(), Gate::new());
        let (tell, held) = (started.clone(), gate.clone());
        let task = Task::builder().cancel_token(&token).spawn(move || {
            tell.open();
            held.pass();
            1
        });
        let task = task.catch(|_| 2);
        let before = task.stopped();
        started.pass();
        token.cancel();
        let after = task.stopped();
        assert_eq!(task.wait().unwrap(), 2);
        assert!(!before.is_settled() && !after.is_settled());
        gate.open();
        before.wait().unwrap();
        after.wait().unwrap();
    });
}

#[test]
fn a_task_that_was_returned_counts() {
    within(|| {
        for asked_before in [true, false] {
            let (log, gate) = (Log::new(), Gate::new());
            let inner = running(&log, &gate);
            let (resolver, start) = deferred();
            let outer = start.and_then(move |()| inner).and_then(|n| Ok(n + 1));
            assert!(resolver.resolve(()).is_ok());
            let before = asked_before.then(|| outer.stopped());
            assert_eq!(outer.cancel(), CancelOutcome::Signalled);
            let stopped = before.unwrap_or_else(|| outer.stopped());
            assert!(!stopped.is_settled());
            gate.open();
            stopped.wait().unwrap();
            assert_eq!(log.take(), ["returned"]);
        }
    });
}

#[test]
fn a_closure_that_returns_a_task_when_it_is_cancelled_has_returned() {
    within(|| {
        let (started, gate) = (Gate::new(), Gate::new());
        let (tell, held) = (started.clone(), gate.clone());
        let task = attempt(move || {
            tell.open();
            held.pass();
            deferred::<u32>().1
        });
        started.pass();
        task.cancel();
        let stopped = task.stopped();
        assert!(!stopped.is_settled());
        gate.open();
        stopped.wait().unwrap();
    });
}

// Contract: C1, C3. It makes no difference whether the cancel or the return comes first.
#[test]
fn what_a_cancelled_closure_returns_is_cancelled_too_and_waited_for() {
    within(|| {
        for links in [0, 1] {
            let (log, gate) = (Log::new(), Gate::new());
            let (started, held) = (Gate::new(), Gate::new());
            let (tell, hold, inner) = (started.clone(), held.clone(), running(&log, &gate));
            let returns = move || {
                tell.open();
                hold.pass();
                inner
            };
            let task = match links {
                0 => attempt(returns),
                _ => spawn(|| ()).and_then(move |()| returns()),
            };
            started.pass();
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            let stopped = task.stopped();
            held.open();
            // The task that it returns runs, and has seen its cancel only when it may return.
            assert!(!stopped.is_settled());
            gate.open();
            stopped.wait().unwrap();
            assert_eq!(log.take(), ["returned"]);
        }
    });
}

// Contract: C1, C3
#[test]
fn a_task_that_is_returned_too_late_never_begins() {
    within(|| {
        let (started, held) = (Gate::new(), Gate::new());
        let (tell, hold) = (started.clone(), held.clone());
        let runs = Count::default();
        let (ran, (resolver, waits)) = (runs.clone(), deferred::<()>());
        let task = attempt(move || {
            tell.open();
            hold.pass();
            waits.then(move |()| ran.add())
        });
        started.pass();
        task.cancel();
        let stopped = task.stopped();
        held.open();
        stopped.wait().unwrap();
        assert!(!resolver.is_wanted());
        assert!(resolver.resolve(()).is_err());
        assert_eq!(runs.get(), 0);
    });
}

#[test]
fn without_a_cancel_it_runs_in_queue_order() {
    within(|| {
        let log = Log::new();
        let (one, two, three) = (log.clone(), log.clone(), log.clone());
        let n = spawn(move || one.push("closure"))
            .finally_stopped(move || two.push("finally"))
            .then(move |()| {
                three.push("then");
                7
            });
        assert_eq!(n.wait().unwrap(), 7);
        assert_eq!(log.take(), ["closure", "finally", "then"]);

        // On a settled task, on one that fails, and on a cold one, which it starts.
        let (one, two, three) = (log.clone(), log.clone(), log.clone());
        assert_eq!(
            Task::ready(7)
                .finally_stopped(move || one.push("ready"))
                .wait()
                .unwrap(),
            7
        );
        let failed = Task::<u32>::failed("no").finally_stopped(move || two.push("failed"));
        assert!(failed.wait().is_err());
        Task::new(|| ())
            .finally_stopped(move || three.push("cold"))
            .wait()
            .unwrap();
        assert_eq!(log.take(), ["ready", "failed", "cold"]);
    });
}

/// A pool is idle only when cancelled closures have returned, too.
#[test]
fn a_cancelled_closure_keeps_its_pool_busy() {
    within(|| {
        let pool = Pool::new();
        let (started, gate) = (Gate::new(), Gate::new());
        let (tell, held) = (started.clone(), gate.clone());
        let task = pool.spawn(move || {
            tell.open();
            held.pass();
        });
        started.pass();
        task.cancel();
        assert!(!pool.wait_idle(Duration::from_millis(20)));
        gate.open();
        assert!(pool.wait_idle(Duration::MAX));
        assert!(task.stopped().is_settled());
    });
}

/// Nothing is left of many who asked and went, once the task has stopped.
#[test]
fn many_stopped_tasks_settle_once_each() {
    within(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let task = running(&log, &gate);
        let count = Log::new();
        let ask = |task: &Task<u32>| {
            let count = count.clone();
            task.stopped().then(move |()| count.push(())).detach();
        };
        (0..1_000).for_each(|_| ask(&task));
        task.cancel();
        (0..1_000).for_each(|_| ask(&task));
        assert_eq!(count.len(), 0);
        gate.open();
        task.stopped().wait().unwrap();
        assert!(Pool::global().wait_idle(Duration::MAX));
        assert_eq!(count.len(), 2_000);
    });
}

/// Puts a task that runs behind another verb, whose value is not looked at.
type Verb = fn(Task<u32>) -> Task<()>;

const VERBS: [(&str, Verb); 6] = [
    ("timeout", |task| task.timeout(HOUR).then(drop)),
    ("timeout_or", |task| task.timeout_or(HOUR, 0).then(drop)),
    ("within", |task| task.within(HOUR).then(drop)),
    ("two limits", |task| {
        task.within(HOUR).timeout(HOUR).then(drop)
    }),
    ("a returned limit", |task| {
        let (resolver, start) = deferred();
        let outer = start.and_then(move |()| task.timeout(HOUR)).then(drop);
        assert!(resolver.resolve(()).is_ok());
        outer
    }),
    ("a delivery", |task| {
        // The loop is gone, and the closure with it. The task is still to come.
        task.deliver(&StateQueue::<()>::new(), |_, _| ())
    }),
];

/// The task that has the closure is another one than that which is cancelled.
// Contract: C1
#[test]
fn a_closure_behind_another_verb_counts() {
    within(|| {
        for (name, verb) in VERBS {
            for asked_before in [true, false] {
                let (log, gate) = (Log::new(), Gate::new());
                let task = verb(running(&log, &gate));
                let last = log.clone();
                let task = task.finally_stopped(move || last.push("last"));
                let before = asked_before.then(|| task.stopped());
                task.cancel();
                assert!(task.is_settled(), "{name}");
                let stopped = before.unwrap_or_else(|| task.stopped());
                assert!(!stopped.is_settled(), "{name}");
                gate.open();
                stopped.wait().unwrap();
                until(|| log.len() == 2);
                assert_eq!(log.take(), ["returned", "last"], "{name}");
            }
        }
    });
}

// Contract: C1
#[test]
fn a_closure_that_a_token_cancels_behind_a_limit_counts() {
    within(|| {
        let (token, started, gate) = (CancelToken::new(), Gate::new(), Gate::new());
        let (tell, held) = (started.clone(), gate.clone());
        let task = Task::builder().cancel_token(&token).spawn(move || {
            tell.open();
            held.pass();
        });
        let task = task.timeout(HOUR);
        started.pass();
        token.cancel();
        assert!(task.is_settled());
        let stopped = task.stopped();
        assert!(!stopped.is_settled());
        gate.open();
        stopped.wait().unwrap();
    });
}

// Contract: C1
#[test]
fn a_closure_whose_time_is_over_counts() {
    within(|| {
        for has_fallback in [false, true] {
            let (log, gate) = (Log::new(), Gate::new());
            let (task, soon) = (running(&log, &gate), Duration::from_millis(1));
            let task = match has_fallback {
                false => task.timeout(soon),
                true => task.timeout_or(soon, 0),
            };
            let before = task.stopped();
            let last = log.clone();
            let task = task.finally_stopped(move || last.push("last"));
            until(|| task.is_settled());
            let after = task.stopped();
            assert!(!before.is_settled() && !after.is_settled());
            match task.wait() {
                Ok(value) => assert_eq!((has_fallback, value), (true, 0)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
            }
            gate.open();
            before.wait().unwrap();
            after.wait().unwrap();
            until(|| log.len() == 2);
            assert_eq!(log.take(), ["returned", "last"]);
        }
    });
}

/// The task that a limit has handed back goes on: the limit has stopped, and that one has not.
#[test]
fn a_task_that_is_handed_back_stops_on_its_own() {
    within(|| {
        let (log, gate) = (Log::new(), Gate::new());
        let limit = running(&log, &gate).within(Duration::from_millis(1));
        let limit_has_stopped = limit.stopped();
        let late = limit.wait().unwrap().unwrap_err();
        limit_has_stopped.wait().unwrap();
        assert_eq!(late.cancel(), CancelOutcome::Signalled);
        let stopped = late.stopped();
        assert!(late.is_settled() && !stopped.is_settled());
        gate.open();
        stopped.wait().unwrap();
        assert_eq!(log.take(), ["returned"]);
    });
}
