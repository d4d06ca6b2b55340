//! Groups: when they end, what fails them, what they cancel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{
    Count, Drops, Gate, SECOND, expected, one_thread, pool_of, reports, virtual_pool, within,
};
use fast_async::error::BoxError;
use fast_async::group::Group;
use fast_async::{ErrorKind, Pool, Shutdown, Task, deferred, group, spawn};

/// A task of `g` that runs until it is cancelled, and the gate that opens when it has begun.
fn endless(g: &Group) -> (Task<()>, Gate) {
    let began = Gate::new();
    let begin = began.clone();
    let task = g.spawn_with(move |ctx| {
        begin.open();
        while !ctx.is_cancelled() {
            std::thread::yield_now();
        }
    });
    (task, began)
}

mod ends {
    use super::*;

    // Contract: G1
    #[test]
    fn it_returns_when_all_have_ended_with_and_without_handles() {
        within(|| {
            let ended = Count::default();
            let count = ended.clone();
            let kept = group(|g| {
                for _ in 0..50 {
                    let count = count.clone();
                    g.spawn(std::thread::yield_now)
                        .then(move |()| count.add())
                        .detach();
                }
                let count = count.clone();
                Ok(g.spawn(move || count.add()))
            });
            assert_eq!(ended.get(), 51);
            assert!(kept.unwrap().is_settled());
        });
    }

    // Contract: G1, X2
    // Case: 153
    #[test]
    fn it_waits_for_cancelled_closures_that_run_on() {
        within(|| {
            let over = Arc::new(AtomicBool::new(false));
            let (began, gate) = (Gate::new(), Gate::new());
            let opens = gate.clone();
            let done = over.clone();
            let value = group(|g| {
                let (begin, done) = (began.clone(), done.clone());
                let stubborn = g.spawn(move || {
                    begin.open();
                    gate.pass();
                    done.store(true, Ordering::SeqCst);
                });
                began.pass();
                g.cancel();
                assert!(stubborn.is_settled());
                // Not in the group: it lets the closure continue.
                spawn(move || opens.open()).detach();
                Ok(7)
            });
            assert_eq!(value.unwrap(), 7);
            assert!(over.load(Ordering::SeqCst));
        });
    }

    // Contract: G1
    #[test]
    fn an_empty_group_returns_at_once() {
        within(|| {
            assert_eq!(group(|_| Ok(1)).unwrap(), 1);
            group(|_| ()).unwrap();
            group(|g| g.spawn(|| ()).detach()).unwrap();
            // It leaves no failure of its own behind.
            assert_eq!(reports("before settling it) [at tests/it/group.rs"), 0);
        });
    }

    // Contract: G1
    #[test]
    fn tasks_that_tasks_start_are_waited_for() {
        within(|| {
            let count = Arc::new(AtomicUsize::new(0));
            let seen = count.clone();
            fn tree(g: &Group, count: &Arc<AtomicUsize>, depth: u32) {
                count.fetch_add(1, Ordering::SeqCst);
                if depth > 0 {
                    for _ in 0..2 {
                        let (own, count) = (g.clone(), count.clone());
                        g.spawn(move || tree(&own, &count, depth - 1)).detach();
                    }
                }
            }
            group(|g| tree(g, &count, 8)).unwrap();
            assert_eq!(seen.load(Ordering::SeqCst), (1 << 9) - 1);
        });
    }

    // Contract: G1
    #[test]
    fn what_is_chained_late_is_waited_for() {
        within(|| {
            let done = Count::default();
            let count = done.clone();
            group(|g| {
                let settled = g.spawn(|| ());
                while !settled.is_settled() {
                    std::thread::yield_now();
                }
                let count = count.clone();
                settled
                    .then(move |()| {
                        std::thread::yield_now();
                        count.add();
                    })
                    .detach();
            })
            .unwrap();
            assert_eq!(done.get(), 1);
        });
    }

    // Contract: G1
    #[test]
    fn a_returned_task_is_waited_for_and_rounds_run_flat() {
        within(|| {
            let (resolver, inner) = deferred();
            let settles = spawn(move || resolver.resolve(7).unwrap());
            let mut kept = None;
            group(|g| kept = Some(g.attempt(move || inner))).unwrap();
            assert_eq!(kept.unwrap().wait().unwrap(), 7);
            settles.wait().unwrap();

            fn round(g: Group, left: u32) -> Task<u32> {
                if left == 0 {
                    return Task::ready(0);
                }
                let own = g.clone();
                g.attempt(move || round(own, left - 1))
            }
            let n = group(|g| Ok(round(g.clone(), 20_000).wait()?));
            assert_eq!(n.unwrap(), 0);
        });
    }

