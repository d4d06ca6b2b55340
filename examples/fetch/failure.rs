//! Why a try failed, and whether another one may help.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::StatusCode;

use crate::list::{Sha256, hex};

#[derive(Debug)]
pub(crate) enum Failure {
    /// The server has answered, but not with the file.
    Status {
        code: StatusCode,
        /// How long the server asks to be left alone.
        pause: Option<Duration>,
    },
    /// The server has sent another part than the one asked for.
    OtherPart,
    /// What came is not what the list says.
    OtherHash { found: Sha256, resumed: bool },
    /// Less or more came than was announced.
    OtherLength { came: u64, announced: u64 },
    /// The connection has failed, or could not be made.
    Connection(io::Error),
    /// The request has failed.
    Request(ureq::Error),
    /// A file of ours cannot be read or written.
    File(PathBuf, io::Error),
}

impl Failure {
    /// True when another try would come to the same.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            // Timeouts and limits of the server pass by; its other refusals do not.
            Failure::Status { code, .. } => {
                !code.is_server_error() && ![408, 416, 425, 429].contains(&code.as_u16())
            }
            // The part may have been of an older version of the file.
            Failure::OtherHash { resumed, .. } => !resumed,
            Failure::Request(err) => matches!(
                err,
                ureq::Error::BadUri(_)
                    | ureq::Error::Http(_)
                    | ureq::Error::RedirectFailed
                    | ureq::Error::TooManyRedirects
                    | ureq::Error::Tls(_)
                    | ureq::Error::Rustls(_)
            ),
            Failure::File(..) => true,
            Failure::OtherPart | Failure::OtherLength { .. } | Failure::Connection(_) => false,
        }
    }
}

impl From<ureq::Error> for Failure {
    fn from(err: ureq::Error) -> Failure {
        match err {
            ureq::Error::Io(err) => Failure::Connection(err),
            err => Failure::Request(err),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Status { code, .. } => write!(f, "the server answered {code}"),
            Failure::OtherPart => f.write_str("the server sent another part than asked for"),
            Failure::OtherHash { found, .. } => {
                write!(
                    f,
                    "what came is not what the list says: its SHA-256 is {}",
                    hex(found)
                )
            }
            Failure::OtherLength { came, announced } => {
                write!(f, "{came} bytes came, but {announced} were announced")
            }
            Failure::Connection(err) => write!(f, "{err}"),
            Failure::Request(err) => write!(f, "{err}"),
            Failure::File(path, err) => write!(f, "{}: {err}", path.display()),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Failure::Connection(err) | Failure::File(_, err) => Some(err),
            Failure::Request(err) => Some(err),
            _ => None,
        }
    }
}
