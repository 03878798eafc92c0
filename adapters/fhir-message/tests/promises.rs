//! What the contract asks of every adapter, held where a fixture cannot show it: canaries, exact text, hostile bodies.

use adapter_contract::{
    Answer, Exchange, FailureCode, MinimisedReferral, OutputValue, PlatformReferralId, PlatformRequest, Progress,
    Purpose, Reading, Report, ReportSource, SenderMove, Settings, Step, TaskStatus, TranslateError,
};
use adapter_testing::{CANARY, plant};
use serde_json::{Value, json};

fn settings() -> Settings {
    [
        ("base-url", "https://platform.example/fhir"),
        ("requester-ods", "X26"),
        ("requester-name", "Gateway"),
        ("source-endpoint", "https://gateway.example/fhir"),
        ("recipient-identifier-system", "https://platform.example/Id/service"),
        ("recipient-identifier-value", "S-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn full() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/referrals/full.json");
    std::fs::read_to_string(path).expect("the fixture is there")
}

/// Runs `check` with an exchange of this purpose.
fn with_exchange<R>(purpose: Purpose<'_>, settings: &Settings, check: impl FnOnce(&Exchange<'_>) -> R) -> R {
    adapter_testing::with_exchange(purpose, "key-1", settings, check)
}

fn sent(step: Step) -> (String, String, Progress) {
    let Step::Send(PlatformRequest::Http(http), progress) = step else { panic!("expected a request, got {step:?}") };
    let outside = format!("{} {:?} {:?}", http.path, http.query, http.headers);
    (outside, String::from_utf8(http.body.unwrap_or_default()).expect("UTF-8"), progress)
}

fn pushed(body: &[u8]) -> Result<Vec<Reading>, TranslateError> {
    let report = Report { source: ReportSource::Webhook, content_type: None, body };
    adapter_fhir_message::adapter().read_report(&report)
}

#[test]
fn no_patient_data_outside_bodies_and_nothing_undeclared_inside() {
    let mut bundle: Value = serde_json::from_str(&full()).expect("JSON");
    plant(&mut bundle["entry"][1]["resource"]);
    let order = &mut bundle["entry"][0]["resource"];
    order["patientInstruction"] = json!("CANARY-LEFT");
    order["performerType"] = json!({"text": "CANARY-LEFT"});
    let referral = MinimisedReferral::new(bundle.to_string());
    with_exchange(Purpose::Submit { referral: &referral }, &settings(), |exchange| {
        let adapter = adapter_fhir_message::adapter();
        let (outside, body, progress) = sent(adapter.begin(exchange).expect("translates"));
        assert!(!format!("{outside} {progress:?}").contains(CANARY), "{outside} {progress:?}");
        assert!(body.contains("CANARY Testperson") && !body.contains("CANARY-LEFT"), "{body}");
        let echo = json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "CANARY",
            "diagnostics": "CANARY", "details": {"text": "CANARY"}, "expression": ["CANARY", "Patient.name[CANARY]"]}]});
        for status in [200, 404, 422, 500] {
            let answer = Answer::Http { status, headers: Vec::new(), body: echo.to_string().into_bytes() };
            let step = adapter.resume(exchange, &progress, &answer).expect("an answer is no translation error");
            assert!(matches!(step, Step::Failed(_)) && !format!("{step:?}").contains(CANARY), "{step:?}");
        }
    });
    let message = |resource: Value| {
        json!({"resourceType": "Bundle", "type": "CANARY", "entry": [{"resource": resource}]}).to_string()
    };
    for body in [message(json!({"resourceType": "CANARY"})), "CANARY".to_owned(), json!({"x": CANARY}).to_string()] {
        let error = pushed(body.as_bytes()).expect_err("refused").to_string();
        assert!(!error.contains(CANARY), "{error}");
    }
}

