//! What a person keeps from the practice of what became of the referral: everything but the status, or words.

use crate::support::{GP, World, assert_valid, bundle, inside};
use conformance_tests::generator::PRACTICE_ODS;
use serde_json::{Value, json};

/// A refusal that the practice has what the platform says, with more conditions.
fn refusal(more: &[(&str, Value)]) -> Value {
    const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
    let practice = json!({"type": "Organization", "identifier": {"system": ODS, "value": PRACTICE_ODS}});
    let role =
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]});
    let action =
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "disclose"}]});
    let mut deny = json!({"type": "deny", "actor": [{"role": role, "reference": practice}], "action": [action]});
    for (name, value) in more {
        deny[*name] = value.clone();
    }
    deny
}

fn words() -> Value {
    json!([{"system": "urn:ietf:bcp:13", "code": "text/plain"}])
}

#[tokio::test]
async fn a_person_may_keep_the_outcome_or_its_words_from_the_practice() {
    let (world, food, _befriending) = World::with_platforms("").await;
    for (nth, (keeps, deny)) in
        [("nothing", None), ("all", Some(refusal(&[]))), ("words", Some(refusal(&[("class", words())])))]
            .into_iter()
            .enumerate()
    {
        let mut referral = bundle(nth);
        if let Some(deny) = deny {
            inside(&mut referral, "Consent")["provision"]["provision"] = json!([deny]);
        }
        let sent = world.submit(&referral).await;
        let delivered = world.delivered(&sent.path("Task")).await;
        let id = delivered.platform_referral.unwrap().0;
        assert!(food.plan(&id, &[("accepted", None), ("in-progress", None), ("completed", Some("helped"))]));
        food.tick_until_settled(50).await;
        let task = world.task_becomes(&sent.path("Task"), "completed").await;
        assert_valid("the Task", &task.to_string());
        let reason = task["statusReason"]["text"].as_str().unwrap_or_default();
        let code = &task["businessStatus"]["coding"][0]["code"];
        assert_eq!(code == "outcome-withheld", keeps == "all", "{keeps}: {task}");
        assert_eq!(reason.contains("does not wish"), keeps != "nothing", "{keeps}: {task}");
        let history = world.get(GP, &format!("{}/_history", sent.path("Task"))).await.text.to_lowercase();
        // Codes tell it as well as words do.
        assert_eq!(history.contains("helped"), keeps != "all", "{keeps}: {history}");
        assert_eq!(history.contains("\"output\""), keeps != "all", "{keeps}: {history}");
        for output in task["output"].as_array().into_iter().flatten() {
            let path = format!("/fhir/{}", output["valueReference"]["reference"].as_str().unwrap());
            let given = world.get(GP, &path).await.text;
            assert_valid("an output", &given);
            let words = given.contains("support given");
            assert_eq!(words, keeps == "nothing" && given.contains("\"Procedure\""), "{keeps}: {given}");
            assert!(given.contains("\"coding\""), "{keeps}: {given}");
        }
    }
    world.stop().await;
}