    // Contract: G1, W1
    #[test]
    fn groups_nest_on_one_thread() {
        within(|| {
            fn deep(pool: &Pool, left: u32) -> u32 {
                if left == 0 {
                    return 0;
                }
                let own = pool.clone();
                let n = pool.group(|g| Ok(g.spawn(move || deep(&own, left - 1)).wait()?));
                n.unwrap() + 1
            }
            let pool = one_thread();
            let own = pool.clone();
            assert_eq!(pool.spawn(move || deep(&own, 20)).wait().unwrap(), 20);
        });
    }

    // Contract: G1, W3
    #[test]
    fn a_task_that_waits_for_the_groups_own_task_is_a_cycle() {
        within(|| {
            let (resolver, own) = deferred::<Task<ErrorKind>>();
            let task = spawn(move || {
                let own = own.wait().unwrap();
                let failed = group(|g| g.spawn(move || drop(own.wait())).detach());
                failed.map_or_else(|error| error.kind(), |()| ErrorKind::Empty)
            });
            let told = task.share();
            let cloned = told.cloned();
            resolver.resolve(cloned).unwrap();
            let kind = told.cloned().wait().unwrap();
            // Either the wait of the task or that of the group is the one that closes it.
            assert!(
                matches!(kind, ErrorKind::Cycle | ErrorKind::Empty),
                "{kind:?}"
            );
        });
    }

    // Contract: G2
    // Case: 156
    #[test]
    fn tasks_that_have_ended_leave_nothing_behind() {
        within(|| {
            let drops = Drops::new();
            group(|g| {
                for _ in 0..20_000 {
                    let token = drops.token();
                    g.spawn(move || token).detach();
                }
            })
            .unwrap();
            drops.wait_for(20_000);
        });
    }
}

mod failures {
    use super::*;

