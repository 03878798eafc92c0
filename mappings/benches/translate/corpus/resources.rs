//! The resources of a synthetic referral other than the Patient, each with some elements that only sometimes occur.

use super::people::{self, date};
use super::random::Random;
use super::words;
use serde_json::{Value, json};

/// The system of the reference that the GP system gives to a referral.
pub(crate) const REFERRAL: &str = "https://gp.example/Id/referral";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";
const SDOH: &str = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes";

/// Addresses of a referral's resources.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) request: String,
    pub(crate) patient: String,
    pub(crate) requester: String,
}

fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": display }] })
}

fn references(to: &[String]) -> Value {
    to.iter().map(|one| json!({ "reference": one })).collect()
}

/// Some sentences of the notes, so that lengths differ by far more than one sentence.
pub(crate) fn sentences(random: &mut Random, most: u64) -> String {
    let count = random.between(1, most);
    (0..count).map(|_| random.pick(words::SENTENCES)).collect::<Vec<_>>().join(" ")
}

fn instant(random: &mut Random) -> String {
    let day = date(random, 2026, 2026);
    let zone = random.pick(&["+00:00", "+01:00", "Z", ".250Z"]);
    format!("{day}T{:02}:{:02}:{:02}{zone}", random.below(24), random.below(60), random.below(60))
}

/// The ServiceRequest. `notes` are what the GP wrote, `reasons` and `supporting` addresses in the Bundle.
pub(crate) fn service_request(
    random: &mut Random,
    number: u64,
    addresses: &Addresses,
    [reasons, supporting]: [&[String]; 2],
    notes: &[String],
) -> Value {
    let (category, display, text) = random.pick(words::CATEGORIES);
    let mut identifiers = vec![json!({ "system": REFERRAL, "value": format!("R-2026-{number:05}") })];
    if random.sometimes(40) {
        identifiers
            .insert(0, json!({ "system": "https://gp.example/Id/order", "value": random.below(100_000).to_string() }));
    }
    let mut categories = vec![concept(SDOH, category, display)];
    if random.sometimes(60) {
        let placed = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest";
        categories.insert(0, concept(placed, "referral", "Transfer of Care"));
    }
    let mut code = concept(SNOMED, "871731000000106", "Referral to social prescribing service");
    if random.sometimes(75) {
        code["text"] = Value::from(text);
    }
    let mut request = json!({
        "resourceType": "ServiceRequest",
        "id": format!("gp-order-{number}"),
        "identifier": identifiers,
        "status": "active",
        "intent": "order",
        "category": categories,
    });
    if random.sometimes(85) {
        let priority = random.pick(&["routine", "routine", "routine", "urgent", "asap", "stat"]);
        request["priority"] = Value::from(priority);
    }
    request["code"] = code;
    if random.sometimes(8) {
        request["orderDetail"] =
            json!([concept(SDOH, "contacting-subject-prohibited", "Contacting Subject Prohibited")]);
    }
    request["subject"] = json!({ "reference": addresses.patient });
    if random.sometimes(40) {
        request["occurrencePeriod"] = json!({ "start": date(random, 2026, 2026), "end": date(random, 2027, 2027) });
    }
    let authored = if random.sometimes(10) { date(random, 2026, 2026) } else { instant(random) };
    request["authoredOn"] = Value::from(authored);
    request["requester"] = json!({ "reference": addresses.requester });
    if !reasons.is_empty() {
        request["reasonReference"] = references(reasons);
    }
    if !supporting.is_empty() {
        request["supportingInfo"] = references(supporting);
    }
    if !notes.is_empty() {
        let author = addresses.requester.as_str();
        let note = |text: &String| json!({ "authorReference": { "reference": author }, "text": text });
        request["note"] = notes.iter().map(note).collect();
    }
    if random.sometimes(30) {
        request["patientInstruction"] = Value::from("Someone will ring you within ten working days.");
    }
    request
}

/// The organisation that refers.
pub(crate) fn organisation(random: &mut Random) -> Value {
    let mut identifiers = vec![json!({ "system": ODS, "value": format!("Y{:05}", random.below(100_000)) })];
    if random.sometimes(30) {
        identifiers.insert(0, json!({ "system": "https://gp.example/Id/site", "value": "SITE-1" }));
    }
    let mut organisation = json!({
        "resourceType": "Organization",
        "identifier": identifiers,
        "active": true,
        "name": random.pick(words::ORGANISATIONS),
    });
    if random.sometimes(50) {
        organisation["telecom"] = json!([{ "system": "phone", "value": people::landline(random), "use": "work" }]);
    }
    organisation
}

/// The person who refers.
pub(crate) fn practitioner(random: &mut Random) -> Value {
    let (family, given, _) = random.pick(words::NAMES);
    json!({
        "resourceType": "Practitioner",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/sds-user-id", "value": format!("5555{:08}", random.below(100_000_000)) }],
        "name": [{ "use": "official", "family": family, "given": given, "prefix": ["Dr"] }],
    })
}

/// What that person is at the organisation.
pub(crate) fn role(random: &mut Random, practitioner: &str, organisation: &str) -> Value {
    json!({
        "resourceType": "PractitionerRole",
        "active": true,
        "practitioner": { "reference": practitioner },
        "organization": { "reference": organisation },
        "code": [{ "text": random.pick(&["General practitioner", "Social prescribing link worker"]) }],
        "telecom": [{ "system": "phone", "value": people::landline(random), "use": "work" }],
    })
}

