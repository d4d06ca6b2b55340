//! Task locals: which closures see a value, on every thread and on every way out.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::support::{
    Bomb, Count, Drops, Gate, Latch, Log, Token, every_case, expected, one_thread, until, within,
};
use fast_async::loop_queue::LocalLoop;
use fast_async::topic::Topic;
use fast_async::{
    BoxError, CancelToken, Clock, Inline, Lazy, LoopQueue, Memo, Pool, Retry, Semaphore, Task,
    TaskLocal, TaskQueue, all, attempt, await_all, deferred, every, flow, group, make_async,
    map_limit, retry, spawn, spawn_with,
};

/// Closures that are registered in a scope see it.
static REQUEST: TaskLocal<u32> = TaskLocal::inherited();

/// Only the closure of the scope sees it.
static OWN: TaskLocal<u32> = TaskLocal::new();

/// What code sees here.
fn seen() -> (Option<u32>, Option<u32>) {
    (REQUEST.get(), OWN.get())
}

/// Calls `f` with both values set.
fn scoped<R>(f: impl FnOnce() -> R) -> R {
    REQUEST.scope(7, || OWN.scope(8, f))
}

/// What a closure sees that is registered in `scoped`.
const CARRIED: (Option<u32>, Option<u32>) = (Some(7), None);
const NOTHING: (Option<u32>, Option<u32>) = (None, None);

mod scopes {
    use super::*;

    // Contract: E1
    // Case: 196
    #[test]
    fn a_value_is_there_in_its_scope_alone() {
        within(|| {
            assert_eq!(seen(), NOTHING);
            let inside = scoped(|| {
                let outer = seen();
                let inner = REQUEST.scope(9, || (OWN.scope(10, seen), seen()));
                (outer, inner, seen())
            });
            let both = (Some(7), Some(8));
            let inner = ((Some(9), Some(10)), (Some(9), Some(8)));
            assert_eq!(inside, (both, inner, both));
            assert_eq!(seen(), NOTHING);
        });
    }

    // Contract: E1
    #[test]
    fn a_panic_ends_a_scope() {
        within(|| {
            scoped(|| {
                let caught = std::panic::catch_unwind(|| {
                    REQUEST.scope(9, || OWN.scope(10, || expected("in a scope")))
                });
                assert!(caught.is_err());
                assert_eq!(seen(), (Some(7), Some(8)));
            });
            assert_eq!(seen(), NOTHING);
        });
    }

    // Contract: E1
    #[test]
    fn a_value_is_borrowed_and_need_not_be_clone() {
        within(|| {
            static NAME: TaskLocal<Token> = TaskLocal::inherited();
            let drops = Drops::new();
            assert!(NAME.with(|_| ()).is_none());
            NAME.scope(drops.token(), || {
                assert!(NAME.with(Token::hold).is_some());
                assert_eq!(drops.count(), 0);
            });
            assert_eq!(drops.count(), 1);
        });
    }

    /// The code that borrows it may open scopes of the same key.
    // Contract: E1
    #[test]
    fn a_borrowed_value_may_be_hidden_meanwhile() {
        within(|| {
            REQUEST.scope(1, || {
                let sum =
                    REQUEST.with(|outer| REQUEST.scope(2, || REQUEST.with(|inner| outer + inner)));
                assert_eq!(sum, Some(Some(3)));
            });
        });
    }

    // Contract: E1, S2
    #[test]
    fn a_drop_that_panics_is_reported_and_ends_the_scope() {
        within(|| {
            static BOMB: TaskLocal<Bomb> = TaskLocal::inherited();
            let drops = Drops::new();
            assert_eq!(BOMB.scope(drops.bomb(), || 7), 7);
            drops.wait_for(1);
            let caught = std::panic::catch_unwind(|| {
                BOMB.scope(drops.bomb(), || expected("in a scope"));
            });
            assert!(caught.is_err());
            drops.wait_for(2);
            // The last closure drops it, after it has run.
            let task = BOMB.scope(drops.bomb(), || spawn(|| BOMB.with(Bomb::hold).is_some()));
            let outcome = task.wait();
            drops.wait_for(3);
            assert!(outcome.is_err() || outcome.is_ok_and(|is_there| is_there));
            assert!(BOMB.with(|_| ()).is_none());
        });
    }

