//! The one source of chance: ids and jitter.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Mutex, PoisonError};

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

    /// A random UUID (version 4), in lower case with hyphens.
    pub fn id(&self) -> String {
        let bytes: [u8; 16] = self.0.lock().unwrap_or_else(PoisonError::into_inner).random();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}
