//! Code of the user's that uses what has called it, or drops it.

use std::iter;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use fast_async::retry::Decision;
use fast_async::time::Debounce;
use fast_async::{
    BoxError, ErrorKind, Memo, Pool, Retry, Semaphore, Task, TaskQueue, group::Group,
};

use crate::ground::stand;
use crate::support::{Count, Gate, HOUR, OnDrop, PATIENCE, pool_of};

fn queue(pool: &Pool) -> TaskQueue {
    let queue = TaskQueue::builder().pool(pool).limit(1).build();
    queue.expect("good settings")
}

// Contract: D2
#[test]
fn a_job_that_changes_its_queue() {
    stand("job", |ground| {
        let (queue, count) = (queue(&ground.pool), Count::default());
        for _ in 0..20 {
            let (own, done) = (queue.clone(), count.clone());
            let job = queue.spawn(move || {
                own.pause();
                let (after, other) = (done.clone(), done.clone());
                own.spawn(move || after.add()).detach();
                own.at(1).spawn(move || other.add()).detach();
                own.set_limit(2).unwrap();
                assert!(own.try_spawn(|| ()).is_err(), "it is paused");
                own.resume();
                own.set_limit(1).unwrap();
                own.when_below(1)
            });
            let line = job.wait_timeout(PATIENCE).expect("it ends").unwrap();
            assert!(line.wait_timeout(PATIENCE).is_ok_and(|line| line.is_ok()));
        }
        queue.when_idle().wait().unwrap();
        assert_eq!(count.get(), 40);

        // In the drop of what a job has captured, and of one that is cleared.
        let (own, more) = (queue.clone(), count.clone());
        let spawns = OnDrop::new(move |_| own.spawn(move || more.add()).detach());
        queue.spawn(move || spawns.hold()).wait().unwrap();
        queue.pause();
        let (own, more) = (queue.clone(), count.clone());
        let clears = OnDrop::new(move |_| {
            own.clear();
            own.resume();
            own.spawn(move || more.add()).detach();
        });
        let cleared = queue.spawn(move || clears.hold());
        assert_eq!(queue.clear(), 1);
        assert!(cleared.wait().unwrap_err().is_cancelled());
        queue.when_idle().wait().unwrap();
        assert_eq!(count.get(), 42);
    });
}

