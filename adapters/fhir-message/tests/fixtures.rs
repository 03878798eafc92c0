//! Runs every folder under `fixtures/`: each is one exchange with a platform, or one message of it. A new case needs no
//! Rust. Write `case.json` and what the platform says, run with `UPDATE_FIXTURES=1`, and review what was written.
//!
//! Files of a case: `case.json` (purpose, settings, referral); `1-request.json` (what the adapter must send, with the
//! progress it stores); `1-answer.json` (what the platform answers); `report.json` or `report.txt` (a pushed body);
//! `account.json` (what a submission makes of each element, where it is there); `result.json`.

use adapter_contract::{
    Account, Adapter, Answer, Exchange, IdempotencyKey, Keys, MinimisedReferral, PlatformReferralId, PlatformRequest,
    Purpose, Reading, Report, ReportSource, SenderMove, Settings, Step, TranslateError,
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

    fn raw(&mut self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join(name)).ok()?;
        self.used.insert(name.to_owned());
        Some(text)
    }

    fn read(&mut self, name: &str) -> Option<Value> {
        let text = self.raw(name)?;
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
            ("source-endpoint", "https://gateway.example/fhir"),
            ("recipient-identifier-system", "https://platform.example/Id/service"),
            ("recipient-identifier-value", "befriending-1"),
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
    assert!(folders.len() >= 90, "the fixtures are there");
    let adapter = adapter_fhir_message::adapter();
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
    let body = case.raw("report.json").or_else(|| case.raw("report.txt")).expect("a report");
    let report = Report { source, content_type: Some("application/fhir+json"), body: body.as_bytes() };
    let read = adapter.read_report(&report);
    assert_eq!(read, adapter.read_report(&report), "the same message says the same");
    let seen = match read {
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
    let tell = |sender_move| Purpose::Tell {
        platform_referral: platform_referral.as_ref().expect("a platform referral"),
        sender_move,
        reason: None,
    };
    let purpose = match case.text("purpose").expect("a purpose") {
        "submit" => Purpose::Submit { referral: referral.as_ref().expect("a referral") },
        "cancel" => tell(SenderMove::Cancel),
        "hold" => tell(SenderMove::Hold),
        other => panic!("unknown purpose {other}"),
    };
    let key = IdempotencyKey(KEY.to_owned());
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    let exchange = Exchange { purpose, at: None, keys, settings: &settings, accepted_at: ACCEPTED };
    if case.folder.join("account.json").exists() {
        let told = adapter.account(&exchange).expect("translates").expect("explains itself");
        case.expect("account.json", &account(&told));
    }
    let mut step = adapter.begin(&exchange);
    assert_eq!(step, adapter.begin(&exchange), "the same exchange gives the same step");
    if let Ok(Step::Send(request, progress)) = &step {
        let again = adapter.begin(&Exchange { at: Some(progress), ..exchange });
        assert_eq!(step, again, "an interrupted exchange makes the awaited request again");
        case.expect("1-request.json", &json!({"request": rendered(request), "progress": progress}));
        let answer = answered(&case.read("1-answer.json").expect("an answer"));
        let next = adapter.resume(&exchange, progress, &answer);
        assert_eq!(next, adapter.resume(&exchange, progress, &answer), "the same answer gives the same step");
        step = next;
    }
    case.expect("result.json", &result(&step));
}

fn account(told: &Account) -> Value {
    let field = |line: &adapter_contract::FieldLine| {
        format!("{}: {} ({})", line.target, line.steps.join(", "), line.class.word())
    };
    json!({"fields": told.fields.iter().map(field).collect::<Vec<_>>(), "losses": told.losses})
}

fn answered(answer: &Value) -> Answer {
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
    let PlatformRequest::Http(http) = request else { panic!("messages travel over HTTP") };
    let body = std::str::from_utf8(http.body.as_deref().expect("a body")).expect("UTF-8");
    json!({
        "method": http.method, "path": http.path, "query": http.query, "headers": http.headers, "repeat": http.repeat,
        "body": serde_json::from_str::<Value>(body).expect("bodies are JSON"),
    })
}

fn result(step: &Result<Step, TranslateError>) -> Value {
    match step {
        Ok(Step::Delivered(receipt)) => json!({"delivered": receipt.platform_referral, "reports": receipt.reports}),
        Ok(Step::Failed(error)) => json!({"failed": error}),
        Ok(other) => panic!("an exchange of one message does not end with {other:?}"),
        Err(error) => refused(error),
    }
}

fn readings(readings: &[Reading]) -> Vec<Value> {
    let one = |reading: &Reading| match reading {
        Reading::Status(report) => json!(report),
        Reading::Changed(_) => panic!("there is nothing to ask this platform"),
    };
    readings.iter().map(one).collect()
}

fn refused(error: &TranslateError) -> Value {
    json!({"refused": {"path": error.path, "reason": error.reason, "unsafe-to-send": error.unsafe_to_send}})
}
