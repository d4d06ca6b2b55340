//! The one worker that looks around for jobs before it sleeps. Under `loom` none does: it would
//! look at the same queue again and again.

use super::explore;
use super::gate::Gate;
use super::pool::pool;

/// Pushes leave the queue to the one worker that looks around. It has to call the next before it
/// runs what it found.
#[test]
fn a_worker_that_finds_a_job_notifies_another() {
    explore(&["done"], || {
        let pool = pool(2, 2);
        pool.spawn(|| ()).wait().unwrap();
        let gate = Gate::new();
        let key = gate.clone();
        let passing = pool.spawn(move || gate.pass());
        let opening = pool.spawn(move || key.open());
        passing.wait().unwrap();
        opening.wait().unwrap();
        "done"
    });
}

/// A worker that pops its own job reserves the job next to it, which was stealable. Workers that
/// were notified for that one and found nothing must be notified again.
#[test]
fn a_job_next_to_a_popped_one_is_not_forgotten() {
    explore(&["done"], || {
        let pool = pool(2, 2);
        let own = pool.clone();
        let holding = pool.spawn(move || {
            let gate = Gate::new();
            let key = gate.clone();
            let beside = own.spawn(move || key.open());
            own.spawn(|| ()).wait().unwrap();
            // The pool does not know that this blocks.
            gate.pass();
            beside.wait().unwrap();
        });
        holding.wait().unwrap();
        "done"
    });
}
