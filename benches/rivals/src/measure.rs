//! Rounds, medians, spreads and ratios.

use std::time::{Duration, Instant};

use crate::child::Child;
use crate::contest::{Contestant, Kind, Program, Workload};
use crate::foreign::Tools;
use crate::heap::Heap;

/// Idle threads of the contestant before may still be looking for work: they get this long to fall
/// asleep.
const PAUSE: Duration = Duration::from_millis(2);

/// A contestant that is compiled while it runs is warmed up by so many rounds, or for so long: its
/// compiler takes a method up after some ten thousand calls, and needs time of its own.
const WARM_UP_ROUNDS: usize = 30;
const WARM_UP_TIME: Duration = Duration::from_secs(3);

/// What one contestant needed, one figure per round.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) contestant: &'static Contestant,
    /// The size it ran at: below the bout's where it cannot do that many.
    pub(crate) n: usize,
    /// Nanoseconds per operation, in the order of the rounds.
    pub(crate) rounds: Vec<f64>,
}

/// All contestants of a workload at one size, with one heap.
#[derive(Debug)]
pub(crate) struct Bout {
    pub(crate) workload: &'static Workload,
    pub(crate) heap: Heap,
    pub(crate) n: usize,
    pub(crate) series: Vec<Series>,
}

/// fast-async over another, taken round by round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// What all bouts of a run have in common.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) rounds: usize,
    pub(crate) heaps: &'a [Heap],
    pub(crate) tools: &'a Tools,
}

/// Lets all contestants of `workload` do `n` operations, one after another within each round, each
/// once with every heap. Returns a bout for each heap.
///
/// One that dies or hangs ends the bouts, with an error that names it.
pub(crate) fn bouts(
    workload: &'static Workload,
    n: usize,
    sizes: &[usize],
    setting: &Setting<'_>,
) -> Result<Vec<Bout>, String> {
    let mut field: Vec<_> = setting
        .heaps
        .iter()
        .flat_map(|heap| entrants(workload, n, sizes, setting, heap))
        .collect();
    let mut children = Vec::new();
    if !workload.from_rest {
        for (heap, one) in &field {
            children.push(warmed_up(workload, one, heap, setting.tools)?);
        }
    }
    for round in 0..setting.rounds {
        for turn in order(field.len(), round) {
            let (heap, one) = &mut field[turn];
            std::thread::sleep(PAUSE);
            let took = match children.get_mut(turn) {
                Some(child) => round_of(workload, one, child)?,
                None => {
                    let mut child = Child::start(workload, one.contestant, heap, setting.tools)?;
                    round_of(workload, one, &mut child)?
                }
            };
            one.rounds.push(took);
        }
    }
    let mut bouts: Vec<_> = setting
        .heaps
        .iter()
        .map(|heap| Bout {
            workload,
            heap: heap.clone(),
            n,
            series: Vec::new(),
        })
        .collect();
    for (heap, one) in field {
        let its = bouts.iter_mut().find(|bout| bout.heap == *heap);
        its.expect("each heap has a bout").series.push(one);
    }
    Ok(bouts)
}

/// Those who take part at size `n`, with one heap.
fn entrants<'a>(
    workload: &'static Workload,
    n: usize,
    sizes: &[usize],
    setting: &Setting<'_>,
    heap: &'a Heap,
) -> Vec<(&'a Heap, Series)> {
    let is_here = |one: &&Contestant| match one.program {
        Program::Own(_) => true,
        Program::Foreign(language) => setting.tools.has(language),
    };
    let contestants = workload.contestants.iter().filter(is_here);
    let series = |contestant: &'static Contestant| {
        Some(Series {
            contestant,
            n: contestant.size(n, sizes)?,
            rounds: Vec::with_capacity(setting.rounds),
        })
    };
    contestants
        .filter_map(series)
        .map(|one| (heap, one))
        .collect()
}

/// A process that has done a round of the size it will be measured at: its heap has the extent and
/// its pool the threads it needs. In another language it has done more rounds.
fn warmed_up(
    workload: &Workload,
    one: &Series,
    heap: &Heap,
    tools: &Tools,
) -> Result<Child, String> {
    let mut child = Child::start(workload, one.contestant, heap, tools)?;
    let rounds = match one.contestant.program {
        Program::Own(_) => 1,
        Program::Foreign(_) => WARM_UP_ROUNDS,
    };
    let start = Instant::now();
    for _ in 0..rounds {
        round_of(workload, one, &mut child)?;
        if start.elapsed() > WARM_UP_TIME {
            break;
        }
    }
    Ok(child)
}

