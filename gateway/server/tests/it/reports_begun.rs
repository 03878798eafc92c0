//! Which readings of reports are counted, and what waits for them.

use crate::support::{REPORT_TOKEN, Setup, World, bundle, eventually};
use adapter_contract::ReportSource;
use async_trait::async_trait;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::change::{Change, POISON_READINGS, RawReport, Transaction};
use gateway_core::identity::PlatformId;
use gateway_core::outbox::{ClaimRequest, Claimed};
use std::sync::{Arc, Mutex};
use time::macros::datetime;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::watched::{Watched, Watcher};
use vcse_gateway::store::{CommitError, Store, StoreError};

/// Notes in which order reports are read and rows are claimed. A number of times the store fails where a report was read.
#[derive(Default)]
struct Order {
    seen: Mutex<Vec<String>>,
    fails: Mutex<u32>,
}

impl Order {
    fn note(&self, what: String) {
        self.seen.lock().unwrap().push(what);
    }
}

struct Noting(Arc<Order>);

#[async_trait]
impl Watcher for Noting {
    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        for change in &transaction.changes {
            match change {
                Change::ReadingBegun { id, begun } => self.0.note(format!("begun {id} {begun}")),
                Change::ReportRead { id, fault, .. } => {
                    let mut fails = self.0.fails.lock().unwrap();
                    if *fails > 0 {
                        *fails -= 1;
                        return Err(StoreError::Full.into());
                    }
                    let aside = fault.as_deref().is_some_and(|fault| fault.contains("not read again"));
                    self.0.note(format!("{} {id}", if aside { "aside" } else { "read" }));
                }
                _ => {}
            }
        }
        store.commit(transaction).await
    }

    async fn claim(&self, store: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.0.note("claim".to_owned());
        store.claim(request).await
    }
}

fn found(id: &str, begun: u32) -> Change {
    Change::ReceiveReport(RawReport {
        id: id.to_owned(),
        platform: PlatformId("food".to_owned()),
        source: ReportSource::Webhook,
        content_type: Some("application/fhir+json".to_owned()),
        received: datetime!(2026-06-15 12:00 UTC),
        body: b"{}".to_vec(),
        begun,
    })
}

async fn world(changes: Vec<Change>, order: &Arc<Order>, food: &FhirPlatform) -> World {
    let inner = MemoryStore::new();
    inner.commit(Transaction { checks: Vec::new(), changes }).await.unwrap();
    let store = Watched { inner: Arc::new(inner), watcher: Noting(Arc::clone(order)) };
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    World::start(Setup { store: Arc::new(store), bases, lanes: true, ..Setup::default() }).await
}

async fn all_read(world: &World) {
    let read = || async { world.store().unread_reports(1).await.unwrap().is_empty().then_some(()) };
    eventually("all reports read", read).await;
}

#[tokio::test]
async fn what_was_found_is_counted_and_read_before_anything_is_delivered() {
    let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let order = Arc::<Order>::default();
    let changes = vec![found("a", 0), found("b", POISON_READINGS - 1), found("c", POISON_READINGS)];
    let world = world(changes, &order, &food).await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    all_read(&world).await;
    // What comes while the process runs is not counted.
    let post = world.request(REPORT_TOKEN, "POST", "/platforms/food/reports");
    let answer = world.send(post.header("content-type", "application/fhir+json").body("{}")).await;
    assert_eq!(answer.status, 202);
    all_read(&world).await;
    let seen = order.seen.lock().unwrap().clone();
    assert_eq!(seen[..6], ["begun a 1", "read a", "begun b 5", "read b", "aside c", "claim"], "{seen:?}");
    assert_eq!(seen.iter().filter(|what| what.starts_with("begun")).count(), 2, "{seen:?}");
    assert_eq!(seen.iter().filter(|what| what.starts_with("read")).count(), 3, "{seen:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_fails_is_no_death() {
    let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let order = Arc::<Order>::default();
    *order.fails.lock().unwrap() = 3;
    let world = world(vec![found("a", POISON_READINGS - 1)], &order, &food).await;
    let read = || async {
        world.running.gateway.report_bell.notify_one();
        world.store().unread_reports(1).await.unwrap().is_empty().then_some(())
    };
    eventually("that it is read", read).await;
    let seen = order.seen.lock().unwrap().clone();
    assert_eq!(seen.iter().filter(|what| what.starts_with("begun")).count(), 1, "once in a process: {seen:?}");
    assert!(seen.contains(&"read a".to_owned()), "{seen:?}");
    world.stop().await;
}