#[test]
fn decimals_and_unknown_members_travel_as_written() {
    let text = full().replacen("\"unit\": \"meals\"", "\"unit\": \"meals\", \"later-version\": 1.2300", 1);
    let referral = MinimisedReferral::new(text);
    with_exchange(Purpose::Submit { referral: &referral }, &settings(), |exchange| {
        let (_, body, _) = sent(adapter_fhir_message::adapter().begin(exchange).expect("translates"));
        assert!(body.contains("\"value\": 2.50") && body.contains("\"later-version\": 1.2300"), "{body}");
    });
}

#[test]
fn a_profile_takes_the_place_of_what_the_sender_claimed() {
    let mut bundle: Value = serde_json::from_str(&full()).expect("JSON");
    bundle["entry"][1]["resource"]["meta"] = json!({"profile": ["https://gp.example/profile"]});
    let referral = MinimisedReferral::new(bundle.to_string());
    let mut given = settings();
    for claimed in [false, true] {
        if claimed {
            given.insert("profile-base".to_owned(), "https://p.example/".to_owned());
        }
        with_exchange(Purpose::Submit { referral: &referral }, &given, |exchange| {
            let (_, body, _) = sent(adapter_fhir_message::adapter().begin(exchange).expect("translates"));
            let body: Value = serde_json::from_str(&body).expect("no member stands twice");
            let patient = &body["entry"][2]["resource"];
            let wanted = if claimed { "https://p.example/Patient" } else { "https://gp.example/profile" };
            assert_eq!((&patient["resourceType"], &patient["meta"]["profile"]), (&json!("Patient"), &json!([wanted])));
        });
    }
}

#[test]
fn what_is_not_declared_is_refused() {
    let id = PlatformReferralId("77".to_owned());
    let tell = |sender_move| Purpose::Tell { platform_referral: &id, sender_move, reason: None };
    let purposes = [
        tell(SenderMove::Hold),
        tell(SenderMove::Release),
        Purpose::LookUp,
        Purpose::Read { platform_referral: &id },
        Purpose::Poll { cursor: None },
    ];
    let adapter = adapter_fhir_message::adapter();
    for purpose in purposes {
        with_exchange(purpose, &settings(), |exchange| {
            assert!(adapter.begin(exchange).is_err(), "{purpose:?}");
            assert_eq!(adapter.account(exchange), Ok(None), "{purpose:?}");
        });
    }
    let answer = Answer::Http { status: 204, headers: Vec::new(), body: Vec::new() };
    let referral = MinimisedReferral::new(full());
    for (purpose, step) in [
        (Purpose::Submit { referral: &referral }, "revoke-service-request"),
        (tell(SenderMove::Cancel), "add-service-request"),
        (Purpose::LookUp, "add-service-request"),
    ] {
        let resumed = with_exchange(purpose, &settings(), |one| adapter.resume(one, &Progress::at(step), &answer));
        assert_eq!(resumed.expect_err("refused").path, "progress.step");
    }
    assert_eq!(adapter.check_settings(&settings()), Ok(()));
    assert!(adapter.check_settings(&Settings::new()).is_err());
}

