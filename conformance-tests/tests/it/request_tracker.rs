//! The real Request Tracker 5: what it does with tickets, silently or not. An adapter is written against these facts.
//!
//! All tests share one instance, whose server stands in a time zone that is never UTC. Without RT they say so and pass,
//! unless `REQUEST_TRACKER=required`.

mod losses;
mod search;
mod times;

use conformance_tests::request_tracker::{
    Account, Answer, Field, FieldKind, RequestTracker, RequestTrackerConfig, reason_to_skip,
};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The instance of all tests, made by the first; it ends with this process. None without RT.
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
async fn tracker() -> Option<&'static RequestTracker> {
    static TRACKER: OnceCell<Option<RequestTracker>> = OnceCell::const_new();
    let tracker = TRACKER.get_or_init(|| async {
        if let Some(missing) = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}")) {
            eprintln!("SKIPPED: {missing}");
            return None;
        }
        let field = |name: &str, kind| Field { name: name.to_owned(), kind };
        let categories = ["social-connection", "food-insecurity"].map(str::to_owned).to_vec();
        let config = RequestTrackerConfig {
            fields: vec![
                field("ReferralKey", FieldKind::Text),
                field("NeedCategory", FieldKind::Choice(categories)),
                field("Urgency", FieldKind::Text),
                field("DateOfBirth", FieldKind::Text),
                field("FirstContactBy", FieldKind::Date),
                field("ContactPermission", FieldKind::LongText),
            ],
            time_zone: "Asia/Kolkata".to_owned(),
            ..RequestTrackerConfig::default()
        };
        Some(RequestTracker::start(config).await.unwrap())
    });
    tracker.await.as_ref()
}

async fn gateway(tracker: &RequestTracker, method: Method, path: &str, body: Option<&Value>) -> Answer {
    tracker.call(Account::Gateway, method, path, None, body).await.unwrap()
}

async fn get(tracker: &RequestTracker, path: &str) -> Answer {
    gateway(tracker, Method::GET, path, None).await
}

async fn put(tracker: &RequestTracker, id: u64, body: &Value) -> Answer {
    gateway(tracker, Method::PUT, &format!("ticket/{id}"), Some(body)).await
}