    // Contract: E1
    #[test]
    fn keys_are_apart() {
        within(|| {
            static OTHER: TaskLocal<u32> = TaskLocal::inherited();
            static TEXT: TaskLocal<&str> = TaskLocal::inherited();
            let task = REQUEST.scope(1, || {
                OTHER.scope(2, || {
                    TEXT.scope("three", || {
                        spawn(|| (REQUEST.get(), OTHER.get(), TEXT.get(), OWN.get()))
                    })
                })
            });
            assert_eq!(
                task.wait().unwrap(),
                (Some(1), Some(2), Some("three"), None)
            );
            assert_eq!(format!("{REQUEST:?}"), "TaskLocal { reach: Inherited }");
        });
    }
}

mod closures {
    use super::*;

    type Seen = (Option<u32>, Option<u32>);

    fn note(to: &Sender<Seen>) -> impl FnOnce() + Send + 'static + use<> {
        let to = to.clone();
        move || to.send(seen()).unwrap()
    }

    /// All that arrives, once the senders are gone.
    #[track_caller]
    fn all_are(of: Receiver<Seen>, expected: Seen, count: usize) {
        let all: Vec<_> = of.iter().collect();
        assert_eq!(all, vec![expected; count]);
    }

    // Contract: E1
    // Case: 196
    #[test]
    fn each_link_and_observer_carries_what_its_registration_saw() {
        within(|| {
            every_case(|case| {
                let (to, of) = channel();
                let task = case.run(Ok(1), |task| {
                    let (a, b, c, d) = (note(&to), note(&to), note(&to), note(&to));
                    let (e, f, g, h) = (note(&to), note(&to), note(&to), note(&to));
                    let task = scoped(|| {
                        task.subscribe(|_| a(), |_| ());
                        let task = task
                            .then(|n| {
                                b();
                                n
                            })
                            .inspect(|_| c())
                            .finally(d)
                            .and_then(|n| {
                                e();
                                // What it starts is in the same scope.
                                spawn(move || (f(), n).1)
                            });
                        task.on_settled(|_| g());
                        task.and_then(|_| Err(BoxError::from("no")))
                            .catch(|_| (h(), 3).1)
                    });
                    drop(to);
                    task.then(|n| (n, seen()))
                });
                assert_eq!(task.unwrap(), (3, NOTHING), "{case:?}");
                all_are(of, CARRIED, 8);
            });
        });
    }

    // Contract: E1
    #[test]
    fn each_way_to_start_carries_them() {
        within(|| {
            let (pool, queue) = (Pool::new(), TaskQueue::serial());
            let own = pool.clone();
            let line = queue.clone();
            #[make_async]
            fn made() -> Seen {
                seen()
            }
            let tasks = scoped(move || {
                let cold = Task::new(seen);
                let branch = spawn(|| ()).share();
                [
                    spawn(seen),
                    attempt(|| Ok(seen())),
                    spawn_with(|_| seen()),
                    own.spawn(seen),
                    Task::builder().name("named").spawn(seen),
                    made(),
                    line.spawn(seen),
                    line.attempt(|| Ok(seen())),
                    Task::ready(()).on(&line).then(|()| seen()),
                    Task::ready(()).on(&Inline).then(|()| seen()),
                    branch.then(|()| seen()),
                    branch.on(&own).then(|()| seen()),
                    retry(Retry::attempts(2), |attempt| match attempt.number() {
                        1 => Err("again".into()),
                        _ => Ok(seen()),
                    }),
                    map_limit([()], 1, |()| Ok(seen())).then(|all| all[0]),
                    flow::reduce([()], NOTHING, |_, ()| Ok(seen())),
                    Semaphore::new(1).acquire(1).then(|_| seen()),
                    Memo::new(|_: &u8| Ok(seen())).get(1).cloned(),
                    Lazy::new(|| Ok(seen())).get().cloned(),
                    cold,
                ]
            });
            for (at, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.wait().unwrap(), CARRIED, "the one at {at}");
            }
            assert_eq!(pool.spawn(seen).wait().unwrap(), NOTHING);
            assert_eq!(queue.spawn(seen).wait().unwrap(), NOTHING);
        });
    }

    // Contract: E1
    // Case: 169
    #[test]
    fn a_job_that_waits_in_a_queue_sees_what_its_caller_saw() {
        within(|| {
            let (queue, gate) = (TaskQueue::serial(), Gate::new());
            let pass = gate.clone();
            let first = queue.spawn(move || pass.pass());
            let jobs: Vec<_> = (0..3)
                .map(|n| REQUEST.scope(n, || queue.spawn(seen)))
                .collect();
            let none = queue.spawn(seen);
            REQUEST.scope(99, || gate.open());
            first.wait().unwrap();
            for (n, job) in (0..).zip(jobs) {
                assert_eq!(job.wait().unwrap(), (Some(n), None));
            }
            assert_eq!(none.wait().unwrap(), NOTHING);
        });
    }

    // Contract: E1
    #[test]
    fn a_group_runs_in_the_scope_of_its_caller() {
        within(|| {
            let seen_by = scoped(|| {
                let (here, there) = group(|g| {
                    let there = g.spawn(seen);
                    Ok((seen(), there.wait()?))
                })
                .unwrap();
                [here, there]
            });
            assert_eq!(seen_by, [(Some(7), Some(8)), CARRIED]);
        });
    }

    // Contract: E1, K1
    #[test]
    fn timers_carry_them() {
        within(|| {
            let clock = Clock::manual();
            let pool = Pool::builder().clock(&clock).build().unwrap();
            let second = Duration::from_secs(1);
            let log = Log::new();
            let (task, interval) = scoped(|| {
                let log = log.clone();
                (
                    pool.delay(second).then(|()| seen()),
                    pool.every(second, move || log.push(seen())),
                )
            });
            clock.advance(3 * second);
            assert_eq!(task.wait().unwrap(), CARRIED);
            assert_eq!(log.take(), [CARRIED; 3]);
            interval.stop().wait().unwrap();
            let log = Log::new();
            let ticks = log.clone();
            let interval = every(Duration::from_millis(1), move || ticks.push(seen()));
            until(|| log.len() > 1);
            drop(interval);
            assert_eq!(log.take()[0], NOTHING);
        });
    }

    // Contract: E1
    #[test]
    fn merged_calls_run_in_the_scope_of_the_one_whose_argument_they_get() {
        within(|| {
            let clock = Clock::manual();
            let pool = Pool::builder().clock(&clock).build().unwrap();
            let second = Duration::from_secs(1);
            let find = |argument: u32| Ok((argument, seen()));
            let save = pool.debounce(second, find);
            let calls = [scoped(|| save.call(1)), save.call(2)];
            clock.advance(second);
            assert_eq!(await_all(calls).unwrap(), [(2, NOTHING); 2]);
            let calls = [save.call(3), scoped(|| save.call(4))];
            clock.advance(second);
            assert_eq!(await_all(calls).unwrap(), [(4, CARRIED); 2]);
            let call = save.call(5);
            scoped(|| assert!(save.flush()));
            assert_eq!(call.wait().unwrap(), (5, NOTHING));
            let last = pool.throttle(second, find);
            let calls = [
                scoped(|| last.call(6)),
                last.call(7),
                scoped(|| last.call(8)),
            ];
            clock.advance(second);
            let [first, between, last] = calls.map(|call| call.wait().unwrap());
            assert_eq!(first, (6, CARRIED));
            assert_eq!([between, last], [(8, CARRIED); 2]);
        });
    }

    // Contract: E1
    #[test]
    fn a_closure_of_a_loop_carries_them() {
        within(|| {
            let window = LocalLoop::new();
            let task = scoped(|| window.then(spawn(|| ()), |()| seen()));
            let other = window.then(spawn(|| ()), |()| seen());
            assert_eq!(window.queue().run_until(task).unwrap(), CARRIED);
            assert_eq!(window.queue().run_until(other).unwrap(), NOTHING);
        });
    }
}

