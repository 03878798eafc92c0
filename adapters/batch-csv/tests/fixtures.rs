//! Runs every folder under `fixtures/`: each is one exchange. A new case needs no Rust. Write `case.json` and the answers, run with
//! `UPDATE_FIXTURES=1`, and review what was written. What the mapping makes of a referral is proved in `way-out/`.
//!
//! Files of a case: `case.json` (purpose, settings, referral, cursor); `N-request.json` and `N-request.csv` (what the adapter must
//! ask, and the file that leaves); `N-answer.json` and `N-answer.csv` (what comes back, and the file that has come); `result.json`.

use adapter_contract::{
    Adapter, Answer, Cursor, FileAnswer, FileFault, FileRequest, MinimisedReferral, PlatformReferralId,
    PlatformRequest, Progress, Purpose, Reading, ReceivedFile, SenderMove,
};
use adapter_testing::{Case, KEY, folders, play, refused, result, with_exchange};
use serde_json::{Value, json};
use std::path::Path;

const SETTINGS: &[(&str, &str)] = &[("base-url", "https://mesh.example"), ("files", "mesh")];

#[test]
fn every_fixture_folder_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let adapter = adapter_batch_csv::adapter();
    for folder in folders(&root, 20) {
        let mut case = Case::open(folder);
        assert!(case.case["about"].is_string(), "{:?} says what it is about", case.folder);
        if case.text("purpose") == Some("settings") {
            let seen = match adapter.check_settings(&case.settings(SETTINGS)) {
                Ok(()) => json!("right"),
                Err(error) => refused(&error),
            };
            case.expect("result.json", &seen);
        } else {
            run(adapter.as_ref(), &mut case);
        }
        case.all_used();
    }
}

fn run(adapter: &dyn Adapter, case: &mut Case) {
    let settings = case.settings(SETTINGS);
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
    let key = case.text("key").unwrap_or(KEY).to_owned();
    let end = with_exchange(purpose, &key, &settings, |exchange| play(adapter, exchange, case, asked, answered));
    case.expect("result.json", &result(&end, reading));
}

fn asked(case: &mut Case, number: u32, request: &PlatformRequest, progress: &Progress) {
    let PlatformRequest::File(request) = request else { panic!("the adapter asks for files alone") };
    let seen = match request {
        FileRequest::Put(put) => {
            case.expect_bytes(&format!("{number}-request.csv"), &put.content);
            json!({ "put": { "key": put.key, "name": put.name, "media-type": put.media_type } })
        }
        FileRequest::Find { key } => json!({ "find": key }),
        FileRequest::List => json!("list"),
        FileRequest::Get { id } => json!({ "get": id }),
        FileRequest::Finish { id } => json!({ "finish": id }),
    };
    let seen = json!({ "request": seen, "repeat": request.repeat(), "progress": progress });
    case.expect(&format!("{number}-request.json"), &seen);
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

fn reading(reading: &Reading) -> Value {
    match reading {
        Reading::Status(report) => json!(report),
        Reading::Changed(id) => json!({ "changed": id }),
    }
}
