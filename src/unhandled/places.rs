//! Counts the failures of each place, so that the default report stays short: plain data, without
//! a clock and without output.
//!
//! The first failure of a place is written in full. Further ones within a [`WINDOW`] are counted,
//! and the count is written when the window is over. A place that was quiet for a window is
//! forgotten: its next failure is written in full again. So a place writes at most one line in a
//! window, and no failure is lost.

use std::fmt;
use std::panic::Location;

use crate::sync::{Arc, Duration, Instant};

/// How long the failures of one place are counted before the count is said.
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// The number of places that are counted separately at one time. Further ones are counted together.
const MAX_PLACES: usize = 64;

/// The number of names that are counted separately for one location. Further ones are counted
/// together, so that names made from numbers do not use up the places.
const MAX_NAMES: usize = 8;

/// Where failures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// One location under one name, or under none.
    Task(Option<&'static Location<'static>>, Option<Arc<str>>),
    /// One location under any further name.
    OtherNames(Option<&'static Location<'static>>),
    /// Any further location.
    Elsewhere,
}

impl Key {
    fn location(&self) -> Option<Option<&'static Location<'static>>> {
        match self {
            Key::Task(location, _) => Some(*location),
            Key::OtherNames(_) | Key::Elsewhere => None,
        }
    }
}

struct Place {
    key: Key,
    /// Where the first line was written: a subscriber and stderr have different readers.
    to_subscriber: bool,
    /// When the last line was said.
    said: Instant,
    /// Failures since then.
    more: u64,
}

impl Place {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.said) >= WINDOW
    }
}

/// A count that is due. `Display` is the line.
#[derive(Debug)]
pub(super) struct Count {
    key: Key,
    more: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.more {
            1 => write!(f, "1 more failure was never looked at [")?,
            more => write!(f, "{more} more failures were never looked at [")?,
        }
        let location = match &self.key {
            Key::Task(location, Some(name)) => {
                write!(f, "task `{name}`, ")?;
                location
            }
            Key::Task(location, None) => location,
            Key::OtherNames(location) => {
                write!(f, "tasks of other names, ")?;
                location
            }
            Key::Elsewhere => return write!(f, "at other places]"),
        };
        match location {
            Some(location) => write!(f, "at {location}]"),
            None => write!(f, "at an unknown place]"),
        }
    }
}

/// The places of the last window.
pub(super) struct Places {
    /// At most [`MAX_PLACES`], and one `Elsewhere` for each kind of reader.
    places: Vec<Place>,
}

impl Places {
    pub(super) const fn new() -> Places {
        Places { places: Vec::new() }
    }

    /// Records a failure. Returns true if it must be written in full; else it was counted. Counts
    /// that are due at `now` are added to `due`.
    pub(super) fn note(
        &mut self,
        now: Instant,
        location: Option<&'static Location<'static>>,
        name: Option<&Arc<str>>,
        to_subscriber: bool,
        due: &mut Vec<Count>,
    ) -> bool {
        // A place whose window is over and has no count is new again.
        self.places
            .retain(|place| place.more > 0 || !place.is_over(now));
        let is_counted = self.count(&Key::Task(location, name.cloned()), to_subscriber) || {
            let names = self
                .places
                .iter()
                .filter(|place| place.key.location() == Some(location))
                .count();
            let key = if self.places.len() >= MAX_PLACES {
                Key::Elsewhere
            } else if names >= MAX_NAMES {
                Key::OtherNames(location)
            } else {
                Key::Task(location, name.cloned())
            };
            let is_counted = self.count(&key, to_subscriber);
            if !is_counted {
                self.places.push(Place {
                    key,
                    to_subscriber,
                    said: now,
                    more: 0,
                });
            }
            is_counted
        };
        self.take(|place| place.is_over(now), now, due);
        !is_counted
    }

    /// Counts a failure of a known place; false when it is not known.
    fn count(&mut self, key: &Key, to_subscriber: bool) -> bool {
        let place = self
            .places
            .iter_mut()
            .find(|place| place.key == *key && place.to_subscriber == to_subscriber);
        let is_known = place.is_some();
        if let Some(place) = place {
            place.more += 1;
        }
        is_known
    }

    /// Adds the counts that are due at `now`.
    pub(super) fn take_due(&mut self, now: Instant, due: &mut Vec<Count>) {
        self.take(|place| place.is_over(now), now, due);
    }

    /// Adds all counts, due or not.
    pub(super) fn take_all(&mut self, now: Instant, due: &mut Vec<Count>) {
        self.take(|_| true, now, due);
    }

    fn take(&mut self, mut of: impl FnMut(&Place) -> bool, now: Instant, due: &mut Vec<Count>) {
        for place in &mut self.places {
            if place.more > 0 && of(place) {
                due.push(Count {
                    key: place.key.clone(),
                    more: std::mem::take(&mut place.more),
                });
                place.said = now;
            }
        }
    }

    pub(super) fn is_counting(&self) -> bool {
        self.places.iter().any(|place| place.more > 0)
    }

    /// How long until a count is due; `None` when there is none.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let counted = self.places.iter().filter(|place| place.more > 0);
        counted
            .map(|place| WINDOW.saturating_sub(now.saturating_duration_since(place.said)))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places with a clock of their own, and what they have said.
    struct Report {
        places: Places,
        start: Instant,
        lines: Vec<String>,
    }

    impl Report {
        fn new() -> Report {
            Report {
                places: Places::new(),
                start: Instant::now(),
                lines: Vec::new(),
            }
        }

