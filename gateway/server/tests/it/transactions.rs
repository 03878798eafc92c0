//! Create and transaction: the same result in every order, every reference rewritten, what was sent kept as it was sent,
//! and the same request again never a second referral.

use crate::support::{BARS, FHIR_JSON, GP, Setup, World, assert_valid, bundle, entry_of, inside, referral_to};
use conformance_tests::generator::Expectation;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use time::macros::datetime;
use vcse_gateway::store::sqlite::SqliteStore;

/// Ids and `urn:uuid`s differ from run to run; what they name does not.
fn without_names(resource: &Value) -> Value {
    let mut resource = resource.clone();
    let fields = resource.as_object_mut().unwrap();
    fields.remove("id");
    fields.remove("meta");
    fields.remove("lastModified");
    let mut text = resource.to_string();
    // A reference is compared by its type.
    for kind in [
        "Patient",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "ServiceRequest",
        "Consent",
        "Observation",
        "Condition",
        "QuestionnaireResponse",
        "Task",
    ] {
        let mut parts = text.split(&format!("\"{kind}/")).map(str::to_owned).collect::<Vec<_>>();
        for part in parts.iter_mut().skip(1) {
            *part = part.split_once('"').map_or(String::new(), |(_, rest)| format!("\"{rest}"));
        }
        text = parts.join(&format!("\"{kind}/"));
    }
    serde_json::from_str(&text).unwrap()
}

fn by_kind(response: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in response["entry"].as_array().unwrap() {
        let resource = &entry["resource"];
        let kind = resource["resourceType"].as_str().unwrap().to_owned();
        found.entry(kind).or_default().push(without_names(resource).to_string());
    }
    found.values_mut().for_each(|list| list.sort());
    found
}

#[tokio::test]
async fn every_order_of_entries_gives_the_same_result() {
    let world = World::quiet().await;
    let original = bundle(0);
    let expected = by_kind(&world.submit(&original).await.response);
    let entries = original["entry"].as_array().unwrap().clone();
    for turn in 1..entries.len() {
        let mut turned = original.clone();
        let mut order = entries.clone();
        order.rotate_left(turn);
        turned["entry"] = json!(order);
        assert_eq!(by_kind(&world.submit(&turned).await.response), expected, "turned by {turn}");
        order.reverse();
        turned["entry"] = json!(order);
        let sent = world.submit(&turned).await;
        assert_eq!(by_kind(&sent.response), expected, "turned by {turn} and reversed");
        // The answer keeps the order of the request.
        let kinds = |entries: &[Value]| -> Vec<Value> {
            entries.iter().map(|entry| entry["resource"]["resourceType"].clone()).collect()
        };
        assert_eq!(kinds(sent.response["entry"].as_array().unwrap()), kinds(&order));
    }
}

#[tokio::test]
async fn urn_uuids_are_rewritten_in_every_element() {
    let world = World::quiet().await;
    let mut bundle = bundle(0);
    let full_url = |bundle: &mut Value, kind: &str| entry_of(bundle, kind)["fullUrl"].clone();
    let (patient, practice) = (full_url(&mut bundle, "Patient"), full_url(&mut bundle, "Organization"));
    let task = inside(&mut bundle, "Task");
    task["input"] = json!([
        { "type": { "text": "a" }, "valueReference": { "reference": patient } },
        { "type": { "text": "b" }, "valueUri": practice },
        { "type": { "text": "c" }, "extension": [{ "url": "https://a.example/x", "valueReference": { "reference": practice } }], "valueString": "x" },
    ]);
    task["extension"] = json!([{ "url": "https://a.example/outer", "extension": [
        { "url": "inner", "valueReference": { "reference": patient } }, { "url": "uri", "valueUri": practice }] }]);
    inside(&mut bundle, "ServiceRequest")["note"] =
        json!([{ "authorReference": { "reference": practice }, "text": format!("see {}", patient.as_str().unwrap()) }]);
    let sent = world.submit(&bundle).await;
    let text = world.get(GP, &sent.path("Task")).await.text;
    assert!(!text.contains("urn:uuid"), "{text}");
    let task: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(task["input"][0]["valueReference"]["reference"], sent.reference("Patient"));
    assert_eq!(task["extension"][0]["extension"][0]["valueReference"]["reference"], sent.reference("Patient"));
    for place in [&task["input"][1]["valueUri"], &task["extension"][0]["extension"][1]["valueUri"]] {
        assert!(place.as_str().unwrap().starts_with("Organization/"), "{place}");
    }
    // Prose is nobody's reference: it stays as it was written.
    let request = world.get(GP, &sent.path("ServiceRequest")).await.json();
    assert_eq!(request["note"][0]["text"], format!("see {}", patient.as_str().unwrap()));
    assert!(request["note"][0]["authorReference"]["reference"].as_str().unwrap().starts_with("Organization/"));
}

