//! Lists, what is found again through them, and what goes wrong on the way.

use conformance_tests::connect_families::Quirks;
use conformance_tests::platform::{Fault, FaultKind, Match};
use http::Method;
use serde_json::{Value, json};

use super::{ACCOUNT, charity, get, platform, post, send, sender, try_send, whole};

fn ids(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn lists_are_paged_sorted_and_hide_the_declined() {
    let platform = platform().await;
    for number in 1..=23 {
        post(&platform, &whole(&format!("Would like company [ref {number}]"))).await;
    }
    platform.decline(3, "Full");
    platform.open(1);
    let list = |query: &str| {
        let path = format!("api/referralsByReferrer/{ACCOUNT}?{query}");
        let platform = &platform;
        async move { get(platform, &path).await }
    };
    let first = list("").await.json();
    assert_eq!(ids(&first), [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!((&first["pageNumber"], &first["totalPages"], &first["totalCount"]), (&json!(1), &json!(3), &json!(22)));
    let all = "includeDeclined=true&pageSize=4";
    assert_eq!(list(all).await.json()["totalCount"], 23);
    assert_eq!(ids(&list(&format!("{all}&orderBy=DateUpdated&isAssending=false")).await.json()), [1, 3, 23, 22]);
    assert_eq!(ids(&list(&format!("{all}&orderBy=DateUpdated&isAssending=true")).await.json()), [2, 4, 5, 6]);
    assert_eq!(ids(&list(&format!("{all}&orderBy=DateSent&isAssending=false")).await.json()), [23, 22, 21, 20]);
    let misspelt = list(&format!("{all}&orderBy=DateSent&isAscending=false")).await.json();
    assert_eq!(ids(&misspelt), [1, 2, 3, 4], "the right spelling is not the platform's");
    let last = list(&format!("{all}&orderBy=DateSent&isAssending=false&pageNumber=6")).await.json();
    assert_eq!((ids(&last), &last["totalPages"]), (vec![3, 2, 1], &json!(6)));
    assert_eq!(ids(&list(&format!("{all}&pageNumber=7")).await.json()), [0_i64; 0]);
    for (query, member) in [
        ("pageNumber=0", "pageNumber"),
        ("pageSize=-1", "pageSize"),
        ("includeDeclined=perhaps", "includeDeclined"),
        ("isAssending=1", "isAssending"),
        ("orderBy=Colour", "orderBy"),
    ] {
        assert_eq!(list(query).await.members(), [member]);
    }
    assert_eq!(get(&platform, "api/referralsByReferrer/72").await.json()["totalCount"], 0);
    let inbox = send(&platform, Method::GET, "api/organisationreferrals/12", &charity(&platform), None).await.json();
    assert_eq!(inbox["totalCount"], 22);
    platform.set_quirks(Quirks { rows_again: true, ..Quirks::default() });
    let second = list(&format!("{all}&orderBy=DateSent&isAssending=true&pageNumber=2")).await.json();
    assert_eq!(ids(&second), [4, 5, 6, 7, 8], "the last row of page one comes again");
}

#[tokio::test]
async fn a_lost_answer_is_found_again_by_the_reference_in_the_text() {
    let platform = platform().await;
    for number in 0..12 {
        post(&platform, &whole(&format!("Somebody else [ref {number}]"))).await;
    }
    platform.faults().push(Fault::new(Match::on("POST", "/api/referrals"), FaultKind::ResetAfterStoring));
    let body = whole("Would like company [ref 7F3A]");
    assert!(try_send(&platform, Method::POST, "api/referrals", &sender(&platform), Some(&body)).await.is_err());
    platform.decline(13, "Full");
    let mut found = Vec::new();
    for page in 1..=2 {
        let query = "includeDeclined=true&orderBy=DateSent&isAssending=false";
        let path = format!("api/referralsByReferrer/{ACCOUNT}?{query}&pageNumber={page}");
        let page = get(&platform, &path).await.json();
        assert_eq!(page["totalPages"], 2);
        let rows = page["items"].as_array().unwrap();
        let ours = rows.iter().filter(|one| one["reasonForSupport"].as_str().unwrap().ends_with("[ref 7F3A]"));
        found.extend(ours.map(|one| one["id"].as_i64().unwrap()));
    }
    assert_eq!((found, platform.holding("[ref 7F3A]")), (vec![13], vec![13]));
    // Nothing stops a second one: the platform has no key.
    post(&platform, &body).await;
    assert_eq!(platform.holding("[ref 7F3A]"), [13, 14]);
}

#[tokio::test]
async fn faults_strike_as_asked_and_store_what_they_say() {
    let platform = platform().await;
    let push = |kind| platform.faults().push(Fault::new(Match::on("POST", "/api/referrals"), kind));
    push(FaultKind::Status { status: 429, retry_after: Some(30) });
    let got = post(&platform, &whole("x")).await;
    assert_eq!((got.status, got.headers["retry-after"].to_str().unwrap()), (429, "30"));
    push(FaultKind::Status { status: 500, retry_after: None });
    let got = post(&platform, &whole("x")).await;
    assert_eq!((got.status, got.json()["status"].clone(), got.headers.get("retry-after")), (500, json!(500), None));
    push(FaultKind::HtmlPage);
    let got = post(&platform, &whole("x")).await;
    assert_eq!((got.status, got.media()), (200, "text/html; charset=utf-8"));
    assert!(got.text.starts_with("<!doctype html>"));
    push(FaultKind::ResetBeforeStoring);
    let token = sender(&platform);
    let lost =
        || async { try_send(&platform, Method::POST, "api/referrals", &token, Some(&whole("x"))).await.is_err() };
    assert!(lost().await && platform.received().is_empty());
    push(FaultKind::TruncatedBody);
    assert!(lost().await);
    assert_eq!(platform.received().len(), 1);
    push(FaultKind::WrongContentType);
    assert_eq!(post(&platform, &whole("x")).await.media(), "text/plain");
    assert_eq!((platform.received().len(), platform.faults().waiting(), platform.requests().len()), (2, 0, 6));
    assert!(platform.requests()[0].header("authorization").unwrap().starts_with("Bearer "));
}

#[tokio::test]
async fn no_answer_ever_comes_until_it_is_released() {
    let platform = std::sync::Arc::new(platform().await);
    for (kind, stored) in [(FaultKind::Stall, 0), (FaultKind::StallAfterStoring, 1)] {
        platform.faults().push(Fault::new(Match::any(), kind));
        let caller = {
            let platform = std::sync::Arc::clone(&platform);
            let token = sender(&platform);
            async move { try_send(&platform, Method::POST, "api/referrals", &token, Some(&whole("x"))).await.is_err() }
        };
        let caller = tokio::spawn(caller);
        while platform.faults().waiting() > 0 {
            tokio::task::yield_now().await;
        }
        while !caller.is_finished() {
            platform.faults().release();
            tokio::task::yield_now().await;
        }
        assert!(caller.await.unwrap());
        assert_eq!(platform.received().len(), stored);
    }
    platform.stop().await;
    assert!(try_send(&platform, Method::GET, "api/statuses", "", None).await.is_err());
}
