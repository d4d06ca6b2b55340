//! Random numbers for pauses, and pauses that grow.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::sync::Duration;

/// A generator of random numbers (SplitMix64). They are no secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A generator whose numbers follow from `seed`.
    pub(super) fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    /// A generator that is different for each call, by the keys of a hash map.
    pub(super) fn new() -> Random {
        Random(RandomState::new().build_hasher().finish())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A duration of at most `most`, each as likely as the others. 584 years is the longest.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let scaled = (u128::from(self.next()) * (u128::from(nanos) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(nanos))
    }
}

/// `base`, doubled `times` times, and at most `cap`.
pub(super) fn grown(base: Duration, cap: Duration, times: u32) -> Duration {
    let (nanos, most) = (base.as_nanos(), cap.as_nanos());
    // A shift beyond its bits would lose some: it is more than any cap.
    let grown = match nanos.leading_zeros() > times {
        true => nanos << times,
        false if nanos == 0 => 0,
        false => u128::MAX,
    };
    match grown < most {
        // Shorter than `cap`, so that it can be told.
        true => Duration::new(
            u64::try_from(grown / 1_000_000_000).unwrap_or(u64::MAX),
            u32::try_from(grown % 1_000_000_000).unwrap_or(0),
        ),
        false => cap,
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn it_doubles_up_to_the_cap_and_never_overflows() {
        let cap = Duration::from_secs(1);
        let grown_by = |times| grown(MILLI, cap, times);
        assert_eq!(
            [0, 1, 2, 9].map(grown_by),
            [1, 2, 4, 512].map(Duration::from_millis)
        );
        assert_eq!([10, 64, 127, 128, 9_999, u32::MAX].map(grown_by), [cap; 6]);
        assert_eq!(grown(Duration::ZERO, cap, 9_999), Duration::ZERO);
        assert_eq!(grown(MILLI, Duration::ZERO, 3), Duration::ZERO);
        assert_eq!(grown(cap, MILLI, 0), MILLI, "the cap is below the base");
        assert_eq!(grown(Duration::MAX, Duration::MAX, 9), Duration::MAX);
        assert_eq!(grown(MILLI, Duration::MAX, 9_999), Duration::MAX);
    }

    #[test]
    fn random_durations_fill_their_range_and_do_not_leave_it() {
        let mut random = Random::seeded(7);
        let most = Duration::from_nanos(3);
        let mut seen = [0; 4];
        for _ in 0..4_000 {
            seen[random.up_to(most).as_nanos() as usize] += 1;
        }
        assert!(
            seen.iter().all(|count| (850..1_150).contains(count)),
            "{seen:?}"
        );
        assert_eq!(random.up_to(Duration::ZERO), Duration::ZERO);
        assert!(random.up_to(Duration::MAX) <= Duration::from_nanos(u64::MAX));
        let of = |seed| Random::seeded(seed).next();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_ne!(Random::new().next(), Random::new().next());
    }
}
