//! What a topic Subscription says, what it is about, how it goes on, and what is sent for it.

use gateway_core::subscription::{
    BACKPORT, Content, ERROR_AFTER, Event, Happening, HeartbeatDue, LONGEST_TIMEOUT_SECONDS, Notification, Shape,
    Status, Subscription, Terms, Topic, USUAL_EVENTS, USUAL_TIMEOUT_SECONDS, moved, proposed, read, searchset,
    with_status,
};
use gateway_fhir::{Issue, Json, validate};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);
const BASE: &str = "https://gateway.example/fhir";

fn hosts() -> Vec<String> {
    vec!["ehr.example".to_owned(), "other.example:8443".to_owned(), "127.0.0.1".to_owned(), "localhost".to_owned()]
}

fn url(name: &str) -> String {
    format!("{BACKPORT}/StructureDefinition/{name}")
}

/// As the IG's own example, for our topic.
fn example() -> Value {
    json!({
        "resourceType": "Subscription",
        "meta": { "profile": [url("backport-subscription")] },
        "status": "requested",
        "end": "2027-12-31T12:00:00Z",
        "reason": "What became of our referrals",
        "criteria": Topic::TaskStatus.url(),
        "_criteria": { "extension": [
            { "url": url("backport-filter-criteria"), "valueString": "Task?patient=Patient/123&status=accepted,completed" },
        ] },
        "channel": {
            "extension": [
                { "url": url("backport-heartbeat-period"), "valueUnsignedInt": 86400 },
                { "url": url("backport-timeout"), "valueUnsignedInt": 60 },
                { "url": url("backport-max-count"), "valuePositiveInt": 20 },
            ],
            "type": "rest-hook",
            "endpoint": "https://ehr.example/notifications?of=gateway",
            "payload": "application/fhir+json",
            "_payload": { "extension": [{ "url": url("backport-payload-content"), "valueCode": "id-only" }] },
        },
    })
}

fn understood(document: Value) -> Result<Subscription, Vec<Issue>> {
    read(&Json::from(document), &Terms { base_url: BASE, hosts: &hosts(), now: NOW })
}

/// The faults of the example after this change, as element and words.
fn faults(change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
    let mut document = example();
    change(&mut document);
    let issues = understood(document).err().unwrap_or_default();
    issues.into_iter().map(|issue| (issue.expression.unwrap_or_default(), issue.diagnostics)).collect()
}

#[test]
fn the_example_of_the_guide_is_understood() {
    assert_eq!(validate::resource(&Json::from(example())), []);
    let read = understood(example()).expect("is understood");
    assert_eq!(read.interest.topic, Topic::TaskStatus);
    assert_eq!((read.content, read.status), (Content::IdOnly, Status::Requested));
    assert_eq!(
        (read.heartbeat_seconds, read.timeout_seconds, read.max_count),
        (Some(86_400), LONGEST_TIMEOUT_SECONDS, 20)
    );
    assert_eq!(read.end, Some(datetime!(2027-12-31 12:00 UTC)));
    assert_eq!(read.interest.filters.len(), 2);
    let plain = {
        let mut document = example();
        document["channel"]["extension"] = json!([]);
        document.as_object_mut().expect("an object").remove("_criteria");
        understood(document).expect("is understood")
    };
    assert_eq!(
        (plain.heartbeat_seconds, plain.timeout_seconds, plain.max_count),
        (None, USUAL_TIMEOUT_SECONDS, USUAL_EVENTS)
    );
    assert!(plain.interest.filters.is_empty());
}

