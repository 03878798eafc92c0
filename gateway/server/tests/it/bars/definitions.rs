//! What is taken, as it is told: MessageDefinition and CapabilityStatement say what the code does.

use super::{is, message, post, told};
use crate::support::{BARS, GP, World, assert_valid};
use gateway_core::bars::PATTERNS;
use serde_json::{Value, json};

fn as_bars(world: &World, path: &str) -> reqwest::RequestBuilder {
    let ask = world.request(BARS, "GET", path);
    ask.header("x-request-id", super::guid(1)).header("x-correlation-id", super::guid(2))
}

#[tokio::test]
async fn each_kind_of_message_that_is_taken_is_listed_and_no_other() {
    let world = World::quiet().await;
    let answer = world.get(GP, "/fhir/MessageDefinition").await;
    assert_eq!(answer.status, 200);
    assert_valid("searchset", &answer.text);
    let listed = answer.json();
    let mut urls: Vec<&str> =
        listed["entry"].as_array().unwrap().iter().map(|entry| entry["resource"]["url"].as_str().unwrap()).collect();
    urls.sort_unstable();
    let mut expected: Vec<String> = PATTERNS.iter().map(|pattern| pattern.url()).collect();
    expected.sort_unstable();
    assert_eq!(urls, expected);
    for pattern in &PATTERNS {
        let one = world.get(GP, &format!("/fhir/MessageDefinition/{}", pattern.id)).await;
        assert_valid(pattern.id, &one.text);
        assert_eq!(one.json()["base"], pattern.national[0]);
    }
    assert_eq!(
        told("none", &world.get(GP, "/fhir/MessageDefinition/none").await),
        is(404, "not-found", "REC_NOT_FOUND")
    );
    let statement = world.get("", "/fhir/metadata").await.json();
    let messaging = &statement["messaging"][0];
    assert_eq!(messaging["endpoint"][0]["address"], format!("{}/fhir/$process-message", world.origin));
    let supported: Vec<&str> = messaging["supportedMessage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["definition"].as_str().unwrap())
        .collect();
    assert_eq!(supported, PATTERNS.iter().map(|pattern| pattern.url()).collect::<Vec<_>>());
    assert_eq!(statement["rest"][0]["operation"][0]["name"], "process-message");
}

#[tokio::test]
async fn a_bars_client_asks_for_a_service() {
    let world = World::quiet().await;
    for (query, expected) in
        [("", is(400, "required", "REC_BAD_REQUEST")), ("?context=ELSEWHERE", is(404, "not-found", "REC_NOT_FOUND"))]
    {
        let answer = world.send(as_bars(&world, &format!("/fhir/MessageDefinition{query}"))).await;
        assert_eq!(told(query, &answer), expected);
    }
    for context in ["VCSE1", "https%3A%2F%2Ffhir.nhs.uk%2FId%2Fods-organization-code%7CVCSE1"] {
        let path = format!("/fhir/MessageDefinition?context={context}&context=referral");
        let answer = world.send(as_bars(&world, &path)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["total"]), (200, &json!(PATTERNS.len())), "{context}");
    }
    assert_eq!(world.get(GP, "/fhir/MessageDefinition?context=ELSEWHERE").await.json()["total"], 0);
}

/// The listed cardinalities are the ones that are held: one too few or too many of each type is refused.
#[tokio::test]
async fn what_is_listed_is_what_is_held() {
    let world = World::quiet().await;
    let definition = world.get(GP, "/fhir/MessageDefinition/servicerequest-request-referral").await.json();
    let mut request = 100;
    for focus in definition["focus"].as_array().unwrap() {
        let kind = focus["code"].as_str().unwrap();
        if kind == "MessageHeader" {
            continue;
        }
        let mut without = message(0);
        let entries = without["entry"].as_array_mut().unwrap();
        let mut one = entries.iter().find(|entry| entry["resource"]["resourceType"] == kind).cloned();
        entries.retain(|entry| entry["resource"]["resourceType"] != kind);
        request += 1;
        let place = format!("Bundle.entry.resource.ofType({kind})");
        let answer = world.send(post(&world, request, &without)).await;
        let is_told = answer.json()["resourceType"] == "OperationOutcome"
            && answer.issues().iter().any(|(code, at)| code == "required" && *at == place);
        // The ServiceRequest is what everything hangs on: it is told as the missing focus.
        assert_eq!(is_told, focus["min"] != 0 && kind != "ServiceRequest", "{kind}: {}", answer.text);
        if focus["max"] == "*" {
            continue;
        }
        let Some(one) = &mut one else { continue };
        one["fullUrl"] = json!(format!("urn:uuid:{}", super::guid(700)));
        let mut more = message(0);
        more["entry"].as_array_mut().unwrap().push(one.clone());
        request += 1;
        let answer = world.send(post(&world, request, &more)).await;
        let issues = answer.issues();
        assert!(issues.iter().any(|(code, at)| code == "business-rule" && *at == place), "{kind}: {issues:?}");
    }
    assert!(definition["focus"].as_array().unwrap().iter().any(|focus: &Value| focus["code"] == "CarePlan"));
}
