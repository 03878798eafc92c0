//! Recording consent: by whom, in what form, and that nobody gives themselves a consent that they are not entitled to.

use crate::support::{
    BARS, COLLECTOR, FHIR_JSON, FOREIGN, GOVERNANCE, GP, NEIGHBOUR, READER, RECORDER, SELF_REFERRAL, Sent, World,
    assert_valid, bundle, inside, referral_to,
};
use conformance_tests::generator::Expectation;
use serde_json::{Value, json};

const RECORDED_BY: &str = "https://vcse-gateway.example/fhir/StructureDefinition/consent-recorder";

/// A spoken consent of this patient to the recipient of the first synthetic referral, whole.
fn spoken(patient: &str) -> Value {
    let mut sent = bundle(0);
    let mut consent = inside(&mut sent, "Consent").clone();
    let members = consent.as_object_mut().unwrap();
    for element in ["id", "identifier", "organization", "verification", "sourceAttachment"] {
        members.remove(element);
    }
    consent["patient"] = json!({ "reference": patient });
    consent["performer"] = json!([{ "reference": patient }]);
    consent["dateTime"] = json!("2026-06-01T10:00:00+01:00");
    consent["extension"] = json!([{"url": RECORDED_BY, "valueReference": {"display": "Sam Example, link worker"}}]);
    consent["provision"]["actor"][0]["reference"].as_object_mut().unwrap().remove("reference");
    consent
}

/// A referral that waits for a consent.
async fn held(world: &World) -> Sent {
    let sent = world.submit(&referral_to("VCSE1", Expectation::NoConsent, 0).bundle).await;
    assert_eq!(sent.resource("Task")["status"], "on-hold");
    sent
}

async fn released(world: &World, sent: &Sent) -> Value {
    world.move_task(&sent.path("Task"), "requested").await.json()
}

