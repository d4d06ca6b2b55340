//! What the workloads need around the contestants: a second thread, producers, and a gate that
//! keeps pools busy.

use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::time::{Duration, Instant};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Runs `job` on a thread that is no contestant's, started once and kept.
pub(crate) fn elsewhere(job: impl FnOnce() + Send + 'static) {
    static THREAD: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let jobs = THREAD.get_or_init(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        std::thread::spawn(move || inbox.into_iter().for_each(|job| job()));
        jobs
    });
    jobs.send(Box::new(job)).expect("the thread never ends");
}

/// The time from the moment all `count` threads are ready until the last of them has done `work`.
pub(crate) fn together(count: usize, work: impl Fn() + Sync) -> Duration {
    let (ready, go) = (Barrier::new(count + 1), Barrier::new(count + 1));
    let mut start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                ready.wait();
                go.wait();
                work();
            });
        }
        ready.wait();
        // Before they go: they may be done before this thread is scheduled again.
        start = Instant::now();
        go.wait();
    });
    start.elapsed()
}

/// Jobs that hold a pool's threads until they are released.
#[derive(Debug)]
pub(crate) struct Gate {
    way: Arc<Barrier>,
}

impl Gate {
    /// Occupies `threads` threads, each by a job handed to `spawn`; returns once every one of them
    /// is running.
    pub(crate) fn close(threads: usize, mut spawn: impl FnMut(Job)) -> Self {
        let way = Arc::new(Barrier::new(threads + 1));
        let (entered, running) = mpsc::channel();
        for _ in 0..threads {
            let (way, entered) = (Arc::clone(&way), entered.clone());
            spawn(Box::new(move || {
                entered.send(()).expect("the stage waits for it");
                way.wait();
            }));
            // One after another, so that no thread can take two of them into its local queue.
            running.recv().expect("the pool runs the job");
        }
        Self { way }
    }

    pub(crate) fn open(self) {
        self.way.wait();
    }
}
