//! Looking up by a custom field, paging, and what a list hides.

use conformance_tests::request_tracker::{Answer, RequestTracker};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{create, get, id_of, tracker};

/// `path?query=sql&more`, encoded.
pub(super) fn asking(path: &str, sql: &str, more: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("query", sql).finish();
    format!("{path}?{query}&{more}")
}

async fn find(tracker: &RequestTracker, sql: &str, more: &str) -> Answer {
    get(tracker, &asking("tickets", sql, more)).await
}

fn ids(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(id_of).collect()
}

#[tokio::test]
async fn a_ticket_is_found_by_its_key() {
    let Some(tracker) = tracker().await else { return };
    let key = "it's \\ 7F3A";
    let id = create(tracker, json!({ "CustomFields": { "ReferralKey": key } })).await;
    assert_eq!(tracker.with_field("ReferralKey", key).await.unwrap(), [id]);
    let quoted = "it\\'s \\\\ 7F3A";
    let found = find(tracker, &format!("'CF.{{ReferralKey}}' = '{quoted}'"), "fields=Status,LastUpdated").await;
    assert_eq!(found.status, 200);
    let row = &found.json()["items"][0];
    let members: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!((members.len(), &row["Status"], &row["type"]), (5, &json!("new"), &json!("ticket")), "{members:?}");
    assert_eq!(row["id"], json!(id.to_string()), "text here, a number in the ticket itself");
    for same in [quoted.to_uppercase(), quoted.to_lowercase()] {
        let found = find(tracker, &format!("CF.{{ReferralKey}} = '{same}'"), "").await;
        assert_eq!(ids(&found.json()), [id], "capitals are not told apart");
    }
}

#[tokio::test]
async fn a_search_without_hits_and_a_wrong_one() {
    let Some(tracker) = tracker().await else { return };
    for sql in ["'CF.{ReferralKey}' = 'nobody'", "'CF.{NoSuchField}' = 'x'", "Status = 'accepted'", "Queue = 'Nowhere'"]
    {
        let none = find(tracker, sql, "").await;
        assert_eq!(none.status, 200, "{sql}");
        assert!(none.text.contains("\"pages\" : 0.0"), "a fraction where there are hits a whole number: {}", none.text);
        let expected = json!({ "count": 0, "total": 0, "page": 1, "pages": 0.0, "per_page": 20, "items": [] });
        assert_eq!(none.json(), expected, "{sql}");
    }
    for (sql, message) in [
        ("ReferralKey = 'x'", "Unknown field: ReferralKey at "),
        ("Queue = 'Referrals' AND (", "Incomplete query, last element (OPEN_PAREN) is not "),
    ] {
        let wrong = find(tracker, sql, "").await;
        assert_eq!(wrong.status, 400);
        assert!(wrong.json()["message"].as_str().unwrap().starts_with(message), "{}", wrong.text);
    }
}

#[tokio::test]
async fn tickets_come_in_pages() {
    let Some(tracker) = tracker().await else { return };
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(create(tracker, json!({ "CustomFields": { "ReferralKey": "pages" } })).await);
    }
    let sql = "'CF.{ReferralKey}' = 'pages'";
    let first = find(tracker, sql, "per_page=2&fields=Status").await.json();
    assert_eq!(ids(&first), made[..2], "by id unless told otherwise");
    assert_eq!((&first["count"], &first["total"], &first["pages"]), (&json!(2), &json!(5), &json!(3)));
    let next = first["next_page"].as_str().unwrap();
    assert!(next.starts_with(&format!("{}tickets?", tracker.base_url())) && next.ends_with("&page=2"), "{next}");
    let third = find(tracker, sql, "per_page=2&page=3").await.json();
    assert_eq!((ids(&third), third.get("next_page")), (vec![made[4]], None));
    let beyond = find(tracker, sql, "per_page=2&page=9").await.json();
    assert_eq!((&beyond["count"], &beyond["total"]), (&json!(0), &json!(5)));
    assert_eq!(ids(&find(tracker, sql, "per_page=2&orderby=id&order=DESC").await.json()), [made[4], made[3]]);
    assert_eq!(find(tracker, sql, "per_page=500").await.json()["per_page"], 100, "no more than a hundred");
}

