//! Losses in translation, over HTTP: held, refused, released, shown on the Task and in a Provenance, and told beforehand.

use crate::scripted::{Everywhere, NAME, Reader};
use crate::support::{FOREIGN, GP, NEIGHBOUR, READER, Setup, World, assert_valid, bundle, eventually, inside, settle};
use serde_json::{Value, json};
use std::sync::Arc;

/// A gateway whose platform `food` has the scripted adapter.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) platform: Arc<Everywhere>,
    pub(crate) folder: tempfile::TempDir,
}

impl Scene {
    /// The platform may have notes, of which every synthetic referral has some.
    pub(crate) async fn start(script: &Value, food: &'static str, setup: Setup) -> Self {
        Self::of(script, Setup { food, notes_to: &[("pcn-a", "food")], ..setup }).await
    }

    pub(crate) async fn of(script: &Value, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), script);
        let platform = Arc::new(Everywhere::default());
        let setup = Setup {
            lanes: true,
            adapter: NAME,
            adapters: Some((folder.path().to_owned(), Arc::new(Reader))),
            transport: Some(Arc::<Everywhere>::clone(&platform)),
            ..setup
        };
        Self { world: World::start(setup).await, platform, folder }
    }

    /// Changes the adapter's file.
    pub(crate) fn change(&self, script: &Value) {
        write(self.folder.path(), script);
    }
}

fn write(folder: &std::path::Path, script: &Value) {
    let home = folder.join(NAME);
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("adapter.json"), script.to_string()).unwrap();
    // What tells a folder of an adapter from others.
    std::fs::write(home.join("adapter.toml"), "").unwrap();
}

pub(crate) fn script(losses: &[(&str, &str)]) -> Value {
    let losses: Vec<Value> = losses
        .iter()
        .map(|(element, grade)| {
            json!({"element": element, "reason": "truncated", "grade": grade, "count": 1,
            "detail": "612 characters cut to 500", "rule": "mapping.yaml:41"})
        })
        .collect();
    json!({"version": "1", "steps": ["one"], "losses": losses})
}

const NOTE: &str = "ServiceRequest.note";

/// The gateway's extension of a Task: url and value of each part.
fn told(task: &Value) -> Vec<(String, Value)> {
    let all = task["extension"].as_array().cloned().unwrap_or_default();
    let ours = all.iter().find(|one| one["url"].as_str().unwrap().ends_with("/translation-loss"));
    let parts = ours.map(|one| one["extension"].as_array().cloned().unwrap()).unwrap_or_default();
    parts
        .into_iter()
        .map(|part| {
            let value = part.as_object().unwrap().iter().find(|(name, _)| *name != "url").unwrap().1.clone();
            (part["url"].as_str().unwrap().to_owned(), value)
        })
        .collect()
}

/// The parts of each loss that it names.
pub(crate) fn loss_parts(resource: &Value) -> Vec<Value> {
    told(resource).into_iter().filter(|(url, _)| url == "loss").map(|(_, value)| value).collect()
}

fn part(task: &Value, name: &str) -> Value {
    told(task).into_iter().find(|(url, _)| url == name).map_or(Value::Null, |(_, value)| value)
}

