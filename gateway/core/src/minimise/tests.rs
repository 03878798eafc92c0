//! Minimising: what stays, what goes, that no undeclared leaf is ever found in the result, and that fewer needs never
//! add anything.

use super::*;
use adapter_contract::DataClass;
use proptest::prelude::*;
use serde_json::{Value, json};

struct Whole {
    service_request: Json,
    patient: Json,
    task: Json,
    related: Vec<(String, Json)>,
}

impl Whole {
    fn source(&self) -> Source<'_> {
        Source {
            service_request: &self.service_request,
            patient: &self.patient,
            task: &self.task,
            related: &self.related,
            withheld: &[],
        }
    }
}

/// Every string that could be patient data is a canary of its own.
fn whole() -> Whole {
    let service_request = json!({
        "resourceType": "ServiceRequest", "id": "sr-1",
        "meta": {"tag": [{"code": "canary-meta"}]},
        "text": {"status": "generated", "div": "<div>canary-narrative</div>"},
        "contained": [{"resourceType": "Condition", "id": "c", "code": {"text": "canary-contained"}}],
        "extension": [{"url": "urn:x", "valueString": "canary-sr-extension"}],
        "status": "active", "intent": "order",
        "category": [{"coding": [{"system": "urn:need", "code": "food"}], "text": "canary-category-text"}],
        "code": {"text": "canary-code", "extension": [{"url": "urn:x", "valueString": "canary-code-extension"}]},
        "orderDetail": [
            {"coding": [{"system": "urn:sdoh", "code": "contacting-subject-prohibited", "display": "canary-display"}],
             "text": "canary-detail-text"},
            {"text": "canary-other-detail"}],
        "subject": {"reference": "Patient/p-1", "type": "Patient", "display": "canary-subject-name",
            "identifier": {"system": "urn:nhs", "value": "canary-subject-number"}},
        "requester": {"reference": "PractitionerRole/gp-1", "display": "canary-requester"},
        "performer": [{"reference": "Organization/elsewhere", "type": "Organization"},
            {"reference": "Organization/elsewhere", "display": "canary-performer"}],
        "reasonReference": [{"reference": "Observation/o-1/_history/3"}, {"reference": "Condition/c-1"}],
        "note": [{"text": "canary-note"}],
    });
    let patient = json!({
        "resourceType": "Patient", "id": "canary-patient-id",
        "identifier": [{"system": "urn:nhs", "value": "canary-nhs"}],
        "extension": [{"url": "urn:ethnicity", "valueString": "canary-ethnicity"}],
        "name": [{"family": "canary-family", "given": ["canary-given", "canary-middle"],
            "_given": [{"extension": [{"url": "urn:x", "valueString": "canary-given-extension"}]}, {"id": "g2"}]}],
        "telecom": [{"system": "phone", "value": "canary-phone"}],
        "birthDate": "1999-12-31", "_birthDate": {"extension": [{"url": "urn:t", "valueDateTime": "canary-birth-time"}]},
        "address": [{"line": ["canary-line"], "postalCode": "canary-postcode",
            "modifierExtension": [{"url": "urn:m", "valueString": "canary-modifier"}]},
            {"city": "canary-city"}],
        "contact": [{"name": {"family": "canary-contact"}}],
    });
    let patient = {
        let mut patient = patient;
        patient["id"] = json!("p-1");
        patient
    };
    let task = json!({"resourceType": "Task", "id": "t-1", "status": "requested",
        "focus": {"reference": "ServiceRequest/sr-1"}, "for": {"reference": "Patient/p-1"},
        "description": "canary-description"});
    let related = json!({
        "PractitionerRole/gp-1": {"resourceType": "PractitionerRole", "id": "gp-1",
            "organization": {"reference": "Organization/org-1"}, "telecom": [{"value": "canary-gp-phone"}]},
        "Organization/org-1": {"resourceType": "Organization", "id": "org-1", "name": "canary-practice"},
        "Organization/unreached": {"resourceType": "Organization", "id": "unreached", "name": "canary-unreached"},
        "Observation/o-1": {"resourceType": "Observation", "id": "o-1", "valueQuantity": {"value": 0, "unit": "canary-unit"},
            "note": [{"text": "canary-observation-note"}]},
        "Condition/c-1": {"resourceType": "Condition", "id": "c-1", "code": {"text": "canary-condition"}},
    });
    let mut related: Vec<(String, Json)> =
        related.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    // A decimal whose digits matter.
    let quantity = related[3].1.get_mut("valueQuantity").unwrap();
    quantity.set("value", Json::Number("1.10".to_owned()));
    Whole { service_request: service_request.into(), patient: patient.into(), task: task.into(), related }
}

