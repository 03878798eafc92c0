//! How bodies lie on the disk: compressed, then encrypted (AES-256-GCM), bound to their table and row, so that one row's
//! body cannot be put in another's place.
//!
//! Nonces and keys come from the cryptographic library's own generator, and not from `chance.rs`: tests seed that one, and a
//! key must never be repeatable. Nonces are random, 96 bits, which is sound for 2³² bodies under one key: a subject has some
//! hundreds, a tenant's shared resources are few.
//!
//! Compressed by zstd at level 1: a third of the size in 10 µs for a Patient of 3.7 KB. LZ4 takes 4 µs and leaves a half,
//! deflate in Rust takes 60 µs for what zstd does. Each body is compressed alone, so its length tells about how much it holds,
//! and nothing of others.

use crate::store::StoreError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

/// Bytes of a key.
const KEY: usize = 32;
/// How hard zstd tries.
const LEVEL: i32 = 1;

thread_local! {
    /// A context takes longer to make than a body to compress.
    static PACK: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACK: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A key, ready for use.
pub(super) struct Key(RandomizedNonceKey);

impl Key {
    /// From what is stored.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes)
            .map(Self)
            .map_err(|_| StoreError::Engine("a key cannot be read".to_owned()))
    }
}

/// The bytes of a new key.
pub(super) fn new_key() -> Result<[u8; KEY], StoreError> {
    let mut bytes = [0; KEY];
    rand::fill(&mut bytes).map_err(|_| StoreError::Engine("no randomness for a key".to_owned()))?;
    Ok(bytes)
}

/// What a body is bound to: its table, and what names its row there for ever.
pub(super) struct Row(Vec<u8>);

impl Row {
    /// Length first, so that no two lists of names read alike.
    pub(super) fn of(table: &str, names: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for part in std::iter::once(&table).chain(names) {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(bytes)
    }

    /// As bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A version of the resource at a place.
    pub(super) fn version(place: i64, version: i64) -> Self {
        Self::of("resource_version", &[&place.to_string(), &version.to_string()])
    }
}

/// Compresses and encrypts.
pub(super) fn seal(key: &Key, row: &Row, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let fault = || StoreError::Engine("a body cannot be sealed".to_owned());
    let mut sealed = PACK
        .with_borrow_mut(|pack| match pack {
            Some(pack) => pack.compress(plain),
            None => pack.insert(Compressor::new(LEVEL)?).compress(plain),
        })
        .map_err(|_| fault())?;
    let nonce = key.0.seal_in_place_append_tag(Aad::from(&row.0), &mut sealed).map_err(|_| fault())?;
    sealed.extend_from_slice(nonce.as_ref());
    Ok(sealed)
}

/// Decrypts and expands what [`seal`] made for the same row.
pub(super) fn open(key: &Key, row: &Row, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let fault = || StoreError::Engine("a sealed body cannot be opened".to_owned());
    let (packed, nonce) =
        sealed.len().checked_sub(NONCE_LEN).and_then(|at| sealed.split_at_checked(at)).ok_or_else(fault)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| fault())?;
    let mut packed = packed.to_vec();
    let packed = key.0.open_in_place(nonce, Aad::from(&row.0), &mut packed).map_err(|_| fault())?;
    // What was authenticated is ours, and so is the size that it names.
    let size = get_frame_content_size(packed).ok().flatten().and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or_else(fault)?;
    let plain = UNPACK.with_borrow_mut(|unpack| match unpack {
        Some(unpack) => unpack.decompress(packed, size),
        None => unpack.insert(Decompressor::new()?).decompress(packed, size),
    });
    plain.map_err(|_| fault())
}

#[cfg(test)]
mod tests {
    use super::{Key, Row, new_key, open, seal};

    #[test]
    fn a_body_opens_with_its_own_key_in_its_own_row_alone() {
        let (key, other) = (new_key().expect("a key"), new_key().expect("another"));
        assert_ne!(key, other);
        let (key, other) = (Key::read(&key).expect("reads"), Key::read(&other).expect("reads"));
        let body = "canary ".repeat(100);
        let row = Row::version(1, 2);
        let sealed = seal(&key, &row, body.as_bytes()).expect("seals");
        assert!(sealed.len() < body.len(), "it is compressed");
        assert!(!sealed.windows(6).any(|bytes| bytes == b"canary"));
        assert_ne!(sealed, seal(&key, &row, body.as_bytes()).expect("seals"), "each time with another nonce");
        assert_eq!(open(&key, &row, &sealed).expect("opens"), body.as_bytes());
        for (key, row) in [(&other, row), (&key, Row::version(2, 1)), (&key, Row::of("answer", &["1", "2"]))] {
            assert!(open(key, &row, &sealed).is_err());
        }
        for at in [0, sealed.len() / 2, sealed.len() - 1] {
            let mut torn = sealed.clone();
            torn[at] ^= 1;
            assert!(open(&key, &Row::version(1, 2), &torn).is_err(), "byte {at}");
        }
        assert!(open(&key, &Row::version(1, 2), &sealed[..5]).is_err());
    }
}
