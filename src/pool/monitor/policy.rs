//! By how much a pool with a backlog grows: the rule alone, applied to the sample of a tick.
//!
//! A worker counts as blocked when two ticks in a row have found it asleep. While fewer workers
//! than cores are not blocked, another worker would use an idle processor. There is one exception:
//! the blocked workers may wait for a thread of this process that was preempted, such as the holder
//! of a lock, and look blocked until it runs again. So while some thread of the process is running
//! or runnable, and the workers that may wait for it would be enough, the shortage must last for
//! several samples.
//!
//! On systems without thread states, a worker counts as asleep unless it begins jobs all the time,
//! and the pool grows by the same steps while a processor lies idle (`probe.rs`).

use super::probe::{Answer, Asker};
use crate::limits::{
    FIRST_STEP, FIRST_STEP_SAMPLES, FLOOD_SAMPLES, NEXT_STEP_SAMPLES, RESET_SAMPLES, STALL,
    STANDSTILL,
};
use crate::sync::Duration;

/// What a tick has found.
pub(super) struct Sample {
    pub(super) active: usize,
    /// Workers that are not blocked.
    pub(super) runnable: usize,
    /// Those of the others that may be waiting for a thread which has lost its processor.
    pub(super) maybe_lock_blocked: usize,
    /// Enough jobs were begun since the last tick for the queue to flow.
    pub(super) flows: bool,
    /// For how long no job was begun.
    pub(super) stalled: Duration,
    /// Otherwise some workers are only supposed to be blocked.
    pub(super) system_tells: bool,
}

/// The rule, with what it remembers.
pub(super) struct GrowthPolicy {
    /// Looks in a row with a shortage, and without one.
    short: u32,
    enough: u32,
    /// The last growth of this shortage.
    step: usize,
    /// There was a step at the last tick, whose threads must be sampled first.
    has_grown: bool,
    since_flow: u32,
    /// What the next standstill adds; 0: one worker.
    standstill_step: usize,
    /// Used where the system does not tell.
    asker: Asker,
}

impl GrowthPolicy {
    pub(super) fn new() -> GrowthPolicy {
        GrowthPolicy {
            short: 0,
            enough: 0,
            step: 0,
            has_grown: false,
            since_flow: FLOOD_SAMPLES,
            standstill_step: 0,
            asker: Asker::default(),
        }
    }

    /// The backlog is gone: forgets what was observed about it.
    pub(super) fn relax(&mut self) {
        *self = GrowthPolicy {
            since_flow: self.since_flow.saturating_add(1),
            ..GrowthPolicy::new()
        };
    }

    /// Returns how many workers to add after a tick that found `survey`. `any_thread_runs` checks
    /// whether any thread of the process runs, `has_idle_processor` whether the machine could run
    /// another.
    pub(super) fn growth(
        &mut self,
        core: usize,
        sample: &Sample,
        any_thread_runs: impl FnOnce() -> bool,
        has_idle_processor: impl FnOnce() -> bool,
    ) -> usize {
        self.since_flow = if sample.flows {
            0
        } else {
            self.since_flow.saturating_add(1)
        };
        // Grow.1
        if sample.runnable >= core {
            self.note_enough();
            return 0;
        }
        self.enough = 0;
        if std::mem::take(&mut self.has_grown) {
            return 0;
        }
        self.short += 1;
        let most = if sample.system_tells {
            self.most_where_told(core, sample, any_thread_runs)
        } else {
            match self.most_where_untold(core, sample, has_idle_processor) {
                Ok(most) => most,
                Err(added) => return added,
            }
        };
        if most == 0 {
            return 0;
        }
        self.short = 0;
        self.has_grown = true;
        // Grow.2
        self.step = match self.step {
            0 => FIRST_STEP.min(core - sample.runnable),
            step => step.saturating_mul(2),
        };
        self.step.min(most)
    }

    /// As many workers can run as the machine has processors.
    fn note_enough(&mut self) {
        self.has_grown = false;
        self.short = 0;
        self.enough += 1;
        if self.enough > RESET_SAMPLES {
            self.step = 0;
            self.standstill_step = 0;
        }
    }

    /// Many jobs have begun lately.
    fn is_flood(&self) -> bool {
        self.since_flow < FLOOD_SAMPLES
    }

    /// The bound on this step where the system tells which threads are blocked; 0: no step now.
    fn most_where_told(
        &self,
        core: usize,
        sample: &Sample,
        any_thread_runs: impl FnOnce() -> bool,
    ) -> usize {
        if sample.runnable + sample.maybe_lock_blocked < core || !any_thread_runs() {
            return usize::MAX;
        }
        // Grow.3
        let is_first = self.step == 0 || self.is_flood();
        let samples = if is_first {
            FIRST_STEP_SAMPLES
        } else {
            NEXT_STEP_SAMPLES
        };
        if self.short < samples {
            return 0;
        }
        self.most_in_a_flood(core, sample)
    }