#[tokio::test]
async fn decimals_and_unknown_extensions_and_every_script_come_back_as_sent() {
    let world = World::quiet().await;
    let mut bundle = bundle(0);
    inside(&mut bundle, "Patient")["extension"] = json!([
        { "url": "https://vendor.example/unknown", "valueDecimal": 1111.5 },
        { "url": "https://vendor.example/other", "valueDecimal": 2222.5 },
        { "url": "https://vendor.example/third", "valueDecimal": 3333.5 },
    ]);
    let words = "שלום \u{202e}rtl\u{202c} 👩🏽‍🌾 e\u{301} é ﷽ 𠜎 \"quoted\" \\ </script> \u{2028}";
    inside(&mut bundle, "ServiceRequest")["note"] = json!([{ "text": words }]);
    inside(&mut bundle, "ServiceRequest")["authoredOn"] = json!("2026-06-15T12:00:00.123456789+05:30");
    let text = bundle
        .to_string()
        .replace("1111.5", "1.50")
        .replace("2222.5", "0.123456789012345678901234")
        .replace("3333.5", "1.0E-10");
    let sent = world.submit_text(text).await;
    let patient = world.get(GP, &sent.path("Patient")).await.text;
    for digits in
        ["\"valueDecimal\":1.50}", "\"valueDecimal\":0.123456789012345678901234}", "\"valueDecimal\":1.0E-10}"]
    {
        assert!(patient.contains(digits), "{digits}: {patient}");
    }
    assert!(patient.contains("https://vendor.example/unknown"));
    let request = world.get(GP, &sent.path("ServiceRequest")).await.json();
    assert_eq!(request["note"][0]["text"], words);
    assert_eq!(request["authoredOn"], "2026-06-15T12:00:00.123456789+05:30");
    // What the generator measured, in the digits that were measured.
    for nth in 0..6 {
        let referral = referral_to("VCSE1", Expectation::Delivered, nth);
        let sent = world.submit_text(referral.bundle_text()).await;
        let all = sent.response["entry"].as_array().unwrap();
        let mut texts = String::new();
        for entry in all {
            let place = entry["response"]["location"].as_str().unwrap();
            texts += &world.get(GP, place).await.text;
        }
        for digits in referral.decimals() {
            assert!(texts.contains(&format!(":{digits}")), "{digits}");
        }
    }
}

#[tokio::test]
async fn a_megabyte_of_narrative_and_long_ids_are_taken_and_given_back() {
    let world = World::quiet().await;
    let mut bundle = bundle(0);
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{}</p></div>", "é😀 ".repeat(150_000));
    inside(&mut bundle, "ServiceRequest")["text"] = json!({ "status": "additional", "div": div });
    let id = "a".repeat(64);
    let entry = entry_of(&mut bundle, "Organization");
    entry["resource"]["id"] = json!(id);
    entry["request"] = json!({ "method": "PUT", "url": format!("Organization/{id}") });
    let sent = world.submit(&bundle).await;
    assert_eq!(world.get(GP, &sent.path("ServiceRequest")).await.json()["text"]["div"], div);
    assert_eq!(world.get(GP, &format!("/fhir/Organization/{id}")).await.status, 200);
}

const CRITERIA: &str = "identifier=https://gp-system.example/fhir/Id/referral|";

fn criteria_of(bundle: &mut Value) -> String {
    let identifier = inside(bundle, "ServiceRequest")["identifier"][0]["value"].as_str().unwrap().to_owned();
    format!("{CRITERIA}{identifier}")
}

