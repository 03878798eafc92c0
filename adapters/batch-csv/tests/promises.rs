//! What the adapter promises whatever it is given.

use adapter_contract::business_status::BUSINESS_STATUSES;
use adapter_contract::{
    Answer, Cursor, Exchange, FileAnswer, FileRequest, IdempotencyKey, Keys, MinimisedReferral, PlatformRequest,
    Progress, Purpose, ReceivedFile, Settings, Step,
};
use std::collections::BTreeSet;
use std::path::Path;

const KEY: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a001";

fn settings() -> Settings {
    [("files".to_owned(), "mesh".to_owned())].into()
}

#[test]
fn the_descriptor_is_whole() {
    let adapter = adapter_batch_csv::adapter();
    let descriptor = adapter.descriptor();
    assert_eq!(descriptor.name, "batch-csv");
    assert!(descriptor.version.starts_with("0.1.0+") && descriptor.version.len() == "0.1.0+".len() + 12);
    assert!(descriptor.data_needs.iter().any(|need| need.path == "Patient.name.family"));
    let codes: BTreeSet<&str> = BUSINESS_STATUSES.iter().filter(|one| one.for_adapters).map(|one| one.code).collect();
    for row in &descriptor.statuses {
        assert!(codes.contains(row.business_status.as_str()), "{}", row.business_status);
    }
}

#[test]
fn the_format_page_has_every_word() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("FORMAT.md")).unwrap();
    for row in &adapter_batch_csv::adapter().descriptor().statuses {
        let status = row.status.map_or("unchanged", adapter_contract::TaskStatus::code);
        let line = format!("| {} | {status} | {} |", row.platform, row.business_status);
        assert!(row.platform == "undelivered" || page.contains(&line), "{line}");
    }
}

/// No value of a referral or of a result file stands in what is stored or logged beside bodies.
#[test]
fn no_patient_data_outside_files() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("way-out/fixtures/referrals/full.json");
    let referral = MinimisedReferral::new(std::fs::read_to_string(path).unwrap());
    let (adapter, settings, key) = (adapter_batch_csv::adapter(), settings(), IdempotencyKey(KEY.to_owned()));
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    let exchange =
        |purpose| Exchange { purpose, at: None, keys, settings: &settings, accepted_at: "2026-11-22T09:00:00.000Z" };
    let submit = adapter.begin(&exchange(Purpose::Submit { referral: &referral })).unwrap();
    let Step::Send(PlatformRequest::File(FileRequest::Put(put)), progress) = submit else { panic!("a file") };
    let told = format!("{} {} {} {progress:?}", put.key, put.name, put.media_type);
    assert!(String::from_utf8_lossy(&put.content).contains("Briain"), "the canary is in the file");
    for value in ["Briain", "999", "1957", "LS1"] {
        assert!(!told.contains(value), "{value}: {told}");
    }

    let canary = "Canary Testperson";
    let file = format!("ref,status,date,reason\r\n{canary},{canary},{canary},{canary}\r\n{KEY},accepted,{canary},\r\n");
    let answer =
        Answer::File(FileAnswer::File(ReceivedFile { name: Some(canary.to_owned()), content: file.into_bytes() }));
    let at = Progress::at("get").with("file", "MSG1").with("waiting", "");
    let step = adapter.resume(&exchange(Purpose::Poll { cursor: None }), &at, &answer).unwrap();
    let Step::Send(PlatformRequest::File(FileRequest::Put(put)), progress) = step else { panic!("problems are told") };
    let told = format!("{} {progress:?} {}", put.name, String::from_utf8_lossy(&put.content));
    assert!(told.contains("problems-MSG1") && !told.contains("Canary"), "{told}");
}

/// A cursor is stored text: whatever it holds, a poll begins.
#[test]
fn no_cursor_stops_a_poll() {
    let (adapter, settings, key) = (adapter_batch_csv::adapter(), settings(), IdempotencyKey(String::new()));
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    for text in ["", "null", "[]", "{}", "{\"done\":[]}", "{\"done\":[\"\"]}", "{\"done\":[\"a b\",\"c\"]}"] {
        let cursor = Cursor(text.to_owned());
        let purpose = Purpose::Poll { cursor: Some(&cursor) };
        let exchange =
            Exchange { purpose, at: None, keys, settings: &settings, accepted_at: "2026-11-22T09:00:00.000Z" };
        assert!(matches!(adapter.begin(&exchange), Ok(Step::Send(PlatformRequest::File(_), _))), "{text}");
    }
}
