//! Cursor, paging and overlap.

use super::*;
use adapter_contract::{Settings, systems};
use serde_json::{Value, json};

fn settings() -> Settings {
    [("base-url", "https://p.example/fhir"), ("requester-ods", "X26"), ("requester-name", "Gateway")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn resumed(cursor: Option<&str>, headers: &[(&str, &str)], bundle: &Value) -> Step {
    let settings = settings();
    let cursor = cursor.map(|text| Cursor(text.to_owned()));
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let answer = Answer::Http { status: 200, headers, body: bundle.to_string().into_bytes() };
    resume(&Config::read(&settings).expect("settings"), cursor.as_ref(), &answer).expect("an own cursor")
}

fn page_of(step: Step) -> ReportPage {
    match step {
        Step::Reports(page) => page,
        other => panic!("expected a page, got {other:?}"),
    }
}

fn task(id: &str, updated: &str) -> Value {
    json!({"resource": {"resourceType": "Task", "id": id, "status": "accepted", "meta": {"lastUpdated": updated},
        "identifier": [{"system": systems::REFERRAL_KEY, "value": "k"}]}})
}

fn bundle(entries: &[Value], next: Option<&str>) -> Value {
    let links: Vec<Value> = next.into_iter().map(|url| json!({"relation": "next", "url": url})).collect();
    json!({"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": links})
}

#[test]
fn the_next_poll_starts_before_the_newest_update_whatever_the_offsets() {
    let entries = [task("1", "2026-11-22T11:00:00.9+01:00"), task("2", "2026-11-22T10:30:00Z")];
    let page = page_of(resumed(None, &[], &bundle(&entries, None)));
    assert_eq!(page.cursor, Some(Cursor("since:2026-11-22T10:25:00Z".to_owned())));
    assert_eq!((page.readings.len(), page.more), (2, false));
}

#[test]
fn the_cursor_never_goes_back_and_an_empty_page_leaves_it() {
    let since = Some("since:2026-11-22T10:25:00Z");
    let page = page_of(resumed(since, &[], &bundle(&[task("1", "2026-11-22T10:26:00Z")], None)));
    assert_eq!(page.cursor.map(|cursor| cursor.0).as_deref(), since);
    let page = page_of(resumed(None, &[], &bundle(&[], None)));
    assert_eq!((page.cursor, page.more), (None, false));
}

#[test]
fn a_task_dated_in_the_future_does_not_hide_what_is_still_to_come() {
    let headers = [("date", "Sun, 22 Nov 2026 12:00:00 GMT")];
    let page = page_of(resumed(None, &headers, &bundle(&[task("1", "2999-01-01T00:00:00Z")], None)));
    assert_eq!(page.cursor, Some(Cursor("since:2026-11-22T11:55:00Z".to_owned())));
}

#[test]
fn a_next_page_is_followed_below_the_base_and_nowhere_else() {
    for (url, page) in [
        ("https://p.example/fhir?_getpages=a%20b", Some("page:- - ?_getpages=a%20b")),
        ("https://p.example/fhir/Task?page=2", Some("page:- - Task?page=2")),
        ("Task?page=2", Some("page:- - Task?page=2")),
        ("https://p.example/fhir2/Task?page=2", None),
        ("https://p.example.evil/fhir/Task", None),
        ("https://p.example/fhir/../admin", None),
        ("https://p.example/fhir/%2e%2e/admin", None),
        ("//evil.example/Task", None),
        ("/Task?page=2", None),
    ] {
        match (resumed(None, &[], &bundle(&[], Some(url))), page) {
            (Step::Reports(read), Some(cursor)) => {
                assert_eq!(read.cursor, Some(Cursor(cursor.to_owned())));
                assert!(read.more);
            }
            (Step::Failed(error), None) => assert_eq!(error.code, FailureCode::Refused, "{url}"),
            (other, _) => panic!("{url}: {other:?}"),
        }
    }
    let cursor = Cursor("page:- - ?_getpages=a%20b+c&x=%".to_owned());
    let Ok(Step::Send(PlatformRequest::Http(request), _)) = begin(Some(&cursor)) else { panic!("a request") };
    let pairs = [("_getpages", "a b c"), ("x", "%")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!((request.path.as_str(), request.query), ("", pairs.to_vec()));
}

#[test]
fn a_page_that_the_server_has_forgotten_starts_the_poll_again() {
    let settings = settings();
    let config = Config::read(&settings).expect("settings");
    let answer = Answer::Http { status: 410, headers: Vec::new(), body: Vec::new() };
    let cursor = Cursor("page:2026-11-22T10:25:00Z 2026-11-22T11:25:00Z ?p=2".to_owned());
    let page = page_of(resume(&config, Some(&cursor), &answer).expect("an own cursor"));
    assert_eq!((page.cursor, page.more), (Some(Cursor("since:2026-11-22T10:25:00Z".to_owned())), false));
    let same = resumed(Some("page:- - ?p=2"), &[], &bundle(&[], Some("https://p.example/fhir?p=2")));
    assert!(matches!(same, Step::Failed(_)), "a page that names itself as the next would never end");
}

#[test]
fn a_malformed_task_fails_alone_and_a_stranger_is_passed_over() {
    let mut broken = task("1", "2026-11-22T10:00:00Z");
    broken["resource"]["status"] = json!(7);
    let mut stranger = task("2", "2026-11-22T10:00:00Z");
    stranger["resource"]["identifier"] = json!([]);
    let entries = [json!(null), json!({"resource": 1}), broken, stranger, task("3", "2026-11-22T10:00:00Z")];
    let readings = page_of(resumed(None, &[], &bundle(&entries, None))).readings;
    assert_eq!(readings.len(), 2);
    assert_eq!(readings[0], Reading::Changed(PlatformReferralId("1".to_owned())));
    assert!(matches!(&readings[1], Reading::Status(report) if report.platform_referral.0 == "3"));
}

#[test]
fn a_cursor_of_another_hand_is_refused() {
    for text in ["", "since:", "since:yesterday", "page:- -", "next"] {
        assert!(begin(Some(&Cursor(text.to_owned()))).is_err(), "{text:?}");
    }
}
