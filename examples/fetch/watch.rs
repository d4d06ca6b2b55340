//! Connections that end when nothing comes for too long, and soon after a cancel.
//!
//! A thread that waits for a socket sees no token. So it waits in slices, and looks between them.

use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant};

use fast_async::CancelToken;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// How long a cancel may be overlooked.
const SLICE: Duration = Duration::from_millis(50);

/// Has its place in a chain of connectors behind the one that opens sockets.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) stop: CancelToken,
    /// How long a connection may be silent.
    pub(crate) stall: Duration,
}

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Watched<In>>, ureq::Error> {
        let watch = self.clone();
        Ok(chained.map(|inner| Watched { inner, watch }))
    }
}

#[derive(Debug)]
pub(crate) struct Watched<In> {
    inner: In,
    watch: Watch,
}

impl<In: Transport> Transport for Watched<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let start = Instant::now();
        loop {
            if self.watch.stop.is_cancelled() {
                return Err(Error::new(ErrorKind::ConnectionAborted, "interrupted").into());
            }
            let waited = start.elapsed();
            let left = self.watch.stall.saturating_sub(waited);
            if left.is_zero() {
                let what = format!("nothing came for {:?}", self.watch.stall);
                return Err(Error::new(ErrorKind::TimedOut, what).into());
            }
            let slice = SLICE.min(left);
            let of_caller = timeout.after.saturating_sub(waited);
            let mut timeout = timeout;
            timeout.after = slice.min(of_caller).into();
            match self.inner.await_input(timeout) {
                Err(ureq::Error::Timeout(_)) if slice < of_caller => {}
                // The program was stopped, and goes on.
                Err(ureq::Error::Io(err)) if err.kind() == ErrorKind::Interrupted => {}
                awaited => return awaited,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
