//! What the gateway's codes and platforms' words mean, as FHIR.

use crate::support::{GP, READER, Setup, World};
use serde_json::{Value, json};

fn ids(bundle: &Value) -> Vec<&str> {
    bundle["entry"].as_array().into_iter().flatten().filter_map(|entry| entry["resource"]["id"].as_str()).collect()
}

#[tokio::test]
async fn codes_and_crosswalks_are_read_and_found() {
    let world = World::start(Setup { lanes: true, ..Setup::default() }).await;
    let system = world.get(READER, "/fhir/CodeSystem/business-status").await;
    assert_eq!(system.status, 200, "{}", system.text);
    let system = system.json();
    assert_eq!(system["url"], "https://vcse-gateway.example/fhir/CodeSystem/business-status");
    let codes: Vec<_> = system["concept"].as_array().unwrap().iter().filter_map(|one| one["code"].as_str()).collect();
    assert!(codes.contains(&"delivered") && codes.contains(&"unmapped"), "{codes:?}");

    // Of the adapters that this gateway uses, each once, although two platforms use one.
    let maps = world.get(GP, "/fhir/ConceptMap").await.json();
    assert_eq!(ids(&maps), ["fhir-task-business-status", "fhir-task-task-status"]);
    let url = "https://vcse-gateway.example/fhir/ConceptMap/fhir-task-task-status";
    let found = world.get(GP, &format!("/fhir/ConceptMap?url={url}&_count=5")).await.json();
    assert_eq!((found["total"].as_u64(), ids(&found)), (Some(1), vec!["fhir-task-task-status"]));
    let link = found["link"][0]["url"].as_str().unwrap();
    assert!(link.contains("ConceptMap?url=https%3A%2F%2F") && !link.contains("_count"), "{link}");
    let by_post = world.request(GP, "POST", "/fhir/CodeSystem/_search");
    let by_post = world
        .send(by_post.header("content-type", "application/x-www-form-urlencoded").body("_id=none,business-status"))
        .await;
    assert_eq!(ids(&by_post.json()), ["business-status"]);
    let map = world.get(GP, "/fhir/ConceptMap/fhir-task-task-status").await.json();
    assert_eq!(map, found["entry"][0]["resource"]);
    // Every word that is translated to a business status is one of the system's.
    let business = world.get(GP, "/fhir/ConceptMap/fhir-task-business-status").await.json();
    for element in business["group"][0]["element"].as_array().unwrap() {
        assert!(codes.contains(&element["target"][0]["code"].as_str().unwrap()), "{element}");
    }

    assert_eq!(world.get(GP, "/fhir/ConceptMap/none").await.status, 404);
    assert_eq!(world.get("nobody", "/fhir/CodeSystem").await.status, 401);
    let strict = world.request(GP, "GET", "/fhir/CodeSystem?name=x").header("prefer", "handling=strict");
    assert_eq!(world.send(strict).await.status, 400);
    let capability = world.get(GP, "/fhir/metadata").await.json();
    let resources = capability["rest"][0]["resource"].as_array().unwrap();
    let own = resources.iter().find(|one| one["type"] == "ConceptMap").unwrap();
    assert_eq!(own["interaction"], json!([{ "code": "read" }, { "code": "search-type" }]));
    world.stop().await;
}