#[tokio::test]
async fn conditional_create_makes_one_finds_one_and_refuses_several() {
    let world = World::quiet().await;
    let mut bundle = bundle(0);
    let criteria = criteria_of(&mut bundle);
    for kind in ["ServiceRequest", "Task"] {
        let value = if kind == "Task" { format!("{criteria}/task") } else { criteria.clone() };
        entry_of(&mut bundle, kind)["request"]["ifNoneExist"] = json!(value);
    }
    let first = world.submit(&bundle).await;
    let again = world.post(GP, "/fhir", bundle.to_string()).await;
    assert_eq!(again.status, 200, "{}", again.text);
    let again = again.json();
    let location = |response: &Value, kind: &str| {
        let entries = response["entry"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["resource"]["resourceType"] == kind).unwrap();
        (entry["resource"]["id"].clone(), entry["response"]["status"].clone())
    };
    for kind in ["ServiceRequest", "Task"] {
        assert_eq!(location(&first.response, kind).0, location(&again, kind).0);
        assert_eq!(location(&again, kind).1, "200 OK");
    }
    assert_eq!(world.referrals().await.len(), 1);

    // A header does the same for a single resource.
    let stored = world.task(&first.path("ServiceRequest")).await;
    let single = |header: &str| {
        let post = world.request(GP, "POST", "/fhir/ServiceRequest").header("content-type", FHIR_JSON);
        post.header("if-none-exist", header).body(stored.to_string())
    };
    let found = world.send(single(&criteria)).await;
    assert_eq!((found.status.as_u16(), found.json()["id"].clone()), (200, stored["id"].clone()));
    let made = world.send(single("identifier=https://a.example|none")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    // Now there are two with that identifier.
    let several = world.send(single(&criteria)).await;
    several.assert_refused("several");
    assert_eq!(several.status, 412);
    assert_eq!(several.issues()[0].0, "multiple-matches");
    let in_bundle = world.post(GP, "/fhir", bundle.to_string()).await;
    assert_eq!(in_bundle.status, 412, "{}", in_bundle.text);
}

#[tokio::test]
async fn conditional_references_point_at_the_one_that_is_stored() {
    let world = World::quiet().await;
    let mut first = bundle(0);
    let criteria = criteria_of(&mut first);
    let sent = world.submit(&first).await;
    let mut second = bundle(0);
    inside(&mut second, "ServiceRequest")["identifier"][0]["value"] = json!("another-of-the-same-person");
    inside(&mut second, "ServiceRequest")["requester"] =
        json!({ "reference": "Organization?identifier=https://fhir.nhs.uk/Id/ods-organization-code|Y99999" });
    inside(&mut second, "ServiceRequest")["replaces"] = json!([{ "reference": format!("ServiceRequest?{criteria}") }]);
    let stored = world.submit(&second).await;
    let request = world.task(&stored.path("ServiceRequest")).await;
    assert_eq!(request["replaces"][0]["reference"], sent.reference("ServiceRequest"));
    assert!(request["requester"]["reference"].as_str().unwrap().starts_with("Organization/"), "{request}");
    // Two practices are stored by now: the same reference no longer names one.
    let mut third = second.clone();
    third["entry"].as_array_mut().unwrap().retain(|entry| entry["resource"]["resourceType"] != "Nothing");
    let answer = world.post(GP, "/fhir", third.to_string()).await;
    assert_eq!(answer.status, 412, "{}", answer.text);
    assert!(answer.issues().iter().any(|(code, _)| code == "multiple-matches"));
}

#[tokio::test]
async fn supporting_resources_are_put_and_referred_to_by_their_id() {
    let world = World::quiet().await;
    let mut bundle = bundle(0);
    let entry = entry_of(&mut bundle, "Organization");
    let full_url = entry["fullUrl"].clone();
    entry["resource"]["id"] = json!("practice-1");
    entry["request"] = json!({ "method": "PUT", "url": "Organization/practice-1" });
    entry["fullUrl"] = json!("https://gp-system.example/fhir/Organization/practice-1");
    let text = bundle.to_string().replace(full_url.as_str().unwrap(), "Organization/practice-1");
    world.submit_text(text.clone()).await;
    assert_eq!(world.task("/fhir/Organization/practice-1").await["meta"]["versionId"], "1");
    // The same again is its second version; a stale version is refused whole.
    world.submit_text(text.clone()).await;
    assert_eq!(world.task("/fhir/Organization/practice-1").await["meta"]["versionId"], "2");
    let mut stale: Value = serde_json::from_str(&text).unwrap();
    entry_of(&mut stale, "Organization")["request"]["ifMatch"] = json!("W/\"1\"");
    let before = world.store().content_hash().await.unwrap();
    let organization =
        stale["entry"].as_array().unwrap().iter().position(|entry| entry["request"]["ifMatch"].is_string());
    assert!(organization.is_some());
    assert_eq!(world.post(GP, "/fhir", stale.to_string()).await.status, 412);
    assert_eq!(world.store().content_hash().await.unwrap(), before);
}

#[tokio::test]
async fn fifty_identical_posts_at_once_make_one_referral() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("gateway.db")).unwrap());
    let world = Arc::new(World::start(Setup { store, ..Setup::default() }).await);
    let mut bundle = bundle(0);
    let criteria = criteria_of(&mut bundle);
    entry_of(&mut bundle, "ServiceRequest")["request"]["ifNoneExist"] = json!(criteria);
    entry_of(&mut bundle, "Task")["request"]["ifNoneExist"] = json!(format!("{criteria}/task"));
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, text) = (Arc::clone(&world), bundle.to_string());
        posts.spawn(async move { world.post(GP, "/fhir", text).await });
    }
    let answers = posts.join_all().await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let other: Vec<_> =
        answers.iter().filter(|answer| !answer.status.is_success()).map(|answer| &answer.text).collect();
    assert_eq!(created, 1, "{other:?}");
    assert!(other.is_empty(), "{other:?}");
    assert_eq!(world.referrals().await.len(), 1);
}

