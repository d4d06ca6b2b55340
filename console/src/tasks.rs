//! The tasks of all pools: those that have not ended, and the last ones that have.

use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;
use std::sync::Mutex;

use crate::json::Json;

/// How many tasks that have not ended are known, at most.
const LIVE: usize = 20_000;
/// How many that have ended.
const ENDED: usize = 500;
/// How many of either go to a page at a time.
const SHOWN: usize = 100;
/// The longest name or message that is kept, in characters.
const LONGEST: usize = 200;

/// What is told of a task.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    /// Its number, which no other task of the process has.
    pub(crate) id: u64,
    /// The number of its pool, for the page.
    pub(crate) pool: usize,
    pub(crate) name: Option<&'a str>,
    pub(crate) location: &'static Location<'static>,
    /// The number of the task that has spawned it.
    pub(crate) parent: Option<u64>,
}

/// How a task stands. The words are those that the page shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Queued,
    Running,
    Retrying,
    Succeeded,
    Failed,
    Cancelled,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Retrying => "retrying",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }
}

#[derive(Default)]
pub(crate) struct Tasks {
    /// No other lock is taken under it.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// In the order in which they were spawned: the oldest first.
    live: BTreeMap<u64, Task>,
    /// The latest last.
    ended: VecDeque<(u64, Task)>,
    totals: Totals,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    /// Events of tasks for which there was no room.
    untracked: u64,
}

#[derive(Clone)]
struct Task {
    pool: usize,
    name: Option<Box<str>>,
    location: &'static Location<'static>,
    parent: Option<u64>,
    state: State,
    /// When it was first heard of, in seconds.
    since: f64,
    /// When its closure began.
    started: Option<f64>,
    /// When it ended.
    until: Option<f64>,
    /// How far it is. A total of 0 is not known.
    progress: Option<(u64, u64)>,
    /// Its last message, or why it failed.
    note: Option<Box<str>>,
}

impl Tasks {
    /// Notes something about a task, which becomes known by that.
    pub(crate) fn note(&self, about: About<'_>, now: f64, what: impl FnOnce(&mut Noted<'_>)) {
        let mut known = self.known.lock().unwrap();
        let has_room = known.live.len() < LIVE || known.live.contains_key(&about.id);
        if !has_room {
            known.totals.untracked += 1;
            return;
        }
        let task = known.live.entry(about.id).or_insert_with(|| Task {
            pool: about.pool,
            name: about.name.map(shortened),
            location: about.location,
            parent: about.parent,
            state: State::Queued,
            since: now,
            started: None,
            until: None,
            progress: None,
            note: None,
        });
        what(&mut Noted { task, now });
        let state = task.state;
        if task.until.is_some()
            && let Some(task) = known.live.remove(&about.id)
        {
            known.end(about.id, task, state);
        }
    }

    /// Writes the members `totals`, `live` and `ended`.
    pub(crate) fn write(&self, json: &mut Json) {
        // Copied under the lock, and written without it: tasks go on meanwhile.
        let (totals, count, live, ended) = {
            let known = self.known.lock().unwrap();
            let copy = |(id, task): (&u64, &Task)| (*id, task.clone());
            let live: Vec<_> = known.live.iter().take(SHOWN).map(copy).collect();
            let ended = known.ended.iter().rev().take(SHOWN).cloned();
            (
                known.totals,
                known.live.len(),
                live,
                ended.collect::<Vec<_>>(),
            )
        };
        json.key("totals").object(|json| {
            json.key("live").number(count);
            json.key("succeeded").number(totals.succeeded);
            json.key("failed").number(totals.failed);
            json.key("cancelled").number(totals.cancelled);
            json.key("untracked").number(totals.untracked);
        });
        for (name, tasks) in [("live", live), ("ended", ended)] {
            json.key(name).array(|json| {
                for (id, task) in tasks {
                    task.write(id, json);
                }
            });
        }
    }
}

impl Known {
    fn end(&mut self, id: u64, task: Task, state: State) {
        let total = match state {
            State::Failed => &mut self.totals.failed,
            State::Cancelled => &mut self.totals.cancelled,
            _ => &mut self.totals.succeeded,
        };
        *total += 1;
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((id, task));
    }
}

/// A task, about which something can be noted.
pub(crate) struct Noted<'a> {
    task: &'a mut Task,
    now: f64,
}

