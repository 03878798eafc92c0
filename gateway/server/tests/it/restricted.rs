//! A patient whose record is labelled restricted, through the running gateway: nothing that tells the place reaches the
//! platform, and what cannot be sent without it is put before a person.

use crate::losses::{Scene, script};
use crate::policies::{care, platform, world};
use crate::preview::{parts, previewed, values};
use crate::support::{Setup, World, bundle, inside, settle};
use serde_json::{Value, json};
use std::sync::Arc;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// A referral of a restricted patient with words that nobody may see, to which a Consent agrees that speaks of this level.
fn restricted(level: &str, consent: Option<&str>) -> Value {
    restricted_of(0, level, consent)
}

/// The same of another patient.
fn restricted_of(nth: usize, level: &str, consent: Option<&str>) -> Value {
    let mut referral = bundle(nth);
    let patient = inside(&mut referral, "Patient");
    patient.as_object_mut().unwrap().remove("extension");
    patient["meta"]["security"] = json!([{"system": CONFIDENTIALITY, "code": level}]);
    patient["name"] = json!([{"family": "Staysname", "text": "canary name"}]);
    patient["address"] = json!([{"line": ["canary line"], "postalCode": "LS1 4AP"}]);
    patient["telecom"] = json!([{"system": "phone", "value": "01134960000"}]);
    patient["contact"] = json!([{"name": {"text": "canary contact"}}]);
    patient["generalPractitioner"] = json!([{"display": "canary practice"}]);
    patient["managingOrganization"] = json!({"display": "canary organisation"});
    let request = inside(&mut referral, "ServiceRequest");
    request.as_object_mut().unwrap().remove("orderDetail");
    request["note"] = json!([{"text": "canary note"}]);
    request["patientInstruction"] = json!("canary instruction");
    if let Some(level) = consent {
        inside(&mut referral, "Consent")["provision"]["securityLabel"] =
            json!([{"system": CONFIDENTIALITY, "code": level}]);
    }
    referral
}

