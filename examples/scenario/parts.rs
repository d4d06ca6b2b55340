//! The two parts: a request that is answered late, and a computation that takes a processor.

use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fast_async::BoxError;

#[derive(Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) server: SocketAddr,
    pub(crate) rounds: u64,
}

impl Parts {
    /// Blocks the thread, as most clients do.
    pub(crate) fn request(self) -> Result<String, BoxError> {
        let mut stream = TcpStream::connect(self.server)?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.0 200 ") => Ok(body.to_owned()),
            _ => Err(format!("the server answered {answer:?}").into()),
        }
    }

    pub(crate) fn compute(self) -> u64 {
        mix(self.rounds)
    }
}

/// Starts a server that answers each request after `pause`. It lives as long as the program.
pub(crate) fn serve(pause: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, pause));
        }
    });
    Ok(address)
}

/// A client that has gone gets no answer.
fn answer(stream: TcpStream, pause: Duration) -> io::Result<()> {
    for line in BufReader::new(&stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    thread::sleep(pause);
    (&stream).write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\n")
}

/// Returns how many rounds of the computation take about `time` on this machine.
pub(crate) fn rounds_in(time: Duration) -> u64 {
    let mut rounds: u64 = 1 << 20;
    loop {
        let start = Instant::now();
        mix(rounds);
        let took = start.elapsed();
        // Long enough for the clock, and for a processor that was asleep.
        if took >= Duration::from_millis(100).min(time) {
            let scale = time.as_secs_f64() / took.as_secs_f64();
            return (rounds as f64 * scale) as u64;
        }
        rounds *= 2;
    }
}

/// A chain of steps, each of which needs the one before. The compiler must not leave it out where
/// the number is not used.
fn mix(rounds: u64) -> u64 {
    let step = |sum: u64, n: u64| (sum ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    black_box((0..rounds).fold(1, |sum, n| step(sum, n).rotate_left(23)))
}