#[test]
fn each_fault_is_told_at_its_element() {
    type Change = Box<dyn FnOnce(&mut Value)>;
    let endpoint = |text: &'static str| -> Change { Box::new(move |one| one["channel"]["endpoint"] = json!(text)) };
    let filter = |text: &'static str| -> Change {
        Box::new(move |one| one["_criteria"]["extension"][0]["valueString"] = json!(text))
    };
    let cases: Vec<(Change, &str, &str)> = vec![
        (
            Box::new(|one| one["criteria"] = json!("Task?status=completed")),
            "Subscription.criteria",
            "canonical address",
        ),
        (
            filter("Task?colour=red"),
            "Subscription.criteria.extension[0].value",
            "patient, owner, status, focus and code",
        ),
        (filter("Task?patient:identifier=1"), "Subscription.criteria.extension[0].value", "without modifiers"),
        (filter("Task?status:not=completed"), "Subscription.criteria.extension[0].value", "without modifiers"),
        (filter("Task?status="), "Subscription.criteria.extension[0].value", "no value"),
        (filter("Task?"), "Subscription.criteria.extension[0].value", "nothing else"),
        (
            filter("Task?patient=https://other.example/Patient/1"),
            "Subscription.criteria.extension[0].value",
            "by its id",
        ),
        (filter("Encounter?patient=Patient/1"), "Subscription.criteria.extension[0].value", "Task?"),
        (filter("patient=Patient/1"), "Subscription.criteria.extension[0].value", "as a search"),
        (
            Box::new(|one| one["_criteria"]["extension"][0] = json!({ "url": url("backport-filter-criteria") })),
            "Subscription.criteria.extension[0].value",
            "valueString",
        ),
        (Box::new(|one| one["channel"]["type"] = json!("websocket")), "Subscription.channel.type", "rest-hook alone"),
        (
            Box::new(|one| {
                let kind = json!({ "url": url("backport-channel-type"), "valueCoding": { "code": "zulip" } });
                one["channel"]["_type"] = json!({ "extension": [kind] });
            }),
            "Subscription.channel.type",
            "rest-hook alone",
        ),
        (endpoint("http://ehr.example/hook"), "Subscription.channel.endpoint", "https only"),
        (endpoint("https://user:secret@ehr.example/hook"), "Subscription.channel.endpoint", "no user"),
        (endpoint("https://ehr.example/hook#here"), "Subscription.channel.endpoint", "fragment"),
        (endpoint("ehr.example/hook"), "Subscription.channel.endpoint", "no absolute"),
        (endpoint("ftp://ehr.example/hook"), "Subscription.channel.endpoint", "https only"),
        (endpoint("https://evil.example/hook"), "Subscription.channel.endpoint", "not allowed"),
        (endpoint("https://ehr.example.evil.example/"), "Subscription.channel.endpoint", "not allowed"),
        (endpoint("https://evil.example\\@ehr.example/"), "Subscription.channel.endpoint", "not allowed"),
        (endpoint("https://other.example/hook"), "Subscription.channel.endpoint", "not allowed"),
        (endpoint("http://10.0.0.1/hook"), "Subscription.channel.endpoint", "https only"),
        (
            Box::new(|one| {
                one["channel"].as_object_mut().expect("an object").remove("endpoint");
            }),
            "Subscription.channel.endpoint",
            "https address",
        ),
        (
            Box::new(|one| one["channel"]["payload"] = json!("application/xml")),
            "Subscription.channel.payload",
            "application/fhir+json",
        ),
        (
            Box::new(|one| one["channel"]["_payload"]["extension"][0]["valueCode"] = json!("everything")),
            "Subscription.channel.payload.extension",
            "empty, id-only or full-resource",
        ),
        (
            Box::new(|one| {
                one["channel"].as_object_mut().expect("an object").remove("_payload");
            }),
            "Subscription.channel.payload.extension",
            "empty, id-only or full-resource",
        ),
        (
            Box::new(|one| one["channel"]["header"] = json!(["Authorization: Bearer secret"])),
            "Subscription.channel.header",
            "signed",
        ),
        (
            Box::new(|one| one["channel"]["extension"][0]["valueUnsignedInt"] = json!(5)),
            "Subscription.channel.extension[0]",
            "every 60 seconds",
        ),
        (
            Box::new(|one| one["channel"]["extension"][1]["valueUnsignedInt"] = json!(0)),
            "Subscription.channel.extension[1]",
            "1 at least",
        ),
        (
            Box::new(|one| {
                one["channel"]["extension"][2] = json!({ "url": url("backport-max-count"), "valueString": "9" })
            }),
            "Subscription.channel.extension[2]",
            "valuePositiveInt",
        ),
        (Box::new(|one| one["end"] = json!("2026-06-15T12:00:00Z")), "Subscription.end", "over"),
    ];
    for (change, place, words) in cases {
        let found = faults(change);
        assert!(found.iter().any(|(at, told)| at == place && told.contains(words)), "{place} {words}: {found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found.iter().all(|(_, told)| !told.contains("secret") || told.contains("a secret in them")),
            "{found:?}"
        );
    }
    let all = faults(|one| {
        one["channel"]["type"] = json!("email");
        one["criteria"] = json!("x");
        one["channel"]["header"] = json!(["a: b"]);
    });
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn an_endpoint_is_one_of_the_operators_hosts() {
    for good in [
        "https://ehr.example/a",
        "https://EHR.example:8443/a",
        "https://other.example:8443/a",
        "http://127.0.0.1:9999/a",
        "http://localhost:9999/a",
    ] {
        assert_eq!(faults(|one| one["channel"]["endpoint"] = json!(good)), [], "{good}");
    }
}