#[tokio::test]
async fn a_notable_loss_is_shown_and_the_referral_goes() {
    let scene = Scene::start(&script(&[(NOTE, "notable")]), "", Setup::default()).await;
    let sent = scene.world.submit(&bundle(0)).await;
    let answered = sent.resource("Task").clone();
    assert_eq!(part(&answered, "worst"), "notable", "the answer to the arrival tells already");
    scene.world.delivered(&sent.path("Task")).await;
    let task = scene.world.task(&sent.path("Task")).await;
    assert_valid("the Task", &task.to_string());
    assert_eq!(part(&task, "worst"), "notable");
    assert_eq!(part(&task, "complete"), true);
    assert_eq!((part(&task, "notable"), part(&task, "unsafe")), (json!(1), json!(0)));
    let loss = part(&task, "loss").to_string();
    for words in [NOTE, "truncated", "612 characters cut to 500", "mapping.yaml:41"] {
        assert!(loss.contains(words), "{words}: {loss}");
    }
    // The Provenance that it names tells of the version that shows it, and of all losses.
    let reference = part(&task, "report")["reference"].as_str().unwrap().to_owned();
    let provenance = scene.world.get(GP, &format!("/fhir/{reference}")).await;
    assert_eq!(provenance.status, 200, "{}", provenance.text);
    assert_valid("the Provenance", &provenance.text);
    let document = provenance.json();
    let target = document["target"][0]["reference"].as_str().unwrap().to_owned();
    assert!(target.starts_with(&format!("{}/_history/", sent.reference("Task"))), "{target}");
    let shows = scene.world.get(GP, &format!("/fhir/{target}")).await;
    assert_eq!(part(&shows.json(), "report")["reference"], json!(reference));
    assert_eq!(document["entity"][0]["what"]["reference"], json!(sent.reference("ServiceRequest")));
    assert_eq!(document["agent"][0]["type"]["coding"][0]["code"], "assembler");
    assert!(document["policy"][0].as_str().unwrap().contains("/scripted|1+"), "{document}");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_provenance_is_found_by_its_task_and_by_its_sender_alone() {
    let scene = Scene::start(&script(&[(NOTE, "informational")]), "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    // Nothing that somebody should look at: the Task stays as it was sent, and the Provenance is there all the same.
    assert_eq!(told(sent.resource("Task")), []);
    assert_eq!(sent.resource("Task")["meta"]["versionId"], "1");
    let query = format!("/fhir/Provenance?target={}", sent.reference("Task"));
    for reader in [GP, READER] {
        let found = world.get(reader, &query).await.json();
        assert_eq!(found["total"], 1, "{reader}: {found}");
        assert_valid("the search", &found.to_string());
    }
    let found = world.get(GP, &query).await.json();
    let provenance = format!("/fhir/Provenance/{}", found["entry"][0]["resource"]["id"].as_str().unwrap());
    for version in ["", "/_history", "/_history/1"] {
        assert_eq!(world.get(GP, &format!("{provenance}{version}")).await.status, 200, "{version}");
    }
    let missing = world.get(NEIGHBOUR, "/fhir/Provenance/no-such-thing").await;
    for other in [NEIGHBOUR, FOREIGN] {
        let answer = world.get(other, &provenance).await;
        assert_eq!((answer.status, &answer.text), (missing.status, &missing.text), "{other}");
        assert_eq!(world.get(other, &query).await.json()["total"], 0, "{other}");
    }
    // Nobody writes one.
    assert_eq!(world.post(GP, "/fhir/Provenance", "{}").await.status, 405);
    world.get(GP, "/fhir/metadata").await.json()["rest"][0]["resource"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["type"] == "Provenance")
        .expect("the CapabilityStatement names it");
    scene.world.stop().await;
}

#[tokio::test]
async fn an_unsafe_loss_waits_until_its_sender_has_seen_it_and_is_not_held_twice() {
    let losses = [("Patient.communication", "unsafe"), (NOTE, "notable")];
    let scene = Scene::start(&script(&losses), "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    let task = sent.resource("Task");
    assert_eq!((&task["status"], &part(task, "worst")), (&json!("on-hold"), &json!("unsafe")));
    let words = task["statusReason"]["text"].as_str().unwrap();
    assert!(words.contains("1 element (unsafe) does not reach"), "{words}");
    assert!(words.contains("Patient.communication") && !words.contains(NOTE), "{words}");
    settle().await;
    assert_eq!(scene.platform.paths(), [""; 0], "nothing left");
    let answer = world.move_task(&sent.path("Task"), "requested").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("requested")), "{}", answer.text);
    let referral = world.delivered(&sent.path("Task")).await;
    assert_eq!(scene.platform.paths(), ["one"]);
    assert_eq!(referral.loss_released, referral.loss.as_ref().map(|report| report.hash()));
    assert_eq!(part(&world.task(&sent.path("Task")).await, "worst"), "unsafe", "it stays on the Task");
    scene.world.stop().await;
}

#[tokio::test]
async fn what_policy_refuses_to_lose_is_refused_with_every_element_and_nothing_is_stored() {
    let losses = [("Patient.communication", "unsafe"), (NOTE, "notable"), ("Patient.name", "informational")];
    let scene = Scene::start(&script(&losses), "loss = { refuse-at = \"notable\" }", Setup::default()).await;
    let world = &scene.world;
    let before = world.store().content_hash().await.unwrap();
    let answer = world.post(GP, "/fhir", bundle(0).to_string()).await;
    answer.assert_refused("refused for its losses");
    assert_eq!(answer.status, 422);
    let mut places: Vec<String> = answer.issues().into_iter().map(|(_, place)| place).collect();
    places.sort();
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(places.iter().all(|place| place.starts_with("Bundle.entry[")), "{places:?}");
    assert!(places.iter().any(|place| place.ends_with(".resource.communication")), "{places:?}");
    assert!(places.iter().any(|place| place.ends_with(".resource.note")), "{places:?}");
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    // A draft is taken, and refused when it is to start.
    let mut draft = bundle(0);
    inside(&mut draft, "Task")["status"] = json!("draft");
    let sent = world.submit(&draft).await;
    let before = world.store().content_hash().await.unwrap();
    let answer = world.move_task(&sent.path("Task"), "requested").await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    scene.world.stop().await;
}

#[tokio::test]
async fn an_adapter_that_gives_no_account_is_said_to_give_none() {
    let mut silent = script(&[]);
    silent["accounts"] = json!(false);
    let scene = Scene::start(&silent, "", Setup::default()).await;
    let sent = scene.world.submit(&bundle(0)).await;
    scene.world.delivered(&sent.path("Task")).await;
    let task = scene.world.task(&sent.path("Task")).await;
    assert_eq!(part(&task, "complete"), false);
    assert!(part(&task, "incomplete-because").as_str().unwrap().contains("no account"));
    scene.world.stop().await;
}

#[tokio::test]
async fn the_gateways_extension_is_not_the_senders() {
    let scene = Scene::start(&script(&[(NOTE, "notable")]), "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    let path = sent.path("Task");
    world.delivered(&path).await;
    let shown = told(&world.task(&path).await);
    let own = json!({"url": "https://example.org/own", "valueString": "kept"});
    for extension in [
        json!([own]),
        json!([own, {"url": "https://vcse-gateway.example/fhir/StructureDefinition/translation-loss",
        "extension": [{"url": "worst", "valueCode": "informational"}]}]),
    ] {
        let answer = world.change(&path, |task| task["extension"] = extension).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let task = world.task(&path).await;
        assert_eq!(told(&task), shown);
        assert!(task["extension"].as_array().unwrap().contains(&own));
    }
    // Who sends a Task with it sends what is not theirs to say.
    let mut forged = bundle(1);
    inside(&mut forged, "Task")["extension"] = json!([{
        "url": "https://vcse-gateway.example/fhir/StructureDefinition/translation-loss",
        "extension": [{"url": "complete", "valueBoolean": true}]}]);
    let answer = world.post(GP, "/fhir", forged.to_string()).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.issues().iter().any(|(_, place)| place.ends_with("extension")), "{}", answer.text);
    scene.world.stop().await;
}

#[tokio::test]
async fn a_panic_in_an_account_holds_one_referral() {
    let mut panics = script(&[]);
    panics["panics"] = json!(true);
    let scene = Scene::start(&panics, "", Setup::default()).await;
    let sent = scene.world.submit(&bundle(0)).await;
    assert_eq!(sent.resource("Task")["status"], "on-hold");
    let words = sent.resource("Task")["statusReason"]["text"].as_str().unwrap();
    assert!(words.contains("a fault of the adapter"), "{words}");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_change_that_overtakes_the_acknowledgement_is_read_after_it() {
    let mut two = script(&[]);
    two["steps"] = json!(["one", "two"]);
    let scene = Scene::start(&two, "", Setup::default()).await;
    scene.platform.away(Some("two"));
    scene.platform.changed.store(true, std::sync::atomic::Ordering::SeqCst);
    let sent = scene.world.submit(&bundle(0)).await;
    let (food, name) =
        (gateway_core::identity::PlatformId("food".to_owned()), adapter_contract::PlatformReferralId("42".to_owned()));
    let key = scene.world.referral().await.key;
    eventually("a parked change", || async {
        let parked = scene.world.store().parked_reports(&food, &name, &key).await.unwrap();
        (parked.len() == 1).then_some(())
    })
    .await;
    scene.platform.changed.store(false, std::sync::atomic::Ordering::SeqCst);
    scene.platform.away(None);
    let task = scene.world.task_becomes(&sent.path("Task"), "accepted").await;
    assert!(!task.to_string().contains("\"changed\""), "{task}");
    assert!(scene.world.store().parked_reports(&food, &name, &key).await.unwrap().is_empty());
    scene.world.stop().await;
}

#[tokio::test]
async fn changed_referrals_of_a_poll_are_read_in_as_many_steps_as_it_takes() {
    let scene = Scene::start(&script(&[]), "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    scene.platform.changed.store(true, std::sync::atomic::Ordering::SeqCst);
    world.task_becomes(&sent.path("Task"), "accepted").await;
    scene.platform.changed.store(false, std::sync::atomic::Ordering::SeqCst);
    let reads = eventually("both steps of a read", || async {
        let paths = scene.platform.paths();
        (paths.len() >= 3).then_some(paths)
    })
    .await;
    assert_eq!(reads[..3], ["one", "read-1", "read-2"]);
    scene.world.stop().await;
}
