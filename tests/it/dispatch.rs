//! Dispatch: in which order, on which thread and under what conditions the subscribers of a task
//! run, and when they are dropped.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::support::{
    Gate, LIMIT, Latch, Log, When, every_case, expected, isolated, one_thread, within,
};
use fast_async::{
    CancelOutcome, ErrorKind, Inline, Job, Pool, Status, Task, TaskError, deferred, spawn,
};

mod order {
    use super::*;

    // Contract: D1
    // Case: 17
    #[test]
    fn subscribers_run_in_the_order_in_which_they_subscribed() {
        within(|| {
            every_case(|case| {
                let sources = [Ok(1), Err("no".into())];
                for source in sources {
                    let log = Log::new();
                    let outcome = case.run(source, |task| {
                        for number in 0..10 {
                            let log = log.clone();
                            match number % 3 {
                                0 => task.on_settled(move |_| log.push(number)),
                                1 => {
                                    let other = log.clone();
                                    let ok = move |_: &u32| log.push(number);
                                    task.subscribe(ok, move |_| other.push(number))
                                }
                                _ => task.on_settled(move |outcome| {
                                    log.push(number);
                                    if outcome.is_err() {
                                        expected("in an observer");
                                    }
                                }),
                            };
                        }
                        let (ten, eleven) = (log.clone(), log.clone());
                        task.finally(move || ten.push(10)).handle(move |outcome| {
                            eleven.push(11);
                            outcome.is_ok()
                        })
                    });
                    outcome.unwrap();
                    assert_eq!(log.take(), (0..12).collect::<Vec<_>>(), "{case:?}");
                }
            });
        });
    }

