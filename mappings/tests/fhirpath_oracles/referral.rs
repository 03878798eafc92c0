//! A referral Bundle of a synthetic person, and what mappings ask of one.

use serde_json::{Value, json};

/// The Bundle, and then the resources that the variables hold: `%patient`, `%request`, `%task`, `%observation`.
pub(crate) fn documents() -> Vec<Value> {
    let bundle = bundle();
    let resource = |place: usize| bundle["entry"][place]["resource"].clone();
    vec![bundle.clone(), resource(0), resource(1), resource(2), resource(5)]
}

pub(crate) fn variables() -> Vec<(String, usize)> {
    ["patient", "request", "task", "observation"]
        .iter()
        .zip(1..)
        .map(|(name, index)| ((*name).to_owned(), index))
        .collect()
}

fn entry(url: &str, resource: Value) -> Value {
    json!({"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}})
}

fn bundle() -> Value {
    json!({"resourceType": "Bundle", "type": "transaction", "timestamp": "2026-03-02T09:32:00Z", "entry": [
        entry("urn:uuid:00000000-0000-4000-8000-000000000001", patient()),
        entry("urn:uuid:00000000-0000-4000-8000-000000000002", request()),
        entry("urn:uuid:00000000-0000-4000-8000-000000000003", task()),
        entry("urn:uuid:00000000-0000-4000-8000-000000000004", json!({
            "resourceType": "PractitionerRole", "id": "role",
            "practitioner": {"reference": "Practitioner/dr"},
            "organization": {"reference": "https://gp.example.org/fhir/Organization/surgery"},
            "code": [{"coding": [{"system": "http://snomed.info/sct", "code": "62247001", "display": "GP"}]}]})),
        entry("https://gp.example.org/fhir/Organization/surgery", json!({
            "resourceType": "Organization", "id": "surgery", "name": "Example Surgery",
            "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A99999"}],
            "telecom": [{"system": "phone", "value": "0113 496 0001"}]})),
        entry("urn:uuid:00000000-0000-4000-8000-000000000006", json!({
            "resourceType": "Observation", "id": "score", "status": "final", "effectiveDateTime": "2026-02-20",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "763264000"}]},
            "valueQuantity": {"value": 7.5, "unit": "score", "system": "http://unitsofmeasure.org", "code": "{score}"}})),
        entry("https://gp.example.org/fhir/Practitioner/dr", json!({
            "resourceType": "Practitioner", "id": "dr",
            "name": [{"prefix": ["Dr"], "given": ["Sam"], "family": "Sample"}]})),
    ]})
}

fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "p1", "active": true,
        "extension": [{"url": "https://example.org/ethnic-category",
            "valueCodeableConcept": {"coding": [{"system": "https://example.org/ethnic", "code": "A"}]}}],
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"},
            {"system": "https://gp.example.org/id", "value": "123"}],
        "name": [{"use": "official", "prefix": ["Mrs"], "given": ["Anna", "Maria"], "family": "Example"},
            {"use": "nickname", "given": ["Annie"]}],
        "telecom": [{"system": "phone", "value": "07700 900123", "use": "mobile"},
            {"system": "email", "value": "anna@example.org"}, {"system": "phone", "value": "0113 496 0123", "use": "home"}],
        "gender": "female", "birthDate": "1948-05-17",
        "_birthDate": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
            "valueDateTime": "1948-05-17T04:30:00Z"}]},
        "address": [{"use": "home", "line": ["Flat 2", "12 Example Road"], "city": "Leeds", "postalCode": "LS1 1AA"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "pl", "display": "Polish"}]},
            "preferred": true}],
        "contact": [{"relationship": [{"text": "daughter"}], "name": {"family": "Example", "given": ["Ewa"]},
            "telecom": [{"system": "phone", "value": "07700 900456"}]}],
        "deceasedBoolean": false})
}

fn request() -> Value {
    json!({"resourceType": "ServiceRequest", "id": "s1", "status": "active", "intent": "order", "priority": "urgent",
        "contained": [{"resourceType": "Practitioner", "id": "in", "name": [{"family": "Inside"}]}],
        "identifier": [{"system": "https://example.org/referral", "value": "REF-2026-000123"}],
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "306238000"}]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}], "text": "Social prescribing"},
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"},
        "authoredOn": "2026-03-02T09:30:00+01:00",
        "requester": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000004"},
        "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "422587007", "display": "Loneliness"}],
            "text": "Feels alone, and would like a walking group near home."},
            {"coding": [{"system": "http://snomed.info/sct", "code": "248279007"}]}],
        "supportingInfo": [{"reference": "urn:uuid:00000000-0000-4000-8000-000000000006"}],
        "note": [{"text": "Please ring after 10. "}, {"text": "Has a dog."}],
        "performer": [{"display": "Leeds Link Workers"}]})
}

fn task() -> Value {
    json!({"resourceType": "Task", "id": "t1", "status": "requested", "intent": "order",
        "focus": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"},
        "authoredOn": "2026-03-02T09:30:00.250Z", "restriction": {"period": {"end": "2026-04-02"}},
        "input": [{"type": {"text": "contact preference"}, "valueString": "telephone"},
            {"type": {"text": "interpreter"}, "valueBoolean": true},
            {"type": {"text": "visits"}, "valuePositiveInt": 3}]})
}

