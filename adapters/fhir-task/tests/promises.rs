//! What the contract asks of every adapter, held where a fixture cannot show it: canaries, exact text, total table.

use adapter_contract::{
    Answer, Exchange, FailureCode, MinimisedReferral, PlatformReferralId, PlatformRequest, Progress, Purpose,
    SenderMove, Settings, Step, TaskStatus,
};
use adapter_testing::{CANARY, plant};
use serde_json::{Value, json};

fn settings(more: &[(&str, &str)]) -> Settings {
    let fixed =
        [("base-url", "https://platform.example/fhir"), ("requester-ods", "X26"), ("requester-name", "Gateway")];
    fixed.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn food_parcel() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/referrals/food-parcel.json");
    std::fs::read_to_string(path).expect("the fixture is there")
}

/// Runs `check` with an exchange of this purpose.
fn with_exchange<R>(purpose: Purpose<'_>, settings: &Settings, check: impl FnOnce(&Exchange<'_>) -> R) -> R {
    adapter_testing::with_exchange(purpose, "key-1", settings, check)
}

fn http(status: u16, body: &Value) -> Answer {
    Answer::Http { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

fn stored(kinds: &[&str]) -> Answer {
    let entry = |(n, kind): (usize, &&str)| json!({"response": {"status": "201", "location": format!("{kind}/{n}")}});
    let entries: Vec<Value> = kinds.iter().enumerate().map(entry).collect();
    http(200, &json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries}))
}

fn sent(step: Step) -> (PlatformRequest, Progress) {
    match step {
        Step::Send(request, progress) => (request, progress),
        other => panic!("expected a request, got {other:?}"),
    }
}

fn body(request: &PlatformRequest) -> String {
    match request {
        PlatformRequest::Http(http) => String::from_utf8(http.body.clone().unwrap_or_default()).expect("UTF-8"),
        PlatformRequest::Publish(all) => all.resources.iter().map(|one| one.resource.as_str()).collect(),
        PlatformRequest::Amend(_) | PlatformRequest::File(_) | PlatformRequest::Mail(_) => String::new(),
    }
}

#[test]
fn no_patient_data_outside_bodies_and_nothing_undeclared_inside() {
    let mut bundle: Value = serde_json::from_str(&food_parcel()).expect("JSON");
    plant(&mut bundle["entry"][1]["resource"]);
    let order = &mut bundle["entry"][0]["resource"];
    order["note"] = json!([{"text": "CANARY-NOTE"}]);
    order["patientInstruction"] = json!("CANARY-NOTE");
    bundle["entry"][4]["resource"]["name"] = json!("CANARY-NOTE");
    let referral = MinimisedReferral::new(bundle.to_string());
    for more in [&[("conditional-create", "true")][..], &[], &[("mode", "direct-light")]] {
        let settings = settings(more);
        with_exchange(Purpose::Submit { referral: &referral }, &settings, |exchange| {
            let adapter = adapter_fhir_task::adapter();
            let mut step = adapter.begin(exchange).expect("translates");
            let mut bodies = String::new();
            for answer in
                [stored(&["Patient", "Condition", "Observation", "QuestionnaireResponse", "ServiceRequest"]), echo()]
            {
                let (request, progress) = sent(step);
                let outside = match &request {
                    PlatformRequest::Http(http) => format!("{} {:?} {:?}", http.path, http.query, http.headers),
                    PlatformRequest::Publish(all) => all.resources.iter().map(|one| one.full_url.as_str()).collect(),
                    PlatformRequest::Amend(_) | PlatformRequest::File(_) | PlatformRequest::Mail(_) => String::new(),
                };
                assert!(!format!("{outside} {progress:?}").contains(CANARY), "{outside} {progress:?}");
                bodies.push_str(&body(&request));
                step = adapter.resume(exchange, &progress, &answer).expect("goes on");
                if matches!(step, Step::Failed(_)) {
                    break;
                }
            }
            let Step::Failed(error) = step else { panic!("the echo is a refusal") };
            assert!(!error.diagnostic.contains(CANARY), "{}", error.diagnostic);
            assert!(bodies.contains("CANARY 07700"), "what is declared is sent");
            assert!(
                !bodies.contains("CANARY-NOTE"),
                "what the order does not carry is not sent, nor the sender's requester"
            );
        });
    }
}

