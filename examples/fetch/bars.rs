//! What is to be seen while files come: a bar for each of them, and one for all.

use std::time::Duration;

use fast_async::{EventKind, TaskEvent};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::complain;
use crate::report::reason;

const TOTAL: &str = "{elapsed_precise} [{wide_bar}] {pos} of {len} files";
const FILE: &str = "{prefix:24!} [{wide_bar}] {decimal_bytes:>10} of {decimal_total_bytes:>10}, {eta:>4} left {msg}";
/// For a file of a length that the server does not tell.
const ENDLESS: &str =
    "{prefix:24!} {spinner} {decimal_bytes:>10}, {decimal_bytes_per_sec} {wide_msg}";

/// Draws on standard error, if that is a terminal.
#[derive(Clone)]
pub(crate) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
}

impl Bars {
    pub(crate) fn new(files: usize) -> Bars {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(files as u64).with_style(style(TOTAL)));
        if !all.is_hidden() {
            total.enable_steady_tick(Duration::from_millis(100));
        }
        Bars { all, total }
    }

    /// A file has begun.
    pub(crate) fn begin(&self, name: &str) -> FileBar {
        let bar = ProgressBar::no_length().with_style(style(ENDLESS));
        let bar = bar.with_prefix(name.to_owned());
        FileBar(self.all.insert_before(&self.total, bar))
    }

    /// A file has ended, with this problem if it is not there.
    pub(crate) fn end(&self, FileBar(bar): &FileBar, problem: Option<String>) {
        bar.finish_and_clear();
        self.all.remove(bar);
        self.total.inc(1);
        if let Some(problem) = problem {
            self.all.suspend(|| complain(problem));
        }
    }

    pub(crate) fn clear(&self) {
        self.total.finish_and_clear();
    }
}

/// The bar of one file.
#[derive(Clone)]
pub(crate) struct FileBar(ProgressBar);

impl FileBar {
    /// Shows what the download tells of itself.
    pub(crate) fn show(&self, event: &TaskEvent) {
        match event.kind() {
            EventKind::Progress { done, total } => self.progress(*done, *total),
            EventKind::Retrying { error, .. } => self.0.set_message(reason(error)),
            _ => {}
        }
    }

    /// So many bytes are there. A total of 0 is not known.
    fn progress(&self, done: u64, total: u64) {
        if total > 0 && self.0.length() != Some(total) {
            self.0.set_style(style(FILE));
            self.0.set_length(total);
            self.0.reset_eta();
        }
        self.0.set_position(done);
        // Why there was another try.
        self.0.set_message("");
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a fixed template")
}
