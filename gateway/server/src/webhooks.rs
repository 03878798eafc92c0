//! Standard Webhooks (<https://www.standardwebhooks.com>, specification 1.0.0): what leaves is signed, and what comes in is proved to be
//! its sender's, whole, and of this moment.
//!
//! Signed is `id.timestamp.body`, by HMAC-SHA256 (`v1`, secret `whsec_`) or Ed25519 (`v1a`, keys `whsk_` and `whpk_`). Several keys stand
//! beside each other while one is replaced: each signs, and any one proves.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::HeaderMap;
use time::OffsetDateTime;

/// Names the message; the same at each attempt to deliver it.
pub const ID: &str = "webhook-id";
/// When this attempt was made: seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// Signatures, with spaces between.
pub const SIGNATURE: &str = "webhook-signature";

/// A timestamp may be so far from our time, either way.
pub const TOLERANCE_SECONDS: u64 = 5 * 60;

/// Bytes of a symmetric secret (specification, "Signature scheme").
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Characters of a message's id, at most.
const ID_LONGEST: usize = 256;
/// Signatures of one message that are looked at, at most.
const SIGNATURES: usize = 16;
/// Keys that stand beside each other, at most.
const KEYS: usize = 8;

/// Some write base64 without the signs at its end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// To sign: secrets (`whsec_`) and private keys (`whsk_`).
    Sign,
    /// To prove: secrets (`whsec_`) and public keys (`whpk_`).
    Verify,
}

enum Key {
    Secret(Box<hmac::Key>),
    Private(Box<Ed25519KeyPair>),
    Public(Vec<u8>),
}

/// The keys of one sender, newest first. They are never shown.
pub struct Keys(Vec<Key>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({}, …)", self.0.len())
    }
}

/// Why nothing is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// A header is missing, stands twice or holds what it may not.
    #[error(
        "Reports of this platform are signed by Standard Webhooks: send webhook-id (visible characters without a full stop), \
         webhook-timestamp (seconds since 1970) and webhook-signature, each once."
    )]
    Headers,
    /// The timestamp is too far away.
    #[error(
        "webhook-timestamp is more than five minutes from the gateway's time. Sign each attempt anew, by a clock that is set."
    )]
    Time,
    /// No signature is by a key that is known.
    #[error(
        "No signature in webhook-signature fits: it is over webhook-id, a full stop, webhook-timestamp, a full stop and the body as it \
         is sent, by the key that was agreed."
    )]
    Signature,
}

/// The three headers of a signed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
}

