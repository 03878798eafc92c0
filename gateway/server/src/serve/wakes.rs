//! Rings this instance's bells for what other instances have committed.

use crate::gateway::Gateway;
use crate::store::Wakes;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Rings until it is told to stop.
pub(super) async fn ring(gateway: Arc<Gateway>, mut heard: watch::Receiver<Wakes>, stop: CancellationToken) {
    let mut known = Wakes::default();
    loop {
        let now = *heard.borrow_and_update();
        if now.outbox != known.outbox {
            gateway.outbox_bell.ring_all();
        }
        if now.reports != known.reports {
            gateway.report_bell.notify_one();
        }
        if now.lanes != known.lanes {
            gateway.lane_bell.send_modify(|rings| *rings += 1);
        }
        known = now;
        tokio::select! {
            () = stop.cancelled() => return,
            changed = heard.changed() => {
                if changed.is_err() {
                    // Nobody tells any more; the workers go by their own times.
                    return stop.cancelled().await;
                }
            }
        }
    }
}
