//! Printing: unlike `println!` and `eprintln!`, nothing here panics when the other end is closed.

use std::fmt::Display;
use std::io::{self, Write};

use fast_async::BoxError;

/// Writes to standard output, a line at a time.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), BoxError> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(err) => Err(Unwritten(err).into()),
    }
}

/// Standard output cannot be written.
#[derive(Debug)]
pub(crate) struct Unwritten(io::Error);

impl Unwritten {
    /// A reader that leaves early (`| head`) has what it wanted: that is no failure.
    pub(crate) fn is_end(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl Display for Unwritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "standard output: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

pub(crate) fn complain(what: impl Display) {
    let _ = writeln!(io::stderr(), "pubsub: {what}");
}
