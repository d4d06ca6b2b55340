//! What the search could not explain, or not in time, though it is allowed.

use crate::program::Op::{Cancel, Deferred, Observe, Unsubscribe};
use crate::program::{Closure, Deed, Ends, Program, Verb};
use crate::search::Search;
use crate::seen::{Said, Seen, Standing};

fn closure(verb: Verb, deed: Deed, line: usize) -> Closure {
    Closure {
        verb,
        ends: Ends::Value,
        deed,
        line,
    }
}

/// Whether a program of one line and one closure, that does nothing to be seen before its last round, may come to `seen` then.
fn may_come_to(program: &Program, before: Standing, seen: &Seen) -> bool {
    let mut search = Search::new(program);
    let (last, others) = program.rounds.split_last().expect("a round");
    let nothing = Seen {
        calls: vec![Vec::new()],
        said: vec![Said::Nothing],
        dropped: vec![false],
        reports: Vec::new(),
        standing: vec![before],
    };
    others.iter().all(|round| search.explain(round, &nothing)) && search.explain(last, seen)
}

// Contract: D2. An observer is dropped outside the lock under which it was taken off the list: its task may be cancelled in between, before the
// resolver that it holds abandons it.
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
