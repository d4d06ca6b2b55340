//! Blocking in a pool: without a bound on how many wait, and in every phase of a thread's life.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use crate::support::{Count, Gate, isolated, pool_of, until, within};
use fast_async::{ErrorKind, Pool, Shutdown, Task, all, deferred, pool::PoolMetrics};

/// Ends a pool, and asks that nothing of it is left and its counts are right.
#[track_caller]
fn end(pool: &Pool) {
    let report = pool.shutdown(Shutdown::Drain, Duration::MAX);
    assert!(report.is_complete(), "{report:?}");
    let PoolMetrics {
        threads,
        idle,
        blocked,
        queued,
        running,
        ..
    } = pool.metrics();
    assert_eq!((threads, idle, blocked, queued, running), (0, 0, 0, 0, 0));
}

mod any_number {
    use super::*;

    // Contract: W1
    #[test]
    fn tasks_at_a_gate_do_not_keep_out_the_one_that_opens_it() {
        within(|| {
            let pool = pool_of(4);
            let (resolver, gate) = deferred::<u32>();
            let gate = gate.share();
            let waiting: Vec<Task<u32>> = (0..400)
                .map(|_| {
                    let gate = gate.clone();
                    pool.spawn(move || *gate.wait().unwrap())
                })
                .collect();
            until(|| pool.metrics().blocked == waiting.len());
            pool.spawn(move || resolver.resolve(7).unwrap()).detach();
            assert_eq!(all(waiting).wait().unwrap(), [7; 400]);
            end(&pool);
        });
    }

    // Contract: W1
    #[test]
    fn tasks_that_wait_for_some_time_do_not_keep_out_others() {
        within(|| {
            let pool = pool_of(2);
            let (resolver, gate) = deferred::<u32>();
            let gate = gate.share();
            let waiting: Vec<Task<Option<u32>>> = (0..300)
                .map(|_| {
                    let gate = gate.clone();
                    let long = Duration::from_secs(600);
                    pool.spawn(move || gate.wait_timeout(long).map(|outcome| *outcome.unwrap()))
                })
                .collect();
            until(|| pool.metrics().blocked == waiting.len());
            pool.spawn(move || resolver.resolve(7).unwrap()).detach();
            assert_eq!(all(waiting).wait().unwrap(), [Some(7); 300]);
            end(&pool);
        });
    }

    // Contract: W1
    #[test]
    fn each_of_many_levels_waits_for_some_time() {
        fn level(pool: &Pool, left: usize) -> usize {
            if left == 0 {
                return 0;
            }
            let own = pool.clone();
            let inner = pool.spawn(move || level(&own, left - 1));
            let long = Duration::from_secs(600);
            1 + inner.wait_timeout(long).ok().unwrap().unwrap()
        }
        within(|| {
            let pool = pool_of(1);
            let own = pool.clone();
            assert_eq!(pool.spawn(move || level(&own, 600)).wait().unwrap(), 600);
            end(&pool);
        });
    }

    // Contract: W1
    #[test]
    fn tasks_wait_for_tasks_twenty_thousand_deep() {
        fn level(pool: &Pool, left: usize) -> usize {
            if left == 0 {
                return 0;
            }
            let own = pool.clone();
            1 + pool.spawn(move || level(&own, left - 1)).wait().unwrap()
        }
        const NAME: &str = "any_number::tasks_wait_for_tasks_twenty_thousand_deep";
        isolated(NAME, || {
            let pool = pool_of(1);
            let own = pool.clone();
            let depth = 20_000;
            assert_eq!(
                pool.spawn(move || level(&own, depth)).wait().unwrap(),
                depth
            );
            end(&pool);
        });
    }

    /// More waiting tasks than the process may have threads.
    // Contract: W1
    #[test]
    #[cfg_attr(debug_assertions, ignore = "eight thousand threads take their time")]
    fn a_wait_fails_with_a_remedy_if_no_thread_is_granted() {
        const NAME: &str = "any_number::a_wait_fails_with_a_remedy_if_no_thread_is_granted";
        isolated(NAME, || {
            let pool = Pool::builder().max_threads(2).stack_size(64 << 10);
            let pool = pool.build().unwrap();
            let (resolver, gate) = deferred::<u32>();
            let gate = gate.share();
            let failed = Count::default();
            let wait = |_| {
                let (gate, failed) = (gate.clone(), failed.clone());
                pool.spawn(move || match gate.wait() {
                    Ok(value) => assert_eq!(*value, 7),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
                        assert!(error.to_string().contains("and_then"), "{error}");
                        failed.add();
                    }
                })
            };
            let waiting: Vec<_> = (0..8_400).map(wait).collect();
            // Those that failed have left their threads to the next.
            failed.reach(200);
            pool.spawn(move || resolver.resolve(7).unwrap()).detach();
            all(waiting).wait().unwrap();
            assert!(failed.get() <= 250, "{}", failed.get());
            end(&pool);
        });
    }
}