    // Contract: G1, X1
    #[test]
    fn the_first_unhandled_failure_cancels_the_rest() {
        within(|| {
            let error = group(|g| {
                let (task, began) = endless(g);
                task.detach();
                began.pass();
                g.attempt(|| Err::<(), BoxError>("disk full".into()))
                    .detach();
            })
            .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Failed);
            assert!(error.to_string().starts_with("disk full"), "{error}");
            assert!(error.others().is_empty());
            assert_eq!(reports("disk full"), 0);
        });
    }

    // Contract: X1
    // Case: 159
    #[test]
    fn a_failure_that_was_handled_spares_the_others() {
        within(|| {
            let gate = Gate::new();
            let n = group(|g| {
                let handled = g
                    .attempt(|| Err::<u32, BoxError>("handled".into()))
                    .catch(|_| 1);
                let waited = g.attempt(|| Err::<u32, BoxError>("waited for".into()));
                assert!(waited.wait().is_err());
                let looked = g.attempt(|| Err::<u32, BoxError>("looked at".into()));
                while !looked.is_settled() {
                    std::thread::yield_now();
                }
                assert!(looked.error().is_some());
                drop(looked);
                let pass = gate.clone();
                let other = g.spawn(move || pass.pass());
                assert!(!g.is_cancelled());
                gate.open();
                other.wait()?;
                Ok(handled.wait()?)
            });
            assert_eq!(n.unwrap(), 1);
        });
    }

    // Contract: X1
    #[test]
    fn a_failure_counts_when_its_last_handle_goes() {
        within(|| {
            let error = group(|g| {
                let failed = g.attempt(|| Err::<(), BoxError>("dropped late".into()));
                while !failed.is_settled() {
                    std::thread::yield_now();
                }
                assert!(!g.is_cancelled());
                drop(failed);
                assert!(g.is_cancelled());
            });
            assert!(error.unwrap_err().to_string().starts_with("dropped late"));
            // It leaves the group: then it is reported as usual.
            let mut kept = None;
            group(|g| {
                kept = Some(g.attempt(|| Err::<(), BoxError>("escaped from its group".into())));
            })
            .unwrap();
            assert_eq!(reports("escaped from its group"), 0);
            drop(kept);
            assert_eq!(reports("escaped from its group"), 1);
        });
    }

    // Contract: X1
    #[test]
    fn the_failure_of_a_continuation_counts() {
        within(|| {
            let error = group(|g| {
                g.spawn(|| ()).then(|()| expected("in a link")).detach();
            });
            assert!(error.unwrap_err().is_panic());
            let error = group(|g| {
                let inner = || spawn(|| expected("in a returned task"));
                g.attempt(inner).detach();
            });
            assert!(error.unwrap_err().is_panic());
        });
    }

    // Contract: G1
    #[test]
    fn failures_that_came_later_stand_beside_the_first() {
        within(|| {
            let pool = one_thread();
            let builder = Group::builder().pool(&pool).keep_going();
            let error = builder.run(|g| {
                for n in 0..3 {
                    g.attempt(move || Err::<(), BoxError>(format!("number {n}").into()))
                        .detach();
                }
                let fine = g.spawn(|| 7);
                assert_eq!(fine.wait()?, 7);
                Ok(())
            });
            let error = error.unwrap_err();
            assert!(error.to_string().starts_with("number 0"), "{error}");
            assert!(
                error
                    .to_string()
                    .ends_with("(and 2 more failures in its group)")
            );
            let others: Vec<_> = error.others().iter().map(ToString::to_string).collect();
            assert_eq!(others.len(), 2);
            assert!(others[0].starts_with("number 1") && others[1].starts_with("number 2"));
        });
    }

    // Contract: G1, S4
    #[test]
    fn the_error_is_the_users_own() {
        within(|| {
            let error = group(|g| g.attempt(|| Ok("x".parse::<u8>()?)).detach()).unwrap_err();
            assert!(error.is::<std::num::ParseIntError>());
            // By reference: the child's task may have a clone of it for a moment.
            let own = error.downcast_ref::<std::num::ParseIntError>().unwrap();
            assert_eq!(own, &"x".parse::<u8>().unwrap_err());
            // Nested groups do not nest it.
            let mut failed = group(|g| g.attempt(|| Ok("y".parse::<u8>()?)).detach());
            for _ in 0..50_000 {
                let error = failed.unwrap_err();
                failed = group(|_| Err(error.into()));
            }
            assert!(failed.unwrap_err().is::<std::num::ParseIntError>());
        });
    }

    // Contract: C5
    #[test]
    fn the_failure_of_a_group_is_reported_once_where_it_is_passed_on() {
        within(|| {
            drop(fast_async::attempt(|| {
                let fails = || Err::<(), BoxError>("passed on by a group".into());
                Ok(group(|g| g.attempt(fails).detach())?)
            }));
            Pool::global().wait_idle(10 * SECOND);
            crate::support::until(|| reports("passed on by a group") > 0);
            assert_eq!(reports("passed on by a group"), 1);
        });
    }

    // Contract: G1
    #[test]
    fn many_failures_are_bounded_and_none_is_lost() {
        within(|| {
            let builder = Group::builder().keep_going();
            let error = builder.run(|g| {
                for _ in 0..200 {
                    g.attempt(|| Err::<(), BoxError>("one of many".into()))
                        .detach();
                }
            });
            let error = error.unwrap_err();
            assert_eq!(error.others().len(), 64);
            assert_eq!(reports("one of many"), 200 - 65);
        });
    }

    // Contract: G1, S2
    #[test]
    fn a_block_that_fails_or_panics_cancels_the_rest() {
        within(|| {
            let error = group(|g| -> Result<(), BoxError> {
                let (task, began) = endless(g);
                task.detach();
                began.pass();
                Err("the block failed".into())
            });
            assert!(
                error
                    .unwrap_err()
                    .to_string()
                    .starts_with("the block failed")
            );
            let error = group(|g| {
                let (task, began) = endless(g);
                task.detach();
                began.pass();
                let panics: fn() = || expected("in a block");
                panics();
            });
            assert!(error.unwrap_err().is_panic());
            let error = group(|g| -> Result<(), BoxError> {
                g.attempt(|| Err::<(), BoxError>("the cause".into()))
                    .detach();
                let (task, _) = endless(g);
                // It ends because the group was cancelled, which is no failure of the task itself.
                task.wait()?;
                Ok(())
            });
            let error = error.unwrap_err();
            assert!(error.to_string().starts_with("the cause"), "{error}");
        });
    }
}

mod cancels {
    use super::*;