mod hiding {
    use super::*;

    /// The thread of a pool, after closures that saw values and have panicked.
    // Contract: E1, S2
    #[test]
    fn a_thread_forgets_them_after_a_closure_and_after_a_panic() {
        within(|| {
            let pool = one_thread();
            for panics in [false, true] {
                let task = scoped(|| {
                    pool.spawn(move || {
                        assert_eq!(seen(), CARRIED);
                        OWN.scope(1, || {
                            if panics {
                                expected("in a closure");
                            }
                        });
                    })
                });
                assert_eq!(task.wait().is_err(), panics);
                assert_eq!(pool.spawn(seen).wait().unwrap(), NOTHING);
                let chained = pool.spawn(|| ()).then(|()| seen());
                assert_eq!(chained.wait().unwrap(), NOTHING);
            }
        });
    }

    /// The waiting thread runs the task itself: there is no other.
    // Contract: E1
    #[test]
    fn a_task_that_a_wait_runs_does_not_see_the_scope_of_the_wait() {
        within(|| {
            let pool = one_thread();
            let own = pool.clone();
            let task = pool.spawn(move || {
                let here = std::thread::current().id();
                let there = own.spawn(|| (std::thread::current().id(), seen()));
                let carries = REQUEST.scope(3, || own.spawn(seen));
                scoped(|| {
                    let (id, there) = there.wait().unwrap();
                    assert_eq!(id, here, "the wait has run it");
                    (there, carries.wait().unwrap(), seen())
                })
            });
            let seen_by = (NOTHING, (Some(3), None), (Some(7), Some(8)));
            assert_eq!(task.wait().unwrap(), seen_by);
        });
    }

