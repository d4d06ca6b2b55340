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
use crate::nesting::Bounded;

/// The version of the envelope that this crate writes, and the only one that it reads.
const VERSION: u8 = 1;

/// So many values may be nested in one another. An option, a newtype and the variant of an enum
/// are one each, as a list or a struct is.
const LEVELS: u32 = 128;

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
    let value = T::deserialize(Bounded::new(&mut rest, LEVELS)).map_err(|err| {
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
    use crate::record::{CallRecord, DeadRecord, JobRecord, Note, Outcome, ProgressRecord};

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

    #[derive(Serialize, Deserialize, Debug)]
    #[allow(dead_code)]
    enum Deep {
        End,
        More(Box<Deep>),
        Pair(Box<Deep>, u8),
        Named { next: Box<Deep> },
    }

    #[derive(Serialize, Deserialize, Debug)]
    struct List {
        next: Option<Box<List>>,
    }

    #[derive(Serialize, Deserialize, Debug)]
    struct Nested(Vec<Nested>);

    #[derive(Serialize, Deserialize, Debug)]
    struct Keyed(HashMap<u8, Keyed>);

    /// Takes no byte for a level.
    #[derive(Deserialize, Debug)]
    #[allow(dead_code)]
    struct Bottomless(Option<Box<Bottomless>>);

    #[derive(Serialize, Deserialize, Debug)]
    #[serde(untagged)]
    enum Any {
        Number(u64),
        List(Vec<Any>),
        Map(HashMap<String, Any>),
    }

    /// What a type ignores, it still reads.
    #[derive(Deserialize, Debug)]
    #[allow(dead_code)]
    struct Ignoring {
        a: Option<u8>,
    }

    /// As deep as the size of a message allows.
    fn deep(level: &[u8]) -> Vec<u8> {
        level.repeat((1 << 20) / level.len())
    }

    /// Each level of these is an array, a map, a variant or an extension.
    fn deep_bytes() -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = [
            &b"\x91"[..],
            b"\xdc\x00\x01",
            b"\x92\xc0",
            b"\x81\x01",
            b"\xde\x00\x01\x01",
            b"\x81\xa4next",
            b"\x81\x91",
            b"\x81\xa4More",
            b"\x81\xa4Pair\x92",
            b"\x81\xa5Named\x81\xa4next",
            // A variant is a map of one; a list of one is none.
            b"\x91\xa4More",
            b"\xd4\x01\x91",
            b"\xc7\x01\x01\x91",
        ]
        .map(deep)
        .into();
        // In a list of many.
        let wide = [&[0xdd, 0, 2, 0, 0][..], &deep(b"\x81\xa4More")].concat();
        // An extension says it holds the rest.
        let ext = [&[0xc9, 0, 0xf, 0xff, 0, 1][..], &deep(b"\x91")].concat();
        all.extend([wide, ext, vec![1]]);
        all
    }

    fn fails<T: DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) {
        let error = decode::<T>(bytes).unwrap_err();
        assert_eq!(*error.kind(), RemoteErrorKind::Decode);
        assert!(!error.is_retryable());
    }

    /// Runs it where a thread has little: half of what a thread of a pool has unless set. Without
    /// optimization, the bound takes up to 600 KiB with these types.
    fn on_small_stack(check: fn()) {
        let builder = std::thread::Builder::new().stack_size(1 << 20);
        builder.spawn(check).unwrap().join().unwrap();
    }

    /// Nothing that a stranger sends takes the stack, or memory without bound.
    #[test]
    fn hostile_bytes_fail() {
        on_small_stack(|| {
            for bytes in deep_bytes() {
                fails::<Deep>(&bytes);
                fails::<Vec<Deep>>(&bytes);
                fails::<List>(&bytes);
                fails::<Nested>(&bytes);
                fails::<Keyed>(&bytes);
                fails::<Bottomless>(&bytes);
                fails::<Ignoring>(&bytes);
                if bytes != [1] {
                    fails::<Any>(&bytes);
                }
                let field = [&b"\x82\xa1b"[..], &bytes].concat();
                fails::<Ignoring>(&field);
            }
        });
        // An array that says it has four billion elements.
        fails::<Vec<u64>>(&[0xdd, 0xff, 0xff, 0xff, 0xff]);
        fails::<Vec<u8>>(&[0xc6, 0xff, 0xff, 0xff, 0xff]);
    }

    /// The same in an envelope, for every record that is read from a store or a connection.
    #[test]
    fn hostile_records_fail() {
        fn fails<T: DeserializeOwned + std::fmt::Debug>(kind: Kind) {
            for bytes in deep_bytes() {
                let bare = [&[b'F', b'A', VERSION, kind as u8][..], &bytes].concat();
                // In a field that this version does not know.
                let field = [&bare[..4], b"\x81\xa7unknown", &bytes].concat();
                for bytes in [bare, field] {
                    let error = open::<T>(kind, &bytes).unwrap_err();
                    assert_eq!(*error.kind(), RemoteErrorKind::Decode);
                }
            }
        }
        on_small_stack(|| {
            fails::<JobRecord>(Kind::Job);
            fails::<CallRecord>(Kind::Call);
            fails::<Outcome>(Kind::Outcome);
            fails::<Note>(Kind::Note);
            fails::<DeadRecord>(Kind::Dead);
            fails::<ProgressRecord>(Kind::Progress);
            fails::<Vec<u8>>(Kind::Value);
            fails::<String>(Kind::Cancel);
        });
    }

    #[test]
    fn a_value_is_nested_as_deep_as_the_bound() {
        fn list(levels: u32) -> Nested {
            let inner = (levels > 1).then(|| list(levels - 1));
            Nested(inner.into_iter().collect())
        }
        on_small_stack(|| {
            // A newtype and a list for each level.
            let bytes = encode(&list(LEVELS / 2)).unwrap();
            assert_eq!(encode(&decode::<Nested>(&bytes).unwrap()).unwrap(), bytes);
            let bytes = encode(&list(LEVELS / 2 + 1)).unwrap();
            let error = decode::<Nested>(&bytes).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("nested too deep"), "{text}");
        });
    }
}
