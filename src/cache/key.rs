//! A key of a cache, and the hash of it.

use std::hash::{BuildHasher, Hasher};

use crate::sync::Arc;
use crate::unhandled;

/// A key, which an entry, its load and calls share. The last one drops it, and reports a panic of
/// that.
pub(super) struct Key<K>(Option<Arc<K>>);

impl<K> Key<K> {
    pub(super) fn new(key: K) -> Key<K> {
        Key(Some(Arc::new(key)))
    }

    pub(super) fn get(&self) -> &K {
        self.0.as_ref().expect("only a drop takes it")
    }
}

impl<K> Clone for Key<K> {
    fn clone(&self) -> Key<K> {
        Key(self.0.clone())
    }
}

impl<K> Drop for Key<K> {
    fn drop(&mut self) {
        unhandled::drop_reporting(self.0.take());
    }
}

/// Hashes the numbers of entries, and what is a hash already.
#[derive(Clone, Copy, Default)]
pub(super) struct ByNumber;

/// The state of [`ByNumber`].
#[derive(Default)]
pub(super) struct Number(u64);

/// Odd, and without a pattern: a product with it has all of the number in its upper bits.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for Number {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(SPREAD);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl BuildHasher for ByNumber {
    type Hasher = Number;

    fn build_hasher(&self) -> Number {
        Number::default()
    }
}