#[test]
fn all_filters_must_hold_and_one_value_of_each() {
    let task = |status: &str| {
        Json::from(json!({
            "resourceType": "Task", "status": status, "for": { "reference": "Patient/123" },
            "owner": { "reference": "Organization/9" }, "focus": { "reference": "ServiceRequest/7" },
            "code": { "coding": [{ "system": "http://codes.example", "code": "fulfill" }] },
        }))
    };
    let with = |filters: &[&str]| {
        let mut document = example();
        let extensions: Vec<Value> =
            filters.iter().map(|text| json!({ "url": url("backport-filter-criteria"), "valueString": text })).collect();
        document["_criteria"]["extension"] = json!(extensions);
        understood(document).unwrap_or_else(|faults| panic!("{filters:?}: {faults:?}"))
    };
    for (filters, status, expected) in [
        (vec!["Task?patient=Patient/123&status=accepted,completed"], "completed", true),
        (vec!["Task?patient=Patient/123&status=accepted,completed"], "rejected", false),
        (vec!["Task?patient=123"], "rejected", true),
        (vec!["Task?patient=https://gateway.example/fhir/Patient/123"], "rejected", true),
        (vec!["Task?patient=Patient/124"], "completed", false),
        (vec!["Task?patient=Patient%2F123"], "completed", true),
        (vec!["Task?patient=123", "Task?status=completed"], "completed", true),
        (vec!["Task?patient=123", "Task?status=completed"], "accepted", false),
        (vec!["Task?owner=9&focus=7"], "accepted", true),
        (vec!["Task?owner=Organization/9&focus=ServiceRequest/8"], "accepted", false),
        (vec!["Task?owner=Practitioner/9"], "accepted", false),
        (vec!["Task?code=fulfill"], "accepted", true),
        (vec!["Task?code=http://codes.example|fulfill"], "accepted", true),
        (vec!["Task?code=http://other.example|fulfill"], "accepted", false),
        (vec!["Task?code=|fulfill"], "accepted", false),
        (vec![], "draft", true),
    ] {
        let interest = with(&filters).interest;
        assert_eq!(interest.is_about("Task", &task(status)), expected, "{filters:?} {status}");
        assert!(!interest.is_about("ServiceRequest", &task(status)));
    }
}

