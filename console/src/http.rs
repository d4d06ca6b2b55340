//! The little of HTTP that the console speaks: reads the head of a request, writes answers.

use std::io::{self, BufRead, BufReader, Read, Write};

/// The longest head of a request, in bytes.
const LONGEST_HEAD: u64 = 16 * 1024;

/// What each answer says, so that the browser keeps to the page: nothing is loaded from elsewhere,
/// kept, or shown in a frame of another page.
const ALWAYS: &str = "\
    Cache-Control: no-store\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Connection: close\r\n";

pub(crate) struct Request {
    pub(crate) method: String,
    /// Without what follows a question mark.
    pub(crate) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
}

impl Request {
    /// Reads the head of a request. `None`: it is none that could be answered.
    pub(crate) fn read(from: impl Read) -> io::Result<Option<Request>> {
        let mut lines = BufReader::new(from.take(LONGEST_HEAD)).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let mut words = first.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
            return Ok(None);
        }
        let path = target.split('?').next().unwrap_or_default();
        let mut request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
        };
        for line in lines {
            let line = line?;
            if line.is_empty() {
                return Ok(Some(request));
            }
            let Some((name, value)) = line.split_once(':') else {
                return Ok(None);
            };
            let header = (name.to_ascii_lowercase(), value.trim().to_owned());
            request.headers.push(header);
        }
        // It broke off, or is too long.
        Ok(None)
    }

    /// The value of a header. `None` also if there are several: it is not clear which one counts.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own == name)
    }
}

/// An answer with a body of known length.
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) body: &'static str,
}

impl Answer {
    /// An answer that only says why there is no other.
    pub(crate) fn refusal(status: &'static str) -> Answer {
        Answer {
            status,
            kind: "text/plain",
            body: status,
        }
    }

    pub(crate) fn write(&self, out: &mut impl Write, with_body: bool) -> io::Result<()> {
        let Answer { status, kind, body } = self;
        let length = body.len();
        let allow = match status.starts_with("405") {
            true => "Allow: GET, HEAD\r\n",
            false => "",
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\n\
             Content-Length: {length}\r\n{allow}{ALWAYS}\r\n"
        );
        out.write_all(head.as_bytes())?;
        if with_body {
            out.write_all(body.as_bytes())?;
        }
        out.flush()
    }
}

/// Begins a stream of server-sent events.
pub(crate) fn begin_events(out: &mut impl Write) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{ALWAYS}\r\n");
    out.write_all(head.as_bytes())?;
    // After how many milliseconds a page that has lost the connection comes again.
    out.write_all(b"retry: 1000\n\n")
}

/// Sends an event. The text is one line.
pub(crate) fn event(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(format!("data: {text}\n\n").as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn a_head_is_read_or_refused() {
        let good = "GET /page?x=1 HTTP/1.1\r\nHost: a:1\r\nX: 1\r\nX: 2\r\n\r\nrest";
        let request = Request::read(good.as_bytes()).unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("GET", "/page")
        );
        assert_eq!(
            (request.header("host"), request.header("x")),
            (Some("a:1"), None)
        );
        assert!(request.has("x") && !request.has("y"));
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(20_000));
        for bad in [
            "",
            "GET",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/2\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET http://evil.example/ HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            &long,
        ] {
            assert!(Request::read(bad.as_bytes()).unwrap().is_none(), "{bad:?}");
        }
    }
}