fn need(path: &str) -> DataNeed {
    DataNeed { path: path.to_owned(), class: DataClass::Need, needed: false }
}

fn run(paths: &[&str]) -> Minimised {
    let needs: Vec<DataNeed> = paths.iter().map(|path| need(path)).collect();
    minimise(&whole().source(), &needs, &IdempotencyKey("key".to_owned())).unwrap()
}

fn resources(minimised: &Minimised) -> Vec<Value> {
    let bundle: Value = serde_json::from_str(minimised.referral.bundle()).unwrap();
    bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone()).collect()
}

const KEPT_DETAIL: &str = r#"[{"coding":[{"system":"urn:sdoh","code":"contacting-subject-prohibited"}]}]"#;

#[test]
fn with_no_needs_only_the_frame_and_the_safety_code_stay() {
    let minimised = run(&[]);
    let safety: Value = serde_json::from_str(KEPT_DETAIL).unwrap();
    assert_eq!(
        resources(&minimised),
        [
            json!({"resourceType": "ServiceRequest", "id": "sr-1", "orderDetail": safety}),
            json!({"resourceType": "Patient"}),
            json!({"resourceType": "Task", "id": "t-1"}),
        ]
    );
    assert!(!minimised.referral.bundle().contains("canary"));
    for path in ["Patient.name", "ServiceRequest.text", "ServiceRequest.extension", "Condition", "Task.focus"] {
        assert!(minimised.removed.iter().any(|removed| removed == path), "{path}");
    }
}

#[test]
fn declared_elements_stay_with_what_lies_below_and_above() {
    let all = resources(&run(&[
        "Patient.name.family",
        "Patient.birthDate",
        "ServiceRequest.code",
        "ServiceRequest.category.coding",
    ]));
    assert_eq!(
        all[1],
        json!({"resourceType": "Patient", "name": [{"family": "canary-family"}], "birthDate": "1999-12-31"})
    );
    assert_eq!(all[0]["code"], json!({"text": "canary-code"}));
    assert_eq!(all[0]["category"], json!([{"coding": [{"system": "urn:need", "code": "food"}]}]));
}

#[test]
fn extensions_are_declared_by_their_own_path() {
    let whole_patient = resources(&run(&["Patient"]))[1].to_string();
    assert!(!whole_patient.contains("urn:ethnicity") && whole_patient.contains("canary-contact"));
    let all = resources(&run(&["Patient.extension", "Patient.birthDate.extension", "Patient.name"]));
    assert_eq!(all[1]["extension"][0]["valueString"], "canary-ethnicity");
    assert_eq!(all[1]["_birthDate"]["extension"][0]["valueDateTime"], "canary-birth-time");
    assert_eq!(all[1].get("birthDate"), None);
    // Siblings keep their places when an extension goes.
    assert_eq!(all[1]["name"][0]["_given"], json!([null, {"id": "g2"}]));
}

#[test]
fn an_element_goes_with_a_modifier_that_is_not_declared() {
    assert_eq!(resources(&run(&["Patient.address"]))[1]["address"], json!([{"city": "canary-city"}]));
    let declared = resources(&run(&["Patient.address", "Patient.address.modifierExtension"]));
    assert_eq!(declared[1]["address"].as_array().unwrap().len(), 2);
    let mut whole = whole();
    whole.patient.set("modifierExtension", json!([{"url": "urn:m"}]).into());
    let refused = minimise(&whole.source(), &[need("Patient")], &IdempotencyKey("key".to_owned())).unwrap_err();
    assert_eq!(refused.paths, ["Patient.modifierExtension"]);
}

