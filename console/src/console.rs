//! `Console`: the page as long as it is there.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use fast_async::Pool;
use fast_async::task::SubscriptionGuard;
use fast_async::unhandled::update_unhandled_hook;

use crate::access::allowed;
use crate::layer::ConsoleLayer;
use crate::pools::watch;
use crate::server::Server;
use crate::shared::Shared;

/// A page that shows what the program is doing, until it is dropped.
///
/// # Examples
///
/// ```
/// use fast_async_console::Console;
///
/// let console = Console::serve("127.0.0.1:0")?;
/// assert!(console.url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "the page is there until the console is dropped"]
pub struct Console {
    server: Server,
    shared: Arc<Shared>,
    _events: Vec<SubscriptionGuard>,
}

impl Console {
    /// Serves a page at `address`, with the tasks of the global pool. Port 0 stands for one that is
    /// free; [`url`](Console::url) tells which it is.
    ///
    /// Failures that nothing handles are on the page too, beside what is done with them already: a
    /// [hook](fast_async::set_unhandled_hook) that was set before is called as before. One that is
    /// set later replaces that of the console.
    ///
    /// # Errors
    ///
    /// Fails if the address is not of this machine, or is in use, and with
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it is not a loopback address; see
    /// [`ConsoleBuilder::expose`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async_console::Console;
    ///
    /// let console = Console::serve("127.0.0.1:0")?;
    /// println!("open {}", console.url());
    /// assert!(Console::serve("0.0.0.0:0").is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn serve(address: impl ToSocketAddrs) -> io::Result<Console> {
        Console::builder().pool(Pool::global()).serve(address)
    }

    /// Returns settings for a console. Without [`pool`](ConsoleBuilder::pool) it shows no tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    /// use fast_async_console::Console;
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let console = Console::builder().pool(Pool::global()).pool(&disk).serve("127.0.0.1:0")?;
    /// # drop(console);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ConsoleBuilder {
        ConsoleBuilder::default()
    }

    /// Returns the address at which the page is.
    ///
    /// # Examples
    ///
    /// ```
    /// let console = fast_async_console::Console::serve("127.0.0.1:0")?;
    /// assert_ne!(console.address().port(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Returns what to open in a browser.
    ///
    /// # Examples
    ///
    /// ```
    /// let console = fast_async_console::Console::serve("127.0.0.1:0")?;
    /// assert_eq!(console.url(), format!("http://{}/", console.address()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }

    /// Returns a layer for the program's `tracing` subscriber. The timeline of the page shows which
    /// thread is in which span, from then on.
    ///
    /// A layer may be used after the console was dropped, and does nothing then.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async_console::Console;
    /// use tracing_subscriber::layer::SubscriberExt;
    /// use tracing_subscriber::util::SubscriberInitExt;
    ///
    /// let console = Console::serve("127.0.0.1:0")?;
    /// tracing_subscriber::registry().with(console.layer()).init();
    /// tracing::info_span!("load").in_scope(|| { /* a slice of the timeline */ });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn layer(&self) -> ConsoleLayer {
        ConsoleLayer {
            shared: Arc::downgrade(&self.shared),
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

/// Settings for a [`Console`]; made by [`Console::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `serve` is called"]
pub struct ConsoleBuilder {
    pools: Vec<Pool>,
    is_exposed: bool,
}

impl ConsoleBuilder {
    /// Shows the tasks of this pool, and its counters. The console has a handle of it: the pool is
    /// not [dropped](Pool) before the console is.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::Pool;
    /// use fast_async_console::Console;
    ///
    /// let disk = Pool::builder().name("disk").build()?;
    /// let console = Console::builder().pool(&disk).serve("127.0.0.1:0")?;
    /// # drop(console);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool(mut self, pool: &Pool) -> ConsoleBuilder {
        self.pools.push(pool.clone());
        self
    }

    /// Allows addresses that other machines can reach. Everyone who can connect to such an address
    /// can read the console: the names of tasks, where they were spawned, and the texts of
    /// failures.
    ///
    /// The browser has to name the server by its address then, and not by a name.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async_console::Console;
    ///
    /// let console = Console::builder().expose().serve("0.0.0.0:0")?;
    /// # drop(console);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn expose(mut self) -> ConsoleBuilder {
        self.is_exposed = true;
        self
    }

    /// Serves a page at `address`; see [`Console::serve`].
    ///
    /// # Errors
    ///
    /// As for [`Console::serve`].
    ///
    /// # Examples
    ///
    /// ```
    /// let console = fast_async_console::Console::builder().serve("[::1]:0");
    /// # drop(console);
    /// ```
    pub fn serve(self, address: impl ToSocketAddrs) -> io::Result<Console> {
        let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "there is no address");
        for address in address.to_socket_addrs()? {
            let shared = Arc::new(Shared::new(self.pools.clone()));
            let started = allowed(address, self.is_exposed)
                .and_then(|address| Server::start(address, shared.clone()));
            match started {
                Ok(server) => return Ok(Console::new(server, shared)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

impl Console {
    fn new(server: Server, shared: Arc<Shared>) -> Console {
        let pools = shared.pools.iter().enumerate();
        let events = pools.map(|(number, pool)| watch(number, pool, &shared));
        let events = events.collect();
        let noted = Arc::downgrade(&shared);
        update_unhandled_hook(move |before, error| {
            if let Some(shared) = noted.upgrade() {
                shared.failures.note(error, shared.now());
            }
            before(error);
        });
        Console {
            server,
            shared,
            _events: events,
        }
    }
}
