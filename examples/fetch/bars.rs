//! What is to be seen while files come: a bar for each of them, and one for all.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::complain;

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
    /// A try has begun, with some bytes there already.
    pub(crate) fn begin(&self, have: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.0.set_style(style(FILE));
            self.0.set_length(total);
        }
        self.0.set_position(have);
        self.0.reset_eta();
    }

    pub(crate) fn inc(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Shows why there will be another try, or takes that away.
    pub(crate) fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a fixed template")
}