#[test]
fn references_resolve_within_the_bundle_or_go() {
    let minimised = run(&[
        "ServiceRequest.subject",
        "ServiceRequest.requester",
        "ServiceRequest.performer",
        "ServiceRequest.reasonReference",
        "Task.focus",
        "Task.for",
        "PractitionerRole.organization",
        "Organization.name",
        "Observation.valueQuantity",
    ]);
    let bundle: Value = serde_json::from_str(minimised.referral.bundle()).unwrap();
    let urls: Vec<&str> =
        bundle["entry"].as_array().unwrap().iter().map(|one| one["fullUrl"].as_str().unwrap()).collect();
    let all = resources(&minimised);
    let kinds: Vec<&str> = all.iter().map(|one| one["resourceType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ServiceRequest", "Patient", "PractitionerRole", "Observation", "Organization", "Task"]);
    assert_eq!(all[0]["subject"], json!({"reference": urls[1], "type": "Patient"}));
    assert_eq!(all[0]["requester"], json!({"reference": urls[2], "display": "canary-requester"}));
    assert_eq!(all[0]["performer"], json!([{"display": "canary-performer"}]));
    assert_eq!(all[0]["reasonReference"], json!([{"reference": urls[3]}]));
    assert_eq!(all[2]["organization"]["reference"], urls[4]);
    assert_eq!((&all[5]["focus"]["reference"], &all[5]["for"]["reference"]), (&json!(urls[0]), &json!(urls[1])));
    assert!(minimised.referral.bundle().contains("\"value\":1.10"));
    assert!(minimised.removed.contains(&"ServiceRequest.performer.reference".to_owned()));
    assert!(minimised.removed.contains(&"ServiceRequest.subject.display".to_owned()));
    // Not reached, not there, whatever is declared.
    assert!(!minimised.referral.bundle().contains("canary-unreached"));
    for url in urls {
        let uuid = url.strip_prefix("urn:uuid:").unwrap();
        assert!(uuid.len() == 36 && uuid.as_bytes()[14] == b'8' && b"89ab".contains(&uuid.as_bytes()[19]), "{url}");
    }
}

#[test]
fn the_persons_name_does_not_slip_through_a_reference() {
    let declared = resources(&run(&["ServiceRequest.subject", "ServiceRequest.subject.display"]));
    assert_eq!(declared[0]["subject"]["display"], "canary-subject-name");
    assert_eq!(declared[0]["subject"].get("identifier"), None);
}

#[test]
fn the_same_referral_is_the_same_text_and_another_key_another() {
    let paths = ["Patient.name", "ServiceRequest.subject"];
    assert_eq!(run(&paths), run(&paths));
    let other = minimise(&whole().source(), &paths.map(need), &IdempotencyKey("other".to_owned())).unwrap();
    assert_ne!(run(&paths).referral, other.referral);
}

#[test]
fn a_declared_orderdetail_stays_as_written() {
    let all = resources(&run(&["ServiceRequest.orderDetail"]));
    assert_eq!(all[0]["orderDetail"].as_array().unwrap().len(), 2);
    assert_eq!(all[0]["orderDetail"][0]["coding"][0]["display"], "canary-display");
    let texts = resources(&run(&["ServiceRequest.orderDetail.text"]));
    assert_eq!(texts[0]["orderDetail"][0]["coding"][0]["code"], "contacting-subject-prohibited");
    assert_eq!(texts[0]["orderDetail"][1], json!({"text": "canary-other-detail"}));
}

#[test]
fn nothing_is_sent_without_what_is_needed() {
    let needed = |path: &str| DataNeed { needed: true, ..need(path) };
    let needs = [
        needed("Patient.name"),
        needed("Patient.gender"),
        needed("ServiceRequest.performer.identifier"),
        needed("Organization.name"),
        needed("ServiceRequest.text"),
        needed("Patient"),
    ];
    let refused = minimise(&whole().source(), &needs, &IdempotencyKey("key".to_owned())).unwrap_err();
    assert_eq!(
        refused.paths,
        ["Patient.gender", "ServiceRequest.performer.identifier", "Organization.name", "ServiceRequest.text"]
    );
    assert!(!refused.to_string().contains("canary"));
}

