//! Each class of fault once, on documents that are otherwise valid.

use super::*;
use crate::{IssueCode, Severity};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The faults of a document as (code, place).
fn faults(document: &Value) -> Vec<(IssueCode, String)> {
    let issues = resource(&Json::from(document.clone()));
    issues.into_iter().map(|issue| (issue.code, issue.expression.unwrap_or_default())).collect()
}

/// A valid resource with some members replaced or added.
fn with(mut document: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn patient(changes: Value) -> Value {
    with(json!({ "resourceType": "Patient", "id": "p1", "birthDate": "1970-01-01" }), changes)
}

fn service_request(changes: Value) -> Value {
    let base = json!({
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": { "reference": "Patient/1" }
    });
    with(base, changes)
}

fn without(mut document: Value, name: &str) -> Value {
    document.as_object_mut().unwrap().remove(name);
    document
}

fn expect(cases: Vec<(Value, IssueCode, &str)>) {
    for (document, code, place) in cases {
        assert_eq!(faults(&document), [(code, place.to_owned())], "{document}");
    }
}

fn expect_valid(documents: Vec<Value>) {
    for document in documents {
        assert_eq!(faults(&document), [], "{document}");
    }
}

#[test]
fn structure() {
    use IssueCode::Structure;
    expect(vec![
        (json!([]), Structure, "Resource"),
        (json!("x"), Structure, "Resource"),
        (json!({}), Structure, "Resource.resourceType"),
        (json!({ "resourceType": 1 }), Structure, "Resource.resourceType"),
        (json!({ "resourceType": "DomainResource" }), Structure, "Resource.resourceType"),
        (json!({ "resourceType": "Citation" }), Structure, "Resource.resourceType"),
        (patient(json!({ "nickname": "x" })), Structure, "Patient.nickname"),
        (patient(json!({ "_nickname": {} })), Structure, "Patient._nickname"),
        (patient(json!({ "_name": [{ "id": "a" }] })), Structure, "Patient._name"),
        (patient(json!({ "<script>": "x" })), Structure, "Patient"),
        (patient(json!({ "x".repeat(65): "x" })), Structure, "Patient"),
        (
            patient(json!({ "name": [{ "resourceType": "HumanName", "text": "a" }] })),
            Structure,
            "Patient.name[0].resourceType",
        ),
        (patient(json!({ "birthDate": 1970 })), Structure, "Patient.birthDate"),
        (patient(json!({ "active": "true" })), Structure, "Patient.active"),
        (patient(json!({ "name": { "text": "a" } })), Structure, "Patient.name"),
        (patient(json!({ "birthDate": ["1970"] })), Structure, "Patient.birthDate"),
        (patient(json!({ "maritalStatus": "M" })), Structure, "Patient.maritalStatus"),
        (patient(json!({ "name": [] })), Structure, "Patient.name"),
        (patient(json!({ "name": [{}] })), Structure, "Patient.name[0]"),
        (patient(json!({ "name": [{ "text": "" }] })), Structure, "Patient.name[0].text"),
        (patient(json!({ "name": [null] })), Structure, "Patient.name[0]"),
        (patient(json!({ "birthDate": null })), Structure, "Patient.birthDate"),
        (patient(json!({ "name": [{ "given": ["a", null] }] })), Structure, "Patient.name[0].given[1]"),
        (patient(json!({ "deceasedBoolean": true, "deceasedDateTime": "2020" })), Structure, "Patient.deceased"),
        (patient(json!({ "deceasedString": "x" })), Structure, "Patient.deceasedString"),
    ]);
    let twice = Json::Object(vec![
        ("resourceType".to_owned(), Json::string("Patient")),
        ("gender".to_owned(), Json::string("male")),
        ("gender".to_owned(), Json::string("female")),
    ]);
    assert_eq!(resource(&twice).len(), 1, "a member given twice");
}

#[test]
fn cardinality_values_and_bindings() {
    use IssueCode::{CodeInvalid, Required, Value};
    let condition = |status| json!({ "resourceType": "Condition", "subject": { "reference": "Patient/1" }, "clinicalStatus": status });
    let clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical";
    expect(vec![
        (without(service_request(json!({})), "status"), Required, "ServiceRequest.status"),
        (without(service_request(json!({})), "subject"), Required, "ServiceRequest.subject"),
        (patient(json!({ "communication": [{ "preferred": true }] })), Required, "Patient.communication[0].language"),
        (
            json!({ "resourceType": "Bundle", "type": "collection", "link": [{ "relation": "self" }] }),
            Required,
            "Bundle.link[0].url",
        ),
        (patient(json!({ "birthDate": "2023-02-29" })), Value, "Patient.birthDate"),
        (patient(json!({ "id": "a b" })), Value, "Patient.id"),
        (patient(json!({ "multipleBirthInteger": 1.5 })), Value, "Patient.multipleBirth"),
        (
            patient(json!({ "contact": [{ "name": { "given": ["a", " "] } }] })),
            Value,
            "Patient.contact[0].name.given[1]",
        ),
        (patient(json!({ "gender": "m" })), CodeInvalid, "Patient.gender"),
        (
            condition(json!({ "coding": [{ "system": clinical, "code": "bogus" }] })),
            CodeInvalid,
            "Condition.clinicalStatus",
        ),
        (
            condition(json!({ "coding": [{ "system": "http://example.org", "code": "active" }] })),
            CodeInvalid,
            "Condition.clinicalStatus",
        ),
        (condition(json!({ "text": "active" })), CodeInvalid, "Condition.clinicalStatus"),
    ]);
    let why = json!({ "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown" }] });
    expect_valid(vec![
        patient(json!({})),
        with(without(service_request(json!({})), "status"), json!({ "_status": why })),
        patient(json!({ "name": [{ "given": ["a", null], "_given": [null, why] }] })),
        patient(json!({ "_birthDate": { "id": "a" } })),
        condition(why.clone()),
        condition(
            json!({ "coding": [{ "system": "http://example.org", "code": "x" }, { "system": clinical, "code": "active" }] }),
        ),
        condition(json!({ "coding": [{ "system": clinical, "code": "recurrence" }] })),
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "a", "valueMeta": { "versionId": "1" } }] }),
    ]);
    let twin_without_extension =
        with(without(service_request(json!({})), "status"), json!({ "_status": { "id": "a" } }));
    expect(vec![(twin_without_extension, IssueCode::Invariant, "ServiceRequest.status")]);
}

