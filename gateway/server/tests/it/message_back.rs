//! The message back to the GP, read over FHIR.

use crate::support::{COLLECTOR, FOREIGN, GP, NEIGHBOUR, READER, World, assert_valid, bundle, inside};
use serde_json::{Value, json};

fn section<'a>(document: &'a Value, code: &str) -> Option<&'a Value> {
    let composition = &document["entry"][0]["resource"];
    let sections = composition["section"].as_array().unwrap();
    sections.iter().find(|section| section["code"]["coding"][0]["code"] == code)
}

#[tokio::test]
async fn what_became_of_a_referral_is_read_as_a_document() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let mut referral = bundle(0);
    // What the link worker measured when referring.
    let before = json!({ "fullUrl": "urn:uuid:7d9b6a52-8f3f-4a4e-9a57-6a3f3a1d2c77", "request": { "method": "POST", "url": "Observation" },
        "resource": { "resourceType": "Observation", "status": "final", "effectiveDateTime": "2026-06-05",
            "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "718466001" }] },
            "subject": inside(&mut referral, "ServiceRequest")["subject"].clone(),
            "valueQuantity": { "value": 21 } } });
    referral["entry"].as_array_mut().unwrap().push(before);
    let request = inside(&mut referral, "ServiceRequest");
    let mut info = request["supportingInfo"].as_array().cloned().unwrap_or_default();
    info.push(json!({ "reference": "urn:uuid:7d9b6a52-8f3f-4a4e-9a57-6a3f3a1d2c77" }));
    request["supportingInfo"] = json!(info);
    let sent = world.submit(&referral).await;
    let (task, id) = (sent.path("Task"), world.delivered(&sent.path("Task")).await.platform_referral.unwrap().0);
    food.measure(&id, "Personal well-being (ONS4), 0 to 10", &[("Life satisfaction", 7), ("Anxiety yesterday", 3)]);
    assert!(food.plan(&id, &[("accepted", None), ("in-progress", None), ("completed", Some("Settled in well"))]));
    let early = world.get(GP, &format!("{task}/$message-back")).await;
    assert_eq!(early.status, 200, "how it stands can be asked at any time: {}", early.text);
    food.tick_until_settled(50).await;
    world.task_becomes(&task, "completed").await;

    let answer = world.get(READER, &format!("{task}/$message-back")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid("the document", &answer.text);
    let document = answer.json();
    assert_eq!(
        (document["type"].as_str(), document["entry"][0]["resource"]["resourceType"].as_str()),
        (Some("document"), Some("Composition"))
    );
    for code in ["needs", "support", "activities", "outcome", "scores-baseline", "scores-follow-up", "contacts"] {
        assert!(section(&document, code).is_some(), "{code}: {}", answer.text);
    }
    let outcome = section(&document, "outcome").unwrap().to_string();
    assert!(outcome.contains("has completed the support") && outcome.contains("Settled in well"), "{outcome}");
    let baseline = section(&document, "scores-baseline").unwrap().to_string();
    assert!(baseline.contains("19.25"), "a raw total of 21: {baseline}");
    let after = section(&document, "scores-follow-up").unwrap().to_string();
    assert!(after.contains("Satisfied with life: 7") && after.contains("lower is better"), "{after}");

    // What a score is derived from can be read where it says.
    let made = document["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let scores: Vec<&Value> = made.filter(|one| one["resourceType"] == "Observation").collect();
    assert!(scores.len() >= 2);
    for score in scores {
        let source = score["derivedFrom"][0]["reference"].as_str().unwrap();
        assert_eq!(world.get(GP, source).await.status, 200, "{source}");
    }

    // Another's Task answers exactly as a missing one.
    let missing = world.get(NEIGHBOUR, "/fhir/Task/no-such-task/$message-back").await;
    for stranger in [NEIGHBOUR, FOREIGN, COLLECTOR] {
        let answer = world.get(stranger, &format!("{task}/$message-back")).await;
        assert_eq!((answer.status.as_u16(), &answer.text), (404, &missing.text), "{stranger}");
    }
    world.stop().await;
}