#[test]
fn an_extension_that_is_declared_by_its_url_lets_no_other_through() {
    let mut whole = whole();
    let other = json!({"url": "urn:other", "valueString": "canary-other-extension"});
    let ours =
        json!({"url": "urn:ours", "valueString": "declared", "extension": [{"url": "urn:in", "valueCode": "inner"}]});
    let identifier = json!([{"system": "urn:s", "value": "one", "extension": [other, ours]}]);
    whole.patient.set("identifier", identifier.into());
    let bundle = |paths: &[&str]| {
        let needs: Vec<DataNeed> = paths.iter().map(|path| need(path)).collect();
        let minimised = minimise(&whole.source(), &needs, &IdempotencyKey("key".to_owned())).unwrap();
        resources(&minimised)[1]["identifier"][0].clone()
    };
    let declared = json!({"system": "urn:s", "value": "one",
        "extension": [{"url": "urn:ours", "valueString": "declared", "extension": [{"url": "urn:in", "valueCode": "inner"}]}]});
    // The element is declared as well: that says nothing of what extends it.
    assert_eq!(bundle(&["Patient.identifier", "Patient.identifier.extension(urn:ours)"]), declared);
    assert_eq!(bundle(&["Patient", "Patient.identifier.extension(urn:ours)"]), declared);
    assert_eq!(bundle(&["Patient.identifier"]), json!({"system": "urn:s", "value": "one"}));
    let all = bundle(&["Patient.identifier", "Patient.identifier.extension"]);
    assert_eq!(all["extension"].as_array().unwrap().len(), 2);
}

/// Paths that the properties choose from.
const PATHS: [&str; 26] = [
    "Patient",
    "Patient.name",
    "Patient.name.family",
    "Patient.name.given",
    "Patient.telecom",
    "Patient.address",
    "Patient.address.city",
    "Patient.extension",
    "Patient.birthDate",
    "Patient.birthDate.extension",
    "Patient.contact",
    "Patient.identifier",
    "ServiceRequest.code",
    "ServiceRequest.category",
    "ServiceRequest.subject",
    "ServiceRequest.requester",
    "ServiceRequest.performer",
    "ServiceRequest.reasonReference",
    "ServiceRequest.note",
    "Task",
    "Task.focus",
    "PractitionerRole",
    "Organization.name",
    "Observation",
    "Condition.code",
    "Observation.note",
];

/// All leaves as (path, text), with paths as needs write them.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, path, found)),
        Value::Object(members) => {
            for (name, inner) in members {
                leaves(inner, &format!("{path}.{}", name.trim_start_matches('_')), found);
            }
        }
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        other => found.push((path.to_owned(), other.to_string())),
    }
}

fn resource_leaves(resources: &[Value]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for resource in resources {
        leaves(resource, resource["resourceType"].as_str().unwrap(), &mut found);
    }
    found
}

proptest! {
    #[test]
    fn no_undeclared_leaf_is_in_the_result(chosen in proptest::sample::subsequence(PATHS.to_vec(), 0..=8)) {
        let minimised = run(&chosen);
        let whole = whole();
        let mut all: Vec<Value> = [&whole.service_request, &whole.patient, &whole.task].map(Json::to_value).to_vec();
        all.extend(whole.related.iter().map(|(_, resource)| resource.to_value()));
        for (path, text) in resource_leaves(&all) {
            let declared = chosen.iter().any(|need| path == *need || path.starts_with(&format!("{need}.")));
            if text.starts_with("canary") && !declared {
                prop_assert!(!minimised.referral.bundle().contains(&text), "{} at {}", text, path);
            }
        }
        for always_gone in ["canary-meta", "canary-narrative", "canary-contained", "canary-unreached"] {
            prop_assert!(!minimised.referral.bundle().contains(always_gone));
        }
        prop_assert!(minimised.removed.iter().all(|path| !path.contains("canary")));
        prop_assert!(minimised.referral.bundle().contains("contacting-subject-prohibited"));
    }

    #[test]
    fn fewer_needs_never_add(
        (more, fewer) in proptest::sample::subsequence(PATHS.to_vec(), 0..=12).prop_flat_map(|more| {
            let count = more.len();
            (Just(more.clone()), proptest::sample::subsequence(more, 0..=count))
        }),
    ) {
        let mut large = resource_leaves(&resources(&run(&more)));
        for leaf in resource_leaves(&resources(&run(&fewer))) {
            let place = large.iter().position(|other| *other == leaf);
            prop_assert!(place.is_some(), "{:?} came from nowhere", leaf);
            large.swap_remove(place.unwrap());
        }
    }
}

