//! Handles that outlive what they are handles of.

use std::thread;

use fast_async::{CancelToken, Subscription, Task, deferred};

use crate::bytes::live_bytes;
use crate::support::isolated;
use crate::{SLACK, comes_down_to};

/// A subscription to a task that is gone.
fn to_what_is_gone<T: Send + 'static>(value: T) -> Subscription {
    let (resolver, task) = deferred::<T>();
    let subscription = task.on_settled(|_| ());
    assert!(resolver.resolve(value).is_ok());
    drop(task.wait());
    subscription
}

#[test]
fn subscriptions_to_dropped_tasks() {
    isolated("subscriptions_to_dropped_tasks", || {
        let before = live_bytes();
        let mut kept = Vec::new();
        for _ in 0..100 {
            kept.push(to_what_is_gone(Box::new([0_u8; 1 << 20])));
            kept.push(to_what_is_gone([0_u8; 16 << 10]));
        }
        // A value of that size is copied on the stack several times.
        let large = thread::Builder::new().stack_size(64 << 20);
        let large = large.spawn(|| (0..100).map(|_| to_what_is_gone([0_u8; 1 << 20])).collect());
        kept.append(&mut large.unwrap().join().unwrap());
        for _ in 0..100 {
            let (resolver, task) = deferred::<[u8; 16 << 10]>();
            kept.push(task.on_settled(|_| ()));
            task.cancel();
            drop(resolver);
            // A closure that captures much.
            let captured = [0_u8; 16 << 10];
            let task = Task::new(move || captured.len());
            kept.push(task.on_settled(|_| ()));
            task.wait().unwrap();
            let shared = Task::ready([0_u8; 16 << 10]).share();
            kept.push(shared.on_settled(|_| ()));
            shared.wait().unwrap();
        }
        let own = isize::try_from(256 * kept.len()).unwrap();
        comes_down_to(before + own);
        assert!(kept.into_iter().all(|it| !it.unsubscribe()));
    });
}

// Contract: D6
#[test]
fn a_subscription_to_a_large_value_can_be_ended() {
    isolated("a_subscription_to_a_large_value_can_be_ended", || {
        let (resolver, task) = deferred::<[u8; 16 << 10]>();
        let subscription = task.on_settled(|_| panic!("never called"));
        let (tell, told) = std::sync::mpsc::channel();
        task.on_settled(move |value| tell.send(value.unwrap()[0]).unwrap());
        assert!(subscription.unsubscribe());
        assert!(resolver.resolve([7; 16 << 10]).is_ok());
        assert_eq!(told.recv().unwrap(), 7);
        assert_eq!(task.wait().unwrap()[0], 7);
    });
}

// Contract: C1
#[test]
fn tokens_that_were_many() {
    isolated("tokens_that_were_many", || {
        let token = CancelToken::new();
        let before = live_bytes();
        let children: Vec<_> = (0..100_000).map(|_| token.child()).collect();
        let one = children[500].clone();
        drop(children);
        let grown = live_bytes() - before;
        assert!(grown < SLACK, "{grown} bytes are held");
        // A line of them that goes from its end, with branches.
        let mut line = token.child();
        for _ in 0..50_000 {
            let branch = line.child();
            line = line.child();
            drop(branch);
        }
        drop(line);
        let grown = live_bytes() - before;
        assert!(grown < SLACK, "{grown} bytes are held");
        token.cancel();
        assert!(one.is_cancelled());
    });
}
