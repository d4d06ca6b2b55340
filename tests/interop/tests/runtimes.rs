//! Tasks inside tokio, smol and the executor of `futures`: joined, selected, under the time limits
//! of the runtime, and in chains that go through an async client and back.

use std::pin::Pin;
use std::time::Duration;

use fast_async::{ErrorKind, Resolver, Task, attempt, deferred, spawn, spawn_future};
use futures::future::{Either, FutureExt, join_all, select};
use tokio::runtime::{Builder, Runtime};

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

fn tokio_of(threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(threads).enable_all();
    builder.build().expect("a runtime")
}

/// Runs `body` in each of the runtimes.
fn in_each(body: fn() -> Body) {
    futures::executor::block_on(body());
    smol::block_on(body());
    smol::block_on(smol::spawn(body()));
    let alone = Builder::new_current_thread().enable_all().build();
    alone.expect("a runtime").block_on(body());
    let several = tokio_of(2);
    let job = several.spawn(body());
    several.block_on(job).expect("no panic");
}

/// A task that nothing settles while the resolver is there.
fn never() -> (Resolver<u32>, Task<u32>) {
    deferred()
}

#[test]
fn tasks_are_joined_in_their_order() {
    in_each(|| {
        Box::pin(async {
            let tasks = (0..100).map(|n| spawn(move || n));
            let outcomes = join_all(tasks).await.into_iter();
            let values: Vec<i32> = outcomes.map(Result::unwrap).collect();
            assert!(values.into_iter().eq(0..100));
            let (one, failed) = futures::join!(spawn(|| 1), Task::<u8>::failed("no"));
            assert_eq!(one.unwrap(), 1);
            assert_eq!(failed.unwrap_err().to_string(), "no");
        })
    });
}

#[test]
fn the_first_of_several_is_taken_and_the_others_stay() {
    in_each(|| {
        Box::pin(async {
            let (resolver, pending) = never();
            let Either::Left((first, pending)) = select(spawn(|| 7), pending).await else {
                panic!("nothing settles the other one");
            };
            assert_eq!(first.unwrap(), 7);
            // It was polled, and is a task as before.
            let doubled = pending.then(|n| n * 2);
            resolver.resolve(4).unwrap();
            assert_eq!(doubled.await.unwrap(), 8);

            let (resolver, pending) = never();
            let (mut pending, mut ready) = (pending.fuse(), Task::ready(1).fuse());
            let first = futures::select! {
                n = &mut pending => n,
                n = &mut ready => n,
            };
            assert_eq!(first.unwrap(), 1);
            resolver.resolve(2).unwrap();
            assert_eq!(pending.await.unwrap(), 2);
        })
    });
}

#[test]
fn a_time_limit_of_tokio_ends_the_wait_or_the_task() {
    tokio_of(1).block_on(async {
        let soon = Duration::from_millis(1);
        let (resolver, mut pending) = never();
        assert!(tokio::time::timeout(soon, &mut pending).await.is_err());
        resolver.resolve(7).unwrap();
        assert_eq!(pending.await.unwrap(), 7, "the wait was over, not the task");

        let (resolver, pending) = never();
        let limited = tokio::time::timeout(soon, pending.cancel_on_drop());
        assert!(limited.await.is_err());
        assert_eq!(resolver.resolve(7), Err(7), "the task was cancelled");

        let (_resolver, pending) = never();
        tokio::select! {
            _ = pending => panic!("nothing settles it"),
            () = tokio::time::sleep(soon) => {}
        }
    });
}

#[test]
fn a_time_limit_of_smol_ends_the_wait() {
    smol::block_on(async {
        let (resolver, mut pending) = never();
        let soon = smol::Timer::after(Duration::from_millis(1));
        assert!(matches!(select(&mut pending, soon).await, Either::Right(_)));
        resolver.resolve(7).unwrap();
        assert_eq!(pending.await.unwrap(), 7);
    });
}

#[test]
fn a_time_limit_of_ours_ends_a_task_in_each() {
    in_each(|| {
        Box::pin(async {
            let (_resolver, pending) = never();
            let error = pending.timeout(Duration::from_millis(1)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        })
    });
}

/// A client of tokio's, as a chain of threads meets it: made and polled inside the runtime.
async fn asked(number: u32) -> Result<u32, std::num::ParseIntError> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    format!("{number}0").parse()
}

#[test]
fn a_chain_goes_through_an_async_client_and_back() {
    let runtime = tokio_of(1);
    let handle = runtime.handle().clone();
    let chain = attempt(|| Ok("4".parse::<u32>()?))
        .and_then(move |n| {
            let reply = handle.spawn(asked(n));
            spawn_future(async move { reply.await.expect("no panic") })
        })
        .then(|reply| reply.map_or(0, |n| n + 2));
    assert_eq!(chain.wait().unwrap(), 42);

    // The other way round: blocking work in the middle of async code.
    let sum = runtime.block_on(async {
        let first = asked(1).await.unwrap();
        let second = spawn(move || first + 1).await.unwrap();
        asked(second).await.unwrap()
    });
    assert_eq!(sum, 110);
}

#[test]
fn a_chain_goes_through_smol_and_back() {
    let chain = spawn(|| 20)
        .and_then(|n| {
            spawn_future(async move {
                smol::Timer::after(Duration::from_millis(1)).await;
                smol::unblock(move || n + 1).await
            })
        })
        .then(|n| n * 2);
    assert_eq!(chain.wait().unwrap(), 42);
}

#[test]
fn a_task_that_is_dropped_in_a_runtime_goes_on() {
    in_each(|| {
        Box::pin(async {
            let (say, said) = futures::channel::oneshot::channel();
            drop(spawn(move || say.send(7)));
            assert_eq!(said.await, Ok(7));
        })
    });
}
