//! Adds arrows to a trace: from each slice of a chain to the slices that came after it.
//!
//! A trace is an array of events. `B` and `E` begin and end a slice on a thread; `s` and `f` begin
//! and end an arrow, each within a slice.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use fast_async::BoxError;
use serde_json::{Value, json};

/// The time in which one closure of a chain ran. Times are in microseconds.
struct Slice {
    thread: u64,
    start: f64,
    end: f64,
}

/// Adds the arrows of all chains to a trace that is complete; returns how many.
pub(crate) fn add(path: &Path) -> Result<usize, BoxError> {
    let mut events: Vec<Value> = serde_json::from_slice(&fs::read(path)?)?;
    let mut count = 0;
    for mut slices in slices(&events).into_values() {
        slices.sort_by(|a, b| a.start.total_cmp(&b.start));
        for (index, slice) in slices.iter().enumerate() {
            for from in causes(&slices[..index], slice) {
                events.extend(arrow(count, from, slice));
                count += 1;
            }
        }
    }
    fs::write(path, serde_json::to_vec(&events)?)?;
    Ok(count)
}

/// The outermost slices of spans named `chain`, by their arguments.
fn slices(events: &[Value]) -> BTreeMap<String, Vec<Slice>> {
    let mut chains: BTreeMap<String, Vec<Slice>> = BTreeMap::new();
    // Of each thread: how many slices are open, and the chain of the outermost.
    let mut open: HashMap<u64, (usize, String)> = HashMap::new();
    for event in events {
        let (Some(thread), Some(time)) = (event["tid"].as_u64(), event["ts"].as_f64()) else {
            continue;
        };
        match event["ph"].as_str() {
            Some("B") => {
                let (depth, chain) = open.entry(thread).or_default();
                *depth += 1;
                if *depth == 1 && event["name"] == "chain" {
                    *chain = event["args"].to_string();
                    let start = Slice {
                        thread,
                        start: time,
                        end: time,
                    };
                    chains.entry(chain.clone()).or_default().push(start);
                }
            }
            Some("E") => {
                let Some((depth, chain)) = open.get_mut(&thread) else {
                    continue;
                };
                *depth = depth.saturating_sub(1);
                if *depth == 0 {
                    let slices = chains.entry(std::mem::take(chain)).or_default();
                    if let Some(slice) = slices.iter_mut().rfind(|it| it.thread == thread) {
                        slice.end = time;
                    }
                }
            }
            _ => {}
        }
    }
    chains
}

/// What a slice continues: the slice that ended last before it began. Where several ran at once,
/// and have had no successor, it continues all of them.
fn causes<'a>(before: &'a [Slice], slice: &Slice) -> Vec<&'a Slice> {
    let ended: Vec<_> = before.iter().filter(|it| it.end <= slice.start).collect();
    // The latest start of one that has ended: what ended before that is behind it already.
    let latest = ended.iter().map(|it| it.start).fold(f64::MIN, f64::max);
    ended.into_iter().filter(|it| it.end >= latest).collect()
}

fn arrow(id: usize, from: &Slice, to: &Slice) -> [Value; 2] {
    let event = |phase: &str, slice: &Slice, time: f64| {
        json!({
            "ph": phase, "id": id, "cat": "chain", "name": "continues",
            "pid": 1, "tid": slice.thread, "ts": time,
        })
    };
    let mut end = event("f", to, to.start);
    // Else it would end at the next slice that begins within this one.
    end["bp"] = json!("e");
    [event("s", from, from.start), end]
}
