//! Runs every folder under `fixtures/`: each is one exchange with a platform, or one report of it. A new case needs no
//! Rust. Write `case.json` and the platform's answers, run with `UPDATE_FIXTURES=1`, and review what was written.
//!
//! Files of a case: `case.json` (purpose, settings, referral); `N-request.json` (what the adapter must send, with the
//! progress it stores); `N-answer.json` (what the platform answers); `report.json` (a pushed body); `result.json`.

use adapter_contract::{
    Adapter, Answer, Cursor, Exchange, Method, MinimisedReferral, PlatformReferralId, PlatformRequest, Progress,
    Purpose, Reading, Report, ReportSource, SenderMove, Step,
};
use adapter_testing::{Case, KEY, folders, http_answer, play, readings, refused, result, with_exchange};
use serde_json::{Value, json};
use std::path::Path;

const SETTINGS: &[(&str, &str)] = &[
    ("base-url", "https://platform.example/fhir"),
    ("requester-ods", "X26"),
    ("requester-name", "Example PCN referral gateway"),
];

#[test]
fn every_fixture_folder_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let adapter = adapter_fhir_task::adapter();
    for folder in folders(&root, 12) {
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
    let body = case.json("report.json").expect("a report").to_string();
    let report = Report { source, content_type: Some("application/fhir+json"), body: body.as_bytes() };
    let seen = match adapter.read_report(&report) {
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
    let cursor = case.text("cursor").map(|text| Cursor(text.to_owned()));
    let reason = case.text("reason").map(str::to_owned);
    let purpose = match case.text("purpose").expect("a purpose") {
        "submit" => Purpose::Submit { referral: referral.as_ref().expect("a referral") },
        "cancel" => Purpose::Tell {
            platform_referral: platform_referral.as_ref().expect("a platform referral"),
            sender_move: SenderMove::Cancel,
            reason: reason.as_deref(),
        },
        "update" => Purpose::Update {
            platform_referral: platform_referral.as_ref().expect("a platform referral"),
            referral: referral.as_ref().expect("a referral"),
        },
        "look-up" => Purpose::LookUp,
        "read" => Purpose::Read { platform_referral: platform_referral.as_ref().expect("a platform referral") },
        "poll" => Purpose::Poll { cursor: cursor.as_ref() },
        other => panic!("unknown purpose {other}"),
    };
    let end = with_exchange(purpose, KEY, &settings, |exchange| {
        let asked = |case: &mut Case, number: u32, request: &PlatformRequest, progress: &Progress| {
            repeats_when_interrupted(adapter, exchange, request, progress);
            let seen = json!({"request": rendered(request), "progress": progress});
            case.expect(&format!("{number}-request.json"), &seen);
        };
        let answered =
            |case: &mut Case, number: u32| answered(&case.json(&format!("{number}-answer.json")).expect("an answer"));
        play(adapter, exchange, case, asked, answered)
    });
    case.expect("result.json", &result(&end, reading));
}

/// An interrupted exchange makes the awaited request again. A withdrawal reads again instead, which is as good: what it
/// would put back may not be kept.
fn repeats_when_interrupted(adapter: &dyn Adapter, exchange: &Exchange<'_>, request: &PlatformRequest, at: &Progress) {
    let again = adapter.begin(&Exchange { at: Some(at), ..*exchange }).expect("begins again");
    if matches!(exchange.purpose, Purpose::Update { .. }) {
        // It is begun anew, whatever it had reached: by reading.
        let Step::Send(PlatformRequest::Http(read), _) = again else { panic!("expected a request") };
        return assert_eq!((read.method, read.path.starts_with("Task/")), (Method::Get, true));
    }
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
    http_answer(answer)
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

fn reading(reading: &Reading) -> Value {
    match reading {
        Reading::Status(report) => json!({"status": report}),
        Reading::Changed(id) => json!({"changed": id}),
    }
}
