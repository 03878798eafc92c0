//! `$preview`: what would become of a referral, without anything being stored or sent.

use crate::losses::{Scene, script};
use crate::support::{
    Answer, BARS, COLLECTOR, GOVERNANCE, GP, READER, Setup, World, assert_valid, bundle, inside, referral_to,
};
use conformance_tests::generator::Expectation;
use serde_json::{Value, json};

const PREVIEW: &str = "/fhir/ServiceRequest/$preview";

/// The parts of this name, wherever they lie below.
pub(crate) fn parts<'a>(parameters: &'a Value, name: &str) -> Vec<&'a Value> {
    let own = parameters["parameter"].as_array().or_else(|| parameters["part"].as_array());
    let own = own.map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<&Value> = own.iter().filter(|part| part["name"] == name).collect();
    found.extend(own.iter().flat_map(|part| parts(part, name)));
    found
}

/// Its values as texts.
pub(crate) fn values(parameters: &Value, name: &str) -> Vec<String> {
    let value = |part: &Value| {
        let (_, value) = part.as_object().unwrap().iter().find(|(name, _)| name.starts_with("value")).unwrap();
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    parts(parameters, name).into_iter().map(value).collect()
}

pub(crate) async fn previewed(world: &World, body: &Value) -> Value {
    let answer = ask(world, GP, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid("the answer", &answer.text);
    answer.json()
}

async fn ask(world: &World, token: &str, body: &Value) -> Answer {
    world.post(token, PREVIEW, body.to_string()).await
}

#[tokio::test]
async fn it_tells_who_would_receive_what_and_what_not_and_changes_nothing() {
    let losses = [("ServiceRequest.note", "notable"), ("Patient.communication", "unsafe")];
    let scene = Scene::start(&script(&losses), "", Setup::default()).await;
    let before = scene.world.store().content_hash().await.unwrap();
    let answer = previewed(&scene.world, &bundle(0)).await;
    for (name, expected) in [
        ("outcome", "held"),
        ("platform", "food"),
        ("recipient", "Example food"),
        ("verdict", "permit"),
        ("rules", "consent-rules/1"),
        ("worst", "unsafe"),
        ("complete", "true"),
    ] {
        assert_eq!(values(&answer, name), [expected], "{name}: {answer}");
    }
    assert!(values(&answer, "place")[0].starts_with("Bundle.entry["));
    assert!(values(&answer, "version")[0].starts_with("1+"));
    assert!(values(&answer, "reason").iter().any(|words| words.contains("Patient.communication")), "{answer}");
    let loss = parts(&answer, "loss");
    assert_eq!(values(loss[0], "element"), ["Patient.communication"]);
    assert_eq!(values(loss[0], "detail"), ["612 characters cut to 500"]);
    assert!(loss.iter().any(|loss| values(loss, "element") == ["ServiceRequest.note"]));
    let given: Vec<String> = parts(&answer, "receives").into_iter().flat_map(|one| values(one, "element")).collect();
    assert!(
        given.contains(&"Patient.name".to_owned()) && given.contains(&"ServiceRequest.subject".to_owned()),
        "{given:?}"
    );
    // The same as Parameters, and by whoever may read.
    let wrapped = json!({"resourceType": "Parameters", "parameter": [{"name": "referral", "resource": bundle(0)}]});
    assert_eq!(previewed(&scene.world, &wrapped).await["parameter"][0]["name"], "task");
    assert_eq!(ask(&scene.world, READER, &bundle(0)).await.status, 200);
    assert_eq!(ask(&scene.world, GOVERNANCE, &bundle(0)).await.status, 200);
    assert_eq!(scene.world.store().content_hash().await.unwrap(), before);
    assert_eq!(scene.platform.sent(), []);
    // What was told beforehand is what happens.
    let sent = scene.world.submit(&bundle(0)).await;
    assert_eq!(sent.resource("Task")["status"], "on-hold");
    scene.world.stop().await;
}

#[tokio::test]
async fn no_patient_data_is_in_it() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let mut canary = bundle(0);
    let patient = inside(&mut canary, "Patient");
    patient["name"] = json!([{"family": "Canaryname", "given": ["Canarygiven"]}]);
    patient["telecom"] = json!([{"system": "phone", "value": "07700 900123"}]);
    inside(&mut canary, "ServiceRequest")["note"] = json!([{"text": "canarynote"}]);
    let answer = previewed(&world, &canary).await;
    let text = answer.to_string().to_lowercase();
    for data in ["canary", "07700 900123", "1234567"] {
        assert!(!text.contains(data), "{data}: {text}");
    }
    let number = inside(&mut canary, "Patient")["identifier"][0]["value"].as_str().unwrap().to_owned();
    assert!(!text.contains(&number));
    // The adapter explains itself field by field.
    let targets = values(&answer, "target");
    assert!(
        targets.contains(&"Patient.name".to_owned()) && targets.contains(&"ServiceRequest.basedOn".to_owned()),
        "{targets:?}"
    );
    let lost: Vec<String> = parts(&answer, "loss").into_iter().flat_map(|one| values(one, "element")).collect();
    assert!(lost.contains(&"ServiceRequest.note".to_owned()), "{lost:?}");
    world.stop().await;
}

#[tokio::test]
async fn every_way_to_end_is_told() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let to = |expectation| referral_to("VCSE1", expectation, 0).bundle;
    let no_consent = previewed(&world, &to(Expectation::NoConsent)).await;
    assert_eq!(
        (values(&no_consent, "outcome"), values(&no_consent, "verdict")),
        (vec!["held".to_owned()], vec!["deny".to_owned()])
    );
    // A refusal that comes with it is named by its place, a stored one by its id.
    let mut refused = to(Expectation::Delivered);
    inside(&mut refused, "Consent")["provision"]["type"] = json!("deny");
    let place = values(&previewed(&world, &refused).await, "in-the-way").concat();
    assert!(place.starts_with("Bundle.entry["), "{place}");
    let sent = world.submit(&refused).await;
    let told = previewed(&world, &to(Expectation::Delivered)).await;
    assert_eq!(values(&told, "in-the-way"), [sent.reference("Consent")]);
    assert!(sent.resource("Task")["statusReason"]["text"].as_str().unwrap().contains(&sent.reference("Consent")));
    let nobody = referral_to("VCSE9", Expectation::Delivered, 0).bundle;
    let nobody = previewed(&world, &nobody).await;
    assert_eq!(values(&nobody, "outcome"), ["held"]);
    assert!(parts(&nobody, "platform").is_empty() && parts(&nobody, "consent").is_empty(), "{nobody}");
    let prohibited = previewed(&world, &to(Expectation::ContactProhibited)).await;
    assert!(values(&prohibited, "reason").iter().any(|words| words.contains("must not be contacted")), "{prohibited}");
    world.stop().await;
    let scene =
        Scene::start(&script(&[("Patient.name", "notable")]), "loss = { refuse-at = \"notable\" }", Setup::default())
            .await;
    let refused = previewed(&scene.world, &bundle(0)).await;
    assert_eq!(values(&refused, "outcome"), ["refused"]);
    assert!(values(&refused, "reason").iter().any(|words| words.contains("Patient.name")));
    scene.world.stop().await;
}

#[tokio::test]
async fn what_is_refused_when_it_is_sent_is_refused_here() {
    let world = World::quiet().await;
    let before = world.store().content_hash().await.unwrap();
    let mut no_focus = bundle(0);
    inside(&mut no_focus, "Task").as_object_mut().unwrap().remove("focus");
    let mut no_task = bundle(0);
    no_task["entry"].as_array_mut().unwrap().retain(|entry| entry["resource"]["resourceType"] != "Task");
    for (what, body, status) in [
        ("no JSON object", json!([]), 400),
        ("another resource", json!({"resourceType": "Patient"}), 400),
        ("Parameters without one", json!({"resourceType": "Parameters"}), 400),
        ("a Task without focus", no_focus, 422),
        ("no Task", no_task, 422),
    ] {
        let answer = ask(&world, GP, &body).await;
        answer.assert_refused(what);
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
    }
    assert_eq!(ask(&world, COLLECTOR, &bundle(0)).await.status, 403);
    assert_eq!(ask(&world, "", &bundle(0)).await.status, 401);
    assert_eq!(ask(&world, BARS, &bundle(0)).await.status, 400, "its profile needs both ids");
    assert_eq!(world.get(GP, PREVIEW).await.status, 405);
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    world.stop().await;
}
