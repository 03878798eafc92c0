//! The one clock. Everything that needs the time or has to wait asks it; tests put their own in its place.

use async_trait::async_trait;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::watch;

/// Tells the time and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, UTC, cut to the millisecond: the resolution of FHIR instants that the gateway makes.
    fn now(&self) -> OffsetDateTime;

    /// Time since some fixed moment. It never goes back, whatever is done to the machine's time.
    fn elapsed(&self) -> Duration;

    /// Waits until the clock shows this time.
    async fn sleep_until(&self, at: OffsetDateTime);
}

/// Waits for a span on a clock.
pub async fn sleep(clock: &dyn Clock, span: Duration) {
    clock.sleep_until(clock.now() + span).await;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

/// The fixed moment from which [`SystemClock`] counts.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now(&self) -> OffsetDateTime {
        to_millisecond(OffsetDateTime::now_utc())
    }

    fn elapsed(&self) -> Duration {
        ORIGIN.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that waits")]
    async fn sleep_until(&self, at: OffsetDateTime) {
        let span = at - self.now();
        if let Ok(span) = Duration::try_from(span) {
            tokio::time::sleep(span).await;
        }
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<OffsetDateTime>,
    elapsed: Mutex<Duration>,
    moved: watch::Sender<u64>,
}

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: OffsetDateTime) -> Self {
        Self { now: Mutex::new(to_millisecond(now)), elapsed: Mutex::default(), moved: watch::Sender::new(0) }
    }

    /// Moves the clock on and wakes who waits.
    pub fn advance(&self, span: Duration) {
        if let Ok(mut now) = self.now.lock() {
            *now += span;
        }
        if let Ok(mut elapsed) = self.elapsed.lock() {
            *elapsed += span;
        }
        self.moved.send_modify(|moves| *moves += 1);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> OffsetDateTime {
        self.now.lock().map_or(OffsetDateTime::UNIX_EPOCH, |now| *now)
    }

    fn elapsed(&self) -> Duration {
        self.elapsed.lock().map_or(Duration::ZERO, |elapsed| *elapsed)
    }

    async fn sleep_until(&self, at: OffsetDateTime) {
        let mut moved = self.moved.subscribe();
        while self.now() < at {
            if moved.changed().await.is_err() {
                return;
            }
        }
    }
}

fn to_millisecond(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(u32::from(at.millisecond()) * 1_000_000).unwrap_or(at)
}
