//! What answers mean: outcomes, statements, bodies that cannot be believed.

use crate::written::program;
use mappings::program::{ExchangeName, Failure, Program};
use mappings::run::{
    Cause, HttpAnswer, Inputs, Outcome, ReadStatement, ReadStatus, answer, check_settings, read_report,
};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FAMILIES: &str = include_str!("mappings/families.yaml");

pub(crate) static FAMILIES_PROGRAM: LazyLock<Program> = LazyLock::new(|| program(FAMILIES));

fn says(program: &Program, exchange: ExchangeName, http: (u16, &[(&str, &str)], &str)) -> Outcome {
    let (status, headers, body) = http;
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let http = HttpAnswer { status, headers: &headers, body: body.as_bytes() };
    answer(program, exchange, 0, &Inputs::none(), &http).unwrap()
}

fn problem(outcome: &Outcome) -> &str {
    let Outcome::Unreadable { problem } = outcome else { panic!("it was believed") };
    problem
}

#[test]
fn the_platforms_name_is_taken_from_a_success() {
    let families = program(FAMILIES);
    let made = says(&families, ExchangeName::Submit, (201, &[], r#"{"id":42,"serviceName":"Food"}"#));
    assert!(made == Outcome::Delivered { platform_referral: "42".to_owned(), reports: Vec::new() });
}

#[test]
fn no_outcome_is_the_http_status_and_an_error_page_hinders_nothing() {
    let families = program(FAMILIES);
    for body in ["<html>Bad gateway</html>", r#"{"id":"not a number"}"#, ""] {
        assert!(says(&families, ExchangeName::Submit, (502, &[], body)) == Outcome::HttpFailure, "{body}");
    }
}

#[test]
fn a_success_without_a_believable_body_is_unreadable() {
    let families = program(FAMILIES);
    for (body, expected) in [
        ("<html>OK</html>", "no JSON"),
        ("", "no JSON"),
        ("[]", "the body is not the declared object"),
        (r#"{"id":"42"}"#, "id is not the declared integer"),
        (r#"{"serviceName":"Food"}"#, "name for the referral is missing"),
    ] {
        let made = says(&families, ExchangeName::Submit, (200, &[], body));
        assert!(problem(&made).contains(expected), "{body}: {}", problem(&made));
    }
    let bytes = HttpAnswer { status: 200, headers: &[], body: b"\xff" };
    let made = answer(&families, ExchangeName::Submit, 0, &Inputs::none(), &bytes).unwrap();
    assert!(problem(&made).contains("UTF-8"));
}

#[test]
fn an_answer_of_several_shapes_is_read_by_the_one_that_it_fits() {
    let several = FAMILIES
        .replace("Created: { id: integer, serviceName: string }", "Created: { data: integer }\n  Record: { data: { id: integer } }\n  Records: [ { id: integer } ]")
        .replacen(
            "        shape: Created\n        outcomes:\n          - { when: \"%status = 200 or %status = 201\", then: delivered, platform-referral: \"id.toString()\" }\n",
            "        outcomes:\n\
            \x20         - { shape: Created, when: \"%status = 200 and data.exists()\", then: delivered, platform-referral: data.toString() }\n\
            \x20         - { shape: Record, when: \"%status = 200 and data.id.exists()\", then: delivered, platform-referral: data.id.toString() }\n\
            \x20         - { shape: Records, when: \"%status = 200\", then: delivered, platform-referral: items.id.first().toString() }\n",
            1,
        );
    let several = program(&several);
    let made = |status: u16, body: &str| says(&several, ExchangeName::Submit, (status, &[], body));
    for (body, name) in [
        (r#"{"data":123}"#, "123"),
        (r#"{"data":{"id":124,"attend":true}}"#, "124"),
        (r#"[{"id":125},{"id":126}]"#, "125"),
    ] {
        let expected = Outcome::Delivered { platform_referral: name.to_owned(), reports: Vec::new() };
        assert!(made(200, body) == expected, "{body}");
        assert!(made(500, body) == Outcome::HttpFailure, "{body}: the condition holds as well");
    }
    // What fits none, or fits and says nothing, is what none of them is about.
    for body in [r#"{"data":"123"}"#, r#"{"data":[123]}"#, r#"{"msg":"Done"}"#, "<html>OK</html>", ""] {
        assert!(made(200, body) == Outcome::HttpFailure, "{body}");
    }
}

#[test]
fn a_page_of_a_poll_is_read_with_its_cursor() {
    let families = program(FAMILIES);
    let body = r#"{"items":[{"id":1,"status":{"name":"New"},"lastUpdated":"2026-03-01T10:00:00Z"},
        {"id":2,"status":{"name":"Declined"},"lastUpdated":"2026-03-02T10:00:00Z","more":[1]}],"pageNumber":3,"totalPages":4}"#;
    let Outcome::Reports { statements, cursor, more } = says(&families, ExchangeName::Poll, (200, &[], body)) else {
        panic!("no reports");
    };
    assert!(more);
    assert_eq!(cursor, [("page".to_owned(), "4".to_owned())]);
    let status = |id: &str, event: &str, status: &str, instant: &str| {
        ReadStatement::Status(Box::new(ReadStatus {
            platform_referral: id.to_owned(),
            event: event.to_owned(),
            instant: Some(instant.to_owned()),
            status: status.to_owned(),
            ..ReadStatus::default()
        }))
    };
    assert!(
        statements
            == [
                status("1", "1-New", "New", "2026-03-01T10:00:00Z"),
                status("2", "2-Declined", "Declined", "2026-03-02T10:00:00Z")
            ]
    );
    let last = r#"{"items":[],"pageNumber":4,"totalPages":4}"#;
    let made = says(&families, ExchangeName::Poll, (200, &[], last));
    assert!(made == Outcome::Reports { statements: vec![], cursor: vec![("page".into(), "5".into())], more: false });
    let nameless = r#"{"items":[{"status":{"name":"New"}}]}"#;
    assert!(problem(&says(&families, ExchangeName::Poll, (200, &[], nameless))).contains("missing"));
}

const STEPS: &str = r#"
mapping: 1
name: steps
settings:
  queue: { type: string, one-of: [ general, urgent ], required: true, about: "Queue at the platform" }
  number: { type: integer, about: "A number" }
shapes:
  Made: { id: string, message: string }
  Hook: { id: string, event: string, state: New | Opened | Accepted | Declined, revision: integer, why: string, done: [ string ] }
accepted-losses:
  - { element: ServiceRequest.orderDetail, because: "For this test." }
  - { element: ServiceRequest.priority, because: "For this test." }
  - { element: ServiceRequest.doNotPerform, because: "For this test." }
  - { element: Task.priority, because: "For this test." }
  - { element: Patient.communication, because: "For this test." }
  - { element: "Patient.deceased[x]", because: "For this test." }
  - { element: "Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired)", because: "For this test." }
  - { element: Flag, because: "For this test." }
exchanges:
  submit:
    - step: create
      request:
        method: POST
        path: tickets
        repeat: look-up-first
        body:
          format: json
          fields:
            queue: { from: "%settings.queue", class: administrative }
            number: { from: "%settings.number", type: integer, class: administrative }
            name: { from: "%patient.name.family.first()", class: identity, required: true }
      answer:
        shape: Made
        outcomes:
          - when: "%status = 201 and %header.etag.exists()"
            then: next
            step: attach
            notes: { etag: "%header.etag", id: id }
          - when: "%status = 200 and message.exists()"
            then: failed
            code: refused
            diagnostic: "The platform answered 200 with an error."
          - { when: "%status = 404", then: http-failure }
          - { when: "%status = 409 and message = 'kept'", then: failed, code: partly-stored, diagnostic: "A part was kept." }
          - { when: "%status = 403 and message = 'limit'", then: failed, code: busy, wait-seconds: 14400, diagnostic: "The limit." }
    - step: attach
      request:
        method: PUT
        path: "tickets/{%progress.id}"
        repeat: safe
        headers:
          If-Match: { from: "%progress.etag", class: administrative, required: true }
      answer:
        outcomes:
          - { when: "%status = 200", then: delivered, platform-referral: "%progress.id" }
report:
  shape: Hook
  reports:
    platform-referral: id
    event: event
    version: revision
    status: state
    reason: why
"#;

#[test]
fn each_outcome_means_what_it_says() {
    let steps = program(STEPS);
    let made =
        |status, headers: &[(&str, &str)], body: &str| says(&steps, ExchangeName::Submit, (status, headers, body));
    let next = made(201, &[("ETag", "\"7\""), ("etag", "later")], r#"{"id":"t-1"}"#);
    let notes = vec![("etag".to_owned(), "\"7\"".to_owned()), ("id".to_owned(), "t-1".to_owned())];
    assert!(next == Outcome::Next { step: 1, notes });
    let refused =
        Outcome::Failed { code: Failure::Refused, diagnostic: "The platform answered 200 with an error.".to_owned() };
    assert!(made(200, &[], r#"{"message":"no such queue"}"#) == refused);
    assert!(made(404, &[], "gone") == Outcome::HttpFailure, "status alone decides: the body is not looked into");
    let kept = Outcome::Failed { code: Failure::PartlyStored, diagnostic: "A part was kept.".to_owned() };
    assert!(made(409, &[], r#"{"message":"kept"}"#) == kept);
    assert!(made(409, &[], "conflict") == Outcome::HttpFailure, "what cannot be read says nothing");
    let busy = Outcome::Failed { code: Failure::Busy { wait_seconds: 14_400 }, diagnostic: "The limit.".to_owned() };
    assert!(made(403, &[], r#"{"message":"limit"}"#) == busy);
    assert!(made(403, &[], r#"{"message":"no right"}"#) == Outcome::HttpFailure);
    assert!(made(500, &[], "") == Outcome::HttpFailure);
}

#[test]
fn later_steps_read_what_earlier_ones_noted() {
    let steps = program(STEPS);
    let progress = BTreeMap::from([("etag".to_owned(), "\"7\"".to_owned()), ("id".to_owned(), "t/1".to_owned())]);
    let inputs = Inputs { progress: &progress, ..Inputs::none() };
    let scratch = &mut mappings::run::Scratch::default();
    let made = mappings::run::request(&steps, ExchangeName::Submit, 1, &inputs, scratch).unwrap();
    assert_eq!((made.path.as_str(), made.body), ("tickets/t%2F1", None));
    assert_eq!(made.headers, [("If-Match".to_owned(), "\"7\"".to_owned())]);
    let refused = mappings::run::request(&steps, ExchangeName::Submit, 1, &Inputs::none(), scratch).unwrap_err();
    assert_eq!(refused.cause, Cause::EmptyPathPart);
    let http = HttpAnswer { status: 200, headers: &[], body: b"" };
    let done = answer(&steps, ExchangeName::Submit, 1, &inputs, &http).unwrap();
    assert!(done == Outcome::Delivered { platform_referral: "t/1".to_owned(), reports: Vec::new() });
}

#[test]
fn a_submit_can_be_foreseen_without_any_answer() {
    let steps = program(STEPS);
    let text = crate::hand::referral("", r#""name":[{"family":"Example"}]"#);
    let document = mappings::document::Document::parse(&text).unwrap();
    let inputs = Inputs { referral: Some(&document), ..Inputs::none() };
    let (requests, account) = mappings::run::foresee(&steps, &inputs, &mut mappings::run::Scratch::default()).unwrap();
    assert_eq!(
        requests.iter().map(|request| request.path.as_str()).collect::<Vec<_>>(),
        ["tickets", "tickets/%28id%29"]
    );
    assert_eq!(requests[1].headers[0].1, "(etag)");
    assert_eq!(account.field_count(), 3);
}

#[test]
fn a_pushed_body_is_read_or_refused() {
    let steps = program(STEPS);
    let read = |body: &str| read_report(&steps, &BTreeMap::new(), body.as_bytes());
    let body = r#"{"id":"t-1","event":"e-9","state":"Declined","revision":12,"why":"full","extra":null}"#;
    let expected = ReadStatus {
        platform_referral: "t-1".to_owned(),
        event: "e-9".to_owned(),
        version: Some(12),
        status: "Declined".to_owned(),
        reason: Some("full".to_owned()),
        ..ReadStatus::default()
    };
    assert!(read(body).unwrap() == [ReadStatement::Status(Box::new(expected))]);
    for body in ["", "[]", "{}", r#"{"id":"t-1","event":"e","state":7}"#, r#"{"id":"t-1","event":"e","revision":-1}"#] {
        let refused = read(body).unwrap_err();
        assert!(matches!(refused.cause, Cause::Unreadable(_)), "{body}: {refused}");
    }
    let none = read_report(&program(FAMILIES), &BTreeMap::new(), b"{}").unwrap_err();
    assert_eq!(none.cause, Cause::NoSuchStep);
}

#[test]
fn settings_are_checked_by_name_and_never_shown() {
    let steps = program(STEPS);
    let check = |pairs: &[(&str, &str)]| {
        let settings = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        check_settings(&steps, &settings).map_err(|refusal| (refusal.element.clone(), refusal.to_string()))
    };
    assert_eq!(check(&[("queue", "general"), ("number", "-7"), ("base-url", "https://x.example")]), Ok(()));
    for (pairs, element) in [
        (&[("number", "1")][..], "settings.queue"),
        (&[("queue", "secret-word")], "settings.queue"),
        (&[("queue", "general"), ("number", "secret-word")], "settings.number"),
        (&[("queue", "general"), ("secret-word", "")], "settings.secret-word"),
    ] {
        let (named, text) = check(pairs).unwrap_err();
        assert_eq!(named, element);
        assert!(element.ends_with("secret-word") || !text.contains("secret-word"), "{text}");
    }
}
