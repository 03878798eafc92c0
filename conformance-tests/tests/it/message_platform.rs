//! The platform that takes messages: what it refuses, what it keeps, what it tells.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use conformance_tests::message_platform::{
    Answering, Folder, MessagePlatform, MessagePlatformConfig, ONTARIO_EVENTS, PROCESS_MESSAGE, TOKEN,
};
use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::simulator::{Namespace, Simulator};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use time::Duration;

const SENDERS_ID: &str = "sender-1";

async fn start(change: impl Fn(&mut MessagePlatformConfig) + Send + Sync + 'static) -> Simulator<MessagePlatform> {
    Simulator::start(move || {
        let mut config =
            MessagePlatformConfig { token: Some("by-hand".to_owned()), ..MessagePlatformConfig::default() };
        change(&mut config);
        MessagePlatform::new(config)
    })
    .await
    .unwrap()
}

/// A message that nothing is wrong with.
fn message(event: &str) -> Value {
    let entry = |name: &str, resource: Value| json!({"fullUrl": format!("urn:uuid:{name}"), "resource": resource});
    let to = |name: &str| json!({"reference": format!("urn:uuid:{name}")});
    json!({"resourceType": "Bundle", "id": "b-1", "type": "message", "timestamp": "2026-06-15T12:00:00Z", "entry": [
        entry("header", json!({"resourceType": "MessageHeader", "id": "m-1",
            "extension": [{"url": "http://ehealthontario.ca/fhir/StructureDefinition/ext-id-message-header",
                "valueString": SENDERS_ID}],
            "eventCoding": {"system": ONTARIO_EVENTS, "code": event},
            "destination": [{"endpoint": "https://platform.example", "receiver": to("service")}],
            "sender": to("role"), "author": to("role"), "source": {"endpoint": "https://sender.example"},
            "focus": [to("request")]})),
        entry("request", json!({"resourceType": "ServiceRequest", "status": "active", "intent": "proposal",
            "identifier": [{"system": "urn:sender", "value": SENDERS_ID}], "subject": to("person"),
            "authoredOn": "2026-06-15T12:00:00Z", "requester": to("role"), "performer": [to("service")]})),
        entry("person", json!({"resourceType": "Patient", "name": [{"family": "Testperson"}],
            "identifier": [{"value": "1"}], "address": [{"postalCode": "LS1 1AA"}]})),
        entry("role", json!({"resourceType": "PractitionerRole", "organization": to("organisation")})),
        entry("organisation", json!({"resourceType": "Organization", "name": "Practice"})),
        entry("service", json!({"resourceType": "PractitionerRole",
            "identifier": [{"system": "https://platform.example/Id/service", "value": "befriending-1"}]})),
    ]})
}

async fn send(at: &Namespace<MessagePlatform>, token: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}{PROCESS_MESSAGE}", at.base_url())).bearer_auth(token);
    let answer = request.header("content-type", "application/fhir+json").body(body.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn token(at: &Namespace<MessagePlatform>, basic: &str, form: &str) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}{TOKEN}", at.base_url()));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    let request = request.header("authorization", format!("Basic {}", STANDARD.encode(basic)));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_token_is_given_to_the_client_and_to_nobody_else_and_ends() {
    let simulator = start(|config| config.token = None).await;
    let root = simulator.root();
    let client = "site-1:site-secret-of-a-test";
    for (basic, form, status, error) in [
        ("site-1:wrong", "grant_type=client_credentials", 401, "invalid_client"),
        ("site-1", "grant_type=client_credentials", 401, "invalid_client"),
        (client, "grant_type=password", 400, "unsupported_grant_type"),
        (client, "", 400, "invalid_request"),
    ] {
        assert_eq!(token(&root, basic, form).await, (status, json!({"error": error})));
    }
    let (status, _) = token(&root, "site%2D1:site-secret-of-a%2Dtest", "grant_type=client_credentials").await;
    assert_eq!(status, 200, "written as in a form");
    let (_, given) = token(&root, client, "grant_type=client_credentials").await;
    let access = given["access_token"].as_str().unwrap();
    assert_eq!(given["token_type"], "Bearer");
    assert_eq!(send(&root, "by-hand", &message("add-service-request")).await.0, 401);
    assert_eq!(send(&root, access, &message("add-service-request")).await.0, 200);
    root.advance(Duration::seconds(3600));
    assert_eq!(send(&root, access, &message("add-service-request")).await.0, 401, "it lasted an hour");
    let (_, given) = token(&root, client, "grant_type=client_credentials").await;
    root.faults().push(Fault::new(Match::on("POST", PROCESS_MESSAGE), FaultKind::ExpireSessions));
    let access = given["access_token"].as_str().unwrap();
    assert_eq!(send(&root, access, &message("add-service-request")).await.0, 401);
    assert_eq!(root.with(|platform, _| platform.kept().count()), 1);
}

