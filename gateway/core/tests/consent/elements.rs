//! From the decision to the document: what consent withholds does not exist in what the adapter is given, and the reason
//! is kept for whoever explains the loss.

use crate::columns::read;
use crate::question::Asked;
use adapter_contract::{DataClass, DataNeed, IdempotencyKey};
use gateway_core::consent::{Decision, Reason, Verdict, Withheld, referral_items};
use gateway_core::minimise::{Minimised, MissingNeeded, Source, holds_withheld, minimise};
use gateway_fhir::Json;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const EVERYTHING: [&str; 6] = ["ServiceRequest", "Patient", "Task", "Observation", "Condition", "Location"];

fn needs(paths: &[&str]) -> Vec<DataNeed> {
    paths.iter().map(|path| DataNeed { path: (*path).to_owned(), class: DataClass::Need, needed: false }).collect()
}

fn sent(asked: &Asked, needs: &[DataNeed]) -> (Decision, Result<Minimised, MissingNeeded>) {
    let decision = asked.decide();
    let source = Source {
        service_request: &asked.service_request,
        patient: &asked.patient,
        task: &asked.task,
        related: &asked.related,
        withheld: &decision.withheld,
    };
    let minimised = minimise(&source, needs, &IdempotencyKey("key".to_owned()));
    (decision, minimised)
}

fn resources(minimised: &Minimised) -> Vec<Value> {
    let bundle: Value = serde_json::from_str(minimised.referral.bundle()).expect("a Bundle");
    bundle["entry"].as_array().expect("entries").iter().map(|entry| entry["resource"].clone()).collect()
}

const LABEL: &str = r#"{"url":"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label","valueCoding":$conf:R}"#;

#[test]
fn a_labelled_address_is_gone_with_all_that_tells_the_place() {
    let question = format!(
        r#"with=home,plain patient={{"address":[{{"extension":[{LABEL}],"postalCode":"canary-1"}},{{"postalCode":"canary-2"}}],"contact":[{{"name":{{"text":"canary-3"}}}}]}} request={{"locationReference":[{{"reference":"Location/home"}}],"note":[{{"text":"canary-4"}}]}} notes-sent"#
    );
    let asked = read("C", &question);
    let (decision, minimised) = sent(&asked, &needs(&EVERYTHING));
    let minimised = minimised.unwrap();
    assert_eq!(decision.word(), "redact");
    let text = minimised.referral.bundle();
    assert!(!text.contains("canary") && !text.contains("Flat 2"), "{text}");
    assert!(text.contains("Sample") && text.contains("07700 900123") && text.contains("befriending"), "{text}");
    for (path, reason) in [
        ("Patient.address", Reason::RestrictedItem),
        ("Patient.contact", Reason::Hint),
        ("Location", Reason::Hint),
        ("ServiceRequest.locationReference", Reason::Hint),
        ("ServiceRequest.category.text", Reason::Hint),
        ("ServiceRequest.note", Reason::Hint),
    ] {
        let found = minimised.withheld.iter().find(|one| one.path == path);
        assert_eq!(found.map(|one| one.reason), Some(reason), "{path}: {:?}", minimised.withheld);
        assert!(minimised.removed.iter().any(|removed| removed == path), "{path}");
    }
    // Of what was not there nothing is told.
    assert!(!minimised.withheld.iter().any(|one| one.path == "ServiceRequest.bodySite.text"));
}

#[test]
fn a_withheld_resource_is_gone_and_its_words_with_it() {
    let asked = read("C", "with=hiv,plain withhold=hiv");
    let (decision, minimised) = sent(&asked, &needs(&EVERYTHING));
    let minimised = minimised.unwrap();
    let all = resources(&minimised);
    let kinds: Vec<&str> = all.iter().map(|one| one["resourceType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ServiceRequest", "Patient", "Observation", "Task"]);
    assert_eq!(all[0]["category"][0]["coding"][0]["code"], "company");
    assert!(!minimised.referral.bundle().contains("canary") && !minimised.referral.bundle().contains("hiv"));
    assert_eq!(all[0]["reasonReference"].as_array().unwrap().len(), 1);
    let condition = Withheld {
        resource: "Condition/hiv".to_owned(),
        path: "Condition".to_owned(),
        reason: Reason::WithheldGroup,
        rule: "R7:code-list",
        consent: None,
    };
    assert!(decision.withheld.contains(&condition) && minimised.withheld.contains(&condition));
}