#[test]
fn extensions() {
    use IssueCode::{Extension, Invariant, Required};
    let known = "http://example.org/a";
    let top = |extension| patient(json!({ "extension": [extension] }));
    expect(vec![
        (top(json!({ "url": "relative", "valueString": "a" })), Invariant, "Patient.extension[0].url"),
        (top(json!({ "valueString": "a" })), Required, "Patient.extension[0].url"),
        (top(json!({ "url": known })), Invariant, "Patient.extension[0]"),
        (
            top(json!({ "url": known, "valueString": "a", "extension": [{ "url": "b", "valueCode": "c" }] })),
            Invariant,
            "Patient.extension[0]",
        ),
        (
            patient(json!({ "modifierExtension": [{ "url": known, "valueString": "a" }] })),
            Extension,
            "Patient.modifierExtension[0]",
        ),
        (
            patient(
                json!({ "contact": [{ "name": { "text": "a" }, "modifierExtension": [{ "url": known, "valueCode": "b" }] }] }),
            ),
            Extension,
            "Patient.contact[0].modifierExtension[0]",
        ),
        (patient(json!({ "name": [{ "id": "a" }] })), Invariant, "Patient.name[0]"),
    ]);
    expect_valid(vec![
        top(json!({ "url": known, "extension": [{ "url": "relative", "valueString": "a" }] })),
        top(json!({ "url": "urn:oid:1.2", "valueString": "a" })),
        top(json!({ "url": known, "_valueString": { "extension": [{ "url": known, "valueCode": "b" }] } })),
    ]);
}

#[test]
fn references() {
    use IssueCode::{Invariant, Value};
    let subject = |reference| service_request(json!({ "subject": reference }));
    expect(vec![
        (subject(json!({ "reference": "Organization/1" })), Value, "ServiceRequest.subject.reference"),
        (subject(json!({ "reference": "Nobody/1" })), Value, "ServiceRequest.subject.reference"),
        (subject(json!({ "reference": "Organization?identifier=1" })), Value, "ServiceRequest.subject.reference"),
        (subject(json!({ "type": "Organization", "display": "a" })), Value, "ServiceRequest.subject.type"),
        (subject(json!({ "type": "Group", "reference": "Patient/1" })), Value, "ServiceRequest.subject.type"),
        (subject(json!({ "reference": "#nobody" })), Invariant, "ServiceRequest.subject.reference"),
        (subject(json!({ "reference": "#" })), Invariant, "ServiceRequest.subject.reference"),
    ]);
    expect_valid(vec![
        subject(json!({ "reference": "https://example.org/fhir/Patient/1", "type": "Patient" })),
        subject(json!({ "reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0" })),
        subject(json!({ "identifier": { "value": "1" }, "type": "http://example.org/logical" })),
        service_request(json!({ "basedOn": [{ "reference": "ServiceRequest/1/_history/2" }] })),
        json!({ "resourceType": "Task", "status": "draft", "intent": "order", "focus": { "reference": "Basic/1" } }),
    ]);
}