#[test]
fn a_status_goes_on_as_the_guide_says() {
    use Happening::{Answered, Failed, Gone, HandshakeRefused, NotAllowed, Unreadable};
    let at = |status, happening| moved(status, None, happening, NOW).map(|moved| moved.status);
    let long = Failed { since: NOW - ERROR_AFTER };
    let short = Failed { since: NOW - time::Duration::minutes(59) };
    for (from, happening, to) in [
        (Status::Requested, Answered, Some(Status::Active)),
        (Status::Requested, HandshakeRefused, Some(Status::Error)),
        (Status::Requested, short, None),
        (Status::Requested, long, Some(Status::Error)),
        (Status::Active, Answered, None),
        (Status::Active, HandshakeRefused, None),
        (Status::Active, short, None),
        (Status::Active, long, Some(Status::Error)),
        (Status::Error, Answered, Some(Status::Active)),
        (Status::Error, long, None),
        (Status::Requested, Gone, Some(Status::Off)),
        (Status::Active, Gone, Some(Status::Off)),
        (Status::Error, NotAllowed, Some(Status::Off)),
        (Status::Active, Unreadable, Some(Status::Off)),
    ] {
        assert_eq!(at(from, happening), to, "{from:?} {happening:?}");
        assert_eq!(at(Status::Off, happening), None);
        let ended = moved(from, Some(NOW), happening, NOW).map(|moved| moved.status);
        assert_eq!(ended, Some(Status::Off), "an end that is reached comes first");
    }
    let recovered = moved(Status::Error, None, Answered, NOW).expect("moves");
    let shown = with_status(&json!({ "status": "error", "error": "words" }).into(), &recovered);
    assert_eq!(shown, json!({ "status": "active" }).into());
}

#[test]
fn an_update_that_leads_elsewhere_is_asked_there_first() {
    let of = |status: &str, endpoint: &str, content: &str| {
        let mut document = example();
        document["status"] = json!(status);
        document["channel"]["endpoint"] = json!(endpoint);
        document["channel"]["_payload"]["extension"][0]["valueCode"] = json!(content);
        understood(document).expect("is understood")
    };
    let (here, there) = ("https://ehr.example/a", "https://ehr.example/b");
    for (current, next, expected) in [
        (of("active", here, "id-only"), of("active", here, "id-only"), Status::Active),
        (of("active", here, "id-only"), of("active", there, "id-only"), Status::Requested),
        (of("active", here, "id-only"), of("active", here, "full-resource"), Status::Requested),
        (of("active", here, "id-only"), of("off", here, "id-only"), Status::Off),
        (of("off", here, "id-only"), of("active", here, "id-only"), Status::Requested),
        (of("error", here, "id-only"), of("requested", here, "id-only"), Status::Requested),
        (of("error", here, "id-only"), of("error", here, "id-only"), Status::Error),
        (of("requested", here, "id-only"), of("active", here, "id-only"), Status::Requested),
    ] {
        assert_eq!(proposed(&current, &next), expected);
    }
}

#[test]
fn heartbeats_come_when_it_is_quiet() {
    let mut one = understood(example()).expect("is understood");
    assert_eq!(one.heartbeat(NOW), HeartbeatDue::Never, "before it is active");
    one.status = Status::Active;
    assert_eq!(one.heartbeat(NOW), HeartbeatDue::At(NOW + time::Duration::days(1)));
    one.heartbeat_seconds = None;
    assert_eq!(one.heartbeat(NOW), HeartbeatDue::Never);
}

fn parameter<'v>(status: &'v Value, name: &str) -> Vec<&'v Value> {
    status["parameter"].as_array().expect("parameters").iter().filter(|one| one["name"] == name).collect()
}

fn notification(content: Content, shape: Shape, events: &[Event]) -> Notification<'_> {
    Notification {
        base_url: BASE,
        id: "63c28e8a-f402-43e4-beb2-75b1c0f6833f",
        subscription: "s1",
        topic: Topic::TaskStatus,
        status: Status::Active,
        content,
        shape,
        since_start: 310,
        events,
        error: None,
        now: NOW,
    }
}