    // Contract: E1
    #[test]
    fn continuations_do_not_see_the_scope_that_settles_them() {
        within(|| {
            let (resolver, task) = deferred();
            let log = Log::new();
            let (one, two) = (log.clone(), log.clone());
            task.on_settled(move |_| one.push(seen()));
            let task = task.then(move |()| two.push(seen()));
            scoped(|| {
                resolver.resolve(()).unwrap();
                assert_eq!(seen(), (Some(7), Some(8)));
            });
            task.wait().unwrap();
            assert_eq!(log.take(), [NOTHING; 2]);
        });
    }

    /// Inside a callback, which has values of its own.
    // Contract: E1, D8
    #[test]
    fn continuations_do_not_see_the_callback_that_settles_them() {
        within(|| {
            let (first, task) = deferred();
            let (second, other) = deferred::<()>();
            let other = REQUEST.scope(3, || other.then(|()| seen()));
            let here = scoped(|| {
                task.then(move |()| {
                    second.resolve(()).unwrap();
                    let inline = Task::ready(()).on(&Inline).then(|()| seen());
                    (seen(), inline.wait().unwrap())
                })
            });
            let after = here.then(|here| (here, seen()));
            first.resolve(()).unwrap();
            assert_eq!(after.wait().unwrap(), ((CARRIED, CARRIED), NOTHING));
            assert_eq!(other.wait().unwrap(), (Some(3), None));
        });
    }

    // Contract: E1, C2
    #[test]
    fn clean_up_does_not_see_the_scope_that_cancels() {
        within(|| {
            let token = CancelToken::new();
            let log = Log::new();
            let (a, b, c) = (log.clone(), log.clone(), log.clone());
            let (_resolver, task) = deferred::<()>();
            let task = REQUEST.scope(3, || task.finally(move || a.push(seen())));
            let gate = Gate::new();
            let pass = gate.clone();
            let running = Task::builder()
                .cancel_token(&token)
                .spawn(move || pass.pass());
            let running = running.finally(move || b.push(seen()));
            let _callback = token.on_cancel(move || c.push(seen()));
            scoped(|| {
                task.cancel();
                token.cancel();
            });
            gate.open();
            assert!(running.wait().is_err());
            let mut all = log.take();
            all.sort_unstable();
            assert_eq!(all, [NOTHING, NOTHING, (Some(3), None)]);
        });
    }