        fn at(&self, millis: u64) -> Instant {
            let since_start = Duration::from_millis(millis);
            self.start.checked_add(since_start).expect("a small number")
        }

        /// Always at the same location.
        fn fail(&mut self, millis: u64, name: Option<&str>) {
            self.fail_at(millis, Location::caller(), name);
        }

        fn fail_at(
            &mut self,
            millis: u64,
            location: &'static Location<'static>,
            name: Option<&str>,
        ) {
            let name = name.map(Arc::from);
            let (now, mut due) = (self.at(millis), Vec::new());
            let location = Some(location);
            let is_new = self
                .places
                .note(now, location, name.as_ref(), false, &mut due);
            self.say(due);
            if is_new {
                let name = name.as_deref().unwrap_or("-");
                self.lines.push(format!("full {name}"));
            }
        }

        fn say(&mut self, due: Vec<Count>) {
            let texts = due.iter().map(Count::to_string);
            self.lines.extend(texts.map(|text| {
                let (line, place) = text.split_once(" [").expect("every count has a place");
                let count = line.trim_end_matches(" never looked at");
                let place = place.split(", at ").next().expect("at least one part");
                let place = if place.contains(file!()) { "-]" } else { place };
                format!("{count} [{}", place.trim_end_matches(']'))
            }));
        }

        fn end(mut self) -> Vec<String> {
            let (now, mut due) = (self.at(1_000_000), Vec::new());
            self.places.take_all(now, &mut due);
            self.say(due);
            self.lines
        }
    }

    #[test]
    fn one_place_writes_one_line_in_full_and_then_counts() {
        for (failures, count) in [
            (1, None),
            (2, Some("1 more failure was [-")),
            (1_000, Some("999 more failures were [-")),
        ] {
            let mut report = Report::new();
            for _ in 0..failures {
                report.fail(0, None);
            }
            let expected: Vec<&str> = ["full -"].into_iter().chain(count).collect();
            assert_eq!(report.end(), expected);
        }
    }

    #[test]
    fn one_line_a_second_during_failures_and_none_is_lost() {
        let mut report = Report::new();
        for millis in 0..10_000 {
            report.fail(millis, Some("steady"));
        }
        let lines = report.end();
        assert_eq!(lines.len(), 11, "{lines:?}");
        assert_eq!(lines[0], "full steady");
        assert_eq!(lines[1], "1000 more failures were [task `steady`");
        let more: u64 = lines[1..]
            .iter()
            .map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(more + 1, 10_000);
    }

    #[test]
    fn a_quiet_place_reports_its_next_failure_in_full() {
        let mut report = Report::new();
        for millis in [0, 999, 1_500, 3_000, 4_000] {
            report.fail(millis, Some("rare"));
        }
        let expected = [
            "full rare",
            "2 more failures were [task `rare`",
            "full rare",
            "full rare",
        ];
        assert_eq!(report.end(), expected);
    }

    #[test]
    fn a_count_of_one_place_is_said_when_another_fails() {
        let mut report = Report::new();
        report.fail(0, Some("a"));
        report.fail(1, Some("a"));
        report.fail(1_001, Some("b"));
        let expected = ["full a", "1 more failure was [task `a`", "full b"];
        assert_eq!(report.end(), expected);
    }

    #[test]
    fn a_million_names_of_one_location_take_a_few_lines_and_little_room() {
        let mut report = Report::new();
        for n in 0..1_000_000 {
            report.fail(0, Some(&format!("request {n}")));
        }
        report.fail(0, Some("request 3"));
        assert!(report.places.places.len() <= MAX_NAMES + 1);
        let lines = report.end();
        assert_eq!(lines[8], "full request 8");
        assert_eq!(
            lines[9..],
            [
                "1 more failure was [task `request 3`",
                "999991 more failures were [tasks of other names",
            ]
        );
    }

    #[track_caller]
    fn at() -> &'static Location<'static> {
        Location::caller()
    }

    #[rustfmt::skip]
    fn locations() -> [&'static Location<'static>; 72] {
        [
            at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(),
            at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(),
            at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(),
            at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(),
            at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(), at(),
            at(), at(),
        ]
    }

    #[test]
    fn a_thousand_places_are_counted_together_beyond_the_bound_until_there_is_room() {
        let mut report = Report::new();
        // 72 locations, 14 names for each.
        for name in 0..14 {
            for location in locations() {
                report.fail_at(0, location, Some(&name.to_string()));
            }
        }
        assert_eq!(report.places.places.len(), MAX_PLACES + 1);
        let full = report.lines.len();
        assert_eq!(full, MAX_PLACES + 1, "{:?}", report.lines);
        // Quiet for a window: later failures are counted separately again.
        let more = 14 * 72 - full;
        report.fail_at(1_500, locations()[71], Some("13"));
        let expected = [
            &format!("{more} more failures were [at other places"),
            "full 13",
        ];
        assert_eq!(report.end()[full..], expected);
    }

    #[test]
    fn a_subscriber_and_stderr_are_counted_separately() {
        let (mut places, now) = (Places::new(), Instant::now());
        let mut due = Vec::new();
        assert!(places.note(now, None, None, false, &mut due));
        assert!(places.note(now, None, None, true, &mut due));
        assert!(!places.note(now, None, None, true, &mut due));
        assert_eq!(places.due_in(now), Some(WINDOW));
        places.take_all(now, &mut due);
        assert_eq!(
            due[0].to_string(),
            "1 more failure was never looked at [at an unknown place]"
        );
        assert_eq!(places.due_in(now), None);
    }
}
