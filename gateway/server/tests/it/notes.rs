//! Free text goes only to a recipient that the sender's tenant lets have it; else the referral waits and says for what.

use crate::losses::{Scene, script};
use crate::preview::{parts, previewed, values};
use crate::support::{Setup, World, bundle, inside, settle};
use serde_json::{Value, json};
use std::sync::Arc;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

async fn scene(store: &Arc<dyn Store>, notes_to: &'static [(&'static str, &'static str)]) -> Scene {
    Scene::of(&script(&[]), Setup { store: Arc::clone(store), notes_to, ..Setup::default() }).await
}

#[tokio::test]
async fn a_referral_with_a_note_waits_until_its_tenants_policy_lets_the_recipient_have_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut noted = bundle(0);
    inside(&mut noted, "ServiceRequest")["note"] = json!([{"text": "canarynote"}]);
    // What was decided about another recipient is no decision about this one, nor is what another tenant has decided.
    let other = scene(&store, &[("pcn-a", "befriending")]).await;
    assert_eq!(values(&previewed(&other.world, &noted).await, "outcome"), ["held"]);
    other.world.stop().await;
    let strangers = scene(&store, &[("pcn-b", "food")]).await;
    let told = previewed(&strangers.world, &noted).await;
    assert_eq!((values(&told, "outcome"), values(&told, "verdict")), (vec!["held".into()], vec!["deny".into()]));
    let withheld = parts(&told, "withheld");
    let note = withheld.iter().find(|one| values(one, "element") == ["ServiceRequest.note"]).expect("the note");
    assert_eq!((values(note, "reason"), values(note, "rule")), (vec!["needs-review".into()], vec!["R7:notes".into()]));
    let sent = strangers.world.submit(&noted).await;
    let task = sent.resource("Task");
    let words = task["statusReason"]["text"].as_str().unwrap();
    assert_eq!(task["status"], "on-hold");
    assert!(words.contains("ServiceRequest.note") && words.contains("policy"), "{words}");
    assert!(!words.contains("canarynote") && !told.to_string().contains("canarynote"));
    // Letting it go on changes nothing while the policy stands.
    let again = strangers.world.move_task(&sent.path("Task"), "requested").await;
    assert_eq!((again.status.as_u16(), &again.json()["status"]), (200, &json!("on-hold")), "{}", again.text);
    settle().await;
    assert_eq!(strangers.platform.sent(), []);
    strangers.world.stop().await;

    let own = scene(&store, &[("pcn-a", "food")]).await;
    assert_eq!(own.world.move_task(&sent.path("Task"), "requested").await.json()["status"], "requested");
    own.world.delivered(&sent.path("Task")).await;
    assert_eq!(own.platform.paths(), ["one"]);
    own.world.stop().await;
}

/// A referral without any free text but what is put there.
fn plain() -> Value {
    let mut plain = bundle(0);
    let elements = ["note", "patientInstruction", "reasonCode", "supportingInfo", "description", "input", "category"];
    for kind in ["ServiceRequest", "Task"] {
        let members = inside(&mut plain, kind).as_object_mut().unwrap();
        members.retain(|name, _: &mut Value| !elements.contains(&name.as_str()));
    }
    plain
}

#[tokio::test]
async fn without_free_text_there_is_nothing_to_wait_for() {
    let scene = scene(&(Arc::new(MemoryStore::new()) as Arc<dyn Store>), &[]).await;
    let sent = scene.world.submit(&plain()).await;
    scene.world.delivered(&sent.path("Task")).await;
    scene.world.stop().await;
}

#[tokio::test]
async fn each_level_of_the_policy_lets_more_free_text_go() {
    let reason = |text: &str| {
        let mut referral = plain();
        let code =
            json!({"system": "http://snomed.info/sct", "code": "267076002", "display": "Feeling lonely (finding)"});
        inside(&mut referral, "ServiceRequest")["reasonCode"] = json!([{"coding": [code], "text": text}]);
        referral
    };
    let mut alone = plain();
    inside(&mut alone, "ServiceRequest")["reasonCode"] = json!([{"text": "canaryreason"}]);
    let cases = [("repeated", reason("feeling  lonely")), ("beside", reason("canaryreason")), ("alone", alone)];
    for (level, goes) in [("review", 1), ("labels", 2), ("send", 3)] {
        let decided = format!("\n[[policy]]\ntenant = \"pcn-a\"\nplatform = \"food\"\nnotes = \"{level}\"\n");
        let world = World::start(Setup { decided, lanes: true, ..Setup::default() }).await;
        for (place, (what, referral)) in cases.iter().enumerate() {
            let told = previewed(&world, referral).await;
            assert_eq!(
                values(&told, "outcome"),
                [if place < goes { "sent" } else { "held" }],
                "{level}, {what}: {told}"
            );
        }
        // The Task names the element and the setting, and repeats nothing.
        let sent = world.submit(&cases[1].1).await;
        let words = sent.resource("Task")["statusReason"]["text"].as_str().unwrap_or_default();
        let told = words.contains("ServiceRequest.reasonCode.text") && words.contains("notes = \"labels\"");
        assert_eq!((told, words.contains("canary")), (level == "review", false), "{words}");
        world.stop().await;
    }
}

#[tokio::test]
async fn words_in_what_a_referral_refers_to_wait_as_well() {
    let world = World::start(Setup { notes_to: &[], lanes: true, ..Setup::default() }).await;
    let mut referral = plain();
    let patient = inside(&mut referral, "ServiceRequest")["subject"].clone();
    let observation = json!({"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "request": {"method": "POST", "url": "Observation"},
        "resource": {"resourceType": "Observation", "status": "final", "subject": patient, "valueString": "canaryvalue",
            "code": {"coding": [{"system": "http://loinc.org", "code": "1", "display": "x"}]}}});
    referral["entry"].as_array_mut().unwrap().push(observation);
    let leads = json!([{"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"}]);
    inside(&mut referral, "ServiceRequest")["supportingInfo"] = leads;
    let sent = world.submit(&referral).await;
    let words = sent.resource("Task")["statusReason"]["text"].as_str().unwrap_or_default();
    assert!(words.contains("Observation.valueString") && words.contains("notes = \"send\""), "{words}");
    assert!(!words.contains("canary"), "{words}");
    world.stop().await;
}
