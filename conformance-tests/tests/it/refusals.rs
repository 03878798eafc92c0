//! Every rule of the platform has a request that breaks it, and the platform refuses that request and stores nothing.

use conformance_tests::platform::FhirPlatform;
use serde_json::{Value, json};

use crate::support::{self, ORDER, call, client, part, platform, post, referral};

async fn refused(platform: &FhirPlatform, bundle: &Value, expression: &str) {
    let got = post(platform, bundle).await;
    assert_eq!(got.status, 422, "{expression}: {}", got.body);
    assert!(got.expressions().contains(&expression), "{expression} not in {:?}", got.expressions());
    assert_eq!((platform.count("Patient"), platform.count("Task")), (0, 0), "all or nothing");
}

#[tokio::test]
async fn a_whole_referral_is_taken() {
    let platform = platform().await;
    let got = post(&platform, &referral("k1")).await;
    assert_eq!(got.status, 200, "{}", got.body);
    assert_eq!(got.body["type"], "transaction-response");
    let location = got.body["entry"][0]["response"]["location"].as_str().unwrap();
    assert!(location.starts_with("Task/") && location.ends_with("/_history/1"), "{location}");
    let task = platform.resource("Task", &platform.tasks()[0].id).unwrap();
    assert!(task["focus"]["reference"].as_str().unwrap().starts_with("ServiceRequest/"));
    assert_eq!(platform.tasks()[0].key.as_deref(), Some("k1"));
}

#[tokio::test]
async fn each_rule_of_the_task_profile_is_enforced() {
    let platform = platform().await;
    for element in ["status", "intent", "code", "focus", "for", "authoredOn", "requester", "identifier"] {
        let mut bundle = referral("k1");
        part(&mut bundle, "Task").as_object_mut().unwrap().remove(element);
        refused(&platform, &bundle, &format!("Task.{element}")).await;
    }
    let wrong = [
        ("status", json!("ready"), "Task.status"),
        ("status", json!("accepted"), "Task.status"),
        ("status", json!("done"), "Task.status"),
        ("intent", json!("plan"), "Task.intent"),
        ("code", json!({ "text": "do it" }), "Task.code"),
        ("focus", json!({ "reference": support::PATIENT }), "Task.focus"),
        ("for", json!({ "reference": ORDER }), "Task.for"),
        ("requester", json!({ "reference": support::PATIENT }), "Task.requester"),
        ("authoredOn", json!("yesterday"), "Task.authoredOn"),
        ("statusReason", json!({ "coding": [{ "code": "x" }] }), "Task.statusReason.text"),
        ("output", json!([{ "type": { "text": "x" }, "valueString": "y" }]), "Task.output"),
        ("requestedPerformer", json!([]), "Task.requestedPerformer"),
        ("modifierExtension", json!([{ "url": "urn:x" }]), "Task.modifierExtension"),
        ("owner", json!({ "reference": "Organization/nobody" }), "Task.owner.reference"),
    ];
    for (element, value, expression) in wrong {
        let mut bundle = referral("k1");
        part(&mut bundle, "Task")[element] = value;
        refused(&platform, &bundle, expression).await;
    }
}

#[tokio::test]
async fn each_rule_of_the_order_is_enforced() {
    let platform = platform().await;
    let wrong = [
        ("intent", json!("order"), "ServiceRequest.intent"),
        ("basedOn", json!([]), "ServiceRequest.basedOn"),
        ("status", json!("running"), "ServiceRequest.status"),
        ("status", Value::Null, "ServiceRequest.status"),
        ("subject", json!({ "reference": support::SENDER }), "ServiceRequest.subject"),
        ("code", Value::Null, "ServiceRequest.orderDetail"),
    ];
    for (element, value, expression) in wrong {
        let mut bundle = referral("k1");
        let order = part(&mut bundle, "ServiceRequest");
        order["orderDetail"] = json!([{ "text": "by telephone" }]);
        order[element] = value;
        refused(&platform, &bundle, expression).await;
    }
    let mut bundle = referral("k1");
    let order = part(&mut bundle, "ServiceRequest").as_object_mut().unwrap();
    order.remove("category");
    order.remove("code");
    refused(&platform, &bundle, "ServiceRequest.category").await;
}

