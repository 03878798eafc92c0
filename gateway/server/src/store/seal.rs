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
//!
//! Most bodies are short and hold more names of elements and systems than words, so they are compressed with those names
//! before them ([`DICTIONARY`]). It holds nothing of anybody. A body says by its first byte with which dictionary it was
//! packed, so that a better one can come later beside this one.

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

/// What stored bodies have in common: elements, code systems, codes. Bodies that are stored can be read with these very bytes
/// alone, so the file never changes (a test holds its hash); another one gets another number.
const DICTIONARY: &[u8] = include_bytes!("seal/dictionary-1.txt");
/// The first byte of a body that was packed with [`DICTIONARY`].
const WITH_DICTIONARY: u8 = 1;
/// The first byte of a body that was packed without any: the first of zstd's own mark.
const WITHOUT: u8 = 0x28;

thread_local! {
    /// A context takes longer to make than a body to compress.
    static PACK: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACK: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static UNPACK_PLAIN: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
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
            None => pack.insert(Compressor::with_dictionary(LEVEL, DICTIONARY)?).compress(plain),
        })
        .map_err(|_| fault())?;
    sealed.insert(0, WITH_DICTIONARY);
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
    match packed.split_first() {
        Some((&WITH_DICTIONARY, packed)) => {
            UNPACK.with_borrow_mut(|unpack| unpacked(unpack, || Decompressor::with_dictionary(DICTIONARY), packed))
        }
        Some((&WITHOUT, _)) => UNPACK_PLAIN.with_borrow_mut(|unpack| unpacked(unpack, Decompressor::new, packed)),
        _ => None,
    }
    .ok_or_else(fault)
}

/// Expands what was packed, by a context that is made if there is none yet.
fn unpacked(
    unpack: &mut Option<Decompressor<'static>>,
    new: impl Fn() -> std::io::Result<Decompressor<'static>>,
    packed: &[u8],
) -> Option<Vec<u8>> {
    // What was authenticated is ours, and so is the size that it names.
    let size = usize::try_from(get_frame_content_size(packed).ok().flatten()?).ok()?;
    let unpack = match unpack {
        Some(unpack) => unpack,
        None => unpack.insert(new().ok()?),
    };
    unpack.decompress(packed, size).ok()
}

#[cfg(test)]
mod tests {
    use super::{Aad, DICTIONARY, Key, LEVEL, Row, new_key, open, seal};
    use sha2::{Digest as _, Sha256};
    use zstd::bulk::compress;

    /// What lies on somebody's disk was packed with it.
    #[test]
    fn the_dictionary_never_changes() {
        let hash: String = Sha256::digest(DICTIONARY).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hash, "4eafee0b9e5957ba083c823deeacd5fba136fb82f5aacd0cd64449b57a9c12c3",
            "give another dictionary another number"
        );
    }

    #[test]
    fn a_short_resource_is_packed_by_the_names_of_its_elements() {
        let key = Key::read(&new_key().expect("a key")).expect("reads");
        let body = r#"{"resourceType":"Patient","id":"7","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"name":[{"use":"official","family":"Testperson","given":["Amina"]}],"gender":"female","birthDate":"1951-04-17"}"#;
        let alone = compress(body.as_bytes(), LEVEL).expect("packs").len();
        let sealed = seal(&key, &Row::version(1, 1), body.as_bytes()).expect("seals").len();
        assert!(sealed < alone * 3 / 4, "{sealed} of {alone}, with nonce and tag");
    }

    /// As bodies were packed before there was a dictionary.
    #[test]
    fn a_body_without_dictionary_opens() {
        let key = Key::read(&new_key().expect("a key")).expect("reads");
        let row = Row::version(3, 1);
        let mut sealed = compress(b"as it was", LEVEL).expect("packs");
        let nonce = key.0.seal_in_place_append_tag(Aad::from(&row.0), &mut sealed).expect("seals");
        sealed.extend_from_slice(nonce.as_ref());
        assert_eq!(open(&key, &row, &sealed).expect("opens"), b"as it was");
    }

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
