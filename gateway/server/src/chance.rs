//! The one source of chance: ids and jitter.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest as _, Sha256};
use std::sync::{Mutex, PoisonError};
use time::OffsetDateTime;

/// SHA-256 of what [`Chance::link_secret`] gave, in lower-case hex: what is kept of it.
#[must_use]
pub fn sha256(secret: &[u8]) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ids and jitter; seeded in tests, from the operating system otherwise.
#[derive(Debug)]
pub struct Chance(Mutex<StdRng>);

impl Chance {
    /// From the operating system's randomness.
    #[must_use]
    pub fn from_system() -> Self {
        Self(Mutex::new(StdRng::from_os_rng()))
    }

    /// Repeatable.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A number in `[0, 1)`.
    pub fn unit(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    /// What nobody can guess: 256 random bits, in hexadecimal.
    pub fn secret(&self) -> String {
        let bytes: [u8; 32] = self.0.lock().unwrap_or_else(PoisonError::into_inner).random();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same for an address that people are sent: in base64url, 43 characters.
    pub fn link_secret(&self) -> String {
        let bytes: [u8; 32] = self.0.lock().unwrap_or_else(PoisonError::into_inner).random();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A UUID (version 7), in lower case with hyphens: the time to the millisecond, then 74 random bits. Names that are given
    /// together stand together in every index, so that few pages of the store are touched for them.
    pub fn id(&self, now: OffsetDateTime) -> String {
        let bytes: [u8; 10] = self.0.lock().unwrap_or_else(PoisonError::into_inner).random();
        let millis = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string()
    }
}
