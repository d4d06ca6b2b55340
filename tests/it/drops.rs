//! When closures and values are dropped: as soon as no task can use them, and outside every lock.

use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Drops, Gate, Log, OnDrop, every_case, expected, one_thread, within};
use fast_async::{CancelOutcome, ErrorKind, Inline, Job, Subscription, Task, deferred, spawn};

// Contract: D6. When the next link runs, the closures of earlier links are dropped, whether they
// ran or were skipped. Case: 31
#[test]
fn a_closure_is_dropped_before_the_next_link_runs() {
    within(|| {
        every_case(|case| {
            type Verb = fn(Task<u32>, crate::support::Token) -> Task<u32>;
            let table: [(&str, Verb); 9] = [
                ("then", |task, token| {
                    task.then(move |n| {
                        token.hold();
                        n
                    })
                }),
                ("and_then", |task, token| {
                    task.and_then(move |n| {
                        token.hold();
                        Ok(n)
                    })
                }),
                ("catch", |task, token| {
                    task.catch(move |_| {
                        token.hold();
                        0
                    })
                }),
                ("or_else", |task, token| {
                    task.or_else(move |error| {
                        token.hold();
                        Err(error.into())
                    })
                }),
                ("catch_as", |task, token| {
                    task.catch_as(move |_: &std::fmt::Error| {
                        token.hold();
                        0
                    })
                }),
                ("handle", |task, token| {
                    task.handle(move |outcome| {
                        token.hold();
                        outcome.unwrap_or(0)
                    })
                }),
                ("finally", |task, token| task.finally(move || token.hold())),
                ("inspect", |task, token| task.inspect(move |_| token.hold())),
                ("subscribe", |task, token| {
                    task.subscribe(move |_| token.hold(), |_| ());
                    task
                }),
            ];
            for (verb, link) in table {
                let sources = [Ok(1), Err("no".into())];
                for source in sources {
                    let drops = Drops::new();
                    let gone = case.run(source, |task| {
                        let task = link(task, drops.token());
                        let drops = drops.clone();
                        task.handle(move |_| drops.count())
                    });
                    assert_eq!(gone.unwrap(), 1, "{verb}, {case:?}");
                }
            }
        });
    });
}

// Contract: D6. The closure of a task is gone before what it returned is passed on.
#[test]
fn a_tasks_own_closure_is_dropped_before_its_continuations_run() {
    within(|| {
        let drops = Drops::new();
        let token = drops.token();
        let hold = Gate::new();
        let pass = hold.clone();
        let task = spawn(move || {
            pass.pass();
            token.hold();
        });
        let seen = drops.clone();
        let task = task.then(move |()| seen.count());
        hold.open();
        assert_eq!(task.wait().unwrap(), 1);
    });
}

// Contract: D6
#[test]
fn unsubscribing_drops_the_closures_at_once() {
    within(|| {
        let (resolver, task) = deferred::<u32>();
        let drops = Drops::new();
        let (one, two, three) = (drops.token(), drops.token(), drops.token());
        let subscription = task.subscribe(move |_| one.hold(), move |_| two.hold());
        let guard = task.on_settled(move |_| three.hold()).guard();
        assert_eq!(drops.count(), 0);
        assert!(subscription.unsubscribe());
        assert_eq!(drops.count(), 2);
        drop(guard);
        assert_eq!(drops.count(), 3);
        let four = drops.token();
        let disarmed = task.on_settled(move |_| four.hold()).guard().into_inner();
        assert_eq!(
            drops.count(),
            3,
            "a guard that was taken apart ends nothing"
        );
        assert!(disarmed.unsubscribe());
        assert_eq!(drops.count(), 4);
        resolver.resolve(1).unwrap();
        assert_eq!(task.wait().unwrap(), 1);
    });
}

// Contract: D6, C1
#[test]
fn cancelling_drops_unneeded_steps_at_once() {
    within(|| {
        let pool = one_thread();
        let (running, go_on) = (Gate::new(), Gate::new());
        let blocker = pool.spawn({
            let (running, go_on) = (running.clone(), go_on.clone());
            move || {
                running.open();
                go_on.pass();
            }
        });
        running.pass();
        let drops = Drops::new();
        let (head, link, rescue) = (drops.token(), drops.token(), drops.token());
        let task = pool
            .spawn(move || head.hold())
            .then(move |()| link.hold())
            .catch(move |_| rescue.hold());
        assert_eq!(task.cancel(), CancelOutcome::Prevented);
        assert_eq!(drops.count(), 3);
        go_on.open();
        blocker.wait().unwrap();
    });
}