    // Contract: D1. The list is open while it is worked through.
    // Case: 24
    #[test]
    fn a_subscriber_that_arrives_while_others_run_runs_after_them() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let task = Arc::new(task);
            let log = Log::new();
            let (running, go_on) = (Gate::new(), Gate::new());
            task.on_settled({
                let (log, running, go_on) = (log.clone(), running.clone(), go_on.clone());
                move |_| {
                    running.open();
                    go_on.pass();
                    log.push("first");
                }
            });
            let second = log.clone();
            task.on_settled(move |_| second.push("second"));
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            running.pass();
            assert!(task.is_settled(), "the outcome is decided");
            let late = log.clone();
            task.on_settled(move |_| late.push("late"));
            assert_eq!(log.len(), 0, "not inside the call that registered it");
            go_on.open();
            settler.join().unwrap();
            let task = Arc::into_inner(task).unwrap();
            assert_eq!(task.wait().unwrap(), 1);
            assert_eq!(log.take(), ["first", "second", "late"]);
        });
    }

    // Contract: D1, D8
    // Case: 19
    #[test]
    fn a_subscriber_added_by_a_subscriber_runs_after_earlier_ones() {
        within(|| {
            every_case(|case| {
                if case.when == When::Before {
                    // The first one might run before the second is there.
                    return;
                }
                let log = Log::new();
                let n = case.run(Ok(1), |task| {
                    let task = task.share();
                    task.on_settled({
                        let (log, task) = (log.clone(), task.clone());
                        move |_| {
                            log.push("first");
                            task.on_settled(move |_| log.push("added"));
                        }
                    });
                    let second = log.clone();
                    task.on_settled(move |_| second.push("second"));
                    let mark = log.clone();
                    task.then(move |n| {
                        mark.push("branch");
                        *n
                    })
                });
                assert_eq!(n.unwrap(), 1, "{case:?}");
                let seen = log.take();
                assert_eq!(seen[..2], ["first", "second"], "{case:?}");
            });
        });
    }

    // Contract: D1. One after another also means: never two at a time, though they arrive from many
    // threads.
    #[test]
    fn subscribers_of_one_task_never_overlap() {
        const THREADS: usize = 4;
        const EACH: usize = 200;
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let (inside, overlaps) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicUsize::new(0)),
            );
            let done = Latch::new(THREADS * EACH);
            let halfway = Latch::new(THREADS);
            let orders = Log::new();
            thread::scope(|scope| {
                let subscribe = |number| {
                    let (task, inside, overlaps) = (&task, &inside, &overlaps);
                    let (done, halfway, orders) = (&done, &halfway, &orders);
                    scope.spawn(move || {
                        for turn in 0..EACH {
                            if turn == EACH / 2 {
                                halfway.count_down();
                            }
                            let (inside, overlaps) = (inside.clone(), overlaps.clone());
                            let (done, orders) = (done.clone(), orders.clone());
                            task.on_settled(move |_| {
                                if inside.swap(true, Ordering::AcqRel) {
                                    overlaps.fetch_add(1, Ordering::Relaxed);
                                }
                                orders.push((number, turn));
                                thread::yield_now();
                                inside.store(false, Ordering::Release);
                                done.count_down();
                            });
                        }
                    })
                };
                let subscribers: Vec<_> = (0..THREADS).map(subscribe).collect();
                halfway.wait();
                resolver.resolve(1).unwrap();
                // The scope would wait too, but unseen by the thread sanitizer.
                for subscriber in subscribers {
                    subscriber.join().unwrap();
                }
            });
            done.wait();
            assert_eq!(overlaps.load(Ordering::Relaxed), 0);
            let orders = orders.take();
            for number in 0..THREADS {
                let turns: Vec<usize> = orders
                    .iter()
                    .filter(|(by, _)| *by == number)
                    .map(|(_, turn)| *turn)
                    .collect();
                assert_eq!(
                    turns,
                    (0..EACH).collect::<Vec<_>>(),
                    "the steps of thread {number}"
                );
            }
        });
    }

    // Contract: D1. The one that is running when a cancel comes finishes before the next one
    // starts.
    #[test]
    fn subscribers_do_not_overlap_during_a_cancel() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let log = Log::new();
            let (running, go_on) = (Gate::new(), Gate::new());
            task.on_settled({
                let (log, running, go_on) = (log.clone(), running.clone(), go_on.clone());
                move |_| {
                    running.open();
                    go_on.pass();
                    log.push("first");
                }
            });
            let second = log.clone();
            task.on_settled(move |_| second.push("second"));
            let tail = task.then(|n| n + 1);
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            running.pass();
            tail.cancel();
            go_on.open();
            settler.join().unwrap();
            assert!(tail.wait().unwrap_err().is_cancelled());
            assert_eq!(log.take(), ["first", "second"]);
        });
    }

    /// Has an observer look at the task from when the first gate opens until the second is opened.
    fn look(task: &Task<u32>) -> (Gate, Gate) {
        let (looking, go_on) = (Gate::new(), Gate::new());
        let (at, until) = (looking.clone(), go_on.clone());
        task.on_settled(move |_| {
            at.open();
            until.pass();
        });
        (looking, go_on)
    }

    // Contract: D1, C1. The outcome that they subscribed to is there and they are due, so the
    // cancel affects only later steps.
    #[test]
    fn observers_that_are_due_see_the_value_and_later_ones_the_cancel() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let seen = Log::new();
            let watch = |task: &Task<u32>| {
                let seen = seen.clone();
                task.on_settled(move |outcome| seen.push(outcome.ok().copied()));
            };
            let (looking, go_on) = look(&task);
            (0..5).for_each(|_| watch(&task));
            let task = task.then(|_| unreachable!("cancelled before it starts"));
            (0..5).for_each(|_| watch(&task));
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            looking.pass();
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            assert_eq!(seen.len(), 0, "none runs at the same time as the observer");
            go_on.open();
            settler.join().unwrap();
            assert_eq!(seen.take(), [[Some(1); 5], [None; 5]].concat());
        });
    }

    // Contract: C3. The branches hang behind the observer: to them the cancel comes in time.
    #[test]
    fn a_shared_task_that_is_cancelled_while_an_observer_looks_is_cancelled() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let (looking, go_on) = look(&task);
            let shared = task.share();
            let seen = Log::new();
            let saw = seen.clone();
            shared.on_settled(move |outcome| saw.push(outcome.copied().map_err(TaskError::kind)));
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            looking.pass();
            assert_eq!(shared.cancel(), Some(CancelOutcome::Signalled));
            go_on.open();
            settler.join().unwrap();
            assert_eq!(seen.take(), [Err(ErrorKind::Cancelled)]);
        });
    }

    // Contract: D1, C2. Each cancel is deferred to the thread that runs the observer. The steps are
    // told of it in the order of registration, except steps that were unsubscribed since.
    #[test]
    fn steps_cancelled_repeatedly_run_once_and_in_order() {
        within(|| {
            let (resolver, mut task) = deferred::<u32>();
            let (looking, go_on) = look(&task);
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            looking.pass();
            let log = Log::new();
            for turn in 0..4 {
                let (seen, closed, gone) = (log.clone(), log.clone(), log.clone());
                let subscription = (turn % 2 > 0).then(|| {
                    task.on_settled(move |_| seen.push(("observer", turn)));
                    task.on_settled(move |_| gone.push(("unsubscribed", turn)))
                });
                task = task.finally(move || closed.push(("finally", turn)));
                assert_eq!(task.cancel(), CancelOutcome::Signalled);
                if let Some(subscription) = subscription {
                    assert!(subscription.unsubscribe());
                }
            }
            go_on.open();
            settler.join().unwrap();
            assert_eq!(
                log.take(),
                [
                    ("finally", 0),
                    ("observer", 1),
                    ("finally", 1),
                    ("finally", 2),
                    ("observer", 3),
                    ("finally", 3),
                ]
            );
            assert!(task.wait().unwrap_err().is_cancelled());
        });
    }

    // Contract: D4. The next one in the list is gone, and the later ones are not.
    #[test]
    fn an_observer_that_is_unsubscribed_while_the_link_before_it_runs_is_skipped() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let log = Log::new();
            for number in 0..2 {
                let log = log.clone();
                task.on_settled(move |_| log.push(number));
            }
            let (running, go_on) = (Gate::new(), Gate::new());
            let (at, until) = (running.clone(), go_on.clone());
            let task = task.then(move |n| {
                at.open();
                until.pass();
                n + 1
            });
            let subscriptions = [2, 3, 4].map(|number| {
                let log = log.clone();
                task.on_settled(move |_| log.push(number))
            });
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            running.pass();
            let [first, second, _] = subscriptions;
            assert!(first.unsubscribe() && second.unsubscribe());
            go_on.open();
            settler.join().unwrap();
            assert_eq!(log.take(), [0, 1, 4]);
            assert_eq!(task.wait().unwrap(), 2);
        });
    }
}

