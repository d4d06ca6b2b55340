//! What the search could not explain, or not in time, though it is allowed.

use crate::program::Op::{
    Abandon, All, Any, Cancel, CancelShared, Deferred, Follow, Link, Observe, ObserveShared, Ready,
    Reject, Resolve, Share, Try, Unsubscribe,
};
use crate::program::{Closure, Deed, Ends, Program, Verb};
use crate::search::Search;
use crate::seen::{Failure, Kind, Said, Seen, Standing};
use crate::{Crew, alone, check, pool};

fn closure(verb: Verb, deed: Deed, line: usize) -> Closure {
    Closure {
        verb,
        ends: Ends::Value,
        deed,
        line,
    }
}

/// Whether a program of one line, without an observation before its last round, may then be seen as
/// `seen`.
fn may_come_to(program: &Program, before: Standing, seen: &Seen) -> bool {
    let mut search = Search::new(program);
    let (last, others) = program.rounds.split_last().expect("a round");
    let nothing = Seen {
        calls: vec![Vec::new()],
        said: vec![Said::Nothing],
        dropped: vec![false; program.closures.len()],
        reports: Vec::new(),
        standing: vec![before],
    };
    others.iter().all(|round| search.explain(round, &nothing)) && search.explain(last, seen)
}

// Contract: D2. An observer is dropped outside the lock under which it was taken off the list: its
// task may be cancelled in between, before the resolver that it holds abandons it.
#[test]
fn a_cancel_comes_between_an_unsubscribe_and_the_drop() {
    let program = Program {
        rounds: vec![
            vec![Deferred(0)],
            vec![Observe(0, 0)],
            vec![Cancel(0), Unsubscribe(0)],
        ],
        closures: vec![closure(Verb::Observe, Deed::Resolve(0), 0)],
        lines: 1,
        ..Program::default()
    };
    let seen = Seen {
        calls: vec![Vec::new()],
        said: vec![Said::Stopped, Said::Was(true)],
        dropped: vec![true],
        reports: Vec::new(),
        standing: vec![Standing::Failure],
    };
    assert!(may_come_to(&program, Standing::Pending, &seen));
}

// Contract: C1, C5. The last consumer of a shared task leaves while the task is being settled. The
// outcome comes before the cancel: observers see it, no one else does, and it is not reported.
#[test]
fn the_outcome_comes_between_the_last_consumer_and_the_cancel() {
    let program = Program {
        rounds: vec![
            vec![Deferred(0)],
            vec![Share(0, 0)],
            vec![ObserveShared(0, 0)],
            vec![CancelShared(0), Reject(0)],
        ],
        closures: vec![closure(Verb::Observe, Deed::Nothing, 0)],
        lines: 1,
        grips: vec![0],
        ..Program::default()
    };
    let failed = Failure(Kind::Failed, 1000);
    let seen = Seen {
        calls: vec![vec![(0, Some(Err(failed)))]],
        said: vec![Said::Stopped, Said::Was(true)],
        dropped: vec![true],
        reports: Vec::new(),
        standing: vec![Standing::NoHandle],
    };
    assert!(may_come_to(&program, Standing::NoHandle, &seen));
}

// Contract: C1, C2. A driver has taken a closure and has not called it yet when a cancel comes: the
// later observers are told of the cancel before the closure begins.
#[test]
fn a_cancel_comes_between_the_claim_of_a_closure_and_its_call() {
    let program = Program {
        rounds: vec![
            vec![Deferred(0)],
            vec![Link(0, 0)],
            vec![Observe(0, 1)],
            vec![Resolve(0), Cancel(0)],
        ],
        closures: vec![
            closure(Verb::Finally, Deed::Nothing, 0),
            closure(Verb::Observe, Deed::Nothing, 0),
        ],
        lines: 1,
        ..Program::default()
    };
    let cancelled = Failure(Kind::Cancelled, 0);
    let told = |outcome| (1, Some(outcome));
    let seen = |calls| Seen {
        calls: vec![calls],
        said: vec![Said::Was(true), Said::Stopped],
        dropped: vec![true, true],
        reports: Vec::new(),
        standing: vec![Standing::Failure],
    };
    let orders = [
        vec![told(Err(cancelled)), (0, None)],
        vec![(0, None), told(Err(cancelled))],
    ];
    for calls in orders {
        assert!(may_come_to(&program, Standing::Pending, &seen(calls)));
    }
    // The value is not told behind a cancel that came in time.
    let calls = vec![(0, None), told(Ok(1000))];
    assert!(!may_come_to(&program, Standing::Pending, &seen(calls)));
}