#[tokio::test]
async fn fifty_posts_at_once_under_one_request_id_make_one_referral_and_get_one_answer() {
    let world = Arc::new(World::quiet().await);
    let text = bundle(0).to_string();
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, text) = (Arc::clone(&world), text.clone());
        posts.spawn(async move {
            let post = world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON);
            world.send(post.header("x-request-id", "the-same").body(text)).await
        });
    }
    let answers = posts.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.text == answers[0].text));
    assert_eq!(world.referrals().await.len(), 1);
}

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer_and_another_under_its_id_is_refused() {
    let world = World::quiet().await;
    let text = bundle(0).to_string();
    let post = |body: &str| {
        let post = world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON);
        post.header("x-request-id", "r-1").header("x-correlation-id", "c-1").body(body.to_owned())
    };
    let first = world.send(post(&text)).await;
    assert_eq!(first.status, 201);
    let before = world.store().content_hash().await.unwrap();
    let again = world.send(post(&text)).await;
    assert_eq!(
        (again.status, &again.text, again.header("location")),
        (first.status, &first.text, first.header("location"))
    );
    assert_eq!(again.header("etag"), first.header("etag"));
    let other = world.send(post(&bundle(1).to_string())).await;
    other.assert_refused("another body");
    assert_eq!((other.status.as_u16(), other.issues()[0].0.as_str()), (409, "conflict"));
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    // A refused request is not remembered: mended, it goes through under the same id.
    let refused = |body: &str| {
        let post = world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON);
        post.header("x-request-id", "r-2").body(body.to_owned())
    };
    assert_eq!(world.send(refused("{}")).await.status, 400);
    assert_eq!(world.send(refused(&bundle(2).to_string())).await.status, 201);
    // An update again is the same update.
    let task = first.json()["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"].clone())
        .find(|one| one["resourceType"] == "Task")
        .unwrap();
    let path = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
    let mut cancelled = task.clone();
    cancelled["status"] = json!("cancelled");
    let put = || {
        let put = world.request(GP, "PUT", &path).header("content-type", FHIR_JSON).header("x-request-id", "r-3");
        put.header("if-match", "W/\"1\"").body(cancelled.to_string())
    };
    let one = world.send(put()).await;
    let two = world.send(put()).await;
    assert_eq!((one.status.as_u16(), two.status.as_u16(), one.text == two.text), (200, 200, true), "{}", two.text);
}