#[test]
fn of_order_and_task_only_declared_elements_are_read() {
    let adapter = adapter_fhir_task::adapter();
    let declared = |kind: &str, name: &str| {
        let path = format!("{kind}.{name}");
        // Type and id are the Bundle's structure, not data of the referral.
        matches!(name, "resourceType" | "id") || adapter.descriptor().data_needs.iter().any(|need| need.path == path)
    };
    let whole: Value = serde_json::from_str(&food_parcel()).expect("JSON");
    let mut bare = whole.clone();
    for (place, kind) in [(0, "ServiceRequest"), (5, "Task")] {
        let members = bare["entry"][place]["resource"].as_object_mut().expect("a resource");
        members.retain(|name, _| declared(kind, name));
        assert!(members.len() < whole["entry"][place]["resource"].as_object().expect("a resource").len());
    }
    let [whole, bare] = [whole, bare].map(|bundle| MinimisedReferral::new(bundle.to_string()));
    let light = settings(&[("mode", "direct-light"), ("gateway-base-url", "https://gateway.example/fhir")]);
    let begun = |referral| with_exchange(Purpose::Submit { referral }, &light, |exchange| adapter.begin(exchange));
    assert_eq!(begun(&whole), begun(&bare), "an element that is not declared makes a difference");
}

/// A refusal that repeats what it was given.
fn echo() -> Answer {
    http(
        422,
        &json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "CANARY",
            "diagnostics": "CANARY", "details": {"text": "CANARY"}, "expression": ["CANARY", "Patient.name[CANARY]"]}]}),
    )
}

#[test]
fn decimals_and_unknown_members_travel_as_written() {
    let text = food_parcel().replacen("\"unit\": \"meals\"", "\"unit\": \"meals\", \"later-version\": 1.2300", 1);
    let referral = MinimisedReferral::new(text);
    for more in [&[("conditional-create", "true")][..], &[], &[("mode", "direct-light")]] {
        let settings = settings(more);
        with_exchange(Purpose::Submit { referral: &referral }, &settings, |exchange| {
            let (request, _) = sent(adapter_fhir_task::adapter().begin(exchange).expect("translates"));
            let body = body(&request);
            assert!(body.contains("\"value\": 2.50") && body.contains("\"later-version\": 1.2300"), "{body}");
        });
    }
}

#[test]
fn a_withdrawal_puts_back_all_of_the_task_as_it_was_written() {
    let id = PlatformReferralId("77".to_owned());
    let purpose = Purpose::Tell { platform_referral: &id, sender_move: SenderMove::Cancel, reason: None };
    let settings = settings(&[]);
    with_exchange(purpose, &settings, |exchange| {
        let adapter = adapter_fhir_task::adapter();
        let (_, progress) = sent(adapter.begin(exchange).expect("begins"));
        let text = r#"{"resourceType":"Task","id":"77","status":"accepted","own":1.50,"meta":{"versionId":"3"}}"#;
        let answer = Answer::Http { status: 200, headers: Vec::new(), body: text.into() };
        let (request, _) = sent(adapter.resume(exchange, &progress, &answer).expect("goes on"));
        assert_eq!(
            body(&request),
            text.replace(
                r#""status":"accepted""#,
                r#""status":"cancelled","statusReason":{"text":"Withdrawn by the referrer"}"#
            )
        );
    });
}