    // Contract: G2
    // Case: 154
    #[test]
    fn the_value_of_the_block_survives_tasks_that_it_cancelled() {
        within(|| {
            let value = group(|g| {
                let (task, began) = endless(g);
                began.pass();
                g.cancel_with("enough");
                let error = task.wait().unwrap_err();
                assert!(error.is_cancelled() && error.to_string().contains("enough"));
                Ok("kept")
            });
            assert_eq!(value.unwrap(), "kept");
        });
    }

    // Contract: G2
    // Case: 151
    #[test]
    fn a_task_may_cancel_its_group_as_its_first_act() {
        within(|| {
            for _ in 0..100 {
                group(|g| {
                    let own = g.clone();
                    let first = g.spawn(move || own.cancel());
                    let (other, _) = endless(g);
                    drop((first, other));
                })
                .unwrap();
            }
        });
    }

    // Contract: G2
    // Case: 152
    #[test]
    fn a_task_for_a_group_that_is_over_is_rejected_and_its_closure_dropped() {
        within(|| {
            let drops = Drops::new();
            let mut ended = None;
            group(|g| {
                g.cancel();
                let token = drops.token();
                let late = g.spawn(move || token.hold());
                assert_eq!(drops.count(), 1);
                let error = late.wait().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Rejected);
                assert!(error.to_string().contains("its group was cancelled"));
                // Not reported: the group was cancelled on purpose.
                g.spawn_with(|_| ()).detach();
                ended = Some(g.clone());
            })
            .unwrap();
            let token = drops.token();
            let late = ended.unwrap().attempt(move || {
                token.hold();
                Ok(())
            });
            assert_eq!(drops.count(), 2);
            let error = late.wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("has ended"), "{error}");
        });
    }

    // Contract: G1
    #[test]
    fn what_has_not_begun_never_does() {
        within(|| {
            let (pool, drops) = (pool_of(1), Drops::new());
            let ran = Arc::new(AtomicUsize::new(0));
            let gate = Gate::new();
            pool.group(|g| {
                let (began, pass) = (Gate::new(), gate.clone());
                let begin = began.clone();
                g.spawn(move || {
                    begin.open();
                    pass.pass();
                })
                .detach();
                began.pass();
                for _ in 0..100 {
                    let (ran, token) = (ran.clone(), drops.token());
                    g.spawn(move || {
                        token.hold();
                        ran.fetch_add(1, Ordering::SeqCst);
                    })
                    .detach();
                }
                g.cancel();
                assert_eq!(drops.count(), 100);
                gate.open();
            })
            .unwrap();
            assert_eq!(ran.load(Ordering::SeqCst), 0);
        });
    }

    // Contract: G1, G2
    // Case: 158
    #[test]
    fn a_time_limit_cancels_the_rest_and_what_had_finished_is_there() {
        within(|| {
            let (clock, pool) = virtual_pool();
            let builder = Group::builder().pool(&pool).timeout(SECOND);
            let mut quick = None;
            let moves = clock.clone();
            let late = builder.run(|g| {
                let done = g.spawn(|| 1);
                while !done.is_settled() {
                    std::thread::yield_now();
                }
                quick = Some(done);
                pool.delay(10 * SECOND).detach();
                let slow = g.attempt({
                    let pool = pool.clone();
                    move || pool.delay(5 * SECOND)
                });
                moves.advance(SECOND);
                let error = slow.wait().unwrap_err();
                assert!(error.is_cancelled(), "{error}");
                assert!(g.is_cancelled());
            });
            let late = late.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::TimedOut);
            assert_eq!(quick.unwrap().wait().unwrap(), 1);

            let builder = Group::builder().pool(&pool).timeout(SECOND);
            let timers = clock.pending();
            assert_eq!(builder.run(|g| Ok(g.spawn(|| 2).wait()?)).unwrap(), 2);
            assert_eq!(clock.pending(), timers, "its timer is gone");

            let now = Group::builder().timeout(Duration::ZERO).run(|g| {
                assert!(g.is_cancelled());
            });
            assert_eq!(now.unwrap_err().kind(), ErrorKind::TimedOut);
        });
    }

    // Contract: G1
    #[test]
    fn a_closed_pool_fails_the_group() {
        within(|| {
            let pool = pool_of(1);
            let _ = pool.shutdown(Shutdown::Drain, Duration::MAX);
            let error = pool.group(|g| g.spawn(|| ()).detach()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
        });
    }
}