// Contract: C1, C3. A link that skips its input ends when its closure is dropped: the captures may
// cancel the task before.
#[test]
fn a_closure_that_is_not_called_cancels_its_own_task() {
    let _alone = alone();
    let program = Program {
        rounds: vec![
            vec![Deferred(0), Deferred(1)],
            vec![Link(0, 0)],
            vec![Observe(0, 1)],
            vec![Follow(1, 0)],
            vec![Abandon(0)],
        ],
        closures: vec![
            closure(Verb::Then, Deed::Cancel(1), 0),
            closure(Verb::Observe, Deed::Nothing, 0),
        ],
        lines: 2,
        ..Program::default()
    };
    check(&program, &Crew::new(2), &pool()).expect("it is explained");
}

// A cancel of nested combinators has the same effect in every order: a search over all orders
// visits a hundred thousand states.
#[test]
fn a_cancelled_nest_of_combinators_is_explained_in_few_steps() {
    let _alone = alone();
    let program = Program {
        rounds: vec![
            vec![Deferred(0)],
            vec![All(1)],
            vec![Deferred(2)],
            vec![Any(3)],
            vec![Link(3, 0)],
            vec![Deferred(4)],
            vec![Any(5)],
            vec![Link(5, 1)],
            vec![Ready(6)],
            vec![All(7)],
            vec![Link(7, 2)],
            vec![All(8)],
            vec![Deferred(9), Deferred(10)],
            vec![Observe(9, 3)],
            vec![Abandon(10), Abandon(9), Abandon(4)],
            vec![Abandon(2), Abandon(0)],
            vec![Try(9)],
            vec![Try(10)],
        ],
        closures: vec![
            closure(Verb::Then, Deed::Nothing, 3),
            closure(Verb::Catch, Deed::Nothing, 5),
            closure(Verb::OrElse, Deed::Nothing, 7),
            closure(Verb::Observe, Deed::Cancel(8), 9),
        ],
        lines: 11,
        gathered: vec![
            (1, true, vec![0]),
            (3, false, vec![1, 2]),
            (5, false, vec![3, 4]),
            (7, true, vec![6, 5]),
            (8, true, vec![7]),
        ],
        ..Program::default()
    };
    let states = check(&program, &Crew::new(2), &pool()).expect("it is explained");
    assert!(states < 1_000, "{states} states");
}

// Contract: S5. A task that follows an `any` of itself and another may settle as long as the other
// may. It is in a cycle when the other fails, and not before.
#[test]
fn a_task_that_follows_an_any_of_itself_waits_for_the_others() {
    let _alone = alone();
    let ends = [Abandon(0), Reject(0), Resolve(0)];
    for end in ends {
        let program = Program {
            rounds: vec![
                vec![Deferred(0), Deferred(1)],
                vec![Observe(1, 0)],
                vec![Any(2)],
                vec![Follow(1, 2)],
                vec![end],
            ],
            closures: vec![closure(Verb::Observe, Deed::Nothing, 1)],
            lines: 3,
            gathered: vec![(2, false, vec![1, 0])],
            ..Program::default()
        };
        check(&program, &Crew::new(2), &pool()).expect("it is explained");
    }
}
