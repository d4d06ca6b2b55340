//! By how much a pool with a backlog grows: the rule alone, fed with what a look has found.
//!
//! A worker counts as blocked when two looks in a row have found it asleep. While the workers that
//! are not blocked are fewer than the cores, another worker would use what lies idle, unless the
//! blocked wait for one of ours that has lost its processor: a lock's holder does, and then the
//! others look blocked for as long as that lasts. So where some thread of the process runs or would
//! like to, and so many may be waiting for it that with them there would be workers enough, the
//! shortage must last.

use super::census::Told;

/// Jobs that a worker begins between two looks above which it is not blocked, whatever it does
/// in between.
pub(super) const FLOWING: u64 = 4;
/// Looks in a row that must find a worker asleep.
const PROOF: u32 = 2;
/// For how long a worker must have been asleep, in nanoseconds, before the jobs that lie behind its
/// own are taken first. Until then most queues have come to an end, and whoever is free takes them
/// anyway.
const OVERDUE: u64 = 20_000_000;
/// The first growth; each of the next is twice as large, for as long as the shortage goes on.
const FIRST_STEP: usize = 2;
/// Looks in a row that must find a shortage while some thread of the process runs, before the first
/// growth, and before each of the next.
const PATIENCE: u32 = 16;
const PACE: u32 = 4;
/// For how many looks it is remembered that the queue flowed. A shortage in the middle of a flood of
/// short jobs is most likely none: while some thread runs, it is worth `FIRST_STEP` workers beyond
/// the cores and no more.
const FLOOD: u32 = 40;
/// Looks in a row without a shortage after which the next one begins small again. The threads of the
/// last growth need a few to be found blocked.
const RELIEF: u32 = 8;
/// Looks in a row without a job picked up, where the system does not tell about threads.
const UNSEEN: u32 = 10;

/// What is remembered of one worker from look to look.
#[derive(Clone, Copy, Default)]
pub(super) struct Watched {
    /// When it was last looked at, in nanoseconds; 0: never.
    at: u64,
    started: u64,
    wanted: Option<u64>,
    asleep: u32,
    perhaps_locked: bool,
    /// When it was first found asleep.
    since: u64,
}

impl Watched {
    /// Takes note of what a worker does; `None`: it has no job. `started`: jobs it has begun, ever.
    pub(super) fn note(&mut self, at: u64, started: u64, told: Option<Told>) {
        let flows = self.at > 0 && started.saturating_sub(self.started) > FLOWING;
        let wanted = told.and_then(|told| told.wanted);
        // Asleep at this moment, but not for most of the time.
        let works = wanted.zip(self.wanted).is_some_and(|(now, before)| {
            now.saturating_sub(before) >= at.saturating_sub(self.at) / 4
        });
        let asleep = told.is_some_and(|told| told.asleep) && !flows && !works;
        let is_same = asleep && self.asleep > 0;
        *self = Watched {
            at,
            started,
            wanted,
            asleep: if asleep { self.asleep + 1 } else { 0 },
            perhaps_locked: told.is_some_and(|told| told.perhaps_locked),
            since: if is_same { self.since } else { at },
        };
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.asleep >= PROOF
    }

    /// The last look has not found it asleep.
    pub(super) fn is_awake(&self) -> bool {
        self.asleep == 0
    }

    /// It is blocked, and may be waiting for a lock whose holder has lost its processor.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_blocked() && self.perhaps_locked
    }

    /// It has been at the same job since the last look.
    pub(super) fn is_same(&self, started: u64) -> bool {
        self.at > 0 && self.started == started
    }

    /// It has been at this job, blocked, for so long that those behind it should wait no longer.
    pub(super) fn is_stuck(&self, at: u64, started: u64) -> bool {
        self.is_blocked() && self.is_same(started) && at.saturating_sub(self.since) >= OVERDUE
    }

    pub(super) fn forget(&mut self) {
        self.asleep = 0;
    }
}

