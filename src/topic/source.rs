//! Where a derived topic gets its values: entries in its sources, while it has subscribers.

use super::entry::{Home, Node, Work};
use crate::sync::{Arc, Mutex};
use crate::{drop_queue, unhandled};

/// Adds the entries of a derived topic to its sources.
type Attach = dyn Fn(&mut Attached) + Send + Sync;

/// The sources of a derived topic.
pub(super) struct Source {
    /// `None` once this is dropped.
    attach: Option<Box<Attach>>,
    /// `None`: it is not attached. Held while entries are added to the sources or taken out; the
    /// locks of the topic, and of the topics above it, are taken under it. No user code runs or is
    /// dropped under it.
    nodes: Mutex<Option<Vec<Arc<Node>>>>,
}

/// The entries of a derived topic in its sources, as they are added.
#[derive(Default)]
pub(super) struct Attached {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) homes: Vec<Arc<dyn Home>>,
    pub(super) work: Work,
}

impl Source {
    pub(super) fn new(attach: impl Fn(&mut Attached) + Send + Sync + 'static) -> Source {
        Source {
            attach: Some(Box::new(attach)),
            nodes: Mutex::new(None),
        }
    }

    /// Attaches the topic to its sources, or detaches it, as `is_wanted` says. Adds to `homes` the
    /// sources that it was detached from.
    pub(super) fn tune(
        &self,
        is_wanted: impl Fn() -> bool,
        homes: &mut Vec<Arc<dyn Home>>,
        work: &mut Work,
    ) {
        let mut nodes = self.nodes.lock();
        // Asked under the lock: of two changes the later one is seen.
        if is_wanted() == nodes.is_some() {
            return;
        }
        if let Some(attached) = nodes.take() {
            for node in attached {
                if let Some(home) = node.home() {
                    work.left.extend(home.remove_entry(&node).contents);
                    homes.push(home);
                }
            }
            return;
        }
        let mut attached = Attached::default();
        if let Some(attach) = &self.attach {
            attach(&mut attached);
        }
        *nodes = Some(attached.nodes);
        homes.extend(attached.homes);
        work.left.extend(attached.work.left);
        work.after.extend(attached.work.after);
    }
}

impl Drop for Source {
    /// The closure holds the topic above it, so the drops of a line would nest.
    fn drop(&mut self) {
        let attach = self.attach.take();
        drop_queue::flat(move || unhandled::drop_reporting(attach));
    }
}
