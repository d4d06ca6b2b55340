//! How many instructions does an operation take?
//!
//! A program for `.ci/instructions`, which counts its instructions under valgrind: `--scenario NAME
//! --count N` does N operations. Without a scenario it does a hundred of each.
//!
//! Threads: one; no scenario touches a pool, so that every run takes the same number of
//! instructions.

use std::hint::black_box;
use std::process::ExitCode;

use fast_async::{Inline, Task, all, deferred};

/// Does that number of operations.
type Run = fn(u64);

const SCENARIOS: [(&str, Run); 9] = [
    ("settle", settle),
    ("ready", ready),
    ("chain", chain),
    ("late", late),
    ("fanout", fanout),
    ("unsubscribe", unsubscribe),
    ("fanin", fanin),
    ("adopt", adopt),
    ("cancel", cancel),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let value = |flag: &str| {
        let place = args.iter().position(|arg| arg == flag)?;
        args.get(place + 1).cloned()
    };
    let Some(wanted) = value("--scenario") else {
        for (name, run) in SCENARIOS {
            run(100);
            println!("{name}: 100 operations done");
        }
        return ExitCode::SUCCESS;
    };
    if wanted == "list" {
        for (name, _) in SCENARIOS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    }
    let count = value("--count").and_then(|count| count.parse().ok());
    let scenario = SCENARIOS.iter().find(|(name, _)| *name == wanted);
    let (Some(count), Some((_, run))) = (count, scenario) else {
        eprintln!("usage: --scenario NAME --count N, or --scenario list");
        return ExitCode::FAILURE;
    };
    // What is done once in a process, or grows once, is the same with every count.
    run(1);
    run(count);
    ExitCode::SUCCESS
}

/// A task made, settled and waited for.
fn settle(count: u64) {
    for i in 0..count {
        let (resolver, task) = deferred::<u64>();
        resolver.resolve(i).expect("no other resolver settles it");
        assert_eq!(black_box(task).wait().expect("it has a value"), i);
    }
}

/// A task that is settled from the start, waited for.
fn ready(count: u64) {
    for i in 0..count {
        let task = black_box(Task::ready(i));
        assert_eq!(task.wait().expect("it has a value"), i);
    }
}

/// A link of one chain: hung on a pending task, and run when that is settled.
fn chain(count: u64) {
    let (resolver, task) = deferred::<u64>();
    let end = (0..count).fold(task, |task, _| task.then(|value| black_box(value) + 1));
    resolver.resolve(0).expect("no other resolver settles it");
    assert_eq!(end.wait().expect("no link fails"), count);
}

/// A link hung on a settled task, and run at once.
fn late(count: u64) {
    let task = Task::ready(0).on(&Inline);
    let end = (0..count).fold(task, |task, _| task.then(|value| black_box(value) + 1));
    assert_eq!(end.wait().expect("no link fails"), count);
}

/// An observer of one pending task, run when that is settled.
fn fanout(count: u64) {
    let (resolver, task) = deferred::<u64>();
    for i in 0..count {
        task.on_settled(move |outcome| {
            black_box((i, outcome.is_ok()));
        });
    }
    resolver.resolve(0).expect("no other resolver settles it");
}

/// An observer of one pending task, unsubscribed in the order of subscription.
fn unsubscribe(count: u64) {
    let (resolver, task) = deferred::<u64>();
    let subscriptions: Vec<_> = (0..count)
        .map(|i| {
            task.on_settled(move |outcome| {
                black_box((i, outcome.is_ok()));
            })
        })
        .collect();
    for subscription in subscriptions {
        assert!(subscription.unsubscribe());
    }
    resolver.resolve(0).expect("no other resolver settles it");
}

/// A task made, joined with the others while pending, and settled.
fn fanin(count: u64) {
    let (resolvers, tasks): (Vec<_>, Vec<_>) = (0..count).map(|_| deferred::<u64>()).unzip();
    let joined = all(tasks);
    for resolver in resolvers {
        resolver.resolve(1).expect("no other resolver settles it");
    }
    let values = joined.wait().expect("none fails");
    assert_eq!(values.iter().sum::<u64>(), count);
}

/// A task that is settled with a pending one, which is settled then.
fn adopt(count: u64) {
    for i in 0..count {
        let (outer, task) = deferred::<u64>();
        let (inner, adopted) = deferred::<u64>();
        let flat = task.and_then(move |_| adopted);
        outer.resolve(0).expect("no other resolver settles it");
        inner.resolve(i).expect("no other resolver settles it");
        assert_eq!(flat.wait().expect("it has a value"), i);
    }
}

/// A pending task with one link, cancelled.
fn cancel(count: u64) {
    for _ in 0..count {
        let (_resolver, task) = deferred::<u64>();
        black_box(task.then(|value| value + 1).cancel());
    }
}