/// Creates a ticket in the queue with these members besides; its id.
async fn create(tracker: &RequestTracker, members: Value) -> u64 {
    let mut body = json!({ "Queue": "Referrals", "Subject": "Referral" });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = gateway(tracker, Method::POST, "ticket", Some(&body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().parse().unwrap()
}

/// The values of a custom field as RT shows them.
fn field(ticket: &Value, name: &str) -> Value {
    let fields = ticket["CustomFields"].as_array().unwrap();
    fields.iter().find(|one| one["name"] == name).unwrap()["values"].clone()
}

fn id_of(row: &Value) -> u64 {
    row["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_ticket_lives_its_life_and_the_history_has_each_step() {
    let Some(tracker) = tracker().await else { return };
    let body = json!({
        "Queue": "Referrals",
        "Subject": "Referral 7F3A",
        "Requestor": "surgery@practice.example",
        "Content": "Would like company.\nLives alone \u{2013} since May.",
        "ContentType": "text/plain",
        "CustomFields": {
            "ReferralKey": "life-1", "NeedCategory": "social-connection", "DateOfBirth": "1950-02-03",
            "FirstContactBy": "2026-07-01", "ContactPermission": "Telephone only.\nNot before ten.",
        },
        "Attachments": [
            { "FileName": "referral.pdf", "FileType": "application/pdf", "FileContent": "JVBERi0xLjQgeA==" }
        ],
    });
    let created = gateway(tracker, Method::POST, "ticket", Some(&body)).await;
    let ticket = created.json();
    let id: u64 = ticket["id"].as_str().unwrap().parse().unwrap();
    let url = format!("{}ticket/{id}", tracker.base_url());
    assert_eq!((created.status, &ticket), (201, &json!({ "id": id.to_string(), "type": "ticket", "_url": url })));
    assert_eq!(created.header("location"), Some(format!("/REST/2.0/ticket/{id}").as_str()), "relative, no host");
    assert_eq!(created.header("etag"), None);

    let shown = get(tracker, &format!("ticket/{id}")).await;
    let ticket = shown.json();
    assert!(shown.header("etag").unwrap().trim_matches('"').parse::<u64>().is_ok(), "{:?}", shown.headers);
    assert_eq!(
        (&ticket["id"], &ticket["Status"], &ticket["Owner"]["id"]),
        (&json!(id), &json!("new"), &json!("Nobody"))
    );
    assert_eq!(
        (&ticket["Queue"]["id"], &ticket["Requestor"][0]["id"]),
        (&json!("3"), &json!("surgery@practice.example"))
    );
    for unset in ["Starts", "Started", "Due", "Resolved"] {
        assert_eq!(ticket[unset], "1970-01-01T00:00:00Z", "{unset}");
    }
    for (name, value) in body["CustomFields"].as_object().unwrap() {
        assert_eq!(field(&ticket, name), json!([value]), "{name}");
    }
    assert_eq!(field(&ticket, "Urgency"), json!([]));

    tracker.take(id).await.unwrap();
    for status in ["open", "stalled", "resolved"] {
        tracker.set_status(id, status).await.unwrap();
    }
    tracker.comment(id, "Rang twice").await.unwrap();
    let ticket = get(tracker, &format!("ticket/{id}")).await.json();
    assert_eq!((&ticket["Status"], &ticket["Owner"]["id"]), (&json!("resolved"), &json!("worker")));
    assert_ne!(ticket["Resolved"], "1970-01-01T00:00:00Z");

    let history = tracker.history(id).await.unwrap();
    let steps: Vec<_> = history.iter().filter(|one| one["Type"] == "Status").collect();
    let moves: Vec<_> = steps.iter().map(|one| (&one["OldValue"], &one["NewValue"], &one["Creator"]["id"])).collect();
    assert_eq!(
        moves,
        [
            (&json!("new"), &json!("open"), &json!("worker")),
            (&json!("open"), &json!("stalled"), &json!("worker")),
            (&json!("stalled"), &json!("resolved"), &json!("worker")),
        ]
    );
    let text = |row: &Value| row["Created"].as_str().unwrap().to_owned();
    assert!(steps.windows(2).all(|two| id_of(two[0]) < id_of(two[1]) && text(two[0]) <= text(two[1])));
    assert!(steps.iter().all(|one| one["Field"] == "Status" && one["Data"] == ""));
    let types: Vec<_> = history.iter().map(|one| one["Type"].as_str().unwrap()).collect();
    assert_eq!((types[0], types.last()), ("Create", Some(&"Comment")));
    assert_eq!(tracker.with_field("ReferralKey", "life-1").await.unwrap(), [id]);
}

#[tokio::test]
async fn any_status_may_follow_any_and_a_deleted_ticket_is_still_read() {
    let Some(tracker) = tracker().await else { return };
    let id = create(tracker, json!({ "CustomFields": { "ReferralKey": "again-1" } })).await;
    for status in ["resolved", "open", "rejected", "deleted"] {
        tracker.set_status(id, status).await.unwrap();
    }
    assert_eq!(get(tracker, &format!("ticket/{id}")).await.json()["Status"], "deleted");
    assert_eq!(tracker.with_field("ReferralKey", "again-1").await.unwrap(), [0_u64; 0], "no search finds it");
    let history = tracker.history(id).await.unwrap();
    let last = history.iter().rfind(|one| one["Type"] == "Status").unwrap();
    assert_eq!((&last["OldValue"], &last["NewValue"]), (&json!("rejected"), &json!("deleted")));
}

#[tokio::test]
async fn a_merged_ticket_answers_with_the_other_one() {
    let Some(tracker) = tracker().await else { return };
    let kept = create(tracker, json!({})).await;
    let merged = create(tracker, json!({})).await;
    let answer = put(tracker, merged, &json!({ "MergeInto": kept })).await;
    assert_eq!((answer.status, answer.json()), (200, json!(["Merge Successful"])));
    let shown = get(tracker, &format!("ticket/{merged}")).await;
    assert_eq!((shown.status, &shown.json()["id"]), (200, &json!(kept)), "no redirect, another id");
}

#[tokio::test]
async fn an_update_with_a_stale_etag_is_refused() {
    let Some(tracker) = tracker().await else { return };
    let id = create(tracker, json!({})).await;
    let path = format!("ticket/{id}");
    let etag = get(tracker, &path).await.header("etag").unwrap().to_owned();
    let update = |etag: Option<String>, subject: &str| {
        let (path, body) = (path.clone(), json!({ "Subject": subject }));
        async move { tracker.call(Account::Gateway, Method::PUT, &path, etag.as_deref(), Some(&body)).await.unwrap() }
    };
    let first = update(Some(etag.clone()), "first").await;
    let said = json!([format!("Ticket {id}: Subject changed from 'Referral' to 'first'")]);
    assert_eq!((first.status, first.json()), (200, said));
    let stale = update(Some(etag), "second").await;
    assert_eq!((stale.status, stale.text.as_str()), (412, r#"{"message":"Precondition Failed"}"#));
    assert_eq!(get(tracker, &path).await.json()["Subject"], "first");
    assert_eq!(update(None, "third").await.status, 200, "nothing asks for the header");
}

#[tokio::test]
async fn what_is_refused_with_a_status_of_its_own() {
    let Some(tracker) = tracker().await else { return };
    let creates = [
        (json!({ "Queue": "Nowhere", "Subject": "x" }), 403, "No permission to create tickets in the queue 'Nowhere'"),
        (json!({ "Subject": "x" }), 400, "Could not create ticket. Queue not set"),
        (
            json!({ "Queue": "Referrals", "Status": "accepted" }),
            400,
            "Status 'accepted' isn't a valid status for tickets in this queue.",
        ),
        (
            json!({ "Queue": "Referrals", "Attachments": [{ "FileName": "x" }] }),
            400,
            "Field FileType is required for each attachment in Attachments",
        ),
        (json!(["x"]), 400, "JSON object must be a HASH"),
    ];
    for (body, status, message) in creates {
        let answer = gateway(tracker, Method::POST, "ticket", Some(&body)).await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "message": message })), "{body}");
    }
    let absent = put(tracker, 99_999, &json!({ "Subject": "x" })).await;
    assert_eq!(
        (absent.status, absent.json()),
        (404, json!({ "message": "Resource does not exist; use POST to create" }))
    );
    assert_eq!(get(tracker, "ticket/99999").await.status, 404);
    let history = get(tracker, "ticket/99999/history").await;
    assert_eq!((history.status, &history.json()["count"]), (200, &json!(0)), "an empty history, not a 404");
    let bare = gateway(tracker, Method::PUT, "ticket/1/take", None).await;
    assert_eq!(bare.status, 415, "a body is needed, even an empty object");
    let request = crate::support::client().get(format!("{}ticket/1", tracker.base_url()));
    let strange = request.header("authorization", "token 1-14-nonsense").send().await.unwrap();
    assert_eq!(strange.status().as_u16(), 401);
}