#[test]
fn the_consent_in_the_way_is_named_with_what_it_withholds() {
    let asked = read(r#"C ; C type=deny class=[$type:Condition]"#, "with=mh,plain");
    let (decision, minimised) = sent(&asked, &needs(&EVERYTHING));
    let minimised = minimised.unwrap();
    let found = minimised.withheld.iter().find(|one| one.reason != Reason::Hint).unwrap();
    assert_eq!((found.path.as_str(), found.reason, found.rule), ("Condition", Reason::Conflict, "R6:conflict"));
    assert_eq!(found.consent, Some(("c1".to_owned(), 1)));
    assert_eq!(decision.decisive, Some(("c0".to_owned(), 1)));
}

#[test]
fn only_what_would_have_been_sent_is_told() {
    let asked = read("C", "with=hiv,plain withhold=hiv");
    let (_, minimised) = sent(&asked, &needs(&["ServiceRequest.code", "Patient.name"]));
    assert!(minimised.unwrap().withheld.is_empty(), "the adapter reads neither conditions nor texts of the category");
}

#[test]
fn what_is_needed_and_withheld_stops_it_twice() {
    let question = format!(r#"patient={{"address":[{{"extension":[{LABEL}],"postalCode":"canary"}}]}}"#);
    let asked = read("C", &question);
    let needed = [DataNeed { path: "Patient.address".to_owned(), class: DataClass::Contact, needed: true }];
    let (decision, minimised) = sent(&asked, &needed);
    assert_eq!(decision.verdict, Verdict::Permit, "the engine was not told what is needed");
    assert_eq!(minimised.unwrap_err().paths, ["Patient.address"], "the minimiser asks by itself");
}

#[test]
fn the_code_that_forbids_contact_stays() {
    let question = format!(
        r#"request={{"orderDetail":[{{"extension":[{LABEL}],"coding":[{{"system":"urn:sdoh","code":"contacting-subject-prohibited","display":"canary"}},{{"code":"canary"}}]}},{{"text":"canary"}}]}}"#
    );
    let asked = read("C", &question);
    let (_, minimised) = sent(&asked, &needs(&EVERYTHING));
    let minimised = minimised.unwrap();
    let kept = json!([{"coding": [{"system": "urn:sdoh", "code": "contacting-subject-prohibited"}]}]);
    assert_eq!(resources(&minimised)[0]["orderDetail"], kept);
    assert!(!minimised.referral.bundle().contains("canary"));
    assert!(minimised.withheld.iter().any(|one| one.path == "ServiceRequest.orderDetail"));
}

#[test]
fn a_permit_without_exceptions_withholds_nothing() {
    let asked = read("C", "with=plain");
    let (decision, minimised) = sent(&asked, &needs(&EVERYTHING));
    assert_eq!((decision.word(), decision.withheld.len()), ("permit", 0));
    assert!(minimised.unwrap().withheld.is_empty());
    let path: Vec<&str> = decision.rule_path.iter().map(String::as_str).collect();
    assert_eq!((path[0], path[path.len() - 1]), ("R2:status", "R12:actor"));
}

#[test]
fn what_was_published_and_is_withheld_now_is_found() {
    let withheld = |path: &str| Withheld {
        resource: "Patient/theirs".to_owned(),
        path: path.to_owned(),
        reason: Reason::RestrictedItem,
        rule: "R7:label",
        consent: None,
    };
    let published: Json =
        json!({"resourceType": "Patient", "id": "ours", "address": [{"city": "x"}], "_birthDate": {}}).into();
    for (path, holds) in [
        ("Patient.address", true),
        ("Patient.address.city", true),
        ("Patient.birthDate", true),
        ("Patient", true),
        ("Patient.telecom", false),
        ("Patient.address.line", false),
        ("Person.address", false),
        ("PatientX", false),
    ] {
        assert_eq!(holds_withheld(&published, &[withheld(path)], &needs(&["Patient"])), holds, "{path}");
    }
    assert!(!holds_withheld(&published, &[], &needs(&["Patient"])));
    // What the adapter does not read it has put there itself.
    for (declared, holds) in [("Patient.birthDate", false), ("Patient.address.line", true), ("Task", false)] {
        assert_eq!(
            holds_withheld(&published, &[withheld("Patient.address")], &needs(&[declared])),
            holds,
            "{declared}"
        );
    }
}

#[test]
fn a_referral_is_all_that_it_leads_to() {
    let asked = read("C", "with=plain,home");
    let mut observation: Value = asked.related[0].1.to_value();
    observation["hasMember"] =
        json!([{"reference": "Observation/flag/_history/2"}, {"reference": "Observation/plain"}]);
    observation["focus"] = json!([{"reference": "Patient/other"}, {"reference": "Observation/gone"}]);
    let mut stored: BTreeMap<&str, Json> = BTreeMap::from([
        ("Observation/plain", observation.into()),
        ("Patient/other", json!({"resourceType": "Patient", "id": "other", "name": []}).into()),
    ]);
    for name in ["Observation/flag", "Location/home"] {
        stored.extend(crate::world::directory(name).map(|document| (name, document)));
    }
    let lookup = |reference: &str| stored.get(reference);
    let items = referral_items(&asked.service_request, &asked.patient, &asked.task, &lookup);
    let mut names: Vec<&str> = items.iter().map(|item| item.resource.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        names,
        ["Location/home", "Observation/flag", "Observation/plain", "Patient/p", "ServiceRequest/sr", "Task/t"]
    );
}
