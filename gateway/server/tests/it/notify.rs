//! Whoever on the GP's side is to be told is told of every version, in order, whatever fails meanwhile; and nobody waits for
//! somebody else's destination.

use crate::support::{Setup, World, bundle, eventually, settle};
use async_trait::async_trait;
use gateway_core::identity::{ClientId, Compartment};
use gateway_core::notify::{Destination, Fed, Notice, NoticeState, Told, Wanted, What};
use gateway_core::resource::ResourceVersion;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use time::macros::datetime;
use tokio::sync::Semaphore;
use vcse_gateway::clock::{Clock as _, ManualClock};
use vcse_gateway::gateway::Gateway;
use vcse_gateway::notify::Way;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::{Store, StoreError};

/// Tells by writing down; what it answers is scripted.
struct Scripted {
    /// What was told: queue, version.
    told: Mutex<Vec<(String, u64)>>,
    /// What is answered next; sent, once it is used up.
    answers: Mutex<Vec<Told>>,
    /// Clients; the first one's destination lets nobody in while it has no permits.
    clients: Vec<&'static str>,
    gate: Semaphore,
}

impl Scripted {
    fn new(clients: &[&'static str], answers: Vec<Told>, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            told: Mutex::default(),
            answers: Mutex::new(answers),
            clients: clients.to_vec(),
            gate: Semaphore::new(permits),
        })
    }

    fn told(&self) -> Vec<(String, u64)> {
        self.told.lock().unwrap().clone()
    }

    fn versions(&self, client: &str) -> Vec<u64> {
        let queue = format!("/server/{client}/");
        self.told().into_iter().filter(|(name, _)| name.contains(&queue)).map(|(_, version)| version).collect()
    }
}

#[async_trait]
impl Way for Scripted {
    fn is_fed(&self, compartment: &Compartment) -> bool {
        compartment.tenant.0 == "pcn-a"
    }

    fn tells(&self, destination: &Destination) -> bool {
        matches!(destination, Destination::Server { .. })
    }

    async fn follows(&self, _: &Gateway, fed: &Fed, version: &ResourceVersion) -> Result<Vec<Wanted>, StoreError> {
        if version.key.kind != "Task" {
            return Ok(Vec::new());
        }
        let wanted = |client: &&str| Wanted {
            compartment: fed.key.compartment.clone(),
            destination: Destination::Server {
                client: ClientId((*client).to_owned()),
                resource: version.key.reference(),
            },
            what: What::Version { kind: "Task".to_owned(), id: version.key.id.clone(), version: version.version },
            referral: None,
            due: fed.at,
        };
        Ok(self.clients.iter().map(wanted).collect())
    }

    async fn tell(&self, _: &Gateway, notice: &Notice) -> Result<Told, StoreError> {
        let Destination::Server { client, .. } = &notice.destination else { panic!("another destination") };
        if self.clients.first() == Some(&client.0.as_str()) {
            self.gate.acquire().await.unwrap().forget();
        }
        let next = self.answers.lock().unwrap().pop().unwrap_or(Told::Sent);
        if next == Told::Sent {
            let What::Version { version, .. } = &notice.what else { panic!("something else") };
            self.told.lock().unwrap().push((notice.queue(), *version));
        }
        Ok(next)
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)))
}

async fn world(way: &Arc<Scripted>, clock: &Arc<ManualClock>, store: Arc<dyn Store>) -> World {
    let clock = Arc::<ManualClock>::clone(clock);
    World::start(Setup { store, clock, way: Some(Arc::<Scripted>::clone(way)), ..Setup::default() }).await
}

/// Three versions of one Task: held as nothing is delivered here, then moved by its sender.
async fn lives(world: &World) -> String {
    let path = world.submit(&bundle(0)).await.path("Task");
    for status in ["on-hold", "cancelled"] {
        assert!(world.move_task(&path, status).await.status.is_success());
    }
    path
}

