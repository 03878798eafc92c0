//! What has changed between an event and its telling: the client's rights, what the person lets be told, and that there is a person.

use super::endpoint::Told;
use super::{Scene, subscription};
use crate::erasure::wish;
use crate::support::{GOVERNANCE, GP, READER, Sent, Setup, World, bundle, eventually, settle};
use gateway_core::follow_up::Cause;
use gateway_core::notify::Destination;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;
use wiremock::MockServer;

/// The gateway is started again with other clients that may subscribe.
async fn again(scene: Scene, store: &Arc<dyn Store>, subscribers: &'static [&'static str]) -> Scene {
    let Scene { world, clock, endpoint } = scene;
    world.stop().await;
    let clock_of = Arc::<ManualClock>::clone(&clock);
    let setup = Setup { store: Arc::clone(store), clock: clock_of, subscribers, ..Setup::default() };
    Scene { world: World::start(setup).await, clock, endpoint }
}

#[tokio::test]
async fn whose_client_lost_its_right_meanwhile_is_told_nothing_of_what_waited() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let scene = Scene::with(Setup { store: Arc::clone(&store), ..Setup::default() }).await;
    let path = scene.active("full-resource", &[]).await;
    scene.endpoint.answer(503);
    scene.refer().await;
    eventually("a failure", || async { (scene.endpoint.failed() >= 1).then_some(()) }).await;
    let scene = again(scene, &store, &[READER]).await;
    scene.endpoint.forget();
    scene.endpoint.answer(200);
    let off = scene.becomes_in_time(&path, "off", Duration::from_secs(60)).await;
    assert!(off["error"].as_str().unwrap().contains("may not subscribe"), "{off}");
    assert!(scene.endpoint.told().is_empty());
    // It gets its right back: what is off stays off, until it asks anew.
    let scene = again(scene, &store, &[GP, READER]).await;
    scene.refer().await;
    scene.clock.advance(Duration::from_secs(3_600));
    settle().await;
    assert!(scene.endpoint.told().is_empty());
    assert_eq!(scene.status(&path).await["status"], "off");
    scene.stop().await;
}

/// The follow-up of a referral of which the practice's server refuses everything.
async fn follow_up(scene: &Scene, sent: &Sent) -> String {
    let path = format!("/fhir/Task?part-of={}", sent.reference("Task"));
    eventually("a follow-up", || async {
        let found = scene.world.get(GP, &path).await.json();
        let id = found["entry"][0]["resource"]["id"].as_str().map(str::to_owned);
        id.map(|id| format!("Task/{id}"))
    })
    .await
}

#[tokio::test]
async fn of_a_follow_up_no_more_is_told_than_consent_lets() {
    let refuses = MockServer::start().await;
    let server = format!("[client.notify.fhir-server]\nbase-url = \"{}\"\n", refuses.uri());
    let notify = [server, String::new()];
    let scene = Scene::with(Setup { lanes: true, notify, ..Setup::default() }).await;
    scene.create(GP, &subscription(&scene.endpoint.url, "full-resource", &[])).await;
    scene.told("handshake", 1).await;
    // Of these the events hold what they are about.
    let about = |of: &str| {
        let told = scene.endpoint.told();
        let all = told.iter().filter(|told| told.kind() == "event-notification").flat_map(|told| {
            let entries = told.bundle["entry"].as_array().unwrap().iter().skip(1);
            entries
                .filter(|entry| entry["fullUrl"].as_str().unwrap().ends_with(of))
                .map(|entry| entry["resource"].clone())
        });
        all.collect::<Vec<_>>()
    };
    let permitted = scene.refer().await;
    let first = follow_up(&scene, &permitted).await;
    eventually("it is told whole", || async {
        let all = about(&first);
        all.iter().any(|one| one["code"]["coding"][0]["code"] == Cause::NotNotified.code()).then_some(())
    })
    .await;
    // The endpoint is away while there is a follow-up of another referral, whose Consent is withdrawn.
    scene.endpoint.answer(503);
    let denied = scene.world.submit(&bundle(1)).await;
    let second = follow_up(&scene, &denied).await;
    let withdrawn = scene.world.change(&denied.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
    scene.endpoint.forget();
    scene.endpoint.answer(200);
    eventually("that there is one is told", || async {
        scene.clock.advance(Duration::from_secs(2));
        settle().await;
        (!about(&second).is_empty()).then_some(())
    })
    .await;
    for one in [&second, &denied.reference("Task")] {
        assert!(about(one).iter().all(serde_json::Value::is_null), "{one}: {:?}", about(one));
    }
    scene.stop().await;
}

#[tokio::test]
async fn what_is_over_goes_with_the_person_and_the_numbers_of_events_go_on() {
    let server = "[client.notify.fhir-server]\nbase-url = \"http://127.0.0.1:9/fhir\"\n".to_owned();
    let scene = Scene::with(Setup { notify: [server, String::new()], ..Setup::default() }).await;
    let path = scene.active("id-only", &[]).await;
    let sent = scene.refer().await;
    assert_eq!(scene.world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    let store = scene.world.store();
    let seen = || scene.endpoint.told().iter().flat_map(Told::numbers).collect::<Vec<_>>();
    eventually("all events", || async {
        let fed = store.feed(1).await.unwrap().is_empty();
        (fed && seen().len() as u64 == scene.events_of(&path, "").await.since_start()).then_some(())
    })
    .await;
    let number = seen().len() as u64;
    let referral = scene.world.referral().await;
    let notices = || async { store.notices_of(&referral.id).await.unwrap() };
    let to_server = |all: &[gateway_core::notify::Notice]| {
        all.iter().filter(|one| matches!(one.destination, Destination::Server { .. })).count()
    };
    assert!(to_server(&notices().await) >= 2);
    let path_of = format!("{}/$erase", sent.path("Patient"));
    let erased = scene.world.post(GOVERNANCE, &path_of, wish("request", &[])).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    eventually("all have ended", || async {
        scene.clock.advance(Duration::from_secs(3_600));
        settle().await;
        notices().await.iter().all(|one| !one.state.is_open()).then_some(())
    })
    .await;
    // Not before its time.
    scene.clock.advance(Duration::from_secs(80 * 24 * 3_600));
    settle().await;
    assert!(to_server(&notices().await) >= 2);
    let left = eventually("what is over", || async {
        scene.clock.advance(Duration::from_secs(24 * 3_600));
        settle().await;
        Some(notices().await).filter(|left| left.len() == 1)
    })
    .await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    assert_eq!((&left[0].destination, left[0].sequence), (&Destination::Subscription { id }, number));
    scene.world.submit(&bundle(1)).await;
    eventually("the next event", || async { (seen().last() == Some(&(number + 1))).then_some(()) }).await;
    scene.stop().await;
}
