//! The table of cases that every verb is run over: source settled before or after, continuations
//! here, there or elsewhere.

use std::fmt;
use std::sync::LazyLock;
use std::thread;

use fast_async::{BoxError, Inline, Job, Pool, Task, TaskError, deferred};

/// When the source settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before the chain is built.
    Before,
    /// After the chain is built, by another thread.
    After,
}

/// Where the chain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the source says.
    Default,
    Inline,
    /// A pool that is not the source's.
    Pool,
    /// An executor with a thread for each job.
    Threads,
}

#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) when: When,
    pub(crate) place: Place,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "settled {:?}, run on {:?}", self.when, self.place)
    }
}

/// Calls `check` with each case.
pub(crate) fn every_case(check: impl Fn(Case)) {
    for when in [When::Before, When::After] {
        for place in [Place::Default, Place::Inline, Place::Pool, Place::Threads] {
            check(Case { when, place });
        }
    }
}

impl Case {
    /// Builds a chain on a source that settles as `source` says, and gives the outcome of the
    /// chain.
    pub(crate) fn run<T, U>(
        self,
        source: Result<T, BoxError>,
        chain: impl FnOnce(Task<T>) -> Task<U>,
    ) -> Result<U, TaskError>
    where
        T: Send + 'static,
        U: Send + 'static,
    {
        match self.when {
            When::Before => {
                let task = match source {
                    Ok(value) => Task::ready(value),
                    Err(error) => Task::failed(error),
                };
                chain(self.send(task)).wait()
            }
            When::After => {
                let (resolver, task) = deferred();
                let task = chain(self.send(task));
                thread::spawn(move || match source {
                    Ok(value) => assert!(resolver.resolve(value).is_ok()),
                    Err(error) => assert!(resolver.reject(error).is_ok()),
                });
                task.wait()
            }
        }
    }

    /// Sends a chain to this case's place.
    pub(crate) fn send<T: Send + 'static>(self, task: Task<T>) -> Task<T> {
        static OTHER: LazyLock<Pool> = LazyLock::new(|| {
            let pool = Pool::builder().name("other").max_threads(2).build();
            pool.expect("a valid pool")
        });
        match self.place {
            Place::Default => task,
            Place::Inline => task.on(&Inline),
            Place::Pool => task.on(&*OTHER),
            Place::Threads => task.on(&|job: Job| {
                thread::spawn(move || job.run());
            }),
        }
    }
}
