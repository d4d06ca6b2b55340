//! The threads of the console: one accepts connections, and each connection has one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::access::is_ours;
use crate::http::{Answer, Request, begin_events, event};
use crate::shared::Shared;

/// How often a page gets news.
const TICK: Duration = Duration::from_millis(250);
/// How long a client may take to send a request, or to take what is sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many connections are served at a time. As many more are refused with an answer, and further
/// ones without.
const CONNECTIONS: usize = 32;

const INDEX: Answer = Answer {
    status: "200 OK",
    kind: "text/html",
    body: include_str!("../page/index.html"),
};
const SCRIPT: Answer = Answer {
    status: "200 OK",
    kind: "text/javascript",
    body: include_str!("../page/console.js"),
};
const STYLE: Answer = Answer {
    status: "200 OK",
    kind: "text/css",
    body: include_str!("../page/console.css"),
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// `None` only while it is dropped.
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(address: SocketAddr, shared: Arc<Shared>) -> io::Result<Server> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let served = shared.clone();
        let acceptor = thread::Builder::new()
            .name("console".into())
            .spawn(move || accept(&listener, &served))?;
        Ok(Server {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }
}

impl Drop for Server {
    /// Ends the threads of all connections, and waits for the one that accepts them.
    fn drop(&mut self) {
        self.shared.end.come();
        // The thread that accepts looks for the end when a connection comes.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let woken = TcpStream::connect_timeout(&address, PATIENCE).is_ok();
        if let Some(acceptor) = self.acceptor.take().filter(|_| woken) {
            // It does not panic; and if it did, it would have ended.
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = listener.accept();
        if shared.end.has_come() {
            return;
        }
        let Ok((stream, _)) = accepted else {
            // No file descriptor is left, for example.
            shared.end.wait(TICK);
            continue;
        };
        let place = Place::take(&open);
        if place.before >= 2 * CONNECTIONS {
            continue;
        }
        let shared = shared.clone();
        let run = move || {
            // A client that has gone, or that speaks something else, is no matter.
            let _ = serve(stream, place.before < CONNECTIONS, &shared);
            drop(place);
        };
        // Without a thread the connection is closed.
        let _ = thread::Builder::new().name("console".into()).spawn(run);
    }
}

/// A connection that counts, until it is dropped.
struct Place {
    open: Arc<AtomicUsize>,
    /// How many were open before.
    before: usize,
}

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Place {
        let before = open.fetch_add(1, Ordering::Relaxed);
        Place {
            open: open.clone(),
            before,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(mut stream: TcpStream, has_room: bool, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let own = stream.local_addr()?;
    // Also when it is refused: a connection that is closed with something unread is reset, and the
    // client may not get the answer.
    let Some(request) = Request::read(&stream)? else {
        return Answer::refusal("400 Bad Request").write(&mut stream, true);
    };
    if !has_room {
        return Answer::refusal("503 Too Many Connections").write(&mut stream, true);
    }
    let with_body = request.method != "HEAD";
    let answer = match (request.method.as_str(), request.path.as_str()) {
        _ if !is_ours(&request, own) => Answer::refusal("403 Forbidden"),
        ("GET", "/events") => return stream_events(&mut stream, shared),
        ("GET" | "HEAD", "/") => INDEX,
        ("GET" | "HEAD", "/console.js") => SCRIPT,
        ("GET" | "HEAD", "/console.css") => STYLE,
        ("GET" | "HEAD", _) => Answer::refusal("404 Not Found"),
        _ => Answer::refusal("405 Method Not Allowed"),
    };
    answer.write(&mut stream, with_body)
}

/// Sends news until the client is gone, or the console.
fn stream_events(stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    begin_events(stream)?;
    let mut cursor = 0;
    loop {
        event(stream, &shared.snapshot(&mut cursor))?;
        if shared.end.wait(TICK) {
            return Ok(());
        }
    }
}
