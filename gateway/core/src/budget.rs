//! The retry budget of a platform: how much of what it is asked may be a repetition.
//!
//! A platform that fails a share of its requests would otherwise be given as many more, at the time when it can bear them least.
//! Each first try earns a part of a retry; a retry costs one, and has it back if it is answered well. So what is repeated in
//! vain is at most a fifth of what is tried first, and what a floor gives where there is little traffic; and after an outage, when
//! retries succeed, nothing holds them up.
//!
//! A function of what happened and of time.

use std::time::Duration;

/// How much may be repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Retries that each first try earns.
    pub share: f64,
    /// Retries that each minute earns, whatever is tried.
    pub floor_per_minute: f64,
    /// No more are saved up.
    pub most: f64,
}

impl Default for Settings {
    /// A fifth (1.2 requests for each first try); ten a minute; no more than fifty saved.
    fn default() -> Self {
        Self { share: 0.2, floor_per_minute: 10.0, most: 50.0 }
    }
}

/// What is left of it. Begins full: a start is no failure.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    settings: Settings,
    left: f64,
    /// Elapsed time up to which the floor was paid.
    paid: Duration,
}

impl Budget {
    /// A full one.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, left: settings.most, paid: Duration::ZERO }
    }

    /// Something is tried for the first time.
    pub fn first(&mut self) {
        self.earn(self.settings.share);
    }

    /// A retry was answered well, or did not leave.
    pub fn well(&mut self) {
        self.earn(1.0);
    }

    /// Takes one retry; `elapsed` is a time that never goes back.
    ///
    /// # Errors
    /// After which time the floor will have earned one.
    pub fn take(&mut self, elapsed: Duration) -> Result<(), Duration> {
        let minutes = elapsed.saturating_sub(self.paid).as_secs_f64() / 60.0;
        self.paid = self.paid.max(elapsed);
        self.earn(minutes * self.settings.floor_per_minute);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        let missing = (1.0 - self.left) / self.settings.floor_per_minute * 60.0;
        Err(Duration::try_from_secs_f64(missing).unwrap_or(Duration::MAX))
    }

    fn earn(&mut self, retries: f64) {
        self.left = (self.left + retries).min(self.settings.most);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Settings};
    use std::time::Duration;

    fn emptied() -> Budget {
        let mut budget = Budget::new(Settings::default());
        while budget.take(Duration::ZERO).is_ok() {}
        budget
    }

    #[test]
    fn what_is_repeated_in_vain_is_a_fifth_of_what_is_tried_first() {
        let mut budget = emptied();
        let mut again = 0;
        for _ in 0..1_000 {
            budget.first();
            again += u32::from(budget.take(Duration::ZERO).is_ok());
        }
        assert!((199..=200).contains(&again), "{again}");
    }

    #[test]
    fn where_there_is_little_traffic_a_floor_lets_retries_through() {
        let mut budget = emptied();
        let wait = budget.take(Duration::ZERO).expect_err("it is empty");
        assert!((5.9..=6.1).contains(&wait.as_secs_f64()), "ten a minute: {wait:?}");
        assert!(budget.take(wait / 2).is_err());
        assert!(budget.take(wait + Duration::from_millis(1)).is_ok());
        assert!(budget.take(wait + Duration::from_millis(2)).is_err());
        let hour = (0..3_600).filter(|second| budget.take(wait + Duration::from_secs(*second)).is_ok()).count();
        assert!((598..=600).contains(&hour), "{hour}");
    }

    #[test]
    fn retries_that_succeed_hold_up_nobody() {
        let mut budget = emptied();
        let moment = Duration::from_secs(7);
        for _ in 0..10_000 {
            assert!(budget.take(moment).is_ok(), "its platform is back");
            budget.well();
        }
    }

    #[test]
    fn no_more_is_saved_than_a_burst() {
        let mut budget = emptied();
        (0..100_000).for_each(|_| budget.first());
        assert_eq!((0..1_000).filter(|_| budget.take(Duration::ZERO).is_ok()).count(), 50);
    }
}
