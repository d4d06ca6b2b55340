//! The jobs of one queue in their order, without spent ones.

use std::collections::VecDeque;

use crate::executor::{Origin, Runnable};
use crate::limits::{QUEUE_KEPT, SWEEP_FROM, UNPUSH_WINDOW};
use crate::sync::Arc;

pub(crate) type Work = Arc<dyn Runnable>;

/// Jobs, the oldest first.
///
/// A job that is run or cancelled by other means stays in its queue. Its entry would keep its
/// memory until a worker takes it, which may never happen.
///
/// Invariant: after a push there are at most `sweep_at` jobs, and `sweep_at` is `SWEEP_FROM`, or
/// twice as many as were not spent at the last sweep. So the memory is proportional to the jobs
/// that are not spent, and a push visits two jobs on average.
pub(super) struct Jobs {
    queue: VecDeque<Work>,
    /// So many of the oldest were put before the others.
    first: usize,
    sweep_at: usize,
}

/// The swept jobs, to be dropped without the lock of the queue.
#[must_use = "the last handle of a task may be in it: drop it without the lock"]
pub(crate) struct Swept(pub(crate) Vec<Work>);

impl Jobs {
    pub(super) fn new() -> Jobs {
        Jobs {
            queue: VecDeque::new(),
            first: 0,
            sweep_at: SWEEP_FROM,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// How many of the oldest jobs were put before the others.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// Appends a job. Those that were there before may be swept; the queue is not empty after that.
    #[inline]
    pub(super) fn push(&mut self, job: Work) -> Swept {
        let swept = if self.queue.len() < self.sweep_at {
            Swept(Vec::new())
        } else {
            self.sweep()
        };
        self.queue.push_back(job);
        swept
    }

    /// Puts a job before the others, but behind those that were put there in the same way.
    pub(super) fn push_first(&mut self, job: Work) -> Swept {
        let swept = if self.queue.len() < self.sweep_at {
            Swept(Vec::new())
        } else {
            self.sweep()
        };
        self.queue.insert(self.first, job);
        self.first += 1;
        swept
    }

    #[cold]
    fn sweep(&mut self) -> Swept {
        let mut swept = Vec::new();
        let spent = self.queue.iter().filter(|job| job.is_spent()).count();
        // Moving all jobs is worth the time only if that frees memory. A job may have become spent
        // since it was counted, but never the reverse.
        if spent > 0 {
            swept.reserve(spent);
            let mut first = 0;
            for place in 0..self.queue.len() {
                match self.queue.pop_front() {
                    Some(job) if job.is_spent() => swept.push(job),
                    Some(job) => {
                        first += usize::from(place < self.first);
                        self.queue.push_back(job);
                    }
                    None => break,
                }
            }
            self.first = first;
            self.shrink();
        }
        self.sweep_at = (2 * self.queue.len()).max(SWEEP_FROM);
        Swept(swept)
    }

    /// Appends jobs that lay in another queue.
    pub(super) fn extend(&mut self, more: impl Iterator<Item = Work>) {
        self.queue.extend(more);
    }

    pub(super) fn pop(&mut self) -> Option<Work> {
        let job = self.queue.pop_front();
        self.first = self.first.saturating_sub(1);
        self.shrink();
        job
    }

    /// Takes out the `count` oldest jobs, while `take` runs. None of them was put first.
    pub(super) fn take(&mut self, count: usize, take: impl FnOnce(&mut dyn Iterator<Item = Work>)) {
        debug_assert!(self.first == 0 || count == 0);
        take(&mut self.queue.drain(..count));
        self.shrink();
    }

    /// The tasks of the oldest jobs, up to `limit`.
    pub(super) fn origins(&self, limit: usize) -> Vec<Option<Origin>> {
        let oldest = self.queue.iter().take(limit);
        oldest.map(|job| job.origin()).collect()
    }

    /// Takes out `wanted` if it is among the newest or the oldest jobs.
    pub(super) fn try_unpush(&mut self, wanted: *const ()) -> Option<Work> {
        let is_wanted = |job: &Work| Arc::as_ptr(job).cast::<()>() == wanted;
        if self.queue.back().is_some_and(is_wanted) {
            return self.queue.pop_back();
        }
        let newest = self.queue.len().saturating_sub(UNPUSH_WINDOW);
        let place = match self.queue.range(newest..).rposition(is_wanted) {
            Some(place) => newest + place,
            // Children are often awaited in the order in which they were spawned.
            None => self
                .queue
                .iter()
                .take(newest.min(UNPUSH_WINDOW))
                .position(is_wanted)?,
        };
        self.queue.remove(place)
    }

    /// A flood does not keep its memory. Called when jobs were taken out; it costs a few moves for
    /// each of them.
    #[inline]
    fn shrink(&mut self) {
        if self.queue.capacity() > QUEUE_KEPT && self.queue.len() <= self.queue.capacity() / 4 {
            self.give_room_back();
        }
    }

    #[cold]
    fn give_room_back(&mut self) {
        self.queue.shrink_to((2 * self.queue.len()).max(QUEUE_KEPT));
        self.sweep_at = (2 * self.queue.len()).max(SWEEP_FROM);
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::executor::RunResult;
    use crate::sync::{AtomicBool, Ordering};

    #[derive(Default)]
    struct Nothing(AtomicBool);

    impl Runnable for Nothing {
        fn run(self: Arc<Self>) -> RunResult {
            RunResult::Other
        }
        fn hand_off(self: Arc<Self>) {}
        fn reject(self: Arc<Self>, _: ErrorKind, _: &'static str) -> bool {
            false
        }
        fn is_spent(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn filled(jobs: &mut Jobs, count: usize) -> Vec<Arc<Nothing>> {
        let made: Vec<_> = (0..count).map(|_| Arc::<Nothing>::default()).collect();
        for job in &made {
            assert!(jobs.push(job.clone()).0.is_empty());
        }
        made
    }

    #[test]
    fn a_queue_frees_the_memory_of_a_flood() {
        let mut jobs = Jobs::new();
        filled(&mut jobs, 64 * QUEUE_KEPT);
        let capacity = jobs.queue.capacity();
        while jobs.len() > 32 * QUEUE_KEPT {
            jobs.pop();
        }
        assert_eq!(jobs.queue.capacity(), capacity, "the flood may continue");
        while jobs.len() > QUEUE_KEPT {
            jobs.pop();
        }
        assert!((QUEUE_KEPT..=8 * QUEUE_KEPT).contains(&jobs.queue.capacity()));
        while jobs.pop().is_some() {}
        assert!((QUEUE_KEPT..4 * QUEUE_KEPT).contains(&jobs.queue.capacity()));
    }

    #[test]
    fn spent_jobs_are_swept_and_the_others_keep_their_order() {
        let mut jobs = Jobs::new();
        let made = filled(&mut jobs, SWEEP_FROM);
        for job in made.iter().skip(1).step_by(2) {
            job.0.store(true, Ordering::Relaxed);
        }
        let last = Arc::<Nothing>::default();
        assert_eq!(jobs.push(last.clone()).0.len(), SWEEP_FROM / 2);
        let left = std::iter::from_fn(|| jobs.pop()).map(|job| Arc::as_ptr(&job).cast::<()>());
        let kept = made.iter().step_by(2).chain([&last]);
        assert!(left.eq(kept.map(|job| Arc::as_ptr(job).cast::<()>())));
    }

    #[test]
    fn what_is_put_first_stays_in_front_in_its_order() {
        let mut jobs = Jobs::new();
        let others = filled(&mut jobs, SWEEP_FROM - 3);
        let firsts: [Arc<Nothing>; 3] = Default::default();
        for job in &firsts {
            assert!(jobs.push_first(job.clone()).0.is_empty());
        }
        firsts[1].0.store(true, Ordering::Relaxed);
        let last = Arc::<Nothing>::default();
        assert_eq!(jobs.push_first(last.clone()).0.len(), 1, "the spent one");
        assert_eq!(jobs.first(), 3);
        let mut next = || {
            let job = jobs.pop().expect("a job");
            (Arc::as_ptr(&job).cast::<()>(), jobs.first())
        };
        let place = |job: &Arc<Nothing>| Arc::as_ptr(job).cast::<()>();
        assert_eq!(next(), (place(&firsts[0]), 2));
        assert_eq!(next(), (place(&firsts[2]), 1));
        assert_eq!(next(), (place(&last), 0));
        assert_eq!(next(), (place(&others[0]), 0));
    }

    #[test]
    fn a_job_is_taken_back_from_either_end() {
        let mut jobs = Jobs::new();
        let made = filled(&mut jobs, 3 * UNPUSH_WINDOW);
        let mut take = |place: usize| {
            let job: &Arc<Nothing> = &made[place];
            jobs.try_unpush(Arc::as_ptr(job).cast()).is_some()
        };
        assert!(
            take(0)
                && take(3 * UNPUSH_WINDOW - 1)
                && take(UNPUSH_WINDOW)
                && take(2 * UNPUSH_WINDOW - 1)
        );
        assert!(!take(UNPUSH_WINDOW + UNPUSH_WINDOW / 2) && !take(0));
    }
}