#[test]
fn hold_and_release_are_refused_because_they_are_not_declared() {
    let id = PlatformReferralId("77".to_owned());
    for sender_move in [SenderMove::Hold, SenderMove::Release] {
        let purpose = Purpose::Tell { platform_referral: &id, sender_move, reason: None };
        with_exchange(purpose, &settings(&[]), |exchange| {
            assert!(adapter_fhir_task::adapter().begin(exchange).is_err());
        });
    }
}

#[test]
fn what_must_not_be_half_understood_is_refused_as_unsafe() {
    for (member, value) in [("doNotPerform", json!(true)), ("modifierExtension", json!([{"url": "https://x.example"}]))]
    {
        let mut bundle: Value = serde_json::from_str(&food_parcel()).expect("JSON");
        bundle["entry"][0]["resource"][member] = value;
        let referral = MinimisedReferral::new(bundle.to_string());
        with_exchange(Purpose::Submit { referral: &referral }, &settings(&[]), |exchange| {
            let error = adapter_fhir_task::adapter().begin(exchange).expect_err("refused");
            assert!(error.unsafe_to_send, "{error}");
        });
    }
}

#[test]
fn a_prohibition_that_stands_where_it_would_not_be_sent_is_refused() {
    let mut bundle: Value = serde_json::from_str(&food_parcel()).expect("JSON");
    bundle["entry"][0]["resource"]["performerType"] = json!({"coding": [{"code": "contacting-subject-prohibited"}]});
    let referral = MinimisedReferral::new(bundle.to_string());
    let settings = settings(&[("honours-contact-prohibition", "true")]);
    with_exchange(Purpose::Submit { referral: &referral }, &settings, |exchange| {
        assert!(adapter_fhir_task::adapter().begin(exchange).expect_err("refused").unsafe_to_send);
    });
}

#[test]
fn no_answer_makes_the_adapter_panic_or_believe_success() {
    let referral = MinimisedReferral::new(food_parcel());
    let id = PlatformReferralId("77".to_owned());
    let tell = Purpose::Tell { platform_referral: &id, sender_move: SenderMove::Cancel, reason: None };
    let purposes = [
        Purpose::Submit { referral: &referral },
        tell,
        Purpose::LookUp,
        Purpose::Read { platform_referral: &id },
        Purpose::Poll { cursor: None },
        Purpose::Update { platform_referral: &id, referral: &referral },
    ];
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "\u{feff}",
        "{\"resourceType\":\"Bundle\"}",
        "{\"resourceType\":\"Patient\",\"id\":\"1\"}",
        "<html>",
        "{\"resourceType\":\"Task\"}",
        "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"warning\"}]}",
    ];
    for purpose in purposes {
        with_exchange(purpose, &settings(&[]), |exchange| {
            let adapter = adapter_fhir_task::adapter();
            let (_, progress) = sent(adapter.begin(exchange).expect("begins"));
            for body in bodies {
                let answer = Answer::Http { status: 200, headers: Vec::new(), body: body.into() };
                let step = adapter.resume(exchange, &progress, &answer).expect("an answer is no translation error");
                let Step::Failed(error) = step else { panic!("{purpose:?} believed {body:?}") };
                assert_eq!(error.code, FailureCode::UnreadableSuccess, "{purpose:?} {body:?}");
            }
            let other = adapter.resume(exchange, &progress, &Answer::Amended(TaskStatus::Cancelled));
            assert!(matches!(other, Ok(Step::Failed(_))), "an answer of another transport");
        });
    }
}

#[test]
fn the_descriptor_is_whole() {
    let adapter = adapter_fhir_task::adapter();
    let descriptor = adapter.descriptor();
    assert_eq!((descriptor.name.as_str(), descriptor.version.as_str()), ("fhir-task", env!("CARGO_PKG_VERSION")));
    let words: Vec<&str> = descriptor.statuses.iter().map(|row| row.platform.as_str()).collect();
    for status in TaskStatus::ALL {
        assert_eq!(words.iter().filter(|word| **word == status.code()).count(), 1, "{status}");
    }
    let mut paths: Vec<&str> = descriptor.data_needs.iter().map(|need| need.path.as_str()).collect();
    paths.sort_unstable();
    let count = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), count, "each path is declared once");
    assert!(descriptor.limits.poll_seconds >= 900, "the guide: not more often than every 15 minutes");
}

