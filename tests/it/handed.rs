//! Work that was handed off: only its present owner runs it, and no thread runs it in place of
//! another task's work.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::support::{Gate, LIMIT, Log, within};
use fast_async::{
    CancelOutcome, ErrorKind, Executor, Inline, Job, LoopQueue, Pool, Shutdown, Status, Task,
    TaskError, attempt_with, deferred, spawn,
};

/// A pool of one thread, which is busy until the gate is open.
fn jammed(name: &str) -> (Pool, Gate) {
    let pool = Pool::builder().name(name).core_threads(1).max_threads(1);
    let pool = pool.build().expect("a valid pool");
    let (busy, gate) = (Gate::new(), Gate::new());
    let (at, until) = (busy.clone(), gate.clone());
    pool.spawn(move || {
        at.open();
        until.pass();
    })
    .detach();
    busy.pass();
    (pool, gate)
}

mod stale {
    use super::*;

    /// An entry of the pool's queue that a cancel has left behind.
    #[test]
    fn a_queue_does_not_run_steps_that_were_sent_to_an_executor() {
        within(|| {
            let (pool, gate) = jammed("stale");
            let here = LoopQueue::new();
            let task = pool.spawn(|| thread::current().id());
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            let task = task.on(&here).catch(|_| thread::current().id());
            gate.open();
            assert!(pool.wait_idle(LIMIT));
            assert!(!task.is_settled(), "the queue has not run it");
            assert_eq!(here.run_until(task).unwrap(), thread::current().id());
        });
    }

    #[test]
    fn a_pool_does_not_reject_steps_that_were_sent_to_an_executor() {
        within(|| {
            let (pool, gate) = jammed("refuse");
            let here = LoopQueue::new();
            let task = pool.spawn(String::new);
            task.cancel();
            let task = task.on(&here).catch(|err| err.to_string());
            let report = {
                let pool = pool.clone();
                let closer = thread::spawn(move || pool.shutdown(Shutdown::Discard, LIMIT));
                gate.open();
                closer.join().unwrap()
            };
            assert!(report.is_complete(), "{report:?}");
            assert!(!task.is_settled(), "the pool had no say in it");
            assert!(here.run_until(task).unwrap().contains("cancelled"));
        });
    }

    // Contract: W1, P4. The entry that a waiting worker has left in the queue is not rejected.
    #[test]
    fn a_pool_does_not_reject_a_job_that_a_waiting_worker_runs() {
        within(|| {
            let pool = Pool::builder().core_threads(1).max_threads(1);
            let pool = pool.build().unwrap();
            let (begun, go_on) = (Gate::new(), Gate::new());
            let (at, until) = (begun.clone(), go_on.clone());
            let (send, received) = channel::<Task<u32>>();
            let outer = pool.spawn(move || received.recv().unwrap().wait());
            // From outside, so that it is in the injector and not in the worker's local queue.
            let inner = pool.spawn(move || {
                at.open();
                until.pass();
                7
            });
            send.send(inner).unwrap();
            begun.pass();
            let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
            assert_eq!((report.discarded, report.queued), (0, 0));
            assert!(!report.is_complete(), "its thread is still there");
            go_on.open();
            assert_eq!(outer.wait().unwrap().unwrap(), 7);
        });
    }

    // Contract: P4
    #[test]
    fn continuations_that_a_pool_discards_are_counted() {
        within(|| {
            let (pool, gate) = jammed("counted");
            let task = Task::ready(1).on(&pool).then(|n| n + 1);
            let report = pool.shutdown(Shutdown::Discard, Duration::ZERO);
            assert_eq!(report.discarded, 1);
            gate.open();
            assert!(task.wait().is_err());
        });
    }

    /// Keeps its jobs.
    #[derive(Clone, Default)]
    struct Hoard(Arc<parking_lot::Mutex<Vec<Job>>>);

    impl Executor for Hoard {
        fn execute(&self, job: Job) {
            self.0.lock().push(job);
        }
    }

