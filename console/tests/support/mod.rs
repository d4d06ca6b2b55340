//! A client of the console: asks, and reads the events that a page gets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fast_async_console::Console;
use serde_json::Value;

/// How long the console may take to tell of something, however busy the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request, as it is, and returns the whole answer.
pub(crate) fn ask(console: &Console, request: &str) -> String {
    let mut stream = TcpStream::connect(console.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn get(console: &Console, path: &str) -> String {
    let host = console.address();
    ask(
        console,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    )
}

pub(crate) fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

/// The events that a page gets.
pub(crate) struct Events(pub(crate) BufReader<TcpStream>);

impl Events {
    pub(crate) fn of(console: &Console) -> Events {
        let mut stream = TcpStream::connect(console.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = console.address();
        write!(stream, "GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        Events(reader)
    }

    /// `None`: the console is gone.
    pub(crate) fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or_default() == 0 {
                return None;
            }
            if let Some(text) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(text).unwrap());
            }
        }
    }

    /// Waits for a message of which this is true.
    pub(crate) fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let message = self.next().expect("the console is there");
            if is_it(&message) {
                return message;
            }
            assert!(start.elapsed() < PATIENCE, "{message:#}");
        }
    }
}

/// The task with this name, in `live` or in `ended`.
pub(crate) fn task<'a>(message: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    let tasks = message[list].as_array().unwrap();
    tasks.iter().find(|task| task["name"] == name)
}
