//! Runs every folder under `fixtures/`: each is one exchange. A new case needs no Rust. Write `case.json` and the answers, run with
//! `UPDATE_FIXTURES=1`, and review what was written. What the mapping makes of a referral is proved in `way-out/`.
//!
//! Files of a case: `case.json` (purpose, settings, referral, cursor); `N-request.json` and `N-request.csv` (what the adapter must
//! ask, and the file that leaves); `N-answer.json` and `N-answer.csv` (what comes back, and the file that has come); `result.json`.

use adapter_contract::{
    Adapter, Answer, Cursor, Exchange, FileAnswer, FileFault, FileRequest, IdempotencyKey, Keys, MinimisedReferral,
    PlatformReferralId, PlatformRequest, Progress, Purpose, Reading, ReceivedFile, SenderMove, Settings, Step,
    TranslateError,
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
        case.case = case.json("case.json").expect("every case has a case.json");
        assert!(case.case["about"].is_string(), "{:?} says what it is about", case.folder);
        case
    }

    fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.folder.join(name)).ok()?;
        self.used.insert(name.to_owned());
        Some(bytes)
    }

    fn json(&mut self, name: &str) -> Option<Value> {
        let bytes = self.bytes(name)?;
        Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{:?} {name}: {error}", self.folder)))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.case.get(name).and_then(Value::as_str)
    }

    /// Compares with the stored file, or writes it when asked to.
    fn expect(&mut self, name: &str, seen: &[u8]) {
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(self.folder.join(name), seen).expect("writes");
        }
        let wanted = self.bytes(name).unwrap_or_else(|| panic!("{:?} has no {name}", self.folder));
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(words(seen), words(&wanted), "{:?} {name}", self.folder);
    }

    fn expect_json(&mut self, name: &str, seen: &Value) {
        let text = serde_json::to_string_pretty(seen).expect("serialises") + "\n";
        self.expect(name, text.as_bytes());
    }

    fn settings(&self) -> Settings {
        let given = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut settings: Settings = [given("base-url", "https://mesh.example"), given("files", "mesh")].into();
        for (name, value) in self.case.get("settings").and_then(Value::as_object).into_iter().flatten() {
            match value.as_str() {
                Some(value) => settings.insert(name.clone(), value.to_owned()),
                None => settings.remove(name),
            };
        }
        settings
    }

    fn all_used(&self) {
        let entries = std::fs::read_dir(&self.folder).expect("lists");
        let there: BTreeSet<String> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8 name")).collect();
        assert_eq!(there, self.used, "{:?}: files that no step reads prove nothing", self.folder);
    }
}

#[test]
fn every_fixture_folder_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let entries = std::fs::read_dir(&root).expect("lists");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    folders.sort();
    assert!(folders.len() >= 20, "the fixtures are there");
    let adapter = adapter_batch_csv::adapter();
    for folder in folders {
        let mut case = Case::open(folder);
        if case.text("purpose") == Some("settings") {
            let seen = match adapter.check_settings(&case.settings()) {
                Ok(()) => json!("right"),
                Err(error) => refused(&error),
            };
            case.expect_json("result.json", &seen);
        } else {
            run(adapter.as_ref(), &mut case);
        }
        case.all_used();
    }
}

