//! The same list over FHIR, for clinical systems.

use super::desk::Desk;
use crate::support::{COLLECTOR, FOREIGN, GP, NEIGHBOUR, OPERATOR, READER, assert_valid};
use gateway_core::work_item::{ACCOUNT, EXTENSION};
use serde_json::{Value, json};

const LIST: &str = "/fhir/Task/$work-list";

async fn tasks(desk: &Desk, token: &str, query: &str) -> Vec<String> {
    let answer = desk.world.get(token, &format!("{LIST}{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    assert_valid(query, &answer.text);
    let bundle = answer.json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    assert_eq!(bundle["total"], entries.len(), "{bundle}");
    entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_clinical_system_reads_the_same_list_and_settles_it() {
    let desk = Desk::open().await;
    let (held, declined) = (desk.held(0).await, desk.referral(1, |_| {}).await);
    desk.said(&declined, "rejected", "declined-capacity", "full").await;
    let quiet = desk.referral(2, |_| {}).await;
    let mut both = [held.clone(), declined.clone()];
    both.sort();
    let mut listed = tasks(&desk, GP, "").await;
    listed.sort();
    assert_eq!(listed, both);
    assert_eq!(tasks(&desk, READER, "").await.len(), 2);
    let answer = desk.world.get(GP, &format!("{LIST}?cause=declined")).await.json();
    let search = &answer["entry"][0]["search"];
    assert_eq!((&answer["entry"][0]["resource"]["id"], &search["mode"]), (&json!(declined), &json!("match")));
    let said: Vec<&Value> = search["extension"].as_array().unwrap().iter().collect();
    assert_eq!(said[0]["valueCoding"]["code"], "declined");
    let acts: Vec<_> = said.iter().filter_map(|one| one["valueCode"].as_str()).collect();
    assert_eq!(acts, ["re-refer", "settle", "hand-over"]);
    assert_eq!(tasks(&desk, GP, "?cause=no-route,question").await, std::slice::from_ref(&held));
    assert_eq!(
        tasks(&desk, GP, "?owner:identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fods-organization-code%7CVCSE9").await,
        [""; 0]
    );
    let owner = desk.task(&declined).await["owner"].clone();
    if let Some(reference) = owner["reference"].as_str() {
        assert_eq!(tasks(&desk, GP, &format!("?owner={reference}")).await, std::slice::from_ref(&declined));
    }
    // It hands over and settles by the Task itself.
    let path = format!("/fhir/Task/{declined}");
    let assigned = json!({ "url": "assigned-to", "valueIdentifier": { "system": ACCOUNT, "value": "anna" } });
    let put = desk.world.change(&path, |task| {
        let extension = json!({ "url": EXTENSION, "extension": [assigned] });
        match task["extension"].as_array_mut() {
            Some(all) => all.push(extension),
            None => task["extension"] = json!([extension]),
        }
    });
    assert_eq!(put.await.status, 200);
    assert_eq!(tasks(&desk, GP, "?assigned-to=anna").await, std::slice::from_ref(&declined));
    let anna = desk.enter("anna").await;
    assert!(desk.get(&anna, "?whose=mine").await.text.contains(&declined));
    let put = desk.world.change(&path, |task| {
        let all = task["extension"].as_array_mut().unwrap();
        let own = all.iter_mut().find(|one| one["url"] == EXTENSION).unwrap();
        own["extension"].as_array_mut().unwrap().push(json!({ "url": "settle", "valueCode": "resolved" }));
    });
    let put = put.await;
    assert_eq!(put.status, 200, "{}", put.text);
    assert!(
        put.text.contains("settled-by") && put.text.contains("client/gp") && !put.text.contains("\"settle\""),
        "{}",
        put.text
    );
    assert_eq!(tasks(&desk, GP, "").await, [held]);
    assert!(!tasks(&desk, GP, "").await.contains(&quiet));
    desk.world.stop().await;
}

#[tokio::test]
async fn others_read_another_list_or_none() {
    let desk = Desk::open().await;
    desk.held(0).await;
    for token in [NEIGHBOUR, FOREIGN] {
        assert_eq!(tasks(&desk, token, "").await, [""; 0], "{token}");
    }
    for (token, status) in [(COLLECTOR, 403), (OPERATOR, 403), ("", 401), ("nobody", 401)] {
        let answer = desk.world.get(token, LIST).await;
        assert_eq!(answer.status, status, "{token}");
        answer.assert_refused(token);
    }
    for query in ["?cause=odd", "?colour=red", "?_count=many", "?assigned-to=A%20B"] {
        let answer = desk.world.get(GP, &format!("{LIST}{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        answer.assert_refused(query);
    }
    let statement = desk.world.get("", "/fhir/metadata").await.text;
    assert!(statement.contains("OperationDefinition/Task-work-list"), "{statement}");
    desk.world.stop().await;
}