#[test]
fn contained_resources() {
    use IssueCode::{Invariant, Required, Structure, Value};
    let holding = |contained: serde_json::Value| {
        service_request(json!({ "subject": { "reference": "#p" }, "contained": [contained] }))
    };
    let inner = |changes| with(json!({ "resourceType": "Patient", "id": "p" }), changes);
    let place = "ServiceRequest.contained[0]";
    expect(vec![
        (holding(inner(json!({ "gender": 1 }))), Structure, "ServiceRequest.contained[0].gender"),
        (
            holding(inner(json!({ "contained": [{ "resourceType": "Basic", "id": "b" }] }))),
            Invariant,
            "ServiceRequest.contained[0].contained[0]",
        ),
        (holding(inner(json!({ "meta": { "versionId": "1" } }))), Invariant, "ServiceRequest.contained[0].meta"),
        (
            holding(inner(json!({ "meta": { "lastUpdated": "2024-01-01T00:00:00Z" } }))),
            Invariant,
            "ServiceRequest.contained[0].meta",
        ),
        (
            holding(inner(json!({ "meta": { "security": [{ "code": "R" }] } }))),
            Invariant,
            "ServiceRequest.contained[0].meta",
        ),
        (service_request(json!({ "contained": [inner(json!({}))] })), Invariant, place),
        (service_request(json!({ "contained": [{ "resourceType": "Patient" }] })), Invariant, place),
        (
            service_request(
                json!({ "subject": { "reference": "#o" }, "contained": [{ "resourceType": "Organization", "id": "o", "name": "a" }] }),
            ),
            Value,
            "ServiceRequest.subject.reference",
        ),
        (
            service_request(
                json!({ "subject": { "reference": "#p" }, "contained": [inner(json!({})), inner(json!({}))] }),
            ),
            Invariant,
            "ServiceRequest.contained[1]",
        ),
        // An id is known only in its own container.
        (
            json!({ "resourceType": "Bundle", "type": "collection", "entry": [
                { "resource": holding(inner(json!({}))) },
                { "resource": service_request(json!({ "subject": { "reference": "#p" } })) }
            ] }),
            Invariant,
            "Bundle.entry[1].resource.subject.reference",
        ),
        (
            json!({ "resourceType": "Bundle", "type": "collection", "entry": [{ "resource": without(service_request(json!({})), "intent") }] }),
            Required,
            "Bundle.entry[0].resource.intent",
        ),
    ]);
    expect_valid(vec![
        holding(inner(json!({ "meta": { "profile": ["http://example.org/p"] } }))),
        service_request(json!({ "contained": [
            { "resourceType": "Provenance", "id": "x", "target": [{ "reference": "#" }], "recorded": "2024-01-01T00:00:00Z",
              "agent": [{ "who": { "reference": "Patient/1" } }] }
        ] })),
        service_request(
            json!({ "instantiatesUri": ["#b"], "contained": [{ "resourceType": "Basic", "id": "b", "code": { "text": "a" } }] }),
        ),
    ]);
}