// Contract: D6, C1. The driver is among observers and carries the cancel out when they have run;
// what can no longer run does not wait for that. Neither does it run, though it comes next.
#[test]
fn cancelling_drops_unneeded_steps_while_an_observer_runs() {
    within(|| {
        for links in [1, 2] {
            let (looking, go_on) = (Gate::new(), Gate::new());
            let (at, until) = (looking.clone(), go_on.clone());
            let (resolver, task) = deferred::<u32>();
            task.on_settled(move |_| {
                at.open();
                until.pass();
            });
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            looking.pass();
            let drops = Drops::new();
            let task = (0..links).fold(task, |task, _| {
                let token = drops.token();
                task.then(move |_| {
                    token.hold();
                    unreachable!("cancelled before it starts")
                })
            });
            assert_eq!(task.cancel(), CancelOutcome::Signalled);
            assert_eq!(drops.count(), links);
            go_on.open();
            settler.join().unwrap();
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        }
    });
}

// Contract: D6. The link that was to take the value is cancelled, so no consumer can take it.
#[test]
fn cancelling_drops_a_value_that_no_consumer_can_take() {
    within(|| {
        let jobs = Log::new();
        let keep = {
            let jobs = jobs.clone();
            move |job: Job| jobs.push(job)
        };
        for links in [0, 1] {
            let drops = Drops::new();
            let (resolver, mut task) = deferred();
            for _ in 0..links {
                task = task.then(|token: crate::support::Token| token);
            }
            let task = task.on(&keep).then(drop);
            resolver.resolve(drops.token()).unwrap();
            assert_eq!(drops.count(), 0, "it waits for its executor");
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            assert_eq!(drops.count(), 1, "after {links} links");
            jobs.take().into_iter().for_each(Job::run);
        }
    });
}

// Contract: D6, D3. Not in the call that registers it: dropping a closure runs the user's code.
#[test]
fn a_refused_job_drops_the_closure() {
    within(|| {
        let drops = Drops::new();
        let token = drops.token();
        let task = Task::ready(1)
            .on(&|job: Job| drop(job))
            .then(move |_| token.hold());
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Rejected);
        assert_eq!(drops.count(), 1);
    });
}

// Contract: D6. A detached task keeps nothing once it is settled.
#[test]
fn a_settled_task_without_a_handle_keeps_no_memory() {
    within(|| {
        let (resolver, task) = deferred();
        let drops = Drops::new();
        let token = drops.token();
        task.then(move |value: crate::support::Token| {
            token.hold();
            value
        })
        .detach();
        assert_eq!(drops.count(), 0);
        resolver.resolve(drops.token()).unwrap();
        assert_eq!(drops.count(), 2);
    });
}

/// Plays a scene that drops one value, whose drop calls back into the very task that drops it:
/// under a lock that would never return.
fn drops_outside_the_lock(play: impl FnOnce(&Probe) + Send + 'static) {
    within(|| {
        let drops = Drops::new();
        let probe = Probe::new(drops.clone());
        let stage = thread::spawn(move || play(&probe));
        drops.wait_for(1);
        stage.join().unwrap();
    });
}

// Contract: D2, D6
#[test]
fn an_observer_that_is_unsubscribed_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let held = probe.value();
        let subscription = probe.task().on_settled(move |_| held.hold());
        assert!(subscription.unsubscribe());
    });
}

// Contract: D2, D6
#[test]
fn an_observer_that_has_run_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let held = probe.value();
        probe.task().on_settled(move |_| held.hold());
        probe.resolve(());
    });
}

// Contract: D2, D6
#[test]
fn a_closure_that_is_passed_over_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let held = probe.value();
        probe.map(|task| task.then(move |()| held.hold()));
        probe.abandon();
    });
}

// Contract: D2, D6
#[test]
fn a_value_replaced_by_a_panic_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let held = probe.value();
        probe.map(|task| {
            task.then(move |()| held)
                .finally(|| expected("replaces"))
                .then(drop)
        });
        probe.resolve(());
    });
}

