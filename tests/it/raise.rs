//! Cancelling in two passes: first everything is cancelled, then user code runs, on a flat stack.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::{Count, Dropped, Gate, HOUR, PATIENCE, isolated, until, within};
use fast_async::{
    CancelOutcome, CancelToken, Executor, Job, Pool, Task, TaskContext, attempt,
    cancel::CancelCallback, deferred, set_unhandled_hook, spawn,
};

/// Runs `body` in a new process: a stack overflow would end the other tests with it. Runs `body` on
/// a thread with a small stack.
fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    let builder = thread::Builder::new().stack_size(512 << 10);
    builder.spawn(body).unwrap().join().unwrap();
}

fn work(context: &TaskContext) {
    until(|| context.is_cancelled());
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) -> impl FnOnce() + Send + 'static {
        let log = self.0.clone();
        move || log.lock().unwrap().push(what)
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

mod passes {
    use super::*;

    // Contract: W1, D8
    #[test]
    fn a_task_that_a_finally_waits_for_is_cancelled_already() {
        within(|| {
            let token = CancelToken::new();
            let builder = || Task::builder().cancel_token(&token);
            let (send, receive) = mpsc::channel::<Task<()>>();
            let a = builder().spawn_with(work).finally(move || {
                receive.recv().unwrap().wait().ok();
            });
            send.send(builder().spawn_with(work)).unwrap();
            assert!(token.cancel());
            assert!(a.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: W1, D8
    #[test]
    fn a_task_that_a_callback_waits_for_is_cancelled_already() {
        within(|| {
            let token = CancelToken::new();
            let (send, receive) = mpsc::channel::<Task<()>>();
            let (tell, told) = mpsc::channel();
            token.on_cancel(move || {
                let task = receive.recv().unwrap();
                tell.send(task.wait().is_err()).unwrap();
            });
            let builder = Task::builder().cancel_token(&token);
            send.send(builder.spawn_with(work)).unwrap();
            assert!(token.cancel());
            assert!(told.recv().unwrap());
        });
    }

    // Contract: W1, D8. The losers of a combinator.
    #[test]
    fn a_task_that_a_loser_waits_for_is_cancelled_already() {
        within(|| {
            let (begun, told) = (Count::default(), Count::default());
            let (begin, tell) = (begun.clone(), told.clone());
            let (_open, one) = deferred::<()>();
            let one = one.finally(move || told.reach(1));
            let two = fast_async::spawn_with(move |context| {
                begin.add();
                work(context);
                tell.add();
            });
            begun.reach(1);
            let (lost, three) = deferred::<()>();
            let all = fast_async::all(vec![one, two, three]);
            lost.reject("lost").unwrap();
            assert!(all.wait().is_err());
        });
    }

    // Contract: D8
    #[test]
    fn a_callback_sees_all_tokens_and_tasks_cancelled() {
        let root = CancelToken::new();
        let seen = Log::default();
        let (_resolver, open) = deferred::<()>();
        let below = root.child();
        let task = Task::builder().cancel_token(&below).attempt(move || open);
        let (late, note) = (root.child().child(), seen.note("all"));
        root.on_cancel(move || {
            assert!(task.is_settled() && below.is_cancelled() && late.is_cancelled());
            note();
        });
        assert!(root.cancel());
        assert_eq!(seen.take(), ["all"]);
    }

    // Contract: D8
    #[test]
    fn inside_a_callback_a_cancel_runs_user_code_after_it() {
        let (resolver, task) = deferred::<()>();
        let (_other, cancelled) = deferred::<()>();
        let log = Log::default();
        let (inside, finally) = (log.note("inside"), log.note("finally"));
        let cancelled = cancelled.finally(finally);
        task.on_settled(move |_| {
            assert_eq!(cancelled.cancel(), CancelOutcome::Prevented);
            assert!(cancelled.is_settled());
            inside();
        });
        resolver.resolve(()).unwrap();
        assert_eq!(log.take(), ["inside", "finally"]);
    }

    // Contract: D8
    #[test]
    fn a_token_raised_by_a_callback_of_another_has_its_callbacks_called() {
        let (one, two) = (CancelToken::new(), CancelToken::new());
        let log = Log::default();
        let (first, last, inner) = (log.note("first"), log.note("last"), log.note("inner"));
        two.on_cancel(inner);
        one.on_cancel(move || {
            assert!(two.cancel() && two.is_cancelled());
            first();
        });
        one.on_cancel(last);
        assert!(one.cancel());
        assert_eq!(log.take(), ["first", "last", "inner"]);
    }

    // Contract: W1. A callback that blocks delays no other.
    #[test]
    fn a_callback_may_wait_for_the_outcome_of_a_later_one() {
        within(|| {
            let token = CancelToken::new();
            let (resolver, task) = deferred::<u32>();
            let (tell, told) = mpsc::channel();
            token.on_cancel(move || tell.send(task.wait().unwrap()).unwrap());
            token.on_cancel(move || resolver.resolve(7).unwrap());
            assert!(token.cancel());
            assert_eq!(told.recv().unwrap(), 7);
        });
    }
}

mod live_list {
    use super::*;

    #[test]
    fn a_callback_may_take_a_later_one_back() {
        let token = CancelToken::new();
        let (give, given) = mpsc::channel::<CancelCallback>();
        let (tell, told) = mpsc::channel();
        token.on_cancel(move || {
            tell.send(given.recv().unwrap().unregister()).unwrap();
        });
        let (ran, freed) = (Count::default(), Count::default());
        let (run, captured) = (ran.clone(), Dropped(freed.clone()));
        let later = token.on_cancel(move || {
            let _captured = captured;
            run.add();
        });
        give.send(later).unwrap();
        assert!(token.cancel());
        assert!(told.recv().unwrap(), "it was taken back in time");
        assert_eq!((ran.get(), freed.get()), (0, 1));
    }

    #[test]
    fn a_finally_may_take_a_callback_back() {
        let token = CancelToken::new();
        let (_resolver, open) = deferred::<()>();
        let callback = token.on_cancel(|| panic!("it was taken back"));
        let task = Task::builder()
            .cancel_token(&token)
            .attempt(move || open)
            .finally(move || assert!(callback.unregister()));
        assert!(token.cancel());
        assert!(task.wait().unwrap_err().is_cancelled());
    }

    // A callback that runs is not there to be taken back.
    #[test]
    fn a_callback_cannot_take_itself_back() {
        let token = CancelToken::new();
        let own = Arc::new(Mutex::new(None::<CancelCallback>));
        let (mine, said) = (own.clone(), Count::default());
        let say = said.clone();
        let callback = token.on_cancel(move || {
            let own = mine.lock().unwrap().take().unwrap();
            assert!(!own.unregister());
            say.add();
        });
        *own.lock().unwrap() = Some(callback);
        assert!(token.cancel());
        assert_eq!(said.get(), 1);
    }
}

mod flat_stack {
    use super::*;

    const LONG: usize = 100_000;

    // Contract: D2
    #[test]
    fn tasks_whose_finally_cancels_the_next() {
        isolated("flat_stack::tasks_whose_finally_cancels_the_next", || {
            set_unhandled_hook(|_| ());
            on_a_small_stack(|| {
                let ended = Count::default();
                let mut next = deferred::<()>();
                let end = ended.clone();
                next.1 = next.1.finally(move || end.add());
                let mut resolvers = Vec::new();
                for _ in 0..LONG {
                    let (resolver, task) = deferred::<()>();
                    let after = next.1;
                    resolvers.push(next.0);
                    next = (
                        resolver,
                        task.finally(move || {
                            after.cancel();
                        }),
                    );
                }
                assert_eq!(next.1.cancel(), CancelOutcome::Prevented);
                assert_eq!(ended.get(), 1, "the cancel has returned");
            });
        });
    }

    // Contract: D2
    #[test]
    fn tokens_whose_callback_raises_the_next() {
        isolated("flat_stack::tokens_whose_callback_raises_the_next", || {
            on_a_small_stack(|| {
                let last = CancelToken::new();
                let mut next = last.clone();
                for _ in 0..LONG {
                    let (token, after) = (CancelToken::new(), next);
                    token.on_cancel(move || {
                        after.cancel();
                    });
                    next = token;
                }
                assert!(next.cancel());
                assert!(last.is_cancelled(), "the raise has returned");
            });
        });
    }

    // Contract: D2. The closure of each is dropped by the cancel, and cancels the next one by that.
    #[test]
    fn closures_whose_drop_cancels_the_next() {
        isolated("flat_stack::closures_whose_drop_cancels_the_next", || {
            on_a_small_stack(|| {
                let freed = Count::default();
                let end = Dropped(freed.clone());
                let mut next = Task::new(move || drop(end)).cancel_on_drop();
                for _ in 0..LONG {
                    let after = next;
                    next = Task::new(move || drop(after)).cancel_on_drop();
                }
                drop(next);
                assert_eq!(freed.get(), 1);
            });
        });
    }

    // Contract: D2. Each token's raise cancels a task, whose `finally` raises the next token.
    #[test]
    fn tokens_and_tasks_in_turn() {
        isolated("flat_stack::tokens_and_tasks_in_turn", || {
            on_a_small_stack(|| {
                let last = CancelToken::new();
                let mut next = last.clone();
                let pool = Pool::builder().max_threads(1).build().unwrap();
                let (gate, begun) = (Gate::default(), Count::default());
                let (held, begin) = (gate.clone(), begun.clone());
                pool.spawn(move || {
                    begin.add();
                    held.pass();
                })
                .detach();
                begun.reach(1);
                for _ in 0..LONG / 10 {
                    let (token, after) = (CancelToken::new(), next);
                    let builder = Task::builder().pool(&pool).cancel_token(&token);
                    builder
                        .spawn(|| ())
                        .finally(move || {
                            after.cancel();
                        })
                        .detach();
                    next = token;
                }
                assert!(next.cancel());
                assert!(last.is_cancelled());
                gate.open();
            });
        });
    }

    // Contract: D2. The same where the thread has no list any more.
    #[test]
    fn on_a_thread_without_thread_locals() {
        struct OnExit(Option<CancelToken>);
        impl Drop for OnExit {
            fn drop(&mut self) {
                self.0.take().unwrap().cancel();
            }
        }
        std::thread_local! {
            static FIRST: std::cell::RefCell<Option<OnExit>> = const { std::cell::RefCell::new(None) };
        }
        isolated("flat_stack::on_a_thread_without_thread_locals", || {
            let last = CancelToken::new();
            let end = last.clone();
            on_a_small_stack(move || {
                // Registered before the crate's thread-locals, so dropped after them.
                FIRST.with(|first| assert!(first.borrow().is_none()));
                let mut next = end;
                for _ in 0..LONG {
                    let (token, after) = (CancelToken::new(), next);
                    token.on_cancel(move || {
                        after.cancel();
                    });
                    next = token;
                }
                FIRST.with(|first| *first.borrow_mut() = Some(OnExit(Some(next))));
                // Has the crate make its own.
                deferred::<()>().1.cancel();
            });
            assert!(last.is_cancelled());
        });
    }
}

mod setters {
    use super::*;

    #[test]
    fn a_second_token_of_a_task_is_added() {
        within(|| {
            for raised in 0..2 {
                let tokens = [CancelToken::new(), CancelToken::new()];
                let task = Task::builder()
                    .cancel_token(&tokens[0])
                    .cancel_token(&tokens[1])
                    .spawn_with(work);
                tokens[raised].cancel();
                assert!(task.wait().unwrap_err().is_cancelled());
            }
            // The same one twice is one.
            let token = CancelToken::new();
            let builder = Task::builder().cancel_token(&token).cancel_token(&token);
            let task = builder.spawn_with(work).catch(|_| ()).then(|()| 7);
            token.cancel();
            assert_eq!(task.wait().unwrap(), 7);
        });
    }

    #[test]
    fn a_second_token_of_a_pool_is_added() {
        within(|| {
            for raised in 0..2 {
                let tokens = [CancelToken::new(), CancelToken::new()];
                let pool = Pool::builder()
                    .cancel_token(&tokens[0])
                    .cancel_token(&tokens[1])
                    .build()
                    .unwrap();
                let task = pool.spawn_with(work);
                tokens[raised].cancel();
                assert!(task.wait().unwrap_err().is_cancelled());
            }
        });
    }

    #[test]
    fn a_tasks_second_name_and_pool_replace_the_first() {
        within(|| {
            let pool = |name: &str| Pool::builder().name(name).build().unwrap();
            let (one, two) = (pool("one"), pool("two"));
            let task = Task::builder()
                .name("first")
                .name("second")
                .pool(&one)
                .pool(&two)
                .spawn(|| thread::current().name().map(str::to_owned));
            assert_eq!(task.name(), Some("second"));
            assert!(task.wait().unwrap().unwrap().starts_with("two-"));
        });
    }

    #[test]
    fn a_pools_other_settings_are_replaced() {
        within(|| {
            let (forgotten, started, stopped) =
                (Count::default(), Count::default(), Count::default());
            let hook = |count: &Count| {
                let count = count.clone();
                move |_| count.add()
            };
            let pool = Pool::builder()
                .name("one")
                .name("two")
                .core_threads(0)
                .core_threads(1)
                .max_threads(0)
                .max_threads(1)
                .keep_alive(Duration::MAX)
                .keep_alive(Duration::from_millis(1))
                .stack_size(usize::MAX)
                .stack_size(1 << 20)
                .queue_limit(0)
                .queue_limit(1)
                .on_thread_start(hook(&forgotten))
                .on_thread_start(hook(&started))
                .on_thread_stop(hook(&forgotten))
                .on_thread_stop(hook(&stopped))
                .build()
                .unwrap();
            assert_eq!((pool.name(), pool.max_threads()), ("two", 1));
            pool.spawn(|| ()).wait().unwrap();
            let report = pool.shutdown(fast_async::Shutdown::Drain, Duration::MAX);
            assert!(report.is_complete());
            assert_eq!((forgotten.get(), started.get(), stopped.get()), (0, 1, 1));
        });
    }
}

mod places {
    use super::*;

    /// A pool of one thread at a long job, with room for one more.
    fn full_but_for_one() -> (Pool, Gate) {
        let pool = Pool::builder()
            .max_threads(1)
            .queue_limit(1)
            .build()
            .unwrap();
        let (gate, begun) = (Gate::default(), Count::default());
        let (held, begin) = (gate.clone(), begun.clone());
        pool.spawn(move || {
            begin.add();
            held.pass();
        })
        .detach();
        begun.reach(1);
        (pool, gate)
    }

    // Contract: P3, C1
    #[test]
    fn a_cancelled_job_releases_its_slot_at_once() {
        within(|| {
            let (pool, gate) = full_but_for_one();
            for _ in 0..3 {
                assert_eq!(pool.spawn(|| ()).cancel(), CancelOutcome::Prevented);
            }
            let token = CancelToken::new();
            let builder = Task::builder().pool(&pool).cancel_token(&token);
            let task = builder.spawn(|| ()).then(|()| 1);
            token.cancel();
            assert!(task.is_settled());
            let seven = pool.spawn(|| 7);
            assert!(pool.try_spawn(|| ()).is_err(), "that was the last place");
            assert_eq!(seven.cancel(), CancelOutcome::Prevented);
            let Ok(task) = pool.try_spawn(|| 8) else {
                panic!("there is room again")
            };
            gate.open();
            assert_eq!(task.wait().unwrap(), 8);
            // The entries that were left behind took nothing with them.
            assert_eq!(pool.spawn(|| 9).wait().unwrap(), 9);
        });
    }

    // Contract: P3, C1
    #[test]
    fn what_is_cancelled_in_the_queue_gives_its_place_back() {
        type Way = fn(&Pool);
        const WAYS: [(&str, Way); 5] = [
            ("a future", |pool| {
                pool.spawn_future(async {}).cancel();
            }),
            ("a future under a token", |pool| {
                let token = CancelToken::new();
                let builder = Task::builder().pool(pool).cancel_token(&token);
                let task = builder.spawn_future(async {});
                token.cancel();
                assert!(task.is_settled());
            }),
            ("a chain that was sent there", |pool| {
                Task::ready(()).on(pool).then(|()| ()).cancel();
            }),
            ("a chain of an executor that passes jobs on", |pool| {
                let own = pool.clone();
                let executor = move |job: Job| own.execute(job);
                Task::ready(()).on(&executor).then(|()| ()).cancel();
            }),
            ("a branch that was sent there", |pool| {
                let shared = Task::ready(()).share();
                shared.on(pool).then(|()| ()).cancel();
            }),
        ];
        within(|| {
            for (name, end) in WAYS {
                let (pool, gate) = full_but_for_one();
                end(&pool);
                let room = pool.try_spawn(|| 7).ok();
                let room = room.unwrap_or_else(|| panic!("{name} keeps the place"));
                assert!(pool.try_spawn(|| ()).is_err(), "{name} gives two back");
                gate.open();
                assert_eq!(room.wait().unwrap(), 7);
                assert!(pool.wait_idle(Duration::MAX));
                // The entry that was left in the queue gives nothing back again.
                let (begun, gate) = (Count::default(), Gate::default());
                let (begin, held) = (begun.clone(), gate.clone());
                pool.spawn(move || {
                    begin.add();
                    held.pass();
                })
                .detach();
                begun.reach(1);
                assert!(
                    pool.try_spawn(|| ()).is_ok(),
                    "{name} keeps the place after all"
                );
                assert!(pool.try_spawn(|| ()).is_err(), "{name} gives two back");
                gate.open();
            }
        });
    }

    // Contract: P3, C1. A thread is to drop it, which needs no place.
    #[test]
    fn a_future_that_is_queued_to_be_dropped_has_no_place() {
        within(|| {
            let pool = Pool::builder().max_threads(1).queue_limit(1);
            let pool = pool.build().unwrap();
            let task = pool.spawn_future(std::future::pending::<()>());
            assert!(pool.wait_idle(Duration::MAX));
            let (gate, begun) = (Gate::default(), Count::default());
            let (held, begin) = (gate.clone(), begun.clone());
            pool.spawn(move || {
                begin.add();
                held.pass();
            })
            .detach();
            begun.reach(1);
            task.cancel();
            assert!(pool.try_spawn(|| ()).is_ok(), "it keeps the place");
            assert!(pool.try_spawn(|| ()).is_err(), "it gives two back");
            gate.open();
        });
    }

    // Contract: P3. A task that is cancelled from the start needs no room.
    #[test]
    fn a_task_under_a_raised_token_needs_no_place() {
        within(|| {
            let (pool, gate) = full_but_for_one();
            let queued = pool.spawn(|| 7);
            let token = CancelToken::new();
            token.cancel();
            let builder = Task::builder().pool(&pool).cancel_token(&token);
            assert!(builder.spawn(|| ()).wait().unwrap_err().is_cancelled());
            gate.open();
            assert_eq!(queued.wait().unwrap(), 7);
        });
    }

    // Contract: P3. The number of slots is the same after cancels, runs and rejections.
    #[test]
    fn slots_are_neither_lost_nor_created() {
        within(|| {
            for round in 0..200 {
                let pool = Pool::builder()
                    .max_threads(2)
                    .queue_limit(2)
                    .build()
                    .unwrap();
                for n in 0..20 {
                    let task = pool.spawn(move || n);
                    if (n + round) % 3 > 0 {
                        task.cancel();
                    } else {
                        task.then(|n| n + 1).detach();
                    }
                }
                assert!(pool.wait_idle(Duration::MAX));
                let (gate, begun) = (Gate::default(), Count::default());
                for _ in 0..2 {
                    let (held, begin) = (gate.clone(), begun.clone());
                    pool.spawn(move || {
                        begin.add();
                        held.pass();
                    })
                    .detach();
                }
                begun.reach(2);
                let places = (0..4).filter_map(|_| pool.try_spawn(|| ()).ok());
                let places: Vec<_> = places.collect();
                assert_eq!(places.len(), 2);
                gate.open();
            }
        });
    }
}

mod whole_chain {
    use super::*;

    /// Has a second part wait for a task that never comes, and tells when it does.
    type Waits = fn(Task<()>, Task<()>, mpsc::Sender<()>) -> Task<()>;

    /// What a closure of the second part does.
    fn wait_for<T>(
        never: Task<()>,
        tell: mpsc::Sender<()>,
    ) -> impl FnOnce(T) -> Task<()> + Send + 'static {
        move |_| {
            tell.send(()).unwrap();
            never
        }
    }

    const CHAINS: [(&str, Waits); 11] = [
        ("a link", |head, never, tell| {
            head.and_then(wait_for(never, tell))
        }),
        ("a time limit", |head, never, tell| {
            head.timeout(HOUR).and_then(wait_for(never, tell))
        }),
        ("a limit with a value", |head, never, tell| {
            let head = head.timeout_or(HOUR, ());
            head.and_then(wait_for(never, tell))
        }),
        ("a limit that hands back", |head, never, tell| {
            head.within(HOUR).and_then(wait_for(never, tell))
        }),
        ("one that has handed back", |head, never, tell| {
            // The time is over before the head may end, which is held up.
            let late = head.within(Duration::from_millis(1)).wait().unwrap();
            late.unwrap_err().and_then(wait_for(never, tell))
        }),
        ("one that hands back at once", |head, never, tell| {
            let over = head.within(Duration::ZERO);
            over.and_then(wait_for(never, tell))
        }),
        ("a resource", |head, never, tell| {
            head.using(
                move |_: &mut ()| {
                    tell.send(()).unwrap();
                    never
                },
                |()| Ok(()),
            )
        }),
        ("behind a resource", |head, never, tell| {
            let used = head.using(|_| Ok(()), |()| Ok(()));
            used.and_then(wait_for(never, tell))
        }),
        ("a shield", |head, never, tell| {
            head.shielded().and_then(wait_for(never, tell))
        }),
        ("a branch", |head, never, tell| {
            let shared = head.share();
            shared.and_then(move |_| {
                tell.send(()).unwrap();
                never
            })
        }),
        ("a branch on an executor", |head, never, tell| {
            let shared = head.share();
            shared.on(Pool::global()).and_then(move |_| {
                tell.send(()).unwrap();
                never
            })
        }),
    ];

    // Contract: C2
    #[test]
    fn a_token_is_heard_behind_every_verb() {
        within(|| {
            for (name, chain) in CHAINS {
                for of_pool in [false, true] {
                    let token = CancelToken::new();
                    let mut pool = Pool::builder().max_threads(2);
                    if of_pool {
                        pool = pool.cancel_token(&token);
                    }
                    let pool = pool.build().unwrap();
                    let mut builder = Task::builder().pool(&pool);
                    if !of_pool {
                        builder = builder.cancel_token(&token);
                    }
                    let (resolver, never) = deferred::<()>();
                    let (gate, (tell, told)) = (Gate::default(), mpsc::channel());
                    let held = gate.clone();
                    // The head is pending when the verb comes.
                    let task = chain(builder.spawn(move || held.pass()), never, tell);
                    gate.open();
                    told.recv().unwrap();
                    assert!(pool.wait_idle(PATIENCE) && Pool::global().wait_idle(PATIENCE));
                    token.cancel();
                    let outcome = task.wait_timeout(PATIENCE).ok();
                    let outcome = outcome.unwrap_or_else(|| panic!("{name} hears nothing"));
                    assert!(outcome.unwrap_err().is_cancelled(), "{name}");
                    assert!(!resolver.is_wanted(), "{name}");
                }
            }
        });
    }

    // Contract: C2. As a link, a branch gets the failure of what it waits for.
    #[test]
    fn a_branch_gets_the_failure_of_its_cancelled_source() {
        within(|| {
            let token = CancelToken::new();
            let (started, gate) = (Gate::default(), Gate::default());
            let (tell, held) = (started.clone(), gate.clone());
            let shared = Task::builder().cancel_token(&token).spawn(move || {
                tell.open();
                held.pass();
                1
            });
            let shared = shared.share();
            let recovered =
                shared.handle(|outcome| outcome.is_err_and(|error| error.is_cancelled()));
            let skipped = shared.then(|_| -> u32 { panic!("it is skipped") });
            started.pass();
            token.cancel();
            assert!(recovered.wait().unwrap());
            assert!(skipped.wait().unwrap_err().is_cancelled());
            gate.open();
        });
    }

    // Contract: C2
    #[test]
    fn a_branch_after_the_one_that_raises_the_token_never_runs() {
        within(|| {
            let token = CancelToken::new();
            let pool = Pool::builder().cancel_token(&token).build().unwrap();
            let gate = Gate::default();
            let (held, ran, raised) = (gate.clone(), Count::default(), token.clone());
            let shared = pool.spawn(move || held.pass()).share();
            let first = shared.then(move |()| {
                raised.cancel();
            });
            let run = ran.clone();
            let second = shared.then(move |()| run.add());
            gate.open();
            assert!(first.wait().unwrap_err().is_cancelled());
            assert!(second.wait().unwrap_err().is_cancelled());
            assert_eq!(ran.get(), 0);
        });
    }

    // Contract: S1, C1. It is a step of a settled task, as a late link is.
    #[test]
    fn a_branch_that_comes_after_the_raise_runs() {
        within(|| {
            let token = CancelToken::new();
            let pool = Pool::builder().cancel_token(&token).build().unwrap();
            let shared = pool.spawn(|| 1).share();
            shared.wait().unwrap();
            token.cancel();
            assert_eq!(shared.then(|n| n + 1).wait().unwrap(), 2);
            assert_eq!(shared.cloned().then(|n| n + 1).wait().unwrap(), 2);
        });
    }

    // Contract: C2
    #[test]
    fn a_link_that_waits_for_a_task_is_cancelled() {
        within(|| {
            let token = CancelToken::new();
            let pool = Pool::builder().cancel_token(&token).build().unwrap();
            let (resolver, never) = deferred::<u32>();
            let (tell, told) = mpsc::channel();
            let task = pool.spawn(|| ()).and_then(move |()| {
                tell.send(()).unwrap();
                never
            });
            told.recv().unwrap();
            assert!(pool.wait_idle(Duration::MAX));
            token.cancel();
            assert!(!resolver.is_wanted(), "what it waits for is cancelled too");
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: C2
    #[test]
    fn a_link_after_the_one_that_raises_the_token_never_runs() {
        within(|| {
            for links in 1..4 {
                let token = CancelToken::new();
                let pool = Pool::builder().cancel_token(&token).build().unwrap();
                let gate = Gate::default();
                let (held, ran) = (gate.clone(), Count::default());
                let raised = token.clone();
                let mut task = pool.spawn(move || held.pass()).then(move |()| {
                    raised.cancel();
                });
                for _ in 0..links {
                    let run = ran.clone();
                    task = task.then(move |()| run.add());
                }
                gate.open();
                assert!(task.wait().unwrap_err().is_cancelled());
                assert_eq!(ran.get(), 0);
            }
        });
    }

    // Contract: C2
    #[test]
    fn a_later_catch_recovers_the_whole_chain() {
        within(|| {
            let token = CancelToken::new();
            let raised = token.clone();
            let gate = Gate::default();
            let held = gate.clone();
            let task = Task::builder()
                .cancel_token(&token)
                .spawn(move || held.pass())
                .then(move |()| {
                    raised.cancel();
                    1
                })
                .then(|_| -> u32 { panic!("it is skipped") })
                .catch(|error| {
                    assert!(error.is_cancelled());
                    10
                })
                .then(|n| n + 1)
                .then(|n| n + 1);
            gate.open();
            assert_eq!(task.wait().unwrap(), 12);
        });
    }

    // Contract: S1, C1
    #[test]
    fn settled_tasks_keep_their_outcome_and_run_their_steps() {
        within(|| {
            let token = CancelToken::new();
            let pool = Pool::builder().cancel_token(&token).build().unwrap();
            let task = pool.spawn(|| 1);
            until(|| task.is_settled());
            assert!(pool.wait_idle(Duration::MAX));
            token.cancel();
            let seen = Count::default();
            let see = seen.clone();
            task.on_settled(move |outcome| {
                assert_eq!(*outcome.unwrap(), 1);
                see.add();
            });
            assert_eq!(task.then(|n| n + 1).wait().unwrap(), 2);
            assert_eq!(seen.get(), 1);
        });
    }

    // Contract: C1. It was settled, and has more to do when the token is raised.
    #[test]
    fn a_task_that_continues_is_under_its_tokens_again() {
        within(|| {
            let token = CancelToken::new();
            let pool = Pool::builder().cancel_token(&token).build().unwrap();
            let task = pool.spawn(|| 1);
            assert!(pool.wait_idle(Duration::MAX));
            assert!(task.is_settled());
            let (resolver, never) = deferred::<u32>();
            let (tell, told) = mpsc::channel();
            let task = task.and_then(move |_| {
                tell.send(()).unwrap();
                never
            });
            told.recv().unwrap();
            assert!(pool.wait_idle(Duration::MAX));
            token.cancel();
            assert!(task.wait().unwrap_err().is_cancelled());
            assert!(!resolver.is_wanted());
        });
    }

    // Contract: S5, C2. Tasks that only carry are left out of a line, unless that would lose a
    // token.
    #[test]
    fn the_token_of_a_task_in_the_middle_of_a_line_is_heard() {
        within(|| {
            let token = CancelToken::new();
            let (resolver, never) = deferred::<u32>();
            let (tell, told) = mpsc::channel();
            let middle = Task::builder().cancel_token(&token).spawn(|| ()).and_then({
                let tell = tell.clone();
                move |()| {
                    tell.send(()).unwrap();
                    never
                }
            });
            told.recv().unwrap();
            assert!(Pool::global().wait_idle(Duration::MAX));
            let outer = attempt(move || middle);
            until(|| outer.thread().is_some());
            assert!(Pool::global().wait_idle(Duration::MAX));
            token.cancel();
            assert!(outer.wait().unwrap_err().is_cancelled());
            assert!(!resolver.is_wanted());
        });
    }

    // Contract: D7. Observers see the outcome that they subscribed to.
    #[test]
    fn observers_before_the_next_link_see_the_outcome() {
        within(|| {
            let token = CancelToken::new();
            let gate = Gate::default();
            let held = gate.clone();
            let task = Task::builder().cancel_token(&token).spawn(move || {
                held.pass();
                1
            });
            let log = Log::default();
            let (raised, first, second) = (token.clone(), log.note("first"), log.note("second"));
            task.on_settled(move |_| {
                raised.cancel();
                first();
            });
            task.on_settled(move |outcome| {
                assert_eq!(*outcome.unwrap(), 1);
                second();
            });
            let task = task.then(|n| n + 1);
            gate.open();
            assert!(task.wait().unwrap_err().is_cancelled());
            assert_eq!(log.take(), ["first", "second"]);
        });
    }
}

mod reports {
    use super::*;

    // Contract: C5
    #[test]
    fn a_failure_by_the_cancel_of_another_task_is_reported() {
        isolated(
            "reports::a_failure_by_the_cancel_of_another_task_is_reported",
            || {
                let reports = Arc::new(Mutex::new(Vec::new()));
                let found = reports.clone();
                set_unhandled_hook(move |error| found.lock().unwrap().push(error.to_string()));
                let take = || {
                    assert!(Pool::global().wait_idle(Duration::MAX));
                    std::mem::take(&mut *reports.lock().unwrap())
                };
                let (_resolver, needed) = deferred::<()>();
                let token = CancelToken::new();
                let needed = Task::builder().cancel_token(&token).attempt(move || needed);
                let task = attempt(move || {
                    needed.wait()?;
                    Ok(())
                });
                until(|| task.thread().is_some());
                drop(task);
                token.cancel();
                let found = take();
                assert_eq!(found.len(), 1, "{found:?}");
                assert!(found[0].starts_with("was cancelled"), "{found:?}");

                // A task that is cancelled itself is not, for any outcome of its closure.
                let token = CancelToken::new();
                Task::builder()
                    .cancel_token(&token)
                    .attempt_with(|context| {
                        until(|| context.is_cancelled());
                        context.check()?;
                        Ok(())
                    })
                    .or_else(|error| Err(error.into()))
                    .then(|()| ())
                    .detach();
                token.cancel();
                assert!(take().is_empty());

                // Shared, raced and shielded: the failure that was passed on is reported once.
                let failed = || {
                    let (_resolver, needed) = deferred::<()>();
                    needed.cancel();
                    attempt(move || {
                        needed.wait()?;
                        Ok(())
                    })
                };
                drop(failed().share());
                assert_eq!(take().len(), 1);
                let shared = failed().share();
                drop((shared.cloned(), shared.cloned(), shared));
                assert_eq!(take().len(), 1);
                drop(fast_async::all(vec![failed()]));
                assert_eq!(take().len(), 1);
                drop(failed().shielded());
                assert_eq!(take().len(), 1);
                assert!(failed().wait().is_err());
                assert!(take().is_empty(), "it was looked at");
            },
        );
    }
}

mod reasons {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Closed(u32);
    impl std::fmt::Display for Closed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "window {} was closed", self.0)
        }
    }
    impl std::error::Error for Closed {}

    #[test]
    fn a_task_is_cancelled_with_a_reason() {
        let (_resolver, task) = deferred::<()>();
        assert_eq!(task.cancel_with("not needed"), CancelOutcome::Prevented);
        assert_eq!(task.cancel_with("late"), CancelOutcome::TooLate);
        let error = task.then(|()| ()).wait().unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.to_string(), "was cancelled: not needed");
        let text = format!("{error:#}");
        assert!(text.starts_with("was cancelled: not needed [at "), "{text}");

        let (_resolver, task) = deferred::<()>();
        task.cancel_with(Closed(3));
        let error = task.wait().unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Closed(3)));
        // It is in the text, so it is not the source as well.
        assert!(std::error::Error::source(&error).is_none());
        assert!(format!("{error:?}").contains("Closed(3)"));
    }