#[tokio::test]
async fn a_recorder_creates_reads_finds_and_withdraws_and_every_version_is_kept() {
    let world = World::quiet().await;
    let sent = held(&world).await;
    let patient = sent.reference("Patient");
    let create = world.request(RECORDER, "POST", "/fhir/Consent").header("content-type", FHIR_JSON);
    let mut consent = spoken(&patient);
    consent["identifier"] = json!([{"system": "https://practice.example/consents", "value": "7"}]);
    let create = create.header("if-none-exist", "identifier=https://practice.example/consents|7");
    let made = world.send(create.try_clone().unwrap().body(consent.to_string())).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_valid("the Consent", &made.text);
    let again = world.send(create.body(consent.to_string())).await;
    assert_eq!((again.status.as_u16(), again.json()["id"].clone()), (200, made.json()["id"].clone()));
    let path = format!("/fhir/Consent/{}", made.json()["id"].as_str().unwrap());
    // It counts at once: what waited for it goes when its sender says so.
    assert_eq!(released(&world, &sent).await["status"], "requested");
    let found = world.get(RECORDER, &format!("/fhir/Consent?patient={patient}&status=active")).await.json();
    assert_eq!(found["entry"][0]["resource"]["id"], made.json()["id"]);
    // A stale version is not overwritten; the newest is.
    let mut ended = made.json();
    ended["status"] = json!("inactive");
    for (version, status) in [("W/\"7\"", 412), ("W/\"1\"", 200)] {
        let put = world.request(RECORDER, "PUT", &path).header("content-type", FHIR_JSON).header("if-match", version);
        let answer = world.send(put.body(ended.to_string())).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    assert_eq!(world.get(GP, &format!("{path}/_history")).await.json()["total"], 2);
    assert_eq!(world.get(GP, &format!("{path}/_history/1")).await.json()["status"], "active");
    assert_eq!(world.task(&sent.path("Task")).await["status"], "cancelled");
    // That is all that it may do.
    let before = world.store().content_hash().await.unwrap();
    for (path, body) in [("/fhir", bundle(0)), ("/fhir/ServiceRequest", sent.resource("ServiceRequest").clone())] {
        assert_eq!(world.post(RECORDER, path, body.to_string()).await.status, 403, "{path}");
    }
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    world.stop().await;
}

#[tokio::test]
async fn nobody_else_records_consent() {
    let world = World::quiet().await;
    let sent = held(&world).await;
    let consent = spoken(&sent.reference("Patient"));
    let made = world.post(GP, "/fhir/Consent", consent.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = format!("/fhir/Consent/{}", made.json()["id"].as_str().unwrap());
    let before = world.store().content_hash().await.unwrap();
    for client in [COLLECTOR, READER, GOVERNANCE, SELF_REFERRAL] {
        let created = world.post(client, "/fhir/Consent", consent.to_string()).await;
        created.assert_refused(client);
        assert_eq!(created.status, 403, "{client}");
        let put = world.request(client, "PUT", &path).header("content-type", FHIR_JSON).body(made.text.clone());
        assert_eq!(world.send(put).await.status, 403, "{client}");
    }
    // Neither does it bring one in a Bundle; without it the referral waits.
    let answer = world.post(SELF_REFERRAL, "/fhir", bundle(1).to_string()).await;
    answer.assert_refused("a Bundle with a Consent");
    assert_eq!((answer.status.as_u16(), answer.issues()[0].0.as_str()), (403, "forbidden"));
    assert!(answer.issues()[0].1.starts_with("Bundle.entry["), "{}", answer.text);
    let told = world.post(SELF_REFERRAL, "/fhir/ServiceRequest/$preview", bundle(1).to_string()).await;
    assert_eq!(told.status, 403, "{}", told.text);
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    let without = referral_to("VCSE1", Expectation::NoConsent, 1).bundle.to_string();
    assert_eq!(world.post(SELF_REFERRAL, "/fhir", without).await.status, 201);
    world.stop().await;
}

#[tokio::test]
async fn a_consent_of_another_organisation_or_tenant_permits_nothing_here() {
    let world = World::quiet().await;
    let sent = held(&world).await;
    for client in [NEIGHBOUR, FOREIGN] {
        let by_reference = world.post(client, "/fhir/Consent", spoken(&sent.reference("Patient")).to_string()).await;
        by_reference.assert_refused(client);
        assert_eq!(by_reference.status, 422, "{client}: it answers as for a Patient that is not there");
        // By the number it can be stored, and is that client's own.
        let mut by_number = spoken("Patient/x");
        let number = sent.resource("Patient")["identifier"][0].clone();
        let person = json!({"identifier": {"system": number["system"], "value": number["value"]}});
        (by_number["patient"], by_number["performer"]) = (person.clone(), json!([person]));
        let made = world.post(client, "/fhir/Consent", by_number.to_string()).await;
        assert_eq!(made.status, 201, "{client}: {}", made.text);
        assert_eq!(released(&world, &sent).await["status"], "on-hold", "{client}");
        let path = format!("/fhir/Consent/{}", made.json()["id"].as_str().unwrap());
        assert_eq!(world.get(GP, &path).await.status, 404);
        // Neither does a refusal there stop anything here.
        by_number["provision"]["type"] = json!("deny");
        by_number["policyRule"]["coding"][0]["code"] = json!("OPTOUT");
        assert_eq!(world.post(client, "/fhir/Consent", by_number.to_string()).await.status, 201, "{client}");
    }
    let consent = world.post(GP, "/fhir/Consent", spoken(&sent.reference("Patient")).to_string()).await;
    assert_eq!(consent.status, 201);
    assert_eq!(released(&world, &sent).await["status"], "requested");
    world.stop().await;
}

#[tokio::test]
async fn a_spoken_consent_says_when_and_by_whom_it_was_recorded() {
    let world = World::quiet().await;
    let sent = held(&world).await;
    let whole = spoken(&sent.reference("Patient"));
    let without = |elements: &[&str]| {
        let mut consent = whole.clone();
        elements.iter().for_each(|element| drop(consent.as_object_mut().unwrap().remove(*element)));
        consent
    };
    let before = world.store().content_hash().await.unwrap();
    let mut nobody = whole.clone();
    nobody["extension"][0]["valueReference"] = json!({"type": "Practitioner"});
    let place = |element: &str| format!("Consent.{element}");
    for (consent, missing) in [
        (without(&["dateTime"]), vec![place("dateTime")]),
        (without(&["extension"]), vec![place("extension")]),
        (without(&["dateTime", "extension"]), vec![place("dateTime"), place("extension")]),
        (nobody, vec![place("extension")]),
    ] {
        for client in [GP, RECORDER] {
            let answer = world.post(client, "/fhir/Consent", consent.to_string()).await;
            answer.assert_refused("a spoken consent");
            let issues = answer.issues();
            assert!(issues.iter().all(|(code, _)| code == "required"), "{issues:?}");
            assert_eq!(issues.into_iter().map(|(_, place)| place).collect::<Vec<_>>(), missing, "{client}");
        }
    }
    // Inside a Bundle too, and it says in which entry.
    let mut referral = bundle(1);
    inside(&mut referral, "Consent").as_object_mut().unwrap().remove("sourceAttachment");
    let answer = world.post(GP, "/fhir", referral.to_string()).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.issues()[0].1.ends_with(".extension") && answer.issues()[0].1.starts_with("Bundle.entry["));
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    // What is written down needs neither, and to say no needs no form.
    let mut written = without(&["extension"]);
    written["sourceReference"] = json!({"display": "A form on paper"});
    let mut refusal = without(&["dateTime", "extension"]);
    refusal["provision"]["type"] = json!("deny");
    refusal["policyRule"]["coding"][0]["code"] = json!("OPTOUT");
    let mut ended = without(&["dateTime", "extension"]);
    ended["status"] = json!("inactive");
    for (case, consent) in [("whole", whole.clone()), ("written", written), ("refusal", refusal), ("ended", ended)] {
        let answer = world.post(GP, "/fhir/Consent", consent.to_string()).await;
        assert_eq!(answer.status, 201, "{case}: {}", answer.text);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_performer_without_standing_gives_no_consent() {
    let world = World::quiet().await;
    let sent = held(&world).await;
    // The charity that would receive does not agree for the person.
    let mut charity = spoken(&sent.reference("Patient"));
    charity["performer"] = json!([{"type": "Organization", "display": "Example Food Bank"}]);
    let answer = world.post(BARS, "/fhir/Consent", charity.to_string()).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    let answer = world.post(GP, "/fhir/Consent", charity.to_string()).await;
    answer.assert_refused("an organisation that consents");
    assert_eq!(answer.issues(), [("business-rule".to_owned(), "Consent.performer".to_owned())]);
    // A neighbour who claims to act for the person is recorded, and permits nothing: no standing is on record.
    let mut neighbour = spoken(&sent.reference("Patient"));
    neighbour["performer"] = json!([{"type": "RelatedPerson", "display": "A neighbour"}]);
    let answer = world.post(GP, "/fhir/Consent", neighbour.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(released(&world, &sent).await["status"], "on-hold");
    world.stop().await;
}

/// A Patient may be stored before its NHS number is known, and a Consent may name it by reference alone.
#[tokio::test]
async fn a_refusal_that_was_recorded_before_the_number_was_known_counts() {
    let world = World::quiet().await;
    let mut nameless = referral_to("VCSE1", Expectation::NoConsent, 0).bundle;
    inside(&mut nameless, "Patient").as_object_mut().unwrap().remove("identifier").unwrap();
    let first = world.submit(&nameless).await;
    let mut refusal = spoken(&first.reference("Patient"));
    refusal["provision"]["type"] = json!("deny");
    refusal["policyRule"]["coding"][0]["code"] = json!("OPTOUT");
    let refused = world.post(GP, "/fhir/Consent", refusal.to_string()).await;
    assert_eq!(refused.status, 201, "{}", refused.text);
    let mut patient = world.get(GP, &first.path("Patient")).await.json();
    patient["identifier"] = inside(&mut bundle(0), "Patient")["identifier"].clone();
    let entry = json!({"resource": patient, "request": {"method": "PUT", "url": first.reference("Patient")}});
    let known = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
    let known = world.post(GP, "/fhir", known.to_string()).await;
    assert!(known.status.is_success(), "{}", known.text);
    // The same person again, under a Patient of its own and with a permit.
    let second = world.submit(&bundle(0)).await;
    let task = second.resource("Task");
    assert_eq!(task["status"], "on-hold", "{task}");
    let words = task["statusReason"]["text"].as_str().unwrap();
    assert!(words.contains(refused.json()["id"].as_str().unwrap()), "the refusal is named: {words}");
    world.stop().await;
}
