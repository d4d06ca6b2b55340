//! Wakers of futures.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use fast_async::{Task, TaskError, deferred, task::SubscriptionGuard};

use crate::ground::{Grenade, stand};
use crate::support::expected;

/// A waker that panics when it wakes or is dropped, and holds a given value.
#[allow(dead_code, reason = "what it holds is there to be dropped")]
struct Loud {
    panics_in_wake: bool,
    grenade: Option<Grenade>,
    guard: Option<SubscriptionGuard>,
    woken: Arc<AtomicUsize>,
}

impl Wake for Loud {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
        if self.panics_in_wake {
            expected("wake");
        }
    }
}

fn loud(panics_in_wake: bool, grenade: Option<Grenade>) -> Arc<Loud> {
    Arc::new(Loud {
        panics_in_wake,
        grenade,
        guard: None,
        woken: Arc::default(),
    })
}

fn poll<T: Send + 'static>(task: &mut Task<T>, waker: &Waker) -> Poll<Result<T, TaskError>> {
    pin!(task).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_waker_that_panics_when_it_wakes() {
    stand("wake", |ground| {
        for elsewhere in [false, true] {
            let loud = loud(true, None);
            let waker = Waker::from(loud.clone());
            let (resolver, task) = deferred::<u32>();
            let mut task = task.then(|n| n + 1);
            assert!(poll(&mut task, &waker).is_pending());
            if elsewhere {
                let settled = ground.pool.spawn(move || resolver.resolve(1).is_ok());
                assert!(settled.wait().unwrap());
            } else {
                assert!(resolver.resolve(1).is_ok());
            }
            assert_eq!(loud.woken.load(Ordering::Relaxed), 1);
            assert!(matches!(poll(&mut task, &waker), Poll::Ready(Ok(2))));
        }
    });
}

#[test]
fn a_waker_that_panics_when_it_is_dropped() {
    stand("waker's drop", |ground| {
        let quiet = Waker::noop();
        // Replaced by another, by a wait, dropped with the handle, consumed by a settle.
        for way in 0..4 {
            let waker = Waker::from(loud(false, Some(ground.grenade())));
            let (resolver, mut task) = deferred::<u32>();
            assert!(poll(&mut task, &waker).is_pending());
            // The task's clone is the last.
            drop(waker);
            match way {
                0 => assert!(poll(&mut task, quiet).is_pending()),
                1 => {
                    let back = task.wait_timeout(Duration::from_millis(1));
                    task = back.expect_err("it is pending");
                }
                2 => {
                    drop(task);
                    ground.drops.wait_for(way + 1);
                    continue;
                }
                _ => {}
            }
            assert!(resolver.resolve(1).is_ok());
            assert_eq!(task.wait().unwrap(), 1);
            ground.drops.wait_for(way + 1);
        }
    });
}

// Contract: D2. A waker is foreign code: it goes without the lock of the task it slept on.
#[test]
fn a_waker_that_uses_its_task_when_it_is_dropped() {
    stand("waker's guard", |_| {
        for way in 0..4 {
            let (resolver, mut task) = deferred::<u32>();
            let guard = task.on_settled(|_| expected("never called")).guard();
            let woken = Arc::default();
            let waker = Waker::from(Arc::new(Loud {
                panics_in_wake: false,
                grenade: None,
                guard: Some(guard),
                woken,
            }));
            assert!(poll(&mut task, &waker).is_pending());
            drop(waker);
            match way {
                0 => assert!(poll(&mut task, Waker::noop()).is_pending()),
                1 => {
                    let back = task.wait_timeout(Duration::from_millis(1));
                    task = back.expect_err("it is pending");
                }
                2 => {
                    task.cancel();
                }
                _ => {
                    drop(task);
                    assert!(resolver.resolve(1).is_ok());
                    continue;
                }
            }
            drop(resolver);
            assert!(task.wait().is_err());
        }
    });
}