#[test]
fn a_job_that_clears_the_line_behind_it() {
    stand("clears", |ground| {
        let (queue, started, gate) = (queue(&ground.pool), Gate::new(), Gate::new());
        let (own, start, end) = (queue.clone(), started.clone(), gate.clone());
        let first = queue.spawn(move || {
            start.open();
            end.pass();
            own.clear()
        });
        started.pass();
        let jobs: Vec<_> = (0..10).map(|n| queue.spawn(move || n)).collect();
        gate.open();
        assert_eq!(first.wait().unwrap(), 10);
        for job in jobs {
            assert!(job.wait().unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn permits_that_are_asked_for_and_given_back_in_what_follows_one() {
    stand("permits", |ground| {
        let semaphore = Semaphore::with_pool(2, &ground.pool);
        let own = semaphore.clone();
        let task = semaphore.acquire(2).and_then(move |both| {
            let (one, two) = (own.acquire(1), own.acquire(2));
            assert!(own.try_acquire(1).is_none());
            drop(both);
            two.cancel();
            one.then(move |permit| {
                assert!(own.try_acquire(1).is_some());
                permit.permits()
            })
        });
        assert_eq!(task.wait().unwrap(), 1);
        // A permit in a value without a consumer.
        let own = semaphore.clone();
        let gives = OnDrop::new(move |_| drop(own.acquire(2)));
        drop(semaphore.acquire(2).then(move |permit| (permit, gives)));
        assert!(ground.pool.wait_idle(PATIENCE));
        assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
    });
}

#[test]
fn a_flow_that_is_ended_by_its_own_iterator_or_closure() {
    stand("flow", |ground| {
        for by_iterator in [true, false] {
            let place = Arc::new(Mutex::new(None::<Task<Vec<u32>>>));
            let cancel = {
                let place = place.clone();
                move || {
                    let task = place.lock().unwrap().take();
                    task.is_some_and(|task| {
                        task.cancel();
                        true
                    })
                }
            };
            let ended = Gate::new();
            let (end, own) = (ended.clone(), cancel.clone());
            let last = OnDrop::new(move |_| {
                own();
                end.open();
            });
            let elements = iter::repeat(1).inspect({
                let cancel = cancel.clone();
                move |_| {
                    last.hold();
                    if by_iterator {
                        cancel();
                    }
                }
            });
            let task = ground.pool.map_limit(elements, 2, move |n| {
                if !by_iterator {
                    cancel();
                }
                Ok(n)
            });
            let stopped = task.stopped();
            *place.lock().unwrap() = Some(task);
            let stopped = stopped.wait_timeout(PATIENCE).expect("it ends");
            stopped.unwrap();
            ended.pass();
        }
        // A flow inside the closure of another, which gets threads in the place of those that wait.
        let own = pool_of(2);
        let sums = own.clone().map_limit(0..4, 2, move |n| {
            let inner = own.map_limit(0..n, 2, Ok);
            Ok(inner.wait()?.into_iter().sum::<u32>())
        });
        assert_eq!(sums.wait().unwrap(), [0, 0, 1, 3]);
    });
}

#[test]
fn results_that_are_dropped_where_they_are_made() {
    stand("results", |ground| {
        let place = Arc::new(Mutex::new(None));
        let own = place.clone();
        let results = ground.pool.map_unordered(0.., 2, move |n: u32| {
            drop(own.lock().unwrap().take());
            Ok(n)
        });
        *place.lock().unwrap() = Some(results);
        assert!(ground.pool.wait_idle(PATIENCE), "it ends");
    });
}

#[test]
fn a_task_that_starts_others_of_its_group_while_it_is_dropped() {
    stand("group", |ground| {
        let count = Count::default();
        let counted = count.clone();
        let ended = Group::builder().pool(&ground.pool).run(move |g| {
            let (group, more) = (g.clone(), counted.clone());
            let spawns = OnDrop::new(move |_| group.spawn(move || more.add()).detach());
            g.spawn(move || spawns.hold()).detach();
            let (group, more) = (g.clone(), counted.clone());
            let cancels = OnDrop::new(move |_| {
                group.cancel();
                more.add();
            });
            g.spawn(move || cancels.hold()).detach();
        });
        ended.unwrap();
        assert!((1..=2).contains(&count.get()));
    });
}

#[test]
fn a_policy_that_retries_itself() {
    stand("policy", |_| {
        // One that waits is replaced, which leaves a thread more.
        let pool = pool_of(2);
        let own = pool.clone();
        let policy = Retry::attempts(3).when(move |_, _| {
            let inner = own.retry(Retry::attempts(2), |_| Err::<(), _>("no".into()));
            assert_eq!(inner.wait().unwrap_err().attempts(), Some(2));
            Decision::Again
        });
        let task = pool.retry(policy, |_| Err::<(), BoxError>("no".into()));
        assert_eq!(task.wait().unwrap_err().attempts(), Some(3));
    });
}

#[test]
fn calls_of_a_debounce_in_its_closure_and_in_its_drops() {
    stand("debounce", |ground| {
        let place: Arc<Mutex<Option<Debounce<u32, u32>>>> = Arc::default();
        let own = place.clone();
        let debounce = ground.pool.debounce(Duration::ZERO, move |n| {
            let debounce = own.lock().unwrap().clone().expect("it is there");
            if n > 0 {
                debounce.call(n - 1).detach();
                debounce.flush();
            }
            Ok(n)
        });
        *place.lock().unwrap() = Some(debounce.clone());
        assert_eq!(debounce.call(5).wait().unwrap(), 5);
        assert!(ground.pool.wait_idle(PATIENCE));
        place.lock().unwrap().take();

        type Argument = OnDrop<Box<dyn FnOnce(ThreadId) + Send>>;
        type Place = Arc<Mutex<Option<Debounce<Option<Argument>, ()>>>>;
        let place = Place::default();
        let debounce = ground.pool.debounce(HOUR, |_| Ok(()));
        *place.lock().unwrap() = Some(debounce.clone());
        let (own, called) = (place.clone(), Count::default());
        let again = called.clone();
        let argument = OnDrop::new(Box::new(move |_| {
            let debounce = own.lock().unwrap().clone().expect("it is there");
            debounce.call(None).detach();
            assert!(debounce.cancel());
            again.add();
        }) as Box<dyn FnOnce(_) + Send>);
        debounce.call(Some(argument)).detach();
        debounce.call(None).detach();
        assert_eq!(called.get(), 1);
        place.lock().unwrap().take();
    });
}

#[test]
fn a_loader_that_asks_for_other_keys_and_changes_its_cache() {
    stand("loader", |ground| {
        let place: Arc<Mutex<Option<Memo<u32, u32>>>> = Arc::default();
        let own = place.clone();
        let memo = Memo::new(move |n: &u32| {
            let memo = own.lock().unwrap().clone().expect("it is there");
            memo.forget(n);
            memo.clear();
            match n {
                0 => Task::ready(1),
                n => {
                    let n = *n;
                    memo.get(n - 1).cloned().then(move |before| before * n)
                }
            }
        });
        let memo = memo.pool(&ground.pool).capacity(2);
        *place.lock().unwrap() = Some(memo.clone());
        assert_eq!(memo.get(5).cloned().wait().unwrap(), 120);
        place.lock().unwrap().take();
    });
}

#[test]
fn an_interval_whose_closure_drops_its_handle() {
    stand("interval", |ground| {
        let place = Arc::new(Mutex::new(None));
        let (own, called) = (place.clone(), Gate::new());
        let call = called.clone();
        let interval = ground.pool.every(Duration::from_nanos(1), move || {
            let interval = own.lock().unwrap().take();
            if interval.is_some() {
                call.open();
            }
        });
        *place.lock().unwrap() = Some(interval);
        called.pass();
        assert!(ground.pool.wait_idle(PATIENCE));
    });
}

#[test]
fn a_wait_for_what_comes_after_the_waiting_closure() {
    stand("after", |ground| {
        let queue = queue(&ground.pool);
        let own = queue.clone();
        let job = queue.attempt(move || Ok(own.spawn(|| 7).wait()?));
        let error = job.wait_timeout(PATIENCE).expect("it ends").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cycle);
        assert_eq!(queue.spawn(|| 7).wait().unwrap(), 7);
    });
}
