//! What RT drops, cuts or leaves undone while it answers with success.

use conformance_tests::request_tracker::{Account, RequestTracker};
use http::Method;
use serde_json::{Value, json};

use super::search::asking;
use super::{create, field, gateway, get, put, tracker};

/// Creates a ticket with each of these members, then reads them all; the rows in order.
async fn kept(tracker: &RequestTracker, members: Vec<Value>) -> Vec<Value> {
    let mut ids = Vec::new();
    for members in members {
        ids.push(format!("id = {}", create(tracker, members).await));
    }
    let path = asking("tickets", &ids.join(" OR "), "fields=Subject,CustomFields&per_page=100&orderby=id");
    get(tracker, &path).await.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_subject_is_cut_at_200_bytes_and_loses_its_line_breaks() {
    let Some(tracker) = tracker().await else { return };
    let long = "x".repeat(300);
    let accents = "\u{e9}".repeat(150);
    let cases = [
        (long.as_str(), &long[..200]),
        (accents.as_str(), &accents[..200]),
        ("two\nlines", "twolines"),
        ("  spaces  ", "  spaces  "),
    ];
    let rows = kept(tracker, cases.map(|(sent, _)| json!({ "Subject": sent })).to_vec()).await;
    assert_eq!(rows.len(), cases.len());
    for (row, (_, kept)) in rows.iter().zip(cases) {
        assert_eq!(row["Subject"], kept);
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_field_is_dropped() {
    let Some(tracker) = tracker().await else { return };
    let whole = format!("{} it's \"quoted\" \\ \u{e9}\u{1F600}\nsecond line", "x".repeat(5000));
    let cases = [
        ("NeedCategory", json!("no such choice"), json!([])),
        ("FirstContactBy", json!("1970-01-02"), json!(["1970-01-02"])),
        // RT's dates begin in 1970: a date of birth must not go into a field of dates.
        ("FirstContactBy", json!("1969-12-31"), json!([])),
        ("FirstContactBy", json!("soon"), json!([])),
        ("ReferralKey", json!(["one", "two"]), json!(["two"])),
        ("ReferralKey", Value::Null, json!([])),
        ("ReferralKey", json!(""), json!([])),
        ("ReferralKey", json!(true), json!(["1"])),
        ("ReferralKey", json!(12), json!(["12"])),
        // No limit, and no change.
        ("ReferralKey", json!(whole), json!([whole])),
    ];
    let members = cases.iter().map(|(name, sent, _)| json!({ "CustomFields": { *name: sent } })).collect();
    let rows = kept(tracker, members).await;
    assert_eq!(rows.len(), cases.len());
    for (row, (name, sent, kept)) in rows.iter().zip(cases) {
        assert_eq!(field(row, name), kept, "{name} {sent}");
    }
}

#[tokio::test]
async fn a_field_that_is_not_there_or_not_allowed_is_dropped() {
    let Some(tracker) = tracker().await else { return };
    let id = create(tracker, json!({ "CustomFields": { "NoSuchField": "x" }, "NoSuchMember": "x" })).await;
    assert!(!get(tracker, &format!("ticket/{id}")).await.text.contains("NoSuch"));
    let body = json!({ "Queue": "Referrals", "Subject": "x", "CustomFields": { "ReferralKey": "newcomer-1" } });
    let answer = tracker.call(Account::Newcomer, Method::POST, "ticket", None, Some(&body)).await.unwrap();
    assert_eq!(answer.status, 201, "the right to change custom fields is missing, and nothing says so");
    let id: u64 = answer.json()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(field(&get(tracker, &format!("ticket/{id}")).await.json(), "ReferralKey"), json!([]));
    let seen = tracker.call(Account::Newcomer, Method::GET, &format!("ticket/{id}"), None, None).await.unwrap();
    assert_eq!(seen.json()["CustomFields"], json!([]), "nor does that account see any");
}

#[tokio::test]
async fn an_update_that_failed_answers_200() {
    let Some(tracker) = tracker().await else { return };
    let id = create(tracker, json!({})).await;
    let ticket = |words: &str| json!([format!("Ticket {id}: {words}")]);
    let cases = [
        (json!({ "Status": "accepted" }), ticket("Status 'accepted' isn't a valid status for this ticket.")),
        (json!({ "Status": "new" }), json!([])),
        (json!({ "NoSuchMember": "x" }), json!([])),
        (json!({ "CustomFields": { "NoSuchField": "x" } }), json!([])),
        (json!({ "Status": "deleted" }), ticket("Permission Denied")),
        (json!({ "Status": "OPEN" }), ticket("Status changed from 'new' to 'open'")),
        (json!({ "CustomFields": { "ReferralKey": "late" } }), json!(["ReferralKey late added"])),
    ];
    for (body, said) in cases {
        let answer = put(tracker, id, &body).await;
        assert_eq!((answer.status, answer.json()), (200, said), "{body}");
    }
    assert_eq!(get(tracker, &format!("ticket/{id}")).await.json()["Status"], "open");
}

#[tokio::test]
async fn a_bulk_call_succeeds_whatever_its_rows_do() {
    let Some(tracker) = tracker().await else { return };
    let rows = json!([{ "Queue": "Referrals", "Subject": "one" }, { "Queue": "Nowhere", "Subject": "two" }]);
    let created = gateway(tracker, Method::POST, "tickets/bulk", Some(&rows)).await;
    assert_eq!(created.status, 201);
    let body = created.json();
    assert_eq!(body[1], json!({ "message": "No permission to create tickets in the queue 'Nowhere'" }));
    let id: u64 = body[0]["id"].as_str().unwrap().parse().unwrap();
    let rows = json!([{ "id": id, "Status": "accepted" }, { "id": 99_999, "Status": "open" }]);
    let updated = gateway(tracker, Method::PUT, "tickets/bulk", Some(&rows)).await;
    let said = format!("Ticket {id}: Status 'accepted' isn't a valid status for this ticket.");
    assert_eq!((updated.status, updated.json()), (200, json!([[id, said], [99_999, "Resource does not exist"]])));
}
