//! Topics, queues, loops, groups and limits, when a burst is over or what was in them has ended.

use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use fast_async::loop_queue::LocalLoop;
use fast_async::topic::{Overflow, Topic, Topics};
use fast_async::{LoopQueue, Task, TaskQueue, deferred, group};

use crate::bytes::live_bytes;
use crate::support::{Count, Gate, isolated};
use crate::{ROUNDS, comes_down_to, one_thread, stays_small};

/// Fewer where the crate gives the processor away at each race window.
const BURST: usize = if cfg!(chaos) { 20_000 } else { 300_000 };

// Contract: B3
#[test]
fn a_burst_through_a_receiver() {
    isolated("a_burst_through_a_receiver", || {
        let topic = Topic::new();
        let mut receiver = topic.receiver(usize::MAX, Overflow::Fail);
        let before = live_bytes();
        for n in 0..BURST {
            topic.publish(n).unwrap();
        }
        for n in 0..BURST {
            assert_eq!(*receiver.recv().unwrap(), n);
        }
        comes_down_to(before);
    });
}

#[test]
fn receivers_and_listeners_that_have_left() {
    isolated("receivers_and_listeners_that_have_left", || {
        let (topic, pool) = (Topic::<u32>::new(), one_thread());
        drop(pool.events().receiver(1, Overflow::Block));
        let before = live_bytes();
        let mut receivers: Vec<_> = (0..BURST)
            .map(|_| topic.receiver(1, Overflow::DropOldest))
            .collect();
        // The newest first: to take the oldest out moves all others.
        while let Some(receiver) = receivers.pop() {
            drop(receiver);
        }
        drop(receivers);
        let mut listeners: Vec<_> = (0..BURST / 10)
            .map(|_| pool.events().receiver(1, Overflow::Block))
            .collect();
        while let Some(listener) = listeners.pop() {
            drop(listener);
        }
        drop(listeners);
        comes_down_to(before);
        assert_eq!(topic.publish(7), Ok(0));
    });
}

// Contract: B12, D2
#[test]
fn wakers_that_are_called_inside_one_callback() {
    isolated("wakers_that_are_called_inside_one_callback", || {
        let topic = Topic::new();
        let mut receivers = [(); 2].map(|()| topic.receiver(4, Overflow::Fail));
        let task = Task::ready(()).then(move |()| {
            stays_small(ROUNDS, || {
                let mut context = Context::from_waker(Waker::noop());
                for receiver in &mut receivers {
                    assert!(receiver.poll_recv(&mut context).is_pending());
                }
                topic.publish(7).unwrap();
                for receiver in &mut receivers {
                    assert_eq!(*receiver.try_recv().unwrap(), 7);
                }
            });
        });
        task.wait().unwrap();
    });
}

// Contract: B4
#[test]
fn a_burst_that_a_topic_has_held() {
    isolated("a_burst_that_a_topic_has_held", || {
        let topic = Topic::new().hold(usize::MAX).replay(BURST);
        let before = live_bytes();
        for n in 0..BURST {
            topic.publish(n).unwrap();
        }
        let topic = topic.hold(0).replay(0);
        comes_down_to(before);
        assert_eq!(topic.publish(7), Ok(0));
    });
}

#[test]
fn topics_of_many_subjects() {
    isolated("topics_of_many_subjects", || {
        let topics = Topics::<u32>::new();
        let before = live_bytes();
        let subscriptions: Vec<_> = (0..BURST / 30)
            .map(|n| {
                let topic = topics.topic(&format!("a.{n}")).unwrap();
                topic.subscribe(|_| ()).guard()
            })
            .collect();
        drop(subscriptions);
        comes_down_to(before);
        topics.publish("a.1", 1).unwrap();
    });
}

// Contract: Q1
#[test]
fn a_burst_through_a_queue() {
    isolated("a_burst_through_a_queue", || {
        let queue = TaskQueue::builder().paused().build().unwrap();
        queue.when_idle().wait().unwrap();
        let before = live_bytes();
        for _ in 0..BURST {
            queue.spawn(|| ()).detach();
        }
        assert_eq!(queue.clear(), BURST);
        comes_down_to(before);
        // The same for jobs that all have a place.
        let gate = Gate::new();
        for _ in 0..BURST / 10 {
            let gate = gate.clone();
            queue.spawn(move || assert!(gate.is_open())).detach();
        }
        gate.open();
        queue.resume();
        queue.when_idle().wait().unwrap();
        comes_down_to(before + (256 << 10));
    });
}

