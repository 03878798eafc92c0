//! The contract as an adapter of a folder keeps it: steps that follow each other, progress and cursor of an older version,
//! answers that cannot be believed, waits that the platform asks for.

use adapter_contract::{
    Adapter, Answer, Cursor, Exchange, FailureCode, IdempotencyKey, Keys, MinimisedReferral, PlatformReferralId,
    PlatformRequest, Progress, Purpose, Reading, Report, ReportSource, SenderMove, Settings, Step, TaskStatus,
};
use adapter_declarative::{DeclarativeAdapter, Folder, load};
use serde_json::json;
use std::sync::Arc;

const MANIFEST: &str = r#"
name = "two-steps"
version = "1.2.3"
format = "for this test"
capabilities = { cancel = true, hold = false, look-up = false, poll = true, push = true }
limits = { steps = 3, answer-seconds = 5, answer-bytes = 4096, poll-seconds = 60 }
statuses = [{ platform = "open", status = "accepted", business-status = "seen" }]
"#;

const MAPPING: &str = r#"
mapping: 1
name: two-steps
settings:
  team: { type: integer, required: true, about: "The team" }
shapes:
  Person: { id: integer, etag: string }
  Ticket: { id: integer }
  Page: { items: [ Item ], next: string, last: boolean }
  Item: { id: integer, n: integer, word: string, note: string }
accepted-losses:
  - { element: "ServiceRequest.doNotPerform", because: "This test is about steps." }
  - { element: "ServiceRequest.orderDetail", because: "This test is about steps." }
  - { element: "ServiceRequest.priority", because: "This test is about steps." }
  - { element: "Patient.communication", because: "This test is about steps." }
  - { element: "Patient.deceased[x]", because: "This test is about steps." }
  - { element: "Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired)", because: "This test is about steps." }
  - { element: "Task.priority", because: "This test is about steps." }
  - { element: Flag, because: "This test is about steps." }
exchanges:
  submit:
    - step: person
      request:
        method: PUT
        path: people
        repeat: keyed
        body: { format: json, fields: { team: { from: "%settings.team", type: integer, class: administrative } } }
      answer:
        shape: Person
        outcomes:
          - { when: "%status = 200", then: next, step: ticket, notes: { person: id.toString(), etag: "%header.etag" } }
          - { when: "%status = 409", then: failed, code: partly-stored, diagnostic: "The person is there, the rest is not." }
    - step: ticket
      request:
        method: POST
        path: "people/{%progress.person}/tickets"
        repeat: look-up-first
        headers: { If-Match: { from: "%progress.etag", class: administrative } }
      answer:
        shape: Ticket
        outcomes:
          - { when: "%status = 201", then: delivered, platform-referral: id.toString() }
          - { when: "%status = 403", then: failed, code: busy, wait-seconds: 7200, diagnostic: "The day's limit." }
  read:
    - step: read
      request: { method: GET, path: "tickets/{%platformReferral}", repeat: safe }
      answer:
        shape: Item
        outcomes:
          - when: "%status = 200"
            then: reports
            reports: { platform-referral: id.toString(), event: "id.toString() & '/' & n.toString()", version: n, status: word }
          - { when: "%status = 404", then: absent }
  poll:
    - step: page
      request:
        method: GET
        path: items
        repeat: safe
        query: { after: { from: "%cursor.next", class: administrative } }
      answer:
        shape: Page
        outcomes:
          - when: "%status = 200"
            then: reports
            reports:
              each: items
              platform-referral: id.toString()
              event: "id.toString() & '/' & n.toString()"
              version: n
              status: word
              reason: note
              outputs: [ { kind: "note", text: note } ]
            cursor: { next: next }
            more: last = false
  cancel:
    - step: stop
      request: { method: DELETE, path: "tickets/{%platformReferral}", repeat: keyed }
      answer:
        outcomes:
          - { when: "%status = 204", then: delivered, platform-referral: "%platformReferral" }
report:
  shape: Item
  reports: { changed: id.toString() }
"#;

