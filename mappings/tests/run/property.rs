//! Referrals at random: a request or a named refusal, and nothing of the referral lost in silence.

use crate::hand::inputs;
use crate::written::program;
use mappings::account::{Account, LossReason};
use mappings::class::covers;
use mappings::document::{Document, Kind, NodeId};
use mappings::explain::Values;
use mappings::loss::Losses;
use mappings::program::{ExchangeName, Program};
use mappings::run::{Scratch, request, request_explained};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static EVERYTHING: LazyLock<Program> = LazyLock::new(|| program(include_str!("mappings/everything.yaml")));

/// Texts that a rule can stumble over.
fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("")),
        Just(json!("<b>bold</b>  and\r\nmore &amp; \u{1f600}e\u{301}")),
        Just(json!("07700 900123")),
        Just(json!("\u{0}\u{7f}\"\\")),
        "[ -~]{0,80}".prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
    ]
}

fn date() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just("1980"),
        Just("1980-02"),
        Just("1980-02-03"),
        Just("2026-03-01T10:00:00Z"),
        Just("yesterday"),
        Just(""),
    ]
    .prop_map(Value::from)
}

fn code(codes: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::sample::select(codes).prop_map(Value::from)
}

/// An object with some of these members.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let parts: Vec<_> = members
        .into_iter()
        .map(|(name, value)| {
            proptest::option::of(value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        })
        .collect();
    parts.prop_map(|parts| Value::Object(parts.into_iter().flatten().collect::<Map<_, _>>())).boxed()
}

fn list(item: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    proptest::collection::vec(item, 1..4).prop_map(Value::from).boxed()
}

fn concept() -> BoxedStrategy<Value> {
    let coding = object(vec![
        ("system", text().boxed()),
        ("code", code(&["en", "pl", "x"]).boxed()),
        ("display", text().boxed()),
    ]);
    object(vec![("coding", list(coding)), ("text", text().boxed())])
}

fn extension() -> BoxedStrategy<Value> {
    let url = code(&[
        "http://example.org/other",
        "http://example.org/safeguarding",
        "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired",
    ]);
    (url, any::<bool>()).prop_map(|(url, truth)| json!({ "url": url, "valueBoolean": truth })).boxed()
}

fn patient() -> BoxedStrategy<Value> {
    let name =
        object(vec![("use", code(&["official", "old"]).boxed()), ("family", text().boxed()), ("given", list(text()))]);
    let telecom = object(vec![
        ("system", code(&["phone", "email"]).boxed()),
        ("use", code(&["mobile", "home"]).boxed()),
        ("value", text().boxed()),
        ("period", object(vec![("start", date().boxed())])),
    ]);
    let address = object(vec![
        ("line", list(text())),
        ("postalCode", text().boxed()),
        ("country", text().boxed()),
        ("extension", list(extension())),
    ]);
    let communication =
        object(vec![("language", concept()), ("preferred", any::<bool>().prop_map(Value::from).boxed())]);
    let meta = object(vec![("versionId", text().boxed()), ("security", list(concept()))]);
    object(vec![
        ("id", text().boxed()),
        ("meta", meta),
        ("name", list(name)),
        ("telecom", list(telecom)),
        ("address", list(address)),
        ("communication", list(communication)),
        ("birthDate", date().boxed()),
        ("_birthDate", object(vec![("extension", list(extension()))])),
        ("gender", code(&["female", "male", "other", "unknown", "?"]).boxed()),
        ("extension", list(extension())),
        ("maritalStatus", concept()),
    ])
}

fn service_request() -> BoxedStrategy<Value> {
    object(vec![
        ("status", code(&["active", "entered-in-error"]).boxed()),
        ("priority", code(&["routine", "urgent", "asap", "stat"]).boxed()),
        ("reasonCode", list(concept())),
        ("orderDetail", list(concept())),
        ("note", list(object(vec![("text", text().boxed()), ("time", date().boxed())]))),
        ("authoredOn", date().boxed()),
        (
            "requester",
            object(vec![
                ("reference", code(&["urn:uuid:9", "Organization/1", "#a"]).boxed()),
                ("display", text().boxed()),
            ]),
        ),
        ("quantityQuantity", object(vec![("value", Just(json!(1.5)).boxed()), ("unit", text().boxed())])),
        (
            "contained",
            list(object(vec![("id", text().boxed()), ("code", concept())]).prop_map(|value| typed("Condition", value))),
        ),
    ])
}

fn typed(name: &str, value: Value) -> Value {
    let mut members = Map::from_iter([("resourceType".to_owned(), Value::from(name))]);
    members.extend(value.as_object().cloned().unwrap_or_default());
    Value::Object(members)
}

fn referral() -> impl Strategy<Value = String> {
    let observation =
        object(vec![("code", concept()), ("valueString", text().boxed()), ("extension", list(extension()))]);
    let observations = proptest::collection::vec(observation, 0..3);
    (
        service_request(),
        patient(),
        observations,
        proptest::option::of(object(vec![("status", text().boxed()), ("priority", code(&["stat"]).boxed())])),
    )
        .prop_map(|(request, patient, observations, task)| {
            let mut resources = vec![typed("ServiceRequest", request), typed("Patient", patient)];
            resources.extend(observations.into_iter().map(|value| typed("Observation", value)));
            resources.extend(task.map(|value| typed("Task", value)));
            let entries: Vec<_> = (0..)
                .zip(resources)
                .map(|(at, resource)| json!({ "fullUrl": format!("urn:uuid:{at}"), "resource": resource }))
                .collect();
            json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string()
        })
}

