//! Of the edges of a cycle, added in any order, exactly one is rejected (Contract: S5, W3).

use super::{Log, explore, go, open};
use crate::topic::Topic;
use crate::{ErrorKind, TaskError, any};

/// A thread that runs a task begins to wait for another, which at this moment follows that task.
#[test]
fn a_wait_meets_an_adoption() {
    explore(&["the wait fails", "the adoption fails"], || {
        let (start, task) = open::<()>();
        let (resolver, awaited) = open::<u32>();
        let awaited = awaited.share();
        let waited = awaited.clone();
        let waiting = task.then(move |()| match waited.wait() {
            Ok(_) => panic!("it waits in a cycle"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cycle);
                7
            }
        });
        let waiter = go(move || start.resolve(()).unwrap());
        assert!(resolver.settle_with(waiting).is_ok());
        waiter.join().unwrap();
        match awaited.wait() {
            Ok(7) => "the wait fails",
            Err(error) if error.kind() == ErrorKind::Cycle => "the adoption fails",
            outcome => panic!("{outcome:?}"),
        }
    });
}

/// Two threads run a task each and wait for what the other's task is to settle: two adoptions and
/// two waits, of which one is refused.
#[test]
fn two_waits_meet_two_adoptions() {
    explore(&["a wait fails", "an adoption fails"], || {
        let (resolver, first) = open::<u32>();
        let (other_resolver, second) = open::<u32>();
        let (first, second) = (first.share(), second.share());
        let run = |resolver: crate::Resolver<u32>, awaited: crate::SharedTask<u32>| {
            let (start, task) = open::<()>();
            let task = task.then(move |()| awaited.wait().copied().unwrap_or(7));
            (start, move || assert!(resolver.settle_with(task).is_ok()))
        };
        let (start, close) = run(resolver, second.clone());
        let (other_start, other_close) = run(other_resolver, first.clone());
        close();
        let other = go(move || other_start.resolve(()).unwrap());
        let closer = go(other_close);
        start.resolve(()).unwrap();
        other.join().unwrap();
        closer.join().unwrap();
        match (first.wait(), second.wait()) {
            (Ok(7), Ok(7)) => "a wait fails",
            (Ok(7), Err(error)) if error.kind() == ErrorKind::Cycle => "an adoption fails",
            outcomes => panic!("{outcomes:?}"),
        }
    });
}

/// A task follows another while a third one follows it: no cycle, in either order.
#[test]
fn a_wait_meets_an_adoption_that_leads_elsewhere() {
    explore(&["delivered"], || {
        let (start, task) = open::<()>();
        let (resolver, awaited) = open::<u32>();
        let (source, adopted) = open::<u32>();
        let waiting = task.then(move |()| awaited.wait().unwrap());
        let waiter = go(move || start.resolve(()).unwrap());
        let settler = go(move || source.resolve(7).unwrap());
        assert!(resolver.settle_with(adopted).is_ok());
        assert_eq!(waiting.wait().unwrap(), 7);
        waiter.join().unwrap();
        settler.join().unwrap();
        "delivered"
    });
}

/// A task follows an `any` of itself and another, which succeeds at this moment: no cycle, however
/// far the value has come.
#[test]
fn an_adoption_meets_the_value_of_another_member() {
    explore(&["the value", "cancelled"], || {
        let (resolver, own) = open::<u32>();
        let (other_resolver, other) = open::<u32>();
        let seen = Log::new();
        let log = seen.clone();
        own.on_settled(move |outcome| log.add(outcome.copied().map_err(TaskError::kind)));
        let first = any([own, other]);
        let settler = go(move || other_resolver.resolve(7).unwrap());
        let _ = resolver.settle_with(first);
        settler.join().unwrap();
        match seen.take()[..] {
            [Ok(7)] => "the value",
            [Err(ErrorKind::Cancelled)] => "cancelled",
            ref outcomes => panic!("{outcomes:?}"),
        }
    });
}

/// A callback of a topic waits for a task that waits for the topic's next value: of the two waits,
/// one is refused.
#[test]
fn a_callback_meets_a_wait_for_the_next_value() {
    explore(&["the callback fails", "the task fails"], || {
        let topic = Topic::new();
        let (start, task) = open::<()>();
        let told = Log::new();
        let (resolver, awaited) = open::<Result<u8, ErrorKind>>();
        let awaited = awaited.share();
        let (own, waited) = (told.clone(), awaited.clone());
        topic.subscribe(move |_: &u8| own.add(waited.wait().map(|_| ()).map_err(|it| it.kind())));
        let next = topic.next();
        let task = task.then(move |()| next.wait().map(|n| *n).map_err(|error| error.kind()));
        assert!(resolver.settle_with(task).is_ok());
        let publisher = go(move || assert_eq!(topic.publish(7), Ok(2)));
        start.resolve(()).unwrap();
        publisher.join().unwrap();
        match (told.take().as_slice(), awaited.wait()) {
            ([Err(ErrorKind::Cycle)], Ok(Ok(7))) => "the callback fails",
            ([Ok(())], Ok(Err(ErrorKind::Cycle))) => "the task fails",
            outcomes => panic!("{outcomes:?}"),
        }
    });
}

/// A closure that a cancel left running waits for a task whose closure waits until the first has
/// returned. Work is handed off to the pool here, and loom's executions become too many.
#[cfg(shuttle)]
#[test]
fn a_wait_for_a_stop_meets_the_wait_of_the_closure() {
    explore(
        &["never began", "the stop fails", "the closure fails"],
        || {
            let (start, first) = open::<()>();
            let (begin, second) = open::<()>();
            let (other, asked) = open::<u32>();
            let told = super::Log::new();
            let closure = told.clone();
            let first =
                first.then(move |()| closure.add(asked.wait().map_err(|error| error.kind())));
            let second = second.then(move |()| {
                first.cancel();
                first.stopped().wait().map_err(|error| error.kind())
            });
            let second = second.share();
            let settles = second.clone();
            assert!(other.settle_with(settles.then(|_| 7)).is_ok());
            // The cancel may have come before.
            let runner = go(move || start.resolve(()).is_ok());
            begin.resolve(()).unwrap();
            runner.join().unwrap();
            let stop = *second.wait().unwrap();
            crate::Pool::close_global();
            match (stop, told.take().as_slice()) {
                (Ok(()), []) => "never began",
                (Err(ErrorKind::Cycle), [Ok(7)]) => "the stop fails",
                (Ok(()), [Err(ErrorKind::Cycle)]) => "the closure fails",
                other => panic!("{other:?}"),
            }
        },
    );
}
