//! `Proxy`: carries TCP connections to a server, late or not at all, as the test says.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// The way of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

#[derive(Default)]
struct State {
    delay: Duration,
    /// Bytes for the server, and for the client, are kept back.
    held: [bool; 2],
    /// When this passes on its way to the server, what comes back is kept.
    last_words: Option<Vec<u8>>,
    /// New connections are closed at once.
    refuses: bool,
    /// The proxy is gone.
    ended: bool,
    /// Bytes that were carried on each way.
    carried: [u64; 2],
    connections: Vec<[TcpStream; 2]>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }
}

/// A proxy on loopback. Its threads end with the connections.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn new(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if own.state().ended {
                    return;
                }
                connect(client.unwrap(), &own);
            }
        });
        Proxy { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every byte arrives that much later, on each way. Their order stays.
    pub(crate) fn delay(&self, by: Duration) {
        self.shared.change(|it| it.delay = by);
    }

    /// Keeps the bytes of one way back: the connections stay, and are silent.
    pub(crate) fn hold(&self, way: Way) {
        self.shared.change(|it| it.held[way as usize] = true);
    }

    /// Keeps all bytes back, as a cable does that was pulled.
    pub(crate) fn hold_all(&self) {
        self.shared.change(|it| it.held = [true; 2]);
    }

    /// Lets the bytes to the server pass up to a piece with this text, and keeps its answer back.
    pub(crate) fn hold_answer_to(&self, text: &str) {
        self.shared.change(|it| it.last_words = Some(text.into()));
    }

    /// Closes all connections, drops what was kept back of them, and refuses new ones.
    pub(crate) fn cut(&self) {
        self.shared.change(|it| {
            it.refuses = true;
            for stream in it.connections.drain(..).flatten() {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    /// Carries bytes and accepts connections again. What was kept back arrives now.
    pub(crate) fn heal(&self) {
        self.shared.change(|it| {
            it.refuses = false;
            it.held = [false; 2];
            it.last_words = None;
        });
    }

    /// How many bytes were carried on a way.
    pub(crate) fn carried(&self, way: Way) -> u64 {
        self.shared.state().carried[way as usize]
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.shared.change(|it| it.ended = true);
        // The thread that accepts looks again when it has a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn connect(client: TcpStream, shared: &Arc<Shared>) {
    if shared.state().refuses {
        return;
    }
    let Ok(server) = TcpStream::connect(shared.server) else {
        return;
    };
    // Small messages are what is carried.
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let copies = [&client, &server].map(|it| it.try_clone().unwrap());
    let mut state = shared.state();
    // `cut` may have come in between.
    if state.refuses {
        return;
    }
    state.connections.push(copies);
    drop(state);
    let copies = [&client, &server].map(|it| it.try_clone().unwrap());
    let [client_too, server_too] = copies;
    carry(client, server_too, Way::ToServer, shared.clone());
    carry(server, client_too, Way::ToClient, shared.clone());
}

/// Reads on one thread and writes on another, so that what is late does not hold up the reader.
fn carry(mut from: TcpStream, to: TcpStream, way: Way, shared: Arc<Shared>) {
    let (sender, receiver) = mpsc::channel();
    let reader = shared.clone();
    thread::spawn(move || {
        let mut buffer = [0; 1 << 14];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + reader.state().delay;
            if sender.send((due, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || write(to, way, receiver, &shared));
}

fn write(mut to: TcpStream, way: Way, from: Receiver<(Instant, Vec<u8>)>, shared: &Shared) {
    for (due, bytes) in from {
        // The delay of the line, which is what this fixture is for.
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut state = shared.state();
        let is_held = |it: &mut State| it.held[way as usize] && !it.refuses;
        shared.changed.wait_while(&mut state, is_held);
        state.carried[way as usize] += bytes.len() as u64;
        let is_last = |text: &Vec<u8>| bytes.windows(text.len()).any(|it| it == text);
        if way == Way::ToServer && state.last_words.as_ref().is_some_and(is_last) {
            state.held[Way::ToClient as usize] = true;
        }
        drop(state);
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other end learns that this one has closed.
    let _ = to.shutdown(Shutdown::Both);
}