#[tokio::test]
async fn bars_needs_both_names_and_calls_the_same_request_a_duplicate() {
    let world = World::quiet().await;
    let text = bundle(0).to_string();
    let (request, conversation) = ("0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d11", "0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d12");
    let post = |names: &[(&str, &str)]| {
        let mut post = world.request(BARS, "POST", "/fhir").header("content-type", FHIR_JSON);
        for (name, value) in names {
            post = post.header(*name, *value);
        }
        post.body(text.clone())
    };
    for (names, code) in [
        (vec![], "required"),
        (vec![("x-request-id", request)], "required"),
        (vec![("x-correlation-id", conversation)], "required"),
        (vec![("x-request-id", "1"), ("x-correlation-id", conversation)], "value"),
    ] {
        let answer = world.send(post(&names)).await;
        answer.assert_refused("names");
        assert_eq!((answer.status.as_u16(), answer.issues()[0].0.as_str()), (400, code));
    }
    let both = [("x-request-id", request), ("x-correlation-id", conversation)];
    assert_eq!(world.send(post(&both)).await.status, 201);
    let again = world.send(post(&both)).await;
    again.assert_refused("again");
    assert_eq!((again.status.as_u16(), again.issues()[0].0.as_str()), (409, "duplicate"));
    assert_eq!(world.referrals().await.len(), 1);
}

#[tokio::test]
async fn names_are_echoed_on_every_answer_and_made_where_they_are_missing() {
    let world = World::quiet().await;
    for path in ["/fhir/metadata", "/fhir/Task", "/fhir/Task/none", "/nowhere", "/health/live", "/fhir/Task?_count=x"] {
        let sent = world.request(GP, "GET", path).header("x-request-id", "r.1").header("x-correlation-id", "c:1");
        let answer = world.send(sent).await;
        assert_eq!((answer.header("x-request-id"), answer.header("x-correlation-id")), ("r.1", "c:1"), "{path}");
        let answer = world.get("", path).await;
        assert_eq!(answer.header("x-request-id").len(), 36, "{path}");
        assert_ne!(answer.header("x-request-id"), answer.header("x-correlation-id"), "{path}");
    }
    let sent =
        world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON).header("x-correlation-id", "talk-7");
    world.send(sent.body(bundle(0).to_string())).await;
    assert_eq!(world.referral().await.correlation, "talk-7");
}

#[tokio::test]
async fn the_caller_chooses_what_comes_back() {
    let world = World::quiet().await;
    let post = |path: &str, prefer: &str, body: String| {
        world.request(GP, "POST", path).header("content-type", FHIR_JSON).header("prefer", prefer.to_owned()).body(body)
    };
    let full = world.send(post("/fhir", "return=representation", bundle(0).to_string())).await;
    assert_valid("transaction-response", &full.text);
    assert!(full.json()["entry"][0]["resource"].is_object());
    let minimal = world.send(post("/fhir", "return=minimal", bundle(1).to_string())).await;
    assert_eq!(minimal.status, 201);
    assert!(minimal.json()["entry"].as_array().unwrap().iter().all(|entry| entry.get("resource").is_none()));
    assert!(minimal.header("location").contains("/fhir/Task/"), "{:?}", minimal.headers);

    let service_request = {
        let mut all = bundle(0);
        let mut request = inside(&mut all, "ServiceRequest").clone();
        let mut patient = inside(&mut all, "Patient").clone();
        patient["id"] = json!("p");
        patient.as_object_mut().unwrap().remove("generalPractitioner");
        patient.as_object_mut().unwrap().remove("managingOrganization");
        request["contained"] = json!([patient]);
        request["subject"] = json!({ "reference": "#p" });
        for element in ["requester", "supportingInfo", "performer", "note"] {
            request.as_object_mut().unwrap().remove(element);
        }
        request.to_string()
    };
    let nothing = world.send(post("/fhir/ServiceRequest", "return=minimal", service_request.clone())).await;
    assert_eq!((nothing.status.as_u16(), nothing.text.as_str()), (201, ""), "{}", nothing.text);
    assert_eq!(nothing.header("etag"), "W/\"1\"");
    let outcome = world.send(post("/fhir/ServiceRequest", "return=OperationOutcome", service_request.clone())).await;
    assert_eq!(outcome.json()["resourceType"], "OperationOutcome");
    assert_valid("outcome", &outcome.text);
    let whole = world.send(post("/fhir/ServiceRequest", "", service_request)).await;
    let stored = whole.json();
    let location = format!("{}/fhir/ServiceRequest/{}/_history/1", world.origin, stored["id"].as_str().unwrap());
    assert_eq!(whole.header("location"), location);
    assert!(whole.header("last-modified").ends_with(" GMT"), "{:?}", whole.headers);
    assert_eq!(stored["meta"]["versionId"], "1");
    assert_eq!(world.get(GP, &location).await.text, whole.text);
}