#[tokio::test]
async fn what_a_message_misses_is_named() {
    let simulator = start(|config| config.demands = vec!["Patient.address[0].postalCode".to_owned()]).await;
    let root = simulator.root();
    let lost = json!({"reference": "urn:uuid:nobody"});
    for (pointer, value, status, place) in [
        ("/resourceType", json!("Patient"), 400, "Bundle"),
        ("/type", json!("collection"), 422, "Bundle.type"),
        ("/timestamp", json!("soon"), 422, "Bundle.timestamp"),
        ("/entry/3/fullUrl", json!(null), 422, "Bundle.entry[3].fullUrl"),
        ("/entry/3/fullUrl", json!("urn:uuid:person"), 422, "Bundle.entry[3].fullUrl"),
        ("/entry/4/resource", json!({}), 422, "Bundle.entry[4].resource"),
        ("/entry/0/resource/resourceType", json!("Basic"), 422, "Bundle.entry[0].resource"),
        ("/entry/0/resource/id", json!(null), 422, "MessageHeader.id"),
        ("/entry/0/resource/extension/0/valueString", json!(""), 422, "MessageHeader.extension"),
        ("/entry/0/resource/eventCoding/system", json!("urn:x"), 422, "MessageHeader.eventCoding.system"),
        ("/entry/0/resource/eventCoding/code", json!(7), 422, "MessageHeader.eventCoding.code"),
        ("/entry/0/resource/eventCoding/code", json!("notify-add-appointment"), 422, "MessageHeader.eventCoding.code"),
        ("/entry/0/resource/destination", json!([{}]), 422, "MessageHeader.destination[0].endpoint"),
        ("/entry/0/resource/destination/0/receiver", json!({}), 422, "MessageHeader.destination[0].receiver"),
        ("/entry/0/resource/sender", json!({}), 422, "MessageHeader.sender"),
        ("/entry/0/resource/author", json!({"reference": "urn:uuid:person"}), 422, "MessageHeader.author"),
        ("/entry/0/resource/source", json!({}), 422, "MessageHeader.source.endpoint"),
        ("/entry/0/resource/focus", json!([]), 422, "MessageHeader.focus"),
        ("/entry/0/resource/focus/0", json!({"identifier": {"value": "x"}}), 422, "MessageHeader.focus"),
        ("/entry/1/resource/status", json!("draft"), 422, "ServiceRequest.status"),
        ("/entry/1/resource/status", json!(null), 422, "ServiceRequest.status"),
        ("/entry/1/resource/intent", json!("order"), 422, "ServiceRequest.intent"),
        ("/entry/1/resource/identifier", json!([]), 422, "ServiceRequest.identifier"),
        ("/entry/1/resource/identifier/0/value", json!(null), 422, "ServiceRequest.identifier[0].value"),
        ("/entry/1/resource/authoredOn", json!("yesterday"), 422, "ServiceRequest.authoredOn"),
        ("/entry/1/resource/subject", json!({}), 422, "ServiceRequest.subject"),
        ("/entry/1/resource/subject", lost.clone(), 422, "Bundle.entry[1].resource.subject.reference"),
        ("/entry/1/resource/performer", json!([lost]), 422, "Bundle.entry[1].resource.performer[0].reference"),
        ("/entry/1/resource/performer", json!([]), 422, "ServiceRequest.performer[0]"),
        ("/entry/1/resource/requester", json!({}), 422, "ServiceRequest.requester"),
        ("/entry/2/resource/name", json!([]), 422, "Patient.name[0].family"),
        ("/entry/2/resource/address", json!([{}]), 422, "Patient.address[0].postalCode"),
        ("/entry/3/resource/organization", json!({}), 422, "PractitionerRole.organization"),
        ("/entry/4/resource/name", json!(null), 422, "Organization.name"),
        ("/entry/5/resource/identifier/0/value", json!("other"), 422, "MessageHeader.destination[0].receiver"),
    ] {
        let mut body = message("add-service-request");
        *body.pointer_mut(pointer).unwrap() = value.clone();
        let (seen, outcome) = send(&root, "by-hand", &body).await;
        let named = outcome["issue"][0]["expression"][0].clone();
        assert_eq!((seen, named), (status, json!(place)), "{pointer} {value}");
    }
    let client = reqwest::Client::new();
    let raw = |kind: &str, body: &str| {
        let request = client.post(format!("{}{PROCESS_MESSAGE}", root.base_url())).bearer_auth("by-hand");
        request.header("content-type", kind).body(body.to_owned()).send()
    };
    assert_eq!(raw("text/plain", "{}").await.unwrap().status(), 415);
    assert_eq!(raw("application/fhir+json", "{").await.unwrap().status(), 400);
    let got = client.get(format!("{}{PROCESS_MESSAGE}", root.base_url())).send().await.unwrap();
    assert_eq!(got.status(), 405);
    assert_eq!(client.post(root.base_url()).send().await.unwrap().status(), 404);
    assert_eq!(root.with(|platform, _| platform.kept().count()), 0, "nothing of these was kept");
}

