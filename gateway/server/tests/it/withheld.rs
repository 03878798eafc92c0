//! What consent withholds of a referral: told beforehand, on the Task and in the Provenance, and not among what is sent.

use crate::losses::loss_parts;
use crate::preview::{parts, previewed, values};
use crate::support::{GP, World, bundle, entry_of, inside};
use conformance_tests::platform::FhirPlatform;
use serde_json::{Value, json};

/// A referral with one more Condition as its reason, of this code.
pub(crate) fn referral(code: &str) -> Value {
    let mut bundle = bundle(0);
    let patient = entry_of(&mut bundle, "Patient")["fullUrl"].clone();
    let system = "http://terminology.hl7.org/CodeSystem/condition-clinical";
    let condition = json!({
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": system, "code": "active"}]},
        "code": {"coding": [{"system": "https://example.org/canaries", "code": code}]},
        "subject": {"reference": patient},
    });
    let url = "urn:uuid:5f2c1d60-3b1e-4a57-9d7e-2f8a6b0c4e11";
    let request = json!({"method": "POST", "url": "Condition"});
    let entries = bundle["entry"].as_array_mut().unwrap();
    entries.push(json!({"fullUrl": url, "resource": condition, "request": request}));
    let reasons = &mut inside(&mut bundle, "ServiceRequest")["reasonReference"];
    let mut all = reasons.as_array().cloned().unwrap_or_default();
    all.push(json!({"reference": url}));
    *reasons = all.into();
    bundle
}

fn conditions(bundle: &Value) -> u64 {
    let entries = bundle["entry"].as_array().unwrap().iter();
    entries.filter(|entry| entry["resource"]["resourceType"] == "Condition").count() as u64
}

/// Reason, grade and count of each loss of this element.
fn lost(preview: &Value, element: &str) -> Vec<[String; 3]> {
    let of = |loss: &&&Value| values(loss, "element") == [element];
    let told = |loss: &&Value| ["reason", "grade", "count"].map(|name| values(loss, name).concat());
    parts(preview, "loss").iter().filter(of).map(told).collect()
}

fn arrived(platform: &FhirPlatform, words: &str) -> bool {
    platform.requests().iter().any(|request| request.body.contains(words))
}

#[tokio::test]
async fn a_class_of_data_that_consent_withholds_is_told_and_does_not_arrive() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let (whole, mut partly) = (referral("canary-sent"), referral("canary-withheld"));
    inside(&mut partly, "Consent")["provision"]["provision"] = json!([
        {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]}]);
    let receives = |preview: &Value| values(preview, "target").iter().any(|target| target.starts_with("Condition"));

    let before = previewed(&world, &whole).await;
    assert_eq!((values(&before, "outcome"), values(&before, "verdict")), (vec!["sent".into()], vec!["permit".into()]));
    assert!(parts(&before, "withheld").is_empty() && lost(&before, "Condition").is_empty(), "{before}");
    assert!(receives(&before), "{before}");

    let after = previewed(&world, &partly).await;
    assert_eq!((values(&after, "outcome"), values(&after, "verdict")), (vec!["sent".into()], vec!["redact".into()]));
    let withheld = parts(&after, "withheld");
    assert!(withheld.iter().any(|one| values(one, "element") == ["Condition"]), "{after}");
    let told = [["withheld".to_owned(), "notable".to_owned(), conditions(&partly).to_string()]];
    assert_eq!(lost(&after, "Condition"), told, "{after}");
    assert!(!receives(&after), "{after}");

    // What was told beforehand is what happens: on the Task, in its Provenance, at the platform.
    let element = json!({"url": "element", "valueString": "Condition"});
    let reason = json!({"url": "reason", "valueCode": "withheld"});
    let names = |losses: &[Value]| {
        let parts = losses.iter().filter_map(Value::as_array);
        parts.filter(|parts| parts.contains(&element) && parts.contains(&reason)).count()
    };
    let sent = world.submit(&whole).await;
    world.delivered(&sent.path("Task")).await;
    assert_eq!(names(&loss_parts(&world.task(&sent.path("Task")).await)), 0);
    assert!(arrived(&food, "canary-sent"), "what is withheld below would be found if it were there");

    let sent = world.submit(&partly).await;
    world.delivered(&sent.path("Task")).await;
    let task = world.task(&sent.path("Task")).await;
    assert_eq!(names(&loss_parts(&task)), 1, "{task}");
    let found = world.get(GP, &format!("/fhir/Provenance?target={}", sent.reference("Task"))).await.json();
    assert_eq!(found["total"], 1, "the attempt decided and lost the same as the arrival: {found}");
    assert_eq!(names(&loss_parts(&found["entry"][0]["resource"])), 1, "{found}");
    assert_eq!(food.tasks().len(), 2);
    assert!(!arrived(&food, "canary-withheld"));

    // The refusal is on record: a later permit does not lift it.
    let again = previewed(&world, &referral("canary-again")).await;
    assert_eq!(values(&again, "verdict"), ["redact"]);
    world.stop().await;
}
