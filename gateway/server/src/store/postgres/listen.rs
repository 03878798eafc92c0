//! Hears what other instances have committed. A connection that breaks is made again, and then everything counts as heard:
//! nobody knows what was said meanwhile. Until then the workers look at their own times, as they do without any wake-up.

use super::writer::{CHANNEL, LANES, OUTBOX, REPORTS};
use crate::clock::{self, SystemClock};
use crate::store::Wakes;
use sqlx::postgres::{PgListener, PgPool};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Time between two tries to connect.
const AGAIN: Duration = Duration::from_secs(1);

/// Listens until it is ended. `own` is the server's process of this instance's writer.
pub(super) async fn listen(pool: PgPool, tell: watch::Sender<Wakes>, own: Arc<AtomicI64>) {
    loop {
        let Err(error) = hear(&pool, &tell, &own).await;
        if pool.is_closed() {
            return;
        }
        tracing::warn!(cause = ?super::fault::Fault::from(error), "other instances are not heard; work is found by time");
        // Waits for a server, not for anything that the gateway decides by: no injected clock reaches down here.
        clock::sleep(&SystemClock, AGAIN).await;
    }
}

async fn hear(pool: &PgPool, tell: &watch::Sender<Wakes>, own: &AtomicI64) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    everything(tell);
    loop {
        match listener.try_recv().await? {
            // Whoever commits here rings its own bells.
            Some(said) if i64::from(said.process_id()) == own.load(Ordering::Relaxed) => {}
            Some(said) => tell.send_modify(|wakes| match said.payload() {
                OUTBOX => wakes.outbox += 1,
                REPORTS => wakes.reports += 1,
                LANES => wakes.lanes += 1,
                // A newer version may say more.
                _ => {}
            }),
            // The connection broke and was made again.
            None => everything(tell),
        }
    }
}

fn everything(tell: &watch::Sender<Wakes>) {
    tell.send_modify(|wakes| {
        wakes.outbox += 1;
        wakes.reports += 1;
        wakes.lanes += 1;
    });
}
