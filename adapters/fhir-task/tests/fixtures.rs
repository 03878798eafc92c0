//! Runs every folder under `fixtures/`: each is one exchange with a platform, or one report of it. A new case needs no
//! Rust. Write `case.json` and the platform's answers, run with `UPDATE_FIXTURES=1`, and review what was written.
//!
//! Files of a case: `case.json` (purpose, settings, referral); `N-request.json` (what the adapter must send, with the
//! progress it stores); `N-answer.json` (what the platform answers); `report.json` (a pushed body); `result.json`.

use adapter_contract::{
    Adapter, Answer, Cursor, Exchange, IdempotencyKey, Keys, Method, MinimisedReferral, PlatformReferralId,
    PlatformRequest, Progress, Purpose, Reading, Report, ReportSource, SenderMove, Settings, Step, TranslateError,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const KEY: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a001";
const ACCEPTED: &str = "2026-11-22T09:00:00.000Z";

/// One fixture folder, and the files of it that were used.
struct Case {
    folder: PathBuf,
    case: Value,
    used: BTreeSet<String>,
}

impl Case {
    fn open(folder: PathBuf) -> Self {
        let mut case = Self { folder, case: Value::Null, used: BTreeSet::new() };
        case.case = case.read("case.json").expect("every case has a case.json");
        case
    }

    fn read(&mut self, name: &str) -> Option<Value> {
        let text = std::fs::read_to_string(self.folder.join(name)).ok()?;
        self.used.insert(name.to_owned());
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{:?} {name}: {error}", self.folder)))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.case.get(name).and_then(Value::as_str)
    }

    /// Compares with the stored file, or writes it when asked to.
    fn expect(&mut self, name: &str, seen: &Value) {
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            let text = serde_json::to_string_pretty(seen).expect("serialises") + "\n";
            std::fs::write(self.folder.join(name), text).expect("writes");
        }
        let wanted = self.read(name).unwrap_or_else(|| panic!("{:?} has no {name}; saw {seen:#}", self.folder));
        assert_eq!(*seen, wanted, "{:?} {name}: saw {seen:#}", self.folder);
    }

    fn settings(&self) -> Settings {
        let mut settings: Settings = [
            ("base-url", "https://platform.example/fhir"),
            ("requester-ods", "X26"),
            ("requester-name", "Example PCN referral gateway"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (name, value) in self.case.get("settings").and_then(Value::as_object).into_iter().flatten() {
            settings.insert(name.clone(), value.as_str().expect("settings are strings").to_owned());
        }
        settings
    }

    fn all_used(&self) {
        let there: BTreeSet<String> = std::fs::read_dir(&self.folder)
            .expect("lists")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8 name"))
            .collect();
        assert_eq!(there, self.used, "{:?}: files that no step reads prove nothing", self.folder);
    }
}

#[test]
fn every_fixture_folder_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&root)
        .expect("lists")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.is_dir() && !path.ends_with("referrals"))
        .collect();
    folders.sort();
    assert!(folders.len() >= 12, "the fixtures are there");
    let adapter = adapter_fhir_task::adapter();
    for folder in folders {
        let mut case = Case::open(folder);
        match case.text("purpose") {
            Some("report") => run_report(adapter.as_ref(), &mut case),
            _ => run_exchange(adapter.as_ref(), &mut case, &root),
        }
        case.all_used();
    }
}

fn run_report(adapter: &dyn Adapter, case: &mut Case) {
    let source: ReportSource = serde_json::from_value(case.case["source"].clone()).expect("a source");
    let body = case.read("report.json").expect("a report").to_string();
    let report = Report { source, content_type: Some("application/fhir+json"), body: body.as_bytes() };
    let seen = match adapter.read_report(&report) {
        Ok(read) => json!({"readings": readings(&read)}),
        Err(error) => refused(&error),
    };
    case.expect("result.json", &seen);
}