    #[test]
    fn a_late_job_runs_no_step_of_the_next_executor() {
        within(|| {
            let (first, second) = (Hoard::default(), LoopQueue::new());
            let task = Task::ready(1).on(&first).then(|n| n + 1);
            let job = first.0.lock().pop().unwrap();
            task.cancel();
            let task = task.on(&second).catch(|_| 7);
            job.run();
            assert!(!task.is_settled());
            assert_eq!(second.run_until(task).unwrap(), 7);
        });
    }
}

mod branches {
    use super::*;

    // Contract: W1
    #[test]
    fn a_worker_of_another_pool_may_wait_for_a_branch() {
        within(|| {
            for _ in 0..50 {
                let other = Pool::builder()
                    .name("other")
                    .max_threads(1)
                    .build()
                    .unwrap();
                let shared = Task::ready(7).share();
                let task = other.spawn(move || shared.then(|n| n + 1).wait().unwrap());
                assert_eq!(task.wait().unwrap(), 8);
            }
        });
    }

    #[test]
    fn a_branch_runs_where_its_source_was_sent() {
        within(|| {
            let here = LoopQueue::new();
            let shared = Task::ready(1).on(&here).share();
            let branch = spawn(move || shared.then(|_| thread::current().id()).wait().unwrap());
            assert_eq!(here.run_until(branch).unwrap(), thread::current().id());
        });
    }

    // Contract: D1
    #[test]
    fn a_branch_that_is_waited_for_does_not_overtake_an_observer() {
        within(|| {
            let log = Log::new();
            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            let (begun, go_on) = (Gate::new(), Gate::new());
            let (at, until, first, second) =
                (begun.clone(), go_on.clone(), log.clone(), log.clone());
            shared.on_settled(move |_| {
                at.open();
                until.pass();
                first.push("observer");
            });
            let branch = shared.then(move |_| second.push("branch"));
            let settler = thread::spawn(move || resolver.resolve(1).unwrap());
            begun.pass();
            let pool = Pool::builder().max_threads(1).build().unwrap();
            let waiter = pool.spawn(move || branch.wait().unwrap());
            // The waiter has gone to sleep when another thread stands in for it.
            while pool.metrics().blocked == 0 {
                thread::yield_now();
            }
            assert_eq!(log.len(), 0, "the observer is not done");
            go_on.open();
            waiter.wait().unwrap();
            settler.join().unwrap();
            assert_eq!(log.take(), ["observer", "branch"]);
        });
    }
}

mod cancelled {
    use super::*;

    #[test]
    fn a_cancel_leaves_the_choice_of_the_executor() {
        within(|| {
            let here = LoopQueue::new();
            let (_resolver, task) = deferred::<u32>();
            let task = task.on(&here).then(|n| n + 1);
            task.cancel();
            let place = task.handle(|_| thread::current().id());
            assert_eq!(here.run_until(place).unwrap(), thread::current().id());
        });
    }

    #[test]
    fn an_observer_after_on_does_not_change_the_executor() {
        within(|| {
            let here = LoopQueue::new();
            let (_resolver, task) = deferred::<u32>();
            let task = task.on(&here).inspect(|_| ()).then(|n| n + 1);
            task.cancel();
            let place = task.handle(|_| thread::current().id());
            assert_eq!(here.run_until(place).unwrap(), thread::current().id());
        });
    }

    /// What the observers of a task have seen.
    type Seen = Log<Result<u32, ErrorKind>>;

    fn watch(task: &Task<u32>, seen: &Seen) {
        let seen = seen.clone();
        task.on_settled(move |outcome| seen.push(outcome.copied().map_err(TaskError::kind)));
    }

    // Contract: D1, C1. The outcome is there, and only a thread is missing: a cancel of what comes
    // after is not theirs.
    #[test]
    fn observers_that_wait_for_their_executor_see_the_outcome_from_before_the_cancel() {
        within(|| {
            let (here, seen) = (LoopQueue::new(), Log::new());
            let task = Task::ready(1).on(&here);
            watch(&task, &seen);
            watch(&task, &seen);
            let task = task.then(|_| unreachable!("cancelled before it starts"));
            watch(&task, &seen);
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            // So are the steps chained on the cancelled task, before its executor runs any of them.
            let task = task.catch(|_| unreachable!("cancelled before it starts"));
            assert_eq!(task.cancel(), CancelOutcome::Prevented);
            here.run_pending();
            assert_eq!(seen.take(), [Ok(1), Ok(1), Err(ErrorKind::Cancelled)]);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        });
    }

