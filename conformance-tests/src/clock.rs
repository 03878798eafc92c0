//! The simulated clock and the seeded chance of every double.
//!
//! It knows nothing of the machine's clock: a double that read it would behave differently on each run. Time moves
//! only when somebody moves it, and one millisecond at each reading that must be told apart from the one before.

use rand::SeedableRng;
use rand::rngs::StdRng;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct SimClock {
    now: OffsetDateTime,
}

impl SimClock {
    /// A clock that shows `start`.
    pub fn starting(start: OffsetDateTime) -> Self {
        Self { now: start }
    }

    /// What it shows.
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// Moves it forward by `step`; a clock of a double never goes back.
    pub fn advance(&mut self, step: Duration) {
        self.now += step.max(Duration::ZERO);
    }

    /// The next instant, different from every one given before: versions of a resource need an order.
    pub fn stamp(&mut self) -> OffsetDateTime {
        self.now += Duration::milliseconds(1);
        self.now
    }
}

/// The seeded chance for item `n` of a run, independent of every other item: asking for referral 7 alone gives the
/// same referral as asking for all of them.
pub(crate) fn chance(seed: u64, n: u64) -> StdRng {
    // SplitMix64, so that neighbouring seeds and numbers do not give neighbouring states.
    let mut mixed = seed ^ n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    StdRng::seed_from_u64(mixed ^ (mixed >> 31))
}

/// A stable number for a text, to give each Task its own chance. FNV-1a: the standard hasher promises no stability.
pub(crate) fn number_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A version 4 UUID from seeded chance.
pub(crate) fn seeded_uuid(rng: &mut StdRng) -> Uuid {
    uuid::Builder::from_random_bytes(rand::Rng::random(rng)).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_clock_moves_only_forward() {
        let mut clock = SimClock::starting(datetime!(2026-03-02 09:00 UTC));
        clock.advance(Duration::hours(-1));
        assert_eq!(clock.now(), datetime!(2026-03-02 09:00 UTC));
        assert!(clock.stamp() < clock.stamp());
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed_and_number_only() {
        let draw = |seed, n| seeded_uuid(&mut chance(seed, n));
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(7, 3), draw(8, 3));
    }
}