// Contract: D2, D6
#[test]
fn a_value_without_a_consumer_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let held = probe.value();
        probe.map(|task| task.then(move |()| held).then(|_| ()));
        probe.detach();
        probe.resolve(());
    });
}

// Contract: D2, D6
#[test]
fn an_error_without_a_consumer_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let held = probe.value();
        probe.map(|task| task.and_then(move |()| Err(Held(Mutex::new(held)).into())));
        probe.detach();
        probe.resolve(());
    });
}

// Contract: D2, D6
#[test]
fn a_cancelled_closure_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let held = probe.value();
        probe.map(|task| task.then(move |()| held.hold()));
        assert_eq!(probe.task().cancel(), CancelOutcome::Prevented);
    });
}

// Contract: D2, D6
#[test]
fn an_executor_that_a_later_one_replaces_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let jobs = Log::new();
        let executor = probe.executor(&jobs);
        probe.map(|task| task.on(&executor).on(&Inline));
        drop(executor);
        probe.resolve(());
        jobs.take().remove(0).run();
    });
}

// Contract: D2, D6
#[test]
fn an_executor_that_is_replaced_on_a_settled_task_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        probe.resolve(());
        let executor = probe.executor(&Log::new());
        probe.map(|task| task.on(&executor));
        drop(executor);
        probe.map(|task| task.on(&Inline));
    });
}

// Contract: D2, D6
#[test]
fn an_executor_that_drops_its_job_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let jobs = Log::new();
        let executor = probe.executor(&jobs);
        probe.map(|task| task.on(&executor).catch(|_| ()));
        drop(executor);
        probe.resolve(());
        drop(jobs.take());
    });
}

// Contract: D2, D6
#[test]
fn a_settled_task_is_dropped_outside_the_lock() {
    drops_outside_the_lock(|probe| {
        let held = probe.value();
        probe.map(|task| task.then(move |()| held).then(|_| ()));
        probe.resolve(());
        probe.detach();
    });
}

#[derive(Debug)]
struct Held(#[allow(dead_code, reason = "it is there to be dropped")] Mutex<Reentrant>);

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error that calls back when it is dropped")
    }
}

impl std::error::Error for Held {}

type Reentrant = OnDrop<Box<dyn FnOnce(thread::ThreadId) + Send + Sync>>;

/// A task, its resolver, and a way into its lock for values that are dropped.
struct Probe {
    resolver: Mutex<Option<fast_async::Resolver<()>>>,
    task: Mutex<Option<Task<()>>>,
    /// Observers of the very same cell; taking one out locks it.
    ways_in: Arc<Mutex<Vec<Subscription>>>,
    drops: Drops,
}

impl Probe {
    fn new(drops: Drops) -> Probe {
        let (resolver, task) = deferred::<()>();
        let ways_in = (0..4).map(|_| task.on_settled(|_| ())).collect();
        Probe {
            resolver: Mutex::new(Some(resolver)),
            task: Mutex::new(Some(task)),
            ways_in: Arc::new(Mutex::new(ways_in)),
            drops,
        }
    }

    /// A value whose drop takes the lock of the task.
    fn value(&self) -> Reentrant {
        let ways_in = self.ways_in.clone();
        let token = self.drops.token();
        OnDrop::new(Box::new(move |_| {
            let way_in = ways_in.lock().unwrap().pop().expect("one per value");
            way_in.unsubscribe();
            drop(token);
        }))
    }

    /// An executor that keeps its jobs in a list, and holds a value.
    fn executor(&self, jobs: &Log<Job>) -> impl Fn(Job) + Clone + Send + Sync + 'static {
        let held = Arc::new(self.value());
        let jobs = jobs.clone();
        move |job| {
            held.hold();
            jobs.push(job);
        }
    }

    fn task(&self) -> Task<()> {
        self.task.lock().unwrap().take().expect("the task")
    }

    fn map(&self, f: impl FnOnce(Task<()>) -> Task<()>) {
        let task = f(self.task());
        *self.task.lock().unwrap() = Some(task);
    }

    fn detach(&self) {
        self.task().detach();
    }

    fn resolve(&self, value: ()) {
        let resolver = self.resolver.lock().unwrap().take();
        resolver.expect("the resolver").resolve(value).unwrap();
    }

    fn abandon(&self) {
        drop(self.resolver.lock().unwrap().take());
    }
}
