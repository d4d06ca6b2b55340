//! When merged calls are run: the rules of `Debounce` and `Throttle`, of calls and of topics.

use crate::sync::{Duration, Instant};

/// When merged calls are run.
pub(crate) struct Rule {
    pub(crate) kind: Kind,
    /// The first call is run at once.
    pub(crate) leading: bool,
    /// Later ones are run when their time has come.
    pub(crate) trailing: bool,
}

pub(crate) enum Kind {
    /// After `wait` without a call, and not later than `most` after the first one.
    Debounce {
        wait: Duration,
        most: Option<Duration>,
    },
    /// Once in a period.
    Throttle { period: Duration },
}

/// A moment that may never come.
#[derive(Clone, Copy)]
pub(crate) enum Moment {
    Past,
    At(Instant),
    Never,
}

impl Moment {
    fn after(now: Instant, duration: Duration) -> Moment {
        now.checked_add(duration).map_or(Moment::Never, Moment::At)
    }

    /// It has come. A moment that comes now has.
    pub(crate) fn is_over(self, now: Instant) -> bool {
        match self {
            Moment::Past => true,
            Moment::At(moment) => now >= moment,
            Moment::Never => false,
        }
    }

    fn earlier(self, other: Moment) -> Moment {
        match (self, other) {
            (Moment::At(one), Moment::At(two)) => Moment::At(one.min(two)),
            (Moment::Past, _) | (_, Moment::Past) => Moment::Past,
            (Moment::Never, other) => other,
            (one, Moment::Never) => one,
        }
    }
}

impl Rule {
    /// Only the last of several calls counts, when none has come for `wait`.
    pub(crate) fn debounce(wait: Duration) -> Rule {
        let most = None;
        Rule {
            kind: Kind::Debounce { wait, most },
            leading: false,
            trailing: true,
        }
    }

    /// The first call counts at once, and of the following ones the last, once in a `period`.
    pub(crate) fn throttle(period: Duration) -> Rule {
        Rule {
            kind: Kind::Throttle { period },
            leading: true,
            trailing: true,
        }
    }

    /// Until when later calls belong to one that comes now. `None`: as before.
    pub(crate) fn quiet_after_call(&self, is_first: bool, now: Instant) -> Option<Moment> {
        match self.kind {
            Kind::Debounce { wait, .. } => Some(Moment::after(now, wait)),
            Kind::Throttle { period } => is_first.then(|| Moment::after(now, period)),
        }
    }

    /// Until when later calls belong to a run that begins now. `None`: as before.
    pub(crate) fn quiet_after_run(&self, now: Instant) -> Option<Moment> {
        match self.kind {
            Kind::Debounce { .. } => None,
            Kind::Throttle { period } => Some(Moment::after(now, period)),
        }
    }

    /// When calls are due, of which the first came at `since` and the last comes now.
    pub(crate) fn due(&self, since: Instant, now: Instant, quiet: Moment) -> Moment {
        match self.kind {
            Kind::Throttle { .. } => quiet,
            Kind::Debounce { wait, most } => {
                let latest = most.map_or(Moment::Never, |most| Moment::after(since, most));
                Moment::after(now, wait).earlier(latest)
            }
        }
    }
}