mod threads {
    use super::*;

    // Contract: D2
    #[test]
    fn the_thread_that_settles_runs_the_waiting_steps() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let threads = Log::new();
            let [one, two, three] = [(); 3].map(|()| {
                let threads = threads.clone();
                move || threads.push(thread::current().id())
            });
            task.on_settled(move |_| one());
            let task = task
                .then(move |n| {
                    two();
                    n
                })
                .finally(three);
            resolver.resolve(1).unwrap();
            assert_eq!(threads.take(), [thread::current().id(); 3]);
            assert_eq!(task.wait().unwrap(), 1);
        });
    }

    // Contract: D2
    #[test]
    fn the_worker_that_ran_the_closure_runs_the_chain() {
        within(|| {
            let gate = Gate::new();
            let hold = gate.clone();
            let task = spawn(move || {
                hold.pass();
                thread::current().id()
            })
            .then(|before| (before, thread::current().id()));
            gate.open();
            let (before, after) = task.wait().unwrap();
            assert_eq!(before, after);
        });
    }

    thread_local! {
        static REGISTERING: Cell<bool> = const { Cell::new(false) };
    }

    // Contract: D3
    // Case: 20
    #[test]
    fn a_continuation_never_runs_inside_the_call_that_registers_it() {
        within(|| {
            let pool = Pool::builder().name("home").build().unwrap();
            let settled_by_a_worker = || {
                let task = pool.spawn(|| 1);
                let settled = Gate::new();
                let open = settled.clone();
                task.on_settled(move |_| open.open());
                settled.pass();
                task
            };
            type Register = fn(Task<u32>) -> Task<bool>;
            let table: [(&str, Register); 6] = [
                ("then", |task| task.then(|_| inside())),
                ("and_then", |task| task.and_then(|_| Ok(inside()))),
                ("handle", |task| task.handle(|_| inside())),
                ("finally", |task| {
                    let (resolver, answer) = deferred();
                    task.finally(move || resolver.resolve(inside()).unwrap())
                        .detach();
                    answer
                }),
                ("on_settled", |task| {
                    let (resolver, answer) = deferred();
                    task.on_settled(move |_| resolver.resolve(inside()).unwrap());
                    answer
                }),
                ("a branch", |task| {
                    let shared = task.share();
                    shared.then(|_| inside())
                }),
            ];
            for (verb, register) in table {
                for task in [settled_by_a_worker(), Task::ready(1)] {
                    REGISTERING.set(true);
                    let task = register(task);
                    REGISTERING.set(false);
                    assert!(!task.wait().unwrap(), "{verb} ran inside the call");
                }
            }
        });
    }

    /// True on the thread that is registering, while it does.
    fn inside() -> bool {
        REGISTERING.get()
    }

    // Contract: D3
    #[test]
    fn a_late_continuation_goes_to_the_pool_of_its_task() {
        within(|| {
            let pool = Pool::builder().name("home").build().unwrap();
            let task = pool.spawn(|| ());
            let seen = Gate::new();
            let open = seen.clone();
            task.on_settled(move |_| open.open());
            seen.pass();
            let name = task.then(|()| thread::current().name().map(str::to_string));
            assert!(name.wait().unwrap().unwrap().starts_with("home-"));
        });
    }

    // Contract: D3. The named way to ask for the opposite.
    // Case: 20
    #[test]
    fn inline_runs_inside_the_call_on_a_settled_task() {
        within(|| {
            REGISTERING.set(true);
            let task = Task::ready(1).on(&Inline).then(|_| inside());
            REGISTERING.set(false);
            assert_eq!(task.status(), Status::Success);
            assert!(task.wait().unwrap());
        });
    }

    // Contract: D5. A chain longer than the budget lets a job that waits for its worker go first;
    // one whose steps take turns with observers too, which are not given to the driver many at
    // once.
    #[test]
    fn a_long_chain_does_not_hold_its_worker_from_others() {
        const LINKS: usize = 10_000;
        type Link = fn(Task<()>, Arc<AtomicUsize>) -> Task<()>;
        let count: Link = |chain, done| {
            chain.then(move |()| {
                done.fetch_add(1, Ordering::Relaxed);
            })
        };
        let look: Link = |chain, done| {
            chain.then(|()| ()).inspect(move |()| {
                done.fetch_add(1, Ordering::Relaxed);
            })
        };
        for link in [count, look] {
            within(move || {
                let pool = one_thread();
                let hold = Gate::new();
                let pass = hold.clone();
                // Its continuation leaves the worker with a budget that is not used up.
                let blocker = pool.spawn(move || pass.pass()).then(|()| ());
                let done = Arc::new(AtomicUsize::new(0));
                let mut chain = pool.spawn(|| ());
                for _ in 0..LINKS {
                    chain = link(chain, done.clone());
                }
                let other = pool.spawn({
                    let done = done.clone();
                    move || done.load(Ordering::Relaxed)
                });
                hold.open();
                let before = other.wait().unwrap();
                assert!(before < LINKS, "it waited for the whole chain");
                chain.wait().unwrap();
                assert_eq!(done.load(Ordering::Relaxed), LINKS);
                blocker.wait().unwrap();
            });
        }
    }

    // Contract: D5. Many short chains that one callback settles are as long as a long one.
    #[test]
    fn a_callback_that_settles_many_tasks_does_not_hold_its_worker_from_others() {
        const TASKS: usize = 10_000;
        within(|| {
            let pool = one_thread();
            let hold = Gate::new();
            let pass = hold.clone();
            let blocker = pool.spawn(move || pass.pass());
            // Counted where the worker runs them. What it hands over goes to the global pool, whose
            // threads may be done with it before the worker comes to its next job.
            let worker = Arc::new(OnceLock::new());
            let done = Arc::new(AtomicUsize::new(0));
            let (resolvers, tasks): (Vec<_>, Vec<_>) = (0..TASKS)
                .map(|_| {
                    let (resolver, task) = deferred();
                    let (done, worker) = (done.clone(), worker.clone());
                    // Carried from the one to the other by way of the work list.
                    let (outer, followed) = deferred();
                    assert!(outer.settle_with(task).is_ok());
                    let followed = followed.then(move |()| {
                        let is_there = worker.get() == Some(&thread::current().id());
                        done.fetch_add(usize::from(is_there), Ordering::Relaxed);
                    });
                    (resolver, followed)
                })
                .unzip();
            let settler = pool.spawn(|| ()).then(move |()| {
                worker.set(thread::current().id()).unwrap();
                for resolver in resolvers {
                    resolver.resolve(()).unwrap();
                }
            });
            let other = pool.spawn({
                let done = done.clone();
                move || done.load(Ordering::Relaxed)
            });
            hold.open();
            let before = other.wait().unwrap();
            assert!(before < TASKS, "it waited for all of them");
            for task in tasks {
                task.wait().unwrap();
            }
            settler.wait().unwrap();
            blocker.wait().unwrap();
        });
    }

    // Contract: D2. It has no other jobs: however long the chain is, a thread of the user's own
    // hands nothing over.
    #[test]
    fn a_user_thread_runs_the_steps_that_it_settles() {
        within(|| {
            for is_mixed in [false, true] {
                let here = thread::current().id();
                let elsewhere = Arc::new(AtomicUsize::new(0));
                let (resolver, mut chain) = deferred();
                for _ in 0..5_000 {
                    let elsewhere = elsewhere.clone();
                    chain = chain.then(move |()| {
                        let strays = thread::current().id() != here;
                        elsewhere.fetch_add(usize::from(strays), Ordering::Relaxed);
                    });
                    if is_mixed {
                        chain = chain.inspect(|()| ());
                    }
                }
                resolver.resolve(()).unwrap();
                assert_eq!(chain.status(), Status::Success);
                assert_eq!(elsewhere.load(Ordering::Relaxed), 0);
            }
        });
    }

    // Contract: D2, D5. With `Inline` there is no other thread to hand over to: the chain
    // continues, and the stack stays flat.
    #[test]
    fn a_long_inline_chain_on_a_busy_worker_keeps_its_stack_flat() {
        isolated(
            "threads::a_long_inline_chain_on_a_busy_worker_keeps_its_stack_flat",
            || {
                const LINKS: usize = 100_000;
                let pool = one_thread();
                let hold = Gate::new();
                let pass = hold.clone();
                let blocker = pool.spawn(move || pass.pass());
                let mut chain = pool.spawn(|| 0).on(&Inline);
                for _ in 0..LINKS {
                    chain = chain.then(|n| n + 1);
                }
                let other = pool.spawn(|| ());
                hold.open();
                assert_eq!(chain.wait().unwrap(), LINKS);
                other.wait().unwrap();
                blocker.wait().unwrap();
            },
        );
    }

    // Contract: D2. The same for a chain that changes its executor at every link.
    #[test]
    fn a_chain_of_many_hops_keeps_the_stack_flat() {
        isolated("threads::a_chain_of_many_hops_keeps_the_stack_flat", || {
            const HOPS: usize = 100_000;
            let pool = one_thread();
            for late in [false, true] {
                let (resolver, task) = deferred();
                let resolver = if late {
                    Some(resolver)
                } else {
                    resolver.resolve(0).unwrap();
                    None
                };
                let mut task = task;
                for hop in 0..HOPS {
                    task = match hop % 3 {
                        0 => task.on(&Inline),
                        1 => task.on(&|job: Job| job.run()),
                        _ => task.on(&pool),
                    };
                    task = task.then(|n| n + 1);
                }
                if let Some(resolver) = resolver {
                    resolver.resolve(0).unwrap();
                }
                assert_eq!(task.wait().unwrap(), HOPS);
            }
        });
    }

    // Contract: D2. The same for a line of forks: a branch that has run leaves its steps to the
    // thread's list.
    #[test]
    fn a_line_of_forks_keeps_the_stack_flat() {
        isolated("threads::a_line_of_forks_keeps_the_stack_flat", || {
            const FORKS: u32 = 20_000;
            let (resolver, source) = deferred::<u32>();
            let last = (0..FORKS).fold(source, |task, _| task.share().then(|n| n + 1));
            resolver.resolve(0).unwrap();
            assert_eq!(last.wait().unwrap(), FORKS);
        });
    }

    // Contract: D2. An executor of the user's own that runs jobs on the spot.
    #[test]
    fn many_hops_to_an_inline_executor_keep_the_stack_flat() {
        isolated(
            "threads::many_hops_to_an_inline_executor_keep_the_stack_flat",
            || {
                const HOPS: usize = 100_000;
                let (resolver, mut task) = deferred();
                for _ in 0..HOPS {
                    task = task.on(&|job: Job| job.run()).then(|n| n + 1);
                }
                resolver.resolve(0).unwrap();
                assert_eq!(task.wait().unwrap(), HOPS);
            },
        );
    }

    // Contract: D2
    #[test]
    fn many_hops_to_an_executor_that_drops_its_jobs_keep_the_stack_flat() {
        isolated(
            "threads::many_hops_to_an_executor_that_drops_its_jobs_keep_the_stack_flat",
            || {
                const HOPS: usize = 100_000;
                let (resolver, mut task) = deferred();
                for _ in 0..HOPS {
                    task = task.on(&|job: Job| drop(job)).catch(|_| 1);
                }
                resolver.resolve(0).unwrap();
                assert_eq!(task.wait().unwrap_or(0), 1);
            },
        );
    }
}