/// What mappings ask, and how the others are asked where `resolve()` is theirs to fetch with.
pub(crate) const ASKED: &[(&str, Option<&str>)] = &[
    ("%patient.identifier.where(system = 'https://fhir.nhs.uk/Id/nhs-number').value.first()", None),
    ("%patient.name.where(use = 'official').family.first()", None),
    ("%patient.name.where(use = 'official').given.join(' ')", None),
    ("%patient.name.where(use = 'official').first().select(given.first() & ' ' & family)", None),
    ("%patient.name.given | %patient.contact.name.given", None),
    ("%patient.name.where(use = 'nickname').exists()", None),
    ("%patient.name.first().prefix.first() & ' ' & %patient.name.first().family", None),
    ("%patient.name.select(given.count())", None),
    ("%patient.name.all(given.exists())", None),
    ("%patient.name[1].given[0]", None),
    ("%patient.birthDate", None),
    ("%patient.birthDate.toString().substring(0, 4)", None),
    ("%patient.birthDate.toString().split('-').skip(1).first()", None),
    ("%patient.birthDate < @1960-01-01", None),
    ("%patient.birthDate <= @1948-05", None),
    (
        "%patient.birthDate.extension('http://hl7.org/fhir/StructureDefinition/patient-birthTime').value.ofType(dateTime)",
        None,
    ),
    ("%patient.extension('https://example.org/ethnic-category').value.ofType(CodeableConcept).coding.code", None),
    ("%patient.extension.where(url = 'https://example.org/none').exists()", None),
    ("%patient.gender in ('male' | 'female')", None),
    ("%patient.active and %patient.deceased.ofType(boolean).not()", None),
    ("%patient.telecom.where(system = 'phone' and use = 'mobile').value.first()", None),
    (
        "iif(%patient.telecom.where(use = 'mobile').exists(), %patient.telecom.where(use = 'mobile').value, %patient.telecom.where(system = 'phone').value).first()",
        None,
    ),
    ("%patient.telecom.where(system = 'phone').value.first().replace(' ', '')", None),
    ("%patient.telecom.where(system = 'phone').value.first().matches('^07[0-9]{3} ?[0-9]{6}$')", None),
    ("%patient.telecom.system.distinct().count()", None),
    ("%patient.telecom.where($index = 1).value", None),
    ("%patient.telecom.value.last()", None),
    ("%patient.telecom.take(2).value.tail()", None),
    ("%patient.address.first().line.join(', ')", None),
    ("%patient.address.first().postalCode.upper().replaceMatches('\\\\s+', '')", None),
    ("%patient.address.where(use = 'home').postalCode.first().startsWith('LS')", None),
    (
        "%patient.communication.where(preferred = true).language.coding.where(system = 'urn:ietf:bcp:47').code.first()",
        None,
    ),
    ("%patient.contact.relationship.text contains 'daughter'", None),
    ("%request.priority = 'urgent' or %request.priority = 'asap'", None),
    ("%request.priority != 'routine' implies %task.exists()", None),
    ("%request.reasonCode.text.first().length() > 40", None),
    ("%request.reasonCode.text.first().substring(0, 12) & '…'", None),
    ("%request.reasonCode.text.first().indexOf(',')", None),
    ("%request.reasonCode.coding.where(system = %sct).code", None),
    ("%request.reasonCode.coding.select(iif(display.exists(), display, code))", None),
    ("%request.reasonCode.coding.code.intersect('422587007' | '1')", None),
    ("%request.reasonCode.coding.code.exclude('422587007')", None),
    ("%request.note.text.select(trim()).join(' ')", None),
    ("%request.note.text.first().endsWith(' ')", None),
    ("%request.authoredOn.toDate()", None),
    ("%request.authoredOn = @2026-03-02T08:30:00Z", None),
    ("%request.authoredOn < %task.authoredOn", None),
    ("%request.category.coding.exists(code = '306238000')", None),
    ("%request.performer.display.first().lower()", None),
    ("%request.identifier.where(system = 'https://example.org/referral').single().value", None),
    ("%request.subject.reference", None),
    ("%request.contained.ofType(Practitioner).name.family", None),
    ("%task.input.where(type.text = 'interpreter').value.ofType(boolean).first()", None),
    ("%task.input.where(type.text = 'visits').value.ofType(integer).first() + 1", None),
    ("%task.input.value.ofType(string)", None),
    ("%task.input.where(value is boolean).type.text", None),
    ("%task.restriction.period.end.toString()", None),
    ("%observation.value.ofType(Quantity).value > 7", None),
    ("%observation.value.ofType(Quantity).value = 7.50", None),
    ("%observation.value.ofType(Quantity).unit", None),
    ("%observation.effective.ofType(dateTime)", None),
    ("Bundle.entry.resource.ofType(Organization).name", None),
    ("entry.where(resource is Practitioner).fullUrl", None),
    ("entry.resource.ofType(Observation).code.coding.code.first()", None),
    ("entry.count() - 2 * 3", None),
    ("entry.first().resource.ofType(Patient).name.given.first() = %patient.name.given.first()", None),
    (
        "%request.subject.resolve().ofType(Patient).name.first().family",
        Some("entry.where(fullUrl = %request.subject.reference).resource.name.first().family"),
    ),
    (
        "%request.requester.resolve().ofType(PractitionerRole).code.coding.code",
        Some("entry.where(fullUrl = %request.requester.reference).resource.code.coding.code"),
    ),
    (
        "%request.requester.resolve().ofType(PractitionerRole).organization.resolve().name",
        Some("entry.where(fullUrl = 'https://gp.example.org/fhir/Organization/surgery').resource.name"),
    ),
    (
        "%request.requester.resolve().ofType(PractitionerRole).practitioner.resolve().name.family",
        Some("entry.where(fullUrl = 'https://gp.example.org/fhir/Practitioner/dr').resource.name.family"),
    ),
    (
        "%request.supportingInfo.resolve().ofType(Observation).value.ofType(Quantity).value",
        Some("entry.where(fullUrl = %request.supportingInfo.reference).resource.value.ofType(Quantity).value"),
    ),
    ("%task.focus.resolve().ofType(Patient).exists()", Some("false")),
];