fn adapter() -> Arc<DeclarativeAdapter> {
    let files = [("adapter.toml", MANIFEST), ("mapping.yaml", MAPPING)];
    let folder = Folder::new("two-steps", files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    load(&folder)
        .unwrap_or_else(|faults| panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")))
}

fn with<R>(
    purpose: Purpose<'_>,
    at: Option<&Progress>,
    work: impl FnOnce(&DeclarativeAdapter, &Exchange<'_>) -> R,
) -> R {
    let settings: Settings = [("base-url", "https://p.example"), ("team", "7")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let key = IdempotencyKey("key-1".to_owned());
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    work(&adapter(), &Exchange { purpose, at, keys, settings: &settings, accepted_at: "2026-11-22T09:00:00.000Z" })
}

fn referral() -> MinimisedReferral {
    let entry = |kind: &str| json!({"fullUrl": format!("urn:uuid:{kind}"), "resource": {"resourceType": kind}});
    let entries = ["ServiceRequest", "Patient", "Task"].map(entry);
    MinimisedReferral::new(json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string())
}

fn http(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer::Http { status, headers, body: body.as_bytes().to_vec() }
}

fn sent(step: Step) -> (String, Vec<(String, String)>, Progress) {
    match step {
        Step::Send(PlatformRequest::Http(request), progress) => (request.path, request.headers, progress),
        other => panic!("expected a request, got {other:?}"),
    }
}

fn failed(step: Step) -> (FailureCode, Option<u32>) {
    match step {
        Step::Failed(error) => (error.code, error.retry_after_seconds),
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[test]
fn the_version_names_what_it_was_made_of() {
    let adapter = adapter();
    let version = &adapter.descriptor().version;
    assert_eq!(version, &format!("1.2.3+{}", &adapter.content_hash()[..12]));
    assert!(adapter.descriptor().accepted_losses.iter().any(|loss| loss.element == "Patient.communication"));
}

#[test]
fn steps_follow_each_other_and_an_interrupted_one_is_made_again() {
    let referral = referral();
    with(Purpose::Submit { referral: &referral }, None, |adapter, exchange| {
        let (path, _, first) = sent(adapter.begin(exchange).unwrap());
        assert_eq!((path.as_str(), first.step.as_str()), ("people", "person"));
        let answer = http(200, &[("etag", "\"e-1\"")], r#"{"id": 42}"#);
        let second = adapter.resume(exchange, &first, &answer).unwrap();
        let (path, headers, progress) = sent(second.clone());
        assert_eq!(path, "people/42/tickets");
        assert!(headers.contains(&("If-Match".to_owned(), "\"e-1\"".to_owned())), "{headers:?}");
        assert_eq!((progress.step.as_str(), progress.notes["person"].as_str()), ("ticket", "42"));
        let again = adapter.begin(&Exchange { at: Some(&progress), ..*exchange }).unwrap();
        assert_eq!(again, second, "the very same request");
        let end = adapter.resume(exchange, &progress, &http(201, &[], r#"{"id": 7}"#)).unwrap();
        assert!(matches!(end, Step::Delivered(receipt) if receipt.platform_referral.0 == "7"));
    });
}

#[test]
fn progress_of_a_mapping_that_was_changed_is_refused_in_words() {
    let referral = referral();
    let gone = Progress::at("organisation");
    with(Purpose::Submit { referral: &referral }, Some(&gone), |adapter, exchange| {
        let error = adapter.begin(exchange).unwrap_err();
        assert!(error.path == "progress.step" && error.reason.contains("organisation"), "{error}");
        let error = adapter.resume(exchange, &gone, &http(200, &[], "{}")).unwrap_err();
        assert!(error.reason.contains("was changed"), "{error}");
        let published = Answer::Published(Vec::new());
        assert!(adapter.resume(exchange, &Progress::at("person"), &published).is_err());
    });
}

#[test]
fn a_platform_that_is_busy_in_its_own_words_is_left_alone_for_as_long_as_the_mapping_says() {
    let referral = referral();
    let mut at = Progress::at("ticket");
    at.notes.insert("person".to_owned(), "42".to_owned());
    with(Purpose::Submit { referral: &referral }, None, |adapter, exchange| {
        let end = |answer: Answer| failed(adapter.resume(exchange, &at, &answer).unwrap());
        assert_eq!(end(http(403, &[], "[]")), (FailureCode::Busy, Some(7200)));
        assert_eq!(
            end(http(403, &[("Retry-After", "60")], "")),
            (FailureCode::Busy, Some(60)),
            "its own wait goes before"
        );
        assert_eq!(end(http(404, &[], "[]")), (FailureCode::HttpStatus(404), None));
    });
}

#[test]
fn failures_are_told_apart_and_waits_are_passed_on() {
    let referral = referral();
    let at = Progress::at("person");
    with(Purpose::Submit { referral: &referral }, None, |adapter, exchange| {
        let end = |answer: Answer| failed(adapter.resume(exchange, &at, &answer).unwrap());
        assert_eq!(end(http(409, &[], r#"{"id": 1}"#)), (FailureCode::PartlyStored, None));
        assert_eq!(end(http(429, &[("retry-after", "120")], "slow")), (FailureCode::HttpStatus(429), Some(120)));
        let dated = [("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")];
        assert_eq!(end(http(503, &dated, "")), (FailureCode::HttpStatus(503), None));
        for body in ["<html>", "", r#"{"id": "forty-two"}"#, "[]"] {
            assert_eq!(end(http(200, &[], body)).0, FailureCode::UnreadableSuccess, "{body}");
        }
        let bytes = Answer::Http { status: 200, headers: Vec::new(), body: vec![0xff, 0xfe] };
        assert_eq!(end(bytes).0, FailureCode::UnreadableSuccess);
        assert_eq!(
            end(http(202, &[], r#"{"id": 42}"#)).0,
            FailureCode::UnreadableSuccess,
            "no success of this platform"
        );
    });
}

#[test]
fn a_poll_reads_its_page_and_keeps_its_cursor() {
    let cursor = Cursor(r#"{"next":"c-1"}"#.to_owned());
    with(Purpose::Poll { cursor: Some(&cursor) }, None, |adapter, exchange| {
        let Step::Send(PlatformRequest::Http(request), progress) = adapter.begin(exchange).unwrap() else {
            panic!("a request");
        };
        assert_eq!(request.query, [("after".to_owned(), "c-1".to_owned())]);
        let body = r#"{"items": [{"id": 1, "n": 3, "word": "open", "note": "Rang."}, {"id": 2, "n": 1, "word": "strange"}],
            "next": "c 2&", "last": false}"#;
        let Step::Reports(page) = adapter.resume(exchange, &progress, &http(200, &[], body)).unwrap() else {
            panic!("reports");
        };
        assert!(page.more);
        assert_eq!(page.cursor, Some(Cursor(r#"{"next":"c 2&"}"#.to_owned())));
        let [Reading::Status(known), Reading::Status(strange)] = page.readings.as_slice() else { panic!("two") };
        assert_eq!((known.status, known.business_status.as_str()), (Some(TaskStatus::Accepted), "seen"));
        assert_eq!((known.order.version, known.event.as_str()), (Some(3), "1/3"));
        assert_eq!((known.reason.as_deref(), known.outputs.len()), (Some("Rang."), 1));
        assert_eq!((strange.status, strange.business_status.as_str()), (None, "unmapped"));
        assert_eq!(strange.platform_status.code.as_deref(), Some("strange"));
    });
    // A cursor that says nothing to this mapping: polling starts anew.
    for text in ["", "page 7", r#"{"page": 7}"#, "[]"] {
        let cursor = Cursor(text.to_owned());
        with(Purpose::Poll { cursor: Some(&cursor) }, None, |adapter, exchange| {
            let Step::Send(PlatformRequest::Http(request), _) = adapter.begin(exchange).unwrap() else {
                panic!("a request");
            };
            assert!(request.query.is_empty(), "{text}: {:?}", request.query);
        });
    }
}

#[test]
fn each_purpose_has_its_exchange() {
    let id = PlatformReferralId("a/b 7".to_owned());
    with(Purpose::Read { platform_referral: &id }, None, |adapter, exchange| {
        let (path, _, progress) = sent(adapter.begin(exchange).unwrap());
        assert_eq!(path, "tickets/a%2Fb%207");
        assert_eq!(adapter.resume(exchange, &progress, &http(404, &[], "")).unwrap(), Step::Absent);
    });
    let tell = |sender_move| Purpose::Tell { platform_referral: &id, sender_move, reason: None };
    with(tell(SenderMove::Cancel), None, |adapter, exchange| {
        let (_, _, progress) = sent(adapter.begin(exchange).unwrap());
        let end = adapter.resume(exchange, &progress, &http(204, &[], "")).unwrap();
        assert!(matches!(end, Step::Delivered(receipt) if receipt.platform_referral == id));
    });
    // What the manifest does not declare is never asked for; if it is, it is an error and no panic.
    for purpose in [tell(SenderMove::Hold), tell(SenderMove::Release), Purpose::LookUp] {
        with(purpose, None, |adapter, exchange| assert!(adapter.begin(exchange).is_err()));
    }
}

#[test]
fn pushed_bodies_are_read_or_refused() {
    let adapter = adapter();
    let read = |body: &[u8]| {
        adapter.read_report(&Report { source: ReportSource::Webhook, content_type: Some("application/json"), body })
    };
    let changed = Reading::Changed(PlatformReferralId("5".to_owned()));
    assert_eq!(read(br#"{"id": 5, "extra": {}}"#).unwrap(), [changed]);
    for body in [&b"<xml/>"[..], b"", br#"{"id": []}"#, br#"{}"#, &[0xff]] {
        assert!(read(body).is_err(), "{}", String::from_utf8_lossy(body));
    }
}