mod each_other {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    /// Has a task of each of two pools call `wait` with the other pool; returns their outcomes.
    fn of_two_pools<R: Send + 'static>(wait: fn(&Pool) -> R) -> [R; 2] {
        let pools = [pool_of(1), pool_of(1)];
        let both = Arc::new(Barrier::new(2));
        let tasks = [(0, 1), (1, 0)].map(|(own, other)| {
            let (other, both) = (pools[other].clone(), both.clone());
            pools[own].spawn(move || {
                both.wait();
                let result = wait(&other);
                // Neither is over before the other one's wait is.
                both.wait();
                result
            })
        });
        let results = tasks.map(|task| task.wait().unwrap());
        pools.iter().for_each(end);
        results
    }

    // Contract: W3
    #[test]
    fn tasks_that_wait_for_each_others_pools_wait_as_long_as_their_limits() {
        within(|| {
            assert_eq!(of_two_pools(|pool| pool.wait_idle(SHORT)), [false; 2]);
            let ended = |pool: &Pool| pool.shutdown(Shutdown::Drain, SHORT).is_complete();
            assert_eq!(of_two_pools(ended), [false; 2]);
        });
    }
}

mod phases {
    use super::*;

    /// What blocks. The first argument is the pool whose thread does it.
    type Blocks = fn(&Pool, &Pool);

    const CALLS: &[(&str, Blocks)] = &[
        ("wait on another pool", |_, other| {
            let nap = || std::thread::sleep(Duration::from_millis(2));
            other.spawn(nap).wait().unwrap();
        }),
        ("wait on this pool", |own, _| {
            // A closed pool takes nothing.
            if let Err(error) = own.spawn(|| ()).wait() {
                assert_eq!(error.kind(), ErrorKind::Rejected);
            }
        }),
        ("wait on this pool for some time", |own, _| {
            let _ = own.spawn(|| ()).wait_timeout(Duration::from_millis(2));
        }),
        ("wait until another pool is idle", |_, other| {
            other.spawn(|| ()).detach();
            assert!(other.wait_idle(Duration::MAX));
        }),
        ("wait until this pool is idle", |own, _| {
            own.wait_idle(Duration::from_millis(2));
        }),
        ("shut down another pool", |_, _| {
            let other = pool_of(2);
            other.spawn(|| ()).detach();
            end(&other);
        }),
        ("shut down this pool", |own, _| {
            let _ = own.shutdown(Shutdown::Drain, Duration::MAX);
        }),
        (
            "run a queue until a task of another pool is settled",
            |_, other| {
                let queue = fast_async::LoopQueue::new();
                queue.run_until(other.spawn(|| ())).unwrap();
            },
        ),
        ("spawn at a queue limit", |_, _| {
            let other = Pool::builder().max_threads(1).queue_limit(1);
            let other = other.build().unwrap();
            for _ in 0..4 {
                other.spawn(|| ()).detach();
            }
            end(&other);
        }),
    ];

    /// A pool that a hook of it can name.
    #[derive(Clone, Default)]
    struct Own(Arc<Mutex<Option<Pool>>>);

    impl Own {
        fn get(&self) -> Option<Pool> {
            self.0.lock().unwrap().clone()
        }

        fn set(&self, pool: Option<&Pool>) {
            let old = std::mem::replace(&mut *self.0.lock().unwrap(), pool.cloned());
            drop(old);
        }
    }

    /// Runs a blocking call once on each drop.
    struct Blocker(Blocks, Own, Pool, Count);

    impl Blocker {
        /// Makes a closure capture the whole of it.
        fn hold(&self) {}

        fn block(&self) {
            // Where the pool is gone, another one is as good.
            let own = self.1.get().unwrap_or_else(|| self.2.clone());
            (self.0)(&own, &self.2);
            self.3.add();
        }
    }

    impl Drop for Blocker {
        fn drop(&mut self) {
            self.block();
        }
    }

