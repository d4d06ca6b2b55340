//! Failures that nothing has received, by the place where the task was made.

use std::sync::Mutex;

use fast_async::TaskError;

use crate::json::Json;
use crate::tasks::shortened;

/// How many places are kept. A new one replaces the one whose last failure is the oldest.
const PLACES: usize = 100;

#[derive(Default)]
pub(crate) struct Failures {
    /// No other lock is taken under it, and no code of the user's runs. In no order.
    places: Mutex<Vec<Place>>,
}

#[derive(Clone)]
struct Place {
    task: Option<Box<str>>,
    location: Option<String>,
    /// The text of the last failure.
    text: Box<str>,
    count: u64,
    last: f64,
}

impl Failures {
    pub(crate) fn note(&self, error: &TaskError, now: f64) {
        // Both call code of the user's: without the lock.
        let text = shortened(&error.to_string());
        let task = error.task_name().map(shortened);
        let location = error.location().map(ToString::to_string);
        let mut places = self.places.lock().unwrap();
        let is_it = |place: &&mut Place| place.task == task && place.location == location;
        if let Some(place) = places.iter_mut().find(is_it) {
            place.text = text;
            place.count += 1;
            place.last = now;
            return;
        }
        let place = Place {
            task,
            location,
            text,
            count: 1,
            last: now,
        };
        if places.len() < PLACES {
            places.push(place);
            return;
        }
        let oldest = places.iter_mut();
        if let Some(oldest) = oldest.min_by(|one, other| one.last.total_cmp(&other.last)) {
            *oldest = place;
        }
    }

    /// Writes the member `failures`, the latest first.
    pub(crate) fn write(&self, json: &mut Json) {
        let mut places = self.places.lock().unwrap().clone();
        places.sort_by(|one, other| other.last.total_cmp(&one.last));
        json.key("failures").array(|json| {
            for place in places {
                json.object(|json| {
                    json.key("task").text_or_null(place.task.as_deref());
                    json.key("at").text_or_null(place.location.as_deref());
                    json.key("text").text(&place.text);
                    json.key("count").number(place.count);
                    json.key("last").seconds(place.last);
                });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use fast_async::{Task, TaskError};

    use super::{Failures, PLACES};
    use crate::json::Json;

    fn failure(text: &str, name: &str) -> TaskError {
        let text = text.to_owned();
        let task = Task::builder()
            .name(name)
            .attempt(move || Err::<(), _>(text.into()));
        task.wait().unwrap_err()
    }

    #[test]
    fn failures_of_one_place_are_counted_and_places_are_bounded() {
        let failures = Failures::default();
        failures.note(&failure("first", "load"), 1.0);
        failures.note(&failure("second", "load"), 2.0);
        for n in 0..PLACES {
            failures.note(&failure("other", &n.to_string()), 3.0 + n as f64);
        }
        failures.note(&failure("last", "99"), 999.0);
        let mut json = Json::default();
        json.object(|json| failures.write(json));
        let seen: serde_json::Value = serde_json::from_str(&json.into_text()).unwrap();
        let seen = seen["failures"].as_array().unwrap();
        assert_eq!(seen.len(), PLACES);
        assert_eq!(
            (&seen[0]["task"], &seen[0]["count"]),
            (&"99".into(), &2.into())
        );
        assert!(seen[0]["text"].as_str().unwrap().starts_with("last"));
        assert!(seen[0]["at"].as_str().unwrap().contains("failures.rs:"));
        assert!(
            seen.iter().all(|it| it["task"] != "load"),
            "the oldest has gone"
        );
    }
}
