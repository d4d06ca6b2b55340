//! Jobs of a pool that all wait at one gate.

use fast_async::{Pool, Task, all};

use super::{Count, Gate};

/// Each job counts itself, and returns once the gate is open.
pub(crate) struct Jam {
    running: Count,
    gate: Gate,
    jobs: Vec<Task<()>>,
}

impl Jam {
    /// Spawns `jobs` of them.
    pub(crate) fn of(pool: &Pool, jobs: usize) -> Jam {
        let (running, gate) = (Count::default(), Gate::new());
        let job = |_| {
            let (running, gate) = (running.clone(), gate.clone());
            pool.spawn(move || {
                running.add();
                gate.pass();
            })
        };
        let jobs = (0..jobs).map(job).collect();
        Jam {
            running,
            gate,
            jobs,
        }
    }

    /// Blocks until that number has begun.
    #[track_caller]
    pub(crate) fn reach(&self, running: usize) {
        self.running.reach(running);
    }

    pub(crate) fn open(&self) {
        self.gate.open();
    }

    /// Opens the gate and waits for all jobs.
    #[track_caller]
    pub(crate) fn end(self) {
        self.open();
        all(self.jobs).wait().unwrap();
    }
}