fn run_exchange(adapter: &dyn Adapter, case: &mut Case, root: &Path) {
    let settings = case.settings();
    let referral = case.text("referral").map(|name| {
        let path = root.join("referrals").join(format!("{name}.json"));
        MinimisedReferral::new(std::fs::read_to_string(path).expect("the referral is there"))
    });
    let platform_referral = case.text("platform-referral").map(|id| PlatformReferralId(id.to_owned()));
    let cursor = case.text("cursor").map(|text| Cursor(text.to_owned()));
    let reason = case.text("reason").map(str::to_owned);
    let purpose = match case.text("purpose").expect("a purpose") {
        "submit" => Purpose::Submit { referral: referral.as_ref().expect("a referral") },
        "cancel" => Purpose::Tell {
            platform_referral: platform_referral.as_ref().expect("a platform referral"),
            sender_move: SenderMove::Cancel,
            reason: reason.as_deref(),
        },
        "look-up" => Purpose::LookUp,
        "read" => Purpose::Read { platform_referral: platform_referral.as_ref().expect("a platform referral") },
        "poll" => Purpose::Poll { cursor: cursor.as_ref() },
        other => panic!("unknown purpose {other}"),
    };
    let key = IdempotencyKey(KEY.to_owned());
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    let exchange = Exchange { purpose, at: None, keys, settings: &settings, accepted_at: ACCEPTED };
    let mut step = adapter.begin(&exchange);
    assert_eq!(step, adapter.begin(&exchange), "the same exchange gives the same step");
    for number in 1.. {
        let Ok(Step::Send(request, progress)) = &step else { break };
        assert!(number <= adapter.descriptor().limits.steps, "more steps than declared");
        repeats_when_interrupted(adapter, &exchange, request, progress);
        let seen = json!({"request": rendered(request), "progress": progress});
        case.expect(&format!("{number}-request.json"), &seen);
        let answer = case.read(&format!("{number}-answer.json")).expect("an answer");
        let answer = answered(&answer);
        let next = adapter.resume(&exchange, progress, &answer);
        assert_eq!(next, adapter.resume(&exchange, progress, &answer), "the same answer gives the same step");
        step = next;
    }
    case.expect("result.json", &result(&step));
}

/// An interrupted exchange makes the awaited request again. A withdrawal reads again instead, which is as good: what it
/// would put back may not be kept.
fn repeats_when_interrupted(adapter: &dyn Adapter, exchange: &Exchange<'_>, request: &PlatformRequest, at: &Progress) {
    let again = adapter.begin(&Exchange { at: Some(at), ..*exchange }).expect("begins again");
    match again {
        Step::Send(PlatformRequest::Http(read), _) if at.step == "tell-write" => assert_eq!(read.method, Method::Get),
        Step::Send(again, progress) if at.step != "tell-read" => assert_eq!((&again, &progress), (request, at)),
        Step::Send(again, _) => assert_eq!(again, *request),
        other => panic!("expected the request of {}, got {other:?}", at.step),
    }
}

fn answered(answer: &Value) -> Answer {
    if let Some(ids) = answer.get("published") {
        return Answer::Published(serde_json::from_value(ids.clone()).expect("ids"));
    }
    if let Some(status) = answer.get("amended") {
        return Answer::Amended(serde_json::from_value(status.clone()).expect("a status"));
    }
    let headers = answer.get("headers").and_then(Value::as_object).into_iter().flatten();
    let body = match (answer.get("body"), answer.get("text").and_then(Value::as_str)) {
        (Some(body), None) => body.to_string(),
        (None, text) => text.unwrap_or_default().to_owned(),
        (Some(_), Some(_)) => panic!("an answer has a body or a text"),
    };
    Answer::Http {
        status: answer["status"].as_u64().and_then(|status| status.try_into().ok()).expect("a status"),
        headers: headers.map(|(name, value)| (name.clone(), value.as_str().expect("a string").to_owned())).collect(),
        body: body.into_bytes(),
    }
}

fn rendered(request: &PlatformRequest) -> Value {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("bodies are JSON");
    match request {
        PlatformRequest::Http(http) => json!({
            "method": http.method, "path": http.path, "query": http.query, "headers": http.headers,
            "repeat": http.repeat,
            "body": http.body.as_deref().map(|body| parsed(std::str::from_utf8(body).expect("UTF-8"))),
        }),
        PlatformRequest::Publish(publication) => {
            let resources = publication.resources.iter();
            let resource = |one: &adapter_contract::PublishedResource| json!({"full-url": one.full_url, "resource": parsed(&one.resource)});
            json!({"publish": resources.map(resource).collect::<Vec<_>>()})
        }
        PlatformRequest::Amend(amend) => {
            json!({"amend": {"task": amend.task, "status": amend.status, "reason": amend.reason}})
        }
        PlatformRequest::File(_) | PlatformRequest::Mail(_) => panic!("the adapter makes no files and writes no mail"),
    }
}

fn result(step: &Result<Step, TranslateError>) -> Value {
    match step {
        Ok(Step::Send(..)) => panic!("an exchange ends"),
        Ok(Step::Delivered(receipt)) => {
            json!({"delivered": receipt.platform_referral, "reports": receipt.reports})
        }
        Ok(Step::Absent) => json!("absent"),
        Ok(Step::Reports(page)) => {
            json!({"readings": readings(&page.readings), "cursor": page.cursor, "more": page.more})
        }
        Ok(Step::Failed(error)) => json!({"failed": error}),
        Err(error) => refused(error),
    }
}

fn readings(readings: &[Reading]) -> Vec<Value> {
    let one = |reading: &Reading| match reading {
        Reading::Status(report) => json!({"status": report}),
        Reading::Changed(id) => json!({"changed": id}),
    };
    readings.iter().map(one).collect()
}

fn refused(error: &TranslateError) -> Value {
    json!({"refused": {"path": error.path, "reason": error.reason, "unsafe-to-send": error.unsafe_to_send}})
}