#[test]
fn codes_and_identifiers_by_form() {
    use IssueCode::Value;
    let identifier =
        |system: &str, value: &str| patient(json!({ "identifier": [{ "system": system, "value": value }] }));
    let place = "Patient.identifier[0].value";
    let coded =
        |code| service_request(json!({ "code": { "coding": [{ "system": "http://snomed.info/sct", "code": code }] } }));
    expect(vec![
        (identifier("https://fhir.nhs.uk/Id/nhs-number", "9434765918"), Value, place),
        (identifier("https://FHIR.nhs.uk/id/NHS-number", "943476591"), Value, place),
        (identifier("https://fhir.nhs.uk/Id/ods-organization-code", "a b"), Value, place),
        (
            service_request(
                json!({ "subject": { "identifier": { "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "1" } } }),
            ),
            Value,
            "ServiceRequest.subject.identifier.value",
        ),
        (coded("871691000000101"), Value, "ServiceRequest.code.coding[0].code"),
    ]);
    expect_valid(vec![
        identifier("https://fhir.nhs.uk/Id/nhs-number", "9434765919"),
        identifier("https://fhir.nhs.uk/Id/ods-organization-code", "A81001"),
        identifier("https://example.org/other", "9434765918"),
        coded("871691000000100"),
    ]);
}

#[test]
fn narrative_is_checked_in_place() {
    let told = |div: &str| patient(json!({ "text": { "status": "generated", "div": div } }));
    expect(vec![(
        told("<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>1</script></div>"),
        IssueCode::Invariant,
        "Patient.text.div",
    )]);
    expect_valid(vec![told("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>")]);
}

#[test]
fn all_faults_are_told_at_once_and_none_repeats_a_value() {
    let secret = "Hidden";
    let document = patient(json!({
        "id": format!("{secret} 1"), "birthDate": secret, "gender": secret, "active": secret, "name": [{ "use": secret }],
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": secret }],
        "managingOrganization": { "reference": format!("{secret}/1") },
        "extension": [{ "url": secret }],
        format!("{secret}-{secret}"): 1
    }));
    let issues = resource(&Json::from(document));
    assert_eq!(issues.len(), 10, "{issues:#?}");
    for issue in issues {
        assert_eq!(issue.severity, Severity::Error);
        assert!(!format!("{issue:?}").contains(secret), "{issue:?}");
    }
}

#[test]
fn a_prefix_stands_for_the_type() {
    let issues = resource_at(&Json::from(patient(json!({ "gender": "m" }))), "Bundle.entry[2].resource");
    assert_eq!(issues[0].expression.as_deref(), Some("Bundle.entry[2].resource.gender"));
    let issues = resource_at(&Json::Null, "Bundle.entry[2].resource");
    assert_eq!(issues[0].expression.as_deref(), Some("Bundle.entry[2].resource"));
}

#[test]
fn depth_and_number_of_faults_are_bounded() {
    let mut extension = json!({ "url": "http://example.org/a", "valueCode": "a" });
    for _ in 0..60 {
        extension = json!({ "url": "http://example.org/a", "extension": [extension] });
    }
    assert_eq!(faults(&patient(json!({ "extension": [extension.clone()] }))), []);
    for _ in 0..60 {
        extension = json!({ "url": "http://example.org/a", "extension": [extension] });
    }
    let found = faults(&patient(json!({ "extension": [extension] })));
    assert!(matches!(found.as_slice(), [(IssueCode::Structure, _)]), "{found:?}");

    let issues = resource(&Json::from(patient(json!({ "name": vec![json!({}); 2000] }))));
    assert_eq!(issues.len(), MAX_ISSUES + 1);
    assert_eq!(issues.last().map(|last| last.severity), Some(Severity::Information));
}

/// Names that R4 knows somewhere, so that the pass gets past the first level.
const NAMES: &str = "resourceType id _id extension modifierExtension url valueString valueReference contained meta text \
    div status subject reference type identifier system value code coding entry resource fullUrl period start end \
    component item answer low high valueQuantity occurrenceTiming repeat name given _given _";

/// Texts that some rule looks at.
const TEXTS: &str = "Patient Bundle ServiceRequest Observation Parameters transaction http://snomed.info/sct \
    https://fhir.nhs.uk/Id/nhs-number #a # Patient/1 Nobody?x";

fn word(words: &'static str) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

fn any_document() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "-?[0-9.eE+-]{0,6}".prop_map(Json::Number),
        ".{0,12}".prop_map(Json::String),
        "[-0-9TZ:.+]{0,26}".prop_map(Json::String),
        "<div xmlns=\"http://www.w3.org/1999/xhtml\">[<>/a-z&;\"= !-]{0,16}(</div>)?".prop_map(Json::String),
        word(TEXTS).prop_map(Json::String),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let members = prop::collection::vec((word(NAMES), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Json::Array),
            members.clone().prop_map(Json::Object),
            (word(TEXTS), members).prop_map(|(kind, mut members)| {
                members.push(("resourceType".to_owned(), Json::String(kind)));
                Json::Object(members)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(document in any_document()) {
        let _ = resource(&document);
        let _ = resource_at(&document, "Bundle.entry[0].resource");
    }
}