#[tokio::test]
async fn a_task_for_somebody_else_than_the_subject_is_refused() {
    let platform = platform().await;
    let mut bundle = referral("k1");
    let other = "urn:uuid:00000000-0000-4000-8000-000000000009";
    let entry = json!({
        "fullUrl": other,
        "resource": { "resourceType": "Patient", "name": [{ "family": "Other" }] },
        "request": { "method": "POST", "url": "Patient" },
    });
    bundle["entry"].as_array_mut().unwrap().push(entry);
    part(&mut bundle, "Task")["for"] = json!({ "reference": other });
    refused(&platform, &bundle, "Task.for").await;
}

#[tokio::test]
async fn each_rule_of_the_consent_is_enforced() {
    let platform = platform().await;
    let whole = json!({
        "resourceType": "Consent", "status": "active", "scope": { "text": "x" }, "category": [{ "text": "x" }],
        "patient": { "reference": support::PATIENT }, "dateTime": "2026-06-01", "policyRule": { "text": "x" },
        "organization": [{ "reference": support::SENDER }], "sourceAttachment": { "title": "x" },
    });
    let with = |consent: Value| {
        let mut bundle = referral("k1");
        let entry = json!({ "resource": consent, "request": { "method": "POST", "url": "Consent" } });
        bundle["entry"].as_array_mut().unwrap().push(entry);
        bundle
    };
    for (element, expression) in [
        ("scope", "Consent.scope"),
        ("dateTime", "Consent.dateTime"),
        ("organization", "Consent.organization"),
        ("sourceAttachment", "Consent.source[x]"),
        ("policyRule", "Consent"),
    ] {
        let mut consent = whole.clone();
        consent.as_object_mut().unwrap().remove(element);
        refused(&platform, &with(consent), expression).await;
    }
    let mut two = whole.clone();
    two["organization"] = json!([{ "reference": support::SENDER }, { "reference": support::SENDER }]);
    refused(&platform, &with(two), "Consent.organization").await;
    assert_eq!(post(&platform, &with(whole)).await.status, 200);
}

#[tokio::test]
async fn faults_are_reported_together() {
    let platform = platform().await;
    let mut bundle = referral("k1");
    part(&mut bundle, "Task")["intent"] = json!("plan");
    part(&mut bundle, "Task").as_object_mut().unwrap().remove("authoredOn");
    part(&mut bundle, "ServiceRequest")["intent"] = json!("order");
    let got = post(&platform, &bundle).await;
    assert_eq!(got.expressions(), ["Task.authoredOn", "Task.intent", "ServiceRequest.intent"]);
}

#[tokio::test]
async fn callers_without_token_or_media_type_are_refused() {
    let platform = platform().await;
    let post = || client().post(platform.base_url()).body(referral("k1").to_string());
    let got = post().header("content-type", "application/fhir+json").send().await.unwrap();
    assert_eq!(got.status(), 401);
    assert!(got.headers().contains_key("www-authenticate"));
    let wrong = post().bearer_auth("other").header("content-type", "application/fhir+json").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let plain = post().bearer_auth("platform-token").header("content-type", "text/xml").send().await.unwrap();
    assert_eq!(plain.status(), 415);
    let broken = client().post(platform.base_url()).bearer_auth("platform-token");
    let broken = broken.header("content-type", "application/fhir+json").body("{").send().await.unwrap();
    assert_eq!(broken.status(), 400);
    let open = client().get(format!("{}/metadata", platform.base_url())).send().await.unwrap();
    assert_eq!(open.status(), 200);
    assert_eq!(platform.requests().len(), 5);
}