    /// The bound on this step where the system does not tell. `Err`: what is added instead of it.
    fn most_where_untold(
        &mut self,
        core: usize,
        sample: &Sample,
        has_idle_processor: impl FnOnce() -> bool,
    ) -> Result<usize, usize> {
        let by_step = (core + FIRST_STEP).saturating_sub(sample.active);
        // Grow.4
        match self.asker.ask(by_step == 0, has_idle_processor) {
            Answer::Idle => Ok(self.most_in_a_flood(core, sample)),
            Answer::Later => Err(0),
            // Grow.5
            Answer::Busy if by_step > 0 => Err(usize::from(sample.stalled >= STALL)),
            Answer::Busy if sample.stalled < STANDSTILL => Err(0),
            Answer::Busy => {
                let by = self.standstill_step.max(1);
                self.standstill_step = by.saturating_mul(2);
                self.has_grown = true;
                Err(by)
            }
        }
    }

    fn most_in_a_flood(&self, core: usize, sample: &Sample) -> usize {
        match self.is_flood() {
            true => (core + FIRST_STEP).saturating_sub(sample.active),
            false => usize::MAX,
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    /// Returns the growth when every blocked worker may be waiting for a lock.
    fn grow(
        policy: &mut GrowthPolicy,
        core: usize,
        (active, runnable): (usize, usize),
        flows: bool,
        any_thread_runs: bool,
    ) -> usize {
        let sample = Sample {
            active,
            runnable,
            maybe_lock_blocked: active - runnable,
            flows,
            stalled: Duration::ZERO,
            system_tells: true,
        };
        policy.growth(core, &sample, || any_thread_runs, || unreachable!())
    }

    /// Returns the workers after each tick, when every one of them is blocked from its start on.
    fn jam(
        core: usize,
        looks: usize,
        any_thread_runs: bool,
        policy: &mut GrowthPolicy,
    ) -> Vec<usize> {
        // The tick at which each worker was added.
        let mut born = vec![0; core];
        let mut sizes = Vec::new();
        for look in 1..=looks {
            let runnable = born.iter().filter(|born| **born + 2 > look).count();
            let by = grow(policy, core, (born.len(), runnable), false, any_thread_runs);
            born.extend(std::iter::repeat_n(look, by));
            sizes.push(born.len());
        }
        sizes
    }

    #[test]
    fn it_doubles_every_other_look_while_all_sleep() {
        let sizes = jam(2, 12, false, &mut GrowthPolicy::new());
        assert_eq!(sizes, [2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 128]);
        assert_eq!(
            jam(1, 6, false, &mut GrowthPolicy::new()),
            [1, 2, 2, 4, 4, 8]
        );
        assert_eq!(
            jam(8, 6, false, &mut GrowthPolicy::new())[1..3],
            [10, 10],
            "small at first"
        );
    }

    #[test]
    fn growth_is_slow_while_a_thread_runs() {
        let sizes = jam(2, 40, true, &mut GrowthPolicy::new());
        let grown = |size| sizes.iter().filter(|other| **other <= size).count();
        assert_eq!((grown(2), grown(4), grown(8)), (16, 21, 26), "{sizes:?}");
    }

    #[test]
    fn growth_is_fast_when_few_threads_run() {
        let grown = |core, blocked: usize, maybe_lock_blocked| {
            let sample = Sample {
                active: blocked,
                runnable: 0,
                maybe_lock_blocked,
                flows: false,
                stalled: Duration::ZERO,
                system_tells: true,
            };
            GrowthPolicy::new().growth(core, &sample, || true, || unreachable!())
        };
        assert_eq!((grown(2, 9, 0), grown(2, 9, 1), grown(2, 9, 2)), (2, 2, 0));
        assert_eq!((grown(4, 4, 3), grown(4, 4, 4)), (2, 0));
    }

    #[test]
    fn a_stall_in_a_flood_is_worth_two_threads_at_the_most() {
        let mut policy = GrowthPolicy::new();
        assert_eq!(grow(&mut policy, 2, (2, 2), true, true), 0);
        let sizes = jam(2, FLOOD_SAMPLES as usize - 1, true, &mut policy);
        assert_eq!(sizes.last(), Some(&4), "{sizes:?}");
        let flood_of = |core| {
            let mut policy = GrowthPolicy::new();
            assert_eq!(grow(&mut policy, core, (core, core), true, true), 0);
            policy
        };
        let sizes = jam(4, FLOOD_SAMPLES as usize - 1, true, &mut flood_of(4));
        assert_eq!(sizes.last(), Some(&6), "{sizes:?}");
        let sizes = jam(2, FLOOD_SAMPLES as usize, true, &mut flood_of(2));
        assert_eq!(sizes.last(), Some(&8), "the flood is over: {sizes:?}");
        let mut emptied = flood_of(2);
        emptied.relax();
        let sizes = jam(2, FLOOD_SAMPLES as usize - 2, true, &mut emptied);
        assert_eq!(
            sizes.last(),
            Some(&4),
            "an empty queue does not end it: {sizes:?}"
        );
        // The queue flows again for a tick, and stalls again.
        for _ in 0..10 {
            assert_eq!(grow(&mut policy, 2, (2, 2), true, true), 0);
        }
        assert_eq!(grow(&mut policy, 2, (2, 0), false, true), 0);
    }

    #[test]
    fn growth_begins_small_again_after_a_pause() {
        let mut policy = GrowthPolicy::new();
        assert_eq!(jam(2, 6, false, &mut policy).last(), Some(&16));
        for _ in 0..=RESET_SAMPLES {
            assert_eq!(grow(&mut policy, 2, (2, 2), false, false), 0);
        }
        assert_eq!(
            grow(&mut policy, 2, (2, 1), false, false),
            1,
            "one core is idle"
        );
        assert_eq!(
            grow(&mut policy, 2, (2, 1), false, false),
            0,
            "the new one has yet to block"
        );
        assert_eq!(grow(&mut policy, 2, (2, 1), false, false), 2);
        policy.relax();
        assert_eq!(grow(&mut policy, 2, (2, 0), false, false), 2);

        let mut policy = GrowthPolicy::new();
        assert_eq!(jam(2, 6, false, &mut policy).last(), Some(&16));
        for _ in 0..RESET_SAMPLES {
            assert_eq!(grow(&mut policy, 2, (2, 2), false, false), 0);
        }
        let next = grow(&mut policy, 2, (2, 1), false, false);
        assert_eq!(next, 16, "a short rest is none");
    }

    #[test]
    fn one_thread_that_computes_does_not_stop_it() {
        let mut policy = GrowthPolicy::new();
        let looks = 1..=100;
        let grown: usize = looks
            .map(|_| grow(&mut policy, 2, (2, 1), false, true))
            .sum();
        assert!(grown > 60, "{grown}");
    }

    /// By how much it grows where the system does not tell.
    fn grow_unseen(
        policy: &mut GrowthPolicy,
        active: usize,
        flows: bool,
        stalled: u64,
        idle: bool,
    ) -> usize {
        let sample = Sample {
            active,
            runnable: if flows { active } else { 0 },
            maybe_lock_blocked: 0,
            flows,
            stalled: Duration::from_millis(stalled),
            system_tells: false,
        };
        policy.growth(2, &sample, || unreachable!("it is not asked"), || idle)
    }

    #[test]
    fn an_idle_processor_makes_it_grow_where_the_system_does_not_tell() {
        let mut policy = GrowthPolicy::new();
        let mut sizes = vec![2];
        for _ in 0..14 {
            let active = sizes[sizes.len() - 1];
            sizes.push(active + grow_unseen(&mut policy, active, false, 0, true));
        }
        // The first step at once; two samples, and a tick for the new ones, before each of the
        // next.
        assert_eq!(sizes, [2, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64]);
    }

    #[test]
    fn busy_processors_keep_it_small_where_the_system_does_not_tell() {
        let looks = |policy: &mut GrowthPolicy, active, stalled| -> usize {
            let grown = (0..400).map(|_| grow_unseen(policy, active, false, stalled, false));
            grown.sum()
        };
        let mut policy = GrowthPolicy::new();
        assert_eq!(looks(&mut policy, 2, 9), 0);
        assert!(looks(&mut policy, 3, 10) > 0, "up to the first step");
        assert_eq!(looks(&mut policy, 4, 4_999), 0);
        // Each new worker begins a job, and then the pool stalls again.
        let mut standstill = || {
            let grown = (0..400).map(|_| grow_unseen(&mut policy, 4, false, 5_000, false));
            grown.into_iter().find(|by| *by > 0)
        };
        assert_eq!([(); 4].map(|()| standstill()), [1, 2, 4, 8].map(Some));
        // One ask that finds an idle processor is not enough beyond the first step.
        let mut grown = 0;
        for look in 0..400 {
            grown += grow_unseen(&mut policy, 4, false, 0, look % 2 == 0);
        }
        assert_eq!(grown, 0);
    }

    #[test]
    fn a_flood_stays_small_where_the_system_does_not_tell() {
        let mut policy = GrowthPolicy::new();
        assert_eq!(grow_unseen(&mut policy, 2, true, 0, true), 0);
        let mut active = 2;
        for _ in 0..FLOOD_SAMPLES - 1 {
            active += grow_unseen(&mut policy, active, false, 0, true);
        }
        assert_eq!(active, 4);
    }
}