/// What a look has found.
pub(super) struct Survey {
    pub(super) active: usize,
    /// Workers that are not blocked.
    pub(super) wanting: usize,
    /// Those of the others that may be waiting for a thread which has lost its processor.
    pub(super) doubtful: usize,
    /// Some job was begun since the last look, or so many that the queue flows.
    pub(super) picked: bool,
    pub(super) flows: bool,
    /// Nothing is known of blocked workers otherwise.
    pub(super) system_tells: bool,
}

/// The rule, with what it remembers.
pub(super) struct Rule {
    /// Looks in a row with a shortage, and without one.
    short: u32,
    enough: u32,
    /// The last growth of this shortage.
    step: usize,
    /// There was one at the last look: its threads have yet to show what they are worth.
    has_grown: bool,
    since_flow: u32,
    unpicked: u32,
}

impl Rule {
    pub(super) fn new() -> Rule {
        Rule {
            short: 0,
            enough: 0,
            step: 0,
            has_grown: false,
            since_flow: FLOOD,
            unpicked: 0,
        }
    }

    /// There is no backlog: whatever comes next is another matter.
    pub(super) fn relax(&mut self) {
        *self = Rule {
            since_flow: self.since_flow.saturating_add(1),
            ..Rule::new()
        };
    }

    /// How many workers to add after a look that found `survey`. `somebody_runs` asks whether any thread
    /// of the process does.
    pub(super) fn growth(
        &mut self,
        core: usize,
        survey: &Survey,
        somebody_runs: impl FnOnce() -> bool,
    ) -> usize {
        if !survey.system_tells {
            return self.growth_unseen(survey.picked);
        }
        let &Survey {
            active, wanting, ..
        } = survey;
        self.since_flow = if survey.flows {
            0
        } else {
            self.since_flow.saturating_add(1)
        };
        if wanting >= core {
            self.has_grown = false;
            self.short = 0;
            self.enough += 1;
            if self.enough > RELIEF {
                self.step = 0;
            }
            return 0;
        }
        self.enough = 0;
        if std::mem::take(&mut self.has_grown) {
            return 0;
        }
        self.short += 1;
        let mut most = usize::MAX;
        if wanting + survey.doubtful >= core && somebody_runs() {
            let is_flood = self.since_flow < FLOOD;
            let is_first = self.step == 0 || is_flood;
            if is_flood {
                most = (core + FIRST_STEP).saturating_sub(active);
            }
            if most == 0 || self.short < if is_first { PATIENCE } else { PACE } {
                return 0;
            }
        }
        self.short = 0;
        self.has_grown = true;
        self.step = match self.step {
            0 => FIRST_STEP.min(core - wanting),
            step => step.saturating_mul(2),
        };
        self.step.min(most)
    }