/// A problem. One in six is in words alone, one in six has no words of the GP's own, one in four no onset.
pub(crate) fn condition(random: &mut Random, patient: &str) -> Value {
    let (code, term) = random.pick(words::PROBLEMS);
    let terminology = "http://terminology.hl7.org/CodeSystem";
    let code = match random.below(6) {
        0 => json!({ "text": term }),
        1 => concept(SNOMED, code, term),
        2 => json!({
            "coding": [
                { "system": "https://gp.example/CodeSystem/local", "code": "L1", "display": format!("{term} (local)") },
                { "system": SNOMED, "code": code, "display": term },
            ],
            "text": format!("{term}, as told by the person"),
        }),
        _ => json!({ "coding": [{ "system": SNOMED, "code": code, "display": term }], "text": term }),
    };
    let mut condition = json!({
        "resourceType": "Condition",
        "clinicalStatus": { "coding": [{ "system": format!("{terminology}/condition-clinical"), "code": "active" }] },
    });
    if random.sometimes(60) {
        let status = concept(&format!("{terminology}/condition-ver-status"), "confirmed", "Confirmed");
        condition["verificationStatus"] = status;
    }
    if random.sometimes(60) {
        let kind = concept(&format!("{terminology}/condition-category"), "problem-list-item", "Problem List Item");
        condition["category"] = json!([kind]);
    }
    condition["code"] = code;
    condition["subject"] = json!({ "reference": patient });
    match random.below(4) {
        0 => {}
        1 => condition["onsetDateTime"] = Value::from(instant(random)),
        _ => condition["onsetDateTime"] = Value::from(date(random, 2015, 2026)),
    }
    if random.sometimes(50) {
        condition["recordedDate"] = Value::from(date(random, 2026, 2026));
    }
    condition
}

/// How many people live in the household.
pub(crate) fn household(random: &mut Random, patient: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": concept(LOINC, "63512-8", "How many people are living or staying at this address"),
        "subject": { "reference": patient },
        "valueInteger": random.between(1, 7),
    })
}

/// The four wellbeing questions, or as many of them as were asked. Their scores are decimals in the digits of the form.
pub(crate) fn wellbeing(random: &mut Random, patient: &str) -> Value {
    let asked = usize::try_from(random.between(1, 3)).expect("a small number");
    let at = instant(random);
    let component = |question: &&str| {
        let score = random.below(21) as f64 / 2.0;
        let quantity = json!({
            "value": score, "unit": "score", "system": "http://unitsofmeasure.org", "code": "{score}",
        });
        json!({ "code": { "text": question }, "valueQuantity": quantity })
    };
    let components: Vec<Value> =
        ["Life satisfaction", "Worthwhile", "Happiness yesterday"].iter().take(asked).map(component).collect();
    json!({
        "resourceType": "Observation",
        "status": "final",
        "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", "survey", "Survey")],
        "code": { "text": "ONS4 personal wellbeing" },
        "subject": { "reference": patient },
        "effectiveDateTime": at,
        "component": components,
    })
}

/// The intake form. `lives-alone` is asked in most, somewhere among the rest.
pub(crate) fn answers(random: &mut Random, addresses: &Addresses) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for (link, text) in words::QUESTIONS {
        if random.sometimes(30) {
            items.push(item(random, link, text));
        }
    }
    if random.sometimes(80) {
        let place = usize::try_from(random.below(items.len() as u64 + 1)).expect("a small number");
        let alone = random.sometimes(50);
        let asked = "Do you live alone?";
        items.insert(place, json!({ "linkId": "lives-alone", "text": asked, "answer": [{ "valueBoolean": alone }] }));
    }
    json!({
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "https://gp.example/Questionnaire/social-prescribing-intake|1.2",
        "status": "completed",
        "subject": { "reference": addresses.patient },
        "authored": instant(random),
        "author": { "reference": addresses.requester },
        "item": items,
    })
}

fn item(random: &mut Random, link: &str, text: &str) -> Value {
    let answer = match link {
        "hours" => json!({ "valueDecimal": random.below(80) as f64 / 4.0 }),
        "what-matters" | "help" => json!({ "valueString": random.pick(words::SENTENCES) }),
        _ => json!({ "valueBoolean": random.sometimes(50) }),
    };
    json!({ "linkId": link, "text": text, "answer": [answer] })
}

/// The sender's Task.
pub(crate) fn task(random: &mut Random, number: u64, addresses: &Addresses, input: Option<&String>) -> Value {
    let mut task = json!({
        "resourceType": "Task",
        "id": format!("gp-task-{number}"),
        "identifier": [{ "system": "https://gp.example/Id/task", "value": format!("T-{number}") }],
        "status": "requested",
        "intent": "order",
        "code": concept("http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request"),
        "focus": { "reference": addresses.request },
        "for": { "reference": addresses.patient },
        "authoredOn": instant(random),
        "requester": { "reference": addresses.requester },
    });
    if random.sometimes(70) {
        task["restriction"] = json!({ "period": { "end": date(random, 2027, 2027) } });
    }
    if let Some(address) = input {
        let kind = concept(SDOH, "additional-content", "Additional Content");
        task["input"] = json!([{ "type": kind, "valueReference": { "reference": address } }]);
    }
    task
}