impl Noted<'_> {
    pub(crate) fn started(&mut self) {
        self.task.state = State::Running;
        self.task.started = Some(self.now);
    }

    pub(crate) fn progress(&mut self, done: u64, total: u64) {
        self.task.progress = Some((done, total));
    }

    pub(crate) fn message(&mut self, text: &str) {
        self.task.note = Some(shortened(text));
    }

    pub(crate) fn retrying(&mut self, text: &str) {
        self.task.state = State::Retrying;
        self.message(text);
    }

    /// The task has ended; `text` says why, if it has failed.
    pub(crate) fn ended(&mut self, state: State, text: Option<&str>) {
        self.task.state = state;
        self.task.until = Some(self.now);
        if let Some(text) = text {
            self.message(text);
        }
    }
}

impl Task {
    fn write(&self, id: u64, json: &mut Json) {
        json.object(|json| {
            json.key("id").number(id);
            json.key("pool").number(self.pool);
            json.key("state").text(self.state.word());
            json.key("name").text_or_null(self.name.as_deref());
            json.key("at").text(&self.location.to_string());
            json.key("since").seconds(self.since);
            for (name, time) in [("started", self.started), ("until", self.until)] {
                if let Some(time) = time {
                    json.key(name).seconds(time);
                }
            }
            if let Some(parent) = self.parent {
                json.key("parent").number(parent);
            }
            if let Some((done, total)) = self.progress {
                json.key("done").number(done);
                json.key("total").number(total);
            }
            if let Some(note) = &self.note {
                json.key("note").text(note);
            }
        });
    }
}

/// The beginning of a long text.
pub(crate) fn shortened(text: &str) -> Box<str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use serde_json::Value;

    use super::{About, ENDED, LIVE, SHOWN, State, Tasks, shortened};
    use crate::json::Json;

    fn about(id: u64) -> About<'static> {
        About {
            id,
            pool: 0,
            name: Some("one of them"),
            location: Location::caller(),
            parent: None,
        }
    }

    fn read(tasks: &Tasks) -> Value {
        let mut json = Json::default();
        json.object(|json| tasks.write(json));
        serde_json::from_str(&json.into_text()).unwrap()
    }

    #[test]
    fn a_task_goes_from_the_live_ones_to_the_ended_ones() {
        let tasks = Tasks::default();
        tasks.note(about(1), 1.0, |_| ());
        assert_eq!(read(&tasks)["live"][0]["state"], "queued");
        tasks.note(about(1), 2.0, |task| task.started());
        tasks.note(about(1), 3.0, |task| task.progress(1, 3));
        tasks.note(about(1), 3.5, |task| task.message("on its way"));
        let seen = read(&tasks);
        let task = &seen["live"][0];
        assert_eq!(
            (&task["state"], &task["note"]),
            (&"running".into(), &"on its way".into())
        );
        assert_eq!(
            (task["since"].as_f64(), task["started"].as_f64()),
            (Some(1.0), Some(2.0))
        );
        assert_eq!(
            (task["done"].as_u64(), task["total"].as_u64()),
            (Some(1), Some(3))
        );

        tasks.note(about(1), 4.0, |task| {
            task.ended(State::Failed, Some("no disk"))
        });
        let seen = read(&tasks);
        assert_eq!(seen["live"].as_array().unwrap().len(), 0);
        assert_eq!(seen["ended"][0]["note"], "no disk");
        assert_eq!(seen["ended"][0]["until"], 4.0);
        assert_eq!(seen["totals"]["failed"], 1);
    }

    /// However many the program has; the rest is counted.
    #[test]
    fn only_so_many_tasks_are_kept() {
        let tasks = Tasks::default();
        for task in 0..LIVE as u64 + 10 {
            tasks.note(about(task), 0.0, |_| ());
        }
        let seen = read(&tasks);
        assert_eq!(seen["totals"]["live"], LIVE);
        assert_eq!(seen["totals"]["untracked"], 10);
        assert_eq!(seen["live"].as_array().unwrap().len(), SHOWN);
        for task in 0..LIVE as u64 {
            tasks.note(about(task), 0.0, |task| task.ended(State::Succeeded, None));
        }
        assert_eq!(read(&tasks)["totals"]["succeeded"], LIVE);
        let known = tasks.known.lock().unwrap();
        assert_eq!((known.live.len(), known.ended.len()), (0, ENDED));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(&*shortened("short"), "short");
        let long = "\u{e9}".repeat(300);
        assert_eq!(shortened(&long).chars().count(), 201);
    }
}
