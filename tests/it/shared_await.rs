//! Shared tasks in async code and on executors, and what `is_settled` says of every handle.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

use crate::support::{Counted, Drops, Gate, Log, block_on, isolated, poll, within};
use fast_async::task::SharedFuture;
use fast_async::{
    ErrorKind, Inline, LoopQueue, Pool, SharedTask, Status, Task, deferred, set_unhandled_hook,
    spawn,
};

/// Neither `Clone` nor `Copy`.
#[derive(Debug, PartialEq)]
struct Single(u32);

#[test]
fn a_reference_is_awaited_for_a_reference() {
    within(|| {
        let shared = spawn(|| Single(7)).share();
        let (one, two) = block_on(async { ((&shared).await, (&shared).await) });
        assert!(std::ptr::eq(one.unwrap(), two.unwrap()));
        let failed = Task::<Single>::failed("no").share();
        let error = block_on(async { (&failed).await.map(|_| ()) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
    });
}

#[test]
fn a_handle_is_awaited_for_a_clone() {
    within(|| {
        let shared = spawn(|| "text".to_string()).share();
        let other = shared.clone();
        assert_eq!(block_on(async { other.await }).unwrap(), "text");
        assert_eq!(shared.wait().unwrap(), "text");
    });
}

// Contract: W2
#[test]
fn the_last_waker_of_each_future_is_woken_once() {
    within(|| {
        let (resolver, task) = deferred();
        let shared = task.share();
        let drops = Drops::new();
        let wakers: Vec<_> = (0..3).map(|_| Counted::new(&drops)).collect();
        let mut one: SharedFuture<'_, u32> = (&shared).into_future();
        let mut two = (&shared).into_future();
        assert!(poll(&mut one, &wakers[0]).is_pending());
        assert!(poll(&mut one, &wakers[1]).is_pending());
        assert!(poll(&mut two, &wakers[2]).is_pending());
        resolver.resolve(7).unwrap();
        let wakes: Vec<_> = wakers.iter().map(|waker| waker.wakes()).collect();
        assert_eq!(wakes, [0, 1, 1]);
        for future in [&mut one, &mut two] {
            assert!(matches!(poll(future, &wakers[0]), Poll::Ready(Ok(7))));
        }
    });
}

// Contract: W2
#[test]
fn a_dropped_future_leaves_nothing_behind() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let shared = task.share();
        let drops = Drops::new();
        for _ in 0..1_000 {
            let waker = Counted::new(&drops);
            let mut future = (&shared).into_future();
            assert!(poll(&mut future, &waker).is_pending());
        }
        assert_eq!(drops.count(), 1_000);
        resolver.resolve(7).unwrap();
    });
}

// Contract: D7
#[test]
fn a_future_is_ready_after_the_observers_before_it() {
    within(|| {
        let (resolver, task) = deferred();
        let shared = task.share();
        let (running, go_on) = (Gate::new(), Gate::new());
        shared.on_settled({
            let (running, go_on) = (running.clone(), go_on.clone());
            move |_| {
                running.open();
                go_on.pass();
            }
        });
        let drops = Drops::new();
        let waker = Counted::new(&drops);
        let mut future = (&shared).into_future();
        assert!(poll(&mut future, &waker).is_pending());
        let settler = thread::spawn(move || resolver.resolve(7).unwrap());
        running.pass();
        assert!(shared.is_settled());
        assert!(
            poll(&mut future, &waker).is_pending(),
            "an earlier step is due first"
        );
        go_on.open();
        settler.join().unwrap();
        assert!(poll(&mut future, &waker).is_ready());
    });
}

// Contract: C5
#[test]
fn an_awaited_failure_counts_as_handled() {
    isolated("an_awaited_failure_counts_as_handled", || {
        let reports = Arc::new(AtomicUsize::new(0));
        let count = reports.clone();
        set_unhandled_hook(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let shared = Task::<u32>::failed("seen").share();
        assert!(block_on(async { (&shared).await.is_err() }));
        drop(shared);
        assert_eq!(reports.load(Ordering::Relaxed), 0);

        let (resolver, task) = deferred::<u32>();
        let shared = task.share();
        let drops = Drops::new();
        assert!(poll(&mut (&shared).into_future(), &Counted::new(&drops)).is_pending());
        resolver.reject("not seen").unwrap();
        drop(shared);
        assert_eq!(reports.load(Ordering::Relaxed), 1);
    });
}

/// Which threads the four kinds of branches run on, as offsets in `names`.
fn kinds(shared: &SharedTask<u32>, pool: &Pool) -> Vec<String> {
    let name = || thread::current().name().unwrap_or_default().to_owned();
    let on = shared.on(pool);
    let branches = vec![
        on.then(move |n| format!("{n} {}", name())),
        on.and_then(move |n| Ok(format!("{n} {}", name()))),
        on.handle(move |n| format!("{} {}", n.unwrap(), name())),
        on.and_handle(move |n| Task::ready(format!("{} {}", n.unwrap(), name()))),
    ];
    fast_async::await_all(branches).unwrap()
}

#[test]
fn branches_of_an_executor_run_on_it() {
    within(|| {
        let pool = Pool::builder().name("there").build().unwrap();
        let (resolver, task) = deferred();
        let shared = task.share();
        let early = shared
            .on(&pool)
            .then(|_| thread::current().name().map(str::to_owned));
        resolver.resolve(7).unwrap();
        assert!(early.wait().unwrap().unwrap().starts_with("there-"));
        for said in kinds(&shared, &pool) {
            assert!(said.starts_with("7 there-"), "{said}");
        }
        let here = thread::current().id();
        assert_eq!(
            shared
                .on(&Inline)
                .then(|_| thread::current().id())
                .wait()
                .unwrap(),
            here
        );
    });
}

// Contract: C2
#[test]
fn a_failure_reaches_the_branches_of_an_executor() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let shared = task.share();
        let pool = Pool::new();
        let (early, seen) = (
            shared.on(&pool).then(|n| n + 1),
            shared.on(&pool).handle(|n| n.is_err()),
        );
        resolver.reject("no").unwrap();
        let late = shared.on(&pool).and_then(|n| Ok(n + 1));
        for failed in [early, late] {
            assert!(failed.wait().unwrap_err().to_string().starts_with("no"));
        }
        assert!(seen.wait().unwrap());
        assert!(
            shared
                .on(&pool)
                .and_handle(|n| Ok(n.is_err()))
                .wait()
                .unwrap()
        );
    });
}