    #[test]
    fn the_closure_and_everything_cancelled_with_it_see_the_cancel() {
        within(|| {
            let (tell, told) = mpsc::channel();
            let begun = Count::default();
            let begin = begun.clone();
            let head = fast_async::attempt_with(move |context| {
                assert!(context.reason().is_none());
                begin.add();
                until(|| context.is_cancelled());
                tell.send((context.reason().unwrap(), context.check().unwrap_err()))
                    .unwrap();
                Ok(1)
            });
            begun.reach(1);
            let (_resolver, open) = deferred::<u32>();
            let open = open.share();
            let task = fast_async::all(vec![head, open.cloned()]).then(|_| ());
            assert_eq!(task.cancel_with(Closed(4)), CancelOutcome::Signalled);
            let (reason, checked) = told.recv().unwrap();
            assert_eq!(reason.downcast_ref(), Some(&Closed(4)));
            assert_eq!(checked.downcast_ref(), Some(&Closed(4)));
        });
    }

    #[test]
    fn a_token_is_raised_with_a_reason() {
        within(|| {
            let token = CancelToken::new();
            let child = token.child();
            let begun = Count::default();
            let begin = begun.clone();
            let builder = Task::builder().cancel_token(&child);
            let task = builder.spawn_with(move |context| {
                begin.add();
                work(context);
            });
            begun.reach(1);
            assert!(token.reason().is_none());
            assert!(token.cancel_with(Closed(5)));
            assert!(!token.cancel_with("late"));
            for token in [&token, &child, &token.child()] {
                assert_eq!(token.reason().unwrap().downcast_ref(), Some(&Closed(5)));
            }
            assert_eq!(task.wait().unwrap_err().downcast_ref(), Some(&Closed(5)));
            let late = Task::builder().cancel_token(&token).spawn(|| ());
            assert_eq!(late.wait().unwrap_err().downcast_ref(), Some(&Closed(5)));
            // Without one.
            let token = CancelToken::new();
            token.cancel();
            let reason = token.reason().unwrap();
            assert_eq!(reason.to_string(), "was cancelled");
            assert!(format!("{reason:#}").starts_with("was cancelled [at "));
        });
    }

    // Contract: S2
    #[test]
    fn a_reason_that_panics_when_dropped_affects_no_task() {
        #[derive(Debug)]
        struct Bomb;
        impl std::fmt::Display for Bomb {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bomb")
            }
        }
        impl std::error::Error for Bomb {}
        impl Drop for Bomb {
            fn drop(&mut self) {
                if !thread::panicking() {
                    panic!("in a drop");
                }
            }
        }
        let (_resolver, task) = deferred::<()>();
        task.cancel_with(Bomb);
        assert_eq!(task.cancel_with(Bomb), CancelOutcome::TooLate);
        drop(task);
        assert_eq!(spawn(|| 1).wait().unwrap(), 1);
    }
}
