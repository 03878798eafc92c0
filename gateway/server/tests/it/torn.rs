//! An attempt reads referral, Task and consents one after the other. A cancellation that is committed between any two of these
//! reads is seen: what was cancelled before its first request does not leave.

use crate::support::{Setup, World, bundle};
use async_trait::async_trait;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::outbox::{ClaimRequest, Claimed};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::Notify;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::watched::{Watched, Watcher};
use vcse_gateway::store::{Store, StoreError};

/// Holds up one of the reads after the first claim.
struct Held {
    /// Reads until it; 0 before the claim, and once it was held up.
    left: AtomicU32,
    nth: u32,
    begun: AtomicBool,
    reached: Notify,
    go: Notify,
}

struct Reading(Arc<Held>);

#[async_trait]
impl Watcher for Reading {
    async fn reading(&self, what: &'static str) {
        // What the lane itself asks is not the attempt's.
        if matches!(what, "next_due" | "backlog" | "unanswered" | "unread_reports" | "referrals_to_align") {
            return;
        }
        let left = self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left == Ok(1) {
            self.0.reached.notify_one();
            self.0.go.notified().await;
        }
    }

    async fn claim(&self, store: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let claimed = store.claim(request).await?;
        if !claimed.is_empty() && !self.0.begun.swap(true, Ordering::SeqCst) {
            self.0.left.store(self.0.nth, Ordering::SeqCst);
        }
        Ok(claimed)
    }
}

#[tokio::test]
async fn a_cancellation_between_any_two_reads_of_an_attempt_is_seen() {
    let mut before_it_left = 0;
    for nth in 1..40 {
        let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
        let held = Arc::new(Held {
            left: AtomicU32::new(0),
            nth,
            begun: AtomicBool::new(false),
            reached: Notify::new(),
            go: Notify::new(),
        });
        let store = Watched { inner: Arc::new(MemoryStore::new()), watcher: Reading(Arc::clone(&held)) };
        let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
        let setup = Setup { store: Arc::new(store), bases, lanes: true, poll_seconds: 0, ..Setup::default() };
        let world = World::start(setup).await;
        let sent = world.submit(&bundle(0)).await;
        held.reached.notified().await;
        let left = !food.requests().is_empty();
        assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
        held.go.notify_one();
        world.outbox_idle().await;
        if left {
            break;
        }
        before_it_left += 1;
        assert!(food.requests().is_empty(), "read {nth}: it was cancelled before anything left");
        assert_eq!(world.referral().await.delivery.word(), "withdrawn", "read {nth}");
        world.stop().await;
    }
    assert!(before_it_left >= 6, "an attempt reads more often before its first request: {before_it_left}");
}
