//! A sender that moves a held Task on again asks anew: consent decides at that moment, whatever it was held for.

use crate::losses::{Scene, script};
use crate::support::{Besides, GP, Sent, Setup, World, bundle, inside, referral_to, settle};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

const DAY: Duration = Duration::from_secs(86_400);

fn reason(task: &Value) -> &str {
    task["statusReason"]["text"].as_str().unwrap_or_default()
}

async fn consent(world: &World, sent: &Sent, change: impl FnOnce(&mut Value)) {
    let answer = world.change(&sent.path("Consent"), change).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// A referral that could not be delivered within its window, by a Consent that ends some days later.
async fn dead_letter() -> (Scene, Sent, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
    let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() };
    let scene = Scene::start(&script(&[]), "", setup).await;
    scene.platform.away(Some("one"));
    let mut referral = bundle(0);
    inside(&mut referral, "Consent")["provision"]["period"] = json!({"end": "2026-06-20"});
    let sent = scene.world.submit(&referral).await;
    settle().await;
    clock.advance(3 * DAY + Duration::from_secs(3_600));
    scene.world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    scene.platform.away(None);
    (scene, sent, clock)
}

#[tokio::test]
async fn a_dead_letter_is_not_sent_after_its_consent_has_run_out() {
    for ran_out in [false, true] {
        let (scene, sent, clock) = dead_letter().await;
        let path = sent.path("Task");
        if ran_out {
            clock.advance(5 * DAY);
        }
        assert_eq!(scene.world.move_task(&path, "requested").await.status, 200);
        if ran_out {
            let task = scene.world.task_becomes(&path, "on-hold").await;
            assert!(reason(&task).contains("period of the Consent is over"), "{task}");
            assert!(reason(&task).contains(&sent.reference("Consent")), "{task}");
        } else {
            scene.world.delivered(&path).await;
        }
        settle().await;
        assert_eq!(scene.platform.paths().is_empty(), ran_out);
        scene.world.stop().await;
    }
}

#[tokio::test]
async fn a_dead_letter_whose_consent_is_withdrawn_ends_with_it_and_cannot_be_released() {
    let (scene, sent, _clock) = dead_letter().await;
    consent(&scene.world, &sent, |consent| consent["status"] = json!("inactive")).await;
    // The last request may have arrived: the platform is asked, and has nothing.
    let path = sent.path("Task");
    scene.world.delivery_becomes(&path, "withdrawn").await;
    let task = scene.world.task(&path).await;
    assert_eq!(task["status"], "cancelled");
    assert!(reason(&task).contains("withdrawn") && reason(&task).contains(&sent.reference("Consent")), "{task}");
    assert_eq!(scene.world.move_task(&path, "requested").await.status, 422);
    settle().await;
    assert!(scene.platform.paths().iter().all(|path| path != "one"), "{:?}", scene.platform.paths());
    scene.world.stop().await;
}

#[tokio::test]
async fn what_is_held_for_want_of_consent_goes_once_there_is_one_and_not_before() {
    let scene = Scene::start(&script(&[]), "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&referral_to("VCSE1", Expectation::ConsentDenied, 0).bundle).await;
    let path = sent.path("Task");
    let first = reason(sent.resource("Task")).to_owned();
    let again = world.move_task(&path, "requested").await.json();
    assert_eq!((again["status"].as_str(), reason(&again)), (Some("on-hold"), first.as_str()), "{again}");
    consent(world, &sent, |consent| {
        consent["provision"]["type"] = json!("permit");
        consent["provision"]["actor"][0]["reference"] = json!({"type": "Organization", "identifier": {
            "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "VCSE1"}});
    })
    .await;
    settle().await;
    assert_eq!(scene.platform.paths(), [""; 0], "a Consent lets nothing go by itself");
    let moved = world.move_task(&path, "requested").await;
    assert_eq!(moved.json()["status"], "requested", "{}", moved.text);
    world.delivered(&path).await;
    assert_eq!(scene.platform.paths(), ["one"]);
    scene.world.stop().await;
}

#[tokio::test]
async fn a_refusal_that_came_meanwhile_is_named_when_a_held_referral_is_released() {
    let scene = Scene::start(&script(&[]), "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&referral_to("VCSE1", Expectation::NoConsent, 0).bundle).await;
    let path = sent.path("Task");
    assert!(!reason(sent.resource("Task")).contains("Consent/"), "{}", sent.response);
    let other = world.submit(&bundle(0)).await;
    let mut refusal = other.resource("Consent").clone();
    refusal.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "id" | "meta" | "identifier"));
    refusal["patient"] = json!({"reference": sent.reference("Patient")});
    refusal["performer"] = json!([{"reference": sent.reference("Patient")}]);
    refusal["provision"]["type"] = json!("deny");
    let answer = world.post(GP, "/fhir/Consent", refusal.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let refused = format!("Consent/{}", answer.json()["id"].as_str().unwrap());
    let again = world.move_task(&path, "requested").await.json();
    assert_eq!(again["status"], "on-hold", "{again}");
    assert!(reason(&again).contains(&refused), "{again}");
    scene.world.stop().await;
}

/// A gateway with a route to `VCSE9`, or without.
async fn routed(store: &Arc<dyn Store>, platform: Option<&FhirPlatform>) -> World {
    let besides = platform.map(|platform| Besides {
        ods: "VCSE9",
        adapter: "fhir-task",
        base: platform.base_url(),
        scheme: "Bearer",
        token: PlatformConfig::default().token,
        settings: "requester-ods = \"X26\", requester-name = \"Test PCN gateway\"",
    });
    let store = Arc::clone(store);
    World::start(Setup { store, besides, lanes: true, notes_to: &[("pcn-a", "besides")], ..Setup::default() }).await
}

#[tokio::test]
async fn what_waits_for_a_route_is_decided_when_there_is_one() {
    for withdrawn in [false, true] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let world = World::start(Setup { store: Arc::clone(&store), ..Setup::default() }).await;
        let sent = world.submit(&referral_to("VCSE9", Expectation::Delivered, 0).bundle).await;
        let path = sent.path("Task");
        assert!(reason(sent.resource("Task")).contains("no single recipient"), "{}", sent.response);
        if withdrawn {
            consent(&world, &sent, |consent| consent["status"] = json!("inactive")).await;
        }
        assert_eq!(world.task(&path).await["status"], "on-hold", "it goes on waiting");
        world.stop().await;
        let platform = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
        let routed = routed(&store, Some(&platform)).await;
        let moved = routed.move_task(&path, "requested").await.json();
        if withdrawn {
            assert_eq!(moved["status"], "on-hold", "{moved}");
            assert!(reason(&moved).contains(&sent.reference("Consent")), "{moved}");
            settle().await;
            assert!(platform.requests().iter().all(|request| request.body.is_empty()), "nothing leaves");
        } else {
            assert_eq!(moved["status"], "requested", "{moved}");
            routed.delivered(&path).await;
        }
        routed.stop().await;
    }
}