#[test]
fn every_fixture_names_requirements_that_conformance_toml_claims() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(folder.join("conformance.toml")).expect("is there");
    let claims: toml::Table = toml::from_str(&text).expect("TOML");
    let claimed = |id: &str| claims["adapter"].as_table().is_some_and(|table| table.contains_key(id));
    for entry in std::fs::read_dir(folder.join("fixtures")).expect("lists") {
        let Ok(case) = std::fs::read_to_string(entry.expect("entry").path().join("case.json")) else { continue };
        let case: Value = serde_json::from_str(&case).expect("JSON");
        for id in case["requirements"].as_array().expect("requirements") {
            assert!(id.as_str().is_some_and(claimed), "{id} is not claimed");
        }
    }
}

/// Each element that the adapter is given is carried, or is told as lost.
#[test]
fn every_element_is_accounted_for_and_every_field_is_sent() {
    let mut bundle: Value = serde_json::from_str(&food_parcel()).expect("JSON");
    bundle["entry"][0]["resource"]["identifier"] = json!([{"value": "a"}, {"value": "b"}]);
    bundle["entry"][5]["resource"]["restriction"] = json!({"repetitions": 2, "period": {"end": "2026-12-24"}});
    bundle["entry"][1]["resource"]["extension"] = json!([{"url": "http://example.org/x", "valueBoolean": true}]);
    let referral = MinimisedReferral::new(bundle.to_string());
    let settings = settings(&[]);
    with_exchange(Purpose::Submit { referral: &referral }, &settings, |exchange| {
        let adapter = adapter_fhir_task::adapter();
        let account = adapter.account(exchange).expect("translates").expect("explains itself");
        let told = |element: &str| {
            let below = |path: &str| path == element || path.starts_with(&format!("{element}."));
            account.fields.iter().any(|line| line.sources.iter().any(|source| below(source)))
                || account.losses.iter().any(|loss| below(&loss.element))
        };
        let declared = |path: &String| {
            let rest = |need: &str| need.strip_prefix(path.as_str()).map(|rest| rest.chars().next());
            let needs = adapter.descriptor().data_needs.iter();
            needs.filter_map(|need| rest(&need.path)).any(|next| matches!(next, None | Some('.' | '(')))
        };
        for entry in bundle["entry"].as_array().expect("entries") {
            let resource = &entry["resource"];
            let kind = resource["resourceType"].as_str().expect("a type");
            for name in resource.as_object().expect("a resource").keys() {
                let element = format!("{kind}.{name}");
                let whole = account.losses.iter().any(|loss| loss.element == kind);
                assert!(whole || !declared(&element) || told(&element), "{element} is neither carried nor lost");
            }
        }
        let lost: Vec<(&str, u32)> = account.losses.iter().map(|loss| (loss.element.as_str(), loss.count)).collect();
        assert!(lost.contains(&("ServiceRequest.identifier", 1)), "{lost:?}");
        assert!(lost.contains(&("Task.restriction.repetitions", 1)), "{lost:?}");
        // What the account says of the order and the person is what the first request holds.
        let (request, _) = sent(adapter.begin(exchange).expect("translates"));
        let sent: Value = serde_json::from_str(&body(&request)).expect("JSON");
        let resources: Vec<&Value> =
            sent["entry"].as_array().expect("entries").iter().map(|entry| &entry["resource"]).collect();
        for line in account.fields.iter().filter(|line| !line.target.starts_with("Task.")) {
            let (kind, name) = line.target.split_once('.').expect("a path");
            let there = resources.iter().any(|one| one["resourceType"] == kind && !one[name].is_null());
            assert!(there, "{} is not sent", line.target);
        }
    });
}
