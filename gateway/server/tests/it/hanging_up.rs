//! A sender hangs up in the middle of its request: what is stored all the same is delivered at once, and a repetition is known.

use crate::support::{FHIR_JSON, GP, Setup, World, bundle, eventually, settle};
use async_trait::async_trait;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::change::{Change, Transaction};
use std::sync::Arc;
use time::macros::datetime;
use tokio::sync::Semaphore;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::watched::{Watched, Watcher};
use vcse_gateway::store::{CommitError, Store};

/// Holds up the commit of an arrival until it is let go.
struct Held {
    begun: Semaphore,
    go: Semaphore,
}

/// Stands before the store.
struct Door(Arc<Held>);

#[async_trait]
impl Watcher for Door {
    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        if transaction.changes.iter().any(|change| matches!(change, Change::Received(_))) {
            self.0.begun.add_permits(1);
            self.0.go.acquire().await.unwrap().forget();
        }
        store.commit(transaction).await
    }
}

#[tokio::test]
async fn what_was_being_stored_is_stored_and_delivered() {
    let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let held = Arc::new(Held { begun: Semaphore::new(0), go: Semaphore::new(0) });
    let store = Watched { inner: Arc::new(MemoryStore::new()), watcher: Door(Arc::clone(&held)) };
    // A clock that stands still: nobody delivers because the time to look has come.
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    let setup = Setup { store: Arc::new(store), bases, lanes: true, clock, poll_seconds: 0, ..Setup::default() };
    let world = World::start(setup).await;
    // The lane has looked, found nothing, and waits.
    settle().await;
    let request = || {
        let post = world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON);
        post.header("x-request-id", "once").body(bundle(0).to_string())
    };
    let sending = tokio::spawn(request().send());
    held.begun.acquire().await.unwrap().forget();
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    settle().await;
    assert!(world.referrals().await.is_empty(), "nothing is stored yet");
    held.go.add_permits(1);
    eventually("the referral is delivered", || async { (food.tasks().len() == 1).then_some(()) }).await;

    // The sender got no answer and sends again.
    held.go.add_permits(1);
    let again = world.send(request()).await;
    assert_eq!(again.status, 201, "{}", again.text);
    settle().await;
    assert_eq!((world.referrals().await.len(), food.tasks().len()), (1, 1));
    world.stop().await;
}