    /// Which user code blocks.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Phase {
        Start,
        Stop,
        /// The stop hook of a thread that leaves a pool which is open.
        Retire,
        /// Destructors of the worker's thread locals.
        ThreadLocal,
        /// What a job's closure has captured.
        JobDrop,
        /// What the hooks have captured, when the pool itself goes.
        HookDrop,
        /// What the closures of jobs have captured that are taken out of the queue.
        Discard,
        /// Callbacks of such jobs.
        DiscardCallback,
    }

    const PHASES: &[Phase] = &[
        Phase::Start,
        Phase::Stop,
        Phase::Retire,
        Phase::ThreadLocal,
        Phase::JobDrop,
        Phase::HookDrop,
        Phase::Discard,
        Phase::DiscardCallback,
    ];

    // Contract: W1, P4, D8
    #[test]
    fn every_blocking_call_returns_in_every_phase() {
        for &phase in PHASES {
            for &(name, blocks) in CALLS {
                println!("{phase:?}: {name}");
                within(move || block_in(phase, blocks));
            }
        }
    }

    fn block_in(phase: Phase, blocks: Blocks) {
        let (own, other, blocked) = (Own::default(), pool_of(2), Count::default());
        let blocker = || Blocker(blocks, own.clone(), other.clone(), blocked.clone());
        let mut builder = Pool::builder().core_threads(1).max_threads(2);
        builder = match phase {
            Phase::Start | Phase::Stop | Phase::Retire => {
                // The drop of what the hook has captured is another phase.
                let blocker = std::mem::ManuallyDrop::new(blocker());
                let hook = move |_| blocker.block();
                match phase {
                    Phase::Start => builder.on_thread_start(hook),
                    Phase::Retire => builder
                        .keep_alive(Duration::from_millis(1))
                        .on_thread_stop(hook),
                    _ => builder.on_thread_stop(hook),
                }
            }
            Phase::HookDrop => {
                let blocker = blocker();
                builder.on_thread_stop(move |_| blocker.hold())
            }
            _ => builder,
        };
        let pool = builder.build().unwrap();
        own.set(Some(&pool));
        match phase {
            // The pool may have been shut down by its own hook.
            Phase::Start | Phase::Stop => {
                let _ = pool.spawn(|| ()).wait();
            }
            Phase::Retire => {
                // Two threads, of which one is too many.
                let (gate, running) = (Gate::default(), Count::default());
                let held: Vec<_> = (0..2)
                    .map(|_| {
                        let (gate, running) = (gate.clone(), running.clone());
                        pool.spawn(move || {
                            running.add();
                            gate.pass();
                        })
                    })
                    .collect();
                running.reach(2);
                gate.open();
                for task in held {
                    task.wait().unwrap();
                }
                blocked.reach(1);
            }
            Phase::ThreadLocal => {
                thread_local! {
                    static LAST: std::cell::RefCell<Option<Blocker>> =
                        const { std::cell::RefCell::new(None) };
                }
                let blocker = blocker();
                let keep = move || LAST.set(Some(blocker));
                pool.spawn(keep).wait().unwrap();
            }
            Phase::JobDrop => {
                let blocker = blocker();
                // The blocking call may close the pool. The job runs even so.
                pool.spawn(move || blocker.hold()).wait().unwrap();
            }
            Phase::HookDrop => {
                pool.spawn(|| ()).wait().unwrap();
                own.set(None);
                drop(pool);
                blocked.reach(1);
                end(&other);
                return;
            }
            Phase::Discard | Phase::DiscardCallback => {
                discard(&pool, phase, blocker());
                return end(&other);
            }
        }
        own.set(None);
        end(&pool);
        blocked.reach(1);
        end(&other);
    }

    fn discard(pool: &Pool, phase: Phase, blocker: Blocker) {
        let (gate, running) = (Gate::default(), Count::default());
        for _ in 0..2 {
            let (gate, running) = (gate.clone(), running.clone());
            let hold = move || {
                running.add();
                gate.pass();
            };
            pool.spawn(hold).detach();
        }
        // The second comes when the first is found blocked, by the pool's watcher.
        running.reach(2);
        let (own, blocked) = (blocker.1.clone(), blocker.3.clone());
        let is_called = Arc::new(AtomicBool::new(false));
        if phase == Phase::Discard {
            pool.spawn(move || blocker.hold()).detach();
        } else {
            let called = is_called.clone();
            pool.spawn(|| ())
                .catch(move |error| {
                    assert!(error.is_cancelled());
                    called.store(true, Ordering::SeqCst);
                    drop(blocker);
                })
                .detach();
        }
        // What blocks may wait for the end of the pool, so its threads must get there.
        let opener = std::thread::spawn(move || gate.open());
        let report = pool.shutdown(Shutdown::Discard, Duration::MAX);
        opener.join().unwrap();
        assert!(report.is_complete(), "{report:?}");
        blocked.reach(1);
        own.set(None);
        end(pool);
    }
}