// Contract: Q1
#[test]
fn chains_cancelled_in_a_queue_that_is_held_up() {
    isolated("chains_cancelled_in_a_queue_that_is_held_up", || {
        let queue = TaskQueue::builder().paused().build().unwrap();
        let kept = Task::ready(7).on(&queue).then(|n| n + 1);
        let before = live_bytes();
        for _ in 0..BURST {
            Task::ready(0).on(&queue).then(|n| n + 1).cancel();
        }
        comes_down_to(before);
        queue.resume();
        assert_eq!(kept.wait().unwrap(), 8);
    });
}

// Contract: C1
#[test]
fn chains_cancelled_in_a_loop_that_is_not_run() {
    isolated("chains_cancelled_in_a_loop_that_is_not_run", || {
        let window = LoopQueue::new();
        let kept: Vec<_> = (0..100)
            .map(|n| Task::ready(n).on(&window).then(|n| n + 1))
            .collect();
        let before = live_bytes();
        for _ in 0..BURST {
            Task::ready(0).on(&window).then(|n| n + 1).cancel();
        }
        comes_down_to(before);
        window.run_pending();
        for (n, task) in kept.into_iter().enumerate() {
            assert_eq!(task.wait().unwrap(), n + 1);
        }
    });
}

#[test]
fn a_burst_of_closures_of_a_loop() {
    isolated("a_burst_of_closures_of_a_loop", || {
        let window = LocalLoop::new();
        window.then(Task::ready(0), |_| ()).detach();
        window.queue().run_pending();
        let before = live_bytes();
        for n in 0..BURST / 3 {
            window.then(Task::ready(n), |_| ()).detach();
        }
        assert_eq!(window.queue().run_pending(), BURST / 3);
        comes_down_to(before);
    });
}

// Contract: G2
// Case: 156
#[test]
fn a_million_tasks_of_a_group() {
    isolated("a_million_tasks_of_a_group", || {
        let ended = one_thread().group(|g| {
            stays_small(rounds(), || {
                for n in 1..1_000 {
                    g.spawn(move || n).detach();
                }
                // The last one: the pool has one thread.
                g.spawn(|| ()).wait().unwrap();
            });
        });
        ended.unwrap();
    });
}

// Contract: T3
// Case: 135
#[test]
fn a_million_time_limits_that_do_not_end() {
    isolated("a_million_time_limits_that_do_not_end", || {
        let limited = || {
            let (resolver, task) = deferred();
            (resolver, task.timeout(Duration::from_secs(3600)))
        };
        stays_small(rounds(), || {
            for n in 0..1_000 {
                let (resolver, task) = limited();
                resolver.resolve(n).unwrap();
                assert_eq!(task.wait().unwrap(), n);
            }
        });
        // Many at once.
        let before = live_bytes();
        let pending: Vec<_> = (0..BURST / 3).map(|_| limited()).collect();
        for (resolver, task) in pending {
            resolver.resolve(7).unwrap();
            assert_eq!(task.wait().unwrap(), 7);
        }
        comes_down_to(before);
    });
}

/// A million in all, where that does not take long.
fn rounds() -> usize {
    if cfg!(debug_assertions) { 100 } else { 1_000 }
}

// Contract: G2
#[test]
fn large_values_of_tasks_that_a_group_has_outlived() {
    isolated("large_values_of_tasks_that_a_group_has_outlived", || {
        // Values of that size are copied on the stack.
        let large = thread::Builder::new().stack_size(64 << 20);
        let run = large.spawn(|| {
            let pool = fast_async::Pool::builder().stack_size(64 << 20);
            let pool = pool.max_threads(2).build().unwrap();
            let before = live_bytes();
            let ended = pool.group(|g| {
                let (gate, ran) = (Gate::new(), Count::default());
                let held = gate.clone();
                g.spawn(move || held.pass()).detach();
                for _ in 0..60 {
                    let ran = ran.clone();
                    g.spawn(move || {
                        ran.add();
                        [0_u8; 1 << 20]
                    })
                    .detach();
                }
                ran.reach(60);
                comes_down_to(before + (512 << 10));
                gate.open();
            });
            ended.unwrap();
            assert_eq!(group(|g| Ok(g.spawn(|| 7).wait()?)).unwrap(), 7);
        });
        run.unwrap().join().unwrap();
    });
}