#[tokio::test]
async fn a_repetition_is_one_where_that_is_promised_and_two_where_it_is_not() {
    let simulator = start(|_| {}).await;
    let (one, other) = (simulator.namespace("one"), simulator.namespace("other"));
    other.with(|platform, _| platform.configure(|config| config.recognises_repetition = true));
    for (at, kept) in [(&one, 2), (&other, 1)] {
        let first = send(at, "by-hand", &message("add-service-request")).await;
        assert_eq!(first.1["entry"][0]["resource"]["response"], json!({"identifier": "m-1", "code": "ok"}));
        let second = send(at, "by-hand", &message("add-service-request")).await;
        assert_eq!(at.with(|platform, _| platform.of_sender(SENDERS_ID).len()), kept);
        assert_eq!(first == second, kept == 1, "the answer is the first one's");
    }
    let mut body = message("add-service-request");
    body["entry"][0]["resource"]["id"] = json!("m-2");
    let (status, outcome) = send(&other, "by-hand", &body).await;
    assert_eq!((status, &outcome["issue"][0]["expression"][0]), (422, &json!("Bundle.id")), "Bundle ids are used once");
}

#[tokio::test]
async fn it_answers_in_each_of_the_ways_that_r4_allows() {
    for (answering, status, empty) in
        [(Answering::Response, 200, false), (Answering::Custody, 202, true), (Answering::Nothing, 200, true)]
    {
        let simulator = start(move |config| config.answering = answering).await;
        let (seen, body) = send(&simulator.root(), "by-hand", &message("add-service-request")).await;
        assert_eq!((seen, body.is_null()), (status, empty), "{answering:?}");
    }
}

fn folder(at: &Namespace<MessagePlatform>, id: &str) -> Folder {
    at.with(|platform, _| platform.referral(id).map(|kept| kept.folder)).unwrap()
}

#[tokio::test]
async fn four_statuses_are_one_folder_and_only_the_sender_cancels() {
    let simulator = start(|_| {}).await;
    let root = simulator.root();
    send(&root, "by-hand", &message("add-service-request")).await;
    let id = root.with(|platform, _| platform.of_sender(SENDERS_ID).remove(0));
    let state = |status: &str| root.with(|platform, now| platform.state(&id, status, None, now));
    for (status, wanted) in [
        ("requested", Folder::New),
        ("received", Folder::New),
        ("on-hold", Folder::PendingBooking),
        ("ready", Folder::PendingBooking),
        ("in-progress", Folder::PendingBooking),
        ("accepted", Folder::PendingBooking),
        ("cancelled", Folder::Declined),
        ("accepted", Folder::PendingBooking),
        ("rejected", Folder::Declined),
    ] {
        assert!(state(status));
        assert_eq!(folder(&root, &id), wanted, "{status}");
    }
    for (status, start, wanted) in [
        ("booked", "no time", Folder::Declined),
        ("pending", "2026-07-01T10:00:00Z", Folder::BookingUnconfirmed),
        ("booked", "2026-07-01T10:00:00Z", Folder::BookingConfirmed),
    ] {
        assert!(root.with(|platform, now| platform.book(&id, status, start, now)));
        assert_eq!(folder(&root, &id), wanted, "{status}");
    }
    assert!(root.with(|platform, now| platform.ask(&id, "Which language?", now)));
    assert_eq!(folder(&root, &id), Folder::AwaitingReply);
    assert_eq!(send(&root, "by-hand", &message("revoke-service-request")).await.0, 200);
    assert_eq!(folder(&root, &id), Folder::Cancelled);
    assert!(!state("accepted"), "what was withdrawn is not worked on");
    assert_eq!(send(&root, "by-hand", &message("revoke-service-request")).await.0, 200, "withdrawn twice is withdrawn");
}