/// Where a value stands, without indexes, from its resource on; `None` for what only holds the document together.
fn path(document: &Document<'_>, id: NodeId) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut at = document.root();
    let mut inside = false;
    while at != id {
        at = document.children(at).find(|child| *child <= id && id < document.descendants_end(*child))?;
        if let Some(kind) = document.get(at, "resourceType").and_then(|kind| document.string(kind)) {
            parts = vec![kind.into_owned()];
            inside = true;
        } else if let Some(key) = document.key(at) {
            parts.push(key.trim_start_matches('_').to_owned());
        }
    }
    let last = parts.last()?.as_str();
    let structure = matches!(last, "resourceType" | "id" | "fullUrl");
    let version =
        parts.contains(&"meta".to_owned()) && matches!(last, "versionId" | "lastUpdated" | "profile" | "source");
    let link = last == "reference"
        && document.string(id).is_some_and(|text| text.starts_with("urn:uuid:") || text.starts_with('#'));
    (inside && !structure && !version && !link).then(|| parts.join("."))
}

/// An element path as [`path`] writes it: extensions without their urls.
fn without_urls(element: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for each in element.chars() {
        match each {
            '(' => inside = true,
            ')' => inside = false,
            other if !inside => out.push(other),
            _ => {}
        }
    }
    out
}

fn nothing_is_silent(document: &Document<'_>, account: &Account, losses: &Losses) -> Result<(), TestCaseError> {
    let mut missing = 0;
    let mut at = document.root();
    let mut ids = vec![document.root()];
    while let Some(id) = ids.pop() {
        ids.extend(document.children(id));
        at = at.max(id);
        if matches!(document.kind(id), Kind::Object | Kind::Array | Kind::Null) {
            continue;
        }
        let Some(path) = path(document, id) else { continue };
        if account.is_conveyed(id) || account.is_examined(id) {
            continue;
        }
        missing += 1;
        let told = losses.all().iter().any(|lost| covers(&without_urls(&lost.element), &path));
        prop_assert!(told, "{path} is lost in silence");
    }
    let of = |reasons: &[LossReason]| -> usize {
        losses.all().iter().filter(|lost| reasons.contains(&lost.reason)).map(|lost| lost.values as usize).sum()
    };
    let walked = of(&[LossReason::NoField, LossReason::NotChosen, LossReason::Replaced]);
    let left_out = of(&[LossReason::DidNotFit, LossReason::CodeUnmapped, LossReason::Truncated]);
    prop_assert!(walked <= missing && missing <= walked + left_out, "{missing} are missing, {walked} are told");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_referral_is_a_request_or_a_refusal_and_nothing_is_silent(text in referral()) {
        let document = Document::parse(&text).unwrap();
        let inputs = inputs(&document);
        let scratch = &mut Scratch::default();
        let explained = request_explained(&EVERYTHING, ExchangeName::Submit, 0, &inputs, scratch);
        let alone = request(&EVERYTHING, ExchangeName::Submit, 0, &inputs, scratch);
        match explained {
            Err(refusal) => {
                prop_assert!(!refusal.element.is_empty() && !refusal.to_string().is_empty());
                prop_assert_eq!(alone.unwrap_err(), refusal);
            }
            Ok((rendered, account)) => {
                prop_assert!(alone.unwrap() == rendered, "the account changes the request");
                serde_json::from_slice::<Value>(rendered.body.as_deref().unwrap_or_default()).unwrap();
                let losses = account.losses(&EVERYTHING, &document, scratch);
                nothing_is_silent(&document, &account, &losses)?;
                let lines = account.explain(&EVERYTHING, &document, b"key", Values::Hidden);
                prop_assert_eq!(lines.len(), account.field_count());
                prop_assert!(losses.in_words(&EVERYTHING).len() == losses.all().len());
            }
        }
    }

    #[test]
    fn an_answer_of_any_bytes_means_something(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let families = &*crate::answers::FAMILIES_PROGRAM;
        let http = mappings::run::HttpAnswer { status, headers: &[], body: &body };
        for exchange in [ExchangeName::Submit, ExchangeName::Read, ExchangeName::Poll] {
            prop_assert!(mappings::run::answer(families, exchange, 0, &mappings::run::Inputs::none(), &http).is_ok());
        }
    }
}

#[test]
fn a_note_of_a_megabyte_is_cut_and_costs_no_more_than_its_reading() {
    let note = "Lonely since the move. ".repeat(50_000);
    let text = crate::hand::referral(
        &format!(r#""reasonCode":[{{"text":{}}}]"#, json!(note)),
        r#""name":[{"family":"Example","given":["Anna"]}]"#,
    );
    assert!(text.len() > 1_000_000);
    let document = Document::parse(&text).unwrap();
    let made = request_explained(&EVERYTHING, ExchangeName::Submit, 0, &inputs(&document), &mut Scratch::default());
    let (rendered, account) = made.unwrap();
    let body: Value = serde_json::from_slice(&rendered.body.unwrap()).unwrap();
    assert_eq!(body["text"].as_str().unwrap().chars().count(), 60);
    assert!(body["text"].as_str().unwrap().ends_with(" [more]"));
    let losses = account.losses(&EVERYTHING, &document, &mut Scratch::default());
    let cut = losses.all().iter().find(|lost| lost.reason == LossReason::Truncated).unwrap();
    assert_eq!(&*cut.element, "ServiceRequest.reasonCode.text");
}
