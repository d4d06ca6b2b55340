//! A small HTTP server that behaves as badly as a test wants.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a client has asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// From which byte on.
    pub(crate) from: Option<usize>,
    /// Which version the rest must be of.
    pub(crate) if_range: Option<String>,
    /// The how many-th request for this path it is, from 1.
    pub(crate) number: usize,
}

/// A server that answers on one thread a connection, until the test ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Has `answer` write the whole answer to each request.
    pub(crate) fn start<F>(answer: F) -> Server
    where
        F: Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let log: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (requests, answer) = (log.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (requests, answer) = (requests.clone(), answer.clone());
                // A client that leaves in the middle is what some tests are about.
                thread::spawn(move || -> io::Result<()> {
                    let request = read(&mut stream, &requests)?;
                    answer(&request, &mut stream)
                });
            }
        });
        Server { address, log }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests for a path, in order.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|it| it.path == path).cloned().collect()
    }
}

fn read(stream: &mut TcpStream, log: &Mutex<Vec<Request>>) -> io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let mut headers = HashMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let from = headers.get("range").map(|range| {
        let range = range.strip_prefix("bytes=").unwrap();
        range.strip_suffix('-').unwrap().parse().unwrap()
    });
    let mut log = log.lock().unwrap();
    let request = Request {
        number: 1 + log.iter().filter(|it| it.path == path).count(),
        path,
        from,
        if_range: headers.remove("if-range"),
    };
    log.push(request.clone());
    Ok(request)
}

/// Answers with a status and headers, without a body.
pub(crate) fn status(out: &mut TcpStream, status: &str, headers: &str) -> io::Result<()> {
    write!(out, "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n")?;
    out.write_all(b"Connection: close\r\n\r\n")
}

/// Answers with the file, or with the part that is asked for.
pub(crate) fn file(request: &Request, out: &mut TcpStream, content: &[u8]) -> io::Result<()> {
    part(request, out, content, usize::MAX)
}

/// Announces the same, and sends only `most` bytes of it.
pub(crate) fn part(
    request: &Request,
    out: &mut TcpStream,
    content: &[u8],
    most: usize,
) -> io::Result<()> {
    let (tag, total) = (tag(content), content.len());
    let is_same = request
        .if_range
        .as_ref()
        .is_none_or(|wanted| *wanted == tag);
    let from = request.from.filter(|_| is_same);
    let body = match from {
        Some(from) if from >= total => {
            let headers = format!("Content-Range: bytes */{total}\r\n");
            return status(out, "416 Range Not Satisfiable", &headers);
        }
        Some(from) => {
            let last = total - 1;
            write!(out, "HTTP/1.1 206 Partial Content\r\n")?;
            write!(out, "Content-Range: bytes {from}-{last}/{total}\r\n")?;
            &content[from..]
        }
        None => {
            write!(out, "HTTP/1.1 200 OK\r\n")?;
            content
        }
    };
    let length = body.len();
    write!(
        out,
        "Content-Length: {length}\r\nETag: {tag}\r\nConnection: close\r\n\r\n"
    )?;
    out.write_all(&body[..most.min(length)])
}

/// Returns when the client has closed the connection.
pub(crate) fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    stream.read_to_end(&mut Vec::new()).map(drop)
}

/// One for each content.
fn tag(content: &[u8]) -> String {
    let mixed = |sum: u64, byte: &u8| sum.wrapping_mul(31).wrapping_add((*byte).into());
    format!("\"{:x}\"", content.iter().fold(7, mixed))
}