impl Keys {
    /// Reads keys with white space between, the newest first.
    ///
    /// # Errors
    /// What is wrong with one of them and how to mend it; never its value.
    pub fn read(text: &str, purpose: Use) -> Result<Self, &'static str> {
        let keys = text.split_whitespace().map(|word| key(word, purpose)).collect::<Result<Vec<_>, _>>()?;
        match keys.len() {
            0 => Err("holds no key; write one as whsec_ and base64 of 24 to 64 random bytes"),
            1..=KEYS => Ok(Self(keys)),
            _ => Err("holds more than eight keys; keep those that are in use"),
        }
    }

    /// The headers of a message that leaves now: one signature by each key.
    ///
    /// `id` is the gateway's own: visible characters, no full stop.
    #[must_use]
    pub fn sign(&self, id: &str, now: OffsetDateTime, body: &[u8]) -> Signed {
        let timestamp = now.unix_timestamp().to_string();
        let content = content(id, &timestamp, body);
        let signatures = self.0.iter().filter_map(|key| match key {
            Key::Secret(key) => Some(format!("v1,{}", STANDARD.encode(hmac::sign(key, &content)))),
            Key::Private(pair) => Some(format!("v1a,{}", STANDARD.encode(pair.sign(&content)))),
            Key::Public(_) => None,
        });
        Signed { id: id.to_owned(), signature: signatures.collect::<Vec<_>>().join(" "), timestamp }
    }

    /// Proves a message, and gives its id.
    ///
    /// Every signature is compared in constant time with that of every key of its kind.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: OffsetDateTime) -> Result<String, Unproven> {
        let id = once(headers, ID).filter(|id| is_id(id)).ok_or(Unproven::Headers)?;
        let timestamp = once(headers, TIMESTAMP).ok_or(Unproven::Headers)?;
        let signature = once(headers, SIGNATURE).ok_or(Unproven::Headers)?;
        let seconds = seconds(timestamp).ok_or(Unproven::Headers)?;
        if now.unix_timestamp().abs_diff(seconds) > TOLERANCE_SECONDS {
            return Err(Unproven::Time);
        }
        let content = content(id, timestamp, body);
        let mut proven = false;
        for one in signature.split(' ').filter(|one| !one.is_empty()).take(SIGNATURES) {
            let Some((version, encoded)) = one.split_once(',') else { continue };
            let Ok(tag) = STANDARD.decode(encoded) else { continue };
            for key in &self.0 {
                proven |= match (version, key) {
                    ("v1", Key::Secret(key)) => hmac::verify(key, &content, &tag).is_ok(),
                    ("v1a", Key::Public(key)) => UnparsedPublicKey::new(&ED25519, key).verify(&content, &tag).is_ok(),
                    _ => false,
                };
            }
        }
        if proven { Ok(id.to_owned()) } else { Err(Unproven::Signature) }
    }

    /// The public keys of those that sign by Ed25519, as they are given to who proves: `whpk_…`.
    #[must_use]
    pub fn public(&self) -> Vec<String> {
        let public = self.0.iter().filter_map(|key| match key {
            Key::Private(pair) => Some(pair.public_key().as_ref()),
            Key::Public(key) => Some(key.as_slice()),
            Key::Secret(_) => None,
        });
        public.map(|key| format!("whpk_{}", STANDARD.encode(key))).collect()
    }
}

fn key(word: &str, purpose: Use) -> Result<Key, &'static str> {
    let (kind, encoded) = word.split_once('_').unwrap_or_default();
    let bytes = LENIENT.decode(encoded).map_err(|_| "holds a key that is not base64 after its prefix")?;
    match (kind, purpose) {
        ("whsec", _) if SECRET_BYTES.contains(&bytes.len()) => {
            Ok(Key::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
        }
        ("whsec", _) => Err("holds a whsec_ secret that is not 24 to 64 bytes long"),
        ("whsk", Use::Sign) => private(&bytes).map(|pair| Key::Private(Box::new(pair))),
        ("whpk", Use::Verify) if bytes.len() == 32 => Ok(Key::Public(bytes)),
        ("whpk", Use::Verify) => Err("holds a whpk_ key that is not 32 bytes long"),
        ("whpk", Use::Sign) => Err("holds a public key (whpk_), by which nothing can be signed; give whsec_ or whsk_"),
        ("whsk", Use::Verify) => Err("holds a private key (whsk_), which is its owner's alone; give whsec_ or whpk_"),
        _ => Err("holds a key without its prefix; write whsec_ and base64 of 24 to 64 random bytes"),
    }
}

/// 32 bytes of seed, with or without the public key behind it.
fn private(bytes: &[u8]) -> Result<Ed25519KeyPair, &'static str> {
    let pair = match (bytes.get(..32), bytes.get(32..)) {
        (Some(seed), Some([])) => Ed25519KeyPair::from_seed_unchecked(seed),
        (Some(seed), Some(public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
        _ => return Err("holds a whsk_ key that is neither 32 nor 64 bytes long"),
    };
    pair.map_err(|_| "holds a whsk_ key that is no Ed25519 key")
}

/// What is signed.
fn content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

/// The one value of a header; twice is as good as never, for nobody knows which was meant.
fn once<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    all.next().is_none().then(|| first.to_str().ok()).flatten()
}

/// A full stop in it would let its end pass for a timestamp.
fn is_id(id: &str) -> bool {
    (1..=ID_LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

/// Digits alone: no sign, no space.
fn seconds(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
