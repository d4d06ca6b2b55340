//! Messages within one process: subjects, patterns with `*`, groups.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

use crate::engine::Message;

/// As many messages wait for a subscriber; what comes then is dropped, and counted.
pub(crate) const BUFFER: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct PubSub {
    entries: Mutex<Vec<Entry>>,
    turn: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    pattern: String,
    group: Option<String>,
    to: mpsc::Sender<Message>,
}

impl PubSub {
    pub(crate) fn subscribe(&self, pattern: &str, group: Option<&str>) -> mpsc::Receiver<Message> {
        let (to, from) = mpsc::channel(BUFFER);
        self.entries.lock().push(Entry {
            pattern: pattern.to_owned(),
            group: group.map(str::to_owned),
            to,
        });
        from
    }

    /// Returns the number of subscribers that got the message.
    pub(crate) fn publish(&self, subject: &str, body: &[u8], reply: Option<&str>) -> usize {
        let mut entries = self.entries.lock();
        entries.retain(|entry| !entry.to.is_closed());
        let hit = |entry: &&Entry| matches(&entry.pattern, subject);
        let mut groups: Vec<&str> = entries
            .iter()
            .filter(hit)
            .filter_map(|it| it.group.as_deref())
            .collect();
        groups.sort_unstable();
        groups.dedup();
        let mut count = 0;
        let alone = entries.iter().filter(hit).filter(|it| it.group.is_none());
        for entry in alone {
            count += self.put(entry, subject, body, reply);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) as usize;
        for group in groups {
            let members: Vec<&Entry> = entries
                .iter()
                .filter(hit)
                .filter(|it| it.group.as_deref() == Some(group))
                .collect();
            count += self.put(members[turn % members.len()], subject, body, reply);
        }
        count
    }

    fn put(&self, entry: &Entry, subject: &str, body: &[u8], reply: Option<&str>) -> usize {
        let message = Message {
            subject: subject.to_owned(),
            body: body.to_vec(),
            reply: reply.map(str::to_owned),
        };
        if entry.to.try_send(message).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        1
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// `*` stands for one token.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    let all = pattern
        .split('.')
        .all(|own| tokens.next().is_some_and(|it| own == "*" || own == it));
    all && tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_token() {
        for (pattern, subject, hit) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.*.c", "a.b.c", true),
            ("a.b", "a", false),
            ("a", "a.b", false),
        ] {
            assert_eq!(matches(pattern, subject), hit, "{pattern} {subject}");
        }
    }
}
