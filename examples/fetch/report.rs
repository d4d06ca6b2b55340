//! How the files have fared.

use std::io::{self, Write};
use std::time::Duration;

use fast_async::{ErrorKind, TaskError};
use indicatif::DecimalBytes;

use crate::failure::Failure;
use crate::fetcher::Saved;

#[derive(Default)]
pub(crate) struct Report {
    fetched: usize,
    kept: usize,
    interrupted: usize,
    pub(crate) failed: usize,
}

impl Report {
    pub(crate) fn new(outcomes: Vec<Result<Saved, TaskError>>) -> Report {
        let mut report = Report::default();
        for outcome in outcomes {
            *match outcome {
                Ok(Saved::Fetched) => &mut report.fetched,
                Ok(Saved::Kept) => &mut report.kept,
                Err(err) if err.is_cancelled() => &mut report.interrupted,
                Err(_) => &mut report.failed,
            } += 1;
        }
        report
    }

    pub(crate) fn summary(
        &self,
        out: &mut dyn Write,
        received: u64,
        elapsed: Duration,
    ) -> io::Result<()> {
        write!(
            out,
            "fetched      {fetched}\n\
             kept         {kept}\n\
             failed       {failed}\n\
             interrupted  {interrupted}\n\
             received     {bytes} in {elapsed:.2?}, {speed:.1} MB/s\n",
            fetched = self.fetched,
            kept = self.kept,
            failed = self.failed,
            interrupted = self.interrupted,
            bytes = DecimalBytes(received),
            speed = received as f64 / 1e6 / elapsed.as_secs_f64(),
        )
    }
}

/// Why a file is not there, in the words of what failed last.
pub(crate) fn reason(err: &TaskError) -> String {
    let what = match err.downcast_ref::<Failure>() {
        Some(failure) => failure.to_string(),
        None if err.kind() == ErrorKind::TimedOut => "it took longer than --limit allows".into(),
        None => err.to_string(),
    };
    match err.attempts() {
        Some(tries) if tries > 1 => format!("{what} ({tries} tries)"),
        _ => what,
    }
}
