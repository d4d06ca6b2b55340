//! What ran on which thread, and when: the slices of a timeline.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::json::Json;
use crate::thread::with_thread;

/// How many slices are kept.
const SLICES: usize = 4096;
/// How many go to a page at a time, the latest.
const SENT: usize = 1000;
/// How many threads are known. A new one replaces the one that was idle longest.
const THREADS: usize = 256;
/// How many spans may be open on one thread.
const DEPTH: usize = 64;

#[derive(Default)]
pub(crate) struct Timeline {
    /// No other lock is taken under it.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    threads: BTreeMap<u64, Thread>,
    /// The latest last.
    slices: VecDeque<Slice>,
    /// How many slices there have been.
    count: u64,
}

struct Thread {
    name: Arc<str>,
    /// The innermost span last.
    open: Vec<Open>,
    last: f64,
}

#[derive(Clone)]
struct Open {
    span: u64,
    label: Arc<str>,
    start: f64,
}

#[derive(Clone)]
struct Slice {
    thread: u64,
    depth: usize,
    label: Arc<str>,
    start: f64,
    end: f64,
}

impl Timeline {
    /// The calling thread enters a span.
    pub(crate) fn enter(&self, span: u64, label: Arc<str>, now: f64) {
        let open = Open {
            span,
            label,
            start: now,
        };
        with_thread(|number, name| {
            let mut known = self.known.lock().unwrap();
            let thread = known.thread(number, name);
            thread.last = now;
            if thread.open.len() < DEPTH {
                thread.open.push(open);
            }
        });
    }

    /// The calling thread leaves a span.
    pub(crate) fn exit(&self, span: u64, now: f64) {
        with_thread(|number, _| {
            let mut known = self.known.lock().unwrap();
            let Some(thread) = known.threads.get_mut(&number) else {
                return;
            };
            thread.last = now;
            // Mostly the innermost; spans may be left in any order.
            let Some(depth) = thread.open.iter().rposition(|open| open.span == span) else {
                return;
            };
            let Open { label, start, .. } = thread.open.remove(depth);
            known.push(Slice {
                thread: number,
                depth,
                label,
                start,
                end: now,
            });
        });
    }

    /// Writes the members `threads`, `slices` and `missed`: what has come since `cursor`, which is
    /// then moved on.
    pub(crate) fn write(&self, cursor: &mut u64, json: &mut Json) {
        let known = self.known.lock().unwrap();
        let news = (known.count - *cursor) as usize;
        let sent = news.min(SENT).min(known.slices.len());
        *cursor = known.count;
        let rest = known.slices.len() - sent;
        let slices: Vec<Slice> = known.slices.iter().skip(rest).cloned().collect();
        let threads = known.threads.iter();
        let threads: Vec<_> = threads
            .map(|(number, thread)| (*number, thread.name.clone(), thread.open.clone()))
            .collect();
        drop(known);

        json.key("missed").number(news - sent);
        json.key("threads").array(|json| {
            for (number, name, open) in threads {
                json.object(|json| {
                    json.key("id").number(number);
                    json.key("name").text(&name);
                    json.key("open").array(|json| {
                        for Open { label, start, .. } in open {
                            json.array(|json| {
                                json.seconds(start);
                                json.text(&label);
                            });
                        }
                    });
                });
            }
        });
        json.key("slices").array(|json| {
            for slice in slices {
                json.array(|json| {
                    json.number(slice.thread);
                    json.number(slice.depth);
                    json.seconds(slice.start);
                    json.seconds(slice.end);
                    json.text(&slice.label);
                });
            }
        });
    }
}

impl Known {
    fn thread(&mut self, number: u64, name: &Arc<str>) -> &mut Thread {
        if self.threads.len() >= THREADS && !self.threads.contains_key(&number) {
            let threads = self.threads.iter();
            let oldest = threads.min_by(|(_, one), (_, other)| one.last.total_cmp(&other.last));
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                self.threads.remove(&oldest);
            }
        }
        self.threads.entry(number).or_insert_with(|| Thread {
            name: name.clone(),
            open: Vec::new(),
            last: 0.0,
        })
    }

    fn push(&mut self, slice: Slice) {
        if self.slices.len() == SLICES {
            self.slices.pop_front();
        }
        self.slices.push_back(slice);
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{SENT, SLICES, THREADS, Timeline};
    use crate::json::Json;

    fn read(timeline: &Timeline, cursor: &mut u64) -> Value {
        let mut json = Json::default();
        json.object(|json| timeline.write(cursor, json));
        serde_json::from_str(&json.into_text()).unwrap()
    }

    #[test]
    fn a_slice_is_sent_once_it_has_ended() {
        let (timeline, mut cursor) = (Timeline::default(), 0);
        timeline.enter(1, "outer".into(), 1.0);
        timeline.enter(2, "inner".into(), 2.0);
        let seen = read(&timeline, &mut cursor);
        assert_eq!(seen["threads"][0]["open"][1][1], "inner");
        assert_eq!(seen["slices"].as_array().unwrap().len(), 0);
        timeline.exit(2, 3.0);
        timeline.exit(7, 3.0);
        let seen = read(&timeline, &mut cursor);
        let slice = &seen["slices"][0];
        assert_eq!((&slice[1], &slice[4]), (&1.into(), &"inner".into()));
        assert_eq!(
            (slice[2].as_f64(), slice[3].as_f64()),
            (Some(2.0), Some(3.0))
        );
        timeline.exit(1, 4.0);
        let seen = read(&timeline, &mut cursor);
        assert_eq!(seen["slices"].as_array().unwrap().len(), 1, "not twice");
        assert_eq!(seen["slices"][0][4], "outer");
    }

    #[test]
    fn only_so_many_slices_and_threads_are_kept() {
        let (timeline, mut cursor) = (Timeline::default(), 0);
        for n in 0..SLICES as u64 + 10 {
            timeline.enter(n, "short".into(), n as f64);
            timeline.exit(n, n as f64);
        }
        assert_eq!(timeline.known.lock().unwrap().slices.len(), SLICES);
        let seen = read(&timeline, &mut cursor);
        assert_eq!(seen["slices"].as_array().unwrap().len(), SENT);
        assert_eq!(seen["missed"], SLICES + 10 - SENT);
        std::thread::scope(|scope| {
            for n in 0..THREADS as u64 + 10 {
                let timeline = &timeline;
                let run = move || timeline.enter(n, "other".into(), 9e6 + n as f64);
                scope.spawn(run).join().unwrap();
            }
        });
        assert_eq!(timeline.known.lock().unwrap().threads.len(), THREADS);
    }

    #[test]
    fn many_spans_that_stay_open_are_bounded() {
        let (timeline, mut cursor) = (Timeline::default(), 0);
        for n in 0..1000 {
            timeline.enter(n, "open".into(), 0.0);
        }
        let seen = read(&timeline, &mut cursor);
        assert!(seen["threads"][0]["open"].as_array().unwrap().len() < 100);
    }
}
