//! The bar: a spinner while the walk finds files, then how far and how long.

use std::io::{self, IsTerminal};
use std::time::Duration;

use fast_async::{EventKind, TaskEvent};
use indicatif::{ProgressBar, ProgressStyle};

const WALKING: &str = "{spinner} {msg} {decimal_bytes} hashed, {decimal_bytes_per_sec}";
const HASHING: &str = "{elapsed_precise} [{wide_bar}] {decimal_bytes} of {decimal_total_bytes}, \
                       {decimal_bytes_per_sec}, {eta} left";

/// Cleared when it is dropped.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// `None`: no user sees it.
    pub(crate) fn new() -> Option<Bar> {
        if !io::stdout().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(style(WALKING));
        bar.enable_steady_tick(Duration::from_millis(100));
        Some(Bar(bar))
    }

    pub(crate) fn show(&self, event: &TaskEvent) {
        let bar = &self.0;
        match event.kind() {
            EventKind::Message(found) => bar.set_message(found.to_string()),
            EventKind::Progress { done, total } => {
                if *total > 0 && bar.length() != Some(*total) {
                    bar.set_style(style(HASHING));
                    bar.set_length(*total);
                }
                bar.set_position(*done);
            }
            _ => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a fixed template")
}