#[tokio::test]
async fn a_page_of_a_history_may_be_short_although_more_follow() {
    let Some(tracker) = tracker().await else { return };
    // The mail to the requestor is a row that the gateway may not see.
    let id = create(tracker, json!({ "Requestor": "surgery@practice.example" })).await;
    for status in ["open", "stalled", "open"] {
        tracker.set_status(id, status).await.unwrap();
    }
    let page = |number: usize| async move {
        get(tracker, &format!("ticket/{id}/history?fields=Type&per_page=2&page={number}")).await.json()
    };
    let first = page(1).await;
    let types: Vec<&Value> = first["items"].as_array().unwrap().iter().map(|one| &one["Type"]).collect();
    assert_eq!(types, ["Create"], "one row of two, and this is not the end");
    assert_eq!((&first["count"], &first["total"], &first["pages"]), (&json!(1), &Value::Null, &Value::Null));
    assert_eq!(first.get("next_page"), None, "nor does this say that there is more");
    assert_eq!(page(2).await["count"], 2);
    let names = get(tracker, &format!("ticket/{id}/history")).await.json();
    assert_eq!(names["items"][0].as_object().unwrap().len(), 3, "id, type and _url, unless fields are asked for");
}

#[tokio::test]
async fn status_changes_of_the_whole_queue_are_found_after_a_transaction() {
    let Some(tracker) = tracker().await else { return };
    let one = create(tracker, json!({ "Requestor": "surgery@practice.example" })).await;
    let two = create(tracker, json!({})).await;
    tracker.set_status(one, "open").await.unwrap();
    let mark = id_of(tracker.history(one).await.unwrap().last().unwrap());
    tracker.set_status(two, "rejected").await.unwrap();
    tracker.comment(one, "Rang twice").await.unwrap();
    tracker.set_status(one, "resolved").await.unwrap();
    tracker.set_status(two, "deleted").await.unwrap();
    let sql = format!("TicketQueue = 'Referrals' AND Type = 'Status' AND id > {mark}");
    let fields = "fields=ObjectId,ObjectType,OldValue,NewValue,Created&per_page=100&orderby=id&order=ASC";
    let found = get(tracker, &asking("transactions", &sql, fields)).await;
    assert_eq!(found.status, 200, "{}", found.text);
    let body = found.json();
    assert_eq!((&body["total"], &body["pages"]), (&Value::Null, &Value::Null));
    let rows = body["items"].as_array().unwrap();
    assert!(rows.windows(2).all(|pair| id_of(&pair[0]) < id_of(&pair[1])));
    // Other tests work in the same queue at the same time.
    let ours = rows.iter().filter(|row| [one, two].map(|id| json!(id.to_string())).contains(&row["ObjectId"]));
    let ours: Vec<_> = ours.map(|row| (row["ObjectId"].as_str().unwrap(), row["NewValue"].as_str().unwrap())).collect();
    let (one, two) = (one.to_string(), two.to_string());
    assert_eq!(ours, [(two.as_str(), "rejected"), (one.as_str(), "resolved"), (two.as_str(), "deleted")]);
    assert!(rows.iter().all(|row| row["ObjectType"] == "RT::Ticket"));
}

#[tokio::test]
async fn one_ticket_has_its_status_changes_to_itself() {
    let Some(tracker) = tracker().await else { return };
    let id = create(tracker, json!({ "Requestor": "surgery@practice.example" })).await;
    for status in ["open", "resolved"] {
        tracker.set_status(id, status).await.unwrap();
    }
    let sql = format!("TicketId = {id} AND Type = 'Status'");
    let body = get(tracker, &asking("transactions", &sql, "fields=NewValue&per_page=2")).await.json();
    let moved: Vec<&Value> = body["items"].as_array().unwrap().iter().map(|row| &row["NewValue"]).collect();
    assert_eq!(moved, ["open", "resolved"]);
    assert_eq!(get(tracker, &asking("transactions", "Colour = 1", "")).await.status, 400);
}
