//! What a callback finds of the code that publishes: its scope, its panic, its loop; and what may
//! wait for what.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use fast_async::topic::Watch;
use fast_async::{Job, LoopQueue, Task, TaskLocal};

use crate::support::{pool_of, until};

use super::{Log, OnDrop, Overflow, Topic, expected, within};

static REQUEST: TaskLocal<u32> = TaskLocal::inherited();

// Contract: E1
#[test]
fn a_callback_behind_a_buffer_does_not_see_the_scope_that_publishes() {
    within(|| {
        let (topic, window, log) = (Topic::new(), LoopQueue::new(), Log::new());
        let own = log.clone();
        topic
            .on(&window)
            .subscribe(move |_: &u8| own.push(REQUEST.get()));
        REQUEST.scope(7, || topic.publish(1).unwrap());
        window.run_pending();
        assert_eq!(log.take(), [None]);
    });
}

// Contract: B2, D8
#[test]
fn no_callback_finds_that_its_thread_unwinds() {
    type Make = fn(Log<bool>) -> Box<dyn FnOnce() + Send>;
    const DEEDS: [(&str, Make); 5] = [
        ("a publish", |found| {
            let topic = Topic::new();
            topic.subscribe(move |_: &u8| found.push(thread::panicking()));
            Box::new(move || assert_eq!(topic.publish(1), Ok(1)))
        }),
        ("a publish to a derived topic", |found| {
            let topic = Topic::new();
            let derived = topic.map(move |n: &u8| {
                found.push(thread::panicking());
                *n
            });
            derived.subscribe(|_| ());
            Box::new(move || {
                assert_eq!(topic.publish(1), Ok(1));
                drop(derived);
            })
        }),
        ("a publish for an executor that runs at once", |found| {
            let topic = Topic::new();
            let at_once = |job: Job| job.run();
            topic
                .on(&at_once)
                .subscribe(move |_: &u8| found.push(thread::panicking()));
            Box::new(move || assert_eq!(topic.publish(1), Ok(1)))
        }),
        ("a change of a watch", |found| {
            let watch = Watch::new(1_u8);
            watch.topic().subscribe(move |n| {
                if *n == 2 {
                    found.push(thread::panicking());
                }
            });
            watch.topic().flush().wait().unwrap();
            Box::new(move || assert_eq!(watch.set(2), Ok(1)))
        }),
        ("a spawn that is listened to", |found| {
            let pool = pool_of(1);
            pool.events()
                .subscribe(move |_| found.push(thread::panicking()));
            Box::new(move || pool.spawn(|| ()).detach())
        }),
    ];
    within(|| {
        for (name, make) in DEEDS {
            let found = Log::new();
            let deed = make(found.clone());
            let guard = OnDrop::new(move |_| deed());
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let _guard = guard;
                expected("it unwinds through the guard");
            }));
            assert!(unwound.is_err());
            until(|| found.len() > 0);
            assert!(!found.take().contains(&true), "{name}");
        }
    });
}

// Contract: B5
#[test]
fn what_a_flush_causes_may_wait_for_a_later_flush() {
    within(|| {
        let (topic, window) = (Topic::new(), LoopQueue::new());
        let subscription = topic.on(&window).subscribe(|_: &u32| ());
        topic.publish(1).unwrap();
        let (send, receive) = mpsc::channel::<Task<()>>();
        let at_once = |job: Job| job.run();
        let first = topic
            .flush()
            .on(&at_once)
            .then(move |()| receive.recv().unwrap().wait().is_ok());
        send.send(topic.flush()).unwrap();
        subscription.unsubscribe();
        assert!(first.wait().unwrap());
    });
}

// Contract: B3
#[test]
fn a_loops_thread_is_not_blocked_by_a_full_buffer_of_its_loop() {
    within(|| {
        let (topic, window, log) = (Topic::new(), LoopQueue::new(), Log::new());
        let (own, queue, got) = (topic.clone(), window.clone(), log.clone());
        let subscriber = thread::spawn(move || {
            let buffered = own.on(&queue).buffer(1, Overflow::Block);
            buffered.subscribe(move |n: &u32| got.push(*n));
        });
        subscriber.join().unwrap();
        topic.publish(1).unwrap();
        topic.publish(2).unwrap();
        while window.run_pending() > 0 {}
        assert_eq!(log.take(), [1, 2]);
    });
}
