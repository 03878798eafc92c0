//! The headers of BaRS, one wrong at a time, and the versions.

use super::{PATH, encoded, end_user, guid, is, message, target, told};
use crate::support::{Answer, BARS, FHIR_JSON, GP, World};
use conformance_tests::generator::PRACTICE_ODS;
use serde_json::json;

/// Sends a message as the BaRS client with these headers changed; an empty value leaves the header out.
async fn with(world: &World, request: u32, changed: &[(&str, String)]) -> Answer {
    let all = [
        ("content-type", FHIR_JSON.to_owned()),
        ("accept", FHIR_JSON.to_owned()),
        ("x-request-id", guid(request)),
        ("x-correlation-id", guid(42)),
        ("nhsd-target-identifier", target("VCSE1")),
        ("nhsd-end-user-organisation", end_user(PRACTICE_ODS)),
        ("nhsd-requesting-software", encoded(&json!({ "resourceType": "Device" }))),
        ("use-context", "a5t1|referral|servicerequest-request|new".to_owned()),
    ];
    let mut ask = world.request(BARS, "POST", PATH);
    for (name, value) in all {
        let value = changed.iter().find(|(other, _)| *other == name).map_or(value, |(_, value)| value.clone());
        if !value.is_empty() {
            ask = ask.header(name, value);
        }
    }
    world.send(ask.body(message(usize::try_from(request).unwrap()).to_string())).await
}

#[tokio::test]
async fn a_header_that_is_missing_or_wrong_is_named_and_nothing_is_stored() {
    let world = World::quiet().await;
    let before = world.store().content_hash().await.unwrap();
    let text = |text: &str| text.to_owned();
    let bad = |issue: &str| is(400, issue, "REC_BAD_REQUEST");
    let nhs_number = "9990000018";
    let cases = [
        ("x-request-id", text(""), bad("required")),
        ("x-request-id", text("1"), bad("value")),
        ("x-correlation-id", text(""), bad("required")),
        ("x-correlation-id", text("talk"), bad("value")),
        ("nhsd-target-identifier", text(""), bad("required")),
        ("nhsd-target-identifier", text("%"), bad("structure")),
        ("nhsd-target-identifier", encoded(&json!({ "system": nhs_number })), bad("structure")),
        ("nhsd-target-identifier", encoded(&json!([nhs_number])), bad("structure")),
        ("nhsd-target-identifier", target("VCSE2"), bad("invariant")),
        ("nhsd-end-user-organisation", text(""), bad("required")),
        ("nhsd-end-user-organisation", text("bm8ganNvbg=="), bad("structure")),
        ("nhsd-end-user-organisation", encoded(&json!({ "resourceType": "Organization" })), bad("structure")),
        ("nhsd-end-user-organisation", end_user("A82001"), is(403, "forbidden", "REC_FORBIDDEN")),
        ("nhsd-requesting-software", text("%"), bad("structure")),
        ("content-type", text("application/xml"), is(406, "processing", "REC_NOT_ACCEPTABLE")),
        ("content-type", text("application/fhir+json; version=2.0.0"), is(406, "processing", "REC_NOT_ACCEPTABLE")),
        ("accept", text("application/fhir+xml"), is(406, "processing", "REC_NOT_ACCEPTABLE")),
        ("accept", text("application/fhir+json; version=0.9.0"), is(406, "processing", "REC_NOT_ACCEPTABLE")),
    ];
    for (name, value, expected) in cases {
        let case = format!("{name}: {value}");
        let answer = with(&world, 1, &[(name, value)]).await;
        assert_eq!(told(&case, &answer), expected, "{case} {}", answer.text);
        assert!(!answer.text.contains(nhs_number), "{case}");
        assert_eq!(world.store().content_hash().await.unwrap(), before, "{case}");
    }
    // Both at once, where both are missing.
    let both = [("nhsd-target-identifier", String::new()), ("nhsd-end-user-organisation", String::new())];
    assert_eq!(with(&world, 1, &both).await.issues().len(), 2);
}

#[tokio::test]
async fn the_answer_is_in_the_version_that_was_asked_for() {
    let world = World::quiet().await;
    let versioned = |version: &str| format!("application/fhir+json; version={version}");
    for (request, accept, content, spoken) in [
        (1, versioned("1.2.0"), FHIR_JSON.to_owned(), versioned("1.2.0")),
        (2, FHIR_JSON.to_owned(), versioned("1.1.0"), versioned("1.1.0")),
        (
            5,
            FHIR_JSON.to_owned(),
            FHIR_JSON.to_owned(),
            "application/fhir+json; charset=utf-8; fhirVersion=4.0".to_owned(),
        ),
        (3, String::new(), versioned("1.1.0"), versioned("1.1.0")),
        (4, versioned("1.0.0"), versioned("1.4.0"), versioned("1.0.0")),
    ] {
        let answer = with(&world, request, &[("accept", accept), ("content-type", content)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, spoken.as_str()), "{}", answer.text);
    }
}

#[tokio::test]
async fn another_client_may_leave_the_headers_out_but_not_send_wrong_ones() {
    let world = World::quiet().await;
    let ask = || world.request(GP, "POST", PATH).header("content-type", FHIR_JSON).body(message(0).to_string());
    let answer = world.send(ask().header("nhsd-target-identifier", "%")).await;
    assert_eq!(told("wrong", &answer), is(400, "structure", "REC_BAD_REQUEST"));
    assert_eq!(world.send(ask()).await.status, 200);
}
