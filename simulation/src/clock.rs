//! The clock of one machine: it drifts, and jumps when somebody sets it. What waits on it waits for a span of its own ticking, as
//! with the machine's real clock: setting the time neither wakes nor delays it.

use crate::world::Life;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use vcse_gateway::clock::Clock;

/// What the world's clock shows at time zero.
pub const START: OffsetDateTime = time::macros::datetime!(2026-06-15 06:00 UTC);

/// One machine's idea of time; it outlives the processes on it.
#[derive(Debug)]
pub struct Machine {
    /// How much too fast it goes, in parts per million.
    pub drift: i32,
    /// How far it was set.
    offset: Mutex<time::Duration>,
}

impl Machine {
    /// A machine whose clock is this far off, and drifts.
    #[must_use]
    pub fn new(offset: time::Duration, drift: i32) -> Arc<Self> {
        Arc::new(Self { drift, offset: Mutex::new(offset) })
    }

    /// Somebody sets the clock.
    pub fn jump(&self, by: time::Duration) {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Somebody sets it right.
    pub fn set_right(&self) {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = time::Duration::ZERO;
    }

    fn offset(&self) -> time::Duration {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A span of the world as this machine counts it.
    fn counted(&self, span: Duration) -> Duration {
        scaled(span, 1_000_000 + i64::from(self.drift), 1_000_000)
    }

    /// A span that this machine counts as the world has it.
    fn real(&self, span: Duration) -> Duration {
        scaled(span, 1_000_000, 1_000_000 + i64::from(self.drift))
    }
}

fn scaled(span: Duration, by: i64, of: i64) -> Duration {
    let nanos = span.as_nanos().saturating_mul(u128::from(by.unsigned_abs())) / u128::from(of.unsigned_abs().max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The clock as one process sees it.
pub struct ProcessClock {
    /// The process.
    pub life: Arc<Life>,
    /// The machine that it runs on.
    pub machine: Arc<Machine>,
}

#[async_trait]
impl Clock for ProcessClock {
    fn now(&self) -> OffsetDateTime {
        let now = START + self.machine.counted(self.life.world().now()) + self.machine.offset();
        now.replace_nanosecond(u32::from(now.millisecond()) * 1_000_000).unwrap_or(now)
    }

    fn elapsed(&self) -> Duration {
        self.machine.counted(self.life.world().now())
    }

    async fn sleep_until(&self, at: OffsetDateTime) {
        if let Ok(span) = Duration::try_from(at - self.now()) {
            // The name tells sleepers apart that went to sleep in the same turn.
            let name = format!("sleeps until {}", at.unix_timestamp_nanos() / 1_000_000);
            self.life.wait(self.machine.real(span), &name).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_jump_moves_the_time_and_not_who_waits() {
        let world = World::new(1, false);
        let machine = Machine::new(time::Duration::seconds(2), 100_000);
        let life = Life::new(&world, "one");
        let clock = Arc::new(ProcessClock { life, machine: Arc::clone(&machine) });
        assert_eq!(clock.now(), START + time::Duration::seconds(2));
        let woken = Arc::new(AtomicBool::new(false));
        let (sleeps, tells) = (Arc::clone(&clock), Arc::clone(&woken));
        tokio::spawn(async move {
            sleeps.sleep_until(START + time::Duration::seconds(13)).await;
            tells.store(true, Ordering::SeqCst);
        });
        world.run_until(Duration::from_secs(5)).await;
        assert_eq!(clock.elapsed(), Duration::from_millis(5_500), "it goes a tenth too fast");
        machine.jump(time::Duration::hours(-3));
        assert!(clock.now() < START);
        world.run_until(Duration::from_secs(9)).await;
        assert!(!woken.load(Ordering::SeqCst));
        world.run_until(Duration::from_secs(11)).await;
        assert!(woken.load(Ordering::SeqCst), "eleven of its seconds are ten of the world's");
    }
}
