//! Consent is decided again wherever something could leave or be shown, at the latest time ever seen, and what cannot be
//! decided is denied where a person sees it.

use crate::losses::{Scene, script};
use crate::preview::{parts, previewed, values};
use crate::support::{GP, Sent, Setup, World, bundle, eventually, inside, referral_to, settle};
use conformance_tests::generator::Expectation;
use gateway_core::change::{Change, Transaction};
use gateway_core::referral::ReferralId;
use gateway_core::resource::{ResourceKey, ResourceVersion};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

/// A version of a stored Consent whose body is none: a store that was damaged.
async fn tear(world: &World, sent: &Sent) {
    let consent = stored_consent(world, sent).await;
    let torn = ResourceVersion { version: consent.version + 1, body: "{".to_owned(), ..consent };
    put(world, vec![torn]).await;
}

async fn stored_consent(world: &World, sent: &Sent) -> ResourceVersion {
    let compartment = world.referrals().await.remove(0).compartment;
    let id = sent.resource("Consent")["id"].as_str().unwrap().to_owned();
    let key = ResourceKey { compartment, kind: "Consent".to_owned(), id };
    world.store().resource(&key, None).await.unwrap().unwrap()
}

async fn put(world: &World, versions: Vec<ResourceVersion>) {
    let changes = versions.into_iter().map(Change::PutResource).collect();
    world.store().commit(Transaction { checks: Vec::new(), changes }).await.unwrap();
}

/// More Consents of the same person than are looked at.
async fn crowd(world: &World, sent: &Sent) {
    let one = stored_consent(world, sent).await;
    let more = (0..1_000).map(|place| {
        let key = ResourceKey { id: format!("more-{place}"), ..one.key.clone() };
        ResourceVersion { key, version: 1, ..one.clone() }
    });
    put(world, more.collect()).await;
}

