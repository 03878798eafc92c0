//! Runs every folder under `fixtures/`: each is one exchange with a platform, or one message of it. A new case needs no
//! Rust. Write `case.json` and what the platform says, run with `UPDATE_FIXTURES=1`, and review what was written.
//!
//! Files of a case: `case.json` (purpose, settings, referral); `1-request.json` (what the adapter must send, with the
//! progress it stores); `1-answer.json` (what the platform answers); `report.json` or `report.txt` (a pushed body);
//! `account.json` (what a submission makes of each element, where it is there); `result.json`.

use adapter_contract::{
    Account, Adapter, Exchange, MinimisedReferral, PlatformReferralId, PlatformRequest, Progress, Purpose, Reading,
    Report, ReportSource, SenderMove, Step,
};
use adapter_testing::{Case, KEY, folders, http_answer, play, readings, refused, result, with_exchange};
use serde_json::{Value, json};
use std::path::Path;

const SETTINGS: &[(&str, &str)] = &[
    ("base-url", "https://platform.example/fhir"),
    ("requester-ods", "X26"),
    ("requester-name", "Example PCN referral gateway"),
    ("source-endpoint", "https://gateway.example/fhir"),
    ("recipient-identifier-system", "https://platform.example/Id/service"),
    ("recipient-identifier-value", "befriending-1"),
];

#[test]
fn every_fixture_folder_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let adapter = adapter_fhir_message::adapter();
    for folder in folders(&root, 90) {
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
        Ok(read) => json!({"readings": readings(&read, reading)}),
        Err(error) => refused(&error),
    };
    case.expect("result.json", &seen);
}

fn run_exchange(adapter: &dyn Adapter, case: &mut Case, root: &Path) {
    let settings = case.settings(SETTINGS);
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
    let end = with_exchange(purpose, KEY, &settings, |exchange| {
        if case.folder.join("account.json").exists() {
            let told = adapter.account(exchange).expect("translates").expect("explains itself");
            case.expect("account.json", &account(&told));
        }
        let asked = |case: &mut Case, number: u32, request: &PlatformRequest, progress: &Progress| {
            assert_eq!(number, 1, "an exchange is one message");
            let again = adapter.begin(&Exchange { at: Some(progress), ..*exchange });
            let awaited = Ok(Step::Send(request.clone(), progress.clone()));
            assert_eq!(awaited, again, "an interrupted exchange makes the awaited request again");
            case.expect("1-request.json", &json!({"request": rendered(request), "progress": progress}));
        };
        play(adapter, exchange, case, asked, |case, _| http_answer(&case.json("1-answer.json").expect("an answer")))
    });
    let is_ended = matches!(end, Ok(Step::Delivered(_) | Step::Failed(_)) | Err(_));
    assert!(is_ended, "an exchange of one message does not end with {end:?}");
    case.expect("result.json", &result(&end, reading));
}

fn account(told: &Account) -> Value {
    let field = |line: &adapter_contract::FieldLine| {
        format!("{}: {} ({})", line.target, line.steps.join(", "), line.class.word())
    };
    json!({"fields": told.fields.iter().map(field).collect::<Vec<_>>(), "losses": told.losses})
}

fn rendered(request: &PlatformRequest) -> Value {
    let PlatformRequest::Http(http) = request else { panic!("messages travel over HTTP") };
    let body = std::str::from_utf8(http.body.as_deref().expect("a body")).expect("UTF-8");
    json!({
        "method": http.method, "path": http.path, "query": http.query, "headers": http.headers, "repeat": http.repeat,
        "body": serde_json::from_str::<Value>(body).expect("bodies are JSON"),
    })
}

fn reading(reading: &Reading) -> Value {
    match reading {
        Reading::Status(report) => json!(report),
        Reading::Changed(_) => panic!("there is nothing to ask this platform"),
    }
}