#[tokio::test]
async fn every_version_is_told_once_and_in_order() {
    let (way, clock) = (Scripted::new(&["gp"], Vec::new(), 100), clock());
    let world = world(&way, &clock, Arc::new(MemoryStore::new())).await;
    let path = lives(&world).await;
    let history = world.get(crate::support::GP, &format!("{path}/_history")).await.json();
    let versions = history["entry"].as_array().unwrap().len() as u64;
    let told =
        eventually("all told", || async { Some(way.versions("gp")).filter(|told| told.len() as u64 >= versions) });
    assert_eq!(told.await, (1..=versions).collect::<Vec<_>>());
    eventually("nothing left", || async { world.store().next_notice().await.unwrap().is_none().then_some(()) }).await;
    assert_eq!(world.store().feed(9).await.unwrap(), []);
    let referral = world.referral().await;
    let lines: Vec<_> = world.store().verify_audit().await.unwrap();
    assert!(lines.iter().all(|chain| chain.broken.is_none()) && referral.revision > 0);
    world.stop().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_before_anything_later_is_told() {
    let later = Told::Later { failure: "503".to_owned(), retry_after: None };
    let (way, clock) = (Scripted::new(&["gp"], vec![later.clone(), later], 100), clock());
    let world = world(&way, &clock, Arc::new(MemoryStore::new())).await;
    lives(&world).await;
    eventually("it failed", || async { (way.answers.lock().unwrap().len() < 2).then_some(()) }).await;
    settle().await;
    assert!(way.told().is_empty(), "later versions wait behind the one that failed");
    eventually("all told", || async {
        clock.advance(Duration::from_secs(60));
        settle().await;
        (way.versions("gp").len() >= 3).then_some(())
    })
    .await;
    let told = way.versions("gp");
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]) && told[0] == 1, "{told:?}");
    world.stop().await;
}

#[tokio::test]
async fn one_that_does_not_answer_delays_nobody_else() {
    let (way, clock) = (Scripted::new(&["stuck", "gp"], Vec::new(), 0), clock());
    let world = world(&way, &clock, Arc::new(MemoryStore::new())).await;
    for _ in 0..12 {
        world.submit(&bundle(0)).await;
    }
    eventually("all of the other", || async { (way.versions("gp").len() >= 12).then_some(()) }).await;
    assert!(way.versions("stuck").is_empty());
    // It is given up for this time, and told once it answers.
    way.gate.add_permits(1_000);
    eventually("those too", || async {
        clock.advance(Duration::from_secs(60));
        settle().await;
        (way.versions("stuck").len() >= 12).then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_told_is_there_for_a_person_and_the_next_goes_on() {
    let (way, clock) = (Scripted::new(&["gp"], vec![Told::Never("422 from the server".to_owned())], 100), clock());
    let world = world(&way, &clock, Arc::new(MemoryStore::new())).await;
    lives(&world).await;
    eventually("later ones", || async { (way.versions("gp").len() >= 2).then_some(()) }).await;
    assert!(!way.versions("gp").contains(&1));
    let dead = world.store().dead_notices(None, 0, 9).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].1.last_failure.as_deref(), Some("422 from the server"));
    assert_eq!(dead[0].1.state, NoticeState::Dead);
    world.stop().await;
}

#[tokio::test]
async fn what_was_begun_by_a_process_that_died_is_told_by_the_next() {
    let (stuck, clock) = (Scripted::new(&["gp"], Vec::new(), 0), clock());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = world(&stuck, &clock, Arc::clone(&store)).await;
    first.submit(&bundle(0)).await;
    let begun = || async { store.due_notices(clock.now() + Duration::from_secs(3_600), 9).await.unwrap() };
    eventually("it is begun", || async {
        begun().await.iter().any(|one| one.state == NoticeState::Sending).then_some(())
    })
    .await;
    // The process goes away without a word: its parts are dropped where they stand.
    drop(first);
    let way = Scripted::new(&["gp"], Vec::new(), 100);
    let second = world(&way, &clock, Arc::clone(&store)).await;
    settle().await;
    assert!(way.told().is_empty(), "its lease still runs");
    eventually("told by the next", || async {
        clock.advance(Duration::from_secs(30));
        settle().await;
        (!way.told().is_empty()).then_some(())
    })
    .await;
    assert_eq!(way.versions("gp").first(), Some(&1));
    second.stop().await;
}

#[tokio::test]
async fn two_instances_over_one_store_tell_each_version_once() {
    let (way, clock) = (Scripted::new(&["gp"], Vec::new(), 1_000), clock());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let one = world(&way, &clock, Arc::clone(&store)).await;
    let other = world(&way, &clock, Arc::clone(&store)).await;
    for turn in 0..10 {
        let at = if turn % 2 == 0 { &one } else { &other };
        at.submit(&bundle(0)).await;
        one.running.gateway.notice_bell.notify_one();
        other.running.gateway.notice_bell.notify_one();
    }
    eventually("all told", || async {
        (store.feed(9).await.unwrap().is_empty() && store.next_notice().await.unwrap().is_none()).then_some(())
    })
    .await;
    let mut told = way.told();
    let all = told.len();
    told.sort();
    told.dedup();
    assert_eq!((told.len(), all >= 10), (all, true), "none twice");
    one.stop().await;
    other.stop().await;
}
