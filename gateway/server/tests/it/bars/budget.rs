//! A message has five seconds; then its sender is told to send it again, and may.

use super::{is, message, post, told};
use crate::support::{Setup, World};
use async_trait::async_trait;
use gateway_core::change::{Change, Transaction};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use tokio::sync::Semaphore;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::watched::{Watched, Watcher};
use vcse_gateway::store::{CommitError, Store};

/// Holds up the commit of what arrives until it is let go.
struct Door {
    begun: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

#[async_trait]
impl Watcher for Door {
    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        if transaction.changes.iter().any(|change| matches!(change, Change::Received(_))) {
            self.begun.add_permits(1);
            self.go.acquire().await.unwrap().forget();
        }
        store.commit(transaction).await
    }
}

#[tokio::test]
async fn a_message_that_takes_longer_is_given_up_and_can_be_sent_again() {
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let door = Door { begun: Arc::clone(&begun), go: Arc::clone(&go) };
    let store = Watched { inner: Arc::new(MemoryStore::new()), watcher: door };
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
    let world = World::start(Setup { store: Arc::new(store), clock: clock.clone(), ..Setup::default() }).await;
    let sent = message(0);
    let five_seconds_later = async {
        begun.acquire().await.unwrap().forget();
        clock.advance(Duration::from_secs(5));
    };
    let (answer, ()) = tokio::join!(world.send(post(&world, 1, &sent)), five_seconds_later);
    assert_eq!(told("late", &answer), is(408, "timeout", "REC_TIMEOUT"));
    assert!(world.referrals().await.is_empty());
    go.add_permits(1);
    let again = world.send(post(&world, 1, &sent)).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(world.referrals().await.len(), 1);
}
