//! The runner of cases, with an adapter that is written by hand.

use super::case::{Case, read_all};
use super::compare::compare;
use super::run::{Subject, promises, run, run_guarded};
use crate::fault::Fault;
use crate::folder::Folder;
use adapter_contract::{
    Adapter, Answer, Capabilities, Cursor, Descriptor, Exchange, HttpRequest, Limits, Method, PlatformReferralId,
    PlatformRequest, Progress, Purpose, Reading, Receipt, Repeat, Report, ReportPage, Settings, Step, TranslateError,
};
use serde_json::{Value, json};

/// Posts the person's gender; believes any 201 whose body names an id.
struct Plain(Descriptor);

impl Plain {
    fn new() -> Self {
        Self(Descriptor {
            name: "plain".to_owned(),
            version: "1".to_owned(),
            format: "none".to_owned(),
            capabilities: Capabilities {
                cancel: false,
                hold: false,
                look_up: true,
                poll: true,
                push: true,
                status_link: false,
                amend: adapter_contract::Amend::None,
            },
            data_needs: Vec::new(),
            accepted_losses: Vec::new(),
            limits: Limits {
                steps: 1,
                answer_seconds: 1,
                answer_bytes: 1,
                poll_seconds: 1,
                pace: adapter_contract::Pace::default(),
            },
            statuses: Vec::new(),
        })
    }
}

impl Adapter for Plain {
    fn descriptor(&self) -> &Descriptor {
        &self.0
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        if settings.contains_key("account") {
            Ok(())
        } else {
            Err(TranslateError::new("settings.account", "is missing"))
        }
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        let body = match exchange.purpose {
            Purpose::Submit { referral } => {
                let bundle: Value = serde_json::from_str(referral.bundle()).unwrap();
                let gender = &bundle["entry"][1]["resource"]["gender"];
                if gender.is_null() {
                    return Err(TranslateError::new("Patient.gender", "is missing"));
                }
                json!({ "gender": gender, "account": exchange.settings.get("account") })
            }
            Purpose::Poll { cursor } => json!({ "after": cursor.map(|cursor| &cursor.0) }),
            _ => return Ok(Step::Absent),
        };
        let request = HttpRequest {
            method: Method::Post,
            path: "people".to_owned(),
            query: Vec::new(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: Some(body.to_string().into_bytes()),
            repeat: Repeat::LookUpFirst,
        };
        Ok(Step::Send(PlatformRequest::Http(request), Progress::at("create")))
    }

    fn resume(&self, exchange: &Exchange<'_>, _: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        let Answer::Http { status, body, .. } = answer else { return Ok(Step::Absent) };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if matches!(exchange.purpose, Purpose::Poll { .. }) {
            let cursor = Some(Cursor(json!({"page": status}).to_string()));
            return Ok(Step::Reports(ReportPage { readings: Vec::new(), cursor, more: false }));
        }
        match (status, body["id"].as_str()) {
            (201, Some(id)) => Ok(Step::Delivered(Receipt {
                platform_referral: PlatformReferralId(id.to_owned()),
                reports: Vec::new(),
            })),
            (500, _) => panic!("for the test"),
            _ => self.begin(exchange),
        }
    }

    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        let text = std::str::from_utf8(report.body).map_err(|_| TranslateError::new("report", "is not text"))?;
        Ok(vec![Reading::Changed(PlatformReferralId(text.trim().to_owned()))])
    }
}

impl Subject for Plain {
    fn codes(&self, map: &str) -> Option<Value> {
        (map == "gender").then(|| json!({"female": "F"}))
    }
}

fn referral() -> String {
    let entry = |kind: &str, more: Value| {
        let mut resource = json!({ "resourceType": kind });
        resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000", "resource": resource })
    };
    let entries =
        [entry("ServiceRequest", json!({})), entry("Patient", json!({ "gender": "female" })), entry("Task", json!({}))];
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string()
}

fn folder(files: &[(&str, &str)]) -> Folder {
    let mut folder = Folder::new("plain", []);
    for (name, text) in files {
        folder.put(format!("fixtures/{name}"), *text);
    }
    folder
}

fn one(files: &[(&str, &str)]) -> Case {
    let mut folder = folder(files);
    if files.iter().any(|(_, text)| text.contains("\"person\"")) {
        folder.put("fixtures/referrals/person.json", referral());
    }
    let mut cases = read_all(&folder).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(cases.len(), 1);
    cases.remove(0)
}