mod unharmed {
    use super::*;

    // Contract: D4
    // Case: 18
    #[test]
    fn one_panicking_subscriber_starves_no_other() {
        within(|| {
            every_case(|case| {
                let text = format!("the first observer in {case:?}");
                let log = Log::new();
                let n = case.run(Ok(1), |task| {
                    let message = text.clone();
                    task.on_settled(move |_| expected(&message));
                    let (two, three) = (log.clone(), log.clone());
                    task.on_settled(move |_| two.push("second"));
                    task.then(move |n| {
                        three.push("consumer");
                        n + 1
                    })
                });
                assert_eq!(n.unwrap(), 2, "{case:?}");
                assert_eq!(log.take(), ["second", "consumer"], "{case:?}");
                assert_eq!(crate::support::reports(&text), 1, "{case:?}");
            });
        });
    }

    // Contract: D4
    // Case: 18
    #[test]
    fn one_failing_branch_starves_no_other() {
        within(|| {
            every_case(|case| {
                let sum = case.run(Ok(1), |task| {
                    let task = task.share();
                    let bad = task.then(|_| -> u32 { expected("in a branch") });
                    let good = task.then(|n| n + 1);
                    let both = [bad.catch(|error| u32::from(error.is_panic())), good];
                    fast_async::all(both).then(|both| both.iter().sum::<u32>())
                });
                assert_eq!(sum.unwrap(), 3, "{case:?}");
            });
        });
    }
}

