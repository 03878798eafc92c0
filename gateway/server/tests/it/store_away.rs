//! The store takes nothing for a while, in the middle of an attempt: what the platform answered is kept until it does.

use crate::support::{Setup, World, bundle, eventually};
use async_trait::async_trait;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::change::{Change, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::watched::{Watched, Watcher};
use vcse_gateway::store::{CommitError, Store, StoreError};

/// Refuses the end of attempts so many times.
struct Full {
    left: AtomicU32,
}

#[async_trait]
impl Watcher for Full {
    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        let ends = |change: &Change| matches!(change, Change::PutAttempt(attempt) if attempt.finished.is_some());
        if transaction.changes.iter().any(ends)
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        {
            return Err(StoreError::Full.into());
        }
        store.commit(transaction).await
    }
}

#[tokio::test]
async fn an_acknowledgement_that_cannot_be_stored_is_stored_once_there_is_room() {
    let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let store = Watched { inner: Arc::new(MemoryStore::new()), watcher: Full { left: AtomicU32::new(2) } };
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    let world = World::start(Setup { store: Arc::new(store), bases, lanes: true, ..Setup::default() }).await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    let rows = world.store().outbox(&world.referral().await.id).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.attempts).max(), Some(1), "in the attempt that sent it: {rows:?}");
    assert_eq!((food.tasks().len(), food.duplicates().len()), (1, 0));
    world.stop().await;
}

#[tokio::test]
async fn a_gateway_stops_while_the_store_takes_nothing() {
    let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let store = Watched { inner: Arc::new(MemoryStore::new()), watcher: Full { left: AtomicU32::new(u32::MAX) } };
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    let world = World::start(Setup { store: Arc::new(store), bases, lanes: true, ..Setup::default() }).await;
    world.submit(&bundle(0)).await;
    eventually("it is there", || async { (food.tasks().len() == 1).then_some(()) }).await;
    world.stop().await;
}