#[test]
fn a_notification_is_a_history_bundle_with_its_status_first() {
    let task = Json::Object(vec![
        ("resourceType".to_owned(), Json::string("Task")),
        ("id".to_owned(), Json::string("t1")),
        ("status".to_owned(), Json::string("completed")),
        ("intent".to_owned(), Json::string("order")),
        ("input".to_owned(), json!([{ "type": { "text": "score" } }]).into()),
    ]);
    let mut task = task;
    // A digit that a float would lose.
    if let Some(Json::Array(inputs)) = task.get_mut("input")
        && let Some(input) = inputs.first_mut()
    {
        input.set("valueDecimal", Json::Number("1.50".to_owned()));
    }
    let event = |number: u64, told: bool| Event {
        number,
        at: NOW,
        focus: told.then(|| "Task/t1".to_owned()),
        resource: told.then(|| (4, task.clone())),
    };
    let events = [event(308, true), event(309, false), event(310, true)];
    for (content, entries, focuses, topic) in
        [(Content::Empty, 1, 0, 0), (Content::IdOnly, 2, 2, 1), (Content::FullResource, 2, 2, 1)]
    {
        let bundle = notification(content, Shape::EventNotification, &events).bundle();
        assert_eq!(validate::resource(&bundle), [], "{content:?}");
        let text = bundle.to_text();
        assert_eq!(text.contains("1.50"), content == Content::FullResource, "{text}");
        assert_eq!(text.contains("t1"), content != Content::Empty, "{text}");
        let value = bundle.to_value();
        assert_eq!((value["type"].as_str(), value["entry"].as_array().map(Vec::len)), (Some("history"), Some(entries)));
        let status = &value["entry"][0]["resource"];
        assert_eq!(status["resourceType"], "Parameters");
        assert_eq!(value["entry"][0]["request"]["url"], format!("{BASE}/Subscription/s1/$status"));
        assert_eq!(
            parameter(status, "subscription")[0]["valueReference"]["reference"],
            format!("{BASE}/Subscription/s1")
        );
        assert_eq!(parameter(status, "type")[0]["valueCode"], "event-notification");
        assert_eq!(parameter(status, "events-since-subscription-start")[0]["valueString"], "310");
        assert_eq!(parameter(status, "topic").len(), topic);
        let told = parameter(status, "notification-event");
        let part = |event: &Value, name: &str| -> Option<Value> {
            event["part"].as_array()?.iter().find(|part| part["name"] == name).cloned()
        };
        let numbers: Vec<_> =
            told.iter().filter_map(|one| part(one, "event-number")).map(|one| one["valueString"].clone()).collect();
        assert_eq!(numbers, ["308", "309", "310"]);
        assert_eq!(told.iter().filter(|one| part(one, "focus").is_some()).count(), focuses);
    }
}

#[test]
fn a_handshake_and_a_heartbeat_tell_of_no_event() {
    for shape in [Shape::Handshake, Shape::Heartbeat, Shape::QueryEvent] {
        let bundle = notification(Content::FullResource, shape, &[]).bundle();
        assert_eq!(validate::resource(&bundle), [], "{shape:?}");
        let value = bundle.to_value();
        assert_eq!(value["entry"].as_array().map(Vec::len), Some(1));
        assert!(parameter(&value["entry"][0]["resource"], "notification-event").is_empty());
    }
    let failing = Notification { error: Some("words"), ..notification(Content::IdOnly, Shape::QueryStatus, &[]) };
    let found = searchset(&[failing], 1, None);
    assert_eq!(validate::resource(&found), []);
    assert_eq!(parameter(&found.to_value()["entry"][0]["resource"], "error").len(), 1);
    assert_eq!(validate::resource(&searchset(&[], 0, Some("https://gateway.example/next"))), []);
}
