//! How values and records look on the wire: a versioned envelope around MessagePack.
//!
//! Why MessagePack: it is compact, keeps bytes as bytes, and describes itself. So a value of
//! another type is refused instead of read as nonsense, and a struct with a field more, or a
//! missing optional one, is read. (A format that does not describe itself reads two swapped
//! numbers without a word; JSON makes three bytes of one and knows no NaN.)
//!
//! An envelope is the bytes `FA`, the version and the kind, and then the record.

use std::io::Cursor;

use rmp_serde::config::BytesMode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{RemoteError, RemoteErrorKind};

/// The version of the envelope that this crate writes, and the only one that it reads.
const VERSION: u8 = 1;

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Job = 1,
    Outcome = 2,
    Note = 3,
    Dead = 4,
    Progress = 5,
    Call = 6,
    Value = 7,
    Cancel = 8,
}

/// Encodes a value of the user.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = Vec::with_capacity(128);
    write(&mut bytes, value)?;
    Ok(bytes)
}

/// Decodes a value of the user.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RemoteError> {
    let mut rest = rmp_serde::Deserializer::new(Cursor::new(bytes));
    rest.set_max_depth(128);
    let value = T::deserialize(&mut rest).map_err(|err| {
        let of = std::any::type_name::<T>();
        decode_error(format!("these bytes are no `{of}`: {err}"))
    })?;
    match bytes.len() as u64 - rest.position() {
        0 => Ok(value),
        left => Err(decode_error(format!(
            "{left} bytes are left after the value"
        ))),
    }
}

/// Puts a record into an envelope.
pub(crate) fn seal<T: Serialize>(kind: Kind, record: &T) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = Vec::with_capacity(192);
    bytes.extend([b'F', b'A', VERSION, kind as u8]);
    write(&mut bytes, record)?;
    Ok(bytes)
}

/// Takes a record out of its envelope.
pub(crate) fn open<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, RemoteError> {
    match bytes {
        [b'F', b'A', VERSION, own, rest @ ..] if *own == kind as u8 => decode(rest),
        [b'F', b'A', VERSION, ..] => Err(decode_error("an envelope of another kind".into())),
        [b'F', b'A', other, ..] => Err(RemoteError::new(
            RemoteErrorKind::Version,
            format!("it was written by version {other} of the envelope, and {VERSION} is known"),
        )),
        _ => Err(decode_error(
            "these bytes are no envelope of this crate".into(),
        )),
    }
}

fn write<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), RemoteError> {
    let mut out = rmp_serde::Serializer::new(bytes)
        .with_bytes(BytesMode::ForceAll)
        .with_struct_map();
    value
        .serialize(&mut out)
        .map_err(|err| decode_error(format!("the value cannot be encoded: {err}")))
}

fn decode_error(why: String) -> RemoteError {
    RemoteError::new(RemoteErrorKind::Decode, why)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[test]
    fn values_come_back() {
        let value = (
            f64::NAN,
            HashMap::from([((1u8, 2u8), vec![7u8; 300])]),
            Some("ä"),
        );
        let bytes = encode(&value).unwrap();
        type Back = (f64, HashMap<(u8, u8), Vec<u8>>, Option<String>);
        let back: Back = decode(&bytes).unwrap();
        assert!(back.0.is_nan());
        assert_eq!((&back.1, back.2.as_deref()), (&value.1, value.2));
        assert!(bytes.len() < 330, "bytes stay bytes");
    }

    #[test]
    fn a_field_more_is_read_and_another_type_is_not() {
        #[derive(Serialize)]
        struct New {
            a: u32,
            b: u32,
        }
        #[derive(Deserialize, Debug)]
        struct Old {
            a: u32,
        }
        let bytes = encode(&New { a: 1, b: 2 }).unwrap();
        assert_eq!(decode::<Old>(&bytes).unwrap().a, 1);
        for error in [
            decode::<u32>(&bytes).unwrap_err(),
            decode::<Old>(&bytes[..3]).unwrap_err(),
            decode::<u8>(&[1, 1]).unwrap_err(),
            decode::<String>(&[0xff; 9]).unwrap_err(),
        ] {
            assert_eq!(*error.kind(), RemoteErrorKind::Decode);
            assert!(!error.is_retryable());
        }
    }

    #[test]
    fn a_foreign_envelope_is_told_apart() {
        let bytes = seal(Kind::Job, &7u32).unwrap();
        assert_eq!(open::<u32>(Kind::Job, &bytes).unwrap(), 7);
        assert!(open::<u32>(Kind::Note, &bytes).is_err());
        let mut other = bytes.clone();
        other[2] = 2;
        let error = open::<u32>(Kind::Job, &other).unwrap_err();
        assert_eq!(*error.kind(), RemoteErrorKind::Version);
        for bytes in [&b""[..], b"F", b"FA", b"FA\x01", b"hello"] {
            assert!(open::<u32>(Kind::Job, bytes).is_err());
        }
    }

    /// Nothing that a stranger sends takes the stack, or memory without bound.
    #[test]
    fn hostile_bytes_fail() {
        #[derive(Deserialize, Debug)]
        #[allow(dead_code)]
        enum Deep {
            End,
            More(Box<Deep>),
        }
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            bytes.extend([0x81, 0xa4, b'M', b'o', b'r', b'e']);
        }
        assert!(decode::<Deep>(&bytes).is_err());
        // An array that says it has four billion elements.
        assert!(decode::<Vec<u64>>(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(decode::<Vec<u8>>(&[0xc6, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
