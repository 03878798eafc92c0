//! A restricted person: whatever a sender writes into a referral, nothing that could tell the place is in what the
//! adapter is given.

use crate::columns::read;
use adapter_contract::{DataClass, DataNeed, IdempotencyKey};
use gateway_core::consent::{Decision, Reason, Verdict};
use gateway_core::minimise::{Minimised, Source, minimise};
use gateway_core::withdraw::ends_consent;
use gateway_fhir::Json;
use serde_json::{Value, json};

const RESTRICTED: &str = r#"patient={"meta":{"security":[$conf:R]}}"#;

/// Declares all that there is, extensions as well.
const ALL: [&str; 12] = [
    "ServiceRequest",
    "Patient",
    "Task",
    "Observation",
    "Location",
    "Organization",
    "RelatedPerson",
    "Patient.extension",
    "Patient.name.extension",
    "Patient.birthDate.extension",
    "ServiceRequest.extension",
    "ServiceRequest.code.extension",
];

fn need(path: &str) -> DataNeed {
    DataNeed { path: path.to_owned(), class: DataClass::Need, needed: false }
}

/// A referral with `canary` in every place that could tell where the person is, and `stays` where none is told.
fn sent(consent: &str, question: &str) -> (Decision, Minimised) {
    let mut asked = read(consent, question);
    let place = json!([{"url": "urn:place", "valueString": "canary"}]);
    let set = |resource: &mut Json, members: Value| {
        let Value::Object(members) = members else { panic!("an object") };
        for (name, value) in members {
            resource.set(&name, value.into());
        }
    };
    set(
        &mut asked.patient,
        json!({
            "text": {"status": "generated", "div": "<div>canary</div>"}, "extension": place,
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018",
                "assigner": {"display": "canary"}}],
            "name": [{"family": "stays-family", "text": "canary", "extension": place}],
            "_birthDate": {"extension": place}, "gender": "female",
            "address": [{"line": ["canary"]}], "telecom": [{"system": "phone", "value": "canary"}],
            "contact": [{"address": {"city": "canary"}}], "photo": [{"title": "canary"}],
            "generalPractitioner": [{"reference": "Organization/gp", "display": "canary"}],
            "managingOrganization": {"display": "canary"}, "link": [{"other": {"display": "canary"}}],
            "maritalStatus": {"text": "canary"},
            "communication": [{"language": {"text": "canary", "coding": [{"code": "stays-language"}]}}],
        }),
    );
    set(
        &mut asked.service_request,
        json!({
            "extension": place, "identifier": [{"system": "urn:canary", "value": "1"}],
            "category": [{"coding": [{"system": "urn:needs", "code": "company", "display": "stays-display"}], "text": "canary"}],
            "code": {"text": "canary", "coding": [{"code": "befriending", "extension": place}], "extension": place},
            "subject": {"reference": "Patient/p", "display": "canary", "identifier": {"value": "canary"}},
            "requester": {"reference": "Organization/gp", "display": "canary"},
            "performer": [{"display": "canary"}], "locationCode": [{"text": "canary"}],
            "locationReference": [{"reference": "Location/home"}], "note": [{"text": "canary"}],
            "patientInstruction": "canary", "reasonCode": [{"text": "canary", "coding": [{"code": "stays-reason"}]}],
            "supportingInfo": [{"display": "canary"}],
            "reasonReference": [{"reference": "Condition/c", "display": "canary"}], "encounter": {"display": "canary"},
            "orderDetail": [{"text": "canary", "coding": [{"code": "stays-detail"}]}],
        }),
    );
    set(
        &mut asked.task,
        json!({
            "focus": {"reference": "ServiceRequest/sr", "display": "canary"}, "description": "canary", "note": [{"text": "canary"}], "requester": {"display": "canary"},
            "owner": {"display": "canary"}, "location": {"display": "canary"}, "reasonCode": {"text": "canary"},
            "for": {"reference": "Patient/p", "display": "canary"}, "statusReason": {"text": "canary"},
            "input": [{"type": {"text": "canary"}, "valueString": "canary"}], "priority": "urgent",
            "restriction": {"period": {"end": "2026-07-01"}, "recipient": [{"display": "canary"}]},
        }),
    );
    let other = |kind: &str, id: &str| {
        let resource = json!({"resourceType": kind, "id": id, "name": "canary", "address": {"city": "canary"}});
        (format!("{kind}/{id}"), Json::from(resource))
    };
    asked.related.extend([other("Organization", "gp"), other("Location", "home"), other("RelatedPerson", "sister")]);
    asked.reread();
    let decision = asked.decide();
    let source = Source {
        service_request: &asked.service_request,
        patient: &asked.patient,
        task: &asked.task,
        related: &asked.related,
        withheld: &decision.withheld,
    };
    let minimised = minimise(&source, &ALL.map(need), &IdempotencyKey("key".to_owned())).expect("nothing is needed");
    (decision, minimised)
}