#[tokio::test]
async fn a_withdrawal_needs_a_known_request_that_is_not_done_and_perhaps_the_person() {
    let simulator = start(|_| {}).await;
    let root = simulator.root();
    assert_eq!(send(&root, "by-hand", &message("revoke-service-request")).await.0, 404);
    assert_eq!(send(&root, "by-hand", &message("notify-update-service-request")).await.0, 404);
    send(&root, "by-hand", &message("add-service-request")).await;
    assert_eq!(send(&root, "by-hand", &message("notify-update-service-request")).await.0, 200);
    let mut bare = message("revoke-service-request");
    bare["entry"][1]["resource"]["subject"] = json!({"display": "the person"});
    root.with(|platform, _| platform.configure(|config| config.person_in_withdrawal = true));
    let (status, outcome) = send(&root, "by-hand", &bare).await;
    assert_eq!((status, &outcome["issue"][0]["expression"][0]), (422, &json!("ServiceRequest.subject")));
    root.with(|platform, now| {
        platform.configure(|config| config.person_in_withdrawal = false);
        let id = platform.of_sender(SENDERS_ID).remove(0);
        platform.state(&id, "completed", None, now)
    });
    assert_eq!(send(&root, "by-hand", &bare).await.0, 422, "what is done cannot be withdrawn");
}

/// Takes what is posted.
async fn receiver() -> (String, Arc<Mutex<Vec<Value>>>) {
    async fn take(State(taken): State<Arc<Mutex<Vec<Value>>>>, headers: HeaderMap, body: String) -> u16 {
        assert_eq!(headers["authorization"], "Bearer hook");
        taken.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        202
    }
    let taken = Arc::new(Mutex::new(Vec::new()));
    let service = Router::new().fallback(async |state, headers, body| {
        axum::http::StatusCode::from_u16(take(state, headers, body).await).unwrap()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let state = Arc::clone(&taken);
    tokio::spawn(async move { axum::serve(listener, service.with_state(state)).await });
    (url, taken)
}

#[tokio::test]
async fn it_tells_of_everything_with_all_that_accumulated_and_echoes() {
    let simulator = start(|_| {}).await;
    let (root, client) = (simulator.root(), reqwest::Client::new());
    let (url, taken) = receiver().await;
    root.with(|platform, _| platform.set_webhook(&url, "hook"));
    send(&root, "by-hand", &message("add-service-request")).await;
    let id = root.with(|platform, _| platform.of_sender(SENDERS_ID).remove(0));
    root.with(|platform, now| {
        platform.state(&id, "accepted", Some("Welcome"), now);
        platform.ask(&id, "Which language?", now);
        platform.book(&id, "booked", "2026-07-01T10:00:00Z", now);
    });
    let new = root.with(|platform, now| platform.forward(&id, now)).unwrap();
    for told in root.push(&client).await {
        assert_eq!(told.answer, Ok(202), "{}", told.about);
    }
    let taken = std::mem::take(&mut *taken.lock().unwrap());
    let event = |one: &Value| one["entry"][0]["resource"]["eventCoding"]["code"].as_str().unwrap().to_owned();
    let events: Vec<String> = taken.iter().map(event).collect();
    assert_eq!(
        events,
        [
            "notify-update-service-request",
            "notify-add-process-request",
            "send-communication-from-provider",
            "notify-add-appointment",
            "notify-add-process-request"
        ]
    );
    let kinds = |one: &Value| -> Vec<String> {
        let entries = one["entry"].as_array().unwrap().iter();
        entries.map(|entry| entry["resource"]["resourceType"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&taken[3])[..2], ["MessageHeader", "Appointment"]);
    assert!(["Task", "Communication", "Patient"].iter().all(|kind| kinds(&taken[3]).contains(&(*kind).to_owned())));
    let last = taken[4].to_string();
    assert!(last.contains(&new) && last.contains("replaces") && last.contains("%7C") && last.contains("&nbsp;"));
    assert_eq!(root.with(|platform, _| platform.referral(&new).unwrap().replaces.clone()), Some(id.clone()));
}
