//! Names of calls, queues and ids, and the parts of a subject that are made of them.

use std::fmt;
use std::marker::PhantomData;

use crate::error::{RemoteError, RemoteErrorKind};

/// The name of a function that is called remotely, with the types that go in and come out.
///
/// Both programs share the constant. A name carries its version: a function whose types change in
/// a way that old programs cannot read gets a new name.
///
/// # Examples
///
/// ```
/// use fast_async_remote::Call;
///
/// const RESIZE: Call<(String, u32), Vec<u8>> = Call::new("img-resize-v1");
/// assert_eq!(RESIZE.name(), "img-resize-v1");
/// ```
pub struct Call<In, Out> {
    name: &'static str,
    _types: PhantomData<fn(In) -> Out>,
}

impl<In, Out> Call<In, Out> {
    /// Returns the call with this name: letters, digits, `-` and `_`, at most 64.
    ///
    /// # Panics
    ///
    /// If the name has other characters; for a constant that is an error of the compiler.
    #[must_use]
    pub const fn new(name: &'static str) -> Call<In, Out> {
        assert!(
            is_plain(name.as_bytes()),
            "the name of a call has letters, digits, `-` and `_`, at most 64 of them"
        );
        Call {
            name,
            _types: PhantomData,
        }
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<In, Out> Clone for Call<In, Out> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<In, Out> Copy for Call<In, Out> {}

impl<In, Out> fmt::Debug for Call<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.name).finish()
    }
}

/// Returns true for what may stand in a subject as one token, and in the name of a stream.
const fn is_plain(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        if !matches!(name[at], b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_') {
            return false;
        }
        at += 1;
    }
    !name.is_empty() && name.len() <= 64
}

/// Checks the name of a queue.
pub(crate) fn queue(name: &str) -> Result<(), RemoteError> {
    // Streams of that name are for other things.
    let reserved = matches!(name, "RESULTS" | "NOTES") || name.starts_with("DEAD-");
    check(is_plain(name.as_bytes()) && !reserved, "queue", name)
}

/// Checks the name of a topic: plain names with dots between.
pub(crate) fn topic(name: &str) -> Result<(), RemoteError> {
    let plain = name.len() <= 256 && name.split('.').all(|part| is_plain(part.as_bytes()));
    check(plain, "topic", name)
}

/// Checks an id of the user.
pub(crate) fn id(id: &str) -> Result<(), RemoteError> {
    if id.len() <= 4096 {
        return Ok(());
    }
    let why = format!("an id has at most 4,096 bytes, and this has {}", id.len());
    Err(RemoteError::new(RemoteErrorKind::BadName, why))
}

fn check(is_good: bool, of: &str, name: &str) -> Result<(), RemoteError> {
    if is_good {
        return Ok(());
    }
    let why = format!("the name of a {of} has letters, digits, `-` and `_`, and this is `{name}`");
    Err(RemoteError::new(RemoteErrorKind::BadName, why))
}

/// Returns the token that stands for an id in a subject. An id that could mean something else
/// there, or is long, is replaced by its digest; the prefix keeps digests and plain ids apart.
pub(crate) fn id_token(id: &str) -> String {
    if is_plain(id.as_bytes()) && !id.starts_with("h-") {
        return id.to_owned();
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
    let mut token = String::with_capacity(66);
    token.push_str("h-");
    for byte in digest.as_ref() {
        token.push_str(&format!("{byte:02x}"));
    }
    token
}

/// Where a job is: its queue, its function, and the key under which its outcome is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) queue: String,
    pub(crate) function: String,
    pub(crate) key: String,
}

impl Place {
    /// The place of a job with an id of the user.
    pub(crate) fn named(queue: &str, function: &str, id: &str) -> Place {
        let key = format!("n.{queue}.{function}.{}", id_token(id));
        Place {
            queue: queue.to_owned(),
            function: function.to_owned(),
            key,
        }
    }

    /// The place of the job with this number of a caller.
    pub(crate) fn numbered(queue: &str, function: &str, caller: &str, number: u64) -> Place {
        Place {
            queue: queue.to_owned(),
            function: function.to_owned(),
            key: format!("a.{caller}.{number}"),
        }
    }

    /// Returns true for a job with an id of the user, which several callers may push.
    pub(crate) fn is_named(&self) -> bool {
        self.key.starts_with("n.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_token_and_never_a_pattern() {
        for id in [
            "a.b",
            "*",
            ">",
            "",
            "a b",
            "h-x",
            "ä",
            "\r\n",
            &"x".repeat(65),
        ] {
            let token = id_token(id);
            assert!(
                token.starts_with("h-") && token.len() == 66,
                "{id:?}: {token}"
            );
            assert!(
                token
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || it == b'-')
            );
        }
        assert_eq!(id_token("a-png_200"), "a-png_200");
        assert_ne!(id_token("a.b"), id_token("a.c"));
    }

    #[test]
    fn names_are_checked() {
        assert!(queue("images").is_ok() && topic("prices.eur").is_ok());
        for bad in ["", "a.b", "a*", ">", "a b", "ä"] {
            assert_eq!(
                *queue(bad).unwrap_err().kind(),
                RemoteErrorKind::BadName,
                "{bad}"
            );
        }
        for bad in ["", "a..b", ".a", "a.*", "a.>", "$JS.API"] {
            assert!(topic(bad).is_err(), "{bad}");
        }
    }
}