    // Contract: S3. The executor that was to carry the cancel out drops the job.
    #[test]
    fn a_cancel_that_is_left_to_a_dead_executor_is_carried_out() {
        within(|| {
            let (here, seen) = (LoopQueue::new(), Log::new());
            let task = Task::ready(1).on(&here);
            watch(&task, &seen);
            let task = task.then(|_| unreachable!("cancelled before it starts"));
            watch(&task, &seen);
            task.cancel();
            drop(here);
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Cancelled);
            assert_eq!(
                seen.take(),
                [Err(ErrorKind::Rejected), Err(ErrorKind::Cancelled)]
            );
        });
    }

    // Contract: C1
    #[test]
    fn the_token_is_raised_while_a_returned_task_is_awaited() {
        within(|| {
            let (tell, told) = channel();
            let (_resolver, inner) = deferred::<()>();
            let task = attempt_with(move |context| {
                tell.send(context.token().clone()).unwrap();
                inner
            });
            let token = told.recv().unwrap();
            assert!(fast_async::Pool::global().wait_idle(LIMIT));
            task.cancel();
            assert!(token.is_cancelled());
        });
    }
}

mod refused {
    use super::*;

    // Contract: D3
    #[test]
    fn a_step_rejected_by_an_executor_does_not_run_in_the_call_that_registers_it() {
        within(|| {
            let queue = LoopQueue::new();
            let task = Task::ready(1).on(&queue);
            drop(queue);
            let here = thread::current().id();
            let task = task.handle(move |outcome| {
                assert_ne!(thread::current().id(), here);
                outcome.unwrap_err().kind()
            });
            assert_eq!(task.wait().unwrap(), ErrorKind::Rejected);
        });
    }
}

mod status {
    use super::*;

    // Contract: S1
    #[test]
    fn an_observer_sees_its_failure_in_the_status() {
        within(|| {
            let (tell, told) = channel();
            let task = Arc::new(Task::<()>::failed("no").on(&Inline));
            let asked = Arc::downgrade(&task);
            task.on_settled(move |_| {
                let task = asked.upgrade().expect("it is held");
                tell.send(task.status()).unwrap();
            });
            assert_eq!(
                told.recv_timeout(Duration::from_secs(10)),
                Ok(Status::Failure)
            );
            let _ = task.error();
        });
    }

    #[test]
    fn an_observer_of_a_shared_task_may_wait_for_it() {
        within(|| {
            let (resolver, task) = deferred::<u32>();
            let shared = task.share();
            let (asked, (tell, told)) = (shared.clone(), channel());
            shared.on_settled(move |_| tell.send(asked.wait().copied().ok()).unwrap());
            resolver.resolve(7).unwrap();
            assert_eq!(told.recv().unwrap(), Some(7));
        });
    }
}

mod taken {
    use super::*;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    /// A task that was awaited to its end.
    fn spent() -> Task<u32> {
        let mut task = Task::ready(1);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut task).poll(&mut context).is_ready());
        task
    }

    // Contract: S3
    #[test]
    fn steps_of_an_awaited_task_settle() {
        within(|| {
            let abandoned = |outcome: Result<u32, fast_async::TaskError>| {
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Abandoned);
            };
            abandoned(spent().then(|n| n + 1).wait());
            abandoned(Task::ready(()).and_then(|()| spent()).wait());
            abandoned(spent().shielded().wait());
            assert_eq!(spent().catch(|_| 7).wait().unwrap(), 7);
            assert_eq!(spent().handle(|_| 8).wait().unwrap(), 8);
            let (tell, told) = channel();
            let task = spent();
            task.on_settled(move |outcome| tell.send(outcome.is_err()).unwrap());
            assert!(told.recv().unwrap());
        });
    }
}