#[tokio::test]
async fn misshapen_bundles_and_addresses_are_refused() {
    let platform = platform().await;
    let base = platform.base_url();
    let mut dangling = referral("k1");
    part(&mut dangling, "Task")["focus"] = json!({ "reference": "urn:uuid:00000000-0000-4000-8000-00000000000f" });
    assert_eq!(post(&platform, &dangling).await.status, 400);
    let mut collection = referral("k1");
    collection["type"] = json!("collection");
    assert_eq!(post(&platform, &collection).await.status, 400);
    let mut deleting = referral("k1");
    deleting["entry"][0]["request"]["method"] = json!("DELETE");
    assert_eq!(post(&platform, &deleting).await.status, 400);
    let mut twice = referral("k1");
    twice["entry"][1]["fullUrl"] = twice["entry"][0]["fullUrl"].clone();
    assert_eq!(post(&platform, &twice).await.status, 400);
    assert_eq!(post(&platform, &json!({ "resourceType": "Patient" })).await.status, 400);
    assert_eq!(call("GET", &format!("{base}/Task/none"), &[], None).await.status, 404);
    assert_eq!(call("GET", &format!("{base}/Spaceship"), &[], None).await.status, 404);
    assert_eq!(call("DELETE", &format!("{base}/Task/none"), &[], None).await.status, 405);
    assert_eq!(call("GET", &format!("{base}/Task?colour=blue"), &[], None).await.status, 400);
    assert_eq!(call("GET", &format!("{base}/Task?_lastUpdated=gesoon"), &[], None).await.status, 400);
    let patient = json!({ "resourceType": "Patient", "name": [{ "family": "A" }] });
    assert_eq!(call("POST", &format!("{base}/Task"), &[], Some(&patient)).await.status, 400);
    let slot = json!({ "resourceType": "Slot" });
    assert_eq!(call("POST", &format!("{base}/Slot"), &[], Some(&slot)).await.status, 422);
    assert_eq!(platform.count("Task"), 0);
}

#[tokio::test]
async fn an_update_needs_the_version_and_may_only_cancel() {
    let platform = platform().await;
    post(&platform, &referral("k1")).await;
    let id = platform.tasks()[0].id.clone();
    let url = format!("{}/Task/{id}", platform.base_url());
    let mut task = call("GET", &url, &[], None).await.body;
    assert_eq!(call("PUT", &url, &[], Some(&task)).await.status, 428);
    assert_eq!(call("PUT", &url, &[("if-match", "W/\"7\"")], Some(&task)).await.status, 412);
    let current = [("if-match", "W/\"1\"")];
    task["status"] = json!("completed");
    assert_eq!(call("PUT", &url, &current, Some(&task)).await.expressions(), ["Task.status"]);
    task["status"] = json!("requested");
    task["output"] = json!([{ "type": { "text": "x" }, "valueString": "y" }]);
    assert_eq!(call("PUT", &url, &current, Some(&task)).await.expressions(), ["Task.output"]);
    task.as_object_mut().unwrap().remove("output");
    task["status"] = json!("cancelled");
    task["id"] = json!("another");
    assert_eq!(call("PUT", &url, &current, Some(&task)).await.status, 400);
    task["id"] = json!(id);
    let done = call("PUT", &url, &current, Some(&task)).await;
    assert_eq!((done.status, done.headers["etag"].to_str().unwrap()), (200, "W/\"2\""));
    task["status"] = json!("requested");
    let reopened = call("PUT", &url, &[("if-match", "W/\"2\"")], Some(&task)).await;
    assert_eq!((reopened.status, reopened.expressions()), (422, vec!["Task.status"]));
    assert!(platform.settled());
}

#[tokio::test]
async fn an_update_inside_a_transaction_keeps_the_same_rules() {
    let platform = platform().await;
    post(&platform, &referral("k1")).await;
    let id = platform.tasks()[0].id.clone();
    let mut task = platform.resource("Task", &id).unwrap();
    let put = |task: &Value, version: &str| {
        let request = json!({ "method": "PUT", "url": format!("Task/{id}"), "ifMatch": version });
        json!({ "resourceType": "Bundle", "type": "transaction", "entry": [{ "resource": task, "request": request }] })
    };
    task["status"] = json!("completed");
    assert_eq!(post(&platform, &put(&task, "W/\"1\"")).await.status, 422);
    task["status"] = json!("cancelled");
    assert_eq!(post(&platform, &put(&task, "W/\"4\"")).await.status, 412);
    task["id"] = json!("another");
    assert_eq!(post(&platform, &put(&task, "W/\"1\"")).await.status, 400);
    assert_eq!(platform.tasks()[0].status, "requested");
    task["id"] = json!(id);
    assert_eq!(post(&platform, &put(&task, "W/\"1\"")).await.status, 200);
    assert_eq!((platform.tasks()[0].status.as_str(), platform.tasks()[0].version), ("cancelled", 2));
}