/// Everyone once, in an order of this round's own: what the one before leaves behind, such as
/// threads that have yet to fall asleep, is not always the same one's loss. The same in every run.
fn order(field: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..field).collect();
    let mut random = (round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for last in (1..field).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        order.swap(last, (random % (last as u64 + 1)) as usize);
    }
    order
}

/// Nanoseconds per operation over as many runs as it takes to fill a round.
fn round_of(workload: &Workload, one: &Series, child: &mut Child) -> Result<f64, String> {
    let each = (workload.operations)(one.n).max(1);
    let wanted = workload.fill.min(one.contestant.most);
    let runs = (wanted / each).max(1);
    let spent = child.run(one.n, runs)?;
    Ok(spent.as_secs_f64() * 1e9 / (runs * each) as f64)
}

impl Series {
    pub(crate) fn median(&self) -> f64 {
        quantile(&self.rounds, 0.5)
    }

    pub(crate) fn least(&self) -> f64 {
        quantile(&self.rounds, 0.0)
    }

    pub(crate) fn most(&self) -> f64 {
        quantile(&self.rounds, 1.0)
    }

    /// The middle half of the rounds lies within this part of the median.
    pub(crate) fn spread(&self) -> f64 {
        (quantile(&self.rounds, 0.75) - quantile(&self.rounds, 0.25)) / self.median()
    }

    /// This series over `other`, round by round: the machine's mood hits both alike.
    pub(crate) fn over(&self, other: &Self) -> Ratio {
        let ratios: Vec<_> = self
            .rounds
            .iter()
            .zip(&other.rounds)
            .map(|(mine, theirs)| mine / theirs)
            .collect();
        Ratio {
            median: quantile(&ratios, 0.5),
            least: quantile(&ratios, 0.0),
            most: quantile(&ratios, 1.0),
        }
    }
}

impl Bout {
    pub(crate) fn ours(&self) -> Option<&Series> {
        self.of(Kind::Ours).next()
    }

    pub(crate) fn floor(&self) -> Option<&Series> {
        self.of(Kind::Floor).next()
    }

    /// The fastest that does the same job at the same size.
    pub(crate) fn best_peer(&self) -> Option<&Series> {
        self.fastest(Kind::Peer)
    }

    /// The fastest in another language at the same size.
    pub(crate) fn best_foreign(&self) -> Option<&Series> {
        self.fastest(Kind::Foreign)
    }

    fn fastest(&self, kind: Kind) -> Option<&Series> {
        self.of(kind)
            .filter(|one| one.n == self.n)
            .min_by(|a, b| a.median().total_cmp(&b.median()))
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Series> {
        self.series
            .iter()
            .filter(move |one| one.contestant.kind == kind)
    }
}

/// The value below which a `part` of the figures lies, interpolated between neighbours.
fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = part * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Contestant = Contestant::peer("any", |_| Duration::ZERO);

    fn series(rounds: &[f64]) -> Series {
        Series {
            contestant: &ANY,
            n: 1,
            rounds: rounds.to_vec(),
        }
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(series(&[9.0, 1.0, 3.0, 5.0]).median(), 4.0);
        assert_eq!(series(&[9.0, 1.0, 3.0]).median(), 3.0);
    }

    #[test]
    fn every_round_has_everyone_once_and_another_predecessor() {
        let mut before_the_second = Vec::new();
        for round in 0..7 {
            let order = order(10, round);
            let place = order.iter().position(|&one| one == 1);
            before_the_second
                .push(place.and_then(|place| order.get(place.wrapping_sub(1)).copied()));
            let mut sorted = order;
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        before_the_second.sort_unstable();
        before_the_second.dedup();
        assert!(before_the_second.len() > 3, "{before_the_second:?}");
    }

    #[test]
    fn the_spread_is_the_middle_half_over_the_median() {
        let one = series(&[1.0, 2.0, 3.0, 4.0, 100.0]);
        assert_eq!(one.spread(), (4.0 - 2.0) / 3.0);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was ten times slower in the second round, for both.
        let ratio = series(&[2.0, 20.0, 2.0]).over(&series(&[1.0, 10.0, 4.0]));
        assert_eq!((ratio.median, ratio.least, ratio.most), (2.0, 0.5, 2.0));
    }
}