mod consumers {
    use super::*;

    /// A task whose one observer waits for a gate, while another thread settles it.
    struct Observed {
        task: Task<u32>,
        running: Gate,
        go_on: Gate,
        finished: Arc<AtomicBool>,
        settler: thread::JoinHandle<()>,
    }

    fn observed() -> Observed {
        let (resolver, task) = deferred();
        let (running, go_on) = (Gate::new(), Gate::new());
        let finished = Arc::new(AtomicBool::new(false));
        task.on_settled({
            let (running, go_on, finished) = (running.clone(), go_on.clone(), finished.clone());
            move |outcome| {
                running.open();
                go_on.pass();
                assert_eq!(outcome.ok(), Some(&1), "still there");
                finished.store(true, Ordering::Release);
            }
        });
        let settler = thread::spawn(move || resolver.resolve(1).unwrap());
        Observed {
            task,
            running,
            go_on,
            finished,
            settler,
        }
    }

    // Contract: D7
    #[test]
    fn the_value_is_taken_when_the_observers_have_run() {
        within(|| {
            type Taker = fn(Task<u32>) -> u32;
            let table: [(&str, Taker); 7] = [
                ("wait", |task| task.wait().unwrap()),
                ("wait_timeout", |task| {
                    task.wait_timeout(LIMIT).unwrap().unwrap()
                }),
                ("then", |task| task.then(|n| n).wait().unwrap()),
                ("share", |task| *task.share().wait().unwrap()),
                ("shielded", |task| task.shielded().wait().unwrap()),
                ("all", |task| fast_async::await_all([task]).unwrap()[0]),
                ("adoption", |task| {
                    Task::ready(()).and_then(|()| task).wait().unwrap()
                }),
            ];
            for (taker, take) in table {
                let scene = observed();
                scene.running.pass();
                let finished = scene.finished.clone();
                let task = scene.task;
                let consumer = thread::spawn(move || {
                    let n = take(task);
                    (n, finished.load(Ordering::Acquire))
                });
                scene.go_on.open();
                let (n, observer_had_finished) = consumer.join().unwrap();
                assert_eq!(n, 1, "{taker}");
                assert!(observer_had_finished, "{taker} was ahead of an observer");
                scene.settler.join().unwrap();
            }
        });
    }

    // Contract: D7. Settled is not yet free to take.
    #[test]
    fn the_value_stays_while_an_observer_runs() {
        within(|| {
            let scene = observed();
            scene.running.pass();
            assert!(scene.task.is_settled());
            let task = scene.task.try_wait().expect_err("an observer is looking");
            scene.go_on.open();
            scene.settler.join().unwrap();
            assert_eq!(task.try_wait().expect("it is free").unwrap(), 1);
        });
    }

    // Contract: D7. Neither `Clone` nor `Sync`, and no `Arc` around it.
    #[test]
    fn a_value_that_is_neither_clone_nor_sync_is_observed_and_consumed() {
        struct Plain(Cell<u32>);
        within(|| {
            let (resolver, task) = deferred();
            for _ in 0..3 {
                task.subscribe(|plain: &Plain| plain.0.set(plain.0.get() + 1), |_| ());
            }
            let task = task.inspect(|plain| plain.0.set(plain.0.get() * 10));
            resolver.resolve(Plain(Cell::new(0))).ok().unwrap();
            assert_eq!(task.wait().unwrap().0.get(), 30);
        });
    }
}