// Contract: D1, C1
#[test]
fn branches_of_a_queue_keep_their_order_and_may_be_cancelled() {
    within(|| {
        let (queue, log) = (LoopQueue::new(), Log::new());
        let (resolver, task) = deferred();
        let shared = task.share();
        let branch = |n: u32| {
            let log = log.clone();
            shared.on(&queue).then(move |_: &u32| log.push(n))
        };
        let early = [branch(1), branch(2), branch(3)];
        resolver.resolve(7).unwrap();
        let late = [branch(4), branch(5)];
        early[1].cancel();
        late[0].cancel();
        assert_eq!(log.len(), 0, "the queue has not been turned");
        queue.run_pending();
        assert_eq!(log.take(), [1, 3, 5]);
    });
}

// Contract: D6, C3
#[test]
fn the_last_branch_of_an_executor_cancels_the_source() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let drops = Drops::new();
        let token = drops.token();
        let queue = LoopQueue::new();
        let shared = task.share();
        let branch = shared.on(&queue).then(move |n| {
            let _kept = &token;
            *n
        });
        drop(shared);
        assert!(resolver.is_wanted());
        branch.cancel();
        assert_eq!(drops.count(), 1, "the closure is dropped at once");
        assert!(!resolver.is_wanted());
    });
}

// Contract: C5. Through an executor a failure is still one failure.
#[test]
fn a_failure_on_an_executor_is_reported_once() {
    isolated("a_failure_on_an_executor_is_reported_once", || {
        let reports = Arc::new(AtomicUsize::new(0));
        let count = reports.clone();
        set_unhandled_hook(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let (resolver, task) = deferred::<u32>();
        let shared = task.share();
        let branches = [
            shared.on(&Inline).then(|n| n + 1),
            shared.on(&Inline).then(|n| n + 2),
        ];
        resolver.reject("no").unwrap();
        drop(shared);
        drop(branches);
        assert_eq!(reports.load(Ordering::Relaxed), 1);
    });
}

/// An observer that waits at a gate, and how to see that it runs.
fn held(task: &Task<u32>) -> (Gate, Gate) {
    let (running, go_on) = (Gate::new(), Gate::new());
    task.on_settled({
        let (running, go_on) = (running.clone(), go_on.clone());
        move |_| {
            running.open();
            go_on.pass();
        }
    });
    (running, go_on)
}

/// `is_settled` and `status` say of each handle that its outcome is final, while its own observers
/// may still run. An observer of what a handle was made from comes before that.
// Contract: S1
#[test]
fn settled_means_that_the_outcome_is_final() {
    within(|| {
        let (resolver, task) = deferred();
        let (running, go_on) = held(&task);
        let settler = thread::spawn(move || resolver.resolve(7).unwrap());
        running.pass();
        assert!(task.is_settled() && task.status() == Status::Success);
        assert!(task.error().is_none());
        let task = task.try_wait().expect_err("its observer runs");
        let shared = task.share();
        let link_before = shared.is_settled() || shared.status().is_settled();
        assert!(!link_before, "the observer of the task is before `share`");
        assert!(shared.try_wait().is_none());
        go_on.open();
        settler.join().unwrap();
        assert!(shared.is_settled());

        let (resolver, task) = deferred();
        let (running, go_on) = held(&task);
        let link = task.then(|n| n + 1);
        let settler = thread::spawn(move || resolver.resolve(7).unwrap());
        running.pass();
        assert!(!link.is_settled(), "the observer is before the link");
        go_on.open();
        settler.join().unwrap();
        assert_eq!(link.wait().unwrap(), 8);

        let (resolver, task) = deferred::<u32>();
        let shared = task.share();
        let (running, go_on) = (Gate::new(), Gate::new());
        shared.on_settled({
            let (running, go_on) = (running.clone(), go_on.clone());
            move |_| {
                running.open();
                go_on.pass();
            }
        });
        let settler = thread::spawn(move || resolver.resolve(7).unwrap());
        running.pass();
        assert!(shared.is_settled() && shared.status() == Status::Success);
        assert_eq!(
            shared.try_wait().unwrap().unwrap(),
            &7,
            "it is published already"
        );
        go_on.open();
        settler.join().unwrap();
    });
}