#[test]
fn no_answer_makes_the_adapter_panic_or_believe_success() {
    let referral = MinimisedReferral::new(full());
    let id = PlatformReferralId("77".to_owned());
    let tell = Purpose::Tell { platform_referral: &id, sender_move: SenderMove::Cancel, reason: None };
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "\u{feff}",
        "{\"resourceType\":\"Bundle\"}",
        "{\"resourceType\":\"Patient\",\"id\":\"1\"}",
        "<html>",
        "{\"resourceType\":\"ServiceRequest\"}",
        "{\"resourceType\":\"OperationOutcome\"}",
    ];
    for purpose in [Purpose::Submit { referral: &referral }, tell] {
        with_exchange(purpose, &settings(), |exchange| {
            let adapter = adapter_fhir_message::adapter();
            let (_, _, progress) = sent(adapter.begin(exchange).expect("begins"));
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

/// A message about our referral with these resources behind the request.
fn message(resources: &[Value]) -> Value {
    let header = json!({"resourceType": "MessageHeader",
        "eventCoding": {"system": "urn:events", "code": "notify-update-process-request"}});
    let request = json!({"resourceType": "ServiceRequest", "id": "OC-1"});
    let all = [header, request].into_iter().chain(resources.iter().cloned());
    let entries: Vec<Value> = all.map(|resource| json!({"resource": resource})).collect();
    json!({"resourceType": "Bundle", "type": "message", "entry": entries})
}

fn task(number: usize) -> Value {
    json!({"resourceType": "Task", "id": number.to_string(), "status": "accepted"})
}

#[test]
fn a_message_that_says_too_much_is_refused_and_one_that_says_much_is_read() {
    let tasks = |count: usize| (0..count).map(task).collect::<Vec<_>>();
    assert_eq!(pushed(message(&tasks(200)).to_string().as_bytes()).map(|readings| readings.len()), Ok(200));
    let error = pushed(message(&tasks(201)).to_string().as_bytes()).expect_err("refused");
    assert_eq!(error.reason, "says more than the gateway takes from one message");
    // The same Task again and again is one statement; entries are counted all the same.
    let same = |count: usize| vec![task(1); count];
    assert_eq!(pushed(message(&same(498)).to_string().as_bytes()).map(|readings| readings.len()), Ok(1));
    let error = pushed(message(&same(499)).to_string().as_bytes()).expect_err("refused");
    assert_eq!(error.reason, "has more entries than the gateway reads");
}

#[test]
fn hostile_bodies_do_no_harm() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mark_up = "<a".repeat(400_000);
    let mut long_reason = task(1);
    long_reason["statusReason"] = json!({"text": mark_up});
    let long_reason = message(&[long_reason]).to_string();
    let replaced: Vec<Value> = (0..400)
        .map(|n| {
            json!({"resourceType": "ServiceRequest", "id": format!("s{n}"),
            "replaces": [{"reference": format!("ServiceRequest/s{}", (n + 1) % 400)}]})
        })
        .collect();
    assert!(pushed(message(&replaced).to_string().as_bytes()).is_ok(), "they replace each other in a circle");
    let read = pushed(long_reason.as_bytes()).expect("reads");
    let Some(Reading::Status(report)) = read.first() else { panic!("a statement") };
    assert!(report.reason.as_ref().is_some_and(|reason| reason.len() <= 8_000));
    for body in ["", "\u{feff}{}", "null", deep.as_str(), "{\"resourceType\":\"Bundle\",\"resourceType\":\"Bundle\"}"] {
        assert!(pushed(body.as_bytes()).is_err());
    }
    assert!(pushed(b"\xff\xfe\x00").is_err());
    for member in
        ["status", "businessStatus", "statusReason", "note", "output", "focus", "for", "lastModified", "meta", "id"]
    {
        for value in [json!(7), json!({}), json!([]), json!(null), json!([[1]]), json!({"reference": 7}), json!("x")] {
            let mut one = task(1);
            one[member] = value.clone();
            let read = pushed(message(&[one]).to_string().as_bytes());
            assert!(read.is_ok(), "{member} {value}");
        }
    }
    for member in ["focus", "eventCoding", "extension", "response", "eventUri"] {
        for value in [json!(7), json!([7]), json!({}), json!([{"url": 7}]), json!(null), json!([{"reference": "#"}])] {
            let mut whole = message(&[task(1)]);
            whole["entry"][0]["resource"][member] = value.clone();
            assert!(pushed(whole.to_string().as_bytes()).is_ok(), "{member} {value}");
        }
    }
}

#[test]
fn the_descriptor_is_whole() {
    let adapter = adapter_fhir_message::adapter();
    let descriptor = adapter.descriptor();
    assert_eq!((descriptor.name.as_str(), descriptor.version.as_str()), ("fhir-message", env!("CARGO_PKG_VERSION")));
    let unique = |mut all: Vec<&str>| {
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "each is declared once");
        all.len()
    };
    assert!(unique(descriptor.data_needs.iter().map(|need| need.path.as_str()).collect()) > 40);
    assert!(unique(descriptor.statuses.iter().map(|row| row.platform.as_str()).collect()) > 60);
    let words: Vec<&str> = descriptor.statuses.iter().map(|row| row.platform.as_str()).collect();
    assert!(TaskStatus::ALL.iter().all(|status| words.contains(&status.code())));
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
    let bundle: Value = serde_json::from_str(&full()).expect("JSON");
    let referral = MinimisedReferral::new(full());
    with_exchange(Purpose::Submit { referral: &referral }, &settings(), |exchange| {
        let adapter = adapter_fhir_message::adapter();
        let account = adapter.account(exchange).expect("translates").expect("explains itself");
        let told = |element: &str| {
            account.fields.iter().any(|line| line.sources.iter().any(|source| source == element))
                || account.losses.iter().any(|loss| loss.element == element)
        };
        let declared = |element: &str| {
            let covers =
                |path: &str| path.starts_with(element) && !path[element.len()..].starts_with(char::is_alphabetic);
            adapter.descriptor().data_needs.iter().any(|need| covers(&need.path))
        };
        let mut seen = 0;
        for entry in bundle["entry"].as_array().expect("entries") {
            let kind = entry["resource"]["resourceType"].as_str().expect("a type");
            for name in entry["resource"].as_object().expect("a resource").keys() {
                let element = format!("{kind}.{name}");
                let whole = account.losses.iter().any(|loss| loss.element == kind);
                assert!(whole || !declared(&element) || told(&element), "{element} is neither carried nor lost");
                seen += usize::from(declared(&element));
            }
        }
        assert!(seen > 20, "{seen} elements are declared and there");
        let (_, body, _) = sent(adapter.begin(exchange).expect("translates"));
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let entries = body["entry"].as_array().expect("entries");
        for line in &account.fields {
            let (kind, name) = line.target.split_once('.').expect("a path");
            let there = |entry: &Value| entry["resource"]["resourceType"] == kind && !entry["resource"][name].is_null();
            assert!(entries.iter().any(there), "{} is not sent", line.target);
        }
    });
}

/// A message of 190 Tasks with 50 outputs each, all of which point to one large resource.
fn all_point_to(resource: &Value) -> String {
    let key = json!([{"system": "https://vcse-gateway.example/fhir/Id/referral-key", "value": "key-1"}]);
    let header = json!({"resourceType": "MessageHeader", "eventCoding": {"code": "notify-update-process-request"}});
    let request = json!({"resourceType": "ServiceRequest", "id": "S-1", "identifier": key});
    let to = format!("{}/1", resource["resourceType"].as_str().expect("a type"));
    let outputs = vec![json!({"valueReference": {"reference": to}}); 50];
    let task = |number: usize| {
        json!({"resourceType": "Task", "id": format!("T-{number}"), "status": "completed",
            "focus": {"reference": "ServiceRequest/S-1"}, "output": outputs})
    };
    let resources = [header, request, resource.clone()].into_iter().chain((0..190).map(task));
    let entries: Vec<Value> = resources.map(|resource| json!({"resource": resource})).collect();
    json!({"resourceType": "Bundle", "type": "message", "timestamp": "2026-11-22T10:00:00Z", "entry": entries})
        .to_string()
}

#[test]
fn what_every_output_points_to_comes_out_once() {
    let long = "x".repeat(400_000);
    for (resource, most) in [
        (json!({"resourceType": "Observation", "id": "1", "valueString": long}), 1),
        (json!({"resourceType": "DocumentReference", "id": "1", "description": long}), 0),
        (json!({"resourceType": "Observation", "id": "1", "subject": {"reference": long}, "valueString": "x"}), 1),
    ] {
        let body = all_point_to(&resource);
        assert!(body.len() < 1_000_000, "a webhook takes it");
        let readings = pushed(body.as_bytes()).expect("reads");
        assert_eq!(readings.len(), 190);
        let outputs: Vec<_> = readings
            .iter()
            .flat_map(|reading| match reading {
                Reading::Status(status) => status.outputs.as_slice(),
                other => panic!("a status, not {other:?}"),
            })
            .map(|output| &output.value)
            .collect();
        // 500 are read, and each Task that has more says how many in one.
        assert!(outputs.len() <= 500 + 190, "{}", outputs.len());
        let carried = outputs.iter().filter(|value| matches!(value, OutputValue::Resource(_))).count();
        assert_eq!(carried, most);
        let size = format!("{readings:?}").len();
        assert!(size < 2 * body.len(), "{size} bytes of {}", body.len());
        // However little room there was, the statements keep their names.
        assert_eq!(pushed(body.as_bytes()).expect("reads"), readings);
    }
}

#[test]
fn a_statement_is_named_by_what_it_points_to_not_by_what_there_was_room_for() {
    let bundle = |value: &str, others: bool| {
        let mut bundle: Value = serde_json::from_str(&all_point_to(
            &json!({"resourceType": "Observation", "id": "1", "valueString": value}),
        ))
        .expect("JSON");
        let entries = bundle["entry"].as_array_mut().expect("entries");
        let last = entries.pop().expect("a Task");
        entries.truncate(if others { 100 } else { 3 });
        entries.push(last);
        let readings = pushed(bundle.to_string().as_bytes()).expect("reads");
        match readings.last() {
            Some(Reading::Status(status)) => (status.event.clone(), status.outputs.len()),
            other => panic!("a status, not {other:?}"),
        }
    };
    let ((alone, outputs), (among, fewer)) = (bundle("helped", false), bundle("helped", true));
    assert_eq!((outputs, fewer), (50, 1));
    assert_eq!(alone, among);
    assert_ne!(alone, bundle("corrected", false).0);
}

#[test]
fn a_long_word_is_not_repeated_for_each_referral() {
    let long = "x".repeat(300_000);
    let requests =
        (0..190).map(|number| json!({"resource": {"resourceType": "ServiceRequest", "id": format!("S-{number}")}}));
    for header in [
        json!({"resourceType": "MessageHeader", "eventCoding": {"system": long, "code": long}}),
        json!({"resourceType": "MessageHeader", "response": {"identifier": long, "code": long}}),
    ] {
        let entries: Vec<Value> = std::iter::once(json!({"resource": header})).chain(requests.clone()).collect();
        let body =
            json!({"resourceType": "Bundle", "type": "message", "timestamp": long, "entry": entries}).to_string();
        let readings = pushed(body.as_bytes()).expect("reads");
        assert_eq!(readings.len(), 190);
        assert!(format!("{readings:?}").len() < body.len(), "said of each referral, and bounded");
    }
}

#[test]
fn a_person_whose_names_are_all_old_keeps_them() {
    let mut bundle: Value = serde_json::from_str(&full()).expect("JSON");
    let old = json!([{"use": "old", "family": "Formername"}]);
    bundle["entry"][1]["resource"]["name"] = old.clone();
    bundle["entry"][1]["resource"]["address"] = json!([{"use": "old", "postalCode": "ZZ99 3VZ"}]);
    let referral = MinimisedReferral::new(bundle.to_string());
    with_exchange(Purpose::Submit { referral: &referral }, &settings(), |exchange| {
        let adapter = adapter_fhir_message::adapter();
        let (_, body, _) = sent(adapter.begin(exchange).expect("translates"));
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let patient = &body["entry"][2]["resource"];
        assert_eq!((&patient["name"], &patient["address"]), (&old, &Value::Null));
        let account = adapter.account(exchange).expect("translates").expect("explains itself");
        let lost: Vec<&str> = account.losses.iter().map(|loss| loss.element.as_str()).collect();
        assert!(lost.contains(&"Patient.address") && !lost.contains(&"Patient.name"), "{lost:?}");
    });
}