fn reason(task: &Value) -> &str {
    task["statusReason"]["text"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn no_whereabouts_reach_the_platform_and_only_a_consent_that_speaks_of_the_label_lets_anything_go() {
    let (world, food, _befriending) = World::with_platforms("").await;
    for (nth, (level, consent)) in (1..).zip([("R", None), ("R", Some("N")), ("V", Some("R")), ("REDACTED", Some("V"))])
    {
        let sent = world.submit(&restricted_of(nth, level, consent)).await;
        let task = sent.resource("Task");
        assert_eq!(task["status"], "on-hold", "{level} {consent:?}");
        assert!(reason(task).contains("labelled restricted"), "{level} {consent:?}: {}", reason(task));
    }
    settle().await;
    assert_eq!(food.tasks().len(), 0);

    let told = previewed(&world, &restricted("R", Some("R"))).await;
    assert_eq!(values(&told, "verdict"), ["redact"], "{told}");
    let withheld = parts(&told, "withheld");
    for element in ["Patient.address", "Patient.telecom", "ServiceRequest.note", "ServiceRequest.requester"] {
        let one = withheld.iter().find(|one| values(one, "element") == [element]).expect(element);
        let why = (values(one, "reason").concat(), values(one, "rule").concat());
        assert_eq!(why, ("whereabouts".to_owned(), "R7:restricted-patient".to_owned()), "{element}");
    }
    let sent = world.submit(&restricted("R", Some("R"))).await;
    // What is lost may be grave enough that the sender has to let it go knowingly; consent is settled.
    if sent.resource("Task")["status"] == "on-hold" {
        assert!(reason(sent.resource("Task")).contains("(unsafe)"), "{}", reason(sent.resource("Task")));
        world.move_task(&sent.path("Task"), "requested").await;
    }
    world.delivered(&sent.path("Task")).await;
    let bytes: String = food.requests().iter().map(|request| request.body.clone()).collect();
    assert!(bytes.contains("Staysname"), "the name tells no place");
    for gone in ["canary", "LS1 4AP", "01134960000"] {
        assert!(!bytes.contains(gone), "{gone}");
    }
    // That the label would be in the way, too, does not keep a withdrawal from travelling.
    let inactive = |consent: &mut Value| consent["status"] = json!("inactive");
    assert_eq!(world.change(&sent.path("Consent"), inactive).await.status, 200);
    assert_eq!(world.task(&sent.path("Task")).await["status"], "cancelled");
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_sent_without_the_telephone_waits_for_a_person() {
    let mut needs = script(&[]);
    needs["needed"] = json!(["Patient.telecom"]);
    needs["declares"] =
        json!(["ServiceRequest.code", "ServiceRequest.subject", "Patient.name", "Patient.telecom", "Task"]);
    let scene = Scene::of(&needs, Setup::default()).await;
    let sent = scene.world.submit(&restricted("R", Some("R"))).await;
    let task = sent.resource("Task");
    assert_eq!(task["status"], "on-hold");
    let words = reason(task);
    assert!(words.contains("cannot do without") && words.contains("labelled restricted"), "{words}");
    assert!(!words.contains("01134960000"));
    settle().await;
    assert_eq!(scene.platform.sent(), []);
    // Of a patient without the label the same may go.
    let mut plain = restricted_of(1, "N", None);
    inside(&mut plain, "Patient").as_object_mut().unwrap().remove("meta");
    inside(&mut plain, "Task").as_object_mut().unwrap().retain(|name, _| name != "note" && name != "description");
    let told = previewed(&scene.world, &plain).await;
    assert_eq!(values(&told, "verdict"), ["permit"], "{told}");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_permit_that_is_taken_from_a_recipient_that_gives_care_recalls() {
    let food = platform().await;
    let listed = world(&food, care("2999-01-01")).await;
    let sent = listed.submit(&restricted("R", Some("R"))).await;
    if sent.resource("Task")["status"] == "on-hold" {
        listed.move_task(&sent.path("Task"), "requested").await;
    }
    listed.delivered(&sent.path("Task")).await;
    // Now it is a Consent for somebody else. Of a restricted patient the listing gives nothing by itself.
    let elsewhere = |consent: &mut Value| {
        for actor in consent["provision"]["actor"].as_array_mut().unwrap() {
            actor["reference"] = json!({"identifier":
                {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "SOMEBODYELSE"}});
        }
    };
    let answer = listed.change(&sent.path("Consent"), elsewhere).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let task = listed.task(&sent.path("Task")).await;
    assert_eq!(task["status"], "cancelled", "{task}");
    assert_eq!(crate::withdrawn::receipt(&task, "way"), json!("exchange"));
    listed.stop().await;
}

#[tokio::test]
async fn a_label_on_another_stored_record_of_the_same_patient_counts_at_each_stage() {
    let (plain, labelled) = (restricted("N", None), restricted("R", None));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let quiet = World::start(Setup { store: Arc::clone(&store), ..Setup::default() }).await;
    let before = quiet.submit(&plain).await;
    assert_eq!(before.resource("Task")["status"], "requested", "{}", reason(before.resource("Task")));
    assert_eq!(values(&previewed(&quiet, &plain).await, "verdict"), ["permit"]);
    // Somebody else's label is none of this patient's.
    let other = restricted_of(1, "R", None);
    quiet.submit(&other).await;
    assert_eq!(values(&previewed(&quiet, &plain).await, "verdict"), ["permit"]);
    quiet.submit(&labelled).await;
    let told = previewed(&quiet, &plain).await;
    assert!(values(&told, "reason").contains(&"restricted-patient".to_owned()), "preview: {told}");
    let after = quiet.submit(&plain).await;
    assert!(reason(after.resource("Task")).contains("labelled restricted"), "accept: {}", after.resource("Task"));
    quiet.stop().await;

    // What was accepted before it was known does not leave any more.
    let food = platform().await;
    let bases = [food.base_url(), food.base_url()];
    let running = World::start(Setup { store, bases, lanes: true, ..Setup::default() }).await;
    let task = running.task_becomes(&before.path("Task"), "on-hold").await;
    assert!(reason(&task).contains("labelled restricted"), "attempt: {task}");
    assert_eq!(food.tasks().len(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_label_that_becomes_known_later_keeps_the_platforms_status_from_being_shown() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&restricted("N", None)).await;
    if sent.resource("Task")["status"] == "on-hold" {
        world.move_task(&sent.path("Task"), "requested").await;
    }
    world.delivered(&sent.path("Task")).await;
    world.submit(&restricted("R", None)).await;
    assert!(food.tick_until_settled(20).await);
    let shown = crate::support::eventually("the status that is not shown", || async {
        let task = world.task(&sent.path("Task")).await;
        reason(&task).contains("labelled restricted").then_some(task)
    });
    let task = shown.await;
    assert_ne!(task["status"], "completed");
    world.stop().await;
}
