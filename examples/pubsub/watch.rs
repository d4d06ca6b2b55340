//! The publisher: what the system tells of changes, published to a topic.

use std::fs;
use std::path::{Path, PathBuf};

use fast_async::BoxError;
use fast_async::topic::Topic;
use notify::event::{EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher, recommended_watcher};

/// What has happened to a file or a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Created,
    Changed,
    Removed,
    /// The system could not keep up, or the watch of a directory failed: other changes are unknown.
    Trouble,
}

pub(crate) struct Change {
    pub(crate) what: What,
    pub(crate) path: PathBuf,
    /// For trouble, what the system says.
    pub(crate) why: String,
}

/// Publishes changes below `root` until the watcher is dropped.
pub(crate) fn watch(root: &Path, changes: &Topic<Change>) -> Result<RecommendedWatcher, BoxError> {
    let (changes, given) = (changes.clone(), root.to_path_buf());
    // The system tells of the whole path, and the user wants the one that was given.
    let whole = fs::canonicalize(root)?;
    let base = whole.clone();
    let short = move |path: PathBuf| match path.strip_prefix(&base) {
        Ok(below) => given.join(below),
        Err(_) => path,
    };
    let mut watcher = recommended_watcher(move |event: notify::Result<Event>| match event {
        Ok(event) => publish(event, &short, &changes),
        Err(err) => {
            let path = err.paths.first().cloned().unwrap_or_default();
            tell(&changes, What::Trouble, short(path), err.to_string());
        }
    })?;
    watcher.watch(&whole, RecursiveMode::Recursive)?;
    Ok(watcher)
}

fn publish(event: Event, short: &dyn Fn(PathBuf) -> PathBuf, changes: &Topic<Change>) {
    if event.need_rescan() {
        let why = "the system has lost changes".to_owned();
        tell(changes, What::Trouble, PathBuf::new(), why);
    }
    for path in event.paths {
        let what = match event.kind {
            EventKind::Create(_) => What::Created,
            EventKind::Remove(_) => What::Removed,
            EventKind::Modify(ModifyKind::Name(mode)) => match mode {
                RenameMode::From => What::Removed,
                RenameMode::To => What::Created,
                // Both are told apart too.
                RenameMode::Both => continue,
                _ if path.exists() => What::Created,
                _ => What::Removed,
            },
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => What::Changed,
            _ => continue,
        };
        tell(changes, what, short(path), String::new());
    }
}

/// After the end there is no subscriber any more.
fn tell(changes: &Topic<Change>, what: What, path: PathBuf, why: String) {
    let _ = changes.publish(Change { what, path, why });
}
