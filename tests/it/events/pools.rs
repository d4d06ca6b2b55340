//! The events of all tasks of a pool.

use std::collections::BTreeMap;

use fast_async::event::TaskId;
use fast_async::{ErrorKind, Shutdown, TaskQueue};

use super::{
    EventKind, LIMIT, Log, Overflow, Pool, Receiver, Task, TaskEvent, gated, line, lines,
    next_lines, one_thread, pool_of, until, within,
};

/// By task, what was told of it, up to so many ends.
fn by_task(events: &mut Receiver<TaskEvent>, ends: usize) -> BTreeMap<TaskId, Vec<String>> {
    let mut told: BTreeMap<TaskId, Vec<String>> = BTreeMap::new();
    let mut left = ends;
    while left > 0 {
        let event = events.next().expect("the pool is there");
        left -= usize::from(matches!(event.kind(), EventKind::Settled { .. }));
        told.entry(event.id()).or_default().push(line(&event));
    }
    told
}

fn receiver(pool: &Pool) -> Receiver<TaskEvent> {
    pool.events().receiver(100_000, Overflow::DropOldest)
}

// Contract: E2, E3
#[test]
fn it_tells_of_each_task_that_is_spawned_from_now_on() {
    within(|| {
        let pool = pool_of(4);
        pool.spawn(|| ()).wait().unwrap();
        let mut events = receiver(&pool);
        let tasks: Vec<_> = (0..1000).map(|n| pool.spawn(move || n)).collect();
        let told = by_task(&mut events, 1000);
        assert_eq!(told.len(), 1000);
        for lines in told.values() {
            assert_eq!(*lines, ["queued", "started", "settled"]);
        }
        for task in tasks {
            task.wait().unwrap();
        }
        drop(events);
        pool.spawn(|| ()).wait().unwrap();
    });
}

// Contract: E2
#[test]
fn each_way_to_start_a_task_is_told_of() {
    within(|| {
        let pool = pool_of(4);
        let mut events = receiver(&pool);
        let queue = TaskQueue::builder().pool(&pool).limit(1).build().unwrap();
        pool.spawn_with(|ctx| ctx.progress(1, 1)).wait().unwrap();
        pool.try_spawn(|| ()).unwrap().wait().unwrap();
        let failed = pool.attempt(|| Err::<u8, _>("no".into()));
        assert_eq!(failed.wait().unwrap_err().kind(), ErrorKind::Failed);
        pool.group(|g| g.spawn(|| ()).detach()).unwrap();
        queue.spawn(|| ()).wait().unwrap();
        Task::builder()
            .pool(&pool)
            .name("named")
            .spawn(|| ())
            .wait()
            .unwrap();
        let told: Vec<_> = by_task(&mut events, 6).into_values().collect();
        assert_eq!(told[0], ["queued", "started", "1 of 1", "settled"]);
        assert_eq!(told[2], ["queued", "started", "settled: Failed"]);
        for lines in [&told[1], &told[3], &told[4], &told[5]] {
            assert_eq!(*lines, ["queued", "started", "settled"]);
        }
    });
}

// Contract: E2
#[test]
fn a_cancelled_task_and_one_that_is_refused_are_told_of() {
    within(|| {
        let pool = one_thread();
        let mut events = receiver(&pool);
        let (gate, first) = gated(&pool, |_| ());
        let task = pool.spawn(|| ());
        task.cancel();
        gate.open();
        first.wait().unwrap();
        let told: Vec<_> = by_task(&mut events, 2).into_values().collect();
        assert_eq!(told[0], ["queued", "started", "settled"]);
        assert_eq!(told[1], ["queued", "settled: Cancelled"]);
        assert!(pool.shutdown(Shutdown::Drain, LIMIT).is_complete());
        let refused = pool.spawn(|| ());
        assert!(refused.wait().is_err());
        assert_eq!(next_lines(&mut events, 2), ["queued", "settled: Rejected"]);
    });
}

// Contract: E2
#[test]
fn a_task_knows_its_parent() {
    within(|| {
        let pool = pool_of(4);
        let mut events = receiver(&pool);
        let own = pool.clone();
        pool.spawn(move || own.spawn(|| ()).wait().unwrap())
            .wait()
            .unwrap();
        let first = events.next().unwrap();
        assert_eq!(first.parent(), None);
        let child = events.find(|event| event.id() != first.id()).unwrap();
        assert_eq!(child.parent(), Some(first.id()));
        // A task that is spawned by no other one.
        pool.spawn(|| ()).wait().unwrap();
        let last = events.find(|event| ![first.id(), child.id()].contains(&event.id()));
        assert_eq!(last.unwrap().parent(), None);
    });
}

// Contract: E2
#[test]
fn a_listener_to_the_task_and_one_to_the_pool_hear_the_same() {
    within(|| {
        let pool = pool_of(4);
        let mut all = receiver(&pool);
        let (gate, task) = gated(&pool, |ctx| {
            ctx.progress(1, 2);
            ctx.message("half");
        });
        let one = task.events();
        gate.open();
        let id = all.next().unwrap().id();
        let told = lines(one);
        assert_eq!(told[told.len() - 3..], ["1 of 2", "half", "settled"]);
        let mut pools = by_task(&mut all, 1).remove(&id).unwrap();
        pools.retain(|line| line != "queued" && line != "started");
        assert_eq!(pools, ["1 of 2", "half", "settled"]);
        task.wait().unwrap();
    });
}

// Contract: E2
#[test]
fn a_callback_may_spawn() {
    within(|| {
        let pool = pool_of(2);
        let (own, log) = (pool.clone(), Log::new());
        let names = log.clone();
        let subscription = pool.events().subscribe(move |event| {
            if event.name() == Some("first") && matches!(event.kind(), EventKind::Queued) {
                let second = Task::builder().pool(&own).name("second");
                second.spawn(|| ()).detach();
            }
            if let EventKind::Settled { .. } = event.kind() {
                names.push(event.name().unwrap_or_default().to_owned());
            }
        });
        Task::builder()
            .pool(&pool)
            .name("first")
            .spawn(|| ())
            .wait()
            .unwrap();
        until(|| log.len() == 2);
        let mut names = log.take();
        names.sort();
        assert_eq!(names, ["first", "second"]);
        subscription.unsubscribe();
    });
}

// Contract: E2
#[test]
fn it_ends_with_the_pool_and_keeps_no_pool_open() {
    within(|| {
        let pool = pool_of(2);
        let (topic, mut events) = (pool.events(), receiver(&pool));
        pool.spawn(|| ()).wait().unwrap();
        drop(pool);
        let told: Vec<_> = events.by_ref().map(|event| line(&event)).collect();
        assert_eq!(told, ["queued", "started", "settled"]);
        // No pool is left to hear of.
        assert_eq!(
            lines(topic.receiver(1, Overflow::Fail)),
            Vec::<String>::new()
        );
    });
}

// Contract: E2
#[test]
fn a_full_buffer_holds_up_no_task() {
    within(|| {
        let pool = pool_of(2);
        let events = pool.events().receiver(1, Overflow::Block);
        for n in 0..100 {
            assert_eq!(pool.spawn(move || n).wait().unwrap(), n);
        }
        until(|| events.pending() == 300);
        assert_eq!(events.lost(), 0);
    });
}