fn run(adapter: &dyn Adapter, case: &mut Case) {
    let settings = case.settings();
    let referral = case.text("referral").map(|name| {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("way-out/fixtures/referrals").join(format!("{name}.json"));
        MinimisedReferral::new(std::fs::read_to_string(path).expect("the referral is there"))
    });
    let platform_referral = PlatformReferralId(KEY.to_owned());
    let cursor = case.text("cursor").map(|text| Cursor(text.to_owned()));
    let purpose = match case.text("purpose").expect("a purpose") {
        "submit" => Purpose::Submit { referral: referral.as_ref().expect("a referral") },
        "cancel" => {
            Purpose::Tell { platform_referral: &platform_referral, sender_move: SenderMove::Cancel, reason: None }
        }
        "look-up" => Purpose::LookUp,
        "read" => Purpose::Read { platform_referral: &platform_referral },
        "poll" => Purpose::Poll { cursor: cursor.as_ref() },
        other => panic!("unknown purpose {other}"),
    };
    let key = IdempotencyKey(case.text("key").unwrap_or(KEY).to_owned());
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    let exchange = Exchange { purpose, at: None, keys, settings: &settings, accepted_at: ACCEPTED };
    let mut step = adapter.begin(&exchange);
    assert_eq!(step, adapter.begin(&exchange), "the same exchange gives the same step");
    for number in 1.. {
        let Ok(Step::Send(request, progress)) = &step else { break };
        assert!(number <= adapter.descriptor().limits.steps, "more steps than declared");
        asked(case, number, request, progress);
        let answer = answered(case, number);
        let next = adapter.resume(&exchange, progress, &answer);
        assert_eq!(next, adapter.resume(&exchange, progress, &answer), "the same answer gives the same step");
        step = next;
    }
    case.expect_json("result.json", &result(&step));
}

fn asked(case: &mut Case, number: u32, request: &PlatformRequest, progress: &Progress) {
    let PlatformRequest::File(request) = request else { panic!("the adapter asks for files alone") };
    let seen = match request {
        FileRequest::Put(put) => {
            case.expect(&format!("{number}-request.csv"), &put.content);
            json!({ "put": { "key": put.key, "name": put.name, "media-type": put.media_type } })
        }
        FileRequest::Find { key } => json!({ "find": key }),
        FileRequest::List => json!("list"),
        FileRequest::Get { id } => json!({ "get": id }),
        FileRequest::Finish { id } => json!({ "finish": id }),
    };
    let seen = json!({ "request": seen, "repeat": request.repeat(), "progress": progress });
    case.expect_json(&format!("{number}-request.json"), &seen);
}

fn answered(case: &mut Case, number: u32) -> Answer {
    let answer = case.json(&format!("{number}-answer.json")).expect("an answer");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (name, value) = match &answer {
        Value::String(name) => (name.clone(), Value::Null),
        Value::Object(members) => {
            members.iter().next().map(|(name, value)| (name.clone(), value.clone())).expect("one")
        }
        other => panic!("no answer: {other}"),
    };
    let read = match name.as_str() {
        "put" => FileAnswer::Put,
        "found" => FileAnswer::Found(value.as_bool().expect("true or false")),
        "listed" => FileAnswer::Listed(serde_json::from_value(value).expect("ids")),
        "file" => {
            let content = case.bytes(&format!("{number}-answer.csv")).expect("a file");
            FileAnswer::File(ReceivedFile { name: text(&value), content })
        }
        "unfit" => FileAnswer::Unfit(serde_json::from_value::<FileFault>(value).expect("a fault")),
        "undelivered" => {
            FileAnswer::Undelivered { key: text(&value["key"]), code: text(&value["code"]).expect("a code") }
        }
        "not-ours" => FileAnswer::NotOurs,
        "finished" => FileAnswer::Finished,
        other => panic!("unknown answer {other}"),
    };
    Answer::File(read)
}

fn result(step: &Result<Step, TranslateError>) -> Value {
    match step {
        Ok(Step::Send(..)) => panic!("an exchange ends"),
        Ok(Step::Delivered(receipt)) => json!({ "delivered": receipt.platform_referral, "reports": receipt.reports }),
        Ok(Step::Absent) => json!("absent"),
        Ok(Step::Reports(page)) => {
            let one = |reading: &Reading| match reading {
                Reading::Status(report) => json!(report),
                Reading::Changed(id) => json!({ "changed": id }),
            };
            let readings: Vec<Value> = page.readings.iter().map(one).collect();
            json!({ "readings": readings, "cursor": page.cursor, "more": page.more })
        }
        Ok(Step::Failed(error)) => json!({ "failed": error }),
        Err(error) => refused(error),
    }
}

fn refused(error: &TranslateError) -> Value {
    json!({ "refused": { "path": error.path, "reason": error.reason, "unsafe-to-send": error.unsafe_to_send } })
}
