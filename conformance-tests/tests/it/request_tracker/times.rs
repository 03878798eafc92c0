//! Times: answers are in UTC, searches are read in the time zone of whoever asks, and neither knows fractions.
//!
//! The server of these tests stands in Asia/Kolkata, 5:30 ahead of UTC in summer and winter.

use conformance_tests::request_tracker::{Account, RequestTracker};
use http::Method;
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use super::search::asking;
use super::{create, get, tracker};

fn text(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]")).unwrap()
}

/// Whether the ticket is among those of which this is true.
async fn holds(tracker: &RequestTracker, account: Account, id: u64, condition: &str) -> bool {
    let path = asking("tickets", &format!("id = {id} AND {condition}"), "");
    let answer = tracker.call(account, Method::GET, &path, None, None).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["total"] == 1
}

#[tokio::test]
async fn a_time_in_a_search_is_read_in_the_zone_of_whoever_asks() {
    let Some(tracker) = tracker().await else { return };
    let id = create(tracker, json!({})).await;
    let ticket = get(tracker, &format!("ticket/{id}")).await.json();
    let updated = ticket["LastUpdated"].as_str().unwrap();
    assert!(updated.len() == 20 && updated.ends_with('Z'), "whole seconds in UTC: {updated}");
    let utc = OffsetDateTime::parse(updated, &Rfc3339).unwrap();
    let local = utc + Duration::minutes(330);
    let second = Duration::seconds(1);
    let after =
        |account, at: String| async move { holds(tracker, account, id, &format!("LastUpdated > '{at}'")).await };
    // The gateway's account has no zone of its own, so the server's counts. Later than, and not at.
    assert!(after(Account::Gateway, text(local - second)).await);
    assert!(!after(Account::Gateway, text(local)).await);
    assert!(holds(tracker, Account::Gateway, id, &format!("LastUpdated >= '{}'", text(local))).await);
    // The newcomer's own zone is UTC.
    assert!(after(Account::Newcomer, text(utc - second)).await);
    assert!(!after(Account::Newcomer, text(utc)).await);
    // A zone in the text is read and passed over.
    for zone in [" UTC", " GMT", " +0000", "+00:00"] {
        assert!(after(Account::Gateway, format!("{}{zone}", text(local - second))).await, "{zone}");
        assert!(!after(Account::Gateway, format!("{}{zone}", text(local))).await, "{zone}");
    }
    // A fraction too.
    assert!(after(Account::Gateway, format!("{}.9", text(local - second))).await);
}

#[tokio::test]
async fn a_time_that_rt_cannot_read_means_something_else_without_a_word() {
    let Some(tracker) = tracker().await else { return };
    let id = create(tracker, json!({})).await;
    let ticket = get(tracker, &format!("ticket/{id}")).await.json();
    let utc = OffsetDateTime::parse(ticket["LastUpdated"].as_str().unwrap(), &Rfc3339).unwrap();
    let later = utc + Duration::minutes(330) + Duration::hours(1);
    assert!(!holds(tracker, Account::Gateway, id, &format!("LastUpdated > '{}'", text(later))).await);
    for nonsense in ["nonsense", "20260615T120000Z", &utc.unix_timestamp().to_string()] {
        let condition = format!("LastUpdated > '{nonsense}'");
        assert!(holds(tracker, Account::Gateway, id, &condition).await, "{nonsense} is the year 1970");
    }
    // An instant as RT itself writes it is cut to its day: midnight in the zone of whoever asks.
    let evening = format!("{}T23:59:59Z", (utc + Duration::minutes(330)).date());
    assert!(holds(tracker, Account::Gateway, id, &format!("LastUpdated >= '{evening}'")).await);
}