async fn withdraw(world: &World, sent: &Sent) {
    let answer = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn reason(task: &Value) -> &str {
    task["statusReason"]["text"].as_str().unwrap_or_default()
}

/// Details of the consent decisions of a stage.
async fn decisions(world: &World, referral: &ReferralId, stage: &str) -> Vec<Value> {
    let lines = world.store().audit(referral).await.unwrap();
    let details = lines.into_iter().map(|line| match line.action.as_str() {
        "consent-decision" => line.detail,
        _ => line.detail["consent"].clone(),
    });
    details.filter(|detail| detail["stage"] == stage).collect()
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_a_deny_that_a_person_sees_at_each_stage() {
    for crowded in [false, true] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let quiet = World::start(Setup { store: Arc::clone(&store), ..Setup::default() }).await;
        let sent = quiet.submit(&bundle(0)).await;
        assert_eq!(sent.resource("Task")["status"], "requested");
        if crowded {
            crowd(&quiet, &sent).await;
        } else {
            tear(&quiet, &sent).await;
        }
        // Beforehand and when it comes in.
        let told = previewed(&quiet, &bundle(0)).await;
        assert_eq!((values(&told, "outcome"), values(&told, "verdict")), (vec!["held".into()], vec!["deny".into()]));
        assert!(values(&told, "reason").contains(&"indeterminate".to_owned()), "{told}");
        let again = quiet.submit(&bundle(0)).await;
        let task = again.resource("Task");
        assert_eq!((task["status"].as_str(), reason(task).contains("could not be read")), (Some("on-hold"), true));
        quiet.stop().await;
        // Before the attempt.
        let scene = Scene::start(&script(&[]), "", Setup { store: Arc::clone(&store), ..Setup::default() }).await;
        let task = scene.world.task_becomes(&sent.path("Task"), "on-hold").await;
        assert!(reason(&task).contains("could not be read"), "{task}");
        settle().await;
        assert_eq!(scene.platform.sent(), []);
        scene.world.stop().await;
    }
}

#[tokio::test]
async fn one_too_many_is_no_reason_to_refuse_a_withdrawal() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    crowd(&world, &sent).await;
    withdraw(&world, &sent).await;
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawal_travels_also_where_another_consent_cannot_be_read() {
    for torn in [false, true] {
        let world = World::quiet().await;
        let sent = world.submit(&bundle(0)).await;
        let other = world.submit(&bundle(0)).await;
        // Each brought a Consent that covers both.
        for one in [&sent, &other].into_iter().take(if torn { 1 } else { 2 }) {
            withdraw(&world, one).await;
        }
        if torn {
            tear(&world, &other).await;
            let mut refusal = sent.resource("Consent").clone();
            refusal.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "id" | "meta" | "identifier"));
            refusal["provision"]["type"] = json!("deny");
            let answer = world.post(GP, "/fhir/Consent", refusal.to_string()).await;
            assert_eq!(answer.status, 201, "{}", answer.text);
        }
        for one in [&sent, &other] {
            let task = world.task(&one.path("Task")).await;
            assert_eq!(task["status"], "cancelled", "{torn}: {task}");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn what_may_not_be_shown_is_said_on_the_task_and_read_no_further() {
    for torn in [false, true] {
        let clock = Arc::new(ManualClock::at(datetime!(2026-06-19 12:00 UTC)));
        let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() };
        let scene = Scene::start(&script(&[]), "", setup).await;
        let world = &scene.world;
        let mut ends = bundle(0);
        inside(&mut ends, "Consent")["provision"]["period"] = json!({"end": "2026-06-20"});
        let sent = world.submit(&ends).await;
        world.delivered(&sent.path("Task")).await;
        let words = if torn {
            tear(world, &sent).await;
            "could not be read"
        } else {
            // Nobody withdrew it: it has run out, and the platform keeps what it was given.
            "period of the Consent is over"
        };
        scene.platform.changed.store(true, std::sync::atomic::Ordering::SeqCst);
        clock.advance(Duration::from_secs(3 * 86_400));
        let task = eventually("the Task that says so", || async {
            let task = world.task(&sent.path("Task")).await;
            reason(&task).starts_with("What the platform reports is kept and not shown").then_some(task)
        })
        .await;
        assert!(reason(&task).contains(words), "{task}");
        assert_eq!(task["status"], "requested");
        assert_eq!(scene.platform.paths(), ["one"], "nothing is read");
        scene.world.stop().await;
    }
}

#[tokio::test]
async fn a_withdrawal_while_the_platform_is_asked_is_seen_before_anything_is_sent_again() {
    let mut asks = script(&[]);
    asks["asks"] = json!(true);
    let scene = Scene::start(&asks, "", Setup::default()).await;
    scene.platform.away(Some("one"));
    scene.platform.looked_up.shut();
    let sent = scene.world.submit(&bundle(0)).await;
    eventually("the question", || async { scene.platform.looked_up.is_waited_for().then_some(()) }).await;
    withdraw(&scene.world, &sent).await;
    scene.platform.away(None);
    scene.platform.looked_up.open();
    let task = scene.world.task_becomes(&sent.path("Task"), "cancelled").await;
    assert!(reason(&task).contains("withdrawn"), "{task}");
    scene.world.delivery_becomes(&sent.path("Task"), "withdrawn").await;
    settle().await;
    assert_eq!(scene.platform.paths(), ["look-up"], "nothing was sent again");
    scene.world.stop().await;
}

#[tokio::test]
async fn each_decision_is_on_record_with_its_rules() {
    let scene = Scene::start(&script(&[]), "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    scene.platform.changed.store(true, std::sync::atomic::Ordering::SeqCst);
    world.task_becomes(&sent.path("Task"), "accepted").await;
    let id = world.referral().await.id;
    let consent = format!("{}/_history/1", sent.reference("Consent"));
    for stage in ["accept", "attempt", "relay"] {
        let all = decisions(world, &id, stage).await;
        let first = all.first().unwrap_or_else(|| panic!("no decision at {stage}"));
        assert_eq!((&first["verdict"], &first["decisive"]), (&json!("permit"), &json!(consent)), "{stage}: {first}");
        assert!(first["path"].as_array().is_some_and(|path| path.len() > 3), "{stage}: {first}");
    }
    scene.world.stop().await;
}

#[tokio::test]
async fn an_adapter_sees_nothing_of_what_is_denied() {
    let scene = Scene::start(&script(&[("Patient.name", "notable")]), "", Setup::default()).await;
    // It would say what is lost if it were asked.
    assert!(!parts(&previewed(&scene.world, &bundle(0)).await, "loss").is_empty());
    let denied = referral_to("VCSE1", Expectation::NoConsent, 0).bundle;
    let told = previewed(&scene.world, &denied).await;
    assert_eq!(values(&told, "verdict"), ["deny"]);
    assert!(parts(&told, "receives").is_empty() && parts(&told, "loss").is_empty(), "{told}");
    let sent = scene.world.submit(&denied).await;
    assert!(sent.resource("Task").get("extension").is_none(), "{}", sent.response);
    assert!(scene.world.referral().await.loss.is_none());
    scene.world.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_put_back_revives_no_consent() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut ends = bundle(0);
    inside(&mut ends, "Consent")["provision"]["period"] = json!({"end": "2026-06-20"});
    let at = |now| async move { Arc::new(ManualClock::at(now)) };
    let world = |store: &Arc<dyn Store>, clock: &Arc<ManualClock>| {
        let (store, clock) = (Arc::clone(store), Arc::<ManualClock>::clone(clock));
        World::start(Setup { store, clock, ..Setup::default() })
    };
    // It has run out, and that was seen.
    let clock = at(datetime!(2026-06-19 12:00 UTC)).await;
    let first = world(&store, &clock).await;
    let before = previewed(&first, &ends).await;
    assert_eq!(values(&before, "outcome"), ["sent"]);
    clock.advance(Duration::from_secs(3 * 86_400));
    let held = first.submit(&ends).await;
    assert!(reason(held.resource("Task")).contains("period of the Consent is over"), "{}", held.response);
    first.stop().await;
    // The machine starts again with a clock that shows a day on which it had not.
    let clock = at(datetime!(2026-06-19 12:00 UTC)).await;
    let second = world(&store, &clock).await;
    let again = second.move_task(&held.path("Task"), "requested").await.json();
    assert_eq!(again["status"], "on-hold", "{again}");
    assert_eq!(values(&previewed(&second, &ends).await, "outcome"), ["held"]);
    assert_eq!(second.get(GP, &held.path("Task")).await.status, 200);
    second.stop().await;
}
