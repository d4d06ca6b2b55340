//! One try: a request for what is missing of a file.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use fast_async::BoxError;
use fast_async::retry::Attempt;
use ureq::Body;
use ureq::http::{HeaderMap, Response, StatusCode, header};

use crate::failure::Failure;
use crate::fetcher::{Download, Saved};
use crate::part::sha256;

/// A server that asks for a longer pause gets this one.
const LONGEST_PAUSE: u64 = 60;

/// A download to which bytes can be added.
struct Begun {
    /// `None`: nothing is missing.
    file: Option<File>,
    /// How many bytes are there.
    have: u64,
    /// How many there are in all, if the server says so.
    total: Option<u64>,
}

impl Download {
    pub(crate) fn attempt(&self, attempt: &Attempt) -> Result<Saved, BoxError> {
        let from = self.starting_point();
        let response = self.request(from)?;
        let mut begun = self.begin(&response, from)?;
        let resumed = begun.have > 0;
        let total = begun.total.unwrap_or(0);
        attempt.progress(begun.have, total);
        if let Some(file) = &mut begun.file {
            let mut body = response.into_body().into_reader();
            let mut buffer = vec![0; 1 << 16];
            loop {
                attempt.check()?;
                let read = body.read(&mut buffer).map_err(ureq::Error::from);
                match read.map_err(Failure::from)? {
                    0 => break,
                    count => {
                        self.part.write(file, &buffer[..count])?;
                        begun.have += count as u64;
                        self.note(count);
                        attempt.progress(begun.have, total);
                    }
                }
            }
        }
        // Closed before it gets its name.
        drop(begun.file.take());
        self.check(&begun, resumed, attempt)?;
        self.part.finish()?;
        Ok(Saved::Fetched)
    }

    /// How many bytes of a former try may be used. A part of a file that may have changed since
    /// cannot: it has no version, and no hash would find that out.
    fn starting_point(&self) -> u64 {
        match self.entry.sha256.is_some() || self.part.version().is_some() {
            true => self.part.len(),
            false => 0,
        }
    }

    fn request(&self, from: u64) -> Result<Response<Body>, Failure> {
        let mut request = self.fetcher.agent.get(self.entry.url.clone());
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
            if let Some(version) = self.part.version() {
                // If the file has changed, the server sends all of it.
                request = request.header(header::IF_RANGE, version);
            }
        }
        Ok(request.call()?)
    }

    fn begin(&self, response: &Response<Body>, from: u64) -> Result<Begun, Failure> {
        let (code, headers) = (response.status(), response.headers());
        let range = ContentRange::of(headers);
        match code {
            StatusCode::OK => Ok(Begun {
                file: Some(self.part.restart(version(headers))?),
                have: 0,
                total: response.body().content_length(),
            }),
            StatusCode::PARTIAL_CONTENT if range.start == Some(from) => Ok(Begun {
                file: Some(self.part.resume()?),
                have: from,
                total: range.total,
            }),
            StatusCode::PARTIAL_CONTENT => {
                self.part.discard()?;
                Err(Failure::OtherPart)
            }
            StatusCode::RANGE_NOT_SATISFIABLE if range.total == Some(from) => Ok(Begun {
                file: None,
                have: from,
                total: range.total,
            }),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                // There is more than the server has: the next try begins anew.
                self.part.discard()?;
                Err(Failure::Status { code, pause: None })
            }
            _ => Err(Failure::Status {
                code,
                pause: pause(headers),
            }),
        }
    }

    /// Compares what is there with what the server and the list say.
    fn check(&self, begun: &Begun, resumed: bool, attempt: &Attempt) -> Result<(), BoxError> {
        let came = begun.have;
        if let Some(announced) = begun.total.filter(|announced| *announced != came) {
            if came > announced {
                self.part.discard()?;
            }
            return Err(Failure::OtherLength { came, announced }.into());
        }
        let Some(expected) = self.entry.sha256 else {
            return Ok(());
        };
        let found = sha256(&self.part.data, || attempt.check())?;
        if found == expected {
            return Ok(());
        }
        self.part.discard()?;
        Err(Failure::OtherHash { found, resumed }.into())
    }
}

/// What a request for the rest may be bound to: a tag or a date that changes with the content.
fn version(headers: &HeaderMap) -> Option<&str> {
    let get = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A weak tag may be the same for two contents.
    let tag = get(header::ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| get(header::LAST_MODIFIED))
}

/// How long the server asks to be left alone; `None` where it gives a date.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = seconds.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_PAUSE)))
}

/// Which part of the file has come: `bytes 100-199/200`, or `bytes */200` where none has.
#[derive(Default)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

impl ContentRange {
    fn of(headers: &HeaderMap) -> ContentRange {
        let value = headers.get(header::CONTENT_RANGE);
        let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
        let Some((range, total)) = value
            .strip_prefix("bytes ")
            .and_then(|it| it.split_once('/'))
        else {
            return ContentRange::default();
        };
        ContentRange {
            start: range
                .split_once('-')
                .and_then(|(start, _)| start.parse().ok()),
            total: total.parse().ok(),
        }
    }
}