#[tokio::test]
async fn a_service_request_with_a_contained_patient_then_its_task() {
    let world = World::quiet().await;
    let number = json!({ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018" });
    let request = json!({
        "resourceType": "ServiceRequest", "id": "ignored", "meta": { "versionId": "77", "lastUpdated": "2000-01-01T00:00:00Z" },
        "status": "active", "intent": "order", "code": { "text": "Befriending" },
        "contained": [{ "resourceType": "Patient", "id": "p", "identifier": [number], "birthDate": "1950-01-01" }],
        "subject": { "reference": "#p", "identifier": number },
    });
    let created = world.post(GP, "/fhir/ServiceRequest", request.to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let stored = created.json();
    assert_ne!(stored["id"], "ignored");
    assert_eq!(stored["meta"]["versionId"], "1");
    assert_eq!(stored["contained"], request["contained"]);
    let focus = format!("ServiceRequest/{}", stored["id"].as_str().unwrap());
    let task = json!({
        "resourceType": "Task", "status": "requested", "intent": "order", "focus": { "reference": focus },
        "for": { "identifier": number },
        "owner": { "identifier": { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "VCSE1" } },
    });
    let created = world.post(GP, "/fhir/Task", task.to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    // Nobody has said that it may be passed on.
    assert_eq!(created.json()["status"], "on-hold");
    assert_eq!(created.header("etag"), "W/\"2\"");
    assert_eq!(world.referral().await.platform.unwrap().0, "food");
}

#[tokio::test]
async fn without_consent_the_second_version_is_the_gateways_and_says_why() {
    let world = World::quiet().await;
    for expectation in [Expectation::NoConsent, Expectation::ConsentDenied] {
        let sent = world.submit(&referral_to("VCSE1", expectation, 0).bundle).await;
        let task = world.task(&sent.path("Task")).await;
        assert_eq!((task["status"].as_str(), task["meta"]["versionId"].as_str()), (Some("on-hold"), Some("2")));
        assert!(task["statusReason"]["text"].as_str().unwrap().starts_with("Nothing has been sent"), "{task}");
        assert!(task["meta"]["source"].as_str().unwrap().ends_with("#gateway"));
        let first = world.task(&format!("{}/_history/1", sent.path("Task"))).await;
        assert_eq!((first["status"].as_str(), first.get("businessStatus")), (Some("requested"), None));
        assert!(first["meta"]["source"].as_str().unwrap().ends_with("#client/gp"));
    }
    for referral in world.referrals().await {
        assert_eq!(referral.delivery.word(), "held");
        assert!(world.store().outbox(&referral.id).await.unwrap().is_empty());
        let actions: Vec<String> =
            world.store().audit(&referral.id).await.unwrap().into_iter().map(|line| line.action).collect();
        assert_eq!(actions, ["accept", "route", "consent-decision", "hold"]);
    }
}

#[tokio::test]
async fn the_received_bytes_are_kept_as_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.db");
    let store = Arc::new(SqliteStore::open(&file).unwrap());
    let world = World::start(Setup { store, ..Setup::default() }).await;
    let text = format!("  {}\n", referral_to("VCSE1", Expectation::Delivered, 1).bundle_text().replace("\":", "\" : "));
    let post = world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON).header("x-request-id", "keep-me");
    assert_eq!(world.send(post.body(text.clone())).await.status, 201);
    let rows = world.store().received(datetime!(9999-01-01 00:00 UTC), 10).await.unwrap();
    let (_, row) = rows.into_iter().find(|(_, row)| row.request_id == "keep-me").unwrap();
    assert_eq!(row.bytes, text.as_bytes());
    // They lie there encrypted.
    let lying: Vec<u8> = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("SELECT bytes FROM received WHERE request_id = 'keep-me'", [], |row| row.get(0))
        .unwrap();
    assert!(!lying.windows(12).any(|bytes| bytes == b"resourceType"));
    world.stop().await;
}