fn faults(files: &[(&str, &str)]) -> String {
    let faults = read_all(&folder(files)).expect_err("there are faults");
    let line = |fault: &Fault| format!("{}:{}:{}: {}", fault.file, fault.line, fault.column, fault.words);
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_submit_is_run_to_its_end_and_compared() {
    let case = one(&[
        ("settings.json", r#"{"account": "7", "other": "x"}"#),
        (
            "a/case.json",
            r#"{"about": "A.", "purpose": "submit", "referral": "person", "settings": {"other": null},
            "changes": {"/entry/1/resource/gender": "male"}}"#,
        ),
        (
            "a/1-request.json",
            r#"{"request": {"method": "POST", "path": "people", "query": [], "repeat": "look-up-first",
            "headers": [["Content-Type", "application/json"]], "body": {"gender": "male", "account": "7"}},
            "progress": {"step": "create", "notes": {}}}"#,
        ),
        ("a/1-answer.json", r#"{"status": 201, "body": {"id": "42"}}"#),
        ("a/result.json", r#"{"delivered": "42", "reports": []}"#),
    ]);
    assert!(!case.settings.contains_key("other"));
    assert_eq!(case.settings["base-url"], "https://platform.example");
    let seen = run(&case, &Plain::new());
    assert!(compare(&seen, &case.expected).holds(), "{seen:#?}");
    assert!(promises(&case, &Plain::new()).is_empty());
}

#[test]
fn a_case_without_an_answer_is_about_its_request() {
    let case = one(&[("a/case.json", r#"{"about": "A.", "purpose": "submit", "referral": "person"}"#)]);
    let seen = run(&case, &Plain::new());
    assert_eq!(seen.iter().map(|(file, _)| file.as_str()).collect::<Vec<_>>(), ["1-request.json"]);
    let found = compare(&seen, &case.expected);
    assert_eq!(found.missing.len(), 1);
    assert!(found.missing["1-request.json"].contains("look-up"), "{found:#?}");
}

#[test]
fn every_purpose_is_run() {
    let cases = [
        (r#""submit", "referral": "person", "changes": {"/entry/1/resource/gender": null}"#, "", "Patient.gender"),
        (r#""look-up""#, "", "absent"),
        (r#""read", "platform-referral": "42""#, "", "absent"),
        (r#""cancel", "platform-referral": "42", "reason": "Gone.""#, "", "absent"),
        (r#""poll", "cursor": {"page": 1}"#, r#"{"status": 200}"#, r#"{"page":200}"#),
        (r#""report", "content-type": "text/plain""#, "", r#"{"changed":"42"}"#),
        (r#""settings""#, "", "settings.account"),
        (r#""codes", "map": "gender""#, "", r#"{"female":"F"}"#),
        (r#""codes", "map": "other""#, "", "no map of this name"),
    ];
    for (purpose, answer, words) in cases {
        let text = format!("{{\"about\": \"A.\", \"purpose\": {purpose}}}");
        let mut files = vec![("a/case.json", text.as_str())];
        if !answer.is_empty() {
            files.push(("a/1-answer.json", answer));
        }
        if purpose.contains("report") {
            files.push(("a/report.txt", "42\n"));
        }
        let case = one(&files);
        let seen = run(&case, &Plain::new());
        let (file, result) = seen.last().unwrap();
        assert!(file == "result.json" && result.to_string().contains(words), "{purpose}: {seen:#?}");
    }
}

#[test]
fn an_exchange_that_does_not_end_is_cut_off_and_a_panic_is_noticed() {
    let case = |status: u16| {
        one(&[
            ("a/case.json", r#"{"about": "A.", "purpose": "submit", "referral": "person"}"#),
            ("a/1-answer.json", &format!("{{\"status\": {status}, \"text\": [\"a\", \"b\"]}}")),
        ])
    };
    let seen = run(&case(404), &Plain::new());
    assert!(seen.last().unwrap().1.to_string().contains("more steps"), "{seen:#?}");
    assert!(run_guarded(&case(404), &Plain::new()).is_ok());
    assert!(run_guarded(&case(500), &Plain::new()).is_err());
}

#[test]
fn faults_of_fixture_files_are_told_together() {
    let said = faults(&[
        ("stray.json", "{}"),
        ("referrals/unused.json", "{}"),
        ("none/result.json", "{}"),
        ("broken/case.json", "{\n  \"about\": }"),
        ("unknown/case.json", r#"{"about": "A.", "purpose": "submit", "colour": 1}"#),
        ("bare/case.json", r#"{"about": " ", "purpose": "read", "map": "x"}"#),
        ("lost/case.json", r#"{"about": "A.", "purpose": "submit", "referral": "nobody"}"#),
        ("empty/case.json", r#"{"about": "A.", "purpose": "submit"}"#),
        ("form/case.json", r#"{"about": "A.", "purpose": "submit", "changes": {"/no/way": 1}}"#),
        ("form/referral.json", r#"{"resourceType": "Patient"}"#),
        ("answer/case.json", r#"{"about": "A.", "purpose": "look-up"}"#),
        ("answer/1-answer.json", r#"{"status": 20}"#),
        ("answer/3-answer.json", r#"{"status": 200}"#),
        ("report/case.json", r#"{"about": "A.", "purpose": "report"}"#),
        ("claims/case.json", r#"{"about": "A.", "purpose": "look-up", "requirements": ["AD-NON-001"]}"#),
    ]);
    for words in [
        "fixtures/stray.json:0:0: belongs to no case",
        "fixtures/referrals/unused.json:0:0: no case uses this referral",
        "fixtures/none/case.json:0:0: case.json is missing",
        "fixtures/broken/case.json:2:12: expected value",
        "fixtures/unknown/case.json:1:45: unknown field `colour`",
        "fixtures/bare/case.json:0:0: `about` is empty",
        "fixtures/bare/case.json:0:0: `platform-referral` is missing",
        "fixtures/bare/case.json:0:0: `map` means nothing",
        "fixtures/lost/case.json:0:0: there is no fixtures/referrals/nobody.json",
        "fixtures/empty/case.json:0:0: a submit needs a referral",
        "fixtures/form/case.json:0:0: changes: /no/way: leads nowhere",
        "fixtures/form/referral.json:0:0: a referral is a Bundle of type collection",
        "fixtures/answer/1-answer.json:0:0: `status` must be an HTTP status",
        "fixtures/answer/3-answer.json:0:0: no step of this case reads it",
        "fixtures/report/case.json:0:0: a report needs a body",
        "fixtures/claims/case.json:0:0: `AD-NON-001` is not claimed",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
}