    /// The same where the system does not tell: jobs that compute for long look like those that
    /// block, so it grows by one, and late.
    fn growth_unseen(&mut self, picked: bool) -> usize {
        self.unpicked = if picked { 0 } else { self.unpicked + 1 };
        if self.unpicked < UNSEEN {
            return 0;
        }
        self.unpicked = 0;
        1
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    /// A look per millisecond.
    const TICK: u64 = 1_000_000;
    const ASLEEP: Option<Told> = Some(Told {
        asleep: true,
        perhaps_locked: false,
        wanted: Some(0),
    });
    const RUNS: Option<Told> = Some(Told {
        asleep: false,
        perhaps_locked: false,
        wanted: None,
    });

    fn watch(looks: &[(u64, Option<Told>)]) -> Watched {
        let mut watched = Watched::default();
        for (tick, &(started, told)) in (1..).zip(looks) {
            watched.note(tick * TICK, started, told);
        }
        watched
    }

    #[test]
    fn a_worker_is_blocked_when_two_looks_say_so() {
        assert!(!watch(&[(1, ASLEEP)]).is_blocked());
        assert!(watch(&[(1, ASLEEP), (1, ASLEEP)]).is_blocked());
        assert!(!watch(&[(1, ASLEEP), (1, RUNS), (1, ASLEEP)]).is_blocked());
        assert!(!watch(&[(1, ASLEEP), (1, None), (1, ASLEEP)]).is_blocked());
        // Short naps, a few per look, are blocking too.
        assert!(watch(&[(1, ASLEEP), (4, ASLEEP), (7, ASLEEP)]).is_blocked());
        assert!(watch(&[(1, ASLEEP), (5, ASLEEP), (9, ASLEEP)]).is_blocked());
        // A flood is not.
        assert!(!watch(&[(1, ASLEEP), (900, ASLEEP), (901, ASLEEP)]).is_blocked());
        assert!(!watch(&[(0, RUNS), (900, ASLEEP)]).is_blocked());
        // What ran or was ready for a quarter of the time since the last look is not.
        let slept = |wanted| {
            ASLEEP.map(|told| Told {
                wanted: Some(wanted),
                ..told
            })
        };
        assert!(!watch(&[(1, slept(0)), (1, slept(TICK / 4))]).is_blocked());
        assert!(watch(&[(1, slept(7)), (1, slept(7 + TICK / 8))]).is_blocked());
        let mut watched = watch(&[(5, ASLEEP), (5, ASLEEP)]);
        assert!(watched.is_same(5) && !watched.is_same(6) && !Watched::default().is_same(0));
        assert!(!watched.is_doubtful());
        let locked = ASLEEP.map(|told| Told {
            perhaps_locked: true,
            ..told
        });
        let doubtful = |second, third| watch(&[(1, second), (1, third)]).is_doubtful();
        assert!(doubtful(ASLEEP, locked) && !doubtful(locked, ASLEEP));
        assert!(!doubtful(RUNS, locked), "not blocked yet");
        let later = TICK + OVERDUE;
        assert!(watched.is_stuck(later, 5) && !watched.is_stuck(later, 6));
        assert!(!watched.is_stuck(later - 1, 5));
        watched.forget();
        assert!(!watched.is_blocked());
    }

    /// By how much it grows where everybody who is blocked may wait for a lock.
    fn grow(
        rule: &mut Rule,
        core: usize,
        (active, wanting): (usize, usize),
        flows: bool,
        somebody_runs: bool,
    ) -> usize {
        let survey = Survey {
            active,
            wanting,
            doubtful: active - wanting,
            picked: flows,
            flows,
            system_tells: true,
        };
        rule.growth(core, &survey, || somebody_runs)
    }

    /// Workers after each look, when every one of them is blocked from its first moment on.
    fn jam(core: usize, looks: usize, somebody_runs: bool, rule: &mut Rule) -> Vec<usize> {
        // At which look each worker came.
        let mut born = vec![0; core];
        let mut sizes = Vec::new();
        for look in 1..=looks {
            let wanting = born.iter().filter(|born| **born + 2 > look).count();
            let by = grow(rule, core, (born.len(), wanting), false, somebody_runs);
            born.extend(std::iter::repeat_n(look, by));
            sizes.push(born.len());
        }
        sizes
    }

    #[test]
    fn it_doubles_every_other_look_while_all_sleep() {
        let sizes = jam(2, 12, false, &mut Rule::new());
        assert_eq!(sizes, [2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 128]);
        assert_eq!(jam(1, 6, false, &mut Rule::new()), [1, 2, 2, 4, 4, 8]);
        assert_eq!(
            jam(8, 6, false, &mut Rule::new())[1..3],
            [10, 10],
            "small at first"
        );
    }

    #[test]
    fn it_takes_its_time_while_somebody_runs() {
        let sizes = jam(2, 40, true, &mut Rule::new());
        let grown = |size| sizes.iter().filter(|other| **other <= size).count();
        assert_eq!((grown(2), grown(4), grown(8)), (16, 21, 26), "{sizes:?}");
    }

    #[test]
    fn it_takes_no_time_when_those_who_run_matter_to_too_few() {
        let grown = |core, blocked: usize, doubtful| {
            let survey = Survey {
                active: blocked,
                wanting: 0,
                doubtful,
                picked: false,
                flows: false,
                system_tells: true,
            };
            Rule::new().growth(core, &survey, || true)
        };
        assert_eq!((grown(2, 9, 0), grown(2, 9, 1), grown(2, 9, 2)), (2, 2, 0));
        assert_eq!((grown(4, 4, 3), grown(4, 4, 4)), (2, 0));
    }

    #[test]
    fn a_stall_in_a_flood_is_worth_two_threads_at_the_most() {
        let mut rule = Rule::new();
        assert_eq!(grow(&mut rule, 2, (2, 2), true, true), 0);
        let sizes = jam(2, FLOOD as usize - 1, true, &mut rule);
        assert_eq!(sizes.last(), Some(&4), "{sizes:?}");
        let flood_of = |core| {
            let mut rule = Rule::new();
            assert_eq!(grow(&mut rule, core, (core, core), true, true), 0);
            rule
        };
        let sizes = jam(4, FLOOD as usize - 1, true, &mut flood_of(4));
        assert_eq!(sizes.last(), Some(&6), "{sizes:?}");
        let sizes = jam(2, FLOOD as usize, true, &mut flood_of(2));
        assert_eq!(sizes.last(), Some(&8), "the flood is over: {sizes:?}");
        let mut emptied = flood_of(2);
        emptied.relax();
        let sizes = jam(2, FLOOD as usize - 2, true, &mut emptied);
        assert_eq!(
            sizes.last(),
            Some(&4),
            "an empty queue does not end it: {sizes:?}"
        );
        // The queue flows again for a look, and stalls again.
        for _ in 0..10 {
            assert_eq!(grow(&mut rule, 2, (2, 2), true, true), 0);
        }
        assert_eq!(grow(&mut rule, 2, (2, 0), false, true), 0);
    }

    #[test]
    fn it_begins_small_again_after_a_rest() {
        let mut rule = Rule::new();
        assert_eq!(jam(2, 6, false, &mut rule).last(), Some(&16));
        for _ in 0..=RELIEF {
            assert_eq!(grow(&mut rule, 2, (2, 2), false, false), 0);
        }
        assert_eq!(
            grow(&mut rule, 2, (2, 1), false, false),
            1,
            "one core is idle"
        );
        assert_eq!(
            grow(&mut rule, 2, (2, 1), false, false),
            0,
            "the new one has yet to block"
        );
        assert_eq!(grow(&mut rule, 2, (2, 1), false, false), 2);
        rule.relax();
        assert_eq!(grow(&mut rule, 2, (2, 0), false, false), 2);

        let mut rule = Rule::new();
        assert_eq!(jam(2, 6, false, &mut rule).last(), Some(&16));
        for _ in 0..RELIEF {
            assert_eq!(grow(&mut rule, 2, (2, 2), false, false), 0);
        }
        let next = grow(&mut rule, 2, (2, 1), false, false);
        assert_eq!(next, 16, "a short rest is none");
    }

    #[test]
    fn one_thread_that_computes_does_not_stop_it() {
        let mut rule = Rule::new();
        let looks = 1..=100;
        let grown: usize = looks.map(|_| grow(&mut rule, 2, (2, 1), false, true)).sum();
        assert!(grown > 60, "{grown}");
    }

    #[test]
    fn where_the_system_does_not_tell_it_grows_by_one_and_late() {
        let mut rule = Rule::new();
        let mut grown =
            |picked, looks| -> usize { (0..looks).map(|_| rule.growth_unseen(picked)).sum() };
        assert_eq!(grown(false, 9), 0);
        assert_eq!(grown(true, 1), 0);
        assert_eq!((grown(false, 9), grown(false, 11)), (0, 2));
    }
}