#[test]
fn what_is_referred_to_twice_is_there_once() {
    let mut whole = whole();
    let twice = json!([{"reference": "Observation/o-1"}, {"reference": "Observation/o-1"}]);
    whole.service_request.set("supportingInfo", twice.into());
    whole.task.set("basedOn", json!([{"reference": "Task/t-1"}, {"reference": "Observation/o-1"}]).into());
    let needs: Vec<DataNeed> =
        ["ServiceRequest", "Task.basedOn", "Observation"].iter().map(|path| need(path)).collect();
    let minimised = minimise(&whole.source(), &needs, &IdempotencyKey("key".to_owned())).unwrap();
    let kinds: Vec<String> =
        resources(&minimised).iter().map(|one| one["resourceType"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "Observation").count(), 1, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| *kind == "Task").count(), 1, "{kinds:?}");
}

/// The text of what is left where this is the performer.
fn with_performer(performer: Value) -> String {
    let mut whole = whole();
    whole.service_request.set("performer", json!([performer]).into());
    let needs = [need("ServiceRequest.performer")];
    minimise(&whole.source(), &needs, &IdempotencyKey("key".to_owned())).unwrap().referral.bundle().to_owned()
}

#[test]
fn whoever_is_a_person_is_not_named_by_a_reference() {
    let number = json!({"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "canary"});
    for person in [
        json!({"reference": "Patient/p-1", "display": "canary"}),
        json!({"reference": "Patient/somebody-else", "display": "canary"}),
        json!({"reference": "https://elsewhere.example/fhir/Patient/1", "display": "canary"}),
        json!({"type": "Patient", "display": "canary"}),
        json!({"identifier": number, "display": "canary"}),
    ] {
        assert!(!with_performer(person.clone()).contains("canary"), "{person}");
    }
    assert!(with_performer(json!({"type": "Organization", "display": "canary"})).contains("canary"));
}

#[test]
fn what_goes_of_the_order_detail_is_told_and_nothing_else_is() {
    let removed = |paths: &[&str], details: Value| {
        let mut whole = whole();
        whole.service_request.set("orderDetail", details.into());
        let needs: Vec<DataNeed> = paths.iter().map(|path| need(path)).collect();
        let done = minimise(&whole.source(), &needs, &IdempotencyKey("key".to_owned())).unwrap();
        done.removed.iter().any(|path| path == "ServiceRequest.orderDetail")
    };
    let coded = json!({"coding": [{"system": "urn:a", "code": "1"}]});
    let forbids = json!({"coding": [{"system": "urn:sdoh", "code": "contacting-subject-prohibited"}]});
    let words = json!({"text": "x"});
    for (paths, details, goes) in [
        (&["ServiceRequest.orderDetail"][..], json!([coded, forbids]), false),
        (&["ServiceRequest.orderDetail.coding"], json!([coded, words]), true),
        (&["ServiceRequest.orderDetail.coding"], json!([coded, forbids]), false),
        (&["ServiceRequest.code"], json!([coded]), true),
        // The code that forbids contact stays, and still it is not the element that was declared.
        (&["ServiceRequest.code"], json!([forbids]), true),
    ] {
        assert_eq!(removed(paths, details.clone()), goes, "{paths:?} {details}");
    }
}

#[test]
fn a_narrative_goes_wherever_it_stands() {
    let mut whole = whole();
    let contact =
        json!([{"text": {"status": "generated", "div": "<div>canary</div>"}, "relationship": [{"text": "sister"}]}]);
    whole.patient.set("contact", contact.into());
    let done = minimise(&whole.source(), &[need("Patient.contact")], &IdempotencyKey("key".to_owned())).unwrap();
    let left = done.referral.bundle();
    assert!(!left.contains("canary") && left.contains("sister"), "{left}");
}

#[test]
fn a_list_of_which_nothing_is_left_goes() {
    let mut whole = whole();
    whole.service_request.set("reasonReference", json!([{"reference": "Condition/unknown"}]).into());
    let done = minimise(&whole.source(), &[need("ServiceRequest")], &IdempotencyKey("key".to_owned())).unwrap();
    assert!(!done.referral.bundle().contains("reasonReference"), "{}", done.referral.bundle());
}