#[test]
fn no_whereabouts_of_a_restricted_person_are_in_what_the_adapter_is_given() {
    let (decision, minimised) = sent("C label=[$conf:R]", RESTRICTED);
    let text = minimised.referral.bundle();
    assert_eq!(decision.verdict, Verdict::Permit, "{decision:?}");
    assert!(!text.contains("canary"), "{text}");
    for stays in ["family", "language", "display", "reason", "detail"] {
        assert!(text.contains(&format!("stays-{stays}")), "{stays}: {text}");
    }
    for stays in ["9990000018", "befriending", "1986-01-01", "female", "urgent", "2026-07-01"] {
        assert!(text.contains(stays), "{stays}: {text}");
    }
    let bundle: Value = serde_json::from_str(text).unwrap();
    let kinds: Vec<&str> = bundle["entry"].as_array().unwrap().iter().map(kind).collect();
    assert_eq!(kinds, ["ServiceRequest", "Patient", "Task"], "nobody else's record");
    assert!(decision.withheld.iter().all(|one| matches!(one.reason, Reason::Whereabouts | Reason::Hint)));
    let address = decision.withheld.iter().find(|one| one.path == "Patient.address").unwrap();
    assert_eq!((address.reason.code(), address.rule), ("whereabouts", "R7:restricted-patient"));
}

fn kind(entry: &Value) -> &str {
    entry["resource"]["resourceType"].as_str().unwrap_or_default()
}

#[test]
fn the_same_referral_of_another_person_keeps_them() {
    let (decision, minimised) = sent("C label=[$conf:R]", "notes-sent");
    assert_eq!(decision.word(), "permit");
    let count = minimised.referral.bundle().matches("canary").count();
    assert!(count > 30, "the canaries would be found if they were there: {count}");
}

#[test]
fn what_is_needed_and_goes_is_told_to_a_person_with_the_reason() {
    let words = |needs: &str| {
        let asked = read("C label=[$conf:R]", &format!("{RESTRICTED} needs={needs}"));
        let decision = asked.decide();
        assert_eq!(decision.verdict, Verdict::Deny, "{needs}");
        decision.words(&str::to_owned)
    };
    assert!(words("Patient.telecom").contains("labelled restricted"), "{}", words("Patient.telecom"));
    // Not restricted, and needed: the label is not the reason.
    let label = r#"{"url":"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label","valueCoding":$conf:R}"#;
    let asked = read("C", &format!(r#"patient={{"telecom":[{{"extension":[{label}]}}]}} needs=Patient.telecom"#));
    assert!(!asked.decide().words(&str::to_owned).contains("record is labelled"));
}

#[test]
fn what_a_consent_gave_ends_with_it_also_where_silence_could_not_have_given_it() {
    // H gives care, and of a restricted person it may have nothing without a Consent.
    for (consent, reason, consented, ends) in [
        ("C actor=[@H] label=[$conf:R]", Reason::Permitted, true, false),
        // Narrower than before, and still a permit.
        ("C actor=[@H]", Reason::RestrictedPatient, true, false),
        ("C actor=[@D] label=[$conf:R]", Reason::RestrictedPatient, false, true),
        ("none", Reason::RestrictedPatient, false, true),
        ("C actor=[@H] label=[$conf:R] status=inactive", Reason::Withdrawn, false, true),
    ] {
        let decision = read(consent, &format!("{RESTRICTED} to=H")).decide();
        assert_eq!((&decision.reason, decision.consented), (&reason, consented), "{consent}");
        assert_eq!(ends_consent(&decision), ends, "{consent}");
    }
    let decision = read("C actor=[@H]", "to=H needs=Patient.telecom patient={\"telecom\":[{\"extension\":[{\"url\":\"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label\",\"valueCoding\":$conf:R}]}]}").decide();
    assert_eq!(
        (&decision.reason, ends_consent(&decision)),
        (&Reason::NeededField, false),
        "an element, not the Consent"
    );
}