    // Contract: E1
    #[test]
    fn jobs_of_a_loop_do_not_see_the_scope_that_runs_it() {
        within(|| {
            let queue = LoopQueue::new();
            let task = Task::ready(()).on(&queue).then(|()| seen());
            scoped(|| {
                while queue.run_pending() > 0 {}
                assert_eq!(seen(), (Some(7), Some(8)));
            });
            assert_eq!(task.wait().unwrap(), NOTHING);
        });
    }

    // Contract: E1
    #[test]
    fn subscribers_of_a_topic_do_not_see_the_scope_that_publishes() {
        within(|| {
            let topic = Topic::new();
            let log = Log::new();
            let own = log.clone();
            topic.subscribe(move |_: &u8| own.push(seen()));
            scoped(|| topic.publish(1).unwrap());
            assert_eq!(log.take(), [NOTHING]);
        });
    }
}

mod memory {
    use super::*;

    static HELD: TaskLocal<Token> = TaskLocal::inherited();

    // Contract: E1, D6
    #[test]
    fn a_value_goes_with_the_last_closure_that_carries_it() {
        within(|| {
            let (drops, gate) = (Drops::new(), Gate::new());
            let pass = gate.clone();
            let (resolver, never) = deferred::<()>();
            let (running, waiting) = HELD.scope(drops.token(), || {
                let waiting = never.then(|()| ());
                (spawn(move || pass.pass()), waiting)
            });
            assert_eq!(drops.count(), 0);
            gate.open();
            running.wait().unwrap();
            assert_eq!(drops.count(), 0, "the other one carries it");
            waiting.cancel();
            drops.wait_for(1);
            assert!(resolver.resolve(()).is_err());
        });
    }

    // Contract: E1, H3
    #[test]
    fn a_cache_does_not_keep_the_values_of_its_first_caller() {
        within(|| {
            let clock = Clock::manual();
            let pool = Pool::builder().clock(&clock).build().unwrap();
            let memo = Memo::new(|_: &u8| Ok(HELD.with(Token::hold).is_some()));
            let memo = memo.pool(&pool).ttl(Duration::from_secs(1));
            let drops = Drops::new();
            let task = HELD.scope(drops.token(), || memo.get(1));
            assert!(*task.wait().unwrap(), "the loader has seen it");
            drops.wait_for(1);
            assert_eq!((memo.len(), clock.pending()), (1, 1));
        });
    }

    /// Each generation registers the next one in a scope of its own.
    // Contract: E1, D2
    #[test]
    fn generations_of_scopes_do_not_pile_up() {
        within(|| {
            fn next(left: usize, drops: Drops) -> Task<usize> {
                if left == 0 {
                    return Task::ready(drops.count());
                }
                let token = drops.token();
                HELD.scope(token, move || {
                    spawn(move || next(left - 1, drops)).flatten()
                })
            }
            let rounds = 20_000;
            let drops = Drops::new();
            let gone = next(rounds, drops.clone()).wait().unwrap();
            assert!(
                gone + 200 > rounds,
                "{gone} of {rounds} are gone before the end"
            );
            drops.wait_for(rounds);
        });
    }

    // Contract: E1
    #[test]
    fn many_threads_share_a_value() {
        within(|| {
            let (drops, count) = (Drops::new(), Count::default());
            let latch = Latch::new(4);
            let tasks = HELD.scope(drops.token(), || {
                let tasks = (0..4).map(|_| {
                    let (count, latch) = (count.clone(), latch.clone());
                    spawn(move || {
                        latch.count_down();
                        latch.wait();
                        HELD.with(|_| count.add())
                    })
                });
                all(tasks.collect::<Vec<_>>())
            });
            assert_eq!(tasks.wait().unwrap(), [Some(()); 4]);
            assert_eq!(count.get(), 4);
            drops.wait_for(1);
        });
    }
}
